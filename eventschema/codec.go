package eventschema

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"sync"
	"time"

	"github.com/ugorji/go/codec"

	"samtykke/domain"
)

// A Fact is a decoded event with its place in the ledger.
//
// Body is one of the catalogue's types; nil where the event is sealed and was not opened; Redacted where its key or its
// ciphertext is gone. Without the key, Act, Effective and Rule of a sealed event are zero.
type Fact struct {
	ID       domain.ID
	Category Category
	Subject  domain.ID // the stream's id
	Version  uint64
	Position uint64

	Name      string
	Schema    int   // the version the event was written in
	Owner     Owner // whose key it is sealed under; zero for an open event
	Act       domain.Act
	Effective time.Time
	Rule      string
	Body      any
	Closed    *Record // the record itself, while a sealed event has not been opened
}

// Redacted stands in place of a body that nobody can read any more.
type Redacted struct{}

// Stream is the name of the stream the fact stands in.
func (f *Fact) Stream() string { return f.Category.Stream(f.Subject) }

// LogValue shows the kind and the place, and nothing of the content.
func (f Fact) LogValue() slog.Value {
	return slog.GroupValue(slog.String("event", f.Name), slog.String("stream", f.Stream()), slog.Uint64("version", f.Version))
}

// Format shows what LogValue does, whatever the verb.
func (f Fact) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "%s at %s#%d", f.Name, f.Stream(), f.Version)
}

// Format shows the record's place, whatever the verb.
func (r Record) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "record at %s#%d", r.Stream, r.Version) }

// LogValue shows the record's place, and none of its bytes.
func (r Record) LogValue() slog.Value {
	return slog.GroupValue(slog.String("stream", r.Stream), slog.Uint64("version", r.Version))
}

// Keys seals and opens under the keys of owners. Open returns an error that matches ErrGone where the key was destroyed.
type Keys interface {
	Seal(o Owner, plaintext, associated []byte) ([]byte, error)
	Open(o Owner, ciphertext, associated []byte) ([]byte, error)
}

// ErrGone says that a key was destroyed and what it sealed can never be read.
var ErrGone = errors.New("the key is gone")

// An UnknownError names an event that the catalogue does not hold: the reader is older than the ledger, or the bytes are
// not an event.
type UnknownError struct {
	Name    string
	Version int
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("event %q version %d is not in the catalogue: this program is older than the ledger, or the bytes are damaged", e.Name, e.Version)
}

type header struct {
	Effective    int64
	Recorded     int64
	Actor        domain.ID
	Role         domain.Role
	Session      domain.ID
	Organisation domain.ID
	Rule         string
	Text         domain.Text
}

func headerOf(f *Fact) header {
	return header{
		Effective: f.Effective.UnixNano(), Recorded: f.Act.At.UnixNano(), Actor: f.Act.Actor, Role: f.Act.Role,
		Session: f.Act.Session, Organisation: f.Act.Organisation, Rule: f.Rule, Text: f.Act.Text,
	}
}

func (h header) into(f *Fact) {
	f.Effective, f.Rule = time.Unix(0, h.Effective).UTC(), h.Rule
	f.Act = domain.Act{
		At: time.Unix(0, h.Recorded).UTC(), Actor: h.Actor, Role: h.Role, Session: h.Session,
		Organisation: h.Organisation, Text: h.Text,
	}
}

type openShape[B any] struct {
	Name   string
	Schema int
	Header header
	Body   B
}

type sealedShape struct {
	Name   string
	Schema int
	Owner  Owner
	Hash   [sha256.Size]byte
}

type plainShape[B any] struct {
	Header header
	Body   B
}

// cbor writes every structure as an array and refuses input that does not fit.
var cbor = func() *codec.CborHandle {
	h := new(codec.CborHandle)
	h.Canonical = true
	h.StructToArray = true
	h.InternString = true
	h.ErrorIfNoArrayExpand = true
	h.MaxDepth = 16 // times, which only views keep, are read back to the microsecond and no finer
	return h
}()

// A reader is a reusable decoder.
type reader struct {
	dec   *codec.Decoder
	data  []byte
	words map[string]string // texts of headers met before
}

var readers = sync.Pool{New: func() any {
	return &reader{dec: codec.NewDecoderBytes(nil, cbor), words: map[string]string{}}
}}

// read decodes the whole of data into v. A nil form lets the library alone judge.
func (r *reader) read(v any, form shape) error {
	if form != nil && !form.fits(r.data) {
		return errMalformed
	}
	r.dec.ResetBytes(r.data)
	if err := r.dec.Decode(v); err != nil {
		return errMalformed // the library's own text may hold what was read
	}
	if r.dec.NumBytesRead() != len(r.data) {
		return errMalformed
	}
	return nil
}

var errMalformed = errors.New("the bytes are not an event of that name and version")

