package signin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/signin"
	"samtykke/domain"
)

var noon = time.Date(2026, 5, 18, 10, 0, 0, 0, time.UTC)

func someID(n int) domain.ID { return domain.ID{byte(n), byte(n >> 8), 6: 0x40, 8: 0x80} }

func aSession(n int, r domain.Role) signin.Session {
	return signin.Session{ID: someID(n), Actor: someID(1000 + n), Role: r}
}

func begin(t *testing.T, table *signin.Sessions, now time.Time, s signin.Session) string {
	t.Helper()
	token, err := table.New(now, s)
	if err != nil {
		t.Fatal(err)
	}
	return token.Cookie()
}

func TestFind(t *testing.T) {
	table := signin.NewSessions(seeded(1), 0)
	want := aSession(1, domain.RoleProfessional)
	want.Organisation, want.Credentials, want.Standing = someID(7), 3, 5
	cookie, other := begin(t, table, noon, want), begin(t, table, noon, aSession(2, domain.RoleClient))
	s, ok := table.Find(cookie, noon.Add(time.Minute))
	if !ok || s.ID != want.ID || s.Actor != want.Actor || s.Organisation != want.Organisation || s.Credentials != 3 || s.Standing != 5 {
		t.Error("another session, or none")
	}
	if !s.Since.Equal(noon) || !s.Seen.Equal(noon.Add(time.Minute)) {
		t.Errorf("since %v, seen %v", s.Since, s.Seen)
	}
	if len(cookie) != 43 || cookie == other {
		t.Errorf("a token of %d characters", len(cookie))
	}
	for _, wrong := range []string{"", "x", cookie[:42], cookie + "A", cookie + "=", strings.ToLower(cookie), " " + cookie, other[:42] + "_", strings.Repeat("A", 43)} {
		if _, ok := table.Find(wrong, noon); ok {
			t.Errorf("%q finds a session", wrong)
		}
	}
	table.End(want.ID)
	table.End(want.ID)
	if _, ok := table.Find(cookie, noon); ok {
		t.Error("a session that ended is found")
	}
	if _, ok := table.Find(other, noon); !ok {
		t.Error("another session ended with it")
	}
	for _, bad := range []signin.Session{{ID: someID(1)}, {Actor: someID(1)}} {
		if _, err := table.New(noon, bad); err == nil {
			t.Error("a session of nobody, or without an id")
		}
	}
	if _, err := signin.NewSessions(bytes.NewReader(make([]byte, 31)), 0).New(noon, aSession(1, domain.RoleClient)); err == nil {
		t.Error("a token of 31 random bytes")
	}
}

// A session ends at its limit: without a request, and in the end with requests too.
func TestAge(t *testing.T) {
	for role, c := range map[domain.Role]struct{ idle, whole time.Duration }{
		domain.RoleClient: {30 * time.Minute, 12 * time.Hour}, domain.RoleProfessional: {15 * time.Minute, 10 * time.Hour},
		domain.RoleSuperuser: {15 * time.Minute, 10 * time.Hour}, domain.RoleAuditor: {15 * time.Minute, 10 * time.Hour},
		domain.RoleEmployee: {15 * time.Minute, 10 * time.Hour},
	} {
		found := func(after ...time.Duration) bool {
			table := signin.NewSessions(seeded(1), 0)
			cookie := begin(t, table, noon, aSession(1, role))
			ok := false
			for _, d := range after {
				_, ok = table.Find(cookie, noon.Add(d))
			}
			return ok
		}
		if !found(c.idle-1) || found(c.idle) || found(c.idle, 0) {
			t.Errorf("%s: without a request, it does not end after %v", role, c.idle)
		}
		if !found(c.idle-1, 2*c.idle-2) || found(c.idle-1, 2*c.idle-1) {
			t.Errorf("%s: a request does not begin the time anew", role)
		}
		if !found(c.idle-1, 0, 2*c.idle-2) {
			t.Errorf("%s: a clock that was set back ends it sooner", role)
		}
		var all []time.Duration
		for d := time.Duration(0); d < c.whole; d += c.idle - time.Second {
			all = append(all, d)
		}
		if !found(append(all, c.whole-1)...) || found(append(all, c.whole)...) {
			t.Errorf("%s: with requests, it does not end after %v", role, c.whole)
		}
	}
}

