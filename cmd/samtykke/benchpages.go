package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	mrand "math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"github.com/pquerna/otp/totp"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
)

// What every page is held to: how long making it may take, and how much a browser loads for it the first time.
const (
	renderingAtMost = 0.005 // seconds, the median
	pageAtMost      = 50e3  // bytes
)

// byPage measures every page that somebody comes to: the whole request, making the page from what it shows, and its size.
func (b *bench) byPage() error {
	b.said = append(b.said,
		fmt.Sprintf("Pages of a demo of %d clients over %d weeks, in bokmål, asked for one at a time, without a network between.", b.lives, b.weeks),
		"The whole request: the session is checked, what is looked up is on record (fdatasync), and the page is made.",
		"Every page that a role's own pages lead to, and those that answer a form and change nothing. Those that only lead on are left out.",
		fmt.Sprintf("Each %d times. The yardstick is one raw write of %d bytes (fdatasync) just before; each is a median.", b.visits, frameBytes),
		"Rendering alone: the same template with the same data once more. Size: the page and the css and js that it loads, not compressed.",
		"Cores: what one of them costs all cores together, in their own time. What else the machine does moves it less than the rest.",
	)
	h, err := b.newReaders()
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, by := range h.all {
		b.note(fmt.Sprintf("pages, %s", cmp.Or(string(by.role), "nobody")))
		pages, err := h.lookAround(by, found)
		if err != nil {
			return err
		}
		for _, p := range pages {
			if err := h.measure(by, p); err != nil {
				return fmt.Errorf("%s %s: %w", by.role, p.name, err)
			}
		}
	}
	return errors.Join(h.raw.close(), h.sys.close())
}

// readers are people before the pages of a demo.
type readers struct {
	b    *bench
	sys  *system
	raw  *rawLog
	site http.Handler // as it is served
	bare *mux.Router  // the same pages without the shell, noting in made how the last one was made
	made func() ([]byte, error)
	all  []*benchReader
}

// A benchReader is somebody with a browser; without a role, somebody who has not signed in.
type benchReader struct {
	role   domain.Role
	cookie *http.Cookie
	starts []benchPage
}

// A benchPage is what a browser asks for. Its name has no ids: it is the path as routes have it, with the fields of the query.
type benchPage struct {
	name, path string
	form       url.Values // what is sent; nil: the page is opened
}

