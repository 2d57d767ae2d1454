package desk

import (
	"context"
	"errors"

	"samtykke/adapters/ledger"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Self is what is stored about a member of staff (clause C12).
type Self struct {
	Name, Workplace, Position, Phone, Email string

	History []eventschema.Fact // of the organisation's list and of the account, each in order; not opened
	Seen    projections.Trail  // look-ups, attempts and questions of the caller's own
}

// Self reads what is stored about the caller, who is staff.
func (d *Desk) Self(ctx context.Context, by ledger.Caller) (s Self, err error) {
	take := func(stream string, own func(*eventschema.Fact) bool) error {
		for r, err := range d.Ledger.Store.Stream(ctx, stream, 1) {
			if err != nil {
				return err
			}
			f, err := d.Ledger.Decode(ctx, &r)
			if err != nil {
				return err
			}
			if own(&f) {
				f.Body, f.Closed = nil, nil
				s.History = append(s.History, f)
			}
		}
		return nil
	}
	if !by.Organisation.IsZero() {
		err = take(eventschema.OrganisationStream.Stream(by.Organisation), func(f *eventschema.Fact) bool {
			switch b := f.Body.(type) {
			case organisation.ProfessionalNamed:
				if p := b.Details; b.Professional == by.Actor {
					s.Name, s.Workplace, s.Position, s.Phone, s.Email = p.FirstName+" "+p.LastName, p.Workplace, p.Position, p.Phone, p.Email
				}
				return b.Professional == by.Actor
			case organisation.ProfessionalAdded:
				return b.Professional == by.Actor
			case organisation.ProfessionalIdentified:
				return b.Professional == by.Actor
			case organisation.RoleChanged:
				return b.Professional == by.Actor
			case organisation.ProfessionalDeactivated:
				return b.Professional == by.Actor
			case organisation.ProfessionalReactivated:
				return b.Professional == by.Actor
			}
			return false
		})
	}
	err = errors.Join(err, take(eventschema.StaffStream.Stream(by.Actor), func(f *eventschema.Fact) bool {
		if b, ok := f.Body.(staff.Named); ok {
			s.Name, s.Email = b.Name, b.Email
		}
		return true
	}))
	var errSeen error
	s.Seen, _, errSeen = d.Keeper.Audit.Get(ctx, by.Actor)
	return s, errors.Join(err, errSeen)
}
