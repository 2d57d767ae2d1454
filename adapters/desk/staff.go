package desk

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Staff are the accounts of those who are no clients.
type Staff = ledger.Streams[staff.Command, staff.Body, staff.State]

// nobody is an id that no client, account or organisation has: whoever is unknown is looked for under it, so that refusing takes
// the same reads.
var nobody = eventschema.ServiceID

// EmployInput is who joins the service: an auditor or an employee.
type EmployInput struct {
	Role  domain.Role
	Name  string
	Email string
}

// CheckLogin refuses an e-mail address that is another account's login name. Whoever puts somebody on a list and invites them asks first,
// so that nobody is left on the list who can never be invited.
func (d *Desk) CheckLogin(ctx context.Context, account domain.ID, email string) error {
	other, taken, err := d.accountOf(ctx, staff.Hash(signin.LoginHash(d.CodeKey, email)))
	if taken && other != account {
		return errLoginTaken
	}
	return err
}

// Employ gives an auditor or an employee an account, and its id. An invitation comes next.
func (d *Desk) Employ(ctx context.Context, by ledger.Caller, in EmployInput) (domain.ID, error) {
	if err := d.CheckLogin(ctx, domain.ID{}, in.Email); err != nil {
		return domain.ID{}, err // and no account that could never be invited is left behind
	}
	id, err := d.Ledger.NewID()
	if err != nil {
		return domain.ID{}, err
	}
	if err := d.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Staff, ID: id}); err != nil {
		return domain.ID{}, err
	}
	_, err = d.Staff.Begin(ctx, id, by, staff.Employ{Account: id, Role: in.Role, Name: in.Name, Email: in.Email})
	return id, err
}

// CorrectStaff replaces name and e-mail address of an auditor or employee. A new address is the login name from the next
// invitation on.
func (d *Desk) CorrectStaff(ctx context.Context, by ledger.Caller, account domain.ID, name, email string) error {
	_, err := d.Staff.Do(ctx, account, by, staff.Correct{Name: name, Email: email})
	return err
}

// EndAccount ends the account of an auditor or employee, and its sessions with it. A professional is deactivated instead.
func (d *Desk) EndAccount(ctx context.Context, by ledger.Caller, account domain.ID) error {
	_, err := d.Staff.Do(ctx, account, by, staff.End{})
	return err
}

// An Invitation is shown once, to be handed over by two media: the code by one, the confirmation code by another. It prints as
// "[invitation]".
type Invitation struct {
	Code         signin.Code
	Confirmation string
	Until        time.Time // it opens nothing from then on
}

// LoginTaken is the code of the refusal of a login name that another account has.
const LoginTaken = "login-taken"

var errLoginTaken = domain.Refuse(LoginTaken, "Another account has this e-mail address as its login name.")

// Invite invites a professional of the caller's organisation, or, by an employee, anyone: for the first time, or anew for whoever
// forgot the password or lost the telephone. The e-mail address on record becomes the login name. What the account was opened by
// before holds until the invitation is accepted.
func (d *Desk) Invite(ctx context.Context, by ledger.Caller, account domain.ID) (Invitation, error) {
	s, _, err := d.Staff.State(ctx, account)
	if err != nil {
		return Invitation{}, err
	}
	office := by.Organisation
	if by.Role != domain.RoleSuperuser {
		if office, err = d.officeOf(ctx, account, s); err != nil {
			return Invitation{}, err
		}
	}
	if err := d.mayInvite(ctx, by, office, account, s); err != nil {
		return Invitation{}, err
	}
	email, err := d.emailOf(ctx, office, account)
	if err != nil {
		return Invitation{}, err
	}
	login := staff.Hash(signin.LoginHash(d.CodeKey, email))
	other, taken, err := d.accountOf(ctx, login)
	if err != nil {
		return Invitation{}, err
	}
	if taken && other != account {
		return Invitation{}, errLoginTaken
	}
	i, err := d.newInvitation()
	if err != nil {
		return Invitation{}, err
	}
	done, err := d.Staff.Do(ctx, account, by, staff.Invite{
		Account: account, Organisation: office, Login: login,
		Code: i.Code.InvitationHash(d.CodeKey), Confirmation: i.Code.ConfirmationHash(d.CodeKey, i.Confirmation),
	})
	if err != nil {
		return Invitation{}, err
	}
	i.Until = done.State.Invitation.Until.Start()
	return i, nil
}

