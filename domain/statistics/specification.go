package statistics

import (
	"slices"

	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
)

// Universes.
var (
	newcomers = &Universe{
		Name:  "newcomers",
		Label: Words{"De som fikk tilgang i kvartalet", "Dei som fekk tilgang i kvartalet", "Those who were given access in the quarter"},
		in:    func(p Person) bool { return p.New },
	}
	users = &Universe{
		Name:  "users",
		Label: Words{"De som brukte tjenesten i kvartalet", "Dei som brukte tenesta i kvartalet", "Those who used the service in the quarter"},
		in:    func(p Person) bool { return p.Active },
	}
	asked = &Universe{
		Name: "asked",
		Label: Words{
			"De som svarte på om oppfølgingen varer, eller lot fristen gå ut, i kvartalet",
			"Dei som svarte på om oppfølginga varer, eller lét fristen gå ut, i kvartalet",
			"Those who answered whether follow-up goes on, or let the deadline pass, in the quarter",
		},
		in: func(p Person) bool { return p.Yes+p.No+p.Lapsed > 0 },
	}
	changers = &Universe{
		Name:  "changers",
		Label: Words{"De som fikk ny kode i kvartalet", "Dei som fekk ny kode i kvartalet", "Those who were given a new code in the quarter"},
		in:    func(p Person) bool { return p.Rotated > 0 },
	}
	phq9Once = once(journal.PHQ9, "PHQ-9")
	gad7Once = once(journal.GAD7, "GAD-7")
	phq9More = more(journal.PHQ9, "PHQ-9", phq9Once)
	gad7More = more(journal.GAD7, "GAD-7", gad7Once)
)

func once(i journal.Instrument, name string) *Universe {
	return &Universe{
		Name: string(i), Of: users,
		Label: Words{
			"De som fylte ut " + name + " i kvartalet", "Dei som fylte ut " + name + " i kvartalet",
			"Those who filled in the " + name + " in the quarter",
		},
		in: func(p Person) bool { return p.Course(i).Count > 0 },
	}
}

func more(i journal.Instrument, name string, once *Universe) *Universe {
	return &Universe{
		Name: string(i) + "-repeated", Of: once,
		Label: Words{
			"De som fylte ut " + name + " minst to ganger i kvartalet", "Dei som fylte ut " + name + " minst to gonger i kvartalet",
			"Those who filled in the " + name + " at least twice in the quarter",
		},
		in: func(p Person) bool { return p.Course(i).Count > 1 },
	}
}

// either is a variable of two categories.
func either(name string, label, yes, no Words, is func(Person) bool) *Variable {
	return &Variable{Name: name, Label: label, Categories: []Category{{"yes", yes}, {"no", no}}, of: func(p Person) int {
		if is(p) {
			return 0
		}
		return 1
	}}
}

var (
	yes = Words{"Ja", "Ja", "Yes"}
	no  = Words{"Nei", "Nei", "No"}
)

// among is a variable whose value is one of its categories' names; what is none of them is the last one.
func among(name string, label Words, categories []Category, value func(Person) string) *Variable {
	return &Variable{Name: name, Label: label, Categories: categories, of: func(p Person) int {
		v := value(p)
		i := slices.IndexFunc(categories, func(c Category) bool { return c.Name == v })
		if i < 0 {
			return len(categories) - 1
		}
		return i
	}}
}

// standing is where somebody stands with sharing.
func standing(s client.State) string {
	switch s.Status {
	case client.Shared:
		return "shared"
	case client.Refused:
		return "declined"
	case client.Ended, client.AnsweredNo, client.CutOff:
		return "ended"
	case client.RanOut:
		return "lapsed"
	}
	return "unanswered"
}

