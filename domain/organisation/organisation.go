// Package organisation is one organisation as a stream: its registration, its contact, its professionals and
// superusers. It says who may act for the organisation now; what clients let them see is decided elsewhere.
//
// Names and contact data stand in events of their own, sealed under the organisation's key or, for a professional, under
// that person's. The open events carry random ids only.
//
// There is always at least one superuser: the last one cannot be removed or lose the role. In a ledger restored from a copy the last
// one may have to go, since an ending ends there too; the processor's staff then name another.
//
// # What the organisation settles
//
// How long access logs can be read by name: agreed with a reason, counted in months from a professional's last look-up. Once the
// professional is off the list and that time has passed, the professional is erased: the key that seals name and contact data goes,
// and the log's events stay, with a random id. Without such an agreement nobody is erased. Also whether clients are shown the names
// of those who looked, and that the list of professionals was gone through.
//
// Nothing that ties a label to a person has a field here; that knowledge is the organisation's alone.
package organisation

import (
	"fmt"
	"maps"
	"time"

	"samtykke/domain"
	"samtykke/domain/rules"
)

// An Event is one fact of an organisation's stream.
type Event = domain.Event[Body]

// A Body is one of the types below and no other.
type Body interface{ fact() }

// Registered: the organisation was registered for a service.
type Registered struct {
	Organisation domain.ID
	Service      rules.Service
}

// Contact is who the organisation is and whom to reach there.
type Contact struct {
	Name   string
	Number string // organisation number, nine digits
	Person string
	Email  string
	Phone  string
}

// ContactRecorded: the contact data, or their correction. Source says where they come from: the organisation itself, or
// a public register. Sealed under the organisation's key.
type ContactRecorded struct {
	Contact Contact
	Source  string
}

// ProfessionalAdded: somebody may act for the organisation.
type ProfessionalAdded struct {
	Professional domain.ID
	Superuser    bool
}

// Professional is who a professional is.
type Professional struct {
	FirstName string
	LastName  string
	Workplace string
	Position  string
	Phone     string
	Email     string
}

// ProfessionalNamed: who the professional is, or a correction. Sealed under the professional's own key.
type ProfessionalNamed struct {
	Professional domain.ID
	Details      Professional
}

// RoleChanged: a professional became superuser, or ceased to be.
type RoleChanged struct {
	Professional domain.ID
	Superuser    bool
}

// ProfessionalDeactivated: the professional no longer acts for the organisation, at once.
type ProfessionalDeactivated struct{ Professional domain.ID }

// ProfessionalReactivated: the professional acts for the organisation again.
type ProfessionalReactivated struct{ Professional domain.ID }

// RetentionAgreed: access logs are kept by name for so many months after a professional's last look-up; 0: without an end. Sealed
// under the organisation's key.
type RetentionAgreed struct {
	Months int
	Reason string
}

// NamesHidden: whether clients see who looked without the name.
type NamesHidden struct{ Hidden bool }

// HelsenorgeSet: whether the organisation's clients come by Helsenorge. Statistics are told for those together, too.
type HelsenorgeSet struct{ By bool }

// AccessReviewed: a superuser went through the list of professionals and found it right.
type AccessReviewed struct{}

// ProfessionalErased: the professional's name and contact data are to be read by nobody any more.
type ProfessionalErased struct{ Professional domain.ID }

// ProfessionalKeyDestroyed: the erased professional's key is gone.
type ProfessionalKeyDestroyed struct{ Professional domain.ID }

func (RetentionAgreed) fact()          {}
func (NamesHidden) fact()              {}
func (AccessReviewed) fact()           {}
func (HelsenorgeSet) fact()            {}
func (ProfessionalErased) fact()       {}
func (ProfessionalKeyDestroyed) fact() {}

func (Registered) fact()              {}
func (ContactRecorded) fact()         {}
func (ProfessionalAdded) fact()       {}
func (ProfessionalNamed) fact()       {}
func (RoleChanged) fact()             {}
func (ProfessionalDeactivated) fact() {}
func (ProfessionalReactivated) fact() {}

// A Member is a professional's standing. Since is the version of the stream at which it became what it is, and From the instant:
// whoever leaves and comes back has another standing than before.
type Member struct {
	Active, Superuser bool
	Since             uint64
	From              time.Time
	Erased            bool
	KeyDestroyed      bool
	Identity          IdentityHash // zero: none was given, or it is erased
}

// State is what deciding needs of an organisation.
type State struct {
	Version      uint64
	Organisation domain.ID
	Service      rules.Service
	Members      map[domain.ID]Member
	Retention    int // months; 0: none agreed
	NamesHidden  bool
	Helsenorge   bool      // its clients come by Helsenorge
	Reviewed     time.Time // when the list was last gone through; zero: never
}

