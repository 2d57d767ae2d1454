package esdb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/status"

	"samtykke/adapters/esdb"
	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
)

// on gives calls of a method a fate, and the others none.
func on(method string, fate esdbtest.Fate) func(esdbtest.Call) esdbtest.Fate {
	return func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == method {
			return fate
		}
		return esdbtest.Served
	}
}

// A caller's context counts also while the client looks for a node, which it does without regard to it.
func TestContextsWhileDiscovering(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	n.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == "features" {
			cancel()
			return esdbtest.Held
		}
		return esdbtest.Served
	})
	if _, _, err := esdb.Open(ctx, to(n), esdb.Options{Pause: quick}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v, want %v", err, context.Canceled)
	}
	n.Faults(nil)
	s := open(t, to(n), esdb.Options{})
	held := make(chan struct{}, 100)
	n.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == "features" {
			held <- struct{}{}
			return esdbtest.Held
		}
		return esdbtest.Served
	})
	s.Abandon()
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		<-held
		cancel()
	}()
	if _, err := s.Append(ctx, "a", 0, ledgertest.Record(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v, want %v", err, context.Canceled)
	}
	if _, err := s.Head(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("head: %v, want %v", err, context.Canceled)
	}
}

// A search for a node goes on when whoever began it gives up, and is everybody's: however short their patience, one succeeds.
func TestSearchOutlivesItsCallers(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	held, found := make(chan struct{}, 100), make(chan struct{})
	n.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == "features" {
			held <- struct{}{}
			<-found
		}
		return esdbtest.Served
	})
	before := n.Calls("features")
	s.Abandon()
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		if i == 0 {
			go func() {
				<-held
				cancel()
			}()
		} else {
			cancel()
		}
		if _, err := s.Head(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("head: %v, want %v", err, context.Canceled)
		}
	}
	close(found)
	if _, err := s.Head(t.Context()); err != nil {
		t.Error(err)
	}
	if asked := n.Calls("features") - before; asked != 1 {
		t.Errorf("a node was looked for %d times, want once", asked)
	}
}

// A client that found no node answers nothing any more, and those who waited beside hang. The store goes on, and nobody
// hangs.
func TestDiscoveryThatFailsForAWhile(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	var failures atomic.Int32
	s := open(t, to(n), esdb.Options{Pause: func(ctx context.Context, d time.Duration) error {
		if failures.Add(1) == 12 {
			n.Start()
		}
		return quick(ctx, d)
	}})
	n.Stop()
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = s.Append(t.Context(), "a", 0, ledgertest.Record(1)) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("append: %v", err)
		}
	}
	if got := ledgertest.Check(t, s); len(got) != 1 {
		t.Errorf("%d records, want 1", len(got))
	}
}

// A server that stays away is an error in the end, which says nothing definite of an append that may have been sent.
func TestServerThatStaysAway(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	n.Stop()
	_, err := s.Append(t.Context(), "a", 0, ledgertest.Record(1))
	if err == nil || errors.Is(err, ledger.ErrRefused) {
		t.Errorf("append: %v, want an open outcome", err)
	}
	for _, err := range s.Stream(t.Context(), "a", 0) {
		if err == nil {
			t.Error("read a record")
		}
	}
	if errors.As(err, new(*client.Error)) || errors.As(err, new(interface{ GRPCStatus() *status.Status })) {
		t.Errorf("the error is of the client's making: %v", err)
	}
	n.Start()
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(1)); err != nil {
		t.Errorf("once it is back: %v", err)
	}
	nobody := "esdb://127.0.0.1:1?tls=false&maxDiscoverAttempts=1&discoveryInterval=1"
	if _, _, err := esdb.Open(t.Context(), nobody, esdb.Options{Pause: quick}); err == nil {
		t.Error("opened where nobody is")
	}
}

// Closing while calls are in flight panics in the client. Here it waits for them.
func TestCloseBesideCalls(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	for round := range 20 {
		s := open(t, to(n), esdb.Options{Ledger: "round-" + string(rune('a'+round))})
		var all sync.WaitGroup
		var once sync.Once
		for i := range 16 {
			all.Go(func() {
				for v := range uint64(5) {
					_, err := s.Append(t.Context(), string(rune('a'+i)), v, ledgertest.Record(int(v)))
					if err != nil && !errors.Is(err, ledger.ErrEnded) {
						t.Errorf("append: %v", err)
					}
					if i == 7 && v == 2 {
						once.Do(func() { s.Close() })
					}
				}
			})
		}
		all.Wait()
	}
}

// Readers that wait, and appends, outlive a restart of the server.
func TestRestart(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	const count = 30
	done := make(chan int)
	for range 3 {
		go func() {
			seen := 0
			for r, err := range s.After(t.Context(), 0) {
				if err != nil || r.ID != ledgertest.Record(seen).ID || r.Position != uint64(seen)+1 {
					t.Errorf("record %d: %v, %v", seen, r, err)
					break
				}
				if seen++; seen == count {
					break
				}
			}
			done <- seen
		}()
	}
	for i := range count {
		if i%10 == 5 {
			n.Restart()
		}
		if _, err := s.Append(t.Context(), "a", uint64(i), ledgertest.Record(i)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	for range 3 {
		if seen := <-done; seen != count {
			t.Errorf("a reader saw %d of %d", seen, count)
		}
	}
}

// A node may end connections that carry nothing for a while, or all after a while, with GOAWAY.
func TestIdleConnections(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{MaxIdle: 10 * time.Millisecond, MaxAge: 30 * time.Millisecond, Grace: time.Millisecond})
	s := open(t, to(n), esdb.Options{})
	subscribed := n.Calls("subscribe")
	for i := 0; n.Calls("subscribe") < subscribed+2; i++ {
		if _, err := s.Append(t.Context(), "a", uint64(i), ledgertest.Record(i)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	ledgertest.Check(t, s)
}

func TestHeldCallEndsWithItsContext(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	for _, method := range []string{"append", "read", "subscribe"} {
		ctx, cancel := context.WithCancel(t.Context())
		n.Faults(func(c esdbtest.Call) esdbtest.Fate {
			if c.Method == method {
				cancel()
				return esdbtest.Held
			}
			return esdbtest.Served
		})
		var err error
		switch method {
		case "append":
			_, err = s.Append(ctx, "held", 0, ledgertest.Record(1))
		case "read":
			for _, err = range s.Stream(ctx, "held", 0) {
			}
		case "subscribe":
			_, err = s.Head(ctx)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", method, err, context.Canceled)
		}
		cancel()
	}
	n.Faults(nil)
	n.Restart() // so that nothing is held any more
	if s.Waiting() != 0 {
		t.Errorf("%d appends are still waited for", s.Waiting())
	}
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(1)); err != nil {
		t.Error(err)
	}
}
