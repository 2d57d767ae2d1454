package signin_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/signin"
	"samtykke/adapters/signin/signintest"
	"samtykke/domain"
)

func TestBuckets(t *testing.T) {
	signintest.TestBuckets(t, func(*testing.T) signintest.BucketPlace {
		b := signin.MemoryBuckets()
		return func(*testing.T) signin.Buckets { return b }
	})
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

func refusedWith(t *testing.T, err error, says string) {
	t.Helper()
	var r *domain.Refusal
	if !errors.As(err, &r) || r.Code != signin.TooMany || r.Reason != says {
		t.Errorf("%v, expected %q", err, says)
	}
}

func allowed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("refused: %v", err)
	}
}

// As many as the row says at once, then one each time it says, to the nanosecond; whoever is refused has lost nothing by it.
func TestAllow(t *testing.T) {
	l := signin.NewLimits(seeded(1), signin.Rows)
	for range 10 {
		allowed(t, l.Allow(t.Context(), noon, signin.ClientSignIn, here, ""))
	}
	for range 3 {
		refusedWith(t, l.Allow(t.Context(), noon, signin.ClientSignIn, here, ""), "There were too many attempts. Try again in 6 seconds.")
	}
	allowed(t, l.Allow(t.Context(), noon, signin.ClientSignIn, there, ""))
	allowed(t, l.Allow(t.Context(), noon, signin.StaffSignIn, here, "")) // another act
	refusedWith(t, l.Allow(t.Context(), noon.Add(5*time.Second), signin.ClientSignIn, here, ""), "There were too many attempts. Try again in 1 second.")
	if l.Allow(t.Context(), noon.Add(6*time.Second-time.Microsecond), signin.ClientSignIn, here, "") == nil {
		t.Error("a microsecond too soon")
	}
	allowed(t, l.Allow(t.Context(), noon.Add(6*time.Second), signin.ClientSignIn, here, ""))
	if l.Allow(t.Context(), noon.Add(6*time.Second), signin.ClientSignIn, here, "") == nil {
		t.Error("twice for one")
	}
	for range 10 {
		allowed(t, l.Allow(t.Context(), noon.Add(time.Hour), signin.ClientSignIn, here, "")) // no more than at the beginning
	}
	if l.Allow(t.Context(), noon.Add(time.Hour), signin.ClientSignIn, here, "") == nil {
		t.Error("what was not used adds up")
	}
}

// By name, however it is typed, and wherever it comes from; what another row refuses counts for no row.
func TestAllowByName(t *testing.T) {
	l := signin.NewLimits(seeded(1), signin.Rows)
	for n := range 5 {
		from := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
		allowed(t, l.Allow(t.Context(), noon, signin.StaffSignIn, from, []string{"siri@example.org", " Siri@Example.org"}[n%2]))
	}
	refusedWith(t, l.Allow(t.Context(), noon, signin.StaffSignIn, here, "SIRI@example.org"), "There were too many attempts. Try again in 3 minutes.")
	for n := range 20 { // and here is not the worse for it
		if err := l.Allow(t.Context(), noon, signin.StaffSignIn, here, "siri@example.org"); err == nil {
			t.Errorf("attempt %d", n)
		}
	}
	for n := range 10 {
		allowed(t, l.Allow(t.Context(), noon, signin.StaffSignIn, here, fmt.Sprintf("n%d@example.org", n)))
	}
	for range 5 {
		allowed(t, l.Allow(t.Context(), noon, signin.Invited, here, "K7M2X1"))
	}
	refusedWith(t, l.Allow(t.Context(), noon, signin.Invited, there, "K7M2X1"), "There were too many attempts. Try again in 12 minutes.")
	refusedWith(t, l.Allow(t.Context(), noon.Add(time.Second), signin.Invited, there, "K7M2X1"), "There were too many attempts. Try again in 12 minutes.") // rounded up
	allowed(t, l.Allow(t.Context(), noon.Add(12*time.Minute), signin.Invited, there, "K7M2X1"))
}

func TestAllowOverall(t *testing.T) {
	l := signin.NewLimits(seeded(1), signin.Rows)
	n := 0
	for ; n < 2000; n++ {
		if l.Allow(t.Context(), noon, signin.ClientSignIn, netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), "") != nil {
			break
		}
	}
	if n != 1000 {
		t.Errorf("%d at once from as many addresses", n)
	}
	if l.Remembered() > 3*signin.MaxBuckets {
		t.Errorf("%d remembered", l.Remembered())
	}
}

