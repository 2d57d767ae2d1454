package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/adapters/operations"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/eventschema"
)

// routes are the names that a server gives to web.Name.
func routes() []string {
	all := []string{"GET " + api.Description, "GET /assets", "POST /dev/clock", "GET /dev/logins"}
	for _, rt := range api.Routes {
		all = append(all, rt.Method+" "+api.Prefix+rt.Path)
	}
	for _, s := range screens {
		all = append(all, s.Method+" "+s.Path)
	}
	return all
}

// A watched system tells whoever runs it how it fares. The zero one tells nobody.
type watched struct {
	sys     *system
	watch   *operations.Watch
	metrics *operations.Metrics
	traces  *operations.Traces
	server  *operations.Server // nil where nobody listens
	observe func(context.Context) (context.Context, func(web.Seen))
	head    ledger.Position // when it began: what was appended before is not counted
}

// watch gives what the command line asks for, and has the world's proofs tell of checkpoints. The figures are there once it begins.
func (c *serveCmd) watch(w *world, log *slog.Logger) (*watched, error) {
	o := &watched{}
	if c.Traces != "" {
		if err := receiver(c.Traces); err != nil {
			return nil, err
		}
		o.traces = operations.NewTraces(operations.Send(c.Traces, log), w.secrets)
	}
	if c.Operations != "" || o.traces != nil {
		o.watch = operations.NewWatch(w.clock)
		w.proofs.Passed = o.watch.Signed
		o.metrics = operations.NewMetrics(routes(), o.watch)
		o.observe = operations.Observe(o.metrics, o.traces)
	}
	if c.Operations == "" {
		return o, nil
	}
	var err error
	if o.server, err = operations.Listen(c.Operations, o.watch, o.metrics); err != nil {
		return nil, errors.Join(usage("%v", err), o.close())
	}
	return o, nil
}
