package views

import (
	"iter"
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
func (t *Table[V]) Get(id domain.ID) (V, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.docs[id]; e != nil {
		return e.doc, true
	}
	var none V
	return none, false
}

// Len is how many documents there are.
func (t *Table[V]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.docs)
}

// List gives the documents of a group, in no order.
func (t *Table[V]) List(group domain.ID) map[domain.ID]V {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make(map[domain.ID]V, len(t.groups[group]))
	for id := range t.groups[group] {
		list[id] = t.docs[id].doc
	}
	return list
}

// DueBy gives the ids for which something is due by the start of the day. It costs what is due, and one step for each
// day on which anything ever is.
func (t *Table[V]) DueBy(day domain.Date) []domain.ID {
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
	return ids
}

// IsDue tells whether something is due for the id by the start of the day.
func (t *Table[V]) IsDue(id domain.ID, day domain.Date) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
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

// Documents gives every document, as they stand now.
func (t *Table[V]) Documents() iter.Seq2[domain.ID, V] {
	return func(yield func(domain.ID, V) bool) {
		for id, e := range t.entries() {
			if !yield(id, e.doc) {
				return
			}
		}
	}
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
