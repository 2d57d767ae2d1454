package operations_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"samtykke/adapters/operations"
	"samtykke/adapters/spans"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// A service is what figures are read of.
type service struct {
	now         time.Time
	head, shown uint64
	begun       time.Time
	refuses     error
	lost        error
	overdue     int
	halted      error
}

func newService() *service {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	return &service{now: now, begun: now.Add(-11 * time.Hour), head: 100, shown: 100}
}

func (s *service) sources() operations.Sources {
	return operations.Sources{
		Clock: func() time.Time { return s.now }, Views: func() uint64 { return s.shown }, Epoch: func() time.Time { return s.begun },
		Head:    func(context.Context) (uint64, error) { return s.head, s.lost },
		Appends: func(context.Context) error { return s.refuses },
		Erasures: func(_ context.Context, by domain.Date) (int, error) {
			return s.overdue * int(min(1, domain.DateOf(s.now)-by)), nil
		},
		Halted: func() error { return s.halted },
	}
}

func metrics(s *service) (*operations.Watch, *operations.Metrics) {
	w := operations.NewWatch(s.sources())
	return w, operations.NewMetrics([]string{"GET /here/{handle}", "POST /here"}, w)
}

func ask(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

func anyName(string) bool { return true }

func TestReady(t *testing.T) {
	type watch = operations.Watch
	late := func(d time.Duration) func(*service, *watch) {
		return func(s *service, w *watch) { s.now = s.now.Add(d); w.Signed(100) }
	}
	for name, c := range map[string]struct {
		wrong func(*service, *watch)
		says  string // "" is ready
	}{
		"in order":               {func(*service, *watch) {}, ""},
		"a little behind":        {func(s *service, _ *watch) { s.head += 10_000 }, ""},
		"far behind":             {func(s *service, _ *watch) { s.head += 10_001 }, `"views_lag_events","value":10001,"limit":10000,"ok":false`},
		"refused":                {func(s *service, _ *watch) { s.refuses = errors.New("full") }, `"appends_refused","value":1,"limit":0,"ok":false`},
		"not to be read":         {func(s *service, _ *watch) { s.lost = errors.New("gone") }, `"appends_refused","value":1,"limit":0,"ok":false`},
		"a clock that is off":    {func(s *service, _ *watch) { s.halted = errors.New("off") }, `"look_ups_halted","value":1,"limit":0,"ok":false`},
		"a checkpoint late":      {func(s *service, _ *watch) { s.now = s.now.Add(31 * time.Second) }, `"checkpoint_age_seconds","value":31,"limit":30,"ok":false`},
		"signed again":           {late(31 * time.Second), ""},
		"just after midnight":    {late(12*time.Hour + 10*time.Minute), ""},
		"the epoch of yesterday": {late(12*time.Hour + 11*time.Minute), `"epoch_overdue_seconds","value":660,"limit":600,"ok":false`},
		"no epoch":               {func(s *service, _ *watch) { s.begun = time.Time{} }, `"epoch_overdue_seconds"`},
		"no tick, and erasures":  {func(s *service, w *watch) { late(time.Hour)(s, w); s.overdue = 3 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			w, m := metrics(s)
			c.wrong(s, w)
			h := operations.Handler(w, m.Gatherer(), anyName)
			code, said := ask(h, "/readyz")
			if c.says == "" && (code != http.StatusOK || strings.Contains(said, "false") || !strings.Contains(said, `{"ready":true,`)) {
				t.Error(code, said)
			}
			if c.says != "" && (code != http.StatusServiceUnavailable || !strings.Contains(said, c.says) || !strings.Contains(said, `{"ready":false,`)) {
				t.Error(code, said)
			}
			if code, said := ask(h, "/healthz"); code != http.StatusOK || said != "ok\n" {
				t.Error(code, said)
			}
		})
	}
}

// Views that move are not behind, however many events there are; views that stop are, whatever comes.
func TestBehind(t *testing.T) {
	s := newService()
	w, _ := metrics(s)
	for range 100 {
		s.now, s.shown, s.head = s.now.Add(time.Second), s.head, s.head+10
		if f := w.Read(t.Context()); f.ViewsBehind > time.Second || f.ViewsLag != 10 {
			t.Fatal(f)
		}
	}
	for i := range 10 {
		s.now, s.head = s.now.Add(time.Second), s.head+10
		if f := w.Read(t.Context()); f.ViewsBehind < time.Duration(i+1)*time.Second {
			t.Fatal(i, f)
		}
	}
	s.shown = s.head
	if f := w.Read(t.Context()); f.ViewsBehind != 0 {
		t.Error(f)
	}
}

// acts are what people do that is counted, by kind.
func acts(m *operations.Metrics, observe func(context.Context) (context.Context, func(web.Seen))) []func() {
	request := func(s web.Seen) func() {
		return func() {
			_, done := observe(context.Background())
			done(s)
		}
	}
	event := func(f eventschema.Fact) func() { return func() { m.Appended(&f) } }
	return []func(){
		request(web.Seen{Method: "GET", Route: "GET /here/{handle}", Status: 200, Took: time.Millisecond}),
		request(web.Seen{Method: "POST", Route: "POST /here", Status: 403, Took: 40 * time.Millisecond}),
		request(web.Seen{Method: "other", Status: 404}),
		event(eventschema.Fact{Name: "lookup.made", Act: domain.Act{Organisation: domain.ID{1}}, Body: client.LookedUp{}}),
		event(eventschema.Fact{Name: "lookup.refused", Body: oversight.LookUpRefused{}}),
		event(eventschema.Fact{Name: "signin.refused", Body: oversight.SignInRefused{}}),
		event(eventschema.Fact{Name: "feedback.given", Closed: &eventschema.Record{}}),
		func() { m.Ticked(1) },
	}
}

// ours are the series about the service, as told; those of the process are not.
func ours(t *testing.T, g prometheus.Gatherer) map[string]*dto.Metric {
	t.Helper()
	all, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]*dto.Metric{}
	for _, f := range all {
		for _, m := range f.Metric {
			if strings.HasPrefix(f.GetName(), "samtykke_") {
				series[fmt.Sprint(f.GetName(), m.Label)] = m
			}
		}
	}
	return series
}

