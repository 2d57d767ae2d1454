package views

import (
	"context"

	"samtykke/adapters/disk"
	"samtykke/domain"
)

// Differ names the documents in which two keepers differ.
func Differ(ctx context.Context, a, b *Keeper) ([]string, error) {
	keys := a.ledger.Sealing(ctx)
	var diffs []string
	diffs = append(diffs, differ(a.Caseload, b.Caseload)...)
	diffs = append(diffs, differ(a.Due, b.Due)...)
	diffs = append(diffs, differ(a.Idle, b.Idle)...)
	diffs = append(diffs, differ(a.Access, b.Access)...)
	diffs = append(diffs, differ(a.Audit, b.Audit)...)
	diffs = append(diffs, differ(a.Codes, b.Codes)...)
	diffs = append(diffs, differ(a.Handles, b.Handles)...)
	sealed, err := a.registrations.differ(b.registrations, keys)
	return append(diffs, sealed...), err
}

// HoldsRegistrations tells whether there is a document of registrations for the client.
func (k *Keeper) HoldsRegistrations(id domain.ID) bool { return k.registrations.get(id).Bytes != nil }

// Indexed gives the lists and dates of a table as it keeps them, for comparison with its documents.
func Indexed[V any](t *Table[V]) (groups map[domain.ID]map[domain.ID]struct{}, days map[domain.Date]map[domain.ID]struct{}) {
	return t.groups, t.days
}

// Derived gives the lists and dates anew, from the documents.
func Derived[V any](t *Table[V]) (groups map[domain.ID]map[domain.ID]struct{}, days map[domain.Date]map[domain.ID]struct{}) {
	again := newTable(t.view)
	for id, e := range t.docs {
		again.put(id, entry[V]{}, e)
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
