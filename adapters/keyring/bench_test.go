package keyring_test

import (
	"crypto/rand"
	mathrand "math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
)

func BenchmarkSeal(b *testing.B) {
	s := oneSealer(b)
	content, bound := make([]byte, 200), make([]byte, 40)
	b.ReportAllocs()
	for b.Loop() {
		s.Seal(content, bound)
	}
}

func BenchmarkOpen(b *testing.B) {
	s := oneSealer(b)
	bound := make([]byte, 40)
	sealed, _ := s.Seal(make([]byte, 200), bound)
	b.ReportAllocs()
	for b.Loop() {
		s.Open(sealed, bound)
	}
}

// BenchmarkOpenCold opens for one owner after the other, more than there are ciphers kept ready.
func BenchmarkOpenCold(b *testing.B) {
	ring, err := keyring.Memory(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	const owners = 20_000
	sealed := make([][]byte, owners)
	sealers := make([]keyring.Sealer, owners)
	for n := range owners {
		ring.Create(b.Context(), client(n))
		sealers[n], _ = ring.Sealer(b.Context(), client(n))
		sealed[n], _ = sealers[n].Seal(make([]byte, 200), nil)
	}
	n := 0
	for b.Loop() {
		sealers[n].Open(sealed[n], nil)
		n = (n + 1) % owners
	}
}

func oneSealer(b *testing.B) keyring.Sealer {
	b.Helper()
	ring, err := keyring.Memory(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	if err := ring.Create(b.Context(), client(1)); err != nil {
		b.Fatal(err)
	}
	s, err := ring.Sealer(b.Context(), client(1))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkCreate1(b *testing.B)   { benchmarkCreate(b, 1) }
func BenchmarkCreate256(b *testing.B) { benchmarkCreate(b, 256) }

func benchmarkCreate(b *testing.B, callers int) {
	d, err := disk.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	ring, err := keyring.OpenFile(d, "keys", rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	defer ring.Close()
	b.ResetTimer()
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := ring.Create(b.Context(), client(int(n))); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

const keys = 1_000_000

// million makes a keyring with a million keys.
func million(b *testing.B, d disk.Disk) *keyring.FileRing {
	b.Helper()
	ring, err := keyring.OpenFile(d, "keys", rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range 256 {
		all.Go(func() {
			for n := w; n < keys; n += 256 {
				if err := ring.Create(b.Context(), client(n)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	return ring
}

// BenchmarkOpenMillion opens a file of a million keys, and reports what each takes in memory.
func BenchmarkOpenMillion(b *testing.B) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring := million(b, d)
	ring.Close()
	ring = nil
	before := heap()
	for b.Loop() {
		var err error
		if ring, err = keyring.OpenFile(d, "keys", rand.Reader); err != nil {
			b.Fatal(err)
		}
		ring.Close()
	}
	b.ReportMetric(float64(heap()-before)/keys, "B/key")
	runtime.KeepAlive(ring)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRotate wraps a million keys anew, on a real disk, and reports the memory that a key takes after.
func BenchmarkRotate(b *testing.B) { benchmarkRotate(b, false) }

// BenchmarkRotateBusy does so while others seal, make and destroy keys without a pause, and reports the longest that one waited.
func BenchmarkRotateBusy(b *testing.B) { benchmarkRotate(b, true) }

func benchmarkRotate(b *testing.B, busy bool) {
	d, err := disk.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	before := heap()
	ring := million(b, d)
	defer ring.Close()
	sealer, err := ring.Sealer(b.Context(), client(1))
	if err != nil {
		b.Fatal(err)
	}
	made := keys
	others := []func(){
		func() { sealer.Seal(make([]byte, 200), nil) },
		func() { made++; ring.Create(b.Context(), client(made)) },
		func() { ring.Destroy(b.Context(), client(keys/2)) },
	}
	longest := make([]time.Duration, len(others))
	day := 0
	for b.Loop() {
		done := make(chan struct{})
		var all sync.WaitGroup
		for i, do := range others {
			if !busy {
				break
			}
			all.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						start := time.Now()
						do()
						longest[i] = max(longest[i], time.Since(start))
					}
				}
			})
		}
		day++
		if err := ring.Rotate(b.Context(), on(day)); err != nil {
			b.Fatal(err)
		}
		close(done)
		all.Wait()
	}
	for i, what := range []string{"seal", "create", "destroy"} {
		b.ReportMetric(float64(longest[i].Microseconds())/1e3, "ms-longest-"+what)
	}
	b.ReportMetric(float64(heap()-before)/keys, "B/key")
}
