// Package signintest holds the published suites of signin.SessionTable and signin.Buckets. What passes them may hold who is signed in,
// and count attempts, for any number of processes.
package signintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/signin"
	"samtykke/domain"
)

// A SessionPlace is where one table is. Each call opens it once more, as another process does that shares it; a table that only one
// process can have is the same each time.
type SessionPlace func(t *testing.T) signin.SessionTable

// TestSessions runs the suite. Open prepares an empty place for so many sessions, for each call another.
func TestSessions(t *testing.T, open func(t *testing.T, most int) SessionPlace) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, open func(most int) *cloakroom)
	}{
		{"a session is found by its cookie, in each process", found},
		{"a session ends by its age", ends},
		{"a request that was noted late ends a session sooner and never later", late},
		{"what a request changes is kept, and what another changed stays", keeps},
		{"a session that ended has ended in each process", endsEverywhere},
		{"all sessions of somebody end", endsAll},
		{"nobody has more than twenty", twenty},
		{"a full table ends what was seen longest ago", full},
		{"what is over is removed", forgets},
		{"a row shows ids and instants only", showsNothing},
		{"a row that was changed by others gives nobody more than the day", noMoreTime},
		{"many at once", race},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.run(t, func(most int) *cloakroom {
				place := open(t, most)
				room := &cloakroom{T: t}
				for range processes {
					room.table = append(room.table, place(t))
					room.in = append(room.in, signin.SessionsIn(room.table[len(room.table)-1], nil))
				}
				return room
			})
		})
	}
}

// processes is how many share a place.
const processes = 3

// Noon is when tests begin.
var Noon = time.Date(2026, 5, 18, 10, 0, 0, 0, time.UTC)

// A cloakroom is a place of sessions, with the processes that share it.
type cloakroom struct {
	*testing.T
	table []signin.SessionTable
	in    []*signin.Sessions
}

func id(n int) domain.ID { return domain.ID{byte(n), byte(n >> 8), 6: 0x40, 8: 0x80} }

// session is the nth, of an actor of its own.
func session(n int, r domain.Role) signin.Session {
	return signin.Session{ID: id(n), Actor: id(1000 + n), Role: r}
}

func of(actor, n int) signin.Session {
	s := session(n, domain.RoleClient)
	s.Actor = id(actor)
	return s
}

func (c *cloakroom) begin(process int, now time.Time, s signin.Session) (cookie string) {
	c.Helper()
	token, err := c.in[process].New(c.Context(), now, &s)
	if err != nil {
		c.Fatal(err)
	}
	return token.Cookie()
}

func (c *cloakroom) find(process int, cookie string, now time.Time) *signin.Session {
	c.Helper()
	s, ok, err := c.in[process].Find(c.Context(), cookie, now)
	if err != nil {
		c.Fatal(err)
	}
	if ok != (s != nil) {
		c.Error("a session is found, or it is none")
	}
	return s
}

// is checks whether a session is found, by whichever process.
func (c *cloakroom) is(want bool, cookie string, now time.Time, what string) {
	c.Helper()
	for p := range c.in {
		if got := c.find(p, cookie, now) != nil; got != want {
			c.Errorf("process %d: %v, expected %v: %s", p, got, want, what)
		}
	}
}

