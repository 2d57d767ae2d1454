package organisation_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
	. "samtykke/domain/domaintest"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
)

type orgStory = Story[organisation.Command, organisation.Event, organisation.State]

// staffed has a superuser and one more professional, agreed to keep access logs by name for so many months.
func staffed(t *testing.T, months int) orgStory {
	t.Helper()
	super := as(first, domain.RoleSuperuser)
	s := registered(t).When(super, organisation.AddProfessional{Professional: second, Details: person}).Then(
		event(super, organisation.ProfessionalAdded{Professional: second}),
		event(super, organisation.ProfessionalNamed{Professional: second, Details: person}))
	if months == 0 {
		return s
	}
	agreed := organisation.RetentionAgreed{Months: months, Reason: "instruction 7"}
	return s.When(super, organisation.AgreeRetention(agreed)).Then(event(super, agreed))
}

func left(t *testing.T, months int) orgStory {
	super := as(first, domain.RoleSuperuser)
	return staffed(t, months).When(super, organisation.Deactivate{Professional: second}).
		Then(event(super, organisation.ProfessionalDeactivated{Professional: second}))
}

func TestSettled(t *testing.T) {
	super := as(first, domain.RoleSuperuser)
	s := registered(t)
	for _, bad := range []organisation.AgreeRetention{
		{Months: -1, Reason: "r"}, {Months: organisation.LongestRetention + 1, Reason: "r"}, {Months: 12}, {Months: 12, Reason: " "},
		{Months: 12, Reason: strings.Repeat("r", 201)}, {Months: 12, Reason: "a\nb"},
	} {
		s.When(super, bad).ThenRefused(organisation.BadInput)
	}
	for _, months := range []int{0, 1, organisation.LongestRetention} {
		b := organisation.RetentionAgreed{Months: months, Reason: "r"}
		if got := s.When(super, organisation.AgreeRetention(b)).Then(event(super, b)).State().Retention; got != months {
			t.Errorf("agreed on %d months: %d", months, got)
		}
	}
	s.When(super, organisation.HideNames{}).ThenNothing()
	hidden := s.When(super, organisation.HideNames{Hidden: true}).Then(event(super, organisation.NamesHidden{Hidden: true}))
	hidden.When(super, organisation.HideNames{Hidden: true}).ThenNothing()
	if shown := hidden.When(super, organisation.HideNames{}).Then(event(super, organisation.NamesHidden{})); shown.State().NamesHidden {
		t.Error("shown, and hidden")
	}
	reviewed := s.When(super, organisation.ReviewAccess{}).Then(event(super, organisation.AccessReviewed{}))
	if got := reviewed.State().Reviewed; !got.Equal(at) {
		t.Errorf("the list was gone through at %s", got)
	}
}

// Whoever is off the list is erased once the agreed time since the last look-up has passed, or at once who never looked.
func TestEraseProfessional(t *testing.T) {
	super := as(first, domain.RoleSuperuser)
	looked := Noon("2025-11-30")
	erase := organisation.EraseProfessional{Professional: second, LastLook: looked}
	never := organisation.EraseProfessional{Professional: second}
	on := func(day string, d time.Duration) domain.Act {
		a := super
		a.At = domain.MustDate(day).Start().Add(d)
		return a
	}
	staffed(t, 3).When(super, erase).ThenRefused(organisation.KeptByName) // still on the list
	staffed(t, 3).When(super, never).ThenRefused(organisation.KeptByName)
	staffed(t, 3).When(super, organisation.EraseProfessional{Professional: nobody}).ThenRefused(organisation.NoSuchPerson)
	left(t, 0).When(super, erase).ThenRefused(organisation.KeptByName)                // no time agreed
	left(t, 3).When(on("2026-03-01", -1), erase).ThenRefused(organisation.KeptByName) // the last moment of the last day

	gone := func(a domain.Act) organisation.Event {
		return event(a, organisation.ProfessionalErased{Professional: second})
	}
	left(t, 3).When(on("2026-03-01", 0), erase).Then(gone(on("2026-03-01", 0)))
	left(t, 0).When(super, never).Then(gone(super))
	s := left(t, 3).When(employee(), erase).Then(gone(employee()))
	s.When(super, erase).ThenNothing()
	s.When(super, organisation.Reactivate{Professional: second}).ThenRefused(organisation.IsErased)
	s.When(super, organisation.CorrectProfessional{Professional: second, Details: person}).ThenRefused(organisation.IsErased)
	s.When(super, organisation.ChangeRole{Professional: second, Superuser: true}).ThenRefused(organisation.NoSuchPerson)
	s.When(super, organisation.AddProfessional{Professional: second, Details: person}).ThenRefused(organisation.AlreadyKnown)
	s.When(super, organisation.Deactivate{Professional: second}).ThenNothing()

	system := AsSystem(at)
	destroyed := organisation.RecordKeyDestroyed{Professional: second}
	left(t, 3).When(system, destroyed).ThenRefused(organisation.KeptByName)
	s.When(super, destroyed).ThenRefused(organisation.NotYours)
	s = s.When(system, destroyed).Then(event(system, organisation.ProfessionalKeyDestroyed{Professional: second})).
		When(system, destroyed).ThenNothing()
	if m := s.State().Members[second]; !m.Erased || !m.KeyDestroyed || m.Active {
		t.Errorf("%+v", m)
	}
	if _, can := (organisation.State{}).ErasableFrom(domain.DateOf(looked)); can {
		t.Error("erasable without an agreement")
	}
}

