package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// A verifier replays the ledger in total order. What it holds grows with clients, organisations and staff, and with what is not
// settled; not with events.
type verifier struct {
	verdict
	store    ledger.Store
	keys     eventschema.Keys // nil: sealed events stay closed
	rules    rules.Books
	streams  map[streamID]reached
	clients  map[domain.ID]client.State
	journals map[domain.ID]journal.State
	orgs     map[domain.ID]organisation.State
	accounts map[domain.ID]staff.State
	accesses map[domain.ID]oversight.Access
	used     map[domain.ID]bool // by actor: a use of access to production that no query has followed yet
	admitted map[entry]int      // look-ups that let a professional register, not used up
	left     map[member]loss
	tallies  map[domain.ID]tally   // by the owner of the key
	ended    map[domain.ID]erasing // professionals who were erased

	statistics statistics.State
}

// A streamID is a stream's name, read.
type streamID struct {
	category eventschema.Category
	subject  domain.ID
}

// reached is how far a stream has come, and when its last event with an instant was recorded.
type reached struct {
	version  uint64
	recorded time.Time
}

// A tally counts the sealed events under one key.
type tally struct {
	kind   string // of owner
	stream string // of the first
	first  uint64 // position of the first
	lost   uint64 // position of the first whose content is gone
	there  uint64 // ciphertexts
	closed uint64 // of these, not opened: there are no keys
	gone   uint64 // sealed events that can no longer be read
}

// An erasing is how far the erasure of a professional has come.
type erasing struct{ erased, keyDestroyed bool }

func newVerifier(store ledger.Store, keys eventschema.Keys, books rules.Books) *verifier {
	return &verifier{
		verdict: verdict{Problems: []problem{}}, store: store, keys: keys, rules: books,
		streams: map[streamID]reached{}, clients: map[domain.ID]client.State{}, journals: map[domain.ID]journal.State{},
		orgs: map[domain.ID]organisation.State{}, accounts: map[domain.ID]staff.State{}, accesses: map[domain.ID]oversight.Access{}, used: map[domain.ID]bool{},
		admitted: map[entry]int{}, left: map[member]loss{}, tallies: map[domain.ID]tally{}, ended: map[domain.ID]erasing{},
	}
}

// batchSize is how many events are decoded together.
const batchSize = 1024

// A batch is what is read together, and decoded beside other batches.
type batch struct {
	records []eventschema.Record
	facts   []eventschema.Fact
	wrong   []error // of each, why it does not hold
	err     error   // why there are no more
	decoded chan struct{}
}

func (b *batch) decode(keys eventschema.Keys) {
	defer close(b.decoded)
	b.facts, b.wrong = make([]eventschema.Fact, len(b.records)), make([]error, len(b.records))
	for i := range b.records {
		r := &b.records[i]
		if b.wrong[i] = eventschema.Today.Check(r); b.wrong[i] == nil {
			b.facts[i], b.wrong[i] = eventschema.Today.Decode(r, keys)
		}
	}
}

// replay reads the ledger up to a position, decodes on all cores, and takes event after event in order.
func (v *verifier) replay(ctx context.Context, head uint64, progress func(done, all uint64)) error {
	if head == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	order := make(chan *batch, runtime.GOMAXPROCS(0))
	go v.read(ctx, head, order)
	for b := range order {
		<-b.decoded
		for i := range b.records {
			v.record(ctx, &b.records[i], &b.facts[i], b.wrong[i])
		}
		if b.err != nil {
			return b.err
		}
		progress(v.Events, head)
	}
	v.Clients = len(v.clients)
	v.erasures()
	return ctx.Err()
}

// read cuts the ledger into batches, and has each decoded.
func (v *verifier) read(ctx context.Context, head uint64, order chan<- *batch) {
	defer close(order)
	b := &batch{decoded: make(chan struct{})}
	for r, err := range v.store.After(ctx, 0) {
		if err == nil {
			b.records = append(b.records, r)
		}
		b.err = err
		last := err != nil || r.Position >= head
		if !last && len(b.records) < batchSize {
			continue
		}
		go b.decode(v.keys)
		select {
		case order <- b:
		case <-ctx.Done():
			return
		}
		if last {
			return
		}
		b = &batch{records: make([]eventschema.Record, 0, batchSize), decoded: make(chan struct{})}
	}
}

func (v *verifier) problem(r *eventschema.Record, format string, args ...any) {
	v.add(problem{Position: r.Position, Stream: r.Stream, What: fmt.Sprintf(format, args...)})
}

