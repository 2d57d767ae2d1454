// Package domaintest tells what a decider does as stories: given these events, when this is asked, then exactly these
// events follow, in this order, or this refusal, or nothing. It also makes up lives of clients, for properties.
package domaintest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samtykke/domain"
)

// A Story is a stream's history so far.
type Story[C, E, S any] struct {
	t       testing.TB
	decider domain.Decider[C, E, S]
	events  []E
}

// Of begins a story without a past.
func Of[C, E, S any](t testing.TB, d domain.Decider[C, E, S]) Story[C, E, S] {
	return Story[C, E, S]{t: t, decider: d}
}

// Given adds events to the past.
func (s Story[C, E, S]) Given(events ...E) Story[C, E, S] {
	s.events = append(slices.Clip(s.events), events...)
	return s
}

// State is the past, folded.
func (s Story[C, E, S]) State() S {
	var state S
	for _, e := range s.events {
		state = s.decider.Evolve(state, e)
	}
	return state
}

// When lets the decider decide. Neither deciding nor folding what was decided may change the state it was handed.
func (s Story[C, E, S]) When(a domain.Act, c C) Outcome[C, E, S] {
	s.t.Helper()
	state, untouched := s.State(), s.State()
	events, err := s.decider.Decide(a, state, c)
	next := state
	for _, e := range events {
		next = s.decider.Evolve(next, e)
	}
	if d := cmp.Diff(untouched, state); d != "" {
		s.t.Errorf("deciding on %T changed the state it was given (-before +after):\n%s", c, d)
	}
	if err != nil && domain.Refused(err) == "" {
		s.t.Errorf("%T: the error is no refusal: %v", c, err)
	}
	if err != nil && len(events) > 0 {
		s.t.Errorf("%T: refused, and yet %d events", c, len(events))
	}
	return Outcome[C, E, S]{story: s, events: events, err: err}
}

// An Outcome is what came of a command.
type Outcome[C, E, S any] struct {
	story  Story[C, E, S]
	events []E
	err    error
}

// Then compares the events: these, all of them, in this order. It gives the story as it goes on.
func (o Outcome[C, E, S]) Then(events ...E) Story[C, E, S] {
	o.story.t.Helper()
	if o.err != nil {
		o.story.t.Errorf("refused with %q (%v), expected %d events", domain.Refused(o.err), o.err, len(events))
	} else if d := cmp.Diff(events, o.events); d != "" {
		o.story.t.Errorf("not these events (-expected +decided):\n%s", d)
	}
	return o.story.Given(o.events...)
}

// ThenNothing expects that nothing was to be written.
func (o Outcome[C, E, S]) ThenNothing() Story[C, E, S] {
	o.story.t.Helper()
	if o.err != nil || len(o.events) > 0 {
		o.story.t.Errorf("expected nothing: refused with %q, events:\n%s", domain.Refused(o.err), cmp.Diff([]E(nil), o.events))
	}
	return o.story
}

// ThenRefused expects the refusal.
func (o Outcome[C, E, S]) ThenRefused(code string) Story[C, E, S] {
	o.story.t.Helper()
	if got := domain.Refused(o.err); got != code {
		o.story.t.Errorf("refused with %q, expected %q; events:\n%s", got, code, cmp.Diff([]E(nil), o.events))
	}
	return o.story
}

// Result gives what was decided, for expectations of another kind.
func (o Outcome[C, E, S]) Result() ([]E, error) { return o.events, o.err }

// ID makes an id from a number, for stories: readable and never zero for a number that is not.
func ID(n byte) domain.ID {
	if n == 0 {
		return domain.ID{}
	}
	return domain.ID{n, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, n}
}

// Noon is twelve hours into the day.
func Noon(day string) time.Time { return domain.MustDate(day).Start().Add(12 * time.Hour).UTC() }
