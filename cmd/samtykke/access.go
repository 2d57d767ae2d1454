package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/projections"
)

// accessCmd is exceptional access to what is sealed: the clause that production is opened for a reason, for a time, by one person,
// with every use on record, and reviewed by somebody else.
type accessCmd struct {
	Open   accessOpenCmd   `cmd:"" help:"Open it for yourself, for a reason and so many hours."`
	List   accessListCmd   `cmd:"" help:"List all that were opened, with how many there were in each year. Shows nothing sealed."`
	Close  accessCloseCmd  `cmd:"" help:"Close it when the error is mended. It ends by itself otherwise."`
	Review accessReviewCmd `cmd:"" help:"As safety manager, record what you found of one that has ended and that somebody else opened."`
}

// mostAccesses is how many times a year production is normally opened at the most.
const mostAccesses = 5

// A staffName is who acts on the command line on behalf of the service.
type staffName struct {
	By string `placeholder:"NAME" help:"Who you are: the e-mail address of your account, or another name; the name of the login, if not given. Only an id is recorded."`
}

// as is the person in a role: what the account's is, where an account is named.
func (n staffName) as(ctx context.Context, s *system, role domain.Role) (ledger.Caller, error) {
	return askFlags{By: n.By, Role: string(role)}.caller(ctx, s)
}

type accessOpenCmd struct {
	dataFlag
	staffName
	Reason string `required:"" placeholder:"TEXT" help:"Which error makes it necessary; recorded, and to be read by whoever reviews it. Names of people do not belong here."`
	Hours  int    `default:"1" help:"After how many hours it ends by itself, 1 to 24."`
}

func (c *accessOpenCmd) Run(env *surroundings) error {
	if most := int(oversight.Longest[oversight.Production].Hours()); c.Hours < 1 || c.Hours > most {
		return usage("--hours goes from 1 to %d", most)
	}
	return c.with(env, func(s *system) error {
		by, err := c.as(env.ctx, s, domain.RoleEmployee)
		if err != nil {
			return err
		}
		open := oversight.AccessOpened{Door: oversight.Production, Reason: c.Reason, Minutes: c.Hours * 60}
		id, done, err := s.desk.OpenAccess(env.ctx, by, open)
		if err != nil {
			return refused("", err)
		}
		fmt.Fprintf(env.stdout, "%s\nOpen until %s. Every use is recorded. Close it with: samtykke access close --data %s %s\n",
			id, instant(done.State.Until), c.Data, id)
		return nil
	})
}

type accessListCmd struct {
	dataFlag
	JSON bool `name:"json" help:"Answer as JSON."`
}

// A listedAccess is one exceptional access as it is listed.
type listedAccess struct {
	ID       domain.ID      `json:"id"`
	Door     oversight.Door `json:"door"`
	By       domain.ID      `json:"by"`
	Opened   time.Time      `json:"opened"`
	Until    time.Time      `json:"until"`
	Open     bool           `json:"open"`
	Uses     int            `json:"uses"`
	Reviewed client.Outcome `json:"reviewed,omitempty"`
	Reason   string         `json:"reason"`
}

func (c *accessListCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error {
		list := []listedAccess{}
		for id, a := range s.keeper.Accesses.List(projections.Everybody) {
			st := a.State
			list = append(list, listedAccess{id, st.Door, st.By, st.Opened, st.Until, st.OpenAt(s.ledger.Now()), st.Uses, st.Reviewed, a.Reason})
		}
		slices.SortFunc(list, func(a, b listedAccess) int {
			return cmp.Or(a.Opened.Compare(b.Opened), slices.Compare(a.ID[:], b.ID[:]))
		})
		if c.JSON {
			return answer(env.stdout, list)
		}
		return printAccesses(env, list)
	})
}

func printAccesses(env *surroundings, list []listedAccess) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(env.stdout, "None.")
		return err
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tWHAT\tWHO\tOPENED\tUNTIL\tUSES\tSTATE\tREASON")
	var years []int
	for _, a := range list {
		state := "ended, not reviewed"
		switch {
		case a.Open:
			state = "open"
		case a.Reviewed != "":
			state = "reviewed: " + string(a.Reviewed)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", a.ID, a.Door, shorten(a.By), instant(a.Opened), instant(a.Until), a.Uses, state, a.Reason)
		if a.Door == oversight.Production {
			years = append(years, a.Opened.In(domain.Oslo).Year())
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for len(years) > 0 {
		year := years[0]
		rest := slices.DeleteFunc(slices.Clone(years), func(y int) bool { return y == year })
		fmt.Fprintf(env.stdout, "%d: %d to production, normally at most %d a year\n", year, len(years)-len(rest), mostAccesses)
		years = rest
	}
	return nil
}

type accessCloseCmd struct {
	dataFlag
	staffName
	Role string `enum:"employee,safety-manager" default:"employee" help:"What you act as: employee, of your own one, or safety-manager."`
	ID   string `arg:"" help:"Its id, as open and list print it."`
}

func (c *accessCloseCmd) Run(env *surroundings) error {
	id, err := parseAccess(c.ID)
	if err != nil {
		return err
	}
	return c.with(env, func(s *system) error {
		by, err := c.as(env.ctx, s, domain.Role(c.Role))
		if err == nil {
			_, err = s.desk.CloseAccess(env.ctx, by, id)
		}
		return errors.Join(refused("", err), newIncidents(s).tend(env.ctx))
	})
}

type accessReviewCmd struct {
	dataFlag
	staffName
	ID      string `arg:"" help:"Its id, as list prints it."`
	Outcome string `required:"" enum:"in-order,mistake,deviation" help:"What you found: in-order, mistake or deviation."`
	Note    string `placeholder:"TEXT" help:"What else is to be said; recorded. Names of people do not belong here."`
}

func (c *accessReviewCmd) Run(env *surroundings) error {
	id, err := parseAccess(c.ID)
	if err != nil {
		return err
	}
	return c.with(env, func(s *system) error {
		if !strings.Contains(c.By, "@") {
			return usage("--by: a review is the safety manager's, who has an account: give its e-mail address")
		}
		by, err := s.colleague(env.ctx, c.By)
		if err != nil {
			return err
		}
		_, err = s.desk.ReviewAccess(env.ctx, by, id, oversight.AccessReviewed{Outcome: client.Outcome(c.Outcome), Note: c.Note})
		return refused("", err)
	})
}

func parseAccess(s string) (domain.ID, error) {
	id, err := domain.ParseID(s)
	if err != nil {
		return id, usage("the id of an access is as access list prints it")
	}
	return id, nil
}

// use puts on record what a person does with the exceptional access that the same person has open, before it is done. Without one
// it refuses, and says how to open one.
func (s *system) use(ctx context.Context, by ledger.Caller, what, about string) error {
	now := s.ledger.Now()
	var last domain.ID
	var until time.Time
	for id, a := range s.keeper.Accesses.List(projections.Everybody) {
		if st := a.State; st.Door == oversight.Production && st.By == by.Actor && st.OpenAt(now) && st.Until.After(until) {
			last, until = id, st.Until
		}
	}
	if last.IsZero() {
		return usage("this opens what is sealed, and takes an exceptional access that you have open yourself: " +
			"samtykke access open --data DIR --by NAME --reason TEXT --hours N")
	}
	return s.desk.UseAccess(ctx, by, last, oversight.AccessUsed{What: what, About: about})
}
