package main

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/proof"
	"samtykke/adapters/releases"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// publish puts a release on the shelf and on record, and finishes it.
func publish(t *testing.T, s *system, by ledger.Caller, whole statistics.Release) statistics.Released {
	t.Helper()
	ctx := context.Background()
	made, err := releases.Prepare(statistics.Quarterly, whole, statistics.Risk{Period: whole.Period})
	if err == nil {
		err = s.shelf().Put(made)
	}
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.desk.Statistics.Do(ctx, eventschema.ServiceID, by, made.Released)
	if err == nil {
		err = s.signAll(ctx)
	}
	verifier, failed := s.world.verifier()
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	document, err := proof.Prove(ctx, s.store, disk.Sub(s.disk, proofDir), verifier, uint64(done.Position))
	if err == nil {
		_, err = s.shelf().Finish(made.Released, document)
	}
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made.Released
}

// madeUp is a release over all and by organisations, with a number for each row. A number below zero is hidden.
func madeUp(q statistics.Quarter, number func(row statistics.Row, n int) int, organisations ...string) statistics.Release {
	spec := statistics.Quarterly
	r := statistics.Release{
		Specification: spec.Name, Version: spec.Version, Rule: spec.Rule, Period: q, Position: 1, Helsenorge: organisations,
		Threshold: spec.Rules.Threshold, FewestForMean: spec.FewestForMean,
	}
	counted := map[string]int{}
	for _, t := range spec.Tables {
		told := statistics.Told{Table: t.Name}
		add := func(row statistics.Row) {
			if n := number(row, counted[row.Organisation]); n >= 0 {
				row.Persons = new(n)
			}
			counted[row.Organisation]++
			told.Rows = append(told.Rows, row)
		}
		for _, organisation := range append([]string{""}, organisations...) {
			if organisation != "" && !t.Over {
				continue
			}
			classes := []statistics.Category{{}}
			if t.By != nil {
				classes = append(classes, t.By.Categories...)
			}
			for _, class := range classes {
				add(statistics.Row{Organisation: organisation, Class: class.Name})
				for _, v := range t.Of {
					for _, k := range v.Categories {
						add(statistics.Row{Organisation: organisation, Class: class.Name, Variable: v.Name, Category: k.Name})
					}
				}
				if t.Mean != nil {
					told.Means = append(told.Means, statistics.Mean{Class: class.Name, Tenths: new(-23)})
				}
			}
		}
		r.Tables = append(r.Tables, told)
	}
	return r
}

// quarterBefore is the one before the instant's.
func quarterBefore(s *system) statistics.Quarter { return statistics.QuarterOf(s.clock()) - 1 }

// openSite is the service with its pages, and everybody on stage signed in by header.
type openSite struct {
	*overHTTP
	site http.Handler
}

func newOpenSite(o *overHTTP) openSite {
	service := o.sys.service(false)
	service.Sessions, service.Limits = o.sessions, o.limits
	return openSite{o, web.Handler(web.Config{Log: web.Logger(o.log), Clock: o.sys.clock, Random: o.random}, site(service, nil, nil))}
}

