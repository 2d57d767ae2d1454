package journal_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samtykke/domain"
	. "samtykke/domain/domaintest"
	"samtykke/domain/journal"
)

// The numbers are made up: dates of no one, with check digits where they matter.
var identifying = map[journal.Mark][]string{
	journal.IdentityNumber: {
		number("010190", 123), // in one piece
		"Mitt fødselsnummer er " + number("010190", 123) + ".",
		"fnr:" + number("311299", 567) + "hilsen meg",
		split(number("010190", 123), " ", 6, 5), split(number("010190", 123), "-", 6, 5), split(number("010190", 123), ".", 6, 5),
		split(number("010190", 123), " – ", 6, 5), split(number("010190", 123), "\u00a0", 6, 5), split(number("010190", 123), " ", 6, 3, 2),
		split(number("010190", 123), " ", 2, 2, 2, 5), split(number("010190", 123), ".", 2, 2, 2, 5), split(number("010190", 123), " ", 2, 2, 2, 3, 2),
		split(number("010190", 123), " ", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), split(number("010190", 123), "\u200b", 3, 3, 5),
		split(number("010190", 123), " ", 4, 2, 5),
		"01.01.1990 " + number("010190", 123)[6:], "01011990-" + number("010190", 123)[6:],
		number("410190", 124), // D-number
		number("014190", 125), // H-number, or made for a test
		number("018190", 123), // made for tests
		number("016690", 124), // made for tests
		number("418190", 123), // a D-number made for tests
		number("290200", 501), // a leap day
		"01019012345",         // mistyped: the check digits are wrong
		"010190 12345", "010190-12345", "skriv til 311299 567 15 da",
		wider("010132", 127), split(wider("010132", 127), " ", 6, 5), // issued from 2032
		number("812345", 678), // FH-number
		"uke 3, " + number("010190", 123) + " og 91 23 45 67", // the number comes first
	},
	journal.EmailAddress: {
		"ola@example.no", "Skriv til ola.nordmann+hjelp@post.example.no!", "OLA@EXAMPLE.NO", "kåre.ødegård@blåbær.no", "o_n-1@a.museum",
		"<ola@example.no>", "ola@example.no,", "mailto:ola@example.com", "ola@xn--blbr-roah.no", "ola@gmail", "ola＠example.no",
		"ola @ example.no", "ola@ example.no", "ola (at) example.no", "ola[at]example.no", "ola {at} example (dot) no", "ola (at) example [.] com",
		"ola krøllalfa example punktum no", "Ola Krøllalfa example.no", "ola alfakrøll gmail.com", "ola snabel-a example prikk no",
		"ola (krøllalfa) example.no", "ola at gmail dot com", "ola at post dot example dot no", "ola at gmail punktum com", "ola @ example . no",
	},
	journal.PhoneNumber: {
		"91234567", "Ring meg på 91234567.", "tlf 22123456", "tlf.91234567", "22 12 34 56", "22.12.34.56", "22-12-34-56", "22\u00a012\u00a034\u00a056",
		"912 34 567", "912 34 567, etter kl. 17", "912-34-567", "Mobil:912 34 567", "(912 34 567)", "\u202a912 34 567\u202c",
		"+4791234567", "+47 91234567", "+47 912 34 567", "+47 91 23 45 67", "+47-912-34-567", "(+47) 912 34 567", "+47 (0) 22 12 34 56", "+ 47 912 34 567",
		"004791234567", "0047 912 34 567", "0047 91 23 45 67", "47 912 34 567", "4791234567",
		"+46 70 123 45 67", "+46 (0)70-123 45 67", "+45 12 34 56 78", "+44 20 7946 0958", "+1 555 123 4567", "+1-555-123-4567", "+48 601 234 567", "0046 70 123 45 67",
		"kl. 17: 912 34 567", "Per 1: 91234567", "22 12 34 56 og 912 34 567", "22 12 34 56 / 91 23 45 67",
		"sov til 07.09.2025 12:00, ring 40 00 00 00",
	},
	"": {
		"", " ", "Jeg sov bedre.", "Jeg gikk en tur på 5 km", "12 000 000", "25 000 000 kr", "kr 1 250 000,-", "2 500 000", "1.000.000", "12000",
		"2025", "2024 2025", "2019-2021", "1999/2000", "fra 1998 til 2003", "2025-09-07", "07.09.2025", "7.9.2025", "07.09.2025 12:00", "07.09.2025 kl 12.00", "2025-09-07T12:00:00",
		"20250907", "24122025", "den 27.09.2025", "27.09.25", "27.9", "fra 01.01.2025 til 31.12.2025", "01.01.2025-31.12.2025", "2025-01-01 - 2025-12-31",
		"07.09.2025 12000 kr", "12:30", "22.30", "22.30-23.15", "22.30 23.15", "kl 2200 2300", "0015 0030 0045", "sov 23:15-06:45", "la meg 22.30, sto opp 06.45",
		"3 2 1 0 1 2 3 2 1", "321012321", "1 2 0 1 1 2 3 2 1 0 2", "0 1 0 1 1 2 3 2 1 1 2 3 2 1 0 1", "PHQ-9: 12, GAD-7: 10", "phq-9 3 3 3 3 3 3 3 3 3", "score 27 av 27",
		"978-82-02-12345-6", "978 82 02 12345 6", "9788202123456", "ISBN 82-02-12345-6", "120/80", "120/80 130/85 125/82", "puls 72 75 80 78 74 76", "vekt 82,5 81,9 80,7",
		"120 180 130 85", "1 2 3 4 5 6 7 8 9 10 11", "10 20 30 40 50", "1, 2, 3, 4", "50 %", "3,14159", "1/2", "100 mg x 2", "Sertralin 50 mg 1-0-1", "tok 100 50 100",
		"0405 Oslo", "5003 Bergen", "uke 32-35", "uke 32, 33, 34 og 35", "§ 2-2", "paragraf 12-3-4", "lov 2018-06-15-38", "1.2.3.4", "versjon 2.10.14",
		"+10", "bedre (+3)", "+1 2 3 1 2 3 2 1 0", "endring +10 07.09.2025", "endring +10 2025-09-07", "2 + 2 = 4", "+ 25 000 000", "org.nr. 999 888 777", "999888777",
		"113", "ring 116 117", "Mental Helse 116 123", "02800", "kontonummer 1234.56.78903", "8-9 timer", "10 000 skritt", "10500 skritt 07.09.25",
		"07.09.25 10500 skritt", "12345678", "112\n345\n678\n910", "91\n23\n45\n67", "@", "@ jobb", "møttes @ kafeen", "@ola", "#1", "a@b", "at jeg sov", "(at det går over)", "look at nrk.no", "se nrk.no",
		"punktum.", "Punktum. Nok.", "helt alfa", "prikken over i-en", "bla bla. No er eg betre.", "e-post", "krøllalfa", "jeg hater krøllalfa punktum", "dot dot dot", "snabel",
	},
}

