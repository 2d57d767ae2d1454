package keyring

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"samtykke/adapters/disk"
)

// Wrapped is all that a keyring knows of its owners' keys, as it lies: each closed under the key of one epoch. So it moves from one
// place to another, and no key is opened on the way. What opens it, the epoch's key, does not move.
type Wrapped struct {
	Epoch     uint32       // whose key they are under; 0 where there is no keyring
	Check     []byte       // what that key made: see EpochKey.Check
	Keys      []WrappedKey // in the order of owners
	Destroyed []Owner      // whose keys were destroyed, in that order
}

// A WrappedKey is an owner's key, closed.
type WrappedKey struct {
	Owner Owner
	Key   []byte
}

// Same tells whether both are the same keys under the same epoch's key, and the same owners have none any more.
func (w Wrapped) Same(other Wrapped) bool {
	same := func(a, b WrappedKey) bool { return a.Owner == b.Owner && bytes.Equal(a.Key, b.Key) }
	return w.Epoch == other.Epoch && slices.EqualFunc(w.Keys, other.Keys, same) && slices.Equal(w.Destroyed, other.Destroyed)
}

// Sort puts the keys in order.
func (w Wrapped) Sort() {
	slices.SortFunc(w.Keys, func(a, b WrappedKey) int {
		return cmp.Or(cmp.Compare(a.Owner.Kind, b.Owner.Kind), bytes.Compare(a.Owner.ID[:], b.Owner.ID[:]))
	})
}

// Format prints the word only, whatever the verb.
func (w Wrapped) Format(s fmt.State, _ rune) { io.WriteString(s, "[wrapped keys]") }

// LogValue shows the word only.
func (w Wrapped) LogValue() slog.Value { return slog.StringValue("[wrapped keys]") }

// Format prints the word only, whatever the verb.
func (w WrappedKey) Format(s fmt.State, _ rune) { io.WriteString(s, "[wrapped key]") }

// LogValue shows the word only.
func (w WrappedKey) LogValue() slog.Value { return slog.StringValue("[wrapped key]") }

// Wrapped gives the keys as they lie. A folder from before there were epochs is refused: Rotate first.
func (f *FileRing) Wrapped() (Wrapped, error) {
	f.rotation.Lock()
	defer f.rotation.Unlock()
	if f.epoch == 0 {
		return Wrapped{}, errNotBegun
	}
	header, err := newHeader(f.table.wrapping, f.epoch)
	if err != nil {
		return Wrapped{}, err
	}
	w := Wrapped{Epoch: f.epoch, Check: header.key[:]}
	f.table.mu.RLock()
	defer f.table.mu.RUnlock()
	for o, s := range f.table.slots {
		if err := s.refusal(true); errors.Is(err, ErrEnded) {
			return Wrapped{}, err
		} else if err == nil {
			w.Keys = append(w.Keys, WrappedKey{Owner{kinds[o.kind], o.id}, slices.Clone(f.table.wrapped.at(s)[:])})
		}
	}
	for _, o := range f.table.gone {
		w.Destroyed = append(w.Destroyed, Owner{kinds[o.kind], o.id})
	}
	w.Sort()
	return w, nil
}

// Leave overwrites and removes the table, whose keys have gone to another place, and closes the ring. The keys of the epochs stay: they
// open the data keys there. When Leave was interrupted, the folder opens as no keyring, and Left ends what it began.
func (f *FileRing) Leave() error {
	f.mu.Lock()
	f.broken = fmt.Errorf("%w: the keys are in another place", ErrEnded)
	f.mu.Unlock()
	f.writer.Wait()
	f.rotation.Lock()
	err := f.place.shred(tableName(f.epoch))
	f.rotation.Unlock()
	return errors.Join(err, f.Close())
}

// Left tells whether no data keys are in a folder of the disk, as before there were any and after Leave. If Leave was
// interrupted, it overwrites and removes what is left of the table. The error matches disk.ErrLocked if the folder is open.
func Left(d disk.Disk, dir string) (left bool, err error) {
	err = place{d, dir}.alone(func(p place, names listing) error {
		left = true
		for _, n := range names.numbers(tablePrefix, "") {
			if going, err := p.leaving(tableName(n)); err != nil || !going {
				left = false
				return err
			}
			if err := p.shred(tableName(n)); err != nil {
				return err
			}
		}
		return nil
	})
	return left, err
}

// leaving tells whether a table's beginning is overwritten: then none of it counts any more.
func (p place) leaving(name string) (bool, error) {
	f, err := p.disk.OpenRead(p.path(name))
	if err != nil {
		return false, err
	}
	defer f.Close()
	begin := make([]byte, entrySize)
	n, err := f.ReadAt(begin, 0)
	if err == io.EOF {
		err = nil
	}
	return n == entrySize && bytes.HasPrefix(begin, noKey[:]), err
}

// alone runs what is done to a folder while nobody has it open.
func (p place) alone(do func(place, listing) error) error {
	if err := p.disk.MakeDir(p.path(epochDir)); err != nil {
		return err
	}
	lock, err := p.disk.Lock(p.path(lockName))
	if err != nil {
		return err
	}
	names, err := p.names()
	if err == nil {
		err = do(p, names)
	}
	return errors.Join(err, lock.Close())
}

// Fill makes the table of a folder that holds none, of keys that have lain in another place: all of them, durably, or none. The error
// matches ErrEpochGone if the key that opens them is not in the folder, and ErrDamaged if that is of another keyring.
func (o Options) Fill(d disk.Disk, dir string, w Wrapped) error {
	err := place{d, dir}.alone(func(p place, names listing) error {
		if len(names.numbers(tablePrefix, "")) > 0 {
			return errors.New("there are data keys in the folder")
		}
		return p.fill(o, names, w)
	})
	if err != nil {
		return fmt.Errorf("filling the keyring: %w", err)
	}
	return nil
}

func (p place) fill(o Options, names listing, w Wrapped) error {
	if !names.has(epochName(w.Epoch)) {
		return fmt.Errorf("%w: there is no %s to open the data keys", ErrEpochGone, epochName(w.Epoch))
	}
	_, wrapping, err := p.unlock(w.Epoch, o.Master)
	if err != nil {
		return err
	}
	if len(w.Check) != wrappedSize || !opens(wrapping, wrappedKey(w.Check)) {
		return fmt.Errorf("%w: the data keys are not under the key of epoch %d, or that is of another keyring", ErrDamaged, w.Epoch)
	}
	raw := make([]byte, entrySize, (1+len(w.Keys)+len(w.Destroyed))*entrySize)
	add := func(e entry, owner Owner) (err error) {
		e.number, e.first = slot(len(raw)/entrySize), 1
		if e.owner, err = tagOf(owner); err == nil {
			raw = e.append(raw)
		}
		return err
	}
	for _, k := range w.Keys {
		if len(k.Key) != wrappedSize {
			return errUnwrapped
		}
		if err := add(entry{kind: kindKey, target: slot(w.Epoch), key: wrappedKey(k.Key)}, k.Owner); err != nil {
			return err
		}
	}
	for _, owner := range w.Destroyed {
		if err := add(entry{kind: kindDestroy, key: noKey}, owner); err != nil {
			return err
		}
	}
	file, err := p.newTable(w.Epoch)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(raw[entrySize:], entrySize)
	if err == nil {
		err = file.Sync()
	}
	if err == nil { // its header last: without it no table counts
		header := entry{kind: kindHeader, target: slot(w.Epoch), key: wrappedKey(w.Check)}
		_, err = file.WriteAt(header.append(nil), 0)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return p.settle(tableName(w.Epoch))
}
