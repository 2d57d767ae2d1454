package desk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

const password = "fire blå ugler på taket"

// operator is who runs the service.
func (c *counter) operator() ledger.Caller {
	return ledger.Caller{Actor: domain.ID{0xe1}, Role: domain.RoleEmployee}
}

// hire adds a professional with the e-mail address.
func (c *counter) hire(email string) domain.ID {
	c.t.Helper()
	id := c.id()
	c.must(c.AddProfessional(c.t.Context(), c.boss, organisation.AddProfessional{Professional: id, Details: organisation.Professional{
		FirstName: "Per", LastName: "N", Workplace: "R", Position: "p", Phone: "55 00 00 00", Email: email,
	}}))
	c.seen()
	return id
}

// declaration is the wording that whoever gets access signs.
var declaration = domain.Text{Name: "confidentiality", Version: "2026-11-22", Language: "nb"}

// An account is somebody on the staff with what is needed to sign in.
type account struct {
	id       domain.ID
	login    string
	password string
	otp      signin.OTP
}

func (a account) code(c *counter) string { return a.otp.Code(c.now) }

// open lets somebody accept an invitation, and waits for the next one-time code.
func (c *counter) open(by ledger.Caller, id domain.ID, password string) account {
	c.t.Helper()
	i, err := c.Invite(c.t.Context(), by, id)
	c.must(err)
	c.seen()
	e, err := c.OpenInvitation(c.t.Context(), i.Code, i.Confirmation)
	c.must(err)
	c.must(c.AcceptInvitation(c.t.Context(), i.Code, i.Confirmation, password, e.OTP.Code(c.now), declaration))
	c.seen()
	c.now = c.now.Add(30 * time.Second)
	return account{id, e.Login, password, e.OTP}
}

func (c *counter) signIn(a account) *signin.Session {
	c.t.Helper()
	s, err := c.SignIn(c.t.Context(), a.login, a.password, a.code(c))
	c.must(err)
	c.now = c.now.Add(30 * time.Second)
	c.seen()
	return &s
}

func (c *counter) live(s *signin.Session, want bool, what string) {
	c.t.Helper()
	err := c.Live(c.t.Context(), s)
	if (err == nil) != want || err != nil && domain.Refused(err) != desk.SignedOut {
		c.t.Errorf("%s: %v", what, err)
	}
}

// last is the last event, opened.
func (c *counter) last() eventschema.Fact {
	c.t.Helper()
	c.seen()
	head := c.Keeper.Cursor()
	for _, r := range ledgertest.Between(c.t, c.store, head-1, head) {
		f, err := c.Ledger.Decode(c.t.Context(), &r)
		c.must(err)
		return f
	}
	return eventschema.Fact{}
}

func (c *counter) refusedFor(what string, account domain.ID, reason string) {
	c.t.Helper()
	f := c.last()
	b, ok := f.Body.(oversight.SignInRefused)
	if !ok || b.As != oversight.AsStaff || b.Account != account || b.Reason != reason {
		c.t.Errorf("%s: recorded %v of %s for %q, expected of %s for %q", what, f, b.Account, b.Reason, account, reason)
	}
}

// A professional, a superuser and an auditor each sign in as what they are, and it is recorded under their own key.
func TestStaffSignIn(t *testing.T) {
	c := newCounter(t)
	per := c.open(c.boss, c.hire("Per@Example.org"), password)
	boss := c.open(c.operator(), c.boss.Actor, password)
	id, err := c.Employ(t.Context(), c.operator(), desk.EmployInput{Role: domain.RoleAuditor, Name: "R", Email: "r@example.org"})
	c.must(err)
	c.wrote("employing", "staff.employed staff.named")
	auditor := c.open(c.operator(), id, password)
	for role, a := range map[domain.Role]account{domain.RoleProfessional: per, domain.RoleSuperuser: boss, domain.RoleAuditor: auditor} {
		c.seen()
		s, err := c.SignIn(t.Context(), " "+strings.ToUpper(a.login), a.password, a.code(c))
		c.must(err)
		office := c.office
		if role == domain.RoleAuditor {
			office = domain.ID{}
		}
		if s.Actor != a.id || s.Role != role || s.Organisation != office || s.ID.IsZero() || s.Credentials == 0 || !s.Fresh(c.now) {
			t.Errorf("signed in as %s", s.Role)
		}
		f := c.last()
		b, ok := f.Body.(staff.SignedIn)
		if !ok || b.Step != uint64(c.now.Unix()/30) || f.Act.Actor != a.id || f.Act.Session != s.ID || f.Act.Role != role || f.Act.Organisation != office ||
			f.Owner != (eventschema.Owner{Kind: eventschema.KeyStaff, ID: a.id}) || s.Position != f.Position {
			t.Errorf("recorded %v", f)
		}
		c.live(&s, true, "just signed in")
		s.ID = c.id()
		c.must(c.SignOut(t.Context(), &s))
		c.wrote("signing out", "staff.signed-out")
		c.must(c.SignOut(t.Context(), &s))
		c.wrote("signing out again", "")
	}
	if per.login != "Per@Example.org" {
		t.Errorf("the app shows %s", per.login)
	}
	c.must(c.SignOut(t.Context(), &signin.Session{Role: domain.RoleClient, Actor: c.client.Actor, ID: c.id()}))
	c.wrote("a client's signing out", "")
}

