package auditor

import (
	"samtykke/adapters/audit"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
)

// whoSaw is the page that replays who saw what.
type whoSaw struct {
	Q      question
	Slider slider
	Answer *answer
}

var whoSawForm = form[whoSaw]{page.Must[whoSaw](files, "who-saw"), "auditor.who-saw", func(r *api.Request, q question) whoSaw {
	return whoSaw{Q: q, Slider: newSlider(r, q)}
}}

func askWhoSaw(r *api.Request) (api.Reply, error) {
	q, p, err := readQuestion(r)
	if err != nil {
		return whoSawForm.again(r, q, err)
	}
	ask := func(part api.AuditPage) (audit.Sightings, error) {
		return r.WhoSaw(api.WhoSaw{
			Reason: q.Reason, Client: q.Client, Professional: q.Professional, Organisation: q.Organisation,
			From: p.from, To: p.to, Known: p.known, AuditPage: part,
		})
	}
	if as := r.Form("as"); as != "" {
		return whoSawFile(r, q, as, ask)
	}
	got, err := ask(which(r, perPage))
	if err != nil {
		return whoSawForm.again(r, q, err)
	}
	a := &answer{Rows: sightings(r.Lang(), got.Rows), Next: got.Next, Upto: got.Upto, Fixed: q.fixed(p)}
	return whoSawForm.show(r, whoSaw{Q: q, Slider: newSlider(r, q), Answer: a})
}

// whoSawFile gives all rows as a file.
func whoSawFile(r *api.Request, q question, as string, ask func(api.AuditPage) (audit.Sightings, error)) (api.Reply, error) {
	rows, err := whole(func(p api.AuditPage) ([]audit.Sighting, uint64, uint64, error) {
		got, err := ask(p)
		return got.Rows, got.Next, got.Upto, err
	})
	if err != nil {
		return whoSawForm.again(r, q, err)
	}
	if as == "json" {
		return asJSON("who-saw", rows)
	}
	return asCSV(r.Lang(), "who-saw", sightings(r.Lang(), rows))
}

func sightings(lang string, in []audit.Sighting) []row {
	rows := make([]row, 0, len(in))
	for _, s := range in {
		rows = append(rows, seen(lang, s))
	}
	return rows
}
