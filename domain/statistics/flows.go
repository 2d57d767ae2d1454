package statistics

import (
	"maps"
	"slices"
	"strings"

	"samtykke/domain/disclosure"
)

// pool counts the people of one pool at each organisation.
type pool struct {
	of   *Pool
	size []int
}

// ties binds cells by what everybody knows of people, at every organisation, then at each group of them, and of all.
func (b *board) ties() {
	for over := range b.offices {
		b.tiesAt(over)
	}
	b.tiesAt(all)
}

func (b *board) tiesAt(over int) {
	for _, f := range b.spec.Flows {
		b.flow(f, over)
	}
	for _, p := range b.pools {
		b.pool(p, over)
	}
}

// flow ties those in groups to the groups that all of them are in: there is somebody more, who is in the latter only.
func (b *board) flow(f Flow, over int) {
	of, in := b.cellsOf(f.Of, over), b.cellsOf(f.In, over)
	if len(of) < len(f.Of) || len(in) < len(f.In) {
		return // a table is not there: the flow says nothing
	}
	left := unseen{
		name:  func(over int) string { return b.groupNames(f.In, over) + " and not " + b.groupNames(f.Of, over) },
		times: f.Times,
		persons: func(leaf int) (persons, group int) {
			group = b.count(f.In, leaf)
			return group - b.count(f.Of, leaf), group
		},
	}
	if i, ok := b.unseen(left, b.personsIn(in)-b.personsIn(of), b.personsIn(in), over, slices.Concat(of, in)); ok {
		b.problem.Sums = append(b.problem.Sums, disclosure.Sum{Total: b.together(f.In, in, over), Parts: append(of, i)})
	}
}

// pool ties those in groups to the people of whom they are a part, and of whom everybody is taken to know how many there are.
func (b *board) pool(p pool, over int) {
	size := b.known(p, over)
	if size == 0 && p.of.Empty {
		b.nobody(p, over)
	}
	groups := slices.DeleteFunc(slices.Clone(p.of.Of), func(g Group) bool { return len(b.cellsOf([]Group{g}, over)) == 0 })
	if size == 0 || len(groups) == 0 {
		return
	}
	in := b.cellsOf(groups, over)
	name := func(over int) string { return p.of.Name + at(b.office(over)) }
	left := unseen{
		name:    func(over int) string { return name(over) + " and not " + b.groupNames(groups, over) },
		persons: func(leaf int) (persons, group int) { return p.size[leaf] - b.count(groups, leaf), p.size[leaf] },
	}
	if i, ok := b.unseen(left, size-b.personsIn(in), size, over, in); ok {
		known := b.derive(disclosure.Cell{Name: name(over), Persons: size, Kind: disclosure.Released})
		b.problem.Sums = append(b.problem.Sums, disclosure.Sum{Total: known, Parts: append(in, i)})
	}
}

// known is the size of a pool as everybody is taken to know it. Few were never told, nor few beside those of one organisation: they could
// be more, by the whole protection.
func (b *board) known(p pool, over int) int {
	n, most := 0, 0
	for _, leaf := range b.members(over) {
		n += p.size[leaf]
		most = max(most, p.size[leaf])
	}
	few := func(n int) bool { return 0 < n && n < b.spec.Rules.Threshold }
	if few(n) || few(n-most) {
		return n + b.spec.Rules.Protection
	}
	return n
}

// nobody says of the groups of a pool without anybody that everybody knows that they are empty.
func (b *board) nobody(p pool, over int) {
	for _, g := range p.of.Of {
		name := b.groupName(g, over)
		for _, cell := range slices.Sorted(maps.Keys(b.index)) {
			if i := b.index[cell]; cell == name || strings.HasPrefix(cell, name+" ") && !strings.HasPrefix(cell, name+" organisation=") {
				if c := &b.problem.Cells[i]; c.Persons == 0 {
					*c = disclosure.Cell{Name: c.Name, Weight: c.Weight, Kind: disclosure.Structural}
				}
			}
		}
	}
}

// unseen is who is in a group and not in what is told of it, of which no table tells.
type unseen struct {
	times   bool // see Flow
	name    func(over int) string
	persons func(leaf int) (persons, group int) // at an organisation: how many, and of how many
}

