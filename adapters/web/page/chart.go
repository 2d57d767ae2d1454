package page

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"samtykke/domain"
	"samtykke/domain/journal"
)

// A Point is one completed form in a chart.
type Point struct {
	At    time.Time
	Score int
}

// A Curve is scores of one instrument over time. The table beside it says the same in words.
type Curve struct {
	Instrument journal.Instrument
	Points     []Point // in order of time
}

// The chart's measures, in the units of its own picture.
const (
	chartWidth, chartHeight = 720, 300
	chartLeft, chartRight   = 44, 12
	chartTop, chartBottom   = 12, 34
)

// highest is the best or worst sum an instrument knows.
func highest(i journal.Instrument) int {
	f := journal.Forms[i]
	return f.Items * f.Highest
}

// Chart draws the curve over the instrument's bands of severity, made by the server: a picture without script. Title and
// description are what those read out who do not see it.
func (c Curve) Chart(lang, title, description string) template.HTML {
	top := highest(c.Instrument)
	if len(c.Points) == 0 || top == 0 {
		return ""
	}
	first, last := c.Points[0].At, c.Points[len(c.Points)-1].At
	span := last.Sub(first)
	x := func(t time.Time) float64 {
		if span <= 0 {
			return (chartLeft + chartWidth - chartRight) / 2
		}
		return chartLeft + float64(chartWidth-chartLeft-chartRight)*float64(t.Sub(first))/float64(span)
	}
	y := func(score int) float64 {
		return chartTop + float64(chartHeight-chartTop-chartBottom)*(1-float64(score)/float64(top))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight,
		template.HTMLEscapeString(title+". "+description))
	bands := journal.Forms[c.Instrument].Bands
	for i, band := range bands {
		to := top
		if i+1 < len(bands) {
			to = bands[i+1].From
		}
		class := i + 1
		if i == len(bands)-1 {
			class = 5
		}
		fmt.Fprintf(&b, `<rect class="b%d" x="%d" y="%.1f" width="%d" height="%.1f"/>`, class, chartLeft, y(to), chartWidth-chartLeft-chartRight, y(band.From)-y(to))
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%d</text>`, chartLeft-6, y(band.From)+4, band.From)
	}
	if len(bands) == 0 {
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">0</text>`, chartLeft-6, y(0)+4)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%d</text>`, chartLeft-6, y(top)+4, top)
	fmt.Fprintf(&b, `<path class="axis" d="M%d %dV%dH%d" fill="none"/>`, chartLeft, chartTop, chartHeight-chartBottom, chartWidth-chartRight)
	b.WriteString(`<polyline class="curve" points="`)
	for _, p := range c.Points {
		fmt.Fprintf(&b, "%.1f,%.1f ", x(p.At), y(p.Score))
	}
	b.WriteString(`"/>`)
	for _, p := range c.Points {
		fmt.Fprintf(&b, `<circle class="dot" cx="%.1f" cy="%.1f" r="4.5"/>`, x(p.At), y(p.Score))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`, chartLeft, chartHeight-10, Date(lang, domain.DateOf(first)))
	if span > 0 {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartWidth-chartRight, chartHeight-10, Date(lang, domain.DateOf(last)))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// Spark draws the curve as small as a word, for a row of a table. What it shows must stand beside it in words.
func (c Curve) Spark() template.HTML {
	top := highest(c.Instrument)
	if len(c.Points) < 2 || top == 0 {
		return ""
	}
	const width, height = 96, 26
	first, last := c.Points[0].At, c.Points[len(c.Points)-1].At
	span := max(last.Sub(first), 1)
	at := func(p Point) (float64, float64) {
		return 4 + (width-8)*float64(p.At.Sub(first))/float64(span), 3 + (height-6)*(1-float64(p.Score)/float64(top))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 %d %d" aria-hidden="true"><polyline class="curve" points="`, width, height)
	for _, p := range c.Points {
		x, y := at(p)
		fmt.Fprintf(&b, "%.0f,%.0f ", x, y)
	}
	x, y := at(c.Points[len(c.Points)-1])
	fmt.Fprintf(&b, `"/><circle class="dot" cx="%.0f" cy="%.0f" r="3"/></svg>`, x, y)
	return template.HTML(b.String())
}
