package projections

import (
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// Dates is what decides when time next brings something to a client that shares: the question, the lapse, a change of
// rule. The document of a client id, ordered by that day.
type Dates struct{ State client.State }

func due(books rules.Books) View[Dates] {
	return View[Dates]{
		Name:    "due",
		Version: 2,
		Key:     caseload.Key,
		Apply:   func(d Dates, f *Fact) Dates { return Dates{evolve(d.State, f)} },
		Due: func(d Dates) domain.Date {
			e, ok := d.State.NextDue(books)
			if !ok {
				return 0
			}
			return domain.DateOf(e.Effective)
		},
	}
}

// Activity is when a client last used the service, by any sign. The document of a client id, ordered by the day at whose
// start it will be deactivated for want of a login.
type Activity struct {
	State     client.State
	LastLogin time.Time
}

func idle(books rules.Books) View[Activity] {
	return View[Activity]{
		Name:    "idle",
		Version: 2,
		Keeping: SealedAtRest,
		Key: func(f *Fact) (domain.ID, bool) {
			switch f.Body.(type) {
			case client.Registered, client.Deactivated, journal.LoggedIn:
				return f.Subject, true
			case nil:
				return domain.ID{}, false
			}
			return f.Subject, f.Category == eventschema.ClientStream && f.Act.Role == domain.RoleClient
		},
		Apply: func(a Activity, f *Fact) Activity {
			if f.Category == eventschema.JournalStream {
				a.LastLogin = f.Effective
				return a
			}
			a.State = evolve(a.State, f)
			return a
		},
		Due: func(a Activity) domain.Date {
			if !a.State.Registered() || a.State.Deactivated {
				return 0
			}
			return domain.DateOf(a.State.IdleFrom(books, a.LastLogin))
		},
	}
}