// newReaders makes a demo and signs its people in.
func (b *bench) newReaders() (*readers, error) {
	const seed = 1
	d := &demo{random: mrand.New(mrand.NewPCG(seed, 0)), clients: b.lives, weeks: b.weeks, tells: true, now: benchStart.Start()}
	w := b.world("pages", new(benchClock))
	w.clock = func() time.Time { return d.now }
	var logins []login
	err := b.lazily(func() (err error) {
		if d.sys, err = w.open(b.ctx); err == nil {
			err = d.live(b.ctx, benchStart, func(uint64, uint64) {})
		}
		if err == nil {
			logins, err = d.logins(b.ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	d.now = d.now.Add(9 * time.Hour) // when one-time codes are others than those that the accounts were opened with
	h := &readers{b: b, sys: d.sys}
	if h.raw, err = newRawLog(b.disk, "raw"); err != nil {
		return nil, err
	}
	d.sys.start()
	if err := d.sys.settle(b.ctx); err != nil {
		return nil, err
	}
	service := d.sys.service(false)
	h.site = web.Handler(web.Config{Log: web.Logger(io.Discard), Clock: w.clock, Random: rand.Reader}, site(service, nil, nil))
	h.watch(service)
	h.all = []*benchReader{{}}
	for _, l := range logins {
		by, err := h.signIn(l, d.now)
		if err != nil {
			return nil, err
		}
		h.all = append(h.all, by)
	}
	known, err := d.wellKnown(b.ctx)
	if err != nil {
		return nil, err
	}
	for _, by := range h.all {
		by.starts = startsOf(by.role, known)
	}
	return h, nil
}

// wellKnown is the client of the first organisation who shares and has filled in most forms.
func (d *demo) wellKnown(ctx context.Context) (best *demoClient, err error) {
	for _, c := range d.orgs[0].clients {
		s, _, err := d.sys.desk.Clients.State(ctx, c.id)
		if err != nil {
			return nil, err
		}
		if s.At(d.sys.rules, d.now).Status == client.Shared && (best == nil || c.forms > best.forms) {
			best = c
		}
	}
	if best == nil {
		return nil, errors.New("nobody shares in this demo")
	}
	return best, nil
}

// startsOf are the pages from which somebody in a role comes to all others.
func startsOf(role domain.Role, known *demoClient) (all []benchPage) {
	open := func(path string) { all = append(all, benchPage{path: path}) }
	send := func(path string, fields ...string) {
		form := url.Values{}
		for i := 0; i+1 < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		all = append(all, benchPage{path: path, form: form})
	}
	switch role {
	case domain.RoleProfessional, domain.RoleSuperuser:
		about := "/clients/" + known.handle.String()
		open(about) // before a client who does not share
		send("/overview", "show", "yes")
		send(about, "purpose", string(client.Appointment), "all", "yes")
	case domain.RoleAuditor:
		send("/audit", "client", known.label, "reason", "Klage")
		send("/audit/refused", "reason", "Klage")
		send("/audit/client", "client", known.label, "reason", "Klage")
		send("/audit/feed", "reason", "Klage")
	case domain.RoleClient:
		send("/settings/code")
	}
	for _, s := range screens {
		if s.Method == http.MethodGet && !strings.Contains(s.Path, "{") && (slices.Contains(s.Roles, role) || role == "" && len(s.Roles) == 0) {
			open(s.Path)
		}
	}
	return all
}

// watch sets up the pages so that it is known how each was made.
func (h *readers) watch(service *api.API) {
	h.bare = mux.NewRouter()
	for _, s := range screens {
		serve := s.Serve
		s.Serve = func(r *api.Request) (api.Reply, error) {
			reply, err := serve(r)
			h.made = reply.Render
			return reply, err
		}
		service.RegisterScreen(h.bare, s, page.Failed)
	}
}

// signIn comes in by the form on the page.
func (h *readers) signIn(l login, now time.Time) (*benchReader, error) {
	p := benchPage{path: "/", form: url.Values{"code": {l.Code}}}
	if l.Code == "" {
		oneTime, err := totp.GenerateCode(l.Secret, now)
		if err != nil {
			return nil, errors.New("the authenticator's secret is none")
		}
		p = benchPage{path: "/staff", form: url.Values{"login": {l.Login}, "password": {l.Password}, "otp": {oneTime}}}
	}
	by := &benchReader{role: l.Role}
	a := h.ask(h.site, by, p)
	set := (&http.Response{Header: a.header}).Cookies()
	if a.status != http.StatusSeeOther || len(set) != 1 {
		return nil, fmt.Errorf("signing in as %s was answered %d", l.Role, a.status)
	}
	by.cookie = set[0]
	return by, nil
}

// ask gives what somebody is answered.
func (h *readers) ask(of http.Handler, by *benchReader, p benchPage) *inMemory {
	r := p.request(h.b.ctx)
	if by.cookie != nil {
		r.AddCookie(by.cookie)
	}
	a := &inMemory{header: http.Header{}}
	of.ServeHTTP(a, r)
	return a
}

func (p benchPage) request(ctx context.Context) *http.Request {
	method := http.MethodGet
	if p.form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+p.path, strings.NewReader(p.form.Encode()))
	if err != nil {
		panic(err) // unreachable: paths are those of our own pages
	}
	if p.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.RemoteAddr = "127.0.0.1:1"
	return r
}

// inMemory is an answer that nobody waits for.
type inMemory struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *inMemory) Header() http.Header         { return a.header }
func (a *inMemory) WriteHeader(status int)      { a.status = status }
func (a *inMemory) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *inMemory) is(status int) error {
	if a.status != status {
		return fmt.Errorf("answered %d", a.status)
	}
	return nil
}

var (
	pageLinks = regexp.MustCompile(`href="(/[^"#]*)"`)
	pageLoads = regexp.MustCompile(`"(/assets/[^"]+\.(?:css|js))"`)
)

// variants is how many pages are opened that differ in ids alone: not each of them leads to everything.
const variants = 5

// lookAround follows every link from where somebody begins, and gives the pages of that role that were not found before; of those
// that differ in ids alone the first.
func (h *readers) lookAround(by *benchReader, found map[string]bool) (pages []benchPage, err error) {
	tried, opened := map[string]int{}, map[string]bool{}
	for todo := slices.Clone(by.starts); len(todo) > 0; {
		p := todo[0]
		todo = todo[1:]
		p.name = h.name(p)
		at := p.name + p.path
		if p.name == "" || opened[at] || tried[p.name] == variants {
			continue
		}
		opened[at] = true
		tried[p.name]++
		a := h.ask(h.site, by, p)
		if a.status == http.StatusSeeOther {
			todo = append(todo, benchPage{path: a.header.Get("Location")})
			continue
		}
		if err := a.is(http.StatusOK); err != nil {
			return nil, fmt.Errorf("%s %s: %w", by.role, p.name, err)
		}
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			continue
		}
		if key := string(by.role) + " " + p.name; !found[key] {
			found[key] = true
			pages = append(pages, p)
		}
		for _, link := range pageLinks.FindAllSubmatch(a.body.Bytes(), -1) {
			to := benchPage{path: html.UnescapeString(string(link[1]))}
			todo = append(todo, to)
			if strings.HasPrefix(to.path, "/audit/events/") {
				to.form = url.Values{"reason": {"Klage"}}
				todo = append(todo, to)
			}
		}
	}
	return pages, nil
}

