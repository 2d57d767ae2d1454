//go:build !mutants

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"samtykke/adapters/web/page"
	"samtykke/domain"
)

// shown are the pages on which professionals and superusers are shown what they asked for: what clients registered, and codes.
func (h *house) shown(lang string) (all []visit) {
	h.t.Helper()
	for _, g := range h.viewers {
		if g.Role != domain.RoleProfessional && g.Role != domain.RoleSuperuser {
			continue
		}
		send := func(path string, fields ...string) {
			all = append(all, h.open(g, path, filled(append(fields, "lang", lang)...)))
		}
		own := "/clients/" + g.shared[0]
		send("/overview", "show", "yes")
		send("/overview", "search", "ZZZZZZ")
		for _, purpose := range []string{"before-appointment", "workload", "effect"} {
			send(own, "purpose", purpose, "all", "yes")
		}
		send("/clients/"+g.shared[1], "purpose", "effect")
		send(own+"/notes", "key", "x", "text", "Ring 91 23 45 67")
		send(own+"/register/gad-7", "key", "x", "entered", "together")
		send("/clients/new", "key", lang+string(g.Role))
		if g.Role == domain.RoleSuperuser {
			fields := personal("Kari", lang+"@example.org")
			send("/professionals/new", append(fields, "key", lang)...)
			send("/professionals/new", append(fields, "key", lang, "email", "none")...)
		}
	}
	return all
}

// Each of these gives what is wrong with a page, in words.
const (
	// scrolls: wider than the window. What lies in an element that scrolls by itself may be.
	scrolls = `document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] : ["scrolls sideways: " +
	[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll"))
	.map(e => e.tagName + "." + e.className).slice(0, 3)]`

	// shows: nothing to read.
	shows = `document.querySelector("main").innerText.trim() ? [] : ["shows nothing"]`

	// moves: an animation or a transition, or scrolling that glides.
	moves = `[...document.querySelectorAll("*")].filter(e => { const s = getComputedStyle(e); return s.animationName !== "none" ||
	s.transitionDuration.split(", ").some(d => d !== "0s") || s.scrollBehavior !== "auto"; }).map(e => "moves: " + e.tagName + "." + e.className)
	.concat(document.getAnimations().map(a => "runs an animation"))`

	// prints: on paper nothing is there to press, the content is, and nothing lies beyond the edge or is cut off there.
	prints = `[...document.querySelectorAll("nav, button, a.button, input:not([type=hidden]), select, textarea, .skip, .languages")]
	.filter(e => e.checkVisibility()).map(e => "prints " + e.outerHTML.slice(0, 80))
	.concat(document.querySelector("main").innerText.trim() ? [] : ["prints nothing"])
	.concat([...document.querySelectorAll("main *")].filter(e => e.checkVisibility() && !e.closest("svg") && (
		e.getBoundingClientRect().right > innerWidth + 1 ||
		getComputedStyle(e).overflowX !== "visible" && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1))
		.map(e => "is cut off on paper: " + e.tagName + "." + e.className + " at " + Math.round(e.getBoundingClientRect().right)).slice(0, 3))`

	// holds: what there is to read and to fill in.
	holds = `[document.querySelector("main").innerText.trim(), ...[...document.querySelectorAll("input, select, textarea, button")]
	.filter(e => e.checkVisibility()).map(e => e.tagName + " " + e.name)]`
)

// sheets are what a page is shown on: a narrow window, one at twice the size, and A4 within its margins, 718 px of CSS wide.
var sheets = []struct {
	about  string
	width  int64
	scale  float64
	media  string
	checks []string
}{
	{"at 320 px", 320, 1, "screen", []string{scrolls, shows, moves}},
	{"at twice its size", 640, 2, "screen", []string{scrolls}},
	{"on paper", 718, 1, "print", []string{prints}},
}

// onSheets shows the page on every sheet, to somebody who wants no motion, and gives what is wrong with it.
func (b *browser) onSheets() (wrong []string, err error) {
	for _, s := range sheets {
		if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(s.width, 400, chromedp.EmulateScale(s.scale))); err != nil {
			return nil, err
		}
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: s.media, Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		if err != nil {
			return nil, err
		}
		found, err := b.asks(`[` + strings.Join(s.checks, `, `) + `].flat()`)
		if err != nil {
			return nil, err
		}
		for _, w := range found {
			wrong = append(wrong, s.about+" "+w)
		}
	}
	return wrong, nil
}

// Every page passes the checks for WCAG 2.2 AA that a machine can make, narrow and wide, light and dark, and in every language, is never
// wider than its window, and can be read on a narrow telephone, at twice its size, without motion, on paper and without scripts.
func TestPagesInABrowser(t *testing.T) {
	h := newHouse(t)
	all, files, ids := map[string][]visit{}, len(asset(t, h, "style.css"))+len(asset(t, h, "notes.js")), h.ids()
	for _, lang := range page.Languages {
		shown := h.shown(lang)
		for _, v := range shown {
			checkPage(t, v, lang)
			h.checkIDs(v, ids)
		}
		all[lang] = append(h.visits(lang), shown...)
		for _, v := range all[lang] {
			if n := len(v.body) + files; n > 50_000 {
				t.Errorf("%v: %d bytes with stylesheet and script", v, n)
			}
		}
	}
	tours, browser, script := h.tours(), chromium(t), axe(t)
	t.Run("looks and sheets", func(t *testing.T) {
		t.Parallel()
		b := newTab(t, browser, different(slices.Clone(all["nb"]), build))
		b.adds(t, script)
		b.each(t, func(visit) ([]string, error) {
			wrong, err := b.onSheets()
			if err != nil {
				return nil, err
			}
			looked, err := b.looked()
			return append(wrong, looked...), err
		})
	})
	t.Run("without scripts", func(t *testing.T) {
		t.Parallel()
		newTab(t, browser, different(slices.DeleteFunc(slices.Clone(all["nb"]), visit.still), visit.page)).withoutScripts(t)
	})
	t.Run("what is kept", func(t *testing.T) {
		t.Parallel()
		littleIsKept(t, h, browser, tours)
	})
	for _, lang := range []string{"nn", "en"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			b := newTab(t, browser, different(all[lang], visit.page))
			b.adds(t, script)
			if err := b.as(look{360, "light"}); err != nil {
				t.Fatal(err)
			}
			b.each(t, func(visit) ([]string, error) { return b.asksAxe(wordingRules) })
		})
	}
}

