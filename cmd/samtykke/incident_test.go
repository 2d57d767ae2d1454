package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/oversight"
)

// An outage is an incident under way: a server, and somebody who can open access.
type outage struct {
	*stage
	addresses *incidents
	log       bytes.Buffer
}

func newOutage(t *testing.T) *outage {
	o := &outage{stage: newStage(t)}
	for _, line := range []string{
		"the service employs Drift as employee", "Drift opens an account", "the service employs Lise as employee", "Lise opens an account",
	} {
		o.must(o.play(line))
	}
	o.addresses = newIncidents(o.sys)
	t.Cleanup(func() { o.must(o.addresses.close()) })
	return o
}

func (o *outage) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// openTo opens access, and gives its id.
func (o *outage) openTo(door oversight.Door, minutes int) domain.ID {
	o.t.Helper()
	opened := oversight.AccessOpened{Door: door, Reason: "Noen prøver koder", Minutes: minutes}
	id, _, err := o.sys.desk.OpenAccess(o.t.Context(), o.person("Drift").caller, opened)
	o.must(err)
	o.must(o.sys.settle(o.t.Context()))
	return id
}

// visit sends a request from an address.
func (o *outage) visit(from string) {
	o.t.Helper()
	h := web.Handler(web.Config{
		Log: web.Logger(&o.log), Clock: o.sys.clock, Random: o.random, Addresses: func(v web.Visit) { o.must(o.addresses.note(v)) },
	}, site(o.sys.service(false), nil, nil))
	r := httptest.NewRequest("GET", "http://localhost/clients/1b4e28ba-2fa1-41d2-883f-0016d3cca427?search=Ada", strings.NewReader("body"))
	r.RemoteAddr = from
	r.Header.Set("User-Agent", "Firefox")
	r.Header.Set("Authorization", "Bearer secret")
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func (o *outage) tend() {
	o.t.Helper()
	o.must(o.addresses.tend(o.t.Context()))
	o.must(o.sys.settle(o.t.Context()))
}

// kept is what stands in the file of an access; "" where there is none.
func (o *outage) kept(id domain.ID) string {
	o.t.Helper()
	name := filepath.Join(o.dir, incidentDir, id.String())
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	o.must(err)
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		o.t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	return string(b)
}

// ended tells how often the end of an access is on record, and by whom.
func (o *outage) ended(id domain.ID) (by []domain.Role) {
	o.t.Helper()
	h := &house{t: o.t, sys: o.sys}
	for _, f := range h.facts() {
		if f.Subject == id && f.Name == "access.closed" {
			by = append(by, f.Act.Role)
		}
	}
	return by
}

// Clear addresses are kept while access to them is open, apart from everything else, and removed when it ends.
//
// shows A12
func TestAddressesWhileAnIncidentLasts(t *testing.T) {
	o := newOutage(t)
	o.visit("203.0.113.7:5000")
	production := o.openTo(oversight.Production, 60)
	o.visit("203.0.113.7:5000")
	if names, err := o.sys.disk.Names(incidentDir); err != nil || len(names) > 0 {
		t.Errorf("addresses are kept while no access to them is open: %v, %v", names, err)
	}

	id := o.openTo(oversight.Addresses, 60)
	o.visit("203.0.113.7:5000")
	o.now = o.now.Add(time.Hour - time.Second)
	o.tend()
	o.visit("[2001:db8:1:2:3::4]:5000")
	const want = "2026-01-05T08:00:00Z\t203.0.113.7\t401\tGET /clients/{handle}\n" +
		"2026-01-05T08:59:59Z\t2001:db8:1:2::\t401\tGET /clients/{handle}\n"
	if got := o.kept(id); got != want {
		t.Errorf("kept is\n%s, want\n%s", got, want)
	}
	if got := o.kept(production); got != "" {
		t.Errorf("for another door is kept\n%s", got)
	}
	if strings.Contains(o.log.String(), "203.0") || strings.Contains(o.log.String(), "2001:") {
		t.Error("the log has addresses")
	}

	o.must(os.Link(filepath.Join(o.dir, incidentDir, id.String()), filepath.Join(o.dir, "linked")))
	o.now = o.now.Add(time.Second)
	o.visit("198.51.100.1:5000")
	if got := o.kept(id); got != want {
		t.Errorf("an address is kept once the access has ended by itself:\n%s", got)
	}
	o.tend()
	o.tend()
	if got, by := o.kept(id), o.ended(id); got != "" || len(by) != 1 || by[0] != domain.RoleSystem {
		t.Errorf("after its end is kept %q, and the end recorded by %v", got, by)
	}
	if b, err := os.ReadFile(filepath.Join(o.dir, "linked")); err != nil || len(b) != len(want) || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("removed without being overwritten: %q, %v", b, err)
	}
	if by := o.ended(production); len(by) > 0 {
		t.Errorf("the other door was closed by %v", by)
	}
}

