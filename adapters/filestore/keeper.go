package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/disk"
)

// The index file: sum of all that follows (u64), "samindex", format, log id, the mark (four u64), the number of streams
// and of waypoints; then per stream its version and last frame's offset (u64 each) and its name's length (u16), all
// names, and per waypoint its position and offset (u64 each).
//
// The checkpoint file: sum of what follows, "samcheck", format, log id, the mark.

const (
	indexName      = "index"
	checkpointName = "checkpoint"
	markSize       = 8 + 8 + 8 + 8 + 4*8 // sum, kind, format, log id, mark
)

// A keeper writes the index in the background, every so many records.
type keeper struct {
	every  uint64
	last   uint64 // the position it was last asked for at
	due    chan struct{}
	ended  chan struct{}
	stored mark // of the last index that was written
}

func (k *keeper) start(s *Store) {
	k.every, k.due, k.ended = s.opts.IndexEvery, make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(k.ended)
		for range k.due {
			if err := s.writeIndex(); err != nil {
				s.opts.Warn(fmt.Errorf("the index was not written: %w", err))
			}
		}
	}()
	k.noticeDue(s.index)
}

func (k *keeper) stop() {
	close(k.due)
	<-k.ended
}

// noticeDue asks for the index to be written when enough has come since the last time.
func (k *keeper) noticeDue(x *index) {
	if x.position-k.last < max(k.every, uint64(len(x.names))) {
		return
	}
	k.last = x.position
	select {
	case k.due <- struct{}{}:
	default:
	}
}

// writeIndex writes the index as it is now, then the checkpoint.
func (s *Store) writeIndex() error {
	s.mu.RLock()
	x, last := s.index.clone(), s.segments[len(s.segments)-1]
	s.mu.RUnlock()
	if x.mark == s.keeper.stored {
		return nil
	}
	if _, err := last.file.Size(); err != nil {
		return err // whoever has lost the log must not say how far it reaches
	}
	if err := replace(s.disk, indexName, x.encode(s.id)); err != nil {
		return err
	}
	if err := replace(s.disk, checkpointName, seal(x.mark.encode("samcheck", s.id))); err != nil {
		return err
	}
	s.keeper.stored = x.mark
	return nil
}

// replace writes a file anew: a crash leaves the old one or the new.
func replace(d disk.Disk, name string, b []byte) error {
	aside := name + ".new"
	if err := writeFile(d, aside, b); err != nil {
		return err
	}
	if err := d.Rename(aside, name); err != nil {
		return err
	}
	return d.SyncDir("")
}

