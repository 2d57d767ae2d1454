package statistics_test

import (
	"fmt"
	"testing"

	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/statistics"
)

// answered is a crowd in which so many, who had not answered the first question before the quarter, say yes in it.
func answered(n int, q statistics.Quarter) crowd {
	c := drawn(5, 600, 3, q)
	for id, one := range c.clients {
		if n > 0 && one.Registered < q && one.State.Status == client.Unanswered {
			day := q.Start().AddDays(20)
			l := &life{one.State, one}
			l.add(day.String(), client.Granted{AskOn: day.AddWeeks(22), LapseOn: day.AddWeeks(26).AddDays(1)})
			c.clients[id] = l.c
			n--
		}
	}
	return c
}

// Two releases do not tell that two people have answered since: who had not answered then, without those who have not answered now and
// were there then, are two. Where people come from is what finds it out; without that, both numbers are told.
//
// shows G02
func TestTwoReleasesDoNotTellWhoAnswered(t *testing.T) {
	q := quarter(t, "2026Q2")
	c := answered(2, q)
	tells := func(spec statistics.Specification) (then, now bool, risk statistics.Risk) {
		before, counted, err := statistics.Make(spec, q-1, 7, c.population(), keyed(t, "k"), nil)
		if err != nil {
			t.Fatal(err)
		}
		after, risk, err := statistics.Make(spec, q, 9, c.population(), keyed(t, "k"), &statistics.Previous{Release: before, Kept: counted.Kept})
		if err != nil {
			t.Fatal(err)
		}
		return names(before)["2026Q1 clients sharing=unanswered"].Persons != nil,
			names(after)["2026Q2 clients new=no sharing=unanswered"].Persons != nil, risk
	}
	then, now, risk := tells(statistics.Quarterly)
	if !then || now {
		t.Errorf("how many had not answered is told then: %v, and of the same now: %v", then, now)
	}
	found := false
	for _, cell := range risk.Problem.Cells {
		found = found || cell.Kind == disclosure.Derived && cell.Persons == 2 &&
			cell.Name == "2026Q1 clients sharing=unanswered and not 2026Q2 clients new=no sharing=unanswered"
	}
	if !found {
		t.Error("the two are no cell of the problem")
	}
	blind := statistics.Quarterly
	blind.Flows = nil
	if then, now, _ = tells(blind); !then || !now {
		t.Errorf("without flows: %v and %v; the test shows nothing", then, now)
	}
}

// What an earlier release hid is still a target, and what it told is taken to be known: of all releases there ever were.
func TestAllEarlierReleasesAreAttacked(t *testing.T) {
	q := quarter(t, "2026Q3")
	c := drawn(6, 700, 3, q)
	var previous *statistics.Previous
	hidden := map[string]bool{}
	for at := q - 2; at <= q; at++ {
		r, risk := make1(t, c, at, "k", previous)
		now := map[string]disclosure.Cell{}
		for _, cell := range risk.Problem.Cells {
			now[cell.Name] = cell
		}
		for name := range hidden {
			if cell, ok := now[name]; !ok || cell.Kind != disclosure.Derived {
				t.Errorf("%s was hidden and is not a target any more", name)
			}
		}
		for name, row := range names(r) {
			if _, ok := now[name]; ok && row.Persons == nil {
				hidden[name] = true
			}
		}
		if previous != nil {
			for name, row := range names(previous.Release) {
				if cell, ok := now[name]; ok && row.Persons != nil && cell.Kind != disclosure.Released && cell.Kind != disclosure.Structural {
					t.Errorf("%s was told and is not known", name)
				}
			}
		}
		for name := range hidden { // what is not kept says nothing of later quarters
			if !kept(risk.Kept, name) {
				delete(hidden, name)
			}
		}
		previous = &statistics.Previous{Release: r, Kept: risk.Kept}
	}
	if len(hidden) < 20 {
		t.Errorf("only %d hidden numbers are kept: the test shows little", len(hidden))
	}
}

func kept(p disclosure.Problem, name string) bool {
	for _, c := range p.Cells {
		if c.Name == name {
			return true
		}
	}
	return false
}

// What is kept is the release's own, holds nothing of anybody's health, and is refused beside another release.
func TestWhatIsKept(t *testing.T) {
	q := quarter(t, "2026Q2")
	c := drawn(7, 400, 2, q)
	first, risk := make1(t, c, q-1, "k", nil)
	for _, cell := range risk.Kept.Cells {
		var part string
		if _, err := fmt.Sscanf(cell.Name, "2026Q1 %s", &part); err != nil || part != "clients" && part != "asked" && part != "deletions" {
			t.Errorf("%s is kept", cell.Name)
		}
	}
	if err := risk.Kept.Validate(); err != nil || len(risk.Kept.Sums) == 0 || len(risk.Kept.Insiders) != 2 {
		t.Errorf("%d sums, %d insiders: %v", len(risk.Kept.Sums), len(risk.Kept.Insiders), err)
	}
	other, _ := make1(t, drawn(8, 90, 2, q), q-1, "k", nil)
	for name, p := range map[string]statistics.Previous{
		"of another": {Release: other, Kept: risk.Kept}, "empty": {Release: first},
	} {
		if _, _, err := statistics.Make(statistics.Quarterly, q, 9, c.population(), keyed(t, "k"), &p); err == nil {
			t.Error("made, though what is kept is ", name)
		}
	}
}
