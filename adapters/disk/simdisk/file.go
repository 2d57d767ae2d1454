package simdisk

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
)

type file struct {
	d        *Disk
	n        *inode
	name     string
	age      int
	readOnly bool
	closed   bool
	failures int // of the file's syncs, that this handle has heard of
}

// alive is called with the disk's lock held, first in every operation.
func (f *file) alive() error {
	switch {
	case f.age != f.d.age || f.d.powerCut:
		return fmt.Errorf("%s: %w", f.name, ErrCrashed)
	case f.closed:
		return &fs.PathError{Op: "use", Path: f.name, Err: fs.ErrClosed}
	}
	return nil
}

func (f *file) ReadAt(b []byte, offset int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.alive(); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.n.seen)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.seen[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, offset int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.alive(); err != nil {
		return 0, err
	}
	if f.readOnly {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.EBADF}
	}
	last, err := f.d.changing()
	if err != nil {
		return 0, err
	}
	f.d.writes++
	stored, failed := f.d.faults[fault{false, f.d.writes}]
	if failed && !stored {
		return 0, ErrFault
	}
	fits := f.d.fitting(int64(len(f.n.seen)), offset, int64(len(b)))
	f.n.write(b[:fits], offset)
	switch {
	case failed:
		return 0, ErrFault
	case fits < int64(len(b)):
		return int(fits), &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	return len(b), outcome(last)
}

// fitting is how many of n bytes at the offset there is room for, which is then used up.
func (d *Disk) fitting(size, offset, n int64) int64 {
	growth := max(0, offset+n-size)
	if d.room < 0 || growth <= d.room {
		if d.room >= 0 {
			d.room -= growth
		}
		return n
	}
	n = max(0, n-(growth-d.room))
	d.room -= max(0, offset+n-size)
	return n
}

func (n *inode) write(b []byte, offset int64) {
	if len(b) == 0 {
		return
	}
	if end := offset + int64(len(b)); end > int64(len(n.seen)) {
		n.seen = resized(n.seen, end)
	}
	copy(n.seen[offset:], b)
	n.pending = append(n.pending, change{offset, slices.Clone(b)})
}

func (f *file) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.alive(); err != nil {
		return err
	}
	if f.readOnly {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: syscall.EBADF}
	}
	last, err := f.d.changing()
	if err != nil {
		return err
	}
	f.n.seen = resized(f.n.seen, size)
	f.n.pending = append(f.n.pending, change{offset: size})
	return outcome(last)
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.alive(); err != nil {
		return 0, err
	}
	return int64(len(f.n.seen)), nil
}

func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.alive(); err != nil {
		return err
	}
	err := f.d.sync()
	if f.d.powerCut {
		return err
	}
	stored, failed := f.d.faults[fault{true, f.d.syncs}]
	if !failed || stored {
		f.n.harden()
	}
	if failed {
		f.n.failures++
	}
	if f.failures < f.n.failures {
		f.failures, err = f.n.failures, ErrFault
	}
	f.n.pending = nil
	return err
}

// harden carries every change over into what survives a crash.
func (n *inode) harden() {
	for _, c := range n.pending {
		if c.data == nil {
			n.durable = resized(n.durable, c.offset)
			continue
		}
		if end := c.offset + int64(len(c.data)); end > int64(len(n.durable)) {
			n.durable = resized(n.durable, end)
		}
		copy(n.durable[c.offset:], c.data)
	}
}

func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.alive(); err != nil {
		return err
	}
	f.closed = true
	return nil
}
