package views_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A shaky store loses commits: as its fate says, before they are written, or with their answer. It notes what each came to.
type shaky struct {
	views.Store
	fate func() fate
	load func() error // what comes before documents are loaded
	held func()       // what comes once a moment is kept (Still)
	rows func()       // what comes, once, before a generation's documents are read
	came []error
	size int // bytes that the last commit wrote
}

type fate int

const (
	pass      fate = iota
	lostFirst      // nothing is written, and the folder hears that it is to fold again
	lostAfter      // all is written, and the folder hears the same
	killFirst      // nothing is written, and the process ends
	killAfter      // all is written, and the process ends
	fates
)

var errKilled = errors.New("the process was killed")

func (s *shaky) Claim(ctx context.Context, shape string, anew bool, fits func(views.Progress) (bool, error)) (views.Generation, error) {
	g, err := s.Store.Claim(ctx, shape, anew, fits)
	return shakyGeneration{g, s}, err
}

func (s *shaky) Still(ctx context.Context, use func(views.Rows, ledger.Position) error) error {
	return s.Store.Still(ctx, func(rows views.Rows, at ledger.Position) error {
		if s.held != nil {
			s.held()
		}
		return use(rows, at)
	})
}

type shakyGeneration struct {
	views.Generation
	of *shaky
}

func (g shakyGeneration) Rows(ctx context.Context, s views.Select) iter.Seq2[views.Stored, error] {
	if before := g.of.rows; before != nil {
		g.of.rows = nil
		before()
	}
	return g.Generation.Rows(ctx, s)
}

func (g shakyGeneration) Load(ctx context.Context, documents []views.Key) ([]views.Stored, error) {
	if g.of.load != nil {
		if err := g.of.load(); err != nil {
			return nil, err
		}
	}
	return g.Generation.Load(ctx, documents)
}

func (g shakyGeneration) Commit(ctx context.Context, to views.Progress, rows []views.Stored) (err error) {
	defer func() { g.of.came = append(g.of.came, err) }()
	now := pass
	if g.of.fate != nil {
		now = g.of.fate()
	}
	g.of.size = 0
	for _, r := range rows {
		g.of.size += len(r.Body)
	}
	switch now {
	case lostFirst:
		return views.ErrAgain
	case killFirst:
		return errKilled
	}
	if err := g.Generation.Commit(ctx, to, rows); err != nil {
		return err
	}
	switch now {
	case lostAfter:
		return views.ErrAgain
	case killAfter:
		return errKilled
	}
	return nil
}

// ask asks the database for one value.
func ask[V any](b *base, query string, args ...any) (v V) {
	b.t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, b.dsn)
	if err == nil {
		defer c.Close(ctx)
		err = c.QueryRow(ctx, query, args...).Scan(&v)
	}
	if err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return v
}

// states gives the generations of a schema in their order, with their states.
func (b *base) states(schema string) string {
	return ask[string](b, "SELECT coalesce(string_agg(number || ' ' || state, ', ' ORDER BY number), '') FROM "+schema+".generation")
}

// lived is a house in memory in which somebody has gone through a lot.
func lived(t *testing.T) *house {
	h := furnished(t)
	ctx := t.Context()
	o, p := h.orgs[0], h.people[0]
	for range 15 {
		h.journal(p, journal.Answer{Task: "t", Text: canaryAnswer, Entered: journal.ByClient})
		_, err := h.desk.Door.LookUp(ctx, o.boss, p.handle, client.Appointment, views.AllKinds)
		h.must(err)
	}
	pro := h.professional(o)
	_, err := h.desk.Invite(ctx, o.boss, pro.Actor)
	h.must(err)
	h.journal(p, journal.Rate{Content: "c", Stars: 4})
	h.catchUp()
	return h
}

