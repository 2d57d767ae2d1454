package disclosure

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func hmacSHA256(key string) PRF {
	return func(message []byte) (sum [32]byte) {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(message)
		mac.Sum(sum[:0])
		return sum
	}
}

func noiseKey(t testing.TB, prf PRF, epsilon int) NoiseKey {
	t.Helper()
	k, err := NewNoiseKey(prf, epsilon, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEpsilon(t *testing.T) {
	if got := again(1000); got != 1580030169 { // 2^32/e is 1580030168.7
		t.Errorf("%d", got)
	}
	for _, epsilon := range []int{1, 100, 693, 1500, 5000, 20000} {
		got, want := float64(again(epsilon)), math.Exp(-float64(epsilon)/1000)*(1<<32)
		if got < want-1e-5 || got > want+1+1e-5 {
			t.Errorf("epsilon %d: %f, want %f rounded up", epsilon, got, want)
		}
	}
	for _, epsilon := range []int{-1, 20001} {
		if _, err := NewNoiseKey(hmacSHA256("k"), epsilon, Rules{}); err == nil {
			t.Errorf("an epsilon of %d was taken", epsilon)
		}
	}
}

// The words that are drawn say what the noise is, and nothing bounds it.
func TestNoiseFromWords(t *testing.T) {
	for _, c := range []struct{ up, down int }{{0, 0}, {1, 0}, {0, 1}, {3, 5}, {200, 0}, {0, 77}} {
		drawn := 0
		k := noiseKey(t, func([]byte) (block [32]byte) {
			for i := range 8 {
				if drawn == c.up || drawn == c.up+1+c.down {
					copy(block[4*i:], []byte{0xff, 0xff, 0xff, 0xff})
				}
				drawn++
			}
			return block
		}, 0)
		if got := k.Noise(10, 1); got != c.up-c.down {
			t.Errorf("%d up and %d down: %d", c.up, c.down, got)
		}
	}
	k := noiseKey(t, func([]byte) (block [32]byte) { // the limit itself stops, what is just below goes on
		copy(block[:], []byte{0x5e, 0x2d, 0x58, 0xd8, 0x5e, 0x2d, 0x58, 0xd9, 0x5e, 0x2d, 0x58, 0xd9})
		return block
	}, 0)
	if got := k.Noise(10, 1); got != 1 {
		t.Errorf("at the limit: %d", got)
	}
}

// Chi-square against the two-sided geometric distribution: 11 classes, 10 degrees of freedom, 29.6 at one in a thousand.
func TestNoiseIsGeometric(t *testing.T) {
	for _, epsilon := range []int{500, 1000, 2000} {
		const n, tail = 40000, 5
		var seen [2*tail + 1]int
		k := noiseKey(t, hmacSHA256("a series"), epsilon)
		for i := range n {
			noise := k.Noise(20, k.Record(fmt.Append(nil, i)))
			seen[max(-tail, min(tail, noise))+tail]++
		}
		q := math.Exp(-float64(epsilon) / 1000)
		chi := 0.0
		for i, got := range seen {
			distance := math.Abs(float64(i - tail))
			want := n * (1 - q) / (1 + q) * math.Pow(q, distance)
			if distance == tail {
				want /= 1 - q
			}
			chi += (float64(got) - want) * (float64(got) - want) / want
		}
		if chi > 29.6 {
			t.Errorf("epsilon %d: chi-square %.1f: %v", epsilon, chi, seen)
		}
	}
}

// Who knows all but one of a group, and so that they are n or n+1, is never certain: every published value is possible
// under both, with probabilities whose ratio is at most e^epsilon, exactly. It is 1/q; at the lower limit it is less.
func TestNeverCertain(t *testing.T) {
	for _, epsilon := range []int{500, 1000} {
		q := big.NewRat(int64(again(epsilon)), 1<<32)
		one := big.NewRat(1, 1)
		power := func(n int) *big.Rat {
			x := big.NewRat(1, 1)
			for range n {
				x.Mul(x, q)
			}
			return x
		}
		scale := new(big.Rat).Quo(new(big.Rat).Sub(one, q), new(big.Rat).Add(one, q))
		published := func(v, persons, limit int) *big.Rat { // the probability
			d := v - persons
			p := new(big.Rat).Mul(scale, power(max(d, -d)))
			if v > limit {
				return p
			}
			upTo := new(big.Rat).Quo(p, new(big.Rat).Sub(one, q)) // d and all below it, for d <= 0
			return upTo
		}
		bound := new(big.Rat).Inv(q)
		if f, _ := bound.Float64(); f > math.Exp(float64(epsilon)/1000) {
			t.Errorf("the ratio of neighbours %v is above e^epsilon", f)
		}
		for persons := 5; persons < 12; persons++ {
			total := new(big.Rat)
			for v := 5; v < persons+40; v++ {
				a, b := published(v, persons, 5), published(v, persons+1, 5)
				total.Add(total, a)
				ratio := new(big.Rat).Quo(a, b)
				if a.Sign() <= 0 || b.Sign() <= 0 || ratio.Cmp(bound) > 0 || ratio.Cmp(q) < 0 {
					t.Fatalf("%d of %d or %d: ratio %v", v, persons, persons+1, ratio)
				}
			}
			if f, _ := total.Float64(); f > 1 || f < 1-1e-6 {
				t.Errorf("the probabilities add up to %v", f)
			}
		}
	}
}

func TestSameSetSameNoise(t *testing.T) {
	k := noiseKey(t, hmacSHA256("a series"), 0)
	other := noiseKey(t, hmacSHA256("another series"), 0)
	differs, grown := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 5, 30, rapid.ID).Draw(t, "people")
		again := rapid.Permutation(people).Draw(t, "again")
		sum := func(k NoiseKey, people []string) (s RecordSum) {
			for _, p := range people {
				s += k.Record([]byte(p))
			}
			return s
		}
		n := len(people)
		got := k.Perturb(n, sum(k, people))
		if twice := k.Perturb(n, sum(k, again)); got != twice {
			t.Fatalf("%d once, %d in another order", got, twice)
		}
		if got < 5 {
			t.Fatalf("published %d", got)
		}
		if k.Noise(n, sum(k, people)) != other.Noise(n, sum(other, people)) {
			differs++
		}
		if k.Noise(n, sum(k, people)) != k.Noise(n-1, sum(k, people[1:])) {
			grown++
		}
	})
	if differs == 0 || grown == 0 {
		t.Errorf("the noise does not hang on the key (%d) or on the set (%d)", differs, grown)
	}
}
