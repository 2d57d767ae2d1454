package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/projections"
)

// A serving is the program while it serves a demo, as a process of its own.
type serving struct {
	process  *exec.Cmd
	at       *visitor      // not signed in
	stopping chan struct{} // closed when it says that it stops
	ended    chan error    // what the process ended with
	mu       sync.Mutex
	trouble  []string // what it said on standard error that it must not
}

func startServing(t *testing.T, dir string, more ...string) *serving {
	t.Helper()
	c := child(t, "main", "", "", append([]string{"serve", "--dev", "--listen", "127.0.0.1:0", "--data", dir}, more...)...)
	c.Env = append(c.Env, "GORACE=halt_on_error=1")
	c.Stderr = nil
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &serving{process: c, stopping: make(chan struct{}), ended: make(chan error, 1)}
	listened := make(chan struct{})
	go func() {
		defer close(listened)
		s.listen(said)
	}()
	first, _ := bufio.NewReader(out).ReadString('\n')
	base, ok := strings.CutPrefix(strings.TrimSpace(first), "Serving at ")
	go func() {
		_, _ = io.Copy(io.Discard, out)
		<-listened
		s.ended <- c.Wait()
	}()
	if !ok {
		t.Fatalf("the server said %q and ended with %v: %v", first, <-s.ended, s.trouble)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	s.at = &visitor{http: &http.Client{Transport: transport}, base: base}
	return s
}

// listen reads the log.
func (s *serving) listen(said io.Reader) {
	for lines := bufio.NewScanner(said); lines.Scan(); {
		var line struct{ Level, Msg string }
		err := json.Unmarshal(lines.Bytes(), &line)
		if line.Msg == "stopping" {
			close(s.stopping)
		}
		if err != nil || line.Level == "ERROR" {
			s.mu.Lock()
			s.trouble = append(s.trouble, lines.Text())
			s.mu.Unlock()
		}
	}
}

// quiet sees that nothing went wrong inside the server.
func (s *serving) quiet(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.trouble) > 0 {
		t.Error("the server said:\n", strings.Join(s.trouble, "\n"))
	}
}

// What was given is a command, with what the ledger is to have of it.
type given struct {
	path, key string
	in        any
	mark      string
	answer    []byte // that came first
}

// A caller gives one command after the other and does not give up: where the answer was lost with the server, it gives the same
// command once more under the same key, once it has signed in at the next one.
type caller struct {
	name  string
	v     *visitor
	next  func(n int) given
	all   []given // in order
	known int     // how many of them were answered; the last one may not be
}

// again gives a command for the first time or once more, and sees that it is answered as it was before.
func (c *caller) again(i int) error {
	g := &c.all[i]
	a, err := c.v.call("POST", api.Prefix+g.path, g.key, g.in)
	switch {
	case err != nil:
		return err
	case a.status >= 300:
		return fmt.Errorf("%s repeats %s: %v", c.name, g.path, a)
	case i < c.known && !bytes.Equal(a.body, g.answer):
		return fmt.Errorf("%s repeats %s: %s, and before it was %s", c.name, g.path, a.body, g.answer)
	}
	g.answer, c.known = a.body, max(c.known, i+1)
	return nil
}

// takeUp gives the last commands again: one that was not answered, and those before it, which must not be done once more. A yes
// among them lies behind a withdrawal.
func (c *caller) takeUp() error {
	for i := max(0, len(c.all)-3); i < len(c.all); i++ {
		if err := c.again(i); err != nil {
			return err
		}
	}
	return nil
}

// work gives new commands until the server is gone.
func (c *caller) work(answered func()) error {
	for {
		n := len(c.all)
		g := c.next(n)
		g.key = fmt.Sprintf("the-same-series-for-all-%d", n) // and so no key is anybody's own
		c.all = append(c.all, g)
		for range 1 + n%5/4 { // every fifth twice
			err := c.again(n)
			if isGone(err) {
				return nil
			}
			if err != nil {
				return err
			}
			answered()
		}
	}
}

