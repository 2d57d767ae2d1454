package keyring

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/disk"
)

// OpenFile opens the keyring in a folder of the disk, and makes it if the folder holds none. Random makes the master key
// and the data keys; one batch uses it at a time. The error matches ErrDamaged if the files cannot be trusted, and
// disk.ErrLocked if the keyring is open already.
func OpenFile(d disk.Disk, dir string, random io.Reader) (*FileRing, error) {
	ring, err := place{d, dir}.openLocked(random)
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	return ring, nil
}

const (
	masterName = "master.key"
	dataName   = "data.keys"
	lockName   = "lock"
	newSuffix  = ".new" // a file that is not complete yet
)

// A place is a folder with, perhaps, a keyring in it.
type place struct {
	disk disk.Disk
	dir  string
}

func (p place) path(name string) string { return path.Join(p.dir, name) }

func (p place) openLocked(random io.Reader) (*FileRing, error) {
	if err := p.disk.MakeDir(p.dir); err != nil {
		return nil, err
	}
	lock, err := p.disk.Lock(p.path(lockName))
	if err != nil {
		return nil, err
	}
	key, err := p.master(random)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	defer clear(key)
	ring, err := p.open(key, random)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	ring.lock = lock
	return ring, nil
}

// master gives the master key of the keyring in the folder, which is made if there is none. The order of making lets an
// interrupted one be told from a loss: the new master key is durable before data.keys appears, and gets its final name
// after. So master.key never stands alone; and data.keys stands alone either without a single entry, and then nothing is
// lost by starting over, or beside the master.key.new whose new name did not survive.
func (p place) master(random io.Reader) ([]byte, error) {
	has, err := p.names()
	if err != nil {
		return nil, err
	}
	begun, err := p.hasEntries(has[dataName])
	if err != nil {
		return nil, err
	}
	switch {
	case has[masterName] && has[dataName]:
		err = p.disk.SyncDir(p.dir) // a name that is seen may still not be durable
	case has[masterName]:
		err = fmt.Errorf("%w: there is %s without %s", ErrDamaged, masterName, dataName)
	case begun && has[masterName+newSuffix]:
		err = p.settle(masterName)
	case begun:
		err = fmt.Errorf("%w: there is %s without %s", ErrDamaged, dataName, masterName)
	default:
		err = p.create(random)
	}
	if err != nil {
		return nil, err
	}
	return p.readMaster()
}

// hasEntries tells whether data.keys, if there is one, holds more than its header.
func (p place) hasEntries(exists bool) (bool, error) {
	if !exists {
		return false, nil
	}
	f, err := p.disk.OpenRead(p.path(dataName))
	if err != nil {
		return false, err
	}
	size, err := f.Size()
	return size > entrySize, errors.Join(err, f.Close())
}

func (p place) names() (map[string]bool, error) {
	names, err := p.disk.Names(p.dir)
	if err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, n := range names {
		has[path.Base(n)] = true
	}
	return has, nil
}

func (p place) create(random io.Reader) error {
	key := make([]byte, keySize)
	defer clear(key)
	if _, err := io.ReadFull(random, key); err != nil {
		return fmt.Errorf("randomness for the master key: %w", err)
	}
	master, err := subtle.NewAESGCM(key)
	if err != nil {
		return err
	}
	check, err := wrap(master, make([]byte, keySize), masterBound)
	if err != nil {
		return err
	}
	header := entry{kind: kindHeader, key: check}

	if err := p.writeNew(masterName, key); err != nil {
		return err
	}
	if err := p.writeNew(dataName, header.append(nil)); err != nil {
		return err
	}
	if err := p.disk.SyncDir(p.dir); err != nil {
		return err
	}
	if err := p.settle(dataName); err != nil {
		return err
	}
	return p.settle(masterName)
}

// writeNew writes the file under its provisional name.
func (p place) writeNew(name string, content []byte) error {
	f, err := p.disk.Open(p.path(name+newSuffix), true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	return errors.Join(err, f.Truncate(int64(len(content))), f.Sync(), f.Close())
}

// settle gives a complete file its final name.
func (p place) settle(name string) error {
	if err := p.disk.Rename(p.path(name+newSuffix), p.path(name)); err != nil {
		return err
	}
	return p.disk.SyncDir(p.dir)
}

func (p place) readMaster() ([]byte, error) {
	f, err := p.disk.Open(p.path(masterName), false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size != keySize {
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", ErrDamaged, masterName, size, keySize)
	}
	key := make([]byte, keySize)
	if _, err := f.ReadAt(key, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return key, nil
}

// open reads data.keys, cuts off what was never completed, and finishes wipings that were interrupted.
func (p place) open(key []byte, random io.Reader) (*FileRing, error) {
	master, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, err
	}
	file, err := p.disk.Open(p.path(dataName), false)
	if err != nil {
		return nil, err
	}
	ring := &FileRing{table: newTable(master), file: file, random: random}
	if err := ring.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dataName, err), file.Close())
	}
	return ring, nil
}

func (f *FileRing) recover() error {
	size, err := f.file.Size()
	if err != nil {
		return err
	}
	if err := f.checkHeader(); err != nil {
		return err
	}
	s, err := survey(f.file, size)
	if err != nil {
		return err
	}
	destroys, err := f.replay(s)
	if err != nil {
		return err
	}
	f.next = s.end
	return f.settle(s, destroys)
}