// decode reads what fits the row's form. The header, which is the same in every event, is read by hand: it has twice as
// many items as a body, and would cost more than all the rest.
func decode[B any](r *reader, row *Row) (h header, body any, err error) {
	if !row.form.fits(r.data) {
		return h, nil, errMalformed
	}
	items := cursor{rest: r.data[1:], words: r.words}
	if row.Key == "" {
		items.bytes() // the name
		items.int()   // the version
	}
	h.read(&items)
	if items.bad {
		return h, nil, errMalformed
	}
	var b B
	r.data = items.rest
	err = r.read(&b, nil)
	return h, b, err
}

// read takes the header from bytes that fit its form.
func (h *header) read(c *cursor) {
	c.next() // the array
	h.Effective, h.Recorded = c.int(), c.int()
	copy(h.Actor[:], c.bytes())
	h.Role = domain.Role(c.word())
	copy(h.Session[:], c.bytes())
	copy(h.Organisation[:], c.bytes())
	h.Rule = c.word()
	c.next() // the array
	h.Text = domain.Text{Name: c.word(), Version: c.word(), Language: c.word()}
}

// A cursor goes through items whose form is known to be right.
type cursor struct {
	rest  []byte
	words map[string]string
	bad   bool // a number is too large for its place
}

// next passes the head of an item.
func (c *cursor) next() (major byte, n uint64) {
	major, n, c.rest = c.rest[0]>>5, uint64(c.rest[0]&0x1f), c.rest[1:]
	if n >= 24 {
		n, c.rest, _ = long(n, c.rest)
	}
	return major, n
}

func (c *cursor) int() int64 {
	major, n := c.next()
	c.bad = c.bad || n > math.MaxInt64
	if major == majorNegative {
		return -1 - int64(n)
	}
	return int64(n)
}

func (c *cursor) bytes() []byte {
	_, n := c.next()
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

// maxWords is how many texts of headers a reader keeps: roles, rules, names of texts. There are few, and each stands in
// very many events.
const maxWords = 256

// word is a text, the same string each time where it has been met before.
func (c *cursor) word() string {
	b := c.bytes()
	if w, ok := c.words[string(b)]; ok || len(b) == 0 {
		return w
	}
	w := string(b)
	if len(c.words) < maxWords {
		c.words[w] = w
	}
	return w
}

var sealedForm = shapeOf(reflect.TypeFor[sealedShape]())

// Marshal encodes a value as the canonical bytes of a structure: what views keep at rest.
func Marshal(v any) ([]byte, error) {
	var out []byte
	err := codec.NewEncoderBytes(&out, cbor).Encode(v)
	return out, err
}

// Unmarshal decodes what Marshal wrote.
func Unmarshal(data []byte, v any) error {
	r := readers.Get().(*reader)
	defer readers.Put(r)
	r.data = data
	return r.read(v, nil)
}

// Encode makes the record of a fact: canonical bytes, sealed where the catalogue says so. Of the fact it takes ID,
// Category, Subject, Version, Act, Effective, Rule and Body.
func (c *Catalogue) Encode(f *Fact, keys Keys) (Record, error) {
	row, ok := c.RowOf(f.Body)
	if !ok {
		return Record{}, fmt.Errorf("%T has no row in the catalogue", f.Body)
	}
	if row.Category != f.Category {
		return Record{}, fmt.Errorf("%s does not belong in the stream %s", row.Name, f.Stream())
	}
	rec := Record{ID: f.ID, Stream: f.Stream(), Version: f.Version}
	if row.Key == "" {
		var err error
		rec.Data, err = row.marshal(openShape[any]{row.Name, row.Version, headerOf(f), f.Body})
		return rec, err
	}
	owner := row.owner(f.Subject, f.Body)
	plain, err := row.marshal(plainShape[any]{headerOf(f), f.Body})
	if err != nil {
		return Record{}, err
	}
	rec.Sealed, err = keys.Seal(owner, plain, associated(&rec, row.Name, row.Version))
	if err != nil {
		return Record{}, fmt.Errorf("sealing %s under %s: %w", row.Name, owner, err)
	}
	hash := sha256.Sum256(rec.Sealed)
	rec.Data, err = Marshal(sealedShape{row.Name, row.Version, owner, hash})
	return rec, err
}

// marshal encodes one of the row's values, if it can be read again.
func (r *Row) marshal(v any) ([]byte, error) {
	b, err := Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	if !r.form.fits(b) {
		return nil, fmt.Errorf("%s has a value that cannot be kept, such as text that is not UTF-8", r.Name)
	}
	return b, nil
}

// associated binds a ciphertext to its place, so that it opens nowhere else.
func associated(r *Record, name string, version int) []byte {
	b := make([]byte, 0, 96)
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, r.Stream...)
	b = append(b, 0)
	return append(b, name...)
}

