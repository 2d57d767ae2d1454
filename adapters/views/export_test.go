package views

import (
	"context"

	"samtykke/adapters/disk"
	"samtykke/domain"
	"samtykke/eventschema"
)

// Differ names the documents in which two keepers differ.
func Differ(ctx context.Context, a, b *Keeper) ([]string, error) {
	return a.differences(ctx, b)
}

// Again hands the keeper facts, as a store would that yields them once more.
func (k *Keeper) Again(ctx context.Context, facts []*eventschema.Fact) error {
	var all []eventschema.Fact
	for _, f := range facts {
		all = append(all, *f)
	}
	return k.foldAll(ctx, all, eventschema.Record{}, k.ledger.Sealing(ctx))
}

// HoldsRegistrations tells whether there is a document of registrations for the client.
func (k *Keeper) HoldsRegistrations(ctx context.Context, id domain.ID) (bool, error) {
	d, err := k.registrations.get(ctx, id)
	return d.Bytes != nil, err
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
