package main

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// forged writes what no decider would have: each body as it is given, at the instant of the event or else at once.
func forged[B, S any](r *rig, c eventschema.Category, evolve func(S, domain.Event[B]) S) func(domain.ID, ledger.Caller, domain.Event[B]) {
	streams := ledger.NewStreams(r.sys.ledger, c, domain.Decider[domain.Event[B], domain.Event[B], S]{
		Decide: func(a domain.Act, _ S, e domain.Event[B]) ([]domain.Event[B], error) {
			if e.Act, e.Rule = a, rules.General; e.Effective.IsZero() {
				e.Effective = a.At
			}
			return []domain.Event[B]{e}, nil
		},
		Evolve: evolve,
	})
	return func(id domain.ID, by ledger.Caller, e domain.Event[B]) {
		r.t.Helper()
		_, err := streams.Do(context.Background(), id, by, e)
		r.must(err)
	}
}

// problems are what verify finds that it did not find before the act.
func (r *rig) problems(act func()) []problem {
	r.t.Helper()
	before, err := r.sys.verify(context.Background(), func(uint64, uint64) {})
	r.must(err)
	act()
	after, err := r.sys.verify(context.Background(), func(uint64, uint64) {})
	r.must(err)
	return after.Problems[len(before.Problems):]
}

// erase does what an event says that records a step of an erasure.
func (r *rig) erase(id domain.ID, body any) {
	r.t.Helper()
	all := func(o eventschema.Owner) func(*eventschema.Record) (bool, error) {
		return func(rec *eventschema.Record) (bool, error) {
			f, err := eventschema.Today.Decode(rec, nil)
			return f.Owner == o, err
		}
	}
	ctx := context.Background()
	var err error
	switch b := body.(type) {
	case client.KeyDestroyed:
		err = r.sys.keys.Destroy(ctx, keyring.Owner{Kind: keyring.Client, ID: id})
	case client.Swept:
		_, err = r.sys.store.Erase(ctx, all(eventschema.Owner{Kind: eventschema.KeyClient, ID: id}))
	case organisation.ProfessionalKeyDestroyed:
		_, err = r.sys.store.Erase(ctx, all(eventschema.Owner{Kind: eventschema.KeyStaff, ID: b.Professional}))
		r.must(r.sys.keys.Destroy(ctx, keyring.Owner{Kind: keyring.Staff, ID: b.Professional}))
	}
	r.must(err)
}

func (r *rig) expect(what string, want int, act func()) {
	r.t.Helper()
	if got := r.problems(act); len(got) != want {
		r.t.Errorf("%s: %d problems, expected %d: %v", what, len(got), want, got)
	}
}

