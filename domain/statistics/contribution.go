package statistics

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
)

// A Contribution is what one client adds to the statistics, by quarter. What the client's journal adds is personal content: kept under
// the client's key, and gone with it. What the open events of the client's own stream add is as open as they are, and is dropped when the
// client is erased. It prints as nothing.
type Contribution struct {
	Organisation domain.ID
	Service      rules.Service
	Registered   Quarter
	State        client.State // after the last event of the client's own stream, without ids, code and instants of use
	Quarters     []Part       // in their order
}

// A Part is one client's quarter.
type Part struct {
	Quarter                  Quarter
	State                    client.State // after the last event by then
	Yes, No, Lapsed, Rotated int          // how often
	Active                   bool         // used the service, or answered or changed something
	Finished                 []string     // parts of the programme
	Forms                    []Course
}

// A Course is from the first to the last form of one instrument in a quarter.
type Course struct {
	Instrument  journal.Instrument
	Count       int
	First, Last int // scores
	From, To    journal.Severity
}

// In gives the quarter to be changed, which is put in its place where it was not there. The contribution before stays as it was.
func (c *Contribution) In(q Quarter) *Part {
	i, found := slices.BinarySearchFunc(c.Quarters, q, func(p Part, q Quarter) int { return int(p.Quarter - q) })
	c.Quarters = slices.Clone(c.Quarters)
	if !found {
		next := Part{Quarter: q}
		if i > 0 {
			next.State = c.Quarters[i-1].State
		}
		c.Quarters = slices.Insert(c.Quarters, i, next)
	}
	return &c.Quarters[i]
}

// Turn folds a fact of the client's own stream, whose state after it is given.
func (c *Contribution) Turn(q Quarter, b client.Body, s client.State) {
	s.Client, s.Organisation, s.Handle, s.Code = domain.ID{}, domain.ID{}, domain.ID{}, client.CodeHash{}
	s.Questions, s.Reviewed = nil, nil
	s.Active, s.Since, s.Lifted = time.Time{}, time.Time{}, time.Time{}
	c.State = s
	p := c.In(q)
	p.count(b)
	for i := range c.Quarters {
		if c.Quarters[i].Quarter >= q {
			c.Quarters[i].State = s
		}
	}
}

// With adds what the client's journal contributes to what the own stream does.
func (c Contribution) With(journal Contribution) Contribution {
	for _, from := range journal.Quarters {
		p := c.In(from.Quarter)
		p.Active = p.Active || from.Active
		p.Finished, p.Forms = from.Finished, from.Forms
	}
	return c
}

// count counts what a body tells of the question about follow-up, and of codes.
func (p *Part) count(b client.Body) {
	switch b.(type) {
	case client.FollowUpConfirmed:
		p.Yes++
	case client.FollowUpEnded:
		p.No++
	case client.Lapsed:
		p.Lapsed++
	case client.CodeRotated:
		p.Rotated++
	}
}

// Finish notes a finished part of the programme, once.
func (p *Part) Finish(name string) {
	if i, found := slices.BinarySearch(p.Finished, name); !found {
		p.Finished = slices.Insert(slices.Clone(p.Finished), i, name)
	}
}

// Fill notes a completed form.
func (p *Part) Fill(b journal.Assessed) {
	i := slices.IndexFunc(p.Forms, func(c Course) bool { return c.Instrument == b.Instrument })
	p.Forms = slices.Clone(p.Forms)
	if i < 0 {
		i = len(p.Forms)
		p.Forms = append(p.Forms, Course{Instrument: b.Instrument, First: b.Score, From: b.Severity})
	}
	c := &p.Forms[i]
	c.Count++
	c.Last, c.To = b.Score, b.Severity
}

// A Person is one client as a closed quarter shows it, at the quarter's end, and as those before did.
type Person struct {
	Service rules.Service
	New     bool         // registered in the quarter
	First   client.State // at the end of the quarter of the registration
	Before  client.State // at the end of the quarter before; the zero State of who is new
	RanOut  bool         // sharing ran out, in the quarter or before
	Part
}

// Person gives the client in the quarter, with what time alone had brought by its end, whether or not that was recorded: also one
// who was deactivated before, and did nothing in it. It reports false for whoever had never been registered by then, and for whoever is
// not to be used for anything.
func (c Contribution) Person(q Quarter, books rules.Books) (Person, bool) {
	if c.Registered == 0 || c.Registered > q || c.State.Restricted || c.State.Erased {
		return Person{}, false
	}
	p := Person{Service: c.Service, New: c.Registered == q, First: c.by(c.Registered, books, nil), Before: c.by(q-1, books, nil)}
	p.Quarter = q
	for _, part := range c.Quarters {
		if part.Quarter == q && !p.Before.Deactivated {
			p.Part = part
		}
		if part.Quarter > q {
			break
		}
		p.RanOut = p.RanOut || part.Lapsed > 0
	}
	p.State = c.by(q, books, func(e client.Event) {
		_, lapsed := e.Body.(client.Lapsed)
		p.RanOut = p.RanOut || lapsed
		if QuarterOf(e.Effective) == q {
			p.count(e.Body)
		}
	})
	p.Active = p.Active || len(p.Finished) > 0 || len(p.Forms) > 0
	return p, true
}

// by gives the client's state at the end of a quarter. Whatever time alone has brought since the last event is told to due, if there is one.
func (c Contribution) by(q Quarter, books rules.Books, due func(client.Event)) (s client.State) {
	for _, part := range c.Quarters {
		if part.Quarter <= q {
			s = part.State
		}
	}
	end := q.End().Start()
	for _, e := range s.Due(books, end) {
		if e.Effective.Equal(end) {
			break // it is the next quarter's
		}
		if due != nil {
			due(e)
		}
		s = client.Evolve(s, e)
	}
	return s
}

// Course gives the person's forms of an instrument in the quarter; the zero Course where there are none.
func (p Person) Course(i journal.Instrument) Course {
	for _, c := range p.Forms {
		if c.Instrument == i {
			return c
		}
	}
	return Course{}
}

// Format shows what it is, and nothing of it.
func (c Contribution) Format(s fmt.State, _ rune) {
	fmt.Fprint(s, "a client's contribution to statistics")
}

// LogValue shows what Format does.
func (c Contribution) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// Format shows what it is, and nothing of it.
func (p Part) Format(s fmt.State, _ rune) { fmt.Fprint(s, "a client's quarter") }

// LogValue shows what Format does.
func (p Part) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }
