// Package evidence counts, clause by clause, what the ledger shows of the data processing agreement for one organisation and one
// period: the report that is laid before a controller or an authority.
//
// # A pure function
//
// Make folds the ledger once, from its first event to the last that it is given, and reads no clock and no view: the same records,
// organisation, period and keys give the same report, byte for byte. The report names the position that it ends at and the root of
// the Merkle tree over all events up to there, so that it can be made again and held against any signed checkpoint.
//
// The keys are part of it. Sign-ins, corrections and what an organisation agreed are sealed. What was sealed under a key that has
// been destroyed since cannot be dated and is counted nowhere; the figure sealed-gone says how many events that is.
//
// # What belongs to the period
//
// A count is of events recorded from the period's first instant and before its end. What became of a thing that began in the period
// (an erasure, a correction, an exceptional access) is told as it stands at the report's position. What stands open, who is active
// and what is agreed is told as at the period's end, or at the latest instant in the ledger where that is earlier.
//
// A figure is about the organisation: its own people, its clients, and attempts at these by others. A figure whose Scope is Service
// is about the whole service, since exceptional access or an auditor's question is not tied to one organisation.
//
// # What is shown
//
// Numbers and positions. No name but the organisation's own, no label and no content. A figure tells how many events stand behind
// it, the first and the last, and the first few by position; samtykke why tells of each of them.
//
// A clause of which the ledger holds nothing says so (Clause.NotKept), so that nobody takes silence for a figure.
package evidence

import (
	"iter"
	"time"

	"samtykke/domain"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// An Ask is whose report it is, of which period, under which rules.
type Ask struct {
	Organisation domain.ID
	From, To     time.Time // recorded from, and before
	Rules        rules.Books
}

// A Report is the agreement clause by clause.
type Report struct {
	Organisation domain.ID `json:"organisation"`
	Name         string    `json:"name,omitempty"` // nothing where the organisation's key is gone
	From         time.Time `json:"from"`
	To           time.Time `json:"to"`
	Position     uint64    `json:"position"` // the last event that it counts
	Root         string    `json:"root"`     // of the Merkle tree up to there, in base64 as in checkpoints
	Clauses      []Clause  `json:"clauses"`
}

// A Clause is one obligation with its figures, as the ledger shows it.
type Clause struct {
	ID      string   `json:"id"`
	Words   string   `json:"words"`
	Figures []Figure `json:"figures"`
	NotKept string   `json:"notKept,omitempty"` // what of it this ledger does not hold
}

// A Figure is one number with the events that it comes of.
type Figure struct {
	ID     string `json:"id"`
	Words  string `json:"words"`
	Scope  Scope  `json:"scope"`
	Value  int64  `json:"value"`
	Unit   Unit   `json:"unit"`
	Must   string `json:"must,omitempty"` // what it has to be
	Wrong  bool   `json:"wrong"`          // it is not
	Events Events `json:"events"`
	Parts  []Part `json:"parts,omitempty"`
}

// A Part is what the figure consists of, one row each.
type Part struct {
	Words  string `json:"words"`
	Value  int64  `json:"value"`
	Events Events `json:"events"`
}

// Events are those behind a figure, by position.
type Events struct {
	Count  int      `json:"count"`
	First  uint64   `json:"first,omitempty"`
	Last   uint64   `json:"last,omitempty"`
	Listed []uint64 `json:"listed,omitempty"` // the first ones
}

// listed is how many events a figure names one by one.
const listed = 3

func (e *Events) add(position uint64) {
	if e.Count++; e.First == 0 {
		e.First = position
	}
	e.Last = max(e.Last, position)
	if len(e.Listed) < listed {
		e.Listed = append(e.Listed, position)
	}
}

// Scope is what a figure is about.
type Scope string

const (
	Organisation Scope = "organisation"
	Service      Scope = "service"
)

// Unit is what a figure counts.
type Unit string

const (
	Number      Unit = "number"
	Seconds     Unit = "seconds"
	WorkingDays Unit = "working-days"
	Days        Unit = "days"
	Months      Unit = "months"
)

// NoOrganisation is the code of the refusal where there was no such organisation by the period's end.
const NoOrganisation = "no-such-organisation"

// Make folds records from the ledger's first event on. Keys opens what is sealed. Its error is a *domain.Refusal with NoOrganisation, or a
// failure to read.
func Make(ask Ask, records iter.Seq2[eventschema.Record, error], keys eventschema.Keys) (Report, error) {
	c := newCount(ask)
	for r, err := range records {
		if err != nil {
			return Report{}, err
		}
		c.tree.add(r.Leaf())
		f, err := eventschema.Today.Decode(&r, nil)
		if err == nil && f.Closed != nil && c.opens(&f) {
			err = eventschema.Today.Open(&f, keys)
		}
		if err != nil {
			return Report{}, err
		}
		c.fact(&f)
	}
	if c.org.Version == 0 {
		return Report{}, domain.Refuse(NoOrganisation, "There was no such organisation by the period's end.")
	}
	c.finish()
	return Report{
		Organisation: ask.Organisation, Name: c.name, From: ask.From, To: ask.To,
		Position: c.position, Root: c.tree.root(), Clauses: c.clauses(),
	}, nil
}
