//go:build !mutants

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"
)

// missing is for a test without its tools: it is left out on a developer's machine, and fails where everything is checked.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("missing: ", what)
	}
	t.Skip("left out; missing: ", what)
}

// A look is how a page is looked at.
type look struct {
	width int64
	theme string
}

var looks = []look{{360, "light"}, {1200, "light"}, {360, "dark"}, {1200, "dark"}}

// A browser has one tab, in which it shows pages as they were sent.
type browser struct {
	ctx    context.Context
	at     string
	visits []visit
}

// newBrowser starts the machine's browser for pages that were recorded.
func newBrowser(t *testing.T, visits []visit) *browser {
	t.Helper()
	return newTab(t, chromium(t), visits)
}

// newTab opens one more window of a browser.
func newTab(t *testing.T, in context.Context, visits []visit) *browser {
	t.Helper()
	b := &browser{visits: visits}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.at = server.URL
	var stop context.CancelFunc
	b.ctx, stop = chromedp.NewContext(in)
	t.Cleanup(stop)
	if err := chromedp.Do(b.ctx); err != nil { // without a limit of time, which would be the window's
		t.Fatal(err)
	}
	return b
}

// chromium starts the machine's browser.
func chromium(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		missing(t, "a browser: chromium, chromium-browser or google-chrome")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.Headless, chromedp.NoFirstRun, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir())}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium does not have as root
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// ServeHTTP shows a page under its number, with the headers that it came with, and what pages load.
func (b *browser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || n >= len(b.visits) {
		site((&system{}).service(false), nil, nil).ServeHTTP(w, r)
		return
	}
	maps.Copy(w.Header(), b.visits[n].header)
	w.Write(b.visits[n].body)
}

// show opens a page.
func (b *browser) show(n int) error {
	return chromedp.Do(b.ctx, chromedp.Navigate(b.at+"/"+strconv.Itoa(n)))
}

// as sets the width and the colours.
func (b *browser) as(l look) error {
	err := chromedp.Do(b.ctx, chromedp.EmulateViewport(l.width, 800))
	if err == nil {
		_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.theme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
	}
	return err
}

// axeCore is the version of the checks, and the address that the registry has it under.
const axeCore = "axe-core@4.14.1"

// axe gives the checks, from a folder of this user, where npm puts them once.
func axe(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "samtykke")
	archive := filepath.Join(dir, "axe-core-4.14.1.tgz")
	if _, err := os.Stat(archive); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		fetch := exec.Command("npm", "pack", "--silent", axeCore)
		fetch.Dir = dir
		if out, err := fetch.CombinedOutput(); err != nil {
			missing(t, fmt.Sprintf("%s, by npm: %v %s", axeCore, err, out))
		}
	}
	script, err := fromArchive(archive, "package/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

func fromArchive(archive, name string) (string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if err != nil {
			return "", errors.Join(err, errors.New("there is no "+name))
		}
		if h.Name == name {
			b, err := io.ReadAll(files)
			return string(b), err
		}
	}
}

// What of axe's checks is run. In the dark only colours are another's, and in another language they are not.
const (
	everyRule    = `runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]`
	colourRules  = `runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}`
	wordingRules = everyRule + `, rules: {"color-contrast": {enabled: false}}`
)

// asksAxe runs checks, and gives what is wrong in words.
func (b *browser) asksAxe(rules string) ([]string, error) {
	return b.asks(`axe.run(document, {` + rules + `, resultTypes: ["violations"]}).then(r =>
	r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " "))))`)
}

// asks has the page tell what is wrong with it.
func (b *browser) asks(script string) ([]string, error) {
	return chromedp.Run(b.ctx, chromedp.Evaluate[[]string](script, chromedp.EvalAwaitPromise))
}

// tooWide gives what makes the page wider than the window.
const tooWide = `document.documentElement.scrollWidth <= window.innerWidth ? "" : [...document.querySelectorAll("body *")]
	.filter(e => e.getBoundingClientRect().right > window.innerWidth + 1 && !e.closest(".scroll"))
	.map(e => e.tagName.toLowerCase() + "." + e.className).slice(0, 3).join(", ") || "something"`

// looked shows the page in every look, and gives what is wrong with it: of what a machine can check of WCAG 2.2 AA, and where it is wider
// than its window.
func (b *browser) looked() (wrong []string, err error) {
	for _, l := range looks {
		if err := b.as(l); err != nil {
			return nil, err
		}
		found, err := b.asksAxe(map[string]string{"light": everyRule, "dark": colourRules}[l.theme])
		if err != nil {
			return nil, err
		}
		wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](tooWide))
		if err != nil {
			return nil, err
		}
		if wide != "" {
			found = append(found, "wider than the window: "+wide)
		}
		for _, w := range found {
			wrong = append(wrong, fmt.Sprintf("at %d px, %s: %s", l.width, l.theme, w))
		}
	}
	return wrong, nil
}

// different leaves out pages that are another over again, by what tells them apart.
func different(all []visit, by func(visit) string) []visit {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(v visit) bool {
		key := by(v)
		had := seen[key]
		seen[key] = true
		return had
	})
}

// content is all of a page but ids.
func content(v visit) string { return string(anID.ReplaceAll(v.body, nil)) }

// build is which page it is and what kinds of elements it has within which: ten rows more do not make another page of it.
func build(v visit) string {
	doc, err := html.Parse(bytes.NewReader(v.body))
	if err != nil {
		return content(v)
	}
	kind := func(n *html.Node) string { return n.Data + "." + attr(n, "class") + attr(n, "type") }
	kinds := map[string]bool{}
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Parent != nil {
			kinds[kind(n.Parent)+">"+kind(n)] = true
		}
	}
	return v.name() + " " + strings.Join(slices.Sorted(maps.Keys(kinds)), " ")
}

var screenshots = flag.String("screenshots", "", "folder for a picture of every page, at the width of a telephone and of a desk")

// Pictures of every page, to be looked at: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("only with -screenshots FOLDER")
	}
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	visits := different(append(h.visits("nb"), h.shown("nb")...), content)
	b := newBrowser(t, visits)
	names := map[string]int{}
	for n, v := range visits {
		name := v.name()
		if names[name]++; names[name] > 1 {
			name += "-" + strconv.Itoa(names[name])
		}
		if err := b.show(n); err != nil {
			t.Fatal(v, err)
		}
		for _, l := range []look{{360, "light"}, {1200, "light"}, {360, "dark"}} {
			if err := b.as(l); err != nil {
				t.Fatal(v, err)
			}
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(v, err)
			}
			file := fmt.Sprintf("%s-%d%s.png", name, l.width, cmp.Or(map[string]string{"dark": "-dark"}[l.theme], ""))
			if err := os.WriteFile(filepath.Join(*screenshots, file), picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d pages in %s", len(visits), *screenshots)
}
