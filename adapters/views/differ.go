package views

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"reflect"
	"slices"

	"samtykke/adapters/keyring"
	"samtykke/domain"
	"samtykke/eventschema"
)

// An item is a document as it can be read now, for comparison.
type item struct {
	id  domain.ID
	doc any
}

// differences names the documents in which two keepers differ, read from rows where these are given. Documents of rows are not held: only
// two of them at a time are in memory.
func (k *Keeper) differences(ctx context.Context, mine Rows, again *Keeper, others Rows) (diffs []string, err error) {
	keys := k.ledger.Sealing(ctx)
	theirs := again.tables()
	for i, t := range k.tables() {
		name, _ := t.name()
		for id, err := range unlike(t.items(ctx, mine, keys), theirs[i].items(ctx, others, keys)) {
			if err != nil {
				return nil, err
			}
			if owner, sealed := t.owner(id); sealed && k.gone(ctx, owner) {
				continue // erased while they were compared
			}
			diffs = append(diffs, name+" "+id.String())
		}
	}
	return diffs, nil
}

func (k *Keeper) gone(ctx context.Context, o eventschema.Owner) bool {
	_, err := k.ledger.Keys.Sealer(ctx, keyring.Owner{Kind: keyring.Kind(o.Kind), ID: o.ID})
	return errors.Is(err, keyring.ErrDestroyed)
}

// unlike yields the ids under which two series, each in the order of ids, do not have the same.
func unlike(a, b iter.Seq2[item, error]) iter.Seq2[domain.ID, error] {
	return func(yield func(domain.ID, error) bool) {
		nextA, stopA := iter.Pull2(a)
		defer stopA()
		nextB, stopB := iter.Pull2(b)
		defer stopB()
		x, errA, moreA := nextA()
		y, errB, moreB := nextB()
		for moreA || moreB {
			if err := errors.Join(errA, errB); err != nil {
				yield(domain.ID{}, err)
				return
			}
			order := bytes.Compare(x.id[:], y.id[:])
			switch {
			case !moreA:
				order = 1
			case !moreB:
				order = -1
			}
			id := x.id
			if order > 0 {
				id = y.id
			}
			if (order != 0 || !reflect.DeepEqual(x.doc, y.doc)) && !yield(id, nil) {
				return
			}
			if order <= 0 {
				x, errA, moreA = nextA()
			}
			if order >= 0 {
				y, errB, moreB = nextB()
			}
		}
	}
}

// errEnough ends a reading of documents.
var errEnough = errors.New("enough was read")

// items yields the documents in the order of their ids, with what is known of each beside it; of the rows, if they are given.
func (t *Table[V]) items(ctx context.Context, rows Rows, _ eventschema.Keys) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		err := t.eachEntry(ctx, rows, func(id domain.ID, e entry[V]) error {
			if !yield(item{id, e}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(item{}, err)
		}
	}
}

// items yields the documents that can be opened, in the order of their ids; of the rows, if they are given.
func (t *sealedTable[V]) items(ctx context.Context, rows Rows, keys eventschema.Keys) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for id, r := range t.all(ctx, rows) {
			var doc V
			err := r.err
			if err == nil {
				doc, err = t.unseal(id, r.doc, keys)
			}
			if errors.Is(err, eventschema.ErrGone) {
				continue
			}
			if !yield(item{id, doc}, err) || err != nil {
				return
			}
		}
	}
}

// sorted gives the ids of documents in their order.
func sorted[D any](docs map[domain.ID]D) []domain.ID {
	return slices.SortedFunc(maps.Keys(docs), func(a, b domain.ID) int { return bytes.Compare(a[:], b[:]) })
}
