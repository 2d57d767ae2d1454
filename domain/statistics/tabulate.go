package statistics

import (
	"errors"
	"iter"
	"slices"

	"samtykke/domain"
	"samtykke/domain/disclosure"
	"samtykke/domain/rules"
)

// A Population is everybody whom a release may count, as the ledger has them up to a position.
type Population struct {
	Each          func(count func(domain.ID, Contribution)) error // in any order
	Organisations []Organisation                                  // in the order of their ids
	Deletions     []Deletion
	Books         rules.Books
}

// An Organisation is one, with or without clients.
type Organisation struct {
	ID         domain.ID
	Helsenorge bool // its clients come by Helsenorge
}

// A Deletion is one client's, as the organisation has it on record.
type Deletion struct {
	Organisation domain.ID
	Quarter      Quarter
}

// The groups of organisations, of which sums are told as well (C10).
const (
	Helsenorge = "helsenorge"
	Others     = "others"
)

// place is where a cell stands: an organisation, a group of them or all (-1), and a category, or all, of each variable.
type place struct{ over, by, of, is int }

const all = -1

// office is one organisation, or a group of them, among those that a table counts over.
type office struct {
	name   string
	leaves []int // of Population.Organisations
	parent int   // all: everybody
}

// cell is what is counted at one place.
type cell struct {
	persons int
	set     disclosure.RecordSum
}

// tally counts one table: at its finest places only.
type tally struct {
	table    *Table
	withheld bool // as a whole
	untold   bool
	inner    map[place]cell
	means    map[int][]int // of each class, everybody's measure
	sets     map[int]disclosure.RecordSum
}

// count puts a person of a known organisation into the table, once for each of its variables.
func (t *tally) count(p Person, over int, record disclosure.RecordSum) {
	at := place{over: over, by: all, of: all, is: all}
	if t.table.By != nil {
		at.by = t.table.By.of(p)
	}
	if len(t.table.Of) == 0 {
		t.add(at, record)
	}
	for i, v := range t.table.Of {
		at.of, at.is = i, v.of(p)
		t.add(at, record)
	}
	if t.table.Mean != nil {
		for _, class := range []int{all, at.by} {
			t.means[class] = append(t.means[class], t.table.Mean.of(p))
			t.sets[class] += record
			if t.table.By == nil {
				break
			}
		}
	}
}

func (t *tally) add(at place, record disclosure.RecordSum) {
	c := t.inner[at]
	t.inner[at] = cell{c.persons + 1, c.set + record}
}

// A board is all tables of a release, counted, and the problem that they are together.
type board struct {
	spec    Specification
	quarter Quarter
	offices []office
	leaves  int // the first so many offices are single organisations
	tallies []*tally
	pools   []pool

	problem disclosure.Problem
	within  [][]*tally     // of each cell: the tables that it stands in
	index   map[string]int // of a cell by its name
	sets    []disclosure.RecordSum
	sums    map[[2]int]bool
	untrue  int // flows and pools that did not hold
}

// count counts the population of a quarter.
func count(spec Specification, q Quarter, pop Population, record func(domain.ID) disclosure.RecordSum) (*board, error) {
	b := &board{
		spec: spec, quarter: q, leaves: len(pop.Organisations),
		index: map[string]int{}, sums: map[[2]int]bool{},
	}
	at := map[domain.ID]int{}
	for i, o := range pop.Organisations {
		at[o.ID] = i
		b.offices = append(b.offices, office{o.ID.String(), []int{i}, all})
	}
	b.group(pop.Organisations)
	for i, t := range slices.Concat(spec.Tables, spec.Behind) {
		b.tallies = append(b.tallies, &tally{
			table: &t, untold: i >= len(spec.Tables), inner: map[place]cell{}, means: map[int][]int{}, sets: map[int]disclosure.RecordSum{},
		})
	}
	for i := range spec.Pools {
		b.pools = append(b.pools, pool{&spec.Pools[i], make([]int, b.leaves)})
	}
	err := pop.Each(func(id domain.ID, c Contribution) {
		over, ok := at[c.Organisation]
		if !ok {
			return
		}
		p, ok := c.Person(q, pop.Books)
		if !ok {
			return
		}
		for _, pool := range b.pools {
			if pool.of.In(p) {
				pool.size[over]++
			}
		}
		set := record(id)
		for _, t := range b.tallies {
			if t.table.Universe.in(p) {
				t.count(p, over, set)
			}
		}
	})
	b.deletions(pop.Deletions, at, record)
	return b, err
}