// Whatever is wrong, there is one answer after the same reads, and one event that says what it was.
func TestRefusedSignIns(t *testing.T) {
	c := newCounter(t)
	hired := func(email string) account { return c.open(c.boss, c.hire(email), password) }
	per, gone := hired("per@example.org"), hired("gone@example.org")
	employ := func(email string) domain.ID {
		id, err := c.Employ(t.Context(), c.operator(), desk.EmployInput{Role: domain.RoleEmployee, Name: "E", Email: email})
		c.must(err)
		return id
	}
	ended := c.open(c.operator(), employ("ended@example.org"), password)
	waiting := account{id: c.hire("waiting@example.org"), login: "waiting@example.org", password: password, otp: per.otp}
	_, err := c.Invite(t.Context(), c.boss, waiting.id)
	c.must(err)
	_, err = c.Organisations.Do(t.Context(), c.office, c.boss, organisation.Deactivate{Professional: gone.id})
	c.must(err)
	c.must(c.EndAccount(t.Context(), c.operator(), ended.id))
	c.seen()

	sums := func() string {
		work := map[string]ledgertest.Uses{}
		for stream, u := range c.store.Uses() {
			kind, _, _ := strings.Cut(stream, "-")
			work[kind] = ledgertest.Uses{Reads: work[kind].Reads + u.Reads, Appends: work[kind].Appends + u.Appends}
		}
		return fmt.Sprint(work)
	}
	c.store.ForgetUses()
	s, err := c.SignIn(t.Context(), per.login, per.password, per.code(c))
	c.must(err)
	if got := sums(); got != "map[organisation:{1 0} staff:{1 1}]" {
		t.Errorf("an allowed sign-in took %s", got)
	}
	used := per.code(c)
	c.now = c.now.Add(30 * time.Second)

	with := func(a account, change func(*account)) account { change(&a); return a }
	for _, r := range []struct {
		what    string
		as      account
		code    string
		account domain.ID
		reason  string
	}{
		{"a login that nobody has", with(per, func(a *account) { a.login = "nobody@example.org" }), "", domain.ID{}, staff.NoSuchAccount},
		{"no login", with(per, func(a *account) { a.login = "" }), "", domain.ID{}, staff.NoSuchAccount},
		{"a wrong password", with(per, func(a *account) { a.password += "x" }), "", per.id, desk.WrongPassword},
		{"no password", with(per, func(a *account) { a.password = "" }), "", per.id, desk.WrongPassword},
		{"a wrong one-time code", with(per, func(a *account) { a.otp = gone.otp }), "", per.id, desk.WrongOTP},
		{"no one-time code", per, " ", per.id, desk.WrongOTP},
		{"a one-time code that was used", per, used, per.id, staff.StepUsed},
		{"the one before it", per, per.otp.Code(c.now.Add(-60 * time.Second)), per.id, desk.WrongOTP},
		{"both wrong", with(per, func(a *account) { a.otp, a.password = gone.otp, "x" }), "", per.id, desk.WrongPassword},
		{"a professional who left", gone, "", gone.id, organisation.NotActive},
		{"an account that ended", ended, "", ended.id, staff.HasEnded},
		{"an invitation that was not accepted", waiting, "", waiting.id, staff.NotAccepted},
	} {
		for _, again := range []string{"", ", again"} {
			code := r.code
			if code == "" {
				code = r.as.code(c)
			}
			c.store.ForgetUses()
			s, err := c.SignIn(t.Context(), r.as.login, r.as.password, code)
			if !errors.Is(err, desk.ErrSignIn) || !s.ID.IsZero() || !s.Actor.IsZero() {
				t.Errorf("%s%s: %v", r.what, again, err)
			}
			if got := sums(); got != "map[organisation:{1 0} refused:{0 1} staff:{1 0}]" {
				t.Errorf("%s%s took %s", r.what, again, got)
			}
			c.refusedFor(r.what+again, r.account, r.reason)
			if f := c.last(); !f.Act.Actor.IsZero() || f.Act.Role != "" || f.Owner != (eventschema.Owner{}) {
				t.Errorf("%s: recorded as somebody's: %v", r.what, f)
			}
		}
	}
	c.live(&s, true, "the session of the one that was let in")
	c.store.FailAndLose(1)
	if _, err := c.SignIn(t.Context(), per.login, "x", per.code(c)); !errors.Is(err, ledgertest.ErrFault) {
		t.Errorf("an attempt that could not be recorded: %v", err)
	}
	c.signIn(per)
}

