package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"samtykke/adapters/relay"
	"samtykke/adapters/relay/webhook"
)

var notice = relay.Notice{
	ID: "5b2f0b4e-1c3d-8e5f-9a6b-7c8d9e0f1a2b", Kind: relay.QuestionWaits, Recipient: "00112233445566778899aabbccddeeff",
}

// gateway is a server that answers as a test wants it.
func gateway(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s
}

// What is sent is the notice by its schema, with its UUID, and nothing that says more.
func TestGives(t *testing.T) {
	schema, err := validator.NewCompiler().Compile("../schema/client.notice.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var got *http.Request
	var body []byte
	s := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	address := strings.Replace(s.URL, "//", "//samtykke:word@", 1) + "/notices?app=1"
	if err := (webhook.Gateway{Address: address}).Notify(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(strings.NewReader(string(body)))
	if err == nil {
		err = schema.Validate(doc)
	}
	if err != nil || string(body) != `{"kind":"question-waits","recipient":"00112233445566778899aabbccddeeff"}` {
		t.Errorf("%s was sent: %v", body, err)
	}
	if got.Method != "POST" || got.URL.String() != "/notices?app=1" || got.Header.Get("Idempotency-Key") != notice.ID {
		t.Errorf("it was sent as %s %s with %v", got.Method, got.URL, got.Header)
	}
	if name, word, ok := got.BasicAuth(); !ok || name != "samtykke" || word != "word" {
		t.Errorf("it was sent by %s", name)
	}
	for name := range got.Header {
		if !slices.Contains([]string{"Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "Idempotency-Key", "User-Agent"}, name) {
			t.Errorf("%s was sent", name)
		}
	}
}

// What an answer means. Of what else it says, no error repeats a word, nor of the address.
func TestAnswers(t *testing.T) {
	elsewhere := gateway(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	for status, want := range map[int]string{
		200: "given", 201: "given", 202: "given", 204: "given",
		400: "refused", 410: "refused", 422: "refused",
		301: "away", 302: "away", 307: "away", 308: "away", 401: "away", 403: "away", 404: "away", 405: "away", 408: "away", 413: "away", 429: "away",
		500: "away", 502: "away", 503: "away", 504: "away",
	} {
		s := gateway(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL+"/canary")
			w.Header().Set("Retry-After", "canary")
			w.WriteHeader(status)
			if status != http.StatusNoContent {
				_, _ = io.WriteString(w, "canary")
			}
		})
		if got := said(t, webhook.Gateway{Address: strings.Replace(s.URL, "//", "//canary:canary@", 1) + "/canary"}.Notify(t.Context(), notice)); got != want {
			t.Errorf("after %d the notice is %s, expected %s", status, got, want)
		}
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, address := range []string{closed.URL + "/canary", "http://canary:%canary", "canary://", ""} {
		if got := said(t, webhook.Gateway{Address: address}.Notify(t.Context(), notice)); got != "away" {
			t.Errorf("with nobody there the notice is %s", got)
		}
	}
}

// said names what an error says of a notice, and sees that it says nothing else.
func said(t *testing.T, err error) string {
	t.Helper()
	if all := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(all, "canary") || strings.Contains(all, "127.0.0.1") || strings.Contains(all, string(notice.Recipient)) {
		t.Errorf("the error is %s", all)
	}
	_, away := errors.AsType[relay.Away](err)
	switch {
	case err == nil:
		return "given"
	case away:
		return "away"
	}
	return "refused"
}

// A through is a network that a test makes up.
type through func(*http.Request) (*http.Response, error)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A gateway that does not answer is waited for no longer than Patience, and not at all once ctx ends.
func TestSoon(t *testing.T) {
	silent := webhook.Gateway{Address: "http://gateway", HTTP: through(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now() // the bubble's clock
		err := silent.Notify(t.Context(), notice)
		if took := time.Since(begun); said(t, err) != "away" || took != webhook.Patience {
			t.Errorf("%v after %v", err, took)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		begun = time.Now()
		if err := silent.Notify(ctx, notice); err == nil || time.Since(begun) != 0 {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// An endless is an answer's body that has no end, and counts what is read of it.
type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	if e.read > 1<<24 {
		return 0, io.EOF // enough for the test
	}
	return len(b), nil
}

func (e *endless) Close() error {
	e.closed = true
	return nil
}

// An answer without end is not read to its end.
func TestBoundedAnswer(t *testing.T) {
	var body endless
	g := webhook.Gateway{Address: "http://gateway", HTTP: through(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: &body}, nil
	})}
	if err := g.Notify(t.Context(), notice); err != nil || body.read > 1<<17 || !body.closed {
		t.Errorf("%v, with %d bytes read; closed: %v", err, body.read, body.closed)
	}
}

// By the router: a notice that is not taken comes again under the same key, until it is taken; one that is refused is put aside, and
// the next one comes.
func TestTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other, last := notice, notice
		other.ID, last.ID = uuid(2), uuid(3)
		answers := map[string][]int{notice.ID: {503, 500, 301, 404, 429, 503, 503, 503, 200}, other.ID: {422, 422, 422, 422, 422, 422}, last.ID: {204}}
		var keys []string
		g := webhook.Gateway{Address: "http://gateway", HTTP: through(func(r *http.Request) (*http.Response, error) {
			key := r.Header.Get("Idempotency-Key")
			keys = append(keys, key)
			next := answers[key]
			answers[key] = next[1:]
			return &http.Response{StatusCode: next[0], Body: http.NoBody}, nil
		})}
		quiet := slog.New(slog.DiscardHandler)
		tr := relay.InProcess(quiet)
		router, err := relay.NewRouter(tr, g, nil, quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- router.Run(ctx) }()
		<-router.Running()
		for _, n := range []relay.Notice{notice, other, last} {
			m := message.NewMessage(n.ID, fmt.Appendf(nil, `{"kind":%q,"recipient":%q}`, n.Kind, n.Recipient))
			m.Metadata.Set(relay.SchemaKey, "client.notice.v1")
			if err := tr.Publisher.Publish(relay.NoticeTopic, m); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err := errors.Join(<-ended, tr.Close()); err != nil {
			t.Error(err)
		}
		want := slices.Concat(slices.Repeat([]string{notice.ID}, 9), slices.Repeat([]string{other.ID}, 6), []string{last.ID})
		if !slices.Equal(keys, want) {
			t.Errorf("the keys came as %v", keys)
		}
	})
}

func uuid(n int) string { return fmt.Sprintf("00000000-0000-8000-8000-%012d", n) }
