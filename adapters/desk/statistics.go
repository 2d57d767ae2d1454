package desk

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/organisation"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Releases gives what was released of statistics, in the order of the quarters. Whoever asks may know.
func (d *Desk) Releases(ctx context.Context) ([]statistics.Publication, error) {
	s, _, err := d.Statistics.State(ctx, eventschema.ServiceID)
	return s.Releases, err
}

// An Office is an organisation by its name, with nobody of its people.
type Office struct {
	ID           domain.ID
	Name, Number string // "": erased
	Helsenorge   bool   // its clients come by Helsenorge
}

// Offices gives every organisation by name. Nobody's data are in it, so that no question about it is put on record (D06): whose reader
// is to know only some of them is told only those.
func (d *Desk) Offices(ctx context.Context) ([]Office, error) {
	var all []Office
	err := d.Keeper.Offices.Each(ctx, func(id domain.ID, _ projections.Office) error {
		o, err := d.Organisation(ctx, id)
		if err != nil {
			return err
		}
		office := Office{ID: id, Name: o.Name(), Helsenorge: o.Helsenorge}
		if o.Contact != nil {
			office.Number = o.Contact.Number
		}
		all = append(all, office)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Office) int { return cmp.Or(cmp.Compare(a.Name, b.Name), bytes.Compare(a.ID[:], b.ID[:])) })
	return all, nil
}

// The codes of refusals of an organisation's number.
const (
	NoSuchOrganisation = "no-such-organisation"
	Several            = "several"
)

// SetHelsenorge settles whether the clients of the organisation with the number come by Helsenorge. The caller is an employee. It refuses
// with NoSuchOrganisation where no organisation has the number, and with Several where more than one has.
func (d *Desk) SetHelsenorge(ctx context.Context, by ledger.Caller, number string, is bool) (ledger.Position, error) {
	all, err := d.Offices(ctx)
	if err != nil {
		return 0, err
	}
	all = slices.DeleteFunc(all, func(o Office) bool { return number == "" || o.Number != number })
	switch len(all) {
	case 0:
		return 0, domain.Refuse(NoSuchOrganisation, "No organisation has that number.")
	case 1:
		done, err := d.Organisations.Do(ctx, all[0].ID, by, organisation.SetHelsenorge{By: is})
		return done.Position, err
	}
	return 0, domain.Refuse(Several, "More than one organisation has that number.")
}
