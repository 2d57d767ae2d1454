package eventschema

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"sync"
	"time"
	"unicode/utf8"
)

// A shape is the one form that canonical bytes of a type take, made from the type once: the items that follow one another
// in them. Values are written by it, and read by it in one pass that takes no other byte than writing would have put
// there: an array that is too short or too long, a null or bytes in another item's place, a number that is longer than it
// need be or too large for its field, text that is not UTF-8 are refused. A record that decoded to the same fact from other
// bytes would be a second leaf for one event. Text that is not UTF-8 is not written either: nothing gets into the ledger
// that cannot be read again.
type shape struct {
	kind   itemKind
	typ    reflect.Type
	fields []shape // of a structure
	each   *shape  // what a list is made of, or a pointer points to
	least  int     // the fewest bytes a value takes
}

type itemKind byte

const (
	structure itemKind = iota // an array of its fields
	list                      // an array; null where it is nil
	numbers                   // the same, of type []int
	pointer                   // what it points to; null where it is nil
	text
	word       // text of a type of its own: one of a few, and each comes very often
	octets     // as many bytes as the type says
	someOctets // any number of bytes; null where they are nil
	number     // not negative
	signed
	truth
	instant // a number: whole microseconds since 1970, read back in UTC
)

// shapeOf is the shape of a part of an event.
func shapeOf(t reflect.Type) shape { return compile(t, false) }

// compile makes the shape of a type. Documents of views may hold instants and pointers; events hold neither.
func compile(t reflect.Type, document bool) shape {
	of := func(kind itemKind, least int) shape { return shape{kind: kind, typ: t, least: least} }
	within := func(kind itemKind) shape {
		each := compile(t.Elem(), document)
		return shape{kind: kind, typ: t, least: 1, each: &each}
	}
	ofBytes := (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
	switch {
	case document && t == reflect.TypeFor[time.Time]():
		return of(instant, 1)
	case document && t.Kind() == reflect.Pointer:
		return within(pointer)
	case t.Kind() == reflect.Struct:
		s := of(structure, 1)
		for i := range t.NumField() {
			f := compile(t.Field(i).Type, document)
			s.fields, s.least = append(s.fields, f), s.least+f.least
		}
		return s
	case t.Kind() == reflect.Slice && ofBytes:
		return of(someOctets, 1)
	case t == reflect.TypeFor[[]int]():
		return within(numbers)
	case t.Kind() == reflect.Slice:
		return within(list)
	case ofBytes:
		return of(octets, 1+t.Len())
	case t == reflect.TypeFor[string]():
		return of(text, 1)
	case t.Kind() == reflect.String:
		return of(word, 1)
	case t.Kind() == reflect.Bool:
		return of(truth, 1)
	case t.Kind() == reflect.Uint64:
		return of(number, 1)
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int32, t.Kind() == reflect.Int64:
		return of(signed, 1)
	}
	panic("catalogue: " + t.String() + " has no canonical form")
}

// documents are the shapes that Marshal and Unmarshal have met.
var documents sync.Map // of reflect.Type to *shape

func documentOf(t reflect.Type) *shape {
	if s, ok := documents.Load(t); ok {
		return s.(*shape)
	}
	made := compile(t, true)
	s, _ := documents.LoadOrStore(t, &made)
	return s.(*shape)
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

// A writer puts canonical bytes together.
type writer struct {
	b   []byte
	bad bool // there was text that is not UTF-8
}

var writers = sync.Pool{New: func() any { return new(writer) }}

func newWriter() *writer { return writers.Get().(*writer) }

// done gives what was written, and lets others use the writer.
func (w *writer) done() ([]byte, error) {
	b, bad := bytes.Clone(w.b), w.bad
	clear(w.b) // it may be what is to be sealed
	w.b, w.bad = w.b[:0], false
	writers.Put(w)
	if bad {
		return nil, errNotText
	}
	return b, nil
}

var errNotText = errors.New("there is a value that cannot be kept: text that is not UTF-8")

// write adds a value, which is addressable.
func (s *shape) write(w *writer, v reflect.Value) {
	switch s.kind {
	case structure:
		w.head(majorArray, uint64(len(s.fields)))
		for i := range s.fields {
			s.fields[i].write(w, v.Field(i))
		}
	case list, numbers:
		if v.IsNil() {
			w.b = append(w.b, cborNull)
			return
		}
		w.head(majorArray, uint64(v.Len()))
		for i := range v.Len() {
			s.each.write(w, v.Index(i))
		}
	case pointer:
		if v.IsNil() {
			w.b = append(w.b, cborNull)
			return
		}
		s.each.write(w, v.Elem())
	case text, word:
		w.text(v.String())
	case octets, someOctets:
		if s.kind == someOctets && v.IsNil() {
			w.b = append(w.b, cborNull)
			return
		}
		w.bytes(v.Bytes())
	case number:
		w.head(majorUint, v.Uint())
	case signed:
		w.int(v.Int())
	case truth:
		if v.Bool() {
			w.b = append(w.b, cborTrue)
		} else {
			w.b = append(w.b, cborFalse)
		}
	case instant:
		w.int(v.Addr().Interface().(*time.Time).UnixMicro())
	}
}

func (w *writer) text(s string) {
	w.bad = w.bad || !utf8.ValidString(s)
	w.head(majorText, uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) bytes(b []byte) {
	w.head(majorBytes, uint64(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) int(i int64) {
	if i < 0 {
		w.head(majorNegative, uint64(-1-i))
	} else {
		w.head(majorUint, uint64(i))
	}
}

// head adds an item's head, in the shortest form there is.
func (w *writer) head(major byte, n uint64) {
	major <<= 5
	switch {
	case n < 24:
		w.b = append(w.b, major|byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, major|24, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, major|25), uint16(n))
	case n <= math.MaxUint32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, major|26), uint32(n))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, major|27), n)
	}
}

