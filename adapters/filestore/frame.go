package filestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

const (
	frameHeader = 64
	entrySize   = 32
	noSealed    = math.MaxUint32

	// MaxAppend is the largest frame, and so about the most one call of Append can store, in bytes.
	MaxAppend = 16 << 20
	// MaxName is the longest name of a stream, in bytes.
	MaxName = 1 << 10
)

var frameMark = [4]byte{'f', 'r', 'a', 'm'}

// Erased is the pattern that a sweep repeats over sealed bytes, from the start of each record's.
var Erased = [8]byte{0xE5, 'e', 'r', 'a', 's', 'e', 'd', 0xE5}

var le = binary.LittleEndian

// A frame is one append, as it lies in b. Its slices point into b.
type frame struct {
	b             []byte
	sum, previous uint64
	back, covered int
	position      uint64 // of the first record
	prior         uint64 // offset in the log of the stream's frame before
	version       uint64 // of the first record
	count         int
	name          []byte
}

func (f *frame) lastPosition() uint64 { return f.position + uint64(f.count) - 1 }
func (f *frame) lastVersion() uint64  { return f.version + uint64(f.count) - 1 }

// frameSize is the length of the frame that begins in b, which holds at least a frame's header; it is not ok when no
// frame can have that length.
func frameSize(b []byte) (size int, ok bool) {
	size = int(le.Uint32(b[20:]))
	return size, [4]byte(b[16:20]) == frameMark && size >= frameHeader && size <= MaxAppend && size%8 == 0
}

// parseFrame reads the frame at the start of b, and checks all that it says about itself. If the frame does not hold, what
// says why; it is then worth nothing.
func parseFrame(b []byte, id uint64) (f frame, what string) {
	if len(b) < frameHeader {
		return frame{}, "a frame's header is cut short"
	}
	size, ok := frameSize(b)
	if !ok {
		return frame{}, "no frame begins here"
	}
	if size > len(b) {
		return frame{}, "a frame is cut short"
	}
	f = frame{
		b: b[:size:size], sum: le.Uint64(b), previous: le.Uint64(b[8:]), back: int(le.Uint32(b[24:])), covered: int(le.Uint32(b[28:])),
		position: le.Uint64(b[32:]), prior: le.Uint64(b[40:]), version: le.Uint64(b[48:]), count: int(le.Uint32(b[56:])),
	}
	name := int(le.Uint32(b[60:]))
	if f.covered < frameHeader || f.covered > size || f.sum != xxhash.Sum64(b[8:f.covered])^id {
		return frame{}, "a frame's checksum does not hold"
	}
	// From here on the frame is as somebody wrote it. What follows finds a writer's mistakes and forgeries.
	if f.count == 0 || f.position == 0 || f.version == 0 || f.back%8 != 0 || name == 0 || name > MaxName ||
		f.count > (f.covered-frameHeader-name)/entrySize {
		return frame{}, "a frame contradicts itself"
	}
	f.name = f.b[frameHeader : frameHeader+name]
	return f, f.checkBody()
}

// checkBody checks that the records' lengths fill the frame, and every sealed record's sum.
func (f *frame) checkBody() (what string) {
	data, sealed := f.tableEnd(), f.covered
	for i := range f.count {
		e := f.entry(i)
		data += e.data()
		n, isSealed := e.sealed()
		if n > len(f.b)-sealed || data > f.covered {
			return "a frame contradicts itself"
		}
		if isSealed && !e.holds(f.b[sealed:sealed+n]) && !isErased(f.b[sealed:sealed+n]) {
			return "the checksum of sealed bytes does not hold"
		}
		sealed += n
	}
	if data != f.covered || len(f.b)-sealed >= 8 {
		return "a frame contradicts itself"
	}
	for _, pad := range f.b[sealed:] {
		if pad != 0 {
			return "a frame's padding is not zero"
		}
	}
	return ""
}

func (f *frame) tableEnd() int { return frameHeader + len(f.name) + f.count*entrySize }

// An entry describes one record of a frame.
type entry []byte

func (f *frame) entry(i int) entry {
	at := frameHeader + len(f.name) + i*entrySize
	return entry(f.b[at : at+entrySize])
}

