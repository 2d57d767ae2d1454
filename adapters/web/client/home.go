package client

import (
	"html/template"
	"slices"
	"time"

	"samtykke/adapters/web/api"
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
	Name, Task string
	Sent       time.Time // zero: found by the client itself
	Open       bool      // it can be marked as opened
	Finish     bool      // and as finished
	Last       bool      // where the client left off
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
	v := homeView{State: s, Asked: sharing.Question == followUpQuestion, Help: unsafe(forms), Pieces: pieces(own.Registrations.Progress)}
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

// pieces are what is not finished: what was opened last, then what was sent, newest first.
func pieces(p *api.Progress) []piece {
	if p == nil {
		return nil
	}
	var out []piece
	listed := func(name string) int { return slices.IndexFunc(out, func(x piece) bool { return x.Name == name }) }
	content := func(name string) (api.OpenedContent, bool) {
		i := slices.IndexFunc(p.Content, func(c api.OpenedContent) bool { return c.Content == name })
		if i < 0 {
			return api.OpenedContent{}, false
		}
		return p.Content[i], true
	}
	if c, ok := content(p.Resume); ok && c.Finished == nil {
		out = append(out, piece{Name: p.Resume, Finish: true, Last: true})
	}
	for _, s := range slices.Backward(p.Sent) {
		c, opened := content(s.Content)
		if c.Finished != nil && c.Finished.After(s.At) {
			continue
		}
		if i := listed(s.Content); i < 0 {
			again := c.Finished != nil // finished before it was sent once more: whether it was opened since then is not told
			out = append(out, piece{Name: s.Content, Task: s.Task, Sent: s.At, Open: !opened || again, Finish: opened})
		} else if out[i].Sent.IsZero() {
			out[i].Task, out[i].Sent = s.Task, s.At
		}
	}
	return out
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

func openContent(r *api.Request) (api.Reply, error) {
	if _, err := r.OpenContent(api.Content{Content: r.Form("content")}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/home?done=content-opened")
}

func finishContent(r *api.Request) (api.Reply, error) {
	if _, err := r.FinishContent(api.Content{Content: r.Form("content")}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/home?done=content-finished")
}
