package releases_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"

	"samtykke/adapters/releases"
	"samtykke/domain/disclosure"
)

func solver(t *testing.T) releases.Solver {
	if _, err := exec.LookPath("glpsol"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("glpsol is missing: it is in Debian's glpk-utils")
		}
		t.Skip("no second opinion on suppression: glpsol, of Debian's glpk-utils, is not there")
	}
	return releases.Solver{Path: "glpsol"}
}

// table is one of two ways with its totals; each row is that of an organisation, which knows it.
func table(counts [][]int) *disclosure.Problem {
	p := &disclosure.Problem{}
	cell := func(n, group int) int {
		p.Cells = append(p.Cells, disclosure.Cell{Persons: n, Group: group})
		return len(p.Cells) - 1
	}
	columns := make([]int, len(counts[0]))
	for _, row := range counts {
		for j, n := range row {
			columns[j] += n
		}
	}
	below := make([][]int, len(columns)+1) // the cells of each column, that of totals last
	add := func(row []int) (total int, parts []int) {
		sum := 0
		for _, n := range row {
			sum += n
		}
		total = cell(sum, 0)
		for _, n := range row {
			parts = append(parts, cell(n, sum))
		}
		p.Sums = append(p.Sums, disclosure.Sum{Total: total, Parts: parts})
		return total, parts
	}
	for _, row := range counts {
		total, parts := add(row)
		for j, c := range append(parts, total) {
			below[j] = append(below[j], c)
		}
		p.Insiders = append(p.Insiders, disclosure.Insider{Name: "organisation", Knows: append(parts, total)})
	}
	total, parts := add(columns)
	for j, c := range append(parts, total) {
		p.Sums = append(p.Sums, disclosure.Sum{Total: c, Parts: below[j]})
	}
	return p
}

// What the search has proved, a linear program finds possible as well: for an outsider and for each organisation (D17, G01).
func TestASolverAgrees(t *testing.T) {
	s := solver(t)
	r := rand.New(rand.NewPCG(5, 6))
	rules := disclosure.Rules{Threshold: 4}
	programs := 0
	for range 12 {
		counts := make([][]int, 5)
		for i := range counts {
			for range 4 {
				counts[i] = append(counts[i], int(r.ExpFloat64()*12))
			}
		}
		p := table(counts)
		pat, err := disclosure.Protect(p, rules)
		if errors.As(err, new(*disclosure.GivenAway)) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		opinion, err := s.Audit(t.Context(), p, pat, rules)
		if err != nil {
			t.Fatal(err)
		}
		if len(opinion.Disclosures) > 0 {
			t.Errorf("the search and the solver differ: %+v", opinion.Disclosures)
		}
		programs += opinion.Programs
	}
	t.Log(programs, "programs")
	if programs < 200 {
		t.Error("too few to say anything")
	}
}

// A solver finds what is suppressed alone, what an organisation can subtract, and a sensitive cell that is bound to nothing is safe.
func TestASolverFinds(t *testing.T) {
	s := solver(t)
	rules := disclosure.Rules{Threshold: 3}
	find := func(p *disclosure.Problem, pat disclosure.Pattern) []disclosure.Disclosure {
		t.Helper()
		opinion, err := s.Audit(t.Context(), p, pat, rules)
		if err != nil {
			t.Fatal(err)
		}
		return opinion.Disclosures
	}
	p := table([][]int{{9, 2, 8}, {9, 7, 8}, {6, 9, 9}})
	small := slices.IndexFunc(p.Cells, func(c disclosure.Cell) bool { return c.Persons == 2 })
	pat := make(disclosure.Pattern, len(p.Cells))
	pat[small] = disclosure.PrimarySuppressed
	if found := find(p, pat); len(found) == 0 || found[0].Cell != small || found[0].Lo != 2 || found[0].Hi != 2 || found[0].Why != disclosure.Few {
		t.Errorf("a cell suppressed alone: %+v", found)
	}
	pat, err := disclosure.Protect(p, rules)
	if err != nil {
		t.Fatal(err)
	}
	if found := find(p, pat); found != nil && len(found) > 0 {
		t.Errorf("when protected: %+v", found)
	}
	p.Insiders = append(p.Insiders, disclosure.Insider{Name: "knows the rest", Knows: slices.DeleteFunc(seq(len(p.Cells)), func(i int) bool { return i == small })})
	if found := find(p, pat); len(found) == 0 || found[0].Who != "knows the rest" {
		t.Errorf("by somebody who knows all others: %+v", found)
	}
	alone := &disclosure.Problem{Cells: []disclosure.Cell{{Persons: 1}}}
	if found := find(alone, disclosure.Pattern{disclosure.PrimarySuppressed}); len(found) > 0 {
		t.Errorf("a cell in no sum: %+v", found)
	}
	if _, err := (releases.Solver{Path: "no-such-solver"}).Audit(t.Context(), alone, disclosure.Pattern{disclosure.PrimarySuppressed}, rules); err == nil {
		t.Error("a solver that is not there gives an opinion")
	}
	if _, err := (releases.Solver{Path: "true"}).Audit(t.Context(), alone, disclosure.Pattern{disclosure.PrimarySuppressed}, rules); err == nil {
		t.Error("a program that answers nothing gives an opinion")
	}
}

func seq(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}
