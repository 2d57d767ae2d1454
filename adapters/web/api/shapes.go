package api

import (
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/projections"
)

// What goes over the wire. The shapes are apart from those that are stored: either may change without the other. A field
// without omitempty or omitzero is always there, in requests as in answers.

// None is a request or an answer without content.
type None struct{}

// A Session is who the caller is signed in as.
type Session struct {
	Role         domain.Role `json:"role"`
	Organisation string      `json:"organisation,omitempty" jsonschema_description:"The organisation's name."`
	Name         string      `json:"name,omitempty" jsonschema_description:"The member of staff's own name."`
	Since        time.Time   `json:"since"`
	IdleAt       time.Time   `json:"idleAt" jsonschema_description:"When the session ends unless it is used before."`
	EndsAt       time.Time   `json:"endsAt" jsonschema_description:"When it ends however much it is used."`
	Token        string      `json:"token,omitempty" jsonschema_description:"For an app: to be sent as Authorization: Bearer. A browser gets a cookie instead."`
}

// SignInByCode lets a client in.
type SignInByCode struct {
	Code    string          `json:"code" jsonschema_description:"As it stands on the slip; spaces, hyphens and small letters do not matter."`
	Channel journal.Channel `json:"channel"`
	Browser string          `json:"browser,omitempty" jsonschema:"maxLength=60" jsonschema_description:"Family of the browser, such as Firefox. Not a version."`
	System  string          `json:"system,omitempty" jsonschema:"maxLength=60" jsonschema_description:"Family of the operating system, such as Android."`
}

// SignInByPassword lets a member of staff in.
type SignInByPassword struct {
	Login    string `json:"login" jsonschema:"maxLength=254" jsonschema_description:"The e-mail address that the invitation was made for."`
	Password string `json:"password" jsonschema:"maxLength=512"`
	OneTime  string `json:"oneTimeCode" jsonschema:"maxLength=20" jsonschema_description:"Six digits from the authenticator."`
	Channel  string `json:"channel" jsonschema:"enum=web,enum=app"`
}

// StepUp proves once more who the member of staff is.
type StepUp struct {
	Password string `json:"password" jsonschema:"maxLength=512"`
	OneTime  string `json:"oneTimeCode" jsonschema:"maxLength=20"`
}

// OpenInvitation is the invitation with its confirmation, which came by another medium.
type OpenInvitation struct {
	Invitation   string `json:"invitation" jsonschema:"maxLength=100"`
	Confirmation string `json:"confirmation" jsonschema:"maxLength=40"`
	Language     string `json:"language,omitempty" jsonschema:"enum=nb,enum=nn,enum=en"`
}

// Authenticator is what an authenticator app needs. It is shown while an invitation is open and never again.
type Authenticator struct {
	Secret      string `json:"secret" jsonschema_description:"Base32."`
	URI         string `json:"uri" jsonschema_description:"otpauth address, for a QR code."`
	Declaration Text   `json:"declaration" jsonschema_description:"The declaration of confidentiality that is signed with the acceptance."`
}

// AcceptInvitation sets the password, shows by a one-time code that the authenticator works, and signs the declaration.
type AcceptInvitation struct {
	Invitation   string `json:"invitation" jsonschema:"maxLength=100"`
	Confirmation string `json:"confirmation" jsonschema:"maxLength=40"`
	Password     string `json:"password" jsonschema:"maxLength=512"`
	OneTime      string `json:"oneTimeCode" jsonschema:"maxLength=20"`
	Declaration  Shown  `json:"declaration" jsonschema_description:"Which declaration of confidentiality was read and is signed hereby."`
}

// Text is a wording that is shown.
type Text struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Language string `json:"language" jsonschema:"enum=nb,enum=nn,enum=en"`
	Wording  string `json:"wording"`
}

// Shown names the wording that was shown.
type Shown struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Language string `json:"language" jsonschema:"enum=nb,enum=nn,enum=en"`
}