// group adds the groups of organisations, where there are both.
func (b *board) group(all []Organisation) {
	var in, out []int
	for i, o := range all {
		if o.Helsenorge {
			in = append(in, i)
		} else {
			out = append(out, i)
		}
	}
	if len(in) == 0 || len(out) == 0 {
		return
	}
	for _, g := range []office{{Helsenorge, in, -1}, {Others, out, -1}} {
		for _, leaf := range g.leaves {
			b.offices[leaf].parent = len(b.offices)
		}
		b.offices = append(b.offices, g)
	}
}

// deletions counts those of the quarter.
func (b *board) deletions(deletions []Deletion, at map[domain.ID]int, record func(domain.ID) disclosure.RecordSum) {
	for _, d := range deletions {
		over, ok := at[d.Organisation]
		if !ok {
			continue
		}
		if d.Quarter != b.quarter {
			continue
		}
		for _, t := range b.tallies {
			if t.table.Universe == deleted {
				t.add(place{over, all, all, all}, record(d.Organisation)) // nobody is left who would have a record of one's own
			}
		}
		for _, pool := range b.pools {
			if pool.of.Deleted {
				pool.size[over]++
			}
		}
	}
}

// at sums the finest places up to any place.
func (b *board) at(t *tally, p place) cell {
	var sum cell
	for _, leaf := range b.members(p.over) {
		for _, by := range choices(t.table.By, p.by) {
			of := max(p.of, 0)
			if len(t.table.Of) == 0 {
				c := t.inner[place{leaf, by, all, all}]
				sum = cell{sum.persons + c.persons, sum.set + c.set}
				continue
			}
			for _, is := range choices(t.table.Of[of], p.is) {
				c := t.inner[place{leaf, by, of, is}]
				sum = cell{sum.persons + c.persons, sum.set + c.set}
			}
		}
	}
	return sum
}

// choices are the categories that a place means: one, or all of the variable's.
func choices(v *Variable, at int) []int {
	if v == nil || at != all {
		return []int{at}
	}
	every := make([]int, len(v.Categories))
	for i := range every {
		every[i] = i
	}
	return every
}

// name tells a cell from all others of the release. Two tables' cells of the same persons have the same.
func (b *board) name(t *tally, p place) string {
	g := Group{Universe: t.table.Universe}
	if p.by != all {
		g.Is = append(g.Is, Is{t.table.By, t.table.By.Categories[p.by].Name})
	}
	if p.is != all {
		v := t.table.Of[p.of]
		g.Is = append(g.Is, Is{v, v.Categories[p.is].Name})
	}
	return b.groupName(g, p.over)
}

// at is the part of a name that says where.
func at(office string) string {
	if office == "" {
		return ""
	}
	return " organisation=" + office
}

// office is the name of an organisation or a group of them; of all "".
func (b *board) office(over int) string {
	if over == all {
		return ""
	}
	return b.offices[over].name
}

// cell gives the index of the cell at a place, which is made where it was not there.
func (b *board) cell(t *tally, p place) int {
	name := b.name(t, p)
	i, ok := b.index[name]
	if !ok {
		i = len(b.problem.Cells)
		b.index[name] = i
		c := b.at(t, p)
		b.within = append(b.within, nil)
		b.problem.Cells = append(b.problem.Cells, disclosure.Cell{
			Name: name, Persons: c.persons, Group: b.denominator(t, p), Weight: weight(p),
		})
		switch {
		case t.table.never(p):
			b.problem.Cells[i].Kind = disclosure.Structural
		case t.untold:
			b.problem.Cells[i].Kind = disclosure.Derived
		}
		b.sets = append(b.sets, c.set)
		if 0 <= p.over && p.over < b.leaves {
			in := &b.problem.Insiders[p.over]
			in.Knows = append(in.Knows, i)
		}
	}
	for _, t := range b.told(t, p) {
		if !slices.Contains(b.within[i], t) {
			b.within[i] = append(b.within[i], t)
		}
	}
	return i
}

