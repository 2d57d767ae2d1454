package proof_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/proof"
	"samtykke/eventschema"
)

func TestCheckpoint(t *testing.T) {
	l := newLog(t, newDisk(1))
	defer func() { l.keeper.Close() }()
	if _, err := l.keeper.Checkpoint(t.Context()); !errors.Is(err, proof.ErrEmpty) {
		t.Errorf("of an empty ledger: %v", err)
	}
	l.append(10)
	first := l.checkpoint()
	syncs := l.disk.(interface{ Syncs() int }).Syncs()
	if again := l.checkpoint(); !bytes.Equal(again.Note, first.Note) {
		t.Error("another checkpoint, and nothing was added")
	}
	if now := l.disk.(interface{ Syncs() int }).Syncs(); now != syncs {
		t.Error("something was written, and nothing was added")
	}
	first.Note[0] = 'x' // a caller's copy
	l.check(l.checkpoint())
	l.append(1)
	l.checkpoint()
	l.verify()
}

func TestNoSuchEvent(t *testing.T) {
	l := newLog(t, newDisk(1))
	defer func() { l.keeper.Close() }()
	l.append(2)
	ctx := t.Context()
	for _, p := range []uint64{0, 3} {
		if _, err := l.keeper.Inclusion(ctx, p); !errors.Is(err, proof.ErrNoEvent) {
			t.Errorf("inclusion of position %d: %v", p, err)
		}
		if _, err := l.keeper.Prove(ctx, p); !errors.Is(err, proof.ErrNoEvent) {
			t.Errorf("proof of position %d: %v", p, err)
		}
	}
	for _, s := range [][2]uint64{{0, 1}, {2, 1}, {1, 3}} {
		if _, err := l.keeper.Consistency(ctx, s[0], s[1]); !errors.Is(err, proof.ErrNoEvent) {
			t.Errorf("consistency of sizes %v: %v", s, err)
		}
	}
	// What no checkpoint covers yet gets one at once.
	l.append(1)
	if p, err := l.keeper.Inclusion(ctx, 3); err != nil || p.Index != 2 {
		t.Errorf("the newest event: %v", err)
	}
}

// Run signs every second while there is something new, and nothing while there is not.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, newDisk(1))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.keeper.Run(ctx) }()
		kept := func() int {
			synctest.Wait()
			b, err := l.disk.(interface{ ReadFile(string) ([]byte, error) }).ReadFile("checkpoints")
			if err != nil {
				t.Fatal(err)
			}
			return len(b) / proof.SlotSize
		}
		time.Sleep(time.Minute)
		if n := kept(); n != 0 {
			t.Errorf("%d checkpoints of nothing", n)
		}
		for i := range 5 {
			l.append(3)
			time.Sleep(time.Second)
			if n := kept(); n != i+1 {
				t.Errorf("after %d seconds there are %d checkpoints", i+1, n)
			}
		}
		time.Sleep(time.Hour)
		if n := kept(); n != 5 {
			t.Errorf("%d checkpoints after an hour without events", n)
		}
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		if err := l.keeper.Close(); err != nil {
			t.Error(err)
		}
		if _, err := l.keeper.Checkpoint(t.Context()); err == nil {
			t.Error("a checkpoint of a keeper that was closed")
		}
	})
}

// Run tells of each pass, also where there is nothing new, how far the newest checkpoint reaches; and of none that failed.
func TestPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, newDisk(1))
		if err := l.keeper.Close(); err != nil {
			t.Fatal(err)
		}
		var told []uint64
		k, err := proof.Open(t.Context(), l.disk, l.key, l.store, proof.Options{Passed: func(size uint64) { told = append(told, size) }})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- k.Run(t.Context()) }()
		for _, n := range []int{0, 3, 0, 4} {
			synctest.Wait()
			l.append(n)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if want := []uint64{0, 0, 3, 3, 7}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil || len(told) != 5 {
			t.Errorf("told of %v, and ended with %v", told, err)
		}
	})
}

