package ledger

import (
	"context"
	"fmt"
	"iter"

	"samtykke/eventschema"
)

// A Picker is a Store that finds scattered records with one question for many of them. An implementation passes the cases of
// ledgertest.TestStore that are about picking.
type Picker interface {
	// At yields the records at the positions, which grow strictly and which the store has reached. An error is the last that it yields.
	At(ctx context.Context, positions []Position) iter.Seq2[eventschema.Record, error]

	// Versions yields the record that each of the streams has at the version beside it, in this order. A stream that does not reach
	// its version has none. An error is the last that it yields.
	Versions(ctx context.Context, streams []string, versions []uint64) iter.Seq2[eventschema.Record, error]
}

// Records are those of a store to read, of any store as if it were a Picker: one that is none is asked for them one by one.
type Records struct{ Store }

var _ Picker = Records{}

// near is how far apart two records are read on from one to the other, rather than sought each.
const near = 32

// At implements Picker.
func (s Records) At(ctx context.Context, positions []Position) iter.Seq2[eventschema.Record, error] {
	if p, ok := s.Store.(Picker); ok {
		return p.At(ctx, positions)
	}
	return func(yield func(eventschema.Record, error) bool) {
		for rest := positions; len(rest) > 0; {
			for r, err := range s.After(ctx, rest[0]-1) {
				if err == nil && r.Position < rest[0] {
					continue
				}
				if err == nil && r.Position > rest[0] {
					r, err = eventschema.Record{}, fmt.Errorf("position %d is not in the ledger, or was asked for out of order", rest[0])
				}
				if !yield(r, err) || err != nil {
					return
				}
				if rest = rest[1:]; len(rest) == 0 || rest[0]-r.Position > near {
					break
				}
			}
		}
	}
}

// Versions implements Picker.
func (s Records) Versions(ctx context.Context, streams []string, versions []uint64) iter.Seq2[eventschema.Record, error] {
	if p, ok := s.Store.(Picker); ok {
		return p.Versions(ctx, streams, versions)
	}
	return func(yield func(eventschema.Record, error) bool) {
		for i, stream := range streams {
			for r, err := range s.Stream(ctx, stream, versions[i]) {
				if !yield(r, err) || err != nil {
					return
				}
				break
			}
		}
	}
}
