package views

import (
	"context"
	"slices"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

// Differ names the documents in which two keepers differ.
func Differ(ctx context.Context, a, b *Keeper) ([]string, error) {
	return a.differences(ctx, nil, b, nil)
}

// Again hands the keeper facts, as a store would that yields them once more.
func (k *Keeper) Again(ctx context.Context, facts []*eventschema.Fact) error {
	var all []eventschema.Fact
	for _, f := range facts {
		all = append(all, *f)
	}
	return k.foldAll(ctx, all, nil, k.ledger.Sealing(ctx))
}

// HoldsRegistrations tells whether there is a document of registrations for the client.
func (k *Keeper) HoldsRegistrations(ctx context.Context, id domain.ID) (bool, error) {
	docs, err := k.registrations.among(ctx, []domain.ID{id})
	return docs[id].Bytes != nil, err
}

// Indexed gives the lists and dates of a table as it keeps them, for comparison with its documents.
func Indexed[V any](t *Table[V]) (groups map[domain.ID]map[domain.ID]struct{}, days map[domain.Date]map[domain.ID]struct{}) {
	return t.groups, t.days
}

// Derived gives the lists and dates anew, from the documents.
func Derived[V any](t *Table[V]) (groups map[domain.ID]map[domain.ID]struct{}, days map[domain.Date]map[domain.ID]struct{}) {
	again := newTable(t.view)
	for id, e := range t.docs {
		again.put(id, &entry[V]{}, *e)
	}
	return again.groups, again.days
}

// SaveAs writes a snapshot as a program would whose view of due dates has another version.
func (k *Keeper) SaveAs(ctx context.Context, d disk.Disk, version int) error {
	was := k.Due.view.Version
	defer func() { k.Due.view.Version = was }()
	k.Due.view.Version = version
	return k.Save(ctx, d)
}

// SnapshotName is the file of the snapshot.
const SnapshotName = snapshotName

// Reshape makes a keeper over a store that of a program with other views.
func (k *Keeper) Reshape(name string) *Keeper {
	k.shelf.shape += ", " + name
	return k
}

// Number is that of a view among the rows of a store.
func (k *Keeper) Number(view string) int {
	for number, t := range k.tables() {
		if name, _ := t.name(); name == view {
			return number
		}
	}
	return -1
}

// Ledger is what the keeper follows.
func (k *Keeper) Ledger() *ledger.Ledger { return k.ledger }

// Batches has a keeper fold so many facts at a time.
func Batches(k *Keeper, facts int) { k.most = facts }

// NumberOf is the number that a view's documents lie under in a store.
func NumberOf(k *Keeper, view string) int {
	return slices.IndexFunc(k.tables(), func(t table) bool { name, _ := t.name(); return name == view })
}
