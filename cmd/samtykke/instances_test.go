package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/relay"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A cable is all that an instance reaches its servers by. It can be cut.
type cable struct {
	dir string // of the socket that leads to PostgreSQL

	mu   sync.Mutex
	off  bool
	open map[net.Conn]bool
}

const pgSocket = ".s.PGSQL.5432"

// lead has a listener lead to a server, and gives its address.
func (w *cable) lead(t *testing.T, network, at, to string) string {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c, network, to)
		}
	}()
	return l.Addr().String()
}

func (w *cable) carry(c net.Conn, network, to string) {
	defer c.Close()
	server, err := net.Dial(network, to)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	if w.off {
		w.mu.Unlock()
		return
	}
	w.open[c] = true
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(c, server)
		c.Close()
	}()
	_, _ = io.Copy(server, c)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
}

// cut ends all connections, and lets nobody through until it is mended.
func (w *cable) cut(off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = off
	for c := range w.open {
		if off {
			c.Close()
		}
	}
}

// An instance is the assembled program, as serve runs it, with a clock, a data directory and a cable of its own.
type instance struct {
	*system
	service *api.API
	handler http.Handler
	wire    *cable
	skew    *atomic.Int64 // its clock is so far ahead, in nanoseconds
	dead    atomic.Bool   // abruptly
	end     context.CancelFunc
	beside  sync.WaitGroup
	failed  atomic.Pointer[error] // why it would have ended by itself
}

// A cluster is instances over the same databases, and the clock that is right.
type cluster struct {
	t         *testing.T
	at        *atomic.Int64
	random    *lockedRandom
	server    string // the folder of the PostgreSQL server's socket
	databases [2]url.URL
	events    string // the address of an EventStoreDB server; "": the events lie in PostgreSQL
	keys      string // the folder that all have
	sent      outbox
	log       diary
	hurried   atomic.Bool // visitors are, while there is trouble
	silent    sync.Once   // an instance was

	mu     sync.Mutex
	live   []*instance // nil in the place of a dead one
	all    []*instance
	ending sync.WaitGroup
}

func newCluster(t *testing.T, seed uint64, size int, events string) *cluster {
	c := &cluster{t: t, at: new(atomic.Int64), random: newRandom(seed), keys: t.TempDir(), events: events}
	c.at.Store(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC).UnixNano())
	for i := range c.databases {
		u, err := url.Parse(postgrestest.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		c.databases[i], c.server = *u, u.Query().Get("host")
	}
	c.live = make([]*instance, size)
	for i := range c.live {
		c.start(i)
	}
	t.Cleanup(func() {
		c.ending.Wait()
		if t.Failed() {
			t.Logf("seed %d; what the instances said:\n%s", seed, c.log.said.Bytes())
		}
		for _, i := range c.all {
			i.wire.cut(false) // or it would go on trying for a while
			i.halts()
			_ = i.closeFiles()
		}
	})
	return c
}

func (c *cluster) now() time.Time { return time.Unix(0, c.at.Load()).UTC() }

// through is the address of a database over a cable.
func (w *cable) through(u url.URL) string {
	q := u.Query()
	q.Set("host", w.dir)
	u.RawQuery = q.Encode()
	return u.String()
}

// leaseTerm is short, for whoever waits for somebody else to take over.
const leaseTerm = 900 * time.Millisecond