// Of both sorts, as people write them.
func TestIdentifying(t *testing.T) {
	for want, texts := range identifying {
		for _, text := range texts {
			for _, text := range []string{text, "Hei, " + text + " hilsen en", "(" + text + ")"} {
				if got := journal.Identifying(text); got != want {
					t.Errorf("%q: %q, expected %q", text, got, want)
				}
			}
		}
	}
}

// number makes the first national identity number with a date from the three digits on. The check digits are those of the rule,
// written out another way than the program has it.
func number(date string, individual int) string { return first(date, individual, 0) }

// wider makes a number of the kind issued from 2032, whose first check digit leaves a remainder.
func wider(date string, individual int) string { return first(date, individual, 2) }

func first(date string, individual, rest int) string {
	for ; ; individual++ {
		if n, ok := complete(fmt.Sprintf("%s%03d", date, individual), rest); ok {
			return n
		}
	}
}

// complete puts the check digits behind nine digits, where there are such.
func complete(nine string, rest int) (string, bool) {
	for _, weights := range [][]int{{3, 7, 6, 1, 8, 9, 4, 5, 2}, {5, 4, 3, 2, 7, 6, 5, 4, 3, 2}} {
		sum := 0
		for i, w := range weights {
			sum += w * int(nine[i]-'0')
		}
		check := (11 - (sum-rest)%11) % 11
		if check == 10 {
			return "", false
		}
		nine += fmt.Sprint(check)
		rest = 0
	}
	return nine, true
}

