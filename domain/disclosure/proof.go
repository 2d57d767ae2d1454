package disclosure

import "slices"

// A proof is that a sensitive cell cannot be told: two possibilities for it, far enough apart. The walks to them
// go through cells; the proof holds for as long as all of these are hidden, and for everybody who knows none of them.
type proof struct {
	target int
	cells  []int
}

// A prover keeps proofs.
type prover struct {
	*network
	proofs  [][]*proof // by target
	through [][]*proof // by cell; some of them are given up
}

func newProver(p *Problem, r Rules) *prover {
	return &prover{newNetwork(p, r), make([][]*proof, len(p.Cells)), make([][]*proof, len(p.Cells))}
}

func (n *prover) put(pr *proof) {
	n.proofs[pr.target] = append(n.proofs[pr.target], pr)
	for _, cell := range pr.cells {
		n.through[cell] = append(n.through[cell], pr)
	}
}

// harmful tells from which sides the truth must not be the limit of what is possible: that a small cell is no larger, that a
// small complement is no larger, which is that the cell is no smaller.
func (n *network) harmful(cell int) (above, below bool) {
	c, limit := n.p.Cells[cell], n.rules.Threshold
	return c.Persons < limit, c.Persons > 0 && c.Group > 0 && c.Group-c.Persons < limit
}

// enough tells whether the cell is protected by possibilities so far above and below the truth.
func (n *network) enough(cell, up, down int) bool {
	above, below := n.harmful(cell)
	c, most := n.p.Cells[cell], n.rules.Protection
	return up+down >= most && (up > 0 || !above) && (down > 0 || !below) && (up >= most || !c.RestSmall) && (down >= most || !c.RestLarge)
}

// splits are ways to divide the protection into steps up and steps down: as little down as may be, as much, and between.
func (n *network) splits(cell int) [][2]int {
	above, below := n.harmful(cell)
	c, least, most := n.p.Cells[cell], 0, n.rules.Protection
	switch {
	case c.RestLarge:
		least = most
	case below:
		least = 1
	}
	switch {
	case c.RestSmall:
		most = 0
	case above:
		most--
	}
	most = max(least, min(most, n.persons[cell]))
	downs := slices.Compact([]int{least, (least + most) / 2, most})
	all := make([][2]int, 0, len(downs))
	for _, down := range downs {
		up := max(0, n.rules.Protection-down)
		if c.RestSmall {
			up = n.rules.Protection
		}
		if above {
			up = max(up, 1)
		}
		all = append(all, [2]int{up, down})
	}
	return all
}

// prove finds a proof for the one who is looking, and with mayHide suppresses what it takes. What it gives is how far up and
// down from the truth possibilities were found.
func (n *prover) prove(target int, mayHide bool) (up, down int, ok bool) {
	c := n.p.Cells[target]
	n.persons[target] += c.Floor - c.Own // whose own it is learns nothing of others by the cell being no smaller
	defer func() { n.persons[target] -= c.Floor - c.Own }()
	for {
		if n.single(target, n.narrowly) {
			return 0, 0, true
		}
		if up, down, ok = n.several(target, false); ok {
			return up, down, true
		}
		if !mayHide || !n.hide(target) {
			break
		}
	}
	if ok = n.single(target, n.thoroughly); !ok && mayHide {
		return n.several(target, true)
	}
	return up, down, ok
}

// single looks for one walk that does it.
func (n *prover) single(target int, find func(target, forward, backward int, mayHide bool) (walk, bool)) bool {
	for _, split := range n.splits(target) {
		w, ok := find(target, split[0], split[1], false)
		if !ok {
			continue
		}
		forward, backward := n.room(w)
		cells := make([]int, len(w))
		for i, t := range w {
			cells[i] = t.at
		}
		for _, t := range w {
			up, down := forward*max(t.sign, -t.sign), backward*max(t.sign, -t.sign)
			if t.sign < 0 {
				up, down = down, up
			}
			n.note(target, t.at, up, down, cells)
		}
		return true
	}
	return false
}

// note keeps a proof for the target, and for another cell on the way if it is one and the cell has not enough of them yet.
func (n *prover) note(target, cell, up, down int, cells []int) {
	if c := n.p.Cells[target]; cell != target && c.Floor != c.Own {
		return // the walk may go below the target's floor, which is none for the target alone
	}
	if cell == target || n.reasons[cell] != "" && len(n.proofs[cell]) < 2 && n.enough(cell, up, down) {
		n.put(&proof{cell, cells})
	}
}

