// Package endings keeps, outside the backup set, a record of what has ended: so that a ledger put back from an older copy can be
// told again of every no, withdrawal, change of code, restriction, end of an account and erasure since, before it serves (D18, E05).
//
// # What is kept
//
// A folder of its own, best on another disk than the ledger, with an embedded event store in it (package filestore: checksums, a
// chain, torn writes are told from damage) of one stream. Each of its records is one entry:
//
//	event     an event of the ledger that ends something, as it stands there: its canonical open bytes, its id and its place
//	key       an owner whose key was destroyed, or was about to be
//	reached   how far the ledger had been read: a position, and the id of the event there
//
// Which events end something is said by IsEnding of the packages client, organisation and staff; a release of statistics is one, too:
// its quarter is closed for good. They are all open events: ids, kinds, instants and keyed hashes of codes, nothing personal. Entries
// are only ever added.
//
// # Order of writing
//
// Store wraps the ledger's store: an append of something that ends returns when it is recorded here, too, durably. So nobody was
// ever told of an ending that is not here. Keys does so before a key is destroyed. A crash between the two writes is made good by
// Open, which reads on in the ledger from where the record has come to.
//
// While an ending is stored and not recorded, the wrapped store holds up every append and every reading of a stream: an ending that is
// not outside must not show in an answer either. Where the record cannot be written, it refuses them, and tries again at each. A full
// disk here therefore stops the service; it goes on when there is room. Where the ledger is out of reach, the recording waits for it,
// and its callers wait for as long as they care to: whoever gives up learns nothing, and what is owed is recorded all the same.
//
// # Which ledger
//
// The id of a ledger's first event says which it is; the record of another ledger is refused. If the ledger has another event at the
// place last recorded, or none, it was put back from a copy: it is then read anew from the beginning and what it holds of endings
// recorded once more. What is recorded twice does no harm, since an ending is re-applied only where it is not so already.
//
// # What is lost with it
//
// Without the folder no copy of the ledger can be put back without bringing back what ended after it. A folder that is lost while
// the ledger lives is made anew by the next Open, from the ledger and from the keyring's own list.
package endings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// ErrOtherLedger says that a record is of another ledger.
var ErrOtherLedger = errors.New("the record of endings is of another ledger")

const (
	stream     = "endings"
	noteAfter  = 100_000 // events of the ledger, at most, that Open reads once more
	mostAtOnce = 1000    // entries
)

// The kinds of entries.
const (
	anEvent = "event"
	aKey    = "key"
	cameTo  = "reached"
)

// An entry is what one record holds.
type entry struct {
	What     string
	ID       domain.ID // of the event, the owner, or the event that was reached
	Kind     string    // of the owner
	Position uint64    // in the ledger, as are the next two
	Stream   string
	Version  uint64
	Data     []byte
}

// files are small: there is little to record.
var files = filestore.Options{SegmentSize: 4 << 20, FillAhead: 64 << 10}

// A Recorder keeps the record of a ledger's endings. Its methods may be called by several goroutines.
type Recorder struct {
	store ledger.Eraser
	log   *filestore.Store
	ctx   context.Context // ends with the recorder, by errClosed
	end   context.CancelCauseFunc

	mu      sync.Mutex
	reached ledger.Position // what is recorded
	owed    ledger.Position // what is to be
	now     *round          // nil: none

	// Of the round that is now.
	last  domain.ID                                // of the event at reached
	noted ledger.Position                          // the last one of an entry
	next  func() (eventschema.Record, error, bool) // the ledger behind reached; nil: to be begun
	stop  func()

	writing sync.Mutex
	version uint64 // of the log's last record
}

// A round records what is owed by the time that it writes, for all who wait for that.
type round struct {
	done chan struct{} // closed when it has ended
	err  error         // read when done is closed
}

