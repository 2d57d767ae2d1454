package signin

import (
	"bytes"
	"context"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"samtykke/domain"
)

// What a password costs: the second of OWASP's choices of equal strength (Password Storage Cheat Sheet), which takes least memory
// of those with few rounds.
const (
	memoryCost = 19 * 1024 // KiB
	timeCost   = 2
	lanes      = 1
	saltSize   = 16
	keySize    = 32
)

// How long a password is, in characters.
const (
	shortestPassword = 12
	longestPassword  = 128
)

// WeakPassword is the code of the refusal of a password.
const WeakPassword = "weak-password"

//go:embed passwords.txt
var passwordList string

// mostUsed are passwords that are guessed first, in lower case.
var mostUsed = func() map[string]bool {
	m := map[string]bool{}
	for line := range strings.Lines(passwordList) {
		if p := strings.TrimSpace(line); p != "" && !strings.HasPrefix(p, "#") {
			m[p] = true
		}
	}
	return m
}()

// CheckPassword refuses a password that is too short or too long, one of the most used, or one with the part of the login name
// before the @ in it. The refusal never repeats it.
func CheckPassword(password, login string) error {
	n := utf8.RuneCountInString(password)
	low := strings.ToLower(password)
	local, _, _ := strings.Cut(Login(login), "@")
	switch {
	case !utf8.ValidString(password):
		return domain.Refuse(WeakPassword, "The password has characters that cannot be read.")
	case n < shortestPassword:
		return domain.Refuse(WeakPassword, fmt.Sprintf("The password is too short: it takes %d characters.", shortestPassword))
	case n > longestPassword:
		return domain.Refuse(WeakPassword, fmt.Sprintf("The password is too long: it has room for %d characters.", longestPassword))
	case mostUsed[low] || strings.Count(low, string([]rune(low)[0])) == n:
		return domain.Refuse(WeakPassword, "The password is one of those that are guessed first. Take another.")
	case utf8.RuneCountInString(local) >= 3 && strings.Contains(low, local):
		return domain.Refuse(WeakPassword, "The password has the login name in it. Take another.")
	}
	return nil
}

// A Salt makes the hashes of equal passwords differ.
type Salt [saltSize]byte

// NewSalt draws a salt.
func NewSalt(random io.Reader) (s Salt, err error) {
	if _, err = io.ReadFull(random, s[:]); err != nil {
		err = fmt.Errorf("randomness for a password: %w", err)
	}
	return s, err
}

// atOnce is how many passwords are hashed at once, so that many sign-ins at a time take time and not memory.
const atOnce = 2

var slots = make(chan struct{}, atOnce)

// derive waits for its turn, or until ctx ends.
func derive(ctx context.Context, password string, p phc) ([]byte, error) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.lanes, uint32(len(p.key))), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// HashPassword gives the password's hash at today's cost, in PHC form.
func HashPassword(ctx context.Context, password string, s Salt) ([]byte, error) {
	p := today
	p.salt = s[:]
	key, err := derive(ctx, password, p)
	p.key = key
	return p.text(), err
}

// VerifyPassword tells whether the hash is the password's. No hash is nobody's password's, and finding that out costs the same.
// Stale says that the hash is to be made anew, at today's cost.
func VerifyPassword(ctx context.Context, hash []byte, password string) (ok, stale bool, err error) {
	p, known := today, len(hash) > 0
	if known {
		if p, err = parsePHC(hash); err != nil {
			return false, false, err
		}
	}
	key, err := derive(ctx, password, p)
	if err != nil {
		return false, false, err
	}
	same := subtle.ConstantTimeCompare(key, p.key) == 1
	stale = p.memory != today.memory || p.time != today.time || p.lanes != today.lanes || len(p.key) != keySize || len(p.salt) != saltSize
	return known && same, known && same && stale, nil
}

// A phc is a hash with what it was made with, as the Password Hashing Competition's string form says it.
type phc struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

// today is what passwords are hashed with, and a hash that is nobody's.
var today = phc{memory: memoryCost, time: timeCost, lanes: lanes, salt: make([]byte, saltSize), key: make([]byte, keySize)}

var base = base64.RawStdEncoding.Strict()

func (p phc) text() []byte {
	return fmt.Appendf(nil, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.time, p.lanes, base.EncodeToString(p.salt), base.EncodeToString(p.key))
}

var errPHC = errors.New("what is stored is not the hash of a password")

// parsePHC reads what text gives, and nothing that would cost more than a server has.
func parsePHC(hash []byte) (p phc, err error) {
	parts := strings.Split(string(hash), "$")
	if len(parts) != 6 {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return p, errPHC
	}
	p.salt, err = base.DecodeString(parts[4])
	if err == nil {
		p.key, err = base.DecodeString(parts[5])
	}
	const mostMemory, mostTime = 1 << 18, 16 // 256 MiB
	if err != nil || p.memory > mostMemory || p.time < 1 || p.time > mostTime || p.lanes < 1 || len(p.salt) < 8 || len(p.key) < 16 ||
		!bytes.Equal(p.text(), hash) { // there is one way to write it
		return phc{}, errPHC
	}
	return p, nil
}
