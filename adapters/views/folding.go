package views

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Run keeps the views up with the ledger until ctx ends. Any other error has stopped it for good. Of instances that share their documents
// it is enough that one does (Turn).
func (k *Keeper) Run(ctx context.Context) error {
	k.release() // what was claimed to catch up may be long ago
	defer k.release()
	for {
		err := k.CatchUp(ctx)
		if err == nil {
			err = k.follow(ctx)
		}
		switch {
		case k.again(ctx, err, math.MaxUint64):
		case errors.Is(err, ErrAway) && ctx.Err() == nil:
			k.release()
		default:
			return k.stopped(ctx, err)
		}
	}
}

// follow folds what comes until ctx ends.
func (k *Keeper) follow(ctx context.Context) error {
	keys := k.ledger.Sealing(ctx)
	var facts []eventschema.Fact // read and not folded: what came together is folded together
	var head ledger.Position     // known to be there
	var records []eventschema.Record
	store := k.ledger.Store
	for r, err := range store.After(ctx, k.folded()) {
		if err != nil {
			return err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return err
		}
		facts, records = append(facts, f), append(records, r)
		if r.Position < head && len(facts) < k.most {
			continue
		}
		if err := k.foldAll(ctx, facts, records, keys); err != nil {
			return err
		}
		clear(records)
		facts, records = facts[:0], records[:0]
		if head, err = store.Head(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// folded is the position up to which facts have been folded, which documents on a shelf that are read may be behind, or ahead of.
func (k *Keeper) folded() ledger.Position {
	if k.shelf != nil {
		return k.shelf.generation.Progress().Cursor
	}
	return k.Cursor()
}

// stopped tells whoever waits that the keeper has ended, unless that is because ctx has.
func (k *Keeper) stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	k.advance(0, err)
	return err
}

// fold gives facts to one view after the other, which keeps what a view works on near. Views of open events get them with their
// sealed content closed.
func (k *Keeper) fold(ctx context.Context, facts []eventschema.Fact, keys eventschema.Keys) error {
	err := k.fetch(ctx, facts, keys, k.Reviews, k.Dealings, k.Caseload, k.Due, k.Times, k.Codes, k.Handles, k.Offices,
		k.Access, k.Audit, k.Organisations, k.Standings, k.Erasures, k.Accesses)
	if err != nil {
		return err
	}
	for i := range facts {
		if f := &facts[i]; f.Closed != nil && f.Category != eventschema.JournalStream {
			f.Closed = apart(f.Closed) // a view may keep it
		}
	}
	inTwo(len(facts),
		func() {
			foldInto(facts, k.Reviews, k.Dealings, k.Caseload, k.Due, k.Times, k.Codes, k.Handles, k.Offices)
		},
		func() { foldInto(facts, k.Access, k.Audit, k.Organisations, k.Standings, k.Erasures, k.Accesses) })
	if err := k.ledger.Fetch(ctx, ownersIn(facts)); err != nil {
		return err
	}
	for i := range facts {
		if f := &facts[i]; opens(f) {
			if err := eventschema.Today.Open(f, keys); err != nil {
				return err
			}
		}
	}
	if err := k.fetch(ctx, facts, keys, k.Idle, k.Accounts, k.Invitations, k.Labels, k.registrations, k.contributions); err != nil {
		return err
	}
	foldInto(facts, k.Idle, k.Accounts, k.Invitations, k.Labels)
	for i := range facts {
		f := &facts[i]
		if f.Closed != nil {
			continue
		}
		if err := errors.Join(k.registrations.apply(f, keys), k.contributions.apply(f, keys)); err != nil {
			return err
		}
		if _, ok := projections.Erased(f); ok {
			k.registrations.drop(f)
			k.contributions.drop(f)
		}
	}
	return nil
}

// opens tells whether a view wants a sealed event opened: the journal's, those of accounts, and clients' labels.
func opens(f *eventschema.Fact) bool {
	switch f.Category {
	case eventschema.JournalStream, eventschema.StaffStream, eventschema.ClientStream:
		return f.Closed != nil
	}
	return false
}

// ownersIn are whose keys open what is wanted of facts.
func ownersIn(facts []eventschema.Fact) (owners []eventschema.Owner) {
	for i := range facts {
		if f := &facts[i]; opens(f) {
			owners = append(owners, f.Owner)
		}
	}
	return owners
}

// foldInto gives facts to each of the tables. Where somebody is erased, documents under that key are left out.
func foldInto(facts []eventschema.Fact, tables ...interface {
	apply(*eventschema.Fact)
	drop(*eventschema.Fact)
}) {
	for _, t := range tables {
		for i := range facts {
			f := &facts[i]
			t.apply(f)
			if _, ok := projections.Erased(f); ok {
				t.drop(f)
			}
		}
	}
}

// inTwo does two things at once, if there is so much to do that it is worth it.
func inTwo(many int, one, other func()) {
	if many < 64 {
		one()
		other()
		return
	}
	var both sync.WaitGroup
	both.Go(one)
	other()
	both.Wait()
}

// apart gives a record in memory of its own: the bytes that a store yields lie in one piece with their neighbours', and a
// label that is kept would hold on to a megabyte.
func apart(r *eventschema.Record) *eventschema.Record {
	own := *r
	own.Stream, own.Data, own.Sealed = strings.Clone(r.Stream), bytes.Clone(r.Data), bytes.Clone(r.Sealed)
	return &own
}

// piece is a run of records on its way through the pipeline of CatchUp.
type piece struct {
	records []eventschema.Record
	facts   []eventschema.Fact
	err     error
	ready   chan struct{}
}

// What is folded together, at most. On a shelf more is worth while, since each batch costs two turns to and fro and a commit.
const (
	batchSize  = 1024
	shelfBatch = 4096
)

// CatchUp folds everything up to the ledger's present end, decoding on all cores.
func (k *Keeper) CatchUp(ctx context.Context) error {
	head, err := k.ledger.Store.Head(ctx)
	if err != nil {
		return err
	}
	return k.CatchUpTo(ctx, head)
}

// CatchUpTo folds everything up to a position that the ledger has reached: how the views stood then, but for what was erased since, and
// where others fold the same documents, for what came behind.
func (k *Keeper) CatchUpTo(ctx context.Context, head ledger.Position) error {
	return k.catchUpThen(ctx, head, k.serve)
}

// catchUpThen is CatchUpTo, and what is to be done with what was folded.
func (k *Keeper) catchUpThen(ctx context.Context, head ledger.Position, then func(context.Context) error) error {
	for {
		err := k.claim(ctx)
		if err == nil {
			err = k.catchUpTo(ctx, head)
		}
		if err == nil {
			err = then(ctx)
		}
		if !k.again(ctx, err, head) {
			return err
		}
	}
}

func (k *Keeper) catchUpTo(ctx context.Context, head ledger.Position) error {
	if head <= k.folded() {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ahead := max(1, 8*batchSize/k.most) // pieces that are read before they can be folded
	work, order, used := make(chan *piece, max(1, ahead/2)), make(chan *piece, ahead), make(chan *piece, 16)
	go k.read(ctx, head, work, order, used)
	for range 2 {
		go decode(work)
	}
	keys := k.ledger.Sealing(ctx)
	for b := range order {
		<-b.ready
		if b.err != nil {
			return b.err
		}
		if err := k.foldAll(ctx, b.facts, b.records, keys); err != nil {
			return err
		}
		used <- b // there is room for all that are under way
	}
	return ctx.Err()
}

// read cuts the ledger from the cursor to head into batches, and makes them of those that were used.
func (k *Keeper) read(ctx context.Context, head ledger.Position, work, order chan<- *piece, used <-chan *piece) {
	defer close(work)
	defer close(order)
	most := k.most
	next := func() *piece {
		select {
		case b := <-used:
			clear(b.records)
			return &piece{records: b.records[:0], facts: b.facts[:0], ready: make(chan struct{})}
		default:
			return &piece{records: make([]eventschema.Record, 0, most), facts: make([]eventschema.Fact, 0, most), ready: make(chan struct{})}
		}
	}
	send := func(b *piece) bool {
		for _, to := range []chan<- *piece{work, order} {
			select {
			case to <- b:
			case <-ctx.Done():
				return false
			}
		}
		return true
	}
	b := next()
	for r, err := range k.ledger.Store.After(ctx, k.folded()) {
		if err != nil {
			b.err = err
			send(b)
			return
		}
		b.records = append(b.records, r)
		last := r.Position >= head
		if last || len(b.records) == most {
			if !send(b) || last {
				return
			}
			b = next()
		}
	}
}

func decode(work <-chan *piece) {
	for b := range work {
		b.facts = b.facts[:len(b.records)]
		for i := range b.records {
			if b.err == nil {
				b.facts[i], b.err = eventschema.Today.Decode(&b.records[i], nil)
			}
		}
		close(b.ready)
	}
}

// foldAll gives the facts of records to every view, seals what that opened, and moves the cursor. On a shelf it may take several steps.
func (k *Keeper) foldAll(ctx context.Context, facts []eventschema.Fact, records []eventschema.Record, keys eventschema.Keys) error {
	k.applying.Lock()
	defer k.applying.Unlock()
	at := k.folded()
	facts = slices.DeleteFunc(facts, func(f eventschema.Fact) bool {
		again := f.Position <= at // it may have left out a document, which must not come back
		at = max(at, f.Position)
		return again
	})
	for len(facts) > 0 {
		n := len(facts)
		if k.shelf != nil {
			n = min(n, k.shelf.step)
		}
		if err := k.foldStep(ctx, facts[:n], records, keys); err != nil {
			if k.shelf != nil {
				k.forget()
			}
			return err
		}
		facts = facts[n:]
	}
	return nil
}

// foldStep folds facts that are the next, which records hold.
func (k *Keeper) foldStep(ctx context.Context, facts []eventschema.Fact, records []eventschema.Record, keys eventschema.Keys) error {
	if err := k.fold(ctx, facts, keys); err != nil {
		return err
	}
	if err := errors.Join(k.registrations.flush(keys), k.contributions.flush(keys)); err != nil {
		return err
	}
	at := facts[len(facts)-1].Position
	if k.shelf == nil {
		k.advance(at, nil)
		return nil
	}
	last := slices.IndexFunc(records, func(r eventschema.Record) bool { return r.Position == at })
	size, err := k.commit(ctx, Progress{at, records[last].Leaf()}, keys)
	if err == nil {
		k.shelf.pace(len(facts), size)
	}
	return err
}