// several goes one walk after the other, up as far as needed, then down from the truth. With mayHide it suppresses what a further
// walk takes that goes on from where the others have led.
func (n *prover) several(target int, mayHide bool) (up, down int, ok bool) {
	truth := n.p.Cells[target].Persons
	lo, hi := map[int]int{}, map[int]int{}
	_, below := n.harmful(target)
	change := func(direction, want int) {
		touched := map[int]int{}
		for gone := 0; gone < want; {
			w, ok := n.thoroughly(target, max(direction, 0), max(-direction, 0), false)
			if !ok && mayHide {
				w, ok = n.thoroughly(target, max(direction, 0), max(-direction, 0), true)
			}
			if !ok {
				break
			}
			for _, t := range w {
				n.hidden[t.at] = true
			}
			steps, back := n.room(w)
			if direction < 0 {
				steps = back
			}
			steps = min(steps, want-gone)
			gone += steps
			n.move(w, direction*steps)
			for _, t := range w {
				touched[t.at] += direction * steps * t.sign
			}
		}
		for cell, by := range touched {
			lo[cell], hi[cell] = min(lo[cell], by), max(hi[cell], by)
			n.persons[cell] -= by
		}
	}
	change(1, n.rules.Protection)
	up = hi[target]
	want := n.rules.Protection - up
	if below {
		want = max(want, 1)
	}
	if n.p.Cells[target].RestLarge {
		want = n.rules.Protection
	}
	if want = min(want, truth); want > 0 {
		change(-1, want)
	}
	down = -lo[target]
	if !n.enough(target, up, down) {
		return up, down, false
	}
	cells := make([]int, 0, len(lo))
	for cell := range lo {
		cells = append(cells, cell)
	}
	slices.Sort(cells)
	for _, cell := range cells {
		n.note(target, cell, hi[cell], -lo[cell], cells)
	}
	return up, down, true
}

// narrowly is find, with fewer ways to look at.
func (n *network) narrowly(target, forward, backward int, mayHide bool) (walk, bool) {
	n.narrow = true
	defer func() { n.narrow = false }()
	return n.find(target, forward, backward, mayHide)
}

// thoroughly is find, narrowly first.
func (n *network) thoroughly(target, forward, backward int, mayHide bool) (walk, bool) {
	if w, ok := n.narrowly(target, forward, backward, mayHide); ok {
		return w, ok
	}
	return n.find(target, forward, backward, mayHide)
}

// hide suppresses the cheapest cells that leave the target a walk; the protection all at once, or else a single step. False if there
// is none that takes anything.
func (n *prover) hide(target int) bool {
	least, chosen := 0, []int(nil)
	try := func(forward, backward int) {
		if w, ok := n.thoroughly(target, forward, backward, true); ok {
			if cost, cells := n.weight(w); cells != nil && (chosen == nil || cost < least) {
				least, chosen = cost, cells
			}
		}
	}
	for _, split := range n.splits(target) {
		try(split[0], split[1])
	}
	if chosen == nil {
		try(1, 0)
		try(0, 1)
	}
	if chosen == nil { // where much has to go with it, the cheapest may be out of reach
		n.atAnyPrice = true
		for _, split := range n.splits(target) {
			try(split[0], split[1])
		}
		n.atAnyPrice = false
	}
	for _, cell := range chosen {
		n.hidden[cell] = true
	}
	return chosen != nil
}

// ensure sees to it that nobody can tell the cell: there is a proof for outsiders, and for each insider one that goes through
// nothing that it knows. With mayHide it suppresses what it takes.
func (n *prover) ensure(target int, mayHide bool) (failed []Disclosure) {
	prove := func(mayHide bool, who ...int) (d Disclosure, ok bool) {
		n.as(who, func() {
			var up, down int
			up, down, ok = n.prove(target, mayHide)
			d = n.disclosure(target, up, down)
		})
		return d, ok
	}
	if len(n.proofs[target]) == 0 {
		if d, ok := prove(mayHide); !ok {
			return []Disclosure{d}
		}
	}
	exposed := n.exposed(target)
	if len(exposed) > 1 {
		if _, ok := prove(false, exposed...); ok {
			return nil
		}
	}
	for _, who := range exposed {
		if d, ok := prove(mayHide, who); !ok {
			d.Who = n.p.Insiders[who].Name
			failed = append(failed, d)
		}
	}
	return failed
}

// exposed are the insiders for whom no proof holds, without those that know the target.
func (n *prover) exposed(target int) (all []int) {
	for i, pr := range n.proofs[target] {
		var touched []int
		for _, cell := range pr.cells {
			for _, who := range n.knowers[cell] {
				if !slices.Contains(n.knowers[target], who) && (i == 0 || slices.Contains(all, who)) {
					touched = append(touched, who)
				}
			}
		}
		slices.Sort(touched)
		all = slices.Compact(touched)
	}
	return all
}

func (n *network) disclosure(target, up, down int) Disclosure {
	c := n.p.Cells[target]
	return Disclosure{Cell: target, Name: c.Name, Why: n.reasons[target], Lo: c.Persons - down, Hi: c.Persons + up}
}
