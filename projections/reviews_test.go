package projections

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/domaintest"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// readings are a reader's days, for the rules of what is to be reviewed.
type readings struct{ ledger }

var (
	ada  = domaintest.ClientID
	bo   = domaintest.ID(0xc2)
	noon = domaintest.Noon("2026-03-02") // a Monday
)

func (r *readings) act(at time.Time) domain.Act { return domaintest.AsProfessional(at) }

func (r *readings) look(at time.Time, who domain.ID, p client.Purpose) *Fact {
	f := r.add(eventschema.ClientStream, who, r.act(at), at, "r", client.LookedUp{Basis: client.ByGrant, Purpose: p, Kinds: []client.Kind{client.Use}})
	f.ID = domaintest.ID(byte(f.Position))
	return f
}

func (r *readings) refused(at time.Time, who domain.ID, reason string) *Fact {
	stream := domain.ID{0: 0x40, 15: byte(len(r.facts) + 1)}
	f := r.add(eventschema.RefusedStream, stream, r.act(at), at, "r", oversight.LookUpRefused{Client: who, Purpose: client.Effect, Reason: reason})
	f.ID = domaintest.ID(byte(f.Position))
	return f
}

// open are the reader's items: at which position, and why.
func (r *readings) open() (items []string) {
	for _, i := range r.items(rules.Review) {
		items = append(items, fmt.Sprint(i.Position, " ", i.Concern))
	}
	return items
}

// items are what is to be reviewed of the reader, under the rules.
func (r *readings) items(book rules.ReviewRules) (items []Review) {
	doc, _ := fold(reviews(book)).Run(r.facts)[pro].(Reader)
	items = slices.Clone(doc.Open)
	for _, d := range fold(dealings(book)).Run(r.facts) {
		items = append(items, d.(Dealing).Open...)
	}
	slices.SortStableFunc(items, func(a, b Review) int { return int(a.Position) - int(b.Position) })
	return items
}

func (r *readings) reader() Reader {
	doc, _ := fold(all.Reviews).Run(r.facts)[pro].(Reader)
	return doc
}

func (r *readings) dealing(with domain.ID) Dealing {
	doc, _ := fold(all.Dealings).Run(r.facts)[DealingKey(pro, with)].(Dealing)
	return doc
}

func (r *readings) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := r.open(); !slices.Equal(got, want) {
		t.Errorf("%s: %q, expected %q", what, got, want)
	}
}

// What an item says of the look-up, the attempt or the question that raised it.
func TestReviewItems(t *testing.T) {
	r := new(readings)
	night := domain.MustDate("2026-03-02").Start().Add(3 * time.Hour).UTC()
	look := r.look(night, ada, client.Effect)
	tried := r.refused(noon, bo, client.NotRegistered)
	asked := r.add(eventschema.ClientStream, ada, domaintest.AsClient(noon), noon, "r", client.LookUpQuestioned{LookUp: look.Version, By: pro})
	want := []Review{
		{Event: look.ID, Client: ada, Version: 1, Position: 1, At: night, Purpose: client.Effect, Concern: client.OutsideHours},
		{Event: tried.ID, Client: bo, Attempt: tried.Subject, Position: 2, At: noon, Purpose: client.Effect, Concern: client.WasRefused},
		{Event: asked.ID, Client: ada, Version: 1, Position: 3, At: noon, Concern: client.AskedByClient},
	}
	if d := cmp.Diff(want, r.items(rules.Review)); d != "" {
		t.Errorf("(-expected +got):\n%s", d)
	}
}

// Monday to Friday, from seven until eight in the evening, by the clock in Oslo; the overview at any hour.
func TestOutsideHours(t *testing.T) {
	for at, outside := range map[string]bool{
		"2026-03-02T06:59:59+01:00": true, "2026-03-02T07:00:00+01:00": false, "2026-03-02T19:59:59+01:00": false, "2026-03-02T20:00:00+01:00": true,
		"2026-03-06T12:00:00+01:00": false, "2026-03-07T12:00:00+01:00": true, "2026-03-08T12:00:00+01:00": true,
		"2026-07-06T06:30:00+02:00": true, "2026-07-06T19:30:00+02:00": false, // summer time
		"2026-03-08T23:30:00+01:00": true, "2026-03-09T00:30:00+01:00": true, "2026-03-06T23:30:00+01:00": true,
		"2025-09-06T03:00:00+02:00": false, // before there was the rule
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []client.Purpose{client.Appointment, client.Workload, client.Effect, client.Together, client.OnBehalf, client.Overview} {
			r := new(readings)
			r.look(instant.UTC(), ada, p)
			var want []string
			if outside && p != client.Overview {
				want = []string{"1 outside-hours"}
			}
			r.expect(t, fmt.Sprint(at, " for ", p), want...)
		}
	}
}

