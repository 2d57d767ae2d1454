package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain/rules"
)

// Folders of a data directory. Keys are apart, so that a backup of the ledger need not hold them.
const (
	ledgerDir = "ledger"
	keyDir    = "keys"
	codeKey   = "keys/code.key"
)

// A world is what the program stands on: a disk, a clock, and randomness for ids and codes and, apart from it, for keys.
type world struct {
	disk    disk.Disk
	clock   func() time.Time
	random  io.Reader
	secrets io.Reader
	store   filestore.Options
	rules   rules.Books
}

// realWorld is the data directory on this machine, now.
func realWorld(dir string) (world, error) {
	d, err := disk.OS(dir)
	return world{disk: d, clock: time.Now, random: rand.Reader, secrets: rand.Reader, rules: rules.All}, err
}

// A system is the assembled program over one data directory.
type system struct {
	world
	store  *filestore.Store
	report filestore.Report
	keys   *keyring.FileRing
	ledger *ledger.Ledger
	keeper *views.Keeper
	desk   *desk.Desk

	stop    context.CancelFunc
	running chan error
}

// open assembles the system and brings its views up to the ledger's end.
func (w world) open(ctx context.Context) (_ *system, err error) {
	s := &system{world: w}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeFiles())
		}
	}()
	if err = w.disk.MakeDir(ledgerDir); err != nil {
		return nil, err
	}
	if s.store, s.report, err = filestore.Open(disk.Sub(w.disk, ledgerDir), w.store); err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	if err = s.codeKeyIsThere(ctx); err != nil {
		return nil, err
	}
	if s.keys, err = keyring.OpenFile(w.disk, keyDir, w.secrets); err != nil {
		return nil, err
	}
	hash, err := signin.LoadHashKey(w.disk, codeKey, w.secrets)
	if err != nil {
		return nil, err
	}
	s.ledger = &ledger.Ledger{Store: s.store, Keys: s.keys, Clock: w.clock, Random: w.random}
	s.keeper = views.NewKeeper(s.ledger, w.rules)
	if err = s.keeper.Load(ctx, w.disk); err != nil && !errors.Is(err, views.ErrNoSnapshot) {
		return nil, err
	}
	if err = s.keeper.CatchUp(ctx); err != nil {
		return nil, fmt.Errorf("bringing the views up to date: %w", err)
	}
	s.desk = desk.New(s.ledger, s.keeper, w.rules, hash)
	return s, nil
}

// codeKeyIsThere refuses a ledger whose code key was lost: a new one would lock every client out.
func (s *system) codeKeyIsThere(ctx context.Context) error {
	head, err := s.store.Head(ctx)
	if err != nil || head == 0 {
		return err
	}
	f, err := s.disk.OpenRead(codeKey)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing: without it no code opens anything; put it back from its copy", codeKey)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// start keeps the views up with the ledger until close.
func (s *system) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.running = stop, make(chan error, 1)
	go func() { s.running <- s.keeper.Run(ctx) }()
}

// settle waits until the views show everything that is in the ledger.
func (s *system) settle(ctx context.Context) error {
	head, err := s.store.Head(ctx)
	if err != nil {
		return err
	}
	return s.keeper.Wait(ctx, head)
}

// halt stops following the ledger.
func (s *system) halt() error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	err := <-s.running
	s.stop = nil
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// close stops, saves a snapshot of the views, and closes the files.
func (s *system) close() error {
	err := s.halt()
	if err == nil {
		err = s.keeper.Save(context.Background(), s.disk)
	}
	return errors.Join(err, s.closeFiles())
}

func (s *system) closeFiles() error {
	var err error
	if s.keys != nil {
		err = s.keys.Close()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}
