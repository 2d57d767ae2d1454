// Package staff is the account of one member of staff, as a stream: who it is, the invitation, the password, each sign-in. Staff
// are the professionals and superusers of organisations, and the service's own: auditors, employees, the safety manager and tool managers.
//
// # Whose account
//
// The service's own staff are employed here, and leave here. A professional's standing is in its organisation's stream (package
// organisation) and nowhere else: whoever reads an account asks there as well. The account's id is the professional's.
//
// # Invitations
//
// Nobody is given a password. An invitation is a code and a confirmation code, handed over by two media; only both together open
// it, through the seventh day after it was made. Whoever opens it sets up one-time codes and chooses a password. An account has
// one invitation at most: a new one takes the place of the last. It is also the way back for whoever forgot the password or
// lost the telephone: what was there before holds until it is accepted, and ends then, with all that was opened by it.
//
// # One-time codes
//
// A one-time code belongs to a step of 30 seconds. A step is used once: the next sign-in takes a later one. The secret that the
// codes are made from is not in the ledger; it follows from the account, the invitation that was accepted, and a key that is kept
// elsewhere.
//
// # The declaration of confidentiality
//
// Whoever accepts an invitation signs the declaration, in the wording that the act names. Without a signed one on record nothing is
// opened.
//
// # What is sealed
//
// Everything but that an account exists, in which role, that the declaration was signed, and that the account ended: names, hashes,
// passwords' hashes and the instants of sign-ins lie under the account's own key.
package staff

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
)

// An Event is one fact of an account.
type Event = domain.Event[Body]

// A Body is one of the types below and no other.
type Body interface{ fact() }

// A Hash is the keyed hash of a login name, a code or a confirmation code. What it was made of is nowhere in the ledger.
type Hash [32]byte

// A Password is the hash of a password: Argon2id in PHC form. It is of no use outside the program.
type Password []byte

// Method is how somebody signed in.
type Method string

// PasswordOTP: by a password and a one-time code.
const PasswordOTP Method = "password+otp"

// Employed: an auditor or an employee of the service has an account.
type Employed struct {
	Account domain.ID
	Role    domain.Role
}

// Named: who an auditor or employee is, or a correction. Sealed.
type Named struct {
	Name  string
	Email string
}

// Invited: whoever has the code and the confirmation code may set up the account, before the start of Until. Organisation is a
// professional's, zero for the service's own staff. Sealed.
type Invited struct {
	Account      domain.ID
	Organisation domain.ID
	Login        Hash
	Code         Hash
	Confirmation Hash
	Until        domain.Date
}

// Accepted: the invitation with that code was accepted. The password holds from now on, the one-time codes are those that
// follow from the invitation, and all that was opened by earlier ones ends. Sealed.
type Accepted struct {
	Code     Hash
	Password Password
	Step     uint64
}

// Rehashed: the same password, hashed at today's cost. Sealed.
type Rehashed struct{ Password Password }

// SignedIn: somebody signed in; the session is the act's. Step is that of the one-time code, counted from 1970. Sealed.
type SignedIn struct {
	Method Method
	Step   uint64
}

// SteppedUp: in a session, password and one-time code were given once more. Sealed.
type SteppedUp struct {
	Method Method
	Step   uint64
}

// SignedOut: the session was ended by whoever it belongs to. Sealed.
type SignedOut struct{}

// DeclarationSigned: whoever the account belongs to signed the declaration of confidentiality, in the wording that the act names.
type DeclarationSigned struct{}

// Ended: the auditor or employee has left.
type Ended struct{}

func (Employed) fact()  {}
func (Named) fact()     {}
func (Invited) fact()   {}
func (Accepted) fact()  {}
func (Rehashed) fact()  {}
func (SignedIn) fact()  {}
func (SteppedUp) fact() {}
func (SignedOut) fact() {}
func (Ended) fact()     {}

func (DeclarationSigned) fact() {}

const (
	hiddenHash     = "[keyed hash]"
	hiddenPassword = "[password hash]"
)

