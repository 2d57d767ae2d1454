package keyring

import (
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"testing"

	"samtykke/adapters/disk/simdisk"
	"samtykke/domain"
)

func owner(n byte) tag { return tag{1, domain.ID{n}} }

// written is a disk with a fresh keyring and these entries; one without a kind is unreadable.
func written(t *testing.T, entries ...entry) *simdisk.Disk {
	t.Helper()
	d := simdisk.New(mathrand.NewPCG(1, 1))
	must(t, openRing(t, d).Close())
	file, err := d.ReadFile("keys/" + tableName(1))
	must(t, err)
	for i, e := range entries {
		e.number = slot(i + 1)
		file = e.append(file)
		if e.kind == "" {
			file[len(file)-1] ^= 1
		}
	}
	d.WriteFile("keys/"+tableName(1), file)
	return d
}

func openRing(t *testing.T, d *simdisk.Disk) *FileRing {
	t.Helper()
	ring, err := OpenFile(d, "keys", rand.Reader)
	must(t, err)
	return ring
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, ring *FileRing, o tag) error {
	t.Helper()
	_, err := ring.Sealer(t.Context(), o.owner())
	return err
}

func (o tag) owner() Owner { return Owner{kinds[o.kind], o.id} }

// TestUnfinishedBatch: what is cut off with a batch that was never synced must not come back behind a shorter one.
func TestUnfinishedBatch(t *testing.T) {
	for what, entries := range map[string][]entry{
		"a key after an unreadable one": {
			{first: 1}, {kind: kindKey, owner: owner(7), first: 1, target: 1},
		},
		"a destruction after unreadable ones, of one of them": {
			{first: 1}, {first: 1}, {kind: kindDestroy, owner: owner(7), first: 1, target: 1, key: noKey},
		},
		"chained": {
			{first: 1}, {first: 1}, {kind: kindDestroy, owner: owner(7), first: 1, target: 1, key: noKey},
			{first: 1}, {kind: kindDestroy, owner: owner(8), first: 1, target: 4, key: noKey},
		},
	} {
		t.Run(what, func(t *testing.T) {
			d := written(t, entries...)
			for n := byte(20); n < 23; n++ {
				ring := openRing(t, d)
				must(t, ring.Create(t.Context(), owner(n).owner()))
				must(t, ring.Close())
			}
			ring := openRing(t, d)
			if err := state(t, ring, owner(7)); !errors.Is(err, ErrNoKey) {
				t.Errorf("got %v, want ErrNoKey", err)
			}
			for n := byte(20); n < 23; n++ {
				must(t, state(t, ring, owner(n)))
			}
		})
	}
}

// TestSwappedKeys: a wrapped key opens for its own owner only, wherever in the file somebody puts it.
func TestSwappedKeys(t *testing.T) {
	for what, other := range map[string]tag{"another client": owner(2), "an organisation of the same id": {2, domain.ID{1}}} {
		t.Run(what, func(t *testing.T) {
			d := simdisk.New(mathrand.NewPCG(1, 1))
			ring := openRing(t, d)
			must(t, ring.Create(t.Context(), owner(1).owner()))
			must(t, ring.Create(t.Context(), other.owner()))
			must(t, ring.Close())
			file, err := d.ReadFile("keys/" + tableName(1))
			must(t, err)
			one, _ := parseEntry(file[1*entrySize:2*entrySize], 1)
			two, _ := parseEntry(file[2*entrySize:], 2)
			one.key, two.key = two.key, one.key
			d.WriteFile("keys/"+tableName(1), two.append(one.append(file[:entrySize:entrySize])))

			s, err := openRing(t, d).Sealer(t.Context(), owner(1).owner())
			must(t, err)
			if _, err := s.Seal([]byte("content"), nil); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v: content was sealed under another owner's key, and would outlive its own's destruction", err)
			}
		})
	}
}

// TestWipingNotSynced: a wiping that the system shows and the disk does not hold is done again before anybody is told.
func TestWipingNotSynced(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring := openRing(t, d)
	must(t, ring.Create(t.Context(), owner(1).owner()))
	d.FailSync(2, false)
	if err := ring.Destroy(t.Context(), owner(1).owner()); !errors.Is(err, ErrEnded) {
		t.Fatalf("got %v, want ErrEnded", err)
	}
	if err := state(t, ring, owner(1)); !errors.Is(err, ErrDestroyed) {
		t.Errorf("got %v: once the destruction is durable the key is gone, wiped or not", err)
	}
	must(t, ring.Close())
	ring = openRing(t, d)
	must(t, ring.Destroy(t.Context(), owner(1).owner()))
	mustBeWiped(t, d, 1)
}

// TestWipingSynced: Destroy returns when the key's bytes are gone from what survives a crash, whatever the crash spares.
func TestWipingSynced(t *testing.T) {
	for seed := range uint64(50) {
		d := simdisk.New(mathrand.NewPCG(seed, 1))
		ring := openRing(t, d)
		must(t, ring.Create(t.Context(), owner(1).owner()))
		must(t, ring.Destroy(t.Context(), owner(1).owner()))
		mustBeWiped(t, d, 1)
	}
}

func mustBeWiped(t *testing.T, d *simdisk.Disk, at slot) {
	t.Helper()
	d.Crash()
	file, err := d.ReadFile("keys/" + tableName(1))
	must(t, err)
	if e, ok := parseEntry(file[at.offset():(at+1).offset()], at); !ok || e.kind != kindWiped || e.key != noKey {
		t.Fatal("after a crash the file still holds a destroyed key")
	}
}

// TestMasterNameLost: the last step of making a keyring, a rename, seemed done and was not durable.
func TestMasterNameLost(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	d.FailSync(8, false)
	if _, err := OpenFile(d, "keys", rand.Reader); !errors.Is(err, simdisk.ErrFault) {
		t.Fatalf("got %v: the eighth sync should be of the master key's name", err)
	}
	d = d.Clone(mathrand.NewPCG(1, 1))
	ring := openRing(t, d)
	must(t, ring.Create(t.Context(), owner(1).owner()))
	d.Crash()
	if names, _ := d.Names("keys"); len(names) != 2 && len(names) != 3 {
		t.Fatalf("unexpected files %v", names)
	}
	must(t, state(t, openRing(t, d), owner(1)))
}

func TestWipedInMemory(t *testing.T) {
	ring := openRing(t, simdisk.New(mathrand.NewPCG(1, 1)))
	must(t, ring.Create(t.Context(), owner(1).owner()))
	must(t, ring.Destroy(t.Context(), owner(1).owner()))
	if *ring.table.wrapped.at(1) != (wrappedKey{}) || ring.table.ready.Len() != 0 {
		t.Error("a destroyed key is still held in memory")
	}
}
