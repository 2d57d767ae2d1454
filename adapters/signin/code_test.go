package signin_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"pgregory.net/rapid"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/signin"
)

// seeded is a source of randomness that gives the same for the same seed.
func seeded(seed uint64) *mathrand.ChaCha8 {
	return mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), 1})
}

func newCode(t rapid.TB, seed uint64) signin.Code {
	t.Helper()
	code, err := signin.NewCode(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

var someCode = rapid.Custom(func(t *rapid.T) signin.Code {
	return newCode(t, rapid.Uint64Range(0, 1<<32-1).Draw(t, "seed"))
})

// plain is the code's 24 characters.
func plain(c signin.Code) string { return strings.ReplaceAll(c.Slip(), "-", "") }

func TestAlphabet(t *testing.T) {
	size := int64(len(signin.Alphabet))
	if !big.NewInt(size).ProbablyPrime(20) || size <= int64(signin.CodeSize) {
		t.Errorf("%d characters: a prime above the number of places makes every weight count", size)
	}
	for i, char := range signin.Alphabet {
		if strings.ContainsRune("BILOSUZ", char) || strings.ContainsRune(signin.Alphabet[:i], char) {
			t.Errorf("%c is a look-alike, or there twice", char)
		}
	}
	secrets := new(big.Int).Exp(big.NewInt(size), big.NewInt(17), nil)
	if got, want := secrets.String(), "7257147736730073114838109"; got != want {
		t.Errorf("%s secrets, not %s", got, want)
	}
	if bits := secrets.BitLen() - 1; bits != 82 {
		t.Errorf("a secret has at least %d random bits; the page says 82, the design at least 80", bits)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := someCode.Draw(t, "code")
		for _, typed := range []string{code.Slip(), plain(code)} {
			parsed, err := signin.ParseCode(typed)
			if err != nil || !parsed.Equal(code) || parsed.Slip() != code.Slip() {
				t.Fatalf("a code from its own slip: %v", err)
			}
		}
		groups := strings.Split(code.Slip(), "-")
		if len(groups) != 4 || groups[0] != code.Label() {
			t.Fatal("a slip is the label and three groups")
		}
		for _, g := range groups {
			if len(g) != signin.GroupSize {
				t.Fatal("a group has six characters")
			}
		}
		label, err := signin.ParseLabel(code.Label())
		if err != nil || label != code.Label() {
			t.Fatalf("a label by itself: %v", err)
		}
	})
}

// forgiven rewrites a slip as people might type it.
func forgiven(t *rapid.T, slip string) string {
	looks := map[rune]string{'8': "8Bb", '1': "1IiLl", '0': "0OoØø", '5': "5Ss", 'V': "VvUu", '2': "2Zz"}
	between := []string{"", " ", "-", "‐", "‑", "–", "—", "−", " - ", "\t", "\u00a0", "\u00ad", "\u200b", "\ufeff"}
	var typed strings.Builder
	for _, char := range slip {
		if char == '-' || rapid.IntRange(0, 5).Draw(t, "split") == 0 {
			typed.WriteString(rapid.SampledFrom(between).Draw(t, "between"))
		}
		if char == '-' {
			continue
		}
		choices := []rune(looks[char] + string(char) + string(unicode.ToLower(char)))
		typed.WriteRune(rapid.SampledFrom(choices).Draw(t, "typed"))
	}
	return typed.String()
}

func TestForgiving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := someCode.Draw(t, "code")
		parsed, err := signin.ParseCode(forgiven(t, code.Slip()))
		if err != nil || !parsed.Equal(code) {
			t.Fatalf("what can only be meant for this code was refused: %v", err)
		}
		label, err := signin.ParseLabel(forgiven(t, code.Label()))
		if err != nil || label != code.Label() {
			t.Fatalf("what can only be meant for this label was refused: %v", err)
		}
	})
}

// TestEverySubstitution tries all wrong characters at all places of some codes.
func TestEverySubstitution(t *testing.T) {
	for seed := range uint64(50) {
		code := newCode(t, seed)
		for place := range signin.CodeSize {
			for _, other := range []byte(signin.Alphabet) {
				typed := []byte(plain(code))
				if typed[place] == other {
					continue
				}
				typed[place] = other
				want := signin.SecretMistyped
				if place < signin.GroupSize {
					want = signin.LabelMistyped
					mustBe(t, want, labelError(string(typed[:signin.GroupSize])))
				}
				mustBe(t, want, codeError(string(typed)))
			}
		}
	}
}