// Open opens the folder, and makes it if it is empty, and records what the ledger has come to. Destroyed are the owners whose keys
// are known to be gone. The error matches ErrOtherLedger if the folder is of another ledger.
func Open(ctx context.Context, d disk.Disk, store ledger.Eraser, destroyed iter.Seq[keyring.Owner]) (*Recorder, error) {
	if err := d.MakeDir(""); err != nil {
		return nil, err
	}
	log, _, err := filestore.Open(d, files)
	if err != nil {
		return nil, fmt.Errorf("opening the record of endings: %w", err)
	}
	r := &Recorder{store: store, log: log}
	r.ctx, r.end = context.WithCancelCause(context.Background())
	if err = r.resume(ctx, destroyed); err == nil {
		err = r.CatchUp(ctx)
	}
	if err != nil {
		r.halt()
		return nil, errors.Join(fmt.Errorf("opening the record of endings: %w", err), log.Close())
	}
	return r, nil
}

// resume finds where to read on.
func (r *Recorder) resume(ctx context.Context, destroyed iter.Seq[keyring.Owner]) error {
	var first, last entry
	err := read(ctx, r.log, func(e *entry) {
		r.version++
		if e.What == aKey {
			return
		}
		if first.Position == 0 && e.Position == 1 {
			first = *e
		}
		last = *e
	})
	if err != nil {
		return err
	}
	begins, err := r.eventAt(ctx, 1)
	if err != nil {
		return err
	}
	if first.Position == 1 && begins != first.ID {
		return ErrOtherLedger
	}
	there, err := r.eventAt(ctx, last.Position)
	if err != nil {
		return err
	}
	if last.Position > 0 && there == last.ID {
		r.reached, r.last, r.noted = last.Position, last.ID, last.Position
		return nil
	}
	var keys []entry
	for o := range destroyed {
		keys = append(keys, entry{What: aKey, Kind: string(o.Kind), ID: o.ID})
	}
	return r.add(ctx, keys)
}

// eventAt is the id of the ledger's event at a position; zero if there is none.
func (r *Recorder) eventAt(ctx context.Context, p ledger.Position) (domain.ID, error) {
	head, err := r.store.Head(ctx)
	if err != nil || p == 0 || p > head {
		return domain.ID{}, err
	}
	for rec, err := range r.store.After(ctx, p-1) {
		return rec.ID, err
	}
	return domain.ID{}, ctx.Err()
}

// CatchUp records what the ledger has come to, and returns when that is durable.
func (r *Recorder) CatchUp(ctx context.Context) error {
	head, err := r.store.Head(ctx)
	if err != nil {
		return err
	}
	return r.Wait(ctx, head)
}

