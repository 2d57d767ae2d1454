package statistics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"samtykke/domain"
	"samtykke/domain/disclosure"
)

// A Release is what is told of one quarter: numbers of groups and nothing of anybody. Whoever has it may read all of it. Which part
// is shown to whom (C10) is another matter.
type Release struct {
	Specification string   `json:"specification"`
	Version       int      `json:"version"`
	Rule          string   `json:"rule"`
	Period        Quarter  `json:"period"`
	Position      uint64   `json:"position"` // of the last event of the ledger that it rests on
	Threshold     int      `json:"threshold"`
	FewestForMean int      `json:"fewestForMean"`
	Helsenorge    []string `json:"helsenorge"` // organisations whose clients came by it
	Tables        []Told   `json:"tables"`
}

// Told is one table of a release.
type Told struct {
	Table    string `json:"table"`
	Withheld bool   `json:"withheld,omitempty"` // as a whole: there are too few people for any of it
	Rows     []Row  `json:"rows"`
	Means    []Mean `json:"means,omitempty"`
}

// A Row is one cell. A field that is empty stands for all.
type Row struct {
	Organisation string `json:"organisation,omitempty"` // an id, Helsenorge or Others
	Class        string `json:"class,omitempty"`        // category of Table.By
	Variable     string `json:"variable,omitempty"`     // of Table.Of
	Category     string `json:"category,omitempty"`
	Persons      *int   `json:"persons"` // nil: suppressed
}

// A Mean is that of a table's measure in one class, in tenths. A field that is empty stands for all.
type Mean struct {
	Class  string `json:"class,omitempty"`
	Tenths *int   `json:"tenths"` // nil: suppressed
}

// A Risk is what the protection of a release came to. It stays inside: which cells are small is what must not be told.
type Risk struct {
	Period      Quarter                   `json:"period"`
	Cells       int                       `json:"cells"`     // that could be shown
	Sensitive   map[disclosure.Reason]int `json:"sensitive"` // of them, by reason
	Secondary   int                       `json:"secondary"` // suppressed for others' sake
	Withheld    []string                  `json:"withheld"`  // tables of which nothing is told
	Told        int                       `json:"told"`
	Noise       float64                   `json:"noise"`      // how far from the truth a number that is told is, on average
	MeanNoise   float64                   `json:"meanNoise"`  // the same of means, in their own unit
	Remainders  int                       `json:"remainders"` // never shown and to be protected: what organisations could work out, and who left
	Untrue      int                       `json:"untrue"`     // what was taken for known to everybody and did not hold of somebody
	Means       int                       `json:"means"`      // that could be shown
	MeansShown  int                       `json:"meansShown"`
	Insiders    int                       `json:"insiders"`    // whose knowledge was tried, besides an outsider's
	Disclosures []disclosure.Disclosure   `json:"disclosures"` // what they found: nothing, of what is released

	Problem disclosure.Problem `json:"-"` // what was protected, and how, for whoever attacks it by other means
	Pattern disclosure.Pattern `json:"-"`
}

// A Refused is the error of a release that would tell too much.
type Refused struct{ Found []disclosure.Disclosure }

func (e *Refused) Error() string {
	d := e.Found[0]
	return fmt.Sprintf("%s would find out the cell %q (%s); %d such cells in all", cmp.Or(d.Who, "an outsider"), d.Name, d.Why, len(e.Found))
}

// Noise is how counts are perturbed: keyed, the same for the same persons.
type Noise struct {
	Counts disclosure.NoiseKey
	Sums   func(bound int) (disclosure.NoiseKey, error) // of measures that no one's is further from zero than the bound
}

// NewNoise makes the noise of a specification, under a secret that lies outside the ledger.
func NewNoise(prf disclosure.PRF, spec Specification) (Noise, error) {
	counts, err := disclosure.NewNoiseKey(prf, 0, spec.Rules)
	return Noise{Counts: counts, Sums: func(bound int) (disclosure.NoiseKey, error) {
		return disclosure.NewNoiseKey(prf, 1000/bound, spec.Rules)
	}}, err
}

