//go:build !mutants

package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"samtykke/adapters/web/page"
	"samtykke/domain"
)

// online is a stage whose service people reach by browsers of their own.
type online struct {
	*browsers
	*line
	browser context.Context
	devices []*device
}

func newOnline(t *testing.T, browser context.Context) *online {
	b := newBrowsers(t)
	return &online{browsers: b, line: newLine(t, b.pages), browser: browser}
}

// play plays lines of a scenario, between requests.
func (o *online) play(lines ...string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.browsers.play(lines...)
}

// device is one that nobody has used before.
func (o *online) device() *device {
	o.t.Helper()
	d := newDevice(o.t, o.line, o.browser)
	o.devices = append(o.devices, d)
	return d
}

// client gives a client a device on which the code has been typed.
func (o *online) client(name string) *device {
	o.t.Helper()
	d := o.device()
	if status := d.comesByCode(o.person(name).code.Slip()); status != http.StatusOK {
		o.t.Fatalf("%s does not come in: %d", name, status)
	}
	return d
}

// oneTime is the next one-time code of a member of staff, half a minute after the last.
func (o *online) oneTime(name string) string {
	o.t.Helper()
	o.play("half a minute later")
	return o.person(name).app.Code(o.now)
}

// staff gives a member of staff a device on which password and one-time code have been typed.
func (o *online) staff(name string) *device {
	o.t.Helper()
	d := o.device()
	if status := o.comesIn(d, name); status != http.StatusOK {
		o.t.Fatalf("%s does not come in: %d", name, status)
	}
	return d
}

func (o *online) comesIn(d *device, name string) int64 {
	o.t.Helper()
	p := o.person(name)
	return d.comesByPassword(p.login, p.password, o.oneTime(name))
}

func (o *online) pageOf(client string) string { return "/clients/" + o.person(client).handle.String() }

