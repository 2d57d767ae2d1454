package signin

import (
	"crypto/sha256"
	"io"
	"strings"
)

// confirmationSize is how many characters a confirmation code has.
const confirmationSize = 8

// NewConfirmation draws a confirmation code.
func NewConfirmation(random io.Reader) (string, error) {
	var text [confirmationSize]byte
	if err := draw(random, text[:]); err != nil {
		return "", err
	}
	last := confirmationSize - 1
	text[last] = alphabet[(len(alphabet)-confirmationSum(text[:last]))%len(alphabet)]
	return string(text[:]), nil
}

// ParseConfirmation reads a confirmation code as people type it. The error is always a *Mistake.
func ParseConfirmation(typed string) (string, error) {
	var text [confirmationSize]byte
	if mistake := read(typed, text[:]); mistake != nil {
		return "", mistake
	}
	if confirmationSum(text[:]) != 0 {
		return "", &Mistake{Kind: ConfirmationMistyped}
	}
	return string(text[:]), nil
}

// confirmationSum has the weights 8, 7, 6 …
func confirmationSum(text []byte) (sum int) {
	for i, char := range text {
		sum += (confirmationSize - i) * values[char]
	}
	return sum % len(alphabet)
}

// InvitationHash is what may be stored of an invitation's code.
func (c Code) InvitationHash(key HashKey) [sha256.Size]byte {
	return key.hash("samtykke invitation 1", c.whole()[:])
}

// ConfirmationHash is what may be stored of the confirmation code of the invitation: the same characters have another hash with
// another invitation.
func (c Code) ConfirmationHash(key HashKey, confirmation string) [sha256.Size]byte {
	return key.hash("samtykke confirmation 1", c.whole()[:], []byte(confirmation))
}

// Login is a login name as it is compared: an e-mail address, without what surrounds it and in lower case.
func Login(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// LoginHash is what may be stored of a login name, as it is compared.
func LoginHash(key HashKey, typed string) [sha256.Size]byte {
	return key.hash("samtykke login 1", []byte(Login(typed)))
}
