package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
)

var at = Noon("2026-05-18") // a Monday

func event(a domain.Act, b journal.Body) journal.Event {
	return journal.Event{Act: a, Effective: a.At, Rule: rules.General, Body: b}
}

func story(t *testing.T, past ...journal.Event) Story[journal.Command, journal.Event, journal.State] {
	t.Helper()
	return Of(t, journal.Decider).Given(past...)
}

func employee() domain.Act {
	return domain.Act{At: at, Actor: ID(0xe1), Role: domain.RoleEmployee, Session: Session}
}

// Answers that add up to the sum, none above the highest.
func answers(items, highest, sum int) []int {
	a := make([]int, items)
	for i := range a {
		a[i] = min(highest, sum)
		sum -= a[i]
	}
	return a
}

func TestScores(t *testing.T) {
	for _, c := range []struct {
		form           journal.Instrument
		items, highest int
		bands          map[int]journal.Severity // by the lowest score
	}{
		{journal.PHQ9, 9, 3, map[int]journal.Severity{
			0: journal.Minimal, 5: journal.Mild, 10: journal.Moderate, 15: journal.ModeratelySevere, 20: journal.Severe}},
		{journal.GAD7, 7, 3, map[int]journal.Severity{0: journal.Minimal, 5: journal.Mild, 10: journal.Moderate, 15: journal.Severe}},
		{journal.CheckIn, 4, 10, nil},
	} {
		severity := journal.Severity("")
		for sum := range c.items*c.highest + 1 {
			if s, ok := c.bands[sum]; ok {
				severity = s
			}
			got, err := c.form.Score(answers(c.items, c.highest, sum))
			if err != nil || got.Sum != sum || got.Severity != severity {
				t.Errorf("%s with a sum of %d: %d, %q, %v; expected %q", c.form, sum, got.Sum, got.Severity, err, severity)
			}
		}
	}
}

// The same cut-offs, written out once more as the papers give them, one below and one at each.
func TestCutOffs(t *testing.T) {
	for _, c := range []struct {
		form journal.Instrument
		sum  int
		want journal.Severity
	}{
		{journal.PHQ9, 4, "minimal"}, {journal.PHQ9, 5, "mild"},
		{journal.PHQ9, 9, "mild"}, {journal.PHQ9, 10, "moderate"},
		{journal.PHQ9, 14, "moderate"}, {journal.PHQ9, 15, "moderately-severe"},
		{journal.PHQ9, 19, "moderately-severe"}, {journal.PHQ9, 20, "severe"}, {journal.PHQ9, 27, "severe"},
		{journal.GAD7, 4, "minimal"}, {journal.GAD7, 5, "mild"},
		{journal.GAD7, 9, "mild"}, {journal.GAD7, 10, "moderate"},
		{journal.GAD7, 14, "moderate"}, {journal.GAD7, 15, "severe"}, {journal.GAD7, 21, "severe"},
		{journal.CheckIn, 40, ""},
	} {
		f := journal.Forms[c.form]
		if got, err := c.form.Score(answers(f.Items, f.Highest, c.sum)); err != nil || got.Severity != c.want {
			t.Errorf("%s with a sum of %d: %q, %v; expected %q", c.form, c.sum, got.Severity, err, c.want)
		}
	}
}

func TestSafety(t *testing.T) {
	for n := range 4 {
		items := make([]int, 9)
		items[8] = n
		if got, err := journal.PHQ9.Score(items); err != nil || got.Safety != (n > 0) {
			t.Errorf("item 9 answered %d: safety %v, %v", n, got.Safety, err)
		}
	}
	if got, _ := journal.PHQ9.Score([]int{3, 3, 3, 3, 3, 3, 3, 3, 0}); got.Safety {
		t.Error("the flag is up though item 9 was answered 0")
	}
	for _, form := range []journal.Instrument{journal.GAD7, journal.CheckIn} {
		f := journal.Forms[form]
		if got, _ := form.Score(answers(f.Items, f.Highest, f.Items*f.Highest)); got.Safety {
			t.Errorf("%s has a safety flag", form)
		}
	}
}

