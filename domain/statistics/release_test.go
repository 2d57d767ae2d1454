package statistics_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/disclosure"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
)

// A crowd is clients by id, and their organisations.
type crowd struct {
	clients map[domain.ID]statistics.Contribution
	offices int
	deleted []statistics.Deletion
}

func officeID(n int) domain.ID { return domain.ID{byte(n + 1), 15: 0x0f} }

func (c crowd) population() statistics.Population {
	p := statistics.Population{Books: rules.All, Deletions: c.deleted, Each: func(count func(domain.ID, statistics.Contribution)) error {
		for id, one := range c.clients { // in any order
			count(id, one)
		}
		return nil
	}}
	for i := range c.offices {
		p.Organisations = append(p.Organisations, statistics.Organisation{ID: officeID(i), Helsenorge: i%2 == 1})
	}
	return p
}

func idOf(n int) domain.ID { return domain.ID{0xc1, byte(n >> 8), byte(n)} }

// drawn is a crowd whose clients came in the quarter or in one of the three before.
func drawn(seed uint64, n, offices int, q statistics.Quarter) crowd {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	c := crowd{map[domain.ID]statistics.Contribution{}, offices, nil}
	for i := range n {
		from := q - statistics.Quarter(r.IntN(4))
		l := &life{}
		day := from.Start().AddDays(r.IntN(60))
		l.add(day.String(), client.Registered{Client: domain.ID{1}, Organisation: officeID(r.IntN(1 + r.IntN(offices))), Service: rules.AssistertSelvhjelp})
		switch r.IntN(6) {
		case 0:
			l.add(day.String(), client.Declined{})
		case 1:
		default:
			asked := day.AddWeeks(22)
			l.add(day.String(), client.Granted{AskOn: asked, LapseOn: day.AddWeeks(26).AddDays(1)})
			if answer := r.IntN(6); answer < 3 && statistics.QuarterOf(asked.Start()) <= q {
				l.add(asked.String(), client.FollowUpConfirmed{AskOn: asked.AddWeeks(22), LapseOn: asked.AddWeeks(26)})
			} else if answer == 3 && statistics.QuarterOf(asked.Start()) <= q {
				l.add(asked.String(), client.FollowUpEnded{})
			}
		}
		for at := from; at <= q; at++ {
			p := l.c.In(at)
			// Nearly all begin, and every other one goes on. Who answered was there.
			if p.Active = p.Yes+p.No > 0 || at == from && r.IntN(10) > 0 || r.IntN(2) == 0; !p.Active {
				continue
			}
			for _, part := range []string{"start", "connections", "activity", "sleep", "thoughts", "worry", "people", "onward"} {
				if r.IntN(2) == 0 {
					p.Finish(part)
				}
				if r.IntN(4) == 0 {
					break
				}
			}
			for _, form := range []journal.Instrument{journal.PHQ9, journal.GAD7} {
				for range r.IntN(4) {
					score := r.IntN(journal.Forms[form].Items*3 + 1)
					severity := journal.Minimal
					for _, b := range journal.Forms[form].Bands {
						if score >= b.From {
							severity = b.Severity
						}
					}
					p.Fill(journal.Assessed{Instrument: form, Score: score, Severity: severity})
				}
			}
		}
		c.clients[idOf(i)] = l.c
	}
	return c
}