func (c *cloakroom) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func found(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	want := signin.Session{
		ID: id(1), Actor: id(2), Role: domain.RoleProfessional, Organisation: id(3), Channel: "web", Language: "nn", StrongAt: Noon.Add(-time.Hour),
		Code: [32]byte{4}, Pending: [32]byte{5}, Credentials: 6, Standing: 7, Position: 8,
	}
	cookie, other := c.begin(0, Noon, want), c.begin(1, Noon, session(9, domain.RoleClient))
	for p := range c.in {
		s := c.find(p, cookie, Noon.Add(time.Minute))
		if s == nil {
			t.Fatal("a session that another process began is not found")
		}
		if !s.Since.Equal(Noon) || !s.Seen.Equal(Noon.Add(time.Minute)) || !s.StrongAt.Equal(want.StrongAt) {
			t.Errorf("since %v, seen %v, strong at %v", s.Since, s.Seen, s.StrongAt)
		}
		if s.ID != want.ID || s.Actor != want.Actor || s.Role != want.Role || s.Organisation != want.Organisation || s.Channel != want.Channel ||
			s.Language != want.Language || s.Code != want.Code || s.Pending != want.Pending || s.Credentials != 6 || s.Standing != 7 || s.Position != 8 {
			t.Error("another session, or less of it")
		}
	}
	if len(cookie) != 43 || cookie == other {
		t.Errorf("a token of %d characters", len(cookie))
	}
	for _, wrong := range []string{"", "x", cookie[:42], cookie + "A", cookie + "=", strings.ToLower(cookie), " " + cookie, strings.Repeat("A", 43)} {
		c.is(false, wrong, Noon, "a cookie that is none")
	}
	for _, bad := range []signin.Session{{ID: id(1)}, {Actor: id(1)}} {
		if _, err := c.in[0].New(t.Context(), Noon, &bad); err == nil {
			t.Error("a session of nobody, or without an id")
		}
	}
	ten := session(10, domain.RoleClient)
	if _, err := signin.SessionsIn(c.table[0], bytes.NewReader(make([]byte, 31))).New(t.Context(), Noon, &ten); err == nil {
		t.Error("a token of 31 random bytes")
	}
}

// A session ends at its limit: without a request, and in the end with requests too.
func ends(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	n := 0
	for role, terms := range map[domain.Role]struct{ idle, whole time.Duration }{
		domain.RoleClient: {30 * time.Minute, 12 * time.Hour}, domain.RoleProfessional: {15 * time.Minute, 10 * time.Hour},
		domain.RoleSuperuser: {15 * time.Minute, 10 * time.Hour}, domain.RoleAuditor: {15 * time.Minute, 10 * time.Hour},
		domain.RoleEmployee: {15 * time.Minute, 10 * time.Hour},
	} {
		found := func(after ...time.Duration) bool {
			n++
			cookie := c.begin(n%processes, Noon, session(n, role))
			var s *signin.Session
			for i, d := range after {
				s = c.find(i%processes, cookie, Noon.Add(d))
			}
			return s != nil
		}
		if !found(terms.idle-1) || found(terms.idle) || found(terms.idle, 0) {
			t.Errorf("%s: without a request, it does not end after %v", role, terms.idle)
		}
		if !found(terms.idle-1, 2*terms.idle-2) || found(terms.idle-1, 2*terms.idle-1) {
			t.Errorf("%s: a request does not begin the time anew", role)
		}
		if !found(terms.idle-1, 0, 2*terms.idle-2) {
			t.Errorf("%s: a clock that was set back ends it sooner", role)
		}
		var all []time.Duration
		for d := time.Duration(0); d < terms.whole; d += terms.idle - time.Second {
			all = append(all, d)
		}
		if !found(append(all, terms.whole-1)...) || found(append(all, terms.whole)...) {
			t.Errorf("%s: with requests, it does not end after %v", role, terms.whole)
		}
	}
}

func late(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	const idle, soon = 30 * time.Minute, signin.SeenEvery - 1
	cookie := c.begin(0, Noon, session(1, domain.RoleClient))
	if s := c.find(1, cookie, Noon.Add(soon)); s == nil || s.Seen.Before(Noon) || s.Seen.After(Noon.Add(soon)) {
		t.Fatal("a request just after another does not find the session, or moves its end too far")
	}
	if c.find(2, cookie, Noon.Add(idle-1)) == nil {
		t.Error("it ends sooner than from the request that was noted")
	}
	cookie = c.begin(0, Noon, session(2, domain.RoleClient))
	c.find(1, cookie, Noon.Add(soon))
	if c.find(2, cookie, Noon.Add(soon+idle)) != nil {
		t.Error("it goes on beyond its last request's time")
	}
}

