package filestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/eventschema"
)

// TestCopy copies a log at rest, up to each of its records: the copy holds them as they were, and can be written on.
func TestCopy(t *testing.T) {
	d, before := sealedLog(t)
	for upto := range uint64(len(before) + 1) {
		to := simdisk.New(seed(3))
		got, err := filestore.Copy(t.Context(), d, to, upto)
		want := (upto + 3) / 4 * 4 // appends of four
		if upto == 0 {
			want = uint64(len(before))
		}
		if err != nil || got != want {
			t.Fatalf("copied up to %d: %d, %v; want %d", upto, got, err, want)
		}
		to.Crash()
		s := mustOpen(t, to, small)
		mixed(t, before[:want], ledgertest.Check(t, s))
		if err := s.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if _, err := s.Append(t.Context(), "new", 0, ledgertest.Records(900, 2)...); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := filestore.Copy(t.Context(), d, simdisk.New(seed(3)), uint64(len(before)+1)); err == nil {
		t.Error("a log was copied that ends too early")
	}
	if _, err := filestore.Copy(t.Context(), simdisk.New(seed(3)), simdisk.New(seed(3)), 0); err == nil {
		t.Error("no log was copied")
	}
}

// late is a disk on which the first look finds no sweep under way.
type late struct {
	disk.Disk
	looked bool
}

func (l *late) OpenRead(name string) (disk.File, error) {
	if name == "erasing" && !l.looked {
		l.looked = true
		return nil, fs.ErrNotExist
	}
	return l.Disk.OpenRead(name)
}

// TestCopyOfASweep: what a sweep was overwriting when the power went is erased in the copy, also if it began behind the copy.
func TestCopyOfASweep(t *testing.T) {
	original, before := sealedLog(t)
	for n := 1; ; n++ {
		d := original.Clone(seed(2))
		s := mustOpen(t, d, small)
		d.CutPower(n)
		_, err := s.Erase(t.Context(), choose)
		s.Close()
		d.Crash()
		for _, from := range []disk.Disk{d, &late{Disk: d}} {
			expectCopy(t, n, from, before)
		}
		if err == nil {
			return
		}
	}
}

// expectCopy copies records that were there before, and maybe swept, from a disk whose power was cut at its change n.
func expectCopy(t *testing.T, n int, from disk.Disk, before []eventschema.Record) {
	t.Helper()
	to := simdisk.New(seed(3))
	if _, err := filestore.Copy(t.Context(), from, to, uint64(len(before))); err != nil {
		t.Fatalf("power cut at change %d: %v", n, err)
	}
	copied := mustOpen(t, to, small)
	mixed(t, before, ledgertest.Check(t, copied))
	copied.Close()
}

// grown is a disk on which more was written, and a sweep begun there, right after its segments were listed first.
type grown struct {
	disk.Disk
	after disk.Disk
}

func (g *grown) Names(dir string) ([]string, error) {
	names, err := g.Disk.Names(dir)
	g.Disk = g.after
	return names, err
}

// TestCopyOfAGrowingLog: a sweep beside a copy notes what lies in segments that were not there when the copy began.
func TestCopyOfAGrowingLog(t *testing.T) {
	original, before := sealedLog(t)
	for n := 1; ; n++ {
		d := original.Clone(seed(2))
		s := mustOpen(t, d, small)
		for i := range uint64(4) {
			r := ledgertest.Record(100 + int(i))
			r.Sealed = bytes.Repeat([]byte{7}, 1500)
			if _, err := s.Append(t.Context(), "later", i, r); err != nil {
				t.Fatal(err)
			}
		}
		d.CutPower(n)
		_, err := s.Erase(t.Context(), func(*eventschema.Record) (bool, error) { return true, nil }, "later")
		s.Close()
		d.Crash()
		expectCopy(t, n, &grown{original.Clone(seed(2)), d}, before)
		if err == nil {
			return
		}
	}
}

// TestCopyBesideOthers copies a log that is written and swept.
func TestCopyBesideOthers(t *testing.T) {
	d := osDisk(t)
	s := mustOpen(t, d, small)
	defer s.Close()
	var others sync.WaitGroup
	stop := make(chan struct{})
	for n := range 2 {
		others.Go(func() {
			for i := uint64(0); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				records := ledgertest.Records(int(2*i), 2)
				records[0].Sealed = make([]byte, 900)
				records[0].Sealed[7] = 1
				if _, err := s.Append(t.Context(), fmt.Sprint("stream ", n), 2*i, records...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Erase(t.Context(), func(*eventschema.Record) (bool, error) { return true, nil }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for copies := 0; copies < 30; {
		head, err := s.Head(t.Context())
		if err != nil {
			t.Error(err)
			break
		}
		if head == 0 {
			runtime.Gosched() // the others have not begun
			continue
		}
		copies++
		to := simdisk.New(seed(3))
		got, err := filestore.Copy(t.Context(), d, to, head)
		if err != nil || got < head {
			t.Errorf("copied up to %d, want %d: %v", got, head, err)
			break
		}
		c := mustOpen(t, to, small)
		ledgertest.Check(t, c)
		c.Close()
	}
	close(stop)
	others.Wait()
}

// TestCopyOfDamage: no copy is made of what does not hold, nor one beyond a full disk.
func TestCopyOfDamage(t *testing.T) {
	whole, at := threeBatches(7)
	for offset := at[0]; offset < at[5]; offset += 5 {
		b := append([]byte(nil), whole...)
		b[offset] ^= 0x10
		d := simdisk.New(seed(1))
		d.MakeDir("segments")
		d.WriteFile(firstSegment, b)
		if _, err := filestore.Copy(t.Context(), d, simdisk.New(seed(3)), 0); !errors.As(err, new(*filestore.DamageError)) {
			t.Errorf("byte %d: %v", offset, err)
		}
	}
	d, _ := sealedLog(t)
	names, err := d.Names("segments")
	if err != nil || len(names) < 3 {
		t.Fatalf("segments %q, %v", names, err)
	}
	for k := range len(names) - 1 {
		name, next := "segments/"+names[k], "segments/"+names[k+1]
		b, err := disk.ReadFile(d, name)
		after, errNext := disk.ReadFile(d, next)
		if err != nil || errNext != nil {
			t.Fatal(err, errNext)
		}
		end := binary.LittleEndian.Uint64(after[40:]) - binary.LittleEndian.Uint64(b[40:])
		bent := d.Clone(seed(2))
		bent.WriteFile(name, append(b[:end:end], 1))
		if _, err := filestore.Copy(t.Context(), bent, simdisk.New(seed(3)), 0); !errors.As(err, new(*filestore.DamageError)) {
			t.Errorf("a byte behind the last frame of %s: %v", name, err)
		}
	}
	to := simdisk.New(seed(3))
	to.Room(3000)
	if _, err := filestore.Copy(t.Context(), d, to, 0); err == nil {
		t.Error("a copy found room where there is none")
	}
}