// Sharing is the client's own state of sharing.
type Sharing struct {
	Shared     bool   `json:"shared"`
	Until      string `json:"until,omitempty" jsonschema:"format=date" jsonschema_description:"The last day on which sharing holds, unless there is a new yes."`
	Question   string `json:"question" jsonschema:"enum=none,enum=first,enum=follow-up" jsonschema_description:"The question that is open."`
	Restricted bool   `json:"restricted"`
	Yes        *Terms `json:"yes,omitempty" jsonschema_description:"What a yes of today would lead to. Not there: the service is not offered today."`
	Text       Text   `json:"text" jsonschema_description:"What to show with the question, or under Settings."`
}

// Terms are how long a yes holds.
type Terms struct {
	Until     string `json:"until" jsonschema:"format=date" jsonschema_description:"The last day on which it holds."`
	AskedFrom string `json:"askedFrom,omitempty" jsonschema:"format=date" jsonschema_description:"The day from which the client is asked whether follow-up goes on; not there: never."`
}

// Notices are how a client is told that something waits.
type Notices struct {
	Recipient string `json:"recipient,omitempty" jsonschema:"pattern=^[0-9a-f]{32}$" jsonschema_description:"A pseudonym, the same for as long as the account lasts. Not there: no notices are given."`
}

// Language asks for a language.
type Language struct {
	Language string `json:"language,omitempty" jsonschema:"enum=nb,enum=nn,enum=en" jsonschema_description:"bokmål, if not given."`
}

// AnswerShare answers the first question, or shares or stops sharing under Settings.
type AnswerShare struct {
	Share    bool            `json:"share"`
	Occasion client.Occasion `json:"occasion"`
	Text     Shown           `json:"text"`
}

// AnswerFollowUp answers whether follow-up still goes on.
type AnswerFollowUp struct {
	Yes  bool  `json:"yes"`
	Text Shown `json:"text"`
}

// NewCode is a code that has not replaced the old one yet. It is shown once.
type NewCode struct {
	Code string `json:"code"`
}

// TypedCode is the new code as typed back.
type TypedCode struct {
	Code string `json:"code" jsonschema:"maxLength=100"`
}

// LookUpQuestion asks about one look-up, by its number among the caller's own.
type LookUpQuestion struct {
	Number uint64 `json:"number" jsonschema:"minimum=1"`
}

// Erased says that everything about the caller is erased.
type Erased struct {
	InCopiesUntil string `json:"inCopiesUntil" jsonschema_description:"Copies for safety from before can be opened by nobody from this day on."`
}

// Assessment is a form filled in.
type Assessment struct {
	Instrument journal.Instrument `json:"instrument"`
	Items      []int              `json:"items" jsonschema:"maxItems=50"`
	Difficulty *int               `json:"difficulty,omitempty" jsonschema:"minimum=0,maximum=3"`
}

// Answer is an answer to a question of the programme.
type Answer struct {
	Task string `json:"task" jsonschema:"maxLength=200"`
	Text string `json:"text"`
}

// Rating rates a piece of content.
type Rating struct {
	Content string `json:"content" jsonschema:"maxLength=200"`
	Stars   int    `json:"stars" jsonschema:"minimum=1,maximum=5"`
	Comment string `json:"comment,omitempty"`
}

// Content names a piece of content.
type Content struct {
	Content string `json:"content" jsonschema:"maxLength=200"`
}

// Use is time spent.
type Use struct {
	Content string `json:"content" jsonschema:"maxLength=200"`
	Seconds int    `json:"seconds" jsonschema:"minimum=0"`
	Clicks  int    `json:"clicks" jsonschema:"minimum=0"`
}

// AskCorrection asks for a correction.
type AskCorrection struct {
	Entry uint64 `json:"entry,omitempty" jsonschema_description:"The number of the entry that is wrong; 0: not said."`
	Text  string `json:"text"`
}

// Requested is a request with its number.
type Requested struct {
	Request domain.ID `json:"request"`
}

// Feedback is a suggestion or an evaluation, linked to nobody.
type Feedback struct {
	Form  string `json:"form" jsonschema:"enum=suggest-changes,enum=evaluation"`
	Text  string `json:"text"`
	Stars int    `json:"stars,omitempty" jsonschema:"minimum=0,maximum=5"`
}

// Instrument is a form that can be filled in.
type Instrument struct {
	Instrument journal.Instrument `json:"instrument"`
	Items      int                `json:"items" jsonschema_description:"How many items."`
	Highest    int                `json:"highest" jsonschema_description:"The highest answer to each; the lowest is 0."`
	Difficulty bool               `json:"difficulty" jsonschema_description:"Whether it asks about difficulty, 0 to 3, outside the score."`
}

