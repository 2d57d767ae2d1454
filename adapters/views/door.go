package views

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/eventschema"
	"samtykke/projections"
)

type (
	// Clients are the clients' streams.
	Clients = ledger.Streams[client.Command, client.Body, client.State]
	// Organisations are the organisations' streams.
	Organisations = ledger.Streams[organisation.Command, organisation.Body, organisation.State]
	// Oversight are streams of one event: refused attempts, or queries.
	Oversight = ledger.Streams[oversight.Body, oversight.Body, oversight.State]
)

// A Door is where registrations are read, and nowhere else.
//
// A look-up decides on the client's stream at a version, appends itself at that version, opens what it named, and reads the reader's
// standing and the clock once more before it answers; an overview does so once, when all of it is there. It shows the journal version
// that its event names, and nothing later. A refused one does the same reads, and appends an event of its own.
type Door struct {
	Ledger        *ledger.Ledger
	Keeper        *Keeper
	Clients       *Clients
	Organisations *Organisations
	Refused       *Oversight
	Books         rules.Books
	Halted        func() error // why nothing is shown now, such as a clock that is off; nil, or gives nil: it is
	AtOnce        int          // look-ups of one overview that wait for the disk together; 0: as many as serve it best
}

// The codes of refusals at the door.
const (
	// NoSuchClient is the answer for a handle of another organisation, for an erased client, and for one that never was.
	NoSuchClient = client.NotRegistered
	// NotShared is the answer for a client of one's own that does not share. It never says why.
	NotShared = client.NotShared
)

// Shown is what a look-up shows.
type Shown struct {
	Registrations projections.Registrations // only the kinds that the look-up names
	Until         domain.Date               // sharing holds through the day before
	Position      ledger.Position           // of the look-up's event
}

// LookUp reads on behalf of the caller's organisation what is registered about one of its clients.
func (d *Door) LookUp(ctx context.Context, by ledger.Caller, handle domain.ID, p client.Purpose, kinds []client.Kind) (Shown, error) {
	found, err := d.find(ctx, by, handle)
	if err != nil {
		return Shown{}, err
	}
	s, err := d.show(ctx, by, found[0], p, kinds)
	if err := d.still(ctx, by, s.Until, err); err != nil {
		return Shown{}, err
	}
	return s, nil
}

// show is a look-up of a client that was found. Before it is answered, whoever asked for it asks still.
func (d *Door) show(ctx context.Context, by ledger.Caller, m meant, p client.Purpose, kinds []client.Kind) (Shown, error) {
	done, err := d.admit(ctx, by, m, p, kinds)
	if err != nil {
		return Shown{}, err
	}
	r, err := d.open(ctx, m.id, m.doc, kinds)
	return Shown{Registrations: r, Until: done.State.Terms.LapseOn, Position: done.Position}, err
}

// Admit is a look-up that shows nothing: how a professional comes to register together with a client or on its behalf.
func (d *Door) Admit(ctx context.Context, by ledger.Caller, handle domain.ID, p client.Purpose, kinds []client.Kind) (domain.ID, error) {
	found, err := d.find(ctx, by, handle)
	if err != nil {
		return domain.ID{}, err
	}
	done, err := d.admit(ctx, by, found[0], p, kinds)
	return found[0].id, d.still(ctx, by, done.State.Terms.LapseOn, err)
}

// Address finds the client that the caller's organisation means by a handle, for what shows nothing and needs no yes.
func (d *Door) Address(ctx context.Context, by ledger.Caller, handle domain.ID) (domain.ID, error) {
	standing := d.Standing(ctx, by)
	found, err := d.find(ctx, by, handle)
	if err != nil {
		return domain.ID{}, err
	}
	m := found[0]
	s, _, err := d.Clients.State(ctx, m.id)
	switch {
	case err != nil:
		return domain.ID{}, err
	case standing != nil:
		err = standing
	case !m.known || s.Deactivated:
		err = domain.Refuse(NoSuchClient, "There is no such client.")
	}
	if reason := domain.Refused(err); reason != "" {
		if failed := d.refuse(ctx, by, m, client.Contact, nil, reason); failed != nil {
			return domain.ID{}, failed // an attempt that could not be recorded is a failure, not a refusal
		}
	}
	return m.id, err
}

// admit decides whether the caller may see what is registered about a client, and records that. Before it is answered, whoever asked for
// it asks still.
func (d *Door) admit(ctx context.Context, by ledger.Caller, m meant, p client.Purpose, kinds []client.Kind) (done ledger.Done[client.State], err error) {
	if err := d.halted(); err != nil {
		return done, err
	}
	by.Key = "" // each reading is a look-up of its own; what a retry is shown may be newer than what was named before
	standing := d.Standing(ctx, by)
	if standing == nil {
		done, err = d.Clients.DoAtEnd(ctx, m.id, by, client.LookUp{Purpose: p, Kinds: kinds, Journal: m.doc.Version})
	} else {
		_, _, err = d.Clients.State(ctx, m.id)
		err = errors.Join(err, standing)
	}
	if reason := domain.Refused(err); reason != "" {
		if err := d.refuse(ctx, by, m, p, kinds, reason); err != nil {
			return done, err
		}
	}
	return done, err
}