// officeOf is the organisation of a professional's account, invited or not; zero for the service's own staff.
func (d *Desk) officeOf(ctx context.Context, account domain.ID, s staff.State) (domain.ID, error) {
	if !s.Account.IsZero() {
		return s.Organisation, nil
	}
	a, _, err := d.Keeper.Accounts.Get(ctx, account)
	return a.Organisation, err
}

// mayInvite refuses a superuser who is none now, and a professional who is not on the organisation's list.
func (d *Desk) mayInvite(ctx context.Context, by ledger.Caller, office, account domain.ID, s staff.State) error {
	if by.Role != domain.RoleEmployee && by.Role != domain.RoleSuperuser && by.Role != domain.RoleSafetyManager {
		return domain.Refuse(staff.NotYours, "Only a superuser of the organisation or the service's own staff can do this.")
	}
	if office.IsZero() {
		if s.Role == "" {
			return domain.Refuse(staff.NoSuchAccount, "There is nobody to invite.")
		}
		return nil
	}
	o, _, err := d.Organisations.State(ctx, office)
	if err != nil {
		return err
	}
	if by.Role != domain.RoleEmployee {
		if err := o.Admit(by.Actor, by.Role); err != nil {
			return err
		}
	}
	if o.Standing(account) == "" {
		return domain.Refuse(organisation.NoSuchPerson, "The professional is not on the list.")
	}
	return nil
}

func (d *Desk) newInvitation() (i Invitation, err error) {
	err = d.Ledger.Draw(func(random io.Reader) (err error) {
		if i.Code, err = signin.NewCode(random); err == nil {
			i.Confirmation, err = signin.NewConfirmation(random)
		}
		return err
	})
	return i, err
}

// emailOf is the e-mail address on record: of a professional with its organisation, of the service's own staff in the account.
func (d *Desk) emailOf(ctx context.Context, office, account domain.ID) (string, error) {
	if office.IsZero() {
		who, err := d.StaffMember(ctx, account)
		return who.Email, err
	}
	o, err := d.Organisation(ctx, office)
	if err != nil {
		return "", err
	}
	for _, p := range o.People {
		if p.ID == account && p.Details != nil {
			return p.Details.Email, nil
		}
	}
	return "", errNoEmail
}

var errNoEmail = domain.Refuse(staff.NoSuchAccount, "There is no e-mail address of this account any more.")

// StaffMember reads who an auditor or employee is, from the account's stream.
func (d *Desk) StaffMember(ctx context.Context, account domain.ID) (staff.Named, error) {
	who, found := staff.Named{}, false
	for r, err := range d.Ledger.Store.Stream(ctx, eventschema.StaffStream.Stream(account), 1) {
		if err != nil {
			return who, err
		}
		f, err := d.Ledger.Decode(ctx, &r)
		if err != nil {
			return who, err
		}
		if b, ok := f.Body.(staff.Named); ok {
			who, found = b, true
		}
	}
	if !found {
		return who, errNoEmail
	}
	return who, nil
}

// accountOf finds the account that has the login name. Two can have it where both were invited at the same moment, or where one
// was given up and taken up again: then the one that had it first has it, among those that are not gone.
func (d *Desk) accountOf(ctx context.Context, login staff.Hash) (domain.ID, bool, error) {
	var found domain.ID
	var best projections.Account
	accounts, err := d.Keeper.Accounts.List(ctx, projections.StaffKey(login))
	for id, a := range accounts {
		if found.IsZero() || best.Gone && !a.Gone || best.Gone == a.Gone && a.Since < best.Since {
			found, best = id, a
		}
	}
	return found, !found.IsZero() && !best.Gone, err
}