// Variables.
var (
	service = among("service", Words{"Tjeneste", "Teneste", "Service"}, []Category{
		{string(rules.AssistertSelvhjelp), Words{"Assistert Selvhjelp", "Assistert Selvhjelp", "Assistert Selvhjelp"}},
		{string(rules.Trigga), Words{"Trigga", "Trigga", "Trigga"}},
	}, func(p Person) string { return string(p.Service) })

	isNew = either("new", Words{"Fikk tilgang", "Fekk tilgang", "Was given access"},
		Words{"I kvartalet", "I kvartalet", "In the quarter"}, Words{"Tidligere", "Tidlegare", "Earlier"},
		func(p Person) bool { return p.New })
	used = either("used", Words{"Bruk i kvartalet", "Bruk i kvartalet", "Use in the quarter"},
		Words{"Brukte tjenesten", "Brukte tenesta", "Used the service"}, Words{"Brukte den ikke", "Brukte henne ikkje", "Did not use it"},
		func(p Person) bool { return p.Active })

	sharing = among("sharing", Words{"Deling ved utgangen av kvartalet", "Deling ved utgangen av kvartalet", "Sharing at the quarter's end"},
		[]Category{
			{"shared", Words{"Deler", "Deler", "Shares"}},
			{"declined", Words{"Svarte nei", "Svarte nei", "Answered no"}},
			{"ended", Words{"Avsluttet delingen", "Avslutta delinga", "Ended it"}},
			{"lapsed", Words{"Løp ut uten svar", "Gjekk ut utan svar", "Ran out without an answer"}},
			{"unanswered", Words{"Har ikke svart", "Har ikkje svart", "Has not answered"}},
		}, func(p Person) string { return standing(p.State) })

	followUp = among("follow-up", Words{"Svar på spørsmålet om oppfølging", "Svar på spørsmålet om oppfølging", "Answer to the question about follow-up"},
		[]Category{
			{"yes", yes}, {"no", no},
			{"lapsed", Words{"Ikke noe svar før fristen", "Ikkje noko svar før fristen", "No answer by the deadline"}},
		}, func(p Person) string {
			switch {
			case p.Yes > 0:
				return "yes"
			case p.No > 0:
				return "no"
			}
			return "lapsed"
		})

	finished = among("finished", Words{"Deler av programmet som ble fullført", "Delar av programmet som vart fullførte", "Parts of the programme finished"},
		[]Category{
			{"none", Words{"Ingen", "Ingen", "None"}},
			{"1-2", Words{"1–2", "1–2", "1–2"}},
			{"3-8", Words{"3–8", "3–8", "3–8"}},
		}, func(p Person) string {
			switch n := len(p.Finished); {
			case n == 0:
				return "none"
			case n < 3:
				return "1-2"
			}
			return "3-8"
		})

	parts = []*Variable{
		part("start", Words{"Kom i gang", "Kom i gang", "Getting started"}),
		part("connections", Words{"Sammenhenger", "Samanhengar", "Connections"}),
		part("activity", Words{"Aktivitet", "Aktivitet", "Activity"}),
		part("sleep", Words{"Søvn", "Søvn", "Sleep"}),
		part("thoughts", Words{"Tanker", "Tankar", "Thoughts"}),
		part("worry", Words{"Bekymring", "Uro", "Worry"}),
		part("people", Words{"Andre mennesker", "Andre menneske", "Other people"}),
		part("onward", Words{"Veien videre", "Vegen vidare", "The way onward"}),
	}

	phq9From, phq9To = severity(journal.PHQ9, "PHQ-9")
	gad7From, gad7To = severity(journal.GAD7, "GAD-7")
	phq9Change       = changed(journal.PHQ9, "PHQ-9")
	gad7Change       = changed(journal.GAD7, "GAD-7")
)

func part(name string, label Words) *Variable {
	return either("part-"+name, label, Words{"Fullført", "Fullført", "Finished"}, Words{"Ikke fullført", "Ikkje fullført", "Not finished"},
		func(p Person) bool { _, found := slices.BinarySearch(p.Finished, name); return found })
}

var severities = map[journal.Severity]Words{
	journal.Minimal:          {"Ingen eller minimale plager", "Ingen eller minimale plager", "None or minimal"},
	journal.Mild:             {"Milde plager", "Milde plager", "Mild"},
	journal.Moderate:         {"Moderate plager", "Moderate plager", "Moderate"},
	journal.ModeratelySevere: {"Moderat alvorlige plager", "Moderat alvorlege plager", "Moderately severe"},
	journal.Severe:           {"Alvorlige plager", "Alvorlege plager", "Severe"},
}

// severity is how the first and the last form of a quarter read.
func severity(i journal.Instrument, name string) (from, to *Variable) {
	var bands []Category
	for _, b := range journal.Forms[i].Bands {
		bands = append(bands, Category{string(b.Severity), severities[b.Severity]})
	}
	from = among(string(i)+"-first", Words{name + ", første skjema", name + ", første skjema", name + ", first form"}, bands,
		func(p Person) string { return string(p.Course(i).From) })
	to = among(string(i)+"-last", Words{name + ", siste skjema", name + ", siste skjema", name + ", last form"}, bands,
		func(p Person) string { return string(p.Course(i).To) })
	return from, to
}

