package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"samtykke/adapters/disk"
)

// A FileRing is a Keyring in two files; the package comment says which, and what is lost with each.
type FileRing struct {
	table  *table
	file   disk.File
	lock   io.Closer
	random io.Reader

	mu      sync.Mutex // guards what follows; never held during a write
	waiting []*request
	writing bool
	closed  bool
	broken  error // what ended all writing; matches ErrEnded

	writer sync.WaitGroup
	next   slot // number of the next entry; the writer's own
}

// A request waits for its batch. Whoever made it reads err after done.
type request struct {
	owner   tag
	destroy bool
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

// Destroy is Keyring.Destroy. Even for a key known to be gone it waits its turn: an earlier call may still be wiping.
func (f *FileRing) Destroy(ctx context.Context, owner Owner) error {
	o, err := begin(ctx, owner)
	if err != nil {
		return err
	}
	return f.write(ctx, &request{owner: o, destroy: true, done: make(chan struct{})})
}

// Close waits for what was asked to be written, closes the file and gives up the lock. Sealing goes on from memory.
func (f *FileRing) Close() error {
	f.mu.Lock()
	again := f.closed
	f.closed = true
	f.mu.Unlock()
	if again {
		return nil
	}
	f.writer.Wait()
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
	for _, r := range requests {
		r.err = b.add(r)
	}
	if len(b.entries) == 0 {
		return
	}
	if err := f.store(b.entries); err != nil {
		for _, e := range b.entries {
			f.table.doubt(e.owner)
		}
		answer(requests, f.end(err))
		return
	}
	for _, e := range b.entries {
		f.learn(e)
	}
	if err := f.wipe(b.entries); err != nil {
		answer(requests, f.end(err))
	}
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
	key, err := makeKey(b.ring.table.master, r.owner, b.ring.random)
	if err != nil {
		return err
	}
	b.put(entry{kind: kindKey, owner: r.owner, key: key}, b.number())
	return nil
}

func (b *batch) number() slot { return b.ring.next + slot(len(b.entries)) }

func (b *batch) put(e entry, state slot) {
	e.number, e.first = b.number(), b.ring.next
	b.entries = append(b.entries, e)
	b.states[e.owner] = state
}

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
	wiped := false
	for _, e := range entries {
		if e.kind != kindDestroy || e.target == 0 {
			continue
		}
		// Everything before the entry was synced with it; so the wiped entry may well say that a batch began with it.
		w := entry{kind: kindWiped, owner: e.owner, number: e.target, first: e.target, key: noKey}
		if _, err := f.file.WriteAt(w.append(nil), e.target.offset()); err != nil {
			return fmt.Errorf("overwriting a destroyed key: %w", err)
		}
		wiped = true
	}
	if !wiped {
		return nil
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("syncing an overwritten key: %w", err)
	}
	return nil
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
