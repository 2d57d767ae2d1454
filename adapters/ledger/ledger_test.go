package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

type (
	clients  = ledger.Streams[client.Command, client.Body, client.State]
	journals = ledger.Streams[journal.Command, journal.Body, journal.State]
)

var (
	someone = domain.ID{0xc1, 15: 0x01}
	office  = domain.ID{0x01, 15: 0x02}
	handle  = domain.ID{0x8a, 15: 0x03}
	worker  = domain.ID{0xf1, 15: 0x04}

	asClient = ledger.Caller{Actor: someone, Role: domain.RoleClient}
	asWorker = ledger.Caller{Actor: worker, Role: domain.RoleProfessional, Organisation: office}
)

// A bench is a store that can be made to fail, its keys, and a clock. Several ledgers may stand on it, as several
// processes would.
type bench struct {
	t     *testing.T
	store *ledgertest.FaultyStore
	keys  keyring.Keyring
	mu    sync.Mutex
	now   time.Time
	made  uint64
}

func newBench(t *testing.T) *bench {
	keys, err := keyring.Memory(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		t: t, store: ledgertest.Faulty(ledgertest.Memory()), keys: keys,
		now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
	}
	t.Cleanup(func() { ledgertest.Check(lasting{t}, b.store) })
	return b
}

// lasting is a test whose context outlasts it, for what is checked when it has ended.
type lasting struct{ testing.TB }

func (lasting) Context() context.Context { return context.Background() }

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// ledger is one more process over the store.
func (b *bench) ledger() *ledger.Ledger {
	b.made++
	return &ledger.Ledger{Store: b.store, Keys: b.keys, Clock: b.clock, Random: rand.NewChaCha8([32]byte{2, byte(b.made)})}
}

func (b *bench) clients() *clients {
	return ledger.NewStreams(b.ledger(), eventschema.ClientStream, client.Decider(rules.All))
}

func (b *bench) journals() *journals {
	return ledger.NewStreams(b.ledger(), eventschema.JournalStream, journal.Decider)
}

