package filestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/eventschema"
)

// sealedLog makes a store of a few small segments that was killed, not closed, after its last append. Its sealed records
// are of all sizes, some longer than a sector, several of them side by side in one append, also in the last.
func sealedLog(t *testing.T) (*simdisk.Disk, []eventschema.Record) {
	t.Helper()
	d := simdisk.New(seed(1))
	s := mustOpen(t, d, small)
	for i := range 7 {
		records := ledgertest.Records(10*i, 4)
		for j := range records {
			records[j].Sealed = nil
			for n := range []int{5, 300, 0, 120}[(i+j)%4] {
				records[j].Sealed = append(records[j].Sealed, byte(i), byte(n>>8), byte(n), byte(j)|0x80)
			}
		}
		if _, err := s.Append(t.Context(), fmt.Sprint("stream ", i%2), 4*uint64(i/2), records...); err != nil {
			t.Fatal(err)
		}
	}
	return d.Clone(seed(2)), ledgertest.Check(t, s)
}

// doomed chooses most of the records of sealedLog, of the sealed ones sweepable: neighbours and lone ones.
func doomed(r *eventschema.Record) bool { return r.Position%4 != 3 }

const sweepable = 16

func choose(r *eventschema.Record) (bool, error) { return doomed(r), nil }

// mixed compares records with what they were: those of the doomed that changed have lost their sealed bytes. It gives
// how many have.
func mixed(t *testing.T, before, got []eventschema.Record) (erased int) {
	t.Helper()
	if len(got) != len(before) {
		t.Fatalf("%d records, want %d", len(got), len(before))
	}
	for i, want := range before {
		if got[i].Sealed == nil && want.Sealed != nil && doomed(&want) {
			want.Sealed = nil
			erased++
		}
		if !reflect.DeepEqual(want, got[i]) {
			t.Fatalf("position %d is neither as it was nor erased", want.Position)
		}
	}
	return erased
}

// expectSwept has the disk searched for what should be gone from it, what a crash would leave included.
func expectSwept(t *testing.T, d *simdisk.Disk, before []eventschema.Record) {
	t.Helper()
	after := d.Clone(seed(3))
	after.Crash()
	for _, d := range []*simdisk.Disk{d, after} {
		for name, b := range filesOf(t, d) {
			for _, r := range before {
				if doomed(&r) && traceOf(r.Sealed, b) {
					t.Fatalf("sealed bytes of position %d stand in %s", r.Position, name)
				}
			}
		}
	}
}

// traceOf tells whether the beginning or the end of the sealed bytes stands in b.
func traceOf(sealed, b []byte) bool {
	return len(sealed) >= 8 && (bytes.Contains(b, sealed[:8]) || bytes.Contains(b, sealed[len(sealed)-8:]))
}

func filesOf(t *testing.T, d *simdisk.Disk) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, dir := range []string{"", "segments", "aside"} {
		names, err := d.Names(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			name = path.Join(dir, name)
			b, err := d.ReadFile(name)
			switch {
			case errors.Is(err, fs.ErrNotExist): // an index that has got its name meanwhile
			case err != nil:
				t.Fatal(err)
			default:
				files[name] = b
			}
		}
	}
	return files
}

// TestEraseCut has the power go in each operation of a sweep, and leave of it what it may, then in each operation of the
// opening that follows. However it is opened: nothing is damaged, no record is half erased, nothing else has changed, and
// the sweep can be done again.
func TestEraseCut(t *testing.T) {
	log, before := sealedLog(t)
	for name, streams := range map[string][]string{"log": nil, "streams": {"stream 1", "stream 0"}} {
		t.Run(name, func(t *testing.T) {
			halves := 0 // cuts that left the sweep half done
			for n := 1; ; n++ {
				d := log.Clone(seed(uint64(n)))
				s := mustOpen(t, d, small)
				d.CutPower(n)
				_, err := s.Erase(t.Context(), choose, streams...)
				if err != nil && !errors.Is(err, simdisk.ErrCrashed) {
					t.Fatal(err)
				}
				for fate := range uint64(3) {
					after := d.Clone(seed(10*uint64(n) + fate))
					after.Crash()
					erased := openCut(t, after, before)
					if err == nil && erased != sweepable {
						t.Fatalf("%d records are erased after the sweep had ended, want %d", erased, sweepable)
					}
					if erased > 0 && erased < sweepable {
						halves++
					}
				}
				if err == nil {
					break
				}
			}
			if halves < 20 {
				t.Errorf("only %d cuts left the sweep half done", halves)
			}
		})
	}
}

