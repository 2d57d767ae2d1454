package professional

import (
	"net/http"
	"slices"
	"time"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/organisation"
)

// peopleBody is the organisation's list.
type peopleBody struct{ People []person }

// person is somebody on it.
type person struct {
	ID                string
	Name              string // "" where the data were erased
	Active, Superuser bool
	Last              bool // the only superuser there is, who has to stay (C05)
	Details           api.Details
}

// newPersonBody is the form for somebody new.
type newPersonBody struct {
	Details   api.Details
	Superuser bool
}

// invitationBody is an invitation in two parts, shown once.
type invitationBody struct {
	Name, Email              string
	Invitation, Confirmation string
	Until                    time.Time
	Back, BackText           string
}

var (
	peoplePage       = page.Must[peopleBody](files, "people")
	newPersonPage    = page.Must[newPersonBody](files, "new-person")
	personPage       = page.Must[person](files, "person")
	deactivationPage = page.Must[person](files, "deactivation")
	invitationPage   = page.Must[invitationBody](files, "invitation")
	organisationPage = page.Must[organisationBody](files, "organisation")
)

func personOf(p api.Professional) person {
	out := person{ID: p.Professional.String(), Active: p.Active, Superuser: p.Superuser}
	if p.Details != nil {
		out.Details, out.Name = *p.Details, p.Details.FirstName+" "+p.Details.LastName
	}
	return out
}

