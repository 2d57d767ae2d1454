package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/journal"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// credentials are what somebody on stage comes in by, and the sessions that came of it, the last one last.
type credentials struct {
	login      string
	password   string
	app        signin.OTP // the authenticator
	invitation desk.Invitation
	replaced   desk.Invitation
	enrolment  desk.Enrolment
	used       string // the one-time code that last let in
	next       signin.Code
	sessions   []*signin.Session
}

// signInSteps are the part of the language that tells how people come in.
var signInSteps = []step{
	{re(`half a minute later`), func(st *stage, _ []string) error { st.now = st.now.Add(30 * time.Second); return nil }},

	// invitations
	{re(`the service employs ` + who + ` as (auditor|employee|safety-manager)`), (*stage).employ},
	{re(`the service ends the account of ` + who), func(st *stage, m []string) error {
		return st.sys.desk.EndAccount(context.Background(), employee, st.person(m[1]).caller.Actor)
	}},
	{re(`the service invites ` + who), func(st *stage, m []string) error { return st.invite(employee, m[1]) }},
	{re(who + ` invites ` + who), func(st *stage, m []string) error { return st.invite(st.pro(m[1]), m[2]) }},
	{re(who + ` opens the invitation by (.+)`), func(st *stage, m []string) error {
		_, err := st.openInvitation(m[1], m[2])
		return err
	}},
	{re(who + ` accepts the invitation by (.+) with the password "([^"]*)"`), (*stage).acceptInvitation},
	{re(who + ` accepts the invitation without signing the declaration`), func(st *stage, m []string) error {
		return st.accept(m[1], "both codes", "en lang tur langs havet", domain.Text{})
	}},
	{re(who + ` opens an account`), (*stage).openAccount},

	// staff
	{re(who + ` signs in`), func(st *stage, m []string) error { return st.signIn(m[1], "") }},
	{re(who + ` signs in with (.+)`), func(st *stage, m []string) error { return st.signIn(m[1], m[2]) }},
	{re(who + ` gives password and one-time code once more`), func(st *stage, m []string) error { return st.stepUp(m[1], "") }},
	{re(who + ` gives password and one-time code once more, with (.+)`), func(st *stage, m []string) error { return st.stepUp(m[1], m[2]) }},
	{re(who + ` signs out`), func(st *stage, m []string) error { return st.sys.desk.SignOut(context.Background(), st.session(m[1])) }},

	// clients
	{re(who + ` comes in by the code`), (*stage).comeIn},
	{re(who + ` asks for a new code`), (*stage).askNewCode},
	{re(who + ` types (the new code|the old code|nothing) back`), (*stage).typeBack},

	// what holds
	{re(`the session of ` + who + ` is (open|over)`), func(st *stage, m []string) error {
		return st.sessionIs(st.session(m[1]), m[2])
	}},
	{re(`the session of ` + who + ` from before is (open|over)`), func(st *stage, m []string) error {
		all := st.person(m[1]).sessions
		return st.sessionIs(all[len(all)-2], m[2])
	}},
	{re(who + ` is signed in as (\w+)`), func(st *stage, m []string) error { return equal(string(st.session(m[1]).Role), m[2]) }},
	{re(`what ` + who + ` proved is (fresh|no longer fresh)`), (*stage).freshIs},
	{re(`on record is an attempt on the account of ` + who + `: (\S+)`), func(st *stage, m []string) error {
		return st.attemptOn(st.person(m[1]).caller.Actor, m[2])
	}},
	{re(`on record is an attempt on nobody's account: (\S+)`), func(st *stage, m []string) error { return st.attemptOn(domain.ID{}, m[1]) }},
	{re(`the last event names no one who acted`), func(st *stage, _ []string) error {
		f, err := st.last()
		if err == nil && (!f.Act.Actor.IsZero() || !f.Act.Session.IsZero() || f.Act.Role != "") {
			err = errors.New("it names somebody")
		}
		return err
	}},
	{re(`the invitation of ` + who + ` was made by ` + who + `, and holds until ` + when), (*stage).invitationIs},
	{re(`the files do not hold the password, the secret or the one-time code of ` + who), (*stage).filesDoNotHoldPassword},
}