// The thirty-first look-up within ten minutes raises one item, and after it none before a pause of ten minutes.
func TestManyAtOnce(t *testing.T) {
	at := noon
	burst := func(r *readings, n int, every time.Duration) {
		for range n {
			r.look(at, ada, client.Workload)
			r.look(at, bo, client.Overview) // these do not count
			at = at.Add(every)
		}
	}
	r := new(readings)
	burst(r, 30, time.Second)
	r.expect(t, "thirty")
	burst(r, 1, time.Second)
	r.expect(t, "thirty-one", "61 many-at-once")
	burst(r, 100, time.Second)
	r.expect(t, "and on", "61 many-at-once")
	at = at.Add(10*time.Minute - 2*time.Second)
	burst(r, 40, time.Second)
	r.expect(t, "after a pause too short", "61 many-at-once")
	at = at.Add(10*time.Minute - time.Second) // ten minutes since the last one
	burst(r, 31, time.Second)
	r.expect(t, "after a pause", "61 many-at-once", fmt.Sprint(len(r.facts)-1, " many-at-once"))
	if n := len(r.reader().Lately); n != 31 {
		t.Errorf("%d look-ups are remembered", n)
	}

	r, at = new(readings), noon
	burst(r, 31, 20*time.Second) // from the first to the last ten minutes
	r.expect(t, "in ten minutes", "61 many-at-once")
	r, at = new(readings), noon
	burst(r, 200, 20*time.Second+time.Millisecond)
	r.expect(t, "in hardly more")
}

// A look-up at a client within a day after a refused attempt at that client, and at no other.
func TestAfterRefusal(t *testing.T) {
	r := new(readings)
	r.refused(noon, ada, client.NotShared)
	r.look(noon.Add(time.Hour), bo, client.Effect)
	r.look(noon.Add(time.Hour), ada, client.Overview)
	r.expect(t, "at another, and the overview")
	r.look(noon.Add(24*time.Hour), ada, client.Effect)
	r.look(noon.Add(24*time.Hour+time.Nanosecond), ada, client.Effect)
	r.expect(t, "at the same", "4 after-refusal")
	// Of each client the last refusal counts.
	for i := range 50 {
		r.refused(noon.Add(30*time.Hour+time.Duration(i)*time.Minute), []domain.ID{ada, bo}[i%2], client.NotShared)
	}
	r.refused(noon.Add(100*time.Hour), domain.ID{}, client.NotRegistered) // nobody known
	r.refused(noon.Add(100*time.Hour), bo, client.NotShared)
	r.look(noon.Add(101*time.Hour), ada, client.Effect)
	r.look(noon.Add(101*time.Hour), bo, client.Effect)
	r.expect(t, "days later", "4 after-refusal", fmt.Sprint(len(r.facts), " after-refusal"))
}

// A look-up between appointments, more than 26 weeks after the reader's own last one before an appointment.
func TestLongAfterTheLastAppointment(t *testing.T) {
	day := func(n int) time.Time {
		return domain.MustDate("2026-03-02").AddDays(n).Start().Add(12 * time.Hour).UTC()
	}
	r := new(readings)
	r.look(day(0), ada, client.Appointment)
	r.look(day(0), bo, client.Workload) // no appointment known
	r.look(day(182), ada, client.Workload)
	r.expect(t, "26 weeks") // a Monday again
	r.look(day(183), ada, client.Effect)
	r.look(day(183), ada, client.Together)
	r.look(day(184), ada, client.Workload)
	r.expect(t, "a day more", "4 long-after-the-last-appointment", "6 long-after-the-last-appointment")
	r.look(day(184), ada, client.Appointment)
	r.look(day(184), ada, client.Effect)
	r.look(day(35), ada, client.Appointment) // of a clock that was set back
	r.look(day(185), ada, client.Effect)
	r.expect(t, "after the next appointment", "4 long-after-the-last-appointment", "6 long-after-the-last-appointment")
	for later := range 2 {
		for i := range 40 { // in no order of ids
			r.look(day(185+later), domain.ID{byte(i * 37), 15: 1}, client.Appointment)
		}
	}
	for id := range 40 {
		if last := r.dealing(domain.ID{byte(id * 37), 15: 1}).Met; last != domain.DateOf(day(186)) {
			t.Errorf("the appointment with %d was on %v", id, last)
		}
	}
}

