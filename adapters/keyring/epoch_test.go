package keyring_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/keyring/keyringtest"
	"samtykke/domain"
)

// TestFileRotating runs the published suite on a keyring whose epochs follow each other without a pause.
func TestFileRotating(t *testing.T) {
	keyringtest.TestKeyring(t, func(t *testing.T) func() keyring.Keyring {
		d := simdisk.New(mathrand.NewPCG(1, 1))
		var ring *keyring.FileRing
		var rotating sync.WaitGroup
		today := 0
		closeIt := func() {
			if ring != nil {
				must(t, ring.Close())
				rotating.Wait()
			}
		}
		t.Cleanup(closeIt)
		return func() keyring.Keyring {
			closeIt()
			ring = open(t, d)
			rotating.Go(func() {
				for {
					today++
					err := ring.Rotate(context.Background(), on(today))
					if errors.Is(err, keyring.ErrEnded) {
						return
					}
					if err != nil {
						t.Errorf("rotating: %v", err)
						return
					}
				}
			})
			return ring
		}
	})
}

// A household is a keyring with two living keys and a destroyed one.
type household struct {
	t      *testing.T
	disk   *simdisk.Disk
	ring   *keyring.FileRing
	sealed map[int][]byte
}

func newHousehold(t *testing.T, d *simdisk.Disk) *household {
	t.Helper()
	h := &household{t: t, disk: d, ring: open(t, d), sealed: map[int][]byte{}}
	for n := range 3 {
		h.create(n)
	}
	must(t, h.ring.Destroy(t.Context(), client(1)))
	return h
}

func (h *household) create(n int) {
	h.t.Helper()
	must(h.t, h.ring.Create(h.t.Context(), client(n)))
	s, err := h.ring.Sealer(h.t.Context(), client(n))
	must(h.t, err)
	h.sealed[n], err = s.Seal([]byte("content"), nil)
	must(h.t, err)
}

func (h *household) rotate(day int) {
	h.t.Helper()
	must(h.t, h.ring.Rotate(h.t.Context(), on(day)))
}

func (h *household) reopen() {
	h.t.Helper()
	must(h.t, h.ring.Close())
	h.ring = open(h.t, h.disk)
}

// check looks that a keyring has the living keys and not the destroyed ones.
func (h *household) check(ring *keyring.FileRing, destroyed ...int) {
	h.t.Helper()
	for n, sealed := range h.sealed {
		s, err := ring.Sealer(h.t.Context(), client(n))
		if slices.Contains(destroyed, n) {
			if !errors.Is(err, keyring.ErrDestroyed) {
				h.t.Errorf("owner %d: got %v, want ErrDestroyed", n, err)
			}
			continue
		}
		if err != nil {
			h.t.Errorf("owner %d: %v", n, err)
		} else if _, err := s.Open(sealed, nil); err != nil {
			h.t.Errorf("owner %d: %v", n, err)
		}
	}
}

func numbers(epochs []keyring.Epoch) (all []uint32, current uint32) {
	for _, e := range epochs {
		all = append(all, e.Number)
		if e.Current {
			current = e.Number
		}
	}
	return all, current
}

// TestEpochs follows a keyring through a month.
func TestEpochs(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	if all, current := numbers(h.ring.Epochs()); !slices.Equal(all, []uint32{1}) || current != 1 || !h.ring.Epochs()[0].Begun.IsZero() {
		t.Fatalf("a new keyring has the epochs %v", h.ring.Epochs())
	}
	for _, step := range []struct {
		day     int
		living  []uint32
		current uint32
		why     string
	}{
		{0, []uint32{2}, 2, "the first epoch had no beginning, and is over with the first rotation"},
		{0, []uint32{2}, 2, "one epoch a day"},
		{-3, []uint32{2}, 2, "a clock that goes back makes nothing, and ends nothing"},
		{1, []uint32{2, 3}, 3, ""},
		{5, []uint32{2, 3, 4}, 4, "days without a rotation have no epoch"},
		{13, []uint32{2, 3, 4, 5}, 5, "14 days are not over"},
		{14, []uint32{3, 4, 5, 6}, 6, "the day 14 days after that on which epoch 2 began"},
		{14, []uint32{3, 4, 5, 6}, 6, ""},
		{60, []uint32{7}, 7, "after a long sleep the current epoch is new, and all others are over"},
	} {
		for range 2 {
			h.rotate(step.day)
			if all, current := numbers(h.ring.Epochs()); !slices.Equal(all, step.living) || current != step.current {
				t.Errorf("day %d: epochs %v, current %d; want %v, %d: %s", step.day, all, current, step.living, step.current, step.why)
			}
			h.check(h.ring, 1)
			h.reopen()
		}
		h.create(100 + step.day)
	}
	last := h.ring.Epochs()[0]
	if want := on(60); !last.Begun.Equal(want) || !last.Ends.Equal(time.Date(2026, 5, 14, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("begun %v, ends %v", last.Begun, last.Ends)
	}
	if names, _ := h.disk.Names("keys/epochs"); !slices.Equal(names, []string{"7"}) {
		t.Errorf("in the folder of epochs' keys are %q", names)
	}
}

// TestMidnight: a day is one of UTC, whatever the zone of the instant.
func TestMidnight(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	oslo := time.FixedZone("", 3600)
	for _, c := range []struct {
		now  time.Time
		want uint32
	}{
		{time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), 2},
		{time.Date(2026, 3, 2, 0, 30, 0, 0, oslo), 2}, // 1 March by UTC
		{time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC), 2},
		{time.Date(2026, 3, 2, 1, 0, 0, 0, oslo), 3},
	} {
		must(t, h.ring.Rotate(t.Context(), c.now))
		if _, current := numbers(h.ring.Epochs()); current != c.want {
			t.Errorf("%v: epoch %d, want %d", c.now, current, c.want)
		}
	}
}

