package journal

import (
	"samtykke/domain"
	"samtykke/domain/client"
)

// An Event is one fact of a client's journal.
type Event = domain.Event[Body]

// A Body is one of the types below and no other.
type Body interface{ fact() }

// Entered says who filled something in.
type Entered string

const (
	ByClient Entered = "client"
	Together Entered = "together"  // a professional, together with the client
	OnBehalf Entered = "on-behalf" // a professional, for the client
)

// Channel is what the client logged in through.
type Channel string

const (
	Web Channel = "web"
	App Channel = "app"
)

// LoggedIn: the client logged in. Browser and System are families ("Firefox", "Android"), used for analysis.
type LoggedIn struct {
	Channel Channel
	Browser string
	System  string
}

// TimeSpent: the client used the service for so long, with so many clicks, on a piece of content.
type TimeSpent struct {
	Content string
	Seconds int
	Clicks  int
}

// ContentOpened: the client opened a piece of content.
type ContentOpened struct{ Content string }

// ContentFinished: the client finished it.
type ContentFinished struct{ Content string }

// Answered: a question in the programme was answered.
type Answered struct {
	Task    string
	Text    string
	Entered Entered
}

// Assessed: a form was completed. Difficulty is the unscored last question, -1 where it was not answered or not asked.
type Assessed struct {
	Instrument Instrument
	Items      []int
	Difficulty int
	Score      int
	Severity   Severity
	Safety     bool
	Entered    Entered
}

// Rated: the client rated something inside the programme, from 1 to 5.
type Rated struct {
	Content string
	Stars   int
	Comment string
}

// CorrectionAsked: a correction was asked for. Whoever handles it sees Sender, the same for every request of one
// client and meaning nothing elsewhere; no reply can be sent. It is normally made by the start of the day after Due.
type CorrectionAsked struct {
	Request domain.ID
	Sender  domain.ID
	About   uint64 // the journal version that is wrong; 0: not said
	Text    string
	Due     domain.Date
	Through Entered // ByClient, or OnBehalf where the organisation passed it on
}

// CorrectionMade: the correction was made. What it corrects stays in the history.
type CorrectionMade struct {
	Request domain.ID
	Text    string
}

// ContentSent: a professional sent the client content or a task.
type ContentSent struct {
	Content string
	Task    string
}

// NoteWritten: a professional wrote a note of the organisation's own, or a draft of one. It is never shown as the
// client's, and the client finds it in the export, marked as what it is. A note with an id known before replaces it;
// every version stays.
type NoteWritten struct {
	Note  domain.ID
	Draft bool
	Text  string
}

// Feedback: somebody suggested a change or evaluated the service. It stands in a stream of its own and is linked to
// nobody: no client, no session, no address, and its instant is the start of the day.
type Feedback struct {
	Form  string
	Text  string
	Stars int // 0: not given
}

func (LoggedIn) fact()        {}
func (TimeSpent) fact()       {}
func (ContentOpened) fact()   {}
func (ContentFinished) fact() {}
func (Answered) fact()        {}
func (Assessed) fact()        {}
func (Rated) fact()           {}
func (CorrectionAsked) fact() {}
func (CorrectionMade) fact()  {}
func (ContentSent) fact()     {}
func (NoteWritten) fact()     {}
func (Feedback) fact()        {}

// KindOf is the kind of information that an event adds to, and so what a look-up must name to show it. Corrections
// belong to what they correct; they show with the answers.
func KindOf(b Body) client.Kind {
	switch b.(type) {
	case Assessed:
		return client.Scores
	case ContentOpened, ContentFinished, ContentSent:
		return client.Progress
	case LoggedIn, TimeSpent:
		return client.Use
	case Answered, CorrectionAsked, CorrectionMade:
		return client.Answers
	case Rated:
		return client.Ratings
	case NoteWritten:
		return client.Notes
	}
	return ""
}
