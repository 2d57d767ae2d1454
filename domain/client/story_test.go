package client_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/rules"
)

func story(t *testing.T, past ...client.Event) Story[client.Command, client.Event, client.State] {
	t.Helper()
	return Of(t, decider).Given(past...)
}

func TestRegistration(t *testing.T) {
	register := Registration(rules.AssistertSelvhjelp)
	story(t).When(AsProfessional(start), register).Then(registered()...)
	superuser := AsProfessional(start)
	superuser.Role = domain.RoleSuperuser
	story(t).When(superuser, register).Then(
		act(superuser, registered()[0].Body), act(superuser, registered()[1].Body))

	for name, c := range map[string]struct {
		change func(*domain.Act, *client.Register)
		code   string
	}{
		"by a client":         {func(a *domain.Act, _ *client.Register) { *a = AsClient(start) }, client.NotYours},
		"by the system":       {func(a *domain.Act, _ *client.Register) { *a = AsSystem(start) }, client.NotYours},
		"for another":         {func(_ *domain.Act, c *client.Register) { c.Organisation = ID(2) }, client.NotYours},
		"no organisation":     {func(a *domain.Act, c *client.Register) { c.Organisation, a.Organisation = ID(0), ID(0) }, client.BadInput},
		"no client":           {func(_ *domain.Act, c *client.Register) { c.Client = ID(0) }, client.BadInput},
		"no handle":           {func(_ *domain.Act, c *client.Register) { c.Handle = ID(0) }, client.BadInput},
		"the id as handle":    {func(_ *domain.Act, c *client.Register) { c.Handle = c.Client }, client.BadInput},
		"no label":            {func(_ *domain.Act, c *client.Register) { c.Label = "" }, client.BadInput},
		"no code":             {func(_ *domain.Act, c *client.Register) { c.Code = client.CodeHash{} }, client.BadInput},
		"no service":          {func(_ *domain.Act, c *client.Register) { c.Service = "other" }, client.NoSuchService},
		"a service not begun": {func(a *domain.Act, c *client.Register) { c.Service, a.At = rules.Trigga, Noon("2025-01-15") }, client.NoSuchService},
		"the service's eve": {func(a *domain.Act, c *client.Register) {
			c.Service, a.At = rules.Trigga, domain.MustDate("2025-01-16").Start().Add(-1)
		}, client.NoSuchService},
		"the service's moment": {func(a *domain.Act, c *client.Register) {
			c.Service, a.At = rules.Trigga, domain.MustDate("2025-01-16").Start()
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, r := AsProfessional(start), register
			c.change(&a, &r)
			story(t).When(a, r).ThenRefused(c.code)
		})
	}
}

// The lapse takes effect at its instant: a nanosecond before, access holds; at the instant it does not.
func TestLapseAtItsInstant(t *testing.T) {
	look := client.LookUp{Purpose: client.Overview, Kinds: kinds, Journal: 7}
	before := lapses.Add(-time.Nanosecond)
	ask := func(at time.Time) client.Event { return due(asked, at, client.FollowUpAsked{Grant: 3}) }
	lookedUp := client.LookedUp{Basis: client.ByGrant, Purpose: client.Overview, Kinds: kinds, Journal: 7, Grant: 3}

	story(t, past(granted())...).When(AsProfessional(before), look).Then(ask(before), act(AsProfessional(before), lookedUp))
	story(t, past(granted())...).When(AsProfessional(lapses), look).ThenRefused(client.NotShared)
	story(t, past(granted())...).When(AsProfessional(lapses.Add(1)), look).ThenRefused(client.NotShared)

	// Written down late, it still took effect then.
	late := Noon("2026-09-01")
	story(t, past(granted())...).When(AsSystem(late), client.PassTime{LastLogin: late}).
		Then(ask(late), due(lapses, late, client.Lapsed{Grant: 3})).
		When(AsSystem(late), client.PassTime{LastLogin: late}).ThenNothing()

	for at, want := range map[time.Time]client.Status{before: client.Shared, lapses: client.RanOut, late: client.RanOut} {
		s := story(t, past(granted())...).State().At(rules.All, at)
		if s.Status != want || want == client.RanOut && !s.Since.Equal(lapses) {
			t.Errorf("at %s: %q since %s, expected %q", at, s.Status, s.Since, want)
		}
	}
}

