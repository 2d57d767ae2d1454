package evidence

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A count is the fold behind a report. Streams are folded as far as they were recorded before the period's end; since instants never
// run backwards in a stream, the state before an event of the period is then the one that it was decided on.
type count struct {
	ask      Ask
	tree     tree
	position uint64
	latest   time.Time // of all instants
	name     string

	figures map[string]*Figure
	parts   map[string]map[string]*Part

	org      organisation.State
	standing map[domain.ID]uint64    // the position of the event that somebody's role is from
	left     map[domain.ID]time.Time // when somebody last lost one
	agreed   uint64                  // the position of the last agreement about how long logs are kept
	people   map[domain.ID]person    // with an account: the organisation's, and the service's own
	clients  map[domain.ID]subject
	attempts map[domain.ID]bool // refused attempts that concern the organisation, by stream: whether by its own people
	readers  map[domain.ID]projections.Reader

	erasures    map[domain.ID]erasure // of the period, not swept yet
	corrections map[domain.ID]correction
	accesses    map[domain.ID]access

	reviews projections.View[projections.Reader]
}

// A person is somebody with an account. The position is that of the account's first event.
type person struct {
	staff.State
	position uint64
}

// A subject is a client of the organisation, with the position of the registration.
type subject struct {
	client.State
	position uint64
}

// An erasure is when a client asked for it, and the position of that.
type erasure struct {
	began    time.Time
	position uint64
}

// A correction is one that was asked for in the period and has not been made.
type correction struct {
	asked, due domain.Date
	position   uint64
}

// An access is an exceptional one, with the position of its opening.
type access struct {
	oversight.Access
	position uint64
}

func newCount(ask Ask) *count {
	c := &count{
		ask: ask, figures: map[string]*Figure{}, parts: map[string]map[string]*Part{},
		standing: map[domain.ID]uint64{}, left: map[domain.ID]time.Time{}, people: map[domain.ID]person{}, clients: map[domain.ID]subject{},
		attempts: map[domain.ID]bool{}, readers: map[domain.ID]projections.Reader{},
		erasures: map[domain.ID]erasure{}, corrections: map[domain.ID]correction{}, accesses: map[domain.ID]access{},
		reviews: projections.All(ask.Rules).Reviews,
	}
	for _, d := range definitions {
		f := d.Figure
		f.Scope, f.Unit = cmp.Or(f.Scope, Organisation), cmp.Or(f.Unit, Number)
		c.figures[f.ID], c.parts[f.ID] = &f, map[string]*Part{}
	}
	c.figures["superusers"].Value = math.MaxInt64 // until one was counted
	return c
}

// opened are the events of a journal that are opened to be dated. Answers, forms and notes stay closed.
var opened = map[string]bool{}

func init() {
	for _, body := range []any{journal.LoggedIn{}, journal.CorrectionAsked{}, journal.CorrectionMade{}, journal.ContentSent{}} {
		row, _ := eventschema.Today.RowOf(body)
		opened[row.Name] = true
	}
}

// opens tells whether a sealed event is one that the report dates or reads.
func (c *count) opens(f *eventschema.Fact) bool {
	switch f.Category {
	case eventschema.OrganisationStream:
		return f.Subject == c.ask.Organisation
	case eventschema.StaffStream:
		return c.own(f.Subject) || c.people[f.Subject].Role != ""
	case eventschema.JournalStream:
		return c.client(f.Subject) && opened[f.Name]
	}
	return false
}

// own tells whether somebody is or was on the organisation's list.
func (c *count) own(id domain.ID) bool { _, ok := c.org.Members[id]; return ok }

func (c *count) client(id domain.ID) bool { _, ok := c.clients[id]; return ok }

// add puts an event behind a figure, and behind the part that the words name.
func (c *count) add(f *eventschema.Fact, figure string, part ...string) {
	c.one(figure, f.Position, part...)
}

// one is add, of the event at a position.
func (c *count) one(figure string, position uint64, part ...string) {
	c.put(figure, 1, position)
	if len(part) == 0 {
		return
	}
	of := c.part(figure, part)
	of.Value++
	of.Events.add(position)
}

// put raises a figure by n, for the event at the position.
func (c *count) put(figure string, n int64, position uint64) {
	to := c.figures[figure]
	to.Value += n
	to.Events.add(position)
}