// MarshalText shows that there is a hash, and not which.
func (Hash) MarshalText() ([]byte, error) { return []byte(hiddenHash), nil }

// Format does not show the hash, whatever the verb.
func (Hash) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenHash) }

// LogValue does not show the hash.
func (Hash) LogValue() slog.Value { return slog.StringValue(hiddenHash) }

// MarshalText shows that there is a password, and nothing of its hash.
func (Password) MarshalText() ([]byte, error) { return []byte(hiddenPassword), nil }

// Format does not show the hash, whatever the verb.
func (Password) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenPassword) }

// LogValue does not show the hash.
func (Password) LogValue() slog.Value { return slog.StringValue(hiddenPassword) }

// An Invitation is one that was not accepted yet.
type Invitation struct {
	Code, Confirmation Hash
	Until              domain.Date
}

// State is what deciding needs of an account.
type State struct {
	Version      uint64
	Account      domain.ID
	Role         domain.Role // of EmployedRoles; "": a professional, whose role the organisation knows
	Organisation domain.ID   // a professional's
	Ended        bool
	Login        Hash // of the last invitation
	Invitation   Invitation
	Credentials  uint64 // version at which the present password was set; 0: none
	Password     Password
	Factor       Hash        // the invitation that the one-time codes follow from
	LastStep     uint64      // the last one used
	Declaration  domain.Text // the wording that was signed last; zero: none
}

// Evolve folds one event into the state.
func Evolve(s State, e Event) State {
	s.Version++
	switch b := e.Body.(type) {
	case Employed:
		s.Account, s.Role = b.Account, b.Role
	case Invited:
		s.Account, s.Organisation, s.Login = b.Account, b.Organisation, b.Login
		s.Invitation = Invitation{b.Code, b.Confirmation, b.Until}
	case Accepted:
		s.Credentials, s.Password, s.Factor, s.LastStep = s.Version, b.Password, b.Code, b.Step
		s.Invitation = Invitation{}
	case Rehashed:
		s.Password = b.Password
	case SignedIn:
		s.LastStep = b.Step
	case SteppedUp:
		s.LastStep = b.Step
	case DeclarationSigned:
		s.Declaration = e.Act.Text
	case Ended:
		s.Ended = true
	case nil, Named, SignedOut:
	default:
		panic(fmt.Sprintf("staff.Evolve has no case for %T", b))
	}
	return s
}

// Opens refuses a code and a confirmation code that do not open the account's invitation at the instant. Both are asked for: one
// without the other opens nothing.
func (s State) Opens(code, confirmation Hash, at time.Time) error {
	switch i := s.Invitation; {
	case s.Ended:
		return domain.Refuse(HasEnded, reasonEnded)
	case i == Invitation{}, i.Code != code:
		return domain.Refuse(NotInvited, "There is no such invitation.")
	case i.Confirmation != confirmation:
		return domain.Refuse(WrongConfirmation, "The confirmation code does not belong to the invitation.")
	case !at.Before(i.Until.Start()):
		return domain.Refuse(TooLate, "The invitation is out of date. Ask for a new one.")
	}
	return nil
}

// Enters refuses whoever may not come in with the password set at that version and the one-time code of that step.
func (s State) Enters(credentials, step uint64) error {
	switch {
	case s.Ended:
		return domain.Refuse(HasEnded, reasonEnded)
	case s.Credentials == 0:
		return domain.Refuse(NotAccepted, "No invitation to the account has been accepted.")
	case s.Declaration == domain.Text{}:
		return errNotDeclared
	case s.Credentials != credentials:
		return domain.Refuse(OtherCredentials, "The password has been replaced.")
	case step <= s.LastStep:
		return domain.Refuse(StepUsed, "The one-time code has been used. Wait for the next one.")
	}
	return nil
}

// A Command is one of the types below and no other.
type Command interface{ command() }