// TestNothingLeft: after a rotation, nothing in the folder opens what was wrapped before it.
func TestNothingLeft(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	h.rotate(0)
	old := onlyTable(t, h.disk)
	oldKey, err := h.disk.ReadFile("keys/epochs/2")
	must(t, err)
	h.rotate(1)
	table := onlyTable(t, h.disk)
	for at := entrySize; at < len(old); at += entrySize {
		if entry := old[at : at+entrySize]; bytes.HasPrefix(entry, []byte("key\x00")) && bytes.Contains(table, entry[72:120]) {
			t.Errorf("entry %d was not wrapped anew", at/entrySize)
		}
	}
	h.rotate(20)
	names, _ := h.disk.Names("keys/epochs")
	for _, name := range names {
		if file, _ := h.disk.ReadFile("keys/epochs/" + name); bytes.Contains(file, oldKey[28:len(oldKey)-8]) {
			t.Errorf("the key of an epoch that ended is in %s", name)
		}
	}
	h.check(h.ring, 1)
}

// overwritten says which files were overwritten, durably, before they were removed.
type overwritten struct {
	disk.Disk
	removed map[string]bool
}

func (o *overwritten) Remove(name string) error {
	crashed := o.Disk.(*simdisk.Disk).Clone(mathrand.NewPCG(1, 1))
	crashed.Crash()
	b, err := crashed.ReadFile(name)
	o.removed[name] = err == nil && len(bytes.Trim(b, "destroyed ")) == 0
	return o.Disk.Remove(name)
}

func TestOverwrittenBeforeRemoved(t *testing.T) {
	d := &overwritten{simdisk.New(mathrand.NewPCG(1, 1)), map[string]bool{}}
	ring := open(t, d)
	for n := range 20_000 {
		go ring.Create(t.Context(), client(n))
	}
	must(t, ring.Create(t.Context(), client(30_000)))
	must(t, ring.Rotate(t.Context(), on(0)))
	must(t, ring.Rotate(t.Context(), on(1)))
	must(t, ring.Rotate(t.Context(), on(14)))
	for _, name := range []string{"data.keys.1", "data.keys.2", "data.keys.3", "epochs/1", "epochs/2"} {
		if done, removed := d.removed["keys/"+name]; !removed || !done {
			t.Errorf("%s: removed %t, overwritten before %t", name, removed, done)
		}
	}
	must(t, ring.Close())
}

// TestOldFolder opens what was written before there were epochs.
func TestOldFolder(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	must(t, d.MakeDir("keys"))
	for _, name := range []string{"master.key", "data.keys"} {
		b, err := os.ReadFile("testdata/epoch0/" + name)
		must(t, err)
		d.WriteFile("keys/"+name, b)
	}
	sealed, err := os.ReadFile("testdata/epoch0/sealed")
	must(t, err)
	owner := func(n byte) keyring.Owner { return keyring.Owner{Kind: keyring.Client, ID: domain.ID{n}} }
	check := func(ring *keyring.FileRing) {
		t.Helper()
		s, err := ring.Sealer(t.Context(), owner(1))
		must(t, err)
		if got, err := s.Open(sealed, []byte("journal 1")); err != nil || string(got) != "innhold" {
			t.Errorf("opened %q, %v", got, err)
		}
		for n, want := range map[byte]error{2: nil, 3: keyring.ErrDestroyed, 8: keyring.ErrNoKey, 9: keyring.ErrDestroyed} {
			if _, err := ring.Sealer(t.Context(), owner(n)); !errors.Is(err, want) {
				t.Errorf("owner %d: got %v, want %v", n, err, want)
			}
		}
	}
	ring := open(t, d)
	check(ring)
	if epochs := ring.Epochs(); len(epochs) != 0 {
		t.Errorf("epochs %v before the first", epochs)
	}
	if _, err := ring.Copy(t.Context(), simdisk.New(mathrand.NewPCG(1, 1))); err == nil {
		t.Error("a copy under the master key itself would never end")
	}
	must(t, ring.Create(t.Context(), client(1)))
	must(t, ring.Close())
	ring = open(t, d)
	must(t, ring.Rotate(t.Context(), on(0)))
	check(ring)
	if all, current := numbers(ring.Epochs()); !slices.Equal(all, []uint32{1}) || current != 1 {
		t.Errorf("epochs %v, current %d", all, current)
	}
	if names, _ := d.Names("keys"); !slices.Equal(names, []string{"data.keys.1", "master.key"}) {
		t.Errorf("files %q", names)
	}
	must(t, ring.Close())
	ring = open(t, d)
	check(ring)
	must(t, ring.Create(t.Context(), client(1)))
}