// A folder that is killed at any batch, or loses its connection there, leaves documents that agree with their cursor; whoever comes
// next goes on from there, and in the end nothing is missing or twice.
func TestKilledWhileFolding(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema, head := t.Context(), b.schema(), h.keeper.Cursor()
	s := &shaky{Store: b.store(t, schema)}
	turns := 0
	s.fate = func() fate {
		turns++
		return fate(turns) % fates
	}
	cut := &ending{Store: h.ledger.Store}
	over := func(of views.Store) *views.Keeper {
		return b.in(of)(&ledger.Ledger{Store: cut, Keys: h.ledger.Keys, Clock: h.ledger.Clock, Random: h.ledger.Random})
	}
	k := over(s)
	for at := ledger.Position(0); at < head; {
		cut.head = min(head, at+5)
		err := k.CatchUp(ctx)
		if errors.Is(err, errKilled) {
			k.Close()
			s.Store = b.store(t, schema)
			k = over(s)
		} else {
			h.must(err)
		}
		at = ask[ledger.Position](b, "SELECT cursor FROM "+schema+".generation")
		cut.head = at
		then := h.keeper.Fresh()
		h.must(then.CatchUpTo(ctx, at))
		h.must(k.CatchUp(ctx)) // which folds nothing
		h.same(fmt.Sprint("after ", err), k, then)
	}
	if turns < 2*int(fates) {
		t.Errorf("only %d commits", turns)
	}
	if got := b.states(schema); got != "1 live" {
		t.Errorf("generations %s", got)
	}
}

// Of two folders one writes. The other is told, has written nothing, and finds what the first one did.
func TestSecondFolder(t *testing.T) {
	b := newBase(t)
	h := furnished(t)
	ctx, schema := t.Context(), b.schema()
	first, second := &shaky{Store: b.store(t, schema)}, &shaky{Store: b.store(t, schema)}
	one, two := b.in(first)(h.ledger), b.in(second)(h.ledger)
	h.must(one.CatchUp(ctx))
	h.must(two.CatchUp(ctx))
	if len(second.came) != 0 {
		t.Fatal("what had been folded was folded again")
	}
	h.journal(h.people[0], journal.Answer{Task: "t", Text: canaryAnswer, Entered: journal.ByClient})
	h.must(one.CatchUp(ctx))
	h.must(two.CatchUp(ctx))
	if len(second.came) != 1 || !errors.Is(second.came[0], views.ErrAgain) {
		t.Errorf("the second folder's commits came to %v", second.came)
	}
	write := func() {
		p := h.people[0]
		h.journal(p, journal.Answer{Task: "t", Text: canaryAnswer, Entered: journal.ByClient})
		_, err := h.desk.Door.LookUp(ctx, p.office.boss, p.handle, client.Appointment, views.AllKinds)
		h.must(err)
	}
	agree := func(what string) {
		t.Helper()
		h.must(one.CatchUp(ctx))
		h.catchUp()
		h.same(what+": the first", one, h.keeper)
		h.same(what+": the second", two, h.keeper)
	}
	agree("in turn")
	second.fate = func() fate { // what it has read is of before the first one wrote
		second.fate = nil
		h.must(one.CatchUp(ctx))
		return pass
	}
	write()
	h.must(two.CatchUp(ctx))
	write()
	h.must(two.CatchUp(ctx))
	agree("lost at the end")
	two.Close()
	two = b.in(second)(h.ledger) // with nothing in its cache
	h.must(two.CatchUp(ctx))
	second.load = func() error {
		second.load = func() error { // of what is sealed, after the rest has been folded
			second.load = nil
			write()
			h.must(one.CatchUp(ctx))
			return views.ErrAgain
		}
		return nil
	}
	write()
	h.must(two.CatchUp(ctx))
	write()
	h.must(two.CatchUp(ctx))
	agree("lost in the middle")

	// Both run, and take each other's place as it comes; who waits sees what was written, whoever folded it.
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 4)
	for _, k := range []*views.Keeper{one, two} {
		go func() { ended <- k.Run(running) }()
		go func() { ended <- k.Follow(running) }()
	}
	for i := range 20 {
		p, err := h.desk.Register(ctx, h.people[0].by, journal.Answer{Task: "t", Text: fmt.Sprint(i), Entered: journal.ByClient})
		h.must(err)
		for _, k := range []*views.Keeper{one, two} {
			h.must(k.Wait(ctx, p))
		}
	}
	h.catchUp()
	h.same("both ran", one, h.keeper)
	h.same("both ran", two, h.keeper)
	stop()
	for range 4 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	}
}

