package statistics_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
)

func TestQuarters(t *testing.T) {
	for day, want := range map[string]string{
		"2026-01-01": "2026Q1", "2026-03-31": "2026Q1", "2026-04-01": "2026Q2", "2026-12-31": "2026Q4", "2027-01-01": "2027Q1",
	} {
		if got := statistics.QuarterOf(domain.MustDate(day).Start()).String(); got != want {
			t.Errorf("%s is in %s, want %s", day, got, want)
		}
	}
	// A quarter begins and ends by the clocks of Oslo: 22:30 in UTC is the next day there, in summer.
	if got := statistics.QuarterOf(time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC)).String(); got != "2026Q3" {
		t.Errorf("half past midnight on the first of July is in %s", got)
	}
	for _, wrong := range []string{"", "2026", "2026Q0", "2026Q5", "2026q1", "26Q1", "2026Q11", "-026Q1", "+026Q1", "0000Q1"} {
		if q, err := statistics.ParseQuarter(wrong); err == nil {
			t.Errorf("%q is read as %s", wrong, q)
		}
	}
	q, err := statistics.ParseQuarter("2026Q4")
	if err != nil || q.Start() != domain.MustDate("2026-10-01") || q.End() != domain.MustDate("2027-01-01") {
		t.Errorf("%v: %s to %s, %v", q, q.Start(), q.End(), err)
	}
}

// life is a client of whom a contribution is folded as the projection does.
type life struct {
	state client.State
	c     statistics.Contribution
}

func (l *life) add(day string, b client.Body) {
	e := client.Event{Effective: domain.MustDate(day).Start().Add(12 * time.Hour), Body: b}
	l.state = client.Evolve(l.state, e)
	if r, ok := b.(client.Registered); ok {
		l.c.Organisation, l.c.Service, l.c.Registered = r.Organisation, r.Service, statistics.QuarterOf(e.Effective)
	}
	l.c.Turn(statistics.QuarterOf(e.Effective), b, client.Evolve(l.c.State, e))
}

