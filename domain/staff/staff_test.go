package staff_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
	. "samtykke/domain/domaintest"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
)

var (
	at      = Noon("2026-05-18")
	us      = ID(1)
	them    = ID(2)
	account = ID(0x11)
	boss    = ID(0x12)
	login   = staff.Hash{1}
	code    = staff.Hash{2}
	second  = staff.Hash{3} // the confirmation code
	phc     = staff.Password("$argon2id$…")
	later   = staff.Password("$argon2id$later")
	until   = domain.MustDate("2026-05-26") // through the seventh day
)

func by(actor domain.ID, role domain.Role, office domain.ID) domain.Act {
	return domain.Act{At: at, Actor: actor, Role: role, Session: Session, Organisation: office}
}

func employee() domain.Act { return by(ID(0xe1), domain.RoleEmployee, domain.ID{}) }
func super() domain.Act    { return by(boss, domain.RoleSuperuser, us) }
func self() domain.Act     { return by(account, domain.RoleProfessional, us) }

// signing is the act with the declaration of confidentiality shown.
func signing(a domain.Act) domain.Act {
	a.Text = domain.Text{Name: "confidentiality", Version: "2026-11-22", Language: "nb"}
	return a
}

func on(a domain.Act, t time.Time) domain.Act { a.At = t; return a }

func event(a domain.Act, b staff.Body) staff.Event {
	return staff.Event{Act: a, Effective: a.At, Rule: rules.General, Body: b}
}

type story = Story[staff.Command, staff.Event, staff.State]

func invite() staff.Invite {
	return staff.Invite{Account: account, Organisation: us, Login: login, Code: code, Confirmation: second}
}

func invitedBody() staff.Invited {
	return staff.Invited{Account: account, Organisation: us, Login: login, Code: code, Confirmation: second, Until: until}
}

func accept() staff.Accept {
	return staff.Accept{Code: code, Confirmation: second, Password: phc, Step: 100}
}

func invited(t *testing.T) story {
	t.Helper()
	return Of(t, staff.Decider).When(super(), invite()).Then(event(super(), invitedBody()))
}

func accepted(t *testing.T) story {
	t.Helper()
	return invited(t).When(signing(self()), accept()).
		Then(event(signing(self()), staff.Accepted{Code: code, Password: phc, Step: 100}), event(signing(self()), staff.DeclarationSigned{}))
}

func employed(t *testing.T, role domain.Role) story {
	t.Helper()
	keeper := keeping(role)
	return Of(t, staff.Decider).
		When(keeper, staff.Employ{Account: account, Role: role, Name: "Randi Revisor", Email: "randi@example.org"}).
		Then(event(keeper, staff.Employed{Account: account, Role: role}),
			event(keeper, staff.Named{Name: "Randi Revisor", Email: "randi@example.org"}))
}

func keeping(role domain.Role) domain.Act { return by(ID(0xe1), staff.KeeperOf(role), domain.ID{}) }

// Nobody reviews the own exceptional access by giving themselves the account of a safety manager, or taking one over.
func TestEmployeesAreNoSafetyManagers(t *testing.T) {
	Of(t, staff.Decider).When(employee(), staff.Employ{Account: account, Role: domain.RoleSafetyManager, Name: "N", Email: "n@example.org"}).
		ThenRefused(staff.NotYours)
	s := employed(t, domain.RoleSafetyManager)
	for _, c := range []staff.Command{invite(), staff.Correct{Name: "N", Email: "n@example.org"}, staff.End{}} {
		s.When(employee(), c).ThenRefused(staff.NotYours)
	}
}

