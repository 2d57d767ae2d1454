package professional

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

var today = domain.MustDate("2026-04-28")

// on is noon of so many days ago.
func on(daysAgo int) time.Time { return today.AddDays(-daysAgo).Start().Add(12 * time.Hour) }

func labels(all []api.Client) string {
	var found []string
	for _, c := range all {
		found = append(found, c.Label)
	}
	return strings.Join(found, " ")
}

// Clients are chosen by label and by sharing, and ordered by label as they come or by the end of sharing, those who do not share last.
func TestChoose(t *testing.T) {
	all := []api.Client{
		{Label: "AAC001", SharedUntil: "2026-09-01"},
		{Label: "ABC002"},
		{Label: "ABD003", SharedUntil: today.AddDays(soonDays).String(), Asked: true},
		{Label: "ABD004", SharedUntil: today.AddDays(soonDays + 1).String()},
		{Label: "XYZ005"},
	}
	for _, c := range []struct{ search, filter, order, want string }{
		{"", "", "", "AAC001 ABC002 ABD003 ABD004 XYZ005"},
		{"abd", "", "", "ABD003 ABD004"},
		{"ab-d 00", "", "", "ABD003 ABD004"},
		{"B", "sharing", "", "ABD003 ABD004"},
		{"", "sharing", "", "AAC001 ABD003 ABD004"},
		{"", "not-sharing", "", "ABC002 XYZ005"},
		{"", "ends-soon", "", "ABD003"},
		{"", "asked", "", "ABD003"},
		{"", "of another kind", "", "AAC001 ABC002 ABD003 ABD004 XYZ005"},
		{"", "", "end", "ABD003 ABD004 AAC001 ABC002 XYZ005"},
		{"Q", "", "", ""},
	} {
		b := overviewBody{Search: c.search, Filter: c.filter, Order: c.order}
		if got := labels(b.choose(all, today)); got != c.want {
			t.Errorf("%q, %q, by %q: %q, expected %q", c.search, c.filter, c.order, got, c.want)
		}
		if b.All != len(all) || b.Chosen != len(strings.Fields(c.want)) {
			t.Errorf("%q, %q: %d of %d", c.search, c.filter, b.Chosen, b.All)
		}
	}
	if labels(all) != "AAC001 ABC002 ABD003 ABD004 XYZ005" {
		t.Error("what was given is in another order now")
	}
}

// A page knows where it stands, and how to go back to the page before.
func TestPlaceInTheOverview(t *testing.T) {
	var all []api.Client
	for n := range 3 * perPage {
		all = append(all, api.Client{Handle: domain.ID{1, byte(n)}, Label: fmt.Sprint(n)})
	}
	last := func(page int) string { return all[page*perPage-1].Handle.String() }
	for _, c := range []struct {
		after    string
		first    int
		back     bool
		previous string
	}{
		{"", 1, false, ""}, {last(1), perPage + 1, true, ""}, {last(2), 2*perPage + 1, true, last(1)},
	} {
		b := overviewBody{After: c.after}
		b.choose(all, today)
		if b.First != c.first || b.HasPrevious != c.back || b.Previous != c.previous {
			t.Errorf("after %q: from %d, back %v to %q", c.after, b.First, b.HasPrevious, b.Previous)
		}
	}
}

// The limits are met, not passed; of the service's own form nothing is said, whichever way it goes.
func TestReliableChange(t *testing.T) {
	for _, c := range []struct {
		form        journal.Instrument
		first, last int
		want        verdict
	}{
		{journal.PHQ9, 17, 11, better}, {journal.PHQ9, 17, 12, uncertain}, {journal.PHQ9, 17, 17, uncertain}, {journal.PHQ9, 11, 16, uncertain},
		{journal.PHQ9, 11, 17, worse}, {journal.PHQ9, 27, 0, better}, {journal.PHQ9, 0, 27, worse},
		{journal.GAD7, 10, 6, better}, {journal.GAD7, 10, 7, uncertain}, {journal.GAD7, 6, 10, worse}, {journal.GAD7, 6, 9, uncertain},
		{journal.CheckIn, 40, 0, ""}, {journal.CheckIn, 0, 40, ""},
	} {
		if got := judge(c.form, c.first, c.last); got != c.want {
			t.Errorf("%s from %d to %d: %q, expected %q", c.form, c.first, c.last, got, c.want)
		}
	}
}

func sum(i journal.Instrument, daysAgo, score int) api.Form {
	return api.Form{At: on(daysAgo), Instrument: i, Score: score, Entered: journal.ByClient}
}

