package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samtykke/adapters/audit"
	"samtykke/adapters/desk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// The package that answers auditors imports nothing that writes, and nothing that a program runs on.
func TestImportsNothingThatWrites(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := file.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range f.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				switch first, _, _ := strings.Cut(path, "/"); {
				case first == "samtykke" && !strings.HasPrefix(path, "samtykke/domain") && path != "samtykke/eventschema" && path != "samtykke/projections",
					strings.Contains(first, "."), first == "os", first == "net", first == "log", first == "syscall", first == "unsafe":
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}

// An auditor can call what reads, and Record.
func TestOneCapability(t *testing.T) {
	of := reflect.TypeFor[audit.Auditor]()
	var can []string
	for i := range of.NumField() {
		switch f := of.Field(i); f.Type.Kind() {
		case reflect.Func:
			can = append(can, f.Name)
		case reflect.Interface:
			for m := range f.Type.NumMethod() {
				can = append(can, f.Name+"."+f.Type.Method(m).Name)
			}
		case reflect.Map, reflect.Array: // rules, ids
		default:
			t.Errorf("%s is a %s: what can be done with it?", f.Name, f.Type)
		}
	}
	want := []string{"Records.After", "Records.At", "Records.Head", "Records.Stream", "Records.Versions", "Access.Among", "Audit.Among", "Organisations.Among", "Times.Get",
		"Holders.List", "Offices.Each", "Open", "Labels", "StateAt", "Reached", "Now", "Record"}
	if d := cmp.Diff(want, can); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(views.AllKinds, audit.AllKinds); d != "" {
		t.Errorf("who opens everything sees other kinds than the client does: %s", d)
	}
}

// A hall is a ledger with two organisations, a client of each, and what happened to them.
type hall struct {
	*desk.Desk
	t       *testing.T
	store   ledger.Store
	keys    keyring.Keyring
	now     time.Time
	fjord   domain.ID
	tind    domain.ID
	siri    ledger.Caller // of Fjord
	tom     ledger.Caller // of Tind
	ada, bo domain.ID     // clients of Fjord and of Tind with one label
	handles map[domain.ID]domain.ID
	auditor ledger.Caller
}

func newHall(t *testing.T) *hall {
	t.Helper()
	h := &hall{t: t, store: ledgertest.Memory(), now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), handles: map[domain.ID]domain.ID{}}
	random := rand.NewChaCha8([32]byte{7})
	keys, err := keyring.Memory(random)
	h.must(err)
	hash, err := signin.LoadHashKey(simdisk.New(rand.NewPCG(1, 2)), "code.key", random)
	h.must(err)
	h.keys = keys
	l := &ledger.Ledger{Store: h.store, Keys: keys, Clock: func() time.Time { return h.now }, Random: random}
	h.Desk = desk.New(l, views.NewKeeper(l, rules.All), rules.All, hash)
	h.fjord, h.siri = h.organisation("Fjord", "Siri", "Strand")
	h.tind, h.tom = h.organisation("Tind", "Tom", "Topp")
	h.ada, h.bo = h.client(h.siri), h.client(h.tom)
	h.auditor = ledger.Caller{Actor: h.id(), Role: domain.RoleAuditor, Session: h.id()}
	h.seen()
	return h
}

func (h *hall) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hall) id() domain.ID {
	id, err := h.Ledger.NewID()
	h.must(err)
	return id
}

func (h *hall) seen() { h.t.Helper(); h.must(h.Keeper.CatchUp(h.t.Context())) }

func (h *hall) head() uint64 {
	head, err := h.store.Head(h.t.Context())
	h.must(err)
	return head
}

func (h *hall) organisation(name, first, last string) (domain.ID, ledger.Caller) {
	id := h.id()
	by := ledger.Caller{Actor: h.id(), Role: domain.RoleSuperuser, Session: h.id(), Organisation: id}
	h.must(h.RegisterOrganisation(h.t.Context(), ledger.Caller{Actor: h.id(), Role: domain.RoleEmployee}, organisation.Register{
		Organisation: id, Service: rules.AssistertSelvhjelp, Superuser: by.Actor,
		Details: organisation.Professional{FirstName: first, LastName: last, Workplace: "R", Position: "p", Phone: "55 00 00 00", Email: "n@example.org"},
		Contact: organisation.Contact{Name: name, Number: "974760673", Person: "K", Email: "p@example.org", Phone: "55 00 00 00"},
	}))
	return id, by
}

const label = "SAME"

func (h *hall) client(by ledger.Caller) domain.ID {
	id, handle := h.id(), h.id()
	h.must(h.Ledger.Keys.Create(h.t.Context(), keyring.Owner{Kind: keyring.Client, ID: id}))
	_, err := h.Clients.Begin(h.t.Context(), id, by, client.Register{
		Client: id, Organisation: by.Organisation, Handle: handle, Service: rules.AssistertSelvhjelp, Label: label, Code: client.CodeHash{id[0], id[1]},
	})
	h.must(err)
	h.handles[id] = handle
	return id
}

func (h *hall) share(id domain.ID) {
	_, err := h.Clients.Do(h.t.Context(), id, ledger.Caller{Actor: id, Role: domain.RoleClient, Text: domain.Text{Name: "sharing", Version: "1", Language: "nb"}}, client.Grant{Occasion: client.Settings})
	h.must(err)
	_, err = h.Journals.Do(h.t.Context(), id, ledger.Caller{Actor: id, Role: domain.RoleClient}, journal.Answer{Task: "t", Text: "what nobody may see", Entered: journal.ByClient})
	h.must(err)
	h.seen()
}

// look has somebody look at a client; it may be refused.
func (h *hall) look(by ledger.Caller, id domain.ID) {
	_, err := h.Door.LookUp(h.t.Context(), by, h.handles[id], client.Overview, []client.Kind{client.Scores})
	if domain.Refused(err) == "" {
		h.must(err)
	}
	h.now = h.now.Add(time.Hour)
	h.seen()
}