// Make makes the release of a closed quarter from the population up to a position. Nothing goes out that an attacker finds out too
// much from: it is a *Refused then, or a *disclosure.GivenAway, with the cell's name.
func Make(spec Specification, q Quarter, position uint64, pop Population, noise Noise) (Release, Risk, error) {
	b, err := count(spec, q, pop, func(id domain.ID) disclosure.RecordSum { return noise.Counts.Record(id[:]) })
	if err != nil {
		return Release{}, Risk{Period: q}, err
	}
	pattern, err := b.protect()
	risk := Risk{Period: q, Sensitive: map[disclosure.Reason]int{}, Insiders: len(b.problem.Insiders), Withheld: []string{}}
	if err != nil {
		return Release{}, risk, err
	}
	risk.Problem, risk.Pattern, risk.Untrue = b.problem, pattern, b.untrue
	if risk.Disclosures, err = disclosure.Audit(&b.problem, pattern, spec.Rules); err != nil {
		return Release{}, risk, err
	}
	if len(risk.Disclosures) > 0 {
		return Release{}, risk, &Refused{risk.Disclosures}
	}
	for i, why := range disclosure.Primary(&b.problem, spec.Rules) {
		switch {
		case b.problem.Cells[i].Kind == disclosure.Publishable:
			risk.Cells++
			if why != "" {
				risk.Sensitive[why]++
			} else if !pattern.Shown(i) {
				risk.Secondary++
			}
		case why != "":
			risk.Remainders++
		}
	}
	r := Release{
		Specification: spec.Name, Version: spec.Version, Rule: spec.Rule, Period: q, Position: position,
		Threshold: spec.Rules.Threshold, FewestForMean: spec.FewestForMean,
	}
	for _, o := range pop.Organisations {
		if o.Helsenorge {
			r.Helsenorge = append(r.Helsenorge, o.ID.String())
		}
	}
	for _, t := range b.tallies {
		if t.untold {
			continue
		}
		told, err := b.tell(t, pattern, noise, &risk)
		if err != nil {
			return Release{}, risk, err
		}
		r.Tables = append(r.Tables, told)
	}
	risk.Noise /= float64(max(risk.Told, 1))
	risk.MeanNoise /= float64(max(risk.MeansShown, 1))
	return r, risk, nil
}

// Problem is what a release of the quarter has to solve: every cell with what is really in it. It is for measuring other ways to
// protect them, and stays inside.
func Problem(spec Specification, q Quarter, pop Population) (disclosure.Problem, error) {
	b, err := count(spec, q, pop, func(domain.ID) disclosure.RecordSum { return 0 })
	if err != nil {
		return disclosure.Problem{}, err
	}
	b.build()
	return b.problem, nil
}

func (b *board) tell(t *tally, pattern disclosure.Pattern, noise Noise, risk *Risk) (Told, error) {
	told := Told{Table: t.table.Name, Withheld: t.withheld}
	if t.withheld {
		risk.Withheld = append(risk.Withheld, t.table.Name)
		return told, nil
	}
	for p := range b.places(t) {
		i := b.cell(t, p)
		row := Row{}
		if p.over != all {
			row.Organisation = b.offices[p.over].name
		}
		if p.by != all {
			row.Class = t.table.By.Categories[p.by].Name
		}
		if p.is != all {
			v := t.table.Of[p.of]
			row.Variable, row.Category = v.Name, v.Categories[p.is].Name
		}
		if b.problem.Cells[i].Kind == disclosure.Structural {
			row.Persons = new(0)
		} else if pattern.Shown(i) {
			truth := b.problem.Cells[i].Persons
			row.Persons = new(noise.Counts.Perturb(truth, b.sets[i]))
			risk.Told++
			risk.Noise += math.Abs(float64(*row.Persons - truth))
		}
		told.Rows = append(told.Rows, row)
	}
	if t.table.Mean == nil {
		return told, nil
	}
	for _, class := range append([]int{all}, choices(t.table.By, all)...) {
		m := Mean{}
		if class != all {
			m.Class = t.table.By.Categories[class].Name
		}
		count := b.cell(t, place{all, class, all, all})
		risk.Means++
		if pattern.Shown(count) {
			var truth float64
			var err error
			if m.Tenths, truth, err = b.mean(t, class, noise); err != nil {
				return told, err
			}
			if m.Tenths != nil {
				risk.MeansShown++
				risk.MeanNoise += math.Abs(float64(*m.Tenths)/10 - truth)
			}
		}
		told.Means = append(told.Means, m)
	}
	// The mean of all, less those of classes, is that of the classes that are hidden: they too are many, or it is hidden.
	left := 0
	for n, m := range told.Means[1:] {
		if m.Tenths == nil {
			left += len(t.means[n])
		}
	}
	if total := &told.Means[0]; total.Tenths != nil && 0 < left && left < b.spec.FewestForMean {
		total.Tenths = nil
		risk.MeansShown--
	}
	return told, nil
}

