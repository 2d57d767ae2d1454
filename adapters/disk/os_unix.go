//go:build unix

package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	dirMode  = 0o700 // the owner alone: these are health data
	fileMode = 0o600
)

// OS is the operating system's file system below root. Root need not exist: MakeDir creates it. Folders are created with
// mode 0700 and files with 0600; what exists keeps its own.
func OS(root string) (Disk, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Stat(root); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: root, Err: syscall.ENOTDIR}
	}
	return osDisk{root}, nil
}

type osDisk struct{ root string }

// path is where the name lives. A name that leads out of the root is a mistake of the caller's.
func (d osDisk) path(name string) (string, error) {
	if name == "" {
		return d.root, nil
	}
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(d.root, filepath.FromSlash(name)), nil
}

func (d osDisk) Open(name string, create bool) (File, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	return d.open(name, flag)
}

func (d osDisk) OpenRead(name string) (File, error) { return d.open(name, os.O_RDONLY) }

func (d osDisk) open(name string, flag int) (*osFile, error) {
	path, err := d.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return &osFile{f}, nil
}

func (d osDisk) Names(dir string) ([]string, error) {
	path, err := d.path(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d osDisk) MakeDir(dir string) error {
	path, err := d.path(dir)
	if err != nil {
		return err
	}
	return makeDir(path)
}

// makeDir creates path and what is missing above it, each entry durable before the next one below.
func makeDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

func (d osDisk) Rename(oldName, newName string) error {
	oldPath, err := d.path(oldName)
	if err != nil {
		return err
	}
	newPath, err := d.path(newName)
	if err != nil {
		return err
	}
	return os.Rename(oldPath, newPath)
}

func (d osDisk) Remove(name string) error {
	path, err := d.path(name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

func (d osDisk) SyncDir(dir string) error {
	path, err := d.path(dir)
	if err != nil {
		return err
	}
	return syncDir(path)
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

// Lock uses flock, which belongs to the open file and not to the process: a second Lock of this process conflicts too,
// and the system drops the lock when the process dies. The file stays when the lock ends; removing it would let two
// holders lock two files of one name.
func (d osDisk) Lock(name string) (io.Closer, error) {
	return d.lock(name, os.O_RDWR|os.O_CREATE, unix.LOCK_EX)
}

func (d osDisk) LockShared(name string) (io.Closer, error) {
	return d.lock(name, os.O_RDONLY, unix.LOCK_SH)
}

func (d osDisk) lock(name string, flag, how int) (io.Closer, error) {
	f, err := d.open(name, flag)
	if err != nil {
		return nil, err
	}
	err = f.control("flock", func(fd int) error { return unix.Flock(fd, how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%s: %w", f.Name(), ErrLocked)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

type osFile struct{ *os.File }

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Sync leaves out what only time stamps need, where the system can.
func (f *osFile) Sync() error { return f.control("fdatasync", dataSync) }

// control runs a system call on the file's descriptor, again when a signal came between.
func (f *osFile) control(op string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if callErr = call(int(fd)); callErr != unix.EINTR {
				return
			}
		}
	})
	if err == nil {
		err = callErr
	}
	if err != nil {
		return &fs.PathError{Op: op, Path: f.Name(), Err: err}
	}
	return nil
}
