// Package views keeps the projections up to date, in memory with snapshots or in a store that several instances share, and holds the one
// door to what is registered about a client.
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
// # In a store
//
// Documents can lie in a Store (adapters/postgres), so that memory does not grow with the number of clients and all instances of the
// program read the same ones. The tables fold with the same code: before a batch is folded, the documents it needs are fetched; afterwards
// those that changed are committed in one transaction with the cursor, if that still is where it was. So documents and cursor agree
// wherever a folder ends; of two only one can write, and the other forgets what it had read and goes on from there (ErrAgain). What is fetched is
// kept in a cache of rows, up to a number of bytes, which only the folding uses: whoever reads, reads the store. Facts are folded in
// steps whose documents are no larger together than a number of bytes, about, and their keys are fetched together. A store that
// cannot be read is an error, and never an empty answer.
//
// Documents lie in generations. A program whose views are others than those that are live (the shape: names and versions) builds a
// generation of its own beside them, from position 0, while the program before goes on folding and serving its own. When it has caught up
// it is made live in one transaction. A builder that ends is followed by any other, which goes on where it was. Rebuild does the same with
// the same views. Documents of another ledger, or of one that was put back from a copy, are told by the hash of the record at their
// cursor and are never read.
//
// A document that opens sealed events is sealed in its row under its owner's key. What it is listed and ordered by would tell personal
// things in clear (who has which login name or label, when somebody was last there), so that a row has keyed hashes of these in their place.
// Whether something is due by a day is asked by the hashes of all days up to it. Where somebody is erased the rows are deleted in the
// transaction that folds that; what a database keeps of deleted rows for a while is ciphertext whose key is gone. A document that grows without bound is
// cut as its view says (projections.View.Cut): full parts are rows that are never written again.
//
// Of instances that share their documents one folds (Run, under the lease that Turn names) and all follow (Follow), so that Wait returns
// in each when somebody has folded what it waits for. CatchUp must not be called beside Run.
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
	"context"
	"errors"
	"fmt"
	"iter"
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
	Labels   *Table[domain.ID]

	Accounts    *Table[projections.Account]
	Invitations *Table[domain.ID]
	Erasures    *Table[projections.Erasure]
	Reviews     *Table[projections.Reader]
	Dealings    *Table[projections.Dealing]
	Accesses    *Table[projections.Access]

	Organisations *Table[projections.Trail]
	Times         *Table[projections.Times]

	Offices   *Table[projections.Office]
	Standings *Table[statistics.Contribution]

	registrations *sealedTable[projections.Registrations]
	contributions *sealedTable[statistics.Contribution]
	ledger        *ledger.Ledger
	books         rules.Books
	shelf         *shelf // nil: the documents are in memory
	anew          bool   // no generation that is live will do
	most          int    // facts that are folded together

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
		Audit: newTable(v.Audit), Codes: newTable(v.Codes), Handles: newTable(v.Handles), Labels: newTable(v.Labels),
		Accounts: newTable(v.Accounts), Invitations: newTable(v.Invitations),
		Erasures: newTable(v.Erasures), Reviews: newTable(v.Reviews), Dealings: newTable(v.Dealings), Accesses: newTable(v.Accesses),
		Organisations: newTable(v.Organisations), Times: newTable(v.Times), Offices: newTable(v.Offices), Standings: newTable(v.Standings),
		registrations: newSealedTable(v.Registrations), contributions: newSealedTable(v.Contributions),
		ledger: l, books: books, most: batchSize, moved: make(chan struct{}),
	}
}

// Fresh gives an empty keeper in memory over the same ledger.
func (k *Keeper) Fresh() *Keeper { return NewKeeper(k.ledger, k.books) }

// table is what the keeper needs of every table alike.
type table interface {
	name() (string, int)
	save(*encoder, eventschema.Keys) error
	load(*decoder, eventschema.Keys) error
	drop(*projections.Fact)
	items(context.Context, Rows, eventschema.Keys) iter.Seq2[item, error]

	// Of documents on a shelf:
	lie(s *shelf, number int)
	wanted([]eventschema.Fact) []Key
	owner(domain.ID) (eventschema.Owner, bool) // whose key a document is sealed under, if it is
	take(Stored, eventschema.Keys) error
	give(eventschema.Keys) ([]Stored, error)
	forget()
}

// tables are all views in the order they are stored in.
func (k *Keeper) tables() []table {
	return []table{
		k.Caseload, k.Due, k.Idle, k.registrations, k.Access, k.Audit, k.Codes, k.Handles, k.Accounts, k.Invitations, k.Erasures, k.Reviews, k.Accesses,
		k.Organisations, k.Times, k.contributions, k.Offices, k.Standings, k.Labels, k.Dealings,
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

// Differences compares the views with a rebuild from position 0 up to the same place and names what differs: nothing,
// if replay is exact. The keeper must not be running.
func (k *Keeper) Differences(ctx context.Context) ([]string, error) {
	if err := k.CatchUp(ctx); err != nil {
		return nil, err
	}
	again := k.Fresh()
	if err := again.CatchUpTo(ctx, k.folded()); err != nil {
		return nil, err
	}
	return k.differences(ctx, nil, again, nil)
}

// forget ends a batch that was not committed.
func (k *Keeper) forget() {
	for _, t := range k.tables() {
		t.forget()
	}
}

// Save writes a snapshot, of documents in memory. It may run beside Run, and several may be asked for at once.
func (k *Keeper) Save(ctx context.Context, d disk.Disk) error {
	if k.shelf != nil {
		return nil // they are kept where they lie
	}
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
	if k.shelf != nil {
		return nil
	}
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
	k.Access, k.Audit, k.Codes, k.Handles, k.Labels = fresh.Access, fresh.Audit, fresh.Codes, fresh.Handles, fresh.Labels
	k.Accounts, k.Invitations, k.Erasures = fresh.Accounts, fresh.Invitations, fresh.Erasures
	k.Reviews, k.Dealings, k.Accesses = fresh.Reviews, fresh.Dealings, fresh.Accesses
	k.Organisations, k.Times, k.Offices = fresh.Organisations, fresh.Times, fresh.Offices
	k.Standings, k.contributions = fresh.Standings, fresh.contributions
	k.cursor = dec.cursor
	return nil
}
