package filestore

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/disk"
)

const (
	segmentDir    = "segments"
	nextName      = segmentDir + "/next"
	segmentHeader = 64
	format        = 1
)

// A DamageError says that something stored is not as it was written.
type DamageError struct {
	Segment string // the file, below the store's folder
	Offset  int64  // in that file, in bytes
	What    string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("damaged: %s, offset %d: %s", e.Segment, e.Offset, e.What)
}

// A segment is one file of the log.
type segment struct {
	name   string
	file   disk.File
	number uint64
	base   uint64 // offset in the log at which it begins
	first  uint64 // position of its first record
	prior  uint64 // sum of the last frame before it

	sweeper *sweeper // of the store: see readAt

	// Zeros are written through a handle of their own. Linux tells a failed write-back to each handle once: with one
	// handle for both, the zeros' sync could be told of a failure that hit records, and the records' sync would not.
	pad     disk.File // nil but in the last segment of a store that writes
	filling sync.Mutex
	filled  atomic.Int64 // length of the file: frames, then zeros
}

func segmentName(first uint64) string { return fmt.Sprintf("%s/%020d", segmentDir, first) }

func (g *segment) damage(offset int64, format string, args ...any) error {
	return &DamageError{g.name, offset, fmt.Sprintf(format, args...)}
}

func (g *segment) header(id uint64) []byte {
	b := make([]byte, segmentHeader)
	copy(b[8:], "samtykke")
	for i, v := range []uint64{format, id, g.number, g.base, g.first, g.prior} {
		le.PutUint64(b[16+8*i:], v)
	}
	le.PutUint64(b, xxhash.Sum64(b[8:]))
	return b
}

// readSegment reads the header of an open segment file, and the log id in it.
func readSegment(name string, f disk.File) (*segment, uint64, error) {
	g := &segment{name: name, file: f}
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	g.filled.Store(size)
	b := make([]byte, segmentHeader)
	if _, err := f.ReadAt(b, 0); errors.Is(err, io.EOF) {
		return nil, 0, g.damage(0, "the segment's header is cut short")
	} else if err != nil {
		return nil, 0, err
	}
	switch {
	case le.Uint64(b) != xxhash.Sum64(b[8:]) || string(b[8:16]) != "samtykke":
		return nil, 0, g.damage(0, "the segment's header does not hold")
	case le.Uint64(b[16:]) != format:
		return nil, 0, g.damage(16, "the segment has format %d, known is %d", le.Uint64(b[16:]), format)
	}
	g.number, g.base, g.first, g.prior = le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:]), le.Uint64(b[56:])
	if name != segmentName(g.first) {
		return nil, 0, g.damage(48, "the segment begins with position %d, which is not its name", g.first)
	}
	return g, le.Uint64(b[24:]), nil
}

// openSegments opens the log's segments, oldest first, and checks that none is missing or from another log. It gives the
// log id, 0 if there are no segments.
func openSegments(d disk.Disk, readOnly bool) (segments []*segment, id uint64, err error) {
	defer func() {
		if err != nil {
			closeAll(segments)
			segments = nil
		}
	}()
	names, err := d.Names(segmentDir)
	if err != nil {
		return nil, 0, err
	}
	for _, base := range names {
		name := segmentDir + "/" + base
		if name == nextName {
			continue
		}
		if _, err := strconv.ParseUint(base, 10, 64); err != nil || len(base) != 20 {
			return segments, 0, &DamageError{name, 0, "a file that is no segment"}
		}
		open := func() (disk.File, error) { return d.Open(name, false) }
		if readOnly {
			open = func() (disk.File, error) { return d.OpenRead(name) }
		}
		f, err := open()
		if err != nil {
			return segments, 0, err
		}
		g, gid, err := readSegment(name, f)
		if err != nil {
			f.Close()
			return segments, 0, err
		}
		segments = append(segments, g)
		if err := follows(segments, gid, id); err != nil {
			return segments, 0, err
		}
		id = gid
	}
	return segments, id, nil
}

// follows checks that the last of the segments, of the log gid, continues those before it, of the log id.
func follows(segments []*segment, gid, id uint64) error {
	g := segments[len(segments)-1]
	if want := uint64(len(segments)); g.number != want {
		return g.damage(32, "this is segment %d of the log; segment %d is missing", g.number, want)
	}
	if len(segments) == 1 {
		if g.base != 0 || g.first != 1 || g.prior != gid || gid == 0 {
			return g.damage(0, "the first segment's header contradicts itself")
		}
		return nil
	}
	before := segments[len(segments)-2]
	switch {
	case gid != id:
		return g.damage(24, "the segment is of another log")
	case g.base < before.base+segmentHeader || g.first < before.first:
		return g.damage(40, "the segment does not continue the one before")
	case uint64(before.filled.Load()) < g.base-before.base:
		return before.damage(before.filled.Load(), "the segment is cut short")
	}
	return nil
}

func closeAll(segments []*segment) error {
	var errs []error
	for _, g := range segments {
		errs = append(errs, g.file.Close())
		if g.pad != nil {
			errs = append(errs, g.pad.Close())
		}
	}
	return errors.Join(errs...)
}

var zeros [256 << 10]byte

// fill writes zeros until the file is at least to bytes long, and makes that durable.
func (g *segment) fill(to int64) error {
	if g.filled.Load() >= to {
		return nil
	}
	g.filling.Lock()
	defer g.filling.Unlock()
	at := g.filled.Load()
	if at >= to || g.pad == nil { // with pad nil it is no longer the last segment
		return nil
	}
	for at < to {
		n, err := g.pad.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at)
		at += int64(n)
		if err != nil {
			g.filled.Store(at)
			return err
		}
	}
	// Whoever appends may go on here from now; the sync only spares the next fdatasync the file's new length.
	g.filled.Store(at)
	if err := g.pad.Sync(); err != nil {
		return &unsureError{err}
	}
	return nil
}

// An unsureError is a failed write or sync after which nobody knows what is stored, whatever its cause.
type unsureError struct{ cause error }

func (e *unsureError) Error() string { return e.cause.Error() }
func (e *unsureError) Unwrap() error { return e.cause }

// noRoom tells whether the error says that the disk is full, for this user at least, and nothing worse.
func noRoom(err error) bool {
	return !errors.As(err, new(*unsureError)) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}
