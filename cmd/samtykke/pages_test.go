package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/eventschema"
)

// A house is the service over a ledger that clients have lived in, with somebody in each role who is signed in, and every page that
// they come to.
type house struct {
	t       *testing.T
	sys     *system
	site    http.Handler
	clock   func() time.Time
	ahead   atomic.Int64 // what the clock is ahead by, as a duration
	viewers []viewer
}

// A viewer is somebody before the pages; without a role, somebody who has not signed in.
type viewer struct {
	login
	token  string
	shared []string // a handle of a client who shares, and of one who does not
	labels []string // of these
	people []string // a professional who is active, and one who is not

	known map[string]bool // ids that the viewer acts on: professionals, look-ups to review, exceptional accesses
}

func newHouse(t *testing.T) *house {
	t.Helper()
	const weeks = 60
	start := domain.MustDate("2025-03-03")
	dir := t.TempDir() + "/data"
	made := &demoCmd{dataFlag: dataFlag{Data: dir}, Clients: 60, Weeks: weeks, Seed: 1}
	if err := made.make(&surroundings{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard}, start, nil); err != nil {
		t.Fatal(err)
	}
	w, err := realWorld(dir)
	if err != nil {
		t.Fatal(err)
	}
	begun, day := time.Now(), start.AddDays(7*weeks+1).Start().Add(9*time.Hour)
	h := &house{t: t}
	w.clock = func() time.Time { return day.Add(time.Since(begun) + time.Duration(h.ahead.Load())) }
	h.clock = w.clock
	if h.sys, err = w.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.sys.start()
	t.Cleanup(func() {
		if err := h.sys.close(); err != nil {
			t.Error(err)
		}
	})
	h.site = web.Handler(web.Config{Log: web.Logger(io.Discard), Clock: w.clock, Random: w.random}, site(h.sys.service(false), nil, nil))
	logins, err := readLogins(dir)
	if err != nil {
		t.Fatal(err)
	}
	h.viewers = []viewer{{}}
	for _, l := range logins {
		h.viewers = append(h.viewers, h.signIn(l))
	}
	return h
}

// signIn lets somebody in as an app does, and looks around for what the paths of pages name.
func (h *house) signIn(l login) viewer {
	h.t.Helper()
	g := viewer{login: l}
	var s api.Session
	if l.Code != "" {
		h.ask(g, "POST", "/session/code", map[string]any{"code": l.Code, "channel": "app"}, &s)
	} else {
		oneTime, err := totp.GenerateCode(l.Secret, h.clock())
		if err != nil {
			h.t.Fatal(err)
		}
		h.ask(g, "POST", "/session/password", map[string]any{"login": l.Login, "password": l.Password, "oneTimeCode": oneTime, "channel": "app"}, &s)
	}
	g.token = s.Token
	g.known = map[string]bool{}
	switch l.Role {
	case domain.RoleProfessional, domain.RoleSuperuser:
		h.lookAround(&g)
	case domain.RoleEmployee, domain.RoleSafetyManager:
		var all api.Accesses
		h.ask(g, "GET", "/accesses", nil, &all)
		for _, a := range all.Accesses {
			g.known[a.ID.String()] = true
		}
	}
	return g
}

func (h *house) lookAround(g *viewer) {
	var all api.Clients
	h.ask(*g, "GET", "/clients?limit=200", nil, &all)
	for _, shares := range []bool{true, false} {
		if i := slices.IndexFunc(all.Clients, func(c api.Client) bool { return (c.SharedUntil != "") == shares }); i >= 0 {
			g.shared, g.labels = append(g.shared, all.Clients[i].Handle.String()), append(g.labels, all.Clients[i].Label)
		}
	}
	if g.Role != domain.RoleSuperuser {
		return
	}
	var people api.Professionals
	h.ask(*g, "GET", "/professionals", nil, &people)
	for _, p := range people.Professionals {
		g.known[p.Professional.String()] = true
	}
	var over api.Oversight
	h.ask(*g, "GET", "/oversight", nil, &over)
	for _, r := range over.Reviews {
		g.known[r.ID.String()] = true
	}
	for _, active := range []bool{true, false} {
		if i := slices.IndexFunc(people.Professionals, func(p api.Professional) bool { return p.Active == active }); i >= 0 {
			g.people = append(g.people, people.Professionals[i].Professional.String())
		}
	}
}

