package postgres

import (
	"context"
	"fmt"

	"samtykke/eventschema"
)

// sealedPage begins with the sealed bytes that there are, however many events lie between.
const sealedPage = `WITH s AS MATERIALIZED (SELECT position, bytes FROM sealed WHERE position > $1 ORDER BY position LIMIT $2)
	SELECT e.position, e.stream, e.version, e.id, e.data, s.bytes FROM s JOIN event e ON e.position = s.position ORDER BY e.position`

// Erase implements ledger.Eraser. It removes page by page, each durably before it looks at the next, and then has the server
// reclaim the room.
func (s *Store) Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (erased int, err error) {
	if len(streams) == 0 {
		erased, err = s.eraseAll(ctx, choose)
	}
	for _, stream := range streams {
		if err != nil {
			break
		}
		var n int
		n, err = s.eraseStream(ctx, choose, stream)
		erased += n
	}
	if erased > 0 {
		if _, unclean := s.pool.Exec(ctx, "VACUUM sealed"); unclean != nil {
			s.opts.Warn(fmt.Errorf("reclaiming the room of erased bytes, which the server does later by itself: %w", plain(ctx, unclean)))
		}
	}
	return erased, err
}

func (s *Store) eraseAll(ctx context.Context, choose func(*eventschema.Record) (bool, error)) (erased int, err error) {
	for last := uint64(0); ; {
		p, err := s.page(ctx, sealedPage, last, pageRecords)
		if err != nil || len(p.records) == 0 {
			return erased, err
		}
		last = p.records[len(p.records)-1].Position
		n, err := s.eraseChosen(ctx, choose, p.records)
		erased += n
		if err != nil {
			return erased, err
		}
	}
}

func (s *Store) eraseStream(ctx context.Context, choose func(*eventschema.Record) (bool, error), stream string) (erased int, err error) {
	var batch []eventschema.Record
	size := 0
	for r, err := range s.Stream(ctx, stream, 1) {
		if err != nil {
			return erased, err
		}
		if batch, size = append(batch, r), size+len(r.Sealed); len(batch) < pageRecords && size < pageBytes {
			continue
		}
		n, err := s.eraseChosen(ctx, choose, batch)
		erased += n
		if err != nil {
			return erased, err
		}
		batch, size = batch[:0], 0
	}
	n, err := s.eraseChosen(ctx, choose, batch)
	return erased + n, err
}

// eraseChosen removes the sealed bytes of those of the records that are chosen, in one transaction.
func (s *Store) eraseChosen(ctx context.Context, choose func(*eventschema.Record) (bool, error), records []eventschema.Record) (int, error) {
	var positions []uint64
	for i := range records {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if len(records[i].Sealed) == 0 {
			continue
		}
		position := records[i].Position
		chosen, err := choose(&records[i])
		if err != nil {
			return 0, err
		}
		if chosen {
			positions = append(positions, position)
		}
	}
	if len(positions) == 0 {
		return 0, nil
	}
	done, err := s.pool.Exec(ctx, "DELETE FROM sealed WHERE position = ANY ($1)", positions)
	return int(done.RowsAffected()), s.failure(plain(ctx, err))
}
