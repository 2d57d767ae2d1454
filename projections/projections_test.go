package projections

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/domaintest"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

var golden = flag.Bool("golden", false, "write the matrix of events and views")

var (
	all = All(rules.All)
	us  = domaintest.Organisation
	pro = domaintest.Professional
)

// unsealed are keys that hide nothing.
type unsealed struct{}

func (unsealed) Seal(_ eventschema.Owner, plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (unsealed) Open(_ eventschema.Owner, ciphertext, _ []byte) ([]byte, error) {
	return ciphertext, nil
}

// vectors are the golden facts, by row: open, and closed where the event is sealed.
func vectors(t *testing.T) (names []string, opened, closed map[string]*Fact) {
	t.Helper()
	opened, closed = map[string]*Fact{}, map[string]*Fact{}
	for _, row := range eventschema.Today.Rows() {
		name := fmt.Sprintf("%s.v%d", row.Name, row.Version)
		b, err := os.ReadFile(filepath.Join("../testdata/events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			ID        domain.ID
			Stream    string
			Version   uint64
			Data      string
			Plaintext string
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		r := eventschema.Record{ID: v.ID, Stream: v.Stream, Version: v.Version, Position: 100}
		if r.Data, err = hex.DecodeString(v.Data); err != nil {
			t.Fatal(err)
		}
		if row.Key != "" {
			if r.Sealed, err = hex.DecodeString(v.Plaintext); err != nil {
				t.Fatal(err)
			}
		}
		for keys, into := range map[eventschema.Keys]map[string]*Fact{unsealed{}: opened, nil: closed} {
			f, err := eventschema.Today.Decode(&r, keys)
			if err != nil {
				t.Fatal(err)
			}
			into[name] = &f
		}
		names = append(names, name)
	}
	return names, opened, closed
}

// before is what went ahead of a vector's event, so that it finds something to change: the client was registered, and
// asked for a correction; a restriction that ends had begun, a look-up that is reviewed had been asked about, whoever is erased had
// been added. No event goes ahead of itself.
func before(next string, facts map[string]*Fact) []*Fact {
	var past []*Fact
	only := map[string][]string{
		"client.restricted.v1": {"client.restriction-lifted.v1"}, "lookup.questioned.v1": {"lookup.reviewed.v1"},
		"professional.added.v1": {"professional.erased.v1", "professional.key-destroyed.v1"},
	}
	for _, name := range []string{
		"client.registered.v1", "client.labelled.v1", "client.restricted.v1", "lookup.questioned.v1", "journal.correction-asked.v1",
		"professional.added.v1",
	} {
		if name == next {
			break
		}
		if only[name] == nil || slices.Contains(only[name], next) {
			f := *facts[name]
			f.Version, f.Position = uint64(len(past)+1), uint64(len(past)+1)
			past = append(past, &f)
		}
	}
	return past
}

// TestMatrix: which views change a document on which event, and which see sealed events closed. Ignoring an event is
// allowed, but never unnoticed: a change of this matrix is a diff to be approved.
func TestMatrix(t *testing.T) {
	names, opened, closed := vectors(t)
	var folds []Fold
	all.Each(func(f Fold) { folds = append(folds, f) })
	var b strings.Builder
	fmt.Fprintf(&b, "%-33s", "")
	for _, f := range folds {
		fmt.Fprintf(&b, " %s", f.Name)
	}
	b.WriteByte('\n')
	for _, name := range names {
		fmt.Fprintf(&b, "%-33s", name)
		for _, fold := range folds {
			seen := opened
			if fold.Keeping == Plain {
				seen = closed
			}
			past := before(name, seen)
			mark := "."
			if !Equal(fold.Run(past), fold.Run(append(past, seen[name]))) {
				mark = "x"
			}
			fmt.Fprintf(&b, " %-*s", len(fold.Name), mark)
		}
		b.WriteByte('\n')
	}
	got := trimLines(b.String())
	const path = "../testdata/matrix.txt"
	if *golden {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the views change otherwise (-approved +now); make golden approves:\n%s", d)
	}
}

func trimLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// Who sees sealed events opened is a decision, and stands here.
func TestKeeping(t *testing.T) {
	want := map[string]Keeping{
		"caseload": Plain, "due": Plain, "idle": SealedAtRest, "registrations": SealedAlways,
		"access": Plain, "audit": Plain, "codes": Plain, "handles": Plain,
		"accounts": SealedAtRest, "invitations": SealedAtRest, "erasures": Plain, "reviews": Plain, "accesses": Plain,
		"organisations": Plain, "times": Plain, "standings": Plain, "contributions": SealedAlways, "offices": Plain,
		"labels": SealedAtRest, "dealings": Plain,
	}
	got := map[string]Keeping{}
	all.Each(func(f Fold) {
		if _, twice := got[f.Name]; twice || f.Version < 1 {
			t.Errorf("%s: version %d, named twice: %v", f.Name, f.Version, twice)
		}
		got[f.Name] = f.Keeping
	})
	if n := reflect.TypeFor[Views]().NumField(); len(got) != n {
		t.Errorf("Each calls %d views of %d", len(got), n)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-decided +now):\n%s", d)
	}
}

// A ledger is facts at consecutive positions, each with its place in its stream.
type ledger struct {
	facts    []*Fact
	versions map[string]uint64
}

func (l *ledger) add(c eventschema.Category, subject domain.ID, a domain.Act, effective time.Time, rule string, body any) *Fact {
	if l.versions == nil {
		l.versions = map[string]uint64{}
	}
	f := &Fact{Category: c, Subject: subject, Position: uint64(len(l.facts) + 1), Act: a, Effective: effective, Rule: rule, Body: body}
	l.versions[f.Stream()]++
	f.Version = l.versions[f.Stream()]
	l.facts = append(l.facts, f)
	return f
}

func (l *ledger) client(events ...client.Event) {
	for _, e := range events {
		l.add(eventschema.ClientStream, domaintest.ClientID, e.Act, e.Effective, e.Rule, e.Body)
	}
}

func (l *ledger) journal(a domain.Act, bodies ...journal.Body) {
	for _, b := range bodies {
		l.add(eventschema.JournalStream, domaintest.ClientID, a, a.At, rules.General, b)
	}
}

func (l *ledger) staff(a domain.Act, b staff.Body) {
	l.add(eventschema.StaffStream, pro, a, a.At, rules.General, b)
}

// anyLedger makes up a ledger of one client's life, with a journal, refused attempts and queries between.
func anyLedger(t *rapid.T) *ledger {
	l := new(ledger)
	domaintest.Client(t, rules.All, rules.AssistertSelvhjelp, domaintest.Noon("2026-01-05"), func(s domaintest.Step) {
		l.client(s.Events...)
		own, them := domaintest.AsClient(s.Act.At), domaintest.AsProfessional(s.Act.At)
		switch rapid.IntRange(0, 13).Draw(t, "between") {
		case 0:
			l.journal(own, journal.LoggedIn{Channel: journal.Web, Browser: rapid.SampledFrom([]string{"Firefox", "Safari", ""}).Draw(t, "browser")})
		case 1:
			l.journal(own, journal.ContentOpened{Content: "a"}, journal.ContentOpened{Content: "b"}, journal.ContentFinished{Content: "a"})
		case 2:
			l.journal(own, journal.TimeSpent{Seconds: 10, Clicks: 2}, journal.Rated{Content: "a", Stars: 4})
		case 3:
			l.journal(own, journal.CorrectionAsked{Request: domaintest.ID(1), Text: "x"}, journal.CorrectionMade{Request: domaintest.ID(1), Text: "y"})
		case 4:
			l.journal(them, journal.Assessed{Instrument: journal.GAD7, Items: []int{1}, Entered: journal.Together}, journal.NoteWritten{Note: domaintest.ID(2)})
		case 5:
			l.add(eventschema.RefusedStream, domaintest.ID(byte(len(l.facts))), them, s.Act.At, rules.General, oversight.LookUpRefused{Client: domaintest.ClientID, Reason: client.NotRegistered})
		case 6:
			l.add(eventschema.OversightStream, domaintest.ID(byte(len(l.facts))), them, s.Act.At, rules.General, oversight.Queried{Query: "who-saw"})
		case 7:
			l.journal(own, journal.Answered{Task: "t"}, journal.ContentSent{Content: "c"})
		case 8:
			l.add(eventschema.JournalStream, domaintest.ClientID, domain.Act{}, time.Time{}, "", eventschema.Redacted{})
		case 9:
			n := rapid.Byte().Draw(t, "login") % 3
			l.staff(them, staff.Invited{Account: pro, Login: staff.Hash{n}, Code: staff.Hash{9, n}})
		case 10:
			l.staff(them, rapid.SampledFrom([]staff.Body{staff.Accepted{Step: 1}, staff.SignedIn{}, staff.Ended{}}).Draw(t, "staff"))
		case 11:
			l.add(eventschema.OrganisationStream, us, them, s.Act.At, rules.General, rapid.SampledFrom([]organisation.Body{
				organisation.ProfessionalDeactivated{Professional: pro}, organisation.ProfessionalReactivated{Professional: pro},
				organisation.ProfessionalErased{Professional: pro}, organisation.ProfessionalKeyDestroyed{Professional: pro},
			}).Draw(t, "standing"))
		case 13:
			id := domaintest.ID(0xac)
			l.add(eventschema.AccessStream, id, them, s.Act.At, rules.General, rapid.SampledFrom([]oversight.Body{
				oversight.AccessOpened{Reason: "r", Minutes: 5}, oversight.AccessUsed{What: "w"}, oversight.AccessClosed{}, oversight.AccessReviewed{Outcome: client.InOrder},
			}).Draw(t, "access"))
		case 12:
			l.add(eventschema.RefusedStream, domaintest.ID(0x20), domaintest.AsSuperuser(s.Act.At), s.Act.At, rules.General,
				oversight.AttemptReviewed{By: pro, Concern: client.WasRefused, Outcome: client.InOrder})
		}
	})
	return l
}

// keeper keeps one view's documents the way every keeper does: each with the position it was folded up to, so that a fact
// that comes again changes nothing.
type keeper[V any] struct {
	view View[V]
	docs map[domain.ID]V
	upto uint64
}

func (k *keeper[V]) take(facts ...*Fact) {
	for _, f := range facts {
		if f.Position <= k.upto {
			continue
		}
		k.upto = f.Position
		if key, ok := k.view.Key(f); ok {
			k.docs[key] = k.view.Apply(k.docs[key], f)
		}
		if gone, ok := k.view.Drops(f); ok {
			delete(k.docs, gone)
		}
	}
}

func checkView[V any](t *rapid.T, v View[V], facts []*Fact, run func([]*Fact) map[domain.ID]any) {
	boxed := func(docs map[domain.ID]V) map[domain.ID]any {
		m := map[domain.ID]any{}
		for k, d := range docs {
			m[k] = d
		}
		return m
	}
	whole := run(facts)
	if again := run(facts); !Equal(whole, again) {
		t.Fatalf("%s: folded twice, two results", v.Name)
	}
	// In batches of any size, each delivered twice and some of it a third time.
	k := &keeper[V]{view: v, docs: map[domain.ID]V{}}
	for rest := facts; len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
		k.take(rest[:n]...)
		k.take(rest[:n]...)
		k.take(rest[n/2 : n]...)
		rest = rest[n:]
	}
	if d := cmp.Diff(whole, boxed(k.docs)); d != "" {
		t.Fatalf("%s: in batches and twice (-once +so):\n%s", v.Name, d)
	}
	// A document that somebody holds does not change when the view goes on.
	half := len(facts) / 2
	k = &keeper[V]{view: v, docs: map[domain.ID]V{}}
	k.take(facts[:half]...)
	held := maps.Clone(k.docs)
	then := run(facts[:half])
	k.take(facts[half:]...)
	if d := cmp.Diff(then, boxed(held)); d != "" {
		t.Fatalf("%s: what was held has changed (-then +now):\n%s", v.Name, d)
	}
}

// For every view: folding is repeatable; batches, and facts that come again, make no difference; documents that somebody
// holds do not change; a rebuild gives what was kept up.
func TestViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		facts := anyLedger(t).facts
		checkView(t, all.Caseload, facts, fold(all.Caseload).Run)
		checkView(t, all.Due, facts, fold(all.Due).Run)
		checkView(t, all.Idle, facts, fold(all.Idle).Run)
		checkView(t, all.Registrations, facts, fold(all.Registrations).Run)
		checkView(t, all.Access, facts, fold(all.Access).Run)
		checkView(t, all.Audit, facts, fold(all.Audit).Run)
		checkView(t, all.Codes, facts, fold(all.Codes).Run)
		checkView(t, all.Handles, facts, fold(all.Handles).Run)
		checkView(t, all.Accounts, facts, fold(all.Accounts).Run)
		checkView(t, all.Invitations, facts, fold(all.Invitations).Run)
		checkView(t, all.Erasures, facts, fold(all.Erasures).Run)
		checkView(t, all.Reviews, facts, fold(all.Reviews).Run)
		checkView(t, all.Accesses, facts, fold(all.Accesses).Run)
		checkView(t, all.Organisations, facts, fold(all.Organisations).Run)
		checkView(t, all.Times, facts, fold(all.Times).Run)
		checkView(t, all.Labels, facts, fold(all.Labels).Run)
		checkView(t, all.Dealings, facts, fold(all.Dealings).Run)
	})
}