func TestQuestionAtItsInstant(t *testing.T) {
	answer := client.AnswerFollowUp{Yes: true}
	story(t, past(granted())...).When(AsClient(asked.Add(-1)), answer).ThenRefused(client.NothingAsked)
	story(t, past(granted())...).When(AsClient(asked), answer).Then(
		due(asked, asked, client.FollowUpAsked{Grant: 3}),
		act(AsClient(asked), client.FollowUpConfirmed{Grant: 3, AskOn: domain.MustDate("2026-11-16"), LapseOn: domain.MustDate("2026-12-15")}),
	)
}

// A question that came late, because nothing ran, leaves the lapse where it was.
func TestLateQuestionMovesNothing(t *testing.T) {
	late := Noon("2026-07-13") // the last day of access
	s := story(t, past(granted())...).When(AsSystem(late), client.PassTime{LastLogin: yesDay}).
		Then(due(asked, late, client.FollowUpAsked{Grant: 3}))
	s.When(AsProfessional(lapses), client.LookUp{Purpose: client.Effect, Kinds: kinds}).ThenRefused(client.NotShared)
	s.When(AsSystem(lapses), client.PassTime{LastLogin: yesDay}).Then(due(lapses, lapses, client.Lapsed{Grant: 3}))
}

// A yes is a new act: both periods count from it.
func TestConfirmMovesBothPeriods(t *testing.T) {
	at := Noon("2026-07-13")
	s := story(t, past(granted())...).When(AsClient(at), client.AnswerFollowUp{Yes: true}).Then(
		due(asked, at, client.FollowUpAsked{Grant: 3}),
		act(AsClient(at), client.FollowUpConfirmed{Grant: 3, AskOn: domain.MustDate("2026-12-14"), LapseOn: domain.MustDate("2027-01-12")}),
	)
	s.When(AsClient(lapses), client.AnswerFollowUp{Yes: true}).ThenRefused(client.NothingAsked)
	again := domain.MustDate("2027-01-12").Start()
	s.When(AsSystem(again), client.PassTime{LastLogin: at}).Then(
		due(domain.MustDate("2026-12-14").Start(), again, client.FollowUpAsked{Grant: 5}),
		due(again, again, client.Lapsed{Grant: 5}),
	)
	if got := s.State().Grant; got != 5 {
		t.Errorf("the yes in force is at version %d", got)
	}
}

// A yes while one is live changes nothing, so nothing extends a grant but the answer to the question.
func TestGrantWhileLive(t *testing.T) {
	for _, occasion := range []client.Occasion{client.Settings, client.FirstQuestion} {
		story(t, past(granted())...).When(AsClient(asked.Add(-1)), client.Grant{Occasion: occasion}).ThenNothing()
	}
	// With the question open it brings the question alone, and answers nothing.
	s := story(t, past(granted())...).When(AsClient(asked), client.Grant{Occasion: client.Settings}).
		Then(due(asked, asked, client.FollowUpAsked{Grant: 3}))
	if got := s.State().Terms.LapseOn.Start(); !got.Equal(lapses) {
		t.Errorf("the lapse moved to %s", got)
	}
}

// After any ending the client can open sharing again, and the endings stay in the history where they were.
func TestGrantAgain(t *testing.T) {
	at := Noon("2026-08-03")
	again := act(AsClient(at), client.Granted{
		Occasion: client.Settings, AskOn: domain.MustDate("2027-01-04"), LapseOn: domain.MustDate("2027-02-02"),
	})
	grant := client.Grant{Occasion: client.Settings}
	ask, lapse := due(asked, asked, client.FollowUpAsked{Grant: 3}), due(lapses, lapses, client.Lapsed{Grant: 3})
	for name, events := range map[string][]client.Event{
		"declined":  past(act(AsClient(yesDay), client.Declined{})),
		"withdrawn": past(granted(), act(AsClient(Noon("2026-02-01")), client.Withdrawn{Grant: 3})),
		"ended":     past(granted(), ask, act(AsClient(Noon("2026-06-20")), client.FollowUpEnded{Grant: 3})),
		"lapsed":    past(granted(), ask, lapse),
	} {
		t.Run(name, func(t *testing.T) {
			s := story(t, events...).When(AsClient(at), grant).Then(again)
			s.When(AsProfessional(at), client.LookUp{Purpose: client.Overview, Kinds: kinds, Journal: 1}).Then(
				act(AsProfessional(at), client.LookedUp{
					Basis: client.ByGrant, Purpose: client.Overview, Kinds: kinds, Journal: 1, Grant: uint64(len(events) + 1),
				}))
		})
	}
	// Where the lapse was not written down, it is now, and before the new yes: a late job finds nothing to end.
	s := story(t, past(granted())...).When(AsClient(at), grant).Then(
		due(asked, at, client.FollowUpAsked{Grant: 3}), due(lapses, at, client.Lapsed{Grant: 3}), again)
	s.When(AsSystem(at), client.PassTime{LastLogin: at}).ThenNothing()
	s.When(AsSystem(Noon("2026-12-31")), client.PassTime{LastLogin: at}).ThenNothing()
}

