package esdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"samtykke/adapters/ledger"
)

// A kind says what a failed call means.
type kind int

const (
	passing   kind = iota // the outcome is open, or nothing was done; it may be tried again
	broken                // passing, and the client is of no more use
	abandoned             // passing, and the failure was another call's
	denied                // nothing was done, and trying again is of no use
	moved                 // another writer was first: the stream is not where it was expected
	missing               // there is no such stream
	ended                 // the stream has a tombstone
	misplaced             // there is no such place in $all
	atEnd                 // a stream of messages ended by itself
)

// A fault is a call that failed. It takes the place of the client's errors, so that none of its types leaves the package.
type fault struct {
	kind kind
	text string
}

func (f *fault) Error() string { return "EventStoreDB: " + f.text }

// Unavailable tells whether the server may answer otherwise in a moment.
func (f *fault) Unavailable() bool {
	return f.kind == passing || f.kind == broken || f.kind == abandoned
}

func is(err error, k kind) bool {
	var f *fault
	return errors.As(err, &f) && f.kind == k
}

// understand makes a fault of an error of the client's. The client wraps some of its errors, gives others as gRPC's own,
// and tells some by a trailer: see the package comment.
func understand(err error) error {
	var (
		known *esdb.Error
		f     = &fault{passing, err.Error()}
	)
	if errors.Is(err, io.EOF) && !errors.As(err, &known) {
		f.kind = atEnd
		return f
	}
	if errors.As(err, &known) {
		switch known.Code() {
		case esdb.ErrorCodeWrongExpectedVersion:
			f.kind = moved
			return f
		case esdb.ErrorCodeStreamDeleted:
			f.kind = ended
			return f
		case esdb.ErrorCodeNotLeader:
			return f // the client goes to the leader by itself, if it can
		case esdb.ErrorCodeConnectionClosed:
			f.kind = broken
			return f
		}
	}
	var wire interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &wire) {
		if known != nil && known.Code() == esdb.ErrorCodeResourceNotFound {
			f.kind = missing // told by a message; the gRPC code of this name is what a node without a leader answers
		}
		return f
	}
	switch s := wire.GRPCStatus(); s.Code() {
	case codes.Unavailable:
		f.kind = broken
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		f.kind = denied
	case codes.InvalidArgument:
		f.kind = denied
		if known == nil || s.Message() == "Trying to read from an invalid position." {
			f.kind = misplaced
		}
	}
	return f
}

// protect calls f and makes a fault of a panic: the client has several that a server, or a Close, can cause.
func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &fault{broken, fmt.Sprintf("the client panicked: %v", p)}
		}
	}()
	if err = f(); err != nil && !errors.As(err, new(*fault)) {
		err = understand(err)
	}
	return err
}

// A generation is one client, from its discovery until it is retired. The client is closed when no call is in flight:
// Close beside a call can panic there.
type generation struct {
	client *esdb.Client
	ctx    context.Context // ends when the generation is retired
	retire context.CancelFunc
	ready  chan struct{} // closed when discovery has ended
	err    error         // of the discovery; read when ready is closed
	calls  sync.WaitGroup
}

// A link keeps a client that works: it makes a new one in place of one that does not.
type link struct {
	config *esdb.Configuration

	mu     sync.Mutex
	now    *generation
	closed bool
}

var errClosed = fmt.Errorf("the store is closed: %w", ledger.ErrEnded)

// acquire gives a generation whose discovery has ended well. The caller ends its use by calls.Done.
//
// The first call of a client is made here, alone: it would block all others without regard to their contexts while
// discovery runs, and for ever if discovery fails.
func (l *link) acquire(ctx context.Context) (*generation, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errClosed
	}
	if l.now == nil {
		config := *l.config // the client keeps, and changes, what it is given
		client, err := esdb.NewClient(&config)
		if err != nil {
			l.mu.Unlock()
			return nil, understand(err)
		}
		g := &generation{client: client, ready: make(chan struct{})}
		g.ctx, g.retire = context.WithCancel(context.Background())
		g.calls.Add(1)
		l.now = g
		go func() {
			defer g.calls.Done()
			g.err = protect(func() error { _, err := client.GetServerVersion(); return err })
			if g.err != nil {
				l.drop(g)
			}
			close(g.ready)
		}()
	}
	g := l.now
	g.calls.Add(1)
	l.mu.Unlock()
	err := ctx.Err()
	select {
	case <-g.ready:
		if err == nil {
			err = g.err
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		g.calls.Done()
		return nil, err
	}
	return g, nil
}

