package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// A Report is what Verify looked at.
type Report struct {
	Events      uint64    // in the ledger, all of them read
	Root        tlog.Hash // of the tree over them
	Checkpoints uint64    // kept
	Signed      uint64    // size of the newest of them that holds
	Tiles       int       // files
	Outside     uint64    // size of the largest checkpoint from outside that agrees; 0 without
	Problems    int       // in all; the error names the first of each kind
}

// Unseen says, for people, what no look at the ledger and its proofs from inside can tell.
func (r Report) Unseen() string {
	switch {
	case r.Outside == 0:
		return "No checkpoint from outside was compared. That the ledger was cut back to an earlier state together with its checkpoints, " +
			"or written anew and signed anew with its key, cannot be seen from inside."
	case r.Outside < r.Events:
		return fmt.Sprintf("The first %d events are those that the checkpoint from outside was signed of. Whether events after them were "+
			"removed or written anew, together with their checkpoints, cannot be seen from inside.", r.Outside)
	default:
		return "All events are those that the checkpoint from outside was signed of. Whether there once were more after them cannot be " +
			"seen from inside."
	}
}

// Verify reads the whole ledger once, makes its tree anew and holds everything against it: each kept checkpoint (signature,
// order, size, and the root at that size), each tile, and the checkpoints from outside that are given. Since every kept
// checkpoint agrees with the ledger, they agree with each other. It writes nothing, and may run beside a Keeper.
//
// What does not hold is in the error, each a *Problem; other errors say that the check could not be finished. Where a tile
// and the ledger differ about an event, its position is named: the event was changed if the checkpoints do not agree
// either, and the tile if they do.
func Verify(ctx context.Context, store ledger.Store, d disk.Disk, verifier string, outside ...[]byte) (Report, error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return Report{}, err
	}
	x := &exam{folder: folder{d}, told: map[string]int{}}
	// In this order a Keeper beside can only add what the next one covers.
	shown, err := disk.ReadFile(d, newestName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Report{}, err
	}
	file, err := d.OpenRead(keptName)
	if err == nil {
		defer file.Close()
		x.kept = kept{file: file, verifier: v}
		x.kept.count, err = slots(file)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Report{}, err
	}
	head, err := store.Head(ctx)
	if err != nil {
		return Report{}, err
	}
	x.findNewest()
	if shown != nil || x.kept.count > 1 { // after the very first signing it may lack still: a crash, or a Keeper beside
		x.claimed(v, newestName, 0, shown)
	}
	for i, signed := range outside {
		x.claimed(v, outsideName, uint64(i)+1, signed)
	}
	slices.SortStableFunc(x.others, func(a, b claim) int { return cmp.Compare(a.Size, b.Size) })

	ctx, stop := context.WithCancel(ctx)
	x.read(ctx)
	defer func() {
		stop()
		for range x.verified { // until it reads no more
		}
	}()
	if err := x.run(ctx, store, head); err != nil {
		return x.report, err
	}
	return x.report, errors.Join(x.problems...)
}

const outsideName = "outside"

// An exam is a Verify on its way.
type exam struct {
	folder folder
	kept   kept
	newest Checkpoint // the newest kept one that holds: what tiles there must be
	tree   tree

	verified <-chan claim // the kept checkpoints, in order
	next     *claim       // of these, the one to come
	others   []claim      // by size

	report   Report
	problems []error
	told     map[string]int // problems so far, by where they are
}

// A claim is a checkpoint that the ledger is held against.
type claim struct {
	Checkpoint
	in     string
	number uint64
	err    error // why it is none
}

const maxTold = 20 // problems of a kind

func (x *exam) problem(kind string, p *Problem) {
	x.report.Problems++
	if x.told[kind]++; x.told[kind] <= maxTold {
		x.problems = append(x.problems, p)
	}
}

func (x *exam) disputed(c *claim, format string, args ...any) {
	x.problem(c.in, &Problem{In: c.in, Number: c.number, Size: c.Size, What: fmt.Sprintf(format, args...)})
}

func (x *exam) findNewest() {
	x.report.Checkpoints = uint64(x.kept.count)
	for i := x.kept.count - 1; i >= 0 && x.newest.Size == 0; i-- {
		x.newest, _ = x.kept.read(i)
	}
	x.report.Signed = x.newest.Size
}

// claimed takes up a checkpoint that is not in the file of all.
func (x *exam) claimed(v note.Verifier, in string, number uint64, signed []byte) {
	c := claim{in: in, number: number}
	var err error
	c.Checkpoint, err = openCheckpoint(signed, v)
	switch {
	case signed == nil:
		x.disputed(&c, "it is missing")
	case err != nil:
		x.disputed(&c, "%v", err)
	case in == newestName && c.Size > x.newest.Size:
		x.disputed(&c, "it is newer than all that were kept")
	default:
		x.others = append(x.others, c)
	}
}

