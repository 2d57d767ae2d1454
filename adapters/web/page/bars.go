package page

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
)

// A Bar is one line of a chart: what it is of, its length as shares of the whole, side by side, and what it says in a number.
type Bar struct {
	Text, Said string
	Parts      []float64 // each from 0 to 1; nil: hidden, and what is drawn says nothing of how much it is
	Beside     bool      // is there for comparison
}

// The measures of a chart of bars, in the units of its own picture.
const (
	barWidth, barHeight = 400, 12
	barEach, barTop     = 42, 22 // from one to the next; from the words to the bar
)

// Bars draws horizontal bars, made by the server: a picture without script. The label is what those hear who do not see it; the table
// beside it says the same in words.
func Bars(label string, all []Bar) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="bars" viewBox="0 0 %d %d" role="img" aria-label="%s">`, barWidth, barEach*len(all), template.HTMLEscapeString(label))
	for i, bar := range all {
		y := barEach * i
		fmt.Fprintf(&b, `<text y="%d">%s</text><text class="said" x="%d" y="%d">%s</text>`,
			y+16, template.HTMLEscapeString(bar.Text), barWidth, y+16, template.HTMLEscapeString(bar.Said))
		if bar.Parts == nil {
			fmt.Fprintf(&b, `<rect class="none" x="1" y="%d" width="%d" height="%d"/>`, y+barTop, barWidth-2, barHeight)
			continue
		}
		x := 0.0
		for n, part := range bar.Parts {
			width := barWidth * min(max(part, 0), 1)
			class := "p" + strconv.Itoa(n)
			if bar.Beside {
				class = "beside"
			}
			if width > 0 {
				fmt.Fprintf(&b, `<rect class="%s" x="%.0f" y="%d" width="%.0f" height="%d"/>`, class, x, y+barTop, width, barHeight)
			}
			x += width
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// Percent is a share of one as whole percent, in the reader's form.
func Percent(lang string, share float64) string {
	s := strconv.FormatFloat(100*share, 'f', 0, 64)
	if lang == "en" {
		return s + "%"
	}
	return s + "\u00a0%"
}
