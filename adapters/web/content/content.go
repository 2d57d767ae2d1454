// Package content is the catalogue of the programme: its parts, and tasks to do between them, by id, with their words in every
// language. Events and requests name a part by its id; people read its name.
//
// The catalogue is data, in catalogue.json. A part's words may be bettered, and its version is then the day from which it has them; its
// id stays, and no part is taken out, because what is on record names it. One that lacks a language fails the build: the program
// refuses to start, and the test of this package says which.
//
// The programme is a modest one of the service's own making. It says nothing of illness, and gives no treatment.
package content

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"samtykke/domain"
)

// Languages are the ones that every part stands in: bokmål, nynorsk, English.
var Languages = []string{"nb", "nn", "en"}

// A Part is a part of the programme, or a task.
type Part struct {
	ID      string           `json:"id"`      // words of a to z, with hyphens between them
	Version string           `json:"version"` // the day from which it has these words
	Task    bool             `json:"task,omitempty"`
	In      map[string]Words `json:"in"` // by language
}

// Words are a part in one language.
type Words struct {
	Name        string `json:"name"`
	Description string `json:"description"` // in a sentence
	Text        string `json:"text"`        // what it says; an empty line stands between paragraphs
}

type catalogue struct {
	Unknown map[string]string `json:"unknown"` // the name of what the catalogue does not have
	Parts   []Part            `json:"parts"`
}

//go:embed catalogue.json
var file []byte

var all = must(load(file))

func must(c catalogue, err error) catalogue {
	if err != nil {
		panic(err) // unreachable in a build whose tests have passed
	}
	return c
}

var wellFormed = regexp.MustCompile(`^[a-z]{1,20}(-[a-z]{1,20})*$`)

// load reads a catalogue. It fails where a part lacks something, and says which.
func load(b []byte) (catalogue, error) {
	var c catalogue
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(&c); err != nil {
		return c, fmt.Errorf("catalogue: %w", err)
	}
	seen := map[string]bool{}
	for _, p := range c.Parts {
		if !wellFormed.MatchString(p.ID) || seen[p.ID] {
			return c, fmt.Errorf("catalogue: the id %q is not well-formed, or stands twice", p.ID)
		}
		seen[p.ID] = true
		if _, err := domain.ParseDate(p.Version); err != nil {
			return c, fmt.Errorf("catalogue: the version of %s is a day: %w", p.ID, err)
		}
		for _, lang := range Languages {
			if w := p.In[lang]; blank(w.Name) || blank(w.Description) || blank(w.Text) {
				return c, fmt.Errorf("catalogue: %s lacks words in %s", p.ID, lang)
			}
		}
		if len(p.In) != len(Languages) {
			return c, fmt.Errorf("catalogue: %s stands in a language that the service does not have", p.ID)
		}
	}
	for _, lang := range Languages {
		if blank(c.Unknown[lang]) {
			return c, fmt.Errorf("catalogue: what is unknown has no name in %s", lang)
		}
	}
	return c, nil
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// Parts are all parts and tasks, in the order in which they are meant to be used.
func Parts() []Part { return slices.Clone(all.Parts) }

// Find gives a part by its id.
func Find(id string) (Part, bool) {
	i := slices.IndexFunc(all.Parts, func(p Part) bool { return p.ID == id })
	if i < 0 {
		return Part{}, false
	}
	return all.Parts[i], true
}

// Name is what a part is called in a language (nb, nn, en). What the catalogue does not have goes by a neutral name, never by its id.
func Name(lang, id string) string {
	if p, ok := Find(id); ok {
		return p.In[lang].Name
	}
	return all.Unknown[lang]
}
