package desk

import (
	"cmp"
	"context"
	"slices"

	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/projections"
)

// The lists that an employee may ask for, as they are recorded.
const (
	OrganisationsListed = "organisations"
	AccountsListed      = "accounts"
)

// ListOrganisations gives every organisation by name, with those who are its superusers now and nobody else of its people: the
// others are for them to know. The caller is an employee, and the question is on record before it is answered (D06).
func (d *Desk) ListOrganisations(ctx context.Context, by ledger.Caller) ([]Organisation, error) {
	if err := d.listing(ctx, by, OrganisationsListed, "all organisations, with their superusers"); err != nil {
		return nil, err
	}
	return d.offices(ctx)
}

// An Account is one of the service's own staff: an auditor or an employee.
type Account struct {
	ID domain.ID
	staff.Named
	Role     domain.Role
	Accepted bool // an invitation was accepted
	Ended    bool
}

// ListAccounts gives the service's own staff by name, once they have been invited; whose data were erased is not there. The caller
// is an employee, and the question is on record before it is answered (D06).
func (d *Desk) ListAccounts(ctx context.Context, by ledger.Caller) ([]Account, error) {
	if err := d.listing(ctx, by, AccountsListed, "the accounts of the service's own staff"); err != nil {
		return nil, err
	}
	return d.colleagues(ctx)
}

// listing records that a list is asked for. It refuses whoever is no employee.
func (d *Desk) listing(ctx context.Context, by ledger.Caller, list, about string) error {
	by.Key = "" // each reading is a question of its own
	_, err := d.Query(ctx, by, oversight.Queried{Query: list, About: about, Basis: oversight.Operation, Reason: "Access is kept in order."})
	return err
}

// AccountWith gives whoever on one of the lists has the e-mail address. It refuses with NoSuchAccount where nobody has it, and with
// LoginTaken where two have: neither can be told from the other by it.
func (d *Desk) AccountWith(ctx context.Context, email string) (domain.ID, error) {
	offices, err := d.offices(ctx)
	if err != nil {
		return domain.ID{}, err
	}
	colleagues, err := d.colleagues(ctx)
	if err != nil {
		return domain.ID{}, err
	}
	var found []domain.ID
	has := func(id domain.ID, address string) {
		if signin.Login(address) == signin.Login(email) {
			found = append(found, id)
		}
	}
	for _, o := range offices {
		for _, p := range o.People {
			if p.Details != nil {
				has(p.ID, p.Details.Email)
			}
		}
	}
	for _, a := range colleagues {
		if !a.Ended {
			has(a.ID, a.Email)
		}
	}
	switch len(found) {
	case 0:
		return domain.ID{}, errNoEmail
	case 1:
		return found[0], nil
	}
	return domain.ID{}, errLoginTaken
}

// offices reads the organisations, which the view of accounts knows by their people.
func (d *Desk) offices(ctx context.Context) ([]Organisation, error) {
	seen := map[domain.ID]bool{{}: true}
	all := []Organisation{}
	accounts, err := d.byAccount(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if seen[a.Organisation] {
			continue
		}
		seen[a.Organisation] = true
		o, err := d.Organisation(ctx, a.Organisation)
		if err != nil {
			return nil, err
		}
		o.People = slices.DeleteFunc(o.People, func(p Person) bool { return !p.Active || !p.Superuser })
		all = append(all, o)
	}
	slices.SortStableFunc(all, func(a, b Organisation) int { return cmp.Compare(a.Name(), b.Name()) })
	return all, nil
}

// colleagues reads the service's own staff.
func (d *Desk) colleagues(ctx context.Context) ([]Account, error) {
	all := []Account{}
	accounts, err := d.byAccount(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		s, _, err := d.Staff.State(ctx, a.id)
		if err != nil {
			return nil, err
		}
		if s.Role == "" {
			continue // a professional's
		}
		who, err := d.StaffMember(ctx, a.id)
		if domain.Refused(err) != "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Account{a.id, who, s.Role, s.Credentials > 0, s.Ended})
	}
	slices.SortStableFunc(all, func(a, b Account) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

type listed struct {
	id domain.ID
	projections.Account
}

// byAccount gives the documents of the view of accounts, in an order that stays.
func (d *Desk) byAccount(ctx context.Context) (all []listed, err error) {
	err = d.Keeper.Accounts.Each(ctx, func(id domain.ID, a projections.Account) error {
		all = append(all, listed{id, a})
		return nil
	})
	slices.SortFunc(all, func(a, b listed) int { return slices.Compare(a.id[:], b.id[:]) })
	return all, err
}