// What the views know of a client is what the client's stream says, at every step of a life: the sharing, what is due
// next, and when it will be deactivated.
func TestViewsAgreeWithTheStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s client.State
		var last time.Time
		caseload, due, idle := Case{}, Dates{}, Activity{}
		for _, f := range anyLedger(t).facts {
			if f.Category == eventschema.ClientStream {
				s = client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: f.Body.(client.Body)})
			}
			if _, ok := f.Body.(journal.LoggedIn); ok {
				last = f.Effective
			}
			if _, ok := all.Caseload.Key(f); ok {
				caseload = all.Caseload.Apply(caseload, f)
			}
			if _, ok := all.Due.Key(f); ok {
				due = all.Due.Apply(due, f)
			}
			if _, ok := all.Idle.Key(f); ok {
				idle = all.Idle.Apply(idle, f)
			}
			if _, ok := all.Idle.Drops(f); ok {
				idle = Activity{}
			}
			want := s
			want.Questions, want.Reviewed = nil, nil
			want.Version, want.Active = caseload.State.Version, caseload.State.Active // look-ups left out
			if !reflect.DeepEqual(caseload.State, want) || !reflect.DeepEqual(due.State, caseload.State) {
				t.Fatalf("the sharing (-stream +view):\n%s", cmp.Diff(want, caseload.State))
			}
			if idle.State.Questions != nil || idle.State.Reviewed != nil {
				t.Fatal("the view of idle clients keeps what they ask about")
			}
			next, ok := s.NextDue(rules.All)
			if got := all.Due.Due(due); ok != (got != 0) || ok && got != domain.DateOf(next.Effective) {
				t.Fatalf("due on %s, by the stream %v at %s", got, ok, next.Effective)
			}
			if s.Registered() && !s.Deactivated {
				if got, want := all.Idle.Due(idle), domain.DateOf(s.IdleFrom(rules.All, last)); got != want {
					t.Fatalf("idle from %s, by the stream from %s, after %T", got, want, f.Body)
				}
			} else if got := all.Idle.Due(idle); got != 0 {
				t.Fatalf("idle from %s, and gone or not there", got)
			}
		}
	})
}

