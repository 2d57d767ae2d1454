package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

// A worker runs a lease. Its function tells when it is called, and stays until its context ends or it is told to return.
type worker struct {
	name   string
	lease  *postgres.Lease
	stop   context.CancelFunc
	finish chan error
	ended  chan error // what Run gave
}

// A turn is a call of a worker's function.
type turn struct {
	*worker
	ctx   context.Context
	epoch uint64
}

// work has a worker run a lease over the database; its turns go to began.
func work(t *testing.T, name, dsn string, term time.Duration, began chan<- turn) *worker {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &worker{name: name, stop: stop, finish: make(chan error), ended: make(chan error, 1)}
	w.lease = mustShare(t, dsn, postgres.SharedOptions{}).Lease("clock", term)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ended <- w.lease.Run(ctx, func(ctx context.Context) error {
			select {
			case began <- turn{w, ctx, w.lease.Epoch()}:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case err := <-w.finish:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return w
}

const (
	term     = 3 * time.Second
	deadline = 60 * time.Second // far more than anything here takes
)

// before waits for something that must come.
func before[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case got = <-c:
	case <-timer.C:
		t.Fatalf("it takes too long until %s", what)
	}
	return got
}

func (w turn) isLost(t *testing.T) {
	t.Helper()
	before(t, w.ctx.Done(), "the one who lost the lease is told")
	if !errors.Is(context.Cause(w.ctx), postgres.ErrLeaseLost) {
		t.Errorf("the cause is %v", context.Cause(w.ctx))
	}
}

// locks are those that stand for leases in the database.
const locks = ` FROM pg_locks WHERE locktype = 'advisory' AND granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// One at a time has the lease, with a higher number each time, and gives it back with what its function gave.
func TestLeaseOneAtATime(t *testing.T) {
	dsn := postgrestest.Database(t)
	var mu sync.Mutex
	var epochs []uint64
	busy := 0
	var all sync.WaitGroup
	enough := errors.New("enough")
	for range 3 {
		l := mustShare(t, dsn, postgres.SharedOptions{}).Lease("clock", term)
		all.Go(func() {
			for range 4 {
				err := l.Run(t.Context(), func(context.Context) error {
					mu.Lock()
					busy++
					if busy > 1 {
						t.Error("two hold it")
					}
					epochs = append(epochs, l.Epoch())
					mu.Unlock()
					value(t, dsn, "SELECT 'some work'")
					mu.Lock()
					defer mu.Unlock()
					busy--
					return enough
				})
				if !errors.Is(err, enough) {
					t.Errorf("%v, expected what the function gave", err)
				}
			}
		})
	}
	all.Wait()
	if len(epochs) != 12 || epochs[0] != 1 || epochs[11] != 12 || !slices.IsSorted(epochs) {
		t.Errorf("numbered %v", epochs)
	}
}

// When the holder's connection is ended, it is told, and somebody has the lease again at once.
func TestLeaseTakeover(t *testing.T) {
	dsn := postgrestest.Database(t)
	began := make(chan turn)
	for n := range 3 {
		work(t, fmt.Sprint("worker ", n), dsn, term, began)
	}
	for n := range uint64(4) {
		now := before(t, began, "somebody takes over")
		if now.epoch != n+1 {
			t.Errorf("number %d, expected %d", now.epoch, n+1)
		}
		if err := now.ctx.Err(); err != nil {
			t.Errorf("lost from the beginning: %v", err)
		}
		exec(t, dsn, "SELECT pg_terminate_backend(pid)"+locks)
		now.isLost(t)
	}
}

// A holder that nobody disturbs has the lease for longer than a term, though it does nothing with it.
func TestLeaseLasts(t *testing.T) {
	dsn := postgrestest.Database(t)
	began := make(chan turn, 1)
	w := work(t, "worker", dsn, term/2, began)
	now := before(t, began, "it has the lease")
	for until := time.Now().Add(deadline); ; {
		if value(t, dsn, `SELECT coalesce(max(state_change - backend_start) > interval '3.5 seconds', false)::text FROM pg_stat_activity
			WHERE pid IN (SELECT pid`+locks+`)`) == "true" {
			break
		}
		if now.ctx.Err() != nil || time.Now().After(until) {
			t.Fatal("it does not last for two terms")
		}
	}
	finished := errors.New("finished")
	w.finish <- finished
	if err := before(t, w.ended, "Run returns"); !errors.Is(err, finished) || w.lease.Epoch() != 1 {
		t.Errorf("%v, number %d", err, w.lease.Epoch())
	}
}

// A holder whose connection is cut is told, and one that hears nothing any more gives the lease up before the server gives it
// to another.
func TestLeaseCutOff(t *testing.T) {
	for name, off := range map[string]func(*postgrestest.Proxy){"cut": (*postgrestest.Proxy).Cut, "silent": (*postgrestest.Proxy).Mute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := postgrestest.Database(t)
			p := postgrestest.NewProxy(t, dsn)
			began := make(chan turn)
			work(t, "far", p.DSN, term, began)
			far := before(t, began, "the first has the lease")
			work(t, "near", dsn, term, began)
			off(p)
			near := before(t, began, "the other takes over")
			if name == "silent" && far.ctx.Err() == nil {
				t.Error("two hold it, and the first has not given up")
			}
			far.isLost(t)
			if near.name != "near" || near.epoch != 2 {
				t.Errorf("%s has it, with number %d", near.name, near.epoch)
			}
		})
	}
}

// Whoever is told to stop holds the lease until its function has returned.
func TestLeaseStops(t *testing.T) {
	dsn := postgrestest.Database(t)
	l := mustShare(t, dsn, postgres.SharedOptions{}).Lease("clock", term)
	ctx, stop := context.WithCancel(t.Context())
	errTidy := errors.New("tidy")
	began, tidied, ended := make(chan context.Context), make(chan bool), make(chan error, 1)
	go func() {
		ended <- l.Run(ctx, func(ctx context.Context) error {
			began <- ctx
			<-tidied
			return errTidy
		})
	}()
	held := before(t, began, "it has the lease")
	stop()
	before(t, held.Done(), "the function is told")
	if n := value(t, dsn, "SELECT count(*)::text"+locks); n != "1" {
		t.Errorf("%s locks while the function tidies up, expected 1", n)
	}
	close(tidied)
	if err := before(t, ended, "Run returns"); !errors.Is(err, errTidy) {
		t.Errorf("%v, expected what the function gave", err)
	}
	again := make(chan turn)
	work(t, "another", dsn, term, again)
	before(t, again, "another has the lease")
}
