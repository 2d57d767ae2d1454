package client_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/rules"
)

// changing is a service whose rule changes twice, once for running grants too.
var changing = rules.Books{rules.AssistertSelvhjelp: {
	{Version: "1", Lapse: 14, IdleMonths: 12},
	{Version: "2", From: domain.MustDate("2026-03-02"), Ask: 22, Lapse: 26, IdleMonths: 12},
	{Version: "3", From: domain.MustDate("2026-08-03"), Ask: 8, Lapse: 12, IdleMonths: 12, Reach: rules.RunningGrants},
	{Version: "4", From: domain.MustDate("2026-10-05"), Ask: 20, Lapse: 30, IdleMonths: 12, Reach: rules.RunningGrants},
}}

func anyBooks(t *rapid.T) rules.Books {
	if rapid.Bool().Draw(t, "changing rules") {
		return changing
	}
	return rules.All
}

func life(t *rapid.T, books rules.Books, each func(Step)) (events []client.Event) {
	for _, s := range Client(t, books, rules.AssistertSelvhjelp, start, each) {
		events = append(events, s.Events...)
	}
	return events
}

func fold(events []client.Event) (s client.State) {
	for _, e := range events {
		s = client.Evolve(s, e)
	}
	return s
}

// Any sequence of commands, sensible or not, is refused or accepted; what was accepted folds, and what was refused has no
// events.
func TestAnyLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		books := anyBooks(t)
		var recorded time.Time
		life(t, books, func(s Step) {
			if s.Err != nil && (domain.Refused(s.Err) == "" || len(s.Events) > 0) {
				t.Fatalf("%T: %v, with %d events", s.Command, s.Err, len(s.Events))
			}
			after := s.Before
			for i, e := range s.Events {
				after = client.Evolve(after, e)
				if e.Act.At.Before(recorded) {
					t.Fatalf("%T: recorded at %s after %s", e.Body, e.Act.At, recorded)
				}
				recorded = e.Act.At
				if e.Effective.After(e.Act.At) {
					t.Fatalf("%T: recorded at %s before it took effect at %s", e.Body, e.Act.At, e.Effective)
				}
				if i > 0 && e.Effective.Before(s.Events[i-1].Effective) {
					t.Fatalf("%T took effect before the %T ahead of it", e.Body, s.Events[i-1].Body)
				}
				if e.Rule == "" {
					t.Fatalf("%T names no rule", e.Body)
				}
			}
			if s.Err == nil && len(s.Events) > 0 && after.Status == client.Shared && !after.Terms.LapseOn.Start().After(s.Act.At) {
				t.Fatalf("%T leaves a yes that had lapsed", s.Command)
			}
		})
	})
}

// Replaying a stream proves it: no organisation ever looked without a live yes, and each look-up names that yes.
func TestNoLookUpWithoutLiveGrant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		books := anyBooks(t)
		var s client.State
		granted := map[uint64]bool{}
		for _, e := range life(t, books, nil) {
			live := s.At(books, e.Act.At)
			if l, ok := e.Body.(client.LookedUp); ok && l.Basis == client.ByGrant {
				if live.Status != client.Shared || live.Restricted || live.Deactivated || l.Grant != live.Grant || !granted[l.Grant] {
					t.Fatalf("looked up under %d while %q", l.Grant, live.Status)
				}
				if e.Act.Organisation != live.Organisation {
					t.Fatal("another organisation looked")
				}
			}
			s = client.Evolve(s, e)
			switch e.Body.(type) {
			case client.Granted, client.FollowUpConfirmed:
				granted[s.Version] = true
			}
		}
	})
}

