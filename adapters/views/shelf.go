package views

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/rules"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A shelf is where the tables of a keeper have their documents, if not in memory.
type shelf struct {
	store Store
	shape string
	keyed func(message []byte) [sha256.Size]byte
	keys  func(context.Context) eventschema.Keys
	cache *rowCache // of what is folded; the folding's, as are the next two
	batch int       // bytes of documents that are folded together, about
	step  int       // facts that are folded together now

	generation Generation // that is folded; nil: none is claimed
}

// StoreOptions are how a keeper uses a store.
type StoreOptions struct {
	// Keyed hashes under a key that is not in the store: what documents are listed and ordered by there, where they are sealed. All
	// instances have the same; with another one the views are made anew.
	Keyed func(message []byte) [sha256.Size]byte
	// Cache is how many bytes of documents that are likely to change soon are kept in memory, DefaultCache if 0.
	Cache int
	// Batch is how many bytes of documents are folded together, about, 16 MiB if 0. They are in memory some three times meanwhile.
	Batch int
}

const (
	DefaultCache = 64 << 20 // bytes
	defaultBatch = 16 << 20
)

// NewKeeperIn makes a keeper whose documents are in a store, for several instances of the program. CatchUp brings them up to date.
func NewKeeperIn(l *ledger.Ledger, books rules.Books, store Store, o StoreOptions) *Keeper {
	k := NewKeeper(l, books)
	if o.Cache == 0 {
		o.Cache = DefaultCache
	}
	if o.Batch == 0 {
		o.Batch = defaultBatch
	}
	k.shelf = &shelf{store: store, keyed: o.Keyed, keys: l.Sealing, cache: newRowCache(o.Cache), batch: o.Batch, step: shelfBatch}
	k.most = shelfBatch
	check := o.Keyed([]byte("views"))
	var shape strings.Builder
	for number, t := range k.tables() {
		t.lie(k.shelf, number)
		name, version := t.name()
		fmt.Fprintf(&shape, "%s %d, ", name, version)
	}
	fmt.Fprintf(&shape, "rows 1, key %s", hex.EncodeToString(check[:8]))
	k.shelf.shape = shape.String()
	return k
}

// Turn names whose turn it is to fold, among instances of the program that share their documents: only one of a name need do it at a
// time, while all follow. It is "" where the documents are in this instance's memory, and each has to fold its own.
func (k *Keeper) Turn() string {
	if k.shelf == nil {
		return ""
	}
	shape := sha256.Sum256([]byte(k.shelf.shape))
	return "views " + hex.EncodeToString(shape[:8]) // another version of the program folds for itself
}

// Follow hears how far the views have come, whoever folds them, until ctx ends. Every instance does.
func (k *Keeper) Follow(ctx context.Context) error {
	if k.shelf == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return k.shelf.store.Follow(ctx, k.shelf.shape, func(p ledger.Position) { k.advance(p, nil) })
}

// Rebuild folds all anew, beside the documents that there are, which are read and may be folded on meanwhile, and has those it made take
// their place. It names the documents that were others at the same position: none, if replay is exact. Those that it knows it names also
// where it fails later.
func (k *Keeper) Rebuild(ctx context.Context) (diffs []string, err error) {
	again := NewKeeperIn(k.ledger, k.books, k.shelf.store, StoreOptions{Keyed: k.shelf.keyed, Cache: k.shelf.cache.most, Batch: k.shelf.batch})
	again.anew = true
	defer again.release()
	upTo := func(at ledger.Position) error {
		return again.catchUpThen(ctx, at, func(context.Context) error { return nil })
	}
	// Most is folded before the moment at which the two are compared, which the database has to keep: while it does, whatever is written
	// there slows down.
	if err := k.CatchUp(ctx); err != nil {
		return nil, err
	}
	if err := upTo(k.folded()); err != nil {
		return nil, err
	}
	if err := k.CatchUp(ctx); err != nil {
		return nil, err
	}
	err = k.shelf.store.Still(ctx, func(rows Rows, at ledger.Position) error {
		if err := upTo(at); err != nil {
			return err
		}
		moved := again.folded() != at
		if !moved {
			if diffs, err = k.differences(ctx, rows, again, again.shelf.generation.Rows); err != nil {
				return err
			}
			if len(diffs) > 0 { // or was it folded on while it was read
				if moved, err = again.shelf.generation.Moved(ctx); err != nil {
					return err
				}
			}
		}
		if moved {
			return errBuiltByOthers
		}
		return nil
	})
	if errors.Is(err, ErrAgain) {
		err = ErrAway // the connection was lost while documents were compared
	}
	if err != nil {
		return nil, err
	}
	if err := again.CatchUp(ctx); err != nil {
		return diffs, err
	}
	k.release()
	return diffs, k.CatchUp(ctx)
}

var errBuiltByOthers = errors.New("another process makes the views anew at this moment: let it end, and try again")