// Of two sign-ins by one code at the same moment, one is let in.
func TestStepUsedOnce(t *testing.T) {
	c := newCounter(t)
	per := c.open(c.boss, c.hire("per@example.org"), password)
	other := desk.New(&ledger.Ledger{Store: c.store.Store, Keys: c.Ledger.Keys, Clock: c.Ledger.Clock, Random: c.Ledger.Random}, c.Keeper, c.Books, c.CodeKey)
	var err error
	c.store.Before(func(string, uint64) {
		c.store.Before(nil)
		_, err = other.SignIn(t.Context(), per.login, per.password, per.code(c))
	})
	_, first := c.SignIn(t.Context(), per.login, per.password, per.code(c))
	c.must(err)
	if !errors.Is(first, desk.ErrSignIn) {
		t.Errorf("both are let in: %v", first)
	}
	c.wrote("two at once", "staff.signed-in signin.refused")
}

// An invitation opens with both codes, within seven days, once, and only for whoever is still there.
func TestInvitations(t *testing.T) {
	c := newCounter(t)
	id := c.hire("per@example.org")
	i, err := c.Invite(t.Context(), c.boss, id)
	c.must(err)
	if want := domain.DateOf(c.now).AddDays(8).Start(); !i.Until.Equal(want) {
		t.Errorf("until %v, expected %v", i.Until, want)
	}
	c.wrote("inviting", "staff.invited")
	other, err := c.NewCode()
	c.must(err)
	refused := func(what string, code signin.Code, confirmation string, account domain.ID, reason string) {
		t.Helper()
		if e, err := c.OpenInvitation(t.Context(), code, confirmation); !errors.Is(err, desk.ErrInvitation) || e.Login != "" {
			t.Errorf("%s is opened: %v", what, err)
		}
		c.refusedFor(what, account, reason)
		if err := c.AcceptInvitation(t.Context(), code, confirmation, password, "000000", declaration); !errors.Is(err, desk.ErrInvitation) {
			t.Errorf("%s is accepted: %v", what, err)
		}
		c.refusedFor(what, account, reason)
		c.seen()
	}
	refused("a code that nobody has", other, i.Confirmation, domain.ID{}, staff.NotInvited)
	refused("a client's code", c.reg.Code, i.Confirmation, domain.ID{}, staff.NotInvited)
	refused("no confirmation", i.Code, "", id, staff.WrongConfirmation)
	refused("a mistyped confirmation", i.Code, i.Confirmation[1:]+"0", id, staff.WrongConfirmation)
	j, err := c.Invite(t.Context(), c.boss, id) // takes the place of the first
	c.must(err)
	if _, err := c.OpenInvitation(t.Context(), j.Code, j.Confirmation); !errors.Is(err, desk.ErrInvitation) {
		t.Errorf("before the views know of it: %v", err)
	}
	c.seen()
	refused("the one before", i.Code, i.Confirmation, domain.ID{}, staff.NotInvited)
	refused("the confirmation of the one before", j.Code, i.Confirmation, id, staff.WrongConfirmation)

	e, err := c.OpenInvitation(t.Context(), j.Code, strings.ToLower(j.Confirmation[:4]+" "+j.Confirmation[4:]))
	c.must(err)
	again, err := c.OpenInvitation(t.Context(), j.Code, j.Confirmation)
	c.must(err)
	if e.OTP.Base32() != again.OTP.Base32() || e.Login != "per@example.org" {
		t.Error("opened twice, it shows something else")
	}
	c.wrote("opening", "")
	for what, r := range map[string]struct {
		password, otp, refused string
		signed                 domain.Text
	}{
		"a short password":      {"short", e.OTP.Code(c.now), signin.WeakPassword, declaration},
		"the own name":          {"jeg heter per og bor her", e.OTP.Code(c.now), signin.WeakPassword, declaration},
		"no one-time code":      {password, "", desk.WrongOTP, declaration},
		"an old one":            {password, e.OTP.Code(c.now.Add(-time.Minute)), desk.WrongOTP, declaration},
		"no declaration signed": {password, e.OTP.Code(c.now), staff.NotDeclared, domain.Text{}},
	} {
		if err := c.AcceptInvitation(t.Context(), j.Code, j.Confirmation, r.password, r.otp, r.signed); domain.Refused(err) != r.refused {
			t.Errorf("%s: %v", what, err)
		}
		c.wrote(what, "")
	}
	in := func() error {
		_, err := c.SignIn(t.Context(), "per@example.org", password, e.OTP.Code(c.now))
		c.seen()
		return err
	}
	if err := in(); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("before the invitation is accepted: %v", err)
	}
	c.must(c.AcceptInvitation(t.Context(), j.Code, j.Confirmation, password, e.OTP.Code(c.now), declaration))
	c.wrote("accepting", "staff.invitation-accepted staff.declaration-signed")
	if err := in(); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("by the one-time code of the acceptance: %v", err)
	}
	refused("one that was accepted", j.Code, j.Confirmation, domain.ID{}, staff.NotInvited)
	c.now = c.now.Add(30 * time.Second)
	c.must(in())

	late, err := c.Invite(t.Context(), c.boss, id)
	c.must(err)
	c.seen()
	c.now = late.Until
	refused("one that is out of date", late.Code, late.Confirmation, id, staff.TooLate)
	c.now = late.Until.Add(-1)
	_, err = c.OpenInvitation(t.Context(), late.Code, late.Confirmation)
	c.must(err)
	_, err = c.Organisations.Do(t.Context(), c.office, c.boss, organisation.Deactivate{Professional: id})
	c.must(err)
	refused("one of a professional who left", late.Code, late.Confirmation, id, organisation.NotActive)
}

