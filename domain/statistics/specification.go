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
	clients = &Universe{
		Name:  "clients",
		Label: Words{"Alle med tilgang i kvartalet", "Alle med tilgang i kvartalet", "Everybody with access in the quarter"},
		in:    func(Person) bool { return true },
	}
	users = &Universe{
		Name: "users", Of: clients, Same: "used",
		Label: Words{"De som brukte tjenesten i kvartalet", "Dei som brukte tenesta i kvartalet", "Those who used the service in the quarter"},
		in:    func(p Person) bool { return p.Active },
	}
	asked = &Universe{
		Name: "asked", Of: clients,
		Label: Words{
			"De som fikk spørsmål om oppfølgingen i kvartalet", "Dei som fekk spørsmål om oppfølginga i kvartalet",
			"Those who were asked about follow-up in the quarter",
		},
		in: func(p Person) bool { return p.Asked > 0 },
	}
	phq9Once = once(journal.PHQ9, "PHQ-9")
	gad7Once = once(journal.GAD7, "GAD-7")
	phq9More = more(journal.PHQ9, "PHQ-9", phq9Once)
	gad7More = more(journal.GAD7, "GAD-7", gad7Once)
)

func once(i journal.Instrument, name string) *Universe {
	return &Universe{
		Name: string(i), Of: clients,
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

// Variables.
var (
	service = among("service", Words{"Tjeneste", "Teneste", "Service"}, []Category{
		{string(rules.AssistertSelvhjelp), Words{"Assistert Selvhjelp", "Assistert Selvhjelp", "Assistert Selvhjelp"}},
		{string(rules.Trigga), Words{"Trigga", "Trigga", "Trigga"}},
	}, func(p Person) string { return string(p.Service) })

	isNew = either("new", Words{"Fikk tilgang i kvartalet", "Fekk tilgang i kvartalet", "Was given access in the quarter"}, yes, no,
		func(p Person) bool { return p.New })
	used = either("used", Words{"Brukte tjenesten", "Brukte tenesta", "Used the service"}, yes, no,
		func(p Person) bool { return p.Active })
	rotated = either("rotated", Words{"Byttet kode", "Bytte kode", "Changed the code"}, yes, no,
		func(p Person) bool { return p.Rotated > 0 })
	lapsed = either("lapsed", Words{"Deling løp ut uten svar", "Deling gjekk ut utan svar", "Sharing ran out without an answer"}, yes, no,
		func(p Person) bool { return p.Lapsed > 0 })

	sharing = among("sharing", Words{"Deling ved utgangen av kvartalet", "Deling ved utgangen av kvartalet", "Sharing at the quarter's end"},
		[]Category{
			{"shared", Words{"Deler", "Deler", "Shares"}},
			{"declined", Words{"Svarte nei", "Svarte nei", "Answered no"}},
			{"ended", Words{"Avsluttet delingen", "Avslutta delinga", "Ended it"}},
			{"lapsed", Words{"Løp ut uten svar", "Gjekk ut utan svar", "Ran out without an answer"}},
			{"unanswered", Words{"Har ikke svart", "Har ikkje svart", "Has not answered"}},
		}, func(p Person) string {
			switch p.State.Status {
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
		})

	followUp = among("follow-up", Words{"Svar på spørsmålet om oppfølging", "Svar på spørsmålet om oppfølging", "Answer to the question about follow-up"},
		[]Category{
			{"yes", yes}, {"no", no},
			{"lapsed", Words{"Ingen svar før fristen", "Ikkje svar før fristen", "No answer by the deadline"}},
			{"open", Words{"Fristen er ikke ute", "Fristen er ikkje ute", "The deadline has not passed"}},
		}, func(p Person) string {
			switch {
			case p.Yes > 0:
				return "yes"
			case p.No > 0:
				return "no"
			case p.Lapsed > 0:
				return "lapsed"
			}
			return "open"
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
	Name: "quarterly", Version: 1, Rule: "statistics/2",
	Rules:         disclosure.Rules{Threshold: 5, Protection: 5, P: 10},
	FewestForMean: 30,
	Tables: []Table{
		{Name: "clients", Label: Words{"Nye og tidligere", "Nye og tidlegare", "New and earlier"}, Universe: clients, Over: true, Of: []*Variable{isNew}, Kept: true},
		{Name: "use", Label: Words{"Bruk", "Bruk", "Use"}, Universe: clients, Over: true, Of: []*Variable{used}, Kept: true},
		{Name: "sharing", Label: Words{"Deling", "Deling", "Sharing"}, Universe: clients, Over: true, Of: []*Variable{sharing}, Kept: true},
		{Name: "lapses", Label: Words{"Deling som løp ut", "Deling som gjekk ut", "Sharing that ran out"}, Universe: clients, Over: true, Of: []*Variable{lapsed}, Kept: true},
		{Name: "codes", Label: Words{"Bytte av kode", "Byte av kode", "Changes of code"}, Universe: clients, Over: true, Of: []*Variable{rotated}, Kept: true},
		{Name: "services", Label: Words{"Deling etter tjeneste", "Deling etter teneste", "Sharing by service"}, Universe: clients, By: service, Of: []*Variable{sharing}, Kept: true},
		{Name: "new-sharing", Label: Words{"Deling blant nye og tidligere", "Deling blant nye og tidlegare", "Sharing of new and earlier clients"}, Universe: clients, By: isNew, Of: []*Variable{sharing}, Never: [][2]string{{"yes", "lapsed"}}, Kept: true},
		{Name: "follow-up", Label: Words{"Spørsmålet om oppfølging", "Spørsmålet om oppfølging", "The question about follow-up"}, Universe: asked, Over: true, Of: []*Variable{followUp}, Kept: true},
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
		{Name: "deletions", Label: Words{"Slettinger", "Slettingar", "Deletions"}, Universe: deleted, Over: true, Kept: true},
	},
	Flows: flows(),
}

func are(u *Universe, is ...Is) Group { return Group{Universe: u, Is: is} }

func before(g Group) Group {
	g.Before = true
	return g
}

// stay is that whoever has had access for longer had it in the quarter before.
var stay = Flow{Totals: true, To: []Group{are(clients, Is{isNew, "no"})}, From: []Group{before(are(clients))}}

// flows are where people come from, as everybody knows who knows how the service works: the first question is answered once, and no is
// an answer to nothing else; sharing that has run out had done so before, or did in the quarter, and only who was asked can have let it.
func flows() []Flow {
	unanswered, declined, out := Is{sharing, "unanswered"}, Is{sharing, "declined"}, Is{sharing, "lapsed"}
	came, stayed, ranOut := are(clients, Is{isNew, "yes"}), Is{isNew, "no"}, are(clients, Is{lapsed, "yes"})
	never, no := before(are(clients, unanswered)), before(are(clients, declined))
	all := []Flow{
		stay,
		{To: []Group{are(clients, unanswered)}, From: []Group{never, came}},
		{To: []Group{are(clients, unanswered), are(clients, declined)}, From: []Group{never, no, came}},
		{To: []Group{are(clients, out)}, From: []Group{before(are(clients, out)), ranOut}},
		{To: []Group{are(clients, stayed, unanswered)}, From: []Group{never}, Totals: true},
		{To: []Group{are(clients, stayed, unanswered), are(clients, stayed, declined)}, From: []Group{never, no}, Totals: true},
		{To: []Group{are(asked, Is{followUp, "lapsed"})}, From: []Group{ranOut}},
		{To: []Group{ranOut}, From: []Group{before(are(asked, Is{followUp, "open"})), are(asked)}},
		{To: []Group{are(asked, Is{followUp, "yes"}), are(asked, Is{followUp, "no"})}, From: []Group{are(clients, Is{used, "yes"})}},
	}
	for _, c := range service.Categories {
		same := Is{service, c.Name}
		all = append(all,
			Flow{To: []Group{are(clients, same)}, From: []Group{before(are(clients, same)), came}, Totals: true},
			Flow{To: []Group{are(clients, same, unanswered)}, From: []Group{before(are(clients, same, unanswered)), came}, Totals: true})
	}
	some := []Group{are(users, Is{finished, "1-2"}), are(users, Is{finished, "3-8"})}
	var one []Group
	for _, p := range parts {
		one = append(one, are(users, Is{p, "yes"}))
		all = append(all, Flow{To: one[len(one)-1:], From: some, Totals: true})
	}
	return append(all, Flow{To: some, From: one, Totals: true})
}

// deleted is who had everything erased in the quarter: no person's data, but the deletions that organisations have on record.
var deleted = &Universe{
	Name:  "deletions",
	Label: Words{"De som slettet alt i kvartalet", "Dei som sletta alt i kvartalet", "Those who had everything deleted in the quarter"},
	in:    func(Person) bool { return false },
}
