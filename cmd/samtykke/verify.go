package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"samtykke/adapters/filestore"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// A verdict is what a check of the whole ledger found.
type verdict struct {
	Events   uint64    `json:"events"`
	Clients  int       `json:"clients"`
	Lookups  int       `json:"lookups"`
	Refused  int       `json:"refusedAttempts"`
	Lapses   int       `json:"lapses"`
	Unshown  int       `json:"unshown,omitempty"` // look-ups that the reader's loss of access overtook: recorded, and not shown
	Problems []problem `json:"problems"`
}

// A problem is a place where the ledger breaks a law.
type problem struct {
	Position uint64 `json:"position"`
	Stream   string `json:"stream"`
	What     string `json:"what"`
}

func (p problem) String() string {
	return fmt.Sprintf("position %d, %s: %s", p.Position, p.Stream, p.What)
}

// maxProblems is how many a verdict lists.
const maxProblems = 100

// verify reads every byte of the ledger and replays it against the laws: the store's own checks; canonical bytes and the
// ciphertexts they were recorded with; stream numbering; a live yes, of the reader's own organisation, under every
// look-up by an organisation, and an active reader; every lapse and question at its instant, and nothing between a
// deadline and its event; yes and no as the client's own acts, with the dates of the rule in force; instants that never run
// backwards; forms and answers that a professional entered under a look-up of theirs; queries with their basis; staff who came in
// by an invitation in time, by a password that held, and by each one-time code once.
func (s *system) verify(ctx context.Context, progress func(done, all uint64)) (verdict, error) {
	head, err := s.store.Head(ctx)
	if err != nil {
		return verdict{}, err
	}
	err = s.store.Verify(ctx, func(p filestore.Progress) { progress(p.Position/2, head) })
	if damage := new(filestore.DamageError); errors.As(err, &damage) {
		return verdict{Problems: []problem{{What: err.Error()}}}, nil
	}
	if err != nil || head == 0 {
		return verdict{}, err
	}
	v := newVerifier(s)
	for r, err := range s.store.After(ctx, 0) {
		if err != nil {
			return v.verdict, err
		}
		v.record(ctx, &r)
		progress(head/2+r.Position/2, head)
		if r.Position >= head {
			break
		}
	}
	v.Clients = len(v.clients)
	return v.verdict, nil
}

// A verifier replays the ledger in total order.
type verifier struct {
	verdict
	sys      *system
	versions map[string]uint64
	recorded map[string]time.Time
	clients  map[domain.ID]client.State
	journals map[domain.ID]journal.State
	orgs     map[domain.ID]organisation.State
	accounts map[domain.ID]staff.State
	admitted map[entry]int // look-ups that let a professional register, not used up
	left     map[member]loss
}

// A member is somebody at an organisation.
type member struct{ organisation, actor domain.ID }

// A loss is which role somebody last lost, and when that was recorded.
type loss struct {
	role domain.Role
	at   time.Time
}

// answering is longer than a look-up takes from the first check of the reader's standing to its event.
const answering = time.Minute

// An entry is who was let in to register for whom, and how.
type entry struct {
	client, actor domain.ID
	purpose       client.Purpose
}

func newVerifier(s *system) *verifier {
	return &verifier{
		verdict: verdict{Problems: []problem{}},
		sys:     s, versions: map[string]uint64{}, recorded: map[string]time.Time{}, clients: map[domain.ID]client.State{},
		journals: map[domain.ID]journal.State{}, orgs: map[domain.ID]organisation.State{}, accounts: map[domain.ID]staff.State{}, admitted: map[entry]int{}, left: map[member]loss{},
	}
}