// A superuser invites whom the own organisation has on its list; an employee anyone; a login name is one account's.
func TestWhoInvites(t *testing.T) {
	c := newCounter(t)
	id := c.hire("per@example.org")
	pro := c.boss
	pro.Actor, pro.Role = id, domain.RoleProfessional
	stranger := c.boss
	stranger.Organisation = c.id()
	auditor := ledger.Caller{Actor: c.id(), Role: domain.RoleAuditor}
	employee, err := c.Employ(t.Context(), c.operator(), desk.EmployInput{Role: domain.RoleEmployee, Name: "E", Email: "e@example.org"})
	c.must(err)
	c.seen()
	for what, r := range map[string]struct {
		by      ledger.Caller
		whom    domain.ID
		refused string
	}{
		"a professional invites the own account": {pro, id, staff.NotYours},
		"a professional says to be superuser":    {ledger.Caller{Actor: id, Role: domain.RoleSuperuser, Organisation: c.office}, id, organisation.NotActive},
		"a superuser of another organisation":    {stranger, id, organisation.NotActive},
		"an auditor":                             {auditor, id, staff.NotYours},
		"an auditor, the service's own":          {auditor, employee, staff.NotYours},
		"a client":                               {c.client, id, staff.NotYours},
		"nobody":                                 {ledger.Caller{}, id, staff.NotYours},
		"a superuser, the service's own":         {c.boss, employee, organisation.NoSuchPerson},
		"a superuser, somebody unknown":          {c.boss, c.id(), organisation.NoSuchPerson},
		"an employee, somebody unknown":          {c.operator(), c.id(), staff.NoSuchAccount},
		"an employee, a client":                  {c.operator(), c.client.Actor, staff.NoSuchAccount},
		"a superuser of no organisation":         {ledger.Caller{Actor: c.boss.Actor, Role: domain.RoleSuperuser}, employee, staff.NotYours},
	} {
		if _, err := c.Invite(t.Context(), r.by, r.whom); domain.Refused(err) != r.refused {
			t.Errorf("%s: %v", what, err)
		}
		c.wrote(what, "")
	}
	if _, err := c.Employ(t.Context(), c.boss, desk.EmployInput{Role: domain.RoleAuditor, Name: "E", Email: "x@example.org"}); domain.Refused(err) != staff.NotYours {
		t.Errorf("a superuser employs an auditor: %v", err)
	}
	_, err = c.Invite(t.Context(), c.operator(), id) // an employee, a professional who was never invited
	c.must(err)
	c.wrote("inviting", "staff.invited")

	same := c.hire("PER@example.org")
	if _, err := c.Invite(t.Context(), c.boss, same); domain.Refused(err) != desk.LoginTaken {
		t.Errorf("two accounts with one login name: %v", err)
	}
	_, err = c.Organisations.Do(t.Context(), c.office, c.boss, organisation.Deactivate{Professional: id})
	c.must(err)
	c.seen()
	if _, err := c.Invite(t.Context(), c.boss, id); domain.Refused(err) != organisation.NoSuchPerson {
		t.Errorf("whoever left is invited: %v", err)
	}
	if _, err := c.Invite(t.Context(), c.operator(), id); domain.Refused(err) != organisation.NoSuchPerson {
		t.Errorf("whoever left is invited: %v", err)
	}
	second := c.open(c.boss, same, password) // whoever left has the name no more
	_, err = c.Organisations.Do(t.Context(), c.office, c.boss, organisation.Reactivate{Professional: id})
	c.must(err)
	c.seen()
	if _, err := c.Invite(t.Context(), c.boss, id); domain.Refused(err) != desk.LoginTaken {
		t.Errorf("whoever comes back takes the name from whoever has it: %v", err)
	}
	c.signIn(second)
}

