package signin_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samtykke/adapters/signin"
)

func newConfirmation(t rapid.TB, seed uint64) string {
	t.Helper()
	c, err := signin.NewConfirmation(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A confirmation code reads as it was drawn, however it is typed; every single wrong character and every exchange of two is
// caught.
func TestConfirmation(t *testing.T) {
	for seed := range uint64(200) {
		c := newConfirmation(t, seed)
		if len(c) != 8 {
			t.Fatalf("%d characters", len(c))
		}
		for _, typed := range []string{c, strings.ToLower(c), c[:4] + "-" + c[4:], " " + c[:4] + " " + c[4:] + "\n"} {
			if got, err := signin.ParseConfirmation(typed); err != nil || got != c {
				t.Errorf("%q reads as %q: %v", typed, got, err)
			}
		}
		for place := range c {
			for _, other := range signin.Alphabet {
				wrong := c[:place] + string(other) + c[place+1:]
				if _, err := signin.ParseConfirmation(wrong); wrong != c && err == nil {
					t.Fatalf("%q is taken for %q", wrong, c)
				}
			}
			for before := range place {
				wrong := []byte(c)
				wrong[place], wrong[before] = wrong[before], wrong[place]
				if _, err := signin.ParseConfirmation(string(wrong)); string(wrong) != c && err == nil {
					t.Fatalf("%q is taken for %q", wrong, c)
				}
			}
		}
	}
	if newConfirmation(t, 1) == newConfirmation(t, 2) {
		t.Error("two seeds gave one")
	}
	if _, err := signin.NewConfirmation(bytes.NewReader(nil)); err == nil {
		t.Error("one without randomness")
	}
	for typed, want := range map[string]signin.Mistake{
		"": {Kind: signin.WrongLength, Want: 8}, "ACDEFGH": {Kind: signin.WrongLength, Length: 7, Want: 8},
		"ACDEFG?H": {Kind: signin.NeverUsed, Place: 7}, "ACDEFGHJ": {Kind: signin.ConfirmationMistyped},
	} {
		var m *signin.Mistake
		if _, err := signin.ParseConfirmation(typed); !errors.As(err, &m) || *m != want {
			t.Errorf("%q: %v", typed, err)
		}
	}
	if got := (&signin.Mistake{Kind: signin.ConfirmationMistyped}).Error(); got != "something is mistyped in the confirmation code" {
		t.Error(got)
	}
}

// What is stored of one kind is never taken for another, nor of one invitation for another's.
func TestHashesOfTheirOwn(t *testing.T) {
	key := aKey(t, someKey)
	a, b := newCode(t, 1), newCode(t, 2)
	confirmation := newConfirmation(t, 1)
	seen := map[[32]byte]string{}
	for what, h := range map[string][32]byte{
		"a client's code": a.Hash(key), "an invitation": a.InvitationHash(key), "another invitation": b.InvitationHash(key),
		"its confirmation": a.ConfirmationHash(key, confirmation), "the same of another": b.ConfirmationHash(key, confirmation),
		"another confirmation": a.ConfirmationHash(key, newConfirmation(t, 2)), "a login": signin.LoginHash(key, "siri@example.org"),
		"another login": signin.LoginHash(key, "sir@example.org"), "under another key": a.InvitationHash(aKey(t, "x123456789abcdef0123456789abcdef")),
		"a login that reads like an invitation": signin.LoginHash(key, plain(a)),
	} {
		if other, twice := seen[h]; twice || h == [32]byte{} {
			t.Errorf("%s has the hash of %s", what, other)
		}
		seen[h] = what
	}
	for _, typed := range []string{" siri@example.org\n", "SIRI@Example.ORG"} {
		if signin.LoginHash(key, typed) != signin.LoginHash(key, "siri@example.org") {
			t.Errorf("%q is another login name", typed)
		}
	}
}
