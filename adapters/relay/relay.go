package relay

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/eventschema"
)

// A Counter is something that is counted, one at a time.
type Counter string

const (
	Published      Counter = "messages published" // taken by the publisher
	AttemptFailed  Counter = "attempts failed"    // to publish, or to move the cursor; they are made again
	NoticeGiven    Counter = "notices given"
	NoticeFailed   Counter = "attempts to give a notice failed"
	NoticeRepeated Counter = "notices that came again" // and were dropped
	NoticePoisoned Counter = "notices in the poison queue"
)

// Count is told of each. It is called by several goroutines and must not block; nil counts nothing.
type Count func(Counter)

func (c Count) one(what Counter) {
	if c != nil {
		c(what)
	}
}

// A Relay publishes the facts of one ledger, in its order. One of them may run on a cursor at a time.
type Relay struct {
	Store     ledger.Store
	Cursor    Cursor
	Publisher message.Publisher
	Key       Key
	Count     Count

	// Failed is told of each error that is tried again; nil: nobody is.
	Failed func(error)
}

// The waits between attempts, and how many facts that are not relayed are passed before the cursor is moved over them.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 30 * time.Second
	passedMost  = 10_000
)

// ErrOtherLedger says that the ledger has another record than the cursor's at its place, or none.
var ErrOtherLedger = errors.New("the relay's cursor is of another history: the ledger was put back from a copy, or is another one")

// Run relays until ctx ends, or something cannot be passed over: an event that the catalogue or the Table does not know, a ledger
// that cannot be read or is another (ErrOtherLedger). Where the cursor was never saved it begins at the ledger's present end: what
// happened before anybody was listening is old news.
func (r *Relay) Run(ctx context.Context) error {
	at, err := r.resume(ctx)
	if err != nil {
		return err
	}
	passed := 0
	for rec, err := range r.Store.After(ctx, at) {
		if err != nil {
			return err
		}
		f, err := eventschema.Today.Decode(&rec, nil)
		if err != nil {
			return err
		}
		m, err := r.message(ctx, &f)
		if err != nil {
			return err
		}
		if passed++; m == nil && passed < passedMost {
			continue
		}
		if err := r.publish(ctx, m); err != nil {
			return err
		}
		if err := r.move(ctx, Place{rec.Position, rec.Leaf()}); err != nil {
			return err
		}
		passed = 0
	}
	return ctx.Err()
}

// resume gives the position to go on from, which the cursor is at.
func (r *Relay) resume(ctx context.Context) (ledger.Position, error) {
	saved, known, err := r.Cursor.Load(ctx)
	if err != nil {
		return 0, err
	}
	head, err := r.Store.Head(ctx)
	if err != nil {
		return 0, err
	}
	if !known {
		saved.Position = head
	}
	if saved.Position > head {
		return 0, ErrOtherLedger
	}
	there := Place{Position: saved.Position}
	if there.Position > 0 {
		for rec, err := range r.Store.After(ctx, there.Position-1) {
			if err != nil {
				return 0, err
			}
			there.Leaf = rec.Leaf()
			break
		}
	}
	switch {
	case !known:
		return there.Position, r.move(ctx, there)
	case there != saved:
		return 0, ErrOtherLedger
	}
	return there.Position, nil
}

// publish returns when the publisher has taken the message; nil is none.
func (r *Relay) publish(ctx context.Context, m *letter) error {
	if m == nil {
		return nil
	}
	err := r.until(ctx, func() error {
		again := m.Copy() // publishers may add to what they are given
		again.SetContext(ctx)
		return r.Publisher.Publish(m.Topic, again)
	})
	if err == nil {
		r.Count.one(Published)
	}
	return err
}

func (r *Relay) move(ctx context.Context, p Place) error {
	return r.until(ctx, func() error { return r.Cursor.Save(ctx, p) })
}

// until tries until it goes well, with waits between, or ctx ends. An answer that comes after that counts for nothing.
func (r *Relay) until(ctx context.Context, try func() error) error {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := try()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return nil
		}
		r.Count.one(AttemptFailed)
		if r.Failed != nil {
			r.Failed(err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// message makes what is told of a fact; nil where nothing is.
func (r *Relay) message(ctx context.Context, f *eventschema.Fact) (*letter, error) {
	row, ok := byEvent[f.Name]
	if !ok {
		return nil, fmt.Errorf("%v has no row in the table of what is relayed to whom", f)
	}
	switch row.To {
	case Organisation:
		return r.sharing(ctx, f)
	case Client:
		return r.notice(ctx, row.Kind, f)
	}
	return nil, nil
}

// sharing tells the organisation what its overview shows from this fact on, if that is another answer than before.
func (r *Relay) sharing(ctx context.Context, f *eventschema.Fact) (*letter, error) {
	before, err := r.state(ctx, f.Subject, f.Version-1)
	if err != nil {
		return nil, err
	}
	after := client.Evolve(before, event(f))
	if Shows(before) == Shows(after) {
		return nil, nil
	}
	told := Sharing{SharingEnded, after.Organisation, r.Key.Client(after.Organisation, after.Client), domain.DateOf(f.Effective)}
	if Shows(after) {
		told.Kind = SharingBegan
	}
	return newMessage(TopicOf(told.Organisation), r.Key.messageID(f.ID), sharingSchema, told.Client, told)
}

// notice tells the client that something waits, if it does so still.
func (r *Relay) notice(ctx context.Context, k Kind, f *eventschema.Fact) (*letter, error) {
	now, err := r.state(ctx, f.Subject, math.MaxUint64)
	if err != nil || !waits(k, now) {
		return nil, err
	}
	n := Notice{Kind: k, Recipient: r.Key.Recipient(f.Subject)}
	return newMessage(NoticeTopic, r.Key.messageID(f.ID), noticeSchema, n.Recipient, n)
}

// state folds the client's stream up to the version, or to its end.
func (r *Relay) state(ctx context.Context, id domain.ID, last uint64) (s client.State, err error) {
	for rec, err := range r.Store.Stream(ctx, eventschema.ClientStream.Stream(id), 1) {
		if err != nil {
			return s, err
		}
		if rec.Version > last {
			break
		}
		f, err := eventschema.Today.Decode(&rec, nil)
		if err != nil {
			return s, err
		}
		s = client.Evolve(s, event(&f))
	}
	return s, ctx.Err()
}

func event(f *eventschema.Fact) client.Event {
	body, _ := f.Body.(client.Body) // nil where it is sealed
	return client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body}
}
