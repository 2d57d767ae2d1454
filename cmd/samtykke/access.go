package main

import (
	"cmp"
	"fmt"
	"slices"
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
	Resume accessResumeCmd `cmd:"" help:"Print what the commands take once more, for one that you have open: opened in the browser, or in a shell that is gone."`
	List   accessListCmd   `cmd:"" help:"List all that were opened, with how many there were in each year. Shows nothing sealed."`
	Close  accessCloseCmd  `cmd:"" help:"Close it when the error is mended. It ends by itself otherwise."`
	Review accessReviewCmd `cmd:"" help:"As safety manager, record what you found of one that has ended and that somebody else opened."`
}

// mostAccesses is how many times a year production is normally opened at the most.
const mostAccesses = 5

type accessOpenCmd struct {
	dataFlag
	Reason string `required:"" placeholder:"TEXT" help:"Which error makes it necessary; recorded, and to be read by whoever reviews it. Names of people do not belong here."`
	Hours  int    `default:"1" help:"After how many hours it ends by itself, 1 to 24."`
}

// Help is shown below the options.
func (c *accessOpenCmd) Help() string {
	return signInHelp + ` It prints a line for the shell, export SAMTYKKE_ACCESS=..., which the commands that open what is sealed take ` +
		`from the environment: eval "$(samtykke access open ...)". Whoever has that line acts as you until the access ends.`
}

// signInHelp says how somebody is known on the command line.
const signInHelp = "You sign in with the login, password and one-time code of your own account, each on a line of standard input, or as the " +
	"terminal asks for them."

func (c *accessOpenCmd) Run(env *surroundings) error {
	if most := int(oversight.Longest[oversight.Production].Hours()); c.Hours < 1 || c.Hours > most {
		return usage("--hours goes from 1 to %d", most)
	}
	return c.as(env, func(s *system, by ledger.Caller) error {
		open := oversight.AccessOpened{Door: oversight.Production, Reason: c.Reason, Minutes: c.Hours * 60}
		id, done, err := s.desk.OpenAccess(env.ctx, by, open)
		if err != nil {
			return err
		}
		return s.handOut(env, c.Data, id, done.State)
	})
}

type accessResumeCmd struct {
	dataFlag
	ID string `arg:"" help:"Its id, as list prints it."`
}

// Help is shown below the options.
func (c *accessResumeCmd) Help() string { return signInHelp }

func (c *accessResumeCmd) Run(env *surroundings) error {
	id, err := parseAccess(c.ID)
	if err != nil {
		return err
	}
	return c.as(env, func(s *system, by ledger.Caller) error {
		a, _, err := s.desk.Accesses.State(env.ctx, id)
		switch {
		case err != nil:
			return err
		case a.By != by.Actor || a.Door != oversight.Production:
			return usage("there is no access to production with that id that you opened")
		case !a.OpenAt(s.ledger.Now()):
			return usage("the access has ended; open it anew if it is still needed")
		}
		return s.handOut(env, c.Data, id, a)
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
		accesses, err := s.keeper.Accesses.List(env.ctx, projections.Everybody)
		if err != nil {
			return err
		}
		for id, a := range accesses {
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
	ID string `arg:"" help:"Its id, as list prints it."`
}

// Help is shown below the options.
func (c *accessCloseCmd) Help() string { return signInHelp }

func (c *accessCloseCmd) Run(env *surroundings) error {
	id, err := parseAccess(c.ID)
	if err != nil {
		return err
	}
	return c.as(env, func(s *system, by ledger.Caller) error {
		if _, err := s.desk.CloseAccess(env.ctx, by, id); err != nil {
			return err
		}
		if err := s.keeper.CatchUp(env.ctx); err != nil {
			return err
		}
		return newIncidents(s).tend(env.ctx)
	})
}

type accessReviewCmd struct {
	dataFlag
	ID      string `arg:"" help:"Its id, as list prints it."`
	Outcome string `required:"" enum:"in-order,mistake,deviation" help:"What you found: in-order, mistake or deviation."`
	Note    string `placeholder:"TEXT" help:"What else is to be said; recorded. Names of people do not belong here."`
}

// Help is shown below the options.
func (c *accessReviewCmd) Help() string { return signInHelp }

func (c *accessReviewCmd) Run(env *surroundings) error {
	id, err := parseAccess(c.ID)
	if err != nil {
		return err
	}
	return c.as(env, func(s *system, by ledger.Caller) error {
		_, err := s.desk.ReviewAccess(env.ctx, by, id, oversight.AccessReviewed{Outcome: client.Outcome(c.Outcome), Note: c.Note})
		return err
	})
}

func parseAccess(s string) (domain.ID, error) {
	id, err := domain.ParseID(s)
	if err != nil {
		return id, usage("the id of an access is as access list prints it")
	}
	return id, nil
}