// A change goes from the first form of an instrument to the last, whatever else was filled in between.
func TestChangeOf(t *testing.T) {
	forms := []api.Form{
		sum(journal.GAD7, 90, 3), sum(journal.PHQ9, 80, 18), sum(journal.GAD7, 60, 9), sum(journal.PHQ9, 40, 20), sum(journal.PHQ9, 3, 12),
		sum(journal.CheckIn, 2, 20),
	}
	c := changeOf("nb", journal.PHQ9, forms)
	if c.Count != 3 || c.First.Score != 18 || c.Last.Score != 12 || c.Fell != 6 || c.Rose != -6 || c.Verdict != better || c.HigherIsWell {
		t.Errorf("PHQ-9: %+v", c)
	}
	if c.Chart == "" || c.Forms[0].Score != 12 || c.Forms[2].Of != 27 {
		t.Error("PHQ-9: no picture, or the last form does not stand first")
	}
	if c := changeOf("nb", journal.GAD7, forms); c.Verdict != worse || c.Rose != 6 || c.Last.Of != 21 {
		t.Errorf("GAD-7: %+v", c)
	}
	if c := changeOf("nb", journal.CheckIn, forms); c.Count != 1 || c.Chart != "" || !c.HigherIsWell || c.Verdict != "" {
		t.Errorf("one form: %+v", c)
	}
	if c := changeOf("nb", journal.PHQ9, forms[:1]); c != nil {
		t.Errorf("no form: %+v", c)
	}
}

// A row draws the first score, the last, and few between.
func TestThinned(t *testing.T) {
	for _, n := range []int{1, 2, sparkPoints, sparkPoints + 1, 100} {
		var all []page.Point
		for i := range n {
			all = append(all, page.Point{Score: i})
		}
		some := thinned(all)
		if len(some) != min(n, sparkPoints) || some[0].Score != 0 || some[len(some)-1].Score != n-1 {
			t.Errorf("of %d: %v", n, some)
		}
		if !slices.IsSortedFunc(some, func(a, b page.Point) int { return a.Score - b.Score }) {
			t.Errorf("of %d, out of order: %v", n, some)
		}
	}
}

// A row tells the last use, how far the client is, the trend of the form filled in last, question 9, and what is overdue.
func TestSummarise(t *testing.T) {
	finished, login := on(5), on(2)
	reg := api.Registrations{
		Use:      &api.Used{LastLogin: &login},
		Progress: &api.Progress{Content: []api.OpenedContent{{Content: "start", Opened: on(9), Finished: &finished}, {Content: "sleep", Opened: on(4)}}},
		Scores:   []api.Form{sum(journal.PHQ9, 60, 16), sum(journal.PHQ9, 30, 11), sum(journal.GAD7, overdueDays, 7)},
	}
	reg.Scores[1].Safety, reg.Scores[1].Severity, reg.Scores[2].Severity = true, journal.Moderate, journal.Mild
	s := summarise("en", reg, today)
	if !s.LastUse.Equal(login) || s.Opened != 2 || s.Finished != 1 || s.Overdue || !s.Safety.Equal(on(30)) {
		t.Errorf("%+v", s)
	}
	if tr := s.Trend; tr.Count != 1 || tr.First != 7 || tr.Last != 7 || tr.Severity != "mild problems" || tr.Spark != "" {
		t.Errorf("%+v", tr)
	}
	reg.Scores = append(reg.Scores[:2:2], sum(journal.PHQ9, overdueDays+1, 9))
	s = summarise("en", reg, today)
	if !s.Overdue || !s.Safety.IsZero() || s.Trend.First != 16 || s.Trend.Last != 9 || s.Trend.Count != 3 || s.Trend.Spark == "" {
		t.Errorf("%+v, %+v", s, s.Trend)
	}
	if s := summarise("nb", api.Registrations{}, today); s.Trend != nil || s.Overdue || !s.LastUse.IsZero() {
		t.Errorf("nothing registered: %+v", s)
	}
}

