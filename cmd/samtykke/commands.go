package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"samtykke/adapters/audit"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// dataFlag names the data directory.
type dataFlag struct {
	Data string `required:"" placeholder:"DIR" help:"The data directory."`
}

// with opens the data directory for a command and closes it behind it. The directory must hold a ledger.
func (d dataFlag) with(env *surroundings, do func(*system) error) error {
	if _, err := os.Stat(filepath.Join(d.Data, ledgerDir)); errors.Is(err, fs.ErrNotExist) {
		return usage("there is no ledger in %s", d.Data)
	}
	return d.orNew(env, do)
}

// orNew is with, for a command that may be the first.
func (d dataFlag) orNew(env *surroundings, do func(*system) error) (err error) {
	if _, err := os.Stat(filepath.Join(d.Data, unfinished)); err == nil {
		return usage("the demo that made %s did not end: remove the folder and make it anew", d.Data)
	}
	w, err := realWorld(d.Data)
	if err != nil {
		return err
	}
	s, err := w.open(env.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if c := s.report.Cut; c != nil {
		fmt.Fprintf(env.stderr, "samtykke: the last write had not ended: %v\n", c)
	}
	return do(s)
}

// askFlags say who asks the ledger, and why. Asking is on record before it is answered.
type askFlags struct {
	By     string `placeholder:"NAME" help:"Who asks; the name of the login, if not given. Only an id made from it is recorded."`
	Role   string `enum:"auditor,employee" default:"auditor" help:"What the one who asks acts as: auditor or employee."`
	Reason string `default:"audit" help:"Why; recorded with the query. Names of people do not belong here."`
	JSON   bool   `name:"json" help:"Answer as JSON."`
}

// caller is the person who asks, by an id that stands for the name.
func (a askFlags) caller() (ledger.Caller, error) {
	name := a.By
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return ledger.Caller{}, usage("nobody is known to be logged in: give --by")
		}
		name = u.Username
	}
	return ledger.Caller{Actor: domain.Derive(eventschema.ServiceID, []byte("query by "+name)), Role: domain.Role(a.Role)}, nil
}

// auditor is what the one who asks may ask.
func (a askFlags) auditor(s *system) (*audit.Auditor, error) {
	by, err := a.caller()
	return s.auditor(by), err
}

// record puts a query on record, and gives the position of its event.
func (a askFlags) record(ctx context.Context, s *system, q oversight.Queried) (uint64, error) {
	by, err := a.caller()
	if err != nil {
		return 0, err
	}
	q.Reason = a.Reason
	p, err := s.ask(ctx, by, q)
	return p, refused("", err)
}

// refused makes a wrong command line of a refusal, and leaves any other error as it is.
func refused(flag string, err error) error {
	if domain.Refused(err) != "" {
		return usage("%s%v", flag, err)
	}
	return err
}

