package auditor

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/audit"
	"samtykke/adapters/web/api"
	"samtykke/domain"
)

// may is what these pages call of a request: what reads, and leaves no trace but the question; and what tells of the request itself.
var may = []string{
	"WhoSaw", "ListRefused", "Why", "StateAt", "History", "OpenFeed", "ReadFeed",
	"Form", "Part", "Path", "Lang", "Now", "StaffName", "Refuse",
}

// The package reads by construction: of a request, which here is always called r, it uses nothing but the names above.
func TestOnlyReads(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				for _, name := range n.Names {
					if isRequest(n.Type) != (name.Name == "r") && name.Name != "_" {
						t.Errorf("%v: a request is called r, and nothing else is", set.Position(n.Pos()))
					}
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "r" && ast.IsExported(n.Sel.Name) {
					used[n.Sel.Name] = true
				}
			case *ast.AssignStmt:
				for _, right := range n.Rhs {
					if x, ok := right.(*ast.Ident); ok && x.Name == "r" {
						t.Errorf("%v: a request under another name", set.Position(n.Pos()))
					}
				}
			}
			return true
		})
	}
	if !used["WhoSaw"] || !used["OpenFeed"] {
		t.Fatal("the test does not see what is called")
	}
	for name := range used {
		if !slices.Contains(may, name) {
			t.Errorf("the package uses %s of a request", name)
		}
	}
}

func isRequest(e ast.Expr) bool {
	star, ok := e.(*ast.StarExpr)
	if !ok {
		return false
	}
	s, ok := star.X.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Request"
}

// Every page is for auditors alone, and takes both factors but for reading on in a feed that was opened by both.
func TestScreens(t *testing.T) {
	for _, s := range Screens {
		if !slices.Equal(s.Roles, []domain.Role{domain.RoleAuditor}) || s.Looks || s.Strong != (s.Stale != nil) ||
			!s.Strong && s.Path != "/audit/feed/{feed}/{after}" {
			t.Errorf("%s %s: %v, strong %v", s.Method, s.Path, s.Roles, s.Strong)
		}
	}
}

// The instant and the days before it always count together.
func TestAsItWas(t *testing.T) {
	now := domain.MustDate("2026-04-28").Start().Add(9*time.Hour + 30*time.Second + 5*time.Nanosecond)
	oslo := func(s string) string {
		at, err := time.ParseInLocation("2006-01-02 15:04:05", s, domain.Oslo)
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC().String()
	}
	for _, c := range []struct{ known, back, want string }{
		{"", "", ""},
		{"", "0", ""},
		{"", "-1", oslo("2026-04-27 09:00:30")},
		{"", "-30", oslo("2026-03-29 09:00:30")},
		{"", "-31", oslo("2026-03-28 09:00:30")}, // winter time: the same hour of the clock
		{"2026-01-05T10:00", "", oslo("2026-01-05 10:00:00")},
		{"2026-01-05T10:00", "0", oslo("2026-01-05 10:00:00")},
		{"2026-01-05T10:00:07", "-5", oslo("2025-12-31 10:00:07")},
		{"2026-01-05", "0", "refused"},
		{"tomorrow", "", "refused"},
		{"", "1", "refused"},
		{"", "-1x", "refused"},
		{"", "-99999", "refused"},
	} {
		q := question{Known: c.known, Back: c.back}
		p, err := q.period(now)
		got := ""
		switch {
		case err != nil:
			got = "refused"
		case p.known != nil:
			got = p.known.UTC().String()
		}
		if got != c.want {
			t.Errorf("%q and %q days: %s, expected %s", c.known, c.back, got, c.want)
		}
		if err != nil {
			continue
		}
		// What is asked next means the same, also later.
		if next, err := q.fixed(p).period(now.Add(time.Hour)); err != nil || (next.known == nil) != (p.known == nil) || next.known != nil && !next.known.Equal(*p.known) {
			t.Errorf("%q and %q days: on the next page %v, %v", c.known, c.back, next.known, err)
		}
	}
}