func (c *count) part(figure string, words []string) *Part {
	for i, w := range words {
		words[i] = cmp.Or(norwegian[w], w)
	}
	key := strings.Join(words, ", ")
	if c.parts[figure][key] == nil {
		c.parts[figure][key] = &Part{Words: key}
	}
	return c.parts[figure][key]
}

// longest raises a figure to n, if it was less, for one more event.
func (c *count) longest(f *eventschema.Fact, figure string, n int64) {
	to := c.figures[figure]
	to.Value = max(to.Value, n)
	to.Events.add(f.Position)
}

// fact counts one event. Whether it belongs to the period is asked of each figure; what ends something may stand behind it.
func (c *count) fact(f *eventschema.Fact) {
	c.position = f.Position
	if f.Act.At.After(c.latest) {
		c.latest = f.Act.At
	}
	if _, gone := f.Body.(eventschema.Redacted); gone && c.opens(f) {
		c.add(f, "sealed-gone")
	}
	before := f.Act.At.Before(c.ask.To) // so are sealed events that have no instant here
	within := before && !f.Act.At.Before(c.ask.From)
	switch f.Category {
	case eventschema.ClientStream:
		c.clientFact(f, before, within)
	case eventschema.JournalStream:
		c.journalFact(f, within)
	case eventschema.OrganisationStream:
		if f.Subject == c.ask.Organisation && before {
			c.organisationFact(f, within)
		}
	case eventschema.StaffStream:
		if before {
			c.staffFact(f, within)
		}
	case eventschema.RefusedStream:
		c.refusedFact(f, within)
	case eventschema.OversightStream:
		if q, ok := f.Body.(oversight.Queried); ok && within {
			c.add(f, "queries", string(f.Act.Role), q.Query)
			if q.Opened {
				c.add(f, "queries-open")
			}
		}
	case eventschema.AccessStream:
		c.accessFact(f, within)
	}
	if id, ok := c.reviews.Key(f); ok && before {
		if r, known := c.readers[id]; known || f.Act.Organisation == c.ask.Organisation {
			c.readers[id] = c.reviews.Apply(r, f)
		}
	}
}

func (c *count) clientFact(f *eventschema.Fact, before, within bool) {
	body, _ := f.Body.(client.Body)
	s, known := c.clients[f.Subject]
	if b, ok := body.(client.Registered); !known && (!ok || b.Organisation != c.ask.Organisation) {
		return
	}
	if !known {
		s.position = f.Position
	}
	c.erased(f, body, within)
	if !before {
		return
	}
	if within {
		c.clientAct(f, s.State, body)
	}
	s.State = client.Evolve(s.State, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	c.clients[f.Subject] = s
}

// clientAct counts an event of the period, by the client's state before it.
func (c *count) clientAct(f *eventschema.Fact, s client.State, body client.Body) {
	switch b := body.(type) {
	case client.Registered:
		c.add(f, "registered")
	case client.Granted:
		c.add(f, "grants", f.Rule)
		if b.Occasion == client.FirstQuestion {
			c.add(f, "first-answers", "yes")
		}
	case client.Declined:
		c.add(f, "first-answers", "no")
	case client.Withdrawn:
		c.add(f, "withdrawals")
	case client.FollowUpAsked:
		c.add(f, "questions")
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.AskOn.Start()) {
			c.add(f, "questions-astray")
		}
	case client.FollowUpConfirmed:
		c.add(f, "grants", f.Rule)
		c.add(f, "question-answers", "yes")
	case client.FollowUpEnded:
		c.add(f, "question-answers", "no")
	case client.Lapsed:
		c.add(f, "lapses")
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.LapseOn.Start()) {
			c.add(f, "lapses-astray")
		}
	case client.CodeRotated:
		c.add(f, "codes")
	case client.Restricted:
		c.add(f, "restrictions")
	case client.RestrictionLifted:
		c.add(f, "restrictions-lifted")
	case client.Deactivated:
		c.add(f, "deactivated-clients")
	case client.LookedUp:
		c.lookedUp(f, s, b)
	case client.LookUpQuestioned:
		c.add(f, "lookups-questioned")
	case client.LookUpReviewed:
		c.reviewed(f, b.Concern, b.Outcome)
	}
	if client.IsEnding(body) && f.Act.Role == domain.RoleSystem {
		c.add(f, "reapplied")
	}
}

