package filestore

import (
	"context"
	"errors"
	"math"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
)

// Copy copies the log below from to an empty folder, frame by frame up to the one that holds position upto, and checks every
// frame as Open does; the last position copied is returned, and is upto or a little beyond. It takes no lock: a Store may go on
// writing and sweeping there, provided that it has reached upto. Zero copies all there is, and is for a log that nobody writes.
// Nothing but segments is copied: Open makes the rest. After an error what was copied is worthless.
func Copy(ctx context.Context, from, to disk.Disk, upto ledger.Position) (ledger.Position, error) {
	if err := to.MakeDir(segmentDir); err != nil {
		return 0, err
	}
	c := &copier{to: to, index: newIndex(0)}
	err := c.copy(ctx, from, upto)
	if err = errors.Join(err, c.finish()); err != nil {
		return 0, err
	}
	return c.index.position, errors.Join(to.SyncDir(segmentDir), to.SyncDir(""))
}

// looks is how many times a place in the log is looked at before what does not hold there is damage. A sweep beside a copy
// overwrites what it has noted before; slices that follow each other so closely that this many meet one frame there are none.
const looks = 8

// copy copies until upto is reached. Where something does not hold, it looks once more from there, at what is noted by now.
func (c *copier) copy(ctx context.Context, from disk.Disk, upto uint64) error {
	for tries := 0; ; {
		before := c.index.end
		err := c.copyOn(ctx, from, upto)
		if c.index.end > before {
			tries = 0
		}
		if tries++; tries == looks || upto == 0 || !errors.As(err, new(*DamageError)) {
			return err
		}
	}
}

// copyOn copies what follows what was copied, until upto is reached or something does not hold.
func (c *copier) copyOn(ctx context.Context, from disk.Disk, upto uint64) error {
	s := newStore(from, Options{}, nil)
	defer func() { closeAll(s.segments) }()
	note, err := readNote(from) // first: what it names is in segments that are there by then
	if err != nil {
		return err
	}
	if s.segments, s.id, err = openSegments(from, true); err != nil {
		return err
	}
	if len(s.segments) == 0 {
		return &DamageError{segmentName(1), 0, "there is no log"}
	}
	for _, g := range s.segments {
		g.sweeper = &s.sweeper
	}
	if _, err := s.resume(note, true); err != nil {
		return err
	}
	if c.segments = s.segments; c.id == 0 {
		c.id, c.index = s.id, newIndex(s.id)
	}
	last := s.segments[len(s.segments)-1]
	end := last.base + uint64(last.filled.Load())
	if upto > 0 {
		end = math.MaxInt64 // the file may have grown since it was opened
	}
	t := newTape(s.id, s.segments, c.index.end)
	err = scan(t, c.index, end, func(f *frame) error {
		if err := c.add(f, t.k, t.offset-uint64(len(f.b))); err != nil {
			return err
		}
		if upto > 0 && c.index.position >= upto {
			return errReached
		}
		return ctx.Err()
	})
	damage := new(DamageError)
	switch {
	case errors.Is(err, errReached):
		return nil
	case upto == 0 && errors.As(err, &damage) && damage.Segment == last.name && c.index.end == t.offset:
		return s.nothingBehind(damage)
	}
	return err
}

var errReached = errors.New("reached")

// nothingBehind refuses a log with something other than zeros at its end.
func (s *Store) nothingBehind(damage *DamageError) error {
	used, err := lastUsed(s.segments[len(s.segments)-1], damage.Offset)
	if err == nil && used > damage.Offset {
		err = damage
	}
	return err
}

// A copier writes frames to the segments of a copy, many at a time.
type copier struct {
	to       disk.Disk
	id       uint64     // of the log, 0 before it has been looked at
	index    *index     // of what is copied
	segments []*segment // that are copied
	k        int        // the one being written
	file     disk.File
	at       int64 // where in it buffer begins
	buffer   []byte
}

// add takes a frame of segment k, which lies at the offset in the log.
func (c *copier) add(f *frame, k int, offset uint64) error {
	if c.file == nil || k != c.k {
		if err := c.finish(); err != nil {
			return err
		}
		g := c.segments[k]
		var err error
		if c.file, err = c.to.Open(g.name, true); err != nil {
			return err
		}
		c.k, c.at, c.buffer = k, 0, g.header(c.id)
	}
	if len(c.buffer) >= chunkSize {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if want := int64(offset - c.segments[k].base); c.at+int64(len(c.buffer)) != want {
		return c.segments[k].damage(want, "the frames have a gap")
	}
	c.buffer = append(c.buffer, f.b...)
	return nil
}

func (c *copier) flush() error {
	n, err := c.file.WriteAt(c.buffer, c.at)
	c.at, c.buffer = c.at+int64(n), c.buffer[:0]
	return err
}

// finish makes the segment that is being written durable.
func (c *copier) finish() error {
	if c.file == nil {
		return nil
	}
	err := c.flush()
	if err == nil {
		err = c.file.Sync()
	}
	err = errors.Join(err, c.file.Close())
	c.file = nil
	return err
}