type (
	// Employ gives an auditor or employee an account.
	Employ struct {
		Account     domain.ID
		Role        domain.Role
		Name, Email string
	}
	// Correct replaces name and e-mail address of an auditor or employee.
	Correct struct{ Name, Email string }
	// Invite invites, for the first time or anew. Organisation is a professional's.
	Invite struct {
		Account, Organisation     domain.ID
		Login, Code, Confirmation Hash
	}
	// Accept accepts the invitation with a password of one's own and a first one-time code, and signs the declaration of
	// confidentiality that the act names.
	Accept struct {
		Code, Confirmation Hash
		Password           Password
		Step               uint64
	}
	// SignIn comes in with the password set at version Credentials. Rehashed is that password hashed anew, nil where there is no
	// need.
	SignIn struct {
		Credentials, Step uint64
		Rehashed          Password
	}
	// StepUp gives both once more.
	StepUp struct{ Credentials, Step uint64 }
	// SignOut ends the act's session.
	SignOut struct{}
	// Reapply records the account's end once more in a ledger that was restored from a copy made before it.
	Reapply struct{ Ending Event }
	// End ends the account of an auditor or employee.
	End struct{}
)

func (Employ) command()  {}
func (Correct) command() {}
func (Invite) command()  {}
func (Accept) command()  {}
func (SignIn) command()  {}
func (StepUp) command()  {}
func (SignOut) command() {}
func (End) command()     {}

func (Reapply) command() {}

// The codes of refusals.
const (
	BadInput          = "bad-input"
	NotYours          = "not-allowed"
	AlreadyKnown      = "already-registered"
	NoSuchAccount     = "no-such-account"
	HasEnded          = "account-ended"
	NotInvited        = "not-invited"
	WrongConfirmation = "wrong-confirmation"
	TooLate           = "invitation-out-of-date"
	NotAccepted       = "not-accepted"
	OtherCredentials  = "password-replaced"
	StepUsed          = "one-time-code-used"
	NotDeclared       = "no-declaration-signed"
)

var errNotDeclared = domain.Refuse(NotDeclared, "The declaration of confidentiality must be signed first.")

// Declared refuses whoever has not signed a declaration of confidentiality.
func (s State) Declared() error {
	if s.Declaration == (domain.Text{}) {
		return errNotDeclared
	}
	return nil
}

const reasonEnded = "The account has ended."

// InvitationDays is how many days after its own an invitation holds.
const InvitationDays = 7

// Decider decides for accounts.
var Decider = domain.AtOnce(rules.General, decide, Evolve)

// IsEnding tells whether an event of an account ends something that a restored copy must not open again.
func IsEnding(b Body) bool {
	_, ended := b.(Ended)
	return ended
}

func decide(a domain.Act, s State, c Command) ([]Body, error) {
	if r, ok := c.(Reapply); ok {
		if a.Role != domain.RoleSystem {
			return nil, domain.Refuse(NotYours, "Nobody but the system records this.")
		}
		if s.Ended || s.Account.IsZero() || !IsEnding(r.Ending.Body) {
			return nil, nil
		}
		return []Body{r.Ending.Body}, nil
	}
	if s.Ended {
		return nil, domain.Refuse(HasEnded, reasonEnded)
	}
	switch c := c.(type) {
	case Employ:
		return employ(a, s, c)
	case Invite:
		return invite(a, s, c)
	case Correct, End:
		if a.Role != KeeperOf(s.Role) {
			return nil, domain.Refuse(NotYours, "Only the service's own staff can do this.")
		}
		if s.Role == "" {
			return nil, domain.Refuse(NoSuchAccount, "There is no such auditor or employee. A professional's list is kept by its organisation.")
		}
		if c, ok := c.(Correct); ok {
			return []Body{Named(c)}, checkPerson(c.Name, c.Email)
		}
		return []Body{Ended{}}, nil
	}
	if !s.own(a) {
		return nil, domain.Refuse(NotYours, "Only whoever the account belongs to can do this.")
	}
	switch c := c.(type) {
	case Accept:
		if err := s.Opens(c.Code, c.Confirmation, a.At); err != nil {
			return nil, err
		}
		if len(c.Password) == 0 || c.Step == 0 {
			return nil, domain.Refuse(BadInput, "An account takes a password and a one-time code.")
		}
		if a.Text == (domain.Text{}) {
			return nil, errNotDeclared
		}
		return []Body{Accepted{Code: c.Code, Password: c.Password, Step: c.Step}, DeclarationSigned{}}, nil
	case SignIn:
		if err := s.Enters(c.Credentials, c.Step); err != nil {
			return nil, err
		}
		in := SignedIn{Method: PasswordOTP, Step: c.Step}
		if len(c.Rehashed) > 0 {
			return []Body{Rehashed{c.Rehashed}, in}, nil
		}
		return []Body{in}, nil
	case StepUp:
		return []Body{SteppedUp{Method: PasswordOTP, Step: c.Step}}, s.Enters(c.Credentials, c.Step)
	case SignOut:
		return []Body{SignedOut{}}, nil
	}
	panic("unreachable unless a command has no case")
}

