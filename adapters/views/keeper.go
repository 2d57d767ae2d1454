// Package views keeps the projections up to date in memory, with snapshots, and holds the one door to what is
// registered about a client.
//
// # Keeping up
//
// A Keeper follows the ledger from its cursor, the position up to which every view has been folded. Facts at or before
// it are passed over, so a fact that comes twice changes nothing, and brings back no document that was left out since. An
// event that the catalogue does not know stops the keeper: Err says so, and whoever waits for it gets the error.
//
// # Snapshots
//
// A snapshot is one file with the cursor and all documents, under a checksum. Documents of views that open sealed events
// are sealed in it under the client's key. A snapshot that is missing, damaged, or of another version of any view costs
// a rebuild from position 0 and nothing else; so does one of another history, which the hash of the record at its cursor
// tells. Where somebody is erased, the documents under that key are left out from that event on; and any whose key is gone, also
// when they are written or read back.
//
// # The door
//
// Documents of registrations are held sealed in memory as well, in a table that this package does not export. LookUp
// and Own return them opened, after their event is durable; no other exported function of the program does, and a test
// says so. Population counts clients for statistics: what it opens of a journal are scores and finished parts by quarter, one
// client at a time, into sums; whoever has it made puts that on record before. Beside the door, whoever holds the keys opens the
// ledger itself: the verifier, and an export that says so in an event that every client finds in its access log.
package views

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A Keeper holds every view.
type Keeper struct {
	Caseload *Table[projections.Case]
	Due      *Table[projections.Dates]
	Idle     *Table[projections.Activity]
	Access   *Table[projections.Trail]
	Audit    *Table[projections.Trail]
	Codes    *Table[domain.ID]
	Handles  *Table[projections.Handle]

	Accounts    *Table[projections.Account]
	Invitations *Table[domain.ID]
	Erasures    *Table[projections.Erasure]
	Reviews     *Table[projections.Reader]
	Accesses    *Table[projections.Access]

	Organisations *Table[projections.Trail]
	Times         *Table[projections.Times]

	Offices   *Table[projections.Office]
	Standings *Table[statistics.Contribution]

	registrations *sealedTable[projections.Registrations]
	contributions *sealedTable[statistics.Contribution]
	ledger        *ledger.Ledger
	books         rules.Books

	saving   sync.Mutex // held while a snapshot is made and written
	applying sync.Mutex // held while facts are folded, so that a snapshot sees one cursor

	mu     sync.Mutex
	cursor ledger.Position
	moved  chan struct{} // closed when the cursor moves or err is set
	err    error
}

// NewKeeper makes an empty keeper. Load or CatchUp fills it.
func NewKeeper(l *ledger.Ledger, books rules.Books) *Keeper {
	v := projections.All(books)
	return &Keeper{
		Caseload: newTable(v.Caseload), Due: newTable(v.Due), Idle: newTable(v.Idle), Access: newTable(v.Access),
		Audit: newTable(v.Audit), Codes: newTable(v.Codes), Handles: newTable(v.Handles),
		Accounts: newTable(v.Accounts), Invitations: newTable(v.Invitations),
		Erasures: newTable(v.Erasures), Reviews: newTable(v.Reviews), Accesses: newTable(v.Accesses),
		Organisations: newTable(v.Organisations), Times: newTable(v.Times), Offices: newTable(v.Offices), Standings: newTable(v.Standings),
		registrations: newSealedTable(v.Registrations), contributions: newSealedTable(v.Contributions),
		ledger: l, books: books, moved: make(chan struct{}),
	}
}

// Fresh gives an empty keeper over the same ledger.
func (k *Keeper) Fresh() *Keeper { return NewKeeper(k.ledger, k.books) }

// table is what the keeper needs of every table alike.
type table interface {
	name() (string, int)
	save(*encoder, eventschema.Keys) error
	load(*decoder, eventschema.Keys) error
	drop(*projections.Fact)
}