func (c *count) lookedUp(f *eventschema.Fact, s client.State, b client.LookedUp) {
	if b.Basis == client.OwnData {
		c.add(f, "lookups-own", string(b.Purpose))
		return
	}
	c.add(f, "lookups", string(f.Act.Role), string(b.Purpose))
	now := s.At(c.ask.Rules, f.Act.At)
	if b.Basis != client.ByGrant || now.Status != client.Shared || now.Restricted || now.Deactivated || b.Grant != now.Grant ||
		f.Act.Organisation != s.Organisation {
		c.add(f, "lookups-uncovered")
		if now.Status == client.Ended {
			c.add(f, "lookups-after-withdrawal")
		}
	}
	lost, left := c.left[f.Act.Actor]
	switch {
	case c.org.Standing(f.Act.Actor) == f.Act.Role:
	case left && f.Act.At.Sub(lost) < answering:
		c.add(f, "lookups-overtaken")
	default:
		c.add(f, "lookups-without-role")
	}
	if c.people[f.Act.Actor].Declared() != nil {
		c.add(f, "lookups-undeclared")
	}
}

// answering is longer than a look-up takes from the first check of the reader's standing to its event. One that was overtaken is
// recorded, and its answer is not shown.
const answering = time.Minute

func (c *count) reviewed(f *eventschema.Fact, why client.Concern, o client.Outcome) {
	c.add(f, "reviews", string(why), string(o))
	if o == client.Deviation {
		c.add(f, "deviations")
	}
}

// erased follows an erasure of the period through its steps.
func (c *count) erased(f *eventschema.Fact, body client.Body, within bool) {
	e, ok := c.erasures[f.Subject]
	took := int64(f.Act.At.Sub(e.began) / time.Second)
	switch body.(type) {
	case client.Erased:
		if within {
			c.add(f, "erasures")
			c.erasures[f.Subject] = erasure{f.Effective, f.Position}
		}
	case client.KeyDestroyed:
		if ok {
			c.longest(f, "erasure-key", took)
		}
	case client.Swept:
		if ok {
			c.longest(f, "erasure-swept", took)
			delete(c.erasures, f.Subject)
		}
	}
}

func (c *count) journalFact(f *eventschema.Fact, within bool) {
	switch b := f.Body.(type) {
	case journal.LoggedIn:
		if within {
			c.add(f, "client-sign-ins", string(b.Channel))
		}
	case journal.ContentSent:
		if within {
			c.add(f, "sent")
		}
	case journal.CorrectionAsked:
		if within {
			c.add(f, "corrections", string(b.Through))
			c.corrections[b.Request] = correction{domain.DateOf(f.Effective), b.Due, f.Position}
		}
	case journal.CorrectionMade:
		asked, ok := c.corrections[b.Request]
		if !ok {
			return
		}
		delete(c.corrections, b.Request)
		made := domain.DateOf(f.Effective)
		days := 0
		for asked.asked.AddWorkingDays(days) < made {
			days++
		}
		c.longest(f, "correction-days", int64(days))
		if made > asked.due {
			c.add(f, "corrections-late")
		}
	}
}

