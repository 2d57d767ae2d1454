package operations

import (
	"context"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"samtykke/adapters/web"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

const prefix = "samtykke_"

// A figure is read when somebody asks. One with a limit decides on readiness: at most that much.
type figure struct {
	name, help string
	limit      float64
	of         func(*Figures) float64
}

// unlimited is the limit of what may be any.
var unlimited = math.Inf(1)

// figures are all that are read when asked for.
var figures = []figure{
	{"views_lag_events", "Events in the ledger that the views do not show yet.", 10_000,
		func(f *Figures) float64 { return float64(f.ViewsLag) }},
	{"views_behind_seconds", "For how long the views have not shown what stood in the ledger at an earlier reading.", 5,
		func(f *Figures) float64 { return f.ViewsBehind.Seconds() }},
	{"checkpoint_age_seconds", "Since the newest checkpoint was last found, or made, to cover the whole ledger.", 30,
		func(f *Figures) float64 { return f.CheckpointAge.Seconds() }},
	{"epoch_overdue_seconds", "Since the day, by UTC, of the current epoch of keys was over; 0 while it is today's.", 600,
		func(f *Figures) float64 { return f.EpochOverdue.Seconds() }},
	{"appends_refused", "1 while the ledger takes no appends, otherwise 0.", 0,
		func(f *Figures) float64 { return float64(f.AppendsRefused) }},
	{"look_ups_halted", "1 while the clock is not known to be right and so no look-up shows anything, otherwise 0.", 0,
		func(f *Figures) float64 { return float64(f.LookUpsHalted) }},
	{"epoch_age_seconds", "Since the current epoch of keys began.", unlimited,
		func(f *Figures) float64 { return f.EpochAge.Seconds() }},
	{"checkpoint_events", "Events that the newest checkpoint covers, in whole tens.", unlimited,
		func(f *Figures) float64 { return float64(f.CheckpointSize / tens * tens) }},
	{"tick_age_seconds", "Since time last passed for every client without an error; due every minute.", unlimited,
		func(f *Figures) float64 { return f.TickAge.Seconds() }},
	{"erasures_overdue", "Erasures that were begun on an earlier day and are not finished.", unlimited,
		func(f *Figures) float64 { return float64(f.ErasuresOverdue) }},
}

// Tasks that are done without being asked for.
const (
	TaskTick       = "tick"       // time passes for every client
	TaskTend       = "tend"       // interrupted erasures, epochs of keys, what lies outside
	TaskCheckpoint = "checkpoint" // signing
	TaskSnapshot   = "snapshot"   // of the views
)

// Metrics are the instruments. What people do is counted in full here, and told in tens by Gatherer.
type Metrics struct {
	Registry *prometheus.Registry // tells everything at once: for tests

	routes   map[string]bool
	requests *prometheus.HistogramVec
	failures prometheus.Counter
	events   *prometheus.CounterVec
	lookUps  *prometheus.CounterVec
	signIns  prometheus.Counter
	brought  prometheus.Counter
	upkeep   *prometheus.CounterVec
	relayed  *prometheus.CounterVec
}

// toldInTens are the series that count what people do.
var toldInTens = map[string]bool{
	prefix + "http_request_duration_seconds": true,
	prefix + "events_total":                  true,
	prefix + "look_ups_total":                true,
	prefix + "sign_ins_refused_total":        true,
	prefix + "tick_clients_total":            true,
	prefix + "relay_total":                   true,
}

// untold are figures of the process that are exact to the byte: in a quiet hour they would say which page somebody was sent. Those of
// memory that count each allocation are not made at all.
var untold = map[string]bool{
	"process_network_receive_bytes_total":  true,
	"process_network_transmit_bytes_total": true,
}

// NewMetrics makes the instruments, for a server with the routes: the names that it gives to web.Name.
func NewMetrics(routes []string, w *Watch) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(), routes: map[string]bool{},
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "http_request_duration_seconds",
			Help:    "Requests and how long they took, by template of the route, class of method and class of status. In tens.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20},
		}, []string{"route", "method", "status"}),
		failures: counter("http_failures_total", "Answers 5xx, and answers that were cut off, on whichever route."),
		events:   counters("events_total", "Events appended, by their name in the catalogue. In tens.", "event"),
		lookUps:  counters("look_ups_total", "Look-ups by organisations, allowed or refused for whatever reason. In tens.", "outcome"),
		signIns:  counter("sign_ins_refused_total", "Attempts to sign in that were refused, for whatever reason. In tens."),
		brought:  counter("tick_clients_total", "Clients to whom time brought something that a tick wrote down. In tens."),
		upkeep:   counters("upkeep_failures_total", "Failures of what the service does without being asked, by task.", "task"),
		relayed:  counters("relay_total", "Messages and notices, by what became of them. In tens.", "what"),
	}
	for _, r := range routes {
		m.routes[r] = true
	}
	for _, task := range []string{TaskTick, TaskTend, TaskCheckpoint, TaskSnapshot} {
		m.upkeep.WithLabelValues(task)
	}
	m.Registry.MustRegister(m.requests, m.failures, m.events, m.lookUps, m.signIns, m.brought, m.upkeep, m.relayed, w,
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled(), collectors.WithGoCollectorRuntimeMetrics(
			collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^(/gc/heap/live:bytes|/memory/classes/total:bytes)$`)})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Appended counts an event of the ledger. Of a sealed one nothing but the name is looked at.
func (m *Metrics) Appended(f *eventschema.Fact) {
	m.events.WithLabelValues(f.Name).Inc()
	switch f.Body.(type) {
	case client.LookedUp:
		if !f.Act.Organisation.IsZero() {
			m.lookUps.WithLabelValues("allowed").Inc()
		}
	case oversight.LookUpRefused:
		m.lookUps.WithLabelValues("refused").Inc()
	case oversight.SignInRefused:
		m.signIns.Inc()
	}
}

// Ticked counts what a tick brought.
func (m *Metrics) Ticked(clients int) { m.brought.Add(float64(clients)) }

// Failed counts a task that failed.
func (m *Metrics) Failed(task string) { m.upkeep.WithLabelValues(task).Inc() }

// Relayed counts what became of a message or a notice: a constant of package relay.
func (m *Metrics) Relayed(what string) { m.relayed.WithLabelValues(what).Inc() }

// answered counts a request.
func (m *Metrics) answered(c class, took time.Duration) {
	m.requests.WithLabelValues(c.route, c.method, c.status).Observe(took.Seconds())
	if c.failed {
		m.failures.Inc()
	}
}

// A class is all that is said of a request, in words from closed lists.
type class struct {
	route, method, status string
	failed                bool
}

func (m *Metrics) classOf(s web.Seen) class {
	c := class{route: s.Route, method: "write", status: strconv.Itoa(s.Status/100) + "xx", failed: s.Status < 100 || s.Status >= 500}
	if !m.routes[s.Route] {
		c.route = "other"
	}
	switch s.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		c.method = "read"
	case "other":
		c.method = "other"
	}
	if s.Status < 100 || s.Status > 599 {
		c.status = "none"
	}
	return c
}

// Observe is for web.Config: it counts each request and, unless traces is nil, traces it.
func Observe(m *Metrics, traces *Traces) func(context.Context) (context.Context, func(web.Seen)) {
	return func(ctx context.Context) (context.Context, func(web.Seen)) {
		ctx, end := traces.begin(ctx)
		return ctx, func(s web.Seen) {
			c := m.classOf(s)
			m.answered(c, s.Took)
			end(c)
		}
	}
}