// A life written out, for the tests of single views.
func oneLife() (*ledger, map[string]*Fact) {
	l, at := new(ledger), map[string]*Fact{}
	d := client.Decider(rules.All)
	var s client.State
	do := func(name string, a domain.Act, c client.Command) {
		events, err := d.Decide(a, s, c)
		if err != nil || len(events) == 0 {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		for _, e := range events {
			s = d.Evolve(s, e)
		}
		l.client(events...)
		at[name] = l.facts[len(l.facts)-1]
	}
	noon := domaintest.Noon
	do("registered", domaintest.AsProfessional(noon("2026-01-05")), domaintest.Registration(rules.AssistertSelvhjelp))
	l.journal(domaintest.AsClient(noon("2026-01-12")), journal.LoggedIn{Channel: journal.Web, Browser: "Firefox", System: "Linux"})
	do("granted", domaintest.AsClient(noon("2026-01-12")), client.Grant{Occasion: client.FirstQuestion})
	do("seen", domaintest.AsProfessional(noon("2026-01-13")), client.LookUp{Purpose: client.Overview, Kinds: []client.Kind{client.Use}, Journal: 1})
	do("rotated", domaintest.AsClient(noon("2026-01-14")), client.RotateCode{Old: domaintest.Code(1), New: domaintest.Code(2)})
	at["tried"] = l.add(eventschema.RefusedStream, domaintest.ID(0x40), domaintest.AsProfessional(noon("2026-01-15")), noon("2026-01-15"), rules.General,
		oversight.LookUpRefused{Client: domaintest.ClientID, Handle: domaintest.Handle, Reason: client.NotShared})
	at["tried another"] = l.add(eventschema.RefusedStream, domaintest.ID(0x41), domaintest.AsProfessional(noon("2026-01-15")), noon("2026-01-15"), rules.General,
		oversight.LookUpRefused{Handle: domaintest.ID(0x99), Reason: client.NotRegistered})
	auditor := domain.Act{At: noon("2026-01-16"), Actor: domaintest.ID(0xa1), Role: domain.RoleAuditor}
	at["asked"] = l.add(eventschema.OversightStream, domaintest.ID(0x42), auditor, auditor.At, rules.General, oversight.Queried{Query: "who-saw", Reason: "audit"})
	do("own", domaintest.AsClient(noon("2026-01-17")), client.ReadOwn{Purpose: client.Export, Kinds: []client.Kind{client.Use}})
	do("withdrawn", domaintest.AsClient(noon("2026-01-18")), client.Withdraw{})
	return l, at
}

func TestTrails(t *testing.T) {
	l, at := oneLife()
	positions := func(docs map[domain.ID]any, id domain.ID) []uint64 {
		trail, _ := docs[id].(Trail)
		got := slices.Collect(trail.Positions())
		if len(got) != trail.Count || trail.Count > 0 && got[len(got)-1] != trail.Last {
			t.Errorf("%d positions, counted %d, last %d", len(got), trail.Count, trail.Last)
		}
		return got
	}
	access, audit, offices := fold(all.Access).Run(l.facts), fold(all.Audit).Run(l.facts), fold(all.Organisations).Run(l.facts)
	for what, c := range map[string]struct {
		docs map[domain.ID]any
		id   domain.ID
		want []string
	}{
		"who saw the client":        {access, domaintest.ClientID, []string{"seen", "tried", "own"}},
		"what the professional did": {audit, pro, []string{"seen", "tried", "tried another"}},
		"what the auditor did":      {audit, domaintest.ID(0xa1), []string{"asked"}},
		"what the client read":      {audit, domaintest.ClientID, []string{"own"}},
		"what the organisation did": {offices, us, []string{"seen", "tried", "tried another"}},
	} {
		var want []uint64
		for _, name := range c.want {
			want = append(want, at[name].Position)
		}
		if got := positions(c.docs, c.id); !slices.Equal(got, want) {
			t.Errorf("%s: %v, expected %v", what, got, want)
		}
	}
	if len(access) != 1 || len(audit) != 3 {
		t.Errorf("%d access logs, %d audit trails", len(access), len(audit))
	}
}

// Within finds every trail event of a period, whatever the order of instants, and no block that has none.
func TestTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := domaintest.Noon("2026-01-05")
		type event struct {
			position uint64
			at       time.Time
		}
		var events []event
		var times Times
		at, p := start, uint64(0)
		for range rapid.IntRange(0, 4).Draw(t, "blocks")*BlockSize + rapid.IntRange(0, BlockSize).Draw(t, "more") {
			p++
			at = at.Add(time.Minute)
			e := event{p, at}
			if p%700 == 0 {
				e.at = at.Add(-24 * time.Hour) // by a clock that was set back
			}
			events = append(events, e)
			times = times.Add(e.position, e.at)
			if again := times.Add(e.position, start); !reflect.DeepEqual(again, times) {
				t.Fatal("the same position again changes the times")
			}
		}
		day := func(what string) time.Time {
			n := rapid.IntRange(-1, 5).Draw(t, what)
			if n < 0 {
				return time.Time{}
			}
			return start.Add(time.Duration(n) * 24 * time.Hour)
		}
		from, to := day("from"), day("to")
		found := map[uint64]bool{}
		read := 0
		for first, final := range times.Within(from, to) {
			for q := first; q <= final; q++ {
				found[q] = true
				read++
			}
		}
		wanted := 0
		for _, e := range events {
			if in := !e.at.Before(from) && (to.IsZero() || e.at.Before(to)); in {
				wanted++
				if !found[e.position] {
					t.Fatalf("the event at %d, of %v, is not found", e.position, e.at)
				}
			}
		}
		if most := wanted + 4*BlockSize; read > most {
			t.Fatalf("%d events are read for %d", read, wanted)
		}
	})
}

