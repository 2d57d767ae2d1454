package projections

import (
	"fmt"

	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// An Access is one exceptional access with its reason. The document of its id; all stand in the list of Everybody.
type Access struct {
	State  oversight.Access
	Reason string
}

// Format shows the kind of document and nothing of its content, whatever the verb.
func (a Access) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", a) }

var accesses = View[Access]{
	Name:    "accesses",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		return f.Subject, f.Category == eventschema.AccessStream
	},
	Apply: func(a Access, f *Fact) Access {
		body, _ := f.Body.(oversight.Body)
		a.State = oversight.EvolveAccess(a.State, oversight.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
		if b, ok := body.(oversight.AccessOpened); ok {
			a.Reason = b.Reason
		}
		return a
	},
	Group: func(a Access) domain.ID {
		if a.State.By.IsZero() {
			return domain.ID{}
		}
		return Everybody
	},
}
