package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
	"samtykke/domain"
)

// ViewsOptions are how documents of views are kept. The zero value is good.
type ViewsOptions struct {
	// Schema is the schema that holds them, "samtykke_views" if empty. It is neither the ledger's nor the keys'.
	Schema string
	// Patience is how long whoever reads waits for the server, 5 seconds if 0. After that it fails.
	Patience time.Duration
	// Poll is how often is looked how far the views have come when nobody tells, a second if 0.
	Poll time.Duration
	// Unsafe takes a server that may lose what it has promised. It is for tests.
	Unsafe bool
	// Warn is told, on some goroutine, of lost connections. Nobody is told if nil.
	Warn func(error)
}

func (o ViewsOptions) withDefaults() ViewsOptions {
	if o.Schema == "" {
		o.Schema = "samtykke_views"
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return o
}

// Views is a views.Store in a PostgreSQL database. Any number of them, in as many processes, may work on one.
type Views struct {
	server *server
	opts   ViewsOptions
	pool   *pgxpool.Pool
	read   atomic.Int64 // the generation that is read; 0: none yet
}

var _ views.Store = (*Views)(nil)

// OpenViews opens the views in the database that the connection string names, and makes what holds them if there is none. The errors are
// those of Open.
func OpenViews(ctx context.Context, dsn string, opts ViewsOptions) (*Views, error) {
	v, err := openViews(ctx, dsn, opts.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("opening the views in PostgreSQL: %w", err)
	}
	return v, nil
}

func openViews(ctx context.Context, dsn string, opts ViewsOptions) (*Views, error) {
	server, err := newServer(dsn, opts.Schema, opts.Unsafe)
	if err != nil {
		return nil, err
	}
	steps, err := migrations(viewsFiles, "views")
	if err != nil {
		return nil, err
	}
	if err := server.migrate(ctx, "views", steps); err != nil {
		return nil, err
	}
	server.config.MaxConns = max(server.config.MaxConns, viewReaders)
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), server.config)
	if err != nil {
		return nil, plain(ctx, err)
	}
	return &Views{server: server, opts: opts, pool: pool}, nil
}

// viewReaders is how many connections there are for whoever reads at least, once there are so many at a time.
const viewReaders = 16

// Close closes the connections. Generations that were claimed have their own, and are closed before.
func (v *Views) Close() error {
	v.pool.Close()
	return nil
}

// querier is a pool, or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// errUnread is an error of the program: nothing was served and nothing is followed.
var errUnread = errors.New("the views are read before they were brought up to date")

// noTable is the SQLSTATE undefined_table.
const noTable = "42P01"

// Rows implements views.Store.
func (v *Views) Rows(ctx context.Context, s views.Select) iter.Seq2[views.Stored, error] {
	return pages(s, func(s views.Select, from *views.Stored) (rows []views.Stored, err error) {
		within, cancel := context.WithTimeout(ctx, v.opts.Patience)
		defer cancel()
		for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
			number := v.read.Load()
			if number == 0 {
				return nil, errUnread
			}
			rows, err = pageOf(within, v.pool, number, s, from)
			var answer *serverError
			switch {
			case err == nil:
				return rows, nil
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case within.Err() != nil:
				return nil, errSlow
			case errors.As(err, &answer) && answer.code == noTable && v.read.Load() != number:
				continue // it was turned away from meanwhile
			case !passing(err):
				return nil, err
			}
			v.opts.Warn(fmt.Errorf("reading the views: %w", err))
			v.pool.Reset() // the others are likely lost as well
			if pause(within, wait) != nil && ctx.Err() == nil {
				return nil, err
			}
		}
	})
}