// A reader goes through canonical bytes. Where they are not what is looked for, it turns bad and finds nothing more.
type reader struct {
	rest  []byte
	bad   bool
	words [256]string // met lately, by a glance at their letters
}

var readers = sync.Pool{New: func() any { return new(reader) }}

func newReader(b []byte) *reader {
	r := readers.Get().(*reader)
	r.rest, r.bad = b, false
	return r
}

// done tells whether the bytes were what was read from them and nothing else, and lets others use the reader.
func (r *reader) done() bool {
	whole := !r.bad && len(r.rest) == 0
	r.rest = nil
	readers.Put(r)
	return whole
}

// read fills a value, which is zero and can be set.
func (s *shape) read(r *reader, v reflect.Value) {
	switch s.kind {
	case structure:
		r.array(len(s.fields))
		for i := range s.fields {
			s.fields[i].read(r, v.Field(i))
		}
	case list:
		if r.null() {
			return
		}
		n := r.count(s.each.least)
		if n == 0 && !r.bad {
			v.Set(reflect.MakeSlice(s.typ, 0, 0))
		}
		v.Grow(n)
		v.SetLen(n)
		for i := range n {
			s.each.read(r, v.Index(i))
		}
	case numbers:
		if r.null() {
			return
		}
		list := make([]int, r.count(s.each.least))
		for i := range list {
			list[i] = int(r.int())
		}
		*v.Addr().Interface().(*[]int) = list
	case pointer:
		if !r.null() {
			v.Set(reflect.New(s.typ.Elem()))
			s.each.read(r, v.Elem())
		}
	case text:
		v.SetString(r.text())
	case word:
		v.SetString(r.word())
	case octets:
		r.fill(v.Bytes())
	case someOctets:
		if !r.null() {
			v.SetBytes(append([]byte{}, r.take(majorBytes)...))
		}
	case number:
		v.SetUint(r.uint())
	case signed:
		i := r.int()
		if v.OverflowInt(i) {
			r.fail()
		}
		v.SetInt(i)
	case truth:
		v.SetBool(r.truth())
	case instant:
		*v.Addr().Interface().(*time.Time) = time.UnixMicro(r.int()).UTC()
	}
}

func (r *reader) fail() { r.rest, r.bad = nil, true }

// head passes an item's head.
func (r *reader) head() (major byte, n uint64) {
	if len(r.rest) == 0 {
		r.fail()
		return 0, 0
	}
	major, n = r.rest[0]>>5, uint64(r.rest[0]&0x1f)
	r.rest = r.rest[1:]
	if n >= 24 {
		n = r.long(n)
	}
	return major, n
}

// long reads the number of a head that does not hold it itself, in the shortest form there is.
func (r *reader) long(size uint64) (n uint64) {
	b, shortest := r.rest, false
	switch {
	case size == 24 && len(b) >= 1:
		n, r.rest = uint64(b[0]), b[1:]
		shortest = n >= 24
	case size == 25 && len(b) >= 2:
		n, r.rest = uint64(binary.BigEndian.Uint16(b)), b[2:]
		shortest = n > math.MaxUint8
	case size == 26 && len(b) >= 4:
		n, r.rest = uint64(binary.BigEndian.Uint32(b)), b[4:]
		shortest = n > math.MaxUint16
	case size == 27 && len(b) >= 8:
		n, r.rest = binary.BigEndian.Uint64(b), b[8:]
		shortest = n > math.MaxUint32
	}
	if !shortest {
		r.fail()
		return 0
	}
	return n
}

// array passes the head of an array of so many items.
func (r *reader) array(n int) {
	if major, got := r.head(); major != majorArray || got != uint64(n) {
		r.fail()
	}
}

// count passes the head of an array, of items that take so many bytes at least. More than the rest has room for are none.
func (r *reader) count(least int) int {
	major, n := r.head()
	if major != majorArray || n > uint64(len(r.rest)/least) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) null() bool {
	if len(r.rest) == 0 || r.rest[0] != cborNull {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// take passes bytes or text.
func (r *reader) take(want byte) []byte {
	major, n := r.head()
	if major != want || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// fill takes as many bytes as there is room for.
func (r *reader) fill(to []byte) {
	b := r.take(majorBytes)
	if len(b) != len(to) {
		r.fail()
	}
	copy(to, b)
}

func (r *reader) text() string { return r.checked(r.take(majorText)) }

func (r *reader) checked(b []byte) string {
	if !utf8.Valid(b) {
		r.fail()
		return ""
	}
	return string(b)
}

// word is a text, the same string as the last time where it has been met lately.
func (r *reader) word() string {
	b := r.take(majorText)
	if len(b) == 0 {
		return ""
	}
	met := &r.words[(int(b[0])+31*int(b[len(b)-1])+7*len(b))%len(r.words)]
	if *met != string(b) {
		*met = r.checked(b)
	}
	return *met
}

func (r *reader) uint() uint64 {
	major, n := r.head()
	if major != majorUint {
		r.fail()
	}
	return n
}

func (r *reader) int() int64 {
	major, n := r.head()
	if major > majorNegative || n > math.MaxInt64 {
		r.fail()
		return 0
	}
	if major == majorNegative {
		return -1 - int64(n)
	}
	return int64(n)
}

func (r *reader) truth() bool {
	if len(r.rest) == 0 || r.rest[0] != cborTrue && r.rest[0] != cborFalse {
		r.fail()
		return false
	}
	is := r.rest[0] == cborTrue
	r.rest = r.rest[1:]
	return is
}
