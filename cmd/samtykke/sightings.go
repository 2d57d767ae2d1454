package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"samtykke/adapters/audit"
	"samtykke/domain"
)

// A sightings writer writes rows of the audit trail one by one, and what stands behind the last. It holds no more than some rows.
type sightings interface {
	row(audit.Sighting) error
	end() error
}

func (c *whoSawCmd) rows(to io.Writer) sightings {
	switch {
	case c.JSON:
		return &jsonSightings{to: to}
	case c.CSV:
		return &csvSightings{csv: csv.NewWriter(to)}
	}
	return &tableSightings{to: to}
}

// jsonSightings are an array, indented as every answer is.
type jsonSightings struct {
	to    io.Writer
	begun bool
}

func (w *jsonSightings) row(s audit.Sighting) error {
	before := ",\n  "
	if !w.begun {
		before, w.begun = "[\n  ", true
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("  ", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w.to, "%s%s", before, bytes.TrimRight(b.Bytes(), "\n"))
	return err
}

func (w *jsonSightings) end() error {
	last := "\n]\n"
	if !w.begun {
		last = "[]\n"
	}
	_, err := io.WriteString(w.to, last)
	return err
}

// csvSightings have a head line, and a line each. Kinds stand in one column, with spaces between.
type csvSightings struct {
	csv   *csv.Writer
	begun bool
}

var sightingColumns = []string{
	"position", "at", "allowed", "reason", "reader", "name", "role", "session", "method", "organisation", "client", "label", "purpose", "about",
	"kinds", "journal", "basis", "grant", "granted", "rule", "text",
}

func (w *csvSightings) row(s audit.Sighting) error {
	if err := w.head(); err != nil {
		return err
	}
	var granted time.Time
	if s.GrantedAt != nil {
		granted = *s.GrantedAt
	}
	return w.csv.Write(spreadsheet([]string{
		strconv.FormatUint(s.Position, 10), instant(s.At), strconv.FormatBool(s.Allowed), s.Reason, s.Reader.String(), s.Name, string(s.Role),
		s.Session.String(), s.Method, s.Organisation, s.Client.String(), s.Label, string(s.Purpose), s.About, kinds(s),
		strconv.FormatUint(s.Journal, 10), string(s.Basis), strconv.FormatUint(s.Grant, 10), instant(granted), s.Rule, s.Text,
	}))
}

// spreadsheet keeps a spreadsheet from taking what a person wrote for a formula.
func spreadsheet(line []string) []string {
	for i, v := range line {
		if strings.IndexAny(v, "=+-@\t\r") == 0 {
			line[i] = "'" + v
		}
	}
	return line
}

func (w *csvSightings) head() error {
	if w.begun {
		return nil
	}
	w.begun = true
	return w.csv.Write(sightingColumns)
}

func (w *csvSightings) end() error {
	if err := w.head(); err != nil {
		return err
	}
	w.csv.Flush()
	return w.csv.Error()
}

// tableSightings are a table for people. Its columns are as wide as the rows of one screen need, and change with them.
type tableSightings struct {
	to   io.Writer
	held []audit.Sighting
	any  bool
}

// screen is how many rows of a table are aligned together.
const screen = 1000

func (w *tableSightings) row(s audit.Sighting) error {
	w.held = append(w.held, s)
	if len(w.held) < screen {
		return nil
	}
	return w.flush()
}

func (w *tableSightings) flush() error {
	t := tabwriter.NewWriter(w.to, 0, 0, 2, ' ', 0)
	if !w.any {
		fmt.Fprintln(t, "POSITION\tWHEN\tWHO\tROLE\tORGANISATION\tCLIENT\tWHAT FOR\tWHAT\tANSWER")
	}
	w.any = true
	for _, r := range w.held {
		result := "refused: " + r.Reason
		switch {
		case r.Allowed && r.GrantedAt != nil:
			result = fmt.Sprintf("saw up to entry %d, under the yes of %s, rule %s", r.Journal, domain.DateOf(*r.GrantedAt), r.Rule)
		case r.Allowed && r.Kinds == nil:
			result = string(r.Basis) + ": " + r.Reason
		case r.Allowed:
			result = fmt.Sprintf("saw up to entry %d, %s", r.Journal, r.Basis)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Position, r.At.In(domain.Oslo).Format("2006-01-02 15:04:05"),
			cmp.Or(r.Name, shorten(r.Reader)), r.Role, r.Organisation, cmp.Or(r.Label, shorten(r.Client)), r.Purpose, cmp.Or(kinds(r), r.About), result)
	}
	w.held = w.held[:0]
	return t.Flush()
}

func (w *tableSightings) end() error {
	if !w.any && len(w.held) == 0 {
		_, err := fmt.Fprintln(w.to, "Nobody.")
		return err
	}
	return w.flush()
}

func kinds(s audit.Sighting) string {
	names := make([]string, len(s.Kinds))
	for i, k := range s.Kinds {
		names[i] = string(k)
	}
	return strings.Join(names, " ")
}
