package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"samtykke/adapters/operations"
	"samtykke/adapters/relay"
	"samtykke/adapters/relay/webhook"
	"samtykke/adapters/web/api"
	"samtykke/domain/journal"
)

// A gateway is the operator's, as a test has it, and the network to it. It notes what it is sent, and answers as it is told.
type gateway struct {
	mu     sync.Mutex
	answer func(r *http.Request) int // the status; asked one at a time
	all    bytes.Buffer              // every request, whole
	taken  []posted                  // what was answered by 2xx
	tries  []string                  // the key of each request
	came   chan struct{}             // told of a request, if anybody listens
}

func (g *gateway) answers(with func(*http.Request) int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = with
}

func (g *gateway) seen() (taken []posted, tries []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.taken), slices.Clone(g.tries)
}

// RoundTrip implements http.RoundTripper, for a bubble in which there is no network.
func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(&g.all, "%s %s %v\n%s\n", r.Method, r.URL, r.Header, body)
	key := r.Header.Get("Idempotency-Key")
	g.tries = append(g.tries, key)
	status := g.answer(r)
	if status/100 == 2 {
		g.taken = append(g.taken, posted{relay.NoticeTopic, key, string(body)})
	}
	w.Header().Set("Location", "/canary")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "canary")
	select {
	case g.came <- struct{}{}:
	default:
	}
}

// wholeNotice is all that a notice may say.
var wholeNotice = regexp.MustCompile(`^{"kind":"(new-content|question-waits)","recipient":"[0-9a-f]{32}"}$`)

// The server's notices over the in-process channel, from a lived-in ledger to a gateway that is down for hours, answers nothing, and takes
// a notice at the moment at which the server ends: each comes, in order, under its own key, and one that comes again was the last one. What
// is sent and what is logged names nobody.
func TestNoticesOverALivedInLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, on := livedIn(t)
		var sent outbox
		out, err := life.sys.messagesOver(t.Context(), sent.transport(quiet), nil, quiet, nil)
		if err != nil {
			t.Fatal(err)
		}
		fromStart(t, on)
		whileRunning(t, out, func(func()) {})
		published, _ := sent.firsts()
		want := published[relay.NoticeTopic]
		if len(want) < 8 {
			t.Fatalf("only %d notices", len(want))
		}
		fromStart(t, on)

		g := &gateway{}
		var log bytes.Buffer
		metrics := operations.NewMetrics(nil, operations.NewWatch(life.sys.sources()))
		seen := &watched{metrics: metrics}
		serve := func(answer func(*http.Request) int, during func(stop func())) {
			t.Helper()
			g.answers(answer)
			to := mailing{inProcess, webhook.Gateway{Address: "http://127.0.0.1/notices", HTTP: g}}
			out, err := life.sys.messages(t.Context(), to, slog.New(slog.NewTextHandler(&log, nil)), seen.relayed)
			if err != nil {
				t.Fatal(err)
			}
			whileRunning(t, out, during)
		}
		always := func(status int) func(*http.Request) int { return func(*http.Request) int { return status } }

		serve(always(http.StatusServiceUnavailable), func(func()) { time.Sleep(time.Hour) }) // of the bubble
		if taken, tries := g.seen(); len(taken) != 0 || len(tries) < 1000 || slices.ContainsFunc(tries, func(k string) bool { return k != want[0].id }) {
			t.Errorf("of a gateway that is away: %d notices were taken, %d tried", len(taken), len(tries))
		}
		if n := told(t, metrics.Gatherer(), relay.NoticeFailed); n < 1000 {
			t.Errorf("%v attempts are told of", n)
		}
		few := 0
		serve(func(r *http.Request) int {
			if few++; few > 3 {
				<-r.Context().Done() // no answer
			}
			return http.StatusOK
		}, func(func()) { time.Sleep(time.Minute) })
		if taken, _ := g.seen(); len(taken) < 3 || taken[2] != want[2] {
			t.Fatalf("%d notices were taken by a gateway that takes three", len(taken))
		}
		g.mu.Lock()
		g.taken = g.taken[:3] // the others had no answer
		g.mu.Unlock()
		var ends func()
		begun := make(chan struct{})
		serve(func(*http.Request) int {
			<-begun
			ends() // and the answer comes to nobody
			return http.StatusOK
		}, func(stop func()) {
			ends = stop
			close(begun)
			synctest.Wait()
		})
		serve(always(http.StatusNoContent), func(func()) { time.Sleep(time.Minute) })
		serve(always(http.StatusNoContent), func(func()) { time.Sleep(time.Minute) }) // nothing is new

		taken, tries := g.seen()
		once := slices.Compact(slices.Clone(taken))
		if !slices.Equal(once, want) {
			t.Errorf("taken, without repetitions: %d notices; %d are due:\n%v\n%v", len(once), len(want), once, want)
		}
		if len(once) == len(taken) {
			t.Error("nothing came again, though the server ended under an answer")
		}
		inOrder := slices.Compact(tries)
		if !slices.EqualFunc(inOrder, want, func(key string, p posted) bool { return key == p.id }) {
			t.Errorf("the notices were tried in the order %v", inOrder)
		}
		for _, p := range taken {
			if !wholeNotice.MatchString(p.payload) {
				t.Errorf("%s was sent", p.payload)
			}
		}
		given, poisoned := told(t, metrics.Registry, relay.NoticeGiven), told(t, metrics.Registry, relay.NoticePoisoned)
		if given < float64(len(want)-1) || given > float64(len(want)) || poisoned != 0 {
			t.Errorf("%v notices are counted as given, %v as poisoned", given, poisoned)
		}

		heard := map[string][]byte{"what was sent": g.all.Bytes(), "the log": log.Bytes()}
		if len(heard["the log"]) < 1000 || !bytes.Contains(heard["the log"], []byte("the gateway answers 503")) {
			t.Errorf("the log says %.300s", heard["the log"])
		}
		if bytes.Contains(log.Bytes(), []byte("canary")) {
			t.Error("the log repeats the gateway's answer")
		}
		nobody := map[string]bool{}
		for _, c := range life.cohort {
			for _, s := range []string{c.label, c.code.Slip(), c.id.String(), c.handle.String(), c.org.id.String(), c.org.superuser.Actor.String()} {
				nobody[s], nobody[strings.ReplaceAll(s, "-", "")] = true, true
			}
		}
		for r, err := range life.sys.store.After(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			nobody[r.ID.String()], nobody[strings.ReplaceAll(r.ID.String(), "-", "")] = true, true
			if head, err := life.sys.store.Head(t.Context()); err != nil || r.Position == head {
				break
			}
		}
		if len(nobody) < 1000 {
			t.Errorf("only %d words to listen for", len(nobody))
		}
		for what, b := range heard {
			for s := range nobody {
				if bytes.Contains(b, []byte(s)) {
					t.Errorf("%s holds %q", what, s)
				}
			}
		}
	})
}