// openCut opens what a crash left of a sweep in all ways, and gives how many records are erased.
func openCut(t *testing.T, d *simdisk.Disk, before []eventschema.Record) int {
	t.Helper()
	r, report, err := filestore.OpenReader(d.Clone(seed(4)), small)
	if err != nil {
		t.Fatal(err)
	}
	shown := mixed(t, before, ledgertest.Check(t, r))
	if err := r.Verify(t.Context(), nil); err != nil || report.Cut != nil {
		t.Fatalf("for reading: %+v, %v", report, err)
	}
	r.Close()
	_, err = d.ReadFile("erasing")
	for n, whole := 1, err != nil; !whole; n++ {
		again := d.Clone(seed(uint64(n)))
		again.CutPower(n)
		s, report, err := filestore.Open(again, small)
		switch {
		case err == nil:
			defer s.Close()
			if report.Cut != nil || report.Finished > shown {
				t.Fatalf("%+v, a reader was shown %d records erased", report, shown)
			}
			whole = true
		case !errors.Is(err, simdisk.ErrCrashed):
			t.Fatal(err)
		}
		again.Crash()
		finishSweep(t, again, before, shown)
	}
	finishSweep(t, d, before, shown)
	return shown
}

// finishSweep opens, and does the sweep again. At least so many records are erased already.
func finishSweep(t *testing.T, d *simdisk.Disk, before []eventschema.Record, erased int) {
	t.Helper()
	s := mustOpen(t, d, small)
	now := mixed(t, before, ledgertest.Check(t, s))
	if now < erased {
		t.Fatalf("%d records are erased, %d were before", now, erased)
	}
	if n, err := s.Erase(t.Context(), choose); n != sweepable-now || err != nil {
		t.Fatalf("the sweep again: %d records, %v; want %d", n, err, sweepable-now)
	}
	mixed(t, before, ledgertest.Check(t, s))
	expectSwept(t, d, before)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestEraseFailures has each write and sync of a sweep fail, stored and lost: readers are not told of it, appends go on
// or end, and the next sweep makes good what failed, before or after opening anew.
func TestEraseFailures(t *testing.T) {
	log, before := sealedLog(t)
	for _, kind := range []string{"write", "sync"} {
		for _, stored := range []bool{true, false} {
			for n := 1; ; n++ {
				d := log.Clone(seed(uint64(n)))
				s := mustOpen(t, d, small)
				if kind == "write" {
					d.FailWrite(n, stored)
				} else {
					d.FailSync(n, stored)
				}
				_, err := s.Erase(t.Context(), choose)
				if err == nil {
					break
				}
				if !errors.Is(err, simdisk.ErrFault) {
					t.Fatal(err)
				}
				mixed(t, before, ledgertest.Check(t, s))
				if err := s.Verify(t.Context(), nil); err != nil {
					t.Fatalf("%s %d: %v", kind, n, err)
				}
				finishSweep(t, d.Clone(seed(5)), before, mixed(t, before, ledgertest.Check(t, s)))
				if _, err := s.Erase(t.Context(), choose); err != nil {
					t.Fatalf("the sweep again: %v", err)
				}
				expectSwept(t, d, before)
				if len(ledgertest.Check(t, s)) != len(before) {
					t.Fatal("records are missing")
				}
			}
		}
	}
}

// A tearingDisk writes markers piece by piece, and calls between the pieces. It also calls once before a sync.
type tearingDisk struct {
	*simdisk.Disk
	between, beforeSync func()
}

func (d *tearingDisk) Open(name string, create bool) (disk.File, error) {
	f, err := d.Disk.Open(name, create)
	return tearingFile{f, d}, err
}

type tearingFile struct {
	disk.File
	d *tearingDisk
}

func (f tearingFile) WriteAt(b []byte, offset int64) (n int, err error) {
	if !bytes.HasPrefix(b, filestore.Erased[:]) || f.d.between == nil { // in this order: others write too, while it is set
		return f.File.WriteAt(b, offset)
	}
	for part := range slices.Chunk(b, 203) {
		if _, err := f.File.WriteAt(part, offset+int64(n)); err != nil {
			return n, err
		}
		n += len(part)
		f.d.between()
	}
	return n, nil
}

func (f tearingFile) Sync() error {
	if call := f.d.beforeSync; call != nil {
		f.d.beforeSync = nil
		call()
	}
	return f.File.Sync()
}

// TestEraseFailsAppend has the sync of a slice fail, between the write and the sync of an append to the same segment. What
// is lost with it is the append's too: the append must hear of it, and not be answered for.
func TestEraseFailsAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, before := sealedLog(t)
		last := func(r *eventschema.Record) (bool, error) { return r.Position > 24 && doomed(r), nil }
		d := &tearingDisk{Disk: log}
		s := mustOpen(t, d, filestore.Options{SegmentSize: 64 << 10, FillAhead: 32 << 10})
		synctest.Wait()
		d.beforeSync = func() {
			log.FailSync(3, false) // after those of the note
			if _, err := s.Erase(t.Context(), last, "stream 0"); !errors.Is(err, simdisk.ErrFault) {
				t.Errorf("erase: %v, want the fault", err)
			}
		}
		if _, err := s.Append(t.Context(), "new", 0, ledgertest.Record(1)); !errors.Is(err, ledger.ErrEnded) {
			t.Errorf("append: %v, want ErrEnded", err)
		}
		s.Close()
		s = mustOpen(t, log, small)
		mixed(t, before, ledgertest.All(t, s)[:len(before)])
	})
}