func TestAddressesGoWhenTheAccessIsClosed(t *testing.T) {
	o := newOutage(t)
	id, other := o.openTo(oversight.Addresses, 60), o.openTo(oversight.Addresses, 90)
	o.visit("203.0.113.7:5000")
	_, err := o.sys.desk.CloseAccess(t.Context(), o.person("Drift").caller, id)
	o.must(err)
	o.must(o.sys.settle(t.Context()))
	o.tend()
	if got, by := o.kept(id), o.ended(id); got != "" || len(by) != 1 || by[0] != domain.RoleEmployee {
		t.Errorf("after its end is kept %q, and the end recorded by %v", got, by)
	}
	if o.kept(other) == "" {
		t.Error("the file of another access is gone")
	}
}

// A server that went down, and came up again when the access had ended, removes the addresses first.
func TestAddressesGoAtTheNextStart(t *testing.T) {
	o := newOutage(t)
	id, longer := o.openTo(oversight.Addresses, 60), o.openTo(oversight.Addresses, 90)
	o.visit("203.0.113.7:5000")
	o.must(os.WriteFile(filepath.Join(o.dir, incidentDir, "nobody's"), []byte("203.0.113.7"), 0o600))
	o.addresses = newIncidents(o.sys) // which has no file open
	o.now = o.now.Add(time.Hour)
	o.tend()
	if names, err := o.sys.disk.Names(incidentDir); err != nil || len(names) != 1 || names[0] != longer.String() {
		t.Errorf("there is %v, %v", names, err)
	}
	if by := o.ended(id); len(by) != 1 {
		t.Errorf("the end is recorded by %v", by)
	}
	before := o.kept(longer)
	o.visit("203.0.113.8:5000")
	if after := o.kept(longer); !strings.HasPrefix(after, before) || !strings.Contains(after, "203.0.113.8") {
		t.Errorf("it does not go on where it was: %q, then %q", before, after)
	}
}

// Addresses are shown to whoever opened the access, who proves it, while it is open, and on record first.
func TestIncidentShow(t *testing.T) {
	o := newOutage(t)
	id := o.openTo(oversight.Addresses, 60)
	o.visit("203.0.113.7:5000")
	show := func(who, password string, access domain.ID) (string, string) {
		t.Helper()
		o.now = o.now.Add(time.Minute) // for another one-time code
		var out bytes.Buffer
		p := o.person(who)
		by, err := o.sys.signIn(t.Context(), typed{p.login, password, p.app.Code(o.now)})
		if err == nil {
			err = o.sys.showIncident(t.Context(), &out, access, by)
		}
		if domain.Refused(err) == "" {
			o.must(err)
		}
		o.must(o.sys.settle(t.Context()))
		return out.String(), domain.Refused(err)
	}
	uses := func() int {
		return document(t, o.sys.keeper.Accesses, id).State.Uses
	}
	right := o.person("Drift").password
	if got, code := show("Drift", right, id); code != "" || got != o.kept(id) || got == "" || uses() != 1 {
		t.Errorf("shown is %q, refused %q, on record %d times", got, code, uses())
	}
	for what, c := range map[string]struct{ who, password, want string }{
		"a wrong password": {"Drift", right + "!", domain.Refused(desk.ErrSignIn)},
		"somebody else":    {"Lise", o.person("Lise").password, oversight.NotYours},
	} {
		if got, code := show(c.who, c.password, id); got != "" || code != c.want {
			t.Errorf("%s: shown is %q, refused %q", what, got, code)
		}
	}
	if got, code := show("Drift", right, domain.ID{1}); got != "" || code != oversight.NoAccess {
		t.Errorf("no such access: shown is %q, refused %q", got, code)
	}
	o.now = o.now.Add(time.Hour)
	if got, code := show("Drift", right, id); got != "" || code != oversight.NotOpen || uses() != 1 || o.kept(id) != "" {
		t.Errorf("after its end: shown is %q, refused %q, on record %d times", got, code, uses())
	}
}