// A trail ignores what it has, whatever comes in whatever order.
func TestTrailIgnoresDuplicates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var trail Trail
		var want []uint64
		for range rapid.IntRange(0, 40).Draw(t, "adds") {
			p := rapid.Uint64Range(1, 1000).Draw(t, "position")
			if rapid.IntRange(0, 20).Draw(t, "far") == 0 {
				p = rapid.Uint64().Draw(t, "any")
			}
			if p > trail.Last {
				want = append(want, p)
			}
			trail = trail.Add(p)
			if again := trail.Add(p); !reflect.DeepEqual(again, trail) {
				t.Fatal("the same position again changes the trail")
			}
		}
		if got := slices.Collect(trail.Positions()); !slices.Equal(got, want) {
			t.Fatalf("%v, expected %v", got, want)
		}
		for range trail.Positions() {
			break // stopping early is allowed
		}
	})
}

func TestCodesAndHandles(t *testing.T) {
	l, _ := oneLife()
	codes, handles := fold(all.Codes).Run(l.facts), fold(all.Handles).Run(l.facts)
	want := map[domain.ID]any{CodeKey(domaintest.Code(1)): domaintest.ClientID, CodeKey(domaintest.Code(2)): domaintest.ClientID}
	if d := cmp.Diff(want, codes); d != "" {
		t.Errorf("codes (-expected +got):\n%s", d)
	}
	want = map[domain.ID]any{domaintest.Handle: Handle{Client: domaintest.ClientID, Organisation: us}}
	if d := cmp.Diff(want, handles); d != "" {
		t.Errorf("handles (-expected +got):\n%s", d)
	}
}

