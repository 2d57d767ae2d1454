package relay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"samtykke/adapters/relay"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// A notifier as a test wants it.
type notifier func(context.Context, relay.Notice) error

func (n notifier) Notify(ctx context.Context, notice relay.Notice) error { return n(ctx, notice) }

// serving runs a relay with its notices in process until the bubble has nothing left to do, and then for as long as asked.
func serving(t *testing.T, b *book, m *marks, to relay.Notifier, count relay.Count, log *slog.Logger, during func()) {
	t.Helper()
	tr := relay.InProcess(log)
	router, err := relay.NewRouter(tr, to, count, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- relay.Run(ctx, &relay.Relay{Store: b, Cursor: m, Publisher: tr.Publisher, Key: key("k")}, router)
	}()
	synctest.Wait()
	during()
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	synctest.Wait()
}

var quiet = slog.New(slog.DiscardHandler)

// From the ledger to whoever gives notices: each once, in order.
func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.does(t, 1, registered(1, 1), client.Granted{}, client.FollowUpAsked{}, journal.ContentSent{}, journal.ContentSent{})
		b.does(t, 2, registered(2, 1), journal.ContentSent{}, journal.LoggedIn{})
		b.does(t, 3, registered(3, 1))
		given := map[relay.Pseudonym][]relay.Kind{}
		serving(t, b, fromStart(), notifier(func(_ context.Context, n relay.Notice) error {
			given[n.Recipient] = append(given[n.Recipient], n.Kind)
			return nil
		}), nil, quiet, func() {})
		k := key("k")
		for who, want := range map[byte][]relay.Kind{1: {relay.QuestionWaits, relay.NewContent, relay.NewContent}, 2: {relay.NewContent}, 3: nil} {
			if got := given[k.Recipient(id(who))]; !slices.Equal(got, want) {
				t.Errorf("client %d was given %v, expected %v", who, got, want)
			}
		}
	})
}

// A notice under way when the process is told to stop was not given, and is given after the next start. An in-process channel answers yes
// for a subscriber that went away; that must not move the cursor.
func TestStoppedWithANoticeUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := newBook(), fromStart()
		b.does(t, 1, registered(1, 1), journal.ContentSent{}, journal.ContentSent{}, journal.ContentSent{})
		var given []string
		serving(t, b, m, notifier(func(ctx context.Context, n relay.Notice) error {
			if len(given) == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			given = append(given, n.ID)
			return nil
		}), nil, quiet, func() {})
		if len(given) != 1 || m.place.Position != 2 {
			t.Fatalf("%d notices were given, the cursor is at %d", len(given), m.place.Position)
		}
		serving(t, b, m, notifier(func(_ context.Context, n relay.Notice) error {
			given = append(given, n.ID)
			return nil
		}), nil, quiet, func() {})
		if len(given) != 3 || slices.Contains(given[1:], given[0]) || given[1] == given[2] {
			t.Errorf("given %v", given)
		}
	})
}

// A transport that is closed under a message has not delivered it.
func TestClosedUnderAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := relay.InProcess(quiet)
		in, err := tr.Subscriber.Subscribe(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		answer := make(chan error, 1)
		go func() { answer <- tr.Publisher.Publish("x", message.NewMessage("1", nil)) }()
		<-in // and no answer
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err == nil {
			t.Error("a message that nobody answered was taken for delivered")
		}
	})
}

// A notice that cannot be given is tried a few times, with growing waits, and put aside; the others go on. Neither the log nor the poison
// queue repeats the notifier's error.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var mu sync.Mutex
		var tries []time.Time
		counted := map[relay.Counter]int{}
		tr := relay.InProcess(quiet)
		poisoned := &press{}
		tr.Poison = poisoned
		count := func(c relay.Counter) {
			mu.Lock()
			defer mu.Unlock()
			counted[c]++
		}
		router, err := relay.NewRouter(tr, notifier(func(_ context.Context, n relay.Notice) error {
			if n.Kind == relay.QuestionWaits {
				tries = append(tries, time.Now()) // the bubble's clock
				return errors.New("canary@havglimt.example")
			}
			return nil
		}), count, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- router.Run(ctx) }()
		<-router.Running()
		p := key("k").Recipient(id(1))
		send := func(uuid, schema, payload string) {
			t.Helper()
			m := message.NewMessage(uuid, []byte(payload))
			m.Metadata.Set(relay.SchemaKey, schema)
			if err := tr.Publisher.Publish(relay.NoticeTopic, m); err != nil {
				t.Fatal(err)
			}
		}
		const v1 = "client.notice.v1"
		question, content := fmt.Sprintf(`{"kind":"question-waits","recipient":%q}`, p), fmt.Sprintf(`{"kind":"new-content","recipient":%q}`, p)
		send(uuidOf(1), v1, question)
		send(uuidOf(1), v1, question) // it was dealt with
		send(uuidOf(2), v1, content)
		send(uuidOf(2), v1, content)
		malformed := []struct{ schema, payload string }{
			{"client.notice.v2", content}, {v1, `{"kind":"new-score","recipient":"` + string(p) + `"}`}, {v1, content + content},
			{v1, `{"kind":"new-content","recipient":"` + strings.ToUpper(string(p)) + `"}`}, {v1, strings.Replace(content, "{", `{"score":13,`, 1)}, {v1, ""},
		}
		send("no UUID at all", v1, content)
		begun := time.Now()
		for i, bad := range malformed {
			send(uuidOf(10+i), bad.schema, bad.payload)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("what is no notice was tried for %v", took)
		}
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		tr.Close()
		synctest.Wait() // the router's last words
		var waits []time.Duration
		for i := range tries[1:] {
			waits = append(waits, tries[i+1].Sub(tries[i]))
		}
		const ms = time.Millisecond
		if want := []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms}; !slices.Equal(waits, want) {
			t.Errorf("tried after %v, expected %v", waits, want)
		}
		want := map[relay.Counter]int{relay.NoticeFailed: 6, relay.NoticeGiven: 1, relay.NoticeRepeated: 2, relay.NoticePoisoned: 2 + len(malformed)}
		if fmt.Sprint(counted) != fmt.Sprint(want) {
			t.Errorf("counted %v, expected %v", counted, want)
		}
		if len(poisoned.took) != 2+len(malformed) || poisoned.took[0].id != uuidOf(1) || poisoned.took[0].topic != relay.PoisonTopic {
			t.Errorf("poisoned are %v", poisoned.took)
		}
		for what, all := range map[string]string{"the poison queue": fmt.Sprint(poisoned.took), "the log": log.String()} {
			if strings.Contains(all, "canary") || !strings.Contains(all, "could not be given") || !strings.Contains(all, uuidOf(1)) {
				t.Errorf("%s repeats the notifier's words, or says nothing at all: %s", what, all)
			}
		}
		if lines := strings.Count(log.String(), "was put aside"); lines != 2+len(malformed) {
			t.Errorf("%d lines say that a notice was put aside: %s", lines, log.String())
		}
	})
}

