package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/disk"
)

// A FileRing is a Keyring in files; the package comment says which, and what is lost with each.
type FileRing struct {
	place  place
	lock   io.Closer
	master tink.AEAD
	table  *table

	rotation sync.Mutex // held by the one who copies the table or the epochs' keys

	mu       sync.Mutex // guards what follows; never held during a write
	waiting  []*request
	writing  bool
	closed   bool
	broken   error         // what ended all writing; matches ErrEnded
	epochs   []Epoch       // whose keys there are, oldest first
	rotating chan struct{} // closed when the copy of the table that is being made is done with; nil if there is none

	writer sync.WaitGroup
	// What follows is the writer's own. Whoever holds rotation may read file and epoch.
	random io.Reader
	file   disk.File
	epoch  uint32 // whose key wraps the data keys
	next   slot   // number of the next entry
	filled int64  // the file's length: zeros from next on
}

// A request waits for its batch. Whoever made it reads err after done.
type request struct {
	owner   tag
	destroy bool
	step    func() error // if not nil, what is to be done between two batches, and all
	err     error
	done    chan struct{}
}

// Create is Keyring.Create. Callers that come while a batch is being written share the next one.
func (f *FileRing) Create(ctx context.Context, owner Owner) error {
	o, err := begin(ctx, owner)
	if err != nil {
		return err
	}
	if s, known := f.table.find(o); known {
		return s.refusal(known)
	}
	return f.write(ctx, &request{owner: o, done: make(chan struct{})})
}

// Sealer is Keyring.Sealer. It reads no file.
func (f *FileRing) Sealer(ctx context.Context, owner Owner) (Sealer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.table.sealer(owner)
}

// Fetch is Keyring.Fetch: all keys are in memory.
func (f *FileRing) Fetch(ctx context.Context, _ []Owner) error { return ctx.Err() }

// Destroy is Keyring.Destroy. Even for a key known to be gone it waits its turn: an earlier call may still be wiping.
func (f *FileRing) Destroy(ctx context.Context, owner Owner) error {
	o, err := begin(ctx, owner)
	if err != nil {
		return err
	}
	if err := f.write(ctx, &request{owner: o, destroy: true, done: make(chan struct{})}); err != nil {
		return err
	}
	return f.rotated(ctx)
}

// Destroyed gives the owners whose key was destroyed, in that order. Kept outside of the backups, the list says what to
// destroy once more when an older copy is put back.
func (f *FileRing) Destroyed() iter.Seq[Owner] {
	_, gone := f.table.count()
	return func(yield func(Owner) bool) {
		for _, o := range gone {
			if !yield(Owner{kinds[o.kind], o.id}) {
				return
			}
		}
	}
}

// Count tells how many keys there are and how many were destroyed, each of another owner.
func (f *FileRing) Count() (living, destroyed int) {
	living, gone := f.table.count()
	return living, len(gone)
}

// Epochs gives the epochs whose keys are there, oldest first. The current one is among them, unless Rotate was never called on
// a folder from before there were epochs.
func (f *FileRing) Epochs() []Epoch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.epochs)
}

// Close waits for what was asked to be written, stops a Rotate, a Copy or an EscrowTo, closes the file and gives up the lock.
// Sealing goes on from memory.
func (f *FileRing) Close() error {
	f.mu.Lock()
	again := f.closed
	f.closed = true
	f.mu.Unlock()
	if again {
		return nil
	}
	f.writer.Wait()
	f.rotation.Lock()
	defer f.rotation.Unlock()
	return errors.Join(f.file.Close(), f.lock.Close())
}

var errClosed = fmt.Errorf("%w: it was closed", ErrEnded)

// write hands the request to the writer, and starts one if there is none.
func (f *FileRing) write(ctx context.Context, r *request) error {
	f.mu.Lock()
	if err := f.refusal(); err != nil {
		f.mu.Unlock()
		return err
	}
	f.waiting = append(f.waiting, r)
	if !f.writing {
		f.writing = true
		f.writer.Go(f.writeAll)
	}
	f.mu.Unlock()

	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inTurn has the writer do something between two batches, and waits until it is done: nothing is added meanwhile.
func (f *FileRing) inTurn(step func() error) error {
	return f.write(context.Background(), &request{step: step, done: make(chan struct{})})
}

// stopped says why no more requests are taken.
func (f *FileRing) stopped() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal()
}

// refusal says why no more requests are taken; f.mu is held.
func (f *FileRing) refusal() error {
	if f.closed {
		return errClosed
	}
	return f.broken
}

// writeAll writes batch after batch until nobody waits.
func (f *FileRing) writeAll() {
	for requests := f.takeWaiting(); len(requests) > 0; requests = f.takeWaiting() {
		f.writeBatch(requests)
		for _, r := range requests {
			close(r.done)
		}
	}
}

func (f *FileRing) takeWaiting() []*request {
	f.mu.Lock()
	defer f.mu.Unlock()
	requests := f.waiting
	f.waiting = nil
	f.writing = len(requests) > 0
	return requests
}

