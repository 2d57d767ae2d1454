package audit

import (
	"context"
	"fmt"
	"iter"
	"time"

	"samtykke/eventschema"
	"samtykke/projections"
)

// A Page says which part of an answer is asked for.
type Page struct {
	After uint64 // what stands behind this position; 0: from the first event
	Upto  uint64 // and not behind this one; 0: all that stands before the question
	Limit int    // rows; 0 or less: DefaultLimit; at most MaxLimit
}

// How many rows a page has.
const (
	DefaultLimit = 100
	MaxLimit     = 10_000
)

// reading is how many events are read for one page.
const reading = 1 << 16

func limit(n int) int {
	if n <= 0 {
		return DefaultLimit
	}
	return min(n, MaxLimit)
}

// String names what is asked for, as it is recorded.
func (p Page) String() string {
	s := ""
	if p.After > 0 {
		s += fmt.Sprintf(", behind position %d", p.After)
	}
	if p.Upto > 0 {
		s += fmt.Sprintf(", up to position %d", p.Upto)
	}
	return s
}

// end is the last position that the page may show, for a question that was recorded at its own.
func (p Page) end(own uint64) uint64 {
	if p.Upto > 0 {
		return min(p.Upto, own-1)
	}
	return own - 1
}

// walk hands records to take, which tells rows from the rest and keeps them while keep says so, until the page is full. It gives
// where the next page begins; 0: there is none.
func (p Page) walk(records iter.Seq2[eventschema.Record, error], take func(f *eventschema.Fact, keep bool) (row bool, err error)) (next uint64, err error) {
	read, rows, last := 0, 0, p.After
	for r, err := range records {
		if err != nil {
			return 0, err
		}
		if read == reading {
			return last, nil
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return 0, err
		}
		row, err := take(&f, rows < limit(p.Limit))
		if err != nil {
			return 0, err
		}
		if row && rows == limit(p.Limit) {
			return last, nil
		}
		if row {
			rows++
		}
		read, last = read+1, r.Position
	}
	return 0, nil
}

// between yields the records behind one position up to another, which the ledger has reached.
func between(ctx context.Context, records Records, after, end uint64) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		if after >= end {
			return // and wait for nothing
		}
		for r, err := range records.After(ctx, after) {
			if !yield(r, err) || err != nil || r.Position >= end {
				return
			}
		}
	}
}

// stretches yields the records behind one position up to another that stand where trail events of a period do.
func (a *Auditor) stretches(ctx context.Context, after, end uint64, from, to time.Time) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		times, _, err := a.Times.Get(ctx, projections.Everybody)
		if err != nil {
			yield(eventschema.Record{}, err)
			return
		}
		for first, final := range times.Within(from, to) {
			for r, err := range between(ctx, a.Records, max(after, first-1), min(end, final)) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}