// answer prints a value as indented JSON.
func answer(to io.Writer, v any) error {
	e := json.NewEncoder(to)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// progress draws a bar on a terminal, and nothing elsewhere. The function it gives takes what is done of how much.
func (env *surroundings) progress(what string) (func(done, all uint64), func()) {
	f, ok := env.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(uint64, uint64) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	return func(done, all uint64) {
			if bar == nil {
				bar = progressbar.NewOptions64(int64(all), progressbar.OptionSetDescription(what), progressbar.OptionSetWriter(f),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount())
			}
			_ = bar.Set64(int64(done))
		}, func() {
			if bar != nil {
				_ = bar.Finish()
			}
		}
}

// parseInstant reads a date, or an instant as in RFC 3339. A date is its start in Oslo.
func parseInstant(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := domain.ParseDate(s); err == nil {
		return d.Start(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, usage("--%s takes a date such as 2026-03-02 or an instant such as 2026-03-02T10:00:00+01:00", flag)
	}
	return t.UTC(), nil
}

// instant is a time as people in Norway read it; nothing for the zero time.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(domain.Oslo).Format(time.RFC3339)
}

type whoSawCmd struct {
	dataFlag
	askFlags
	Client       string `placeholder:"LABEL" help:"One client, by the label that the organisation knows or by id."`
	Professional string `placeholder:"NAME" help:"One who looks, by name or id."`
	Organisation string `placeholder:"NAME" help:"One organisation, by name or id."`
	From         string `placeholder:"TIME" help:"Recorded from this date or instant."`
	To           string `placeholder:"TIME" help:"Recorded before this date or instant."`
	At           string `placeholder:"TIME" help:"As the ledger stood at this date or instant."`
}

func (c *whoSawCmd) Run(env *surroundings) error {
	var q audit.Query
	var err error
	for _, v := range []struct {
		flag, s string
		to      *time.Time
	}{{"from", c.From, &q.From}, {"to", c.To, &q.To}, {"at", c.At, &q.Known}} {
		if *v.to, err = parseInstant(v.flag, v.s); err != nil {
			return err
		}
	}
	return c.with(env, func(s *system) error {
		a, err := c.auditor(s)
		if err != nil {
			return err
		}
		if err := c.find(env.ctx, a, &q); err != nil {
			return err
		}
		rows := []audit.Sighting{}
		for page := (audit.Page{Limit: audit.MaxLimit}); ; {
			seen, err := a.WhoSaw(env.ctx, c.Reason, q, page)
			if err != nil {
				return refused("", err)
			}
			rows = append(rows, seen.Rows...)
			if page.After, page.Upto = seen.Next, seen.Upto; seen.Next == 0 {
				break
			}
		}
		if c.JSON {
			return answer(env.stdout, rows)
		}
		return printSightings(env.stdout, rows)
	})
}

// find gives the query those who are meant by names and labels.
func (c *whoSawCmd) find(ctx context.Context, a *audit.Auditor, q *audit.Query) error {
	for _, v := range []struct {
		flag, ref string
		find      func(context.Context, string, string) (domain.ID, error)
		to        *domain.ID
	}{
		{"organisation", c.Organisation, a.FindOrganisation, &q.Organisation},
		{"professional", c.Professional, a.FindProfessional, &q.Professional},
		{"client", c.Client, func(ctx context.Context, reason, ref string) (domain.ID, error) {
			return a.FindClient(ctx, reason, ref, q.Organisation)
		}, &q.Client},
	} {
		if v.ref == "" {
			continue
		}
		var err error
		if *v.to, err = v.find(ctx, c.Reason, v.ref); err != nil {
			return refused("--"+v.flag+": ", err)
		}
	}
	return nil
}

func printSightings(to io.Writer, rows []audit.Sighting) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(to, "Nobody.")
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "POSITION\tWHEN\tWHO\tROLE\tORGANISATION\tCLIENT\tWHAT FOR\tWHAT\tANSWER")
	for _, r := range rows {
		kinds := make([]string, len(r.Kinds))
		for i, k := range r.Kinds {
			kinds[i] = string(k)
		}
		result := "refused: " + r.Reason
		switch {
		case r.Allowed && r.GrantedAt != nil:
			result = fmt.Sprintf("saw up to entry %d, under the yes of %s, rule %s", r.Journal, domain.DateOf(*r.GrantedAt), r.Rule)
		case r.Allowed:
			result = fmt.Sprintf("saw up to entry %d, %s", r.Journal, r.Basis)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Position, r.At.In(domain.Oslo).Format("2006-01-02 15:04:05"),
			cmp.Or(r.Name, shorten(r.Reader)), r.Role, r.Organisation, cmp.Or(r.Label, shorten(r.Client)), r.Purpose,
			strings.Join(kinds, " "), result)
	}
	return w.Flush()
}

// shorten gives the first characters of an id, for people.
func shorten(id domain.ID) string {
	s := id.String()
	return s[:min(8, len(s))]
}

type whyCmd struct {
	dataFlag
	askFlags
	Position string `arg:"" help:"The event's position in the ledger, as the other commands print it."`
}

func (c *whyCmd) Run(env *surroundings) error {
	position, err := strconv.ParseUint(c.Position, 10, 64)
	if err != nil || position == 0 {
		return usage("the position is a number from 1")
	}
	return c.with(env, func(s *system) error {
		a, err := c.auditor(s)
		if err != nil {
			return err
		}
		x, err := a.Why(env.ctx, c.Reason, position)
		if err != nil {
			return refused("", err)
		}
		if c.JSON {
			return answer(env.stdout, x)
		}
		fmt.Fprintf(env.stdout, "%s\n%s\n", eventLine(&x.Event), x.Words)
		for i := range x.Causes {
			fmt.Fprintf(env.stdout, "because of\n  %s\n", eventLine(&x.Causes[i]))
		}
		if x.Rule != nil {
			fmt.Fprintf(env.stdout, "under rule %s: %s\n", x.Rule.Version, x.Rule.Source)
		}
		return nil
	})
}

func eventLine(f *eventschema.Fact) string {
	s := fmt.Sprintf("%d  %s  %s#%d", f.Position, f.Name, f.Stream(), f.Version)
	if !f.Act.At.IsZero() {
		s += "  recorded " + instant(f.Act.At)
		if !f.Effective.Equal(f.Act.At) {
			s += ", in effect from " + instant(f.Effective)
		}
		s += ", by " + string(f.Act.Role)
		if !f.Act.Actor.IsZero() {
			s += " " + shorten(f.Act.Actor)
		}
	}
	if t := f.Act.Text; t != (domain.Text{}) {
		s += fmt.Sprintf(", having read %s %s (%s)", t.Name, t.Version, t.Language)
	}
	return s
}