// Endings hold. What ended sharing is not overwritten by a later ending, nor by the time that goes on.
func TestEndingsHold(t *testing.T) {
	withdraw := client.Withdraw{}
	s := story(t, past(granted())...).When(AsClient(lapses), withdraw).Then(
		due(asked, lapses, client.FollowUpAsked{Grant: 3}), due(lapses, lapses, client.Lapsed{Grant: 3}))
	s.When(AsClient(lapses), withdraw).ThenNothing()
	if s.State().Status != client.RanOut {
		t.Errorf("a withdrawal after the deadline made of the lapse: %q", s.State().Status)
	}
	story(t, past(granted())...).When(AsClient(lapses.Add(-1)), withdraw).Then(
		due(asked, lapses.Add(-1), client.FollowUpAsked{Grant: 3}), act(AsClient(lapses.Add(-1)), client.Withdrawn{Grant: 3}))

	for name, ending := range map[client.Status]client.Event{
		client.Ended:      act(AsClient(Noon("2026-02-01")), client.Withdrawn{Grant: 3}),
		client.AnsweredNo: act(AsClient(Noon("2026-06-20")), client.FollowUpEnded{Grant: 3}),
	} {
		s := story(t, past(granted(), ending)...)
		for _, at := range []time.Time{asked, lapses, lapses.Add(24 * time.Hour)} {
			if at.Before(ending.Effective) {
				continue
			}
			s.When(AsSystem(at), client.PassTime{LastLogin: yesDay}).ThenNothing()
			s.When(AsClient(at), withdraw).ThenNothing()
			s.When(AsClient(at), client.AnswerFollowUp{Yes: true}).ThenRefused(client.NotShared)
			if got := s.State().At(rules.All, at); got.Status != name || !got.Since.Equal(ending.Effective) {
				t.Errorf("%s became %q since %s", name, got.Status, got.Since)
			}
		}
	}
	story(t, past(act(AsClient(yesDay), client.Declined{}))...).
		When(AsClient(start.Add(500*24*time.Hour)), client.Grant{Occasion: client.FirstQuestion}).ThenRefused(client.AlreadyDecided)
}

// A new code neither renews a yes nor drops it, and the one before it stops working at once.
func TestRotation(t *testing.T) {
	at := Noon("2026-05-04")
	rotate := client.RotateCode{Old: Code(1), New: Code(2)}
	s := story(t, past(granted())...)
	before := s.State()
	s = s.When(AsClient(at), rotate).Then(act(AsClient(at), client.CodeRotated{Old: Code(1), New: Code(2)}))
	after := s.State()
	if after.Status != before.Status || after.Terms != before.Terms || after.Grant != before.Grant || !after.Since.Equal(before.Since) {
		t.Errorf("rotation changed the sharing (-before +after):\n%s", cmp.Diff(before, after))
	}
	s.When(AsClient(at), rotate).ThenNothing() // the same once more
	s.When(AsClient(at), client.LogIn{Code: Code(1)}).ThenRefused(client.WrongCode)
	s.When(AsClient(at), client.LogIn{Code: Code(2)}).ThenNothing()
	s.When(AsClient(at), client.RotateCode{Old: Code(1), New: Code(3)}).ThenRefused(client.WrongCode)
	s.When(AsClient(at), client.RotateCode{Old: Code(2), New: Code(2)}).ThenNothing()
	s.When(AsClient(at), client.RotateCode{Old: Code(2)}).ThenRefused(client.BadInput)
	story(t, past()...).When(AsClient(at), client.RotateCode{Old: Code(1), New: Code(1)}).ThenRefused(client.BadInput)
	story(t, past()...).When(AsClient(at), client.RotateCode{Old: Code(1)}).ThenRefused(client.BadInput)
}