// Of two accounts invited with one login name before the views knew, the one invited first has it.
func TestLoginTakenMeanwhile(t *testing.T) {
	c := newCounter(t)
	first, second := c.hire("per@example.org"), c.hire("per@example.org")
	i, err := c.Invite(t.Context(), c.boss, first)
	c.must(err)
	j, err := c.Invite(t.Context(), c.boss, second)
	c.must(err)
	c.seen()
	if _, err := c.OpenInvitation(t.Context(), j.Code, j.Confirmation); !errors.Is(err, desk.ErrInvitation) {
		t.Errorf("the second one: %v", err)
	}
	c.refusedFor("the second one", second, desk.LoginTaken)
	_, err = c.OpenInvitation(t.Context(), i.Code, i.Confirmation)
	c.must(err)
}

// A corrected e-mail address takes a new invitation: an open one names another login.
func TestCorrectedEmail(t *testing.T) {
	c := newCounter(t)
	id, err := c.Employ(t.Context(), c.operator(), desk.EmployInput{Role: domain.RoleAuditor, Name: "R", Email: "r@example.org"})
	c.must(err)
	a := c.open(c.operator(), id, password)
	i, err := c.Invite(t.Context(), c.operator(), id)
	c.must(err)
	c.must(c.CorrectStaff(t.Context(), c.operator(), id, "R", "revisor@example.org"))
	c.seen()
	if _, err := c.OpenInvitation(t.Context(), i.Code, i.Confirmation); !errors.Is(err, desk.ErrInvitation) {
		t.Errorf("under the old address: %v", err)
	}
	c.signIn(a) // until there is another
	b := c.open(c.operator(), id, "ti nye ugler på taket")
	if _, err := c.SignIn(t.Context(), "r@example.org", b.password, b.code(c)); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("under the old address: %v", err)
	}
	if b.login != "revisor@example.org" {
		t.Errorf("invited as %s", b.login)
	}
	c.signIn(b)
	who, err := c.StaffMember(t.Context(), id)
	if err != nil || who.Name != "R" || who.Email != "revisor@example.org" {
		t.Errorf("on record: %v", err)
	}
	if _, err := c.StaffMember(t.Context(), c.boss.Actor); domain.Refused(err) != staff.NoSuchAccount {
		t.Errorf("a professional: %v", err)
	}
}

