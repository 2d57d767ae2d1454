package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A Query asks who saw what. Zero fields ask for all.
type Query struct {
	Client       domain.ID
	Professional domain.ID
	Organisation domain.ID
	From, To     time.Time // recorded from, and before
	Known        time.Time // as the ledger stood at this instant
	Questions    bool      // also questions that opened nothing, and uses of exceptional access; always of one who reads
}

// String names what is asked for, as it is recorded.
func (q Query) String() string {
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
	s := cmp.Or(strings.Join(parts, ", "), "everything")
	if q.Questions {
		s += ", with questions"
	}
	return s
}

// A Sighting is one row of the audit trail: a look-up, an attempt that was refused, or a question that opened everything; where they
// are asked for, also other questions and uses of exceptional access.
type Sighting struct {
	Position     uint64         `json:"position"`
	At           time.Time      `json:"at"`
	Allowed      bool           `json:"allowed"`
	Reason       string         `json:"reason,omitempty"` // why it was refused; why it was asked; what an access was used for
	Reader       domain.ID      `json:"reader"`
	Name         string         `json:"name,omitempty"`
	Role         domain.Role    `json:"role"`
	Session      domain.ID      `json:"session"`
	Method       string         `json:"method,omitempty"` // how that session was logged in to; nothing where there is none, or its key is gone
	Organisation string         `json:"organisation,omitempty"`
	Client       domain.ID      `json:"client"`
	Label        string         `json:"label,omitempty"`
	Purpose      client.Purpose `json:"purpose"`
	About        string         `json:"about,omitempty"` // what a question, or a use of exceptional access, was about
	Kinds        []client.Kind  `json:"kinds"`
	Journal      uint64         `json:"journalVersion"`
	Basis        client.Basis   `json:"basis,omitempty"`
	Grant        uint64         `json:"grant,omitempty"` // version of the yes in the client's stream
	GrantedAt    *time.Time     `json:"grantedAt,omitempty"`
	Rule         string         `json:"rule,omitempty"`
	Text         string         `json:"text,omitempty"` // what the client had read when saying yes: name, version, language
}

// Sightings are a page of the audit trail, in the ledger's order.
type Sightings struct {
	Rows []Sighting `json:"rows"`
	Next uint64     `json:"next"` // the next page's After; 0: there is none
	Upto uint64     `json:"upto"` // the next page's Upto
}

// allKinds is what somebody sees who opens everything.
var allKinds = []client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}

// exceptional is the purpose of a use of exceptional access, as it stands in a trail.
const exceptional client.Purpose = "exceptional-access"

// WhoSaw replays who saw what, in order, page by page.
func (a *Auditor) WhoSaw(ctx context.Context, reason string, q Query, p Page) (Sightings, error) {
	own, err := a.ask(ctx, whoSaw, q.String()+p.String(), reason)
	if err != nil {
		return Sightings{}, err
	}
	seen := Sightings{Rows: []Sighting{}, Upto: p.end(own)}
	if err := a.Reached(ctx, seen.Upto); err != nil {
		return Sightings{}, err
	}
	var offices []domain.ID // that those of the rows acted for
	seen.Next, err = p.walk(a.places(ctx, q, p.After, seen.Upto), func(f *eventschema.Fact, keep bool) (bool, error) {
		row, ok := q.row(f)
		if ok && keep {
			seen.Rows, offices = append(seen.Rows, row), append(offices, f.Act.Organisation)
		}
		return ok, nil
	})
	if err != nil {
		return Sightings{}, err
	}
	rows := make([]*Sighting, len(seen.Rows))
	for i := range rows {
		rows[i] = &seen.Rows[i]
	}
	if err := a.names(ctx).fillAll(rows, offices); err != nil {
		return Sightings{}, err
	}
	return seen, nil
}

const whoSaw = "who-saw"

