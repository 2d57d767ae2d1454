package operations

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"samtykke/domain"
)

// Sources are where figures are read. All are needed.
type Sources struct {
	Clock    func() time.Time
	Head     func(context.Context) (uint64, error)           // position of the ledger's last event
	Views    func() uint64                                   // position up to which the views show it
	Epoch    func() time.Time                                // when the current epoch of keys began; zero: there is none yet
	Appends  func(context.Context) error                     // why the ledger takes none; nil: it does
	Erasures func(context.Context, domain.Date) (int, error) // begun on that day or earlier, and not finished
	Halted   func() error                                    // why no look-up shows anything, such as a clock that is off; nil: it does
}

// Figures are how the service fares at an instant.
type Figures struct {
	ViewsLag        uint64
	ViewsBehind     time.Duration
	CheckpointAge   time.Duration
	CheckpointSize  uint64
	EpochAge        time.Duration
	EpochOverdue    time.Duration
	TickAge         time.Duration
	AppendsRefused  int // 1: they are, or the ledger cannot be read
	ErasuresOverdue int
	LookUpsHalted   int // 1: they show nothing
}

// A Watch reads the figures, and remembers what can only be told over time. Its methods may be called by several goroutines.
type Watch struct {
	from Sources

	mu     sync.Mutex
	signed time.Time
	size   uint64
	ticked time.Time
	goal   uint64 // what the views are to show
	since  time.Time
}

// NewWatch begins to watch: ages count from now.
func NewWatch(from Sources) *Watch {
	now := from.Clock()
	return &Watch{from: from, signed: now, ticked: now, since: now}
}

// Signed says that the newest checkpoint covers the whole ledger, and how many events those are.
func (w *Watch) Signed(size uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.signed, w.size = w.from.Clock(), size
}

// Ticked says that time has passed for every client.
func (w *Watch) Ticked() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ticked = w.from.Clock()
}

// Read reads the figures.
func (w *Watch) Read(ctx context.Context) Figures {
	shown := w.from.Views() // before the head, which it then is never ahead of
	head, err := w.from.Head(ctx)
	if err == nil {
		err = w.from.Appends(ctx)
	}
	now, begun := w.from.Clock(), w.from.Epoch()
	overdue, errOverdue := w.from.Erasures(ctx, domain.DateOf(now)-1)
	err = errors.Join(err, errOverdue)
	f := Figures{
		EpochAge: now.Sub(begun), EpochOverdue: max(0, now.Sub(begun.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1))),
		ErasuresOverdue: overdue,
	}
	if err != nil {
		f.AppendsRefused = 1
	}
	if w.from.Halted() != nil {
		f.LookUpsHalted = 1
	}
	if head > shown {
		f.ViewsLag = head - shown
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if shown >= w.goal {
		w.goal, w.since = head, now
	}
	f.ViewsBehind = now.Sub(w.since)
	f.CheckpointAge, f.CheckpointSize, f.TickAge = now.Sub(w.signed), w.size, now.Sub(w.ticked)
	return f
}

// Describe implements prometheus.Collector.
func (w *Watch) Describe(to chan<- *prometheus.Desc) {
	for _, f := range figures {
		to <- f.desc()
	}
}

// Collect implements prometheus.Collector.
func (w *Watch) Collect(to chan<- prometheus.Metric) {
	ctx, stop := context.WithTimeout(context.Background(), readWithin)
	defer stop()
	now := w.Read(ctx)
	for _, f := range figures {
		to <- prometheus.MustNewConstMetric(f.desc(), prometheus.GaugeValue, f.of(&now))
	}
}

func (f *figure) desc() *prometheus.Desc { return prometheus.NewDesc(prefix+f.name, f.help, nil, nil) }
