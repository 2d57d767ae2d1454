package statistics_test

import (
	"strings"
	"testing"

	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/statistics"
)

// later is a crowd of which everybody who came before the quarter uses the service in it, but for so many who stay away; and so many of
// those who had not answered the first question before it say yes in it.
func later(q statistics.Quarter, answer, away int) crowd {
	const n = 1500
	c := drawn(6, n, 3, q)
	for i := range n {
		one := c.clients[idOf(i)]
		if one.Registered == q {
			continue
		}
		waits := one.State.Status == client.Unanswered
		p := one.In(q)
		switch {
		case waits && answer > 0:
			answer--
			day := q.Start().AddDays(20)
			l := &life{one.State, one}
			l.add(day.String(), client.Granted{AskOn: day.AddWeeks(22), LapseOn: day.AddWeeks(26).AddDays(1)})
			one = l.c
			one.In(q).Active = true
		case !waits && away > 0:
			away--
			p.Active, p.Forms, p.Finished = false, nil, nil
		default:
			p.Active = true
		}
		c.clients[idOf(i)] = one
	}
	return c
}

// make2 makes a release of a crowd under a specification.
func make2(t *testing.T, spec statistics.Specification, c crowd, q statistics.Quarter) (map[string]statistics.Row, statistics.Risk) {
	t.Helper()
	r, risk, err := statistics.Make(spec, q, 7, c.population(), keyed(t, "k"))
	if err != nil {
		t.Fatal(err)
	}
	return names(r), risk
}

// Two releases do not tell that two people have answered since: who had not answered in their first quarter, without those who have not
// answered now, are two. What earlier releases told is what finds it out; without that, the number is told.
//
// shows G02
func TestTwoReleasesDoNotTellWhoAnswered(t *testing.T) {
	q := quarter(t, "2026Q2")
	before, _ := make2(t, statistics.Quarterly, later(q, 2, 0), q-1)
	if n := before["2026Q1 users new=yes sharing=unanswered"].Persons; n == nil {
		t.Fatal("the release before does not tell how many had not answered: the test shows nothing")
	}
	const now = "2026Q2 users new=no sharing=unanswered"
	rows, risk := make2(t, statistics.Quarterly, later(q, 2, 0), q)
	if rows[now].Persons != nil {
		t.Error("how many of the same have not answered yet is told")
	}
	found := false
	for _, cell := range risk.Problem.Cells {
		found = found || cell.Kind == disclosure.Derived && cell.Persons == 2 && cell.Name == "came earlier and had not answered and not "+now
	}
	if !found {
		t.Error("the two are no cell of the problem")
	}
	blind := statistics.Quarterly
	blind.Pools = nil
	if rows, _ := make2(t, blind, later(q, 2, 0), q); rows[now].Persons == nil {
		t.Error("without what earlier releases told it is hidden as well: the test shows nothing")
	}
	if rows, _ := make2(t, statistics.Quarterly, later(q, 40, 0), q); rows[now].Persons == nil {
		t.Error("where forty have answered, it is hidden")
	}
}

// A release does not tell that all but two of those who had come before used the service again, at an organisation either: how many users
// came earlier is told by nothing, and follows from how many users there are, and how many new ones.
//
// shows G02
func TestTwoReleasesDoNotTellWhoStayedAway(t *testing.T) {
	q := quarter(t, "2026Q2")
	follows := func(rows map[string]statistics.Row) (all []string) {
		for _, over := range []string{"", " organisation=" + officeID(0).String(), " organisation=" + officeID(1).String(), " organisation=" + officeID(2).String()} {
			if rows["2026Q2 users"+over].Persons != nil && rows["2026Q2 users"+over+" new=yes"].Persons != nil {
				all = append(all, "users"+over)
			}
		}
		return all
	}
	for _, away := range []int{2, 0} {
		rows, risk := make2(t, statistics.Quarterly, later(q, 0, away), q)
		if all := follows(rows); all != nil || risk.Remainders == 0 {
			t.Errorf("%d stayed away: how many came back follows for %q; %d remainders", away, all, risk.Remainders)
		}
	}
	blind := statistics.Quarterly
	blind.Pools = nil
	if rows, _ := make2(t, blind, later(q, 0, 2), q); len(follows(rows)) == 0 {
		t.Error("without what earlier releases told it is hidden as well: the test shows nothing")
	}
}

