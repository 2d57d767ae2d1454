package client

import (
	"slices"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// An Event is one fact of a client's stream.
type Event = domain.Event[Body]

// A Body is one of the types below and no other.
type Body interface{ fact() }

// A CodeHash is the keyed hash of a client's code. The code itself is nowhere in the ledger.
type CodeHash [32]byte

// MarshalText shows that there is a hash, and not which: it is of no use outside the program.
func (h CodeHash) MarshalText() ([]byte, error) { return []byte("[keyed hash]"), nil }

// Registered: an organisation gave a client access. Handle is what the organisation knows the client by inside the
// system; it means nothing to another organisation.
type Registered struct {
	Client       domain.ID
	Organisation domain.ID
	Handle       domain.ID
	Service      rules.Service
	Code         CodeHash
}

// Labelled: the label of the code that was handed out; sealed under the client's key.
type Labelled struct {
	Label string
}

// Occasion is where a yes was given.
type Occasion string

const (
	FirstQuestion Occasion = "first-question"
	Settings      Occasion = "settings"
)

// Granted: the client shares with the organisation, until the start of LapseOn. From the start of AskOn the client is
// asked whether follow-up still goes on; a zero AskOn means that the rule knows no question.
type Granted struct {
	Occasion Occasion
	AskOn    domain.Date
	LapseOn  domain.Date
}

// Declined: the client answered no to the first question.
type Declined struct{}

// Withdrawn: the client ended sharing under Settings. Grant is the stream version of the yes that ended.
type Withdrawn struct{ Grant uint64 }

// FollowUpAsked: the question whether follow-up still goes on became due.
type FollowUpAsked struct{ Grant uint64 }

// FollowUpConfirmed: the client answered yes, a new act from which both periods count anew.
type FollowUpConfirmed struct {
	Grant   uint64 // the yes that this one follows
	AskOn   domain.Date
	LapseOn domain.Date
}

// FollowUpEnded: the client answered no; sharing ended.
type FollowUpEnded struct{ Grant uint64 }

// Lapsed: no yes came in time; sharing ended at the effective instant by itself.
type Lapsed struct{ Grant uint64 }

// TermsChanged: a new rule that says so itself reached a running grant.
type TermsChanged struct {
	Grant   uint64
	AskOn   domain.Date
	LapseOn domain.Date
}

// CodeRotated: the client took a new code; the old one stopped working at once. The organisation goes on seeing the
// label of the old one, and never learns the new.
type CodeRotated struct {
	Old CodeHash
	New CodeHash
}

// Restricted: the client asked for restriction (GDPR 18); every use but storage stops.
type Restricted struct{}

// RestrictionLifted: the restriction ended.
type RestrictionLifted struct{}

// Deactivated: more than twelve months without a login. Sharing ended, the organisation's handle is cut, the code
// stopped working.
type Deactivated struct{}

// Erased: the client had everything about itself erased. Sharing ended, the organisation's handle is cut, the code stopped
// working. That it took place, and when, is all that stays of it: the organisation's deletion registration.
type Erased struct{ Organisation domain.ID }

// KeyDestroyed: the key of an erased client is gone; what was sealed under it can be read by nobody.
type KeyDestroyed struct{}

// Swept: the sealed bytes of an erased client, of so many records, were removed from the store.
type Swept struct{ Records uint64 }

// LookUpQuestioned: the client asks the organisation about one look-up, by its version in this stream. By is who made it.
type LookUpQuestioned struct {
	LookUp uint64
	By     domain.ID
}

// LookUpReviewed: somebody else than who made a look-up reviewed it, and came to an outcome.
type LookUpReviewed struct {
	LookUp  uint64
	By      domain.ID // who made it
	Concern Concern
	Outcome Outcome
}

// Concern is why a look-up, or an attempt at one, is to be reviewed.
type Concern string

const (
	AskedByClient Concern = "asked-by-client"
	OutsideHours  Concern = "outside-hours"
	ManyAtOnce    Concern = "many-at-once"
	AfterRefusal  Concern = "after-refusal"
	LongAfter     Concern = "long-after-the-last-appointment"
	WasRefused    Concern = "refused"
)

// Known tells whether the concern is one that leads to a review.
func (c Concern) Known() bool {
	return slices.Contains([]Concern{AskedByClient, OutsideHours, ManyAtOnce, AfterRefusal, LongAfter, WasRefused}, c)
}

// Outcome is what a review came to.
type Outcome string

const (
	InOrder   Outcome = "in-order"
	Mistake   Outcome = "mistake"   // it was not needed, and nothing was done with it
	Deviation Outcome = "deviation" // it is followed up as one
)

// Known tells whether the outcome is one that a review can come to.
func (o Outcome) Known() bool { return o == InOrder || o == Mistake || o == Deviation }

// Basis is the ground on which somebody reads.
type Basis string

const (
	// ByGrant: a live grant covers an organisation's reading.
	ByGrant Basis = "grant"
	// OwnData: the client reads what is stored about itself.
	OwnData Basis = "own-data"
)

// Purpose is what a reading is for.
type Purpose string

const (
	Overview    Purpose = "overview"           // the organisation's list of its clients
	Appointment Purpose = "before-appointment" // progress and use before an appointment
	Workload    Purpose = "workload"           // work between appointments
	Effect      Purpose = "effect"             // usefulness and effect over time
	Together    Purpose = "register-together"  // filling in together with the client
	OnBehalf    Purpose = "register-on-behalf" // filling in for the client
	Contact     Purpose = "contact"            // sending, noting or passing on, which shows nothing: of attempts only
	SelfService Purpose = "own-page"           // the client's own page
	Export      Purpose = "own-export"         // the client takes the data out
)

// Known tells whether it is one of the above, and not what somebody typed.
func (p Purpose) Known() bool {
	switch p {
	case Overview, Appointment, Workload, Effect, Together, OnBehalf, Contact, SelfService, Export:
		return true
	}
	return false
}

// Kind is a kind of information that a reading shows.
type Kind string

const (
	Scores   Kind = "scores"   // assessments: scores, severity, answers to their items
	Progress Kind = "progress" // content seen and finished, tasks
	Use      Kind = "use"      // logins and time spent
	Answers  Kind = "answers"  // answers to tasks
	Ratings  Kind = "ratings"  // ratings inside the programme
	Notes    Kind = "notes"    // the organisation's own notes
)

// Known tells whether it is one of the above, and not what somebody typed.
func (k Kind) Known() bool {
	switch k {
	case Scores, Progress, Use, Answers, Ratings, Notes:
		return true
	}
	return false
}

// LookedUp: somebody read what is registered about the client. It is appended at the version at which access was
// decided, before anything is shown. Journal is the journal version shown: nothing later was. Grant is the stream
// version of the yes that covered it, zero where the basis is another.
type LookedUp struct {
	Basis   Basis
	Purpose Purpose
	Kinds   []Kind
	Journal uint64
	Grant   uint64
}

func (Registered) fact()        {}
func (Labelled) fact()          {}
func (Granted) fact()           {}
func (Declined) fact()          {}
func (Withdrawn) fact()         {}
func (FollowUpAsked) fact()     {}
func (FollowUpConfirmed) fact() {}
func (FollowUpEnded) fact()     {}
func (Lapsed) fact()            {}
func (TermsChanged) fact()      {}
func (CodeRotated) fact()       {}
func (Restricted) fact()        {}
func (RestrictionLifted) fact() {}
func (Deactivated) fact()       {}
func (LookedUp) fact()          {}
func (Erased) fact()            {}
func (KeyDestroyed) fact()      {}
func (Swept) fact()             {}
func (LookUpQuestioned) fact()  {}
func (LookUpReviewed) fact()    {}
