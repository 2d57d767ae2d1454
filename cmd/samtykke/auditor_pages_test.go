package main

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/audit"
	"samtykke/domain"
	"samtykke/domain/oversight"
)

// as gives somebody in the role.
func (h *house) as(r domain.Role) viewer {
	h.t.Helper()
	i := slices.IndexFunc(h.viewers, func(v viewer) bool { return v.Role == r })
	if i < 0 {
		h.t.Fatalf("nobody is a %s", r)
	}
	return h.viewers[i]
}

// since gives what was recorded behind a position, which must be questions and nothing else.
func (h *house) since(position uint64) (asked []oversight.Queried) {
	h.t.Helper()
	for _, f := range h.facts() {
		if f.Position <= position {
			continue
		}
		q, ok := f.Body.(oversight.Queried)
		if !ok {
			h.t.Errorf("a question wrote %s", f.Name)
		}
		asked = append(asked, q)
	}
	return asked
}

func (h *house) head() uint64 {
	h.t.Helper()
	head, err := h.sys.store.Head(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return head
}

func filled(fields ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return v
}

// hiddenFields reads back a form of a page that has the button or the field.
func hiddenFields(body []byte, with string) url.Values {
	v := url.Values{}
	for _, f := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(string(body), -1) {
		if !strings.Contains(f, with) {
			continue
		}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`).FindAllStringSubmatch(f, -1) {
			v.Set(m[1], html.UnescapeString(m[2]))
		}
		return v
	}
	return nil
}

var positions = regexp.MustCompile(`href="/audit/events/(\d+)"`)

// Each question of an auditor on a page is on record with its reason, before the answer and once, and leaves no other trace. Its
// pages, one after another, are its file.
func TestAuditorAsks(t *testing.T) {
	h := newHouse(t)
	randi, label := h.as(domain.RoleAuditor), h.as(domain.RoleSuperuser).labels[0]
	before := h.head()
	h.open(randi, "/audit", nil)
	if asked := h.since(before); len(asked) > 0 {
		t.Errorf("opening the form is on record as %v", asked)
	}
	ask := filled("client", label, "reason", "En klage")
	v := h.open(randi, "/audit", ask)
	asked := h.since(before)
	if v.status != http.StatusOK || len(asked) != 2 || asked[0].Query != "find" || asked[1].Query != "who-saw" || asked[1].Reason != "En klage" {
		t.Fatalf("%d, on record: %v", v.status, asked)
	}
	for _, q := range asked {
		if strings.Contains(q.About, label) {
			t.Errorf("the label is on record: %s", q.About)
		}
	}
	if strings.Contains(string(v.body), "?client=") || strings.Contains(string(v.body), label+`"`) != strings.Contains(string(v.body), `value="`+label+`"`) {
		t.Error("the label stands in an address")
	}

	// Everything, page by page.
	everything := filled("reason", "Årlig gjennomgang", "from", "2026-03-01")
	var rows []string
	pages := 0
	for next := everything; next != nil; pages++ {
		before = h.head()
		v = h.open(randi, "/audit", next)
		if v.status != http.StatusOK || len(h.since(before)) != 1 {
			t.Fatalf("page %d: %d, on record: %v", pages, v.status, h.since(before))
		}
		for _, m := range positions.FindAllSubmatch(v.body, -1) {
			rows = append(rows, string(m[1]))
		}
		next = hiddenFields(v.body, `name="upto"`)
	}
	all := filled("reason", "Årlig gjennomgang", "from", "2026-03-01", "as", "csv")
	file := h.open(randi, "/audit", all)
	lines := strings.Split(strings.TrimSuffix(string(file.body), "\r\n"), "\r\n")
	if pages < 3 || len(lines) != len(rows)+1 || file.header.Get("Content-Disposition") != `attachment; filename="who-saw.csv"` {
		t.Fatalf("%d pages with %d rows; the file has %d", pages, len(rows), len(lines)-1)
	}
	all.Set("as", "json")
	var same struct{ Rows []audit.Sighting }
	if err := json.Unmarshal(h.open(randi, "/audit", all).body, &same); err != nil || len(same.Rows) != len(rows) {
		t.Errorf("as JSON: %d rows, %v", len(same.Rows), err)
	}
	for i, at := range rows {
		if cells := strings.Split(lines[i+1], ";"); cells[0] != at || i < len(same.Rows) && len(cells) != 17 && same.Rows[i].Reason == "" {
			t.Errorf("row %d: %s on the page, %s in the file", i, at, lines[i+1])
		}
	}

	// As it was: nothing that came later.
	was := h.open(randi, "/audit", filled("reason", "r", "from", "2026-03-01", "back", "-20"))
	if got, n := string(was.body), len(positions.FindAll(was.body, -1)); !strings.Contains(got, "Slik loggen sto") || !strings.Contains(got, "8. april 2026") || n == 0 {
		t.Errorf("as it was 20 days ago: %d rows", n)
	}
	if none := h.open(randi, "/audit", filled("reason", "r", "from", "2026-03-01", "known", "2026-02-01T12:00")); len(positions.FindAll(none.body, -1)) > 0 {
		t.Error("what had not been recorded yet was shown")
	}

	// One client: its history, who looked, and its state, each on record.
	before = h.head()
	v = h.open(randi, "/audit/client", filled("client", label, "reason", "r"))
	var queries []string
	for _, q := range h.since(before) {
		queries = append(queries, q.Query)
	}
	if got := strings.Join(queries, " "); got != "find history who-saw find state" {
		t.Errorf("on record: %s", got)
	}
	if body := string(v.body); strings.Count(body, "<svg") != 1 || !strings.Contains(body, `class="span on"`) || !strings.Contains(body, "Deler") {
		t.Error("the client's page lacks its picture or its state")
	}

	if body := string(v.body); !strings.Contains(body, "Randi Revisor, revisor") || !strings.Contains(body, "Ja nummer") {
		t.Error("the page lacks the name of who asks, or which yes a look-up rests on")
	}
	// It stood otherwise before: the same page, with the slider pulled back.
	v = h.open(randi, "/audit/client", filled("client", label, "reason", "r", "back", "-200"))
	if body := string(v.body); !strings.Contains(body, "Slik sto klienten 10. oktober 2025") || !strings.Contains(body, `value="-200"`) || !strings.Contains(body, "Sa nei") {
		t.Error("the client's page does not tell how the client stood 200 days ago")
	}

	// A feed is on record when it is opened, and not when it is read on.
	before = h.head()
	to := h.send(randi, sentForm("/audit/feed", filled("reason", "r", "after", "10", "key", "0123456789abcdef")))
	place := to.Header().Get("Location")
	for range 3 {
		v = h.open(randi, place, nil)
		place = regexp.MustCompile(`class="button" href="([^"]+)"`).FindStringSubmatch(string(v.body))[1]
	}
	if asked := h.since(before); len(asked) != 1 || asked[0].Query != "feed" || !strings.HasSuffix(place, "/118") {
		t.Errorf("a feed read to %s is on record as %v", place, asked)
	}
}

// Of a client with many look-ups, the pages one after another have them all, each once, on the picture and in the table; and so has the
// file.
func TestAuditorPagesThroughAClient(t *testing.T) {
	h := newHouse(t)
	randi := h.as(domain.RoleAuditor)
	var all struct{ Rows []audit.Sighting }
	if err := json.Unmarshal(h.open(randi, "/audit", filled("reason", "r", "as", "json")).body, &all); err != nil {
		t.Fatal(err)
	}
	of := map[domain.ID][]string{}
	most := domain.ID{}
	for _, row := range all.Rows {
		if of[row.Client] = append(of[row.Client], strconv.FormatUint(row.Position, 10)); len(of[row.Client]) > len(of[most]) && !row.Client.IsZero() {
			most = row.Client
		}
	}
	var seen []string
	pages := 0
	for next := filled("client", most.String(), "reason", "r", "back", "-7"); next != nil; pages++ {
		v := h.open(randi, "/audit/client", next)
		_, table, ok := strings.Cut(string(v.body), `<th scope="col">Hvem</th>`)
		if v.status != http.StatusOK || !ok {
			t.Fatalf("page %d: %d", pages, v.status)
		}
		rows := positions.FindAllStringSubmatch(table, -1)
		for _, m := range rows {
			seen = append(seen, m[1])
		}
		marks := regexp.MustCompile(`class="(dot|no|self)"`).FindAllString(string(v.body), -1)
		if len(marks) != len(rows) {
			t.Errorf("page %d: %d rows, and %d on the picture", pages, len(rows), len(marks))
		}
		if drawn := strings.Contains(string(v.body), "Tidslinjen viser de oppslagene"); !drawn {
			t.Errorf("page %d does not say that there are others", pages)
		}
		if !strings.Contains(string(v.body), "Slik sto klienten 21. april 2026") {
			t.Errorf("page %d tells of another instant", pages)
		}
		if n := len(v.body) + len(asset(t, h, "style.css")); n > 50_000 {
			t.Errorf("page %d: %d bytes with its stylesheet", pages, n)
		}
		if next = hiddenFields(v.body, `name="upto"`); next == nil {
			file := hiddenFields(v.body, `name="as"`)
			file.Set("as", "csv")
			if lines := strings.Count(string(h.open(randi, "/audit", file).body), "\r\n"); lines != len(seen)+1 {
				t.Errorf("the file has %d rows of %d", lines-1, len(seen))
			}
		}
	}
	if pages < 2 || !slices.Equal(seen, of[most]) {
		t.Errorf("%d pages with %d rows of %d", pages, len(seen), len(of[most]))
	}
}

// What cannot be asked is asked for again, with what was filled in, and is not on record.
func TestAuditorIsAskedAgain(t *testing.T) {
	h := newHouse(t)
	randi, before := h.as(domain.RoleAuditor), h.head()
	for name, c := range map[string]struct {
		path   string
		form   url.Values
		status int
	}{
		"no reason":              {"/audit", filled("client", "ABC123", "reason", " "), 422},
		"a day that is none":     {"/audit", filled("client", "ABC123", "reason", "r", "from", "yesterday"), 422},
		"days to come":           {"/audit", filled("client", "ABC123", "reason", "r", "back", "3"), 422},
		"refused, no reason":     {"/audit/refused", filled("from", "2026-01-01"), 422},
		"no client":              {"/audit/client", filled("reason", "r", "organisation", "ABC123"), 422},
		"why, no reason":         {"/audit/events/7", filled(), 422},
		"a feed, no reason":      {"/audit/feed", filled("after", "7"), 422},
		"a feed from a word":     {"/audit/feed", filled("reason", "r", "after", "ABC123"), 422},
		"a page of no such feed": {"/audit/feed/1/0", nil, 404},
		"a place that is none":   {"/audit/feed/1/x", nil, 404},
	} {
		v := h.open(randi, c.path, c.form)
		if v.status != c.status {
			t.Errorf("%s: %d", name, v.status)
		}
		for field, values := range c.form {
			if value := values[0]; value == "ABC123" && !strings.Contains(string(v.body), `value="ABC123"`) {
				t.Errorf("%s: %s is not there any more", name, field)
			}
		}
	}
	if asked := h.since(before); len(asked) > 0 {
		t.Errorf("on record: %v", asked)
	}
}

// Who confirmed a while ago who it is does so again: before a form is filled in, and with what was filled in kept.
func TestAuditorConfirms(t *testing.T) {
	h := newHouse(t)
	randi := h.as(domain.RoleAuditor)
	h.ahead.Store(int64(6 * time.Minute))
	before := h.head()
	for _, path := range []string{"/audit", "/audit/refused", "/audit/client", "/audit/events/7", "/audit/feed"} {
		if to := h.send(randi, opened(path)).Header().Get("Location"); to != "/step-up?to="+url.QueryEscape(path) {
			t.Errorf("%s leads to %q", path, to)
		}
		v := h.open(randi, path, filled("reason", "En klage", "client", "ABC123", "key", "0123456789abcdef"))
		if v.status != http.StatusForbidden || !strings.Contains(string(v.body), `value="En klage"`) || !strings.Contains(string(v.body), `href="/step-up?`) {
			t.Errorf("%s, sent: %d", path, v.status)
		}
		checkPage(t, v, "nb")
	}
	if asked := h.since(before); len(asked) > 0 {
		t.Errorf("on record: %v", asked)
	}
	for _, other := range h.viewers {
		if other.Role == domain.RoleAuditor {
			continue
		}
		for _, form := range []url.Values{nil, filled("reason", "r")} {
			if v := h.open(other, "/audit", form); v.status != http.StatusForbidden && v.status != http.StatusUnauthorized {
				t.Errorf("/audit as %s: %d", other.Role, v.status)
			}
		}
	}
}