// mean gives a class's mean in tenths, with noise in the sum, and the true one; nil where few are behind it, or one dominates it.
func (b *board) mean(t *tally, class int, noise Noise) (*int, float64, error) {
	values := t.means[class]
	if len(values) < b.spec.FewestForMean {
		return nil, 0, nil
	}
	sizes, sum := make([]int, len(values)), 0
	for i, v := range values {
		sizes[i] = max(v, -v)
		sum += v
	}
	if disclosure.Dominant(sizes, b.spec.Rules) {
		return nil, 0, nil
	}
	key, err := noise.Sums(t.table.Mean.Bound)
	if err != nil {
		return nil, 0, err
	}
	persons := noise.Counts.Perturb(len(values), t.sets[class])
	told := rounded(10*(sum+key.Noise(len(values), t.sets[class])), persons)
	return &told, float64(sum) / float64(len(values)), nil
}

// rounded is a quotient to the nearest whole number, halves away from zero.
func rounded(n, by int) int {
	if n < 0 {
		return -rounded(-n, by)
	}
	return (2*n + by) / (2 * by)
}

// Check reports what does not fit in a specification: a name that is there twice, a variable without categories.
func (s Specification) Check() error {
	var faults []error
	names := map[string]bool{}
	for _, t := range s.Tables {
		if names[t.Name] {
			faults = append(faults, fmt.Errorf("the table %s is there twice", t.Name))
		}
		names[t.Name] = true
		for _, v := range slices.Concat(t.Of, []*Variable{t.By}) {
			if v != nil && len(v.Categories) < 2 {
				faults = append(faults, fmt.Errorf("the variable %s of the table %s has fewer than two categories", v.Name, t.Name))
			}
		}
		for _, v := range t.Of {
			if len(t.Of) > 1 && len(v.Categories) != 2 {
				faults = append(faults, fmt.Errorf("the variable %s of the table %s stands beside others and has not two categories", v.Name, t.Name))
			}
		}
	}
	for _, g := range s.groups() {
		counted := slices.ContainsFunc(slices.Concat(s.Tables, s.Behind), func(t Table) bool { _, ok := t.place(g); return ok })
		if !counted {
			faults = append(faults, fmt.Errorf("no table counts the group %s, which something is said of", g))
		}
	}
	return errors.Join(faults...)
}

// groups are those of which something is said beside tables.
func (s Specification) groups() (all []Group) {
	for _, same := range s.Same {
		all = append(all, same[:]...)
	}
	for _, f := range s.Flows {
		all = slices.Concat(all, f.Of, f.In)
	}
	for _, p := range s.Pools {
		all = append(all, p.Of...)
	}
	return all
}

// String is the group's name, without quarter and organisation.
func (g Group) String() string {
	vars := make([]string, len(g.Is))
	for i, is := range g.Is {
		vars[i] = is.Variable.Name + "=" + is.Category
	}
	slices.Sort(vars)
	return strings.Join(append([]string{g.Universe.Name}, vars...), " ")
}
