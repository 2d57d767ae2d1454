package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"

	"samtykke/adapters/releases"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
)

// tabulating measures releases: what they tell beside two simpler ways to protect people, what an attacker finds in each, and how long
// one takes.
func (b *bench) tabulating() error {
	b.said = append(b.said,
		"Primary alone suppresses what is small, and nothing beside it. Threshold and round suppresses below 5 and rounds the rest to fives.",
		"Found: sensitive cells, remainders included, of which somebody outside or an organisation finds out more than the rules allow; of "+
			"rounding, of which somebody outside finds out more than the rounding itself tells.",
		"The error is the mean distance of what is told from the truth.",
	)
	cohorts := []benchCohort{b.drawn(b.counted, b.offices)}
	if b.answers != "" {
		f, err := readAnswers(b.answers)
		if err != nil {
			return usage("--answers: %v", err)
		}
		cohorts = append(cohorts, fromAnswers(f))
	}
	for _, c := range cohorts {
		b.note(c.name)
		if err := b.tabulate(c); err != nil {
			return err
		}
	}
	return nil
}

// benchQuarter is the one that is released.
var benchQuarter = statistics.NewQuarter(2026, 2)

// A benchCohort is clients in organisations.
type benchCohort struct {
	name    string
	clients []statistics.Contribution
	offices []statistics.Organisation
}