// ErrInvitation is the one answer to an invitation that opens nothing: never made, replaced, accepted or out of date, or with
// another confirmation code.
var ErrInvitation = domain.Refuse("wrong-invitation", "The invitation or its confirmation code is wrong, or the invitation is out of date.")

// An Enrolment is what sets an authenticator app up, and the login name. It prints as "[enrolment]".
type Enrolment struct {
	OTP   signin.OTP
	Login string
}

// OpenInvitation gives what sets an authenticator app up to whoever has both codes.
func (d *Desk) OpenInvitation(ctx context.Context, code signin.Code, confirmation string) (Enrolment, error) {
	i, err := d.invitation(ctx, code, confirmation)
	return i.Enrolment, err
}

// WrongOTP and WrongPassword are the reasons on record of sign-ins that were refused for them. WrongOTP is also the code of the
// refusal of a first one-time code that does not fit.
const (
	WrongOTP      = "wrong-one-time-code"
	WrongPassword = "wrong-password"
)

// AcceptInvitation sets the password of whoever has both codes and an authenticator app that fits, and has signed the declaration of
// confidentiality in the wording given. Whoever signs in by it takes the next one-time code.
func (d *Desk) AcceptInvitation(ctx context.Context, code signin.Code, confirmation, password, otp string, signed domain.Text) error {
	i, err := d.invitation(ctx, code, confirmation)
	if err != nil {
		return err
	}
	if err := signin.CheckPassword(password, i.Login); err != nil {
		return err
	}
	step, ok := i.OTP.Match(otp, d.Ledger.Now())
	if !ok {
		return domain.Refuse(WrongOTP, "The one-time code is wrong. See that the clock of the telephone is right, and take the next one.")
	}
	hash, err := d.hashPassword(ctx, password)
	if err != nil {
		return err
	}
	session, err := d.Ledger.NewID()
	if err != nil {
		return err
	}
	by := ledger.Caller{Actor: i.account, Role: i.role, Session: session, Organisation: i.office, Text: signed}
	_, err = d.Staff.Do(ctx, i.account, by, staff.Accept{Code: i.code, Confirmation: i.confirmation, Password: hash, Step: step})
	return err
}

func (d *Desk) hashPassword(ctx context.Context, password string) (staff.Password, error) {
	var salt signin.Salt
	err := d.Ledger.Draw(func(random io.Reader) (err error) {
		salt, err = signin.NewSalt(random)
		return err
	})
	if err != nil {
		return nil, err
	}
	return signin.HashPassword(ctx, password, salt)
}

// opened is an invitation that both codes opened.
type opened struct {
	Enrolment
	account, office    domain.ID
	role               domain.Role
	code, confirmation staff.Hash
}

// invitation finds the invitation that both codes open, or records that they opened none: with the same reads whatever it was.
func (d *Desk) invitation(ctx context.Context, code signin.Code, confirmation string) (opened, error) {
	i := opened{code: code.InvitationHash(d.CodeKey)}
	if text, err := signin.ParseConfirmation(confirmation); err == nil {
		i.confirmation = code.ConfirmationHash(d.CodeKey, text)
	}
	i.account = nobody
	invited, err := d.Keeper.Invitations.List(ctx, projections.StaffKey(i.code))
	if err != nil {
		return opened{}, err
	}
	for id := range invited {
		i.account = id
	}
	s, _, err := d.Staff.State(ctx, i.account)
	if err != nil {
		return opened{}, err
	}
	if i.role, _, err = d.standing(ctx, s); err != nil {
		return opened{}, err
	}
	i.office = s.Organisation
	if err = s.Opens(i.code, i.confirmation, d.Ledger.Now()); err == nil && i.role == "" {
		err = domain.Refuse(organisation.NotActive, "The professional is not on the list any more.")
	}
	if err == nil {
		i.Login, err = d.emailOf(ctx, i.office, i.account)
	}
	if err == nil && staff.Hash(signin.LoginHash(d.CodeKey, i.Login)) != s.Login {
		err = domain.Refuse(staff.TooLate, "The e-mail address has been corrected since.")
	}
	other, taken, errOther := d.accountOf(ctx, s.Login)
	if errOther != nil {
		return opened{}, errOther
	}
	if err == nil && taken && other != i.account {
		err = domain.Refuse(LoginTaken, "Another account has the login name.")
	}
	if reason := domain.Refused(err); reason != "" {
		return opened{}, d.refused(ctx, ledger.Caller{}, oversight.AsStaff, i.account, reason, ErrInvitation)
	}
	i.OTP = signin.NewOTP(d.CodeKey, i.account, i.code)
	return i, err
}