func keeps(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	s := session(1, domain.RoleClient)
	s.Code = [32]byte{1}
	cookie := c.begin(0, Noon, s)
	find := func(process int) *signin.Session {
		t.Helper()
		s := c.find(process, cookie, Noon)
		if s == nil {
			t.Fatal("the session is gone")
		}
		return s
	}
	keep := func(process int, s *signin.Session) {
		t.Helper()
		c.must(c.in[process].Keep(t.Context(), s))
	}
	first, second, third, fourth := find(0), find(1), find(2), find(2)
	first.Pending, first.Language = [32]byte{2}, "en"
	if find(0).Pending != [32]byte{} {
		t.Error("the copy is no copy")
	}
	if keep(0, first); find(1).Pending != [32]byte{2} {
		t.Error("the pending code is not kept")
	}
	second.Position, second.StrongAt = 9, Noon // found before the code was pending
	keep(1, second)
	if got := find(2); got.Pending != [32]byte{2} || got.Language != "en" || got.Position != 9 || !got.StrongAt.Equal(Noon) || got.Code != [32]byte{1} {
		t.Error("one request undid what the other did")
	}
	third.Position, third.StrongAt = 8, Noon.Add(-time.Second)
	keep(2, third)
	keep(2, fourth) // which changed nothing
	if got := find(0); got.Position != 9 || !got.StrongAt.Equal(Noon) || got.Language != "en" {
		t.Error("it goes backwards")
	}
	again := find(1)
	again.Code, again.Pending = again.Pending, [32]byte{}
	keep(1, again)
	again.Language = "nn"
	keep(1, again)
	if got := find(2); got.Code != [32]byte{2} || got.Pending != [32]byte{} || got.Language != "nn" {
		t.Error("the new code is not kept, or what was changed after it")
	}
	c.must(c.in[0].End(t.Context(), s.ID))
	again.Position = 99
	keep(1, again)
	c.is(false, cookie, Noon, "keeping began it anew")
	if c.in[0].Keep(t.Context(), &s) == nil {
		t.Error("what was never begun is kept")
	}
}

func endsEverywhere(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	cookie, other := c.begin(0, Noon, session(1, domain.RoleClient)), c.begin(0, Noon, session(2, domain.RoleClient))
	c.is(true, cookie, Noon, "it has begun")
	c.must(c.in[1].End(t.Context(), id(1)))
	c.is(false, cookie, Noon, "it has ended")
	c.must(c.in[2].End(t.Context(), id(1)))
	c.is(true, other, Noon, "another one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.in[0].End(ctx, id(2)); err == nil {
		c.is(false, other, Noon, "what is said to have ended")
	}
}

func endsAll(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	var cookies []string
	for n := range processes {
		cookies = append(cookies, c.begin(n, Noon, of(500, n)))
	}
	other := c.begin(0, Noon, session(9, domain.RoleAuditor))
	for i, want := range []int{processes, 0} {
		if n, err := c.in[i].EndAll(t.Context(), id(500)); n != want || err != nil {
			t.Errorf("%d ended, %v; expected %d", n, err, want)
		}
	}
	for _, cookie := range cookies {
		c.is(false, cookie, Noon, "one of them")
	}
	c.is(true, other, Noon, "somebody else's")
}

func twenty(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	var cookies []string
	for n := range signin.MaxPerActor + 1 {
		cookies = append(cookies, c.begin(n%processes, Noon, of(500, n)))
	}
	c.is(false, cookies[0], Noon, "the oldest of twenty-one")
	for _, cookie := range cookies[1:] {
		c.is(true, cookie, Noon, "a later one")
	}
}

func full(t *testing.T, open func(int) *cloakroom) {
	c := open(3)
	at := func(m int) time.Time { return Noon.Add(time.Duration(m) * time.Minute) }
	first := c.begin(0, Noon, session(1, domain.RoleClient))
	second := c.begin(1, at(1), session(2, domain.RoleClient))
	third := c.begin(2, at(2), session(3, domain.RoleClient))
	c.find(1, first, at(3))
	fourth := c.begin(0, at(4), session(4, domain.RoleClient))
	for cookie, want := range map[string]bool{first: true, second: false, third: true, fourth: true} {
		c.is(want, cookie, at(5), "the one seen longest ago makes room")
	}
	// What is over by its age goes first, and all of it.
	c.find(0, fourth, at(7))
	fifth := c.begin(1, at(36), session(5, domain.RoleClient)) // the first and the third are over
	sixth := c.begin(2, at(36), session(6, domain.RoleClient))
	for cookie, want := range map[string]bool{first: false, third: false, fourth: true, fifth: true, sixth: true} {
		c.is(want, cookie, at(36), "what is over makes room")
	}
}

func forgets(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	over, live := c.begin(0, Noon, session(1, domain.RoleClient)), c.begin(1, Noon.Add(time.Minute), session(2, domain.RoleClient))
	c.must(c.in[2].Forget(t.Context(), Noon.Add(30*time.Minute)))
	c.is(false, over, Noon, "what was over when it was forgotten, however late the clock of another is")
	c.is(true, live, Noon, "what was not")
}

