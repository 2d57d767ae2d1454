package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/eventschema"
)

const firstSegment = "segments/00000000000000000001"

// threeBatches is a log of three batches: one frame, three frames, one frame.
func threeBatches(id uint64) (b []byte, offsets []int) {
	draft := func(stream string, n, count int) filestore.Draft {
		return filestore.Draft{Stream: stream, Records: ledgertest.Records(n, count)}
	}
	return filestore.Forge(id, []filestore.Draft{draft("a", 0, 2)},
		[]filestore.Draft{draft("b", 10, 1), draft("a", 12, 2), draft("c", 30, 3)},
		[]filestore.Draft{draft("b", 40, 2)})
}

var recordsUpTo = []int{0, 2, 3, 5, 8, 10} // in the first n frames of threeBatches

// TestTail damages a log without a checkpoint in many ways at its end, and opens it: what was never promised is cut and
// kept aside, anything else refused.
func TestTail(t *testing.T) {
	whole, at := threeBatches(7)
	type log = []byte
	wipe := func(b log, from, to int) log { clear(b[from:to]); return b }
	for _, c := range []struct {
		name    string
		damage  func(b log) log
		frames  int  // that are left
		cut     bool // from there
		refused bool // there
	}{
		{"nothing", func(b log) log { return b }, 5, false, false},
		{"zeros behind the end", func(b log) log { return append(b, make([]byte, 5000)...) }, 5, false, false},
		{"nothing but a header", func(b log) log { return b[:at[0]] }, 0, false, false},
		{"the last frame never written", func(b log) log { return wipe(b, at[4], at[5]) }, 4, false, false},
		{"the last frame cut short in its header", func(b log) log { return b[:at[4]+20] }, 4, true, false},
		{"the last frame cut short in its name", func(b log) log { return b[:at[4]+65] }, 4, true, false},
		{"the last frame cut short in its data", func(b log) log { return b[:at[4]+140] }, 4, true, false},
		{"the last frame cut short by 8", func(b log) log { return b[:at[5]-8] }, 4, true, false},
		{"zeros in the last frame's header", func(b log) log { return wipe(b, at[4], at[4]+64) }, 4, true, false},
		{"zeros in the last frame's name", func(b log) log { return wipe(b, at[4]+64, at[4]+65) }, 4, true, false},
		{"zeros in the last frame's data", func(b log) log { return wipe(b, at[4]+130, at[4]+140) }, 4, true, false},
		{"a hole in the last batch of three, with the last lost", func(b log) log { return wipe(b, at[2], at[3])[:at[4]] }, 2, true, false},
		{"the first of the last batch of three lost", func(b log) log { return wipe(b, at[1], at[2])[:at[4]] }, 1, true, false},
		{"the last of the last batch of three lost in its sealed bytes", func(b log) log { return wipe(b, at[4]-16, at[4])[:at[4]] }, 3, true, false},
		{"something behind the end", func(b log) log { return append(b, "something"...) }, 5, true, false},
		{"something far behind the end", func(b log) log { return append(append(b, make([]byte, 3000)...), "something"...) }, 5, true, false},

		{"the first frame damaged", func(b log) log { b[at[0]+70]++; return b }, 0, false, true},
		{"the first of three damaged, with a batch behind", func(b log) log { b[at[1]+70]++; return b }, 1, false, true},
		{"the middle of three damaged, with a batch behind", func(b log) log { b[at[2]+70]++; return b }, 2, false, true},
		{"the last of three damaged, with a batch behind", func(b log) log { b[at[3]+70]++; return b }, 3, false, true},
		{"the last of three zero, with a batch behind", func(b log) log { return wipe(b, at[3], at[4]) }, 3, false, true},
		{"a frame twice", func(b log) log { return append(b, b[at[4]:at[5]]...) }, 5, false, true},
		{"a frame left out", func(b log) log { return slices.Delete(b, at[1], at[2]) }, 1, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.damage(slices.Clone(whole))
			for _, behind := range []int{0, 4000} { // zeros filled ahead
				d := simdisk.New(seed(1))
				d.MakeDir("segments")
				damaged := append(slices.Clone(b), make([]byte, behind)...)
				d.WriteFile(firstSegment, damaged)
				s, report, err := filestore.Open(d, small)
				if c.refused {
					expectDamage(t, err, firstSegment, int64(at[c.frames]))
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if n := len(ledgertest.Check(t, s)); n != recordsUpTo[c.frames] {
					t.Errorf("%d records are left, want %d", n, recordsUpTo[c.frames])
				}
				expectCut(t, d, report.Cut, c.cut, damaged, at[c.frames])
				goesOn(t, d, s)
			}
		})
	}
}