// What opened a session ends it: the standing, the role, the password, the account. What came back later is another.
func TestSessionsEnd(t *testing.T) {
	c := newCounter(t)
	id := c.hire("per@example.org")
	a := c.open(c.boss, id, password)
	do := func(cmd organisation.Command) {
		t.Helper()
		_, err := c.Organisations.Do(t.Context(), c.office, c.boss, cmd)
		c.must(err)
		c.seen()
	}
	s := c.signIn(a)
	c.live(s, true, "signed in")
	do(organisation.Deactivate{Professional: id})
	c.live(s, false, "deactivated")
	do(organisation.Reactivate{Professional: id})
	c.live(s, false, "deactivated and let in again, without a new sign-in")

	s = c.signIn(a)
	do(organisation.ChangeRole{Professional: id, Superuser: true})
	c.live(s, false, "made superuser")
	s = c.signIn(a)
	if s.Role != domain.RoleSuperuser {
		t.Errorf("signed in as %s", s.Role)
	}
	do(organisation.ChangeRole{Professional: id})
	c.live(s, false, "superuser no more")

	s = c.signIn(a)
	i, err := c.Invite(t.Context(), c.boss, id)
	c.must(err)
	c.seen()
	c.live(s, true, "invited anew")
	e, err := c.OpenInvitation(t.Context(), i.Code, i.Confirmation)
	c.must(err)
	c.live(s, true, "the invitation opened")
	c.must(c.AcceptInvitation(t.Context(), i.Code, i.Confirmation, password, e.OTP.Code(c.now), declaration))
	c.live(s, false, "the password set anew")
	c.now = c.now.Add(30 * time.Second)
	if _, err := c.SignIn(t.Context(), a.login, a.password, a.code(c)); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("by the authenticator of before: %v", err)
	}
	c.seen()
	a.otp = e.OTP
	c.live(c.signIn(a), true, "signed in by the new one")

	employee, err := c.Employ(t.Context(), c.operator(), desk.EmployInput{Role: domain.RoleEmployee, Name: "E", Email: "e@example.org"})
	c.must(err)
	s = c.signIn(c.open(c.operator(), employee, password))
	c.live(s, true, "an employee")
	forged := *s
	forged.Role = domain.RoleAuditor
	c.live(&forged, false, "in another role")
	forged = *s
	forged.Organisation = c.office
	c.live(&forged, false, "for an organisation")
	forged = *s
	forged.Credentials = 0
	c.live(&forged, false, "without a password")
	c.must(c.EndAccount(t.Context(), c.operator(), employee))
	c.live(s, false, "the account ended")
	c.must(c.SignOut(t.Context(), s)) // and signing out is no error
	for _, r := range []domain.Role{domain.RoleProfessional, domain.RoleAuditor, domain.RoleClient, ""} {
		c.live(&signin.Session{Actor: c.id(), ID: c.id(), Role: r}, false, "nobody's")
		c.live(&signin.Session{Actor: domain.ID{}, ID: c.id(), Role: r}, false, "nobody's")
	}
}

// Password and one-time code, once more: a code that has not been used, by whoever is still signed in.
func TestStepUp(t *testing.T) {
	c := newCounter(t)
	a := c.open(c.boss, c.hire("per@example.org"), password)
	s := c.signIn(a)
	c.now = c.now.Add(10 * time.Minute)
	if s.Fresh(c.now) {
		t.Error("fresh after ten minutes")
	}
	for what, r := range map[string]struct{ password, otp, reason string }{
		"a wrong password":      {"x", a.code(c), desk.WrongPassword},
		"a wrong one-time code": {password, "000000", desk.WrongOTP},
	} {
		if err := c.StepUp(t.Context(), s, r.password, r.otp); !errors.Is(err, desk.ErrSignIn) || s.Fresh(c.now) {
			t.Errorf("%s: %v", what, err)
		}
		c.refusedFor(what, a.id, r.reason)
		if f := c.last(); f.Act.Actor != a.id || f.Act.Session != s.ID {
			t.Errorf("%s: not recorded as of whoever it was", what)
		}
	}
	c.seen()
	c.must(c.StepUp(t.Context(), s, password, a.code(c)))
	c.wrote("stepping up", "staff.stepped-up")
	if !s.Fresh(c.now) || s.Position != c.last().Position {
		t.Error("not fresh")
	}
	if err := c.StepUp(t.Context(), s, password, a.code(c)); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("twice by one code: %v", err)
	}
	c.seen()
	if _, err := c.SignIn(t.Context(), a.login, password, a.code(c)); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("signing in by the same: %v", err)
	}
	c.seen()
	_, err := c.Organisations.Do(t.Context(), c.office, c.boss, organisation.Deactivate{Professional: a.id})
	c.must(err)
	c.now = c.now.Add(30 * time.Second)
	if err := c.StepUp(t.Context(), s, password, a.code(c)); domain.Refused(err) != desk.SignedOut {
		t.Errorf("deactivated: %v", err)
	}
	c.wrote("deactivated", "professional.deactivated")
	if err := c.StepUp(t.Context(), &signin.Session{Role: domain.RoleClient, Actor: c.client.Actor}, "", ""); domain.Refused(err) != staff.NotYours {
		t.Errorf("a client: %v", err)
	}
}

