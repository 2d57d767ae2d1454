// Package relaytest holds what every relay.Transport must pass.
package relaytest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"samtykke/adapters/relay"
)

// Features are what transports differ in.
type Features struct {
	Keeps bool // what is published while nobody subscribes is delivered later
	Folds bool // what is published twice, soon after, is delivered once
}

const patience = time.Minute // after which what should have come is missing

// TestTransport runs the suite. open gives a transport whose topics are empty, or, when it is called again in one test, another connection to it.
func TestTransport(t *testing.T, has Features, open func(t *testing.T) func() relay.Transport) {
	cases := []struct {
		name, why string
		skip      bool
		run       func(*testing.T, func() relay.Transport)
	}{
		{"arrives as it was", "a receiver checks the payload against its schema and drops UUIDs that it has seen", false, arrivesAsItWas},
		{"order", "a receiver takes the last message for the present state", false, order},
		{"a no comes again first", "a later message that overtakes would be undone by the earlier one", false, noComesAgainFirst},
		{"topics apart", "one organisation's messages are not another's", false, topicsApart},
		{"closed", "what is not taken must not be taken for published", false, closed},
		{"kept", "a receiver that was away misses nothing, and is not given again what it took", !has.Keeps, kept},
		{"folded", "a message sent again after a crash is kept once", !has.Folds, folded},
		{"notices", "a notice is given once, in order, tried again, and put aside when it cannot be", false, notices},
		{"a panic is a no", "a notifier that fails badly must cost no notice and stop nobody", false, panics},
		{"away", "nothing is wrong with a notice that nobody can be given now: it waits, and nothing overtakes it", false, away},
		{"stopped", "a notice that is under way when its receiver is stopped was not given, and nothing is wrong with it", false, stopped},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			if c.skip {
				t.Skip("not promised by this transport")
			}
			t.Logf("why: %s", c.why)
			c.run(t, open(t))
		})
	}
}

var about = relay.Pseudonym("00112233445566778899aabbccddeeff")

// notice is the n-th message.
func notice(n int) *message.Message {
	kind := relay.NewContent
	if n%2 == 1 {
		kind = relay.QuestionWaits
	}
	id := uuid.UUID{0: byte(n >> 8), 1: byte(n), 6: 0x80, 8: 0x80}.String()
	m := message.NewMessage(id, fmt.Appendf(nil, `{"kind":%q,"recipient":%q}`, kind, about))
	m.Metadata.Set(relay.SchemaKey, "client.notice.v1")
	m.Metadata.Set(relay.PartitionKey, string(about))
	return m
}

func publish(t *testing.T, tr relay.Transport, topic string, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := tr.Publisher.Publish(topic, notice(n)); err != nil {
			t.Fatalf("publishing message %d: %v", n, err)
		}
	}
}

func subscribe(t *testing.T, tr relay.Transport, topic string) <-chan *message.Message {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	messages, err := tr.Subscriber.Subscribe(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func next(t *testing.T, from <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m, ok := <-from:
		if !ok {
			t.Fatal("the subscription ended")
		}
		return m
	case <-time.After(patience):
		t.Fatal("a message is missing")
	}
	return nil
}

// publishing runs beside: a transport that keeps nothing returns when the message is answered.
func publishing(t *testing.T, tr relay.Transport, topic string, from, to int) {
	t.Helper()
	var beside sync.WaitGroup
	beside.Go(func() {
		for n := from; n <= to; n++ {
			if err := tr.Publisher.Publish(topic, notice(n)); err != nil {
				t.Errorf("publishing message %d: %v", n, err)
				return
			}
		}
	})
	t.Cleanup(beside.Wait)
}

func arrivesAsItWas(t *testing.T, open func() relay.Transport) {
	tr := open()
	in := subscribe(t, tr, relay.NoticeTopic)
	publishing(t, tr, relay.NoticeTopic, 7, 7)
	want, got := notice(7), next(t, in)
	got.Ack()
	if got.UUID != want.UUID || string(got.Payload) != string(want.Payload) || !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("sent %s %s %v, got %s %s %v", want.UUID, want.Payload, want.Metadata, got.UUID, got.Payload, got.Metadata)
	}
}

