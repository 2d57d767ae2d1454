package signin

import (
	"crypto/sha256"

	"golang.org/x/crypto/argon2"
)

// What the tests need to know of the code's form.
const (
	Alphabet  = alphabet
	GroupSize = groupSize
	CodeSize  = codeSize
)

// OTPOf gives the one-time codes of a secret in base32.
func OTPOf(secret string) OTP { return OTP{func() string { return secret }} }

// CheapPassword is the hash of a password at another cost than today's.
func CheapPassword(password string, salt []byte) []byte {
	p := phc{memory: 64, time: 1, lanes: 1, salt: salt}
	p.key = argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.lanes, keySize)
	return p.text()
}

// Remembered is how many addresses or names all limits remember now.
func (l *Limits) Remembered() (n int) {
	for _, t := range l.buckets.(*memoryBuckets).table {
		n += t.Len()
	}
	return n
}

// Turns is how many passwords are hashed at once.
const Turns = atOnce

// TakeTurns takes every turn there is, until leave is called.
func TakeTurns() (leave func()) {
	for range atOnce {
		slots <- struct{}{}
	}
	return func() {
		for range atOnce {
			<-slots
		}
	}
}

// Held is what the limits hold of addresses and names, with the key of the day first.
func (l *Limits) Held() (all [][sha256.Size]byte) {
	all = append(all, l.buckets.(*memoryBuckets).day.Salt)
	for _, t := range l.buckets.(*memoryBuckets).table {
		all = append(all, t.Keys()...)
	}
	return all
}
