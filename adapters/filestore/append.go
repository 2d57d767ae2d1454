package filestore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// A request is one call of Append on its way through the writer.
type request struct {
	stream string
	after  uint64
	count  int
	frame  []byte
	done   chan struct{} // told once, when the verdict stands

	taken, withdrawn bool // under the queue's lock

	// The verdict: err, or the position of the last record, or neither: the stream stands at the version actual.
	err      error
	position uint64
	actual   uint64
}

func (s *Store) newRequest(stream string, after uint64, records []eventschema.Record) *request {
	r, pooled := s.requests.Get().(*request)
	if !pooled {
		r = &request{done: make(chan struct{}, 1)}
	}
	*r = request{
		stream: stream, after: after, count: len(records), done: r.done,
		frame: newFrame(r.frame[:0], stream, after+1, records),
	}
	return r
}

// Append implements ledger.Store. A stream's name has 1 to MaxName bytes, and one call stores at most MaxAppend.
func (s *Store) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	if err := admit(stream, records); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, refused(err)
	}
	r := s.newRequest(stream, after, records)
	if err := s.queue.put(r); err != nil {
		return 0, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if s.queue.withdraw(r) {
			return 0, refused(ctx.Err())
		}
		// The writer has it, and will use it after this call is over: it cannot go back to the pool.
		return 0, fmt.Errorf("the append was under way, its outcome is open: %w", ctx.Err())
	}
	position, actual, err := r.position, r.actual, r.err
	if cap(r.frame) <= 64<<10 {
		s.requests.Put(r)
	}
	if err != nil || position != 0 {
		return position, err
	}
	return s.again(ctx, stream, after, actual, records)
}

// Probe gives why the store takes no append of 16 KiB now, with the error that it would get; nil if it does. It stores nothing: it goes
// the way of an append that comes at the wrong version, through the writer, which makes room for it.
func (s *Store) Probe(ctx context.Context) error {
	_, err := s.Append(ctx, "probe", 1, eventschema.Record{Data: make([]byte, 16<<10)})
	if !errors.Is(err, ledger.ErrConflict) {
		return err
	}
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	if s.space.full != nil {
		return refused(s.space.full)
	}
	return nil
}

// again answers an append that found its stream at another version: with the records' position if they are the very
// records that stand there, appended before. Stored records never change, so this needs no place in the writer's order.
func (s *Store) again(ctx context.Context, stream string, after, actual uint64, records []eventschema.Record) (ledger.Position, error) {
	conflict := &ledger.ConflictError{Stream: stream, After: after, Actual: actual}
	last := after + uint64(len(records))
	if after > actual || last > actual {
		return 0, conflict
	}
	i := 0
	for r, err := range s.Stream(ctx, stream, after+1) {
		switch {
		case err != nil:
			return 0, err
		case r.ID != records[i].ID:
			return 0, conflict
		case r.Version == last:
			return r.Position, nil
		}
		i++
	}
	return 0, conflict
}

func refused(err error) error { return fmt.Errorf("%w: %w", ledger.ErrRefused, err) }

// A queue holds the requests that no batch has taken yet.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	wake    chan struct{} // holds a token when something may have changed
	closing bool          // no more requests; the waiting ones are still taken
	ended   error         // no more requests, and this is their answer
}

// put adds requests, with none of others' between them.
func (q *queue) put(all ...*request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended != nil {
		return q.ended
	}
	q.waiting = append(q.waiting, all...)
	q.signal()
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// withdraw takes a request back, unless a batch has taken it.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	r.withdrawn = !r.taken
	return r.withdrawn
}

// end makes err the answer to every request from now on, if nothing else ended the queue before.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended == nil {
		q.ended = err
	}
	q.signal()
}

// failure is the answer to requests from now on, nil while there is none.
func (q *queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}

// close refuses new requests, and has the writer end when it has taken the waiting ones.
func (q *queue) close() {
	q.end(errClosed)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closing = true
	q.signal()
}

var errClosed = fmt.Errorf("the store was closed: %w", ledger.ErrEnded)

// len is how many requests wait, and whether more may come.
func (q *queue) len() (n int, closing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.closing
}

// take adds waiting requests to the batch, oldest first, until their frames reach about limit bytes.
func (q *queue) take(batch []*request, limit int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, n := 0, 0
	for _, r := range q.waiting {
		if size > 0 && size+len(r.frame) > limit {
			break
		}
		n++
		if r.withdrawn {
			continue
		}
		r.taken = true
		size += len(r.frame)
		batch = append(batch, r)
	}
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return batch
}

// ended is the answer to a request whose outcome a failure left open.
func ended(cause error) error {
	if errors.Is(cause, ledger.ErrEnded) {
		return cause
	}
	return fmt.Errorf("%w: %w", ledger.ErrEnded, cause)
}

// Fill implements ledger.Filler.
func (s *Store) Fill(ctx context.Context, records ...eventschema.Record) error {
	_, err := ledger.Fits(ctx, s, records)
	if err != nil {
		return err
	}
	runs := ledger.Runs(records)
	requests := make([]*request, len(runs))
	for i, run := range runs {
		if err := admit(run[0].Stream, run); err != nil {
			return err
		}
		requests[i] = s.newRequest(run[0].Stream, run[0].Version-1, run)
	}
	if err := s.queue.put(requests...); err != nil {
		return err
	}
	for i, r := range requests { // the writer has them: their order is theirs, whatever becomes of ctx
		<-r.done
		if r.err == nil && r.position == 0 {
			r.err = &ledger.ConflictError{Stream: r.stream, After: r.after, Actual: r.actual}
		}
		if r.err != nil && err == nil {
			err = fmt.Errorf("filling in position %d: %w", runs[i][0].Position, r.err)
		}
	}
	return err
}