// Standing tells what the professional may act as now: superuser, professional, or "" for nothing.
func (s State) Standing(id domain.ID) domain.Role {
	switch m := s.Members[id]; {
	case !m.Active:
		return ""
	case m.Superuser:
		return domain.RoleSuperuser
	}
	return domain.RoleProfessional
}

// Admit refuses whoever may not act for the organisation now in the role.
func (s State) Admit(id domain.ID, as domain.Role) error {
	if r := s.Standing(id); r == "" || r != as {
		return domain.Refuse(NotActive, "You no longer have access on behalf of this organisation.")
	}
	return nil
}

// Superusers counts the active ones.
func (s State) Superusers() int {
	n := 0
	for _, m := range s.Members {
		if m.Active && m.Superuser {
			n++
		}
	}
	return n
}

// Evolve folds one event into the state.
func Evolve(s State, e Event) State {
	s.Version++
	switch b := e.Body.(type) {
	case Registered:
		s.Organisation, s.Service = b.Organisation, b.Service
	case ProfessionalAdded:
		s = s.with(e, b.Professional, Member{Active: true, Superuser: b.Superuser})
	case RoleChanged:
		s = s.with(e, b.Professional, Member{Active: s.Members[b.Professional].Active, Superuser: b.Superuser})
	case ProfessionalDeactivated:
		s = s.with(e, b.Professional, Member{})
	case ProfessionalReactivated:
		s = s.with(e, b.Professional, Member{Active: true})
	case ProfessionalErased:
		s = s.with(e, b.Professional, Member{Erased: true})
	case ProfessionalKeyDestroyed:
		s = s.with(e, b.Professional, Member{Erased: true, KeyDestroyed: true})
	case RetentionAgreed:
		s.Retention = b.Months
	case NamesHidden:
		s.NamesHidden = b.Hidden
	case HelsenorgeSet:
		s.Helsenorge = b.By
	case AccessReviewed:
		s.Reviewed = e.Effective
	case ProfessionalIdentified:
		m := s.Members[b.Professional]
		m.Identity = b.Identity
		s = s.having(b.Professional, m)
	case nil, ContactRecorded, ProfessionalNamed:
	default:
		panic(fmt.Sprintf("organisation.Evolve has no case for %T", b))
	}
	return s
}

// with gives the professional another standing from the event on.
func (s State) with(e Event, id domain.ID, m Member) State {
	m.Since, m.From = s.Version, e.Effective
	if !m.Erased {
		m.Identity = s.Members[id].Identity
	}
	return s.having(id, m)
}

func (s State) having(id domain.ID, m Member) State {
	members := maps.Clone(s.Members)
	if members == nil {
		members = map[domain.ID]Member{}
	}
	members[id] = m
	s.Members = members
	return s
}

// A Command is one of the types below and no other.
type Command interface{ command() }

type (
	// Register registers an organisation with its first superuser.
	Register struct {
		Organisation domain.ID
		Service      rules.Service
		Contact      Contact
		Superuser    domain.ID
		Details      Professional
	}
	// CorrectContact replaces the contact data.
	CorrectContact struct {
		Contact Contact
		Source  string
	}
	// AddProfessional lets somebody act for the organisation.
	AddProfessional struct {
		Professional domain.ID
		Superuser    bool
		Details      Professional
		Identity     IdentityHash // zero: not given
	}
	// CorrectProfessional replaces a professional's details.
	CorrectProfessional struct {
		Professional domain.ID
		Details      Professional
		Identity     IdentityHash // zero: not given, and what was given before stays
	}
	// ChangeRole makes a professional superuser, or ends it.
	ChangeRole struct {
		Professional domain.ID
		Superuser    bool
	}
	// Deactivate ends a professional's access at once.
	Deactivate struct{ Professional domain.ID }
	// Reactivate lets a professional in again, without the superuser's role.
	Reactivate struct{ Professional domain.ID }
	// AgreeRetention settles how long access logs are kept by name.
	AgreeRetention struct {
		Months int
		Reason string
	}
	// HideNames settles whether clients see who looked without the name.
	HideNames struct{ Hidden bool }
	// SetHelsenorge settles whether the organisation's clients come by Helsenorge. The service's own staff do.
	SetHelsenorge struct{ By bool }
	// ReviewAccess says that the list of professionals was gone through and is right.
	ReviewAccess struct{}
	// EraseProfessional erases a professional who is off the list, once the agreed time has passed since LastLook, the last
	// look-up; zero: there was none.
	EraseProfessional struct {
		Professional domain.ID
		LastLook     time.Time
	}
	// RecordKeyDestroyed says that the erased professional's key is gone.
	RecordKeyDestroyed struct{ Professional domain.ID }
	// Reapply records an ending once more in a ledger that was restored from a copy made before it.
	Reapply struct{ Ending Event }
)

