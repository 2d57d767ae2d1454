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
	dealings map[domain.ID]projections.Dealing

	erasures    map[domain.ID]erasure // of the period, not swept yet
	corrections map[domain.ID]correction
	accesses    map[domain.ID]access

	views projections.Views
}

func newCount(ask Ask) *count {
	c := &count{
		ask: ask, figures: map[string]*Figure{}, parts: map[string]map[string]*Part{},
		standing: map[domain.ID]uint64{}, left: map[domain.ID]time.Time{}, people: map[domain.ID]person{}, clients: map[domain.ID]subject{},
		attempts: map[domain.ID]bool{}, readers: map[domain.ID]projections.Reader{}, dealings: map[domain.ID]projections.Dealing{},
		erasures: map[domain.ID]erasure{}, corrections: map[domain.ID]correction{}, accesses: map[domain.ID]access{},
		views: projections.All(ask.Rules),
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
	if before {
		fold(c.readers, c.views.Reviews, f, f.Act.Organisation == c.ask.Organisation)
		fold(c.dealings, c.views.Dealings, f, f.Act.Organisation == c.ask.Organisation)
	}
}

// fold folds an event into a view's document, if there is one or the event may begin one.
func fold[V any](docs map[domain.ID]V, v projections.View[V], f *eventschema.Fact, begins bool) {
	id, ok := v.Key(f)
	if doc, known := docs[id]; ok && (known || begins) {
		docs[id] = v.Apply(doc, f)
	}
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
	for _, d := range c.dealings {
		if d.Organisation == c.ask.Organisation {
			open = append(open, d.Open...)
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
