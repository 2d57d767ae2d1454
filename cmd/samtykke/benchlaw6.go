package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/signin"
	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// alike is the least chance, of times as different as those measured coming of answers that take equally long, at which the
// answers count as not told apart. It holds for all pairs of a section together.
const alike = 0.01

// lawSix measures whether the time of a refusal tells why it was refused: of a look-up, of a client's code, of a password.
func (b *bench) lawSix() error {
	b.said = append(b.said,
		"Law 6: one caller over TCP on this machine, the kinds of request in random order; timed from the first byte sent to the last one read.",
		fmt.Sprintf("%d handles and codes of each kind, so that the processor's caches forget each one before it comes again.", b.strangers),
		"The disk's syncs are put off: they would take as long for every kind, and what differs would be harder to see. Limits on attempts are off.",
		"The figure is the chance that times as different come of answers that take equally long: two-sided Mann-Whitney test, multiplied by the number of pairs (Bonferroni).",
		"Seen from: by how much the times of the first kind would have to be longer for this test to find it.",
	)
	return b.lazily(func() error {
		s, err := b.newStrangers()
		if err != nil {
			return err
		}
		for _, g := range s.guesses {
			b.note("law6, " + g.section)
			if err := b.tell(s.wire, g); err != nil {
				return err
			}
		}
		return errors.Join(s.wire.conn.Close(), s.end(), s.people.sys.close())
	})
}

// A guess is requests of several kinds that are to be answered alike.
type guess struct {
	section string
	status  int
	calls   int
	kinds   []kindOfGuess
}

type kindOfGuess struct {
	what  string
	posts []post
}

// strangers are clients, handles and codes that are not there for the one who asks.
type strangers struct {
	people  *populace
	guesses []guess
	wire    *wire
	end     func() error
}

// newStrangers makes two organisations. The clients of the first came long ago and never since; those of the second share, and
// have replaced their codes. Somebody of the first asks.
func (b *bench) newStrangers() (*strangers, error) {
	n := b.strangers
	p, err := b.populate("law6", 2*n, n)
	if err != nil {
		return nil, err
	}
	p.sys.start()
	var idle, replaced, unknown []signin.Code
	for _, c := range p.people[:n] {
		r, err := p.sys.desk.RegisterClient(b.ctx, c.org.staff[0])
		if err != nil {
			return nil, err
		}
		c.id, c.handle, idle = r.Client, r.Handle, append(idle, r.Code)
	}
	p.clock.set(p.clock.now().Add(400 * 24 * time.Hour)) // longer than a code lasts that nobody uses
	if err := p.sys.settle(b.ctx); err != nil {
		return nil, err
	}
	if _, recorded, err := p.sys.desk.Tick(b.ctx); err != nil || recorded != n {
		return nil, errors.Join(err, fmt.Errorf("%d of %d clients were deactivated", recorded, n))
	}
	for _, c := range p.people[n:] {
		old, err := p.replaceCode(b.ctx, c)
		if err != nil {
			return nil, err
		}
		replaced = append(replaced, old)
	}
	for range n {
		code, err := p.sys.desk.NewCode()
		if err != nil {
			return nil, err
		}
		unknown = append(unknown, code)
	}
	by := p.people[0].org.staff[0]
	if err := p.sys.enrol(b.ctx, by, "kari@example.org"); err != nil {
		return nil, err
	}
	service := p.sys.service(false)
	service.Limits = signin.NewLimits(nil, nil)
	token, err := p.staffSession(b.ctx, service, by)
	if err != nil {
		return nil, err
	}
	if err := p.sys.settle(b.ctx); err != nil {
		return nil, err
	}
	s := &strangers{people: p}
	look := func(what string, handle func(i int) domain.ID) kindOfGuess {
		return kindOfGuess{what, posts(n, func(i int) post {
			return newPost("/clients/"+handle(i).String()+"/look-ups", token, api.LookUp{Purpose: client.Appointment, Kinds: benchKinds})
		})}
	}
	code := func(what string, codes []signin.Code) kindOfGuess {
		return kindOfGuess{what, posts(n, func(i int) post {
			return newPost("/session/code", "", api.SignInByCode{Code: codes[i].Slip(), Channel: journal.App})
		})}
	}
	password := func(what string, login string) kindOfGuess {
		return kindOfGuess{what, posts(1, func(int) post {
			return newPost("/session/password", "", api.SignInByPassword{Login: login, Password: "this is not the password", OneTime: "123456", Channel: "app"})
		})}
	}
	s.guesses = []guess{
		{"a look-up", http.StatusNotFound, b.calls, []kindOfGuess{
			look("another organisation's client", func(i int) domain.ID { return p.people[n+i].handle }),
			look("a deactivated client", func(i int) domain.ID { return p.people[i].handle }),
			look("a handle that never was", func(int) domain.ID { return randomID() }),
		}},
		{"a client's code", http.StatusUnauthorized, b.calls, []kindOfGuess{
			code("a replaced code", replaced),
			code("a deactivated client's code", idle),
			code("a code that never was", unknown),
		}},
		{"a password", http.StatusUnauthorized, b.passwords, []kindOfGuess{
			password("a wrong password", "kari-"+by.Actor.String()),
			password("a login that never was", "kari-"+randomID().String()),
		}},
	}
	var at string
	if at, s.end, err = b.serve(site(service, nil, nil)); err == nil {
		s.wire, err = dial(at)
	}
	return s, err
}

