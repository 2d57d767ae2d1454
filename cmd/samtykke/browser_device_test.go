//go:build !mutants

package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"samtykke/adapters/web/page"
)

// A line is what lies between browsers and the service. It carries one request at a time, and keeps a copy of each.
type line struct {
	url  string
	mu   sync.Mutex
	to   http.Handler
	sent []string        // requests, as they came: address, headers, body
	set  map[string]bool // names of the cookies that came back
}

func newLine(t *testing.T, to http.Handler) *line {
	l := &line{to: to, set: map[string]bool{}}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, err := httputil.DumpRequest(r, true)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.sent = append(l.sent, string(all))
	l.to.ServeHTTP(w, r)
	for _, c := range (&http.Response{Header: w.Header()}).Cookies() {
		l.set[c.Name] = true
	}
}

// carried tells how many requests held some words, in clear or as a form writes them.
func (l *line) carried(words string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sent {
		if strings.Contains(s, words) || strings.Contains(s, url.QueryEscape(words)) {
			n++
		}
	}
	return n
}

// cookies are the names of those that the service set.
func (l *line) cookies() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.set))
}

// A device is somebody's own: nobody else has its cookies, nor what is stored on it.
type device struct {
	*line
	t     *testing.T
	ctx   context.Context
	mu    sync.Mutex
	asked []string // addresses that its pages asked for
}

