package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/eventschema"
)

// moreRounds is a number: so many rounds of each test that puts a server under strain, in place of as few as one can wait for each time.
const moreRounds = "SAMTYKKE_TEST_ROUNDS"

func rounds(usual int) int {
	n, _ := strconv.Atoi(os.Getenv(moreRounds))
	return cmp.Or(n, usual)
}

// A visitor is somebody at a server, in an app, over TCP.
type visitor struct {
	http  *http.Client
	base  string
	token string // "" before signing in
}

// What came is an answer, whole.
type came struct {
	status int
	code   string // of a problem
	body   []byte
}

func (a came) String() string { return fmt.Sprint(a.status, " ", a.code) }

// call sends a request and reads its answer to the end. An error says that there was no answer.
func (v *visitor) call(method, path, key string, in any) (came, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return came{}, err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequest(method, v.base+path, body)
	if err != nil {
		return came{}, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	got, err := v.http.Do(r)
	if err != nil {
		return came{}, err
	}
	defer got.Body.Close()
	a := came{status: got.StatusCode}
	if a.body, err = io.ReadAll(got.Body); err != nil {
		return came{}, err
	}
	if a.status >= 300 {
		var p web.Problem
		err = json.Unmarshal(a.body, &p)
		a.code = p.Code
	}
	return a, err
}

// ask calls the interface, where anything but yes is an error, and fills out.
func (v *visitor) ask(method, path, key string, in, out any) error {
	a, err := v.call(method, api.Prefix+path, key, in)
	if err == nil && a.status >= 300 {
		err = fmt.Errorf("%s %s: %v", method, path, a)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(a.body, out)
	}
	return err
}

func (v *visitor) signIn(path string, in any) error {
	var s api.Session
	err := v.ask("POST", path, "", in, &s)
	v.token = s.Token
	return err
}

// shares is the client's yes or no under Settings.
func shares(yes bool, at time.Time) api.AnswerShare {
	shown, _ := text.All.Shown(text.Sharing, "nb", domain.DateOf(at))
	return api.AnswerShare{Share: yes, Occasion: client.Settings, Text: api.Shown(shown)}
}

// ownWords are what the client has entered, and nobody is to read without access.
const ownWords = "the client's own words"

// A clinic is a rig with a real data directory whose people come by way of servers.
type clinic struct {
	*rig
	http   *http.Client
	first  *visitor // at the server that every clinic has, and not signed in
	desks  []*desk.Desk
	boss   *visitor
	handle domain.ID
	code   string // the client's
	drawn  atomic.Int64
}

func newClinic(t *testing.T, seed uint64, where hosting) *clinic {
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, d, seed)
	r.move(where(t))
	r.open()
	t.Cleanup(func() { r.must(r.sys.closeFiles()) })
	c := &clinic{rig: r, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	c.first = c.serve(r.sys)
	r.must(r.found())
	c.settle()
	i, err := r.sys.desk.Invite(t.Context(), employee, r.boss.Actor)
	r.must(err)
	c.boss = c.accept(api.Invitation{Invitation: i.Code.Slip(), Confirmation: i.Confirmation}, "Sara", c.first)
	c.handle, c.code = c.newClient()
	return c
}

// serve starts a server over the system, and gives a visitor who has not signed in.
func (c *clinic) serve(sys *system) *visitor {
	c.t.Helper()
	s, err := web.Listen(web.Config{
		Listen: "127.0.0.1:0", Log: web.Logger(io.Discard), Clock: c.w.clock, Random: c.random,
	}, site(sys.service(false), nil, nil))
	c.must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	c.t.Cleanup(func() {
		stop()
		c.http.CloseIdleConnections()
		c.must(<-ended)
	})
	c.desks = append(c.desks, sys.desk)
	return &visitor{http: c.http, base: "http://" + s.Addr().String()}
}

// another starts one more server over the same ledger, through a store of its own. Its sessions, caches and views are its own.
func (c *clinic) another(store ledger.Store) *visitor {
	sys := *c.sys
	var stop func()
	sys.desk, stop = c.rig.another(store)
	c.t.Cleanup(stop)
	return c.serve(&sys)
}

// settle waits until the views of every server show everything.
func (c *clinic) settle() {
	c.t.Helper()
	head, err := c.sys.store.Head(context.Background())
	c.must(err)
	for _, d := range c.desks {
		c.must(d.Keeper.Wait(context.Background(), head))
	}
}

// key is one that no other command has.
func (c *clinic) key() string { return fmt.Sprintf("key-of-a-command-%d", c.drawn.Add(1)) }

const password = "fjord og fjell i prøven"

// accept takes up an invitation and signs in, a minute later.
func (c *clinic) accept(i api.Invitation, name string, at *visitor) *visitor {
	c.t.Helper()
	c.settle()
	both := api.OpenInvitation{Invitation: i.Invitation, Confirmation: i.Confirmation}
	var app api.Authenticator
	c.must(at.ask("POST", "/invitation/authenticator", "", both, &app))
	code := func() string {
		c.wait(time.Minute)
		code, err := totp.GenerateCode(app.Secret, c.w.clock())
		c.must(err)
		return code
	}
	c.must(at.ask("POST", "/invitation/acceptance", "", api.AcceptInvitation{
		Invitation: i.Invitation, Confirmation: i.Confirmation, Password: password, OneTime: code(),
		Declaration: api.Shown{Name: app.Declaration.Name, Version: app.Declaration.Version, Language: app.Declaration.Language},
	}, nil))
	c.settle()
	v := *at
	c.must(v.signIn("/session/password", api.SignInByPassword{Login: details(name).Email, Password: password, OneTime: code(), Channel: "app"}))
	return &v
}

// pro adds a professional, who signs in.
func (c *clinic) pro(name string, at *visitor) (domain.ID, *visitor) {
	c.t.Helper()
	var added api.Added
	c.must(c.boss.ask("POST", "/professionals", c.key(), api.AddProfessional{Details: api.Details(details(name))}, &added))
	return added.Professional, c.accept(added.Invitation, name, at)
}

func (c *clinic) newClient() (handle domain.ID, code string) {
	c.t.Helper()
	var slip api.Slip
	c.must(c.boss.ask("POST", "/clients", c.key(), nil, &slip))
	c.settle()
	return slip.Handle, slip.Code
}

// session signs somebody in by a code.
func (c *clinic) session(at *visitor, code string) *visitor {
	c.t.Helper()
	c.settle()
	v := *at
	c.must(v.signIn("/session/code", api.SignInByCode{Code: code, Channel: journal.App}))
	return &v
}

// says answers whether the client shares.
func (c *clinic) says(v *visitor, yes bool) error {
	return v.ask("POST", "/sharing", c.key(), shares(yes, c.w.clock()), nil)
}

// deactivate ends a professional's access.
func (c *clinic) deactivate(id domain.ID, at *visitor) error {
	return at.ask("POST", "/professionals/"+id.String()+"/deactivation", c.key(), nil, nil)
}

// rotate gives the client of the session a new code.
func (c *clinic) rotate(v *visitor) error {
	var next api.NewCode
	err := v.ask("POST", "/code", c.key(), nil, &next)
	if err == nil {
		err = v.ask("POST", "/code/confirmation", c.key(), api.TypedCode(next), nil)
	}
	return err
}

func (c *clinic) look(v *visitor, key string) (came, error) {
	a, err := v.call("POST", api.Prefix+"/clients/"+c.handle.String()+"/look-ups", key, api.LookUp{
		Purpose: client.Appointment, Kinds: []client.Kind{client.Answers},
	})
	if err == nil && bytes.Contains(a.body, []byte(ownWords)) != (a.status == http.StatusOK) {
		err = fmt.Errorf("an answer %v that shows what it must not, or not what it must", a)
	}
	return a, err
}

// lookOver is a look-up over HTTP.
func (h *history) lookOver(who int, c *clinic, v *visitor, fail func(error)) {
	h.record(who, askLook, func() (reply, bool) {
		a, err := c.look(v, c.key())
		switch {
		case err == nil && a.status == http.StatusOK:
			return shown, true
		case err == nil && a.status == http.StatusForbidden && a.code == client.NotShared:
			return notShared, true
		case err == nil && (a.status == http.StatusUnauthorized || a.code == organisation.NotActive):
			return notActive, true
		}
		fail(fmt.Errorf("a look-up: %v, %w", a, err))
		return 0, false
	})
}

// ownOver is what a session of the client's does of its own: it reads, or enters something.
func (h *history) ownOver(who int, c *clinic, v *visitor, fail func(error)) {
	h.record(who, askOwn, func() (reply, bool) {
		var a came
		var err error
		switch n := c.drawn.Add(1); {
		case n%8 == 0:
			a, err = v.call("GET", api.Prefix+"/own-data", "", nil)
		case n%2 == 0:
			a, err = v.call("GET", api.Prefix+"/sharing", "", nil)
		default:
			a, err = v.call("POST", api.Prefix+"/content/opened", c.key(), api.Content{Content: "module 1"})
		}
		switch {
		case err == nil && a.status < 300:
			return shown, true
		case err == nil && a.status == http.StatusUnauthorized:
			return notActive, true
		}
		fail(fmt.Errorf("a session of the client's own: %v, %w", a, err))
		return 0, false
	})
}

// acts is somebody's act that must succeed.
func (h *history) acts(who int, what ask, fail func(error), do func() error) {
	h.record(who, what, func() (reply, bool) {
		if err := do(); err != nil {
			fail(err)
		}
		return did, true
	})
}

// until waits for the history to be so far along.
func (h *history) until(ticks int) {
	for h.ticks.Load() < int64(ticks) {
		runtime.Gosched()
	}
}

// Withdrawal against look-up once more, over TCP and through everything that serve puts before the ledger, wherever that lies:
// many look while the client withdraws and grants. In the middle, one of them is deactivated, and the client changes the code:
// from the answer to that on, a second session of the client's is told nothing but that it has ended.
func TestLinearizableOverHTTP(t *testing.T) {
	for _, mix := range []struct {
		name           string
		servers        int
		lookers, looks int
		acts           int
		rounds         int
		where          hosting
	}{
		{name: "one server", servers: 1, lookers: 5, looks: 60, acts: 80, rounds: 2, where: onDisk},
		{name: "two servers", servers: 2, lookers: 4, looks: 60, acts: 60, rounds: 2, where: onDisk},
		{name: "two servers and PostgreSQL", servers: 2, lookers: 4, looks: 30, acts: 30, rounds: 1, where: atPostgres},
		{name: "two servers and EventStoreDB", servers: 2, lookers: 4, looks: 30, acts: 30, rounds: 1, where: atEventStore},
	} {
		for round := range rounds(mix.rounds) {
			t.Run(fmt.Sprint(mix.name, " ", round), func(t *testing.T) {
				t.Parallel()
				c := newClinic(t, uint64(round), mix.where)
				at := []*visitor{c.first}
				if mix.servers == 2 {
					at = []*visitor{c.another(c.slow()), c.another(c.slow())}
				}
				lookers, ids := make([]*visitor, mix.lookers), make([]domain.ID, mix.lookers)
				for i := range lookers {
					ids[i], lookers[i] = c.pro(fmt.Sprint("Per", i), at[i%len(at)])
				}
				me, other := c.session(at[0], c.code), c.session(at[len(at)-1], c.code)
				c.must(me.ask("POST", "/answers", c.key(), api.Answer{Task: "first", Text: ownWords}, nil))
				c.settle()

				c.host.flaky(rand.New(rand.NewPCG(uint64(round), 2)))
				h := &history{}
				fail := func(err error) { t.Error(err) }
				whole := 2 * (mix.lookers*mix.looks + 2*mix.acts) // ticks
				const leaves = 0                                  // the looker who is deactivated
				meNow, otherNow := mix.lookers, mix.lookers+1
				var wait sync.WaitGroup
				for i, v := range lookers {
					wait.Go(func() {
						for range mix.looks {
							h.lookOver(i, c, v, fail)
						}
					})
				}
				wait.Go(func() {
					for n := range mix.acts {
						what := []ask{askGrant, askWithdraw}[n%2]
						h.acts(meNow, what, fail, func() error { return c.says(me, what == askGrant) })
						if n == mix.acts/2 {
							h.acts(otherNow, askLeave, fail, func() error { return c.rotate(me) })
							h.ownOver(otherNow, c, other, fail)
						}
					}
				})
				wait.Go(func() {
					for range mix.acts {
						h.ownOver(otherNow, c, other, fail)
					}
				})
				wait.Go(func() {
					h.until(whole / 3)
					h.acts(leaves, askLeave, fail, func() error { return c.deactivate(ids[leaves], c.boss) })
					h.lookOver(leaves, c, lookers[leaves], fail)
				})
				wait.Wait()
				c.host.calm()
				answers := h.explained(t)
				t.Logf("%d shown, %d not shared, %d no access", answers[shown], answers[notShared], answers[notActive])
				if answers[shown] == 0 || answers[notShared] == 0 || answers[notActive] == 0 {
					t.Error("nothing was tried by this")
				}
				c.settle()
				c.recorded(h, ids, leaves)
				c.inOrder()
			})
		}
	}
}

// recorded holds what was shown against what is on record: each who looks has an event for each answer, and only one who lost
// access meanwhile may have one without.
func (c *clinic) recorded(h *history, ids []domain.ID, left int) {
	c.t.Helper()
	made := map[domain.ID]int{}
	head, err := c.sys.store.Head(context.Background())
	c.must(err)
	c.must(c.sys.ledger.Upto(context.Background(), head, false, func(f *eventschema.Fact) error {
		if b, ok := f.Body.(client.LookedUp); ok && b.Grant != 0 {
			made[f.Act.Actor]++
		}
		return nil
	}))
	for i, id := range ids {
		answered := 0
		for _, op := range h.ops {
			if op.Input == (act{i, askLook}) && op.Output == shown {
				answered++
			}
		}
		if made[id] < answered || made[id] > answered && i != left {
			c.t.Errorf("%d was shown something %d times, and %d look-ups are on record", i, answered, made[id])
		}
	}
}

// A turnstile is a store that lets something happen once, between two reads: behind the first read of a stream of the kind
// that follows upon an append to a client's.
type turnstile struct {
	ledger.Store
	mu        sync.Mutex
	kind      eventschema.Category
	appended  bool
	meanwhile func()
}

func (s *turnstile) between(kind eventschema.Category, meanwhile func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kind, s.appended, s.meanwhile = kind, false, meanwhile
}

func (s *turnstile) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	p, err := s.Store.Append(ctx, stream, after, records...)
	if kind, _, _ := eventschema.Split(stream); kind == eventschema.ClientStream {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.appended = true
	}
	return p, err
}

