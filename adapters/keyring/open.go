package keyring

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/disk"
)

// Options say what a keyring on files stands on. The zero Options are OpenFile's.
type Options struct {
	// Master wraps the epochs' keys: that of a key management service, say. If it is nil, the folder's master.key does. It
	// is asked when the keyring is opened and when an epoch begins, never for a data key, and may be slow.
	Master tink.AEAD
}

// OpenFile opens the keyring in a folder of the disk, and makes it if the folder holds none. Random makes the master key,
// the epochs' keys and the data keys; it is never used by two at a time. The error matches ErrDamaged if the files cannot be
// trusted, ErrEpochGone if the key is not there that opens the data keys, and disk.ErrLocked if the keyring is open already.
func OpenFile(d disk.Disk, dir string, random io.Reader) (*FileRing, error) {
	return Options{}.OpenFile(d, dir, random)
}

// OpenFile is the function of that name, with these options.
func (o Options) OpenFile(d disk.Disk, dir string, random io.Reader) (*FileRing, error) {
	ring, err := place{d, dir}.openLocked(o.Master, random)
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	return ring, nil
}

const (
	masterName  = "master.key"
	lockName    = "lock"
	epochDir    = "epochs"
	epochPrefix = epochDir + "/" // before the epoch's number
	tablePrefix = "data.keys."   // the same
	oldestTable = "data.keys"    // of epoch 0: wrapped under the master key itself, as it was before there were epochs
	newSuffix   = ".new"         // of a file that is not complete yet, or whose name did not turn out to be durable
)

func epochName(epoch uint32) string { return epochPrefix + strconv.FormatUint(uint64(epoch), 10) }

func tableName(epoch uint32) string {
	if epoch == 0 {
		return oldestTable
	}
	return tablePrefix + strconv.FormatUint(uint64(epoch), 10)
}

// A place is a folder with, perhaps, a keyring in it.
type place struct {
	disk disk.Disk
	dir  string
}

func (p place) path(name string) string { return path.Join(p.dir, name) }

// syncDirs makes all names durable that are in the folder and in that of epochs' keys.
func (p place) syncDirs() error {
	return errors.Join(p.disk.SyncDir(p.path(epochDir)), p.disk.SyncDir(p.dir))
}

func (p place) syncDirOf(name string) error {
	dir, _ := path.Split(name)
	return p.disk.SyncDir(p.path(dir))
}

// names lists the files in the folder and in that of epochs' keys.
func (p place) names() (listing, error) {
	all, err := p.disk.Names(p.dir)
	if err != nil {
		return nil, err
	}
	epochs, err := p.disk.Names(p.path(epochDir))
	for _, n := range epochs {
		all = append(all, epochPrefix+n)
	}
	return all, err
}

// A listing is the names of files below a folder.
type listing []string

func (l listing) has(name string) bool { return slices.Contains(l, name) }

// numbers gives the epochs of the files whose names begin and end so, oldest first.
func (l listing) numbers(prefix, suffix string) []uint32 {
	var numbers []uint32
	for _, name := range l {
		if prefix == tablePrefix && name == oldestTable+suffix {
			numbers = append(numbers, 0)
			continue
		}
		digits, begins := strings.CutPrefix(name, prefix)
		digits, ends := strings.CutSuffix(digits, suffix)
		number, err := strconv.ParseUint(digits, 10, 32)
		if begins && ends && err == nil && digits[0] != '0' {
			numbers = append(numbers, uint32(number))
		}
	}
	slices.Sort(numbers)
	return numbers
}

func newest(numbers []uint32) (number uint32, found bool) {
	if len(numbers) == 0 {
		return 0, false
	}
	return numbers[len(numbers)-1], true
}

func (p place) openLocked(master tink.AEAD, random io.Reader) (*FileRing, error) {
	if err := p.disk.MakeDir(p.path(epochDir)); err != nil {
		return nil, err
	}
	lock, err := p.disk.Lock(p.path(lockName))
	if err != nil {
		return nil, err
	}
	ring, err := p.open(master, random)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	ring.lock = lock
	return ring, nil
}

