package releases

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"

	"samtykke/domain/statistics"
)

// Flags of a number.
const (
	told       = "0"
	suppressed = "1"
	total      = "total"
)

// A codebook says what the columns of each file mean.
type codebook struct {
	Title         label  `json:"title"`
	Specification string `json:"specification"`
	Period        string `json:"period"`
	Noise         label  `json:"noise"`
	Files         []book `json:"files"`
}

type label struct {
	NB string `json:"nb"`
	EN string `json:"en"`
}

func both(w statistics.Words) label { return label{w.NB, w.EN} }

type book struct {
	File     string   `json:"file"`
	Label    label    `json:"label"`
	Universe label    `json:"universe"`
	Withheld bool     `json:"withheld,omitempty"` // as a whole: the file has no rows
	Columns  []column `json:"columns"`
}

type column struct {
	Name       string     `json:"name"`
	Label      label      `json:"label"`
	Type       string     `json:"type"` // code, integer, decimal
	Categories []category `json:"categories,omitempty"`
	Missing    []category `json:"missing,omitempty"` // codes of what has no value
}

type category struct {
	Code  string `json:"code"`
	Label label  `json:"label"`
}

var (
	totalCategory = category{total, label{"Alle", "All"}}
	flagColumn    = column{
		Name: "flag", Label: label{"Merknad", "Flag"}, Type: "code",
		Categories: []category{
			{told, label{"Tallet er oppgitt", "The number is given"}},
			{suppressed, label{"Tallet er skjult, slik at ingen kan kjennes igjen", "The number is suppressed so that nobody can be recognised"}},
		},
	}
	hidden = []category{{"", label{"Skjult, se merknad", "Suppressed, see flag"}}}
)

// pack makes the files that go out, but for the manifest.
func pack(spec statistics.Specification, r statistics.Release) (map[string][]byte, error) {
	files := map[string][]byte{}
	c := codebook{
		Title:         label{"Anonymisert statistikk", "Anonymised statistics"},
		Specification: fmt.Sprintf("%s %d", spec.Name, spec.Version),
		Period:        r.Period.String(),
		Noise: label{
			"Hvert tall er endret med et lite tilfeldig tillegg eller fradrag, slik at ingen kan kjennes igjen. Derfor kan summen av delene avvike litt fra totalen.",
			"A small random number was added to or taken from each number so that nobody can be recognised. So the parts may differ a little from their total.",
		},
	}
	for i, t := range spec.Tables {
		if i >= len(r.Tables) || r.Tables[i].Table != t.Name {
			return nil, fmt.Errorf("the release was not made by version %d of the specification %s", spec.Version, spec.Name)
		}
		b, err := counts(t, r.Tables[i])
		if err != nil {
			return nil, err
		}
		files[t.Name+".csv"] = b
		about := describe(t, t.Name+".csv", column{
			Name: "persons", Label: label{"Antall personer", "Number of persons"}, Type: "integer", Missing: hidden,
		})
		about.Withheld = r.Tables[i].Withheld
		c.Files = append(c.Files, about)
		if t.Mean == nil {
			continue
		}
		name := t.Mean.Name + ".csv"
		if files[name], err = means(t, r.Tables[i]); err != nil {
			return nil, err
		}
		of := t
		of.Of = nil
		about = describe(of, name, column{Name: "mean", Label: both(t.Mean.Label), Type: "decimal", Missing: hidden})
		about.Withheld = r.Tables[i].Withheld
		c.Files = append(c.Files, about)
	}
	var err error
	files[CodebookFile], err = encode(c)
	return files, err
}

// describe gives the columns that rows write.
func describe(t statistics.Table, file string, number column) book {
	b := book{File: file, Label: both(t.Label), Universe: both(t.Universe.Label)}
	if t.By != nil {
		b.Columns = append(b.Columns, coded(t.By))
	}
	switch {
	case len(t.Of) == 1:
		b.Columns = append(b.Columns, coded(t.Of[0]))
	case len(t.Of) > 1:
		which := column{Name: "variable", Label: label{"Hva", "What"}, Type: "code", Categories: []category{totalCategory}}
		is := column{Name: "category", Label: label{"Verdi", "Value"}, Type: "code", Categories: []category{totalCategory}}
		for _, v := range t.Of {
			which.Categories = append(which.Categories, category{v.Name, both(v.Label)})
		}
		for _, c := range t.Of[0].Categories {
			is.Categories = append(is.Categories, category{c.Name, both(c.Label)})
		}
		b.Columns = append(b.Columns, which, is)
	}
	b.Columns = append(b.Columns, number, flagColumn)
	return b
}

func coded(v *statistics.Variable) column {
	c := column{Name: v.Name, Label: both(v.Label), Type: "code", Categories: []category{totalCategory}}
	for _, k := range v.Categories {
		c.Categories = append(c.Categories, category{k.Name, both(k.Label)})
	}
	return c
}

// counts writes a table over all organisations.
func counts(t statistics.Table, from statistics.Told) ([]byte, error) {
	var rows [][]string
	for _, r := range from.Rows {
		if r.Organisation != "" {
			continue
		}
		var row []string
		if t.By != nil {
			row = append(row, orTotal(r.Class))
		}
		if len(t.Of) > 1 {
			row = append(row, orTotal(r.Variable))
		}
		if len(t.Of) > 0 {
			row = append(row, orTotal(r.Category))
		}
		rows = append(rows, append(row, number(r.Persons, strconv.Itoa)...))
	}
	return table(describe(t, "", column{Name: "persons"}), rows)
}

// means writes the means of a table's classes.
func means(t statistics.Table, from statistics.Told) ([]byte, error) {
	var rows [][]string
	for _, m := range from.Means {
		var row []string
		if t.By != nil {
			row = append(row, orTotal(m.Class))
		}
		rows = append(rows, append(row, number(m.Tenths, tenths)...))
	}
	t.Of = nil
	return table(describe(t, "", column{Name: "mean"}), rows)
}

func number(n *int, write func(int) string) []string {
	if n == nil {
		return []string{"", suppressed}
	}
	return []string{write(*n), told}
}

// tenths writes a number of tenths as a decimal number with a point.
func tenths(n int) string { return strconv.FormatFloat(float64(n)/10, 'f', 1, 64) }

func orTotal(name string) string {
	if name == "" {
		return total
	}
	return name
}

func table(of book, rows [][]string) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = ';'
	var head []string
	for _, c := range of.Columns {
		head = append(head, c.Name)
	}
	if err := w.Write(head); err != nil {
		return nil, err
	}
	err := w.WriteAll(rows)
	return b.Bytes(), err
}