// drop retires a generation: calls in flight are abandoned, and the next makes another.
func (l *link) drop(g *generation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now != g {
		return
	}
	l.now = nil
	g.retire()
	go func() {
		g.calls.Wait()
		_ = protect(g.client.Close)
	}()
}

// lastCalls is how long closing waits for calls that are left to end: the client gives them ten seconds.
const lastCalls = 12 * time.Second

func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	g := l.now
	l.mu.Unlock()
	if g == nil {
		return
	}
	l.drop(g)
	select {
	case <-g.ready:
	default:
		return // it looks for a node, and nobody else calls
	}
	ended := make(chan struct{})
	go func() {
		g.calls.Wait()
		close(ended)
	}()
	timer := time.NewTimer(lastCalls)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C: // a call hangs in the client: see acquire
	}
}

// judge drops the generation if the error says that its client is of no more use.
func (l *link) judge(g *generation, err error) {
	if is(err, broken) {
		l.drop(g)
	}
}

// led asks for the leader. The client means to ask for it itself, and puts it where it is not sent.
func led(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// ending says why a call was given up.
func (l *link) ending(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return &fault{abandoned, "the connection was given up"}
}

// call makes one call of the client. It returns when ctx ends, whatever the client does; the call itself is left to end,
// which it does by the client's deadline: cancelled while it sends, the client reads what gRPC is still writing.
func call[T any](ctx context.Context, l *link, f func(context.Context, *esdb.Client) (T, error)) (result T, err error) {
	g, err := l.acquire(ctx)
	if err != nil {
		return result, err
	}
	type answer struct {
		T   T
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		defer g.calls.Done()
		var a answer
		a.err = protect(func() (err error) { a.T, err = f(led(context.WithoutCancel(ctx)), g.client); return err })
		answered <- a
		l.judge(g, a.err)
	}()
	select {
	case a := <-answered:
		return a.T, a.err
	case <-ctx.Done():
	case <-g.ctx.Done():
		select {
		case a := <-answered: // it may be why the generation ended
			return a.T, a.err
		default:
		}
	}
	return result, l.ending(ctx)
}

// ahead is how many messages of a stream are taken in before they are asked for.
const ahead = 32

// A receiver gives the next message of a stream; io.EOF ends it.
type receiver[T any] func() (T, error)

// An opener opens a stream of messages, and gives what receives them and what ends the stream.
type opener[T any] func(context.Context, *esdb.Client) (next receiver[T], end func(), err error)

// receive opens a stream of messages and yields them, an error last unless the stream ends by itself. It ends when ctx
// does, whatever the client does.
func receive[T any](ctx context.Context, l *link, open opener[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		g, err := l.acquire(ctx)
		if err != nil {
			yield(none, err)
			return
		}
		inner, cancel := context.WithCancel(led(ctx))
		defer cancel()
		defer context.AfterFunc(g.ctx, cancel)()
		messages := make(chan T, ahead)
		var failure error // why messages was closed
		go func() {
			defer g.calls.Done()
			defer close(messages)
			failure = protect(func() error {
				next, stop, err := open(inner, g.client)
				if err != nil {
					return err
				}
				defer stop()
				for {
					m, err := next()
					if err != nil {
						return err
					}
					select {
					case messages <- m:
					case <-inner.Done():
						return inner.Err()
					}
				}
			})
			if failure != nil && inner.Err() == nil {
				l.judge(g, failure)
			}
		}()
		for {
			select {
			case m, more := <-messages:
				switch {
				case more:
					if !yield(m, nil) {
						return
					}
					continue
				case is(failure, atEnd):
					return
				case inner.Err() == nil || is(failure, broken):
					yield(none, failure)
					return
				}
			case <-inner.Done():
			}
			yield(none, l.ending(ctx))
			return
		}
	}
}
