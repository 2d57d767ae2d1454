package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/eventschema"
)

// Two stores on one ledger are as good as one: positions without a gap, one winner for each version, and no reader of either
// skips what the other writes.
func TestTwoProcesses(t *testing.T) {
	dsn := postgrestest.Database(t)
	stores := []*postgres.Store{mustOpen(t, dsn, small), mustOpen(t, dsn, small)}
	const writers, rounds, readers = 12, 25, 2
	var all sync.WaitGroup
	for i := range writers {
		s := stores[i%2]
		all.Go(func() {
			own := fmt.Sprint("own ", i)
			for n := range rounds {
				if _, err := s.Append(t.Context(), own, uint64(n), ledgertest.Record(n)); err != nil {
					t.Errorf("to a stream of one's own: %v", err)
				}
				for version := uint64(0); ; { // to the common one, at whatever version it is
					_, err := s.Append(t.Context(), "common", version, ledgertest.Record(1000*(i+1)+n))
					var conflict *ledger.ConflictError
					if errors.As(err, &conflict) {
						version = conflict.Actual
						continue
					}
					if err != nil {
						t.Errorf("to the common stream: %v", err)
					}
					break
				}
			}
		})
	}
	const total = 2 * writers * rounds
	seen := make([][]eventschema.Record, 2*readers)
	for i := range seen {
		all.Go(func() { seen[i] = ledgertest.Between(t, stores[i%2], 0, total) })
	}
	all.Wait()
	for _, records := range append(seen, ledgertest.Check(t, stores[0]), ledgertest.Check(t, stores[1])) {
		if len(records) != total {
			t.Fatalf("%d records, want %d", len(records), total)
		}
		for i, r := range records {
			if r.Position != uint64(i)+1 {
				t.Fatalf("record %d has position %d", i, r.Position)
			}
		}
	}
}

// A reader hears at once what another process appends, and need not wait until it looks again by itself.
func TestTold(t *testing.T) {
	dsn := postgrestest.Database(t)
	opts := postgres.Options{Poll: time.Hour}
	reads, writes := mustOpen(t, dsn, opts), mustOpen(t, dsn, opts)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	appended := func(n uint64) {
		if _, err := writes.Append(ctx, "a", n, ledgertest.Record(int(n))); err != nil {
			t.Error(err)
		}
	}
	var writing sync.WaitGroup // a reader may have a record before its writer has the answer
	defer writing.Wait()
	appended(0)
	for r, err := range reads.After(ctx, 0) {
		if err != nil {
			t.Fatalf("nobody told the reader: %v", err)
		}
		if r.Version == 20 {
			break
		}
		writing.Go(func() { appended(r.Version) })
	}
}

// An attempt to take a version of a stream, by one of several processes.
type attempt struct {
	after uint64
	id    int
}

// Whoever appends to one stream from several processes sees what one register with compare and set would show.
func TestLinearizable(t *testing.T) {
	model := porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, input, output any) (bool, any) {
			version, in := state.(uint64), input.(attempt)
			actual, conflict := output.(uint64)
			if conflict {
				return actual == version && version != in.after, version
			}
			return version == in.after, version + 1
		},
	}
	dsn := postgrestest.Database(t)
	stores := []*postgres.Store{mustOpen(t, dsn, small), mustOpen(t, dsn, small), mustOpen(t, dsn, small)}
	const clients, each = 9, 15
	var mu sync.Mutex
	var operations []porcupine.Operation
	clock := int64(0)
	tick := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		clock++
		return clock
	}
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			after := uint64(0)
			for n := range each {
				in := attempt{after, each*c + n}
				begun := tick()
				_, err := stores[c%3].Append(t.Context(), "stream", after, ledgertest.Record(in.id))
				ended := tick()
				var output any
				var conflict *ledger.ConflictError
				switch {
				case errors.As(err, &conflict):
					output, after = conflict.Actual, conflict.Actual
				case err != nil:
					t.Error(err)
					return
				default:
					after++
				}
				mu.Lock()
				operations = append(operations, porcupine.Operation{ClientId: c, Input: in, Call: begun, Output: output, Return: ended})
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if !porcupine.CheckOperations(model, operations) {
		t.Error("no order of the appends explains what each was told")
	}
}

// A schema of its own makes a ledger of its own.
func TestSchemas(t *testing.T) {
	dsn := postgrestest.Database(t)
	a, b := mustOpen(t, dsn, postgres.Options{Schema: "a"}), mustOpen(t, dsn, postgres.Options{Schema: "b"})
	for range 2 {
		if _, err := a.Append(t.Context(), "stream", 0, ledgertest.Record(1)); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := b.Append(t.Context(), "stream", 0, ledgertest.Record(2)); p != 1 || err != nil {
		t.Errorf("position %d, %v: another ledger begins at 1", p, err)
	}
	if n := len(ledgertest.Check(t, a)); n != 1 {
		t.Errorf("%d records", n)
	}
}

// What no table can hold is refused before it can harm the appends that it would be written with.
func TestNoText(t *testing.T) {
	s := mustOpen(t, postgrestest.Database(t), postgres.Options{})
	for _, name := range []string{"a\x00b", "\xff", string(make([]byte, postgres.MaxName+1))} {
		if _, err := s.Append(context.Background(), name, 0, ledgertest.Record(1)); !errors.Is(err, ledger.ErrRefused) {
			t.Errorf("a name of %d bytes: %v", len(name), err)
		}
	}
	ledgertest.Check(t, s)
}
