package releases_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"testing"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
)

// cohort are clients who came to organisations from a quarter on, and go on using the service or not.
func cohort(seed uint64, n, offices int, from, to statistics.Quarter) statistics.Population {
	r := rand.New(rand.NewPCG(seed, 1))
	pop := statistics.Population{Books: rules.All}
	for i := range offices {
		pop.Organisations = append(pop.Organisations, statistics.Organisation{ID: domain.ID{byte(i + 1)}, Helsenorge: i%2 == 0})
	}
	var all []statistics.Contribution
	for range n {
		came := from + statistics.Quarter(r.IntN(int(to-from)+1))
		c := statistics.Contribution{Organisation: domain.ID{byte(1 + r.IntN(1+r.IntN(offices)))}, Service: rules.AssistertSelvhjelp, Registered: came}
		if r.IntN(5) == 0 {
			c.Service = rules.Trigga
		}
		s := client.State{Service: c.Service}
		turn := func(day domain.Date, b client.Body) {
			s = client.Evolve(s, client.Event{Effective: day.Start(), Body: b})
			s.Client, s.Service = domain.ID{}, c.Service
			c.Turn(statistics.QuarterOf(day.Start()), b, s)
		}
		day := came.Start().AddDays(r.IntN(60))
		turn(day, client.Registered{Service: c.Service})
		answers := func(at statistics.Quarter, day domain.Date) {
			switch r.IntN(5) {
			case 0:
				turn(day, client.Declined{})
			case 1, 2:
				turn(day, client.Granted{AskOn: day.AddWeeks(22), LapseOn: day.AddWeeks(26).AddDays(1)})
			default:
				return
			}
			c.In(at).Active = true
		}
		answers(came, day)
		for at := came; at <= to; at++ {
			if r.IntN(2) == 0 {
				c.In(at).Active = true
				if s.Status == client.Unanswered && r.IntN(3) == 0 {
					answers(at, at.Start().AddDays(70))
				}
			}
		}
		all = append(all, c)
	}
	pop.Each = func(count func(domain.ID, statistics.Contribution)) error {
		for i, c := range all {
			count(domain.ID{0xc1, byte(i >> 8), byte(i)}, c)
		}
		return nil
	}
	return pop
}

// together is one problem of the releases of several quarters: what lasts from one to the next is not taken to be known any more, but to be
// what those before tell, or hide, of it.
type together struct {
	disclosure.Problem
	pattern disclosure.Pattern
	index   map[string]int
	bound   int // pools
}

func (all *together) add(q statistics.Quarter, risk statistics.Risk) {
	from := len(all.Cells)
	moved := func(cells []int) (out []int) {
		for _, i := range cells {
			out = append(out, i+from)
		}
		return out
	}
	for _, c := range risk.Problem.Cells {
		if !strings.HasPrefix(c.Name, "20") {
			c.Name = q.String() + " " + c.Name
		}
		all.index[c.Name] = len(all.Cells)
		all.Cells = append(all.Cells, c)
	}
	all.pattern = append(all.pattern, risk.Pattern...)
	for _, s := range risk.Problem.Sums {
		s = disclosure.Sum{Total: s.Total + from, Parts: moved(s.Parts)}
		total := &all.Cells[s.Total]
		parts, ok := all.pool(q, strings.TrimPrefix(total.Name, q.String()+" "))
		if total.Kind != disclosure.Released || !ok {
			all.Sums = append(all.Sums, s)
			continue
		}
		all.bound++
		was := total.Persons
		total.Kind, total.Persons = disclosure.Private, 0
		for _, i := range parts {
			total.Persons += all.Cells[i].Persons
		}
		rest := &all.Cells[s.Parts[len(s.Parts)-1]] // who stayed away, as it was and not as the release took it
		rest.Persons += total.Persons - was
		rest.Floor = min(rest.Floor, rest.Persons)
		if 0 < rest.Persons && rest.Persons < 5 {
			rest.Kind = disclosure.Derived
		}
		all.Sums = append(all.Sums, s, disclosure.Sum{Total: s.Total, Parts: parts})
	}
	for i, in := range risk.Problem.Insiders {
		if i == len(all.Insiders) {
			all.Insiders = append(all.Insiders, disclosure.Insider{Name: in.Name})
		}
		all.Insiders[i].Knows = append(all.Insiders[i].Knows, moved(in.Knows)...)
	}
}

// pool are the cells that a pool is made of; false if it is not of those that are put together here.
func (all *together) pool(q statistics.Quarter, name string) (cells []int, ok bool) {
	name, at, _ := strings.Cut(name, " organisation=")
	if at != "" {
		at = " organisation=" + at
	}
	of := map[string][]string{
		"came earlier":                      {"newcomers" + at},
		"came earlier and had not answered": {"users new=yes sharing=unanswered", "newcomers used=no"},
	}[name]
	until := q - 1
	for ; until >= 0 && of != nil; until-- {
		found := 0
		for _, cell := range of {
			if i, ok := all.index[until.String()+" "+cell]; ok {
				cells = append(cells, i)
				found++
			}
		}
		if found < len(of) {
			break
		}
	}
	return cells, cells != nil
}

// What is proved of each release alone, a solver finds of all of them together: nobody finds out more of one from the others, neither
// somebody outside nor an organisation. Where each was protected as if there were no others, it finds something.
//
// shows G02
func TestReleasesTogether(t *testing.T) {
	s, spec := solver(t), statistics.Quarterly
	from := statistics.NewQuarter(2025, 3)
	pop := cohort(3, 400, 2, from, from+1)
	noise, err := statistics.NewNoise(sha256.Sum256, spec)
	if err != nil {
		t.Fatal(err)
	}
	alone := spec
	alone.Pools = nil
	for name, by := range map[string]statistics.Specification{"together": spec, "as if alone": alone} {
		all := together{index: map[string]int{}}
		for q := from; q <= from+1; q++ {
			_, risk, err := statistics.Make(spec, q, 1, pop, noise)
			if err != nil {
				t.Fatal(err)
			}
			_, told, err := statistics.Make(by, q, 1, pop, noise)
			if err != nil {
				t.Fatal(err)
			}
			shown := map[string]bool{}
			for i, c := range told.Problem.Cells {
				shown[c.Name] = told.Pattern.Shown(i)
			}
			for i, c := range risk.Problem.Cells {
				if c.Kind == disclosure.Publishable && shown[c.Name] {
					risk.Pattern[i] = disclosure.Published
				}
			}
			all.add(q, risk)
		}
		if err := all.Validate(); err != nil {
			t.Fatal(err)
		}
		opinion, err := s.Audit(t.Context(), &all.Problem, all.pattern, spec.Rules)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d programs, %d pools, %d found", name, opinion.Programs, all.bound, len(opinion.Disclosures))
		if opinion.Programs < 200 || all.bound < 4 {
			t.Error("too few to say anything")
		}
		if name == "as if alone" && len(opinion.Disclosures) == 0 {
			t.Error("nothing is found where releases were made as if alone: the test shows nothing")
		}
		for _, d := range opinion.Disclosures {
			if name == "together" {
				t.Errorf("%s: %d is between %d and %d for %q (%s)", d.Name, all.Cells[d.Cell].Persons, d.Lo, d.Hi, d.Who, d.Why)
			}
		}
	}
}