// Many ask at once, while many write: every answer covers what was there when it was asked for.
func TestBesideWriters(t *testing.T) {
	l := newLog(t, newDisk(1))
	defer func() { l.keeper.Close() }()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 150 {
				p, err := l.store.Append(t.Context(), fmt.Sprint("stream-", w), uint64(i), ledgertest.Record(1000*w+i))
				if err != nil {
					t.Error(err)
					return
				}
				c, err := l.keeper.Checkpoint(t.Context())
				if err != nil || c.Size < p {
					t.Errorf("a checkpoint of size %d after position %d, %v", c.Size, p, err)
					return
				}
				if _, err := l.keeper.Inclusion(t.Context(), p); err != nil {
					t.Error(err)
					return
				}
				if i%50 == 0 {
					if _, err := proof.Verify(t.Context(), l.store, l.disk, l.key.Verifier(), c.Note); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	l.learn()
	l.checkpoint()
	l.verify()
}

func TestCancelled(t *testing.T) {
	l := newLog(t, newDisk(1))
	defer func() { l.keeper.Close() }()
	l.append(5)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := l.keeper.Checkpoint(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a checkpoint in no time: %v", err)
	}
	l.checkpoint()
	if _, err := proof.Verify(ctx, l.store, l.disk, l.key.Verifier()); !errors.Is(err, context.Canceled) {
		t.Errorf("verified in no time: %v", err)
	}
}

func TestOpenAlone(t *testing.T) {
	l := newLog(t, newDisk(1))
	if _, err := proof.Open(t.Context(), l.disk, l.key, l.store, proof.Options{}); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("a second keeper: %v", err)
	}
	if err := proof.Rebuild(t.Context(), l.disk, l.key.Verifier(), l.store); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("rebuilt beside a keeper: %v", err)
	}
	l.reopen()
	l.keeper.Close()
}

// An edited store shows other records than were appended.
type edited struct {
	ledger.Store
	head uint64 // the last position shown
	edit func(*eventschema.Record)
}

func (e *edited) Head(context.Context) (uint64, error) { return e.head, nil }

func (e *edited) After(ctx context.Context, p uint64) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range e.Store.After(ctx, p) {
			if r.Data = slices.Clone(r.Data); e.edit != nil {
				e.edit(&r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// A ledger that is not the one that was signed is refused.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		store func(ledger.Store) ledger.Store
		key   byte
		want  proof.Problem
	}{
		{"cut back", func(s ledger.Store) ledger.Store { return &edited{Store: s, head: 299} }, 1,
			proof.Problem{In: "ledger", Size: 300, Position: 299}},
		{"restored and gone on", func(s ledger.Store) ledger.Store {
			return &edited{Store: s, head: 301, edit: func(r *eventschema.Record) {
				if r.Position >= 300 {
					r.ID[0]++
				}
			}}
		}, 1, proof.Problem{In: "ledger", Size: 300, Position: 300}},
		{"another key", func(s ledger.Store) ledger.Store { return s }, 2, proof.Problem{In: "checkpoints", Number: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t, newDisk(1))
			l.append(200)
			l.checkpoint()
			l.append(100)
			l.checkpoint()
			l.append(1)
			l.keeper.Close()
			_, err := proof.Open(t.Context(), l.disk, key(t, c.key), c.store(l.store), proof.Options{})
			got := asProblem(t, err)
			got.What = ""
			if got != c.want {
				t.Errorf("%v", err)
			}
			l.open()
			l.checkpoint()
			l.keeper.Close()
		})
	}
}

