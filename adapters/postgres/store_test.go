package postgres_test

import (
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// small makes partitions follow one another often.
var small = postgres.Options{Partition: 16}

// place is a database.
type place struct {
	dsn  string
	opts postgres.Options
}

func newPlace(t testing.TB, opts postgres.Options) place {
	return place{postgrestest.Database(t), opts}
}

func (p place) Open(t *testing.T) (ledger.Store, func() error) {
	t.Helper()
	s := mustOpen(t, p.dsn, p.opts)
	return s, s.Close
}

func mustOpen(t testing.TB, dsn string, opts postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// crashing is a place whose server can lose what is not durable.
type crashing struct{ place }

func (p crashing) Crash(t *testing.T) { postgrestest.Start(t).Crash(t) }

func TestStore(t *testing.T) {
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place { return crashing{newPlace(t, postgres.Options{})} })
}

func TestStoreInSmallPartitions(t *testing.T) {
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place { return newPlace(t, small) })
}
