// Package domain holds the words that every stream of the ledger shares: the civil date, the act, the event, the
// refusal and the decider. Nothing below this folder reads a clock, draws a random number, does I/O or encodes: the
// instant, the ids and the rules come in as arguments, so that the same events and the same instant always give the
// same state.
//
// # Time
//
// An instant is a time.Time in UTC. A Date is a day in Europe/Oslo, whose rules are embedded; every deadline that a
// client meets is the start of such a day, so that neither a change to summer time nor the hour of a grant moves it.
//
// An event carries two instants: the one it was recorded at, and the one from which it took effect. They differ where
// time itself is the cause: a lapse takes effect at its deadline, whenever it is written down.
package domain

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Decider is the whole behaviour of one kind of stream. Decide says which events an act causes in a state; its error
// is a *Refusal. Evolve folds one event into the state; it writes to nothing it was handed. The zero S is the
// beginning.
type Decider[C, E, S any] struct {
	Decide func(Act, S, C) ([]E, error)
	Evolve func(S, E) S
}

// AtOnce is the decider of streams whose commands cause bodies that take effect with the act, under one rule.
func AtOnce[C, B, S any](rule string, decide func(Act, S, C) ([]B, error), evolve func(S, Event[B]) S) Decider[C, Event[B], S] {
	return Decider[C, Event[B], S]{Evolve: evolve, Decide: func(a Act, s S, c C) ([]Event[B], error) {
		bodies, err := decide(a, s, c)
		if err != nil {
			return nil, err
		}
		events := make([]Event[B], len(bodies))
		for i, b := range bodies {
			events[i] = Event[B]{Act: a, Effective: a.At, Rule: rule, Body: b}
		}
		return events, nil
	}}
}

// Role is what somebody acts as.
type Role string

const (
	RoleClient       Role = "client"
	RoleProfessional Role = "professional"
	RoleSuperuser    Role = "superuser"
	RoleAuditor      Role = "auditor"
	RoleEmployee     Role = "employee" // the processor's staff
	RoleSystem       Role = "system"   // time passing

	RoleSafetyManager Role = "safety-manager" // reviews what the processor's staff did
	RoleToolManager   Role = "tool-manager"   // reads group data on behalf of Helsenorge, and nothing else
)

// A Text names the wording that was shown when somebody acted.
type Text struct {
	Name     string
	Version  string
	Language string // BCP 47: nb, nn, en
}

// An Act says who acts, as what, in which session, and when. At is the instant recorded: never earlier than the last
// one of the stream.
type Act struct {
	At           time.Time
	Actor        ID // the client itself, a member of staff by a random id; zero for the system
	Role         Role
	Session      ID
	Organisation ID   // on whose behalf; zero for clients and the system
	Text         Text // what was shown; zero where nothing was
}

// An Event is something that happened in one stream: the act that caused it, the instant from which it took effect,
// the version of the rule it was decided under, and the body that says what it was. A nil body is a redacted one: it was
// sealed under a key that is gone, and counts only as one event.
type Event[B any] struct {
	Act       Act
	Effective time.Time
	Rule      string
	Body      B
}

// Format shows the kind of event and nothing of its content, whatever the verb.
func (e Event[B]) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", e.Body) }

// LogValue shows what Format does.
func (e Event[B]) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf("%T", e.Body)) }

// A Refusal is the expected "no": the code is for machines and tests, the reason for people. It names what was wrong
// and never what was secret.
type Refusal struct {
	Code   string
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// Refuse makes a Refusal.
func Refuse(code, reason string) error { return &Refusal{Code: code, Reason: reason} }

// Refused returns the refusal's code, or "" when the error is nil or a failure.
func Refused(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return ""
}