// close checks what holds of every task.
func (o *online) close() {
	o.t.Helper()
	for _, d := range o.devices {
		d.keepsLittle()
		all := strings.Join(d.addresses(), "\n")
		for _, p := range o.people {
			if p.label != "" && (strings.Contains(all, p.label) || strings.Contains(all, p.code.Slip())) {
				o.t.Errorf("an address holds the label or the code of %s", p.name)
			}
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.check()
}

// What people come for, from beginning to end in a browser: they read, type and click, each at a device of their own.
//
// shows A11 A22
func TestTasksInABrowser(t *testing.T) {
	browser := chromium(t)
	for _, task := range []struct {
		name string
		does func(*online)
	}{
		{"first login to a new yes", firstLoginToANewYes},
		{"a new code with an old window open", newCodeWithAnOldWindowOpen},
		{"withdrawn while the page is open", withdrawnWhileOpen},
		{"deactivated while signed in", deactivatedWhileSignedIn},
		{"follow-up where no time passes", func(o *online) { followUpByTheClock(o, false) }},
		{"follow-up where time passes", func(o *online) { followUpByTheClock(o, true) }},
		{"notes on the device", notesOnTheDevice},
		{"everything deleted", everythingDeleted},
		{"a question about a look-up", questionAboutALookUp},
		{"a client by keyboard", clientByKeyboard},
		{"a professional by keyboard", professionalByKeyboard},
		{"an auditor by keyboard", auditorByKeyboard},
	} {
		t.Run(task.name, func(t *testing.T) {
			t.Parallel()
			o := newOnline(t, browser)
			task.does(o)
			o.close()
		})
	}
}

// checkIn is what a client answers, as items and as the score that comes of it.
const (
	checkIn      = "7 6 5 9"
	checkInItems = "7, 6, 5, 9"
)

// ownPage checks that a page of the client says until when it is shared, or that it is not.
func ownPage(d *device, until string) {
	d.t.Helper()
	if until == "" {
		d.says(say("client.state.not"))
		return
	}
	d.says(say("client.state.shared", "Organisation", "Fjord", "Day", day(until)))
}

// clientsPage checks the same of the page about a client that a professional has open.
func clientsPage(d *device, until string) {
	d.t.Helper()
	if until == "" {
		d.says(say("professional.shares-not"))
		return
	}
	d.says(say("professional.shares-until", "Date", day(until)))
}

func day(s string) string { return page.Date("nb", domain.MustDate(s)) }

// looksUp looks up what a client has registered, on the client's page.
func looksUp(d *device, path, purpose string) int64 {
	d.t.Helper()
	d.press(`form[action="` + path + `"] [name=purpose][value=` + purpose + `]`)
	return d.send(path)
}

// A02, A03: from the first login to the first yes, to a withdrawal, to a new yes; beside it what a professional sees each time.
func firstLoginToANewYes(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada", "Per opens an account")
	path, until := o.pageOf("Ada"), "2026-07-06"
	per := o.staff("Per")
	per.isAt("/overview")
	per.says(o.person("Ada").label)
	per.follow(`a[href="` + path + `"]`)
	clientsPage(per, "")

	ada := o.client("Ada")
	ada.isAt("/first-question")
	ada.there(`[aria-labelledby=preview]`)
	if status := ada.send("/first-question"); status != http.StatusUnprocessableEntity {
		o.t.Errorf("a form without an answer came back with %d", status)
	}
	ada.there(`[role=alert]`)
	ada.press(`[name=answer][value=yes]`)
	ada.send("/first-question")
	ada.isAt("/home?done=shared")
	ownPage(ada, until)

	ada.follow(`main a[href="/forms/check-in"]`)
	for i, answer := range strings.Fields(checkIn) {
		ada.press(fmt.Sprintf(`[name=item-%d][value="%s"]`, i+1, answer))
	}
	ada.send("/forms/check-in")
	ada.isAt("/forms/check-in/result?done=form-sent")
	ada.says("27")

	per.opens(path)
	clientsPage(per, until)
	per.saysNot(checkInItems)
	looksUp(per, path, "before-appointment")
	per.says(checkInItems, say("frame.recorded"))

	ada.follow(`nav a[href="/settings"]`)
	ada.follow(`main a[href="/settings/sharing"]`)
	ada.send("/settings/sharing")
	ada.isAt("/settings?done=withdrawn")
	ownPage(ada, "")
	per.opens(path)
	clientsPage(per, "")
	per.saysNot(checkInItems, `name="purpose"`)

	ada.follow(`main a[href="/settings/sharing"]`)
	ada.there(`[aria-labelledby=preview]`)
	ada.send("/settings/sharing")
	ada.isAt("/settings?done=shared")
	ownPage(ada, until)
	per.opens(path)
	clientsPage(per, until)
	looksUp(per, path, "before-appointment")
	per.says(checkInItems)

	ada.send("/sign-out")
	ada.isTurnedAway(ada.back(), "Fjord")
}

// A06, A11: the new code is typed back, the notes on the device are sealed anew, and nothing opens by the old code any more.
func newCodeWithAnOldWindowOpen(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question", "Siri opens an account")
	old, note := o.person("Ada").code.Slip(), "Jeg sov bedre i natt."
	ada, elsewhere := o.client("Ada"), o.client("Ada")
	ada.follow(`nav a[href="/notes"]`)
	unlock(ada, old)
	jot(ada, note)
	before := ada.stored().Local["samtykke.notes"]

	ada.follow(`nav a[href="/settings"]`)
	ada.follow(`main a[href="/settings/code"]`)
	ada.send("/settings/code")
	code := read[string](ada, `document.getElementById("new-code").textContent`)
	o.log.secret(code, old)
	ada.fill("#old-code", old)
	ada.press("#move-button")
	ada.does(chromedp.WaitVisible(chromedp.CSS("#moved")))
	elsewhere.follow(`nav a[href="/settings"]`) // the old code is still in force
	elsewhere.isAt("/settings")
	ada.follow(`main a[href="/settings/code/confirmation"]`)
	ada.fill(`[name=code]`, old)
	if status := ada.send("/settings/code/confirmation"); status != http.StatusUnprocessableEntity {
		o.t.Errorf("the old code was taken for the new: %d", status)
	}
	ada.fill(`[name=code]`, strings.ToLower(code))
	ada.send("/settings/code/confirmation")
	ada.isAt("/settings?done=code-changed")

	elsewhere.isTurnedAway(elsewhere.follow(`nav a[href="/home"]`), "Fjord")
	elsewhere.isTurnedAway(elsewhere.comesByCode(old), "Fjord")
	if status := elsewhere.comesByCode(code); status != http.StatusOK {
		o.t.Errorf("the new code does not open: %d", status)
	}
	ownPage(elsewhere, "2026-07-06")

	ada.follow(`nav a[href="/notes"]`)
	unlock(ada, code)
	ada.says(note)
	after := ada.stored().Local["samtykke.notes"]
	if before == "" || after == before || strings.Count(after, `"salt"`) != 1 {
		o.t.Errorf("the notes were not sealed anew: %s, %s", before, after)
	}
	ada.press("#lock-button")
	ada.fill("#own-code", old)
	ada.press("#open-button")
	ada.does(chromedp.WaitVisible(chromedp.CSS("#wrong")))
	ada.saysNot(note)

	siri := o.staff("Siri")
	siri.says(strings.Split(old, "-")[0])
	siri.saysNot(strings.Split(code, "-")[0])
}

// unlock opens the notes on the device.
func unlock(d *device, code string) {
	d.t.Helper()
	d.does(chromedp.WaitVisible(chromedp.CSS("#own-code")))
	d.fill("#own-code", code)
	d.press("#open-button")
	d.does(chromedp.WaitVisible(chromedp.CSS("#opened")))
}

func jot(d *device, note string) {
	d.t.Helper()
	d.fill("#new-note", note)
	d.press("#add-button")
	d.does(chromedp.WaitVisible(chromedp.CSS("#added")))
	d.says(note)
}

// A03, law 1: who has the client's page open while the client withdraws sees nothing more by the next click, and is told so calmly.
func withdrawnWhileOpen(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question",
		"Ada fills in check-in "+checkIn, "Per opens an account")
	path := o.pageOf("Ada")
	per, ada := o.staff("Per"), o.client("Ada")
	per.opens(path)
	looksUp(per, path, "before-appointment")
	per.says(checkInItems)

	ada.opens("/settings/sharing")
	ada.send("/settings/sharing")
	ada.isAt("/settings?done=withdrawn")

	if status := looksUp(per, path, "effect"); status != http.StatusForbidden {
		o.t.Errorf("the look-up came with %d", status)
	}
	clientsPage(per, "")
	per.says(say("problem.not-shared"))
	per.saysNot(checkInItems, say("frame.recorded"), `name="purpose"`, day("2026-07-06"))
	per.opens("/overview")
	per.says(o.person("Ada").label, say("professional.shares-not"))
	per.saysNot(`name="show"`)
}

// C06: who is taken off the list while signed in is at the entrance by the next click.
func deactivatedWhileSignedIn(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question",
		"Siri opens an account", "Per opens an account")
	path, label := o.pageOf("Ada"), o.person("Ada").label
	per, siri := o.staff("Per"), o.staff("Siri")
	per.opens(path)
	per.says(label)

	person := "/professionals/" + o.person("Per").caller.Actor.String()
	siri.follow(`nav a[href="/professionals"]`)
	siri.follow(`main a[href="` + person + `"]`)
	siri.follow(`main a[href="` + person + `/deactivation"]`)
	siri.send(person + "/deactivation")
	siri.isAt("/professionals?done=access-ended")

	per.isTurnedAway(looksUp(per, path, "effect"), label)
	per.isTurnedAway(per.opens("/overview"), label)
	per.isTurnedAway(o.comesIn(per, "Per"), label)
}

