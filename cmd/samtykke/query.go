package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A sawQuery asks who saw what. Zero fields ask for all.
type sawQuery struct {
	Client       domain.ID
	Professional domain.ID
	Organisation domain.ID
	From, To     time.Time // recorded from, and before
	Known        time.Time // as the ledger stood at this instant
}

func (q sawQuery) String() string {
	var parts []string
	add := func(what, v string) {
		if v != "" {
			parts = append(parts, what+" "+v)
		}
	}
	add("client", q.Client.String())
	add("professional", q.Professional.String())
	add("organisation", q.Organisation.String())
	add("from", instant(q.From))
	add("to", instant(q.To))
	add("as it was at", instant(q.Known))
	return cmp.Or(strings.Join(parts, ", "), "everything")
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(domain.Oslo).Format(time.RFC3339)
}

// A sighting is one row of the audit trail: a look-up, or an attempt that was refused.
type sighting struct {
	Position     uint64         `json:"position"`
	At           time.Time      `json:"at"`
	Allowed      bool           `json:"allowed"`
	Reason       string         `json:"reason,omitempty"` // why it was refused
	Reader       domain.ID      `json:"reader"`
	Name         string         `json:"name,omitempty"`
	Role         domain.Role    `json:"role"`
	Session      domain.ID      `json:"session"`
	Organisation string         `json:"organisation,omitempty"`
	Client       domain.ID      `json:"client"`
	Label        string         `json:"label,omitempty"`
	Purpose      client.Purpose `json:"purpose"`
	Kinds        []client.Kind  `json:"kinds"`
	Journal      uint64         `json:"journalVersion"`
	Basis        client.Basis   `json:"basis,omitempty"`
	Grant        uint64         `json:"grant,omitempty"` // version of the yes in the client's stream
	GrantedAt    *time.Time     `json:"grantedAt,omitempty"`
	Rule         string         `json:"rule,omitempty"`
	Text         string         `json:"text,omitempty"` // what the client had read when saying yes: name, version, language
}

// whoSaw replays who saw what, in order.
func (s *system) whoSaw(ctx context.Context, q sawQuery) ([]sighting, error) {
	names := directory{sys: s, orgs: map[domain.ID]*orgNames{}}
	streams := map[domain.ID][]eventschema.Fact{}
	var rows []sighting
	each := func(f *eventschema.Fact) error {
		row, ok := q.row(f)
		if !ok {
			return nil
		}
		if err := names.fill(ctx, &row, f); err != nil {
			return err
		}
		if row.Grant > 0 {
			facts, ok := streams[row.Client]
			if !ok {
				var err error
				if facts, err = s.stream(ctx, eventschema.ClientStream, row.Client); err != nil {
					return err
				}
				streams[row.Client] = facts
			}
			if row.Grant > uint64(len(facts)) {
				return fmt.Errorf("position %d: the look-up names a yes that is not there; run samtykke verify", row.Position)
			}
			g := facts[row.Grant-1]
			row.GrantedAt, row.Rule = &g.Effective, g.Rule
			if t := g.Act.Text; t != (domain.Text{}) {
				row.Text = t.Name + " " + t.Version + " " + t.Language
			}
		}
		rows = append(rows, row)
		return nil
	}
	positions := s.candidates(q)
	if positions != nil && len(positions) <= 2000 {
		err := s.at(ctx, positions, each)
		return rows, err
	}
	head, err := s.store.Head(ctx)
	if err == nil {
		err = s.ledger.Upto(ctx, head, false, each)
	}
	return rows, err
}

// candidates gives the places where the query's rows may stand, from the views; nil where it asks about everybody.
func (s *system) candidates(q sawQuery) []uint64 {
	if !q.Client.IsZero() {
		t, _ := s.keeper.Access.Get(q.Client)
		everybody, _ := s.keeper.Access.Get(projections.Everybody)
		positions := slices.AppendSeq(slices.AppendSeq([]uint64{}, t.Positions()), everybody.Positions())
		slices.Sort(positions)
		return positions
	}
	if !q.Professional.IsZero() {
		t, _ := s.keeper.Audit.Get(q.Professional)
		return slices.AppendSeq([]uint64{}, t.Positions())
	}
	return nil // of an organisation, those who are no members try, too
}