// However often somebody asks: no series moves for less than ten acts, none says when its first act was, and in the end all but nine
// are told.
func TestNoActIsToldAlone(t *testing.T) {
	s := newService()
	_, m := metrics(s)
	told := m.Gatherer()
	random := rand.New(rand.NewPCG(1, 2))
	do := acts(m, operations.Observe(m, nil))
	done := make([]int, len(do))
	since := 0 // acts since anything moved that is not a gauge
	before := ours(t, told)
	for range 2000 {
		i := random.IntN(len(do))
		do[i]()
		done[i]++
		since++
		now := ours(t, told)
		for name, series := range now {
			if s := series.String(); strings.Contains(s, "created") {
				t.Fatal("it says when it began: ", s)
			}
			old := before[name]
			if old.String() == series.String() && old != nil {
				continue
			}
			if moved := count(series) - count(old); moved < 10 {
				t.Fatalf("%s moved by %v: %v, before %v", name, moved, series, old)
			}
			since = 0
		}
		before = now
	}
	if since > 100 {
		t.Error("nothing was told for", since, "acts")
	}
	for name, all := range ours(t, m.Registry) {
		if n := count(before[name]); n > count(all) || n < count(all)-9 {
			t.Errorf("%s: %v of %v are told", name, n, count(all))
		}
	}
	if len(before) < 20 || slices.Min(done) < 100 {
		t.Error("too little was seen:", len(before), done)
	}
}

func count(m *dto.Metric) float64 {
	if m.GetHistogram() != nil {
		return float64(m.GetHistogram().GetSampleCount())
	}
	return m.GetCounter().GetValue()
}

