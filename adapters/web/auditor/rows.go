package auditor

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"samtykke/adapters/audit"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
)

// A row is a look-up, an attempt or a question, in words.
type row struct {
	Position  uint64
	At        time.Time
	Who, Role string
	Actor     string // the id of who it was; "" where nobody knows
	Of        string // organisation
	Client    string // label, or id where the label is gone
	What      string // purpose, or what else was done
	Kinds     []string
	Allowed   bool
	Outcome   string // whether somebody was let in
	Why       string
	Basis     string
	GrantedAt time.Time
	Rule      string
	Text      string
	Grant     uint64
	Journal   uint64
}

// word says in the reader's language what a word of the ledger's means; a word that has no message stands as it is.
func word(lang string, of page.Key, w string) string {
	if key := of + page.Key(w); page.Has(key) {
		return page.Say(lang, key)
	}
	return w
}

// purpose is what a look-up was for, in the words that clients and professionals read too, or what a question asked.
func purpose(lang string, p client.Purpose) string {
	if key := "word.purpose." + page.Key(p); page.Has(key) {
		return page.Say(lang, key)
	}
	return word(lang, "auditor.purpose.", string(p))
}

func seen(lang string, s audit.Sighting) row {
	x := row{
		Position: s.Position, At: s.At, Who: s.Name, Role: word(lang, "auditor.role.", string(s.Role)), Actor: s.Reader.String(), Of: s.Organisation,
		Client: s.Label, What: purpose(lang, s.Purpose), Allowed: s.Allowed, Why: s.Reason,
		Basis: word(lang, "auditor.basis.", string(s.Basis)), Rule: s.Rule, Text: s.Text, Grant: s.Grant, Journal: s.Journal,
	}
	if x.Client == "" {
		x.Client = s.Client.String()
	}
	x.Outcome = page.Say(lang, "auditor.allowed")
	if !s.Allowed {
		x.Outcome = page.Say(lang, "auditor.turned-away")
		x.Why = word(lang, "auditor.code.", s.Reason)
	}
	if s.GrantedAt != nil {
		x.GrantedAt = *s.GrantedAt
	}
	for _, k := range s.Kinds {
		x.Kinds = append(x.Kinds, word(lang, "word.kind.", string(k)))
	}
	return x
}

func tried(lang string, a audit.Attempt) row {
	x := seen(lang, a.Sighting)
	switch a.As {
	case oversight.AsClient:
		x.What, x.Actor = page.Say(lang, "auditor.sign-in-client"), ""
	case oversight.AsStaff:
		x.What = page.Say(lang, "auditor.sign-in-staff")
	}
	return x
}

// An answer is a page of rows, with what goes into the questions for the next page and for all of them.
type answer struct {
	Rows  []row
	Next  uint64
	Upto  uint64
	Fixed question // the question that was asked, with its instant settled
}

// How much is shown on a page, and how much a file holds at most. It is read in pages as large as the interface gives.
const (
	perPage  = 36
	perFile  = 1000
	mostRows = 10_000
)

// which is the part of an answer that the form asks for, with so many rows.
func which(r *api.Request, rows int) api.AuditPage {
	after, _ := strconv.ParseUint(r.Form("after"), 10, 64)
	upto, _ := strconv.ParseUint(r.Form("upto"), 10, 64)
	return api.AuditPage{After: after, Upto: upto, Limit: rows}
}

// whole reads all pages of an answer.
func whole[T any](read func(api.AuditPage) (rows []T, next, upto uint64, err error)) ([]T, error) {
	all := []T{}
	p := api.AuditPage{Limit: perFile}
	for {
		rows, next, upto, err := read(p)
		if err != nil {
			return nil, err
		}
		if all = append(all, rows...); next == 0 {
			return all, nil
		}
		if len(all) >= mostRows {
			return nil, web.NewProblem(http.StatusUnprocessableEntity, "too-many-rows", "The answer has more rows than a file holds.")
		}
		p.After, p.Upto = next, upto
	}
}

// asJSON makes a file of the rows as the interface gives them.
func asJSON(name string, rows any) (api.Reply, error) {
	b, err := json.Marshal(map[string]any{"rows": rows}, json.Deterministic(true))
	return api.Reply{Kind: "application/json", Body: b, Name: name + ".json"}, err
}

// columns are those of a file for spreadsheets.
var columns = []struct {
	head page.Key
	cell func(row) string
}{
	{"auditor.col.position", func(x row) string { return number(x.Position) }},
	{"auditor.col.at", func(x row) string { return stamp(x.At) }},
	{"auditor.col.outcome", func(x row) string { return x.Outcome }},
	{"auditor.col.why", func(x row) string { return x.Why }},
	{"auditor.col.who", func(x row) string { return x.Who }},
	{"auditor.col.actor", func(x row) string { return x.Actor }},
	{"auditor.col.role", func(x row) string { return x.Role }},
	{"auditor.col.organisation", func(x row) string { return x.Of }},
	{"auditor.col.client", func(x row) string { return x.Client }},
	{"auditor.col.purpose", func(x row) string { return x.What }},
	{"auditor.col.kinds", func(x row) string { return strings.Join(x.Kinds, ", ") }},
	{"auditor.col.journal", func(x row) string { return number(x.Journal) }},
	{"auditor.col.basis", func(x row) string { return x.Basis }},
	{"auditor.col.grant", func(x row) string { return number(x.Grant) }},
	{"auditor.col.granted-at", func(x row) string { return stamp(x.GrantedAt) }},
	{"auditor.col.rule", func(x row) string { return x.Rule }},
	{"auditor.col.text", func(x row) string { return x.Text }},
}

// asCSV makes a file of the rows for spreadsheets.
func asCSV(lang, name string, rows []row) (api.Reply, error) {
	var b bytes.Buffer
	b.WriteString("\ufeff") // or spreadsheets take it for another encoding
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = ';', true
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = page.Say(lang, c.head)
	}
	err := w.Write(line)
	for _, x := range rows {
		for i, c := range columns {
			line[i] = plain(c.cell(x))
		}
		if err == nil {
			err = w.Write(line)
		}
	}
	w.Flush()
	return api.Reply{Kind: "text/csv; charset=utf-8", Body: b.Bytes(), Name: name + ".csv"}, err
}

// plain keeps a spreadsheet from taking a text for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(domain.Oslo).Format(time.RFC3339)
}
