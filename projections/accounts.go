package projections

import (
	"samtykke/domain"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// An Account is the login name that an account has, by the key of its keyed hash, and since when it has it. The document of the
// account's id, which is a professional's where it is one's; listed by that key. Who may sign in, the account's stream decides.
type Account struct {
	Organisation domain.ID // that the professional was added by
	Login        domain.ID
	Since        uint64 // position
	Gone         bool   // ended, or its professional deactivated: another account may have the name now
}

var accounts = View[Account]{
	Name:    "accounts",
	Version: 1,
	Keeping: SealedAtRest,
	Under:   eventschema.KeyStaff,
	Key: func(f *Fact) (domain.ID, bool) {
		switch b := f.Body.(type) {
		case staff.Invited, staff.Ended:
			return f.Subject, true
		case organisation.ProfessionalAdded:
			return b.Professional, true
		case organisation.ProfessionalDeactivated:
			return b.Professional, true
		case organisation.ProfessionalReactivated:
			return b.Professional, true
		}
		return domain.ID{}, false
	},
	Apply: func(a Account, f *Fact) Account {
		switch b := f.Body.(type) {
		case staff.Invited:
			if login := StaffKey(b.Login); a.Login != login {
				a.Login, a.Since = login, f.Position
			}
		case organisation.ProfessionalAdded:
			a.Organisation = f.Subject
		case organisation.ProfessionalReactivated:
			a.Gone, a.Since = false, f.Position // whoever took the name meanwhile had it first
		default:
			a.Gone = true
		}
		return a
	},
	Group: func(a Account) domain.ID { return a.Login },
}

// invitations finds the account whose invitation has not been accepted, by the key of the keyed hash of its code. The document of
// the account's id; listed by that key.
var invitations = View[domain.ID]{
	Name:    "invitations",
	Version: 1,
	Keeping: SealedAtRest,
	Under:   eventschema.KeyStaff,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case staff.Invited, staff.Accepted, staff.Ended:
			return f.Subject, true
		}
		return domain.ID{}, false
	},
	Apply: func(_ domain.ID, f *Fact) domain.ID {
		if b, ok := f.Body.(staff.Invited); ok {
			return StaffKey(b.Code)
		}
		return domain.ID{}
	},
	Group: func(code domain.ID) domain.ID { return code },
}

// StaffKey is the key that a login name or an invitation's code is listed under.
func StaffKey(h staff.Hash) domain.ID { return domain.ID(h[:16]) }