// refused records a refused attempt to come in, and gives the answer to it. An attempt that could not be recorded is a failure,
// not a refusal.
func (d *Desk) refused(ctx context.Context, by ledger.Caller, as oversight.As, account domain.ID, reason string, answer error) error {
	if account == nobody {
		account = domain.ID{}
	}
	id, err := d.Ledger.NewID()
	if err != nil {
		return err
	}
	if _, err := d.Door.Refused.Begin(ctx, id, by, oversight.SignInRefused{As: as, Account: account, Reason: reason}); err != nil {
		return fmt.Errorf("recording a refused sign-in: %w", err)
	}
	return answer
}

// standing is what an account may act as now, and since which version of its organisation's stream: superuser or professional
// there, or what the service employs it as; "" for nothing. It reads an organisation's stream whosever the account is.
func (d *Desk) standing(ctx context.Context, s staff.State) (domain.Role, uint64, error) {
	office := s.Organisation
	if office.IsZero() {
		office = nobody
	}
	o, _, err := d.Organisations.State(ctx, office)
	if err != nil || s.Ended {
		return "", 0, err
	}
	if s.Role != "" {
		return s.Role, 0, nil
	}
	return o.Standing(s.Account), o.Members[s.Account].Since, nil
}

// ErrSignIn is the one answer to a sign-in that is refused, whatever was wrong.
var ErrSignIn = domain.Refuse("wrong-sign-in", "The login, password or one-time code is wrong.")

// A proof is a password and a one-time code that fit an account.
type proof struct {
	state    staff.State
	role     domain.Role
	standing uint64
	step     uint64
	stale    bool
}

// prove holds a password and a one-time code against an account. It does the same work whatever is wrong, and its refusal says
// what it really was.
func (d *Desk) prove(ctx context.Context, account domain.ID, password, otp string) (p proof, err error) {
	if p.state, _, err = d.Staff.State(ctx, account); err != nil {
		return p, err
	}
	if p.role, p.standing, err = d.standing(ctx, p.state); err != nil {
		return p, err
	}
	same, stale, err := signin.VerifyPassword(ctx, p.state.Password, password)
	if err != nil {
		return p, err
	}
	step, fits := signin.NewOTP(d.CodeKey, account, p.state.Factor).Match(otp, d.Ledger.Now())
	p.step, p.stale = step, stale
	switch {
	case p.state.Account.IsZero():
		return p, domain.Refuse(staff.NoSuchAccount, "There is no such account.")
	case p.state.Ended:
		return p, domain.Refuse(staff.HasEnded, "The account has ended.")
	case p.state.Credentials == 0:
		return p, domain.Refuse(staff.NotAccepted, "No invitation to the account has been accepted.")
	case p.state.Declared() != nil:
		return p, p.state.Declared()
	case p.role == "":
		return p, domain.Refuse(organisation.NotActive, "The professional is not on the list any more.")
	case !same:
		return p, domain.Refuse(WrongPassword, "The password is wrong.")
	case !fits:
		return p, domain.Refuse(WrongOTP, "The one-time code is wrong.")
	}
	return p, p.state.Enters(p.state.Credentials, step)
}