func (p place) open(master tink.AEAD, random io.Reader) (*FileRing, error) {
	current, err := p.settleNames(master, random)
	if err != nil {
		return nil, err
	}
	master, wrapping, err := p.unlock(current, master)
	if err != nil {
		return nil, err
	}
	epochs, err := p.epochs(current)
	if err != nil {
		return nil, err
	}
	file, err := p.disk.Open(p.path(tableName(current)), false)
	if err != nil {
		return nil, err
	}
	ring := &FileRing{
		place: p, master: master, epoch: current, epochs: epochs, table: newTable(wrapping), file: file, random: random,
	}
	if err := ring.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", tableName(current), err), file.Close())
	}
	// Before anything is added to this table, no other may be taken for the current one any more.
	if err := p.destroyTables(current); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return ring, nil
}

// settleNames finds the current table, and sees to it that it and the keys above it have their names durably. If the folder
// holds no keyring, it makes one.
//
// The order of making lets an interrupted one be told from a loss: all is durable under provisional names before the table
// gets its own, then the epoch's key gets its own, then the master key. So no key stands without a table; and a table
// stands without the name that comes last either empty, and then nothing is lost by starting over, or beside the
// provisional one, because the rename did not turn out to be durable.
func (p place) settleNames(master tink.AEAD, random io.Reader) (current uint32, err error) {
	names, err := p.names()
	if err != nil {
		return 0, err
	}
	current, found, err := p.newestTable(names)
	if err != nil {
		return 0, err
	}
	latest, keyed := newest(names.numbers(epochPrefix, ""))
	if !found {
		if keyed || names.has(masterName) {
			return 0, fmt.Errorf("%w: there are keys, and no %s", ErrDamaged, oldestTable)
		}
		return p.create(master, 1, random)
	}
	last := masterName
	if master != nil {
		last = epochName(current)
	}
	begun, err := p.begun(tableName(current))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", tableName(current), err)
	}
	if !begun && !names.has(last) {
		return p.create(master, latest+1, random)
	}
	if master == nil {
		err = p.resettle(names, masterName, ErrDamaged)
	}
	if current > 0 {
		err = errors.Join(err, p.resettle(names, epochName(current), ErrEpochGone))
	}
	return current, errors.Join(err, p.syncDirs()) // a name that is seen may still not be durable
}

// resettle sees to it that a file which the table needs has its name; without the file the error matches the one given.
func (p place) resettle(names listing, name string, missing error) error {
	switch {
	case names.has(name):
		return nil
	case names.has(name + newSuffix):
		return p.settle(name)
	}
	return fmt.Errorf("%w: there are data keys, and no %s to open them", missing, name)
}

// newestTable finds the table to open. A later epoch's table is whole before it gets its name, and the one that it replaces
// is overwritten after that, from its beginning on. So if there is no table or one without its beginning, and a whole one of a
// later epoch under a provisional name, then that had its name already, and the rename did not turn out to be durable.
func (p place) newestTable(names listing) (epoch uint32, found bool, err error) {
	epoch, found = newest(names.numbers(tablePrefix, ""))
	if found {
		if _, err := p.begun(tableName(epoch)); !errors.Is(err, ErrDamaged) {
			return epoch, true, err
		}
	}
	for _, next := range slices.Backward(names.numbers(tablePrefix, newSuffix)) {
		if found && next <= epoch {
			break
		}
		_, err := p.begun(tableName(next) + newSuffix)
		if err == nil {
			return next, true, p.settle(tableName(next))
		}
		if !errors.Is(err, ErrDamaged) {
			return 0, false, err
		}
	}
	return epoch, found, nil
}

// begun tells whether the table holds more than its header; the error matches ErrDamaged if it has none.
func (p place) begun(name string) (bool, error) {
	f, err := p.disk.OpenRead(p.path(name))
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return false, err
	}
	_, err = readHeader(f)
	return size > entrySize, err
}

func readHeader(f disk.File) (entry, error) {
	raw := make([]byte, entrySize)
	if _, err := f.ReadAt(raw, 0); err != nil && err != io.EOF {
		return entry{}, err
	}
	header, ok := parseEntry(raw, 0)
	if !ok || header.kind != kindHeader {
		return entry{}, fmt.Errorf("%w: no readable header of this version", ErrDamaged)
	}
	return header, nil
}