// TestEveryCut lets a rotation that also destroys an epoch's key fail at every single step, in every way.
func TestEveryCut(t *testing.T) {
	for what, fail := range map[string]func(d *simdisk.Disk, n int){
		"power":               (*simdisk.Disk).CutPower,
		"write lost":          func(d *simdisk.Disk, n int) { d.FailWrite(n, false) },
		"write stored":        func(d *simdisk.Disk, n int) { d.FailWrite(n, true) },
		"sync lost":           func(d *simdisk.Disk, n int) { d.FailSync(n, false) },
		"sync stored":         func(d *simdisk.Disk, n int) { d.FailSync(n, true) },
		"power, long asleep":  (*simdisk.Disk).CutPower,
		"sync lost, restarts": func(d *simdisk.Disk, n int) { d.FailSync(n, false) },
	} {
		t.Run(what, func(t *testing.T) {
			day := 14
			if strings.HasSuffix(what, "asleep") {
				day = 40 // the epoch that is replaced has ended, too
			}
			for n, failed := 1, true; failed; n++ {
				for seed := range uint64(4) {
					failed = everyCut(t, fmt.Sprintf("step %d, seed %d", n, seed), seed, day, strings.HasSuffix(what, "restarts"),
						func(d *simdisk.Disk) { fail(d, n) })
				}
			}
		})
	}
}

func everyCut(t *testing.T, at string, seed uint64, day int, restarts bool, fail func(*simdisk.Disk)) (failed bool) {
	t.Helper()
	src := mathrand.NewPCG(seed, 1)
	h := newHousehold(t, simdisk.New(src))
	h.rotate(0)
	h.rotate(1)
	h.create(5)
	fail(h.disk)
	err := h.ring.Rotate(t.Context(), on(day))
	destroyed := []int{1}
	if h.ring.Destroy(t.Context(), client(2)) == nil {
		destroyed = append(destroyed, 2)
	}
	h.ring.Close()
	if restarts {
		h.disk = h.disk.Clone(src)
		ring := open(t, h.disk)
		must(t, ring.Destroy(t.Context(), client(2)))
		destroyed = []int{1, 2}
		must(t, ring.Close())
	}
	h.disk.Crash()
	ring := open(t, h.disk)
	if _, gone := ring.Sealer(t.Context(), client(2)); errors.Is(gone, keyring.ErrDestroyed) {
		destroyed = append(destroyed, 2)
	}
	h.check(ring, destroyed...)
	must(t, ring.Rotate(t.Context(), on(day)))
	h.check(ring, destroyed...)
	for _, e := range ring.Epochs() {
		if !e.Current && !on(day).Before(e.Ends) || e.Number < 3 {
			t.Errorf("%s: epoch %d has ended, and its key is there", at, e.Number)
		}
	}
	table := onlyTable(t, h.disk)
	for _, n := range destroyed {
		if holdsKey(table, n) {
			t.Errorf("%s: the table holds a destroyed key", at)
		}
	}
	must(t, ring.Close())
	must(t, open(t, h.disk).Close())
	if t.Failed() {
		t.Fatal(at)
	}
	return err != nil
}

// TestNameLost: the new table's name did not turn out to be durable, and the power goes while the old table is overwritten.
func TestNameLost(t *testing.T) {
	names := 0
	for n, rotated := 1, false; !rotated; n++ {
		for cut, opened := 1, false; !opened; cut++ {
			for seed := range uint64(8) {
				h := newHousehold(t, simdisk.New(mathrand.NewPCG(seed, 1)))
				for n := 10; n < 20; n++ {
					h.create(n)
				}
				h.disk.FailSync(n, false)
				err := h.ring.Rotate(t.Context(), on(0))
				h.ring.Close()
				if rotated = err == nil; !errors.Is(err, keyring.ErrEnded) {
					opened = true
					break // a sync on which the current table does not hang
				}
				names++
				d := h.disk.Clone(mathrand.NewPCG(seed, 2))
				d.CutPower(cut)
				ring, err := keyring.OpenFile(d, "keys", rand.Reader)
				if opened = err == nil; opened {
					ring.Close()
				}
				d.Crash()
				h.check(open(t, d), 1)
				if t.Failed() {
					t.Fatalf("sync %d, power cut at step %d, seed %d", n, cut, seed)
				}
			}
		}
	}
	if names == 0 {
		t.Error("no sync of a name failed")
	}
}

