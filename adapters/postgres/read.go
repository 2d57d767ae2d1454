package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

var _ ledger.Picker = (*Store)(nil)

// Readers fetch records in pages, and hold no connection while the caller works on one.
const (
	pageRecords  = 1000
	pageBytes    = 4 << 20 // more than that is left for the next page
	firstPicked  = 128     // of the first page of At: a page of an answer, and a little more
	firstRecords = 32      // of the first page of After, whose caller often wants a record or a few; each next has four times as many
)

// The columns of a record. Sealed bytes are looked for only where there were some.
const columnsOfRecord = `e.position, e.stream, e.version, e.id, e.data,
	CASE WHEN e.sealed THEN (SELECT s.bytes FROM sealed s WHERE s.position = e.position) END`

const (
	afterPage = `SELECT ` + columnsOfRecord + ` FROM event e
		WHERE e.position > $1 AND e.position <= $2 ORDER BY e.position`
	positionsPage = `SELECT ` + columnsOfRecord + ` FROM event e
		WHERE e.position = ANY($1) ORDER BY e.position`
	versionsPage = `SELECT e.* FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY w (stream, version, n), LATERAL (
		SELECT ` + columnsOfRecord + ` FROM event e WHERE e.stream = w.stream AND e.version = w.version LIMIT 1) e ORDER BY w.n`
	streamPage = `SELECT ` + columnsOfRecord + ` FROM event e
		WHERE e.stream = $1 AND e.version >= $2 AND e.version <= $3 ORDER BY e.version LIMIT $4`

	streamEnd = "SELECT coalesce((SELECT version FROM stream WHERE name = $1), 0)"
)

// A page is a piece of what a reader reads.
type page struct {
	records []eventschema.Record
	more    bool // it was cut short
}

// page fetches a page of what the query finds.
func (s *Store) page(ctx context.Context, query string, args ...any) (p page, err error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	rows, err := s.pool.Query(reading, query, args...)
	if err != nil {
		return page{}, s.failure(plain(ctx, err))
	}
	size := 0
	for rows.Next() {
		r := recordOf(rows.RawValues())
		if size += len(r.Data) + len(r.Sealed); size > pageBytes && len(p.records) > 0 {
			p.more = true
			stop() // rather than have the rest sent
			break
		}
		p.records = append(p.records, r)
	}
	rows.Close()
	if err := rows.Err(); err != nil && !p.more {
		return page{}, s.failure(plain(ctx, err))
	}
	return p, nil
}

// recordOf copies a row out of the driver's buffer.
func recordOf(v [][]byte) eventschema.Record {
	r := eventschema.Record{
		Position: number(v[0]), Stream: string(v[1]), Version: number(v[2]), ID: domain.ID(v[3]),
	}
	b := make([]byte, len(v[4])+len(v[5]))
	data := copy(b, v[4])
	copy(b[data:], v[5])
	r.Data = b[:data:data]
	if v[5] != nil {
		r.Sealed = b[data:]
	}
	return r
}

// Stream implements ledger.Store. The stream's end, and its first records, are those of the call. Mostly there is nothing new behind what
// is known of a stream: so its end is asked for first, since records are looked for in every partition.
func (s *Store) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	var end uint64
	var first page
	err := s.pool.QueryRow(ctx, streamEnd, stream).Scan(&end)
	if err != nil {
		err = s.failure(plain(ctx, err))
	} else if from <= end {
		first, err = s.page(ctx, streamPage, stream, from, end, pageRecords)
	}
	return func(yield func(eventschema.Record, error) bool) {
		for p, err := first, err; ; {
			for _, r := range p.records {
				if err = ctx.Err(); err != nil {
					break
				}
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(eventschema.Record{}, err)
				return
			}
			if len(p.records) == 0 {
				return
			}
			next := p.records[len(p.records)-1].Version + 1
			if next > end {
				return
			}
			p, err = s.page(ctx, streamPage, stream, next, end, pageRecords)
		}
	}
}

// After implements ledger.Store. While the database cannot be reached it waits, and tells Options.Warn.
func (s *Store) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		most := uint64(firstRecords)
		for last := min(p, math.MaxInt64-pageRecords); ; most = min(4*most, pageRecords) {
			changed := s.announced()
			page, err := s.page(ctx, afterPage, last, last+most)
			for i := 0; err == nil && i < len(page.records); i++ {
				r := page.records[i]
				if r.Position != last+1 {
					err = fmt.Errorf("position %d is missing: the ledger in the database is damaged", last+1)
				} else if err = ctx.Err(); err == nil {
					if !yield(r, nil) {
						return
					}
					last = r.Position
				}
			}
			if passing(err) {
				s.opts.Warn(fmt.Errorf("following the events: %w", err))
				err = nil
			}
			if err == nil && !page.more && uint64(len(page.records)) < most {
				err = s.wait(ctx, changed)
			}
			if err != nil {
				yield(eventschema.Record{}, err)
				return
			}
		}
	}
}

// wait returns when there may be more to read.
func (s *Store) wait(ctx context.Context, changed <-chan struct{}) error {
	poll := time.NewTimer(s.opts.Poll)
	defer poll.Stop()
	select {
	case <-changed:
	case <-poll.C:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// announced gives the channel that is closed when there may be more than can be read now. From the first call on the store listens
// to the server: each notification costs it, and whoever appends, a little.
func (s *Store) announced() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listening && !s.closed() {
		s.listening = true
		s.working.Go(s.listen)
	}
	return s.changed
}

func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// listen hears of what other processes append, until the store closes.
func (s *Store) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.working.Go(func() {
		<-s.closing
		cancel()
	})
	for {
		err := s.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		s.opts.Warn(fmt.Errorf("listening for events: %w", err))
		if pause(ctx, s.opts.Poll) != nil {
			return
		}
	}
}

// hear listens over one connection.
func (s *Store) hear(ctx context.Context) error {
	c, err := s.server.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(c)
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{"samtykke " + s.server.schema}.Sanitize()); err != nil {
		return plain(ctx, err)
	}
	s.announce() // nobody listened before
	for {
		told, err := c.WaitForNotification(ctx)
		if err != nil {
			return plain(ctx, errors.Join(err, errGone))
		}
		if told.PID != s.backend.Load() {
			s.announce()
		}
	}
}

// At implements ledger.Picker.
func (s *Store) At(ctx context.Context, positions []ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for rest, most := positions, firstPicked; len(rest) > 0; most = pageRecords {
			wanted := rest[:min(most, len(rest))]
			p, err := s.page(ctx, positionsPage, wanted)
			found := 0
			for found < len(p.records) && p.records[found].Position == wanted[found] {
				if found++; !yield(p.records[found-1], nil) {
					return
				}
			}
			rest = rest[found:]
			if cut := p.more && found == len(p.records); err == nil && found < len(wanted) && !cut {
				err = fmt.Errorf("position %d is missing: the ledger in the database is damaged", rest[0])
			}
			if err != nil {
				yield(eventschema.Record{}, err)
				return
			}
		}
	}
}

// Versions implements ledger.Picker.
func (s *Store) Versions(ctx context.Context, streams []string, versions []uint64) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for from := 0; from < len(streams); {
			to := min(from+pageRecords, len(streams))
			p, err := s.page(ctx, versionsPage, streams[from:to], versions[from:to])
			if err != nil {
				yield(eventschema.Record{}, err)
				return
			}
			for _, r := range p.records {
				if !yield(r, nil) {
					return
				}
				for from++; streams[from-1] != r.Stream || versions[from-1] != r.Version; from++ { // those before it have none
				}
			}
			if !p.more {
				from = to
			}
		}
	}
}
