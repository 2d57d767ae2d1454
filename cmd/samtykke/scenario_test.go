package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A scenario is a text that a lawyer can read. The first lines name the clauses and laws that it shows:
//
//	shows A04 A05 law-1
//
// Every other line is a step; the language is the table of steps. A step that ends in "-> sharing.granted, ..." recorded
// exactly those events, in order; "-> nothing" recorded none; "-> refused CODE" was refused with that code, and with
// ", EVENT ..." behind it recorded those; "-> fails" ended in a failure of the machine. A step without an arrow was not
// refused. Lines of the form "X: Y" compare. Blank lines and lines that start with # are for the reader.
//
// At the end of every scenario the whole ledger is replayed against the laws, and the views are compared with a rebuild.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			newStage(t).playFile(file)
		})
	}
}

// playFile plays a scenario and checks the ledger behind it.
func (st *stage) playFile(file string) {
	t := st.t
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	shown := false
	for n, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "shows "):
			shown = true
			continue
		}
		if err := st.play(line); err != nil {
			t.Fatalf("%s:%d: %s\n\t%v", filepath.Base(file), n+1, line, err)
		}
	}
	if !shown {
		t.Errorf("%s names no clause: begin with a line such as \"shows A04 law-1\"", file)
	}
	st.check()
}

// A stage is an assembled system with people on it and a clock that the scenario sets.
type stage struct {
	t        *testing.T
	dir      string
	sys      *system
	gate     *gate
	via      ways
	now      time.Time
	random   io.Reader
	secrets  io.Reader
	language []step
	books    rules.Books
	service  rules.Service
	orgs     map[string]*org
	people   map[string]*person
	seen     ledger.Position // the ledger's head at the last line
	told     ledger.Position // of the last event that the scenario tells of
	shown    views.Shown
	reader   string    // who was shown it
	access   domain.ID // the exceptional access that was opened last
	ownData  views.Own
	text     domain.Text
	refusals []string // words and work of look-ups that were refused
	stopped  bool     // the views stopped at an event that nobody knows
}

type org struct {
	id      domain.ID
	service rules.Service
}

type person struct {
	name    string
	caller  ledger.Caller
	org     *org
	handle  domain.ID
	label   string
	code    signin.Code
	old     signin.Code
	request domain.ID
	note    domain.ID
	last    sent
	yes     sent
	credentials
}

// sent is a client's request, for a browser that sends it again.
type sent struct {
	by ledger.Caller
	c  client.Command
}

func newStage(t *testing.T) *stage {
	var seed [32]byte
	copy(seed[:], filepath.Base(t.Name()))
	secret := seed
	secret[31]++
	st := &stage{
		t: t, dir: t.TempDir(), random: rand.NewChaCha8(seed), secrets: rand.NewChaCha8(secret),
		language: slices.Concat(steps, signInSteps, trustSteps, trailSteps), books: rules.All, service: rules.AssistertSelvhjelp,
		now: local("2026-01-05 09:00"), orgs: map[string]*org{}, people: map[string]*person{},
		text: domain.Text{Name: "sharing", Version: "2025-09-07", Language: "nb"},
	}
	if err := st.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.sys.close(); err != nil && !st.stopped {
			t.Error(err)
		}
	})
	return st
}

// open assembles the system over the stage's folder.
func (st *stage) open() error {
	d, err := disk.OS(st.dir)
	if err != nil {
		return err
	}
	w := world{disk: d, clock: func() time.Time { return st.now }, random: st.random, secrets: st.secrets, rules: st.books}
	w.store.SegmentSize, w.store.FillAhead = 1<<20, 1<<16
	sys, err := w.open(context.Background())
	if err != nil {
		return err
	}
	st.gate = &gate{FaultyStore: ledgertest.Faulty(sys.store)}
	sys.ledger.Store = st.gate
	sys.start()
	st.sys = sys
	if st.via == nil {
		st.via = direct{st}
	}
	return nil
}

// A gate stands before the store and can call somebody in, once, just after the next append.
type gate struct {
	*ledgertest.FaultyStore
	after func() // set and taken while one command runs alone
}