// newDevice opens a window with nothing stored, narrow as a telephone.
func newDevice(t *testing.T, l *line, browser context.Context) *device {
	t.Helper()
	ctx, stop := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	d := &device{line: l, t: t, ctx: ctx}
	err := chromedp.Listen(ctx, func(event any) {
		if r, ok := event.(*network.EventRequestWillBeSent); ok {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.asked = append(d.asked, r.Request.URL)
		}
	})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(390, 844))
	}
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	}
	if err == nil { // a page that glides is not still when it is looked at
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// patience is how long the test waits before it gives up; nothing is measured by it.
const patience = time.Minute

type action = chromedp.Action[chromedp.Void]

// does does something that stays on the page.
func (d *device) does(all ...action) {
	d.t.Helper()
	ctx, stop := context.WithTimeout(d.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, all...); err != nil {
		d.t.Fatalf("at %s: %v", d.at(), err)
	}
}

// goes does something that leads to a page, and gives the status that it came with.
func (d *device) goes(all ...action) int64 {
	d.t.Helper()
	ctx, stop := context.WithTimeout(d.ctx, patience)
	defer stop()
	r, err := chromedp.RunResponse(ctx, all...)
	if err != nil {
		d.t.Fatalf("at %s: %v", d.at(), err)
	}
	if r == nil {
		d.t.Fatalf("at %s: no page came", d.at())
	}
	return r.Status
}

// read asks the page.
func read[T any](d *device, script string) T {
	d.t.Helper()
	ctx, stop := context.WithTimeout(d.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

func (d *device) opens(path string) int64 {
	d.t.Helper()
	return d.goes(chromedp.Navigate(d.url + path))
}

// at is the page's path, with its query.
func (d *device) at() string {
	d.t.Helper()
	return read[string](d, `location.pathname + location.search`)
}

func (d *device) isAt(path string) {
	d.t.Helper()
	if got := d.at(); got != path {
		d.t.Errorf("the page is %s, not %s", got, path)
	}
}

// quoted is a text as a script writes it.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

// has tells whether the page shows such an element.
func (d *device) has(selector string) bool {
	d.t.Helper()
	return read[bool](d, `[...document.querySelectorAll(`+quoted(selector)+`)].some(e => e.checkVisibility())`)
}

// there fails where the page does not show such an element: nobody can press what is not there.
func (d *device) there(selector string) {
	d.t.Helper()
	if !d.has(selector) {
		d.t.Fatalf("%s shows no %s: %s", d.at(), selector, d.text())
	}
}

// press clicks.
func (d *device) press(selector string) {
	d.t.Helper()
	d.there(selector)
	d.does(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// follow clicks on what leads to a page.
func (d *device) follow(selector string) int64 {
	d.t.Helper()
	d.there(selector)
	return d.goes(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// send presses the button of a form.
func (d *device) send(action string) int64 {
	d.t.Helper()
	return d.follow(`form[action="` + action + `"] button`)
}

// back goes to the page before, as by the browser's own button.
func (d *device) back() int64 {
	d.t.Helper()
	return d.goes(chromedp.Evaluate[chromedp.Void](`history.back()`))
}

// fill clicks into a field and puts words in, all at once as from a clipboard.
func (d *device) fill(selector, words string) {
	d.t.Helper()
	d.press(selector)
	d.does(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: words})
		return err
	}))
}

// types presses a key for each letter.
func (d *device) types(words string) {
	d.t.Helper()
	d.does(chromedp.KeyEvent(words))
}

// text is what the page says, without frame and menu.
func (d *device) text() string {
	d.t.Helper()
	return read[string](d, `(document.querySelector("main") || document.body).innerText`)
}

func (d *device) says(words ...string) {
	d.t.Helper()
	text := d.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			d.t.Errorf("%s does not say %q: %s", d.at(), w, text)
		}
	}
}

// saysNot looks at all of the page, titles and what is hidden too.
func (d *device) saysNot(words ...string) {
	d.t.Helper()
	all := read[string](d, `document.documentElement.outerHTML`)
	for _, w := range words {
		if strings.Contains(all, w) {
			d.t.Errorf("%s holds %q", d.at(), w)
		}
	}
}

// comesByCode signs a client in at the front page.
func (d *device) comesByCode(code string) int64 {
	d.t.Helper()
	d.opens("/")
	d.fill(`[name=code]`, code)
	return d.send("/")
}

// comesByPassword signs a member of staff in.
func (d *device) comesByPassword(login, password, oneTime string) int64 {
	d.t.Helper()
	d.opens("/staff")
	d.fill(`[name=login]`, login)
	d.fill(`[name=password]`, password)
	d.fill(`[name=otp]`, oneTime)
	return d.send("/staff")
}

// isTurnedAway checks that nobody is signed in any more, and that the page leads to where one signs in.
func (d *device) isTurnedAway(status int64, unseen ...string) {
	d.t.Helper()
	if status != http.StatusUnauthorized {
		d.t.Errorf("%s came with %d", d.at(), status)
	}
	d.saysNot(unseen...)
	if d.has("header nav") || d.has(`form[action="/sign-out"]`) {
		d.t.Errorf("%s has the menu of somebody who is signed in", d.at())
	}
	if in := `[name=code], [name=login]`; !d.has(in) {
		d.follow(`main a[href^="/"]`)
		d.there(in)
	}
}

// stored is all that pages have stored on the device, but cookies.
type stored struct {
	Local    map[string]string
	Session  map[string]string
	Database []string
	Caches   []string
}

func (d *device) stored() stored {
	d.t.Helper()
	return read[stored](d, `(async () => ({
	Local: {...localStorage}, Session: {...sessionStorage},
	Database: (await indexedDB.databases()).map(x => x.name), Caches: await caches.keys()}))()`)
}

// keepsLittle checks that the device has no cookie but the session's and stores nothing but notes, and that its pages asked for
// nothing of others. It gives the cookie; nil, where there is none.
func (d *device) keepsLittle() (session *network.Cookie) {
	d.t.Helper()
	in := storage.GetCookiesParams{BrowserContextID: chromedp.FromContext(d.ctx).BrowserContextID}
	all, err := chromedp.CallBrowser(d.ctx, storage.GetCookies, in)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, c := range all.Cookies {
		if session = c; c.Name != "samtykke" || !c.HTTPOnly || !c.Session || c.SameSite != network.CookieSameSiteStrict || c.Path != "/" {
			d.t.Errorf("there is a cookie %q: %+v", c.Name, c)
		}
	}
	for _, name := range d.cookies() {
		if name != "samtykke" {
			d.t.Errorf("the service sets a cookie %q", name)
		}
	}
	s := d.stored()
	delete(s.Local, "samtykke.notes")
	if len(s.Local)+len(s.Session)+len(s.Database)+len(s.Caches) > 0 {
		d.t.Errorf("%s stores %v", d.at(), s)
	}
	asked := d.addresses()
	for _, to := range asked {
		if !strings.HasPrefix(to, d.url+"/") && !strings.HasPrefix(to, "data:") {
			d.t.Errorf("a page asks for %s", to)
		}
	}
	if len(asked) == 0 {
		d.t.Error("no request was seen at all")
	}
	return session
}

// addresses are those that the device's pages asked for.
func (d *device) addresses() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// focused is what the keyboard reaches now, and what is wrong with how that shows.
type focused struct {
	Here  bool // it is what was looked for
	What  string
	Wrong string
}

// atFocus tells whether the focus can be seen: the element has an outline that others lack, lies within the window, and is not covered.
const atFocus = `(selector => {
	const e = document.activeElement;
	if (!e || e === document.body) return { Here: false, What: "", Wrong: "" };
	const rings = x => { const s = getComputedStyle(x); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 && s.outlineColor !== "rgba(0, 0, 0, 0)"; };
	const seen = () => {
		if (!rings(e)) return "has no outline";
		const other = [...document.querySelectorAll("a, button, input, select, textarea, summary, [tabindex]")].find(x => x !== e && rings(x));
		if (other) return "is outlined as " + other.outerHTML.slice(0, 60) + " is";
		const r = e.getClientRects()[0] || new DOMRect();
		const left = Math.max(r.left, 0), right = Math.min(r.right, innerWidth), top = Math.max(r.top, 0), bottom = Math.min(r.bottom, innerHeight);
		if (right - left < 1 || bottom - top < 1) return "lies outside the window";
		const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
		return e.contains(hit) ? "" : "is covered by " + (hit ? hit.outerHTML.slice(0, 60) : "nothing");
	};
	return { Here: e.matches(selector), What: e.outerHTML.slice(0, 100), Wrong: e.matches("main") ? "" : seen() };
})`

// focus gives what has it, and fails where that cannot be seen.
func (d *device) focus(selector string) focused {
	d.t.Helper()
	f := read[focused](d, atFocus+`(`+quoted(selector)+`)`)
	if f.Wrong != "" {
		d.t.Errorf("at %s the focus cannot be seen: %s %s", d.at(), f.What, f.Wrong)
	}
	return f
}

// key presses a key that stays on the page, and looks where the focus is.
func (d *device) key(key string, held ...chromedp.Modifier) {
	d.t.Helper()
	d.does(chromedp.KeyEvent(key, chromedp.KeyModifiers(held...)))
	d.focus("*")
}

// enter presses Enter on what leads to a page.
func (d *device) enter() int64 {
	d.t.Helper()
	return d.goes(chromedp.KeyEvent(kb.Enter))
}

// tabTo presses Tab until the focus is there; with Shift held, backwards.
func (d *device) tabTo(selector string, held ...chromedp.Modifier) {
	d.t.Helper()
	var passed []string
	for range 150 {
		d.does(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(held...)))
		f := d.focus(selector)
		if f.Here {
			return
		}
		passed = append(passed, f.What)
	}
	d.t.Fatalf("at %s no way by Tab to %s, only to %s", d.at(), selector, strings.Join(slices.Compact(passed), "\n"))
}

// say is a message in bokmål.
func say(key page.Key, with ...any) string { return page.Say("nb", key, with...) }
