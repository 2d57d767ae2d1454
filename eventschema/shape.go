package eventschema

import (
	"encoding/binary"
	"reflect"
	"unicode/utf8"
)

// A shape is the one form that canonical bytes of a type take. The CBOR library reads generously: an array that is too
// short or too long, a map or a null in a structure's place, a number longer than it need be. A record that decodes to
// the same fact from other bytes would be a second leaf for one event, so every byte is held against the shape before
// the library sees it, and what is about to be written as well: nothing gets into the ledger that cannot be read again.
// It costs about a tenth of decoding.
type shape struct {
	kind   reflect.Kind
	length int     // of an array of bytes
	items  []shape // the fields of a structure, or the one element of a slice
}

func shapeOf(t reflect.Type) shape {
	s := shape{kind: t.Kind()}
	switch s.kind {
	case reflect.Struct:
		for i := range t.NumField() {
			s.items = append(s.items, shapeOf(t.Field(i).Type))
		}
	case reflect.Slice:
		s.items = []shape{shapeOf(t.Elem())}
	case reflect.Array:
		s.length = t.Len()
		if t.Elem().Kind() != reflect.Uint8 {
			panic("catalogue: " + t.String() + ": of arrays, only those of bytes are known")
		}
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint64:
	default:
		panic("catalogue: " + t.String() + " has no canonical form")
	}
	return s
}

// The kinds of CBOR items, by the upper three bits of an item's head.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray

	cborFalse, cborTrue, cborNull = 0xf4, 0xf5, 0xf6
)

// fits tells whether the bytes are one value of the shape in canonical form, and nothing else.
func (s *shape) fits(b []byte) bool {
	rest, ok := s.walk(b)
	return ok && len(rest) == 0
}

// walk passes over one value of the shape.
func (s *shape) walk(b []byte) ([]byte, bool) {
	if s.kind == reflect.Bool {
		return b[min(1, len(b)):], len(b) > 0 && (b[0] == cborFalse || b[0] == cborTrue)
	}
	if s.kind == reflect.Slice && len(b) > 0 && b[0] == cborNull {
		return b[1:], true
	}
	major, n, b, ok := head(b)
	if !ok {
		return nil, false
	}
	switch s.kind {
	case reflect.Struct:
		if major != majorArray || n != uint64(len(s.items)) {
			return nil, false
		}
		for i := range s.items {
			if b, ok = s.items[i].walk(b); !ok {
				return nil, false
			}
		}
		return b, true
	case reflect.Slice:
		if s.items[0].kind == reflect.Uint8 {
			break
		}
		if major != majorArray || n > uint64(len(b)) {
			return nil, false
		}
		for range n {
			if b, ok = s.items[0].walk(b); !ok {
				return nil, false
			}
		}
		return b, true
	case reflect.Int, reflect.Int32, reflect.Int64:
		return b, major == majorUint || major == majorNegative
	case reflect.Uint64:
		return b, major == majorUint
	case reflect.String:
		if major != majorText || n > uint64(len(b)) || !utf8.Valid(b[:n]) {
			return nil, false
		}
		return b[n:], true
	}
	// what is left is an array or a slice of bytes
	if major != majorBytes || n > uint64(len(b)) || s.kind == reflect.Array && n != uint64(s.length) {
		return nil, false
	}
	return b[n:], true
}

// head reads the head of an item: its kind and its number, in the shortest form there is.
func head(b []byte) (major byte, n uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, 0, nil, false
	}
	major, n, b = b[0]>>5, uint64(b[0]&0x1f), b[1:]
	switch {
	case n < 24:
		return major, n, b, true
	case n == 24 && len(b) >= 1:
		n = uint64(b[0])
		return major, n, b[1:], n >= 24
	case n == 25 && len(b) >= 2:
		n = uint64(binary.BigEndian.Uint16(b))
		return major, n, b[2:], n > 0xff
	case n == 26 && len(b) >= 4:
		n = uint64(binary.BigEndian.Uint32(b))
		return major, n, b[4:], n > 0xffff
	case n == 27 && len(b) >= 8:
		n = binary.BigEndian.Uint64(b)
		return major, n, b[8:], n > 0xffffffff
	}
	return 0, 0, nil, false
}
