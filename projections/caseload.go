package projections

import (
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/eventschema"
)

// A Case is one client as its organisation's overview needs it, before anything registered is added: the sharing state,
// and the label, still sealed. The document of a client id; listed by organisation until the handle is cut.
type Case struct {
	State client.State
	Label *eventschema.Record
}

var caseload = View[Case]{
	Name:    "caseload",
	Version: 2,
	Key: func(f *Fact) (domain.ID, bool) {
		if f.Category != eventschema.ClientStream {
			return domain.ID{}, false
		}
		switch f.Body.(type) {
		case client.LookedUp, client.LookUpQuestioned, client.LookUpReviewed:
			return f.Subject, false // these change no sharing
		}
		return f.Subject, true
	},
	Apply: func(c Case, f *Fact) Case {
		c.State = evolve(c.State, f)
		switch {
		case c.State.Erased:
			c.Label = nil
		case f.Closed != nil:
			c.Label = f.Closed
		}
		return c
	},
	Group: func(c Case) domain.ID {
		if c.State.Deactivated {
			return domain.ID{}
		}
		return c.State.Organisation
	},
}

// evolve folds a fact of a client's stream into its state. Views leave out facts that change nothing they show, so the
// version is the fact's and not a count. Nor do they show what the client asks about, and whom, or what came of it.
func evolve(s client.State, f *Fact) client.State {
	s.Version = f.Version - 1
	body, _ := f.Body.(client.Body)
	s = client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	s.Questions, s.Reviewed = nil, nil
	return s
}
