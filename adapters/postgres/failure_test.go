package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

// An append whose connection is cut is settled: it is there once, whether or not the server had it.
func TestCut(t *testing.T) {
	for name, fates := range map[string][]postgrestest.Fate{
		"answer lost":        {postgrestest.CutAfter},
		"append lost":        {postgrestest.CutBefore},
		"both by turns":      {postgrestest.CutBefore, postgrestest.CutAfter},
		"answer lost again":  {postgrestest.CutAfter, postgrestest.CutAfter, postgrestest.CutAfter},
		"lost over and over": {postgrestest.CutBefore, postgrestest.CutBefore, postgrestest.CutAfter, postgrestest.CutBefore},
	} {
		t.Run(name, func(t *testing.T) {
			p := postgrestest.NewProxy(t, postgrestest.Database(t))
			s := mustOpen(t, p.DSN, postgres.Options{})
			for n := range uint64(3) {
				p.Next("append", fates...)
				position, err := s.Append(t.Context(), "a", 2*n, ledgertest.Records(int(2*n), 2)...)
				if position != 2*n+2 || err != nil {
					t.Fatalf("position %d, %v; want %d", position, err, 2*n+2)
				}
			}
			p.Next("append", fates...)
			_, err := s.Append(t.Context(), "a", 4, ledgertest.Records(100, 2)...)
			if !errors.Is(err, ledger.ErrConflict) {
				t.Errorf("%v, want a conflict", err)
			}
			if n := len(ledgertest.Check(t, s)); n != 6 {
				t.Errorf("%d records, want 6", n)
			}
		})
	}
}

// When nobody can tell what became of an append, its outcome is open: never refused. The same append settles it later.
func TestOpenOutcome(t *testing.T) {
	p := postgrestest.NewProxy(t, postgrestest.Database(t))
	s := mustOpen(t, p.DSN, postgres.Options{Patience: 3 * time.Second}) // of a busy machine, too
	if _, err := s.Append(t.Context(), "before", 0, ledgertest.Record(1)); err != nil {
		t.Fatal(err) // now there are a connection and a partition
	}
	p.Next("append", postgrestest.ShutAfter)
	_, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0))
	if err == nil || errors.Is(err, ledger.ErrRefused) {
		t.Errorf("%v, want an error that leaves the outcome open", err)
	}
	_, err = s.Append(t.Context(), "a", 0, ledgertest.Record(0))
	if !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
		t.Errorf("without any connection: %v, want a refusal", err)
	}
	p.Next("")
	if position, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0)); position != 2 || err != nil {
		t.Errorf("position %d, %v; want 2", position, err)
	}
	ledgertest.Check(t, s)
}

// Backends that are ended while many write, and readers follow, cost nobody anything but time.
func TestTerminate(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, small)
	const writers, each = 6, 60
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range uint64(each) {
				if w == 0 && n%10 == 5 {
					exec(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE application_name = 'samtykke' AND datname = current_database()`)
				}
				for { // one that finds its connection ended may be refused, or left open by what it reads
					_, err := s.Append(t.Context(), fmt.Sprint("stream ", w), n, ledgertest.Record(1000*w+int(n)))
					if err == nil {
						break
					}
					if errors.Is(err, ledger.ErrConflict) {
						t.Errorf("%v: nobody else writes here", err)
						return
					}
				}
			}
		})
	}
	seen := make(chan int)
	go func() { seen <- len(ledgertest.Between(t, s, 0, writers*each)) }()
	all.Wait()
	if n := <-seen; n != writers*each {
		t.Errorf("the reader saw %d records, want %d", n, writers*each)
	}
	if n := len(ledgertest.Check(t, mustOpen(t, dsn, small))); n != writers*each {
		t.Errorf("%d records, want %d", n, writers*each)
	}
}

// What the server refuses has written nothing, and is no conflict.
func TestServerRefuses(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn+" options='-c lock_timeout=200'", postgres.Options{})
	other, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE samtykke.turn IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Append(t.Context(), "a", 0, ledgertest.Record(0))
	if !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
		t.Errorf("%v, want a refusal", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0)); p != 1 || err != nil {
		t.Errorf("position %d, %v", p, err)
	}
}

// No statement changes or removes an event.
func TestEventsStay(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, small)
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Records(0, 20)...); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE samtykke.event SET data = ''", "DELETE FROM samtykke.event WHERE position = 17"} {
		c, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s: done", statement)
		}
		c.Close(t.Context())
	}
	if n := len(ledgertest.Check(t, s)); n != 20 {
		t.Errorf("%d records, want 20", n)
	}
}

// Errors say what is wrong, and nothing of the connection string.
func TestErrorsShowNothing(t *testing.T) {
	host := strings.Fields(postgrestest.Start(t).DSN(""))[0]
	for name, dsn := range map[string]string{
		"no server":   "host=/nowhere/secrethost user=secretuser password=secretpassword database=secretdb",
		"no such db":  host + " user=samtykke_test password=secretpassword database=secretdb",
		"no such key": host + " user=secretuser password=secretpassword database=postgres",
		"no dsn":      "secret=secret secret",
	} {
		_, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "samtykke_test") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func exec(t testing.TB, dsn, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
