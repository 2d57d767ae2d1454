package filestore_test

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
)

// TestNoPermission opens a store in a folder of somebody else's.
func TestNoPermission(t *testing.T) {
	root := t.TempDir()
	if os.Geteuid() == 0 {
		// This thread gives up root's way around permissions, and ends with the test.
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
			noPermission(t, root)
		}()
		<-done
		return
	}
	if err := os.Chmod(root, 0o500); err != nil {
		t.Fatal(err)
	}
	noPermission(t, root)
}

func noPermission(t *testing.T, root string) {
	d, err := disk.OS(root)
	if err == nil {
		_, _, err = filestore.Open(d, filestore.Options{})
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("open: %v, want fs.ErrPermission", err)
	}
}
