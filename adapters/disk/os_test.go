//go:build unix

package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samtykke/adapters/disk"
)

func open(t *testing.T, root string) disk.Disk {
	t.Helper()
	d, err := disk.OS(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFilesAndFolders(t *testing.T) {
	root := filepath.Join(t.TempDir(), "made", "on", "demand")
	d := open(t, root)
	if err := d.MakeDir("a/b"); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("a/b/one", true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("hello"), 3); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), d.SyncDir("a/b"), d.Rename("a/b/one", "a/b/two"), d.SyncDir("a/b")); err != nil {
		t.Fatal(err)
	}
	if size, err := f.Size(); size != 8 || err != nil {
		t.Errorf("size %d, %v; want 8", size, err)
	}
	if names, err := d.Names("a/b"); err != nil || !cmp.Equal(names, []string{"two"}) {
		t.Errorf("names %q, %v", names, err)
	}
	if names, err := d.Names("a"); err != nil || len(names) != 0 {
		t.Errorf("a folder is no file: names %q, %v", names, err)
	}
	if names, err := d.Names("nowhere"); err != nil || len(names) != 0 {
		t.Errorf("names of a missing folder %q, %v", names, err)
	}
	if _, err := d.Open("a/b/one", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what was renamed away: %v", err)
	}
	for _, name := range []string{"../outside", "/etc/passwd", "a/../../x"} {
		if _, err := d.Open(name, true); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("opening %q: %v", name, err)
		}
	}
}

func TestModes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "store")
	d := open(t, root)
	if err := d.MakeDir("segments"); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("segments/x", true)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for name, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "segments": 0o700 | fs.ModeDir, "segments/x": 0o600} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%q has mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestOpenReadRefusesWriting(t *testing.T) {
	d := open(t, t.TempDir())
	if _, err := d.OpenRead("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a missing file: %v", err)
	}
	f, err := d.Open("x", true)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	r, err := d.OpenRead("x")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a file opened for reading took a write")
	}
}

func TestLocks(t *testing.T) {
	d := open(t, t.TempDir())
	if _, err := d.LockShared("lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sharing a lock that nobody made: %v", err)
	}
	alone, err := d.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock("lock"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("the second lock of one process: %v, want ErrLocked", err)
	}
	if _, err := d.LockShared("lock"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("sharing beside the one who locked: %v, want ErrLocked", err)
	}
	alone.Close()
	one, err := d.LockShared("lock")
	if err != nil {
		t.Fatal(err)
	}
	two, err := d.LockShared("lock")
	if err != nil {
		t.Fatalf("two who share: %v", err)
	}
	if _, err := d.Lock("lock"); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("locking beside those who share: %v, want ErrLocked", err)
	}
	one.Close()
	two.Close()
	again, err := d.Lock("lock")
	if err != nil {
		t.Fatalf("after all let go: %v", err)
	}
	again.Close()
}

func TestRootIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.OS(path); err == nil {
		t.Error("a file passed for a folder")
	}
}