// isGone tells whether there was no answer at all.
func isGone(err error) bool {
	var broken net.Error
	return errors.As(err, &broken) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// A reader looks at one client after the other until the server is gone.
type reader struct {
	v                    *visitor
	shown, refused, open int
}

func (r *reader) work(handles []domain.ID, answered func()) error {
	for n := 0; ; n++ {
		a, err := r.v.call("POST", api.Prefix+"/clients/"+handles[n%len(handles)].String()+"/look-ups", "",
			api.LookUp{Purpose: client.Appointment, Kinds: []client.Kind{client.Scores, client.Answers}})
		switch {
		case isGone(err):
			r.open++
			return nil
		case err != nil:
			return err
		case a.status == http.StatusOK:
			r.shown++
		case a.code == client.NotShared:
			r.refused++
		default:
			return fmt.Errorf("a look-up: %v", a)
		}
		answered()
	}
}

// A household is a demo's ledger with everybody who uses it.
type household struct {
	t       *testing.T
	dir     string
	codes   []string // of the clients
	handles []domain.ID
	staff   []login
	clients [][]*caller // of each client: one who shares and stops sharing, one who enters
	writers []*caller   // of notes, one for each of the staff
	readers []*reader
	before  uint64    // where the demo's ledger ends
	now     time.Time // of the server that started last
}

func newHousehold(t *testing.T) *household {
	h := &household{t: t, dir: filepath.Join(t.TempDir(), "demo")}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--data", h.dir, "--clients", "20", "--weeks", "4"}, nil, &out, &out); code != 0 {
		t.Fatalf("no demo: %d, %s", code, &out)
	}
	logins, err := readLogins(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range logins {
		switch l.Role {
		case domain.RoleClient:
			i := len(h.codes)
			h.codes = append(h.codes, l.Code)
			h.clients = append(h.clients, []*caller{h.sharer(i, !strings.HasPrefix(l.About, "shares")), h.enterer(i)})
		case domain.RoleSuperuser, domain.RoleProfessional:
			h.staff = append(h.staff, l)
			h.writers = append(h.writers, h.writer(string(l.Role)))
			h.readers = append(h.readers, &reader{})
		}
	}
	r := h.rig()
	defer func() { r.must(r.sys.close()) }()
	for _, rec := range ledgertest.Check(t, r.sys.store) {
		f, err := r.sys.ledger.Decode(t.Context(), &rec)
		r.must(err)
		h.before, h.now = rec.Position, f.Act.At
	}
	return h
}

func (h *household) sharer(i int, first bool) *caller {
	return &caller{name: fmt.Sprint("sharer ", i), next: func(n int) given {
		yes := (n%2 == 0) == first
		return given{path: "/sharing", in: shares(yes, h.now), mark: fmt.Sprint(yes)}
	}}
}

func (h *household) enterer(i int) *caller {
	name := fmt.Sprint("enterer ", i)
	return &caller{name: name, next: func(n int) given {
		if n%2 == 0 {
			text := fmt.Sprintf("%s says %d", name, n)
			return given{path: "/answers", in: api.Answer{Task: "a task", Text: text}, mark: text}
		}
		items := make([]int, 9)
		for k, rest := 0, n; k < len(items); k, rest = k+1, rest/4 {
			items[k] = rest % 4
		}
		return given{path: "/assessments", in: api.Assessment{Instrument: "phq-9", Items: items}, mark: fmt.Sprint(items)}
	}}
}

func (h *household) writer(role string) *caller {
	return &caller{name: role, next: func(n int) given {
		text := fmt.Sprintf("%s notes %d", role, n)
		return given{path: "/clients/" + h.handles[n%len(h.handles)].String() + "/notes", in: api.WriteNote{Text: text}, mark: text}
	}}
}

func (h *household) callers() []*caller { return slices.Concat(slices.Concat(h.clients...), h.writers) }

// signIn signs everybody in at a server that has just started. Its clock goes five minutes further each time.
func (h *household) signIn(at *visitor) {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	h.now = h.now.Add(5 * time.Minute)
	dev := func(method, path string, in, out any) {
		h.t.Helper()
		a, err := at.call(method, path, "", in)
		must(err)
		must(json.Unmarshal(a.body, out))
	}
	dev("POST", "/dev/clock", map[string]time.Time{"now": h.now}, &struct{}{})
	for i, callers := range h.clients {
		for _, c := range callers {
			v := *at
			must(v.signIn("/session/code", api.SignInByCode{Code: h.codes[i], Channel: journal.App}))
			c.v = &v
		}
	}
	var logins []login
	dev("GET", "/dev/logins", nil, &logins)
	for i, s := range h.staff {
		l := logins[slices.IndexFunc(logins, func(l login) bool { return l.Login == s.Login })]
		v := *at
		must(v.signIn("/session/password", api.SignInByPassword{Login: l.Login, Password: l.Password, OneTime: l.OneTime, Channel: "app"}))
		h.writers[i].v, h.readers[i].v = &v, &v
	}
	if h.handles != nil {
		return
	}
	var list api.Clients
	must(h.writers[0].v.ask("GET", "/clients", "", nil, &list))
	for _, code := range h.codes {
		label, _, _ := strings.Cut(code, "-")
		i := slices.IndexFunc(list.Clients, func(c api.Client) bool { return c.Label == label })
		if i < 0 {
			h.t.Fatal("a client of the demo is not in the overview of its organisation")
		}
		h.handles = append(h.handles, list.Clients[i].Handle)
	}
}

// takeUp has everybody give the last commands again, all at once.
func (h *household) takeUp() {
	h.t.Helper()
	var wait sync.WaitGroup
	for _, c := range h.callers() {
		wait.Go(func() {
			if err := c.takeUp(); err != nil {
				h.t.Error(err)
			}
		})
	}
	wait.Wait()
}

// work has everybody work until the server is gone, which end sees to when so many commands and look-ups were answered.
func (h *household) work(after int, end func()) {
	var answers atomic.Int64
	answered := func() {
		if answers.Add(1) == int64(after) {
			end()
		}
	}
	var wait sync.WaitGroup
	for _, c := range h.callers() {
		wait.Go(func() {
			if err := c.work(answered); err != nil {
				h.t.Error(err)
			}
		})
	}
	for _, r := range h.readers {
		wait.Go(func() {
			if err := r.work(h.handles, answered); err != nil {
				h.t.Error(err)
			}
		})
	}
	wait.Wait()
}

// A server is killed at any moment, over and over, while everybody works: each command stands in the ledger once and in the order
// in which it was given, however often it had to be given, and nothing else does. The last time it is asked to stop: then it
// finishes what it has begun.
func TestKilledServer(t *testing.T) {
	h := newHousehold(t)
	draw := rand.New(rand.NewPCG(1, 3))
	for range rounds(6) {
		s := startServing(t, h.dir)
		h.signIn(s.at)
		h.takeUp()
		h.work(20+draw.IntN(250), func() { _ = s.process.Process.Kill() })
		<-s.ended
		s.quiet(t)
	}

	s := startServing(t, h.dir)
	h.signIn(s.at)
	h.takeUp()
	held := h.begin(s, h.clients[0][1].v.token)
	h.work(200, func() { _ = s.process.Process.Signal(syscall.SIGTERM) })
	<-s.stopping
	s.at.http.CloseIdleConnections() // or the server waits some seconds for those that nobody has used yet
	held()
	if err := <-s.ended; err != nil {
		t.Errorf("asked to stop, the server ended with %v", err)
	}
	s.quiet(t)

	s = startServing(t, h.dir)
	h.signIn(s.at)
	h.takeUp()
	s.at.http.CloseIdleConnections()
	_ = s.process.Process.Signal(syscall.SIGTERM)
	if err := <-s.ended; err != nil {
		t.Errorf("asked to stop, the server ended with %v", err)
	}
	h.check()
	var out bytes.Buffer
	if code := run(t.Context(), []string{"verify", "--data", h.dir}, nil, &out, &out); code != 0 {
		t.Errorf("verify: %d, %s", code, &out)
	}
}

// heldBack is what a client enters in a request whose body comes only when the server has been asked to stop.
const heldBack = "what came when the server was to stop"

// begin sends the headers of a command and waits until the server asks for the body. What it gives sends the body, and sees that
// the command is answered.
func (h *household) begin(s *serving, token string) func() {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(s.at.base, "http://"))
	must(err)
	h.t.Cleanup(func() { _ = c.Close() })
	body, err := json.Marshal(api.Answer{Task: "a task", Text: heldBack})
	must(err)
	_, err = fmt.Fprintf(c, "POST %s/answers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", api.Prefix, token, "a-key-of-its-own", len(body))
	must(err)
	answers := bufio.NewReader(c)
	got, err := http.ReadResponse(answers, nil)
	must(err)
	if got.StatusCode != http.StatusContinue {
		h.t.Fatalf("the server did not ask for the body: %d", got.StatusCode)
	}
	return func() {
		h.t.Helper()
		_, err := c.Write(body)
		must(err)
		got, err := http.ReadResponse(answers, nil)
		if err != nil || got.StatusCode != http.StatusNoContent {
			h.t.Errorf("what had begun before the server was to stop: %v, %v", got, err)
		}
	}
}

