package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"

	"samtykke/adapters/disk"
	"samtykke/adapters/operations"
	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/auditor"
	"samtykke/adapters/web/client"
	"samtykke/adapters/web/entrance"
	"samtykke/adapters/web/oversight"
	"samtykke/adapters/web/page"
	"samtykke/adapters/web/professional"
	"samtykke/adapters/web/statistics"
	"samtykke/adapters/web/text"
	"samtykke/domain"
)

type serveCmd struct {
	dataFlag
	Listen      string `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Where to listen. Without TLS files, an address of the machine itself."`
	TLSCert     string `name:"tls-cert" placeholder:"FILE" help:"Certificate with its chain, as PEM. Read anew when it changes."`
	TLSKey      string `name:"tls-key" placeholder:"FILE" help:"Its key."`
	BehindProxy bool   `help:"A proxy in front ends TLS, and nobody else can reach this address: the last entry of X-Forwarded-For is then whom attempts are counted by."`
	Endings     string `placeholder:"DIR" help:"Where what has ended is recorded for a restore, best on another disk; in the data directory, if not given."`
	Escrow      string `placeholder:"DIR" help:"A second place for the keys, kept up to date."`
	Relay       string `env:"SAMTYKKE_RELAY" placeholder:"WHERE" help:"Where messages go: the address of a NATS server (nats://...) or of a PostgreSQL database (postgres://...); or in-process, for notices alone, as with --notices by itself. There are none, if neither is given."`
	Notices     string `env:"SAMTYKKE_NOTICES" placeholder:"URL" help:"Who is given clients' notices by HTTP, such as http://127.0.0.1:9190/notices: your own gateway, which sends push notices or lights a badge."`
	PublicURL   string `name:"public-url" placeholder:"URL" help:"Where people come, such as https://selvhjelp.example.no; it stands on the slip of a new client. As the request came, if not given."`
	Operations  string `placeholder:"ADDRESS" help:"Where to tell whoever runs the service how it fares (/healthz, /readyz, /metrics): an address of the machine itself or a private one, such as 127.0.0.1:9180."`
	Traces      string `placeholder:"URL" help:"Where to send a trace of each request, by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces."`
	Dev         bool   `help:"For trying out, on this machine only: the clock can be set with POST /dev/clock, and a demo's logins are shown."`
}

// How often a server does what nobody asks for.
const (
	passTimeEvery = time.Minute
	snapshotEvery = 10 * time.Minute
	signAgainIn   = 10 * time.Second // where a checkpoint could not be signed
)

