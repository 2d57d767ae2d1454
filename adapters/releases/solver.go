package releases

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"

	"samtykke/domain/disclosure"
)

// A Solver is a program for linear programs that takes the options of GLPK's glpsol. It gives a second opinion on a release: what
// shares no code with the search that protects it works out the interval of every sensitive cell.
type Solver struct{ Path string }

// An Opinion is what a solver found.
type Opinion struct {
	Programs    int                     `json:"programs"` // that were solved
	Disclosures []disclosure.Disclosure `json:"disclosures"`
}

// Audit gives the sensitive cells whose interval is too narrow, for an outsider or for an insider whose own cell it is not.
func (s Solver) Audit(ctx context.Context, p *disclosure.Problem, pat disclosure.Pattern, r disclosure.Rules) (Opinion, error) {
	path, err := exec.LookPath(s.Path)
	if err != nil {
		return Opinion{}, fmt.Errorf("the solver: %w", err)
	}
	var mu sync.Mutex
	opinion := Opinion{Disclosures: []disclosure.Disclosure{}}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for cell, why := range disclosure.Primary(p, r) {
		if why == "" {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			found, programs, err := s.cell(ctx, path, p, pat, r, cell)
			if err != nil {
				stop(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			opinion.Programs += programs
			for i := range found {
				found[i].Why = why
			}
			opinion.Disclosures = append(opinion.Disclosures, found...)
		})
	}
	all.Wait()
	slices.SortFunc(opinion.Disclosures, func(a, b disclosure.Disclosure) int { return a.Cell - b.Cell })
	return opinion, context.Cause(ctx)
}

// cell looks at one cell with everybody's eyes. Most insiders know nothing that is joined to it, and see what an outsider does.
func (s Solver) cell(
	ctx context.Context, path string, p *disclosure.Problem, pat disclosure.Pattern, r disclosure.Rules, cell int,
) (found []disclosure.Disclosure, programs int, err error) {
	seen := map[string]bool{}
	for who := disclosure.Outsider; who < len(p.Insiders); who++ {
		name := ""
		if who != disclosure.Outsider {
			if slices.Contains(p.Insiders[who].Knows, cell) {
				continue
			}
			name = p.Insiders[who].Name
		}
		least := p.Program(pat, who, cell, false)
		if seen[least] {
			continue
		}
		seen[least] = true
		lo, err := solve(ctx, path, least)
		if err != nil {
			return nil, programs, err
		}
		hi, err := solve(ctx, path, p.Program(pat, who, cell, true))
		if err != nil {
			return nil, programs, err
		}
		programs += 2
		if p.Narrow(r, cell, lo, hi) {
			found = append(found, disclosure.Disclosure{
				Who: name, Cell: cell, Name: p.Cells[cell].Name, Lo: int(math.Ceil(lo)), Hi: int(min(hi, math.MaxInt32)),
			})
		}
	}
	return found, programs, nil
}

// solve gives the optimum of a program; infinity where there is none. The program and the answer go through pipes: exact numbers of
// persons are in no file.
func solve(ctx context.Context, path, program string) (float64, error) {
	answer, to, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	c := exec.CommandContext(ctx, path, "--lp", "/dev/stdin", "--nopresol", "--write", "/dev/fd/3")
	c.Stdin, c.ExtraFiles = strings.NewReader(program), []*os.File{to}
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		return 0, fmt.Errorf("the solver: %w", err)
	}
	to.Close()
	optimum, wrong := readSolution(answer)
	if err := c.Wait(); err != nil {
		return 0, fmt.Errorf("the solver: %w", err)
	}
	return optimum, wrong
}

// readSolution reads GLPK's form of a basic solution: a line "s bas ROWS COLUMNS PRIMAL DUAL OPTIMUM" among others.
func readSolution(from io.Reader) (float64, error) {
	var optimum float64
	err := errors.New("the solver gave no solution")
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var rows, columns int
		var primal, dual string
		if n, _ := fmt.Sscanf(lines.Text(), "s bas %d %d %s %s %g", &rows, &columns, &primal, &dual, &optimum); n != 5 {
			continue
		}
		switch {
		case primal == "f" && dual == "f":
			err = nil
		case primal == "f" && dual == "n":
			optimum, err = math.Inf(1), nil
		default:
			err = errors.New("the solver found no table that fits")
		}
	}
	return optimum, err
}
