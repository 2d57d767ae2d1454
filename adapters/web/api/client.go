package api

import (
	"net/http"
	"slices"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/adapters/web"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

var clientRoutes = []Route{
	route("GET", "/sharing", "readSharing", "Whether the caller shares, until when, and which question is open, with its wording.", clients, (*Request).ReadSharing),
	route("POST", "/sharing", "answerSharing", "Answer the first question, or share or stop sharing under Settings. A stop is in force before this is answered.", clients, (*Request).AnswerSharing),
	route("POST", "/follow-up", "answerFollowUp", "Answer whether follow-up still goes on.", clients, (*Request).AnswerFollowUp),
	route("POST", "/code", "drawCode", "Draw a new code. The old one goes on working until the new one is typed back.", clients, (*Request).DrawCode),
	route("POST", "/code/confirmation", "confirmCode", "Type the new code back: it works from now on, the old one does not, and other sessions end.", clients, (*Request).ConfirmCode),
	route("POST", "/restriction", "restrict", "Stop every use of the caller's data but storage.", clients, (*Request).Restrict),
	route("DELETE", "/restriction", "liftRestriction", "Let the data be used again.", clients, (*Request).LiftRestriction),

	route("GET", "/notices", "readNotices", "Who the caller is in notices: an app tells its gateway, which is then told when something waits. It names nobody.", clients, (*Request).ReadNotices),

	route("GET", "/instruments", "listInstruments", "The forms that can be filled in.", []domain.Role{domain.RoleClient, domain.RoleProfessional, domain.RoleSuperuser}, (*Request).ListInstruments),
	route("POST", "/assessments", "fillIn", "Fill in a form.", clients, (*Request).FillIn),
	route("POST", "/answers", "giveAnswer", "Answer a question of the programme.", clients, (*Request).GiveAnswer),
	route("POST", "/content/opened", "openContent", "Content was opened.", clients, (*Request).OpenContent),
	route("POST", "/content/finished", "finishContent", "Content was finished.", clients, (*Request).FinishContent),
	route("POST", "/use", "spendTime", "Time was spent.", clients, (*Request).SpendTime),
	route("POST", "/ratings", "rate", "Rate a piece of content.", clients, (*Request).Rate),
	route("POST", "/corrections", "askCorrection", "Ask for a correction. No reply can be sent; the answer stands among the caller's own data.", clients, (*Request).AskCorrection),

	route("GET", "/own-data", "readOwn", "Everything that is stored about the caller. The reading is on record.", clients, (*Request).ReadOwn),
	route("GET", "/own-data/look-ups", "readOwnLookUps", "Who has looked, or tried to, when, as what and why.", clients, (*Request).ReadOwnLookUps),
	keyless(route("POST", "/own-data/export", "exportOwn", "Take everything out: what is registered, entry by entry, notes about the caller, the history of sharing, and every look-up.", clients, (*Request).ExportOwn)),
	route("POST", "/own-data/look-ups/question", "askAboutLookUp", "Ask the organisation about one look-up.", clients, (*Request).AskAboutLookUp),
	keyless(route("POST", "/own-data/erasure", "eraseOwn", "Erase everything about the caller, for good. When this is answered it is done, and every session has ended.", clients, (*Request).EraseOwn)),

	route("POST", "/feedback", "giveFeedback", "Suggest a change or evaluate the service. It is linked to nobody: sign-in makes no difference.", anybody, (*Request).GiveFeedback),
}

// ReadSharing serves readSharing: whether the caller shares, until when, and which question is open, with its wording.
func (r *Request) ReadSharing(in Language) (Sharing, error) {
	s, _, err := r.Desk.Clients.State(r.ctx, r.by.Actor)
	if err != nil {
		return Sharing{}, err
	}
	s = s.At(r.Desk.Books, r.now)
	out := Sharing{Question: "none", Restricted: s.Restricted}
	name := text.Sharing
	switch {
	case s.Status == client.Unanswered:
		out.Question = "first"
	case s.Status == client.Shared:
		out.Shared, out.Until = true, lastDay(s.Terms.LapseOn)
		if s.Asked {
			out.Question, name = "follow-up", text.FollowUp
		}
	}
	today := domain.DateOf(r.now)
	if row, ok := r.Desk.Books[s.Service].InForce(today); ok {
		t := row.Terms(today)
		out.Yes = &Terms{Until: lastDay(t.LapseOn)}
		if t.AskOn != 0 {
			out.Yes.AskedFrom = t.AskOn.String()
		}
	}
	shown, wording := r.Texts.Shown(name, or(in.Language, "nb"), today)
	out.Text = Text{shown.Name, shown.Version, shown.Language, wording}
	return out, nil
}

// ReadNotices serves readNotices: who the caller is in notices.
func (r *Request) ReadNotices(None) (Notices, error) {
	if r.Recipient == nil {
		return Notices{}, nil
	}
	return Notices{r.Recipient(r.by.Actor)}, nil
}

// lastDay is the day before the one at whose start something ends.
func lastDay(end domain.Date) string {
	if end == 0 {
		return ""
	}
	return end.AddDays(-1).String()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// showed notes which wording the caller had read.
func (r *Request) showed(t Shown, name string) error {
	read := domain.Text{Name: t.Name, Version: t.Version, Language: t.Language}
	if _, ok := r.Texts[read]; !ok || t.Name != name {
		return web.NewProblem(http.StatusUnprocessableEntity, "no-such-text", "There is no such wording, or it is not the one to this question.")
	}
	r.by.Text = read // not before: whatever is on record next names it
	return nil
}

func (r *Request) act(c client.Command) (None, error) {
	done, err := r.Desk.Act(r.ctx, r.by, c)
	r.wrote(done.Position)
	return None{}, err
}

// AnswerSharing serves answerSharing: answer the first question, or share or stop sharing under Settings. A stop is in force before this
// is answered.
func (r *Request) AnswerSharing(in AnswerShare) (None, error) {
	if err := r.showed(in.Text, text.Sharing); err != nil {
		return None{}, err
	}
	switch {
	case in.Share:
		return r.act(client.Grant{Occasion: in.Occasion})
	case in.Occasion == client.FirstQuestion:
		return r.act(client.Decline{})
	}
	return r.act(client.Withdraw{})
}

// AnswerFollowUp serves answerFollowUp: answer whether follow-up still goes on.
func (r *Request) AnswerFollowUp(in AnswerFollowUp) (None, error) {
	if err := r.showed(in.Text, text.FollowUp); err != nil {
		return None{}, err
	}
	return r.act(client.AnswerFollowUp{Yes: in.Yes})
}

// DrawCode serves drawCode: draw a new code. The old one goes on working until the new one is typed back.
func (r *Request) DrawCode(_ None) (NewCode, error) {
	code, err := r.Desk.BeginRotation(r.ctx, r.session)
	if err != nil {
		return NewCode{}, err
	}
	return NewCode{code.Slip()}, nil
}

// ConfirmCode serves confirmCode: type the new code back: it works from now on, the old one does not, and other sessions end.
func (r *Request) ConfirmCode(in TypedCode) (None, error) {
	return None{}, r.Desk.ConfirmRotation(r.ctx, r.session, in.Code)
}

// AskAboutLookUp serves askAboutLookUp: ask the organisation about one look-up.
func (r *Request) AskAboutLookUp(in LookUpQuestion) (None, error) {
	p, err := r.Desk.AskAboutLookUp(r.ctx, r.by, in.Number)
	r.wrote(p)
	return None{}, err
}

// EraseOwn serves eraseOwn: erase everything about the caller, for good. The code is typed once more, so that nobody does it at a
// screen that was left open.
func (r *Request) EraseOwn(in TypedCode) (Erased, error) {
	if err := r.attempt(signin.ClientSignIn, r.session.Actor.String()); err != nil {
		return Erased{}, err
	}
	code, err := signin.ParseCode(in.Code)
	if err != nil || !signin.SameHash(code.Hash(r.Desk.CodeKey), r.session.Code) {
		return Erased{}, web.NewProblem(http.StatusUnprocessableEntity, client.WrongCode, "This is not the code you signed in with.")
	}
	if _, err := r.Desk.Erase(r.ctx, r.by); err != nil {
		return Erased{}, err
	}
	r.over() // the ledger has ended it already: what is left in the table ends by its age
	r.ended = true
	http.SetCookie(r.w, r.cookie("", -1))
	return Erased{InCopiesUntil: domain.DateOf(r.now).AddDays(desk.CopyDays).String()}, nil
}

// Restrict serves restrict: stop every use of the caller's data but storage.
func (r *Request) Restrict(_ None) (None, error) { return r.act(client.Restrict{}) }

// LiftRestriction serves liftRestriction: let the data be used again.
func (r *Request) LiftRestriction(_ None) (None, error) { return r.act(client.LiftRestriction{}) }

// Instruments are the forms that can be filled in.
type Instruments struct {
	Instruments []Instrument `json:"instruments"`
}

// ListInstruments serves listInstruments: the forms that can be filled in.
func (r *Request) ListInstruments(_ None) (Instruments, error) {
	var out Instruments
	for name, f := range journal.Forms {
		out.Instruments = append(out.Instruments, Instrument{name, f.Items, f.Highest, f.Difficulty})
	}
	slices.SortFunc(out.Instruments, func(a, b Instrument) int {
		if a.Instrument < b.Instrument {
			return -1
		}
		return 1
	})
	return out, nil
}

func (r *Request) register(c journal.Command) (None, error) {
	p, err := r.Desk.Register(r.ctx, r.by, c)
	r.wrote(p)
	return None{}, err
}

func (a Assessment) command(entered journal.Entered) journal.Assess {
	c := journal.Assess{Instrument: a.Instrument, Items: a.Items, Difficulty: -1, Entered: entered}
	if a.Difficulty != nil {
		c.Difficulty = *a.Difficulty
	}
	return c
}

// FillIn serves fillIn: fill in a form.
func (r *Request) FillIn(in Assessment) (None, error) {
	return r.register(in.command(journal.ByClient))
}

// GiveAnswer serves giveAnswer: answer a question of the programme.
func (r *Request) GiveAnswer(in Answer) (None, error) {
	return r.register(journal.Answer{Task: in.Task, Text: in.Text, Entered: journal.ByClient})
}

// OpenContent serves openContent: content was opened.
func (r *Request) OpenContent(in Content) (None, error) {
	return r.register(journal.Open{Content: in.Content})
}

// FinishContent serves finishContent: content was finished.
func (r *Request) FinishContent(in Content) (None, error) {
	return r.register(journal.Finish{Content: in.Content})
}

// SpendTime serves spendTime: time was spent.
func (r *Request) SpendTime(in Use) (None, error) {
	return r.register(journal.SpendTime{Content: in.Content, Seconds: in.Seconds, Clicks: in.Clicks})
}

// Rate serves rate: rate a piece of content.
func (r *Request) Rate(in Rating) (None, error) {
	return r.register(journal.Rate{Content: in.Content, Stars: in.Stars, Comment: in.Comment})
}

// AskCorrection serves askCorrection: ask for a correction. No reply can be sent; the answer stands among the caller's own data.
func (r *Request) AskCorrection(in AskCorrection) (Requested, error) {
	request, err := r.newID("request")
	if err != nil {
		return Requested{}, err
	}
	sender, err := r.Desk.Ledger.NewID() // which nothing leads back to
	if err != nil {
		return Requested{}, err
	}
	_, err = r.register(journal.AskCorrection{Request: request, Sender: sender, About: in.Entry, Text: in.Text})
	return Requested{request}, err
}

// newID is the id of something that the command makes. It follows from the caller, the path and the key, so that the same command,
// repeated behind a restart or in another session, names the same thing. Without a key it is drawn.
func (r *Request) newID(what string) (domain.ID, error) {
	if r.by.Key == "" {
		return r.Desk.Ledger.NewID()
	}
	return domain.Derive(r.by.Actor, []byte(what+" "+r.http.URL.Path+" "+r.by.Key)), nil
}

// An Entry is one event as its subject is shown it: without ids that mean something inside the ledger only.
type Entry struct {
	Number  uint64      `json:"number"`
	At      time.Time   `json:"at"`
	Event   string      `json:"event"`
	By      domain.Role `json:"by"`
	Content any         `json:"content,omitempty"`
	Text    *Shown      `json:"text,omitempty" jsonschema_description:"The wording that was shown."`
}

// OwnLookUp is one line of the client's own access log.
type OwnLookUp struct {
	At           time.Time      `json:"at"`
	Allowed      bool           `json:"allowed"`
	Role         domain.Role    `json:"role"`
	Organisation string         `json:"organisation,omitempty"`
	Name         string         `json:"name,omitempty"`
	Purpose      client.Purpose `json:"purpose,omitempty"`
	Query        string         `json:"query,omitempty" jsonschema_description:"What was asked for, where everybody's data were read at once."`
	Kinds        []client.Kind  `json:"kinds"`
	Basis        string         `json:"basis,omitempty"`
	Number       uint64         `json:"number,omitempty" jsonschema_description:"By which the organisation can be asked about it."`
	Asked        *time.Time     `json:"asked,omitempty" jsonschema_description:"When the organisation was asked about it."`
	Outcome      client.Outcome `json:"outcome,omitempty" jsonschema_description:"What the organisation answered: in-order, mistake or deviation."`
}

// OwnLookUps is the client's own access log.
type OwnLookUps struct {
	LookUps []OwnLookUp `json:"lookUps"`
}

// OwnData is everything stored about the caller.
type OwnData struct {
	Registrations Registrations `json:"registrations"`
	History       []Entry       `json:"history" jsonschema_description:"Registration, yes and no, questions, codes, restriction."`
	LookUps       []OwnLookUp   `json:"lookUps"`
	About         Text          `json:"about" jsonschema_description:"What the data are for, where they come from, who receives them, how long they are kept, and the rights."`
}

// OwnExport is everything stored about the caller, entry by entry.
type OwnExport struct {
	OwnData
	Entries []Entry `json:"entries"`
}

// ReadOwn serves readOwn: everything that is stored about the caller. The reading is on record.
func (r *Request) ReadOwn(_ None) (OwnData, error) {
	own, err := r.Desk.Door.Own(r.ctx, r.by, client.SelfService)
	if err != nil {
		return OwnData{}, err
	}
	return r.own(own)
}

// ReadOwnLookUps serves readOwnLookUps: who has looked, or tried to, when, as what and why.
func (r *Request) ReadOwnLookUps(_ None) (OwnLookUps, error) {
	own, err := r.Desk.Door.Own(r.ctx, r.by, client.SelfService)
	if err != nil {
		return OwnLookUps{}, err
	}
	rows, err := r.lookUps(own)
	return OwnLookUps{rows}, err
}

// ExportOwn serves exportOwn: take everything out: what is registered, entry by entry, notes about the caller, the history of sharing,
// and every look-up.
func (r *Request) ExportOwn(_ None) (OwnExport, error) {
	own, err := r.Desk.Door.Own(r.ctx, r.by, client.Export)
	if err != nil {
		return OwnExport{}, err
	}
	data, err := r.own(own)
	if err != nil {
		return OwnExport{}, err
	}
	out := OwnExport{OwnData: data}
	out.Entries, err = entries(own.Entries)
	return out, err
}

func (r *Request) own(own views.Own) (OwnData, error) {
	out := OwnData{Registrations: registrationsOf(own.Registrations, views.AllKinds)}
	shown, wording := r.Texts.Shown(text.Processing, r.Lang(), domain.DateOf(r.now))
	out.About = Text{shown.Name, shown.Version, shown.Language, wording}
	r.wrote(own.Position)
	var err error
	history := slices.DeleteFunc(slices.Clone(own.History), func(f eventschema.Fact) bool {
		switch f.Body.(type) {
		case client.LookedUp, client.LookUpQuestioned, client.LookUpReviewed:
			return true // these are among the look-ups
		}
		return false
	})
	if out.History, err = entries(history); err != nil {
		return out, err
	}
	out.LookUps, err = r.lookUps(own)
	return out, err
}

func entries(facts []eventschema.Fact) ([]Entry, error) {
	out := make([]Entry, 0, len(facts))
	for _, f := range facts {
		e := Entry{Number: f.Version, At: f.Effective.UTC(), Event: f.Name, By: f.Act.Role}
		if t := f.Act.Text; t != (domain.Text{}) {
			e.Text = &Shown{t.Name, t.Version, t.Language}
		}
		if _, first := f.Body.(client.Registered); !first { // which holds nothing but ids
			content, err := f.Content()
			if err != nil {
				return nil, err
			}
			e.Content = content
		}
		out = append(out, e)
	}
	return out, nil
}

// numbered finds a look-up by its number; nil where there is none.
func numbered(rows []OwnLookUp, number uint64) *OwnLookUp {
	for i := range rows {
		if rows[i].Number == number {
			return &rows[i]
		}
	}
	return nil
}

// lookUps is the client's access log, in order.
func (r *Request) lookUps(own views.Own) ([]OwnLookUp, error) {
	facts := slices.Concat(own.History, own.Others)
	slices.SortFunc(facts, func(a, b eventschema.Fact) int {
		if a.Position < b.Position {
			return -1
		}
		return 1
	})
	out := []OwnLookUp{}
	known := map[domain.ID]desk.Organisation{}
	for _, f := range facts {
		row := OwnLookUp{At: f.Act.At.UTC(), Role: f.Act.Role}
		switch b := f.Body.(type) {
		case client.LookedUp:
			row.Allowed, row.Purpose, row.Kinds, row.Basis = true, b.Purpose, list(b.Kinds), string(b.Basis)
			if b.Basis == client.ByGrant {
				row.Number = f.Version
			}
		case client.LookUpQuestioned:
			if row := numbered(out, b.LookUp); row != nil {
				row.Asked, row.Outcome = new(f.Act.At.UTC()), ""
			}
			continue
		case client.LookUpReviewed:
			if row := numbered(out, b.LookUp); row != nil && row.Asked != nil {
				row.Outcome = b.Outcome
			}
			continue
		case oversight.LookUpRefused:
			row.Purpose, row.Kinds = b.Purpose, list(b.Kinds)
		case oversight.Queried:
			row.Allowed, row.Query, row.Kinds, row.Basis = true, b.Query, list(views.AllKinds), string(b.Basis)
		default:
			continue
		}
		if id := f.Act.Organisation; !id.IsZero() {
			o, ok := known[id]
			if !ok {
				var err error
				if o, err = r.Desk.Organisation(r.ctx, id); err != nil {
					return nil, err
				}
				known[id] = o
			}
			row.Organisation = o.Name()
			if !o.NamesHidden {
				row.Name = o.NameOf(f.Act.Actor)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// GiveFeedback serves giveFeedback: suggest a change or evaluate the service. It is linked to nobody: sign-in makes no difference.
func (r *Request) GiveFeedback(in Feedback) (None, error) {
	return None{}, r.Desk.Suggest(r.ctx, domain.Text{}, journal.Feedback{Form: in.Form, Text: in.Text, Stars: in.Stars})
}