// TestEraseReaders reads all there is between any two pieces of what a sweep writes: no reader gets a torn mix, and of one
// slice all get the same.
func TestEraseReaders(t *testing.T) {
	log, before := sealedLog(t)
	d := &tearingDisk{Disk: log}
	s := mustOpen(t, d, small)
	seen := map[int]bool{}
	d.between = func() {
		seen[mixed(t, before, ledgertest.Check(t, s))] = true
		if err := s.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	n, err := s.Erase(t.Context(), choose)
	d.between = nil
	if n != sweepable || err != nil {
		t.Fatalf("%d records, %v", n, err)
	}
	if !seen[sweepable] || len(seen) < 3 {
		t.Errorf("readers saw %v records erased", slices.Sorted(maps.Keys(seen)))
	}
	expectSwept(t, log, before)
}

// TestEraseAside finds sealed bytes in what Open has put aside: they go with the next sweep, whatever it is asked for,
// also after a power cut in each of its operations.
func TestEraseAside(t *testing.T) {
	sealed := []byte("of a client who was erased")
	b, at := filestore.Forge(7, []filestore.Draft{{Stream: "a", Records: ledgertest.Records(0, 4)}},
		[]filestore.Draft{{Stream: "b", Records: []eventschema.Record{{Data: []byte("data"), Sealed: sealed}}}})
	d := simdisk.New(seed(1))
	d.MakeDir("segments")
	b[at[1]]++
	d.WriteFile(firstSegment, b)
	s, report, err := filestore.Open(d, small)
	if err != nil || report.Cut == nil {
		t.Fatalf("%+v, %v", report, err)
	}
	s.Close()
	if !traceOf(sealed, filesOf(t, d)[report.Cut.Aside]) {
		t.Fatal("no sealed bytes were put aside: the test is worth nothing")
	}
	for n := 1; ; n++ {
		d := d.Clone(seed(uint64(n)))
		s := mustOpen(t, d, small)
		d.CutPower(n)
		_, err := s.Erase(t.Context(), choose, "a stream without events")
		if err == nil {
			expectNothingAside(t, d, sealed)
		}
		d.Crash()
		s = mustOpen(t, d, small)
		if _, err := s.Erase(t.Context(), choose, "a stream without events"); err != nil {
			t.Fatal(err)
		}
		expectNothingAside(t, d, sealed)
		if err == nil {
			break
		}
	}
}

func expectNothingAside(t *testing.T, d *simdisk.Disk, sealed []byte) {
	t.Helper()
	for name, b := range filesOf(t, d) {
		if strings.HasPrefix(name, "aside/") || traceOf(sealed, b) {
			t.Errorf("%s is there with %d bytes", name, len(b))
		}
	}
}

// sweptLog is a closed store of a few segments from which was erased.
func sweptLog(t *testing.T) (map[string][]byte, []eventschema.Record) {
	t.Helper()
	d, before := sealedLog(t)
	s := mustOpen(t, d, small)
	if n, err := s.Erase(t.Context(), choose); n != sweepable || err != nil {
		t.Fatalf("%d records, %v", n, err)
	}
	records := ledgertest.Check(t, s)
	if n := mixed(t, before, records); n != sweepable {
		t.Fatalf("%d records are erased", n)
	}
	var last filestore.Progress
	if err := s.Verify(t.Context(), func(p filestore.Progress) { last = p }); err != nil || last.Erased != sweepable {
		t.Errorf("verify: %d erased, %v; want %d", last.Erased, err, sweepable)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := filesOf(t, d)
	delete(files, "segments/next")
	return files, records
}

// TestMarkerDamaged flips a bit in every fifth byte of a swept store, markers included: it is found, and nothing changed is
// yielded. A damaged marker is named.
func TestMarkerDamaged(t *testing.T) {
	files, records := sweptLog(t)
	for name, b := range files {
		for i := 0; i < len(b); i += 5 {
			b[i] ^= 1 << (i % 8)
			examineFlipped(t, diskOf(files), fmt.Sprintf("%s, byte %d", name, i), records)
			b[i] ^= 1 << (i % 8)
		}
	}
	marker := bytes.Repeat(filestore.Erased[:], 20)
	at := bytes.Index(files[firstSegment], marker)
	files[firstSegment][at+100] ^= 4
	s := mustOpen(t, diskOf(files), small)
	expectDamage(t, s.Verify(t.Context(), nil), firstSegment, 64)
}

// interrupted is what a power cut left while a slice was being overwritten, its note included.
func interrupted(t *testing.T) (*simdisk.Disk, []eventschema.Record) {
	t.Helper()
	log, before := sealedLog(t)
	for n := 1; ; n++ {
		d := log.Clone(seed(uint64(n)))
		s := mustOpen(t, d, small)
		d.CutPower(n)
		if _, err := s.Erase(t.Context(), choose); err == nil {
			t.Fatal("no cut left a note")
		}
		d.Crash()
		if _, err := d.ReadFile("erasing"); err == nil {
			return d, before
		}
	}
}

// TestEraseFinished has a reader open what an interrupted sweep left: it shows the slice as done, and changes nothing. Then
// a writer does what was noted, before anything else is.
func TestEraseFinished(t *testing.T) {
	d, before := interrupted(t)
	files := filesOf(t, d)
	r, report, err := filestore.OpenReader(d, small)
	if err != nil {
		t.Fatal(err)
	}
	shown := ledgertest.Check(t, r)
	if n := mixed(t, before, shown); n == 0 || n != report.Finished {
		t.Errorf("%d records show as erased, %+v", n, report)
	}
	if _, err := r.Erase(t.Context(), choose); !errors.Is(err, ledger.ErrEnded) {
		t.Errorf("a reader's sweep: %v, want ErrEnded", err)
	}
	if !reflect.DeepEqual(files, filesOf(t, d)) {
		t.Error("a reader wrote")
	}
	r.Close()
	s, again, err := filestore.Open(d, small)
	if err != nil || again.Finished != report.Finished {
		t.Fatalf("%+v, %v", again, err)
	}
	defer s.Close()
	for name, b := range filesOf(t, d) {
		for i, r := range shown {
			if name == "erasing" || r.Sealed == nil && traceOf(before[i].Sealed, b) {
				t.Errorf("position %d is not erased in %s", r.Position, name)
			}
		}
	}
}

// TestNote opens stores whose note is damaged or not theirs: they are refused, and nothing is overwritten.
func TestNote(t *testing.T) {
	d, _ := interrupted(t)
	files := filesOf(t, d)
	note := files["erasing"]
	expectRefused := func(what string) {
		t.Helper()
		d := diskOf(files)
		_, _, err := filestore.Open(d, small)
		if damage := new(filestore.DamageError); !errors.As(err, &damage) || damage.Segment != "erasing" {
			t.Errorf("%s: %v, want damage in the note", what, err)
		}
		if !reflect.DeepEqual(files, filesOf(t, d)) {
			t.Errorf("%s: refused, and changed", what)
		}
	}
	for i := range note {
		note[i] ^= 1 << (i % 8)
		expectRefused(fmt.Sprint("byte ", i))
		note[i] ^= 1 << (i % 8)
	}
	for n := range note {
		files["erasing"] = note[:n]
		expectRefused(fmt.Sprint("the first bytes, ", n))
	}
	mustOpen(t, d, small).Close()
	files = filesOf(t, d)
	files["erasing"] = note
	mustOpen(t, diskOf(files), small) // a note that came back
	for at, what := range map[int]string{32: "another frame", 40: "another frame's sum", 48: "bytes beside", 52: "fewer bytes"} {
		wrong := slices.Clone(note)
		wrong[at] -= 8
		binary.LittleEndian.PutUint64(wrong, xxhash.Sum64(wrong[8:]))
		files["erasing"] = wrong
		d := diskOf(files)
		if _, _, err := filestore.Open(d, small); !errors.As(err, new(*filestore.DamageError)) || !reflect.DeepEqual(files, filesOf(t, d)) {
			t.Errorf("a note of %s: %v", what, err)
		}
	}
	files["erasing"] = note
	other, _ := threeBatches(8)
	log := files[firstSegment]
	files = map[string][]byte{firstSegment: other, "erasing": note}
	expectRefused("a note of another log")
	files = map[string][]byte{"erasing": note}
	bare := diskOf(files)
	if _, _, err := filestore.Open(bare, small); !errors.As(err, new(*filestore.DamageError)) || len(filesOf(t, bare)) > 1 {
		t.Errorf("a note without a log: %v", err)
	}
	files[firstSegment] = log[:64]
	if _, _, err := filestore.Open(diskOf(files), small); !errors.As(err, new(*filestore.DamageError)) {
		t.Errorf("a note of more than the log: %v", err)
	}
}

// TestEraseClosed closes a store from within a sweep, and while one writes: the sweep ends, a slice under way first, and
// only then may somebody else open the store.
func TestEraseClosed(t *testing.T) {
	log, before := sealedLog(t)
	s := mustOpen(t, log, small)
	if _, err := s.Erase(t.Context(), func(*eventschema.Record) (bool, error) { return true, s.Close() }); !errors.Is(err, ledger.ErrEnded) {
		t.Errorf("a sweep whose store was closed: %v, want ErrEnded", err)
	}
	d := &tearingDisk{Disk: log}
	s = mustOpen(t, d, filestore.Options{SegmentSize: 4 << 10}) // all in one slice
	head, closed := uint64(len(before)), make(chan error, 1)
	d.between = sync.OnceFunc(func() {
		go func() { closed <- s.Close() }()
		for range s.After(t.Context(), head) { // ends when the store is closed
		}
		for range 1000 {
			runtime.Gosched()
		}
		if _, _, err := filestore.Open(log, small); !errors.Is(err, disk.ErrLocked) {
			t.Errorf("opened beside a slice under way: %v", err)
		}
	})
	if n, err := s.Erase(t.Context(), choose); n != sweepable || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	expectSwept(t, log, before)
}

// TestEraseRests has a sweep meet a writer: behind each slice it rests four times as long as the slice took.
func TestEraseRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slice = 10 * time.Millisecond
		for _, writing := range []bool{false, true} {
			log, _ := sealedLog(t)
			s := mustOpen(t, log, small)
			begun, slices := time.Now(), 0
			_, err := s.Erase(t.Context(), func(r *eventschema.Record) (bool, error) {
				if slices++; writing {
					mustAppend(t, s, "new", uint64(slices-1), slices)
				}
				time.Sleep(slice) // on the test's own clock
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			worked := time.Duration(slices) * slice
			if rested := time.Since(begun) - worked; writing != (rested > 3*worked) || writing != (rested > 0) {
				t.Errorf("writing: %v; rested %v for %v of work", writing, rested, worked)
			}
			s.Close()
		}
	})
}
