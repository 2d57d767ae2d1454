package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"samtykke/domain/client"
	"samtykke/eventschema"
)

// benchCallers are how many write or look at once.
var benchCallers = []int{1, 16, 64, 256}

// A round is what callers did in one turn.
type round struct {
	perSecond float64
	processor float64   // seconds of the cores for each call
	took      []float64 // seconds of each call
}

// drive has callers do the same over and over for a while. Each gets its number, and how often it has been asked.
func drive(callers int, during time.Duration, do func(caller, n int) error) (round, error) {
	var all sync.WaitGroup
	counts, errs := make([]int, callers), make([]error, callers)
	took := make([][]float64, callers)
	begun, worked := time.Now(), processor()
	for c := range callers {
		all.Go(func() {
			for at := begun; at.Sub(begun) < during && errs[c] == nil; counts[c]++ {
				errs[c] = do(c, counts[c])
				now := time.Now()
				took[c] = append(took[c], now.Sub(at).Seconds())
				at = now
			}
		})
	}
	all.Wait()
	elapsed := time.Since(begun).Seconds()
	worked = processor() - worked
	total := 0
	for c, err := range errs {
		if err != nil {
			return round{}, err
		}
		total += counts[c]
	}
	return round{float64(total) / elapsed, worked / float64(total), slices.Concat(took...)}, nil
}

// turns are what was measured of one thing, round by round.
type turns []round

func (t turns) perSecond() float64 {
	var of []float64
	for _, r := range t {
		of = append(of, r.perSecond)
	}
	return median(of)
}

// cores is what one costs all cores together, in seconds.
func (t turns) cores() float64 {
	var of []float64
	for _, r := range t {
		of = append(of, r.processor)
	}
	return median(of)
}

func (t turns) processor() string { return "cores " + seconds.show(t.cores()) }

func (t turns) quantile(part float64) float64 {
	var of []float64
	for _, r := range t {
		of = append(of, r.took...)
	}
	return quantile(of, part)
}

// writing measures, on the disk as it is and on one whose syncs take a millisecond longer, what can be written raw,
// appended to the store, and looked up.
func (b *bench) writing() error {
	w, err := b.newWriters()
	if err != nil {
		return err
	}
	for _, extra := range []time.Duration{0, time.Millisecond} {
		b.disk.pace.extra.Store(int64(extra))
		where := "the disk as it is"
		if extra > 0 {
			where = "a disk whose syncs take 1 ms more"
		}
		single := 0.0
		for _, callers := range benchCallers {
			b.note(fmt.Sprintf("disk, %s, %d callers", where, callers))
			m, err := w.take(callers)
			if err != nil {
				return err
			}
			if callers == 1 {
				single = m.raw.perSecond()
				b.alone(where, m)
			} else {
				b.together(where, callers, single, m)
			}
		}
	}
	b.disk.pace.extra.Store(0)
	return w.close()
}

// writers are the three ways to write, side by side.
type writers struct {
	b       *bench
	raw     *rawLog
	frame   []byte
	plain   *system // whose store takes events of 300 bytes that mean nothing
	streams [][]stream
	looks   *populace
}

// A stream is one that a caller appends to.
type stream struct {
	name    string
	version uint64
	record  eventschema.Record
}

func (b *bench) newWriters() (*writers, error) {
	w := &writers{b: b, frame: make([]byte, frameBytes)}
	var err error
	if w.raw, err = newRawLog(b.disk, "raw"); err != nil {
		return nil, err
	}
	if w.plain, err = b.world("plain", new(benchClock)).open(b.ctx); err != nil {
		return nil, err
	}
	if w.looks, err = b.newSharing("looks", b.people, 24, b.journal); err != nil {
		return nil, err
	}
	w.looks.sys.start()
	if err := w.looks.sys.settle(b.ctx); err != nil {
		return nil, err
	}
	for range benchCallers[len(benchCallers)-1] {
		own := make([]stream, 8)
		for i := range own {
			id, err := w.plain.ledger.NewID()
			if err != nil {
				return nil, err
			}
			own[i] = stream{name: eventschema.ClientStream.Stream(id), record: eventschema.Record{ID: id, Data: make([]byte, eventBytes)}}
		}
		w.streams = append(w.streams, own)
	}
	return w, nil
}

func (w *writers) close() error {
	if err := w.raw.close(); err != nil {
		return err
	}
	if err := w.plain.closeFiles(); err != nil {
		return err
	}
	return w.looks.sys.close()
}

// measured is what one number of callers did.
type measured struct{ raw, appended, looked, hot turns }

func (w *writers) take(callers int) (measured, error) {
	var m measured
	answers := make([]chan error, callers)
	for i := range answers {
		answers[i] = make(chan error, 1)
	}
	ways := []struct {
		into *turns
		do   func(caller, n int) error
	}{
		{&m.raw, func(c, _ int) error { return w.raw.append(w.frame, answers[c]) }},
		{&m.appended, func(c, n int) error { return w.streams[c][n%8].extend(w.b.ctx, w.plain) }},
		{&m.looked, func(c, n int) error { return w.looks.lookUp(w.b.ctx, c+n*callers) }},
		{&m.hot, func(int, int) error { return w.looks.lookUp(w.b.ctx, 0) }},
	}
	for range w.b.rounds {
		for _, way := range ways {
			r, err := drive(callers, w.b.slice, way.do)
			if err != nil {
				return m, err
			}
			*way.into = append(*way.into, r)
			if err := w.looks.sys.settle(w.b.ctx); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func (s *stream) extend(ctx context.Context, sys *system) error {
	s.record.ID[0]++
	_, err := sys.store.Append(ctx, s.name, s.version, s.record)
	s.version++
	return err
}

// alone notes what a single caller waits for.
func (b *bench) alone(where string, m measured) {
	line := func(what string, t turns) benchLine {
		return benchLine{
			Section: where, What: what, Figure: t.quantile(0.5), Unit: seconds,
			Note: fmt.Sprintf("p99 %s, %s, %s", seconds.show(t.quantile(0.99)), perSecond.show(t.perSecond()), t.processor()),
		}
	}
	raw := line("raw write, 1 writer", m.raw)
	b.add(raw, nil)
	beside := func(what string, t turns, a *aim) {
		l := line(what, t)
		l.Against, l.Yardstick = "raw", raw.Figure
		b.add(l, a)
	}
	beside("append, 1 caller", m.appended, nil)
	beside("look-up, 1 caller", m.looked, &aim{ratio: true, most: 1.3})
}

// together notes what many callers get done.
func (b *bench) together(where string, callers int, single float64, m measured) {
	raw := m.raw.perSecond()
	line := func(what string, t turns, against string, yardstick float64, a *aim) {
		b.add(benchLine{
			Section: where, What: fmt.Sprintf(what, callers), Figure: t.perSecond(), Unit: perSecond,
			Against: against, Yardstick: yardstick, Note: t.processor(),
		}, a)
	}
	var held *aim
	if callers == 256 {
		held = &aim{ratio: true, least: 1.0 / 2, floor: 1.0 / 3}
	}
	line("raw group commit, %d writers", m.raw, "raw, 1 writer", single, nil)
	line("append, %d callers", m.appended, "raw group commit", raw, nil)
	line("look-up, %d callers", m.looked, "raw group commit", raw, held)
	line("look-up, %d callers, one hot client", m.hot, "raw, 1 writer", single, nil)
}

// lookUp looks up the n-th client, counted round and round, on behalf of one of its professionals.
func (p *populace) lookUp(ctx context.Context, n int) error {
	c := p.people[n%len(p.people)]
	s, err := p.sys.desk.Door.LookUp(ctx, c.org.staff[n%len(c.org.staff)], c.handle, client.Appointment, benchKinds)
	if err == nil && s.Registrations.Logins == 0 {
		err = fmt.Errorf("a look-up showed nothing")
	}
	return err
}
