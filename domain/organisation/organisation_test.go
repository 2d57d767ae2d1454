package organisation_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samtykke/domain"
	. "samtykke/domain/domaintest"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
)

var (
	at      = Noon("2026-05-18")
	us      = ID(1)
	first   = ID(0x11)
	second  = ID(0x12)
	nobody  = ID(0x19)
	contact = organisation.Contact{
		Name: "Havglimt Rehab AS", Number: "974760673", Person: "Eli Nordmann", Email: "post@havglimt.example", Phone: "+47 22 00 00 00",
	}
	person = organisation.Professional{
		FirstName: "Eli", LastName: "Nordmann", Workplace: "Bergen", Position: "psykolog", Phone: "22000000", Email: "eli@havglimt.example",
	}
)

func as(id domain.ID, role domain.Role) domain.Act {
	return domain.Act{At: at, Actor: id, Role: role, Session: Session, Organisation: us}
}

func employee() domain.Act { return as(ID(0xe1), domain.RoleEmployee) }

func event(a domain.Act, b organisation.Body) organisation.Event {
	return organisation.Event{Act: a, Effective: a.At, Rule: rules.General, Body: b}
}

func story(t *testing.T) Story[organisation.Command, organisation.Event, organisation.State] {
	t.Helper()
	return Of(t, organisation.Decider)
}

func registration() organisation.Register {
	return organisation.Register{
		Organisation: us, Service: rules.AssistertSelvhjelp, Contact: contact, Superuser: first, Details: person,
	}
}

func registered(t *testing.T) Story[organisation.Command, organisation.Event, organisation.State] {
	t.Helper()
	return story(t).When(employee(), registration()).Then(
		event(employee(), organisation.Registered{Organisation: us, Service: rules.AssistertSelvhjelp}),
		event(employee(), organisation.ContactRecorded{Contact: contact, Source: "organisation"}),
		event(employee(), organisation.ProfessionalAdded{Professional: first, Superuser: true}),
		event(employee(), organisation.ProfessionalNamed{Professional: first, Details: person}),
	)
}

