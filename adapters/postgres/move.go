package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/keyring"
	"samtykke/domain"
)

// Keys gives the data keys in the database that the connection string names, as they lie there: those of no epoch where there are none.
// Keys under several epochs' keys, as an interrupted rotation leaves them, are refused.
func Keys(ctx context.Context, dsn string, opts RingOptions) (w keyring.Wrapped, err error) {
	err = withKeys(ctx, dsn, opts, func(tx pgx.Tx) (err error) {
		w, err = readKeys(ctx, tx)
		return err
	})
	return w, err
}

// FillKeys puts data keys that have lain in another place into a database that has none, and makes its tables: all of them, durably, or
// none.
func FillKeys(ctx context.Context, dsn string, opts RingOptions, w keyring.Wrapped) error {
	return withKeys(ctx, dsn, opts, func(tx pgx.Tx) error {
		there, err := readKeys(ctx, tx)
		if err == nil && there.Epoch != 0 {
			err = notMoved("there are data keys in the database")
		}
		if err != nil {
			return err
		}
		rows := make([][]any, 0, len(w.Keys)+len(w.Destroyed))
		for _, k := range w.Keys {
			rows = append(rows, []any{string(k.Owner.Kind), [16]byte(k.Owner.ID), w.Epoch, nil, k.Key})
		}
		for i, owner := range w.Destroyed {
			rows = append(rows, []any{string(owner.Kind), [16]byte(owner.ID), 0, i + 1, destroyedWord})
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"key"}, []string{"kind", "id", "epoch", "gone", "wrapped"}, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE ring SET epoch = $1, checked = $2, destroyed = $3", w.Epoch, w.Check, len(w.Destroyed))
		return err
	})
}

// LeaveKeys removes the data keys, which are in another place now, if they are still those given. Nobody makes one meanwhile.
func LeaveKeys(ctx context.Context, dsn string, opts RingOptions, w keyring.Wrapped) error {
	err := withKeys(ctx, dsn, opts, func(tx pgx.Tx) error {
		there, err := readKeys(ctx, tx)
		if err == nil && !there.Same(w) {
			err = notMoved("keys were made or destroyed while they were moved: end all servers first")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM key")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE ring SET epoch = 0, checked = NULL, destroyed = 0")
		}
		return err
	})
	if err != nil {
		return err
	}
	return onServer(ctx, dsn, opts, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, "VACUUM key")
		return err
	})
}

// destroyedWord stands in the place of a key that was destroyed, as the function destroy has it.
var destroyedWord = []byte(strings.Repeat("destroyed ", 6))

// readKeys reads all keys. Its lock on the ring's row keeps everybody waiting who would make or destroy one, or begin an epoch.
func readKeys(ctx context.Context, tx pgx.Tx) (w keyring.Wrapped, err error) {
	var epoch int64
	var destroyed int
	err = tx.QueryRow(ctx, "SELECT epoch, checked, destroyed FROM ring FOR UPDATE").Scan(&epoch, &w.Check, &destroyed)
	if err != nil || epoch == 0 {
		return keyring.Wrapped{}, err
	}
	if epoch < 0 {
		return keyring.Wrapped{}, notMoved("the keyring was never opened whole")
	}
	w.Epoch = uint32(epoch)
	rows, err := tx.Query(ctx, "SELECT kind, id, epoch, wrapped, gone IS NOT NULL FROM key ORDER BY gone NULLS FIRST")
	if err != nil {
		return keyring.Wrapped{}, err
	}
	var kind string
	var id [16]byte
	var wrapped []byte
	var gone, mixed bool
	_, err = pgx.ForEachRow(rows, []any{&kind, &id, &epoch, &wrapped, &gone}, func() error {
		owner := keyring.Owner{Kind: keyring.Kind(kind), ID: domain.ID(id)}
		if gone {
			w.Destroyed = append(w.Destroyed, owner)
			return nil
		}
		mixed = mixed || epoch != int64(w.Epoch)
		w.Keys = append(w.Keys, keyring.WrappedKey{Owner: owner, Key: append([]byte(nil), wrapped...)})
		return nil
	})
	switch {
	case err != nil:
		return keyring.Wrapped{}, err
	case mixed:
		return keyring.Wrapped{}, notMoved("a rotation of the keys was interrupted: start the server once, which ends it")
	case len(w.Destroyed) != destroyed:
		return keyring.Wrapped{}, fmt.Errorf("%w: the database knows of %d destroyed keys and says it has %d",
			keyring.ErrDamaged, len(w.Destroyed), destroyed)
	}
	w.Sort()
	return w, nil
}

// withKeys runs a transaction on a database of data keys, and makes its tables if there are none.
func withKeys(ctx context.Context, dsn string, opts RingOptions, do func(pgx.Tx) error) error {
	return onServer(ctx, dsn, opts, func(c *pgx.Conn) error { return pgx.BeginFunc(ctx, c, do) })
}

func onServer(ctx context.Context, dsn string, opts RingOptions, do func(*pgx.Conn) error) error {
	err := func() error {
		server, err := newServer(dsn, opts.Schema, opts.Unsafe)
		if err != nil {
			return err
		}
		steps, err := migrations(keysFiles, "keys")
		if err != nil {
			return err
		}
		if err := server.migrate(ctx, "keys", steps); err != nil {
			return err
		}
		c, err := server.connect(ctx)
		if err != nil {
			return err
		}
		defer hangUp(c)
		return do(c)
	}()
	if err != nil {
		if reason := notMoved(""); !errors.As(err, &reason) && !errors.Is(err, keyring.ErrDamaged) {
			err = plain(ctx, err)
		}
		return fmt.Errorf("data keys in PostgreSQL: %w", err)
	}
	return nil
}

// notMoved says, as an error, why keys stay where they are.
type notMoved string

func (e notMoved) Error() string { return string(e) }
