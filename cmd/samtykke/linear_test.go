package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A rig is an assembled system with one organisation, for tests that put it under strain.
type rig struct {
	t      testing.TB
	w      world
	sys    *system
	host   host
	at     *atomic.Int64 // the clock, in nanoseconds
	random *lockedRandom
	office domain.ID
	boss   ledger.Caller
	people []*guest
}

type guest struct {
	by     ledger.Caller
	handle domain.ID
	code   signin.Code
	maybe  signin.Code // a new code whose outcome is open
}

// lockedRandom is a source of randomness for many at once.
type lockedRandom struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

func (r *lockedRandom) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Read(b)
}

func newRandom(seed uint64) *lockedRandom {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	return &lockedRandom{src: rand.NewChaCha8(s)}
}

// newForgetful is a disk that forgets what was not synced, and always the same.
func newForgetful(seed uint64) *simdisk.Disk { return simdisk.New(rand.NewPCG(seed, 1)) }

func newRig(t testing.TB, d disk.Disk, seed uint64) *rig {
	at := new(atomic.Int64)
	at.Store(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC).UnixNano())
	random := newRandom(seed)
	r := &rig{t: t, host: calmHost{}, at: at, random: random, w: world{
		disk: d, clock: func() time.Time { return time.Unix(0, at.Load()) }, random: random, secrets: random, rules: rules.All,
	}}
	r.w.store.SegmentSize, r.w.store.FillAhead, r.w.store.IndexEvery = 1<<15, 1<<12, 64
	r.w.store.Random, r.w.store.Clock = random, r.w.clock
	return r
}

func (r *rig) wait(d time.Duration) { r.at.Add(int64(d)) }

func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.sys, err = r.w.open(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.sys.start()
}

func (r *rig) newID() domain.ID {
	var id domain.ID
	_, _ = r.random.Read(id[:])
	return id
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// found registers the organisation.
func (r *rig) found() error {
	r.office = r.newID()
	r.boss = ledger.Caller{Actor: r.newID(), Role: domain.RoleSuperuser, Session: r.newID(), Organisation: r.office}
	return r.sys.desk.RegisterOrganisation(context.Background(), employee, organisation.Register{
		Organisation: r.office, Service: rules.AssistertSelvhjelp, Superuser: r.boss.Actor, Details: details("Sara"),
		Contact: organisation.Contact{Name: "Senteret", Number: "974760673", Person: "Kari", Email: "post@example.org", Phone: "55 00 00 00"},
	})
}

func (r *rig) pro() (ledger.Caller, error) {
	p := ledger.Caller{Actor: r.newID(), Role: domain.RoleProfessional, Session: r.newID(), Organisation: r.office}
	return p, r.sys.desk.AddProfessional(context.Background(), r.boss, organisation.AddProfessional{Professional: p.Actor, Details: details("Per")})
}

func (r *rig) guest() (*guest, ledger.Position, error) {
	reg, err := r.sys.desk.RegisterClient(context.Background(), r.boss)
	if err != nil {
		return nil, 0, err
	}
	g := &guest{by: ledger.Caller{Actor: reg.Client, Role: domain.RoleClient, Session: r.newID()}, handle: reg.Handle, code: reg.Code}
	r.people = append(r.people, g)
	return g, reg.Position, nil
}

// inOrder verifies the ledger and compares the views with a rebuild.
func (r *rig) inOrder() {
	r.t.Helper()
	ctx := context.Background()
	r.must(r.sys.settle(ctx))
	v, err := r.sys.verify(ctx, func(uint64, uint64) {})
	r.must(err)
	for _, p := range v.Problems {
		r.t.Error(p)
	}
	r.must(r.sys.halt())
	diffs, err := r.sys.keeper.Differences(ctx)
	if err != nil || len(diffs) > 0 {
		r.t.Error("a rebuild gives other documents:", diffs, err)
	}
}

// another is a second process over the same store and keys: its caches and views are its own.
func (r *rig) another(store ledger.Store) (*desk.Desk, func()) {
	l := &ledger.Ledger{Store: store, Keys: r.sys.keys, Clock: r.w.clock, Random: r.random}
	k := views.NewKeeper(l, r.w.rules)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	r.must(k.CatchUp(ctx))
	go func() {
		defer close(ended)
		_ = k.Run(ctx)
	}()
	return desk.New(l, k, r.w.rules, r.sys.desk.CodeKey), func() { stop(); <-ended }
}

// slow is the store of another process with a pause before each append, so that others come between a decision and its event.
func (r *rig) slow() *ledgertest.FaultyStore {
	f := ledgertest.Faulty(r.beside())
	f.Before(func(string, uint64) {
		for range 200 {
			runtime.Gosched()
		}
	})
	return f
}

// What the register of one client is asked, and what it answers.
type (
	ask   int
	reply int
)

const (
	askGrant ask = iota
	askWithdraw
	askLook
	askOwn   // a session of the client's does something of its own
	askLeave // whoever it is about has lost access: a professional was deactivated, a session's code was changed
	askLapse // the clock passes the deadline
)

const (
	did reply = iota
	shown
	notShared
	notActive
)

// An act is what somebody asked for, or what befell them.
type act struct {
	who  int
	what ask
}

type register struct {
	shared bool
	left   uint64 // a bit for each who has lost access
}

// sharing is the law as a sequential machine: a look-up shows something if and only if the client shares at that moment
// and whoever looks has access; every act takes effect at one moment between its call and its return. So a look-up that begins
// behind the answer to a withdrawal shows nothing, and one that ends before the withdrawal is asked for is not refused for it.
var sharing = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(state, input, output any) (bool, any) {
		s, a := state.(register), input.(act)
		me := uint64(1) << a.who
		left := s.left&me != 0
		switch a.what {
		case askGrant:
			return true, register{true, s.left}
		case askWithdraw, askLapse:
			return true, register{false, s.left}
		case askLeave:
			return true, register{s.shared, s.left | me}
		case askOwn:
			return left == (output.(reply) == notActive), s
		}
		switch output.(reply) {
		case shown:
			return s.shared && !left, s
		case notShared:
			return !s.shared, s
		}
		return left, s
	},
	DescribeOperation: func(input, output any) string {
		a := input.(act)
		return fmt.Sprint(a.who, " ", []string{"grant", "withdraw", "look", "own", "leave", "lapse"}[a.what], " ", []string{"", "shown", "not shared", "not active"}[output.(reply)])
	},
}

