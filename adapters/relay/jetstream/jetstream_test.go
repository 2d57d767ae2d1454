package jetstream_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"samtykke/adapters/relay"
	"samtykke/adapters/relay/jetstream"
	"samtykke/adapters/relay/relaytest"
)

var quiet = slog.New(slog.DiscardHandler)

// start runs a server of its own, on a port that is free.
func start(t *testing.T) *server.Server {
	t.Helper()
	return run(t, &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
}

func run(t *testing.T, options *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not come up")
	}
	return s
}

func open(t *testing.T, url string) relay.Transport {
	t.Helper()
	tr, err := jetstream.Open(url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() }) // some tests have closed it
	return tr
}

func TestJetStream(t *testing.T) {
	relaytest.TestTransport(t, relaytest.Features{Keeps: true, Folds: true}, func(t *testing.T) func() relay.Transport {
		url := start(t).ClientURL()
		return func() relay.Transport { return open(t, url) }
	})
}

// A server that goes away and comes back costs waits: what was not taken is an error, and what was is there.
func TestServerAway(t *testing.T) {
	options := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true}
	s := run(t, options)
	back := make(chan struct{}, 1)
	tr, err := jetstream.Open(s.ClientURL(), quiet, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Publisher.Publish(relay.NoticeTopic, message.NewMessage("one", nil)); err != nil {
		t.Fatal(err)
	}
	options.Port = s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	if err := tr.Publisher.Publish(relay.NoticeTopic, message.NewMessage("two", nil)); err == nil {
		t.Fatal("a message was taken by nobody")
	}
	run(t, options)
	<-back
	if err := tr.Publisher.Publish(relay.NoticeTopic, message.NewMessage("two", nil)); err != nil {
		t.Fatal(err)
	}
	in, err := tr.Subscriber.Subscribe(t.Context(), relay.NoticeTopic)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		m := <-in
		m.Ack()
		if m.UUID != want {
			t.Errorf("%s came in place of %s", m.UUID, want)
		}
	}
}

// Nobody there: an error that does not repeat what the URL holds.
func TestNobodyThere(t *testing.T) {
	_, err := jetstream.Open("nats://somebody:canary@127.0.0.1:1", quiet)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error is %v", err)
	}
}
