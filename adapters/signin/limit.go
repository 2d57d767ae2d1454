package signin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"samtykke/domain"
)

// An Act is what is limited.
type Act string

const (
	ClientSignIn Act = "client sign-in"
	StaffSignIn  Act = "staff sign-in" // and giving password and one-time code once more
	Invited      Act = "invitation"    // opening and accepting one
)

// A Scope is what a limit counts by.
type Scope string

const (
	ByAddress Scope = "address" // the network address it comes from; of IPv6, the /64 that one subscriber has
	ByName    Scope = "name"    // whom it is about: the label of a code, a login name, an invitation
	Overall   Scope = "overall"
)

// A Limit is one row of what is allowed: Burst attempts at once, and another one each time Every has gone by.
type Limit struct {
	Act   Act
	By    Scope
	Every time.Duration
	Burst int
}

// Rows are the limits in force. An attempt passes all that name its act.
var Rows = []Limit{
	{ClientSignIn, ByAddress, 6 * time.Second, 10}, // 10 a minute
	{ClientSignIn, ByName, time.Minute, 10},
	{ClientSignIn, Overall, 60 * time.Millisecond, 1000}, // 1,000 a minute
	{StaffSignIn, ByAddress, 6 * time.Second, 10},
	{StaffSignIn, ByName, 3 * time.Minute, 5}, // 5 in 15 minutes
	{StaffSignIn, Overall, 200 * time.Millisecond, 100},
	{Invited, ByAddress, time.Minute, 10},
	{Invited, ByName, 12 * time.Minute, 5}, // 5 an hour
	{Invited, Overall, 200 * time.Millisecond, 100},
}

// TooMany is the code of the refusal.
const TooMany = "too-many-attempts"

// kept is how many addresses or names each row remembers. Whoever is forgotten begins anew; what is allowed overall still
// holds.
const kept = 1 << 16

// keyDay is how long addresses and names are remembered under one key, and so how long a hash of them means anything.
const keyDay = 24 * time.Hour

// Limits count attempts, in memory. They hold neither addresses nor names, but HMACs of them under a random key of the process
// that is drawn anew each day. The instants are the caller's.
type Limits struct {
	random io.Reader
	rows   []Limit

	mu    sync.Mutex
	key   [sha256.Size]byte
	until time.Time // of the key
	table []*simplelru.LRU[[sha256.Size]byte, *rate.Limiter]
}

// NewLimits makes limits by the rows. A nil source of randomness is the machine's.
func NewLimits(random io.Reader, rows []Limit) *Limits {
	if random == nil {
		random = rand.Reader
	}
	return &Limits{random: random, rows: rows}
}

// Forget forgets the key whose day is over and what was counted under it, also where nobody comes.
func (l *Limits) Forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !now.Before(l.until) {
		clear(l.key[:])
		l.table = nil
	}
}

// Allow counts an attempt, or refuses it: then it counts for nothing, and the refusal says when to try again. The name is the
// label, the login name or the invitation as text, "" where there is none; neither it nor the address is in the refusal.
func (l *Limits) Allow(now time.Time, act Act, from netip.Addr, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.keys(now); err != nil {
		return err
	}
	var taken []*rate.Reservation
	wait := time.Duration(0)
	for i, row := range l.rows {
		if row.Act != act || row.By == ByName && name == "" {
			continue
		}
		r := l.limiter(i, from, name).ReserveN(now, 1)
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now))
	}
	if wait == 0 {
		return nil
	}
	for _, r := range taken {
		r.CancelAt(now)
	}
	return domain.Refuse(TooMany, "There were too many attempts. Try again in "+inWords(wait)+".")
}

// keys draws the key of the day, and forgets what was counted under the last one.
func (l *Limits) keys(now time.Time) error {
	if l.table != nil && now.Before(l.until) {
		return nil
	}
	if _, err := io.ReadFull(l.random, l.key[:]); err != nil {
		return fmt.Errorf("randomness for the limits on attempts: %w", err)
	}
	l.until, l.table = now.Add(keyDay), nil
	for range l.rows {
		t, err := simplelru.NewLRU[[sha256.Size]byte, *rate.Limiter](kept, nil)
		if err != nil {
			panic(err) // unreachable: the size is positive
		}
		l.table = append(l.table, t)
	}
	return nil
}

// limiter is what counts for the row, by the address or name.
func (l *Limits) limiter(row int, from netip.Addr, name string) *rate.Limiter {
	mac := hmac.New(sha256.New, l.key[:])
	switch l.rows[row].By {
	case ByAddress:
		mac.Write(network(from))
	case ByName:
		mac.Write([]byte(Login(name))) // however it is typed
	}
	key := [sha256.Size]byte(mac.Sum(nil))
	lim, ok := l.table[row].Get(key)
	if !ok {
		lim = rate.NewLimiter(rate.Every(l.rows[row].Every), l.rows[row].Burst)
		l.table[row].Add(key, lim)
	}
	return lim
}

// network is the part of an address that one subscriber has.
func network(a netip.Addr) []byte {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // no error: the address has 128 bits
		a = p.Addr()
	}
	return a.AsSlice()
}

// inWords rounds up, so that whoever comes at that time is let try.
func inWords(d time.Duration) string {
	unit, name := time.Second, "second"
	if d > time.Minute {
		unit, name = time.Minute, "minute"
	}
	n := int(math.Ceil(float64(d) / float64(unit)))
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
