package eventschema

import (
	"encoding/binary"
	"reflect"
	"unicode/utf8"
)

// A shape is the one form that canonical bytes of a type take, as the items that follow one another in them. The CBOR
// library reads generously: an array that is too short or too long, a map or a null in a structure's place, a number
// longer than it need be. A record that decodes to the same fact from other bytes would be a second leaf for one event,
// so every byte is held against the shape before the library sees it, and what is about to be written as well: nothing
// gets into the ledger that cannot be read again. It costs a small part of decoding.
type shape []item

type item struct {
	kind   itemKind
	length uint64 // elements of a structure, bytes of an array of bytes
	each   shape  // the element of a list
}

type itemKind byte

const (
	structure itemKind = iota // the head alone: the fields are the items that follow
	list
	text
	octets     // as many as length says
	someOctets // any number
	number     // not negative
	signed
	truth
)

func shapeOf(t reflect.Type) shape {
	switch t.Kind() {
	case reflect.Struct:
		s := shape{{kind: structure, length: uint64(t.NumField())}}
		for i := range t.NumField() {
			s = append(s, shapeOf(t.Field(i).Type)...)
		}
		return s
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return shape{{kind: someOctets}}
		}
		return shape{{kind: list, each: shapeOf(t.Elem())}}
	case reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return shape{{kind: octets, length: uint64(t.Len())}}
		}
	case reflect.String:
		return shape{{kind: text}}
	case reflect.Bool:
		return shape{{kind: truth}}
	case reflect.Uint64:
		return shape{{kind: number}}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return shape{{kind: signed}}
	}
	panic("catalogue: " + t.String() + " has no canonical form")
}

// The kinds of CBOR items, by the upper three bits of an item's head, and the values that are a head alone.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray

	cborFalse, cborTrue, cborNull = 0xf4, 0xf5, 0xf6
)

// fits tells whether the bytes are one value of the shape in canonical form, and nothing else.
func (s shape) fits(b []byte) bool {
	rest, ok := s.walk(b)
	return ok && len(rest) == 0
}

// walk passes over one value of the shape.
func (s shape) walk(b []byte) ([]byte, bool) {
	for i := range s {
		it := &s[i]
		if len(b) == 0 {
			return nil, false
		}
		if it.kind == truth {
			if b[0] != cborFalse && b[0] != cborTrue {
				return nil, false
			}
			b = b[1:]
			continue
		}
		if b[0] == cborNull && (it.kind == list || it.kind == someOctets) {
			b = b[1:] // a nil slice
			continue
		}
		major, n := b[0]>>5, uint64(b[0]&0x1f)
		b = b[1:]
		if n >= 24 {
			var ok bool
			if n, b, ok = long(n, b); !ok {
				return nil, false
			}
		}
		ok := false
		switch it.kind {
		case structure:
			ok = major == majorArray && n == it.length
		case number:
			ok = major == majorUint
		case signed:
			ok = major <= majorNegative
		case text:
			if ok = major == majorText && n <= uint64(len(b)) && utf8.Valid(b[:n]); ok {
				b = b[n:]
			}
		case octets, someOctets:
			if ok = major == majorBytes && n <= uint64(len(b)) && (it.kind == someOctets || n == it.length); ok {
				b = b[n:]
			}
		case list:
			ok = major == majorArray && n <= uint64(len(b))
			for ; ok && n > 0; n-- {
				b, ok = it.each.walk(b)
			}
		}
		if !ok {
			return nil, false
		}
	}
	return b, true
}

// long reads the number of a head that does not hold it itself, in the shortest form there is.
func long(n uint64, b []byte) (uint64, []byte, bool) {
	switch {
	case n == 24 && len(b) >= 1:
		n = uint64(b[0])
		return n, b[1:], n >= 24
	case n == 25 && len(b) >= 2:
		n = uint64(binary.BigEndian.Uint16(b))
		return n, b[2:], n > 0xff
	case n == 26 && len(b) >= 4:
		n = uint64(binary.BigEndian.Uint32(b))
		return n, b[4:], n > 0xffff
	case n == 27 && len(b) >= 8:
		n = binary.BigEndian.Uint64(b)
		return n, b[8:], n > 0xffffffff
	}
	return 0, nil, false
}