// TestEveryExchange tries all pairs, neighbours or not.
func TestEveryExchange(t *testing.T) {
	for seed := range uint64(200) {
		code := newCode(t, seed)
		for i := range signin.CodeSize {
			for j := range i {
				typed := []byte(plain(code))
				if typed[i] == typed[j] {
					continue
				}
				typed[i], typed[j] = typed[j], typed[i]
				want := signin.SecretMistyped
				if j < signin.GroupSize {
					want = signin.LabelMistyped
				}
				mustBe(t, want, codeError(string(typed)))
			}
		}
	}
}

func TestMistyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typed := []byte(plain(someCode.Draw(t, "code")))
		place := rapid.IntRange(0, len(typed)-1).Draw(t, "place")
		if rapid.Bool().Draw(t, "exchange") && place+1 < len(typed) && typed[place] != typed[place+1] {
			typed[place], typed[place+1] = typed[place+1], typed[place]
		} else {
			others := strings.ReplaceAll(signin.Alphabet, string(typed[place]), "")
			typed[place] = rapid.SampledFrom([]byte(others)).Draw(t, "other")
		}
		if _, err := signin.ParseCode(string(typed)); err == nil {
			t.Fatal("a wrong character, or two neighbours exchanged, was accepted")
		}
	})
}

// TestOtherSecret: the label of one slip with the secret of another is no code, but for one chance in 29.
func TestOtherSecret(t *testing.T) {
	accepted := 0
	for seed := range uint64(2900) {
		mine, other := newCode(t, seed), newCode(t, seed+10_000)
		if _, err := signin.ParseCode(mine.Label() + plain(other)[signin.GroupSize:]); err == nil {
			accepted++
		}
	}
	if accepted < 50 || accepted > 160 {
		t.Errorf("%d of 2900 were accepted, expected about 100: the last character must check the label, too", accepted)
	}
}

func TestMistakes(t *testing.T) {
	code := plain(newCode(t, 1))
	for _, c := range []struct {
		what, typed string
		want        signin.Mistake
		says        string
	}{
		{"nothing", "", signin.Mistake{Kind: signin.WrongLength, Length: 0, Want: 24}, "the code has 0 characters and should have 24"},
		{"only separators", " - – ", signin.Mistake{Kind: signin.WrongLength, Length: 0, Want: 24}, "the code has 0 characters and should have 24"},
		{"the label alone", code[:6], signin.Mistake{Kind: signin.WrongLength, Length: 6, Want: 24}, "the code has 6 characters and should have 24"},
		{"one too many", code + "7", signin.Mistake{Kind: signin.WrongLength, Length: 25, Want: 24}, "the code has 25 characters and should have 24"},
		{"far too many", strings.Repeat(code, 1000), signin.Mistake{Kind: signin.WrongLength, Length: 24000, Want: 24}, "the code has 24000 characters and should have 24"},
		{"a sign", code[:3] + " - ?" + code[4:], signin.Mistake{Kind: signin.NeverUsed, Place: 4}, "character 4 is never used in a code"},
		{"a Norwegian letter", "Æ" + code[1:], signin.Mistake{Kind: signin.NeverUsed, Place: 1}, "character 1 is never used in a code"},
		{"no text at all", "\xff" + code[1:], signin.Mistake{Kind: signin.NeverUsed, Place: 1}, "character 1 is never used in a code"},
		{"a zero byte", code[:23] + "\x00", signin.Mistake{Kind: signin.NeverUsed, Place: 24}, "character 24 is never used in a code"},
		{"all the same", strings.Repeat("X", 24), signin.Mistake{Kind: signin.LabelMistyped}, "something is mistyped in the first group"},
		{"the secret backwards", code[:6] + backwards(code[6:]), signin.Mistake{Kind: signin.SecretMistyped}, "something is mistyped after the first group"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := signin.ParseCode(c.typed)
			var mistake *signin.Mistake
			if !errors.As(err, &mistake) || *mistake != c.want || err.Error() != c.says {
				t.Errorf("got %v, want %v", err, &c.want)
			}
		})
	}
}

func backwards(s string) string {
	var b strings.Builder
	for i := range s {
		b.WriteByte(s[len(s)-1-i])
	}
	return b.String()
}