func TestCaseload(t *testing.T) {
	l, at := oneLife()
	upto := func(n uint64) Case {
		c, _ := fold(all.Caseload).Run(l.facts[:n])[domaintest.ClientID].(Case)
		return c
	}
	for name, want := range map[string]client.Status{
		"registered": client.Unanswered, "granted": client.Shared, "seen": client.Shared, "rotated": client.Shared, "withdrawn": client.Ended,
	} {
		c := upto(at[name].Position)
		if c.State.Status != want || all.Caseload.Group(c) != us {
			t.Errorf("%s: %q in the list of %s", name, c.State.Status, all.Caseload.Group(c))
		}
	}
	// The label is kept as it came, sealed, and the one given first stays: the organisation never learns of another.
	closed := *at["registered"]
	closed.Body, closed.Closed = nil, &eventschema.Record{Sealed: []byte("ciphertext")}
	c := all.Caseload.Apply(upto(at["rotated"].Position), &closed)
	if c.Label != closed.Closed {
		t.Error("the label is not the record")
	}
	if next := all.Caseload.Apply(c, at["withdrawn"]); next.Label != closed.Closed {
		t.Error("the label is gone")
	}
	// Deactivated: out of the list.
	gone := *at["withdrawn"]
	gone.Body = client.Deactivated{}
	if g := all.Caseload.Group(all.Caseload.Apply(c, &gone)); !g.IsZero() {
		t.Errorf("deactivated, and in the list of %s", g)
	}
}

