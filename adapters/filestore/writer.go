package filestore

import (
	"runtime"
	"time"
)

const (
	maxBatch = 4 << 20 // bytes; one longer append makes a batch of its own
	// gatherPart is the part of the last sync's duration for which a batch may wait for callers.
	gatherPart = 8
	// gatherTurns bounds the wait where the clock does not move.
	gatherTurns = 1000
)

// A writer is what the writing goroutine keeps from one batch to the next.
type writer struct {
	batch    []*request
	buffer   []byte
	frames   []frame         // of the batch, encoded in buffer
	pending  map[string]head // of the streams that the batch has come to
	callers  int             // in the last batch
	lastSync time.Duration
	done     chan struct{} // closed when the goroutine has ended
}

// write is the writing goroutine: it stores batch after batch until the store closes.
func (s *Store) write() {
	defer close(s.writer.done)
	for s.gather() {
		s.commit()
	}
}

// gather waits for requests and takes them into the batch; it is false when there will be none.
func (s *Store) gather() bool {
	w := &s.writer
	for w.batch = w.batch[:0]; len(w.batch) == 0; {
		n, closing := s.queue.len()
		if n == 0 {
			if closing {
				return false
			}
			<-s.queue.wake
			continue
		}
		if n < w.callers {
			s.linger()
		}
		w.batch = s.queue.take(w.batch, maxBatch)
	}
	w.callers = len(w.batch)
	return true
}

// linger lets others run until as many requests wait as the last batch had, but not for long: whoever wrote in the last
// batch is likely on the way with the next append.
func (s *Store) linger() {
	w := &s.writer
	begun := s.opts.Clock()
	for range gatherTurns {
		if n, _ := s.queue.len(); n >= w.callers || s.opts.Clock().Sub(begun) >= w.lastSync/gatherPart {
			return
		}
		runtime.Gosched()
	}
}

// commit stores the batch and answers its callers.
func (s *Store) commit() {
	w := &s.writer
	size := 0
	for _, r := range w.batch {
		size += len(r.frame)
	}
	full := s.makeRoom(int64(size))
	if full != nil && !noRoom(full) {
		s.fail(full)
		return
	}
	s.space.note(full)
	s.judge(full)
	if len(w.frames) > 0 {
		if err := s.store(); err != nil {
			s.fail(err)
			return
		}
		s.publish()
	}
	for _, r := range w.batch {
		r.done <- struct{}{}
	}
}

// judge gives every request of the batch its verdict, in order of arrival, and encodes those to be stored. With full
// not nil there is no room to store anything, and full says why.
func (s *Store) judge(full error) {
	w := &s.writer
	w.buffer, w.frames = w.buffer[:0], w.frames[:0]
	clear(w.pending)
	at := s.index.mark
	for _, r := range w.batch {
		h, inBatch := w.pending[r.stream]
		if !inBatch {
			h = s.index.head(r.stream)
		}
		switch {
		case r.after != h.version:
			r.actual = h.version
			continue
		case full != nil:
			r.err = refused(full)
			continue
		}
		begin := len(w.buffer)
		w.buffer = append(w.buffer, r.frame...)
		f := frame{b: w.buffer[begin:], position: at.position + 1, version: r.after + 1, count: r.count}
		f.name = f.b[frameHeader : frameHeader+len(r.stream)]
		f.sum = place(f.b, s.id, at.sum, begin, f.position, h.offset)
		w.frames = append(w.frames, f)
		w.pending[r.stream] = head{f.lastVersion(), at.end}
		at = mark{end: at.end + uint64(len(f.b)), last: at.end, position: f.lastPosition(), sum: f.sum}
		r.position = at.position
	}
}

// store makes the batch durable.
func (s *Store) store() error {
	w := &s.writer
	g := s.segments[len(s.segments)-1]
	if _, err := g.file.WriteAt(w.buffer, int64(s.index.end-g.base)); err != nil {
		return err
	}
	begun := s.opts.Clock()
	if err := g.file.Sync(); err != nil {
		return err
	}
	w.lastSync = s.opts.Clock().Sub(begun)
	return nil
}

// publish shows the batch to readers.
func (s *Store) publish() {
	w := &s.writer
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range w.frames {
		s.index.add(&w.frames[i])
	}
	s.announce()
	s.keeper.noticeDue(s.index)
}

// announce wakes whoever waits for more, with s.mu held.
func (s *Store) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// fail ends the writing: nobody knows what of the batch is stored. All who wait are told so, those too who were to be
// refused: what they were judged against is as unknown.
func (s *Store) fail(cause error) {
	s.queue.end(ended(cause))
	for batch := s.writer.batch; len(batch) > 0; batch = s.queue.take(nil, maxBatch) {
		for _, r := range batch {
			r.err, r.position = ended(cause), 0
			r.done <- struct{}{}
		}
	}
}

// start begins the store's work, after load.
func (s *Store) start() {
	s.writer = writer{pending: map[string]head{}, done: make(chan struct{})}
	s.space.start(s)
	s.keeper.start(s)
	go s.write()
}

// stop ends the store's work and writes the index.
func (s *Store) stop() error {
	s.queue.close()
	if s.writer.done == nil {
		return nil // open for reading
	}
	<-s.writer.done
	s.space.stop()
	s.keeper.stop()
	if s.queue.ended != errClosed {
		return nil // a failure came first: what the next Open finds should rest on nothing written after it
	}
	return s.writeIndex()
}
