package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres/postgrestest"
)

// A host is where a rig's events lie, with what may go wrong there besides its disk.
type host interface {
	lie(w *world)           // has the world's events lie there, and the data keys if it keeps them
	flaky(draw *rand.Rand)  // from now on calls fail by turns, in ways that nobody need notice
	strike(draw *rand.Rand) // one thing goes wrong in what follows, in passing or until all is calm
	calm()                  // nothing goes wrong any more
	crash()                 // the process is no more, and with it all its connections
}

// A hosting makes a host that ends with the test.
type hosting func(testing.TB) host

// onDisk has the events lie on the disk, where nothing else goes wrong.
func onDisk(testing.TB) host { return calmHost{} }

type calmHost struct{}

func (calmHost) lie(*world)        {}
func (calmHost) flaky(*rand.Rand)  {}
func (calmHost) strike(*rand.Rand) {}
func (calmHost) calm()             {}
func (calmHost) crash()            {}

// everywhere runs a test of a rig with an organisation and a client so many times on a disk that forgets, and then at each server.
func everywhere(t *testing.T, rounds int, test func(t *testing.T, r *rig, g *guest)) {
	at := func(name string, seed uint64, where hosting) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, newForgetful(seed), seed)
			r.move(where(t))
			r.open()
			r.must(r.found())
			g, _, err := r.guest()
			r.must(err)
			r.must(r.sys.settle(t.Context()))
			test(t, r, g)
			r.inOrder()
			r.must(r.sys.closeFiles())
		})
	}
	for round := range rounds {
		at(fmt.Sprint(round), uint64(round), onDisk)
	}
	at("PostgreSQL", 0, atPostgres)
	at("EventStoreDB", 0, atEventStore)
}

// move has the rig's events lie at a host.
func (r *rig) move(h host) {
	r.host = h
	h.lie(&r.w)
}

// beside is the ledger as another process has it: at a server, by connections of its own.
func (r *rig) beside() ledger.Store {
	r.t.Helper()
	if r.w.ledger == "" {
		return r.sys.store
	}
	w := r.w
	w.disk = nil // the positions on it are one process's
	s, err := w.openServer(context.Background(), w.ledger)
	r.must(err)
	r.t.Cleanup(func() { s.Close() })
	return s
}

// A postgresHost is two databases, of the events and of the data keys, behind proxies.
type postgresHost struct{ events, keys *postgrestest.Proxy }

func atPostgres(t testing.TB) host {
	return postgresHost{postgrestest.NewProxy(t, postgrestest.Database(t)), postgrestest.NewProxy(t, postgrestest.Database(t))}
}

func (h postgresHost) lie(w *world) {
	w.ledger, w.keys = postgrestest.Address(h.events.DSN), postgrestest.Address(h.keys.DSN)
}

// writing is the name of the statement by which events are written.
const writing = "append"

func (h postgresHost) flaky(draw *rand.Rand) {
	fates := make([]postgrestest.Fate, 400)
	for range 30 {
		fates[draw.IntN(len(fates))] = postgrestest.CutAfter + postgrestest.Fate(draw.IntN(2))
	}
	h.events.Next(writing, fates...)
}

func (h postgresHost) strike(draw *rand.Rand) {
	in := func(n int, what ...postgrestest.Fate) []postgrestest.Fate {
		return append(make([]postgrestest.Fate, draw.IntN(n)), what...)
	}
	switch draw.IntN(10) {
	case 0, 1:
		h.events.Next(writing, in(10, postgrestest.CutAfter, postgrestest.CutBefore)...)
	case 2, 3:
		h.events.Next(writing, in(10, postgrestest.CutBefore, postgrestest.CutAfter)...)
	case 4:
		h.events.Next(writing, in(8, postgrestest.ShutAfter)...)
	case 5:
		h.events.Next(writing, in(8, postgrestest.Late)...)
	case 6:
		h.events.Next(writing, in(8, postgrestest.Crash)...)
	case 7:
		h.events.Next("", in(80, postgrestest.CutAfter)...)
	case 8:
		h.keys.Next("", in(15, postgrestest.CutAfter)...)
	case 9:
		h.keys.Next("", in(15, postgrestest.ShutAfter)...)
	}
}

func (h postgresHost) calm() {
	h.events.Next("")
	h.keys.Next("")
}

func (h postgresHost) crash() {
	h.events.Cut()
	h.keys.Cut()
}

// An eventStoreHost is a node of the double. The data keys stay on the disk.
type eventStoreHost struct {
	node       *esdbtest.Server
	restarting sync.WaitGroup
}

func atEventStore(t testing.TB) host {
	return &eventStoreHost{node: esdbtest.Start(t, esdbtest.Options{})}
}

func (h *eventStoreHost) lie(w *world) {
	w.ledger = "esdb://" + h.node.Address() + "?tls=false&maxDiscoverAttempts=2&discoveryInterval=1"
	w.at.esdb.Pause = func(ctx context.Context, _ time.Duration) error {
		runtime.Gosched()
		return ctx.Err()
	}
}

// fates are those of a call that may come out well when it is made again.
func (h *eventStoreHost) fates() []esdbtest.Fate {
	fates := []esdbtest.Fate{esdbtest.Lost, esdbtest.CutAfter, esdbtest.TimedOut, esdbtest.Unavailable, esdbtest.Cut, esdbtest.NotLeader}
	if esdbtest.Raced {
		return fates[:5]
	}
	return fates
}

func (h *eventStoreHost) flaky(draw *rand.Rand) {
	var mu sync.Mutex
	fates := h.fates()
	h.node.Faults(func(esdbtest.Call) esdbtest.Fate {
		mu.Lock()
		defer mu.Unlock()
		if draw.IntN(40) > 0 {
			return esdbtest.Served
		}
		return fates[draw.IntN(len(fates))]
	})
}

func (h *eventStoreHost) strike(draw *rand.Rand) {
	fates := h.fates()
	fate := fates[draw.IntN(len(fates))]
	method := []string{writing, writing, ""}[draw.IntN(3)]
	from, times := int64(1+draw.IntN(15)), []int64{1, 2, 60}[draw.IntN(3)] // 60 are more than a store's patience
	restart := draw.IntN(6) == 0
	var calls atomic.Int64
	h.node.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if method != "" && c.Method != method {
			return esdbtest.Served
		}
		switch n := calls.Add(1); {
		case n < from || n >= from+times:
			return esdbtest.Served
		case n == from && restart:
			h.restarting.Go(h.node.Restart)
			return esdbtest.Served
		}
		return fate
	})
}

func (h *eventStoreHost) calm() {
	h.node.Faults(nil)
	h.restarting.Wait()
}

func (h *eventStoreHost) crash() { h.node.CutConnections() }