// ask is an auditor of the hall.
func (h *hall) ask(by ledger.Caller) *audit.Auditor {
	return &audit.Auditor{
		Records: ledger.Records{Store: h.store}, Access: h.Keeper.Access, Audit: h.Keeper.Audit, Organisations: h.Keeper.Organisations, Times: h.Keeper.Times,
		Holders: h.Keeper.Labels, Offices: h.Keeper.Offices, Rules: rules.All,
		Open: func(ctx context.Context, o eventschema.Owner, ciphertext, associated []byte) ([]byte, error) {
			return h.Ledger.Sealing(ctx).Open(o, ciphertext, associated)
		},
		Labels: h.Door.Labels, StateAt: h.Door.StateAt, Now: h.Ledger.Now,
		Reached: func(ctx context.Context, _ uint64) error { return h.Keeper.CatchUp(ctx) },
		Actor:   by.Actor, Session: by.Session,
		Record: func(ctx context.Context, q oversight.Queried) (uint64, error) {
			q.Basis = oversight.BasisOf(by.Role)
			return h.Query(ctx, by, q)
		},
	}
}

// recorded gives the questions that stand behind a position.
func (h *hall) recorded(after uint64) (asked []string) {
	for _, r := range ledgertest.Between(h.t, h.store, after, h.head()) {
		f, err := eventschema.Today.Decode(&r, nil)
		h.must(err)
		q, ok := f.Body.(oversight.Queried)
		if !ok {
			h.t.Errorf("a question wrote %s", f.Name)
		}
		asked = append(asked, q.Query+": "+q.About)
	}
	return asked
}

// lived is a hall where Siri looked at Ada twice and Tom at Bo once, each was refused once, and somebody did not get in.
func lived(t *testing.T) *hall {
	h := newHall(t)
	h.look(h.siri, h.ada)
	h.share(h.ada)
	h.share(h.bo)
	h.look(h.siri, h.ada)
	h.look(h.tom, h.ada)
	h.look(h.tom, h.bo)
	h.look(h.siri, h.ada)
	for _, b := range []oversight.SignInRefused{{As: oversight.AsClient, Account: h.ada, Reason: "wrong-code"}, {As: oversight.AsStaff, Reason: "wrong-password"}} {
		refused := ledger.NewStreams(h.Ledger, eventschema.RefusedStream, oversight.Decider)
		_, err := refused.Begin(t.Context(), h.id(), ledger.Caller{}, b)
		h.must(err)
	}
	h.seen()
	return h
}

// A watch stands before everything that can be read, and tells what was read before the question was on record.
type watch struct {
	audit.Records
	recorded bool
	early    []string
}

func (w *watch) touch(what string) {
	if !w.recorded {
		w.early = append(w.early, what)
	}
}

func (w *watch) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	w.touch("a stream")
	return w.Records.Stream(ctx, stream, from)
}

func (w *watch) After(ctx context.Context, p uint64) iter.Seq2[eventschema.Record, error] {
	w.touch("the ledger")
	return w.Records.After(ctx, p)
}

func (w *watch) At(ctx context.Context, positions []uint64) iter.Seq2[eventschema.Record, error] {
	w.touch("rows")
	return w.Records.At(ctx, positions)
}

func (w *watch) Versions(ctx context.Context, streams []string, versions []uint64) iter.Seq2[eventschema.Record, error] {
	w.touch("yeses")
	return w.Records.Versions(ctx, streams, versions)
}

func (w *watch) Head(ctx context.Context) (uint64, error) {
	w.touch("the end of the ledger")
	return w.Records.Head(ctx)
}

type watchedTrails struct {
	*watch
	of audit.Trails
}

func (w watchedTrails) Among(ctx context.Context, ids []domain.ID) (map[domain.ID]projections.Trail, error) {
	w.touch("a trail")
	return w.of.Among(ctx, ids)
}

type watchedTimes struct {
	*watch
	of audit.Times
}

func (w watchedTimes) Get(ctx context.Context, id domain.ID) (projections.Times, bool, error) {
	w.touch("the times")
	return w.of.Get(ctx, id)
}

type watchedHolders struct {
	*watch
	of audit.Holders
}

func (w watchedHolders) List(ctx context.Context, key domain.ID) (map[domain.ID]domain.ID, error) {
	w.touch("who has a label")
	return w.of.List(ctx, key)
}

type watchedOffices struct {
	*watch
	of audit.Offices
}

func (w watchedOffices) Each(ctx context.Context, do func(domain.ID, projections.Office) error) error {
	w.touch("the organisations")
	return w.of.Each(ctx, do)
}

func (w *watch) over(a *audit.Auditor) {
	open, labels, stateAt, record := a.Open, a.Labels, a.StateAt, a.Record
	w.Records = a.Records
	a.Records, a.Access, a.Audit = w, watchedTrails{w, a.Access}, watchedTrails{w, a.Audit}
	a.Holders, a.Offices = watchedHolders{w, a.Holders}, watchedOffices{w, a.Offices}
	a.Organisations, a.Times = watchedTrails{w, a.Organisations}, watchedTimes{w, a.Times}
	a.Open = func(ctx context.Context, o eventschema.Owner, c, s []byte) ([]byte, error) {
		w.touch("a key")
		return open(ctx, o, c, s)
	}
	a.Labels = func(ctx context.Context, ids []domain.ID) (map[domain.ID]string, error) {
		w.touch("a label")
		return labels(ctx, ids)
	}
	a.StateAt = func(ctx context.Context, id domain.ID, at, known time.Time) (client.State, error) {
		w.touch("a state")
		return stateAt(ctx, id, at, known)
	}
	a.Record = func(ctx context.Context, q oversight.Queried) (uint64, error) {
		p, err := record(ctx, q)
		w.recorded = err == nil
		return p, err
	}
}

