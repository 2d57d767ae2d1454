package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"slices"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	programme "samtykke/adapters/web/content"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// A demo is a cohort of clients and the organisations that follow them up, living day by day under a simulated clock.
// Everything they do goes through the desk and the door, one after the other.
type demo struct {
	sys     *system
	random  *mrand.Rand
	begun   time.Time // of the first day
	now     time.Time
	answers *answerFile
	clients int
	offices int // organisations; 0: those that have a name here
	weeks   int
	tells   bool // releases statistics of its last quarters

	orgs   []*demoOrg
	cohort []*demoClient
	counts map[string]int // events by name, when all is done
}

type demoOrg struct {
	id        domain.ID
	service   rules.Service
	superuser ledger.Caller
	staff     []ledger.Caller
	past      []ledger.Caller
	clients   []*demoClient
}

// A demoClient has a temper of its own; it is drawn once.
type demoClient struct {
	org       *demoOrg
	joins     int // day of the demo
	id        domain.ID
	handle    domain.ID
	label     string
	code      signin.Code
	first     string  // what the first question is answered with: yes, no, or nothing
	diligence float64 // chance of a session on a day
	patience  int     // days until the client stops using the service
	loyal     string  // what the question about follow-up is answered with
	burden    float64 // where scores start
	forms     int     // weekly forms filled in
	lastForm  int     // day
	lookups   int
	note      domain.ID
}

// course is the programme that clients go through, a part a week.
var course = courseOf(programme.Parts())