// A program with other views builds them beside the live ones, which the old one goes on keeping and reading. A builder that dies is
// followed by another, who goes on. Then they are live; the old ones stay while they are read, and then go.
func TestGenerationsBesideEachOther(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema, head := t.Context(), b.schema(), h.keeper.Cursor()
	old := b.in(b.store(t, schema))(h.ledger)
	h.must(old.CatchUp(ctx))
	cut := &ending{Store: h.ledger.Store}
	next := func(s views.Store) *views.Keeper {
		l := &ledger.Ledger{Store: cut, Keys: h.ledger.Keys, Clock: h.ledger.Clock, Random: h.ledger.Random}
		return b.in(s)(l).Reshape("another")
	}
	dies := &shaky{Store: b.store(t, schema)}
	commits := 0
	dies.fate = func() fate {
		if commits++; commits == 3 {
			return killAfter
		}
		return pass
	}
	cut.head = head
	small := next(dies)
	views.Batches(small, 7)
	if err := small.CatchUp(ctx); !errors.Is(err, errKilled) {
		t.Fatalf("the builder ended with %v", err)
	}
	small.Close()
	if got := b.states(schema); got != "1 live, 2 building" {
		t.Errorf("while one is built: %s", got)
	}
	begun := ask[ledger.Position](b, "SELECT cursor FROM "+schema+".generation WHERE number = 2")
	h.journal(h.people[0], journal.Rate{Content: "c", Stars: 3})
	h.must(old.CatchUp(ctx))
	h.catchUp()
	h.same("the old one, while another is built", old, h.keeper)

	resumes := &shaky{Store: b.store(t, schema)}
	built := next(resumes)
	cut.head = h.keeper.Cursor()
	also := next(b.store(t, schema)) // wants to build as well
	h.must(built.CatchUp(ctx))
	h.must(also.CatchUp(ctx))
	if got := b.states(schema); got != "1 retired, 2 live" || begun != 21 || len(resumes.came) != 1 {
		t.Errorf("once it is built: %s; begun up to %d, then %d commits", got, begun, len(resumes.came))
	}
	h.journal(h.people[0], journal.Rate{Content: "c", Stars: 1})
	h.catchUp()
	cut.head = h.keeper.Cursor()
	h.must(old.CatchUp(ctx))
	h.must(built.CatchUp(ctx))
	h.must(also.CatchUp(ctx))
	h.same("the old program, still there", old, h.keeper)
	h.same("the new one", built, h.keeper)
	h.same("the other new one", also, h.keeper)
	old.Close()
	waiting, enough := context.WithTimeout(ctx, time.Minute)
	defer enough()
	for b.states(schema) != "2 live" && waiting.Err() == nil { // the server hears of the end of a connection when it does
		h.must(built.CatchUp(ctx))
	}
	if got := b.states(schema); got != "2 live" || ask[bool](b, "SELECT to_regclass($1) IS NOT NULL", schema+".document_1") {
		t.Errorf("once nobody reads the old one: %s", got)
	}
}