func TestFresh(t *testing.T) {
	s := signin.Session{}
	if s.Fresh(noon) || s.Fresh(time.Time{}.Add(time.Second)) {
		t.Error("fresh without ever a password")
	}
	s.StrongAt = noon
	if !s.Fresh(noon) || !s.Fresh(noon.Add(5*time.Minute-1)) || s.Fresh(noon.Add(5*time.Minute)) {
		t.Error("five minutes, and at the end of them no more")
	}
}

// What a request changed in its copy is put back; what another changed meanwhile stays.
func TestKeep(t *testing.T) {
	table := signin.NewSessions(seeded(1), 0)
	s := aSession(1, domain.RoleClient)
	s.Code = [32]byte{1}
	cookie := begin(t, table, noon, s)
	find := func() *signin.Session {
		t.Helper()
		s, ok := table.Find(cookie, noon)
		if !ok {
			t.Fatal("the session is gone")
		}
		return s
	}
	first, second, third := find(), find(), find()
	first.Pending = [32]byte{2}
	if find().Pending != [32]byte{} {
		t.Error("the copy is no copy")
	}
	if !table.Keep(first) || find().Pending != [32]byte{2} {
		t.Error("the pending code is not kept")
	}
	second.Position, second.StrongAt = 9, noon // found before the code was pending
	table.Keep(second)
	if got := find(); got.Pending != [32]byte{2} || got.Position != 9 || got.StrongAt != noon || got.Code != [32]byte{1} {
		t.Error("one request undid what the other did")
	}
	third.Position, third.StrongAt = 8, noon.Add(-time.Second)
	table.Keep(third)
	if got := find(); got.Position != 9 || got.StrongAt != noon {
		t.Error("it goes backwards")
	}
	again := find()
	again.Code, again.Pending = again.Pending, [32]byte{}
	table.Keep(again)
	if got := find(); got.Code != [32]byte{2} || got.Pending != [32]byte{} {
		t.Error("the new code is not kept")
	}
	table.End(s.ID)
	if table.Keep(again) {
		t.Error("a session that ended is kept")
	}
	if _, ok := table.Find(cookie, noon); ok {
		t.Error("keeping began it anew")
	}
}

func TestEndAll(t *testing.T) {
	table := signin.NewSessions(seeded(1), 0)
	var cookies []string
	for n := range 3 {
		s := aSession(n, domain.RoleAuditor)
		s.Actor = someID(500)
		cookies = append(cookies, begin(t, table, noon, s))
	}
	other := begin(t, table, noon, aSession(9, domain.RoleAuditor))
	if n := table.EndAll(someID(500)); n != 3 || table.EndAll(someID(500)) != 0 || table.Len() != 1 {
		t.Errorf("%d ended, %d left", n, table.Len())
	}
	for _, c := range cookies {
		if _, ok := table.Find(c, noon); ok {
			t.Error("one of them goes on")
		}
	}
	if _, ok := table.Find(other, noon); !ok {
		t.Error("somebody else's ended")
	}
}