func (st *stage) employ(m []string) error {
	id, err := st.sys.desk.Employ(context.Background(), keeping(domain.Role(m[2])), desk.EmployInput{
		Role: domain.Role(m[2]), Name: m[1] + " Nordmann", Email: strings.ToLower(m[1]) + "@example.org",
	})
	if err == nil {
		st.people[m[1]] = &person{name: m[1], caller: ledger.Caller{Actor: id, Role: domain.Role(m[2]), Session: st.id()}}
	}
	return err
}

func (st *stage) invite(by ledger.Caller, whom string) error {
	p := st.person(whom)
	i, err := st.sys.desk.Invite(context.Background(), by, p.caller.Actor)
	if err == nil {
		p.replaced, p.invitation = p.invitation, i
	}
	return err
}

// openInvitation opens an invitation by what the scenario says: both codes, or less, or another's.
func (st *stage) openInvitation(name, by string) (desk.Enrolment, error) {
	p := st.person(name)
	code, confirmation, err := p.shows(by)
	if err != nil {
		return desk.Enrolment{}, err
	}
	err = st.counted(func() (err error) {
		p.enrolment, err = st.sys.desk.OpenInvitation(context.Background(), code, confirmation)
		return err
	})
	return p.enrolment, err
}

func (p *person) shows(by string) (signin.Code, string, error) {
	switch by {
	case "both codes":
		return p.invitation.Code, p.invitation.Confirmation, nil
	case "the code alone":
		return p.invitation.Code, "", nil
	case "the confirmation code of another":
		return p.invitation.Code, "ACDEFGH5", nil
	case "the invitation before":
		return p.replaced.Code, p.replaced.Confirmation, nil
	case "the confirmation code of before":
		return p.invitation.Code, p.replaced.Confirmation, nil
	}
	return signin.Code{}, "", fmt.Errorf("nothing opens by %q", by)
}

func (st *stage) acceptInvitation(m []string) error {
	return st.accept(m[1], m[2], m[3], demoDeclaration)
}

func (st *stage) accept(name, by, password string, signed domain.Text) error {
	p := st.person(name)
	code, confirmation, err := p.shows(by)
	if err != nil {
		return err
	}
	oneTime := "000000"
	if p.enrolment.Login != "" {
		oneTime = p.enrolment.OTP.Code(st.now)
	}
	err = st.sys.desk.AcceptInvitation(context.Background(), code, confirmation, password, oneTime, signed)
	if err == nil {
		p.login, p.password, p.app, p.used = p.enrolment.Login, password, p.enrolment.OTP, oneTime
	}
	return err
}

// openAccount is an invitation by the service, opened and accepted.
func (st *stage) openAccount(m []string) error {
	err := st.invite(employee, m[1])
	if err == nil {
		err = st.sys.settle(context.Background())
	}
	if err == nil {
		_, err = st.openInvitation(m[1], "both codes")
	}
	if err == nil {
		err = st.acceptInvitation([]string{"", m[1], "both codes", "en lang tur langs havet"})
	}
	return err
}

// given is what somebody types, with what the scenario says is wrong about it.
func (st *stage) given(p *person, wrong string) (login, password, oneTime string, err error) {
	login, password = p.login, p.password
	if login != "" {
		oneTime = p.app.Code(st.now)
	}
	switch wrong {
	case "":
	case "a wrong password":
		password += "!"
	case "no password":
		password = ""
	case "a wrong one-time code":
		oneTime = oneTime[1:] + string('0'+(oneTime[0]-'0'+1)%10)
	case "the one-time code used before":
		oneTime = p.used
	case "no one-time code":
		oneTime = ""
	case "a login that nobody has":
		login = "nobody@example.org"
	default:
		err = fmt.Errorf("nothing can be wrong as %q", wrong)
	}
	return login, password, oneTime, err
}

func (st *stage) signIn(name, wrong string) error {
	p := st.person(name)
	login, password, oneTime, err := st.given(p, wrong)
	if err != nil {
		return err
	}
	return st.counted(func() error {
		s, err := st.sys.desk.SignIn(context.Background(), login, password, oneTime)
		if err == nil {
			p.sessions, p.caller, p.used = append(p.sessions, &s), desk.CallerOf(&s), oneTime
		}
		return err
	})
}

func (st *stage) stepUp(name, wrong string) error {
	p := st.person(name)
	_, password, oneTime, err := st.given(p, wrong)
	if err != nil {
		return err
	}
	err = st.sys.desk.StepUp(context.Background(), st.session(name), password, oneTime)
	if err == nil {
		p.used = oneTime
	}
	return err
}

