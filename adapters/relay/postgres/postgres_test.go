package postgres_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/relay"
	"samtykke/adapters/relay/postgres"
	"samtykke/adapters/relay/relaytest"
)

var quiet = slog.New(slog.DiscardHandler)

const database = "SAMTYKKE_TEST_POSTGRES"

// TestPostgres needs a database that it may empty of the relay's tables.
func TestPostgres(t *testing.T) {
	dsn := os.Getenv(database)
	if dsn == "" {
		t.Skipf("%s names no database", database)
	}
	relaytest.TestTransport(t, relaytest.Features{Keeps: true}, func(t *testing.T) func() relay.Transport {
		empty(t, dsn)
		return func() relay.Transport {
			tr, err := postgres.Open(t.Context(), dsn, quiet)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { tr.Close() }) // some tests have closed it
			return tr
		}
	})
}

func empty(t *testing.T, dsn string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select quote_ident(tablename) from pg_tables where schemaname = current_schema() and tablename like 'relay\_%'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if _, err := conn.Exec(ctx, "drop table "+table); err != nil {
			t.Fatal(err)
		}
	}
}

// Nobody there: an error that does not repeat what the address holds.
func TestNobodyThere(t *testing.T) {
	for _, dsn := range []string{"postgres://somebody:canary@127.0.0.1:1/x", "postgres://canary:port/", "canary=1"} {
		_, err := postgres.Open(t.Context(), dsn, quiet)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("the error is %v", err)
		}
	}
}