// TestBackup copies while serving, loses everything, and restores.
func TestBackup(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	backup, escrow := simdisk.New(mathrand.NewPCG(2, 1)), simdisk.New(mathrand.NewPCG(3, 1))
	if _, err := h.ring.Copy(t.Context(), backup); err == nil {
		t.Error("a copy was made under an epoch without an end")
	}
	h.rotate(0)
	must(t, h.ring.EscrowTo(t.Context(), escrow, on(0)))
	epoch, err := h.ring.Copy(t.Context(), backup)
	must(t, err)
	if epoch.Number != 2 || !epoch.Current || !epoch.Ends.Equal(on(14).Truncate(24*time.Hour)) {
		t.Errorf("the copy's epoch is %v", epoch)
	}
	h.create(7) // after the copy
	must(t, h.ring.Destroy(t.Context(), client(0)))
	h.rotate(13)
	must(t, h.ring.EscrowTo(t.Context(), escrow, on(13)))

	var list []keyring.Owner
	for o := range h.ring.Destroyed() {
		list = append(list, o)
	}
	if !slices.Equal(list, []keyring.Owner{client(1), client(0)}) {
		t.Errorf("the owners of destroyed keys are %d, not two in their order", len(list))
	}
	if living, destroyed := h.ring.Count(); living != 2 || destroyed != 2 {
		t.Errorf("%d living, %d destroyed", living, destroyed)
	}

	ring, err := restored(t, h.disk, backup, escrow)
	must(t, err)
	if _, err := ring.Sealer(t.Context(), client(0)); err != nil {
		t.Errorf("%v: the copy is from before that destruction", err)
	}
	for _, o := range list {
		must(t, ring.Destroy(t.Context(), o))
	}
	delete(h.sealed, 7)
	h.check(ring, 0, 1)
	must(t, ring.Rotate(t.Context(), on(14)))
	h.check(ring, 0, 1)
	if all, current := numbers(ring.Epochs()); !slices.Equal(all, []uint32{3, 4}) || current != 4 {
		t.Errorf("epochs %v, current %d: numbers go on from the escrow's", all, current)
	}

	h.rotate(14)
	must(t, h.ring.EscrowTo(t.Context(), escrow, on(14)))
	if _, err := restored(t, h.disk, backup, escrow); !errors.Is(err, keyring.ErrEpochGone) || !strings.Contains(err.Error(), "epochs/2") {
		t.Errorf("got %v: what was destroyed must be out of reach after 14 days, and the error names the epoch", err)
	}
}

// restored puts a backup and an escrow together with the master key.
func restored(t *testing.T, living, backup, escrow *simdisk.Disk) (*keyring.FileRing, error) {
	t.Helper()
	d := simdisk.New(mathrand.NewPCG(4, 1))
	must(t, d.MakeDir("keys/epochs"))
	put := func(from *simdisk.Disk, dir string) {
		names, err := from.Names(dir)
		must(t, err)
		for _, name := range names {
			b, err := from.ReadFile(strings.TrimPrefix(dir+"/"+name, "/"))
			must(t, err)
			d.WriteFile(strings.TrimSuffix("keys/"+dir, "/")+"/"+name, b)
		}
	}
	put(backup, "")
	put(escrow, "epochs")
	master, err := living.ReadFile("keys/master.key")
	must(t, err)
	d.WriteFile("keys/master.key", master)
	return keyring.OpenFile(d, "keys", rand.Reader)
}

// TestTogether: no copy is made to where it would lie beside what opens it.
func TestTogether(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	h.rotate(0)
	src := mathrand.NewPCG(2, 1)
	keys, tables, master := simdisk.New(src), simdisk.New(src), simdisk.New(src)
	must(t, h.ring.EscrowTo(t.Context(), keys, on(0)))
	_, err := h.ring.Copy(t.Context(), tables)
	must(t, err)
	master.WriteFile("master.key", make([]byte, 32))
	for what, call := range map[string]func() error{
		"a copy beside an escrow":       func() error { _, err := h.ring.Copy(t.Context(), keys); return err },
		"a copy beside a master key":    func() error { _, err := h.ring.Copy(t.Context(), master); return err },
		"an escrow beside a copy":       func() error { return h.ring.EscrowTo(t.Context(), tables, on(0)) },
		"a copy into a living folder":   func() error { _, err := h.ring.Copy(t.Context(), disk.Sub(h.disk, "keys")); return err },
		"an escrow in a living folder":  func() error { return h.ring.EscrowTo(t.Context(), disk.Sub(h.disk, "keys"), on(0)) },
		"expiring a living folder":      func() error { return keyring.ExpireEscrow(disk.Sub(h.disk, "keys"), on(90)) },
		"expiring a folder of a backup": func() error { return keyring.ExpireEscrow(tables, on(90)) },
	} {
		if err := call(); !errors.Is(err, keyring.ErrTogether) {
			t.Errorf("%s: got %v, want ErrTogether", what, err)
		}
	}
	h.check(h.ring, 1)
}

