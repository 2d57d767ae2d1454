package projections

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// Registrations is everything registered about one client, up to a version of the journal: the client's own page, and
// what a professional is shown parts of. The document of a client id, kept sealed.
type Registrations struct {
	Version     uint64
	LastLogin   time.Time
	Logins      int
	Seconds     int
	Clicks      int
	Browsers    []string
	Systems     []string
	Resume      string // the content opened last
	Content     []Content
	Forms       []Form
	Answers     []Answer
	Ratings     []Rating
	Corrections []Correction
	Sent        []Sent
	Notes       []Note
}

// Content is a piece of content that the client opened.
type Content struct {
	Name     string
	Opened   time.Time
	Finished time.Time // zero: not yet
}

// A Form is a completed assessment.
type Form struct {
	At         time.Time
	Instrument journal.Instrument
	Items      []int
	Difficulty int
	Score      int
	Severity   journal.Severity
	Safety     bool
	Entered    journal.Entered
	By         domain.ID // the professional who entered it; zero: the client
}

// An Answer is an answer to a question of the programme.
type Answer struct {
	At      time.Time
	Task    string
	Text    string
	Entered journal.Entered
	By      domain.ID
}

// A Rating is the client's rating of a piece of content.
type Rating struct {
	At      time.Time
	Content string
	Stars   int
	Comment string
}

// A Correction is one that was asked for.
type Correction struct {
	Request domain.ID
	At      time.Time
	About   uint64
	Text    string
	Due     domain.Date
	Through journal.Entered
	Made    time.Time // zero: not yet
	Answer  string
}

// Sent is content or a task from a professional.
type Sent struct {
	At      time.Time
	Content string
	Task    string
	By      domain.ID
}

// A Note is a version of an organisation's own note: never the client's words.
type Note struct {
	Note  domain.ID
	At    time.Time
	By    domain.ID
	Draft bool
	Text  string
}

var registrations = View[Registrations]{
	Name:    "registrations",
	Version: 1,
	Keeping: SealedAlways,
	Key: func(f *Fact) (domain.ID, bool) {
		return f.Subject, f.Category == eventschema.JournalStream
	},
	Apply: register,
}

func register(r Registrations, f *Fact) Registrations {
	r.Version = f.Version
	at := f.Effective
	by := f.Act.Actor
	if f.Act.Role == domain.RoleClient {
		by = domain.ID{}
	}
	switch b := f.Body.(type) {
	case journal.LoggedIn:
		r.LastLogin = at
		r.Logins++
		r.Browsers, r.Systems = known(r.Browsers, b.Browser), known(r.Systems, b.System)
	case journal.TimeSpent:
		r.Seconds += b.Seconds
		r.Clicks += b.Clicks
	case journal.ContentOpened:
		r.Resume = b.Content
		if i := r.content(b.Content); i < 0 {
			r.Content = append(slices.Clip(r.Content), Content{Name: b.Content, Opened: at})
		}
	case journal.ContentFinished:
		r.Content = slices.Clone(r.Content)
		if i := r.content(b.Content); i >= 0 {
			r.Content[i].Finished = at
		} else {
			r.Content = append(r.Content, Content{Name: b.Content, Opened: at, Finished: at})
		}
	case journal.Assessed:
		r.Forms = append(slices.Clip(r.Forms), Form{
			At: at, Instrument: b.Instrument, Items: b.Items, Difficulty: b.Difficulty, Score: b.Score,
			Severity: b.Severity, Safety: b.Safety, Entered: b.Entered, By: by,
		})
	case journal.Answered:
		r.Answers = append(slices.Clip(r.Answers), Answer{at, b.Task, b.Text, b.Entered, by})
	case journal.Rated:
		r.Ratings = append(slices.Clip(r.Ratings), Rating{at, b.Content, b.Stars, b.Comment})
	case journal.CorrectionAsked:
		r.Corrections = append(slices.Clip(r.Corrections), Correction{
			Request: b.Request, At: at, About: b.About, Text: b.Text, Due: b.Due, Through: b.Through,
		})
	case journal.CorrectionMade:
		r.Corrections = slices.Clone(r.Corrections)
		for i := range r.Corrections {
			if r.Corrections[i].Request == b.Request {
				r.Corrections[i].Made, r.Corrections[i].Answer = at, b.Text
			}
		}
	case journal.ContentSent:
		r.Sent = append(slices.Clip(r.Sent), Sent{at, b.Content, b.Task, by})
	case journal.NoteWritten:
		r.Notes = append(slices.Clip(r.Notes), Note{b.Note, at, by, b.Draft, b.Text})
	}
	return r
}

func (r Registrations) content(name string) int {
	return slices.IndexFunc(r.Content, func(c Content) bool { return c.Name == name })
}

// known adds a word to a small sorted set.
func known(set []string, word string) []string {
	i, found := slices.BinarySearch(set, word)
	if found || word == "" {
		return set
	}
	return slices.Insert(slices.Clone(set), i, word)
}

// Format shows how much there is, and nothing of it.
func (r Registrations) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "registrations up to entry %d", r.Version)
}

// LogValue shows what Format does.
func (r Registrations) LogValue() slog.Value { return slog.AnyValue(fmt.Sprint(r)) }

// Only keeps what belongs to the kinds of information named.
func (r Registrations) Only(kinds []client.Kind) Registrations {
	shown := Registrations{Version: r.Version}
	for _, k := range kinds {
		switch k {
		case client.Scores:
			shown.Forms = r.Forms
		case client.Progress:
			shown.Content, shown.Resume, shown.Sent = r.Content, r.Resume, r.Sent
		case client.Use:
			shown.LastLogin, shown.Logins, shown.Seconds, shown.Clicks = r.LastLogin, r.Logins, r.Seconds, r.Clicks
			shown.Browsers, shown.Systems = r.Browsers, r.Systems
		case client.Answers:
			shown.Answers, shown.Corrections = r.Answers, r.Corrections
		case client.Ratings:
			shown.Ratings = r.Ratings
		case client.Notes:
			shown.Notes = r.Notes
		}
	}
	return shown
}