func TestDueOrder(t *testing.T) {
	l, at := oneLife()
	for name, want := range map[string]string{
		"registered": "", "granted": "2026-06-15", "seen": "2026-06-15", "rotated": "2026-06-15", "withdrawn": "",
	} {
		d, _ := fold(all.Due).Run(l.facts[:at[name].Position])[domaintest.ClientID].(Dates)
		if got := all.Due.Due(d).String(); got != want {
			t.Errorf("after %s: due on %q, expected %q", name, got, want)
		}
	}
	asked := *at["granted"]
	asked.Act, asked.Body, asked.Version = domaintest.AsSystem(domaintest.Noon("2026-06-15")), client.FollowUpAsked{Grant: 3}, 6
	d, _ := fold(all.Due).Run(append(slices.Clone(l.facts[:at["rotated"].Position]), &asked))[domaintest.ClientID].(Dates)
	if got := all.Due.Due(d).String(); got != "2026-07-14" {
		t.Errorf("after the question: due on %q", got)
	}
}

func TestIdle(t *testing.T) {
	l, at := oneLife()
	due := func(facts []*Fact) string {
		a, _ := fold(all.Idle).Run(facts)[domaintest.ClientID].(Activity)
		return all.Idle.Due(a).String()
	}
	for name, want := range map[string]string{
		"registered": "2027-01-06", "granted": "2027-01-13", "seen": "2027-01-13", "rotated": "2027-01-15",
		"own": "2027-01-18", "withdrawn": "2027-01-19",
	} {
		if got := due(l.facts[:at[name].Position]); got != want {
			t.Errorf("after %s: deactivated on %q, expected %q", name, got, want)
		}
	}
	l.journal(domaintest.AsClient(domaintest.Noon("2026-03-01")), journal.LoggedIn{Channel: journal.App})
	if got := due(l.facts); got != "2027-03-02" {
		t.Errorf("after a login: deactivated on %q", got)
	}
	// What staff write in the journal is no use by the client.
	l.journal(domaintest.AsProfessional(domaintest.Noon("2026-05-01")), journal.NoteWritten{Note: domaintest.ID(1), Text: "x"})
	if got := due(l.facts); got != "2027-03-02" {
		t.Errorf("after a note: deactivated on %q", got)
	}
	l.client(client.Event{Act: domaintest.AsSystem(domaintest.Noon("2027-03-02")), Effective: domain.MustDate("2027-03-02").Start(), Body: client.Deactivated{}})
	if got := due(l.facts); got != "" {
		t.Errorf("after the deactivation: on %q once more", got)
	}
}

