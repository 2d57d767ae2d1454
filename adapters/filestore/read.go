package filestore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sync"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// Head implements ledger.Store.
func (s *Store) Head(ctx context.Context) (ledger.Position, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.position, nil
}

// After implements ledger.Store.
func (s *Store) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		s.mu.RLock()
		t := newTape(s.id, s.segments, s.index.before(p+1))
		s.mu.RUnlock()
		for {
			s.mu.RLock()
			end, changed := s.index.end, s.changed
			t.segments = s.segments
			s.mu.RUnlock()
			if !play(ctx, t, end, p, yield) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(eventschema.Record{}, ctx.Err())
				return
			case <-s.closed:
				yield(eventschema.Record{}, errClosed)
				return
			}
		}
	}
}

// play yields the records behind position p, up to the end of the log; it is false when the reader needs no more.
func play(ctx context.Context, t *tape, end, p uint64, yield func(eventschema.Record, error) bool) bool {
	for {
		f, err := t.next(end)
		if errors.Is(err, io.EOF) {
			return true
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(eventschema.Record{}, readError(err))
			return false
		}
		if f.lastPosition() <= p {
			continue
		}
		from := f.version
		if p >= f.position {
			from += p + 1 - f.position
		}
		if !f.records(from, func(r eventschema.Record) bool { return yield(r, nil) }) {
			return false
		}
	}
}

// Stream implements ledger.Store.
func (s *Store) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	s.mu.RLock()
	h, segments := s.index.head(stream), s.segments
	s.mu.RUnlock()
	from = max(from, 1)
	if h.version < from {
		return nothing
	}
	return func(yield func(eventschema.Record, error) bool) {
		b := backtrack{id: s.id, segments: segments, stream: stream}
		err := b.walk(ctx, h, from)
		for i := len(b.steps) - 1; err == nil && i >= 0; i-- {
			var f frame
			if f, err = b.frame(i); err == nil {
				err = ctx.Err()
			}
			if err == nil && !f.records(from, func(r eventschema.Record) bool { return yield(r, nil) }) {
				return
			}
		}
		if err != nil {
			yield(eventschema.Record{}, readError(err))
		}
	}
}

func nothing(func(eventschema.Record, error) bool) {}

// readError is what a reader is told: that a file is closed means that the store is.
func readError(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return errClosed
	}
	return err
}

// keepBytes is how much of a stream is held at once; what is longer is read twice.
const keepBytes = 1 << 20

// A backtrack finds a stream's frames, from the last one backwards.
type backtrack struct {
	id       uint64
	segments []*segment
	stream   string
	steps    []step // the last frame first
	kept     int    // bytes of the frames held
	dropped  int    // steps whose frames are no longer held
}

type step struct {
	offset uint64
	frame  frame // empty if no longer held
}

// walk goes back from the stream's head to the frame that has the version from.
func (b *backtrack) walk(ctx context.Context, h head, from uint64) error {
	for h.version >= from {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, before, err := b.back(h)
		if err != nil {
			return err
		}
		b.steps = append(b.steps, step{h.offset, f})
		// The first to be yielded were found last: of too many, let go the first found.
		for b.kept += len(f.b); b.kept > keepBytes && b.dropped < len(b.steps)-1; b.dropped++ {
			b.kept -= len(b.steps[b.dropped].frame.b)
			b.steps[b.dropped].frame = frame{}
		}
		h = before
	}
	return nil
}

// back reads the frame that a stream ends with at h, and gives where the stream ends before it.
func (b *backtrack) back(h head) (f frame, before head, err error) {
	if f, err = b.read(h.offset); err != nil {
		return frame{}, head{}, err
	}
	if string(f.name) != b.stream || f.lastVersion() != h.version {
		return frame{}, head{}, b.damage(h.offset, "the frame is not the one of its stream that was pointed to")
	}
	if f.prior >= h.offset {
		return frame{}, head{}, b.damage(h.offset, "the frame points ahead for the one before")
	}
	return f, head{f.version - 1, f.prior}, nil
}

func (b *backtrack) frame(i int) (frame, error) {
	if i >= b.dropped {
		return b.steps[i].frame, nil
	}
	return b.read(b.steps[i].offset)
}

var firstReads = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// read reads the frame at the offset into bytes of its own.
func (b *backtrack) read(offset uint64) (frame, error) {
	g := b.segments[segmentOf(b.segments, offset)]
	at := int64(offset - g.base)
	first := firstReads.Get().(*[4 << 10]byte)
	defer firstReads.Put(first)
	n, err := g.readAt(first[:], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return frame{}, err
	}
	if n < frameHeader {
		return frame{}, b.damage(offset, "a frame's header is cut short")
	}
	size, ok := frameSize(first[:])
	if !ok {
		return frame{}, b.damage(offset, "no frame begins here")
	}
	bytes := slices.Clone(first[:min(n, size)])
	if n < size {
		bytes = make([]byte, size)
		if n, err = g.readAt(bytes, at); err != nil && !errors.Is(err, io.EOF) {
			return frame{}, err
		}
		bytes = bytes[:n]
	}
	f, what := parseFrame(bytes, b.id)
	if what != "" {
		return frame{}, b.damage(offset, what)
	}
	return f, nil
}

func (b *backtrack) damage(offset uint64, what string) error {
	g := b.segments[segmentOf(b.segments, offset)]
	return g.damage(int64(offset-g.base), "%s", what)
}