func (s openSite) asks(by ledger.Caller, method, path string, form url.Values) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", asForm)
	}
	if by.Role != "" {
		token, err := s.token(by)
		if err != nil {
			s.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.site.ServeHTTP(w, r)
	return w
}

// everything is what the routes and pages that only read show to somebody, by method and path.
func (s openSite) everything(by ledger.Caller, q statistics.Quarter) map[string]string {
	s.t.Helper()
	shown := map[string]string{}
	fill := func(path string) string {
		return strings.NewReplacer("{quarter}", q.String(), "{file}", "sharing.csv", "{chapter}", "phq-9", "{handle}", domain.ID{9}.String(), "{professional}", domain.ID{9}.String(),
			"{form}", "phq-9", "{feed}", "1", "{after}", "0", "{position}", "1").Replace(path)
	}
	for _, rt := range api.Routes {
		if rt.Method == http.MethodGet {
			shown["GET "+api.Prefix+fill(rt.Path)] = ""
		}
	}
	for _, screen := range screens {
		if screen.Method == http.MethodGet || strings.HasPrefix(screen.Path, "/group-data") {
			shown[screen.Method+" "+fill(screen.Path)] = ""
		}
	}
	for line := range shown {
		method, path, _ := strings.Cut(line, " ")
		if method == http.MethodGet {
			shown[line] = s.asks(by, method, path, nil).Body.String()
			continue
		}
		for _, number := range []string{"974760673", "923609016", "889640782"} {
			shown[line] += s.asks(by, method, path, url.Values{"organisation": {number}}).Body.String()
		}
	}
	return shown
}

// threeOffices are Fjord and Vik, whose clients come by Helsenorge, and Nes, whose clients do not; each with numbers of its own in a
// release, that begin with another digit: Fjord's with 1, Vik's with 2, Nes's with 3, Helsenorge's with 4, others' with 5, all with 6.
func threeOffices(t *testing.T) (openSite, statistics.Quarter, ledger.Caller) {
	t.Helper()
	o := newOverHTTP(newStage(t))
	for _, line := range []string{
		"organisation Fjord with number 974760673 and superuser Siri", "Siri adds Per",
		"organisation Vik with number 923609016 and superuser Vera", "organisation Nes with number 889640782 and superuser Nils",
	} {
		if err := o.play(line); err != nil {
			t.Fatal(line, err)
		}
	}
	ctx := context.Background()
	s := o.sys
	if err := s.settle(ctx); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"974760673", "923609016"} {
		if _, err := s.desk.SetHelsenorge(ctx, o.employee, number, true); err != nil {
			t.Fatal(number, err)
		}
	}
	digit := map[string]int{
		o.orgs["Fjord"].id.String(): 1, o.orgs["Vik"].id.String(): 2, o.orgs["Nes"].id.String(): 3,
		statistics.Helsenorge: 4, statistics.Others: 5, "": 6,
	}
	organisations := []string{statistics.Helsenorge, statistics.Others}
	for _, name := range []string{"Fjord", "Vik", "Nes"} {
		organisations = append(organisations, o.orgs[name].id.String())
	}
	q := quarterBefore(s)
	publish(t, s, o.employee, madeUp(q, func(row statistics.Row, n int) int { return 10000*digit[row.Organisation] + n }, organisations...))
	id, err := s.desk.Employ(ctx, employee, desk.EmployInput{Role: domain.RoleToolManager, Name: "Vera Verktøy", Email: "verktoy@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	o.open(employee, id)
	return newOpenSite(o), q, ledger.Caller{Actor: id, Role: domain.RoleToolManager, Session: o.id()}
}

var aMarked = regexp.MustCompile(`\b([1-6])0\d{3}\b`)

// marks are the groups whose numbers stand in a text.
func marks(text string) string {
	var found []string
	for _, m := range aMarked.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return strings.Join(slices.Compact(found), "")
}

// An organisation sees its own numbers and those of all, a tool manager those of Helsenorge's organisations, each and together, and
// whoever else is there those of all, which are open; whatever they open.
//
// shows C10
func TestGroupDataIsForWhomItIsAbout(t *testing.T) {
	s, q, manager := threeOffices(t)
	for _, c := range []struct {
		who  string
		by   ledger.Caller
		sees string
	}{
		{"nobody", ledger.Caller{}, "6"},
		{"Fjord's superuser", s.person("Siri").caller, "16"},
		{"Fjord's professional", s.person("Per").caller, "16"},
		{"Vik's superuser", s.person("Vera").caller, "26"},
		{"Nes's superuser", s.person("Nils").caller, "36"},
		{"an employee", s.employee, "6"},
		{"a tool manager", manager, "1246"},
	} {
		all := ""
		for where, text := range s.everything(c.by, q) {
			all += text
			if extra := strings.Trim(marks(text), c.sees); extra != "" {
				t.Errorf("%s at %s sees the numbers of %s", c.who, where, extra)
			}
		}
		if marks(all) != c.sees {
			t.Errorf("%s sees the numbers of %q, want %q", c.who, marks(all), c.sees)
		}
		if c.by.Role == domain.RoleToolManager && (strings.Contains(all, "Nes") || !strings.Contains(all, "Vik")) {
			t.Error("a tool manager is told other organisations than those by Helsenorge")
		}
	}
}

// A tool manager is let in to nothing but group data and what is stored about the manager; and an organisation that does not come by
// Helsenorge any more is not shown any more.
//
// shows C10
func TestAToolManagerSeesNothingElse(t *testing.T) {
	s, q, manager := threeOffices(t)
	for _, screen := range screens {
		if len(screen.Roles) == 0 || slices.Contains(screen.Roles, domain.RoleToolManager) {
			continue
		}
		path := strings.NewReplacer("{handle}", domain.ID{9}.String()).Replace(screen.Path)
		if w := s.asks(manager, screen.Method, path, url.Values{}); w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d", screen.Method, path, w.Code)
		}
	}
	own := map[string]bool{}
	for _, rt := range api.Routes {
		if slices.Contains(rt.Roles, domain.RoleToolManager) {
			own[rt.Name] = true
		}
	}
	for _, screen := range screens {
		if slices.Contains(screen.Roles, domain.RoleToolManager) {
			own[screen.Method+" "+screen.Path] = true
		}
	}
	for _, name := range []string{
		"readSession", "stepUp", "signOut", "readSelf", "readGroupData", "GET /step-up", "POST /step-up", "GET /self", "POST /self",
		"GET /group-data", "GET /group-data/{quarter}", "POST /group-data/{quarter}",
	} {
		if !own[name] {
			t.Errorf("a tool manager is not let in to %s", name)
		}
		delete(own, name)
	}
	if len(own) > 0 {
		t.Errorf("a tool manager is let in to %v", own)
	}
	if _, err := s.sys.desk.SetHelsenorge(context.Background(), s.employee, "923609016", false); err != nil {
		t.Fatal(err)
	}
	if err := s.sys.settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := s.asks(manager, "POST", "/group-data/"+q.String(), url.Values{"organisation": {"923609016"}})
	if strings.Contains(w.Body.String(), "Vik") || marks(w.Body.String()) != "4" {
		t.Errorf("what is shown of Vik, which does not come by Helsenorge any more: %s", marks(w.Body.String()))
	}
}

// Where all organisations come by Helsenorge, a release does not tell of them apart, and what it tells of all is theirs together.
func TestAllByHelsenorge(t *testing.T) {
	o := newOverHTTP(newStage(t))
	for _, line := range []string{"organisation Fjord with number 974760673 and superuser Siri", "organisation Nes with number 889640782 and superuser Nils"} {
		if err := o.play(line); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	id, err := o.sys.desk.Employ(ctx, employee, desk.EmployInput{Role: domain.RoleToolManager, Name: "Vera Verktøy", Email: "verktoy@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	o.open(employee, id)
	s, q := newOpenSite(o), quarterBefore(o.sys)
	manager := ledger.Caller{Actor: id, Role: domain.RoleToolManager, Session: o.id()}
	digit := map[string]int{o.orgs["Fjord"].id.String(): 1, o.orgs["Nes"].id.String(): 3, "": 6}
	publish(t, o.sys, o.employee, madeUp(q, func(row statistics.Row, n int) int { return 10000*digit[row.Organisation] + n },
		o.orgs["Fjord"].id.String(), o.orgs["Nes"].id.String()))
	for _, c := range []struct{ number, sees string }{{"", ""}, {"974760673", "1"}, {"889640782", "136"}} {
		if c.number != "" {
			if _, err := o.sys.desk.SetHelsenorge(ctx, o.employee, c.number, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.sys.settle(ctx); err != nil {
			t.Fatal(err)
		}
		w := s.asks(manager, "GET", api.Prefix+"/group-data/"+q.String(), nil)
		if got := marks(w.Body.String()); w.Code != http.StatusOK || got != c.sees {
			t.Errorf("after %q: %d, the numbers of %q, want %q", c.number, w.Code, got, c.sees)
		}
	}
}

// What is hidden is a word: no number, share or length tells what is left of a total.
//
// shows G01
func TestHiddenNumbersAreNotShown(t *testing.T) {
	o := newOverHTTP(newStage(t))
	if err := o.play("organisation Fjord with number 974760673 and superuser Siri"); err != nil {
		t.Fatal(err)
	}
	s, q := newOpenSite(o), quarterBefore(o.sys)
	own := o.orgs["Fjord"].id.String()
	// of each table, the total is 50000, and of what makes it up all but the last are 2000: what is left can be worked out by nobody
	whole := madeUp(q, func(statistics.Row, int) int { return 2000 }, own)
	for _, table := range whole.Tables {
		of := statistics.Quarterly.Tables[slices.IndexFunc(statistics.Quarterly.Tables, func(t statistics.Table) bool { return t.Name == table.Table })]
		for i, row := range table.Rows {
			if row.Category == "" {
				table.Rows[i].Persons = new(50000)
			} else if c := of.Of[0].Categories; row.Category == c[len(c)-1].Name {
				table.Rows[i].Persons = nil
			}
		}
		for i := range table.Means {
			table.Means[i].Tenths = nil
		}
	}
	publish(t, o.sys, o.employee, whole)
	for _, at := range []string{
		"/statistics/%s", "/statistics/%s/use", "/statistics/%s/phq-9", "/statistics/%s/gad-7", "/group-data/%s", api.Prefix + "/statistics/%s", api.Prefix + "/group-data/%s",
	} {
		w := s.asks(o.person("Siri").caller, "GET", fmt.Sprintf(at, q), nil)
		text := w.Body.String()
		if w.Code != http.StatusOK {
			t.Fatal(at, w.Code, text)
		}
		hidden := strings.Count(text, ">Skjult<")
		for left := 50000; left >= 40000; left -= 2000 {
			if n := strconv.Itoa(left); left < 50000 && strings.Contains(text, n) {
				t.Errorf("%s says %s, which is what is left of the total", at, n)
			}
		}
		if strings.HasPrefix(at, api.Prefix) {
			continue
		}
		if hidden < 10 {
			t.Errorf("%s says only %d times that something is hidden", at, hidden)
		}
		for _, m := range regexp.MustCompile(`<rect class="([a-z0-9]+)" x="(\d+)" y="\d+" width="(\d+)"`).FindAllStringSubmatch(text, -1) {
			want := map[string]string{"none": "398", "p0": "16", "beside": "16"}[m[1]] // 2000 of 50000, in 400
			if m[3] != want {
				t.Errorf("%s has a bar %s of %s, want %q", at, m[1], m[3], want)
			}
		}
	}
}

// The open pages need no account and leave nothing in the browser; their files are those that were released, by their kinds.
//
// shows D17 G03
func TestStatisticsAreOpen(t *testing.T) {
	s, q, _ := threeOffices(t)
	for _, c := range []struct{ path, kind, says string }{
		{"/", "text/html", "/statistics?lang=nb"},
		{"/statistics", "text/html", "/statistics/" + q.String()},
		{"/statistics?lang=nn", "text/html", "Eit tal med færre enn fem personar"},
		{"/statistics?lang=en", "text/html", "fewer than five persons"},
		{"/statistics/" + q.String(), "text/html", "Deling"},
		{"/statistics/" + q.String() + "/phq-9", "text/html", "−2,3"},
		{"/statistics/" + q.String() + "/gad-7?lang=en", "text/html", "−2.3"},
		{"/statistics/" + q.String() + "/files/sharing.csv", "text/csv; charset=utf-8", "sharing;persons;flag"},
		{"/statistics/" + q.String() + "/files/codebook.json", "application/json", "phq-9"},
		{"/statistics/" + q.String() + "/files/manifest.json", "application/json", `"proof"`},
		{api.Prefix + "/statistics", "application/json", q.String()},
		{api.Prefix + "/statistics/" + q.String(), "application/json", `"tenths":-23`},
	} {
		w := s.asks(ledger.Caller{}, "GET", c.path, nil)
		h := w.Header()
		if w.Code != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), c.kind) || h.Get("Set-Cookie") != "" || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d, %s, %q, says %q: %t", c.path, w.Code, h.Get("Content-Type"), h.Get("Set-Cookie"), c.says, strings.Contains(w.Body.String(), c.says))
		}
	}
	for _, path := range []string{"/statistics/2031Q1", "/statistics/x", "/statistics/" + q.String() + "/none", "/statistics/" + q.String() + "/files/release.json"} {
		if w := s.asks(ledger.Caller{}, "GET", path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// A release whose file is missing or was changed is not shown, and the page says why.
func TestAChangedReleaseIsNotShown(t *testing.T) {
	s, q, manager := threeOffices(t)
	kept := func(name string) (file string) { // where the one of that name is, whatever it is called before
		err := filepath.WalkDir(filepath.Join(s.dir, "statistics"), func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, name) {
				file = path
			}
			return err
		})
		if err != nil || file == "" {
			t.Fatal(name, err)
		}
		return file
	}
	write := func(name, text string) {
		if err := os.WriteFile(kept(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := "/statistics/" + q.String() + "/files/"
	write("sharing.csv", "sharing;persons;flag\ntotal;7;0\n")
	if w := s.asks(ledger.Caller{}, "GET", files+"sharing.csv", nil); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "total;7") {
		t.Errorf("a changed file: %d", w.Code)
	}
	if w := s.asks(ledger.Caller{}, "GET", "/statistics/"+q.String(), nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Filene kan ikke hentes nå") {
		t.Errorf("a release with a changed file: %d", w.Code)
	}
	refused := func(what string) {
		t.Helper()
		for _, c := range []struct {
			by ledger.Caller
			at string
		}{{ledger.Caller{}, "/statistics/"}, {s.person("Siri").caller, "/group-data/"}, {manager, "/group-data/"}, {manager, api.Prefix + "/group-data/"}} {
			w := s.asks(c.by, "GET", c.at+q.String(), nil)
			text := w.Body.String()
			if w.Code != http.StatusServiceUnavailable || marks(text) != "" || !strings.Contains(text, "ikke de som ble gitt ut") && !strings.Contains(text, api.ReleaseChanged) {
				t.Errorf("%s, %s as %s: %d %s", what, c.at, c.by.Role, w.Code, marks(text))
			}
		}
	}
	write("release.json", "x")
	refused("changed")
	if err := os.Remove(kept("release.json")); err != nil {
		t.Fatal(err)
	}
	refused("missing")
}

// Beside a release by another version of the specification nothing is released: it told other numbers of the same people.
//
// shows G02
func TestNothingIsReleasedBesideAnotherVersion(t *testing.T) {
	o := newStage(t)
	q := quarterBefore(o.sys)
	if _, err := o.sys.noise(statistics.Quarterly, statistics.State{}); err != nil { // makes its key
		t.Fatal(err)
	}
	for _, version := range []int{statistics.Quarterly.Version, statistics.Quarterly.Version - 1} {
		whole := madeUp(q-statistics.Quarter(version)*2, func(statistics.Row, int) int { return 50 })
		whole.Version = version
		publish(t, o.sys, employee, whole)
		_, _, err := o.sys.made(context.Background(), employee, statistics.Quarterly, whole.Period+1)
		if same := version == statistics.Quarterly.Version; same != (err == nil) || !same && !strings.Contains(err.Error(), "another version") {
			t.Errorf("behind a release by version %d: %v", version, err)
		}
	}
}

// Before anything is released, every page says so.
func TestNothingReleased(t *testing.T) {
	o := newOverHTTP(newStage(t))
	if err := o.play("organisation Fjord with number 974760673 and superuser Siri"); err != nil {
		t.Fatal(err)
	}
	s := newOpenSite(o)
	for _, path := range []string{"/statistics", "/group-data"} {
		if w := s.asks(o.person("Siri").caller, "GET", path, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Ingen statistikk er gitt ut ennå") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// An employee settles on the list of organisations whether clients come by Helsenorge.
func TestHelsenorgeIsSet(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with number 974760673 and superuser Siri")
	b.comes("Drift", b.employee)
	s := b.opens("Drift", "/organisations")
	s.is(t, 200, []string{"oversight.queried"}, "Klientene kommer ikke via Helsenorge")
	set := []string{"number", "974760673", "helsenorge", "yes"}
	b.sends("Drift", "/organisations/helsenorge", append(set, "key", s.key(t))...).leadsTo(t, "/organisations?done=helsenorge-set", "organisation.helsenorge-set")
	s = b.opens("Drift", "/organisations?done=helsenorge-set")
	s.is(t, 200, []string{"oversight.queried"}, "Klientene kommer via Helsenorge", "Det er lagret")
	b.sends("Drift", "/organisations/helsenorge", append(set, "key", b.id().String())...).leadsTo(t, "/organisations?done=helsenorge-set")
	b.sends("Drift", "/organisations/helsenorge", "number", "974760673", "key", s.key(t)).leadsTo(t, "/organisations?done=helsenorge-set", "organisation.helsenorge-set")
	b.sends("Drift", "/organisations/helsenorge", "number", "923609016", "key", b.id().String()).is(t, 404, nil, "Ingen virksomhet har det")
	b.sends("Siri", "/organisations/helsenorge", append(set, "key", b.id().String())...).is(t, 403, nil)
	b.addressesNothing()
}