// TestEscrow follows an escrow that outlives its keyring, and refuses another's.
func TestEscrow(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	escrow := simdisk.New(mathrand.NewPCG(2, 1))
	for _, day := range []int{0, 1, 2} {
		h.rotate(day)
	}
	for range 2 {
		must(t, h.ring.EscrowTo(t.Context(), escrow, on(2)))
	}
	files := func() (names []string) { names, _ = escrow.Names("epochs"); return names }
	if names := files(); !slices.Equal(names, []string{"2", "3", "4"}) {
		t.Errorf("the escrow holds %q", names)
	}
	must(t, h.ring.EscrowTo(t.Context(), escrow, on(30))) // not rotated for long: the current one stays
	if names := files(); !slices.Equal(names, []string{"4"}) {
		t.Errorf("the escrow holds %q", names)
	}
	must(t, keyring.ExpireEscrow(escrow, on(15)))
	if names := files(); len(names) != 1 {
		t.Errorf("the escrow holds %q", names)
	}
	must(t, keyring.ExpireEscrow(escrow, on(16)))
	if names := files(); len(names) != 0 {
		t.Errorf("the escrow holds %q", names)
	}

	must(t, h.ring.EscrowTo(t.Context(), escrow, on(2)))
	other := newHousehold(t, simdisk.New(mathrand.NewPCG(3, 1)))
	for _, day := range []int{0, 1, 2} {
		other.rotate(day)
	}
	if err := other.ring.EscrowTo(t.Context(), escrow, on(2)); err == nil {
		t.Error("another keyring's epochs were overwritten in the escrow, or mixed with these")
	}
	b, err := escrow.ReadFile("epochs/4")
	must(t, err)
	want, err := h.disk.ReadFile("keys/epochs/4")
	must(t, err)
	if !bytes.Equal(b, want) {
		t.Error("the escrow's key is not the living one")
	}
	escrow.WriteFile("epochs/4", b[:50]) // decayed: copied anew
	must(t, h.ring.EscrowTo(t.Context(), escrow, on(2)))
	if b, _ := escrow.ReadFile("epochs/4"); !bytes.Equal(b, want) {
		t.Error("a decayed key was left in the escrow")
	}
}

// TestEscrowCut: an escrow that failed half way is whole after the next.
func TestEscrowCut(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	for day := range 3 {
		h.rotate(day)
	}
	for n, failed := 1, true; failed; n++ {
		escrow, backup := simdisk.New(mathrand.NewPCG(uint64(n), 1)), simdisk.New(mathrand.NewPCG(uint64(n), 2))
		escrow.CutPower(n)
		backup.CutPower(n)
		escrowed := h.ring.EscrowTo(t.Context(), escrow, on(2))
		_, copied := h.ring.Copy(t.Context(), backup)
		failed = escrowed != nil || copied != nil
		escrow.Crash()
		backup.Crash()
		must(t, h.ring.EscrowTo(t.Context(), escrow, on(2)))
		_, err := h.ring.Copy(t.Context(), backup)
		must(t, err)
		ring, err := restored(t, h.disk, backup, escrow)
		must(t, err)
		h.check(ring, 1)
	}
}

// TestCopyWhileServing: a copy holds every key made before it, and none destroyed before it.
func TestCopyWhileServing(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	h.rotate(0)
	var others sync.WaitGroup
	for w := range 4 {
		others.Go(func() {
			for n := 1000 * (w + 1); n < 1000*(w+1)+300; n++ {
				if err := errors.Join(h.ring.Create(t.Context(), client(n)), h.ring.Destroy(t.Context(), client(n-3))); err != nil {
					t.Errorf("while copying: %v", err)
				}
			}
		})
	}
	escrow := simdisk.New(mathrand.NewPCG(3, 1))
	must(t, h.ring.EscrowTo(t.Context(), escrow, on(0)))
	for n := range 30 {
		h.create(100 + n)
		backup := simdisk.New(mathrand.NewPCG(2, 1))
		_, err := h.ring.Copy(t.Context(), backup)
		must(t, err)
		ring, err := restored(t, h.disk, backup, escrow)
		must(t, err)
		h.check(ring, 1)
		must(t, ring.Close())
	}
	others.Wait()
}

// A remote master key is reached over a network: it takes its time, and it fails. Its ciphertexts are longer than ours.
type remote struct {
	key    tink.AEAD
	fail   error
	answer func() // before every answer
}

const prefix = "wrapped by a service, version 7: "