// SignIn lets a member of staff in by login name, password and one-time code, and records it. The session is begun by
// signin.Sessions.New. Whatever is wrong, there is one answer, and the attempt is on record.
func (d *Desk) SignIn(ctx context.Context, login, password, otp string) (signin.Session, error) {
	hash := staff.Hash(signin.LoginHash(d.CodeKey, login))
	account, err := d.whoHas(ctx, hash)
	if err != nil {
		return signin.Session{}, err
	}
	p, err := d.prove(ctx, account, password, otp)
	if err == nil && p.state.Login != hash {
		err = domain.Refuse(staff.NoSuchAccount, "The account has another login name now.")
	}
	var s signin.Session
	if err == nil {
		s, err = d.enter(ctx, p, password)
	}
	if reason := domain.Refused(err); reason != "" {
		return signin.Session{}, d.refused(ctx, ledger.Caller{}, oversight.AsStaff, account, reason, ErrSignIn)
	}
	return s, err
}

// whoHas is the account that has the login name or last had it, or nobody.
func (d *Desk) whoHas(ctx context.Context, login staff.Hash) (domain.ID, error) {
	id, _, err := d.accountOf(ctx, login)
	if id.IsZero() {
		id = nobody
	}
	return id, err
}

// enter records a sign-in.
func (d *Desk) enter(ctx context.Context, p proof, password string) (signin.Session, error) {
	id, err := d.Ledger.NewID()
	if err != nil {
		return signin.Session{}, err
	}
	c := staff.SignIn{Credentials: p.state.Credentials, Step: p.step}
	if p.stale {
		if c.Rehashed, err = d.hashPassword(ctx, password); err != nil {
			return signin.Session{}, err
		}
	}
	s := signin.Session{
		ID: id, Actor: p.state.Account, Role: p.role, Organisation: p.state.Organisation, Channel: string(journal.Web), StrongAt: d.Ledger.Now(),
		Credentials: p.state.Credentials, Standing: p.standing,
	}
	done, err := d.Staff.Do(ctx, s.Actor, CallerOf(&s), c)
	s.Position = done.Position
	return s, err
}

// StepUp takes password and one-time code once more in a session of a member of staff, and sets StrongAt and Position.
func (d *Desk) StepUp(ctx context.Context, s *signin.Session, password, otp string) error {
	if s.Role == domain.RoleClient {
		return domain.Refuse(staff.NotYours, "A client has no password to give.")
	}
	if err := d.Live(ctx, s); err != nil {
		return err
	}
	p, err := d.prove(ctx, s.Actor, password, otp)
	var done ledger.Done[staff.State]
	if err == nil {
		done, err = d.Staff.Do(ctx, s.Actor, CallerOf(s), staff.StepUp{Credentials: s.Credentials, Step: p.step})
	}
	if reason := domain.Refused(err); reason != "" {
		return d.refused(ctx, CallerOf(s), oversight.AsStaff, s.Actor, reason, ErrSignIn)
	}
	if err != nil {
		return err
	}
	s.StrongAt, s.Position = d.Ledger.Now(), done.Position
	return nil
}

// SignOut records that a member of staff signed out, once. Of a client nothing is recorded, and nothing of an account that has
// ended.
func (d *Desk) SignOut(ctx context.Context, s *signin.Session) error {
	if s.Role == domain.RoleClient {
		return nil
	}
	by := CallerOf(s)
	by.Key = s.ID.String()
	_, err := d.Staff.Do(ctx, s.Actor, by, staff.SignOut{})
	if domain.Refused(err) == staff.HasEnded {
		return nil
	}
	return err
}

const (
	hiddenInvitation = "[invitation]"
	hiddenEnrolment  = "[enrolment]"
)

// Format shows nothing of the invitation, whatever the verb.
func (Invitation) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenInvitation) }

// LogValue shows nothing of the invitation.
func (Invitation) LogValue() slog.Value { return slog.StringValue(hiddenInvitation) }

// MarshalText shows nothing of the invitation.
func (Invitation) MarshalText() ([]byte, error) { return []byte(hiddenInvitation), nil }

// Format shows nothing of the enrolment, whatever the verb.
func (Enrolment) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenEnrolment) }

// LogValue shows nothing of the enrolment.
func (Enrolment) LogValue() slog.Value { return slog.StringValue(hiddenEnrolment) }

// MarshalText shows nothing of the enrolment.
func (Enrolment) MarshalText() ([]byte, error) { return []byte(hiddenEnrolment), nil }