// A history is what several did, each act between two ticks of a counter.
type history struct {
	ticks atomic.Int64
	mu    sync.Mutex
	ops   []porcupine.Operation
	shown map[ledger.Position]ledger.Caller // the events under which something was shown
}

func (h *history) record(who int, what ask, do func() (reply, bool)) {
	call := h.ticks.Add(1)
	got, known := do()
	back := h.ticks.Add(1)
	if !known {
		return // a look-up that failed showed nothing and says nothing
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: who, Input: act{who, what}, Call: call, Output: got, Return: back})
}

func (h *history) look(who int, d *desk.Desk, by ledger.Caller, handle domain.ID, fail func(error)) {
	h.record(who, askLook, func() (reply, bool) {
		s, err := d.Door.LookUp(context.Background(), by, handle, client.Appointment, views.AllKinds)
		if err == nil {
			h.mu.Lock()
			if _, again := h.shown[s.Position]; again {
				fail(errors.New("two were shown something under one event"))
			}
			h.shown[s.Position] = by
			h.mu.Unlock()
		}
		switch domain.Refused(err) {
		case client.NotShared:
			return notShared, true
		case organisation.NotActive:
			return notActive, true
		}
		if err != nil && !errors.Is(err, ledgertest.ErrFault) {
			fail(err)
		}
		return shown, err == nil
	})
}

// act gives a client's command until its outcome is known, with one key.
func (h *history) act(who int, what ask, d *desk.Desk, by ledger.Caller, c client.Command, fail func(error)) {
	by.Key = fmt.Sprint("key ", who, " ", h.ticks.Load())
	h.record(who, what, func() (reply, bool) {
		for {
			_, err := d.Clients.Do(context.Background(), by.Actor, by, c)
			if err == nil {
				return did, true
			}
			if !errors.Is(err, ledgertest.ErrFault) {
				fail(err)
				return did, false
			}
		}
	})
}

func (h *history) check(t *testing.T, r *rig) (answers map[reply]int) {
	t.Helper()
	for p, by := range h.shown {
		f, err := r.sys.fact(t.Context(), p)
		b, ok := f.Body.(client.LookedUp)
		if err != nil || !ok || b.Grant == 0 || f.Act.Actor != by.Actor {
			t.Errorf("something was shown at position %d, where %v stands; %v", p, f, err)
		}
	}
	return h.explained(t)
}

// explained finds an order of the acts that the law allows, and counts what look-ups were answered.
func (h *history) explained(t *testing.T) (answers map[reply]int) {
	t.Helper()
	if porcupine.CheckOperationsTimeout(sharing, h.ops, time.Minute) != porcupine.Ok {
		t.Error("no order of these acts explains what was shown and what was refused")
	}
	answers = map[reply]int{}
	for _, op := range h.ops {
		if op.Input.(act).what == askLook {
			answers[op.Output.(reply)]++
		}
	}
	return answers
}