func (c *count) organisationFact(f *eventschema.Fact, within bool) {
	body, _ := f.Body.(organisation.Body)
	was := c.org
	c.org = organisation.Evolve(was, organisation.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	switch b := body.(type) {
	case organisation.ContactRecorded:
		c.name = b.Contact.Name
	case organisation.RetentionAgreed:
		c.agreed = f.Position
	}
	for id := range c.org.Members {
		role := was.Standing(id)
		if c.org.Standing(id) == role {
			continue
		}
		c.standing[id] = f.Position
		if role != "" {
			c.left[id] = f.Act.At
		}
	}
	if !within {
		return
	}
	c.fewestSuperusers(f.Position, was)
	switch b := body.(type) {
	case organisation.ContactRecorded:
		c.add(f, "contacts")
	case organisation.ProfessionalAdded:
		c.add(f, "staff-changes", "added")
	case organisation.RoleChanged:
		c.add(f, "staff-changes", "role-changed")
	case organisation.ProfessionalDeactivated:
		c.add(f, "staff-changes", "left")
	case organisation.ProfessionalReactivated:
		c.add(f, "staff-changes", "returned")
	case organisation.ProfessionalErased:
		c.add(f, "staff-erased")
	case organisation.NamesHidden:
		c.add(f, "names-hidden")
	case organisation.AccessReviewed:
		c.add(f, "access-reviews", domain.DateOf(f.Effective).String())
	case organisation.RetentionAgreed:
		c.add(f, "retention-agreed", domain.DateOf(f.Effective).String()+": "+strconv.Itoa(b.Months)+" måneder")
	}
}

// fewestSuperusers notes how many there were around an event of the period. An organisation that is just being registered has none yet.
func (c *count) fewestSuperusers(position uint64, was organisation.State) {
	had, has := was.Superusers(), c.org.Superusers()
	fewest := has
	if had > 0 {
		fewest = min(had, has)
	}
	f := c.figures["superusers"]
	if fewest > 0 || had > 0 {
		f.Value = min(f.Value, int64(fewest))
	}
	if had != has {
		f.Events.add(position)
	}
}

func (c *count) staffFact(f *eventschema.Fact, within bool) {
	p, known := c.people[f.Subject]
	body, _ := f.Body.(staff.Body)
	if _, service := body.(staff.Employed); !known && !service && !c.own(f.Subject) {
		return
	}
	if !known {
		p.position = f.Position
	}
	p.State = staff.Evolve(p.State, staff.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	c.people[f.Subject] = p
	if !within {
		return
	}
	of := "" // figures of the organisation
	if p.Role != "" {
		of = "service-"
	}
	switch b := body.(type) {
	case staff.SignedIn:
		c.add(f, of+"sign-ins", string(f.Act.Role), string(b.Method))
		if b.Method != staff.PasswordOTP {
			c.add(f, of+"sign-ins-weak")
		}
	case staff.DeclarationSigned:
		c.add(f, of+"declarations", f.Act.Text.Name, f.Act.Text.Version)
	}
}

func (c *count) refusedFact(f *eventschema.Fact, within bool) {
	switch b := f.Body.(type) {
	case oversight.LookUpRefused:
		of := f.Act.Organisation == c.ask.Organisation
		if !of && !c.client(b.Client) {
			return
		}
		c.attempts[f.Subject] = of
		if !within {
			return
		}
		from := "own"
		if !of {
			from = "others"
		}
		c.add(f, "lookups-refused", from, string(f.Act.Role), string(b.Purpose), b.Reason)
	case oversight.SignInRefused:
		switch {
		case !within:
		case c.own(b.Account) || c.client(b.Account):
			c.add(f, "sign-ins-refused", string(b.As), b.Reason)
		case b.Account.IsZero() || c.people[b.Account].Role != "":
			c.add(f, "service-sign-ins-refused", string(b.As), b.Reason)
		}
	case oversight.AttemptReviewed:
		// What another organisation's superuser says of their own people is that organisation's; the safety manager's word is about ours.
		if own, ours := c.attempts[f.Subject]; within && ours && (own || f.Act.Role == domain.RoleSafetyManager) {
			c.reviewed(f, b.Concern, b.Outcome)
		}
	}
}

func (c *count) accessFact(f *eventschema.Fact, within bool) {
	body, _ := f.Body.(oversight.Body)
	a := c.accesses[f.Subject]
	a.Access = oversight.EvolveAccess(a.Access, oversight.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	switch b := body.(type) {
	case oversight.AccessOpened:
		a.position = f.Position
		if within {
			c.add(f, "accesses", string(b.Door))
		}
	case oversight.AccessUsed:
		if within {
			c.add(f, "accesses-used", b.What)
		}
	case oversight.AccessReviewed:
		if c.within(a.Opened) {
			c.add(f, "accesses-reviewed", string(b.Outcome))
		}
	}
	c.accesses[f.Subject] = a
}

func (c *count) within(t time.Time) bool { return !t.Before(c.ask.From) && t.Before(c.ask.To) }

// finish adds what stands at the period's end, and what became of what began in it.
func (c *count) finish() {
	end := c.ask.To
	if c.latest.Before(end) {
		end = c.latest
	}
	c.atEnd(end)
	years := int64(0)
	for _, a := range byPosition(c.accesses, func(a access) uint64 { return a.position }) {
		opened := a.Opened.In(domain.Oslo).Year()
		if c.within(a.Opened) && !a.OpenAt(c.latest) && a.Reviewed == "" {
			c.put("accesses-unreviewed", 1, a.position)
		}
		if a.Door != oversight.Production || opened < c.ask.From.In(domain.Oslo).Year() || opened > end.In(domain.Oslo).Year() {
			continue
		}
		c.put("accesses-year", 0, a.position)
		year := c.part("accesses-year", []string{strconv.Itoa(opened)})
		year.Value++
		year.Events.add(a.position)
		years = max(years, year.Value)
	}
	c.figures["accesses-year"].Value = years
	for _, e := range byPosition(c.erasures, func(e erasure) uint64 { return e.position }) {
		c.put("erasures-waiting", 1, e.position)
	}
	for _, k := range byPosition(c.corrections, func(k correction) uint64 { return k.position }) {
		c.put("corrections-waiting", 1, k.position)
	}
}

// atEnd counts who is active, what is agreed and what is open at an instant.
func (c *count) atEnd(end time.Time) {
	if c.agreed > 0 {
		c.put("retention", int64(c.org.Retention), c.agreed)
	}
	ids := slices.SortedFunc(maps.Keys(c.standing), func(a, b domain.ID) int {
		return cmp.Or(cmp.Compare(c.standing[a], c.standing[b]), slices.Compare(a[:], b[:]))
	})
	for _, id := range ids {
		role := c.org.Standing(id)
		if role == "" {
			continue
		}
		c.one("active", c.standing[id], string(role))
		switch p := c.people[id]; {
		case p.Credentials == 0:
			c.put("not-accepted", 1, c.standing[id])
		case p.Declared() != nil:
			c.put("declarations-missing", 1, p.position)
		}
	}
	superusers := c.figures["superusers"]
	superusers.Value = min(superusers.Value, int64(c.org.Superusers()))
	for _, p := range byPosition(c.people, func(p person) uint64 { return p.position }) {
		if p.Role != "" && !p.Ended && p.Credentials != 0 && p.Declared() != nil {
			c.put("service-declarations-missing", 1, p.position)
		}
	}
	for _, k := range byPosition(c.clients, func(k subject) uint64 { return k.position }) {
		s := k.At(c.ask.Rules, end)
		_, reading := s.PersonalData()
		c.one("clients", k.position, string(reading))
		if s.Status == client.Unanswered && !s.Deactivated {
			c.put("first-unanswered", 1, k.position)
		}
		if s.Status == client.Shared && s.Asked {
			c.put("questions-open", 1, k.position)
		}
	}
	var open []projections.Review
	for _, r := range c.readers {
		if r.Organisation == c.ask.Organisation {
			open = append(open, r.Open...)
		}
	}
	slices.SortFunc(open, func(a, b projections.Review) int { return cmp.Compare(a.Position, b.Position) })
	for _, r := range open {
		c.one("reviews-open", r.Position, string(r.Concern))
	}
	if len(open) > 0 {
		oldest := slices.MinFunc(open, func(a, b projections.Review) int { return a.At.Compare(b.At) })
		c.put("reviews-oldest", int64(end.Sub(oldest.At)/(24*time.Hour)), oldest.Position)
	}
}

// byPosition gives the values of a map in the ledger's order.
func byPosition[V any](of map[domain.ID]V, position func(V) uint64) []V {
	all := make([]V, 0, len(of))
	for _, v := range of {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b V) int { return cmp.Compare(position(a), position(b)) })
	return all
}

// clauses puts the figures where they belong.
func (c *count) clauses() []Clause {
	done := map[string]Figure{}
	for _, d := range definitions {
		f := *c.figures[d.ID]
		for _, p := range c.parts[f.ID] {
			f.Parts = append(f.Parts, *p)
		}
		slices.SortFunc(f.Parts, func(a, b Part) int { return cmp.Compare(a.Words, b.Words) })
		if d.holds != nil {
			f.Wrong = !d.holds(f.Value)
		}
		done[f.ID] = f
	}
	all := make([]Clause, len(agreement))
	for i, s := range agreement {
		all[i] = Clause{ID: s.id, Words: s.words, Figures: []Figure{}, NotKept: s.notKept}
		for _, id := range s.figures {
			all[i].Figures = append(all[i].Figures, done[id])
		}
	}
	return all
}