// Files that were tampered with are refused, unless they look as an interruption leaves them.
func TestOpenFiles(t *testing.T) {
	slot := func(b []byte, i int) []byte { return b[i*proof.SlotSize : (i+1)*proof.SlotSize] }
	for _, c := range []struct {
		name   string
		change func([]byte) []byte // of checkpoints
		want   string              // the file that is to blame; none if it opens
	}{
		{"begun and not finished", func(b []byte) []byte { return append(b, "samtykke/test\n5"...) }, ""},
		{"begun, the rest zeros", func(b []byte) []byte { return append(append(b, slot(b, 0)[:100]...), make([]byte, 156)...) }, ""},
		{"nothing but zeros", func(b []byte) []byte { return append(b, make([]byte, 256)...) }, ""},
		{"the last one changed", func(b []byte) []byte { slot(b, 2)[20] ^= 1; return b }, "checkpoints"},
		{"its filling changed", func(b []byte) []byte { slot(b, 2)[255] ^= 1; return b }, "checkpoints"},
		{"the last removed", func(b []byte) []byte { return b[:2*proof.SlotSize] }, "checkpoint"},
		{"the last zeroed", func(b []byte) []byte { clear(slot(b, 2)); return b }, "checkpoint"},
		{"all removed", func(b []byte) []byte { return nil }, "checkpoint"},
		{"the one before changed, and one begun", func(b []byte) []byte { slot(b, 2)[20] ^= 1; return append(b, 0) }, "checkpoints"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, d := signed(t, 3, 250, 600)
			b, err := d.ReadFile("checkpoints")
			if err != nil {
				t.Fatal(err)
			}
			d.WriteFile("checkpoints", c.change(b))
			k, err := proof.Open(t.Context(), d, l.key, l.store, proof.Options{})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				k.Close()
				l.verify()
				return
			}
			if p := asProblem(t, err); p.In != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}

// What a crash may leave of the file that tools are shown is put right.
func TestOpenShowsNewest(t *testing.T) {
	l, d := signed(t, 3, 250)
	want := newest(t, l)
	older, err := d.ReadFile("checkpoints")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{nil, want[:40], append(bytes.TrimRight(older[:proof.SlotSize], "\n"), '\n')} {
		d.WriteFile("checkpoint", b)
		l.open()
		if err := l.keeper.Close(); err != nil {
			t.Fatal(err)
		}
		if got := newest(t, l); !bytes.Equal(got, want) {
			t.Errorf("after opening with %q: %q", b, got)
		}
	}
}

// The tiles of the right edge, which the tree goes on from, are held against the signed root.
func TestOpenTiles(t *testing.T) {
	for _, name := range []string{"tile/0/002.p/88", "tile/1/000.p/2"} {
		l, d := signed(t, 600)
		b, err := d.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[3] ^= 1
		d.WriteFile(name, b)
		_, err = proof.Open(t.Context(), d, l.key, l.store, proof.Options{})
		if p := asProblem(t, err); p.In != "tile" || p.Size != 600 {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}

// A partial tile whose full one has come, as a reader may meet it beside a keeper.
func TestOutgrownTile(t *testing.T) {
	l, d := signed(t, 250)
	later, of := signed(t, 300)
	full, err := of.ReadFile("tile/0/000")
	if err != nil {
		t.Fatal(err)
	}
	later.verify()
	d.WriteFile("tile/0/000", full)
	if err := d.Remove("tile/0/000.p/250"); err != nil {
		t.Fatal(err)
	}
	l.verify()
	l.open()
	l.proves(l.checkpoint(), 7)
	l.keeper.Close()
}

func TestGap(t *testing.T) {
	l := newLog(t, newDisk(1))
	defer func() { l.keeper.Close() }()
	l.append(3)
	gap := &edited{Store: l.store, head: 4, edit: func(r *eventschema.Record) {
		if r.Position == 3 {
			r.Position = 4
		}
	}}
	_, err := proof.Verify(t.Context(), gap, l.disk, l.key.Verifier())
	if p := asProblem(t, err); p.In != "ledger" || p.Position != 3 {
		t.Errorf("%v", err)
	}
}

// Tiles that were lost or changed are made again, but only from the ledger that was signed.
func TestRebuild(t *testing.T) {
	d := newDisk(1)
	l := newLog(t, d)
	l.append(300)
	l.checkpoint()
	l.append(300)
	last := l.checkpoint()
	l.append(10)
	l.keeper.Close()
	for _, name := range []string{"tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "checkpoint"} {
		if err := d.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	d.WriteFile("tile/0/001", bytes.Repeat([]byte{1}, 256*tlog.HashSize))
	d.WriteFile("tile/1/000.p/1", []byte("damaged"))
	_, err := proof.Open(t.Context(), d, l.key, l.store, proof.Options{})
	if p := asProblem(t, err); !strings.HasPrefix(p.In, "tile/") {
		t.Errorf("opened without its tiles: %v", err)
	}
	other := &edited{Store: l.store, head: 610, edit: func(r *eventschema.Record) {
		if r.Position == 7 {
			r.Data[0]++
		}
	}}
	if p := asProblem(t, proof.Rebuild(t.Context(), d, l.key.Verifier(), other)); p.In != "ledger" || p.Size != 600 {
		t.Errorf("rebuilt from another ledger: %v", &p)
	}
	if err := proof.Rebuild(t.Context(), d, l.key.Verifier(), l.store); err != nil {
		t.Fatal(err)
	}
	l.holdsTiles(d, 600)
	l.verify(last.Note)
	l.open()
	l.checkpoint()
	l.verify(last.Note)
	l.keeper.Close()
}

func TestDamagedTileProvesNothing(t *testing.T) {
	d := newDisk(1)
	l := newLog(t, d)
	defer func() { l.keeper.Close() }()
	l.append(600)
	l.checkpoint()
	b, err := d.ReadFile("tile/0/001")
	if err != nil {
		t.Fatal(err)
	}
	b[17] ^= 1
	d.WriteFile("tile/0/001", b)
	_, err = l.keeper.Inclusion(t.Context(), 300)
	if p := asProblem(t, err); p.In != "tile" {
		t.Errorf("%v", err)
	}
	if _, err := l.keeper.Inclusion(t.Context(), 3); err != nil {
		t.Errorf("an event in another tile: %v", err)
	}
}
