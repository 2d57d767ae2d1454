package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/keyring/keyringtest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

// A memoryPlace holds keys for as long as the test runs.
type memoryPlace struct{ keyring.Wrapped }

func (p *memoryPlace) wrapped(context.Context) (keyring.Wrapped, error) { return p.Wrapped, nil }

func (p *memoryPlace) fill(_ context.Context, w keyring.Wrapped) error {
	p.Wrapped = w
	return nil
}

func (p *memoryPlace) leave(context.Context, keyring.Wrapped) error {
	p.Wrapped = keyring.Wrapped{}
	return nil
}

func (*memoryPlace) Close() error { return nil }

// A removal is a folder with keys, and what was sealed before they moved.
type removal struct {
	disk   *simdisk.Disk
	sealed []byte
}

var (
	keptOne  = keyringtest.Owner(keyring.Client, 1)
	endedOne = keyringtest.Owner(keyring.Staff, 2)
	neverOne = keyringtest.Owner(keyring.Client, 3) // destroyed before there was a key
	laterOne = keyringtest.Owner(keyring.Organisation, 4)
)

func newRemoval(t *testing.T, seed uint64) removal {
	t.Helper()
	d := newForgetful(seed)
	ring, err := keyring.OpenFile(d, keyDir, newRandom(seed))
	must := func(err error) {
		if t.Helper(); err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	must(ring.Create(t.Context(), keptOne))
	must(ring.Create(t.Context(), endedOne))
	must(ring.Rotate(t.Context(), time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)))
	must(ring.Destroy(t.Context(), neverOne))
	must(ring.Destroy(t.Context(), endedOne))
	s, err := ring.Sealer(t.Context(), keptOne)
	must(err)
	sealed, err := s.Seal([]byte("content"), nil)
	must(err)
	must(ring.Close())
	return removal{d, sealed}
}

// holds tells whether a keyring is the one that moved: it opens what was sealed, those who had no key any more have none, and
// it goes on.
func (r removal) holds(t *testing.T, k ring) {
	t.Helper()
	living, destroyed, err := k.Count(t.Context())
	if err != nil || living != 1 || destroyed != 2 {
		t.Errorf("%d keys and %d destroyed, %v", living, destroyed, err)
	}
	s, err := k.Sealer(t.Context(), keptOne)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := s.Open(r.sealed, nil); string(content) != "content" {
		t.Errorf("what was sealed before does not open: %v", err)
	}
	for _, owner := range []keyring.Owner{endedOne, neverOne} {
		if err := k.Create(t.Context(), owner); !errors.Is(err, keyring.ErrDestroyed) {
			t.Errorf("a key that was destroyed: %v", err)
		}
	}
	later := time.Date(2026, 1, 7, 9, 0, 0, 0, time.UTC)
	if err := errors.Join(k.Create(t.Context(), laterOne), k.Destroy(t.Context(), laterOne), k.Rotate(t.Context(), later)); err != nil {
		t.Error(err)
	}
	if content, err := s.Open(r.sealed, nil); string(content) != "content" {
		t.Errorf("what was sealed before does not open after a rotation: %v", err)
	}
}

// move opens the folder and moves its keys to a place or from there.
func (r removal) move(t *testing.T, other keyPlace, out bool) error {
	folder, err := openKeyFolder(r.disk, out)
	if err != nil {
		return err
	}
	if out {
		_, err = moveKeys(t.Context(), other, folder)
	} else {
		_, err = moveKeys(t.Context(), folder, other)
	}
	return errors.Join(err, folder.Close())
}

