// Package simdisk is a disk in memory that forgets what was not synced.
//
// It keeps two images of every file and folder: what a program sees, and what would be there after a loss of power. Sync
// and SyncDir carry the first over into the second; Crash throws the first away. What was written and not synced meets
// its fate at the crash, by the seed: each write is cut into sectors of 512 bytes, and every sector is kept, dropped or
// torn (its first bytes new, the rest old) for itself. A changed length, a creation, a rename and a removal are each
// kept or dropped for themselves. A rename is atomic: the old or the new, never half. Folders are durable once made.
//
// A sync that fails loses what it was to store, for good: a later sync does not bring it back, though it stays visible
// until the crash. That is what Linux does with dirty pages whose writing failed; as there, every handle that was open to
// the file hears of the failure once, at its next sync.
//
// A Disk may be used by several goroutines.
package simdisk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"

	"samtykke/adapters/disk"
)

// ErrCrashed is the answer of every file and lock that was opened before a crash, and of the whole disk between a loss
// of power (see CutPower) and Crash.
var ErrCrashed = errors.New("the disk lost power")

// ErrFault is what an injected failure returns.
var ErrFault = errors.New("input/output error (injected)")

const sector = 512

// A Disk is a simulated disk. It implements disk.Disk.
type Disk struct {
	mu       sync.Mutex
	random   *rand.Rand
	age      int // crashes so far
	seen     map[string]*inode
	durable  map[string]*inode
	entries  []entry // changes of names, not synced
	dirs     map[string]bool
	locks    map[string]*lock
	writes   int
	syncs    int
	faults   map[fault]bool // by kind and count: true = stored all the same
	power    int            // changing operations until the power goes; negative: stays on
	room     int64          // bytes files may yet grow by; negative: no limit
	powerCut bool
}

type fault struct {
	sync bool // otherwise a write
	at   int  // its number, counted from the disk's making
}

// An inode is a file's content, whatever it is called.
type inode struct {
	seen     []byte
	durable  []byte
	pending  []change
	failures int // syncs that failed
}

// A change is a write, or a new length when data is nil.
type change struct {
	offset int64
	data   []byte
}

// An entry is a change in a folder: oldName ceases to be node, newName becomes it; either may be empty.
type entry struct {
	oldName, newName string
	node             *inode
}

type lock struct {
	alone  bool
	shared int
}

// New makes an empty disk; src decides what a crash leaves.
func New(src rand.Source) *Disk {
	return &Disk{
		random: rand.New(src), seen: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{"": true},
		locks: map[string]*lock{}, faults: map[fault]bool{}, power: -1, room: -1,
	}
}

// Clone copies the disk as it is at this moment, unsynced changes included, so that the same moment can crash in many
// ways. The copy has no open files, no locks and no faults to come, and its fate comes from src.
func (d *Disk) Clone(src rand.Source) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(src)
	c.dirs = maps.Clone(d.dirs)
	copies := map[*inode]*inode{}
	copied := func(n *inode) *inode {
		if copies[n] == nil {
			// A change's data are never written to again: they can be shared.
			copies[n] = &inode{slices.Clone(n.seen), slices.Clone(n.durable), slices.Clone(n.pending), n.failures}
		}
		return copies[n]
	}
	for name, n := range d.seen {
		c.seen[name] = copied(n)
	}
	for name, n := range d.durable {
		c.durable[name] = copied(n)
	}
	for _, e := range d.entries {
		c.entries = append(c.entries, entry{e.oldName, e.newName, copied(e.node)})
	}
	return c
}

// Crash loses power and starts anew: what was not synced is kept, dropped or torn, every open file and lock is dead, and
// faults to come are forgotten. The disk can be used again at once.
func (d *Disk) Crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if d.coin() {
			e.apply(d.durable)
		}
	}
	d.entries = nil
	// In the order of names: the same seed must give the same crash.
	fated := map[*inode]bool{}
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		if n := d.durable[name]; !fated[n] {
			fated[n] = true
			d.settle(n)
		}
	}
	d.seen = maps.Clone(d.durable)
	d.locks, d.faults = map[string]*lock{}, map[fault]bool{}
	d.power, d.room, d.powerCut = -1, -1, false
	d.age++
}

