package projections

import (
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/statistics"
)

// standings is what the open events of a client's own stream add to the statistics, by quarter. The document of a client id; empty
// once the client is erased.
var standings = View[statistics.Contribution]{
	Name:    "standings",
	Version: 2,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case client.Labelled, client.LookedUp, client.LookUpQuestioned, client.LookUpReviewed, client.KeyDestroyed, client.Swept:
			return f.Subject, false // labels, what others do, and what follows an erasure count for nothing here
		}
		_, ok := f.Body.(client.Body)
		return f.Subject, ok
	},
	Apply: func(c statistics.Contribution, f *Fact) statistics.Contribution {
		q := statistics.QuarterOf(f.Effective)
		switch b := f.Body.(type) {
		case client.Erased:
			return statistics.Contribution{}
		case client.Registered:
			c.Organisation, c.Service, c.Registered = b.Organisation, b.Service, q
		}
		b, _ := f.Body.(client.Body)
		c.Turn(q, b, evolve(c.State, f))
		if f.Act.Role == domain.RoleClient {
			c.In(q).Active = true
		}
		return c
	},
}

// contributions is what a client's journal adds to that. The document of a client id, kept sealed.
var contributions = View[statistics.Contribution]{
	Name:    "contributions",
	Version: 2,
	Keeping: SealedAlways,
	Key: func(f *Fact) (domain.ID, bool) {
		switch f.Body.(type) {
		case journal.LoggedIn, journal.ContentFinished, journal.Assessed:
			return f.Subject, true
		}
		return f.Subject, false
	},
	Apply: func(c statistics.Contribution, f *Fact) statistics.Contribution {
		p := c.In(statistics.QuarterOf(f.Effective))
		switch b := f.Body.(type) {
		case journal.LoggedIn:
			p.Active = true
		case journal.ContentFinished:
			p.Finish(b.Content)
		case journal.Assessed:
			p.Fill(b)
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
