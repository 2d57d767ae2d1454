package statistics

import (
	"html/template"
	"slices"
	"strconv"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain/statistics"
)

// A table is one of the specification as a page shows it.
type table struct {
	Name, Title string
	Of          string // who is in it
	Chart       template.HTML
	First       string // head of the first column
	Heads       []string
	Parts       int // so many heads are parts of the chart's bars
	Rows        []row

	Mean  string // what means are of; "": there are none
	Means []row
}

// A row is a head and its numbers in words.
type row struct {
	Head  string
	Cells []string
}

// A column is a group of clients that a page tells of.
type column struct {
	name   string
	tables []api.GroupTable
}

// in is a name in the reader's language.
func in(lang string, w statistics.Words) string {
	switch lang {
	case "nn":
		return w.NN
	case "en":
		return w.EN
	}
	return w.NB
}

// tables lays out those that are asked for, as far as the first column has them.
func tables(lang string, p api.Publication, columns []column, wanted func(table string) bool) (all []table) {
	spec := api.SpecificationOf(p.Specification, p.Version)
	for _, t := range spec.Tables {
		of := find(columns[0].tables, t.Name)
		if len(of.Rows) == 0 || !wanted(t.Name) {
			continue
		}
		l := layout{lang: lang, spec: t, out: table{Name: t.Name, Title: in(lang, t.Label), Of: in(lang, t.Universe.Label)}}
		switch {
		case t.By != nil:
			l.classes(of)
		case len(t.Of) > 1:
			l.several(of)
		default:
			l.categories(columns)
		}
		all = append(all, l.out)
	}
	return all
}

func find(in []api.GroupTable, name string) api.GroupTable {
	i := slices.IndexFunc(in, func(t api.GroupTable) bool { return t.Table == name })
	if i < 0 {
		return api.GroupTable{}
	}
	return in[i]
}

// persons gives a number of a table; nil where it is hidden, or not there.
func persons(t api.GroupTable, class, variable, category string) *int {
	for _, r := range t.Rows {
		if r.Class == class && r.Variable == variable && r.Category == category {
			return r.Persons
		}
	}
	return nil
}

// layout is a table under way.
type layout struct {
	lang string
	spec statistics.Table
	out  table
}

func (l *layout) say(key page.Key) string { return page.Say(l.lang, key) }

func (l *layout) count(n *int) string {
	if n == nil {
		return l.say("statistics.hidden")
	}
	return strconv.Itoa(*n)
}

// share is a part of a whole; false where either is hidden, or nobody is in the whole.
func share(part, whole *int) (float64, bool) {
	if part == nil || whole == nil || *whole <= 0 {
		return 0, false
	}
	return min(float64(*part)/float64(*whole), 1), true // noise can make a part larger than its whole
}

// bar is one of a part of a whole.
func (l *layout) bar(text string, part, whole *int) page.Bar {
	if s, ok := share(part, whole); ok {
		return page.Bar{Text: text, Said: page.Percent(l.lang, s), Parts: []float64{s}}
	}
	if part != nil { // of nobody, or of a hidden number
		return page.Bar{Text: text, Said: l.count(part), Parts: []float64{}}
	}
	return page.Bar{Text: text, Said: l.say("statistics.hidden")}
}

func (l *layout) draw(bars []page.Bar) {
	l.out.Chart = page.Bars(page.Say(l.lang, "statistics.chart", "Of", l.out.Title), bars)
}