// told are the tables that tell of a place: the one that it is in, or, if that is told by nobody, those from which it follows.
func (b *board) told(t *tally, p place) (all []*tally) {
	if !t.untold {
		return []*tally{t}
	}
	of := []*Universe{t.table.Universe}
	for _, same := range b.spec.Same {
		if same[1].Universe == t.table.Universe {
			of = append(of, same[0].Universe)
		}
	}
	var alone []*tally // that tell of organisations, where it is about one
	for _, other := range b.tallies {
		if other.untold || other.withheld || !slices.Contains(of, other.table.Universe) {
			continue
		}
		if all = append(all, other); p.over >= 0 && other.table.Over {
			alone = append(alone, other)
		}
	}
	if alone != nil {
		return alone
	}
	return all
}

// weight is what is lost with a cell: most with a total, which stands in many tables and beside which parts are read.
func weight(p place) int {
	w := 2
	if p.over == all {
		w++
	}
	if p.is == all {
		w += 2
	}
	if p.is == all && p.by == all {
		w += 3
	}
	return w
}

// denominator is how many a cell is read against: those of the same organisation, of the same class where it tells what those are;
// 0 for whole organisations and everybody.
func (b *board) denominator(t *tally, p place) int {
	switch {
	case p.is != all:
		p.of, p.is = all, all
	case p.by != all:
		p.by = all
	default:
		return 0
	}
	return b.at(t, p).persons
}

// build makes the problem: every cell of every table, the sums that bind them, and what each organisation knows.
func (b *board) build() {
	b.problem, b.within, b.sets = disclosure.Problem{}, nil, nil
	b.index, b.sums, b.untrue = map[string]int{}, map[[2]int]bool{}, 0
	for _, o := range b.offices[:b.leaves] {
		b.problem.Insiders = append(b.problem.Insiders, disclosure.Insider{Name: o.name})
	}
	tallies := slices.DeleteFunc(slices.Clone(b.tallies), func(t *tally) bool { return t.withheld || t.untold && !b.follows(t) })
	for _, t := range tallies {
		b.table(t)
	}
	for _, t := range tallies {
		b.remainders(t)
	}
	b.nested()
	for _, t := range tallies {
		b.implied(t)
	}
	b.ties()
}

// follows tells whether an untold table follows from what is told: whether anything of its universe is.
func (b *board) follows(t *tally) bool {
	return slices.ContainsFunc(b.tallies, func(other *tally) bool {
		return !other.untold && !other.withheld && other.table.Universe == t.table.Universe
	})
}

// never tells whether nobody can be at a place, as everybody knows.
func (t *Table) never(p place) bool {
	return p.by != all && p.is != all && slices.Contains(t.Never, [2]string{t.By.Categories[p.by].Name, t.Of[p.of].Categories[p.is].Name})
}

// protect suppresses what has to be. Where no suppression keeps a cell, as happens when there is hardly anybody, a table that it stands in
// is withheld as a whole, the last first, and it begins again: of a table of which nothing is told, and that no sum binds to what is
// told but its totals, nothing follows.
func (b *board) protect() (disclosure.Pattern, error) {
	for {
		b.build()
		pattern, err := disclosure.Protect(&b.problem, b.spec.Rules)
		given, ok := errors.AsType[*disclosure.GivenAway](err)
		if !ok {
			return pattern, err
		}
		in := b.within[given.Cell]
		if len(in) == 0 {
			return nil, err
		}
		in[len(in)-1].withheld = true
	}
}