// rig opens the ledger, between servers.
func (h *household) rig() *rig {
	h.t.Helper()
	r := &rig{t: h.t}
	var err error
	r.w, err = realWorld(h.dir)
	r.must(err)
	r.open()
	return r
}

// check holds what the ledger has behind the demo against what was given.
func (h *household) check() {
	t := h.t
	t.Helper()
	r := h.rig()
	defer func() { r.must(r.sys.close()) }()
	records := ledgertest.Check(t, r.sys.store)
	has := map[string][]string{} // by caller
	notes := map[string]string{}
	made, refused, held := 0, 0, 0
	who := map[domain.ID]int{}
	for i, code := range h.codes {
		c, err := signin.ParseCode(code)
		r.must(err)
		id, _, err := r.sys.keeper.Codes.Get(r.t.Context(), projections.CodeKey(c.Hash(r.sys.desk.CodeKey)))
		r.must(err)
		who[id] = i
	}
	ids := map[domain.ID]bool{}
	for _, rec := range records {
		if ids[rec.ID] {
			t.Errorf("two events have the id of the one at position %d", rec.Position)
		}
		ids[rec.ID] = true
		if rec.Position <= h.before {
			continue
		}
		f, err := r.sys.ledger.Decode(t.Context(), &rec)
		r.must(err)
		i := who[f.Subject]
		switch b := f.Body.(type) {
		case client.Granted:
			has[fmt.Sprint("sharer ", i)] = append(has[fmt.Sprint("sharer ", i)], "true")
		case client.Withdrawn:
			has[fmt.Sprint("sharer ", i)] = append(has[fmt.Sprint("sharer ", i)], "false")
		case journal.Answered:
			if b.Text == heldBack {
				held++
				continue
			}
			has[fmt.Sprint("enterer ", i)] = append(has[fmt.Sprint("enterer ", i)], b.Text)
		case journal.Assessed:
			has[fmt.Sprint("enterer ", i)] = append(has[fmt.Sprint("enterer ", i)], fmt.Sprint(b.Items))
		case journal.NoteWritten:
			has[string(f.Act.Role)] = append(has[string(f.Act.Role)], b.Text)
			notes[b.Text] = b.Note.String()
		case client.LookedUp:
			made++
		}
		if f.Name == "lookup.refused" {
			refused++
		}
	}
	all := 0
	for _, c := range h.callers() {
		all += len(c.all)
		var want []string
		for _, g := range c.all {
			want = append(want, g.mark)
			var n api.Noted
			if strings.HasSuffix(g.path, "/notes") {
				r.must(json.Unmarshal(g.answer, &n))
				if n.Note.String() != notes[g.mark] {
					t.Errorf("%s was told of a note %v, and in the ledger it is %s", c.name, n.Note, notes[g.mark])
				}
			}
		}
		if c.known != len(c.all) || !slices.Equal(has[c.name], want) {
			t.Errorf("%s gave %d commands, %d were answered, and the ledger has %d:\n%v\n%v", c.name, len(want), c.known, len(has[c.name]), want, has[c.name])
		}
	}
	shown, said, open := 0, 0, 0
	for _, l := range h.readers {
		shown, said, open = shown+l.shown, said+l.refused, open+l.open
	}
	if made < shown || refused < said || made+refused > shown+said+open {
		t.Errorf("%d look-ups were shown, %d refused, %d not answered; the ledger has %d and %d", shown, said, open, made, refused)
	}
	if held != 1 {
		t.Errorf("what was begun before the server was to stop is in the ledger %d times", held)
	}
	t.Logf("%d commands, %d look-ups shown, %d refused, %d not answered", all, shown, said, open)
	r.inOrder()
}
