package content

import (
	"strings"
	"testing"
)

// The programme has parts and tasks, and each is called something else than the others in every language.
func TestCatalogue(t *testing.T) {
	parts, tasks := 0, 0
	for _, lang := range Languages {
		names := map[string]bool{all.Unknown[lang]: true}
		for _, p := range Parts() {
			w := p.In[lang]
			if names[w.Name] || Name(lang, p.ID) != w.Name {
				t.Errorf("%s in %s is called %q", p.ID, lang, w.Name)
			}
			names[w.Name] = true
			if len(w.Name) > 60 || !strings.HasSuffix(w.Description, ".") || strings.ContainsAny(w.Name+w.Description+w.Text, `"'`) {
				t.Errorf("%s in %s: the words are not well set: %+v", p.ID, lang, w)
			}
		}
	}
	for _, p := range Parts() {
		if found, ok := Find(p.ID); !ok || found.Version != p.Version {
			t.Errorf("%s is not found", p.ID)
		}
		if p.Task {
			tasks++
		} else {
			parts++
		}
	}
	if parts < 8 || tasks < 3 {
		t.Errorf("%d parts and %d tasks", parts, tasks)
	}
}

// What is unknown has a name, and it is not the id.
func TestUnknown(t *testing.T) {
	if _, ok := Find("part-1"); ok {
		t.Error("found what there is not")
	}
	for _, lang := range Languages {
		if got := Name(lang, "part-1"); got == "" || strings.Contains(got, "part-1") {
			t.Errorf("unknown in %s is called %q", lang, got)
		}
	}
}

// Nobody changes the catalogue from outside.
func TestPartsAreACopy(t *testing.T) {
	Parts()[0].ID = "changed"
	if _, ok := Find("changed"); ok {
		t.Error("the catalogue was changed through its copy")
	}
}

// A catalogue that lacks something is refused, and says what.
func TestCataloguesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"as it is":          {"", "", ""},
		"not JSON":          {"{", "", "catalogue"},
		"a field more":      {`"id": "sleep"`, `"id": "sleep", "x": 1`, "unknown field"},
		"an id twice":       {`"id": "sleep"`, `"id": "worry"`, "stands twice"},
		"a capital":         {`"id": "sleep"`, `"id": "Sleep"`, "not well-formed"},
		"a number":          {`"id": "sleep"`, `"id": "part-1"`, "not well-formed"},
		"no version":        {`"version": "2026-01-05"`, `"version": ""`, "version of start"},
		"no name":           {`"name": "Sleep"`, `"name": " "`, "sleep lacks words in en"},
		"no description":    {`"description": "Habits that make it easier to sleep."`, `"description": ""`, "sleep lacks words in en"},
		"another language":  {`"en": {`, `"de": {`, "lacks words in en"},
		"nothing's name":    {`"nn": "Ein del av programmet"`, `"nn": ""`, "unknown has no name in nn"},
		"a language beside": {`"in": {`, `"in": {"de": {},`, "that the service does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load([]byte(strings.Replace(string(file), c.from, c.to, 1)))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v", err)
			}
		})
	}
}