func (d *Disk) coin() bool { return d.random.IntN(2) == 0 }

// settle decides what is left of a file's unsynced changes. A crash may be kind or harsh to a file as a whole, so that
// the rare outcomes (all kept, all dropped) come up as well as the mixed ones.
func (d *Disk) settle(n *inode) {
	kept := []int{0, 20, 50, 90, 100}[d.random.IntN(5)] // percent of sectors
	for _, c := range n.pending {
		if c.data == nil {
			if d.coin() {
				n.durable = resized(n.durable, c.offset)
			}
			continue
		}
		if end := c.offset + int64(len(c.data)); end > int64(len(n.durable)) && d.random.IntN(100) < kept {
			n.durable = resized(n.durable, end)
		}
		for from := int64(0); from < int64(len(c.data)); {
			to := min(int64(len(c.data)), from+sector-(c.offset+from)%sector)
			part := c.data[from:to]
			if d.random.IntN(8) == 0 {
				part = part[:d.random.IntN(len(part)+1)]
			} else if d.random.IntN(100) >= kept {
				part = nil
			}
			if at := c.offset + from; at < int64(len(n.durable)) {
				copy(n.durable[at:], part)
			}
			from = to
		}
	}
	n.pending = nil
	n.seen = slices.Clone(n.durable)
}

func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		clear(b[size:]) // a file that grows again starts with zeros there
		return b[:size]
	}
	if size <= int64(cap(b)) {
		old := len(b)
		b = b[:size]
		clear(b[old:])
		return b
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

func (e entry) apply(names map[string]*inode) {
	if e.oldName != "" && names[e.oldName] == e.node {
		delete(names, e.oldName)
	}
	if e.newName != "" {
		names[e.newName] = e.node
	}
}

// FailWrite makes the nth write from now (1 is the next) fail with ErrFault: stored all the same, or lost.
func (d *Disk) FailWrite(n int, stored bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults[fault{false, d.writes + n}] = stored
}

// FailSync makes the nth sync from now (1 is the next), of a file or a folder, fail with ErrFault: stored all the same,
// or lost.
func (d *Disk) FailSync(n int, stored bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults[fault{true, d.syncs + n}] = stored
}

// CutPower makes the power go in the nth changing operation from now (1 is the next): a write, a sync, a new length, a
// creation, a rename, a removal. That one still reaches the disk's memory, nothing is made durable by it, and it and
// everything after answers ErrCrashed until Crash.
func (d *Disk) CutPower(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.power = n
}

// Room lets the files grow by n bytes in all; a write that needs more stores what fits and fails with an error that
// matches syscall.ENOSPC. Writing over what exists needs no room. A negative n lifts the limit.
func (d *Disk) Room(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = n
}

// Writes counts the writes to files so far.
func (d *Disk) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

// Syncs counts the syncs of files and folders so far.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// ReadFile gives the bytes of a file as a program sees them.
func (d *Disk) ReadFile(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.seen[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return slices.Clone(n.seen), nil
}

// WriteFile replaces a file, or makes it, durably and without counting: how a test damages what is stored.
func (d *Disk) WriteFile(name string, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &inode{seen: slices.Clone(b), durable: slices.Clone(b)}
	d.seen[name], d.durable[name] = n, n
}

// changing is called at the start of every operation that changes something. When the power goes, the change still
// reaches what a program sees, and so may survive the crash.
func (d *Disk) changing() (last bool, err error) {
	if d.powerCut {
		return false, ErrCrashed
	}
	if d.power > 0 {
		if d.power--; d.power == 0 {
			d.powerCut = true
			return true, nil
		}
	}
	return false, nil
}

// outcome is the answer of an operation that was done: an error when the power went in it.
func outcome(last bool) error {
	if last {
		return ErrCrashed
	}
	return nil
}

func (d *Disk) rename(e entry) error {
	last, err := d.changing()
	if err != nil {
		return err
	}
	e.apply(d.seen)
	d.entries = append(d.entries, e)
	return outcome(last)
}

func check(name string) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// Open implements disk.Disk.
func (d *Disk) Open(name string, create bool) (disk.File, error) { return d.open(name, create, false) }

// OpenRead implements disk.Disk.
func (d *Disk) OpenRead(name string) (disk.File, error) { return d.open(name, false, true) }

func (d *Disk) open(name string, create, readOnly bool) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := check(name); err != nil {
		return nil, err
	}
	if d.powerCut {
		return nil, ErrCrashed
	}
	n := d.seen[name]
	if n == nil {
		if !create || !d.dirs[dirOf(name)] {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		n = &inode{}
		if err := d.rename(entry{newName: name, node: n}); err != nil {
			return nil, err
		}
	}
	return &file{d: d, n: n, name: name, age: d.age, readOnly: readOnly, failures: n.failures}, nil
}

func dirOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// Names implements disk.Disk.
func (d *Disk) Names(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.powerCut {
		return nil, ErrCrashed
	}
	var names []string
	for name := range d.seen {
		if dirOf(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// MakeDir implements disk.Disk.
func (d *Disk) MakeDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.powerCut {
		return ErrCrashed
	}
	made := ""
	for part := range strings.SplitSeq(dir, "/") {
		made = path.Join(made, part)
		d.dirs[made] = true
	}
	return nil
}

// Rename implements disk.Disk.
func (d *Disk) Rename(oldName, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.seen[oldName]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: oldName, Err: fs.ErrNotExist}
	}
	return d.rename(entry{oldName, newName, n})
}

// Remove implements disk.Disk.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.seen[name]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	return d.rename(entry{oldName: name, node: n})
}

// SyncDir implements disk.Disk.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.sync()
	if errors.Is(err, ErrCrashed) {
		return err
	}
	stored, failed := d.faults[fault{true, d.syncs}]
	keep := d.entries[:0:0]
	for _, e := range d.entries {
		here := e.newName != "" && dirOf(e.newName) == dir || e.oldName != "" && dirOf(e.oldName) == dir
		switch {
		case !here:
			keep = append(keep, e)
		case !failed || stored:
			e.apply(d.durable)
		}
	}
	d.entries = keep
	return err
}

