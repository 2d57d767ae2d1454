// Package signin lets people in: clients by the code they were given, staff by a password and a one-time code. It makes and checks
// what they show, holds who is signed in, and limits how often somebody may try. What is on record of it, package desk writes.
//
// # Codes
//
// A code is one string on one slip of paper, four groups of six characters:
//
//	LLLLLL-SSSSSS-SSSSSS-SSSSSS
//
// The first group is the label. It is what the organisation's overview shows and may keep in its journal, and it lets nobody
// in by itself. The other three are the secret. It exists on the slip and in the client's memory only; what is stored is
// Code.Hash, keyed, of the whole code.
//
// The alphabet has 29 characters: the digits, and the capital letters without B, I, L, O, S, U and Z, so that 0/O, 1/I/L,
// 2/Z, 5/S, 8/B and U/V cannot be confused. Reading is forgiving: lower case, spaces, hyphens and dashes of any kind, and each of
// the missing letters, and Ø, read as the one character that it looks like.
//
// 29 is a prime, which makes the check characters strong. The sixth character of the label makes the sum of 1·c1 … 6·c6
// divisible by 29; the last of the code makes the sum of 24·c1, 23·c2 … 1·c24 so. The weights of a sum differ and none is
// divisible by 29. Hence every single wrong character is caught, and every exchange of any two. Other mistakes pass one check
// with a chance of 1 in 29.
//
// The label has 5 random characters: 20,511,149 labels. They do repeat; whoever hands codes out draws again when the
// organisation has the label already. The secret has 17 of its own: 29^17 =
// 7,257,147,736,730,073,114,838,109 secrets, 82.58 random bits.
//
// # Why not a longer alphabet
//
// Thirty-one characters would give 84 bits in as many places, and bring two of the pairs back that people confuse in
// handwriting. Eighty bits behind a limit on attempts are plenty.
//
// # Invitations
//
// Staff are invited by a code of the same kind, and a confirmation code of eight characters, the last of which is a check
// character: 29^7 = 17,249,876,309 confirmations. The two are handed over by different media; one without the other opens nothing.
//
// # Passwords and one-time codes
//
// A password has 12 to 128 characters, is none of the most used, and does not hold the person's own name at sign-in. It is kept
// as Argon2id (RFC 9106) with the cost that OWASP asks for. One-time codes are those of RFC 6238: SHA-1, six digits, 30 seconds,
// one step of tolerance to either side. Their secret is kept nowhere: it is the HMAC, under the HashKey, of the account and the
// invitation that it was set up with.
//
// # Sessions and limits
//
// Both are bounded, take the instant as an argument and read no clock. They are kept in a SessionTable and in Buckets: in the memory
// of one process, or in what several processes share, such as a database (package postgres). A restart ends those in memory.
//
// What is kept shows little to whoever reads it. Of a token there is its SHA-256; of a session its id and its holder's, when it was
// last used and when it ends, and the rest sealed under a key that only the token gives. Of an address or a name that attempts are
// counted by there is an HMAC, under a key that changes each day.
//
// A session ends by its age; by Sessions.End, for every process that shares the table, before it returns; and by the ledger, which
// each process asks at each request (desk.Desk.Live): so the end of a code, a password, a standing or a client ends its sessions
// wherever they are.
package signin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"unicode"
)

const (
	alphabet  = "0123456789ACDEFGHJKMNPQRTVWXY"
	groupSize = 6
	groups    = 4
	codeSize  = groupSize * groups

	separators = groups - 1
)

// A Code is a label and a secret, whole and checked. It prints as "[code]"; the zero Code is none.
type Code struct {
	text func() *[codeSize]byte // without hyphens; in a function, because no printer looks into one, whatever holds the Code
}

// NewCode draws a code. Every code is equally likely if the source of randomness is good.
func NewCode(random io.Reader) (Code, error) {
	var text [codeSize]byte
	if err := draw(random, text[:]); err != nil {
		return Code{}, err
	}
	text[groupSize-1] = labelCheck(text[:groupSize-1])
	text[codeSize-1] = codeCheck(text[:codeSize-1])
	return hide(text), nil
}

