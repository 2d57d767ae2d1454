package disclosure

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A builder makes problems for tests.
type builder struct{ Problem }

func (b *builder) cell(name string, persons, group int, kind CellKind) int {
	b.Cells = append(b.Cells, Cell{Name: name, Persons: persons, Group: group, Kind: kind})
	return len(b.Cells) - 1
}

func (b *builder) sum(total int, parts ...int) { b.Sums = append(b.Sums, Sum{total, parts}) }

// table adds a table of rows and columns with all margins, read against the rows, and gives its cells; the last row
// and column are the margins. With totals the margin of the rows is there already.
func (b *builder) table(name string, counts [][]int, totals []int) (cells [][]int) {
	rows, cols := len(counts), len(counts[0])
	sums := make([]int, cols+1)
	for _, row := range counts {
		for j, n := range row {
			sums[j] += n
			sums[cols] += n
		}
	}
	for i, row := range counts {
		group := 0
		for _, n := range row {
			group += n
		}
		line := make([]int, 0, cols+1)
		for j, n := range row {
			line = append(line, b.cell(fmt.Sprintf("%s %d/%d", name, i, j), n, group, Publishable))
		}
		if totals != nil {
			line = append(line, totals[i])
		} else {
			line = append(line, b.cell(fmt.Sprintf("%s %d/all", name, i), group, sums[cols], Publishable))
		}
		b.sum(line[cols], line[:cols]...)
		cells = append(cells, line)
	}
	last := make([]int, cols+1)
	for j := range last {
		if j == cols && totals != nil {
			last[j] = totals[rows]
			break
		}
		group := sums[cols]
		if j == cols {
			group = 0
		}
		last[j] = b.cell(fmt.Sprintf("%s all/%d", name, j), sums[j], group, Publishable)
		if j == cols {
			b.Cells[last[j]].Name = name + " all/all"
		}
	}
	cells = append(cells, last)
	for j := range last {
		if j == cols && totals != nil {
			break
		}
		column := make([]int, 0, rows)
		for i := range rows {
			column = append(column, cells[i][j])
		}
		b.sum(last[j], column...)
	}
	b.sum(last[cols], last[:cols]...)
	return cells
}

// insiders makes an organisation of each row of the tables: it knows its row, and the others together are a cell that is never shown.
func (b *builder) insiders(tables ...[][]int) {
	rows := len(tables[0]) - 1
	for i := range rows {
		in := Insider{Name: fmt.Sprintf("organisation %d", i)}
		for _, table := range tables {
			last := table[rows]
			all := b.Cells[last[len(last)-1]].Persons - b.Cells[table[i][len(last)-1]].Persons
			for j, own := range table[i] {
				if slices.Contains(in.Knows, own) {
					continue
				}
				in.Knows = append(in.Knows, own)
				group := all
				if j == len(last)-1 {
					group = 0
				}
				rest := b.cell(b.Cells[last[j]].Name+" but "+in.Name, b.Cells[last[j]].Persons-b.Cells[own].Persons, group, Derived)
				b.sum(last[j], own, rest)
			}
		}
		b.Insiders = append(b.Insiders, in)
	}
}

// practice is how many clients an organisation has, by seed: many small ones.
func practice(r *rand.Rand) int {
	return 1 + int(r.ExpFloat64()*40)
}

// spread divides persons over categories of uneven size.
func spread(r *rand.Rand, persons, categories int) []int {
	counts := make([]int, categories)
	for range persons {
		counts[min(categories-1, int(r.ExpFloat64()*float64(categories)/2.5))]++
	}
	return counts
}

func counties(seed uint64, tables, rows int) *Problem {
	r := rand.New(rand.NewPCG(seed, 1))
	b := &builder{}
	clients := make([]int, rows)
	for i := range clients {
		clients[i] = practice(r)
	}
	var totals []int
	var all [][][]int
	for k := range tables {
		counts := make([][]int, rows)
		for i := range counts {
			counts[i] = spread(r, clients[i], 4+k%3)
		}
		cells := b.table(fmt.Sprintf("table %d", k), counts, totals)
		if totals == nil {
			for _, row := range cells {
				totals = append(totals, row[len(row)-1])
			}
		}
		all = append(all, cells)
	}
	b.insiders(all...)
	return &b.Problem
}

func report(t testing.TB, p *Problem, pat Pattern) {
	var sensitive, secondary, publishable int
	for i, c := range p.Cells {
		if c.Kind != Publishable {
			continue
		}
		publishable++
		switch pat[i] {
		case PrimarySuppressed:
			sensitive++
		case SecondarySuppressed:
			secondary++
		}
	}
	t.Logf("%d cells, %d publishable, %d primary, %d secondary: %.1f %% of what primary alone publishes stays", len(p.Cells), publishable,
		sensitive, secondary, 100-100*float64(secondary)/float64(publishable-sensitive))
}

// A cell of two persons needs a walk up by one and one down by two. The second goes through a margin that the first leaves alone, and
// only from where the first half of it has led: nothing that was free at the truth shows that the margin has to go.
func TestWalkTakesAnotherCellHalfway(t *testing.T) {
	b, r := &builder{}, Rules{Threshold: 3}
	cells := b.table("t", [][]int{{1, 1, 1}, {1, 2, 3}}, nil)
	for i, why := range Primary(&b.Problem, r) {
		if why == "" && b.Cells[i].Name != "t all/2" {
			b.Cells[i].Kind = Released
		}
	}
	b.insiders(cells)
	var given *GivenAway
	if _, err := Protect(&b.Problem, r); err != nil && (!errors.As(err, &given) || given.Who == "") {
		t.Fatal(err)
	}
}

// A remainder that nobody is in takes up no loss: what else is in its sum has to.
func TestEmptyRemainderTakesUpNoLoss(t *testing.T) {
	b := &builder{}
	few, most := b.cell("few", 2, 20, Publishable), b.cell("most", 18, 20, Publishable)
	b.sum(b.cell("all", 20, 0, Released), few, most)
	part := b.cell("part", 18, 100, Publishable)
	b.sum(most, part, b.cell("rest", 0, 0, Private))
	pat, err := Protect(&b.Problem, Rules{})
	if err != nil || pat.Shown(few) || pat.Shown(most) || pat.Shown(part) {
		t.Error(pat, err)
	}
}

func TestSize(t *testing.T) {
	for _, tables := range []int{1, 3} {
		p := counties(1, tables, 300)
		pat, err := Protect(p, Rules{})
		if err != nil {
			t.Fatal(err)
		}
		report(t, p, pat)
		found, err := Audit(p, pat, Rules{})
		if err != nil || len(found) > 0 {
			t.Fatal(len(found), err)
		}
	}
}