func (b *bench) register(c *clients) {
	b.t.Helper()
	owner := keyring.Owner{Kind: keyring.Client, ID: someone}
	if err := b.keys.Create(b.t.Context(), owner); err != nil {
		b.t.Fatal(err)
	}
	_, err := c.Begin(b.t.Context(), someone, asWorker, client.Register{
		Client: someone, Organisation: office, Handle: handle, Service: rules.AssistertSelvhjelp, Label: "LABEL", Code: client.CodeHash{1},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// names lists what stands in the client's stream, and checks it.
func (b *bench) names(c eventschema.Category) string {
	b.t.Helper()
	var names []string
	for _, r := range ledgertest.Read(b.t, b.store, c.Stream(someone), 1) {
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			b.t.Fatal(err)
		}
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func (b *bench) holds(want string) {
	b.t.Helper()
	want = strings.TrimSpace("client.registered client.labelled " + want)
	if got := b.names(eventschema.ClientStream); got != want {
		b.t.Errorf("the stream holds %s, expected %s", got, want)
	}
}

func keyed(by ledger.Caller, key string) ledger.Caller {
	by.Key = key
	return by
}

var (
	grant    = client.Grant{Occasion: client.Settings}
	withdraw = client.Withdraw{}
	look     = client.LookUp{Purpose: client.Appointment, Kinds: []client.Kind{client.Scores}}
)

func must(t *testing.T) func(ledger.Done[client.State], error) ledger.Done[client.State] {
	return func(d ledger.Done[client.State], err error) ledger.Done[client.State] {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// Another process writes between the decision and the append: the loser decides again on what the other wrote.
func TestConflictIsDecidedAgain(t *testing.T) {
	b := newBench(t)
	here, there := b.clients(), b.clients()
	b.register(here)
	must(t)(here.Do(t.Context(), someone, asClient, grant))

	once := false
	b.store.Before(func(string, uint64) {
		if once {
			return
		}
		once = true
		b.store.Before(nil)
		must(t)(there.Do(context.Background(), someone, asClient, withdraw))
	})
	_, err := here.Do(t.Context(), someone, asWorker, look)
	if domain.Refused(err) != client.NotShared {
		t.Errorf("a look-up that a withdrawal overtook: %v", err)
	}
	b.holds("sharing.granted sharing.withdrawn")

	b.store.Conflict(1) // somebody came first with something that changes nothing here
	done := must(t)(here.Do(t.Context(), someone, asClient, grant))
	if done.Written != 1 || done.State.Status != client.Shared {
		t.Errorf("after a conflict: %d events, %s", done.Written, done.State.Status)
	}
	b.holds("sharing.granted sharing.withdrawn sharing.granted")
}

// Whoever always loses goes on until the context ends, and is then told that it did and that nothing was written.
func TestConflictEndsWithTheContext(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	ctx, stop := context.WithCancel(t.Context())
	tries := 0
	b.store.Before(func(string, uint64) {
		if tries++; tries == 5 {
			stop()
		}
		b.store.Conflict(1)
	})
	b.store.Conflict(1)
	_, err := c.Do(ctx, someone, asClient, grant)
	if !errors.Is(err, ledger.ErrRefused) || !errors.Is(err, context.Canceled) || tries < 5 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	b.store.Before(nil)
	b.holds("")
}

func TestFailedAndStored(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	for i, by := range []ledger.Caller{asClient, keyed(asClient, "k")} {
		b.store.FailAndStore(1)
		done, err := c.Do(t.Context(), someone, by, []client.Command{grant, withdraw}[i])
		if err != nil {
			t.Fatalf("stored, and settled by reading: %v", err)
		}
		if done.Position != uint64(3+i) || done.Version != uint64(3+i) {
			t.Errorf("settled at position %d, version %d", done.Position, done.Version)
		}
	}
	b.holds("sharing.granted sharing.withdrawn")
	again := must(t)(c.Do(t.Context(), someone, keyed(asClient, "k"), withdraw))
	if again.Written != 0 || again.Position != 4 {
		t.Errorf("the same command again: %d events at %d", again.Written, again.Position)
	}
	b.holds("sharing.granted sharing.withdrawn")
}

func TestFailedAndLost(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	by := keyed(asClient, "k")
	for range 3 {
		b.store.FailAndLose(1)
		_, err := c.Do(t.Context(), someone, by, grant)
		if !errors.Is(err, ledgertest.ErrFault) || domain.Refused(err) != "" || errors.Is(err, ledger.ErrRefused) {
			t.Fatalf("lost: %v", err)
		}
		b.holds("")
	}
	done := must(t)(c.Do(t.Context(), someone, by, grant))
	if done.Written != 1 {
		t.Errorf("%d events", done.Written)
	}
	must(t)(c.Do(t.Context(), someone, by, grant))
	b.holds("sharing.granted")
}

// The answer of an append is lost together with the means to read: the outcome is open, and the same command settles it.
func TestOutcomeOpenWhileNothingCanBeRead(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	ctx, stop := context.WithCancel(t.Context())
	b.store.Before(func(string, uint64) { stop() })
	b.store.FailAndStore(1)
	by := keyed(asClient, "k")
	if _, err := c.Do(ctx, someone, by, grant); err == nil {
		t.Fatal("nothing is known, and yet no error")
	}
	b.store.Before(nil)
	must(t)(c.Do(t.Context(), someone, by, grant))
	if n := strings.Count(b.names(eventschema.ClientStream), "sharing.granted"); n > 1 {
		t.Errorf("%d grants of one command", n)
	}
}

// A retry is recognised behind other events, and in a process that has seen nothing of it.
func TestRetryBehindOtherEvents(t *testing.T) {
	b := newBench(t)
	here := b.clients()
	b.register(here)
	first := must(t)(here.Do(t.Context(), someone, keyed(asClient, "k"), grant))
	for range 20 {
		must(t)(here.Do(t.Context(), someone, asClient, withdraw))
		must(t)(here.Do(t.Context(), someone, asClient, grant))
	}
	must(t)(here.Do(t.Context(), someone, asClient, withdraw))
	held := b.names(eventschema.ClientStream)
	for what, c := range map[string]*clients{"the same process": here, "another process": b.clients()} {
		done := must(t)(c.Do(t.Context(), someone, keyed(asClient, "k"), grant))
		if done.Written != 0 || done.Position != first.Position || done.State.Status != client.Ended {
			t.Errorf("%s: %d events, position %d, %s", what, done.Written, done.Position, done.State.Status)
		}
	}
	if got := b.names(eventschema.ClientStream); got != held {
		t.Errorf("the stream grew: %s", got)
	}
	// The same key of another caller, or for another stream, is another command.
	if _, err := here.Do(t.Context(), someone, keyed(asWorker, "k"), look); domain.Refused(err) != client.NotShared {
		t.Errorf("another caller's key: %v", err)
	}
}

// Of the last Remembered events a retry is recognised, also across the moment at which older ones are forgotten.
func TestRemembered(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	read := client.ReadOwn{Purpose: client.SelfService, Kinds: []client.Kind{client.Use}}
	const back = ledger.Remembered - 1
	for i := range 4 * ledger.Remembered {
		must(t)(c.Do(t.Context(), someone, keyed(asClient, fmt.Sprint(i)), read))
		if i%50 != 0 || i < back {
			continue
		}
		if done := must(t)(c.Do(t.Context(), someone, keyed(asClient, fmt.Sprint(i-back)), read)); done.Written != 0 {
			t.Fatalf("a command %d events back was done again", back)
		}
	}
}

// A key belongs to one kind of command: a withdrawal under a key that a restriction had is a withdrawal.
func TestKeyOfOneKind(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	must(t)(c.Do(t.Context(), someone, keyed(asClient, "k"), client.Restrict{}))
	if done := must(t)(c.Do(t.Context(), someone, keyed(asClient, "k"), withdraw)); done.State.Status != client.Ended || done.Written != 1 {
		t.Errorf("the withdrawal was taken for the restriction: %s", done.State.Status)
	}
}

// Within a process, commands on one stream queue: none is decided on what another is about to change.
func TestQueue(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	b.store.ForgetUses()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			_, err := c.Do(t.Context(), someone, asClient, client.ReadOwn{Purpose: client.SelfService, Kinds: []client.Kind{client.Use}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := b.store.Uses()[eventschema.ClientStream.Stream(someone)].Appends; got != 16 {
		t.Errorf("%d appends for 16 commands", got)
	}
}

// A retry whose first answer came from another process, or from a process that died: this one's cached fold knows
// nothing of it, and the store takes the append for the events it has. What was stored counts, not what was decided now.
func TestRetryInAProcessThatIsBehind(t *testing.T) {
	b := newBench(t)
	here, there := b.clients(), b.clients()
	b.register(here)
	must(t)(there.Do(t.Context(), someone, asClient, client.ReadOwn{Purpose: client.SelfService, Kinds: []client.Kind{client.Use}}))
	if _, _, err := here.State(t.Context(), someone); err != nil {
		t.Fatal(err)
	}
	by := keyed(asClient, "k")
	stored := must(t)(there.Do(t.Context(), someone, by, grant))
	b.wait(10 * 24 * time.Hour)
	done := must(t)(here.Do(t.Context(), someone, by, grant))
	if done.Position != stored.Position || done.State.Terms != stored.State.Terms || !done.State.Since.Equal(stored.State.Since) {
		t.Errorf("the retry answers with a yes of %s that lapses on %s; stored is one that lapses on %s",
			done.State.Since, done.State.Terms.LapseOn, stored.State.Terms.LapseOn)
	}
	// What is cached must be what is stored: a look-up on the day after the stored deadline.
	b.wait(stored.State.Terms.LapseOn.Start().Sub(b.clock()))
	if _, err := here.Do(t.Context(), someone, asWorker, look); domain.Refused(err) != client.NotShared {
		t.Errorf("a look-up after the deadline, in the process that was behind: %v", err)
	}
}

// Two processes give the same command with the same key at the same time: the slower append meets its own ids.
func TestRetryWhileTheFirstIsUnderWay(t *testing.T) {
	b := newBench(t)
	here, there := b.clients(), b.clients()
	b.register(here)
	by := keyed(asClient, "k")
	b.store.Before(func(string, uint64) {
		b.store.Before(nil)
		b.wait(24 * time.Hour) // makes what the two decided differ
		must(t)(there.Do(context.Background(), someone, by, grant))
	})
	done := must(t)(here.Do(t.Context(), someone, by, grant))
	b.holds("sharing.granted")
	stored, _, err := b.clients().State(t.Context(), someone)
	if err != nil || !reflect.DeepEqual(done.State, stored) {
		t.Errorf("answered with another state than the stored one: %v", err)
	}
	cached, _, err := here.State(t.Context(), someone)
	if err != nil || !reflect.DeepEqual(cached, stored) {
		t.Errorf("cached is another state than the stored one: %v", err)
	}
}

// A cached fold may allow, since the append checks it. It never refuses, and never answers "nothing to do", on its own.
func TestCacheNeverRefuses(t *testing.T) {
	b := newBench(t)
	here, there := b.clients(), b.clients()
	b.register(here)
	for range 3 {
		// here knows a state without sharing
		must(t)(there.Do(t.Context(), someone, asClient, grant))
		if _, err := here.Do(t.Context(), someone, asWorker, look); err != nil {
			t.Fatalf("refused on a stale state: %v", err)
		}
		// here knows a live yes
		must(t)(there.Do(t.Context(), someone, asClient, withdraw))
		if done := must(t)(here.Do(t.Context(), someone, asClient, grant)); done.Written != 1 {
			t.Fatal("took a yes for one while one is live, on a stale state")
		}
		must(t)(here.Do(t.Context(), someone, asClient, withdraw))
		must(t)(there.Do(t.Context(), someone, asClient, grant))
		if done := must(t)(here.Do(t.Context(), someone, asClient, withdraw)); done.Written != 1 {
			t.Fatal("took a withdrawal for a second one, on a stale state")
		}
	}
	s, version, err := there.State(t.Context(), someone)
	if err != nil || s.Status != client.Ended || version != s.Version {
		t.Errorf("state read: %s at %d of %d, %v", s.Status, version, s.Version, err)
	}
}

// What the cache allows costs no read; Begin and a cached decision go to the store once.
func TestAllowedFromTheCacheReadsNothing(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	b.store.ForgetUses()
	must(t)(c.Do(t.Context(), someone, asWorker, look))
	if got := b.store.Uses()[eventschema.ClientStream.Stream(someone)]; got != (ledgertest.Uses{Appends: 1}) {
		t.Errorf("a cached decision: %+v", got)
	}
	for _, what := range []client.Command{look, client.RotateCode{}} {
		b.store.ForgetUses()
		_, err := c.DoAtEnd(t.Context(), someone, asWorker, what)
		if got := b.store.Uses()[eventschema.ClientStream.Stream(someone)]; got.Reads != 1 {
			t.Errorf("DoAtEnd (%v): %+v", err, got)
		}
	}
}

func TestInstantsNeverRunBackwards(t *testing.T) {
	b := newBench(t)
	here, there := b.clients(), b.clients()
	b.register(here)
	for i := range 10 {
		c := []*clients{here, there}[i%2]
		b.wait([]time.Duration{time.Minute, -time.Hour, -24 * time.Hour, 2 * time.Hour, 0}[i%5])
		must(t)(c.Do(t.Context(), someone, asClient, []client.Command{grant, withdraw}[i%2]))
	}
	var last time.Time
	l := b.ledger()
	for _, r := range ledgertest.Read(t, b.store, eventschema.ClientStream.Stream(someone), 1) {
		f, err := l.Decode(t.Context(), &r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Act.At.Before(last) {
			t.Errorf("version %d was recorded at %s, before %s", f.Version, f.Act.At, last)
		}
		last = f.Act.At
	}
}

// Not even what time has brought is written by a command that is refused.
func TestRefusedWritesNothing(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	b.wait(400 * 24 * time.Hour)
	for _, at := range []func(context.Context, domain.ID, ledger.Caller, client.Command) (ledger.Done[client.State], error){c.Do, c.DoAtEnd} {
		if _, err := at(t.Context(), someone, asWorker, look); domain.Refused(err) != client.NotShared {
			t.Errorf("a look-up after the deadline: %v", err)
		}
	}
	b.holds("sharing.granted")
	s, _, err := c.State(t.Context(), someone)
	if err != nil || s.Status != client.Shared {
		t.Errorf("the cached state is %s: a refused command left its mark; %v", s.Status, err)
	}
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	b.holds("sharing.granted follow-up.asked sharing.lapsed sharing.granted")
}

// An encoding that is refused writes nothing and leaves nothing open.
func TestUnstorableIsRefused(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	if err := b.keys.Create(t.Context(), keyring.Owner{Kind: keyring.Client, ID: someone}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Begin(t.Context(), someone, asWorker, client.Register{
		Client: someone, Organisation: office, Handle: handle, Service: rules.AssistertSelvhjelp, Label: "\xff secret", Code: client.CodeHash{1},
	})
	if !errors.Is(err, ledger.ErrRefused) || strings.Contains(fmt.Sprint(err), "secret") {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	if head, _ := b.store.Head(t.Context()); head != 0 {
		t.Error("something was written")
	}
}

// Without its owner's key nothing is sealed, and so nothing is written: neither with a key that never was nor with one
// that is gone.
func TestNothingIsWrittenWithoutItsKey(t *testing.T) {
	b := newBench(t)
	j := b.journals()
	note := journal.Answer{Task: "t", Text: "canary", Entered: journal.ByClient}
	if _, err := j.Do(t.Context(), someone, asClient, note); !errors.Is(err, ledger.ErrRefused) || !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
	owner := keyring.Owner{Kind: keyring.Client, ID: someone}
	if err := errors.Join(b.keys.Create(t.Context(), owner), b.keys.Destroy(t.Context(), owner)); err != nil {
		t.Fatal(err)
	}
	_, err := j.Do(t.Context(), someone, asClient, note)
	if !errors.Is(err, ledger.ErrRefused) || !errors.Is(err, keyring.ErrDestroyed) || !errors.Is(err, eventschema.ErrGone) {
		t.Errorf("a destroyed key: %v", err)
	}
	if strings.Contains(fmt.Sprint(err), "canary") {
		t.Error("the error tells what was to be sealed")
	}
	if head, _ := b.store.Head(t.Context()); head != 0 {
		t.Error("something was written")
	}
}

// Sealed events whose key is gone fold as redacted: each counts as one event, and the stream goes on.
func TestRedacted(t *testing.T) {
	b := newBench(t)
	c, j := b.clients(), b.journals()
	b.register(c)
	for range 3 {
		if _, err := j.Do(t.Context(), someone, asClient, journal.LogIn{Channel: journal.Web, Browser: "B", System: "S"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.keys.Destroy(t.Context(), keyring.Owner{Kind: keyring.Client, ID: someone}); err != nil {
		t.Fatal(err)
	}
	s, version, err := b.journals().State(t.Context(), someone)
	if err != nil || version != 3 || s.Version != 3 || !s.LastLogin.IsZero() {
		t.Errorf("the journal: version %d (%d), last login %v, %v", version, s.Version, s.LastLogin, err)
	}
	cs, _, err := b.clients().State(t.Context(), someone)
	if err != nil || !cs.Registered() || cs.Version != 2 {
		t.Errorf("the client: version %d, %v", cs.Version, err)
	}
	must(t)(b.clients().Do(t.Context(), someone, asClient, grant))
	l := b.ledger()
	redacted := 0
	head, _ := b.store.Head(t.Context())
	err = l.Upto(t.Context(), head, true, func(f *eventschema.Fact) error {
		if _, ok := f.Body.(eventschema.Redacted); ok {
			redacted++
		}
		return nil
	})
	if err != nil || redacted != 4 {
		t.Errorf("%d redacted events, expected the label and three logins; %v", redacted, err)
	}
}

// strange is an event of a later program.
func (b *bench) strange(stream string, after uint64) {
	b.t.Helper()
	data := append([]byte{0x84, 0x6b}, "later.event"...)
	data = append(data, 1, 0x80, 0x80)
	if _, err := b.store.Append(b.t.Context(), stream, after, eventschema.Record{ID: domain.ID{9}, Data: data}); err != nil {
		b.t.Fatal(err)
	}
}

func TestUnknownEventStopsTheReader(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	b.strange(eventschema.ClientStream.Stream(someone), 3)
	unknown := new(eventschema.UnknownError)
	if _, _, err := c.State(t.Context(), someone); !errors.As(err, &unknown) || unknown.Name != "later.event" {
		t.Errorf("reading: %v", err)
	}
	if _, err := c.Do(t.Context(), someone, asWorker, look); !errors.As(err, &unknown) {
		t.Errorf("deciding on a stream that cannot be read: %v", err)
	}
	seen := 0
	err := b.ledger().Follow(t.Context(), 0, false, func(*eventschema.Fact) error { seen++; return nil })
	if !errors.As(err, &unknown) || seen != 3 {
		t.Errorf("following: %d facts, then %v", seen, err)
	}
	seen = 0
	err = b.ledger().Upto(t.Context(), 4, true, func(*eventschema.Fact) error { seen++; return nil })
	if !errors.As(err, &unknown) || seen != 3 {
		t.Errorf("up to the end: %d facts, then %v", seen, err)
	}
	if got := ledgertest.Read(t, b.store, eventschema.ClientStream.Stream(someone), 1); len(got) != 4 {
		t.Errorf("%d events: something was written behind the unknown one", len(got))
	}
}

func TestFollow(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	l := b.ledger()
	ctx, stop := context.WithCancel(t.Context())
	var seen []uint64
	err := l.Follow(ctx, 1, false, func(f *eventschema.Fact) error {
		seen = append(seen, f.Position)
		switch len(seen) {
		case 1:
			must(t)(c.Do(context.Background(), someone, asClient, grant)) // live: it comes, too
		case 2:
			stop()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || fmt.Sprint(seen) != "[2 3]" {
		t.Errorf("saw %v, then %v", seen, err)
	}
	stopped := errors.New("stopped")
	if err := l.Follow(t.Context(), 0, true, func(*eventschema.Fact) error { return stopped }); !errors.Is(err, stopped) {
		t.Errorf("the function's error: %v", err)
	}
	seen = nil
	err = l.Upto(t.Context(), 2, true, func(f *eventschema.Fact) error { seen = append(seen, f.Position); return nil })
	if err != nil || fmt.Sprint(seen) != "[1 2]" {
		t.Errorf("up to 2: %v, %v", seen, err)
	}
	if err := l.Upto(t.Context(), 0, true, func(*eventschema.Fact) error { return stopped }); err != nil {
		t.Errorf("up to nothing: %v", err)
	}
}

func TestContextThatEnded(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	fresh := b.clients()
	if _, err := c.Do(ctx, someone, asClient, grant); !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v", err)
	}
	if _, err := fresh.Do(ctx, someone, asClient, grant); !errors.Is(err, context.Canceled) {
		t.Errorf("Do without a cache: %v", err)
	}
	if _, _, err := fresh.State(ctx, someone); !errors.Is(err, context.Canceled) {
		t.Errorf("State: %v", err)
	}
	b.holds("")
	must(t)(c.Do(t.Context(), someone, asClient, grant))
}

// A command of several events is done when the last of them is: whoever waits for the position sees all of them.
func TestPositionIsThatOfTheLastEvent(t *testing.T) {
	b := newBench(t)
	c := b.clients()
	b.register(c)
	must(t)(c.Do(t.Context(), someone, asClient, grant))
	b.wait(400 * 24 * time.Hour)
	by := keyed(asClient, "k")
	b.store.FailAndStore(1)
	for what, c := range map[string]*clients{"settled": c, "again": c, "elsewhere": b.clients()} {
		if done := must(t)(c.Do(t.Context(), someone, by, grant)); done.Position != 6 {
			t.Errorf("%s: position %d, expected 6", what, done.Position)
		}
	}
	b.holds("sharing.granted follow-up.asked sharing.lapsed sharing.granted")
}

// Many at once on few streams, in two processes, with appends that fail: every acknowledged command is one event, and
// those who read beside them see states that were.
func TestManyAtOnce(t *testing.T) {
	b := newBench(t)
	c := [2]*clients{b.clients(), b.clients()}
	b.register(c[0])
	must(t)(c[0].Do(t.Context(), someone, asClient, grant))
	const each = 60
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range each {
				if i%10 == g {
					b.store.FailAndStore(1 + g%3)
					b.store.FailAndLose(2 + g%3)
				}
				by := keyed(asWorker, fmt.Sprint(g, " ", i))
				for {
					if _, err := c[g%2].Do(context.Background(), someone, by, look); err == nil {
						break
					} else if !errors.Is(err, ledgertest.ErrFault) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	for g := range 2 {
		wait.Go(func() {
			last := uint64(0)
			for range 10 * each {
				s, version, err := c[g].State(context.Background(), someone)
				if err != nil || s.Version != version || version < last {
					t.Errorf("state %d at version %d after %d: %v", s.Version, version, last, err)
					return
				}
				last = version
			}
		})
	}
	wait.Wait()
	if n := strings.Count(b.names(eventschema.ClientStream), "lookup.made"); n != 8*each {
		t.Errorf("%d look-ups for %d commands", n, 8*each)
	}
}

func TestNewID(t *testing.T) {
	l := newBench(t).ledger()
	seen := map[domain.ID]bool{}
	for range 1000 {
		id, err := l.NewID()
		if err != nil || seen[id] || id[6]>>4 != 4 || id[8]>>6 != 2 {
			t.Fatalf("%s: %v", id, err)
		}
		seen[id] = true
	}
	l.Random = bytes.NewReader(nil)
	if id, err := l.NewID(); err == nil {
		t.Errorf("an id without randomness: %s", id)
	}
	if _, err := ledger.NewStreams(l, eventschema.ClientStream, client.Decider(rules.All)).Do(t.Context(), someone, asClient, grant); err == nil {
		t.Error("a command without a key of its own, and no error")
	}
}