// Run serves until it is told to stop, and finishes what it has begun.
func (c *serveCmd) Run(env *surroundings) (err error) {
	log := web.Logger(env.stderr)
	logins, err := readLogins(c.Data)
	if err != nil {
		return err
	}
	if logins != nil && !c.Dev {
		return usage("%s is a demo, whose passwords are known to everybody: serve it with --dev", c.Data)
	}
	public, err := publicURL(c.PublicURL)
	if err != nil {
		return err
	}
	to, err := c.mailing()
	if err != nil {
		return err
	}
	w, err := c.world()
	if err != nil {
		return err
	}
	var dev *devClock
	if c.Dev {
		dev = &devClock{real: w.clock}
		w.clock = dev.now
	}
	w.boundMemory(false)
	watched := &watched{}
	w.proofs.Passed = watched.signed
	s, err := w.openInstance(env.ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	w.boundMemory(true)
	if err := c.watch(watched, s, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, watched.close()) }()
	if cut := s.report.Cut; cut != nil {
		log.Warn("the last write had not ended", slog.String("cut", fmt.Sprint(cut)))
	}
	s.start()
	s.watchClock(s.following)
	if err := s.tend(env.ctx); err != nil {
		return err
	}
	addresses := newIncidents(s)
	defer func() { err = errors.Join(err, addresses.close()) }()
	if err := addresses.tend(env.ctx); err != nil {
		return err
	}
	if err := canSend(env.ctx, to.over, log); err != nil {
		return err
	}
	service := s.service(c.TLSCert != "" || c.BehindProxy)
	service.PublicURL = public
	if to.over != "" {
		key, err := s.firstPseudonyms(env.ctx)
		if err != nil {
			return err
		}
		service.Recipient = func(client domain.ID) string { return string(key.Recipient(client)) }
	}
	server, err := web.Listen(web.Config{
		Listen: c.Listen, TLSCert: c.TLSCert, TLSKey: c.TLSKey, BehindProxy: c.BehindProxy, Dev: c.Dev,
		Log: log, Clock: w.clock, Random: w.secrets, Observe: watched.observe,
		Addresses: func(v web.Visit) {
			if err := addresses.note(v); err != nil {
				log.Error("an address was not kept for an incident", slog.String("error", err.Error()))
			}
		},
	}, site(service, dev, logins))
	if err != nil {
		return usage("%v", err)
	}
	announce(env.stdout, server.Addr().String(), c.TLSCert != "", logins, w.clock())
	ctx, stop := context.WithCancelCause(env.ctx)
	defer stop(nil)
	var beside sync.WaitGroup
	once := &duties{system: s, log: log, watched: watched, service: service, every: passTimeEvery}
	if to.over != "" {
		once.messages = func(ctx context.Context) (*outgoing, error) { return s.messages(ctx, to, log, watched.relayed) }
	}
	beside.Go(func() { once.run(ctx) })
	beside.Go(func() { s.upkeep(ctx, log, watched, stop) })
	beside.Go(func() { watched.follow(ctx, s, stop) })
	beside.Go(func() { watched.listen(ctx, stop) })
	beside.Go(func() { addresses.watch(ctx, log, service.Limits) })
	err = server.Serve(ctx)
	stop(nil)
	beside.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// publicURL checks an address that people are to type: a scheme and a host, and nothing behind them but a slash.
func publicURL(s string) (string, error) {
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.TrimSuffix(s, "/") != u.Scheme+"://"+u.Host) {
		return "", usage("--public-url is a scheme and a host, such as https://selvhjelp.example.no")
	}
	return strings.TrimSuffix(s, "/"), nil
}

// world is the data directory's, which is made where there is none yet.
func (c *serveCmd) world() (world, error) {
	if err := c.whole(); err != nil {
		return world{}, err
	}
	if err := apart([]place{{"--data", c.Data}, {"--escrow", c.Escrow}}); err != nil {
		return world{}, err
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return world{}, err
	}
	w.outside = disk.Sub(w.disk, endingsDir)
	if c.Endings != "" {
		w.outside, err = disk.OS(c.Endings)
	}
	if c.Escrow != "" && err == nil {
		w.escrow, err = disk.OS(c.Escrow)
	}
	return w, err
}

// upkeep tends what each instance has of its own, signs, and saves snapshots of the views, until ctx ends. It ends the server when the
// views have stopped: what they show would grow old in silence.
func (s *system) upkeep(ctx context.Context, log *slog.Logger, watched *watched, stop context.CancelCauseFunc) {
	tick, save := time.NewTicker(passTimeEvery), time.NewTicker(snapshotEvery)
	defer tick.Stop()
	defer save.Stop()
	failed := func(task string, err error) {
		if err != nil && ctx.Err() == nil {
			log.Error(tasks[task], slog.String("error", err.Error()))
			watched.failed(task)
		}
	}
	signing := s.signing // nil between a failure and the next try
	var again <-chan time.Time
	for {
		var err error
		task := operations.TaskTend
		select {
		case <-ctx.Done():
			return
		case err = <-s.running:
			s.running <- err // close asks again
			stop(fmt.Errorf("the views have stopped: %w", cmp.Or(err, io.ErrUnexpectedEOF)))
			return
		case err = <-signing:
			s.signing <- err // close asks again
			signing, task = nil, operations.TaskCheckpoint
			again = time.After(signAgainIn)
		case <-again:
			select {
			case <-s.signing:
			default: // whoever ended the following has it
			}
			s.sign(s.following)
			signing, again = s.signing, nil
		case <-tick.C:
			err = s.tendOwn(ctx)
		case <-save.C:
			task = operations.TaskSnapshot
			err = s.keeper.Save(ctx, s.disk)
		}
		failed(task, err)
	}
}

