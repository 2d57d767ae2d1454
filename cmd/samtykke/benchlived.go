package main

import (
	"errors"
	"fmt"
	"runtime"

	"samtykke/adapters/audit"
	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/projections"
)

// livedOffices and livedClients are how many organisations and clients are asked about.
const (
	livedOffices = 20
	livedClients = 300
)

// errEnough ends a walk through a view.
var errEnough = errors.New("enough")

// lived measures a demo where it lies, with its events, keys and views at servers if the environment says so: opening it, the overview,
// who saw what, a registration, and what memory all that took. The look-ups and questions are recorded there, and the clients registered.
func (b *bench) lived() error {
	w, err := realWorld(b.demo)
	if err != nil {
		return err
	}
	w.boundMemory(false)
	var s *system
	opening, err := timed(func() (err error) {
		s, err = w.open(b.ctx)
		return err
	})
	if err != nil {
		return err
	}
	head, err := s.store.Head(b.ctx)
	if err != nil {
		return errors.Join(err, s.close())
	}
	w.boundMemory(true)
	opened := resident()
	s.start()
	section := fmt.Sprintf("a demo of %s events", grouped(float64(head)))
	b.add(benchLine{Section: section, What: "opened, with the views brought up to date", Figure: opening, Unit: seconds}, nil)
	err = errors.Join(s.settle(b.ctx), b.livedOverviews(s, section), b.livedTrails(s, section), b.livedRegistrations(s, section))
	b.add(benchLine{Section: section, What: "memory resident once it was open", Figure: opened, Unit: bytesHeld}, nil)
	b.add(benchLine{Section: section, What: "the same in the end", Figure: resident(), Unit: bytesHeld}, nil)
	b.add(benchLine{Section: section, What: "most of it, opening included", Figure: peakResident(), Unit: bytesHeld}, nil)
	var heap runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&heap)
	b.add(benchLine{Section: section, What: "of which in use on the heap", Figure: float64(heap.HeapAlloc), Unit: bytesHeld}, nil)
	return errors.Join(err, s.close())
}

// livedOverviews asks for the overviews of some organisations.
func (b *bench) livedOverviews(s *system, section string) error {
	offices, err := s.someOffices(b)
	if err != nil {
		return err
	}
	var first, list, all, rows []float64
	for _, office := range offices {
		by, err := s.memberOf(b, office)
		if err != nil {
			return err
		}
		for _, into := range []*[]float64{&first, &list} {
			took, err := timed(func() error {
				found, err := s.desk.Door.Caseload(b.ctx, by)
				rows = append(rows, float64(len(found)))
				return err
			})
			if err != nil {
				return err
			}
			*into = append(*into, took)
		}
		took, err := timed(func() error { _, err := s.desk.Door.Overview(b.ctx, by, benchKinds); return err })
		if err != nil {
			return err
		}
		all = append(all, took)
	}
	note := func(of []float64) string {
		return fmt.Sprintf("p90 %s, %s clients", seconds.show(quantile(of, 0.9)), grouped(median(rows)))
	}
	b.add(benchLine{Section: section, What: "an overview, for the first time", Figure: median(first), Unit: seconds, Note: note(first)}, nil)
	b.add(benchLine{Section: section, What: "an overview, once more", Figure: median(list), Unit: seconds, Note: note(list)}, nil)
	b.add(benchLine{Section: section, What: "with a look-up of each that shares", Figure: median(all), Unit: seconds, Note: note(all)}, nil)
	return s.settle(b.ctx)
}