// Auditors and employees get their accounts from employees, safety managers from safety managers; nobody else does.
func TestEmploy(t *testing.T) {
	for _, role := range []domain.Role{domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager} {
		s := employed(t, role)
		s.When(keeping(role), staff.Employ{Account: account, Role: role, Name: "N", Email: "n@example.org"}).ThenRefused(staff.AlreadyKnown)
		if got := s.State(); got.Role != role || got.Account != account || got.Credentials != 0 {
			t.Errorf("%+v", got.Version)
		}
	}
	good := staff.Employ{Account: account, Role: domain.RoleAuditor, Name: "N", Email: "n@example.org"}
	for _, role := range []domain.Role{
		domain.RoleAuditor, domain.RoleSafetyManager, domain.RoleSuperuser, domain.RoleProfessional, domain.RoleClient, domain.RoleSystem, "",
	} {
		Of(t, staff.Decider).When(by(ID(0xe1), role, domain.ID{}), good).ThenRefused(staff.NotYours)
	}
	for _, change := range []func(*staff.Employ){
		func(c *staff.Employ) { c.Account = domain.ID{} },
		func(c *staff.Employ) { c.Role = domain.RoleSuperuser },
		func(c *staff.Employ) { c.Role = domain.RoleProfessional },
		func(c *staff.Employ) { c.Role = domain.RoleSystem },
		func(c *staff.Employ) { c.Role = "" },
		func(c *staff.Employ) { c.Name = " " },
		func(c *staff.Employ) { c.Email = "n" },
	} {
		bad := good
		change(&bad)
		Of(t, staff.Decider).When(employee(), bad).ThenRefused(staff.BadInput)
	}
	s := employed(t, domain.RoleAuditor)
	s.When(employee(), staff.Correct{Name: "Randi R", Email: "r@example.org"}).
		Then(event(employee(), staff.Named{Name: "Randi R", Email: "r@example.org"}))
	s.When(employee(), staff.Correct{Name: "", Email: "r@example.org"}).ThenRefused(staff.BadInput)
	s.When(by(account, domain.RoleAuditor, domain.ID{}), staff.Correct{Name: "R", Email: "r@example.org"}).ThenRefused(staff.NotYours)
	invited(t).When(employee(), staff.Correct{Name: "R", Email: "r@example.org"}).ThenRefused(staff.NoSuchAccount)
	Of(t, staff.Decider).When(employee(), staff.Correct{Name: "R", Email: "r@example.org"}).ThenRefused(staff.NoSuchAccount)
}

// A superuser invites professionals of the own organisation, an employee anyone; nobody becomes another organisation's.
func TestInvite(t *testing.T) {
	invited(t)
	fresh := Of(t, staff.Decider)
	fresh.When(employee(), invite()).Then(event(employee(), invitedBody()))
	for _, a := range []domain.Act{
		by(boss, domain.RoleSuperuser, them), by(boss, domain.RoleSuperuser, domain.ID{}), by(boss, domain.RoleProfessional, us),
		by(boss, domain.RoleAuditor, us), by(boss, domain.RoleClient, us), by(boss, domain.RoleSystem, us), {At: at},
	} {
		fresh.When(a, invite()).ThenRefused(staff.NotYours)
	}
	own := invite()
	own.Organisation = domain.ID{}
	fresh.When(by(boss, domain.RoleSuperuser, domain.ID{}), own).ThenRefused(staff.NotYours)
	fresh.When(employee(), own).ThenRefused(staff.NoSuchAccount)
	for _, change := range []func(*staff.Invite){
		func(c *staff.Invite) { c.Login = staff.Hash{} },
		func(c *staff.Invite) { c.Code = staff.Hash{} },
		func(c *staff.Invite) { c.Confirmation = staff.Hash{} },
	} {
		bad := invite()
		change(&bad)
		fresh.When(super(), bad).ThenRefused(staff.BadInput)
	}
	elsewhere, other := invite(), invite()
	elsewhere.Organisation, other.Account = them, ID(0x13)
	invited(t).When(by(boss, domain.RoleSuperuser, them), elsewhere).ThenRefused(staff.NotYours)
	invited(t).When(employee(), elsewhere).ThenRefused(staff.NotYours)
	invited(t).When(super(), other).ThenRefused(staff.NotYours)
	// An auditor is nobody's professional.
	s := employed(t, domain.RoleAuditor)
	s.When(super(), invite()).ThenRefused(staff.NotYours)
	s.When(employee(), invite()).ThenRefused(staff.NotYours)
	b := invitedBody()
	b.Organisation = domain.ID{}
	s.When(employee(), own).Then(event(employee(), b))
}

