package views

import (
	"context"
	"sync"

	"samtykke/domain"
	"samtykke/projections"
)

// A Table holds the documents of one view, in memory or on a shelf.
type Table[V any] struct {
	view   projections.View[V]
	shelf  *shelf // nil: in memory
	number int    // of the view there

	mu     sync.RWMutex
	docs   map[domain.ID]*entry[V] // all; on a shelf those of the batch that is being folded, which nobody else reads
	groups map[domain.ID]map[domain.ID]struct{}
	days   map[domain.Date]map[domain.ID]struct{}

	batch *batch                    // on a shelf
	dates map[domain.ID]domain.Date // the days that their tokens stand for, replaced and never changed
	upTo  domain.Date
}

// An entry is a document, the position of the last fact folded into it, and the day on which something is due for it.
type entry[V any] struct {
	at  uint64
	due domain.Date
	doc V
}

func newTable[V any](v projections.View[V]) *Table[V] {
	return &Table[V]{
		view: v, docs: map[domain.ID]*entry[V]{},
		groups: map[domain.ID]map[domain.ID]struct{}{}, days: map[domain.Date]map[domain.ID]struct{}{},
	}
}

// Get gives the document of an id.
func (t *Table[V]) Get(ctx context.Context, id domain.ID) (doc V, ok bool, err error) {
	if t.shelf != nil {
		err = t.each(ctx, t.shelf.store.Rows, Select{IDs: []domain.ID{id}}, func(_ domain.ID, e entry[V]) error {
			doc, ok = e.doc, true
			return nil
		})
		return doc, ok, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.docs[id]; e != nil {
		return e.doc, true, nil
	}
	return doc, false, nil
}

// Len is how many documents there are.
func (t *Table[V]) Len(ctx context.Context) (n int, err error) {
	if t.shelf != nil {
		for _, err := range t.shelf.store.Rows(ctx, Select{View: t.number, Bare: true}) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.docs), nil
}

// Among gives those documents of the ids that there are.
func (t *Table[V]) Among(ctx context.Context, ids []domain.ID) (map[domain.ID]V, error) {
	found := make(map[domain.ID]V, len(ids))
	if t.shelf != nil {
		if len(ids) == 0 {
			return found, nil
		}
		return found, t.each(ctx, t.shelf.store.Rows, Select{IDs: ids}, func(id domain.ID, e entry[V]) error {
			found[id] = e.doc
			return nil
		})
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, id := range ids {
		if e := t.docs[id]; e != nil {
			found[id] = e.doc
		}
	}
	return found, nil
}

// List gives the documents of a group, in no order.
func (t *Table[V]) List(ctx context.Context, group domain.ID) (map[domain.ID]V, error) {
	if t.shelf != nil {
		list := map[domain.ID]V{}
		if group.IsZero() {
			return list, nil
		}
		return list, t.each(ctx, t.shelf.store.Rows, Select{Group: t.groupToken(group)}, func(id domain.ID, e entry[V]) error {
			list[id] = e.doc
			return nil
		})
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make(map[domain.ID]V, len(t.groups[group]))
	for id := range t.groups[group] {
		list[id] = t.docs[id].doc
	}
	return list, nil
}

// Lists tells whether a document stands in a group, and opens none.
func (t *Table[V]) Lists(ctx context.Context, group domain.ID) (bool, error) {
	if group.IsZero() {
		return false, nil
	}
	if t.shelf != nil {
		for _, err := range t.shelf.store.Rows(ctx, Select{View: t.number, Group: t.groupToken(group), Bare: true}) {
			return err == nil, err
		}
		return false, nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.groups[group]) > 0, nil
}

// DueBy gives the ids for which something is due by the start of the day. It costs what is due, and one step for each
// day on which anything ever is.
func (t *Table[V]) DueBy(ctx context.Context, day domain.Date) ([]domain.ID, error) {
	if t.shelf != nil {
		return t.dueAmong(ctx, nil, day)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	var ids []domain.ID
	for d, set := range t.days {
		if d <= day {
			for id := range set {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}

// IsDue tells whether something is due for the id by the start of the day.
func (t *Table[V]) IsDue(ctx context.Context, id domain.ID, day domain.Date) (bool, error) {
	if t.shelf != nil {
		due, err := t.dueAmong(ctx, []domain.ID{id}, day)
		return len(due) > 0, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.isDue(id, day), nil
}

// DueAmong gives those of the ids for which something is due by the start of the day.
func (t *Table[V]) DueAmong(ctx context.Context, ids []domain.ID, day domain.Date) (map[domain.ID]bool, error) {
	due := map[domain.ID]bool{}
	if t.shelf != nil {
		if len(ids) == 0 {
			return due, nil
		}
		all, err := t.dueAmong(ctx, ids, day)
		for _, id := range all {
			due[id] = true
		}
		return due, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, id := range ids {
		if t.isDue(id, day) {
			due[id] = true
		}
	}
	return due, nil
}

func (t *Table[V]) isDue(id domain.ID, day domain.Date) bool {
	e := t.docs[id]
	return e != nil && e.due != 0 && e.due <= day
}

// apply folds a fact into its document. A fact that was folded before changes nothing.
func (t *Table[V]) apply(f *projections.Fact) {
	id, ok := t.view.Key(f)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.docs[id]
	if e == nil {
		e = &entry[V]{}
		t.docs[id] = e
	}
	if f.Position > e.at {
		t.put(id, e, entry[V]{at: f.Position, doc: t.view.Apply(e.doc, f)})
	}
}

// put changes an entry and moves it in the lists.
func (t *Table[V]) put(id domain.ID, e *entry[V], next entry[V]) {
	if t.shelf != nil {
		t.batch.changed[id] = true
		if e != nil {
			*e = next
		}
		return
	}
	if t.view.Due != nil {
		next.due = t.view.Due(next.doc)
		if next.due != e.due {
			move(t.days, id, e.due, next.due)
		}
	}
	if t.view.Group != nil {
		if from, to := t.view.Group(e.doc), t.view.Group(next.doc); from != to || e.at == 0 {
			move(t.groups, id, from, to)
		}
	}
	*e = next
}

// drop leaves out the document that goes with the fact, if one does.
func (t *Table[V]) drop(f *projections.Fact) {
	id, ok := t.view.Drops(f)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.docs[id]; e != nil || t.shelf != nil {
		t.put(id, e, entry[V]{}) // out of the lists
		delete(t.docs, id)
	}
}

// move takes an id out of one set and puts it into another; the zero key has no set.
func move[K comparable](sets map[K]map[domain.ID]struct{}, id domain.ID, from, to K) {
	var none K
	if from != none {
		delete(sets[from], id)
		if len(sets[from]) == 0 {
			delete(sets, from)
		}
	}
	if to != none {
		if sets[to] == nil {
			sets[to] = map[domain.ID]struct{}{}
		}
		sets[to][id] = struct{}{}
	}
}

// Each hands on every document, as they stand now, until do gives an error, which it returns.
func (t *Table[V]) Each(ctx context.Context, do func(domain.ID, V) error) error {
	return t.eachEntry(ctx, nil, func(id domain.ID, e entry[V]) error { return do(id, e.doc) })
}

// eachEntry hands on every entry, in the order of ids; of the rows, if they are given.
func (t *Table[V]) eachEntry(ctx context.Context, rows Rows, do func(domain.ID, entry[V]) error) error {
	if t.shelf != nil {
		if rows == nil {
			rows = t.shelf.store.Rows
		}
		return t.each(ctx, rows, Select{}, do)
	}
	entries := t.entries()
	for _, id := range sorted(entries) {
		if err := do(id, entries[id]); err != nil {
			return err
		}
	}
	return nil
}

// entries gives all entries of a table in memory as they stand now.
func (t *Table[V]) entries() map[domain.ID]entry[V] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[domain.ID]entry[V], len(t.docs))
	for id, e := range t.docs {
		all[id] = *e
	}
	return all
}
