package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/releases"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/disclosure"
	"samtykke/domain/oversight"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
	"samtykke/projections"
)

// If the key for the noise is lost, no release can be made again to be compared, and none will be made under another key: the same
// people would get other noise. If it leaks, the noise can be taken off, and the suppression is what is left.
const (
	statisticsDir = "statistics"
	statisticsKey = "keys/statistics.key"
)

// statisticsCmd is the anonymised statistics: what will be released, what an attacker would find in it, the release, and the proof of it.
type statisticsCmd struct {
	Plan    statisticsPlanCmd    `cmd:"" help:"Show what a release holds, which quarters were released, and which can be."`
	Audit   statisticsAuditCmd   `cmd:"" help:"Make a quarter's release and try to find somebody in it, without releasing it."`
	Release statisticsReleaseCmd `cmd:"" help:"Release a closed quarter, once."`
	Verify  statisticsVerifyCmd  `cmd:"" help:"Check that files are those that were released: with a manifest alone, or all of a data directory."`
}

// shelf is where releases are kept.
func (s *system) shelf() releases.Shelf { return releases.Shelf{Disk: disk.Sub(s.disk, statisticsDir)} }

// published is what was released.
func (s *system) published(ctx context.Context) (statistics.State, error) {
	st, _, err := s.desk.Statistics.State(ctx, eventschema.ServiceID)
	return st, err
}

// noise is that of a specification. A key that is missing is made only where nothing was released under it.
func (s *system) noise(spec statistics.Specification, st statistics.State) (statistics.Noise, error) {
	f, err := s.disk.OpenRead(statisticsKey)
	switch {
	case err == nil:
		err = f.Close()
	case errors.Is(err, fs.ErrNotExist) && len(st.Releases) > 0:
		err = fmt.Errorf("%s is missing: without it the same people would get other noise; put it back from its copy", statisticsKey)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return statistics.Noise{}, err
	}
	key, err := signin.LoadHashKey(s.disk, statisticsKey, s.secrets)
	if err != nil {
		return statistics.Noise{}, err
	}
	return statistics.NewNoise(key.Keyed("statistics"), spec)
}

// made makes a quarter's release as the views stand, without releasing it. That journals are read for it is on record before (D06).
func (s *system) made(
	ctx context.Context, by ledger.Caller, spec statistics.Specification, q statistics.Quarter,
) (releases.Made, statistics.Risk, error) {
	by.Key = "" // each reading is a question of its own
	asked := oversight.Queried{Query: "statistics", About: "the release of " + q.String(), Reason: "statistics"}
	if _, err := s.ask(ctx, by, asked); err != nil {
		return releases.Made{}, statistics.Risk{}, err
	}
	var made releases.Made
	var risk statistics.Risk
	err := s.keeper.Population(ctx, func(position ledger.Position, pop statistics.Population) (err error) {
		made, risk, err = s.make(ctx, spec, q, position, pop)
		return err
	})
	return made, risk, err
}

func (s *system) make(
	ctx context.Context, spec statistics.Specification, q statistics.Quarter, position ledger.Position, pop statistics.Population,
) (releases.Made, statistics.Risk, error) {
	st, err := s.published(ctx)
	if err != nil {
		return releases.Made{}, statistics.Risk{}, err
	}
	noise, err := s.noise(spec, st)
	if err != nil {
		return releases.Made{}, statistics.Risk{}, err
	}
	if p, ok := st.Of(q - 1); ok && (p.Specification != spec.Name || p.Version != uint64(spec.Version)) {
		return releases.Made{}, statistics.Risk{}, fmt.Errorf(
			"%s was released by another version of the specification, which tells other numbers of the same people: beside it %s cannot be released", q-1, q)
	}
	r, risk, err := statistics.Make(spec, q, uint64(position), pop, noise)
	if err != nil {
		return releases.Made{}, risk, err
	}
	made, err := releases.Prepare(spec, r, risk)
	return made, risk, err
}

// release releases a quarter: the files first, then the event, then the manifest with its proof. Where it was interrupted behind the
// event, it goes on there.
func (s *system) release(
	ctx context.Context, by ledger.Caller, spec statistics.Specification, q statistics.Quarter, second solverFlag,
) (statistics.Publication, error) {
	st, err := s.published(ctx)
	if err != nil {
		return statistics.Publication{}, err
	}
	if p, ok := st.Of(q); ok {
		if _, err := s.shelf().Package(p.Released); errors.Is(err, fs.ErrNotExist) {
			return p, s.finish(ctx, p)
		}
	}
	if err := st.Open(q, domain.Act{At: s.ledger.Now(), Actor: by.Actor, Role: by.Role}); err != nil {
		return statistics.Publication{}, err
	}
	m, risk, err := s.made(ctx, by, spec, q)
	if err != nil {
		return statistics.Publication{}, err
	}
	if _, err := second.opinion(ctx, spec, risk); err != nil {
		return statistics.Publication{}, err
	}
	if err := s.shelf().Put(m); err != nil {
		return statistics.Publication{}, err
	}
	done, err := s.desk.Statistics.Do(ctx, eventschema.ServiceID, by, m.Released)
	if err != nil {
		return statistics.Publication{}, err
	}
	p, _ := done.State.Of(q)
	return p, s.finish(ctx, p)
}