func (s *turnstile) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range s.Store.Stream(ctx, stream, from) {
			if !yield(r, err) {
				return
			}
		}
		if do := s.pass(stream); do != nil {
			do()
		}
	}
}

func (s *turnstile) pass(stream string) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind, _, _ := eventschema.Split(stream); kind != s.kind || !s.appended {
		return nil
	}
	do := s.meanwhile
	s.meanwhile = nil
	return do
}

// What happens while a request is under way, at the worst moment: the look-up is recorded, the standing has been read once more,
// and the answer has not left.
func TestUnderWayOverHTTP(t *testing.T) {
	c := newClinic(t, 1, onDisk)
	store := &turnstile{Store: c.sys.store}
	second := c.another(store)
	id, pro := c.pro("Per", second)
	me, mine := c.session(c.first, c.code), c.session(second, c.code)
	c.must(me.ask("POST", "/answers", c.key(), api.Answer{Task: "first", Text: ownWords}, nil))
	c.must(c.says(me, true))
	c.settle()
	meanwhile := func(kind eventschema.Category, do func() error) func() bool {
		happened := false
		store.between(kind, func() {
			happened = true
			if err := do(); err != nil {
				t.Error(err)
			}
		})
		return func() bool { return happened }
	}

	t.Run("a look-up is not answered from memory", func(t *testing.T) {
		key := c.key()
		if a, err := c.look(pro, key); err != nil || a.status != http.StatusOK {
			t.Fatal(a, err)
		}
		c.must(c.says(me, false))
		if a, err := c.look(pro, key); err != nil || a.code != client.NotShared {
			t.Errorf("a look-up was repeated behind the withdrawal: %v, %v", a, err)
		}
		c.must(c.says(me, true))
	})
	t.Run("a session that changes the code goes on", func(t *testing.T) {
		happened := meanwhile(eventschema.ClientStream, func() error { return c.rotate(mine) })
		a, err := mine.call("GET", api.Prefix+"/own-data", "", nil)
		if !happened() || err != nil || a.status != http.StatusOK {
			t.Errorf("the other request of the session: %v, %v", a, err)
		}
		if err := mine.ask("GET", "/sharing", "", nil, nil); err != nil {
			t.Error(err)
		}
		if a, err := me.call("GET", api.Prefix+"/sharing", "", nil); err != nil || a.status != http.StatusUnauthorized {
			t.Errorf("the client's other session: %v, %v", a, err)
		}
	})
	t.Run("a session whose code is changed is shown nothing", func(t *testing.T) {
		_, code := c.newClient()
		one, two := c.session(c.first, code), c.session(second, code)
		c.must(one.ask("POST", "/answers", c.key(), api.Answer{Task: "first", Text: ownWords}, nil))
		c.settle()
		happened := meanwhile(eventschema.ClientStream, func() error { return c.rotate(one) })
		a, err := two.call("GET", api.Prefix+"/own-data", "", nil)
		if !happened() || err != nil || a.status != http.StatusUnauthorized {
			t.Errorf("the client's own data went to a session that had ended: %v, %v", a, err)
		}
	})
	t.Run("a deactivated professional is shown nothing", func(t *testing.T) {
		happened := meanwhile(eventschema.OrganisationStream, func() error { return c.deactivate(id, c.boss) })
		a, err := c.look(pro, c.key())
		if !happened() || err != nil || a.status != http.StatusUnauthorized {
			t.Errorf("a look-up under way when its reader was deactivated: %v, %v", a, err)
		}
	})
	c.settle()
	c.inOrder()
}