// still gives what a look-up is answered with that was decided so, nil being yes: the reader's standing and the clock are read once more,
// behind its event. Until is the day at whose start sharing ends.
func (d *Door) still(ctx context.Context, by ledger.Caller, until domain.Date, decided error) error {
	if decided != nil && domain.Refused(decided) == "" {
		return decided
	}
	if again := d.Standing(ctx, by); again != nil {
		return again
	}
	if halted := d.halted(); halted != nil {
		return halted
	}
	if decided == nil && d.ended(until) {
		return domain.Refuse(NotShared, "The client does not share.")
	}
	return decided
}

// ended tells whether sharing that ends at the start of a day has ended by now.
func (d *Door) ended(until domain.Date) bool { return !d.Ledger.Now().Before(until.Start()) }

func (d *Door) halted() error {
	if d.Halted == nil {
		return nil
	}
	return d.Halted()
}

// Standing refuses a caller who may not act for the organisation now, or acts for none. It reads the organisation's stream to its end.
func (d *Door) Standing(ctx context.Context, by ledger.Caller) error {
	office := by.Organisation
	if office.IsZero() {
		var err error
		if office, err = d.Ledger.NewID(); err != nil { // which nobody has
			return err
		}
	}
	o, _, err := d.Organisations.State(ctx, office)
	if err != nil {
		return err
	}
	return o.Admit(by.Actor, by.Role)
}

// meant is who a caller's organisation means by a handle, and what is registered about that client.
type meant struct {
	handle domain.ID
	known  bool      // a client of the organisation's
	id     domain.ID // otherwise one that nobody has
	doc    sealedDoc
}

// find gives the clients that the caller's organisation means by handles, in their order, with one question for all to each view. For any
// other handle, and for one that is cut by now whether or not that has been written down, it gives an id that nobody has, so that
// whoever goes on with it reads as much.
func (d *Door) find(ctx context.Context, by ledger.Caller, handles ...domain.ID) ([]meant, error) {
	behind, err := d.Keeper.Handles.Among(ctx, handles)
	if err != nil {
		return nil, err
	}
	found, ids := make([]meant, len(handles)), make([]domain.ID, len(handles))
	for i, handle := range handles {
		found[i].handle, ids[i] = handle, behind[handle].Client
	}
	cases, errC := d.Keeper.Caseload.Among(ctx, ids)
	idle, errI := d.Keeper.Idle.DueAmong(ctx, ids, domain.DateOf(d.Ledger.Now()))
	if err := errors.Join(errC, errI); err != nil {
		return nil, err
	}
	for i, handle := range handles {
		h, ok := behind[handle]
		found[i].known = ok && h.Organisation == by.Organisation && !cases[h.Client].State.Deactivated && !idle[h.Client]
		if !found[i].known {
			if ids[i], err = d.Ledger.NewID(); err != nil {
				return nil, err
			}
		}
		found[i].id = ids[i]
	}
	docs, err := d.Keeper.registrations.among(ctx, ids)
	for i, id := range ids {
		found[i].doc = docs[id]
	}
	return found, err
}

// refuse records a refused attempt.
func (d *Door) refuse(ctx context.Context, by ledger.Caller, m meant, p client.Purpose, kinds []client.Kind, reason string) error {
	stream, err := d.Ledger.NewID()
	if err != nil {
		return err
	}
	body := oversight.LookUpRefused{Handle: m.handle, Purpose: p, Kinds: kinds, Reason: reason}
	if m.known {
		body.Client = m.id
	} else if h, ok, err := d.Keeper.Handles.Get(ctx, m.handle); err != nil {
		return err
	} else if ok {
		body.Client = h.Client // somebody else's client: it is to see who tried
	}
	_, err = d.Refused.Begin(ctx, stream, by, body)
	return err
}

// open gives what is registered, as the document stood when access was decided.
func (d *Door) open(ctx context.Context, id domain.ID, doc sealedDoc, kinds []client.Kind) (projections.Registrations, error) {
	r, err := d.Keeper.registrations.unseal(id, doc, d.Ledger.Sealing(ctx))
	if errors.Is(err, eventschema.ErrGone) {
		return r, domain.Refuse(NoSuchClient, "There is no such client.")
	}
	return r.Only(kinds), err
}

// AllKinds are all kinds of information.
var AllKinds = []client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}

// Own is everything that is stored about a client, for the client.
type Own struct {
	Registrations projections.Registrations
	Entries       []eventschema.Fact // the journal itself, entry by entry, when it is taken out
	History       []eventschema.Fact // the client's own stream up to this reading: yes and no, codes, every look-up
	Others        []eventschema.Fact // look-ups that were refused, and readings of everybody's data at once
	Position      ledger.Position    // of this reading's event
}

