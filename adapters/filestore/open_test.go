package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
)

func mustOpen(t testing.TB, d disk.Disk, opts filestore.Options) *filestore.Store {
	t.Helper()
	s, _, err := filestore.Open(d, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustAppend(t testing.TB, s ledger.Store, stream string, after uint64, n int) {
	t.Helper()
	if _, err := s.Append(t.Context(), stream, after, ledgertest.Record(n)); err != nil {
		t.Fatal(err)
	}
}

// TestNoRoom fills the disk: appends are refused with nothing written, reading goes on, retries of what is stored are
// still answered, and the store goes on when there is room again.
func TestNoRoom(t *testing.T) {
	d := simdisk.New(seed(1))
	s := mustOpen(t, d, small)
	mustAppend(t, s, "a", 0, 0)
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("appends are not taken: %v", err)
	}
	d.Room(5000)
	stored := uint64(1)
	var err error
	for ; err == nil; stored++ {
		_, err = s.Append(t.Context(), "a", stored, ledgertest.Record(int(stored)))
	}
	stored--
	if !errors.Is(err, ledger.ErrRefused) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("append to a full disk: %v, want a refusal with its cause", err)
	}
	if stored < 10 {
		t.Errorf("only %d records before the disk was full", stored)
	}
	if n := len(ledgertest.Check(t, s)); n != int(stored) {
		t.Errorf("%d records, %d were answered for", n, stored)
	}
	mustAppend(t, s, "a", 0, 0) // a retry
	if _, err := s.Append(t.Context(), "a", 1, ledgertest.Record(999)); !errors.Is(err, ledger.ErrConflict) {
		t.Errorf("a conflict on a full disk: %v", err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, ledger.ErrRefused) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("appends are taken on a full disk: %v", err)
	}
	d.Room(-1)
	if err := s.Probe(t.Context()); err != nil {
		t.Errorf("appends are not taken where there is room again: %v", err)
	}
	mustAppend(t, s, "a", stored, int(stored))
	d.Crash()
	s.Close()
	if err := s.Probe(t.Context()); !errors.Is(err, ledger.ErrEnded) {
		t.Errorf("appends are taken by a store that was closed: %v", err)
	}
	if n := len(ledgertest.Check(t, mustOpen(t, d, small))); n != int(stored)+1 {
		t.Errorf("%d records after the crash, want %d", n, stored+1)
	}
}

func TestSecondOpener(t *testing.T) {
	for name, d := range map[string]disk.Disk{"disk": osDisk(t), "simulated": simdisk.New(seed(1))} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := filestore.OpenReader(d, small); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a reader where nothing is: %v, want fs.ErrNotExist", err)
			}
			s := mustOpen(t, d, small)
			if _, _, err := filestore.Open(d, small); !errors.Is(err, disk.ErrLocked) {
				t.Errorf("a second writer: %v, want disk.ErrLocked", err)
			}
			if _, _, err := filestore.OpenReader(d, small); !errors.Is(err, disk.ErrLocked) {
				t.Errorf("a reader beside a writer: %v, want disk.ErrLocked", err)
			}
			mustAppend(t, s, "a", 0, 0)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // two readers at once
				r, report, err := filestore.OpenReader(d, small)
				if err != nil || report.Records != 1 {
					t.Fatalf("%+v, %v", report, err)
				}
				defer r.Close()
				if n := len(ledgertest.Check(t, r)); n != 1 {
					t.Errorf("%d records", n)
				}
				if _, err := r.Append(t.Context(), "a", 1, ledgertest.Record(1)); !errors.Is(err, ledger.ErrEnded) {
					t.Errorf("append by a reader: %v, want ErrEnded", err)
				}
				if err := r.Verify(t.Context(), nil); err != nil {
					t.Error(err)
				}
			}
			if _, _, err := filestore.Open(d, small); !errors.Is(err, disk.ErrLocked) {
				t.Errorf("a writer beside readers: %v, want disk.ErrLocked", err)
			}
		})
	}
}

// TestReaderChangesNothing has a reader open a log with a torn end: it shows what is whole, and leaves every byte.
func TestReaderChangesNothing(t *testing.T) {
	b, at := threeBatches(7)
	d := diskOf(map[string][]byte{firstSegment: b[:at[4]+100]})
	writes := d.Writes()
	r, report, err := filestore.OpenReader(d, small)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := len(ledgertest.Check(t, r)); n != recordsUpTo[4] || report.Cut == nil || report.Cut.Aside != "" {
		t.Errorf("%d records, cut %+v", n, report.Cut)
	}
	if now, _ := d.ReadFile(firstSegment); d.Writes() != writes || len(now) != at[4]+100 {
		t.Errorf("a reader wrote")
	}
}

