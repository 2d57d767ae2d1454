package signin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/signin"
)

// numbered gives the identity numbers that begin with nine digits, by what is left of the first sum.
func numbered(nine string) map[int]string {
	all := map[int]string{}
	for last := range 100 {
		n := fmt.Sprintf("%s%02d", nine, last)
		first, second := 0, 0
		for i, w := range []int{3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0} {
			first += w * int(n[i]-'0')
		}
		for i, w := range []int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1} {
			second += w * int(n[i]-'0')
		}
		if second%11 == 0 {
			all[first%11] = n
		}
	}
	return all
}

// Nobody's: all of these days are raised, or the numbers are of none of the series given out.
func TestParseIdentity(t *testing.T) {
	for what, c := range map[string]struct {
		nine string
		want bool
	}{
		"as at birth": {"010170999", true}, "D-number": {"410170999", true}, "help number": {"014170999", true},
		"of Tenor": {"018170999", true}, "made up otherwise": {"016670999", true}, "D-number of Tenor": {"718170999", true},
		"29 February": {"290200999", true}, "29 February of no leap year": {"290201999", false}, "30 February": {"300200999", false},
		"31 April": {"310400999", false}, "day 0": {"000170999", false}, "day 32": {"320170999", false}, "day 72": {"720170999", false},
		"month 0": {"010070999", false}, "month 13": {"011370999", false}, "month 40": {"014070999", false}, "month 53": {"015370999", false},
		"month 65": {"016570999", false}, "month 80": {"018070999", false}, "month 93": {"019370999", false},
	} {
		found := numbered(c.nine)
		if len(found) < 4 {
			t.Fatalf("%s: only %d numbers to try", what, len(found))
		}
		for left, n := range found {
			_, err := signin.ParseIdentity(n)
			if (err == nil) != (c.want && left <= 3) { // 0 until 2032, 0 to 3 from then on
				t.Errorf("%s, whose first sum leaves %d: %v", what, left, err)
			}
			if err != nil && (!errors.Is(err, signin.ErrIdentity) || strings.Contains(err.Error(), n[:4])) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	good := numbered("018170999")[0]
	for i := range good {
		for d := byte('0'); d <= '9'; d++ {
			changed := good[:i] + string(d) + good[i+1:]
			if _, err := signin.ParseIdentity(changed); err == nil && changed != good {
				t.Errorf("with another digit %d it is taken", i)
			}
		}
	}
	for _, typed := range []string{"", good[1:], good + "0", good[:10] + "x", "+" + good[1:], strings.Repeat("0", 11), good[:10] + "\u0660"} {
		if _, err := signin.ParseIdentity(typed); err == nil {
			t.Errorf("%q is taken", typed)
		}
	}
}

func TestIdentityHash(t *testing.T) {
	keyed := func(content string) signin.HashKey {
		d := simdisk.New(rand.NewPCG(1, 1))
		d.WriteFile("code.key", []byte(content))
		return loadKey(t, d)
	}
	a, b := keyed("0123456789abcdef0123456789abcdef"), keyed("0123456789abcdef0123456789abcdeg")
	parse := func(typed string) signin.Identity {
		i, err := signin.ParseIdentity(typed)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	n, other := numbered("018170999")[0], numbered("018170998")[0]
	if parse(n).Hash(a) != parse(n[:6]+" "+n[6:]).Hash(a) {
		t.Error("the same number has two hashes")
	}
	if parse(n).Hash(a) == parse(other).Hash(a) || parse(n).Hash(a) == parse(n).Hash(b) {
		t.Error("two numbers, or two keys, give one hash")
	}
	i := parse(n)
	var out bytes.Buffer
	for _, v := range []any{i, &i, []signin.Identity{i}, struct{ I signin.Identity }{i}, struct{ i signin.Identity }{i}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, form := range []string{n, n[:6], fmt.Sprintf("%x", n[:6]), strings.Trim(fmt.Sprint([]byte(n[:6])), "[]")} {
		if strings.Contains(out.String(), form) {
			t.Errorf("it shows as %q", form)
		}
	}
	if fmt.Sprint(i) != "[identity number]" {
		t.Errorf("it prints as %v", i)
	}
}