// ask calls the interface.
func (h *house) ask(g viewer, method, path string, in, out any) {
	h.t.Helper()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			h.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, "http://localhost"+api.Prefix+path, &body)
	r.Header.Set("Content-Type", "application/json")
	if in == nil {
		r.Header.Del("Content-Type")
	}
	w := h.send(g, r)
	if w.Code != http.StatusOK {
		h.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) send(g viewer, r *http.Request) *httptest.ResponseRecorder {
	if g.token != "" {
		r.Header.Set("Authorization", "Bearer "+g.token)
	}
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	return w
}

// A visit is a page as somebody was shown it.
type visit struct {
	viewer
	path   string
	form   url.Values // what was sent; nil: the page was opened
	status int
	header http.Header
	body   []byte
}

func (v visit) String() string {
	sent := ""
	if v.form != nil {
		sent = ", sent"
	}
	return fmt.Sprintf("%s as %s (%s)%s", v.path, cmp.Or(string(v.Role), "nobody"), v.About, sent)
}

// name is one for a file.
func (v visit) name() string {
	s := cmp.Or(string(v.Role), "nobody") + regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(v.path, "x")
	if v.form != nil {
		s += "-sent"
	}
	return strings.Trim(regexp.MustCompile(`[^a-z0-9-]+`).ReplaceAllString(s, "-"), "-")
}

// open opens a page, and goes on where it leads to.
func (h *house) open(g viewer, path string, form url.Values) visit {
	h.t.Helper()
	v := visit{viewer: g, path: path, form: form}
	method, body := "GET", io.Reader(nil)
	if form != nil {
		method, body = "POST", strings.NewReader(form.Encode())
	}
	for range 4 {
		r := httptest.NewRequest(method, "http://localhost"+path, body)
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w := h.send(g, r)
		if w.Code != http.StatusSeeOther {
			v.status, v.header, v.body = w.Code, w.Header(), w.Body.Bytes()
			return v
		}
		method, path, body = "GET", w.Header().Get("Location"), nil
	}
	h.t.Fatalf("%v leads in a circle", v)
	return v
}

// paths fills in what varies in a page's path, in every way that shows something else.
func (h *house) paths(g viewer, path string) []string {
	all := []string{path}
	for _, part := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(path, -1) {
		var values []string
		switch part[1] {
		case "handle":
			values = g.shared
		case "professional":
			values = g.people
		case "form":
			values = []string{"phq-9"}
		case "position":
			values = []string{h.event("lookup.made"), h.event("journal.assessed")}
		case "feed":
			v := h.send(g, sentForm("/audit/feed", url.Values{"reason": {"En prøve"}}))
			values = []string{strings.Split(v.Header().Get("Location"), "/")[3]}
		case "quarter":
			values = []string{quarterBefore(h.sys).String()}
		case "chapter":
			values = []string{"use", "phq-9", "gad-7", "none"}
		case "file":
			values = []string{"none.csv"} // a file that there is would be no page
		case "after":
			values = []string{"0", "1000000"}
		default:
			h.t.Errorf("%s: say here what a {%s} is", path, part[1])
		}
		var filled []string
		for _, p := range all {
			for _, v := range values {
				filled = append(filled, strings.Replace(p, part[0], v, 1))
			}
		}
		all = filled
	}
	return all
}

func opened(path string) *http.Request {
	return httptest.NewRequest("GET", "http://localhost"+path, nil)
}

