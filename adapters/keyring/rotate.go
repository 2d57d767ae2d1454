package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/disk"
)

// Rotate begins a new epoch if the current one began on an earlier day than now's, by UTC, and then destroys the keys of
// all epochs that have ended. Call it after opening, before anything is sealed, and every day; more often does nothing.
//
// Sealing, opening and making keys go on meanwhile. Destroy does, too, but returns only when Rotate is done with the keys, so
// that no copy of the destroyed one is left. After an error that does not match ErrEnded all keys are as good as before, and
// Rotate may be called again. Both parts are tried: a key management service out of reach is no reason to keep what has ended.
func (f *FileRing) Rotate(ctx context.Context, now time.Time) error {
	f.rotation.Lock()
	defer f.rotation.Unlock()
	var err error
	if f.due(now) {
		err = f.rotate(ctx, now)
	}
	if ended := f.stopped(); ended != nil {
		return errors.Join(err, ended) // perhaps not knowing which epoch is the current one
	}
	err = errors.Join(err, f.place.destroyEnded(now, f.epoch))
	epochs, unread := f.place.epochs(f.epoch)
	if unread == nil {
		f.mu.Lock()
		f.epochs = epochs
		f.mu.Unlock()
	}
	return errors.Join(err, unread)
}

// due tells whether the current epoch began on an earlier day.
func (f *FileRing) due(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.epochs {
		if e.Current {
			return e.Due(now)
		}
	}
	return true // there are none yet
}

// rotate wraps all keys anew, in a new table under a new epoch's key, and makes that the current one.
func (f *FileRing) rotate(ctx context.Context, now time.Time) error {
	epoch, wrapping, err := f.beginEpoch(now)
	if err != nil {
		return err
	}
	rotating := make(chan struct{})
	f.setRotating(rotating)
	defer close(rotating)
	defer f.setRotating(nil)

	err = f.replaceTable(ctx, epoch, wrapping)
	if f.failed() != nil {
		return err // opening anew settles which table is the current one
	}
	if left := f.place.destroyTables(f.epoch); left != nil {
		return errors.Join(err, f.end(left)) // Destroy must not say that a key is gone which still stands there
	}
	return err
}

// beginEpoch makes the key of a new epoch, durably. If it comes to nothing, the next attempt takes the next number.
func (f *FileRing) beginEpoch(now time.Time) (Epoch, tink.AEAD, error) {
	key := make([]byte, keySize)
	defer clear(key)
	err := f.inTurn(func() error { // the randomness is the writer's
		_, err := io.ReadFull(f.random, key)
		return err
	})
	if err != nil {
		return Epoch{}, nil, fmt.Errorf("randomness for an epoch's key: %w", err)
	}
	return f.place.beginEpoch(f.master, f.epoch, now.UTC().Truncate(time.Second), key)
}

// beginEpoch makes the key of an epoch later than all there are and than the one given, durably.
func (p place) beginEpoch(master tink.AEAD, after uint32, begun time.Time, key []byte) (Epoch, tink.AEAD, error) {
	names, err := p.names()
	if err != nil {
		return Epoch{}, nil, err
	}
	latest, _ := newest(names.numbers(epochPrefix, ""))
	epoch := newEpoch(max(latest, after)+1, begun)
	file, wrapping, err := makeEpoch(master, epoch, key)
	if err == nil {
		err = p.writeNew(epochName(epoch.Number), file)
	}
	if err == nil {
		err = p.settle(epochName(epoch.Number))
	}
	return epoch, wrapping, err
}

// replaceTable makes the table of the new epoch and, in the writer's turn, puts it in the place of the current one.
func (f *FileRing) replaceTable(ctx context.Context, epoch Epoch, wrapping tink.AEAD) error {
	file, err := f.place.newTable(epoch.Number)
	if err != nil {
		return err
	}
	var keys shelf
	c := &copying{ring: f, to: file, next: 1, keys: &keys, epoch: epoch.Number, wrapping: wrapping}
	err = c.run(ctx, func() error {
		header, err := newHeader(wrapping, epoch.Number)
		if err != nil {
			return err
		}
		// From here on the new table may be the current one: nothing is added to the old one before that is known.
		_, err = c.to.WriteAt(header.append(nil), 0)
		if err == nil {
			err = c.to.Sync()
		}
		if err == nil {
			err = f.place.settle(tableName(epoch.Number))
		}
		if err != nil {
			return f.end(err)
		}
		f.table.rewrap(wrapping, keys)
		f.file, c.to = c.to, f.file
		f.filled = f.next.offset()
		f.setCurrent(epoch)
		return nil
	})
	return errors.Join(err, c.to.Close())
}

// setCurrent takes note of an epoch that is now the current one.
func (f *FileRing) setCurrent(epoch Epoch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.epochs {
		f.epochs[i].Current = false
	}
	epoch.Current = true
	f.epoch, f.epochs = epoch.Number, append(f.epochs, epoch)
}