// Attempts at somebody else's client, and by somebody who has lost access, whomever at.
func TestRefusedAttempts(t *testing.T) {
	for _, c := range []struct {
		who    domain.ID
		reason string
		raised bool
	}{
		{ada, client.NotRegistered, true}, {domain.ID{}, client.NotRegistered, false}, {ada, client.NotShared, false},
		{ada, organisation.NotActive, true}, {domain.ID{}, organisation.NotActive, true}, {ada, client.BadInput, false},
	} {
		r := new(readings)
		r.refused(noon, c.who, c.reason)
		var want []string
		if c.raised {
			want = []string{"1 refused"}
		}
		r.expect(t, fmt.Sprint(c.reason, " at ", c.who), want...)
	}
}

// A review takes out all that its look-up or attempt had raised, and nothing else; who is done is in no list.
func TestReviewed(t *testing.T) {
	r := new(readings)
	night := domain.MustDate("2026-03-02").Start().Add(3 * time.Hour).UTC()
	tried := r.refused(night, ada, client.NotRegistered)
	r.look(night, ada, client.Effect) // twice over: at night, and after a refusal
	r.look(night, bo, client.Effect)
	r.add(eventschema.ClientStream, ada, domaintest.AsClient(noon), noon, "r", client.LookUpQuestioned{LookUp: 1, By: pro})
	r.expect(t, "all", "1 refused", "2 outside-hours", "2 after-refusal", "3 outside-hours", "4 asked-by-client")
	if g, h := all.Reviews.Group(r.reader()), all.Dealings.Group(r.dealing(bo)); g != us || h != us {
		t.Errorf("in the lists of %s and %s", g, h)
	}
	boss := domaintest.AsSuperuser(noon)
	review := func(who domain.ID, version uint64) {
		r.add(eventschema.ClientStream, who, boss, noon, "r", client.LookUpReviewed{LookUp: version, By: pro, Concern: client.OutsideHours, Outcome: client.InOrder})
	}
	review(ada, 1)
	r.expect(t, "the look-up at one", "1 refused", "3 outside-hours")
	review(ada, 1)
	review(bo, 7)
	r.add(eventschema.RefusedStream, tried.Subject, boss, noon, "r", oversight.AttemptReviewed{By: pro, Concern: client.WasRefused, Outcome: client.Mistake})
	r.expect(t, "the attempt", "3 outside-hours")
	review(bo, 1)
	r.expect(t, "all")
	if g, h := all.Reviews.Group(r.reader()), all.Dealings.Group(r.dealing(bo)); !g.IsZero() || !h.IsZero() {
		t.Errorf("done, and in the lists of %s and %s", g, h)
	}
	// Asked once more, it comes back. And who was seen in the overview alone can be asked about.
	r.add(eventschema.ClientStream, ada, domaintest.AsClient(noon), noon, "r", client.LookUpQuestioned{LookUp: 1, By: pro})
	r.expect(t, "asked again", fmt.Sprint(len(r.facts), " asked-by-client"))
	r = new(readings)
	r.look(noon, ada, client.Overview)
	r.add(eventschema.ClientStream, ada, domaintest.AsClient(noon), noon, "r", client.LookUpQuestioned{LookUp: 1, By: pro})
	if g := all.Reviews.Group(r.reader()); g != us {
		t.Errorf("asked about the overview: in the list of %s", g)
	}
}