// The documents are made anew beside those that are read, and take their place, while everything is read and written on.
func TestRebuildWhileReading(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema := t.Context(), b.schema()
	k := b.in(b.store(t, schema))(h.ledger)
	h.must(k.CatchUp(ctx))
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 3)
	go func() { ended <- k.Run(running) }()
	go func() { ended <- k.Follow(running) }()
	read := make(chan struct{}, 1)
	go func() {
		for n := 0; ; n++ {
			list, err := k.Caseload.List(ctx, h.orgs[0].id)
			if err == nil && len(list) != 2 {
				err = fmt.Errorf("%d clients are listed", len(list))
			}
			if t, _, err2 := k.Organisations.Get(ctx, h.orgs[0].id); err == nil && (err2 != nil || t.Count < 16) {
				err = fmt.Errorf("a trail of %d: %w", t.Count, err2)
			}
			if err != nil || running.Err() != nil {
				ended <- cmp.Or(err, running.Err())
				return
			}
			select {
			case read <- struct{}{}:
			default:
			}
		}
	}()
	<-read
	for round := range 3 {
		other := b.in(b.store(t, schema))(h.ledger)
		h.must(other.CatchUp(ctx))
		diffs, err := other.Rebuild(ctx)
		if err != nil || len(diffs) > 0 {
			t.Errorf("made anew: %v differ, %v", diffs, err)
		}
		other.Close()
		<-read
		p, err := h.desk.Register(ctx, h.people[0].by, journal.Rate{Content: "c", Stars: 1 + round})
		h.must(err)
		h.must(k.Wait(ctx, p))
	}
	h.catchUp()
	h.same("after three rebuilds", k, h.keeper)
	waiting, enough := context.WithTimeout(ctx, time.Minute)
	defer enough()
	for b.states(schema) != "4 live" && waiting.Err() == nil { // as the one who follows finds, at every poll
	}
	if got := b.states(schema); got != "4 live" {
		t.Errorf("once everybody reads the last one: %s", got)
	}
	stop()
	for range 3 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	}
}

// A rebuild names each document that is not as it should be: one that was changed, one that is missing, and one too many; and what it has
// made in their place is right.
func TestRebuildNamesWhatHasDrifted(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema := t.Context(), b.schema()
	k := b.in(b.store(t, schema))(h.ledger)
	h.must(k.CatchUp(ctx))
	drift := func(view, sql string) string {
		return view + " " + ask[string](b, fmt.Sprintf(sql, schema+".document_1", views.NumberOf(k, view)))
	}
	want := []string{
		drift("codes", "INSERT INTO %[1]s SELECT view, gen_random_uuid(), part, parts, at, version, grouped, due, body FROM %[1]s WHERE view = %[2]d LIMIT 1 RETURNING id"),
		drift("handles", "DELETE FROM %[1]s WHERE ctid = (SELECT ctid FROM %[1]s WHERE view = %[2]d LIMIT 1) RETURNING id"),
		drift("organisations", "UPDATE %[1]s SET at = at - 1 WHERE ctid = (SELECT ctid FROM %[1]s WHERE view = %[2]d AND part = 0 LIMIT 1) RETURNING id"),
	}
	diffs, err := k.Rebuild(ctx)
	if slices.Sort(diffs); err != nil || !slices.Equal(diffs, want) {
		t.Errorf("%v differ, %v; want %v", diffs, err, want)
	}
	h.same("made anew", k, h.keeper)
	if diffs, err := k.Rebuild(ctx); err != nil || len(diffs) > 0 {
		t.Errorf("once more: %v differ, %v", diffs, err)
	}
}

// The database keeps a moment only for what came behind it and for the comparison: everything else is folded before. So what is erased
// meanwhile has not drifted either.
func TestRebuildKeepsAMomentShortly(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema := t.Context(), b.schema()
	s := &shaky{Store: b.store(t, schema)}
	k := b.in(s)(h.ledger)
	h.must(k.CatchUp(ctx))
	_, err := h.desk.Register(ctx, h.people[0].by, journal.Rate{Content: "c", Stars: 1})
	h.must(err)
	s.held = func() {
		if got := ask[string](b, "SELECT string_agg(state || ' ' || cursor, ', ' ORDER BY number) FROM "+schema+".generation"); got != fmt.Sprintf("live %[1]d, building %[1]d", k.Cursor()) {
			t.Errorf("when the moment is kept, the generations stand so: %s, and the views at %d", got, k.Cursor())
		}
		_, err := h.desk.Erase(ctx, h.people[0].by)
		h.must(err)
	}
	if diffs, err := k.Rebuild(ctx); err != nil || len(diffs) > 0 {
		t.Errorf("made anew: %v differ, %v", diffs, err)
	}
	h.catchUp()
	h.same("made anew", k, h.keeper)
}