func hide(text [codeSize]byte) Code { return Code{func() *[codeSize]byte { return &text }} }

// ParseCode reads a code as people type it. The error is always a *Mistake.
func ParseCode(typed string) (Code, error) {
	var text [codeSize]byte
	if mistake := read(typed, text[:]); mistake != nil {
		return Code{}, mistake
	}
	if !labelFits(text[:groupSize]) {
		return Code{}, &Mistake{Kind: LabelMistyped}
	}
	if !codeFits(text[:]) {
		return Code{}, &Mistake{Kind: SecretMistyped}
	}
	return hide(text), nil
}

// ParseLabel reads a label alone, in the form of Code.Label. The error is always a *Mistake.
func ParseLabel(typed string) (string, error) {
	var text [groupSize]byte
	if mistake := read(typed, text[:]); mistake != nil {
		return "", mistake
	}
	if !labelFits(text[:]) {
		return "", &Mistake{Kind: LabelMistyped}
	}
	return string(text[:]), nil
}

// Label is the code's first group. It may be shown and kept.
func (c Code) Label() string { return string(c.whole()[:groupSize]) }

// Slip is the whole code with its secret, as it is printed on the slip. There is no other way to the secret, and no use
// for it but to be handed to the client, once.
func (c Code) Slip() string {
	slip := make([]byte, 0, codeSize+separators)
	for i, char := range c.whole() {
		if i > 0 && i%groupSize == 0 {
			slip = append(slip, '-')
		}
		slip = append(slip, char)
	}
	return string(slip)
}

// Hash is what may be stored of a code: HMAC-SHA-256 of the label and the secret, under a key that is not in the
// ledger. Without the key, a stolen hash cannot even be tried against guesses. A code is found by its hash.
func (c Code) Hash(key HashKey) [sha256.Size]byte {
	return key.hash("samtykke client code 1", c.whole()[:])
}

// SameHash compares two hashes in a time that does not depend on them.
func SameHash(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// Equal compares two codes in a time that does not depend on them. No code equals the zero Code.
func (c Code) Equal(other Code) bool {
	return !c.IsZero() && !other.IsZero() && subtle.ConstantTimeCompare(c.whole()[:], other.whole()[:]) == 1
}

// IsZero tells whether there is no code.
func (c Code) IsZero() bool { return c.text == nil }

// whole panics for the zero Code: to print or store nothing in a code's place would go unnoticed.
func (c Code) whole() *[codeSize]byte {
	if c.text == nil {
		panic("signin: the zero Code was used")
	}
	return c.text()
}

const hiddenCode = "[code]"

// String does not show the code, nor does any of what follows; Slip does.
func (Code) String() string { return hiddenCode }

// GoString does not show the code.
func (Code) GoString() string { return hiddenCode }

// Format does not show the code, whatever the verb.
func (Code) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenCode) }

// MarshalText does not show the code.
func (Code) MarshalText() ([]byte, error) { return []byte(hiddenCode), nil }

// LogValue does not show the code.
func (Code) LogValue() slog.Value { return slog.StringValue(hiddenCode) }

// A Mistake says what is wrong with a code or label as typed, so that a page can say it in its own language. It never holds
// what was typed.
type Mistake struct {
	Kind MistakeKind
	// Place is, for NeverUsed, which character it is, from 1, spaces and hyphens not counted.
	Place int
	// Length and Want are, for WrongLength, how many characters were typed, spaces and hyphens not counted, and how many it
	// takes.
	Length, Want int
}

// A MistakeKind is what is wrong.
type MistakeKind string

const (
	// WrongLength: characters are missing, or too many.
	WrongLength MistakeKind = "wrong-length"
	// NeverUsed: a character that no code has and that looks like none of them.
	NeverUsed MistakeKind = "never-used"
	// LabelMistyped: the first group does not fit its check character.
	LabelMistyped MistakeKind = "label-mistyped"
	// SecretMistyped: the first group fits, the whole does not. If one character is wrong, it is in the last three groups.
	SecretMistyped MistakeKind = "secret-mistyped"
	// ConfirmationMistyped: a confirmation code does not fit its check character.
	ConfirmationMistyped MistakeKind = "confirmation-mistyped"
)

