// Package oversight is where people keep an eye on those who look: a superuser on the organisation's professionals, and the safety
// manager on the service's own staff.
//
// # The organisation's
//
// A rule, or the client itself, names a look-up to be reviewed. Somebody else than who made it says what came of that; where a client
// had asked, the client reads it. The page also has what clients deleted (the day, and nothing else), whose names in the access log
// may go, and what the organisation has settled about that log.
//
// # The service's
//
// Exceptional access is opened by an employee, for a reason and so many minutes, and reviewed by the safety manager once it has ended.
// The page counts this year's against the five that are normal. Refused attempts of those who act for no organisation are the safety
// manager's to review, too.
package oversight

import (
	"embed"
	"strconv"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
)

//go:embed templates
var files embed.FS

var (
	superusers     = []domain.Role{domain.RoleSuperuser}
	safetyManagers = []domain.Role{domain.RoleSafetyManager}
	service        = []domain.Role{domain.RoleEmployee, domain.RoleSafetyManager}
)

// Screens are the pages of this package.
var Screens = []api.Screen{
	{Method: "GET", Path: "/oversight", Roles: superusers, Serve: front},
	{Method: "POST", Path: "/oversight/reviews", Roles: superusers, Serve: review},
	{Method: "POST", Path: "/oversight/names", Roles: superusers, Serve: hideNames},
	{Method: "POST", Path: "/oversight/retention", Roles: superusers, Serve: agreeRetention},
	{Method: "POST", Path: "/oversight/access-review", Roles: superusers, Serve: reviewAccess},
	{Method: "POST", Path: "/professionals/{professional}/erasure", Roles: superusers, Serve: erase},

	{Method: "POST", Path: "/accesses/reviews", Roles: safetyManagers, Serve: reviewAttempt},
	{Method: "GET", Path: "/accesses", Roles: service, Serve: accesses},
	{Method: "POST", Path: "/accesses", Roles: service, Strong: true, Serve: open, Stale: confirm},
	{Method: "POST", Path: "/accesses/{access}/end", Roles: service, Serve: end},
	{Method: "POST", Path: "/accesses/{access}/review", Roles: safetyManagers, Serve: reviewExceptional},
}

// outcomes are what a review can come to.
var outcomes = []client.Outcome{client.InOrder, client.Mistake, client.Deviation}

// normally is how many accesses to production a year are normal at the most.
const normally = 5

// A row is a look-up or an attempt to review.
type row struct {
	api.Review
	Why string // in words; "" where none was given
}

func rows(lang string, all []api.Review) (out []row) {
	for _, r := range all {
		why := ""
		if key := page.Key("word.purpose." + string(r.Purpose)); page.Has(key) {
			why = page.Say(lang, key)
		}
		out = append(out, row{r, why})
	}
	return out
}

type frontView struct {
	api.Oversight
	Rows     []row
	Outcomes []client.Outcome
	Reviewed time.Time     // when the list was gone through last; zero: never
	Due      bool          // that was more than a year ago
	Days     []domain.Date // of deletions
	Former   []former
}

// former is a professional who is off the list.
type former struct {
	api.Former
	From domain.Date // from which the name may be erased; 0: no time is agreed
}

var frontPage = page.Must[frontView](files, "oversight")

func read(r *api.Request) (frontView, error) {
	o, err := r.ReadOversight(api.None{})
	v := frontView{Oversight: o, Rows: rows(r.Lang(), o.Reviews), Outcomes: outcomes, Due: true}
	if o.Reviewed != nil {
		v.Reviewed = *o.Reviewed
		v.Due = domain.DateOf(v.Reviewed).AddMonths(12) <= domain.DateOf(r.Now())
	}
	for _, d := range o.Deletions {
		v.Days = append(v.Days, day(d.On))
	}
	for _, f := range o.Former {
		v.Former = append(v.Former, former{f, day(f.ErasableFrom)})
	}
	return v, err
}

// day reads a day as the interface gives it; nothing is the zero day.
func day(s string) domain.Date {
	d, err := domain.ParseDate(s)
	if err != nil {
		return 0
	}
	return d
}