func (v *verifier) problem(r *eventschema.Record, format string, args ...any) {
	if len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, problem{r.Position, r.Stream, fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) record(ctx context.Context, r *eventschema.Record) {
	v.Events++
	if r.Position != v.Events {
		v.problem(r, "the total order has a gap: expected position %d", v.Events)
	}
	v.versions[r.Stream]++
	if r.Version != v.versions[r.Stream] {
		v.problem(r, "version %d where %d was expected", r.Version, v.versions[r.Stream])
		v.versions[r.Stream] = r.Version
	}
	if err := eventschema.Today.Check(r); err != nil {
		v.problem(r, "%v", err)
		return
	}
	f, err := v.sys.ledger.Decode(ctx, r)
	if err != nil {
		v.problem(r, "%v", err)
		return
	}
	if f.Act.At.Before(v.recorded[r.Stream]) {
		v.problem(r, "%s was recorded before the event that it follows", f.Name)
	}
	if !f.Act.At.IsZero() {
		v.recorded[r.Stream] = f.Act.At
	}
	switch f.Category {
	case eventschema.ClientStream:
		v.client(r, &f)
	case eventschema.JournalStream:
		v.journal(r, &f)
	case eventschema.OrganisationStream:
		body, _ := f.Body.(organisation.Body)
		s := organisation.Evolve(v.orgs[f.Subject], organisation.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
		if s.Version > 2 && s.Superusers() == 0 && len(s.Members) > 0 {
			v.problem(r, "the organisation is left without a superuser")
		}
		v.leave(&f, v.orgs[f.Subject], s)
		v.orgs[f.Subject] = s
	case eventschema.StaffStream:
		v.staff(r, &f)
	case eventschema.RefusedStream:
		v.Refused++
	case eventschema.OversightStream:
		q, ok := f.Body.(oversight.Queried)
		if !ok || q.Basis == "" || q.Basis != oversight.BasisOf(f.Act.Role) || f.Act.Actor.IsZero() || q.Reason == "" {
			v.problem(r, "a query without somebody who answers for it, or without the basis of that role")
		}
	}
}

// staff checks one event of an account against the state before it.
func (v *verifier) staff(r *eventschema.Record, f *eventschema.Fact) {
	s := v.accounts[f.Subject]
	body, _ := f.Body.(staff.Body)
	in := func(step uint64) {
		if s.Enters(s.Credentials, step) != nil || f.Act.Actor != f.Subject {
			v.problem(r, "%s by somebody else, without a password that held, or by a one-time code that was used", f.Name)
		}
	}
	switch b := body.(type) {
	case staff.Accepted:
		if s.Opens(b.Code, s.Invitation.Confirmation, f.Act.At) != nil || f.Act.Actor != f.Subject {
			v.problem(r, "an invitation accepted by somebody else, too late, or one that there was not")
		}
	case staff.SignedIn:
		in(b.Step)
	case staff.SteppedUp:
		in(b.Step)
	default:
		if body != nil && s.Ended {
			v.problem(r, "%s after the account had ended", f.Name)
		}
	}
	v.accounts[f.Subject] = staff.Evolve(s, staff.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}

// leave notes who lost a role by an event of an organisation.
func (v *verifier) leave(f *eventschema.Fact, before, after organisation.State) {
	var id domain.ID
	switch b := f.Body.(type) {
	case organisation.ProfessionalDeactivated:
		id = b.Professional
	case organisation.RoleChanged:
		id = b.Professional
	default:
		return
	}
	if was := before.Standing(id); was != after.Standing(id) {
		v.left[member{f.Subject, id}] = loss{was, f.Act.At}
	}
}

// overtaken tells whether the reader had the role and lost it while the look-up was under way. The door reads the
// standing once more behind the event, and then shows nothing.
func (v *verifier) overtaken(f *eventschema.Fact) bool {
	l, ok := v.left[member{f.Act.Organisation, f.Act.Actor}]
	return ok && l.role == f.Act.Role && f.Act.At.Sub(l.at) < answering
}

// client checks one event of a client's stream against the state before it.
func (v *verifier) client(r *eventschema.Record, f *eventschema.Fact) {
	s := v.clients[f.Subject]
	body, _ := f.Body.(client.Body)
	if next, ok := s.NextDue(v.sys.rules); ok && !next.Effective.After(f.Act.At) {
		v.timely(r, f, next)
	}
	switch b := body.(type) {
	case client.LookedUp:
		v.Lookups++
		v.lookedUp(r, f, s, b)
	case client.Lapsed:
		v.Lapses++
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.LapseOn.Start()) {
			v.problem(r, "a lapse that is not at its instant, or of nothing that was live")
		}
	case client.FollowUpAsked:
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.AskOn.Start()) {
			v.problem(r, "a question that is not at its instant, or without a live yes")
		}
	case client.Granted, client.FollowUpConfirmed:
		v.ownAct(r, f, s)
		v.terms(r, f, s, body)
	case client.Declined, client.Withdrawn, client.FollowUpEnded, client.CodeRotated, client.Restricted, client.RestrictionLifted:
		v.ownAct(r, f, s)
	case client.Deactivated:
		if last := v.journals[f.Subject].LastLogin; !s.Deactivated && !f.Effective.Equal(s.IdleFrom(v.sys.rules, last)) {
			v.problem(r, "a deactivation that is not at its instant")
		}
	}
	v.clients[f.Subject] = client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}

// ownAct finds what only the client may do, done by somebody else.
func (v *verifier) ownAct(r *eventschema.Record, f *eventschema.Fact, s client.State) {
	if f.Act.Role != domain.RoleClient || f.Act.Actor != s.Client {
		v.problem(r, "%s that is not the client's own act", f.Name)
	}
}

// timely finds an event recorded after a deadline whose own event does not stand before it.
func (v *verifier) timely(r *eventschema.Record, f *eventschema.Fact, next client.Event) {
	if reflect.TypeOf(f.Body) != reflect.TypeOf(next.Body) || !f.Effective.Equal(next.Effective) {
		v.problem(r, "%s, while what time brought at %s is not in the stream", f.Name, next.Effective.Format(time.RFC3339))
	}
}

// terms checks the dates of a yes against the rulebook in force on its day.
func (v *verifier) terms(r *eventschema.Record, f *eventschema.Fact, s client.State, body client.Body) {
	row, ok := v.sys.rules[s.Service].InForce(domain.DateOf(f.Effective))
	t := row.Terms(domain.DateOf(f.Effective))
	ask, lapse := t.AskOn, t.LapseOn
	switch b := body.(type) {
	case client.Granted:
		ask, lapse = b.AskOn, b.LapseOn
	case client.FollowUpConfirmed:
		ask, lapse = b.AskOn, b.LapseOn
	}
	if !ok || f.Rule != t.Rule || ask != t.AskOn || lapse != t.LapseOn {
		v.problem(r, "a yes whose dates are not those of the rule in force")
	}
}

func (v *verifier) lookedUp(r *eventschema.Record, f *eventschema.Fact, s client.State, b client.LookedUp) {
	if b.Journal > v.journals[f.Subject].Version {
		v.problem(r, "a look-up that names a journal version which did not exist")
	}
	if b.Basis == client.OwnData {
		if f.Act.Role != domain.RoleClient || f.Act.Actor != s.Client {
			v.problem(r, "a reading of own data by somebody else")
		}
		return
	}
	now := s.At(v.sys.rules, f.Act.At)
	switch {
	case b.Basis != client.ByGrant:
		v.problem(r, "a look-up without a known basis")
	case now.Status != client.Shared || now.Restricted || now.Deactivated:
		v.problem(r, "a look-up without a live yes")
	case b.Grant != now.Grant:
		v.problem(r, "a look-up that names another yes than the live one")
	case f.Act.Organisation != s.Organisation:
		v.problem(r, "a look-up by another organisation than the one shared with")
	case v.orgs[f.Act.Organisation].Standing(f.Act.Actor) == f.Act.Role:
	case v.overtaken(f):
		v.Unshown++
	default:
		v.problem(r, "a look-up by somebody who had no access in that role")
	}
	if b.Purpose == client.Together || b.Purpose == client.OnBehalf {
		v.admitted[entry{f.Subject, f.Act.Actor, b.Purpose}]++
	}
}

func (v *verifier) journal(r *eventschema.Record, f *eventschema.Fact) {
	body, _ := f.Body.(journal.Body)
	how := journal.ByClient
	switch b := body.(type) {
	case journal.Assessed:
		how = b.Entered
	case journal.Answered:
		how = b.Entered
	}
	if slices.Contains([]journal.Entered{journal.Together, journal.OnBehalf}, how) {
		purpose := client.Together
		if how == journal.OnBehalf {
			purpose = client.OnBehalf
		}
		e := entry{f.Subject, f.Act.Actor, purpose}
		if v.admitted[e] == 0 {
			v.problem(r, "an entry by a professional without a look-up that let it in")
		} else {
			v.admitted[e]--
		}
	}
	if f.Act.Role == domain.RoleClient && f.Act.Actor != f.Subject {
		v.problem(r, "an entry by another client")
	}
	v.journals[f.Subject] = journal.Evolve(v.journals[f.Subject], journal.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}