// Organisation numbers of public bodies, and what makes them wrong.
func TestNumber(t *testing.T) {
	for _, good := range []string{"974760673", "971277882", "983744516", "889640782", "994598759", "971526920", "923609016", "810034882"} {
		if !organisation.ValidNumber(good) {
			t.Errorf("%s is refused", good)
		}
		for i := range good {
			for d := byte('0'); d <= '9'; d++ {
				bad := good[:i] + string(d) + good[i+1:]
				if bad != good && organisation.ValidNumber(bad) {
					t.Errorf("%s is taken, one digit from %s", bad, good)
				}
			}
			if bad := swap(good, i); bad != good && organisation.ValidNumber(bad) {
				t.Errorf("%s is taken, two digits of %s exchanged", bad, good)
			}
		}
	}
	for _, bad := range []string{"", "97476067", "9747606733", "974 760 673", "NO974760673", "97476067x", "000000000", "٩٧٤٧٦٠٦٧٣", "97476067\x00"} {
		if organisation.ValidNumber(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

func swap(s string, i int) string {
	if i == 0 {
		return s
	}
	return s[:i-1] + s[i:i+1] + s[i-1:i] + s[i+1:]
}

func TestContact(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*organisation.Contact)
		good   bool
	}{
		"as it is":               {func(*organisation.Contact) {}, true},
		"a short number":         {func(c *organisation.Contact) { c.Phone = "02800" }, true},
		"spaces and a code":      {func(c *organisation.Contact) { c.Phone = "+47 90 12 34 56" }, true},
		"letters of the north":   {func(c *organisation.Contact) { c.Name = "Ábmir ja Čázi – Østgård & Sønner" }, true},
		"a wrong check digit":    {func(c *organisation.Contact) { c.Number = "974760674" }, false},
		"no name":                {func(c *organisation.Contact) { c.Name = " " }, false},
		"a name on two lines":    {func(c *organisation.Contact) { c.Name = "A\nB" }, false},
		"a name too long":        {func(c *organisation.Contact) { c.Name = strings.Repeat("a", 201) }, false},
		"a name that is no text": {func(c *organisation.Contact) { c.Name = "a\xff" }, false},
		"nobody":                 {func(c *organisation.Contact) { c.Person = "" }, false},
		"no address":             {func(c *organisation.Contact) { c.Email = "" }, false},
		"half an address":        {func(c *organisation.Contact) { c.Email = "post@" }, false},
		"a name and an address":  {func(c *organisation.Contact) { c.Email = "Eli <eli@havglimt.example>" }, false},
		"two addresses":          {func(c *organisation.Contact) { c.Email = "a@b.example, c@d.example" }, false},
		"a header in it":         {func(c *organisation.Contact) { c.Email = "a@b.example\r\nBcc: c@d.example" }, false},
		"an address too long":    {func(c *organisation.Contact) { c.Email = strings.Repeat("a", 250) + "@b.example" }, false},
		"no phone":               {func(c *organisation.Contact) { c.Phone = "" }, false},
		"few digits":             {func(c *organisation.Contact) { c.Phone = "1234" }, false},
		"many digits":            {func(c *organisation.Contact) { c.Phone = "1234567890123456" }, false},
		"a letter":               {func(c *organisation.Contact) { c.Phone = "22000000x" }, false},
		"a letter and enough digits to make up for it": {func(c *organisation.Contact) { c.Phone = "x" + strings.Repeat("1", 110) }, false},
		"a plus in the middle":                         {func(c *organisation.Contact) { c.Phone = "2200+0000" }, false},
		"nothing but room":                             {func(c *organisation.Contact) { c.Phone = "22000000" + strings.Repeat(" ", 1000) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			changed := contact
			c.change(&changed)
			o := registered(t).When(employee(), organisation.CorrectContact{Contact: changed, Source: "register"})
			if c.good {
				o.Then(event(employee(), organisation.ContactRecorded{Contact: changed, Source: "register"}))
			} else {
				o.ThenRefused(organisation.BadInput)
				_, err := o.Result()
				if msg := fmt.Sprint(err); strings.Contains(msg, changed.Email) && changed.Email != "" || strings.Contains(msg, "974760674") {
					t.Errorf("the refusal repeats the input: %s", msg)
				}
				bad := registration()
				bad.Contact = changed
				story(t).When(employee(), bad).ThenRefused(organisation.BadInput)
			}
		})
	}
}

func TestPersonChecked(t *testing.T) {
	for name, change := range map[string]func(*organisation.Professional){
		"first name": func(p *organisation.Professional) { p.FirstName = "" },
		"last name":  func(p *organisation.Professional) { p.LastName = "\t" },
		"workplace":  func(p *organisation.Professional) { p.Workplace = "" },
		"position":   func(p *organisation.Professional) { p.Position = "" },
		"phone":      func(p *organisation.Professional) { p.Phone = "none" },
		"email":      func(p *organisation.Professional) { p.Email = "none" },
	} {
		t.Run(name, func(t *testing.T) {
			p := person
			change(&p)
			s := registered(t)
			s.When(employee(), organisation.AddProfessional{Professional: second, Details: p}).ThenRefused(organisation.BadInput)
			s.When(employee(), organisation.CorrectProfessional{Professional: first, Details: p}).ThenRefused(organisation.BadInput)
			bad := registration()
			bad.Details = p
			story(t).When(employee(), bad).ThenRefused(organisation.BadInput)
		})
	}
}

func TestRegister(t *testing.T) {
	registered(t).When(employee(), registration()).ThenRefused(organisation.AlreadyKnown)
	for _, role := range []domain.Role{domain.RoleClient, domain.RoleProfessional, domain.RoleSuperuser, domain.RoleAuditor, domain.RoleSystem, ""} {
		story(t).When(as(first, role), registration()).ThenRefused(organisation.NotYours)
	}
	r := registration()
	r.Organisation = domain.ID{}
	story(t).When(employee(), r).ThenRefused(organisation.BadInput)
	r = registration()
	r.Superuser = domain.ID{}
	story(t).When(employee(), r).ThenRefused(organisation.BadInput)
	story(t).When(employee(), organisation.Deactivate{Professional: first}).ThenRefused(organisation.NotRegistered)
}

func TestProfessionals(t *testing.T) {
	super := as(first, domain.RoleSuperuser)
	s := registered(t).
		When(super, organisation.AddProfessional{Professional: second, Details: person}).Then(
		event(super, organisation.ProfessionalAdded{Professional: second}),
		event(super, organisation.ProfessionalNamed{Professional: second, Details: person}))
	s.When(super, organisation.AddProfessional{Professional: second, Details: person}).ThenRefused(organisation.AlreadyKnown)
	s.When(super, organisation.AddProfessional{Details: person}).ThenRefused(organisation.AlreadyKnown)
	s.When(super, organisation.CorrectProfessional{Professional: second, Details: person}).
		Then(event(super, organisation.ProfessionalNamed{Professional: second, Details: person}))

	for _, c := range []organisation.Command{
		organisation.CorrectProfessional{Professional: nobody, Details: person}, organisation.ChangeRole{Professional: nobody, Superuser: true},
		organisation.Deactivate{Professional: nobody}, organisation.Reactivate{Professional: nobody},
	} {
		s.When(super, c).ThenRefused(organisation.NoSuchPerson)
	}

	gone := s.When(super, organisation.Deactivate{Professional: second}).
		Then(event(super, organisation.ProfessionalDeactivated{Professional: second}))
	gone.When(super, organisation.Deactivate{Professional: second}).ThenNothing()
	gone.When(super, organisation.ChangeRole{Professional: second, Superuser: true}).ThenRefused(organisation.NoSuchPerson)
	gone.When(super, organisation.AddProfessional{Professional: second, Details: person}).ThenRefused(organisation.AlreadyKnown)
	gone.When(super, organisation.Reactivate{Professional: second}).
		Then(event(super, organisation.ProfessionalReactivated{Professional: second})).
		When(super, organisation.Reactivate{Professional: second}).ThenNothing()
}

// The last superuser stays. A second one takes the first one's place, and whoever comes back comes back without the role.
func TestLastSuperuser(t *testing.T) {
	super := as(first, domain.RoleSuperuser)
	s := registered(t)
	for _, a := range []domain.Act{super, employee()} {
		s.When(a, organisation.Deactivate{Professional: first}).ThenRefused(organisation.LastSuperuser)
		s.When(a, organisation.ChangeRole{Professional: first}).ThenRefused(organisation.LastSuperuser)
	}
	s = s.When(super, organisation.AddProfessional{Professional: second, Details: person}).Then(
		event(super, organisation.ProfessionalAdded{Professional: second}),
		event(super, organisation.ProfessionalNamed{Professional: second, Details: person}))
	s.When(super, organisation.Deactivate{Professional: first}).ThenRefused(organisation.LastSuperuser)
	s = s.When(super, organisation.ChangeRole{Professional: second, Superuser: true}).
		Then(event(super, organisation.RoleChanged{Professional: second, Superuser: true}))
	s.When(super, organisation.ChangeRole{Professional: second, Superuser: true}).ThenNothing()
	s = s.When(super, organisation.Deactivate{Professional: first}).
		Then(event(super, organisation.ProfessionalDeactivated{Professional: first}))
	s.When(super, organisation.Reactivate{Professional: first}).ThenRefused(organisation.NotYours) // no longer one
	now := as(second, domain.RoleSuperuser)
	s = s.When(now, organisation.Reactivate{Professional: first}).
		Then(event(now, organisation.ProfessionalReactivated{Professional: first}))
	if got := s.State().Standing(first); got != domain.RoleProfessional {
		t.Errorf("back as %q", got)
	}
}

// Who may keep the list: superusers of the organisation, and the processor's employees. Nobody else, and nobody in a role
// that is not theirs.
func TestWhoMay(t *testing.T) {
	super := as(first, domain.RoleSuperuser)
	s := registered(t).When(super, organisation.AddProfessional{Professional: second, Details: person}).Then(
		event(super, organisation.ProfessionalAdded{Professional: second}),
		event(super, organisation.ProfessionalNamed{Professional: second, Details: person}))
	commands := []organisation.Command{
		organisation.CorrectContact{Contact: contact, Source: "s"}, organisation.AddProfessional{Professional: ID(0x13), Details: person},
		organisation.CorrectProfessional{Professional: second, Details: person}, organisation.ChangeRole{Professional: second, Superuser: true},
		organisation.Deactivate{Professional: second}, organisation.Reactivate{Professional: second},
		organisation.AgreeRetention{Months: 24, Reason: "r"}, organisation.HideNames{Hidden: true}, organisation.ReviewAccess{},
	}
	for _, c := range commands {
		for name, a := range map[string]domain.Act{
			"a professional": as(second, domain.RoleProfessional), "a professional as superuser": as(second, domain.RoleSuperuser),
			"a superuser as professional": as(first, domain.RoleProfessional), "another's superuser": as(nobody, domain.RoleSuperuser),
			"nobody": as(domain.ID{}, domain.RoleSuperuser), "a client": as(first, domain.RoleClient), "an auditor": as(first, domain.RoleAuditor),
			"the system": as(first, domain.RoleSystem),
		} {
			t.Run(fmt.Sprintf("%T by %s", c, name), func(t *testing.T) { s.When(a, c).ThenRefused(organisation.NotYours) })
		}
		for _, a := range []domain.Act{super, employee()} {
			if _, err := s.When(a, c).Result(); err != nil {
				t.Errorf("%T by %s: %v", c, a.Role, err)
			}
		}
	}
}

func TestAdmit(t *testing.T) {
	events := []organisation.Body{
		organisation.Registered{Organisation: ID(0x20)},
		organisation.ProfessionalAdded{Professional: first, Superuser: true},
		organisation.ProfessionalAdded{Professional: second},
	}
	fold := func(events ...organisation.Body) (s organisation.State) {
		for _, b := range events {
			s = organisation.Evolve(s, organisation.Event{Body: b})
		}
		return s
	}
	admits := func(s organisation.State, id domain.ID, as domain.Role, want bool) {
		t.Helper()
		err := s.Admit(id, as)
		if (err == nil) != want || err != nil && domain.Refused(err) != organisation.NotActive {
			t.Errorf("as %q: %v", as, err)
		}
	}
	s := fold(events...)
	admits(s, first, domain.RoleSuperuser, true)
	admits(s, second, domain.RoleProfessional, true)
	admits(s, second, domain.RoleSuperuser, false)
	admits(s, first, domain.RoleProfessional, false)
	admits(s, first, domain.RoleClient, false)
	admits(s, first, "", false)
	admits(s, nobody, domain.RoleProfessional, false)
	admits(s, nobody, "", false)
	admits(s, domain.ID{}, domain.RoleEmployee, false)
	gone := fold(append(events, organisation.ProfessionalDeactivated{Professional: second})...)
	admits(gone, second, domain.RoleProfessional, false)
	admits(gone, second, "", false)
	admits(organisation.State{}, first, domain.RoleSuperuser, false)
}

// Whatever is asked, by whomever: there is always a superuser, and folding changes no state it was handed.
func TestAlwaysASuperuser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s organisation.State
		people := []domain.ID{first, second, ID(0x13)}
		do := func(a domain.Act, c organisation.Command) {
			events, err := organisation.Decider.Decide(a, s, c)
			if err != nil && domain.Refused(err) == "" {
				t.Fatal(err)
			}
			for _, e := range events {
				before := maps.Clone(s.Members)
				next := organisation.Decider.Evolve(s, e)
				if !maps.Equal(before, s.Members) {
					t.Fatalf("%T changed the state it was handed", e.Body)
				}
				s = next
			}
			if n := s.Superusers(); n < 1 {
				t.Fatalf("after %T: %d superusers", c, n)
			}
		}
		do(employee(), registration())
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			who := rapid.SampledFrom(people).Draw(t, "who")
			super := rapid.Bool().Draw(t, "superuser")
			a := employee()
			if rapid.Bool().Draw(t, "self-governed") {
				a = as(rapid.SampledFrom(people).Draw(t, "actor"), domain.RoleSuperuser)
			}
			do(a, rapid.SampledFrom([]organisation.Command{
				organisation.AddProfessional{Professional: who, Superuser: super, Details: person},
				organisation.ChangeRole{Professional: who, Superuser: super},
				organisation.Deactivate{Professional: who},
				organisation.Reactivate{Professional: who},
			}).Draw(t, "command"))
		}
	})
}

