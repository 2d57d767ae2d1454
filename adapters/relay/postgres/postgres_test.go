package postgres_test

import (
	"log/slog"
	"strings"
	"testing"

	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/relay"
	"samtykke/adapters/relay/postgres"
	"samtykke/adapters/relay/relaytest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestPostgres(t *testing.T) {
	relaytest.TestTransport(t, relaytest.Features{Keeps: true}, func(t *testing.T) func() relay.Transport {
		dsn := postgrestest.Database(t)
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

// Nobody there: an error that does not repeat what the address holds.
func TestNobodyThere(t *testing.T) {
	for _, dsn := range []string{"postgres://somebody:canary@127.0.0.1:1/x", "postgres://canary:port/", "canary=1"} {
		_, err := postgres.Open(t.Context(), dsn, quiet)
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("the error is %v", err)
		}
	}
}