// What is told besides is this and no more: another version of a library may bring what tells one page from another.
func TestFamilies(t *testing.T) {
	_, m := metrics(newService())
	all, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(`go_gc_duration_seconds go_gc_gogc_percent go_gc_gomemlimit_bytes go_gc_heap_live_bytes go_goroutines go_info
		go_memory_classes_total_bytes go_memstats_last_gc_time_seconds go_sched_gomaxprocs_threads go_threads process_cpu_seconds_total process_max_fds process_open_fds
		process_resident_memory_bytes process_start_time_seconds process_virtual_memory_bytes process_virtual_memory_max_bytes`)
	for _, f := range all {
		if name := f.GetName(); !strings.HasPrefix(name, "samtykke_") && !slices.Contains(known, name) {
			t.Errorf("%s is told, too: %s", name, f.GetHelp())
		}
	}
	if len(all) < len(known) {
		t.Error("only", len(all), "families")
	}
}

// A label is a word from a list, whatever comes.
func TestLabels(t *testing.T) {
	_, m := metrics(newService())
	observe := operations.Observe(m, nil)
	for _, s := range []web.Seen{
		{Method: "GET", Route: "GET /here/4711", Status: 200}, {Method: "bcdf", Route: "bcdf", Status: 299}, {Method: "PATCH", Status: 99},
		{Method: "DELETE", Route: "POST /here", Status: 4711}, {Method: "HEAD", Route: "", Status: 0}, {Method: "POST", Route: "POST /here", Status: 500},
	} {
		_, done := observe(t.Context())
		done(s)
	}
	lists := map[string][]string{
		"route": {"other", "POST /here", "GET /here/{handle}"}, "method": {"read", "write", "other"}, "status": {"2xx", "5xx", "none"},
		"task": {"tick", "tend", "checkpoint", "snapshot"},
	}
	all, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetHelp() == "" {
			t.Error(f.GetName(), "has no help")
		}
		for _, series := range f.Metric {
			for _, l := range series.Label {
				if strings.HasPrefix(f.GetName(), "samtykke_") && !slices.Contains(lists[l.GetName()], l.GetValue()) {
					t.Errorf("%s: %s=%q", f.GetName(), l.GetName(), l.GetValue())
				}
			}
			if f.GetName() == "samtykke_http_failures_total" && count(series) != 4 { // told at once
				t.Error(series)
			}
		}
	}
}