// sync counts one sync, and fails if it is one that was chosen to.
func (d *Disk) sync() error {
	last, err := d.changing()
	if err != nil || last {
		return ErrCrashed
	}
	d.syncs++
	if _, failed := d.faults[fault{true, d.syncs}]; failed {
		return ErrFault
	}
	return nil
}

// Lock implements disk.Disk.
func (d *Disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.powerCut {
		return nil, ErrCrashed
	}
	l := d.locks[name]
	if l == nil {
		l = &lock{}
		d.locks[name] = l
	}
	if l.alone || l.shared > 0 {
		return nil, fmt.Errorf("%s: %w", name, disk.ErrLocked)
	}
	l.alone = true
	return &held{d, l, true, d.age, false}, nil
}

// LockShared implements disk.Disk. That the lock was made survives a crash no more than an empty file would; it is
// taken to exist when any file does.
func (d *Disk) LockShared(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.powerCut {
		return nil, ErrCrashed
	}
	l := d.locks[name]
	if l == nil && len(d.seen) == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if l == nil {
		l = &lock{}
		d.locks[name] = l
	}
	if l.alone {
		return nil, fmt.Errorf("%s: %w", name, disk.ErrLocked)
	}
	l.shared++
	return &held{d, l, false, d.age, false}, nil
}

type held struct {
	d      *Disk
	l      *lock
	alone  bool
	age    int
	closed bool
}

func (h *held) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	switch {
	case h.age != h.d.age:
		return ErrCrashed
	case h.closed:
		return fs.ErrClosed
	case h.alone:
		h.l.alone = false
	default:
		h.l.shared--
	}
	h.closed = true
	return nil
}
