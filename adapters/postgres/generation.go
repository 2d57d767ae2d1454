package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
)

// A generation is a views.Generation: it has a connection of its own, which holds it.
type generation struct {
	views  *Views
	conn   *pgx.Conn
	number int64
	shape  string
	at     views.Progress
}

// folding is how a folder's connection works. What it writes can be made again from the ledger, and documents and cursor are lost together:
// so a commit need not wait for the disk. Each row is found by its index, however small or large the table was when that was planned.
const folding = `SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
	SET enable_mergejoin = off; SET jit = off`

// Claim implements views.Store. It waits for the server for as long as Options.Patience; then the error matches views.ErrAway.
func (v *Views) Claim(ctx context.Context, shape string, anew bool, fits func(views.Progress) (bool, error)) (views.Generation, error) {
	within, cancel := context.WithTimeout(ctx, v.opts.Patience)
	defer cancel()
	for {
		c, err := v.server.connect(within)
		if err == nil {
			if _, err = c.Exec(ctx, folding); err == nil {
				var g *generation
				if g, err = v.claim(ctx, c, shape, anew, fits); err == nil {
					return g, nil
				}
			}
			hangUp(c)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !passing(plain(ctx, err)) && within.Err() == nil:
			return nil, err
		}
		v.opts.Warn(fmt.Errorf("folding views: %w", plain(ctx, err)))
		if pause(within, v.opts.Poll/4) != nil && ctx.Err() == nil {
			return nil, views.ErrAway
		}
	}
}

