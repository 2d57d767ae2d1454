package esdb

import (
	"context"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"samtykke/eventschema"
)

// orphanAge is how old sealed bytes are before they are swept without a record that they belong to: far longer than an
// append can take from storing them to storing the record.
const orphanAge = 24 * time.Hour

// Erase implements ledger.Eraser: see the package comment under Erasing. Without streams it also sweeps sealed bytes whose
// record was never stored.
func (s *Store) Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (int, error) {
	inner, cancel := s.within(ctx)
	defer cancel()
	count, err := s.erase(inner, choose, streams)
	if err == nil && len(streams) == 0 {
		err = s.sweep(inner)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = s.failure(ctx, err)
	}
	return count, err
}

func (s *Store) erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams []string) (count int, err error) {
	events := func(ctx context.Context) iter.Seq2[stored, error] {
		return s.inStreams(ctx, slices.Compact(slices.Sorted(slices.Values(streams))))
	}
	if len(streams) == 0 {
		head, err := s.Head(ctx)
		if err != nil || head == 0 {
			return 0, err
		}
		events = func(ctx context.Context) iter.Seq2[stored, error] { return s.upTo(ctx, head) }
	}
	for r, err := range s.whole(ctx, events) {
		if err != nil {
			return count, err
		}
		if len(r.Sealed) == 0 {
			continue
		}
		chosen, err := choose(&r)
		if err != nil {
			return count, err
		}
		if !chosen {
			continue
		}
		removed, err := s.bury(ctx, s.names.side(keyOf(r.Stream, r.Version, r.ID, r.Sealed)))
		if err != nil {
			return count, err
		}
		if removed {
			count++
		}
	}
	return count, nil
}

func (s *Store) inStreams(ctx context.Context, streams []string) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for _, stream := range streams {
			for e, err := range s.versions(ctx, stream, 1) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

func (s *Store) upTo(ctx context.Context, head uint64) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for e, err := range s.behind(ctx, 0) {
			if !yield(e, err) || err != nil || e.record.Position >= head {
				return
			}
		}
	}
}

// bury deletes a stream of sealed bytes for good. Whatever stands in it is to go, so no revision is expected. It tells
// whether this call did it, or may have.
func (s *Store) bury(ctx context.Context, name string) (removed bool, err error) {
	for p, sent := s.patience(), false; ; sent = true {
		_, err = call(ctx, s.link, func(ctx context.Context, c *esdb.Client) (*esdb.DeleteResult, error) {
			return c.TombstoneStream(ctx, name, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}, RequiresLeader: true})
		})
		switch {
		case err == nil:
			return true, nil
		case is(err, ended):
			return sent, nil
		}
		if err := p.again(ctx, err); err != nil {
			return false, err
		}
	}
}

// sweep buries sealed bytes that no record refers to and none will: where the record's place is taken by another, or still
// free after a day.
func (s *Store) sweep(ctx context.Context) error {
	at := esdb.AllPosition(esdb.Start{})
	for p := s.patience(); ; {
		failure := error(&fault{passing, "the subscription ended"})
		for message, err := range receive(ctx, s.link, s.subscribe(at, s.names.sealed)) {
			if err != nil {
				failure = err
				break
			}
			if message.CaughtUp != nil {
				return nil
			}
			if message.EventAppeared == nil || message.EventAppeared.OriginalEvent() == nil {
				continue
			}
			e := message.EventAppeared.OriginalEvent()
			if err := s.sweepOne(ctx, e); err != nil {
				return err
			}
			at, p.tried = e.Position, 0
		}
		if err := p.again(ctx, failure); err != nil {
			return err
		}
	}
}

func (s *Store) sweepOne(ctx context.Context, e *esdb.RecordedEvent) error {
	stream, version, ok := s.names.readSealed(e)
	if !ok || version == 0 {
		return nil // a tombstone
	}
	var key sealKey
	if n, err := hex.Decode(key[:], []byte(strings.TrimPrefix(e.StreamID, s.names.sealed))); n != len(key) || err != nil {
		return nil
	}
	there, err := s.read(ctx, s.names.stream(stream), esdb.Forwards, esdb.Revision(version-1), 1)
	if err != nil {
		return err
	}
	switch {
	case len(there) > 0 && there[0].record.Version == version && there[0].aside && there[0].key == key:
		return nil
	case len(there) == 0 && s.opts.Clock().Sub(e.CreatedDate) < orphanAge:
		return nil
	}
	_, err = s.bury(ctx, e.StreamID)
	return err
}