func TestRestriction(t *testing.T) {
	at := Noon("2026-05-04")
	look := client.LookUp{Purpose: client.Appointment, Kinds: kinds}
	s := story(t, past(granted())...).When(AsClient(at), client.Restrict{}).Then(act(AsClient(at), client.Restricted{}))
	s.When(AsProfessional(at), look).ThenRefused(client.NotShared)
	// Time goes on meanwhile.
	s.When(AsSystem(lapses), client.PassTime{LastLogin: at}).Then(
		due(asked, lapses, client.FollowUpAsked{Grant: 3}), due(lapses, lapses, client.Lapsed{Grant: 3}))
	s = s.When(AsClient(at), client.LiftRestriction{}).Then(act(AsClient(at), client.RestrictionLifted{}))
	s.When(AsProfessional(at), look).Then(act(AsProfessional(at), client.LookedUp{
		Basis: client.ByGrant, Purpose: client.Appointment, Kinds: kinds, Grant: 3,
	}))
}

// More than twelve months without a login, by any sign of use; then nothing opens again.
func TestTwelveMonths(t *testing.T) {
	declined := past(act(AsClient(yesDay), client.Declined{}))
	pass := func(last time.Time) client.PassTime { return client.PassTime{LastLogin: last} }
	gone := func(effective, at time.Time) client.Event {
		e := act(AsSystem(at), client.Deactivated{})
		e.Effective = effective
		return e
	}
	story(t, declined...).When(AsSystem(idle.Add(-1)), pass(time.Time{})).ThenNothing()
	s := story(t, declined...).When(AsSystem(idle), pass(time.Time{})).Then(gone(idle, idle))
	late := Noon("2027-05-01")
	story(t, declined...).When(AsSystem(late), pass(time.Time{})).Then(gone(idle, late))
	story(t, declined...).When(AsSystem(idle), pass(Noon("2026-01-13"))).ThenNothing()                                   // a later login
	story(t, declined...).When(AsSystem(idle), pass(start)).Then(gone(idle, idle))                                       // an earlier one
	story(t, past()...).When(AsSystem(idle), pass(time.Time{})).Then(gone(domain.MustDate("2027-01-06").Start(), idle))  // never logged in
	story(t, declined...).When(AsClient(idle), client.LogIn{Code: Code(1)}).ThenRefused(client.IsDeactivated)            // whether or not it was written down
	story(t, declined...).When(AsClient(idle), client.LogIn{Code: Code(1), LastLogin: Noon("2026-01-13")}).ThenNothing() // known from the journal
	story(t, declined...).When(AsClient(idle.Add(-1)), client.LogIn{Code: Code(1)}).ThenNothing()                        // the last moment
	story(t, past()...).When(AsProfessional(idle), client.LookUp{Purpose: client.Overview, Kinds: kinds}).ThenRefused(client.NotShared)

	for _, c := range []client.Command{client.Grant{Occasion: client.Settings}, client.LogIn{Code: Code(1)}, client.ReadOwn{}} {
		s.When(AsClient(idle), c).ThenRefused(client.IsDeactivated)
	}
	s.When(AsSystem(late), pass(time.Time{})).ThenNothing()

	// Under a rule with fewer months than the yes has weeks, the deactivation ends the sharing.
	book := rules.Books{rules.AssistertSelvhjelp: {{Version: rule, Ask: 22, Lapse: 26, IdleMonths: 1}}}
	soon := domain.MustDate("2026-02-13").Start()
	Of(t, client.Decider(book)).Given(past(granted())...).When(AsSystem(soon), pass(time.Time{})).Then(gone(soon, soon))
	cut := client.Evolve(story(t, past(granted())...).State(), gone(soon, soon))
	if cut.Status != client.CutOff || !cut.Since.Equal(soon) || !cut.Deactivated {
		t.Errorf("cut off: %+v", cut)
	}
	if due := cut.Due(rules.All, late); len(due) != 0 {
		t.Errorf("time goes on bringing events to a deactivated client: %d", len(due))
	}
}

