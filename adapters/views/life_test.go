package views_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
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
	"samtykke/eventschema"
	"samtykke/projections"
)

// A house is a ledger in memory with organisations and clients in it, who live through the real desk.
type house struct {
	t      fataler
	ledger *ledger.Ledger
	keeper *views.Keeper
	desk   *desk.Desk
	hash   signin.HashKey
	now    time.Time
	random *rand.ChaCha8
	orgs   []*office
	people []*resident
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

type office struct {
	id   domain.ID
	boss ledger.Caller
	pros []ledger.Caller
}

type resident struct {
	office *office
	id     domain.ID
	handle domain.ID
	code   signin.Code
	label  string
	by     ledger.Caller
	asked  []domain.ID
}

var staff = ledger.Caller{Actor: domain.ID{0xe, 15: 1}, Role: domain.RoleEmployee}

// newHouse makes a house with a keeper in memory, or another one.
func newHouse(t fataler, keeper ...func(*ledger.Ledger) *views.Keeper) *house {
	h := &house{t: t, now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), random: rand.NewChaCha8([32]byte{7})}
	keys, err := keyring.Memory(h.random)
	if err != nil {
		t.Fatal(err)
	}
	if h.hash, err = signin.LoadHashKey(newDisk(), "code.key", h.random); err != nil {
		t.Fatal(err)
	}
	h.ledger = &ledger.Ledger{Store: ledgertest.Memory(), Keys: keys, Clock: func() time.Time { return h.now }, Random: h.random}
	h.keeper = views.NewKeeper(h.ledger, rules.All)
	for _, other := range keeper {
		h.keeper = other(h.ledger)
	}
	h.desk = desk.New(h.ledger, h.keeper, rules.All, h.hash)
	return h
}

func newDisk() disk.Disk { return simdisk.New(rand.NewPCG(1, 2)) }

func (h *house) id() domain.ID {
	id, err := h.ledger.NewID()
	h.fine(err)
	return id
}

// fine lets refusals pass: a life is full of them. A failure ends the test.
func (h *house) fine(err error) {
	h.t.Helper()
	if err != nil && domain.Refused(err) == "" {
		h.t.Fatal(err)
	}
}

// must lets nothing pass.
func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) catchUp() {
	h.t.Helper()
	h.must(h.keeper.CatchUp(context.Background()))
}

func (h *house) office() *office {
	h.t.Helper()
	o := &office{id: h.id()}
	o.boss = ledger.Caller{Actor: h.id(), Role: domain.RoleSuperuser, Session: h.id(), Organisation: o.id}
	o.pros = []ledger.Caller{o.boss}
	h.must(h.desk.RegisterOrganisation(context.Background(), staff, organisation.Register{
		Organisation: o.id, Service: rules.AssistertSelvhjelp, Superuser: o.boss.Actor, Details: details,
		Contact: organisation.Contact{Name: "Senteret", Number: "974760673", Person: "Kari Kontakt", Email: "post@example.org", Phone: "55 00 00 00"},
	}))
	h.orgs = append(h.orgs, o)
	h.catchUp()
	return o
}

var details = organisation.Professional{
	FirstName: "Nina", LastName: "Nordmann", Workplace: "Rask", Position: "psykolog", Phone: "55 00 00 00", Email: "nina@example.org",
}

func (h *house) professional(o *office) ledger.Caller {
	h.t.Helper()
	p := ledger.Caller{Actor: h.id(), Role: domain.RoleProfessional, Session: h.id(), Organisation: o.id}
	h.must(h.desk.AddProfessional(context.Background(), o.boss, organisation.AddProfessional{Professional: p.Actor, Details: details}))
	o.pros = append(o.pros, p)
	return p
}

func (h *house) resident(o *office) *resident {
	h.t.Helper()
	r, err := h.desk.RegisterClient(context.Background(), o.boss)
	h.must(err)
	p := &resident{
		office: o, id: r.Client, handle: r.Handle, code: r.Code, label: r.Code.Label(),
		by: ledger.Caller{Actor: r.Client, Role: domain.RoleClient, Session: h.id()},
	}
	h.people = append(h.people, p)
	h.catchUp()
	return p
}

