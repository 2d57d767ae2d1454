package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"samtykke/domain"
)

const (
	otpPeriod = 30 // seconds to a step
	otpSkew   = 1  // steps to either side that a clock may be off
	otpSecret = 20 // bytes: as many as SHA-1 gives (RFC 4226)
	otpIssuer = "samtykke"
)

// An OTP makes and checks the one-time codes of one account, as it was set up with one invitation. It prints as
// "[one-time code]".
type OTP struct {
	secret func() string // base32; in a function, because no printer looks into one
}

// NewOTP gives the one-time codes that follow from the account and the keyed hash of the invitation's code.
func NewOTP(key HashKey, account domain.ID, invitation [sha256.Size]byte) OTP {
	mac := key.hash("samtykke one-time code 1", account[:], invitation[:])
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:otpSecret])
	return OTP{func() string { return secret }}
}

// Base32 is the secret as it is typed into an authenticator app.
func (o OTP) Base32() string { return o.secret() }

// URI is what an authenticator app reads from a picture: the secret, and the name that the app shows it under.
func (o OTP) URI(login string) string {
	label := url.PathEscape(otpIssuer + ":" + login)
	return fmt.Sprintf("otpauth://totp/%s?secret=%s&issuer=%s&algorithm=SHA1&digits=6&period=%d", label, o.secret(), otpIssuer, otpPeriod)
}

// Match tells whether what was typed is the code of the instant's step, or of one beside it, and gives the step. All are compared,
// whichever fits. Whether the step was used before, the account's stream knows.
func (o OTP) Match(typed string, now time.Time) (step uint64, ok bool) {
	typed = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, typed)
	at := uint64(now.Unix()) / otpPeriod
	for s := at - otpSkew; s <= at+otpSkew; s++ {
		if subtle.ConstantTimeCompare([]byte(o.code(s)), []byte(typed)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// Code is the code of the instant, as the app shows it.
func (o OTP) Code(now time.Time) string { return o.code(uint64(now.Unix()) / otpPeriod) }

func (o OTP) code(step uint64) string {
	code, err := hotp.GenerateCodeCustom(o.secret(), step, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		panic(err) // unreachable: the secret is base32
	}
	return code
}

const hiddenOTP = "[one-time code]"

// Format does not show the secret, whatever the verb.
func (OTP) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenOTP) }

// MarshalText does not show the secret.
func (OTP) MarshalText() ([]byte, error) { return []byte(hiddenOTP), nil }

// LogValue does not show the secret.
func (OTP) LogValue() slog.Value { return slog.StringValue(hiddenOTP) }