// Nothing opens before both codes are there, within the invitation's time, once.
func TestAccept(t *testing.T) {
	s := invited(t)
	for what, c := range map[string]struct {
		code, confirmation staff.Hash
		at                 time.Time
		refused            string
	}{
		"both":                                   {code, second, at, ""},
		"both, in the last nanosecond":           {code, second, until.Start().Add(-1), ""},
		"both, too late":                         {code, second, until.Start(), staff.TooLate},
		"both, much too late":                    {code, second, at.AddDate(1, 0, 0), staff.TooLate},
		"the code alone":                         {code, staff.Hash{}, at, staff.WrongConfirmation},
		"another confirmation":                   {code, staff.Hash{9}, at, staff.WrongConfirmation},
		"the confirmation alone":                 {staff.Hash{}, second, at, staff.NotInvited},
		"another code":                           {staff.Hash{9}, second, at, staff.NotInvited},
		"the two exchanged":                      {second, code, at, staff.NotInvited},
		"the confirmation twice":                 {second, second, at, staff.NotInvited},
		"the code twice":                         {code, code, at, staff.WrongConfirmation},
		"another confirmation, and too late too": {code, staff.Hash{9}, until.Start(), staff.WrongConfirmation},
	} {
		t.Run(what, func(t *testing.T) {
			if got := domain.Refused(s.State().Opens(c.code, c.confirmation, c.at)); got != c.refused {
				t.Errorf("opening is refused with %q, expected %q", got, c.refused)
			}
			a := accept()
			a.Code, a.Confirmation = c.code, c.confirmation
			o := s.When(on(signing(self()), c.at), a)
			if c.refused != "" {
				o.ThenRefused(c.refused)
				return
			}
			signed := on(signing(self()), c.at)
			o.Then(event(signed, staff.Accepted{Code: code, Password: phc, Step: 100}), event(signed, staff.DeclarationSigned{})).
				When(signed, a).ThenRefused(staff.NotInvited) // once
		})
	}
	s.When(self(), accept()).ThenRefused(staff.NotDeclared)
	bad := accept()
	bad.Password = nil
	s.When(self(), bad).ThenRefused(staff.BadInput)
	bad = accept()
	bad.Step = 0
	s.When(self(), bad).ThenRefused(staff.BadInput)
	// Where there is no invitation, no codes open it: not even those of none.
	for _, none := range []story{Of(t, staff.Decider), employed(t, domain.RoleAuditor), accepted(t)} {
		if err := none.State().Opens(staff.Hash{}, staff.Hash{}, at); domain.Refused(err) != staff.NotInvited {
			t.Errorf("no invitation is opened by no codes: %v", err)
		}
	}
}

// An account is its own member of staff's, in the role and organisation it has.
func TestOwn(t *testing.T) {
	noSession := self()
	noSession.Session = domain.ID{}
	for _, a := range []domain.Act{
		by(boss, domain.RoleProfessional, us), by(account, domain.RoleProfessional, them), by(account, domain.RoleProfessional, domain.ID{}),
		by(account, domain.RoleAuditor, us), by(account, domain.RoleEmployee, us), by(account, domain.RoleClient, us), super(), employee(), noSession,
	} {
		invited(t).When(a, accept()).ThenRefused(staff.NotYours)
		for _, c := range []staff.Command{staff.SignIn{Credentials: 2, Step: 101}, staff.StepUp{Credentials: 2, Step: 101}, staff.SignOut{}} {
			accepted(t).When(a, c).ThenRefused(staff.NotYours)
		}
	}
	accepted(t).When(by(account, domain.RoleSuperuser, us), staff.SignOut{}).Then(event(by(account, domain.RoleSuperuser, us), staff.SignedOut{}))
	auditor := by(account, domain.RoleAuditor, domain.ID{})
	employed(t, domain.RoleAuditor).When(auditor, staff.SignOut{}).Then(event(auditor, staff.SignedOut{}))
	employed(t, domain.RoleAuditor).When(by(account, domain.RoleEmployee, domain.ID{}), staff.SignOut{}).ThenRefused(staff.NotYours)
	Of(t, staff.Decider).When(domain.Act{At: at, Role: domain.RoleProfessional, Session: Session}, staff.SignOut{}).ThenRefused(staff.NotYours)
}

