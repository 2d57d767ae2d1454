package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"text/tabwriter"

	"samtykke/adapters/evidence"
	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

type evidenceCmd struct {
	dataFlag
	By           string `placeholder:"NAME" help:"Who asks, as you say yourself; the name of the login, if not given. Only an id made from it is recorded."`
	Role         string `enum:"auditor,employee" default:"auditor" help:"What you say that you act as: auditor or employee."`
	Reason       string `default:"the data processing agreement" help:"Why; recorded with the query. Names of people do not belong here."`
	Organisation string `required:"" placeholder:"NAME" help:"Whose report it is, by name or id."`
	From         string `required:"" placeholder:"DATE" help:"The period's first day."`
	To           string `required:"" placeholder:"DATE" help:"The day after its last."`
	Position     uint64 `placeholder:"N" help:"As the ledger stood at this event: makes an earlier report again. If not given, all before the question."`
	JSON         bool   `name:"json" xor:"form" help:"Answer as JSON."`
	HTML         string `name:"html" xor:"form" placeholder:"FILE" help:"Write a document in Norwegian, for reading and printing, to a new file."`
}

// Help is shown below the options.
func (c *evidenceCmd) Help() string {
	return "It shows numbers and positions, no client and nothing of what a client registered, and so takes no exceptional access. " +
		"The same ledger, organisation, period and position give the same report, byte for byte."
}

func (c *evidenceCmd) Run(env *surroundings) error {
	ask := evidence.Ask{}
	var err error
	if ask.From, err = parseInstant("from", c.From); err != nil {
		return err
	}
	if ask.To, err = parseInstant("to", c.To); err != nil {
		return err
	}
	if !ask.From.Before(ask.To) {
		return usage("--to is a day after --from")
	}
	return c.with(env, func(s *system) error {
		r, err := c.report(env, s, ask)
		if err != nil {
			return refused("", err)
		}
		switch {
		case c.JSON:
			return answer(env.stdout, r)
		case c.HTML != "":
			return writeNew(c.HTML, r.HTML)
		}
		return printEvidence(env.stdout, r)
	})
}

// report puts the question on record, and makes the report of what stands before it.
func (c *evidenceCmd) report(env *surroundings, s *system, ask evidence.Ask) (evidence.Report, error) {
	by, err := saidBy(c.By, domain.Role(c.Role))
	if err != nil {
		return evidence.Report{}, err
	}
	if ask.Organisation, err = s.auditor(by).FindOrganisation(env.ctx, c.Reason, c.Organisation); err != nil {
		return evidence.Report{}, refused("--organisation: ", err)
	}
	ask.Rules = s.rules
	about := fmt.Sprintf("organisation %s, from %s, to %s", ask.Organisation, instant(ask.From), instant(ask.To))
	own, err := s.ask(env.ctx, by, oversight.Queried{Query: "evidence", About: about, Reason: c.Reason})
	if err != nil {
		return evidence.Report{}, err
	}
	end := own - 1
	if c.Position > end {
		return evidence.Report{}, usage("--position: the ledger has %d events", end)
	}
	if c.Position > 0 {
		end = c.Position
	}
	draw, done := env.progress("counting")
	defer done()
	return evidence.Make(ask, s.upto(env.ctx, end, draw), s.ledger.Sealing(env.ctx))
}

// upto yields the ledger's records up to a position that it has reached.
func (s *system) upto(ctx context.Context, end uint64, progress func(done, all uint64)) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range s.store.After(ctx, 0) {
			progress(r.Position, end)
			if !yield(r, err) || err != nil || r.Position >= end {
				return
			}
		}
	}
}

// writeNew writes a file that was not there before.
func writeNew(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usage("%s is there already", name)
	}
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func printEvidence(to io.Writer, r evidence.Report) error {
	fmt.Fprintf(to, "%s %s\nfra %s til %s, hendelse 1–%d, rot %s\n", r.Name, r.Organisation, domain.DateOf(r.From), domain.DateOf(r.To), r.Position, r.Root)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, c := range r.Clauses {
		fmt.Fprintf(w, "\n%s\t%s\n", c.ID, c.Words)
		for _, f := range c.Figures {
			mark := ""
			if f.Wrong {
				mark = "AVVIK: " + f.Must
			}
			fmt.Fprintf(w, "\t%s\t%s\t%s\t%s\n", f.Words, f.Shown(), f.Events, mark)
			for _, p := range f.Parts {
				fmt.Fprintf(w, "\t  %s\t%d\t%s\t\n", p.Words, p.Value, p.Events)
			}
		}
		if c.NotKept != "" {
			fmt.Fprintf(w, "\t%s\n", c.NotKept)
		}
	}
	return w.Flush()
}