// someOffices gives the organisations that are asked about.
func (s *system) someOffices(b *bench) (offices []domain.ID, err error) {
	err = s.keeper.Offices.Each(b.ctx, func(id domain.ID, _ projections.Office) error {
		if offices = append(offices, id); len(offices) == livedOffices {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return offices, err
}

// livedRegistrations registers a client of each of some organisations, and has an auditor find each by the label.
func (b *bench) livedRegistrations(s *system, section string) error {
	offices, err := s.someOffices(b)
	if err != nil {
		return err
	}
	id, err := s.ledger.NewID()
	if err != nil {
		return err
	}
	a := s.auditor(ledger.Caller{Actor: id, Role: domain.RoleAuditor, Session: id})
	var registering, finding []float64
	for _, office := range offices {
		by, err := s.memberOf(b, office)
		if err != nil {
			return err
		}
		var r desk.Registration
		took, err := timed(func() (err error) { r, err = s.desk.RegisterClient(b.ctx, by); return err })
		if err != nil {
			return err
		}
		registering = append(registering, took)
		took, err = timed(func() error { _, err := a.FindClient(b.ctx, "a measurement", r.Code.Label(), office); return err })
		if err != nil {
			return err
		}
		finding = append(finding, took)
	}
	note := func(of []float64) string { return "p90 " + seconds.show(quantile(of, 0.9)) }
	b.add(benchLine{Section: section, What: "registering a client", Figure: median(registering), Unit: seconds, Note: note(registering)}, nil)
	b.add(benchLine{Section: section, What: "finding one by label", Figure: median(finding), Unit: seconds, Note: note(finding)}, nil)
	return nil
}

// memberOf gives somebody who may act for an organisation.
func (s *system) memberOf(b *bench, office domain.ID) (ledger.Caller, error) {
	o, _, err := s.desk.Organisations.State(b.ctx, office)
	if err != nil {
		return ledger.Caller{}, err
	}
	session, err := s.ledger.NewID()
	for id, m := range o.Members {
		if role := domain.RoleProfessional; m.Active && o.Admit(id, role) == nil {
			return ledger.Caller{Actor: id, Role: role, Session: session, Organisation: office}, err
		}
	}
	return ledger.Caller{}, errors.Join(err, errors.New("nobody can act for an organisation"))
}

// livedTrails asks who saw some clients, and who saw anybody on behalf of some organisations.
func (b *bench) livedTrails(s *system, section string) error {
	id, err := s.ledger.NewID()
	if err != nil {
		return err
	}
	a := s.auditor(ledger.Caller{Actor: id, Role: domain.RoleAuditor, Session: id})
	var clients []domain.ID
	offices := map[domain.ID]bool{}
	err = s.keeper.Caseload.Each(b.ctx, func(who domain.ID, c projections.Case) error {
		if c.State.Status == client.Shared {
			clients, offices[c.State.Organisation] = append(clients, who), true
		}
		if len(clients) == livedClients {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	ask := func(took, rows *[]float64, q audit.Query) error {
		var seen audit.Sightings
		t, err := timed(func() (err error) {
			seen, err = a.WhoSaw(b.ctx, "a measurement", q, audit.Page{})
			return err
		})
		*took, *rows = append(*took, t), append(*rows, float64(len(seen.Rows)))
		return err
	}
	var ofClient, ofOffice, rowsOfClient, rowsOfOffice []float64
	for _, who := range clients {
		if err := ask(&ofClient, &rowsOfClient, audit.Query{Client: who}); err != nil {
			return err
		}
	}
	for office := range offices {
		if err := ask(&ofOffice, &rowsOfOffice, audit.Query{Organisation: office}); err != nil {
			return err
		}
	}
	note := func(of, rows []float64) string {
		return fmt.Sprintf("p99 %s, %s rows", seconds.show(quantile(of, 0.99)), grouped(median(rows)))
	}
	b.add(benchLine{Section: section, What: "who saw a client", Figure: median(ofClient), Unit: seconds, Note: note(ofClient, rowsOfClient)}, nil)
	b.add(benchLine{Section: section, What: "who looked for an organisation, a page", Figure: median(ofOffice), Unit: seconds, Note: note(ofOffice, rowsOfOffice)}, nil)
	return nil
}