// Of two rebuilds at once, the one whose documents the other folded on while it compared them says that, and names none.
func TestTwoRebuilds(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema := t.Context(), b.schema()
	s := &shaky{Store: b.store(t, schema)}
	k, other := b.in(s)(h.ledger), b.in(b.store(t, schema))(h.ledger)
	h.must(k.CatchUp(ctx))
	s.rows = func() {
		_, err := h.desk.Register(ctx, h.people[0].by, journal.Rate{Content: "c", Stars: 1})
		h.must(err)
		if diffs, err := other.Rebuild(ctx); err != nil || len(diffs) > 0 {
			t.Errorf("the other one: %v differ, %v", diffs, err)
		}
	}
	if diffs, err := k.Rebuild(ctx); err == nil || len(diffs) > 0 {
		t.Errorf("%v differ, %v", diffs, err)
	}
	if diffs, err := k.Rebuild(ctx); err != nil || len(diffs) > 0 {
		t.Errorf("when the other one has ended: %v differ, %v", diffs, err)
	}
}

// Documents of another history are made anew: a backup of the ledger was put back.
func TestStoreOfAnotherHistory(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	ctx, schema := t.Context(), b.schema()
	k := b.in(b.store(t, schema))(h.ledger)
	h.must(k.CatchUp(ctx))
	k.Close()
	restored := ledgertest.Memory()
	for _, r := range ledgertest.Between(t, h.ledger.Store, 0, h.keeper.Cursor()-3) {
		_, err := restored.Append(ctx, r.Stream, r.Version-1, r)
		h.must(err)
	}
	was := h.ledger.Store
	h.ledger.Store = restored
	again := *h
	again.keeper = h.over(restored)
	for range 5 {
		h.must(h.desk.Suggest(ctx, domain.Text{}, journal.Feedback{Form: "f", Text: "x"}))
	}
	k = b.in(b.store(t, schema))(again.keeper.Ledger())
	h.must(k.CatchUp(ctx))
	again.catchUp()
	h.same("over the restored ledger", k, again.keeper)
	if got := b.states(schema); got != "2 live" {
		t.Errorf("generations %s", got)
	}
	h.ledger.Store = was
}