// name gives a page's name; "" where it is none of the pages.
func (h *readers) name(p benchPage) string {
	r := p.request(h.b.ctx)
	var m mux.RouteMatch
	if !h.bare.Match(r, &m) {
		return ""
	}
	name, err := m.Route.GetPathTemplate()
	if err != nil {
		return ""
	}
	query := r.URL.Query()
	for _, field := range []string{"lang", "done"} { // the same page in other words
		query.Del(field)
	}
	for _, field := range slices.Sorted(maps.Keys(query)) {
		name += "?" + field
	}
	if p.form != nil {
		name += ", sent"
	}
	return name
}

// measure asks for a page over and over, and notes what that takes.
func (h *readers) measure(by *benchReader, p benchPage) error {
	size, err := h.size(by, p)
	if err != nil {
		return err
	}
	frame, done := make([]byte, frameBytes), make(chan error, 1)
	var raw, whole, rendering turns
	for _, way := range []struct {
		into *turns
		do   func() error
	}{
		{&raw, func() error { return h.raw.append(frame, done) }},
		{&whole, func() error { return h.ask(h.site, by, p).is(http.StatusOK) }},
		{&rendering, func() error { _, err := h.made(); return err }},
	} {
		r, err := repeat(h.b.visits, way.do)
		if err == nil {
			err = h.sys.settle(h.b.ctx)
		}
		if err != nil {
			return err
		}
		*way.into = append(*way.into, r)
	}
	line := func(what string, t turns) benchLine {
		return benchLine{
			Section: "pages: " + cmp.Or(string(by.role), "nobody"), What: what, Figure: t.quantile(0.5), Unit: seconds,
			Note: fmt.Sprintf("p99 %s, %s", seconds.show(t.quantile(0.99)), t.processor()),
		}
	}
	l := line(p.name, whole)
	l.Against, l.Yardstick = "raw write", raw.quantile(0.5)
	h.b.add(l, nil)
	h.b.add(line(p.name+": rendering", rendering), &aim{most: renderingAtMost})
	h.b.add(benchLine{Section: l.Section, What: p.name + ": size", Figure: float64(size), Unit: bytesHeld}, &aim{most: pageAtMost})
	return nil
}

// repeat does the same so many times, one after the other.
func repeat(times int, do func() error) (r round, err error) {
	worked := processor()
	for range times {
		took, err := timed(do)
		if err != nil {
			return r, err
		}
		r.took = append(r.took, took)
	}
	r.processor = (processor() - worked) / float64(times)
	return r, nil
}

// size is how many bytes a browser loads for a page, and leaves in made how the page was made.
func (h *readers) size(by *benchReader, p benchPage) (int, error) {
	a := h.ask(h.bare, by, p)
	if err := a.is(http.StatusOK); err != nil {
		return 0, err
	}
	again, err := h.made()
	if err != nil || !bytes.Equal(again, a.body.Bytes()) {
		return 0, errors.Join(err, errors.New("made again it is not the same"))
	}
	size := len(again)
	for _, load := range pageLoads.FindAllSubmatch(again, -1) {
		file := h.ask(h.site, by, benchPage{path: string(load[1])})
		if err := file.is(http.StatusOK); err != nil {
			return 0, err
		}
		size += file.body.Len()
	}
	return size, nil
}