// counted keeps, of a refusal, the words and the work that it took.
func (st *stage) counted(do func() error) error {
	st.gate.ForgetUses()
	err := do()
	if domain.Refused(err) != "" {
		work := map[eventschema.Category]ledgertest.Uses{}
		for stream, u := range st.gate.Uses() {
			c, _, err := eventschema.Split(stream)
			if err != nil {
				return err
			}
			work[c] = ledgertest.Uses{Reads: work[c].Reads + u.Reads, Appends: work[c].Appends + u.Appends}
		}
		st.refusals = append(st.refusals, fmt.Sprint(err, work))
	}
	return err
}

func (st *stage) session(name string) *signin.Session {
	all := st.person(name).sessions
	if len(all) == 0 {
		st.t.Fatalf("%s never signed in", name)
	}
	return all[len(all)-1]
}

func (st *stage) comeIn(m []string) error {
	p := st.person(m[1])
	return st.counted(func() error {
		s, err := st.sys.desk.LogIn(context.Background(), p.code, journal.LogIn{Channel: journal.Web, Browser: "Firefox", System: "Windows"})
		if err == nil {
			p.sessions, p.caller = append(p.sessions, &s), desk.CallerOf(&s)
		}
		return err
	})
}

func (st *stage) askNewCode(m []string) (err error) {
	st.person(m[1]).next, err = st.sys.desk.BeginRotation(context.Background(), st.session(m[1]))
	return err
}

func (st *stage) typeBack(m []string) error {
	p := st.person(m[1])
	typed := map[string]string{"the old code": p.code.Slip(), "nothing": ""}
	if !p.next.IsZero() {
		typed["the new code"] = strings.ToLower(p.next.Slip())
	}
	err := st.sys.desk.ConfirmRotation(context.Background(), st.session(m[1]), typed[m[2]])
	if err == nil {
		p.old, p.code = p.code, p.next
	}
	return err
}

// sessionIs asks as every request does, and in another instance of the service as well.
func (st *stage) sessionIs(s *signin.Session, want string) error {
	l := &ledger.Ledger{Store: st.sys.store, Keys: st.sys.keys, Clock: st.sys.clock, Random: st.random}
	for _, d := range []*desk.Desk{st.sys.desk, desk.New(l, st.sys.keeper, st.books, st.sys.desk.CodeKey)} {
		err := d.Live(context.Background(), s)
		if err != nil && domain.Refused(err) != desk.SignedOut {
			return err
		}
		if got := map[bool]string{true: "open", false: "over"}[err == nil]; got != want {
			return fmt.Errorf("it is %s", got)
		}
	}
	return nil
}

func (st *stage) freshIs(m []string) error {
	got := "no longer fresh"
	if st.session(m[1]).Fresh(st.now) {
		got = "fresh"
	}
	return equal(got, m[2])
}

func (st *stage) attemptOn(account domain.ID, reason string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	b, ok := f.Body.(oversight.SignInRefused)
	switch {
	case !ok:
		return fmt.Errorf("the last event is %s", f.Name)
	case b.Account != account:
		return errors.New("it is on another account")
	}
	return equal(b.Reason, reason)
}

func (st *stage) invitationIs(m []string) error {
	facts, err := st.sys.stream(context.Background(), eventschema.StaffStream, st.person(m[1]).caller.Actor)
	if err != nil {
		return err
	}
	f := facts[len(facts)-1]
	b, ok := f.Body.(staff.Invited)
	switch {
	case !ok:
		return fmt.Errorf("the last of the account is %s", f.Name)
	case f.Act.Actor != st.person(m[2]).caller.Actor:
		return errors.New("it was made by somebody else")
	case !st.person(m[1]).invitation.Until.Equal(b.Until.Start()):
		return errors.New("it was said to hold until another instant than is on record")
	}
	return equal(second(b.Until.Start()), second(local(m[3])))
}

func (st *stage) filesDoNotHoldPassword(m []string) error {
	p := st.person(m[1])
	i := p.invitation
	return errors.Join(st.filesDoNotHold(p.password), st.filesDoNotHold("argon2id"), st.filesDoNotHold(p.app.Base32()), st.filesDoNotHold(p.used),
		st.filesDoNotHold(p.login), st.filesDoNotHold(i.Confirmation), st.filesDoNotHold(i.Code.Slip()))
}
