// Package oversight holds what is recorded about those who watch, each in a stream of its own: an attempt to look up a
// client that was refused, with its review; a sign-in that was refused; a query that an auditor or an employee made; and a time
// that exceptional access was open.
//
// A refused attempt is not in the client's stream, so that nobody outside can make that grow or contend for it, and so
// that refusing costs the same whether or not there is such a client. It names the client where there is one: the client
// sees who tried.
package oversight

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/rules"
)

// An Event is one fact about those who watch.
type Event = domain.Event[Body]

// A Body is one of the types below and no other.
type Body interface{ fact() }

// LookUpRefused: somebody tried to read about a client and was refused. Reason is the code of the refusal as it really
// was; the person refused was told less. A purpose or a kind that there is none of is left out: whoever typed it may have written
// anything, and this event is open.
type LookUpRefused struct {
	Client  domain.ID // zero: there is no such client
	Handle  domain.ID // what was asked for
	Purpose client.Purpose
	Kinds   []client.Kind
	Reason  string
}

// SignInRefused: somebody tried to come in and was refused: as a client by a code, or as staff. Reason is the code of the
// refusal as it really was; who tried was told the same whatever it was. Nothing that was typed is here, nor where it came from.
type SignInRefused struct {
	As      As
	Account domain.ID // whose code, login or invitation it was; zero: nobody's
	Reason  string
}

// As is what somebody tried to come in as.
type As string

const (
	AsClient As = "client"
	AsStaff  As = "staff"
)

// Queried: somebody asked the ledger, on the basis and for the reason given, and before the answer.
type Queried struct {
	Query  string // who-saw, why, state, history, export
	About  string // ids and period asked for, as text without content
	Basis  Basis
	Reason string
	Opened bool // what is sealed was opened: of every client, whatever is registered
}

// Basis is the duty on which somebody asks; it follows from the role.
type Basis string

const (
	Audit     Basis = "audit"     // an auditor
	Operation Basis = "operation" // an employee of the processor
)

// BasisOf gives the basis that the role has, or "" for a role that does not ask.
func BasisOf(r domain.Role) Basis {
	switch r {
	case domain.RoleAuditor:
		return Audit
	case domain.RoleEmployee, domain.RoleSafetyManager:
		return Operation
	}
	return ""
}

// AttemptReviewed: somebody else than who made the refused attempt reviewed it. By is who made it.
type AttemptReviewed struct {
	By      domain.ID
	Concern client.Concern
	Outcome client.Outcome
}

func (AttemptReviewed) fact() {}

func (LookUpRefused) fact() {}
func (SignInRefused) fact() {}
func (Queried) fact()       {}

// State is what the stream has: its one event, and of a refused attempt the review.
type State struct {
	Recorded     bool
	Attempt      bool // at a look-up
	By           domain.ID
	Organisation domain.ID // on whose behalf it was made
	Reviewed     client.Outcome
}

// Evolve folds an event.
func Evolve(s State, e Event) State {
	switch b := e.Body.(type) {
	case nil:
	case LookUpRefused:
		s.Recorded, s.Attempt, s.By, s.Organisation = true, true, e.Act.Actor, e.Act.Organisation
	case SignInRefused, Queried:
		s.Recorded = true
	case AttemptReviewed:
		s.Reviewed = b.Outcome
	default:
		panic(fmt.Sprintf("oversight.Evolve has no case for %T", b))
	}
	return s
}

func (b LookUpRefused) inKnownWords() LookUpRefused {
	if !b.Purpose.Known() {
		b.Purpose = ""
	}
	b.Kinds = slices.DeleteFunc(slices.Clone(b.Kinds), func(k client.Kind) bool { return !k.Known() })
	return b
}

// review refuses a review by whoever may not, or of what is none.
func review(a domain.Act, s State, b AttemptReviewed) error {
	switch {
	case !s.Attempt, b.By != s.By:
		return domain.Refuse(NoAttempt, "There is no such refused attempt.")
	case a.Role != domain.RoleSafetyManager && (a.Role != domain.RoleSuperuser || a.Organisation != s.Organisation):
		return domain.Refuse(NotYours, "Only a superuser of the organisation, or the safety manager, can do this.")
	case a.Actor == s.By:
		return domain.Refuse(client.OwnLookUp, "Somebody else reviews your own attempts.")
	case s.Reviewed != "":
		return domain.Refuse(WasDone, "It has been reviewed.")
	case !b.Concern.Known(), !b.Outcome.Known():
		return domain.Refuse(BadInput, "A review names what raised it, and its outcome.")
	}
	return nil
}

// Decider records one body in a stream, once; and behind a refused attempt its review, once.
var Decider = domain.Decider[Body, Event, State]{
	Decide: func(a domain.Act, s State, b Body) ([]Event, error) {
		if r, ok := b.(AttemptReviewed); ok {
			if err := review(a, s, r); err != nil {
				return nil, err
			}
		} else if s.Recorded {
			return nil, nil
		}
		if r, ok := b.(LookUpRefused); ok {
			b = r.inKnownWords()
		}
		if q, ok := b.(Queried); ok {
			switch {
			case BasisOf(a.Role) == "", q.Basis != BasisOf(a.Role), a.Actor.IsZero():
				return nil, domain.Refuse(NotYours, "A query needs somebody who answers for it: an auditor or an employee.")
			case strings.TrimSpace(q.Reason) == "":
				return nil, domain.Refuse(BadInput, "A query needs a reason.")
			}
			err := said(q.Query, q.About)
			if err == nil {
				err = fit(q.Reason)
			}
			if err != nil {
				return nil, err
			}
		}
		return []Event{{Act: a, Effective: a.At, Rule: rules.General, Body: b}}, nil
	},
	Evolve: Evolve,
}

// longest is the largest text of a query, in bytes.
const longest = 1000

func unfit(s string) bool {
	return len(s) > longest || !utf8.ValidString(s) || strings.ContainsRune(s, 0)
}