// unseen makes the cell of such people, and gives its index; false where there are fewer than none: what everybody takes for true is not
// so of somebody there, and leads astray. Few are protected like any other few, and nobody of a group like everybody of it. So is what
// is left without those of one organisation, which knows its own; unless another one's few are a cell of their own: who cannot conclude
// that those are few cannot do so of all that are left, even if it finds these in a narrower interval.
func (b *board) unseen(u unseen, persons, group, over int, bound []int) (int, bool) {
	if persons < 0 {
		b.untrue++
		return 0, false
	}
	few := b.spec.Rules.Threshold
	sensitive := func(persons, group int) bool {
		return !u.times && (0 < persons && persons < few || persons == 0 && group >= few)
	}
	c := disclosure.Cell{Name: u.name(over), Persons: persons, Kind: disclosure.Private}
	if sensitive(persons, group) {
		c.Kind = disclosure.Derived
		if persons == 0 {
			c.Group = group
		}
	}
	leaves := b.members(over)
	for _, leaf := range leaves {
		own, of := u.persons(leaf)
		own = max(own, 0)
		if len(leaves) > 1 {
			c.Floor = max(c.Floor, min(own, persons))
		}
		if of == 0 || of >= group || !sensitive(persons-own, group-of) {
			continue
		}
		if !slices.ContainsFunc(leaves, func(other int) bool {
			i, ok := b.index[u.name(other)]
			return ok && other != leaf && b.problem.Cells[i].Kind == disclosure.Derived
		}) {
			c.Kind, c.RestSmall = disclosure.Derived, true
		}
	}
	i := b.derive(c)
	for _, cell := range bound {
		b.within[i] = append(b.within[i], b.within[cell]...)
	}
	if len(leaves) == 1 { // an organisation's own, or that of a group of one
		in := &b.problem.Insiders[leaves[0]]
		in.Knows = append(in.Knows, i)
	}
	return i, true
}

// together is the cell of everybody in groups.
func (b *board) together(groups []Group, cells []int, over int) int {
	if len(cells) == 1 {
		return cells[0]
	}
	name := b.groupNames(groups, over)
	whole, ok := b.index[name]
	if !ok {
		whole = b.derive(disclosure.Cell{Name: name, Persons: b.personsIn(cells), Kind: disclosure.Private}) // few in it are few in its parts
		b.problem.Sums = append(b.problem.Sums, disclosure.Sum{Total: whole, Parts: cells})
	}
	return whole
}

// cellsOf are those of groups at an organisation, a group of them, or all, as far as a table tells of them.
func (b *board) cellsOf(groups []Group, over int) (cells []int) {
	for _, g := range groups {
		if i, ok := b.index[b.groupName(g, over)]; ok {
			cells = append(cells, i)
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

// count is how many of an organisation's are in groups, also where no table tells.
func (b *board) count(groups []Group, leaf int) (n int) {
	for _, g := range groups {
		for _, t := range b.tallies {
			if p, ok := t.table.place(g); ok {
				p.over = leaf
				n += b.at(t, p).persons
				break
			}
		}
	}
	return n
}

// place is where a table counts a group, over all organisations; false if it does not.
func (t *Table) place(g Group) (place, bool) {
	p := place{all, all, all, all}
	if t.Universe != g.Universe {
		return p, false
	}
	for _, is := range g.Is {
		of := slices.Index(t.Of, is.Variable)
		switch {
		case t.By == is.Variable && p.by == all:
			p.by = category(t.By, is.Category)
		case of >= 0 && p.of == all:
			p.of, p.is = of, category(is.Variable, is.Category)
		default:
			return p, false
		}
	}
	return p, true
}

// groupName is that of the group's cell at an organisation, a group of them, or all.
func (b *board) groupName(g Group, over int) string {
	for _, same := range b.spec.Same {
		if g.Universe == same[0].Universe && slices.Equal(g.Is, same[0].Is) {
			g = same[1]
		}
	}
	universe, rest, _ := strings.Cut(g.String(), " ")
	return strings.TrimSuffix(b.quarter.String()+" "+universe+at(b.office(over))+" "+rest, " ")
}

func (b *board) groupNames(groups []Group, over int) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = b.groupName(g, over)
	}
	return strings.Join(names, " or ")
}