func sentForm(path string, form url.Values) *http.Request {
	r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// forms are those that are sent, for what they show: answers, and refusals with what was filled in.
func (h *house) forms(g viewer, lang string) (all []visit) {
	send := func(path string, fields ...string) {
		form := url.Values{"lang": {lang}}
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		all = append(all, h.open(g, path, form))
	}
	switch g.Role {
	case "":
		send("/", "code", "AAAAAA-AAAAAA-AAAAAA-AAAAAA")
		send("/staff", "login", "a@example.org", "password", "x", "otp", "1")
	case domain.RoleClient:
		send("/first-question")
		send("/follow-up")
		send("/forms/phq-9", "wording", "en", "item-1", "1")
		whole := []string{"wording", "en"}
		for i := range 9 {
			whole = append(whole, "item-"+strconv.Itoa(i+1), "1")
		}
		send("/forms/phq-9", whole...)
		send("/feedback", "text", "")
		send("/feedback", "text", "ola@example.no")
		send("/settings/correction", "text", "ola@example.no")
		send("/settings/code")
		send("/settings/code/confirmation", "code", "x")
		send("/settings/erasure", "code", "AAAAAA-AAAAAA-AAAAAA-AAAAAA")
		send("/settings/look-ups", "number", "1")
	case domain.RoleProfessional, domain.RoleSuperuser:
		for _, handle := range g.shared {
			send("/clients/"+handle, "purpose", string(client.Appointment), "all", "yes")
			send("/clients/"+handle+"/notes", "text", "ola@example.no")
		}
		send("/overview", "show", "yes")
		if g.Role == domain.RoleSuperuser {
			send("/professionals/new", "firstName", "Kari")
			send("/oversight/retention", "months", "300", "reason", "")
			send("/oversight/reviews", "outcome", "in-order")
		}
	case domain.RoleEmployee:
		send("/accesses", "to", "production", "reason", "", "hours", "2")
		send("/organisations/new", "name", "")
	case domain.RoleSafetyManager:
		send("/accesses", "to", "production", "reason", "Feil", "hours", "2")
		for id := range g.known {
			send("/accesses/"+id+"/review", "outcome", "", "note", "")
		}
	case domain.RoleToolManager:
		send("/group-data/"+quarterBefore(h.sys).String(), "organisation", "974760673")
	case domain.RoleAuditor:
		label := ""
		for _, other := range h.viewers {
			if len(other.labels) > 0 {
				label = other.labels[0]
			}
		}
		send("/audit", "client", label, "reason", "Klage", "back", "-30")
		send("/audit", "reason", "")
		send("/audit/refused", "reason", "Klage", "from", "2025-03-03")
		send("/audit/client", "client", label, "reason", "Klage")
		send("/audit/events/"+h.event("lookup.made"), "reason", "Klage")
		send("/audit/events/"+h.event("journal.assessed"), "reason", "Klage")
	}
	return all
}

// visits are all pages that anybody comes to, in a language.
func (h *house) visits(lang string) (all []visit) {
	h.t.Helper()
	for _, g := range h.viewers {
		for _, s := range screens {
			if s.Method != http.MethodGet || g.Role == "" != (len(s.Roles) == 0) || g.Role != "" && !slices.Contains(s.Roles, g.Role) {
				continue
			}
			for _, p := range h.paths(g, s.Path) {
				v := h.open(g, p+"?lang="+lang, nil)
				v.path = p
				all = append(all, v)
			}
		}
		all = append(all, h.forms(g, lang)...)
	}
	return all
}

// Every page that anybody comes to is built as it should be.
func TestPages(t *testing.T) {
	h := newHouse(t)
	ids := h.ids()
	style := asset(t, h, "style.css")
	for _, lang := range page.Languages {
		seen := map[string]bool{}
		for _, v := range h.visits(lang) {
			if v.status >= 500 || v.form == nil && (v.status == http.StatusUnauthorized || v.status == http.StatusForbidden) {
				t.Errorf("%v: %d", v, v.status)
			}
			seen[v.path] = true
			checkPage(t, v, lang)
			if got := v.header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%v: Cache-Control %q", v, got)
			}
			if n := len(v.body) + len(style); n > 50_000 {
				t.Errorf("%v: %d bytes with its stylesheet", v, n)
			}
			h.checkIDs(v, ids)
		}
		if len(seen) < 10 {
			t.Errorf("only %d pages were seen", len(seen))
		}
	}
}

// asset gives a file that pages load, which browsers may keep.
func asset(t *testing.T, h *house, name string) []byte {
	t.Helper()
	at, err := page.Asset(name)
	if err != nil {
		t.Fatal(err)
	}
	w := h.send(viewer{}, opened(at))
	if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%s: %d, %s", name, w.Code, w.Header().Get("Cache-Control"))
	}
	return w.Body.Bytes()
}

