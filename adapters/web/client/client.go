// Package client is everything that a client meets in a browser.
//
// # What it shows, and what it is made of
//
// Every page shows and does what a route of package api does, by the same methods; nothing is decided here. Whoever has not answered
// the first question is led to it from the first page. Reading one's own data is on record like every other reading.
//
// # Forms
//
// What changes something is sent by POST and answered by a redirect to a page that reads, with a notice by its code (?done=). Every
// such form carries a key, so that sending it twice does it once. A form that was refused is shown again with what was typed and says
// at its place what is wrong; a code is a secret and never shown again.
//
// # The programme
//
// Its parts come from package content, on one page. Opening a part and finishing it is registered by the client's own press of a
// button, and by nothing else; what is written about a part is an answer to it. What was sent and the catalogue does not have goes by a
// neutral name.
//
// # Questionnaires
//
// The wordings of questionnaires are files, see Wording. Only wordings from an official source are shipped: a questionnaire measures
// something in the words that it was tried out in, and in no others. Where a language has none, the page says so and offers one that
// there is.
//
// # Safety
//
// Whenever the item about thoughts of death or self-harm was not answered with "not at all", the result and the first page show, calmly,
// whom one can talk to, until the questionnaire is answered otherwise. Nobody is notified, and the pages do not pretend that
// somebody is.
//
// # Notes on the device
//
// Notes are kept by the browser and never sent. The page holds no form that could send them, and its Content-Security-Policy lets its
// script reach nothing. They are sealed with AES-GCM under a key that PBKDF2 derives from the client's code, which is asked for on the page:
// the server has no code to hand out. The script is page/assets/notes.js, and says how they are stored. It is on two pages: the
// one with the notes, and the one that shows a new code, where it seals them once more for that.
package client

import (
	"embed"
	"net/http"
	"slices"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
)

//go:embed templates instruments
var files embed.FS

var clients = []domain.Role{domain.RoleClient}

// Screens are the pages of this package, and what their forms do.
var Screens = slices.Concat([]api.Screen{
	{Method: "GET", Path: "/home", Roles: clients, Serve: home},
	{Method: "POST", Path: "/content/opened", Roles: clients, Serve: openContent},
	{Method: "POST", Path: "/content/finished", Roles: clients, Serve: finishContent},

	{Method: "GET", Path: "/programme", Roles: clients, Serve: programme},
	{Method: "POST", Path: "/programme/answers", Roles: clients, Serve: write},
	{Method: "POST", Path: "/programme/ratings", Roles: clients, Serve: rate},

	{Method: "GET", Path: "/first-question", Roles: clients, Serve: firstQuestion},
	{Method: "POST", Path: "/first-question", Roles: clients, Serve: answerFirst},
	{Method: "GET", Path: "/follow-up", Roles: clients, Serve: followUp},
	{Method: "POST", Path: "/follow-up", Roles: clients, Serve: answerFollowUp},

	{Method: "GET", Path: "/forms", Roles: clients, Serve: listForms},

	{Method: "GET", Path: "/settings", Roles: clients, Serve: settings},
	{Method: "POST", Path: "/settings/language", Roles: clients, Serve: setLanguage},
	{Method: "GET", Path: "/settings/sharing", Roles: clients, Serve: sharing},
	{Method: "POST", Path: "/settings/sharing", Roles: clients, Serve: changeSharing},
	{Method: "POST", Path: "/settings/restriction", Roles: clients, Serve: changeRestriction},
	{Method: "GET", Path: "/settings/look-ups", Roles: clients, Serve: lookUps},
	{Method: "POST", Path: "/settings/look-ups", Roles: clients, Serve: askAboutLookUp},
	{Method: "GET", Path: "/settings/erasure", Roles: clients, Script: true, Serve: erasure},
	{Method: "POST", Path: "/settings/erasure", Roles: clients, Script: true, Serve: erase},
	{Method: "GET", Path: "/settings/data", Roles: clients, Serve: data},
	{Method: "GET", Path: "/settings/export", Roles: clients, Serve: exportFront},
	{Method: "POST", Path: "/settings/export", Roles: clients, Serve: export},
	{Method: "GET", Path: "/settings/code", Roles: clients, Serve: codeFront},
	{Method: "POST", Path: "/settings/code", Roles: clients, Script: true, Serve: drawCode},
	{Method: "GET", Path: "/settings/code/confirmation", Roles: clients, Serve: confirmFront},
	{Method: "POST", Path: "/settings/code/confirmation", Roles: clients, Serve: confirmCode},
	{Method: "GET", Path: "/settings/correction", Roles: clients, Serve: correction},
	{Method: "POST", Path: "/settings/correction", Roles: clients, Serve: askCorrection},

	{Method: "GET", Path: "/notes", Roles: clients, Script: true, Serve: notes},

	{Method: "GET", Path: "/feedback", Serve: feedback},
	{Method: "POST", Path: "/feedback", Serve: giveFeedback},
}, formScreens())

// nothing is what a page shows that shows only words.
type nothing struct{}

// incomplete shows a form once more that lacks an answer. The page itself says which, at the top and at its place.
func incomplete[T any](r *api.Request, p *page.Page[T], title page.Key, body T) (api.Reply, error) {
	reply, err := page.Show(p, page.NewFrame(r, title), body)
	reply.Status = http.StatusUnprocessableEntity
	return reply, err
}

// refusedAs tells whether an error is the refusal with a code.
func refusedAs(err error, code string) bool { return err != nil && web.FromError(err).Code == code }

// now is the service's clock.
func now(r *api.Request) domain.Date { return domain.DateOf(r.Desk.Ledger.Now()) }
