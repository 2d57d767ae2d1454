package ledgertest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"sync"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// ErrFault is what an append returns that was chosen to fail. It leaves the outcome open, as the failure of a disk or a
// network does.
var ErrFault = errors.New("the answer was lost (injected)")

// Faulty wraps a store, which must pass TestStore, so that chosen appends fail.
func Faulty(store ledger.Store) *FaultyStore {
	return &FaultyStore{Store: store, fates: map[int]fate{}, uses: map[string]Uses{}}
}

// A FaultyStore is a ledger.Store whose appends fail when chosen to, and which counts how it is used. Its appends are
// numbered in the order in which they begin.
type FaultyStore struct {
	ledger.Store

	mu      sync.Mutex
	appends int // begun so far
	fates   map[int]fate
	before  func(stream string, after uint64)
	uses    map[string]Uses
	follows int
}

type fate int

const (
	failAndStore fate = iota + 1
	failAndLose
	conflict
)

// Uses is how often a stream was read and appended to, failed attempts included.
type Uses struct{ Reads, Appends int }

// FailAndStore makes the nth append from now (1 is the next) fail with ErrFault although its records are stored.
func (f *FaultyStore) FailAndStore(n int) { f.choose(n, failAndStore) }

// FailAndLose makes the nth append from now (1 is the next) fail with ErrFault and store nothing.
func (f *FaultyStore) FailAndLose(n int) { f.choose(n, failAndLose) }

// Conflict makes the nth append from now (1 is the next) a conflict, as if another writer had come first.
func (f *FaultyStore) Conflict(n int) { f.choose(n, conflict) }

func (f *FaultyStore) choose(n int, what fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fates[f.appends+n] = what
}

// Before has hook called at the start of every append, before the store sees it: another writer's append can be put in
// between. The hook appends to the wrapped store, f.Store, or it would be called again. A nil hook is none.
func (f *FaultyStore) Before(hook func(stream string, after uint64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = hook
}

// Uses gives the counts of every stream that was read or appended to.
func (f *FaultyStore) Uses() map[string]Uses {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.uses)
}

// Follows counts the calls of After.
func (f *FaultyStore) Follows() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.follows
}

// ForgetUses sets all counts back to none.
func (f *FaultyStore) ForgetUses() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.uses)
	f.follows = 0
}

// Append implements ledger.Store.
func (f *FaultyStore) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	what, hook := f.begin(stream)
	if hook != nil {
		hook(stream, after)
	}
	switch what {
	case failAndLose:
		return 0, ErrFault
	case conflict:
		return 0, &ledger.ConflictError{Stream: stream, After: after, Actual: after + 1}
	case failAndStore:
		if _, err := f.Store.Append(ctx, stream, after, records...); err != nil {
			return 0, err
		}
		return 0, ErrFault
	}
	return f.Store.Append(ctx, stream, after, records...)
}

func (f *FaultyStore) begin(stream string) (what fate, hook func(string, uint64)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.appends++
	u := f.uses[stream]
	u.Appends++
	f.uses[stream] = u
	what = f.fates[f.appends]
	delete(f.fates, f.appends)
	return what, f.before
}

// Erase implements ledger.Eraser where the wrapped store does.
func (f *FaultyStore) Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (int, error) {
	e, ok := f.Store.(ledger.Eraser)
	if !ok {
		return 0, errors.New("the wrapped store cannot erase")
	}
	return e.Erase(ctx, choose, streams...)
}

// Stream implements ledger.Store.
func (f *FaultyStore) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	f.mu.Lock()
	u := f.uses[stream]
	u.Reads++
	f.uses[stream] = u
	f.mu.Unlock()
	return f.Store.Stream(ctx, stream, from)
}

// After implements ledger.Store.
func (f *FaultyStore) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	f.mu.Lock()
	f.follows++
	f.mu.Unlock()
	return f.Store.After(ctx, p)
}