// own tells whether the act is of whoever the account belongs to, in its own role.
func (s State) own(a domain.Act) bool {
	if s.Account.IsZero() || a.Actor != s.Account || a.Session.IsZero() || a.Organisation != s.Organisation {
		return false
	}
	if s.Role != "" {
		return a.Role == s.Role
	}
	return a.Role == domain.RoleProfessional || a.Role == domain.RoleSuperuser
}

func employ(a domain.Act, s State, c Employ) ([]Body, error) {
	switch {
	case !s.Account.IsZero():
		return nil, domain.Refuse(AlreadyKnown, "There is such an account already.")
	case a.Role != KeeperOf(c.Role):
		return nil, domain.Refuse(NotYours, "Only the service's own staff can do this, and for the safety manager only a safety manager.")
	case c.Account.IsZero(), !slices.Contains(EmployedRoles, c.Role):
		return nil, domain.Refuse(BadInput, "Whoever is employed is an auditor, an employee or the safety manager.")
	}
	return []Body{Employed{Account: c.Account, Role: c.Role}, Named{Name: c.Name, Email: c.Email}}, checkPerson(c.Name, c.Email)
}

// KeeperOf is who keeps the accounts of a role. Employees do, but for the safety manager's: they could give themselves one, and review
// their own exceptional access.
func KeeperOf(role domain.Role) domain.Role {
	if role == domain.RoleSafetyManager {
		return domain.RoleSafetyManager
	}
	return domain.RoleEmployee
}

// EmployedRoles are the roles of the service's own staff.
var EmployedRoles = []domain.Role{domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleToolManager}

// invite lets an employee invite anyone but the safety manager (KeeperOf), and a superuser the professionals of the own organisation. Whether the superuser is one
// and the professional on the list is read in the organisation's stream, by whoever gives the command.
func invite(a domain.Act, s State, c Invite) ([]Body, error) {
	switch {
	case a.Role != KeeperOf(s.Role) && (a.Role != domain.RoleSuperuser || c.Organisation.IsZero() || a.Organisation != c.Organisation):
		return nil, domain.Refuse(NotYours, "Only a superuser of the organisation or the service's own staff can do this.")
	case c.Account.IsZero(), s.Account.IsZero() && c.Organisation.IsZero():
		return nil, domain.Refuse(NoSuchAccount, "There is nobody to invite.")
	case !s.Account.IsZero() && (s.Account != c.Account || s.Organisation != c.Organisation):
		return nil, domain.Refuse(NotYours, "The account belongs to somebody else, or to another organisation.")
	case c.Login == Hash{}, c.Code == Hash{}, c.Confirmation == Hash{}:
		return nil, domain.Refuse(BadInput, "An invitation takes a login name, a code and a confirmation code.")
	}
	return []Body{Invited{
		Account: c.Account, Organisation: c.Organisation, Login: c.Login, Code: c.Code, Confirmation: c.Confirmation,
		Until: domain.DateOf(a.At).AddDays(InvitationDays + 1),
	}}, nil
}

func checkPerson(name, email string) error {
	if err := organisation.CheckName("The name", name); err != nil {
		return err
	}
	return organisation.CheckEmail(email)
}
