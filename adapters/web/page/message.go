package page

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"samtykke/domain"
)

// Languages are those that every page stands in: bokmål first, nynorsk, English.
var Languages = []string{"nb", "nn", "en"}

// A Key names a message.
type Key string

var (
	bundle     = loadMessages()
	localizers = newLocalizers()
)

func loadMessages() *i18n.Bundle {
	b := i18n.NewBundle(language.MustParse("nb"))
	b.RegisterUnmarshalFunc("json", json.Unmarshal)
	entries, err := files.ReadDir("messages")
	if err != nil {
		panic(err) // unreachable: they are embedded
	}
	for _, e := range entries { // called PART.LANGUAGE.json
		if _, err := b.LoadMessageFileFS(files, "messages/"+e.Name()); err != nil {
			panic(fmt.Sprintf("messages %s: %v", e.Name(), err))
		}
	}
	return b
}

func newLocalizers() map[string]*i18n.Localizer {
	all := map[string]*i18n.Localizer{}
	for _, lang := range Languages {
		all[lang] = i18n.NewLocalizer(bundle, lang)
	}
	return all
}

// Message is a message in a language, with names and values in turn for what stands open in it.
func Message(lang string, key Key, with ...any) (string, error) {
	data := map[string]any{}
	for i := 0; i+1 < len(with); i += 2 {
		name, ok := with[i].(string)
		if !ok {
			return "", fmt.Errorf("message %s: names and values come in turn", key)
		}
		data[name] = with[i+1]
	}
	return localize(lang, &i18n.LocalizeConfig{MessageID: string(key), TemplateData: data})
}

// Plural is a message that counts; the number stands in it as N.
func Plural(lang string, key Key, count int) (string, error) {
	return localize(lang, &i18n.LocalizeConfig{MessageID: string(key), PluralCount: count, TemplateData: map[string]any{"N": count}})
}

func localize(lang string, c *i18n.LocalizeConfig) (string, error) {
	s, tag, err := localizers[lang].LocalizeWithTag(c)
	if err != nil {
		return "", fmt.Errorf("message %s in %s: %w", c.MessageID, lang, err)
	}
	if tag.String() != lang {
		return "", fmt.Errorf("message %s is not there in %s", c.MessageID, lang)
	}
	return s, nil
}

// Say is Message for keys that the program itself names, which a test finds: it panics where there is none.
func Say(lang string, key Key, with ...any) string {
	s, err := Message(lang, key, with...)
	if err != nil {
		panic(err)
	}
	return s
}

// Has tells whether every language has the message.
func Has(key Key) bool { return known(key) == nil }

// known fails where a language lacks the message.
func known(key Key) error {
	for _, lang := range Languages {
		_, tag, err := localizers[lang].LocalizeWithTag(&i18n.LocalizeConfig{MessageID: string(key), PluralCount: 2, TemplateData: map[string]any{}})
		if err != nil || tag.String() != lang {
			return fmt.Errorf("message %s is not there in %s", key, lang)
		}
	}
	return nil
}

var months = map[string][12]string{
	"nb": {"januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "desember"},
	"nn": {"januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "desember"},
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

// Date is a day in the reader's form: 7. september 2025, 7 September 2025. The zero date is nothing.
func Date(lang string, d domain.Date) string {
	if d == 0 {
		return ""
	}
	t := d.Start().In(domain.Oslo)
	dot := "."
	if lang == "en" {
		dot = ""
	}
	return fmt.Sprintf("%d%s %s %d", t.Day(), dot, months[lang][t.Month()-1], t.Year())
}

// DateTime is a moment in the reader's form, in Oslo: 7. september 2025 kl. 14.05.
func DateTime(lang string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(domain.Oslo)
	clock := t.Format(" kl. 15.04")
	if lang == "en" {
		clock = t.Format(" at 15:04")
	}
	return Date(lang, domain.DateOf(t)) + clock
}

// Decimal is a number with one decimal, in the reader's form.
func Decimal(lang string, f float64) string {
	s := strconv.FormatFloat(f, 'f', 1, 64)
	if lang != "en" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return strings.Replace(s, "-", "−", 1)
}