// claim finds a generation or makes one, which one instance does at a time.
func (v *Views) claim(ctx context.Context, c *pgx.Conn, shape string, anew bool, fits func(views.Progress) (bool, error)) (*generation, error) {
	g := &generation{views: v, conn: c, shape: shape}
	var unfit error // why it is not known whether one fits
	err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if err := v.alone(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT number, state, cursor, leaf FROM generation WHERE shape = $1 AND (state = 'building' OR NOT $2)
			ORDER BY state = 'live' DESC, state = 'building' DESC, number DESC`, shape, anew)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[foundGeneration])
		if err != nil {
			return err
		}
		for _, f := range found {
			at := views.Progress{Cursor: ledger.Position(f.Cursor)}
			copy(at.Leaf[:], f.Leaf)
			var good bool
			if good, unfit = fits(at); unfit != nil {
				return unfit
			}
			if good {
				g.number, g.at = f.Number, at
				_, err := tx.Exec(ctx, "UPDATE generation SET state = 'building' WHERE number = $1 AND state = 'retired'", f.Number)
				return errors.Join(err, v.hold(ctx, c, g.number))
			}
			// It is of another history: the ledger was put back from a copy.
			if _, err := tx.Exec(ctx, "UPDATE generation SET state = 'retired' WHERE number = $1", f.Number); err != nil {
				return err
			}
		}
		if err := tx.QueryRow(ctx, "SELECT add_generation($1, $2)", shape, g.at.Leaf[:]).Scan(&g.number); err != nil {
			return err
		}
		return v.hold(ctx, c, g.number)
	})
	if unfit != nil {
		return nil, unfit
	}
	if err == nil {
		err = v.sweep(ctx, c)
	}
	return g, plain(ctx, err)
}

type foundGeneration struct {
	Number int64
	State  string
	Cursor int64
	Leaf   []byte
}

// alone has one at a time claim generations, or change which is live, until the transaction ends.
func (v *Views) alone(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", v.channel())
	return err
}

func (g *generation) Progress() views.Progress { return g.at }

func (g *generation) Read() bool { return g.views.read.Load() == g.number }

func (g *generation) Close() { hangUp(g.conn) }

// lost is what a folder is told of an error: whatever passes, it folds on from where the views stand then.
func (g *generation) lost(ctx context.Context, err error) error {
	if err = plain(ctx, err); passing(err) {
		g.views.opts.Warn(fmt.Errorf("folding views: %w", err))
		return views.ErrAgain
	}
	return err
}

// Rows implements views.Generation.
func (g *generation) Rows(ctx context.Context, s views.Select) iter.Seq2[views.Stored, error] {
	return pages(s, func(s views.Select, from *views.Stored) ([]views.Stored, error) {
		rows, err := pageOf(ctx, g.conn, g.number, s, from)
		return rows, g.lost(ctx, err)
	})
}

// Load implements views.Generation.
func (g *generation) Load(ctx context.Context, documents []views.Key) ([]views.Stored, error) {
	numbers, ids := make([]int16, len(documents)), make([]pgtype.UUID, len(documents))
	for i, k := range documents {
		numbers[i], ids[i] = int16(k.View), pgtype.UUID{Bytes: k.ID, Valid: true}
	}
	rows, err := g.conn.Query(ctx, fmt.Sprintf(`SELECT d.* FROM unnest($1::smallint[], $2::uuid[]) k (view, id), LATERAL (
		SELECT %s FROM document_%d WHERE view = k.view AND id = k.id AND part = 0 OFFSET 0) d`,
		rowColumnNames, g.number), numbers, ids) // OFFSET keeps the planner from anything but looking up one after the other
	if err != nil {
		return nil, g.lost(ctx, err)
	}
	all, err := storedRows(ctx, rows)
	return all, g.lost(ctx, err)
}

// Commit implements views.Generation.
func (g *generation) Commit(ctx context.Context, to views.Progress, rows []views.Stored) error {
	var moved bool
	err := pgx.BeginFunc(ctx, g.conn, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`UPDATE generation g SET cursor = $3, leaf = $4 WHERE number = $1 AND cursor = $2
			AND NOT (state = 'retired' AND EXISTS (SELECT FROM generation o WHERE o.state = 'live' AND o.shape = g.shape))`,
			g.number, position(g.at.Cursor), position(to.Cursor), to.Leaf[:]).
			Exec(func(done pgconn.CommandTag) error { moved = done.RowsAffected() == 1; return nil })
		for last := false; !last; {
			n := together(rows)
			g.queue(&b, rows[:n])
			rows = rows[n:]
			if last = len(rows) == 0; last {
				b.Queue("SELECT pg_notify($1, '')", g.views.channel())
			}
			if err := tx.SendBatch(ctx, &b).Close(); err != nil {
				return err
			}
			if !moved {
				return views.ErrAgain
			}
			b = pgx.Batch{}
		}
		return nil
	})
	if errors.Is(err, views.ErrAgain) {
		return err
	}
	if err != nil {
		return g.lost(ctx, err)
	}
	g.at = to
	return nil
}

// sentTogether is how many bytes of documents are sent at a time, which are in memory some three times meanwhile.
const sentTogether = 4 << 20

// together is how many of the first rows are sent at a time.
func together(rows []views.Stored) (n int) {
	for size := 0; n < len(rows) && size < sentTogether; n++ {
		size += len(rows[n].Body)
	}
	return n
}

// queue writes rows.
func (g *generation) queue(b *pgx.Batch, rows []views.Stored) {
	var w, gone rowColumns
	for _, r := range rows {
		if r.Body == nil {
			gone.add(r)
		} else {
			w.add(r)
		}
	}
	if len(gone.ids) > 0 {
		b.Queue(fmt.Sprintf(`DELETE FROM document_%[1]d WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM unnest($1::smallint[], $2::uuid[]) k (view, id),
			LATERAL (SELECT ctid FROM document_%[1]d WHERE view = k.view AND id = k.id OFFSET 0) d))`, g.number), gone.views, gone.ids)
	}
	if len(w.ids) > 0 {
		b.Queue(fmt.Sprintf(`INSERT INTO document_%d AS d (view, id, part, parts, at, version, grouped, due, body)
			SELECT * FROM unnest($1::smallint[], $2::uuid[], $3::int[], $4::int[], $5::bigint[], $6::bigint[], $7::uuid[], $8::uuid[], $9::bytea[])
			ON CONFLICT (view, id, part) DO UPDATE SET parts = excluded.parts, at = excluded.at, version = excluded.version,
			grouped = excluded.grouped, due = excluded.due, body = excluded.body`, g.number),
			w.views, w.ids, w.part, w.parts, w.at, w.version, w.grouped, w.due, w.body)
	}
}

// rowColumns are rows as arrays.
type rowColumns struct {
	views       []int16
	ids         []pgtype.UUID
	part, parts []int32
	at, version []int64
	grouped     []pgtype.UUID
	due         []pgtype.UUID
	body        [][]byte
}

func (c *rowColumns) add(r views.Stored) {
	c.views, c.ids = append(c.views, int16(r.View)), append(c.ids, pgtype.UUID{Bytes: r.ID, Valid: true})
	c.part, c.parts = append(c.part, int32(r.Part)), append(c.parts, int32(r.Parts))
	c.at, c.version = append(c.at, int64(r.At)), append(c.version, int64(r.Version))
	c.grouped, c.due, c.body = append(c.grouped, uuidOf(r.Group)), append(c.due, uuidOf(r.Due)), append(c.body, r.Body)
}

// Serve implements views.Generation: in one transaction the one before is retired, and this one is live.
func (g *generation) Serve(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, g.conn, func(tx pgx.Tx) error {
		if err := g.views.alone(ctx, tx); err != nil {
			return err
		}
		var state string
		if err := tx.QueryRow(ctx, "SELECT state FROM generation WHERE number = $1", g.number).Scan(&state); err != nil || state == "live" {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE generation SET state = 'retired' WHERE number <> $1 AND (state = 'live' OR shape = $2)", g.number, g.shape)
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE generation SET state = 'live' WHERE number = $1", g.number)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "SELECT pg_notify($1, '')", g.views.channel())
		}
		return err
	})
	if err == nil {
		g.views.read.Store(g.number)
		err = g.views.sweep(ctx, g.conn)
	}
	return g.lost(ctx, err)
}

// Moved implements views.Generation.
func (g *generation) Moved(ctx context.Context) (bool, error) {
	for range looks {
		if err := pause(ctx, 2*g.views.opts.Poll/looks); err != nil {
			return false, err
		}
		at := g.at
		var leaf []byte
		var cursor int64
		if err := g.conn.QueryRow(ctx, "SELECT cursor, leaf FROM generation WHERE number = $1", g.number).Scan(&cursor, &leaf); err != nil {
			return false, g.lost(ctx, err)
		}
		g.at.Cursor = ledger.Position(cursor)
		copy(g.at.Leaf[:], leaf)
		if at != g.at {
			return true, nil
		}
	}
	return false, nil
}

// looks is how often is looked, in two polls' time, whether somebody else folds.
const looks = 10