// tasks are what a server does without being asked for, with what is said where it fails.
var tasks = map[string]string{
	operations.TaskTick:       "time could not pass for every client",
	operations.TaskTend:       "an erasure, the day's keys or what lies outside is not as it should be until the next try",
	operations.TaskCheckpoint: "no checkpoint is signed until the next try",
	operations.TaskSnapshot:   "no snapshot of the views could be saved",
}

// tend does what tendShared and tendOwn do: before the first answer, whoever does it later.
func (s *system) tend(ctx context.Context) error {
	return errors.Join(s.tendShared(ctx), s.tendOwn(ctx))
}

// tendShared finishes the erasures that were interrupted, and begins the day's epoch of keys.
func (s *system) tendShared(ctx context.Context) error {
	return errors.Join(s.desk.FinishErasures(ctx), s.keys.Rotate(ctx, s.clock()))
}

// tendOwn brings up to date what lies outside.
func (s *system) tendOwn(ctx context.Context) error {
	var err error
	if s.endings != nil {
		err = s.endings.CatchUp(ctx)
	}
	if s.escrow != nil {
		err = errors.Join(err, escrowTo(disk.Sub(s.disk, keyDir), s.escrow, s.clock()))
	}
	return err
}

// service is the interface over the system, with nobody signed in. It is secure where browsers come by HTTPS.
func (s *system) service(secure bool) *api.API {
	a := &api.API{
		Desk: s.desk, Auditor: s.auditor, Texts: text.All, Secure: secure, Shelf: s.shelf(),
		Sessions: signin.NewSessions(s.secrets, 0), Limits: signin.NewLimits(s.secrets, signin.Rows),
	}
	if s.shared != nil {
		a.Sessions, a.Limits, a.Answers = s.shared.sessions(s), s.shared.limits(s), s.shared
	}
	return a
}

// screens are all pages, and what their forms do.
var screens = slices.Concat(entrance.Screens, auditor.Screens, client.Screens, professional.Screens, oversight.Screens, statistics.Screens)

// site is everything that the server answers to. dev is nil in earnest.
func site(service *api.API, dev *devClock, logins []login) http.Handler {
	to := mux.NewRouter()
	to.NotFoundHandler = http.HandlerFunc(api.Nowhere)
	to.MethodNotAllowedHandler = http.HandlerFunc(api.NotHere)
	service.Register(to)
	page.RegisterAssets(to)
	for _, screen := range screens {
		service.RegisterScreen(to, screen, page.Failed)
	}
	if dev != nil {
		dev.register(to, logins)
	}
	return to
}

// announce says where the service is and, of a demo, who can sign in.
func announce(to io.Writer, address string, tls bool, logins []login, now time.Time) {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	fmt.Fprintf(to, "Serving at %s://%s\n  the interface   %s\n  its description %s\n", scheme, address, api.Prefix, api.Description)
	if logins == nil {
		return
	}
	fmt.Fprintf(to, "\nThe demo's clock is at %s. Logins, on this demo only (one-time codes of now: GET /dev/logins):\n",
		now.In(domain.Oslo).Format("2006-01-02 15:04"))
	for _, l := range logins {
		if l.Code != "" {
			fmt.Fprintf(to, "  %-12s code %s  (%s)\n", l.Role, l.Code, l.About)
			continue
		}
		fmt.Fprintf(to, "  %-12s %s, password %q  (%s)\n", l.Role, l.Login, l.Password, l.About)
	}
}