// Withdrawal against look-up, proved: many look while the client withdraws and grants, in one process and in two, with
// appends that fail and are stored, or fail and are lost, and at servers whose connections are cut.
func TestWithdrawalAgainstLookUp(t *testing.T) {
	for _, mix := range []struct {
		name              string
		lookers, clients  int
		looks, acts       int
		processes, faults int
		real              bool
		rounds            int
		at                hosting
	}{
		{name: "one process", lookers: 4, clients: 1, looks: 40, acts: 40, processes: 1, rounds: 3, at: onDisk},
		{name: "real files", lookers: 6, clients: 1, looks: 12, acts: 25, processes: 1, real: true, rounds: 3, at: onDisk},
		{name: "two processes", lookers: 4, clients: 2, looks: 40, acts: 25, processes: 2, rounds: 3, at: onDisk},
		{name: "two processes and lost answers", lookers: 3, clients: 2, looks: 40, acts: 30, processes: 2, faults: 60, rounds: 3, at: onDisk},
		{name: "many who look", lookers: 10, clients: 1, looks: 20, acts: 25, processes: 2, faults: 10, rounds: 3, at: onDisk},
		{name: "PostgreSQL", lookers: 4, clients: 2, looks: 20, acts: 25, processes: 2, rounds: 1, at: atPostgres},
		{name: "EventStoreDB", lookers: 4, clients: 2, looks: 20, acts: 25, processes: 2, rounds: 2, at: atEventStore},
	} {
		for round := range mix.rounds {
			t.Run(fmt.Sprint(mix.name, " ", round), func(t *testing.T) {
				t.Parallel()
				var d disk.Disk = newForgetful(uint64(round))
				if mix.real {
					var err error
					if d, err = disk.OS(t.TempDir()); err != nil {
						t.Fatal(err)
					}
				}
				r := newRig(t, d, uint64(round))
				r.move(mix.at(t))
				r.open()
				r.must(r.found())
				pros := make([]ledger.Caller, mix.lookers)
				for i := range pros {
					var err error
					pros[i], err = r.pro()
					r.must(err)
				}
				g, _, err := r.guest()
				r.must(err)
				r.must(r.sys.settle(t.Context()))
				random := rand.New(rand.NewPCG(uint64(round), 2))
				desks, stores := []*desk.Desk{}, []*ledgertest.FaultyStore{}
				for range mix.processes {
					store := r.slow()
					d, stop := r.another(store)
					defer stop()
					desks, stores = append(desks, d), append(stores, store)
				}
				r.host.flaky(random)
				for n := range mix.faults {
					faulty := stores[n%len(stores)]
					n := 1 + random.IntN(mix.lookers*mix.looks/len(stores))
					if random.IntN(2) == 0 {
						faulty.FailAndStore(n)
					} else {
						faulty.FailAndLose(n)
					}
				}
				h := &history{shown: map[ledger.Position]ledger.Caller{}}
				var wait sync.WaitGroup
				fail := func(err error) { t.Error(err) }
				for i, by := range pros {
					wait.Go(func() {
						for range mix.looks {
							h.look(i, desks[i%len(desks)], by, g.handle, fail)
						}
					})
				}
				for i := range mix.clients {
					wait.Go(func() {
						for n := range mix.acts {
							who := mix.lookers + i
							if n%2 == 0 {
								h.act(who, askGrant, desks[(i+n/2)%len(desks)], g.by, client.Grant{Occasion: client.Settings}, fail)
							} else {
								h.act(who, askWithdraw, desks[(i+n/3)%len(desks)], g.by, client.Withdraw{}, fail)
							}
						}
					})
				}
				wait.Wait()
				r.host.calm()
				answers := h.check(t, r)
				t.Logf("%d shown, %d refused", answers[shown], answers[notShared])
				r.inOrder()
				ledgertest.Check(t, r.sys.store)
				r.must(r.sys.closeFiles())
			})
		}
	}
}

// A professional who is deactivated sees nothing from then on, in any process.
func TestDeactivationAgainstLookUp(t *testing.T) {
	everywhere(t, 6, func(t *testing.T, r *rig, g *guest) {
		one, stopOne := r.another(r.slow())
		defer stopOne()
		two, stopTwo := r.another(r.slow())
		defer stopTwo()
		fail := func(err error) { t.Error(err) }
		var all sync.WaitGroup
		for p := range 4 { // each professional is a register of its own
			by, err := r.pro()
			r.must(err)
			h := &history{shown: map[ledger.Position]ledger.Caller{}}
			h.act(9, askGrant, one, g.by, client.Grant{Occasion: client.Settings}, fail)
			all.Go(func() {
				var wait sync.WaitGroup
				for _, d := range []*desk.Desk{one, two, one} {
					wait.Go(func() {
						for range 15 {
							h.look(0, d, by, g.handle, fail)
						}
					})
				}
				wait.Go(func() {
					for h.ticks.Load() < int64(10+12*p) {
						runtime.Gosched()
					}
					h.record(0, askLeave, func() (reply, bool) {
						_, err := two.Organisations.Do(context.Background(), r.office, r.boss, organisation.Deactivate{Professional: by.Actor})
						if err != nil {
							fail(err)
						}
						return did, true
					})
					h.look(0, one, by, g.handle, fail)
				})
				wait.Wait()
				answers := h.check(t, r)
				if answers[notActive] == 0 {
					t.Error("the deactivated professional was never refused")
				}
			})
		}
		all.Wait()
	})
}