// The look-up names the version of the yes that covered it: after a renewal, the newer one.
func TestLookUpNamesItsGrant(t *testing.T) {
	look := client.LookUp{Purpose: client.Workload, Kinds: kinds, Journal: 11}
	first, second := Noon("2026-02-01"), Noon("2026-06-30")
	shown := func(grant uint64) client.LookedUp {
		return client.LookedUp{Basis: client.ByGrant, Purpose: client.Workload, Kinds: kinds, Journal: 11, Grant: grant}
	}
	story(t, past(granted())...).
		When(AsProfessional(first), look).Then(act(AsProfessional(first), shown(3))).
		When(AsClient(second), client.AnswerFollowUp{Yes: true}).Then(
		due(asked, second, client.FollowUpAsked{Grant: 3}),
		act(AsClient(second), client.FollowUpConfirmed{Grant: 3, AskOn: domain.MustDate("2026-12-01"), LapseOn: domain.MustDate("2026-12-30")})).
		When(AsProfessional(second), look).Then(act(AsProfessional(second), shown(6)))

	own := client.ReadOwn{Purpose: client.SelfService, Kinds: kinds, Journal: 11}
	story(t, past(granted())...).When(AsClient(first), own).Then(act(AsClient(first),
		client.LookedUp{Basis: client.OwnData, Purpose: client.SelfService, Kinds: kinds, Journal: 11}))

	// What the caller does with its slice afterwards is not the event's.
	mine := []client.Kind{client.Scores}
	events, _ := story(t, past(granted())...).When(AsProfessional(first), client.LookUp{Purpose: client.Overview, Kinds: mine}).Result()
	mine[0] = client.Notes
	if got := events[0].Body.(client.LookedUp).Kinds[0]; got != client.Scores {
		t.Errorf("the event now says %q", got)
	}
}

// A change of rule that reaches running grants, in books of our own making.
func TestRunningGrants(t *testing.T) {
	change := domain.MustDate("2026-04-01")
	book := func(ask, lapse int, reach rules.Reach) rules.Books {
		return rules.Books{rules.AssistertSelvhjelp: {
			{Version: rule, Ask: 22, Lapse: 26, IdleMonths: 12},
			{Version: "new", From: change, Ask: ask, Lapse: lapse, IdleMonths: 12, Reach: reach},
		}}
	}
	changed := func(rule string, effective, at time.Time, b client.Body) client.Event {
		e := due(effective, at, b)
		e.Rule = rule
		return e
	}
	state := story(t, past(granted())...).State()
	late := Noon("2027-01-01")
	terms := func(ask, lapse string) client.TermsChanged {
		c := client.TermsChanged{Grant: 3, LapseOn: domain.MustDate(lapse)}
		if ask != "" {
			c.AskOn = domain.MustDate(ask)
		}
		return c
	}
	ask, lapse := client.FollowUpAsked{Grant: 3}, client.Lapsed{Grant: 3}
	for name, c := range map[string]struct {
		books rules.Books
		want  []client.Event
	}{
		"only new grants": {book(4, 8, rules.NewGrants), []client.Event{
			changed(rule, asked, late, ask), changed(rule, lapses, late, lapse),
		}},
		"longer": {book(30, 40, rules.RunningGrants), []client.Event{
			changed("new", change.Start(), late, terms("2026-08-10", "2026-10-20")),
			changed("new", domain.MustDate("2026-08-10").Start(), late, ask),
			changed("new", domain.MustDate("2026-10-20").Start(), late, lapse),
		}},
		"shorter": {book(10, 14, rules.RunningGrants), []client.Event{
			changed("new", change.Start(), late, terms("2026-04-01", "2026-04-21")),
			changed("new", change.Start(), late, ask),
			changed("new", domain.MustDate("2026-04-21").Start(), late, lapse),
		}},
		"so short that it had ended": {book(2, 4, rules.RunningGrants), []client.Event{
			changed("new", change.Start(), late, terms("2026-04-01", "2026-04-01")),
			changed("new", change.Start(), late, lapse), // and nobody is asked about what has ended
		}},
		"without a question": {book(0, 26, rules.RunningGrants), []client.Event{
			changed("new", change.Start(), late, terms("", "2026-07-14")),
			changed("new", lapses, late, lapse),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, state.Due(c.books, late)); d != "" {
				t.Errorf("(-expected +due):\n%s", d)
			}
		})
	}
	// The change falls on the very day of the lapse: the new rule comes first, and the grant runs on.
	same := rules.Books{rules.AssistertSelvhjelp: {
		{Version: rule, Ask: 22, Lapse: 26, IdleMonths: 12},
		{Version: "new", From: domain.MustDate("2026-07-14"), Ask: 30, Lapse: 40, IdleMonths: 12, Reach: rules.RunningGrants},
	}}
	if got := state.At(same, lapses); got.Status != client.Shared || got.Terms.Rule != "new" {
		t.Errorf("on the day of the lapse: %q under %s", got.Status, got.Terms.Rule)
	}
}

