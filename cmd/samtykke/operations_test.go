package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"samtykke/adapters/ledger"
	"samtykke/adapters/operations"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/eventschema"
)

// exposed is all that figures and traces tell of a server.
type exposed struct {
	watch   *operations.Watch
	metrics *operations.Metrics
	spans   *tracetest.InMemoryExporter
	observe func(context.Context) (context.Context, func(web.Seen))
}

func expose(st *stage) *exposed {
	x := &exposed{watch: operations.NewWatch(st.sys.sources()), spans: tracetest.NewInMemoryExporter()}
	x.metrics = operations.NewMetrics(routes(), x.watch)
	x.observe = operations.Observe(x.metrics, operations.NewTraces(sdk.NewSimpleSpanProcessor(x.spans), st.secrets))
	return x
}

// told is everything, also what figures hold back, after the events of the whole ledger.
func (x *exposed) told(t *testing.T, l *ledger.Ledger) map[string][]byte {
	t.Helper()
	ctx := t.Context()
	head, err := l.Store.Head(ctx)
	if err == nil {
		err = l.Upto(ctx, head, false, func(f *eventschema.Fact) error {
			x.metrics.Appended(f)
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"the figures": x.figures(t), "the traces": nil}
	for _, s := range x.spans.GetSpans() {
		all["the traces"] = fmt.Appendf(all["the traces"], "%+v\n", s)
		for _, a := range s.Attributes {
			all["the traces"] = fmt.Appendf(all["the traces"], "%s=%s\n", a.Key, a.Value.Emit())
		}
	}
	w := httptest.NewRecorder()
	operations.Handler(x.watch, x.metrics.Gatherer(), func(string) bool { return true }).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	all["the readiness"] = w.Body.Bytes()
	for what, b := range all {
		if len(b) < 100 {
			t.Errorf("%s: only %q", what, b)
		}
	}
	return all
}

func (x *exposed) figures(t *testing.T) []byte {
	t.Helper()
	families, err := x.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// What figures and traces say is in closed lists, whatever anybody sends and writes; and a word that is planted there is found.
//
// shows A08 law-4 law-5
func TestOperationsTellNobody(t *testing.T) {
	a := newAviary(t, true)
	a.sing()
	a.json(a.people[domain.RoleProfessional], "POST", "/clients/{handle}/look-ups", map[string]any{"purpose": "appointment", "kinds": []string{"scores"}})
	told := a.exposed.told(t, a.sys.ledger)
	ada := a.person("Ada")
	nobody := []string{
		a.marks[gone], a.marks[stays], a.marks[never], ada.code.Slip(), ada.label, ada.handle.String(), ada.caller.Actor.String(),
		ada.caller.Session.String(), ada.caller.Organisation.String(), a.person("Per").caller.Actor.String(), theirAddress.String(),
	}
	nobody = slices.DeleteFunc(nobody, func(s string) bool { return s == domain.ID{}.String() })
	silent(t, "of people", told, nobody...)
	for _, want := range []string{
		`samtykke_events_total{event="client.registered"} 1`, `samtykke_look_ups_total{outcome="allowed"}`, `status="4xx"`,
		`route="POST /api/v1/session/code"`, `route="POST /overview"`, `route="other"`,
	} {
		if !bytes.Contains(told["the figures"], []byte(want)) {
			t.Errorf("the figures lack %s", want)
		}
	}
	known := append(routes(), "other", "decide", "append", "wait")
	names := map[string]int{}
	for _, s := range a.exposed.spans.GetSpans() {
		names[s.Name]++
		if !slices.Contains(known, s.Name) {
			t.Errorf("a span is named %q", s.Name)
		}
		for _, at := range s.Attributes {
			if v := at.Value.AsString(); !closed[string(at.Key)][v] {
				t.Errorf("a span of %s says %s=%q", s.Name, at.Key, v)
			}
		}
		if len(s.Events)+len(s.Links) > 0 || s.Status.Description != "" {
			t.Errorf("a span of %s has more to tell: %+v", s.Name, s)
		}
	}
	for _, name := range []string{"decide", "append", "wait", "POST /api/v1/session/code"} {
		if names[name] == 0 {
			t.Errorf("no span is named %s", name)
		}
	}
	for _, r := range a.exposed.unknown(t) {
		t.Errorf("%s is served and not in the list of routes", r)
	}

	// The search finds what is planted.
	ctx, end := a.exposed.observe(t.Context())
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("path", "/"+a.marks[gone]))
	end(web.Seen{Method: "GET", Route: "GET /", Status: 200})
	a.exposed.metrics.Failed(a.marks[stays])
	told = a.exposed.told(t, a.sys.ledger)
	if len(traces(a.marks[gone], told["the traces"])) == 0 || len(traces(a.marks[stays], told["the figures"])) == 0 {
		t.Error("what was planted is not found")
	}
}

// closed are the lists that a span's attributes are from.
var closed = func() map[string]map[string]bool {
	all := map[string]map[string]bool{
		"method": {"read": true, "write": true, "other": true}, "status": {"2xx": true, "3xx": true, "4xx": true, "5xx": true},
		"stream.category": {},
	}
	for _, r := range eventschema.Today.Rows() {
		all["stream.category"][string(r.Category)] = true
	}
	return all
}()

// unknown are the routes of answers that are not 4xx and came from none that is listed.
func (x *exposed) unknown(t *testing.T) (lines []string) {
	for line := range strings.Lines(string(x.figures(t))) {
		if strings.Contains(line, `_count{`) && strings.Contains(line, `route="other"`) && !strings.Contains(line, `status="4xx"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// The service is ready while the views follow, checkpoints are signed, the day's epoch has begun and the ledger takes appends; when one
// of these stops, it says so.
func TestReadiness(t *testing.T) {
	st := newStage(t)
	w := operations.NewWatch(st.sys.sources())
	site := operations.Handler(w, operations.NewMetrics(nil, w).Gatherer(), func(string) bool { return true })
	why := func() string {
		t.Helper()
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, httptest.NewRequest("GET", "/readyz", nil))
		var said struct {
			Ready   bool
			Figures []struct {
				Name string
				OK   bool
			}
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil || said.Ready != (answer.Code == http.StatusOK) {
			t.Fatal(answer.Code, answer.Body, err)
		}
		var not []string
		for _, f := range said.Figures {
			if !f.OK {
				not = append(not, f.Name)
			}
		}
		if said.Ready != (len(not) == 0) {
			t.Error(answer.Body)
		}
		return strings.Join(not, " ")
	}
	expect := func(when, want string) {
		t.Helper()
		if got := why(); got != want {
			t.Errorf("%s: not ready by %q, want %q", when, got, want)
		}
	}
	expect("at the start", "")
	if err := st.play("organisation Fjord with superuser Siri"); err != nil {
		t.Fatal(err)
	}
	if err := st.sys.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("in use", "")
	if err := st.sys.halt(); err != nil { // nobody follows the ledger any more
		t.Fatal(err)
	}
	if _, err := st.sys.desk.RegisterClient(t.Context(), st.person("Siri").caller); err != nil {
		t.Fatal(err)
	}
	expect("views that have just stopped", "")
	st.now = st.now.Add(6 * time.Second)
	expect("views that have stopped", "views_behind_seconds")
	st.now = st.now.Add(25 * time.Second)
	expect("no checkpoint either", "views_behind_seconds checkpoint_age_seconds")
	if err := st.sys.keeper.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Signed(100)
	expect("both again", "")
	st.now = st.now.AddDate(0, 0, 1)
	w.Signed(100)
	expect("the epoch of yesterday", "epoch_overdue_seconds")
	if err := st.sys.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Signed(100)
	expect("the epoch of today", "")
	if err := st.sys.close(); err != nil {
		t.Fatal(err)
	}
	st.stopped = true
	expect("a ledger that takes no appends", "appends_refused")
}

// The unit's command line is one that the program takes.
func TestUnitFile(t *testing.T) {
	unit, err := os.ReadFile("samtykke.service")
	if err != nil {
		t.Fatal(err)
	}
	_, line, ok := strings.Cut(strings.ReplaceAll(string(unit), "\\\n", ""), "\nExecStart=")
	line, _, ok2 := strings.Cut(line, "\n")
	args := strings.Fields(line)
	if !ok || !ok2 || len(args) < 10 {
		t.Fatal(line)
	}
	var given cli
	parser, err := kong.New(&given)
	if err == nil {
		_, err = parser.Parse(args[1:])
	}
	if err != nil || given.Serve.Operations == "" || given.Serve.TLSKey == "" {
		t.Error(err, line)
	}
}

func TestReceiver(t *testing.T) {
	for address, good := range map[string]bool{
		"http://127.0.0.1:4318/v1/traces": true, "http://localhost:4318": true, "http://[::1]:4318": true, "https://traces.example.no/v1/traces": true,
		"http://traces.example.no/v1/traces": false, "https://me:secret@traces.example.no": false, "127.0.0.1:4318": false, "ftp://127.0.0.1": false,
	} {
		if err := receives(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		} else if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
}

// The whole of it, as served: the listener of its own has all three, and the public one none.
func TestServeOperations(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	said, stderr := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0"}, nil, stdout, stderr)
	}()
	read := func(from io.Reader, pattern string) string {
		t.Helper()
		for lines := bufio.NewScanner(from); lines.Scan(); {
			if found := regexp.MustCompile(pattern).FindStringSubmatch(lines.Text()); found != nil {
				go func() { _, _ = io.Copy(io.Discard, from) }()
				return "http://" + found[1]
			}
		}
		t.Fatalf("%s was not said: exit code %d", pattern, <-ended)
		return ""
	}
	private := read(said, `"msg":"listening for operations","address":"([^"]*)"`)
	public := read(out, `Serving at http://(\S*)`)
	get := func(url string) (int, string) {
		t.Helper()
		a, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(body)
	}
	for range 10 {
		get(public + "/")
	}
	for i := range 10 {
		in := fmt.Sprintf(`{"login":"nobody%d@example.org","password":"a long one, of nobody","oneTimeCode":"123456","channel":"web"}`, i)
		a, err := http.Post(public+"/api/v1/session/password", asJSON, strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != http.StatusUnauthorized {
			t.Fatal(a.Status)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		if status, body := get(private + path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
		if status, _ := get(public + path); status != http.StatusNotFound {
			t.Errorf("%s stands on the public listener: %d", path, status)
		}
	}
	within, enough := context.WithTimeout(t.Context(), 2*time.Minute)
	defer enough()
	for _, want := range []string{
		`samtykke_http_request_duration_seconds_count{method="read",route="GET /",status="2xx"} 10`,
		`samtykke_http_request_duration_seconds_count{method="write",route="POST /api/v1/session/password",status="4xx"} 10`,
		`samtykke_sign_ins_refused_total 10`, // counted from the ledger, some time after
		`samtykke_checkpoint_events 10`,      // signed within a second
	} {
		for {
			_, body := get(private + "/metrics")
			if strings.Contains(body, want+"\n") {
				break
			}
			if within.Err() != nil || len(ended) > 0 {
				t.Fatalf("the figures lack %s:\n%s", want, body)
			}
			runtime.Gosched()
		}
	}
	stop()
	if status := <-ended; status != 0 {
		t.Errorf("exit code %d", status)
	}
}
