package disclosure

// Rules are the limits. Everybody knows them, an attacker too.
type Rules struct {
	Threshold  int // distinct persons behind a count, its complement and its denominator; 0 means 5
	Protection int // least width, in persons, of what an attacker finds possible for a sensitive cell; 0 means Threshold
	P          int // percent within which the second largest contributor must not know the largest, see Dominant; 0 means 10
}

func (r Rules) orDefault() Rules {
	if r.Threshold == 0 {
		r.Threshold = 5
	}
	if r.Protection == 0 {
		r.Protection = r.Threshold
	}
	if r.P == 0 {
		r.P = 10
	}
	return r
}

// Reason says why a cell is sensitive; "" is not sensitive.
type Reason string

const (
	Few         Reason = "few"         // 1 to Threshold-1 persons
	Zero        Reason = "zero"        // nobody, of a group that is not empty
	All         Reason = "all"         // the whole group
	Complement  Reason = "complement"  // all of the group but 1 to Threshold-1
	Remainder   Reason = "remainder"   // without some insider's own, what is left would be sensitive
	Denominator Reason = "denominator" // a group below Threshold, or an empty one
)

// Primary gives for each cell why it is sensitive in itself. The first that holds of denominator, zero, few, all and complement.
func Primary(p *Problem, r Rules) []Reason {
	r = r.orDefault()
	reasons := make([]Reason, len(p.Cells))
	for i, c := range p.Cells {
		reasons[i] = c.sensitive(r)
	}
	return reasons
}

func (c Cell) sensitive(r Rules) Reason {
	whole := c.Group == 0 && c.Persons > 0
	switch {
	case c.Kind == Structural, c.Kind == Private:
		return ""
	case !whole && c.Group < r.Threshold:
		return Denominator
	case c.Persons == 0:
		return Zero
	case c.Persons < r.Threshold:
		return Few
	case whole:
		return c.rest()
	case c.Persons == c.Group:
		return All
	case c.Group-c.Persons < r.Threshold:
		return Complement
	}
	return c.rest()
}

func (c Cell) rest() Reason {
	if c.RestSmall || c.RestLarge {
		return Remainder
	}
	return ""
}

// Dominant applies the p% rule to a sum over contributors, each at least zero: true if the second largest, who subtracts his
// own, would know the largest within P percent. A sum of nothing and one with a contribution below zero are dominated too.
func Dominant(contributions []int, r Rules) bool {
	first, second, total := 0, 0, 0
	for _, c := range contributions {
		if c < 0 {
			return true
		}
		total += c
		switch {
		case c > first:
			first, second = c, first
		case c > second:
			second = c
		}
	}
	return total == 0 || float64(total-first-second)*100 < float64(r.orDefault().P)*float64(first)
}

// Round is threshold-and-round, for comparison: the nearest multiple of base, halves upwards, and 0 for what is below base.
func Round(n, base int) int {
	if n < base {
		return 0
	}
	return (n + base/2) / base * base
}