func TestRegistrations(t *testing.T) {
	l := new(ledger)
	one, two, three := domaintest.Noon("2026-02-02"), domaintest.Noon("2026-02-03"), domaintest.Noon("2026-02-04")
	own, staff := domaintest.AsClient, domaintest.AsProfessional
	request := domaintest.ID(0x71)
	l.journal(own(one),
		journal.LoggedIn{Channel: journal.Web, Browser: "Safari", System: "iOS"},
		journal.ContentOpened{Content: "sleep-1"},
		journal.TimeSpent{Content: "sleep-1", Seconds: 60, Clicks: 5},
		journal.ContentOpened{Content: "sleep-2"},
	)
	l.journal(own(two),
		journal.LoggedIn{Channel: journal.App, Browser: "", System: "Android"},
		journal.LoggedIn{Channel: journal.Web, Browser: "Firefox", System: "iOS"},
		journal.ContentFinished{Content: "sleep-1"},
		journal.ContentFinished{Content: "worry-1"},
		journal.ContentOpened{Content: "sleep-1"},
		journal.TimeSpent{Content: "sleep-1", Seconds: 30, Clicks: 1},
		journal.Assessed{Instrument: journal.CheckIn, Items: []int{1, 2, 3, 4}, Difficulty: -1, Score: 10, Entered: journal.ByClient},
		journal.Answered{Task: "diary", Text: "slept", Entered: journal.ByClient},
		journal.Rated{Content: "sleep-1", Stars: 4, Comment: "good"},
		journal.CorrectionAsked{Request: request, About: 7, Text: "wrong", Due: domain.MustDate("2026-02-12"), Through: journal.ByClient},
	)
	l.journal(staff(three),
		journal.Assessed{Instrument: journal.GAD7, Items: []int{1, 1, 1, 1, 1, 1, 1}, Difficulty: 0, Score: 7, Severity: journal.Mild, Entered: journal.Together},
		journal.Answered{Task: "plan", Text: "walk", Entered: journal.OnBehalf},
		journal.ContentSent{Content: "sleep-3", Task: "read"},
		journal.NoteWritten{Note: domaintest.ID(5), Draft: true, Text: "first"},
		journal.NoteWritten{Note: domaintest.ID(5), Text: "second"},
	)
	l.journal(domain.Act{At: three, Actor: domaintest.ID(0xe1), Role: domain.RoleEmployee}, journal.CorrectionMade{Request: request, Text: "corrected"})
	docs := fold(all.Registrations).Run(l.facts)
	got, _ := docs[domaintest.ClientID].(Registrations)
	want := Registrations{
		Version: 20, LastLogin: two, Logins: 3, Seconds: 90, Clicks: 6,
		Browsers: []string{"Firefox", "Safari"}, Systems: []string{"Android", "iOS"}, Resume: "sleep-1",
		Content: []Content{{"sleep-1", one, two}, {Name: "sleep-2", Opened: one}, {"worry-1", two, two}},
		Forms: []Form{
			{At: two, Instrument: journal.CheckIn, Items: []int{1, 2, 3, 4}, Difficulty: -1, Score: 10, Entered: journal.ByClient},
			{At: three, Instrument: journal.GAD7, Items: []int{1, 1, 1, 1, 1, 1, 1}, Score: 7, Severity: journal.Mild, Entered: journal.Together, By: pro},
		},
		Answers:     []Answer{{two, "diary", "slept", journal.ByClient, domain.ID{}}, {three, "plan", "walk", journal.OnBehalf, pro}},
		Ratings:     []Rating{{two, "sleep-1", 4, "good"}},
		Corrections: []Correction{{request, two, 7, "wrong", domain.MustDate("2026-02-12"), journal.ByClient, three, "corrected"}},
		Sent:        []Sent{{three, "sleep-3", "read", pro}},
		Notes:       []Note{{domaintest.ID(5), three, pro, true, "first"}, {domaintest.ID(5), three, pro, false, "second"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-expected +got):\n%s", d)
	}
	// A key that is gone: counted, and nothing shown.
	after := all.Registrations.Apply(got, &Fact{Category: eventschema.JournalStream, Version: 21, Body: eventschema.Redacted{}})
	want.Version = 21
	if d := cmp.Diff(want, after); d != "" {
		t.Errorf("redacted (-expected +got):\n%s", d)
	}
}

var allKinds = []client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}

