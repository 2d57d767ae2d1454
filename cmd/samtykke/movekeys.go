package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"

	"samtykke/adapters/disk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/postgres"
)

// A keyPlace is where data keys lie, while no server runs.
type keyPlace interface {
	wrapped(ctx context.Context) (keyring.Wrapped, error) // of epoch 0 where there are none
	fill(ctx context.Context, w keyring.Wrapped) error    // where there are none: all, durably, or none
	leave(ctx context.Context, w keyring.Wrapped) error   // nothing of them stays
	Close() error
}

// A keyFolder is a data directory. Who moves keys out of it has it open until they are gone.
type keyFolder struct {
	disk disk.Disk
	ring *keyring.FileRing // nil: it is the one to be filled, or holds no data keys
}

func openKeyFolder(d disk.Disk, source bool) (*keyFolder, error) {
	left, err := keyring.Left(d, keyDir)
	if err != nil || left || !source {
		return &keyFolder{disk: d}, err
	}
	ring, err := keyring.OpenFile(d, keyDir, rand.Reader)
	return &keyFolder{d, ring}, err
}

func (f *keyFolder) wrapped(context.Context) (keyring.Wrapped, error) {
	if f.ring != nil {
		return f.ring.Wrapped()
	}
	if left, err := keyring.Left(f.disk, keyDir); err != nil || left {
		return keyring.Wrapped{}, err
	}
	ring, err := keyring.Read(f.disk, keyDir)
	if err != nil {
		return keyring.Wrapped{}, err
	}
	return ring.Wrapped()
}

func (f *keyFolder) fill(_ context.Context, w keyring.Wrapped) error {
	return keyring.Options{}.Fill(f.disk, keyDir, w)
}

func (f *keyFolder) leave(context.Context, keyring.Wrapped) error { return f.ring.Leave() }

func (f *keyFolder) Close() error {
	if f.ring == nil {
		return nil
	}
	return f.ring.Close()
}

// A keyServer is a database, by its connection string.
type keyServer string

func (s keyServer) wrapped(ctx context.Context) (keyring.Wrapped, error) {
	return postgres.Keys(ctx, string(s), postgres.RingOptions{})
}

func (s keyServer) fill(ctx context.Context, w keyring.Wrapped) error {
	return postgres.FillKeys(ctx, string(s), postgres.RingOptions{}, w)
}

func (s keyServer) leave(ctx context.Context, w keyring.Wrapped) error {
	return postgres.LeaveKeys(ctx, string(s), postgres.RingOptions{}, w)
}

func (keyServer) Close() error { return nil }

// openKeyPlace opens the keys at a place, which are to be moved from there or to there.
func openKeyPlace(where string, source bool) (keyPlace, error) {
	switch elsewhere(where) {
	case "postgres", "postgresql":
		return keyServer(where), nil
	case "":
		dir := dataFlag{Data: where}
		if err := cmp.Or(dir.whole(), dir.holds(keyDir)); err != nil {
			return nil, err
		}
		d, err := disk.OS(where)
		if err != nil {
			return nil, err
		}
		return openKeyFolder(d, source)
	}
	return nil, usage("data keys lie in a data directory, or at postgres://…")
}

var errNoKeys = errors.New("there are no data keys at --keys-from, nor at --keys-to")

// moveKeys moves the data keys as they lie, closed, and gives what there is at the new place. They are at the new place, whole, before they
// are overwritten at the old one; interrupted anywhere, it goes on.
func moveKeys(ctx context.Context, to, from keyPlace) (keyring.Wrapped, error) {
	leaving, err := from.wrapped(ctx)
	if err != nil {
		return keyring.Wrapped{}, fmt.Errorf("--keys-from: %w", err)
	}
	there, err := to.wrapped(ctx)
	if err == nil && there.Epoch == 0 && leaving.Epoch != 0 {
		if err = to.fill(ctx, leaving); err == nil {
			there, err = to.wrapped(ctx)
		}
	}
	switch {
	case err != nil:
		return there, fmt.Errorf("--keys-to: %w", err)
	case there.Epoch == 0:
		return there, errNoKeys
	case leaving.Epoch == 0: // moved before
		return there, nil
	case !there.Same(leaving):
		return there, usage("there are other keys at --keys-to: nothing was moved")
	}
	if err := from.leave(ctx, leaving); err != nil {
		return there, fmt.Errorf("the keys are at --keys-to, and not yet gone from --keys-from: %w", err)
	}
	return there, nil
}

// keys moves the data keys from and to where the command says.
func (c *copyCmd) keys(ctx context.Context, m *moved) (err error) {
	var places [2]keyPlace
	var where [2]string
	for i, flag := range []struct{ name, value string }{{"--keys-from", c.KeysFrom}, {"--keys-to", c.KeysTo}} {
		if where[i], err = whereOf(flag.value, flag.name); err != nil {
			return err
		}
	}
	if where[0] == where[1] {
		return usage("--keys-from and --keys-to are the same place")
	}
	for i, flag := range []string{"--keys-from", "--keys-to"} {
		if places[i], err = openKeyPlace(where[i], i == 0); err != nil {
			return fmt.Errorf("%s: %w", flag, err)
		}
		defer func() { err = errors.Join(err, places[i].Close()) }()
	}
	w, err := moveKeys(ctx, places[1], places[0])
	if err != nil {
		return err
	}
	m.Keys, m.Destroyed, m.Epoch = len(w.Keys), len(w.Destroyed), w.Epoch
	return nil
}

// opening names the files that open the data keys.
func (m moved) opening() string {
	return filepath.Join(keyDir, "master.key") + " and " + filepath.Join(keyDir, "epochs", fmt.Sprint(m.Epoch))
}
