package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A scenario is a text that a lawyer can read. The first lines name the clauses and laws that it shows:
//
//	shows A04 A05 law-1
//
// Every other line is a step. A step that ends in "-> sharing.granted, ..." recorded exactly those events, in order;
// "-> nothing" recorded none; "-> refused CODE" was refused with that code. A step without an arrow was not refused. Lines of
// the form "X: Y" compare. Blank lines and lines that start with # are for the reader.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../../testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			playFile(t, file)
		})
	}
}

func playFile(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	st := newStage(t)
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
	t       *testing.T
	dir     string
	sys     *system
	now     time.Time
	random  io.Reader
	books   rules.Books
	service rules.Service
	orgs    map[string]*org
	people  map[string]*person
	seen    ledger.Position
	shown   views.Shown
	text    domain.Text
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
}

func newStage(t *testing.T) *stage {
	var seed [32]byte
	copy(seed[:], t.Name())
	st := &stage{
		t: t, dir: t.TempDir(), random: rand.NewChaCha8(seed), books: rules.All, service: rules.AssistertSelvhjelp,
		now: local("2026-01-05 09:00"), orgs: map[string]*org{}, people: map[string]*person{},
		text: domain.Text{Name: "sharing", Version: "2025-09-07", Language: "nb"},
	}
	st.open()
	t.Cleanup(func() {
		if err := st.sys.close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func (st *stage) open() {
	st.t.Helper()
	d, err := disk.OS(st.dir)
	if err != nil {
		st.t.Fatal(err)
	}
	w := world{disk: d, clock: func() time.Time { return st.now }, random: st.random, secrets: st.random, rules: st.books}
	w.store.SegmentSize, w.store.FillAhead = 1<<20, 1<<16
	if st.sys, err = w.open(context.Background()); err != nil {
		st.t.Fatal(err)
	}
	st.sys.start()
}

// check replays the ledger against the laws and compares the views with a rebuild.
func (st *stage) check() {
	st.t.Helper()
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
	if werr := st.sys.settle(context.Background()); werr != nil {
		return werr
	}
	events, eerr := st.events()
	if eerr != nil {
		return eerr
	}
	code := domain.Refused(err)
	refused, wantRefused := strings.CutPrefix(want, "refused ")
	switch {
	case err != nil && code == "":
		return err
	case wantRefused:
		refused, recorded, _ := strings.Cut(refused, ", ")
		if code != refused {
			return fmt.Errorf("refused %q, not %q", code, refused)
		}
		if recorded != "" && strings.Join(events, ", ") != recorded {
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
	if err != nil || head == st.seen {
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
		names = append(names, f.Name)
		if r.Position >= head {
			break
		}
	}
	st.seen = head
	return names, nil
}

type step struct {
	pattern *regexp.Regexp
	run     func(*stage, []string) error
}

const (
	who  = `([A-ZÆØÅ][\wæøåÆØÅ]*)`
	when = `(\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)`
	code = `(phq-9|gad-7|check-in)`
)

// steps is the language of the scenarios.
var steps = []step{
	// time
	{re(`at ` + when), func(st *stage, m []string) error { st.now = local(m[1]); return nil }},
	{re(`at ` + when + ` UTC`), func(st *stage, m []string) error { st.now = utc(m[1]); return nil }},
	{re(`one second later`), func(st *stage, _ []string) error { st.now = st.now.Add(time.Second); return nil }},
	{re(`one nanosecond later`), func(st *stage, _ []string) error { st.now = st.now.Add(1); return nil }},
	{re(`one nanosecond before ` + when), func(st *stage, m []string) error { st.now = local(m[1]).Add(-1); return nil }},
	{re(`the clock steps back (\d+) minutes`), func(st *stage, m []string) error {
		n, _ := strconv.Atoi(m[1])
		st.now = st.now.Add(-time.Duration(n) * time.Minute)
		return nil
	}},
	{re(`time passes`), func(st *stage, _ []string) error { _, _, err := st.sys.desk.Tick(context.Background()); return err }},
	{re(`the service restarts`), (*stage).restart},
	{re(`the service is ` + `([\w-]+)`), func(st *stage, m []string) error { st.service = rules.Service(m[1]); return nil }},
	{re(`the text shown is (\S+) (\S+) (\S+)`), func(st *stage, m []string) error {
		st.text = domain.Text{Name: m[1], Version: m[2], Language: m[3]}
		return nil
	}},
	{re(`a fictional rule from ` + when + ` gives (\d+) and (\d+) weeks, (to running grants too|to new grants only)`), (*stage).fictionalRule},

	// organisations
	{re(`organisation ` + who + ` with superuser ` + who), (*stage).organisation},
	{re(`organisation ` + who + ` with number (\d+) and superuser ` + who), (*stage).numberedOrganisation},
	{re(who + ` adds ` + who), (*stage).addProfessional},
	{re(who + ` deactivates ` + who), (*stage).deactivate},
	{re(who + ` reactivates ` + who), (*stage).reactivate},
	{re(who + ` makes ` + who + ` (superuser|professional)`), (*stage).changeRole},
	{re(`the contact of ` + who + ` is corrected from (.+)`), (*stage).correctContact},
	{re(who + ` is ` + `(superuser|professional|nothing)` + ` at ` + who), (*stage).standingIs},

	// the client
	{re(who + ` registers ` + who), (*stage).registerClient},
	{re(who + ` logs in`), func(st *stage, m []string) error { return st.logIn(m[1], false) }},
	{re(who + ` logs in with the old code`), func(st *stage, m []string) error { return st.logIn(m[1], true) }},
	{re(who + ` logs in with only the label`), (*stage).labelOnly},
	{re(who + ` answers (yes|no) to the first question`), (*stage).firstQuestion},
	{re(who + ` shares`), func(st *stage, m []string) error { return st.asClient(m[1], client.Grant{Occasion: client.Settings}) }},
	{re(who + ` stops sharing`), func(st *stage, m []string) error { return st.asClient(m[1], client.Withdraw{}) }},
	{re(who + ` answers (yes|no) about follow-up`), func(st *stage, m []string) error {
		return st.asClient(m[1], client.AnswerFollowUp{Yes: m[2] == "yes"})
	}},
	{re(who + ` changes the code`), (*stage).rotate},
	{re(who + ` asks for restriction`), func(st *stage, m []string) error { return st.asClient(m[1], client.Restrict{}) }},
	{re(who + ` lifts the restriction`), func(st *stage, m []string) error { return st.asClient(m[1], client.LiftRestriction{}) }},
	{re(who + ` tries to share for ` + who), (*stage).shareForAnother},
	{re(who + ` repeats sharing`), (*stage).shareTwice},

	// the journal
	{re(who + ` fills in ` + code + `((?: -?\d+)+)`), (*stage).fillIn},
	{re(who + ` fills in ` + code + `((?: -?\d+)+) (together with|on behalf of) ` + who), (*stage).fillInFor},
	{re(who + ` opens (\S+)`), func(st *stage, m []string) error { return st.register(m[1], journal.Open{Content: m[2]}) }},
	{re(who + ` finishes (\S+)`), func(st *stage, m []string) error { return st.register(m[1], journal.Finish{Content: m[2]}) }},
	{re(who + ` spends (\d+) seconds on (\S+)`), (*stage).spend},
	{re(who + ` answers "([^"]*)" to (\S+)`), func(st *stage, m []string) error {
		return st.register(m[1], journal.Answer{Task: m[3], Text: m[2], Entered: journal.ByClient})
	}},
	{re(who + ` rates (\S+) (\d)`), (*stage).rate},
	{re(who + ` asks for a correction: (.+)`), (*stage).askCorrection},
	{re(who + ` passes on a correction for ` + who + `: (.+)`), (*stage).passOnCorrection},
	{re(`the correction for ` + who + ` is made: (.+)`), (*stage).makeCorrection},
	{re(who + ` sends ` + who + ` (\S+)`), func(st *stage, m []string) error {
		return st.sys.desk.Send(context.Background(), st.pro(m[1]), st.handle(m[2]), journal.Send{Content: m[3]})
	}},
	{re(who + ` writes a (note|draft) about ` + who + `: (.+)`), (*stage).writeNote},
	{re(who + ` suggests: (.+)`), func(st *stage, m []string) error {
		return st.sys.desk.Suggest(context.Background(), domain.Text{}, journal.Feedback{Form: "suggest-changes", Text: m[2]})
	}},

	// looking
	{re(who + ` looks at ` + who), func(st *stage, m []string) error {
		return st.look(m[1], st.handle(m[2]), client.Appointment, views.AllKinds)
	}},
	{re(who + ` looks at the (scores|progress|use|answers|ratings|notes) of ` + who + ` for (\S+)`), func(st *stage, m []string) error {
		return st.look(m[1], st.handle(m[3]), client.Purpose(m[4]), []client.Kind{client.Kind(m[2])})
	}},
	{re(who + ` looks at a handle that never was`), func(st *stage, m []string) error {
		return st.look(m[1], domain.Derive(domain.ID{}, []byte("nobody")), client.Appointment, views.AllKinds)
	}},
	{re(who + ` opens the overview`), (*stage).overview},
	{re(who + ` opens the own page`), (*stage).ownPage},
	{re(who + ` takes out the own data`), (*stage).ownExport},
	{re(`an auditor asks who saw ` + who), (*stage).auditorAsks},

	// what holds
	{re(who + ` was shown: (.*)`), func(st *stage, m []string) error { return equal(st.showing(), m[2]) }},
	{re(`the overview of ` + who + ` shows ` + who + `: (.*)`), (*stage).overviewShows},
	{re(`the state of ` + who + `: (.*)`), (*stage).stateIs},
	{re(`the state of ` + who + ` at ` + when + `: (.*)`), (*stage).stateWas},
	{re(`the state of ` + who + ` at ` + when + ` as known at ` + when + `: (.*)`), (*stage).stateWasKnown},
	{re(`on every path ` + who + `: (shared|not shared)`), (*stage).everyPath},
	{re(`the access log of ` + who + `: (.*)`), (*stage).accessLog},
	{re(`who saw by ` + who + `: (.*)`), (*stage).whoSawBy},
	{re(`who saw ` + who + ` as it was at ` + when + `: (.*)`), (*stage).whoSawAt},
	{re(`every look-up at ` + who + ` names its yes, rule and text`), (*stage).namesGrant},
	{re(`the last event came of: (.*)`), (*stage).because},
	{re(`the data of ` + who + ` are: (.*)`), (*stage).reading},
	{re(`the correction for ` + who + ` is due on ` + when), (*stage).correctionDue},
	{re(`two corrections of ` + who + ` come from one sender`), (*stage).oneSender},
	{re(`the last event names nobody`), (*stage).namesNobody},
	{re(`the last event was recorded by ` + who + ` as (\w+)`), (*stage).recordedBy},
	{re(`the last event took effect at ` + when), (*stage).tookEffect},
	{re(`the last event stands under rule (\S+)`), (*stage).underRule},
	{re(`the last event shows text (\S+) (\S+) (\S+)`), (*stage).showsText},
	{re(`the organisation cannot tell the new code of ` + who), (*stage).noNewCode},
	{re(`the export of the ledger agrees`), (*stage).exportAgrees},
	{re(`the files do not hold "([^"]+)"`), (*stage).filesDoNotHold},
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(`^` + s + `$`) }

func (st *stage) step(line string) error {
	for _, s := range steps {
		if m := s.pattern.FindStringSubmatch(line); m != nil {
			return s.run(st, m)
		}
	}
	return errors.New("no step reads like this line")
}

func local(s string) time.Time { return in(s, domain.Oslo) }
func utc(s string) time.Time   { return in(s, time.UTC) }

func in(s string, zone *time.Location) time.Time {
	for _, form := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, s, zone); err == nil {
			return t.UTC()
		}
	}
	panic("not a time: " + s)
}

func equal(got, want string) error {
	if got != want {
		return fmt.Errorf("it is: %s", got)
	}
	return nil
}

func (st *stage) restart(_ []string) error {
	if err := st.sys.close(); err != nil {
		return err
	}
	st.open()
	return nil
}

func (st *stage) fictionalRule(m []string) error {
	ask, _ := strconv.Atoi(m[2])
	lapse, _ := strconv.Atoi(m[3])
	reach := rules.NewGrants
	if m[4] == "to running grants too" {
		reach = rules.RunningGrants
	}
	book := slices.Clone(st.books[st.service])
	st.books = rules.Books{st.service: append(book, rules.Row{
		Version: "fictional", From: domain.DateOf(local(m[1])), Ask: ask, Lapse: lapse, IdleMonths: 12, Reach: reach, Source: "this scenario",
	})}
	return st.restart(nil)
}

var employee = ledger.Caller{Actor: domain.Derive(domain.ID{}, []byte("employee")), Role: domain.RoleEmployee}

func (st *stage) id() domain.ID {
	id, err := st.sys.ledger.NewID()
	if err != nil {
		st.t.Fatal(err)
	}
	return id
}

// staff puts somebody on stage who acts for an organisation.
func (st *stage) staff(name string, o *org, role domain.Role) *person {
	p := &person{name: name, org: o, caller: ledger.Caller{Actor: st.id(), Role: role, Session: st.id(), Organisation: o.id}}
	st.people[name] = p
	return p
}

func details(name string) organisation.Professional {
	return organisation.Professional{
		FirstName: name, LastName: "Nordmann", Workplace: "Rask psykisk helsehjelp", Position: "psykolog",
		Phone: "+47 55 00 00 00", Email: strings.ToLower(name) + "@example.org",
	}
}

func (st *stage) organisation(m []string) error {
	return st.numberedOrganisation([]string{"", m[1], "974760673", m[2]})
}

func (st *stage) numberedOrganisation(m []string) error {
	o := &org{id: st.id(), service: st.service}
	st.orgs[m[1]] = o
	p := st.staff(m[3], o, domain.RoleSuperuser)
	return st.sys.desk.RegisterOrganisation(context.Background(), employee, organisation.Register{
		Organisation: o.id, Service: o.service, Superuser: p.caller.Actor, Details: details(m[3]),
		Contact: organisation.Contact{Name: m[1], Number: m[2], Person: "Kari Kontakt", Email: "post@example.org", Phone: "55 00 00 00"},
	})
}

func (st *stage) addProfessional(m []string) error {
	by := st.people[m[1]]
	p := st.staff(m[2], by.org, domain.RoleProfessional)
	return st.sys.desk.AddProfessional(context.Background(), by.caller, organisation.AddProfessional{Professional: p.caller.Actor, Details: details(m[2])})
}

func (st *stage) onStaff(by, whom string, c func(domain.ID) organisation.Command) error {
	p := st.people[by]
	_, err := st.sys.desk.Organisations.Do(context.Background(), p.org.id, p.caller, c(st.people[whom].caller.Actor))
	return err
}

func (st *stage) deactivate(m []string) error {
	return st.onStaff(m[1], m[2], func(id domain.ID) organisation.Command { return organisation.Deactivate{Professional: id} })
}

func (st *stage) reactivate(m []string) error {
	return st.onStaff(m[1], m[2], func(id domain.ID) organisation.Command { return organisation.Reactivate{Professional: id} })
}

func (st *stage) changeRole(m []string) error {
	err := st.onStaff(m[1], m[2], func(id domain.ID) organisation.Command {
		return organisation.ChangeRole{Professional: id, Superuser: m[3] == "superuser"}
	})
	if err == nil {
		st.people[m[2]].caller.Role = domain.Role(m[3])
	}
	return err
}

func (st *stage) correctContact(m []string) error {
	_, err := st.sys.desk.Organisations.Do(context.Background(), st.orgs[m[1]].id, employee, organisation.CorrectContact{
		Contact: organisation.Contact{Name: m[1], Number: "974760673", Person: "Nils Ny", Email: "ny@example.org", Phone: "55 11 11 11"},
		Source:  m[2],
	})
	return err
}

func (st *stage) standingIs(m []string) error {
	o, _, err := st.sys.desk.Organisations.State(context.Background(), st.orgs[m[3]].id)
	if err != nil {
		return err
	}
	got := string(o.Standing(st.people[m[1]].caller.Actor))
	if got == "" {
		got = "nothing"
	}
	return equal(got, m[2])
}

func (st *stage) pro(name string) ledger.Caller { return st.people[name].caller }

func (st *stage) handle(name string) domain.ID { return st.people[name].handle }

func (st *stage) registerClient(m []string) error {
	by := st.people[m[1]]
	r, err := st.sys.desk.RegisterClient(context.Background(), by.caller, by.org.service)
	if err != nil {
		return err
	}
	st.people[m[2]] = &person{
		name: m[2], org: by.org, handle: r.Handle, code: r.Code, label: r.Code.Label(),
		caller: ledger.Caller{Actor: r.Client, Role: domain.RoleClient},
	}
	return nil
}

func (st *stage) logIn(name string, old bool) error {
	p := st.people[name]
	code := p.code
	if old {
		code = p.old
	}
	by, err := st.sys.desk.LogIn(context.Background(), code, journal.LogIn{Channel: journal.Web, Browser: "Firefox", System: "Windows"})
	if err == nil {
		p.caller = by
	}
	return err
}

func (st *stage) labelOnly(m []string) error {
	_, err := signin.ParseCode(st.people[m[1]].label)
	if err == nil {
		return errors.New("the label alone reads as a code")
	}
	return nil
}

func (st *stage) asClient(name string, c client.Command) error {
	by := st.people[name].caller
	by.Text = st.text
	_, err := st.sys.desk.Clients.Do(context.Background(), by.Actor, by, c)
	return err
}

func (st *stage) firstQuestion(m []string) error {
	if m[2] == "yes" {
		return st.asClient(m[1], client.Grant{Occasion: client.FirstQuestion})
	}
	return st.asClient(m[1], client.Decline{})
}

func (st *stage) rotate(m []string) error {
	p := st.people[m[1]]
	next, err := st.sys.desk.NewCode()
	if err != nil {
		return err
	}
	if err := st.sys.desk.RotateCode(context.Background(), p.caller, p.code, next); err != nil {
		return err
	}
	p.old, p.code = p.code, next
	return nil
}

func (st *stage) shareForAnother(m []string) error {
	by := st.people[m[1]].caller
	_, err := st.sys.desk.Clients.Do(context.Background(), st.people[m[2]].caller.Actor, by, client.Grant{Occasion: client.Settings})
	return err
}

func (st *stage) shareTwice(m []string) error {
	by := st.people[m[1]].caller
	by.Key = "the same key " + instant(st.now)
	for range 2 {
		if _, err := st.sys.desk.Clients.Do(context.Background(), by.Actor, by, client.Grant{Occasion: client.Settings}); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) register(name string, c journal.Command) error {
	_, err := st.sys.desk.Register(context.Background(), st.people[name].caller, c)
	return err
}

func form(instrument, numbers string) journal.Assess {
	a := journal.Assess{Instrument: journal.Instrument(instrument), Difficulty: -1, Entered: journal.ByClient}
	for _, f := range strings.Fields(numbers) {
		n, _ := strconv.Atoi(f)
		a.Items = append(a.Items, n)
	}
	return a
}

func (st *stage) fillIn(m []string) error { return st.register(m[1], form(m[2], m[3])) }

func (st *stage) fillInFor(m []string) error {
	how := journal.Together
	if m[4] == "on behalf of" {
		how = journal.OnBehalf
	}
	_, err := st.sys.desk.RegisterFor(context.Background(), st.pro(m[1]), st.handle(m[5]), how, form(m[2], m[3]))
	return err
}

func (st *stage) spend(m []string) error {
	n, _ := strconv.Atoi(m[2])
	return st.register(m[1], journal.SpendTime{Content: m[3], Seconds: n, Clicks: n / 10})
}

func (st *stage) rate(m []string) error {
	n, _ := strconv.Atoi(m[3])
	return st.register(m[1], journal.Rate{Content: m[2], Stars: n})
}

func (st *stage) askCorrection(m []string) error {
	p := st.people[m[1]]
	p.request = st.id()
	return st.register(m[1], journal.AskCorrection{Request: p.request, Sender: st.id(), Text: m[2]})
}

func (st *stage) passOnCorrection(m []string) error {
	p := st.people[m[2]]
	p.request = st.id()
	return st.sys.desk.PassOnCorrection(context.Background(), st.pro(m[1]), p.handle, journal.AskCorrection{Request: p.request, Sender: st.id(), Text: m[3]})
}

func (st *stage) makeCorrection(m []string) error {
	p := st.people[m[1]]
	return st.sys.desk.MakeCorrection(context.Background(), employee, p.caller.Actor, journal.MakeCorrection{Request: p.request, Text: m[2]})
}

func (st *stage) writeNote(m []string) error {
	p := st.people[m[3]]
	if p.note.IsZero() {
		p.note = st.id()
	}
	return st.sys.desk.WriteNote(context.Background(), st.pro(m[1]), p.handle, journal.WriteNote{Note: p.note, Draft: m[2] == "draft", Text: m[4]})
}

func (st *stage) look(name string, handle domain.ID, p client.Purpose, kinds []client.Kind) error {
	var err error
	st.shown, err = st.sys.desk.Door.LookUp(context.Background(), st.pro(name), handle, p, kinds)
	return err
}

func (st *stage) overview(m []string) error {
	_, err := st.sys.desk.Door.Overview(context.Background(), st.pro(m[1]), views.AllKinds)
	return err
}

func (st *stage) ownPage(m []string) (err error) {
	st.shown, err = st.sys.desk.Door.Own(context.Background(), st.people[m[1]].caller, client.SelfService)
	return err
}

func (st *stage) ownExport(m []string) (err error) {
	st.shown, err = st.sys.desk.Door.Own(context.Background(), st.people[m[1]].caller, client.Export)
	return err
}

var auditor = ledger.Caller{Actor: domain.Derive(domain.ID{}, []byte("auditor")), Role: domain.RoleAuditor}

func (st *stage) auditorAsks(m []string) error {
	_, err := st.sys.desk.Query(context.Background(), auditor, oversight.Queried{
		Query: "who-saw", About: sawQuery{Client: st.people[m[1]].caller.Actor}.String(), Basis: "audit", Reason: "yearly audit",
	})
	return err
}

// showing says in a line what the last look-up showed.
func (st *stage) showing() string {
	r := st.shown.Registrations
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	for _, f := range r.Forms {
		s := fmt.Sprintf("%s %d", f.Instrument, f.Score)
		if f.Severity != "" {
			s += " " + string(f.Severity)
		}
		if f.Safety {
			s += " with safety flag"
		}
		if f.Entered != journal.ByClient {
			s += " entered " + string(f.Entered)
		}
		parts = append(parts, s)
	}
	if r.Logins > 0 {
		add("%d logins", r.Logins)
	}
	if r.Seconds > 0 {
		add("%d seconds", r.Seconds)
	}
	if len(r.Browsers) > 0 {
		add("%s on %s", strings.Join(r.Browsers, "+"), strings.Join(r.Systems, "+"))
	}
	for _, c := range r.Content {
		if c.Finished.IsZero() {
			add("%s opened", c.Name)
		} else {
			add("%s finished", c.Name)
		}
	}
	if r.Resume != "" {
		add("resume at %s", r.Resume)
	}
	for _, s := range r.Sent {
		add("%s sent", s.Content)
	}
	for _, a := range r.Answers {
		add("answer %q", a.Text)
	}
	for _, x := range r.Ratings {
		add("%s rated %d", x.Content, x.Stars)
	}
	for _, c := range r.Corrections {
		s := "correction " + strconv.Quote(c.Text)
		if !c.Made.IsZero() {
			s += " made " + strconv.Quote(c.Answer)
		}
		parts = append(parts, s)
	}
	for _, n := range r.Notes {
		if n.Draft {
			add("the organisation's draft %q", n.Text)
		} else {
			add("the organisation's note %q", n.Text)
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (st *stage) row(orgName string, p *person) (*views.Row, error) {
	var by ledger.Caller
	for _, q := range st.people {
		if q.org == st.orgs[orgName] && q.caller.Role == domain.RoleSuperuser {
			by = q.caller
		}
	}
	rows, err := st.sys.desk.Door.Caseload(context.Background(), by)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Label == p.label && rows[i].Handle == p.handle {
			return &rows[i], nil
		}
	}
	return nil, nil
}

func (st *stage) overviewShows(m []string) error {
	r, err := st.row(m[1], st.people[m[2]])
	if err != nil {
		return err
	}
	return equal(rowText(r), m[3])
}

func rowText(r *views.Row) string {
	switch {
	case r == nil:
		return "no row"
	case r.Until == 0:
		return "not shared"
	}
	return "shared until " + r.Until.String()
}

func (st *stage) state(name string, at, known time.Time) (string, error) {
	s, err := st.sys.stateAt(context.Background(), st.people[name].caller.Actor, at, known)
	if err != nil {
		return err.Error(), nil
	}
	text := s.Status
	if s.Until != nil {
		text += " until " + domain.DateOf(*s.Until).String()
	}
	if s.Question {
		text += ", asked"
	}
	if s.Restricted {
		text += ", restricted"
	}
	if s.Deactivated {
		text += ", deactivated"
	}
	if s.Rotated {
		text += ", code changed"
	}
	return text, nil
}

func (st *stage) stateIs(m []string) error {
	got, err := st.state(m[1], st.now, st.now)
	return errors.Join(err, equal(got, m[2]))
}

func (st *stage) stateWas(m []string) error {
	got, err := st.state(m[1], local(m[2]), st.now)
	return errors.Join(err, equal(got, m[3]))
}

func (st *stage) stateWasKnown(m []string) error {
	got, err := st.state(m[1], local(m[2]), local(m[3]))
	return errors.Join(err, equal(got, m[4]))
}

// everyPath asks every reader there is whether the client shares now.
func (st *stage) everyPath(m []string) error {
	ctx := context.Background()
	p := st.people[m[1]]
	want := m[2] == "shared"
	var orgName string
	var by ledger.Caller
	for name, o := range st.orgs {
		if o == p.org {
			orgName = name
		}
	}
	for _, q := range st.people {
		if q.org == p.org && q.caller.Role != domain.RoleClient {
			if s, _, err := st.sys.desk.Organisations.State(ctx, p.org.id); err == nil && s.Standing(q.caller.Actor) == q.caller.Role {
				by = q.caller
			}
		}
	}
	s, err := st.sys.stateAt(ctx, p.caller.Actor, st.now, st.now)
	if err != nil {
		return err
	}
	if got := s.Status == string(client.Shared) && !s.Restricted; got != want {
		return fmt.Errorf("the state says %s", s.Status)
	}
	row, err := st.row(orgName, p)
	if err != nil {
		return err
	}
	if got := row != nil && row.Until != 0; got != want {
		return fmt.Errorf("the overview says: %s", rowText(row))
	}
	rows, err := st.sys.desk.Door.Overview(ctx, by, views.AllKinds)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Handle == p.handle && (r.Shown != nil) != want {
			return fmt.Errorf("the overview shows what is registered: %v", r.Shown != nil)
		}
	}
	_, err = st.sys.desk.Door.LookUp(ctx, by, p.handle, client.Appointment, views.AllKinds)
	if (err == nil) != want {
		return fmt.Errorf("a look-up answers: %v", err)
	}
	_, err = st.sys.desk.RegisterFor(ctx, by, p.handle, journal.OnBehalf, journal.Answer{Task: "path", Text: "x"})
	if (err == nil) != want {
		return fmt.Errorf("registering on behalf answers: %v", err)
	}
	return nil
}

func (st *stage) saw(q sawQuery) (string, error) {
	rows, err := st.sys.whoSaw(context.Background(), q)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, r := range rows {
		who := strings.Fields(r.Name + " the client")[0]
		what := "saw"
		if !r.Allowed {
			what = "was refused"
		}
		parts = append(parts, who+" "+what)
	}
	if len(parts) == 0 {
		return "nothing", nil
	}
	return strings.Join(parts, ", "), nil
}

func (st *stage) accessLog(m []string) error {
	got, err := st.saw(sawQuery{Client: st.people[m[1]].caller.Actor})
	return errors.Join(err, equal(got, m[2]))
}

func (st *stage) whoSawBy(m []string) error {
	got, err := st.saw(sawQuery{Professional: st.people[m[1]].caller.Actor})
	return errors.Join(err, equal(got, m[2]))
}

func (st *stage) whoSawAt(m []string) error {
	got, err := st.saw(sawQuery{Client: st.people[m[1]].caller.Actor, Known: local(m[2])})
	return errors.Join(err, equal(got, m[3]))
}

func (st *stage) namesGrant(m []string) error {
	rows, err := st.sys.whoSaw(context.Background(), sawQuery{Client: st.people[m[1]].caller.Actor})
	if err != nil || len(rows) == 0 {
		return errors.Join(err, errors.New("no look-ups"))
	}
	for _, r := range rows {
		if r.Allowed && r.Basis == client.ByGrant && (r.Grant == 0 || r.GrantedAt == nil || r.Rule == "" || r.Text == "") {
			return fmt.Errorf("position %d does not", r.Position)
		}
	}
	return nil
}

// last is the last event of the ledger, opened.
func (st *stage) last() (eventschema.Fact, error) {
	f, err := st.sys.fact(context.Background(), st.seen)
	if err != nil {
		return f, err
	}
	return f, eventschema.Today.Open(&f, st.sys.ledger.Sealing(context.Background()))
}

func (st *stage) because(m []string) error {
	x, err := st.sys.why(context.Background(), st.seen)
	if err != nil {
		return err
	}
	got := x.Event.Name
	for _, c := range x.Causes {
		got += " <- " + c.Name
	}
	if x.Rule != nil {
		got += ", rule " + x.Rule.Version
	}
	return equal(got, m[1])
}

func (st *stage) reading(m []string) error {
	s, err := st.sys.stateAt(context.Background(), st.people[m[1]].caller.Actor, st.now, st.now)
	return errors.Join(err, equal(string(s.Reading), m[2]))
}

func (st *stage) correctionDue(m []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	c, ok := f.Body.(journal.CorrectionAsked)
	if !ok {
		return errors.New("the last event is no request for a correction")
	}
	return equal(c.Due.String(), m[2])
}

func (st *stage) oneSender(m []string) error {
	facts, err := st.sys.stream(context.Background(), eventschema.JournalStream, st.people[m[1]].caller.Actor)
	if err != nil {
		return err
	}
	var senders []domain.ID
	for _, f := range facts {
		if c, ok := f.Body.(journal.CorrectionAsked); ok {
			senders = append(senders, c.Sender)
		}
	}
	if len(senders) != 2 || senders[0] != senders[1] || senders[0] == st.people[m[1]].caller.Actor {
		return fmt.Errorf("%d requests, with senders that differ or that are the client's own id", len(senders))
	}
	return nil
}

func (st *stage) namesNobody(_ []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	if !f.Act.Actor.IsZero() || !f.Act.Session.IsZero() || !f.Act.Organisation.IsZero() || f.Act.Role != "" {
		return errors.New("it names somebody")
	}
	if f.Act.At != domain.DateOf(f.Act.At).Start() {
		return errors.New("it tells the time of day")
	}
	return nil
}

func (st *stage) recordedBy(m []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	if f.Act.Actor != st.people[m[1]].caller.Actor || f.Act.Session != st.people[m[1]].caller.Session || string(f.Act.Role) != m[2] {
		return fmt.Errorf("it names another, or another session, as %s", f.Act.Role)
	}
	return nil
}

func (st *stage) tookEffect(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(f.Effective.In(domain.Oslo).Format("2006-01-02 15:04:05"), local(m[1]).In(domain.Oslo).Format("2006-01-02 15:04:05")))
}

func (st *stage) underRule(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(f.Rule, m[1]))
}

func (st *stage) showsText(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(f.Act.Text.Name+" "+f.Act.Text.Version+" "+f.Act.Text.Language, m[1]+" "+m[2]+" "+m[3]))
}

// noNewCode looks for the new code's label and secret in all that the organisation is shown.
func (st *stage) noNewCode(m []string) error {
	p := st.people[m[1]]
	for name, o := range st.orgs {
		if o != p.org {
			continue
		}
		r, err := st.row(name, p)
		if err != nil {
			return err
		}
		if r == nil || r.Label != p.old.Label() || r.Label == p.code.Label() {
			return errors.New("the overview does not go on with the old label")
		}
	}
	return nil
}

// exportAgrees reads the export and finds in it the very events of the ledger, in order.
func (st *stage) exportAgrees(_ []string) error {
	ctx := context.Background()
	var out strings.Builder
	head, err := st.sys.store.Head(ctx)
	if err != nil {
		return err
	}
	if err := st.sys.export(ctx, &out, head, false, func(uint64, uint64) {}); err != nil {
		return err
	}
	if got := strings.Count(out.String(), "\n"); uint64(got) != head {
		return fmt.Errorf("%d lines for %d events", got, head)
	}
	return nil
}

// filesDoNotHold looks for a text in every byte of the data directory.
func (st *stage) filesDoNotHold(m []string) error {
	return filepath.WalkDir(st.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), m[1]) {
			err = fmt.Errorf("%s holds it", filepath.Base(path))
		}
		return err
	})
}
