package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrLeaseLost is why the context of a function ends that Lease.Run called: the lease is another's, or will soon be.
var ErrLeaseLost = errors.New("the lease was lost")

// LeaseTerm is for how long a lease is held by one that is not heard of any more, unless it is told otherwise.
const LeaseTerm = 6 * time.Second

// Of a lease's term: how often its holder asks the server, and whoever waits for it tries; and how long the holder waits for an answer.
// From the moment when the server last heard of it, the holder goes on for two answers and a pause at the most, which is less than a
// term.
const (
	everyPart  = 6
	answerPart = 3
)

// A Lease is held by one at a time, of all processes that want it. It is an advisory lock of a connection of its own, and ends when
// that does: at once when its holder's process ends, or when the server does; and after a term when the server hears nothing of the
// holder, who has given it up by then. Whoever waits for it takes it within a sixth of a term.
//
// A process that was stopped for longer than a term, and goes on, learns only then that the lease was lost. So two may work at once
// for a moment. What is done under a lease must be safe then. The program's scheduler is: what it writes are commands, which
// conflict and are decided again, and find that there is nothing left to record (desk.Desk.Tick); erasing and wrapping keys anew go on
// from whatever was done (FinishErasures, Ring.Rotate).
type Lease struct {
	server *server
	name   string
	term   time.Duration
	warn   func(error)
	epoch  atomic.Uint64
}

// Lease gives the lease of a name, not yet held. All who want it should say the same term, of at least 50 ms; LeaseTerm if 0.
func (s *Shared) Lease(name string, term time.Duration) *Lease {
	if term == 0 {
		term = LeaseTerm
	}
	return &Lease{server: s.server, name: name, term: max(term, 50*time.Millisecond), warn: s.opts.Warn}
}

// Epoch is the number of the time that this lease was last held, 0 before the first. Of all times that it was held by anybody,
// whoever came later has the higher number.
func (l *Lease) Epoch() uint64 { return l.epoch.Load() }

// Run waits until it holds the lease and calls the function. It gives the lease back when that returns, and returns its error. If the
// lease is lost, the function's context ends, with ErrLeaseLost as its cause; once the function has returned, Run waits for the lease
// again and calls it anew. Run also ends with ctx, and when the server answers with an error that waiting does not mend.
func (l *Lease) Run(ctx context.Context, do func(context.Context) error) error {
	for {
		c, err := l.take(ctx)
		if err == nil {
			var returned bool
			if returned, err = l.hold(ctx, c, do); returned {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !passing(err):
			return fmt.Errorf("the lease %s: %w", l.name, err)
		}
		l.warn(fmt.Errorf("the lease %s: %w", l.name, err))
		if err := pause(ctx, l.term/everyPart); err != nil {
			return err
		}
	}
}

// take waits until the lease is held, and gives the connection that holds it.
func (l *Lease) take(ctx context.Context) (_ *pgx.Conn, err error) {
	connecting, cancel := context.WithTimeout(ctx, l.term)
	defer cancel()
	c, err := l.server.connect(connecting)
	if err != nil {
		return nil, l.slow(ctx, err)
	}
	defer func() {
		if err != nil {
			hangUp(c)
		}
	}()
	// The server ends a connection that it has not heard of for so long, and with it the lock.
	if err := l.ask(ctx, c, nil, "SELECT set_config('idle_session_timeout', $1, false)", fmt.Sprint(l.term.Milliseconds())); err != nil {
		return nil, err
	}
	for {
		var taken bool
		if err := l.ask(ctx, c, &taken, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", "samtykke lease "+l.server.schema+" "+l.name); err != nil {
			return nil, err
		}
		if taken {
			break
		}
		if err := pause(ctx, l.term/everyPart); err != nil {
			return nil, err
		}
	}
	var epoch uint64
	err = l.ask(ctx, c, &epoch, `INSERT INTO lease (name, epoch) VALUES ($1, 1)
		ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE SET epoch = lease.epoch + 1 RETURNING epoch`, l.name)
	if err != nil {
		return nil, err
	}
	l.epoch.Store(epoch)
	return c, nil
}

// hold calls the function while the connection holds the lease. It waits until the function has returned, and tells whether it did so
// by itself.
func (l *Lease) hold(ctx context.Context, c *pgx.Conn, do func(context.Context) error) (returned bool, err error) {
	defer hangUp(c)
	held, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx)) // for the lease is held until the function has returned
	defer stop()
	done, lost := make(chan error, 1), make(chan error, 1)
	go func() { done <- do(held) }()
	go func() { lost <- l.watch(watching, c) }()
	select {
	case err := <-done:
		stop()
		<-lost
		return true, err
	case err := <-lost:
		lose(ErrLeaseLost)
		<-done
		return false, err
	}
}

// watch returns when the connection is lost, or does not answer in time. It hears of a loss at once, since it reads all the time.
func (l *Lease) watch(ctx context.Context, c *pgx.Conn) error {
	for {
		listening, cancel := context.WithTimeout(ctx, l.term/everyPart)
		_, err := c.WaitForNotification(listening)
		quiet := listening.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && (!quiet || c.IsClosed()):
			return plain(ctx, errors.Join(err, errGone))
		}
		if err := l.ask(ctx, c, nil, "SELECT"); err != nil {
			return err
		}
	}
}

// ask asks one thing, whose answer must come in time.
func (l *Lease) ask(ctx context.Context, c *pgx.Conn, into any, query string, args ...any) error {
	asking, cancel := context.WithTimeout(ctx, l.term/answerPart)
	defer cancel()
	var err error
	if into == nil {
		_, err = c.Exec(asking, query, args...)
	} else {
		err = c.QueryRow(asking, query, args...).Scan(into)
	}
	return l.slow(ctx, plain(asking, err))
}

// slow tells the end of a question's time, which passes, from that of the caller's.
func (l *Lease) slow(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return errGone
	}
	return err
}