// newTable makes an empty table under its provisional name, durably.
func (p place) newTable(epoch uint32) (disk.File, error) {
	name := tableName(epoch) + newSuffix
	file, err := p.disk.Open(p.path(name), true)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(file.Truncate(0), p.syncDirOf(name)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (f *FileRing) setRotating(rotating chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rotating = rotating
}

// rotated waits until a Rotate that may have copied a key before it was destroyed is done with the copy.
func (f *FileRing) rotated(ctx context.Context) error {
	f.mu.Lock()
	rotating := f.rotating
	f.mu.Unlock()
	if rotating != nil {
		select {
		case <-rotating:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return f.failed() // it may have left the copy behind
}

// A copying brings a new table up to the ring's, which is added to meanwhile. An entry keeps its number. A key that is
// destroyed after its entry was copied is wiped in the new table when the entry comes that destroyed it.
type copying struct {
	ring     *FileRing
	to       disk.File
	next     slot   // all entries before it are copied
	keys     *shelf // what the keys become; nil if they stay as they are
	epoch    uint32 // of the new table, if keys is not nil; and what wraps them there
	wrapping tink.AEAD

	mu       sync.Mutex // guards what follows while entries are looked at by several
	destroys []entry
	torn     map[slot]bool // could not be read: perhaps just being wiped
}

// copied is how many entries are copied between two syncs, so that nobody else's sync waits for long.
const copied = 32768

// run copies the entries and then, in the writer's turn, with none missing, does what is last.
func (c *copying) run(ctx context.Context, last func() error) error {
	c.torn = map[slot]bool{}
	for range 3 { // each time there is less to catch up with
		var end slot
		if err := c.ring.inTurn(func() error { end = c.ring.next; return nil }); err != nil {
			return err
		}
		if err := c.advance(ctx, end); err != nil {
			return err
		}
	}
	return c.ring.inTurn(func() error {
		if err := c.advance(ctx, c.ring.next); err != nil {
			return err
		}
		for at := range c.torn {
			return fmt.Errorf("%w: entry %d cannot be read", ErrDamaged, at)
		}
		return last()
	})
}

// advance copies up to an entry, exclusively.
func (c *copying) advance(ctx context.Context, end slot) error {
	buf := make([]byte, min(copied, end-c.next).offset())
	for c.next < end {
		if err := errors.Join(ctx.Err(), c.ring.stopped()); err != nil {
			return err
		}
		raw := buf[:min(copied, end-c.next).offset()]
		if n, err := c.ring.file.ReadAt(raw, c.next.offset()); n < len(raw) {
			return fmt.Errorf("reading data keys: %w", err)
		}
		if err := c.convert(raw); err != nil {
			return err
		}
		if _, err := c.to.WriteAt(raw, c.next.offset()); err != nil {
			return fmt.Errorf("copying data keys: %w", err)
		}
		if err := c.wipe(); err != nil {
			return err
		}
		if err := c.to.Sync(); err != nil {
			return fmt.Errorf("syncing copied data keys: %w", err)
		}
		c.next += slot(len(raw) / entrySize)
	}
	return nil
}

// convert looks at the entries from c.next on, as many at once as there are processors.
func (c *copying) convert(raw []byte) error {
	if c.keys != nil {
		c.keys.at(c.next + slot(len(raw)/entrySize) - 1) // makes room, which two must not do at once
	}
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	share := (len(raw)/entrySize/workers + 1) * entrySize
	var all sync.WaitGroup
	for w := range workers {
		from, to := min(w*share, len(raw)), min((w+1)*share, len(raw))
		all.Go(func() { errs[w] = c.convertPiece(raw[from:to], c.next+slot(from/entrySize)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (c *copying) convertPiece(piece []byte, at slot) error {
	for raw := range slices.Chunk(piece, entrySize) {
		e, ok := parseEntry(raw, at)
		switch {
		case ok && e.kind == kindKey && c.keys != nil:
			if err := c.rewrap(&e); err != nil {
				return err
			}
			e.append(raw[:0])
		case !ok || e.kind == kindDestroy && e.target != 0:
			c.mu.Lock()
			if ok {
				c.destroys = append(c.destroys, e)
			} else {
				c.torn[at] = true
			}
			c.mu.Unlock()
		}
		at++
	}
	return nil
}

// rewrap wraps a key for the new table. One that does not open as its owner's is not carried on.
func (c *copying) rewrap(e *entry) (err error) {
	if e.key, err = rewrap(c.ring.table.wrapping, c.wrapping, e.owner, e.key[:]); err != nil {
		return fmt.Errorf("entry %d: %w", e.number, err)
	}
	e.target = slot(c.epoch)
	*c.keys.at(e.number) = e.key
	return nil
}

// wipe overwrites in the new table the keys that the entries copied last destroy.
func (c *copying) wipe() error {
	for _, e := range c.destroys {
		delete(c.torn, e.target)
		if c.keys != nil {
			*c.keys.at(e.target) = wrappedKey{}
		}
	}
	_, err := wipe(c.to, c.destroys)
	c.destroys = nil
	return err
}