// Own reads everything stored about the caller, who is a client. The reading is an event of the client's own.
func (d *Door) Own(ctx context.Context, by ledger.Caller, p client.Purpose) (Own, error) {
	idle, err := d.Keeper.Idle.IsDue(ctx, by.Actor, domain.DateOf(d.Ledger.Now()))
	if err != nil {
		return Own{}, err
	}
	if idle {
		return Own{}, domain.Refuse(client.IsDeactivated, "The code is no longer in use.")
	}
	by.Key = ""
	docs, err := d.Keeper.registrations.among(ctx, []domain.ID{by.Actor})
	if err != nil {
		return Own{}, err
	}
	doc := docs[by.Actor]
	done, err := d.Clients.Do(ctx, by.Actor, by, client.ReadOwn{Purpose: p, Kinds: AllKinds, Journal: doc.Version})
	if err != nil {
		return Own{}, err
	}
	own := Own{Position: done.Position}
	if own.Registrations, err = d.open(ctx, by.Actor, doc, AllKinds); err != nil {
		return Own{}, err
	}
	if own.History, err = d.upTo(ctx, eventschema.ClientStream.Stream(by.Actor), done.Version); err != nil {
		return Own{}, err
	}
	if p == client.Export {
		if own.Entries, err = d.upTo(ctx, eventschema.JournalStream.Stream(by.Actor), doc.Version); err != nil {
			return Own{}, err
		}
	}
	own.Others, err = d.others(ctx, by.Actor, own.History)
	return own, err
}

// upTo reads a stream's facts, opened, up to a version.
func (d *Door) upTo(ctx context.Context, stream string, version uint64) ([]eventschema.Fact, error) {
	var facts []eventschema.Fact
	for r, err := range d.Ledger.Store.Stream(ctx, stream, 1) {
		if err != nil {
			return nil, err
		}
		if r.Version > version {
			break
		}
		f, err := d.Ledger.Decode(ctx, &r)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// others reads what is in a client's access log, its own and the one that all share, and not in its history.
func (d *Door) others(ctx context.Context, id domain.ID, history []eventschema.Fact) ([]eventschema.Fact, error) {
	allowed := map[ledger.Position]bool{}
	for _, f := range history {
		allowed[f.Position] = true
	}
	var others []eventschema.Fact
	own, _, err := d.Keeper.Access.Get(ctx, id)
	shared, _, errS := d.Keeper.Access.Get(ctx, projections.Everybody)
	if err := errors.Join(err, errS); err != nil {
		return nil, err
	}
	elsewhere := slices.Compact(slices.Sorted(concat(own.Positions(), shared.Positions())))
	elsewhere = slices.DeleteFunc(elsewhere, func(p ledger.Position) bool { return allowed[p] })
	records := ledger.Records{Store: d.Ledger.Store}
	for r, err := range records.At(ctx, elsewhere) {
		if err != nil {
			return nil, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return nil, err
		}
		if f.Category != eventschema.ClientStream { // a look-up since this reading
			others = append(others, f)
		}
	}
	return others, nil
}

func concat[T any](seqs ...iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, seq := range seqs {
			for v := range seq {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// LogValue shows how much there is, and nothing of it.
func (s Shown) LogValue() slog.Value { return s.Registrations.LogValue() }

// LogValue shows how much there is, and nothing of it.
func (o Own) LogValue() slog.Value { return o.Registrations.LogValue() }

// StateAt is a client's state at an instant, from its streams: what was true then, as far as it was recorded by the
// instant known.
func (d *Door) StateAt(ctx context.Context, id domain.ID, at, known time.Time) (client.State, error) {
	var s client.State
	err := d.until(ctx, eventschema.ClientStream.Stream(id), at, known, func(f *eventschema.Fact) {
		body, _ := f.Body.(client.Body)
		s = client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	})
	if err != nil || s.Deactivated || !s.Idle(d.Books, time.Time{}, at) {
		return s.At(d.Books, at), err
	}
	var j journal.State
	err = d.until(ctx, eventschema.JournalStream.Stream(id), at, known, func(f *eventschema.Fact) {
		body, _ := f.Body.(journal.Body)
		j = journal.Evolve(j, journal.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	})
	if s = s.At(d.Books, at); s.Idle(d.Books, j.LastLogin, at) { // deactivated by now, whether or not it was written down
		s = client.Evolve(s, client.Event{Effective: s.IdleFrom(d.Books, j.LastLogin), Body: client.Deactivated{}})
	}
	return s, err
}

// until hands on a stream's facts, opened, that took effect by the instant at and were recorded by the instant known. By now
// everything in the stream has happened, also where the clock has been set back since.
func (d *Door) until(ctx context.Context, stream string, at, known time.Time, each func(*eventschema.Fact)) error {
	now := d.Ledger.Now()
	later := func(t, than time.Time) bool { return t.After(than) && than.Before(now) }
	for r, err := range d.Ledger.Store.Stream(ctx, stream, 1) {
		if err != nil {
			return err
		}
		f, err := d.Ledger.Decode(ctx, &r)
		if err != nil {
			return err
		}
		if later(f.Act.At, known) || later(f.Effective, at) {
			return nil
		}
		each(&f)
	}
	return nil
}
