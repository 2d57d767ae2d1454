package rules_test

import (
	"testing"

	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// By day: a yes on day D under 22 and 26 weeks is asked about from D+154, holds through D+182, lapses at D+183. Under the
// first rule, of 14 weeks, nobody is asked; it holds through D+98.
func TestTerms(t *testing.T) {
	for _, c := range []struct {
		service         rules.Service
		yes             string
		rule, ask, last string // last: the last day on which access holds
	}{
		{rules.AssistertSelvhjelp, "2019-05-06", "assistert-selvhjelp/1", "", "2019-08-12"},
		{rules.AssistertSelvhjelp, "2021-09-01", "assistert-selvhjelp/1", "", "2021-12-08"},
		{rules.AssistertSelvhjelp, "2021-09-02", "assistert-selvhjelp/2", "2022-02-03", "2022-03-03"},
		{rules.AssistertSelvhjelp, "2026-01-05", "assistert-selvhjelp/2", "2026-06-08", "2026-07-06"},
		{rules.AssistertSelvhjelp, "2023-10-01", "assistert-selvhjelp/2", "2024-03-03", "2024-03-31"}, // over 29 February
		{rules.Trigga, "2025-01-16", "trigga/1", "2025-06-19", "2025-07-17"},
		{rules.Trigga, "2026-05-04", "trigga/1", "2026-10-05", "2026-11-02"},
	} {
		yes := domain.MustDate(c.yes)
		row, ok := rules.All[c.service].InForce(yes)
		if !ok {
			t.Errorf("%s: no rule on %s", c.service, c.yes)
			continue
		}
		got := row.Terms(yes)
		if got.Rule != c.rule || got.AskOn.String() != c.ask || got.LapseOn.AddDays(-1).String() != c.last {
			t.Errorf("%s, yes on %s: %s, asked %s, holds through %s; expected %s, %s, %s",
				c.service, c.yes, got.Rule, got.AskOn, got.LapseOn.AddDays(-1), c.rule, c.ask, c.last)
		}
		if got.AskOn != 0 && (got.AskOn != yes+154 || got.LapseOn != yes+183) || got.AskOn == 0 && got.LapseOn != yes+99 {
			t.Errorf("%s, yes on %s: %d days to the question, %d to the lapse", c.service, c.yes, got.AskOn-yes, got.LapseOn-yes)
		}
	}
}

func TestServiceNotBegun(t *testing.T) {
	for _, day := range []string{"2025-01-15", "2021-09-02", "1970-01-01"} {
		if row, ok := rules.All[rules.Trigga].InForce(domain.MustDate(day)); ok {
			t.Errorf("Trigga has %s on %s", row.Version, day)
		}
	}
	if _, ok := rules.All["no-such-service"].InForce(domain.MustDate("2026-01-01")); ok {
		t.Error("a service without a book has a rule")
	}
}

// Rows are in order, named apart, and say where they come from.
func TestBooks(t *testing.T) {
	seen := map[string]bool{}
	for service, book := range rules.All {
		last, idle := domain.Date(-1), 0
		for _, r := range book {
			if r.From <= last {
				t.Errorf("%s: from %s, not after the row before", r.Version, r.From)
			}
			if r.Version == "" || seen[r.Version] || r.Source == "" || r.Lapse <= 0 || r.Ask >= r.Lapse || r.IdleMonths < max(idle, 1) {
				t.Errorf("%s: %+v", service, r)
			}
			last, idle, seen[r.Version] = r.From, r.IdleMonths, true
		}
	}
}

// The rows in force are history: a change of one of them changes what old streams mean.
func TestRowsInForceAreNotEdited(t *testing.T) {
	type row struct {
		version, from           string
		ask, lapse, idle, reach int
	}
	want := []row{
		{"assistert-selvhjelp/1", "", 0, 14, 12, 0},
		{"assistert-selvhjelp/2", "2021-09-02", 22, 26, 12, 0},
		{"trigga/1", "2025-01-16", 22, 26, 12, 0},
	}
	i := 0
	for _, service := range []rules.Service{rules.AssistertSelvhjelp, rules.Trigga} {
		for _, r := range rules.All[service] {
			got := row{r.Version, r.From.String(), r.Ask, r.Lapse, r.IdleMonths, int(r.Reach)}
			if i < len(want) && got != want[i] {
				t.Errorf("%v was %v", got, want[i])
			}
			i++
		}
	}
	if i < len(want) {
		t.Errorf("%d rows, there were %d", i, len(want))
	}
}

func TestIdleFrom(t *testing.T) {
	row := rules.All[rules.AssistertSelvhjelp][1]
	for last, idle := range map[string]string{
		"2025-03-10": "2026-03-11",
		"2024-02-29": "2025-03-01", // 28.02.2025 is still within 12 months
		"2025-12-31": "2027-01-01",
	} {
		if got := row.IdleFrom(domain.MustDate(last)); got.String() != idle {
			t.Errorf("last active on %s: deactivated from %s, expected %s", last, got, idle)
		}
	}
}

func TestNextChange(t *testing.T) {
	book := rules.Book{
		{Version: "a", Lapse: 14},
		{Version: "b", From: domain.MustDate("2026-03-02"), Ask: 22, Lapse: 26, Reach: rules.NewGrants},
		{Version: "c", From: domain.MustDate("2026-06-01"), Ask: 4, Lapse: 8, Reach: rules.RunningGrants},
		{Version: "d", From: domain.MustDate("2026-09-01"), Ask: 30, Lapse: 40, Reach: rules.RunningGrants},
	}
	for _, c := range []struct {
		version, yes          string
		rule, on, ask, lapses string
	}{
		{"a", "2026-02-20", "c", "2026-06-01", "2026-06-01", "2026-06-01"}, // b reaches no running grant; c would have ended it before, and ends it on its own first day
		{"b", "2026-03-02", "c", "2026-06-01", "2026-06-01", "2026-06-01"},
		{"b", "2026-05-20", "c", "2026-06-01", "2026-06-17", "2026-07-16"},
		{"c", "2026-08-20", "d", "2026-09-01", "2027-03-18", "2027-05-28"},
		{"d", "2026-09-01", "", "", "", ""},
		{"no such rule", "2026-01-01", "", "", "", ""},
	} {
		terms, on, ok := book.NextChange(c.version, domain.MustDate(c.yes))
		if ok != (c.on != "") || terms.Rule != c.rule || on.String() != c.on || terms.AskOn.String() != c.ask || terms.LapseOn.String() != c.lapses {
			t.Errorf("a yes of %s under %s: %s on %s, asked %s, lapses %s; expected %+v", c.yes, c.version, terms.Rule, on, terms.AskOn, terms.LapseOn, c)
		}
	}
}

// Whatever the table says, a change of rule ends no access before its own first day.
func TestChangeNeverEndsAccessBeforeItsDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		book := rules.Book{{Version: "0", Lapse: 26}}
		day := domain.MustDate("2020-01-01")
		for i := range rapid.IntRange(1, 5).Draw(t, "changes") {
			day += domain.Date(rapid.IntRange(1, 300).Draw(t, "later"))
			book = append(book, rules.Row{
				Version: string(rune('1' + i)), From: day,
				Ask: rapid.IntRange(0, 30).Draw(t, "ask"), Lapse: rapid.IntRange(1, 40).Draw(t, "lapse"),
				Reach: rapid.SampledFrom([]rules.Reach{rules.NewGrants, rules.RunningGrants}).Draw(t, "reach"),
			})
		}
		yes := domain.MustDate("2020-01-01") + domain.Date(rapid.IntRange(0, 900).Draw(t, "yes"))
		row, _ := book.InForce(yes)
		if terms, on, ok := book.NextChange(row.Version, yes); ok {
			if terms.LapseOn < on || terms.AskOn != 0 && terms.AskOn < on || on <= yes {
				t.Fatalf("a yes of %s under %s: from %s on %+v", yes, row.Version, on, terms)
			}
		}
	})
}