// start starts an instance at a place, as on a new machine: it has the keys that all have, and nothing else.
func (c *cluster) start(at int) {
	dir := c.t.TempDir()
	if err := os.Symlink(c.keys, filepath.Join(dir, keyDir)); err != nil {
		c.t.Fatal(err)
	}
	d, err := disk.OS(dir)
	if err != nil {
		c.t.Fatal(err)
	}
	i := &instance{wire: &cable{dir: c.t.TempDir(), open: map[net.Conn]bool{}}, skew: new(atomic.Int64)}
	i.wire.lead(c.t, "unix", filepath.Join(i.wire.dir, pgSocket), filepath.Join(c.server, pgSocket))
	w := world{
		disk: d, outside: disk.Sub(d, endingsDir), random: c.random, secrets: c.random, rules: rules.All,
		clock:  func() time.Time { return c.now().Add(time.Duration(i.skew.Load())) },
		ledger: i.wire.through(c.databases[0]), keys: i.wire.through(c.databases[1]),
	}
	if c.events != "" {
		w.ledger = "esdb://" + i.wire.lead(c.t, "tcp", "127.0.0.1:0", c.events) + "?tls=false"
	}
	ctx, stop := context.WithCancel(context.Background())
	i.end = stop
	log := slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelError}))
	if i.system, err = w.openInstance(ctx, log); err != nil {
		c.t.Fatalf("opening an instance: %v", err)
	}
	i.shared.lease = i.shared.Lease(dutiesLease, leaseTerm)
	i.start()
	watch := &clockWatch{store: clockOf(func() (time.Time, error) { return c.now(), nil }), clock: w.clock, ahead: &i.shared.ahead}
	i.desk.Door.Halted = func() error { watch.compare(ctx); return watch.halted() }
	if err := i.tend(ctx); err != nil {
		c.t.Fatalf("an instance tends what there is: %v", err)
	}
	i.service = i.system.service(false)
	i.handler = web.Handler(web.Config{Listen: "127.0.0.1:80", Log: log, Clock: w.clock, Random: c.random}, site(i.service, nil, nil))
	once := &duties{system: i.system, log: log, watched: &watched{}, service: i.service, every: 100 * time.Millisecond}
	once.messages = func(ctx context.Context) (*outgoing, error) {
		return i.messagesOver(ctx, c.sent.transport(log), nil, log, nil)
	}
	i.beside.Go(func() { once.run(ctx) })
	i.beside.Go(func() {
		i.upkeep(ctx, log, once.watched, func(err error) { i.failed.Store(&err) })
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live[at] = i
	c.all = append(c.all, i)
}

// An instance makes the key of pseudonyms while no other opens: of two that made it at once, one would go on with a key that nobody else has.
func TestOneKeyOfPseudonyms(t *testing.T) {
	dir := t.TempDir()
	d, err := disk.OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	random := newRandom(1)
	w := world{
		disk: d, clock: time.Now, random: random, secrets: random, rules: rules.All, ledger: postgrestest.URL(t), keys: postgrestest.URL(t),
	}
	s, err := w.openInstance(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.closeFiles()
	err = s.shared.Lease(openingLease, 0).Run(t.Context(), func(ctx context.Context) error {
		soon, stop := context.WithTimeout(ctx, 300*time.Millisecond)
		defer stop()
		if _, err := s.firstPseudonyms(soon); !errors.Is(err, context.DeadlineExceeded) || isThere(filepath.Join(dir, relayKey)) {
			t.Errorf("while another instance opens: %v, and the key is there: %v", err, isThere(filepath.Join(dir, relayKey)))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := s.firstPseudonyms(t.Context()); err != nil || !isThere(filepath.Join(dir, relayKey)) {
		t.Errorf("then: %v", err)
	}
}

// kill ends an instance at once: nothing of it reaches a database from then on, whatever it is doing. What it holds in memory and in its
// data directory is lost.
func (c *cluster) kill(at int) {
	c.mu.Lock()
	i := c.live[at]
	c.live[at] = nil
	c.mu.Unlock()
	i.dead.Store(true)
	i.wire.cut(true)
	c.ending.Go(i.halts)
}

// halts ends what runs beside.
func (i *instance) halts() {
	i.end()
	i.beside.Wait()
	_ = i.halt()
}

// instance is who is there; nil at a place where nobody is.
func (c *cluster) instance(at int) *instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live[at]
}

var (
	errNobodyThere = errors.New("nobody is there")
	errSilent      = errors.New("there was no answer, late as it is")
)

// A seat is where somebody asks from.
type seat struct {
	*cluster
	from string // the network address
}

// RoundTrip gives the request to the instance that the port names. The answer of one that was dead by then came to nobody.
func (s seat) RoundTrip(r *http.Request) (*http.Response, error) {
	at, err := strconv.Atoi(r.URL.Port())
	if err != nil {
		return nil, err
	}
	i := s.instance(at)
	if i == nil {
		return nil, errNobodyThere
	}
	patience := calmWithin
	switch signsIn := r.Header.Get("Authorization") == ""; {
	case s.hurried.Load() && signsIn:
		patience = signInWithin
	case s.hurried.Load():
		patience = answerIn
	}
	ctx, stop := context.WithTimeout(r.Context(), patience)
	defer stop()
	q := r.Clone(ctx)
	q.RequestURI, q.Host, q.RemoteAddr = r.URL.RequestURI(), "127.0.0.1", s.from+":1000"
	if q.Body == nil {
		q.Body = http.NoBody
	}
	w, answered := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(answered)
		i.handler.ServeHTTP(w, q)
	}()
	overdue := time.NewTimer(patience + calmWithin)
	defer overdue.Stop()
	select {
	case <-answered:
	case <-overdue.C:
		s.t.Errorf("%s %s was to be answered within %v, and was not a minute later", r.Method, r.URL.Path, patience)
		s.silent.Do(func() {
			all := make([]byte, 4<<20)
			s.t.Logf("what went on:\n%s", all[:runtime.Stack(all, true)])
		})
		return nil, errSilent
	}
	if i.dead.Load() {
		return nil, errNobodyThere
	}
	return w.Result(), nil
}

// A diary is what all instances log.
type diary struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.Write(b)
}

// How long a visitor waits before trying at another instance: a while under trouble, unless to sign in, which takes much computing.
const (
	answerIn     = 500 * time.Millisecond
	signInWithin = 6 * time.Second
	calmWithin   = time.Minute
)

// base is an instance's address.
func base(at int) string { return fmt.Sprintf("http://127.0.0.1:%d", at) }

// An outbox holds the messages that all instances sent, in the order in which they were taken.
type outbox struct {
	mu  sync.Mutex
	all []posted
}

type posted struct{ topic, id, payload string }

func (s *outbox) note(topic string, m *message.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, posted{topic, m.UUID, string(m.Payload)})
}

// noting is a publisher that notes what it is given.
type noting struct {
	message.Publisher
	to *outbox
}

func (n noting) Publish(topic string, messages ...*message.Message) error {
	for _, m := range messages {
		n.to.note(topic, m)
	}
	if n.Publisher == nil {
		return nil
	}
	return n.Publisher.Publish(topic, messages...)
}

func (n noting) Close() error {
	if n.Publisher == nil {
		return nil
	}
	return n.Publisher.Close()
}

func (s *outbox) transport(log *slog.Logger) relay.Transport {
	t := relay.InProcess(log)
	t.Publisher = noting{t.Publisher, s}
	return t
}

// firsts are the messages by topic, each where it came first.
func (s *outbox) firsts() (by map[string][]posted, again int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	by, seen := map[string][]posted{}, map[string]bool{}
	for _, m := range s.all {
		if seen[m.id] {
			again++
			continue
		}
		seen[m.id] = true
		by[m.topic] = append(by[m.topic], m)
	}
	return by, again
}

// stillDue leaves out questions but the last one of each client: one before it is told no more if it was answered by the time it was passed.
func stillDue(notices []posted) (due []posted) {
	later := map[string]bool{}
	for _, m := range slices.Backward(notices) {
		if question := strings.Contains(m.payload, string(relay.QuestionWaits)); !question || !later[m.payload] {
			due = append(due, m)
		}
		later[m.payload] = true
	}
	return due
}

// passed is a store that tells how far it was followed.
type passed struct {
	ledger.Store
	at *atomic.Uint64
}

func (p passed) After(ctx context.Context, from ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range p.Store.After(ctx, from) {
			if !yield(r, err) {
				return
			}
			p.at.Store(r.Position)
		}
	}
}

// What is shared lies where the variable says or with the keys, and nowhere unless the events and the keys lie at servers.
func TestSharedAt(t *testing.T) {
	const events, keys, shared = "esdb://e", "postgres://k", "postgres://s"
	for _, c := range []struct{ ledger, keys, shared, at string }{
		{"", "", "", ""},
		{events, "", "", ""},
		{"", keys, "", ""},
		{events, keys, "", keys},
		{events, keys, shared, shared},
		{events, keys, events, "refused"},
		{events, "", shared, "refused"},
		{"", "", shared, "refused"},
	} {
		at, err := world{ledger: c.ledger, keys: c.keys, shared: c.shared}.sharedAt()
		if err != nil {
			at = "refused"
		}
		if at != c.at {
			t.Errorf("%+v: it is %q", c, at)
		}
	}
}