// The first law: what time has brought holds whether it was written down at once, at any later times, or never.
func TestTimeHoldsWhetherWrittenDownOrNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		books := anyBooks(t)
		s := fold(life(t, books, nil))
		now := start.Add(300 * 24 * time.Hour)
		for range rapid.IntRange(1, 5).Draw(t, "looks") {
			now = Later(t, s, books, now)
		}
		never := s.At(books, now)
		written := s
		at := s.Active
		for range rapid.IntRange(1, 4).Draw(t, "jobs") {
			at = Later(t, written, books, at)
			if at.After(now) {
				break
			}
			for _, e := range written.Due(books, at) {
				written = client.Evolve(written, e)
			}
			if again := written.Due(books, at); len(again) != 0 {
				t.Fatalf("asked twice at one instant, it gives %d events", len(again))
			}
		}
		if got := written.At(books, now); !reflect.DeepEqual(got, never) {
			t.Fatalf("(-never written +written):\n%s", cmp.Diff(never, got))
		}
		if again := never.At(books, now); !reflect.DeepEqual(again, never) {
			t.Fatalf("asked twice:\n%s", cmp.Diff(never, again))
		}
	})
}

// The same from the stream's side: a job that runs between the commands changes when things are written down, and
// nothing else. (An ending that is reapplied finds what was written down before it.)
func TestJobChangesOnlyWhenThingsAreWrittenDown(t *testing.T) {
	type lasting struct {
		Effective time.Time
		Rule      string
		Body      client.Body
	}
	rapid.Check(t, func(t *rapid.T) {
		books := anyBooks(t)
		d := client.Decider(books)
		steps := slices.DeleteFunc(Client(t, books, rules.AssistertSelvhjelp, start, nil), func(s Step) bool {
			_, again := s.Command.(client.Reapply)
			return again
		})
		run := func(jobs bool) (all []lasting, outcomes []string) {
			var s client.State
			do := func(a domain.Act, c client.Command) error {
				events, err := d.Decide(a, s, c)
				for _, e := range events {
					s = d.Evolve(s, e)
					all = append(all, lasting{e.Effective, e.Rule, e.Body})
				}
				return err
			}
			for _, step := range steps {
				if jobs && s.Registered() {
					do(AsSystem(step.Act.At), client.PassTime{LastLogin: step.Act.At})
				}
				outcomes = append(outcomes, domain.Refused(do(step.Act, step.Command)))
			}
			last := steps[len(steps)-1].Act.At
			do(AsSystem(last), client.PassTime{LastLogin: last})
			return all, outcomes
		}
		without, told := run(false)
		with, toldWith := run(true)
		if d := cmp.Diff(without, with); d != "" {
			t.Fatalf("(-without the job +with it):\n%s", d)
		}
		if !slices.Equal(told, toldWith) {
			t.Fatalf("answers: %q without the job, %q with it", told, toldWith)
		}
	})
}

// Deciding and folding write to nothing they are handed.
func TestNothingHandedIsChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		books := anyBooks(t)
		d := client.Decider(books)
		life(t, books, func(s Step) {
			before := s.Before
			before.Questions = slices.Clone(before.Questions)
			events, _ := d.Decide(s.Act, s.Before, s.Command)
			if !reflect.DeepEqual(s.Before, before) {
				t.Fatalf("%T changed the state", s.Command)
			}
			if len(events) != len(s.Events) || len(events) > 0 && !reflect.DeepEqual(events, s.Events) {
				t.Fatalf("%T: decided twice, two answers:\n%s", s.Command, cmp.Diff(s.Events, events))
			}
		})
	})
}

// No ending is undone but by the client's own yes.
func TestOnlyTheClientOpensAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s client.State
		for _, e := range life(t, anyBooks(t), nil) {
			next := client.Evolve(s, e)
			if s.Status != client.Shared && next.Status == client.Shared {
				if _, ok := e.Body.(client.Granted); !ok || e.Act.Role != domain.RoleClient || e.Act.Actor != s.Client {
					t.Fatalf("%T by %q opened what was %q", e.Body, e.Act.Role, s.Status)
				}
			}
			if s.Status == client.Shared && next.Terms.LapseOn > s.Terms.LapseOn {
				switch e.Body.(type) {
				case client.FollowUpConfirmed, client.TermsChanged:
				default:
					t.Fatalf("%T extended a yes", e.Body)
				}
			}
			s = next
		}
	})
}
