package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"samtykke/eventschema"
)

// Position is a place in the total order of all events, from 1. Zero stands before the first event.
type Position = uint64

// A Store keeps records in one total order and in streams, and forgets nothing. Every implementation passes
// ledgertest.TestStore.
//
// There is no append without an expected version, and no call that changes or removes a record.
type Store interface {
	// Append writes the records to the stream, all of them or none, directly after version after (0: the stream has
	// no event yet), and returns the position of the last one. It sets nothing in its arguments: a record's Version is
	// after+1 for the first, and so on; Stream, Version and Position of the arguments are ignored.
	//
	// It returns only when the records are durable. No reader sees them earlier. A stream's versions run from 1 without
	// a gap; positions of one call are consecutive, and grow from call to call.
	//
	// If the stream is at another version, nothing is written and the error is a *ConflictError, unless the records at
	// after+1 and on have the very ids given: then they are the same events, appended before, and their position is
	// returned (a retry after an answer that was lost). Partial overlap is a conflict.
	//
	// When ctx ends first, the records may or may not be stored. Any other error that is not ErrRefused leaves the
	// outcome open as well: read the stream to learn it. Errors that match ErrRefused have written nothing.
	// Zero records, or a record over the size limit, are refused.
	Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (Position, error)

	// Stream yields the stream's records in order from version from (0 and 1 both mean the first), up to the last one
	// that was durable when the call began, and stops. A stream without events yields nothing. The yielded bytes must
	// not be changed, and stay valid.
	Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error]

	// After yields every record behind the position in total order, each once, then waits for more until ctx ends,
	// and yields ctx's error last. A reader never skips a record.
	After(ctx context.Context, p Position) iter.Seq2[eventschema.Record, error]

	// Head is the position of the last durable record, 0 in an empty store.
	Head(ctx context.Context) (Position, error)
}

// ErrConflict is matched by every *ConflictError.
var ErrConflict = errors.New("the stream has moved on")

// A ConflictError says that a stream was not at the version the writer had decided on.
type ConflictError struct {
	Stream        string
	After, Actual uint64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("stream %s is at version %d, not %d", e.Stream, e.Actual, e.After)
}

// Is makes a ConflictError match ErrConflict and ErrRefused.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict || target == ErrRefused }

// ErrRefused is matched by every error of Append that is known to have written nothing.
var ErrRefused = errors.New("nothing was written")

// ErrEnded says that a store takes no more appends: an earlier write's outcome is unknown, or the store was closed.
// Reading goes on. Opening the store anew settles what was written.
var ErrEnded = errors.New("the store has ended writing")

// MaxRecord is the largest record, Data and Sealed together, in bytes: what the narrowest engine takes in one append,
// less room for its own headers.
const MaxRecord = 1<<20 - 1<<14
