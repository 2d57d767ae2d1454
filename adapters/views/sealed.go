package views

import (
	"context"
	"errors"
	"sync"

	"samtykke/adapters/keyring"
	"samtykke/domain"
	"samtykke/eventschema"
	"samtykke/projections"
)

// sealedTable holds, in memory or on a shelf, the documents of a view that is sealed always, each under its client's key. Only while facts
// are folded is a document open; flush seals it again before anybody can read the table.
type sealedTable[V any] struct {
	view   projections.View[V]
	shelf  *shelf // nil: they are in memory
	number int    // of the view there

	open map[domain.ID]opened[V] // being folded; owned by the keeper's folding

	mu   sync.RWMutex
	docs map[domain.ID]sealedDoc // all; on a shelf those of the batch that is being folded

	changed map[domain.ID]bool // on a shelf
}

// opened is a document while it is folded, and where the last fact stands in the ledger and in its stream.
type opened[V any] struct {
	at, version uint64
	doc         V
}

// sealedDoc is a document at rest. What stands beside the ciphertext tells nothing about the client.
type sealedDoc struct {
	At      uint64 // position of the last fact folded in
	Version uint64 // of that fact in its stream: of registrations, the journal version
	Bytes   []byte
}

func newSealedTable[V any](v projections.View[V]) *sealedTable[V] {
	return &sealedTable[V]{view: v, open: map[domain.ID]opened[V]{}, docs: map[domain.ID]sealedDoc{}}
}

// among gives those documents of the ids that there are.
func (t *sealedTable[V]) among(ctx context.Context, ids []domain.ID) (map[domain.ID]sealedDoc, error) {
	found := make(map[domain.ID]sealedDoc, len(ids))
	if t.shelf != nil {
		for r, err := range t.shelf.store.Rows(ctx, Select{View: t.number, IDs: ids}) {
			if err != nil {
				return nil, err
			}
			found[r.ID] = docOf(r)
		}
		return found, nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, id := range ids {
		if d, ok := t.docs[id]; ok {
			found[id] = d
		}
	}
	return found, nil
}

// apply folds a fact into its document, opened from the table where it is not open already.
func (t *sealedTable[V]) apply(f *projections.Fact, keys eventschema.Keys) error {
	id, ok := t.view.Key(f)
	if !ok {
		return nil
	}
	e, ok := t.open[id]
	if !ok {
		t.mu.RLock()
		d := t.docs[id]
		t.mu.RUnlock()
		e.at = d.At
		var err error
		if e.doc, err = t.unseal(id, d, keys); err != nil && !errors.Is(err, eventschema.ErrGone) {
			return err
		}
	}
	if f.Position > e.at {
		t.open[id] = opened[V]{f.Position, f.Version, t.view.Apply(e.doc, f)}
	}
	return nil
}

// drop leaves out the document that goes with the fact, if one does.
func (t *sealedTable[V]) drop(f *projections.Fact) {
	if id, ok := t.view.Drops(f); ok {
		delete(t.open, id)
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.docs, id)
		t.change(id)
	}
}

// change notes that a document on a shelf is another now.
func (t *sealedTable[V]) change(id domain.ID) {
	if t.shelf != nil {
		t.changed[id] = true
	}
}

// flush seals what is open and puts it in the table. Where the key is gone, so is the document.
func (t *sealedTable[V]) flush(keys eventschema.Keys) error {
	for id, e := range t.open {
		d, err := t.seal(id, e, keys)
		if err != nil && !errors.Is(err, eventschema.ErrGone) {
			return err
		}
		t.mu.Lock()
		if err == nil {
			t.docs[id] = d
		} else {
			delete(t.docs, id)
		}
		t.change(id)
		t.mu.Unlock()
		delete(t.open, id)
	}
	return nil
}

func (t *sealedTable[V]) seal(id domain.ID, e opened[V], keys eventschema.Keys) (sealedDoc, error) {
	plain, err := eventschema.Marshal(e.doc)
	if err != nil {
		return sealedDoc{}, err
	}
	b, err := keys.Seal(clientKey(id), plain, place(t.view.Name, t.view.Version, id))
	return sealedDoc{e.at, e.version, b}, err
}

// unseal opens a document; of one that does not exist it gives the empty one.
func (t *sealedTable[V]) unseal(id domain.ID, d sealedDoc, keys eventschema.Keys) (v V, err error) {
	if d.Bytes == nil {
		return v, nil
	}
	plain, err := keys.Open(clientKey(id), d.Bytes, place(t.view.Name, t.view.Version, id))
	if err != nil {
		return v, err
	}
	return v, eventschema.Unmarshal(plain, &v)
}

// dropGone leaves out the documents whose key is gone.
func (t *sealedTable[V]) dropGone(ctx context.Context, keys keyring.Keyring) error {
	for id := range t.docs {
		_, err := keys.Sealer(ctx, keyring.Owner{Kind: keyring.Client, ID: id})
		if errors.Is(err, keyring.ErrDestroyed) {
			delete(t.docs, id)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func clientKey(id domain.ID) eventschema.Owner {
	return eventschema.Owner{Kind: eventschema.KeyClient, ID: id}
}

// place binds a sealed document to its view and client.
func place(view string, version int, id domain.ID) []byte {
	return append([]byte("view "+view+" "+string(rune('0'+version))+" "), id[:]...)
}