// questions are one of each kind.
func (h *hall) questions() map[string]func(*audit.Auditor) (any, error) {
	ctx := h.t.Context()
	return map[string]func(*audit.Auditor) (any, error){
		"who saw everything": func(a *audit.Auditor) (any, error) { return a.WhoSaw(ctx, "r", audit.Query{}, audit.Page{}) },
		"who saw a client": func(a *audit.Auditor) (any, error) {
			return a.WhoSaw(ctx, "r", audit.Query{Client: h.ada}, audit.Page{})
		},
		"what a professional saw": func(a *audit.Auditor) (any, error) {
			return a.WhoSaw(ctx, "r", audit.Query{Professional: h.siri.Actor}, audit.Page{})
		},
		"what an organisation saw": func(a *audit.Auditor) (any, error) {
			return a.WhoSaw(ctx, "r", audit.Query{Organisation: h.fjord}, audit.Page{})
		},
		"refused": func(a *audit.Auditor) (any, error) {
			return a.Refused(ctx, "r", time.Time{}, time.Time{}, audit.Page{})
		},
		"a replay": func(a *audit.Auditor) (any, error) {
			return nil, a.Replay(ctx, "r", audit.Query{}, func(audit.Sighting) error { return nil })
		},
		"why":                     func(a *audit.Auditor) (any, error) { return a.Why(ctx, "r", 5) },
		"state":                   func(a *audit.Auditor) (any, error) { return a.State(ctx, "r", h.ada, time.Time{}, time.Time{}) },
		"history":                 func(a *audit.Auditor) (any, error) { return a.History(ctx, "r", h.ada, time.Time{}, time.Time{}) },
		"a client by label":       func(a *audit.Auditor) (any, error) { return a.FindClient(ctx, "r", label, h.tind) },
		"a client by id":          func(a *audit.Auditor) (any, error) { return a.FindClient(ctx, "r", h.ada.String(), domain.ID{}) },
		"a professional by name":  func(a *audit.Auditor) (any, error) { return a.FindProfessional(ctx, "r", "siri strand") },
		"an organisation by name": func(a *audit.Auditor) (any, error) { return a.FindOrganisation(ctx, "r", "TIND") },
		"a feed": func(a *audit.Auditor) (any, error) {
			f, err := a.OpenFeed(ctx, "r", 0)
			if err != nil {
				return nil, err
			}
			return f.Next(ctx, 3)
		},
	}
}

