package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/eventschema"
)

// storing measures a ledger in PostgreSQL beside what an application does there by itself: one INSERT for each event; and beside
// message-db, where it is installed in that database.
func (b *bench) storing() (err error) {
	if scheme := elsewhere(b.store); scheme != "postgres" && scheme != "postgresql" {
		return usage("--store is postgres://… or env:NAME")
	}
	b.said = append(b.said,
		"Every write is durable (synchronous_commit) before it is answered. Ours and the yardstick take turns on one server, each writer over what it",
		"would use: the store's one connection, or a connection of its own. The yardstick's table has the same columns and indexes, and promises less:",
		"its numbers have gaps and are not in the order of commits.",
	)
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		return err
	}
	schema := "samtykke_bench_" + hex.EncodeToString(suffix)
	admin, err := pgx.Connect(b.ctx, b.store)
	if err != nil {
		return errors.New("the server cannot be reached")
	}
	defer admin.Close(context.Background())
	s, err := postgres.Open(b.ctx, b.store, postgres.Options{Schema: schema})
	if err != nil {
		return err
	}
	defer func() {
		_, dropped := admin.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		err = errors.Join(err, s.Close(), dropped)
	}()
	_, err = admin.Exec(b.ctx, `CREATE TABLE `+schema+`.plain (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, version bigint NOT NULL,
		id uuid NOT NULL, stream text COLLATE "C" NOT NULL, data bytea NOT NULL, UNIQUE (stream, version))`)
	if err != nil {
		return err
	}
	var messageDB bool
	if err := admin.QueryRow(b.ctx, "SELECT to_regnamespace('message_store') IS NOT NULL").Scan(&messageDB); err != nil {
		return err
	}
	p := &storeBench{bench: b, store: s, schema: schema, messageDB: messageDB, run: uuid.NewString(), versions: map[string]uint64{}}
	for _, callers := range benchCallers {
		if err := p.writers(callers); err != nil {
			return err
		}
	}
	if err := p.follow(); err != nil {
		return err
	}
	return p.rebuild(admin)
}

// A storeBench is a ledger in a schema of its own, and the tables beside it.
type storeBench struct {
	*bench
	store     *postgres.Store
	schema    string
	messageDB bool
	run       string // in the names of message-db's streams, which stay

	mu       sync.Mutex
	versions map[string]uint64
}

func (p *storeBench) stream(caller int) string {
	return fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 100000000000+caller)
}

// append appends one event to the caller's stream.
func (p *storeBench) append(caller int) (ledger.Position, error) {
	name := p.stream(caller)
	p.mu.Lock()
	version := p.versions[name]
	p.versions[name]++
	p.mu.Unlock()
	return p.store.Append(p.ctx, name, version, eventschema.Record{ID: domain.ID(uuid.New()), Data: make([]byte, eventBytes)})
}

// writers measures so many writers of one event after the other.
func (p *storeBench) writers(callers int) error {
	p.note(fmt.Sprintf("store, %d callers", callers))
	conns := make([]*pgx.Conn, callers)
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(p.ctx, p.bench.store); err != nil {
			return errors.New("the server does not take so many connections: it needs max_connections of 300")
		}
		defer conns[i].Close(context.Background())
	}
	data := make([]byte, eventBytes)
	inserted := make([]int, callers)
	ways := []func(caller, n int) error{
		func(c, _ int) error { _, err := p.append(c); return err },
		func(c, _ int) error {
			inserted[c]++
			_, err := conns[c].Exec(p.ctx, "INSERT INTO "+p.schema+".plain (version, id, stream, data) VALUES ($1, $2, $3, $4)",
				inserted[c], uuid.New(), fmt.Sprint(p.stream(c), "/", callers), data)
			return err
		},
	}
	if p.messageDB {
		text := `{"data":"` + hex.EncodeToString(data[:eventBytes/2]) + `"}`
		ways = append(ways, func(c, n int) error {
			_, err := conns[c].Exec(p.ctx, "SELECT message_store.write_message($1, $2, 'bench', $3)",
				uuid.NewString(), fmt.Sprintf("bench%s-%d", p.run, c), text)
			return err
		})
		for _, conn := range conns {
			if _, err := conn.Exec(p.ctx, "SET search_path TO message_store,public"); err != nil {
				return err
			}
		}
	}
	took := make([]turns, len(ways))
	for range p.rounds {
		for i, way := range ways {
			r, err := drive(callers, 4*p.slice, way)
			if err != nil {
				return err
			}
			took[i] = append(took[i], r)
		}
	}
	section := fmt.Sprintf("appends, %d callers", callers)
	if callers == 1 {
		section = "appends, 1 caller"
	}
	least := map[int]float64{1: 1 / 1.5, 64: 2.5, 256: 2.5}[callers]
	var held *aim
	if least > 0 {
		held = &aim{ratio: true, least: least}
	}
	p.add(benchLine{Section: section, What: "ours", Figure: took[0].perSecond(), Unit: perSecond, Against: "one INSERT each",
		Yardstick: took[1].perSecond(), Note: "p99 " + seconds.show(took[0].quantile(0.99))}, held)
	if p.messageDB {
		p.add(benchLine{Section: section, What: "ours", Figure: took[0].perSecond(), Unit: perSecond, Against: "message-db", Yardstick: took[2].perSecond()}, nil)
	}
	return nil
}

