package projections

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
)

// A Reader is one who reads on behalf of an organisation: which look-ups, and attempts at one, somebody else is to review, and what
// the rules (rules.Review) remember for that. The document of the reader's id; listed by organisation while there is something to
// review, and under Everybody those who act for none, whose attempts the safety manager reviews.
//
// The overview shows all clients at once and is no look-up at one of them: no rule counts it. Whether somebody looks at a
// colleague, a neighbour or a relative cannot be seen here, since the ledger holds no client's name; that is for the client to ask
// about.
type Reader struct {
	Organisation domain.ID
	Open         []Review    // in the ledger's order
	Lately       []time.Time // the latest look-ups without a pause between, as many as the rule counts and one
	Many         bool        // more than that were raised since the last pause
	Refused      []Attempt   // the last one at each client, of so long as the rule looks back
	Met          []Meeting   // by client
	Newer        []Meeting   // later ones, as they came: a long list is not copied for each
}

// A Review is what somebody else than who made it is to review.
type Review struct {
	Event    domain.ID // that raised it: the look-up, the attempt, or the client's question
	Client   domain.ID // zero: an attempt at nobody known
	Version  uint64    // of the look-up in the client's stream; 0: an attempt
	Attempt  domain.ID // whose stream it is, of a refused attempt
	Position uint64    // of the event
	At       time.Time // its effective instant
	Purpose  client.Purpose
	Concern  client.Concern
}

// An Attempt is a refused one.
type Attempt struct {
	Client domain.ID
	At     time.Time
}

// A Meeting is the day of the reader's last look-up before an appointment with a client.
type Meeting struct {
	Client domain.ID
	On     domain.Date
}

func reviews(book rules.ReviewRules) View[Reader] {
	return View[Reader]{
		Name:    "reviews",
		Version: 2,
		Key: func(f *Fact) (domain.ID, bool) {
			switch b := f.Body.(type) {
			case client.LookedUp:
				return f.Act.Actor, b.Basis == client.ByGrant
			case oversight.LookUpRefused:
				return f.Act.Actor, !f.Act.Actor.IsZero()
			case client.LookUpQuestioned:
				return b.By, true
			case client.LookUpReviewed:
				return b.By, true
			case oversight.AttemptReviewed:
				return b.By, true
			}
			return domain.ID{}, false
		},
		Apply: func(r Reader, f *Fact) Reader {
			switch b := f.Body.(type) {
			case client.LookedUp:
				r.Organisation = f.Act.Organisation
				if b.Purpose != client.Overview {
					r = r.lookedUp(book, f, b.Purpose)
				}
			case oversight.LookUpRefused:
				r.Organisation = f.Act.Organisation
				r = r.refused(book, f, b)
			case client.LookUpQuestioned:
				if _, ok := book.InForce(string(client.AskedByClient), domain.DateOf(f.Act.At)); ok {
					r = r.raise(f, Review{Client: f.Subject, Version: b.LookUp, Concern: client.AskedByClient})
				}
			case client.LookUpReviewed:
				r = r.reviewed(func(i Review) bool { return i.Client == f.Subject && i.Version == b.LookUp })
			case oversight.AttemptReviewed:
				r = r.reviewed(func(i Review) bool { return i.Attempt == f.Subject })
			}
			return r
		},
		Group: func(r Reader) domain.ID {
			switch {
			case len(r.Open) == 0:
				return domain.ID{}
			case r.Organisation.IsZero():
				return Everybody
			}
			return r.Organisation
		},
	}
}

// raise puts an item at the end. The list grows in place where there is room: whoever holds the document as it was goes on seeing
// what it saw, but of two documents continued from the same one, only the later is good.
func (r Reader) raise(f *Fact, i Review) Reader {
	i.Event, i.Position, i.At = f.ID, f.Position, f.Effective
	r.Open = append(r.Open, i)
	return r
}

// reviewed takes out what a review was about, whatever had raised it.
func (r Reader) reviewed(about func(Review) bool) Reader {
	if slices.ContainsFunc(r.Open, about) {
		r.Open = slices.DeleteFunc(slices.Clone(r.Open), about)
	}
	return r
}

