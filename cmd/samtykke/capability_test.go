package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// opens opens exceptional access to a data directory that is closed, as an employee, and puts its capability in the environment.
func opens(t *testing.T, dir string, as domain.ID) {
	t.Helper()
	w, err := realWorld(dir)
	var s *system
	if err == nil {
		s, err = w.open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := s.desk.OpenAccess(t.Context(), ledger.Caller{Actor: as, Role: domain.RoleEmployee}, openProduction)
	capability := ""
	if err == nil {
		var account staff.State
		account, _, err = s.desk.Staff.State(t.Context(), as)
		capability, _ = s.capability(id, account.Credentials)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(accessVariable, capability)
}

var openProduction = oversight.AccessOpened{Door: oversight.Production, Reason: "error 17", Minutes: 60}

// newOffice has the service's own staff on stage: Drift and Lise are employees, Siv is the safety manager, Randi an auditor.
func newOffice(t *testing.T) *outage {
	o := &outage{stage: newStage(t)}
	for name, role := range map[string]domain.Role{
		"Drift": domain.RoleEmployee, "Lise": domain.RoleEmployee, "Siv": domain.RoleSafetyManager, "Randi": domain.RoleAuditor,
	} {
		o.must(o.employ([]string{"", name, string(role)}))
		o.must(o.sys.settle(t.Context()))
		o.accepts(name, role)
	}
	o.now = o.now.Add(time.Minute)
	return o
}

// accepts accepts an invitation, which may not be the first.
func (o *outage) accepts(name string, role domain.Role) {
	o.t.Helper()
	o.must(o.invite(keeping(role), name))
	o.must(o.sys.settle(o.t.Context()))
	_, err := o.openInvitation(name, "both codes")
	o.must(err)
	o.must(o.accept(name, "both codes", "en lang tur langs havet", demoDeclaration))
}

// typing is what somebody types, with what is wrong about it.
func (o *outage) typing(name, wrong string) typed {
	o.t.Helper()
	login, password, oneTime, err := o.given(o.person(name), wrong)
	o.must(err)
	return typed{login, password, oneTime}
}

// recorded names the events that something leaves behind.
func (o *outage) recorded(does func()) string {
	o.t.Helper()
	head, err := o.sys.store.Head(o.t.Context())
	o.must(err)
	does()
	o.must(o.sys.settle(o.t.Context()))
	var names []string
	for _, f := range o.behind(head) {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// behind are the facts behind a position.
func (o *outage) behind(position uint64) (facts []eventschema.Fact) {
	o.t.Helper()
	head, err := o.sys.store.Head(o.t.Context())
	o.must(err)
	o.must(o.sys.ledger.Upto(o.t.Context(), head, true, func(f *eventschema.Fact) error {
		if f.Position > position {
			facts = append(facts, *f)
		}
		return nil
	}))
	return facts
}

// On the command line people sign in as in the browser: whatever is wrong has one answer and the same event, and the role is asked for.
//
// shows D16 E08 law-9
func TestSignInOnTheCommandLine(t *testing.T) {
	o := newOffice(t)
	open := func(by ledger.Caller) error {
		_, _, err := o.sys.desk.OpenAccess(t.Context(), by, openProduction)
		return err
	}
	review := func(by ledger.Caller) error {
		_, err := o.sys.desk.ReviewAccess(t.Context(), by, o.lastAccess(), oversight.AccessReviewed{Outcome: client.InOrder})
		return err
	}
	closes := func(by ledger.Caller) error {
		_, err := o.sys.desk.CloseAccess(t.Context(), by, o.lastAccess())
		return err
	}
	wrong := domain.Refused(desk.ErrSignIn)
	for _, c := range []struct {
		who, wrong string
		does       func(ledger.Caller) error
		code       string
		events     string
	}{
		{"Drift", "a wrong password", open, wrong, "signin.refused"},
		{"Drift", "a wrong one-time code", open, wrong, "signin.refused"},
		{"Drift", "no password", open, wrong, "signin.refused"},
		{"Drift", "a login that nobody has", open, wrong, "signin.refused"},
		{"Randi", "", open, oversight.NotYours, "staff.signed-in"},
		{"Siv", "", open, oversight.NotYours, "staff.signed-in"},
		{"Drift", "", open, "", "staff.signed-in, access.opened"},
		{"Drift", "the one-time code used before", closes, wrong, "signin.refused"},
		{"Lise", "", closes, oversight.NotYours, "staff.signed-in"},
		{"Siv", "", review, oversight.StillOpen, "staff.signed-in"},
		{"Drift", "", closes, "", "staff.signed-in, access.closed"},
		{"Drift", "", review, oversight.NotYours, "staff.signed-in"},
		{"Lise", "", review, oversight.NotYours, "staff.signed-in"},
		{"Siv", "", review, "", "staff.signed-in, access.reviewed"},
	} {
		if c.wrong != "the one-time code used before" {
			o.now = o.now.Add(4 * time.Minute) // the limits are another test's
		}
		types := o.typing(c.who, c.wrong)
		var err error
		events := o.recorded(func() {
			var by ledger.Caller
			if by, err = o.sys.signIn(t.Context(), types); err == nil {
				o.person(c.who).used = types.oneTime
				err = c.does(by)
			}
		})
		if code := domain.Refused(err); code != c.code || err != nil && code == "" || events != c.events {
			t.Errorf("%s, %s: refused %q, on record %q, expected %q, %q; %v", c.who, c.wrong, code, events, c.code, c.events, err)
		}
		if err != nil && (strings.Contains(err.Error(), types.login) || strings.Contains(err.Error(), types.oneTime)) {
			t.Errorf("%s, %s: the answer repeats what was typed", c.who, c.wrong)
		}
	}
	id := o.lastAccess()
	facts, err := o.sys.stream(t.Context(), "access", id)
	o.must(err)
	session := facts[0].Act.Session
	in, err := o.sys.stream(t.Context(), "staff", o.person("Drift").caller.Actor)
	o.must(err)
	known := false
	for _, f := range in {
		b, ok := f.Body.(staff.SignedIn)
		known = known || ok && f.Act.Session == session && b.Method == staff.PasswordOTP
	}
	if !known {
		t.Error("the session in which the access was opened is no sign-in of the opener's")
	}
}

// Refused attempts count towards the server's limits although each is another process, those that came over the network as well.
func TestAttemptsOnTheCommandLineAreLimited(t *testing.T) {
	o := newOffice(t)
	attempt := func(who, wrong string) string {
		_, err := o.sys.signIn(t.Context(), o.typing(who, wrong))
		o.must(o.sys.settle(t.Context()))
		return domain.Refused(err)
	}
	if _, err := o.sys.desk.SignIn(t.Context(), o.person("Drift").login, "no", ""); domain.Refused(err) == "" {
		t.Fatal(err)
	}
	o.must(o.sys.settle(t.Context()))
	for i, want := range []string{"wrong-sign-in", "wrong-sign-in", "wrong-sign-in", "wrong-sign-in", signin.TooMany, signin.TooMany} {
		if got := attempt("Drift", "a wrong password"); got != want {
			t.Errorf("attempt %d: refused %q, expected %q", i+2, got, want)
		}
	}
	if events := o.recorded(func() { attempt("Drift", "") }); events != "" {
		t.Errorf("past the limit there is on record %s", events)
	}
	if got := attempt("Lise", ""); got != "" {
		t.Errorf("somebody else: refused %q", got)
	}
	o.now = o.now.Add(3 * time.Minute)
	if got := attempt("Drift", ""); got != "" {
		t.Errorf("three minutes later: refused %q", got)
	}
	for range 5 {
		attempt("Lise", "a login that nobody has")
	}
	if got := attempt("Lise", "a login that nobody has"); got != signin.TooMany {
		t.Errorf("a login that nobody has: refused %q", got)
	}
}

// What is sealed is opened by the capability of an access that is open, whole, and not in the name of anybody but its opener.
//
// shows D16 E08 law-9
func TestCapability(t *testing.T) {
	o := newOffice(t)
	opened := func(who string) string {
		t.Helper()
		o.now = o.now.Add(time.Minute)
		by, err := o.sys.signIn(t.Context(), o.typing(who, ""))
		o.must(err)
		id, done, err := o.sys.desk.OpenAccess(t.Context(), by, openProduction)
		o.must(err)
		o.must(o.sys.settle(t.Context()))
		var out, errs bytes.Buffer
		o.must(o.sys.handOut(&surroundings{ctx: t.Context(), stdout: &out, stderr: &errs}, "d", id, done.State))
		line, ok := strings.CutPrefix(strings.TrimSuffix(out.String(), "\n"), "export "+accessVariable+"=")
		if !ok || strings.Contains(errs.String(), line) {
			t.Errorf("printed is %q", out.String())
		}
		return line
	}
	// uses asks something with a capability, and gives by whom the events of it are.
	uses := func(capability string) (by []domain.ID, wrong error) {
		t.Helper()
		t.Setenv(accessVariable, capability)
		head, err := o.sys.store.Head(t.Context())
		o.must(err)
		a, wrong := o.sys.auditorWithAccess(t.Context())
		if wrong == nil {
			_, wrong = a.Why(t.Context(), "a complaint", 1)
		}
		for _, f := range o.behind(head) {
			by = append(by, f.Act.Actor)
			if f.Act.Session.IsZero() || f.Act.Role != domain.RoleEmployee {
				t.Errorf("%s in the session %v, as %q", f.Name, f.Act.Session, f.Act.Role)
			}
		}
		return by, wrong
	}
	refuses := func(what, capability string) {
		t.Helper()
		by, err := uses(capability)
		if err == nil || len(by) > 0 || !strings.Contains(err.Error(), "samtykke access open") {
			t.Errorf("%s: recorded %d events, %v", what, len(by), err)
		}
		if err != nil && len(capability) > 40 && strings.Contains(err.Error(), capability[40:]) {
			t.Errorf("%s: the answer repeats the secret", what)
		}
	}
	works := func(capability string, drift domain.ID) {
		t.Helper()
		if by, err := uses(capability); err != nil || len(by) != 2 || by[0] != drift || by[1] != drift {
			t.Errorf("the capability: %v on record, %v", by, err)
		}
	}
	drift, lise := o.person("Drift").caller.Actor, o.person("Lise").caller.Actor
	one, two := opened("Drift"), opened("Lise")
	works(one, drift)
	works(two, lise)

	id, secret, _ := strings.Cut(one, ".")
	otherID, _, _ := strings.Cut(two, ".")
	refuses("none", "")
	refuses("the secret of another access", otherID+"."+secret)
	refuses("no secret", id)
	refuses("an empty secret", id+".")
	refuses("of an access that there was not", domain.ID{1}.String()+"."+secret)
	refuses("in capitals", strings.ToUpper(one))
	for _, i := range []int{0, len(id), len(id) + 1, len(one) - 1} {
		bent := []byte(one)
		bent[i] ^= 1
		refuses("bent", string(bent))
	}
	refuses("longer", one+"A")
	refuses("shorter", one[:len(one)-1])

	// It ends with the access, by itself or not; with the password; and with the account.
	o.accepts("Lise", domain.RoleEmployee)
	o.must(o.sys.settle(t.Context()))
	refuses("from before the password was set anew", two)
	access, err := domain.ParseID(id)
	o.must(err)
	_, err = o.sys.desk.CloseAccess(t.Context(), o.person("Drift").caller, access)
	o.must(err)
	refuses("of one that was closed", one)
	again := opened("Drift")
	works(again, drift)
	o.now = o.now.Add(time.Hour)
	refuses("of one that ran out", again)
	last := opened("Drift")
	works(last, drift)
	o.must(o.sys.desk.EndAccount(t.Context(), keeping(domain.RoleEmployee), drift))
	refuses("of somebody who has left", last)

	// What is open to addresses opens nothing else.
	by := ledger.Caller{Actor: lise, Role: domain.RoleEmployee}
	door, _, err := o.sys.desk.OpenAccess(t.Context(), by, oversight.AccessOpened{Door: oversight.Addresses, Reason: "r", Minutes: 60})
	o.must(err)
	account, _, err := o.sys.desk.Staff.State(t.Context(), lise)
	o.must(err)
	addresses, err := o.sys.capability(door, account.Credentials)
	o.must(err)
	refuses("of addresses", addresses)
}

// What is read from standard input is three lines, and nothing of what follows.
func TestWhoIsAsked(t *testing.T) {
	in := strings.NewReader("drift@example.org\r\nen lang tur\n123 456\nwhat follows")
	env := &surroundings{ctx: context.Background(), stdin: in}
	got, err := env.askWho()
	if want := (typed{"drift@example.org", "en lang tur", "123 456"}); err != nil || got != want || in.Len() != len("what follows") {
		t.Errorf("what is read differs, or %d bytes are left, %v", in.Len(), err)
	}
	for what, given := range map[string]string{"two lines": "a\nb\n", "nothing": "", "without end": strings.Repeat("x", 1<<20)} {
		if _, err := (&surroundings{stdin: strings.NewReader(given)}).askWho(); err == nil || strings.Contains(err.Error(), "xx") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
