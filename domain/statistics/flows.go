package statistics

import (
	"fmt"
	"slices"
	"strings"

	"samtykke/domain/disclosure"
)

// groupName is that of the group's cell at an organisation, a group of them, or all.
func (b *board) groupName(g Group, over int) string {
	q := b.quarter
	if g.Before {
		q--
	}
	vars := make([]string, len(g.Is))
	for i, is := range g.Is {
		vars[i] = is.Variable.Name + "=" + is.Category
	}
	return nameOf(q, g.Universe, b.office(over), vars)
}

// flow ties those in groups at an organisation, a group of them, or all, to where they come from; to where they all come from, there is
// somebody more, who is not in those groups.
func (b *board) flow(f Flow, over int) {
	if single := 0 <= over && over < b.leaves; !single && !f.Totals {
		return
	}
	to, from := b.cellsOf(f.To, over), b.cellsOf(f.From, over)
	if to == nil || from == nil {
		return // a table is not there: the flow says nothing
	}
	rest := b.personsIn(from) - b.personsIn(to)
	if rest < 0 {
		return // somebody came back, who was not counted in the quarter before: nothing follows
	}
	var own []int // what is an organisation's, which may subtract it
	for _, leaf := range b.others(over) {
		in, out := b.cellsOf(f.To, leaf), b.cellsOf(f.From, leaf)
		if in != nil && out != nil {
			own = append(own, max(b.personsIn(out)-b.personsIn(in), 0))
		}
	}
	var within []*tally
	for _, i := range slices.Concat(to, from) {
		within = append(within, b.within[i]...)
	}
	left := b.unseen(b.groupNames(f.From, over)+" and not "+b.groupNames(f.To, over), rest, over, own, within)
	b.problem.Sums = append(b.problem.Sums, disclosure.Sum{Total: b.together(f.From, from, over), Parts: append(to, left)})
	if slices.ContainsFunc(f.From, func(g Group) bool { return g.Before }) {
		b.tie(within)
	}
}

// together is the cell of everybody in groups.
func (b *board) together(groups []Group, cells []int, over int) int {
	if len(cells) == 1 {
		return cells[0]
	}
	name := b.groupNames(groups, over)
	whole, ok := b.index[name]
	if !ok {
		var within []*tally
		for _, i := range cells {
			within = append(within, b.within[i]...)
		}
		whole = b.unseen(name, b.personsIn(cells), over, nil, within)
		b.problem.Cells[whole].Kind = disclosure.Private // few in it are few in its parts, and protected there
		b.problem.Sums = append(b.problem.Sums, disclosure.Sum{Total: whole, Parts: cells})
	}
	return whole
}

// cellsOf are those of groups at a place, or nil where one of them is in no table.
func (b *board) cellsOf(groups []Group, over int) []int {
	cells := make([]int, len(groups))
	for i, g := range groups {
		var ok bool
		if cells[i], ok = b.index[b.groupName(g, over)]; !ok {
			return nil
		}
	}
	return cells
}

func (b *board) personsIn(cells []int) (n int) {
	for _, i := range cells {
		n += b.problem.Cells[i].Persons
	}
	return n
}

func (b *board) groupNames(groups []Group, over int) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = b.groupName(g, over)
	}
	return strings.Join(names, " or ")
}

// others are the organisations of a group, or all; of a single one there are none.
func (b *board) others(over int) []int {
	if 0 <= over && over < b.leaves {
		return nil
	}
	return b.members(over)
}

// unseen makes a cell that no table shows, and gives its index. Few are protected like any other few, and so are few without those of
// one organisation.
func (b *board) unseen(name string, persons, over int, own []int, within []*tally) int {
	few := func(n int) bool { return 0 < n && n < b.spec.Rules.Threshold }
	c := disclosure.Cell{Name: name, Persons: persons, Kind: disclosure.Private}
	for _, n := range own {
		c.RestSmall = c.RestSmall || few(persons-n)
	}
	if few(persons) || c.RestSmall {
		c.Kind = disclosure.Derived
	}
	i := b.derive(c)
	b.within[i] = within
	if 0 <= over && over < b.leaves {
		in := &b.problem.Insiders[over]
		in.Knows = append(in.Knows, i)
	}
	return i
}

// tie notes tables that say more about what was released before.
func (b *board) tie(tables []*tally) {
	for _, t := range tables {
		if !slices.Contains(b.tied, t) {
			b.tied = append(b.tied, t)
		}
	}
	slices.SortFunc(b.tied, func(x, y *tally) int { return slices.Index(b.tallies, x) - slices.Index(b.tallies, y) })
}

