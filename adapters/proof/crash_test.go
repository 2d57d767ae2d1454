package proof_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/proof"
)

// A life is what happens on one disk: a ledger grows, and checkpoints of it are given away.
type life struct {
	t     *testing.T
	disk  *simdisk.Disk
	store ledger.Store // outlives the disk's crashes, and never shows what they could take back
	count int
	seed  byte
	steps []int
	given []proof.Checkpoint
}

func newLife(t *testing.T, seed uint64) *life {
	return &life{t: t, disk: newDisk(seed), store: ledgertest.Memory(), steps: steps}
}

// steps fill tiles of two levels, grow within one, fill one to the brim, and open anew between.
var steps = []int{1, 3, 251, 2, 255, 260}

// live goes through the steps until something fails. The key's randomness is another each time: were the first one lost,
// nothing that was signed would be recognised.
func (l *life) live() error {
	for _, n := range l.steps {
		k, err := l.open()
		if err != nil {
			return err
		}
		for range 2 {
			if err := errors.Join(l.append(n/2), l.give(k)); err != nil {
				return errors.Join(err, k.Close())
			}
			n -= n / 2
		}
		if err := k.Close(); err != nil {
			return err
		}
	}
	return nil
}

// give has a checkpoint signed and given away.
func (l *life) give(k *proof.Keeper) error {
	c, err := k.Checkpoint(context.Background())
	if errors.Is(err, proof.ErrEmpty) {
		return nil
	}
	if err == nil {
		l.given = append(l.given, c)
	}
	return err
}

func (l *life) append(n int) error {
	for ; n > 0; n-- {
		if _, err := l.store.Append(context.Background(), "stream", uint64(l.count), ledgertest.Record(l.count)); err != nil {
			return err
		}
		l.count++
	}
	return nil
}

func (l *life) open() (*proof.Keeper, error) {
	l.seed++
	key, err := proof.LoadKey(l.disk, "keys/checkpoint.key", origin, random(l.seed))
	if err != nil {
		return nil, err
	}
	return proof.Open(context.Background(), disk.Sub(l.disk, "proof"), key, l.store, proof.Options{})
}

// examine opens what is on a disk and holds it against what was given away.
func (l *life) examine(d *simdisk.Disk) {
	l.t.Helper()
	was := l.disk
	defer func() { l.disk = was }()
	l.disk = d
	k, err := l.open()
	if err != nil {
		l.t.Fatalf("opening after %d checkpoints: %v", len(l.given), err)
	}
	defer k.Close()
	pub, err := d.ReadFile("keys/checkpoint.pub")
	if err := errors.Join(l.append(1), err); err != nil {
		l.t.Fatal(err)
	}
	c, err := k.Checkpoint(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	verifier := string(bytes.TrimSpace(pub))
	if _, err := proof.Verify(context.Background(), l.store, disk.Sub(d, "proof"), verifier, c.Note); err != nil {
		l.t.Fatalf("after %d checkpoints: %v", len(l.given), err)
	}
	file, err := d.ReadFile("proof/checkpoints")
	for _, c := range l.given {
		if err != nil || !bytes.Contains(file, c.Note) {
			l.t.Fatalf("the checkpoint of size %d was given and is lost: %v", c.Size, err)
		}
	}
}

// TestCrashAnywhere has the power go in every changing operation in turn, and what was not synced kept, dropped and torn: no
// checkpoint that was given is lost or contradicted, and the next one is signed.
func TestCrashAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		l := newLife(t, uint64(n))
		l.disk.CutPower(n)
		err := l.live()
		if err == nil {
			t.Logf("%d operations", n-1)
			return
		}
		if !errors.Is(err, simdisk.ErrCrashed) {
			t.Fatalf("operation %d: %v", n, err)
		}
		for seed := range uint64(3) {
			d := l.disk.Clone(rand.NewPCG(seed, uint64(n)))
			d.Crash()
			l.examine(d)
		}
		// And the same disk lives on, and crashes again.
		l.disk.Crash()
		l.disk.CutPower(n % 37)
		if err := l.live(); err != nil && !errors.Is(err, simdisk.ErrCrashed) {
			t.Fatalf("operation %d, the second time: %v", n, err)
		}
		l.disk.Crash()
		l.examine(l.disk)
	}
}

