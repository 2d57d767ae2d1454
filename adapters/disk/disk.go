// Package disk is the little of a file system that a durable store needs, so that the same code runs on the operating
// system's and on a simulated one that forgets what was not synced.
//
// A name is a path below the disk's root, with forward slashes. What a file holds is durable after File.Sync; that a file
// exists, or has been renamed or removed, is durable after SyncDir of its folder.
package disk

import (
	"errors"
	"io"
)

// A Disk is a tree of files.
type Disk interface {
	// Open opens a file for reading and writing, and creates it when create is set and it does not exist. Without
	// create, a missing file is an error that matches fs.ErrNotExist.
	Open(name string, create bool) (File, error)
	// OpenRead opens an existing file for reading alone: writing to it is an error.
	OpenRead(name string) (File, error)
	// Names lists the files in a folder, sorted; a missing folder has none.
	Names(dir string) ([]string, error)
	// MakeDir creates the folder and those above it, durably. The empty name is the root itself.
	MakeDir(dir string) error
	// Rename replaces newName by oldName at once. SyncDir makes it durable.
	Rename(oldName, newName string) error
	// Remove removes a file. SyncDir makes it durable.
	Remove(name string) error
	// SyncDir makes the folder's entries durable.
	SyncDir(dir string) error
	// Lock takes the named lock, or fails at once with an error that matches ErrLocked: also when this process holds it
	// already. It ends with Close, or with the process.
	Lock(name string) (io.Closer, error)
	// LockShared takes the named lock beside others who share it, and never beside one who called Lock. It creates
	// nothing: when nobody ever took the lock, the error matches fs.ErrNotExist.
	LockShared(name string) (io.Closer, error)
}

// A File is open for reading and writing.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the file's length in bytes.
	Size() (int64, error)
	// Truncate sets the file's length.
	Truncate(size int64) error
	// Sync returns when all that was written to the file is durable, its length included.
	Sync() error
}

// ReadFile reads a whole file. A missing one is an error that matches fs.ErrNotExist.
func ReadFile(d Disk, name string) ([]byte, error) {
	f, err := d.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// ErrLocked says that another process, or another store of this one, works on the same folder.
var ErrLocked = errors.New("in use by another process")
