package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/operations"
	"samtykke/adapters/postgres"
	"samtykke/adapters/signin"
	"samtykke/adapters/web/api"
)

// Several instances of the program serve one ledger where its events and its keys both lie at a server. Then who is signed in, what was
// tried and whose turn it is lie there as well, at sharedVariable or, if that is not set, in the database of the keys, in a schema of
// its own. In all other cases one instance is alone, and holds them in memory.
//
// What is shared beside the databases is the folder keys of the data directory, and statistics: each a mount, or a link to one place.
// All else in a data directory is its instance's own and made anew from the ledger: the views' snapshot, the positions, the
// proofs, signed with the key that all have, and the record of endings, which any of them can be restored with.
//
// One holds the lease and does what is done once for all: lets time pass, finishes erasures, begins epochs of keys, forgets sessions
// that are over, sends messages. It gives the lease back when its clock is off. If two did it at once for a moment, nothing would be done
// twice: see postgres.Lease. Everything else each does for itself.

// together is what an instance shares with others.
type together struct {
	*postgres.Shared
	lease *postgres.Lease // of what is done once for all
	ahead atomic.Int64    // by how many nanoseconds this instance's clock was, when it was last compared
}

// Leases, by name.
const (
	dutiesLease  = "duties"
	openingLease = "opening"
)

// sharedAt is where what is shared lies; "" where one instance is alone.
func (w world) sharedAt() (string, error) {
	switch scheme := elsewhere(w.shared); {
	case w.ledger != "" && w.keys != "" && (w.shared == "" || scheme == "postgres" || scheme == "postgresql"):
		return cmp.Or(w.shared, w.keys), nil
	case w.shared == "":
		return "", nil
	}
	return "", usage("%s is postgres://…, for instances that share a ledger and its keys: set %s and %s as well",
		sharedVariable, ledgerVariable, keysVariable)
}

// openInstance opens the system, beside other instances of it where there may be any. They open one after the other, so that each
// finds the keys that the first one makes.
func (w world) openInstance(ctx context.Context, log *slog.Logger) (*system, error) {
	at, err := w.sharedAt()
	if err != nil {
		return nil, err
	}
	if at == "" {
		return w.open(ctx)
	}
	shared, err := postgres.OpenShared(ctx, at, postgres.SharedOptions{
		Warn: func(err error) { log.Warn("what instances share", slog.String("error", err.Error())) },
	})
	if err != nil {
		return nil, err
	}
	var s *system
	err = shared.Lease(openingLease, 0).Run(ctx, func(context.Context) (err error) {
		if s == nil { // the lease may have been lost behind the opening
			s, err = w.open(ctx)
		}
		return err
	})
	if err != nil {
		if s != nil {
			err = errors.Join(err, s.closeFiles())
		}
		return nil, errors.Join(err, shared.Close())
	}
	s.shared = &together{Shared: shared, lease: shared.Lease(dutiesLease, 0)}
	return s, nil
}

func (h *together) sessions(s *system) *signin.Sessions {
	return signin.SessionsIn(h.Sessions(), s.secrets)
}

func (h *together) limits(s *system) *signin.Limits {
	return signin.LimitsIn(timely{h.Buckets(), &h.ahead}, s.desk.CodeKey, s.secrets, signin.Rows)
}

// timely are buckets that go by the clock which instances agree on. By the clock of one that is a minute ahead, nobody could sign in at
// the others for a minute.
type timely struct {
	signin.Buckets
	ahead *atomic.Int64 // nanoseconds
}

func (b timely) at(now time.Time) time.Time { return now.Add(-time.Duration(b.ahead.Load())) }

func (b timely) Day(ctx context.Context, now time.Time, drawn signin.Day) (signin.Day, error) {
	drawn.Until = b.at(drawn.Until)
	return b.Buckets.Day(ctx, b.at(now), drawn)
}

func (b timely) Take(ctx context.Context, now time.Time, salt [sha256.Size]byte, of []signin.Bucket) (time.Duration, error) {
	return b.Buckets.Take(ctx, b.at(now), salt, of)
}

func (b timely) Forget(ctx context.Context, now time.Time) error {
	return b.Buckets.Forget(ctx, b.at(now))
}

// duties are what one instance does for all.
type duties struct {
	*system
	log     *slog.Logger
	watched *watched
	service *api.API
	every   time.Duration // time passes

	messages func(context.Context) (*outgoing, error) // opens the relay; nil: there are no messages
}

// run does its duties whenever it is this instance's turn, until ctx ends.
func (d *duties) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := d.hold(ctx)
		d.failed(ctx, operations.TaskTick, err)
		_ = pause(ctx, d.every)
	}
}

// hold waits for the lease, if there is one, and does its duties until it is lost, has to be given back, or ctx ends.
func (d *duties) hold(ctx context.Context) error {
	if d.shared == nil {
		return d.do(ctx)
	}
	return d.shared.lease.Run(ctx, func(ctx context.Context) error {
		d.log.Info("this instance lets time pass", slog.Uint64("turn", d.shared.lease.Epoch()))
		return d.do(ctx)
	})
}

