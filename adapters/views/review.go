package views

import (
	"context"
	"errors"
	"slices"

	"samtykke/domain"
	"samtykke/projections"
)

// ToReview gives the readers who stand in a list, with all that is to be reviewed of each; the zero list is all lists. It costs what is
// to be reviewed.
func (k *Keeper) ToReview(ctx context.Context, list domain.ID) (map[domain.ID]projections.Reader, error) {
	readers := map[domain.ID]projections.Reader{}
	add := func(reader, organisation domain.ID, open []projections.Review) {
		r := readers[reader]
		r.Organisation, r.Open = organisation, append(slices.Clip(r.Open), open...)
		readers[reader] = r
	}
	err := k.Reviews.eachListed(ctx, list, func(id domain.ID, r projections.Reader) { add(id, r.Organisation, r.Open) })
	errD := k.Dealings.eachListed(ctx, list, func(_ domain.ID, d projections.Dealing) { add(d.Reader, d.Organisation, d.Open) })
	return readers, errors.Join(err, errD)
}

// eachListed hands on the documents of a group; of the zero group those of all groups.
func (t *Table[V]) eachListed(ctx context.Context, group domain.ID, do func(domain.ID, V)) error {
	if t.shelf != nil {
		s := Select{Listed: true}
		if !group.IsZero() {
			s.Group = t.groupToken(group)
		}
		return t.each(ctx, t.shelf.store.Rows, s, func(id domain.ID, e entry[V]) error {
			do(id, e.doc)
			return nil
		})
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for g, ids := range t.groups {
		if !group.IsZero() && g != group {
			continue
		}
		for id := range ids {
			do(id, t.docs[id].doc)
		}
	}
	return nil
}