// Canaries are what must stand nowhere in clear.
const (
	canaryAnswer  = "canary-answer-of-the-client"
	canaryNote    = "canary-note-of-the-office"
	canaryBrowser = "canary-browser"
)

func (h *house) client(p *resident, c client.Command) {
	_, err := h.desk.Clients.Do(context.Background(), p.id, p.by, c)
	h.fine(err)
}

func (h *house) journal(p *resident, c journal.Command) {
	_, err := h.desk.Register(context.Background(), p.by, c)
	h.fine(err)
}

// acts are what happens in a life. Most may be refused.
var acts = []struct {
	name string
	do   func(*house, *rapid.T, *resident, ledger.Caller)
}{
	{"log in", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		_, err := h.desk.LogIn(context.Background(), p.code, journal.LogIn{Channel: journal.App, Browser: canaryBrowser, System: "S"})
		h.fine(err)
	}},
	{"yes", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		h.client(p, client.Grant{Occasion: client.Settings})
	}},
	{"yes again", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		h.client(p, client.Grant{Occasion: client.Settings})
	}},
	{"no", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) { h.client(p, client.Decline{}) }},
	{"withdraw", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) { h.client(p, client.Withdraw{}) }},
	{"still followed up", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		h.client(p, client.AnswerFollowUp{Yes: rapid.Bool().Draw(t, "yes")})
	}},
	{"restrict", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) { h.client(p, client.Restrict{}) }},
	{"lift", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) { h.client(p, client.LiftRestriction{}) }},
	{"new code", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		next, err := h.desk.NewCode()
		h.must(err)
		if err := h.desk.RotateCode(context.Background(), p.by, p.code, next); err == nil {
			p.code = next
		} else {
			h.fine(err)
		}
	}},
	{"form", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		h.journal(p, journal.Assess{
			Instrument: journal.PHQ9, Items: rapid.SliceOfN(rapid.IntRange(0, 3), 9, 9).Draw(t, "items"), Difficulty: -1, Entered: journal.ByClient,
		})
	}},
	{"answer", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		h.journal(p, journal.Answer{Task: "t", Text: canaryAnswer, Entered: journal.ByClient})
	}},
	{"content", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		name := fmt.Sprint("module-", rapid.IntRange(1, 3).Draw(t, "module"))
		if rapid.Bool().Draw(t, "finish") {
			h.journal(p, journal.Finish{Content: name})
		} else {
			h.journal(p, journal.Open{Content: name})
		}
		h.journal(p, journal.SpendTime{Content: name, Seconds: 60, Clicks: 3})
	}},
	{"rate", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		h.journal(p, journal.Rate{Content: "module-1", Stars: 4, Comment: canaryAnswer})
	}},
	{"correction", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		p.asked = append(p.asked, h.id())
		h.journal(p, journal.AskCorrection{Request: p.asked[len(p.asked)-1], Sender: h.id(), Text: canaryAnswer})
	}},
	{"corrected", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		if len(p.asked) > 0 {
			h.fine(h.desk.MakeCorrection(context.Background(), staff, p.id, journal.MakeCorrection{Request: p.asked[0], Text: canaryAnswer}))
		}
	}},
	{"on behalf", func(h *house, _ *rapid.T, p *resident, by ledger.Caller) {
		_, err := h.desk.RegisterFor(context.Background(), by, p.handle, journal.OnBehalf, journal.Answer{Task: "t", Text: canaryAnswer})
		h.fine(err)
	}},
	{"send", func(h *house, _ *rapid.T, p *resident, by ledger.Caller) {
		h.fine(h.desk.Send(context.Background(), by, p.handle, journal.Send{Content: "module-1"}))
	}},
	{"note", func(h *house, _ *rapid.T, p *resident, by ledger.Caller) {
		h.fine(h.desk.WriteNote(context.Background(), by, p.handle, journal.WriteNote{Note: h.id(), Text: canaryNote}))
	}},
	{"look", func(h *house, _ *rapid.T, p *resident, by ledger.Caller) {
		_, err := h.desk.Door.LookUp(context.Background(), by, p.handle, client.Appointment, views.AllKinds)
		h.fine(err)
	}},
	{"overview", func(h *house, _ *rapid.T, _ *resident, by ledger.Caller) {
		_, err := h.desk.Door.Overview(context.Background(), by, views.AllKinds)
		h.fine(err)
	}},
	{"own page", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		_, err := h.desk.Door.Own(context.Background(), p.by, client.SelfService)
		h.fine(err)
	}},
	{"query", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		_, err := h.desk.Query(context.Background(), staff, oversight.Queried{Query: "state", About: p.id.String(), Basis: "audit", Reason: "r"})
		h.fine(err)
	}},
	{"suggest", func(h *house, _ *rapid.T, _ *resident, _ ledger.Caller) {
		h.fine(h.desk.Suggest(context.Background(), domain.Text{}, journal.Feedback{Form: "f", Text: canaryAnswer}))
	}},
	{"tick", func(h *house, _ *rapid.T, _ *resident, _ ledger.Caller) {
		_, _, err := h.desk.Tick(context.Background())
		h.fine(err)
	}},
	{"days pass", func(h *house, t *rapid.T, _ *resident, _ ledger.Caller) {
		h.now = h.now.Add(time.Duration(rapid.IntRange(1, 24*200).Draw(t, "hours")) * time.Hour)
	}},
	{"clock steps back", func(h *house, t *rapid.T, _ *resident, _ ledger.Caller) {
		h.now = h.now.Add(-time.Duration(rapid.IntRange(1, 48).Draw(t, "hours")) * time.Hour)
	}},
	{"somebody leaves", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		o := p.office
		_, err := h.desk.Organisations.Do(context.Background(), o.id, o.boss, organisation.Deactivate{Professional: o.pros[len(o.pros)-1].Actor})
		h.fine(err)
	}},
	{"somebody comes back", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		o := p.office
		_, err := h.desk.Organisations.Do(context.Background(), o.id, o.boss, organisation.Reactivate{Professional: o.pros[len(o.pros)-1].Actor})
		h.fine(err)
	}},
	{"somebody new", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		if len(p.office.pros) < 4 {
			h.professional(p.office)
		}
	}},
	{"somebody is forgotten", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		o := p.office
		h.fine(h.desk.EraseProfessional(context.Background(), o.boss, o.pros[len(o.pros)-1].Actor))
	}},
	{"a time agreed", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		o := p.office
		_, err := h.desk.Organisations.Do(context.Background(), o.id, o.boss, organisation.AgreeRetention{Months: 1, Reason: "r"})
		h.fine(err)
	}},
	{"an account", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		o := p.office
		_, err := h.desk.Invite(context.Background(), o.boss, o.pros[len(o.pros)-1].Actor)
		h.fine(err)
	}},
	{"ask about a look-up", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		_, err := h.desk.AskAboutLookUp(context.Background(), p.by, rapid.Uint64Range(1, 9).Draw(t, "version"))
		h.fine(err)
	}},
	{"review", func(h *house, t *rapid.T, p *resident, by ledger.Caller) {
		by.Role = domain.RoleSuperuser
		v := rapid.Uint64Range(1, 9).Draw(t, "version")
		_, err := h.desk.ReviewLookUp(context.Background(), by, p.id, v, client.AskedByClient, client.InOrder)
		h.fine(err)
	}},
	{"erase", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		_, err := h.desk.Erase(context.Background(), p.by)
		h.fine(err)
	}},
	{"begin to erase", func(h *house, t *rapid.T, p *resident, _ ledger.Caller) {
		_, err := h.desk.Act(context.Background(), p.by, client.Erase{})
		h.fine(err)
		if err == nil && rapid.Bool().Draw(t, "the key too") {
			h.must(h.ledger.Keys.Destroy(context.Background(), keyring.Owner{Kind: keyring.Client, ID: p.id}))
		}
	}},
	{"finish erasures", func(h *house, _ *rapid.T, _ *resident, _ ledger.Caller) {
		h.must(h.desk.FinishErasures(context.Background()))
	}},
	{"a new client", func(h *house, _ *rapid.T, p *resident, _ ledger.Caller) {
		if len(h.people) < 6 {
			h.resident(p.office)
		}
	}},
}