// at reads the facts at the positions.
func (s *system) at(ctx context.Context, positions []uint64, each func(*eventschema.Fact) error) error {
	for _, p := range positions {
		f, err := s.fact(ctx, p)
		if err == nil {
			err = each(&f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fact reads the event at a position, closed where it is sealed.
func (s *system) fact(ctx context.Context, p uint64) (eventschema.Fact, error) {
	head, err := s.store.Head(ctx)
	if err != nil {
		return eventschema.Fact{}, err
	}
	if p < 1 || p > head {
		return eventschema.Fact{}, notFound(fmt.Sprintf("there is no event at position %d: the ledger has %d", p, head))
	}
	for r, err := range s.store.After(ctx, p-1) {
		if err != nil {
			return eventschema.Fact{}, err
		}
		return eventschema.Today.Decode(&r, nil)
	}
	return eventschema.Fact{}, ctx.Err()
}

// stream reads the facts of a stream, opened.
func (s *system) stream(ctx context.Context, c eventschema.Category, id domain.ID) ([]eventschema.Fact, error) {
	var facts []eventschema.Fact
	for r, err := range s.store.Stream(ctx, c.Stream(id), 1) {
		if err != nil {
			return nil, err
		}
		f, err := s.ledger.Decode(ctx, &r)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// row makes a sighting of a fact, and reports false for a fact that is none or that the query does not ask for.
func (q sawQuery) row(f *eventschema.Fact) (sighting, bool) {
	row := sighting{Position: f.Position, At: f.Act.At, Reader: f.Act.Actor, Role: f.Act.Role, Session: f.Act.Session}
	switch b := f.Body.(type) {
	case client.LookedUp:
		row.Allowed, row.Client = true, f.Subject
		row.Purpose, row.Kinds, row.Journal, row.Basis, row.Grant = b.Purpose, b.Kinds, b.Journal, b.Basis, b.Grant
	case oversight.LookUpRefused:
		row.Client, row.Purpose, row.Kinds, row.Reason = b.Client, b.Purpose, b.Kinds, b.Reason
	case oversight.Queried:
		if !b.Opened && q.Professional != f.Act.Actor {
			return row, false // a question shows nothing registered; asked about its author, it is a trace all the same
		}
		row.Allowed, row.Purpose, row.Basis, row.Reason = true, client.Purpose(b.Query), client.Basis(b.Basis), b.Reason
		if b.Opened {
			row.Client, row.Kinds = q.Client, views.AllKinds // of everybody
		}
	default:
		return row, false
	}
	ok := (q.Client.IsZero() || q.Client == row.Client) &&
		(q.Professional.IsZero() || q.Professional == row.Reader) &&
		(q.Organisation.IsZero() || q.Organisation == f.Act.Organisation) &&
		!f.Act.At.Before(q.From) && (q.To.IsZero() || f.Act.At.Before(q.To)) &&
		(q.Known.IsZero() || !f.Act.At.After(q.Known))
	return row, ok
}

// A directory knows who is behind the ids.
type directory struct {
	sys  *system
	orgs map[domain.ID]*orgNames
}

type orgNames struct {
	name   string
	people map[domain.ID]string
}

func (d directory) fill(ctx context.Context, row *sighting, f *eventschema.Fact) error {
	if !row.Client.IsZero() {
		label, err := d.sys.desk.Door.Label(ctx, row.Client)
		if err != nil && !errors.Is(err, eventschema.ErrGone) {
			return err
		}
		row.Label = label
	}
	if f.Act.Organisation.IsZero() {
		return nil
	}
	o, err := d.organisation(ctx, f.Act.Organisation)
	if err != nil {
		return err
	}
	row.Organisation, row.Name = o.name, o.people[row.Reader]
	return nil
}

func (d directory) organisation(ctx context.Context, id domain.ID) (*orgNames, error) {
	if o, ok := d.orgs[id]; ok {
		return o, nil
	}
	facts, err := d.sys.stream(ctx, eventschema.OrganisationStream, id)
	if err != nil {
		return nil, err
	}
	o := &orgNames{people: map[domain.ID]string{}}
	for _, f := range facts {
		switch b := f.Body.(type) {
		case organisation.ContactRecorded:
			o.name = b.Contact.Name
		case organisation.ProfessionalNamed:
			o.people[b.Professional] = b.Details.FirstName + " " + b.Details.LastName
		}
	}
	d.orgs[id] = o
	return o, nil
}

// find gives the client that a label or an id means. A label that several organisations have is told apart by id.
func (s *system) find(ctx context.Context, ref string) (domain.ID, error) {
	if id, err := domain.ParseID(ref); err == nil {
		st, _, err := s.desk.Clients.State(ctx, id)
		if err == nil && !st.Registered() {
			err = notFound("there is no client with that id")
		}
		return id, err
	}
	var found []domain.ID
	for id := range s.keeper.Caseload.Documents() {
		label, err := s.desk.Door.Label(ctx, id)
		if err != nil && !errors.Is(err, eventschema.ErrGone) {
			return domain.ID{}, err
		}
		if label != "" && strings.EqualFold(label, ref) {
			found = append(found, id)
		}
	}
	return only("client with that label", found)
}

// only gives the one that was found.
func only(what string, found []domain.ID) (domain.ID, error) {
	switch len(found) {
	case 0:
		return domain.ID{}, notFound("there is no " + what)
	case 1:
		return found[0], nil
	}
	return domain.ID{}, notFound(fmt.Sprintf("there are %d of that kind: %s; give the id instead", len(found), what))
}

// notFound says that what was asked about is not there.
type notFound string

func (e notFound) Error() string { return string(e) }

// findOrganisation gives the organisation that a name or an id means.
func (s *system) findOrganisation(ctx context.Context, ref string) (domain.ID, error) {
	return s.findNamed(ctx, "organisation with that name", ref, func(id domain.ID, o *orgNames, found func(domain.ID, string)) {
		found(id, o.name)
	})
}

// findProfessional gives the professional that a name or an id means.
func (s *system) findProfessional(ctx context.Context, ref string) (domain.ID, error) {
	return s.findNamed(ctx, "professional with that name", ref, func(_ domain.ID, o *orgNames, found func(domain.ID, string)) {
		for id, name := range o.people {
			found(id, name)
		}
	})
}

// findNamed goes through all organisations and what each has of the kind asked for.
func (s *system) findNamed(ctx context.Context, what, ref string, each func(domain.ID, *orgNames, func(domain.ID, string))) (domain.ID, error) {
	if id, err := domain.ParseID(ref); err == nil {
		return id, nil // also of somebody who is on no list
	}
	head, err := s.store.Head(ctx)
	if err != nil {
		return domain.ID{}, err
	}
	names := directory{sys: s, orgs: map[domain.ID]*orgNames{}}
	var found []domain.ID
	err = s.ledger.Upto(ctx, head, false, func(f *eventschema.Fact) error {
		if _, ok := f.Body.(organisation.Registered); !ok {
			return nil
		}
		o, err := names.organisation(ctx, f.Subject)
		if err != nil {
			return err
		}
		each(f.Subject, o, func(id domain.ID, name string) {
			if strings.EqualFold(name, ref) && !slices.Contains(found, id) {
				found = append(found, id)
			}
		})
		return nil
	})
	if err != nil {
		return domain.ID{}, err
	}
	return only(what, found)
}

// A standing is a client's state at an instant, with the reason.
type standing struct {
	Client       domain.ID      `json:"client"`
	At           time.Time      `json:"at"`
	Status       string         `json:"status"`
	Since        time.Time      `json:"since"`
	Until        *time.Time     `json:"until,omitempty"`
	AskedFrom    *time.Time     `json:"askedFrom,omitempty"`
	Question     bool           `json:"questionOpen"`
	Restricted   bool           `json:"restricted"`
	Deactivated  bool           `json:"deactivated"`
	Rotated      bool           `json:"codeRotated"`
	Service      rules.Service  `json:"service"`
	Rule         string         `json:"rule,omitempty"`
	Reason       string         `json:"reason"`
	PersonalData bool           `json:"personalData"`
	Reading      client.Reading `json:"reading"`
}

// reasons says what each status rests on.
var reasons = map[client.Status]string{
	client.Unanswered: "the client has not answered the first question",
	client.Refused:    "the client answered no to the first question",
	client.Shared:     "the client said yes, and the yes is live",
	client.Ended:      "the client withdrew under Settings",
	client.AnsweredNo: "the client answered that follow-up no longer goes on",
	client.RanOut:     "no yes came before the deadline",
	client.CutOff:     "the client was deactivated",
}

// stateAt is the client's state at an instant, as far as it was recorded by the instant known.
func (s *system) stateAt(ctx context.Context, id domain.ID, at, known time.Time) (standing, error) {
	st, err := s.desk.Door.StateAt(ctx, id, at, known)
	if err != nil {
		return standing{}, err
	}
	if !st.Registered() {
		return standing{}, notFound("the client was not registered then")
	}
	out := standing{
		Client: id, At: at, Status: cmp.Or(string(st.Status), "unanswered"), Since: st.Since, Question: st.Asked,
		Restricted: st.Restricted, Deactivated: st.Deactivated, Rotated: st.Rotated, Service: st.Service, Reason: reasons[st.Status],
	}
	if st.Status == client.Shared {
		until, ask := st.Terms.LapseOn.Start(), st.Terms.AskOn.Start()
		out.Until, out.Rule = &until, st.Terms.Rule
		if st.Terms.AskOn != 0 {
			out.AskedFrom = &ask
		}
	}
	out.PersonalData, out.Reading = st.PersonalData()
	return out, nil
}

// An explanation is an event with what led to it.
type explanation struct {
	Event  eventschema.Fact   `json:"event"`
	Causes []eventschema.Fact `json:"causes"` // earlier events that it rests on, the nearest first
	Rule   *rules.Row         `json:"rule,omitempty"`
	Words  string             `json:"explanation"`
}

// why explains the event at a position: which act and which rule led to it.
func (s *system) why(ctx context.Context, position uint64) (explanation, error) {
	f, err := s.fact(ctx, position)
	if err != nil {
		return explanation{}, err
	}
	x := explanation{Event: f, Causes: []eventschema.Fact{}, Words: because(&f)}
	if row, ok := ruleRow(s.rules, f.Rule); ok {
		x.Rule = &row
	}
	if f.Category != eventschema.ClientStream {
		return x, nil
	}
	facts, err := s.stream(ctx, f.Category, f.Subject)
	if err != nil {
		return explanation{}, err
	}
	for g := grantOf(f.Body); g > 0 && g <= uint64(len(facts)); {
		cause := facts[g-1]
		x.Causes = append(x.Causes, cause)
		g = grantOf(cause.Body)
	}
	return x, nil
}

// grantOf is the stream version of the yes that a fact rests on; 0 where it rests on none.
func grantOf(body any) uint64 {
	switch b := body.(type) {
	case client.LookedUp:
		return b.Grant
	case client.Withdrawn:
		return b.Grant
	case client.FollowUpAsked:
		return b.Grant
	case client.FollowUpConfirmed:
		return b.Grant
	case client.FollowUpEnded:
		return b.Grant
	case client.Lapsed:
		return b.Grant
	case client.TermsChanged:
		return b.Grant
	}
	return 0
}

// because says in a sentence what an event came of.
func because(f *eventschema.Fact) string {
	switch b := f.Body.(type) {
	case client.LookedUp:
		if b.Basis == client.OwnData {
			return "The client read what is stored about itself."
		}
		return "A live yes covered this look-up; it stands first among the causes."
	case client.Lapsed:
		return "Time: no yes came before the deadline that follows from the yes below and the rule."
	case client.FollowUpAsked:
		return "Time: the question became due, counted from the yes below under the rule."
	case client.Deactivated:
		return "Time: no login for longer than the rule allows."
	case client.TermsChanged:
		return "A new rule that reaches running grants."
	case oversight.LookUpRefused:
		return "Refused, because: " + b.Reason + "."
	case nil:
		return "The event is sealed; only its place and whose key it is under can be told."
	}
	if f.Act.Role == domain.RoleSystem {
		return "Time."
	}
	return "An act of a " + string(f.Act.Role) + "."
}

func ruleRow(books rules.Books, version string) (rules.Row, bool) {
	for _, b := range books {
		for _, r := range b {
			if r.Version == version {
				return r, true
			}
		}
	}
	return rules.Row{}, false
}

// ask records a query before it is answered, and gives the position of its event.
func (s *system) ask(ctx context.Context, by ledger.Caller, q oversight.Queried) (uint64, error) {
	q.Basis = oversight.BasisOf(by.Role)
	return s.desk.Query(ctx, by, q)
}
