// Package api is the service as JSON over HTTP, version 1: what pages, apps and other systems can do.
//
// # One table
//
// Routes lists every route with the roles that may use it; there is no other way in. Each request goes the same way:
//
//  1. The session, from a cookie (browsers) or an Authorization header (apps), by its age.
//  2. The role, against the table. Then the session's standing by the ledger's own streams: the code that a client came by is
//     still the client's, the member of staff is still active in that role, the password is still the one it signed in with.
//     So a deactivation, a new code and a new password end sessions at once, on every instance.
//  3. A wait until the views show what this session wrote last.
//  4. For a command, the Idempotency-Key. The same key with the same content is answered as before and done once, at whichever
//     instance; with other content it is refused. What only reads takes none, and is decided on each time: no answer that shows what is
//     registered is kept.
//  5. The content, strictly: an unknown, missing or doubled member, a wrong type, an empty body, another charset are refused and
//     change nothing. A command's content stands in its body; only what is read takes a query.
//  6. The act. Its answer is made whole.
//  7. The standing once more, after the act and before the first byte: whoever has lost it meanwhile is shown nothing.
//
// # What is said no to
//
// A refusal is a problem (RFC 9457) with a code that stays, and a reason in words. A client of another organisation, one that was
// erased and one that never was are answered alike, with the same reads and writes behind them, and at the next beat of a clock that
// beats for all of them. So is a code that was never given out, and one that was replaced.
//
// # Codes, labels, ids
//
// A code, a label, a name or a search text stands in a body and never in a path or a query. Clients are named towards each
// organisation by a handle that means nothing to others; no id of the ledger's own is shown but of those who are professionals
// of the caller's own organisation, and to auditors. Positions of the ledger are told to auditors alone: they would tell who did
// something next to whom. But everybody is told the one up to which a release of statistics was made.
//
// # OpenAPI
//
// The description at Description is made from the same table and the same types that requests are read into.
package api

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/gorilla/mux"

	"samtykke/adapters/audit"
	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/releases"
	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/adapters/web/text"
	"samtykke/domain"
)

// Prefix is what every route's path begins with.
const Prefix = "/api/v1"

// Description is where the OpenAPI description is.
const Description = "/api/openapi.json"

// An API serves the routes. All fields but Secure and those behind the blank line are needed.
type API struct {
	Desk     *desk.Desk
	Auditor  func(ledger.Caller) *audit.Auditor // who asks, for one person
	Sessions *signin.Sessions
	Limits   *signin.Limits
	Texts    text.Catalogue
	Shelf    releases.Shelf // what was released of statistics
	Secure   bool           // browsers come by HTTPS

	Answers   Answers // what commands were answered at any instance; nil: there is no other
	PublicURL string  // where people come, scheme and host, for what is printed; "": as the request says

	// Recipient is who a client is in notices, a pseudonym; nil: none are given.
	Recipient func(client domain.ID) string

	answers *answers
	checks  checks
	beat    beat
}

var (
	anybody       []domain.Role
	everybody     = []domain.Role{domain.RoleClient, domain.RoleProfessional, domain.RoleSuperuser, domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleToolManager}
	staffRoles    = everybody[1:]
	clients       = []domain.Role{domain.RoleClient}
	professionals = []domain.Role{domain.RoleProfessional, domain.RoleSuperuser}
	superusers    = []domain.Role{domain.RoleSuperuser}
	auditors      = []domain.Role{domain.RoleAuditor}
	employees     = []domain.Role{domain.RoleEmployee}
)

// Routes are all there are.
var Routes = slices.Concat(sessionRoutes, clientRoutes, professionalRoutes, auditorRoutes, employeeRoutes, oversightRoutes, selfRoutes, listRoutes, statisticsRoutes)

// Register adds the routes to a router.
func (a *API) Register(to *mux.Router) {
	description := OpenAPI()
	a.answers, a.checks = newAnswers(), newChecks(description, Routes)
	for _, rt := range Routes {
		to.Handle(Prefix+rt.Path, a.handler(rt)).Methods(rt.Method).Name(rt.Method + " " + rt.Path)
	}
	to.HandleFunc(Description, func(w http.ResponseWriter, r *http.Request) {
		web.Name(r.Context(), "GET "+Description)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		web.Send(w, r, http.StatusOK, "application/json", description)
	}).Methods(http.MethodGet)
}

// Nowhere answers for a path or a method that there is no route for.
func Nowhere(w http.ResponseWriter, r *http.Request) {
	web.WriteProblem(w, r, web.NewProblem(http.StatusNotFound, "no-such-route", "There is nothing here."))
}

// NotHere answers for a method that the path does not take.
func NotHere(w http.ResponseWriter, r *http.Request) {
	web.WriteProblem(w, r, web.NewProblem(http.StatusMethodNotAllowed, "no-such-method", "This does not take that method."))
}

func (r *Request) variable(name string) string { return mux.Vars(r.http)[name] }

func number(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