// follow measures how far a reader over another connection is behind 64 writers who keep to half of what they can do.
func (p *storeBench) follow() error {
	const callers = 64
	p.note("following")
	full, err := drive(callers, 4*p.slice, func(c, _ int) error { _, err := p.append(c); return err })
	if err != nil {
		return err
	}
	every := time.Duration(2 * callers / full.perSecond * float64(time.Second)) // between two of one caller's
	reads, err := postgres.Open(p.ctx, p.bench.store, postgres.Options{Schema: p.schema})
	if err != nil {
		return err
	}
	defer reads.Close()
	head, err := reads.Head(p.ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	var mu sync.Mutex
	seen, answered := map[ledger.Position]time.Time{}, map[ledger.Position]time.Time{}
	var reading sync.WaitGroup
	var failed error
	enough := make(chan ledger.Position, 1) // the last position that there will be
	reading.Go(func() {
		last := ledger.Position(0)
		for r, err := range reads.After(ctx, head) {
			if err != nil {
				failed = err
				return
			}
			mu.Lock()
			seen[r.Position] = time.Now()
			mu.Unlock()
			if last == 0 {
				select {
				case last = <-enough:
				default:
				}
			}
			if last > 0 && r.Position >= last {
				return
			}
		}
	})
	_, err = drive(callers, 10*p.slice, func(c, n int) error {
		pause := time.NewTimer(every)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		at, err := p.append(c)
		mu.Lock()
		defer mu.Unlock()
		answered[at] = time.Now()
		return err
	})
	if err != nil {
		return err
	}
	last, err := p.append(0) // so that the reader comes to an end
	if err != nil {
		return err
	}
	enough <- last
	if _, err := p.append(0); err != nil {
		return err
	}
	reading.Wait()
	if failed != nil {
		return failed
	}
	var behind []float64
	for at, then := range answered {
		behind = append(behind, max(0, seen[at].Sub(then).Seconds()))
	}
	p.add(benchLine{Section: "following at half that load", What: "from the answer until a reader has it", Figure: median(behind), Unit: seconds,
		Note: "p99 " + seconds.show(quantile(behind, 0.99))}, &aim{most: 10e-3})
	return nil
}

// rebuild measures views filled anew from a ledger in PostgreSQL, beside one transaction for each event, which is how a view is kept that
// writes its document and its place together.
func (p *storeBench) rebuild(admin *pgx.Conn) error {
	if err := p.newHistory(); err != nil {
		return err
	}
	w := p.world(p.history, &benchClock{})
	from, _, err := w.openStore(p.ctx)
	if err != nil {
		return err
	}
	defer from.Close()
	schema := p.schema + "_h"
	to, err := postgres.Open(p.ctx, p.bench.store, postgres.Options{Schema: schema})
	if err != nil {
		return err
	}
	defer func() {
		to.Close()
		admin.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
	}()
	p.note("copying a ledger to the server")
	copied, err := timed(func() error { return ledger.Copy(p.ctx, to, from, func(_, _ ledger.Position) {}) })
	if err != nil {
		return err
	}
	head, err := to.Head(p.ctx)
	if err != nil {
		return err
	}
	p.note("rebuilding")
	keys, err := w.openKeys(p.ctx)
	if err != nil {
		return err
	}
	defer keys.Close()
	k := views.NewKeeper(&ledger.Ledger{Store: to, Keys: keys, Clock: w.clock, Random: w.random}, w.rules)
	took, err := timed(func() error { return k.CatchUp(p.ctx) })
	if err != nil {
		return err
	}
	if _, err := admin.Exec(p.ctx, `CREATE TABLE `+schema+`.document (id bigint PRIMARY KEY, at bigint NOT NULL, body bytea NOT NULL);
		CREATE TABLE `+schema+`.cursor (at bigint NOT NULL); INSERT INTO `+schema+`.cursor VALUES (0)`); err != nil {
		return err
	}
	body := make([]byte, eventBytes)
	single, err := drive(1, 10*p.slice, func(_, n int) error {
		return pgx.BeginFunc(p.ctx, admin, func(tx pgx.Tx) error {
			_, err := tx.Exec(p.ctx, `INSERT INTO `+schema+`.document VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET at = excluded.at, body = excluded.body`, n%1000, n, body)
			if err == nil {
				_, err = tx.Exec(p.ctx, "UPDATE "+schema+".cursor SET at = $1", n)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	section := fmt.Sprintf("a ledger of %s events in PostgreSQL", grouped(float64(head)))
	p.add(benchLine{Section: section, What: "copied there from files", Figure: float64(head) / copied, Unit: perSecond}, nil)
	p.add(benchLine{Section: section, What: "all views filled anew", Figure: float64(head) / took, Unit: perSecond,
		Against: "one transaction each", Yardstick: single.perSecond}, &aim{ratio: true, least: 5})
	return nil
}