// A password hashed at another cost is hashed anew when it is next given, and is the same password.
func TestRehash(t *testing.T) {
	c := newCounter(t)
	id := c.hire("per@example.org")
	i, err := c.Invite(t.Context(), c.boss, id)
	c.must(err)
	c.seen()
	e, err := c.OpenInvitation(t.Context(), i.Code, i.Confirmation)
	c.must(err)
	const old = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4" // of "password"
	by := ledger.Caller{Actor: id, Role: domain.RoleProfessional, Session: c.id(), Organisation: c.office, Text: declaration}
	_, err = c.Staff.Do(t.Context(), id, by, staff.Accept{
		Code: i.Code.InvitationHash(c.CodeKey), Confirmation: i.Code.ConfirmationHash(c.CodeKey, i.Confirmation), Password: staff.Password(old), Step: 1,
	})
	c.must(err)
	c.seen()
	a := account{id, e.Login, "password", e.OTP}
	s, err := c.SignIn(t.Context(), a.login, a.password, a.code(c))
	c.must(err)
	c.wrote("a sign-in", "staff.password-rehashed staff.signed-in")
	c.live(&s, true, "the password is the same")
	c.now = c.now.Add(30 * time.Second)
	_, err = c.SignIn(t.Context(), a.login, a.password, a.code(c))
	c.must(err)
	c.wrote("the next", "staff.signed-in")
}

// A client's code: whoever is refused gets one answer after the same reads; the event says what it was.
func TestRefusedCodes(t *testing.T) {
	c := newCounter(t)
	idle, err := c.RegisterClient(t.Context(), c.boss)
	c.must(err)
	c.now = c.now.Add(380 * 24 * time.Hour)
	reg, err := c.RegisterClient(t.Context(), c.boss)
	c.must(err)
	c.seen()
	by := ledger.Caller{Actor: reg.Client, Role: domain.RoleClient}
	never, err := c.NewCode()
	c.must(err)
	next, err := c.NewCode()
	c.must(err)
	c.must(c.RotateCode(t.Context(), by, reg.Code, next))
	c.seen()
	for _, r := range []struct {
		what    string
		code    signin.Code
		account domain.ID
		reason  string
	}{
		{"never given out", never, domain.ID{}, client.NotRegistered},
		{"replaced", reg.Code, reg.Client, client.WrongCode},
		{"idle, not yet written down", idle.Code, idle.Client, client.IsDeactivated},
	} {
		var uses []string
		c.store.ForgetUses()
		if _, err := c.LogIn(t.Context(), r.code, login); !errors.Is(err, desk.ErrCode) {
			t.Errorf("%s: %v", r.what, err)
		}
		for stream, u := range c.store.Uses() {
			kind, _, _ := strings.Cut(stream, "-")
			uses = append(uses, fmt.Sprint(kind, u))
		}
		slices.Sort(uses)
		if got := fmt.Sprint(uses); got != "[client{1 0} journal{1 0} refused{0 1}]" {
			t.Errorf("%s took %s", r.what, got)
		}
		f := c.last()
		if b, ok := f.Body.(oversight.SignInRefused); !ok || b.As != oversight.AsClient || b.Account != r.account || b.Reason != r.reason {
			t.Errorf("%s: recorded %v", r.what, f)
		}
	}
	_, err = c.LogIn(t.Context(), next, login)
	c.must(err)
	c.store.ForgetUses()
	_, err = c.LogIn(t.Context(), next, login)
	c.must(err)
	for stream, u := range c.store.Uses() {
		if want := map[bool]ledgertest.Uses{true: {Reads: 1, Appends: 1}, false: {Reads: 1}}[strings.HasPrefix(stream, "journal")]; u != want {
			t.Errorf("an allowed one: %v of a stream", u)
		}
	}
}