// record takes the next event. Why it does not hold is told, if it does not.
func (v *verifier) record(ctx context.Context, r *eventschema.Record, f *eventschema.Fact, wrong error) {
	v.Events++
	if r.Position != v.Events {
		v.problem(r, "the total order has a gap: expected position %d", v.Events)
	}
	if wrong != nil {
		v.problem(r, "%v", wrong)
	}
	v.number(r, f)
	if wrong != nil {
		return
	}
	v.tally(r, f)
	switch f.Category {
	case eventschema.ClientStream:
		v.client(ctx, r, f)
	case eventschema.JournalStream:
		v.journal(r, f)
	case eventschema.OrganisationStream:
		v.organisation(r, f)
	case eventschema.StaffStream:
		v.staff(r, f)
	case eventschema.RefusedStream:
		if b, ok := f.Body.(oversight.AttemptReviewed); ok {
			v.attemptReviewed(ctx, r, f, b)
			break
		}
		v.Refused++
	case eventschema.AccessStream:
		v.access(r, f)
	case eventschema.StatisticsStream:
		v.released(r, f)
	case eventschema.OversightStream:
		q, ok := f.Body.(oversight.Queried)
		if !ok || q.Basis == "" || q.Basis != oversight.BasisOf(f.Act.Role) || f.Act.Actor.IsZero() || q.Reason == "" {
			v.problem(r, "a query without somebody who answers for it, or without the basis of that role")
		}
		used := v.used[f.Act.Actor]
		if delete(v.used, f.Act.Actor); q.Opened && !used {
			v.problem(r, "sealed content opened without a use of exceptional access on record before")
		}
	}
}

// number checks an event's place in its stream, by version and by instant. Of streams that have one event each, and perhaps its
// review, nothing is remembered; that there are no two of a name is among what the store checks of its own.
func (v *verifier) number(r *eventschema.Record, f *eventschema.Fact) {
	category, subject, err := eventschema.Split(r.Stream)
	if err != nil {
		return // the record does not hold
	}
	switch category {
	case eventschema.RefusedStream, eventschema.OversightStream, eventschema.FeedbackStream:
		if _, review := f.Body.(oversight.AttemptReviewed); !review && r.Version != 1 {
			v.problem(r, "version %d where 1 was expected", r.Version)
		}
		return
	}
	id := streamID{category, subject}
	s := v.streams[id]
	if r.Version != s.version+1 {
		v.problem(r, "version %d where %d was expected", r.Version, s.version+1)
	}
	s.version = r.Version
	if !f.Act.At.IsZero() {
		if f.Act.At.Before(s.recorded) {
			v.problem(r, "%s was recorded before the event that it follows", f.Name)
		}
		s.recorded = f.Act.At
	}
	v.streams[id] = s
}

// tally counts a sealed event under its key.
func (v *verifier) tally(r *eventschema.Record, f *eventschema.Fact) {
	if f.Owner == (eventschema.Owner{}) {
		return
	}
	t := v.tallies[f.Owner.ID]
	if t.kind == "" {
		t.kind, t.stream, t.first = f.Owner.Kind, r.Stream, r.Position
	}
	if r.Sealed != nil {
		t.there++
	}
	_, gone := f.Body.(eventschema.Redacted)
	switch {
	case gone, r.Sealed == nil:
		if t.gone++; t.gone == 1 {
			t.lost, t.stream = r.Position, r.Stream
		}
		v.Gone++
	case f.Closed != nil:
		t.closed++
		v.Closed++
	}
	v.tallies[f.Owner.ID] = t
}

// erasures holds what can no longer be read, and what still can, against the erasures on record: nothing else may make sealed
// bytes or a key go, and these must.
func (v *verifier) erasures() {
	var found []problem
	for id, t := range v.tallies {
		var erased, destroyed, swept bool
		switch t.kind {
		case eventschema.KeyClient:
			s := v.clients[id]
			erased, destroyed, swept = s.Erased, s.KeyDestroyed, s.Swept
		case eventschema.KeyStaff:
			e := v.ended[id]
			erased, destroyed, swept = e.erased, e.keyDestroyed, e.keyDestroyed
		}
		at := problem{Position: cmp.Or(t.lost, t.first), Stream: t.stream}
		switch {
		case t.gone > 0 && !erased && !destroyed:
			at.What = fmt.Sprintf("the content of %d sealed events under %s's key is gone, and no erasure is on record", t.gone, t.kind)
		case destroyed && !v.destroyed(eventschema.Owner{Kind: t.kind, ID: id}):
			at.What = "the key is on record as destroyed, and the keyring holds it or knows nothing of it"
		case swept && t.there > 0:
			at.What = fmt.Sprintf("%d ciphertexts are there that are on record as removed", t.there)
		default:
			continue
		}
		found = append(found, at)
	}
	slices.SortFunc(found, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Stream, b.Stream))
	})
	for _, p := range found {
		v.add(p)
	}
}

// destroyed tells whether the keyring, if there is one, says so of a key.
func (v *verifier) destroyed(o eventschema.Owner) bool {
	if v.keys == nil {
		return true
	}
	_, err := v.keys.Open(o, nil, nil)
	return errors.Is(err, eventschema.ErrGone)
}

// at reads the open event of a stream at a version; one without a body where there is none.
func (v *verifier) at(ctx context.Context, stream string, version uint64) (eventschema.Fact, error) {
	for r, err := range v.store.Stream(ctx, stream, version) {
		if err != nil {
			return eventschema.Fact{}, err
		}
		return eventschema.Today.Decode(&r, nil)
	}
	return eventschema.Fact{}, nil
}
