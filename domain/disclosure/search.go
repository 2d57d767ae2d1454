package disclosure

import (
	"cmp"
	"container/heap"
	"slices"
)

// How many states one search looks at before it gives up. With these, a table of some hundred rows is searched through.
const (
	narrowBudget = 250
	shortBudget  = 1000
	wideBudget   = 4000
)

// A state of the search is a walk that is not whole yet: some sums do not add up any more, and are to be mended.
type state struct {
	last   *state
	cell   int // whose change led here
	sign   int
	open   []term // sums that are off, and by how much
	cost   int    // weight of what has to be suppressed
	length int
}

func (s *state) rank() int { return s.length + 2*len(s.open) }

// uses tells whether the walk has been at the cell already.
func (s *state) uses(cell int) bool {
	for ; s != nil; s = s.last {
		if s.cell == cell {
			return true
		}
	}
	return false
}

// find looks for the cheapest walk that raises the target by one with each step, that can be gone forward and backward so many
// steps; among the cheapest for a short one. Without mayHide it goes through what is hidden already and nothing else. It is a search by
// cost over which sums are off; where each cell stands in two sums, as in a table, that is Dijkstra's shortest path, else it is a
// heuristic. It finds nothing if the budget does not suffice.
func (n *network) find(target, forward, backward int, mayHide bool) (walk, bool) {
	if price, ok := n.price(target); !ok || price > 0 || n.persons[target] < backward {
		return nil, false
	}
	if w, ok := n.recall(target, forward, backward); ok {
		return w, true
	}
	clear(n.best)
	queue := &states{}
	push := func(s state) {
		key := s.key()
		rank := s.cost<<20 + s.rank()
		if old, seen := n.best[key]; !seen || rank < old || len(s.open) == 0 {
			n.best[key] = rank
			s.open = slices.Clone(s.open)
			heap.Push(queue, &s)
		}
	}
	push(n.step(nil, target, 1, target, 0))
	budget := wideBudget
	switch {
	case n.narrow:
		budget = narrowBudget
	case n.atAnyPrice:
		budget = shortBudget
	}
	for ; queue.Len() > 0 && budget > 0; budget-- {
		s := heap.Pop(queue).(*state)
		if len(s.open) == 0 {
			w := n.walk(s, target)
			if f, b := n.room(w); f >= forward && b >= backward && n.keeps(w) && (mayHide || n.open(w)) {
				n.remember(w)
				return w, true
			}
			continue
		}
		for _, t := range n.ways(s, n.next(s, forward, backward), target, forward, backward, mayHide) {
			if price, ok := n.option(s, t.at, t.sign, forward, backward, mayHide); ok {
				push(n.step(s, t.at, t.sign, target, price))
			}
		}
	}
	return nil, false
}

// remember keeps a walk for the cells that it goes through, the latest few for each.
func (n *network) remember(w walk) {
	const most = 40
	for _, t := range w {
		if n.walks[t.at] = append(n.walks[t.at], w); len(n.walks[t.at]) > most {
			n.walks[t.at] = n.walks[t.at][1:]
		}
	}
}

// recall gives a walk that was found before and serves.
func (n *network) recall(target, forward, backward int) (walk, bool) {
	for _, w := range slices.Backward(n.walks[target]) {
		i, _ := slices.BinarySearchFunc(w, target, func(t term, at int) int { return t.at - at })
		if w[i].sign == -1 {
			w = w.reverse()
		}
		if f, b := n.room(w); w[i].sign == 1 && f >= forward && b >= backward && n.open(w) {
			return w, true
		}
	}
	return nil, false
}

// A sum is long if there are more cells in it than are counted through each time.
const long = 16

// ways are the cells that could mend a sum, with the sign of their change. A narrow search takes, of a long one, those that mend
// another sum too, and beside them a few that cost nothing and a few of the cheapest.
func (n *network) ways(s *state, off term, target, forward, backward int, mayHide bool) []term {
	const few = 6
	all, terms := n.tried[:0], n.sums[off.at]
	add := func(t term) bool {
		t.sign *= -cmp.Compare(off.sign, 0)
		if n.persons[t.at] < room(t.sign, forward, backward) {
			return false
		}
		all = append(all, t)
		return true
	}
	if !n.narrow || len(terms) <= long {
		for _, t := range terms {
			add(t)
		}
		n.tried = all
		return all
	}
	for _, other := range s.open {
		if other.at == off.at || len(n.sums[other.at]) > long {
			continue
		}
		for _, t := range n.sums[other.at] {
			for _, of := range n.of[t.at] {
				if of.at == off.at {
					add(term{t.at, of.sign})
				}
			}
		}
	}
	for i, free := 0, 0; i < len(terms) && free < few; i++ {
		t := terms[(i+target)%len(terms)]
		if price, ok := n.price(t.at); ok && price == 0 && add(t) {
			free++
		}
	}
	for i, dear := 0, 0; i < len(terms) && dear < few && mayHide; i++ {
		t := terms[i]
		if price, ok := n.price(t.at); ok && price > 0 && add(t) {
			dear++
		}
	}
	n.tried = all
	return all
}

