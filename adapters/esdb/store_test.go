package esdb_test

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/esdb"
	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/eventschema"
)

// quick is a pause that lets others go on, and takes no time.
func quick(ctx context.Context, _ time.Duration) error {
	runtime.Gosched()
	return ctx.Err()
}

// to gives the connection string of a node without TLS.
func to(n *esdbtest.Server) string {
	return "esdb://" + n.Address() + "?tls=false&maxDiscoverAttempts=2&discoveryInterval=1"
}

// open opens a store that is closed at the end of the test.
func open(t testing.TB, connection string, opts esdb.Options) *esdb.Store {
	t.Helper()
	if opts.Pause == nil {
		opts.Pause = quick
	}
	s, _, err := esdb.Open(t.Context(), connection, opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// place is a ledger at a server.
type place struct {
	connection string
	opts       esdb.Options
	crash      func()
	now        atomic.Pointer[esdb.Store]
}

func (p *place) Open(t *testing.T) (ledger.Store, func() error) {
	t.Helper()
	s, _, err := esdb.Open(context.Background(), p.connection, p.opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	p.now.Store(s)
	return s, s.Close
}

// Crash ends the store with all its connections, as if its process were killed.
func (p *place) Crash(*testing.T) {
	p.crash()
	p.now.Load().Close()
}

func at(n *esdbtest.Server, opts esdb.Options) *place {
	opts.Pause = quick
	return &place{connection: to(n), opts: opts, crash: n.CutConnections}
}

func TestStore(t *testing.T) {
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place { return at(esdbtest.Start(t, esdbtest.Options{}), esdb.Options{}) })
}

func TestStoreThatKeepsPositions(t *testing.T) {
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
		return at(esdbtest.Start(t, esdbtest.Options{}), esdb.Options{Disk: simdisk.New(rand.NewPCG(1, 0)), KeepEvery: 7})
	})
}

// Whatever becomes of single calls, the store does what it must.
func TestStoreWithFaults(t *testing.T) {
	for _, c := range []struct {
		name    string
		oneIn   int
		forgets bool
		fates   []esdbtest.Fate
	}{
		{"answers lost, and no idempotency", 7, true, []esdbtest.Fate{esdbtest.Unavailable, esdbtest.Lost, esdbtest.TimedOut}},
		{"whatever", 40, false, []esdbtest.Fate{ // a cut is felt by all calls under way
			esdbtest.Unavailable, esdbtest.Lost, esdbtest.TimedOut, esdbtest.Cut, esdbtest.CutAfter, esdbtest.NotLeader,
		}},
	} {
		if esdbtest.Raced {
			c.fates = slices.DeleteFunc(c.fates, func(f esdbtest.Fate) bool { return f == esdbtest.NotLeader })
		}
		t.Run(c.name, func(t *testing.T) {
			ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
				n := esdbtest.Start(t, esdbtest.Options{CaughtUpTwice: true, Repeats: true})
				n.ForgetIDs(c.forgets)
				n.Faults(sometimes(c.oneIn, c.fates...))
				return at(n, esdb.Options{})
			})
		})
	}
}

// sometimes gives one call in so many one of the fates. The order of calls decides which, so that a test of one goroutine
// repeats itself.
func sometimes(oneIn int, fates ...esdbtest.Fate) func(esdbtest.Call) esdbtest.Fate {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(uint64(oneIn), uint64(len(fates))))
	return func(esdbtest.Call) esdbtest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(oneIn) > 0 {
			return esdbtest.Served
		}
		return fates[random.IntN(len(fates))]
	}
}

// Connections that the server ends with GOAWAY, idle or not, are nothing to a caller.
func TestStoreWithShortConnections(t *testing.T) {
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
		return at(esdbtest.Start(t, esdbtest.Options{MaxAge: 30 * time.Millisecond, Grace: 10 * time.Millisecond}), esdb.Options{})
	})
}

// several is a store of several instances that take turns.
type several struct {
	stores []*esdb.Store
	turn   atomic.Uint64
}

func (s *several) next() *esdb.Store { return s.stores[s.turn.Add(1)%uint64(len(s.stores))] }

func (s *several) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	return s.next().Append(ctx, stream, after, records...)
}

func (s *several) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	return s.next().Stream(ctx, stream, from)
}

func (s *several) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return s.next().After(ctx, p)
}

func (s *several) Head(ctx context.Context) (ledger.Position, error) { return s.next().Head(ctx) }

func (s *several) Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (int, error) {
	return s.next().Erase(ctx, choose, streams...)
}

func (s *several) Close() (err error) {
	for _, store := range s.stores {
		if e := store.Close(); e != nil {
			err = e
		}
	}
	return err
}

// severalPlace opens several stores on one ledger.
type severalPlace struct{ at []*place }

func (p *severalPlace) Open(t *testing.T) (ledger.Store, func() error) {
	s := &several{}
	for _, place := range p.at {
		store, _ := place.Open(t)
		s.stores = append(s.stores, store.(*esdb.Store))
	}
	return s, s.Close
}

// Stores that work on one ledger at once number alike, and each sees at once what another wrote.
func TestSeveralStores(t *testing.T) {
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
		n := esdbtest.Start(t, esdbtest.Options{})
		return &severalPlace{[]*place{at(n, esdb.Options{}), at(n, esdb.Options{}), at(n, esdb.Options{})}}
	})
}

// A server that is given by its connection string passes the same suite. Each case has a ledger of its own, so that runs
// do not meet.
func TestServer(t *testing.T) {
	connection := os.Getenv("SAMTYKKE_TEST_ESDB")
	if connection == "" {
		t.Skip("SAMTYKKE_TEST_ESDB names no server")
	}
	s, report, err := esdb.Open(t.Context(), connection, esdb.Options{Ledger: "test"})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	s.Close()
	t.Logf("the server is of version %s", report.Server)
	run, number := "test-"+cryptorand.Text(), 0
	another := func() string { number++; return fmt.Sprintf("%s-%d", run, number) }
	ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
		return &place{connection: connection, opts: esdb.Options{Ledger: another()}, crash: func() {}}
	})
	t.Run("several stores", func(t *testing.T) {
		ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
			name, p := another(), &severalPlace{}
			for range 2 {
				p.at = append(p.at, &place{connection: connection, opts: esdb.Options{Ledger: name}, crash: func() {}})
			}
			return p
		})
	})
	t.Run("positions kept", func(t *testing.T) {
		ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place {
			var d disk.Disk = simdisk.New(rand.NewPCG(1, 0))
			return &place{connection: connection, opts: esdb.Options{Ledger: another(), Disk: d, KeepEvery: 7}, crash: func() {}}
		})
	})
}