// Still implements views.Store.
func (v *Views) Still(ctx context.Context, use func(views.Rows, ledger.Position) error) error {
	number := v.read.Load()
	tx, err := v.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return plain(ctx, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	var at ledger.Position
	if err := tx.QueryRow(ctx, "SELECT cursor FROM generation WHERE number = $1", number).Scan(&at); err != nil {
		return plain(ctx, err)
	}
	return use(func(ctx context.Context, s views.Select) iter.Seq2[views.Stored, error] {
		return pages(s, func(s views.Select, from *views.Stored) ([]views.Stored, error) {
			return pageOf(ctx, tx, number, s, from)
		})
	}, at)
}

// How much of what is read is fetched at a time; of ids that are asked for, so many.
const (
	viewPage = 2000
	idsPage  = 10_000
)

// pages yields what page after page gives: what is selected, behind a row.
func pages(s views.Select, page func(s views.Select, from *views.Stored) ([]views.Stored, error)) iter.Seq2[views.Stored, error] {
	return func(yield func(views.Stored, error) bool) {
		var from *views.Stored
		for {
			rows, err := page(s, from)
			if err != nil {
				yield(views.Stored{}, err)
				return
			}
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			if len(rows) < limitOf(s) {
				return
			}
			from = &rows[len(rows)-1]
		}
	}
}

func limitOf(s views.Select) int {
	if s.Bare {
		return idsPage
	}
	return viewPage
}

// pageOf reads a page.
func pageOf(ctx context.Context, from querier, generation int64, s views.Select, behind *views.Stored) (page []views.Stored, err error) {
	args := []any{int16(s.View), limitOf(s)}
	also := ""
	and := func(condition string, values ...any) {
		places := make([]any, len(values))
		for i, value := range values {
			args = append(args, value)
			places[i] = len(args)
		}
		also += " AND " + fmt.Sprintf(condition, places...)
	}
	switch {
	case len(s.IDs) == 1:
		and("id = $%d", pgtype.UUID{Bytes: s.IDs[0], Valid: true}) // the zero id, too, costs a look into the index
	case s.IDs != nil:
		and("id = ANY($%d)", uuids(s.IDs))
	}
	if !s.Group.IsZero() {
		and("grouped = $%d", uuidOf(s.Group))
	}
	if s.Listed {
		and("grouped IS NOT NULL")
	}
	if s.Due != nil {
		and("due = ANY($%d)", uuids(s.Due))
	}
	if behind != nil {
		and("(id, part) > ($%d, $%d)", uuidOf(behind.ID), behind.Part)
	}
	columns := rowColumnNames
	if s.Bare {
		columns = bareColumnNames
		also += " AND part = 0"
	}
	sql := fmt.Sprintf("SELECT %s FROM document_%d WHERE view = $1%s ORDER BY id, part LIMIT $2", columns, generation, also)
	rows, err := from.Query(ctx, sql, args...)
	if err != nil {
		return nil, plain(ctx, err)
	}
	return storedRows(ctx, rows)
}

// The columns of a row, of which a bare one has the first few.
const (
	bareColumnNames = "view, id, due"
	bareColumns     = 3
	rowColumnNames  = bareColumnNames + ", grouped, part, parts, at, version, body"
)

// storedRows reads rows to their end.
func storedRows(ctx context.Context, rows pgx.Rows) (all []views.Stored, err error) {
	defer rows.Close()
	for rows.Next() {
		all = append(all, storedRow(rows.RawValues()))
	}
	return all, plain(ctx, rows.Err())
}

// storedRow copies a row out of the driver's buffer.
func storedRow(v [][]byte) views.Stored {
	r := views.Stored{Key: views.Key{View: int(binary.BigEndian.Uint16(v[0])), ID: domain.ID(v[1])}, Due: idOrNone(v[2])}
	if len(v) == bareColumns {
		return r
	}
	r.Group, r.Part, r.Parts = idOrNone(v[3]), int(binary.BigEndian.Uint32(v[4])), int(binary.BigEndian.Uint32(v[5]))
	r.At, r.Version, r.Body = number(v[6]), number(v[7]), append([]byte{}, v[8]...)
	return r
}

// idOrNone is an id, or the zero one for null.
func idOrNone(b []byte) domain.ID {
	if b == nil {
		return domain.ID{}
	}
	return domain.ID(b)
}

// uuidOf is an id as a parameter; the zero id is null.
func uuidOf(id domain.ID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: !id.IsZero()} }

func uuids(ids []domain.ID) []pgtype.UUID {
	all := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		all[i] = pgtype.UUID{Bytes: id, Valid: true}
	}
	return all
}

