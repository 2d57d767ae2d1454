package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/keyring"
	"samtykke/domain"
)

// rewrapped is how many keys are wrapped anew in one transaction.
const rewrapped = 1000

// Rotate begins a new epoch if the current one began on an earlier day than now's, by UTC; wraps all keys under the current epoch's
// key that are not yet, as after an interruption; and then destroys the keys of all epochs that have ended. Call it after
// opening and every day, from any process: one at a time does it, and more often does nothing.
//
// Everything else goes on meanwhile. After an error all keys are as good as before, and Rotate may be called again. Both parts are
// tried: a key management service out of reach is no reason to keep what has ended. Nothing is destroyed that a key hangs on.
func (r *Ring) Rotate(ctx context.Context, now time.Time) error {
	err := r.alone(ctx, func(c *pgx.Conn) error {
		begun := r.beginDue(ctx, c, now)
		current, err := r.rewrapAll(ctx, c)
		if err == nil {
			err = r.epochs.DestroyEnded(now, current)
		}
		return errors.Join(begun, err)
	})
	if err != nil {
		return fmt.Errorf("rotating the data keys: %w", err)
	}
	r.asking.Lock()
	defer r.asking.Unlock()
	return r.ask(ctx)
}

// Epochs gives the epochs whose keys are there, oldest first.
func (r *Ring) Epochs() ([]keyring.Epoch, error) {
	r.mu.Lock()
	current := r.epoch
	r.mu.Unlock()
	return r.epochs.List(current)
}

// beginDue begins a new epoch if it is time.
func (r *Ring) beginDue(ctx context.Context, c *pgx.Conn, now time.Time) error {
	current, err := epochOf(ctx, c)
	if err != nil {
		return err
	}
	epochs, err := r.epochs.List(current)
	if err != nil {
		return err
	}
	for _, e := range epochs {
		if e.Current && !e.Due(now) {
			return nil
		}
	}
	key, err := r.epochs.Begin(current, now)
	if err != nil {
		return err
	}
	return r.setEpoch(ctx, c, key)
}

func epochOf(ctx context.Context, c *pgx.Conn) (epoch uint32, err error) {
	err = c.QueryRow(ctx, "SELECT epoch FROM ring").Scan(&epoch)
	return epoch, plain(ctx, err)
}

// rewrapAll wraps all keys under the current epoch's key, some at a time, and has the server remove the rows' earlier forms. No key is made
// under an earlier epoch any more: see the function make.
func (r *Ring) rewrapAll(ctx context.Context, c *pgx.Conn) (current uint32, err error) {
	if current, err = epochOf(ctx, c); err != nil {
		return 0, err
	}
	to, err := r.epochs.Key(current)
	if err != nil {
		return 0, err
	}
	from := map[uint32]keyring.EpochKey{}
	changed := false
	for last, count := (keyring.Owner{}), 1; count > 0; {
		if count, last, err = r.rewrapSome(ctx, c, last, from, to); err != nil {
			return 0, err
		}
		changed = changed || count > 0
	}
	if changed {
		_, err = c.Exec(ctx, "VACUUM key")
	}
	return current, plain(ctx, err)
}

// rewrapSome wraps some keys anew, of owners behind the last, and gives their number and the last one's owner.
func (r *Ring) rewrapSome(ctx context.Context, c *pgx.Conn, last keyring.Owner, from map[uint32]keyring.EpochKey, to keyring.EpochKey) (
	count int, next keyring.Owner, err error,
) {
	tx, err := c.Begin(ctx)
	if err != nil {
		return 0, last, plain(ctx, err)
	}
	defer tx.Rollback(ctx)
	rows, err := tx.Query(ctx, `SELECT kind, id, epoch, wrapped FROM key WHERE (kind, id) > ($1, $2) AND gone IS NULL AND epoch <> $3
		ORDER BY kind, id LIMIT $4 FOR UPDATE`, string(last.Kind), [16]byte(last.ID), to.Number, rewrapped)
	if err != nil {
		return 0, last, plain(ctx, err)
	}
	var kinds []string
	var ids [][16]byte
	var wrapped [][]byte
	var kind string
	var id [16]byte
	var epoch uint32
	var key []byte
	var unfit error // of a key, as opposed to the server's
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &epoch, &key}, func() error {
		next = keyring.Owner{Kind: keyring.Kind(kind), ID: domain.ID(id)}
		under, known := from[epoch]
		if !known {
			if under, unfit = r.epochs.Key(epoch); unfit != nil {
				return unfit
			}
			from[epoch] = under
		}
		var anew []byte
		if anew, unfit = under.Rewrap(to, next, key); unfit != nil {
			return unfit
		}
		kinds, ids, wrapped = append(kinds, kind), append(ids, id), append(wrapped, anew)
		return nil
	})
	switch {
	case unfit != nil:
		return 0, last, unfit
	case err != nil || len(kinds) == 0:
		return 0, last, plain(ctx, err)
	}
	_, err = tx.Exec(ctx, `UPDATE key SET epoch = $1, wrapped = u.wrapped FROM unnest($2::text[], $3::uuid[], $4::bytea[]) u (kind, id, wrapped)
		WHERE key.kind = u.kind AND key.id = u.id`, to.Number, kinds, ids, wrapped)
	if err == nil {
		err = tx.Commit(ctx)
	}
	return len(kinds), next, plain(ctx, err)
}