// Every question is on record, once, before anything is read, and names nobody by name or label.
func TestRecordComesFirst(t *testing.T) {
	h := lived(t)
	for name, question := range h.questions() {
		a, before := h.ask(h.auditor), h.head()
		w := &watch{}
		w.over(a)
		if _, err := question(a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(w.early) > 0 {
			t.Errorf("%s: before it was on record, it read %v", name, w.early)
		}
		asked := h.recorded(before)
		if len(asked) != 1 {
			t.Errorf("%s is on record %d times: %q", name, len(asked), asked)
		}
		for _, secret := range []string{label, "iri", "TIND", "Tind"} {
			if strings.Contains(strings.Join(asked, " "), secret) {
				t.Errorf("%s: what was typed is on record: %q", name, asked)
			}
		}
	}
}

// A question that cannot be recorded is not answered, and reads nothing.
func TestNoAnswerWithoutARecord(t *testing.T) {
	h := lived(t)
	broken := errors.New("the disk is full")
	for name, question := range h.questions() {
		for _, fault := range []error{broken, domain.Refuse("not-allowed", "no")} {
			a := h.ask(h.auditor)
			a.Record = func(context.Context, oversight.Queried) (uint64, error) { return h.head() + 1, fault }
			w := &watch{}
			w.over(a)
			got, err := question(a)
			if !errors.Is(err, fault) {
				t.Errorf("%s: %v", name, err)
			}
			if got != nil && !reflect.ValueOf(got).IsZero() {
				t.Errorf("%s was answered", name)
			}
			if len(w.early) > 0 {
				t.Errorf("%s read %v", name, w.early)
			}
		}
		// Who gives no reason, or may not ask, is refused by the ledger itself.
		a := h.ask(ledger.Caller{Actor: h.siri.Actor, Role: domain.RoleProfessional, Organisation: h.fjord})
		if _, err := question(a); domain.Refused(err) != "not-allowed" {
			t.Errorf("%s, asked by a professional: %v", name, err)
		}
	}
	if _, err := h.ask(h.auditor).WhoSaw(t.Context(), " ", audit.Query{}, audit.Page{}); domain.Refused(err) != "bad-input" {
		t.Errorf("without a reason: %v", err)
	}
}

func summary(rows []audit.Sighting) (s []string) {
	for _, r := range rows {
		s = append(s, strings.TrimSpace(fmt.Sprintf("%s of %s: %s %v %s", r.Name, r.Organisation, r.Label, r.Allowed, r.Reason)))
	}
	return s
}

const (
	siriRefused = "Siri Strand of Fjord: SAME false not-shared"
	siriSaw     = "Siri Strand of Fjord: SAME true"
	tomRefused  = "Tom Topp of Tind: SAME false not-registered"
	tomSaw      = "Tom Topp of Tind: SAME true"
)

func (h *hall) queries() map[string]struct {
	q    audit.Query
	want []string
} {
	noon := time.Date(2026, 1, 5, 10, 30, 0, 0, time.UTC)
	return map[string]struct {
		q    audit.Query
		want []string
	}{
		"everything":     {audit.Query{}, []string{siriRefused, siriSaw, tomRefused, tomSaw, siriSaw}},
		"Ada":            {audit.Query{Client: h.ada}, []string{siriRefused, siriSaw, tomRefused, siriSaw}},
		"Siri":           {audit.Query{Professional: h.siri.Actor}, []string{siriRefused, siriSaw, siriSaw}},
		"Tind":           {audit.Query{Organisation: h.tind}, []string{tomRefused, tomSaw}},
		"Tind at Bo":     {audit.Query{Organisation: h.tind, Client: h.bo}, []string{tomSaw}},
		"from":           {audit.Query{From: noon}, []string{tomRefused, tomSaw, siriSaw}},
		"to":             {audit.Query{To: noon, Client: h.ada}, []string{siriRefused, siriSaw}},
		"known then":     {audit.Query{Known: noon}, []string{siriRefused, siriSaw}},
		"nobody":         {audit.Query{Client: h.tind}, nil},
		"nobody at Tind": {audit.Query{Organisation: h.auditor.Actor}, nil},
	}
}

// Whatever the size of the pages, together they are the same rows; each page is a question of its own; and what is added
// meanwhile is not in them.
func TestPages(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	for name, c := range h.queries() {
		whole, err := a.WhoSaw(ctx, "r", c.q, audit.Page{})
		h.must(err)
		if d := cmp.Diff(c.want, summary(whole.Rows)); d != "" || whole.Next != 0 {
			t.Errorf("%s, next %d: %s", name, whole.Next, d)
		}
		for limit := 1; limit <= len(c.want)+1; limit++ {
			var rows []audit.Sighting
			page := audit.Page{Limit: limit, Upto: whole.Upto}
			before, pages := h.head(), 0
			for {
				got, err := a.WhoSaw(ctx, "r", c.q, page)
				h.must(err)
				if len(got.Rows) > limit || got.Upto != whole.Upto {
					t.Fatalf("%s: a page of %d, up to %d", name, len(got.Rows), got.Upto)
				}
				rows = append(rows, got.Rows...)
				pages++
				if page.After = got.Next; got.Next == 0 {
					break
				}
			}
			if d := cmp.Diff(whole.Rows, append([]audit.Sighting{}, rows...)); d != "" {
				t.Errorf("%s in pages of %d: %s", name, limit, d)
			}
			asked := h.recorded(before)
			if want := max(1, (len(c.want)+limit-1)/limit); len(asked) != want || pages != want {
				t.Errorf("%s in pages of %d: %d questions on record, %d pages, expected %d", name, limit, len(asked), pages, want)
			}
			for i, text := range asked {
				if strings.Contains(text, ", behind position ") != (i > 0) {
					t.Errorf("%s: page %d is recorded as %q", name, i+1, text)
				}
			}
		}
	}
	first, err := a.WhoSaw(ctx, "r", audit.Query{Organisation: h.fjord}, audit.Page{Limit: 2})
	h.must(err)
	h.look(h.siri, h.ada)
	rest, err := a.WhoSaw(ctx, "r", audit.Query{Organisation: h.fjord}, audit.Page{Limit: 2, After: first.Next, Upto: first.Upto})
	h.must(err)
	if len(rest.Rows) != 1 || rest.Next != 0 {
		t.Errorf("what was added between two pages is in the second: %v", summary(rest.Rows))
	}
	if rows, _ := a.WhoSaw(ctx, "r", audit.Query{Organisation: h.fjord}, audit.Page{}); len(rows.Rows) != 4 {
		t.Errorf("asked anew: %v", summary(rows.Rows))
	}
}

// A replay has the rows of all pages together, whatever it asks for, and is one question on record.
func TestReplay(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	for name, c := range h.queries() {
		before := h.head()
		var rows []audit.Sighting
		h.must(a.Replay(ctx, "r", c.q, func(s audit.Sighting) error { rows = append(rows, s); return nil }))
		if d := cmp.Diff(c.want, summary(rows)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if asked := h.recorded(before); len(asked) != 1 || strings.Contains(asked[0], "position") {
			t.Errorf("%s: on record are %q", name, asked)
		}
		h.seen()
	}
	stop := errors.New("enough")
	if err := a.Replay(ctx, "r", audit.Query{}, func(audit.Sighting) error { return stop }); err != stop {
		t.Errorf("stopped by whoever reads: %v", err)
	}
	if err := a.Replay(ctx, " ", audit.Query{}, func(audit.Sighting) error { t.Error("a row"); return nil }); domain.Refused(err) != oversight.BadInput {
		t.Errorf("without a reason: %v", err)
	}
}

// A replay of more rows than have their names asked for together tells each once, in order, and whole.
func TestReplayOfMany(t *testing.T) {
	h := lived(t)
	for range 600 {
		h.look(h.tom, h.bo)
	}
	var last uint64
	rows, allowed := 0, 0
	h.must(h.ask(h.auditor).Replay(t.Context(), "r", audit.Query{Client: h.bo}, func(s audit.Sighting) error {
		if s.Position <= last || s.Label == "" || s.Name == "" || s.Allowed != (s.GrantedAt != nil) {
			t.Errorf("behind position %d: %+v", last, s)
		}
		if last, rows = s.Position, rows+1; s.Allowed {
			allowed++
		}
		return nil
	}))
	if rows < 600 || allowed < 500 {
		t.Errorf("%d rows, %d of them allowed", rows, allowed)
	}
}

// counted counts the records that are read in the ledger's order.
type counted struct {
	ledger.Store
	read int
}

func (c *counted) After(ctx context.Context, p uint64) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range c.Store.After(ctx, p) {
			c.read++
			if !yield(r, err) {
				return
			}
		}
	}
}

// Of a client, a reader, an organisation and a period no more is read than where their rows stand, however much there is beside.
func TestByIndex(t *testing.T) {
	h := lived(t)
	first := h.head()
	for range 3 * projections.BlockSize {
		_, err := h.Query(t.Context(), h.auditor, oversight.Queried{Query: "state", About: "a", Basis: oversight.Audit, Reason: "r"})
		h.must(err)
	}
	late := h.now.Add(time.Hour)
	h.now = late
	h.look(h.tom, h.bo)
	h.look(h.tom, h.ada)
	for name, c := range map[string]struct {
		q          audit.Query
		rows, most int
	}{
		"a client":        {audit.Query{Client: h.bo}, 2, int(first) + 1},
		"a reader":        {audit.Query{Professional: h.tom.Actor}, 4, int(first) + 3},
		"an organisation": {audit.Query{Organisation: h.tind}, 4, int(first) + 3},
		"a period":        {audit.Query{From: late}, 2, projections.BlockSize + 8},
		"both":            {audit.Query{Organisation: h.tind, From: late}, 2, 3},
	} {
		a := h.ask(h.auditor)
		read := &counted{Store: h.store}
		a.Records = ledger.Records{Store: read}
		rows := 0
		h.must(a.Replay(t.Context(), "r", c.q, func(audit.Sighting) error { rows++; return nil }))
		if rows != c.rows || read.read > c.most {
			t.Errorf("%s: %d rows, and %d records read of %d; expected %d and at most %d", name, rows, read.read, h.head(), c.rows, c.most)
		}
	}
}

