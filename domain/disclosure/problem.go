package disclosure

import (
	"errors"
	"fmt"
)

// A Problem is everything that could be known about groups of persons: cells, and the sums that bind them. Cells are named
// by their index.
type Problem struct {
	Cells    []Cell
	Sums     []Sum
	Insiders []Insider
}

// A Cell is a count of persons.
type Cell struct {
	Name    string // table and categories, for reports and refusals; never a person
	Persons int    // distinct persons, exact
	Group   int    // persons in the denominator that it is read against; 0 with persons in the cell: a whole, read against nothing
	Kind    CellKind
	Weight  int // what is lost by suppressing it; 0 means 1

	// What insiders know of a cell that is not their own, beyond the cells that they know.
	Floor     int  // persons that some insider knows to be in it: no other possibility has fewer, for whoever looks
	RestSmall bool // without some insider's own, those left are few, or nobody of a group, or of a group below the threshold
	RestLarge bool // without some insider's own, those left are their whole group, or all but few
	Own       int  // the most that an insider has for whom that is so (RestLarge)
}

// CellKind says what becomes of a cell.
type CellKind uint8

const (
	Publishable CellKind = iota // shown, unless it is suppressed
	Derived                     // never shown: a remainder, or who stayed away; it can be worked out like any other
	Private                     // never shown, and no target: it binds others
	Released                    // known to everybody, as from an earlier release: cannot be suppressed
	Structural                  // impossible combination, or an emptiness that is no secret: everybody knows that it is zero
)

// A Sum binds cells by their indices: the persons of Total are those of the Parts together. A part can be there twice, and counts twice then.
type Sum struct {
	Total int
	Parts []int
}

// An Insider is an organisation that knows cells exactly, shown or not.
type Insider struct {
	Name  string
	Knows []int // indices of cells
}

// Status is what becomes of a cell in a release.
type Status uint8

const (
	Published           Status = iota
	PrimarySuppressed          // sensitive in itself
	SecondarySuppressed        // would give a sensitive cell away
	NotShown                   // Derived: there is nothing to show
)

// A Pattern has a status for each cell. What is shown to readers is only whether a cell is suppressed: primary and secondary
// suppression must look the same, or the primary cells are known to be small.
type Pattern []Status

// Shown tells whether the count of the cell is shown.
func (pat Pattern) Shown(cell int) bool { return pat[cell] == Published }

// A Disclosure is a sensitive cell about which somebody learns too much. Persons between Lo and Hi have been shown to be possible
// for him; it is not a text for readers, since it tells what must not be told.
type Disclosure struct {
	Who    string // the insider's name; "" is an outsider, who knows what was ever shown and nothing else
	Cell   int
	Name   string // of the cell
	Why    Reason // why the cell is sensitive
	Lo, Hi int
}

// A GivenAway is the error of Protect: no suppression was found that protects the cell. It tells no count.
type GivenAway struct {
	Who  string // see Disclosure
	Cell int
	Name string
	Why  Reason
}

func (e *GivenAway) Error() string {
	who := "an outsider"
	if e.Who != "" {
		who = fmt.Sprintf("%q", e.Who)
	}
	return fmt.Sprintf("disclosure: no suppression keeps the cell %q (%s) from %s", e.Name, e.Why, who)
}

// Validate reports everything that does not fit together, naming the cells: a sum that does not add up, a count below zero or
// above its group, a structural cell with persons in it, an index that is no cell.
func (p *Problem) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("disclosure: "+format, args...)) }
	known := func(cell int) bool { return 0 <= cell && cell < len(p.Cells) }
	for i, c := range p.Cells {
		switch {
		case c.Persons < 0 || c.Group < 0 || c.Weight < 0:
			fault("cell %d %q has a number below zero", i, c.Name)
		case c.Group > 0 && c.Persons > c.Group:
			fault("cell %d %q has more persons than its group", i, c.Name)
		case c.Floor < 0 || c.Floor > c.Persons || c.Own < 0 || c.Own > c.Floor:
			fault("cell %d %q has a floor that is not between what is own and its persons", i, c.Name)
		case c.Kind == Structural && c.Persons != 0:
			fault("cell %d %q is structural and not empty", i, c.Name)
		case c.Kind > Structural:
			fault("cell %d %q is of no kind", i, c.Name)
		}
	}
	for i, s := range p.Sums {
		if !known(s.Total) {
			fault("sum %d has no cell for its total", i)
			continue
		}
		rest := p.Cells[s.Total].Persons
		for _, part := range s.Parts {
			if !known(part) || part == s.Total {
				fault("sum %d, of %q: %d is no cell, or is the total", i, p.Cells[s.Total].Name, part)
				rest = 0
				break
			}
			rest -= p.Cells[part].Persons
		}
		if rest != 0 {
			fault("sum %d: the parts of cell %q do not add up to it", i, p.Cells[s.Total].Name)
		}
	}
	for _, in := range p.Insiders {
		for _, cell := range in.Knows {
			if !known(cell) {
				fault("the insider %q knows %d, which is no cell", in.Name, cell)
			}
		}
	}
	return errors.Join(faults...)
}