// An ending that a copy lacks ends what stood before it, and nothing that came after.
func TestReapply(t *testing.T) {
	super, system := as(first, domain.RoleSuperuser), AsSystem(at)
	late := system
	late.At = at.Add(48 * time.Hour)
	again := func(at time.Time, b organisation.Body) organisation.Reapply {
		return organisation.Reapply{Ending: organisation.Event{Act: super, Effective: at, Rule: rules.General, Body: b}}
	}
	deactivated := organisation.ProfessionalDeactivated{Professional: second}
	s := staffed(t, 3)
	gone := s.When(late, again(at.Add(time.Hour), deactivated)).Then(event(late, deactivated))
	gone.When(late, again(at.Add(time.Hour), deactivated)).ThenNothing()
	s.When(late, again(at.Add(-time.Hour), deactivated)).ThenNothing() // added since
	back := super
	back.At = late.At
	in := gone.When(back, organisation.Reactivate{Professional: second}).Then(event(back, organisation.ProfessionalReactivated{Professional: second}))
	in.When(late, again(at.Add(time.Hour), deactivated)).ThenNothing() // let in again since

	// Also the last superuser's: the processor's staff name another.
	s.When(late, again(at, organisation.ProfessionalDeactivated{Professional: first})).
		Then(event(late, organisation.ProfessionalDeactivated{Professional: first})).
		When(employee(), organisation.ChangeRole{Professional: second, Superuser: true}).
		Then(event(employee(), organisation.RoleChanged{Professional: second, Superuser: true}))
	s.When(late, again(at, organisation.RoleChanged{Professional: first})).
		Then(event(late, organisation.RoleChanged{Professional: first})).
		When(late, again(at, organisation.RoleChanged{Professional: first})).ThenNothing()
	s.When(late, again(at, organisation.RoleChanged{Professional: second, Superuser: true})).ThenNothing()
	erased := organisation.ProfessionalErased{Professional: second}
	for _, s := range []orgStory{s, gone, in} {
		s.When(late, again(at.Add(time.Hour), erased)).Then(event(late, erased)).When(late, again(at.Add(time.Hour), erased)).ThenNothing()
	}
	for _, b := range []organisation.Body{
		organisation.ProfessionalDeactivated{Professional: nobody}, organisation.ProfessionalErased{Professional: nobody},
		organisation.ProfessionalReactivated{Professional: second}, organisation.ProfessionalAdded{Professional: nobody, Superuser: true},
		organisation.RetentionAgreed{Months: 1}, organisation.NamesHidden{Hidden: true}, nil,
	} {
		gone.When(late, again(late.At, b)).ThenNothing()
	}
	for _, a := range []domain.Act{super, employee(), as(second, domain.RoleProfessional)} {
		s.When(a, again(at, deactivated)).ThenRefused(organisation.NotYours)
	}
	story(t).When(late, again(at, deactivated)).ThenRefused(organisation.NotRegistered)
}

// Whatever is reapplied, nobody can act who could not before, nor in a higher role; and once more changes nothing.
func TestReapplyOpensNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s organisation.State
		people := []domain.ID{first, second, ID(0x13)}
		now := at
		do := func(a domain.Act, c organisation.Command) []organisation.Event {
			a.At = now
			events, err := organisation.Decider.Decide(a, s, c)
			if err != nil && domain.Refused(err) == "" {
				t.Fatal(err)
			}
			for _, e := range events {
				s = organisation.Decider.Evolve(s, e)
			}
			return events
		}
		do(employee(), registration())
		for range rapid.IntRange(0, 20).Draw(t, "commands") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "hours")) * time.Hour)
			who := rapid.SampledFrom(people).Draw(t, "who")
			super := rapid.Bool().Draw(t, "superuser")
			do(employee(), rapid.SampledFrom([]organisation.Command{
				organisation.AddProfessional{Professional: who, Superuser: super, Details: person},
				organisation.ChangeRole{Professional: who, Superuser: super}, organisation.Deactivate{Professional: who},
				organisation.Reactivate{Professional: who}, organisation.EraseProfessional{Professional: who},
			}).Draw(t, "command"))
			before := s
			ending := organisation.Event{
				Effective: now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "ago")) * time.Hour),
				Body: rapid.SampledFrom([]organisation.Body{
					organisation.ProfessionalDeactivated{Professional: who}, organisation.ProfessionalErased{Professional: who},
					organisation.RoleChanged{Professional: who, Superuser: super}, organisation.ProfessionalReactivated{Professional: who},
				}).Draw(t, "ending"),
			}
			events := do(AsSystem(now), organisation.Reapply{Ending: ending})
			if len(events) > 0 && !organisation.IsEnding(events[0].Body) {
				t.Fatalf("%T is reapplied, and is no ending", events[0].Body)
			}
			for _, id := range people {
				was, is := before.Standing(id), s.Standing(id)
				if is != was && is != "" && was != domain.RoleSuperuser {
					t.Fatalf("%T made %q of %q", ending.Body, is, was)
				}
				if before.Members[id].Erased && !s.Members[id].Erased {
					t.Fatalf("%T brought back an erased one", ending.Body)
				}
			}
			whole := s
			if more := do(AsSystem(now), organisation.Reapply{Ending: ending}); len(more) > 0 || !reflect.DeepEqual(whole, s) {
				t.Fatalf("%T once more: %d events", ending.Body, len(more))
			}
		}
	})
}
