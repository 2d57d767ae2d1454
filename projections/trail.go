package projections

import (
	"encoding/binary"
	"iter"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// A Trail is a list of places in the ledger, in order: the look-ups, refused attempts and queries that belong together.
// The rows themselves are read there, so that a trail is the ledger's own account and costs two or three bytes a row.
type Trail struct {
	Last  uint64
	Count int
	Steps []byte // differences between positions, as variable-length numbers
}

// Add puts a later position behind the trail. An earlier one, or the last again, changes nothing. The steps grow in
// place where there is room, so that a long trail is not copied for each row: whoever holds the trail as it was goes on
// seeing what it saw, but of two trails continued from the same one, only the later is good.
func (t Trail) Add(position uint64) Trail {
	if position <= t.Last {
		return t
	}
	t.Steps = binary.AppendUvarint(t.Steps, position-t.Last)
	t.Last = position
	t.Count++
	return t
}

// Positions yields the places in order.
func (t Trail) Positions() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		at := uint64(0)
		for b := t.Steps; len(b) > 0; {
			step, n := binary.Uvarint(b)
			if n <= 0 {
				return // unreachable unless the document was damaged at rest, which its seal or checksum tells
			}
			at, b = at+step, b[n:]
			if !yield(at) {
				return
			}
		}
	}
}

func extend(t Trail, f *Fact) Trail { return t.Add(f.Position) }

// fullTrail is from how many bytes on the steps of a trail are full.
const fullTrail = 4096

func cutTrail(t Trail) (full, rest Trail, ok bool) {
	full, rest = t, t
	rest.Steps = nil
	return full, rest, len(t.Steps) >= fullTrail
}

func joinTrail(full, rest Trail) Trail {
	rest.Steps = append(full.Steps, rest.Steps...)
	return rest
}

// access is a client's access log: who looked, and who tried. The document of a client id. Whoever opened everything at once
// looked at everybody: that is in the document of Everybody.
var access = View[Trail]{
	Name:    "access",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch b := f.Body.(type) {
		case client.LookedUp:
			return f.Subject, true
		case oversight.LookUpRefused:
			return b.Client, !b.Client.IsZero()
		case oversight.Queried:
			return Everybody, b.Opened
		}
		return domain.ID{}, false
	},
	Apply: extend,
	Cut:   cutTrail,
	Join:  joinTrail,
}

// Everybody is the key of the access log that every client shares.
var Everybody = eventschema.ServiceID

// audit is the trail of one who reads: every look-up, refused attempt, query and use of exceptional access of that person. The
// document of the person's id.
var audit = View[Trail]{
	Name:    "audit",
	Version: 2,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case client.LookedUp, oversight.LookUpRefused, oversight.Queried, oversight.AccessUsed:
			return f.Act.Actor, true
		}
		return domain.ID{}, false
	},
	Apply: extend,
	Cut:   cutTrail,
	Join:  joinTrail,
}

// organisations is the trail of one organisation: every look-up and refused attempt by whoever acted on its behalf, or said so. The
// document of the organisation's id.
var organisations = View[Trail]{
	Name:    "organisations",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case client.LookedUp, oversight.LookUpRefused:
			return f.Act.Organisation, !f.Act.Organisation.IsZero()
		}
		return domain.ID{}, false
	},
	Apply: extend,
	Cut:   cutTrail,
	Join:  joinTrail,
}

// Times tell where in the ledger to look for what was recorded in a period. Instants grow within a stream and not over the ledger,
// where a clock that was set back, or two commands at once, put a later one first: so of each block of trail events the earliest and
// the latest instant is kept, and nothing is assumed of their order. It costs one block for so many events (BlockSize).
type Times struct {
	Full []Block
	Last Block // that is being filled
}

// A Block is a number of trail events that follow each other, perhaps with others between them.
type Block struct {
	First, Final     uint64 // positions
	Count            int
	Earliest, Latest time.Time
}

// BlockSize is how many trail events a block has.
const BlockSize = 1024

// Add puts a later event behind the rest. An earlier one, or the last again, changes nothing. As with a Trail, of two continued from
// the same one only the later is good.
func (t Times) Add(position uint64, at time.Time) Times {
	if position <= t.Last.Final {
		return t
	}
	if t.Last.Count == BlockSize {
		t.Full, t.Last = append(t.Full, t.Last), Block{}
	}
	b := &t.Last
	if b.Count == 0 {
		b.First, b.Earliest, b.Latest = position, at, at
	}
	if at.Before(b.Earliest) {
		b.Earliest = at
	}
	if at.After(b.Latest) {
		b.Latest = at
	}
	b.Final = position
	b.Count++
	return t
}

// Within yields the stretches of the ledger, from one position to another, that hold all trail events recorded from an instant and
// before another. A zero one is no bound.
func (t Times) Within(from, to time.Time) iter.Seq2[uint64, uint64] {
	return func(yield func(uint64, uint64) bool) {
		var first, final uint64 // of a stretch that may go on
		for i := range len(t.Full) + 1 {
			b := &t.Last
			if i < len(t.Full) {
				b = &t.Full[i]
			}
			in := b.Count > 0 && !b.Latest.Before(from) && (to.IsZero() || b.Earliest.Before(to))
			switch {
			case in && first == 0:
				first, final = b.First, b.Final
			case in:
				final = b.Final
			case first > 0:
				if !yield(first, final) {
					return
				}
				first = 0
			}
		}
		if first > 0 {
			yield(first, final)
		}
	}
}

// times are those of all trail events: of look-ups, refused attempts, queries, and exceptional access. The document of Everybody.
var times = View[Times]{
	Name:    "times",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case client.LookedUp, oversight.LookUpRefused, oversight.SignInRefused, oversight.Queried, oversight.AccessUsed:
			return Everybody, true
		}
		return domain.ID{}, false
	},
	Apply: func(t Times, f *Fact) Times { return t.Add(f.Position, f.Act.At) },
	Cut: func(t Times) (full, rest Times, ok bool) {
		return Times{Full: t.Full}, Times{Last: t.Last}, len(t.Full) >= fullTimes
	},
	Join: func(full, rest Times) Times {
		return Times{Full: append(full.Full, rest.Full...), Last: rest.Last}
	},
}

// fullTimes is how many blocks make a full part of the times.
const fullTimes = 64