// One person is on the list once, whatever name was given: the keyed hash of the identity number tells.
func TestIdentified(t *testing.T) {
	super, third := as(first, domain.RoleSuperuser), ID(0x13)
	same, other := organisation.IdentityHash{1}, organisation.IdentityHash{2}
	s := registered(t).When(super, organisation.AddProfessional{Professional: second, Details: person, Identity: same}).Then(
		event(super, organisation.ProfessionalAdded{Professional: second}), event(super, organisation.ProfessionalNamed{Professional: second, Details: person}),
		event(super, organisation.ProfessionalIdentified{Professional: second, Identity: same}))
	if m := s.State().Members[second]; m.Identity != same || m.Since != 5 {
		t.Errorf("%+v", m)
	}
	s.When(super, organisation.AddProfessional{Professional: third, Details: person, Identity: same}).ThenRefused(organisation.AlreadyKnown)
	s.When(super, organisation.CorrectProfessional{Professional: first, Details: person, Identity: same}).ThenRefused(organisation.AlreadyKnown)
	for what, given := range map[string]organisation.IdentityHash{"the same": same, "none": {}} {
		named := s.When(super, organisation.CorrectProfessional{Professional: second, Details: person, Identity: given}).
			Then(event(super, organisation.ProfessionalNamed{Professional: second, Details: person}))
		if got := named.State().Members[second].Identity; got != same {
			t.Errorf("%s once more leaves another", what)
		}
	}
	corrected := s.When(super, organisation.CorrectProfessional{Professional: second, Details: person, Identity: other}).Then(
		event(super, organisation.ProfessionalNamed{Professional: second, Details: person}),
		event(super, organisation.ProfessionalIdentified{Professional: second, Identity: other}))
	added := corrected.When(super, organisation.AddProfessional{Professional: third, Details: person, Identity: same}).Then(
		event(super, organisation.ProfessionalAdded{Professional: third}), event(super, organisation.ProfessionalNamed{Professional: third, Details: person}),
		event(super, organisation.ProfessionalIdentified{Professional: third, Identity: same}))
	added.When(super, organisation.ChangeRole{Professional: third, Superuser: true}).Then(event(super, organisation.RoleChanged{Professional: third, Superuser: true})).
		When(super, organisation.CorrectProfessional{Professional: first, Details: person, Identity: same}).ThenRefused(organisation.AlreadyKnown)

	// Whoever left may be added anew, and does not come back beside that.
	left := s.When(super, organisation.Deactivate{Professional: second}).Then(event(super, organisation.ProfessionalDeactivated{Professional: second}))
	left.When(super, organisation.Reactivate{Professional: second}).Then(event(super, organisation.ProfessionalReactivated{Professional: second}))
	twice := left.When(super, organisation.AddProfessional{Professional: third, Details: person, Identity: same}).Then(
		event(super, organisation.ProfessionalAdded{Professional: third}), event(super, organisation.ProfessionalNamed{Professional: third, Details: person}),
		event(super, organisation.ProfessionalIdentified{Professional: third, Identity: same}))
	twice.When(super, organisation.Reactivate{Professional: second}).ThenRefused(organisation.AlreadyKnown)
	erased := left.When(super, organisation.EraseProfessional{Professional: second}).Then(event(super, organisation.ProfessionalErased{Professional: second}))
	if got := erased.State().Members[second].Identity; got != (organisation.IdentityHash{}) {
		t.Error("the identity of somebody erased is still known")
	}
}