// settle makes durable what was read. Reading does not prove that it is: after a sync that failed, the system shows what
// the disk may not hold. So the last batch is written once more, and what it destroyed is wiped once more; earlier
// batches were synced before it began.
func (f *FileRing) settle(s surveyed, destroys []entry) error {
	batch := make([]byte, (s.end - s.lastBatch).offset())
	if _, err := f.file.ReadAt(batch, s.lastBatch.offset()); err != nil && err != io.EOF {
		return err
	}
	if err := f.file.Truncate(s.end.offset()); err != nil {
		return fmt.Errorf("cutting off an unfinished write: %w", err)
	}
	if _, err := f.file.WriteAt(batch, s.lastBatch.offset()); err != nil {
		return fmt.Errorf("settling the last write: %w", err)
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("settling the last write: %w", err)
	}
	return f.wipe(destroys)
}

func (f *FileRing) checkHeader() error {
	raw := make([]byte, entrySize)
	if _, err := f.file.ReadAt(raw, 0); err != nil && err != io.EOF {
		return err
	}
	header, ok := parseEntry(raw, 0)
	if !ok || header.kind != kindHeader {
		return fmt.Errorf("%w: no readable header of this version", ErrDamaged)
	}
	if !opens(f.table.master, header.key) {
		return fmt.Errorf("%w: %s is of another keyring", ErrDamaged, masterName)
	}
	return nil
}

func opens(master tink.AEAD, check wrappedKey) bool {
	_, err := master.Decrypt(check[:], masterBound)
	return err == nil
}

// A surveyed file: where its entries end, and which unreadable entries before that are keys whose wiping was interrupted,
// each with the entry that destroyed it.
type surveyed struct {
	end       slot
	lastBatch slot // where the last batch known to have begun begins
	halfWiped map[slot]slot
}

// survey reads all entries once and decides what the unreadable ones are.
func survey(file disk.File, size int64) (surveyed, error) {
	s := surveyed{end: 1, lastBatch: 1, halfWiped: map[slot]slot{}}
	unreadable := map[slot]bool{}
	err := scan(file, 1, slot((size+entrySize-1)/entrySize), func(at slot, e entry, ok bool) error {
		s.end = at + 1
		if !ok {
			unreadable[at] = true
			return nil
		}
		s.lastBatch = max(s.lastBatch, e.first)
		if e.kind == kindDestroy && unreadable[e.target] {
			delete(unreadable, e.target)
			s.halfWiped[e.target] = at
		}
		return nil
	})
	for at := range unreadable {
		s.end = min(s.end, at)
	}
	s.dropOrphans()
	if err == nil && s.end < s.lastBatch {
		err = fmt.Errorf("%w: entry %d cannot be read, and later writes can", ErrDamaged, s.end)
	}
	return s, err
}

// dropOrphans moves the end before every half-wiped key whose destroying entry is beyond it.
func (s *surveyed) dropOrphans() {
	for moved := true; moved; {
		moved = false
		for at, by := range s.halfWiped {
			if at < s.end && by >= s.end {
				s.end, moved = at, true
			}
		}
	}
}

// replay brings the table up to the file, entry by entry, and gives the entries whose keys may still stand in the file.
func (f *FileRing) replay(s surveyed) (destroys []entry, err error) {
	wiped := map[slot]tag{} // by their own number, until the entry comes that destroyed them
	err = scan(f.file, 1, s.end, func(at slot, e entry, ok bool) error {
		if !ok {
			return nil // half wiped: the entry that destroys it follows
		}
		if e.owner.kind == 0 {
			return fmt.Errorf("%w: entry %d is of an owner this version does not know", ErrDamaged, at)
		}
		held, known := f.table.find(e.owner)
		_, half := s.halfWiped[e.target]
		switch {
		case e.kind == kindKey && !known && e.target == 0:
		case e.kind == kindWiped && !known:
			wiped[at] = e.owner
			return nil
		case e.kind == kindDestroy && !known && e.target == 0:
		case e.kind == kindDestroy && !known && wiped[e.target] == e.owner:
			delete(wiped, e.target)
			if at >= s.lastBatch {
				destroys = append(destroys, e)
			}
		case e.kind == kindDestroy && (!known && half || known && held == e.target && held != slotGone):
			destroys = append(destroys, e)
		default:
			return fmt.Errorf("%w: entry %d contradicts those before it", ErrDamaged, at)
		}
		f.learn(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for at := range wiped {
		return nil, fmt.Errorf("%w: entry %d was wiped, and what destroyed it is missing", ErrDamaged, at)
	}
	return destroys, nil
}

// scan reads the entries from one number up to another, in large pieces. An entry that is cut short is not ok.
func scan(file disk.File, from, to slot, visit func(at slot, e entry, ok bool) error) error {
	buf := make([]byte, 8192*entrySize)
	for at := from; at < to; {
		n, err := file.ReadAt(buf[:min(int64(len(buf)), (to-at).offset())], at.offset())
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: the file became shorter while it was read", ErrDamaged)
		}
		for raw := buf[:n]; len(raw) > 0 && at < to; at++ {
			one := raw[:min(entrySize, len(raw))]
			raw = raw[len(one):]
			e, ok := parseEntry(one, at)
			if err := visit(at, e, ok); err != nil {
				return err
			}
		}
	}
	return nil
}