func (AgreeRetention) command()     {}
func (HideNames) command()          {}
func (ReviewAccess) command()       {}
func (SetHelsenorge) command()      {}
func (EraseProfessional) command()  {}
func (RecordKeyDestroyed) command() {}
func (Reapply) command()            {}

func (Register) command()            {}
func (CorrectContact) command()      {}
func (AddProfessional) command()     {}
func (CorrectProfessional) command() {}
func (ChangeRole) command()          {}
func (Deactivate) command()          {}
func (Reactivate) command()          {}

// The codes of refusals.
const (
	BadInput      = "bad-input"
	NotYours      = "not-allowed"
	AlreadyKnown  = "already-registered"
	NotRegistered = "not-registered"
	NoSuchPerson  = "no-such-professional"
	LastSuperuser = "last-superuser"
	NotActive     = "not-active"
	KeptByName    = "kept-by-name"
	IsErased      = "erased"
)

// LongestRetention is the longest time that can be agreed, in months.
const LongestRetention = 20 * 12

// Decider decides for organisations.
var Decider = domain.AtOnce(rules.General, decide, Evolve)

func decide(a domain.Act, s State, c Command) ([]Body, error) {
	if c, ok := c.(Register); ok {
		return register(a, s, c)
	}
	if s.Organisation.IsZero() {
		return nil, domain.Refuse(NotRegistered, "There is no such organisation.")
	}
	switch c := c.(type) {
	case RecordKeyDestroyed:
		return recordKeyDestroyed(a, s, c)
	case Reapply:
		return reapply(a, s, c.Ending)
	}
	if a.Role != domain.RoleEmployee && (a.Role != domain.RoleSuperuser || s.Standing(a.Actor) != domain.RoleSuperuser) {
		return nil, domain.Refuse(NotYours, "Only a superuser of the organisation can do this.")
	}
	switch c := c.(type) {
	case CorrectContact:
		return []Body{ContactRecorded(c)}, check(c.Contact)
	case AddProfessional:
		if _, known := s.Members[c.Professional]; known || c.Professional.IsZero() {
			return nil, domain.Refuse(AlreadyKnown, "The professional is already on the list.")
		}
		identified, same := identify(s, c.Professional, c.Identity)
		return append([]Body{
			ProfessionalAdded{Professional: c.Professional, Superuser: c.Superuser},
			ProfessionalNamed{Professional: c.Professional, Details: c.Details},
		}, identified...), firstOf(checkPerson(c.Details), same)
	case CorrectProfessional:
		identified, same := identify(s, c.Professional, c.Identity)
		return append([]Body{ProfessionalNamed{Professional: c.Professional, Details: c.Details}}, identified...),
			firstOf(named(s, c.Professional), checkPerson(c.Details), same)
	case ChangeRole:
		return changeRole(s, c)
	case Deactivate:
		if !s.Members[c.Professional].Active {
			return nil, known(s, c.Professional)
		}
		return []Body{ProfessionalDeactivated(c)}, keepsSuperuser(s, c.Professional)
	case Reactivate:
		if s.Members[c.Professional].Active {
			return nil, nil
		}
		return []Body{ProfessionalReactivated(c)}, firstOf(named(s, c.Professional), alone(s, c.Professional, s.Members[c.Professional].Identity))
	case AgreeRetention:
		if c.Months < 0 || c.Months > LongestRetention {
			return nil, domain.Refuse(BadInput, "The time is given in months: 0 for no end, at most 240.")
		}
		return []Body{RetentionAgreed(c)}, CheckName("The reason", c.Reason)
	case HideNames:
		if s.NamesHidden == c.Hidden {
			return nil, nil
		}
		return []Body{NamesHidden(c)}, nil
	case SetHelsenorge:
		switch {
		case a.Role != domain.RoleEmployee:
			return nil, domain.Refuse(NotYours, "Only the service's own staff can do this.")
		case s.Helsenorge == c.By:
			return nil, nil
		}
		return []Body{HelsenorgeSet(c)}, nil
	case ReviewAccess:
		return []Body{AccessReviewed{}}, nil
	case EraseProfessional:
		return eraseProfessional(a, s, c)
	}
	panic("unreachable unless a command has no case")
}

// SoleSuperuser tells whether somebody is a superuser, and nobody else is.
func (s State) SoleSuperuser(id domain.ID) bool {
	for other, m := range s.Members {
		if other != id && m.Active && m.Superuser {
			return false
		}
	}
	return s.Standing(id) == domain.RoleSuperuser
}

// ErasableFrom is the day from whose start a professional may be erased whose last look-up was on the day: the agreed months have
// passed whole. false: never, since no time was agreed.
func (s State) ErasableFrom(lastLook domain.Date) (domain.Date, bool) {
	return lastLook.AddMonths(s.Retention).AddDays(1), s.Retention > 0
}

