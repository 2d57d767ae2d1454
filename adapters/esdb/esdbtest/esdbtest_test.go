package esdbtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"samtykke/adapters/esdb/esdbtest"
)

// connect gives the official client of a new double.
func connect(t *testing.T, opts esdbtest.Options) (*esdbtest.Server, *esdb.Client) {
	t.Helper()
	n := esdbtest.Start(t, opts)
	return n, dial(t, n)
}

// dial gives another client of the double: one that lost its server is of no more use.
func dial(t *testing.T, n *esdbtest.Server) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString("esdb://" + n.Address() + "?tls=false")
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	c, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func event(n int) esdb.EventData {
	return esdb.EventData{EventID: uuid.NewSHA1(uuid.Nil, []byte{byte(n)}), EventType: "e", Data: fmt.Append(nil, n)}
}

func events(numbers ...int) (all []esdb.EventData) {
	for _, n := range numbers {
		all = append(all, event(n))
	}
	return all
}

func code(err error) esdb.ErrorCode {
	var e *esdb.Error
	if !errors.As(err, &e) {
		return -1
	}
	return e.Code()
}

// The servers' rules of an append, a line each: what is expected of a stream that holds events 0 to 3, what is appended,
// and the revision that is answered, -1 for a wrong version.
func TestAppendRules(t *testing.T) {
	for _, c := range []struct {
		what    string
		want    esdb.ExpectedRevision
		numbers []int
		answer  int
		restart bool
	}{
		{"the last revision", esdb.Revision(3), []int{4, 5}, 5, false},
		{"too early", esdb.Revision(1), []int{4}, -1, false},
		{"too late", esdb.Revision(4), []int{4}, -1, false},
		{"no stream", esdb.NoStream{}, []int{4}, -1, false},
		{"again, strongly", esdb.Revision(1), []int{2, 3}, 3, true},
		{"again, from the start", esdb.NoStream{}, []int{0, 1}, 1, true},
		{"again, and more", esdb.Revision(2), []int{3, 4}, -1, true},
		{"again, one place off", esdb.Revision(0), []int{2}, -1, true},
		{"any", esdb.Any{}, []int{4}, 4, false},
		{"any, again", esdb.Any{}, []int{1, 2}, 2, false},
		{"any, again after a restart", esdb.Any{}, []int{1, 2}, 5, true},
		{"any, again and more", esdb.Any{}, []int{3, 4}, -1, false},
		{"exists", esdb.StreamExists{}, []int{4}, 4, false},
	} {
		n, client := connect(t, esdbtest.Options{})
		fresh := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}
		if _, err := client.AppendToStream(t.Context(), "s", fresh, events(0, 1, 2, 3)...); err != nil {
			t.Fatal(err)
		}
		if c.restart {
			n.Restart()
			client = dial(t, n)
		}
		r, err := client.AppendToStream(t.Context(), "s", esdb.AppendToStreamOptions{ExpectedRevision: c.want}, events(c.numbers...)...)
		switch {
		case c.answer < 0 && code(err) != esdb.ErrorCodeWrongExpectedVersion:
			t.Errorf("%s: %v, want a wrong version", c.what, err)
		case c.answer >= 0 && (err != nil || r.NextExpectedVersion != uint64(c.answer)):
			t.Errorf("%s: %+v, %v; want revision %d", c.what, r, err, c.answer)
		}
	}
}

// read gives the revisions that a read of a stream shows, and how it ends.
func read(t *testing.T, c *esdb.Client, stream string, opts esdb.ReadStreamOptions) (revisions []uint64, err error) {
	t.Helper()
	r, err := c.ReadStream(t.Context(), stream, opts, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		e, err := r.Recv()
		if err != nil {
			return revisions, err
		}
		revisions = append(revisions, e.OriginalEvent().EventNumber)
	}
}

