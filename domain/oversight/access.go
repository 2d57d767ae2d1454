package oversight

import (
	"fmt"
	"strings"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
)

// Exceptional access is a stream of its own for each time that it was opened: to what is sealed in production, or to clear addresses
// in an incident. It is opened by a person, for a reason, until an instant at which it ends by itself; each use is an event before
// anything is shown; and once it has ended, the safety manager, who is somebody else, reviews it.

// A Door is what exceptional access opens.
type Door string

const (
	// Production is what is sealed: for a critical error, by the processor's staff.
	Production Door = "production"
	// Addresses are clear addresses, kept apart while an incident lasts.
	Addresses Door = "addresses"
)

// AccessOpened: somebody opened a door for a reason, for so many minutes.
type AccessOpened struct {
	Door    Door
	Reason  string
	Minutes int
}

// AccessUsed: what was done with it, before it was done.
type AccessUsed struct {
	What  string // the command
	About string // ids and period asked for, as text without content
}

// AccessClosed: it was closed before it would have ended by itself, or what had to be removed at its end was removed.
type AccessClosed struct{}

// AccessReviewed: the safety manager reviewed it.
type AccessReviewed struct {
	Outcome client.Outcome
	Note    string
}

func (AccessOpened) fact()   {}
func (AccessUsed) fact()     {}
func (AccessClosed) fact()   {}
func (AccessReviewed) fact() {}

func (b AccessOpened) lasts() time.Duration { return time.Duration(b.Minutes) * time.Minute }

// Access is one exceptional access.
type Access struct {
	Door     Door
	By       domain.ID
	Opened   time.Time
	Until    time.Time
	Uses     int
	Closed   bool
	Reviewed client.Outcome // "": not yet
}

// OpenAt tells whether the door is open at the instant: it ends by itself, whether or not that is written down.
func (a Access) OpenAt(at time.Time) bool {
	return !a.By.IsZero() && !a.Closed && at.Before(a.Until)
}

// EvolveAccess folds one event into an access.
func EvolveAccess(s Access, e Event) Access {
	switch b := e.Body.(type) {
	case nil:
	case AccessOpened:
		s.Door, s.By, s.Opened, s.Until = b.Door, e.Act.Actor, e.Effective, e.Effective.Add(b.lasts())
	case AccessUsed:
		s.Uses++
	case AccessClosed:
		s.Closed = true
	case AccessReviewed:
		s.Reviewed = b.Outcome
	default:
		panic(fmt.Sprintf("oversight.EvolveAccess has no case for %T", b))
	}
	return s
}

// The codes of refusals of exceptional access.
const (
	NotYours   = "not-allowed"
	BadInput   = "bad-input"
	NotOpen    = "access-not-open"
	StillOpen  = "access-still-open"
	NoAccess   = "no-such-access"
	WasDone    = "already-reviewed"
	NoAttempt  = "no-such-attempt"
	OwnAccess  = "own-access"
	Identifies = "text-identifies"
)

// Longest is how long a door can be open at the most.
var Longest = map[Door]time.Duration{Production: 24 * time.Hour, Addresses: 72 * time.Hour}

// AccessDecider takes the bodies above as commands.
var AccessDecider = domain.Decider[Body, Event, Access]{
	Decide: func(a domain.Act, s Access, b Body) ([]Event, error) {
		if err := decideAccess(a, s, b); err != nil {
			return nil, err
		}
		if _, closing := b.(AccessClosed); closing && s.Closed {
			return nil, nil
		}
		return []Event{{Act: a, Effective: a.At, Rule: rules.General, Body: b}}, nil
	},
	Evolve: EvolveAccess,
}

func decideAccess(a domain.Act, s Access, b Body) error {
	if open, ok := b.(AccessOpened); ok {
		return openAccess(a, s, open)
	}
	if s.By.IsZero() {
		return domain.Refuse(NoAccess, "There is no such access.")
	}
	switch b := b.(type) {
	case AccessUsed:
		switch {
		case a.Actor != s.By:
			return domain.Refuse(NotYours, "Only whoever opened it uses it.")
		case !s.OpenAt(a.At):
			return domain.Refuse(NotOpen, "The access has ended. Open it anew if it is still needed.")
		}
		return said(b.What, b.About)
	case AccessClosed:
		if a.Actor != s.By && a.Role != domain.RoleSafetyManager && a.Role != domain.RoleSystem {
			return domain.Refuse(NotYours, "Only whoever opened it, or the safety manager, closes it.")
		}
		return nil
	case AccessReviewed:
		switch {
		case a.Role != domain.RoleSafetyManager:
			return domain.Refuse(NotYours, "Only the safety manager reviews it.")
		case a.Actor == s.By:
			return domain.Refuse(OwnAccess, "Somebody else reviews what you opened yourself.")
		case s.OpenAt(a.At):
			return domain.Refuse(StillOpen, "It is still open: close it first.")
		case s.Reviewed != "":
			return domain.Refuse(WasDone, "It has been reviewed.")
		case !b.Outcome.Known():
			return domain.Refuse(BadInput, "A review has an outcome.")
		}
		return fit(b.Note)
	}
	return domain.Refuse(BadInput, "This is nothing that is done with an access.")
}

func openAccess(a domain.Act, s Access, b AccessOpened) error {
	longest, ok := Longest[b.Door]
	switch {
	case !s.By.IsZero():
		return domain.Refuse(BadInput, "The access was opened before.")
	case a.Actor.IsZero(), a.Role != domain.RoleEmployee && (a.Role != domain.RoleSafetyManager || b.Door != Addresses):
		return domain.Refuse(NotYours, "Only the processor's own staff can do this.")
	case !ok:
		return domain.Refuse(BadInput, "There is no such access.")
	case b.Minutes < 1, b.Minutes > int(longest.Minutes()):
		return domain.Refuse(BadInput, fmt.Sprintf("It is opened for at least a minute and at most %d hours.", int(longest.Hours())))
	case strings.TrimSpace(b.Reason) == "":
		return domain.Refuse(BadInput, "It takes a reason.")
	}
	return fit(b.Reason)
}

// said refuses a description, made by the program from ids and instants, that cannot be kept or says nothing.
func said(what, about string) error {
	if strings.TrimSpace(what) == "" || unfit(what) || unfit(about) {
		return domain.Refuse(BadInput, "What is done is missing, too long, or has characters that cannot be stored.")
	}
	return nil
}

// fit refuses what a person wrote, where it cannot be kept or identifies somebody: what is said here is open.
func fit(text string) error {
	if unfit(text) {
		return domain.Refuse(BadInput, "The text is too long, or has characters that cannot be stored.")
	}
	if journal.Identifying(text) != "" {
		return domain.Refuse(Identifies,
			"The text has something that looks like an identity number, an e-mail address or a telephone number. Write it without.")
	}
	return nil
}