func keyed(t *testing.T, key string) statistics.Noise {
	t.Helper()
	n, err := statistics.NewNoise(func(m []byte) [32]byte {
		h := hmac.New(sha256.New, []byte(key))
		h.Write(m)
		return [32]byte(h.Sum(nil))
	}, statistics.Quarterly)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func make1(t *testing.T, c crowd, q statistics.Quarter, key string) (statistics.Release, statistics.Risk) {
	t.Helper()
	r, risk, err := statistics.Make(statistics.Quarterly, q, 7, c.population(), keyed(t, key))
	if err != nil {
		t.Fatalf("%d clients of %d organisations: %v", len(c.clients), c.offices, err)
	}
	return r, risk
}

// names gives every row with the name that the problem has for its cell.
func names(r statistics.Release) map[string]statistics.Row {
	rows := map[string]statistics.Row{}
	for i, t := range r.Tables {
		spec := statistics.Quarterly.Tables[i]
		for _, row := range t.Rows {
			name := r.Period.String() + " " + spec.Universe.Name
			if row.Organisation != "" {
				name += " organisation=" + row.Organisation
			}
			var vars []string
			if row.Class != "" {
				vars = append(vars, spec.By.Name+"="+row.Class)
			}
			if row.Category != "" {
				vars = append(vars, row.Variable+"="+row.Category)
			}
			if len(vars) == 2 && vars[0] > vars[1] {
				vars[0], vars[1] = vars[1], vars[0]
			}
			name = strings.Join(append([]string{name}, vars...), " ")
			if rest, ok := strings.CutPrefix(name, r.Period.String()+" newcomers"); ok && strings.HasSuffix(name, " used=yes") && !strings.Contains(name, "service=") {
				name = r.Period.String() + " users" + strings.TrimSuffix(rest, "used=yes") + "new=yes" // the same people
			}
			rows[name] = row
		}
	}
	return rows
}

// Whatever the crowd: it is released; nothing small is told, nor what is small beside it; the problem adds up.
//
// shows G01
func TestNothingSmallIsTold(t *testing.T) {
	q := quarter(t, "2026Q2")
	for _, size := range []int{0, 7, 150, 500} {
		for _, offices := range []int{1, 2, 5} {
			for seed := range uint64(2) {
				c := drawn(seed, size, offices, q)
				p, err := statistics.Problem(statistics.Quarterly, q, c.population())
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Validate(); err != nil {
					t.Fatal(err)
				}
				r, risk, err := statistics.Make(statistics.Quarterly, q, 7, c.population(), keyed(t, "k"))
				if err != nil {
					t.Errorf("%d clients of %d organisations, seed %d: %v", size, offices, seed, err)
					continue
				}
				rows := names(r)
				nothingBetween(t, p, rows)
				for _, cell := range p.Cells {
					row, ok := rows[cell.Name]
					if cell.Kind == disclosure.Structural {
						if ok && (row.Persons == nil || *row.Persons != 0) {
							t.Errorf("%s: everybody knows that it is zero", cell.Name)
						}
						continue
					}
					if cell.Kind != disclosure.Publishable {
						continue
					}
					few := cell.Persons < 5 || cell.Group > 0 && cell.Group-cell.Persons < 5
					if !ok && len(risk.Withheld) == 0 || row.Persons != nil && (few || *row.Persons < 5) {
						t.Errorf("%s: %d of %d; a row: %v, told: %v", cell.Name, cell.Persons, cell.Group, ok, row.Persons != nil)
					}
				}
				t.Logf("%d clients, %d organisations: %d of %d told, withheld %v", size, offices, risk.Told, risk.Cells, risk.Withheld)
				if size == 500 && risk.Told < risk.Cells/3 {
					t.Errorf("of %d clients in %d organisations only %d numbers of %d are told", size, offices, risk.Told, risk.Cells)
				}
			}
		}
	}
}

// nothingBetween checks that no two numbers are told of which one is part of the other, with few between them, and that what is the same
// is told or hidden together.
func nothingBetween(t *testing.T, p disclosure.Problem, rows map[string]statistics.Row) {
	t.Helper()
	persons := map[string]int{}
	for _, c := range p.Cells {
		persons[c.Name] = c.Persons
	}
	for name, row := range rows {
		quarter, rest, _ := strings.Cut(name, " ")
		for _, u := range [][2]string{
			{"phq-9", "users"}, {"gad-7", "users"}, {"phq-9-repeated", "phq-9"}, {"gad-7-repeated", "gad-7"},
		} {
			suffix, ok := strings.CutPrefix(rest+" ", u[0]+" ")
			if !ok {
				continue
			}
			whole := strings.TrimSpace(quarter + " " + u[1] + " " + suffix)
			if outer, ok := rows[whole]; ok && outer.Persons != nil && row.Persons != nil {
				if between := persons[whole] - persons[name]; 0 < between && between < 5 {
					t.Errorf("%s and %s are told, with %d between them", whole, name, between)
				}
			}
		}
	}
}

// The same ledger and key make the same release, in whatever order clients are counted; another key another.
func TestReleasesAreReproducible(t *testing.T) {
	q := quarter(t, "2026Q2")
	c := drawn(1, 300, 4, q)
	first, _ := make1(t, c, q, "k")
	again, _ := make1(t, c, q, "k")
	other, _ := make1(t, c, q, "another")
	if !reflect.DeepEqual(first, again) || reflect.DeepEqual(first, other) {
		t.Errorf("the same again: %v; under another key: %v", reflect.DeepEqual(first, again), reflect.DeepEqual(first, other))
	}
}

// Whoever is erased leaves nothing in the next release: it is what it would be had there never been such a client, but for the number
// of deletions. And the comparison with the release before does not tell that somebody left, where few did.
//
// shows A17 D17 G02
func TestAnErasedClientIsInNoLaterRelease(t *testing.T) {
	q := quarter(t, "2026Q1")
	c := drawn(2, 400, 3, q+1)
	var gone domain.ID
	for id, one := range c.clients {
		if one.Registered < q && one.Organisation == officeID(0) {
			gone = id
			break
		}
	}
	without := crowd{map[domain.ID]statistics.Contribution{}, c.offices, nil}
	for id, one := range c.clients {
		if id != gone {
			without.clients[id] = one
		}
	}
	never, _ := make1(t, without, q+1, "k")
	erased := without
	erased.deleted = []statistics.Deletion{{Organisation: officeID(0), Quarter: q + 1}}
	after, _ := make1(t, erased, q+1, "k")
	if !reflect.DeepEqual(after, never) {
		t.Error("one deletion is seen in the release, where fewer than five are to be hidden")
	}
	// Who was counted as new stays one of those who came, of whom some are users now, some deleted everything, and some stay away.
	sizes := func(c crowd) map[string]int {
		p, err := statistics.Problem(statistics.Quarterly, q+1, c.population())
		if err != nil {
			t.Fatal(err)
		}
		sizes := map[string]int{}
		for _, cell := range p.Cells {
			sizes[cell.Name] = cell.Persons
		}
		return sizes
	}
	then, now, without1 := sizes(c), sizes(erased), sizes(without)
	for _, over := range []string{"", " organisation=" + officeID(0).String()} {
		if pool := "came earlier" + over; now[pool] != then[pool] || without1[pool] != then[pool]-1 {
			t.Errorf("%s: %d before the erasure, %d with it on record, %d as if the client had never been", pool, then[pool], now[pool], without1[pool])
		}
	}
}

// An organisation that subtracts its own does not find out about the few elsewhere: those with severe symptoms are all its own but two.
func TestAnOrganisationThatSubtractsItsOwn(t *testing.T) {
	q := quarter(t, "2026Q2")
	c := drawn(3, 300, 2, q)
	n := 0
	for id, one := range c.clients {
		p := one.In(q)
		p.Forms = nil
		severe := one.Organisation == officeID(0) && n < 40
		if one.Organisation == officeID(1) && len(c.clients)-1 > 0 {
			severe = id[2]%97 == 5 // a few
		}
		score, severity := 3, journal.Minimal
		if severe {
			score, severity = 25, journal.Severe
			n++
		}
		p.Fill(journal.Assessed{Instrument: journal.PHQ9, Score: score, Severity: severity})
		c.clients[id] = one
	}
	p, err := statistics.Problem(statistics.Quarterly, q, c.population())
	if err != nil {
		t.Fatal(err)
	}
	marked := false
	for _, cell := range p.Cells {
		marked = marked || cell.Name == "2026Q2 phq-9 phq-9-first=severe" && cell.RestSmall
	}
	r, _ := make1(t, c, q, "k")
	if row := names(r)["2026Q2 phq-9 phq-9-first=severe"]; !marked || row.Persons != nil {
		t.Errorf("marked: %v; told: %v", marked, row.Persons != nil)
	}
}

// A release that an attacker finds something in is refused, and the error names the cell.
func TestARefusedReleaseNamesTheCell(t *testing.T) {
	err := error(&statistics.Refused{Found: []disclosure.Disclosure{{Who: "", Cell: 3, Name: "2026Q2 phq-9", Why: disclosure.Few, Lo: 1, Hi: 2}}})
	if text := fmt.Sprint(err); !strings.Contains(text, "2026Q2 phq-9") || !strings.Contains(text, "outsider") || !errors.As(err, new(*statistics.Refused)) {
		t.Error(text)
	}
}

// Means are told of many, and not where one client's part is nearly all of it.
func TestMeans(t *testing.T) {
	q := quarter(t, "2026Q2")
	mean := func(c crowd) *int {
		r, _ := make1(t, c, q, "k")
		for _, t := range r.Tables {
			if t.Table == "phq-9-change-by-severity" && t.Withheld {
				return nil
			}
			if t.Table == "phq-9-change-by-severity" {
				return t.Means[0].Tenths
			}
		}
		t.Fatal("no such table")
		return nil
	}
	flat := func(n, changed int) crowd {
		c := drawn(4, 3*n, 2, q)
		for id, one := range c.clients {
			p := one.In(q)
			if p.Forms = nil; !p.Active || n == 0 {
				c.clients[id] = one
				continue
			}
			n--
			last := 20
			if changed > 0 {
				last = 10
				changed--
			}
			for _, score := range []int{20, last} {
				p.Fill(journal.Assessed{Instrument: journal.PHQ9, Score: score, Severity: journal.Severe})
			}
			c.clients[id] = one
		}
		return c
	}
	if m := mean(flat(200, 200)); m == nil || *m < -115 || *m > -85 {
		t.Errorf("a mean of -10 over 200 is told as %v", m)
	}
	if m := mean(flat(200, 1)); m != nil {
		t.Error("the mean of 200 is told where one alone has changed")
	}
	if m := mean(flat(25, 25)); m != nil {
		t.Error("the mean of 25 is told")
	}
}

func TestTheSpecificationIsSound(t *testing.T) {
	if err := statistics.Quarterly.Check(); err != nil {
		t.Error(err)
	}
	if n := len(statistics.Quarterly.Tables); n != 20 {
		t.Errorf("%d tables", n)
	}
}