// changed is whether the last form differs from the first by more than the form's own uncertainty.
func changed(i journal.Instrument, name string) *Variable {
	limit := journal.Forms[i].Reliable
	return among(string(i)+"-change", Words{
		name + ", endring fra første til siste skjema", name + ", endring frå første til siste skjema", name + ", change from first to last form",
	}, []Category{
		{"better", Words{"Bedre", "Betre", "Better"}},
		{"uncertain", Words{"Liten eller usikker endring", "Lita eller usikker endring", "Small or uncertain change"}},
		{"worse", Words{"Dårligere", "Dårlegare", "Worse"}},
	}, func(p Person) string {
		switch c := p.Course(i); {
		case c.First-c.Last >= limit:
			return "better"
		case c.Last-c.First >= limit:
			return "worse"
		}
		return "uncertain"
	})
}

// change is by how many points the score went from the first to the last form; below zero is an improvement.
func change(i journal.Instrument, name string) *Measure {
	f := journal.Forms[i]
	return &Measure{
		Name:  string(i) + "-mean-change",
		Label: Words{"Gjennomsnittlig endring i " + name, "Gjennomsnittleg endring i " + name, "Mean change of the " + name},
		Bound: f.Items * f.Highest,
		of:    func(p Person) int { c := p.Course(i); return c.Last - c.First },
	}
}

// A range is the scores of a band, both included.
type scores struct {
	severity  journal.Severity
	low, high int
}

func bands(i journal.Instrument) (all []scores) {
	f := journal.Forms[i]
	for n, b := range f.Bands {
		high := f.Items * f.Highest
		if n+1 < len(f.Bands) {
			high = f.Bands[n+1].From - 1
		}
		all = append(all, scores{b.Severity, b.From, high})
	}
	return all
}

// neverBetter are the bands from which nobody can get so much better, or worse, that it counts.
func neverBetter(i journal.Instrument) (never [][2]string) {
	f := journal.Forms[i]
	for _, from := range bands(i) {
		if from.high < f.Reliable {
			never = append(never, [2]string{string(from.severity), "better"})
		}
		if f.Items*f.Highest-from.low < f.Reliable {
			never = append(never, [2]string{string(from.severity), "worse"})
		}
	}
	return never
}

// impliedChange are the changes that follow from the bands of the first and the last form.
func impliedChange(i journal.Instrument) (implied [][3]string) {
	limit := journal.Forms[i].Reliable
	for _, from := range bands(i) {
		for _, to := range bands(i) {
			change := ""
			switch {
			case from.low-to.high >= limit:
				change = "better"
			case to.low-from.high >= limit:
				change = "worse"
			case from.high-to.low < limit && to.high-from.low < limit:
				change = "uncertain"
			default:
				continue
			}
			implied = append(implied, [3]string{string(from.severity), string(to.severity), change})
		}
	}
	return implied
}

