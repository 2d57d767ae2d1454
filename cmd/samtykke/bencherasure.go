package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"samtykke/adapters/audit"
	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
	"samtykke/projections"
)

// erasing measures an erasure, the sweep of a large log beside writers, and the question who saw what of one client.
func (b *bench) erasing() error {
	b.said = append(b.said,
		"Every write is durable (fdatasync) before it is answered.",
		"An erasure: from the client's word until the key is destroyed, durably. By then its code opens nothing, and its sessions have ended.",
		"A sweep is held up every second for a second, and what writers append with it and without is counted; that second is not the sweep's.",
	)
	for _, measure := range []func() error{b.erasures, b.sweeps, b.whoSaw} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

// watchedKeys tell when a key was destroyed.
type watchedKeys struct {
	keyring.Keyring
	destroyed time.Time
}

func (k *watchedKeys) Destroy(ctx context.Context, o keyring.Owner) error {
	err := k.Keyring.Destroy(ctx, o)
	k.destroyed = time.Now()
	return err
}

func (b *bench) erasures() error {
	b.note("erasures")
	p, err := b.newSharing("erasures", max(b.people, b.erased), 24, b.journal)
	if err != nil {
		return err
	}
	keys := &watchedKeys{Keyring: p.sys.ledger.Keys}
	p.sys.ledger.Keys = keys
	p.sys.start()
	if err := p.sys.settle(b.ctx); err != nil {
		return err
	}
	var final, all []float64
	for _, c := range p.people[:b.erased] {
		begun := time.Now()
		took, err := timed(func() error { _, err := p.sys.desk.Erase(b.ctx, c.by); return err })
		if err != nil {
			return err
		}
		final, all = append(final, keys.destroyed.Sub(begun).Seconds()), append(all, took)
	}
	section := fmt.Sprintf("an erasure, a journal of %d entries", b.journal)
	line := func(what string, of []float64, a *aim) {
		b.add(benchLine{Section: section, What: what, Figure: median(of), Unit: seconds, Note: "p99 " + seconds.show(quantile(of, 0.99))}, a)
	}
	line("until the key is gone", final, &aim{most: 50e-3})
	line("until the sealed bytes are gone, and that is on record", all, nil)
	return p.sys.close()
}

// sweptEvent is what a sealed event is like in the log that is swept, and frame what it takes there.
const (
	openPart, sealedPart = 60, 300
	sweptFrame           = 504
	sweptStreams         = 20_000
	sweptWriters         = 16
)

// sweeps measures the sweep of a whole log, beside writers.
func (b *bench) sweeps() error {
	b.note("making a log of " + bytesHeld.show(float64(b.swept)))
	var heldUp atomic.Int64 // nanoseconds
	clock := func() time.Time { return time.Now().Add(-time.Duration(heldUp.Load())) }
	s, _, err := filestore.Open(disk.Sub(b.disk, "swept"), filestore.Options{Clock: clock})
	if err != nil {
		return err
	}
	if err := b.lazily(func() error { return b.fillSealed(s) }); err != nil {
		return err
	}
	b.note("sweeping")
	ctx, stop := context.WithCancel(b.ctx)
	defer stop()
	var written atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, sweptWriters)
	for c := range errs {
		all.Go(func() {
			r := eventschema.Record{ID: domain.ID{1, byte(c)}, Data: make([]byte, eventBytes)}
			for version := uint64(0); ctx.Err() == nil && errs[c] == nil; version++ {
				_, errs[c] = s.Append(context.Background(), fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 200000000000+c), version, r)
				written.Add(1)
			}
		})
	}
	var with, without lap
	begun, before := time.Now(), written.Load()
	next := func(to *lap) {
		now, count := time.Now(), written.Load()
		to.events += float64(count - before)
		to.seconds += now.Sub(begun).Seconds()
		begun, before = now, count
	}
	asked := 0
	n, err := s.Erase(b.ctx, func(r *eventschema.Record) (bool, error) {
		if asked++; asked%1000 == 0 && time.Since(begun) > b.heldUp {
			next(&with)
			time.Sleep(b.heldUp)
			heldUp.Add(int64(time.Since(begun)))
			next(&without)
		}
		return r.Sealed != nil, nil
	})
	next(&with)
	if without.seconds == 0 { // a sweep too short to be held up
		time.Sleep(b.heldUp)
		next(&without)
	}
	stop()
	all.Wait()
	if err := errors.Join(append(errs, err, s.Close())...); err != nil {
		return err
	}
	section := fmt.Sprintf("a sweep of %s, %s sealed events", bytesHeld.show(float64(b.swept)), grouped(float64(n)))
	beside := fmt.Sprintf("beside %d writers", sweptWriters)
	b.add(benchLine{Section: section, What: beside, Figure: with.seconds, Unit: seconds}, &aim{most: 60})
	b.add(benchLine{Section: section, What: "what the writers append meanwhile", Figure: with.rate(), Unit: perSecond,
		Against: "without the sweep", Yardstick: without.rate()}, &aim{ratio: true, least: 0.8})
	return nil
}

