package client_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/rules"
)

// Erasing ends the sharing at once, and is over when the system has recorded both of its steps, each once and in their order.
func TestErasure(t *testing.T) {
	at := Noon("2026-02-02")
	erase := act(AsClient(at), client.Erased{Organisation: Organisation})
	s := story(t, past(granted(), lookedUp(), questioned(4))...).When(AsClient(at), client.Erase{}).Then(erase)
	if got := s.State(); got.Status != client.Gone || !got.Since.Equal(at) || len(got.Questions) != 0 || !got.Deactivated {
		t.Errorf("erased: %+v", got)
	}
	look := client.LookUp{Purpose: client.Appointment, Kinds: kinds}
	s.When(AsProfessional(at), look).ThenRefused(client.NotRegistered)
	s.When(AsClient(at), client.Erase{}).ThenRefused(client.IsDeactivated)
	s.When(AsClient(at), client.Grant{Occasion: client.Settings}).ThenRefused(client.IsDeactivated)
	s.When(AsSystem(at), client.RecordSwept{Records: 2}).ThenRefused(client.NotErased) // the key comes first
	s = s.When(AsSystem(at), client.RecordKeyDestroyed{}).Then(act(AsSystem(at), client.KeyDestroyed{})).
		When(AsSystem(at), client.RecordKeyDestroyed{}).ThenNothing().
		When(AsSystem(at), client.RecordSwept{Records: 2}).Then(act(AsSystem(at), client.Swept{Records: 2})).
		When(AsSystem(at), client.RecordSwept{Records: 0}).ThenNothing()
	// Time brings nothing more, and the look-ups that stand can still be reviewed.
	late := lapses.Add(400 * 24 * time.Hour)
	s.When(AsSystem(late), client.PassTime{}).ThenNothing()
	s.When(AsSuperuser(late), review(nil)).
		Then(act(AsSuperuser(late), client.LookUpReviewed{LookUp: 4, By: Professional, Concern: client.AskedByClient, Outcome: client.InOrder}))
	if personal, why := s.State().PersonalData(); personal || why != client.NothingLeft {
		t.Errorf("personal data %v: %s", personal, why)
	}
}

// What is not shared is erased just the same, and stays what it was; a deadline that had passed comes first.
func TestErasureOfWhatIsNotShared(t *testing.T) {
	at := Noon("2026-02-02")
	erase := func(at time.Time) client.Event { return act(AsClient(at), client.Erased{Organisation: Organisation}) }
	declined := act(AsClient(yesDay), client.Declined{})
	if got := story(t, past(declined)...).When(AsClient(at), client.Erase{}).Then(erase(at)).State(); got.Status != client.Refused {
		t.Errorf("a client who declined is %q", got.Status)
	}
	s := story(t, past(granted(), act(AsClient(yesDay), client.Restricted{}))...).When(AsClient(at), client.Erase{}).Then(erase(at))
	if got := s.State(); got.Status != client.Gone || !got.Restricted {
		t.Errorf("a restricted client who shared is %+v", got)
	}
	s = story(t, past(granted())...).When(AsClient(lapses), client.Erase{}).
		Then(due(asked, lapses, client.FollowUpAsked{Grant: 3}), due(lapses, lapses, client.Lapsed{Grant: 3}), erase(lapses))
	if got := s.State(); got.Status != client.RanOut || !got.Since.Equal(lapses) {
		t.Errorf("after the deadline: %q since %s", got.Status, got.Since)
	}
}

// A client asks about a look-up once, about so many at a time, and again when the answer did not settle it.
func TestQuestions(t *testing.T) {
	at := Noon("2026-02-02")
	asks := func(version uint64) client.QuestionLookUp {
		return client.QuestionLookUp{LookUp: version, By: Professional}
	}
	events := past(granted())
	for range client.MostQuestions + 1 {
		events = append(events, lookedUp())
	}
	s := story(t, events...)
	for v := uint64(4); v < 4+client.MostQuestions; v++ {
		s = s.When(AsClient(at), asks(v)).Then(act(AsClient(at), client.LookUpQuestioned{LookUp: v, By: Professional})).
			When(AsClient(at), asks(v)).ThenNothing()
	}
	s.When(AsClient(at), asks(4+client.MostQuestions)).ThenRefused(client.ManyQuestions)
	s = s.When(AsSuperuser(at), client.ReviewLookUp{LookUp: 7, By: Professional, Concern: client.AskedByClient, Outcome: client.Deviation}).
		Then(act(AsSuperuser(at), client.LookUpReviewed{LookUp: 7, By: Professional, Concern: client.AskedByClient, Outcome: client.Deviation}))
	s.When(AsSuperuser(at), client.ReviewLookUp{LookUp: 7, By: Professional, Concern: client.AfterRefusal, Outcome: client.InOrder}).
		ThenRefused(client.WasReviewed)
	s = s.When(AsClient(at), asks(4+client.MostQuestions)).
		Then(act(AsClient(at), client.LookUpQuestioned{LookUp: 4 + client.MostQuestions, By: Professional}))
	s.When(AsClient(at), asks(7)).ThenRefused(client.ManyQuestions)
	s.When(AsSuperuser(at), client.ReviewLookUp{LookUp: 4, By: Professional, Concern: client.AskedByClient, Outcome: client.Mistake}).
		Then(act(AsSuperuser(at), client.LookUpReviewed{LookUp: 4, By: Professional, Concern: client.AskedByClient, Outcome: client.Mistake})).
		When(AsClient(at), asks(7)).Then(act(AsClient(at), client.LookUpQuestioned{LookUp: 7, By: Professional}))
}

