package postgres_test

import (
	"context"
	"errors"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/relay"
)

func placeAt(p ledger.Position) relay.Place {
	return relay.Place{Position: p, Leaf: [32]byte{byte(p), 1}}
}

// A cursor stands where it was last saved, and whoever reads it has it alone: one who held the lease before moves it no more, forth or
// back.
func TestCursorIsTheHolders(t *testing.T) {
	dsn := postgrestest.Database(t)
	hold := func() (relay.Cursor, *postgres.Lease) {
		s := mustShare(t, dsn, postgres.SharedOptions{})
		l := s.Lease("clock", term)
		if err := l.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		return s.Cursor("messages", l), l
	}
	at := func(c relay.Cursor, want relay.Place, there bool) {
		t.Helper()
		if p, known, err := c.Load(t.Context()); p != want || known != there || err != nil {
			t.Errorf("at %v, %v, %v; expected %v, %v", p.Position, known, err, want.Position, there)
		}
	}
	save := func(c relay.Cursor, p ledger.Position) error { return c.Save(t.Context(), placeAt(p)) }
	first, _ := hold()
	at(first, relay.Place{}, false)
	if err := errors.Join(save(first, 5), save(first, 9)); err != nil {
		t.Fatal(err)
	}
	second, _ := hold()
	if err := save(first, 10); err != nil {
		t.Errorf("nobody has read it since: %v", err)
	}
	at(second, placeAt(10), true)
	for _, p := range []ledger.Position{11, 4} {
		if err := save(first, p); !errors.Is(err, postgres.ErrLeaseLost) {
			t.Errorf("the one before saves %d: %v", p, err)
		}
	}
	if _, _, err := first.Load(t.Context()); !errors.Is(err, postgres.ErrLeaseLost) {
		t.Errorf("the one before reads it: %v", err)
	}
	if err := save(second, 12); err != nil {
		t.Fatal(err)
	}
	third, _ := hold()
	at(third, placeAt(12), true)
}