// split divides digits into groups.
func split(digits, by string, sizes ...int) string {
	var parts []string
	for _, n := range sizes {
		parts, digits = append(parts, digits[:n]), digits[n:]
	}
	return strings.Join(parts, by)
}

var shifts = []struct{ day, month int }{{0, 0}, {40, 0}, {0, 40}, {0, 65}, {0, 80}, {40, 40}, {40, 65}, {40, 80}}

func drawNine(t *rapid.T) string {
	s := rapid.SampledFrom(shifts).Draw(t, "kind")
	return fmt.Sprintf("%02d%02d%02d%03d", s.day+rapid.IntRange(1, 28).Draw(t, "day"), s.month+rapid.IntRange(1, 12).Draw(t, "month"),
		rapid.IntRange(0, 99).Draw(t, "year"), rapid.IntRange(0, 999).Draw(t, "individual"))
}

var words = rapid.StringMatching(`([A-Za-zæøåÆØÅ,.!?:;"()\n -]{0,40}[A-Za-zæøåÆØÅ,!?:;"\n])?`)

// A valid number is found whatever stands around it, and however it is divided. So is one with a slip in its last five
// digits, and one of the kind issued from 2032, where it is divided as usual.
func TestEveryIdentityNumberIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, ok := complete(drawNine(t), 0)
		if !ok {
			t.Skip("no such number")
		}
		before, after := words.Draw(t, "before"), words.Draw(t, "after")
		if rapid.Bool().Draw(t, "numbers beside") {
			before, after = "uke 32 og 12 000 000 kr, "+before, after+" den 07.09.2025 kl 12:00"
		}
		sizes := rapid.SampledFrom([][]int{{11}, {6, 5}, {6, 3, 2}, {2, 2, 2, 5}, {2, 2, 2, 3, 2}, {4, 2, 5}, {3, 3, 5}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}).Draw(t, "groups")
		by := rapid.SampledFrom([]string{" ", "-", ".", "/", " - ", "\u00a0", "\u2013", "  "}).Draw(t, "between")
		text := before + "x" + split(n, by, sizes...) + after
		if got := journal.Identifying(text); got != journal.IdentityNumber {
			t.Fatalf("%q: %q", text, got)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		n := drawNine(t) + fmt.Sprintf("%02d", rapid.IntRange(0, 99).Draw(t, "check digits"))
		sizes := rapid.SampledFrom([][]int{{11}, {6, 5}, {6, 3, 2}}).Draw(t, "groups")
		text := words.Draw(t, "before") + split(n, rapid.SampledFrom([]string{" ", "-", "."}).Draw(t, "between"), sizes...) + words.Draw(t, "after")
		if got := journal.Identifying(text); got != journal.IdentityNumber {
			t.Fatalf("%q: %q", text, got)
		}
	})
}

// Every Norwegian number of eight digits is found in the usual divisions, unless it is a date.
func TestEveryPhoneNumberIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := fmt.Sprint(rapid.IntRange(21000000, 99999999).Draw(t, "number"))
		if n[4:] >= "1900" && n[4:] <= "2099" {
			t.Skip("perhaps a date")
		}
		sizes := rapid.SampledFrom([][]int{{8}, {2, 2, 2, 2}, {3, 2, 3}}).Draw(t, "groups")
		by := rapid.SampledFrom([]string{" ", "-", ".", "\u00a0"}).Draw(t, "between")
		prefix := rapid.SampledFrom([]string{"", "+47 ", "+47", "0047 ", "0047", "(+47) "}).Draw(t, "prefix")
		text := words.Draw(t, "before") + prefix + split(n, by, sizes...) + words.Draw(t, "after")
		if got := journal.Identifying(text); got != journal.PhoneNumber {
			t.Fatalf("%q: %q", text, got)
		}
	})
}

