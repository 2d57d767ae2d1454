package disclosure

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Outsider stands for whoever knows what was shown and nothing else, where an insider is asked for.
const Outsider = -1

// Program is what somebody can work out of a cell, as a linear program in the CPLEX LP format, which solvers read: a variable for each
// cell that he does not know and that sums join to this one, and an equation for each sum with such cells. Its optimum is the least
// that he finds possible, or the greatest. Variables are named by the indices of cells.
//
// It is for a second opinion. Whatever Audit proves possible is among a program's possibilities, so the interval that a solver finds
// is never narrower than what was proved: where it is, one of the two is wrong.
func (p *Problem) Program(pat Pattern, insider, cell int, greatest bool) string {
	known := make([]bool, len(p.Cells))
	for i, c := range p.Cells {
		known[i] = c.Kind == Released || c.Kind == Structural || c.Kind == Publishable && pat.Shown(i)
	}
	if insider != Outsider {
		for _, own := range p.Insiders[insider].Knows {
			known[own] = true
		}
	}
	sums, cells := p.joined(cell, known)
	var b strings.Builder
	if b.WriteString("Minimize\n"); greatest {
		b.Reset()
		b.WriteString("Maximize\n")
	}
	// Whose own a cell is learns nothing of others by the cell being no smaller than that.
	fmt.Fprintf(&b, " obj: x%d\nSubject to\n own: x%d >= %d\n", cell, cell, p.Cells[cell].Own)
	for _, i := range sums {
		fmt.Fprintf(&b, " s%d:", i)
		right := 0
		times := map[int]int{p.Sums[i].Total: 1}
		for _, part := range p.Sums[i].Parts {
			times[part]--
		}
		for _, cell := range slices.Sorted(maps.Keys(times)) {
			if known[cell] {
				right -= times[cell] * p.Cells[cell].Persons
			} else {
				fmt.Fprintf(&b, " %+d x%d\n", times[cell], cell)
			}
		}
		fmt.Fprintf(&b, " = %d\n", right)
	}
	b.WriteString("Bounds\n")
	for _, i := range cells {
		if i != cell {
			fmt.Fprintf(&b, " x%d >= %d\n", i, p.Cells[i].Floor)
		}
	}
	b.WriteString("End\n")
	return b.String()
}

// joined are the sums and the unknown cells that are bound to a cell, in order.
func (p *Problem) joined(cell int, known []bool) (sums, cells []int) {
	of := make([][]int, len(p.Cells))
	for i, s := range p.Sums {
		for _, c := range append([]int{s.Total}, s.Parts...) {
			if !known[c] {
				of[c] = append(of[c], i)
			}
		}
	}
	seen, met := map[int]bool{cell: true}, map[int]bool{}
	cells = []int{cell}
	for next := 0; next < len(cells); next++ {
		for _, i := range of[cells[next]] {
			if met[i] {
				continue
			}
			met[i] = true
			sums = append(sums, i)
			for _, c := range append([]int{p.Sums[i].Total}, p.Sums[i].Parts...) {
				if !known[c] && !seen[c] {
					seen[c] = true
					cells = append(cells, c)
				}
			}
		}
	}
	slices.Sort(sums)
	slices.Sort(cells)
	return sums, cells
}

// Narrow tells whether the interval in which somebody finds a sensitive cell is too narrow by the rules.
func (p *Problem) Narrow(r Rules, cell int, lo, hi float64) bool {
	const rounding = 1e-6 // of a solver
	truth := float64(p.Cells[cell].Persons)
	steps := func(far float64) int { return int(math.Floor(min(far+rounding, 1<<30))) }
	n := network{p: p, rules: r.orDefault()}
	return !n.enough(cell, steps(hi-truth), steps(truth-lo))
}