func courseOf(all []programme.Part) (ids []string) {
	for _, p := range all {
		if !p.Task {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

var shownText = domain.Text{Name: "sharing", Version: "2025-09-07", Language: "nb"}

// live plays all weeks.
func (d *demo) live(ctx context.Context, start domain.Date, progress func(done, all uint64)) error {
	d.begun = start.Start()
	if err := d.found(ctx); err != nil {
		return err
	}
	for day := range d.weeks * 7 {
		d.now = start.AddDays(day).Start()
		if err := d.day(ctx, day, (start.AddDays(day)-earliest)%7); err != nil {
			return fmt.Errorf("day %d of the demo: %w", day, err)
		}
		progress(uint64(day+1), uint64(d.weeks*7))
	}
	d.now = start.AddDays(d.weeks * 7).Start()
	if err := d.tick(ctx); err != nil {
		return err
	}
	return d.countEvents(ctx)
}

// countEvents counts what is in the ledger, by name.
func (d *demo) countEvents(ctx context.Context) error {
	head, err := d.sys.store.Head(ctx)
	if err != nil {
		return err
	}
	d.counts = map[string]int{}
	return d.sys.ledger.Upto(ctx, head, false, func(f *eventschema.Fact) error {
		d.counts[f.Name]++
		return nil
	})
}

// step moves the clock on by some seconds, at most; where there are so many clients that their day would be longer than a day, by the
// less.
func (d *demo) step(most int) {
	d.now = d.now.Add(time.Duration(1+d.random.IntN(most)) * time.Second / time.Duration(max(1, d.clients/stepwise)))
}

// stepwise is up to how many clients of a demo act one after the other.
const stepwise = 500

var organisations = []struct {
	name, number string
	service      rules.Service
	staff        int
}{
	{"Rask psykisk helsehjelp Fjordbyen", "974760673", rules.AssistertSelvhjelp, 4},
	{"Fastlegene i Lia", "923609016", rules.AssistertSelvhjelp, 3},
	{"Psykologkollektivet Nord", "987654325", rules.AssistertSelvhjelp, 3},
	{"Ungdomshelsa i Vik", "889640782", rules.Trigga, 2},
}

var (
	firstNames = []string{"Ingrid", "Lars", "Sunniva", "Aksel", "Marte", "Jonas", "Astrid", "Eirik", "Solveig", "Håkon", "Thea", "Sindre"}
	lastNames  = []string{"Haugen", "Solberg", "Lie", "Moen", "Strand", "Berg", "Dahl", "Nygård", "Eide", "Aas", "Vik", "Bakke"}
)

var operator = ledger.Caller{Actor: domain.Derive(domain.ID{}, []byte("operator of the demo")), Role: domain.RoleEmployee}

// found registers the organisations, and draws the clients who will come.
func (d *demo) found(ctx context.Context) error {
	for i := range cmp.Or(d.offices, len(organisations)) {
		o := organisations[i%len(organisations)]
		if i >= len(organisations) {
			o.name = fmt.Sprint(o.name, " ", 1+i/len(organisations))
		}
		org := &demoOrg{service: o.service}
		var err error
		if org.id, err = d.sys.ledger.NewID(); err != nil {
			return err
		}
		if org.superuser, err = d.caller(org, domain.RoleSuperuser); err != nil {
			return err
		}
		leader := d.person(o.name, "leder")
		err = d.sys.desk.RegisterOrganisation(ctx, operator, organisation.Register{
			Organisation: org.id, Service: o.service, Superuser: org.superuser.Actor, Details: leader,
			Contact: organisation.Contact{Name: o.name, Number: o.number, Person: "Kari Kontakt", Email: "post@example.org", Phone: "55 00 00 00"},
		})
		if err == nil {
			err = d.sys.enrol(ctx, org.superuser, leader.Email)
		}
		if err != nil {
			return err
		}
		d.orgs = append(d.orgs, org)
		for range o.staff {
			if err := d.hire(ctx, org); err != nil {
				return err
			}
		}
	}
	for range d.clients {
		c := &demoClient{
			org: d.orgs[d.random.IntN(len(d.orgs))], joins: d.random.IntN(max(1, d.weeks*7/2)),
			first: pick(d, "yes", "yes", "yes", "yes", "yes", "yes", "yes", "no", "", ""), loyal: pick(d, "yes", "yes", "no", "", ""),
			diligence: 0.05 + 0.25*d.random.Float64(), patience: 30 + d.random.IntN(300), burden: 4 + 16*d.random.Float64(), lastForm: -7,
		}
		if d.chance(0.1) {
			c.patience = 1 + d.random.IntN(20) // some come once or twice
		}
		if d.answers != nil {
			c.patience = max(c.patience, 12*7) // the file's people fill in every form of theirs
		}
		d.cohort = append(d.cohort, c)
	}
	slices.SortStableFunc(d.cohort, func(a, b *demoClient) int { return cmp.Compare(a.joins, b.joins) })
	return nil
}

func (d *demo) caller(o *demoOrg, r domain.Role) (ledger.Caller, error) {
	actor, err := d.sys.ledger.NewID()
	session, err2 := d.sys.ledger.NewID()
	return ledger.Caller{Actor: actor, Role: r, Session: session, Organisation: o.id}, errors.Join(err, err2)
}

func (d *demo) person(workplace, position string) organisation.Professional {
	return organisation.Professional{
		FirstName: pick(d, firstNames...), LastName: pick(d, lastNames...), Workplace: workplace, Position: position,
		Phone: fmt.Sprintf("55 00 %02d %02d", d.random.IntN(100), d.random.IntN(100)), Email: fmt.Sprintf("fagperson%d@example.org", d.random.IntN(100000)),
	}
}

func (d *demo) hire(ctx context.Context, o *demoOrg) error {
	c, err := d.caller(o, domain.RoleProfessional)
	if err != nil {
		return err
	}
	o.staff = append(o.staff, c)
	details := d.person("avdelingen", pick(d, "psykolog", "lege", "sykepleier", "rådgiver"))
	if err := d.sys.desk.AddProfessional(ctx, o.superuser, organisation.AddProfessional{Professional: c.Actor, Details: details}); err != nil {
		return err
	}
	return d.sys.enrol(ctx, c, details.Email)
}

// enrol lets somebody accept an invitation, who signs the declaration of confidentiality with it. The password is one that nobody can
// give: whoever is to sign in is invited once more.
func (s *system) enrol(ctx context.Context, by ledger.Caller, login string) error {
	code, err := s.desk.NewCode()
	if err != nil {
		return err
	}
	invite := staff.Invite{
		Account: by.Actor, Organisation: by.Organisation, Login: signin.LoginHash(s.desk.CodeKey, login),
		Code: code.InvitationHash(s.desk.CodeKey), Confirmation: code.ConfirmationHash(s.desk.CodeKey, "123456"),
	}
	if _, err := s.desk.Staff.Do(ctx, by.Actor, operator, invite); err != nil {
		return err
	}
	by.Text = demoDeclaration
	accept := staff.Accept{Code: invite.Code, Confirmation: invite.Confirmation, Password: staff.Password("none"), Step: 1}
	_, err = s.desk.Staff.Do(ctx, by.Actor, by, accept)
	return err
}

// day plays one day: time passes, clients come and use the service, professionals look.
func (d *demo) day(ctx context.Context, day int, weekday domain.Date) error {
	if err := d.tick(ctx); err != nil {
		return err
	}
	d.now = d.now.Add(8 * time.Hour)
	if weekday < 5 {
		if err := d.morning(ctx, day); err != nil {
			return err
		}
	}
	if err := d.sys.keeper.CatchUp(ctx); err != nil {
		return err
	}
	for _, c := range d.cohort {
		if c.id.IsZero() || day < c.joins || day > c.joins+c.patience {
			continue
		}
		if due := d.answers != nil && c.forms < 12 && day-c.lastForm >= 7; due || day == c.joins || d.chance(c.diligence) {
			if err := d.session(ctx, c, day); err != nil {
				return err
			}
		}
	}
	if err := d.sys.keeper.CatchUp(ctx); err != nil {
		return err
	}
	if weekday < 5 {
		for _, o := range d.orgs {
			if err := d.work(ctx, o, weekday); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demo) tick(ctx context.Context) error {
	if err := d.sys.keeper.CatchUp(ctx); err != nil {
		return err
	}
	_, _, err := d.sys.desk.Tick(ctx)
	return err
}

// morning registers the clients who come today or came on a weekend, and lets staff come and go.
func (d *demo) morning(ctx context.Context, day int) error {
	for _, c := range d.cohort {
		if c.joins > day {
			break
		}
		if !c.id.IsZero() {
			continue
		}
		c.joins = day
		d.step(60)
		r, err := d.sys.desk.RegisterClient(ctx, pick(d, c.org.staff...))
		if err != nil {
			return err
		}
		c.id, c.handle, c.code, c.label = r.Client, r.Handle, r.Code, r.Code.Label()
		c.org.clients = append(c.org.clients, c)
	}
	for _, o := range d.orgs {
		if d.chance(0.01) {
			if err := d.hire(ctx, o); err != nil {
				return err
			}
		}
		if len(o.staff) > 2 && d.chance(0.008) {
			gone := o.staff[0]
			o.staff, o.past = o.staff[1:], append(o.past, gone)
			if _, err := d.sys.desk.Organisations.Do(ctx, o.id, o.superuser, organisation.Deactivate{Professional: gone.Actor}); err != nil {
				return err
			}
		}
	}
	return nil
}

// session is one client's use of the service on a day.
func (d *demo) session(ctx context.Context, c *demoClient, day int) error {
	d.step(30)
	in, err := d.sys.desk.LogIn(ctx, c.code, journal.LogIn{
		Channel: pick(d, journal.Web, journal.App), Browser: pick(d, "Firefox", "Chrome", "Safari"), System: pick(d, "Windows", "Android", "iOS", "macOS"),
	})
	if err != nil {
		return refusedIs(err, client.WrongCode)
	}
	by := desk.CallerOf(&in)
	if err := d.consent(ctx, c, by, day); err != nil {
		return err
	}
	part := course[min(len(course)-1, (day-c.joins)/7)]
	do := []journal.Command{journal.Open{Content: part}, journal.SpendTime{Content: part, Seconds: 60 + d.random.IntN(1500), Clicks: d.random.IntN(200)}}
	if d.chance(0.5) {
		do = append(do, journal.Finish{Content: part})
	}
	if d.chance(0.3) {
		do = append(do, journal.Answer{Task: part, Text: pick(d, "Jeg sov bedre.", "Jeg gikk en tur.", "Det var en tung uke.", "Jeg ringte en venn."), Entered: journal.ByClient})
	}
	if d.chance(0.05) {
		do = append(do, journal.Rate{Content: part, Stars: 1 + d.random.IntN(5)})
	}
	do = append(do, d.forms(c, day)...)
	if d.chance(0.002) {
		request, err := d.sys.ledger.NewID()
		if err != nil {
			return err
		}
		do = append(do, journal.AskCorrection{Request: request, Sender: request, Text: "Jeg trykket feil på et spørsmål."})
	}
	for _, j := range do {
		d.step(120)
		if _, err := d.sys.desk.Register(ctx, by, j); err != nil {
			return err
		}
	}
	if d.chance(0.01) {
		if err := d.sys.desk.Suggest(ctx, domain.Text{}, journal.Feedback{Form: "evaluation", Text: pick(d, "Fint og enkelt.", "Litt lange tekster."), Stars: 1 + d.random.IntN(5)}); err != nil {
			return err
		}
	}
	if d.chance(0.004) {
		return d.rotate(ctx, c, by)
	}
	return nil
}

// consent is what the client does about sharing in a session.
func (d *demo) consent(ctx context.Context, c *demoClient, by ledger.Caller, day int) error {
	s, _, err := d.sys.desk.Clients.State(ctx, c.id)
	if err != nil {
		return err
	}
	s = s.At(d.sys.rules, d.now)
	var do client.Command
	switch {
	case s.Status == client.Unanswered && day == c.joins && c.first == "yes":
		do = client.Grant{Occasion: client.FirstQuestion}
	case s.Status == client.Unanswered && day == c.joins && c.first == "no":
		do = client.Decline{}
	case s.Asked && c.loyal != "":
		do = client.AnswerFollowUp{Yes: c.loyal == "yes"}
	case s.Status == client.Shared && d.chance(0.01):
		do = client.Withdraw{}
	case s.Status != client.Shared && s.Status != client.Refused && s.Status != client.Unanswered && d.chance(0.05):
		do = client.Grant{Occasion: client.Settings}
	case s.Status != client.Shared && d.chance(0.01):
		do = client.Grant{Occasion: client.Settings}
	case s.Restricted && d.chance(0.2):
		do = client.LiftRestriction{}
	case d.chance(0.0005):
		do = client.Restrict{}
	default:
		return nil
	}
	by.Text = shownText
	_, err = d.sys.desk.Act(ctx, by, do)
	return err
}

// forms are those the client fills in today: PHQ-9 once a week for twelve weeks, with the others now and then.
func (d *demo) forms(c *demoClient, day int) []journal.Command {
	var do []journal.Command
	for c.forms < 12 && day-c.lastForm >= 7 {
		items, difficulty := d.phq9(c)
		do = append(do, journal.Assess{Instrument: journal.PHQ9, Items: items, Difficulty: difficulty, Entered: journal.ByClient})
		c.forms++
		c.lastForm = max(c.lastForm+7, c.joins)
	}
	if d.chance(0.2) {
		do = append(do, journal.Assess{Instrument: journal.GAD7, Items: d.items(7, 3, c.burden/8), Difficulty: -1, Entered: journal.ByClient})
	}
	if d.chance(0.3) {
		do = append(do, journal.Assess{Instrument: journal.CheckIn, Items: d.items(4, 10, 9-c.burden/3), Difficulty: -1, Entered: journal.ByClient})
	}
	return do
}

// phq9 gives the client's next answers: from the file where there is one, otherwise drawn, getting better slowly.
func (d *demo) phq9(c *demoClient) ([]int, int) {
	if d.answers != nil {
		return d.answers.form(slices.Index(d.cohort, c), c.forms)
	}
	c.burden *= 0.93
	return d.items(9, 3, c.burden/9), d.near(c.burden/9, 0.5, 3)
}

func (d *demo) items(n, most int, mean float64) []int {
	items := make([]int, n)
	for i := range items {
		items[i] = d.near(mean, 0.7, most)
	}
	return items
}

func (d *demo) rotate(ctx context.Context, c *demoClient, by ledger.Caller) error {
	d.step(60)
	next, err := d.sys.desk.NewCode()
	if err != nil {
		return err
	}
	if err := d.sys.desk.RotateCode(ctx, by, c.code, next); err != nil {
		return err
	}
	c.code = next
	return nil
}

// work is one organisation's day: before appointments, now and then the whole overview, and things that are refused.
func (d *demo) work(ctx context.Context, o *demoOrg, weekday domain.Date) error {
	for _, c := range o.clients {
		if !d.chance(0.04) {
			continue
		}
		if err := d.look(ctx, c, pick(d, o.staff...), pick(d, client.Appointment, client.Appointment, client.Workload, client.Effect)); err != nil {
			return err
		}
		if err := d.follow(ctx, o, c); err != nil {
			return err
		}
	}
	if len(o.past) > 0 && len(o.clients) > 0 && d.chance(0.02) {
		if err := d.look(ctx, pick(d, o.clients...), pick(d, o.past...), client.Appointment); err != nil { // no longer let in
			return err
		}
	}
	if other := d.orgs[d.random.IntN(len(d.orgs))]; other != o && len(other.clients) > 0 && d.chance(0.02) {
		if err := d.look(ctx, pick(d, other.clients...), pick(d, o.staff...), client.Appointment); err != nil { // somebody else's client
			return err
		}
	}
	if weekday != 0 {
		return nil
	}
	d.step(600)
	_, err := d.sys.desk.Door.Overview(ctx, pick(d, o.staff...), []client.Kind{client.Scores, client.Progress, client.Use})
	return err
}

func (d *demo) look(ctx context.Context, c *demoClient, by ledger.Caller, p client.Purpose) error {
	d.step(300)
	_, err := d.sys.desk.Door.LookUp(ctx, by, c.handle, p, views.AllKinds)
	if err == nil {
		c.lookups++
		return nil
	}
	return refusedIs(err, views.NoSuchClient, views.NotShared, organisation.NotActive)
}

// follow is what a professional does after a look: content, a note, a form together with the client.
func (d *demo) follow(ctx context.Context, o *demoOrg, c *demoClient) error {
	by := pick(d, o.staff...)
	var err error
	switch {
	case d.chance(0.1):
		err = d.sys.desk.Send(ctx, by, c.handle, journal.Send{Content: pick(d, "sleep-diary", "worry-time", "activity-plan"), Task: "Les gjennom til neste time."})
	case d.chance(0.05):
		if c.note, err = d.sys.ledger.NewID(); err == nil {
			err = d.sys.desk.WriteNote(ctx, by, c.handle, journal.WriteNote{Note: c.note, Draft: d.chance(0.3), Text: "Følge opp søvn ved neste time."})
		}
	case d.chance(0.02):
		_, err = d.sys.desk.RegisterFor(ctx, by, c.handle, journal.Together, journal.Assess{Instrument: journal.GAD7, Items: d.items(7, 3, 1), Difficulty: -1})
		if err == nil {
			err = d.sys.keeper.CatchUp(ctx)
		}
	}
	return refusedIs(err, views.NoSuchClient, views.NotShared)
}

// mostSeen is the client whose audit trail has most to tell.
func (d *demo) mostSeen() *demoClient {
	var best *demoClient
	for _, c := range d.cohort {
		if !c.id.IsZero() && (best == nil || c.lookups > best.lookups) {
			best = c
		}
	}
	return best
}

// An answerFile holds weekly PHQ-9 forms by person, in the order of the file.
type answerFile struct {
	people [][]answered
}

type answered struct {
	items      []int
	difficulty int
}

// form gives the n-th form of the file's person for the client; both start again from the beginning where they end.
func (a *answerFile) form(client, n int) ([]int, int) {
	p := a.people[client%len(a.people)]
	f := p[n%len(p)]
	return f.items, f.difficulty
}

// readAnswers reads a CSV file with the columns person, week, item1 to item9, difficulty and total. An error names the
// line and what is wrong with it, and no answer.
func readAnswers(name string) (*answerFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := csv.NewReader(f)
	in.ReuseRecord = true
	head, err := in.Read()
	want := []string{"person", "week", "item1", "item2", "item3", "item4", "item5", "item6", "item7", "item8", "item9", "difficulty", "total"}
	if err != nil || !slices.Equal(head, want) {
		return nil, fmt.Errorf("the first line must name the columns %v", want)
	}
	a := &answerFile{}
	index := map[string]int{}
	for line := 2; ; line++ {
		row, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is not a line of %d columns", line, len(want))
		}
		form, err := readForm(row)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		i, ok := index[row[0]]
		if !ok {
			i = len(a.people)
			index[row[0]] = i
			a.people = append(a.people, nil)
		}
		a.people[i] = append(a.people[i], form)
	}
	if len(a.people) == 0 {
		return nil, errors.New("there are no answers in it")
	}
	return a, nil
}