// What does not belong behind an erasure is found, and steps out of their order; acts of the client by somebody else, unless the
// system reapplied an ending; questions and reviews about what was no look-up by that person.
func TestVerifyFindsForgedErasures(t *testing.T) {
	r := newRig(t, simdisk.New(rand.NewPCG(1, 2)), 1)
	r.open()
	defer func() { r.must(r.sys.close()) }()
	r.must(r.found())
	per, err := r.pro()
	r.must(err)
	write := forged(r, eventschema.ClientStream, client.Evolve)
	enter := forged(r, eventschema.JournalStream, journal.Evolve)

	// One who shares, and was looked up by Per at version 4.
	someone := func() *guest {
		g, _, err := r.guest()
		r.must(err)
		_, err = r.sys.desk.Clients.Do(t.Context(), g.by.Actor, g.by, client.Grant{Occasion: client.Settings})
		r.must(err)
		r.must(r.sys.settle(t.Context()))
		_, err = r.sys.desk.Door.LookUp(t.Context(), per, g.handle, client.Effect, views.AllKinds)
		r.must(err)
		return g
	}
	boss, system, none := r.boss, ledger.System, ledger.Caller{}
	perAsBoss := per
	perAsBoss.Role = domain.RoleSuperuser
	stranger := boss
	stranger.Actor = r.newID()
	erased, gone, swept := client.Erased{Organisation: r.office}, client.KeyDestroyed{}, client.Swept{Records: 1}
	asked := client.LookUpQuestioned{LookUp: 4, By: per.Actor}
	reviewed := client.LookUpReviewed{LookUp: 4, By: per.Actor, Concern: client.AskedByClient, Outcome: client.InOrder}
	lookedUp := client.LookedUp{Basis: client.OwnData, Purpose: client.SelfService, Kinds: views.AllKinds}
	type step struct {
		by   ledger.Caller // the zero one is the client
		body client.Body
	}
	for _, c := range []struct {
		what     string
		problems int
		steps    []step
	}{
		{"an erasure", 0, []step{{none, asked}, {none, erased}, {system, gone}, {system, swept}, {boss, reviewed}}},
		{"reapplied", 0, []step{{system, erased}, {system, gone}}},
		{"erased by the superuser", 1, []step{{boss, erased}}},
		{"erased twice", 1, []step{{none, erased}, {none, erased}}},
		{"the key first", 1, []step{{system, gone}}},
		{"the key by the client", 1, []step{{none, erased}, {none, gone}}},
		{"the key twice", 1, []step{{none, erased}, {system, gone}, {system, gone}}},
		{"swept with the key there", 1, []step{{none, erased}, {system, swept}}},
		{"swept twice", 1, []step{{none, erased}, {system, gone}, {system, swept}, {system, swept}}},
		{"a reading afterwards", 1, []step{{none, erased}, {none, lookedUp}}},
		{"a restriction afterwards", 1, []step{{none, erased}, {none, client.Restricted{}}}},
		{"a question afterwards", 1, []step{{none, erased}, {none, asked}}},
		{"a new code afterwards, reapplied", 1, []step{{none, erased}, {system, client.CodeRotated{New: client.CodeHash{1}}}}},
		{"endings reapplied", 0, []step{{system, client.Restricted{}}, {system, client.CodeRotated{New: client.CodeHash{1}}}, {system, client.Withdrawn{Grant: 3}}}},
		{"endings by an employee", 2, []step{{employee, client.Restricted{}}, {employee, client.Withdrawn{Grant: 3}}}},
		{"opened by the system", 2, []step{{none, client.Restricted{}}, {system, client.RestrictionLifted{}}, {system, asked}}},
		{"asked about another's", 1, []step{{none, client.LookUpQuestioned{LookUp: 4, By: boss.Actor}}}},
		{"asked about a yes", 1, []step{{none, client.LookUpQuestioned{LookUp: 3, By: per.Actor}}}},
		{"asked about nothing", 2, []step{{none, client.LookUpQuestioned{By: per.Actor}}, {none, client.LookUpQuestioned{LookUp: 99, By: per.Actor}}}},
		{"asked about one's own reading", 1, []step{{none, lookedUp}, {none, client.LookUpQuestioned{LookUp: 5}}}},
		{"reviewed by who looked", 1, []step{{perAsBoss, reviewed}}},
		{"reviewed by a professional", 1, []step{{per, client.LookUpReviewed{LookUp: 4, By: per.Actor}}}},
		{"reviewed by a stranger", 1, []step{{stranger, reviewed}}},
		{"reviewed by the client", 1, []step{{none, reviewed}}},
		{"reviewed without a look-up", 1, []step{{boss, client.LookUpReviewed{LookUp: 2, By: per.Actor}}}},
	} {
		g := someone()
		r.expect(c.what, c.problems, func() {
			for _, s := range c.steps {
				if s.by == none {
					s.by = g.by
				}
				write(g.by.Actor, s.by, client.Event{Body: s.body})
				r.erase(g.by.Actor, s.body)
				r.wait(time.Second)
			}
		})
	}

	answer := journal.Event{Body: journal.Answered{Task: "t", Text: "x", Entered: journal.ByClient}}
	g := someone()
	write(g.by.Actor, g.by, client.Event{Body: erased})
	r.expect("an entry that was under way", 0, func() { enter(g.by.Actor, g.by, answer) })
	write(g.by.Actor, system, client.Event{Body: gone})
	r.expect("an entry once the key is gone", 1, func() { enter(g.by.Actor, g.by, answer) })

	// A withdrawal from before the deadline, reapplied behind it, ends what the deadline would have.
	early, late := someone(), someone()
	then := r.sys.ledger.Now().Add(time.Hour)
	r.wait(200 * 24 * time.Hour)
	r.expect("reapplied in time", 0, func() { write(early.by.Actor, system, client.Event{Effective: then, Body: client.Withdrawn{Grant: 3}}) })
	r.expect("reapplied too late", 1, func() { write(late.by.Actor, system, client.Event{Body: client.Withdrawn{Grant: 3}}) })
}

