package esdb

import (
	"context"
	"iter"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"samtykke/eventschema"
)

const (
	// tailSize is how many events of a stream are read from its end at once: most streams are read whole by it.
	tailSize = 16
	// fetches is how many sealed bytes are read at a time, ahead of the reader.
	fetches = 16
)

// Stream implements ledger.Store.
func (s *Store) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		inner, cancel := s.within(ctx)
		defer cancel()
		for r, err := range s.whole(inner, func(ctx context.Context) iter.Seq2[stored, error] { return s.versions(ctx, stream, max(from, 1)) }) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(eventschema.Record{}, s.failure(ctx, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// versions yields a stream's records from the version on, with their positions, up to the last there is when it begins.
// The server goes on to what is appended meanwhile: the end is therefore read first.
func (s *Store) versions(ctx context.Context, stream string, from uint64) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		name := s.names.stream(stream)
		tail, err := s.read(ctx, name, esdb.Backwards, esdb.End{}, tailSize)
		if err != nil {
			yield(stored{}, err)
			return
		}
		next := from
		give := func(e stored) bool {
			p, ok, err := s.numbers.position(ctx, e.at.Commit)
			switch {
			case err == nil && e.record.Version != next:
				err = &DamageError{name, next - 1, "it is not there, and the stream goes on behind it"}
			case err == nil && !ok:
				err = &DamageError{name, next - 1, "it is not in the ledger's order"}
			}
			if err != nil {
				yield(stored{}, err)
				return false
			}
			e.record.Position = p
			next++
			return yield(e, nil)
		}
		if k := len(tail); k > 0 && next < tail[k-1].record.Version {
			for e, err := range s.stretch(ctx, name, next, tail[k-1].record.Version) {
				if err != nil {
					yield(stored{}, err)
					return
				}
				if !give(e) {
					return
				}
			}
		}
		for i := len(tail) - 1; i >= 0; i-- {
			if tail[i].record.Version >= from && !give(tail[i]) {
				return
			}
		}
	}
}

// stretch yields a stream's events from the version on, up to the one before the version end.
func (s *Store) stretch(ctx context.Context, name string, from, end uint64) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for p := s.patience(); from < end; {
			failure := error(&DamageError{name, from - 1, "the stream does not reach as far as it did"})
			for e, err := range s.receiveRead(ctx, name, esdb.Forwards, esdb.Revision(from-1), end-from) {
				if err != nil {
					failure = err
					break
				}
				if !yield(e, nil) {
					return
				}
				p.tried, from = 0, e.record.Version+1
			}
			if from >= end {
				return
			}
			if err := p.again(ctx, failure); err != nil {
				yield(stored{}, err)
				return
			}
		}
	}
}

// receiveRead reads events of one of the ledger's streams.
func (s *Store) receiveRead(
	ctx context.Context, name string, direction esdb.Direction, from esdb.StreamPosition, count uint64,
) iter.Seq2[stored, error] {
	return func(yield func(stored, error) bool) {
		for e, err := range receive(ctx, s.link, s.open(name, direction, from, count)) {
			var event stored
			if err == nil {
				event, err = s.names.read(e)
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) open(name string, direction esdb.Direction, from esdb.StreamPosition, count uint64) opener[*esdb.ResolvedEvent] {
	return func(ctx context.Context, c *esdb.Client) (receiver[*esdb.ResolvedEvent], func(), error) {
		r, err := c.ReadStream(ctx, name, esdb.ReadStreamOptions{Direction: direction, From: from, RequiresLeader: true}, count)
		if err != nil {
			return nil, nil, err
		}
		return r.Recv, r.Close, nil
	}
}

// read reads up to count events of one of the ledger's streams, none if there is no such stream.
func (s *Store) read(
	ctx context.Context, name string, direction esdb.Direction, from esdb.StreamPosition, count uint64,
) (events []stored, err error) {
	for p := s.patience(); ; {
		events, err = nil, nil
		for e, failure := range s.receiveRead(ctx, name, direction, from, count) {
			if err = failure; err == nil {
				events = append(events, e)
			}
		}
		switch {
		case is(err, missing):
			return nil, nil
		case is(err, ended):
			return nil, &DamageError{name, 0, "the stream was deleted by hand"}
		case err == nil && len(events) == 0 && from == esdb.StreamPosition(esdb.End{}):
			return nil, &DamageError{name, 0, "the stream is there, and all of it is hidden"}
		case err == nil:
			return events, nil
		}
		if err := p.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

// whole yields records with their sealed bytes, which it reads ahead, several at a time.
func (s *Store) whole(ctx context.Context, events func(context.Context) iter.Seq2[stored, error]) iter.Seq2[eventschema.Record, error] {
	type pending struct {
		record eventschema.Record
		err    error
		done   chan struct{} // closed when the two stand
	}
	return func(yield func(eventschema.Record, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		queue := make(chan *pending, fetches)
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		all.Go(func() {
			defer close(queue)
			for e, err := range events(ctx) {
				p := &pending{e.record, err, make(chan struct{})}
				if err == nil && e.aside {
					all.Go(func() {
						defer close(p.done)
						p.record.Sealed, p.err = s.sealedOf(ctx, e)
					})
				} else {
					close(p.done)
				}
				select {
				case queue <- p:
				case <-ctx.Done():
					return
				}
			}
		})
		for p := range queue {
			<-p.done
			if !yield(p.record, p.err) || p.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(eventschema.Record{}, err)
		}
	}
}

// sealedOf reads a record's sealed bytes: nil if they were erased. They were stored before the record was, so when there is
// neither a stream of them nor its tombstone, something is wrong.
func (s *Store) sealedOf(ctx context.Context, e stored) (sealed []byte, err error) {
	name := s.names.side(e.key)
	for p := s.patience(); ; {
		sealed, err = s.readSide(ctx, e, name)
		switch {
		case is(err, ended):
			return nil, nil
		case is(err, missing):
			return nil, &DamageError{name, 0, "the sealed bytes are missing, and were not erased"}
		case err == nil:
			return sealed, nil
		}
		if err := p.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

func (s *Store) readSide(ctx context.Context, e stored, name string) (sealed []byte, err error) {
	r := e.record
	for event, err := range receive(ctx, s.link, s.open(name, esdb.Forwards, esdb.Start{}, 1)) {
		if err != nil {
			return nil, err
		}
		if o := event.OriginalEvent(); o != nil && keyOf(r.Stream, r.Version, r.ID, o.Data) == e.key {
			return o.Data, nil
		}
		return nil, &DamageError{name, 0, "the sealed bytes are not those that were stored"}
	}
	return nil, &fault{missing, "nothing of the stream is shown"}
}
