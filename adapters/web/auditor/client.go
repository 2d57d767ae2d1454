package auditor

import (
	"cmp"
	"html/template"
	"time"

	"samtykke/adapters/audit"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
)

// oneClient is the page with one client over time.
type oneClient struct {
	Q      question
	Slider slider
	Answer *story
}

var clientForm = form[oneClient]{page.Must[oneClient](files, "client"), "auditor.client", func(r *api.Request, q question) oneClient {
	return oneClient{Q: q, Slider: newSlider(r, q)}
}}

// perClient is how many look-ups the picture and the table beside it show at a time.
const perClient = 20

// A story is a client's consent over a period, with who looked, and how the client stood at one instant.
type story struct {
	Label    string
	From, To time.Time
	Picture  template.HTML
	Turns    []turn
	answer            // who looked
	Later    bool     // it is not the first page of these
	Whole    question // for a file of all of them
	Standing *standing
	At       time.Time // of the standing
}

// A turn is one event of the consent, in words.
type turn struct {
	Position  uint64 // 0: not written down yet
	Effective time.Time
	What      string
	Grant     uint64
	Shown     bool
	Since     string // what held from then on
	Until     domain.Date
	Rule      string
	Text      string
}

// A standing is how a client stood at an instant, in words.
type standing struct {
	audit.Standing
	Words     string // what the status rests on
	Last      domain.Date
	Reading   string // why the data are personal, or are not
	AskedFrom time.Time
}

func askClient(r *api.Request) (api.Reply, error) {
	q, p, err := readQuestion(r)
	if err == nil && q.Client == "" {
		err = badInput
	}
	if err != nil {
		return clientForm.again(r, q, err)
	}
	h, err := r.History(api.AskHistory{Reason: q.Reason, Client: q.Client, Organisation: q.Organisation, From: p.from, To: p.to})
	if err != nil {
		return clientForm.again(r, q, err)
	}
	id, part := h.Client.String(), which(r, perClient)
	looked, err := r.WhoSaw(api.WhoSaw{Reason: q.Reason, Client: id, From: p.from, To: p.to, AuditPage: part})
	if err != nil {
		return clientForm.again(r, q, err)
	}
	lang := r.Lang()
	s := &story{
		Label: cmp.Or(h.Label, id), From: h.From, To: h.To, At: r.Now(), Turns: turns(lang, h), Later: part.After > 0, Whole: q,
		answer: answer{Rows: sightings(lang, looked.Rows), Next: looked.Next, Upto: looked.Upto, Fixed: q.fixed(p)},
	}
	s.Whole.Known = "" // the instant is the standing's, not the ledger's
	if p.known != nil {
		s.At = *p.known
	}
	stood, err := r.StateAt(api.StateAt{Reason: q.Reason, Client: id, At: p.known})
	switch {
	case err == nil:
		s.Standing = inWords(lang, stood)
	case web.FromError(err).Code != audit.NotFound: // which says that the client was not registered then
		return clientForm.again(r, q, err)
	}
	s.Picture = timeline(lang, h, looked.Rows, s.At)
	return clientForm.show(r, oneClient{Q: q, Slider: newSlider(r, q), Answer: s})
}

func turns(lang string, h audit.History) []turn {
	all := make([]turn, 0, len(h.Turns))
	for _, t := range h.Turns {
		since := word(lang, "auditor.status.", t.Status)
		if t.Restricted {
			since += ", " + word(lang, "auditor.status.", "restricted")
		}
		all = append(all, turn{
			Position: t.Position, Effective: t.Effective, What: word(lang, "auditor.event.", t.Event), Grant: t.Grant, Shown: t.Shown(), Since: since,
			Until: lastDay(t.Until), Rule: t.Rule, Text: t.Text,
		})
	}
	return all
}

// lastDay is the last day before an instant at which something ends.
func lastDay(until *time.Time) domain.Date {
	if until == nil {
		return 0
	}
	return domain.DateOf(until.Add(-time.Nanosecond))
}

func inWords(lang string, s audit.Standing) *standing {
	w := &standing{
		Standing: s, Words: word(lang, "auditor.because.", s.Status), Last: lastDay(s.Until), Reading: word(lang, "auditor.reading.", readings[s.Reading]),
	}
	w.Status = word(lang, "auditor.status.", s.Status)
	if s.AskedFrom != nil {
		w.AskedFrom = *s.AskedFrom
	}
	return w
}