// Quarterly is the specification in use.
var Quarterly = Specification{
	Name: "quarterly", Version: 2, Rule: "statistics/3",
	Rules:         disclosure.Rules{Threshold: 5, Protection: 5, P: 10},
	FewestForMean: 30,
	Tables: []Table{
		{Name: "newcomers", Label: Words{"Nye klienter", "Nye klientar", "New clients"}, Universe: newcomers, Over: true, Of: []*Variable{used}},
		{Name: "newcomers-services", Label: Words{"Nye klienter etter tjeneste", "Nye klientar etter teneste", "New clients by service"}, Universe: newcomers, By: service, Of: []*Variable{used}},
		{Name: "sharing", Label: Words{"Deling", "Deling", "Sharing"}, Universe: users, Over: true, Of: []*Variable{sharing}},
		{Name: "services", Label: Words{"Deling etter tjeneste", "Deling etter teneste", "Sharing by service"}, Universe: users, By: service, Of: []*Variable{sharing}},
		{Name: "new-sharing", Label: Words{"Deling blant nye og tidligere", "Deling blant nye og tidlegare", "Sharing of new and earlier clients"}, Universe: users, By: isNew, Of: []*Variable{sharing}, Never: [][2]string{{"yes", "lapsed"}}},
		{Name: "follow-up", Label: Words{"Spørsmålet om oppfølging", "Spørsmålet om oppfølging", "The question about follow-up"}, Universe: asked, Over: true, Of: []*Variable{followUp}},
		{Name: "follow-up-services", Label: Words{"Spørsmålet om oppfølging, etter tjeneste", "Spørsmålet om oppfølging, etter teneste", "The question about follow-up, by service"}, Universe: asked, By: service, Of: []*Variable{followUp}},
		{Name: "codes", Label: Words{"Nye koder", "Nye kodar", "New codes"}, Universe: changers, Over: true},
		{Name: "finished", Label: Words{"Fullførte deler", "Fullførte delar", "Parts finished"}, Universe: users, Over: true, Of: []*Variable{finished}},
		{Name: "finished-sharing", Label: Words{"Fullførte deler etter deling", "Fullførte delar etter deling", "Parts finished by sharing"}, Universe: users, By: sharing, Of: []*Variable{finished}},
		{Name: "parts", Label: Words{"Hver del av programmet", "Kvar del av programmet", "Each part of the programme"}, Universe: users, Of: parts},
		{Name: "phq-9", Label: Words{"PHQ-9, første skjema", "PHQ-9, første skjema", "PHQ-9, first form"}, Universe: phq9Once, Over: true, Of: []*Variable{phq9From}},
		{Name: "phq-9-change", Label: Words{"PHQ-9, endring", "PHQ-9, endring", "PHQ-9, change"}, Universe: phq9More, Over: true, Of: []*Variable{phq9Change}},
		{Name: "phq-9-change-by-severity", Label: Words{"PHQ-9, endring etter første skjema", "PHQ-9, endring etter første skjema", "PHQ-9, change by first form"}, Universe: phq9More, By: phq9From, Of: []*Variable{phq9Change}, Mean: change(journal.PHQ9, "PHQ-9"), Never: neverBetter(journal.PHQ9)},
		{Name: "phq-9-last", Label: Words{"PHQ-9, fra første til siste skjema", "PHQ-9, frå første til siste skjema", "PHQ-9, from first to last form"}, Universe: phq9More, By: phq9From, Of: []*Variable{phq9To}, Implied: impliedChange(journal.PHQ9)},
		{Name: "gad-7", Label: Words{"GAD-7, første skjema", "GAD-7, første skjema", "GAD-7, first form"}, Universe: gad7Once, Over: true, Of: []*Variable{gad7From}},
		{Name: "gad-7-change", Label: Words{"GAD-7, endring", "GAD-7, endring", "GAD-7, change"}, Universe: gad7More, Over: true, Of: []*Variable{gad7Change}},
		{Name: "gad-7-change-by-severity", Label: Words{"GAD-7, endring etter første skjema", "GAD-7, endring etter første skjema", "GAD-7, change by first form"}, Universe: gad7More, By: gad7From, Of: []*Variable{gad7Change}, Mean: change(journal.GAD7, "GAD-7"), Never: neverBetter(journal.GAD7)},
		{Name: "gad-7-last", Label: Words{"GAD-7, fra første til siste skjema", "GAD-7, frå første til siste skjema", "GAD-7, from first to last form"}, Universe: gad7More, By: gad7From, Of: []*Variable{gad7To}, Implied: impliedChange(journal.GAD7)},
		{Name: "deletions", Label: Words{"Slettinger", "Slettingar", "Deletions"}, Universe: deleted, Over: true},
	},
	Behind: []Table{{Name: "users", Universe: users, Over: true, Of: []*Variable{isNew}}},
	Same:   []Same{{are(newcomers, Is{used, "yes"}), are(users, Is{isNew, "yes"})}},
	Flows:  flows(),
	Pools:  pools(),
}

func are(u *Universe, is ...Is) Group { return Group{Universe: u, Is: is} }

