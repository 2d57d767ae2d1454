package proof_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/proof"
)

const origin = "samtykke/test"

// random is a source for keys, the same for the same seed.
func random(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func key(t testing.TB, seed byte) proof.Key {
	t.Helper()
	k, err := proof.LoadKey(simdisk.New(rand.NewPCG(1, 1)), "keys/checkpoint.key", origin, random(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A log is a ledger with its proofs, and the tree that tlog's own functions make of it.
type log struct {
	t      testing.TB
	store  ledger.Store
	disk   disk.Disk
	key    proof.Key
	keeper *proof.Keeper

	count  int
	stored []tlog.Hash // as tlog stores them
}

func newLog(t testing.TB, d disk.Disk) *log {
	l := &log{t: t, store: ledgertest.Memory(), disk: d, key: key(t, 1)}
	l.open()
	return l
}

func newDisk(seed uint64) *simdisk.Disk { return simdisk.New(rand.NewPCG(seed, 0)) }

func (l *log) open() {
	l.t.Helper()
	var err error
	if l.keeper, err = proof.Open(context.Background(), l.disk, l.key, l.store, proof.Options{}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *log) reopen() {
	l.t.Helper()
	if err := l.keeper.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.open()
}

// ReadHashes is the reference's, for tlog.
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		hashes[i] = l.stored[x]
	}
	return hashes, nil
}

// append adds n events, a hundred streams in turn.
func (l *log) append(n int) {
	l.t.Helper()
	for ; n > 0; n-- {
		stream := fmt.Sprint("stream-", l.count%100)
		p, err := l.store.Append(context.Background(), stream, uint64(l.count/100), ledgertest.Record(l.count))
		if err != nil {
			l.t.Fatal(err)
		}
		if p != uint64(l.count)+1 {
			l.t.Fatalf("event %d is at position %d", l.count, p)
		}
		l.count++
	}
	l.learn()
}

// learn adds what is new in the store to the reference.
func (l *log) learn() {
	l.t.Helper()
	head, err := l.store.Head(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	n := int64(0)
	for ; tlog.StoredHashCount(n) < int64(len(l.stored)); n++ {
	}
	for _, r := range ledgertest.Between(l.t, l.store, uint64(n), head) {
		hashes, err := tlog.StoredHashesForRecordHash(n, tlog.Hash(r.Leaf()), l)
		if err != nil {
			l.t.Fatal(err)
		}
		l.stored = append(l.stored, hashes...)
		n++
	}
}

func (l *log) root(size uint64) tlog.Hash {
	l.t.Helper()
	h, err := tlog.TreeHash(int64(size), l)
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

// checkpoint takes one and holds it against the reference.
func (l *log) checkpoint() proof.Checkpoint {
	l.t.Helper()
	c, err := l.keeper.Checkpoint(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	l.check(c)
	if head, _ := l.store.Head(context.Background()); c.Size != head {
		l.t.Fatalf("a checkpoint of size %d where the ledger has %d events", c.Size, head)
	}
	return c
}

func (l *log) check(c proof.Checkpoint) {
	l.t.Helper()
	again, err := proof.OpenCheckpoint(c.Note, l.key.Verifier())
	if err != nil || again.Size != c.Size || again.Root != c.Root || again.Origin != origin {
		l.t.Fatalf("the note of the checkpoint of size %d says size %d, %v", c.Size, again.Size, err)
	}
	if want := l.root(c.Size); c.Root != want {
		l.t.Fatalf("size %d has root %v, want %v", c.Size, c.Root, want)
	}
}

// verify must find nothing.
func (l *log) verify(outside ...[]byte) proof.Report {
	l.t.Helper()
	r, err := proof.Verify(context.Background(), l.store, l.disk, l.key.Verifier(), outside...)
	if err != nil || r.Problems != 0 {
		l.t.Fatalf("%d problems: %v", r.Problems, err)
	}
	return r
}

// RFC 6962's tree over the inputs that implementations have tested with since its beginning.
func TestKnownRoots(t *testing.T) {
	inputs := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var tree proof.Tree
	for i, want := range roots {
		root, err := tree.Root()
		if got := hex.EncodeToString(root[:]); err != nil || got != want {
			t.Errorf("size %d: root %s, %v, want %s", i, got, err, want)
		}
		if i < len(inputs) {
			b, err := hex.DecodeString(inputs[i])
			if err != nil {
				t.Fatal(err)
			}
			tree.Add(tlog.RecordHash(b))
		}
	}
}

// Whatever the ledger grows by, and however often it is opened between: roots, tiles and proofs are those that tlog makes.
func TestAgainstReference(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := newDisk(1)
		l := newLog(t, d)
		defer func() { l.keeper.Close() }()
		var all []proof.Checkpoint
		for range rapid.IntRange(1, 6).Draw(r, "steps") {
			l.append(rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(200, 600)).Draw(r, "events"))
			all = append(all, l.checkpoint())
			if rapid.Bool().Draw(r, "reopen") {
				l.reopen()
			}
		}
		last := all[len(all)-1]
		p := rapid.Uint64Range(1, last.Size).Draw(r, "position")
		l.proves(last, p)
		for _, c := range all {
			l.contains(last, c)
		}
		l.holdsTiles(d, last.Size)
		l.verify(all[0].Note, last.Note)
	})
}

// proves checks the proof of a position against the checkpoint.
func (l *log) proves(c proof.Checkpoint, position uint64) {
	l.t.Helper()
	p, err := l.keeper.Inclusion(context.Background(), position)
	if err != nil {
		l.t.Fatal(err)
	}
	leaf := l.stored[tlog.StoredHashIndex(0, int64(position)-1)]
	if err := tlog.CheckRecord(p.Path, int64(c.Size), c.Root, int64(position)-1, leaf); err != nil {
		l.t.Fatalf("position %d of %d: %v", position, c.Size, err)
	}
	want, err := tlog.ProveRecord(int64(c.Size), int64(position)-1, l)
	if err != nil || !slices.Equal(want, p.Path) || p.Index != position-1 || string(p.Checkpoint) != string(c.Note) {
		l.t.Fatalf("position %d of %d: another proof than tlog's, %v", position, c.Size, err)
	}
}

// contains checks that the ledger of one checkpoint begins with that of another.
func (l *log) contains(c, earlier proof.Checkpoint) {
	l.t.Helper()
	p, err := l.keeper.Consistency(context.Background(), earlier.Size, c.Size)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := tlog.CheckTree(p, int64(c.Size), c.Root, int64(earlier.Size), earlier.Root); err != nil {
		l.t.Fatalf("from %d to %d: %v", earlier.Size, c.Size, err)
	}
}

// holdsTiles checks the files of a size against what tlog says they are.
func (l *log) holdsTiles(d *simdisk.Disk, size uint64) {
	l.t.Helper()
	for _, tile := range tlog.NewTiles(8, 0, int64(size)) {
		want, err := tlog.ReadTileData(tile, l)
		if err != nil {
			l.t.Fatal(err)
		}
		if got, err := d.ReadFile(proof.TilePath(tile)); err != nil || string(got) != string(want) {
			l.t.Fatalf("%s is not the tile that tlog makes, %v", proof.TilePath(tile), err)
		}
	}
}

func TestThreeLevels(t *testing.T) {
	d := newDisk(1)
	l := newLog(t, d)
	sizes := []int{256, 65535, 65536, 65537, 70000}
	var all []proof.Checkpoint
	for _, n := range sizes {
		l.append(n - l.count)
		all = append(all, l.checkpoint())
		l.holdsTiles(d, uint64(n))
		l.reopen()
	}
	last := all[len(all)-1]
	for _, p := range []uint64{1, 256, 257, 65535, 65536, 65537, 69999, 70000} {
		l.proves(last, p)
	}
	for _, c := range all {
		l.contains(last, c)
	}
	r := l.verify(all[2].Note)
	if r.Events != 70000 || r.Root != last.Root || r.Checkpoints != uint64(len(sizes)) || r.Signed != 70000 || r.Outside != 65536 {
		t.Errorf("the report says %+v", r)
	}
	if names, _ := d.Names("tile/0/255.p"); len(names) != 0 {
		t.Errorf("narrower tiles of a full one are left: %v", names)
	}
}

func TestLoadKey(t *testing.T) {
	d := newDisk(1)
	k, err := proof.LoadKey(d, "keys/checkpoint.key", "", random(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(k.Origin()) != len("samtykke/")+16 || k.Origin()[:9] != "samtykke/" {
		t.Errorf("the new log's name is %s", k.Origin())
	}
	b, err := d.ReadFile("keys/checkpoint.key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.NewSigner(string(b[:len(b)-1])); err != nil {
		t.Errorf("the file is not a signer's key: %v", err)
	}
	again, err := proof.LoadKey(d, "keys/checkpoint.key", k.Origin(), random(2))
	if err != nil || again.Verifier() != k.Verifier() {
		t.Errorf("another key the second time: %v", err)
	}
	if b, err := d.ReadFile("keys/checkpoint.pub"); err != nil || string(b) != k.Verifier()+"\n" {
		t.Errorf("beside the key stands %q, %v", b, err)
	}
	if _, err := proof.LoadKey(d, "keys/checkpoint.key", "samtykke/other", random(2)); err == nil {
		t.Error("a key of another log is taken")
	}
	for _, origin := range []string{"with space", "with+plus", "samtykke/0123456789012345678901234567890123456"} {
		if _, err := proof.LoadKey(newDisk(1), "checkpoint.key", origin, random(1)); err == nil {
			t.Errorf("the log's name %q is taken", origin)
		}
	}
	for i := range b {
		broken := slices.Clone(b)
		broken[i] ^= 1
		d.WriteFile("keys/checkpoint.key", broken)
		if got, err := proof.LoadKey(d, "keys/checkpoint.key", k.Origin(), random(2)); err == nil && got.Verifier() != k.Verifier() {
			t.Errorf("byte %d changed makes another key", i)
		}
	}
}

// The longest name leaves room for the largest tree, in a slot.
func TestLongestOrigin(t *testing.T) {
	name := "samtykke/6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	if len(name) != proof.MaxOrigin {
		t.Fatalf("the name has %d bytes", len(name))
	}
	k, err := proof.LoadKey(newDisk(1), "checkpoint.key", name, random(1))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := k.Sign(fmt.Sprintf("%s\n%d\n%s\n", name, int64(1)<<62, tlog.Hash{}))
	if err != nil || len(signed) > proof.SlotSize {
		t.Errorf("it takes %d bytes, %v", len(signed), err)
	}
}

// asProblem gives the problem in an error, and fails without.
func asProblem(t testing.TB, err error) proof.Problem {
	t.Helper()
	p := new(proof.Problem)
	if !errors.As(err, &p) {
		t.Fatalf("want a *Problem, got %v", err)
	}
	return *p
}

// What LoadKey made is read, and neither made nor mended.
func TestReadKey(t *testing.T) {
	d := newDisk(1)
	if _, err := proof.ReadKey(d, "keys/checkpoint.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key: %v", err)
	}
	k, err := proof.LoadKey(d, "keys/checkpoint.key", "", random(1))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := proof.ReadKey(d, "keys/checkpoint.key"); err != nil || got.Verifier() != k.Verifier() {
		t.Errorf("another key, %v", err)
	}
	d.WriteFile("keys/checkpoint.pub", []byte(key(t, 2).Verifier()+"\n"))
	if _, err := proof.ReadKey(d, "keys/checkpoint.key"); err == nil {
		t.Error("the verifier string beside it may be another's")
	}
	if err := d.Remove("keys/checkpoint.pub"); err != nil {
		t.Fatal(err)
	}
	if _, err := proof.ReadKey(d, "keys/checkpoint.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no verifier string: %v", err)
	}
	b, err := d.ReadFile("keys/checkpoint.key")
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	d.WriteFile("keys/checkpoint.key", b)
	if _, err := proof.ReadKey(d, "keys/checkpoint.key"); err == nil {
		t.Error("a damaged key is taken")
	}
}
