// Package professional is what professionals, superusers and employees of the service meet in a browser: the overview of clients, a
// page about one client, registering a new one, and who may act for an organisation.
//
// # What is registered
//
// A page that is only opened shows the label, whether the client shares, until when, and whether it has been asked about follow-up. It
// never says why somebody does not share. What is registered comes by a form that says what it is for, and each answer is a look-up for
// each client shown, on record before it is shown. So the overview looks up the clients on the page that is open and no others, and
// nobody can sort, filter or search by what was registered: that would take a look-up for each client compared.
//
// What was looked up is shown once. Whatever is sent from such a page leads back to the page as it is opened.
//
// # Labels, handles, ids
//
// The address of a page about a client holds the handle that the organisation knows the client by. A label and the words of a search
// stand in forms and on pages, never in an address, and so not in the title either, which a browser keeps in its history.
//
// A handle of another organisation's client, of one that was erased and of one that never was is answered alike, and the attempt is on
// record.
//
// # What is shown once
//
// The code of a new client and an invitation are the answer to the form that made them. The same form sent twice is answered the same,
// and there is nothing to open afterwards. Nobody can give a client that there is a new code: a new access is registered instead.
//
// # Reliable change
//
// Of a score it is said whether it has changed by more than the form's own uncertainty, by published limits (journal.Forms). Where no
// limit is published, nothing is said.
//
// # Who somebody is
//
// No page has a field for a client's name, and what is written in free text is refused where it tells who somebody is (C14).
//
// # The service's own staff
//
// An employee sees organisations with their superusers, and the service's own staff, to invite them anew. That a list was opened is on
// record. People are named in a form by the e-mail address that the list shows: no id of the ledger's own is on these pages.
package professional

import (
	"embed"
	"net/http"
	"strings"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
)

//go:embed templates
var files embed.FS

var (
	professionals = []domain.Role{domain.RoleProfessional, domain.RoleSuperuser}
	superusers    = []domain.Role{domain.RoleSuperuser}
	employees     = []domain.Role{domain.RoleEmployee}
)

// Screens are the pages of this package.
var Screens = []api.Screen{
	{Method: "GET", Path: "/overview", Roles: professionals, Looks: true, Serve: overview},
	{Method: "POST", Path: "/overview", Roles: professionals, Looks: true, Serve: overview},

	{Method: "GET", Path: "/clients/new", Roles: professionals, Serve: newClient},
	{Method: "POST", Path: "/clients/new", Roles: professionals, Serve: registerClient},

	{Method: "GET", Path: "/clients/{handle}", Roles: professionals, Looks: true, Serve: oneClient},
	{Method: "POST", Path: "/clients/{handle}", Roles: professionals, Looks: true, Serve: lookUp},
	{Method: "POST", Path: "/clients/{handle}/content", Roles: professionals, Looks: true, Serve: sendContent},
	{Method: "POST", Path: "/clients/{handle}/notes", Roles: professionals, Looks: true, Serve: writeNote},
	{Method: "POST", Path: "/clients/{handle}/corrections", Roles: professionals, Looks: true, Serve: passOnCorrection},
	{Method: "GET", Path: "/clients/{handle}/register/{form}", Roles: professionals, Looks: true, Serve: entry},
	{Method: "POST", Path: "/clients/{handle}/register/{form}", Roles: professionals, Looks: true, Serve: enter},

	{Method: "GET", Path: "/organisation", Roles: professionals, Serve: organisationFront},
	{Method: "POST", Path: "/organisation", Roles: superusers, Serve: correctContact},

	{Method: "GET", Path: "/professionals", Roles: superusers, Serve: people},
	{Method: "GET", Path: "/professionals/new", Roles: superusers, Serve: newPerson},
	{Method: "POST", Path: "/professionals/new", Roles: superusers, Serve: addPerson},
	{Method: "GET", Path: "/professionals/{professional}", Roles: superusers, Serve: onePerson},
	{Method: "POST", Path: "/professionals/{professional}", Roles: superusers, Serve: correctPerson},
	{Method: "POST", Path: "/professionals/{professional}/role", Roles: superusers, Serve: changeRole},
	{Method: "POST", Path: "/professionals/{professional}/invitation", Roles: superusers, Serve: invitePerson},
	{Method: "GET", Path: "/professionals/{professional}/deactivation", Roles: superusers, Serve: confirmDeactivation},
	{Method: "POST", Path: "/professionals/{professional}/deactivation", Roles: superusers, Serve: deactivate},
	{Method: "POST", Path: "/professionals/{professional}/reactivation", Roles: superusers, Serve: reactivate},

	{Method: "GET", Path: "/organisations", Roles: employees, Serve: organisations},
	{Method: "GET", Path: "/organisations/new", Roles: employees, Serve: newOrganisation},
	{Method: "POST", Path: "/organisations/new", Roles: employees, Serve: registerOrganisation},
	{Method: "POST", Path: "/organisations/invitation", Roles: employees, Serve: inviteFrom("/organisations", "professional.to-organisations")},
	{Method: "POST", Path: "/organisations/helsenorge", Roles: employees, Serve: setHelsenorge},
	{Method: "GET", Path: "/accounts", Roles: employees, Serve: accounts},
	{Method: "GET", Path: "/accounts/new", Roles: employees, Serve: newAccount},
	{Method: "POST", Path: "/accounts/new", Roles: employees, Serve: employ},
	{Method: "POST", Path: "/accounts/invitation", Roles: employees, Serve: inviteFrom("/accounts", "professional.to-accounts")},
}

// word is what a word of the ledger's is called in a language, by a message that clients and auditors read too.
func word[T ~string](lang string, of page.Key, w T) string { return page.Say(lang, of+page.Key(w)) }

// say is a message in the reader's language.
func say(r *api.Request, key page.Key, with ...any) string { return page.Say(r.Lang(), key, with...) }

// typed is a field of the form, without what stands around it.
func typed(r *api.Request, name string) string { return strings.TrimSpace(r.Form(name)) }

// again shows a page with the reason why a form on it was not taken. Its path is where the page itself can be opened. A failure is not
// the form's matter, and comes back.
func again[T any](r *api.Request, p *page.Page[T], title page.Key, path string, body T, err error) (api.Reply, error) {
	problem := r.Refuse(err)
	if problem.Status >= http.StatusInternalServerError {
		return api.Reply{}, err
	}
	f := page.NewFrame(r, title)
	f.Path, f.Problem = path, page.Words(r.Lang(), problem)
	reply, err := page.Show(p, f, body)
	reply.Status = problem.Status
	return reply, err
}