// Replay replays who saw what, in order: one question on record, and its rows one by one, however many there are. They are told
// some hundreds at a time.
func (a *Auditor) Replay(ctx context.Context, reason string, q Query, each func(Sighting) error) error {
	own, err := a.ask(ctx, whoSaw, q.String(), reason)
	if err == nil {
		err = a.Reached(ctx, own-1)
	}
	if err != nil {
		return err
	}
	names := a.names(ctx)
	var rows []*Sighting
	var offices []domain.ID // that those of the rows acted for
	tell := func() error {
		if err := names.fillAll(rows, offices); err != nil {
			return err
		}
		for _, row := range rows {
			if err := each(*row); err != nil {
				return err
			}
		}
		rows, offices = rows[:0], offices[:0]
		return nil
	}
	for r, err := range a.places(ctx, q, 0, own-1) {
		if err != nil {
			return errors.Join(tell(), err) // what was read before is told
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return errors.Join(tell(), err)
		}
		row, ok := q.row(&f)
		if !ok {
			continue
		}
		if rows, offices = append(rows, &row), append(offices, f.Act.Organisation); len(rows) == filledTogether {
			if err := tell(); err != nil {
				return err
			}
		}
	}
	return tell()
}

// filledTogether is how many rows of a replay have their labels, and the yeses that they rest on, asked for together.
const filledTogether = 256

// places yields the records behind one position up to another where the query's rows may stand, found by the views. Those who act for
// an organisation without being its members are on its trail, too.
func (a *Auditor) places(ctx context.Context, q Query, after, end uint64) iter.Seq2[eventschema.Record, error] {
	var all []uint64
	var failed error
	add := func(of Trails, ids ...domain.ID) {
		trails, err := of.Among(ctx, ids)
		failed = err
		for _, t := range trails {
			for p := range t.Positions() {
				if p > after && p <= end {
					all = append(all, p)
				}
			}
		}
	}
	switch {
	case !q.Client.IsZero():
		add(a.Access, q.Client, projections.Everybody)
		slices.Sort(all)
		all = slices.Compact(all)
	case !q.Professional.IsZero():
		add(a.Audit, q.Professional)
	case !q.Organisation.IsZero():
		add(a.Organisations, q.Organisation)
	default:
		return a.stretches(ctx, after, end, q.From, q.To)
	}
	in, err := a.during(ctx, all, q.From, q.To)
	if err = errors.Join(failed, err); err != nil {
		return func(yield func(eventschema.Record, error) bool) { yield(eventschema.Record{}, err) }
	}
	return a.Records.At(ctx, in)
}

// during gives the positions that stand where trail events of a period do.
func (a *Auditor) during(ctx context.Context, positions []uint64, from, to time.Time) (in []uint64, err error) {
	if from.IsZero() && to.IsZero() {
		return positions, nil
	}
	times, _, err := a.Times.Get(ctx, projections.Everybody)
	for first, final := range times.Within(from, to) {
		i, _ := slices.BinarySearch(positions, first)
		j, _ := slices.BinarySearch(positions, final+1)
		in = append(in, positions[i:j]...)
	}
	return in, err
}

// row makes a sighting of a fact, and reports false for a fact that is none or that the query does not ask for.
func (q Query) row(f *eventschema.Fact) (Sighting, bool) {
	row := sighting(f)
	switch b := f.Body.(type) {
	case client.LookedUp:
		row.Allowed, row.Client = true, f.Subject
		row.Purpose, row.Kinds, row.Journal, row.Basis, row.Grant = b.Purpose, b.Kinds, b.Journal, b.Basis, b.Grant
	case oversight.LookUpRefused:
		refused, _ := attempt(f)
		row = refused.Sighting
	case oversight.Queried:
		if !b.Opened && !q.questions() {
			return row, false // a question shows nothing registered; asked about those who read, it is a trace all the same
		}
		row.Allowed, row.Purpose, row.About, row.Basis, row.Reason = true, client.Purpose(b.Query), b.About, client.Basis(b.Basis), b.Reason
		if b.Opened {
			row.Client, row.Kinds = q.Client, allKinds // of everybody
		}
	case oversight.AccessUsed:
		if !q.questions() {
			return row, false
		}
		row.Allowed, row.Purpose, row.About, row.Basis, row.Reason = true, exceptional, b.About, client.Basis(oversight.BasisOf(f.Act.Role)), b.What
	default:
		return row, false
	}
	ok := (q.Client.IsZero() || q.Client == row.Client) &&
		(q.Professional.IsZero() || q.Professional == row.Reader) &&
		(q.Organisation.IsZero() || q.Organisation == f.Act.Organisation) &&
		within(f, q.From, q.To) && (q.Known.IsZero() || !f.Act.At.After(q.Known))
	return row, ok
}

