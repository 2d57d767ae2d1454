package eventschema

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

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

// header is what every event tells beside its body. It is read and written by hand, in the form that its shape has: it
// has more items than most bodies.
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

func (h *header) into(f *Fact) {
	f.Effective, f.Rule = time.Unix(0, h.Effective).UTC(), h.Rule
	f.Act = domain.Act{
		At: time.Unix(0, h.Recorded).UTC(), Actor: h.Actor, Role: h.Role, Session: h.Session,
		Organisation: h.Organisation, Text: h.Text,
	}
}

func (h *header) write(w *writer) {
	w.head(majorArray, 8)
	w.int(h.Effective)
	w.int(h.Recorded)
	w.bytes(h.Actor[:])
	w.text(string(h.Role))
	w.bytes(h.Session[:])
	w.bytes(h.Organisation[:])
	w.text(h.Rule)
	w.head(majorArray, 3)
	w.text(h.Text.Name)
	w.text(h.Text.Version)
	w.text(h.Text.Language)
}

// read takes texts for words: there are few in headers, and each stands in very many events.
func (h *header) read(r *reader) {
	r.array(8)
	h.Effective, h.Recorded = r.int(), r.int()
	r.fill(h.Actor[:])
	h.Role = domain.Role(r.word())
	r.fill(h.Session[:])
	r.fill(h.Organisation[:])
	h.Rule = r.word()
	r.array(3)
	h.Text = domain.Text{Name: r.word(), Version: r.word(), Language: r.word()}
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

// decode reads an event of the row from open bytes, or from the plaintext of sealed ones.
func decode[B any](r *reader, row *Row) (header, any, error) {
	parts := row.form.fields
	r.array(len(parts))
	if row.Key == "" {
		r.take(majorText) // the name, and
		r.int()           // the version, by which the row was found
	}
	var h header
	h.read(r)
	var b B
	parts[len(parts)-1].read(r, reflect.ValueOf(&b).Elem())
	if !r.done() {
		return header{}, nil, errMalformed
	}
	return h, b, nil
}

// encode writes what decode reads.
func (r *Row) encode(h header, body any) ([]byte, error) {
	parts := r.form.fields
	w := newWriter()
	w.head(majorArray, uint64(len(parts)))
	if r.Key == "" {
		w.text(r.Name)
		w.int(int64(r.Version))
	}
	h.write(w)
	parts[len(parts)-1].write(w, addressable(body))
	return w.done()
}

var errMalformed = errors.New("the bytes are not an event of that name and version")

// Marshal encodes a value as canonical bytes: what views keep at rest.
func Marshal(v any) ([]byte, error) {
	w := newWriter()
	documentOf(reflect.TypeOf(v)).write(w, addressable(v))
	return w.done()
}

// Unmarshal decodes what Marshal wrote into what v points to.
func Unmarshal(data []byte, v any) error {
	r := newReader(data)
	p := reflect.ValueOf(v).Elem()
	p.SetZero()
	documentOf(p.Type()).read(r, p)
	if !r.done() {
		return errMalformed
	}
	return nil
}

// addressable copies a value to where its parts can be reached.
func addressable(v any) reflect.Value {
	of := reflect.ValueOf(v)
	to := reflect.New(of.Type()).Elem()
	to.Set(of)
	return to
}

var sealedForm = shapeOf(reflect.TypeFor[sealedShape]())

// Encode makes the record of a fact: canonical bytes, sealed where the catalogue says so. Of the fact it takes ID,
// Category, Subject, Version, Act, Effective, Rule and Body.
func (c *Catalogue) Encode(f *Fact, keys Keys) (Record, error) {
	row, ok := c.byType[reflect.TypeOf(f.Body)]
	if !ok {
		return Record{}, fmt.Errorf("%T has no row in the catalogue", f.Body)
	}
	if row.Category != f.Category {
		return Record{}, fmt.Errorf("%s does not belong in the stream %s", row.Name, f.Stream())
	}
	rec := Record{ID: f.ID, Stream: f.Stream(), Version: f.Version}
	b, err := row.encode(headerOf(f), f.Body)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", row.Name, err)
	}
	if row.Key == "" {
		rec.Data = b
		return rec, nil
	}
	owner := row.owner(f.Subject, f.Body)
	rec.Sealed, err = keys.Seal(owner, b, associated(&rec, row.Name, row.Version))
	if err != nil {
		return Record{}, fmt.Errorf("sealing %s under %s: %w", row.Name, owner, err)
	}
	rec.Data, err = sealedShape{row.Name, row.Version, owner, sha256.Sum256(rec.Sealed)}.encode()
	return rec, err
}

func (s sealedShape) encode() ([]byte, error) {
	w := newWriter()
	sealedForm.write(w, reflect.ValueOf(&s).Elem())
	return w.done()
}

func (s *sealedShape) decode(b []byte) error {
	r := newReader(b)
	sealedForm.read(r, reflect.ValueOf(s).Elem())
	if !r.done() {
		return errMalformed
	}
	return nil
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
	if row.Key == "" {
		err = c.body(&f, row, r.Data)
	} else {
		err = f.close(r)
	}
	if err != nil {
		return f, fmt.Errorf("%s at %s#%d: %w", row.Name, r.Stream, r.Version, err)
	}
	if keys != nil {
		return f, c.Open(&f, keys)
	}
	return f, nil
}

// body reads header and body, and brings an older shape up to today's.
func (c *Catalogue) body(f *Fact, row *Row, data []byte) error {
	h, b, err := row.decode(newReader(data), row)
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
func (f *Fact) close(r *Record) error {
	var s sealedShape
	if err := s.decode(r.Data); err != nil {
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
		err = c.body(f, c.byName[f.Name][f.Schema-1], plain)
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
	var again []byte
	if row.Key == "" {
		h, b, err := row.decode(newReader(r.Data), row)
		if err != nil {
			return err
		}
		again, err = row.encode(h, b)
		if err != nil {
			return err
		}
	} else {
		var s sealedShape
		if err := s.decode(r.Data); err != nil {
			return err
		}
		if hash := sha256.Sum256(r.Sealed); r.Sealed != nil && hash != s.Hash {
			return errors.New("the ciphertext is not the one that was recorded")
		}
		again, err = s.encode()
		if err != nil {
			return err
		}
	}
	if string(again) != string(r.Data) {
		return errors.New("the bytes are not in canonical form")
	}
	return nil
}