func people(r *api.Request) (api.Reply, error) {
	list, err := r.ListProfessionals(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	var b peopleBody
	for _, active := range []bool{true, false} { // those who have left stand last
		for _, p := range list.Professionals {
			if p.Active == active {
				b.People = append(b.People, personOf(p))
			}
		}
	}
	return page.Show(peoplePage, page.NewFrame(r, "professional.people-title"), b)
}

// details reads who somebody is from the form.
func details(r *api.Request) api.Details {
	return api.Details{
		FirstName: typed(r, "first"), LastName: typed(r, "last"), Workplace: typed(r, "workplace"), Position: typed(r, "position"),
		Phone: typed(r, "phone"), Email: typed(r, "email"),
	}
}

func newPerson(r *api.Request) (api.Reply, error) {
	return page.Show(newPersonPage, page.NewFrame(r, "professional.new-person-title"), newPersonBody{})
}

func addPerson(r *api.Request) (api.Reply, error) {
	b := newPersonBody{details(r), r.Form("superuser") != ""}
	err := checkEmail(b.Details.Email)
	var out api.Added
	if err == nil {
		out, err = r.AddProfessional(api.AddProfessional{Details: b.Details, Superuser: b.Superuser})
	}
	if err != nil {
		return page.Again(r, newPersonPage, "professional.new-person-title", b, err)
	}
	return showInvitation(r, b.Details.FirstName+" "+b.Details.LastName, b.Details.Email, out.Invitation,
		"/professionals", "professional.to-people")
}

// showInvitation shows both parts of an invitation, as the answer to the form that made it.
func showInvitation(r *api.Request, name, email string, i api.Invitation, back string, backText page.Key) (api.Reply, error) {
	f := page.NewFrame(r, "professional.invitation-title")
	f.Path = back
	return page.Show(invitationPage, f, invitationBody{name, email, i.Invitation, i.Confirmation, i.Until, back, say(r, backText)})
}

// readPerson finds who the path means on the organisation's list.
func readPerson(r *api.Request) (person, error) {
	list, err := r.ListProfessionals(api.None{})
	if err != nil {
		return person{}, err
	}
	id := r.ID("professional")
	i := slices.IndexFunc(list.Professionals, func(p api.Professional) bool { return p.Professional == id })
	if i < 0 || id == (domain.ID{}) {
		return person{}, web.NewProblem(http.StatusNotFound, "not-found", "There is nobody by that number on the list.")
	}
	p := personOf(list.Professionals[i])
	p.Last = p.Superuser && superusersIn(list.Professionals) == 1
	return p, nil
}

func superusersIn(all []api.Professional) (n int) {
	for _, p := range all {
		if p.Active && p.Superuser {
			n++
		}
	}
	return n
}

func personPath(r *api.Request) string { return "/professionals/" + r.ID("professional").String() }

func onePerson(r *api.Request) (api.Reply, error) {
	p, err := readPerson(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(personPage, page.NewFrame(r, "professional.person-title"), p)
}

// personAgain shows somebody with the reason why a form about them was not taken.
func personAgain(r *api.Request, change func(*person), why error) (api.Reply, error) {
	p, err := readPerson(r)
	if err != nil {
		return api.Reply{}, err
	}
	change(&p)
	return again(r, personPage, "professional.person-title", personPath(r), p, why)
}

func asItIs(*person) {}

func correctPerson(r *api.Request) (api.Reply, error) {
	d := details(r)
	err := checkEmail(d.Email)
	if err == nil {
		_, err = r.CorrectProfessional(api.CorrectProfessional{Details: d})
	}
	if err != nil {
		return personAgain(r, func(p *person) { p.Details = d }, err)
	}
	return api.GoTo(personPath(r) + "?done=details-corrected")
}

func changeRole(r *api.Request) (api.Reply, error) {
	if _, err := r.ChangeRole(api.Role{Superuser: r.Form("superuser") == "yes"}); err != nil {
		return personAgain(r, asItIs, err)
	}
	return api.GoTo(personPath(r) + "?done=role-changed")
}

func invitePerson(r *api.Request) (api.Reply, error) {
	p, err := readPerson(r)
	if err != nil {
		return api.Reply{}, err
	}
	i, err := r.InviteProfessional(api.None{})
	if err != nil {
		return personAgain(r, asItIs, err)
	}
	return showInvitation(r, p.Name, p.Details.Email, i, personPath(r), "professional.to-person")
}

func confirmDeactivation(r *api.Request) (api.Reply, error) {
	p, err := readPerson(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(deactivationPage, page.NewFrame(r, "professional.deactivation-title"), p)
}

func deactivate(r *api.Request) (api.Reply, error) {
	if _, err := r.DeactivateProfessional(api.None{}); err != nil {
		return personAgain(r, asItIs, err)
	}
	return api.GoTo("/professionals?done=access-ended")
}

func reactivate(r *api.Request) (api.Reply, error) {
	if _, err := r.ReactivateProfessional(api.None{}); err != nil {
		return personAgain(r, asItIs, err)
	}
	return api.GoTo(personPath(r) + "?done=access-again")
}

// organisationBody is the organisation as registered.
type organisationBody struct {
	Service string
	Contact api.Contact
	Source  string
	Erased  bool
	Correct bool // the reader may correct it
}

func readOrganisation(r *api.Request) (organisationBody, error) {
	o, err := r.ReadOrganisation(api.None{})
	if err != nil {
		return organisationBody{}, err
	}
	role, _ := r.SignedIn()
	b := organisationBody{Service: serviceName(r, o.Service), Erased: o.Contact == nil, Correct: role == domain.RoleSuperuser, Source: "organisation"}
	if o.Contact != nil {
		b.Contact = *o.Contact
	}
	return b, nil
}

func organisationFront(r *api.Request) (api.Reply, error) {
	b, err := readOrganisation(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(organisationPage, page.NewFrame(r, "professional.organisation-title"), b)
}

// contact reads who the organisation is from the form.
func contact(r *api.Request) api.Contact {
	return api.Contact{
		Name: typed(r, "org-name"), Number: fold(typed(r, "org-number")), Person: typed(r, "org-person"),
		Email: typed(r, "org-email"), Phone: typed(r, "org-phone"),
	}
}

// checkContact and checkEmail say in a form's own words what the domain would refuse in general ones.
func checkContact(c api.Contact) error {
	if !organisation.ValidNumber(c.Number) {
		return web.NewProblem(http.StatusUnprocessableEntity, "organisation-number", "The organisation number is not valid.")
	}
	return checkEmail(c.Email)
}

func checkEmail(address string) error {
	if organisation.CheckEmail(address) != nil {
		return web.NewProblem(http.StatusUnprocessableEntity, "email-address", "The e-mail address is not valid.")
	}
	return nil
}

func correctContact(r *api.Request) (api.Reply, error) {
	in := api.CorrectContact{Contact: contact(r), Source: r.Form("source")}
	if in.Source != "register" {
		in.Source = "organisation"
	}
	err := checkContact(in.Contact)
	if err == nil {
		_, err = r.CorrectContact(in)
	}
	if err != nil {
		b, other := readOrganisation(r)
		if other != nil {
			return api.Reply{}, other
		}
		b.Contact, b.Source = in.Contact, in.Source
		return page.Again(r, organisationPage, "professional.organisation-title", b, err)
	}
	return api.GoTo("/organisation?done=contact-corrected")
}
