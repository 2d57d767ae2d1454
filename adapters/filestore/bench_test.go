package filestore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

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
