package disclosure

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPrimary(t *testing.T) {
	for _, c := range []struct {
		persons, group int
		kind           CellKind
		want           Reason
	}{
		{5, 10, Publishable, ""},
		{5, 100, Released, ""},
		{4, 100, Publishable, Few},
		{1, 100, Derived, Few},
		{4, 0, Publishable, Few},    // a whole, read against nothing
		{20, 0, Publishable, ""},    // likewise
		{0, 100, Publishable, Zero}, // nobody of a group says something about each of them
		{0, 100, Structural, ""},    // unless everybody knows
		{20, 20, Publishable, All},  // so does everybody of a group
		{19, 20, Derived, Complement},
		{16, 20, Publishable, Complement},
		{15, 20, Publishable, ""},
		{0, 0, Publishable, Denominator}, // an empty group
		{0, 4, Publishable, Denominator},
		{4, 4, Publishable, Denominator},
		{3, 6, Publishable, Few}, // and its complement is few too
	} {
		p := &Problem{Cells: []Cell{{Persons: c.persons, Group: c.group, Kind: c.kind}}}
		if got := Primary(p, Rules{})[0]; got != c.want {
			t.Errorf("%d of %d (kind %d): %q, want %q", c.persons, c.group, c.kind, got, c.want)
		}
	}
}

// primaryAlone is the pattern without secondary suppression.
func primaryAlone(p *Problem, r Rules) Pattern {
	pat := make(Pattern, len(p.Cells))
	for i, reason := range Primary(p, r) {
		switch {
		case p.Cells[i].Kind == Derived:
			pat[i] = NotShown
		case reason != "":
			pat[i] = PrimarySuppressed
		}
	}
	return pat
}