// A04, law 1: the question comes at the start of day 154 and the end at the start of day 183, on every page, whether or not anything ran
// in the meantime.
func followUpByTheClock(o *online, ticks bool) {
	o.play("organisation Fjord with superuser Siri", "Siri adds Per", "Per opens an account")
	for _, name := range []string{"Ada", "Bo"} {
		o.play("Siri registers "+name, name+" logs in", name+" answers yes to the first question", name+" fills in check-in "+checkIn)
	}
	const first, moved = "2026-07-06", "2026-12-07" // the last days that a yes of 5 January and one of 8 June hold
	o.play("at 2026-06-07 23:58")
	per, ada, bo := o.staff("Per"), o.client("Ada"), o.client("Bo")

	// at has the clock go there, and looks at both pages of a client.
	at := func(when, name string, d *device, until string, asked bool) {
		o.t.Helper()
		o.play(when)
		if ticks {
			o.play("time passes")
		}
		d.opens("/home")
		ownPage(d, until)
		if d.has(`main a[href="/follow-up"]`) != asked {
			o.t.Errorf("%s: %s is asked: %t", when, name, !asked)
		}
		per.opens(o.pageOf(name))
		clientsPage(per, until)
		if strings.Contains(per.text(), say("professional.asked-long")) != asked {
			o.t.Errorf("%s: a professional sees that %s is asked: %t", when, name, !asked)
		}
	}
	at("at 2026-06-07 23:59:59.999", "Ada", ada, first, false)
	at("at 2026-06-08 00:00", "Ada", ada, first, true)
	at("at 2026-06-08 00:00", "Bo", bo, first, true)
	ada.opens("/home")
	ada.follow(`main a[href="/follow-up"]`)
	ada.says(day(moved), day(first))
	ada.press(`[name=answer][value=yes]`)
	ada.send("/follow-up")
	ada.isAt("/home?done=goes-on")
	at("at 2026-06-08 00:01", "Ada", ada, moved, false)

	o.play("at 2026-07-06 23:58")
	ada.comesByCode(o.person("Ada").code.Slip())
	bo.comesByCode(o.person("Bo").code.Slip())
	o.comesIn(per, "Per")
	at("at 2026-07-06 23:59:59.999", "Bo", bo, first, true)
	path := o.pageOf("Bo")
	per.opens(path)
	looksUp(per, path, "before-appointment")
	per.says(checkInItems)
	o.play("at 2026-07-07 00:00")
	if status := looksUp(per, path, "effect"); status != http.StatusForbidden {
		o.t.Errorf("a look-up after the lapse came with %d", status)
	}
	per.saysNot(checkInItems)
	at("at 2026-07-07 00:00", "Bo", bo, "", false)
	at("at 2026-07-07 00:00", "Ada", ada, moved, false)
	looksUp(per, o.pageOf("Ada"), "before-appointment")
	per.says(checkInItems)
}