// Each step of one-time codes lets in once, whatever for, and the next one is later.
func TestSteps(t *testing.T) {
	in := func(step uint64) staff.SignIn { return staff.SignIn{Credentials: 2, Step: step} }
	s := accepted(t)
	for _, used := range []uint64{0, 99, 100} { // 100 was the first, by which the invitation was accepted
		s.When(self(), in(used)).ThenRefused(staff.StepUsed)
	}
	s = s.When(self(), in(101)).Then(event(self(), staff.SignedIn{Method: staff.PasswordOTP, Step: 101}))
	s.When(self(), in(101)).ThenRefused(staff.StepUsed)
	s.When(self(), in(100)).ThenRefused(staff.StepUsed) // the one before, which the clock's tolerance lets through
	up := func(step uint64) staff.StepUp { return staff.StepUp{Credentials: 2, Step: step} }
	s.When(self(), up(101)).ThenRefused(staff.StepUsed)
	s = s.When(self(), up(102)).Then(event(self(), staff.SteppedUp{Method: staff.PasswordOTP, Step: 102}))
	s.When(self(), in(102)).ThenRefused(staff.StepUsed)
	s = s.When(self(), staff.SignOut{}).Then(event(self(), staff.SignedOut{}))
	s.When(self(), in(103)).Then(event(self(), staff.SignedIn{Method: staff.PasswordOTP, Step: 103}))
}

// What an account was opened by holds until a new invitation is accepted, and not longer.
func TestReset(t *testing.T) {
	s := accepted(t)
	s.When(self(), staff.SignIn{Credentials: 1, Step: 101}).ThenRefused(staff.OtherCredentials)
	s.When(self(), staff.SignIn{Credentials: 0, Step: 101}).ThenRefused(staff.OtherCredentials)
	again := invite()
	again.Code, again.Confirmation = staff.Hash{4}, staff.Hash{5}
	b := invitedBody()
	b.Code, b.Confirmation = again.Code, again.Confirmation
	s = s.When(super(), again).Then(event(super(), b))
	s.When(self(), staff.SignIn{Credentials: 2, Step: 101}).Then(event(self(), staff.SignedIn{Method: staff.PasswordOTP, Step: 101}))
	s.When(signing(self()), accept()).ThenRefused(staff.NotInvited) // the invitation accepted before
	anew := staff.Accept{Code: staff.Hash{4}, Confirmation: staff.Hash{5}, Password: later, Step: 50}
	s = s.When(signing(self()), anew).
		Then(event(signing(self()), staff.Accepted{Code: staff.Hash{4}, Password: later, Step: 50}), event(signing(self()), staff.DeclarationSigned{}))
	for _, c := range []staff.Command{staff.SignIn{Credentials: 2, Step: 101}, staff.StepUp{Credentials: 2, Step: 101}} {
		s.When(self(), c).ThenRefused(staff.OtherCredentials)
	}
	s.When(self(), staff.SignIn{Credentials: 5, Step: 51}).Then(event(self(), staff.SignedIn{Method: staff.PasswordOTP, Step: 51}))
	if got := s.State(); got.Credentials != 5 || string(got.Password) != string(later) || got.Factor != (staff.Hash{4}) {
		t.Errorf("set at version %d", got.Credentials)
	}
	// An invitation takes the place of one that was not accepted.
	s = invited(t).When(super(), again).Then(event(super(), b))
	s.When(self(), accept()).ThenRefused(staff.NotInvited)
}