// write puts an event in the ledger as it is.
func (h *hall) write(c eventschema.Category, subject domain.ID, version uint64, a domain.Act, body any) {
	h.t.Helper()
	f := eventschema.Fact{ID: h.id(), Category: c, Subject: subject, Version: version, Act: a, Effective: a.At, Rule: rules.General, Body: body}
	r, err := eventschema.Today.Encode(&f, h.Ledger.Sealing(h.t.Context()))
	h.must(err)
	_, err = h.store.Append(h.t.Context(), r.Stream, version-1, r)
	h.must(err)
	h.seen()
}

// A row tells who read, by name, and how the session had been logged in to, while the key is there.
func TestRowsNameTheSession(t *testing.T) {
	h := lived(t)
	ctx := t.Context()
	h.must(h.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Staff, ID: h.auditor.Actor}))
	own := func(c ledger.Caller) domain.Act {
		return domain.Act{At: h.now, Actor: c.Actor, Role: c.Role, Session: c.Session, Organisation: c.Organisation}
	}
	h.write(eventschema.StaffStream, h.siri.Actor, 1, own(h.siri), staff.SignedIn{Method: staff.PasswordOTP, Step: 1})
	h.write(eventschema.StaffStream, h.auditor.Actor, 1, own(h.auditor), staff.Employed{Account: h.auditor.Actor, Role: domain.RoleAuditor})
	h.write(eventschema.StaffStream, h.auditor.Actor, 2, own(h.auditor), staff.Named{Name: "Randi Revisor", Email: "r@example.org"})
	h.write(eventschema.StaffStream, h.auditor.Actor, 3, own(h.auditor), staff.SignedIn{Method: staff.PasswordOTP, Step: 1})
	in := ledger.Caller{Actor: h.ada, Role: domain.RoleClient, Session: h.id()}
	_, err := h.Door.Own(ctx, in, client.Export)
	h.must(err)
	h.seen()
	a := h.ask(h.auditor)
	h.must(second(a.State(ctx, "a complaint", h.ada, time.Time{}, time.Time{})))
	h.seen()
	got := map[string]audit.Sighting{}
	h.must(a.Replay(ctx, "r", audit.Query{Questions: true}, func(s audit.Sighting) error { got[string(s.Role)+" "+string(s.Purpose)] = s; return nil }))
	for what, want := range map[string][3]string{
		"superuser overview": {"Siri Strand", "password+otp", ""},
		"auditor state":      {"Randi Revisor", "password+otp", "a complaint"},
		"client own-export":  {"", "code", ""},
	} {
		if s := got[what]; s.Name != want[0] || s.Method != want[1] || s.Reason != want[2] {
			t.Errorf("%s: %q, logged in by %q, because %q; expected %q", what, s.Name, s.Method, s.Reason, want)
		}
	}
	if s := got["auditor state"]; !strings.HasPrefix(s.About, "client "+h.ada.String()) {
		t.Errorf("the question is about %q", s.About)
	}
	h.must(h.Ledger.Keys.Destroy(ctx, keyring.Owner{Kind: keyring.Staff, ID: h.siri.Actor}))
	h.must(a.Replay(ctx, "r", audit.Query{Professional: h.siri.Actor}, func(s audit.Sighting) error {
		if s.Name != "" || s.Method != "" {
			t.Errorf("without the key: %q, %q", s.Name, s.Method)
		}
		return nil
	}))
}

func second[A, B any](_ A, b B) B { return b }

// Asked about somebody who asks, questions are a trace too, and end where the first page's answer does.
func TestAuditorsAreSeen(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	for range 3 {
		_, err := a.WhoSaw(ctx, "r", audit.Query{Client: h.ada}, audit.Page{})
		h.must(err)
	}
	rows := 0
	page := audit.Page{Limit: 1}
	for range 10 {
		got, err := a.WhoSaw(ctx, "r", audit.Query{Professional: h.auditor.Actor}, page)
		h.must(err)
		rows += len(got.Rows)
		if page.After, page.Upto = got.Next, got.Upto; got.Next == 0 {
			break
		}
	}
	if rows != 3 || page.After != 0 {
		t.Errorf("%d questions were seen of 3, next %d", rows, page.After)
	}
	_, err := h.Query(ctx, h.auditor, oversight.Queried{Query: "export", About: "all", Basis: oversight.Audit, Reason: "r", Opened: true})
	h.must(err)
	got, err := a.WhoSaw(ctx, "r", audit.Query{Client: h.bo}, audit.Page{})
	h.must(err)
	last := got.Rows[len(got.Rows)-1]
	if last.Client != h.bo || last.Purpose != "export" || len(last.Kinds) != len(views.AllKinds) {
		t.Errorf("who opened everything saw Bo: %+v", last)
	}
}