// An ending that a copy lacks takes effect when it did: before the deadlines that came later, and behind those that came before.
func TestReapplyInItsPlace(t *testing.T) {
	late := Noon("2026-09-01")
	ending := func(at time.Time, b client.Body) client.Event {
		return client.Event{Act: AsSystem(late), Effective: at, Rule: rule, Body: b}
	}
	ask, lapse := due(asked, late, client.FollowUpAsked{Grant: 3}), due(lapses, late, client.Lapsed{Grant: 3})
	for _, c := range []struct {
		at   time.Time
		b    client.Body
		want []client.Event
	}{
		{Noon("2026-03-03"), client.Withdrawn{Grant: 3}, []client.Event{ending(Noon("2026-03-03"), client.Withdrawn{Grant: 3})}},
		{Noon("2026-07-01"), client.FollowUpEnded{Grant: 9}, []client.Event{ask, ending(Noon("2026-07-01"), client.FollowUpEnded{Grant: 3})}},
		{Noon("2026-07-01"), client.Restricted{}, []client.Event{ask, ending(Noon("2026-07-01"), client.Restricted{}), lapse}},
		{lapses, client.Withdrawn{Grant: 3}, []client.Event{ask, lapse}},
		{Noon("2026-08-01"), client.Erased{Organisation: Organisation},
			[]client.Event{ask, lapse, ending(Noon("2026-08-01"), client.Erased{Organisation: Organisation})}},
		{late.Add(time.Hour), client.Restricted{}, []client.Event{ask, lapse, ending(late, client.Restricted{})}}, // a clock that was ahead
	} {
		again := client.Reapply{Ending: act(AsClient(c.at), c.b)}
		story(t, past(granted())...).When(AsSystem(late), again).Then(c.want...).When(AsSystem(late), again).ThenNothing()
	}
}

// An ending ends nothing that came after it: to reapply what the copy holds already changes nothing, nor does it on what the client
// has opened anew since the copy was restored.
func TestReapplyEndsNothingLater(t *testing.T) {
	ended, again := Noon("2026-02-01"), Noon("2026-03-01")
	for _, events := range [][]client.Event{
		past(granted(), act(AsClient(ended), client.Withdrawn{Grant: 3}), act(AsClient(again), granted().Body)), // the copy holds both
		past(act(AsClient(again), granted().Body)),                                                              // a yes given since
	} {
		s := story(t, events...)
		for _, b := range []client.Body{client.Withdrawn{Grant: 3}, client.FollowUpEnded{Grant: 3}, client.Declined{}} {
			s.When(AsSystem(Noon("2026-03-02")), client.Reapply{Ending: act(AsClient(ended), b)}).ThenNothing()
		}
	}
	lifted := past(act(AsClient(ended), client.Restricted{}), act(AsClient(again), client.RestrictionLifted{}))
	restricted := client.Reapply{Ending: act(AsClient(ended), client.Restricted{})}
	story(t, lifted...).When(AsSystem(Noon("2026-03-02")), restricted).ThenNothing()
	story(t, lifted[:2]...).When(AsSystem(Noon("2026-03-02")), restricted).
		Then(client.Event{Act: AsSystem(Noon("2026-03-02")), Effective: ended, Rule: rule, Body: client.Restricted{}})
}

