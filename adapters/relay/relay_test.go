package relay_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/relay"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// key hashes under a secret of the test's.
func key(secret string) relay.Key {
	return func(text []byte) [32]byte {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(text)
		return [32]byte(mac.Sum(nil))
	}
}

// unsealed are keys that hide nothing.
type unsealed struct{}

func (unsealed) Seal(_ eventschema.Owner, plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (unsealed) Open(_ eventschema.Owner, ciphertext, _ []byte) ([]byte, error) {
	return ciphertext, nil
}

// A book is a ledger that a test writes in, an hour after the other.
type book struct {
	ledger.Store
	versions map[string]uint64
	events   byte
	now      time.Time
}

func newBook() *book {
	return &book{ledgertest.Memory(), map[string]uint64{}, 0, time.Date(2026, 3, 2, 10, 15, 30, 0, time.UTC)}
}

func id(n byte) domain.ID { return domain.ID{0: n, 6: 0x40, 8: 0x80, 15: n} }

// does appends what happens to a client.
func (b *book) does(t *testing.T, who byte, bodies ...any) {
	t.Helper()
	for _, body := range bodies {
		row, ok := eventschema.Today.RowOf(body)
		if !ok {
			t.Fatalf("%T has no row", body)
		}
		b.now, b.events = b.now.Add(time.Hour), b.events+1
		stream := row.Category.Stream(id(who))
		f := eventschema.Fact{
			ID: id(b.events), Category: row.Category, Subject: id(who), Version: b.versions[stream] + 1, Effective: b.now, Rule: "r/1",
			Act: domain.Act{At: b.now, Actor: id(who), Role: domain.RoleClient}, Body: body,
		}
		rec, err := eventschema.Today.Encode(&f, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		b.append(t, stream, rec)
	}
}

func (b *book) append(t *testing.T, stream string, rec eventschema.Record) {
	t.Helper()
	if _, err := b.Append(t.Context(), stream, b.versions[stream], rec); err != nil {
		t.Fatal(err)
	}
	b.versions[stream]++
}

func registered(who, organisation byte) client.Registered {
	return client.Registered{Client: id(who), Organisation: id(organisation), Handle: id(0xaa), Service: "assistert-selvhjelp"}
}

// A taken message as its receiver finds it.
type taken struct {
	topic, id, payload string
	metadata           map[string]string
}

// press is a publisher that keeps what it takes, and fails when it is told to.
type press struct {
	mu     sync.Mutex
	took   []taken
	before func() error // asked before it takes a message
	after  func() error // and after
}

func (p *press) Publish(topic string, messages ...*message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		if p.before != nil {
			if err := p.before(); err != nil {
				return err
			}
		}
		p.took = append(p.took, taken{topic, m.UUID, string(m.Payload), maps.Clone(m.Metadata)})
		m.Metadata.Set("added", "by the publisher")
		if p.after != nil {
			if err := p.after(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *press) Close() error { return nil }

// marks is a cursor in memory.
type marks struct {
	place  relay.Place
	known  bool
	saves  int
	before func() error
	after  func() error
}

func (m *marks) Load(context.Context) (relay.Place, bool, error) { return m.place, m.known, nil }

func (m *marks) Save(_ context.Context, p relay.Place) error {
	if m.before != nil {
		if err := m.before(); err != nil {
			return err
		}
	}
	m.place, m.known = p, true
	m.saves++
	if m.after != nil {
		return m.after()
	}
	return nil
}

// fromStart is the cursor of a relay that has been there from the beginning.
func fromStart() *marks { return &marks{known: true} }

// relayAll runs a relay until it has nothing left to do, within a bubble.
func relayAll(t *testing.T, r *relay.Relay) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	synctest.Wait()
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// kinds are the kinds of the messages on a topic, in order.
func (p *press) kinds(topic string) (kinds []string) {
	for _, m := range p.took {
		if m.topic == topic {
			kinds = append(kinds, strings.Split(m.payload, `"`)[3])
		}
	}
	return kinds
}

// Every event is either relayed or not, for a reason; and no other is in the table.
func TestTableIsComplete(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range eventschema.Today.Rows() {
		rows[r.Name] = true
	}
	seen := map[string]bool{}
	for _, r := range relay.Table {
		if seen[r.Event] || !rows[r.Event] {
			t.Errorf("%s stands there twice, or is no event", r.Event)
		}
		seen[r.Event] = true
		if r.Why == "" {
			t.Errorf("%s has no reason", r.Event)
		}
		if (r.To == relay.Client) != (r.Kind != "") {
			t.Errorf("%s: a notice has a kind, and nothing else", r.Event)
		}
	}
	for name := range rows {
		if !seen[name] {
			t.Errorf("%s is not in the table: decide whom it is told", name)
		}
	}
}

// What an organisation is told is what its overview shows, and the same whatever the reason was.
func TestOrganisationIsToldWhatItsOverviewShows(t *testing.T) {
	granted, began, ended := client.Granted{Occasion: client.Settings, LapseOn: 20700}, "sharing-began", "sharing-ended"
	cases := map[string]struct {
		bodies []any
		want   []string
	}{
		"declined":              {[]any{client.Declined{}}, nil},
		"granted":               {[]any{granted}, []string{began}},
		"confirmed":             {[]any{granted, client.FollowUpAsked{}, client.FollowUpConfirmed{}}, []string{began}},
		"withdrawn":             {[]any{granted, client.Withdrawn{}}, []string{began, ended}},
		"answered no":           {[]any{granted, client.FollowUpAsked{}, client.FollowUpEnded{}}, []string{began, ended}},
		"lapsed":                {[]any{granted, client.Lapsed{}}, []string{began, ended}},
		"erased":                {[]any{granted, client.Erased{Organisation: id(1)}, client.KeyDestroyed{}, client.Swept{}}, []string{began, ended}},
		"deactivated":           {[]any{granted, client.Deactivated{}}, []string{began, ended}},
		"restricted":            {[]any{granted, client.Restricted{}}, []string{began, ended}},
		"and not any more":      {[]any{granted, client.Restricted{}, client.RestrictionLifted{}}, []string{began, ended, began}},
		"granted if restricted": {[]any{client.Restricted{}, granted}, nil},
		"ended if restricted":   {[]any{granted, client.Restricted{}, client.Withdrawn{}, client.RestrictionLifted{}}, []string{began, ended}},
		"new code":              {[]any{granted, client.CodeRotated{}}, []string{began}},
		"new code, not shared":  {[]any{client.CodeRotated{}}, nil},
		"erased, not shared":    {[]any{client.Erased{Organisation: id(1)}}, nil},
		"idle, not shared":      {[]any{client.Deactivated{}}, nil},
		"read":                  {[]any{granted, client.LookedUp{}}, []string{began}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := newBook(), &press{}
				b.does(t, 7, registered(7, 1), client.Labelled{Label: "K7M2"})
				b.does(t, 7, c.bodies...)
				relayAll(t, &relay.Relay{Store: b, Cursor: fromStart(), Publisher: p, Key: key("k")})
				if got := p.kinds(relay.TopicOf(id(1))); !slices.Equal(got, c.want) {
					t.Errorf("told %v, expected %v", got, c.want)
				}
			})
		})
	}
}

// Endings of all kinds give the same message but for its UUID.
func TestEndingsCannotBeToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first taken
		for i, end := range []any{
			client.Withdrawn{}, client.FollowUpEnded{}, client.Lapsed{}, client.Restricted{}, client.Deactivated{}, client.Erased{Organisation: id(1)},
		} {
			b, p := newBook(), &press{}
			b.does(t, 7, registered(7, 1), client.Granted{}, end)
			relayAll(t, &relay.Relay{Store: b, Cursor: fromStart(), Publisher: p, Key: key("k")})
			last := p.took[len(p.took)-1]
			if i == 0 {
				first = last
				if want := `"day":"2026-03-02"}`; !strings.HasSuffix(last.payload, want) {
					t.Errorf("%s does not end in %s", last.payload, want)
				}
			}
			if last.payload != first.payload || last.topic != first.topic || !maps.Equal(last.metadata, first.metadata) {
				t.Errorf("%T tells %v, %T told %v", end, last, client.Withdrawn{}, first)
			}
		}
	})
}