func expectDamage(t *testing.T, err error, segment string, offset int64) {
	t.Helper()
	damage := new(filestore.DamageError)
	if !errors.As(err, &damage) || damage.Segment != segment || damage.Offset != offset || damage.What == "" {
		t.Errorf("%v; want damage in %s at offset %d", err, segment, offset)
	}
}

func expectCut(t *testing.T, d *simdisk.Disk, cut *filestore.Cut, want bool, b []byte, offset int) {
	t.Helper()
	if !want {
		if cut != nil {
			t.Errorf("cut %+v", *cut)
		}
		return
	}
	lost := bytes.TrimRight(b[offset:], "\x00")
	if cut == nil || cut.Segment != firstSegment || cut.Offset != int64(offset) || cut.Bytes != int64(len(lost)) {
		t.Fatalf("cut %+v, want %d bytes from offset %d", cut, len(lost), offset)
	}
	if aside, err := d.ReadFile(cut.Aside); err != nil || !bytes.Equal(aside, lost) {
		t.Errorf("aside: %d bytes of %d, %v", len(aside), len(lost), err)
	}
	if now, err := d.ReadFile(firstSegment); err != nil || len(bytes.TrimRight(now[offset:], "\x00")) != 0 {
		t.Errorf("the cut bytes still stand in the log, %v", err)
	}
}

// goesOn appends, crashes and opens again: nothing more is cut, and nothing lost.
func goesOn(t *testing.T, d *simdisk.Disk, s *filestore.Store) {
	t.Helper()
	if _, err := s.Append(t.Context(), "new", 0, ledgertest.Records(900, 3)...); err != nil {
		t.Fatal(err)
	}
	n := len(ledgertest.Check(t, s))
	d.Crash()
	s, report, err := filestore.Open(d, small)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := len(ledgertest.Check(t, s)); got != n || report.Cut != nil {
		t.Errorf("%d records of %d after a crash, cut %+v", got, n, report.Cut)
	}
}

// TestStrangeFrame puts a whole frame of another log where this log goes on.
func TestStrangeFrame(t *testing.T) {
	ours, at := threeBatches(7)
	theirs, _ := threeBatches(8)
	d := simdisk.New(seed(1))
	d.MakeDir("segments")
	d.WriteFile(firstSegment, append(ours[:at[4]], theirs[at[4]:]...))
	s, report, err := filestore.Open(d, small)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := len(ledgertest.Check(t, s)); n != recordsUpTo[4] || report.Cut == nil {
		t.Errorf("%d records, cut %+v; want %d and the strange frame cut", n, report.Cut, recordsUpTo[4])
	}
}

// TestDivergedCopy splices the end of a log's copy that has gone its own way: same id, same places, another past.
func TestDivergedCopy(t *testing.T) {
	log := func(first byte) ([]byte, []int) {
		r := ledgertest.Record(1)
		r.Data = []byte{first}
		one := []filestore.Draft{{Stream: "a", Records: []eventschema.Record{r}}}
		return filestore.Forge(7, one, []filestore.Draft{{Stream: "b", Records: ledgertest.Records(5, 1)}})
	}
	ours, at := log(1)
	copied, _ := log(2)
	_, _, err := filestore.Open(diskOf(map[string][]byte{firstSegment: append(ours[:at[1]:at[1]], copied[at[1]:]...)}), small)
	expectDamage(t, err, firstSegment, int64(at[1]))
}

