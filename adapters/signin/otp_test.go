package signin_test

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/signin"
)

func aKey(t *testing.T, content string) signin.HashKey {
	t.Helper()
	d := simdisk.New(mathrand.NewPCG(1, 1))
	d.WriteFile("code.key", []byte(content))
	return loadKey(t, d)
}

const someKey = "0123456789abcdef0123456789abcdef"

// The vectors of RFC 6238, appendix B, for SHA-1, of which an app shows the last six digits.
func TestRFC6238(t *testing.T) {
	o := signin.OTPOf(base32.StdEncoding.EncodeToString([]byte("12345678901234567890")))
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		now := time.Unix(at, 0)
		if got := o.Code(now); got != want {
			t.Errorf("at %d: %s, not %s", at, got, want)
		}
		if step, ok := o.Match(want, now); !ok || step != uint64(at)/30 {
			t.Errorf("at %d: step %d, %v", at, step, ok)
		}
	}
}

// The step's own code and those beside it fit, and each names its own step: so one that was used is told from the next.
func TestMatch(t *testing.T) {
	o := signin.NewOTP(aKey(t, someKey), someID(1), [32]byte{1})
	at := noon.Unix() / 30
	for typed, want := range map[int64]bool{at - 2: false, at - 1: true, at: true, at + 1: true, at + 2: false} {
		code := o.Code(time.Unix(typed*30, 0))
		for _, second := range []int64{0, 29} {
			step, ok := o.Match(code, time.Unix(at*30+second, 0))
			if ok != want || ok && step != uint64(typed) {
				t.Errorf("the code of step %+d fits: %v, as step %+d", typed-at, ok, int64(step)-at)
			}
		}
	}
	code := o.Code(noon)
	if _, ok := o.Match(" "+code[:3]+" "+code[3:]+"\n", noon); !ok {
		t.Error("as apps show it, in two groups")
	}
	for _, wrong := range []string{"", code[:5], code + "0", "-" + code, "+" + code, code[1:] + "x", strings.Repeat(code, 100), "000000\x00"} {
		if _, ok := o.Match(wrong, noon); ok {
			t.Errorf("%q fits", wrong)
		}
	}
}

// Every account, every invitation and every key has codes of its own, always the same.
func TestOTPOfItsOwn(t *testing.T) {
	key := aKey(t, someKey)
	o := signin.NewOTP(key, someID(1), [32]byte{1})
	if o.Base32() != signin.NewOTP(key, someID(1), [32]byte{1}).Base32() {
		t.Error("the secret changes")
	}
	for what, other := range map[string]signin.OTP{
		"another account":    signin.NewOTP(key, someID(2), [32]byte{1}),
		"another invitation": signin.NewOTP(key, someID(1), [32]byte{2}),
		"another key":        signin.NewOTP(aKey(t, "x123456789abcdef0123456789abcdef"), someID(1), [32]byte{1}),
	} {
		if other.Base32() == o.Base32() {
			t.Errorf("%s has the same secret", what)
		}
	}
	if b, err := base32.StdEncoding.DecodeString(o.Base32()); err != nil || len(b) != 20 {
		t.Errorf("a secret of %d bytes: %v", len(b), err)
	}
}

// An authenticator app reads the URI, and shows the codes that fit.
func TestURI(t *testing.T) {
	o := signin.NewOTP(aKey(t, someKey), someID(1), [32]byte{1})
	for _, login := range []string{"siri@example.org", "a+b&c=d?e/f#%:g@example.org", "bjørn@example.org"} {
		k, err := otp.NewKeyFromURL(o.URI(login))
		if err != nil {
			t.Fatal(err)
		}
		if k.Type() != "totp" || k.Issuer() != "samtykke" || k.Secret() != o.Base32() || k.Period() != 30 || k.Digits() != otp.DigitsSix || k.Algorithm() != otp.AlgorithmSHA1 {
			t.Error("the app reads something else")
		}
		if got := strings.TrimPrefix(k.AccountName(), "samtykke:"); !strings.HasSuffix(login, got) && got != login {
			t.Errorf("shown under %q", k.AccountName())
		}
		code, err := totp.GenerateCode(k.Secret(), noon)
		if _, ok := o.Match(code, noon); err != nil || !ok {
			t.Errorf("the app's code does not fit: %v", err)
		}
	}
}

func TestOTPPrintsNothing(t *testing.T) {
	o := signin.NewOTP(aKey(t, someKey), someID(1), [32]byte{1})
	var out bytes.Buffer
	for _, v := range []any{o, &o, []signin.OTP{o}, struct{ O signin.OTP }{o}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %d", v, v, v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	secret, _ := base32.StdEncoding.DecodeString(o.Base32())
	for _, form := range []string{o.Base32()[:6], fmt.Sprintf("%x", secret[:4]), o.Code(noon)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printing shows %q", form)
		}
	}
}
