package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Where several instances share a store, the store's clock is the one that they agree on.
const (
	mostSkew        = 2 * time.Second // of an instance's clock; further off it refuses look-ups
	compareEvery    = 5 * time.Second
	comparisonHolds = 30 * time.Second // without another, look-ups are refused
)

// A timedStore has a clock.
type timedStore interface {
	Now(ctx context.Context) (time.Time, error)
}

// A clockError is unavailable: another instance may show what was asked for.
type clockError string

func (e clockError) Error() string   { return string(e) }
func (clockError) Unavailable() bool { return true }

const errClock = clockError("this instance's clock is not known to be within 2 seconds of its store's: it shows nothing")

// A clockWatch compares this instance's clock with the store's.
type clockWatch struct {
	store timedStore
	clock func() time.Time
	good  atomic.Int64  // until when, in nanoseconds of the instance's own clock
	ahead *atomic.Int64 // is told by how many nanoseconds the own clock is; nil: nobody is
}

// watchClock watches the store's clock or, where it has none, that of what instances share, and closes the door to look-ups where the two
// are apart. One that is alone over files has none to watch.
func (s *system) watchClock(ctx context.Context) {
	store, has := s.store.(timedStore)
	if !has && s.shared != nil {
		store, has = s.shared, true
	}
	if !has {
		return
	}
	w := &clockWatch{store: store, clock: s.clock}
	if s.shared != nil {
		w.ahead = &s.shared.ahead
	}
	s.desk.Door.Halted = w.halted
	w.compare(ctx)
	tick := time.NewTicker(compareEvery)
	go func() {
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				w.compare(ctx)
			}
		}
	}()
}

// halted tells why this instance shows nothing now; nil: it does.
func (s *system) halted() error {
	if s.desk.Door.Halted == nil {
		return nil
	}
	return s.desk.Door.Halted()
}

// compare asks the store for its time. The answer lies between two readings of the own clock.
func (w *clockWatch) compare(ctx context.Context) {
	before := w.clock()
	there, err := w.store.Now(ctx)
	after := w.clock()
	if err == nil && w.ahead != nil {
		w.ahead.Store(int64(before.Add(after.Sub(before) / 2).Sub(there)))
	}
	switch {
	case err != nil:
	case there.Before(before.Add(-mostSkew)), there.After(after.Add(mostSkew)):
		w.good.Store(0)
	default:
		w.good.Store(after.Add(comparisonHolds).UnixNano())
	}
}

func (w *clockWatch) halted() error {
	if now := w.clock().UnixNano(); now < w.good.Load() && now > w.good.Load()-2*comparisonHolds.Nanoseconds() {
		return nil
	}
	return fmt.Errorf("no look-ups: %w", errClock)
}