func order(t *testing.T, open func() relay.Transport) {
	tr := open()
	in := subscribe(t, tr, relay.NoticeTopic)
	const many = 50
	publishing(t, tr, relay.NoticeTopic, 1, many)
	for n := 1; n <= many; n++ {
		m := next(t, in)
		m.Ack()
		if m.UUID != notice(n).UUID {
			t.Fatalf("message %d is %s", n, m.UUID)
		}
	}
}

func noComesAgainFirst(t *testing.T, open func() relay.Transport) {
	tr := open()
	in := subscribe(t, tr, relay.NoticeTopic)
	publishing(t, tr, relay.NoticeTopic, 1, 3)
	for i, n := range []int{1, 1, 2, 2, 3, 3} {
		m := next(t, in)
		if m.UUID != notice(n).UUID {
			t.Fatalf("delivery %d is %s, not message %d", i+1, m.UUID, n)
		}
		if i%2 == 0 {
			m.Nack()
		} else {
			m.Ack()
		}
	}
}

func topicsApart(t *testing.T, open func() relay.Transport) {
	tr := open()
	in := subscribe(t, tr, relay.NoticeTopic)
	other := relay.TopicOf([16]byte{1})
	publishing(t, tr, other, 1, 1)
	publishing(t, tr, relay.NoticeTopic, 2, 2)
	m := next(t, in)
	m.Ack()
	if m.UUID != notice(2).UUID {
		t.Errorf("%s arrived, of another topic", m.UUID)
	}
}

func closed(t *testing.T, open func() relay.Transport) {
	tr := open()
	in := subscribe(t, tr, relay.NoticeTopic)
	answer := make(chan error, 1)
	go func() { answer <- tr.Publisher.Publish(relay.NoticeTopic, notice(1)) }()
	next(t, in) // and no answer to it
	ended := make(chan error, 1)
	go func() { ended <- tr.Close() }()
	err := <-answer
	if err := <-ended; err != nil {
		t.Errorf("closing: %v", err)
	}
	if after := tr.Publisher.Publish(relay.NoticeTopic, notice(2)); after == nil {
		t.Error("a closed transport took a message")
	}
	if err == nil {
		again := open()
		in := subscribe(t, again, relay.NoticeTopic)
		m := next(t, in) // it was taken, so it was kept
		m.Ack()
		if m.UUID != notice(1).UUID {
			t.Errorf("%s came in place of the message that was taken", m.UUID)
		}
	}
}

func kept(t *testing.T, open func() relay.Transport) {
	publish(t, open(), relay.NoticeTopic, 1, 3)
	tr := open()
	in := subscribe(t, tr, relay.NoticeTopic)
	m := next(t, in)
	m.Ack()
	if m.UUID != notice(1).UUID {
		t.Fatalf("message 1 is %s", m.UUID)
	}
	next(t, in) // the yes to the first has arrived, then; and no answer to this one
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	in = subscribe(t, open(), relay.NoticeTopic)
	for n := 2; n <= 3; n++ {
		m := next(t, in)
		m.Ack()
		if m.UUID != notice(n).UUID {
			t.Fatalf("message %d is %s", n, m.UUID)
		}
	}
}

func folded(t *testing.T, open func() relay.Transport) {
	tr := open()
	publish(t, tr, relay.NoticeTopic, 1, 1)
	publish(t, tr, relay.NoticeTopic, 1, 2)
	in := subscribe(t, tr, relay.NoticeTopic)
	for n := 1; n <= 2; n++ {
		m := next(t, in)
		m.Ack()
		if m.UUID != notice(n).UUID {
			t.Fatalf("delivery %d is %s", n, m.UUID)
		}
	}
}

// errs fails a notice as often as it says.
type errs struct {
	mu    sync.Mutex
	fails map[string]int
	given chan string
	panic bool
}

func (e *errs) Notify(_ context.Context, n relay.Notice) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fails[n.ID]--; e.fails[n.ID] >= 0 {
		if e.panic {
			panic("as the test wants it")
		}
		return errors.New("not now")
	}
	e.given <- n.ID
	return nil
}

