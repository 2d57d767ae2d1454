//go:build unix && !linux

package disk

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// dataSync makes the file's bytes and metadata durable. Darwin's fsync leaves them in the drive's cache; F_FULLFSYNC
// does not.
func dataSync(fd int) error {
	if runtime.GOOS == "darwin" {
		_, err := unix.FcntlInt(uintptr(fd), fullSync, 0)
		return err
	}
	return unix.Fsync(fd)
}

const fullSync = 51 // F_FULLFSYNC in Darwin's <fcntl.h>