// tables are all views in the order they are stored in.
func (k *Keeper) tables() []table {
	return []table{
		k.Caseload, k.Due, k.Idle, k.registrations, k.Access, k.Audit, k.Codes, k.Handles, k.Accounts, k.Invitations, k.Erasures, k.Reviews, k.Accesses,
		k.Organisations, k.Times, k.contributions, k.Offices, k.Standings,
	}
}

// Cursor is the position up to which every view has been folded.
func (k *Keeper) Cursor() ledger.Position {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cursor
}

// Wait returns when the views have been folded up to the position, with ctx's error when it ends first, or with the
// error that stopped the keeper.
func (k *Keeper) Wait(ctx context.Context, p ledger.Position) error {
	for {
		k.mu.Lock()
		at, moved, err := k.cursor, k.moved, k.err
		k.mu.Unlock()
		if at >= p {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *Keeper) advance(p ledger.Position, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p > k.cursor {
		k.cursor = p
	}
	if err != nil {
		k.err = err
	}
	close(k.moved)
	k.moved = make(chan struct{})
}

// Run keeps the views up with the ledger until ctx ends. Any other error has stopped it for good.
func (k *Keeper) Run(ctx context.Context) error {
	if err := k.CatchUp(ctx); err != nil {
		return k.stopped(ctx, err)
	}
	keys := k.ledger.Sealing(ctx)
	var facts []eventschema.Fact // read and not folded: what came together is folded together
	var head ledger.Position     // known to be there
	store := k.ledger.Store
	for r, err := range store.After(ctx, k.Cursor()) {
		if err == nil {
			var f eventschema.Fact
			if f, err = eventschema.Today.Decode(&r, nil); err == nil {
				facts = append(facts, f)
				if r.Position < head && len(facts) < batchSize {
					continue
				}
				if err = k.foldAll(facts, keys); err == nil {
					facts = facts[:0]
					head, err = store.Head(ctx)
				}
			}
		}
		if err != nil {
			return k.stopped(ctx, err)
		}
	}
	return ctx.Err()
}

// stopped tells whoever waits that the keeper has ended, unless that is because ctx has.
func (k *Keeper) stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		k.advance(0, err)
	}
	return err
}

