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
