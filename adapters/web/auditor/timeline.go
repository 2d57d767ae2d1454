package auditor

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"samtykke/adapters/audit"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
)

// The picture's measures, in its own units. Each line has its height.
const (
	width, height = 720, 196
	left, right   = 116, 16
	shareLine     = 20 // the top of the band
	bandHeight    = 24
	lookLine      = 70
	refusedLine   = 100
	ownLine       = 130
	axisLine      = 150
)

// timeline draws a client's consent with the look-ups and refused attempts on it, and the instant asked about. The tables beside
// it say the same.
func timeline(lang string, h audit.History, rows []audit.Sighting, at time.Time) template.HTML {
	span := max(h.To.Sub(h.From), 1)
	x := func(t time.Time) float64 {
		return left + (width-left-right)*float64(t.Sub(h.From))/float64(span)
	}
	var b strings.Builder
	title := page.Say(lang, "auditor.picture", "From", page.Date(lang, domain.DateOf(h.From)), "To", page.Date(lang, domain.DateOf(h.To)))
	fmt.Fprintf(&b, `<svg class="chart timeline" viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(title))
	for _, line := range []struct {
		y    int
		name page.Key
	}{{shareLine + bandHeight/2, "auditor.line-sharing"}, {lookLine, "auditor.line-look-ups"}, {refusedLine, "auditor.line-refused"}, {ownLine, "auditor.line-own"}} {
		fmt.Fprintf(&b, `<text x="0" y="%d">%s</text>`, line.y+5, template.HTMLEscapeString(page.Say(lang, line.name)))
		if line.y > shareLine+bandHeight {
			fmt.Fprintf(&b, `<path class="rail" d="M%d %dH%d"/>`, left, line.y, width-right)
		}
	}
	for i, t := range h.Turns {
		from, to := t.Effective, h.To
		if from.Before(h.From) {
			from = h.From
		}
		if i+1 < len(h.Turns) {
			to = h.Turns[i+1].Effective
		}
		class := "off"
		if t.Shown() {
			class = "on"
		}
		fmt.Fprintf(&b, `<rect class="span %s" x="%.1f" y="%d" width="%.1f" height="%d"/>`, class, x(from), shareLine, x(to)-x(from), bandHeight)
	}
	for _, s := range rows {
		if s.At.Before(h.From) || s.At.After(h.To) {
			continue
		}
		switch {
		case !s.Allowed:
			fmt.Fprintf(&b, `<path class="no" d="M%.1f %dl9 9m0 -9l-9 9"/>`, x(s.At)-4.5, refusedLine-4)
		case s.Basis == client.OwnData:
			fmt.Fprintf(&b, `<rect class="self" x="%.1f" y="%d" width="8" height="8"/>`, x(s.At)-4, ownLine-4)
		default:
			fmt.Fprintf(&b, `<circle class="dot" cx="%.1f" cy="%d" r="5"/>`, x(s.At), lookLine)
		}
	}
	if !at.Before(h.From) && !at.After(h.To) {
		fmt.Fprintf(&b, `<path class="moment" d="M%.1f 8V%d"/>`, x(at), axisLine)
	}
	fmt.Fprintf(&b, `<path class="axis" d="M%d %dH%d"/>`, left, axisLine, width-right)
	for i, anchor := range []string{"start", "middle", "end"} {
		t := h.From.Add(span / 2 * time.Duration(i))
		fmt.Fprintf(&b, `<path class="axis" d="M%.1f %dv6"/><text x="%.1f" y="%d" text-anchor="%s">%s</text>`,
			x(t), axisLine, x(t), axisLine+22, anchor, page.Date(lang, domain.DateOf(t)))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}