// bound is what is said of groups beside tables, of all organisations together: what is taken out of the specification is missing here.
const bound = `
users new=no and not asked follow-up=yes or asked follow-up=no
users and not asked follow-up=yes or asked follow-up=no or users sharing=declined or users sharing=lapsed or users sharing=unanswered
users new=no and not asked follow-up=yes or asked follow-up=no or users new=no sharing=declined or users new=no sharing=lapsed or users new=no sharing=unanswered
users and not changers
users service=assistert-selvhjelp and not asked follow-up=yes service=assistert-selvhjelp or asked follow-up=no service=assistert-selvhjelp or users service=assistert-selvhjelp sharing=declined or users service=assistert-selvhjelp sharing=lapsed or users service=assistert-selvhjelp sharing=unanswered
users service=assistert-selvhjelp and not asked follow-up=yes service=assistert-selvhjelp or asked follow-up=no service=assistert-selvhjelp or newcomers service=assistert-selvhjelp used=yes
users service=trigga and not asked follow-up=yes service=trigga or asked follow-up=no service=trigga or users service=trigga sharing=declined or users service=trigga sharing=lapsed or users service=trigga sharing=unanswered
users service=trigga and not asked follow-up=yes service=trigga or asked follow-up=no service=trigga or newcomers service=trigga used=yes
users and not users finished=none or users part-start=yes
users and not users finished=none or users part-connections=yes
users and not users finished=none or users part-activity=yes
users and not users finished=none or users part-sleep=yes
users and not users finished=none or users part-thoughts=yes
users and not users finished=none or users part-worry=yes
users and not users finished=none or users part-people=yes
users and not users finished=none or users part-onward=yes
users part-start=yes or users part-connections=yes or users part-activity=yes or users part-sleep=yes or users part-thoughts=yes or users part-worry=yes or users part-people=yes or users part-onward=yes and not users finished=1-2 or users finished=3-8 or users finished=3-8 or users finished=3-8
users finished=1-2 or users finished=1-2 or users finished=3-8 or users finished=3-8 or users finished=3-8 or users finished=3-8 or users finished=3-8 or users finished=3-8 or users finished=3-8 or users finished=3-8 and not users part-start=yes or users part-connections=yes or users part-activity=yes or users part-sleep=yes or users part-thoughts=yes or users part-worry=yes or users part-people=yes or users part-onward=yes
came earlier and not users new=no or deletions
shared before and not asked
sharing ran out and not users sharing=lapsed
had not answered and not users sharing=unanswered
had not said yes and not users sharing=unanswered or users sharing=declined
came earlier and had not answered and not users new=no sharing=unanswered
came earlier and had not said yes and not users new=no sharing=unanswered or users new=no sharing=declined
came by assistert-selvhjelp and not users service=assistert-selvhjelp or newcomers service=assistert-selvhjelp used=no
shared before by assistert-selvhjelp and not asked service=assistert-selvhjelp
sharing ran out by assistert-selvhjelp and not users service=assistert-selvhjelp sharing=lapsed
had not answered by assistert-selvhjelp and not users service=assistert-selvhjelp sharing=unanswered
had not said yes by assistert-selvhjelp and not users service=assistert-selvhjelp sharing=unanswered or users service=assistert-selvhjelp sharing=declined
`

// What is said of groups holds of whatever crowd, here of one that nobody came to by Trigga: all of it binds the cells of all
// organisations together, and where few are left they are to be protected.
func TestFlowsAndPoolsHold(t *testing.T) {
	q := quarter(t, "2026Q2")
	for seed := range uint64(5) {
		p, err := statistics.Problem(statistics.Quarterly, q, drawn(seed, 500, 3, q).population())
		if err != nil {
			t.Fatal(err)
		}
		all := "\n"
		for _, cell := range p.Cells {
			if !strings.Contains(cell.Name, " and not ") || strings.Contains(cell.Name, "organisation=") {
				continue
			}
			all += strings.ReplaceAll(cell.Name, q.String()+" ", "") + "\n"
			if few := 0 < cell.Persons && cell.Persons < 5; few && cell.Kind != disclosure.Derived && !strings.Contains(cell.Name, "finished=3-8") {
				t.Errorf("%s: %d, and no target", cell.Name, cell.Persons)
			}
		}
		if all != bound {
			t.Errorf("seed %d: cells are bound by%s", seed, all)
		}
	}
}

// In the first quarter of all, and of an organisation, everybody knows that nobody came earlier: how many of the new ones did not use the
// service is how many came, less how many used it.
func TestAFirstQuarterHidesWhoDidNotBegin(t *testing.T) {
	q := quarter(t, "2026Q2")
	for _, started := range []bool{false, true} {
		c := drawn(7, 1500, 3, q)
		idle := 0
		for i := range 1500 {
			one := c.clients[idOf(i)]
			first := one.Organisation == officeID(0)
			if one.Registered < q && (first || !started) {
				delete(c.clients, idOf(i))
				continue
			}
			if p := one.In(q); first && one.Registered == q {
				if p.Active = idle >= 2; !p.Active {
					idle++
					p.Forms, p.Finished = nil, nil
				}
			}
			c.clients[idOf(i)] = one
		}
		rows, _ := make2(t, statistics.Quarterly, c, q)
		at := " organisation=" + officeID(0).String()
		if rows["2026Q2 newcomers"+at].Persons != nil && rows["2026Q2 users"+at].Persons != nil {
			t.Errorf("others had started: %v: that two have not used the service follows from two numbers", started)
		}
		if rows["2026Q2 newcomers"].Persons == nil {
			t.Error("how many came to all organisations is hidden: the test shows little")
		}
	}
}

// Where nobody is left of those who came earlier, and a few deleted everything, there is a release all the same.
func TestOnlyDeletionsAreLeft(t *testing.T) {
	q := quarter(t, "2026Q2")
	for _, n := range []int{1, 4} {
		c := drawn(8, 400, 3, q)
		for id, one := range c.clients {
			if one.Organisation == officeID(2) && one.Registered < q {
				delete(c.clients, id)
			}
		}
		for range n {
			c.deleted = append(c.deleted, statistics.Deletion{Organisation: officeID(2), Quarter: q})
		}
		if _, risk := make2(t, statistics.Quarterly, c, q); risk.Untrue > 0 {
			t.Errorf("%d deletions: %d things that everybody knows do not hold", n, risk.Untrue)
		}
	}
}