// categories lays out a table of one variable, with a column for each group; or of none, which has a total only.
func (l *layout) categories(columns []column) {
	var bars []page.Bar
	line := func(head, variable, category string) row {
		r := row{Head: head}
		for _, c := range columns {
			r.Cells = append(r.Cells, l.count(persons(find(c.tables, l.spec.Name), "", variable, category)))
		}
		return r
	}
	for _, c := range columns {
		l.out.Heads = append(l.out.Heads, c.name)
	}
	for _, v := range l.spec.Of {
		l.out.First = in(l.lang, v.Label)
		for _, k := range v.Categories {
			text := in(l.lang, k.Label)
			l.out.Rows = append(l.out.Rows, line(text, v.Name, k.Name))
			for i, c := range columns {
				t := find(c.tables, l.spec.Name)
				bar := l.bar(text, persons(t, "", v.Name, k.Name), persons(t, "", "", ""))
				if bar.Beside = i > 0; bar.Beside {
					bar.Text = c.name
				}
				bars = append(bars, bar)
			}
		}
	}
	l.out.Rows = append(l.out.Rows, line(l.say("statistics.total"), "", ""))
	if len(bars) > 0 {
		l.draw(bars)
	}
}

// several lays out variables of two categories, one beside the other; the chart shows the first category.
func (l *layout) several(t api.GroupTable) {
	total := persons(t, "", "", "")
	var bars []page.Bar
	for _, v := range l.spec.Of {
		r := row{Head: in(l.lang, v.Label)}
		for _, k := range v.Categories {
			r.Cells = append(r.Cells, l.count(persons(t, "", v.Name, k.Name)))
		}
		r.Cells = append(r.Cells, l.count(total))
		l.out.Rows = append(l.out.Rows, r)
		bars = append(bars, l.bar(r.Head, persons(t, "", v.Name, v.Categories[0].Name), total))
	}
	l.heads(l.spec.Of[0])
	l.draw(bars)
}

// heads are the categories of a variable, and the total.
func (l *layout) heads(v *statistics.Variable) {
	for _, k := range v.Categories {
		l.out.Heads = append(l.out.Heads, in(l.lang, k.Label))
	}
	l.out.Heads = append(l.out.Heads, l.say("statistics.total"))
}

// classes lays out one variable by another: a row and a bar of parts for each class.
func (l *layout) classes(t api.GroupTable) {
	v := l.spec.Of[0]
	classes := append(slices.Clone(l.spec.By.Categories), statistics.Category{})
	var bars []page.Bar
	for _, class := range classes {
		r := row{Head: l.class(class)}
		counts := []*int{}
		for _, k := range v.Categories {
			counts = append(counts, persons(t, class.Name, v.Name, k.Name))
		}
		total := persons(t, class.Name, "", "")
		for _, n := range append(counts, total) {
			r.Cells = append(r.Cells, l.count(n))
		}
		l.out.Rows = append(l.out.Rows, r)
		bars = append(bars, page.Bar{Text: r.Head, Said: l.count(total), Parts: parts(counts, total)})
	}
	l.out.First = in(l.lang, l.spec.By.Label)
	l.heads(v)
	l.out.Parts = len(v.Categories)
	l.draw(bars)
	if l.spec.Mean == nil {
		return
	}
	l.out.Mean = in(l.lang, l.spec.Mean.Label)
	for _, class := range classes {
		i := slices.IndexFunc(t.Means, func(m api.GroupMean) bool { return m.Class == class.Name })
		said := l.say("statistics.hidden")
		if i >= 0 && t.Means[i].Tenths != nil {
			said = page.Decimal(l.lang, float64(*t.Means[i].Tenths)/10)
		}
		l.out.Means = append(l.out.Means, row{l.class(class), []string{said}})
	}
}

// class names a class; the zero one is all.
func (l *layout) class(c statistics.Category) string {
	if c.Name == "" {
		return l.say("statistics.total")
	}
	return in(l.lang, c.Label)
}

// parts are shares of the sum of all; nil where one of them, or the total, is hidden: what is left over would tell of it.
func parts(counts []*int, total *int) []float64 {
	if total == nil || slices.Contains(counts, nil) {
		return nil
	}
	sum := 0
	for _, n := range counts {
		sum += max(*n, 0)
	}
	shares := make([]float64, len(counts))
	for i, n := range counts {
		if sum > 0 {
			shares[i] = float64(max(*n, 0)) / float64(sum)
		}
	}
	return shares
}