func TestRefusedAttempts(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	var got []string
	page := audit.Page{Limit: 2}
	for {
		tried, err := a.Refused(ctx, "r", time.Time{}, time.Time{}, page)
		h.must(err)
		for _, r := range tried.Rows {
			got = append(got, strings.Join([]string{r.Event, string(r.As), r.Name, r.Label, r.Reason}, " "))
		}
		if page.After, page.Upto = tried.Next, tried.Upto; tried.Next == 0 {
			break
		}
	}
	want := []string{
		"lookup.refused  Siri Strand SAME not-shared", "lookup.refused  Tom Topp SAME not-registered",
		"signin.refused client  SAME wrong-code", "signin.refused staff   wrong-password",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	none, err := a.Refused(ctx, "r", h.now.Add(time.Hour), time.Time{}, audit.Page{})
	h.must(err)
	if b, _ := json.Marshal(none); len(none.Rows) > 0 || !strings.Contains(string(b), `"rows":[]`) {
		t.Errorf("later than all: %s", b)
	}
}

func TestWhyAndState(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	all, err := a.WhoSaw(ctx, "r", audit.Query{Professional: h.tom.Actor, Client: h.bo}, audit.Page{})
	h.must(err)
	saw := all.Rows[0]
	x, err := a.Why(ctx, "r", saw.Position)
	h.must(err)
	if x.Event.Name != "lookup.made" || len(x.Causes) != 1 || x.Causes[0].Name != "sharing.granted" || x.Causes[0].Version != saw.Grant {
		t.Errorf("why %v: %v", x.Event, x.Causes)
	}
	if saw.GrantedAt == nil || saw.Text != "sharing 1 nb" || saw.Rule == "" {
		t.Errorf("the yes behind it: %+v", saw)
	}
	for _, p := range []uint64{0, h.head() + 2, 1 << 63} {
		if _, err := a.Why(ctx, "r", p); domain.Refused(err) != audit.NotFound {
			t.Errorf("why position %d: %v", p, err)
		}
	}
	sealed := slices.IndexFunc(ledgertest.All(t, h.store), func(r eventschema.Record) bool { return strings.HasPrefix(r.Stream, "journal-") })
	if x, err = a.Why(ctx, "r", uint64(sealed)+1); err != nil || x.Event.Closed != nil || x.Event.Body != nil || !strings.Contains(x.Words, "sealed") {
		t.Errorf("why a sealed event: %+v, %v", x, err)
	}
	st, err := a.State(ctx, "r", h.ada, time.Time{}, time.Time{})
	h.must(err)
	if st.Status != string(client.Shared) || st.Until == nil || !st.At.Equal(h.now) {
		t.Errorf("Ada now: %+v", st)
	}
	st, err = a.State(ctx, "r", h.ada, time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC), time.Time{})
	if err != nil || st.Status != "unanswered" {
		t.Errorf("Ada before the yes: %+v, %v", st, err)
	}
	for _, at := range []time.Time{{}, h.now.Add(-1000 * time.Hour)} {
		id := h.ada
		if at.IsZero() {
			id = h.fjord // no client
		}
		if _, err := a.State(ctx, "r", id, at, time.Time{}); domain.Refused(err) != audit.NotFound {
			t.Errorf("nobody's state: %v", err)
		}
	}
}

// What an erasure, a question, a review and a use of exceptional access came of; and what stays to be told of an erased client.
func TestWhyOfTrust(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	per := ledger.Caller{Actor: h.id(), Role: domain.RoleSuperuser, Session: h.id(), Organisation: h.fjord}
	h.must(h.AddProfessional(ctx, h.siri, organisation.AddProfessional{Professional: per.Actor, Superuser: true, Details: organisation.Professional{
		FirstName: "Per", LastName: "P", Workplace: "R", Position: "p", Phone: "55 00 00 00", Email: "per@example.org",
	}}))
	at := map[string]uint64{}
	events := func() {
		t.Helper()
		for _, r := range ledgertest.All(t, h.store) {
			f, err := eventschema.Today.Decode(&r, nil)
			h.must(err)
			at[f.Name] = r.Position
		}
	}
	saw, err := a.WhoSaw(ctx, "r", audit.Query{Client: h.ada}, audit.Page{})
	h.must(err)
	var look, tried uint64 // versions
	for _, r := range ledgertest.All(t, h.store) {
		if r.Position == saw.Rows[len(saw.Rows)-1].Position {
			look = r.Version
		}
	}
	ada := ledger.Caller{Actor: h.ada, Role: domain.RoleClient, Session: h.id()}
	_, err = h.AskAboutLookUp(ctx, ada, look)
	h.must(err)
	h.seen()
	_, err = h.ReviewLookUp(ctx, per, h.ada, look, client.AskedByClient, client.InOrder)
	h.must(err)
	events()
	var attempt domain.ID
	for _, r := range ledgertest.All(t, h.store) {
		if f, _ := eventschema.Today.Decode(&r, nil); f.Name == "lookup.refused" && f.Act.Organisation == h.fjord {
			attempt, tried = f.Subject, r.Position
		}
	}
	_, err = h.ReviewAttempt(ctx, per, attempt, oversight.AttemptReviewed{By: h.siri.Actor, Concern: client.WasRefused, Outcome: client.Mistake})
	h.must(err)
	operator := ledger.Caller{Actor: h.id(), Role: domain.RoleEmployee, Session: h.id()}
	access, _, err := h.OpenAccess(ctx, operator, oversight.AccessOpened{Door: oversight.Production, Reason: "error 17", Minutes: 5})
	h.must(err)
	h.must(h.UseAccess(ctx, operator, access, oversight.AccessUsed{What: "export", About: h.bo.String()}))
	_, err = h.Clients.Do(ctx, h.bo, ledger.System, client.Reapply{Ending: client.Event{Effective: h.now, Body: client.Withdrawn{Grant: 3}}})
	h.must(err)
	_, err = h.Erase(ctx, ada)
	h.must(err)
	h.seen()
	events()
	for name, c := range map[string]struct {
		words  string
		causes []string
	}{
		"lookup.questioned":    {"asked about the look-up", []string{"lookup.made", "sharing.granted"}},
		"lookup.reviewed":      {"A review", []string{"lookup.made", "sharing.granted"}},
		"refused.reviewed":     {"A review", []string{"lookup.refused"}},
		"access.used":          {"exceptional access", []string{"access.opened"}},
		"sharing.withdrawn":    {"put back from a copy", []string{"sharing.granted"}},
		"client.erased":        {"An act of a client", nil},
		"client.key-destroyed": {"A step of the erasure", []string{"client.erased"}},
		"client.swept":         {"A step of the erasure", []string{"client.key-destroyed", "client.erased"}},
	} {
		x, err := a.Why(ctx, "r", at[name])
		h.must(err)
		var causes []string
		for _, f := range x.Causes {
			causes = append(causes, f.Name)
		}
		if x.Event.Name != name || !strings.Contains(x.Words, c.words) || !slices.Equal(causes, c.causes) {
			t.Errorf("why %s: %q, causes %q", name, x.Words, causes)
		}
		if name == "refused.reviewed" && x.Causes[0].Position != tried {
			t.Errorf("a review of the attempt at %d is explained by the one at %d", tried, x.Causes[0].Position)
		}
	}
	rows, err := a.WhoSaw(ctx, "r", audit.Query{Client: h.ada}, audit.Page{})
	h.must(err)
	if len(rows.Rows) != len(saw.Rows) || rows.Rows[0].Label != "" {
		t.Errorf("who saw an erased client: %d rows of %d, by label %q", len(rows.Rows), len(saw.Rows), rows.Rows[0].Label)
	}
	used, err := a.WhoSaw(ctx, "r", audit.Query{Professional: operator.Actor}, audit.Page{})
	h.must(err)
	if len(used.Rows) != 1 || used.Rows[0].Purpose != "exceptional-access" || used.Rows[0].Reason != "export" {
		t.Errorf("what the operator did: %+v", used.Rows)
	}
	if st, err := a.State(ctx, "r", h.ada, time.Time{}, time.Time{}); err != nil || st.Status != "erased" || st.Reason == "" || st.PersonalData {
		t.Errorf("an erased client: %+v, %v", st, err)
	}
	h.now = h.now.Add(time.Hour)
	story, err := a.History(ctx, "r", h.ada, time.Time{}, time.Time{})
	h.must(err)
	var turns []string
	for _, turn := range story.Turns {
		turns = append(turns, turn.Event)
	}
	want := []string{"client.registered", "sharing.granted", "client.erased", "client.key-destroyed", "client.swept"}
	if !slices.Equal(turns, want) || story.Label != "" {
		t.Errorf("the history of an erased client, by label %q: %q", story.Label, turns)
	}
}