// closedLog makes a closed store of a few small segments, and gives its files.
func closedLog(t *testing.T) (d *simdisk.Disk, files map[string][]byte, records []eventschema.Record) {
	t.Helper()
	d = simdisk.New(seed(1))
	s, _, err := filestore.Open(d, filestore.Options{SegmentSize: 1 << 10, FillAhead: 256})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 24 {
		if _, err := s.Append(t.Context(), fmt.Sprint("stream ", i%3), uint64(i/3), ledgertest.Record(i)); err != nil {
			t.Fatal(err)
		}
	}
	records = ledgertest.Check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, dir := range []string{"", "segments"} {
		names, err := d.Names(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			name = strings.TrimPrefix(dir+"/"+name, "/")
			if name == "segments/next" {
				continue
			}
			if files[name], err = d.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(files) < 5 {
		t.Fatalf("only %d files", len(files))
	}
	return d, files, records
}

// diskOf makes a disk of the files.
func diskOf(files map[string][]byte) *simdisk.Disk {
	d := simdisk.New(seed(1))
	d.MakeDir("segments")
	for name, b := range files {
		d.WriteFile(name, b)
	}
	return d
}

// TestEveryBit flips a bit in every byte of a closed store: either Open refuses, or says that something was wrong, or
// Verify finds it. Nothing changed is ever yielded.
func TestEveryBit(t *testing.T) {
	_, files, records := closedLog(t)
	for name, b := range files {
		for i := range b {
			b[i] ^= 1 << (i % 8)
			examineFlipped(t, diskOf(files), fmt.Sprintf("%s, byte %d", name, i), records)
			b[i] ^= 1 << (i % 8)
		}
	}
}

func examineFlipped(t *testing.T, d *simdisk.Disk, where string, records []eventschema.Record) {
	t.Helper()
	s, report, err := filestore.Open(d, small)
	if err != nil {
		if !errors.As(err, new(*filestore.DamageError)) {
			t.Errorf("%s: open: %v", where, err)
		}
		return
	}
	defer s.Close()
	found := s.Verify(t.Context(), nil)
	if found == nil && report.NoIndex == "" && report.Cut == nil {
		t.Errorf("%s: a flipped bit went unnoticed", where)
	}
	if report.Records != uint64(len(records)) {
		t.Errorf("%s: %d records of %d", where, report.Records, len(records))
	}
	i := 0
	for r, err := range s.After(t.Context(), 0) {
		if err != nil {
			break
		}
		if r.ID != records[i].ID || !bytes.Equal(r.Data, records[i].Data) || !bytes.Equal(r.Sealed, records[i].Sealed) {
			t.Fatalf("%s: record %d is not what was written", where, i)
		}
		if i++; i == len(records) {
			break
		}
	}
	if found == nil && i != len(records) {
		t.Errorf("%s: Verify found nothing, and record %d cannot be read", where, i)
	}
}

// TestLost opens a closed store of which a file is missing or shorter.
func TestLost(t *testing.T) {
	_, files, records := closedLog(t)
	var segments []string
	for name := range files {
		if strings.HasPrefix(name, "segments/") {
			segments = append(segments, name)
		}
	}
	slices.Sort(segments)
	without := func(names ...string) func(map[string][]byte) {
		return func(files map[string][]byte) {
			for _, name := range names {
				delete(files, name)
			}
		}
	}
	last := segments[len(segments)-1]
	for _, c := range []struct {
		name   string
		damage func(map[string][]byte)
		ok     bool
	}{
		{"the index", without("index"), true},
		{"half of the index", func(f map[string][]byte) { f["index"] = f["index"][:len(f["index"])/2] }, true},
		{"an empty index", func(f map[string][]byte) { f["index"] = nil }, true},
		{"index and checkpoint", without("index", "checkpoint"), true},
		{"the first segment", without(segments[0]), false},
		{"the middle segment", without(segments[1]), false},
		{"the last segment", without(last), false},
		{"the last segment and the index", without(last, "index"), false},
		{"all segments", without(segments...), false},
		{"the end of the first segment", func(f map[string][]byte) { f[segments[0]] = f[segments[0]][:200] }, false},
		{"the end of the last segment", func(f map[string][]byte) { f[last] = f[last][:100] }, false},
		{"the end of the last segment, and the index", func(f map[string][]byte) { f[last] = f[last][:100]; delete(f, "index") }, false},
		{"the last segment but for its header, and the index", func(f map[string][]byte) { f[last] = f[last][:64]; delete(f, "index") }, false},
		{"the last segment's header", func(f map[string][]byte) { f[last] = f[last][:63] }, false},
		{"all of the last segment", func(f map[string][]byte) { f[last] = nil }, false},
		{"the checkpoint's end", func(f map[string][]byte) { f["checkpoint"] = f["checkpoint"][:30] }, false},
		{"a segment's name", func(f map[string][]byte) { f["segments/00000000000000000002"] = f[segments[1]]; delete(f, segments[1]) }, false},
		{"nothing, but a strange file came", func(f map[string][]byte) { f["segments/notes.txt"] = nil }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := map[string][]byte{}
			for name, b := range files {
				changed[name] = slices.Clone(b)
			}
			c.damage(changed)
			s, report, err := filestore.Open(diskOf(changed), small)
			if !c.ok {
				if !errors.As(err, new(*filestore.DamageError)) {
					t.Errorf("opened with %v, want a DamageError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if report.NoIndex == "" || report.Scanned != uint64(len(records)) {
				t.Errorf("report %+v, want all scanned", report)
			}
			if n := len(ledgertest.Check(t, s)); n != len(records) {
				t.Errorf("%d records of %d", n, len(records))
			}
		})
	}
}

// TestErased overwrites sealed bytes with the marker: the record is yielded without them, and the log verifies.
func TestErased(t *testing.T) {
	b, _ := filestore.Forge(7, []filestore.Draft{{Stream: "a", Records: ledgertest.Records(0, 4)}})
	at := bytes.Index(b, ledgertest.Record(3).Sealed)
	for i := range ledgertest.Record(3).Sealed {
		b[at+i] = filestore.Erased[i%len(filestore.Erased)]
	}
	s, report, err := filestore.Open(diskOf(map[string][]byte{firstSegment: b}), small)
	if err != nil || report.Cut != nil {
		t.Fatal(report, err)
	}
	defer s.Close()
	for i, r := range ledgertest.Check(t, s) {
		if erased := i == 3; !erased != bytes.Equal(r.Sealed, ledgertest.Record(i).Sealed) || erased && r.Sealed != nil {
			t.Errorf("record %d has the sealed bytes %q", i, r.Sealed)
		}
	}
	if err := s.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// FuzzOpen opens any bytes as a log's only segment: it opens, and is then sound, or is refused, and never changes what
// it refuses.
func FuzzOpen(f *testing.F) {
	whole, at := threeBatches(7)
	f.Add(whole)
	f.Add(whole[:at[4]+100])
	f.Add(append(slices.Clone(whole[:at[3]]), make([]byte, 300)...))
	f.Add(append(slices.Clone(whole[:at[2]]), whole[at[3]:]...))
	f.Add([]byte("samtykke"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := diskOf(map[string][]byte{firstSegment: b})
		s, _, err := filestore.Open(d, small)
		if err != nil {
			if now, _ := d.ReadFile(firstSegment); !bytes.Equal(now, b) {
				t.Error("refused, and changed")
			}
			return
		}
		defer s.Close()
		if err := s.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
		ledgertest.Check(t, s)
		goesOn(t, d, s)
	})
}
