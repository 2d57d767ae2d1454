package audit

import (
	"cmp"
	"context"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/eventschema"
)

// A Turn is one event of a client's consent, with what held from then on.
type Turn struct {
	Event      string      `json:"event"`
	Position   uint64      `json:"position,omitempty"` // none: time has brought it, and it is not written down yet
	Version    uint64      `json:"version,omitempty"`
	Effective  time.Time   `json:"effective"`
	Recorded   *time.Time  `json:"recorded,omitempty"`
	Role       domain.Role `json:"role"`
	Status     string      `json:"status"`
	Restricted bool        `json:"restricted"`
	Grant      uint64      `json:"grant,omitempty"` // version of the yes in force, or of the last one that was
	Until      *time.Time  `json:"until,omitempty"` // while shared: when it ends unless there is a new yes
	Rule       string      `json:"rule,omitempty"`
	Text       string      `json:"text,omitempty"` // what the client had read: name, version, language
}

// Shown tells whether the organisation could look from then on.
func (t Turn) Shown() bool { return t.Status == string(client.Shared) && !t.Restricted }

// A History is a client's consent over a period. The turn that the period begins in comes first, though it is older.
type History struct {
	Client domain.ID `json:"client"`
	Label  string    `json:"label,omitempty"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Turns  []Turn    `json:"turns"`
}

// History is a client's consent from an instant and before another; a zero one is the registration, and now. It tells what took
// effect, whether or not it was written down by then. It refuses with NotFound where the client was not registered in that time.
func (a *Auditor) History(ctx context.Context, reason string, id domain.ID, from, to time.Time) (History, error) {
	asked := Query{Client: id, From: from, To: to}
	own, err := a.ask(ctx, "history", asked.String(), reason)
	if err == nil {
		err = a.Reached(ctx, own-1)
	}
	if err != nil {
		return History{}, err
	}
	if now := a.Now(); to.IsZero() || to.After(now) {
		to = now
	}
	h := History{Client: id, From: from, To: to, Turns: []Turn{}}
	var s client.State
	err = a.stream(ctx, eventschema.ClientStream.Stream(id), 1, nil, func(f *eventschema.Fact) bool {
		body, open := f.Body.(client.Body)
		e := client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body}
		if open && !e.Effective.Before(to) {
			return false
		}
		s = client.Evolve(s, e)
		switch body.(type) {
		case client.LookedUp, client.LookUpQuestioned, client.LookUpReviewed:
			open = false // these turn nothing
		}
		if open {
			recorded := f.Act.At
			h.add(Turn{Event: f.Name, Position: f.Position, Version: f.Version, Recorded: &recorded}, e, s)
		}
		return true
	})
	if err != nil {
		return History{}, err
	}
	for _, e := range s.Due(a.Rules, to) {
		if row, ok := eventschema.Today.RowOf(e.Body); ok && e.Effective.Before(to) {
			s = client.Evolve(s, e)
			h.add(Turn{Event: row.Name}, e, s)
		}
	}
	if len(h.Turns) == 0 {
		return History{}, domain.Refuse(NotFound, "the client was not registered in that time")
	}
	if h.From.Before(h.Turns[0].Effective) {
		h.From = h.Turns[0].Effective
	}
	labels, err := a.Labels(ctx, []domain.ID{id})
	h.Label = labels[id]
	return h, err
}

// add puts a turn at the end; one that took effect by the period's beginning takes the place of those before it.
func (h *History) add(t Turn, e client.Event, after client.State) {
	t.Effective, t.Role, t.Rule = e.Effective, e.Act.Role, e.Rule
	t.Status, t.Restricted, t.Grant = cmp.Or(string(after.Status), "unanswered"), after.Restricted, after.Grant
	if after.Status == client.Shared {
		until := after.Terms.LapseOn.Start()
		t.Until = &until
	}
	t.Text = textOf(e.Act.Text)
	if !t.Effective.After(h.From) {
		h.Turns = h.Turns[:0]
	}
	h.Turns = append(h.Turns, t)
}

// textOf names a wording; nothing where none was shown.
func textOf(t domain.Text) string {
	if t == (domain.Text{}) {
		return ""
	}
	return t.Name + " " + t.Version + " " + t.Language
}