// counts are a relay.Count that is read at the end.
type counts struct {
	mu sync.Mutex
	n  map[relay.Counter]int
}

func (c *counts) add(what relay.Counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[what]++
}

func (c *counts) of(what relay.Counter) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

// running runs a router until the test ends, or what it gives is called.
func running(t *testing.T, tr relay.Transport, to relay.Notifier, count relay.Count) (end func()) {
	t.Helper()
	router, err := relay.NewRouter(tr, to, count, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- router.Run(ctx) }()
	<-router.Running()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return end
}

func notices(t *testing.T, open func() relay.Transport) {
	tr := open()
	to := &errs{given: make(chan string, 10), fails: map[string]int{notice(2).UUID: 2, notice(3).UUID: 1000}}
	count := &counts{n: map[relay.Counter]int{}}
	running(t, tr, to, count.add)
	publish(t, tr, relay.NoticeTopic, 1, 4)
	publish(t, tr, relay.NoticeTopic, 1, 5) // some of them again
	for _, n := range []int{1, 2, 4, 5} {
		select {
		case id := <-to.given:
			if id != notice(n).UUID {
				t.Fatalf("%s was given in place of notice %d", id, n)
			}
		case <-time.After(2 * patience):
			t.Fatalf("notice %d is missing", n)
		}
	}
	if n := count.of(relay.NoticePoisoned); n != 1 {
		t.Errorf("%d notices are poisoned, not 1", n)
	}
	if failed, given := count.of(relay.NoticeFailed), count.of(relay.NoticeGiven); failed < 3 || given < 3 {
		t.Errorf("%d attempts failed and %d notices were given", failed, given)
	}
}

func panics(t *testing.T, open func() relay.Transport) {
	tr := open()
	to := &errs{given: make(chan string, 10), fails: map[string]int{notice(1).UUID: 1}, panic: true}
	running(t, tr, to, nil)
	publish(t, tr, relay.NoticeTopic, 1, 2)
	for _, n := range []int{1, 2} {
		select {
		case id := <-to.given:
			if id != notice(n).UUID {
				t.Fatalf("%s was given in place of notice %d", id, n)
			}
		case <-time.After(2 * patience):
			t.Fatalf("notice %d is missing", n)
		}
	}
}

// notifier is one that is a function.
type notifier func(context.Context, relay.Notice) error

func (n notifier) Notify(ctx context.Context, notice relay.Notice) error { return n(ctx, notice) }

func away(t *testing.T, open func() relay.Transport) {
	tr := open()
	tries, given := 0, make(chan string, 10)
	count := &counts{n: map[relay.Counter]int{}}
	running(t, tr, notifier(func(_ context.Context, n relay.Notice) error {
		if tries++; tries <= 7 { // a router that is told no more than that it failed gives up after six
			return fmt.Errorf("not now: %w", relay.Away("away"))
		}
		given <- n.ID
		return nil
	}), count.add)
	publish(t, tr, relay.NoticeTopic, 1, 2)
	for _, n := range []int{1, 2} {
		select {
		case id := <-given:
			if id != notice(n).UUID {
				t.Fatalf("%s was given in place of notice %d", id, n)
			}
		case <-time.After(patience):
			t.Fatalf("notice %d is missing", n)
		}
	}
	if n := count.of(relay.NoticePoisoned); n != 0 {
		t.Errorf("%d notices are poisoned", n)
	}
}

func stopped(t *testing.T, open func() relay.Transport) {
	tr := open()
	begun := make(chan struct{})
	count := &counts{n: map[relay.Counter]int{}}
	end := running(t, tr, notifier(func(ctx context.Context, _ relay.Notice) error {
		close(begun)
		<-ctx.Done()
		return errors.New("cut off")
	}), count.add)
	publishing(t, tr, relay.NoticeTopic, 1, 1)
	select {
	case <-begun:
	case <-time.After(patience):
		t.Fatal("the notice is missing")
	}
	end()
	if n := count.of(relay.NoticePoisoned); n != 0 {
		t.Errorf("%d notices are poisoned", n)
	}
}
