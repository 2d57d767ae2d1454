// Package organisation is one organisation as a stream: its registration, its contact, its professionals and
// superusers. It says who may act for the organisation now; what clients let them see is decided elsewhere.
//
// Names and contact data stand in events of their own, sealed under the organisation's key or, for a professional, under
// that person's. The open events carry random ids only.
//
// There is always at least one superuser: the last one cannot be removed or lose the role.
//
// Nothing that ties a label to a person has a field here; that knowledge is the organisation's alone.
package organisation

import (
	"fmt"
	"maps"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

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

func (Registered) fact()              {}
func (ContactRecorded) fact()         {}
func (ProfessionalAdded) fact()       {}
func (ProfessionalNamed) fact()       {}
func (RoleChanged) fact()             {}
func (ProfessionalDeactivated) fact() {}
func (ProfessionalReactivated) fact() {}

// A Member is a professional's standing. Since is the version of the stream at which it became what it is: whoever leaves and
// comes back has another standing than before.
type Member struct {
	Active, Superuser bool
	Since             uint64
}

// State is what deciding needs of an organisation.
type State struct {
	Version      uint64
	Organisation domain.ID
	Service      rules.Service
	Members      map[domain.ID]Member
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
		s = s.with(b.Professional, Member{Active: true, Superuser: b.Superuser})
	case RoleChanged:
		s = s.with(b.Professional, Member{Active: s.Members[b.Professional].Active, Superuser: b.Superuser})
	case ProfessionalDeactivated:
		s = s.with(b.Professional, Member{})
	case ProfessionalReactivated:
		s = s.with(b.Professional, Member{Active: true})
	case nil, ContactRecorded, ProfessionalNamed:
	default:
		panic(fmt.Sprintf("organisation.Evolve has no case for %T", b))
	}
	return s
}

func (s State) with(id domain.ID, m Member) State {
	members := maps.Clone(s.Members)
	if members == nil {
		members = map[domain.ID]Member{}
	}
	m.Since = s.Version
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
	}
	// CorrectProfessional replaces a professional's details.
	CorrectProfessional struct {
		Professional domain.ID
		Details      Professional
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
)

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
)

// Decider decides for organisations.
var Decider = domain.AtOnce(rules.General, decide, Evolve)

func decide(a domain.Act, s State, c Command) ([]Body, error) {
	if c, ok := c.(Register); ok {
		return register(a, s, c)
	}
	if s.Organisation.IsZero() {
		return nil, domain.Refuse(NotRegistered, "There is no such organisation.")
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
		return []Body{
			ProfessionalAdded{Professional: c.Professional, Superuser: c.Superuser},
			ProfessionalNamed{Professional: c.Professional, Details: c.Details},
		}, checkPerson(c.Details)
	case CorrectProfessional:
		return []Body{ProfessionalNamed(c)}, firstOf(known(s, c.Professional), checkPerson(c.Details))
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
		return []Body{ProfessionalReactivated(c)}, known(s, c.Professional)
	}
	panic("unreachable unless a command has no case")
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

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func check(c Contact) error {
	if !ValidNumber(c.Number) {
		return domain.Refuse(BadInput, "The organisation number is not valid: nine digits, the last of which is a check digit.")
	}
	return firstOf(CheckName("The organisation's name", c.Name), CheckName("The contact person's name", c.Person), CheckEmail(c.Email), phone(c.Phone))
}

func checkPerson(p Professional) error {
	return firstOf(CheckName("The first name", p.FirstName), CheckName("The last name", p.LastName), CheckName("The workplace", p.Workplace),
		CheckName("The position", p.Position), CheckEmail(p.Email), phone(p.Phone))
}

// CheckName refuses what cannot be a name, or a line of text of that length.
func CheckName(what, s string) error {
	if strings.TrimSpace(s) == "" || len(s) > 200 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return domain.Refuse(BadInput, what+" is missing, too long, or has characters that cannot be stored.")
	}
	return nil
}

// CheckEmail refuses what is no e-mail address alone.
func CheckEmail(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return domain.Refuse(BadInput, "The e-mail address is not valid.")
	}
	return nil
}

func phone(s string) error {
	digits, other := 0, 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == ' ', r == '+' && i == 0:
		default:
			other++
		}
	}
	if digits < 5 || digits > 15 || other > 0 || len(s) > 30 {
		return domain.Refuse(BadInput, "The telephone number is not valid: digits and spaces, with + first for a country code.")
	}
	return nil
}

// ValidNumber tells whether the text is a Norwegian organisation number: nine digits, the last one the check digit of
// the others modulo 11 with the weights 3 2 7 6 5 4 3 2. None begins with 0.
func ValidNumber(s string) bool {
	if len(s) != 9 || s[0] == '0' {
		return false
	}
	sum := 0
	for i, w := range []int{3, 2, 7, 6, 5, 4, 3, 2, 1} {
		d := int(s[i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		sum += d * w
	}
	return sum%11 == 0
}
