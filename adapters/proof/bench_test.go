package proof_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/proof"
	"samtykke/eventschema"
)

// A made ledger has any number of events of 300 bytes and takes no memory for them, so that what is measured is the proofs.
type made struct{ head uint64 }

var content = make([]byte, 300)

func madeRecord(position uint64) eventschema.Record {
	r := eventschema.Record{
		Stream: "client-1b4e28ba-2fa1-41d2-883f-0016d3cca427", Version: position, Position: position, Data: content,
	}
	r.ID[0], r.ID[1], r.ID[2] = byte(position>>16), byte(position>>8), byte(position)
	return r
}

func (m *made) Head(context.Context) (ledger.Position, error) { return m.head, nil }

func (m *made) After(_ context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for p++; yield(madeRecord(p), nil); p++ {
		}
	}
}

func (m *made) Append(context.Context, string, uint64, ...eventschema.Record) (ledger.Position, error) {
	return 0, ledger.ErrRefused
}

func (m *made) Stream(context.Context, string, uint64) iter.Seq2[eventschema.Record, error] {
	return func(func(eventschema.Record, error) bool) {}
}

func folder(b *testing.B) disk.Disk {
	d, err := disk.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func keeper(b *testing.B, d disk.Disk, store ledger.Store) *proof.Keeper {
	k, err := proof.Open(b.Context(), d, key(b, 1), store, proof.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { k.Close() })
	return k
}

// BenchmarkHashing is an event's leaf and its share of the tree, without files.
func BenchmarkHashing(b *testing.B) {
	var t proof.Tree
	r := madeRecord(1)
	for b.Loop() {
		t.Add(tlog.Hash(r.Leaf()))
	}
}

// BenchmarkUpkeep is all that an event costs: hashing, tiles, and a checkpoint for every so many events, durable.
func BenchmarkUpkeep(b *testing.B) {
	for _, every := range []uint64{1000, 9000, 45_000} {
		b.Run(fmt.Sprint("checkpoint every ", every), func(b *testing.B) {
			store := &made{}
			k := keeper(b, folder(b), store)
			b.ReportAllocs()
			for store.head < uint64(b.N) {
				store.head = min(store.head+every, uint64(b.N))
				if _, err := k.Checkpoint(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckpoint is one asked for after a single event.
func BenchmarkCheckpoint(b *testing.B) {
	store := &made{head: 100_000}
	k := keeper(b, folder(b), store)
	if _, err := k.Checkpoint(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		store.head++
		if _, err := k.Checkpoint(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMillion works on a million events.
func BenchmarkMillion(b *testing.B) {
	const events = 1_000_000
	store, d := &made{head: 12_345}, folder(b)
	k := keeper(b, d, store)
	for ; store.head <= events; store.head += 1000 {
		if _, err := k.Checkpoint(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	c, err := k.Checkpoint(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if err := k.Close(); err != nil {
				b.Fatal(err)
			}
			k = keeper(b, d, store)
		}
	})
	b.Run("inclusion", func(b *testing.B) {
		for n := uint64(0); b.Loop(); n += 99_991 {
			if _, err := k.Inclusion(b.Context(), 1+n%c.Size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("consistency", func(b *testing.B) {
		for n := uint64(0); b.Loop(); n += 99_991 {
			if _, err := k.Consistency(b.Context(), 1+n%c.Size, c.Size); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := proof.Verify(b.Context(), store, d, key(b, 1).Verifier(), c.Note); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenCheckpoint is most of what it takes to check a proof: its signature.
func BenchmarkOpenCheckpoint(b *testing.B) {
	l := newLog(b, newDisk(1))
	defer l.keeper.Close()
	l.append(1000)
	c := l.checkpoint()
	for b.Loop() {
		if _, err := proof.OpenCheckpoint(c.Note, l.key.Verifier()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBeside is how fast 256 callers append to a store of files, each in a stream of its own, alone and with a keeper that
// signs every second. Looking somebody up takes far longer than this.
func BenchmarkBeside(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprint("keeper=", with), func(b *testing.B) {
			d := folder(b)
			store, _, err := filestore.Open(disk.Sub(d, "ledger"), filestore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			ctx, stop := context.WithCancel(b.Context())
			var all, run sync.WaitGroup
			if with {
				k := keeper(b, disk.Sub(d, "proof"), store)
				run.Go(func() {
					if err := k.Run(ctx); !errors.Is(err, context.Canceled) {
						b.Error(err)
					}
				})
			}
			var begun atomic.Int64
			b.ResetTimer()
			for c := range 256 {
				all.Go(func() {
					r := madeRecord(uint64(c))
					for version := uint64(0); begun.Add(1) <= int64(b.N); version++ {
						if _, err := store.Append(b.Context(), fmt.Sprint("client-1b4e28ba-2fa1-41d2-883f-", 100000000000+c), version, r); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			stop()
			run.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
