package audit

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// A Standing is a client's state at an instant, with the reason.
type Standing struct {
	Client       domain.ID      `json:"client"`
	At           time.Time      `json:"at"`
	Status       string         `json:"status"`
	Since        time.Time      `json:"since"`
	Until        *time.Time     `json:"until,omitempty"`
	AskedFrom    *time.Time     `json:"askedFrom,omitempty"`
	Question     bool           `json:"questionOpen"`
	Restricted   bool           `json:"restricted"`
	Deactivated  bool           `json:"deactivated"`
	Rotated      bool           `json:"codeRotated"`
	Service      rules.Service  `json:"service"`
	Rule         string         `json:"rule,omitempty"`
	Reason       string         `json:"reason"`
	PersonalData bool           `json:"personalData"`
	Reading      client.Reading `json:"reading"`
}

// reasons says what each status rests on.
var reasons = map[client.Status]string{
	client.Unanswered: "the client has not answered the first question",
	client.Refused:    "the client answered no to the first question",
	client.Shared:     "the client said yes, and the yes is live",
	client.Ended:      "the client withdrew under Settings",
	client.AnsweredNo: "the client answered that follow-up no longer goes on",
	client.RanOut:     "no yes came before the deadline",
	client.CutOff:     "the client was deactivated",
	client.Gone:       "the client had everything about itself erased",
}

// State is a client's state at an instant, as far as it was recorded by the instant known. A zero instant is now. It refuses
// with NotFound where the client was not registered then.
func (a *Auditor) State(ctx context.Context, reason string, id domain.ID, at, known time.Time) (Standing, error) {
	if at.IsZero() {
		at = a.Now()
	}
	about := "client " + id.String() + " at " + instant(at)
	if known.IsZero() {
		known = a.Now()
	} else {
		about += ", as it was known at " + instant(known)
	}
	if _, err := a.ask(ctx, "state", about, reason); err != nil {
		return Standing{}, err
	}
	st, err := a.StateAt(ctx, id, at, known)
	if err != nil {
		return Standing{}, err
	}
	if !st.Registered() {
		return Standing{}, domain.Refuse(NotFound, "the client was not registered then")
	}
	out := Standing{
		Client: id, At: at, Status: cmp.Or(string(st.Status), "unanswered"), Since: st.Since, Question: st.Asked,
		Restricted: st.Restricted, Deactivated: st.Deactivated, Rotated: st.Rotated, Service: st.Service, Reason: reasons[st.Status],
	}
	if st.Status == client.Shared {
		until, ask := st.Terms.LapseOn.Start(), st.Terms.AskOn.Start()
		out.Until, out.Rule = &until, st.Terms.Rule
		if st.Terms.AskOn != 0 {
			out.AskedFrom = &ask
		}
	}
	out.PersonalData, out.Reading = st.PersonalData()
	return out, nil
}

// An Event is one as it stands in the ledger, closed where it is sealed.
type Event = eventschema.Fact

// An Explanation is an event with what led to it.
type Explanation struct {
	Event  eventschema.Fact   `json:"event"`
	Causes []eventschema.Fact `json:"causes"` // earlier events that it rests on, the nearest first
	Rule   *rules.Row         `json:"rule,omitempty"`
	Words  string             `json:"explanation"`
}

// Why explains the event at a position: which act and which rule led to it. It refuses with NotFound a position that the
// ledger does not reach.
func (a *Auditor) Why(ctx context.Context, reason string, position uint64) (Explanation, error) {
	own, err := a.ask(ctx, "why", fmt.Sprintf("position %d", position), reason)
	if err != nil {
		return Explanation{}, err
	}
	if position < 1 || position >= own {
		return Explanation{}, domain.Refuse(NotFound, fmt.Sprintf("there is no event at position %d: the ledger has %d", position, own-1))
	}
	f, err := a.fact(ctx, position)
	if err != nil {
		return Explanation{}, err
	}
	f.Closed = nil
	x := Explanation{Event: f, Causes: []eventschema.Fact{}, Words: because(&f)}
	if row, ok := ruleRow(a.Rules, f.Rule); ok {
		x.Rule = &row
	}
	for {
		on, err := a.restsOn(ctx, &f)
		if err != nil || on == 0 || on >= f.Version {
			return x, err
		}
		err = a.stream(ctx, f.Stream(), on, nil, func(cause *eventschema.Fact) bool {
			f = *cause
			return false
		})
		if err != nil {
			return Explanation{}, err
		}
		x.Causes = append(x.Causes, f)
	}
}