// replaceCode makes a client who shares and has a new code, and gives the old one.
func (p *populace) replaceCode(ctx context.Context, c *benchClient) (signin.Code, error) {
	r, err := p.sys.desk.RegisterClient(ctx, c.org.staff[0])
	if err != nil {
		return r.Code, err
	}
	c.id, c.handle = r.Client, r.Handle
	by := desk.CallerOf(&signin.Session{ID: c.handle, Actor: c.id, Role: domain.RoleClient})
	if _, err := p.sys.desk.Clients.Do(ctx, c.id, by, client.Grant{Occasion: client.FirstQuestion}); err != nil {
		return r.Code, err
	}
	next, err := p.sys.desk.NewCode()
	if err != nil {
		return r.Code, err
	}
	return r.Code, p.sys.desk.RotateCode(ctx, by, r.Code, next)
}

func posts(n int, make func(i int) post) []post {
	all := []post{}
	for i := range n {
		all = append(all, make(i))
	}
	return all
}

func randomID() (id domain.ID) {
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// tell times the kinds of a guess, and adds a line for each pair.
func (b *bench) tell(w *wire, g guess) error {
	took, err := b.time(w, g)
	if err != nil {
		return err
	}
	pairs := len(g.kinds) * (len(g.kinds) - 1) / 2
	for i, one := range g.kinds {
		for j, other := range g.kinds[:i] {
			longer, p := mannWhitney(took[j], took[i])
			b.add(benchLine{
				Section: "telling who is not there by the time of " + g.section, What: other.what + ", or " + one.what,
				Figure: min(1, p*float64(pairs)), Unit: chance,
				Note: fmt.Sprintf("medians %.4g and %.4g µs; the first longer in %.2f %% of pairs; %s and %s calls; seen from %s",
					1e6*median(took[j]), 1e6*median(took[i]), 100*longer, grouped(float64(len(took[j]))), grouped(float64(len(took[i]))),
					seconds.show(seenFrom(took[j], took[i], alike/float64(pairs)))),
			}, &aim{least: alike})
		}
	}
	return nil
}

// time sends the requests of a guess in random order, and gives the seconds of each, by kind. It fails where the answers differ
// in anything but the time.
func (b *bench) time(w *wire, g guess) ([][]float64, error) {
	took := make([][]float64, len(g.kinds))
	length := -1
	for n := range g.calls {
		k := rand.IntN(len(g.kinds))
		p := &g.kinds[k].posts[rand.IntN(len(g.kinds[k].posts))]
		request := p.again()
		begun := time.Now()
		status, body, err := w.ask(request)
		lasted := time.Since(begun)
		if err != nil {
			return nil, err
		}
		if status != g.status || length >= 0 && length != len(body) {
			return nil, fmt.Errorf("%s was answered %d, in %d bytes: %s", g.kinds[k].what, status, len(body), body)
		}
		length = len(body)
		if n%1024 == 0 && b.ctx.Err() != nil {
			return nil, b.ctx.Err()
		}
		took[k] = append(took[k], lasted.Seconds())
	}
	return took, nil
}

// mannWhitney compares two samples by the ranks of their values: in what part of all pairs that of a is the greater (ties count
// half), and the chance of a part as far from a half if both came of one distribution; two-sided, by the normal approximation
// with a correction for ties and for continuity (H. B. Mann, D. R. Whitney, Annals of Mathematical Statistics 18, 1947).
func mannWhitney(a, b []float64) (greater, p float64) {
	type value struct {
		of    float64
		fromA bool
	}
	var all []value
	for _, v := range a {
		all = append(all, value{v, true})
	}
	for _, v := range b {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(x, y value) int { return cmp.Compare(x.of, y.of) })
	ranks, ties := 0.0, 0.0 // ranks of a, summed; sum of t³-t over groups of t equal values
	for i := 0; i < len(all); {
		j, ofA := i, 0
		for ; j < len(all) && all[j].of == all[i].of; j++ {
			if all[j].fromA {
				ofA++
			}
		}
		t := float64(j - i)
		ranks += float64(ofA) * (float64(i+j+1) / 2) // of i+1 to j the middle
		ties += t*t*t - t
		i = j
	}
	n, m := float64(len(a)), float64(len(b))
	u := ranks - n*(n+1)/2
	spread := math.Sqrt(n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1))))
	if spread == 0 || math.IsNaN(spread) {
		return 0.5, 1
	}
	z := max(0, math.Abs(u-n*m/2)-0.5) / spread
	return u / (n * m), math.Erfc(z / math.Sqrt2)
}

// seenFrom is by how many seconds the values of a would have to be longer than they would be by chance for mannWhitney to tell
// them from those of b below the level, found by halving: a, less how much it is longer by itself, and then so much more.
func seenFrom(a, b []float64, level float64) float64 {
	shifted := func(by float64) (float64, float64) {
		s := slices.Clone(a)
		for i := range s {
			s[i] += by
		}
		return mannWhitney(s, b)
	}
	wide := max(median(a), median(b))
	even := halve(-wide, wide, func(by float64) bool { g, _ := shifted(by); return g >= 0.5 })
	return halve(0, wide, func(by float64) bool { _, p := shifted(even + by); return p < level })
}

// halve finds from where on something holds.
func halve(low, high float64, holds func(float64) bool) float64 {
	for range 24 {
		if middle := (low + high) / 2; holds(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