func (m *Mistake) Error() string {
	switch m.Kind {
	case WrongLength:
		return fmt.Sprintf("the code has %d characters and should have %d", m.Length, m.Want)
	case NeverUsed:
		return fmt.Sprintf("character %d is never used in a code", m.Place)
	case LabelMistyped:
		return "something is mistyped in the first group"
	case ConfirmationMistyped:
		return "something is mistyped in the confirmation code"
	default:
		return "something is mistyped after the first group"
	}
}

// read fills text with the characters typed, and looks at no check character.
func read(typed string, text []byte) *Mistake {
	length := 0
	for _, r := range typed {
		if separates(r) {
			continue
		}
		length++
		char, ok := meant(r)
		if !ok {
			return &Mistake{Kind: NeverUsed, Place: length}
		}
		if length <= len(text) {
			text[length-1] = char
		}
	}
	if length != len(text) {
		return &Mistake{Kind: WrongLength, Length: length, Want: len(text)}
	}
	return nil
}

// separates tells whether a character only separates groups, or is invisible, as some that are copied along are.
func separates(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf) || r == '\u2212' /* minus */ || r == '\u2043' /* hyphen bullet */
}

// meant is the character of the alphabet that the typed one stands for.
func meant(r rune) (char byte, ok bool) {
	r = unicode.ToUpper(r)
	if looks, ok := lookAlike[r]; ok {
		return looks, true
	}
	if r >= 0 && r < rune(len(values)) && values[r] != noValue {
		return byte(r), true
	}
	return 0, false
}

// lookAlike holds the characters that no code has and that can be meant for one other only.
var lookAlike = map[rune]byte{
	'B': '8', 'I': '1', 'L': '1', 'O': '0', 'Ø': '0', 'S': '5', 'U': 'V', 'Z': '2',
}

// values gives each character of the alphabet its number.
var values = func() (values [128]int) {
	for i := range values {
		values[i] = noValue
	}
	for value, char := range []byte(alphabet) {
		values[char] = value
	}
	return values
}()

const noValue = -1

// labelSum has the weights 1, 2, 3 …
func labelSum(text []byte) (sum int) {
	for i, char := range text {
		sum += (i + 1) * values[char]
	}
	return sum % len(alphabet)
}

// codeSum has the weights 24, 23, 22 …: others than labelSum, lest the label count for nothing in it.
func codeSum(text []byte) (sum int) {
	for i, char := range text {
		sum += (codeSize - i) * values[char]
	}
	return sum % len(alphabet)
}

func labelFits(label []byte) bool { return labelSum(label) == 0 }

func codeFits(code []byte) bool { return codeSum(code) == 0 }

// labelCheck is the sixth character: of all, the one that fits.
func labelCheck(five []byte) byte {
	for _, char := range []byte(alphabet) {
		if (labelSum(five)+groupSize*values[char])%len(alphabet) == 0 {
			return char
		}
	}
	panic("the weights are not prime to the alphabet's size")
}

// codeCheck is the last character; its weight is 1.
func codeCheck(before []byte) byte {
	return alphabet[(len(alphabet)-codeSum(before))%len(alphabet)]
}

// draw fills text with random characters. A random byte beyond the largest multiple of the alphabet's size is passed over;
// to take its remainder would prefer some characters.
func draw(random io.Reader, text []byte) error {
	const fair = 256 / len(alphabet) * len(alphabet)
	var buf [32]byte
	defer clear(buf[:])
	filled := 0
	for range 64 { // one round fills a code with a chance of 98 in 100
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return fmt.Errorf("randomness for a code: %w", err)
		}
		for _, b := range buf {
			if filled < len(text) && int(b) < fair {
				text[filled] = alphabet[int(b)%len(alphabet)]
				filled++
			}
		}
		if filled == len(text) {
			return nil
		}
	}
	return errStuck
}

var errStuck = errors.New("randomness for a code: the source gives the same over and over")
