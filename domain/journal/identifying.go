package journal

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"samtykke/domain"
)

// A Mark is what in a text tells who somebody is, in plain words; the empty one is nothing.
type Mark string

// What a text is searched for.
const (
	IdentityNumber Mark = "a national identity number"
	EmailAddress   Mark = "an e-mail address"
	PhoneNumber    Mark = "a phone number"
)

// Identifying tells what in a text looks as if it told who somebody is. It looks for what slips in, and not for what somebody
// hides: names, addresses and numbers in words pass. Where an ordinary text and a mark look alike, it decides for the text
// unless one is much the rarer.
//
// # National identity numbers
//
// Eleven digits: a date of birth, three digits and two check digits. To the day is added 4 in the first place in D-numbers; to
// the month 40 in H-numbers and some made for tests, 65 or 80 in others made for tests. FH-numbers begin with 8 or 9 and have
// no date.
//
// Eleven digits in one piece, or 6 and 5, or 6 and 3 and 2, are taken for one by the date alone: with a slip in it a number still
// tells who it is, and the first check digit of those issued from 2032 follows a wider rule (Skatteetaten, "Nye fødselsnummer og
// d-nummer fra 2032": a remainder of 0 to 3 where it was 0). Divided in any other way they must have today's check digits
// too, with the year in two digits or four: a date with a number behind it, "07.09.25 10500 skritt", is much the commoner. Of
// numbers from 2032 that are written like that, three in four pass.
//
// # Phone numbers
//
// Eight digits that begin with 2 to 9, in one piece that is no date, or as 22 12 34 56 or 912 34 567 with one and the same
// sign between and no further number beside; a number behind + or 00. Amounts (25 000 000), years, times and most lists of numbers
// are divided otherwise. A list of exactly four numbers of two digits looks the same, and is taken for one; so is a helpline.
//
// # E-mail addresses
//
// A name, @ and a domain; also with @ or the dot in words or brackets, where the domain ends as domains here do.
func Identifying(text string) Mark {
	m := numbers(text)
	if m != IdentityNumber && address(text) {
		return EmailAddress
	}
	return m
}

// unnamed refuses a text that tells who somebody is. The reason never repeats it.
func unnamed(s string) error {
	m := Identifying(s)
	if m == "" {
		return nil
	}
	return domain.Refuse(TellsWho, "It looks as if there is "+string(m)+
		" in the text. Nothing that tells who you are, or who anybody is, is kept here: take it out and send again.")
}

// A run is digits in groups with little between them.
type run struct {
	digits []byte
	groups []group
	plus   bool // a plus sign stands before it
}

// A group is digits without anything between. Before it stands a sign: a space; . - or /; any of these with spaces for spaced;
// nothing for the first.
type group struct {
	from, to int
	sign     byte
}

const spaced = '~'

