package projections

import (
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/statistics"
)

// contributions is what each client adds to the statistics, by quarter. The document of a client id, kept sealed.
var contributions = View[statistics.Contribution]{
	Name:    "contributions",
	Version: 1,
	Keeping: SealedAlways,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case journal.LoggedIn, journal.ContentFinished, journal.Assessed:
			return f.Subject, true
		case client.Labelled, client.LookedUp, client.LookUpQuestioned, client.LookUpReviewed:
			return f.Subject, false // labels, and what others do, count for nothing here
		case client.Erased, client.KeyDestroyed, client.Swept:
			return f.Subject, false // nothing is left that could count
		}
		_, ok := f.Body.(client.Body)
		return f.Subject, ok
	},
	Apply: func(c statistics.Contribution, f *Fact) statistics.Contribution {
		q := statistics.QuarterOf(f.Effective)
		switch b := f.Body.(type) {
		case client.Registered:
			c.Organisation, c.Service, c.Registered = b.Organisation, b.Service, q
		case journal.LoggedIn:
			c.In(q).Active = true
		case journal.ContentFinished:
			c.In(q).Finish(b.Content)
		case journal.Assessed:
			c.In(q).Fill(b)
		}
		if b, ok := f.Body.(client.Body); ok {
			c.Turn(q, b, evolve(c.State, f))
			if f.Act.Role == domain.RoleClient {
				c.In(q).Active = true
			}
		}
		return c
	},
}

// An Office is an organisation as statistics need it. The document of the organisation's id.
type Office struct{ Helsenorge bool }

var offices = View[Office]{
	Name:    "offices",
	Version: 1,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case organisation.Registered, organisation.HelsenorgeSet:
			return f.Subject, true
		}
		return domain.ID{}, false
	},
	Apply: func(o Office, f *Fact) Office {
		if b, ok := f.Body.(organisation.HelsenorgeSet); ok {
			o.Helsenorge = b.By
		}
		return o
	},
}