// A11: notes never leave the device, lie there sealed, and open only after login and with the code.
func notesOnTheDevice(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri registers Ada", "Siri registers Bo")
	for _, name := range []string{"Ada", "Bo"} {
		o.play(name+" logs in", name+" answers no to the first question")
	}
	const note = "Fjelltur åleine søndag kveld."
	code, other := o.person("Ada").code.Slip(), o.person("Bo").code.Slip()
	ada := o.client("Ada")
	ada.follow(`nav a[href="/notes"]`)
	unlock(ada, code)
	jot(ada, note)

	kept := fmt.Sprint(ada.stored())
	for _, clear := range []string{note, "Fjelltur", code, strings.ReplaceAll(code, "-", ""), base64.StdEncoding.EncodeToString([]byte(note))} {
		if strings.Contains(kept, clear) {
			o.t.Errorf("the device keeps %q in clear: %s", clear, kept)
		}
	}
	if !strings.Contains(kept, "sealed") {
		o.t.Errorf("nothing is kept: %s", kept)
	}
	ada.opens("/notes")
	ada.saysNot(note)
	ada.does(chromedp.WaitVisible(chromedp.CSS("#own-code")))
	ada.fill("#own-code", other)
	ada.press("#open-button")
	ada.does(chromedp.WaitVisible(chromedp.CSS("#wrong")))
	ada.saysNot(note)

	ada.send("/sign-out")
	ada.isTurnedAway(ada.opens("/notes"), note, "own-code")
	ada.comesByCode(code)
	ada.follow(`nav a[href="/notes"]`)
	unlock(ada, code)
	ada.says(note)
	elsewhere := o.client("Ada")
	elsewhere.follow(`nav a[href="/notes"]`)
	unlock(elsewhere, code)
	elsewhere.saysNot(note)

	for _, words := range []string{note, "Fjelltur", base64.StdEncoding.EncodeToString([]byte(note))} {
		if n := o.carried(words); n > 0 {
			o.t.Errorf("%d requests held %q", n, words)
		}
	}
	if n := o.carried(code); n != 3 {
		o.t.Errorf("%d requests held the code, which was typed to sign in 3 times", n)
	}
}