// Exceptional access that was used or reviewed as it may not be is found; so are reviews of attempts by who may not, and what does
// not belong in an organisation.
func TestVerifyFindsForgedOversight(t *testing.T) {
	r := newRig(t, simdisk.New(rand.NewPCG(1, 2)), 1)
	r.open()
	defer func() { r.must(r.sys.close()) }()
	r.must(r.found())
	per, err := r.pro()
	r.must(err)
	other := ledger.Caller{Actor: r.newID(), Role: domain.RoleEmployee, Session: r.newID()}
	manager := ledger.Caller{Actor: r.newID(), Role: domain.RoleSafetyManager, Session: r.newID()}
	asManager := employee
	asManager.Role = domain.RoleSafetyManager
	open := oversight.AccessOpened{Door: oversight.Production, Reason: "r", Minutes: 60}
	long := open
	long.Minutes = 24*60 + 1
	used, closed, reviewed := oversight.AccessUsed{What: "export"}, oversight.AccessClosed{}, oversight.AccessReviewed{Outcome: client.InOrder}
	type step struct {
		after time.Duration
		by    ledger.Caller
		body  oversight.Body
	}
	write := forged(r, eventschema.AccessStream, oversight.EvolveAccess)
	for _, c := range []struct {
		what     string
		problems int
		steps    []step
	}{
		{"an access", 0, []step{{0, employee, open}, {time.Minute, employee, used}, {time.Hour, manager, reviewed}}},
		{"closed, reviewed at once", 0, []step{{0, employee, open}, {0, employee, closed}, {0, manager, reviewed}}},
		{"opened twice", 1, []step{{0, employee, open}, {0, employee, open}}},
		{"opened by a professional", 1, []step{{0, per, open}}},
		{"opened for too long", 1, []step{{0, employee, long}}},
		{"never opened", 2, []step{{0, employee, used}}},
		{"used by another", 1, []step{{0, employee, open}, {0, other, used}}},
		{"used too late", 1, []step{{0, employee, open}, {time.Hour, employee, used}}},
		{"used after it was closed", 1, []step{{0, employee, open}, {0, manager, closed}, {0, employee, used}}},
		{"reviewed while open", 1, []step{{0, employee, open}, {0, manager, reviewed}}},
		{"reviewed by who opened it", 1, []step{{0, employee, open}, {time.Hour, asManager, reviewed}}},
		{"reviewed by an employee", 1, []step{{0, employee, open}, {time.Hour, other, reviewed}}},
		{"reviewed twice", 1, []step{{0, employee, open}, {time.Hour, manager, reviewed}, {0, manager, reviewed}}},
	} {
		id := r.newID()
		r.expect(c.what, c.problems, func() {
			for _, s := range c.steps {
				r.wait(s.after)
				write(id, s.by, oversight.Event{Body: s.body})
			}
		})
	}

	query := forged(r, eventschema.OversightStream, oversight.Evolve)
	exported := func(by ledger.Caller) func() {
		return func() {
			query(r.newID(), by, oversight.Event{Body: oversight.Queried{Query: "export", Basis: oversight.BasisOf(by.Role), Reason: "r", Opened: true}})
		}
	}
	mine := r.newID()
	write(mine, other, oversight.Event{Body: open})
	r.expect("opened without a use", 1, exported(other))
	write(mine, other, oversight.Event{Body: used})
	r.expect("opened by another than who used an access", 1, exported(ledger.Caller{Actor: r.newID(), Role: domain.RoleEmployee, Session: r.newID()}))
	r.expect("opened under a use", 0, exported(other))
	r.expect("opened twice under one use", 1, exported(other))

	review := forged(r, eventschema.RefusedStream, oversight.Evolve)
	perAsBoss, stranger := per, r.boss
	perAsBoss.Role, stranger.Actor = domain.RoleSuperuser, r.newID()
	body := oversight.AttemptReviewed{By: per.Actor, Concern: client.WasRefused, Outcome: client.InOrder}
	for what, c := range map[string]struct {
		by       ledger.Caller
		body     oversight.Body
		problems int
	}{
		"by the superuser": {r.boss, body, 0}, "by the safety manager": {manager, body, 0}, "by who made it": {perAsBoss, body, 1},
		"by a stranger": {stranger, body, 1}, "by an employee": {employee, body, 1},
		"of another's": {r.boss, oversight.AttemptReviewed{By: r.boss.Actor}, 1},
	} {
		id := r.newID()
		review(id, per, oversight.Event{Body: oversight.LookUpRefused{Reason: client.NotRegistered}})
		r.expect("an attempt reviewed "+what, c.problems, func() { review(id, c.by, oversight.Event{Body: c.body}) })
		r.expect("reviewed "+what+" once more", 1, func() { review(id, r.boss, oversight.Event{Body: body}) })
	}
	r.expect("no attempt reviewed", 1, func() { review(r.newID(), r.boss, oversight.Event{Body: body}) })

	organise := forged(r, eventschema.OrganisationStream, organisation.Evolve)
	do := func(by ledger.Caller, b organisation.Body) func() {
		return func() { organise(r.office, by, organisation.Event{Body: b}); r.erase(r.office, b) }
	}
	r.expect("erased while on the list", 1, do(r.boss, organisation.ProfessionalErased{Professional: per.Actor}))
	r.expect("the key", 0, do(ledger.System, organisation.ProfessionalKeyDestroyed{Professional: per.Actor}))
	r.expect("the key twice", 1, do(ledger.System, organisation.ProfessionalKeyDestroyed{Professional: per.Actor}))
	r.expect("erased twice", 1, do(r.boss, organisation.ProfessionalErased{Professional: per.Actor}))
	r.expect("erased who never was", 1, do(r.boss, organisation.ProfessionalErased{Professional: stranger.Actor}))
	r.expect("the key of one who is not erased", 1, do(ledger.System, organisation.ProfessionalKeyDestroyed{Professional: r.boss.Actor}))
	r.expect("the last superuser, reapplied", 0, do(ledger.System, organisation.ProfessionalDeactivated{Professional: r.boss.Actor}))
	r.expect("what follows", 0, do(employee, organisation.RoleChanged{Professional: per.Actor}))
	r.must(r.sys.keys.Create(t.Context(), keyring.Owner{Kind: keyring.Staff, ID: stranger.Actor}))
	r.expect("another first", 0, do(employee, organisation.ProfessionalAdded{Professional: stranger.Actor, Superuser: true}))
	r.expect("the last superuser", 1, do(stranger, organisation.ProfessionalDeactivated{Professional: stranger.Actor}))
}