// Each purpose shows what it names and nothing else, also where more came.
func TestLayOut(t *testing.T) {
	finished := on(3)
	reg := api.Registrations{
		Scores:   []api.Form{sum(journal.PHQ9, 60, 16), sum(journal.PHQ9, 5, 8)},
		Progress: &api.Progress{Resume: "sleep", Content: []api.OpenedContent{{Content: "sleep", Opened: on(40), Finished: &finished}}, Sent: []api.SentContent{{At: on(50), Content: "sleep"}, {At: on(1), Content: "worry", Task: "Les"}}},
		Use:      &api.Used{Seconds: 3630},
		Answers:  []api.GivenAnswer{{At: on(9), Task: "sleep", Text: "a"}, {At: on(8), Task: "in words of one's own", Text: "b", Entered: journal.OnBehalf}},
		Ratings:  []api.GivenRating{{Content: "sleep", Stars: 4}, {Content: "no-such-part", Stars: 1}},
		Notes:    []api.Note{{Note: domain.ID{1}, Text: "first"}, {Note: domain.ID{2}, Text: "other"}, {Note: domain.ID{1}, Text: "second"}},
	}
	sections := func(s *shown) string {
		var all []string
		for name, there := range map[string]bool{
			"answers": s.Answers != nil, "changes": s.Changes != nil, "forms": s.Forms != nil, "notes": s.Notes, "progress": s.Progress,
			"ratings": s.Ratings, "scores": s.Scores, "use": s.Use != nil,
		} {
			if there {
				all = append(all, name)
			}
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	for purpose, want := range map[client.Purpose]string{
		client.Appointment: "answers forms progress scores use", client.Workload: "notes progress scores use", client.Effect: "changes ratings scores",
	} {
		if got := sections(layOut("nb", look{purpose: purpose, kinds: purposes[purpose].kinds}, reg, today)); got != want {
			t.Errorf("%s shows %s, expected %s", purpose, got, want)
		}
	}
	s := layOut("nb", look{purpose: client.Appointment, all: true, kinds: allKinds, since: today.AddDays(-7)}, reg, today)
	if got := sections(s); got != "answers changes forms notes progress ratings scores use" {
		t.Errorf("everything is %s", got)
	}
	if len(s.Forms) != 1 || !s.Forms[0].New || s.Forms[0].Score != 8 {
		t.Errorf("the last forms are %+v", s.Forms)
	}
	if c := s.Content[0]; c.Name != "Søvn" || !c.New || !c.Done.Finished.Equal(finished) || s.Resume != "Søvn" {
		t.Errorf("%+v, resumed at %q", c, s.Resume)
	}
	if got := s.Sent; len(got) != 2 || !got[0].New || got[0].Task != "Les" || !got[0].Done.Opened.IsZero() || got[1].New || got[1].Done.Opened.IsZero() {
		t.Errorf("sent: %+v", got)
	}
	if got := s.Answers.Given; len(got) != 2 || got[0].Task != "in words of one's own" || got[0].Entered != "Fylt ut på vegne av klienten" || got[1].Task != "Søvn" || got[1].Entered != "" {
		t.Errorf("answers: %+v", got)
	}
	if s.Rated[0].Name == "no-such-part" || s.Rated[1].Name != "Søvn" || s.Average != 2.5 {
		t.Errorf("ratings: %+v, %v", s.Rated, s.Average)
	}
	if got := s.Written; len(got) != 2 || got[0].Text != "second" || got[0].Versions != 2 || got[1].Text != "other" || got[1].Versions != 1 {
		t.Errorf("notes: %+v", got)
	}
	if s.Use.Hours != 1 || s.Use.Minutes != 1 {
		t.Errorf("use: %+v", s.Use)
	}
}

// What there is to send and to answer is all there, in the reader's language, parts apart from tasks, with the chosen one marked.
func TestProgramme(t *testing.T) {
	for _, lang := range page.Languages {
		p := programmeOf(lang, "worry-time")
		if len(p.Parts) < 8 || len(p.Tasks) < 3 {
			t.Errorf("%s: %d parts, %d tasks", lang, len(p.Parts), len(p.Tasks))
		}
		for _, c := range slices.Concat(p.Parts, p.Tasks) {
			if c.Text == "" || c.Chosen != (c.Value == "worry-time") {
				t.Errorf("%s: %+v", lang, c)
			}
		}
	}
}

// A task that tells who somebody is, or what is not in the programme, is not sent.
func TestSendable(t *testing.T) {
	for _, c := range []struct{ content, task, want string }{
		{"sleep", "", ""}, {"sleep", "Les til neste gang", ""}, {"", "Les", "Every question takes an answer."}, {"no-such-part", "", "Every question takes an answer."},
		{"sleep", "Ring 91 23 45 67", "The text tells who somebody is."}, {"sleep", "Skriv til ola@example.no", "The text tells who somebody is."},
	} {
		got := ""
		if err := sendable(typedForms{Content: c.content, Task: c.task}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q with a task: %q, expected %q", c.content, got, c.want)
		}
	}
}
