package ledgertest_test

import (
	"errors"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
)

// kept is the place of a store in memory: it is the store.
type kept struct{ ledger.Store }

func (k kept) Open(*testing.T) (ledger.Store, func() error) {
	return k.Store, func() error { return nil }
}

func TestMemory(t *testing.T) {
	ledgertest.TestStore(t, func(*testing.T) ledgertest.Place { return kept{ledgertest.Memory()} })
}

func TestFaultyWithoutFaults(t *testing.T) {
	ledgertest.TestStore(t, func(*testing.T) ledgertest.Place { return kept{ledgertest.Faulty(ledgertest.Memory())} })
}

func TestFaults(t *testing.T) {
	s := ledgertest.Faulty(ledgertest.Memory())
	append := func(after uint64, n int) error {
		_, err := s.Append(t.Context(), "a", after, ledgertest.Record(n))
		return err
	}
	s.FailAndLose(1)
	s.FailAndStore(2)
	s.Conflict(4)
	if err := append(0, 0); !errors.Is(err, ledgertest.ErrFault) || errors.Is(err, ledger.ErrRefused) {
		t.Errorf("failed and lost: %v", err)
	}
	if n := len(ledgertest.Read(t, s, "a", 0)); n != 0 {
		t.Errorf("failed and lost: %d records", n)
	}
	if err := append(0, 0); !errors.Is(err, ledgertest.ErrFault) {
		t.Errorf("failed and stored: %v", err)
	}
	if n := len(ledgertest.Read(t, s, "a", 0)); n != 1 {
		t.Errorf("failed and stored: %d records", n)
	}
	if err := append(0, 0); err != nil {
		t.Errorf("the retry: %v", err)
	}
	if err := append(1, 1); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a conflict was chosen: %v", err)
	}
	s.Before(func(stream string, after uint64) {
		s.Before(nil)
		if _, err := s.Store.Append(t.Context(), stream, after, ledgertest.Record(7)); err != nil {
			t.Error(err)
		}
	})
	if err := append(1, 1); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("another writer came in between: %v", err)
	}
	if got, want := s.Uses()["a"], (ledgertest.Uses{Reads: 2, Appends: 5}); got != want {
		t.Errorf("uses %+v, want %+v", got, want)
	}
	ledgertest.Check(t, s)
}