// A notice is given while it has a point, and not when that was long ago.
func TestNoticesThatStillHold(t *testing.T) {
	sent, asked := journal.ContentSent{Content: "canary"}, client.FollowUpAsked{}
	cases := map[string]struct {
		bodies []any
		want   []string
	}{
		"content":                 {[]any{sent}, []string{"new-content"}},
		"question":                {[]any{client.Granted{}, asked}, []string{"question-waits"}},
		"both":                    {[]any{client.Granted{}, asked, sent, sent}, []string{"question-waits", "new-content", "new-content"}},
		"answered yes":            {[]any{client.Granted{}, asked, client.FollowUpConfirmed{}}, nil},
		"answered no":             {[]any{client.Granted{}, asked, client.FollowUpEnded{}}, nil},
		"lapsed":                  {[]any{client.Granted{}, asked, client.Lapsed{}}, nil},
		"restricted":              {[]any{client.Granted{}, asked, sent, client.Restricted{}}, nil},
		"erased":                  {[]any{client.Granted{}, asked, sent, client.Erased{}}, nil},
		"deactivated":             {[]any{sent, client.Deactivated{}}, nil},
		"a new code changes none": {[]any{sent, client.CodeRotated{}}, []string{"new-content"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, p := newBook(), &press{}
				b.does(t, 7, registered(7, 1))
				b.does(t, 7, c.bodies...)
				relayAll(t, &relay.Relay{Store: b, Cursor: fromStart(), Publisher: p, Key: key("k")})
				if got := p.kinds(relay.NoticeTopic); !slices.Equal(got, c.want) {
					t.Errorf("noticed %v, expected %v", got, c.want)
				}
			})
		})
	}
}

