package oversight_test

import (
	"strings"
	"testing"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
)

var at = Noon("2026-05-18")

func as(id domain.ID, role domain.Role) domain.Act { return domain.Act{At: at, Actor: id, Role: role} }

func event(a domain.Act, b oversight.Body) oversight.Event {
	return oversight.Event{Act: a, Effective: a.At, Rule: rules.General, Body: b}
}

// A query is answered for by somebody, an auditor or an employee, who gives a reason.
func TestQuery(t *testing.T) {
	q := oversight.Queried{Query: "who-saw", About: "all of May", Basis: "audit", Reason: "yearly audit"}
	for role, basis := range map[domain.Role]oversight.Basis{domain.RoleAuditor: oversight.Audit, domain.RoleEmployee: oversight.Operation} {
		a, own, other := as(ID(1), role), q, q
		own.Basis, other.Basis = basis, "curiosity"
		Of(t, oversight.Decider).When(a, own).Then(event(a, own)).
			When(a, own).ThenNothing() // each in a stream of its own
		Of(t, oversight.Decider).When(a, other).ThenRefused("not-allowed")
	}
	for _, a := range []domain.Act{
		as(ID(1), domain.RoleClient), as(ID(1), domain.RoleProfessional), as(ID(1), domain.RoleSuperuser), as(ID(1), domain.RoleSystem),
		as(ID(1), ""), as(domain.ID{}, domain.RoleAuditor), as(domain.ID{}, domain.RoleEmployee),
	} {
		Of(t, oversight.Decider).When(a, q).ThenRefused("not-allowed")
	}
	auditor := as(ID(1), domain.RoleAuditor)
	for _, change := range []func(*oversight.Queried){
		func(q *oversight.Queried) { q.Reason = "" },
		func(q *oversight.Queried) { q.Reason = " \n" },
		func(q *oversight.Queried) { q.Query = "" },
		func(q *oversight.Queried) { q.Reason = strings.Repeat("x", 1001) },
		func(q *oversight.Queried) { q.About = "\xff" },
	} {
		bad := q
		change(&bad)
		Of(t, oversight.Decider).When(auditor, bad).ThenRefused("bad-input")
	}
}

// A refused attempt is recorded whoever made it, once, client or no client.
func TestRefusedAttempt(t *testing.T) {
	for _, who := range []domain.ID{ClientID, {}} {
		b := oversight.LookUpRefused{
			Client: who, Handle: Handle, Purpose: client.Overview, Kinds: []client.Kind{client.Scores}, Reason: client.NotShared,
		}
		Of(t, oversight.Decider).When(AsProfessional(at), b).Then(event(AsProfessional(at), b)).
			When(AsProfessional(at), b).ThenNothing()
	}
}

// A refused sign-in is recorded, whoever it was or was not, once.
func TestRefusedSignIn(t *testing.T) {
	for _, account := range []domain.ID{ClientID, {}} {
		b := oversight.SignInRefused{As: oversight.AsStaff, Account: account, Reason: "wrong-password"}
		nobody := domain.Act{At: at}
		Of(t, oversight.Decider).When(nobody, b).Then(event(nobody, b)).When(nobody, b).ThenNothing()
	}
}

// What somebody typed as a purpose or a kind does not get into a refused attempt, which is open.
func TestRefusedLookUpInKnownWords(t *testing.T) {
	tried := AsProfessional(at)
	b := oversight.LookUpRefused{Client: ClientID, Handle: Handle, Purpose: client.Workload, Kinds: []client.Kind{client.Scores, client.Use}, Reason: client.NotShared}
	Of(t, oversight.Decider).When(tried, b).Then(event(tried, b))
	typed, known := b, b
	typed.Purpose, typed.Kinds = "Ada sleeps badly", []client.Kind{client.Scores, "her scores", ""}
	known.Purpose, known.Kinds = "", []client.Kind{client.Scores}
	Of(t, oversight.Decider).When(tried, typed).Then(event(tried, known))
}

// A question names ids and instants, which may look like anything; what a person writes beside it identifies nobody.
func TestQueryNamesNobody(t *testing.T) {
	auditor := as(ID(1), domain.RoleAuditor)
	q := oversight.Queried{
		Query: "who-saw", About: "client 12345678-0000-4000-8000-010190500006, behind position 23456789", Basis: oversight.Audit, Reason: "yearly audit",
	}
	Of(t, oversight.Decider).When(auditor, q).Then(event(auditor, q))
	for _, reason := range identifying {
		q.Reason = reason
		Of(t, oversight.Decider).When(auditor, q).ThenRefused(oversight.Identifies)
	}
}

var identifying = []string{"asked by kari@example.org", "call 912 34 567 first", "about 010190 50006"}

// A refused attempt is reviewed once, by a superuser of the organisation on whose behalf it was made, or by the safety manager; and
// never by who made it.
func TestAttemptReviewed(t *testing.T) {
	tried := AsProfessional(at)
	attempt := event(tried, oversight.LookUpRefused{Client: ClientID, Handle: Handle, Purpose: client.Effect, Reason: client.NotRegistered})
	b := oversight.AttemptReviewed{By: Professional, Concern: client.WasRefused, Outcome: client.Mistake}
	s := Of(t, oversight.Decider).Given(attempt)
	for _, a := range []domain.Act{AsSuperuser(at), as(ID(0x51), domain.RoleSafetyManager)} {
		done := s.When(a, b).Then(event(a, b))
		done.When(a, b).ThenRefused(oversight.WasDone)
		done.When(tried, attempt.Body).ThenNothing() // the attempt once more
	}
	elsewhere := AsSuperuser(at)
	elsewhere.Organisation = ID(2)
	for _, a := range []domain.Act{
		tried, elsewhere, AsClient(at), AsSystem(at), AsEmployee(at), as(ID(0x51), domain.RoleAuditor), as(ID(0x51), domain.RoleSuperuser),
	} {
		s.When(a, b).ThenRefused(oversight.NotYours)
	}
	own := AsSuperuser(at)
	own.Actor = Professional
	s.When(own, b).ThenRefused(client.OwnLookUp)
	for _, change := range []func(*oversight.AttemptReviewed){
		func(b *oversight.AttemptReviewed) { b.Concern = "" },
		func(b *oversight.AttemptReviewed) { b.Concern = "a friend of hers" },
		func(b *oversight.AttemptReviewed) { b.Outcome = "" },
		func(b *oversight.AttemptReviewed) { b.Outcome = "fine" },
	} {
		bad := b
		change(&bad)
		s.When(AsSuperuser(at), bad).ThenRefused(oversight.BadInput)
	}
	other := b
	other.By = Superuser
	s.When(AsSuperuser(at), other).ThenRefused(oversight.NoAttempt)
	for _, past := range [][]oversight.Event{
		nil, {event(as(ID(1), domain.RoleAuditor), oversight.Queried{Query: "who-saw", Reason: "r", Basis: oversight.Audit})},
		{event(domain.Act{At: at}, oversight.SignInRefused{As: oversight.AsStaff, Account: Professional, Reason: "wrong-password"})},
	} {
		Of(t, oversight.Decider).Given(past...).When(AsSuperuser(at), b).ThenRefused(oversight.NoAttempt)
	}
}
