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
