// Package spans marks the steps of a request that a trace shows beside the request itself. What there is to mark is the list of steps
// below, and all that is said of a step is the category of a stream: never its id, nor anything that came from outside. Where no
// trace is made, marking costs a look into the context.
package spans

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"samtykke/eventschema"
)

// A Step is what a span is named by.
type Step string

const (
	Decide Step = "decide" // a command: its turn in the stream's queue, reading, deciding, and again where it lost
	Append Step = "append" // until the events are durable
	Wait   Step = "wait"   // for the views to show what the session wrote
)

// Scope names the program as the source of its spans.
const Scope = "samtykke"

// Start begins a span below the one of the context. What it gives ends it. The category is "" where a step is about no stream.
func Start(ctx context.Context, step Step, about eventschema.Category) (context.Context, func()) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, func() {}
	}
	ctx, span := parent.TracerProvider().Tracer(Scope).Start(ctx, string(step))
	if about != "" {
		span.SetAttributes(attribute.String("stream.category", string(about)))
	}
	return ctx, func() { span.End() } // called directly by defer, End would record the words of a panic
}