// Decode reads a record. With nil keys, sealed events stay closed.
func (c *Catalogue) Decode(r *Record, keys Keys) (Fact, error) {
	f := Fact{ID: r.ID, Version: r.Version, Position: r.Position}
	var err error
	if f.Category, f.Subject, err = Split(r.Stream); err != nil {
		return f, err
	}
	row, err := c.rowOf(r.Data)
	if err != nil {
		return f, fmt.Errorf("%s#%d: %w", r.Stream, r.Version, err)
	}
	f.Name, f.Schema = row.Name, row.Version
	if row.Category != f.Category {
		return f, fmt.Errorf("%s#%d: %s does not belong in this stream", r.Stream, r.Version, row.Name)
	}
	rd := readers.Get().(*reader)
	if row.Key == "" {
		rd.data = r.Data
		err = c.body(&f, row, rd)
	} else {
		err = f.close(r, rd)
	}
	readers.Put(rd)
	if err != nil {
		return f, fmt.Errorf("%s at %s#%d: %w", row.Name, r.Stream, r.Version, err)
	}
	if keys != nil {
		return f, c.Open(&f, keys)
	}
	return f, nil
}

// body reads header and body from what the reader holds, and brings an older shape up to today's.
func (c *Catalogue) body(f *Fact, row *Row, rd *reader) error {
	h, b, err := row.decode(rd, row)
	if err != nil {
		return err
	}
	h.into(f)
	for row.Retired {
		b = row.upgrade(b)
		row = c.byName[row.Name][row.Version]
	}
	f.Body = b
	return nil
}

// close reads what is legible of a sealed record without its key.
func (f *Fact) close(r *Record, rd *reader) error {
	var s sealedShape
	rd.data = r.Data
	if err := rd.read(&s, sealedForm); err != nil {
		return err
	}
	f.Owner, f.Closed = s.Owner, r
	return nil
}

// Open reads the content of a sealed event that was decoded without keys. Of any other fact it does nothing.
func (c *Catalogue) Open(f *Fact, keys Keys) error {
	r := f.Closed
	if r == nil {
		return nil
	}
	f.Closed, f.Body = nil, Redacted{}
	if r.Sealed == nil {
		return nil
	}
	plain, err := keys.Open(f.Owner, r.Sealed, associated(r, f.Name, f.Schema))
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err == nil {
		rd := readers.Get().(*reader)
		defer readers.Put(rd)
		rd.data = plain
		err = c.body(f, c.byName[f.Name][f.Schema-1], rd)
	}
	if err != nil {
		return fmt.Errorf("%s at %s#%d: %w", f.Name, r.Stream, r.Version, err)
	}
	return nil
}

// What the head of the bytes has room for: see rowOf.
const (
	maxName    = 255
	maxVersion = 23
)

// rowOf reads the name and version at the head of the bytes without decoding the rest: an array of four whose first
// items are a text shorter than 256 bytes and a number below 24.
func (c *Catalogue) rowOf(data []byte) (*Row, error) {
	if len(data) < 3 || data[0] != 0x84 {
		return nil, errMalformed
	}
	n, at := int(data[1]), 2
	switch {
	case n >= 0x60 && n < 0x78:
		n -= 0x60
	case n == 0x78:
		n, at = int(data[2]), 3
	default:
		return nil, errMalformed
	}
	if len(data) <= at+n || data[at+n] > maxVersion {
		return nil, errMalformed
	}
	name, version := data[at:at+n], int(data[at+n])
	versions := c.byName[string(name)]
	if version < 1 || version > len(versions) {
		return nil, &UnknownError{Name: string(name), Version: version}
	}
	return versions[version-1], nil
}

// Check tells whether the record's bytes are canonical and its ciphertext is the one it was recorded with: a deeper
// look than Decode takes, for verification.
func (c *Catalogue) Check(r *Record) error {
	row, err := c.rowOf(r.Data)
	if err != nil {
		return err
	}
	rd := readers.Get().(*reader)
	defer readers.Put(rd)
	rd.data = r.Data
	var again []byte
	if row.Key == "" {
		h, b, err := row.decode(rd, row)
		if err != nil {
			return err
		}
		again, err = Marshal(openShape[any]{row.Name, row.Version, h, b})
		if err != nil {
			return err
		}
	} else {
		var s sealedShape
		if err := rd.read(&s, sealedForm); err != nil {
			return err
		}
		if hash := sha256.Sum256(r.Sealed); r.Sealed != nil && hash != s.Hash {
			return errors.New("the ciphertext is not the one that was recorded")
		}
		again, err = Marshal(s)
		if err != nil {
			return err
		}
	}
	if string(again) != string(r.Data) {
		return errors.New("the bytes are not in canonical form")
	}
	return nil
}
