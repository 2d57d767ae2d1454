package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/relay"
	"samtykke/adapters/signin"
	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// A patron is somebody with one session, who asks whichever instance comes first and, where that does not answer, another one.
type patron struct {
	c    *county
	v    *visitor
	draw *rand.Rand
}

// once asks one instance, drawn.
func (p *patron) once(method, path, key string, in any) (came, error) {
	p.c.passes()
	v := *p.v
	v.base = base(p.draw.IntN(len(p.c.live)))
	return v.call(method, api.Prefix+path, key, in)
}

// give gives a command under one key until it is answered, and sometimes once more when it was: then it is answered the same.
func (p *patron) give(path string, in any) []byte {
	key := fmt.Sprintf("key-of-a-command-%d", p.c.keys.Add(1))
	a := p.answered(path, key, in)
	for !p.c.t.Failed() && p.draw.IntN(4) == 0 {
		if again := p.answered(path, key, in); !bytes.Equal(a.body, again.body) {
			p.c.t.Errorf("%s was answered by %s, and repeated by %s", path, a.body, again.body)
		}
		p.c.repeated.Add(1)
	}
	return a.body
}

// atMost is how long all instances together may keep a patron waiting: far longer than trouble lasts.
const atMost = 2 * time.Minute

func (p *patron) answered(path, key string, in any) came {
	begun := time.Now()
	for tries := 1; !p.c.t.Failed(); tries++ {
		a, err := p.once("POST", path, key, in)
		switch {
		case err == nil && a.status < 300:
			return a
		case err == nil && a.status != http.StatusServiceUnavailable:
			p.c.t.Errorf("%s: %v: %s", path, a, a.body)
		case time.Since(begun) > atMost:
			p.c.t.Errorf("%s was tried %d times in %v, the last time with %v, %v: %s", path, tries, time.Since(begun), a, err, a.body)
		}
		p.c.unanswered.Add(1)
	}
	return came{}
}

// A citizen is a client of the organisation, with what it was promised.
type citizen struct {
	patron
	name, code string
	handle     domain.ID
	entered    []string // texts
	said       []bool   // yes or no, about sharing
	shares     bool
	acts       *history
}

func (z *citizen) enter() {
	text := fmt.Sprintf("%s says %d", z.name, len(z.entered))
	z.give("/answers", api.Answer{Task: "a task", Text: text})
	z.entered = append(z.entered, text)
}

func (z *citizen) say() {
	yes, what := !z.shares, askWithdraw
	if yes {
		what = askGrant
	}
	z.acts.record(0, what, func() (reply, bool) {
		z.give("/sharing", shares(yes, z.c.now()))
		return did, true
	})
	z.said, z.shares = append(z.said, yes), yes
}

// An official is a member of staff, with what was promised.
type official struct {
	patron
	number        int
	account       domain.ID
	noted, posted []string
}

func (o *official) look(z *citizen) {
	z.acts.record(o.number, askLook, func() (reply, bool) {
		v := *o.v
		at := o.draw.IntN(len(o.c.live))
		i := o.c.instance(at)
		v.base = base(at)
		o.c.passes()
		off := i != nil && i.isOff()
		a, err := v.call("POST", api.Prefix+"/clients/"+z.handle.String()+"/look-ups", "", api.LookUp{
			Purpose: client.Appointment, Kinds: []client.Kind{client.Answers},
		})
		switch {
		case err != nil || a.status == http.StatusServiceUnavailable:
			return 0, false
		case a.status == http.StatusOK:
			if off && i == o.c.instance(at) && i.isOff() {
				o.c.t.Errorf("an instance whose clock is off has shown something")
			}
			o.c.shown.Add(1)
			return shown, true
		case a.code == client.NotShared:
			return notShared, true
		}
		o.c.t.Errorf("a look-up: %v: %s", a, a.body)
		return 0, false
	})
}

func (i *instance) isOff() bool { return time.Duration(i.skew.Load()).Abs() > mostSkew }

func (o *official) note(z *citizen) {
	text := fmt.Sprintf("note %d of %d", len(o.noted), o.number)
	o.give("/clients/"+z.handle.String()+"/notes", api.WriteNote{Text: text})
	o.noted = append(o.noted, text)
}

func (o *official) post(z *citizen) {
	content := fmt.Sprintf("content %d of %d", len(o.posted), o.number)
	o.give("/clients/"+z.handle.String()+"/content", api.Send{Content: content})
	o.posted = append(o.posted, content)
}