// A client's consent over time is told by what took effect, whether or not it was written down.
func TestHistory(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	turns := func(id domain.ID, from, to time.Time) (s []string) {
		t.Helper()
		got, err := a.History(ctx, "r", id, from, to)
		h.must(err)
		if got.Client != id || got.Label != label || got.To.After(h.now) {
			t.Errorf("the history of another: %+v", got)
		}
		for _, turn := range got.Turns {
			s = append(s, fmt.Sprintf("%s %s %v %v", turn.Event, turn.Status, turn.Shown(), turn.Position > 0))
		}
		return s
	}
	const begin, yes = "client.registered unanswered false true", "sharing.granted shared true true"
	_, err := h.Clients.Do(ctx, h.ada, ledger.Caller{Actor: h.ada, Role: domain.RoleClient}, client.Restrict{})
	h.must(err)
	restricted := h.now
	h.now = h.now.Add(time.Hour)
	held := "client.restricted shared false true"
	for name, c := range map[string]struct {
		id       domain.ID
		from, to time.Time
		want     []string
	}{
		"all":                  {h.ada, time.Time{}, time.Time{}, []string{begin, yes, held}},
		"all of Bo":            {h.bo, time.Time{}, time.Time{}, []string{begin, yes}},
		"the first half hour":  {h.ada, time.Time{}, time.Date(2026, 1, 5, 9, 30, 0, 0, time.UTC), []string{begin}},
		"before the restraint": {h.ada, restricted.Add(-time.Minute), restricted, []string{yes}},
		"since then":           {h.ada, restricted, time.Time{}, []string{held}},
	} {
		if d := cmp.Diff(c.want, turns(c.id, c.from, c.to)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	// Nobody has written the lapse down; it has taken effect all the same.
	h.now = h.now.AddDate(0, 7, 0)
	want := []string{begin, yes, "follow-up.asked shared true false", "sharing.lapsed lapsed false false"}
	if d := cmp.Diff(want, turns(h.bo, time.Time{}, time.Time{})); d != "" {
		t.Error(d)
	}
	got, err := a.History(ctx, "r", h.bo, time.Time{}, time.Time{})
	h.must(err)
	if y, l := got.Turns[1], got.Turns[3]; y.Until == nil || !l.Effective.Equal(*y.Until) || l.Until != nil || y.Text != "sharing 1 nb" || l.Rule != y.Rule {
		t.Errorf("the lapse: %+v of %+v", l, y)
	}
	for _, id := range []domain.ID{h.fjord, h.ada} {
		if _, err := a.History(ctx, "r", id, time.Time{}, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)); domain.Refused(err) != audit.NotFound {
			t.Errorf("before there was anybody: %v", err)
		}
	}
}

func TestFind(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	for name, c := range map[string]struct {
		find    func() (domain.ID, error)
		want    domain.ID
		refused string
	}{
		"a label that two have":    {func() (domain.ID, error) { return a.FindClient(ctx, "r", label, domain.ID{}) }, domain.ID{}, audit.Several},
		"the label at Fjord":       {func() (domain.ID, error) { return a.FindClient(ctx, "r", "same", h.fjord) }, h.ada, ""},
		"the label at Tind":        {func() (domain.ID, error) { return a.FindClient(ctx, "r", label, h.tind) }, h.bo, ""},
		"the label elsewhere":      {func() (domain.ID, error) { return a.FindClient(ctx, "r", label, h.ada) }, domain.ID{}, audit.NotFound},
		"no label":                 {func() (domain.ID, error) { return a.FindClient(ctx, "r", "", domain.ID{}) }, domain.ID{}, audit.NotFound},
		"an id":                    {func() (domain.ID, error) { return a.FindClient(ctx, "r", h.bo.String(), domain.ID{}) }, h.bo, ""},
		"an id that no client has": {func() (domain.ID, error) { return a.FindClient(ctx, "r", h.tind.String(), domain.ID{}) }, h.tind, audit.NotFound},
		"an organisation":          {func() (domain.ID, error) { return a.FindOrganisation(ctx, "r", "fjord") }, h.fjord, ""},
		"an organisation by id":    {func() (domain.ID, error) { return a.FindOrganisation(ctx, "r", h.tind.String()) }, h.tind, ""},
		"no organisation":          {func() (domain.ID, error) { return a.FindOrganisation(ctx, "r", "Fjor") }, domain.ID{}, audit.NotFound},
		"a professional":           {func() (domain.ID, error) { return a.FindProfessional(ctx, "r", "Tom Topp") }, h.tom.Actor, ""},
		"a professional by id":     {func() (domain.ID, error) { return a.FindProfessional(ctx, "r", h.ada.String()) }, h.ada, ""},
		"no professional":          {func() (domain.ID, error) { return a.FindProfessional(ctx, "r", "Tom") }, domain.ID{}, audit.NotFound},
	} {
		got, err := c.find()
		if got != c.want || domain.Refused(err) != c.refused || err != nil && c.refused == "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	h.organisation("Fjord", "Tom", "Topp")
	if _, err := a.FindOrganisation(ctx, "r", "Fjord"); domain.Refused(err) != audit.Several {
		t.Errorf("two of that name: %v", err)
	}
	// A client whose key is gone has no label any more, and stands in no one's way.
	h.must(h.keys.Destroy(ctx, keyring.Owner{Kind: keyring.Client, ID: h.bo}))
	if got, err := a.FindClient(ctx, "r", label, domain.ID{}); got != h.ada || err != nil {
		t.Errorf("the only one left: %v, %v", got, err)
	}
	saw, err := a.WhoSaw(ctx, "r", audit.Query{Client: h.bo}, audit.Page{})
	if err != nil || len(saw.Rows) != 1 || saw.Rows[0].Label != "" {
		t.Errorf("who saw Bo: %v, %v", summary(saw.Rows), err)
	}
}

// A feed shows every event, once and in order, and of what is sealed only that it is there; reading writes nothing.
func TestFeed(t *testing.T) {
	h := lived(t)
	a, ctx := h.ask(h.auditor), t.Context()
	for _, after := range []uint64{0, 7, 1000} {
		for _, size := range []int{1, 3, 0} {
			f, err := a.OpenFeed(ctx, "r", after)
			h.must(err)
			opened := h.head()
			if f.Opened != opened {
				t.Errorf("opened at %d, recorded at %d", f.Opened, opened)
			}
			at := after
			for {
				f, err = a.ContinueFeed(ctx, f.Opened, f.After)
				h.must(err)
				facts, err := f.Next(ctx, size)
				h.must(err)
				if len(facts) == 0 {
					break
				}
				for _, fact := range facts {
					if at++; fact.Position != at {
						t.Fatalf("position %d in place of %d", fact.Position, at)
					}
					b, err := json.Marshal(fact)
					h.must(err)
					if fact.Owner != (eventschema.Owner{}) && (fact.Body != nil || fact.Closed != nil || !strings.Contains(string(b), `"key":"`)) {
						t.Errorf("%v is not closed: %s", fact, b)
					}
					for _, secret := range []string{label, "nobody may see", "Strand"} {
						if strings.Contains(string(b), secret) {
							t.Errorf("%v shows %s", fact, secret)
						}
					}
				}
			}
			if h.head() != opened {
				t.Error("reading wrote something")
			}
			if at != max(opened, after) {
				t.Errorf("a feed behind %d ended at %d of %d", after, at, opened)
			}
		}
	}
	f, err := a.OpenFeed(ctx, "r", 5)
	h.must(err)
	another := h.auditor
	another.Actor = h.id()
	later := h.auditor
	later.Session = h.id()
	for name, c := range map[string]struct {
		a             *audit.Auditor
		opened, after uint64
		refused       string
	}{
		"one's own":             {a, f.Opened, 5, ""},
		"before its beginning":  {a, f.Opened, 4, audit.BadInput},
		"another's":             {h.ask(another), f.Opened, 5, audit.NotFound},
		"of an earlier session": {h.ask(later), f.Opened, 5, audit.NotFound},
		"of another event":      {a, 3, 5, audit.NotFound},
		"of no event":           {a, 0, 5, audit.NotFound},
		"of an event to come":   {a, h.head() + 1, 5, audit.NotFound},
	} {
		if _, err := c.a.ContinueFeed(ctx, c.opened, c.after); domain.Refused(err) != c.refused {
			t.Errorf("a feed, %s: %v", name, err)
		}
	}
}

// However many rows a page has, the labels in them are asked for together.
func TestLabelsAreAskedForTogether(t *testing.T) {
	h := lived(t)
	a := h.ask(h.auditor)
	labels, asked := a.Labels, 0
	a.Labels = func(ctx context.Context, ids []domain.ID) (map[domain.ID]string, error) {
		asked++
		return labels(ctx, ids)
	}
	seen, err := a.WhoSaw(t.Context(), "r", audit.Query{}, audit.Page{})
	if err != nil || len(seen.Rows) != 5 || seen.Rows[4].Label != label || asked != 1 {
		t.Errorf("%d rows, labels asked for %d times, %v", len(seen.Rows), asked, err)
	}
	tried, err := a.Refused(t.Context(), "r", time.Time{}, time.Time{}, audit.Page{})
	if err != nil || len(tried.Rows) != 4 || asked != 2 {
		t.Errorf("%d attempts, labels asked for %d times, %v", len(tried.Rows), asked, err)
	}
}
