// Package audit is what an auditor may ask of the ledger: who saw what, which attempts were refused, why an event came
// about, how a client stood at an instant and over a period, and the events themselves as a feed.
//
// It cannot write. It imports nothing that does, and it holds one capability that leaves a trace: Record, one event in an
// oversight stream.
//
// # Asking is on record first
//
// Every question is recorded with its reason before anything is read for it. A question that cannot be recorded is not
// answered. Each page of an answer is a question of its own, and its record names where the page begins. A feed is recorded
// when it is opened, from where, and reading on in it is not: else whoever follows the ledger to its end would move the end.
//
// What is recorded names ids, instants and positions. A label or a name that somebody was sought by is not in it.
//
// # What is shown
//
// Look-ups, attempts and states are open events, by random ids. Beside the ids an answer shows the label that the
// organisation knows a client by, the names of organisations, professionals and the service's own staff, and how the session that a
// reader was in had been logged in to, opened under their keys; where a key is gone they are empty. Nothing that is registered about a client is opened here. In a feed, and where an event is
// explained, what is sealed stays closed: its name, whose key it is under, its place.
//
// # Pages
//
// A page is asked for by position, never by number, so that it is the same page whatever is added behind it. No answer says how
// many rows there are in all. Upto holds the whole answer to the ledger as it stood when the first page was asked for.
// A page reads at most so many events: one with few rows, or none, may still have a next.
//
// A replay (Replay) is one question, and gives its rows one by one, however many they are.
//
// # By index
//
// Of a client, of one who reads and of an organisation there is a view that says where their rows stand, and they are read there, many with
// one question where the store can (ledger.Picker). Of a
// period there is a view of the instants of trail events in blocks (projections.Times): the ledger is read where the blocks overlap the
// period. Instants grow within a stream only, so that neither a search by halves nor a margin around a guess would find every row; the
// blocks know their own earliest and latest. A client is found by label in a view that lists labels, organisation by organisation. Whoever
// asks for no client, reader, organisation or period reads the whole ledger, and for names whoever seeks one reads through the
// organisations.
//
// # As it was, and as it was known
//
// A look-up takes effect when it is recorded, so that the trail as the ledger stood at an instant (Query.Known) is also the trail as it
// was. A client's consent can take effect before it is written down: State tells the two apart.
package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Records is where the ledger is read: ledger.Records without what writes.
type Records interface {
	Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error]
	After(ctx context.Context, position uint64) iter.Seq2[eventschema.Record, error]
	At(ctx context.Context, positions []uint64) iter.Seq2[eventschema.Record, error]
	Versions(ctx context.Context, streams []string, versions []uint64) iter.Seq2[eventschema.Record, error]
	Head(ctx context.Context) (uint64, error)
}

// Trails are the documents of the view access, by client, of the view audit, by who reads, or of the view organisations.
type Trails interface {
	Among(ctx context.Context, ids []domain.ID) (map[domain.ID]projections.Trail, error)
}

// Times are the document of the view times, of everybody.
type Times interface {
	Get(ctx context.Context, id domain.ID) (projections.Times, bool, error)
}

// Holders are the documents of the view labels, by organisation and label (projections.LabelKey).
type Holders interface {
	List(ctx context.Context, key domain.ID) (map[domain.ID]domain.ID, error)
}

// Offices are the documents of the view offices, by organisation.
type Offices interface {
	Each(ctx context.Context, do func(domain.ID, projections.Office) error) error
}

// An Auditor asks on behalf of one person. All fields are needed.
type Auditor struct {
	Records       Records
	Access        Trails
	Audit         Trails
	Organisations Trails
	Times         Times
	Holders       Holders
	Offices       Offices
	Rules         rules.Books

	// Open opens what is sealed under the owner's key: names of organisations and people, and sign-ins. Its error matches
	// eventschema.ErrGone where the key was destroyed.
	Open func(ctx context.Context, o eventschema.Owner, ciphertext, associated []byte) ([]byte, error)
	// Labels are the labels that organisations know clients by; who has none is left out.
	Labels func(ctx context.Context, clients []domain.ID) (map[domain.ID]string, error)
	// StateAt is a client's state at an instant, as far as it was recorded by the instant known.
	StateAt func(ctx context.Context, client domain.ID, at, known time.Time) (client.State, error)
	// Reached returns when the views show everything up to the position.
	Reached func(ctx context.Context, position uint64) error
	// Now is the clock's instant.
	Now func() time.Time

	Actor   domain.ID // who asks
	Session domain.ID

	// Record writes down a question of this person and returns the position of its event when that is durable. It fills in the
	// basis. Its error is a *domain.Refusal where the person or the reason will not do.
	Record func(ctx context.Context, q oversight.Queried) (position uint64, err error)
}

// The codes of refusals. Those of Record come on top.
const (
	NotFound = "not-found" // what was asked about is not there
	Several  = "several"   // what was asked about is not the only one of its kind
	BadInput = "bad-input"
)

// ask records a question, and gives the position of its event.
func (a *Auditor) ask(ctx context.Context, query, about, reason string) (uint64, error) {
	p, err := a.Record(ctx, oversight.Queried{Query: query, About: about, Reason: reason})
	if err != nil && domain.Refused(err) == "" {
		err = fmt.Errorf("recording the question before answering it: %w", err)
	}
	return p, err
}

// fact reads the event at a position, closed where it is sealed. The ledger reaches that far.
func (a *Auditor) fact(ctx context.Context, position uint64) (eventschema.Fact, error) {
	for r, err := range a.Records.After(ctx, position-1) {
		if err != nil {
			return eventschema.Fact{}, err
		}
		return eventschema.Today.Decode(&r, nil)
	}
	return eventschema.Fact{}, ctx.Err()
}

// stream hands on the facts of a stream from a version, opened with the keys, until each wants no more.
func (a *Auditor) stream(ctx context.Context, name string, from uint64, keys eventschema.Keys, each func(*eventschema.Fact) bool) error {
	for r, err := range a.Records.Stream(ctx, name, from) {
		if err != nil {
			return err
		}
		f, err := eventschema.Today.Decode(&r, keys)
		if err != nil {
			return err
		}
		if !each(&f) {
			return nil
		}
	}
	return nil
}

// opening opens and never seals.
type opening struct {
	ctx  context.Context
	open func(context.Context, eventschema.Owner, []byte, []byte) ([]byte, error)
}

func (o opening) Open(of eventschema.Owner, ciphertext, associated []byte) ([]byte, error) {
	return o.open(o.ctx, of, ciphertext, associated)
}

func (opening) Seal(eventschema.Owner, []byte, []byte) ([]byte, error) {
	return nil, errors.New("an auditor seals nothing")
}

// instant is a time as people in Norway read it, in RFC 3339; nothing for the zero time.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(domain.Oslo).Format(time.RFC3339)
}