// A client by keyboard alone: signs in, answers the first question, fills in a check-in, and stops sharing.
func clientByKeyboard(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri registers Ada")
	ada := o.device()
	ada.opens("/")
	ada.key(kb.Tab)
	if !ada.focus("a.skip").Here {
		o.t.Error("the first that Tab reaches is not the way past the menu")
	}
	ada.key(kb.Enter)
	if !ada.focus("main").Here {
		o.t.Error("the way past the menu does not lead there")
	}
	ada.tabTo(`[name=code]`)
	ada.types(o.person("Ada").code.Slip())
	ada.enter()
	ada.isAt("/first-question")

	ada.tabTo(`[name=answer]`)
	ada.key(kb.ArrowDown)
	ada.key(kb.ArrowUp)
	ada.tabTo(`form[action="/first-question"] button`)
	ada.key(kb.Tab)
	ada.tabTo(`form[action="/first-question"] button`, chromedp.ModifierShift)
	ada.enter()
	ada.isAt("/home?done=shared")

	ada.tabTo(`main a[href="/forms/check-in"]`)
	ada.enter()
	for i := range strings.Fields(checkIn) {
		ada.tabTo(fmt.Sprintf(`[name=item-%d]`, i+1))
		ada.key(" ")
		ada.key(kb.ArrowRight)
	}
	ada.tabTo(`form[action="/forms/check-in"] button`)
	ada.enter()
	ada.isAt("/forms/check-in/result?done=form-sent")

	ada.tabTo(`nav a[href="/settings"]`)
	ada.enter()
	ada.tabTo(`main a[href="/settings/sharing"]`)
	ada.enter()
	ada.tabTo(`form[action="/settings/sharing"] button`)
	ada.enter()
	ada.isAt("/settings?done=withdrawn")
}

// A professional by keyboard alone: signs in, finds a client, looks, and sends content.
func professionalByKeyboard(o *online) {
	o.play(threeClients...)
	o.play("Per opens an account")
	per, p, path := o.device(), o.person("Per"), o.pageOf("Ada")
	byKeyboard(per, p, o.oneTime("Per"))
	per.isAt("/overview")

	per.tabTo(`[name=search]`)
	per.types(o.person("Ada").label)
	per.enter()
	per.tabTo(`a[href="` + path + `"]`)
	per.enter()
	per.isAt(path)
	per.tabTo(`[name=purpose]`)
	per.key(" ")
	per.tabTo(`form[action="` + path + `"] button`)
	per.enter()
	per.says(say("frame.recorded"))

	// what is folded away opens from its summary
	per.tabTo(`details:has(form[action="` + path + `/content"]) summary`)
	per.key(kb.Enter)
	per.tabTo(`form[action="` + path + `/content"] [name=content]`)
	if read[bool](per, `document.activeElement.tagName === "SELECT"`) {
		per.key(kb.ArrowDown)
	} else {
		per.types("sleep")
	}
	per.tabTo(`form[action="` + path + `/content"] [name=task]`)
	per.types("Les til neste gang.")
	per.tabTo(`form[action="` + path + `/content"] button`)
	per.enter()
	per.isAt(path + "?done=content-sent")
}

// byKeyboard signs a member of staff in.
func byKeyboard(d *device, p *person, oneTime string) {
	d.t.Helper()
	d.opens("/staff")
	for _, field := range []struct{ name, typed string }{{"login", p.login}, {"password", p.password}, {"otp", oneTime}} {
		d.tabTo(`[name=` + field.name + `]`)
		d.types(field.typed)
	}
	d.enter()
}