// What people write about their days passes: no numbers longer than five digits, dates, times, amounts, scores.
func TestOrdinaryTextPasses(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"jeg", "sov", "uke", "kl", "søvn", "skritt", "bedre", "og", "at", "fra", "til", "på", "kr", "prikk", "alfa", "(at det)"}),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(0, 99999).Draw(t, "number")) + " ganger" }),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%02d.%02d.%d klokken", rapid.IntRange(1, 28).Draw(t, "day"), rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1940, 2040).Draw(t, "year"))
		}),
		rapid.Custom(func(t *rapid.T) string {
			return domain.Date(rapid.IntRange(10000, 25000).Draw(t, "date")).String() + " klokken"
		}),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%02d%s%02d var", rapid.IntRange(0, 23).Draw(t, "hour"), rapid.SampledFrom([]string{":", "."}).Draw(t, "between"), rapid.IntRange(0, 59).Draw(t, "minute"))
		}),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("%d %03d %03d kr", rapid.IntRange(1, 999).Draw(t, "m"), rapid.IntRange(0, 999).Draw(t, "t"), rapid.IntRange(0, 999).Draw(t, "k"))
		}),
		rapid.Custom(func(t *rapid.T) string {
			items := rapid.SliceOfN(rapid.IntRange(0, 3), 7, 9).Draw(t, "items")
			return strings.Trim(fmt.Sprint(items), "[]") + " poeng"
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 20).Draw(t, "pieces"), " ")
		if got := journal.Identifying(text); got != "" {
			t.Fatalf("%q: %q", text, got)
		}
	})
}

// Whatever is typed is answered, and nothing of it is repeated.
func TestAnyText(t *testing.T) {
	digits := rapid.StringMatching(`[0-9+().@/ \-\n]{0,60}`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), digits).Draw(t, "text")
		_, err := journal.Decider.Decide(AsClient(at), journal.State{}, journal.Answer{Task: "t", Text: text, Entered: journal.ByClient})
		if err != nil && len(strings.TrimSpace(text)) > 10 && strings.Contains(err.Error(), text) {
			t.Fatalf("%q is repeated", text)
		}
	})
}

func FuzzIdentifying(f *testing.F) {
	for _, texts := range identifying {
		for _, text := range texts {
			f.Add(text)
		}
	}
	f.Fuzz(func(_ *testing.T, text string) { journal.Identifying(text) })
}

// Every free text that anybody writes is searched; what names content is not.
func TestNothingIdentifyingIsKept(t *testing.T) {
	const phone = "ring 912 34 567"
	request := event(AsClient(at), journal.CorrectionAsked{Request: ID(7), Sender: ID(8), Text: "wrong", Through: journal.ByClient})
	for name, c := range map[string]struct {
		act     domain.Act
		command journal.Command
	}{
		"an answer":          {AsClient(at), journal.Answer{Task: "t", Text: phone, Entered: journal.ByClient}},
		"an answer for":      {AsProfessional(at), journal.Answer{Task: "t", Text: phone, Entered: journal.OnBehalf}},
		"a comment":          {AsClient(at), journal.Rate{Content: "c", Stars: 3, Comment: phone}},
		"a correction":       {AsClient(at), journal.AskCorrection{Request: ID(1), Sender: ID(2), Text: phone}},
		"one passed on":      {AsProfessional(at), journal.AskCorrection{Request: ID(1), Sender: ID(2), Text: phone}},
		"what was corrected": {employee(), journal.MakeCorrection{Request: ID(7), Text: phone}},
		"a note":             {AsProfessional(at), journal.WriteNote{Note: ID(3), Text: phone}},
		"a draft":            {AsProfessional(at), journal.WriteNote{Note: ID(3), Draft: true, Text: phone}},
	} {
		o := story(t, request).When(c.act, c.command)
		o.ThenRefused(journal.TellsWho)
		_, err := o.Result()
		if err == nil || !strings.Contains(err.Error(), "a phone number") || strings.Contains(err.Error(), "912") {
			t.Errorf("%s: %v", name, err)
		}
	}
	Of(t, journal.Suggest).When(AsClient(at), journal.Feedback{Form: "f", Text: phone}).ThenRefused(journal.TellsWho)
	story(t).When(AsClient(at), journal.Open{Content: "91234567"}).Then(event(AsClient(at), journal.ContentOpened{Content: "91234567"}))
}

func BenchmarkIdentifying(b *testing.B) {
	text := strings.Repeat("Jeg gikk en tur på 5 km og sov bedre fra kl. 22.30 den 07.09.2025, etter 10 000 skritt. Ærlig talt går det framover. ", 20)[:2048]
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if journal.Identifying(text) != "" {
			b.Fatal("an ordinary text")
		}
	}
}
