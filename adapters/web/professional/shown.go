package professional

import (
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// instruments are in the order in which they are shown.
var instruments = []journal.Instrument{journal.PHQ9, journal.GAD7, journal.CheckIn}

// reliable is by how many points a sum has to change before the change is taken for more than the form's own uncertainty. They are the
// limits of NHS Talking Therapies (IAPT), which come of the index of Jacobson and Truax (1991): NHS Talking Therapies for anxiety and
// depression manual; Gyani, Shafran, Layard, Clark: Enhancing recovery rates: lessons from year one of IAPT, Behaviour Research and
// Therapy 51 (2013) 597-606. Of the service's own form no limit is published.
var reliable = map[journal.Instrument]int{journal.PHQ9: 6, journal.GAD7: 4}

var instrumentNames = map[journal.Instrument]page.Key{
	journal.PHQ9: "professional.instrument-phq-9", journal.GAD7: "professional.instrument-gad-7", journal.CheckIn: "professional.instrument-check-in",
}

var severityNames = map[journal.Severity]page.Key{
	journal.Minimal: "professional.severity-minimal", journal.Mild: "professional.severity-mild", journal.Moderate: "professional.severity-moderate",
	journal.ModeratelySevere: "professional.severity-moderately-severe", journal.Severe: "professional.severity-severe",
}

var enteredNames = map[journal.Entered]page.Key{
	journal.ByClient: "professional.entered-client", journal.Together: "professional.entered-together", journal.OnBehalf: "professional.entered-on-behalf",
}

// instrument is the form's name in words.
func instrument(r *api.Request, i journal.Instrument) string { return say(r, instrumentNames[i]) }

// severity is the band in words; "" where the form has none.
func severity(r *api.Request, s journal.Severity) string {
	if s == "" {
		return ""
	}
	return say(r, severityNames[s])
}

// shown is what a look-up shows, as the page lays it out. A section that the look-up did not ask for is not there.
type shown struct {
	Purpose    string // in words
	Kinds      string // in words
	Since      domain.Date
	Safety     *safety
	Scores     bool
	LastForm   time.Time
	Days       int // since then
	Overdue    bool
	Forms      []form
	Changes    []change
	Progress   bool
	Resume     string
	Sent       []sent
	Content    []content
	Use        *use
	Answers    *answers
	Ratings    bool
	Rated      []api.GivenRating
	Average    float64
	Notes      bool
	Written    []note
	Everything bool
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
	Score                         int
	Items                         string
	Difficulty                    string // "" where it was not asked or not answered
	Safety, New                   bool
}

// change is an instrument over time: from the first form to the last.
type change struct {
	Instrument                  string
	Count                       int
	First, Last                 form
	Points                      int // by so many it fell; below 0: it rose
	Rose                        int
	Limit                       int // of reliable change; 0: none is published
	Better, Worse, HigherIsWell bool
	Chart                       template.HTML
	Forms                       []form
}

// sent is what was sent, with what the client has done with it since.
type sent struct {
	api.SentContent
	Opened, Finished time.Time
	New              bool
}

// content is what the client opened.
type content struct {
	api.OpenedContent
	Done time.Time // zero: not finished
	New  bool
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
func layOut(r *api.Request, l look, reg api.Registrations) *shown {
	today := domain.DateOf(r.Now())
	s := &shown{Purpose: say(r, purposes[l.purpose].name), Since: l.since, Everything: l.all}
	var words []string
	for _, k := range l.kinds {
		words = append(words, say(r, kindNames[k]))
		switch k {
		case client.Scores:
			s.layScores(r, reg.Scores, l, today)
		case client.Progress:
			s.layProgress(reg.Progress, l)
		case client.Use:
			s.layUse(reg.Use)
		case client.Answers:
			s.Answers = &answers{Corrections: reg.Corrections}
			for _, a := range slices.Backward(reg.Answers) {
				given := givenAnswer{a.At, a.Task, a.Text, enteredWords(r, a.Entered), l.isNew(a.At)}
				if given.New || len(s.Answers.Given) < lastAnswers {
					s.Answers.Given = append(s.Answers.Given, given)
				} else {
					s.Answers.Older = append(s.Answers.Older, given)
				}
			}
		case client.Ratings:
			s.layRatings(reg.Ratings)
		case client.Notes:
			s.Notes, s.Written = true, latest(reg.Notes)
		}
	}
	s.Kinds = strings.Join(words, ", ")
	return s
}

func (s *shown) layScores(r *api.Request, all []api.Form, l look, today domain.Date) {
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
		s.Forms = lastForms(r, all, l)
	}
	if l.purpose == client.Effect || l.all {
		for _, i := range instruments {
			if c := changeOf(r, i, all); c != nil {
				s.Changes = append(s.Changes, *c)
			}
		}
	}
}

// lastForms gives the last form of each instrument, and those that are new.
func lastForms(r *api.Request, all []api.Form, l look) (forms []form) {
	seen := map[journal.Instrument]bool{}
	for _, f := range slices.Backward(all) {
		if !seen[f.Instrument] || l.isNew(f.At) {
			forms = append(forms, formOf(r, f, l.isNew(f.At)))
		}
		seen[f.Instrument] = true
	}
	return forms
}

func formOf(r *api.Request, f api.Form, isNew bool) form {
	items := make([]string, len(f.Items))
	for i, n := range f.Items {
		items[i] = strconv.Itoa(n)
	}
	out := form{
		At: f.At, Instrument: instrument(r, f.Instrument), Severity: severity(r, f.Severity), Score: f.Score,
		Items: strings.Join(items, ", "), Safety: f.Safety, New: isNew, Entered: enteredWords(r, f.Entered),
	}
	if f.Difficulty != nil {
		out.Difficulty = strconv.Itoa(*f.Difficulty)
	}
	return out
}

// enteredWords says who entered something; "" where it was the client itself.
func enteredWords(r *api.Request, e journal.Entered) string {
	if e == journal.ByClient {
		return ""
	}
	return say(r, enteredNames[e])
}

// changeOf compares the first form of an instrument with the last; nil: none was filled in.
func changeOf(r *api.Request, i journal.Instrument, all []api.Form) *change {
	c := &change{Instrument: instrument(r, i), Limit: reliable[i], HigherIsWell: i == journal.CheckIn}
	for _, f := range all {
		if f.Instrument == i {
			c.Forms = append(c.Forms, formOf(r, f, false))
		}
	}
	if c.Count = len(c.Forms); c.Count == 0 {
		return nil
	}
	c.First, c.Last = c.Forms[0], c.Forms[c.Count-1]
	c.Points = c.First.Score - c.Last.Score
	c.Rose = -c.Points
	c.Better, c.Worse = c.Limit > 0 && c.Points >= c.Limit, c.Limit > 0 && c.Rose >= c.Limit
	if c.Count > 1 {
		lang := r.Lang()
		c.Chart = curveOf(i, all).Chart(lang, say(r, "professional.chart", "Instrument", c.Instrument),
			say(r, "professional.from-to", "From", c.First.Score, "FromDate", page.Date(lang, domain.DateOf(c.First.At)),
				"To", c.Last.Score, "ToDate", page.Date(lang, domain.DateOf(c.Last.At))))
	}
	slices.Reverse(c.Forms)
	return c
}

func (s *shown) layProgress(p *api.Progress, l look) {
	s.Progress = true
	if p == nil {
		return
	}
	s.Resume = p.Resume
	for _, c := range slices.Backward(p.Content) {
		x := content{OpenedContent: c, New: l.isNew(c.Opened)}
		if c.Finished != nil {
			x.Done, x.New = *c.Finished, x.New || l.isNew(*c.Finished)
		}
		s.Content = append(s.Content, x)
	}
	for _, x := range slices.Backward(p.Sent) {
		done := sent{SentContent: x, New: l.isNew(x.At)}
		for _, c := range s.Content {
			if c.Content == x.Content {
				done.Opened, done.Finished = c.Opened, c.Done
			}
		}
		s.Sent = append(s.Sent, done)
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

func (s *shown) layRatings(all []api.GivenRating) {
	s.Ratings = true
	stars := 0
	for _, g := range slices.Backward(all) {
		s.Rated = append(s.Rated, g)
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
