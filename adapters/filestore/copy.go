package filestore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
)

// Copy copies the log below from to an empty folder, frame by frame up to the one that holds position upto, and checks every
// frame as Open does; the last position copied is returned, and is upto or a little beyond. It takes no lock: a Store may go on
// writing and sweeping there, provided that it has reached upto. Zero copies all there is, and is for a log that nobody writes.
// Nothing but segments is copied: Open makes the rest. After an error what was copied is worthless.
func Copy(ctx context.Context, from, to disk.Disk, upto ledger.Position) (ledger.Position, error) {
	s := newStore(from, Options{}, nil)
	var err error
	if s.segments, s.id, err = openSegments(from, true); err != nil {
		return 0, err
	}
	defer closeAll(s.segments)
	if len(s.segments) == 0 {
		return 0, &DamageError{segmentName(1), 0, "there is no log"}
	}
	for _, g := range s.segments {
		g.sweeper = &s.sweeper
	}
	if err := to.MakeDir(segmentDir); err != nil {
		return 0, err
	}
	x, c := newIndex(s.id), &copier{to: to, id: s.id, segments: s.segments}
	err = s.copyFrames(ctx, c, x, upto)
	if err = errors.Join(err, c.finish()); err != nil {
		return 0, err
	}
	if x.position < upto {
		return 0, &DamageError{s.segments[len(s.segments)-1].name, 0,
			fmt.Sprintf("the log ends at position %d, and is known to reach %d", x.position, upto)}
	}
	return x.position, errors.Join(to.SyncDir(segmentDir), to.SyncDir(""))
}

// copyFrames copies until upto is reached. A sweep that goes on meanwhile overwrites sealed bytes, and has noted which before:
// where a frame does not hold, it is read once more with what is noted by now.
func (s *Store) copyFrames(ctx context.Context, c *copier, x *index, upto uint64) error {
	for stuck := uint64(0); ; {
		if _, err := s.resume(true); err != nil {
			return err
		}
		end := s.segments[len(s.segments)-1].base + uint64(s.segments[len(s.segments)-1].filled.Load())
		if upto > 0 {
			end = math.MaxInt64 // the file may have grown since it was opened
		}
		t := newTape(s.id, s.segments, x.end)
		err := scan(t, x, end, func(f *frame) error {
			if err := c.add(f, t.k, t.offset-uint64(len(f.b))); err != nil {
				return err
			}
			if upto > 0 && x.position >= upto {
				return errReached
			}
			return ctx.Err()
		})
		damage := new(DamageError)
		switch {
		case errors.Is(err, errReached), err == nil:
			return nil
		case !errors.As(err, &damage):
			return err
		case upto == 0 && t.k == len(s.segments)-1:
			return s.nothingBehind(damage)
		case stuck == t.offset:
			return err
		}
		stuck = t.offset
	}
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
	id       uint64
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
