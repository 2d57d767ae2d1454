package operations

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// tens is how many acts of people a series moves by, at least.
const tens = 10

// A gatherer tells in tens what people do: of each series that counts it, what was told before, until ten more have come. Whoever else
// asks is told the same.
type gatherer struct {
	all prometheus.Gatherer

	mu   sync.Mutex
	told map[string]*dto.Metric
}

// Gatherer gives what may be told.
func (m *Metrics) Gatherer() prometheus.Gatherer {
	return &gatherer{all: m.Registry, told: map[string]*dto.Metric{}}
}

// Gather implements prometheus.Gatherer.
func (g *gatherer) Gather() ([]*dto.MetricFamily, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all, err := g.all.Gather()
	var told []*dto.MetricFamily
	for _, f := range all {
		if untold[f.GetName()] {
			continue
		}
		for _, m := range f.Metric {
			timeless(m)
		}
		if toldInTens[f.GetName()] {
			f.Metric = g.inTens(f)
		}
		if len(f.Metric) > 0 {
			told = append(told, f)
		}
	}
	return told, err
}

func (g *gatherer) inTens(f *dto.MetricFamily) (told []*dto.Metric) {
	for _, m := range f.Metric {
		key := f.GetName()
		for _, l := range m.Label {
			key += "\x00" + l.GetValue()
		}
		if before := g.told[key]; count(m)-count(before) >= tens {
			g.told[key] = m
		}
		if m := g.told[key]; m != nil {
			told = append(told, m)
		}
	}
	return told
}

// count is how many acts a series has counted.
func count(m *dto.Metric) float64 {
	if h := m.GetHistogram(); h != nil {
		return float64(h.GetSampleCount())
	}
	return m.GetCounter().GetValue()
}

// timeless leaves out when a series began, which may be the instant of its first act.
func timeless(m *dto.Metric) {
	if m.Counter != nil {
		m.Counter.CreatedTimestamp = nil
	}
	if m.Histogram != nil {
		m.Histogram.CreatedTimestamp = nil
	}
}