// An auditor by keyboard alone: signs in, asks who saw a client, and why.
func auditorByKeyboard(o *online) {
	o.play(threeClients...)
	o.play("Siri looks at Ada", "the service employs Randi as auditor", "Randi opens an account")
	randi := o.device()
	byKeyboard(randi, o.person("Randi"), o.oneTime("Randi"))
	randi.isAt("/audit")
	randi.tabTo(`[name=client]`)
	randi.types(o.person("Ada").label)
	randi.tabTo(`[name=reason]`)
	randi.types("Klage")
	randi.enter()
	randi.says("Siri")
	randi.tabTo(`main a[href^="/audit/events/"]`)
	randi.enter()
	randi.tabTo(`[name=reason]`)
	randi.types("Klage")
	randi.enter()
	if !regexp.MustCompile(`^/audit/events/\d+$`).MatchString(randi.at()) || !strings.Contains(randi.text(), "lookup.made") {
		o.t.Errorf("%s does not explain the look-up: %s", randi.at(), randi.text())
	}
}

// A08, A11: deletion asks for the code once more, and is done when it says so: the notes leave the device, the code and every window are
// dead, and for the organisation there never was such a client.
func everythingDeleted(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question",
		"Ada fills in check-in 7 6 5 9", "Siri opens an account")
	code, path := o.person("Ada").code.Slip(), o.pageOf("Ada")
	ada, elsewhere, siri := o.client("Ada"), o.client("Ada"), o.staff("Siri")
	ada.follow(`nav a[href="/notes"]`)
	unlock(ada, code)
	jot(ada, "Jeg sov bedre i natt.")
	siri.opens(path)
	looksUp(siri, path, "before-appointment")
	siri.says(checkInItems)

	ada.follow(`nav a[href="/settings"]`)
	ada.follow(`main a[href="/settings/erasure"]`)
	ada.fill(`[name=code]`, "AAAAAA-AAAAAA-AAAAAA-AAAAAA")
	if status := ada.send("/settings/erasure"); status != http.StatusUnprocessableEntity {
		o.t.Errorf("deletion with a wrong code came back with %d", status)
	}
	ada.there(`[role=alert]`)
	ada.fill(`[name=code]`, code)
	ada.send("/settings/erasure")
	ada.says(say("client.erased.title"))
	if notes, ok := ada.stored().Local["samtykke.notes"]; ok && strings.Contains(notes, "{") {
		o.t.Error("notes are left on the device")
	}

	elsewhere.isTurnedAway(elsewhere.follow(`nav a[href="/settings"]`), "Fjord")
	elsewhere.isTurnedAway(elsewhere.comesByCode(code), "Fjord")
	if status := siri.opens(path); status != http.StatusNotFound {
		o.t.Errorf("the page about an erased client: %d", status)
	}
	siri.opens("/overview")
	siri.saysNot(o.person("Ada").label)
	siri.opens("/oversight")
	siri.says("Én klient har slettet alt.")
	siri.saysNot(o.person("Ada").label)
}

// D06, D08: a client asks about a look-up, somebody else than who made it answers, and the client reads the answer.
func questionAboutALookUp(o *online) {
	o.play("organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question",
		"Per looks at Ada", "Siri opens an account")
	ada, siri := o.client("Ada"), o.staff("Siri")
	ada.follow(`nav a[href="/settings"]`)
	ada.follow(`main a[href="/settings/look-ups"]`)
	ada.goes(chromedp.Click(chromedp.CSS(`button[name=number]`)))
	ada.says(say("done.asked-about"))
	siri.follow(`nav a[href="/oversight"]`)
	siri.says(say("oversight.asked-by-client"), o.person("Ada").label)
	siri.press(`[name=outcome][value=mistake]`)
	siri.send("/oversight/reviews")
	siri.says(say("oversight.reviews-none"))
	ada.opens("/settings/look-ups")
	ada.says(say("client.look-ups.outcome.mistake"))
}