// A form that is not complete, or has an answer that is none, is refused, and the refusal does not tell the answer.
func TestFormsRefused(t *testing.T) {
	assess := func(form journal.Instrument, difficulty int, items ...int) journal.Assess {
		return journal.Assess{Instrument: form, Items: items, Difficulty: difficulty, Entered: journal.ByClient}
	}
	full := make([]int, 9)
	for name, c := range map[string]journal.Assess{
		"no answers":          assess(journal.PHQ9, -1),
		"one missing":         assess(journal.PHQ9, -1, full[:8]...),
		"one too many":        assess(journal.GAD7, -1, full[:8]...),
		"too high":            assess(journal.PHQ9, -1, 0, 0, 4711, 0, 0, 0, 0, 0, 0),
		"below zero":          assess(journal.PHQ9, -1, 0, 0, -4711, 0, 0, 0, 0, 0, 0),
		"one above":           assess(journal.GAD7, -1, 0, 0, 0, 0, 0, 0, 4),
		"no such form":        assess("phq-4711", -1, full...),
		"difficulty too high": assess(journal.PHQ9, 4711, full...),
		"difficulty too low":  assess(journal.PHQ9, -2, full...),
		"no such question":    assess(journal.CheckIn, 0, full[:4]...),
	} {
		t.Run(name, func(t *testing.T) {
			o := story(t).When(AsClient(at), c)
			o.ThenRefused(journal.BadInput)
			_, err := o.Result()
			if err != nil && strings.Contains(err.Error(), "4711") {
				t.Errorf("the refusal tells the answer: %v", err)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom([]journal.Instrument{journal.PHQ9, journal.GAD7, journal.CheckIn, "other"}).Draw(t, "form")
		items := rapid.SliceOfN(rapid.IntRange(-2, 12), 0, 12).Draw(t, "items")
		f, known := journal.Forms[form]
		good := known && len(items) == f.Items && !slices.ContainsFunc(items, func(a int) bool { return a < 0 || a > f.Highest })
		if _, err := form.Score(items); (err == nil) != good {
			t.Fatalf("%s %v: %v", form, items, err)
		}
	})
}

func TestAssessment(t *testing.T) {
	items := []int{1, 2, 3, 0, 1, 2, 3, 0, 1}
	c := journal.Assess{Instrument: journal.PHQ9, Items: items, Difficulty: 2, Entered: journal.ByClient}
	want := journal.Assessed{
		Instrument: journal.PHQ9, Items: slices.Clone(items), Difficulty: 2, Score: 13, Severity: journal.Moderate, Safety: true, Entered: journal.ByClient,
	}
	story(t).When(AsClient(at), c).Then(event(AsClient(at), want))
	events, _ := story(t).When(AsClient(at), c).Result()
	items[0] = 3
	if got := events[0].Body.(journal.Assessed).Items[0]; got != 1 {
		t.Errorf("the event changes with the command's slice: %d", got)
	}
	c.Entered, c.Items, want.Entered = journal.OnBehalf, want.Items, journal.OnBehalf
	story(t).When(AsProfessional(at), c).Then(event(AsProfessional(at), want))
}

// Who may enter what: c the client, p a professional, s a superuser, e an employee, a an auditor, t the system.
func TestWhoMayEnter(t *testing.T) {
	const roles = "cpseat"
	acts := map[rune]domain.Role{
		'c': domain.RoleClient, 'p': domain.RoleProfessional, 's': domain.RoleSuperuser,
		'e': domain.RoleEmployee, 'a': domain.RoleAuditor, 't': domain.RoleSystem,
	}
	gad := make([]int, 7)
	request := event(AsClient(at), journal.CorrectionAsked{Request: ID(7), Sender: ID(8), Text: "wrong", Through: journal.ByClient})
	for name, c := range map[string]struct {
		command journal.Command
		allowed string
	}{
		"login":                {journal.LogIn{Channel: journal.Web}, "c"},
		"time":                 {journal.SpendTime{Seconds: 5}, "c"},
		"open":                 {journal.Open{Content: "sleep-1"}, "c"},
		"finish":               {journal.Finish{Content: "sleep-1"}, "c"},
		"rate":                 {journal.Rate{Content: "sleep-1", Stars: 5}, "c"},
		"answer":               {journal.Answer{Task: "t", Text: "x", Entered: journal.ByClient}, "c"},
		"answer, together":     {journal.Answer{Task: "t", Text: "x", Entered: journal.Together}, "ps"},
		"answer, on behalf":    {journal.Answer{Task: "t", Text: "x", Entered: journal.OnBehalf}, "ps"},
		"answer, by nobody":    {journal.Answer{Task: "t", Text: "x"}, ""},
		"form":                 {journal.Assess{Instrument: journal.GAD7, Items: gad, Difficulty: -1, Entered: journal.ByClient}, "c"},
		"form, together":       {journal.Assess{Instrument: journal.GAD7, Items: gad, Difficulty: -1, Entered: journal.Together}, "ps"},
		"form, on behalf":      {journal.Assess{Instrument: journal.GAD7, Items: gad, Difficulty: -1, Entered: journal.OnBehalf}, "ps"},
		"ask for a correction": {journal.AskCorrection{Request: ID(1), Sender: ID(2), Text: "x"}, "cps"},
		"make a correction":    {journal.MakeCorrection{Request: ID(7), Text: "x"}, "e"},
		"send":                 {journal.Send{Content: "sleep-1"}, "ps"},
		"note":                 {journal.WriteNote{Note: ID(3), Text: "x"}, "ps"},
	} {
		for _, r := range roles {
			a := domain.Act{At: at, Actor: ID(9), Role: acts[r]}
			_, err := story(t, request).When(a, c.command).Result()
			want := journal.NotYours
			if strings.ContainsRune(c.allowed, r) {
				want = ""
			}
			if got := domain.Refused(err); got != want {
				t.Errorf("%s by %s: %q, expected %q", name, acts[r], got, want)
			}
		}
	}
	// Who may not is told no more than that: not whether the input would have done.
	for _, c := range []journal.Command{
		journal.MakeCorrection{Request: ID(99), Text: "x"}, journal.WriteNote{}, journal.Assess{Instrument: "none"}, journal.Send{},
	} {
		story(t, request).When(domain.Act{At: at, Role: domain.RoleAuditor}, c).ThenRefused(journal.NotYours)
	}
}

func TestInput(t *testing.T) {
	long := strings.Repeat("ø", journal.Longest/2)
	for name, c := range map[string]struct {
		command journal.Command
		good    bool
	}{
		"unknown channel":       {journal.LogIn{Channel: "fax"}, false},
		"no channel":            {journal.LogIn{}, false},
		"the app":               {journal.LogIn{Channel: journal.App, Browser: "Firefox", System: "Android"}, true},
		"no content":            {journal.Open{Content: " "}, false},
		"a day":                 {journal.SpendTime{Seconds: 86400, Clicks: 1e6}, true},
		"more than a day":       {journal.SpendTime{Seconds: 86401}, false},
		"less than nothing":     {journal.SpendTime{Seconds: -1}, false},
		"too many clicks":       {journal.SpendTime{Clicks: 1e6 + 1}, false},
		"clicks below zero":     {journal.SpendTime{Clicks: -1}, false},
		"no stars":              {journal.Rate{Content: "c"}, false},
		"one star":              {journal.Rate{Content: "c", Stars: 1}, true},
		"six stars":             {journal.Rate{Content: "c", Stars: 6}, false},
		"an answer taken back":  {journal.Answer{Task: "t", Entered: journal.ByClient}, true},
		"the longest answer":    {journal.Answer{Task: "t", Text: long, Entered: journal.ByClient}, true},
		"too long":              {journal.Answer{Task: "t", Text: long + "x", Entered: journal.ByClient}, false},
		"no UTF-8":              {journal.Answer{Task: "t", Text: "a\xff", Entered: journal.ByClient}, false},
		"a zero byte":           {journal.Answer{Task: "t", Text: "a\x00", Entered: journal.ByClient}, false},
		"no task":               {journal.Answer{Text: "x", Entered: journal.ByClient}, false},
		"a correction of what?": {journal.AskCorrection{Request: ID(1), Sender: ID(2)}, false},
		"of a later entry":      {journal.AskCorrection{Request: ID(1), Sender: ID(2), Text: "x", About: 1}, false},
		"without an id":         {journal.AskCorrection{Sender: ID(2), Text: "x"}, false},
		"without a pseudonym":   {journal.AskCorrection{Request: ID(1), Text: "x"}, false},
	} {
		_, err := story(t).When(AsClient(at), c.command).Result()
		want := journal.BadInput
		if c.good {
			want = ""
		}
		if got := domain.Refused(err); got != want {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
	story(t).When(AsProfessional(at), journal.WriteNote{Text: "x"}).ThenRefused(journal.BadInput)
	story(t).When(AsProfessional(at), journal.WriteNote{Note: ID(1)}).ThenRefused(journal.BadInput)
	story(t).When(AsProfessional(at), journal.Send{Task: "x"}).ThenRefused(journal.BadInput)
	story(t).When(employee(), journal.MakeCorrection{Request: ID(1), Text: "x"}).ThenRefused(journal.NoRequest)
}

// Seven working days; one pseudonym for all requests of a client, whoever passes them on; done once.
func TestCorrections(t *testing.T) {
	asked := func(request byte, text string, about uint64, through journal.Entered, due string) journal.CorrectionAsked {
		return journal.CorrectionAsked{
			Request: ID(request), Sender: ID(0x77), About: about, Text: text, Through: through, Due: domain.MustDate(due),
		}
	}
	friday := Noon("2026-05-22")
	s := story(t).
		When(AsClient(at), journal.AskCorrection{Request: ID(1), Sender: ID(0x77), Text: "the date"}).
		Then(event(AsClient(at), asked(1, "the date", 0, journal.ByClient, "2026-05-27"))).
		When(AsProfessional(friday), journal.AskCorrection{Request: ID(2), Sender: ID(0x99), Text: "the score"}).
		Then(event(AsProfessional(friday), asked(2, "the score", 0, journal.OnBehalf, "2026-06-02"))).
		When(employee(), journal.MakeCorrection{Request: ID(1), Text: "done"}).
		Then(event(employee(), journal.CorrectionMade{Request: ID(1), Text: "done"}))
	s.When(employee(), journal.MakeCorrection{Request: ID(1), Text: "again"}).ThenRefused(journal.NoRequest)
	s = s.When(employee(), journal.MakeCorrection{Request: ID(2), Text: "done"}).
		Then(event(employee(), journal.CorrectionMade{Request: ID(2), Text: "done"}))
	if got := s.State(); len(got.Open) != 0 || got.Sender != ID(0x77) {
		t.Errorf("afterwards: %+v", got)
	}
	// The client says which entry is meant; an organisation cannot try out how many there are.
	s.When(AsClient(friday), journal.AskCorrection{Request: ID(3), Sender: ID(0x77), About: 1, Text: "this one"}).
		Then(event(AsClient(friday), asked(3, "this one", 1, journal.ByClient, "2026-06-02")))
	s.When(AsClient(friday), journal.AskCorrection{Request: ID(3), Sender: ID(0x77), About: 99, Text: "none"}).ThenRefused(journal.BadInput)
	s.When(AsProfessional(friday), journal.AskCorrection{Request: ID(3), Sender: ID(0x77), About: 1, Text: "any"}).ThenRefused(journal.BadInput)
}

func TestNotes(t *testing.T) {
	draft := journal.WriteNote{Note: ID(5), Draft: true, Text: "first"}
	final := journal.WriteNote{Note: ID(5), Text: "second"}
	s := story(t).
		When(AsProfessional(at), draft).Then(event(AsProfessional(at), journal.NoteWritten(draft))).
		When(AsProfessional(at), final).Then(event(AsProfessional(at), journal.NoteWritten(final))).
		When(AsProfessional(at), journal.WriteNote{Note: ID(6), Text: "other"}).
		Then(event(AsProfessional(at), journal.NoteWritten{Note: ID(6), Text: "other"}))
	if got := s.State().Notes; !slices.Equal(got, []domain.ID{ID(5), ID(6)}) {
		t.Errorf("notes: %v", got)
	}
}

func TestLastLogin(t *testing.T) {
	s := story(t).When(AsClient(at), journal.LogIn{Channel: journal.App, Browser: "", System: "iOS"}).
		Then(event(AsClient(at), journal.LoggedIn{Channel: journal.App, System: "iOS"}))
	if got := s.State(); !got.LastLogin.Equal(at) || got.Version != 1 {
		t.Errorf("%+v", got)
	}
}

// Feedback is linked to nobody: whoever gives it, at whatever time of day, the event is the same.
func TestFeedback(t *testing.T) {
	shown := domain.Text{Name: "evaluation", Version: "2", Language: "nb"}
	day := domain.MustDate("2026-05-18").Start()
	f := journal.Feedback{Form: "evaluation", Text: "more about sleep", Stars: 4}
	want := journal.Event{Act: domain.Act{At: day, Text: shown}, Effective: day, Rule: rules.General, Body: f}
	for _, a := range []domain.Act{
		AsClient(at), AsProfessional(day.Add(24*time.Hour - 1)), employee(),
		{At: day, Actor: ID(1), Role: domain.RoleAuditor, Session: ID(2), Organisation: ID(3)},
	} {
		a.Text = shown
		Of(t, journal.Suggest).When(a, f).Then(want)
	}
	for _, bad := range []journal.Feedback{
		{Text: "x"}, {Form: "f"}, {Form: "f", Text: "x", Stars: 6}, {Form: "f", Text: "x", Stars: -1}, {Form: "f", Text: "\xff"},
	} {
		Of(t, journal.Suggest).When(AsClient(at), bad).ThenRefused(journal.BadInput)
	}
}

// Folding writes to nothing it was handed, also where slices have room.
func TestFoldingLeavesTheStateAlone(t *testing.T) {
	s := journal.State{
		Open: append(make([]domain.ID, 0, 8), ID(1), ID(2), ID(3)), Notes: append(make([]domain.ID, 0, 8), ID(4)),
	}
	show := func() string { return fmt.Sprint(s.Open[:4], s.Notes[:2]) }
	before := show()
	for _, b := range []journal.Body{
		journal.CorrectionAsked{Request: ID(9)}, journal.CorrectionMade{Request: ID(1)}, journal.NoteWritten{Note: ID(9)},
	} {
		journal.Evolve(s, journal.Event{Body: b})
		if got := show(); got != before {
			t.Errorf("%T changed the state: %s, was %s", b, got, before)
		}
	}
}

func TestKindOf(t *testing.T) {
	for _, c := range []struct {
		body journal.Body
		want client.Kind
	}{
		{journal.Assessed{}, client.Scores}, {journal.ContentOpened{}, client.Progress}, {journal.ContentFinished{}, client.Progress},
		{journal.ContentSent{}, client.Progress}, {journal.LoggedIn{}, client.Use}, {journal.TimeSpent{}, client.Use},
		{journal.Answered{}, client.Answers}, {journal.CorrectionAsked{}, client.Answers}, {journal.CorrectionMade{}, client.Answers},
		{journal.Rated{}, client.Ratings}, {journal.NoteWritten{}, client.Notes}, {journal.Feedback{}, ""},
	} {
		if got := journal.KindOf(c.body); got != c.want {
			t.Errorf("%T belongs to %q, expected %q", c.body, got, c.want)
		}
	}
}