// A request is a trace of its own, whatever stands in its context; steps stand below it, and the words of a panic nowhere.
func TestTraces(t *testing.T) {
	_, m := metrics(newService())
	got := tracetest.NewInMemoryExporter()
	traces := operations.NewTraces(sdk.NewSimpleSpanProcessor(got), rand.NewChaCha8([32]byte{1}))
	outside := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	ctx, done := operations.Observe(m, traces)(trace.ContextWithRemoteSpanContext(t.Context(), outside))
	func() {
		defer func() { _ = recover() }()
		ctx, end := spans.Start(ctx, spans.Decide, eventschema.ClientStream)
		defer end()
		_, endAppend := spans.Start(ctx, spans.Append, "")
		defer endAppend()
		panic("jeg sover")
	}()
	done(web.Seen{Method: "GET", Route: "GET /here/{handle}", Status: 500})
	all := got.GetSpans()
	if len(all) != 3 {
		t.Fatal(all)
	}
	request, decide, append := all[2], all[1], all[0]
	if request.Parent.IsValid() || request.SpanContext.TraceID() == outside.TraceID() || request.Name != "GET /here/{handle}" {
		t.Errorf("%+v", request)
	}
	if decide.Parent.SpanID() != request.SpanContext.SpanID() || append.Parent.SpanID() != decide.SpanContext.SpanID() ||
		decide.SpanContext.TraceID() != request.SpanContext.TraceID() || decide.Name != "decide" || append.Name != "append" {
		t.Errorf("%+v\n%+v", decide, append)
	}
	if said := fmt.Sprintf("%+v", all); strings.Contains(said, "sover") || !strings.Contains(said, "client") {
		t.Error(said)
	}
	if ctx, end := spans.Start(t.Context(), spans.Wait, ""); trace.SpanFromContext(ctx).IsRecording() {
		t.Error("a step outside a request is traced")
	} else {
		end()
	}
	if err := traces.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is sent is what a receiver of OTLP reads; what it does not take is dropped, and the log says no more than that.
func TestSend(t *testing.T) {
	_, m := metrics(newService())
	status := http.StatusOK
	var bodies []*tracepb.TracesData
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got tracepb.TracesData
		if err = errors.Join(err, proto.Unmarshal(body, &got)); err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Error(err, r.Header)
		}
		bodies = append(bodies, &got)
		w.WriteHeader(status)
		io.WriteString(w, "jeg sover")
	}))
	defer receiver.Close()
	send := func() string {
		var log strings.Builder
		traces := operations.NewTraces(operations.Send(receiver.URL+"/v1/traces", slog.New(slog.NewTextHandler(&log, nil))), rand.NewChaCha8([32]byte{1}))
		ctx, done := operations.Observe(m, traces)(t.Context())
		_, end := spans.Start(ctx, spans.Append, eventschema.ClientStream)
		end()
		done(web.Seen{Method: "POST", Route: "POST /here", Status: 503})
		if err := traces.Close(t.Context()); err != nil {
			t.Error(err)
		}
		return log.String()
	}
	if log := send(); log != "" {
		t.Error(log)
	}
	if len(bodies) != 1 || len(bodies[0].ResourceSpans) != 1 || len(bodies[0].ResourceSpans[0].ScopeSpans) != 1 {
		t.Fatal(bodies)
	}
	of := bodies[0].ResourceSpans[0]
	got := of.ScopeSpans[0].Spans
	if len(got) != 2 || len(of.Resource.Attributes) != 1 || of.Resource.Attributes[0].Value.GetStringValue() != "samtykke" {
		t.Fatal(bodies)
	}
	child, parent := got[0], got[1]
	said := []string{child.Name, parent.Name, child.Attributes[0].Value.GetStringValue(), parent.Kind.String(), child.Kind.String(), parent.Status.Code.String()}
	want := []string{"append", "POST /here", "client", "SPAN_KIND_SERVER", "SPAN_KIND_INTERNAL", "STATUS_CODE_ERROR"}
	if d := cmp.Diff(want, said); d != "" || string(child.ParentSpanId) != string(parent.SpanId) || len(parent.ParentSpanId) != 0 ||
		len(parent.TraceId) != 16 || string(child.TraceId) != string(parent.TraceId) || child.StartTimeUnixNano < parent.StartTimeUnixNano {
		t.Error(d, got)
	}
	status = http.StatusServiceUnavailable
	if log := send(); !strings.Contains(log, "traces were dropped") || !strings.Contains(log, "503") || strings.Contains(log, "sover") {
		t.Error(log)
	}
}

func TestListen(t *testing.T) {
	w, m := metrics(newService())
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "8.8.8.8:0", "[2001:db8::1]:0", "169.254.169.254:0", "", "nonsense"} {
		if s, err := operations.Listen(address, w, m); err == nil {
			s.Close()
			t.Errorf("%q is accepted", address)
		}
	}
	s, err := operations.Listen("127.0.0.1:0", w, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	for _, c := range []struct {
		host, path string
		status     int
	}{
		{"", "/healthz", 200}, {"localhost", "/readyz", 200}, {"10.1.2.3:9180", "/metrics", 200}, {"[::1]:9180", "/metrics", 200},
		{"evil.example", "/metrics", 421}, {"", "/", 404}, {"", "/debug/pprof/", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr().String()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.StatusCode != c.status || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s%s: %d %.200s %v", c.host, c.path, a.StatusCode, body, err)
		}
		if c.path == "/metrics" && a.StatusCode == 200 {
			if !strings.Contains(string(body), "samtykke_checkpoint_events 0\n") || !strings.Contains(string(body), "go_goroutines") {
				t.Errorf("%.500s", body)
			}
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + s.Addr().String() + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}