// Two organisations, the notices and another key: four pseudonyms that have nothing in common.
func TestPseudonyms(t *testing.T) {
	k := key("k")
	all := []relay.Pseudonym{k.Client(id(1), id(7)), k.Client(id(2), id(7)), k.Client(id(1), id(8)), k.Recipient(id(7)), key("other").Recipient(id(7))}
	for i, p := range all {
		if !p.Valid() || slices.Contains(all[:i], p) {
			t.Errorf("%s is not one, or stands for two", p)
		}
	}
	if k.Client(id(1), id(7)) != all[0] {
		t.Error("the pseudonym is another one each time")
	}
}

// lives are events of several clients of two organisations, in turn.
func lives(t *testing.T) *book {
	b := newBook()
	for who := byte(1); who <= 3; who++ {
		b.does(t, who, registered(who, 0x80+who%2))
	}
	for range 2 {
		for who := byte(1); who <= 3; who++ {
			b.does(t, who, client.Granted{}, journal.LoggedIn{}, journal.ContentSent{}, client.LookedUp{})
		}
		for who := byte(1); who <= 3; who++ {
			b.does(t, who, client.Withdrawn{})
		}
	}
	return b
}

var errCut = errors.New("the power is cut")

// The process ends before or after each of its steps, at each of them in turn, and begins anew from what was durable. Everything is
// taken at least once, in order, and what is taken again is the same and was the last.
func TestAtLeastOnceWhereverItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, whole := lives(t), &press{}
		relayAll(t, &relay.Relay{Store: b, Cursor: fromStart(), Publisher: whole, Key: key("k")})
		if len(whole.took) != 18 {
			t.Fatalf("%d messages", len(whole.took))
		}
		repeated := 0
		for cut := 0; ; cut++ {
			p, m, steps := &press{}, fromStart(), 0
			ctx, stop := context.WithCancel(t.Context())
			step := func() error {
				if steps++; steps == cut+1 {
					stop() // nothing is done after this, whatever the step would have said
				}
				if steps > cut {
					return errCut
				}
				return nil
			}
			p.before, p.after, m.before, m.after = step, step, step, step
			ended := make(chan error, 1)
			go func() { ended <- (&relay.Relay{Store: b, Cursor: m, Publisher: p, Key: key("k")}).Run(ctx) }()
			synctest.Wait()
			stop()
			<-ended
			p.before, p.after, m.before, m.after = nil, nil, nil, nil
			before := len(p.took)
			relayAll(t, &relay.Relay{Store: b, Cursor: m, Publisher: p, Key: key("k")})
			repeated += inOrder(t, fmt.Sprintf("cut at step %d", cut), whole.took, p.took)
			if steps <= cut {
				if before != len(whole.took) {
					t.Errorf("uncut, %d of %d messages were taken", before, len(whole.took))
				}
				break
			}
		}
		if repeated < len(whole.took) {
			t.Errorf("%d messages came again: the cuts did not fall between taking and moving the cursor", repeated)
		}
	})
}