func TestPeriod(t *testing.T) {
	p, err := question{From: "2026-03-29", To: "2026-03-29"}.period(time.Time{})
	if err != nil || p.to.Sub(*p.from) != 23*time.Hour { // the day on which the clock goes forward
		t.Errorf("a day: %v to %v, %v", p.from, p.to, err)
	}
	if _, err := (question{From: "29.03.2026"}).period(time.Time{}); err == nil {
		t.Error("a day in another form is taken")
	}
}

// A spreadsheet takes no cell for a formula, and no cell for two.
func TestCSV(t *testing.T) {
	got, err := asCSV("nb", "f", []row{{Position: 7, Who: `=HYPERLINK("x")`, Role: "+1", Of: "-1", Client: "@a", What: "\tx", Why: "a;b", Rule: "r/1", Outcome: "Sluppet inn"}})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimPrefix(string(got.Body), "\ufeff"), "\r\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "Plass i loggen;Når;Utfall;Hvorfor;Hvem;") || lines[2] != "" {
		t.Fatalf("%q", lines)
	}
	if want := `7;;Sluppet inn;"a;b";"'=HYPERLINK(""x"")";;'+1;'-1;'@a;'` + "\tx" + `;;;;;;r/1;`; lines[1] != want {
		t.Errorf("%q, expected %q", lines[1], want)
	}
	if got.Name != "f.csv" || got.Kind != "text/csv; charset=utf-8" {
		t.Errorf("%s, %s", got.Name, got.Kind)
	}
}

// A file has all pages of an answer or is not made.
func TestWhole(t *testing.T) {
	pages := func(n int) func(api.AuditPage) ([]int, uint64, uint64, error) {
		return func(p api.AuditPage) ([]int, uint64, uint64, error) {
			if p.After > 0 && p.Upto != 99 {
				return nil, 0, 0, errors.New("the pages are not of one answer")
			}
			next := p.After + 1
			if int(next) == n {
				next = 0
			}
			return make([]int, perFile), next, 99, nil
		}
	}
	if rows, err := whole(pages(3)); err != nil || len(rows) != 3*perFile {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if rows, err := whole(pages(mostRows / perFile)); err != nil || len(rows) != mostRows {
		t.Errorf("as many as a file holds: %d rows, %v", len(rows), err)
	}
	if rows, err := whole(pages(mostRows/perFile + 1)); err == nil || rows != nil {
		t.Errorf("more than a file holds: %d rows, %v", len(rows), err)
	}
}

// The picture shows what is open, and each look-up once.
func TestTimeline(t *testing.T) {
	day := func(s string) time.Time { return domain.MustDate(s).Start() }
	h := audit.History{From: day("2026-01-01"), To: day("2026-03-01"), Turns: []audit.Turn{
		{Effective: day("2025-12-01"), Status: "unanswered"}, {Effective: day("2026-01-10"), Status: "shared"},
		{Effective: day("2026-02-01"), Status: "shared", Restricted: true},
	}}
	rows := []audit.Sighting{
		{At: day("2026-01-15"), Allowed: true, Basis: "grant"}, {At: day("2026-01-16"), Allowed: true, Basis: "own-data"}, {At: day("2026-02-02")},
		{At: day("2026-03-02"), Allowed: true, Basis: "grant"}, // later than the picture
	}
	for lang, title := range map[string]string{"nb": "1. januar 2026 til 1. mars 2026", "nn": "1. januar 2026 til 1. mars 2026", "en": "1 January 2026 to 1 March 2026"} {
		svg := string(timeline(lang, h, rows, day("2026-02-15")))
		for what, n := range map[string]int{`class="span on"`: 1, `class="span off"`: 2, `class="dot"`: 1, `class="self"`: 1, `class="no"`: 1, `class="moment"`: 1, title: 1} {
			if strings.Count(svg, what) != n {
				t.Errorf("%s: %s stands %d times in %s", lang, what, strings.Count(svg, what), svg)
			}
		}
	}
}
