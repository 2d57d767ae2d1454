package api

import (
	"net/url"

	"samtykke/adapters/desk"
	"samtykke/domain"
)

var listRoutes = []Route{
	route("GET", "/organisations", "listOrganisations", "All organisations, with their superusers. That the list was asked for is on record first.", employees, (*Request).ListOrganisations),
	route("GET", "/accounts", "listAccounts", "The service's own staff. That the list was asked for is on record first.", employees, (*Request).ListAccounts),
	route("POST", "/organisations/helsenorge", "setHelsenorge", "Settle whether the clients of an organisation, by its number in the list, come by Helsenorge. Statistics tell of those together, too.", employees, (*Request).SetHelsenorge),
	route("POST", "/accounts/invitation", "inviteAgain", "A new invitation for a superuser, an auditor or an employee, by the e-mail address in a list. Accepted, it ends the old password and every session.", service, (*Request).InviteAgain),
}

// ListedOrganisation is an organisation in the list for the service's own staff.
type ListedOrganisation struct {
	Name       string    `json:"name,omitempty" jsonschema_description:"Not there: the data were erased."`
	Number     string    `json:"number,omitempty" jsonschema_description:"Organisation number."`
	Service    string    `json:"service"`
	Helsenorge bool      `json:"helsenorge" jsonschema_description:"Its clients come by Helsenorge."`
	Superusers []Details `json:"superusers" jsonschema_description:"Those who have the role now."`
}

// ListedOrganisations are all organisations, by name.
type ListedOrganisations struct {
	Organisations []ListedOrganisation `json:"organisations"`
}

// ListedAccount is an auditor or employee of the service.
type ListedAccount struct {
	Role     domain.Role `json:"role"`
	Name     string      `json:"name"`
	Email    string      `json:"email"`
	Accepted bool        `json:"accepted" jsonschema_description:"An invitation was accepted."`
	Ended    bool        `json:"ended"`
}

// ListedAccounts are the service's own staff, by name.
type ListedAccounts struct {
	Accounts []ListedAccount `json:"accounts"`
}

// Helsenorge says whether an organisation's clients come by Helsenorge.
type Helsenorge struct {
	Number     string `json:"number" jsonschema:"maxLength=9" jsonschema_description:"Organisation number."`
	Helsenorge bool   `json:"helsenorge"`
}

// InviteAgain says who is to be invited.
type InviteAgain struct {
	Email string `json:"email" jsonschema:"maxLength=254"`
}

// ListOrganisations serves listOrganisations: all organisations, with their superusers. That the list was asked for is on record first.
func (r *Request) ListOrganisations(_ None) (ListedOrganisations, error) {
	all, err := r.Desk.ListOrganisations(r.ctx, r.by)
	if err != nil {
		return ListedOrganisations{}, err
	}
	return ListedOrganisations{mapped(all, func(o desk.Organisation) ListedOrganisation {
		out := ListedOrganisation{Name: o.Name(), Service: string(o.Service), Helsenorge: o.Helsenorge, Superusers: []Details{}}
		if o.Contact != nil {
			out.Number = o.Contact.Number
		}
		for _, p := range o.People {
			if p.Details != nil {
				out.Superusers = append(out.Superusers, Details(*p.Details))
			}
		}
		return out
	})}, nil
}

// ListAccounts serves listAccounts: the service's own staff. That the list was asked for is on record first.
func (r *Request) ListAccounts(_ None) (ListedAccounts, error) {
	all, err := r.Desk.ListAccounts(r.ctx, r.by)
	if err != nil {
		return ListedAccounts{}, err
	}
	return ListedAccounts{mapped(all, func(a desk.Account) ListedAccount {
		return ListedAccount{a.Role, a.Name, a.Email, a.Accepted, a.Ended}
	})}, nil
}

// SetHelsenorge serves setHelsenorge: whether an organisation's clients come by Helsenorge.
func (r *Request) SetHelsenorge(in Helsenorge) (None, error) {
	p, err := r.Desk.SetHelsenorge(r.ctx, r.by, in.Number, in.Helsenorge)
	r.wrote(p)
	return None{}, err
}

// InviteAgain serves inviteAgain: a new invitation for a superuser, an auditor or an employee, by the e-mail address in a list.
func (r *Request) InviteAgain(in InviteAgain) (Invitation, error) {
	id, err := r.Desk.AccountWith(r.ctx, in.Email)
	if err != nil {
		return Invitation{}, err
	}
	return r.invite(id)
}

// Address is where people come to the service with a browser: the public address, or the one that this request came to.
func (r *Request) Address() string {
	if r.PublicURL != "" {
		return r.PublicURL
	}
	at := url.URL{Scheme: "http", Host: r.http.Host}
	if r.Secure {
		at.Scheme = "https"
	}
	return at.String()
}
