package client

import (
	"slices"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/views"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

func at(day int) time.Time { return time.Date(2026, 1, day, 9, 0, 0, 0, time.UTC) }

func on(day int) *time.Time {
	t := at(day)
	return &t
}

// The first page goes on where the client left off, and says what was sent and what comes next.
func TestPieces(t *testing.T) {
	finished := func(id string) api.OpenedContent {
		return api.OpenedContent{Content: id, Opened: at(1), Finished: on(2)}
	}
	left := api.OpenedContent{Content: "sleep", Opened: at(1)}
	progress := func(resume string, opened []api.OpenedContent, sent ...api.SentContent) *api.Progress {
		return &api.Progress{Resume: resume, Content: opened, Sent: sent}
	}
	sent := func(id string, day int) api.SentContent { return api.SentContent{Content: id, At: at(day)} }
	type opened = []api.OpenedContent
	for name, c := range map[string]struct {
		progress *api.Progress
		want     string // of each: the id, and what it can be or is
	}{
		"nothing yet":   {nil, "start open next"},
		"left off":      {progress("sleep", opened{left}), "sleep finish last"},
		"finished":      {progress("start", opened{finished("start")}), "connections open next"},
		"sent":          {progress("", nil, sent("sleep", 1), sent("start", 2)), "start open sent, sleep open sent, connections open next"},
		"sent and left": {progress("sleep", opened{left}, sent("sleep", 1)), "sleep finish last sent"},
		"sent, done":    {progress("sleep", opened{finished("sleep")}, sent("sleep", 1)), "start open next"},
		"sent again":    {progress("sleep", opened{finished("sleep")}, sent("sleep", 3)), "sleep open finish sent, start open next"},
		"a task done":   {progress("sleep-diary", opened{finished("sleep-diary")}), "start open next"},
		"all done":      {everything(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range pieces("nb", c.progress) {
				s := p.ID
				for _, is := range []struct {
					word string
					yes  bool
				}{{"open", p.Open}, {"finish", p.Finish}, {"last", p.Last}, {"sent", !p.Sent.IsZero()}, {"next", p.Next}} {
					if is.yes {
						s += " " + is.word
					}
				}
				got = append(got, s)
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func everything() *api.Progress {
	p := &api.Progress{}
	for _, c := range content.Parts() {
		p.Content = append(p.Content, api.OpenedContent{Content: c.ID, Opened: at(1), Finished: on(2)})
	}
	return p
}

// What the catalogue does not have is shown by a neutral name, and can be opened and finished all the same.
func TestPieceThatIsUnknown(t *testing.T) {
	p := pieces("nb", &api.Progress{Sent: []api.SentContent{{Content: "part-1", At: at(1)}}})[0]
	if p.ID != "part-1" || strings.Contains(p.Name, "part-1") || p.Name == "" || p.Description != "" || !p.Open {
		t.Errorf("%+v", p)
	}
}

// The programme shows each part as the client has come to it.
func TestProgramme(t *testing.T) {
	v := programmeOf("nb", api.Registrations{
		Progress: &api.Progress{
			Resume:  "sleep",
			Content: []api.OpenedContent{{Content: "start", Finished: on(1)}, {Content: "sleep"}, {Content: "sleep-diary", Finished: on(1)}},
			Sent:    []api.SentContent{{Content: "sleep", At: at(1), Task: "første"}, {Content: "sleep", At: at(2), Task: "andre"}},
		},
		Answers: []api.GivenAnswer{
			{Task: "sleep", Text: "1"}, {Task: "worry", Text: "x"}, {Task: "sleep", Text: "2"}, {Task: "sleep", Text: "3"}, {Task: "sleep", Text: "4"},
		},
		Ratings: []api.GivenRating{{Content: "sleep", Stars: 2}, {Content: "sleep", Stars: 4}},
	})
	if v.Finished != 1 || v.All != 8 || len(v.Sections) != 2 {
		t.Errorf("%d of %d finished, %d sections", v.Finished, v.All, len(v.Sections))
	}
	s := v.at("sleep")
	if !s.Opened || s.Finished || !s.Open || s.Stars != 4 || s.With != "andre" || !s.Sent.Equal(at(2)) {
		t.Errorf("%+v", s)
	}
	if len(s.Written) != lately || s.Written[0].Text != "4" || s.Written[2].Text != "2" {
		t.Errorf("written: %+v", s.Written)
	}
	if p := v.at("start"); !p.Finished || p.Open {
		t.Errorf("%+v", p)
	}
	if p := v.at("people"); p.Opened || p.Stars != 0 || !p.Sent.IsZero() {
		t.Errorf("%+v", p)
	}
	if v.at("part-1") != nil {
		t.Error("found a part that there is not")
	}
}

// The preview names every kind that a look-up can name but the organisation's own notes, in the words that the access log has.
func TestPreviewNamesEveryKind(t *testing.T) {
	last := at(2)
	for _, lang := range []string{"nb", "nn", "en"} {
		rows := previewOf(lang, api.Registrations{
			Scores: make([]api.Form, 2), Progress: &api.Progress{Content: make([]api.OpenedContent, 3)},
			Use:     &api.Used{Logins: 4, LastLogin: &last},
			Answers: make([]api.GivenAnswer, 5), Corrections: make([]api.Correction, 1), Ratings: make([]api.GivenRating, 1),
		})
		for i, k := range slices.DeleteFunc(slices.Clone(views.AllKinds), func(k client.Kind) bool { return k == client.Notes }) {
			if i >= len(rows) || rows[i].Kind != kind(lang, k) {
				t.Fatalf("%s: row %d is not of %s: %+v", lang, i, k, rows)
			}
			if want := []string{"2 ", "3 ", "4 ", "6 ", "1 "}[i]; !strings.HasPrefix(rows[i].Now, want) {
				t.Errorf("%s: %s: %q", lang, k, rows[i].Now)
			}
		}
		if len(rows) != len(views.AllKinds)-1 {
			t.Errorf("%d rows", len(rows))
		}
	}
	if now := previewOf("nb", api.Registrations{})[2].Now; now != "0 innlogginger" {
		t.Errorf("of nothing: %q", now)
	}
}

// What counts as personal data follows the reading of the domain (A07).
func TestPersonal(t *testing.T) {
	rotated := []api.Entry{{Event: "client.registered"}, {Event: "code.rotated"}}
	for _, c := range []struct {
		shared  bool
		history []api.Entry
		want    string
		reading client.Reading
	}{
		{true, nil, "er dette personopplysninger nå, fordi du deler", client.IdentifiableBySharing},
		{true, rotated, "er dette personopplysninger nå, fordi du deler", client.IdentifiableBySharing},
		{false, rotated[:1], "selv om du ikke deler", client.IdentifiableByLabel},
		{false, rotated, "regnes dette som anonymt nå", client.Anonymous},
	} {
		s := client.State{Rotated: len(c.history) > 1}
		if c.shared {
			s.Status = client.Shared
		}
		if _, reading := s.PersonalData(); reading != c.reading {
			t.Errorf("the domain reads %q", reading)
		}
		got := personal("nb", state{Organisation: "Fjord", Shared: c.shared}, c.history)
		if !strings.Contains(got, c.want) || !strings.Contains(got, "Fjord") {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Whom one can talk to is shown by the latest answer to the item about self-harm, whatever was filled in since.
func TestUnsafe(t *testing.T) {
	yes, no, other := api.Form{Instrument: journal.PHQ9, Safety: true}, api.Form{Instrument: journal.PHQ9}, api.Form{Instrument: journal.GAD7}
	for _, c := range []struct {
		forms []api.Form
		want  bool
	}{
		{nil, false}, {[]api.Form{other}, false}, {[]api.Form{yes}, true},
		{[]api.Form{yes, other}, true}, {[]api.Form{yes, no}, false}, {[]api.Form{no, yes}, true},
	} {
		if unsafe(c.forms) != c.want {
			t.Errorf("%+v: %v", c.forms, !c.want)
		}
	}
}

// A look-up at everything is said in one word; any other names its kinds.
func TestKinds(t *testing.T) {
	if !slices.Equal(every, views.AllKinds) {
		t.Errorf("every kind is %v", views.AllKinds)
	}
	for want, shown := range map[string][]client.Kind{
		"alt som er registrert, og virksomhetens egne notater": {client.Notes, client.Scores, client.Progress, client.Use, client.Answers, client.Ratings},
		"utfylte skjemaer, bruk av tjenesten":                  {client.Scores, client.Use},
		"svar på oppgaver, svar på oppgaver":                   slices.Repeat([]client.Kind{client.Answers}, 2),
		"":                                                     nil,
	} {
		if got := kinds("nb", shown); got != want {
			t.Errorf("%v: got %q, want %q", shown, got, want)
		}
	}
}

// An answer goes by the part that it was given to, or by what a professional called it.
func TestTask(t *testing.T) {
	if got := task("nb", "sleep"); got != "Søvn" {
		t.Error(got)
	}
	if got := task("nb", "Om turen"); got != "Om turen" {
		t.Error(got)
	}
}

// The answers of a form stand in a row, with the one outside the score in brackets.
func TestNumbers(t *testing.T) {
	difficulty := 2
	for want, f := range map[string]api.Form{
		"1 0 3": {Items: []int{1, 0, 3}}, "1 (2)": {Items: []int{1}, Difficulty: &difficulty}, "": {},
	} {
		if got := numbers(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Every score falls into one band, and the bands have no gap.
func TestBands(t *testing.T) {
	for i, f := range journal.Forms {
		next := 0
		for _, b := range bands("nb", api.Form{Instrument: i, Severity: journal.Mild}) {
			if b.From != next || b.To < b.From || b.Words == "" {
				t.Errorf("%s: %+v, and %d was next", i, b, next)
			}
			if b.Here != (b.Words == severity("nb", journal.Mild)) {
				t.Errorf("%s: %+v", i, b)
			}
			next = b.To + 1
		}
		if next != 0 && next != f.Items*f.Highest+1 {
			t.Errorf("%s ends at %d", i, next-1)
		}
	}
}
