package disclosure

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// Whoever knows that so many at least are in a cell, its floor, finds no sensitive cell out either: in tables of two by two, against
// every other table that looks the same.
func TestNobodyFindsACellAboveFloors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rules := Rules{Threshold: 2}.orDefault()
	protected, largest := 0, 11
	for range 3000 {
		n := [4]int{r.IntN(8), r.IntN(8), r.IntN(8), r.IntN(8)}
		b := &builder{}
		b.table("t", [][]int{n[:2], n[2:]}, nil)
		for i := range b.Cells {
			if c := &b.Cells[i]; c.Persons > 0 && r.IntN(2) == 0 {
				c.Floor = r.IntN(c.Persons + 1)
				if r.IntN(2) == 0 && c.Group > 0 {
					c.RestLarge, c.Own = true, r.IntN(c.Floor+1)
				}
			}
		}
		pat, err := Protect(&b.Problem, rules)
		if errors.As(err, new(*GivenAway)) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		protected++
		for cell, why := range Primary(&b.Problem, rules) {
			if why == "" {
				continue
			}
			lo, hi := b.Cells[cell].Persons, b.Cells[cell].Persons
			for k := range (largest + 1) * (largest + 1) * (largest + 1) * (largest + 1) {
				var inner [4]int
				for i := range inner {
					inner[i], k = k%(largest+1), k/(largest+1)
				}
				if v, ok := b.same(t, pat, inner, cell); ok {
					lo, hi = min(lo, v), max(hi, v)
				}
			}
			if hi-lo < rules.Protection {
				t.Fatalf("%v: the cell %q (%s) is between %d and %d", n, b.Cells[cell].Name, why, lo, hi)
			}
		}
		if protected == 60 {
			return
		}
	}
	t.Errorf("only %d problems were protected", protected)
}

// same tells whether a table of two by two looks like the problem's to whoever knows the floors, and what the cell is in it.
func (b *builder) same(t *testing.T, pat Pattern, inner [4]int, cell int) (int, bool) {
	t.Helper()
	value := map[int]int{}
	totals := map[int]bool{}
	for _, s := range b.Sums {
		totals[s.Total] = true
	}
	next := 0
	for i := range b.Cells {
		if !totals[i] {
			value[i] = inner[next]
			next++
		}
	}
	if next != len(inner) {
		t.Fatalf("%d cells that are no totals", next)
	}
	for len(value) < len(b.Cells) {
		for _, s := range b.Sums {
			sum, whole := 0, true
			for _, p := range s.Parts {
				v, ok := value[p]
				sum, whole = sum+v, whole && ok
			}
			if whole {
				value[s.Total] = sum
			}
		}
	}
	for i, c := range b.Cells {
		floor := c.Floor
		if i == cell {
			floor = c.Own
		}
		if pat.Shown(i) && value[i] != c.Persons || value[i] < floor {
			return 0, false
		}
	}
	return value[cell], true
}
