// Package ledger is where a command meets the store: the contract that every store fulfils, and Do, which reads a stream,
// decides, and appends at the very version it decided on.
//
// # One command
//
// Commands on one stream queue within a process; across processes they conflict, and the one that lost decides again
// on what the other wrote, until its context ends. The state comes from the stream: a cached fold may allow, since the
// append checks the version, but what it would refuse or leave unchanged is first brought up to the stream's end.
//
// A command that is refused writes nothing, not even what time has brought meanwhile.
//
// # Retries
//
// An event's id is derived from the caller, the caller's idempotency key and the event's index. A command whose first
// id is among the stream's last Remembered events was done before: Do answers as it did then. An append whose outcome
// is open is settled by reading the stream.
//
// # Clocks
//
// An act's instant is the later of the clock and the last instant recorded in its stream, so a clock that steps back
// never makes a stream run backwards.
package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"samtykke/adapters/keyring"
	"samtykke/adapters/spans"
	"samtykke/domain"
	"samtykke/eventschema"
)

// Remembered is how many of a stream's last events a retry is recognised among, at least.
const Remembered = 256

// A Ledger is a store with the keys that seal its events, a clock and a source of randomness.
type Ledger struct {
	Store  Store
	Keys   keyring.Keyring
	Clock  func() time.Time
	Random io.Reader
	States int // how many bytes of clients' states are kept in memory, about, as many of journals', and an eighth of other streams'; DefaultStates if 0

	random sync.Mutex
}

// Draw lets one at a time read from the source of randomness.
func (l *Ledger) Draw(read func(io.Reader) error) error {
	l.random.Lock()
	defer l.random.Unlock()
	return read(l.Random)
}

