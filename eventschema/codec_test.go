package eventschema

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ugorji/go/codec"
	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
)

// sealedKeys are real keys, one for each owner, as few lines as will do: AES-GCM with a key made of the owner. An owner in
// gone has none any more.
type sealedKeys struct{ gone map[Owner]bool }

func (k sealedKeys) aead(o Owner) (cipher.AEAD, error) {
	if k.gone[o] {
		return nil, fmt.Errorf("%s: %w", o.Kind, ErrGone)
	}
	key := make([]byte, 32)
	copy(key, o.Kind)
	copy(key[16:], o.ID[:])
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (k sealedKeys) Seal(o Owner, plaintext, associated []byte) ([]byte, error) {
	a, err := k.aead(o)
	if err != nil {
		return nil, err
	}
	return a.Seal(nil, make([]byte, a.NonceSize()), plaintext, associated), nil
}

func (k sealedKeys) Open(o Owner, ciphertext, associated []byte) ([]byte, error) {
	a, err := k.aead(o)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, make([]byte, a.NonceSize()), ciphertext, associated)
}

func mustEncode(t testing.TB, body any, keys Keys) Record {
	t.Helper()
	f := sampleFact(body)
	r, err := Today.Encode(&f, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestUnknownEvents(t *testing.T) {
	r := mustEncode(t, client.Declined{}, nil)
	name := []byte("sharing.declined")
	other := bytes.Replace(r.Data, name, []byte("sharing.declinex"), 1)
	version := bytes.Clone(r.Data)
	version[bytes.Index(version, name)+len(name)] = 2
	zero := bytes.Clone(r.Data)
	zero[bytes.Index(zero, name)+len(name)] = 0
	for what, data := range map[string][]byte{"name": other, "version": version, "version zero": zero} {
		r.Data = data
		var unknown *UnknownError
		if _, err := Today.Decode(&r, nil); !errors.As(err, &unknown) {
			t.Errorf("an unknown %s: %v", what, err)
		}
		if err := Today.Check(&r); !errors.As(err, &unknown) {
			t.Errorf("checking an unknown %s: %v", what, err)
		}
	}
	f := sampleFact(client.Declined{})
	f.Body = struct{ X int }{1}
	if _, err := Today.Encode(&f, nil); err == nil {
		t.Error("a body without a row is written")
	}
	f.Body = nil
	if _, err := Today.Encode(&f, nil); err == nil {
		t.Error("no body is written")
	}
}

func TestStreamsOfTheirOwn(t *testing.T) {
	f := sampleFact(client.Declined{})
	f.Category = JournalStream
	if _, err := Today.Encode(&f, nil); err == nil {
		t.Error("an event is written to a stream of another kind")
	}
	r := mustEncode(t, client.Declined{}, nil)
	for _, stream := range []string{"journal-" + id(1).String(), "client-", "client", ""} {
		r.Stream = stream
		if _, err := Today.Decode(&r, nil); err == nil {
			t.Errorf("an event of clients is read in %q", stream)
		}
	}
}

// Bytes that are not one event, whole and in its one form, are refused: cut short, followed by more, or of another shape.
func TestWrongBytes(t *testing.T) {
	for _, body := range samples {
		row, _ := Today.RowOf(body)
		r := mustEncode(t, body, unsealed{})
		try := func(what string, r Record) {
			t.Helper()
			f, err := Today.Decode(&r, unsealed{})
			if err == nil && otherList(f, body) {
				return // another list is another fact, and has a form of its own
			}
			if err == nil {
				t.Errorf("%s: %s: read as %s %+v", row.Name, what, f.Name, reflect.ValueOf(f.Body).Type())
				return
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %s: the error shows content: %v", row.Name, what, err)
			}
		}
		with := func(data []byte) Record { c := r; c.Data = data; return c }
		for n := range r.Data {
			try(fmt.Sprintf("cut to %d bytes", n), with(r.Data[:n]))
		}
		try("one byte more", with(append(slices.Clip(r.Data), 0)))
		for what, data := range reshaped(r.Data) {
			try(what, with(data))
		}
		if row.Key == "" {
			continue
		}
		with = func(plain []byte) Record { c := r; c.Sealed = plain; return c }
		for n := range r.Sealed {
			try(fmt.Sprintf("plaintext cut to %d bytes", n), with(r.Sealed[:n:n]))
		}
		try("plaintext, one byte more", with(append(slices.Clip(r.Sealed), 0)))
		for what, data := range reshaped(r.Sealed) {
			try("plaintext, "+what, with(data))
		}
	}
}

// reshaped gives the same value in forms that a generous reader takes: every head longer than it need be, every array one
// element shorter or longer, of no fixed length, or a null in its place; text as bytes and bytes as text.
func reshaped(data []byte) map[string][]byte {
	out := map[string][]byte{}
	var walk func(at int) (next int)
	walk = func(at int) int {
		r := reader{rest: data[at:]}
		major, n := r.head()
		body := len(data) - len(r.rest)
		end := body
		switch major {
		case majorBytes, majorText:
			end += int(n)
		case majorArray:
			for range n {
				end = walk(end)
			}
		}
		change := func(what string, head, content []byte) {
			out[fmt.Sprintf("%s at %d", what, at)] = slices.Concat(data[:at], head, content, data[end:])
		}
		content := data[body:end]
		if data[at] != cborTrue && data[at] != cborFalse && data[at] != cborNull {
			long := []byte{major<<5 | 27, byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
			if body-at < 9 {
				change("long head", long, content)
			}
		}
		switch major {
		case majorArray:
			if n > 0 {
				change("null", []byte{cborNull}, nil)
				change("empty array", []byte{0x80}, nil)
			}
			change("indefinite array", []byte{0x9f}, append(slices.Clip(content), 0xff))
			change("empty map", []byte{0xa0}, nil)
			if n < 22 {
				change("one element more", []byte{data[at] + 1}, append(slices.Clip(content), 0))
			}
		case majorText:
			change("bytes for text", []byte{majorBytes<<5 | 27, 0, 0, 0, 0, 0, 0, 0, byte(n)}, content)
			change("null for text", []byte{cborNull}, nil)
		case majorBytes:
			change("text for bytes", append([]byte{majorText<<5 | 24}, byte(n)), content)
			change("fewer bytes", []byte{majorBytes<<5 | 15}, content[:15])
		case majorUint:
			change("null for a number", []byte{cborNull}, nil)
			change("a half for a number", []byte{0xf9, 0x3c, 0x00}, nil)
		}
		return end
	}
	walk(0)
	return out
}

// otherList tells whether the fact differs from the sample in the elements of a list, and in nothing else.
func otherList(f Fact, body any) bool {
	got, want, differ := reflect.ValueOf(f.Body), reflect.ValueOf(body), false
	if got.Type() != want.Type() {
		return false
	}
	for i := range got.NumField() {
		if !reflect.DeepEqual(got.Field(i).Interface(), want.Field(i).Interface()) {
			if got.Field(i).Kind() != reflect.Slice {
				return false
			}
			differ = true
		}
	}
	s := sampleFact(body)
	return differ && f.Act == s.Act && f.Effective.Equal(s.Effective) && f.Rule == s.Rule
}

// What views keep is read whole or not at all. Times come back to the microsecond: the clock that acts are stamped with
// must not be finer, or a view read from rest is not the one that was built.
func TestUnmarshal(t *testing.T) {
	type doc struct {
		At    time.Time
		Never time.Time
		Words []string
		Times []time.Time
	}
	at := time.Date(2026, 3, 2, 10, 15, 30, 123456000, time.UTC)
	in := doc{At: at, Words: []string{"a"}, Times: []time.Time{at, {}}}
	data, err := Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out doc
	if err := Unmarshal(data, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("read back as %v, %v", out, err)
	}
	if err := Unmarshal(append(slices.Clip(data), 0), &out); err == nil {
		t.Error("one byte more is taken")
	}
	for n := range data {
		if err := Unmarshal(data[:n], &out); err == nil {
			t.Errorf("cut to %d bytes, it is taken", n)
		}
	}
}

// Text that is not UTF-8 has no canonical form and could not be read again: it is not written.
func TestWhatCannotBeReadIsNotWritten(t *testing.T) {
	for _, body := range []any{
		oversight.Queried{Query: "who-saw", Reason: "\xff" + canary}, journal.Answered{Text: "a\xc3" + canary}, client.Registered{Service: "\xff"},
	} {
		f := sampleFact(body)
		if _, err := Today.Encode(&f, unsealed{}); err == nil {
			t.Errorf("%T: written", body)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows content: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	open := mustEncode(t, client.Withdrawn{Grant: 3}, nil)
	closed := mustEncode(t, journal.Answered{Task: "t", Text: "x"}, sealedKeys{})
	for what, r := range map[string]Record{"open": open, "sealed": closed} {
		if err := Today.Check(&r); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for how, data := range reshaped(r.Data) {
			bad := r
			bad.Data = data
			if err := Today.Check(&bad); err == nil {
				t.Errorf("%s, %s: passes", what, how)
			}
		}
	}
	changed := closed
	changed.Sealed = bytes.Clone(closed.Sealed)
	changed.Sealed[0]++
	if err := Today.Check(&changed); err == nil {
		t.Error("another ciphertext than was recorded passes")
	}
	erased := closed
	erased.Sealed = nil
	if err := Today.Check(&erased); err != nil {
		t.Errorf("with the ciphertext erased: %v", err)
	}
}

// A sealed event opens in its own place, under its own key, and nowhere else.
func TestSealed(t *testing.T) {
	keys := sealedKeys{gone: map[Owner]bool{}}
	body := journal.Answered{Task: "t", Text: canary, Entered: journal.ByClient}
	r := mustEncode(t, body, keys)
	if bytes.Contains(r.Data, []byte(canary)) || bytes.Contains(r.Sealed, []byte(canary)) {
		t.Fatal("the content is legible")
	}
	want := sampleFact(body)

	f, err := Today.Decode(&r, keys)
	if err != nil || !reflect.DeepEqual(f.Body, any(body)) || f.Act != want.Act || !f.Effective.Equal(want.Effective) || f.Rule != want.Rule || f.Closed != nil {
		t.Fatalf("opened: %s, %v", f.Name, err)
	}

	f, err = Today.Decode(&r, nil)
	if err != nil || f.Body != nil || f.Closed != &r || f.Act != (domain.Act{}) || !f.Effective.IsZero() || f.Rule != "" {
		t.Fatalf("closed: %v, body %v", err, f.Body)
	}
	if want := (Owner{KeyClient, id(0xc1)}); f.Owner != want || f.Name != "journal.answered" {
		t.Errorf("closed: %s under %s", f.Name, f.Owner)
	}
	if err := Today.Open(&f, keys); err != nil || !reflect.DeepEqual(f.Body, any(body)) || f.Closed != nil {
		t.Errorf("opened afterwards: %v", err)
	}
	if err := Today.Open(&f, keys); err != nil || !reflect.DeepEqual(f.Body, any(body)) {
		t.Errorf("opened twice: %v", err)
	}

	for what, move := range map[string]func(*Record){
		"another id":      func(r *Record) { r.ID[0]++ },
		"another version": func(r *Record) { r.Version++ },
		"another stream":  func(r *Record) { r.Stream = JournalStream.Stream(id(0xc2)) },
		"another name":    func(r *Record) { r.Data = mustEncode(t, journal.CorrectionMade{Text: "x"}, keys).Data },
		"another owner": func(r *Record) {
			r.Data = bytes.Replace(r.Data, func() []byte { i := id(0xc1); return i[:] }(), func() []byte { i := id(0xc2); return i[:] }(), 1)
		},
		"another ciphertext": func(r *Record) { r.Sealed = mustEncode(t, journal.Answered{Task: "u"}, keys).Sealed; r.Sealed[0]++ },
	} {
		moved := r
		moved.Data, moved.Sealed = bytes.Clone(r.Data), bytes.Clone(r.Sealed)
		move(&moved)
		f, err := Today.Decode(&moved, keys)
		if err == nil {
			t.Errorf("%s: opens", what)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error shows content: %v", what, err)
		}
		if reflect.DeepEqual(f.Body, any(body)) {
			t.Errorf("%s: refused, and opened all the same", what)
		}
	}

	for what, r := range map[string]Record{"the key is gone": r, "the ciphertext is gone": {ID: r.ID, Stream: r.Stream, Version: r.Version, Data: r.Data}} {
		k := sealedKeys{}
		if r.Sealed != nil {
			k.gone = map[Owner]bool{{KeyClient, id(0xc1)}: true}
		}
		f, err := Today.Decode(&r, k)
		if _, ok := f.Body.(Redacted); err != nil || !ok || f.Closed != nil || f.Act != (domain.Act{}) {
			t.Errorf("%s: %v, body %v", what, err, f.Body)
		}
		shown, err := json.Marshal(f)
		if err != nil || !strings.Contains(string(shown), `"redacted":true`) || strings.Contains(string(shown), "recorded") {
			t.Errorf("%s: shown as %s, %v", what, shown, err)
		}
		f, err = Today.Decode(&r, nil)
		if err != nil || f.Body != nil || f.Closed == nil {
			t.Errorf("%s, without keys: %v, body %v", what, err, f.Body)
		}
	}
	fact := sampleFact(body)
	if _, err := Today.Encode(&fact, sealedKeys{gone: map[Owner]bool{{KeyClient, id(0xc1)}: true}}); !errors.Is(err, ErrGone) {
		t.Errorf("sealing under a key that is gone: %v", err)
	}
}

// Under whose key each sealed event is, by the catalogue.
func TestOwners(t *testing.T) {
	want := map[string]Owner{
		"client.labelled":               {KeyClient, id(0xc1)},
		"feedback.given":                {KeyService, ServiceID},
		"organisation.contact-recorded": {KeyOrganisation, id(0x01)},
		"organisation.retention-agreed": {KeyOrganisation, id(0x01)},
		"professional.named":            {KeyStaff, id(0xf1)},
		"professional.identified":       {KeyStaff, id(0xf1)},
	}
	for _, row := range Today.Rows() {
		_, r := readVector(t, row)
		f, err := Today.Decode(&r, nil)
		if err != nil {
			t.Fatal(err)
		}
		o, ok := want[row.Name]
		if !ok && row.Category == JournalStream {
			o = Owner{KeyClient, id(0xc1)}
		}
		if !ok && row.Category == StaffStream && row.Key != "" {
			o = Owner{KeyStaff, id(0xf2)}
		}
		if f.Owner != o || (row.Key == "") != (o == Owner{}) {
			t.Errorf("%s is under %s, expected %s", row.Name, f.Owner, o)
		}
	}
}

// Erasing removes Sealed and changes no leaf; changing anything that is hashed changes it.
func TestLeaf(t *testing.T) {
	r := mustEncode(t, journal.Answered{Text: "x"}, sealedKeys{})
	leaf := r.Leaf()
	same := r
	same.Sealed, same.Position = nil, 99
	if same.Leaf() != leaf {
		t.Error("erasing, or the place in the store, changes the leaf")
	}
	for what, change := range map[string]func(*Record){
		"id":      func(r *Record) { r.ID[3]++ },
		"version": func(r *Record) { r.Version++ },
		"stream":  func(r *Record) { r.Stream = JournalStream.Stream(id(9)) },
		"data":    func(r *Record) { r.Data = append(slices.Clip(r.Data), 0) },
		"border":  func(r *Record) { r.Stream, r.Data = r.Stream+string(r.Data[:1]), r.Data[1:] },
	} {
		c := r
		change(&c)
		if c.Leaf() == leaf {
			t.Errorf("%s: the same leaf", what)
		}
	}
}

// Nothing that prints shows content: not a fact, not a record, not an event, whatever verb or handler, and no error.
func TestNoContentIsPrinted(t *testing.T) {
	var leaks []string // what must not appear, besides the canary: the bytes, in the forms that bytes are printed in
	check := func(what, printed string) {
		t.Helper()
		for _, s := range append(leaks, canary) {
			if strings.Contains(strings.ToLower(printed), strings.ToLower(s)) {
				t.Errorf("%s shows content: %s", what, printed)
				return
			}
		}
	}
	content := 0
	for _, row := range Today.Rows() {
		_, r := readVector(t, row)
		f, err := Today.Decode(&r, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		shown, _ := json.Marshal(f)
		content += strings.Count(string(shown), canary)
		leaks = nil
		for _, b := range [][]byte{r.Data, r.Sealed} {
			if len(b) > 0 {
				b = b[:min(len(b), 24)]
				leaks = append(leaks, hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), strings.Trim(fmt.Sprint(b), "[]"),
					strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"))
			}
		}
		closed, err := Today.Decode(&r, nil)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]any{
			"fact": f, "pointer to fact": &f, "closed fact": closed, "record": r, "pointer to record": &r,
			"facts": []Fact{f}, "records": []Record{r}, "within": struct {
				F Fact
				R *Record
			}{f, &r},
		}
		if b, ok := f.Body.(client.Body); ok {
			values["event"] = client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: b}
		}
		if b, ok := f.Body.(journal.Body); ok {
			values["event"] = journal.Event{Body: b}
			values["events"] = []journal.Event{{Body: b}}
		}
		if b, ok := f.Body.(organisation.Body); ok {
			values["event"] = organisation.Event{Body: b}
		}
		if b, ok := f.Body.(oversight.Body); ok {
			values["event"] = oversight.Event{Body: b}
		}
		if b, ok := f.Body.(staff.Body); ok {
			values["event"] = staff.Event{Body: b}
		}
		switch b := f.Body.(type) { // hashes hide themselves, wherever they stand
		case staff.Invited:
			values["body"], values["hash"] = b, b.Login
			leaks = append(leaks, "[16 0", "c0 0", "de]", "0xde", "00001e")
		case staff.Accepted:
			values["body"], values["password"] = b, b.Password
			leaks = append(leaks, "argon2id", hex.EncodeToString([]byte("argon2id")), "36 97 114 103 111 110")
		}
		for what, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				check(row.Name+": "+what+" by "+verb, fmt.Sprintf(verb, v))
			}
			var text, js bytes.Buffer
			slog.New(slog.NewTextHandler(&text, nil)).Info("m", "v", v, slog.Group("g", "v", v))
			check(row.Name+": "+what+" in a text log", text.String())
			if reflect.TypeOf(v).Kind() == reflect.Slice || what == "within" {
				continue // of a slice the handler asks for JSON, which is what tools show: lists are not logged
			}
			slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "v", v, slog.Group("g", "v", v))
			check(row.Name+": "+what+" in a JSON log", js.String())
		}
	}
	if content < 20 {
		t.Errorf("only %d canaries in the vectors: the test looks for what is not there", content)
	}
}

// What is written is what a CBOR library writes of the same value, with heads up to their edges, and comes back.
func TestShapeAsLibrary(t *testing.T) {
	type body struct {
		N uint64
		I int
		D domain.Date
		S string
		R domain.Role
		B []byte
		H client.CodeHash
		Q []int
		L []domain.Text
		F bool
	}
	library := new(codec.CborHandle)
	library.Canonical, library.StructToArray = true, true
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.SampledFrom([]uint64{0, 22, 23, 24, 254, 255, 256, 65534, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<63 - 1}).Draw(t, "edge")
		b := body{
			N: edge, I: int(edge), D: domain.Date(int32(edge)), S: strings.Repeat("ø", rapid.SampledFrom([]int{0, 11, 12, 127, 128, 32767, 32768}).Draw(t, "length")),
			R: domain.Role(rapid.String().Draw(t, "role")), B: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"), H: client.CodeHash{1, 2, 3},
			Q: rapid.SliceOf(rapid.Int()).Draw(t, "numbers"), L: make([]domain.Text, rapid.IntRange(0, 30).Draw(t, "texts")), F: rapid.Bool().Draw(t, "flag"),
		}
		if rapid.Bool().Draw(t, "negative") {
			b.I, b.D = ^b.I, ^b.D
		}
		if rapid.Bool().Draw(t, "none") {
			b.B, b.Q, b.L = nil, nil, nil
		}
		var want []byte
		if err := codec.NewEncoderBytes(&want, library).Encode(b); err != nil {
			t.Fatal(err)
		}
		data, err := Marshal(b)
		if err != nil || !bytes.Equal(data, want) {
			t.Fatalf("%v, written as\n%x, by the library as\n%x", err, data, want)
		}
		again := body{S: "left over", B: []byte{1}, Q: []int{1}, L: make([]domain.Text, 40)}
		if err := Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(b, again); d != "" {
			t.Fatal(d)
		}
	})
}

