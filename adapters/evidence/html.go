package evidence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"samtykke/domain"
)

//go:embed report.html
var page string

var document = template.Must(template.New("report").Funcs(template.FuncMap{
	"date": func(t time.Time) string { return domain.DateOf(t).String() },
	"last": func(to time.Time) string { return domain.DateOf(to.Add(-time.Nanosecond)).String() },
}).Parse(page))

// HTML writes the report as one document in bokmål, for people to read and to print.
func (r Report) HTML(to io.Writer) error { return document.Execute(to, r) }

// Shown is the figure with its unit. What was measured on nothing has no value.
func (f Figure) Shown() string {
	if f.Events.Count == 0 && (f.Unit == Seconds || f.Unit == WorkingDays || f.Unit == Days) {
		return "ingen"
	}
	switch f.Unit {
	case Seconds:
		return duration(time.Duration(f.Value) * time.Second)
	case WorkingDays:
		return counted(f.Value, "virkedag", "virkedager")
	case Days:
		return counted(f.Value, "dag", "dager")
	case Months:
		return counted(f.Value, "måned", "måneder")
	}
	return strconv.FormatInt(f.Value, 10)
}

func counted(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// duration says how long something took in the two largest units that it has.
func duration(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		unit      time.Duration
		one, more string
	}{{24 * time.Hour, "døgn", "døgn"}, {time.Hour, "time", "timer"}, {time.Minute, "minutt", "minutter"}, {time.Second, "sekund", "sekunder"}} {
		if n := int64(d / u.unit); n > 0 && len(parts) < 2 {
			parts = append(parts, counted(n, u.one, u.more))
		}
		d %= u.unit
	}
	if len(parts) == 0 {
		return "under ett sekund"
	}
	return strings.Join(parts, " ")
}

// Service tells whether the figure is about the whole service.
func (f Figure) Service() bool { return f.Scope == Service }

// String names the events: all of a few, and otherwise the first ones and the last with how many there are.
func (e Events) String() string {
	if e.Count == 0 {
		return ""
	}
	var s strings.Builder
	for i, p := range e.Listed {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(strconv.FormatUint(p, 10))
	}
	if e.Count > len(e.Listed) {
		fmt.Fprintf(&s, " … %d (%d hendelser)", e.Last, e.Count)
	}
	return s.String()
}
