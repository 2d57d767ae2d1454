package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	"samtykke/eventschema"
)

// replay measures how fast the views are made anew from a ledger of open events, beside reading it alone and beside
// reading and decoding it.
func (b *bench) replay() error {
	if err := b.newHistory(); err != nil {
		return err
	}
	s, err := b.world(b.history, new(benchClock)).open(b.ctx)
	if err != nil {
		return err
	}
	s.keeper, s.desk = s.keeper.Fresh(), nil // what opening filled would be counted as memory of the replay
	r, err := b.reread(s)
	if err != nil {
		return err
	}
	const section = "replay of open events"
	clients := grouped(float64(r.clients)) + " clients"
	b.add(benchLine{Section: section, What: "reading alone", Figure: r.read, Unit: perSecond, Note: grouped(r.events) + " events, " + r.cores[0]}, nil)
	b.add(benchLine{Section: section, What: "reading and decoding", Figure: r.decode, Unit: perSecond, Against: "reading alone", Yardstick: r.read, Note: r.cores[1]}, nil)
	b.add(benchLine{Section: section, What: "reading, decoding, folding all views", Figure: r.fold, Unit: perSecond,
		Against: "reading and decoding", Yardstick: r.decode, Note: clients + ", " + r.cores[2]}, &aim{least: 900_000, floor: 500_000})
	b.add(benchLine{Section: section, What: "most heap beyond what was there before", Figure: r.heap, Unit: bytesHeld, Note: clients}, nil)
	if r.rss > 0 {
		b.add(benchLine{Section: section, What: "most memory resident, the whole process", Figure: r.rss, Unit: bytesHeld, Note: clients}, nil)
	}
	return s.closeFiles()
}

// sealed measures the same where nearly all events are sealed, and opened for the view of registrations.
func (b *bench) sealed() error {
	p, err := b.newSharing("sealed", b.people, 24, b.journal)
	if err != nil {
		return err
	}
	r, err := b.reread(p.sys)
	if err != nil {
		return err
	}
	opened, err := b.openAll(p.sys)
	if err != nil {
		return err
	}
	const section = "replay of sealed events"
	b.add(benchLine{Section: section, What: "reading, decoding, opening, on one core", Figure: opened, Unit: perSecond, Against: "reading and decoding closed", Yardstick: r.decode,
		Note: fmt.Sprintf("%s events, %s of them sealed", grouped(r.events), grouped(float64(b.people*(b.journal+1))))}, nil)
	b.add(benchLine{Section: section, What: "reading, decoding, opening, folding all views", Figure: r.fold, Unit: perSecond,
		Against: "opening", Yardstick: opened, Note: grouped(float64(r.clients)) + " clients, " + r.cores[2]}, nil)
	return p.sys.closeFiles()
}

// rereading is what came of reading a ledger three ways. Rates are events a second, memory is bytes.
type rereading struct {
	events             float64
	clients            int
	read, decode, fold float64
	heap, rss          float64
	cores              [3]string
}

func (b *bench) reread(s *system) (rereading, error) {
	head, err := s.store.Head(b.ctx)
	if err != nil {
		return rereading{}, err
	}
	r := rereading{events: float64(head)}
	var read, decode, fold []float64
	var cores [3][]float64
	for range b.reads {
		for i, way := range []struct {
			into *[]float64
			do   func() error
		}{
			{&read, func() error { return readAll(b.ctx, s, head) }},
			{&decode, func() error { return decodeAll(b.ctx, s, head) }},
			{&fold, func() error {
				k := s.keeper.Fresh()
				heap, rss, err := watchMemory(func() error { return k.CatchUp(b.ctx) })
				if err != nil {
					return err
				}
				r.heap, r.rss = max(r.heap, heap), max(r.rss, rss)
				r.clients, err = k.Handles.Len(b.ctx)
				return err
			}},
		} {
			debug.FreeOSMemory()
			worked := processor()
			took, err := timed(way.do)
			if err != nil {
				return r, err
			}
			*way.into = append(*way.into, r.events/took)
			cores[i] = append(cores[i], (processor()-worked)/r.events)
		}
	}
	r.read, r.decode, r.fold = median(read), median(decode), median(fold)
	for i := range cores {
		r.cores[i] = "cores " + seconds.show(median(cores[i]))
	}
	return r, nil
}