// Registrations is what is registered about one client. Of a look-up, only the kinds that it names are there.
type Registrations struct {
	Version     uint64        `json:"version" jsonschema_description:"How many entries are shown of."`
	Scores      []Form        `json:"scores,omitzero"`
	Progress    *Progress     `json:"progress,omitempty"`
	Use         *Used         `json:"use,omitempty"`
	Answers     []GivenAnswer `json:"answers,omitzero"`
	Corrections []Correction  `json:"corrections,omitzero"`
	Ratings     []GivenRating `json:"ratings,omitzero"`
	Notes       []Note        `json:"notes,omitzero" jsonschema_description:"The organisation's own notes: never the client's words."`
}

// Form is a completed form.
type Form struct {
	At         time.Time          `json:"at"`
	Instrument journal.Instrument `json:"instrument"`
	Items      []int              `json:"items"`
	Difficulty *int               `json:"difficulty,omitempty"`
	Score      int                `json:"score"`
	Severity   journal.Severity   `json:"severity,omitempty"`
	Safety     bool               `json:"safety" jsonschema_description:"The item on thoughts of death or self-harm was not answered with 0."`
	Entered    journal.Entered    `json:"entered"`
}

// Progress is content opened, finished and sent.
type Progress struct {
	Resume  string          `json:"resume,omitempty" jsonschema_description:"The content opened last."`
	Content []OpenedContent `json:"content"`
	Sent    []SentContent   `json:"sent"`
}

// OpenedContent is a piece of content that the client opened.
type OpenedContent struct {
	Content  string     `json:"content"`
	Opened   time.Time  `json:"opened"`
	Finished *time.Time `json:"finished,omitempty"`
}

// SentContent is content or a task from a professional.
type SentContent struct {
	At      time.Time `json:"at"`
	Content string    `json:"content"`
	Task    string    `json:"task,omitempty"`
}

// Used is logins and time spent.
type Used struct {
	LastLogin *time.Time `json:"lastLogin,omitempty"`
	Logins    int        `json:"logins"`
	Seconds   int        `json:"seconds"`
	Clicks    int        `json:"clicks"`
	Browsers  []string   `json:"browsers"`
	Systems   []string   `json:"systems"`
}

// GivenAnswer is an answer that was given.
type GivenAnswer struct {
	At      time.Time       `json:"at"`
	Task    string          `json:"task"`
	Text    string          `json:"text"`
	Entered journal.Entered `json:"entered"`
}

// Correction is a correction that was asked for.
type Correction struct {
	Request domain.ID       `json:"request"`
	At      time.Time       `json:"at"`
	Entry   uint64          `json:"entry,omitempty"`
	Text    string          `json:"text"`
	Due     domain.Date     `json:"due" jsonschema_description:"The last day by which it is normally made."`
	Through journal.Entered `json:"through"`
	Made    *time.Time      `json:"made,omitempty"`
	Answer  string          `json:"answer,omitempty"`
}

// GivenRating is a rating that was given.
type GivenRating struct {
	At      time.Time `json:"at"`
	Content string    `json:"content"`
	Stars   int       `json:"stars"`
	Comment string    `json:"comment,omitempty"`
}

// Note is a version of an organisation's own note.
type Note struct {
	Note  domain.ID `json:"note"`
	At    time.Time `json:"at"`
	Draft bool      `json:"draft"`
	Text  string    `json:"text"`
}