// finish writes the manifest of a release, under a checkpoint of now.
func (s *system) finish(ctx context.Context, p statistics.Publication) error {
	for r, err := range s.store.Stream(ctx, eventschema.StatisticsStream.Stream(eventschema.ServiceID), p.InStream) {
		if err != nil {
			return err
		}
		if err := s.signAll(ctx); err != nil {
			return err
		}
		document, err := s.proof.Prove(ctx, uint64(r.Position))
		if err != nil {
			return err
		}
		_, err = s.shelf().Finish(p.Released, document)
		return err
	}
	return fmt.Errorf("the event of the release of %s is not there", p.Period)
}

type statisticsPlanCmd struct {
	dataFlag
	JSON bool `name:"json" help:"Answer as JSON."`
}

// plan is what can be released, and was.
type plan struct {
	Specification string               `json:"specification"`
	Version       int                  `json:"version"`
	Rule          string               `json:"rule"`
	Threshold     int                  `json:"threshold"`
	FewestForMean int                  `json:"fewestForMean"`
	Tables        []plannedTable       `json:"tables"`
	Released      []string             `json:"released"`
	Next          []statistics.Quarter `json:"next"` // closed, and not released
}

type plannedTable struct {
	Name          string   `json:"name"`
	Universe      string   `json:"universe"`
	Organisations bool     `json:"organisations"`
	By            string   `json:"by,omitempty"`
	Of            []string `json:"of"`
	Mean          string   `json:"mean,omitempty"`
}

func (c *statisticsPlanCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error {
		p, err := s.plan(env.ctx, statistics.Quarterly)
		if err != nil {
			return err
		}
		if c.JSON {
			return answer(env.stdout, p)
		}
		return p.print(env.stdout)
	})
}

// plan gives the last four closed quarters that were not released and come after the last one that was.
func (s *system) plan(ctx context.Context, spec statistics.Specification) (plan, error) {
	p := plan{
		Specification: spec.Name, Version: spec.Version, Rule: spec.Rule, Threshold: spec.Rules.Threshold, FewestForMean: spec.FewestForMean,
		Released: []string{}, Next: []statistics.Quarter{},
	}
	for _, t := range spec.Tables {
		row := plannedTable{Name: t.Name, Universe: t.Universe.Name, Organisations: t.Over}
		if t.By != nil {
			row.By = t.By.Name
		}
		for _, v := range t.Of {
			row.Of = append(row.Of, v.Name)
		}
		if t.Mean != nil {
			row.Mean = t.Mean.Name
		}
		p.Tables = append(p.Tables, row)
	}
	st, err := s.published(ctx)
	if err != nil {
		return p, err
	}
	for _, r := range st.Releases {
		p.Released = append(p.Released, r.Period)
	}
	now := s.ledger.Now()
	last := statistics.QuarterOf(now)
	for q := last - 4; q < last; q++ {
		if st.Open(q, domain.Act{At: now, Actor: eventschema.ServiceID, Role: domain.RoleEmployee}) == nil {
			p.Next = append(p.Next, q)
		}
	}
	return p, nil
}

