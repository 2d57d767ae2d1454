package domaintest

import (
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/rules"
)

// Who acts in the lives that Client makes up.
var (
	ClientID     = ID(0xc1)
	Organisation = ID(0x01)
	Professional = ID(0xf1)
	Superuser    = ID(0xf2)
	Employee     = ID(0xe1)
	Handle       = ID(0x8a)
	Session      = ID(0x5e)
)

// AsClient is the client's own act at the instant.
func AsClient(at time.Time) domain.Act {
	return domain.Act{At: at, Actor: ClientID, Role: domain.RoleClient, Session: Session}
}

// AsProfessional is an act at the instant of a professional of the client's organisation.
func AsProfessional(at time.Time) domain.Act {
	return domain.Act{At: at, Actor: Professional, Role: domain.RoleProfessional, Session: Session, Organisation: Organisation}
}

// AsSuperuser is an act at the instant of a superuser of the client's organisation.
func AsSuperuser(at time.Time) domain.Act {
	return domain.Act{At: at, Actor: Superuser, Role: domain.RoleSuperuser, Session: Session, Organisation: Organisation}
}

// AsEmployee is an act at the instant of the processor's staff.
func AsEmployee(at time.Time) domain.Act {
	return domain.Act{At: at, Actor: Employee, Role: domain.RoleEmployee, Session: Session}
}

// AsSystem is time passing.
func AsSystem(at time.Time) domain.Act { return domain.Act{At: at, Role: domain.RoleSystem} }

// Code is the keyed hash of the client's n-th code.
func Code(n byte) client.CodeHash { return client.CodeHash{n, 0xc0, 0xde} }

// Registration is the command that lives begin with.
func Registration(service rules.Service) client.Register {
	return client.Register{
		Client: ClientID, Organisation: Organisation, Handle: Handle, Service: service, Label: "LABEL-1", Code: Code(1),
	}
}

// A Step is one command of a life, in the state it met.
type Step struct {
	Before  client.State
	Act     domain.Act
	Command client.Command
	Events  []client.Event
	Err     error
}

// Client makes up a client's life: commands of everybody, sensible or not, at instants that crowd around what is due.
// It gives every step, refused ones included, and each is handed to the function, if there is one, before the next.
func Client(t *rapid.T, books rules.Books, service rules.Service, start time.Time, each func(Step)) []Step {
	d := client.Decider(books)
	var steps []Step
	var state client.State
	do := func(a domain.Act, c client.Command) {
		s := Step{Before: state, Act: a, Command: c}
		s.Events, s.Err = d.Decide(a, state, c)
		for _, e := range s.Events {
			state = d.Evolve(state, e)
		}
		steps = append(steps, s)
		if each != nil {
			each(s)
		}
	}
	now := start
	do(AsProfessional(now), Registration(service))
	for range rapid.IntRange(0, 12).Draw(t, "commands") {
		now = Later(t, state, books, now)
		a := rapid.SampledFrom([]domain.Act{
			AsClient(now), AsClient(now), AsClient(now), AsProfessional(now), AsSuperuser(now), AsSystem(now),
		}).Draw(t, "act")
		do(a, Command(t, state, now))
	}
	return steps
}

// Later draws an instant not before now: the same one, some time on, or close around the next deadline.
func Later(t *rapid.T, s client.State, books rules.Books, now time.Time) time.Time {
	next := now
	switch rapid.IntRange(0, 3).Draw(t, "pace") {
	case 0:
		next = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "soon")))
	case 1:
		next = now.Add(time.Duration(rapid.Int64Range(0, int64(40*7*24*time.Hour)).Draw(t, "long")))
	case 2, 3:
		if e, ok := s.NextDue(books); ok {
			next = e.Effective.Add(time.Duration(rapid.Int64Range(-1, 1).Draw(t, "around")))
		}
	}
	if next.Before(now) {
		return now
	}
	return next
}

// Command draws a command that may or may not make sense in the state.
func Command(t *rapid.T, s client.State, now time.Time) client.Command {
	code := s.Code
	if rapid.IntRange(0, 4).Draw(t, "wrong code") == 0 {
		code = Code(99)
	}
	kinds := []client.Kind{client.Scores, client.Use}
	purpose := rapid.SampledFrom([]client.Purpose{client.Overview, client.Appointment, client.Effect}).Draw(t, "purpose")
	version := rapid.Uint64Range(0, s.Version+1).Draw(t, "version")
	return rapid.SampledFrom([]client.Command{
		client.LogIn{Code: code, LastLogin: now},
		client.Grant{Occasion: client.FirstQuestion},
		client.Grant{Occasion: client.Settings},
		client.Grant{Occasion: client.Settings}, // often: most of what can go wrong needs a yes
		client.Decline{},
		client.Withdraw{},
		client.AnswerFollowUp{Yes: true},
		client.AnswerFollowUp{Yes: false},
		client.RotateCode{Old: code, New: Code(s.Code[0] + 1)},
		client.Restrict{},
		client.LiftRestriction{},
		client.LookUp{Purpose: purpose, Kinds: kinds, Journal: 3},
		client.ReadOwn{Purpose: client.SelfService, Kinds: kinds, Journal: 3},
		client.PassTime{LastLogin: now},
		Registration(s.Service),
		client.QuestionLookUp{LookUp: version, By: Professional},
		client.ReviewLookUp{LookUp: version, By: Professional, Concern: client.AskedByClient, Outcome: client.InOrder},
		client.Erase{},
		client.RecordKeyDestroyed{},
		client.RecordSwept{Records: 3},
		client.Reapply{Ending: Ending(t, s, now)},
	}).Draw(t, "command")
}

// Ending draws an event that ends something, at an instant not after now: of a history that need not be the state's own.
func Ending(t *rapid.T, s client.State, now time.Time) client.Event {
	at := now.Add(-time.Duration(rapid.Int64Range(0, int64(30*7*24*time.Hour)).Draw(t, "ago")))
	if since := s.Since; since.After(at) && !since.After(now) && rapid.Bool().Draw(t, "at once") {
		at = since
	}
	return client.Event{Act: AsClient(at), Effective: at, Rule: rules.General, Body: rapid.SampledFrom([]client.Body{
		client.Declined{}, client.Withdrawn{Grant: s.Grant}, client.FollowUpEnded{Grant: s.Grant}, client.Restricted{},
		client.CodeRotated{Old: s.Code, New: Code(s.Code[0] + 7)}, client.CodeRotated{Old: Code(98), New: Code(97)},
		client.Erased{Organisation: s.Organisation},
	}).Draw(t, "ending")}
}