// A new code replaces the old one when it is typed back, and not before; of the client's sessions, the one that changed it goes on.
func TestRotation(t *testing.T) {
	c := newCounter(t)
	in := func(code signin.Code) *signin.Session {
		t.Helper()
		s, err := c.LogIn(t.Context(), code, login)
		c.must(err)
		c.seen()
		return &s
	}
	here, there := in(c.reg.Code), in(c.reg.Code)
	if err := c.ConfirmRotation(t.Context(), here, c.reg.Code.Slip()); domain.Refused(err) != desk.NotTheNewCode {
		t.Errorf("without a new code: %v", err)
	}
	next, err := c.BeginRotation(t.Context(), here)
	c.must(err)
	c.wrote("a new code that is shown", "")
	for _, typed := range []string{"", "x", c.reg.Code.Slip(), next.Slip()[:26] + "0", next.Label()} {
		if err := c.ConfirmRotation(t.Context(), here, typed); domain.Refused(err) != desk.NotTheNewCode && typed != next.Slip() {
			t.Errorf("typed back as something else: %v", err)
		}
	}
	if err := c.ConfirmRotation(t.Context(), there, next.Slip()); domain.Refused(err) != desk.NotTheNewCode {
		t.Errorf("in another session: %v", err)
	}
	c.wrote("typed back otherwise", "")
	c.live(here, true, "the old code still works")
	replaced := next
	next, err = c.BeginRotation(t.Context(), here)
	c.must(err)
	if err := c.ConfirmRotation(t.Context(), here, replaced.Slip()); domain.Refused(err) != desk.NotTheNewCode {
		t.Errorf("the one shown before: %v", err)
	}
	c.must(c.ConfirmRotation(t.Context(), here, strings.ToLower(next.Slip())))
	c.wrote("typed back", "code.rotated")
	if here.Position != c.last().Position || here.Pending != [32]byte{} || here.Code != next.Hash(c.CodeKey) {
		t.Error("the session does not know its code")
	}
	c.live(here, true, "the session that changed it")
	c.live(there, false, "another session")
	if err := c.ConfirmRotation(t.Context(), here, next.Slip()); domain.Refused(err) != desk.NotTheNewCode {
		t.Errorf("typed back twice: %v", err)
	}
	there.Pending = [32]byte{1}
	stolen, err := c.BeginRotation(t.Context(), there)
	c.must(err)
	if err := c.ConfirmRotation(t.Context(), there, stolen.Slip()); domain.Refused(err) != client.WrongCode {
		t.Errorf("a session of the old code takes a new one: %v", err)
	}
	c.seen()
	c.live(in(next), true, "signed in by the new one")
	c.now = c.now.Add(400 * 24 * time.Hour)
	c.live(here, false, "a year without a login")
	if _, err := c.BeginRotation(t.Context(), here); domain.Refused(err) != client.IsDeactivated {
		t.Errorf("a year without a login: %v", err)
	}
}

// Nothing that prints shows an invitation or what sets an app up.
func TestInvitationsPrintNothing(t *testing.T) {
	c := newCounter(t)
	i, err := c.Invite(t.Context(), c.boss, c.hire("canary@example.org"))
	c.must(err)
	c.seen()
	e, err := c.OpenInvitation(t.Context(), i.Code, i.Confirmation)
	c.must(err)
	var out bytes.Buffer
	for _, v := range []any{i, &i, []desk.Invitation{i}, struct{ I desk.Invitation }{i}, e, &e, []desk.Enrolment{e}, struct{ E desk.Enrolment }{e}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x", v, v, v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		b, err := json.Marshal(v)
		c.must(err)
		out.Write(b)
	}
	for _, form := range []string{i.Confirmation, fmt.Sprintf("%x", i.Confirmation), "canary", e.OTP.Base32(), i.Code.Label()} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printing shows %q", form)
		}
	}
}