// claim has the keeper fold a generation of its documents that fits the ledger.
func (k *Keeper) claim(ctx context.Context) error {
	s := k.shelf
	if s == nil || s.generation != nil {
		return nil
	}
	s.cache.clear()
	g, err := s.store.Claim(ctx, s.shape, k.anew, func(p Progress) (bool, error) {
		head, err := k.ledger.Store.Head(ctx)
		if err != nil || p.Cursor > head {
			return false, err
		}
		leaf, err := k.leaf(ctx, p.Cursor)
		return leaf == p.Leaf, err
	})
	if err != nil {
		return err
	}
	s.generation = g
	return nil
}

// release gives the generation back that is folded.
func (k *Keeper) release() {
	if k.shelf != nil && k.shelf.generation != nil {
		k.shelf.generation.Close()
		k.shelf.generation = nil
	}
}

// Close gives back what the keeper holds of a store. Its documents stay.
func (k *Keeper) Close() { k.release() }

// serve has what was brought up to date be read.
func (k *Keeper) serve(ctx context.Context) error {
	if k.shelf == nil {
		return nil
	}
	g := k.shelf.generation
	if err := g.Serve(ctx); err != nil {
		return err
	}
	k.advance(g.Progress().Cursor, nil)
	return nil
}

// again tells whether folding is to be taken up again after an error, and waits until it is its time: who finds that another is folding
// lets that one, up to the position that matters.
func (k *Keeper) again(ctx context.Context, err error, upTo ledger.Position) bool {
	if !errors.Is(err, ErrAgain) || ctx.Err() != nil {
		return false
	}
	k.release()
	if k.claim(ctx) != nil {
		return true // the next try says why
	}
	for moved := true; moved && k.folded() < upTo; {
		if moved, err = k.shelf.generation.Moved(ctx); err != nil {
			k.release()
			return ctx.Err() == nil
		}
	}
	return true
}

// fetch has tables take the documents that facts are to be folded into.
func (k *Keeper) fetch(ctx context.Context, facts []eventschema.Fact, keys eventschema.Keys, tables ...table) error {
	s := k.shelf
	if s == nil {
		return nil
	}
	var missing []Key
	var rows []Stored
	var owners []eventschema.Owner
	for _, t := range tables {
		for _, key := range t.wanted(facts) {
			if r, ok := s.cache.get(key); ok {
				rows = append(rows, r)
			} else {
				missing = append(missing, key)
			}
			if owner, sealed := t.owner(key.ID); sealed {
				owners = append(owners, owner)
			}
		}
	}
	if err := k.ledger.Fetch(ctx, owners); err != nil {
		return err
	}
	if len(missing) > 0 {
		found, err := s.generation.Load(ctx, missing)
		if err != nil {
			return err
		}
		for _, r := range found {
			s.cache.put(r)
		}
		rows = append(rows, found...)
	}
	all := k.tables()
	for _, r := range rows {
		if err := all[r.View].take(r, keys); err != nil {
			return err
		}
	}
	return nil
}

// pace has more or fewer facts be folded together than those whose documents were of that size.
func (s *shelf) pace(facts, size int) {
	switch {
	case size > s.batch:
		s.step = max(facts/2, 1)
	case size < s.batch/4 && facts == s.step:
		s.step = min(2*s.step, shelfBatch)
	}
}

// commit writes what a batch of facts has changed, and tells the bytes of that. The batch is over, also where it fails.
func (k *Keeper) commit(ctx context.Context, to Progress, keys eventschema.Keys) (size int, err error) {
	s := k.shelf
	var rows []Stored
	for _, t := range k.tables() {
		changed, err := t.give(keys)
		if err != nil {
			return 0, err
		}
		rows = append(rows, changed...)
	}
	if err := s.generation.Commit(ctx, to, rows); err != nil {
		return 0, err
	}
	for _, r := range rows {
		size += len(r.Body)
		if r.Body == nil {
			s.cache.remove(r.Key)
		} else if r.Part == 0 {
			s.cache.put(r)
		}
	}
	if s.generation.Read() {
		k.advance(to.Cursor, nil)
	}
	return size, nil
}

// token is what a row says in place of a value that documents of a view are listed or ordered by: the value itself, or where it would tell
// something of whom the document is about, its keyed hash.
func (s *shelf) token(view string, k projections.Keeping, value domain.ID) domain.ID {
	if k == projections.Plain || value.IsZero() {
		return value
	}
	sum := s.keyed(append([]byte(view+"\x00"), value[:]...))
	return domain.ID(sum[:16])
}

// dayID is a day as a value that can have a token.
func dayID(d domain.Date) (id domain.ID) {
	binary.BigEndian.PutUint32(id[12:], uint32(d))
	return id
}

// firstDay is the first that is told from others: what is due before is due then.
var firstDay = domain.MustDate("2015-01-01")
