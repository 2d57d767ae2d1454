package postgres_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

// Several programs that find an empty database make one ledger of it.
func TestOpenAtOnce(t *testing.T) {
	dsn := postgrestest.Database(t)
	var all sync.WaitGroup
	for n := range 6 {
		all.Go(func() {
			s, err := postgres.Open(t.Context(), dsn, small)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(n)); err != nil && !errors.Is(err, ledger.ErrConflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(ledgertest.Check(t, mustOpen(t, dsn, small))); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestNewerDatabase(t *testing.T) {
	dsn := postgrestest.Database(t)
	mustOpen(t, dsn, postgres.Options{}).Close()
	exec(t, dsn, "INSERT INTO samtykke.migration (kind, number) VALUES ('events', 1000)")
	if _, err := postgres.Open(t.Context(), dsn, postgres.Options{}); !errors.Is(err, postgres.ErrNewer) {
		t.Errorf("%v, want %v", err, postgres.ErrNewer)
	}
}

// Commits are durable whatever the server or the connection string says.
func TestDurable(t *testing.T) {
	dsn := postgrestest.Database(t)
	for _, set := range []struct{ given, want string }{{"off", "on"}, {"local", "on"}, {"on", "on"}, {"remote_apply", "remote_apply"}} {
		s := mustOpen(t, dsn+" options='-c synchronous_commit="+set.given+"'", postgres.Options{})
		got, err := s.Settings(t.Context(), "synchronous_commit")
		if err != nil || got[0] != set.want || got[1] != set.want {
			t.Errorf("%s became %v, %v; want %s", set.given, got, err, set.want)
		}
		s.Close()
	}
}

// A database whose transactions see what was committed when they began would have the writer judge on what is no longer so.
func TestIsolation(t *testing.T) {
	s := mustOpen(t, postgrestest.Database(t)+" options='-c default_transaction_isolation=serializable'", postgres.Options{})
	got, err := s.Settings(t.Context(), "transaction_isolation")
	if err != nil || got[0] != "read committed" || got[1] != "read committed" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUnsafeServer(t *testing.T) {
	dsn := postgrestest.Database(t)
	for _, name := range []string{"fsync", "full_page_writes"} {
		set(t, dsn, name, "off")
		if _, err := postgres.Open(t.Context(), dsn, postgres.Options{}); !errors.Is(err, postgres.ErrUnsafe) {
			t.Errorf("%s off: %v, want %v", name, err, postgres.ErrUnsafe)
		}
		mustOpen(t, dsn, postgres.Options{Unsafe: true}).Close()
		set(t, dsn, name, "on")
	}
	mustOpen(t, dsn, postgres.Options{})
}

// set changes a setting of the server, and waits until new connections have it.
func set(t *testing.T, dsn, name, value string) {
	t.Helper()
	exec(t, dsn, "ALTER SYSTEM SET "+name+" = "+value)
	exec(t, dsn, "SELECT pg_reload_conf()")
	for got := ""; got != value; {
		c, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			err = c.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got)
			c.Close(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The store's clock is that of its server.
func TestNow(t *testing.T) {
	s := mustOpen(t, postgrestest.Database(t), postgres.Options{})
	now, err := s.Now(t.Context())
	if off := time.Since(now); err != nil || off < -time.Minute || off > time.Minute {
		t.Errorf("%v off, %v", off, err)
	}
	later, err := s.Now(t.Context())
	if err != nil || !later.After(now) {
		t.Errorf("%v, then %v, %v", now, later, err)
	}
}