// Whoever holds a document goes on seeing what it saw.
func TestReaderIsNotChangedInPlace(t *testing.T) {
	r := new(readings)
	night := domain.MustDate("2026-03-02").Start().Add(3 * time.Hour).UTC()
	r.look(night, ada, client.Appointment)
	r.look(night, bo, client.Appointment)
	r.look(night, domain.ID{9}, client.Appointment)
	r.refused(night, ada, client.NotRegistered)
	type documents struct {
		Reader  Reader
		Dealing Dealing
	}
	held := documents{r.reader(), r.dealing(ada)}
	held.Reader.Open = append(make([]Review, 0, 9), held.Reader.Open...) // with room, as a list that grew may have
	held.Dealing.Open = append(make([]Review, 0, 9), held.Dealing.Open...)
	was, err := eventschema.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Fact{
		r.add(eventschema.ClientStream, ada, domaintest.AsSuperuser(noon), noon, "r", client.LookUpReviewed{LookUp: 1, By: pro}),
		r.look(noon.Add(24*time.Hour), ada, client.Appointment), r.look(noon, domain.ID{1}, client.Appointment),
		r.look(noon.Add(time.Hour), ada, client.Effect), r.refused(noon, ada, client.NotRegistered), r.refused(noon.Add(48*time.Hour), bo, client.NotShared),
	} {
		all.Reviews.Apply(held.Reader, f)
		if id, ok := all.Dealings.Key(f); ok && id == DealingKey(pro, ada) {
			all.Dealings.Apply(held.Dealing, f)
		}
		if is, _ := eventschema.Marshal(held); !slices.Equal(was, is) {
			t.Errorf("after %T the document that was held is another", f.Body)
		}
	}
}

// The rules that hold are those of the day: with other rows the same look-ups raise something else, from that day on.
func TestReviewRulesAreDated(t *testing.T) {
	book := append(slices.Clone(rules.Review), rules.ReviewRule{Raises: "outside-hours", From: domain.MustDate("2026-03-03"), Opens: 13, Closes: 14})
	r := new(readings)
	r.look(noon, ada, client.Effect)
	r.look(noon.Add(24*time.Hour), ada, client.Effect)
	if items := r.items(book); len(items) != 1 || items[0].Position != 2 {
		t.Errorf("%+v", items)
	}
	if items := r.items(nil); len(items) != 0 {
		t.Errorf("without rules: %+v", items)
	}
}

// putAway writes a document down and reads it back.
func putAway[V any](t *rapid.T, doc V) (back V) {
	b, err := eventschema.Marshal(doc)
	if err == nil {
		err = eventschema.Unmarshal(b, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// Whatever a reader does, what is remembered is bounded, what is raised stands in the ledger's order, and a document that was
// written down and read back goes on as it would have.
func TestReadersMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := new(readings)
		at := noon
		people := []domain.ID{ada, bo, {3}, {4}}
		var doc Reader
		with := map[domain.ID]Dealing{}
		for range rapid.IntRange(1, 80).Draw(t, "acts") {
			at = at.Add(time.Duration(rapid.IntRange(-1, 100).Draw(t, "minutes")) * time.Minute / 2)
			who := rapid.SampledFrom(people).Draw(t, "who")
			var f *Fact
			switch rapid.IntRange(0, 5).Draw(t, "act") {
			case 0:
				f = r.refused(at, who, rapid.SampledFrom([]string{client.NotRegistered, client.NotShared, organisation.NotActive}).Draw(t, "reason"))
			case 1:
				f = r.add(eventschema.ClientStream, who, domaintest.AsSuperuser(at), at, "r",
					client.LookUpReviewed{LookUp: rapid.Uint64Range(1, 9).Draw(t, "version"), By: pro})
			case 2:
				at = at.Add(60 * 24 * time.Hour)
				fallthrough
			default:
				f = r.look(at, who, rapid.SampledFrom([]client.Purpose{client.Appointment, client.Effect, client.Overview}).Draw(t, "purpose"))
			}
			if rapid.Bool().Draw(t, "put away") {
				doc = putAway(t, doc)
				for id, d := range with {
					with[id] = putAway(t, d)
				}
			}
			doc = all.Reviews.Apply(doc, f)
			if id, ok := all.Dealings.Key(f); ok {
				with[id] = all.Dealings.Apply(with[id], f)
			}
			if len(doc.Lately) > 31 || len(with) > len(people) {
				t.Fatalf("remembers %d look-ups, and %d clients", len(doc.Lately), len(with))
			}
			inOrder := func(a, b Review) int { return int(a.Position) - int(b.Position) }
			for _, d := range with {
				if !slices.IsSortedFunc(d.Open, inOrder) {
					t.Fatal("out of order")
				}
			}
			if !slices.IsSortedFunc(doc.Open, inOrder) {
				t.Fatal("out of order")
			}
		}
		if whole := r.reader(); !reflect.DeepEqual(whole, doc) {
			t.Fatalf("(-at once +put away between):\n%s", cmp.Diff(whole, doc))
		}
		for id, d := range fold(all.Dealings).Run(r.facts) {
			if !reflect.DeepEqual(d, with[id]) {
				t.Fatalf("(-at once +put away between):\n%s", cmp.Diff(d, with[id]))
			}
		}
	})
}

