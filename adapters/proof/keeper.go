package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// Options are how a keeper works. The zero value is good.
type Options struct {
	// Every is how long Run waits between two checkpoints, a second if not positive. It is the only time there is here: no clock is
	// read.
	Every time.Duration
	// Passed is told after each pass of Run that did not fail how many events the newest checkpoint covers: all that were in the
	// ledger when the pass began. Nobody is told if nil.
	Passed func(size uint64)
}

// A Keeper keeps the tree up with a ledger and signs checkpoints. Its methods may be called by several goroutines.
type Keeper struct {
	store  ledger.Store
	key    Key
	folder folder
	lock   io.Closer
	every  time.Duration
	passed func(size uint64)
	newest atomic.Pointer[Checkpoint] // the last one that counts

	turn   chan struct{} // holds a token; who has taken it may use what follows
	tree   *tree
	kept   *kept
	closed bool
}

var (
	// ErrEmpty says that the ledger has no event yet, and so no checkpoint.
	ErrEmpty = errors.New("the ledger has no event yet")
	// ErrNoEvent says that the ledger has no event at a position, or has not as many as were asked for.
	ErrNoEvent = errors.New("the ledger does not reach that far")

	errClosed = errors.New("the keeper of proofs was closed")
)

// Open opens the folder, and makes it if it is empty. It reads of the ledger no more than one event. An error that is a
// *Problem says that the folder and the ledger do not belong together: see the package comment, and Verify. One that
// matches disk.ErrLocked says that another Keeper has the folder.
func Open(ctx context.Context, d disk.Disk, key Key, store ledger.Store, opts Options) (*Keeper, error) {
	lock, err := lockFolder(d)
	if err != nil {
		return nil, err
	}
	if opts.Every <= 0 {
		opts.Every = time.Second
	}
	if opts.Passed == nil {
		opts.Passed = func(uint64) {}
	}
	k := &Keeper{
		store: store, key: key, folder: folder{d}, lock: lock, every: opts.Every, passed: opts.Passed, turn: make(chan struct{}, 1),
	}
	if err := k.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the proofs: %w", err), k.release())
	}
	k.turn <- struct{}{}
	return k, nil
}

func lockFolder(d disk.Disk) (io.Closer, error) {
	if err := d.MakeDir(""); err != nil {
		return nil, err
	}
	return d.Lock("lock")
}

func (k *Keeper) load(ctx context.Context) error {
	kept, newest, err := openKept(k.folder.disk, k.key.verifier)
	if err != nil {
		return err
	}
	k.kept = kept
	k.newest.Store(&newest)
	if err := k.show(&newest); err != nil {
		return err
	}
	if k.tree, err = k.folder.tree(&newest); err != nil || newest.Size == 0 {
		return err
	}
	return k.continues(ctx, &newest)
}

