package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
)

// A canary is a text that stands nowhere else, in a field that a client or a professional can write. Where one turns up, its field
// has leaked.
type canary struct {
	field string // operation and members, or path and name of a form's field
	text  string
	fate  fate
}

// A fate is what becomes of what is written in a field once the client is erased.
type fate string

const (
	gone  fate = "gone"  // it is about the client: nothing of it is left
	stays fate = "stays" // it is about somebody else, sealed under their key
	never fate = "never" // it was never kept: a secret, a search, or what is refused
)

// fates are those of fields that are not about a client. A field that is not named here has to go with the client.
var fates = map[string]fate{
	"signInByPassword.login": never, "signInByPassword.oneTimeCode": never, "signInByPassword.password": never,
	"stepUp.oneTimeCode": never, "stepUp.password": never,
	"openInvitation.confirmation": never, "openInvitation.invitation": never,
	"acceptInvitation.confirmation": never, "acceptInvitation.invitation": never,
	"acceptInvitation.oneTimeCode": never, "acceptInvitation.password": never,
	"acceptInvitation.declaration.name": never, "acceptInvitation.declaration.version": never,
	"answerFollowUp.text.name": never, "answerFollowUp.text.version": never,
	"confirmCode.code": never, "eraseOwn.code": never, "lookUpClients.after": never, "listClients.after": never,
	"lookUp.purpose": never, // there is none of that name

	"giveFeedback.text":           stays, // linked to nobody
	"correctContact.contact.name": stays, "correctContact.contact.person": stays, "correctContact.contact.email": stays,
	"agreeRetention.reason": stays, // the organisation's, on whose instruction

	"/ code": never, "/staff login": never, "/staff password": never, "/staff otp": never,
	"/step-up password": never, "/step-up otp": never, "/invitation invitation": never, "/invitation confirmation": never,
	"/settings/code/confirmation code": never, "/settings/erasure code": never, "/overview search": never,

	"/feedback text": stays, "/organisation org-name": stays, "/organisation org-person": stays, "/organisation org-email": stays,
	"/oversight/retention reason": stays,
}

// ofStaff are the fields of what is recorded of a professional, wherever it is filled in.
var ofStaff = regexp.MustCompile(`^(addProfessional\.details|correctProfessional)\.|` +
	`^/professionals/(new|\{professional\}) (first|last|workplace|position|email)$`)

// prescribed are members and fields that only take what has a certain form, or what makes the command one that is taken.
var prescribed = map[string]any{
	"answerSharing.share": true, "answerSharing.text": api.Shown{Name: text.Sharing, Version: "2025-09-07", Language: "nb"},
	"number": "974760673", "phone": "22 00 00 00", "org-number": "974760673", "org-phone": "22 00 00 00",
	"entered": "together", "/oversight/retention months": "24", "passOnCorrection.entry": nil,
	"addProfessional.identityNumber": theirNumber, "correctProfessional.identityNumber": otherNumber,
}

// Identity numbers that nobody has: months made up for tests.
const theirNumber, otherNumber = "01817099994", "01817099838"

// An aviary is the service with canaries in it: whoever is on stage writes one in every field.
type aviary struct {
	*overHTTP
	people  map[domain.Role]ledger.Caller // "": nobody
	marks   map[fate]string               // what the canaries of a fate begin with
	given   map[string]any                // prescribed, and Ada's code
	said    []canary
	answers bytes.Buffer // all that was answered, headers and all
	exposed *exposed
	links   map[string]bool // all that led on: where browsers are sent, and what pages link, load and send forms to
}

