// Package text holds the wordings that people answer to. Whoever says yes or no has read one of these, and the event names
// which: its name, its version and its language. A wording in use is never edited; a change is a new version, whose name is the
// day from which it is shown.
//
// A wording stands in bokmål, nynorsk and English. One that lacks a language fails the build: the program refuses to start, and
// the test of this package says which.
package text

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"samtykke/domain"
)

// The names of the wordings.
const (
	Sharing  = "sharing"   // the question whether to share, first or under Settings
	FollowUp = "follow-up" // the question whether follow-up still goes on

	Confidentiality = "confidentiality" // the declaration that whoever gets access signs

	// Processing is what whoever asks for access is told about the data: purposes, categories, source, recipients, retention, rights
	// and the right to complain (GDPR article 15(1), clause A21).
	Processing = "processing"
)

// Languages are the ones that every wording stands in: bokmål, nynorsk, English.
var Languages = []string{"nb", "nn", "en"}

// A Catalogue is a set of wordings.
type Catalogue map[domain.Text]string

//go:embed texts
var files embed.FS

// All are the wordings in use.
var All = must(load(files, "texts"))

func must(c Catalogue, err error) Catalogue {
	if err != nil {
		panic(err) // unreachable in a build whose tests have passed
	}
	return c
}

// load reads files called NAME.VERSION.LANGUAGE.txt.
func load(files fs.FS, dir string) (Catalogue, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, err
	}
	c := Catalogue{}
	for _, e := range entries {
		parts := strings.Split(e.Name(), ".")
		if len(parts) != 4 || parts[3] != "txt" || !slices.Contains(Languages, parts[2]) {
			return nil, fmt.Errorf("text %s: expected NAME.VERSION.LANGUAGE.txt", e.Name())
		}
		if _, err := domain.ParseDate(parts[1]); err != nil {
			return nil, fmt.Errorf("text %s: the version is the day from which it is shown: %w", e.Name(), err)
		}
		b, err := fs.ReadFile(files, dir+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		wording := strings.TrimSpace(string(b))
		if wording == "" {
			return nil, fmt.Errorf("text %s is empty", e.Name())
		}
		c[domain.Text{Name: parts[0], Version: parts[1], Language: parts[2]}] = wording
	}
	for t := range c {
		for _, l := range Languages {
			if _, ok := c[domain.Text{Name: t.Name, Version: t.Version, Language: l}]; !ok {
				return nil, fmt.Errorf("text %s of %s is missing in %s", t.Name, t.Version, l)
			}
		}
	}
	return c, nil
}

// Shown gives the wording to show on a day: the newest whose day has come, or else the oldest there is.
func (c Catalogue) Shown(name, language string, on domain.Date) (domain.Text, string) {
	var versions []domain.Text
	for t := range c {
		if t.Name == name && t.Language == language {
			versions = append(versions, t)
		}
	}
	slices.SortFunc(versions, func(a, b domain.Text) int { return cmp.Compare(a.Version, b.Version) })
	shown := 0
	for i, t := range versions {
		if d, err := domain.ParseDate(t.Version); err == nil && d <= on {
			shown = i
		}
	}
	if len(versions) == 0 {
		return domain.Text{}, ""
	}
	return versions[shown], c[versions[shown]]
}
