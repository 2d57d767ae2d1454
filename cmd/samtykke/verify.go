package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"time"

	"samtykke/adapters/filestore"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// A verifier replays the ledger in total order. What it holds grows with clients, organisations and staff, and with what is not
// settled; not with events.
type verifier struct {
	verdict
	store    *filestore.Store
	keys     eventschema.Keys // nil: sealed events stay closed
	rules    rules.Books
	streams  map[streamID]reached
	clients  map[domain.ID]client.State
	journals map[domain.ID]journal.State
	orgs     map[domain.ID]organisation.State
	accounts map[domain.ID]staff.State
	accesses map[domain.ID]oversight.Access
	used     map[domain.ID]bool // by actor: a use of access to production that no query has followed yet
	admitted map[entry]int      // look-ups that let a professional register, not used up
	left     map[member]loss
	tallies  map[domain.ID]tally   // by the owner of the key
	ended    map[domain.ID]erasing // professionals who were erased
}

// A streamID is a stream's name, read.
type streamID struct {
	category eventschema.Category
	subject  domain.ID
}

// reached is how far a stream has come, and when its last event with an instant was recorded.
type reached struct {
	version  uint64
	recorded time.Time
}

// A tally counts the sealed events under one key.
type tally struct {
	kind   string // of owner
	stream string // of the first
	first  uint64 // position of the first
	lost   uint64 // position of the first whose content is gone
	there  uint64 // ciphertexts
	closed uint64 // of these, not opened: there are no keys
	gone   uint64 // sealed events that can no longer be read
}

// An erasing is how far the erasure of a professional has come.
type erasing struct{ erased, keyDestroyed bool }

// A member is somebody at an organisation.
type member struct{ organisation, actor domain.ID }

// A loss is which role somebody last lost, and when that was recorded.
type loss struct {
	role domain.Role
	at   time.Time
}

// answering is longer than a look-up takes from the first check of the reader's standing to its event.
const answering = time.Minute

// An entry is who was let in to register for whom, and how.
type entry struct {
	client, actor domain.ID
	purpose       client.Purpose
}

func newVerifier(store *filestore.Store, keys eventschema.Keys, books rules.Books) *verifier {
	return &verifier{
		verdict: verdict{Problems: []problem{}}, store: store, keys: keys, rules: books,
		streams: map[streamID]reached{}, clients: map[domain.ID]client.State{}, journals: map[domain.ID]journal.State{},
		orgs: map[domain.ID]organisation.State{}, accounts: map[domain.ID]staff.State{}, accesses: map[domain.ID]oversight.Access{}, used: map[domain.ID]bool{},
		admitted: map[entry]int{}, left: map[member]loss{}, tallies: map[domain.ID]tally{}, ended: map[domain.ID]erasing{},
	}
}

// batchSize is how many events are decoded together.
const batchSize = 1024

// A batch is what is read together, and decoded beside other batches.
type batch struct {
	records []eventschema.Record
	facts   []eventschema.Fact
	wrong   []error // of each, why it does not hold
	err     error   // why there are no more
	decoded chan struct{}
}

func (b *batch) decode(keys eventschema.Keys) {
	defer close(b.decoded)
	b.facts, b.wrong = make([]eventschema.Fact, len(b.records)), make([]error, len(b.records))
	for i := range b.records {
		r := &b.records[i]
		if b.wrong[i] = eventschema.Today.Check(r); b.wrong[i] == nil {
			b.facts[i], b.wrong[i] = eventschema.Today.Decode(r, keys)
		}
	}
}

// replay reads the ledger up to a position, decodes on all cores, and takes event after event in order.
func (v *verifier) replay(ctx context.Context, head uint64, progress func(done, all uint64)) error {
	if head == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	order := make(chan *batch, runtime.GOMAXPROCS(0))
	go v.read(ctx, head, order)
	for b := range order {
		<-b.decoded
		for i := range b.records {
			v.record(ctx, &b.records[i], &b.facts[i], b.wrong[i])
		}
		if b.err != nil {
			return b.err
		}
		progress(v.Events, head)
	}
	v.Clients = len(v.clients)
	v.erasures()
	return ctx.Err()
}

