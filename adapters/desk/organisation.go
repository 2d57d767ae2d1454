package desk

import (
	"context"
	"time"

	"samtykke/domain"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// An Organisation is an organisation as it is registered, with its people in the order they came. What was erased is nil.
type Organisation struct {
	Service rules.Service
	Contact *organisation.Contact
	People  []Person

	Helsenorge  bool      // its clients come by it
	NamesHidden bool      // from clients, of those who looked
	Retention   int       // months for which access logs are kept by name; 0: none agreed
	Reviewed    time.Time // when the list was gone through last; zero: never
}

// A Person is somebody on an organisation's list.
type Person struct {
	ID domain.ID
	organisation.Member
	Details *organisation.Professional
}

// Organisation reads an organisation from its stream, opened.
func (d *Desk) Organisation(ctx context.Context, id domain.ID) (Organisation, error) {
	var o Organisation
	state, version, err := d.Organisations.State(ctx, id)
	if err != nil || version == 0 {
		return o, err
	}
	o.Service, o.Helsenorge, o.NamesHidden, o.Retention, o.Reviewed = state.Service, state.Helsenorge, state.NamesHidden, state.Retention, state.Reviewed
	details := map[domain.ID]*organisation.Professional{}
	var order []domain.ID
	for r, err := range d.Ledger.Store.Stream(ctx, eventschema.OrganisationStream.Stream(id), 1) {
		if err != nil {
			return o, err
		}
		if r.Version > version {
			break
		}
		f, err := d.Ledger.Decode(ctx, &r)
		if err != nil {
			return o, err
		}
		switch b := f.Body.(type) {
		case organisation.ContactRecorded:
			o.Contact = &b.Contact
		case organisation.ProfessionalAdded:
			order = append(order, b.Professional)
		case organisation.ProfessionalNamed:
			details[b.Professional] = &b.Details
		}
	}
	for _, p := range order {
		o.People = append(o.People, Person{p, state.Members[p], details[p]})
	}
	return o, nil
}

// Name is what the organisation is called, "" where that was erased.
func (o Organisation) Name() string {
	if o.Contact == nil {
		return ""
	}
	return o.Contact.Name
}

// NameOf is the name of somebody on its list, "" for anybody else and where it was erased.
func (o Organisation) NameOf(id domain.ID) string {
	for _, p := range o.People {
		if p.ID == id && p.Details != nil {
			return p.Details.FirstName + " " + p.Details.LastName
		}
	}
	return ""
}
