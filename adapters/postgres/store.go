package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"samtykke/adapters/ledger"
)

// Options are how a store works. The zero value is good.
type Options struct {
	// Schema is the schema that holds the ledger, "samtykke" if empty: small letters, digits and underscores. Several
	// ledgers can lie in one database, each in a schema of its own.
	Schema string
	// Partition is how many positions a partition holds, 50 million if 0. It may differ from one opening to the next.
	Partition uint64
	// Poll is how often a reader that waits looks for more when nobody tells it, a second if 0.
	Poll time.Duration
	// Patience is how long a group of appends waits for its answer, and for the answer's fate to be settled if the
	// connection is lost: 30 seconds if 0. After that its outcome is left open.
	Patience time.Duration
	// Unsafe takes a server that may lose what it has promised: with fsync or full_page_writes off. It is for tests.
	Unsafe bool
	// Clock measures how long a commit takes, and no instant of it is stored; time.Now if nil.
	Clock func() time.Time
	// Warn is told, on some goroutine, of what went wrong without harm to what is stored, such as a lost connection.
	// Nobody is told if nil.
	Warn func(error)
}

func (o Options) withDefaults() Options {
	if o.Partition == 0 {
		o.Partition = 50_000_000
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return o
}

// A Store is a ledger.Store in a PostgreSQL database. Its methods may be called by several goroutines, and any number of Stores,
// in as many processes, may work on one ledger.
type Store struct {
	server *server
	opts   Options
	pool   *pgxpool.Pool

	requests chan *request
	writer   writer
	backend  atomic.Uint32 // of the writer's connection: what it announces is known here already

	mu        sync.Mutex
	changed   chan struct{} // closed, and made anew, when there may be more to read
	listening bool          // as somebody follows, or did

	closing chan struct{}
	once    sync.Once
	working sync.WaitGroup
}

var (
	_ ledger.Eraser = (*Store)(nil)
	_ ledger.Filler = (*Store)(nil)
)

// Open opens the ledger in the database that the connection string names, and makes it if there is none. The error matches
// ErrNewer if a later version of the program was here, ErrUnsafe if the server is set up to lose what it promises. It does
// not repeat anything of the connection string.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	s, err := open(ctx, dsn, opts.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("opening the ledger in PostgreSQL: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	server, err := newServer(dsn, opts.Schema, opts.Unsafe)
	if err != nil {
		return nil, err
	}
	steps, err := migrations(eventsFiles, "events")
	if err != nil {
		return nil, err
	}
	if err := server.migrate(ctx, "events", steps); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), server.config)
	if err != nil {
		return nil, plain(ctx, err)
	}
	s := &Store{
		server: server, opts: opts, pool: pool,
		requests: make(chan *request), changed: make(chan struct{}), closing: make(chan struct{}),
	}
	if s.writer.known, err = s.Head(ctx); err == nil {
		err = s.connectWriter(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.working.Go(s.write)
	return s, nil
}

// Close ends the store: what is being written is still stored and answered; later appends, and iterators, get an error that
// matches ledger.ErrEnded.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		close(s.closing)
		s.mu.Unlock()
		s.working.Wait()
		s.pool.Close()
	})
	return nil
}

var errClosed = fmt.Errorf("the store was closed: %w", ledger.ErrEnded)

// Now is the clock of the database's server, in UTC, as it was some time during the call.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	t, err := now(ctx, s.pool)
	return t, s.failure(err)
}

// Head implements ledger.Store.
func (s *Store) Head(ctx context.Context) (p ledger.Position, err error) {
	err = s.pool.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM event").Scan(&p)
	return p, s.failure(plain(ctx, err))
}

// failure is what a caller is told: that the pool is closed means that the store is.
func (s *Store) failure(err error) error {
	if err == nil || !s.closed() || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errClosed
}

func (s *Store) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
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
