package professional

import (
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// instruments are in the order in which they are shown.
var instruments = []journal.Instrument{journal.PHQ9, journal.GAD7, journal.CheckIn}

// A verdict is what may be said of a change; none where no limit is published.
type verdict string

const (
	better    verdict = "better"
	worse     verdict = "worse"
	uncertain verdict = "uncertain" // it may be chance
)

// judge says what a change from one sum to another comes to. In forms with a limit, lower is better.
func judge(i journal.Instrument, first, last int) verdict {
	switch limit := journal.Forms[i].Reliable; {
	case limit == 0:
		return ""
	case first-last >= limit:
		return better
	case last-first >= limit:
		return worse
	}
	return uncertain
}

// shortNames are for where room is scarce.
var shortNames = map[journal.Instrument]page.Key{
	journal.PHQ9: "professional.short-phq-9", journal.GAD7: "professional.short-gad-7", journal.CheckIn: "professional.short-check-in",
}

var enteredNames = map[journal.Entered]page.Key{
	journal.Together: "professional.entered-together", journal.OnBehalf: "professional.entered-on-behalf",
}

// severity is the band in words; "" where the form has none.
func severity(lang string, s journal.Severity) string {
	if s == "" {
		return ""
	}
	return word(lang, "word.severity.", s)
}

// shown is what a look-up shows, as the page lays it out. A section that the look-up did not ask for is not there.
type shown struct {
	Purpose  string // in words
	Kinds    string // in words
	Since    domain.Date
	Safety   *safety
	Scores   bool
	LastForm time.Time
	Days     int // since then
	Overdue  bool
	Forms    []form
	Changes  []change
	Progress bool
	Resume   string
	Sent     []sent
	Content  []part
	Use      *use
	Answers  *answers
	Ratings  bool
	Rated    []rated
	Average  float64
	Notes    bool
	Written  []note
}

// safety is a form whose question on thoughts of death or self-harm was not answered with 0.
type safety struct {
	At   time.Time
	Last bool // no later form says otherwise
}

// form is one completed form, in words.
type form struct {
	At                            time.Time
	Instrument, Severity, Entered string
	Score, Of                     int // so many points of so many
	Items                         string
	Difficulty                    string // "" where it was not asked or not answered
	Safety, New                   bool
}

// change is an instrument over time: from the first form to the last.
type change struct {
	Instrument   string
	Count        int
	First, Last  form
	Fell, Rose   int // by so many points; below 0: the other way
	Verdict      verdict
	HigherIsWell bool
	Chart        template.HTML
	Forms        []form // the last one first
}

// sent is what was sent, with what the client has done with it since.
type sent struct {
	Name, Task string
	At         time.Time
	Done       done
	New        bool
}

// part is one of the programme that the client opened.
type part struct {
	ID, Name string
	Done     done
	New      bool
}

// done is how far the client is; zero times: not yet.
type done struct{ Opened, Finished time.Time }

type rated struct {
	Name string
	api.GivenRating
}

type use struct {
	LastLogin time.Time
	Logins    int
	Hours     int
	Minutes   int
}

type answers struct {
	Given       []givenAnswer // what is new, or the last ones
	Older       []givenAnswer
	Corrections []api.Correction
}

// lastAnswers is how many answers are shown open, if no more are new.
const lastAnswers = 5

type givenAnswer struct {
	At         time.Time
	Task, Text string
	Entered    string
	New        bool
}

// note is the latest version of one of the organisation's own notes.
type note struct {
	api.Note
	Versions int
}

// layOut makes what was looked up a page.
func layOut(lang string, l look, reg api.Registrations, today domain.Date) *shown {
	s := &shown{Purpose: word(lang, "word.purpose.", l.purpose), Since: l.since}
	var words []string
	for _, k := range l.kinds {
		words = append(words, word(lang, "word.kind.", k))
		switch k {
		case client.Scores:
			s.layScores(lang, reg.Scores, l, today)
		case client.Progress:
			s.layProgress(lang, reg.Progress, l)
		case client.Use:
			s.layUse(reg.Use)
		case client.Answers:
			s.Answers = &answers{Corrections: reg.Corrections}
			for _, a := range slices.Backward(reg.Answers) {
				given := givenAnswer{a.At, taskName(lang, a.Task), a.Text, enteredWords(lang, a.Entered), l.isNew(a.At)}
				if given.New || len(s.Answers.Given) < lastAnswers {
					s.Answers.Given = append(s.Answers.Given, given)
				} else {
					s.Answers.Older = append(s.Answers.Older, given)
				}
			}
		case client.Ratings:
			s.layRatings(lang, reg.Ratings)
		case client.Notes:
			s.Notes, s.Written = true, latest(reg.Notes)
		}
	}
	s.Kinds = strings.Join(words, ", ")
	return s
}

// taskName is what an answer is to: a part of the programme, or what a professional called it.
func taskName(lang, task string) string {
	if _, ok := content.Find(task); ok {
		return content.Name(lang, task)
	}
	return task
}

func (s *shown) layScores(lang string, all []api.Form, l look, today domain.Date) {
	s.Scores = true
	if n := len(all); n > 0 {
		s.LastForm, s.Days = all[n-1].At, daysSince(all[n-1].At, today)
		s.Overdue = overdue(s.LastForm, today)
	}
	if last := lastAsking(all); last != nil {
		for _, f := range slices.Backward(all) {
			if f.Safety {
				s.Safety = &safety{f.At, last.Safety}
				break
			}
		}
	}
	if l.purpose == client.Appointment || l.all {
		s.Forms = lastForms(lang, all, l)
	}
	if l.purpose == client.Effect || l.all {
		for _, i := range instruments {
			if c := changeOf(lang, i, all); c != nil {
				s.Changes = append(s.Changes, *c)
			}
		}
	}
}

// lastForms gives the last form of each instrument, and those that are new.
func lastForms(lang string, all []api.Form, l look) (forms []form) {
	seen := map[journal.Instrument]bool{}
	for _, f := range slices.Backward(all) {
		if !seen[f.Instrument] || l.isNew(f.At) {
			forms = append(forms, formOf(lang, f, l.isNew(f.At)))
		}
		seen[f.Instrument] = true
	}
	return forms
}

func formOf(lang string, f api.Form, isNew bool) form {
	items := make([]string, len(f.Items))
	for i, n := range f.Items {
		items[i] = strconv.Itoa(n)
	}
	kind := journal.Forms[f.Instrument]
	out := form{
		At: f.At, Instrument: word(lang, "word.instrument.", f.Instrument), Severity: severity(lang, f.Severity),
		Score: f.Score, Of: kind.Items * kind.Highest, Items: strings.Join(items, ", "), Safety: f.Safety, New: isNew,
		Entered: enteredWords(lang, f.Entered),
	}
	if f.Difficulty != nil {
		out.Difficulty = strconv.Itoa(*f.Difficulty)
	}
	return out
}

// enteredWords says who entered something; "" where it was the client itself.
func enteredWords(lang string, e journal.Entered) string {
	if key, ok := enteredNames[e]; ok {
		return page.Say(lang, key)
	}
	return ""
}

// changeOf compares the first form of an instrument with the last; nil: none was filled in.
func changeOf(lang string, i journal.Instrument, all []api.Form) *change {
	c := &change{Instrument: word(lang, "word.instrument.", i), HigherIsWell: i == journal.CheckIn}
	for _, f := range all {
		if f.Instrument == i {
			c.Forms = append(c.Forms, formOf(lang, f, false))
		}
	}
	if c.Count = len(c.Forms); c.Count == 0 {
		return nil
	}
	c.First, c.Last = c.Forms[0], c.Forms[c.Count-1]
	c.Fell, c.Rose = c.First.Score-c.Last.Score, c.Last.Score-c.First.Score
	c.Verdict = judge(i, c.First.Score, c.Last.Score)
	if c.Count > 1 {
		c.Chart = curveOf(i, all).Chart(lang, page.Say(lang, "professional.chart", "Instrument", c.Instrument),
			page.Say(lang, "professional.from-to", "From", c.First.Score, "FromDate", page.Date(lang, domain.DateOf(c.First.At)),
				"To", c.Last.Score, "ToDate", page.Date(lang, domain.DateOf(c.Last.At))))
	}
	slices.Reverse(c.Forms)
	return c
}

func (s *shown) layProgress(lang string, p *api.Progress, l look) {
	s.Progress = true
	if p == nil {
		return
	}
	if p.Resume != "" {
		s.Resume = content.Name(lang, p.Resume)
	}
	for _, c := range slices.Backward(p.Content) {
		x := part{ID: c.Content, Name: content.Name(lang, c.Content), Done: done{Opened: c.Opened}, New: l.isNew(c.Opened)}
		if c.Finished != nil {
			x.Done.Finished, x.New = *c.Finished, x.New || l.isNew(*c.Finished)
		}
		s.Content = append(s.Content, x)
	}
	for _, x := range slices.Backward(p.Sent) {
		y := sent{Name: content.Name(lang, x.Content), Task: x.Task, At: x.At, New: l.isNew(x.At)}
		if i := slices.IndexFunc(s.Content, func(c part) bool { return c.ID == x.Content }); i >= 0 {
			y.Done = s.Content[i].Done
		}
		s.Sent = append(s.Sent, y)
	}
}

func (s *shown) layUse(u *api.Used) {
	s.Use = &use{}
	if u == nil {
		return
	}
	minutes := (u.Seconds + 30) / 60
	s.Use.Logins, s.Use.Hours, s.Use.Minutes = u.Logins, minutes/60, minutes%60
	if u.LastLogin != nil {
		s.Use.LastLogin = *u.LastLogin
	}
}

func (s *shown) layRatings(lang string, all []api.GivenRating) {
	s.Ratings = true
	stars := 0
	for _, g := range slices.Backward(all) {
		s.Rated = append(s.Rated, rated{content.Name(lang, g.Content), g})
		stars += g.Stars
	}
	if len(all) > 0 {
		s.Average = float64(stars) / float64(len(all))
	}
}

// latest gives the last version of each note, the newest first.
func latest(all []api.Note) (notes []note) {
	for _, n := range slices.Backward(all) {
		i := slices.IndexFunc(notes, func(x note) bool { return x.Note.Note == n.Note })
		if i < 0 {
			notes = append(notes, note{n, 1})
			continue
		}
		notes[i].Versions++
	}
	return notes
}