func (c benchCohort) population() statistics.Population {
	return statistics.Population{
		Organisations: c.offices, Books: rules.All,
		Each: func(count func(domain.ID, statistics.Contribution)) error {
			for i, one := range c.clients {
				count(domain.ID{0xc1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, one)
			}
			return nil
		},
	}
}

// office is the nth organisation.
func benchOffice(n int) domain.ID { return domain.ID{byte(n >> 8), byte(n), 0x01} }

func benchOffices(n int) (all []statistics.Organisation) {
	for i := range n {
		all = append(all, statistics.Organisation{ID: benchOffice(i), Helsenorge: i%3 == 0})
	}
	return all
}

// drawnClient is one of an organisation, the first of which are larger than the last: somebody who came in the quarter or in one of the
// seven before, and is in the service in this one, or of those who came before only every third is.
func drawnClient(r *rand.Rand, offices int, here bool) statistics.Contribution {
	q := benchQuarter
	from := q - statistics.Quarter(r.IntN(8))
	c := statistics.Contribution{
		Organisation: benchOffice(int(float64(offices) * math.Pow(r.Float64(), 1.7))), Service: rules.AssistertSelvhjelp, Registered: from,
	}
	if r.IntN(8) == 0 {
		c.Service = rules.Trigga
	}
	s := client.State{Service: c.Service}
	day := from.Start().AddDays(r.IntN(80))
	turn := func(on domain.Date, b client.Body) {
		s = client.Evolve(s, client.Event{Effective: on.Start(), Body: b})
		s.Client, s.Service = domain.ID{}, c.Service
		c.Turn(statistics.QuarterOf(on.Start()), b, s)
		if _, ok := b.(client.Registered); !ok {
			c.In(statistics.QuarterOf(on.Start())).Active = true
		}
	}
	turn(day, client.Registered{Service: c.Service})
	switch r.IntN(10) {
	case 0:
		turn(day, client.Declined{})
	case 1:
		c.In(from).Active = r.IntN(2) == 0 // looks, and does not answer
	default:
		turn(day, client.Granted{AskOn: day.AddWeeks(22), LapseOn: day.AddWeeks(26).AddDays(1)})
		for asked := day.AddWeeks(22); statistics.QuarterOf(asked.Start()) <= q; asked = asked.AddWeeks(22) {
			if answer := r.IntN(6); answer == 0 {
				turn(asked, client.FollowUpEnded{Grant: 2})
				break
			} else if answer < 3 {
				break // no answer: it runs out
			}
			turn(asked, client.FollowUpConfirmed{Grant: 2, AskOn: asked.AddWeeks(22), LapseOn: asked.AddWeeks(26).AddDays(1)})
		}
	}
	if s.Status == client.Shared && r.IntN(12) == 0 {
		turn(q.End().AddDays(-1), client.Withdrawn{Grant: 2})
	}
	if from < q && r.IntN(12) == 0 {
		turn(q.Start().AddDays(10), client.CodeRotated{})
	}
	if !here && from < q && r.IntN(3) > 0 {
		return c
	}
	p := c.In(q)
	p.Active = p.Active || here || from < q
	for _, part := range []string{"start", "connections", "activity", "sleep", "thoughts", "worry", "people", "onward"} {
		if !p.Active || r.IntN(4) == 0 {
			break
		}
		p.Finish(part)
	}
	return c
}

// fill gives a client forms of an instrument that go from one score down to another, or up.
func fill(c *statistics.Contribution, i journal.Instrument, scores ...int) {
	for _, s := range scores {
		var severity journal.Severity
		for _, band := range journal.Forms[i].Bands {
			if s >= band.From {
				severity = band.Severity
			}
		}
		c.In(benchQuarter).Fill(journal.Assessed{Instrument: i, Score: s, Severity: severity})
	}
}

// drawn are clients drawn from a seed.
func (b *bench) drawn(n, offices int) benchCohort {
	r := rand.New(rand.NewPCG(1, 2))
	c := benchCohort{fmt.Sprintf("%s clients drawn from a seed, %d organisations", grouped(float64(n)), offices), nil, benchOffices(offices)}
	for range n {
		one := drawnClient(r, offices, false)
		score := func(most, by int) (first, last int) {
			first = min(most, int(math.Abs(r.NormFloat64()*5+float64(most)/2.4)))
			return first, min(most, max(0, first-by+int(r.NormFloat64()*4)))
		}
		if !one.In(benchQuarter).Active {
			c.clients = append(c.clients, one)
			continue
		}
		if r.IntN(4) > 0 {
			first, last := score(27, 3)
			fill(&one, journal.PHQ9, first)
			if r.IntN(3) > 0 {
				fill(&one, journal.PHQ9, last)
			}
		}
		if r.IntN(4) > 0 {
			first, last := score(21, 2)
			fill(&one, journal.GAD7, first)
			if r.IntN(3) > 0 {
				fill(&one, journal.GAD7, last)
			}
		}
		c.clients = append(c.clients, one)
	}
	return c
}

// fromAnswers are the persons of a file, all in one quarter, at organisations drawn from a seed, and beside each somebody drawn.
func fromAnswers(f *answerFile) benchCohort {
	const offices = 12
	r := rand.New(rand.NewPCG(1, 2))
	c := benchCohort{fmt.Sprintf("the %d persons of --answers, and as many drawn, %d organisations", len(f.people), offices), nil, benchOffices(offices)}
	for i := range f.people {
		c.clients = append(c.clients, drawnClient(r, offices, false))
		one := drawnClient(r, offices, true)
		for n := range f.people[i] {
			items, _ := f.form(i, n)
			score, err := journal.PHQ9.Score(items)
			if err == nil {
				fill(&one, journal.PHQ9, score.Sum)
			}
		}
		c.clients = append(c.clients, one)
	}
	return c
}

func (b *bench) tabulate(c benchCohort) error {
	spec, pop := statistics.Quarterly, c.population()
	noise, err := statistics.NewNoise(sha256.Sum256, spec) // any function that mixes well will do here
	if err != nil {
		return err
	}
	var risk statistics.Risk
	took, err := timed(func() error {
		r, made, err := statistics.Make(spec, benchQuarter, 1, pop, noise)
		if err == nil {
			risk = made
			_, err = releases.Prepare(spec, r, made)
		}
		return err
	})
	if err != nil {
		return err
	}
	p, err := statistics.Problem(spec, benchQuarter, pop)
	if err != nil {
		return err
	}
	plain, found, err := primaryAlone(&p, spec.Rules)
	if err != nil {
		return err
	}
	round := roundingOf(&p, spec.Rules)
	told := func(who string, n int) string {
		return fmt.Sprintf("%s: %.1f %% of %d", who, 100*float64(n)/float64(risk.Cells), risk.Cells)
	}
	ours := numbersTold(risk)
	b.add(benchLine{
		Section: c.name, What: "numbers told", Figure: float64(ours), Unit: counted, Against: "primary alone", Yardstick: float64(plain),
		Note: told("ours", ours) + ", " + told("threshold and round", round.told),
	}, &aim{ratio: true, least: 0.9})
	b.add(benchLine{
		Section: c.name, What: "found by the attacker", Figure: float64(len(risk.Disclosures)), Unit: counted,
		Note: fmt.Sprintf("primary alone: %d, threshold and round: %d", found, round.found),
	}, &aim{most: 0.1})
	b.add(benchLine{
		Section: c.name, What: "error of a number", Figure: risk.Noise, Unit: persons, Against: "threshold and round", Yardstick: round.wrong,
		Note: "primary alone: 0",
	}, nil)
	b.add(benchLine{
		Section: c.name, What: "error of a mean change of score", Figure: risk.MeanNoise, Unit: persons,
		Note: fmt.Sprintf("%d of %d means told", risk.MeansShown, risk.Means),
	}, nil)
	b.add(benchLine{
		Section: c.name, What: "the release with its audit and files", Figure: took, Unit: seconds,
		Note: fmt.Sprintf("%d tables, %d cells, %d organisations that know their own", len(spec.Tables), len(p.Cells), risk.Insiders),
	}, &aim{most: 30})
	return nil
}

// numbersTold is how many cells are told, each once.
func numbersTold(r statistics.Risk) int {
	n := r.Cells - r.Secondary
	for _, sensitive := range r.Sensitive {
		n -= sensitive
	}
	return n
}

// primaryAlone counts what would be told if only what is sensitive in itself were suppressed, and what is found out then.
func primaryAlone(p *disclosure.Problem, r disclosure.Rules) (told, found int, err error) {
	pattern := make(disclosure.Pattern, len(p.Cells))
	for i, why := range disclosure.Primary(p, r) {
		switch {
		case p.Cells[i].Kind != disclosure.Publishable:
			pattern[i] = disclosure.NotShown
		case why != "":
			pattern[i] = disclosure.PrimarySuppressed
		default:
			told++
		}
	}
	all, err := disclosure.Audit(p, pattern, r)
	return told, len(all), err
}

// rounding is what threshold and round comes to.
type rounding struct {
	told, found int
	wrong       float64
}

// roundingOf rounds every cell, and lets somebody outside narrow down what each can be by what totals and parts allow.
func roundingOf(p *disclosure.Problem, r disclosure.Rules) (out rounding) {
	base := r.Threshold
	lo, hi := make([]int, len(p.Cells)), make([]int, len(p.Cells))
	for i, c := range p.Cells {
		n := disclosure.Round(c.Persons, base)
		switch {
		case c.Kind != disclosure.Publishable:
			hi[i] = 1 << 30
		case c.Persons < base:
			hi[i] = base - 1
		default:
			lo[i], hi[i] = max(base, n-base/2), n+base/2
			out.told++
			out.wrong += math.Abs(float64(n - c.Persons))
		}
	}
	for changed := true; changed; {
		changed = false
		narrow := func(i, least, most int) {
			if least > lo[i] {
				lo[i], changed = least, true
			}
			if most < hi[i] {
				hi[i], changed = most, true
			}
		}
		for _, s := range p.Sums {
			least, most := 0, 0
			for _, part := range s.Parts {
				least += lo[part]
				most += min(hi[part], 1<<30)
			}
			narrow(s.Total, least, most)
			for _, part := range s.Parts {
				narrow(part, lo[s.Total]-(most-hi[part]), hi[s.Total]-(least-lo[part]))
			}
		}
	}
	for i, why := range disclosure.Primary(p, r) {
		if why != "" && hi[i]-lo[i] < base-1 {
			out.found++
		}
	}
	out.wrong /= float64(max(out.told, 1))
	return out
}
