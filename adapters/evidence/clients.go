package evidence

import (
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// A subject is a client of the organisation, with the position of the registration.
type subject struct {
	client.State
	position uint64
}

// An erasure is when a client asked for it, and the position of that.
type erasure struct {
	began    time.Time
	position uint64
}

// A correction is one that was asked for in the period and has not been made.
type correction struct {
	asked, due domain.Date
	position   uint64
}

func (c *count) clientFact(f *eventschema.Fact, before, within bool) {
	body, _ := f.Body.(client.Body)
	s, known := c.clients[f.Subject]
	if b, ok := body.(client.Registered); !known && (!ok || b.Organisation != c.ask.Organisation) {
		return
	}
	if !known {
		s.position = f.Position
	}
	c.erased(f, body, within)
	if !before {
		return
	}
	if within {
		c.clientAct(f, s.State, body)
	}
	s.State = client.Evolve(s.State, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: body})
	c.clients[f.Subject] = s
}

// clientAct counts an event of the period, by the client's state before it.
func (c *count) clientAct(f *eventschema.Fact, s client.State, body client.Body) {
	switch b := body.(type) {
	case client.Registered:
		c.add(f, "registered")
	case client.Granted:
		c.add(f, "grants", f.Rule)
		if b.Occasion == client.FirstQuestion {
			c.add(f, "first-answers", "yes")
		}
	case client.Declined:
		c.add(f, "first-answers", "no")
	case client.Withdrawn:
		c.add(f, "withdrawals")
	case client.FollowUpAsked:
		c.add(f, "questions")
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.AskOn.Start()) {
			c.add(f, "questions-astray")
		}
	case client.FollowUpConfirmed:
		c.add(f, "grants", f.Rule)
		c.add(f, "question-answers", "yes")
	case client.FollowUpEnded:
		c.add(f, "question-answers", "no")
	case client.Lapsed:
		c.add(f, "lapses")
		if s.Status != client.Shared || !f.Effective.Equal(s.Terms.LapseOn.Start()) {
			c.add(f, "lapses-astray")
		}
	case client.CodeRotated:
		c.add(f, "codes")
	case client.Restricted:
		c.add(f, "restrictions")
	case client.RestrictionLifted:
		c.add(f, "restrictions-lifted")
	case client.Deactivated:
		c.add(f, "deactivated-clients")
	case client.LookedUp:
		c.lookedUp(f, s, b)
	case client.LookUpQuestioned:
		c.add(f, "lookups-questioned")
	case client.LookUpReviewed:
		c.reviewed(f, b.Concern, b.Outcome)
	}
	if client.IsEnding(body) && f.Act.Role == domain.RoleSystem {
		c.add(f, "reapplied")
	}
}

func (c *count) lookedUp(f *eventschema.Fact, s client.State, b client.LookedUp) {
	if b.Basis == client.OwnData {
		c.add(f, "lookups-own", string(b.Purpose))
		return
	}
	c.add(f, "lookups", string(f.Act.Role), string(b.Purpose))
	now := s.At(c.ask.Rules, f.Act.At)
	if b.Basis != client.ByGrant || now.Status != client.Shared || now.Restricted || now.Deactivated || b.Grant != now.Grant ||
		f.Act.Organisation != s.Organisation {
		c.add(f, "lookups-uncovered")
		if now.Status == client.Ended {
			c.add(f, "lookups-after-withdrawal")
		}
	}
	lost, left := c.left[f.Act.Actor]
	switch {
	case c.org.Standing(f.Act.Actor) == f.Act.Role:
	case left && f.Act.At.Sub(lost) < answering:
		c.add(f, "lookups-overtaken")
	default:
		c.add(f, "lookups-without-role")
	}
	if c.people[f.Act.Actor].Declared() != nil {
		c.add(f, "lookups-undeclared")
	}
}

// answering is longer than a look-up takes from the first check of the reader's standing to its event. One that was overtaken is
// recorded, and its answer is not shown.
const answering = time.Minute

func (c *count) reviewed(f *eventschema.Fact, why client.Concern, o client.Outcome) {
	c.add(f, "reviews", string(why), string(o))
	if o == client.Deviation {
		c.add(f, "deviations")
	}
}

// erased follows an erasure of the period through its steps.
func (c *count) erased(f *eventschema.Fact, body client.Body, within bool) {
	e, ok := c.erasures[f.Subject]
	took := int64(f.Act.At.Sub(e.began) / time.Second)
	switch body.(type) {
	case client.Erased:
		if within {
			c.add(f, "erasures")
			c.erasures[f.Subject] = erasure{f.Effective, f.Position}
		}
	case client.KeyDestroyed:
		if ok {
			c.longest(f, "erasure-key", took)
		}
	case client.Swept:
		if ok {
			c.longest(f, "erasure-swept", took)
			delete(c.erasures, f.Subject)
		}
	}
}

func (c *count) journalFact(f *eventschema.Fact, within bool) {
	switch b := f.Body.(type) {
	case journal.LoggedIn:
		if within {
			c.add(f, "client-sign-ins", string(b.Channel))
		}
	case journal.ContentSent:
		if within {
			c.add(f, "sent")
		}
	case journal.CorrectionAsked:
		if within {
			c.add(f, "corrections", string(b.Through))
			c.corrections[b.Request] = correction{domain.DateOf(f.Effective), b.Due, f.Position}
		}
	case journal.CorrectionMade:
		asked, ok := c.corrections[b.Request]
		if !ok {
			return
		}
		delete(c.corrections, b.Request)
		made := domain.DateOf(f.Effective)
		days := 0
		for asked.asked.AddWorkingDays(days) < made {
			days++
		}
		c.longest(f, "correction-days", int64(days))
		if made > asked.due {
			c.add(f, "corrections-late")
		}
	}
}