// read cuts the ledger into batches, and has each decoded.
func (v *verifier) read(ctx context.Context, head uint64, order chan<- *batch) {
	defer close(order)
	b := &batch{decoded: make(chan struct{})}
	for r, err := range v.store.After(ctx, 0) {
		if err == nil {
			b.records = append(b.records, r)
		}
		b.err = err
		last := err != nil || r.Position >= head
		if !last && len(b.records) < batchSize {
			continue
		}
		go b.decode(v.keys)
		select {
		case order <- b:
		case <-ctx.Done():
			return
		}
		if last {
			return
		}
		b = &batch{records: make([]eventschema.Record, 0, batchSize), decoded: make(chan struct{})}
	}
}

func (v *verifier) problem(r *eventschema.Record, format string, args ...any) {
	v.add(problem{Position: r.Position, Stream: r.Stream, What: fmt.Sprintf(format, args...)})
}

// record takes the next event. Why it does not hold is told, if it does not.
func (v *verifier) record(ctx context.Context, r *eventschema.Record, f *eventschema.Fact, wrong error) {
	v.Events++
	if r.Position != v.Events {
		v.problem(r, "the total order has a gap: expected position %d", v.Events)
	}
	if wrong != nil {
		v.problem(r, "%v", wrong)
	}
	v.number(r, f)
	if wrong != nil {
		return
	}
	v.tally(r, f)
	switch f.Category {
	case eventschema.ClientStream:
		v.client(ctx, r, f)
	case eventschema.JournalStream:
		v.journal(r, f)
	case eventschema.OrganisationStream:
		v.organisation(r, f)
	case eventschema.StaffStream:
		v.staff(r, f)
	case eventschema.RefusedStream:
		if b, ok := f.Body.(oversight.AttemptReviewed); ok {
			v.attemptReviewed(ctx, r, f, b)
			break
		}
		v.Refused++
	case eventschema.AccessStream:
		v.access(r, f)
	case eventschema.OversightStream:
		q, ok := f.Body.(oversight.Queried)
		if !ok || q.Basis == "" || q.Basis != oversight.BasisOf(f.Act.Role) || f.Act.Actor.IsZero() || q.Reason == "" {
			v.problem(r, "a query without somebody who answers for it, or without the basis of that role")
		}
		used := v.used[f.Act.Actor]
		if delete(v.used, f.Act.Actor); q.Opened && !used {
			v.problem(r, "sealed content opened without a use of exceptional access on record before")
		}
	}
}

// number checks an event's place in its stream, by version and by instant. Of streams that have one event each, and perhaps its
// review, nothing is remembered; that there are no two of a name is among what the store checks of its own.
func (v *verifier) number(r *eventschema.Record, f *eventschema.Fact) {
	category, subject, err := eventschema.Split(r.Stream)
	if err != nil {
		return // the record does not hold
	}
	switch category {
	case eventschema.RefusedStream, eventschema.OversightStream, eventschema.FeedbackStream:
		if _, review := f.Body.(oversight.AttemptReviewed); !review && r.Version != 1 {
			v.problem(r, "version %d where 1 was expected", r.Version)
		}
		return
	}
	id := streamID{category, subject}
	s := v.streams[id]
	if r.Version != s.version+1 {
		v.problem(r, "version %d where %d was expected", r.Version, s.version+1)
	}
	s.version = r.Version
	if !f.Act.At.IsZero() {
		if f.Act.At.Before(s.recorded) {
			v.problem(r, "%s was recorded before the event that it follows", f.Name)
		}
		s.recorded = f.Act.At
	}
	v.streams[id] = s
}

// tally counts a sealed event under its key.
func (v *verifier) tally(r *eventschema.Record, f *eventschema.Fact) {
	if f.Owner == (eventschema.Owner{}) {
		return
	}
	t := v.tallies[f.Owner.ID]
	if t.kind == "" {
		t.kind, t.stream, t.first = f.Owner.Kind, r.Stream, r.Position
	}
	if r.Sealed != nil {
		t.there++
	}
	_, gone := f.Body.(eventschema.Redacted)
	switch {
	case gone, r.Sealed == nil:
		if t.gone++; t.gone == 1 {
			t.lost, t.stream = r.Position, r.Stream
		}
		v.Gone++
	case f.Closed != nil:
		t.closed++
		v.Closed++
	}
	v.tallies[f.Owner.ID] = t
}