// Without a signed declaration on record, a password opens nothing: not of an account from before there was one, nor where the event
// names no wording.
func TestDeclaration(t *testing.T) {
	before := invited(t).Given(event(self(), staff.Accepted{Code: code, Password: phc, Step: 100}))
	for _, s := range []story{before, before.Given(event(self(), staff.DeclarationSigned{}))} {
		if got := domain.Refused(s.State().Declared()); got != staff.NotDeclared {
			t.Errorf("undeclared is refused with %q", got)
		}
		s.When(self(), staff.SignIn{Credentials: 2, Step: 101}).ThenRefused(staff.NotDeclared)
		s.When(self(), staff.StepUp{Credentials: 2, Step: 101}).ThenRefused(staff.NotDeclared)
	}
	if s := accepted(t).State(); s.Declared() != nil || s.Declaration != signing(self()).Text {
		t.Errorf("signed %v: %v", s.Declaration, s.Declared())
	}
	if err := invited(t).State().Declared(); domain.Refused(err) != staff.NotDeclared {
		t.Errorf("nothing accepted: %v", err)
	}
}

// An account that had ended is ended in a restored copy too, by the system alone; nothing else is brought back.
func TestReapply(t *testing.T) {
	system := AsSystem(at)
	again := func(b staff.Body) staff.Reapply { return staff.Reapply{Ending: event(employee(), b)} }
	s := employed(t, domain.RoleAuditor)
	for _, a := range []domain.Act{employee(), by(account, domain.RoleAuditor, domain.ID{}), super(), {At: at}} {
		s.When(a, again(staff.Ended{})).ThenRefused(staff.NotYours)
	}
	s.When(system, again(staff.Ended{})).Then(event(system, staff.Ended{})).When(system, again(staff.Ended{})).ThenNothing()
	for _, b := range []staff.Body{
		staff.Employed{Account: account, Role: domain.RoleEmployee}, invitedBody(), staff.Accepted{Code: code, Password: phc, Step: 1},
		staff.SignedIn{Step: 1}, staff.DeclarationSigned{}, staff.SignedOut{}, nil,
	} {
		s.When(system, again(b)).ThenNothing()
		if staff.IsEnding(b) {
			t.Errorf("%T is an ending", b)
		}
	}
	Of(t, staff.Decider).When(system, again(staff.Ended{})).ThenNothing() // the copy knows no such account
}

// The cost of a password is raised without its being another one.
func TestRehashed(t *testing.T) {
	s := accepted(t).When(self(), staff.SignIn{Credentials: 2, Step: 101, Rehashed: later}).
		Then(event(self(), staff.Rehashed{Password: later}), event(self(), staff.SignedIn{Method: staff.PasswordOTP, Step: 101}))
	if got := s.State(); got.Credentials != 2 || string(got.Password) != string(later) {
		t.Errorf("set at version %d", got.Credentials)
	}
}

// An account that has ended refuses everything. A professional's ends with its standing, not here.
func TestEnd(t *testing.T) {
	auditor := by(account, domain.RoleAuditor, domain.ID{})
	own := invite()
	own.Organisation = domain.ID{}
	b := invitedBody()
	b.Organisation = domain.ID{}
	s := employed(t, domain.RoleAuditor).When(employee(), own).Then(event(employee(), b))
	s.When(auditor, staff.End{}).ThenRefused(staff.NotYours)
	s.When(super(), staff.End{}).ThenRefused(staff.NotYours)
	signed := signing(auditor)
	ended := s.When(signed, accept()).
		Then(event(signed, staff.Accepted{Code: code, Password: phc, Step: 100}), event(signed, staff.DeclarationSigned{})).
		When(employee(), own).Then(event(employee(), b)).
		When(employee(), staff.End{}).Then(event(employee(), staff.Ended{}))
	for _, c := range []staff.Command{
		staff.Employ{Account: account, Role: domain.RoleAuditor, Name: "N", Email: "n@example.org"}, staff.Correct{Name: "N", Email: "n@example.org"},
		own, accept(), staff.SignIn{Credentials: 4, Step: 101}, staff.StepUp{Credentials: 4, Step: 101}, staff.SignOut{}, staff.End{},
	} {
		ended.When(employee(), c).ThenRefused(staff.HasEnded)
		ended.When(auditor, c).ThenRefused(staff.HasEnded)
	}
	if domain.Refused(ended.State().Opens(code, second, at)) != staff.HasEnded || domain.Refused(ended.State().Enters(4, 101)) != staff.HasEnded {
		t.Error("an account that has ended opens")
	}
	accepted(t).When(employee(), staff.End{}).ThenRefused(staff.NoSuchAccount)
	Of(t, staff.Decider).When(employee(), staff.End{}).ThenRefused(staff.NoSuchAccount)
	if err := s.State().Enters(0, 1); domain.Refused(err) != staff.NotAccepted {
		t.Errorf("no password lets in: %v", err)
	}
}