// whileRunning runs the relay in a bubble until it has nothing to do, and then for as long as during takes, which may stop it.
func whileRunning(t *testing.T, out *outgoing, during func(stop func())) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- out.run(ctx) }()
	synctest.Wait()
	during(stop)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// told is how often the figures say that it happened.
func told(t *testing.T, figures prometheus.Gatherer, what relay.Counter) float64 {
	t.Helper()
	all, err := figures.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.Metric {
			if f.GetName() == "samtykke_relay_total" && m.Label[0].GetValue() == string(what) {
				return m.Counter.GetValue()
			}
		}
	}
	return 0
}

// The program as it is served, killed while the gateway is down: what a professional sent is told the gateway by the next server, once.
func TestServeNotices(t *testing.T) {
	h := newHousehold(t)
	g := &gateway{answer: func(*http.Request) int { return http.StatusBadGateway }, came: make(chan struct{}, 1)}
	at := httptest.NewServer(g)
	defer at.Close()
	notices := []string{"--notices", strings.Replace(at.URL, "//", "//samtykke:canary@", 1) + "/notices"}
	within, enough := context.WithTimeout(t.Context(), 2*time.Minute)
	defer enough()
	until := func(s *serving, what string, holds func() bool) {
		t.Helper()
		for !holds() {
			select {
			case <-g.came:
			case err := <-s.ended:
				t.Fatal("the server ended before ", what, ": ", err)
			case <-within.Done():
				t.Fatal("in vain: ", what)
			}
		}
	}
	sends := func(what string) {
		t.Helper()
		for _, handle := range h.handles {
			a, err := h.writers[0].v.call("POST", api.Prefix+"/clients/"+handle.String()+"/content", "the-key-of-"+what+"-"+handle.String(), api.Send(journal.Send{Content: what}))
			if err != nil {
				t.Fatal(err)
			}
			if a.status < 300 {
				return
			}
		}
		t.Fatal("nobody can be sent anything")
	}
	takes := func(n int) func() bool {
		return func() bool { taken, _ := g.seen(); return len(taken) == n }
	}

	s := startServing(t, h.dir, notices...)
	h.signIn(s.at)
	for !isThere(filepath.Join(h.dir, relayDir, "cursor")) { // the relay begins at the ledger's end
		if within.Err() != nil || len(s.ended) > 0 {
			t.Fatal("the relay has not begun")
		}
		runtime.Gosched()
	}
	sends("sleep")
	until(s, "more than one round of tries", func() bool { _, tries := g.seen(); return len(tries) > 7 })
	_ = s.process.Process.Kill()
	<-s.ended
	trouble := strings.Join(s.trouble, "\n")
	if !strings.Contains(trouble, "the gateway answers 502") || !strings.Contains(trouble, g.tries[0]) || strings.Contains(trouble, "put aside") {
		t.Errorf("the log says %s", trouble)
	}

	g.answers(func(*http.Request) int { return http.StatusOK })
	s = startServing(t, h.dir, notices...)
	until(s, "the notice", takes(1))
	h.signIn(s.at)
	sends("worry-time")
	until(s, "the next notice", takes(2))
	var recipients []string
	for _, callers := range h.clients {
		var own api.Notices
		if err := callers[0].v.ask("GET", "/notices", "", nil, &own); err != nil {
			t.Fatal(err)
		}
		recipients = append(recipients, own.Recipient)
	}
	s.at.http.CloseIdleConnections()
	_ = s.process.Process.Signal(syscall.SIGTERM)
	if err := <-s.ended; err != nil {
		t.Errorf("asked to stop, the server ended with %v", err)
	}
	s.quiet(t)

	taken, tries := g.seen()
	if recipient := recipientIn(t, taken[0].payload); !slices.Contains(recipients, recipient) || len(slices.Compact(slices.Sorted(slices.Values(recipients)))) != len(recipients) {
		t.Errorf("the gateway is told of %s, and clients are told that they are %v", recipient, recipients)
	}
	if keys := slices.Compact(tries); len(taken) != 2 || len(keys) != 2 || taken[0].id != keys[0] || taken[1].id != keys[1] || taken[0].payload != taken[1].payload {
		t.Errorf("of two notices for the same client these were taken: %v; %v", taken, keys)
	}
	for _, p := range taken {
		if !wholeNotice.MatchString(p.payload) || !strings.Contains(p.payload, "new-content") {
			t.Errorf("%s was sent", p.payload)
		}
	}
	for _, handle := range h.handles {
		if strings.Contains(trouble+g.all.String(), handle.String()) {
			t.Error("a handle is in the log, or with the gateway")
		}
	}
	if strings.Contains(trouble, "canary") {
		t.Error("the log has the gateway's answer, or the password to it")
	}
}