func eraseProfessional(a domain.Act, s State, c EraseProfessional) ([]Body, error) {
	m, ok := s.Members[c.Professional]
	switch {
	case !ok:
		return nil, known(s, c.Professional)
	case m.Erased:
		return nil, nil
	case m.Active:
		return nil, domain.Refuse(KeptByName, "The professional is still on the list.")
	}
	if !c.LastLook.IsZero() {
		from, agreed := s.ErasableFrom(domain.DateOf(c.LastLook))
		if !agreed {
			return nil, domain.Refuse(KeptByName, "No time has been agreed for how long access logs are kept by name.")
		}
		if a.At.Before(from.Start()) {
			return nil, domain.Refuse(KeptByName, "The agreed time since the professional's last look-up has not passed yet.")
		}
	}
	return []Body{ProfessionalErased{Professional: c.Professional}}, nil
}

func recordKeyDestroyed(a domain.Act, s State, c RecordKeyDestroyed) ([]Body, error) {
	m := s.Members[c.Professional]
	switch {
	case a.Role != domain.RoleSystem:
		return nil, domain.Refuse(NotYours, "Nobody but the system records this.")
	case !m.Erased:
		return nil, domain.Refuse(KeptByName, "The professional is not erased.")
	case m.KeyDestroyed:
		return nil, nil
	}
	return []Body{ProfessionalKeyDestroyed(c)}, nil
}

// reapply gives an ending anew where it is not so already. It ends no standing that somebody got after it.
func reapply(a domain.Act, s State, ending Event) ([]Body, error) {
	if a.Role != domain.RoleSystem {
		return nil, domain.Refuse(NotYours, "Nobody but the system records this.")
	}
	stood := func(id domain.ID) bool { return s.Members[id].Active && !ending.Effective.Before(s.Members[id].From) }
	again := false
	switch b := ending.Body.(type) {
	case ProfessionalDeactivated:
		again = stood(b.Professional)
	case RoleChanged:
		again = !b.Superuser && stood(b.Professional) && s.Members[b.Professional].Superuser
	case ProfessionalErased:
		m, ok := s.Members[b.Professional]
		again = ok && !m.Erased
	}
	if !again {
		return nil, nil
	}
	return []Body{ending.Body}, nil
}

// IsEnding tells whether an event of an organisation ends something that a restored copy must not open again.
func IsEnding(b Body) bool {
	switch b := b.(type) {
	case ProfessionalDeactivated, ProfessionalErased:
		return true
	case RoleChanged:
		return !b.Superuser
	}
	return false
}

func register(a domain.Act, s State, c Register) ([]Body, error) {
	switch {
	case !s.Organisation.IsZero():
		return nil, domain.Refuse(AlreadyKnown, "The organisation is already registered.")
	case a.Role != domain.RoleEmployee:
		return nil, domain.Refuse(NotYours, "Organisations are registered by the processor's staff.")
	case c.Organisation.IsZero(), c.Superuser.IsZero():
		return nil, domain.Refuse(BadInput, "An organisation needs an id and a first superuser.")
	}
	return []Body{
		Registered{Organisation: c.Organisation, Service: c.Service},
		ContactRecorded{Contact: c.Contact, Source: "organisation"},
		ProfessionalAdded{Professional: c.Superuser, Superuser: true},
		ProfessionalNamed{Professional: c.Superuser, Details: c.Details},
	}, firstOf(check(c.Contact), checkPerson(c.Details))
}

func changeRole(s State, c ChangeRole) ([]Body, error) {
	m, ok := s.Members[c.Professional]
	switch {
	case !ok || !m.Active:
		return nil, domain.Refuse(NoSuchPerson, "The professional is not on the list.")
	case m.Superuser == c.Superuser:
		return nil, nil
	case !c.Superuser:
		return []Body{RoleChanged(c)}, keepsSuperuser(s, c.Professional)
	}
	return []Body{RoleChanged(c)}, nil
}

// keepsSuperuser refuses where the organisation would be left without a superuser.
func keepsSuperuser(s State, without domain.ID) error {
	if s.Standing(without) == domain.RoleSuperuser && s.Superusers() == 1 {
		return domain.Refuse(LastSuperuser, "An organisation always has at least one superuser. Name another one first.")
	}
	return nil
}

func known(s State, id domain.ID) error {
	if _, ok := s.Members[id]; !ok {
		return domain.Refuse(NoSuchPerson, "The professional is not on the list.")
	}
	return nil
}

// named refuses whoever is not known any more by name, too.
func named(s State, id domain.ID) error {
	if s.Members[id].Erased {
		return domain.Refuse(IsErased, "What was known of the professional is erased. Add the professional anew.")
	}
	return known(s, id)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