func (g *gate) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	p, err := g.FaultyStore.Append(ctx, stream, after, records...)
	if f := g.after; f != nil && err == nil {
		g.after = nil
		f()
	}
	return p, err
}

// elsewhere plays a line in another instance of the service over the same ledger.
func (st *stage) elsewhere(line string) error {
	here := st.sys.desk
	l := &ledger.Ledger{Store: st.sys.store, Keys: st.sys.keys, Clock: st.sys.clock, Random: st.random}
	st.sys.desk = desk.New(l, st.sys.keeper, st.books, here.CodeKey)
	defer func() { st.sys.desk = here }()
	if err := st.step(line); err != nil {
		return err
	}
	return st.sys.settle(context.Background())
}

func (st *stage) person(name string) *person {
	p, ok := st.people[name]
	if !ok {
		st.t.Fatalf("there is no %s on the stage", name)
	}
	return p
}

func (st *stage) org(name string) *org {
	o, ok := st.orgs[name]
	if !ok {
		st.t.Fatalf("there is no organisation %s on the stage", name)
	}
	return o
}

// check replays the ledger against the laws and compares the views with a rebuild.
func (st *stage) check() {
	st.t.Helper()
	if st.stopped {
		return
	}
	ctx := context.Background()
	if err := st.sys.settle(ctx); err != nil {
		st.t.Fatal(err)
	}
	v, err := st.sys.verify(ctx, func(uint64, uint64) {})
	if err != nil {
		st.t.Fatal(err)
	}
	for _, p := range v.Problems {
		st.t.Error(p)
	}
	if err := st.sys.halt(); err != nil {
		st.t.Error(err)
	}
	diffs, err := st.sys.keeper.Differences(ctx)
	if err != nil || len(diffs) > 0 {
		st.t.Error("a rebuild gives other documents:", diffs, err)
	}
}

// play runs one line.
func (st *stage) play(line string) error {
	text, want, arrow := strings.Cut(line, " -> ")
	err := st.step(strings.TrimSpace(text))
	if werr := st.sys.settle(context.Background()); werr != nil && !st.stopped {
		return werr
	}
	events, eerr := st.events()
	if eerr != nil {
		return eerr
	}
	code := domain.Refused(err)
	refused, wantRefused := strings.CutPrefix(want, "refused ")
	switch {
	case want == "fails":
		if err == nil || code != "" || len(events) > 0 {
			return fmt.Errorf("it did not fail: %w, recorded %v", err, events)
		}
		return nil
	case err != nil && code == "":
		return err
	case wantRefused:
		refused, recorded, _ := strings.Cut(refused, ", ")
		if !st.via.sameCode(code, refused) {
			return fmt.Errorf("refused %q, not %q", code, refused)
		}
		if got := strings.Join(events, ", "); got != recorded {
			return fmt.Errorf("recorded %v", events)
		}
		return nil
	case err != nil:
		return fmt.Errorf("refused %s: %w", code, err)
	case arrow && want == "nothing" && len(events) > 0, arrow && want != "nothing" && strings.Join(events, ", ") != want:
		return fmt.Errorf("recorded %v", events)
	}
	return nil
}

// events names what was recorded since the last line.
func (st *stage) events() ([]string, error) {
	ctx := context.Background()
	head, err := st.sys.store.Head(ctx)
	if err != nil || head == st.seen || st.stopped {
		return nil, err
	}
	var names []string
	for r, err := range st.sys.store.After(ctx, st.seen) {
		if err != nil {
			return nil, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return nil, err
		}
		if !st.via.unsaid(f.Name) {
			names = append(names, f.Name)
			st.told = r.Position
		}
		if r.Position >= head {
			break
		}
	}
	st.seen = head
	return names, nil
}

func (st *stage) restart(_ []string) error {
	if err := st.sys.close(); err != nil {
		return err
	}
	return st.open()
}

// listed and document read a view.
func listed[V any](t *testing.T, of *views.Table[V], group domain.ID) map[domain.ID]V {
	t.Helper()
	list, err := of.List(context.Background(), group)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func document[V any](t *testing.T, of *views.Table[V], id domain.ID) V {
	t.Helper()
	v, _, err := of.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
