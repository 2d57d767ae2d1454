package views

import (
	"context"
	"errors"
	"iter"

	"samtykke/adapters/ledger"
	"samtykke/domain"
)

// A Store keeps the documents of a keeper elsewhere than in its memory, for all instances of the program on a ledger, in generations: each
// is all documents of a shape, which is the views with their versions, folded up to one cursor. One generation is live. Another may
// be built beside it, and takes its place once it has caught up; the one before is retired then, and removed when no
// instance reads it any more. Its methods may be called by several goroutines.
type Store interface {
	// Rows reads the generation that this instance reads: the one that it has served last, or the live one since it follows. Before,
	// that is an error.
	Rows(ctx context.Context, s Select) iter.Seq2[Stored, error]
	// Still has rows read as they stand at one moment, which the position is the cursor of.
	Still(ctx context.Context, use func(Rows, ledger.Position) error) error
	// Claim gives the generation of the shape that is to be folded: the live one, or one that is being built, or that was retired; a new
	// one, empty, where there is none that fits the ledger. With anew, it is never the live one. Any number of instances
	// may have claimed one; of two that fold the same events only one can commit.
	Claim(ctx context.Context, shape string, anew bool, fits func(Progress) (bool, error)) (Generation, error)
	// Follow tells how far the generation has come that is read, until ctx ends, and turns to the one of the shape that is live.
	Follow(ctx context.Context, shape string, told func(ledger.Position)) error
}

// A Generation is one that was claimed. One goroutine uses it.
type Generation interface {
	// Progress is how far it has come, as far as this instance knows.
	Progress() Progress
	// Read tells whether this instance reads it.
	Read() bool
	// Rows reads it, also while it is being built.
	Rows(ctx context.Context, s Select) iter.Seq2[Stored, error]
	// Load gives what is there of the documents: of one that is in parts, the part that grows.
	Load(ctx context.Context, documents []Key) ([]Stored, error)
	// Commit writes rows and progress, all or nothing, if the generation is where Progress says. The error matches ErrAgain where it is
	// not, where it was retired for another of its shape, and where it is not known what was written.
	Commit(ctx context.Context, to Progress, rows []Stored) error
	// Serve makes it the live one, unless it is, and the one that this instance reads.
	Serve(ctx context.Context) error
	// Moved returns when somebody else has moved it on, or has not done so for a while.
	Moved(ctx context.Context) (moved bool, err error)
	Close()
}

// What a store's errors match, besides failures for good.
var (
	// ErrAgain says that the generation is to be claimed again, and what was not committed to be folded again.
	ErrAgain = errors.New("the views are to be folded on from where they stand")
	// ErrAway says that the store cannot be reached now, and may be later.
	ErrAway = errors.New("the views cannot be reached")
)

// Progress is how far a generation has come: the position of the last record, and its leaf, which tells one history from another.
type Progress struct {
	Cursor ledger.Position
	Leaf   [32]byte
}

// A Key names a document by the number of its view and its id.
type Key struct {
	View int
	ID   domain.ID
}

// Stored is a document, or a part of one, at rest.
type Stored struct {
	Key
	Part    int       // 0: the part that grows; 1, 2, …: those that are full, in their order, which never change
	Parts   int       // how many full ones there are; of the part that grows
	At      uint64    // position of the last fact folded in
	Version uint64    // of that fact in its stream
	Group   domain.ID // that it is listed under, as a token; zero: none
	Due     domain.ID // the day on which something is due, as a token; zero: none
	Body    []byte    // nil, in a commit: the document is removed
}

// Rows reads rows.
type Rows func(context.Context, Select) iter.Seq2[Stored, error]

// A Select says which rows of a view are read, in the order of ids and parts: those that meet all that is said.
type Select struct {
	View   int
	IDs    []domain.ID // nil: of any id
	Group  domain.ID   // zero: of any
	Listed bool        // of any group, and not of none
	Due    []domain.ID // one of these; nil: any
	Bare   bool        // of the part that grows, and with nothing but the key and what is due
}

// A rowCache holds rows that are likely to be folded on soon, up to a number of bytes. It has two halves: the younger one takes what is
// used, and becomes the older one when it is full.
type rowCache struct {
	most, size int // bytes; size is of the younger half
	young, old map[Key]Stored
}

// rowSize is what a row takes besides its body, roughly.
const rowSize = 200

func newRowCache(most int) *rowCache {
	return &rowCache{most: most, young: map[Key]Stored{}, old: map[Key]Stored{}}
}

func (c *rowCache) get(k Key) (Stored, bool) {
	if r, ok := c.young[k]; ok {
		return r, true
	}
	r, ok := c.old[k]
	if ok {
		c.put(r)
	}
	return r, ok
}

func (c *rowCache) put(r Stored) {
	if had, ok := c.young[r.Key]; ok {
		c.size -= rowSize + len(had.Body)
	}
	c.young[r.Key] = r
	if c.size += rowSize + len(r.Body); c.size > c.most/2 {
		c.young, c.old, c.size = map[Key]Stored{}, c.young, 0
	}
}

func (c *rowCache) remove(k Key) {
	if had, ok := c.young[k]; ok {
		c.size -= rowSize + len(had.Body)
	}
	delete(c.young, k)
	delete(c.old, k)
}

func (c *rowCache) clear() { *c = *newRowCache(c.most) }
