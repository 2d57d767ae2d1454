package views_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Law 8: a view rebuilt from position 0 is the one that was kept up, however the facts came: one by one, at once, in
// batches of any size, every record twice, read back from a snapshot in the middle.
func TestReplayIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := live(t)
		ctx := context.Background()
		head := h.keeper.Cursor()

		rebuilt := h.keeper.Fresh()
		h.must(rebuilt.CatchUp(ctx))
		h.same("rebuilt at once", h.keeper, rebuilt)
		if diffs, err := h.keeper.Differences(ctx); err != nil || len(diffs) > 0 {
			t.Errorf("Differences: %v, %v", diffs, err)
		}

		doubled := h.over(twice{h.ledger.Store, uint64(rapid.IntRange(0, 9).Draw(t, "again"))})
		h.must(doubled.CatchUp(ctx))
		h.must(doubled.CatchUp(ctx))
		h.same("every record twice", doubled, rebuilt)

		cut := &ending{Store: twice{h.ledger.Store, 2}}
		batches := h.over(cut)
		d := newDisk()
		for cut.head < head {
			cut.head = min(head, cut.head+uint64(rapid.IntRange(1, 40).Draw(t, "batch")))
			h.must(batches.CatchUp(ctx))
			if rapid.IntRange(0, 3).Draw(t, "snapshot") == 0 {
				h.must(batches.Save(ctx, d))
				next := batches.Fresh()
				h.must(next.Load(ctx, d))
				if !h.keysGone() { // else documents are left out now that go only at a later event
					h.same("saved and loaded", next, batches)
				}
				batches = next
			}
		}
		h.same("in batches, with snapshots between", batches, rebuilt)

		h.indexesAgree(rebuilt)
		h.indexesAgree(h.keeper)
		h.indexesAgree(batches)
		h.foldsAgree(rebuilt)
	})
}

// indexesAgree compares the lists and dates with what follows from the documents, and with the clients' own streams.
func (h *house) indexesAgree(k *views.Keeper) {
	h.t.Helper()
	groups, _ := views.Indexed(k.Caseload)
	if want, _ := views.Derived(k.Caseload); !reflect.DeepEqual(groups, want) {
		h.t.Errorf("the lists are %v, the documents make %v", groups, want)
	}
	for what, v := range map[string]struct {
		got, want map[domain.Date]map[domain.ID]struct{}
	}{
		"due": {second(views.Indexed(k.Due)), second(views.Derived(k.Due))}, "idle": {second(views.Indexed(k.Idle)), second(views.Derived(k.Idle))},
	} {
		if !reflect.DeepEqual(v.got, v.want) {
			h.t.Errorf("%s: the dates are %v, the documents make %v", what, v.got, v.want)
		}
	}
	h.listsAgree(k)
}

