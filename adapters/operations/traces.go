package operations

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"samtykke/adapters/spans"
)

// Traces makes a span for each request. Instants are the machine's, not the service's clock.
type Traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// NewTraces hands spans to the processor. Ids are drawn from random, by one goroutine at a time.
func NewTraces(to sdk.SpanProcessor, random io.Reader) *Traces {
	p := sdk.NewTracerProvider(sdk.WithSpanProcessor(to), sdk.WithIDGenerator(&ids{random: random}), sdk.WithSampler(sdk.AlwaysSample()))
	return &Traces{p, p.Tracer(spans.Scope)}
}

// Send is the processor that sends spans to a receiver of OTLP over HTTP, some at a time.
func Send(url string, log *slog.Logger) sdk.SpanProcessor {
	return sdk.NewBatchSpanProcessor(&sender{url: url, log: log, http: &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
}

// Close sends what was not sent yet, until ctx ends.
func (t *Traces) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// begin begins the span of a request, the first of its trace, and gives what ends it. A nil Traces makes none.
func (t *Traces) begin(ctx context.Context) (context.Context, func(class)) {
	if t == nil {
		return ctx, func(class) {}
	}
	ctx, span := t.tracer.Start(ctx, "request", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(c class) {
		span.SetName(c.route)
		span.SetAttributes(attribute.String("method", c.method), attribute.String("status", c.status))
		if c.failed {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// ids draws ids at random.
type ids struct {
	sync.Mutex
	random io.Reader
}

func (g *ids) NewIDs(ctx context.Context) (t trace.TraceID, s trace.SpanID) {
	g.draw(t[:])
	return t, g.NewSpanID(ctx, t)
}

func (g *ids) NewSpanID(context.Context, trace.TraceID) (s trace.SpanID) {
	g.draw(s[:])
	return s
}

func (g *ids) draw(b []byte) {
	g.Lock()
	defer g.Unlock()
	if _, err := io.ReadFull(g.random, b); err != nil {
		panic("operations: the source of randomness failed") // unreachable with crypto/rand, which never fails
	}
}

// A sender exports spans. It fails nobody: what is not taken is dropped.
type sender struct {
	url  string
	http *http.Client
	log  *slog.Logger
}

// ExportSpans implements sdk.SpanExporter.
func (s *sender) ExportSpans(ctx context.Context, all []sdk.ReadOnlySpan) error {
	body, err := proto.Marshal(message(all))
	if err == nil {
		err = s.post(ctx, body)
	}
	if err != nil {
		s.log.Warn("traces were dropped", slog.Int("spans", len(all)), slog.String("error", err.Error()))
	}
	return nil
}

func (s *sender) post(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // so that the connection is used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %d", answer.StatusCode)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (s *sender) Shutdown(context.Context) error { return nil }

// message is what is sent. It has the form of an ExportTraceServiceRequest. Events and links, which no span of ours has, are left out.
func message(all []sdk.ReadOnlySpan) *tracepb.TracesData {
	sent := make([]*tracepb.Span, len(all))
	for i, s := range all {
		id, of := s.SpanContext().SpanID(), s.SpanContext().TraceID()
		sent[i] = &tracepb.Span{
			TraceId: of[:], SpanId: id[:], Name: s.Name(), Kind: tracepb.Span_SpanKind(s.SpanKind()), // the numbers are the same
			StartTimeUnixNano: uint64(s.StartTime().UnixNano()), EndTimeUnixNano: uint64(s.EndTime().UnixNano()),
		}
		if parent := s.Parent().SpanID(); parent.IsValid() {
			sent[i].ParentSpanId = parent[:]
		}
		for _, a := range s.Attributes() {
			sent[i].Attributes = append(sent[i].Attributes, word(string(a.Key), a.Value.AsString()))
		}
		if s.Status().Code == codes.Error {
			sent[i].Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		}
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{word("service.name", spans.Scope)}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: spans.Scope}, Spans: sent}},
	}}}
}

func word(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}