// questions tells whether rows that showed nothing registered are asked for.
func (q Query) questions() bool { return q.Questions || !q.Professional.IsZero() }

func sighting(f *eventschema.Fact) Sighting {
	return Sighting{Position: f.Position, At: f.Act.At, Reader: f.Act.Actor, Role: f.Act.Role, Session: f.Act.Session}
}

// within tells whether a fact was recorded from the one instant and before the other; a zero one is no bound.
func within(f *eventschema.Fact, from, to time.Time) bool {
	return !f.Act.At.Before(from) && (to.IsZero() || f.Act.At.Before(to))
}

// An Attempt is one that was refused: a look-up, or a sign-in. Of a sign-in Client or Reader is whose code or login it was, where
// it was anybody's; who tried is not known.
type Attempt struct {
	Event string       `json:"event"`        // its name in the ledger
	As    oversight.As `json:"as,omitempty"` // what somebody tried to come in as
	Sighting
}

// Attempts are a page of those that were refused, in the ledger's order.
type Attempts struct {
	Rows []Attempt `json:"rows"`
	Next uint64    `json:"next"` // the next page's After; 0: there is none
	Upto uint64    `json:"upto"` // the next page's Upto
}

// Refused lists the attempts that were refused, recorded from an instant and before another; a zero one is no bound.
func (a *Auditor) Refused(ctx context.Context, reason string, from, to time.Time, p Page) (Attempts, error) {
	own, err := a.ask(ctx, "refused", Query{From: from, To: to}.String()+p.String(), reason)
	if err != nil {
		return Attempts{}, err
	}
	tried := Attempts{Rows: []Attempt{}, Upto: p.end(own)}
	if err := a.Reached(ctx, tried.Upto); err != nil {
		return Attempts{}, err
	}
	var offices []domain.ID
	tried.Next, err = p.walk(a.stretches(ctx, p.After, tried.Upto, from, to), func(f *eventschema.Fact, keep bool) (bool, error) {
		row, ok := attempt(f)
		if ok = ok && within(f, from, to); ok && keep {
			tried.Rows, offices = append(tried.Rows, row), append(offices, f.Act.Organisation)
		}
		return ok, nil
	})
	if err != nil {
		return Attempts{}, err
	}
	rows := make([]*Sighting, len(tried.Rows))
	for i := range rows {
		rows[i] = &tried.Rows[i].Sighting
	}
	if err := a.names(ctx).fillAll(rows, offices); err != nil {
		return Attempts{}, err
	}
	return tried, nil
}

// attempt makes a row of a fact, and reports false for one that is no refused attempt.
func attempt(f *eventschema.Fact) (Attempt, bool) {
	row := Attempt{Event: f.Name, Sighting: sighting(f)}
	switch b := f.Body.(type) {
	case oversight.LookUpRefused:
		row.Client, row.Purpose, row.Kinds, row.Reason = b.Client, b.Purpose, b.Kinds, b.Reason
	case oversight.SignInRefused:
		row.As, row.Reason = b.As, b.Reason
		if b.As == oversight.AsClient {
			row.Client = b.Account
		} else {
			row.Reader = b.Account
		}
	default:
		return row, false
	}
	return row, true
}

// names knows who is behind the ids, for one answer.
type names struct {
	*Auditor
	ctx    context.Context
	orgs   map[domain.ID]*members
	labels map[domain.ID]string
	people map[domain.ID]*account
	grants map[grantKey]eventschema.Fact
}

type members struct {
	name   string
	people map[domain.ID]string
}

// An account is who somebody of the service's own staff is, and how each session of an account was logged in to.
type account struct {
	name    string
	methods map[domain.ID]staff.Method
}

type grantKey struct {
	client  domain.ID
	version uint64
}

func (a *Auditor) names(ctx context.Context) names {
	return names{a, ctx, map[domain.ID]*members{}, map[domain.ID]string{}, map[domain.ID]*account{}, map[grantKey]eventschema.Fact{}}
}

// remembered is how many labels, and how many yeses, are kept for rows to come.
const remembered = 1 << 14

