package disclosure

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Protect suppresses the sensitive cells, and beside them what it takes that nobody can work them out, as little as it finds. After
// it, Audit finds nothing. The error is a *GivenAway, or what Validate says.
func Protect(p *Problem, r Rules) (Pattern, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	n := newProver(p, r)
	targets := n.targets()
	for _, cell := range targets {
		if c := p.Cells[cell]; c.Kind == Released {
			return nil, n.givenAway(n.disclosure(cell, 0, 0))
		}
		n.hidden[cell] = true
	}
	for _, cell := range targets {
		if failed := n.ensure(cell, true); failed != nil {
			return nil, n.givenAway(failed[0])
		}
	}
	n.takeBack()
	if err := n.settle(); err != nil {
		return nil, err
	}
	pat := make(Pattern, len(p.Cells))
	for i, c := range p.Cells {
		switch {
		case c.Kind == Derived, c.Kind == Private:
			pat[i] = NotShown
		case n.reasons[i] != "":
			pat[i] = PrimarySuppressed
		case n.hidden[i]:
			pat[i] = SecondarySuppressed
		}
	}
	return pat, nil
}

// settle audits as somebody who has only the pattern. What was proved on the way to it stays true, but where cells stand in more than
// two sums the search may not find it again: then more is suppressed, so that everybody can see that it is enough.
func (n *prover) settle() error {
	for {
		fresh := newProver(n.p, n.rules)
		fresh.hidden = n.hidden
		before := slices.Clone(n.hidden)
		var found []Disclosure
		for _, cell := range fresh.targets() {
			if failed := fresh.ensure(cell, false); failed != nil {
				found = append(found, failed...)
				fresh.ensure(cell, true)
			}
		}
		if found == nil {
			return nil
		}
		if slices.Equal(before, n.hidden) {
			return n.givenAway(found[0])
		}
	}
}

func (n *prover) givenAway(d Disclosure) error {
	return &GivenAway{Who: d.Who, Cell: d.Cell, Name: d.Name, Why: d.Why}
}

// targets are the sensitive cells, the largest first: they take the longest walks, which protect others on their way. What is nearly all
// of a group comes after the few that are left of it, whose walks are easier to find, and protect it.
func (n *network) targets() (all []int) {
	for i, reason := range n.reasons {
		if reason != "" {
			all = append(all, i)
		}
	}
	size := func(cell int) int {
		c := n.p.Cells[cell]
		if why := n.reasons[cell]; why == All || why == Complement {
			return c.Group - c.Persons
		}
		return c.Persons
	}
	slices.SortStableFunc(all, func(a, b int) int {
		return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(n.p.Cells[a].Persons, n.p.Cells[b].Persons))
	})
	return all
}

// takeBack publishes every cell that was suppressed beside the sensitive ones and is not needed, those with the largest weight first.
func (n *prover) takeBack() {
	var secondary []int
	for i, c := range n.p.Cells {
		if n.hidden[i] && n.reasons[i] == "" && c.Kind == Publishable {
			secondary = append(secondary, i)
		}
	}
	slices.SortStableFunc(secondary, func(a, b int) int { return cmp.Compare(n.p.Cells[b].Weight, n.p.Cells[a].Weight) })
	for _, cell := range secondary {
		n.hidden[cell] = false
		if !n.without(cell) {
			n.hidden[cell] = true
		}
	}
}

// without proves anew whatever went through the cell, and puts all back as it was if that cannot be done.
func (n *prover) without(cell int) bool {
	before := map[int][]*proof{}
	for _, pr := range n.through[cell] {
		if old := n.proofs[pr.target]; slices.Contains(old, pr) {
			if before[pr.target] == nil {
				before[pr.target] = slices.Clone(old)
			}
			n.proofs[pr.target] = slices.DeleteFunc(old, func(x *proof) bool { return x == pr })
		}
	}
	for _, target := range slices.Sorted(maps.Keys(before)) {
		if n.ensure(target, false) != nil {
			for target, proofs := range before {
				n.proofs[target] = proofs
			}
			return false
		}
	}
	n.through[cell] = nil
	return true
}

// Audit attacks a pattern, as an outsider and as each insider, and gives the sensitive cells for which it cannot show that the
// protection holds. An empty result is a proof; what it gives may be more than what an attacker finds.
func Audit(p *Problem, pat Pattern, r Rules) ([]Disclosure, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if len(pat) != len(p.Cells) {
		return nil, fmt.Errorf("disclosure: a pattern of %d cells for a problem of %d", len(pat), len(p.Cells))
	}
	n := newProver(p, r)
	for i, c := range p.Cells {
		n.hidden[i] = c.Kind == Derived || c.Kind == Private || c.Kind == Publishable && !pat.Shown(i)
	}
	var found []Disclosure
	for _, cell := range n.targets() {
		if !n.hidden[cell] {
			found = append(found, n.disclosure(cell, 0, 0))
			continue
		}
		found = append(found, n.ensure(cell, false)...)
	}
	return found, nil
}