// leavers ties those who had everything deleted to those who have left: whoever else did is protected where they are few.
func (b *board) leavers(over int) {
	left, ok := b.index[b.groupNames(stay.From, over)+" and not "+b.groupNames(stay.To, over)]
	gone, told := b.index[nameOf(b.quarter, deleted, b.office(over), nil)]
	if ok && told && b.problem.Cells[gone].Persons > 0 {
		if rest := b.problem.Cells[left].Persons - b.problem.Cells[gone].Persons; rest >= 0 {
			b.part(left, gone, disclosure.Cell{Name: b.problem.Cells[left].Name + " and did not delete", Persons: rest})
		}
	}
}

// remember begins the problem with what was released before.
func (b *board) remember(kept disclosure.Problem) {
	b.problem.Cells, b.problem.Sums = slices.Clone(kept.Cells), slices.Clone(kept.Sums)
	b.within, b.sets = make([][]*tally, len(kept.Cells)), make([]disclosure.RecordSum, len(kept.Cells))
	for i, c := range kept.Cells {
		b.index[c.Name] = i
	}
	for _, old := range kept.Insiders {
		i := slices.IndexFunc(b.problem.Insiders, func(in disclosure.Insider) bool { return in.Name == old.Name })
		if i < 0 {
			i = len(b.problem.Insiders)
			b.problem.Insiders = append(b.problem.Insiders, disclosure.Insider{Name: old.Name})
		}
		b.problem.Insiders[i].Knows = slices.Clone(old.Knows)
	}
	b.before = len(kept.Cells)
}

// keep gives what the releases after this one are compared with: the numbers of tables that are kept, and all that were kept before.
func (b *board) keep(pattern disclosure.Pattern) (kept disclosure.Problem) {
	at := map[int]int{}
	for i, c := range b.problem.Cells {
		if i >= b.before && !b.kept(i) {
			continue
		}
		if c.Kind == disclosure.Publishable {
			if c.Kind = disclosure.Derived; pattern.Shown(i) {
				c.Kind = disclosure.Released
			}
		}
		at[i] = len(kept.Cells)
		kept.Cells = append(kept.Cells, c)
	}
	has := func(cells ...int) bool {
		return !slices.ContainsFunc(cells, func(i int) bool { _, ok := at[i]; return !ok })
	}
	moved := func(cells []int) (all []int) {
		for _, i := range cells {
			if has(i) {
				all = append(all, at[i])
			}
		}
		return all
	}
	for _, s := range b.problem.Sums {
		if has(s.Total) && has(s.Parts...) {
			kept.Sums = append(kept.Sums, disclosure.Sum{Total: at[s.Total], Parts: moved(s.Parts)})
		}
	}
	for _, in := range b.problem.Insiders {
		kept.Insiders = append(kept.Insiders, disclosure.Insider{Name: in.Name, Knows: moved(in.Knows)})
	}
	return kept
}

// kept tells whether a cell of this release stays inside: one of a table that is kept, or one that no table shows and that says something
// of such tables only.
func (b *board) kept(i int) bool {
	is := func(t *tally) bool { return t.table.Kept }
	switch b.problem.Cells[i].Kind {
	case disclosure.Publishable, disclosure.Structural:
		return slices.ContainsFunc(b.within[i], is)
	}
	return len(b.within[i]) > 0 && !slices.ContainsFunc(b.within[i], func(t *tally) bool { return !is(t) })
}

// check says whether what was kept is that of the release: what it told is told there, and nothing else.
func (p *Previous) check(spec Specification) error {
	told := map[string]bool{}
	for _, c := range p.Kept.Cells {
		told[c.Name] = c.Kind == disclosure.Released || c.Kind == disclosure.Structural
	}
	for i, t := range p.Release.Tables {
		if i >= len(spec.Tables) || !spec.Tables[i].Kept {
			continue
		}
		for _, row := range t.Rows {
			var vars []string
			if row.Class != "" {
				vars = append(vars, spec.Tables[i].By.Name+"="+row.Class)
			}
			if row.Category != "" {
				vars = append(vars, row.Variable+"="+row.Category)
			}
			name := nameOf(p.Release.Period, spec.Tables[i].Universe, row.Organisation, vars)
			if was, ok := told[name]; !ok || was != (row.Persons != nil) {
				return fmt.Errorf("statistics: what is kept of %s is of another release", p.Release.Period)
			}
		}
	}
	return p.Kept.Validate()
}