func readAll(ctx context.Context, s *system, head uint64) error {
	for r, err := range s.store.After(ctx, 0) {
		if err != nil {
			return err
		}
		if r.Position >= head {
			break
		}
	}
	return nil
}

// decodeAll reads on one core and decodes on all, without opening what is sealed.
func decodeAll(ctx context.Context, s *system, head uint64) error {
	work := make(chan []eventschema.Record, 8)
	var all sync.WaitGroup
	errs := make([]error, runtime.GOMAXPROCS(0))
	for i := range errs {
		all.Go(func() {
			for records := range work {
				for k := range records {
					if _, err := eventschema.Today.Decode(&records[k], nil); err != nil {
						errs[i] = err
					}
				}
			}
		})
	}
	var records []eventschema.Record
	for r, err := range s.store.After(ctx, 0) {
		if err != nil {
			errs[0] = err
			break
		}
		records = append(records, r)
		if len(records) == 1024 || r.Position >= head {
			work <- records
			records = make([]eventschema.Record, 0, 1024)
		}
		if r.Position >= head {
			break
		}
	}
	close(work)
	all.Wait()
	return errors.Join(errs...)
}

// openAll gives how many events a second are read, decoded and opened by one reader.
func (b *bench) openAll(s *system) (float64, error) {
	head, err := s.store.Head(b.ctx)
	if err != nil {
		return 0, err
	}
	took, err := timed(func() error {
		return s.ledger.Upto(b.ctx, head, true, func(*eventschema.Fact) error { return nil })
	})
	return float64(head) / took, err
}

// opening measures how long a data directory takes to open: with the snapshots of index and views, and without.
func (b *bench) opening() error {
	if err := b.newHistory(); err != nil {
		return err
	}
	w := b.world(b.history, new(benchClock))
	var with, without []float64
	for range b.reads {
		for _, name := range []string{ledgerDir + "/index", "views/snapshot"} {
			if err := w.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		for _, into := range []*[]float64{&without, &with} {
			var s *system
			debug.FreeOSMemory()
			took, err := timed(func() (err error) {
				s, err = w.open(b.ctx)
				return err
			})
			if err != nil {
				return err
			}
			*into = append(*into, took)
			if err := s.close(); err != nil {
				return err
			}
		}
	}
	const section = "opening that ledger"
	b.add(benchLine{Section: section, What: "without snapshots: all is read and folded", Figure: median(without), Unit: seconds}, nil)
	b.add(benchLine{Section: section, What: "with snapshots of index and views", Figure: median(with), Unit: seconds, Against: "without", Yardstick: median(without)},
		&aim{most: 1})
	return nil
}

// watchMemory gives the most heap in use beyond that at the beginning, and the most memory of the process resident,
// 0 where the system does not tell.
func watchMemory(do func() error) (heap, rss float64, err error) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	inUse := func() float64 {
		metrics.Read(sample)
		return float64(sample[0].Value.Uint64())
	}
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // Linux: the peak begins anew
	before := inUse()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				heap = max(heap, inUse()-before)
			case <-stop:
				tick.Stop()
				return
			}
		}
	}()
	err = do()
	close(stop)
	<-stopped
	return max(heap, inUse()-before), peakResident(), err
}

// peakResident and resident are how much memory of the process was at most, or is, in the machine's, in bytes; 0 where the
// system does not tell.
func peakResident() float64 { return memory("VmHWM:") }
func resident() float64     { return memory("VmRSS:") }

func memory(line string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), line)
	figure, _, _ := strings.Cut(rest, " kB")
	kilobytes, _ := strconv.ParseFloat(strings.TrimSpace(figure), 64)
	return kilobytes * 1024
}