func (r Reader) lookedUp(book rules.ReviewRules, f *Fact, p client.Purpose) Reader {
	at := f.Act.At.In(domain.Oslo)
	day := domain.DateOf(at)
	raise := func(c client.Concern) {
		r = r.raise(f, Review{Client: f.Subject, Version: f.Version, Purpose: p, Concern: c})
	}
	if rule, ok := book.InForce(string(client.OutsideHours), day); ok && outside(rule, at) {
		raise(client.OutsideHours)
	}
	if rule, ok := book.InForce(string(client.ManyAtOnce), day); ok {
		if r = r.count(rule, f.Act.At); !r.Many && r.tooMany(rule) {
			r.Many = true
			raise(client.ManyAtOnce)
		}
	}
	if rule, ok := book.InForce(string(client.AfterRefusal), day); ok && slices.ContainsFunc(r.Refused, func(a Attempt) bool {
		return a.Client == f.Subject && at.Sub(a.At) <= rule.Within
	}) {
		raise(client.AfterRefusal)
	}
	switch p {
	case client.Appointment:
		r = r.meet(Meeting{f.Subject, day})
	case client.Workload, client.Effect:
		rule, ok := book.InForce(string(client.LongAfter), day)
		if last, met := r.last(f.Subject); ok && met && day > last.AddWeeks(rule.Weeks) {
			raise(client.LongAfter)
		}
	}
	return r
}

// outside tells whether the hour is none at which people look up.
func outside(rule rules.ReviewRule, at time.Time) bool {
	weekday, hour := at.Weekday(), at.Hour()
	return weekday == time.Saturday || weekday == time.Sunday || hour < rule.Opens || hour >= rule.Closes
}

// count adds a look-up to the latest ones; behind a pause it is the first. It never writes to what somebody may hold.
func (r Reader) count(rule rules.ReviewRule, at time.Time) Reader {
	if n := len(r.Lately); n > 0 && at.Sub(r.Lately[n-1]) >= rule.Within {
		r.Lately, r.Many = r.Lately[n:], false
	}
	r.Lately = append(r.Lately, at)
	r.Lately = r.Lately[max(0, len(r.Lately)-rule.Count-1):]
	return r
}

// tooMany tells whether the latest look-ups are more than the rule's count, within its time.
func (r Reader) tooMany(rule rules.ReviewRule) bool {
	n := len(r.Lately)
	return n > rule.Count && r.Lately[n-1].Sub(r.Lately[0]) <= rule.Within
}

// last is the day of the last look-up before an appointment with a client; false if there was none.
func (r Reader) last(c domain.ID) (day domain.Date, met bool) {
	i, met := slices.BinarySearchFunc(r.Met, c, func(m Meeting, id domain.ID) int { return bytes.Compare(m.Client[:], id[:]) })
	if met {
		day = r.Met[i].On
	}
	for _, m := range r.Newer {
		if m.Client == c {
			day, met = max(day, m.On), true
		}
	}
	return day, met
}

// mostNewer is how many meetings wait before they are put among the others.
const mostNewer = 64

// meet keeps the day of a look-up before an appointment. A clock that was set back makes no earlier one the last.
func (r Reader) meet(m Meeting) Reader {
	if r.Newer = append(r.Newer, m); len(r.Newer) <= mostNewer {
		return r
	}
	newer := slices.Clone(r.Newer)
	slices.SortFunc(newer, func(a, b Meeting) int {
		return cmp.Or(bytes.Compare(a.Client[:], b.Client[:]), cmp.Compare(a.On, b.On))
	})
	all := make([]Meeting, 0, len(r.Met)+len(newer))
	add := func(m Meeting) {
		if last := len(all) - 1; last >= 0 && all[last].Client == m.Client {
			all[last].On = max(all[last].On, m.On)
			return
		}
		all = append(all, m)
	}
	for _, m := range r.Met {
		for len(newer) > 0 && bytes.Compare(newer[0].Client[:], m.Client[:]) < 0 {
			add(newer[0])
			newer = newer[1:]
		}
		add(m)
	}
	for _, m := range newer {
		add(m)
	}
	r.Met, r.Newer = all, nil
	return r
}

func (r Reader) refused(book rules.ReviewRules, f *Fact, b oversight.LookUpRefused) Reader {
	at := f.Act.At
	day := domain.DateOf(at)
	elsewhere := !b.Client.IsZero() && b.Reason == client.NotRegistered // or the reader's own, whose handle has been cut
	if _, ok := book.InForce(string(client.WasRefused), day); ok && (elsewhere || b.Reason == organisation.NotActive) {
		r = r.raise(f, Review{Client: b.Client, Attempt: f.Subject, Purpose: b.Purpose, Concern: client.WasRefused})
	}
	if rule, ok := book.InForce(string(client.AfterRefusal), day); ok && !b.Client.IsZero() {
		past := func(a Attempt) bool { return a.Client == b.Client || at.Sub(a.At) > rule.Within }
		r.Refused = append(slices.DeleteFunc(slices.Clone(r.Refused), past), Attempt{b.Client, at})
	}
	return r
}
