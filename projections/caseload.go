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
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		if f.Category != eventschema.ClientStream {
			return domain.ID{}, false
		}
		_, lookup := f.Body.(client.LookedUp)
		return f.Subject, !lookup // a look-up changes no sharing
	},
	Apply: func(c Case, f *Fact) Case {
		if f.Closed != nil {
			c.Label = f.Closed
		}
		c.State = evolve(c.State, f)
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
// version is the fact's and not a count.
func evolve(s client.State, f *Fact) client.State {
	s.Version = f.Version - 1
	body, _ := f.Body.(client.Body)
	return client.Evolve(s, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
}
