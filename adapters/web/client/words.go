package client

import (
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// What the interface has names for, in the reader's words. Each kind of name has a family of messages; a test sees to it that every
// name has one.

// title is what an instrument is called.
func title(lang string, i journal.Instrument) string {
	return page.Say(lang, page.Key("client.instrument."+string(i)))
}

// severity is a band in plain words; "" where there is none.
func severity(lang string, s journal.Severity) string {
	if s == "" {
		return ""
	}
	return page.Say(lang, page.Key("client.severity."+string(s)))
}

// purpose is why somebody looked.
func purpose(lang string, p client.Purpose) string {
	if p == "" {
		return ""
	}
	return page.Say(lang, page.Key("client.purpose."+string(p)))
}

// kind is a kind of information.
func kind(lang string, k client.Kind) string {
	return page.Say(lang, page.Key("client.kind."+string(k)))
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
