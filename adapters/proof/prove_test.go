package proof_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/proof"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// A scene is a ledger of real events on a disk: an open one, and a sealed one of the same client.
type scene struct {
	t      *testing.T
	disk   *simdisk.Disk
	store  *filestore.Store
	keeper *proof.Keeper
	key    proof.Key
	sealed eventschema.Record // as it was appended
}

var (
	someone = domain.ID{0xc1, 15: 1}
	staff   = domain.ID{0xf1, 15: 1}
)

const secret = "a note that nobody else may read"

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, disk: newDisk(1), key: key(t, 1)}
	keys, err := keyring.Memory(random(2))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Create(t.Context(), keyring.Owner{Kind: keyring.Client, ID: someone}); err != nil {
		t.Fatal(err)
	}
	s.open()
	sealing := (&ledger.Ledger{Keys: keys}).Sealing(t.Context())
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for i, body := range []any{
		client.Granted{Occasion: client.FirstQuestion, AskOn: domain.MustDate("2026-08-03"), LapseOn: domain.MustDate("2026-09-01")},
		journal.NoteWritten{Note: staff, Text: secret},
	} {
		category := []eventschema.Category{eventschema.ClientStream, eventschema.JournalStream}[i]
		r, err := eventschema.Today.Encode(&eventschema.Fact{
			ID: domain.ID{byte(i), 15: 7}, Category: category, Subject: someone, Version: 1,
			Act: domain.Act{At: at, Actor: someone, Role: domain.RoleClient}, Effective: at, Rule: "2021-09-02", Body: body,
		}, sealing)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Append(t.Context(), category.Stream(someone), 0, r); err != nil {
			t.Fatal(err)
		}
		s.sealed = r
	}
	return s
}

