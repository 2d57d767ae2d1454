package main

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	"samtykke/domain"
)

// A quick run prints three lines for every page of every role, with no id in any of them.
func TestBenchPages(t *testing.T) {
	lines := quickLines(t, "--pages")
	asked := map[string]int{} // lines by section and page
	for _, l := range lines {
		page, of, _ := strings.Cut(l.What, ": ")
		asked[l.Section+" "+page]++
		aims := map[string]string{"": "", "rendering": "≤ 5 ms", "size": "≤ 50 kB"}
		if aim, ok := aims[of]; !ok || l.Aim != aim || (of == "") != (l.Ratio > 0) || l.Figure <= 0 {
			t.Errorf("%s, %s: %+v", l.Section, l.What, l)
		}
		if anID.MatchString(l.What) {
			t.Errorf("%s has an id", l.What)
		}
	}
	for page, n := range asked {
		if n != 3 {
			t.Errorf("%s: %d lines", page, n)
		}
	}
	for _, s := range screens {
		if s.Method != http.MethodGet || s.Path == "/first-question" || s.Path == "/follow-up" || // these only while somebody is asked
			strings.HasSuffix(s.Path, "/{file}") { // no page
			continue
		}
		roles := s.Roles
		if len(roles) == 0 {
			roles = []domain.Role{""}
		}
		for _, role := range roles {
			if page := "pages: " + cmp.Or(string(role), "nobody") + " " + s.Path; asked[page] == 0 {
				t.Errorf("%s was not asked for: nothing leads there, or it only leads on", page)
			}
		}
	}
	for _, page := range []string{
		"pages: professional /overview, sent", "pages: superuser /clients/{handle}, sent",
		"pages: client /forms/phq-9?wording", "pages: auditor /audit/events/{position}, sent",
	} {
		if asked[page] == 0 {
			t.Errorf("%s was not asked for", page)
		}
	}
}