// option tells whether the walk may go on by changing the cell, and what that costs.
func (n *network) option(s *state, cell, sign, forward, backward int, mayHide bool) (int, bool) {
	price, ok := n.price(cell)
	ok = ok && (price == 0 || mayHide)
	if n.atAnyPrice {
		price = 0
	}
	return price, ok && n.persons[cell] >= room(sign, forward, backward) && !s.uses(cell)
}

// next is the sum to mend: a knot first, since whichever of its cells is taken, much else hangs on it; then one that the last
// change has touched, so that a walk goes on where it is; then any. Among equals the one with the fewest ways.
func (n *network) next(s *state, forward, backward int) (next term) {
	for _, off := range s.open {
		if n.knots[off.at] {
			return off
		}
	}
	least := 1 << 30
	count := func(off term) {
		if c := n.count(off, forward, backward); c < least {
			least, next = c, off
		}
	}
	for _, t := range n.of[s.cell] {
		if i, found := find(s.open, t.at); found {
			count(s.open[i])
		}
	}
	if least < 1<<30 {
		return next
	}
	for _, off := range s.open {
		if count(off); least <= 1 {
			break
		}
	}
	return next
}

// count is about how many ways there are to mend a sum. Long ones are not counted through.
func (n *network) count(off term, forward, backward int) (count int) {
	terms := n.sums[off.at]
	if len(terms) > long {
		return len(terms)
	}
	for _, t := range terms {
		if _, ok := n.price(t.at); ok && n.persons[t.at] >= room(-t.sign*off.sign, forward, backward) {
			count++
		}
	}
	return count
}

// room is how many persons a cell must have for a change of that sign.
func room(sign, forward, backward int) int {
	if sign < 0 {
		return forward
	}
	return backward
}

// find looks up a sum among those that are off.
func find(open []term, sum int) (int, bool) {
	return slices.BinarySearchFunc(open, sum, func(a term, at int) int { return a.at - at })
}

// mends tells whether the sum has a cell of its own that takes up any change.
func (n *network) mends(sum, target int) bool {
	slack := n.slack[sum]
	return slack >= 0 && slack != target && !n.known[slack]
}

// step is the state after the change of a cell by one. What is open in it holds until the next step.
func (n *network) step(s *state, cell, sign, target, price int) state {
	next := state{last: s, cell: cell, sign: sign, cost: price, length: 1, open: n.off[:0]}
	if s != nil {
		next.cost += s.cost
		next.length += s.length
		next.open = append(next.open, s.open...)
	}
	for _, t := range n.of[cell] {
		if n.mends(t.at, target) {
			continue
		}
		i, found := find(next.open, t.at)
		switch off := t.sign * sign; {
		case !found:
			next.open = slices.Insert(next.open, i, term{t.at, off})
		case next.open[i].sign+off == 0:
			next.open = slices.Delete(next.open, i, i+1)
		default:
			next.open[i].sign += off
		}
	}
	n.off = next.open
	return next
}

// walk is the whole of what a state has changed, with the cells that take up changes.
func (n *network) walk(s *state, target int) walk {
	change := map[int]int{}
	for ; s != nil; s = s.last {
		change[s.cell] += s.sign
		for _, t := range n.of[s.cell] {
			if !n.mends(t.at, target) {
				continue
			}
			slack := n.slack[t.at]
			change[slack] -= s.sign * t.sign * n.of[slack][0].sign
		}
	}
	w := make(walk, 0, len(change))
	for cell, by := range change {
		if by != 0 {
			w = append(w, term{cell, by})
		}
	}
	return sortWalk(w)
}

// key tells states apart by what is off. Two that fall together would cost a walk, not a proof.
func (s *state) key() uint64 {
	h := uint64(14695981039346656037)
	for _, t := range s.open {
		h = (h ^ uint64(t.at<<4^t.sign)) * 1099511628211
		h ^= h >> 29
	}
	return h
}

// states is the queue: cheapest first, then the one nearest to an end, then the latest.
type states struct {
	all   []*state
	count int
	at    []int
}

func (q *states) Len() int { return len(q.all) }

func (q *states) Less(i, j int) bool {
	a, b := q.all[i], q.all[j]
	if c := cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(a.rank(), b.rank())); c != 0 {
		return c < 0
	}
	return q.at[i] > q.at[j]
}

func (q *states) Swap(i, j int) {
	q.all[i], q.all[j] = q.all[j], q.all[i]
	q.at[i], q.at[j] = q.at[j], q.at[i]
}

func (q *states) Push(x any) {
	q.all = append(q.all, x.(*state))
	q.at = append(q.at, q.count)
	q.count++
}

func (q *states) Pop() any {
	last := len(q.all) - 1
	s := q.all[last]
	q.all, q.at = q.all[:last], q.at[:last]
	return s
}
