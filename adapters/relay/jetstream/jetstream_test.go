package jetstream_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"samtykke/adapters/relay"
	"samtykke/adapters/relay/jetstream"
	"samtykke/adapters/relay/relaytest"
)

var quiet = slog.New(slog.DiscardHandler)

// start runs a server of its own, on a port that is free.
func start(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
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

// Nobody there: an error that does not repeat what the URL holds.
func TestNobodyThere(t *testing.T) {
	_, err := jetstream.Open("nats://somebody:canary@127.0.0.1:1", quiet)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error is %v", err)
	}
}
