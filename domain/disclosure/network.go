package disclosure

import "slices"

// A network is a problem under attack: the equations, what is hidden from whom, and the integers that an attacker might take the
// cells for.
type network struct {
	p          *Problem
	rules      Rules
	reasons    []Reason
	sums       [][]term // each adds up to zero; the cells with the least weight come first
	of         [][]term // for each cell, the sums that it stands in
	slack      []int    // for each sum, a cell that stands in no other sum, is never shown and has room; -1 without one
	knots      []bool   // for each sum, whether every cell of it opens more than one other sum
	hidden     []bool   // derived, or suppressed
	known      []bool   // by the insider who is looking, see as
	knows      [][]int  // for each insider, all that follows from what it knows of its own
	knowers    [][]int  // for each cell, the insiders that know it
	persons    []int    // what the cells are taken for: the truth, but while a walk goes away from it
	narrow     bool     // whether searches follow but a few of the ways
	atAnyPrice bool     // whether searches look for a short walk instead of a cheap one
	best       map[uint64]int
	walks      [][]walk // for each cell, some that were found
	off        []term
	tried      []term // best, off and tried are the search's own
}

// A term is a cell in a sum, or a sum of a cell, with its sign.
type term struct{ at, sign int }

func newNetwork(p *Problem, r Rules) *network {
	n := &network{
		p: p, rules: r.orDefault(), reasons: Primary(p, r),
		sums: make([][]term, len(p.Sums)), of: make([][]term, len(p.Cells)), slack: make([]int, len(p.Sums)), knots: make([]bool, len(p.Sums)),
		hidden: make([]bool, len(p.Cells)), known: make([]bool, len(p.Cells)), persons: make([]int, len(p.Cells)),
		knows: make([][]int, len(p.Insiders)), knowers: make([][]int, len(p.Cells)), walks: make([][]walk, len(p.Cells)),
		best: map[uint64]int{},
	}
	for i, c := range p.Cells {
		n.persons[i] = c.Persons - c.Floor // what is above the floor can move
		n.hidden[i] = c.Kind == Derived || c.Kind == Private
	}
	add := func(sum, cell, sign int) {
		n.sums[sum] = append(n.sums[sum], term{cell, sign})
		n.of[cell] = append(n.of[cell], term{sum, sign})
	}
	for i, s := range p.Sums {
		add(i, s.Total, -1)
		for _, part := range s.Parts {
			add(i, part, 1)
		}
	}
	for i, terms := range n.sums {
		slices.SortStableFunc(terms, func(a, b term) int { return max(p.Cells[a.at].Weight, 1) - max(p.Cells[b.at].Weight, 1) })
		n.slack[i] = -1
		for _, t := range terms {
			if k := p.Cells[t.at].Kind; (k == Derived || k == Private) && len(n.of[t.at]) == 1 && n.reasons[t.at] == "" &&
				n.persons[t.at] >= 2*n.rules.Protection {
				n.slack[i] = t.at
			}
		}
	}
	for i, terms := range n.sums {
		n.knots[i] = !slices.ContainsFunc(terms, func(t term) bool { return n.spread(t.at) <= 2 })
	}
	for who, in := range p.Insiders {
		n.knows[who] = n.closure(in.Knows)
		for _, cell := range n.knows[who] {
			n.knowers[cell] = append(n.knowers[cell], who)
		}
	}
	return n
}

// spread is how many sums a cell stands in, but for those that have a slack.
func (n *network) spread(cell int) (count int) {
	for _, s := range n.of[cell] {
		if n.slack[s.at] < 0 {
			count++
		}
	}
	return count
}

// closure is what follows from cells without anything that was shown: a sum in which one cell is missing gives that one.
func (n *network) closure(cells []int) (all []int) {
	has := map[int]bool{}
	learn := func(cell int) {
		if !has[cell] {
			has[cell] = true
			all = append(all, cell)
		}
	}
	for _, cell := range cells {
		learn(cell)
	}
	for i := 0; i < len(all); i++ {
		for _, s := range n.of[all[i]] {
			missing, count := 0, 0
			for _, t := range n.sums[s.at] {
				if !has[t.at] && n.p.Cells[t.at].Kind != Structural && (count == 0 || t.at != missing) {
					missing = t.at
					if count++; count > 1 {
						break
					}
				}
			}
			if count == 1 {
				learn(missing)
			}
		}
	}
	return all
}

// as looks with the eyes of insiders together, or of an outsider, if there are none, while f runs.
func (n *network) as(who []int, f func()) {
	for _, insider := range who {
		for _, cell := range n.knows[insider] {
			n.known[cell] = true
		}
	}
	f()
	for _, insider := range who {
		for _, cell := range n.knows[insider] {
			n.known[cell] = false
		}
	}
}

// price is what it costs to leave the cell open to the one who is looking: nothing if it is, its weight if it could be
// suppressed; false if it cannot be left open.
func (n *network) price(cell int) (int, bool) {
	switch c := &n.p.Cells[cell]; {
	case n.known[cell]:
		return 0, false
	case n.hidden[cell]:
		return 0, true
	case c.Kind == Publishable:
		return max(c.Weight, 1), true
	}
	return 0, false
}

// A walk is a way from what the cells are taken for to something else that is as possible: by how much each cell
// changes for one step forward, sorted by cell.
type walk []term

// room is how many steps can be gone forward, and how many backward, before a cell is below zero.
func (n *network) room(w walk) (forward, backward int) {
	forward, backward = 1<<30, 1<<30
	for _, t := range w {
		switch {
		case t.sign < 0:
			forward = min(forward, n.persons[t.at]/-t.sign)
		case t.sign > 0:
			backward = min(backward, n.persons[t.at]/t.sign)
		}
	}
	return forward, backward
}

// keeps tells whether a walk keeps every sum. With room, and open to the one who is looking, that is the whole proof that what
// the walk leads to is possible; how it was found does not matter.
func (n *network) keeps(w walk) bool {
	change := map[int]int{}
	for _, t := range w {
		for _, s := range n.of[t.at] {
			change[s.at] += s.sign * t.sign
		}
	}
	for _, c := range change {
		if c != 0 {
			return false
		}
	}
	return true
}

// open tells whether a walk changes only what is hidden from the one who is looking.
func (n *network) open(w walk) bool {
	return !slices.ContainsFunc(w, func(t term) bool { return n.known[t.at] || !n.hidden[t.at] })
}

func (w walk) reverse() walk {
	r := slices.Clone(w)
	for i := range r {
		r[i].sign = -r[i].sign
	}
	return r
}

// move moves what the cells are taken for so many steps along a walk.
func (n *network) move(w walk, steps int) {
	for _, t := range w {
		n.persons[t.at] += t.sign * steps
	}
}

// weight is what is lost by hiding all that the walk goes through, and which cells those are.
func (n *network) weight(w walk) (cost int, hide []int) {
	for _, t := range w {
		if price, _ := n.price(t.at); price > 0 {
			cost += price
			hide = append(hide, t.at)
		}
	}
	return cost, hide
}

func sortWalk(w walk) walk {
	slices.SortFunc(w, func(a, b term) int { return a.at - b.at })
	return w
}