// Follow implements views.Store.
func (v *Views) Follow(ctx context.Context, shape string, told func(ledger.Position)) error {
	for {
		err := v.hear(ctx, shape, told)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !passing(err) {
			return err
		}
		v.opts.Warn(fmt.Errorf("following the views: %w", err))
		if err := pause(ctx, v.opts.Poll); err != nil {
			return err
		}
	}
}

// hear follows over one connection, which tells whoever would drop the generation that it is read.
func (v *Views) hear(ctx context.Context, shape string, told func(ledger.Position)) error {
	c, err := v.server.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(c)
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{v.channel()}.Sanitize()); err != nil {
		return plain(ctx, err)
	}
	var held int64
	var cursor ledger.Position
	for {
		number := v.read.Load()
		var live int64
		var at ledger.Position
		err := c.QueryRow(ctx, "SELECT number, cursor FROM generation WHERE state = 'live' AND shape = $1", shape).Scan(&live, &at)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			live = 0
		case err != nil:
			return plain(ctx, err)
		}
		if live != 0 && live != number && at >= cursor { // else it would be a step back
			number = live
		}
		if number != held {
			if err := v.turn(ctx, c, held, number); err != nil {
				return err
			}
			held = number
		}
		switch err := c.QueryRow(ctx, "SELECT cursor FROM generation WHERE number = $1", number).Scan(&cursor); {
		case errors.Is(err, pgx.ErrNoRows):
			cursor = 0 // there is none yet, or it was dropped while nobody held it: any that is live will do
		case err != nil:
			return plain(ctx, err)
		default:
			told(cursor)
		}
		if err := v.listen(ctx, c); err != nil {
			return err
		}
	}
}

// turn turns readers to another generation, and holds that in place of the one before.
func (v *Views) turn(ctx context.Context, c *pgx.Conn, held, number int64) error {
	if err := v.hold(ctx, c, number); err != nil {
		return err
	}
	v.read.Store(number)
	if held != 0 {
		if _, err := c.Exec(ctx, "SELECT pg_advisory_unlock_shared(hashtextextended($1, 0))", v.lock(held)); err != nil {
			return plain(ctx, err)
		}
	}
	return v.sweep(ctx, c)
}

// listen returns when somebody has told that the views have moved, or after a while.
func (v *Views) listen(ctx context.Context, c *pgx.Conn) error {
	listening, cancel := context.WithTimeout(ctx, v.opts.Poll)
	defer cancel()
	_, err := c.WaitForNotification(listening)
	if err != nil && ctx.Err() == nil && listening.Err() != nil && !c.IsClosed() {
		return v.sweep(ctx, c) // perhaps somebody has ended who read a retired one
	}
	if err != nil {
		return plain(ctx, errors.Join(err, errGone))
	}
	return nil
}

func (v *Views) channel() string { return "samtykke views " + v.server.schema }

// lock names what everybody holds together who reads or folds a generation, so that it is not dropped.
func (v *Views) lock(number int64) string { return fmt.Sprint(v.channel(), " ", number) }

// hold has a connection keep a generation from being dropped.
func (v *Views) hold(ctx context.Context, c *pgx.Conn, number int64) error {
	_, err := c.Exec(ctx, "SELECT pg_advisory_lock_shared(hashtextextended($1, 0))", v.lock(number))
	return plain(ctx, err)
}

// sweep drops the retired generations that nobody holds.
func (v *Views) sweep(ctx context.Context, c *pgx.Conn) error {
	rows, err := c.Query(ctx, "SELECT number FROM generation WHERE state = 'retired'")
	if err != nil {
		return plain(ctx, err)
	}
	retired, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for i := 0; err == nil && i < len(retired); i++ {
		err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			var mine bool
			err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", v.lock(retired[i])).Scan(&mine)
			if err != nil || !mine {
				return err
			}
			done, err := tx.Exec(ctx, "DELETE FROM generation WHERE number = $1 AND state = 'retired'", retired[i])
			if err == nil && done.RowsAffected() == 1 {
				_, err = tx.Exec(ctx, fmt.Sprintf("DROP TABLE IF EXISTS document_%d", retired[i]))
			}
			return err
		})
	}
	return plain(ctx, err)
}

// position is a position as the server takes it.
func position(p ledger.Position) int64 { return int64(min(uint64(p), math.MaxInt64)) }
