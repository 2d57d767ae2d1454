package filestore_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/domain"
	"samtykke/eventschema"
)

var (
	crashSeed  = flag.Uint64("crash.seed", 0, "the only seed that TestCrash runs; 0: the first ones")
	crashSeeds = flag.Uint64("crash.seeds", 300, "how many seeds TestCrash and TestCrashManyTimes run")
)

// TestCrash has several writers append, and one erase, while the power goes at a random moment, again and again on one
// disk: whatever was answered for is there, what was not is there whole or not at all, and the store goes on. What a sweep
// that was answered for had chosen is erased; what another had is erased or whole.
func TestCrash(t *testing.T) {
	if *crashSeed != 0 {
		(&crashRun{seed: *crashSeed}).run(t)
		return
	}
	crashes(t, 1, min(fewSeeds, *crashSeeds))
}

// TestCrashManyTimes is the same with the other seeds: what they add is other moments, not other writers beside each other.
func TestCrashManyTimes(t *testing.T) { crashes(t, fewSeeds+1, *crashSeeds) }

const fewSeeds = 40 // that TestCrash runs

func crashes(t *testing.T, from, to uint64) {
	for n := from; n <= to; n++ {
		if c := (&crashRun{seed: n}); !t.Run(fmt.Sprint("seed ", c.seed), c.run) {
			t.Fatalf("again with: go test ./adapters/filestore -run TestCrash -crash.seed %d", c.seed)
		}
	}
}

// A crashRun is one disk's life. The seed decides when the power goes and what is left, but not in which order the
// writers come: a seed that failed may need several runs to fail again.
type crashRun struct {
	seed   uint64
	random *rand.Rand
	disk   *simdisk.Disk

	mu     sync.Mutex
	model  map[string][]attempt // what was tried, per stream
	serial int
	erased map[domain.ID]bool // what sweeps chose: true if they were answered for
}

// An attempt is one call of Append.
type attempt struct {
	after    uint64
	records  []eventschema.Record
	answered bool
}

func (c *crashRun) run(t *testing.T) {
	c.random = rand.New(rand.NewPCG(c.seed, 1))
	c.disk = simdisk.New(rand.NewPCG(c.seed, 2))
	c.model, c.erased = map[string][]attempt{}, map[domain.ID]bool{}
	for range 4 {
		// The same moment, crashed in another way first: it must be sound as well.
		c.life(t)
		other := c.disk.Clone(rand.NewPCG(c.seed, c.random.Uint64()))
		other.Crash()
		c.examine(t, other, false)
		c.disk.Crash()
		c.examine(t, c.disk, true)
	}
}

// life opens the store and works on it until the power goes.
func (c *crashRun) life(t *testing.T) {
	if c.random.IntN(4) > 0 {
		c.disk.CutPower(1 + c.random.IntN(120)) // now and then while it opens
	}
	s, _, err := filestore.Open(c.disk, small)
	if err != nil {
		if !errors.Is(err, simdisk.ErrCrashed) {
			t.Fatalf("open: %v", err)
		}
		return
	}
	writers, seeds := 1+c.random.IntN(4), make([]uint64, 4)
	for i := range seeds {
		seeds[i] = c.random.Uint64()
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { c.write(t, s, w, rand.New(rand.NewPCG(seeds[w], 3))) })
	}
	if c.random.IntN(2) == 0 {
		all.Go(func() { c.erase(t, s) })
	}
	all.Wait()
	if c.random.IntN(2) == 0 {
		s.Close() // its error is the power's
		return
	}
	// As a killed process: nothing is tidied up. Close after the crash lets the goroutines end.
	t.Cleanup(func() { s.Close() })
}

func (c *crashRun) write(t *testing.T, s *filestore.Store, w int, random *rand.Rand) {
	for range 30 {
		stream := fmt.Sprintf("stream %d of writer %d", random.IntN(3), w)
		c.mu.Lock()
		there := c.model[stream]
		a := attempt{records: c.records(random)}
		if n := len(there); n > 0 {
			last := there[n-1]
			a.after = last.after + uint64(len(last.records))
		}
		i := len(there)
		c.model[stream] = append(there, a)
		c.mu.Unlock()
		if _, err := s.Append(context.Background(), stream, a.after, a.records...); err != nil {
			if !errors.Is(err, ledger.ErrEnded) {
				t.Errorf("append: %v", err)
			}
			return
		}
		c.mu.Lock()
		c.model[stream][i].answered = true
		c.mu.Unlock()
	}
}

// erase erases half of what there is, by stream and in the whole log.
func (c *crashRun) erase(t *testing.T, s *filestore.Store) {
	for _, streams := range [][]string{{"stream 0 of writer 0", "stream 1 of writer 1"}, nil} {
		var chosen []domain.ID
		_, err := s.Erase(context.Background(), func(r *eventschema.Record) (bool, error) {
			if r.ID[0]%2 == 0 {
				chosen = append(chosen, r.ID)
			}
			return r.ID[0]%2 == 0, nil
		}, streams...)
		for _, id := range chosen {
			c.erased[id] = c.erased[id] || err == nil
		}
		if err != nil {
			if !errors.Is(err, ledger.ErrEnded) && !errors.Is(err, simdisk.ErrCrashed) {
				t.Errorf("erase: %v", err)
			}
			return
		}
	}
}