func newRemote(t *testing.T) *remote {
	key, err := subtle.NewAESGCM(bytes.Repeat([]byte{3}, 32))
	must(t, err)
	return &remote{key: key, answer: func() {}}
}

func (r *remote) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	r.answer()
	b, err := r.key.Encrypt(plaintext, associatedData)
	return append([]byte(prefix), b...), errors.Join(err, r.fail)
}

func (r *remote) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	r.answer()
	b, err := r.key.Decrypt(bytes.TrimPrefix(ciphertext, []byte(prefix)), associatedData)
	return b, errors.Join(err, r.fail)
}

var errRemote = errors.New("the service does not answer")

func TestRemoteMaster(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	master := newRemote(t)
	options := keyring.Options{Master: master}
	files := func() string {
		names, _ := d.Names("keys")
		epochs, _ := d.Names("keys/epochs")
		return fmt.Sprint(names, epochs)
	}

	master.fail = errRemote
	if _, err := options.OpenFile(d, "keys", rand.Reader); !errors.Is(err, errRemote) || errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("got %v, want the service's error and no damage", err)
	}
	if files() != "[] []" {
		t.Errorf("a keyring that could not be made left %s", files())
	}

	master.fail = nil
	ring, err := options.OpenFile(d, "keys", rand.Reader)
	must(t, err)
	h := &household{t, d, ring, map[int][]byte{}}
	h.create(0)
	h.rotate(0)
	h.create(1)
	before := files()
	if before != "[data.keys.2] [2]" {
		t.Errorf("files %s", before)
	}

	master.fail = errRemote
	syncs := d.Syncs()
	err = ring.Rotate(t.Context(), on(1))
	if !errors.Is(err, errRemote) || errors.Is(err, keyring.ErrEnded) || !strings.Contains(err.Error(), "epoch 3") {
		t.Errorf("got %v, want the service's error, for epoch 3", err)
	}
	if files() != before || d.Syncs() != syncs {
		t.Errorf("a rotation that could not begin left %s, %s before", files(), before)
	}
	h.create(2)
	must(t, ring.Close())
	if _, err := options.OpenFile(d, "keys", rand.Reader); !errors.Is(err, errRemote) || errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("got %v, want the service's error and no damage", err)
	}
	if files() != before {
		t.Errorf("a keyring that could not be opened left %s, %s before", files(), before)
	}

	master.fail = nil
	ring, err = options.OpenFile(d, "keys", rand.Reader)
	must(t, err)
	must(t, ring.Rotate(t.Context(), on(1)))
	h.check(ring)
	must(t, ring.Close())
	if _, err := keyring.OpenFile(d, "keys", rand.Reader); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("got %v: without the service there is no master key, and none may be made", err)
	}
}

// TestEndsWithoutMaster: what has ended is destroyed although the service that wraps new epochs is out of reach.
func TestEndsWithoutMaster(t *testing.T) {
	master := newRemote(t)
	ring, err := keyring.Options{Master: master}.OpenFile(simdisk.New(mathrand.NewPCG(1, 1)), "keys", rand.Reader)
	must(t, err)
	must(t, ring.Rotate(t.Context(), on(0)))
	must(t, ring.Rotate(t.Context(), on(1)))
	master.fail = errRemote
	if err := ring.Rotate(t.Context(), on(30)); !errors.Is(err, errRemote) {
		t.Errorf("got %v", err)
	}
	if all, current := numbers(ring.Epochs()); !slices.Equal(all, []uint32{3}) || current != 3 {
		t.Errorf("epochs %v, current %d; only the current one outlives its end", all, current)
	}
}

// TestForgetfulMaster: no data key is wrapped under an epoch's key that the service wraps and does not open again.
func TestForgetfulMaster(t *testing.T) {
	master := newRemote(t)
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring, err := keyring.Options{Master: master}.OpenFile(d, "keys", rand.Reader)
	must(t, err)
	must(t, ring.Create(t.Context(), client(1)))
	calls := 0
	master.answer = func() {
		if calls++; calls == 2 {
			master.fail = errRemote
		}
	}
	if err := ring.Rotate(t.Context(), on(0)); !errors.Is(err, errRemote) {
		t.Errorf("got %v", err)
	}
	if _, current := numbers(ring.Epochs()); current != 1 {
		t.Errorf("epoch %d is the current one", current)
	}
}

// TestSlowMaster: while the service takes its time, keys are made, used and destroyed.
func TestSlowMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		master := newRemote(t)
		d := simdisk.New(mathrand.NewPCG(1, 1))
		ring, err := keyring.Options{Master: master}.OpenFile(d, "keys", rand.Reader)
		must(t, err)
		h := &household{t, d, ring, map[int][]byte{}}
		h.create(0)
		proceed := make(chan struct{})
		master.answer = func() { <-proceed }
		rotated := make(chan error, 1)
		go func() { rotated <- ring.Rotate(t.Context(), on(0)) }()
		synctest.Wait()
		h.create(1)
		must(t, ring.Destroy(t.Context(), client(0)))
		h.check(ring, 0)
		close(proceed)
		must(t, <-rotated)
		h.check(ring, 0)
		must(t, ring.Close())
	})
}