// listsAgree compares what is listed and due with the clients' own streams.
func (h *house) listsAgree(k *views.Keeper) {
	h.t.Helper()
	due := map[domain.ID]domain.Date{}
	for _, p := range h.people {
		s, _, err := h.desk.Clients.State(context.Background(), p.id)
		h.must(err)
		j, _, err := h.desk.Journals.State(context.Background(), p.id)
		h.must(err)
		if e, ok := s.NextDue(rules.All); ok {
			due[p.id] = domain.DateOf(e.Effective)
		}
		_, listed := listed(h, k.Caseload, p.office.id)[p.id]
		if listed == s.Deactivated {
			h.t.Errorf("a client, deactivated %v, is listed %v", s.Deactivated, listed)
		}
		idle := s.IdleFrom(rules.All, j.LastLogin)
		for _, at := range []time.Time{idle.Add(-1), idle} {
			got, err := k.Idle.IsDue(context.Background(), p.id, domain.DateOf(at))
			h.must(err)
			if want := !s.Deactivated && !idle.After(at); got != want {
				h.t.Errorf("idle at %s: %v, the streams say %v", at, got, want)
			}
		}
	}
	days := append(slices.Collect(maps.Values(due)), domain.DateOf(h.now))
	for _, day := range days {
		for _, on := range []domain.Date{day - 1, day, day + 1} {
			var want []domain.ID
			for id, d := range due {
				if d <= on {
					want = append(want, id)
				}
			}
			got, err := k.Due.DueBy(context.Background(), on)
			h.must(err)
			byBytes := func(a, b domain.ID) int { return bytes.Compare(a[:], b[:]) }
			slices.SortFunc(got, byBytes)
			slices.SortFunc(want, byBytes)
			if !slices.Equal(got, want) {
				h.t.Errorf("due by %s: %d, the streams say %d", on, len(got), len(want))
			}
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// foldsAgree compares the documents with the views folded over all facts by the plainest loop there is.
func (h *house) foldsAgree(k *views.Keeper) {
	h.t.Helper()
	opened := h.facts()
	var closed []*projections.Fact
	head := k.Cursor()
	h.must(h.ledger.Upto(context.Background(), head, false, func(f *eventschema.Fact) error {
		own := *f
		closed = append(closed, &own)
		return nil
	}))
	projections.All(rules.All).Each(func(f projections.Fold) {
		facts := opened
		if f.Keeping == projections.Plain {
			facts = closed
		}
		want := f.Run(facts)
		var got map[domain.ID]any
		switch f.Name {
		case "caseload":
			got = documents(h, k.Caseload)
		case "due":
			got = documents(h, k.Due)
		case "idle":
			got = documents(h, k.Idle)
		case "access":
			got = documents(h, k.Access)
		case "audit":
			got = documents(h, k.Audit)
		case "codes":
			got = documents(h, k.Codes)
		case "handles":
			got = documents(h, k.Handles)
		case "accounts":
			got = documents(h, k.Accounts)
		case "invitations":
			got = documents(h, k.Invitations)
		case "erasures":
			got = documents(h, k.Erasures)
		case "reviews":
			got = documents(h, k.Reviews)
		case "accesses":
			got = documents(h, k.Accesses)
		case "organisations":
			got = documents(h, k.Organisations)
		case "times":
			got = documents(h, k.Times)
		case "offices":
			got = documents(h, k.Offices)
		case "standings":
			got = documents(h, k.Standings)
		case "labels":
			got = documents(h, k.Labels)
		case "dealings":
			got = documents(h, k.Dealings)
		case "contributions":
			h.contributionsAgree(k, want)
			return
		case "registrations":
			h.registrationsAgree(k, want)
			return
		default:
			h.t.Errorf("the view %s has no case here", f.Name)
		}
		if !projections.Equal(got, want) {
			h.t.Errorf("%s: the keeper's documents are not those of the plain fold", f.Name)
		}
	})
}

func documents[V any](h *house, t *views.Table[V]) map[domain.ID]any {
	all := map[domain.ID]any{}
	h.must(t.Each(context.Background(), func(id domain.ID, v V) error {
		all[id] = v
		return nil
	}))
	return all
}

// listed, document and holds read a view.
func listed[V any](h *house, t *views.Table[V], group domain.ID) map[domain.ID]V {
	h.t.Helper()
	list, err := t.List(context.Background(), group)
	h.must(err)
	return list
}

func document[V any](h *house, t *views.Table[V], id domain.ID) (V, bool) {
	h.t.Helper()
	v, ok, err := t.Get(context.Background(), id)
	h.must(err)
	return v, ok
}

func (h *house) holds(k *views.Keeper, id domain.ID) bool {
	h.t.Helper()
	holds, err := k.HoldsRegistrations(context.Background(), id)
	h.must(err)
	return holds
}

// registrationsAgree reads what is registered through the door, as the clients themselves.
func (h *house) registrationsAgree(k *views.Keeper, want map[domain.ID]any) {
	h.t.Helper()
	for _, p := range h.people {
		s, _, err := h.desk.Clients.State(context.Background(), p.id)
		h.must(err)
		_, registered := want[p.id]
		if registered != h.holds(k, p.id) {
			h.t.Errorf("a document of registrations where none should be, or none where one should")
		}
		idle, err := k.Idle.IsDue(context.Background(), p.id, domain.DateOf(h.now))
		h.must(err)
		if s.Deactivated || idle {
			continue
		}
		shown, err := h.desk.Door.Own(context.Background(), p.by, client.Export)
		h.must(err)
		r, _ := want[p.id].(projections.Registrations)
		if !reflect.DeepEqual(shown.Registrations, r) {
			h.t.Errorf("the own page shows something else than the fold")
		}
	}
}

// contributionsAgree compares what statistics count with the two views folded by the plainest loop.
func (h *house) contributionsAgree(k *views.Keeper, sealed map[domain.ID]any) {
	h.t.Helper()
	standings := documents(h, k.Standings)
	counted := map[domain.ID]bool{}
	h.must(k.Population(context.Background(), func(_ ledger.Position, pop statistics.Population) error {
		return pop.Each(func(id domain.ID, c statistics.Contribution) {
			counted[id] = true
			own, _ := standings[id].(statistics.Contribution)
			from, _ := sealed[id].(statistics.Contribution)
			if !reflect.DeepEqual(c, own.With(from)) {
				h.t.Errorf("a client counts for something else than the folds say")
			}
		})
	}))
	for id := range sealed {
		if !counted[id] {
			h.t.Errorf("a client with a journal is not counted")
		}
	}
}

// Nothing personal stands in a snapshot in clear: no label, no answer, no note, no login.
func TestSnapshotIsSealed(t *testing.T) {
	h := furnished(t)
	d := newDisk()
	h.must(h.keeper.Save(t.Context(), d))
	raw := read(t, d, views.SnapshotName)
	p := h.people[0]
	j, _, err := h.desk.Journals.State(t.Context(), p.id)
	h.must(err)
	if j.LastLogin.IsZero() {
		t.Fatal("nobody logged in")
	}
	for what, canary := range map[string]string{
		"an answer": canaryAnswer, "a note": canaryNote, "a browser": canaryBrowser, "the label": p.label,
		"the instant of a login": j.LastLogin.Format("2006-01-02T15:04:05"), "the day of a login": j.LastLogin.Format("2006-01-02"),
	} {
		if bytes.Contains(raw, []byte(canary)) {
			t.Errorf("the snapshot holds %s", what)
		}
	}
	if !bytes.Contains(raw, []byte("registrations")) || !bytes.Contains(raw, []byte(rules.AssistertSelvhjelp)) {
		t.Error("the snapshot does not hold what it should in clear: this test looks at the wrong file")
	}
}

// furnished is a house with one client who has everything registered, at a day of its own.
func furnished(t *testing.T, keeper ...func(*ledger.Ledger) *views.Keeper) *house {
	h := newHouse(t, keeper...)
	o := h.office()
	p := h.resident(o)
	other := h.resident(o)
	// What the open events hold is of another day than the login.
	for _, r := range []*resident{p, other} {
		h.client(r, client.Grant{Occasion: client.FirstQuestion})
	}
	h.now = h.now.Add(37*24*time.Hour + 11*time.Minute)
	_, err := h.desk.LogIn(t.Context(), p.code, journal.LogIn{Channel: journal.Web, Browser: canaryBrowser, System: "S"})
	h.must(err)
	h.journal(p, journal.Answer{Task: "t", Text: canaryAnswer, Entered: journal.ByClient})
	h.must(h.desk.WriteNote(t.Context(), o.boss, p.handle, journal.WriteNote{Note: h.id(), Text: canaryNote}))
	h.journal(other, journal.Rate{Content: "c", Stars: 2})
	h.now = h.now.Add(5 * 24 * time.Hour)
	h.catchUp()
	_, err = h.desk.Door.LookUp(t.Context(), o.boss, p.handle, client.Appointment, views.AllKinds)
	h.must(err)
	h.catchUp()
	return h
}

func read(t *testing.T, d disk.Disk, name string) []byte {
	t.Helper()
	f, err := d.OpenRead(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Size()
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

// A snapshot that is damaged at any byte, cut short anywhere or missing costs a rebuild and nothing else.
func TestDamagedSnapshot(t *testing.T) {
	h := furnished(t)
	d := simdisk.New(rand.NewPCG(1, 2))
	fresh := h.keeper.Fresh()
	if err := fresh.Load(t.Context(), d); !errors.Is(err, views.ErrNoSnapshot) {
		t.Errorf("no snapshot: %v", err)
	}
	h.must(h.keeper.Save(t.Context(), d))
	whole := read(t, d, views.SnapshotName)
	refused := func(what string, at int, b []byte) {
		t.Helper()
		d.WriteFile(views.SnapshotName, b)
		k := h.keeper.Fresh()
		if err := k.Load(t.Context(), d); !errors.Is(err, views.ErrNoSnapshot) {
			t.Errorf("%s at %d: %v", what, at, err)
		}
		if k.Cursor() != 0 || len(documents(h, k.Caseload)) != 0 {
			t.Errorf("%s at %d left something in the keeper", what, at)
		}
		if at%97 == 0 {
			h.must(k.CatchUp(t.Context()))
			h.same(what, k, h.keeper)
		}
	}
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 1 << (at % 8)
		refused("a flipped bit", at, b)
	}
	for n := range whole {
		if n < 40 || n%7 == 0 {
			refused("cut short", n, whole[:n])
		}
	}
	refused("bytes behind it", 0, append(bytes.Clone(whole), 0))
	d.WriteFile(views.SnapshotName, whole)
	k := h.keeper.Fresh()
	h.must(k.Load(t.Context(), d))
	h.same("the whole one", k, h.keeper)
}

// A snapshot of another version of a view is not read.
func TestSnapshotOfAnotherVersion(t *testing.T) {
	h := furnished(t)
	d := newDisk()
	h.must(h.keeper.SaveAs(t.Context(), d, 3))
	k := h.keeper.Fresh()
	if err := k.Load(t.Context(), d); !errors.Is(err, views.ErrNoSnapshot) || k.Cursor() != 0 {
		t.Fatalf("a snapshot of another version: %v", err)
	}
	h.must(k.CatchUp(t.Context()))
	h.same("rebuilt", k, h.keeper)
}

// A snapshot of a longer history, or of another one as long, is not of this ledger: a backup was put back.
func TestSnapshotOfAnotherHistory(t *testing.T) {
	h := furnished(t)
	d := newDisk()
	h.must(h.keeper.Save(t.Context(), d))
	shorter := h.over(&ending{h.ledger.Store, h.keeper.Cursor() - 1})
	if err := shorter.Load(t.Context(), d); !errors.Is(err, views.ErrNoSnapshot) {
		t.Errorf("the ledger is shorter than the snapshot: %v", err)
	}
	// The backup ends before the last records; what came since is other than what the snapshot has seen.
	restored := ledgertest.Memory()
	cut := h.keeper.Cursor() - 3
	for _, r := range ledgertest.Between(t, h.ledger.Store, 0, cut) {
		if _, err := restored.Append(t.Context(), r.Stream, r.Version-1, r); err != nil {
			t.Fatal(err)
		}
	}
	k := h.over(restored)
	was := h.ledger.Store
	h.ledger.Store = restored
	again := *h
	again.keeper = k
	for range 5 {
		h.must(errors.Join(h.desk.Suggest(t.Context(), domain.Text{}, journal.Feedback{Form: "f", Text: "x"})))
	}
	h.ledger.Store = was
	if err := k.Load(t.Context(), d); !errors.Is(err, views.ErrNoSnapshot) {
		t.Errorf("the ledger has another history than the snapshot: %v", err)
	}
	h.must(k.CatchUp(t.Context()))
	if diffs, err := k.Differences(t.Context()); err != nil || len(diffs) > 0 {
		t.Errorf("the views of the restored ledger differ from a rebuild: %v, %v", diffs, err)
	}
}

// With a client's key, its documents go: from a snapshot when it is read back, and from what a rebuild makes.
func TestDestroyedKey(t *testing.T) {
	h := furnished(t)
	p, other := h.people[0], h.people[1]
	d := newDisk()
	h.must(h.keeper.Save(t.Context(), d))
	h.must(h.ledger.Keys.Destroy(t.Context(), keyring.Owner{Kind: keyring.Client, ID: p.id}))

	loaded, rebuilt := h.keeper.Fresh(), h.keeper.Fresh()
	h.must(loaded.Load(t.Context(), d))
	h.must(rebuilt.CatchUp(t.Context()))
	for what, k := range map[string]*views.Keeper{"loaded": loaded, "rebuilt": rebuilt} {
		if h.holds(k, p.id) {
			t.Errorf("%s: the document of registrations is still there", what)
		}
		if !h.holds(k, other.id) {
			t.Errorf("%s: another client's document is gone", what)
		}
		if a, _ := document(h, k.Idle, p.id); !a.LastLogin.IsZero() {
			t.Errorf("%s: the last login is still there", what)
		}
	}
	// A snapshot written now holds none of it, not even sealed.
	h.must(h.keeper.Save(t.Context(), d))
	again := h.keeper.Fresh()
	h.must(again.Load(t.Context(), d))
	if h.holds(again, p.id) {
		t.Error("saved after the key went: the document is there")
	}

	if label, err := h.desk.Door.Label(t.Context(), p.id); label != "" || !errors.Is(err, eventschema.ErrGone) {
		t.Errorf("the label: %q, %v", label, err)
	}
	rows, err := h.desk.Door.Caseload(t.Context(), p.office.boss)
	if err != nil || len(rows) != 1 || rows[0].Handle != other.handle {
		t.Errorf("the overview has %d rows, %v", len(rows), err)
	}
	if _, err := h.desk.Door.LookUp(t.Context(), p.office.boss, p.handle, client.Appointment, views.AllKinds); domain.Refused(err) != views.NoSuchClient {
		t.Errorf("a look-up: %v", err)
	}
	h.catchUp()
	if diffs, err := h.keeper.Differences(t.Context()); err != nil {
		t.Errorf("comparing with a rebuild once a key is gone: %v, %v", diffs, err)
	}
}

// Erasing a client, and a professional, leaves the same views however they were come by: kept up, made anew without the keys, or
// read back from a snapshot taken before the erasure, behind its first event, behind the key's destruction or at the end.
func TestErasedViewsAreExact(t *testing.T) {
	h := furnished(t)
	ctx, p, other, o := t.Context(), h.people[0], h.people[1], h.orgs[0]
	pro := h.professional(o)
	h.catchUp()
	_, err := h.desk.Invite(ctx, o.boss, pro.Actor)
	h.must(err)
	h.catchUp()
	if a, ok := document(h, h.keeper.Accounts, pro.Actor); !ok || a.Login.IsZero() {
		t.Fatal("the professional has no account")
	}
	snapshots := map[string]disk.Disk{}
	save := func(when string) {
		h.catchUp()
		snapshots[when] = newDisk()
		h.must(h.keeper.Save(ctx, snapshots[when]))
		if diffs, err := h.keeper.Differences(ctx); err != nil || len(diffs) > 0 {
			t.Errorf("%s: a rebuild differs in %v, %v", when, diffs, err)
		}
	}
	organise := func(by ledger.Caller, c organisation.Command) {
		t.Helper()
		_, err := h.desk.Organisations.Do(ctx, o.id, by, c)
		h.must(err)
	}
	save("before")
	before := h.facts()
	_, err = h.desk.Act(ctx, p.by, client.Erase{})
	h.must(err)
	organise(o.boss, organisation.Deactivate{Professional: pro.Actor})
	organise(o.boss, organisation.EraseProfessional{Professional: pro.Actor})
	save("begun")
	h.must(h.ledger.Keys.Destroy(ctx, keyring.Owner{Kind: keyring.Client, ID: p.id}))
	h.must(h.ledger.Keys.Destroy(ctx, keyring.Owner{Kind: keyring.Staff, ID: pro.Actor}))
	save("without keys")
	h.must(h.desk.FinishErasures(ctx))
	save("finished")

	for when, d := range snapshots {
		loaded := h.keeper.Fresh()
		h.must(loaded.Load(ctx, d))
		h.must(loaded.CatchUp(ctx))
		h.same("loaded as it was "+when, loaded, h.keeper)
		h.indexesAgree(loaded)
	}
	h.foldsAgree(h.keeper)
	h.must(h.keeper.Again(ctx, before)) // which brings nothing back
	if _, ok := document(h, h.keeper.Idle, p.id); ok || h.holds(h.keeper, p.id) {
		t.Error("of the erased client a document is left")
	}
	if _, ok := document(h, h.keeper.Accounts, pro.Actor); ok {
		t.Error("of the erased professional the login name is left")
	}
	if _, ok := document(h, h.keeper.Idle, other.id); !ok || !h.holds(h.keeper, other.id) {
		t.Error("another client's documents are gone")
	}
}

// A snapshot may be written while the keeper runs.
func TestSaveBesideRun(t *testing.T) {
	h := furnished(t)
	k := h.keeper.Fresh()
	ctx, stop := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- k.Run(ctx) }()
	d := newDisk()
	p := h.people[0]
	for i := range 60 {
		pos, err := h.desk.Register(t.Context(), p.by, journal.Answer{Task: "t", Text: "x", Entered: journal.ByClient})
		h.must(err)
		if i%3 == 0 {
			h.must(k.Save(t.Context(), d))
			loaded := k.Fresh()
			h.must(loaded.Load(t.Context(), d))
			h.must(loaded.CatchUp(t.Context()))
			rebuilt := k.Fresh()
			h.must(rebuilt.CatchUp(t.Context()))
			h.same("saved while running", loaded, rebuilt)
		}
		if i%10 == 0 {
			h.must(k.Wait(t.Context(), pos))
		}
	}
	stop()
	if err := <-running; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
}

func TestWait(t *testing.T) {
	h := furnished(t)
	k := h.keeper.Fresh()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	running := make(chan error, 1)
	if err := k.Wait(ctx, 0); err != nil {
		t.Errorf("waiting for nothing: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := k.Wait(gone, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting no longer: %v", err)
	}
	go func() { running <- k.Run(ctx) }()
	pos, err := h.desk.Register(t.Context(), h.people[0].by, journal.Rate{Content: "c", Stars: 1})
	h.must(err)
	h.must(k.Wait(ctx, pos))
	if k.Cursor() < pos {
		t.Errorf("at %d, waited for %d", k.Cursor(), pos)
	}
	stop()
	if err := <-running; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
}

// What stops the keeper is told to whoever waits, before and after: an unknown event, or a store that fails, while it
// catches up and while it follows.
func TestWhatStopsTheKeeper(t *testing.T) {
	unknown := func(err error) bool { return errors.As(err, new(*eventschema.UnknownError)) }
	strange := func(h *house) {
		data := append(append([]byte{0x84, 0x6b}, "later.event"...), 1, 0x80, 0x80)
		_, err := h.ledger.Store.Append(context.Background(), eventschema.OversightStream.Stream(h.id()), 0, eventschema.Record{ID: h.id(), Data: data})
		h.must(err)
	}
	for _, c := range []struct {
		what string
		stop func(h *house, follow func()) *views.Keeper
		is   func(error) bool
	}{
		{"an unknown event in the past", func(h *house, follow func()) *views.Keeper {
			strange(h)
			return h.keeper.Fresh()
		}, unknown},
		{"an unknown event that comes", func(h *house, follow func()) *views.Keeper {
			k := h.keeper.Fresh()
			h.must(k.CatchUp(context.Background()))
			strange(h)
			return k
		}, unknown},
		{"a store that fails", func(h *house, follow func()) *views.Keeper {
			return h.over(broken{h.ledger.Store, 3})
		}, func(err error) bool { return errors.Is(err, errBroken) }},
		{"sealed events without a key", func(h *house, follow func()) *views.Keeper {
			keys, err := keyring.Memory(h.random)
			h.must(err)
			return views.NewKeeper(&ledger.Ledger{Store: h.ledger.Store, Keys: keys, Clock: h.ledger.Clock, Random: h.random}, rules.All)
		}, func(err error) bool { return errors.Is(err, keyring.ErrNoKey) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := furnished(t)
			k := c.stop(h, nil)
			head, err := h.ledger.Store.Head(t.Context())
			h.must(err)
			waiting := make(chan error, 1)
			go func() { waiting <- k.Wait(t.Context(), head) }()
			if err := k.Run(t.Context()); !c.is(err) {
				t.Errorf("the run ended with %v", err)
			}
			if err := <-waiting; !c.is(err) {
				t.Errorf("who waited was told %v", err)
			}
			if err := k.Wait(t.Context(), head); !c.is(err) {
				t.Errorf("who waits later is told %v", err)
			}
			if err := k.Wait(t.Context(), k.Cursor()); err != nil {
				t.Errorf("what had been folded: %v", err)
			}
		})
	}
}

// The end of the keeper's own context is no failure of the ledger.
func TestEndOfContextIsNoFailure(t *testing.T) {
	h := furnished(t)
	k := h.keeper.Fresh()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := k.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	h.must(k.CatchUp(t.Context()))
	h.same("after a run that was stopped", k, h.keeper)
}

// The overview shows every client that shares with a look-up of its own, and the others as not shared.
func TestOverview(t *testing.T) {
	h := furnished(t)
	o := h.orgs[0]
	third := h.resident(o)
	h.now = h.now.Add(time.Hour)
	rows, err := h.desk.Door.Overview(t.Context(), o.boss, []client.Kind{client.Answers})
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if !slices.IsSortedFunc(rows, func(a, b views.Row) int { return cmp.Compare(a.Label, b.Label) }) {
		t.Error("not by label")
	}
	for _, r := range rows {
		shares := r.Handle != third.handle
		if (r.Until != 0) != shares || (r.Shown != nil) != shares {
			t.Errorf("a client that shares %v: until %s, shown %v", shares, r.Until, r.Shown != nil)
		}
		if r.Handle == h.people[0].handle && (len(r.Shown.Registrations.Answers) != 1 || len(r.Shown.Registrations.Notes) != 0) {
			t.Error("not what was asked for")
		}
	}
	before := h.keeper.Cursor()
	h.catchUp()
	if n := h.keeper.Cursor() - before; n != 2 {
		t.Errorf("%d events for an overview with two clients that share", n)
	}
	if _, err := h.desk.Door.Overview(t.Context(), ledger.Caller{Actor: h.id(), Role: domain.RoleProfessional, Organisation: o.id}, views.AllKinds); domain.Refused(err) == "" {
		t.Errorf("a stranger's overview: %v", err)
	}
}

// A label is taken for as long as the client who has it is on record, and in its own organisation only.
func TestLabelsAreTaken(t *testing.T) {
	b := newBase(t)
	for where, in := range map[string][]func(*ledger.Ledger) *views.Keeper{"memory": nil, "a store": {b.in(b.store(t, b.schema()))}} {
		h := furnished(t, in...)
		p, elsewhere := h.people[0], h.office()
		taken := func(when string, o domain.ID, label string, want bool) {
			t.Helper()
			h.catchUp()
			if got, err := h.desk.Door.HasLabel(t.Context(), o, label); got != want || err != nil {
				t.Errorf("in %s, %s: taken %v, %v", where, when, got, err)
			}
		}
		taken("by a client", p.office.id, p.label, true)
		taken("by nobody", p.office.id, p.label+"X", false)
		taken("by another organisation's client", elsewhere.id, p.label, false)
		found, err := h.desk.Door.Labels(t.Context(), []domain.ID{p.id, p.id, h.people[1].id, h.id()})
		if want := map[domain.ID]string{p.id: p.label, h.people[1].id: h.people[1].label}; err != nil || !maps.Equal(found, want) {
			t.Errorf("in %s: %d labels of two clients, %v", where, len(found), err)
		}
		_, err = h.desk.Erase(t.Context(), p.by)
		h.must(err)
		taken("by a client who is erased", p.office.id, p.label, false)
	}
}

// What is to be reviewed is found by who reviews it, and all of it together, wherever documents lie.
func TestToReview(t *testing.T) {
	b := newBase(t)
	for where, in := range map[string][]func(*ledger.Ledger) *views.Keeper{"memory": nil, "a store": {b.in(b.store(t, b.schema()))}} {
		h := furnished(t, in...)
		p, other := h.people[0], h.office()
		h.now = domain.DateOf(h.now).AddDays(1).Start().Add(3 * time.Hour)
		_, err := h.desk.Door.LookUp(t.Context(), p.office.boss, p.handle, client.Effect, views.AllKinds)
		h.must(err)
		look, _, err := h.desk.Clients.State(t.Context(), p.id)
		h.must(err)
		h.client(p, client.QuestionLookUp{LookUp: look.Version, By: p.office.boss.Actor})
		h.catchUp()
		waits := func(list domain.ID, want ...client.Concern) {
			t.Helper()
			found, err := h.keeper.ToReview(t.Context(), list)
			h.must(err)
			var got []client.Concern
			for _, i := range found[p.office.boss.Actor].Open {
				got = append(got, i.Concern)
			}
			if slices.Sort(got); !slices.Equal(got, want) || len(want) == 0 && len(found) > 0 {
				t.Errorf("in %s: %v of %d readers wait", where, got, len(found))
			}
		}
		waits(p.office.id, client.AskedByClient, client.OutsideHours)
		waits(domain.ID{}, client.AskedByClient, client.OutsideHours)
		waits(other.id)
	}
}
