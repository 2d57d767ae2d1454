package main

import (
	"context"
	"reflect"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// An entry is who was let in to register for whom, and how.
type entry struct {
	client, actor domain.ID
	purpose       client.Purpose
}

// client checks one event of a client's stream against the state before it.
func (v *verifier) client(ctx context.Context, r *eventschema.Record, f *eventschema.Fact) {
	s := v.clients[f.Subject]
	body, _ := f.Body.(client.Body)
	reapplied := f.Act.Role == domain.RoleSystem && client.IsEnding(body)
	now := f.Act.At
	if reapplied {
		now = f.Effective
	}
	if next, ok := s.NextDue(v.rules); ok && !next.Effective.After(now) {
		v.timely(r, f, next)
	}
	v.erasure(r, f, s, body)
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
	case client.Declined, client.Withdrawn, client.FollowUpEnded, client.CodeRotated, client.Restricted, client.Erased:
		if !reapplied {
			v.ownAct(r, f, s)
		}
	case client.RestrictionLifted:
		v.ownAct(r, f, s)
	case client.LookUpQuestioned:
		v.ownAct(r, f, s)
		v.madeBy(ctx, r, f, b.LookUp, b.By)
	case client.LookUpReviewed:
		v.madeBy(ctx, r, f, b.LookUp, b.By)
		if f.Act.Actor == b.By || f.Act.Role != domain.RoleSafetyManager && !v.reviews(f, s.Organisation) {
			v.problem(r, "a look-up reviewed by who made it, or by somebody who may not")
		}
	case client.Deactivated:
		t := v.tallies[f.Subject]
		if last := v.journals[f.Subject].LastLogin; t.gone+t.closed == 0 && !s.Deactivated && !f.Effective.Equal(s.IdleFrom(v.rules, last)) {
			v.problem(r, "a deactivation that is not at its instant")
		}
	}
	v.clients[f.Subject] = client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}

// erasure finds what stands behind an erasure that does not belong there, and steps of one out of their order.
func (v *verifier) erasure(r *eventschema.Record, f *eventschema.Fact, s client.State, body client.Body) {
	inOrder := false
	switch body.(type) {
	case client.KeyDestroyed:
		inOrder = s.Erased && !s.KeyDestroyed && f.Act.Role == domain.RoleSystem
	case client.Swept:
		inOrder = s.KeyDestroyed && !s.Swept && f.Act.Role == domain.RoleSystem
	case client.LookUpReviewed:
		inOrder = true
	default:
		inOrder = !s.Erased
	}
	if !inOrder {
		v.problem(r, "%s, which belongs neither before nor behind an erasure at this place", f.Name)
	}
}

// madeBy finds a question or a review about what is no look-up by that person.
func (v *verifier) madeBy(ctx context.Context, r *eventschema.Record, f *eventschema.Fact, version uint64, who domain.ID) {
	made, err := v.at(ctx, r.Stream, version)
	b, _ := made.Body.(client.LookedUp)
	switch {
	case err != nil:
		v.problem(r, "%v", err)
	case b.Basis != client.ByGrant, made.Version != version, version >= f.Version, made.Act.Actor != who:
		v.problem(r, "%s about a look-up that there was not, or that somebody else made", f.Name)
	}
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
	row, ok := v.rules[s.Service].InForce(domain.DateOf(f.Effective))
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
	now := s.At(v.rules, f.Act.At)
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

// journal checks one entry. What was under way when the client was erased can stand behind that event, and is swept with the rest;
// once the key is gone, nothing can be entered.
func (v *verifier) journal(r *eventschema.Record, f *eventschema.Fact) {
	body, _ := f.Body.(journal.Body)
	if v.clients[f.Subject].KeyDestroyed {
		v.problem(r, "an entry about a client who is erased")
	}
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
		switch v.admitted[e] {
		case 0:
			v.problem(r, "an entry by a professional without a look-up that let it in")
		case 1:
			delete(v.admitted, e)
		default:
			v.admitted[e]--
		}
	}
	if f.Act.Role == domain.RoleClient && f.Act.Actor != f.Subject {
		v.problem(r, "an entry by another client")
	}
	v.journals[f.Subject] = journal.Evolve(v.journals[f.Subject], journal.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}