// A slow disk lets something happen during the writes to a file.
type slow struct {
	disk.Disk
	file   string
	during func()
}

type slowFile struct {
	disk.File
	during func()
}

func (s *slow) Open(name string, create bool) (disk.File, error) {
	f, err := s.Disk.Open(name, create)
	if name == s.file {
		f = slowFile{f, s.during}
	}
	return f, err
}

func (f slowFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.File.WriteAt(b, offset)
	f.during()
	return n, err
}

// TestDestroyWhileRotating: a destroyed key that was copied already is gone at once, and from the copy before Destroy returns.
// Keys go on being made meanwhile.
func TestDestroyWhileRotating(t *testing.T) {
	for what, cancelled := range map[string]bool{"to its end": false, "given up": true} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				proceed := make(chan struct{})
				d := &slow{simdisk.New(mathrand.NewPCG(1, 1)), "keys/data.keys.3.new", func() { <-proceed }}
				ring := open(t, d)
				h := &household{t, d.Disk.(*simdisk.Disk), ring, map[int][]byte{}}
				h.create(0)
				h.create(1)
				h.rotate(0)
				ctx, cancel := context.WithCancel(t.Context())
				rotated, destroyed := make(chan error, 1), make(chan error, 1)
				go func() { rotated <- ring.Rotate(ctx, on(1)) }()
				synctest.Wait()
				go func() { destroyed <- ring.Destroy(t.Context(), client(0)) }()
				synctest.Wait()
				h.create(2)
				h.check(ring, 0)
				if len(destroyed) != 0 {
					t.Error("Destroy has returned while a copy of the key was there")
				}
				if cancelled {
					cancel()
				}
				close(proceed)
				synctest.Wait()
				if err := <-rotated; cancelled != errors.Is(err, context.Canceled) || !cancelled && err != nil {
					t.Errorf("rotating: %v", err)
				}
				must(t, <-destroyed)
				cancel()
				if holdsKey(onlyTable(t, h.disk), 0) {
					t.Error("a destroyed key was copied")
				}
				if ring.HoldsKeyAt(1) || !ring.HoldsKeyAt(2) {
					t.Error("a destroyed key is still held in memory, or a living one is not")
				}
				h.create(3)
				h.reopen()
				h.check(h.ring, 0)
				must(t, h.ring.Close())
			})
		})
	}
}

// TestNoRoom: on a full disk no key is made and no epoch begun, everything else goes on, and so do these when there is room.
func TestNoRoom(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	h.rotate(0)
	h.disk.Room(5000)
	n := 10
	for ; n < 2000; n++ {
		err := h.ring.Create(t.Context(), client(n))
		if err != nil {
			if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, keyring.ErrEnded) {
				t.Fatalf("got %v, want a full disk's error that ends nothing", err)
			}
			break
		}
	}
	if n == 10 || n == 2000 {
		t.Fatalf("%d keys found room", n-10)
	}
	if _, err := h.ring.Sealer(t.Context(), client(n)); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("got %v, want ErrNoKey", err)
	}
	if err := h.ring.Rotate(t.Context(), on(1)); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, keyring.ErrEnded) {
		t.Errorf("got %v, want a full disk's error that ends nothing", err)
	}
	h.check(h.ring, 1)
	h.disk.Room(-1)
	h.create(n)
	h.rotate(1)
	h.check(h.ring, 1)
	h.reopen()
	h.check(h.ring, 1)
}

// TestDestroyWithoutRoom: a full disk leaves room to destroy keys, made before it was full.
func TestDestroyWithoutRoom(t *testing.T) {
	h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
	h.disk.Room(0)
	must(t, h.ring.Destroy(t.Context(), client(2)))
	h.check(h.ring, 1, 2)
}

