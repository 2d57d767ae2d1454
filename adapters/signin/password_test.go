package signin_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"samtykke/adapters/signin"
	"samtykke/domain"
)

const goodPassword = "fire blå ugler på taket"

func hashed(t *testing.T, password string, seed uint64) []byte {
	t.Helper()
	salt, err := signin.NewSalt(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	hash, err := signin.HashPassword(t.Context(), password, salt)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func verify(t *testing.T, hash []byte, password string) (ok, stale bool) {
	t.Helper()
	ok, stale, err := signin.VerifyPassword(t.Context(), hash, password)
	if err != nil {
		t.Fatal(err)
	}
	return ok, stale
}

func TestPassword(t *testing.T) {
	hash := hashed(t, goodPassword, 1)
	if !strings.HasPrefix(string(hash), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("another cost, or another form: %s", hash)
	}
	if ok, stale := verify(t, hash, goodPassword); !ok || stale {
		t.Errorf("its own password: %v, to be made anew: %v", ok, stale)
	}
	for _, wrong := range []string{"", goodPassword + " ", strings.ToUpper(goodPassword), goodPassword[:len(goodPassword)-1]} {
		if ok, stale := verify(t, hash, wrong); ok || stale {
			t.Errorf("%q fits, or is to be hashed anew", wrong)
		}
	}
	if bytes.Equal(hash, hashed(t, goodPassword, 2)) {
		t.Error("two salts, one hash")
	}
	// No hash is nobody's: not even that of zeros, which is compared with instead.
	for _, none := range [][]byte{nil, {}} {
		if ok, stale := verify(t, none, goodPassword); ok || stale {
			t.Error("nobody's password fits")
		}
	}
}

// The reference implementation's own vector (argon2 -id, its test.c): another hash than today's is still read, and made anew.
func TestPasswordOfAnotherCost(t *testing.T) {
	const vector = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	if ok, stale := verify(t, []byte(vector), "password"); !ok || !stale {
		t.Errorf("fits: %v, to be made anew: %v", ok, stale)
	}
	cheap := signin.CheapPassword(goodPassword, []byte("0123456789abcdef"))
	if ok, stale := verify(t, cheap, goodPassword); !ok || !stale {
		t.Errorf("fits: %v, to be made anew: %v", ok, stale)
	}
	if ok, stale := verify(t, cheap, goodPassword+"x"); ok || stale {
		t.Error("a wrong password, or one to be kept")
	}
}

// What is no hash is a failure, not a wrong password; what would take all memory is not tried.
func TestBadPHC(t *testing.T) {
	good := string(hashed(t, goodPassword, 1))
	for _, bad := range []string{
		"x", "$", good[1:], good + "$", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=19456", "m=99999999", 1), strings.Replace(good, "m=19456", "m=019456", 1), strings.Replace(good, "t=2", "t=0", 1),
		strings.Replace(good, "t=2", "t=99", 1), strings.Replace(good, "p=1", "p=0", 1), good[:len(good)-30], good + "=", good[:31] + "$" + good[len(good)-43:],
	} {
		ok, _, err := signin.VerifyPassword(t.Context(), []byte(bad), goodPassword)
		if err == nil || ok || domain.Refused(err) != "" {
			t.Errorf("%s: %v, %v", bad, ok, err)
		} else if strings.Contains(err.Error(), good[40:50]) {
			t.Errorf("the error shows the hash: %v", err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	const login = "Siri.Sol@example.org"
	for password, good := range map[string]bool{
		goodPassword: true, "abcdefghijk": false, "xkcd jumps ae": true, "æøåæøåæøåæøå": true, "æøåæøåæøåæø": false, // characters, not bytes
		strings.Repeat("ab", 64): true, strings.Repeat("ab", 64) + "c": false, strings.Repeat("æø", 64): true,
		"":                    false,
		"passord12345":        false,
		"PassOrd12345":        false,
		"123456789012":        false,
		"aaaaaaaaaaaaaa":      false,
		"ØØØØØØØØØØØØØ":       false,
		"aaaaaaaaaaaaab":      true,
		"siri.sol er best":    false,
		"jeg er SIRI.SOL!":    false,
		"siri sol er best":    true,
		"abc\xffdefghijklmno": false,
	} {
		err := signin.CheckPassword(password, login)
		if (err == nil) != good || err != nil && domain.Refused(err) != signin.WeakPassword {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil && password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("the refusal repeats it: %v", err)
		}
	}
	// A short name, or none, is no reason: too many passwords have it in them.
	for _, login := range []string{"", "a@example.org", "ab@example.org", "@example.org"} {
		if err := signin.CheckPassword("a lab in a cab at sea", login); err != nil {
			t.Errorf("%q: %v", login, err)
		}
	}
	if signin.CheckPassword("a lab in a cab at sea", "lab@example.org") == nil {
		t.Error("a name of three letters in it")
	}
}

// Two at once, and whoever waits gives up with the request.
func TestPasswordsTakeTurns(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	salt, err := signin.NewSalt(seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	leave := signin.TakeTurns()
	_, err = signin.HashPassword(ended, goodPassword, salt)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("while others take their turns: %v", err)
	}
	if _, _, err = signin.VerifyPassword(ended, nil, goodPassword); !errors.Is(err, context.Canceled) {
		t.Errorf("while others take their turns: %v", err)
	}
	leave()
	if signin.Turns != 2 {
		t.Errorf("%d at once", signin.Turns)
	}
	if _, err := signin.NewSalt(bytes.NewReader(make([]byte, 15))); err == nil {
		t.Error("a salt of 15 random bytes")
	}
}
