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
	newOrganisationPage = page.Must[newOrganisationBody](files, "new-organisation")
	newAccountPage      = page.Must[newAccountBody](files, "new-account")
)

func servicesWith(r *api.Request, chosen string) (all []choice) {
	for i, s := range services {
		all = append(all, choice{Value: string(s), Text: serviceName(r, string(s)), Chosen: string(s) == chosen || chosen == "" && i == 0})
	}
	return all
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
		return page.Again(r, newOrganisationPage, "professional.new-organisation-title", b, err)
	}
	return showInvitation(r, b.Details.FirstName+" "+b.Details.LastName, b.Details.Email, out.Invitation,
		"/organisations", "professional.to-organisations")
}

// accountRoles are those of the service's own staff, with what each may.
var accountRoles = []struct {
	role       domain.Role
	name, hint page.Key
}{
	{domain.RoleAuditor, "professional.account-auditor", "professional.account-auditor-hint"},
	{domain.RoleEmployee, "professional.account-employee", "professional.account-employee-hint"},
}

func rolesWith(r *api.Request, chosen domain.Role) (all []choice) {
	for _, a := range accountRoles {
		all = append(all, choice{string(a.role), say(r, a.name), say(r, a.hint), a.role == chosen})
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
		return page.Again(r, newAccountPage, "professional.new-account-title", b, err)
	}
	return showInvitation(r, b.Name, b.Email, out.Invitation, "/accounts", "professional.to-accounts")
}
