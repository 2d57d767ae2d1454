package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
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
	return cmp.Or(strings.Join(parts, ", "), "everything")
}

// A Sighting is one row of the audit trail: a look-up, an attempt that was refused, or a question that opened everything.
type Sighting struct {
	Position     uint64         `json:"position"`
	At           time.Time      `json:"at"`
	Allowed      bool           `json:"allowed"`
	Reason       string         `json:"reason,omitempty"` // why it was refused; of a question, why it was asked
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

// Sightings are a page of the audit trail, in the ledger's order.
type Sightings struct {
	Rows []Sighting `json:"rows"`
	Next uint64     `json:"next"` // the next page's After; 0: there is none
	Upto uint64     `json:"upto"` // the next page's Upto
}

// allKinds is what somebody sees who opens everything.
var allKinds = []client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}

// WhoSaw replays who saw what, in order.
func (a *Auditor) WhoSaw(ctx context.Context, reason string, q Query, p Page) (Sightings, error) {
	own, err := a.ask(ctx, "who-saw", q.String()+p.String(), reason)
	if err != nil {
		return Sightings{}, err
	}
	seen := Sightings{Rows: []Sighting{}, Upto: p.end(own)}
	if err := a.Reached(ctx, seen.Upto); err != nil {
		return Sightings{}, err
	}
	records := between(ctx, a.Records, p.After, seen.Upto)
	if positions, ok := a.positions(q, p.After, seen.Upto); ok {
		records = at(ctx, a.Records, positions)
	}
	names := a.names(ctx)
	seen.Next, err = p.walk(records, func(f *eventschema.Fact, keep bool) (bool, error) {
		row, ok := q.row(f)
		if !ok || !keep {
			return ok, nil
		}
		err := names.fill(&row, f.Act.Organisation)
		if err == nil {
			err = names.grant(&row)
		}
		seen.Rows = append(seen.Rows, row)
		return true, err
	})
	if err != nil {
		return Sightings{}, err
	}
	return seen, nil
}

// positions gives the places behind one position up to another where the query's rows may stand, from the views; false where it
// asks about everybody, or about an organisation: those who are no members try, too.
func (a *Auditor) positions(q Query, after, end uint64) ([]uint64, bool) {
	var all []uint64
	add := func(of Trails, id domain.ID) {
		t, _ := of.Get(id)
		for p := range t.Positions() {
			if p > after && p <= end {
				all = append(all, p)
			}
		}
	}
	switch {
	case !q.Client.IsZero():
		add(a.Access, q.Client)
		add(a.Access, projections.Everybody)
		slices.Sort(all)
	case !q.Professional.IsZero():
		add(a.Audit, q.Professional)
	default:
		return nil, false
	}
	return all, true
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
		if !b.Opened && q.Professional != f.Act.Actor {
			return row, false // a question shows nothing registered; asked about its author, it is a trace all the same
		}
		row.Allowed, row.Purpose, row.Basis, row.Reason = true, client.Purpose(b.Query), client.Basis(b.Basis), b.Reason
		if b.Opened {
			row.Client, row.Kinds = q.Client, allKinds // of everybody
		}
	default:
		return row, false
	}
	ok := (q.Client.IsZero() || q.Client == row.Client) &&
		(q.Professional.IsZero() || q.Professional == row.Reader) &&
		(q.Organisation.IsZero() || q.Organisation == f.Act.Organisation) &&
		within(f, q.From, q.To) && (q.Known.IsZero() || !f.Act.At.After(q.Known))
	return row, ok
}

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
	names := a.names(ctx)
	tried.Next, err = p.walk(between(ctx, a.Records, p.After, tried.Upto), func(f *eventschema.Fact, keep bool) (bool, error) {
		row, ok := attempt(f)
		if !ok || !within(f, from, to) || !keep {
			return ok && within(f, from, to), nil
		}
		err := names.fill(&row.Sighting, f.Act.Organisation)
		tried.Rows = append(tried.Rows, row)
		return true, err
	})
	if err != nil {
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
	grants map[grantKey]eventschema.Fact
}

type members struct {
	name   string
	people map[domain.ID]string
}

type grantKey struct {
	client  domain.ID
	version uint64
}

func (a *Auditor) names(ctx context.Context) names {
	return names{a, ctx, map[domain.ID]*members{}, map[domain.ID]string{}, map[grantKey]eventschema.Fact{}}
}

// fill adds the client's label, and the names of the organisation that somebody acted for and of that person.
func (n names) fill(row *Sighting, org domain.ID) (err error) {
	if !row.Client.IsZero() {
		if row.Label, err = n.label(row.Client); err != nil {
			return err
		}
	}
	if org.IsZero() {
		return nil
	}
	o, err := n.members(org)
	if err != nil {
		return err
	}
	row.Organisation, row.Name = o.name, o.people[row.Reader]
	return nil
}

// label is a client's label; nothing where its key is gone.
func (n names) label(id domain.ID) (string, error) {
	label, ok := n.labels[id]
	if ok {
		return label, nil
	}
	label, err := n.Label(n.ctx, id)
	if err != nil && !errors.Is(err, eventschema.ErrGone) {
		return "", err
	}
	n.labels[id] = label
	return label, nil
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
	key := grantKey{row.Client, row.Grant}
	g, ok := n.grants[key]
	if !ok {
		err := n.stream(n.ctx, eventschema.ClientStream.Stream(row.Client), row.Grant, nil, func(f *eventschema.Fact) bool {
			g, ok = *f, true
			return false
		})
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("position %d: the look-up names a yes that is not there; run samtykke verify", row.Position)
		}
		n.grants[key] = g
	}
	row.GrantedAt, row.Rule, row.Text = &g.Effective, g.Rule, textOf(g.Act.Text)
	return nil
}