// TestFailures has every write and sync fail in turn, stored and lost: the keeper goes on where it was, with or without
// something new, or another one does, and a crash afterwards takes nothing that was given.
func TestFailures(t *testing.T) {
	for _, fault := range []struct {
		kind   string
		fail   func(*simdisk.Disk, int, bool)
		stored bool
	}{
		{"write", (*simdisk.Disk).FailWrite, false},
		{"write", (*simdisk.Disk).FailWrite, true},
		{"sync", (*simdisk.Disk).FailSync, false},
		{"sync", (*simdisk.Disk).FailSync, true},
	} {
		for _, then := range []string{"again", "again with more", "anew"} {
			for n := 1; ; n++ {
				l := newLife(t, uint64(n))
				l.steps = steps[:4]
				failed, err := l.survive(func() { fault.fail(l.disk, n, fault.stored) }, then)
				if err != nil {
					t.Fatalf("%s %d fails, stored %v, then %s: %v", fault.kind, n, fault.stored, then, err)
				}
				if !failed {
					break
				}
				l.examine(l.disk)
			}
		}
	}
}

// survive goes through the steps with one keeper, or a second one after a failure.
func (l *life) survive(fail func(), then string) (failed bool, err error) {
	k, err := l.open()
	if err != nil {
		return false, err
	}
	defer func() { k.Close() }()
	fail()
	for _, n := range l.steps {
		err := errors.Join(l.append(n), l.give(k))
		if errors.Is(err, simdisk.ErrFault) {
			failed = true
			switch then {
			case "again with more":
				if err := l.append(1); err != nil {
					return true, err
				}
			case "anew":
				k.Close()
				if k, err = l.open(); err != nil {
					return true, err
				}
			}
			err = l.give(k)
			crashed := l.disk.Clone(rand.NewPCG(2, uint64(n)))
			crashed.Crash()
			l.examine(crashed)
		}
		if err != nil {
			return failed, err
		}
	}
	return failed, nil
}

// TestTornRetry has a checkpoint's write fail, and the power go while it is written again: what was there before is not
// taken for a checkpoint that was damaged.
func TestTornRetry(t *testing.T) {
	for cut := 1; cut <= 9; cut++ {
		l := newLife(t, uint64(cut))
		k, err := l.open()
		if err != nil {
			t.Fatal(err)
		}
		l.disk.FailSync(3, true) // behind a tile's and its folder's: the checkpoint's own
		if err := errors.Join(l.append(1), l.give(k)); !errors.Is(err, simdisk.ErrFault) {
			t.Fatal(err)
		}
		if b, err := l.disk.ReadFile("proof/checkpoints"); err != nil || len(b) != proof.SlotSize {
			t.Fatalf("the third sync is not the checkpoint's: %v", err)
		}
		l.disk.CutPower(cut)
		if err := errors.Join(l.append(200), l.give(k)); err != nil && !errors.Is(err, simdisk.ErrCrashed) {
			t.Fatal(err)
		}
		for seed := range uint64(30) {
			crashed := l.disk.Clone(rand.NewPCG(seed, uint64(cut)))
			crashed.Crash()
			l.examine(crashed)
		}
	}
}

// TestCrashWithStore has the ledger on the same disk: a checkpoint never claims what a crash takes from the ledger.
func TestCrashWithStore(t *testing.T) {
	for n := range uint64(50) {
		l := newLife(t, n)
		random := rand.New(rand.NewPCG(n, 3))
		for range 3 {
			l.disk.CutPower(1 + random.IntN(800))
			if err := l.onStore(l.live); err != nil && !errors.Is(err, simdisk.ErrCrashed) {
				t.Fatal(err)
			}
			l.disk.Crash()
			err := l.onStore(func() error {
				l.examine(l.disk)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// onStore lets f have a store on the disk itself.
func (l *life) onStore(f func() error) error {
	s, _, err := filestore.Open(disk.Sub(l.disk, "ledger"), filestore.Options{SegmentSize: 1 << 16, FillAhead: 1 << 14})
	if err != nil {
		return err
	}
	defer s.Close()
	head, err := s.Head(context.Background())
	if err != nil {
		return err
	}
	l.store, l.count = s, int(head)
	return f()
}
