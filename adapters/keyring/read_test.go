package keyring_test

import (
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
)

// What is read opens what its keys sealed and nothing that was destroyed, whatever the day; it changes no file, and makes and destroys
// no key.
func TestRead(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	h := newHousehold(t, d)
	h.rotate(1)
	if _, err := keyring.Read(d, "keys"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("beside one that is open: %v", err)
	}
	h.create(3)
	must(t, h.ring.Close())
	writes, syncs := d.Writes(), d.Syncs()
	ring, err := keyring.Read(d, "keys")
	must(t, err)
	h.check(ring, 1)
	if living, destroyed := ring.Count(); living != 3 || destroyed != 1 {
		t.Errorf("%d living keys and %d destroyed", living, destroyed)
	}
	for what, err := range map[string]error{
		"making a key": ring.Create(t.Context(), client(9)), "destroying one": ring.Destroy(t.Context(), client(0)),
		"rotating": ring.Rotate(t.Context(), on(90)),
	} {
		if !errors.Is(err, keyring.ErrEnded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, ring.Close())
	if d.Writes() != writes || d.Syncs() != syncs {
		t.Error("something was written")
	}
	h.ring = open(t, d)
	h.check(h.ring, 1)
	must(t, h.ring.Close())
}

// A keyring that is not there, not whole or damaged is refused, by the file.
func TestReadRefuses(t *testing.T) {
	if _, err := keyring.Read(simdisk.New(mathrand.NewPCG(1, 1)), "keys"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no keyring: %v", err)
	}
	d := simdisk.New(mathrand.NewPCG(1, 1))
	h := newHousehold(t, d)
	h.rotate(1)
	must(t, h.ring.Close())
	for _, c := range []struct {
		name string
		at   int // the byte that is changed; -1: the file is removed
		want error
	}{
		{"master.key", 3, keyring.ErrDamaged},
		{"master.key", -1, fs.ErrNotExist},
		{"epochs/2", 40, keyring.ErrDamaged},
		{"epochs/2", -1, keyring.ErrEpochGone},
		{"data.keys.2", 70, keyring.ErrDamaged},
		{"data.keys.2", entrySize + 70, keyring.ErrDamaged},
		{"data.keys.2", -1, fs.ErrNotExist},
	} {
		broken := d.Clone(mathrand.NewPCG(1, 1))
		name := "keys/" + c.name
		b, err := broken.ReadFile(name)
		must(t, err)
		if c.at < 0 {
			must(t, broken.Remove(name))
		} else {
			b = slices.Clone(b)
			b[c.at] ^= 1
			broken.WriteFile(name, b)
		}
		if _, err := keyring.Read(broken, "keys"); !errors.Is(err, c.want) {
			t.Errorf("%s, byte %d: %v, want %v", c.name, c.at, err, c.want)
		}
	}
}