// Of an erased client and an erased professional no document that was sealed is left in any table, and nothing personal of anybody stands
// there in clear: neither in a document nor in what documents are listed and ordered by.
func TestNothingPersonalInTheTables(t *testing.T) {
	b := newBase(t)
	schema := b.schema()
	h := furnished(t, b.in(b.store(t, schema)))
	ctx := t.Context()
	o, p, other := h.orgs[0], h.people[0], h.people[1]
	pro := h.professional(o)
	_, err := h.desk.Invite(ctx, o.boss, pro.Actor)
	h.must(err)
	h.catchUp()
	account, known := document(h, h.keeper.Accounts, pro.Actor)
	invited := listed(h, h.keeper.Accounts, account.Login)
	if _, found := invited[pro.Actor]; !known || !found {
		t.Fatal("the account is not found by its login name")
	}
	j, _, err := h.desk.Journals.State(ctx, p.id)
	h.must(err)
	idle, _ := document(h, h.keeper.Idle, p.id)
	day := domain.DateOf(idle.State.IdleFrom(h.books(), j.LastLogin))
	if due, err := h.keeper.Idle.DueBy(ctx, day); err != nil || !slices.Contains(due, p.id) {
		t.Errorf("due by the day: %v, %v", due, err)
	}
	if due, err := h.keeper.Idle.IsDue(ctx, p.id, day-1); due || err != nil {
		t.Errorf("due the day before: %v, %v", due, err)
	}
	sealed := func(owner domain.ID, views ...string) (n int) {
		for _, v := range views {
			n += ask[int](b, "SELECT count(*) FROM "+schema+".document_1 WHERE view = $1 AND id = $2", h.keeper.Number(v), [16]byte(owner))
		}
		return n
	}
	ofClient, ofStaff := []string{"idle", "registrations", "contributions", "labels"}, []string{"accounts", "invitations"}
	if n, m := sealed(p.id, ofClient...), sealed(pro.Actor, ofStaff...); n != 4 || m != 2 {
		t.Fatalf("%d documents of the client and %d of the professional: this test looks in the wrong place", n, m)
	}
	labelled := projections.LabelKey(p.office.id, p.label)
	looks := func(when string) {
		t.Helper()
		raw := ask[string](b, "SELECT string_agg(to_jsonb(d)::text, ' ') FROM "+schema+".document_1 d")
		bodies := ask[[]byte](b, "SELECT string_agg(body, '\\x00'::bytea) FROM "+schema+".document_1")
		for what, canary := range map[string]string{
			"an answer": canaryAnswer, "a note": canaryNote, "a browser": canaryBrowser, "the label": p.label, "a name": details.LastName,
			"the instant of a login": j.LastLogin.Format("2006-01-02T15:04:05"), "the day of a login": j.LastLogin.Format("2006-01-02"),
			"the key of a login name": string(account.Login[:]), "its text": account.Login.String(),
			"the key of a label": string(labelled[:]), "that key's text": labelled.String(),
		} {
			if strings.Contains(raw, canary) || bytes.Contains(bodies, []byte(canary)) {
				t.Errorf("%s: the tables hold %s", when, what)
			}
		}
		inClear := ask[int](b, "SELECT count(*) FROM "+schema+".document_1 WHERE view = $1 AND due::text LIKE '00000000-0000-0000-0000-0000%'", h.keeper.Number("idle"))
		if inClear != 0 {
			t.Errorf("%s: %d days of inactivity stand in clear", when, inClear)
		}
		if !bytes.Contains(bodies, p.office.id[:]) {
			t.Error("the tables do not hold what they should in clear: this test looks at the wrong ones")
		}
	}
	looks("before")
	_, err = h.desk.Erase(ctx, p.by)
	h.must(err)
	_, err = h.desk.Organisations.Do(ctx, o.id, o.boss, organisation.Deactivate{Professional: pro.Actor})
	h.must(err)
	_, err = h.desk.Organisations.Do(ctx, o.id, o.boss, organisation.EraseProfessional{Professional: pro.Actor})
	h.must(err)
	h.must(h.ledger.Keys.Destroy(ctx, keyring.Owner{Kind: keyring.Staff, ID: pro.Actor}))
	h.catchUp()
	h.must(h.desk.FinishErasures(ctx))
	h.catchUp()
	if n, m := sealed(p.id, ofClient...), sealed(pro.Actor, ofStaff...); n+m != 0 {
		t.Errorf("of the erased client %d documents are left, of the professional %d", n, m)
	}
	if sealed(other.id, ofClient...) != 3 { // who never logged in contributes nothing
		t.Error("another client's documents are gone")
	}
	looks("after")
	rebuilt := h.keeper.Fresh()
	h.must(rebuilt.CatchUp(ctx))
	h.same("after the erasures", h.keeper, rebuilt)
}

