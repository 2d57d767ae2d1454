package filestore

import (
	"slices"
	"sort"
)

// An index is what is known of a log without reading it.
type index struct {
	mark
	names  []string // of the streams, in order of their first frame; only ever appended to
	heads  []head   // of the streams, in the same order
	number map[string]uint32
	sparse []waypoint // only ever appended to
}

// A mark is a place between two frames.
type mark struct {
	end      uint64 // offset in the log of the next frame
	last     uint64 // offset of the frame before it, 0 if there is none
	position uint64 // of the last record before it
	sum      uint64 // of the frame before it, the log id if there is none
}

// A head is the end of a stream.
type head struct {
	version uint64
	offset  uint64 // of the stream's last frame, in the log
}

// A waypoint is one frame's offset, to begin looking for a position from.
type waypoint struct{ position, offset uint64 }

const waypointEvery = 100 // records

func newIndex(id uint64) *index {
	return &index{mark: mark{end: segmentHeader, sum: id}, number: map[string]uint32{}}
}

func (x *index) head(stream string) head {
	if i, known := x.number[stream]; known {
		return x.heads[i]
	}
	return head{}
}

// add takes the frame at x.end into the index.
func (x *index) add(f *frame) {
	h := head{f.lastVersion(), x.end}
	if i, known := x.number[string(f.name)]; known {
		x.heads[i] = h
	} else {
		name := string(f.name)
		x.number[name] = uint32(len(x.names))
		x.names = append(x.names, name)
		x.heads = append(x.heads, h)
	}
	if n := len(x.sparse); n == 0 || f.position >= x.sparse[n-1].position+waypointEvery {
		x.sparse = append(x.sparse, waypoint{f.position, x.end})
	}
	x.mark = mark{end: x.end + uint64(len(f.b)), last: x.end, position: f.lastPosition(), sum: f.sum}
}

// continues tells what keeps a frame that holds by itself from being the one at x.end.
func (x *index) continues(f *frame) (what string) {
	h := head{}
	if i, known := x.number[string(f.name)]; known {
		h = x.heads[i]
	}
	switch {
	case f.previous != x.sum:
		return "the frame does not continue the chain of checksums"
	case f.position != x.position+1:
		return "the frame does not continue the positions"
	case f.version != h.version+1:
		return "the frame does not continue its stream's versions"
	case f.prior != h.offset:
		return "the frame does not point to its stream's frame before"
	}
	return ""
}

// before is the offset of a frame at or before the position, from which to read on to it.
func (x *index) before(position uint64) uint64 {
	i := sort.Search(len(x.sparse), func(i int) bool { return x.sparse[i].position > position })
	if i == 0 {
		return segmentHeader
	}
	return x.sparse[i-1].offset
}

// clone copies the index, but for number. It shares what is only appended to.
func (x *index) clone() *index {
	return &index{mark: x.mark, names: x.names, heads: slices.Clone(x.heads), sparse: x.sparse}
}