func TestHidingAndDeleting(t *testing.T) {
	n, c := connect(t, esdbtest.Options{})
	put := func(stream string, want esdb.ExpectedRevision, numbers ...int) error {
		_, err := c.AppendToStream(t.Context(), stream, esdb.AppendToStreamOptions{ExpectedRevision: want}, events(numbers...)...)
		return err
	}
	expect := func(what string, want string, ends error, of esdb.ErrorCode, opts esdb.ReadStreamOptions) {
		t.Helper()
		got, err := read(t, c, "s", opts)
		if fmt.Sprint(got) != want || ends != nil && !errors.Is(err, ends) || ends == nil && code(err) != of {
			t.Errorf("%s: %v, %v; want %s", what, got, err, want)
		}
	}
	expect("missing", "[]", nil, esdb.ErrorCodeResourceNotFound, esdb.ReadStreamOptions{})
	if err := put("s", esdb.NoStream{}, 0, 1, 2, 3, 4); err != nil {
		t.Fatal(err)
	}
	expect("whole", "[0 1 2 3 4]", io.EOF, 0, esdb.ReadStreamOptions{})
	expect("from 3", "[3 4]", io.EOF, 0, esdb.ReadStreamOptions{From: esdb.Revision(3)})
	expect("backwards", "[4 3 2 1 0]", io.EOF, 0, esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards})
	expect("backwards from 2", "[2 1 0]", io.EOF, 0, esdb.ReadStreamOptions{From: esdb.Revision(2), Direction: esdb.Backwards})
	meta := esdb.StreamMetadata{}
	meta.SetTruncateBefore(3)
	if _, err := c.SetStreamMetadata(t.Context(), "s", esdb.AppendToStreamOptions{}, meta); err != nil {
		t.Fatal(err)
	}
	expect("truncated", "[3 4]", io.EOF, 0, esdb.ReadStreamOptions{})
	if all := len(n.Log()); all != 6 {
		t.Errorf("%d events in $all after a truncation, want 6", all)
	}
	if n.Scavenge(); len(n.Log()) != 3 {
		t.Errorf("%d events in $all after a scavenge, want 3", len(n.Log()))
	}
	_, err := c.DeleteStream(t.Context(), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(9)})
	if code(err) != esdb.ErrorCodeUnknown ||
		!strings.Contains(err.Error(), "WrongExpectedVersion") || status.Code(errors.Unwrap(errors.Unwrap(err))) != codes.FailedPrecondition {
		t.Errorf("deletion at a wrong version: %v", err)
	}
	if _, err := c.DeleteStream(t.Context(), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	expect("deleted softly", "[]", nil, esdb.ErrorCodeResourceNotFound, esdb.ReadStreamOptions{})
	if err := put("s", esdb.StreamExists{}, 5); code(err) != esdb.ErrorCodeStreamDeleted {
		t.Errorf("append to a stream that should exist, deleted softly: %v", err)
	}
	if err := put("s", esdb.NoStream{}, 5); err != nil {
		t.Errorf("append after a soft deletion: %v", err)
	}
	if _, err := c.TombstoneStream(t.Context(), "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		expect("with a tombstone", "[]", nil, esdb.ErrorCodeStreamDeleted, esdb.ReadStreamOptions{})
		for _, want := range []esdb.ExpectedRevision{esdb.Any{}, esdb.NoStream{}, esdb.StreamExists{}, esdb.Revision(5)} {
			if err := put("s", want, 6); code(err) != esdb.ErrorCodeStreamDeleted {
				t.Errorf("append behind a tombstone: %v", err)
			}
		}
		n.Scavenge()
	}
}

func TestAppendThatIsTooLarge(t *testing.T) {
	_, c := connect(t, esdbtest.Options{})
	one := event(1)
	one.Data = make([]byte, 1<<20)
	_, err := c.AppendToStream(t.Context(), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, one)
	if code(err) != esdb.ErrorCodeUnknown || !strings.Contains(err.Error(), "Maximum Append Size") {
		t.Errorf("one event: %v", err)
	}
	many := make([]esdb.EventData, 400)
	for i := range many {
		many[i] = event(i)
		many[i].Data = make([]byte, 64<<10)
	}
	_, err = c.AppendToStream(t.Context(), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, many...)
	if code(err) != esdb.ErrorCodeUnknown || strings.Contains(err.Error(), "Maximum") || !errors.Is(err, io.EOF) {
		t.Errorf("many events, which are broken off while they are sent: %v", err)
	}
}

func TestSubscriptions(t *testing.T) {
	n, c := connect(t, esdbtest.Options{})
	for i := range 50 {
		stream := []string{"mine", "others"}[i%2]
		if _, err := c.AppendToStream(t.Context(), stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Any{}}, event(i)); err != nil {
			t.Fatal(err)
		}
	}
	log := n.Log()
	behind := esdb.Position{Commit: log[9].Position, Prepare: log[9].Position}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sub, err := c.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: behind, MaxSearchWindow: 8,
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"mine"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	seen, checkpoints := 0, 0
	for caughtUp := false; !caughtUp; {
		switch e := sub.Recv(); {
		case e.EventAppeared != nil:
			if got := e.EventAppeared.OriginalEvent(); got.StreamID != "mine" || got.Position.Commit <= behind.Commit {
				t.Errorf("event %d of %s", got.EventNumber, got.StreamID)
			}
			seen++
		case e.CheckPointReached != nil:
			checkpoints++
		case e.CaughtUp != nil:
			caughtUp = true
		default:
			t.Fatalf("dropped: %v", e.SubscriptionDropped.Error)
		}
	}
	if seen != 20 || checkpoints != 5 {
		t.Errorf("%d events and %d checkpoints, want 20 and 5", seen, checkpoints)
	}
	n.Stop()
	if e := sub.Recv(); e.SubscriptionDropped == nil || code(e.SubscriptionDropped.Error) != -1 {
		t.Error("a subscription outlives its server, or its error is not gRPC's own")
	}
	n.Start()
	c = dial(t, n)
	wrong := esdb.Position{Commit: behind.Commit + 1, Prepare: behind.Commit + 1}
	_, err = c.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: wrong})
	if err == nil || !strings.Contains(err.Error(), "invalid position") {
		t.Errorf("subscription at no event's position: %v", err)
	}
	all, err := c.ReadAll(ctx, esdb.ReadAllOptions{From: behind, Direction: esdb.Backwards}, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if e, err := all.Recv(); err != nil || e.OriginalEvent().Position.Commit != log[8].Position {
		t.Errorf("$all backwards: %v, %v", e, err)
	}
}
