package main

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
)

// A benchClock stands still until it is set.
type benchClock struct{ at atomic.Int64 }

func (c *benchClock) set(t time.Time) { c.at.Store(t.UnixNano()) }
func (c *benchClock) now() time.Time  { return time.Unix(0, c.at.Load()).UTC() }

// benchStart is the day on which the clients' lives begin.
var benchStart = domain.MustDate("2025-01-20")

// A populace is organisations and the clients they follow up, in a data directory of their own below the scratch folder.
type populace struct {
	sys    *system
	clock  *benchClock
	people []*benchClient
}

type benchOrg struct {
	id    domain.ID
	staff []ledger.Caller
}

type benchClient struct {
	org        *benchOrg
	id, handle domain.ID
	by         ledger.Caller
	asked      bool // whether follow-up goes on, and has not answered
}

// world is a data directory in the scratch folder.
func (b *bench) world(dir string, c *benchClock) world {
	return world{disk: disk.Sub(b.disk, dir), clock: c.now, random: rand.Reader, secrets: rand.Reader, proofs: b.proof, rules: rules.All}
}

// lazily makes something that nobody relies on before it is whole, with the disk's syncs put off.
func (b *bench) lazily(make func() error) error {
	b.disk.pace.off.Store(true)
	defer b.disk.pace.off.Store(false)
	return make()
}

// populate founds organisations for clients who have not come yet, so many each.
func (b *bench) populate(dir string, clients, each int) (*populace, error) {
	p := &populace{clock: new(benchClock)}
	p.clock.set(benchStart.Start().Add(8 * time.Hour))
	var err error
	if p.sys, err = b.world(dir, p.clock).open(b.ctx); err != nil {
		return nil, err
	}
	if b.plain {
		p.sys.ledger.Keys = plainKeys{p.sys.keys}
	}
	var org *benchOrg
	for n := range clients {
		if n%each == 0 {
			if org, err = p.found(b.ctx); err != nil {
				return nil, err
			}
		}
		p.people = append(p.people, &benchClient{org: org})
	}
	return p, nil
}

// found registers an organisation with a superuser and four professionals.
func (p *populace) found(ctx context.Context) (*benchOrg, error) {
	var ids [6]domain.ID
	for i := range ids {
		var err error
		if ids[i], err = p.sys.ledger.NewID(); err != nil {
			return nil, err
		}
	}
	o := &benchOrg{id: ids[0]}
	leader := ledger.Caller{Actor: ids[1], Role: domain.RoleSuperuser, Session: ids[1], Organisation: o.id}
	person := organisation.Professional{FirstName: "Kari", LastName: "Moen", Workplace: "Poliklinikken", Position: "psykolog", Phone: "55 00 00 00", Email: "kari@example.org"}
	err := p.sys.desk.RegisterOrganisation(ctx, operator, organisation.Register{
		Organisation: o.id, Service: rules.AssistertSelvhjelp, Superuser: leader.Actor, Details: person,
		Contact: organisation.Contact{Name: "Poliklinikken", Number: "974760673", Person: "Kari Moen", Email: "post@example.org", Phone: "55 00 00 00"},
	})
	for _, id := range ids[2:] {
		if err != nil {
			return nil, err
		}
		o.staff = append(o.staff, ledger.Caller{Actor: id, Role: domain.RoleProfessional, Session: id, Organisation: o.id})
		err = p.sys.desk.AddProfessional(ctx, leader, organisation.AddProfessional{Professional: id, Details: person})
	}
	return o, err
}