// facts are all events so far, closed where they are sealed.
func (h *house) facts() (all []eventschema.Fact) {
	h.t.Helper()
	ctx := context.Background()
	head, err := h.sys.store.Head(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	for r, err := range h.sys.store.After(ctx, 0) {
		if err != nil {
			h.t.Fatal(err)
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		if all = append(all, f); r.Position >= head {
			break
		}
	}
	return all
}

// event is where the first event of that name stands.
func (h *house) event(name string) string {
	for _, f := range h.facts() {
		if f.Name == name {
			return strconv.FormatUint(f.Position, 10)
		}
	}
	h.t.Fatalf("there is no %s", name)
	return ""
}

// ids are those of the ledger: of subjects, actors, sessions, organisations and events.
func (h *house) ids() map[string]bool {
	all := map[string]bool{}
	for _, f := range h.facts() {
		for _, id := range []domain.ID{f.ID, f.Subject, f.Act.Actor, f.Act.Session, f.Act.Organisation} {
			all[id.String()] = true
		}
	}
	delete(all, "")
	return all
}

var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// checkIDs looks for ids of the ledger's own, which only auditors see, but for those that the reader acts on.
func (h *house) checkIDs(v visit, ids map[string]bool) {
	h.t.Helper()
	if v.Role == domain.RoleAuditor {
		return
	}
	for _, id := range anID.FindAllString(string(v.body), -1) {
		if ids[id] && !v.known[id] {
			h.t.Errorf("%v shows the id %s of the ledger's own", v, id)
		}
	}
}

// checkPage holds a page against what every page keeps to.
func checkPage(t *testing.T, v visit, lang string) {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(v.body))
	if err != nil {
		t.Errorf("%v: %v", v, err)
		return
	}
	p := &checked{visit: v, t: t, ids: map[string]int{}, labels: map[string]bool{}}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			p.gather(n)
		}
	}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			p.element(n)
		}
	}
	if p.lang != lang {
		p.wrong("is in %q, not in %q", p.lang, lang)
	}
	if p.headings != 1 {
		p.wrong("has %d main headings", p.headings)
	}
	for id, n := range p.ids {
		if n > 1 {
			p.wrong("has the id %s %d times", id, n)
		}
	}
}

// checked is a page under way.
type checked struct {
	visit
	t        *testing.T
	lang     string
	headings int
	ids      map[string]int
	labels   map[string]bool // what labels are for
}

func (p *checked) wrong(format string, with ...any) {
	p.t.Helper()
	p.t.Errorf("%v %s", p.visit, fmt.Sprintf(format, with...))
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (p *checked) gather(n *html.Node) {
	if id := attr(n, "id"); id != "" {
		p.ids[id]++
	}
	switch n.DataAtom {
	case atom.Label:
		p.labels[attr(n, "for")] = true
	case atom.Html:
		p.lang = attr(n, "lang")
	case atom.H1:
		p.headings++
	}
}

func (p *checked) element(n *html.Node) {
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style":
			p.wrong("has %s in a <%s>", a.Key, n.Data)
		case slices.Contains([]string{"href", "src", "action", "formaction", "data", "poster", "srcset"}, a.Key):
			if strings.Contains(a.Val, "//") && !strings.HasPrefix(a.Val, "data:") {
				p.wrong("leads to %s", a.Val)
			}
		case slices.Contains([]string{"for", "aria-describedby", "aria-labelledby", "aria-controls", "list"}, a.Key):
			for _, id := range strings.Fields(a.Val) {
				if p.ids[id] == 0 {
					p.wrong("names %s in a %s, which is not there", id, a.Key)
				}
			}
		}
	}
	switch n.DataAtom {
	case atom.Style:
		p.wrong("has a style of its own")
	case atom.Script:
		if attr(n, "src") == "" {
			p.wrong("has a script of its own")
		}
	case atom.Input, atom.Select, atom.Textarea:
		if attr(n, "type") != "hidden" && !p.labels[attr(n, "id")] && !below(n, atom.Label) && attr(n, "aria-label") == "" && attr(n, "aria-labelledby") == "" {
			p.wrong("has a field %q without a label", attr(n, "name"))
		}
	case atom.Table:
		heads := 0
		for m := range n.Descendants() {
			if m.DataAtom == atom.Th {
				heads++
			}
		}
		if heads == 0 {
			p.wrong("has a table without heads")
		}
	case atom.Th:
		if attr(n, "scope") == "" {
			p.wrong("has a head of a table without scope")
		}
	}
}

// below tells whether the element stands in one of the kind.
func below(n *html.Node, kind atom.Atom) bool {
	for a := range n.Ancestors() {
		if a.DataAtom == kind {
			return true
		}
	}
	return false
}