// places are those that a table shows.
func (b *board) places(t *tally) iter.Seq[place] {
	return func(yield func(place) bool) {
		for over := all; over < len(b.offices); over++ {
			if over != all && !t.table.Over {
				return
			}
			for _, by := range append(choices(t.table.By, all), all) {
				if !yield(place{over, by, all, all}) {
					return
				}
				for of, v := range t.table.Of {
					for is := range v.Categories {
						if !yield(place{over, by, of, is}) {
							return
						}
					}
				}
				if t.table.By == nil {
					break
				}
			}
		}
	}
}

// table makes a table's cells and sums.
func (b *board) table(t *tally) {
	for p := range b.places(t) {
		total := b.cell(t, p)
		if p.is == all {
			for of, v := range t.table.Of {
				b.sum(t, total, choices(v, all), func(i int) place { p.of, p.is = of, i; return p })
			}
			p.of, p.is = all, all
		}
		if p.by == all && t.table.By != nil {
			b.sum(t, total, choices(t.table.By, all), func(i int) place { q := p; q.by = i; return q })
		}
		if children := b.children(p.over); t.table.Over && len(children) > 0 {
			b.sum(t, total, children, func(i int) place { q := p; q.over = i; return q })
		}
	}
}

// children are the offices that make up one, or everybody.
func (b *board) children(over int) []int {
	if 0 <= over && over < b.leaves {
		return nil
	}
	var list []int
	for i, o := range b.offices {
		if o.parent == over {
			list = append(list, i)
		}
	}
	return list
}

// sum binds a total to its parts, once.
func (b *board) sum(t *tally, total int, parts []int, at func(int) place) {
	s := disclosure.Sum{Total: total}
	for _, i := range parts {
		s.Parts = append(s.Parts, b.cell(t, at(i)))
	}
	b.bind(s)
}

func (b *board) bind(s disclosure.Sum) {
	if key := [2]int{s.Total, s.Parts[0]}; !b.sums[key] {
		b.sums[key] = true
		b.problem.Sums = append(b.problem.Sums, s)
	}
}

// remainders says of each sum over organisations what one of them knows: its own part, and whether so few are left without it, or so
// nearly all, that it must not find out. What is left of nothing tells nothing.
func (b *board) remainders(t *tally) {
	for p := range b.places(t) {
		if 0 <= p.over && p.over < b.leaves {
			continue
		}
		leaves := b.members(p.over)
		index := b.cell(t, p)
		whole, group := &b.problem.Cells[index], b.denominator(t, p)
		for _, leaf := range leaves {
			own := p
			own.over = leaf
			known := b.at(t, own).persons
			if len(leaves) == 1 { // a group of one: its own
				in := &b.problem.Insiders[leaf]
				in.Knows = append(in.Knows, index)
				continue
			}
			rest := disclosure.Cell{Persons: whole.Persons - known, Group: group - b.denominator(t, own)}
			whole.Floor = max(whole.Floor, known)
			if known == 0 || rest.Persons == 0 && rest.Group == 0 {
				continue // it learns no more than anybody; or nobody else is left to learn about
			}
			one := disclosure.Problem{Cells: []disclosure.Cell{rest}}
			switch disclosure.Primary(&one, b.spec.Rules)[0] {
			case disclosure.Few, disclosure.Zero, disclosure.Denominator:
				whole.RestSmall = true
			case disclosure.All, disclosure.Complement:
				whole.RestLarge, whole.Own = true, max(whole.Own, known)
			}
		}
	}
}

func (b *board) derive(c disclosure.Cell) int {
	i := len(b.problem.Cells)
	b.index[c.Name] = i
	b.problem.Cells = append(b.problem.Cells, c)
	b.sets, b.within = append(b.sets, 0), append(b.within, nil)
	return i
}

// members are the organisations of a group, or all; of a single one, itself.
func (b *board) members(over int) []int {
	if over != all {
		return b.offices[over].leaves
	}
	leaves := make([]int, b.leaves)
	for i := range leaves {
		leaves[i] = i
	}
	return leaves
}