// A key that is gone leaves an account that nobody comes into.
func TestRedacted(t *testing.T) {
	s := Of(t, staff.Decider).Given(event(employee(), staff.Employed{Account: account, Role: domain.RoleAuditor}), event(employee(), nil),
		event(employee(), nil), event(employee(), nil))
	auditor := by(account, domain.RoleAuditor, domain.ID{})
	s.When(auditor, accept()).ThenRefused(staff.NotInvited)
	s.When(auditor, staff.SignIn{Step: 1}).ThenRefused(staff.NotAccepted)
}

// Whatever happens to an account, nobody comes in but with the password of the last accepted invitation and a step later than
// every one used with it.
func TestNobodyComesInOtherwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s staff.State
		var open staff.Hash // the code of the invitation that may be accepted
		var credentials, last uint64
		for n := range rapid.IntRange(1, 30).Draw(t, "commands") {
			step := rapid.Uint64Range(1, 6).Draw(t, "step")
			as := rapid.Uint64Range(0, s.Version+1).Draw(t, "credentials")
			var c staff.Command
			a := signing(self())
			switch rapid.IntRange(0, 3).Draw(t, "command") {
			case 0:
				i := invite()
				i.Code = staff.Hash{10, byte(n)}
				c, a = i, super()
			case 1:
				c = staff.Accept{Code: rapid.SampledFrom([]staff.Hash{s.Invitation.Code, s.Factor, {}}).Draw(t, "code"), Confirmation: second, Password: phc, Step: step}
			case 2:
				c = staff.SignIn{Credentials: as, Step: step}
			case 3:
				c = staff.StepUp{Credentials: as, Step: step}
			}
			events, err := staff.Decider.Decide(a, s, c)
			switch c := c.(type) {
			case staff.Invite:
				open = c.Code
			case staff.Accept:
				if ok := open != (staff.Hash{}) && c.Code == open; ok != (err == nil) {
					t.Fatalf("accepting %v: %v", ok, err)
				} else if ok {
					open, credentials, last = staff.Hash{}, s.Version+1, step
				}
			default:
				if ok := credentials != 0 && as == credentials && step > last; ok != (err == nil) {
					t.Fatalf("coming in with step %d after %d: %v", step, last, err)
				} else if ok {
					last = step
				}
			}
			for _, e := range events {
				s = staff.Evolve(s, e)
			}
		}
	})
}

// Hashes do not show what they are, whatever prints them.
func TestHidden(t *testing.T) {
	state := accepted(t).When(super(), invite()).Then(event(super(), invitedBody())).State()
	body, err := json.Marshal([]any{invitedBody(), staff.Accepted{Code: code, Password: phc}, invite()})
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		fmt.Sprintf("%v %+v %#v", state, state, state), fmt.Sprintf("%s %x %d", phc, phc, phc), fmt.Sprintf("%s %x %d", login, login, login),
		fmt.Sprintf("%v %+v %#v", login, invitedBody(), accept()), string(body), login.LogValue().String(), phc.LogValue().String(),
	} {
		if !strings.Contains(printed, "[keyed hash]") && !strings.Contains(printed, "[password hash]") || strings.Contains(printed, "argon2id") ||
			strings.Contains(printed, fmt.Sprintf("%x", string(phc))) || strings.Contains(printed, "[1 0 0") || strings.Contains(printed, "0x24, 0x61") {
			t.Errorf("it shows a hash: %s", printed)
		}
	}
}