// live makes up a history. The keeper is kept up after each act, as a running program's is.
func live(t *rapid.T, keeper ...func(*ledger.Ledger) *views.Keeper) *house {
	h := newHouse(t, keeper...)
	for range 2 {
		o := h.office()
		h.professional(o)
		h.resident(o)
	}
	for range rapid.IntRange(0, 40).Draw(t, "acts") {
		p := rapid.SampledFrom(h.people).Draw(t, "client")
		by := rapid.SampledFrom(rapid.SampledFrom(h.orgs).Draw(t, "office").pros).Draw(t, "professional")
		n := rapid.IntRange(0, len(acts)-1).Draw(t, "act")
		acts[n].do(h, t, p, by)
		h.catchUp()
	}
	return h
}

// keysGone tells whether anybody's key was destroyed.
func (h *house) keysGone() bool {
	var owners []keyring.Owner
	for _, p := range h.people {
		owners = append(owners, keyring.Owner{Kind: keyring.Client, ID: p.id})
	}
	for _, o := range h.orgs {
		for _, pro := range o.pros {
			owners = append(owners, keyring.Owner{Kind: keyring.Staff, ID: pro.Actor})
		}
	}
	return slices.ContainsFunc(owners, func(o keyring.Owner) bool {
		_, err := h.ledger.Keys.Sealer(context.Background(), o)
		return errors.Is(err, keyring.ErrDestroyed)
	})
}