// Wait records what the ledger holds up to the position, which it has reached. It returns when that is durable, when it could not be
// done, or when ctx ends: what was asked for is then recorded all the same. Of many who wait, one records for all.
func (r *Recorder) Wait(ctx context.Context, p ledger.Position) error {
	for {
		now, err := r.join(p)
		if now == nil {
			return err
		}
		select {
		case <-now.done:
			if now.err != nil {
				return now.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// join gives a round to wait for; none where the position is recorded, or never will be.
func (r *Recorder) join(p ledger.Position) (*round, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reached >= p {
		return nil, nil
	}
	if err := context.Cause(r.ctx); err != nil {
		return nil, err
	}
	r.owed = max(r.owed, p)
	if r.now == nil {
		r.now = &round{done: make(chan struct{})}
		go r.record(r.now)
	}
	return r.now, nil
}

// record goes through a round, and through others behind it while something is owed.
func (r *Recorder) record(now *round) {
	for now != nil {
		ended := now
		if ended.err = r.advance(); ended.err != nil {
			r.rewind() // the next attempt reads anew
		}
		r.mu.Lock()
		if now = nil; ended.err == nil && r.owed > r.reached && r.ctx.Err() == nil {
			now = &round{done: make(chan struct{})}
		}
		r.now = now
		r.mu.Unlock()
		close(ended.done)
	}
}

// advance records what is owed. It waits for the ledger where that is out of reach.
func (r *Recorder) advance() error {
	if r.next == nil {
		r.next, r.stop = iter.Pull2(r.store.After(r.ctx, r.reached))
	}
	var entries []entry
	for at, to := r.reached, r.goal(); at < to; {
		rec, err, ok := r.next()
		if !ok || err != nil {
			return cmp.Or(context.Cause(r.ctx), err, io.ErrUnexpectedEOF)
		}
		f, err := eventschema.Today.Decode(&rec, nil)
		if err != nil {
			return err
		}
		at = rec.Position
		e := entry{What: cameTo, ID: rec.ID, Position: at}
		if ends(&f) {
			e.What, e.Stream, e.Version, e.Data = anEvent, rec.Stream, rec.Version, rec.Data
		}
		if e.What == anEvent || at == 1 || at-r.noted >= noteAfter {
			entries = append(entries, e)
			r.noted = at
		}
		if at == to {
			to = r.goal() // others have come, who need no write of their own
		}
		if at < to && len(entries) < mostAtOnce {
			continue
		}
		if err := r.add(r.ctx, entries); err != nil {
			return err
		}
		entries, r.last = nil, rec.ID
		r.mu.Lock()
		r.reached = at
		r.mu.Unlock()
	}
	return nil
}

func (r *Recorder) goal() ledger.Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.owed
}

func (r *Recorder) rewind() {
	if r.stop != nil {
		r.stop()
		r.next, r.stop = nil, nil
	}
}

// add writes entries at the end of the log. Once begun it is not given up, whoever asked for it: then it would not be known what the
// log holds.
func (r *Recorder) add(ctx context.Context, entries []entry) error {
	ctx = context.WithoutCancel(ctx)
	r.writing.Lock()
	defer r.writing.Unlock()
	for ; len(entries) > 0; entries = entries[min(len(entries), mostAtOnce):] {
		some := entries[:min(len(entries), mostAtOnce)]
		records := make([]eventschema.Record, len(some))
		for i, e := range some {
			data, err := eventschema.Marshal(e)
			if err != nil {
				return err
			}
			records[i] = eventschema.Record{ID: e.ID, Data: data}
		}
		if _, err := r.log.Append(ctx, stream, r.version, records...); err != nil {
			return fmt.Errorf("recording endings: %w", err)
		}
		r.version += uint64(len(records))
	}
	return nil
}

// ends tells whether a fact is of what must not come back. A sealed one is none: nobody could re-apply it once its key is gone.
func ends(f *eventschema.Fact) bool {
	switch b := f.Body.(type) {
	case client.Body:
		return client.IsEnding(b)
	case organisation.Body:
		return organisation.IsEnding(b)
	case staff.Body:
		return staff.IsEnding(b)
	case statistics.Released:
		return true // a quarter that went out is never released again
	}
	return false
}

// halt ends the round that is now, and lets no other begin.
func (r *Recorder) halt() {
	r.end(errClosed)
	r.mu.Lock()
	now := r.now
	r.mu.Unlock()
	if now != nil {
		<-now.done
	}
	r.rewind()
}

// Close notes how far the ledger was read, and closes the folder. What is owed is recorded by the next Open.
func (r *Recorder) Close() error {
	r.halt()
	var err error
	if r.owed <= r.reached && r.noted < r.reached {
		r.noted = r.reached
		err = r.add(context.Background(), []entry{{What: cameTo, ID: r.last, Position: r.reached}})
	}
	return errors.Join(err, r.log.Close())
}

var errClosed = fmt.Errorf("the record of endings was closed: %w", ledger.ErrEnded)

// Store is the ledger's store, whose appends of endings return when these are recorded.
func (r *Recorder) Store() ledger.Eraser { return guarded{r.store, r} }

type guarded struct {
	ledger.Eraser
	recorder *Recorder
}

// Append implements ledger.Store. Once the ledger has the append, the record is made in any case; the caller's context says for how long
// it is waited for.
func (g guarded) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	if err := g.recorder.settled(ctx); err != nil {
		return 0, fmt.Errorf("%w: %w", ledger.ErrRefused, err)
	}
	p, err := g.Eraser.Append(ctx, stream, after, records...)
	if err != nil {
		return p, err
	}
	for _, rec := range records {
		rec.Stream = stream
		f, err := eventschema.Today.Decode(&rec, nil)
		if err == nil && ends(&f) {
			if err := g.recorder.Wait(ctx, p); err != nil {
				return 0, unrecorded{err}
			}
			break
		}
	}
	return p, nil
}

// unrecorded says that an event is stored and not recorded yet. It does not unwrap: the record's refusal is none of the store's.
type unrecorded struct{ why error }

func (e unrecorded) Error() string { return "stored, and not recorded outside: " + e.why.Error() }

// Is tells whether it is only not known yet, since the caller's context has ended.
func (e unrecorded) Is(target error) bool {
	return (target == context.Canceled || target == context.DeadlineExceeded) && errors.Is(e.why, target)
}

// Unavailable tells whether what the record was made of is only out of reach just now.
func (e unrecorded) Unavailable() bool {
	why, ok := errors.AsType[interface {
		error
		Unavailable() bool
	}](e.why)
	return ok && why.Unavailable()
}

// Stream implements ledger.Store.
func (g guarded) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	if err := g.recorder.settled(ctx); err != nil {
		return func(yield func(eventschema.Record, error) bool) { yield(eventschema.Record{}, err) }
	}
	return g.Eraser.Stream(ctx, stream, from)
}

// settled waits until nothing is owed, and tries once more what failed before.
func (r *Recorder) settled(ctx context.Context) error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	return r.Wait(ctx, r.goal())
}