// recipientIn is whom a notice is for.
func recipientIn(t *testing.T, payload string) string {
	t.Helper()
	var n api.Notices
	if err := json.Unmarshal([]byte(payload), &n); err != nil {
		t.Fatal(err)
	}
	return n.Recipient
}

func isThere(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// A hangsUp is what somebody says until it is that they serve.
type hangsUp struct {
	bytes.Buffer
	stop func()
}

func (h *hangsUp) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("Serving")) {
		h.stop()
	}
	return h.Buffer.Write(b)
}

// What the options mean together, and what they cannot. What is wrong is told without the address.
func TestMailing(t *testing.T) {
	const gate = "https://gate.example.no/notices"
	for _, c := range []struct{ relay, notices, over string }{
		{"", "", ""}, {"nats://n", "", "nats://n"}, {"postgres://p", "", "postgres://p"},
		{"", gate, "in-process"}, {"in-process", gate, "in-process"}, {"nats://n", gate, "nats://n"}, {"postgres://p", gate, "postgres://p"},
		{"", "http://127.0.0.1:9190/notices", "in-process"}, {"", "http://localhost:9190", "in-process"}, {"", "http://[::1]:9190", "in-process"},
		{"", "http://10.1.2.3/notices", "in-process"}, {"", "http://192.168.1.2", "in-process"}, {"", "http://[fd00::1]/", "in-process"},
		{"", "https://samtykke:word@gate.example.no", "in-process"},
	} {
		m, err := (&serveCmd{Relay: c.relay, Notices: c.notices}).mailing()
		if err != nil || m.over != c.over || (m.notices == nil) != (c.notices == "") {
			t.Errorf("%+v: %v, %v", c, m, err)
		}
	}
	for _, c := range []struct{ relay, notices, names string }{
		{"in-process", "", "--relay"},
		{"in-process:canary", gate, "--relay"}, {"canary", gate, "--relay"},
		{"", "http://gate.example.no/canary", "--notices"}, {"", "http://me:canary@8.8.8.8/", "--notices"}, {"", "http://169.254.169.254/canary", "--notices"},
		{"", "ftp://127.0.0.1/canary", "--notices"}, {"", "127.0.0.1:9190/canary", "--notices"}, {"", "https:///canary", "--notices"},
		{"", "https://:443/canary", "--notices"}, {"nats://n", "canary", "--notices"}, {"", "https://me:canary\x7f@gate", "--notices"},
	} {
		for _, given := range []string{"options", "environment"} {
			t.Run(given, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				args := []string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}
				if given == "options" {
					args = append(args, "--relay", c.relay, "--notices", c.notices)
				} else {
					t.Setenv("SAMTYKKE_RELAY", c.relay)
					t.Setenv("SAMTYKKE_NOTICES", c.notices)
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				said := hangsUp{stop: stop}
				code := run(ctx, args, nil, &said, &said)
				if text := said.String(); code != exitUsage || !strings.Contains(text, c.names+" ") || strings.Contains(text, "canary") {
					t.Errorf("%+v: exit code %d, %s", c, code, text)
				}
			})
		}
	}
}
