package rules

import (
	"time"

	"samtykke/domain"
)

// A ReviewRule says which look-ups, or attempts at one, somebody else goes through afterwards, from a day on. Which limits it has
// depends on what it raises. Rows in force are never edited: a change is a new row with a later From.
type ReviewRule struct {
	Raises string        // a client.Concern
	From   domain.Date   // first day in force
	Opens  int           // hour in Oslo, Monday to Friday, from which a look-up is within hours
	Closes int           // hour before which it is
	Count  int           // so many are nothing to review
	Within time.Duration // of so long
	Weeks  int           // so long ago is nothing to review
	Source string
}

// ReviewRules are the rules and their history, oldest first.
type ReviewRules []ReviewRule

// Review are the rules in force. The agreement asks that unauthorised access be detected, by whom there is access and by whom there
// is none; the limits are the service's own decision.
var Review = ReviewRules{
	{
		Raises: "outside-hours", From: agreed, Opens: 7, Closes: 20,
		Source: agreement + "d, f: access follows from the work, and few work with clients at night or at the weekend.",
	},
	{
		Raises: "many-at-once", From: agreed, Count: 30, Within: 10 * time.Minute,
		Source: agreement + "d, f: nobody prepares for thirty clients in ten minutes; whoever copies does.",
	},
	{
		Raises: "after-refusal", From: agreed, Within: 24 * time.Hour,
		Source: agreement + "f, j: a refused attempt that is followed by a look-up is where a way around would show.",
	},
	{
		Raises: "long-after-the-last-appointment", From: agreed, Weeks: 26,
		Source: agreement + "d, annex 1A: professionals see registrations while follow-up is active. 26 weeks is how long a yes holds.",
	},
	{
		Raises: "refused", From: agreed,
		Source: agreement + "f, j: an attempt at somebody else's client, or by somebody without access any more.",
	},
	{
		Raises: "asked-by-client", From: agreed,
		Source: agreement + "c, j: the client sees who looked, and may ask why.",
	},
}

const agreement = "Data processing agreement of 07.09.2025, 8.2 "

var agreed = domain.MustDate("2025-09-07")

// InForce gives the row of what is raised that holds on the day, and false where there is none.
func (b ReviewRules) InForce(raises string, on domain.Date) (found ReviewRule, ok bool) {
	for i := range b {
		if b[i].Raises == raises && b[i].From <= on {
			found, ok = b[i], true
		}
	}
	return found, ok
}