// Whoever begins very many sessions loses the own oldest ones, and a full table what was seen longest ago.
func TestBounded(t *testing.T) {
	table := signin.NewSessions(seeded(1), 0)
	var cookies []string
	for n := range signin.MostPerActor + 1 {
		s := aSession(n, domain.RoleClient)
		s.Actor = someID(500)
		cookies = append(cookies, begin(t, table, noon, s))
	}
	if _, ok := table.Find(cookies[0], noon); ok || table.Len() != signin.MostPerActor {
		t.Error("the oldest goes on")
	}
	for _, c := range cookies[1:] {
		if _, ok := table.Find(c, noon); !ok {
			t.Error("a later one ended")
		}
	}

	table = signin.NewSessions(seeded(1), 3)
	a := begin(t, table, noon, aSession(1, domain.RoleClient))
	b := begin(t, table, noon.Add(time.Minute), aSession(2, domain.RoleClient))
	c := begin(t, table, noon.Add(2*time.Minute), aSession(3, domain.RoleClient))
	table.Find(a, noon.Add(3*time.Minute))
	d := begin(t, table, noon.Add(4*time.Minute), aSession(4, domain.RoleClient))
	for cookie, want := range map[string]bool{a: true, b: false, c: true, d: true} {
		if _, ok := table.Find(cookie, noon.Add(5*time.Minute)); ok != want {
			t.Errorf("%v where %v was expected", ok, want)
		}
	}
	// What is over by its age goes first, and all of it.
	table.Find(d, noon.Add(6*time.Minute)) // later than the others, so that it is not d which makes room for e
	e := begin(t, table, noon.Add(34*time.Minute), aSession(5, domain.RoleClient))
	table.Find(d, noon.Add(34*time.Minute))
	begin(t, table, noon.Add(64*time.Minute-time.Second), aSession(6, domain.RoleClient))
	if _, ok := table.Find(e, noon.Add(64*time.Minute-time.Second)); !ok || table.Len() != 3 {
		t.Errorf("%d sessions", table.Len())
	}
}

func TestSessionsRace(t *testing.T) {
	table := signin.NewSessions(seeded(1), 8)
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for i := range 100 {
				s := aSession(n*100+i, domain.RoleClient)
				s.Actor = someID(n % 4)
				token, err := table.New(noon, s)
				if err != nil {
					t.Error(err)
					return
				}
				if found, ok := table.Find(token.Cookie(), noon); ok {
					found.Position++
					table.Keep(found)
				}
				table.End(s.ID)
				table.EndAll(someID((n + 1) % 4))
			}
		})
	}
	all.Wait()
	if table.Len() != 0 {
		t.Errorf("%d are left", table.Len())
	}
}

// The table holds no token, and nothing that prints shows one, or anything of a session.
func TestSessionsPrintNothing(t *testing.T) {
	table := signin.NewSessions(seeded(1), 0)
	s := aSession(1, domain.RoleClient)
	s.Code, s.Pending, s.Channel = [32]byte{0xaa, 0xbb, 0xcc, 0xdd}, [32]byte{0xaa, 0xbb, 0xcc, 0xdd}, "canary"
	token, err := table.New(noon, s)
	if err != nil {
		t.Fatal(err)
	}
	found, _ := table.Find(token.Cookie(), noon)
	secret, err := base64.RawURLEncoding.DecodeString(token.Cookie())
	if err != nil || len(secret) != 32 {
		t.Fatal("a token is 32 bytes")
	}
	var out bytes.Buffer
	for _, v := range []any{token, &token, s, &s, found, []signin.Session{s}, struct{ S signin.Session }{s}, struct{ T signin.Token }{token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	hash := sha256.Sum256(secret)
	for _, form := range []string{
		token.Cookie()[:8], fmt.Sprintf("%x", secret[:4]), fmt.Sprint(secret[:4])[1:8], "canary", "aabbcc", "170 187", "0xaa", someID(1).String()[:8],
		fmt.Sprintf("%x", hash[:4]),
	} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(form)) {
			t.Errorf("printing shows %q", form)
		}
	}
	out.Reset()
	fmt.Fprintf(&out, "%+v", table) // with all its insides
	for _, form := range []string{token.Cookie(), fmt.Sprint(secret[:8])[1:20]} {
		if strings.Contains(out.String(), form) {
			t.Error("the table holds the token")
		}
	}
}
