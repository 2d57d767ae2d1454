package signin

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// An Identity is a national identity number, for as long as it takes to hash it: a fødselsnummer, a D-number, or one of those made up
// for tests. It prints as "[identity number]".
//
// Nothing keeps one but as its Hash, an HMAC-SHA-256 under a key that lies outside the ledger (C04). A hash without a secret key would
// be none, salted or not: there are some 20 million numbers of people born since 1906, and trying them all takes seconds. So whoever has
// the hashes and the key has the numbers, and the hash is personal data all the same. With a salt of its own for each, equal
// numbers could not be found to be equal.
type Identity struct {
	digits func() string // in a function, because no printer looks into one
}

// ErrIdentity says that what was typed is no identity number, and not what it was.
var ErrIdentity = errors.New("this is no national identity number: eleven digits, the last two of which are check digits")

// Weights of the check digits, the check digit itself included.
var (
	firstCheck  = [10]int{3, 7, 6, 1, 8, 9, 4, 5, 2, 1}
	secondCheck = [11]int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1}
)

// ParseIdentity reads eleven digits: a date, whose day or month may be raised by what tells kinds of numbers apart, and five more.
// Spaces do not matter. The weighted sum up to the first check digit may leave 0 to 3, as it does in numbers given out from 2032 on; it
// leaves 0 in all from before. The error is ErrIdentity.
func ParseIdentity(typed string) (Identity, error) {
	digits := strings.ReplaceAll(typed, " ", "")
	if len(digits) != len(secondCheck) || strings.Trim(digits, "0123456789") != "" {
		return Identity{}, ErrIdentity
	}
	first, second := 0, 0
	for i := range digits {
		d := int(digits[i] - '0')
		if i < len(firstCheck) {
			first += d * firstCheck[i]
		}
		second += d * secondCheck[i]
	}
	two := func(i int) int { return 10*int(digits[i]-'0') + int(digits[i+1]-'0') }
	if first%11 > 3 || second%11 != 0 || !isDay(two(0), two(2), two(4)) {
		return Identity{}, ErrIdentity
	}
	return Identity{func() string { return digits }}, nil
}

// isDay tells whether there is such a day in some century. The day of a D-number is raised by 40, the month of a help number by 40,
// and of one made up for tests by 40, 65 or 80.
func isDay(day, month, year int) bool {
	if day > 40 {
		day -= 40
	}
	for _, raised := range []int{80, 65, 40} {
		if month > raised {
			month -= raised
			break
		}
	}
	longest := 31
	switch month {
	case 4, 6, 9, 11:
		longest = 30
	case 2:
		longest = 28
		if year%4 == 0 {
			longest = 29
		}
	}
	return 1 <= month && month <= 12 && 1 <= day && day <= longest
}

// Hash is what is kept of the number: the same for the same number, however it was typed, under the same key.
func (i Identity) Hash(key HashKey) [sha256.Size]byte {
	return key.hash("identity number", []byte(i.digits()))
}

const hiddenIdentity = "[identity number]"

// Format does not show the number, whatever the verb.
func (Identity) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenIdentity) }

// LogValue does not show the number.
func (Identity) LogValue() slog.Value { return slog.StringValue(hiddenIdentity) }

// MarshalText does not show the number.
func (Identity) MarshalText() ([]byte, error) { return []byte(hiddenIdentity), nil }
