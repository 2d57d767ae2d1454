package postgres_test

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/disk"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/signin"
	"samtykke/adapters/signin/signintest"
	"samtykke/domain"
)

func mustShare(t testing.TB, dsn string, opts postgres.SharedOptions) *postgres.Shared {
	t.Helper()
	s, err := postgres.OpenShared(t.Context(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSessions(t *testing.T) {
	signintest.TestSessions(t, func(t *testing.T, most int) signintest.SessionPlace {
		dsn := postgrestest.Database(t)
		return func(t *testing.T) signin.SessionTable {
			return mustShare(t, dsn, postgres.SharedOptions{Sessions: int64(most)}).Sessions()
		}
	})
}

func TestBuckets(t *testing.T) {
	signintest.TestBuckets(t, func(t *testing.T) signintest.BucketPlace {
		dsn := postgrestest.Database(t)
		return func(t *testing.T) signin.Buckets { return mustShare(t, dsn, postgres.SharedOptions{}).Buckets() }
	})
}

// sessionOf begins a session of a client, the nth.
func sessionOf(t *testing.T, in *signin.Sessions, n byte) (signin.Session, string) {
	t.Helper()
	s := signin.Session{ID: domain.ID{n, 1}, Actor: domain.ID{n, 2}, Role: domain.RoleClient, Channel: "canary-channel", Code: [32]byte{0xaa, 0xbb, 0xcc, 0xdd}}
	token, err := in.New(t.Context(), noon, &s)
	if err != nil {
		t.Fatal(err)
	}
	return s, token.Cookie()
}

// isFound checks what a table says of a cookie.
func isFound(t *testing.T, in *signin.Sessions, cookie string, want bool, what string) {
	t.Helper()
	if _, ok, err := in.Find(t.Context(), cookie, noon); ok != want || err != nil {
		t.Errorf("%s: found %v, %v; expected %v", what, ok, err, want)
	}
}

// An instance that is cut off lets nobody in, and says nobody has been signed out. When it is back, it knows what ended meanwhile.
func TestCutOff(t *testing.T) {
	dsn := postgrestest.Database(t)
	p := postgrestest.NewProxy(t, dsn)
	whole := signin.SessionsIn(mustShare(t, dsn, postgres.SharedOptions{}).Sessions(), nil)
	far := mustShare(t, p.DSN, postgres.SharedOptions{Patience: 20 * time.Second})
	cut := signin.SessionsIn(far.Sessions(), nil)
	hasty := mustShare(t, p.DSN, postgres.SharedOptions{Patience: 50 * time.Millisecond}) // the same place, for what is not to be had
	never := signin.SessionsIn(hasty.Sessions(), nil)
	key := hashKey(t)
	limits := signin.LimitsIn(far.Buckets(), key, nil, signin.Rows)
	from := netip.MustParseAddr("192.0.2.1")
	if err := limits.Allow(t.Context(), noon, signin.ClientSignIn, from, ""); err != nil {
		t.Fatal(err)
	}
	ended, endedCookie := sessionOf(t, whole, 1)
	other, otherCookie := sessionOf(t, cut, 2)
	isFound(t, cut, endedCookie, true, "before the cut")
	p.Cut()
	if err := whole.End(t.Context(), ended.ID); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range []string{endedCookie, otherCookie} {
		if _, ok, err := never.Find(t.Context(), cookie, noon); ok || err == nil {
			t.Errorf("found %v, %v by an instance that is cut off", ok, err)
		}
	}
	if err := never.End(t.Context(), other.ID); err == nil {
		t.Error("an instance that is cut off says it has ended a session")
	}
	if _, err := never.New(t.Context(), noon, &signin.Session{ID: domain.ID{3}, Actor: domain.ID{4}}); err == nil {
		t.Error("an instance that is cut off begins a session")
	}
	limits = signin.LimitsIn(hasty.Buckets(), key, nil, signin.Rows)
	if err := limits.Allow(t.Context(), noon, signin.ClientSignIn, from, ""); err == nil || domain.Refused(err) != "" {
		t.Errorf("an attempt at an instance that is cut off: %v", err)
	}
	p.Next("")
	isFound(t, cut, endedCookie, false, "what ended meanwhile")
	isFound(t, cut, otherCookie, true, "what did not")
}

// Connections that are ended cost those who ask a moment, and none of them an answer.
func TestSharedTerminate(t *testing.T) {
	dsn := postgrestest.Database(t)
	var in []*signin.Sessions
	for range 3 {
		in = append(in, signin.SessionsIn(mustShare(t, dsn, postgres.SharedOptions{Patience: 20 * time.Second}).Sessions(), nil))
	}
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for n := range 20 {
				if w == 0 && n%5 == 4 {
					exec(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE application_name = 'samtykke' AND datname = current_database()`)
				}
				s := signin.Session{ID: domain.ID{byte(w), byte(n), 1}, Actor: domain.ID{byte(w), 2}, Role: domain.RoleClient}
				token, err := in[w%3].New(t.Context(), noon, &s)
				if err != nil {
					t.Error(err)
					return
				}
				s.Position = 7
				if err := in[w%3].Keep(t.Context(), &s); err != nil {
					t.Error(err)
				}
				if got, ok, err := in[(w+1)%3].Find(t.Context(), token.Cookie(), noon); !ok || err != nil || got.Position != 7 {
					t.Errorf("%v, %v", ok, err)
				}
				if err := in[(w+2)%3].End(t.Context(), s.ID); err != nil {
					t.Error(err)
				}
				isFound(t, in[w%3], token.Cookie(), false, "ended by another")
			}
		})
	}
	all.Wait()
}

// When the server crashes everybody signs in again, and the limits begin anew; an instance need not be started again for that.
func TestSharedCrash(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustShare(t, dsn, postgres.SharedOptions{Patience: 20 * time.Second})
	in := signin.SessionsIn(s.Sessions(), nil)
	key := hashKey(t)
	limits := signin.LimitsIn(s.Buckets(), key, nil, []signin.Limit{{Act: signin.Invited, By: signin.ByName, Every: time.Hour, Burst: 1}})
	try := func() error { return limits.Allow(t.Context(), noon, signin.Invited, netip.Addr{}, "K7M2X1") }
	_, cookie := sessionOf(t, in, 1)
	if first, second := try(), try(); first != nil || domain.Refused(second) != signin.TooMany {
		t.Errorf("%v, then %v", first, second)
	}
	postgrestest.Start(t).Crash(t)
	isFound(t, in, cookie, false, "after a crash")
	_, cookie = sessionOf(t, in, 2)
	isFound(t, in, cookie, true, "begun after a crash")
	if err := try(); err != nil {
		t.Errorf("the first try after a crash: %v", err)
	}
}

// A command is one instance's at a time, until it has answered it, has given it back, or has not done so within its term.
func TestAnswers(t *testing.T) {
	dsn := postgrestest.Database(t)
	one, other := mustShare(t, dsn, postgres.SharedOptions{}), mustShare(t, dsn, postgres.SharedOptions{})
	me, them := domain.ID{1}, domain.ID{2}
	key := [32]byte{7}
	take := func(s *postgres.Shared, taker domain.ID, term time.Duration, wantMine bool, want string) {
		t.Helper()
		sealed, mine, err := s.TakeAnswer(t.Context(), key, taker, term)
		if err != nil || mine != wantMine || string(sealed) != want {
			t.Errorf("mine %v, the answer %q, %v; expected %v and %q", mine, sealed, err, wantMine, want)
		}
	}
	done := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	take(one, me, time.Hour, true, "")
	take(other, them, time.Hour, false, "")
	take(one, me, time.Hour, true, "") // the first answer was lost
	done(other.LeaveAnswer(t.Context(), key, them))
	take(other, them, time.Hour, false, "")
	done(one.LeaveAnswer(t.Context(), key, me))
	take(other, them, 0, true, "")
	take(one, me, time.Hour, true, "") // for the other's term has ended
	done(one.KeepAnswer(t.Context(), key, noon.Add(time.Hour), []byte("done")))
	done(one.LeaveAnswer(t.Context(), key, me))
	take(other, them, time.Hour, false, "done")
	done(other.KeepAnswer(t.Context(), key, noon.Add(time.Hour), []byte("done twice")))
	take(one, me, time.Hour, false, "done")
	done(one.ForgetAnswers(t.Context(), noon.Add(time.Hour)))
	take(one, me, time.Hour, true, "")
	done(other.ForgetAnswers(t.Context(), noon.AddDate(100, 0, 0))) // by a clock that is ahead
	take(other, them, time.Hour, false, "")
}

// Whoever reads the whole database learns of no token, no address and no name, and of a session no more than ids and instants. The
// hashes of addresses are under a key that is not in it.
func TestSharedShowsNothing(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustShare(t, dsn, postgres.SharedOptions{})
	in := signin.SessionsIn(s.Sessions(), nil)
	_, cookie := sessionOf(t, in, 1)
	key := hashKey(t)
	other := hashKey(t)
	from := netip.MustParseAddr("192.0.2.77")
	count := func(k signin.HashKey, want string) {
		t.Helper()
		l := signin.LimitsIn(s.Buckets(), k, nil, signin.Rows)
		if err := l.Allow(t.Context(), noon, signin.StaffSignIn, from, "siri@example.org"); err != nil {
			t.Error(err)
		}
		if got := value(t, dsn, "SELECT count(*)::text FROM samtykke_shared.bucket"); got != want {
			t.Errorf("%s buckets, expected %s", got, want)
		}
	}
	count(key, "3")
	count(key, "3")
	count(other, "6") // the same salt, and other hashes
	var dump strings.Builder
	for _, table := range []string{"session", "day", "bucket", "lease"} {
		dump.WriteString(value(t, dsn, fmt.Sprintf("SELECT coalesce(string_agg(t::text, ' '), '') FROM samtykke_shared.%s t", table)))
	}
	for _, hidden := range []string{cookie[:8], "canary", "aabbccdd", "siri", "192.0.2", "c000024d", "client'"} {
		if strings.Contains(dump.String(), hidden) {
			t.Errorf("the database shows %q", hidden)
		}
	}
	if !strings.Contains(dump.String(), "staff sign-in by address") {
		t.Error("the test does not see what is there")
	}
	if err := signin.LimitsIn(s.Buckets(), key, nil, signin.Rows).Forget(t.Context(), noon.Add(24*time.Hour)); err != nil {
		t.Error(err)
	}
	if got := value(t, dsn, "SELECT (SELECT count(*) FROM samtykke_shared.day) || ' ' || (SELECT count(*) FROM samtykke_shared.bucket)"); got != "0 0" {
		t.Errorf("left of a day that is over: %s", got)
	}
}

// What is left of buckets is removed when it counts for nothing.
func TestBucketsRemoved(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustShare(t, dsn, postgres.SharedOptions{})
	key := hashKey(t)
	l := signin.LimitsIn(s.Buckets(), key, nil, signin.Rows)
	for n := range 20 {
		if err := l.Allow(t.Context(), noon, signin.ClientSignIn, netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{time.Second, "21"}, {2 * time.Second, "20"}, {6 * time.Second, "0"}} {
		if err := l.Forget(t.Context(), noon.Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if got := value(t, dsn, "SELECT count(*)::text FROM samtykke_shared.bucket"); got != c.want {
			t.Errorf("after %v there are %s, expected %s", c.after, got, c.want)
		}
	}
}

// What is shared lies in a schema of its own.
func TestSharedApart(t *testing.T) {
	dsn := postgrestest.Database(t)
	mustOpen(t, dsn, postgres.Options{})
	mustShare(t, dsn, postgres.SharedOptions{})
	if _, err := postgres.OpenShared(t.Context(), dsn, postgres.SharedOptions{Schema: "samtykke"}); err == nil {
		t.Error("it lies in the ledger's schema")
	}
	s := mustShare(t, dsn, postgres.SharedOptions{})
	s.Close()
	if err := s.Sessions().End(t.Context(), domain.ID{1}); err == nil {
		t.Errorf("after Close: %v", err)
	}
}

func hashKey(t testing.TB) signin.HashKey {
	t.Helper()
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key, err := signin.LoadHashKey(d, "code.key", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// value asks for one text.
func value(t testing.TB, dsn, query string) (text string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.QueryRow(t.Context(), query).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}
