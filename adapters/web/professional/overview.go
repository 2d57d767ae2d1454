package professional

import (
	"cmp"
	"html/template"
	"slices"
	"strings"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// perPage is how many clients a page of the overview has.
const perPage = 50

// soonDays is how near the end of sharing is to be called soon: four weeks.
const soonDays = 28

// overviewKinds are what the overview shows of each client that shares.
var overviewKinds = []client.Kind{client.Scores, client.Progress, client.Use}

// overviewBody is the list of clients, or a page of it.
type overviewBody struct {
	Search, Filter, Order string
	After                 string // the cursor of this page
	All, Chosen           int    // clients in all, and as they were chosen
	First, Last           int    // on this page, from 1
	Rows                  []overviewRow
	Sharing               int // on this page, who share: so many look-ups the button makes
	Looked                bool
	LookUps               int // so many were made
	HasPrevious, HasNext  bool
	Previous, Next        string // their cursors
}

// overviewRow is one client. Until is the last day on which it shares; zero: not shared.
type overviewRow struct {
	Handle, Label string
	Until         domain.Date
	Soon, Asked   bool
	Shown         *summary // nil: not looked up, or what was to be shown did not come
}

// summary is what is registered about a client, in a row.
type summary struct {
	LastUse          time.Time
	Opened, Finished int
	Trend            *trend
	Safety           time.Time // of the last form that asks, where it was answered so; zero: it was not
	Overdue          bool
	LastForm         time.Time
}

// trend is the scores of the instrument that was filled in last.
type trend struct {
	Instrument  string
	First, Last int
	Count       int
	Severity    string
	Spark       template.HTML
}

var overviewPage = page.Must[overviewBody](files, "overview")

// overview shows the clients by label. What is registered is shown only where the form asks for it, and of the clients on this page.
func overview(r *api.Request) (api.Reply, error) {
	b := overviewBody{
		Search: typed(r, "search"), Filter: r.Form("filter"), Order: r.Form("order"), After: r.Form("after"), Looked: r.Form("show") != "",
	}
	in := api.OverviewLookUp{Page: api.Page{After: b.After, Limit: perPage}}
	if b.Looked {
		in.Kinds = overviewKinds
	}
	today := domain.DateOf(r.Now())
	out, err := r.Overview(in, func(all []api.Client) []api.Client { return b.choose(all, today) })
	if err != nil {
		return api.Reply{}, err
	}
	for _, c := range out.Clients {
		row := overviewRow{Handle: c.Handle.String(), Label: c.Label, Until: lastDay(c), Asked: c.Asked}
		row.Soon = row.Until != 0 && row.Until <= today.AddDays(soonDays)
		if row.Until != 0 {
			b.Sharing++
		}
		if c.Shown != nil {
			b.LookUps++
			row.Shown = summarise(r.Lang(), *c.Shown, today)
		}
		b.Rows = append(b.Rows, row)
	}
	b.Last = b.First - 1 + len(b.Rows)
	b.Next, b.HasNext = out.Next, out.Next != ""
	f := page.NewFrame(r, "professional.overview-title")
	f.Recorded = b.Looked
	return page.Show(overviewPage, f, b)
}

// choose gives the clients that the reader wants to see, in the order wanted, and notes where in them the page stands. There is nothing
// registered to choose by.
func (b *overviewBody) choose(all []api.Client, today domain.Date) []api.Client {
	word := fold(b.Search)
	chosen := slices.DeleteFunc(slices.Clone(all), func(c api.Client) bool {
		return !strings.Contains(fold(c.Label), word) || !b.passes(c, today)
	})
	if b.Order == "end" {
		slices.SortStableFunc(chosen, func(a, b api.Client) int { return cmp.Compare(endsOn(a), endsOn(b)) })
	}
	b.All, b.Chosen, b.First = len(all), len(chosen), 1
	if b.After != "" {
		begin := 1 + slices.IndexFunc(chosen, func(c api.Client) bool { return c.Handle.String() == b.After })
		b.First, b.HasPrevious = begin+1, true
		if before := begin - perPage - 1; before >= 0 {
			b.Previous = chosen[before].Handle.String()
		}
	}
	return chosen
}

func (b *overviewBody) passes(c api.Client, today domain.Date) bool {
	until := lastDay(c)
	switch b.Filter {
	case "sharing":
		return until != 0
	case "not-sharing":
		return until == 0
	case "ends-soon":
		return until != 0 && until <= today.AddDays(soonDays)
	case "asked":
		return c.Asked
	}
	return true
}

// fold takes blanks, hyphens and small letters out of what people type, and makes it comparable.
func fold(s string) string {
	return strings.Map(func(c rune) rune {
		if c == ' ' || c == '-' {
			return -1
		}
		return c
	}, strings.ToUpper(s))
}

// lastDay is the last day on which the client shares; zero where it does not.
func lastDay(c api.Client) domain.Date {
	d, err := domain.ParseDate(c.SharedUntil)
	if err != nil {
		return 0 // it is empty
	}
	return d
}

// endsOn orders by the end of sharing, with those who do not share last.
func endsOn(c api.Client) domain.Date {
	if d := lastDay(c); d != 0 {
		return d
	}
	return 1<<31 - 1
}

// summarise shows in a row what was looked up.
func summarise(lang string, reg api.Registrations, today domain.Date) *summary {
	s := &summary{}
	if u := reg.Use; u != nil && u.LastLogin != nil {
		s.LastUse = *u.LastLogin
	}
	if p := reg.Progress; p != nil {
		s.Opened = len(p.Content)
		for _, c := range p.Content {
			if c.Finished != nil {
				s.Finished++
			}
		}
	}
	if n := len(reg.Scores); n > 0 {
		last := reg.Scores[n-1]
		s.LastForm, s.Overdue = last.At, overdue(last.At, today)
		s.Trend = trendOf(lang, last.Instrument, reg.Scores)
	}
	if f := lastAsking(reg.Scores); f != nil && f.Safety {
		s.Safety = f.At
	}
	return s
}

// sparkPoints is how many scores a row draws: the first, the last, and some between.
const sparkPoints = 8

func trendOf(lang string, i journal.Instrument, forms []api.Form) *trend {
	c := curveOf(i, forms)
	first, last := c.Points[0], c.Points[len(c.Points)-1]
	t := &trend{Instrument: page.Say(lang, shortNames[i]), First: first.Score, Last: last.Score, Count: len(c.Points)}
	for _, f := range forms {
		if f.Instrument == i {
			t.Severity = severity(lang, f.Severity)
		}
	}
	c.Points = thinned(c.Points)
	t.Spark = c.Spark()
	return t
}

// thinned leaves points out, evenly, until a row can draw them.
func thinned(all []page.Point) []page.Point {
	if len(all) <= sparkPoints {
		return all
	}
	var some []page.Point
	for i := range sparkPoints {
		some = append(some, all[i*(len(all)-1)/(sparkPoints-1)])
	}
	return some
}

// curveOf draws an instrument's scores out of forms, which come in order of time.
func curveOf(i journal.Instrument, forms []api.Form) page.Curve {
	c := page.Curve{Instrument: i}
	for _, f := range forms {
		if f.Instrument == i {
			c.Points = append(c.Points, page.Point{At: f.At, Score: f.Score})
		}
	}
	return c
}

// lastAsking is the last form that has the question on thoughts of death or self-harm; nil: none was filled in.
func lastAsking(forms []api.Form) *api.Form {
	for i := len(forms) - 1; i >= 0; i-- {
		if journal.Forms[forms[i].Instrument].Safety > 0 {
			return &forms[i]
		}
	}
	return nil
}

// overdueDays is after how many days without a form the next one is overdue: the programme asks for one every 14 days.
const overdueDays = 14

func overdue(last time.Time, today domain.Date) bool { return daysSince(last, today) > overdueDays }

func daysSince(t time.Time, today domain.Date) int { return int(today - domain.DateOf(t)) }
