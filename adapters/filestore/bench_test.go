package filestore_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/eventschema"
)

const eventBytes = 300

func event(n int) eventschema.Record {
	r := ledgertest.Record(n)
	r.Data, r.Sealed = make([]byte, eventBytes), nil
	return r
}

// BenchmarkAppend appends events of 300 bytes, each caller to a stream of its own. Compare with BenchmarkRaw.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s, _, err := filestore.Open(osDisk(b), filestore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var begun atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for c := range callers {
				all.Go(func() {
					stream, r := fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 100000000000+c), event(c)
					for version := uint64(0); begun.Add(1) <= int64(b.N); version++ {
						if _, err := s.Append(context.Background(), stream, version, r); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkRaw is the limit of the disk: the same bytes per event, as many per write as there are callers, each write
// over zeros and followed by one fdatasync.
func BenchmarkRaw(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			const frame = 448 // what an event of 300 bytes takes in the log
			f, err := osDisk(b).Open("raw", true)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			const size = 64 << 20
			if _, err := f.WriteAt(make([]byte, size), 0); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			batch := make([]byte, frame*callers)
			for i := range batch {
				batch[i] = byte(i) | 1
			}
			at := int64(0)
			b.ResetTimer()
			for n := 0; n < b.N; n += callers {
				if at+int64(len(batch)) > size {
					at = 0
				}
				if _, err := f.WriteAt(batch, at); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				at += int64(len(batch))
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// million makes a store of a million events in 20,000 streams.
func million(b *testing.B) disk.Disk {
	const records, streams, writers = 1_000_000, 20_000, 1000
	d := osDisk(b)
	s, _, err := filestore.Open(d, filestore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	for c := range writers {
		all.Go(func() {
			for version := range uint64(records / streams) {
				for i := range streams / writers {
					stream := fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 100000000000+c*streams/writers+i)
					if _, err := s.Append(context.Background(), stream, version, event(int(version))); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkMillion opens and reads a store of a million events of 300 bytes in 20,000 streams.
func BenchmarkMillion(b *testing.B) {
	d := million(b)
	open := func(b *testing.B) *filestore.Store {
		s, report, err := filestore.OpenReader(d, filestore.Options{})
		if err != nil || report.Records != 1_000_000 {
			b.Fatal(report, err)
		}
		return s
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			open(b).Close()
		}
	})
	b.Run("after", func(b *testing.B) {
		s := open(b)
		defer s.Close()
		for b.Loop() {
			for r, err := range s.After(b.Context(), 0) {
				if err != nil {
					b.Fatal(err)
				}
				if r.Position == 1_000_000 {
					break
				}
			}
		}
		b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("stream", func(b *testing.B) { // 50 records in 50 appends
		s := open(b)
		defer s.Close()
		for b.Loop() {
			for _, err := range s.Stream(b.Context(), "client-1b4e28ba-2fa1-41d2-883f-100000010000", 1) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("open without index", func(b *testing.B) {
		if err := d.Remove("index"); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			open(b).Close()
		}
	})
}

var eraseBytes = flag.Int("erase.bytes", 1<<30, "the length of the log that BenchmarkErase sweeps")

// sealedLogOf makes a store of eraseBytes of sealed events, 300 bytes of each sealed, in 20,000 streams.
func sealedLogOf(b *testing.B, opts filestore.Options) (s *filestore.Store, records int) {
	const streams, writers, frame = 20_000, 500, 504
	s = mustOpen(b, osDisk(b), opts)
	each := *eraseBytes / frame / streams
	var all sync.WaitGroup
	for c := range writers {
		all.Go(func() {
			for version := range uint64(each) {
				for i := range streams / writers {
					r := event(int(version))
					r.Data, r.Sealed = r.Data[:60], r.Data
					stream := fmt.Sprint("journal-1b4e28ba-2fa1-41d2-883f-", 100000000000+c*streams/writers+i)
					if _, err := s.Append(context.Background(), stream, version, r); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	return s, each * streams
}

// BenchmarkErase sweeps a log whole, alone and beside writers: how long that takes, and what part of their rate the
// writers keep. For that it holds the sweep up every second for a second, and counts what they write with it and without;
// the time it is held up does not count as the sweep's. To be run with -benchtime 1x.
func BenchmarkErase(b *testing.B) {
	for _, callers := range []int{0, 1, 16, 64, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			var heldUp atomic.Int64
			clock := func() time.Time { return time.Now().Add(-time.Duration(heldUp.Load())) }
			s, records := sealedLogOf(b, filestore.Options{Clock: clock})
			var written atomic.Int64
			var all sync.WaitGroup
			ctx, stop := context.WithCancel(context.Background())
			for c := range callers {
				all.Go(func() {
					stream, r := fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 100000000000+c), event(c)
					for version := uint64(0); ctx.Err() == nil; version++ {
						if _, err := s.Append(context.Background(), stream, version, r); err != nil {
							b.Error(err)
							return
						}
						written.Add(1)
					}
				})
			}
			var with, without struct{ events, seconds float64 }
			begun, before := time.Now(), written.Load()
			lap := func(to *struct{ events, seconds float64 }) {
				now, count := time.Now(), written.Load()
				to.events += float64(count - before)
				to.seconds += now.Sub(begun).Seconds()
				begun, before = now, count
			}
			asked := 0
			n, err := s.Erase(b.Context(), func(*eventschema.Record) (bool, error) {
				if asked++; callers > 0 && asked%1000 == 0 && time.Since(begun) > time.Second {
					lap(&with)
					time.Sleep(time.Second)
					heldUp.Add(int64(time.Since(begun)))
					lap(&without)
				}
				return true, nil
			})
			lap(&with)
			if n != records || err != nil {
				b.Errorf("%d records, %v; want %d", n, err, records)
			}
			stop()
			all.Wait()
			b.ReportMetric(with.seconds, "s/sweep")
			if callers > 0 {
				b.ReportMetric(with.events/with.seconds, "events/s-beside")
				b.ReportMetric(without.events/without.seconds, "events/s-without")
				b.ReportMetric(with.events/with.seconds*without.seconds/without.events, "kept")
			}
			s.Close()
		})
	}
}

// BenchmarkEraseStream erases streams of a hundred sealed events in a hundred appends, one at a time.
func BenchmarkEraseStream(b *testing.B) {
	s := mustOpen(b, osDisk(b), filestore.Options{})
	var all sync.WaitGroup
	for c := range b.N {
		all.Go(func() {
			for v := range uint64(100) {
				r := event(int(v))
				r.Data, r.Sealed = r.Data[:60], r.Data
				if _, err := s.Append(context.Background(), fmt.Sprint("stream ", c), v, r); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ResetTimer()
	for c := range b.N {
		if n, err := s.Erase(b.Context(), func(*eventschema.Record) (bool, error) { return true, nil }, fmt.Sprint("stream ", c)); n != 100 || err != nil {
			b.Fatal(n, err)
		}
	}
}