// registrationsOf shows the kinds named; nil: all.
func registrationsOf(r projections.Registrations, kinds []client.Kind) Registrations {
	out := Registrations{Version: r.Version}
	for _, k := range kinds {
		switch k {
		case client.Scores:
			out.Scores = mapped(r.Forms, func(f projections.Form) Form {
				g := Form{At: f.At, Instrument: f.Instrument, Items: f.Items, Score: f.Score, Severity: f.Severity, Safety: f.Safety, Entered: f.Entered}
				if f.Difficulty >= 0 {
					g.Difficulty = &f.Difficulty
				}
				return g
			})
		case client.Progress:
			out.Progress = &Progress{
				Resume: r.Resume,
				Content: mapped(r.Content, func(c projections.Content) OpenedContent {
					return OpenedContent{c.Name, c.Opened, instant(c.Finished)}
				}),
				Sent: mapped(r.Sent, func(s projections.Sent) SentContent { return SentContent{s.At, s.Content, s.Task} }),
			}
		case client.Use:
			out.Use = &Used{instant(r.LastLogin), r.Logins, r.Seconds, r.Clicks, list(r.Browsers), list(r.Systems)}
		case client.Answers:
			out.Answers = mapped(r.Answers, func(a projections.Answer) GivenAnswer { return GivenAnswer{a.At, a.Task, a.Text, a.Entered} })
			out.Corrections = mapped(r.Corrections, func(c projections.Correction) Correction {
				return Correction{c.Request, c.At, c.About, c.Text, c.Due, c.Through, instant(c.Made), c.Answer}
			})
		case client.Ratings:
			out.Ratings = mapped(r.Ratings, func(g projections.Rating) GivenRating { return GivenRating{g.At, g.Content, g.Stars, g.Comment} })
		case client.Notes:
			out.Notes = mapped(r.Notes, func(n projections.Note) Note { return Note{n.Note, n.At, n.Draft, n.Text} })
		}
	}
	return out
}

// mapped gives a list that is there, also where it is empty.
func mapped[A, B any](in []A, f func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, f(a))
	}
	return out
}

func list[T any](in []T) []T { return mapped(in, func(t T) T { return t }) }

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Page asks for a part of a list.
type Page struct {
	After string `json:"after,omitempty" jsonschema_description:"The cursor that the page before gave."`
	Limit int    `json:"limit,omitempty" jsonschema:"minimum=0,maximum=200" jsonschema_description:"At most so many; 50, if not given."`
}

// Client is one row of the organisation's overview.
type Client struct {
	Handle      domain.ID      `json:"handle" jsonschema_description:"What this organisation calls the client by in this interface; it means nothing elsewhere."`
	Label       string         `json:"label"`
	SharedUntil string         `json:"sharedUntil,omitempty" jsonschema:"format=date" jsonschema_description:"The last day on which the client shares; not there: not shared."`
	Asked       bool           `json:"asked" jsonschema_description:"The client has been asked whether follow-up goes on."`
	Shown       *Registrations `json:"shown,omitempty" jsonschema_description:"Only where look-ups were asked for, and the client shares."`
}

// Clients is a page of the overview.
type Clients struct {
	Clients []Client `json:"clients"`
	Next    string   `json:"next,omitempty"`
}

// LookUp says for what and at which kinds of information the caller looks.
type LookUp struct {
	Purpose client.Purpose `json:"purpose"`
	Kinds   []client.Kind  `json:"kinds" jsonschema:"minItems=1,maxItems=6"`
}

// OverviewLookUp asks for a page of the overview with what is registered about each client that shares.
type OverviewLookUp struct {
	Kinds []client.Kind `json:"kinds" jsonschema:"minItems=1,maxItems=6"`
	Page
}

// LookedUp is what a look-up shows.
type LookedUp struct {
	SharedUntil   string        `json:"sharedUntil" jsonschema:"format=date"`
	Registrations Registrations `json:"registrations"`
}

// Slip is what is handed to a new client, once.
type Slip struct {
	Handle domain.ID `json:"handle"`
	Label  string    `json:"label"`
	Code   string    `json:"code" jsonschema_description:"The whole code. It is shown now and never again."`
}

// AssessmentFor is a form filled in together with a client, or for it.
type AssessmentFor struct {
	Entered journal.Entered `json:"entered"`
	Assessment
}

// AnswerFor is an answer entered together with a client, or for it.
type AnswerFor struct {
	Entered journal.Entered `json:"entered"`
	Answer
}

// Send sends content, with or without a task.
type Send struct {
	Content string `json:"content" jsonschema:"maxLength=200"`
	Task    string `json:"task,omitempty"`
}

// WriteNote writes a note, or a new version of one.
type WriteNote struct {
	Note  domain.ID `json:"note,omitzero" jsonschema_description:"The note that this one replaces; not given: a new one."`
	Draft bool      `json:"draft"`
	Text  string    `json:"text"`
}