// A county is a cluster with those who use it.
type county struct {
	*cluster
	*clinic
	t         *testing.T
	draw      *rand.Rand
	citizens  []*citizen
	officials []*official

	keys, passed, shown, repeated, unanswered atomic.Int64

	troubles sync.Map // what happens when so many requests have passed
}

func newCounty(t *testing.T, seed uint64, events string) *county {
	c := &county{cluster: newCluster(t, seed, 3, events), t: t, draw: rand.New(rand.NewPCG(seed, 2))}
	c.clinic = &clinic{rig: &rig{t: t, w: world{clock: c.cluster.now}, at: c.cluster.at, random: c.cluster.random}}
	c.gather()
	c.must(c.found())
	boss := &official{patron: c.patron("10.1.0.1"), number: 1, account: c.rig.boss.Actor}
	c.signInStaff(boss, "Sara")
	c.clinic.boss = boss.v
	var added api.Added
	c.must(c.clinic.boss.ask("POST", "/professionals", c.key(), api.AddProfessional{Details: api.Details(details("Per"))}, &added))
	c.officials = []*official{boss, {patron: c.patron("10.1.0.2"), number: 2, account: added.Professional}}
	for n := range 3 {
		z := &citizen{patron: c.patron(fmt.Sprintf("10.2.0.%d", n+1)), name: fmt.Sprint("citizen ", n)}
		z.handle, z.code = c.newClient()
		c.citizens = append(c.citizens, z)
	}
	return c
}

func (c *county) now() time.Time { return c.cluster.now() }

func (c *county) patron(from string) patron {
	v := &visitor{http: &http.Client{Transport: seat{c.cluster, from}}, base: base(0)}
	return patron{c: c, v: v, draw: rand.New(rand.NewPCG(c.draw.Uint64(), 3))}
}

// gather has those who sign in wait for the views of all who are there.
func (c *county) gather() {
	c.clinic.desks = nil
	for _, i := range c.live {
		c.clinic.rig.sys = i.system
		c.clinic.desks = append(c.clinic.desks, i.desk)
	}
}

func (c *county) signInStaff(o *official, name string) {
	c.t.Helper()
	c.settle()
	i, err := c.sys.desk.Invite(c.t.Context(), employee, o.account)
	c.must(err)
	v := *o.v
	v.token = ""
	o.v = c.accept(api.Invitation{Invitation: i.Code.Slip(), Confirmation: i.Confirmation}, name, &v)
}

// passes counts a request, lets a moment pass, and brings about what is to happen at that count.
func (c *county) passes() {
	c.cluster.at.Add(int64(50 * time.Millisecond))
	if trouble, there := c.troubles.LoadAndDelete(c.passed.Add(1)); there {
		trouble.(func())()
	}
}

// trouble plans what befalls the instances in the next so many requests: one dies, and another one starts in its place; one is cut off,
// and reached again; clocks go apart, by seconds and by minutes.
func (c *county) trouble(requests int) {
	at := func(from, to int, do func()) {
		count := c.passed.Load() + int64(requests*from/100+c.draw.IntN(max(1, requests*(to-from)/100)))
		for taken := true; taken; count++ {
			_, taken = c.troubles.LoadOrStore(count, do)
		}
	}
	who := c.draw.Perm(len(c.live))
	seconds := time.Duration(c.draw.IntN(3000)-1500) * time.Millisecond
	minutes := time.Duration(c.draw.IntN(2)*2-1) * time.Duration(1+c.draw.IntN(9)) * time.Minute
	at(0, 10, func() { c.skew(who[0], seconds); c.skew(who[1], minutes) })
	at(10, 30, func() { c.live[who[1]].wire.cut(true) })
	at(31, 50, func() { c.live[who[1]].wire.cut(false) })
	at(35, 55, func() { c.kill(who[2]) })
	at(60, 70, func() { c.start(who[2]) })
	at(70, 80, func() { c.skew(who[1], 0) })
	at(80, 90, func() { c.live[who[0]].wire.cut(true); c.live[who[0]].wire.cut(false) })
}

func (c *county) skew(at int, by time.Duration) {
	if i := c.instance(at); i != nil {
		i.skew.Store(int64(by))
		_ = i.desk.Door.Halted() // which compares the clocks
	}
}