// erasures holds what can no longer be read, and what still can, against the erasures on record: nothing else may make sealed
// bytes or a key go, and these must.
func (v *verifier) erasures() {
	var found []problem
	for id, t := range v.tallies {
		var erased, destroyed, swept bool
		switch t.kind {
		case eventschema.KeyClient:
			s := v.clients[id]
			erased, destroyed, swept = s.Erased, s.KeyDestroyed, s.Swept
		case eventschema.KeyStaff:
			e := v.ended[id]
			erased, destroyed, swept = e.erased, e.keyDestroyed, e.keyDestroyed
		}
		at := problem{Position: cmp.Or(t.lost, t.first), Stream: t.stream}
		switch {
		case t.gone > 0 && !erased && !destroyed:
			at.What = fmt.Sprintf("the content of %d sealed events under %s's key is gone, and no erasure is on record", t.gone, t.kind)
		case destroyed && !v.destroyed(eventschema.Owner{Kind: t.kind, ID: id}):
			at.What = "the key is on record as destroyed, and the keyring holds it or knows nothing of it"
		case swept && t.there > 0:
			at.What = fmt.Sprintf("%d ciphertexts are there that are on record as removed", t.there)
		default:
			continue
		}
		found = append(found, at)
	}
	slices.SortFunc(found, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Stream, b.Stream))
	})
	for _, p := range found {
		v.add(p)
	}
}

// destroyed tells whether the keyring, if there is one, says so of a key.
func (v *verifier) destroyed(o eventschema.Owner) bool {
	if v.keys == nil {
		return true
	}
	_, err := v.keys.Open(o, nil, nil)
	return errors.Is(err, eventschema.ErrGone)
}

