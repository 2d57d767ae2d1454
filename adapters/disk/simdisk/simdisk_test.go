package simdisk_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
)

var _ disk.Disk = (*simdisk.Disk)(nil)

func create(t *testing.T, d *simdisk.Disk, name string) disk.File {
	t.Helper()
	f, err := d.Open(name, true)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f disk.File, b []byte, offset int64) {
	t.Helper()
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}

// fates crashes copies of the disk by many seeds, and gives every distinct content the file then has; nil: no file.
func fates(d *simdisk.Disk, name string) [][]byte {
	var all [][]byte
	for seed := range uint64(400) {
		c := d.Clone(rand.NewPCG(seed, 0))
		c.Crash()
		b, err := c.ReadFile(name)
		if err == nil && b == nil {
			b = []byte{}
		}
		if !slices.ContainsFunc(all, func(a []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }) {
			all = append(all, b)
		}
	}
	return all
}

func TestSyncedStays(t *testing.T) {
	d := simdisk.New(rand.NewPCG(1, 1))
	f := create(t, d, "x")
	write(t, f, []byte("stays"), 0)
	if err := errors.Join(f.Sync(), d.SyncDir("")); err != nil {
		t.Fatal(err)
	}
	if got := fates(d, "x"); len(got) != 1 || string(got[0]) != "stays" {
		t.Errorf("after a crash: %q", got)
	}
}

func TestUnsyncedIsUncertain(t *testing.T) {
	d := simdisk.New(rand.NewPCG(1, 1))
	f := create(t, d, "x")
	write(t, f, bytes.Repeat([]byte{1}, 1536), 0)
	if got := fates(d, "x"); !slices.ContainsFunc(got, func(b []byte) bool { return b == nil }) {
		t.Error("a file whose folder was not synced always stays")
	}
	if err := errors.Join(f.Sync(), d.SyncDir("")); err != nil {
		t.Fatal(err)
	}
	write(t, f, bytes.Repeat([]byte{2}, 1536), 0)
	var kept, dropped, torn, mixed bool
	for _, b := range fates(d, "x") {
		kept = kept || bytes.Equal(b, bytes.Repeat([]byte{2}, 1536))
		dropped = dropped || bytes.Equal(b, bytes.Repeat([]byte{1}, 1536))
		mixed = mixed || b[0] == 1 && b[511] == 1 && b[512] == 2 && b[1023] == 2
		torn = torn || b[0] == 2 && b[511] == 1
		for i := 1; i < 512; i++ {
			if b[i] == 2 && b[i-1] == 1 {
				t.Fatal("a sector is torn other than at its end")
			}
		}
	}
	if !kept || !dropped || !torn || !mixed {
		t.Errorf("kept %v, dropped %v, torn %v, mixed %v: want all", kept, dropped, torn, mixed)
	}
}

func TestRenameIsAtomic(t *testing.T) {
	d := simdisk.New(rand.NewPCG(1, 1))
	for _, name := range []string{"x", "y"} {
		f := create(t, d, name)
		write(t, f, []byte(name), 0)
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.SyncDir(""), d.Rename("y", "x")); err != nil {
		t.Fatal(err)
	}
	got := fates(d, "x")
	slices.SortFunc(got, bytes.Compare)
	if len(got) != 2 || string(got[0]) != "x" || string(got[1]) != "y" {
		t.Errorf("after a crash: %q, want x or y", got)
	}
}

func TestHandlesDie(t *testing.T) {
	d := simdisk.New(rand.NewPCG(1, 1))
	f := create(t, d, "x")
	if _, err := d.Lock("lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock("lock"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}
	d.Crash()
	if err := f.Sync(); !errors.Is(err, simdisk.ErrCrashed) {
		t.Errorf("a file of before the crash: %v", err)
	}
	if _, err := d.Lock("lock"); err != nil {
		t.Errorf("a lock of before the crash: %v", err)
	}
	d.CutPower(1)
	if _, err := d.Open("z", true); !errors.Is(err, simdisk.ErrCrashed) {
		t.Errorf("without power: %v", err)
	}
}

func TestFaultsComeInPairs(t *testing.T) {
	for _, stored := range []bool{true, false} {
		d := simdisk.New(rand.NewPCG(1, 1))
		f, other := create(t, d, "x"), create(t, d, "x")
		write(t, f, []byte("old"), 0)
		if err := errors.Join(f.Sync(), d.SyncDir("")); err != nil {
			t.Fatal(err)
		}
		d.FailSync(1, stored)
		write(t, f, []byte("new"), 0)
		if err := f.Sync(); !errors.Is(err, simdisk.ErrFault) {
			t.Errorf("the sync that was to fail: %v", err)
		}
		if err := f.Sync(); err != nil {
			t.Errorf("the next sync: %v", err)
		}
		if err := other.Sync(); !errors.Is(err, simdisk.ErrFault) {
			t.Errorf("the other handle's sync: %v", err)
		}
		if b, _ := d.ReadFile("x"); string(b) != "new" {
			t.Errorf("seen before the crash: %q", b)
		}
		if got, want := fates(d, "x"), map[bool]string{true: "new", false: "old"}[stored]; len(got) != 1 || string(got[0]) != want {
			t.Errorf("stored %v: after a crash %q", stored, got)
		}
		d.FailWrite(1, stored)
		if _, err := f.WriteAt([]byte("end"), 0); !errors.Is(err, simdisk.ErrFault) {
			t.Errorf("the write that was to fail: %v", err)
		}
		if b, _ := d.ReadFile("x"); (string(b) == "end") != stored {
			t.Errorf("stored %v: seen %q", stored, b)
		}
	}
}

func TestRoom(t *testing.T) {
	d := simdisk.New(rand.NewPCG(1, 1))
	f := create(t, d, "x")
	d.Room(10)
	if n, err := f.WriteAt(make([]byte, 16), 0); n != 10 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	write(t, f, []byte("over"), 0)
	d.Room(-1)
	write(t, f, make([]byte, 16), 0)
}