func (s *scene) open() {
	s.t.Helper()
	var err error
	if s.store, _, err = filestore.Open(disk.Sub(s.disk, "ledger"), filestore.Options{SegmentSize: 1 << 14, FillAhead: 1 << 12}); err != nil {
		s.t.Fatal(err)
	}
	if s.keeper, err = proof.Open(context.Background(), disk.Sub(s.disk, "proof"), s.key, s.store, proof.Options{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) close() {
	s.t.Helper()
	if err := errors.Join(s.keeper.Close(), s.store.Close()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) prove(position uint64) []byte {
	s.t.Helper()
	b, err := s.keeper.Prove(context.Background(), position)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func TestProveOpenEvent(t *testing.T) {
	s := newScene(t)
	defer s.close()
	p, err := proof.VerifyProof(s.prove(1), s.key.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	f := p.Fact
	if f.Name != "sharing.granted" || f.Stream() != eventschema.ClientStream.Stream(someone) || f.Version != 1 || f.Position != 1 ||
		f.Act.Actor != someone || p.Checkpoint.Size != 2 || p.Checkpoint.Origin != origin {
		t.Errorf("proven: %v of %s at position %d, by %v, in a tree of %d", f, f.Stream(), f.Position, f.Act.Actor, p.Checkpoint.Size)
	}
	if b, ok := f.Body.(client.Granted); !ok || b.LapseOn != domain.MustDate("2026-09-01") {
		t.Errorf("the content is %T", f.Body)
	}
}

func TestProveSealedEvent(t *testing.T) {
	s := newScene(t)
	defer s.close()
	document := s.prove(2)
	p, err := proof.VerifyProof(document, s.key.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	f := p.Fact
	if f.Name != "journal.note-written" || f.Stream() != eventschema.JournalStream.Stream(someone) || f.Body != nil ||
		f.Owner != (eventschema.Owner{Kind: eventschema.KeyClient, ID: someone}) || !f.Act.At.IsZero() {
		t.Errorf("proven: %v of %s under %v, with %T", f, f.Stream(), f.Owner, f.Body)
	}
	entry, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.Split(string(document), "\n")[1], "extra "))
	if bytes.Contains(entry, s.sealed.Sealed) || bytes.Contains(entry, []byte(secret)) || p.Record.Sealed != nil {
		t.Error("the proof holds what is sealed")
	}
	hash := sha256.Sum256(s.sealed.Sealed)
	if !bytes.Contains(entry, hash[:]) {
		t.Error("the proof does not hold the ciphertext's hash")
	}
	// Whoever has the ciphertext can tell that it is the one.
	p.Record.Sealed = slices.Clone(s.sealed.Sealed)
	if err := eventschema.Today.Check(&p.Record); err != nil {
		t.Errorf("the ciphertext: %v", err)
	}
	p.Record.Sealed[0] ^= 1
	if err := eventschema.Today.Check(&p.Record); err == nil {
		t.Error("another ciphertext passes for it")
	}
}

// Proofs made before and after an erasure are the same, and the ledger verifies with the checkpoints from before.
func TestErasureKeepsProofs(t *testing.T) {
	s := newScene(t)
	before := s.prove(2)
	s.close()
	const segment = "ledger/segments/00000000000000000001"
	b, err := s.disk.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, s.sealed.Sealed)
	if at < 0 {
		t.Fatal("the segment does not hold the sealed bytes")
	}
	for i := range s.sealed.Sealed {
		b[at+i] = filestore.Erased[i%len(filestore.Erased)]
	}
	s.disk.WriteFile(segment, b)
	s.open()
	defer s.close()
	for r, err := range s.store.Stream(t.Context(), eventschema.JournalStream.Stream(someone), 1) {
		if err != nil || r.Sealed != nil {
			t.Fatalf("the sealed bytes are not erased: %v", err)
		}
	}
	if after := s.prove(2); !bytes.Equal(before, after) {
		t.Error("another proof after the erasure")
	}
	if _, err := proof.VerifyProof(before, s.key.Verifier()); err != nil {
		t.Error(err)
	}
	p := new(proof.Proof)
	if err := p.UnmarshalText(before); err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(t.Context(), s.store, disk.Sub(s.disk, "proof"), s.key.Verifier(), p.Checkpoint); err != nil {
		t.Error(err)
	}
}

func TestVerifyProofRefuses(t *testing.T) {
	s := newScene(t)
	defer s.close()
	for position := range uint64(2) {
		document := s.prove(position + 1)
		for i := range document {
			for _, bit := range []byte{1, 0x20, 0x80} {
				changed := slices.Clone(document)
				changed[i] ^= bit
				if _, err := proof.VerifyProof(changed, s.key.Verifier()); !errors.Is(err, proof.ErrInvalid) {
					t.Fatalf("byte %d changed by %#x: %v", i, bit, err)
				}
			}
			if _, err := proof.VerifyProof(document[:i], s.key.Verifier()); !errors.Is(err, proof.ErrInvalid) {
				t.Fatalf("cut at byte %d: %v", i, err)
			}
		}
		if _, err := proof.VerifyProof(document, key(t, 2).Verifier()); !errors.Is(err, proof.ErrInvalid) {
			t.Errorf("with another key: %v", err)
		}
		if _, err := proof.VerifyProof(document, "no verifier"); err == nil {
			t.Error("with no key at all")
		}
	}
	// Parts of two proofs.
	one, two := new(proof.Proof), new(proof.Proof)
	if err := errors.Join(one.UnmarshalText(s.prove(1)), two.UnmarshalText(s.prove(2))); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]proof.Proof{
		"another entry":  {Entry: two.Entry, Index: one.Index, Path: one.Path, Checkpoint: one.Checkpoint},
		"another index":  {Entry: one.Entry, Index: two.Index, Path: one.Path, Checkpoint: one.Checkpoint},
		"another path":   {Entry: one.Entry, Index: one.Index, Path: two.Path, Checkpoint: one.Checkpoint},
		"no path":        {Entry: one.Entry, Index: one.Index, Checkpoint: one.Checkpoint},
		"a longer path":  {Entry: one.Entry, Index: one.Index, Path: append(slices.Clone(one.Path), tlog.Hash{}), Checkpoint: one.Checkpoint},
		"no entry":       {Index: one.Index, Path: one.Path, Checkpoint: one.Checkpoint},
		"beyond the end": {Entry: one.Entry, Index: 2, Path: one.Path, Checkpoint: one.Checkpoint},
		"no checkpoint":  {Entry: one.Entry, Index: one.Index, Path: one.Path},
	} {
		b, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.VerifyProof(b, s.key.Verifier()); !errors.Is(err, proof.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An event that the catalogue does not know is not passed off as anything.
func TestProveUnknownEvent(t *testing.T) {
	s := newScene(t)
	defer s.close()
	r := eventschema.Record{ID: domain.ID{9}, Data: []byte("\x84\x63new\x01\x80\x80")}
	p, err := s.store.Append(t.Context(), eventschema.ClientStream.Stream(someone), 1, r)
	if err != nil {
		t.Fatal(err)
	}
	unknown := new(eventschema.UnknownError)
	if _, err := proof.VerifyProof(s.prove(p), s.key.Verifier()); !errors.As(err, &unknown) || unknown.Name != "new" {
		t.Errorf("%v", err)
	}
}

func TestProofText(t *testing.T) {
	h := tlog.RecordHash([]byte("x"))
	for _, c := range []struct {
		proof proof.Proof
		text  string
	}{
		{proof.Proof{Index: 7, Path: tlog.RecordProof{h, h}, Checkpoint: []byte("note\n")},
			fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex 7\n%s\n%s\n\nnote\n", h, h)},
		{proof.Proof{Entry: []byte("entry"), Checkpoint: []byte("note\n\nsig\n")},
			"c2sp.org/tlog-proof@v1\nextra ZW50cnk=\nindex 0\n\nnote\n\nsig\n"},
	} {
		b, err := c.proof.MarshalText()
		if err != nil || string(b) != c.text {
			t.Errorf("%q, %v, want %q", b, err, c.text)
		}
		var again proof.Proof
		if err := again.UnmarshalText(b); err != nil || fmt.Sprint(again) != fmt.Sprint(c.proof) {
			t.Errorf("read again: %+v, %v", again, err)
		}
	}
	for _, text := range []string{
		"",
		"c2sp.org/tlog-proof@v1\n",
		"c2sp.org/tlog-proof@v1\n\nnote\n",
		"c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nindex 00\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nindex -1\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nindex 0\nextra ZW50cnk=\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nextra ZW50cnl=\nindex 0\n\nnote\n",
		"c2sp.org/tlog-proof@v1\nindex 0\nshort\n\nnote\n",
	} {
		if err := new(proof.Proof).UnmarshalText([]byte(text)); !errors.Is(err, proof.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzVerifyProof(f *testing.F) {
	k := key(f, 1)
	note, err := k.Sign(fmt.Sprintf("%s\n1\n%s\n", origin, tlog.RecordHash(nil)))
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range []proof.Proof{
		{Entry: []byte("entry"), Checkpoint: note},
		{Index: 1, Path: make(tlog.RecordProof, 3), Checkpoint: note},
	} {
		b, err := p.MarshalText()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := proof.VerifyProof(b, k.Verifier()); err == nil {
			t.Error("a proof of something that was never recorded")
		}
		var p proof.Proof
		if p.UnmarshalText(b) != nil {
			return
		}
		if again, err := p.MarshalText(); err != nil || !bytes.Equal(b, again) {
			t.Errorf("another text of the same proof: %q, %v", again, err)
		}
	})
}

// From the files alone, beside the keeper or without it, the same is proven of what is signed, and nothing is written.
func TestProveFromFiles(t *testing.T) {
	s := newScene(t)
	proofs, verifier := disk.Disk(untouched{disk.Sub(s.disk, "proof"), t}), s.key.Verifier()
	if _, err := proof.Newest(proofs, verifier); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was signed: %v", err)
	}
	if _, err := proof.Prove(t.Context(), s.store, proofs, verifier, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was signed: %v", err)
	}
	want := [][]byte{s.prove(1), s.prove(2)}
	newest, err := proof.Newest(proofs, verifier)
	if err != nil || newest.Size != 2 {
		t.Errorf("a checkpoint of %d, %v", newest.Size, err)
	}
	for i, document := range want {
		if got, err := proof.Prove(t.Context(), s.store, proofs, verifier, uint64(i)+1); err != nil || !bytes.Equal(got, document) {
			t.Errorf("position %d: another document, %v", i+1, err)
		}
	}
	for _, position := range []uint64{0, 3} {
		if _, err := proof.Prove(t.Context(), s.store, proofs, verifier, position); !errors.Is(err, proof.ErrNoEvent) {
			t.Errorf("position %d: %v", position, err)
		}
	}
	if _, err := proof.Prove(t.Context(), s.store, proofs, key(t, 2).Verifier(), 1); !errors.Is(err, proof.ErrInvalid) {
		t.Errorf("another log's key: %v", err)
	}
	changed := &edited{Store: s.store, head: 2, edit: func(r *eventschema.Record) { r.ID[0] ^= 1 }}
	if _, err := proof.Prove(t.Context(), changed, proofs, verifier, 1); !errors.Is(err, proof.ErrInvalid) {
		t.Errorf("an event that was changed since: %v", err)
	}
	s.close()
}

// untouched is a disk on which nothing must be written.
type untouched struct {
	disk.Disk
	t *testing.T
}

func (d untouched) Open(name string, create bool) (disk.File, error) {
	d.t.Errorf("%s was opened for writing", name)
	return d.Disk.Open(name, create)
}

func (d untouched) MakeDir(name string) error {
	d.t.Errorf("the folder %s was made", name)
	return d.Disk.MakeDir(name)
}

func (d untouched) Rename(oldName, newName string) error {
	d.t.Errorf("%s was renamed", oldName)
	return d.Disk.Rename(oldName, newName)
}

func (d untouched) Remove(name string) error {
	d.t.Errorf("%s was removed", name)
	return d.Disk.Remove(name)
}
