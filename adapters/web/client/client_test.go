package client

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// families are the messages that the program puts together from names of the domain: the beginning, and every name there is.
func families() map[string][]string {
	names := map[string][]string{
		"client.language.": page.Languages,
		"word.instrument.": strs(slices.Collect(maps.Keys(journal.Forms))),
		"word.severity.":   strs([]journal.Severity{journal.Minimal, journal.Mild, journal.Moderate, journal.ModeratelySevere, journal.Severe}),
		"word.purpose.": strs([]client.Purpose{
			client.Overview, client.Appointment, client.Workload, client.Effect, client.Together, client.OnBehalf, client.Contact, client.SelfService, client.Export,
		}),
		"word.kind.":               strs([]client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}),
		"client.look-ups.outcome.": strs([]client.Outcome{client.InOrder, client.Mistake, client.Deviation}),
		"client.entered.":          strs([]journal.Entered{journal.ByClient, journal.Together, journal.OnBehalf}),
		"client.by.": strs([]domain.Role{
			domain.RoleClient, domain.RoleProfessional, domain.RoleSuperuser, domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleToolManager, domain.RoleSystem,
		}),
	}
	for _, row := range eventschema.Today.Rows() {
		if row.Category == eventschema.ClientStream && !strings.HasPrefix(row.Name, "lookup.") {
			names["client.event."] = append(names["client.event."], row.Name)
		}
	}
	return names
}

func strs[S ~string](in []S) (out []string) {
	for _, s := range in {
		out = append(out, string(s))
	}
	return out
}

// Every message of this audience is used, every one used is there, and the three languages have the same ones.
func TestMessages(t *testing.T) {
	written := map[string]map[string]any{}
	for _, lang := range page.Languages {
		all := map[string]any{}
		for _, part := range []string{"client", "words"} {
			b, err := os.ReadFile("../page/messages/" + part + "." + lang + ".json")
			if err == nil {
				err = json.Unmarshal(b, &all)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		written[lang] = all
	}
	used := map[string]bool{}
	for family, names := range families() {
		for _, n := range names {
			used[family+n] = true
		}
	}
	key := regexp.MustCompile(`"((?:client|word)\.[a-z0-9.-]*[a-z0-9])"`)
	done := regexp.MustCompile(`\?done=([a-z-]+)`)
	files, err := filepath.Glob("*.go")
	templates, err2 := filepath.Glob("templates/*.html")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, f := range append(files, templates...) {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(b), -1) {
			used[m[1]] = true
		}
		for _, m := range done.FindAllStringSubmatch(string(b), -1) {
			used["done."+m[1]] = true
		}
	}
	for _, lang := range page.Languages {
		for k := range used {
			if _, ok := written[lang][k]; !ok {
				t.Errorf("%s lacks %s", lang, k)
			}
		}
		for k := range written[lang] {
			if !used[k] && !strings.HasPrefix(k, "word.") { // which others use too
				t.Errorf("%s has %s, which nothing uses", lang, k)
			}
		}
	}
}

// What is shipped of questionnaires can be shown; what a language lacks is offered in another, and never made up.
func TestWordings(t *testing.T) {
	for _, lang := range page.Languages {
		if _, _, ok := wording(journal.CheckIn, lang); !ok {
			t.Errorf("the service's own form is missing in %s", lang)
		}
	}
	for _, i := range []journal.Instrument{journal.PHQ9, journal.GAD7} {
		if _, instead, ok := wording(i, "nb"); ok || instead != "en" {
			t.Errorf("%s in bokmål: %v, instead %q", i, ok, instead)
		}
		if w, _, ok := wording(i, "en"); !ok || !strings.Contains(w.Source, "Spitzer") || !strings.HasPrefix(w.Licence, "No permission required") {
			t.Errorf("%s in English: %+v", i, w)
		}
	}
}

// A file that does not fit its instrument is refused, and says why.
func TestWordingsThatDoNotFit(t *testing.T) {
	good, err := fs.ReadFile(files, "instruments/gad-7.en.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ file, from, to, want string }{
		"as it is":        {"gad-7.en.json", "", "", ""},
		"other name":      {"gad-7.nb.json", "", "", "INSTRUMENT.LANGUAGE.json"},
		"other language":  {"gad-7.de.json", `"language": "en"`, `"language": "de"`, "not shown in this language"},
		"no instrument":   {"gad-9.en.json", `"instrument": "gad-7"`, `"instrument": "gad-9"`, "no such instrument"},
		"an item missing": {"gad-7.en.json", `    "Trouble relaxing",` + "\n", "", "7 items"},
		"an answer more":  {"gad-7.en.json", `"Not at all",`, `"Not at all", "Once",`, "4 answers"},
		"no source":       {"gad-7.en.json", `"source": "`, `"source": "", "x": "`, "unknown field"},
		"blank licence":   {"gad-7.en.json", "No permission required to reproduce, translate, display or distribute.", " ", "licence must be there"},
		"not JSON":        {"gad-7.en.json", `{`, ``, "gad-7.en.json"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(good), c.from, c.to, 1)
			_, err := load(fstest.MapFS{"instruments/" + c.file: {Data: []byte(changed)}})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v", err)
			}
		})
	}
}