// NewID draws the random id of a subject (version 4).
func (l *Ledger) NewID() (domain.ID, error) {
	var id domain.ID
	err := l.Draw(func(random io.Reader) error {
		_, err := io.ReadFull(random, id[:])
		return err
	})
	if err != nil {
		return domain.ID{}, fmt.Errorf("drawing a random id: %w", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id, nil
}

// Now is the clock's instant, in UTC and in whole microseconds: views keep no finer ones, and a view read back must
// equal the one that was kept up.
func (l *Ledger) Now() time.Time { return l.Clock().UTC().Truncate(time.Microsecond) }

// Fetch has the keys of owners near, by one question to where they lie, before each of them is used. It changes no answer.
func (l *Ledger) Fetch(ctx context.Context, of []eventschema.Owner) error {
	if len(of) == 0 {
		return nil
	}
	owners := make([]keyring.Owner, len(of))
	for i, o := range of {
		owners[i] = keyring.Owner{Kind: keyring.Kind(o.Kind), ID: o.ID}
	}
	return l.Keys.Fetch(ctx, owners)
}

// Sealing gives the ledger's keys as the catalogue uses them.
func (l *Ledger) Sealing(ctx context.Context) eventschema.Keys { return sealing{ctx, l.Keys} }

// Decode reads a record and opens what is sealed.
func (l *Ledger) Decode(ctx context.Context, r *eventschema.Record) (eventschema.Fact, error) {
	return eventschema.Today.Decode(r, sealing{ctx, l.Keys})
}

type sealing struct {
	ctx  context.Context
	keys keyring.Keyring
}

func (s sealing) sealer(o eventschema.Owner) (keyring.Sealer, error) {
	return s.keys.Sealer(s.ctx, keyring.Owner{Kind: keyring.Kind(o.Kind), ID: o.ID})
}

func (s sealing) Seal(o eventschema.Owner, plaintext, associated []byte) ([]byte, error) {
	k, err := s.sealer(o)
	if err != nil {
		return nil, gone(err)
	}
	return k.Seal(plaintext, associated)
}

func (s sealing) Open(o eventschema.Owner, ciphertext, associated []byte) ([]byte, error) {
	k, err := s.sealer(o)
	if err != nil {
		return nil, gone(err)
	}
	b, err := k.Open(ciphertext, associated)
	return b, gone(err)
}

func gone(err error) error {
	if errors.Is(err, keyring.ErrDestroyed) {
		return fmt.Errorf("%w: %w", eventschema.ErrGone, err)
	}
	return err
}

// A Caller says who gives a command, and under which idempotency key. An empty key is replaced by a random one, and
// the command is then never taken for a retry.
type Caller struct {
	Actor        domain.ID
	Role         domain.Role
	Session      domain.ID
	Organisation domain.ID
	Text         domain.Text
	Key          string
}

// System is the caller that time passing is.
var System = Caller{Role: domain.RoleSystem}

func (c Caller) act(at time.Time) domain.Act {
	return domain.Act{At: at, Actor: c.Actor, Role: c.Role, Session: c.Session, Organisation: c.Organisation, Text: c.Text}
}

// Streams are all streams of one kind, with the decider that governs them.
type Streams[C, B, S any] struct {
	ledger   *Ledger
	category eventschema.Category
	decider  domain.Decider[C, domain.Event[B], S]
	cache    *cache[S]
	queues   [1 << 12]sync.Mutex // by the id's last bits, so that few streams share one
}

// folded is a stream's state up to a version. It is never changed, only replaced.
type folded[S any] struct {
	stream   string // its name
	state    S
	version  uint64
	recorded time.Time
	recent   []done // the last events
}

type done struct {
	id       domain.ID
	position Position
}

// NewStreams governs the streams of a category.
func NewStreams[C, B, S any](l *Ledger, category eventschema.Category, d domain.Decider[C, domain.Event[B], S]) *Streams[C, B, S] {
	return &Streams[C, B, S]{ledger: l, category: category, decider: d, cache: newCache[S](l.states(category))}
}

// states is how many bytes of a kind of stream's states are kept. Of clients there are many.
func (l *Ledger) states(of eventschema.Category) int {
	most := cmp.Or(l.States, DefaultStates)
	if of != eventschema.ClientStream && of != eventschema.JournalStream {
		most /= 8
	}
	return most
}

// Done is the outcome of a command: the state it left, at which version and position of the ledger.
type Done[S any] struct {
	State    S
	Version  uint64
	Position Position // 0 where nothing was written
	Recorded time.Time
	Written  int // events of the command; 0 where nothing changed or it had been done before
}

// Do lets the decider decide on the stream's state and appends what it decided. Its error is a *domain.Refusal, or a
// failure. After a failure the same command with the same key may be given again.
func (s *Streams[C, B, S]) Do(ctx context.Context, id domain.ID, by Caller, c C) (Done[S], error) {
	return s.do(ctx, id, by, c, s.cached)
}

// DoAtEnd is Do, with the stream read to its end before the first decision: it costs the same reads whether it allows
// or refuses.
func (s *Streams[C, B, S]) DoAtEnd(ctx context.Context, id domain.ID, by Caller, c C) (Done[S], error) {
	return s.do(ctx, id, by, c, func(domain.ID) *folded[S] { return nil })
}

// Begin gives the first command of a stream that is new by its random id: nothing is read.
func (s *Streams[C, B, S]) Begin(ctx context.Context, id domain.ID, by Caller, c C) (Done[S], error) {
	return s.do(ctx, id, by, c, func(domain.ID) *folded[S] { return s.empty(id) })
}

// do decides on the fold that it begins with, or on the stream's end where there is none, and again whenever the stream has
// moved on. A key belongs to one kind of command: another kind under the same key is another command.
func (s *Streams[C, B, S]) do(ctx context.Context, id domain.ID, by Caller, c C, begin func(domain.ID) *folded[S]) (Done[S], error) {
	repeatable := by.Key != ""
	if repeatable {
		by.Key = fmt.Sprintf("%T %s", c, by.Key)
	}
	ctx, end := spans.Start(ctx, spans.Decide, s.category)
	defer end()
	queue := s.queue(id)
	queue.Lock()
	defer queue.Unlock()
	f := begin(id)
	fresh := f == nil // read to the stream's end
	if fresh {
		var err error
		if f, err = s.read(ctx, id, s.cached(id)); err != nil {
			return Done[S]{}, err
		}
	}
	for {
		if p, ok := s.find(f, id, by); ok {
			return Done[S]{State: f.state, Version: f.version, Position: p, Recorded: f.recorded}, nil
		}
		at := s.ledger.Now()
		if at.Before(f.recorded) {
			at = f.recorded
		}
		events, err := s.decider.Decide(by.act(at), f.state, c)
		if (err != nil || len(events) == 0) && !fresh {
			if f, err = s.read(ctx, id, f); err != nil {
				return Done[S]{}, err
			}
			fresh = true
			continue
		}
		if err != nil || len(events) == 0 {
			return Done[S]{State: f.state, Version: f.version, Recorded: at}, err
		}
		if by.Key == "" {
			key, err := s.ledger.NewID()
			if err != nil {
				return Done[S]{}, err
			}
			by.Key = string(key[:])
		}
		next, err := s.append(ctx, id, by, f, events)
		if err == nil && repeatable {
			// The store answers alike for events it already had: the same command, given to another process and decided
			// at another instant. What is stored counts, not what was decided here.
			next, err = s.read(ctx, id, f)
		}
		switch {
		case err == nil:
			s.cache.put(id, next)
			p := next.recent[len(next.recent)-1].position
			if repeatable {
				p, _ = s.find(next, id, by)
			}
			return Done[S]{State: next.state, Version: next.version, Position: p, Recorded: next.recorded, Written: len(events)}, nil
		case errors.Is(err, ErrConflict):
			if ctx.Err() != nil {
				return Done[S]{}, fmt.Errorf("%w: %w", err, ctx.Err())
			}
			if f, err = s.read(ctx, id, f); err != nil {
				return Done[S]{}, err
			}
			fresh = true
		case errors.Is(err, ErrRefused):
			return Done[S]{}, err
		default:
			return s.settle(ctx, id, by, f, err)
		}
	}
}

// State is the stream's state at its end, with the version there.
func (s *Streams[C, B, S]) State(ctx context.Context, id domain.ID) (S, uint64, error) {
	f, err := s.read(ctx, id, s.cached(id))
	if err != nil {
		var none S
		return none, 0, err
	}
	return f.state, f.version, nil
}

func (s *Streams[C, B, S]) queue(id domain.ID) *sync.Mutex {
	return &s.queues[binary.BigEndian.Uint16(id[14:])%uint16(len(s.queues))]
}

// Forget drops what is remembered of a stream whose key is gone, so that nothing of it outlives the key in memory. It waits for what
// was sealed before: when it returns, nothing more can come under that key.
func (s *Streams[C, B, S]) Forget(id domain.ID) {
	queue := s.queue(id)
	queue.Lock()
	defer queue.Unlock()
	s.cache.remove(id)
}

func (s *Streams[C, B, S]) empty(id domain.ID) *folded[S] {
	return &folded[S]{stream: s.category.Stream(id)}
}

func (s *Streams[C, B, S]) cached(id domain.ID) *folded[S] { return s.cache.get(id) }

// read brings a fold, or nothing, up to the stream's end and caches it.
func (s *Streams[C, B, S]) read(ctx context.Context, id domain.ID, f *folded[S]) (*folded[S], error) {
	if f == nil {
		f = s.empty(id)
	}
	var next *folded[S] // copied when there is something to add: most often there is not
	for r, err := range s.ledger.Store.Stream(ctx, f.stream, f.version+1) {
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.stream, err)
		}
		if next == nil {
			copied := *f
			copied.recent = slices.Clip(f.recent) // a command may be adding to the same array
			next = &copied
		}
		if err := s.fold(ctx, next, &r); err != nil {
			return nil, err
		}
	}
	if next == nil {
		return f, nil
	}
	s.cache.put(id, next)
	return next, nil
}