// Each event shows under the kind that it belongs to and under no other; all kinds together show everything.
func TestOnly(t *testing.T) {
	names, opened, _ := vectors(t)
	journals := 0
	for _, name := range names {
		body, ok := opened[name].Body.(journal.Body)
		if !ok || opened[name].Category != eventschema.JournalStream {
			continue
		}
		journals++
		past := Registrations{Version: 2, Corrections: []Correction{{Request: body2request(body)}}, Content: []Content{{Name: "other"}}}
		r := all.Registrations.Apply(past, opened[name])
		for _, k := range allKinds {
			changed := !reflect.DeepEqual(past.Only([]client.Kind{k}), withVersion(r.Only([]client.Kind{k}), past.Version))
			if changed != (k == journal.KindOf(body)) {
				t.Errorf("%s belongs to %q; asked for %q it shows: %v", name, journal.KindOf(body), k, changed)
			}
		}
		if d := cmp.Diff(r, r.Only(allKinds)); d != "" {
			t.Errorf("%s: all kinds together leave something out (-all +shown):\n%s", name, d)
		}
		if d := cmp.Diff(Registrations{Version: r.Version}, r.Only(nil)); d != "" {
			t.Errorf("%s: no kind shows something:\n%s", name, d)
		}
		if d := cmp.Diff(Registrations{Version: r.Version}, r.Only([]client.Kind{"everything", ""})); d != "" {
			t.Errorf("%s: an unknown kind shows something:\n%s", name, d)
		}
	}
	if journals < 10 {
		t.Errorf("only %d journal events", journals)
	}
}

func withVersion(r Registrations, v uint64) Registrations { r.Version = v; return r }

func body2request(b journal.Body) domain.ID {
	if made, ok := b.(journal.CorrectionMade); ok {
		return made.Request
	}
	return domaintest.ID(0x01)
}

// Every field of the document belongs to a kind: a field that Only forgets would be shown to nobody, or to everybody.
func TestOnlyCoversEveryField(t *testing.T) {
	var full Registrations
	v := reflect.ValueOf(&full).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.String:
			f.SetString("x")
		case reflect.Int:
			f.SetInt(1)
		case reflect.Uint64:
			f.SetUint(1)
		default:
			f.Set(reflect.ValueOf(domaintest.Noon("2026-01-01")))
		}
	}
	shown := map[string]int{}
	for _, k := range allKinds {
		part := reflect.ValueOf(full.Only([]client.Kind{k}))
		for i := range part.NumField() {
			if !part.Field(i).IsZero() {
				shown[part.Type().Field(i).Name]++
			}
		}
	}
	for i := range v.NumField() {
		name, want := v.Type().Field(i).Name, 1
		if name == "Version" {
			want = len(allKinds)
		}
		if shown[name] != want {
			t.Errorf("%s shows under %d kinds", name, shown[name])
		}
	}
}

// Documents of every view can be written down and read back.
func TestDocumentsHaveAForm(t *testing.T) {
	views := reflect.ValueOf(all)
	for i := range views.NumField() {
		doc := reflect.New(views.Field(i).FieldByName("Apply").Type().Out(0))
		b, err := eventschema.Marshal(doc.Elem().Interface())
		if err == nil {
			err = eventschema.Unmarshal(b, doc.Interface())
		}
		if err != nil || !doc.Elem().IsZero() {
			t.Errorf("%s: %v", views.Type().Field(i).Name, err)
		}
	}
}