type stateCmd struct {
	dataFlag
	askFlags
	Client       string `required:"" placeholder:"LABEL" help:"The client, by label or id."`
	Organisation string `placeholder:"NAME" help:"Whose client, by name or id, where several organisations have the label."`
	At           string `placeholder:"TIME" help:"At this date or instant; now, if not given."`
	Known        string `placeholder:"TIME" help:"As far as it was recorded by this date or instant."`
}

func (c *stateCmd) Run(env *surroundings) error {
	at, err := parseInstant("at", c.At)
	if err != nil {
		return err
	}
	known, err := parseInstant("known", c.Known)
	if err != nil {
		return err
	}
	return c.with(env, func(s *system) error {
		a, err := c.auditor(s)
		if err != nil {
			return err
		}
		org := domain.ID{}
		if c.Organisation != "" {
			if org, err = a.FindOrganisation(env.ctx, c.Reason, c.Organisation); err != nil {
				return refused("--organisation: ", err)
			}
		}
		id, err := a.FindClient(env.ctx, c.Reason, c.Client, org)
		if err != nil {
			return refused("--client: ", err)
		}
		st, err := a.State(env.ctx, c.Reason, id, at, known)
		if err != nil {
			return refused("", err)
		}
		if c.JSON {
			return answer(env.stdout, st)
		}
		printState(env.stdout, st)
		return nil
	})
}

func printState(to io.Writer, st audit.Standing) {
	fmt.Fprintf(to, "Client %s at %s\n", st.Client, instant(st.At))
	fmt.Fprintf(to, "  %s since %s: %s\n", st.Status, instant(st.Since), st.Reason)
	if st.Until != nil {
		fmt.Fprintf(to, "  lapses at %s under rule %s\n", instant(*st.Until), st.Rule)
	}
	if st.AskedFrom != nil {
		fmt.Fprintf(to, "  the question about follow-up is due from %s; open now: %v\n", instant(*st.AskedFrom), st.Question)
	}
	fmt.Fprintf(to, "  code changed: %v; restricted: %v; deactivated: %v\n", st.Rotated, st.Restricted, st.Deactivated)
	fmt.Fprintf(to, "  %s\n", st.Reading)
}

type verifyCmd struct {
	dataFlag
	JSON bool `name:"json" help:"Answer as JSON."`
}

func (c *verifyCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error {
		draw, done := env.progress("verifying")
		v, err := s.verify(env.ctx, draw)
		done()
		if err != nil {
			return err
		}
		if c.JSON {
			err = answer(env.stdout, v)
		} else {
			fmt.Fprintf(env.stdout, "%d events of %d clients: %d look-ups, %d refused attempts, %d lapses\n", v.Events, v.Clients, v.Lookups, v.Refused, v.Lapses)
			if v.Unshown > 0 {
				fmt.Fprintf(env.stdout, "%d look-ups were overtaken by the end of the reader's own access: recorded, and not shown.\n", v.Unshown)
			}
			for _, p := range v.Problems {
				fmt.Fprintln(env.stdout, p)
			}
			if len(v.Problems) == 0 {
				fmt.Fprintln(env.stdout, "In order: every record is whole, every look-up is covered, every lapse stands at its instant.")
			}
		}
		if err == nil && len(v.Problems) > 0 {
			err = errWrong
		}
		return err
	})
}

type rebuildCmd struct {
	dataFlag
}

func (c *rebuildCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error {
		diffs, err := s.keeper.Differences(env.ctx)
		if err != nil {
			return err
		}
		for _, d := range diffs {
			fmt.Fprintln(env.stdout, "differs:", d)
		}
		if len(diffs) > 0 {
			s.keeper = s.keeper.Fresh()
			if err := s.keeper.CatchUp(env.ctx); err != nil {
				return err
			}
			return fmt.Errorf("%w: %d documents had drifted; the views have been made anew", errWrong, len(diffs))
		}
		fmt.Fprintln(env.stdout, "The views rebuilt from the first event are the same, document by document.")
		return nil
	})
}

type exportCmd struct {
	dataFlag
	By     string `placeholder:"NAME" help:"Who takes it out; the name of the login, if not given."`
	Role   string `enum:"auditor,employee" default:"auditor" help:"What that person acts as: auditor or employee."`
	Reason string `default:"audit" help:"Why; recorded with the export."`
	Open   bool   `help:"Open what is sealed: everything that is registered about every client. Recorded as such."`
}

func (c *exportCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error {
		about := "all events, sealed content closed"
		if c.Open {
			about = "all events, sealed content opened"
		}
		ask := askFlags{By: c.By, Role: c.Role, Reason: c.Reason}
		own, err := ask.record(env.ctx, s, oversight.Queried{Query: "export", About: about, Opened: c.Open})
		if err != nil {
			return err
		}
		draw, done := env.progress("exporting")
		defer done()
		return s.export(env.ctx, env.stdout, own-1, c.Open, draw) // all but its own record
	})
}