// fold gives facts to one view after the other, which keeps what a view works on near. Views of open events get them with their
// sealed content closed.
func (k *Keeper) fold(facts []eventschema.Fact, keys eventschema.Keys) error {
	for i := range facts {
		if f := &facts[i]; f.Closed != nil && f.Category != eventschema.JournalStream {
			f.Closed = apart(f.Closed) // a view may keep it
		}
	}
	inTwo(len(facts),
		func() {
			foldInto(facts, k.Reviews, k.Caseload, k.Due, k.Times, k.Codes, k.Handles, k.Offices)
		},
		func() { foldInto(facts, k.Access, k.Audit, k.Organisations, k.Standings, k.Erasures, k.Accesses) })
	for i := range facts {
		if f := &facts[i]; opens(f) {
			if err := eventschema.Today.Open(f, keys); err != nil {
				return err
			}
		}
	}
	foldInto(facts, k.Idle, k.Accounts, k.Invitations)
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

// opens tells whether a view wants a sealed event opened: the journal's and those of accounts only.
func opens(f *eventschema.Fact) bool {
	return f.Closed != nil && (f.Category == eventschema.JournalStream || f.Category == eventschema.StaffStream)
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

// batch is a run of records on its way through the pipeline of CatchUp.
type batch struct {
	records []eventschema.Record
	facts   []eventschema.Fact
	err     error
	ready   chan struct{}
}

const batchSize = 1024

// CatchUp folds everything up to the ledger's present end, decoding on all cores.
func (k *Keeper) CatchUp(ctx context.Context) error {
	head, err := k.ledger.Store.Head(ctx)
	if err != nil {
		return err
	}
	return k.CatchUpTo(ctx, head)
}

// CatchUpTo folds everything up to a position that the ledger has reached: how the views stood then, but for what was erased since.
func (k *Keeper) CatchUpTo(ctx context.Context, head ledger.Position) error {
	if head <= k.Cursor() {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work, order, used := make(chan *batch, 4), make(chan *batch, 8), make(chan *batch, 16)
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
		if err := k.foldAll(b.facts, keys); err != nil {
			return err
		}
		used <- b // there is room for all that are under way
	}
	return ctx.Err()
}

// read cuts the ledger from the cursor to head into batches, and makes them of those that were used.
func (k *Keeper) read(ctx context.Context, head ledger.Position, work, order chan<- *batch, used <-chan *batch) {
	defer close(work)
	defer close(order)
	next := func() *batch {
		select {
		case b := <-used:
			clear(b.records)
			return &batch{records: b.records[:0], facts: b.facts[:0], ready: make(chan struct{})}
		default:
			return &batch{records: make([]eventschema.Record, 0, batchSize), facts: make([]eventschema.Fact, 0, batchSize), ready: make(chan struct{})}
		}
	}
	send := func(b *batch) bool {
		for _, to := range []chan<- *batch{work, order} {
			select {
			case to <- b:
			case <-ctx.Done():
				return false
			}
		}
		return true
	}
	b := next()
	for r, err := range k.ledger.Store.After(ctx, k.Cursor()) {
		if err != nil {
			b.err = err
			send(b)
			return
		}
		b.records = append(b.records, r)
		last := r.Position >= head
		if last || len(b.records) == batchSize {
			if !send(b) || last {
				return
			}
			b = next()
		}
	}
}

func decode(work <-chan *batch) {
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

// foldAll gives facts to every view, seals what that opened, and moves the cursor.
func (k *Keeper) foldAll(facts []eventschema.Fact, keys eventschema.Keys) error {
	k.applying.Lock()
	defer k.applying.Unlock()
	at := k.Cursor()
	facts = slices.DeleteFunc(facts, func(f eventschema.Fact) bool {
		again := f.Position <= at // it may have left out a document, which must not come back
		at = max(at, f.Position)
		return again
	})
	if len(facts) == 0 {
		return nil
	}
	if err := k.fold(facts, keys); err != nil {
		return err
	}
	if err := errors.Join(k.registrations.flush(keys), k.contributions.flush(keys)); err != nil {
		return err
	}
	k.advance(at, nil)
	return nil
}

// Differences compares the views with a rebuild from position 0 up to the same place and names what differs: nothing,
// if replay is exact. The keeper must not be running.
func (k *Keeper) Differences(ctx context.Context) ([]string, error) {
	if err := k.CatchUp(ctx); err != nil {
		return nil, err
	}
	again := k.Fresh()
	if err := again.CatchUp(ctx); err != nil {
		return nil, err
	}
	return k.differences(ctx, again)
}

// differences names the documents in which two keepers differ.
func (k *Keeper) differences(ctx context.Context, again *Keeper) ([]string, error) {
	keys := k.ledger.Sealing(ctx)
	var diffs []string
	diffs = append(diffs, differ(k.Caseload, again.Caseload)...)
	diffs = append(diffs, differ(k.Due, again.Due)...)
	diffs = append(diffs, differ(k.Idle, again.Idle)...)
	diffs = append(diffs, differ(k.Access, again.Access)...)
	diffs = append(diffs, differ(k.Audit, again.Audit)...)
	diffs = append(diffs, differ(k.Codes, again.Codes)...)
	diffs = append(diffs, differ(k.Handles, again.Handles)...)
	diffs = append(diffs, differ(k.Accounts, again.Accounts)...)
	diffs = append(diffs, differ(k.Invitations, again.Invitations)...)
	diffs = append(diffs, differ(k.Erasures, again.Erasures)...)
	diffs = append(diffs, differ(k.Reviews, again.Reviews)...)
	diffs = append(diffs, differ(k.Accesses, again.Accesses)...)
	diffs = append(diffs, differ(k.Organisations, again.Organisations)...)
	diffs = append(diffs, differ(k.Times, again.Times)...)
	diffs = append(diffs, differ(k.Offices, again.Offices)...)
	diffs = append(diffs, differ(k.Standings, again.Standings)...)
	registered, err := k.registrations.differ(again.registrations, keys)
	contributed, errC := k.contributions.differ(again.contributions, keys)
	return slices.Concat(diffs, registered, contributed), errors.Join(err, errC)
}

func differ[V any](a, b *Table[V]) []string {
	var diffs []string
	other := b.entries()
	for id, e := range a.entries() {
		if !reflect.DeepEqual(e, other[id]) {
			diffs = append(diffs, a.view.Name+" "+id.String())
		}
		delete(other, id)
	}
	for id := range other {
		diffs = append(diffs, a.view.Name+" "+id.String())
	}
	return diffs
}

// Save writes a snapshot. It may run beside Run, and several may be asked for at once.
func (k *Keeper) Save(ctx context.Context, d disk.Disk) error {
	k.saving.Lock()
	defer k.saving.Unlock()
	e, err := k.encode(ctx)
	if err != nil {
		return fmt.Errorf("saving the views: %w", err)
	}
	return e.write(d)
}

func (k *Keeper) encode(ctx context.Context) (*encoder, error) {
	k.applying.Lock()
	defer k.applying.Unlock()
	cursor := k.Cursor()
	leaf, err := k.leaf(ctx, cursor)
	if err != nil {
		return nil, err
	}
	e := newEncoder(cursor, leaf)
	keys := k.ledger.Sealing(ctx)
	for _, t := range k.tables() {
		if err := t.save(e, keys); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// leaf is the hash of the record at a position, which tells whether a ledger is the one that a snapshot was taken of.
func (k *Keeper) leaf(ctx context.Context, p ledger.Position) (leaf [32]byte, err error) {
	if p == 0 {
		return leaf, nil
	}
	for r, err := range k.ledger.Store.After(ctx, p-1) {
		return r.Leaf(), err
	}
	return leaf, ctx.Err()
}

// ErrNoSnapshot says that there is none that fits; the views must be rebuilt.
var ErrNoSnapshot = errors.New("no snapshot of the views that fits")

// Load fills an empty keeper from the snapshot. Where there is none that fits, nothing is changed and the error matches
// ErrNoSnapshot.
func (k *Keeper) Load(ctx context.Context, d disk.Disk) error {
	dec, err := readSnapshot(d)
	if err != nil {
		return err
	}
	if head, err := k.ledger.Store.Head(ctx); err != nil || dec.cursor > head {
		return errors.Join(ErrNoSnapshot, err)
	}
	if leaf, err := k.leaf(ctx, dec.cursor); err != nil || leaf != dec.leaf {
		return errors.Join(ErrNoSnapshot, err) // of another history: the ledger was restored from a backup
	}
	fresh := k.Fresh()
	keys := k.ledger.Sealing(ctx)
	for _, t := range fresh.tables() {
		if err := t.load(dec, keys); err != nil {
			return errors.Join(ErrNoSnapshot, err)
		}
	}
	if err := errors.Join(fresh.registrations.dropGone(ctx, k.ledger.Keys), fresh.contributions.dropGone(ctx, k.ledger.Keys)); err != nil {
		return err
	}
	k.Caseload, k.Due, k.Idle, k.registrations = fresh.Caseload, fresh.Due, fresh.Idle, fresh.registrations
	k.Access, k.Audit, k.Codes, k.Handles = fresh.Access, fresh.Audit, fresh.Codes, fresh.Handles
	k.Accounts, k.Invitations, k.Erasures = fresh.Accounts, fresh.Invitations, fresh.Erasures
	k.Reviews, k.Accesses = fresh.Reviews, fresh.Accesses
	k.Organisations, k.Times, k.Offices = fresh.Organisations, fresh.Times, fresh.Offices
	k.Standings, k.contributions = fresh.Standings, fresh.contributions
	k.cursor = dec.cursor
	return nil
}
