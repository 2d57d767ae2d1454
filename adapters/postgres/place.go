package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"math"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/adapters/relay"
)

// Cursor is a cursor of a name for whoever holds the lease, to be used in the function that Lease.Run calls. Whoever reads it takes it
// over: from then on nobody who held the lease before can move it. The error is ErrLeaseLost for one who comes too late.
func (s *Shared) Cursor(name string, of *Lease) relay.Cursor { return cursor{s, name, of} }

type cursor struct {
	*Shared
	name string
	of   *Lease
}

// Load implements relay.Cursor.
func (c cursor) Load(ctx context.Context) (p relay.Place, known bool, err error) {
	var epoch uint64
	var position int64
	var leaf []byte
	err = c.ask(ctx, func(ctx context.Context) error {
		err := c.pool.QueryRow(ctx, `UPDATE place SET epoch = greatest(epoch, $2) WHERE name = $1
			RETURNING epoch, position, leaf`, c.name, c.of.Epoch()).Scan(&epoch, &position, &leaf)
		known = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	switch {
	case err != nil || !known:
		return relay.Place{}, false, err
	case epoch > c.of.Epoch():
		return relay.Place{}, false, ErrLeaseLost
	case len(leaf) != sha256.Size:
		return relay.Place{}, false, errors.New("the place in the database has a hash of another size")
	}
	return relay.Place{Position: ledger.Position(position), Leaf: [sha256.Size]byte(leaf)}, true, nil
}

// Save implements relay.Cursor.
func (c cursor) Save(ctx context.Context, p relay.Place) error {
	moved := false
	err := c.ask(ctx, func(ctx context.Context) error {
		done, err := c.pool.Exec(ctx, `INSERT INTO place (name, epoch, position, leaf) VALUES ($1, $2, $3, $4)
			ON CONFLICT ON CONSTRAINT place_pkey DO UPDATE SET epoch = excluded.epoch, position = excluded.position, leaf = excluded.leaf
			WHERE place.epoch <= excluded.epoch`, c.name, c.of.Epoch(), int64(min(p.Position, math.MaxInt64)), p.Leaf[:])
		moved = done.RowsAffected() == 1
		return err
	})
	if err == nil && !moved {
		err = ErrLeaseLost
	}
	return err
}
