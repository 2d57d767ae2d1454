package filestore

import (
	"errors"
	"sync"

	"samtykke/adapters/disk"
)

// A space sees to it that there are zeros to write over: ahead in the last segment, and in a next one.
type space struct {
	kick chan struct{} // holds a token when zeros may be running short
	done chan struct{} // closed when the filling goroutine has ended

	mu     sync.Mutex
	next   *segment // without a place in the log yet; nil if there is none
	failed error    // what ended the filling goroutine's trust in the disk
	full   error    // why there was no room for the last batch; nil if there was
}

// start begins to fill in the background.
func (p *space) start(s *Store) {
	p.kick, p.done = make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(p.done)
		for range p.kick {
			if err := s.fillAhead(); err != nil && !noRoom(err) {
				p.mu.Lock()
				p.failed = err
				p.mu.Unlock()
			}
		}
	}()
	p.hurry()
}

func (p *space) stop() {
	close(p.kick)
	<-p.done
}

func (p *space) hurry() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// fillAhead writes zeros ahead in the last segment, and once that is full, in the next. A full disk is no failure here:
// whoever appends will find out, if there is no room by then.
func (s *Store) fillAhead() error {
	s.mu.RLock()
	g, used := s.segments[len(s.segments)-1], s.index.end
	s.mu.RUnlock()
	ahead := int64(used-g.base) + s.opts.FillAhead
	if err := g.fill(min(ahead, s.opts.SegmentSize)); err != nil {
		return err
	}
	if ahead <= s.opts.SegmentSize {
		return nil
	}
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	return s.prepareNext()
}

// prepareNext makes the next segment's file, with s.space.mu held.
func (s *Store) prepareNext() error {
	if s.space.next == nil {
		next, err := newSegment(s.disk)
		if err != nil {
			return err
		}
		s.space.next = next
	}
	return s.space.next.fill(max(s.opts.FillAhead, segmentHeader))
}

// newSegment makes an empty file for the next segment, in place of one that an interruption left.
func newSegment(d disk.Disk) (*segment, error) {
	g := &segment{name: nextName}
	var err error
	if g.file, err = d.Open(nextName, true); err != nil {
		return nil, err
	}
	if err = g.file.Truncate(0); err == nil {
		g.pad, err = d.Open(nextName, false)
	}
	if err != nil {
		return nil, errors.Join(err, g.file.Close())
	}
	return g, nil
}

// makeRoom sees to it that n bytes can be written at the end of the log, in one segment, over zeros.
func (s *Store) makeRoom(n int64) error {
	if err := s.space.failure(); err != nil {
		return err
	}
	g := s.segments[len(s.segments)-1]
	used := int64(s.index.end - g.base)
	if used+n > s.opts.SegmentSize && used > segmentHeader {
		if err := s.roll(); err != nil {
			return err
		}
		g, used = s.segments[len(s.segments)-1], segmentHeader
	}
	need := used + n
	if g.filled.Load() < need {
		if err := g.fill(max(need, min(used+s.opts.FillAhead, s.opts.SegmentSize))); err != nil {
			return err
		}
	}
	if left := min(g.filled.Load(), s.opts.SegmentSize) - need; left < s.opts.FillAhead/2 {
		s.space.hurry()
	}
	return nil
}

// note keeps whether there was room.
func (p *space) note(full error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = full
}

func (p *space) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// roll begins a new segment behind the last. Its header is durable before it has its name, and its name before it has a
// frame.
func (s *Store) roll() error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	if err := s.prepareNext(); err != nil {
		return err
	}
	g := s.space.next
	g.number, g.base, g.first, g.prior = 1, 0, 1, s.id
	if n := len(s.segments); n > 0 {
		x := s.index
		g.number, g.base, g.first, g.prior = uint64(n)+1, x.end, x.position+1, x.sum
	}
	if _, err := g.file.WriteAt(g.header(s.id), 0); err != nil {
		return &unsureError{err}
	}
	if err := g.file.Sync(); err != nil {
		return &unsureError{err}
	}
	if err := s.disk.Rename(nextName, segmentName(g.first)); err != nil {
		return err
	}
	g.name, s.space.next = segmentName(g.first), nil
	if err := s.disk.SyncDir(segmentDir); err != nil {
		return &unsureError{err}
	}
	s.adopt(g)
	return nil
}

// adopt makes a segment the last of the log.
func (s *Store) adopt(g *segment) {
	if n := len(s.segments); n > 0 && s.segments[n-1].pad != nil {
		s.closePad(s.segments[n-1])
	}
	g.sweeper = &s.sweeper
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, g)
	s.index.end = g.base + segmentHeader
	s.announce()
}

// closePad closes the handle by which a segment was filled. Its sync was told of any failure before.
func (s *Store) closePad(g *segment) {
	g.filling.Lock()
	defer g.filling.Unlock()
	if err := g.pad.Close(); err != nil {
		s.opts.Warn(err)
	}
	g.pad = nil
}
