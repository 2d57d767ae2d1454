package esdb

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

// window is how many events the server looks at for each page of those that pass the filter.
const window = 1024

// A step is an event of the ledger's streams in the order of $all, or the news that there is no more for now.
type step struct {
	stored
	caughtUp bool
}

// follow yields the events of the ledger's streams behind the cursor, each once and in order, then waits for more. It
// takes up a lost subscription where it was, however often, and ends with ctx or with what would not pass.
func (s *Store) follow(ctx context.Context, from cursor) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		p, warned := &patience{Store: s}, false
		for {
			failure := error(&fault{passing, "the subscription ended"})
			for message, err := range receive(ctx, s.link, s.subscribe(from.at, s.names.records)) {
				if err != nil {
					failure = err
					break
				}
				event, caughtUp := message.EventAppeared, message.CaughtUp != nil
				if event == nil && !caughtUp {
					continue // a checkpoint: what to go on from is only ever an event seen
				}
				next := step{caughtUp: caughtUp}
				if event != nil {
					if next.stored, err = s.names.read(event); err != nil {
						yield(step{}, err)
						return
					}
					if from.count > 0 && next.at.Commit <= from.last {
						continue // sent again
					}
					from = cursor{from.count + 1, next.at, next.at.Commit}
				}
				p.tried, warned = 0, false
				if !yield(next, nil) {
					return
				}
			}
			if p.tried == tries && !warned {
				s.opts.Warn(fmt.Errorf("following the ledger: %w", failure))
				warned = true
			}
			if err := p.again(ctx, failure); err != nil {
				yield(step{}, err)
				return
			}
		}
	}
}

// subscribe opens a subscription to the events of streams whose names begin with the prefix, behind the place in $all.
func (s *Store) subscribe(at esdb.AllPosition, prefix string) opener[*esdb.SubscriptionEvent] {
	return func(ctx context.Context, c *esdb.Client) (receiver[*esdb.SubscriptionEvent], func(), error) {
		sub, err := c.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{
			From: at, RequiresLeader: true, MaxSearchWindow: window,
			Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{prefix}},
		})
		if err != nil {
			return nil, nil, err
		}
		next := func() (*esdb.SubscriptionEvent, error) {
			e := sub.Recv()
			if e.SubscriptionDropped != nil {
				return nil, e.SubscriptionDropped.Error
			}
			return e, nil
		}
		return next, func() { sub.Close() }, nil
	}
}

// count gives every event its position, until the store is closed or something is found that must not be there. It tells
// when it has caught up for the first time.
func (s *Store) count(caughtUp chan<- struct{}) {
	defer close(s.counting)
	n, from := s.numbers, s.numbers.cursor(^uint64(0))
	for next, err := range s.follow(s.ctx, from) {
		switch {
		case s.ctx.Err() != nil:
			n.end(errClosed)
			return
		case err != nil:
			n.end(err)
			s.opts.Warn(err)
			return
		case next.caughtUp:
			if caughtUp != nil {
				close(caughtUp)
				caughtUp = nil
			}
			continue
		}
		r := &next.record
		n.add(next.at.Commit, r.ID, version{s.names.stream(r.Stream), r.Version})
		if s.opts.Disk != nil && n.count%s.opts.KeepEvery == 0 {
			if err := keepNumbers(s.opts.Disk, n, s.opts.Ledger); err != nil {
				s.opts.Warn(fmt.Errorf("keeping positions: %w", err))
			}
		}
	}
}

// takeUp takes the positions on the disk, if the last event they count is the one that stands there: otherwise they are of
// another database, or of one that was since restored from a backup. It tells why not.
func (s *Store) takeUp(ctx context.Context) (why string, err error) {
	kept, err := loadNumbers(s.opts.Disk, s.opts.Ledger)
	if err != nil || kept == nil || kept.count == 0 {
		if err == nil && kept == nil {
			why = "there are none that hold"
		}
		return why, err
	}
	last := kept.cursor(kept.count)
	before := kept.cursor(kept.count - 1)
	for p := s.patience(); ; {
		same, err := s.stands(ctx, before, last, kept.lastID)
		switch {
		case err == nil && same:
			s.numbers = kept
			return "", nil
		case err == nil, is(err, misplaced), errors.As(err, new(*DamageError)):
			return "they do not fit the server", nil
		}
		if err := p.again(ctx, err); ctx.Err() != nil || is(err, denied) {
			return "", err
		} else if err != nil { // servers before 24.2 do not say what is wrong with a position
			return "they could not be compared with the server", nil
		}
	}
}

// stands tells whether the event behind the place before is the one at the place last, with the id.
func (s *Store) stands(ctx context.Context, before, last cursor, id domain.ID) (bool, error) {
	for message, err := range receive(ctx, s.link, s.subscribe(before.at, s.names.records)) {
		switch {
		case err != nil:
			return false, err
		case message.CaughtUp != nil:
			return false, nil
		case message.EventAppeared != nil:
			e, err := s.names.read(message.EventAppeared)
			return err == nil && e.at.Commit == last.last && e.record.ID == id, err
		}
	}
	return false, &fault{passing, "the subscription ended"}
}

// After implements ledger.Store.
func (s *Store) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		inner, cancel := s.within(ctx)
		defer cancel()
		for r, err := range s.whole(inner, func(ctx context.Context) iter.Seq2[stored, error] { return s.behind(ctx, p) }) {
			if err != nil {
				yield(eventschema.Record{}, s.failure(ctx, err))
				return
			}
			if ctx.Err() != nil {
				yield(eventschema.Record{}, ctx.Err())
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// behind yields the ledger's events behind the position, with theirs.
func (s *Store) behind(ctx context.Context, p ledger.Position) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		from := s.numbers.cursor(p)
		for next, err := range s.follow(ctx, from) {
			if err != nil {
				yield(stored{}, err)
				return
			}
			if next.caughtUp {
				continue
			}
			if from.count++; from.count <= p {
				continue
			}
			next.record.Position = from.count
			if !yield(next.stored, nil) {
				return
			}
		}
	}
}
