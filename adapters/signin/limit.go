package signin

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"sync"
	"time"

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

// keyDay is how long addresses and names are remembered under one key, and so how long a hash of them means anything.
const keyDay = 24 * time.Hour

// Limits count attempts, in Buckets. They hold neither addresses nor names, but HMACs of them under a key that is drawn anew each
// day. They may be called by several goroutines. The instants are the caller's.
type Limits struct {
	random  io.Reader
	rows    []Limit
	buckets Buckets
	derive  func(salt []byte) [sha256.Size]byte // the day's key

	mu  sync.Mutex
	day Day // as the buckets last gave it
}

// NewLimits makes limits of this process by the rows, in memory. A nil source of randomness is the machine's.
func NewLimits(random io.Reader, rows []Limit) *Limits {
	l := &Limits{random: oneByOne(random), rows: rows, buckets: MemoryBuckets()}
	l.derive = func(salt []byte) [sha256.Size]byte { return [sha256.Size]byte(salt) }
	return l
}

// LimitsIn makes limits by the rows, which count in buckets that several processes may share. The key under which addresses and names
// are hashed follows from the day's salt, which lies with the buckets, and from the HashKey, which does not: neither alone is any use
// against the hashes. All processes must have the same rows and the same HashKey. A nil source of randomness is the machine's.
func LimitsIn(buckets Buckets, key HashKey, random io.Reader, rows []Limit) *Limits {
	return &Limits{random: oneByOne(random), rows: rows, buckets: buckets, derive: key.Keyed("samtykke attempts 1")}
}

// Forget forgets the salt whose day is over and what was counted under it, and the buckets that are full again, also where nobody
// comes.
func (l *Limits) Forget(ctx context.Context, now time.Time) error {
	l.mu.Lock()
	if !now.Before(l.day.Until) {
		l.day = Day{}
	}
	l.mu.Unlock()
	return l.buckets.Forget(ctx, now)
}

// Allow counts an attempt, or refuses it: then it counts for nothing, and the refusal says when to try again. The name is the
// label, the login name or the invitation as text, "" where there is none; neither it nor the address is in the refusal. Any error
// but a *domain.Refusal says that it could not be counted: nobody is let try then.
func (l *Limits) Allow(ctx context.Context, now time.Time, act Act, from netip.Addr, name string) error {
	for range 3 { // another process may begin another day
		day, err := l.today(ctx, now)
		if err != nil {
			return err
		}
		wait, err := l.buckets.Take(ctx, now, day.Salt, l.of(day, act, from, name))
		switch {
		case errors.Is(err, ErrOtherDay):
			l.drop(day)
		case err != nil:
			return err
		case wait > 0:
			return domain.Refuse(TooMany, "There were too many attempts. Try again in "+inWords(wait)+".")
		default:
			return nil
		}
	}
	return ErrOtherDay
}

// today is the day at now, which the buckets are asked for once.
func (l *Limits) today(ctx context.Context, now time.Time) (Day, error) {
	l.mu.Lock()
	day := l.day
	l.mu.Unlock()
	if now.Before(day.Until) {
		return day, nil
	}
	drawn := Day{Until: now.Add(keyDay)}
	if _, err := io.ReadFull(l.random, drawn.Salt[:]); err != nil {
		return Day{}, fmt.Errorf("randomness for the limits on attempts: %w", err)
	}
	day, err := l.buckets.Day(ctx, now, drawn)
	if err != nil {
		return Day{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.day = day
	return day, nil
}

// drop forgets a day that is none any more.
func (l *Limits) drop(day Day) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.day.Salt == day.Salt {
		l.day = Day{}
	}
}

// of gives the buckets of an attempt.
func (l *Limits) of(day Day, act Act, from netip.Addr, name string) (all []Bucket) {
	key := l.derive(day.Salt[:])
	for _, row := range l.rows {
		if row.Act != act || row.By == ByName && name == "" {
			continue
		}
		mac := hmac.New(sha256.New, key[:])
		switch row.By {
		case ByAddress:
			mac.Write(network(from))
		case ByName:
			mac.Write([]byte(Login(name))) // however it is typed
		}
		all = append(all, Bucket{
			Row: string(row.Act) + " by " + string(row.By), Key: [sha256.Size]byte(mac.Sum(nil)), Every: row.Every, Burst: row.Burst,
		})
	}
	return all
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
