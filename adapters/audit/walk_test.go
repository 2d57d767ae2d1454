package audit

import (
	"iter"
	"testing"

	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// A page ends when so many events were read, rows or none, and the next one goes on behind it.
func TestReadingIsBounded(t *testing.T) {
	record, err := eventschema.Today.Encode(&eventschema.Fact{
		Category: eventschema.OversightStream, Subject: domain.ID{1}, Version: 1, Body: oversight.Queried{Query: "q"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const last = 2*reading + 5
	behind := func(after uint64) iter.Seq2[eventschema.Record, error] {
		return func(yield func(eventschema.Record, error) bool) {
			for p := after + 1; p <= last; p++ {
				r := record
				r.Position = p
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	var p Page
	for _, want := range []uint64{reading, 2 * reading, 0} {
		took := 0
		next, err := p.walk(behind(p.After), func(*eventschema.Fact, bool) (bool, error) { took++; return false, nil })
		if err != nil || next != want || took > reading {
			t.Errorf("behind %d: next %d after %d events, %v; expected %d", p.After, next, took, err, want)
		}
		p.After = next
	}
	p = Page{After: last - 3, Limit: 3}
	next, err := p.walk(behind(p.After), func(*eventschema.Fact, bool) (bool, error) { return true, nil })
	if err != nil || next != 0 {
		t.Errorf("a page that the last row fills: next %d, %v", next, err)
	}
	p.Limit = 2
	next, err = p.walk(behind(p.After), func(_ *eventschema.Fact, keep bool) (bool, error) { return true, nil })
	if err != nil || next != last-1 {
		t.Errorf("a page with one more behind it: next %d, %v", next, err)
	}
}