// One subscriber has one limit: of IPv6 the first 64 bits, and an IPv4 address written as IPv6 is the same address.
func TestNetworks(t *testing.T) {
	same := func(a, b string) bool {
		l := signin.NewLimits(seeded(1), []signin.Limit{{Act: signin.ClientSignIn, By: signin.ByAddress, Every: time.Minute, Burst: 1}})
		parse := func(s string) netip.Addr { a, _ := netip.ParseAddr(s); return a }
		allowed(t, l.Allow(t.Context(), noon, signin.ClientSignIn, parse(a), ""))
		return l.Allow(t.Context(), noon, signin.ClientSignIn, parse(b), "") != nil
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false}, {"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true}, {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true}, {"", "", true}, {"", "192.0.2.1", false},
	} {
		if got := same(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

// Once a day the key is drawn anew, and what was counted under the last one is forgotten.
func TestNewKeyEachDay(t *testing.T) {
	rows := []signin.Limit{{Act: signin.ClientSignIn, By: signin.ByAddress, Every: 100 * time.Hour, Burst: 1}}
	l := signin.NewLimits(seeded(1), rows)
	allowed(t, l.Allow(t.Context(), noon, signin.ClientSignIn, here, ""))
	if l.Allow(t.Context(), noon.Add(24*time.Hour-1), signin.ClientSignIn, here, "") == nil {
		t.Error("forgotten too soon")
	}
	allowed(t, l.Allow(t.Context(), noon.Add(24*time.Hour), signin.ClientSignIn, here, ""))
	l = signin.NewLimits(bytes.NewReader(make([]byte, 32)), rows)
	allowed(t, l.Allow(t.Context(), noon, signin.ClientSignIn, here, ""))
	if err := l.Allow(t.Context(), noon.Add(25*time.Hour), signin.ClientSignIn, there, ""); err == nil || domain.Refused(err) != "" {
		t.Errorf("a key without randomness: %v", err)
	}
}

// The rows are what was decided; the limits hold neither an address nor a name.
func TestRows(t *testing.T) {
	per := func(l signin.Limit) string { return fmt.Sprintf("%s %s %v %d", l.Act, l.By, l.Every, l.Burst) }
	var got []string
	for _, r := range signin.Rows {
		got = append(got, per(r))
	}
	want := []string{
		"client sign-in address 6s 10", "client sign-in name 1m0s 10", "client sign-in overall 60ms 1000",
		"staff sign-in address 6s 10", "staff sign-in name 3m0s 5", "staff sign-in overall 200ms 100",
		"invitation address 1m0s 10", "invitation name 12m0s 5", "invitation overall 200ms 100",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the limits are\n%s", strings.Join(got, "\n"))
	}
	l := signin.NewLimits(seeded(1), signin.Rows)
	for range 20 {
		if err := l.Allow(t.Context(), noon, signin.StaffSignIn, here, "siri@example.org"); err != nil && (strings.Contains(err.Error(), "192") || strings.Contains(err.Error(), "siri")) {
			t.Errorf("the refusal tells who it was: %v", err)
		}
	}
	if s := fmt.Sprintf("%+v", l); strings.Contains(s, "siri") || strings.Contains(s, "192.0.2.1") {
		t.Error("the limits hold who it was")
	}
}

// Of an address there is its HMAC under the day's key and nothing else; once the day is over there is neither.
func TestOnlyKeyedHashesOfAddresses(t *testing.T) {
	l := signin.NewLimits(seeded(1), []signin.Limit{{Act: signin.ClientSignIn, By: signin.ByAddress, Every: time.Minute, Burst: 1}})
	hash := func(key [32]byte) [32]byte {
		mac := hmac.New(sha256.New, key[:])
		mac.Write(here.AsSlice())
		return [32]byte(mac.Sum(nil))
	}
	allowed(t, l.Allow(t.Context(), noon, signin.ClientSignIn, here, ""))
	today := l.Held()
	if len(today) != 2 || today[1] != hash(today[0]) {
		t.Errorf("held is %x", today)
	}
	allowed(t, l.Allow(t.Context(), noon.Add(24*time.Hour), signin.ClientSignIn, here, ""))
	if next := l.Held(); len(next) != 2 || next[0] == today[0] || next[1] == today[1] || next[1] != hash(next[0]) {
		t.Errorf("held the next day is %x, was %x", next, today)
	}
	allowed(t, l.Forget(t.Context(), noon.Add(48*time.Hour-1)))
	if left := l.Held(); len(left) != 2 {
		t.Errorf("forgotten too soon: %x", left)
	}
	allowed(t, l.Forget(t.Context(), noon.Add(48*time.Hour)))
	if left := l.Held(); len(left) != 1 || left[0] != [32]byte{} {
		t.Errorf("left is %x", left)
	}
	allowed(t, l.Allow(t.Context(), noon.Add(49*time.Hour), signin.ClientSignIn, here, ""))
}