// The change of 2 September 2021, from 14 weeks to 26 with a question, leaves a running grant its dates.
func TestChangeOf2021(t *testing.T) {
	old := func(a domain.Act, b client.Body) client.Event {
		return client.Event{Act: a, Effective: a.At, Rule: "assistert-selvhjelp/1", Body: b}
	}
	in, yes := Noon("2021-06-28"), Noon("2021-07-01")
	s := story(t).When(AsProfessional(in), Registration(rules.AssistertSelvhjelp)).
		Then(old(AsProfessional(in), registered()[0].Body), old(AsProfessional(in), registered()[1].Body)).
		When(AsClient(yes), client.Grant{Occasion: client.FirstQuestion}).
		Then(old(AsClient(yes), client.Granted{Occasion: client.FirstQuestion, LapseOn: domain.MustDate("2021-10-08")}))
	end := domain.MustDate("2021-10-08").Start()
	lapse := client.Event{Act: AsSystem(end), Effective: end, Rule: "assistert-selvhjelp/1", Body: client.Lapsed{Grant: 3}}
	s.When(AsProfessional(end.Add(-1)), client.LookUp{Purpose: client.Overview, Kinds: kinds}).
		Then(old(AsProfessional(end.Add(-1)), client.LookedUp{Basis: client.ByGrant, Purpose: client.Overview, Kinds: kinds, Grant: 3}))
	s.When(AsClient(end), client.Grant{Occasion: client.Settings}).Then(lapse, client.Event{
		Act: AsClient(end), Effective: end, Rule: rule,
		Body: client.Granted{Occasion: client.Settings, AskOn: domain.MustDate("2022-03-11"), LapseOn: domain.MustDate("2022-04-09")},
	})
}

func TestPersonalData(t *testing.T) {
	rotated := act(AsClient(yesDay), client.CodeRotated{Old: Code(1), New: Code(2)})
	withdrawn := act(AsClient(Noon("2026-02-01")), client.Withdrawn{Grant: 3})
	for _, c := range []struct {
		what     string
		events   []client.Event
		at       time.Time
		personal bool
		why      client.Reading
	}{
		{"registered", past(), yesDay, true, client.IdentifiableByLabel},
		{"declined", past(act(AsClient(yesDay), client.Declined{})), yesDay, true, client.IdentifiableByLabel},
		{"sharing", past(granted()), yesDay, true, client.IdentifiableBySharing},
		{"sharing under a new code", past(granted(), rotated), yesDay, true, client.IdentifiableBySharing},
		{"withdrawn", past(granted(), withdrawn), Noon("2026-02-02"), true, client.IdentifiableByLabel},
		{"a new code, not sharing", past(rotated), yesDay, false, client.Anonymous},
		{"a new code, then withdrawn", past(granted(), rotated, withdrawn), Noon("2026-02-02"), false, client.Anonymous},
		{"a new code, a moment before the lapse", past(granted(), rotated), lapses.Add(-1), true, client.IdentifiableBySharing},
		{"a new code, at the lapse", past(granted(), rotated), lapses, false, client.Anonymous},
		{"deactivated", past(act(AsSystem(idle), client.Deactivated{})), idle, true, client.IdentifiableByLabel},
	} {
		personal, why := story(t, c.events...).State().At(rules.All, c.at).PersonalData()
		if personal != c.personal || why != c.why {
			t.Errorf("%s: %v, %q; expected %v, %q", c.what, personal, why, c.personal, c.why)
		}
	}
}

// A body that nobody can read any more counts as one event and changes nothing else.
func TestRedactedLabel(t *testing.T) {
	events := past(granted())
	whole := story(t, events...).State()
	events[1] = client.Event{}
	if got := story(t, events...).State(); !reflect.DeepEqual(got, whole) {
		t.Errorf("without the label (-with +without):\n%s", cmp.Diff(whole, got))
	}
}
