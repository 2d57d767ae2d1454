package text

import (
	"strings"
	"testing"
	"testing/fstest"

	"samtykke/domain"
)

func TestEveryWordingStandsInEveryLanguage(t *testing.T) {
	for _, name := range []string{Sharing, FollowUp, Confidentiality, Processing} {
		for _, l := range Languages {
			if shown, wording := All.Shown(name, l, domain.MustDate("2026-01-05")); wording == "" || shown.Language != l {
				t.Errorf("%s in %s: %+v, %q", name, l, shown, wording)
			}
		}
	}
}

func TestAMissingTranslationIsRefused(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for what, files := range map[string]fstest.MapFS{
		"is missing in nn": {"t/sharing.2025-09-07.nb.txt": file("a"), "t/sharing.2025-09-07.en.txt": file("b")},
		"expected NAME":    {"t/sharing.2025-09-07.sv.txt": file("a")},
		"the version":      {"t/sharing.new.nb.txt": file("a")},
		"is empty":         {"t/sharing.2025-09-07.nb.txt": file(" \n")},
	} {
		if _, err := load(files, "t"); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

func TestTheNewestWhoseDayHasCome(t *testing.T) {
	c := Catalogue{}
	for _, v := range []string{"2021-09-02", "2025-09-07", "2026-04-01"} {
		c[domain.Text{Name: Sharing, Version: v, Language: "nb"}] = v
	}
	for on, want := range map[string]string{
		"2020-01-01": "2021-09-02", "2021-09-02": "2021-09-02", "2025-09-06": "2021-09-02", "2025-09-07": "2025-09-07", "2027-01-01": "2026-04-01",
	} {
		if _, got := c.Shown(Sharing, "nb", domain.MustDate(on)); got != want {
			t.Errorf("on %s: %s, want %s", on, got, want)
		}
	}
	if shown, wording := c.Shown(FollowUp, "nb", domain.MustDate("2026-01-01")); wording != "" || shown != (domain.Text{}) {
		t.Errorf("a wording that is not there: %+v %q", shown, wording)
	}
}