func newAviary(t *testing.T, sealed bool) *aviary {
	st := newStage(t)
	a := &aviary{overHTTP: &overHTTP{stage: st}, marks: map[fate]string{}, links: map[string]bool{}}
	ctx := context.Background()
	if err := st.sys.close(); err != nil {
		t.Fatal(err)
	}
	w := st.sys.world
	w.outside = disk.Sub(w.disk, endingsDir)
	var err error
	if st.sys, err = w.open(ctx); err != nil {
		t.Fatal(err)
	}
	if !sealed {
		st.sys.ledger.Keys = openRing{st.sys.ledger.Keys}
	}
	st.sys.start()
	a.overHTTP = newOverHTTP(st)
	service := st.sys.service(false)
	service.Sessions, service.Limits = a.sessions, a.limits
	a.exposed = expose(st)
	a.site = web.Handler(web.Config{
		Log: web.Logger(a.log), Clock: st.sys.clock, Random: st.random, Observe: a.exposed.observe,
	}, site(service, nil, nil))
	a.serves = st.sys.desk
	for _, line := range []string{
		"organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question",
		"Ada fills in phq-9 1 1 1 1 1 1 1 1 1",
	} {
		if err := st.play(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	a.people = map[domain.Role]ledger.Caller{
		"": {}, domain.RoleClient: st.person("Ada").caller, domain.RoleProfessional: st.person("Per").caller,
		domain.RoleSuperuser: st.person("Siri").caller, domain.RoleEmployee: a.employee,
	}
	for role, email := range map[domain.Role]string{domain.RoleAuditor: "revisor@example.org", domain.RoleSafetyManager: "vern@example.org", domain.RoleToolManager: "verktoy@example.org"} {
		id, err := st.sys.desk.Employ(ctx, keeping(role), desk.EmployInput{Role: role, Name: "Randi Revisor", Email: email})
		if err != nil {
			t.Fatal(err)
		}
		a.open(keeping(role), id)
		a.people[role] = ledger.Caller{Actor: id, Role: role, Session: st.id()}
	}
	if err := st.sys.settle(ctx); err != nil {
		t.Fatal(err)
	}
	a.given = maps.Clone(prescribed)
	a.given["signInByCode.code"] = st.person("Ada").code.Slip()
	for _, f := range []fate{gone, stays, never} {
		a.marks[f] = letters(10)
	}
	return a
}

// letters are so many, at random. They make no words: an address or a code has other characters as well.
func letters(n int) string {
	const consonants = "bcdfghjklmnpqrstvwxz"
	b := make([]byte, n)
	for i := range b {
		b[i] = consonants[rand.IntN(len(consonants))]
	}
	return string(b)
}

// An openRing is a keyring whose sealing seals nothing. Keys are made and destroyed as ever.
type openRing struct{ keyring.Keyring }

func (r openRing) Sealer(ctx context.Context, o keyring.Owner) (keyring.Sealer, error) {
	_, err := r.Keyring.Sealer(ctx, o)
	return openSealer{}, err
}

type openSealer struct{}

func (openSealer) Seal(plaintext, _ []byte) ([]byte, error) {
	return append(slices.Clone(plaintext), make([]byte, keyring.Overhead)...), nil
}

func (openSealer) Open(ciphertext, _ []byte) ([]byte, error) {
	return slices.Clone(ciphertext[:len(ciphertext)-keyring.Overhead]), nil
}

// canary is a new one for the field.
func (a *aviary) canary(field string) string {
	f := gone
	if named, ok := fates[field]; ok {
		f = named
	} else if ofStaff.MatchString(field) {
		f = stays
	}
	c := canary{field, a.marks[f] + letters(4), f}
	if strings.HasSuffix(field, "mail") || strings.HasSuffix(field, "login") {
		c.text += "@example.org"
	}
	a.said = append(a.said, c)
	return c.text
}

// bent is a canary where a browser would send one of some words, or a number. Only content can have any name.
func (a *aviary) bent(field string) string {
	c := canary{field, a.marks[never] + letters(4), never}
	if field == "/content/opened content" || field == "/content/finished content" {
		c = canary{field, a.marks[gone] + letters(4), gone}
	}
	a.said = append(a.said, c)
	return c.text
}

// filled fills in a path.
func (a *aviary) filled(path string) string {
	return strings.NewReplacer("{handle}", a.person("Ada").handle.String(), "{professional}", a.person("Per").caller.Actor.String(),
		"{form}", "answer", "{feed}", "1", "{after}", "0", "{position}", "1", "{access}", domain.ID{1}.String(),
		"{account}", domain.ID{1}.String(), "{quarter}", "2025Q4", "{file}", "sharing.csv", "{chapter}", "use").Replace(path)
}

// theirAddress is everybody's.
var theirAddress = netip.MustParseAddr("203.0.113.77")

var aLink = regexp.MustCompile(`(?:href|src|action|formaction)="([^"]*)"`)

// asked sends a request as somebody, and keeps the answer.
func (a *aviary) asked(by ledger.Caller, method, path, kind, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", kind)
	}
	if by.Role != "" {
		token, err := a.token(by)
		if err != nil {
			a.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.RemoteAddr, r.Header["X-Forwarded-For"] = netip.AddrPortFrom(theirAddress, 4711).String(), []string{theirAddress.String()}
	r.Header.Set("Idempotency-Key", a.marks[never]+a.id().String())
	for _, name := range []string{"User-Agent", "Referer", "Accept-Language", "From"} {
		r.Header.Set(name, a.marks[never])
	}
	w := a.serve(r)
	fmt.Fprintf(&a.answers, "%s %s\n", method, r.URL.Path)
	a.links[w.Header().Get("Location")] = true
	for _, link := range aLink.FindAllSubmatch(w.Body.Bytes(), -1) {
		a.links[html.UnescapeString(string(link[1]))] = true
	}
	if err := w.Result().Write(&a.answers); err != nil {
		a.t.Fatal(err)
	}
	if w.Code >= http.StatusInternalServerError && !strings.HasSuffix(path, "/step-up") { // the stage's passwords are none
		a.t.Errorf("%s %s as %s: %d %.300s", method, path, by.Role, w.Code, w.Body)
	}
	if err := a.sys.settle(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	return w
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

func (a *aviary) json(by ledger.Caller, method, path string, in any) *httptest.ResponseRecorder {
	a.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		a.t.Fatal(err)
	}
	if in == nil {
		body = nil
	}
	return a.asked(by, method, api.Prefix+a.filled(path), asJSON, string(body))
}

// singers are those whose words can be about a client.
var singers = []domain.Role{"", domain.RoleClient, domain.RoleProfessional, domain.RoleSuperuser}

// sing writes a canary in every field there is.
func (a *aviary) sing() {
	a.t.Helper()
	for _, content := range []string{"sleep", "sleep-diary"} {
		a.json(a.people[domain.RoleClient], "POST", "/content/opened", api.Content{Content: content})
	}
	a.asked(ledger.Caller{}, "POST", "/", asForm, "code="+a.person("Ada").code.Slip()) // from a browser that has a canary for a name
	a.asked(ledger.Caller{}, "GET", "/"+a.marks[never]+"?"+a.marks[never]+"="+a.marks[never], "", "")
	for _, rt := range api.Routes {
		if role := someRole(rt); slices.Contains(singers, role) {
			a.singTo(rt, a.people[role])
		}
	}
	for _, s := range screens {
		for _, role := range singers {
			if s.Method == http.MethodGet && (slices.Contains(s.Roles, role) || role == "" && len(s.Roles) == 0) {
				a.singOn(s.Path, a.people[role])
			}
		}
	}
}

// singTo writes in every member of a route that takes any text.
func (a *aviary) singTo(rt api.Route, by ledger.Caller) {
	a.t.Helper()
	c, had := theContract(), len(a.said)
	at := "/paths/" + escape(api.Prefix+rt.Path) + "/" + strings.ToLower(rt.Method)
	if s, ok := c.find(at + "/requestBody/content/application~1json/schema"); ok {
		in := a.value(s.(map[string]any), rt.Name)
		if len(a.said) > had {
			a.took(rt.Name, had, a.json(by, rt.Method, rt.Path, in))
		}
		return
	}
	query := url.Values{}
	parameters, _ := c.find(at + "/parameters")
	for _, p := range asList(parameters) {
		if p := p.(map[string]any); p["in"] == "query" && p["schema"].(map[string]any)["type"] == "string" {
			if s := a.value(p["schema"].(map[string]any), rt.Name+"."+p["name"].(string)); s != nil {
				query.Set(p["name"].(string), fmt.Sprint(s))
			}
		}
	}
	if len(a.said) > had {
		a.took(rt.Name, had, a.asked(by, rt.Method, api.Prefix+a.filled(rt.Path)+"?"+query.Encode(), "", ""))
	}
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

// took sees to it that what is to be kept was taken.
func (a *aviary) took(where string, had int, w *httptest.ResponseRecorder) {
	a.t.Helper()
	for _, c := range a.said[had:] {
		if c.fate != never && w.Code >= http.StatusBadRequest {
			a.t.Errorf("%s: %d, though %s is %s: %.300s", where, w.Code, c.field, c.fate, w.Body)
			return
		}
	}
}

// value makes one of a schema, with a canary in every text that may be any.
func (a *aviary) value(s map[string]any, field string) any {
	if v, ok := a.given[field]; ok {
		return v
	}
	if v, ok := a.given[field[strings.LastIndexByte(field, '.')+1:]]; ok {
		return v
	}
	if ref, ok := s["$ref"].(string); ok {
		to, _ := theContract().find(ref[1:])
		return a.value(to.(map[string]any), field)
	}
	if words := asList(s["enum"]); words != nil {
		return words[0]
	}
	switch s["type"] {
	case "object":
		out := map[string]any{}
		members, _ := s["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if v := a.value(members[name].(map[string]any), field+"."+name); v != nil {
				out[name] = v
			}
		}
		return out
	case "array":
		return []any{a.value(s["items"].(map[string]any), field)}
	case "integer":
		return 1
	case "boolean":
		return false
	case "string":
		if s["format"] == nil && s["pattern"] == nil {
			return a.canary(field)
		}
	}
	return nil // an id or a day that may be left out
}

// singOn writes in every field of every form of a page that takes any text.
func (a *aviary) singOn(path string, by ledger.Caller) {
	a.t.Helper()
	w := a.asked(by, "GET", a.filled(path), "", "")
	if w.Code != http.StatusOK {
		return
	}
	doc, err := html.Parse(w.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	for form := range doc.Descendants() {
		if form.DataAtom != atom.Form {
			continue
		}
		action := attr(form, "action")
		if action == "" {
			action = a.filled(path)
		}
		had := len(a.said)
		sent := a.form(form, a.template(action))
		if len(a.said) > had {
			w := a.asked(by, "POST", action, asForm, sent.Encode())
			a.took("the form of "+action, had, w)
		}
		for name := range sent { // what a browser would not send, and anybody can
			if name != api.KeyField && !slices.ContainsFunc(a.said[had:], func(c canary) bool { return strings.HasSuffix(c.field, " "+name) }) {
				bent := maps.Clone(sent)
				bent.Set(name, a.bent(a.template(action)+" "+name))
				a.asked(by, "POST", action, asForm, bent.Encode())
			}
		}
	}
}

// template is the path of the screen that a form is sent to.
func (a *aviary) template(action string) string {
	for _, s := range screens {
		if s.Method == http.MethodPost && a.filled(s.Path) == action {
			return s.Path
		}
	}
	return action
}

// form fills a form in.
func (a *aviary) form(form *html.Node, path string) url.Values {
	sent := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		fixed, isFixed := a.given[name].(string)
		if !isFixed {
			fixed, isFixed = a.given[path+" "+name].(string)
		}
		kind := ""
		switch n.DataAtom {
		case atom.Input:
			kind = attr(n, "type")
		case atom.Textarea:
			kind = "text"
		case atom.Select:
			for o := range n.Descendants() {
				if v := attr(o, "value"); o.DataAtom == atom.Option && v != "" && sent.Get(name) == "" {
					sent.Set(name, v)
				}
			}
			continue
		default:
			continue
		}
		switch {
		case name == "" || kind == "checkbox":
		case isFixed:
			sent.Set(name, fixed)
		case kind == "radio" && sent.Has(name):
		case kind == "radio", kind == "hidden", kind == "date", kind == "number":
			sent.Set(name, attr(n, "value"))
		default:
			sent.Set(name, a.canary(path+" "+name))
		}
	}
	return sent
}

// ask has everybody open every page, read everything and ask every question.
func (a *aviary) ask() {
	a.t.Helper()
	ctx := a.t.Context()
	head, err := a.sys.store.Head(ctx)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, role := range slices.Sorted(maps.Keys(a.people)) {
		by := a.people[role]
		for _, lang := range []string{"nb", "nn", "en"} {
			for _, s := range screens {
				if s.Method == http.MethodGet {
					a.asked(by, "GET", a.filled(s.Path)+"?lang="+lang, "", "")
				}
			}
		}
		for _, rt := range api.Routes {
			if rt.Method == http.MethodGet {
				a.json(by, rt.Method, rt.Path, nil)
			}
		}
		look := api.LookUp{Purpose: client.Appointment, Kinds: views.AllKinds}
		a.json(by, "POST", "/clients/{handle}/look-ups", look)
		a.json(by, "POST", "/clients/look-ups", api.OverviewLookUp{Kinds: look.Kinds})
		a.json(by, "POST", "/own-data/export", nil)
		for _, p := range []struct{ path, form string }{
			{"/clients/{handle}", "purpose=appointment&all=yes"}, {"/overview", "show=yes"}, {"/settings/export", ""},
			{"/audit", "reason=Klage"}, {"/audit/refused", "reason=Klage"},
			{"/audit/client", "reason=Klage&client=" + a.person("Ada").caller.Actor.String()},
		} {
			a.asked(by, "POST", a.filled(p.path), asForm, p.form)
		}
	}
	auditor := a.people[domain.RoleAuditor]
	who := a.person("Ada").caller.Actor.String()
	a.json(auditor, "POST", "/audit/who-saw", api.WhoSaw{Reason: "Klage"})
	a.json(auditor, "POST", "/audit/refused", api.Refused{Reason: "Klage"})
	a.json(auditor, "POST", "/audit/state", api.StateAt{Reason: "Klage", Client: who})
	a.json(auditor, "POST", "/audit/history", api.AskHistory{Reason: "Klage", Client: who})
	for p := uint64(1); p <= uint64(head); p++ {
		a.json(auditor, "POST", "/audit/why", api.Why{Reason: "Klage", Position: p})
	}
	var feed api.Feed
	if err := json.Unmarshal(a.json(auditor, "POST", "/audit/feeds", api.OpenFeed{Reason: "Klage"}).Body.Bytes(), &feed); err != nil {
		a.t.Fatal(err)
	}
	a.json(auditor, "GET", fmt.Sprintf("/audit/feeds/%d?after=0&limit=1000", feed.Feed), nil)
	a.asked(auditor, "GET", fmt.Sprintf("/audit/feed/%d/0", feed.Feed), "", "")
	a.asked(auditor, "POST", "/audit/events/"+strconv.Itoa(int(head)), asForm, "reason=Klage")
	if err := a.sys.export(ctx, &a.answers, uint64(head), true, func(uint64, uint64) {}); err != nil {
		a.t.Fatal(err)
	}
}

// filesBelow are all bytes below a folder, with the names of the files.
func filesBelow(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = append(b, path...)
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatal("reading", dir, err)
	}
	return all
}

// silent looks for the marks in all of it.
func silent(t *testing.T, when string, all map[string][]byte, marks ...string) {
	t.Helper()
	forms := map[string]string{}
	for _, mark := range marks {
		for name, form := range disguises(mark) {
			forms[mark+", "+name] = form
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, trace := range tracesOf(forms, all[name], 3) {
			t.Errorf("%s: %s has %s", when, name, trace)
		}
	}
}

// Whatever anybody wrote about a client is sealed wherever it lies, in no log, and nowhere once the client is erased: not in the
// data folder, not in what anybody is answered, and not in a copy from before whose epoch has ended.
//
// shows A08 A17 D18 D20 law-4
func TestCanaries(t *testing.T) {
	a := newAviary(t, true)
	ctx := t.Context()
	a.sing()
	a.answers.Reset()
	a.ask()
	shown := a.answers.Bytes()
	for _, c := range a.said {
		if bytes.Contains(shown, []byte(c.text)) == (c.fate == never) {
			t.Errorf("%s, which is %s: shown before the erasure: %v", c.field, c.fate, c.fate == never)
		}
	}
	ada := a.person("Ada")
	code, label := ada.code.Slip(), ada.label
	about := []string{a.marks[gone], theirNumber, otherNumber, code, strings.ReplaceAll(code, "-", ""), label, theirAddress.String()}
	sealed := append(slices.Clone(about), a.marks[stays], a.marks[never])
	links := strings.Join(slices.Sorted(maps.Keys(a.links)), "\n")
	if len(a.links) < 50 {
		t.Errorf("only %d links", len(a.links))
	}
	silent(t, "before the erasure", map[string][]byte{"a link": []byte(links)},
		append(sealed, ada.caller.Actor.String(), ada.caller.Session.String())...)
	a.must(a.sys.keeper.Save(ctx, a.sys.disk))
	silent(t, "before the erasure", filesBelow(t, a.dir), sealed...)
	silent(t, "before the erasure", map[string][]byte{"the log": a.log.log.Bytes()}, sealed...)
	silent(t, "before the erasure", a.exposed.told(t, a.sys.ledger), append(sealed, ada.caller.Actor.String(), ada.caller.Session.String())...)

	_, err := a.sys.proof.Checkpoint(ctx)
	a.must(err)
	copies, escrow := t.TempDir(), t.TempDir()
	b, err := a.sys.backup(ctx, copies, escrow)
	a.must(err)
	silent(t, "in the backup", filesBelow(t, b.Folder), sealed...)

	a.answers.Reset()
	if w := a.json(ada.caller, "POST", "/own-data/erasure", api.TypedCode{Code: code}); w.Code != http.StatusOK {
		t.Fatalf("erasing: %d %s", w.Code, w.Body)
	}
	a.ask()
	a.json(ledger.Caller{}, "POST", "/session/code", api.SignInByCode{Code: code, Channel: "app"})
	a.must(a.sys.keeper.Save(ctx, a.sys.disk))
	silent(t, "after the erasure", filesBelow(t, a.dir), sealed...)
	if _, err := a.sys.keys.Sealer(ctx, keyring.Owner{Kind: keyring.Client, ID: ada.caller.Actor}); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("the key that opens what lies in the backup: %v", err)
	}

	// What was ended since a backup is ended once more when it is restored.
	a.must(a.sys.close())
	restored := t.TempDir()
	a.must(a.restore(b.Folder, escrow, restored))
	a.command(restored, "export", "--open")
	silent(t, "in what was restored", filesBelow(t, restored), sealed...)

	// Once the epoch has ended, the backup opens with nothing that is left.
	a.must(a.reopen())
	a.now = a.now.AddDate(0, 0, desk.CopyDays+1)
	a.must(a.sys.tend(ctx))
	to, err := disk.OS(escrow)
	a.must(err)
	a.must(escrowTo(disk.Sub(a.sys.disk, keyDir), to, a.now))
	a.must(a.sys.close())
	tried := t.TempDir()
	if err := a.restore(b.Folder, escrow, tried); !errors.Is(err, errRefused) {
		t.Errorf("a backup whose epoch has ended is restored: %v", err)
	}
	for what, dir := range map[string]string{"in the backup": b.Folder, "in the escrow": escrow, "in the place to restore to": tried} {
		silent(t, what+", whose epoch has ended", filesBelow(t, dir), sealed...)
	}

	for _, args := range [][]string{
		{"who-saw"}, {"who-saw", "--json"}, {"state", "--client", ada.caller.Actor.String()}, {"why", "20"}, {"export"}, {"export", "--open"},
		{"verify"}, {"rebuild"}, {"keys", "status"},
	} {
		a.command(a.dir, args...)
	}
	silent(t, "after the commands", filesBelow(t, a.dir), sealed...)
	silent(t, "after the erasure", map[string][]byte{"the log": a.log.log.Bytes(), "what is answered": a.answers.Bytes()}, about...)
	a.must(a.reopen())
}

// command gives one on the command line, under an exceptional access where it takes one, and keeps the answer.
func (a *aviary) command(dir string, args ...string) {
	a.t.Helper()
	if slices.Contains([]string{"who-saw", "why", "state"}, args[0]) || slices.Contains(args, "--open") {
		opens(a.t, dir, a.employee.Actor)
	}
	if status := run(a.t.Context(), append(args, "--data", dir), nil, &a.answers, &a.answers); status != 0 {
		a.t.Errorf("%v: exit code %d", args, status)
	}
}

// restore puts a backup together.
func (a *aviary) restore(from, escrow, to string) error {
	w := a.sys.world
	w.outside = nil
	var d [4]disk.Disk
	for i, dir := range []string{to, from, escrow, filepath.Join(a.dir, endingsDir)} {
		var err error
		if d[i], err = disk.OS(dir); err != nil {
			return err
		}
	}
	w.disk = d[0]
	_, err := w.restore(a.t.Context(), d[1], d[2], d[3], func(uint64, uint64) {})
	return err
}

// reopen is for the stage, which closes what it has open.
func (a *aviary) reopen() (err error) {
	a.sys, err = a.sys.world.open(a.t.Context())
	return err
}

func (a *aviary) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// The same without sealing: every canary that is kept is found, and what is about the client is so until it is swept. So the search
// finds what is there, TestCanaries looks where it is, and the sweep leaves no byte, sealed or not.
func TestCanariesAreFoundUnsealed(t *testing.T) {
	a := newAviary(t, false)
	a.sing()
	a.must(a.sys.keeper.Save(t.Context(), a.sys.disk))
	_, err := a.sys.proof.Checkpoint(t.Context())
	a.must(err)
	b, err := a.sys.backup(t.Context(), t.TempDir(), t.TempDir())
	a.must(err)
	kept := func(f fate) bool { return f != never }
	a.find("the data folder", a.dir, kept)
	a.find("the backup", b.Folder, kept)
	typed := api.TypedCode{Code: a.person("Ada").code.Slip()}
	if w := a.json(a.people[domain.RoleClient], "POST", "/own-data/erasure", typed); w.Code != http.StatusOK {
		t.Fatalf("erasing: %d %s", w.Code, w.Body)
	}
	a.must(a.sys.keeper.Save(t.Context(), a.sys.disk))
	a.find("the data folder, after the erasure", a.dir, func(f fate) bool { return f == stays })
}

// find looks for each canary, which is to be found by its fate.
func (a *aviary) find(where, dir string, want func(fate) bool) {
	a.t.Helper()
	var all []byte
	for _, content := range filesBelow(a.t, dir) {
		all = append(all, content...)
	}
	count := map[fate]int{}
	for _, c := range a.said {
		count[c.fate]++
		if found := len(tracesOf(disguises(c.text), all, 0)) > 0; found != want(c.fate) {
			a.t.Errorf("%s, which is %s: found in %s: %v", c.field, c.fate, where, found)
		}
	}
	if count[gone] < 30 || count[stays] < 20 || count[never] < 50 {
		a.t.Errorf("fields were left out: %v", count)
	}
}
