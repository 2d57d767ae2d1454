// Package client is one client's life as a stream: registration, the code, consent to sharing, the question about
// follow-up, restriction, deactivation, and every look-up. What is registered about the client is in another stream,
// the journal; this one says who may see it, and who has.
//
// # Sharing
//
// Nothing is shared until the client says yes. A yes holds until it is withdrawn, answered no, or lapses at its
// deadline; after that only a new act of the client opens it again. A yes while one is live changes nothing. The rules
// (package rules) say when the client is asked and when a yes lapses; a late question moves nothing.
//
// # Time
//
// Deadlines take effect at their instant. Every accepted command first yields the events that time has brought since
// the last one, each stamped with its own deadline, and then decides on the state they leave; so a withdrawal after a
// deadline finds a lapse, and a lapse never lands behind a new yes.
//
// # Deactivation
//
// Logins are personal content and stand in the journal. The command that deactivates therefore carries the last login;
// a live yes implies an act of the client within the last 26 weeks, so an idle client shares with nobody already.
//
// # Erasure
//
// The client erases everything about itself, and nobody else does. From that event on the client is gone for everybody. Then the
// system records what it did: the key is destroyed, the sealed bytes are swept, each once and in that order. What stays is this
// stream without the label: that a client existed under a random id, its consents, who had looked, that it was erased and when.
//
// # Restored copies
//
// A ledger that is restored from a copy lacks what was recorded since. Endings are kept outside the copies as well, and the system
// reapplies them, in their order and stamped with the instant from which they took effect: what had ended stays ended. A yes given
// since is lost with the copy, and only a new act of the client opens access again. An ending ends what was there before it and
// nothing later, so to reapply it once more changes nothing.
//
// # The label
//
// The label of the code is an event of this stream and not of the organisation's, because registration is one append:
// the client never exists without a label nor the label without a client. It is sealed under the client's key and goes
// with it.
package client