// Keys is the keyring, whose destructions are recorded before they happen.
func (r *Recorder) Keys(k keyring.Keyring) keyring.Keyring { return witnessed{k, r} }

type witnessed struct {
	keyring.Keyring
	recorder *Recorder
}

// Destroy implements keyring.Keyring.
func (w witnessed) Destroy(ctx context.Context, owner keyring.Owner) error {
	if err := w.recorder.add(ctx, []entry{{What: aKey, Kind: string(owner.Kind), ID: owner.ID}}); err != nil {
		return err
	}
	return w.Keyring.Destroy(ctx, owner)
}

// A Record is what a folder says has ended.
type Record struct {
	Ledger  domain.ID            // of the first event of the ledger; zero if that had none yet
	Reached ledger.Position      // the furthest that the ledger is known to have come to
	Events  []eventschema.Record // in the order in which they were recorded; some may stand twice
	Keys    []keyring.Owner
}

// Read reads a folder that no Recorder has open.
func Read(ctx context.Context, d disk.Disk) (_ Record, err error) {
	log, _, err := filestore.OpenReader(d, files)
	if err != nil {
		return Record{}, fmt.Errorf("opening the record of endings: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var all Record
	err = read(ctx, log, func(e *entry) {
		if e.Position == 1 {
			all.Ledger = e.ID
		}
		all.Reached = max(all.Reached, e.Position)
		switch e.What {
		case anEvent:
			all.Events = append(all.Events, eventschema.Record{
				ID: e.ID, Stream: e.Stream, Version: e.Version, Position: e.Position, Data: e.Data,
			})
		case aKey:
			all.Keys = append(all.Keys, keyring.Owner{Kind: keyring.Kind(e.Kind), ID: e.ID})
		}
	})
	return all, err
}

// read reads all entries. One of an unknown kind stops it.
func read(ctx context.Context, log *filestore.Store, each func(*entry)) error {
	for rec, err := range log.Stream(ctx, stream, 1) {
		if err != nil {
			return err
		}
		var e entry
		if err := eventschema.Unmarshal(rec.Data, &e); err != nil {
			return fmt.Errorf("entry %d of the record of endings: %w", rec.Version, err)
		}
		switch e.What {
		case anEvent, aKey, cameTo:
			each(&e)
		default:
			return fmt.Errorf("entry %d of the record of endings is of a kind that this version does not know", rec.Version)
		}
	}
	return nil
}