// TestErrorsRepeatNothing types all sorts of things. What an error prints is made of its kind and of three numbers, none of
// them larger than the text is long, or than a code: there is no room in it for what was typed.
func TestErrorsRepeatNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9A-Za-z -]{20,30}`)).Draw(t, "typed")
		_, codeErr := signin.ParseCode(typed)
		_, labelErr := signin.ParseLabel(typed)
		for _, err := range []error{codeErr, labelErr} {
			if err == nil {
				continue
			}
			var m *signin.Mistake
			if !errors.As(err, &m) {
				t.Fatalf("a %T, want a *Mistake", err)
			}
			kinds := []signin.MistakeKind{signin.WrongLength, signin.NeverUsed, signin.LabelMistyped, signin.SecretMistyped}
			most := max(len(typed), signin.CodeSize)
			if !slices.Contains(kinds, m.Kind) || m.Place > most || m.Length > most || m.Want > signin.CodeSize {
				t.Fatalf("%#v for a text of %d bytes", m, len(typed))
			}
			alone := &signin.Mistake{Kind: m.Kind, Place: m.Place, Length: m.Length, Want: m.Want}
			if got, want := fmt.Sprintf("%v %+v %#v", err, err, err), fmt.Sprintf("%v %+v %#v", alone, alone, alone); got != want {
				t.Fatalf("the error prints more than its kind and numbers: %q, want %q", got, want)
			}
		}
	})
}

// TestBias counts the characters at every place that is drawn, over many codes of a fixed seed. Taking remainders of bytes
// without passing any over would give the first 24 characters of the alphabet 12 % more than the last 5.
func TestBias(t *testing.T) {
	const codes = 60_000
	random := seeded(1)
	var counts [signin.CodeSize][128]int
	for range codes {
		code, err := signin.NewCode(random)
		if err != nil {
			t.Fatal(err)
		}
		for place, char := range []byte(plain(code)) {
			counts[place][char]++
		}
	}
	want := float64(codes) / float64(len(signin.Alphabet))
	for place := range counts {
		chi := 0.0
		for _, char := range []byte(signin.Alphabet) {
			d := float64(counts[place][char]) - want
			chi += d * d / want
		}
		// 28 degrees of freedom: 60 is passed by chance once in 2,500; the bias above gives over 120.
		if chi > 60 {
			t.Errorf("place %d: chi-squared is %.0f: some characters are preferred", place+1, chi)
		}
	}
}

func TestAllDrawnAreUsed(t *testing.T) {
	a, b := newCode(t, 1), newCode(t, 2)
	if a.Equal(b) || a.Label() == b.Label() {
		t.Error("two seeds gave the same code")
	}
	if !newCode(t, 1).Equal(a) {
		t.Error("one seed gave two codes")
	}
}

func TestBadRandomness(t *testing.T) {
	for what, random := range map[string]*bytes.Reader{
		"none":     bytes.NewReader(nil),
		"too few":  bytes.NewReader(make([]byte, 20)),
		"all high": bytes.NewReader(bytes.Repeat([]byte{255}, 1<<16)),
	} {
		if code, err := signin.NewCode(random); err == nil || !code.IsZero() {
			t.Errorf("%s: a code was made without randomness", what)
		}
	}
	if _, err := signin.NewCode(iotest.OneByteReader(seeded(1))); err != nil {
		t.Errorf("a slow source is a good source: %v", err)
	}
}

func TestHash(t *testing.T) {
	keyBytes := []byte("0123456789abcdef0123456789abcdef")
	d := simdisk.New(mathrand.NewPCG(1, 1))
	d.WriteFile("code.key", keyBytes)
	key := loadKey(t, d)
	code := newCode(t, 1)

	mac := hmac.New(sha256.New, keyBytes)
	mac.Write([]byte("samtykke client code 1\x00" + plain(code)))
	if want := [32]byte(mac.Sum(nil)); !signin.SameHash(code.Hash(key), want) {
		t.Error("the hash has changed: no code handed out would fit what is stored")
	}
	parsed, err := signin.ParseCode(strings.ToLower(code.Slip()))
	if err != nil || parsed.Hash(key) != code.Hash(key) {
		t.Error("however a code is typed, its hash is the same")
	}
	other := newCode(t, 2)
	d.WriteFile("code.key", append(keyBytes[1:], 'x'))
	if signin.SameHash(other.Hash(key), code.Hash(key)) || code.Hash(loadKey(t, d)) == code.Hash(key) {
		t.Error("another code, or another key, gave the same hash")
	}
}

func TestHashKeyIsMadeOnce(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	load := func() signin.HashKey {
		key, err := signin.LoadHashKey(d, "keys/code.key", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	code := newCode(t, 1)
	first := code.Hash(load())
	d.Crash()
	if code.Hash(load()) != first {
		t.Error("the key was made anew: no code handed out would let anybody in")
	}
}

// TestHashKeyCrash: whenever the power goes while the key is made, what is there afterwards is a whole key or none.
func TestHashKeyCrash(t *testing.T) {
	for seed := range uint64(300) {
		src := mathrand.NewPCG(seed, 1)
		d := simdisk.New(src)
		d.CutPower(1 + int(seed%8))
		key, err := signin.LoadHashKey(d, "keys/code.key", rand.Reader)
		d.Crash()
		again, err2 := signin.LoadHashKey(d, "keys/code.key", rand.Reader)
		if err2 != nil {
			t.Fatalf("seed %d: %v", seed, err2)
		}
		if code := newCode(t, 1); err == nil && code.Hash(key) != code.Hash(again) {
			t.Fatalf("seed %d: a key that was given out was lost", seed)
		}
	}
}

func TestBadHashKey(t *testing.T) {
	for what, content := range map[string][]byte{
		"empty": {}, "short": bytes.Repeat([]byte("ab"), 15), "long": bytes.Repeat([]byte("ab"), 17), "zeros": make([]byte, 32),
	} {
		d := simdisk.New(mathrand.NewPCG(1, 1))
		d.WriteFile("code.key", content)
		if _, err := signin.LoadHashKey(d, "code.key", rand.Reader); err == nil {
			t.Errorf("%s: taken for a key", what)
		}
		if left, _ := d.ReadFile("code.key"); !bytes.Equal(left, content) {
			t.Errorf("%s: a file that is no key must stay as it is, for a person to look at", what)
		}
	}
	if _, err := signin.LoadHashKey(simdisk.New(mathrand.NewPCG(1, 1)), "code.key", bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("31 random bytes made a key")
	}
}

// TestPrinting looks for the secret in all that prints, logs or encodes a code or a key, or what holds one.
func TestPrinting(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	d.WriteFile("code.key", []byte("0123456789abcdef0123456789abcdef"))
	code, key := newCode(t, 1), loadKey(t, d)
	type hidden struct {
		code signin.Code
		key  signin.HashKey
	}
	type shown struct {
		Code signin.Code
		Key  signin.HashKey
	}
	var out bytes.Buffer
	text, asJSON := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, value := range []any{code, &code, key, &key, hidden{code, key}, &hidden{code, key}, shown{code, key}, []signin.Code{code}, map[string]any{"code": code, "key": key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%t"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		text.Info("value", "value", value)
		asJSON.Info("value", "value", value)
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
	}
	for _, value := range []encoding.TextMarshaler{code, key} {
		b, _ := value.MarshalText()
		out.Write(b)
	}
	secret := plain(code)
	for i := 0; i+signin.GroupSize <= len(secret); i++ {
		part := secret[i : i+signin.GroupSize]
		for _, form := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), strings.Trim(fmt.Sprint([]byte(part)), "[]"), fmt.Sprintf("%#v", []byte(part))[7:]} {
			if strings.Contains(out.String(), strings.TrimRight(form, "}")) {
				t.Fatalf("printing shows part of the code as %q", form)
			}
		}
	}
	for _, form := range []string{"abcdef", "616263", "97 98 99", "0x61, 0x62"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printing shows the key as %q", form)
		}
	}
	if fmt.Sprint(code) != "[code]" || code.String() != "[code]" || fmt.Sprintf("%#v", code) != "[code]" || fmt.Sprint(key) != "[hash key]" {
		t.Error("a code prints as [code] and a key as [hash key]")
	}
}

// TestZero: nothing may be printed on a slip, or stored as a hash, in place of a code that is not there.
func TestZero(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	key, err := signin.LoadHashKey(d, "code.key", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var none signin.Code
	if none.Equal(none) || none.Equal(newCode(t, 1)) || newCode(t, 1).Equal(none) {
		t.Error("the zero Code equals no code")
	}
	for what, use := range map[string]func(){
		"Slip":                  func() { none.Slip() },
		"Label":                 func() { none.Label() },
		"Hash":                  func() { none.Hash(key) },
		"Hash under no HashKey": func() { newCode(t, 1).Hash(signin.HashKey{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of nothing gave something", what)
				}
			}()
			use()
		}()
	}
}

func FuzzParseCode(f *testing.F) {
	code, err := signin.NewCode(seeded(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(code.Slip())
	f.Add("øØ–−\u200b")
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := signin.ParseCode(typed)
		if err != nil {
			return
		}
		again, err := signin.ParseCode(code.Slip())
		if err != nil || !again.Equal(code) {
			t.Error("what was read as a code does not read as the same from its slip")
		}
	})
}

func loadKey(t *testing.T, d *simdisk.Disk) signin.HashKey {
	t.Helper()
	key, err := signin.LoadHashKey(d, "code.key", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func codeError(typed string) error  { _, err := signin.ParseCode(typed); return err }
func labelError(typed string) error { _, err := signin.ParseLabel(typed); return err }

func mustBe(t *testing.T, want signin.MistakeKind, err error) {
	t.Helper()
	var mistake *signin.Mistake
	if !errors.As(err, &mistake) || mistake.Kind != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}
