package disk

import "golang.org/x/sys/unix"

// dataSync makes the file's bytes durable, and of its metadata what is needed to read them back: on Linux that includes
// a changed length (fdatasync(2)).
func dataSync(fd int) error { return unix.Fdatasync(fd) }
