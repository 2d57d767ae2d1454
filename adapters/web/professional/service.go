package professional

import (
	"cmp"
	"slices"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/rules"
)

// services are those that an organisation can be registered for.
var services = []rules.Service{rules.AssistertSelvhjelp, rules.Trigga}

var serviceNames = map[rules.Service]page.Key{
	rules.AssistertSelvhjelp: "professional.service-assistert-selvhjelp", rules.Trigga: "professional.service-trigga",
}

// serviceName is a service in words; one that is not known here, by its own name.
func serviceName(r *api.Request, s string) string {
	if key, ok := serviceNames[rules.Service(s)]; ok {
		return say(r, key)
	}
	return s
}

// organisationsBody are all organisations.
type organisationsBody struct{ Organisations []listedOrganisation }

type listedOrganisation struct {
	api.ListedOrganisation
	For string // the service, in words
}

// accountsBody are the service's own staff.
type accountsBody struct{ Accounts []listedAccount }

type listedAccount struct {
	api.ListedAccount
	As string // the role, in words
}

// newOrganisationBody is the form for an organisation with its first superuser.
type newOrganisationBody struct {
	Services []choice
	Contact  api.Contact
	Details  api.Details
}

// newAccountBody is the form for an account of the service's own staff.
type newAccountBody struct {
	Roles       []choice
	Name, Email string
}

var (
	organisationsPage   = page.Must[organisationsBody](files, "organisations")
	accountsPage        = page.Must[accountsBody](files, "accounts")
	newOrganisationPage = page.Must[newOrganisationBody](files, "new-organisation")
	newAccountPage      = page.Must[newAccountBody](files, "new-account")
)

func servicesWith(r *api.Request, chosen string) (all []choice) {
	for i, s := range services {
		all = append(all, choice{Value: string(s), Text: serviceName(r, string(s)), Chosen: string(s) == chosen || chosen == "" && i == 0})
	}
	return all
}

// organisations lists them, which is on record.
func organisations(r *api.Request) (api.Reply, error) {
	list, err := r.ListOrganisations(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	var b organisationsBody
	for _, o := range list.Organisations {
		b.Organisations = append(b.Organisations, listedOrganisation{o, serviceName(r, o.Service)})
	}
	return page.Show(organisationsPage, page.NewFrame(r, "professional.organisations-title"), b)
}

// setHelsenorge settles whether an organisation's clients come by Helsenorge.
func setHelsenorge(r *api.Request) (api.Reply, error) {
	if _, err := r.SetHelsenorge(api.Helsenorge{Number: r.Form("number"), Helsenorge: r.Form("helsenorge") == "yes"}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/organisations?done=helsenorge-set")
}

// accounts lists the service's own staff, which is on record.
func accounts(r *api.Request) (api.Reply, error) {
	list, err := r.ListAccounts(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	var b accountsBody
	for _, ended := range []bool{false, true} { // those who have left stand last
		for _, a := range list.Accounts {
			if a.Ended == ended {
				b.Accounts = append(b.Accounts, listedAccount{a, say(r, accountNames[a.Role])})
			}
		}
	}
	return page.Show(accountsPage, page.NewFrame(r, "professional.accounts-title"), b)
}

// inviteFrom invites somebody on a list anew, by the e-mail address that stands there.
func inviteFrom(list string, back page.Key) func(*api.Request) (api.Reply, error) {
	return func(r *api.Request) (api.Reply, error) {
		email := typed(r, "email")
		i, err := r.InviteAgain(api.InviteAgain{Email: email})
		if err != nil {
			return api.Reply{}, err
		}
		return showInvitation(r, "", email, i, list, back)
	}
}

func newOrganisation(r *api.Request) (api.Reply, error) {
	return page.Show(newOrganisationPage, page.NewFrame(r, "professional.new-organisation-title"), newOrganisationBody{Services: servicesWith(r, "")})
}

func registerOrganisation(r *api.Request) (api.Reply, error) {
	b := newOrganisationBody{servicesWith(r, r.Form("service")), contact(r), details(r)}
	err := cmp.Or(checkContact(b.Contact), checkEmail(b.Details.Email))
	var out api.RegisteredOrganisation
	if err == nil {
		out, err = r.RegisterOrganisation(api.RegisterOrganisation{Service: r.Form("service"), Contact: b.Contact, Superuser: b.Details})
	}
	if err != nil {
		return again(r, newOrganisationPage, "professional.new-organisation-title", r.Path(), b, err)
	}
	return showInvitation(r, b.Details.FirstName+" "+b.Details.LastName, b.Details.Email, out.Invitation,
		"/organisations", "professional.to-organisations")
}

var accountNames = map[domain.Role]page.Key{
	domain.RoleAuditor: "professional.account-auditor", domain.RoleEmployee: "professional.account-employee",
	domain.RoleSafetyManager: "professional.account-safety", domain.RoleToolManager: "professional.account-tool",
}

// accountHints say what somebody in a role may do.
var accountHints = map[domain.Role]page.Key{
	domain.RoleAuditor: "professional.account-auditor-hint", domain.RoleEmployee: "professional.account-employee-hint",
	domain.RoleSafetyManager: "professional.account-safety-hint", domain.RoleToolManager: "professional.account-tool-hint",
}

func rolesWith(r *api.Request, chosen domain.Role) (all []choice) {
	for _, role := range []domain.Role{domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleToolManager} {
		all = append(all, choice{string(role), say(r, accountNames[role]), say(r, accountHints[role]), role == chosen})
	}
	return all
}

func newAccount(r *api.Request) (api.Reply, error) {
	return page.Show(newAccountPage, page.NewFrame(r, "professional.new-account-title"), newAccountBody{Roles: rolesWith(r, "")})
}

func employ(r *api.Request) (api.Reply, error) {
	role := domain.Role(r.Form("role"))
	b := newAccountBody{rolesWith(r, role), typed(r, "name"), typed(r, "email")}
	err := checkEmail(b.Email)
	if !slices.ContainsFunc(b.Roles, func(c choice) bool { return c.Chosen }) {
		err = incomplete
	}
	var out api.Employed
	if err == nil {
		out, err = r.Employ(api.Employ{Role: role, Name: b.Name, Email: b.Email})
	}
	if err != nil {
		return again(r, newAccountPage, "professional.new-account-title", r.Path(), b, err)
	}
	return showInvitation(r, b.Name, b.Email, out.Invitation, "/accounts", "professional.to-accounts")
}
