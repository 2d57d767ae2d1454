package projections

import (
	"encoding/binary"
	"iter"

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
}

// Everybody is the key of the access log that every client shares.
var Everybody = eventschema.ServiceID

// audit is the trail of one who reads: every look-up, refused attempt and query of that person. The document of the
// person's id.
var audit = View[Trail]{
	Name:    "audit",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case client.LookedUp, oversight.LookUpRefused, oversight.Queried:
			return f.Act.Actor, true
		}
		return domain.ID{}, false
	},
	Apply: extend,
}
