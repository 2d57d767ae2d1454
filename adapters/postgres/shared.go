package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"samtykke/adapters/signin"
)

// SharedOptions are how instances share. The zero value is good.
type SharedOptions struct {
	// Schema is the schema that holds what is shared, "samtykke_shared" if empty. It is neither the ledger's nor the keys'.
	Schema string
	// Sessions is how many sessions there are at most, signin.MaxSessions if 0; all instances should say the same. Where there are
	// several, each may for a while add up to a sixteenth more.
	Sessions int64
	// Patience is how long a request waits for the server, 5 seconds if 0. After that it fails.
	Patience time.Duration
	// Unsafe takes a server that may lose what it has promised. It is for tests.
	Unsafe bool
	// Warn is told, on some goroutine, of lost connections and leases. Nobody is told if nil.
	Warn func(error)
}

func (o SharedOptions) withDefaults() SharedOptions {
	if o.Schema == "" {
		o.Schema = "samtykke_shared"
	}
	if o.Sessions <= 0 {
		o.Sessions = signin.MaxSessions
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return o
}

// Shared is what the instances of the program share besides events and keys, in a PostgreSQL database: who is signed in, what was
// tried, and whose turn it is. Its methods may be called by several goroutines.
type Shared struct {
	server *server
	opts   SharedOptions
	pool   *pgxpool.Pool
	closed atomic.Bool
	room   atomic.Int64 // for how many more sessions there is room without counting all
}

// OpenShared opens what is shared in the database that the connection string names, and makes it if there is none. The errors are
// those of Open.
func OpenShared(ctx context.Context, dsn string, opts SharedOptions) (*Shared, error) {
	s, err := openShared(ctx, dsn, opts.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("opening what instances share in PostgreSQL: %w", err)
	}
	return s, nil
}

func openShared(ctx context.Context, dsn string, opts SharedOptions) (*Shared, error) {
	server, err := newServer(dsn, opts.Schema, opts.Unsafe)
	if err != nil {
		return nil, err
	}
	steps, err := migrations(sharedFiles, "shared")
	if err != nil {
		return nil, err
	}
	if err := server.migrate(ctx, "shared", steps); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), server.config)
	if err != nil {
		return nil, plain(ctx, err)
	}
	return &Shared{server: server, opts: opts, pool: pool}, nil
}

// Close closes the connections. Leases are not among them: they end with Lease.Run.
func (s *Shared) Close() error {
	s.closed.Store(true)
	s.pool.Close()
	return nil
}

var errSharedClosed = errors.New("what instances share was closed")

// Now is the clock of the database's server, in UTC, as it was some time during the call.
func (s *Shared) Now(ctx context.Context) (time.Time, error) { return now(ctx, s.pool) }

// ask runs a query, once more over another connection where one was lost, for as long as there is patience. Its answer may be lost
// when it was done already: so it must be one that may be done twice.
func (s *Shared) ask(ctx context.Context, query func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, s.opts.Patience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := plain(within, query(within))
		switch {
		case err == nil:
			return nil
		case s.closed.Load():
			return errSharedClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case within.Err() != nil:
			return errSlow
		case !passing(err):
			return err
		}
		s.opts.Warn(fmt.Errorf("what instances share: %w", err))
		s.pool.Reset() // the others are likely lost as well
		if pause(within, wait) != nil && ctx.Err() == nil {
			return err
		}
	}
}

// do asks for something that gives nothing.
func (s *Shared) do(ctx context.Context, query string, args ...any) error {
	return s.ask(ctx, func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, query, args...)
		return err
	})
}

// get asks for one row.
func (s *Shared) get(ctx context.Context, into []any, query string, args ...any) error {
	return s.ask(ctx, func(ctx context.Context) error { return s.pool.QueryRow(ctx, query, args...).Scan(into...) })
}

func instant(n int64) time.Time { return time.Unix(0, n).UTC() }
