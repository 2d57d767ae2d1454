// Package operations tells whoever runs the service how it fares: whether it answers, whether it is ready, in figures and, on request,
// in traces. It tells nothing about anybody.
//
// # Who may see it
//
// It has a listener of its own, off unless asked for, on an address of the machine itself or a private one, without TLS and without
// signing in: whoever reaches the address may read it. The public listener has none of it, so that no difference between two answers
// there can be read off here by whoever caused them (law 6). Look-ups and attempts to sign in that were refused are counted together,
// whatever the reason.
//
//	/healthz  the process answers; nothing else is looked at
//	/readyz   200 or 503, with the figures that decide it and their limits
//	/metrics  all figures, for Prometheus
//
// # What no figure holds
//
// No id, name, label, code, organisation, actor, session, address or path. Every label's value is from a closed list: names of events
// in the catalogue, templates in the table of routes, and the constants in metrics.go. What is not on its list is counted as "other".
//
// # What a reader of figures could still work out
//
// A count that moves by one says that somebody did something between two readings. Who knows from elsewhere that a certain person is
// at it just then, or is the only client there, would learn what: that the person withdrew, wrote feedback (which is linked to nobody,
// nor to an hour), erased everything. So every series that counts what people do is told in tens: it moves when at least ten more
// have come since it moved last, and what stands between is told by no series, sum, bucket or time of creation. Ten acts may still be
// one person's, so a long evening of a single user of the service shows as use of the service, without a name. What a reader gets is
// less than the access log, which whoever runs the service has anyway, with the instant of each request.
//
// Told at once is what is about the service: answers 5xx (in total, by no route), lag, ages, upkeep that failed, and memory, processor
// time and files of the process. Some of these move with use: an open connection is a file, and an answer takes processor time. They say
// that somebody is there, not who or what for; counts of allocations and of bytes on the network, exact enough to tell one page from
// another, are left out. How far the checkpoint reaches is told in tens, too. An erasure is told only if it was begun on an earlier day
// and is still not finished: that it is stuck has to be seen, and the figure says neither whose it is nor when it was asked for.
//
// # Traces
//
// Off unless a receiver is given. A trace is one request, named by its route's template, with steps below it (package spans). It holds
// the class of its method and status, categories of streams, and times. Unlike figures it tells of one request at its instant, as the
// access log does: give them to nobody who may not read that. Trace ids are random and appear nowhere else; what a request brings of
// trace context or baggage is not looked at, and none is sent on. Words of a panic or an error are in no span.
//
// Spans are sent by OTLP over HTTP, in protobuf, by a few lines here: OpenTelemetry's own exporter brings gRPC and seven modules with it,
// and makes the program 4.7 MB larger. Messages that are not taken are dropped, and the log says so.
package operations