// organisation checks one event of an organisation against the state before it.
func (v *verifier) organisation(r *eventschema.Record, f *eventschema.Fact) {
	before := v.orgs[f.Subject]
	body, _ := f.Body.(organisation.Body)
	s := organisation.Evolve(before, organisation.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	system := f.Act.Role == domain.RoleSystem
	headless := func(s organisation.State) bool { return len(s.Members) > 0 && s.Superusers() == 0 }
	if s.Version > 2 && headless(s) && !headless(before) && !system {
		v.problem(r, "the organisation is left without a superuser")
	}
	switch b := body.(type) {
	case organisation.ProfessionalErased:
		v.ended[b.Professional] = erasing{erased: true, keyDestroyed: v.ended[b.Professional].keyDestroyed}
		if m, ok := before.Members[b.Professional]; !ok || m.Erased || m.Active && !system {
			v.problem(r, "somebody erased who was on the list, or not there to be erased")
		}
	case organisation.ProfessionalKeyDestroyed:
		v.ended[b.Professional] = erasing{erased: v.ended[b.Professional].erased, keyDestroyed: true}
		if m := before.Members[b.Professional]; !m.Erased || m.KeyDestroyed || !system {
			v.problem(r, "the key of somebody destroyed who was not erased, or twice, or by somebody else than the system")
		}
	}
	v.leave(f, before, s)
	v.orgs[f.Subject] = s
}

// access checks one event of an exceptional access against the state before it.
func (v *verifier) access(r *eventschema.Record, f *eventschema.Fact) {
	s := v.accesses[f.Subject]
	body, _ := f.Body.(oversight.Body)
	if _, opened := body.(oversight.AccessOpened); opened != s.By.IsZero() {
		v.problem(r, "%s of an access that was not opened, or opened twice", f.Name)
	}
	after := oversight.EvolveAccess(s, oversight.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	switch body.(type) {
	case oversight.AccessOpened:
		who := f.Act.Role == domain.RoleEmployee || f.Act.Role == domain.RoleSafetyManager && after.Door == oversight.Addresses
		if !who || after.By.IsZero() || after.Until.Sub(after.Opened) > oversight.Longest[after.Door] {
			v.problem(r, "an access opened by somebody who may not, or for longer than it may be")
		}
	case oversight.AccessUsed:
		if f.Act.Actor != s.By || !s.OpenAt(f.Act.At) {
			v.problem(r, "an access used by somebody else than who opened it, or not while it was open")
		} else if s.Door == oversight.Production {
			v.used[f.Act.Actor] = true
		}
	case oversight.AccessReviewed:
		if f.Act.Actor == s.By || f.Act.Role != domain.RoleSafetyManager || s.OpenAt(f.Act.At) || s.Reviewed != "" {
			v.problem(r, "an access reviewed by who opened it, by somebody who may not, while it was open, or twice")
		}
	}
	v.accesses[f.Subject] = after
}

// attemptReviewed checks that a review is of an attempt, by who may, and that it stands behind nothing but the attempt.
func (v *verifier) attemptReviewed(ctx context.Context, r *eventschema.Record, f *eventschema.Fact, b oversight.AttemptReviewed) {
	tried, err := v.at(ctx, r.Stream, 1)
	_, attempt := tried.Body.(oversight.LookUpRefused)
	switch {
	case err != nil:
		v.problem(r, "%v", err)
	case !attempt, f.Version != 2, b.By != tried.Act.Actor:
		v.problem(r, "a review of an attempt that there was not, or that somebody else made, or a second one")
	case f.Act.At.Before(tried.Act.At):
		v.problem(r, "%s was recorded before the event that it follows", f.Name)
	case f.Act.Actor == b.By, f.Act.Role != domain.RoleSafetyManager && !v.reviews(f, tried.Act.Organisation):
		v.problem(r, "a refused attempt reviewed by who made it, or by somebody who may not")
	}
}

// reviews tells whether a review is by a superuser of the organisation.
func (v *verifier) reviews(f *eventschema.Fact, of domain.ID) bool {
	return f.Act.Role == domain.RoleSuperuser && f.Act.Organisation == of &&
		(v.orgs[of].Standing(f.Act.Actor) == domain.RoleSuperuser || v.overtaken(f))
}

// at reads the open event of a stream at a version; one without a body where there is none.
func (v *verifier) at(ctx context.Context, stream string, version uint64) (eventschema.Fact, error) {
	for r, err := range v.store.Stream(ctx, stream, version) {
		if err != nil {
			return eventschema.Fact{}, err
		}
		return eventschema.Today.Decode(&r, nil)
	}
	return eventschema.Fact{}, nil
}

// staff checks one event of an account against the state before it.
func (v *verifier) staff(r *eventschema.Record, f *eventschema.Fact) {
	s := v.accounts[f.Subject]
	body, _ := f.Body.(staff.Body)
	in := func(step uint64) {
		switch err := s.Enters(s.Credentials, step); {
		case domain.Refused(err) == staff.NotDeclared:
			v.problem(r, "%s without a declaration of confidentiality that was signed before", f.Name)
		case err != nil, f.Act.Actor != f.Subject:
			v.problem(r, "%s by somebody else, without a password that held, or by a one-time code that was used", f.Name)
		}
	}
	switch b := body.(type) {
	case staff.Accepted:
		if s.Opens(b.Code, s.Invitation.Confirmation, f.Act.At) != nil || f.Act.Actor != f.Subject {
			v.problem(r, "an invitation accepted by somebody else, too late, or one that there was not")
		}
	case staff.SignedIn:
		in(b.Step)
	case staff.SteppedUp:
		in(b.Step)
	case staff.DeclarationSigned:
		if f.Act.Actor != f.Subject || f.Act.Text == (domain.Text{}) || s.Ended {
			v.problem(r, "a declaration signed by somebody else, without a wording, or after the end")
		}
	default:
		if body != nil && s.Ended {
			v.problem(r, "%s after the account had ended", f.Name)
		}
	}
	v.accounts[f.Subject] = staff.Evolve(s, staff.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}

// leave notes who lost a role by an event of an organisation.
func (v *verifier) leave(f *eventschema.Fact, before, after organisation.State) {
	var id domain.ID
	switch b := f.Body.(type) {
	case organisation.ProfessionalDeactivated:
		id = b.Professional
	case organisation.RoleChanged:
		id = b.Professional
	case organisation.ProfessionalErased:
		id = b.Professional
	default:
		return
	}
	if was := before.Standing(id); was != after.Standing(id) {
		v.left[member{f.Subject, id}] = loss{was, f.Act.At}
	}
}

// overtaken tells whether the reader had the role and lost it while the look-up was under way. The door reads the
// standing once more behind the event, and then shows nothing.
func (v *verifier) overtaken(f *eventschema.Fact) bool {
	l, ok := v.left[member{f.Act.Organisation, f.Act.Actor}]
	return ok && l.role == f.Act.Role && f.Act.At.Sub(l.at) < answering
}

// client checks one event of a client's stream against the state before it.
func (v *verifier) client(ctx context.Context, r *eventschema.Record, f *eventschema.Fact) {
	s := v.clients[f.Subject]
	body, _ := f.Body.(client.Body)
	reapplied := f.Act.Role == domain.RoleSystem && client.IsEnding(body)
	now := f.Act.At
	if reapplied {
		now = f.Effective
	}
	if next, ok := s.NextDue(v.rules); ok && !next.Effective.After(now) {
		v.timely(r, f, next)
	}
	v.erasure(r, f, s, body)
	switch b := body.(type) {
	case client.LookedUp:
		v.Lookups++
		v.lookedUp(r, f, s, b)
	case client.Lapsed:
		v.Lapses++
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.LapseOn.Start()) {
			v.problem(r, "a lapse that is not at its instant, or of nothing that was live")
		}
	case client.FollowUpAsked:
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.AskOn.Start()) {
			v.problem(r, "a question that is not at its instant, or without a live yes")
		}
	case client.Granted, client.FollowUpConfirmed:
		v.ownAct(r, f, s)
		v.terms(r, f, s, body)
	case client.Declined, client.Withdrawn, client.FollowUpEnded, client.CodeRotated, client.Restricted, client.Erased:
		if !reapplied {
			v.ownAct(r, f, s)
		}
	case client.RestrictionLifted:
		v.ownAct(r, f, s)
	case client.LookUpQuestioned:
		v.ownAct(r, f, s)
		v.madeBy(ctx, r, f, b.LookUp, b.By)
	case client.LookUpReviewed:
		v.madeBy(ctx, r, f, b.LookUp, b.By)
		if f.Act.Actor == b.By || f.Act.Role != domain.RoleSafetyManager && !v.reviews(f, s.Organisation) {
			v.problem(r, "a look-up reviewed by who made it, or by somebody who may not")
		}
	case client.Deactivated:
		t := v.tallies[f.Subject]
		if last := v.journals[f.Subject].LastLogin; t.gone+t.closed == 0 && !s.Deactivated && !f.Effective.Equal(s.IdleFrom(v.rules, last)) {
			v.problem(r, "a deactivation that is not at its instant")
		}
	}
	v.clients[f.Subject] = client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}

// erasure finds what stands behind an erasure that does not belong there, and steps of one out of their order.
func (v *verifier) erasure(r *eventschema.Record, f *eventschema.Fact, s client.State, body client.Body) {
	inOrder := false
	switch body.(type) {
	case client.KeyDestroyed:
		inOrder = s.Erased && !s.KeyDestroyed && f.Act.Role == domain.RoleSystem
	case client.Swept:
		inOrder = s.KeyDestroyed && !s.Swept && f.Act.Role == domain.RoleSystem
	case client.LookUpReviewed:
		inOrder = true
	default:
		inOrder = !s.Erased
	}
	if !inOrder {
		v.problem(r, "%s, which belongs neither before nor behind an erasure at this place", f.Name)
	}
}

// madeBy finds a question or a review about what is no look-up by that person.
func (v *verifier) madeBy(ctx context.Context, r *eventschema.Record, f *eventschema.Fact, version uint64, who domain.ID) {
	made, err := v.at(ctx, r.Stream, version)
	b, _ := made.Body.(client.LookedUp)
	switch {
	case err != nil:
		v.problem(r, "%v", err)
	case b.Basis != client.ByGrant, made.Version != version, version >= f.Version, made.Act.Actor != who:
		v.problem(r, "%s about a look-up that there was not, or that somebody else made", f.Name)
	}
}

// ownAct finds what only the client may do, done by somebody else.
func (v *verifier) ownAct(r *eventschema.Record, f *eventschema.Fact, s client.State) {
	if f.Act.Role != domain.RoleClient || f.Act.Actor != s.Client {
		v.problem(r, "%s that is not the client's own act", f.Name)
	}
}

// timely finds an event recorded after a deadline whose own event does not stand before it.
func (v *verifier) timely(r *eventschema.Record, f *eventschema.Fact, next client.Event) {
	if reflect.TypeOf(f.Body) != reflect.TypeOf(next.Body) || !f.Effective.Equal(next.Effective) {
		v.problem(r, "%s, while what time brought at %s is not in the stream", f.Name, next.Effective.Format(time.RFC3339))
	}
}

// terms checks the dates of a yes against the rulebook in force on its day.
func (v *verifier) terms(r *eventschema.Record, f *eventschema.Fact, s client.State, body client.Body) {
	row, ok := v.rules[s.Service].InForce(domain.DateOf(f.Effective))
	t := row.Terms(domain.DateOf(f.Effective))
	ask, lapse := t.AskOn, t.LapseOn
	switch b := body.(type) {
	case client.Granted:
		ask, lapse = b.AskOn, b.LapseOn
	case client.FollowUpConfirmed:
		ask, lapse = b.AskOn, b.LapseOn
	}
	if !ok || f.Rule != t.Rule || ask != t.AskOn || lapse != t.LapseOn {
		v.problem(r, "a yes whose dates are not those of the rule in force")
	}
}

func (v *verifier) lookedUp(r *eventschema.Record, f *eventschema.Fact, s client.State, b client.LookedUp) {
	if b.Journal > v.journals[f.Subject].Version {
		v.problem(r, "a look-up that names a journal version which did not exist")
	}
	if b.Basis == client.OwnData {
		if f.Act.Role != domain.RoleClient || f.Act.Actor != s.Client {
			v.problem(r, "a reading of own data by somebody else")
		}
		return
	}
	now := s.At(v.rules, f.Act.At)
	switch {
	case b.Basis != client.ByGrant:
		v.problem(r, "a look-up without a known basis")
	case now.Status != client.Shared || now.Restricted || now.Deactivated:
		v.problem(r, "a look-up without a live yes")
	case b.Grant != now.Grant:
		v.problem(r, "a look-up that names another yes than the live one")
	case f.Act.Organisation != s.Organisation:
		v.problem(r, "a look-up by another organisation than the one shared with")
	case v.orgs[f.Act.Organisation].Standing(f.Act.Actor) == f.Act.Role:
	case v.overtaken(f):
		v.Unshown++
	default:
		v.problem(r, "a look-up by somebody who had no access in that role")
	}
	if b.Purpose == client.Together || b.Purpose == client.OnBehalf {
		v.admitted[entry{f.Subject, f.Act.Actor, b.Purpose}]++
	}
}

// journal checks one entry. What was under way when the client was erased can stand behind that event, and is swept with the rest;
// once the key is gone, nothing can be entered.
func (v *verifier) journal(r *eventschema.Record, f *eventschema.Fact) {
	body, _ := f.Body.(journal.Body)
	if v.clients[f.Subject].KeyDestroyed {
		v.problem(r, "an entry about a client who is erased")
	}
	how := journal.ByClient
	switch b := body.(type) {
	case journal.Assessed:
		how = b.Entered
	case journal.Answered:
		how = b.Entered
	}
	if slices.Contains([]journal.Entered{journal.Together, journal.OnBehalf}, how) {
		purpose := client.Together
		if how == journal.OnBehalf {
			purpose = client.OnBehalf
		}
		e := entry{f.Subject, f.Act.Actor, purpose}
		switch v.admitted[e] {
		case 0:
			v.problem(r, "an entry by a professional without a look-up that let it in")
		case 1:
			delete(v.admitted, e)
		default:
			v.admitted[e]--
		}
	}
	if f.Act.Role == domain.RoleClient && f.Act.Actor != f.Subject {
		v.problem(r, "an entry by another client")
	}
	v.journals[f.Subject] = journal.Evolve(v.journals[f.Subject], journal.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}
