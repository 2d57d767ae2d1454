// Package auditor is what an auditor meets in a browser: who saw what and under which yes, refused attempts, one client over time,
// what led to an event, and the ledger's events one after another.
//
// It reads and nothing else. The only trace it leaves is the question itself, with its reason, on record before the answer. Every
// page says so. The next page of an answer, a file and each part of a client's page are questions of their own.
//
// # Questions
//
// A question stands in the body of a form: a label, a name or a reason never becomes part of an address. What a path may hold is
// a position of the ledger, which is for auditors. What was asked is shown again with its answer, and can be changed and sent anew.
//
// # As it was
//
// An answer can be given as the ledger stood at an instant. The form has two fields for it, which always count together: the
// instant (none: now), and a slider that goes back from it by so many days, at most to the beginning of the period asked for.
// Both are sent without a script and mean the same with one. About one client, they say of which instant the client's state is
// told; what is drawn and listed is the period.
//
// # Files
//
// A file holds all rows of an answer, up to mostRows; of a larger answer there is none, since half a file looks like a whole one.
// CSV is for spreadsheets: UTF-8 with a byte order mark, semicolons, a line of heads, and nothing that they would take for a
// formula. JSON is the interface's own.
package auditor

import (
	"embed"
	"net/http"
	"net/url"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
)

//go:embed templates
var files embed.FS

var auditors = []domain.Role{domain.RoleAuditor}

// Screens are the pages of this package.
var Screens = []api.Screen{
	{Method: "GET", Path: "/audit", Roles: auditors, Strong: true, Serve: whoSawForm.sheet, Stale: confirm},
	{Method: "POST", Path: "/audit", Roles: auditors, Strong: true, Serve: askWhoSaw, Stale: whoSawForm.later},
	{Method: "GET", Path: "/audit/refused", Roles: auditors, Strong: true, Serve: refusedForm.sheet, Stale: confirm},
	{Method: "POST", Path: "/audit/refused", Roles: auditors, Strong: true, Serve: askRefused, Stale: refusedForm.later},
	{Method: "GET", Path: "/audit/client", Roles: auditors, Strong: true, Serve: clientForm.sheet, Stale: confirm},
	{Method: "POST", Path: "/audit/client", Roles: auditors, Strong: true, Serve: askClient, Stale: clientForm.later},
	{Method: "GET", Path: "/audit/events/{position}", Roles: auditors, Strong: true, Serve: eventForm.sheet, Stale: confirm},
	{Method: "POST", Path: "/audit/events/{position}", Roles: auditors, Strong: true, Serve: askWhy, Stale: eventForm.later},
	{Method: "GET", Path: "/audit/feed", Roles: auditors, Strong: true, Serve: feedForm.sheet, Stale: confirm},
	{Method: "POST", Path: "/audit/feed", Roles: auditors, Strong: true, Serve: openFeed, Stale: feedForm.later},
	{Method: "GET", Path: "/audit/feed/{feed}/{after}", Roles: auditors, Serve: readFeed}, // its opening took both factors
}

// A form is a page with a question, and behind it the answer, where it was asked.
type form[T any] struct {
	page  *page.Page[T]
	title page.Key
	blank func(*api.Request, question) T // the page with a question and no answer
}

// sheet shows the form of a question that is yet to be asked.
func (f form[T]) sheet(r *api.Request) (api.Reply, error) { return f.show(r, f.blank(r, question{})) }

// show shows the page with its answer.
func (f form[T]) show(r *api.Request, body T) (api.Reply, error) {
	return page.Show(f.page, page.NewFrame(r, f.title), body)
}

// again shows the form with what was filled in, and why that gave no answer. A failure is not the form's matter: it comes back.
func (f form[T]) again(r *api.Request, q question, err error) (api.Reply, error) {
	problem := r.Refuse(err)
	if problem.Status >= http.StatusInternalServerError {
		return api.Reply{}, err
	}
	in := page.NewFrame(r, f.title)
	in.Problem = page.Words(in.Lang, problem)
	reply, err := page.Show(f.page, in, f.blank(r, q))
	reply.Status = problem.Status
	return reply, err
}

// later keeps what was filled in while password and one-time code are given in another window.
func (f form[T]) later(r *api.Request) (api.Reply, error) {
	q, _, _ := readQuestion(r)
	q.Stale = true
	return f.again(r, q, web.NewProblem(http.StatusForbidden, api.StepUpFirst, "Give your password and a new one-time code first."))
}

// confirm asks for password and one-time code before a form is filled in.
func confirm(r *api.Request) (api.Reply, error) {
	return api.GoTo("/step-up?to=" + url.QueryEscape(r.Path()))
}