import (
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// A Command is one of the types below and no other.
type Command interface{ command() }

type (
	// Register gives a new client access, with the code that is handed out.
	Register struct {
		Client, Organisation, Handle domain.ID
		Service                      rules.Service
		Label                        string
		Code                         CodeHash
	}
	// LogIn asks whether the code opens this client. It yields only what time has brought; the login itself is an event
	// of the journal.
	LogIn struct {
		Code      CodeHash
		LastLogin time.Time
	}
	// Grant shares with the organisation.
	Grant struct{ Occasion Occasion }
	// Decline answers no to the first question.
	Decline struct{}
	// Withdraw ends sharing.
	Withdraw struct{}
	// AnswerFollowUp answers the question whether follow-up still goes on.
	AnswerFollowUp struct{ Yes bool }
	// RotateCode replaces the code.
	RotateCode struct{ Old, New CodeHash }
	// Restrict stops every use but storage.
	Restrict struct{}
	// LiftRestriction ends the restriction.
	LiftRestriction struct{}
	// LookUp reads on behalf of the actor's organisation.
	LookUp struct {
		Purpose Purpose
		Kinds   []Kind
		Journal uint64
	}
	// ReadOwn reads the client's own data.
	ReadOwn struct {
		Purpose Purpose
		Kinds   []Kind
		Journal uint64
	}
	// Erase erases everything about the client, for good.
	Erase struct{}
	// RecordKeyDestroyed says that the erased client's key is gone.
	RecordKeyDestroyed struct{}
	// RecordSwept says that so many records lost their sealed bytes.
	RecordSwept struct{ Records uint64 }
	// QuestionLookUp asks the organisation about a look-up at that version, made by By.
	QuestionLookUp struct {
		LookUp uint64
		By     domain.ID
	}
	// ReviewLookUp records the outcome of a review of the look-up at that version, made by By.
	ReviewLookUp struct {
		LookUp  uint64
		By      domain.ID
		Concern Concern
		Outcome Outcome
	}
	// Reapply records an ending once more in a ledger that was restored from a copy made before it.
	Reapply struct{ Ending Event }
	// PassTime records what time has brought. LastLogin is the last one in the journal.
	PassTime struct{ LastLogin time.Time }
)

func (Register) command()        {}
func (LogIn) command()           {}
func (Grant) command()           {}
func (Decline) command()         {}
func (Withdraw) command()        {}
func (AnswerFollowUp) command()  {}
func (RotateCode) command()      {}
func (Restrict) command()        {}
func (LiftRestriction) command() {}
func (LookUp) command()          {}
func (ReadOwn) command()         {}
func (PassTime) command()        {}

func (Erase) command()              {}
func (RecordKeyDestroyed) command() {}
func (RecordSwept) command()        {}
func (QuestionLookUp) command()     {}
func (ReviewLookUp) command()       {}
func (Reapply) command()            {}

// The codes of refusals.
const (
	NotRegistered  = "not-registered"
	AlreadyKnown   = "already-registered"
	NotYours       = "not-allowed"
	NoSuchService  = "no-such-service"
	BadInput       = "bad-input"
	WrongCode      = "wrong-code"
	IsDeactivated  = "deactivated"
	AlreadyDecided = "already-answered"
	NothingAsked   = "nothing-asked"
	NotShared      = "not-shared"
	NotErased      = "not-erased"
	NoSuchLookUp   = "no-such-look-up"
	OwnLookUp      = "own-look-up"
	WasReviewed    = "already-reviewed"
	ManyQuestions  = "many-questions"
)

// MostQuestions is how many look-ups a client has asked about at once, without an answer yet.
const MostQuestions = 20

// Decider decides for clients under the rulebooks.
func Decider(books rules.Books) domain.Decider[Command, Event, State] {
	return domain.Decider[Command, Event, State]{
		Decide: func(a domain.Act, s State, c Command) ([]Event, error) {
			if r, ok := c.(Reapply); ok {
				return s.reapply(books, a, r.Ending)
			}
			due := s.Due(books, a.At)
			for _, e := range due {
				s = Evolve(s, e)
			}
			d := decision{books: books, act: a, state: s}
			bodies, err := d.decide(c)
			if err != nil {
				return nil, err
			}
			return append(due, bodies...), nil
		},
		Evolve: Evolve,
	}
}

// A decision is one command on a state that time has caught up with.
type decision struct {
	books rules.Books
	act   domain.Act
	state State
}

func (d decision) decide(c Command) ([]Event, error) {
	if reg, ok := c.(Register); ok {
		return d.register(reg)
	}
	if !d.state.Registered() {
		return nil, domain.Refuse(NotRegistered, "There is no such client.")
	}
	switch c := c.(type) {
	case PassTime:
		return d.passTime(c)
	case LookUp:
		return d.lookUp(c)
	case RecordKeyDestroyed, RecordSwept:
		return d.record(c)
	case ReviewLookUp:
		return d.review(c)
	}
	if d.act.Role != domain.RoleClient || d.act.Actor != d.state.Client {
		return nil, domain.Refuse(NotYours, "Only the client can do this.")
	}
	if d.state.Deactivated {
		return nil, domain.Refuse(IsDeactivated, "The code is no longer in use.")
	}
	switch c := c.(type) {
	case LogIn:
		return d.logIn(c)
	case Grant:
		return d.grant(c)
	case Decline:
		return d.decline()
	case Withdraw:
		return d.withdraw()
	case AnswerFollowUp:
		return d.answerFollowUp(c)
	case RotateCode:
		return d.rotate(c)
	case Restrict:
		return d.unless(d.state.Restricted, Restricted{})
	case LiftRestriction:
		return d.unless(!d.state.Restricted, RestrictionLifted{})
	case Erase:
		return d.one(Erased{Organisation: d.state.Organisation}), nil
	case QuestionLookUp:
		return d.question(c)
	case ReadOwn:
		if !said(c.Purpose, c.Kinds, SelfService, Export) {
			return nil, domain.Refuse(BadInput, reasonUnsaid)
		}
		return d.one(LookedUp{Basis: OwnData, Purpose: c.Purpose, Kinds: slices.Clone(c.Kinds), Journal: c.Journal}), nil
	}
	panic("unreachable unless a command has no case")
}

// event is a body of this act, under the rule that governs the client now.
func (d decision) event(b Body) Event {
	return Event{Act: d.act, Effective: d.act.At, Rule: d.rule(), Body: b}
}

func (d decision) one(b Body) []Event { return []Event{d.event(b)} }

// unless gives the event, or nothing where it is already so.
func (d decision) unless(already bool, b Body) ([]Event, error) {
	if already {
		return nil, nil
	}
	return d.one(b), nil
}

// rule is the version that a live yes stands under, otherwise the one in force.
func (d decision) rule() string {
	if d.state.Status == Shared {
		return d.state.Terms.Rule
	}
	row, _ := d.books[d.state.Service].InForce(domain.DateOf(d.act.At))
	return row.Version
}

func (d decision) register(c Register) ([]Event, error) {
	if d.state.Registered() {
		return nil, domain.Refuse(AlreadyKnown, "The client is already registered.")
	}
	row, ok := d.books[c.Service].InForce(domain.DateOf(d.act.At))
	switch {
	case d.act.Role != domain.RoleProfessional && d.act.Role != domain.RoleSuperuser,
		d.act.Organisation != c.Organisation:
		return nil, domain.Refuse(NotYours, "Only a professional of the organisation registers its clients.")
	case !ok:
		return nil, domain.Refuse(NoSuchService, "The service is not offered on this day.")
	case c.Client.IsZero(), c.Organisation.IsZero(), c.Handle.IsZero(), c.Handle == c.Client, c.Label == "", c.Code == CodeHash{}:
		return nil, domain.Refuse(BadInput, "A registration needs a client, an organisation, a handle of its own, a label and a code.")
	}
	body := Registered{Client: c.Client, Organisation: c.Organisation, Handle: c.Handle, Service: c.Service, Code: c.Code}
	return []Event{
		{Act: d.act, Effective: d.act.At, Rule: row.Version, Body: body},
		{Act: d.act, Effective: d.act.At, Rule: row.Version, Body: Labelled{Label: c.Label}},
	}, nil
}

func (d decision) logIn(c LogIn) ([]Event, error) {
	if d.state.Idle(d.books, c.LastLogin, d.act.At) {
		return nil, domain.Refuse(IsDeactivated, "The code is no longer in use.")
	}
	if c.Code != d.state.Code {
		return nil, domain.Refuse(WrongCode, "The code is not in use.")
	}
	return nil, nil
}

func (d decision) grant(c Grant) ([]Event, error) {
	if d.state.Status == Shared {
		return nil, nil // a yes while one is live changes nothing
	}
	if c.Occasion != Settings && (c.Occasion != FirstQuestion || d.state.Status != Unanswered) {
		return nil, domain.Refuse(AlreadyDecided, "The first question has been answered. Sharing is changed under Settings.")
	}
	row, ok := d.books[d.state.Service].InForce(domain.DateOf(d.act.At))
	if !ok {
		return nil, domain.Refuse(NoSuchService, "The service is not offered on this day.")
	}
	t := row.Terms(domain.DateOf(d.act.At))
	return d.one(Granted{Occasion: c.Occasion, AskOn: t.AskOn, LapseOn: t.LapseOn}), nil
}

func (d decision) decline() ([]Event, error) {
	switch d.state.Status {
	case Unanswered:
		return d.one(Declined{}), nil
	case Refused:
		return nil, nil
	}
	return nil, domain.Refuse(AlreadyDecided, "The first question has been answered. Sharing is changed under Settings.")
}

func (d decision) withdraw() ([]Event, error) {
	return d.unless(d.state.Status != Shared, Withdrawn{Grant: d.state.Grant})
}

func (d decision) answerFollowUp(c AnswerFollowUp) ([]Event, error) {
	switch {
	case d.state.Status != Shared:
		return nil, domain.Refuse(NotShared, "Sharing has ended. It can be turned on again under Settings.")
	case !d.state.Asked:
		return nil, domain.Refuse(NothingAsked, "There is no question to answer now.")
	case !c.Yes:
		return d.one(FollowUpEnded{Grant: d.state.Grant}), nil
	}
	row, ok := d.books[d.state.Service].InForce(domain.DateOf(d.act.At))
	if !ok {
		return nil, domain.Refuse(NoSuchService, "The service is not offered on this day.")
	}
	t := row.Terms(domain.DateOf(d.act.At))
	e := d.event(FollowUpConfirmed{Grant: d.state.Grant, AskOn: t.AskOn, LapseOn: t.LapseOn})
	e.Rule = t.Rule // a yes stands under the rule of its own day
	return []Event{e}, nil
}

func (d decision) rotate(c RotateCode) ([]Event, error) {
	switch {
	case c.New == d.state.Code && d.state.Rotated:
		return nil, nil // the same rotation, answered before
	case c.Old != d.state.Code:
		return nil, domain.Refuse(WrongCode, "The code is not in use.")
	case c.New == CodeHash{}, c.New == c.Old:
		return nil, domain.Refuse(BadInput, "A new code is needed.")
	}
	return d.one(CodeRotated{Old: c.Old, New: c.New}), nil
}

func (d decision) lookUp(c LookUp) ([]Event, error) {
	s := d.state
	switch {
	case d.act.Role != domain.RoleProfessional && d.act.Role != domain.RoleSuperuser,
		d.act.Organisation != s.Organisation, s.Deactivated:
		return nil, domain.Refuse(NotRegistered, "There is no such client.")
	case !said(c.Purpose, c.Kinds, Overview, Appointment, Workload, Effect, Together, OnBehalf):
		return nil, domain.Refuse(BadInput, reasonUnsaid)
	case s.Status != Shared, s.Restricted:
		return nil, domain.Refuse(NotShared, "The client does not share.")
	}
	return d.one(LookedUp{Basis: ByGrant, Purpose: c.Purpose, Kinds: slices.Clone(c.Kinds), Journal: c.Journal, Grant: s.Grant}), nil
}

// record is what the system says that it did.
func (d decision) record(c Command) ([]Event, error) {
	if d.act.Role != domain.RoleSystem {
		return nil, domain.Refuse(NotYours, reasonSystem)
	}
	s := d.state
	switch c := c.(type) {
	case RecordKeyDestroyed:
		if s.Erased {
			return d.unless(s.KeyDestroyed, KeyDestroyed{})
		}
	case RecordSwept:
		if s.KeyDestroyed {
			return d.unless(s.Swept, Swept(c))
		}
	}
	return nil, domain.Refuse(NotErased, "The client is not erased.")
}

// reapply gives the ending anew where it is not so already, in its place between what time had brought by then and has since.
func (s State) reapply(books rules.Books, a domain.Act, ending Event) ([]Event, error) {
	switch {
	case a.Role != domain.RoleSystem:
		return nil, domain.Refuse(NotYours, reasonSystem)
	case !s.Registered():
		return nil, domain.Refuse(NotRegistered, "There is no such client.")
	}
	at := a.At
	if ending.Effective.Before(at) {
		at = ending.Effective
	}
	var events []Event
	add := func(more ...Event) {
		for _, e := range more {
			e.Act = a
			events, s = append(events, e), Evolve(s, e)
		}
	}
	add(s.Due(books, at)...)
	if b := s.again(at, ending.Body); b != nil {
		d := decision{books: books, act: a, state: s}
		add(Event{Effective: at, Rule: d.rule(), Body: b})
	}
	add(s.Due(books, a.At)...)
	return events, nil
}

// again gives the body of an ending that took effect at the instant, or nil where it ends nothing that was there before it.
func (s State) again(at time.Time, ending Body) Body {
	shared := s.Status == Shared && !at.Before(s.Since)
	open := false
	switch b := ending.(type) {
	case Declined:
		open = s.Status == Unanswered
	case Withdrawn:
		open, ending = shared, Withdrawn{Grant: s.Grant}
	case FollowUpEnded:
		open, ending = shared, FollowUpEnded{Grant: s.Grant}
	case CodeRotated:
		open = b.Old == s.Code
	case Restricted:
		open = !s.Restricted && !at.Before(s.Lifted)
	case Erased:
		open = true
	}
	if !open || s.Erased {
		return nil
	}
	return ending
}

// IsEnding tells whether an event of a client ends something that a restored copy must not open again. A lapse is none: it follows
// from the yes itself; nor is a deactivation, which follows from the last sign of use: a copy knows of no later one.
func IsEnding(b Body) bool {
	switch b.(type) {
	case Declined, Withdrawn, FollowUpEnded, CodeRotated, Restricted, Erased:
		return true
	}
	return false
}

func (d decision) question(c QuestionLookUp) ([]Event, error) {
	switch {
	case c.LookUp == 0, c.LookUp > d.state.Version, c.By.IsZero():
		return nil, domain.Refuse(NoSuchLookUp, reasonNoLookUp)
	case slices.Contains(d.state.Questions, c.LookUp):
		return nil, nil
	case len(d.state.Questions) >= MostQuestions:
		return nil, domain.Refuse(ManyQuestions, "You have asked about many look-ups. Wait until some of them have been answered.")
	}
	return d.one(LookUpQuestioned(c)), nil
}

// review is a superuser's, or the safety manager's where the organisation has nobody else: that is asked of the organisation's stream, by
// whoever gives the command.
func (d decision) review(c ReviewLookUp) ([]Event, error) {
	switch {
	case d.act.Role != domain.RoleSafetyManager && (d.act.Role != domain.RoleSuperuser || d.act.Organisation != d.state.Organisation):
		return nil, domain.Refuse(NotYours, "Only a superuser of the organisation can do this.")
	case c.LookUp == 0, c.LookUp > d.state.Version, c.By.IsZero():
		return nil, domain.Refuse(NoSuchLookUp, reasonNoLookUp)
	case c.By == d.act.Actor:
		return nil, domain.Refuse(OwnLookUp, "Somebody else reviews your own look-ups.")
	case slices.Contains(d.state.Reviewed, c.LookUp) && !slices.Contains(d.state.Questions, c.LookUp):
		return nil, domain.Refuse(WasReviewed, "It has been reviewed.")
	case !c.Concern.Known(), !c.Outcome.Known():
		return nil, domain.Refuse(BadInput, "A review names what raised it, and its outcome.")
	}
	return d.one(LookUpReviewed(c)), nil
}

const reasonSystem = "Nobody but the system records this."

const reasonNoLookUp = "There is no such look-up."

const reasonUnsaid = "A look-up names its purpose and the kinds of information it shows."

// said tells whether a reading says what it is for, and what it shows, in words that the log knows.
func said(p Purpose, shown []Kind, purposes ...Purpose) bool {
	unknown := func(k Kind) bool { return !k.Known() }
	return slices.Contains(purposes, p) && len(shown) > 0 && !slices.ContainsFunc(shown, unknown)
}

func (d decision) passTime(c PassTime) ([]Event, error) {
	if d.act.Role != domain.RoleSystem {
		return nil, domain.Refuse(NotYours, "Nobody makes time pass.")
	}
	last := c.LastLogin
	if d.state.Deactivated || !d.state.Idle(d.books, last, d.act.At) {
		return nil, nil
	}
	e := d.event(Deactivated{})
	e.Effective = d.state.IdleFrom(d.books, last)
	return []Event{e}, nil
}