// eachClient has many go through the clients together.
func (p *populace) eachClient(do func(n int, c *benchClient) error) error {
	const together = 64
	var all sync.WaitGroup
	errs := make([]error, together)
	for g := range together {
		all.Go(func() {
			for n := g; n < len(p.people) && errs[g] == nil; n += together {
				errs[g] = do(n, p.people[n])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// join registers a client, who shares at once, and gives how many events that were.
func (p *populace) join(ctx context.Context, c *benchClient) (int, error) {
	r, err := p.sys.desk.RegisterClient(ctx, c.org.staff[0])
	if err != nil {
		return 0, err
	}
	c.id, c.handle = r.Client, r.Handle
	c.by = ledger.Caller{Actor: c.id, Role: domain.RoleClient, Session: c.handle, Text: shownText}
	done, err := p.sys.desk.Clients.Do(ctx, c.id, c.by, client.Grant{Occasion: client.FirstQuestion})
	return 2 + done.Written, err
}

// newSharing makes clients who share, with a journal of so many entries each.
func (b *bench) newSharing(dir string, clients, each, entries int) (p *populace, err error) {
	err = b.lazily(func() error {
		if p, err = b.populate(dir, clients, each); err != nil {
			return err
		}
		if err := p.eachClient(func(_ int, c *benchClient) error { _, err := p.join(b.ctx, c); return err }); err != nil {
			return err
		}
		for n := 0; n < entries && err == nil; n += session {
			err = p.eachClient(func(_ int, c *benchClient) error { return p.session(b.ctx, c, n, min(n+session, entries)) })
		}
		return err
	})
	return p, err
}

// session is how many entries a client makes one after the other.
const session = 8

func (p *populace) session(ctx context.Context, c *benchClient, from, to int) error {
	for n := from; n < to; n++ {
		if _, err := p.sys.desk.Journals.Do(ctx, c.id, c.by, benchEntry(n)); err != nil {
			return err
		}
	}
	return nil
}

// benchEntry is the n-th entry of a client's journal: sessions with a login, content, time spent, a form and an answer.
func benchEntry(n int) journal.Command {
	content := "part-" + string(rune('1'+n/session%6))
	switch n % session {
	case 0:
		return journal.LogIn{Channel: journal.Web, Browser: "Firefox", System: "Windows"}
	case 1, 4:
		return journal.Open{Content: content}
	case 2, 5:
		return journal.SpendTime{Content: content, Seconds: 600, Clicks: 40}
	case 3:
		return journal.Finish{Content: content}
	case 6:
		return journal.Assess{Instrument: journal.PHQ9, Items: []int{1, 2, 0, 1, 2, 1, 0, 1, 0}, Difficulty: 1, Entered: journal.ByClient}
	}
	return journal.Answer{Task: content + "/thoughts", Text: "Jeg gikk en tur og sov bedre.", Entered: journal.ByClient}
}

// newHistory makes the ledger that is replayed and opened: clients who come over half a year, share, are looked up once a
// week, and answer when they are asked. Its views have no snapshot.
func (b *bench) newHistory() error {
	if b.history != "" {
		return nil
	}
	b.note("making a ledger")
	b.history = "history"
	return b.lazily(func() error {
		p, err := b.populate(b.history, b.clients, 100)
		if err != nil {
			return err
		}
		var made atomic.Int64
		for week := 0; made.Load() < int64(b.events); week++ {
			p.clock.set(benchStart.AddWeeks(week).Start().Add(8 * time.Hour))
			err := p.eachClient(func(n int, c *benchClient) error {
				if n%26 > week || made.Load() >= int64(b.events) {
					return nil
				}
				written, err := p.week(b.ctx, n, week, c)
				made.Add(int64(written))
				return err
			})
			if err != nil {
				return err
			}
		}
		return p.sys.closeFiles()
	})
}

// week is a client's week in the history, and gives how many events it has.
func (p *populace) week(ctx context.Context, n, week int, c *benchClient) (int, error) {
	switch {
	case c.id.IsZero():
		return p.join(ctx, c)
	case c.asked:
		c.asked = false
		done, err := p.sys.desk.Clients.Do(ctx, c.id, c.by, client.AnswerFollowUp{Yes: true})
		return done.Written, err
	}
	by := c.org.staff[(n+week)%len(c.org.staff)]
	if (n+week)%100 == 0 { // somebody tries a handle that is none of theirs
		id, err := p.sys.ledger.NewID()
		if err != nil {
			return 0, err
		}
		done, err := p.sys.desk.Door.Refused.Begin(ctx, id, by, oversight.LookUpRefused{
			Handle: id, Purpose: client.Appointment, Kinds: benchKinds, Reason: client.NotRegistered,
		})
		return done.Written, err
	}
	done, err := p.sys.desk.Clients.Do(ctx, c.id, by, client.LookUp{Purpose: client.Appointment, Kinds: benchKinds})
	c.asked = done.State.Asked
	return done.Written, err
}

// benchKinds are the kinds of information that a look-up before an appointment shows.
var benchKinds = []client.Kind{client.Scores, client.Progress, client.Use}