// An erasure is to be finished until its last step, and stays in the organisation's list as what it was.
func TestErasures(t *testing.T) {
	l, _ := oneLife()
	at := domaintest.Noon("2026-02-02")
	erase := client.Event{Act: domaintest.AsClient(at), Effective: at, Body: client.Erased{Organisation: us}}
	system := func(b client.Body) client.Event {
		return client.Event{Act: domaintest.AsSystem(at.Add(time.Hour)), Effective: at.Add(time.Hour), Body: b}
	}
	want := Erasure{Organisation: us, On: domain.DateOf(at)}
	for _, step := range []struct {
		e    client.Event
		then func()
		due  domain.Date
	}{
		{erase, func() {}, want.On},
		{system(client.KeyDestroyed{}), func() { want.KeyDestroyed = true }, want.On},
		{system(client.Swept{Records: 3}), func() { want.Swept = true }, 0},
	} {
		if len(fold(all.Erasures).Run(l.facts)) > 0 && step.e.Body == (client.Erased{Organisation: us}) {
			t.Error("nothing was erased, and there is something to do")
		}
		l.client(step.e)
		step.then()
		docs := fold(all.Erasures).Run(l.facts)
		got, _ := docs[domaintest.ClientID].(Erasure)
		if got != want || len(docs) != 1 || all.Erasures.Due(got) != step.due || all.Erasures.Group(got) != us {
			t.Errorf("after %T: %+v, due on %s", step.e.Body, got, all.Erasures.Due(got))
		}
	}
}

// With an erasure go the documents that were sealed under the key, and no others; who was erased is in no overview.
func TestDocumentsGoWithTheirKey(t *testing.T) {
	l, _ := oneLife()
	super := domaintest.AsSuperuser(noon)
	l.add(eventschema.OrganisationStream, us, super, noon, rules.General, organisation.ProfessionalAdded{Professional: pro})
	l.staff(super, staff.Invited{Account: pro, Login: staff.Hash{1}, Code: staff.Hash{2}})
	holds := func() (held []string) {
		all.Each(func(f Fold) {
			docs := f.Run(l.facts)
			for what, id := range map[string]domain.ID{"client": domaintest.ClientID, "professional": pro} {
				if _, ok := docs[id]; ok && f.Keeping != Plain {
					held = append(held, f.Name+" of the "+what)
				}
			}
		})
		slices.Sort(held)
		return held
	}
	expect := func(what string, want ...string) {
		t.Helper()
		if got := holds(); !slices.Equal(got, want) {
			t.Errorf("%s: %q", what, got)
		}
	}
	expect("before", "accounts of the professional", "contributions of the client", "idle of the client", "invitations of the professional",
		"labels of the client", "registrations of the client")
	l.client(client.Event{Act: domaintest.AsClient(noon), Effective: noon, Body: client.Erased{Organisation: us}})
	expect("the client is erased", "accounts of the professional", "invitations of the professional")
	c, _ := fold(all.Caseload).Run(l.facts)[domaintest.ClientID].(Case)
	if c.Label != nil || !all.Caseload.Group(c).IsZero() {
		t.Errorf("an erased client in the list of %s, with a label %v", all.Caseload.Group(c), c.Label != nil)
	}
	l.add(eventschema.OrganisationStream, us, super, noon, rules.General, organisation.ProfessionalErased{Professional: pro})
	expect("the professional is erased")
}