// runsOrTells is how a page can be another without scripts: it has one, or says something in place of one.
var runsOrTells = regexp.MustCompile(`(?i)script|\son[a-z]+\s*=`)

// still tells whether a page is the same without scripts.
func (v visit) still() bool { return !runsOrTells.Match(v.body) }

// withoutScripts checks that pages hold the same as with them, but two, which say that they need one: notes that stay on the device,
// and a new code, which they are sealed anew with.
func (b *browser) withoutScripts(t *testing.T) {
	with, scripts := map[string][]string{}, 0
	b.each(t, func(v visit) (_ []string, err error) {
		with[v.page()], err = b.asks(holds)
		return nil, err
	})
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	if err != nil {
		t.Fatal(err)
	}
	b.each(t, func(v visit) ([]string, error) {
		without, err := b.asks(holds)
		if err != nil || without[0] != "" && slices.Equal(without, with[v.page()]) {
			return nil, err
		}
		if bytes.Contains(v.body, []byte("<script")) {
			scripts++
			if strings.Contains(without[0], say("client.notes.no-script")) || strings.Contains(without[0], say("client.code.no-script")) {
				return nil, nil
			}
		}
		return []string{fmt.Sprintf("without scripts holds %q, and not %q", without, with[v.page()])}, nil
	})
	if scripts != 2 {
		t.Errorf("%d pages need a script, not 2", scripts)
	}
}

// adds has every page run a script of the test's own.
func (b *browser) adds(t *testing.T, script string) {
	t.Helper()
	_, err := chromedp.Call(b.ctx, cdpage.AddScriptToEvaluateOnNewDocument, cdpage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	if err != nil {
		t.Fatal(err)
	}
}

// page is which it is, whoever sees it.
func (v visit) page() string { return strings.TrimPrefix(v.name(), string(v.Role)) }

// each opens every page, and reports what is wrong with it.
func (b *browser) each(t *testing.T, wrong func(visit) ([]string, error)) {
	t.Helper()
	begun := time.Now()
	for n, v := range b.visits {
		if err := b.show(n); err != nil {
			t.Fatal(v, err)
		}
		found, err := wrong(v)
		if err != nil {
			t.Fatal(v, err)
		}
		for _, w := range found {
			t.Errorf("%v %s", v, w)
		}
	}
	t.Logf("%d pages in %v", len(b.visits), time.Since(begun).Round(time.Second))
}

// A tour is somebody in a role, and every page there is in that role.
type tour struct {
	viewer
	paths []string
}

func (h *house) tours() (all []tour) {
	h.t.Helper()
	for _, g := range h.viewers {
		if slices.ContainsFunc(all, func(t tour) bool { return t.Role == g.Role }) {
			continue
		}
		t := tour{viewer: g}
		for _, s := range screens {
			open := len(s.Roles) == 0 && (g.Role == "" || !strings.Contains(s.Path, "{")) // the same to everybody
			may := open || slices.Contains(s.Roles, g.Role)
			if s.Method == http.MethodGet && (may || g.Role == "" && !strings.Contains(s.Path, "{")) {
				t.paths = append(t.paths, h.paths(g, s.Path)...)
			}
		}
		all = append(all, t)
	}
	return all
}

// A22: whoever comes, and to whatever page: no cookie but the session's, nothing stored, nothing asked of others.
func littleIsKept(t *testing.T, h *house, browser context.Context, tours []tour) {
	l := newLine(t, h.site)
	for _, g := range tours {
		d := newDevice(t, l, browser)
		switch {
		case g.Code != "":
			d.comesByCode(g.Code)
		case g.Login != "":
			h.ahead.Add(int64(time.Minute)) // for a one-time code that was not used
			oneTime, err := totp.GenerateCode(g.Secret, h.clock())
			if err != nil {
				t.Fatal(err)
			}
			d.comesByPassword(g.Login, g.Password, oneTime)
		default:
			d.opens("/")
		}
		before := d.keepsLittle()
		if (before != nil) != (g.Role != "") {
			t.Fatalf("%s: the cookie of the session is there: %t", g.Role, before != nil)
		}
		for _, path := range g.paths {
			status := d.opens(path)
			other := strings.HasPrefix(path, "/audit/feed/") || strings.Contains(path, "/none") // which is the session's that opened it; or not there
			if g.Role != "" && status != http.StatusOK && !other {
				t.Errorf("%s as %s: %d", path, g.Role, status)
			}
		}
		if after := d.keepsLittle(); before != nil && (after == nil || after.Value != before.Value) {
			t.Errorf("%s: the cookie of the session has changed", g.Role)
		}
	}
}