// TestWithdraw ends the context of an append that no batch has taken: it is refused and nothing is written. That of one
// being written leaves the outcome open, and says so.
func TestWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDisk{Disk: simdisk.New(seed(1)), gate: make(chan struct{})}
		s := mustOpen(t, d, small)
		d.slow(true)
		results := make([]error, 2)
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for i := range results {
			all.Go(func() {
				_, results[i] = s.Append(ctx, fmt.Sprint("stream ", i), 0, ledgertest.Record(i))
			})
			synctest.Wait() // the first hangs in its sync, then the second in the queue
		}
		cancel()
		all.Wait()
		if err := results[0]; !errors.Is(err, context.Canceled) || errors.Is(err, ledger.ErrRefused) {
			t.Errorf("the append under way: %v, want an open outcome", err)
		}
		if err := results[1]; !errors.Is(err, context.Canceled) || !errors.Is(err, ledger.ErrRefused) {
			t.Errorf("the append that waited: %v, want a refusal", err)
		}
		if n, _ := s.Head(t.Context()); n != 0 {
			t.Errorf("head %d before the sync has ended", n)
		}
		d.slow(false)
		close(d.gate)
		synctest.Wait()
		if n := len(ledgertest.Read(t, s, "stream 0", 0)); n != 1 {
			t.Errorf("%d records of the append under way, want it stored by now", n)
		}
		if n := len(ledgertest.Read(t, s, "stream 1", 0)); n != 0 {
			t.Errorf("%d records of the append that was refused", n)
		}
		s.Close()
	})
}

// TestOneSync shows that appends which come while a batch is being synced share the next one: 40 appends in few syncs.
func TestOneSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simdisk.New(seed(1))
		d := &slowDisk{Disk: sim, gate: make(chan struct{})}
		s := mustOpen(t, d, filestore.Options{SegmentSize: 1 << 16, FillAhead: 1 << 15})
		synctest.Wait()
		d.slow(true)
		before := sim.Syncs()
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() { mustAppend(t, s, fmt.Sprint("stream ", i), 0, i) })
			synctest.Wait()
		}
		d.slow(false)
		close(d.gate)
		all.Wait()
		if n := sim.Syncs() - before; n != 2 {
			t.Errorf("%d syncs for one append and 39 that waited for it, want 2", n)
		}
		ledgertest.Check(t, s)
		s.Close()
	})
}

// TestSameBatch has appends to one stream meet in one batch: each is judged against those before it.
func TestSameBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDisk{Disk: simdisk.New(seed(1)), gate: make(chan struct{})}
		s := mustOpen(t, d, filestore.Options{SegmentSize: 1 << 16, FillAhead: 1 << 15})
		synctest.Wait()
		d.slow(true)
		var all sync.WaitGroup
		tried := []struct {
			stream   string
			after    uint64
			record   int
			position ledger.Position // 0: a conflict
		}{
			{"first", 0, 100, 1}, // hangs in its sync while the others gather
			{"a", 0, 0, 2},
			{"a", 0, 1, 0}, // lost the race
			{"a", 0, 0, 2}, // a retry
			{"a", 1, 2, 3}, // follows
			{"a", 1, 3, 0},
			{"b", 0, 0, 4},
			{"a", 3, 4, 0},
		}
		for _, c := range tried {
			all.Go(func() {
				p, err := s.Append(t.Context(), c.stream, c.after, ledgertest.Record(c.record))
				if p != c.position || errors.Is(err, ledger.ErrConflict) != (c.position == 0) {
					t.Errorf("record %d to %q after version %d: position %d, %v; want %d", c.record, c.stream, c.after, p, err, c.position)
				}
			})
			synctest.Wait()
		}
		d.slow(false)
		close(d.gate)
		all.Wait()
		ledgertest.Check(t, s)
		s.Close()
	})
}

// A slowDisk's files wait for the gate in Sync while it is slow.
type slowDisk struct {
	*simdisk.Disk
	gate chan struct{}
	mu   sync.Mutex
	on   bool
}

func (d *slowDisk) slow(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = on
}

func (d *slowDisk) Open(name string, create bool) (disk.File, error) {
	f, err := d.Disk.Open(name, create)
	return slowFile{f, d}, err
}

type slowFile struct {
	disk.File
	d *slowDisk
}

func (f slowFile) Sync() error {
	f.d.mu.Lock()
	on := f.d.on
	f.d.mu.Unlock()
	if on {
		<-f.d.gate
	}
	return f.File.Sync()
}

// TestIndex closes and opens: nothing is read again; after a crash, only what came since the index was written.
func TestIndex(t *testing.T) {
	d := simdisk.New(seed(1))
	s := mustOpen(t, d, small)
	for i := range 100 {
		mustAppend(t, s, "a", uint64(i), i)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, report, err := filestore.Open(d, small)
	if err != nil || report.Records != 100 || report.Scanned != 0 || report.NoIndex != "" {
		t.Fatalf("after closing: %+v, %v", report, err)
	}
	for i := range 10 {
		mustAppend(t, s, "b", uint64(i), i)
	}
	d.Crash()
	s.Close()
	s, report, err = filestore.Open(d, small)
	if err != nil || report.Records != 110 || report.Scanned != 10 || report.NoIndex != "" {
		t.Fatalf("after a crash: %+v, %v", report, err)
	}
	defer s.Close()
	ledgertest.Check(t, s)
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestLongStream reads a stream too long to be held at once.
func TestLongStream(t *testing.T) {
	s := mustOpen(t, simdisk.New(seed(1)), filestore.Options{SegmentSize: 1 << 20, FillAhead: 1 << 18})
	for i := range 60 {
		r := ledgertest.Record(i)
		r.Data = append(r.Data, make([]byte, 100<<10)...)
		if _, err := s.Append(t.Context(), "a", uint64(i), r); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range ledgertest.Read(t, s, "a", 0) {
		if r.ID != ledgertest.Record(i).ID {
			t.Fatalf("version %d is another record", i+1)
		}
	}
	ledgertest.Check(t, s)
}
