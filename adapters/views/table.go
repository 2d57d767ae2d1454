package views

import (
	"context"
	"sync"

	"samtykke/domain"
	"samtykke/projections"
)

// A Table holds the documents of one view in memory.
type Table[V any] struct {
	view projections.View[V]

	mu     sync.RWMutex
	docs   map[domain.ID]*entry[V]
	groups map[domain.ID]map[domain.ID]struct{}
	days   map[domain.Date]map[domain.ID]struct{}
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
func (t *Table[V]) Get(_ context.Context, id domain.ID) (V, bool, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.docs[id]; e != nil {
		return e.doc, true, nil
	}
	var none V
	return none, false, nil
}

// Len is how many documents there are.
func (t *Table[V]) Len(context.Context) (int, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.docs), nil
}

// List gives the documents of a group, in no order.
func (t *Table[V]) List(_ context.Context, group domain.ID) (map[domain.ID]V, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make(map[domain.ID]V, len(t.groups[group]))
	for id := range t.groups[group] {
		list[id] = t.docs[id].doc
	}
	return list, nil
}

// DueBy gives the ids for which something is due by the start of the day. It costs what is due, and one step for each
// day on which anything ever is.
func (t *Table[V]) DueBy(_ context.Context, day domain.Date) ([]domain.ID, error) {
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
func (t *Table[V]) IsDue(_ context.Context, id domain.ID, day domain.Date) (bool, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.isDue(id, day), nil
}

// DueAmong gives those of the ids for which something is due by the start of the day.
func (t *Table[V]) DueAmong(_ context.Context, ids []domain.ID, day domain.Date) (map[domain.ID]bool, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	due := map[domain.ID]bool{}
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
	if e := t.docs[id]; e != nil {
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
func (t *Table[V]) Each(_ context.Context, do func(domain.ID, V) error) error {
	for id, e := range t.entries() {
		if err := do(id, e.doc); err != nil {
			return err
		}
	}
	return nil
}

// entries gives all entries as they stand now.
func (t *Table[V]) entries() map[domain.ID]entry[V] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make(map[domain.ID]entry[V], len(t.docs))
	for id, e := range t.docs {
		all[id] = *e
	}
	return all
}
