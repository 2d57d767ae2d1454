package signin

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Buckets are where limits count. Each is a token bucket: it holds as many tokens as its burst when it is new, an attempt takes one,
// and each time Every has gone by there is one more. Processes that share them share their limits. Package signintest holds the suite
// that each passes. The instants are the caller's.
type Buckets interface {
	// Day gives the day at now. Where there is none, or it is over, it is the one that was drawn, and all buckets are new.
	Day(ctx context.Context, now time.Time, drawn Day) (Day, error)
	// Take takes a token out of each bucket. If one of them has none, it takes none at all, and says how long it is until each has one.
	// No two of them are of one row. The error matches ErrOtherDay if the salt is not the day's, or the day is over.
	Take(ctx context.Context, now time.Time, salt [sha256.Size]byte, of []Bucket) (wait time.Duration, err error)
	// Forget removes the day that is over with all its buckets, and may remove buckets that are full.
	Forget(ctx context.Context, now time.Time) error
}

// A Day is for how long things are hashed under one key.
type Day struct {
	Salt  [sha256.Size]byte // random
	Until time.Time
}

// A Bucket is what counts for a row of the limits and one address or name, which is in it as a keyed hash only.
type Bucket struct {
	Row   string
	Key   [sha256.Size]byte
	Every time.Duration
	Burst int
}

// ErrOtherDay says that hashes were made for another day.
var ErrOtherDay = errors.New("the limits on attempts are counted under another salt by now")

// MaxBuckets is how many addresses or names each row remembers. Whoever is forgotten begins anew; what is allowed overall still
// holds.
const MaxBuckets = 1 << 16

// MemoryBuckets makes buckets in the memory of this process.
func MemoryBuckets() Buckets { return &memoryBuckets{} }

type memoryBuckets struct {
	mu    sync.Mutex
	day   Day
	table map[string]*simplelru.LRU[[sha256.Size]byte, *rate.Limiter] // by row
}

func (b *memoryBuckets) Day(_ context.Context, now time.Time, drawn Day) (Day, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.day.Until) {
		b.day, b.table = drawn, map[string]*simplelru.LRU[[sha256.Size]byte, *rate.Limiter]{}
	}
	return b.day, nil
}

func (b *memoryBuckets) Take(_ context.Context, now time.Time, salt [sha256.Size]byte, of []Bucket) (wait time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if salt != b.day.Salt || !now.Before(b.day.Until) {
		return 0, ErrOtherDay
	}
	var taken []*rate.Reservation
	for _, one := range of {
		r := b.limiter(one).ReserveN(now, 1)
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now))
	}
	if wait > 0 {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	return wait, nil
}

func (b *memoryBuckets) limiter(of Bucket) *rate.Limiter {
	t := b.table[of.Row]
	if t == nil {
		var err error
		if t, err = simplelru.NewLRU[[sha256.Size]byte, *rate.Limiter](MaxBuckets, nil); err != nil {
			panic(err) // unreachable: the size is positive
		}
		b.table[of.Row] = t
	}
	lim, ok := t.Get(of.Key)
	if !ok {
		lim = rate.NewLimiter(rate.Every(of.Every), of.Burst)
		t.Add(of.Key, lim)
	}
	return lim
}

func (b *memoryBuckets) Forget(_ context.Context, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.day.Until) {
		b.day, b.table = Day{}, nil
	}
	return nil
}