// facts reads the whole ledger, sealed events opened.
func (h *house) facts() []*projections.Fact {
	head, err := h.ledger.Store.Head(context.Background())
	h.must(err)
	var facts []*projections.Fact
	h.must(h.ledger.Upto(context.Background(), head, true, func(f *eventschema.Fact) error {
		own := *f
		facts = append(facts, &own)
		return nil
	}))
	return facts
}

// over makes a keeper over the same ledger behind another store.
func (h *house) over(s ledger.Store) *views.Keeper {
	return views.NewKeeper(&ledger.Ledger{Store: s, Keys: h.ledger.Keys, Clock: h.ledger.Clock, Random: h.ledger.Random}, rules.All)
}

// same reports where two keepers differ.
func (h *house) same(what string, a, b *views.Keeper) {
	h.t.Helper()
	diffs, err := views.Differ(context.Background(), a, b)
	if err != nil || len(diffs) > 0 {
		h.t.Errorf("%s: %v differ, %v", what, diffs, err)
	}
	if a.Cursor() != b.Cursor() {
		h.t.Errorf("%s: at position %d and %d", what, a.Cursor(), b.Cursor())
	}
}

// A twice store delivers every record twice and, behind the next one, a third time; and first some that were delivered
// before.
type twice struct {
	ledger.Store
	back uint64
}

func (s twice) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		var before eventschema.Record
		for r, err := range s.Store.After(ctx, p-min(p, s.back)) {
			for range 2 {
				if !yield(r, err) || err != nil {
					return
				}
			}
			if before.Position > 0 && !yield(before, nil) {
				return
			}
			before = r
		}
	}
}

// An ending store ends at a position.
type ending struct {
	ledger.Store
	head ledger.Position
}

func (s *ending) Head(context.Context) (ledger.Position, error) { return s.head, nil }

var errBroken = errors.New("the disk does not answer")

// A broken store yields records up to a position, and then an error.
type broken struct {
	ledger.Store
	last ledger.Position
}

func (s broken) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range s.Store.After(ctx, p) {
			if r.Position > s.last {
				yield(eventschema.Record{}, errBroken)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (h *house) books() rules.Books { return rules.All }
