package projections

import (
	"crypto/sha256"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
)

// A Reader is one who reads on behalf of an organisation: which of its look-ups, and attempts at one, somebody else is to review for what
// a client asked, for how many they were, or since they were refused; and what the rules (rules.Review) remember for that. The document
// of the reader's id; listed by organisation while there is something to review, and under Everybody those who act for none, whose
// attempts the safety manager reviews. It grows with what nobody has reviewed, and not with the clients: see Dealing.
//
// The overview shows all clients at once and is no look-up at one of them: no rule counts it. Whether somebody looks at a
// colleague, a neighbour or a relative cannot be seen here, since the ledger holds no client's name; that is for the client to ask
// about.
type Reader struct {
	Organisation domain.ID
	Open         []Review    // in the ledger's order
	Lately       []time.Time // the latest look-ups without a pause between, as many as the rule counts and one
	Many         bool        // more than that were raised since the last pause
}

// A Dealing is what one reader has had to do with one client: the look-ups that somebody else is to review for when they were, and what
// the rules remember for that. The document of the two (DealingKey); listed as a Reader is.
type Dealing struct {
	Reader       domain.ID
	Organisation domain.ID
	Open         []Review    // in the ledger's order
	Refused      time.Time   // the last attempt that was refused; zero: none
	Met          domain.Date // the day of the last look-up before an appointment; 0: none
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

func reviews(book rules.ReviewRules) View[Reader] {
	return View[Reader]{
		Name:    "reviews",
		Version: 3,
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
					r.Open = raise(r.Open, f, Review{Client: f.Subject, Version: b.LookUp, Concern: client.AskedByClient})
				}
			case client.LookUpReviewed:
				r.Open = reviewed(r.Open, func(i Review) bool { return i.Client == f.Subject && i.Version == b.LookUp })
			case oversight.AttemptReviewed:
				r.Open = reviewed(r.Open, func(i Review) bool { return i.Attempt == f.Subject })
			}
			return r
		},
		Group: func(r Reader) domain.ID { return reviewers(r.Organisation, r.Open) },
	}
}

func dealings(book rules.ReviewRules) View[Dealing] {
	return View[Dealing]{
		Name:    "dealings",
		Version: 1,
		Key: func(f *Fact) (domain.ID, bool) {
			switch b := f.Body.(type) {
			case client.LookedUp:
				return DealingKey(f.Act.Actor, f.Subject), b.Basis == client.ByGrant && b.Purpose != client.Overview
			case oversight.LookUpRefused:
				return DealingKey(f.Act.Actor, b.Client), !f.Act.Actor.IsZero() && !b.Client.IsZero()
			case client.LookUpReviewed:
				return DealingKey(b.By, f.Subject), true
			}
			return domain.ID{}, false
		},
		Apply: func(d Dealing, f *Fact) Dealing {
			switch b := f.Body.(type) {
			case client.LookedUp:
				d.Reader, d.Organisation = f.Act.Actor, f.Act.Organisation
				d = d.lookedUp(book, f, b.Purpose)
			case oversight.LookUpRefused:
				d.Reader, d.Organisation = f.Act.Actor, f.Act.Organisation
				if _, ok := book.InForce(string(client.AfterRefusal), domain.DateOf(f.Act.At)); ok {
					d.Refused = f.Act.At
				}
			case client.LookUpReviewed:
				d.Open = reviewed(d.Open, func(i Review) bool { return i.Version == b.LookUp })
			}
			return d
		},
		Group: func(d Dealing) domain.ID { return reviewers(d.Organisation, d.Open) },
	}
}

// DealingKey is the key of the document of a reader and a client.
func DealingKey(reader, client domain.ID) domain.ID {
	var both [32]byte
	copy(both[:16], reader[:])
	copy(both[16:], client[:])
	sum := sha256.Sum256(both[:])
	return domain.ID(sum[:16])
}

// reviewers are the list in which something stands that is to be reviewed.
func reviewers(organisation domain.ID, open []Review) domain.ID {
	switch {
	case len(open) == 0:
		return domain.ID{}
	case organisation.IsZero():
		return Everybody
	}
	return organisation
}

// raise puts an item at the end. The list grows in place where there is room: whoever holds the document as it was goes on seeing
// what it saw, but of two documents continued from the same one, only the later is good.
func raise(open []Review, f *Fact, i Review) []Review {
	i.Event, i.Position, i.At = f.ID, f.Position, f.Effective
	return append(open, i)
}

// reviewed takes out what a review was about, whatever had raised it.
func reviewed(open []Review, about func(Review) bool) []Review {
	if !slices.ContainsFunc(open, about) {
		return open
	}
	return slices.DeleteFunc(slices.Clone(open), about)
}

func (r Reader) lookedUp(book rules.ReviewRules, f *Fact, p client.Purpose) Reader {
	if rule, ok := book.InForce(string(client.ManyAtOnce), domain.DateOf(f.Act.At)); ok {
		if r = r.count(rule, f.Act.At); !r.Many && r.tooMany(rule) {
			r.Many = true
			r.Open = raise(r.Open, f, Review{Client: f.Subject, Version: f.Version, Purpose: p, Concern: client.ManyAtOnce})
		}
	}
	return r
}

func (d Dealing) lookedUp(book rules.ReviewRules, f *Fact, p client.Purpose) Dealing {
	at := f.Act.At.In(domain.Oslo)
	day := domain.DateOf(at)
	add := func(c client.Concern) {
		d.Open = raise(d.Open, f, Review{Client: f.Subject, Version: f.Version, Purpose: p, Concern: c})
	}
	if rule, ok := book.InForce(string(client.OutsideHours), day); ok && outside(rule, at) {
		add(client.OutsideHours)
	}
	if rule, ok := book.InForce(string(client.AfterRefusal), day); ok && !d.Refused.IsZero() && at.Sub(d.Refused) <= rule.Within {
		add(client.AfterRefusal)
	}
	switch p {
	case client.Appointment:
		d.Met = max(d.Met, day) // a clock that was set back makes no earlier one the last
	case client.Workload, client.Effect:
		if rule, ok := book.InForce(string(client.LongAfter), day); ok && d.Met != 0 && day > d.Met.AddWeeks(rule.Weeks) {
			add(client.LongAfter)
		}
	}
	return d
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

func (r Reader) refused(book rules.ReviewRules, f *Fact, b oversight.LookUpRefused) Reader {
	elsewhere := !b.Client.IsZero() && b.Reason == client.NotRegistered // or the reader's own, whose handle has been cut
	if _, ok := book.InForce(string(client.WasRefused), domain.DateOf(f.Act.At)); ok && (elsewhere || b.Reason == organisation.NotActive) {
		r.Open = raise(r.Open, f, Review{Client: b.Client, Attempt: f.Subject, Purpose: b.Purpose, Concern: client.WasRefused})
	}
	return r
}
