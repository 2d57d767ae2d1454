package client

import (
	"fmt"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// Status is where the client's sharing stands.
type Status string

const (
	Unanswered Status = ""            // the first question has no answer: not shared
	Refused    Status = "declined"    // answered no
	Shared     Status = "shared"      // a yes is live
	Ended      Status = "withdrawn"   // the client ended it under Settings
	AnsweredNo Status = "ended"       // the client answered no to the question about follow-up
	RanOut     Status = "lapsed"      // no yes came in time
	CutOff     Status = "deactivated" // the client was deactivated while sharing
	Gone       Status = "erased"      // the client was erased while sharing
)

// State is what a client's stream amounts to after its last event. What time alone has brought since is not in it:
// ask At.
type State struct {
	Version      uint64 // events folded
	Client       domain.ID
	Organisation domain.ID
	Handle       domain.ID
	Service      rules.Service
	Code         CodeHash
	Status       Status
	Since        time.Time   // from when the status holds
	Grant        uint64      // stream version of the yes that is, or was last, in force
	Yes          domain.Date // day of that yes
	Terms        rules.Terms // its dates
	Asked        bool        // the question about follow-up is open
	Active       time.Time   // the client's last own act, or the registration
	Rotated      bool        // the label the organisation knows is no longer the client's
	Restricted   bool
	Lifted       time.Time // when a restriction last ended; zero: never
	Deactivated  bool      // for want of a login, or because the client is erased
	Erased       bool
	KeyDestroyed bool
	Swept        bool
	Reviewed     []uint64 // look-ups that were reviewed, by version
	Questions    []uint64 // look-ups that the client asked about and nobody has reviewed since, by version
}

// Registered tells whether the client exists.
func (s State) Registered() bool { return !s.Client.IsZero() }

// Evolve folds one event into the state.
func Evolve(s State, e Event) State {
	s.Version++
	if e.Act.Role == domain.RoleClient {
		s.Active = e.Effective
	}
	switch b := e.Body.(type) {
	case Registered:
		s.Client, s.Organisation, s.Handle = b.Client, b.Organisation, b.Handle
		s.Service, s.Code = b.Service, b.Code
		s.Since, s.Active = e.Effective, e.Effective
	case nil, Labelled:
	case Granted:
		s = s.yes(e, b.AskOn, b.LapseOn)
	case FollowUpConfirmed:
		s = s.yes(e, b.AskOn, b.LapseOn)
	case Declined:
		s = s.end(Refused, e)
	case Withdrawn:
		s = s.end(Ended, e)
	case FollowUpEnded:
		s = s.end(AnsweredNo, e)
	case Lapsed:
		s = s.end(RanOut, e)
	case FollowUpAsked:
		s.Asked = true
	case TermsChanged:
		s.Terms = rules.Terms{Rule: e.Rule, AskOn: b.AskOn, LapseOn: b.LapseOn}
	case CodeRotated:
		s.Code, s.Rotated = b.New, true
	case Restricted:
		s.Restricted = true
	case RestrictionLifted:
		s.Restricted, s.Lifted = false, e.Effective
	case Deactivated:
		if s.Status == Shared {
			s = s.end(CutOff, e)
		}
		s.Deactivated = true
	case Erased:
		if s.Status == Shared {
			s = s.end(Gone, e)
		}
		s.Deactivated, s.Erased, s.Questions = true, true, nil
	case KeyDestroyed:
		s.KeyDestroyed = true
	case Swept:
		s.Swept = true
	case LookUpQuestioned:
		s.Questions = append(slices.Clip(s.Questions), b.LookUp)
	case LookUpReviewed:
		s.Questions = slices.DeleteFunc(slices.Clone(s.Questions), func(v uint64) bool { return v == b.LookUp })
		s.Reviewed = append(slices.Clip(s.Reviewed), b.LookUp)
	case LookedUp:
	default:
		panic(fmt.Sprintf("client.Evolve has no case for %T", b))
	}
	return s
}

// yes opens sharing from the event on.
func (s State) yes(e Event, ask, lapse domain.Date) State {
	s.Status, s.Since, s.Asked = Shared, e.Effective, false
	s.Grant, s.Yes = s.Version, domain.DateOf(e.Effective)
	s.Terms = rules.Terms{Rule: e.Rule, AskOn: ask, LapseOn: lapse}
	return s
}

// end closes sharing, in the way given.
func (s State) end(how Status, e Event) State {
	s.Status, s.Since, s.Asked = how, e.Effective, false
	return s
}