// read verifies the signatures of the kept checkpoints, while the ledger is being hashed.
func (x *exam) read(ctx context.Context) {
	verified := make(chan claim, 256)
	x.verified = verified
	go func() {
		defer close(verified)
		for i := range x.kept.count {
			c := claim{in: keptName, number: uint64(i) + 1}
			c.Checkpoint, c.err = x.kept.read(i)
			select {
			case verified <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// advance goes to the next kept checkpoint that holds and is larger than the one before.
func (x *exam) advance() {
	last := uint64(0)
	if x.next != nil {
		last = x.next.Size
	}
	for c := range x.verified {
		if c.err != nil {
			p := new(Problem)
			if !errors.As(c.err, &p) {
				p = &Problem{In: keptName, Number: c.number, What: "it cannot be read", Err: c.err}
			}
			x.problem(keptName, p)
			continue
		}
		if c.Size <= last {
			x.disputed(&c, "it follows one of size %d", last)
			continue
		}
		x.next = &c
		return
	}
	x.next = nil
}

func (x *exam) run(ctx context.Context, store ledger.Store, head ledger.Position) error {
	x.advance()
	if err := x.reached(); err != nil {
		return err
	}
	err := read(ctx, store, 0, head, func(r *eventschema.Record) error {
		x.tree.add(tlog.Hash(r.Leaf()))
		x.tiles()
		return x.reached()
	})
	if err != nil {
		return err
	}
	for ; x.next != nil; x.advance() {
		x.disputed(x.next, "the ledger ends at position %d", head)
	}
	for _, c := range x.others {
		x.disputed(&c, "the ledger ends at position %d", head)
	}
	x.report.Events = head
	x.report.Root, err = x.tree.root()
	return cmp.Or(err, ctx.Err())
}

// reached compares the checkpoints of the size that the tree has come to.
func (x *exam) reached() error {
	size := uint64(x.tree.size)
	due := x.next != nil && x.next.Size == size
	if !due && (len(x.others) == 0 || x.others[0].Size > size) {
		return nil
	}
	root, err := x.tree.root()
	if err != nil {
		return err
	}
	if due {
		x.agrees(x.next, root)
		x.advance()
	}
	for ; len(x.others) > 0 && x.others[0].Size == size; x.others = x.others[1:] {
		if c := &x.others[0]; x.agrees(c, root) && c.in == outsideName {
			x.report.Outside = size
		}
	}
	return nil
}

func (x *exam) agrees(c *claim, root tlog.Hash) bool {
	if c.Root != root {
		x.disputed(c, "the ledger's first %d events have another root", c.Size)
	}
	return c.Root == root
}

// tiles compares the files of the tiles that the last leaf filled, and at the newest checkpoint's size those not full.
func (x *exam) tiles() {
	size, signed := x.tree.size, int64(x.newest.Size)
	if len(x.tree.full) > 0 {
		for _, t := range tlog.NewTiles(height, size-1, size) {
			if t.W == width && size <= signed {
				x.tile(t, x.tree.full[t])
			}
		}
		clear(x.tree.full)
	}
	if size == signed {
		for level, e := range x.tree.edge {
			if len(e) > 0 {
				x.tile(tlog.Tile{H: height, L: level, N: size >> (height * (level + 1)), W: len(e) / tlog.HashSize}, e)
			}
		}
	}
}

// tile compares a tile and all narrower ones of its number with the hashes it must have.
func (x *exam) tile(t tlog.Tile, want []byte) {
	got, err := x.folder.read(t)
	if p := new(Problem); errors.As(err, &p) {
		x.problem("tile", p)
	} else {
		x.same(t, got[:len(want)], want)
	}
	names, err := x.folder.disk.Names(partials(t))
	if err != nil {
		x.problem("tile", &Problem{In: partials(t), What: "it cannot be read", Err: err})
	}
	for _, name := range names {
		w, err := strconv.Atoi(name)
		if err != nil || w < 1 || w >= width || strconv.Itoa(w) != name {
			x.problem("tile", &Problem{In: path.Join(partials(t), name), What: "it is no tile"})
			continue
		}
		if w == t.W || w*tlog.HashSize > len(want) {
			continue // seen, or of a checkpoint to come
		}
		narrow := t
		narrow.W = w
		got, err := disk.ReadFile(x.folder.disk, tilePath(narrow))
		switch {
		case errors.Is(err, fs.ErrNotExist): // a Keeper has removed it since
		case err != nil:
			x.problem("tile", &Problem{In: tilePath(narrow), What: "it cannot be read", Err: err})
		default:
			x.same(narrow, got, want[:w*tlog.HashSize])
		}
	}
}

// same names the first hash in which a tile differs.
func (x *exam) same(t tlog.Tile, got, want []byte) {
	x.report.Tiles++
	if len(got) != len(want) {
		x.problem("tile", &Problem{In: tilePath(t), What: fmt.Sprintf("it has %d bytes, not %d", len(got), len(want))})
		return
	}
	for i := 0; i < len(want); i += tlog.HashSize {
		if tlog.Hash(got[i:i+tlog.HashSize]) == tlog.Hash(want[i:i+tlog.HashSize]) {
			continue
		}
		n := t.N<<height + int64(i/tlog.HashSize)
		p := &Problem{In: tilePath(t), What: fmt.Sprintf("hash %d of its level is not the ledger's", n)}
		if t.L == 0 {
			p.Position, p.What = uint64(n)+1, "the event in the ledger is not the one in the tile"
		}
		x.problem("tile", p)
		return
	}
}
