package proof

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/ledger"
)

// Root is the root of the tree over the first events of a ledger, from the events themselves. The error matches ErrNoEvent if it has
// not as many.
func Root(ctx context.Context, store ledger.Store, size uint64) (tlog.Hash, error) {
	t := &tree{}
	if size > 0 {
		head, err := store.Head(ctx)
		if err != nil {
			return tlog.Hash{}, err
		}
		if head < size {
			return tlog.Hash{}, ErrNoEvent
		}
		for r, err := range store.After(ctx, 0) {
			if err != nil {
				return tlog.Hash{}, err
			}
			t.add(tlog.Hash(r.Leaf()))
			clear(t.full)
			if r.Position >= size {
				break
			}
		}
	}
	return t.root()
}
