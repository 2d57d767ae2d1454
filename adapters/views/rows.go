package views

import (
	"context"
	"errors"
	"iter"

	"samtykke/domain"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A batch is what a table on a shelf knows while facts are folded: of each document that it has taken, how many full parts lie on the
// shelf, and which documents are changed.
type batch struct {
	parts   map[domain.ID]int
	changed map[domain.ID]bool
}

func newBatch() *batch { return &batch{map[domain.ID]int{}, map[domain.ID]bool{}} }

// lie puts the table's documents on a shelf, of which it is the view of that number.
func (t *Table[V]) lie(s *shelf, number int) {
	t.shelf, t.number, t.batch = s, number, newBatch()
	t.days = nil
}

func (t *Table[V]) owner(id domain.ID) (eventschema.Owner, bool) { return t.view.Owner(id) }

// wanted names the documents that facts are folded into.
func (t *Table[V]) wanted(facts []eventschema.Fact) []Key {
	return wanted(t.view, t.number, facts, func(id domain.ID) bool { return t.docs[id] != nil })
}

func wanted[V any](v projections.View[V], number int, facts []eventschema.Fact, has func(domain.ID) bool) (keys []Key) {
	seen := map[domain.ID]bool{}
	for i := range facts {
		if id, ok := v.Key(&facts[i]); ok && !seen[id] && !has(id) {
			seen[id] = true
			keys = append(keys, Key{number, id})
		}
	}
	return keys
}

// take takes a row from the shelf for a batch. A document whose key is gone is none.
func (t *Table[V]) take(r Stored, keys eventschema.Keys) error {
	doc, err := t.open(r, keys)
	if errors.Is(err, eventschema.ErrGone) {
		return nil
	}
	t.docs[r.ID] = &entry[V]{at: r.At, doc: doc}
	t.batch.parts[r.ID] = r.Parts
	return err
}

// open reads a row.
func (t *Table[V]) open(r Stored, keys eventschema.Keys) (doc V, err error) {
	b := r.Body
	if owner, sealed := t.view.Owner(r.ID); sealed {
		if b, err = keys.Open(owner, b, place(t.view.Name, t.view.Version, r.ID)); err != nil {
			return doc, err
		}
	}
	return doc, eventschema.Unmarshal(b, &doc)
}

// give gives the rows that a batch has changed, and ends it.
func (t *Table[V]) give(keys eventschema.Keys) ([]Stored, error) {
	var rows []Stored
	for id := range t.batch.changed {
		e := t.docs[id]
		if e == nil {
			rows = append(rows, Stored{Key: Key{t.number, id}})
			continue
		}
		all, err := t.rowsOf(id, *e, keys)
		if err != nil {
			return nil, err
		}
		rows = append(rows, all...)
	}
	t.forget()
	return rows, nil
}

// forget ends a batch.
func (t *Table[V]) forget() {
	clear(t.docs)
	t.batch = newBatch()
}

// rowsOf makes the rows of a document that was changed: the part that grows, and those that are full now. Where the key is gone, the
// document is to be removed.
func (t *Table[V]) rowsOf(id domain.ID, e entry[V], keys eventschema.Keys) (rows []Stored, err error) {
	key, parts := Key{t.number, id}, t.batch.parts[id]
	add := func(r Stored, doc V) {
		b, failed := eventschema.Marshal(doc)
		if owner, sealed := t.view.Owner(id); failed == nil && sealed {
			b, failed = keys.Seal(owner, b, place(t.view.Name, t.view.Version, id))
		}
		if errors.Is(failed, eventschema.ErrGone) {
			b, failed = nil, nil
		}
		r.Body, err = b, errors.Join(err, failed)
		rows = append(rows, r)
	}
	doc := e.doc
	if t.view.Cut != nil {
		if full, rest, ok := t.view.Cut(doc); ok {
			parts++
			add(Stored{Key: key, Part: parts, At: e.at}, full)
			doc = rest
		}
	}
	last := Stored{Key: key, Parts: parts, At: e.at}
	if t.view.Group != nil {
		last.Group = t.groupToken(t.view.Group(doc))
	}
	if t.view.Due != nil {
		if day := t.view.Due(doc); day != 0 {
			last.Due = t.dayToken(max(day, firstDay))
		}
	}
	add(last, doc)
	return rows, err
}

func (t *Table[V]) groupToken(group domain.ID) domain.ID {
	return t.shelf.token(t.view.Name+" group", t.view.Keeping, group)
}

func (t *Table[V]) dayToken(day domain.Date) domain.ID {
	return t.shelf.token(t.view.Name+" due", t.view.Keeping, dayID(day))
}

// each reads documents from the shelf, in the order of their ids, and puts those together that are in parts.
func (t *Table[V]) each(ctx context.Context, rows Rows, s Select, do func(domain.ID, entry[V]) error) error {
	keys := t.shelf.keys(ctx)
	s.View = t.number
	var last, full V // of the document that is being read
	var of Stored
	done := func() error {
		if of.ID.IsZero() {
			return nil
		}
		e := entry[V]{at: of.At, doc: last}
		if of.Parts > 0 {
			e.doc = t.view.Join(full, last)
		}
		if t.view.Due != nil {
			e.due = t.view.Due(e.doc)
		}
		return do(of.ID, e)
	}
	for r, err := range rows(ctx, s) {
		if err != nil {
			return err
		}
		if r.Part > of.Parts && r.ID == of.ID {
			continue // it was full after the part that grows was read, which has it still
		}
		doc, err := t.open(r, keys)
		if errors.Is(err, eventschema.ErrGone) {
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case r.Part == 0:
			if err := done(); err != nil {
				return err
			}
			var none V
			of, last, full = r, doc, none
		case r.ID == of.ID:
			full = t.view.Join(full, doc)
		}
	}
	return done()
}

// known gives the days whose tokens are known, up to a day at least.
func (t *Table[V]) known(day domain.Date) map[domain.ID]domain.Date {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.upTo < day {
		dates := make(map[domain.ID]domain.Date, day-firstDay+1)
		for d := firstDay; d <= day; d++ {
			dates[t.dayToken(d)] = d
		}
		t.dates, t.upTo = dates, day
	}
	return t.dates
}

// dueAmong asks the shelf which of the ids are due by a day; nil: of all.
func (t *Table[V]) dueAmong(ctx context.Context, ids []domain.ID, day domain.Date) (due []domain.ID, err error) {
	known := t.known(day)
	s := Select{View: t.number, IDs: ids, Bare: true}
	if ids == nil {
		for token, d := range known {
			if d <= day {
				s.Due = append(s.Due, token)
			}
		}
	}
	for r, err := range t.shelf.store.Rows(ctx, s) {
		if err != nil {
			return nil, err
		}
		if d, ok := known[r.Due]; ok && d <= day {
			due = append(due, r.ID)
		}
	}
	return due, nil
}

// lie, wanted, owner, take, give and forget are those of a Table. A document of this table stays sealed in its row.
func (t *sealedTable[V]) lie(s *shelf, number int) {
	t.shelf, t.number, t.changed = s, number, map[domain.ID]bool{}
}

func (t *sealedTable[V]) wanted(facts []eventschema.Fact) []Key {
	return wanted(t.view, t.number, facts, func(id domain.ID) bool { return t.docs[id].Bytes != nil })
}

func (t *sealedTable[V]) owner(id domain.ID) (eventschema.Owner, bool) { return t.view.Owner(id) }

func (t *sealedTable[V]) take(r Stored, _ eventschema.Keys) error {
	t.docs[r.ID] = docOf(r)
	return nil
}

func docOf(r Stored) sealedDoc { return sealedDoc{At: r.At, Version: r.Version, Bytes: r.Body} }

func (t *sealedTable[V]) give(eventschema.Keys) ([]Stored, error) {
	var rows []Stored
	for id := range t.changed {
		d := t.docs[id]
		rows = append(rows, Stored{Key: Key{t.number, id}, At: d.At, Version: d.Version, Body: d.Bytes})
	}
	t.forget()
	return rows, nil
}

func (t *sealedTable[V]) forget() {
	clear(t.docs)
	clear(t.open)
	clear(t.changed)
}

// all gives the documents as they stand at rest, in the order of their ids; of the rows, if they are given.
func (t *sealedTable[V]) all(ctx context.Context, rows Rows) iter.Seq2[domain.ID, sealedRow] {
	return func(yield func(domain.ID, sealedRow) bool) {
		if t.shelf == nil {
			t.mu.RLock()
			defer t.mu.RUnlock()
			for _, id := range sorted(t.docs) {
				if !yield(id, sealedRow{t.docs[id], nil}) {
					return
				}
			}
			return
		}
		if rows == nil {
			rows = t.shelf.store.Rows
		}
		for r, err := range rows(ctx, Select{View: t.number}) {
			if !yield(r.ID, sealedRow{docOf(r), err}) || err != nil {
				return
			}
		}
	}
}

// A sealedRow is a document, or why there is none.
type sealedRow struct {
	doc sealedDoc
	err error
}
