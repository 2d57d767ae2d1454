package filestore

import (
	"bytes"
	"errors"
	"io"
	"sort"
)

const chunkSize = 1 << 20

// firstChunk is the size of a tape's first one, each later one being twice the last: who wants one record reads little.
const firstChunk = 32 << 10

// A tape reads the log's frames forward, in large chunks.
type tape struct {
	id       uint64
	segments []*segment
	k        int    // the segment being read
	offset   uint64 // in the log, of the frame to come
	chunk    []byte // what has been read and not used, from offset on
	buffer   []byte // what chunk lies in, when it may be written over: see reuse
	size     int    // of the last chunk that was read
	reuse    bool   // the frames are not kept beyond the next call of next
}

// newTape begins at a frame's offset, or where a frame will be.
func newTape(id uint64, segments []*segment, offset uint64) *tape {
	return &tape{id: id, segments: segments, offset: offset, k: segmentOf(segments, offset)}
}

// segmentOf is the segment that the frame at the offset lies in. An offset where one segment's frames end and the next
// segment begins belongs to the former.
func segmentOf(segments []*segment, offset uint64) int {
	return max(0, sort.Search(len(segments), func(i int) bool { return segments[i].base+segmentHeader > offset })-1)
}

// next reads the frame at t.offset, and moves on. The log ends at end: there the error is io.EOF. Where no frame holds,
// the error is a *DamageError, and the tape stays there.
func (t *tape) next(end uint64) (frame, error) {
	limit := t.limit(end)
	if t.offset == limit && t.k+1 < len(t.segments) {
		t.k++
		t.offset, t.chunk = t.segments[t.k].base+segmentHeader, nil
		limit = t.limit(end)
	}
	if t.offset >= limit {
		return frame{}, io.EOF
	}
	if err := t.want(frameHeader, limit); err != nil {
		return frame{}, err
	}
	if len(t.chunk) >= frameHeader {
		if size, ok := frameSize(t.chunk); ok {
			if err := t.want(size, limit); err != nil {
				return frame{}, err
			}
		}
	}
	f, what := parseFrame(t.chunk, t.id)
	if what != "" {
		return frame{}, t.damage(what)
	}
	t.offset += uint64(len(f.b))
	t.chunk = t.chunk[len(f.b):]
	return f, nil
}

// limit is where the frames of the segment being read end.
func (t *tape) limit(end uint64) uint64 {
	if t.k+1 < len(t.segments) {
		return t.segments[t.k+1].base
	}
	return end
}

// want reads on until the chunk holds n bytes, or all there are up to the limit.
func (t *tape) want(n int, limit uint64) error {
	if len(t.chunk) >= n || uint64(len(t.chunk)) == limit-t.offset {
		return nil
	}
	t.size = min(max(2*t.size, firstChunk), chunkSize)
	size := int(min(uint64(max(n, t.size)), limit-t.offset))
	b := t.buffer[:0]
	if !t.reuse || cap(b) < size {
		b = make([]byte, 0, size)
	}
	b = b[:size]
	g := t.segments[t.k]
	read, err := g.readAt(b, int64(t.offset-g.base))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.chunk = b[:read]
	if t.reuse {
		t.buffer = b
	}
	return nil
}

func (t *tape) damage(what string) error {
	g := t.segments[t.k]
	return g.damage(int64(t.offset-g.base), "%s", what)
}

// scan takes the frames from x.end on into the index, up to end, after checking that each continues the one before.
// after is called with each; an error of it ends the scan. Where no frame follows that holds and continues, the error
// is a *DamageError.
func scan(t *tape, x *index, end uint64, after func(*frame) error) error {
	t.reuse = true
	for k := t.k; ; {
		f, err := t.next(end)
		for ; k < t.k; k++ {
			if err := seam(t.segments[k], t.segments[k+1], x); err != nil {
				return err
			}
			x.end = t.segments[k+1].base + segmentHeader
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if what := x.continues(&f); what != "" {
			t.offset -= uint64(len(f.b))
			return t.damage(what)
		}
		x.add(&f)
		if err := after(&f); err != nil {
			return err
		}
	}
}

// seam checks that a segment's header continues what was read of the segment before it, and that nothing but zeros
// stands behind the latter's last frame.
func seam(before, g *segment, x *index) error {
	if g.first != x.position+1 || g.prior != x.sum {
		return g.damage(48, "the segment does not continue the one before")
	}
	at := int64(g.base - before.base)
	used, err := lastUsed(before, at)
	if err != nil {
		return err
	}
	if used > at {
		return before.damage(at, "something stands behind the segment's end")
	}
	return nil
}

// lastUsed is the offset in the file behind the last byte from offset on that is not zero, or offset.
func lastUsed(g *segment, offset int64) (int64, error) {
	b := make([]byte, min(int64(len(zeros)), max(g.filled.Load()-offset, 0)+1))
	used := offset
	for at := offset; ; {
		n, err := g.file.ReadAt(b, at)
		if !bytes.Equal(b[:n], zeros[:n]) {
			used = at + int64(len(bytes.TrimRight(b[:n], "\x00")))
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			return used, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
