package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/operations"
	"samtykke/adapters/relay"
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

// What is watched tells whoever runs the service how it fares. The zero value tells nobody.
type watched struct {
	watch   *operations.Watch
	metrics *operations.Metrics
	traces  *operations.Traces
	server  *operations.Server // nil where nobody listens
	observe func(context.Context) (context.Context, func(web.Seen))
	from    ledger.Position // what was appended before is not counted
}

// watch begins to watch a system that is not started yet, for whom the command line names.
func (c *serveCmd) watch(o *watched, s *system, log *slog.Logger) (err error) {
	if c.Operations == "" && c.Traces == "" {
		return nil
	}
	if err := receives(c.Traces); err != nil {
		return err
	}
	if o.from, err = s.store.Head(context.Background()); err != nil {
		return err
	}
	o.watch = operations.NewWatch(s.sources())
	o.metrics = operations.NewMetrics(routes(), o.watch)
	if c.Operations != "" {
		if o.server, err = operations.Listen(c.Operations, o.watch, o.metrics); err != nil {
			return usage("%v", err)
		}
		log.Info("listening for operations", slog.String("address", o.server.Addr().String()))
	}
	if c.Traces != "" {
		o.traces = operations.NewTraces(operations.Send(c.Traces, log), s.secrets)
	}
	o.observe = operations.Observe(o.metrics, o.traces)
	return nil
}

// receives checks where traces are to go: by HTTPS, or to the machine itself, and with no password in the address.
func receives(s string) error {
	if u, err := url.Parse(s); s == "" || err == nil && u.User == nil && guarded(s, net.IP.IsLoopback) {
		return nil
	}
	return usage("--traces is an address by HTTPS, or by HTTP on the machine itself, such as http://127.0.0.1:4318/v1/traces")
}

// guarded tells whether what is sent to an address is hidden from strangers: it goes by HTTPS, or by HTTP to where near says.
func guarded(address string, near func(net.IP) bool) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || near(net.ParseIP(u.Hostname())))
}

// sources are where the figures are read.
func (s *system) sources() operations.Sources {
	return operations.Sources{
		Clock: s.clock, Head: s.store.Head, Views: s.keeper.Cursor,
		Epoch: func() time.Time {
			epochs, _ := s.keys.Epochs() // without them, the epoch is overdue
			for _, e := range epochs {
				if e.Current {
					return e.Begun
				}
			}
			return time.Time{}
		},
		Appends: func(ctx context.Context) error {
			if s.endings != nil {
				if err := s.endings.CatchUp(ctx); err != nil {
					return err
				}
			}
			if files, own := s.store.(*filestore.Store); own {
				return files.Probe(ctx)
			}
			_, err := s.store.Head(ctx) // a server has means of its own to say what it takes
			return err
		},
		Erasures: func(ctx context.Context, by domain.Date) (int, error) {
			due, err := s.keeper.Erasures.DueBy(ctx, by)
			return len(due), err
		},
		Halted: s.halted,
	}
}

// listen answers until ctx ends. It ends the service if it no longer can: whoever watches would take silence for quiet.
func (o *watched) listen(ctx context.Context, stop context.CancelCauseFunc) {
	if o.server == nil {
		return
	}
	if err := o.server.Serve(ctx); err != nil {
		stop(err)
	}
}

// follow counts what is appended until ctx ends.
func (o *watched) follow(ctx context.Context, s *system, stop context.CancelCauseFunc) {
	if o.metrics == nil {
		return
	}
	err := s.ledger.Follow(ctx, o.from, false, func(f *eventschema.Fact) error {
		o.metrics.Appended(f)
		return nil
	})
	if ctx.Err() == nil {
		stop(fmt.Errorf("counting events: %w", err))
	}
}

func (o *watched) signed(size uint64) {
	if o.watch != nil {
		o.watch.Signed(size)
	}
}

func (o *watched) ticked(clients int, err error) {
	if o.metrics == nil {
		return
	}
	o.metrics.Ticked(clients)
	if err == nil {
		o.watch.Ticked()
	}
}

func (o *watched) relayed(what relay.Counter) {
	if o.metrics != nil {
		o.metrics.Relayed(string(what))
	}
}

func (o *watched) failed(task string) {
	if o.metrics != nil {
		o.metrics.Failed(task)
	}
}

// close stops listening, and sends the traces that were not sent yet.
func (o *watched) close() error {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	err := o.traces.Close(ctx)
	if o.server == nil {
		return err
	}
	if closed := o.server.Close(); !errors.Is(closed, net.ErrClosed) { // it is, unless nobody was served
		err = errors.Join(err, closed)
	}
	return err
}
