// Package journal is what is registered about one client, as a stream: logins and time spent, content seen and
// finished, answers, forms with their scores, ratings, corrections, what the organisation sent, and the organisation's
// own notes. Every event is sealed whole under the client's key, its instants and its author included; erasure removes
// the stream.
//
// Who may read it is decided in the client's stream and nowhere else. A professional who enters something together
// with the client or on its behalf has been let in there first, by a look-up (package client); the entry says who entered it
// and how. Sending content, passing on a correction and writing a note show nothing registered, and need no look-up.
//
// # Nothing that identifies
//
// What people write is free text: answers, comments, corrections, notes, suggestions. A text that looks as if it held a national
// identity number, an e-mail address or a phone number is refused before anything is recorded, whoever wrote it, and the
// refusal names the kind and never the text. See Identifying.
//
// # Feedback
//
// Suggestions and evaluations are linked to nobody. Each stands alone in a stream of its own, decided by Suggest. One link
// remains that no field makes: its place in the ledger's total order, beside what others did at the same moment. Only whoever
// holds the files sees it.
package journal

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// State is what deciding needs of a journal.
type State struct {
	Version   uint64
	LastLogin time.Time
	Sender    domain.ID   // the pseudonym that corrections are asked under
	Open      []domain.ID // corrections asked for and not made
	Notes     []domain.ID
}

// Evolve folds one event into the state.
func Evolve(s State, e Event) State {
	s.Version++
	switch b := e.Body.(type) {
	case LoggedIn:
		s.LastLogin = e.Effective
	case CorrectionAsked:
		s.Sender = b.Sender
		s.Open = append(slices.Clip(s.Open), b.Request)
	case CorrectionMade:
		s.Open = slices.DeleteFunc(slices.Clone(s.Open), func(id domain.ID) bool { return id == b.Request })
	case NoteWritten:
		if !slices.Contains(s.Notes, b.Note) {
			s.Notes = append(slices.Clip(s.Notes), b.Note)
		}
	case nil, TimeSpent, ContentOpened, ContentFinished, Answered, Assessed, Rated, ContentSent, Feedback:
	default:
		panic(fmt.Sprintf("journal.Evolve has no case for %T", b))
	}
	return s
}

// A Command is one of the types below and no other.
type Command interface{ command() }

type (
	// LogIn records a login.
	LogIn struct {
		Channel         Channel
		Browser, System string
	}
	// SpendTime records use.
	SpendTime struct {
		Content         string
		Seconds, Clicks int
	}
	// Open records that content was opened.
	Open struct{ Content string }
	// Finish records that it was finished.
	Finish struct{ Content string }
	// Answer answers a question of the programme.
	Answer struct {
		Task, Text string
		Entered    Entered
	}
	// Assess completes a form. Difficulty is -1 where it was not answered.
	Assess struct {
		Instrument Instrument
		Items      []int
		Difficulty int
		Entered    Entered
	}
	// Rate rates content.
	Rate struct {
		Content string
		Stars   int
		Comment string
	}
	// AskCorrection asks for a correction. Sender is used for the client's first one and ignored afterwards.
	AskCorrection struct {
		Request, Sender domain.ID
		About           uint64
		Text            string
	}
	// MakeCorrection makes it.
	MakeCorrection struct {
		Request domain.ID
		Text    string
	}
	// Send sends content or a task.
	Send struct{ Content, Task string }
	// WriteNote writes a note or a draft.
	WriteNote struct {
		Note  domain.ID
		Draft bool
		Text  string
	}
)

func (LogIn) command()          {}
func (SpendTime) command()      {}
func (Open) command()           {}
func (Finish) command()         {}
func (Answer) command()         {}
func (Assess) command()         {}
func (Rate) command()           {}
func (AskCorrection) command()  {}
func (MakeCorrection) command() {}
func (Send) command()           {}
func (WriteNote) command()      {}

// The codes of refusals.
const (
	BadInput  = "bad-input"
	NotYours  = "not-allowed"
	NoRequest = "no-such-request"
	TellsWho  = "identifying" // the text looks as if it told who somebody is
)

// Longest is the largest free text, in bytes.
const Longest = 8 << 10

// Decider decides for journals.
var Decider = domain.Decider[Command, Event, State]{Decide: decide, Evolve: Evolve}

func decide(a domain.Act, s State, c Command) ([]Event, error) {
	b, err := body(a, s, c)
	if err != nil {
		return nil, err
	}
	return []Event{{Act: a, Effective: a.At, Rule: rules.General, Body: b}}, nil
}