func quarter(t *testing.T, s string) statistics.Quarter {
	t.Helper()
	q, err := statistics.ParseQuarter(s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

var us = domain.ID{1}

// sharing is a client who said yes on the day.
func sharing(day string) *life {
	l := &life{}
	yes := domain.MustDate(day)
	l.add(day, client.Registered{Client: domain.ID{7}, Organisation: us, Handle: domain.ID{8}, Service: rules.AssistertSelvhjelp, Code: client.CodeHash{9}})
	l.add(day, client.Granted{Occasion: client.FirstQuestion, AskOn: yes.AddWeeks(22), LapseOn: yes.AddWeeks(26).AddDays(1)})
	return l
}

// A lapse counts in its quarter whether or not anything has recorded it (law 1), and one recorded late counts there too.
func TestTimeCountsInItsQuarter(t *testing.T) {
	silent := sharing("2026-01-05") // asked on 8 June, lapses on 7 July
	late := sharing("2026-01-05")
	late.add("2026-06-08", client.FollowUpAsked{Grant: 2})
	late.add("2026-07-07", client.Lapsed{Grant: 2})
	for name, l := range map[string]*life{"nothing recorded": silent, "recorded": late} {
		for q, want := range map[string]string{
			"2025Q4": "nobody", "2026Q1": "shared, lapsed 0, ever false", "2026Q2": "shared, lapsed 0, ever false", "2026Q3": "lapsed, lapsed 1, ever true",
			"2026Q4": "lapsed, lapsed 0, ever true",
		} {
			got := "nobody"
			if p, ok := l.c.Person(quarter(t, q), rules.All); ok {
				got = fmt.Sprintf("%s, lapsed %d, ever %v", p.State.Status, p.Lapsed, p.RanOut)
			}
			if got != want {
				t.Errorf("%s: %s: %s, want %s", name, q, got, want)
			}
		}
	}
}

// What happens at the first instant of a quarter is not the quarter before's.
func TestALapseAtTheEnd(t *testing.T) {
	l := sharing("2025-12-30") // 26 weeks and a day later: 1 July
	before, _ := l.c.Person(quarter(t, "2026Q2"), rules.All)
	after, _ := l.c.Person(quarter(t, "2026Q3"), rules.All)
	if l.state.Terms.LapseOn != domain.MustDate("2026-07-01") || before.State.Status != client.Shared || before.Lapsed != 0 || after.Lapsed != 1 {
		t.Errorf("lapse on %s: %s with %d, then %d", l.state.Terms.LapseOn, before.State.Status, before.Lapsed, after.Lapsed)
	}
}

// Whoever is restricted is not counted, nor whoever did nothing in the quarter, having been deactivated before or not.
func TestWhoIsNotCounted(t *testing.T) {
	l := sharing("2026-01-05")
	q1, q2 := quarter(t, "2026Q1"), quarter(t, "2026Q2")
	l.c.In(q2).Active = true
	counted := func(what string, q statistics.Quarter, want bool) {
		t.Helper()
		pop := crowd{map[domain.ID]statistics.Contribution{{7}: l.c}, 1, nil}.population()
		pop.Organisations[0].ID = us
		p, err := statistics.Problem(statistics.Quarterly, q, pop)
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, cell := range p.Cells {
			got = got || cell.Kind == disclosure.Publishable && cell.Persons > 0
		}
		if got != want {
			t.Errorf("%s: counted in %s: %v, want %v", what, q, got, want)
		}
	}
	counted("as it is", q1, true)
	l.add("2026-05-05", client.Restricted{})
	counted("restricted now", q1, false)
	l.add("2026-05-06", client.RestrictionLifted{})
	counted("no longer restricted", q1, true)
	l.add("2026-05-07", client.Deactivated{})
	counted("deactivated in the quarter", q2, true)
	counted("deactivated before", q2+1, false)
	if p, ok := l.c.Person(q2+1, rules.All); !ok || !p.Before.Deactivated || p.First.Status != client.Shared {
		t.Error("one who was there once is not among those who were")
	}
}

// Of a client's state no id, no code and no instant stays in a contribution, nor does it print anything.
func TestAContributionIsCoarse(t *testing.T) {
	l := sharing("2026-01-05")
	p := l.c.In(quarter(t, "2026Q1"))
	p.Fill(journal.Assessed{Instrument: journal.PHQ9, Score: 17, Severity: journal.ModeratelySevere})
	p.Fill(journal.Assessed{Instrument: journal.PHQ9, Score: 9, Severity: journal.Mild})
	p.Finish("sleep")
	p.Finish("sleep")
	person, _ := l.c.Person(quarter(t, "2026Q1"), rules.All)
	c := person.Course(journal.PHQ9)
	if c.Count != 2 || c.First != 17 || c.Last != 9 || c.From != journal.ModeratelySevere || c.To != journal.Mild || len(person.Finished) != 1 {
		t.Errorf("%+v, finished %d", c, len(person.Finished))
	}
	s := l.c.State
	if !s.Client.IsZero() || !s.Handle.IsZero() || !s.Organisation.IsZero() || s.Code != (client.CodeHash{}) || !s.Since.IsZero() || !s.Active.IsZero() {
		t.Error("a contribution names the client, the code or an instant")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, l.c) + fmt.Sprintf(verb, *p) + fmt.Sprintf(verb, person); strings.ContainsAny(text, "0123456789{") {
			t.Errorf("%s prints %q", verb, text)
		}
	}
}

// A contribution that is changed leaves the one before as it was: who read it goes on seeing that.
func TestAContributionIsAValue(t *testing.T) {
	l := sharing("2026-01-05")
	before := l.c
	after := l.c
	after.In(quarter(t, "2026Q1")).Fill(journal.Assessed{Instrument: journal.PHQ9, Score: 1})
	after.In(quarter(t, "2026Q2")).Active = true
	if len(before.Quarters) != 1 || len(before.Quarters[0].Forms) != 0 {
		t.Error("the contribution before has changed")
	}
}
