package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/endings"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres"
	"samtykke/adapters/proof"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain/rules"
)

// Folders of a data directory. Keys are apart, so that a backup of the ledger need not hold them.
const (
	ledgerDir = "ledger"
	keyDir    = "keys"
	codeKey   = "keys/code.key"
	idKey     = "keys/identity.key" // if it is lost, nobody notices who is on a list twice; if it leaks with the ledger, so do the numbers
	proofDir  = "proof"

	positionsDir = "positions" // of the events at an EventStoreDB server; made anew when lost
	proofKey     = "keys/checkpoint.key"

	verifierFile = "keys/checkpoint.pub"
	endingsDir   = "endings"
)

// A world is what the program stands on: a disk, a clock, and randomness for ids and codes and, apart from it, for keys.
type world struct {
	disk    disk.Disk
	outside disk.Disk // for the record of endings; nil: none is kept, for commands that end nothing
	escrow  disk.Disk // the second place of the keys; nil: none
	clock   func() time.Time
	random  io.Reader
	secrets io.Reader
	store   filestore.Options
	proofs  proof.Options
	rules   rules.Books

	ledger string // the connection string of the server where the events lie; "": in the data directory
	at     serverOptions
	keys   string // the same of the data keys
	shared string // the same of what instances share; "": with the keys
	views  string // the same of the views; "": in memory
	caches caches
}

// realWorld is the data directory on this machine, now.
func realWorld(dir string) (world, error) {
	kept, err := cachesOf()
	if err != nil {
		return world{}, err
	}
	d, err := disk.OS(dir)
	return world{
		disk: d, caches: kept, clock: time.Now, random: rand.Reader, secrets: rand.Reader, rules: rules.All,
		ledger: os.Getenv(ledgerVariable), keys: os.Getenv(keysVariable), shared: os.Getenv(sharedVariable), views: os.Getenv(viewsVariable),
	}, err
}

// A system is the assembled program over one data directory.
type system struct {
	world
	store  engine
	report filestore.Report
	keys   ring
	ledger *ledger.Ledger
	keeper *views.Keeper
	views  *postgres.Views // nil: the views are in memory
	desk   *desk.Desk
	proof  *proof.Keeper
	signer proof.Key

	endings *endings.Recorder // nil without world.outside
	shared  *together         // nil: this is the only instance

	following context.Context // of what runs beside, ended by stop
	stop      context.CancelFunc
	waits     *atomic.Bool // the views wait for servers that are out of reach
	running   chan error   // the views
	signing   chan error   // the checkpoints
}

// open assembles the system and brings its views up to the ledger's end.
func (w world) open(ctx context.Context) (_ *system, err error) {
	s := &system{world: w, waits: new(atomic.Bool)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeFiles())
		}
	}()
	if s.store, s.report, err = w.openStore(ctx); err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	if err = s.codeKeyIsThere(ctx); err != nil {
		return nil, err
	}
	if s.keys, err = w.openKeys(ctx); err != nil {
		return nil, err
	}
	if err = s.keys.Rotate(ctx, w.clock()); err != nil {
		return nil, fmt.Errorf("beginning the day's epoch of keys: %w", err)
	}
	hash, err := signin.LoadHashKey(w.disk, codeKey, w.secrets)
	if err != nil {
		return nil, err
	}
	if s.signer, err = proof.LoadKey(w.disk, proofKey, "", w.secrets); err != nil {
		return nil, err
	}
	if err = w.disk.MakeDir(proofDir); err != nil {
		return nil, err
	}
	if s.proof, err = proof.Open(ctx, disk.Sub(w.disk, proofDir), s.signer, s.store, w.proofs); err != nil {
		return nil, fmt.Errorf("opening the proofs: %w", err)
	}
	s.ledger = &ledger.Ledger{Store: s.store, Keys: s.keys, Clock: w.clock, Random: w.random, States: w.caches.states}
	if w.outside != nil {
		if s.endings, err = endings.Open(ctx, w.outside, s.store, s.keys.Destroyed()); err != nil {
			return nil, err
		}
		s.ledger.Store, s.ledger.Keys = s.endings.Store(), s.endings.Keys(s.keys)
	}
	if err = s.newKeeper(ctx, hash); err != nil {
		return nil, err
	}
	if err = s.keeper.Load(ctx, w.disk); err != nil && !errors.Is(err, views.ErrNoSnapshot) {
		return nil, err
	}
	if err = s.keeper.CatchUp(ctx); err != nil {
		return nil, fmt.Errorf("bringing the views up to date: %w", err)
	}
	s.desk = desk.New(s.ledger, s.keeper, w.rules, hash)
	if s.desk.IdentityKey, err = signin.LoadHashKey(w.disk, idKey, w.secrets); err != nil {
		return nil, err
	}
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

// start keeps the views up with the ledger, and signs checkpoints, until close.
func (s *system) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.running, s.signing = stop, make(chan error, 1), make(chan error, 1)
	s.following = ctx
	s.waits.Store(true)
	go func() { s.running <- s.keepUp(ctx) }()
	s.sign(ctx)
}

// sign signs checkpoints until ctx ends or one cannot be signed.
func (s *system) sign(ctx context.Context) {
	go func() { s.signing <- s.proof.Run(ctx) }()
}

// signAll signs a checkpoint of all there is, unless it is signed.
func (s *system) signAll(ctx context.Context) error {
	_, err := s.proof.Checkpoint(ctx)
	if errors.Is(err, proof.ErrEmpty) {
		return nil
	}
	return err
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
	s.waits.Store(false)
	s.stop()
	s.stop = nil
	var failed error
	for _, err := range []error{<-s.running, <-s.signing} {
		if !errors.Is(err, context.Canceled) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// close stops, signs what is not signed yet, saves a snapshot of the views, and closes the files.
func (s *system) close() error {
	err := s.halt()
	if err == nil {
		err = s.signAll(context.Background())
	}
	if err == nil {
		err = s.keeper.Save(context.Background(), s.disk)
	}
	return errors.Join(err, s.closeFiles())
}

func (s *system) closeFiles() error {
	var err error
	if s.views != nil {
		s.keeper.Close()
		err = s.views.Close()
	}
	if s.endings != nil {
		err = errors.Join(err, s.endings.Close())
	}
	if s.proof != nil {
		err = errors.Join(err, s.proof.Close())
	}
	if s.keys != nil {
		err = errors.Join(err, s.keys.Close())
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	if s.shared != nil {
		err = errors.Join(err, s.shared.Close())
	}
	return err
}