// calm ends all trouble, also that which did not come yet.
func (c *county) calm() {
	c.troubles.Clear()
	for n := range c.live {
		if c.instance(n) == nil {
			c.start(n)
		}
		c.skew(n, 0)
		c.live[n].wire.cut(false)
	}
	c.gather()
}

// act lets everybody act at once, each so often.
func (c *county) act(times int) {
	c.hurried.Store(true)
	defer c.hurried.Store(false)
	c.trouble(times * (len(c.citizens) + len(c.officials)))
	var all sync.WaitGroup
	for _, z := range c.citizens {
		all.Go(func() {
			for range times {
				if z.draw.IntN(2) == 0 {
					z.say()
				} else {
					z.enter()
				}
			}
		})
	}
	for _, o := range c.officials {
		all.Go(func() {
			for range times {
				z := c.citizens[o.draw.IntN(len(c.citizens))]
				switch o.draw.IntN(6) {
				case 0:
					o.note(z)
				case 1:
					o.post(z)
				default:
					o.look(z)
				}
			}
		})
	}
	all.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// morning has everybody sign in, at any instance, and each client say something: from there on it is known who shares.
func (c *county) morning() {
	for n, o := range c.officials {
		o.v.base = base(c.draw.IntN(len(c.live)))
		c.signInStaff(o, []string{"Sara", "Per"}[n])
	}
	for _, z := range c.citizens {
		z.v.base = base(c.draw.IntN(len(c.live)))
		z.v.token = ""
		z.v = c.session(z.v, z.code)
		z.shares = z.shares && !c.hasLapsed(z)
		z.acts = &history{}
		z.say()
	}
}

// hasLapsed tells whether a client's yes has, in the time that has passed since.
func (c *county) hasLapsed(z *citizen) bool {
	h, _, err := c.sys.keeper.Handles.Get(c.t.Context(), z.handle)
	c.must(err)
	s, _, err := c.sys.desk.Clients.State(c.t.Context(), h.Client)
	c.must(err)
	return s.Status != client.Shared
}

// until asks until something is so, for a minute at most.
func (c *county) until(what string, so func() bool) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !so(); {
		if time.Now().After(end) {
			c.t.Fatalf("it takes too long until %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// evening sees that what time has brought is on record, and that the answers of the day agree.
func (c *county) evening() {
	c.t.Helper()
	c.calm()
	if !slices.ContainsFunc(c.citizens, func(z *citizen) bool { return z.shares }) {
		c.citizens[0].say() // or time would bring nothing
	}
	c.settle()
	for _, z := range c.citizens {
		z.acts.explained(c.t)
	}
	c.repeatsAnywhere()
	c.repeatsAtOnce()
	c.signsOutEverywhere()
	c.cluster.at.Add(int64(time.Duration([]int{160, 190}[c.draw.IntN(2)]) * 24 * time.Hour))
	today := domain.DateOf(c.now())
	c.until("time has passed for everybody", func() bool {
		c.settle()
		return !slices.ContainsFunc(c.live, func(i *instance) bool {
			due, err := i.keeper.Due.DueBy(c.t.Context(), today)
			c.must(err)
			idle, err := i.keeper.Idle.DueBy(c.t.Context(), today)
			c.must(err)
			return len(due)+len(idle) > 0
		})
	})
}

// repeatsAnywhere: a command that is repeated at another instance is answered as before, also where its answer was drawn, and done once;
// the same key with another content is refused.
func (c *county) repeatsAnywhere() {
	c.t.Helper()
	v, key, other := *c.officials[0].v, c.key(), c.key()
	var first api.Slip
	for n := range c.live {
		v.base = base(n)
		var slip api.Slip
		c.must(v.ask("POST", "/clients", key, nil, &slip))
		if n == 0 {
			first = slip
		}
		if slip != first {
			c.t.Error("a new client's slip is another one at another instance")
		}
		note := api.WriteNote{Text: fmt.Sprint("what instance ", n, " was given, day ", c.cluster.now().Unix())}
		a, err := v.call("POST", api.Prefix+"/clients/"+c.citizens[0].handle.String()+"/notes", other, note)
		c.must(err)
		if (n == 0) != (a.status == http.StatusOK) || n > 0 && a.code != api.KeyReused {
			c.t.Errorf("a key with another content: %v", a)
		}
	}
}

// repeatsAtOnce: a command that all instances are given at the same moment is done once, also where its answer is drawn.
func (c *county) repeatsAtOnce() {
	c.t.Helper()
	slips := make([]api.Slip, len(c.live))
	key := c.key()
	var given sync.WaitGroup
	for n := range c.live {
		v := *c.officials[0].v
		v.base = base(n)
		given.Go(func() {
			if err := v.ask("POST", "/clients", key, nil, &slips[n]); err != nil {
				c.t.Errorf("instance %d: %v", n, err)
			}
		})
	}
	given.Wait()
	if len(slices.Compact(slips)) != 1 {
		c.t.Error("of a command that all were given at once, there is more than one answer")
	}
}

// signsOutEverywhere: who signs out at one instance is signed out at all.
func (c *county) signsOutEverywhere() {
	c.t.Helper()
	v := *c.citizens[c.draw.IntN(len(c.citizens))].v
	at := c.draw.IntN(len(c.live))
	v.base = base(at)
	if a, err := v.call("DELETE", api.Prefix+"/session", "", nil); err != nil || a.status != http.StatusNoContent {
		c.t.Errorf("signing out: %v, %v", a, err)
	}
	for n := range c.live {
		v.base = base(n)
		if a, err := v.call("GET", api.Prefix+"/session", "", nil); err != nil || a.status != http.StatusUnauthorized {
			c.t.Errorf("signed out at %d, and at %d: %v, %v", at, n, a, err)
		}
	}
}

// attemptsCount: attempts at all instances together are within the limits of one.
func (c *county) attemptsCount() {
	c.t.Helper()
	p := c.patron("10.9.0.1")
	tried := 0
	for n := range 30 {
		v := *p.v
		v.base = base(n % len(c.live))
		c.skew(n%len(c.live), time.Duration(n%2)*time.Second)
		code, err := signin.NewCode(c.cluster.random) // that nobody was given
		c.must(err)
		a, err := v.call("POST", api.Prefix+"/session/code", "", api.SignInByCode{Code: code.Slip(), Channel: journal.App})
		c.must(err)
		if a.status == http.StatusTooManyRequests {
			break
		}
		tried++
	}
	if tried != 10 && tried != 11 { // a second is a sixth of another one
		c.t.Errorf("%d attempts from one address in a moment", tried)
	}
	c.calm()
}

// whole checks, when all is over, everything that must hold.
func (c *county) whole() {
	c.t.Helper()
	ctx := context.Background()
	c.settle()
	entered, asked, lapsed := map[string]int{}, 0, 0
	answers := map[domain.ID][]bool{}
	handles := map[domain.ID]domain.ID{}
	type period struct {
		of    domain.ID
		grant uint64
	}
	questions, lapses := map[period]int{}, map[period]int{}
	records := ledgertest.Check(lastingT{c.t}, c.sys.store)
	for n := range records {
		f, err := c.sys.ledger.Decode(ctx, &records[n])
		c.must(err)
		switch b := f.Body.(type) {
		case journal.Answered:
			entered[b.Text]++
		case journal.NoteWritten:
			entered[b.Text]++
		case journal.ContentSent:
			entered[b.Content]++
		case client.Registered:
			handles[b.Handle] = f.Subject
		case client.Granted:
			answers[f.Subject] = append(answers[f.Subject], true)
		case client.Declined, client.Withdrawn:
			answers[f.Subject] = append(answers[f.Subject], false)
		case client.FollowUpAsked:
			questions[period{f.Subject, b.Grant}]++
			asked++
		case client.Lapsed:
			lapses[period{f.Subject, b.Grant}]++
			lapsed++
		}
	}
	if len(questions) != asked || len(lapses) != lapsed || asked == 0 {
		c.t.Errorf("%d questions in %d periods, %d lapses in %d", asked, len(questions), lapsed, len(lapses))
	}
	once := func(texts []string) {
		for _, text := range texts {
			if entered[text] != 1 {
				c.t.Errorf("%q was promised once, and stands %d times", text, entered[text])
			}
		}
	}
	for _, z := range c.citizens {
		once(z.entered)
		if got := answers[handles[z.handle]]; !slices.Equal(got, z.said) {
			c.t.Errorf("%s said %v, and what stands is %v", z.name, z.said, got)
		}
	}
	for _, o := range c.officials {
		once(o.noted)
		once(o.posted)
	}
	c.messages()
	for n, i := range c.live {
		v, err := i.verify(ctx, func(uint64, uint64) {})
		if err != nil || len(v.Problems) > 0 {
			c.t.Errorf("instance %d verifies: %v, %v", n, v.Problems, err)
		}
		if p := i.failed.Load(); p != nil {
			c.t.Errorf("instance %d would have ended: %v", n, *p)
		}
		if err := i.halt(); err != nil && !outOfReach(err) { // a signer that was cut off tries again in a while
			c.t.Errorf("instance %d: %v", n, err)
		}
		diffs, err := i.keeper.Differences(ctx)
		if err != nil || len(diffs) > 0 {
			c.t.Errorf("the views of instance %d differ from a rebuild: %v, %v", n, diffs, err)
		}
	}
	c.t.Logf("%d events, %d requests, %d without an answer, %d repeated, %d look-ups shown, %d questions, %d lapses, %d turns of the lease",
		len(records), c.passed.Load(), c.unanswered.Load(), c.repeated.Load(), c.shown.Load(), asked, lapsed, c.turns())
}

// turns is how often the lease was taken.
func (c *county) turns() (most uint64) {
	for _, i := range c.all {
		most = max(most, i.shared.lease.Epoch())
	}
	return most
}

// afresh is a cursor of a relay that begins at the first event.
type afresh struct{}

func (afresh) Load(context.Context) (relay.Place, bool, error) { return relay.Place{}, true, nil }
func (afresh) Save(context.Context, relay.Place) error         { return nil }

// messages checks that what was sent, each where it came first, is what one relay sends that nothing befalls.
func (c *county) messages() {
	c.t.Helper()
	head, err := c.sys.store.Head(c.t.Context())
	c.must(err)
	key, err := signin.LoadHashKey(c.sys.disk, relayKey, nil)
	c.must(err)
	var want outbox
	var at atomic.Uint64
	r := &relay.Relay{Store: passed{c.sys.store, &at}, Cursor: afresh{}, Publisher: noting{nil, &want}, Key: key.Keyed("messages")}
	ctx, stop := context.WithCancel(c.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	c.until("a relay has passed over everything", func() bool { return at.Load() >= head })
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		c.t.Error(err)
	}
	expected, _ := want.firsts()
	expected[relay.NoticeTopic] = stillDue(expected[relay.NoticeTopic])
	c.until("all messages were sent", func() bool {
		first, _ := c.sent.firsts()
		for topic, all := range expected {
			for _, m := range all {
				if !slices.Contains(first[topic], m) {
					return false
				}
			}
		}
		return true
	})
	first, again := c.sent.firsts()
	for topic, all := range expected {
		if topic != relay.NoticeTopic && !slices.Equal(first[topic], all) { // a question that was answered by now is told no more
			c.t.Errorf("%s: %d messages, expected %d, or in another order", topic, len(first[topic]), len(all))
		}
	}
	c.t.Logf("%d messages of %d topics, %d of them again", len(c.sent.all), len(first), again)
}

// TestInstances has three instances serve one ledger at the same time, over HTTP, while its seed has clients share, stop sharing and
// enter, and staff look, write notes and send content, each at whichever instance comes first; while instances die and others start
// in their place, one is cut off from the databases for a while, and clocks go apart. What was promised is there, once; nothing was
// shown but under a yes; each lapse and question is on record once; each message was sent, in order but for repetitions; sessions
// and limits are those of all; and the views of all are the same, and equal a rebuild.
//
//	SAMTYKKE_SEED=17 go test -run TestInstances     one seed
//	SAMTYKKE_SEEDS=20 go test -run TestInstances    more of them
func TestInstances(t *testing.T) {
	from, to := uint64(0), uint64(1)
	if s, err := strconv.ParseUint(os.Getenv("SAMTYKKE_SEED"), 10, 64); err == nil {
		from, to = s, s+1
	} else if n, err := strconv.ParseUint(os.Getenv("SAMTYKKE_SEEDS"), 10, 64); err == nil {
		to = n
	}
	for seed := from; seed < to; seed++ {
		for engine, days := range map[string]int{"PostgreSQL": 3, "EventStoreDB": 2} {
			t.Run(fmt.Sprint(engine, " seed ", seed), func(t *testing.T) {
				t.Parallel()
				var events string
				if engine == "EventStoreDB" {
					events = esdbtest.Start(t, esdbtest.Options{}).Address()
				}
				c := newCounty(t, seed, events)
				for range days {
					c.morning()
					c.act(30)
					c.evening()
				}
				c.attemptsCount()
				c.whole()
			})
		}
	}
}