// flows are what everybody knows who knows how the service works: who answers the question about follow-up uses the service, has been there
// for longer, has said yes once and not let it run out; who takes a new code uses it too; and parts of the programme are finished one or
// two, or three to eight.
func flows() []Flow {
	answered := func(is ...Is) []Group {
		return []Group{are(asked, append(is, Is{followUp, "yes"})...), are(asked, append(is, Is{followUp, "no"})...)}
	}
	others := func(is ...Is) (all []Group) {
		for _, at := range []string{"declined", "lapsed", "unanswered"} {
			all = append(all, are(users, append(slices.Clip(is), Is{sharing, at})...))
		}
		return all
	}
	old := Is{isNew, "no"}
	all := []Flow{
		{Of: answered(), In: []Group{are(users, old)}},
		{Of: slices.Concat(answered(), others()), In: []Group{are(users)}},
		{Of: slices.Concat(answered(), others(old)), In: []Group{are(users, old)}},
		{Of: []Group{are(changers)}, In: []Group{are(users)}},
	}
	for _, c := range service.Categories {
		same := Is{service, c.Name}
		all = append(all,
			Flow{Of: slices.Concat(answered(same), others(same)), In: []Group{are(users, same)}},
			Flow{Of: append(answered(same), are(newcomers, same, Is{used, "yes"})), In: []Group{are(users, same)}})
	}
	none, few, many := are(users, Is{finished, "none"}), are(users, Is{finished, "1-2"}), are(users, Is{finished, "3-8"})
	var every []Group
	for _, p := range parts {
		one := are(users, Is{p, "yes"})
		every = append(every, one)
		all = append(all, Flow{Of: []Group{none, one}, In: []Group{are(users)}})
	}
	return append(all,
		Flow{Of: append([]Group{few}, slices.Repeat([]Group{many}, 3)...), In: every, Times: true},
		Flow{Of: every, In: append([]Group{few, few}, slices.Repeat([]Group{many}, 8)...), Times: true})
}

// pools are what earlier releases tell of the people of this one: each was new once; who has not answered the first question now had not
// answered it in their first quarter, and who answered no had not said yes in it; who is asked about follow-up shared before; and sharing
// that has run out did so once.
func pools() []Pool {
	unanswered, declined, old := Is{sharing, "unanswered"}, Is{sharing, "declined"}, Is{isNew, "no"}
	shared := func(p Person) bool { return p.Before.Status == client.Shared }
	// first is who stood so at the end of the first quarter, or came in this one and used the service.
	first := func(at ...string) func(Person) bool {
		return func(p Person) bool { return p.New && p.Active || !p.New && slices.Contains(at, standing(p.First)) }
	}
	earlier := func(is func(Person) bool) func(Person) bool { return func(p Person) bool { return !p.New && is(p) } }
	all := []Pool{
		{Name: "came earlier", Of: []Group{are(users, old), are(deleted)}, In: func(p Person) bool { return !p.New }, Deleted: true, Empty: true},
		{Name: "shared before", Of: []Group{are(asked)}, In: shared, Empty: true},
		{Name: "sharing ran out", Of: []Group{are(users, Is{sharing, "lapsed"})}, In: func(p Person) bool { return p.RanOut }},
		{Name: "had not answered", Of: []Group{are(users, unanswered)}, In: first("unanswered")},
		{Name: "had not said yes", Of: []Group{are(users, unanswered), are(users, declined)}, In: first("unanswered", "declined")},
		{Name: "came earlier and had not answered", Of: []Group{are(users, old, unanswered)}, In: earlier(first("unanswered"))},
		{Name: "came earlier and had not said yes", Of: []Group{are(users, old, unanswered), are(users, old, declined)}, In: earlier(first("unanswered", "declined"))},
	}
	for _, c := range service.Categories {
		same := Is{service, c.Name}
		by := func(is func(Person) bool) func(Person) bool {
			return func(p Person) bool { return string(p.Service) == c.Name && is(p) }
		}
		all = append(all,
			Pool{Name: "came by " + c.Name, Of: []Group{are(users, same), are(newcomers, same, Is{used, "no"})}, In: by(func(Person) bool { return true })},
			Pool{Name: "shared before by " + c.Name, Of: []Group{are(asked, same)}, In: by(shared)},
			Pool{Name: "sharing ran out by " + c.Name, Of: []Group{are(users, same, Is{sharing, "lapsed"})}, In: by(func(p Person) bool { return p.RanOut })},
			Pool{Name: "had not answered by " + c.Name, Of: []Group{are(users, same, unanswered)}, In: by(first("unanswered"))},
			Pool{Name: "had not said yes by " + c.Name, Of: []Group{are(users, same, unanswered), are(users, same, declined)}, In: by(first("unanswered", "declined"))})
	}
	return all
}

// deleted is who had everything erased in the quarter: no person's data, but the deletions that organisations have on record.
var deleted = &Universe{
	Name:  "deletions",
	Label: Words{"De som slettet alt i kvartalet", "Dei som sletta alt i kvartalet", "Those who had everything deleted in the quarter"},
	in:    func(Person) bool { return false },
}