func TestPlantedBreaches(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(b *builder) // the breach
		who   string           // that primary suppression alone leaves open
		cell  string
		final bool // nothing can be done: it was released
	}{
		{"one client more, released", func(b *builder) {
			b.sum(b.cell("with her", 51, 0, Released), b.cell("without her", 50, 0, Released), b.cell("difference", 1, 0, Derived))
		}, "", "difference", true},
		{"one client more, to be released", func(b *builder) {
			b.sum(b.cell("with her", 51, 0, Publishable), b.cell("without her", 50, 0, Released), b.cell("difference", 1, 0, Derived))
		}, "", "difference", false},
		{"a period cut in two", func(b *builder) {
			first, second := b.cell("first quarter", 30, 0, Released), b.cell("second quarter", 3, 33, Publishable)
			b.sum(b.cell("both quarters", 33, 0, Released), first, second)
		}, "", "second quarter", true},
		{"a year and its quarters", func(b *builder) {
			b.sum(b.cell("year", 94, 0, Publishable), b.cell("first three quarters", 92, 0, Released), b.cell("fourth quarter", 2, 0, Derived))
		}, "", "fourth quarter", false},
		{"a margin that reveals", func(b *builder) {
			b.table("t", [][]int{{3, 20, 30}, {25, 40, 30}, {15, 25, 35}}, nil)
		}, "", "t 0/0", false},
		{"two rows, one column", func(b *builder) { // each row is closed, the column is not
			b.table("t", [][]int{{3, 20, 4}, {25, 40, 30}, {15, 25, 35}}, nil)
		}, "", "t 0/0", false},
		{"too narrow", func(b *builder) { // the other suppressed cell is there, and too small to hide anything
			a, other := b.cell("A", 1, 24, Publishable), b.cell("B", 2, 24, Publishable)
			b.sum(b.cell("all", 24, 0, Publishable), a, other, b.cell("C", 21, 0, Publishable))
		}, "", "A", false},
		{"an organisation subtracts its own", func(b *builder) {
			knows := b.cell("A", 4, 50, Publishable)
			b.sum(b.cell("all", 50, 0, Publishable), knows, b.cell("B", 2, 50, Publishable),
				b.cell("C", 20, 50, Publishable), b.cell("D", 24, 50, Publishable))
			b.Insiders = append(b.Insiders, Insider{"organisation A", []int{knows}})
		}, "organisation A", "B", false},
		{"the rest without an organisation", func(b *builder) {
			knows := b.cell("A", 40, 0, Publishable)
			all, rest := b.cell("all", 43, 0, Publishable), b.cell("all but A", 3, 0, Derived)
			b.sum(all, knows, rest)
			b.Insiders = append(b.Insiders, Insider{"organisation A", []int{knows}})
		}, "", "all but A", false},
		{"an organisation that follows from its parts", func(b *builder) { // it is not told its total, and knows it
			x, y := b.cell("A/x", 10, 0, Publishable), b.cell("A/y", 12, 0, Publishable)
			own := b.cell("A", 22, 0, Derived)
			b.sum(own, x, y)
			b.sum(b.cell("all", 25, 0, Publishable), own, b.cell("others", 3, 0, Derived))
			b.Cells[x].Kind, b.Cells[y].Kind = Derived, Derived
			b.Insiders = append(b.Insiders, Insider{"organisation A", []int{x, y}})
		}, "organisation A", "others", false},
		{"all of a group", func(b *builder) {
			group, others := b.cell("group", 40, 0, Publishable), b.cell("other group", 60, 0, Publishable)
			b.sum(group, b.cell("yes", 40, 40, Publishable), b.cell("no", 0, 40, Structural))
			b.sum(b.cell("everybody", 100, 0, Publishable), group, others)
		}, "", "yes", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &builder{}
			c.build(b)
			p := &b.Problem
			found, err := Audit(p, primaryAlone(p, Rules{}), Rules{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(d Disclosure) bool { return d.Who == c.who && d.Name == c.cell }) {
				t.Errorf("the audit of primary suppression alone does not name %q: %v", c.cell, found)
			}
			pat, err := Protect(p, Rules{})
			if c.final {
				var given *GivenAway
				if !errors.As(err, &given) || given.Name != c.cell || !strings.Contains(err.Error(), c.cell) {
					t.Errorf("refused with %v, want the cell %q", err, c.cell)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found, err := Audit(p, pat, Rules{}); err != nil || found != nil {
				t.Error("after Protect there is still ", found, err)
			}
			if !slices.Contains(pat, SecondarySuppressed) {
				t.Error("nothing was suppressed beside")
			}
		})
	}
}

// What an organisation works out from its own alone is its own, and nothing to protect from it.
func TestOwnIsNoTarget(t *testing.T) {
	b := &builder{}
	x, y, own := b.cell("A/x", 1, 0, Derived), b.cell("A/y", 2, 0, Derived), b.cell("A", 3, 0, Derived)
	b.sum(own, x, y)
	b.sum(b.cell("all", 50, 0, Publishable), own, b.cell("others", 47, 0, Derived))
	b.Insiders = append(b.Insiders, Insider{"organisation A", []int{x, y}})
	if _, err := Protect(&b.Problem, Rules{}); err != nil {
		t.Error(err)
	}
}

// What is sensitive in itself must not be shown.
func TestAuditOfWhatIsShown(t *testing.T) {
	for _, reason := range []Reason{Few, Zero, All, Complement, Denominator} {
		c := map[Reason]Cell{Few: {Persons: 2, Group: 50}, Zero: {Group: 50}, All: {Persons: 50, Group: 50}, Complement: {Persons: 47, Group: 50},
			Denominator: {Persons: 2, Group: 4}}[reason]
		for _, kind := range []CellKind{Publishable, Released} {
			c.Name, c.Kind = "it", kind
			p := &Problem{Cells: []Cell{c}}
			found, err := Audit(p, Pattern{Published}, Rules{})
			if err != nil || len(found) != 1 || found[0].Why != reason || found[0].Lo != c.Persons || found[0].Hi != c.Persons {
				t.Errorf("%s shown: %v %v", reason, found, err)
			}
			var given *GivenAway
			if _, err := Protect(p, Rules{}); kind == Released && !errors.As(err, &given) {
				t.Errorf("%s released: %v", reason, err)
			}
		}
	}
}

// A zero has no room below, so it is protected from above, and everybody of a group from below.
func TestPinnedSides(t *testing.T) {
	n := newNetwork(&Problem{Cells: []Cell{
		{Persons: 2, Group: 50}, {Persons: 48, Group: 50}, {Persons: 3, Group: 6}, {Persons: 20},
	}}, Rules{})
	for _, c := range []struct {
		cell, up, down int
		want           bool
	}{
		{0, 5, 0, true}, {0, 3, 2, true}, {0, 3, 1, false}, {0, 0, 9, false},
		{1, 0, 5, true}, {1, 5, 0, false},
		{2, 3, 2, true}, {2, 5, 0, false}, {2, 0, 5, false},
		{3, 5, 0, true}, {3, 0, 5, true},
	} {
		if got := n.enough(c.cell, c.up, c.down); got != c.want {
			t.Errorf("cell %d, %d up and %d down: %t", c.cell, c.up, c.down, got)
		}
	}
}

// The proof of a walk does not rest on how it was found.
func TestWalksAreChecked(t *testing.T) {
	b := &builder{}
	cells := b.table("t", [][]int{{3, 20}, {25, 40}}, nil)
	n := newNetwork(&b.Problem, Rules{})
	square := walk{{cells[0][0], 1}, {cells[0][1], -1}, {cells[1][0], -1}, {cells[1][1], 1}}
	if !n.keeps(square) || n.open(square) || n.keeps(square[:3]) {
		t.Error("a walk round a square keeps the sums, is not hidden, and is not one with a side missing")
	}
	for _, step := range square {
		n.hidden[step.at] = true
	}
	if f, back := n.room(square); f != 20 || back != 3 || !n.open(square) {
		t.Errorf("%d forward and %d backward", f, back)
	}
}

func TestValidate(t *testing.T) {
	p := &Problem{
		Cells: []Cell{
			{Name: "total", Persons: 9}, {Name: "part", Persons: 8}, {Name: "below zero", Persons: -1}, {Name: "more", Persons: 9, Group: 8},
			{Name: "impossible", Persons: 1, Kind: Structural},
		},
		Sums:     []Sum{{Total: 0, Parts: []int{1}}, {Total: 0, Parts: []int{0}}, {Total: 7}},
		Insiders: []Insider{{Name: "somebody", Knows: []int{5}}},
	}
	err := p.Validate()
	for _, want := range []string{`parts of cell "total"`, `"below zero"`, `"more"`, `"impossible"`, "sum 1", "sum 2", `"somebody" knows 5`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
	if _, err := Protect(p, Rules{}); err == nil {
		t.Error("protected what does not fit together")
	}
	if _, err := Audit(&Problem{Cells: []Cell{{Persons: 9}}}, nil, Rules{}); err == nil {
		t.Error("audited a pattern of another problem")
	}
}

func TestDominant(t *testing.T) {
	for _, c := range []struct {
		contributions []int
		want          bool
	}{
		{[]int{50, 50, 50}, false},
		{[]int{100, 40, 10}, false}, // the second is out by 10, which is ten percent
		{[]int{100, 40, 9}, true},
		{[]int{9, 40, 100}, true},
		{[]int{100, 100}, true}, // two contributors know each other
		{[]int{100}, true},
		{[]int{0, 0, 0}, true},
		{[]int{100, 100, -50}, true},
	} {
		if got := Dominant(c.contributions, Rules{P: 10}); got != c.want {
			t.Errorf("%v: %t", c.contributions, got)
		}
	}
}

func TestRound(t *testing.T) {
	for n, want := range map[int]int{0: 0, 4: 0, 5: 5, 7: 5, 8: 10, 12: 10, 13: 15} {
		if got := Round(n, 5); got != want {
			t.Errorf("%d is rounded to %d, want %d", n, got, want)
		}
	}
}

// A part that is there twice counts twice: what is left over decides whether it can be worked out, and a solver is given it once.
func TestAPartCountsTwice(t *testing.T) {
	problem := func(rest int) *Problem {
		return &Problem{
			Cells: []Cell{
				{Name: "known", Persons: 8 + rest, Kind: Released}, {Name: "few", Persons: 4, Group: 50}, {Name: "rest", Persons: rest, Kind: Private},
			},
			Sums: []Sum{{Total: 0, Parts: []int{1, 1, 2}}},
		}
	}
	rules := Rules{Threshold: 5}
	p := problem(12) // few is at most ten
	pat, err := Protect(p, rules)
	if err != nil || pat.Shown(1) {
		t.Fatalf("%v, %v", pat, err)
	}
	if text := p.Program(pat, Outsider, 1, true); !strings.Contains(text, " -2 x1\n") {
		t.Error(text)
	}
	if _, err := Protect(problem(1), rules); !errors.As(err, new(*GivenAway)) {
		t.Errorf("few is at most four, as it is: %v", err)
	}
}