// restsOn is the version, in the same stream, of the event that a fact rests on; 0 where it rests on none.
func (a *Auditor) restsOn(ctx context.Context, f *eventschema.Fact) (found uint64, err error) {
	var step func(earlier any) bool
	switch b := f.Body.(type) {
	case client.KeyDestroyed:
		step = func(earlier any) bool { _, ok := earlier.(client.Erased); return ok }
	case client.Swept:
		step = func(earlier any) bool { _, ok := earlier.(client.KeyDestroyed); return ok }
	case organisation.ProfessionalKeyDestroyed:
		step = func(earlier any) bool { return earlier == organisation.ProfessionalErased(b) }
	default:
		return namedBy(f.Body), nil
	}
	err = a.stream(ctx, f.Stream(), 1, nil, func(earlier *eventschema.Fact) bool {
		if step(earlier.Body) {
			found = earlier.Version
		}
		return earlier.Version+1 < f.Version
	})
	return found, err
}

// namedBy is the version of the event that a body names, or that its stream begins with; 0 where there is none: of the yes, of the
// look-up, of the attempt, of the opening.
func namedBy(body any) uint64 {
	switch b := body.(type) {
	case client.LookUpQuestioned:
		return b.LookUp
	case client.LookUpReviewed:
		return b.LookUp
	case oversight.AttemptReviewed, oversight.AccessUsed, oversight.AccessClosed, oversight.AccessReviewed:
		return 1
	case client.LookedUp:
		return b.Grant
	case client.Withdrawn:
		return b.Grant
	case client.FollowUpAsked:
		return b.Grant
	case client.FollowUpConfirmed:
		return b.Grant
	case client.FollowUpEnded:
		return b.Grant
	case client.Lapsed:
		return b.Grant
	case client.TermsChanged:
		return b.Grant
	}
	return 0
}

// because says in a sentence what an event came of.
func because(f *eventschema.Fact) string {
	switch b := f.Body.(type) {
	case client.LookedUp:
		if b.Basis == client.OwnData {
			return "The client read what is stored about itself."
		}
		return "A live yes covered this look-up; it stands first among the causes."
	case client.Lapsed:
		return "Time: no yes came before the deadline that follows from the yes below and the rule."
	case client.FollowUpAsked:
		return "Time: the question became due, counted from the yes below under the rule."
	case client.Deactivated:
		return "Time: no login for longer than the rule allows."
	case client.TermsChanged:
		return "A new rule that reaches running grants."
	case oversight.LookUpRefused:
		return "Refused, because: " + b.Reason + "."
	case oversight.SignInRefused:
		return "Refused, because: " + b.Reason + "."
	case client.KeyDestroyed, client.Swept, organisation.ProfessionalKeyDestroyed:
		return "A step of the erasure that stands first among the causes."
	case client.LookUpQuestioned:
		return "The client asked about the look-up that stands first among the causes."
	case client.LookUpReviewed, oversight.AttemptReviewed, oversight.AccessReviewed:
		return "A review of what stands first among the causes, by somebody else than who did it."
	case oversight.AccessUsed:
		return "Done with the exceptional access that stands first among the causes, while it was open."
	case nil:
		return "The event is sealed; only its place and whose key it is under can be told."
	}
	if f.Act.Role == domain.RoleSystem {
		if Reapplied(f) {
			return "The ledger was put back from a copy made before this took effect; what had ended was recorded once more."
		}
		return "Time."
	}
	return "An act of a " + string(f.Act.Role) + "."
}

// Reapplied tells whether an event is an ending that was recorded once more, after the ledger was put back from a copy.
func Reapplied(f *Event) bool {
	ending := false
	switch b := f.Body.(type) {
	case client.Body:
		ending = client.IsEnding(b)
	case organisation.Body:
		ending = organisation.IsEnding(b)
	case staff.Body:
		ending = staff.IsEnding(b)
	}
	return ending && f.Act.Role == domain.RoleSystem
}

func ruleRow(books rules.Books, version string) (rules.Row, bool) {
	for _, b := range books {
		for _, r := range b {
			if r.Version == version {
				return r, true
			}
		}
	}
	return rules.Row{}, false
}