func (p plan) print(to io.Writer) error {
	fmt.Fprintf(to, "Specification %s, version %d, under the rules %s.\n"+
		"At least %d persons behind every number, its complement and its denominator; at least %d behind a mean.\n\n",
		p.Specification, p.Version, p.Rule, p.Threshold, p.FewestForMean)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tWHO\tBY ORGANISATION\tBY\tWHAT\tMEAN")
	for _, t := range p.Tables {
		over := "no"
		if t.Organisations {
			over = "yes"
		}
		what := ""
		if len(t.Of) > 0 {
			what = t.Of[0]
		}
		if n := len(t.Of); n > 1 {
			what = fmt.Sprintf("%s and %d more", what, n-1)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.Universe, over, t.By, what, t.Mean)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(to, "\nReleased: %s\nClosed, and not released: %s\n", list(p.Released), list(p.Next))
	return err
}

func list[T any](all []T) string {
	if len(all) == 0 {
		return "none"
	}
	text := ""
	for i, v := range all {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(v)
	}
	return text
}

// quarterFlag names the quarter that a release is of.
type quarterFlag struct {
	Quarter string `required:"" placeholder:"2026Q3" help:"The quarter."`
}

func (f quarterFlag) quarter() (statistics.Quarter, error) {
	q, err := statistics.ParseQuarter(f.Quarter)
	if err != nil {
		return 0, usage("--quarter: %v", err)
	}
	return q, nil
}

type statisticsAuditCmd struct {
	dataFlag
	quarterFlag
	solverFlag
	JSON bool `name:"json" help:"Answer as JSON."`
}

// Help is shown below the options.
func (c *statisticsAuditCmd) Help() string {
	return signInHelp + " What it tells stays inside: how many numbers are small is not for everybody."
}

func (c *statisticsAuditCmd) Run(env *surroundings) error {
	q, err := c.quarter()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	return c.as(env, func(s *system, by ledger.Caller) error {
		_, risk, err := s.made(env.ctx, by, statistics.Quarterly, q)
		if err != nil {
			return notSafe(err)
		}
		told := audited{Risk: risk}
		if c.Solver != "" {
			opinion, err := c.opinion(env.ctx, statistics.Quarterly, risk)
			if err != nil {
				return notSafe(err)
			}
			told.Solver = &opinion
		}
		return told.report(env.stdout, c.JSON)
	})
}

// audited is what an audit tells.
type audited struct {
	statistics.Risk
	Solver *releases.Opinion `json:"solver,omitempty"`
}

func (a audited) report(to io.Writer, asJSON bool) error {
	var err error
	if asJSON {
		err = answer(to, a)
	} else if err = printRisk(to, a.Risk); err == nil && a.Solver != nil {
		_, err = fmt.Fprintf(to, "Tried by %d linear programs: nothing is found out.\n", a.Solver.Programs)
	}
	return err
}

// solverFlag names a solver for a second opinion; none, if empty.
type solverFlag struct {
	Solver string `placeholder:"PROGRAM" help:"Have every sensitive number's interval worked out once more, by linear programs: GLPK's glpsol, or what takes its options."`
}

func (f solverFlag) check() error {
	if f.Solver == "" {
		return nil
	}
	if _, err := exec.LookPath(f.Solver); err != nil {
		return usage("--solver: %v", err)
	}
	return nil
}

// opinion is the solver's. What it finds out is a *statistics.Refused, which names the first number.
func (f solverFlag) opinion(ctx context.Context, spec statistics.Specification, risk statistics.Risk) (releases.Opinion, error) {
	if f.Solver == "" {
		return releases.Opinion{}, nil
	}
	o, err := releases.Solver{Path: f.Solver}.Audit(ctx, &risk.Problem, risk.Pattern, spec.Rules)
	if err == nil && len(o.Disclosures) > 0 {
		err = &statistics.Refused{Found: o.Disclosures}
	}
	return o, err
}

// notSafe says of a release that would tell too much that it is wrong, and leaves any other error as it is.
func notSafe(err error) error {
	if errors.As(err, new(*statistics.Refused)) || errors.As(err, new(*disclosure.GivenAway)) {
		return fmt.Errorf("%w: not released: %w", errWrong, err)
	}
	return err
}

func printRisk(to io.Writer, r statistics.Risk) error {
	sensitive := 0
	fmt.Fprintf(to, "%s: %d numbers could be told.\n", r.Period, r.Cells)
	for _, why := range slices.Sorted(maps.Keys(r.Sensitive)) {
		fmt.Fprintf(to, "  %5d suppressed: %s\n", r.Sensitive[why], why)
		sensitive += r.Sensitive[why]
	}
	if len(r.Withheld) > 0 {
		fmt.Fprintf(to, "Withheld as a whole, there are too few: %s\n", list(r.Withheld))
	}
	_, err := fmt.Fprintf(to, "  %5d suppressed so that those cannot be worked out\n  %5d told\n"+
		"%d remainders were protected, too: what an organisation could subtract, and few who stayed away.\n%d of %d means told.\n"+
		"Tried as somebody outside and as each of %d organisations: nothing is found out.\n",
		r.Secondary, r.Cells-sensitive-r.Secondary, r.Remainders, r.MeansShown, r.Means, r.Insiders)
	return err
}

type statisticsReleaseCmd struct {
	dataFlag
	quarterFlag
	solverFlag
	To string `placeholder:"DIR" help:"Write the files for the Norwegian Institute of Public Health to a new folder as well."`
}

// Help is shown below the options.
func (c *statisticsReleaseCmd) Help() string {
	return signInHelp + " A quarter is released once, and quarters in their order. What was released is never changed."
}

func (c *statisticsReleaseCmd) Run(env *surroundings) error {
	q, err := c.quarter()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.To != "" {
		if _, err := os.Lstat(c.To); err == nil {
			return usage("%s is there already", c.To)
		}
	}
	return c.as(env, func(s *system, by ledger.Caller) error {
		p, err := s.release(env.ctx, by, statistics.Quarterly, q, c.solverFlag)
		if err != nil {
			return notSafe(err)
		}
		files, err := s.shelf().Package(p.Released)
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s is released, from the ledger up to position %d: %d files.\n", q, p.Position, len(files))
		if c.To == "" {
			return nil
		}
		if err := os.Mkdir(c.To, 0o755); err != nil {
			return err
		}
		for name, b := range files {
			if err := writeNew(filepath.Join(c.To, name), func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
				return err
			}
		}
		return nil
	})
}

type statisticsVerifyCmd struct {
	Data     string `xor:"what" required:"" placeholder:"DIR" help:"A data directory: every release in it."`
	Manifest string `xor:"what" required:"" placeholder:"FILE" help:"A manifest; the files that it names lie beside it. Takes --key and nothing else."`
	Key      string `placeholder:"VERIFIER|FILE" help:"With --manifest: the verifier string of the log that is trusted, or a file that holds it."`
}

func (c *statisticsVerifyCmd) Run(env *surroundings) error {
	if c.Manifest != "" {
		return c.manifest(env)
	}
	if c.Key != "" {
		return usage("--key goes with --manifest")
	}
	return dataFlag{Data: c.Data}.with(env, func(s *system) error {
		st, err := s.published(env.ctx)
		if err != nil {
			return err
		}
		var wrong error
		for _, p := range st.Releases {
			said, err := s.verifyRelease(env.ctx, p)
			if err != nil {
				said, wrong = err.Error(), errWrong
			}
			fmt.Fprintf(env.stdout, "%s: %s\n", p.Period, said)
		}
		if len(st.Releases) == 0 {
			fmt.Fprintln(env.stdout, "Nothing has been released.")
		}
		return wrong
	})
}

// verifyRelease checks the files of a release, makes it again, and says in how far that could be done.
func (s *system) verifyRelease(ctx context.Context, p statistics.Publication) (string, error) {
	kept, err := s.shelf().Read(p.Released)
	if err != nil {
		return "", err
	}
	if _, err := s.shelf().Package(p.Released); err != nil {
		return "", err
	}
	const filed = "the files are those that were released"
	if p.Restored {
		return filed + "; they cannot be made again: the ledger was put back from a copy made before the release", nil
	}
	spec := statistics.Quarterly
	if p.Specification != spec.Name || p.Version != uint64(spec.Version) {
		return filed + "; they cannot be made again: this program has another version of the specification", nil
	}
	then := s.keeper.Fresh()
	if err := then.CatchUpTo(ctx, ledger.Position(p.Position)); err != nil {
		return "", err
	}
	var again releases.Made
	err = then.Population(ctx, func(position ledger.Position, pop statistics.Population) (err error) {
		again, _, err = s.make(ctx, spec, kept.Period, position, pop)
		return err
	})
	if err == nil && again.Released == p.Released {
		return filed + ", and made again they are the same", nil
	}
	erased := 0
	errErased := s.keeper.Erasures.Each(ctx, func(id domain.ID, e projections.Erasure) error {
		_, before, err := then.Erasures.Get(ctx, id)
		if !before && !e.Professional {
			erased++
		}
		return err
	})
	err = errors.Join(err, errErased)
	if err == nil && erased > 0 {
		return fmt.Sprintf("%s; they cannot be made again, since clients have been erased: %d", filed, erased), nil
	}
	return "", errors.Join(err, errors.New("made again, it is another release"))
}

// manifest checks a manifest with the files beside it.
func (c *statisticsVerifyCmd) manifest(env *surroundings) error {
	if c.Key == "" {
		return usage("--manifest takes --key: the verifier string of the log that is trusted")
	}
	verifier, err := parseVerifier(c.Key)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(c.Manifest)
	if err != nil {
		return usageError(err.Error())
	}
	var named releases.Manifest
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&named); err != nil {
		return fmt.Errorf("%w: this is no manifest", errUnproven)
	}
	files := map[string][]byte{}
	for _, f := range named.Statement.Files {
		if filepath.Base(f.Name) != f.Name {
			return fmt.Errorf("%w: the manifest names a file in another folder", errUnproven)
		}
		content, err := os.ReadFile(filepath.Join(filepath.Dir(c.Manifest), f.Name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // Verify names it
		}
		if err != nil {
			return err
		}
		files[f.Name] = content
	}
	v, err := releases.Verify(b, files, verifier)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnproven, err)
	}
	_, err = fmt.Fprintf(env.stdout, "%d files are those of %s, released at %s from the ledger %s up to position %d.\n",
		len(v.Statement.Files), v.Statement.Period, instant(v.Event.Fact.Effective), v.Event.Checkpoint.Origin, v.Statement.Position)
	return err
}
