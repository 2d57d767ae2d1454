package signintest

import (
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/signin"
)

// A BucketPlace is where buckets are. Each call opens them once more, as another process does that shares them; buckets that only one
// process can have are the same each time.
type BucketPlace func(t *testing.T) signin.Buckets

// TestBuckets runs the suite. Open prepares an empty place, for each call another.
func TestBuckets(t *testing.T, open func(t *testing.T) BucketPlace) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, in []signin.Buckets)
	}{
		{"a day is one for all, and then another", days},
		{"as many as the burst at once, then one each time", bursts},
		{"all buckets or none", allOrNone},
		{"rows and keys are apart", apart},
		{"they count as buckets in memory do", asInMemory},
		{"what is forgotten changes nothing while it counts", forgetsBuckets},
		{"many at once take no more than there is", raceForTokens},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := open(t)
			var in []signin.Buckets
			for range processes {
				in = append(in, place(t))
			}
			c.run(t, in)
		})
	}
}

func day(n byte, until time.Time) signin.Day {
	return signin.Day{Salt: [sha256.Size]byte{n, 31: 1}, Until: until}
}

// today begins the first day of an empty place.
func today(t *testing.T, in signin.Buckets) signin.Day {
	t.Helper()
	d, err := in.Day(t.Context(), Noon, day(1, Noon.Add(24*time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func bucket(row string, n int, every time.Duration, burst int) signin.Bucket {
	return signin.Bucket{Row: row, Key: [sha256.Size]byte{byte(n), byte(n >> 8)}, Every: every, Burst: burst}
}

// takes takes a token of each, after so long, and expects to be told to wait so long.
func takes(t *testing.T, in signin.Buckets, after, want time.Duration, of ...signin.Bucket) {
	t.Helper()
	wait, err := in.Take(t.Context(), Noon.Add(after), day(1, Noon).Salt, of)
	if wait != want || err != nil {
		t.Errorf("after %v: wait %v, %v; expected %v", after, wait, err, want)
	}
}

func days(t *testing.T, in []signin.Buckets) {
	is := func(process int, at time.Duration, drawn, want byte, until time.Duration) {
		t.Helper()
		d, err := in[process].Day(t.Context(), Noon.Add(at), day(drawn, Noon.Add(at+24*time.Hour)))
		if err != nil || d.Salt != day(want, Noon).Salt || !d.Until.Equal(Noon.Add(until)) {
			t.Errorf("after %v it is day %d until %v, %v; expected %d until %v", at, d.Salt[0], d.Until, err, want, Noon.Add(until))
		}
	}
	one := bucket("row", 1, 100*time.Hour, 1)
	takeOf := func(process int, at time.Duration, salt byte, want error) {
		t.Helper()
		if _, err := in[process].Take(t.Context(), Noon.Add(at), day(salt, Noon).Salt, []signin.Bucket{one}); !errors.Is(err, want) {
			t.Errorf("after %v under salt %d: %v, expected %v", at, salt, err, want)
		}
	}
	takeOf(0, 0, 0, signin.ErrOtherDay)
	is(0, 0, 1, 1, 24*time.Hour)
	is(1, time.Hour, 2, 1, 24*time.Hour)
	takeOf(2, time.Hour, 1, nil)
	takeOf(0, time.Hour, 2, signin.ErrOtherDay)
	takes(t, in[1], 24*time.Hour-1, 77*time.Hour+1, one)
	takeOf(1, 24*time.Hour, 1, signin.ErrOtherDay)
	is(2, 24*time.Hour, 3, 3, 48*time.Hour)
	takeOf(0, 24*time.Hour, 1, signin.ErrOtherDay)
	takeOf(0, 24*time.Hour, 3, nil)
	is(0, 23*time.Hour, 4, 3, 48*time.Hour) // a clock that is behind
	for p := range in {
		if err := in[p].Forget(t.Context(), Noon.Add(48*time.Hour)); err != nil {
			t.Error(err)
		}
	}
	takeOf(1, 47*time.Hour, 3, signin.ErrOtherDay)
	is(1, 47*time.Hour, 5, 5, 71*time.Hour)
}

func bursts(t *testing.T, in []signin.Buckets) {
	today(t, in[0])
	one := bucket("row", 1, 6*time.Second, 10)
	for n := range 10 {
		takes(t, in[n%processes], 0, 0, one)
	}
	for p := range in {
		takes(t, in[p], 0, 6*time.Second, one) // and whoever is refused has lost nothing by it
	}
	takes(t, in[0], 5*time.Second, time.Second, one)
	takes(t, in[1], 6*time.Second-time.Microsecond, time.Microsecond, one)
	takes(t, in[2], 6*time.Second, 0, one)
	takes(t, in[0], 6*time.Second, 6*time.Second, one)
	for n := range 10 {
		takes(t, in[n%processes], time.Hour, 0, one)
	}
	takes(t, in[1], time.Hour, 6*time.Second, one) // what was not used does not add up
}

func allOrNone(t *testing.T, in []signin.Buckets) {
	today(t, in[0])
	much, little := bucket("much", 1, time.Second, 3), bucket("little", 1, time.Minute, 1)
	takes(t, in[0], 0, 0, much, little)
	for range 5 {
		takes(t, in[1], 0, time.Minute, much, little)
	}
	takes(t, in[2], 0, 0, much)
	takes(t, in[0], 0, 0, much)
	takes(t, in[1], 0, time.Second, much)
	takes(t, in[1], 0, time.Minute, much, little) // the longest of the two
}

func apart(t *testing.T, in []signin.Buckets) {
	today(t, in[0])
	takes(t, in[0], 0, 0, bucket("row", 1, time.Minute, 1))
	takes(t, in[1], 0, 0, bucket("row", 2, time.Minute, 1))
	takes(t, in[2], 0, 0, bucket("other", 1, time.Minute, 1))
	takes(t, in[0], 0, time.Minute, bucket("other", 1, time.Minute, 1))
	takes(t, in[0], 0, 0)
}

// asInMemory takes at random, at instants that fall on the limits as often as beside them.
func asInMemory(t *testing.T, in []signin.Buckets) {
	memory := signin.MemoryBuckets()
	today(t, in[0])
	today(t, memory)
	random := rand.New(rand.NewPCG(5, 18))
	now := Noon
	refused := 0
	for n := range 400 {
		now = now.Add(time.Duration(random.IntN(5)) * 500 * time.Millisecond)
		of := []signin.Bucket{bucket("address", random.IntN(3), 6*time.Second, 4), bucket("overall", 0, 2*time.Second, 3)}
		want, err := memory.Take(t.Context(), now, day(1, Noon).Salt, of)
		if err != nil {
			t.Fatal(err)
		}
		got, err := in[n%processes].Take(t.Context(), now, day(1, Noon).Salt, of)
		if off := got - want; err != nil || (got > 0) != (want > 0) || off < -1 || off > 1 { // memory counts in fractions, to a nanosecond
			t.Fatalf("take %d: wait %v, %v; in memory %v", n, got, err, want)
		}
		if got > 0 {
			refused++
		}
		if n%50 == 0 {
			if err := in[n%processes].Forget(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
	}
	if refused < 50 || refused > 350 {
		t.Errorf("%d of 400 were refused: both should be common", refused)
	}
}

func forgetsBuckets(t *testing.T, in []signin.Buckets) {
	today(t, in[0])
	one := bucket("row", 1, time.Minute, 2)
	takes(t, in[0], 0, 0, one)
	takes(t, in[0], 0, 0, one)
	if err := in[1].Forget(t.Context(), Noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	takes(t, in[2], time.Minute, 0, one)
	takes(t, in[2], time.Minute, time.Minute, one)
}

func raceForTokens(t *testing.T, in []signin.Buckets) {
	today(t, in[0])
	var taken, refused atomic.Int64
	var all sync.WaitGroup
	for n := range 30 {
		all.Go(func() {
			for i := range 4 {
				of := []signin.Bucket{bucket("name", n*4+i, time.Hour, 1), bucket("overall", 0, time.Hour, 50)}
				wait, err := in[n%processes].Take(t.Context(), Noon, day(1, Noon).Salt, of)
				if err != nil {
					t.Error(err)
				}
				if wait == 0 {
					taken.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() != 50 || refused.Load() != 70 {
		t.Errorf("%d taken and %d refused of 120, where there are 50", taken.Load(), refused.Load())
	}
}