// records makes a few records of all sizes, never made before.
func (c *crashRun) records(random *rand.Rand) []eventschema.Record {
	records := ledgertest.Records(c.serial, 1+random.IntN(3))
	c.serial += len(records)
	for i := range records {
		size := []int{0, 10, 300, 2000}[random.IntN(4)]
		records[i].Data = append(records[i].Data, make([]byte, random.IntN(size+1))...)
		if records[i].Sealed != nil {
			for range random.IntN(size + 1) {
				records[i].Sealed = append(records[i].Sealed, byte(random.Uint32()))
			}
		}
	}
	return records
}

// examine opens what the crash left and compares it with what was answered. With settle, the model forgets what is lost.
func (c *crashRun) examine(t *testing.T, d *simdisk.Disk, settle bool) {
	t.Helper()
	s, _, err := filestore.Open(d, small)
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer s.Close()
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Fatalf("verify after the crash: %v", err)
	}
	total := 0
	for stream, tried := range c.model {
		got := ledgertest.Read(t, s, stream, 0)
		total += len(got)
		for i, a := range tried {
			if uint64(len(got)) <= a.after {
				if a.answered {
					t.Fatalf("%s: an append after version %d was answered and is lost", stream, a.after)
				}
				if settle {
					c.model[stream] = tried[:i]
				}
				break
			}
			end := a.after + uint64(len(a.records))
			if uint64(len(got)) < end {
				t.Fatalf("%s: an append after version %d is there in part", stream, a.after)
			}
			for j, r := range got[a.after:end] {
				want := a.records[j]
				want.Stream, want.Version, want.Position = stream, a.after+uint64(j)+1, r.Position
				if done, chosen := c.erased[r.ID]; done || chosen && r.Sealed == nil {
					want.Sealed = nil
				}
				if !reflect.DeepEqual(want, r) {
					t.Fatalf("%s: version %d is not what was appended", stream, r.Version)
				}
			}
			if settle {
				tried[i].answered = true // it has been read
			}
		}
	}
	if all := ledgertest.Check(t, s); len(all) != total {
		t.Fatalf("%d records in the store, %d in its streams", len(all), total)
	}
}

// TestFailures has each of the first writes and syncs fail, stored and lost. The append is answered with ErrEnded, and so
// is every later one; reading goes on; what was answered is there after opening anew, with and without a crash.
func TestFailures(t *testing.T) {
	for _, kind := range []string{"write", "sync"} {
		for _, stored := range []bool{true, false} {
			for n := 1; n <= 40; n++ {
				t.Run(fmt.Sprintf("%s %d stored=%v", kind, n, stored), func(t *testing.T) {
					d := simdisk.New(seed(uint64(n)))
					s, _, err := filestore.Open(d, small)
					if err != nil {
						t.Fatal(err)
					}
					if kind == "write" {
						d.FailWrite(n, stored)
					} else {
						d.FailSync(n, stored)
					}
					failures(t, d, s)
				})
			}
		}
	}
}

func failures(t *testing.T, d *simdisk.Disk, s *filestore.Store) {
	answered, failed := 0, false
	for i := range 60 {
		_, err := s.Append(t.Context(), "a", uint64(answered), ledgertest.Record(i))
		switch {
		case err == nil && failed:
			t.Fatal("an append was answered after one had failed")
		case err == nil:
			answered++
		case !errors.Is(err, ledger.ErrEnded) || !errors.Is(err, simdisk.ErrFault) || errors.Is(err, ledger.ErrRefused):
			t.Fatalf("append: %v, want ErrEnded with its cause", err)
		default:
			failed = true
		}
	}
	if n := len(ledgertest.Check(t, s)); n != answered {
		t.Errorf("%d records can be read, %d were answered for", n, answered)
	}
	if err := s.Close(); err != nil && !errors.Is(err, simdisk.ErrFault) {
		t.Errorf("close: %v", err)
	}
	crashed := d.Clone(seed(9))
	crashed.Crash()
	reopened, _, err := filestore.Open(d, small)
	if err != nil {
		t.Fatal(err)
	}
	n := len(ledgertest.Check(t, reopened))
	if n < answered {
		t.Errorf("%d records after opening anew, %d were answered for", n, answered)
	}
	// What a reader has seen stays, also when the disk had lost it in the failed sync and crashes now.
	d.Crash()
	for _, d := range []*simdisk.Disk{d, crashed} {
		again, _, err := filestore.Open(d, small)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(ledgertest.Check(t, again)); got < answered || d != crashed && got < n {
			t.Errorf("%d records after the crash, %d were answered for, and %d shown before it", got, answered, n)
		}
		again.Close()
	}
	reopened.Close()
}