// fill adds the client's label, the yes that a look-up rests on, the names of the organisation that somebody acted for and of that
// person, and how the session was logged in to.
func (n names) fill(row *Sighting, org domain.ID) error {
	row.Label = n.labels[row.Client]
	if err := n.grant(row); err != nil {
		return err
	}
	if !org.IsZero() {
		o, err := n.members(org)
		if err != nil {
			return err
		}
		row.Organisation, row.Name = o.name, o.people[row.Reader]
	}
	switch {
	case row.Role == domain.RoleClient && !row.Session.IsZero():
		row.Method = byCode
	case row.Role != domain.RoleClient && !row.Reader.IsZero():
		who, err := n.account(row.Reader)
		if err != nil {
			return err
		}
		row.Name, row.Method = cmp.Or(row.Name, who.name), string(who.methods[row.Session])
	}
	return nil
}

// fillAll fills rows of people who acted for offices. The clients' labels, and the yeses that look-ups rest on, are asked for together.
func (n names) fillAll(rows []*Sighting, offices []domain.ID) error {
	if err := errors.Join(n.fetchLabels(rows), n.fetchGrants(rows)); err != nil {
		return err
	}
	for i, row := range rows {
		if err := n.fill(row, offices[i]); err != nil {
			return err
		}
	}
	return nil
}

// byCode is how clients log in.
const byCode = "code"

func (n names) account(id domain.ID) (*account, error) {
	if who, ok := n.people[id]; ok {
		return who, nil
	}
	who := &account{methods: map[domain.ID]staff.Method{}}
	err := n.stream(n.ctx, eventschema.StaffStream.Stream(id), 1, opening{n.ctx, n.Open}, func(f *eventschema.Fact) bool {
		switch b := f.Body.(type) {
		case staff.Named:
			who.name = b.Name
		case staff.SignedIn:
			who.methods[f.Act.Session] = b.Method
		}
		return true
	})
	n.people[id] = who
	return who, err
}

// fetchLabels gets the labels of the rows' clients; nothing where a client's key is gone.
func (n names) fetchLabels(rows []*Sighting) error {
	if len(n.labels) > remembered {
		clear(n.labels)
	}
	var clients []domain.ID
	for _, row := range rows {
		if _, known := n.labels[row.Client]; !known && !row.Client.IsZero() {
			n.labels[row.Client] = ""
			clients = append(clients, row.Client)
		}
	}
	labels, err := n.Labels(n.ctx, clients)
	maps.Copy(n.labels, labels)
	return err
}

// fetchGrants gets the yeses that the rows' look-ups rest on.
func (n names) fetchGrants(rows []*Sighting) error {
	if len(n.grants) > remembered {
		clear(n.grants)
	}
	asked := map[grantKey]bool{}
	var streams []string
	var versions []uint64
	for _, row := range rows {
		key := grantKey{row.Client, row.Grant}
		if _, known := n.grants[key]; known || row.Grant == 0 || asked[key] {
			continue
		}
		asked[key] = true
		streams, versions = append(streams, eventschema.ClientStream.Stream(row.Client)), append(versions, row.Grant)
	}
	for r, err := range n.Records.Versions(n.ctx, streams, versions) {
		if err != nil {
			return err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return err
		}
		n.grants[grantKey{f.Subject, f.Version}] = f
	}
	return nil
}

func (n names) members(id domain.ID) (*members, error) {
	if o, ok := n.orgs[id]; ok {
		return o, nil
	}
	o := &members{people: map[domain.ID]string{}}
	err := n.stream(n.ctx, eventschema.OrganisationStream.Stream(id), 1, opening{n.ctx, n.Open}, func(f *eventschema.Fact) bool {
		switch b := f.Body.(type) {
		case organisation.ContactRecorded:
			o.name = b.Contact.Name
		case organisation.ProfessionalNamed:
			o.people[b.Professional] = b.Details.FirstName + " " + b.Details.LastName
		}
		return true
	})
	n.orgs[id] = o
	return o, err
}

// grant adds the yes that a look-up rests on.
func (n names) grant(row *Sighting) error {
	if row.Grant == 0 {
		return nil
	}
	g, ok := n.grants[grantKey{row.Client, row.Grant}]
	if !ok {
		return fmt.Errorf("position %d: the look-up names a yes that is not there; run samtykke verify", row.Position)
	}
	row.GrantedAt, row.Rule, row.Text = &g.Effective, g.Rule, textOf(g.Act.Text)
	return nil
}