// create makes a keyring. Its first epoch has no beginning: the first Rotate ends it.
func (p place) create(given tink.AEAD, epoch uint32, random io.Reader) (uint32, error) {
	keys := make([]byte, 2*keySize)
	defer clear(keys)
	if _, err := io.ReadFull(random, keys); err != nil {
		return 0, fmt.Errorf("randomness for the first keys: %w", err)
	}
	master := given
	if given == nil {
		var err error
		if master, err = subtle.NewAESGCM(keys[:keySize]); err != nil {
			return 0, err
		}
	}
	key, wrapping, err := makeEpoch(master, newEpoch(epoch, time.Time{}), keys[keySize:])
	if err != nil {
		return 0, err
	}
	header, err := newHeader(wrapping, epoch)
	if err != nil {
		return 0, err
	}
	type file struct {
		name    string
		content []byte
	}
	files := []file{{tableName(epoch), header.append(nil)}, {epochName(epoch), key}}
	if given == nil {
		files = append(files, file{masterName, keys[:keySize]})
	}
	for _, f := range files {
		if err := p.writeNew(f.name, f.content); err != nil {
			return 0, err
		}
	}
	if err := p.syncDirs(); err != nil {
		return 0, err
	}
	for _, f := range files {
		if err := p.settle(f.name); err != nil {
			return 0, err
		}
	}
	return epoch, nil
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
	return p.syncDirOf(name)
}

// unlock gives the master key and, opened by it, the key that wraps the data keys of an epoch.
func (p place) unlock(epoch uint32, given tink.AEAD) (master, wrapping tink.AEAD, err error) {
	master = given
	if given == nil {
		if master, err = p.readMaster(); err != nil {
			return nil, nil, err
		}
	}
	if epoch == 0 {
		return master, master, nil
	}
	file, err := p.readEpoch(epoch)
	if err == nil && file == nil {
		err = fmt.Errorf("%w: %s is not whole", ErrDamaged, epochName(epoch))
	}
	if err != nil {
		return nil, nil, err
	}
	wrapping, err = file.open(master)
	if err != nil && given == nil { // the master key is at hand: this one is not its own
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return master, wrapping, err
}

func (p place) readMaster() (tink.AEAD, error) {
	key, err := p.read(masterName)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if len(key) != keySize {
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", ErrDamaged, masterName, len(key), keySize)
	}
	return subtle.NewAESGCM(key)
}

// read gives what is in a small file, at most 64 KiB.
func (p place) read(name string) ([]byte, error) {
	f, err := p.disk.OpenRead(p.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, 0, 1<<16))
}

// destroyTables overwrites and removes every table but one.
func (p place) destroyTables(current uint32) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	for _, suffix := range []string{"", newSuffix} {
		for _, n := range names.numbers(tablePrefix, suffix) {
			if n == current && suffix == "" {
				continue
			}
			if err := p.shred(tableName(n) + suffix); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *FileRing) recover() error {
	s, destroys, err := f.load()
	if err != nil {
		return err
	}
	f.next, f.filled = s.end, s.end.offset()
	return f.settle(s, destroys)
}

// load brings the table in memory up to the file's, and changes nothing. It gives the entries whose keys may still stand in the file.
func (f *FileRing) load() (s surveyed, destroys []entry, err error) {
	size, err := f.file.Size()
	if err == nil {
		err = f.checkHeader()
	}
	if err == nil {
		s, err = survey(f.file, size)
	}
	if err == nil {
		destroys, err = f.replay(s)
	}
	return s, destroys, err
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
	header, err := readHeader(f.file)
	if err != nil {
		return err
	}
	if header.target != slot(f.epoch) || !opens(f.table.wrapping, header.key) {
		return fmt.Errorf("%w: its keys are not under epoch %d's key, or that is of another keyring", ErrDamaged, f.epoch)
	}
	return nil
}

func opens(wrapping tink.AEAD, check wrappedKey) bool {
	_, err := wrapping.Decrypt(check[:], checkBound)
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
		case e.kind == kindKey && !known && e.target == slot(f.epoch):
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
	buf := make([]byte, min(8192, to-from).offset())
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
