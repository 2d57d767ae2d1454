package disk

import (
	"io"
	"path"
)

// Sub is the folder dir of a disk as a disk of its own.
func Sub(d Disk, dir string) Disk { return sub{d, dir} }

type sub struct {
	disk Disk
	dir  string
}

func (s sub) at(name string) string { return path.Join(s.dir, name) }

func (s sub) Open(name string, create bool) (File, error) { return s.disk.Open(s.at(name), create) }
func (s sub) OpenRead(name string) (File, error)          { return s.disk.OpenRead(s.at(name)) }
func (s sub) Names(dir string) ([]string, error)          { return s.disk.Names(s.at(dir)) }
func (s sub) MakeDir(dir string) error                    { return s.disk.MakeDir(s.at(dir)) }
func (s sub) Rename(oldName, newName string) error {
	return s.disk.Rename(s.at(oldName), s.at(newName))
}
func (s sub) Remove(name string) error                  { return s.disk.Remove(s.at(name)) }
func (s sub) SyncDir(dir string) error                  { return s.disk.SyncDir(s.at(dir)) }
func (s sub) Lock(name string) (io.Closer, error)       { return s.disk.Lock(s.at(name)) }
func (s sub) LockShared(name string) (io.Closer, error) { return s.disk.LockShared(s.at(name)) }
