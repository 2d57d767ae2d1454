package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

const (
	// MaxAppend is the most that one call of Append can store, in bytes.
	MaxAppend = 16 << 20
	// MaxName is the longest name of a stream, in bytes.
	MaxName = 1 << 10
)

// A request is one call of Append on its way through the writer. It holds copies of what it was given: a caller whose
// context ends goes away while the writer works.
type request struct {
	stream  string
	after   uint64
	count   int
	records columns
	done    chan verdict // has room for one
}

// A verdict is an error, or the position of the last record or, with neither, the version at which the stream stands.
type verdict struct {
	position, actual uint64
	err              error
}

// last is the version of the request's last record.
func (r *request) last() uint64 { return r.after + uint64(r.count) }

// Append implements ledger.Store. A stream's name is UTF-8 without zero bytes, of 1 to MaxName bytes, and one call stores at
// most MaxAppend.
func (s *Store) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	if err := admit(stream, records); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, refused(err)
	}
	r := &request{stream: stream, after: min(after, math.MaxInt64), count: len(records), done: make(chan verdict, 1)}
	for i := range records {
		r.records.add(stream, r.after+1+uint64(i), &records[i])
	}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return 0, refused(ctx.Err())
	case <-s.closing:
		return 0, errClosed
	}
	select {
	case v := <-r.done:
		if v.err != nil || v.position != 0 {
			return v.position, v.err
		}
		return s.again(ctx, stream, after, v.actual, records)
	case <-ctx.Done():
		return 0, fmt.Errorf("the append was under way, its outcome is open: %w", ctx.Err())
	}
}

// again answers an append that found its stream at another version: with the records' position if they are the very
// records that stand there, appended before.
func (s *Store) again(ctx context.Context, stream string, after, actual uint64, records []eventschema.Record) (ledger.Position, error) {
	conflict := &ledger.ConflictError{Stream: stream, After: after, Actual: actual}
	if after > actual || uint64(len(records)) > actual-after {
		return 0, conflict
	}
	rows, err := s.pool.Query(ctx, `SELECT id, position FROM event WHERE stream = $1 AND version > $2 AND version <= $3
		ORDER BY version`, stream, after, after+uint64(len(records)))
	if err != nil {
		return 0, s.failure(plain(ctx, err))
	}
	defer rows.Close()
	same, position := 0, ledger.Position(0)
	for rows.Next() {
		v := rows.RawValues()
		if same == len(records) || string(v[0]) != string(records[same].ID[:]) {
			return 0, conflict
		}
		same, position = same+1, number(v[1])
	}
	if err := rows.Err(); err != nil {
		return 0, s.failure(plain(ctx, err))
	}
	if same < len(records) {
		return 0, conflict
	}
	return position, nil
}

// admit refuses what the tables cannot hold.
func admit(stream string, records []eventschema.Record) error {
	switch {
	case stream == "":
		return fmt.Errorf("a stream without a name: %w", ledger.ErrRefused)
	case len(stream) > MaxName:
		return fmt.Errorf("a stream's name of %d bytes, at most %d: %w", len(stream), MaxName, ledger.ErrRefused)
	case !utf8.ValidString(stream) || strings.Contains(stream, "\x00"):
		return fmt.Errorf("a stream's name that is no text: %w", ledger.ErrRefused)
	case len(records) == 0:
		return fmt.Errorf("an append of no records: %w", ledger.ErrRefused)
	}
	size := 0
	for _, r := range records {
		n := len(r.Data) + len(r.Sealed)
		if n > ledger.MaxRecord {
			return fmt.Errorf("a record of %d bytes, at most %d: %w", n, ledger.MaxRecord, ledger.ErrRefused)
		}
		if size += n + len(stream) + 100; size > MaxAppend {
			return fmt.Errorf("an append of more than %d bytes: %w", MaxAppend, ledger.ErrRefused)
		}
	}
	return nil
}

func refused(err error) error { return fmt.Errorf("%w: %w", ledger.ErrRefused, err) }