func uuidOf(n int) string { return fmt.Sprintf("00000000-0000-8000-8000-%012d", n) }

// While nobody can be given notices they wait, for as long as it takes, and each is given in its turn, also where the notifier refuses some
// meanwhile. Why is in the log.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := newBook(), fromStart()
		b.does(t, 1, registered(1, 1), journal.ContentSent{}, client.Granted{}, client.FollowUpAsked{})
		b.does(t, 2, registered(2, 1), journal.ContentSent{})
		var log strings.Builder
		var away atomic.Bool
		away.Store(true)
		var poisoned, failed atomic.Int64
		var tried map[string]bool
		attempts := 0
		var given []relay.Kind
		to := notifier(func(_ context.Context, n relay.Notice) error {
			if away.Load() {
				tried[n.ID] = true
				if attempts++; attempts%6 != 3 {
					return errors.New("canary: not this one, it says in its trouble")
				}
				return fmt.Errorf("canary: %w", relay.Away("closed for lunch"))
			}
			given = append(given, n.Kind)
			return nil
		})
		count := func(c relay.Counter) {
			switch c {
			case relay.NoticePoisoned:
				poisoned.Add(1)
			case relay.NoticeFailed:
				failed.Add(1)
			}
		}
		for _, opens := range []bool{false, true} { // the process ends in between
			tried = map[string]bool{}
			serving(t, b, m, to, count, slog.New(slog.NewTextHandler(&log, nil)), func() {
				time.Sleep(time.Hour) // of the bubble
				synctest.Wait()
				if len(tried) != 1 || m.place.Position > 1 || len(given) > 0 {
					t.Errorf("%d notices were tried, %d given, and the cursor is at %d", len(tried), len(given), m.place.Position)
				}
				if opens {
					away.Store(false)
					time.Sleep(time.Minute)
				}
			})
		}
		want := []relay.Kind{relay.NewContent, relay.QuestionWaits, relay.NewContent}
		if !slices.Equal(given, want) || poisoned.Load() != 0 || failed.Load() < 3600 {
			t.Errorf("given %v, %d poisoned, %d attempts failed", given, poisoned.Load(), failed.Load())
		}
		if said := log.String(); strings.Contains(said, "canary") || !strings.Contains(said, "closed for lunch") {
			t.Errorf("the log says %.300s", said)
		}
	})
}

// A notice that neither the notifier nor the poison queue takes comes again: it is remembered once it was dealt with, and not before.
func TestPoisonQueueAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, m := newBook(), fromStart()
		b.does(t, 1, registered(1, 1), journal.ContentSent{})
		tr := relay.InProcess(quiet)
		var away atomic.Bool
		away.Store(true)
		tr.Poison = &press{before: func() error {
			if away.Load() {
				return errors.New("away")
			}
			return nil
		}}
		var given int
		router, err := relay.NewRouter(tr, notifier(func(context.Context, relay.Notice) error {
			if away.Load() {
				return errors.New("away")
			}
			given++
			return nil
		}), nil, quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- relay.Run(ctx, &relay.Relay{Store: b, Cursor: m, Publisher: tr.Publisher, Key: key("k")}, router)
		}()
		time.Sleep(20 * time.Second) // of the bubble: tried three times over
		away.Store(false)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		stop()
		<-ended
		tr.Close()
		if given != 1 || m.place.Position != 2 {
			t.Errorf("given %d times, the cursor is at %d", given, m.place.Position)
		}
	})
}
