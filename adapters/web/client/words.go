package client

import (
	"slices"
	"strings"

	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// What the interface has names for, in the reader's words. Each kind of name has a family of messages; a test sees to it that every
// name has one.

// title is what an instrument is called.
func title(lang string, i journal.Instrument) string {
	return page.Say(lang, page.Key("word.instrument."+string(i)))
}

// severity is a band in plain words; "" where there is none.
func severity(lang string, s journal.Severity) string {
	if s == "" {
		return ""
	}
	return page.Say(lang, page.Key("word.severity."+string(s)))
}

// purpose is why somebody looked.
func purpose(lang string, p client.Purpose) string {
	if p == "" {
		return ""
	}
	return page.Say(lang, page.Key("word.purpose."+string(p)))
}

// kind is a kind of information.
func kind(lang string, k client.Kind) string {
	return page.Say(lang, page.Key("word.kind."+string(k)))
}

// every are all kinds of information that a look-up can name.
var every = []client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}

// kinds lists kinds of information; all of them have a name together.
func kinds(lang string, shown []client.Kind) string {
	if !slices.ContainsFunc(every, func(k client.Kind) bool { return !slices.Contains(shown, k) }) {
		return page.Say(lang, "client.look-ups.all")
	}
	var words []string
	for _, k := range shown {
		words = append(words, kind(lang, k))
	}
	return strings.Join(words, ", ")
}

// count says how many there are of something.
func count(lang string, key page.Key, n int) string {
	s, err := page.Plural(lang, key, n)
	if err != nil {
		panic(err) // unreachable in a build whose tests have passed
	}
	return s
}

// task is what an answer answers: a part of the programme by its name, or what a professional called it.
func task(lang, s string) string {
	if _, ok := content.Find(s); ok {
		return content.Name(lang, s)
	}
	return s
}

// entered is who filled something in.
func entered(lang string, e journal.Entered) string {
	return page.Say(lang, page.Key("client.entered."+string(e)))
}

// by is as what somebody acted; nobody is the service itself.
func by(lang string, r domain.Role) string {
	if r == "" {
		return page.Say(lang, "client.by.service")
	}
	return page.Say(lang, page.Key("client.by."+string(r)))
}

// event is what happened; one that has no words yet goes by its name.
func event(lang, name string) string {
	key := page.Key("client.event." + name)
	if !page.Has(key) {
		return name
	}
	return page.Say(lang, key)
}