// What is read and written by hand has the form of the row's shape.
func TestHeaderByHand(t *testing.T) {
	for _, body := range samples {
		row, _ := Today.RowOf(body)
		rec := mustEncode(t, body, unsealed{})
		data := rec.Data
		if row.Key != "" {
			data = rec.Sealed
		}
		r, whole := newReader(data), reflect.New(row.form.typ).Elem()
		row.form.read(r, whole)
		if !r.done() {
			t.Errorf("%s: what is written does not have its form", row.Name)
			continue
		}
		w := newWriter()
		row.form.write(w, whole)
		if again, err := w.done(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: by its shape it is written otherwise: %v", row.Name, err)
		}
		f := sampleFact(body)
		if h := whole.FieldByName("Header").Interface(); h != headerOf(&f) {
			t.Errorf("%s: by its shape the header is %v", row.Name, h)
		}
	}
}

// Numbers that their Go type cannot hold are refused, and lists that claim more than there can be are not made.
func TestTooLarge(t *testing.T) {
	for what, data := range map[string][]byte{
		"a day past 32 bits":       {0x81, 0x1a, 0x80, 0, 0, 0},
		"a day past 64 bits":       {0x81, 0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"a day before 32 bits":     {0x81, 0x3a, 0x80, 0, 0, 0},
		"a day that is no integer": {0x81, 0xf9, 0x3c, 0},
	} {
		var v struct{ Day domain.Date }
		if err := Unmarshal(data, &v); err == nil {
			t.Errorf("%s is read as %d", what, v.Day)
		}
	}
	var v struct{ Owners []Owner }
	data := append([]byte{0x81, 0x99, 0x10, 0}, make([]byte, 0x1000)...) // fewer bytes than 4096 owners take
	if n := testing.AllocsPerRun(10, func() {
		if Unmarshal(data, &v) == nil {
			t.Error("read")
		}
	}); n > 1 || v.Owners != nil {
		t.Errorf("a list that cannot be there is made: %v allocations, %d owners", n, len(v.Owners))
	}
}

// Facts of any instant, role, text and body go through bytes and come back.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SampledFrom(samples).Draw(t, "body")
		f := sampleFact(body)
		f.Act.At = time.Unix(0, rapid.Int64().Draw(t, "recorded")).UTC()
		f.Effective = time.Unix(0, rapid.Int64().Draw(t, "effective")).UTC()
		f.Rule, f.Act.Text.Language = rapid.String().Draw(t, "rule"), rapid.String().Draw(t, "language")
		f.Version = rapid.Uint64().Draw(t, "version")
		keys := sealedKeys{}
		r, err := Today.Encode(&f, keys)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Today.Decode(&r, keys)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Act.At.Equal(f.Act.At) || !again.Effective.Equal(f.Effective) || again.Rule != f.Rule || again.Act.Text != f.Act.Text ||
			again.Version != f.Version || !reflect.DeepEqual(again.Body, body) {
			t.Fatal("not the same fact")
		}
		if err := Today.Check(&r); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDecode: no bytes make the decoder fail in another way than by an error; what it takes is canonical, and encodes to
// the same bytes.
func FuzzDecode(f *testing.F) {
	for _, row := range Today.Rows() {
		_, r := readVector(f, row)
		f.Add(r.Stream, r.Data, r.Sealed)
	}
	f.Add("client-"+id(1).String(), []byte{0x84, 0x60, 1}, []byte(nil))
	f.Add("client-"+id(1).String(), []byte{0x84, 0x78, 0xff, 1}, []byte(nil))
	f.Fuzz(func(t *testing.T, stream string, data, sealed []byte) {
		r := Record{Stream: stream, Version: 1, Data: data, Sealed: sealed}
		fact, err := Today.Decode(&r, unsealed{})
		if err != nil {
			return
		}
		if fact.Owner == (Owner{}) || sealed != nil {
			again, err := Today.Encode(&fact, unsealed{})
			if err != nil {
				t.Fatalf("taken, and not to be written: %v", err)
			}
			if fact.Owner == (Owner{}) && !bytes.Equal(again.Data, data) || fact.Owner != (Owner{}) && !bytes.Equal(again.Sealed, sealed) {
				t.Fatalf("taken in another form than it is written in:\n%x\n%x", data, again.Data)
			}
		}
	})
}

func BenchmarkDecodeOpen(b *testing.B) {
	r := mustEncode(b, client.LookedUp{Basis: client.ByGrant, Purpose: client.Appointment, Kinds: someKinds, Journal: 300, Grant: 3}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Today.Decode(&r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	f := sampleFact(client.LookedUp{Basis: client.ByGrant, Purpose: client.Appointment, Kinds: someKinds, Journal: 300, Grant: 3})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Today.Encode(&f, nil); err != nil {
			b.Fatal(err)
		}
	}
}