// TestEpochDamage changes or removes what lies above the data keys.
func TestEpochDamage(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	for what, c := range map[string]struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		"the epoch's key is gone":      {"epochs/3", nil, keyring.ErrEpochGone},
		"its number changed":           {"epochs/3", flip(19), keyring.ErrDamaged},
		"its beginning changed":        {"epochs/3", flip(27), keyring.ErrDamaged},
		"it changed":                   {"epochs/3", flip(40), keyring.ErrDamaged},
		"its sum changed":              {"epochs/3", flip(-1), keyring.ErrDamaged},
		"half of it":                   {"epochs/3", func(b []byte) []byte { return b[:len(b)/2] }, keyring.ErrDamaged},
		"nothing of it":                {"epochs/3", func([]byte) []byte { return []byte{} }, keyring.ErrDamaged},
		"another epoch's key":          {"epochs/3", func([]byte) []byte { return nil }, keyring.ErrDamaged},
		"the table has another number": {"data.keys.3", nil, keyring.ErrDamaged},
		"an old epoch's key changed":   {"epochs/2", flip(40), nil},
		"an old epoch's key is gone":   {"epochs/2", nil, nil},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHousehold(t, simdisk.New(mathrand.NewPCG(1, 1)))
			h.rotate(0)
			h.rotate(1)
			must(t, h.ring.Close())
			b, err := h.disk.ReadFile("keys/" + c.name)
			must(t, err)
			switch {
			case what == "another epoch's key":
				other, err := h.disk.ReadFile("keys/epochs/2")
				must(t, err)
				h.disk.WriteFile("keys/"+c.name, other)
			case what == "the table has another number":
				must(t, h.disk.Remove("keys/data.keys.3"))
				h.disk.WriteFile("keys/data.keys.2", b)
			case c.change == nil:
				must(t, h.disk.Remove("keys/"+c.name))
			default:
				h.disk.WriteFile("keys/"+c.name, c.change(b))
			}
			for range 2 {
				ring, err := keyring.OpenFile(h.disk, "keys", rand.Reader)
				if !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
				if err == nil {
					h.check(ring, 1)
					must(t, ring.Rotate(t.Context(), on(1)))
					must(t, ring.Close())
				}
			}
		})
	}
}

// TestDamageIsNotCarriedOn: a table that decayed while it was in use is left as it is, and the rotation says so.
func TestDamageIsNotCarriedOn(t *testing.T) {
	for what, at := range map[string]int{"an entry that cannot be read": entrySize + 70, "a key that does not open": 0} {
		t.Run(what, func(t *testing.T) {
			d := simdisk.New(mathrand.NewPCG(1, 1))
			h := newHousehold(t, d)
			if at == 0 { // the two living keys exchanged, each with a sum that holds
				must(t, h.ring.Close())
				swapKeys(t, d, "keys/data.keys.1", 1, 3)
				h.ring = open(t, d)
			} else {
				f, err := d.Open("keys/data.keys.1", false)
				must(t, err)
				_, err = f.WriteAt([]byte{1, 2, 3}, int64(at))
				must(t, err)
			}
			for range 2 {
				if err := h.ring.Rotate(t.Context(), on(0)); !errors.Is(err, keyring.ErrDamaged) || errors.Is(err, keyring.ErrEnded) {
					t.Errorf("got %v, want ErrDamaged, and nothing ended", err)
				}
			}
			if _, current := numbers(h.ring.Epochs()); current != 1 {
				t.Errorf("epoch %d is the current one", current)
			}
			onlyTable(t, d)
			h.create(8)
		})
	}
}

func swapKeys(t *testing.T, d *simdisk.Disk, name string, one, other int) {
	t.Helper()
	change(t, d, name, func(b []byte) []byte {
		x, y := b[one*entrySize:(one+1)*entrySize], b[other*entrySize:(other+1)*entrySize]
		for i := 60; i < 120; i++ {
			x[i], y[i] = y[i], x[i]
		}
		for _, e := range [][]byte{x, y} {
			binary.BigEndian.PutUint64(e[120:], xxhash.Sum64(e[:120]))
		}
		return b
	})
}

// TestClosedWhileRotating: Close does not wait for all keys, and leaves nothing half done.
func TestClosedWhileRotating(t *testing.T) {
	d := &slow{simdisk.New(mathrand.NewPCG(1, 1)), "keys/data.keys.2.new", nil}
	h := &household{t, d.Disk.(*simdisk.Disk), open(t, d), map[int][]byte{}}
	h.create(0)
	closed := make(chan error, 1)
	d.during = sync.OnceFunc(func() {
		go func() { closed <- h.ring.Close() }()
		for n := 10; h.ring.Create(t.Context(), client(n)) == nil; n++ { // until it is closing
		}
	})
	if err := h.ring.Rotate(t.Context(), on(0)); !errors.Is(err, keyring.ErrEnded) {
		t.Errorf("rotating: %v", err)
	}
	must(t, <-closed)
	onlyTable(t, h.disk)
	h.ring = open(t, h.disk)
	h.check(h.ring)
	if err := errors.Join(h.ring.Close(), h.ring.Rotate(t.Context(), on(0))); !errors.Is(err, keyring.ErrEnded) {
		t.Errorf("got %v: a closed keyring begins no epoch", err)
	}
}

// TestFileModeOfEpochs: as the other keys.
func TestFileModeOfEpochs(t *testing.T) {
	root := t.TempDir()
	d, err := disk.OS(root)
	must(t, err)
	ring := open(t, d)
	must(t, ring.Rotate(t.Context(), on(0)))
	must(t, ring.Close())
	for name, want := range map[string]fs.FileMode{"epochs": 0o700 | fs.ModeDir, "epochs/2": 0o600, "data.keys.2": 0o600} {
		info, err := os.Stat(root + "/keys/" + name)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), want)
		}
	}
}