// do ends with ctx, or when the clock is off.
func (d *duties) do(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	if d.messages != nil {
		beside.Go(func() { d.send(ctx) })
	}
	for {
		if err := d.halted(); err != nil {
			return err
		}
		d.passTime(ctx)
		if err := pause(ctx, d.every); err != nil {
			return err
		}
	}
}

// passTime lets time pass once.
func (d *duties) passTime(ctx context.Context) {
	_, clients, err := d.desk.Tick(ctx)
	d.watched.ticked(clients, err)
	d.failed(ctx, operations.TaskTick, err)
	err = errors.Join(d.tendShared(ctx), d.service.Sessions.Forget(ctx, d.clock()))
	if d.shared != nil {
		err = errors.Join(err, d.shared.ForgetAnswers(ctx, d.clock()))
	}
	d.failed(ctx, operations.TaskTend, err)
}

func (d *duties) failed(ctx context.Context, task string, err error) {
	if err != nil && ctx.Err() == nil {
		d.log.Error(tasks[task], slog.String("error", err.Error()))
		d.watched.failed(task)
	}
}

// send relays messages until ctx ends.
func (d *duties) send(ctx context.Context) {
	for ctx.Err() == nil {
		out, err := d.messages(ctx)
		if err == nil {
			err = errors.Join(out.run(ctx), out.close())
		}
		if ctx.Err() == nil {
			d.log.Error("no messages are sent until the next try", slog.Any("error", err))
		}
		_ = pause(ctx, d.every)
	}
}

// canSend tells, before anything is served, whether messages can go over that transport.
func canSend(ctx context.Context, where string, log *slog.Logger) error {
	if where == "" {
		return nil
	}
	t, err := transport(ctx, where, log)
	if err != nil {
		return err
	}
	return t.Close()
}

// pause waits for so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// steady is the ledger for whoever follows it and has nobody to tell of an error: while its servers cannot be reached, it waits for them,
// from start to halt. Watch says meanwhile that appends are refused.
func (s *system) steady() *ledger.Ledger {
	return &ledger.Ledger{Store: steadyStore{s.ledger.Store, s.waits}, Keys: steadyKeys{s.ledger, s.waits}, Clock: s.ledger.Clock, Random: s.ledger.Random}
}

type steadyStore struct {
	ledger.Store
	waits *atomic.Bool
}

func (s steadyStore) Head(ctx context.Context) (ledger.Position, error) {
	return steadily(ctx, s.waits, func() (ledger.Position, error) { return s.Store.Head(ctx) })
}

// steadyKeys are those that the ledger has at the time.
type steadyKeys struct {
	of    *ledger.Ledger
	waits *atomic.Bool
}

func (k steadyKeys) Create(ctx context.Context, o keyring.Owner) error {
	return k.of.Keys.Create(ctx, o)
}

func (k steadyKeys) Fetch(ctx context.Context, owners []keyring.Owner) error {
	_, err := steadily(ctx, k.waits, func() (struct{}, error) { return struct{}{}, k.of.Keys.Fetch(ctx, owners) })
	return err
}

func (k steadyKeys) Destroy(ctx context.Context, o keyring.Owner) error {
	return k.of.Keys.Destroy(ctx, o)
}

func (k steadyKeys) Sealer(ctx context.Context, o keyring.Owner) (keyring.Sealer, error) {
	s, err := steadily(ctx, k.waits, func() (keyring.Sealer, error) { return k.of.Keys.Sealer(ctx, o) })
	if err != nil {
		return nil, err
	}
	return steadySealer{s, ctx, k.waits}, nil
}

type steadySealer struct {
	keyring.Sealer
	ctx   context.Context
	waits *atomic.Bool
}

func (s steadySealer) Seal(plaintext, associated []byte) ([]byte, error) {
	return steadily(s.ctx, s.waits, func() ([]byte, error) { return s.Sealer.Seal(plaintext, associated) })
}

func (s steadySealer) Open(ciphertext, associated []byte) ([]byte, error) {
	return steadily(s.ctx, s.waits, func() ([]byte, error) { return s.Sealer.Open(ciphertext, associated) })
}

// steadily asks until there is an answer other than that the server is out of reach, or ctx ends, or the waiting does.
func steadily[T any](ctx context.Context, waits *atomic.Bool, ask func() (T, error)) (T, error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		if got, err := ask(); !outOfReach(err) || !waits.Load() || pause(ctx, wait) != nil {
			return got, err
		}
	}
}

// outOfReach tells whether an error says that a server does not answer just now.
func outOfReach(err error) bool {
	away, ok := errors.AsType[interface {
		error
		Unavailable() bool
	}](err)
	return ok && away.Unavailable()
}