// Noted names the note that was written.
type Noted struct {
	Note domain.ID `json:"note"`
}

// Details are who a professional is.
type Details struct {
	FirstName string `json:"firstName" jsonschema:"maxLength=200"`
	LastName  string `json:"lastName" jsonschema:"maxLength=200"`
	Workplace string `json:"workplace" jsonschema:"maxLength=200"`
	Position  string `json:"position" jsonschema:"maxLength=200"`
	Phone     string `json:"phone" jsonschema:"maxLength=30"`
	Email     string `json:"email" jsonschema:"maxLength=254"`
}

func (d Details) domain() organisation.Professional { return organisation.Professional(d) }

// Professional is a member of the organisation's list.
type Professional struct {
	Professional domain.ID `json:"professional"`
	Active       bool      `json:"active"`
	Superuser    bool      `json:"superuser"`
	Details      *Details  `json:"details,omitempty" jsonschema_description:"Not there: the data were erased."`
}

// Professionals is the organisation's list.
type Professionals struct {
	Professionals []Professional `json:"professionals"`
}

// AddProfessional lets somebody act for the organisation.
type AddProfessional struct {
	Details        Details `json:"details"`
	Superuser      bool    `json:"superuser"`
	IdentityNumber string  `json:"identityNumber,omitempty" jsonschema:"maxLength=20" jsonschema_description:"National identity number, so that nobody is on the list twice. Only a keyed hash is kept; it is never shown."`
}

// CorrectProfessional replaces what is recorded about a professional.
type CorrectProfessional struct {
	Details
	IdentityNumber string `json:"identityNumber,omitempty" jsonschema:"maxLength=20" jsonschema_description:"As when the professional was added; not given: as it was."`
}

// Added names the professional, with the invitation.
type Added struct {
	Professional domain.ID  `json:"professional"`
	Invitation   Invitation `json:"invitation"`
}

// Invitation lets its holder choose a password. Its two parts go by two media.
type Invitation struct {
	Invitation   string    `json:"invitation" jsonschema_description:"To be sent by e-mail or post. Shown once."`
	Confirmation string    `json:"confirmation" jsonschema_description:"To be given by another medium: text message, telephone, in person. Shown once."`
	Until        time.Time `json:"until"`
}

// Role is a professional's role.
type Role struct {
	Superuser bool `json:"superuser"`
}

// Contact is who the organisation is and whom to reach there.
type Contact struct {
	Name   string `json:"name" jsonschema:"maxLength=200"`
	Number string `json:"number" jsonschema_description:"Organisation number, nine digits."`
	Person string `json:"person" jsonschema:"maxLength=200"`
	Email  string `json:"email" jsonschema:"maxLength=254"`
	Phone  string `json:"phone" jsonschema:"maxLength=30"`
}

func (c Contact) domain() organisation.Contact { return organisation.Contact(c) }

// CorrectContact replaces the contact data.
type CorrectContact struct {
	Contact Contact `json:"contact"`
	Source  string  `json:"source" jsonschema:"enum=organisation,enum=register" jsonschema_description:"Where the correction comes from: the organisation itself, or a public register."`
}

// Organisation is the organisation as registered.
type Organisation struct {
	Service string   `json:"service"`
	Contact *Contact `json:"contact,omitempty"`
}

// RegisterOrganisation registers an organisation with its first superuser.
type RegisterOrganisation struct {
	Service   string  `json:"service"`
	Contact   Contact `json:"contact"`
	Superuser Details `json:"superuser"`
}

// RegisteredOrganisation names what was registered, with the superuser's invitation.
type RegisteredOrganisation struct {
	Organisation domain.ID  `json:"organisation"`
	Superuser    domain.ID  `json:"superuser"`
	Invitation   Invitation `json:"invitation"`
}

// Employ gives an auditor or an employee of the service an account.
type Employ struct {
	Role  domain.Role `json:"role"`
	Name  string      `json:"name" jsonschema:"maxLength=200"`
	Email string      `json:"email" jsonschema:"maxLength=254"`
}

// Employed names the account, with its invitation.
type Employed struct {
	Account    domain.ID  `json:"account"`
	Invitation Invitation `json:"invitation"`
}