// Of a long document only what grows is written for another event, and it is read as one.
func TestLongDocuments(t *testing.T) {
	b := newBase(t)
	h := newHouse(t)
	ctx := t.Context()
	who := domain.ID{7}
	look := func(n int) {
		var records []eventschema.Record
		for range n {
			f := eventschema.Fact{
				ID: h.id(), Category: eventschema.OversightStream, Subject: h.id(), Version: 1, Effective: h.now,
				Act:  domain.Act{At: h.now, Actor: who, Role: domain.RoleAuditor},
				Body: oversight.Queried{Query: "q", About: "a", Reason: "r", Basis: "auditor", Opened: true},
			}
			r, err := eventschema.Today.Encode(&f, nil)
			h.must(err)
			records = append(records, r)
			_, err = h.ledger.Store.Append(ctx, eventschema.OversightStream.Stream(f.Subject), 0, r)
			h.must(err)
			h.now = h.now.Add(time.Second)
		}
	}
	s := &shaky{Store: b.store(t, b.schema())}
	k := b.in(s)(h.ledger)
	for range 3 {
		look(5000)
		h.must(k.CatchUp(ctx))
	}
	look(1)
	h.must(k.CatchUp(ctx))
	if s.size > 10_000 {
		t.Errorf("%d bytes were written for an event", s.size)
	}
	h.catchUp()
	h.same("long documents", k, h.keeper)
	trail, _, err := k.Audit.Get(ctx, who)
	h.must(err)
	if n := len(slices.Collect(trail.Positions())); n != 15_001 || trail.Count != n {
		t.Errorf("a trail of %d rows says %d", n, trail.Count)
	}
}

// A database that cannot be read is an error, and never an answer that there is nothing.
func TestStoreThatIsAway(t *testing.T) {
	b := newBase(t)
	s := b.store(t, b.schema())
	h := furnished(t, b.in(s))
	s.Close()
	ctx, p := t.Context(), h.people[0]
	for what, read := range map[string]func() error{
		"a document": func() error { _, _, err := h.keeper.Caseload.Get(ctx, p.id); return err },
		"a list":     func() error { _, err := h.keeper.Caseload.List(ctx, p.office.id); return err },
		"what is due": func() error {
			_, err := h.keeper.Due.DueBy(ctx, domain.DateOf(h.now))
			return err
		},
		"whether it is due": func() error { _, err := h.keeper.Idle.IsDue(ctx, p.id, domain.DateOf(h.now)); return err },
		"all": func() error {
			return h.keeper.Handles.Each(ctx, func(domain.ID, projections.Handle) error { return nil })
		},
		"a look-up": func() error {
			_, err := h.desk.Door.LookUp(ctx, p.office.boss, p.handle, client.Appointment, views.AllKinds)
			return err
		},
		"the overview": func() error { _, err := h.desk.Door.Caseload(ctx, p.office.boss); return err },
		"own data":     func() error { _, err := h.desk.Door.Own(ctx, p.by, client.Export); return err },
		"a login": func() error {
			_, err := h.desk.LogIn(ctx, p.code, journal.LogIn{Channel: journal.Web})
			return err
		},
		"time passing": func() error { _, _, err := h.desk.Tick(ctx); return err },
	} {
		if err := read(); err == nil || domain.Refused(err) != "" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What is folded together is bounded by the size of the documents, however many facts there are at a time.
func TestFoldedInSteps(t *testing.T) {
	b := newBase(t)
	h := lived(t)
	s := &shaky{Store: b.store(t, b.schema())}
	k := views.NewKeeperIn(h.ledger, h.books(), s, views.StoreOptions{Keyed: keyed, Batch: 4096})
	b.open = append(b.open, k.Close)
	h.must(k.CatchUp(t.Context()))
	first := len(s.came)
	for range 200 {
		h.journal(h.people[0], journal.Answer{Task: "t", Text: canaryAnswer, Entered: journal.ByClient})
	}
	h.must(k.CatchUp(t.Context()))
	if steps := len(s.came) - first; steps < 100 {
		t.Errorf("a document that is larger than what is folded together was written with %d of 200 facts at a time", 200/steps)
	}
	h.catchUp()
	h.same("in steps", k, h.keeper)
}