// writeBatch settles all the requests: entries durable first, then known in memory, then destroyed keys wiped.
func (f *FileRing) writeBatch(requests []*request) {
	if err := f.failed(); err != nil {
		answer(requests, err)
		return
	}
	b := batch{ring: f, states: map[tag]slot{}}
	var steps []*request
	for _, r := range requests {
		if r.step != nil {
			steps = append(steps, r)
		} else {
			r.err = b.add(r)
		}
	}
	if err := f.writeEntries(b.entries); err != nil {
		answer(requests, err)
		return
	}
	for _, r := range steps {
		r.err = r.step()
	}
}

// writeEntries stores a batch. Without room for it nothing is written, and later ones may find room.
func (f *FileRing) writeEntries(entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := f.fill(f.next + slot(len(entries))); err != nil {
		return err
	}
	if err := f.store(entries); err != nil {
		for _, e := range entries {
			f.table.doubt(e.owner)
		}
		return f.end(err)
	}
	for _, e := range entries {
		f.learn(e)
	}
	if err := f.wipe(entries); err != nil {
		return f.end(err)
	}
	return nil
}

// A batch collects entries that are synced together.
type batch struct {
	ring    *FileRing
	entries []entry
	states  map[tag]slot // as they will be once the batch is durable
}

// add decides a request on what is durable and what the batch holds already.
func (b *batch) add(r *request) error {
	s, known := b.states[r.owner]
	if !known {
		s, known = b.ring.table.find(r.owner)
	}
	switch {
	case r.destroy && known && s == slotGone:
		return nil
	case r.destroy:
		b.put(entry{kind: kindDestroy, owner: r.owner, target: s, key: noKey}, slotGone)
		return nil
	case known:
		return s.refusal(known)
	}
	key, err := makeKey(b.ring.table.wrapping, r.owner, b.ring.random)
	if err != nil {
		return err
	}
	b.put(entry{kind: kindKey, owner: r.owner, target: slot(b.ring.epoch), key: key}, b.number())
	return nil
}

func (b *batch) number() slot { return b.ring.next + slot(len(b.entries)) }

func (b *batch) put(e entry, state slot) {
	e.number, e.first = b.number(), b.ring.next
	b.entries = append(b.entries, e)
	b.states[e.owner] = state
}

// filledAhead is how many entries' room is made at a time.
const filledAhead = 512

// fill sees to it that the entries before end are written over zeros: so a full disk is noticed before any entry is written,
// and a destruction may still find room that was made before.
func (f *FileRing) fill(end slot) error {
	if end.offset() <= f.filled {
		return nil
	}
	n, err := f.file.WriteAt(make([]byte, (end+filledAhead).offset()-f.filled), f.filled)
	f.filled += int64(n)
	switch {
	case err == nil || noRoom(err) && end.offset() <= f.filled:
		return nil
	case noRoom(err):
		return fmt.Errorf("making room for data keys: %w", err)
	}
	return f.end(fmt.Errorf("making room for data keys: %w", err))
}

// noRoom tells whether the error says that the disk is full, for this user at least.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// store returns when the entries are durable at the end of the file.
func (f *FileRing) store(entries []entry) error {
	raw := make([]byte, 0, len(entries)*entrySize)
	for i := range entries {
		raw = entries[i].append(raw)
	}
	if _, err := f.file.WriteAt(raw, f.next.offset()); err != nil {
		return fmt.Errorf("writing data keys: %w", err)
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("syncing data keys: %w", err)
	}
	f.next += slot(len(entries))
	return nil
}

// learn makes a durable entry count.
func (f *FileRing) learn(e entry) {
	if e.kind == kindKey {
		f.table.keep(e.owner, e.number, e.key)
	} else {
		f.table.drop(e.owner)
	}
}

// wipe overwrites the keys that the entries destroy, where they stand, and returns when that is durable.
func (f *FileRing) wipe(entries []entry) error {
	wiped, err := wipe(f.file, entries)
	if err != nil || !wiped {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("syncing an overwritten key: %w", err)
	}
	return nil
}

func wipe(table disk.File, entries []entry) (wiped bool, err error) {
	for _, e := range entries {
		if e.kind != kindDestroy || e.target == 0 {
			continue
		}
		// Everything before the entry was synced with it; so the wiped entry may well say that a batch began with it.
		w := entry{kind: kindWiped, owner: e.owner, number: e.target, first: e.target, key: noKey}
		if _, err := table.WriteAt(w.append(nil), e.target.offset()); err != nil {
			return wiped, fmt.Errorf("overwriting a destroyed key: %w", err)
		}
		wiped = true
	}
	return wiped, nil
}

func (s slot) offset() int64 { return int64(s) * entrySize }

// end stops all writing: after an error nobody knows what the disk holds.
func (f *FileRing) end(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = fmt.Errorf("%w: %w", ErrEnded, cause)
	return f.broken
}

// failed tells why nothing may be written any more. What was asked before a Close still is.
func (f *FileRing) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

func answer(requests []*request, err error) {
	for _, r := range requests {
		r.err = err
	}
}

// Format prints the word only, whatever the verb.
func (f *FileRing) Format(s fmt.State, _ rune) { io.WriteString(s, "[keyring]") }

// LogValue shows the word only.
func (f *FileRing) LogValue() slog.Value { return slog.StringValue("[keyring]") }
