package statistics

import (
	"maps"
	"slices"
	"strings"

	"samtykke/domain/disclosure"
)

// nested ties universes together of which one is part of the other: what is told of both tells of those who are in the larger one only.
// Few of these are protected like any other few.
func (b *board) nested() {
	seen := map[*Universe]bool{}
	for _, t := range b.tallies {
		u := t.table.Universe
		if u.Of == nil || seen[u] {
			continue
		}
		seen[u] = true
		prefix := b.quarter.String() + " "
		for _, name := range slices.Sorted(maps.Keys(b.index)) {
			rest, ok := strings.CutPrefix(name, prefix+u.Name)
			if !ok || rest != "" && rest[0] != ' ' {
				continue
			}
			in := b.index[name]
			if same, ok := b.index[prefix+u.Of.Name+rest+" "+u.Same+"=yes"]; ok && u.Same != "" {
				b.bind(disclosure.Sum{Total: same, Parts: []int{in}})
			}
			whole, ok := b.index[prefix+u.Of.Name+rest]
			if !ok {
				continue
			}
			only := b.problem.Cells[whole].Persons - b.problem.Cells[in].Persons
			b.part(whole, in, disclosure.Cell{Name: name + " not in it but in " + u.Of.Name, Persons: only})
		}
	}
}

// part ties a cell to a larger one by those who are in the larger one only.
func (b *board) part(whole, in int, rest disclosure.Cell) {
	rest.Kind = disclosure.Private
	if 0 < rest.Persons && rest.Persons < b.spec.Rules.Threshold {
		rest.Kind = disclosure.Derived
	}
	i := b.derive(rest)
	b.within[i] = slices.Concat(b.within[whole], b.within[in])
	b.bind(disclosure.Sum{Total: whole, Parts: []int{in, i}})
	for who := range b.problem.Insiders {
		knows := &b.problem.Insiders[who].Knows
		if slices.Contains(*knows, whole) && slices.Contains(*knows, in) {
			*knows = append(*knows, i)
		}
	}
}

// implied ties what follows from two categories to where it is told: so many at least are there.
func (b *board) implied(t *tally) {
	for _, other := range b.tallies {
		if other == t || other.withheld || other.table.By != t.table.By || other.table.Universe != t.table.Universe || len(t.table.Implied) == 0 {
			continue
		}
		parts := map[int][]int{}
		for _, rule := range t.table.Implied {
			by := category(t.table.By, rule[0])
			from := b.cell(t, place{all, by, 0, category(t.table.Of[0], rule[1])})
			to := b.cell(other, place{all, by, 0, category(other.table.Of[0], rule[2])})
			parts[to] = append(parts[to], from)
		}
		for _, to := range slices.Sorted(maps.Keys(parts)) {
			rest := disclosure.Cell{Name: b.problem.Cells[to].Name + " not as follows", Persons: b.problem.Cells[to].Persons, Kind: disclosure.Private}
			for _, from := range parts[to] {
				rest.Persons -= b.problem.Cells[from].Persons
			}
			if 0 < rest.Persons && rest.Persons < b.spec.Rules.Threshold {
				rest.Kind = disclosure.Derived
			}
			left := b.derive(rest)
			b.within[left] = []*tally{other, t}
			b.bind(disclosure.Sum{Total: to, Parts: append([]int{left}, parts[to]...)})
		}
	}
}

func category(v *Variable, name string) int {
	return slices.IndexFunc(v.Categories, func(c Category) bool { return c.Name == name })
}

// since ties the release to the one of the quarter before: who was there then is there still, or has left. Few who left are protected
// like any other few, and so are few who left from all organisations but one.
func (b *board) since(previous *Previous) {
	for over := all; over < len(b.offices); over++ {
		who := ""
		if over != all {
			who = b.offices[over].name
		}
		stayed, ok := b.index[b.place(clients, over)+" "+isNew.Name+"=no"]
		then, counted := previous.Counted[who]
		if !ok || !counted || !previous.Release.tells(b.spec, clients, who) {
			continue
		}
		left := disclosure.Cell{Name: b.place(clients, over) + " left since " + (b.quarter - 1).String(), Persons: then - b.problem.Cells[stayed].Persons}
		few := func(n int) bool { return 0 < n && n < b.spec.Rules.Threshold }
		if over == all || over >= b.leaves {
			for _, leaf := range b.members(over) {
				own, ok := b.index[b.place(clients, leaf)+" "+isNew.Name+"=no"]
				if was, counted := previous.Counted[b.offices[leaf].name]; ok && counted {
					left.RestSmall = left.RestSmall || few(left.Persons-was+b.problem.Cells[own].Persons)
				}
			}
		}
		if left.Persons < 0 || !few(left.Persons) && !left.RestSmall {
			continue
		}
		was := b.derive(disclosure.Cell{Name: left.Name + ", all then", Persons: then, Kind: disclosure.Released})
		left.Kind = disclosure.Derived
		gone := b.derive(left)
		b.within[gone] = b.within[stayed]
		b.bind(disclosure.Sum{Total: was, Parts: []int{stayed, gone}})
		if 0 <= over && over < b.leaves {
			in := &b.problem.Insiders[over]
			in.Knows = append(in.Knows, was, gone)
		}
	}
}