// A key belongs to a caller: of two clients who come with the same one, each has done what it came for; a client who comes with
// it a second time, in another session, has not done it twice.
func TestKeysOverHTTP(t *testing.T) {
	c := newClinic(t, 1, onDisk)
	_, hers := c.newClient()
	key := c.key()
	asked := map[domain.ID]int{}
	for _, v := range []*visitor{c.session(c.first, c.code), c.session(c.first, c.code), c.session(c.first, hers)} {
		for range 2 {
			var out api.Requested
			c.must(v.ask("POST", "/answers", key, api.Answer{Task: "first", Text: ownWords}, nil))
			c.must(v.ask("POST", "/corrections", key, api.AskCorrection{Text: "a wrong answer"}, &out))
			asked[out.Request]++
		}
	}
	_, pro := c.pro("Per", c.first)
	var one, two api.Noted
	note := api.WriteNote{Text: "a note"}
	key = c.key()
	path := "/clients/" + c.handle.String() + "/notes"
	c.must(c.boss.ask("POST", path, key, note, &one))
	c.must(pro.ask("POST", path, key, note, &two))
	c.settle()
	answered, noted := map[domain.ID]int{}, map[domain.ID]int{}
	head, err := c.sys.store.Head(t.Context())
	c.must(err)
	c.must(c.sys.ledger.Upto(t.Context(), head, true, func(f *eventschema.Fact) error {
		switch b := f.Body.(type) {
		case journal.Answered:
			answered[f.Subject]++
		case journal.CorrectionAsked:
			asked[b.Request] += 10
		case journal.NoteWritten:
			noted[b.Note]++
		}
		return nil
	}))
	if len(answered) != 2 || slices.Max(slices.Collect(maps.Values(answered))) != 1 {
		t.Errorf("two clients answered once each; on record: %v", answered)
	}
	if !slices.Equal(slices.Sorted(maps.Values(asked)), []int{12, 14}) {
		t.Errorf("two clients asked for a correction once each, and were told so six times; told, and ten for each on record: %v", asked)
	}
	if len(noted) != 2 || noted[one.Note] != 1 || noted[two.Note] != 1 {
		t.Errorf("two professionals wrote %v and %v; on record: %v", one, two, noted)
	}
	c.inOrder()
}