// However often the power goes while keys move out of a folder or into it, in the end they are in one place, whole and the same.
func TestKeysMoveThroughCrashes(t *testing.T) {
	for seed := range uint64(20) {
		draw := rand.New(rand.NewPCG(seed, 3))
		r, other := newRemoval(t, seed), &memoryPlace{}
		crashes := 0
		there := func(out bool) {
			for n := 1; ; n++ {
				r.disk.CutPower(1 + draw.IntN(2*n))
				err := r.move(t, other, out)
				if err == nil {
					r.disk.CutPower(-1)
				}
				if _, dark := r.disk.Names(""); err == nil && dark == nil {
					return
				} else if err != nil && !errors.Is(err, simdisk.ErrCrashed) {
					t.Fatalf("seed %d: %v", seed, err)
				}
				crashes++
				r.disk.Crash()
			}
		}
		there(true)
		if other.Epoch == 0 || len(other.Keys) != 1 || len(other.Destroyed) != 2 {
			t.Fatalf("seed %d: %d keys and %d destroyed arrived", seed, len(other.Keys), len(other.Destroyed))
		}
		epochs, err := keyring.Options{}.OpenEpochs(r.disk, keyDir, newRandom(seed)) // refused where there is a table
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := epochs.Close(); err != nil {
			t.Fatal(err)
		}
		there(false)
		if other.Epoch != 0 {
			t.Errorf("seed %d: keys stayed where they had been", seed)
		}
		if crashes < 5 {
			t.Errorf("seed %d: %d crashes", seed, crashes)
		}
		ring, err := keyring.OpenFile(r.disk, keyDir, newRandom(seed))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r.holds(t, fileRing{ring})
		if err := ring.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Out of a folder into a database, into another and back, each with its connection cut, and the commit's answer lost.
func TestKeysMoveThroughCuts(t *testing.T) {
	r := newRemoval(t, 1)
	cut := func(p *postgrestest.Proxy, move func() error) {
		t.Helper()
		for n := 0; ; n++ {
			what := postgrestest.CutAfter + postgrestest.Fate(n%2)
			p.Next("", append(make([]postgrestest.Fate, n), what)...)
			if err := move(); err == nil {
				p.Next("")
				return
			} else if n == 200 || strings.Contains(err.Error(), "unknown kind") {
				t.Fatalf("after %d cuts: %v", n, err)
			}
		}
	}
	one, two := postgrestest.NewProxy(t, postgrestest.Database(t)), postgrestest.NewProxy(t, postgrestest.Database(t))
	first, second := keyServer(postgrestest.Address(one.DSN)), keyServer(postgrestest.Address(two.DSN))
	between := func(to, from keyPlace) func() error {
		return func() error { _, err := moveKeys(t.Context(), to, from); return err }
	}
	cut(one, func() error { return r.move(t, first, true) })
	if _, err := keyring.OpenFile(r.disk, keyDir, newRandom(1)); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("the folder is a keyring still: %v", err)
	}
	cut(one, between(second, first))
	cut(two, between(first, second))
	cut(two, between(second, first))

	w := world{disk: r.disk, secrets: newRandom(2), keys: string(first)}
	if _, err := w.openKeys(t.Context()); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("a keyring from which the keys were moved: %v", err)
	}
	w.keys = string(second)
	k, err := w.openKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.holds(t, k)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}

	// Keys that are made while others move are not lost.
	leaving, err := second.wrapped(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	late := leaving
	late.Keys = leaving.Keys[1:]
	if err := postgres.LeaveKeys(t.Context(), string(second), postgres.RingOptions{}, late); err == nil {
		t.Error("keys were removed that had not moved")
	}
	if err := first.fill(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if err := between(first, second)(); err == nil || !strings.Contains(err.Error(), "other keys") {
		t.Errorf("into a place with other keys: %v", err)
	}
	if err := postgres.LeaveKeys(t.Context(), string(first), postgres.RingOptions{}, late); err != nil {
		t.Fatal(err)
	}
	cut(two, func() error { return r.move(t, second, false) })
	ring, err := keyring.OpenFile(r.disk, keyDir, newRandom(3))
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	s, err := ring.Sealer(t.Context(), keptOne)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := s.Open(r.sealed, nil); string(content) != "content" {
		t.Errorf("back in the folder: %v", err)
	}
}

// A ledger moves house with its keys, and back.
func TestCopyWithKeys(t *testing.T) {
	dir := t.TempDir()
	data, back := filepath.Join(dir, "data"), filepath.Join(dir, "back")
	said(t, 0, "demo", "--data", data, "--start", "2025-01-20", "--clients", "12", "--weeks", "4")
	before := said(t, 0, "verify", "--data", data)
	t.Setenv("LEDGER", postgrestest.URL(t))
	t.Setenv("KEYS", postgrestest.URL(t))
	var first, second moved
	for _, m := range []*moved{&first, &second} { // the second time nothing is missing
		answer := said(t, 0, "copy", "--from", data, "--to", "env:LEDGER", "--keys-from", data, "--keys-to", "env:KEYS", "--json")
		if err := json.Unmarshal([]byte(answer), m); err != nil {
			t.Fatal(err)
		}
	}
	if first != second || first.Keys == 0 || first.Epoch == 0 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if s := said(t, 1, "keys", "status", "--data", data); !strings.Contains(s, "damaged") {
		t.Errorf("the keys are in the data directory still: %s", s)
	}
	said(t, 2, "copy")
	said(t, 2, "copy", "--keys-from", data)
	said(t, 2, "copy", "--keys-from", data, "--keys-to", "esdb://x")
	said(t, 2, "copy", "--keys-from", data, "--keys-to", back) // it has nothing that would open them

	t.Setenv(ledgerVariable, os.Getenv("LEDGER"))
	t.Setenv(keysVariable, os.Getenv("KEYS"))
	if after := said(t, 0, "verify", "--data", data); after != before {
		t.Errorf("verify, before:\n%s\nafter:\n%s", before, after)
	}
	said(t, 0, "rebuild", "--data", data)
	t.Setenv(ledgerVariable, "")
	t.Setenv(keysVariable, "")
	s := said(t, 0, "copy", "--keys-from", "env:KEYS", "--keys-to", data)
	if !strings.Contains(s, fmt.Sprint(first.Keys, " keys")) || !strings.Contains(s, "keys/epochs/") {
		t.Errorf("back, of %d keys: %s", first.Keys, s)
	}
	if after := said(t, 0, "verify", "--data", data); after != before {
		t.Errorf("verify, before:\n%s\nback:\n%s", before, after)
	}
}