// What is an ending is what can be reapplied: nothing else has an effect.
func TestEndings(t *testing.T) {
	at := Noon("2026-02-02")
	for _, b := range []client.Body{
		client.Registered{}, client.Labelled{}, client.Granted{}, client.Declined{}, client.Withdrawn{}, client.FollowUpAsked{},
		client.FollowUpConfirmed{}, client.FollowUpEnded{}, client.Lapsed{}, client.TermsChanged{}, client.CodeRotated{Old: Code(1)},
		client.Restricted{}, client.RestrictionLifted{}, client.Deactivated{}, client.LookedUp{}, client.Erased{}, client.KeyDestroyed{},
		client.Swept{}, client.LookUpQuestioned{}, client.LookUpReviewed{}, nil,
	} {
		wrote := false
		for _, s := range states[1:] {
			events, err := story(t, s.events...).When(AsSystem(at), client.Reapply{Ending: act(AsClient(at), b)}).Result()
			if err != nil {
				t.Errorf("%T, when %s: %v", b, s.name, err)
			}
			wrote = wrote || slices.ContainsFunc(events, func(e client.Event) bool { return reflect.TypeOf(e.Body) == reflect.TypeOf(b) })
		}
		if wrote != client.IsEnding(b) {
			t.Errorf("%T is an ending: %v, is reapplied: %v", b, client.IsEnding(b), wrote)
		}
	}
}

// Whatever is reapplied, in whatever state: nothing opens that was closed, at no instant from then on; once more changes nothing;
// and nobody but the system does it.
func TestReapplyOpensNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		books := anyBooks(t)
		d := client.Decider(books)
		s := fold(life(t, books, nil))
		now := Later(t, s, books, s.Active.Add(time.Hour))
		again := client.Reapply{Ending: Ending(t, s, now)}
		events, err := d.Decide(AsSystem(now), s, again)
		if err != nil {
			t.Fatal(err)
		}
		after := s
		for _, e := range events {
			after = d.Evolve(after, e)
		}
		if more, err := d.Decide(AsSystem(now), after, again); err != nil || len(more) > 0 {
			t.Fatalf("once more: %d events, %v", len(more), err)
		}
		for _, a := range []domain.Act{AsClient(now), AsProfessional(now), AsSuperuser(now), AsEmployee(now)} {
			if _, err := d.Decide(a, s, again); domain.Refused(err) != client.NotYours {
				t.Fatalf("by %s: %v", a.Role, err)
			}
		}
		for range 3 {
			may := permitted(d, after, now)
			for _, what := range may {
				if before := permitted(d, s, now); !slices.Contains(before, what) {
					t.Fatalf("%T opened: %s", again.Ending.Body, what)
				}
			}
			now = Later(t, s, books, now)
		}
	})
}

// permitted is what is not refused at the instant.
func permitted(d domain.Decider[client.Command, client.Event, client.State], s client.State, at time.Time) (may []string) {
	look := client.LookUp{Purpose: client.Effect, Kinds: kinds}
	for what, c := range map[string]struct {
		a domain.Act
		c client.Command
	}{
		"look up": {AsProfessional(at), look}, "look up as superuser": {AsSuperuser(at), look},
		"read own":        {AsClient(at), client.ReadOwn{Purpose: client.SelfService, Kinds: kinds}},
		"log in, 1":       {AsClient(at), client.LogIn{Code: Code(1), LastLogin: at}},
		"log in, 2":       {AsClient(at), client.LogIn{Code: Code(2), LastLogin: at}},
		"log in, 3":       {AsClient(at), client.LogIn{Code: Code(3), LastLogin: at}},
		"grant":           {AsClient(at), client.Grant{Occasion: client.Settings}},
		"grant, first":    {AsClient(at), client.Grant{Occasion: client.FirstQuestion}},
		"decline":         {AsClient(at), client.Decline{}},
		"confirm":         {AsClient(at), client.AnswerFollowUp{Yes: true}},
		"rotate, 1":       {AsClient(at), client.RotateCode{Old: Code(1), New: Code(50)}},
		"rotate, 2":       {AsClient(at), client.RotateCode{Old: Code(2), New: Code(50)}},
		"lift":            {AsClient(at), client.LiftRestriction{}},
		"erase":           {AsClient(at), client.Erase{}},
		"register again":  {AsProfessional(at), Registration(rules.AssistertSelvhjelp)},
		"question":        {AsClient(at), client.QuestionLookUp{LookUp: 1, By: Professional}},
		"review":          {AsSuperuser(at), client.ReviewLookUp{LookUp: 1, By: Professional, Concern: client.LongAfter, Outcome: client.Mistake}},
		"review, by none": {AsClient(at), client.ReviewLookUp{LookUp: 1, By: Professional, Concern: client.LongAfter, Outcome: client.Mistake}},
	} {
		if _, err := d.Decide(c.a, s, c.c); err == nil {
			may = append(may, what)
		}
	}
	return may
}