// writeFile writes a file durably, but for its entry in the folder.
func writeFile(d disk.Disk, name string, b []byte) error {
	f, err := d.Open(name, true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (m mark) encode(kind string, id uint64) []byte {
	b := append(make([]byte, 8), kind...)
	for _, v := range []uint64{format, id, m.end, m.last, m.position, m.sum} {
		b = le.AppendUint64(b, v)
	}
	return b
}

func seal(b []byte) []byte {
	le.PutUint64(b, xxhash.Sum64(b[8:]))
	return b
}

// opened checks what seal made, and gives the log id.
func opened(b []byte, kind string) (id uint64, ok bool) {
	if len(b) < 32 || le.Uint64(b) != xxhash.Sum64(b[8:]) || string(b[8:16]) != kind || le.Uint64(b[16:]) != format {
		return 0, false
	}
	return le.Uint64(b[24:]), true
}

// decodeMark reads what both files begin with.
func decodeMark(b []byte, kind string) (m mark, id uint64, ok bool) {
	if id, ok = opened(b, kind); !ok || len(b) < markSize {
		return mark{}, 0, false
	}
	u := func(i int) uint64 { return le.Uint64(b[32+8*i:]) }
	return mark{end: u(0), last: u(1), position: u(2), sum: u(3)}, id, true
}

func (x *index) encode(id uint64) []byte {
	b := x.mark.encode("samindex", id)
	b = le.AppendUint64(b, uint64(len(x.names)))
	b = le.AppendUint64(b, uint64(len(x.sparse)))
	for i, h := range x.heads {
		b = le.AppendUint64(b, h.version)
		b = le.AppendUint64(b, h.offset)
		b = le.AppendUint16(b, uint16(len(x.names[i])))
	}
	for _, name := range x.names {
		b = append(b, name...)
	}
	for _, w := range x.sparse {
		b = le.AppendUint64(b, w.position)
		b = le.AppendUint64(b, w.offset)
	}
	return seal(b)
}

// decodeIndex reads an index file of the log id.
func decodeIndex(b []byte, id uint64) (x *index, what string) {
	m, got, ok := decodeMark(b, "samindex")
	if !ok || len(b) < markSize+16 {
		return nil, "the index file does not hold"
	}
	if got != id {
		return nil, "the index file is of another log"
	}
	streams, waypoints := le.Uint64(b[markSize:]), le.Uint64(b[markSize+8:])
	heads := b[markSize+16:]
	if streams > math.MaxUint32 || uint64(len(heads))/18 < streams || uint64(len(heads))/16 < waypoints {
		return nil, "the index file contradicts itself"
	}
	rest := heads[streams*18:]
	if uint64(len(rest)) < waypoints*16 {
		return nil, "the index file contradicts itself"
	}
	names, sparse := string(rest[:uint64(len(rest))-waypoints*16]), rest[uint64(len(rest))-waypoints*16:]
	x = &index{
		mark: m, names: make([]string, 0, streams), heads: make([]head, 0, streams), number: make(map[string]uint32, streams),
		sparse: make([]waypoint, 0, waypoints),
	}
	for i := range streams {
		h := heads[i*18:]
		n := int(le.Uint16(h[16:]))
		if n > len(names) {
			return nil, "the index file contradicts itself"
		}
		x.number[names[:n]] = uint32(i)
		x.names = append(x.names, names[:n])
		x.heads = append(x.heads, head{le.Uint64(h), le.Uint64(h[8:])})
		names = names[n:]
	}
	for i := range waypoints {
		x.sparse = append(x.sparse, waypoint{le.Uint64(sparse[i*16:]), le.Uint64(sparse[i*16+8:])})
	}
	if names != "" || uint64(len(x.number)) != streams {
		return nil, "the index file contradicts itself"
	}
	return x, ""
}

// readCheckpoint gives the checkpoint of the log id, the zero mark if none was ever written.
func readCheckpoint(d disk.Disk, id uint64) (mark, error) {
	b, err := disk.ReadFile(d, checkpointName)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, err
	}
	m, got, ok := decodeMark(b, "samcheck")
	switch {
	case !ok || len(b) != markSize:
		return mark{}, &DamageError{checkpointName, 0, "the checkpoint does not hold"}
	case got != id:
		return mark{}, &DamageError{checkpointName, 24, "the checkpoint is of another log"}
	}
	return m, nil
}

// fits tells whether the index ends where a frame of the log does, with that frame's sum.
func (x *index) fits(id uint64, segments []*segment) (bool, error) {
	if x.last == 0 {
		return x.mark == newIndex(id).mark && len(x.names) == 0, nil
	}
	f, err := (&backtrack{id: id, segments: segments}).read(x.last)
	if errors.As(err, new(*DamageError)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	end := x.last + uint64(len(f.b))
	g := segments[segmentOf(segments, x.end)]
	atEnd := x.end == end || x.end == end+segmentHeader && g.base == end // the latter when nothing is in the segment yet
	return atEnd && f.sum == x.sum && f.lastPosition() == x.position, nil
}

// readIndex gives the index file's content if it fits the segments, otherwise why not.
func readIndex(d disk.Disk, id uint64, segments []*segment) (x *index, what string, err error) {
	b, err := disk.ReadFile(d, indexName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "there is no index file", nil
	}
	if err != nil {
		return nil, "", err
	}
	if x, what = decodeIndex(b, id); what != "" {
		return nil, what, nil
	}
	switch fits, err := x.fits(id, segments); {
	case err != nil:
		return nil, "", err
	case !fits:
		return nil, "the index file does not fit the log", nil
	}
	return x, "", nil
}