// fold adds a record to a fold that nobody else has yet.
func (s *Streams[C, B, S]) fold(ctx context.Context, f *folded[S], r *eventschema.Record) error {
	fact, err := s.ledger.Decode(ctx, r)
	if err != nil {
		return err
	}
	f.recent = remember(f.recent, done{r.ID, r.Position})
	f.version = r.Version
	body, _ := fact.Body.(B) // nil where redacted
	f.state = s.decider.Evolve(f.state, domain.Event[B]{Act: fact.Act, Effective: fact.Effective, Rule: fact.Rule, Body: body})
	if fact.Act.At.After(f.recorded) {
		f.recorded = fact.Act.At
	}
	return nil
}

// append encodes the events behind the fold's version, appends them and gives the fold after them.
func (s *Streams[C, B, S]) append(ctx context.Context, id domain.ID, by Caller, f *folded[S], events []domain.Event[B]) (*folded[S], error) {
	next := *f
	records := make([]eventschema.Record, len(events))
	keys := s.ledger.Sealing(ctx)
	for i, e := range events {
		fact := eventschema.Fact{
			ID: eventID(by, s.category, id, i), Category: s.category, Subject: id, Version: f.version + uint64(i) + 1,
			Act: e.Act, Effective: e.Effective, Rule: e.Rule, Body: e.Body,
		}
		var err error
		if records[i], err = eventschema.Today.Encode(&fact, keys); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
		next.state = s.decider.Evolve(next.state, e)
		next.recorded = e.Act.At
	}
	ctx, end := spans.Start(ctx, spans.Append, s.category)
	last, err := s.ledger.Store.Append(ctx, f.stream, f.version, records...)
	end()
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		next.recent = remember(next.recent, done{r.ID, last - Position(len(records)-1-i)})
	}
	next.version += uint64(len(events))
	return &next, nil
}