func showsNothing(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	s := session(1, domain.RoleClient)
	s.Code, s.Channel, s.Language = [32]byte{0xaa, 0xbb, 0xcc, 0xdd}, "canary-channel", "canary-language"
	cookie := c.begin(0, Noon, s)
	secret, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(secret) != 32 {
		t.Fatal("a token is 32 bytes")
	}
	sealed := func() []byte {
		row, ok, err := c.table[1].Find(t.Context(), sha256.Sum256(secret), Noon)
		if err != nil || !ok {
			t.Fatal("it is not found by the hash of its token: ", err)
		}
		return row.Sealed
	}
	first := sealed()
	change := c.find(0, cookie, Noon)
	change.Position++
	c.must(c.in[0].Keep(t.Context(), change))
	second := sealed()
	for _, row := range [][]byte{first, second} {
		for _, hidden := range [][]byte{secret[:8], []byte(cookie[:8]), []byte("canary"), s.Code[:4], []byte("qrvM3"), []byte(domain.RoleClient)} {
			if bytes.Contains(row, hidden) {
				t.Error("a row shows what should be sealed")
			}
		}
	}
	if bytes.Contains(second, first[12:40]) {
		t.Error("sealed twice it is the same")
	}
}

// noMoreTime writes to the table as somebody may who has the database and no token.
func noMoreTime(t *testing.T, open func(int) *cloakroom) {
	c := open(0)
	s := session(1, domain.RoleClient)
	cookie := c.begin(0, Noon, s)
	secret, _ := base64.RawURLEncoding.DecodeString(cookie)
	key := sha256.Sum256(secret)
	row, _, err := c.table[0].Find(t.Context(), key, Noon)
	c.must(err)
	c.must(c.table[0].End(t.Context(), s.ID))
	row.Idle, row.Ends = 1000*time.Hour, Noon.Add(1000*time.Hour)
	c.must(c.table[0].Add(t.Context(), Noon, row))
	c.is(true, cookie, Noon.Add(time.Minute), "within its time")
	c.is(false, cookie, Noon.Add(12*time.Hour), "beyond the day of its role")

	c.must(c.table[0].End(t.Context(), s.ID))
	row.Sealed[len(row.Sealed)-1] ^= 1
	c.must(c.table[0].Add(t.Context(), Noon, row))
	if s, ok, err := c.in[1].Find(t.Context(), cookie, Noon); s != nil || ok || err == nil {
		t.Errorf("what was changed under its seal is found: %v", err)
	}
}

func race(t *testing.T, open func(int) *cloakroom) {
	c := open(8)
	var all sync.WaitGroup
	for n := range 12 {
		in := c.in[n%processes]
		all.Go(func() {
			for i := range 25 {
				s := of(n%4, n*100+i)
				token, err := in.New(t.Context(), Noon, &s)
				if err != nil {
					t.Error(err)
					return
				}
				found, ok, err := in.Find(t.Context(), token.Cookie(), Noon)
				if ok {
					found.Position++
					err = in.Keep(t.Context(), found)
				}
				if err != nil {
					t.Error(err)
				}
				if err := in.End(t.Context(), s.ID); err != nil {
					t.Error(err)
				}
				if _, err := in.EndAll(t.Context(), id((n+1)%4)); err != nil {
					t.Error(err)
				}
				if err := in.Forget(t.Context(), Noon); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()

	// What each changes is there in the end, whoever else changed the session meanwhile.
	s := session(9999, domain.RoleClient)
	cookie := c.begin(0, Noon, s)
	for n := range 9 {
		all.Go(func() {
			found, ok, err := c.in[n%processes].Find(t.Context(), cookie, Noon)
			if !ok || err != nil {
				t.Errorf("%v, %v", ok, err)
				return
			}
			switch n % 3 {
			case 0:
				found.Position = uint64(n + 1)
			case 1:
				found.Pending = [32]byte{7}
			case 2:
				found.Language = "nn"
			}
			if err := c.in[n%processes].Keep(t.Context(), found); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := c.find(1, cookie, Noon); got.Position != 7 || got.Pending != [32]byte{7} || got.Language != "nn" {
		t.Error("a change was lost")
	}
}