// A lap is what was appended in some time.
type lap struct{ events, seconds float64 }

func (l lap) rate() float64 { return l.events / l.seconds }

// fillSealed appends sealed events until the log is as long as it is to be.
func (b *bench) fillSealed(s *filestore.Store) error {
	const together = 500
	each := max(1, b.swept/sweptFrame/sweptStreams)
	streams := min(sweptStreams, max(together, b.swept/sweptFrame/each))
	errs := make([]error, together)
	var all sync.WaitGroup
	for c := range int64(together) {
		all.Go(func() {
			r := eventschema.Record{Data: make([]byte, openPart), Sealed: make([]byte, sealedPart)}
			for version := range uint64(each) {
				for i := c; i < streams && errs[c] == nil; i += together {
					r.ID = domain.ID{0, byte(i), byte(i >> 8), byte(i >> 16), byte(version), byte(version >> 8)}
					_, errs[c] = s.Append(b.ctx, fmt.Sprint("journal-1b4e28ba-2fa1-41d2-883f-", 100000000000+i), version, r)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// whoSaw measures an auditor's question about one client, on the ledger that is replayed.
func (b *bench) whoSaw() error {
	if err := b.newHistory(); err != nil {
		return err
	}
	b.note("who saw what")
	s, err := b.world(b.history, new(benchClock)).open(b.ctx)
	if err != nil {
		return err
	}
	head, err := s.store.Head(b.ctx)
	if err != nil {
		return err
	}
	id, err := s.ledger.NewID()
	if err != nil {
		return err
	}
	a := s.auditor(ledger.Caller{Actor: id, Role: domain.RoleAuditor, Session: id})
	s.start()
	if err := errors.Join(s.signAll(b.ctx), s.settle(b.ctx)); err != nil {
		return err
	}
	var took, rows []float64
	cases, err := s.keeper.Caseload.Len(b.ctx)
	if err != nil {
		return err
	}
	err = s.keeper.Caseload.Each(b.ctx, func(who domain.ID, _ projections.Case) error {
		if len(took) == 100*b.rounds {
			return errEnough
		}
		var seen audit.Sightings
		t, err := timed(func() (err error) {
			seen, err = a.WhoSaw(b.ctx, "a measurement", audit.Query{Client: who}, audit.Page{Limit: audit.MaxLimit})
			return err
		})
		if err != nil {
			return err
		}
		took, rows = append(took, t), append(rows, float64(len(seen.Rows)))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	section := "who saw what of a client, " + grouped(float64(head)) + " events"
	note := fmt.Sprintf("p99 %s, %s rows of %s clients", seconds.show(quantile(took, 0.99)), grouped(median(rows)),
		grouped(float64(cases)))
	b.add(benchLine{Section: section, What: "asked, recorded, answered", Figure: median(took), Unit: seconds, Note: note}, &aim{most: 10e-3})
	return s.close()
}
