package evidence

import (
	"strconv"

	"samtykke/domain"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// A person is somebody with an account. The position is that of the account's first event.
type person struct {
	staff.State
	position uint64
}

// An access is an exceptional one, with the position of its opening.
type access struct {
	oversight.Access
	position uint64
}

func (c *count) organisationFact(f *eventschema.Fact, within bool) {
	body, _ := f.Body.(organisation.Body)
	was := c.org
	c.org = organisation.Evolve(was, organisation.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	switch b := body.(type) {
	case organisation.ContactRecorded:
		c.name = b.Contact.Name
	case organisation.RetentionAgreed:
		c.agreed = f.Position
	}
	for id := range c.org.Members {
		role := was.Standing(id)
		if c.org.Standing(id) == role {
			continue
		}
		c.standing[id] = f.Position
		if role != "" {
			c.left[id] = f.Act.At
		}
	}
	if !within {
		return
	}
	c.fewestSuperusers(f.Position, was)
	switch b := body.(type) {
	case organisation.ContactRecorded:
		c.add(f, "contacts")
	case organisation.ProfessionalAdded:
		c.add(f, "staff-changes", "added")
	case organisation.RoleChanged:
		c.add(f, "staff-changes", "role-changed")
	case organisation.ProfessionalDeactivated:
		c.add(f, "staff-changes", "left")
	case organisation.ProfessionalReactivated:
		c.add(f, "staff-changes", "returned")
	case organisation.ProfessionalErased:
		c.add(f, "staff-erased")
	case organisation.NamesHidden:
		c.add(f, "names-hidden")
	case organisation.AccessReviewed:
		c.add(f, "access-reviews", domain.DateOf(f.Effective).String())
	case organisation.RetentionAgreed:
		c.add(f, "retention-agreed", domain.DateOf(f.Effective).String()+": "+strconv.Itoa(b.Months)+" måneder")
	}
}

// fewestSuperusers notes how many there were around an event of the period. An organisation that is just being registered has none yet.
func (c *count) fewestSuperusers(position uint64, was organisation.State) {
	had, has := was.Superusers(), c.org.Superusers()
	fewest := has
	if had > 0 {
		fewest = min(had, has)
	}
	f := c.figures["superusers"]
	if fewest > 0 || had > 0 {
		f.Value = min(f.Value, int64(fewest))
	}
	if had != has {
		f.Events.add(position)
	}
}

func (c *count) staffFact(f *eventschema.Fact, within bool) {
	p, known := c.people[f.Subject]
	body, _ := f.Body.(staff.Body)
	if _, service := body.(staff.Employed); !known && !service && !c.own(f.Subject) {
		return
	}
	if !known {
		p.position = f.Position
	}
	p.State = staff.Evolve(p.State, staff.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	c.people[f.Subject] = p
	if !within {
		return
	}
	of := "" // figures of the organisation
	if p.Role != "" {
		of = "service-"
	}
	switch b := body.(type) {
	case staff.SignedIn:
		c.add(f, of+"sign-ins", string(f.Act.Role), string(b.Method))
		if b.Method != staff.PasswordOTP {
			c.add(f, of+"sign-ins-weak")
		}
	case staff.DeclarationSigned:
		c.add(f, of+"declarations", f.Act.Text.Name, f.Act.Text.Version)
	}
}

func (c *count) refusedFact(f *eventschema.Fact, within bool) {
	switch b := f.Body.(type) {
	case oversight.LookUpRefused:
		of := f.Act.Organisation == c.ask.Organisation
		if !of && !c.client(b.Client) {
			return
		}
		c.attempts[f.Subject] = of
		if !within {
			return
		}
		from := "own"
		if !of {
			from = "others"
		}
		c.add(f, "lookups-refused", from, string(f.Act.Role), string(b.Purpose), b.Reason)
	case oversight.SignInRefused:
		switch {
		case !within:
		case c.own(b.Account) || c.client(b.Account):
			c.add(f, "sign-ins-refused", string(b.As), b.Reason)
		case b.Account.IsZero() || c.people[b.Account].Role != "":
			c.add(f, "service-sign-ins-refused", string(b.As), b.Reason)
		}
	case oversight.AttemptReviewed:
		// What another organisation's superuser says of their own people is that organisation's; the safety manager's word is about ours.
		if own, ours := c.attempts[f.Subject]; within && ours && (own || f.Act.Role == domain.RoleSafetyManager) {
			c.reviewed(f, b.Concern, b.Outcome)
		}
	}
}

func (c *count) accessFact(f *eventschema.Fact, within bool) {
	body, _ := f.Body.(oversight.Body)
	a := c.accesses[f.Subject]
	a.Access = oversight.EvolveAccess(a.Access, oversight.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	switch b := body.(type) {
	case oversight.AccessOpened:
		a.position = f.Position
		if within {
			c.add(f, "accesses", string(b.Door))
		}
	case oversight.AccessUsed:
		if within {
			c.add(f, "accesses-used", b.What)
		}
	case oversight.AccessReviewed:
		if c.within(a.Opened) {
			c.add(f, "accesses-reviewed", string(b.Outcome))
		}
	}
	c.accesses[f.Subject] = a
}
