package client

import (
	"html/template"
	"slices"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/journal"
)

// state is how sharing stands, in one line of a page.
type state struct {
	Organisation string
	Shared       bool
	Until        domain.Date
	Restricted   bool
}

// standing reads how sharing stands, with the question that is open.
func standing(r *api.Request) (api.Sharing, state, error) {
	s, err := r.ReadSharing(api.Language{Language: r.Lang()})
	if err != nil {
		return s, state{}, err
	}
	who, err := r.ReadSession(api.None{})
	return s, state{who.Organisation, s.Shared, day(s.Until), s.Restricted}, err
}

// day reads a day as the interface gives it; nothing is the zero day.
func day(s string) domain.Date {
	d, err := domain.ParseDate(s)
	if err != nil {
		return 0
	}
	return d
}

// The questions that can be open.
const (
	noQuestion       = "none"
	firstQuestionIs  = "first"
	followUpQuestion = "follow-up"
)

type homeView struct {
	State    state
	Asked    bool // the follow-up question is open
	Help     bool // show whom one can talk to
	Pieces   []piece
	Forms    []formLine // worth filling in now
	Progress []progress
}

// A piece is content to go on with.
type piece struct {
	ID, Name    string
	Description string    // "" where the catalogue does not have it
	Task        string    // in the words of who sent it
	Sent        time.Time // zero: found by the client itself
	Open        bool      // it can be marked as opened
	Finish      bool      // and as finished
	Last        bool      // where the client left off
	Next        bool      // the part that comes next
}

func pieceOf(lang, id string) piece {
	p := piece{ID: id, Name: content.Name(lang, id)}
	if c, ok := content.Find(id); ok {
		p.Description = c.In[lang].Description
	}
	return p
}

// progress is how one instrument has gone.
type progress struct {
	Title string
	Chart template.HTML
	Rows  []scored // newest first
	Note  string   // which way is better
	Open  bool     // the table is so short that it is shown
}

// scored is one completed form.
type scored struct {
	At       time.Time
	Score    int
	Highest  int
	Severity string // in plain words; "" where the instrument has no bands
}

var homePage = page.Must[homeView](files, "home")

func home(r *api.Request) (api.Reply, error) {
	sharing, s, err := standing(r)
	if err != nil {
		return api.Reply{}, err
	}
	if sharing.Question == firstQuestionIs {
		return api.GoTo("/first-question")
	}
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	forms := own.Registrations.Scores
	v := homeView{
		State: s, Asked: sharing.Question == followUpQuestion, Help: unsafe(forms), Pieces: pieces(r.Lang(), own.Registrations.Progress),
	}
	for _, l := range formLines(r, forms) {
		if l.Due {
			v.Forms = append(v.Forms, l)
		}
	}
	for _, i := range instruments {
		if p, ok := progressOf(r.Lang(), i, forms); ok {
			v.Progress = append(v.Progress, p)
		}
	}
	return page.Show(homePage, page.NewFrame(r, "client.home.title"), v)
}

// unsafe tells whether the latest form that asks about thoughts of death or self-harm was not answered with "not at all".
func unsafe(forms []api.Form) bool {
	for _, f := range slices.Backward(forms) {
		if journal.Forms[f.Instrument].Safety > 0 {
			return f.Safety
		}
	}
	return false
}

// pieces are what is not finished: what was opened last, then what was sent, newest first. Where nothing was left off, the programme's
// next part comes last.
func pieces(lang string, p *api.Progress) []piece {
	if p == nil {
		p = &api.Progress{}
	}
	var out []piece
	if c, ok := openedOf(p, p.Resume); ok && c.Finished == nil {
		last := pieceOf(lang, p.Resume)
		last.Finish, last.Last = true, true
		out = append(out, last)
	}
	for _, s := range slices.Backward(p.Sent) {
		c, opened := openedOf(p, s.Content)
		if c.Finished != nil && c.Finished.After(s.At) {
			continue
		}
		if i := slices.IndexFunc(out, func(x piece) bool { return x.ID == s.Content }); i < 0 {
			again := c.Finished != nil // finished before it was sent once more: whether it was opened since then is not told
			x := pieceOf(lang, s.Content)
			x.Task, x.Sent, x.Open, x.Finish = s.Task, s.At, !opened || again, opened
			out = append(out, x)
		} else if out[i].Sent.IsZero() {
			out[i].Task, out[i].Sent = s.Task, s.At
		}
	}
	if id := nextPart(p, out); id != "" {
		next := pieceOf(lang, id)
		next.Open, next.Next = true, true
		out = append(out, next)
	}
	return out
}

// openedOf finds what was opened.
func openedOf(p *api.Progress, id string) (api.OpenedContent, bool) {
	i := slices.IndexFunc(p.Content, func(c api.OpenedContent) bool { return c.Content == id })
	if i < 0 {
		return api.OpenedContent{}, false
	}
	return p.Content[i], true
}

// nextPart is the first part of the programme that was not opened and is not listed; "" where there is none, or one was left off.
func nextPart(p *api.Progress, listed []piece) string {
	if len(listed) > 0 && listed[0].Last {
		return ""
	}
	for _, c := range content.Parts() {
		_, opened := openedOf(p, c.ID)
		if !c.Task && !opened && !slices.ContainsFunc(listed, func(x piece) bool { return x.ID == c.ID }) {
			return c.ID
		}
	}
	return ""
}

// shortTable is how many rows stand open under a chart; more are folded away.
const shortTable = 5

func progressOf(lang string, i journal.Instrument, forms []api.Form) (progress, bool) {
	var c page.Curve
	c.Instrument = i
	p := progress{Title: title(lang, i), Note: page.Say(lang, "client.home.lower-better")}
	if len(journal.Forms[i].Bands) == 0 {
		p.Note = page.Say(lang, "client.home.higher-better")
	}
	for _, f := range forms {
		if f.Instrument == i {
			c.Points = append(c.Points, page.Point{At: f.At, Score: f.Score})
			p.Rows = append(p.Rows, scoredOf(lang, f))
		}
	}
	if len(c.Points) == 0 {
		return p, false
	}
	slices.Reverse(p.Rows)
	p.Open = len(p.Rows) <= shortTable
	p.Chart = c.Chart(lang, p.Title, page.Say(lang, "client.home.chart"))
	return p, true
}

func scoredOf(lang string, f api.Form) scored {
	form := journal.Forms[f.Instrument]
	return scored{At: f.At, Score: f.Score, Highest: form.Items * form.Highest, Severity: severity(lang, f.Severity)}
}
