package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"samtykke/eventschema"
)

// A Filler is a Store that can be filled with what another store holds, so that a ledger moves from one engine to another and
// keeps its order, and with it its tree. An implementation passes the case of ledgertest.TestStore that is about filling.
type Filler interface {
	Store

	// Fill writes records that stand directly behind the head, each at the stream, version and position that it has. It returns when
	// they are durable. After an error some of the first may be stored, and none out of order: Head tells how many. Nobody
	// else appends meanwhile; what does not fit behind the head is refused.
	Fill(ctx context.Context, records ...eventschema.Record) error
}

// ErrOtherHistory says that a store holds something else at its head than the one that it is to be filled from.
var ErrOtherHistory = errors.New("the stores do not hold the same events")

// fillTogether is how many records are written at once, and fillBytes how many bytes of them, but for a single one.
const (
	fillTogether = 4096
	fillBytes    = 4 << 20
)

// Copy fills a store from another, up to the head that this one has when it begins, and goes on where an earlier attempt ended. Both
// must hold the same event at the head that the filled one has; otherwise the error matches ErrOtherHistory. progress is told how far
// it has come.
func Copy(ctx context.Context, to Filler, from Store, progress func(done, all Position)) error {
	head, err := from.Head(ctx)
	if err != nil {
		return err
	}
	done, err := to.Head(ctx)
	if err != nil {
		return err
	}
	if done > head {
		return fmt.Errorf("%w: the one to be filled has %d events, the other %d", ErrOtherHistory, done, head)
	}
	if done > 0 {
		there, err := at(ctx, to, done)
		if err != nil {
			return err
		}
		here, err := at(ctx, from, done)
		if err != nil {
			return err
		}
		if there.Leaf() != here.Leaf() {
			return fmt.Errorf("%w: the event at position %d is another", ErrOtherHistory, done)
		}
	}
	if done == head {
		return nil
	}
	var batch []eventschema.Record
	size := 0
	for r, err := range from.After(ctx, done) {
		if err != nil {
			return err
		}
		n := len(r.Data) + len(r.Sealed)
		if len(batch) == fillTogether || size+n > fillBytes && len(batch) > 0 {
			if err := to.Fill(ctx, batch...); err != nil {
				return err
			}
			progress(batch[len(batch)-1].Position, head)
			batch, size = slices.Delete(batch, 0, len(batch)), 0
		}
		batch, size = append(batch, r), size+n
		if r.Position >= head {
			break
		}
	}
	if err := to.Fill(ctx, batch...); err != nil {
		return err
	}
	progress(head, head)
	return nil
}

// at gives the record at a position.
func at(ctx context.Context, s Store, p Position) (eventschema.Record, error) {
	for r, err := range s.After(ctx, p-1) {
		return r, err
	}
	return eventschema.Record{}, ctx.Err()
}

// Runs cuts records into those that follow each other in one stream: what one append can store.
func Runs(records []eventschema.Record) (runs [][]eventschema.Record) {
	for from := 0; from < len(records); {
		to := from + 1
		for to < len(records) && records[to].Stream == records[from].Stream && records[to].Version == records[to-1].Version+1 {
			to++
		}
		runs = append(runs, records[from:to])
		from = to
	}
	return runs
}

// Fits tells that records stand directly behind a store's head, which it gives, in order. Otherwise the error matches ErrRefused.
func Fits(ctx context.Context, s Store, records []eventschema.Record) (head Position, err error) {
	if head, err = s.Head(ctx); err != nil {
		return 0, err
	}
	for i, r := range records {
		if r.Position != head+uint64(i)+1 {
			return 0, fmt.Errorf("a record of position %d cannot stand at %d: %w", r.Position, head+uint64(i)+1, ErrRefused)
		}
	}
	return head, nil
}
