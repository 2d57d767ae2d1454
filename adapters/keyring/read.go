package keyring

import (
	"errors"
	"fmt"
	"io/fs"

	"samtykke/adapters/disk"
)

// Read reads the keyring in a folder of the disk, under its own master key, and changes nothing there: an epoch that has ended is
// not destroyed, and what an interruption left is not mended. What comes of it opens what its keys sealed, as a keyring does that
// was closed; it makes and destroys no key, and need not be closed.
//
// The error matches fs.ErrNotExist if the folder holds no keyring, ErrDamaged and ErrEpochGone as that of OpenFile, and
// disk.ErrLocked if the keyring is open.
func Read(d disk.Disk, dir string) (*FileRing, error) {
	ring, err := place{d, dir}.readRing()
	if err != nil {
		return nil, fmt.Errorf("reading the keyring: %w", err)
	}
	return ring, nil
}

func (p place) readRing() (_ *FileRing, err error) {
	lock, err := p.disk.LockShared(p.path(lockName))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	names, err := p.names()
	if err != nil {
		return nil, err
	}
	current, found := newest(names.numbers(tablePrefix, ""))
	if !found {
		return nil, &fs.PathError{Op: "open", Path: p.path(oldestTable), Err: fs.ErrNotExist}
	}
	if current > 0 && !names.has(epochName(current)) {
		return nil, fmt.Errorf("%w: there are data keys, and no %s to open them", ErrEpochGone, epochName(current))
	}
	master, wrapping, err := p.unlock(current, nil)
	if err != nil {
		return nil, err
	}
	epochs, err := p.epochs(current)
	if err != nil {
		return nil, err
	}
	file, err := p.disk.OpenRead(p.path(tableName(current)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	ring := &FileRing{place: p, master: master, epoch: current, epochs: epochs, table: newTable(wrapping), file: file, closed: true}
	if _, _, err := ring.load(); err != nil {
		return nil, fmt.Errorf("%s: %w", tableName(current), err)
	}
	return ring, nil
}
