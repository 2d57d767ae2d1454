package disclosure

import (
	"errors"
	"math/big"
)

// A PRF is a keyed pseudo-random function: HMAC-SHA256 under the secret of a series of releases. The secret is its owner's; who
// has it can take the noise off.
type PRF func(message []byte) [32]byte

// A RecordSum stands for a set of persons: the sum, modulo 2^64, of the record keys of its members. The zero is the empty set; sets
// without a common member are added with +.
type RecordSum uint64

// A NoiseKey perturbs counts by the cell key method. The same set of persons gets the same noise in any table and release of a
// series. Made by NewNoiseKey.
type NoiseKey struct {
	prf       PRF
	threshold int
	again     uint32 // 2^32 e^-epsilon, rounded up
}

// NewNoiseKey takes epsilon in thousandths (0 means 1000, which is an epsilon of 1; at least 1, at most 20000) and the rules, for
// the Threshold that no published value is below.
func NewNoiseKey(prf PRF, epsilon int, r Rules) (NoiseKey, error) {
	if epsilon == 0 {
		epsilon = 1000
	}
	if epsilon < 1 || epsilon > 20000 {
		return NoiseKey{}, errors.New("disclosure: epsilon is not between 0.001 and 20")
	}
	return NoiseKey{prf: prf, threshold: r.orDefault().Threshold, again: again(epsilon)}, nil
}

// again is 2^32 e^(-epsilon/1000), rounded up. In rational numbers: floating point differs between machines. The alternating
// series is cut once its terms are below 2^-64, before one that is taken off, so it is never too small.
func again(epsilon int) uint32 {
	x := big.NewRat(int64(epsilon), 1000)
	sum, term := big.NewRat(1, 1), big.NewRat(1, 1)
	limit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 64))
	for n := int64(1); n%2 == 0 || term.Cmp(limit) > 0; n++ {
		term.Mul(term, x).Mul(term, big.NewRat(1, n))
		if n%2 == 1 {
			sum.Sub(sum, term)
		} else {
			sum.Add(sum, term)
		}
	}
	sum.Mul(sum, new(big.Rat).SetInt64(1<<32))
	return uint32(new(big.Int).Quo(sum.Num(), sum.Denom()).Uint64() + 1)
}

// Record is the record key of a person, under whatever name the caller has for him that never changes.
func (k NoiseKey) Record(person []byte) RecordSum {
	sum := k.prf(append([]byte("record\x00"), person...))
	return RecordSum(word64(sum[:8]))
}

// Perturb gives the count to publish of a set of persons: persons, with its noise, and never below the threshold. It is for
// cells that a Pattern shows.
func (k NoiseKey) Perturb(persons int, sum RecordSum) int {
	return max(k.threshold, persons+k.Noise(persons, sum))
}

// Noise is what Perturb adds: the difference of two geometric numbers, which is two-sided geometric: k with probability
// (1-q)/(1+q) q^|k|, where q is again/2^32. Words are drawn from the function until one says stop, so there is no largest k.
func (k NoiseKey) Noise(persons int, sum RecordSum) int {
	message := []byte("cell\x00")
	message = put64(message, uint64(sum))
	message = put64(message, uint64(persons))
	var block [32]byte
	drawn := uint64(0)
	word := func() uint32 {
		if drawn%8 == 0 {
			block = k.prf(put64(message[:len(message):len(message)], drawn/8))
		}
		at := drawn % 8 * 4
		drawn++
		return uint32(word64(append([]byte{0, 0, 0, 0}, block[at:at+4]...)))
	}
	up, down := 0, 0
	for word() < k.again {
		up++
	}
	for word() < k.again {
		down++
	}
	return up - down
}

// word64 and put64 read and write big-endian numbers; this folder does not import encoding.
func word64(b []byte) (n uint64) {
	for _, x := range b[:8] {
		n = n<<8 | uint64(x)
	}
	return n
}

func put64(b []byte, n uint64) []byte {
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(n>>shift))
	}
	return b
}