// inOrder checks that got is want with some messages sent twice in a row, and counts those.
func inOrder(t *testing.T, when string, want, got []taken) (repeated int) {
	t.Helper()
	equal := func(a, b taken) bool {
		return a.topic == b.topic && a.id == b.id && a.payload == b.payload && maps.Equal(a.metadata, b.metadata)
	}
	var once []taken
	for _, m := range got {
		if n := len(once); n > 0 && equal(once[n-1], m) {
			repeated++
			continue
		}
		once = append(once, m)
	}
	if !slices.EqualFunc(once, want, equal) {
		t.Fatalf("%s: taken, repetitions left out:\n%v\nexpected:\n%v", when, once, want)
	}
	return repeated
}

// A publisher that fails is tried again after waits that double up to a bound; nothing overtakes, and everything is counted.
func TestBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p, m := lives(t), &press{}, fromStart()
		var tries []time.Time
		down, fails, saves := true, 0, 0
		p.before = func() error {
			tries = append(tries, time.Now()) // the bubble's clock
			if down && len(p.took) == 4 {
				return errors.New("away")
			}
			return nil
		}
		m.before = func() error {
			if saves++; saves == 3 {
				return errors.New("full")
			}
			return nil
		}
		counted := map[relay.Counter]int{}
		r := &relay.Relay{
			Store: b, Cursor: m, Publisher: p, Key: key("k"),
			Count: func(c relay.Counter) { counted[c]++ }, Failed: func(error) { fails++ },
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(3 * time.Minute) // of the bubble
		synctest.Wait()
		p.mu.Lock()
		var waits []time.Duration
		for i := range tries[5:] {
			waits = append(waits, tries[5+i].Sub(tries[4+i]))
		}
		const ms = time.Millisecond
		want := []time.Duration{
			100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 12800 * ms, 25600 * ms,
			30 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second,
		}
		if len(p.took) != 4 || !slices.Equal(waits, want) {
			t.Errorf("took %d messages, tried after %v", len(p.took), waits)
		}
		down = false
		p.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		stop()
		<-ended
		if len(p.took) != 18 || counted[relay.Published] != 18 {
			t.Errorf("took %d messages, counted %d", len(p.took), counted[relay.Published])
		}
		if counted[relay.AttemptFailed] != len(want)+2 || fails != len(want)+2 {
			t.Errorf("%d attempts failed, %d were told of", counted[relay.AttemptFailed], fails)
		}
	})
}

// An event that the catalogue does not know stops the relay, and what is behind it is not relayed.
func TestUnknownEventStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p, m := newBook(), &press{}, fromStart()
		b.does(t, 7, registered(7, 1), client.Granted{})
		strange := b.strange(t, 8)
		b.append(t, strange.Stream, strange)
		b.does(t, 7, client.Withdrawn{})
		err := (&relay.Relay{Store: b, Cursor: m, Publisher: p, Key: key("k")}).Run(t.Context())
		if _, ok := errors.AsType[*eventschema.UnknownError](err); !ok || len(p.took) != 1 || m.place.Position != 2 {
			t.Errorf("stopped with %v after %d messages, the cursor at %d", err, len(p.took), m.place.Position)
		}
	})
}