// show puts the file checkpoint right. If it is ahead of what was kept, something was removed.
func (k *Keeper) show(newest *Checkpoint) error {
	b, err := disk.ReadFile(k.folder.disk, newestName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if c, err := openCheckpoint(b, k.key.verifier); err == nil && c.Size > newest.Size {
		return &Problem{In: newestName, Size: c.Size, What: "it is newer than all that were kept"}
	}
	if newest.Size == 0 || bytes.Equal(b, newest.Note) {
		return nil
	}
	return k.folder.put(newestName, newest.Note)
}

// continues refuses a ledger that is not the one that was signed, as far as its event at the signed size tells.
func (k *Keeper) continues(ctx context.Context, newest *Checkpoint) error {
	head, err := k.store.Head(ctx)
	if err != nil {
		return err
	}
	if head < newest.Size {
		return &Problem{In: "ledger", Size: newest.Size, Position: head, What: "it ends before what was signed"}
	}
	want, err := k.folder.hashes(newest).ReadHashes([]int64{tlog.StoredHashIndex(0, int64(newest.Size)-1)})
	if err != nil {
		return err
	}
	return read(ctx, k.store, newest.Size-1, newest.Size, func(r *eventschema.Record) error {
		if tlog.Hash(r.Leaf()) != want[0] {
			return &Problem{In: "ledger", Size: newest.Size, Position: r.Position, What: "the event is not the one that was signed"}
		}
		return nil
	})
}

// read hands on the records behind one position, up to another that the ledger has reached.
func read(ctx context.Context, store ledger.Store, after, to ledger.Position, each func(*eventschema.Record) error) error {
	if after == to {
		return nil
	}
	for r, err := range store.After(ctx, after) {
		if err != nil {
			return err
		}
		after++
		if r.Position != after {
			return &Problem{In: "ledger", Position: after, What: fmt.Sprintf("the total order goes on with position %d", r.Position)}
		}
		if err := each(&r); err != nil || after == to {
			return err
		}
	}
	return io.ErrUnexpectedEOF // unreachable: After ends with an error or not at all
}

// Run signs a checkpoint whenever there is something new, as often as the options say, until ctx ends or something fails.
// After a failure it may be called again.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		c, err := k.Checkpoint(ctx)
		if err != nil && !errors.Is(err, ErrEmpty) {
			return err
		}
		k.passed(c.Size)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Checkpoint gives a checkpoint of all that was in the ledger when it was called. It signs a new one only if something was
// added since the last. An empty ledger has none: ErrEmpty. After any other error it may be called again.
func (k *Keeper) Checkpoint(ctx context.Context) (Checkpoint, error) {
	c, err := k.checkpoint(ctx)
	if err == nil && c.Size == 0 {
		err = ErrEmpty
	}
	if err != nil {
		return Checkpoint{}, err
	}
	out := *c
	out.Note = slices.Clone(c.Note)
	return out, nil
}

func (k *Keeper) checkpoint(ctx context.Context) (*Checkpoint, error) {
	select {
	case <-k.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { k.turn <- struct{}{} }()
	if k.closed {
		return nil, errClosed
	}
	head, err := k.store.Head(ctx)
	if err == nil {
		err = k.advance(ctx, head)
	}
	if err == nil && uint64(k.tree.size) > k.newest.Load().Size {
		err = k.publish()
	}
	if err != nil {
		return nil, fmt.Errorf("keeping up the proofs: %w", err)
	}
	return k.newest.Load(), nil
}

// maxFull is how many full tiles wait in memory for a checkpoint: of 8 KiB each.
const maxFull = 256

// advance adds the events up to the head.
func (k *Keeper) advance(ctx context.Context, head ledger.Position) error {
	return read(ctx, k.store, uint64(k.tree.size), head, func(r *eventschema.Record) error {
		k.tree.add(tlog.Hash(r.Leaf()))
		if len(k.tree.full) >= maxFull {
			return k.publish()
		}
		return nil
	})
}

// publish makes the tree's size the newest checkpoint's, in the order of the package comment.
func (k *Keeper) publish() error {
	before := k.tree.stored
	if err := k.folder.write(k.tree); err != nil {
		return err
	}
	c, err := k.key.sign(k.tree)
	if err != nil {
		return err
	}
	if err := k.kept.cut(); err != nil {
		return err
	}
	if err := k.kept.append(c.Note); err != nil {
		return err
	}
	k.newest.Store(&c) // from here on it counts
	if err := k.folder.put(newestName, c.Note); err != nil {
		return err
	}
	return k.folder.dropOutgrown(before, k.tree.size)
}

// Close ends the keeper. What came after the last checkpoint is taken up by the next one, after opening anew.
func (k *Keeper) Close() error {
	<-k.turn
	defer func() { k.turn <- struct{}{} }()
	if k.closed {
		return nil
	}
	k.closed = true
	return k.release()
}

func (k *Keeper) release() error {
	var err error
	if k.kept != nil {
		err = k.kept.file.Close()
	}
	return errors.Join(err, k.lock.Close())
}

// Rebuild makes all tiles anew from the ledger, and the file checkpoint, where they were lost or damaged, while no Keeper has the
// folder open. It changes nothing, and gives a *Problem, unless the ledger has the root that the newest kept checkpoint says.
func Rebuild(ctx context.Context, d disk.Disk, verifier string, store ledger.Store) (err error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return err
	}
	lock, err := lockFolder(d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	kept, newest, err := openKept(d, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.file.Close()) }()
	head, err := store.Head(ctx)
	if err != nil {
		return err
	}
	if head < newest.Size {
		return &Problem{In: "ledger", Size: newest.Size, Position: head, What: "it ends before what was signed"}
	}
	grow := func(atFull func(*tree) error) (*tree, error) {
		t := &tree{}
		err := read(ctx, store, 0, newest.Size, func(r *eventschema.Record) error {
			t.add(tlog.Hash(r.Leaf()))
			if len(t.full) < maxFull {
				return nil
			}
			return atFull(t)
		})
		return t, err
	}
	t, err := grow(func(t *tree) error { clear(t.full); return nil })
	if err != nil {
		return err
	}
	if root, err := t.root(); err != nil || root != newest.Root && newest.Size > 0 {
		return errors.Join(err, &Problem{In: "ledger", Size: newest.Size, What: "its events do not have the root that was signed"})
	}
	write := func(t *tree) error {
		for _, tile := range tlog.NewTiles(height, t.stored, t.size) {
			if err := (folder{d}).drop(tile); err != nil {
				return err
			}
		}
		return folder{d}.write(t)
	}
	if t, err = grow(write); err == nil {
		err = write(t)
	}
	if err != nil || newest.Size == 0 {
		return err
	}
	return folder{d}.put(newestName, newest.Note)
}
