package client

import (
	"time"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// NextDue gives the next event that time alone brings, whenever that will be, and false where none will come. Its
// effective instant is the deadline itself.
//
// Every deadline is the start of a day. Where two fall on the same one, a change of rule comes first, then the lapse:
// nobody is asked about a sharing that has ended.
func (s State) NextDue(books rules.Books) (Event, bool) {
	if s.Status != Shared || s.Deactivated {
		return Event{}, false
	}
	next := Event{Rule: s.Terms.Rule, Effective: s.Terms.LapseOn.Start(), Body: Lapsed{Grant: s.Grant}}
	if s.Terms.AskOn != 0 && !s.Asked && s.Terms.AskOn < s.Terms.LapseOn {
		next.Effective, next.Body = s.Terms.AskOn.Start(), FollowUpAsked{Grant: s.Grant}
	}
	if t, from, ok := books[s.Service].NextChange(s.Terms.Rule, s.Yes); ok && !from.Start().After(next.Effective) {
		next = Event{Rule: t.Rule, Effective: from.Start(), Body: TermsChanged{Grant: s.Grant, AskOn: t.AskOn, LapseOn: t.LapseOn}}
	}
	next.Act = domain.Act{Role: domain.RoleSystem}
	return next, true
}

// Due gives the events that time has brought by the instant and that are not in the stream yet, in order.
func (s State) Due(books rules.Books, at time.Time) []Event {
	var due []Event
	for {
		e, ok := s.NextDue(books)
		if !ok || e.Effective.After(at) {
			return due
		}
		e.Act.At = at
		due = append(due, e)
		s = Evolve(s, e)
	}
}

// At is the client's state at the instant: the one law of time. It holds on every path, whether or not what time has
// brought was written down.
func (s State) At(books rules.Books, at time.Time) State {
	for _, e := range s.Due(books, at) {
		s = Evolve(s, e)
	}
	return s
}

// IdleFrom is the instant at which the client is deactivated for want of a login, given the last one known (zero:
// none). The client's own acts in this stream count as use, and so does the registration.
func (s State) IdleFrom(books rules.Books, lastLogin time.Time) time.Time {
	last := s.Active
	if lastLogin.After(last) {
		last = lastLogin
	}
	day := domain.DateOf(last)
	row, ok := books[s.Service].InForce(day)
	if !ok {
		return time.Time{}
	}
	return row.IdleFrom(day).Start()
}

// Idle tells whether the client has gone without a login for too long at the instant.
func (s State) Idle(books rules.Books, lastLogin, at time.Time) bool {
	from := s.IdleFrom(books, lastLogin)
	return s.Registered() && !from.IsZero() && !from.After(at)
}

// Reading says whether the client's data are personal data towards organisations, and why.
type Reading string

const (
	IdentifiableByLabel   Reading = "personal data: the organisation may have the label in its journal"
	IdentifiableBySharing Reading = "personal data: the client shares with the organisation"
	NothingLeft           Reading = "not personal data: the client is erased"
	Anonymous             Reading = "not personal data towards any organisation: the code was changed and nothing is shared"
)

// PersonalData gives the reading of the privacy statement at the state's moment (ask it of At). It informs; it never
// relaxes a protection, since the law may see it otherwise.
func (s State) PersonalData() (bool, Reading) {
	switch {
	case s.KeyDestroyed:
		return false, NothingLeft
	case s.Status == Shared:
		return true, IdentifiableBySharing
	case s.Rotated:
		return false, Anonymous
	default:
		return true, IdentifiableByLabel
	}
}
