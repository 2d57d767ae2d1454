// Package rules holds the rulebooks: how long a yes lasts, when the client is asked, and after how long without a
// login access ends. They are dated tables, one book per service, each row with its source.
//
// A row in force is never edited: a change is a new row with a later From. Whether a change reaches grants that are
// already running is written in the row itself. An event carries the version of the row it was decided under and the
// dates that followed from it, so replaying an old history never asks today's table.
//
// # Counting
//
// Weeks are calendar days in Europe/Oslo. For a yes on day D under a rule of 22 and 26 weeks, the question is due from
// the start of D+154, access holds through the end of D+182, and lapses at the start of D+183.
package rules

import "samtykke/domain"

// A Service is one of the systems that clients use; each has a book of its own.
type Service string

const (
	AssistertSelvhjelp Service = "assistert-selvhjelp"
	Trigga             Service = "trigga"
)

// Reach says which grants a change of rule applies to.
type Reach int

const (
	// NewGrants are those given or confirmed from the row's first day; a grant that runs keeps its dates.
	NewGrants Reach = iota
	// RunningGrants have their dates counted anew from the same yes, from the row's first day. A change never ends
	// access before that day.
	RunningGrants
)

// A Row is the rule of one period.
type Row struct {
	Version    string
	From       domain.Date // first day in force; zero: no earlier rule is known
	Ask        int         // weeks from a yes to the question; 0: the client is not asked
	Lapse      int         // weeks from a yes through which access holds
	IdleMonths int         // months without a login after which the client is deactivated: no fewer than in the row before, or a login could end an account
	Reach      Reach
	Source     string
}

// A Book is the history of one service's rules, oldest first.
type Book []Row

// Books holds the book of each service.
type Books map[Service]Book

// All are the rules in force, with their history.
var All = Books{
	AssistertSelvhjelp: {
		{
			Version: "assistert-selvhjelp/1", Lapse: 14, IdleMonths: 12,
			Source: "Privacy statement of 02.09.2021, change log: consent lasted 14 weeks until then; no question is known for that time. 12 months without a login: data processing agreement, annex 1A.",
		},
		{
			Version: "assistert-selvhjelp/2", From: domain.MustDate("2021-09-02"), Ask: 22, Lapse: 26, IdleMonths: 12, Reach: NewGrants,
			Source: "Privacy statement of 02.09.2021: from 14 to 26 weeks, with a question after 22. 12 months without a login: data processing agreement, annex 1A.",
		},
	},
	Trigga: {
		{
			Version: "trigga/1", From: domain.MustDate("2025-01-16"), Ask: 22, Lapse: 26, IdleMonths: 12, Reach: NewGrants,
			Source: "Privacy statement of 16.01.2025: Trigga is offered from that day, under the same terms. 12 months without a login: data processing agreement, annex 1A.",
		},
	},
}

// General is the version of the rules that hold for every service alike: the privacy statement and the data processing
// agreement of that day.
const General = "statement/2025-09-07"

// CorrectionDays are the working days within which a correction is normally made (privacy statement of 07.09.2025,
// section 1).
const CorrectionDays = 7

// InForce gives the row that holds on the day, and false where the service had not begun.
func (b Book) InForce(on domain.Date) (Row, bool) {
	var found Row
	ok := false
	for _, r := range b {
		if r.From <= on {
			found, ok = r, true
		}
	}
	return found, ok
}

// Terms are the dates that follow from a yes.
type Terms struct {
	Rule    string      // version of the row
	AskOn   domain.Date // the question is due from the start of this day; zero: never
	LapseOn domain.Date // access ends at the start of this day
}

// Terms counts the row's dates from a yes on the day.
func (r Row) Terms(yes domain.Date) Terms {
	t := Terms{Rule: r.Version, LapseOn: yes.AddWeeks(r.Lapse).AddDays(1)}
	if r.Ask > 0 {
		t.AskOn = yes.AddWeeks(r.Ask)
	}
	return t
}

// NextChange gives the earliest later row that reaches a grant running under the version, and the grant's dates from
// then on. It reports false where there is none.
func (b Book) NextChange(version string, yes domain.Date) (Terms, domain.Date, bool) {
	later := false
	for _, r := range b {
		if later && r.Reach == RunningGrants {
			t := r.Terms(yes)
			t.LapseOn = max(t.LapseOn, r.From)
			if t.AskOn != 0 {
				t.AskOn = max(t.AskOn, r.From)
			}
			return t, r.From, true
		}
		later = later || r.Version == version
	}
	return Terms{}, 0, false
}

// IdleFrom is the day at whose start a client who was last active on the day is deactivated: more than IdleMonths have
// passed.
func (r Row) IdleFrom(lastActive domain.Date) domain.Date {
	return lastActive.AddMonths(r.IdleMonths).AddDays(1)
}
