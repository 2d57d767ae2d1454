package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain"
)

// everyRole puts somebody in each role on stage.
func everyRole(t *testing.T) (*overHTTP, map[domain.Role]ledger.Caller) {
	st := newStage(t)
	o := newOverHTTP(st)
	for _, line := range []string{
		"organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question",
		"Ada fills in phq-9 1 1 1 1 1 1 1 1 1",
	} {
		if err := st.play(line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	id, err := st.sys.desk.Employ(context.Background(), employee, desk.EmployInput{Role: domain.RoleAuditor, Name: "Randi Revisor", Email: "revisor@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	o.open(employee, id)
	manager, err := st.sys.desk.Employ(context.Background(), keeping(domain.RoleSafetyManager), desk.EmployInput{Role: domain.RoleSafetyManager, Name: "Siv Sikkerhet", Email: "sikkerhet@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	o.open(keeping(domain.RoleSafetyManager), manager)
	tool, err := st.sys.desk.Employ(context.Background(), employee, desk.EmployInput{Role: domain.RoleToolManager, Name: "Vera Verktøy", Email: "verktoy@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	o.open(employee, tool)
	if err := st.sys.settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	return o, map[domain.Role]ledger.Caller{
		domain.RoleClient: st.person("Ada").caller, domain.RoleProfessional: st.person("Per").caller, domain.RoleSuperuser: st.person("Siri").caller,
		domain.RoleAuditor: {Actor: id, Role: domain.RoleAuditor, Session: st.id()}, domain.RoleEmployee: o.employee,
		domain.RoleSafetyManager: {Actor: manager, Role: domain.RoleSafetyManager, Session: st.id()},
		domain.RoleToolManager:   {Actor: tool, Role: domain.RoleToolManager, Session: st.id()},
	}
}

// path fills a route's path in, with Ada's handle where one belongs.
func (o *overHTTP) path(rt api.Route) string {
	handle := o.person("Ada").handle.String()
	return api.Prefix + strings.NewReplacer("{handle}", handle, "{professional}", handle, "{account}", handle, "{access}", handle, "{feed}", "1", "{quarter}", "2025Q4").Replace(rt.Path)
}

// sent sends a request to a route as it comes, and gives the answer with the names of the events that it caused.
func (o *overHTTP) sent(rt api.Route, by ledger.Caller, body string, with func(*http.Request)) (*httptest.ResponseRecorder, []string) {
	o.t.Helper()
	if _, err := o.events(); err != nil {
		o.t.Fatal(err)
	}
	r := httptest.NewRequest(rt.Method, "http://localhost"+o.path(rt), strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if by.Role != "" {
		token, err := o.token(by)
		if err != nil {
			o.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Idempotency-Key", o.id().String())
	with(r)
	w := o.serve(r)
	if err := o.sys.settle(context.Background()); err != nil {
		o.t.Fatal(err)
	}
	events, err := o.events()
	if err != nil {
		o.t.Fatal(err)
	}
	return w, events
}

func asItIs(*http.Request) {}

// Every route refuses whoever has no session, and every role but those that the table names; and nothing of it happens. Who is
// signed in and knocks at the door of somebody's data without being let in is on record.
func TestEveryRouteRefusesEveryOtherRole(t *testing.T) {
	o, people := everyRole(t)
	for _, rt := range api.Routes {
		if len(rt.Roles) == 0 {
			continue
		}
		name := rt.Method + " " + rt.Path
		body := sample(t, rt)
		if w, events := o.sent(rt, ledger.Caller{}, body, asItIs); w.Code != http.StatusUnauthorized || len(events) > 0 {
			t.Errorf("%s without a session: %d, %v", name, w.Code, events)
		}
		if w, events := o.sent(rt, ledger.Caller{}, body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("A", 43)) }); w.Code != http.StatusUnauthorized || len(events) > 0 {
			t.Errorf("%s with a made-up session: %d, %v", name, w.Code, events)
		}
		for role, by := range people {
			if slices.Contains(rt.Roles, role) {
				continue
			}
			w, events := o.sent(rt, by, body, asItIs)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s as %s: %d", name, role, w.Code)
			}
			var want []string
			if rt.Looks && role != domain.RoleClient {
				want = []string{"lookup.refused"}
			}
			if !slices.Equal(events, want) {
				t.Errorf("%s as %s: recorded %v, want %v", name, role, events, want)
			}
		}
	}
}

// Every command from another site's page is refused, and nothing of it happens.
func TestEveryCommandRefusesAnotherSite(t *testing.T) {
	o, people := everyRole(t)
	for _, rt := range api.Routes {
		if rt.Method == http.MethodGet {
			continue
		}
		for what, with := range map[string]func(*http.Request){
			"by Sec-Fetch-Site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"by Origin":         func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") },
		} {
			w, events := o.sent(rt, people[someRole(rt)], sample(t, rt), with)
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"cross-site"`) || len(events) > 0 {
				t.Errorf("%s %s %s: %d, %v", rt.Method, rt.Path, what, w.Code, events)
			}
		}
	}
}

// A command without a key is refused, and nothing of it happens.
func TestEveryCommandTakesAKey(t *testing.T) {
	o, people := everyRole(t)
	for _, rt := range api.Routes {
		if !rt.Keyed {
			continue
		}
		for what, with := range map[string]func(*http.Request){
			"no key":        func(r *http.Request) { r.Header.Del("Idempotency-Key") },
			"a short key":   func(r *http.Request) { r.Header.Set("Idempotency-Key", "123456789012345") },
			"two keys":      func(r *http.Request) { r.Header.Add("Idempotency-Key", o.id().String()) },
			"a long key":    func(r *http.Request) { r.Header.Set("Idempotency-Key", strings.Repeat("k", 129)) },
			"a blank in it": func(r *http.Request) { r.Header.Set("Idempotency-Key", "0123456789 0123456789") },
		} {
			w, events := o.sent(rt, people[someRole(rt)], sample(t, rt), with)
			if w.Code != http.StatusBadRequest || len(events) > 0 {
				t.Errorf("%s %s with %s: %d, %v", rt.Method, rt.Path, what, w.Code, events)
			}
		}
	}
}

// What comes in another form than the description says is refused, and nothing of it happens.
func TestEveryRouteReadsStrictly(t *testing.T) {
	o, people := everyRole(t)
	for _, rt := range api.Routes {
		if rt.Method == http.MethodGet {
			w, events := o.sent(rt, people[someRole(rt)], "", func(r *http.Request) { r.URL.RawQuery = "unknown=1&after=0" })
			if w.Code != http.StatusBadRequest || len(events) > 0 {
				t.Errorf("GET %s with an unknown name in the query: %d, %v", rt.Path, w.Code, events)
			}
			continue
		}
		by := people[someRole(rt)]
		good := sample(t, rt)
		if good == "" {
			if w, events := o.sent(rt, by, `{"a":1}`, asItIs); w.Code != http.StatusBadRequest || len(events) > 0 {
				t.Errorf("%s %s with a body: %d, %v", rt.Method, rt.Path, w.Code, events)
			}
			continue
		}
		for what, c := range bent(t, good) {
			w, events := o.sent(rt, by, c.body, func(r *http.Request) {
				if c.kind != "" {
					r.Header.Set("Content-Type", c.kind)
				}
			})
			if w.Code < 400 || w.Code >= 500 || w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || len(events) > 0 {
				t.Errorf("%s %s with %s: %d %s, %v", rt.Method, rt.Path, what, w.Code, w.Body, events)
			}
			var p web.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code == "" || p.Detail == "" {
				t.Errorf("%s %s with %s: no problem that says what is wrong: %s", rt.Method, rt.Path, what, w.Body)
			}
		}
	}
}

type bentBody struct{ body, kind string }

// bent gives bodies that are wrong in one way each.
func bent(t *testing.T, good string) map[string]bentBody {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(good), &members); err != nil {
		t.Fatal(err)
	}
	all := map[string]bentBody{
		"nothing":                 {"", "application/json"},
		"a blank":                 {" ", ""},
		"a list":                  {"[]", ""},
		"null":                    {"null", ""},
		"half of it":              {good[:len(good)-1], ""},
		"something behind it":     {good + " 1", ""},
		"an unknown member":       {`{"unknown":1,` + good[1:], ""},
		"another charset":         {good, "application/json; charset=iso-8859-1"},
		"another type":            {good, "text/plain"},
		"a form":                  {"a=b", "application/x-www-form-urlencoded"},
		"bytes that are no UTF-8": {strings.Replace(good, `":`, "\xff\":", 1), ""},
		"a byte order mark":       {"\ufeff" + good, ""},
		"a member with capitals":  {strings.Replace(good, good[2:3], strings.ToUpper(good[2:3]), 1), ""},
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		write := func(m map[string]json.RawMessage) string {
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		less := maps.Clone(members)
		delete(less, name)
		all["no "+name] = bentBody{write(less), ""}
		twice := fmt.Sprintf(`{%q:%s,%s`, name, members[name], good[1:])
		all[name+" twice"] = bentBody{twice, ""}
		for what, v := range map[string]string{"null": "null", "a list": "[[]]", "an object": `{"x":{}}`, "a number": "7.5", "a text": `"text"`, "a truth": "true"} {
			if v[0] == members[name][0] || v == "true" && members[name][0] == 'f' || v == "7.5" && bytes.ContainsRune([]byte("0123456789"), rune(members[name][0])) {
				continue
			}
			other := maps.Clone(members)
			other[name] = json.RawMessage(v)
			all[name+" as "+what] = bentBody{write(other), ""}
		}
	}
	return all
}

func someRole(rt api.Route) domain.Role {
	if len(rt.Roles) == 0 {
		return ""
	}
	return rt.Roles[0]
}

// sample makes a body for a route from its description: all that has to be there, and nothing else.
func sample(t *testing.T, rt api.Route) string {
	t.Helper()
	c := theContract()
	s, ok := c.find("/paths/" + escape(api.Prefix+rt.Path) + "/" + strings.ToLower(rt.Method) + "/requestBody/content/application~1json/schema")
	if !ok {
		return ""
	}
	b, err := json.Marshal(c.sample(s.(map[string]any)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(b), `"entered":"client"`, `"entered":"together"`, 1) // the first of the words is the client's own
}

func (c *contract) sample(s map[string]any) any {
	if ref, ok := s["$ref"].(string); ok {
		to, _ := c.find(ref[1:])
		return c.sample(to.(map[string]any))
	}
	if words, ok := s["enum"].([]any); ok {
		return words[0]
	}
	switch s["type"] {
	case "object":
		out := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, name := range required {
			out[name.(string)] = c.sample(properties[name.(string)].(map[string]any))
		}
		return out
	case "array":
		return []any{c.sample(s["items"].(map[string]any))}
	case "integer":
		return 1
	case "boolean":
		return false
	}
	if s["format"] == "date-time" {
		return "2026-01-05T09:00:00Z"
	}
	return "a text"
}
