package main

import (
	"context"
	"time"

	"samtykke/domain"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// A member is somebody at an organisation.
type member struct{ organisation, actor domain.ID }

// A loss is which role somebody last lost, and when that was recorded.
type loss struct {
	role domain.Role
	at   time.Time
}

// answering is longer than a look-up takes from the first check of the reader's standing to its event.
const answering = time.Minute

// organisation checks one event of an organisation against the state before it.
func (v *verifier) organisation(r *eventschema.Record, f *eventschema.Fact) {
	before := v.orgs[f.Subject]
	body, _ := f.Body.(organisation.Body)
	s := organisation.Evolve(before, organisation.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	system := f.Act.Role == domain.RoleSystem
	headless := func(s organisation.State) bool { return len(s.Members) > 0 && s.Superusers() == 0 }
	if s.Version > 2 && headless(s) && !headless(before) && !system {
		v.problem(r, "the organisation is left without a superuser")
	}
	switch b := body.(type) {
	case organisation.ProfessionalErased:
		v.ended[b.Professional] = erasing{erased: true, keyDestroyed: v.ended[b.Professional].keyDestroyed}
		if m, ok := before.Members[b.Professional]; !ok || m.Erased || m.Active && !system {
			v.problem(r, "somebody erased who was on the list, or not there to be erased")
		}
	case organisation.ProfessionalKeyDestroyed:
		v.ended[b.Professional] = erasing{erased: v.ended[b.Professional].erased, keyDestroyed: true}
		if m := before.Members[b.Professional]; !m.Erased || m.KeyDestroyed || !system {
			v.problem(r, "the key of somebody destroyed who was not erased, or twice, or by somebody else than the system")
		}
	}
	v.leave(f, before, s)
	v.orgs[f.Subject] = s
}

// access checks one event of an exceptional access against the state before it.
func (v *verifier) access(r *eventschema.Record, f *eventschema.Fact) {
	s := v.accesses[f.Subject]
	body, _ := f.Body.(oversight.Body)
	if _, opened := body.(oversight.AccessOpened); opened != s.By.IsZero() {
		v.problem(r, "%s of an access that was not opened, or opened twice", f.Name)
	}
	after := oversight.EvolveAccess(s, oversight.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	switch body.(type) {
	case oversight.AccessOpened:
		who := f.Act.Role == domain.RoleEmployee || f.Act.Role == domain.RoleSafetyManager && after.Door == oversight.Addresses
		if !who || after.By.IsZero() || after.Until.Sub(after.Opened) > oversight.Longest[after.Door] {
			v.problem(r, "an access opened by somebody who may not, or for longer than it may be")
		}
	case oversight.AccessUsed:
		if f.Act.Actor != s.By || !s.OpenAt(f.Act.At) {
			v.problem(r, "an access used by somebody else than who opened it, or not while it was open")
		} else if s.Door == oversight.Production {
			v.used[f.Act.Actor] = true
		}
	case oversight.AccessReviewed:
		if f.Act.Actor == s.By || f.Act.Role != domain.RoleSafetyManager || s.OpenAt(f.Act.At) || s.Reviewed != "" {
			v.problem(r, "an access reviewed by who opened it, by somebody who may not, while it was open, or twice")
		}
	}
	v.accesses[f.Subject] = after
}

// attemptReviewed checks that a review is of an attempt, by who may, and that it stands behind nothing but the attempt.
func (v *verifier) attemptReviewed(ctx context.Context, r *eventschema.Record, f *eventschema.Fact, b oversight.AttemptReviewed) {
	tried, err := v.at(ctx, r.Stream, 1)
	_, attempt := tried.Body.(oversight.LookUpRefused)
	switch {
	case err != nil:
		v.problem(r, "%v", err)
	case !attempt, f.Version != 2, b.By != tried.Act.Actor:
		v.problem(r, "a review of an attempt that there was not, or that somebody else made, or a second one")
	case f.Act.At.Before(tried.Act.At):
		v.problem(r, "%s was recorded before the event that it follows", f.Name)
	case f.Act.Actor == b.By, f.Act.Role != domain.RoleSafetyManager && !v.reviews(f, tried.Act.Organisation):
		v.problem(r, "a refused attempt reviewed by who made it, or by somebody who may not")
	}
}

// reviews tells whether a review is by a superuser of the organisation.
func (v *verifier) reviews(f *eventschema.Fact, of domain.ID) bool {
	return f.Act.Role == domain.RoleSuperuser && f.Act.Organisation == of &&
		(v.orgs[of].Standing(f.Act.Actor) == domain.RoleSuperuser || v.overtaken(f))
}

// staff checks one event of an account against the state before it.
func (v *verifier) staff(r *eventschema.Record, f *eventschema.Fact) {
	s := v.accounts[f.Subject]
	body, _ := f.Body.(staff.Body)
	in := func(step uint64) {
		switch err := s.Enters(s.Credentials, step); {
		case domain.Refused(err) == staff.NotDeclared:
			v.problem(r, "%s without a declaration of confidentiality that was signed before", f.Name)
		case err != nil, f.Act.Actor != f.Subject:
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
	case staff.DeclarationSigned:
		if f.Act.Actor != f.Subject || f.Act.Text == (domain.Text{}) || s.Ended {
			v.problem(r, "a declaration signed by somebody else, without a wording, or after the end")
		}
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
	case organisation.ProfessionalErased:
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

// released checks a release of statistics against the rules for one: a closed quarter, once, in order, of what was there then.
func (v *verifier) released(r *eventschema.Record, f *eventschema.Fact) {
	b, ok := f.Body.(statistics.Released)
	if !ok {
		v.problem(r, "an event of statistics that is no release")
		return
	}
	if _, err := statistics.Decider.Decide(f.Act, v.statistics, b); err != nil {
		v.problem(r, "a release that the rules do not allow: %v", err)
	}
	if b.Position >= r.Position && f.Act.Role != domain.RoleSystem {
		v.problem(r, "a release made of events that come after it")
	}
	v.statistics = statistics.Evolve(v.statistics, statistics.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: b})
}