// strange is an event of a later version of the program.
func (b *book) strange(t *testing.T, who byte) eventschema.Record {
	t.Helper()
	f := eventschema.Fact{
		ID: id(0xee), Category: eventschema.ClientStream, Subject: id(who), Version: 1, Effective: b.now,
		Act: domain.Act{At: b.now}, Body: client.Declined{},
	}
	rec, err := eventschema.Today.Encode(&f, unsealed{})
	if err != nil {
		t.Fatal(err)
	}
	rec.Data = []byte(strings.Replace(string(rec.Data), "sharing.declined", "sharing.declaned", 1))
	return rec
}

// The cursor begins at the end of the ledger, goes on where it was, and tells another ledger.
func TestCursorAndLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := lives(t), &press{}
		d := simdisk.New(rand.NewPCG(1, 2))
		cursor := relay.FileCursor{Disk: d}
		r := &relay.Relay{Store: b, Cursor: cursor, Publisher: p, Key: key("k")}
		relayAll(t, r)
		if len(p.took) != 0 {
			t.Errorf("%d messages of what was before", len(p.took))
		}
		b.does(t, 1, client.Granted{})
		d.Crash()
		relayAll(t, r)
		if len(p.took) != 1 {
			t.Errorf("%d messages, expected the one since", len(p.took))
		}
		relayAll(t, r)
		if len(p.took) != 1 {
			t.Errorf("%d messages, nothing is new", len(p.took))
		}
		other := newBook()
		other.does(t, 1, registered(1, 1))
		for range b.versions["client-"+id(1).String()] + 40 {
			other.does(t, 1, client.LookedUp{})
		}
		for name, s := range map[string]ledger.Store{"shorter": newBook(), "another": other} {
			if err := (&relay.Relay{Store: s, Cursor: cursor, Publisher: p, Key: key("k")}).Run(t.Context()); !errors.Is(err, relay.ErrOtherLedger) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Wherever the power is cut while the cursor is saved, the old place is there or the new one; other bytes are refused.
func TestFileCursor(t *testing.T) {
	old, next := relay.Place{Position: 7, Leaf: [32]byte{1}}, relay.Place{Position: 8, Leaf: [32]byte{2}}
	seen := map[relay.Place]int{}
	for seed := range uint64(20) {
		for cut := range 8 {
			d := simdisk.New(rand.NewPCG(seed, 1))
			c := relay.FileCursor{Disk: d}
			if err := c.Save(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			d.CutPower(cut)
			err := c.Save(t.Context(), next)
			d.Crash()
			got, known, errLoad := c.Load(t.Context())
			if errLoad != nil || !known || got != old && got != next || err == nil && got != next {
				t.Fatalf("seed %d, cut %d: saved with %v, loaded %v %v %v", seed, cut, err, got, known, errLoad)
			}
			seen[got]++
		}
	}
	if seen[old] == 0 || seen[next] == 0 {
		t.Errorf("the cuts fell on one side only: %v", seen)
	}
	d := simdisk.New(rand.NewPCG(1, 1))
	c := relay.FileCursor{Disk: d}
	if _, known, err := c.Load(t.Context()); known || err != nil {
		t.Errorf("an empty folder has a cursor: %v %v", known, err)
	}
	if err := c.Save(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	whole, err := d.ReadFile("cursor")
	if err != nil {
		t.Fatal(err)
	}
	whole[3] ^= 1
	for _, bad := range [][]byte{whole, whole[:40], append(slices.Clone(whole), 0), {}} {
		d.WriteFile("cursor", bad)
		if p, known, err := c.Load(t.Context()); err == nil {
			t.Errorf("%d damaged bytes load as %v %v", len(bad), p, known)
		}
	}
}
