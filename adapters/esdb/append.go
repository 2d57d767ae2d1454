package esdb

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// puts is how many sealed bytes of one append are stored at a time.
const puts = 8

// maxVersion is behind every version a stream can reach: the server counts in 63 bits.
const maxVersion = 1 << 62

// Append implements ledger.Store. A stream's name has 1 to MaxName bytes, and one call stores at most MaxAppend beside
// sealed bytes, so that it is one write at the server. While the server cannot be reached it tries ten times, and
// knows by reading what became of a try that was not answered.
func (s *Store) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	if err := admit(stream, records); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, refused(err)
	}
	if err := s.numbers.failure(); err != nil {
		return 0, refused(err)
	}
	inner, cancel := s.within(ctx)
	defer cancel()
	a := &attempt{Store: s, stream: stream, name: s.names.stream(stream), after: after, records: records}
	p, err := a.run(inner)
	switch {
	case err == nil || errors.Is(err, ledger.ErrConflict):
		return p, err
	case errors.Is(err, ledger.ErrRefused) && inner.Err() != nil:
		return 0, refused(s.failure(ctx, err))
	case errors.Is(err, ledger.ErrRefused):
		return 0, err
	}
	return 0, fmt.Errorf("the append was under way, its outcome is open: %w", s.failure(ctx, err))
}

func refused(err error) error { return fmt.Errorf("%w: %w", ledger.ErrRefused, err) }

// An attempt is one call of Append.
type attempt struct {
	*Store
	stream, name string // ours, and the server's
	after        uint64
	records      []eventschema.Record
}

func (a *attempt) last() uint64 { return a.after + uint64(len(a.records)) }

// run stores the sealed bytes, then the records, and waits for their position.
func (a *attempt) run(ctx context.Context) (ledger.Position, error) {
	if a.after >= maxVersion {
		p, _, err := a.settle(ctx)
		return p, err
	}
	position, forget := a.numbers.expect(version{a.name, a.last()})
	defer forget()
	if err := a.putAside(ctx); is(err, ended) {
		// These very bytes were stored here before, and erased or swept.
		if p, settled, err := a.settle(ctx); settled || err != nil {
			return p, err
		}
		return 0, refused(errors.New("the sealed bytes were stored long ago without a record, and swept: seal anew"))
	} else if err != nil {
		return 0, refused(err)
	}
	events := make([]esdb.EventData, len(a.records))
	for i := range a.records {
		events[i] = event(a.stream, a.after+uint64(i)+1, &a.records[i])
	}
	for p, sent := a.patience(), false; ; sent = true {
		result, err := call(ctx, a.link, a.put(a.name, events, a.after))
		switch {
		case err == nil && result.NextExpectedVersion == a.last()-1:
			return a.position(ctx, position, result.CommitPosition)
		case !sent && (is(err, denied) || is(err, ended)):
			return 0, refused(err)
		}
		failure := err
		if err == nil || is(err, moved) {
			failure = &fault{passing, "the stream cannot be read where the server says it is"}
		}
		if ctx.Err() == nil {
			position, settled, err := a.settle(ctx)
			if settled {
				return position, err
			}
			if err != nil {
				failure = err
			}
		}
		if err := p.again(ctx, failure); err != nil {
			return 0, err
		}
	}
}

// put makes the call that appends events behind a version.
func (s *Store) put(name string, events []esdb.EventData, after uint64) func(context.Context, *esdb.Client) (*esdb.WriteResult, error) {
	opts := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}, RequiresLeader: true}
	if after > 0 {
		opts.ExpectedRevision = esdb.Revision(after - 1)
	}
	return func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return c.AppendToStream(ctx, name, opts, events...)
	}
}

// putAside stores the records' sealed bytes, each in a stream of its own. One that is there already holds the same bytes,
// since its name is their hash.
func (a *attempt) putAside(ctx context.Context) error {
	errs := make([]error, len(a.records))
	turn := make(chan struct{}, puts)
	var all sync.WaitGroup
	for i := range a.records {
		r, v := &a.records[i], a.after+uint64(i)+1
		if len(r.Sealed) == 0 {
			continue
		}
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			name := a.names.side(keyOf(a.stream, v, r.ID, r.Sealed))
			_, err := retry(ctx, a.Store, a.put(name, []esdb.EventData{sealedEvent(a.stream, v, r)}, 0))
			if !is(err, moved) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && !is(err, ended) {
			return err
		}
	}
	return errors.Join(errs...)
}

// settle reads what became of the append: settled, with the records' position or with a conflict; or not, when the stream
// still ends where they belong. What was sent before can then still arrive: to send it again is harmless, since it can be
// stored at one place only.
func (a *attempt) settle(ctx context.Context) (p ledger.Position, settled bool, err error) {
	end, err := a.read(ctx, a.name, esdb.Backwards, esdb.End{}, 1)
	if err != nil {
		return 0, false, err
	}
	actual := uint64(0)
	if len(end) > 0 {
		actual = end[0].record.Version
	}
	conflict := &ledger.ConflictError{Stream: a.stream, After: a.after, Actual: actual}
	switch {
	case actual == a.after:
		return 0, false, nil
	case actual < a.last() || a.after >= maxVersion:
		return 0, true, conflict
	}
	there, err := a.read(ctx, a.name, esdb.Forwards, esdb.Revision(a.after), uint64(len(a.records)))
	if err != nil {
		return 0, false, err
	}
	for i, r := range a.records {
		if i >= len(there) || there[i].record.ID != r.ID || there[i].record.Version != a.after+uint64(i)+1 {
			return 0, true, conflict
		}
	}
	p, ok, err := a.numbers.position(ctx, there[len(there)-1].at.Commit)
	if err == nil && !ok {
		err = &DamageError{a.name, a.last() - 1, "it is not in the ledger's order"}
	}
	return p, true, err
}

// position waits until the last record of an append has its position, and gives it. What a server answers as the commit
// position serves only to know that the record has been counted if it ever will be.
func (a *attempt) position(ctx context.Context, given <-chan ledger.Position, commit uint64) (ledger.Position, error) {
	select {
	case p := <-given:
		return p, nil
	default:
	}
	if err := a.numbers.reached(ctx, commit); err != nil {
		return 0, err
	}
	select {
	case p := <-given:
		return p, nil
	default: // it was counted before this call: the server knew the records
	}
	p, settled, err := a.settle(ctx)
	if err == nil && !settled {
		err = &fault{passing, "what the server answered to have stored cannot be read"}
	}
	return p, err
}
