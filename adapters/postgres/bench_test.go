package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/eventschema"
)

const eventBytes = 300

func event(n int) eventschema.Record {
	r := ledgertest.Record(n)
	r.Data, r.Sealed = make([]byte, eventBytes), nil
	return r
}

func streamOf(caller int) string {
	return fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 100000000000+caller)
}

// BenchmarkAppend appends events of 300 bytes, each caller to a stream of its own, and by turns with that has the same server do one
// INSERT for each event, each caller over a connection of its own, into a table with the same columns and indexes. That promises
// less: its positions have gaps and are not in the order of commits.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			dsn := postgrestest.Database(b)
			s := mustOpen(b, dsn, postgres.Options{})
			exec(b, dsn, `CREATE TABLE event (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, version bigint NOT NULL,
				id uuid NOT NULL, stream text COLLATE "C" NOT NULL, data bytea NOT NULL, UNIQUE (stream, version))`)
			appending, inserting := make([]func() error, callers), make([]func() error, callers)
			for c := range callers {
				conn, err := pgx.Connect(b.Context(), dsn)
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close(context.Background())
				stream, r, version := streamOf(c), event(c), uint64(0)
				appending[c] = func() error {
					version++
					_, err := s.Append(context.Background(), stream, version-1, r)
					return err
				}
				inserted := 0
				inserting[c] = func() error {
					inserted++
					_, err := conn.Exec(context.Background(), "INSERT INTO event (version, id, stream, data) VALUES ($1, $2, $3, $4)",
						inserted, [16]byte(r.ID), stream, r.Data)
					return err
				}
			}
			const laps = 10
			each := max(b.N/laps/callers, 1)
			lap(b, appending, 1) // to warm up
			lap(b, inserting, 1)
			var appends, inserts time.Duration
			b.ResetTimer()
			for range laps {
				appends += lap(b, appending, each)
				inserts += lap(b, inserting, each)
			}
			b.StopTimer()
			events := float64(laps * each * callers)
			b.ReportMetric(events/appends.Seconds(), "events/s")
			b.ReportMetric(events/inserts.Seconds(), "inserts/s")
			b.ReportMetric(inserts.Seconds()/appends.Seconds(), "times-inserts")
		})
	}
}

// lap has every caller write so many events, and takes the time.
func lap(b *testing.B, callers []func() error, each int) time.Duration {
	var all sync.WaitGroup
	begun := time.Now()
	for _, write := range callers {
		all.Go(func() {
			for range each {
				if err := write(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}

// BenchmarkFollow measures how far a reader is behind 64 writers who keep to half of what they can do: from the answer of an
// append to the reader having it (0 if it had it before), and from the call. The reader is in the writers' process, or in another.
func BenchmarkFollow(b *testing.B) {
	for _, name := range []string{"same process", "other process"} {
		b.Run(name, func(b *testing.B) {
			const callers = 64
			dsn := postgrestest.Database(b)
			s, reads := mustOpen(b, dsn, postgres.Options{}), (*postgres.Store)(nil)
			if reads = s; name != "same process" {
				reads = mustOpen(b, dsn, postgres.Options{})
			}
			var written [callers]uint64
			write := func(caller int) error {
				_, err := s.Append(context.Background(), streamOf(caller), written[caller], event(caller))
				written[caller]++
				return err
			}
			const full = 20_000
			each := func(count int, do func(caller int)) {
				var all sync.WaitGroup
				for c := range callers {
					all.Go(func() {
						for range count / callers {
							do(c)
						}
					})
				}
				all.Wait()
			}
			begun := time.Now()
			each(full, func(c int) { write(c) })
			every := 2 * time.Since(begun) / (full / callers) // between two appends of a caller

			head, err := s.Head(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			count := max(b.N, full) / callers * callers
			type times struct{ called, answered, seen time.Time }
			all := make([]times, count)
			var reading sync.WaitGroup
			reading.Go(func() {
				for r, err := range reads.After(b.Context(), head) {
					if err != nil {
						b.Error(err)
						return
					}
					all[r.Position-head-1].seen = time.Now()
					if r.Position == head+uint64(count) {
						return
					}
				}
			})
			b.ResetTimer()
			var next [callers]time.Time
			each(count, func(c int) {
				if next[c].IsZero() {
					next[c] = time.Now().Add(every * time.Duration(c) / callers)
				}
				time.Sleep(time.Until(next[c]))
				next[c] = next[c].Add(every)
				called := time.Now()
				p, err := s.Append(context.Background(), streamOf(c), written[c], event(c))
				if err != nil {
					b.Error(err)
					return
				}
				written[c]++
				all[p-head-1].called, all[p-head-1].answered = called, time.Now()
			})
			reading.Wait()
			b.StopTimer()
			var behind, whole []time.Duration
			for _, t := range all {
				behind, whole = append(behind, max(0, t.seen.Sub(t.answered))), append(whole, t.seen.Sub(t.called))
			}
			slices.Sort(behind)
			slices.Sort(whole)
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(ms(behind[count/2]), "ms-behind-p50")
			b.ReportMetric(ms(behind[count*99/100]), "ms-behind-p99")
			b.ReportMetric(ms(whole[count/2]), "ms-whole-p50")
			b.ReportMetric(ms(whole[count*99/100]), "ms-whole-p99")
			b.ReportMetric(float64(callers)/every.Seconds(), "events/s")
		})
	}
}

// BenchmarkRead reads a ledger of 200,000 events of 300 bytes: whole, and one stream's end.
func BenchmarkRead(b *testing.B) {
	s := mustOpen(b, postgrestest.Database(b), postgres.Options{})
	const records, streams = 200_000, 1000
	var all sync.WaitGroup
	for c := range streams {
		all.Go(func() {
			for version := range uint64(records / streams) {
				if _, err := s.Append(context.Background(), streamOf(c), version, event(c)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.Run("after", func(b *testing.B) {
		for b.Loop() {
			ledgertest.Between(b, s, 0, records)
		}
		b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("stream's end", func(b *testing.B) {
		for b.Loop() {
			ledgertest.Read(b, s, streamOf(7), records/streams+1)
		}
	})
	b.Run("stream", func(b *testing.B) {
		for b.Loop() {
			ledgertest.Read(b, s, streamOf(7), 1)
		}
	})
}
