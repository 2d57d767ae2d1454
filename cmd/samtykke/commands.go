package main

import (
	"bufio"
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
	if err := d.there(); err != nil {
		return err
	}
	return d.orNew(env, do)
}

// there refuses a data directory that holds no ledger, or not a whole one.
func (d dataFlag) there() error {
	if err := d.whole(); err != nil {
		return err
	}
	folder := ledgerDir
	if os.Getenv(ledgerVariable) != "" {
		folder = keyDir
	}
	return d.holds(folder)
}

func (d dataFlag) holds(folder string) error {
	if _, err := os.Stat(filepath.Join(d.Data, folder)); errors.Is(err, fs.ErrNotExist) {
		return usage("there is no ledger in %s", d.Data)
	}
	return nil
}

// whole refuses a data directory that a demo or a restore did not finish.
func (d dataFlag) whole() error {
	if _, err := os.Stat(filepath.Join(d.Data, unfinished)); err == nil {
		return usage("the demo that made %s did not end: remove the folder and make it anew", d.Data)
	}
	if _, err := os.Stat(filepath.Join(d.Data, restoring)); err == nil {
		return usage("%s is not restored yet: give the same restore once more", d.Data)
	}
	return nil
}

// orNew is with, for a command that may be the first.
func (d dataFlag) orNew(env *surroundings, do func(*system) error) (err error) {
	if err := d.whole(); err != nil {
		return err
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

// questionFlags are those of questions that are answered under an exceptional access.
type questionFlags struct {
	Reason string `default:"exceptional access" help:"Why; recorded with the query. Names of people do not belong here."`
	JSON   bool   `name:"json" help:"Answer as JSON."`
}

// saidBy is the id that stands for a name which somebody gives as their own, and which nothing proves: it is nobody's account. Without a
// name it is that of the login.
func saidBy(name string, role domain.Role) (ledger.Caller, error) {
	if name == "" {
		u, err := user.Current()
		if err != nil {
			return ledger.Caller{}, usage("nobody is known to be logged in: give --by")
		}
		name = u.Username
	}
	return ledger.Caller{Actor: domain.Derive(eventschema.ServiceID, []byte("query by "+name)), Role: role}, nil
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
	questionFlags
	CSV          bool   `name:"csv" help:"Answer as CSV, a line for each row."`
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
	if c.CSV && c.JSON {
		return usage("--json and --csv are two forms of the same")
	}
	q.Questions = c.Client == "" && c.Organisation == ""
	return c.with(env, func(s *system) error {
		a, err := s.auditorWithAccess(env.ctx)
		if err != nil {
			return err
		}
		if err := c.find(env.ctx, a, &q); err != nil {
			return err
		}
		out := bufio.NewWriterSize(env.stdout, 1<<16)
		rows := c.rows(out)
		if err := a.Replay(env.ctx, c.Reason, q, rows.row); err != nil {
			return refused("", err)
		}
		return errors.Join(rows.end(), out.Flush())
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

// shorten gives the first characters of an id, for people.
func shorten(id domain.ID) string {
	s := id.String()
	return s[:min(8, len(s))]
}

type whyCmd struct {
	dataFlag
	questionFlags
	Position string `arg:"" help:"The event's position in the ledger, as the other commands print it."`
}

func (c *whyCmd) Run(env *surroundings) error {
	position, err := strconv.ParseUint(c.Position, 10, 64)
	if err != nil || position == 0 {
		return usage("the position is a number from 1")
	}
	return c.with(env, func(s *system) error {
		a, err := s.auditorWithAccess(env.ctx)
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
	questionFlags
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
		a, err := s.auditorWithAccess(env.ctx)
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

type rebuildCmd struct {
	dataFlag
}

func (c *rebuildCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error {
		diffs, err := s.makeViewsAnew(env.ctx)
		for _, d := range diffs {
			fmt.Fprintln(env.stdout, "differs:", d)
		}
		if err != nil {
			return err
		}
		if len(diffs) > 0 {
			return fmt.Errorf("%w: %d documents had drifted; the views have been made anew", errWrong, len(diffs))
		}
		fmt.Fprintln(env.stdout, "The views rebuilt from the first event are the same, document by document.")
		return nil
	})
}

// makeViewsAnew folds all views from the first event, and names the documents that had been others.
func (s *system) makeViewsAnew(ctx context.Context) ([]string, error) {
	if s.views != nil {
		return s.keeper.Rebuild(ctx)
	}
	diffs, err := s.keeper.Differences(ctx)
	if err != nil || len(diffs) == 0 {
		return diffs, err
	}
	s.keeper = s.keeper.Fresh()
	return diffs, s.keeper.CatchUp(ctx)
}

type exportCmd struct {
	dataFlag
	By     string `placeholder:"NAME" help:"Without --open: who takes it out, as you say yourself; the name of the login, if not given. Only an id made from it is recorded."`
	Role   string `enum:",auditor,employee" default:"" help:"Without --open: what you say that you act as, auditor or employee; auditor, if not given."`
	Reason string `default:"audit" help:"Why; recorded with the export."`
	Open   bool   `help:"Open what is sealed: everything that is registered about every client. Recorded as such, under an exceptional access of yours."`
}

func (c *exportCmd) Run(env *surroundings) error {
	if c.Open && c.By+c.Role != "" {
		return usage("--by and --role go without --open, which is recorded as done by whoever opened the access")
	}
	return c.with(env, func(s *system) error {
		own, err := c.record(env.ctx, s)
		if err != nil {
			return refused("", err)
		}
		draw, done := env.progress("exporting")
		defer done()
		return s.export(env.ctx, env.stdout, own-1, c.Open, draw) // all but its own record
	})
}

// record puts the export on record, and gives the position of its event.
func (c *exportCmd) record(ctx context.Context, s *system) (uint64, error) {
	q := oversight.Queried{Query: "export", About: "all events, sealed content closed", Reason: c.Reason}
	if !c.Open {
		by, err := saidBy(c.By, domain.Role(cmp.Or(c.Role, string(domain.RoleAuditor))))
		if err != nil {
			return 0, err
		}
		return s.ask(ctx, by, q)
	}
	q.About, q.Opened = "all events, sealed content opened", true
	a, err := s.access(ctx)
	if err != nil {
		return 0, err
	}
	return a.record(ctx, q)
}
