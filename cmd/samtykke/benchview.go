package main

import (
	"fmt"
	"sync"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// decide measures a decision on a state that is at hand: a look-up that is allowed, and one after the deadline.
func (b *bench) decide() error {
	d := client.Decider(rules.All)
	id := func(n byte) domain.ID { return domain.ID{n} }
	by := domain.Act{At: benchStart.Start(), Actor: id(1), Role: domain.RoleProfessional, Organisation: id(2)}
	var s client.State
	for _, step := range []struct {
		as domain.Act
		do client.Command
	}{
		{by, client.Register{Client: id(3), Organisation: id(2), Handle: id(4), Service: rules.AssistertSelvhjelp, Label: "AB12", Code: client.CodeHash{1}}},
		{domain.Act{At: by.At, Actor: id(3), Role: domain.RoleClient}, client.Grant{Occasion: client.FirstQuestion}},
	} {
		events, err := d.Decide(step.as, s, step.do)
		if err != nil {
			return err
		}
		for _, e := range events {
			s = d.Evolve(s, e)
		}
	}
	look := client.LookUp{Purpose: client.Appointment, Kinds: benchKinds}
	for _, c := range []struct {
		what string
		at   domain.Date
		held *aim
	}{
		{"look-up, allowed", benchStart + 1, &aim{most: 1e-6}},
		{"look-up, refused: the yes lapsed", benchStart + 300, nil},
	} {
		by.At = c.at.Start()
		if _, err := d.Decide(by, s, look); (err == nil) != (c.held != nil) {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		var took []float64
		for range 5 * b.rounds {
			const times = 2000
			t, _ := timed(func() error {
				for range times {
					_, _ = d.Decide(by, s, look)
				}
				return nil
			})
			took = append(took, t/times)
		}
		b.add(benchLine{Section: "an access decision, the state at hand", What: c.what, Figure: median(took), Unit: seconds}, c.held)
	}
	return nil
}

// overview measures the list of one organisation's clients, without look-ups and with one for each.
func (b *bench) overview() error {
	p, err := b.newSharing("overview", b.caseload, b.caseload, b.journal)
	if err != nil {
		return err
	}
	p.sys.start()
	if err := p.sys.settle(b.ctx); err != nil {
		return err
	}
	raw, err := newRawLog(b.disk, "raw")
	if err != nil {
		return err
	}
	const together = 128
	var answers [together]chan error
	for i := range answers {
		answers[i] = make(chan error, 1)
	}
	frame := make([]byte, frameBytes)
	by := p.people[0].org.staff[0]
	var list, all, written []float64
	for range 2 * b.rounds {
		for _, way := range []struct {
			into *[]float64
			do   func() error
		}{
			{&list, func() error { _, err := p.sys.desk.Door.Caseload(b.ctx, by); return err }},
			{&all, func() error {
				rows, err := p.sys.desk.Door.Overview(b.ctx, by, benchKinds)
				for _, r := range rows {
					if err == nil && r.Shown == nil {
						err = fmt.Errorf("a client who shares is not shown")
					}
				}
				return err
			}},
			{&written, func() error { return writeAll(raw, frame, b.caseload, answers[:]) }},
		} {
			took, err := timed(way.do)
			if err != nil {
				return err
			}
			*way.into = append(*way.into, took)
			if err := p.sys.settle(b.ctx); err != nil {
				return err
			}
		}
	}
	section := fmt.Sprintf("an overview of %s clients", grouped(float64(b.caseload)))
	b.add(benchLine{Section: section, What: "the view behind it", Figure: median(list), Unit: seconds}, &aim{most: 10e-3})
	b.add(benchLine{Section: section, What: "with a look-up of each client", Figure: median(all), Unit: seconds,
		Against: fmt.Sprintf("as many raw writes, %d writers", together), Yardstick: median(written)}, nil)
	return closeBoth(raw, p)
}

func closeBoth(raw *rawLog, p *populace) error {
	if err := raw.close(); err != nil {
		return err
	}
	return p.sys.close()
}

// writeAll writes so many frames, as many at once as there are channels for answers.
func writeAll(raw *rawLog, frame []byte, times int, answers []chan error) error {
	var all sync.WaitGroup
	errs := make([]error, len(answers))
	for c := range answers {
		all.Go(func() {
			for n := c; n < times && errs[c] == nil; n += len(answers) {
				errs[c] = raw.append(frame, answers[c])
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// tick measures the scheduler: what a tick costs that finds some due among very many clients, beside one that finds as
// many among few, and beside one that finds nothing.
func (b *bench) tick() error {
	few, err := b.newWaiting("few", 10*b.due)
	if err != nil {
		return err
	}
	many, err := b.newWaiting("many", b.timed)
	if err != nil {
		return err
	}
	var took [2]struct{ find, tick, idle []float64 }
	for day := range b.rounds {
		for i, p := range []*populace{few, many} {
			t := &took[i]
			p.clock.set(benchTicks.AddDays(day).Start().Add(time.Minute))
			for _, way := range []struct {
				into *[]float64
				do   func() error
			}{
				{&t.find, func() error { return p.finds(b, b.due) }},
				{&t.tick, func() error { return p.ticks(b, b.due) }},
				{nil, func() error { return p.sys.keeper.CatchUp(b.ctx) }},
				{&t.idle, func() error { return p.ticks(b, 0) }},
			} {
				s, err := timed(way.do)
				if err != nil {
					return err
				}
				if way.into != nil {
					*way.into = append(*way.into, s)
				}
			}
		}
	}
	section := fmt.Sprintf("the scheduler, %s clients", grouped(float64(b.timed)))
	beside := fmt.Sprintf("among %s clients", grouped(float64(10*b.due)))
	add := func(what string, figure, yardstick []float64, a *aim) {
		b.add(benchLine{Section: section, What: what, Figure: median(figure), Unit: seconds, Against: beside, Yardstick: median(yardstick)}, a)
	}
	add(fmt.Sprintf("finding %d that are due", b.due), took[1].find, took[0].find, nil)
	add(fmt.Sprintf("a tick that records %d questions", b.due), took[1].tick, took[0].tick, &aim{ratio: true, most: 1.3})
	add("a tick when nothing is due", took[1].idle, took[0].idle, nil)
	for _, p := range []*populace{few, many} {
		if err := p.sys.closeFiles(); err != nil {
			return err
		}
	}
	return nil
}

func (p *populace) finds(b *bench, due int) error {
	ids, err := p.sys.keeper.Due.DueBy(b.ctx, domain.DateOf(p.clock.now()))
	if err == nil && len(ids) != due {
		err = fmt.Errorf("%d clients are due, not %d", len(ids), due)
	}
	return err
}

func (p *populace) ticks(b *bench, due int) error {
	_, n, err := p.sys.desk.Tick(b.ctx)
	if err == nil && n != due {
		err = fmt.Errorf("a tick found %d clients, not %d", n, due)
	}
	return err
}

// benchTicks is the first day on which somebody is due.
var benchTicks = domain.MustDate("2026-01-05")

// newWaiting makes a ledger of clients who wait for the question about follow-up: some on each of the first days, all
// others much later.
func (b *bench) newWaiting(dir string, clients int) (p *populace, err error) {
	b.note("making a ledger of " + grouped(float64(clients)) + " clients")
	err = b.lazily(func() error {
		if p, err = b.populate(dir, 0, 1); err != nil {
			return err
		}
		p.sys.ledger.Keys = plainKeys{p.sys.keys} // these clients have none: nothing is registered about them
		p.people = make([]*benchClient, clients)
		err := p.eachClient(func(n int, _ *benchClient) error {
			asked := benchTicks.AddDays(60 + n%60)
			if day := n / b.due; day < b.rounds {
				asked = benchTicks.AddDays(day)
			}
			return p.wait(b, asked)
		})
		if err != nil {
			return err
		}
		return p.sys.keeper.CatchUp(b.ctx)
	})
	return p, err
}

// wait puts a client in the ledger who said yes just so long ago that the question is due on the day.
func (p *populace) wait(b *bench, asked domain.Date) error {
	var ids [3]domain.ID
	for i := range ids {
		var err error
		if ids[i], err = p.sys.ledger.NewID(); err != nil {
			return err
		}
	}
	who, yes := ids[0], asked.AddWeeks(-22)
	row, _ := rules.All[rules.AssistertSelvhjelp].InForce(yes)
	terms := row.Terms(yes)
	if terms.AskOn != asked {
		return fmt.Errorf("asked on %s, expected %s", terms.AskOn, asked)
	}
	at := yes.Start().Add(9 * time.Hour)
	var records [2]eventschema.Record
	for i, f := range []eventschema.Fact{
		{Act: domain.Act{Actor: operator.Actor, Role: domain.RoleProfessional, Organisation: operator.Actor},
			Body: client.Registered{Client: who, Organisation: operator.Actor, Handle: ids[1], Service: rules.AssistertSelvhjelp, Code: client.CodeHash(append(ids[1][:], ids[2][:]...))}},
		{Act: domain.Act{Actor: who, Role: domain.RoleClient, Text: shownText},
			Body: client.Granted{Occasion: client.FirstQuestion, AskOn: terms.AskOn, LapseOn: terms.LapseOn}},
	} {
		f.ID, f.Category, f.Subject, f.Version = ids[i+1], eventschema.ClientStream, who, uint64(i+1)
		f.Act.At, f.Effective, f.Rule = at, at, terms.Rule
		var err error
		if records[i], err = eventschema.Today.Encode(&f, nil); err != nil {
			return err
		}
	}
	_, err := p.sys.store.Append(b.ctx, eventschema.ClientStream.Stream(who), 0, records[:]...)
	return err
}
