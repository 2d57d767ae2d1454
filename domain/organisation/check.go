package organisation

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"samtykke/domain"
)

func check(c Contact) error {
	if !ValidNumber(c.Number) {
		return domain.Refuse(BadInput, "The organisation number is not valid: nine digits, the last of which is a check digit.")
	}
	return firstOf(CheckName("The organisation's name", c.Name), CheckName("The contact person's name", c.Person), CheckEmail(c.Email), phone(c.Phone))
}

func checkPerson(p Professional) error {
	return firstOf(CheckName("The first name", p.FirstName), CheckName("The last name", p.LastName), CheckName("The workplace", p.Workplace),
		CheckName("The position", p.Position), CheckEmail(p.Email), phone(p.Phone))
}

// CheckName refuses what cannot be a name, or a line of text of that length.
func CheckName(what, s string) error {
	if strings.TrimSpace(s) == "" || len(s) > 200 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return domain.Refuse(BadInput, what+" is missing, too long, or has characters that cannot be stored.")
	}
	return nil
}

// CheckEmail refuses what is no e-mail address alone.
func CheckEmail(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 {
		return domain.Refuse(BadInput, "The e-mail address is not valid.")
	}
	return nil
}

func phone(s string) error {
	digits, other := 0, 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == ' ', r == '+' && i == 0:
		default:
			other++
		}
	}
	if digits < 5 || digits > 15 || other > 0 || len(s) > 30 {
		return domain.Refuse(BadInput, "The telephone number is not valid: digits and spaces, with + first for a country code.")
	}
	return nil
}

// ValidNumber tells whether the text is a Norwegian organisation number: nine digits, the last one the check digit of
// the others modulo 11 with the weights 3 2 7 6 5 4 3 2. None begins with 0.
func ValidNumber(s string) bool {
	if len(s) != 9 || s[0] == '0' {
		return false
	}
	sum := 0
	for i, w := range []int{3, 2, 7, 6, 5, 4, 3, 2, 1} {
		d := int(s[i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		sum += d * w
	}
	return sum%11 == 0
}