func front(r *api.Request) (api.Reply, error) {
	v, err := read(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(frontPage, page.NewFrame(r, "oversight.title"), v)
}

// then goes back to the page, or shows it again with what was wrong.
func then(r *api.Request, err error, done string) (api.Reply, error) {
	if err == nil {
		return api.GoTo("/oversight?done=" + done)
	}
	v, failed := read(r)
	if failed != nil {
		return api.Reply{}, err
	}
	return page.Again(r, frontPage, "oversight.title", v, err)
}

func review(r *api.Request) (api.Reply, error) { return then(r, reviewed(r), "reviewed") }

// reviewAttempt is review by the safety manager.
func reviewAttempt(r *api.Request) (api.Reply, error) { return listed(r, reviewed(r), "reviewed") }

func reviewed(r *api.Request) error {
	id, err := domain.ParseID(r.Form("id"))
	if err != nil {
		id = domain.ID{} // which nothing has
	}
	_, err = r.Review(api.Reviewed{ID: id, Outcome: client.Outcome(r.Form("outcome"))})
	return err
}

func hideNames(r *api.Request) (api.Reply, error) {
	_, err := r.HideNames(api.Hide{Hidden: r.Form("hidden") == "yes"})
	return then(r, err, "settled")
}

func agreeRetention(r *api.Request) (api.Reply, error) {
	months, err := strconv.Atoi(r.Form("months"))
	if err != nil {
		months = -1 // which is refused in words
	}
	_, err = r.AgreeRetention(api.Retention{Months: months, Reason: r.Form("reason")})
	return then(r, err, "settled")
}

func reviewAccess(r *api.Request) (api.Reply, error) {
	_, err := r.ReviewAccess(api.None{})
	return then(r, err, "access-reviewed")
}

func erase(r *api.Request) (api.Reply, error) {
	_, err := r.EraseProfessional(api.None{})
	return then(r, err, "name-erased")
}

type accessesView struct {
	api.Accesses
	Rows     []row
	Outcomes []client.Outcome
	Doors    []oversight.Door // that the reader can open
	Manages  bool             // the reader is the safety manager
	More     bool             // than is normal in a year
}

var accessesPage = page.Must[accessesView](files, "accesses")

func list(r *api.Request) (accessesView, error) {
	all, err := r.ListAccesses(api.None{})
	role, _ := r.SignedIn()
	v := accessesView{Accesses: all, Rows: rows(r.Lang(), all.Reviews), Outcomes: outcomes, Doors: []oversight.Door{oversight.Addresses}, More: all.ThisYear > normally}
	if v.Manages = role == domain.RoleSafetyManager; !v.Manages {
		v.Doors = []oversight.Door{oversight.Production, oversight.Addresses}
	}
	return v, err
}

func accesses(r *api.Request) (api.Reply, error) {
	v, err := list(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(accessesPage, page.NewFrame(r, "oversight.accesses-title"), v)
}

// listed goes back to the list, or shows it again with what was wrong.
func listed(r *api.Request, err error, done string) (api.Reply, error) {
	if err == nil {
		return api.GoTo("/accesses?done=" + done)
	}
	v, failed := list(r)
	if failed != nil {
		return api.Reply{}, err
	}
	return page.Again(r, accessesPage, "oversight.accesses-title", v, err)
}

// confirm asks for password and one-time code first.
func confirm(*api.Request) (api.Reply, error) { return api.GoTo("/step-up?to=/accesses") }

func open(r *api.Request) (api.Reply, error) {
	hours, err := strconv.Atoi(r.Form("hours"))
	if err != nil {
		hours = 0 // which is refused in words
	}
	_, err = r.OpenAccess(api.NewAccess{Door: oversight.Door(r.Form("to")), Reason: r.Form("reason"), Minutes: hours * 60})
	return listed(r, err, "opened")
}

func end(r *api.Request) (api.Reply, error) {
	_, err := r.CloseAccess(api.None{})
	return listed(r, err, "exceptional-ended")
}

func reviewExceptional(r *api.Request) (api.Reply, error) {
	_, err := r.ReviewExceptional(api.AccessReview{Outcome: client.Outcome(r.Form("outcome")), Note: r.Form("note")})
	return listed(r, err, "reviewed")
}