// A deadline passes while many look and the scheduler ticks: nobody is shown anything at or after it, whether or not the
// lapse has been written down; it is written once.
func TestLapseAgainstLookUp(t *testing.T) {
	everywhere(t, 6, func(t *testing.T, r *rig, g *guest) {
		one, stopOne := r.another(r.slow())
		defer stopOne()
		two, stopTwo := r.another(r.slow())
		defer stopTwo()
		h := &history{shown: map[ledger.Position]ledger.Caller{}}
		fail := func(err error) { t.Error(err) }
		h.act(9, askGrant, one, g.by, client.Grant{Occasion: client.Settings}, fail)
		s, _, err := one.Clients.State(t.Context(), g.by.Actor)
		r.must(err)
		deadline := s.Terms.LapseOn.Start().UnixNano()
		r.at.Store(deadline - 40)
		var wait sync.WaitGroup
		for i := range 6 {
			wait.Go(func() {
				for range 20 {
					h.look(i, []*desk.Desk{one, two}[i%2], r.boss, g.handle, fail)
				}
			})
		}
		wait.Go(func() {
			for step := range int64(39) {
				for h.ticks.Load() < 3+step*3 {
					runtime.Gosched()
				}
				r.at.Add(1)
			}
			h.record(7, askLapse, func() (reply, bool) { r.at.Add(1); return did, true })
		})
		wait.Wait()
		h.look(8, one, r.boss, g.handle, fail)
		if _, err := one.PassTime(t.Context(), g.by.Actor); err != nil {
			t.Error(err)
		}
		if _, err := two.PassTime(t.Context(), g.by.Actor); err != nil {
			t.Error(err)
		}
		h.act(9, askGrant, two, g.by, client.Grant{Occasion: client.Settings}, fail)
		h.look(8, one, r.boss, g.handle, fail)
		if answers := h.check(t, r); answers[shown] == 0 || answers[notShared] == 0 {
			t.Errorf("%d shown, %d refused", answers[shown], answers[notShared])
		}
		v, err := r.sys.verify(t.Context(), func(uint64, uint64) {})
		if err != nil || v.Lapses != 1 {
			t.Errorf("%d lapses, %v", v.Lapses, err)
		}
	})
}

// A meddler is a store that lets something happen before the first read of a client's stream.
type meddler struct {
	ledger.Store
	meanwhile func()
}

func (m *meddler) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	if c, _, _ := eventschema.Split(stream); c == eventschema.ClientStream && m.meanwhile != nil {
		do := m.meanwhile
		m.meanwhile = nil
		do()
	}
	return m.Store.Stream(ctx, stream, from)
}

// Between the first check of the reader's standing and the decision, the professional is deactivated and then the client
// says yes: there is no moment at which both hold, so nothing is shown.
func TestStandingIsReadAgain(t *testing.T) {
	r := newRig(t, simdisk.New(rand.NewPCG(1, 1)), 1)
	r.open()
	r.must(r.found())
	pro, err := r.pro()
	r.must(err)
	g, _, err := r.guest()
	r.must(err)
	r.must(r.sys.settle(t.Context()))
	other, stop := r.another(r.sys.store)
	defer stop()
	r.sys.ledger.Store = &meddler{Store: r.sys.store, meanwhile: func() {
		_, err := other.Organisations.Do(t.Context(), r.office, r.boss, organisation.Deactivate{Professional: pro.Actor})
		r.must(err)
		_, err = other.Clients.Do(t.Context(), g.by.Actor, g.by, client.Grant{Occasion: client.Settings})
		r.must(err)
	}}
	s, err := r.sys.desk.Door.LookUp(t.Context(), pro, g.handle, client.Appointment, views.AllKinds)
	if domain.Refused(err) != organisation.NotActive || s.Position != 0 {
		t.Errorf("somebody who had left was answered: %v", err)
	}
	v, err := r.sys.verify(t.Context(), func(uint64, uint64) {})
	if err != nil || v.Lookups != 1 || v.Unshown != 1 {
		t.Errorf("%d look-ups, of these %d not shown; %v", v.Lookups, v.Unshown, err)
	}
	r.inOrder()
	r.must(r.sys.closeFiles())
}