// settle learns from the stream whether an append whose outcome is open took effect.
func (s *Streams[C, B, S]) settle(ctx context.Context, id domain.ID, by Caller, f *folded[S], cause error) (Done[S], error) {
	f, err := s.read(ctx, id, f)
	if err == nil {
		if p, ok := s.find(f, id, by); ok {
			return Done[S]{State: f.state, Version: f.version, Position: p, Recorded: f.recorded}, nil
		}
	}
	return Done[S]{}, fmt.Errorf("the outcome is open, give the same command again: %w", cause)
}

// find looks for a command among the last events of its stream, and gives the position of the last of its own. A command
// without a key was never given before.
func (s *Streams[C, B, S]) find(f *folded[S], id domain.ID, by Caller) (Position, bool) {
	if by.Key == "" {
		return 0, false
	}
	first := eventID(by, s.category, id, 0)
	for i := len(f.recent) - 1; i >= 0; i-- {
		if f.recent[i].id != first {
			continue
		}
		last := i
		for n := 1; i+n < len(f.recent) && f.recent[i+n].id == eventID(by, s.category, id, n); n++ {
			last = i + n
		}
		return f.recent[last].position, true
	}
	return 0, false
}

// remember adds to the last events. It may write behind the slice it was handed, so of those who hold the same one,
// only whoever has the stream's turn may add to it.
func remember(recent []done, d done) []done {
	if len(recent) >= 2*Remembered {
		recent = append(make([]done, 0, 2*Remembered), recent[len(recent)-Remembered:]...)
	}
	return append(recent, d)
}

// eventID derives an event's id from caller, idempotency key, stream and index.
func eventID(by Caller, c eventschema.Category, id domain.ID, index int) domain.ID {
	name := make([]byte, 0, 64)
	name = append(name, c...)
	name = append(name, id[:]...)
	name = binary.BigEndian.AppendUint32(name, uint32(index))
	return domain.Derive(by.Actor, append(name, by.Key...))
}

// Follow decodes every record behind the position, with sealed events opened where open says so, and hands it on until
// ctx ends or the function fails. An event that the catalogue does not know stops it.
func (l *Ledger) Follow(ctx context.Context, p Position, open bool, each func(*eventschema.Fact) error) error {
	var keys eventschema.Keys
	if open {
		keys = l.Sealing(ctx)
	}
	for r, err := range l.Store.After(ctx, p) {
		if err != nil {
			return err
		}
		f, err := eventschema.Today.Decode(&r, keys)
		if err != nil {
			return err
		}
		if err := each(&f); err != nil {
			return err
		}
	}
	return nil
}

// Upto is Follow from the beginning to a position that the ledger has reached.
func (l *Ledger) Upto(ctx context.Context, head Position, open bool, each func(*eventschema.Fact) error) error {
	if head == 0 {
		return nil
	}
	err := l.Follow(ctx, 0, open, func(f *eventschema.Fact) error {
		if err := each(f); err != nil {
			return err
		}
		if f.Position >= head {
			return errEnd
		}
		return nil
	})
	if errors.Is(err, errEnd) {
		return nil
	}
	return err
}

var errEnd = errors.New("end")