// numbers looks through every run of the text.
func numbers(text string) (found Mark) {
	var digits [64]byte
	var groups [32]group
	for i := 0; i < len(text); i++ {
		if !isDigit(text[i]) {
			continue
		}
		r := run{digits: digits[:0], groups: groups[:0], plus: plusBefore(text[:i])}
		i = r.read(text, i)
		switch {
		case r.identity():
			return IdentityNumber
		case r.phone():
			found = PhoneNumber
		}
	}
	return found
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func plusBefore(s string) bool {
	s = strings.TrimRight(s, " (")
	return strings.HasSuffix(s, "+") || strings.HasSuffix(s, "＋")
}

// read takes the run that begins at a digit, and gives the place behind it.
func (r *run) read(text string, i int) int {
	r.groups = append(r.groups, group{})
	for {
		g := &r.groups[len(r.groups)-1]
		for i < len(text) && isDigit(text[i]) {
			r.digits = append(r.digits, text[i])
			i++
		}
		g.to = len(r.digits)
		next, sign := between(text, i)
		if next == len(text) || !isDigit(text[next]) {
			return i
		}
		if sign != 0 {
			r.groups = append(r.groups, group{from: g.to, sign: sign})
		}
		i = next
	}
}

// between passes over what may stand between two groups: spaces and brackets, one dot, dash or slash, and what is not seen. It
// gives the place behind and the sign; 0 where nothing is seen.
func between(text string, i int) (next int, sign byte) {
	for i < len(text) {
		c, size := rune(text[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(text[i:])
		}
		this := byte(0)
		switch {
		case c == '\n' || c == '\r':
			return i, sign
		case c == '.' || c == '/':
			this = byte(c)
		case c == '-' || '\u2010' <= c && c <= '\u2015' || c == '\u2212':
			this = '-'
		case c == '(' || c == ')' || unicode.IsSpace(c):
			this = ' '
		case c == '\u00ad' || unicode.Is(unicode.Cf, c): // a soft hyphen, marks of direction
		default:
			return i, sign
		}
		switch {
		case this == 0 || this == ' ' && sign == ' ':
		case sign == 0:
			sign = this
		case this == ' ' || sign == ' ':
			sign = spaced
		default:
			return i, 0 // two signs: three dots, or a dash and a slash
		}
		i += size
	}
	return i, sign
}

// of gives the digits of the groups from i up to j.
func (r *run) of(i, j int) []byte { return r.digits[r.groups[i].from:r.groups[j-1].to] }

func (g group) size() int { return g.to - g.from }

// shape writes the sizes of the groups from i up to j, those above 9 as +.
func (r *run) shape(i, j int) string {
	var b [16]byte
	s := b[:0]
	for _, g := range r.groups[i:j] {
		if g.size() > 9 {
			s = append(s, '+')
		} else {
			s = append(s, '0'+byte(g.size()))
		}
	}
	return string(s)
}

// identity tells whether groups that follow each other are a national identity number.
func (r *run) identity() bool {
	for i := range r.groups {
		for j := i + 1; j <= len(r.groups); j++ {
			d := r.of(i, j)
			switch {
			case len(d) == 11:
				if r.number([11]byte(d), i, j) {
					return true
				}
			case len(d) == 13: // the year in four digits
				switch r.shape(i, j) {
				case "2245", "22432", "85", "832":
					if d := [11]byte(append(append(make([]byte, 0, 11), d[:4]...), d[6:]...)); dated(d) && checked(d) {
						return true
					}
				}
			}
			if len(d) > 13 {
				break
			}
		}
	}
	return false
}

// number tells whether eleven digits, divided into the groups from i up to j, are a national identity number.
func (r *run) number(d [11]byte, i, j int) bool {
	switch r.shape(i, j) {
	case "+", "65", "632":
		return dated(d) || d[0] >= '8' && checked(d)
	case "11111111111": // answers to a form look the same
		return len(r.groups) == 11 && dated(d) && checked(d)
	}
	return dated(d) && checked(d)
}

// dated tells whether the first six digits are a date of birth, as it stands in any of the kinds of number.
func dated(d [11]byte) bool {
	day, month := two(d[0:]), two(d[2:])
	if day > 40 {
		day -= 40
	}
	for _, added := range []int{80, 65, 40} {
		if month > added {
			month -= added
			break
		}
	}
	return isDay(day, month)
}

func two(d []byte) int { return int(d[0]-'0')*10 + int(d[1]-'0') }

// isDay tells whether there is such a day in any year.
func isDay(day, month int) bool {
	last := [...]int{1: 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	return month >= 1 && month <= 12 && day >= 1 && day <= last[month]
}

// checked tells whether both check digits are right, by the rule for numbers issued before 2032.
func checked(d [11]byte) bool {
	first, second := 0, 0
	for i, w := range [...]int{3, 7, 6, 1, 8, 9, 4, 5, 2, 1} {
		first += w * int(d[i]-'0')
	}
	for i, w := range [...]int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1} {
		second += w * int(d[i]-'0')
	}
	return first%11 == 0 && second%11 == 0
}

// phone tells whether groups of the run are a phone number.
func (r *run) phone() bool {
	for i, g := range r.groups {
		d := r.digits[g.from:]
		foreign := g.size() > 2 && d[0] == '0' && d[1] == '0' && d[2] != '0'
		if i == 0 && r.plus && d[0] != '0' && (g.size() > 1 || d[0] == '1' || d[0] == '7') || foreign {
			least := 9 // with the country's digits
			if foreign {
				least += 2
			}
			if r.dialled(i, foreign) >= least {
				return true
			}
		}
		for j := i + 1; j <= min(i+4, len(r.groups)); j++ {
			if r.national(i, j) {
				return true
			}
		}
	}
	return false
}

// dialled counts the digits from the country's on, up to a date or to what cannot stand in a phone number.
func (r *run) dialled(i int, foreign bool) int {
	n := r.groups[i].size()
	for j := i + 1; j < len(r.groups); j++ {
		d := r.of(j, j+1)
		trunk := len(d) == 1 && d[0] == '0' && j == i+1 // +47 (0) 22 12 34 56
		hour := len(d) == 4 && d[0] == '0' && foreign   // 0015 0030 0045
		if len(d) == 1 && !trunk || hour || r.date(j) {
			break
		}
		n += len(d)
	}
	return n
}

// date tells whether three groups are a date: 07.09.2025, 2025-09-07.
func (r *run) date(i int) bool {
	if i+3 > len(r.groups) || r.groups[i+1].sign != r.groups[i+2].sign {
		return false
	}
	d := r.of(i, i+3)
	switch r.shape(i, i+3) {
	case "224":
		return isDay(two(d), two(d[2:]))
	case "422":
		return isDay(two(d[6:]), two(d[4:]))
	}
	return false
}

// national tells whether the groups from i up to j are a phone number as it is dialled in Norway.
func (r *run) national(i, j int) bool {
	d := r.of(i, j)
	if len(d) != 8 && len(d) != 10 || d[0] < '2' {
		return false
	}
	switch r.shape(i, j) {
	case "8":
		return !compact(d)
	case "+":
		return d[0] == '4' && d[1] == '7' && d[2] >= '2'
	case "2222":
		return r.alone(i, j)
	case "323":
		if i > 0 && string(r.of(i-1, i)) == "47" {
			return r.alone(i, j) || r.alone(i-1, j)
		}
		return r.alone(i, j)
	}
	return false
}

// compact tells whether eight digits are a date in this century or the last: 20250907, 24122025.
func compact(d []byte) bool {
	century := func(d []byte) bool { n := two(d); return n == 19 || n == 20 }
	return century(d) && isDay(two(d[6:]), two(d[4:])) || century(d[4:]) && isDay(two(d), two(d[2:]))
}

// alone tells whether the groups from i up to j have the same sign between them, and none of the same kind beside them.
func (r *run) alone(i, j int) bool {
	sign := r.groups[i+1].sign
	for _, g := range r.groups[i+2 : j] {
		if g.sign != sign {
			return false
		}
	}
	return sign != spaced && (i == 0 || r.groups[i].sign != sign) && (j == len(r.groups) || r.groups[j].sign != sign)
}

// The patterns of e-mail addresses. An ordinary sentence has no space before a dot.
const (
	mailbox = `[\pL\pN][\pL\pM\pN._%+'-]*`
	label   = `[\pL\pN][\pL\pM\pN-]*`
	word    = `(?:dot|punktum|prikk)`
	at      = `(?:\s*[@＠]\s*|\s*[(\[{<]\s*(?:at|@|krøll-?alfa)\s*[)\]}>]\s*|\s+(?:krøll-?alfa|alfa-?krøll|snabel-?a)\s+)`
	dot     = `(?:\.|\s+\.\s*|\s*[(\[{<]\s*(?:\.|` + word + `)\s*[)\]}>]\s*|\s+` + word + `\s+)`
	ending  = `(?:no|com|net|org|info|se|dk|fi|is|de|uk|eu|pl|lt|lv|fr|nl|es|it|me|io|email|online)(?:[^\pL\pN]|$)`
	known   = `(?:gmail|hotmail|outlook|live|yahoo|icloud|proton|protonmail)(?:[^\pL\pN]|$)`
)

var addresses = regexp.MustCompile(`(?i)` +
	mailbox + `[@＠](?:(?:` + label + `\.)+\pL[\pL\pM\pN-]+|` + known + `)` +
	`|` + mailbox + at + label + `(?:` + dot + label + `)*?` + dot + ending +
	`|` + mailbox + `\s+at\s+` + label + `(?:\s+` + word + `\s+` + label + `)*?\s+` + word + `\s+` + ending)

// address tells whether there is an e-mail address. The pattern is tried only where a part of one is in the text.
func address(text string) bool {
	for i := range len(text) {
		part := false
		switch rest := text[i:]; text[i] {
		case '@':
			part = true
		case 0xef:
			part = strings.HasPrefix(rest, "＠")
		case '(', '[', '{', '<':
			part = hasPrefixFold(strings.TrimLeft(rest[1:], " "), "at")
		case 'a', 'A':
			part = hasPrefixFold(rest, "alfa")
		case 's', 'S':
			part = hasPrefixFold(rest, "snabel")
		case 'd', 'D':
			part = hasPrefixFold(rest, "dot ")
		case 'p', 'P':
			part = hasPrefixFold(rest, "punktum") || hasPrefixFold(rest, "prikk")
		}
		if part {
			return addresses.MatchString(text)
		}
	}
	return false
}

// hasPrefixFold tells whether a text begins with a prefix of small letters a to z, in whatever case.
func hasPrefixFold(s, prefix string) bool {
	for i := range len(prefix) {
		if i == len(s) || s[i]|0x20 != prefix[i] {
			return false
		}
	}
	return true
}