func (e entry) id() domain.ID { return domain.ID(e[:16]) }
func (e entry) data() int     { return int(le.Uint32(e[16:])) }
func (e entry) sealed() (n int, isSealed bool) {
	if u := le.Uint32(e[20:]); u != noSealed {
		return int(u), true
	}
	return 0, false
}
func (e entry) holds(sealed []byte) bool { return le.Uint64(e[24:]) == xxhash.Sum64(sealed) }

func isErased(sealed []byte) bool {
	for len(sealed) >= len(Erased) {
		if [len(Erased)]byte(sealed) != Erased {
			return false
		}
		sealed = sealed[len(Erased):]
	}
	return bytes.Equal(sealed, Erased[:len(sealed)])
}

// records calls yield with each record from the version on, until it returns false; it tells whether it never did.
func (f *frame) records(from uint64, yield func(eventschema.Record) bool) bool {
	stream := string(f.name)
	data, sealed := f.tableEnd(), f.covered
	for i := range f.count {
		e := f.entry(i)
		d := data + e.data()
		n, isSealed := e.sealed()
		s := sealed + n
		if version := f.version + uint64(i); version >= from {
			r := eventschema.Record{
				ID: e.id(), Stream: stream, Version: version, Position: f.position + uint64(i), Data: f.b[data:d:d],
			}
			if isSealed && (!isErased(f.b[sealed:s]) || e.holds(f.b[sealed:s])) {
				r.Sealed = f.b[sealed:s:s]
			}
			if !yield(r) {
				return false
			}
		}
		data, sealed = d, s
	}
	return true
}

// erased counts the records whose sealed bytes are erased.
func (f *frame) erased() (count uint64) {
	i := 0
	f.records(0, func(r eventschema.Record) bool {
		if _, isSealed := f.entry(i).sealed(); isSealed && r.Sealed == nil {
			count++
		}
		i++
		return true
	})
	return count
}

// newFrame encodes an append, all but what only the writer knows: see place.
func newFrame(b []byte, stream string, version uint64, records []eventschema.Record) []byte {
	b = append(b, make([]byte, frameHeader)...)
	b = append(b, stream...)
	for _, r := range records {
		b = append(b, r.ID[:]...)
		b = le.AppendUint32(b, uint32(len(r.Data)))
		if r.Sealed == nil {
			b = le.AppendUint32(b, noSealed)
			b = le.AppendUint64(b, 0)
			continue
		}
		b = le.AppendUint32(b, uint32(len(r.Sealed)))
		b = le.AppendUint64(b, xxhash.Sum64(r.Sealed))
	}
	for _, r := range records {
		b = append(b, r.Data...)
	}
	covered := len(b)
	for _, r := range records {
		b = append(b, r.Sealed...)
	}
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	copy(b[16:], frameMark[:])
	le.PutUint32(b[20:], uint32(len(b)))
	le.PutUint32(b[28:], uint32(covered))
	le.PutUint64(b[48:], version)
	le.PutUint32(b[56:], uint32(len(records)))
	le.PutUint32(b[60:], uint32(len(stream)))
	return b
}

// place completes a frame of newFrame for its place in the log, and returns its sum.
func place(b []byte, id, previous uint64, back int, position, prior uint64) uint64 {
	le.PutUint64(b[8:], previous)
	le.PutUint32(b[24:], uint32(back))
	le.PutUint64(b[32:], position)
	le.PutUint64(b[40:], prior)
	sum := xxhash.Sum64(b[8:le.Uint32(b[28:])]) ^ id
	le.PutUint64(b, sum)
	return sum
}

// admit refuses what no frame can hold.
func admit(stream string, records []eventschema.Record) error {
	size := frameHeader + len(stream) + len(records)*entrySize + 8
	switch {
	case stream == "":
		return fmt.Errorf("a stream without a name: %w", ledger.ErrRefused)
	case len(stream) > MaxName:
		return fmt.Errorf("a stream's name of %d bytes, at most %d: %w", len(stream), MaxName, ledger.ErrRefused)
	case len(records) == 0:
		return fmt.Errorf("an append of no records: %w", ledger.ErrRefused)
	}
	for _, r := range records {
		n := len(r.Data) + len(r.Sealed)
		if n > ledger.MaxRecord {
			return fmt.Errorf("a record of %d bytes, at most %d: %w", n, ledger.MaxRecord, ledger.ErrRefused)
		}
		if size += n; size > MaxAppend {
			return fmt.Errorf("an append of more than %d bytes: %w", MaxAppend, ledger.ErrRefused)
		}
	}
	return nil
}