func body(a domain.Act, s State, c Command) (Body, error) {
	professional := a.Role == domain.RoleProfessional || a.Role == domain.RoleSuperuser
	own := a.Role == domain.RoleClient
	switch c := c.(type) {
	case LogIn:
		return LoggedIn(c), check(own, text(c.Browser, 0), text(c.System, 0), oneOf(c.Channel, Web, App))
	case SpendTime:
		return TimeSpent(c), check(own, text(c.Content, 0), within("Seconds", c.Seconds, 0, 86400), within("Clicks", c.Clicks, 0, 1e6))
	case Open:
		return ContentOpened(c), check(own, text(c.Content, 1))
	case Finish:
		return ContentFinished(c), check(own, text(c.Content, 1))
	case Rate:
		return Rated(c), check(own, text(c.Content, 1), words(c.Comment, 0), within("A rating", c.Stars, 1, 5))
	case Answer:
		return Answered(c), check(entered(c.Entered, own, professional), text(c.Task, 1), words(c.Text, 0))
	case Assess:
		return assess(c, entered(c.Entered, own, professional))
	case AskCorrection:
		asked := askCorrection(a, s, c)
		last := s.Version
		if !own {
			last = 0 // how much there is in the journal is not for an organisation to try out
		}
		return asked, check(own || professional, named(asked.Request), named(asked.Sender), words(c.Text, 1), about(c.About, last))
	case MakeCorrection:
		return CorrectionMade(c), check(a.Role == domain.RoleEmployee, open(s, c.Request), words(c.Text, 1))
	case Send:
		return ContentSent(c), check(professional, text(c.Content, 1), text(c.Task, 0))
	case WriteNote:
		return NoteWritten(c), check(professional, named(c.Note), words(c.Text, 1))
	}
	panic("unreachable unless a command has no case")
}

func assess(c Assess, allowed bool) (Body, error) {
	score, err := c.Instrument.Score(c.Items)
	return Assessed{
		Instrument: c.Instrument, Items: slices.Clone(c.Items), Difficulty: c.Difficulty,
		Score: score.Sum, Severity: score.Severity, Safety: score.Safety, Entered: c.Entered,
	}, check(allowed, err, difficulty(c))
}

func difficulty(c Assess) error {
	if c.Difficulty != -1 && !Forms[c.Instrument].Difficulty {
		return domain.Refuse(BadInput, "This form has no question on difficulty.")
	}
	return within("The question on difficulty", c.Difficulty, -1, 3)
}

func askCorrection(a domain.Act, s State, c AskCorrection) CorrectionAsked {
	through, sender := OnBehalf, s.Sender
	if a.Role == domain.RoleClient {
		through = ByClient
	}
	if sender.IsZero() {
		sender = c.Sender
	}
	return CorrectionAsked{
		Request: c.Request, Sender: sender, About: c.About, Text: c.Text, Through: through,
		Due: domain.DateOf(a.At).AddWorkingDays(rules.CorrectionDays),
	}
}

// entered tells whether the actor may enter in that way.
func entered(how Entered, own, professional bool) bool {
	switch how {
	case ByClient:
		return own
	case Together, OnBehalf:
		return professional
	}
	return false
}

// check gives the first refusal: not allowed, then what is wrong with the input.
func check(allowed bool, input ...error) error {
	if !allowed {
		return domain.Refuse(NotYours, "This cannot be entered in this role.")
	}
	for _, err := range input {
		if err != nil {
			return err
		}
	}
	return nil
}

func text(s string, least int) error {
	switch {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return domain.Refuse(BadInput, "The text has characters that cannot be stored.")
	case len(s) > Longest:
		return domain.Refuse(BadInput, fmt.Sprintf("The text is too long: at most %d bytes.", Longest))
	case len(strings.TrimSpace(s)) < least:
		return domain.Refuse(BadInput, "The text is empty.")
	}
	return nil
}

// words is text that people write, where nothing may tell who somebody is.
func words(s string, least int) error {
	if err := text(s, least); err != nil {
		return err
	}
	return unnamed(s)
}

func within(what string, n, least, most int) error {
	if n < least || n > most {
		return domain.Refuse(BadInput, fmt.Sprintf("%s goes from %d to %d.", what, least, most))
	}
	return nil
}

func named(id domain.ID) error {
	if id.IsZero() {
		return domain.Refuse(BadInput, "An id is missing.")
	}
	return nil
}

func open(s State, request domain.ID) error {
	if !slices.Contains(s.Open, request) {
		return domain.Refuse(NoRequest, "There is no such request, or it is done.")
	}
	return nil
}

func about(version, last uint64) error {
	if version > last {
		return domain.Refuse(BadInput, "There is no such entry to correct.")
	}
	return nil
}

func oneOf[T comparable](v T, allowed ...T) error {
	if !slices.Contains(allowed, v) {
		return domain.Refuse(BadInput, "This choice is not known.")
	}
	return nil
}

// Suggest is the decider of feedback: one event in a stream of its own, linked to nobody. It takes nothing from the act
// but the day.
var Suggest = domain.Decider[Feedback, Event, State]{
	Decide: func(a domain.Act, s State, f Feedback) ([]Event, error) {
		if err := check(true, text(f.Form, 1), words(f.Text, 1), within("A rating", f.Stars, 0, 5)); err != nil {
			return nil, err
		}
		day := domain.DateOf(a.At).Start()
		return []Event{{Act: domain.Act{At: day, Text: a.Text}, Effective: day, Rule: rules.General, Body: f}}, nil
	},
	Evolve: Evolve,
}
