package keyring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/disk"
)

// EpochKeys are the epochs' keys in a folder, for a keyring that keeps its data keys in another place, such as a database. Several
// processes may have one folder open, and all of those that use the data keys must: each sees what another has begun.
//
// Its methods may be called by several goroutines, but Begin and DestroyEnded by one process at a time.
type EpochKeys struct {
	place  place
	lock   io.Closer
	master tink.AEAD

	mu     sync.Mutex
	random io.Reader
}

// OpenEpochs opens the epochs' keys in a folder of the disk, and makes a master key there if the options give none and the folder is
// new. Random makes keys; it is never used by two at a time. The error matches ErrTogether if the folder holds data keys,
// ErrDamaged if it holds epochs' keys without the master key, and disk.ErrLocked if a FileRing has it open.
func (o Options) OpenEpochs(d disk.Disk, dir string, random io.Reader) (*EpochKeys, error) {
	k, err := openEpochs(place{d, dir}, o.Master, random)
	if err != nil {
		return nil, fmt.Errorf("opening the epochs' keys: %w", err)
	}
	return k, nil
}

func openEpochs(p place, master tink.AEAD, random io.Reader) (_ *EpochKeys, err error) {
	if err := p.disk.MakeDir(p.path(epochDir)); err != nil {
		return nil, err
	}
	if err := p.prepareEpochs(master, random); err != nil {
		return nil, err
	}
	lock, err := p.disk.LockShared(p.path(lockName))
	if err != nil {
		return nil, err
	}
	if master == nil {
		if master, err = p.readMaster(); err != nil {
			return nil, errors.Join(err, lock.Close())
		}
	}
	return &EpochKeys{place: p, lock: lock, master: master, random: random}, nil
}

// prepareEpochs makes what is missing in a new folder, alone.
func (p place) prepareEpochs(master tink.AEAD, random io.Reader) (err error) {
	names, err := p.names()
	if err != nil {
		return err
	}
	if len(names.numbers(tablePrefix, "")) > 0 {
		return ErrTogether
	}
	if names.has(lockName) && (master != nil || names.has(masterName)) {
		return nil
	}
	lock, err := p.disk.Lock(p.path(lockName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if names, err = p.names(); err != nil || master != nil || names.has(masterName) {
		return err
	}
	if _, keyed := newest(names.numbers(epochPrefix, "")); keyed {
		return fmt.Errorf("%w: there are epochs' keys, and no %s to open them", ErrDamaged, masterName)
	}
	key := make([]byte, keySize)
	defer clear(key)
	if _, err := io.ReadFull(random, key); err != nil {
		return fmt.Errorf("randomness for the master key: %w", err)
	}
	if err := p.writeNew(masterName, key); err != nil {
		return err
	}
	return p.settle(masterName)
}

// Close lets a FileRing open the folder. The keys handed out go on working.
func (k *EpochKeys) Close() error { return k.lock.Close() }

// Latest is the number of the latest epoch whose key is there, 0 if there is none.
func (k *EpochKeys) Latest() (uint32, error) {
	names, err := k.place.names()
	latest, _ := newest(names.numbers(epochPrefix, ""))
	return latest, err
}

// List gives the epochs whose keys are there, oldest first; current is the one whose key wraps the data keys.
func (k *EpochKeys) List(current uint32) ([]Epoch, error) { return k.place.epochs(current) }

// Begin makes the key of a new epoch, later than all there are and than the one given, and returns when it is durable. An epoch
// with the zero time has no beginning: the first Rotate ends it.
func (k *EpochKeys) Begin(after uint32, now time.Time) (EpochKey, error) {
	key := make([]byte, keySize)
	defer clear(key)
	if err := k.Draw(func(random io.Reader) error { _, err := io.ReadFull(random, key); return err }); err != nil {
		return EpochKey{}, fmt.Errorf("randomness for an epoch's key: %w", err)
	}
	if !now.IsZero() {
		now = now.UTC().Truncate(time.Second)
	}
	epoch, cipher, err := k.place.beginEpoch(k.master, after, now, key)
	return EpochKey{epoch.Number, cipher}, err
}

// Draw lets one at a time read from the source of randomness.
func (k *EpochKeys) Draw(read func(io.Reader) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return read(k.random)
}

// Key gives an epoch's key; the error matches ErrEpochGone if it is not there.
func (k *EpochKeys) Key(number uint32) (EpochKey, error) {
	file, err := k.place.readEpoch(number)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return EpochKey{}, fmt.Errorf("%w: there is no %s", ErrEpochGone, epochName(number))
	case err == nil && file == nil:
		err = fmt.Errorf("%w: %s is not whole", ErrDamaged, epochName(number))
	}
	if err != nil {
		return EpochKey{}, err
	}
	cipher, err := file.open(k.master)
	return EpochKey{number, cipher}, err
}

// DestroyEnded destroys the keys of all epochs that have ended by now but the current one. No data key may hang on them.
func (k *EpochKeys) DestroyEnded(now time.Time, current uint32) error {
	return k.place.destroyEnded(now, current)
}

// EscrowTo copies the wrapped keys of all epochs to another disk, and destroys there those that have ended by now, as that of FileRing.
func (k *EpochKeys) EscrowTo(ctx context.Context, to disk.Disk, now time.Time, current uint32) error {
	epochs, err := k.List(current)
	if err != nil {
		return err
	}
	escrow, err := escrowIn(to)
	if err != nil {
		return err
	}
	for _, e := range epochs {
		if e.Current && e.Begun.IsZero() {
			return errNotBegun
		}
	}
	for _, e := range epochs {
		if !e.Current && !now.Before(e.Ends) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := k.place.escrow(e.Number, escrow); err != nil {
			return err
		}
	}
	return escrow.destroyEnded(now, current)
}

// An EpochKey wraps data keys.
type EpochKey struct {
	Number uint32 // of the epoch
	cipher tink.AEAD
}

// Make makes a data key for the owner, and gives it wrapped: 60 bytes that only this epoch's key opens, for this owner.
func (e EpochKey) Make(owner Owner, random io.Reader) ([]byte, error) {
	o, err := tagOf(owner)
	if err != nil {
		return nil, err
	}
	w, err := makeKey(e.cipher, o, random)
	return w[:], err
}

// Open gives the cipher of an owner's wrapped data key; the error matches ErrDamaged if this is none.
func (e EpochKey) Open(owner Owner, wrapped []byte) (tink.AEAD, error) {
	o, err := tagOf(owner)
	if err != nil {
		return nil, err
	}
	key, err := e.cipher.Decrypt(wrapped, binding(o))
	if err != nil || len(key) != keySize {
		return nil, errUnwrapped
	}
	defer clear(key)
	return subtle.NewAESGCM(key)
}

// Rewrap wraps an owner's data key, which is wrapped under this epoch's key, under another's.
func (e EpochKey) Rewrap(to EpochKey, owner Owner, wrapped []byte) ([]byte, error) {
	o, err := tagOf(owner)
	if err != nil {
		return nil, err
	}
	w, err := rewrap(e.cipher, to.cipher, o, wrapped)
	return w[:], err
}

// Check makes bytes that tell later whether data keys are under this epoch's key.
func (e EpochKey) Check() ([]byte, error) {
	w, err := wrap(e.cipher, make([]byte, keySize), checkBound)
	return w[:], err
}

// Checks tells whether the bytes are what Check made of this key.
func (e EpochKey) Checks(check []byte) bool {
	return len(check) == wrappedSize && opens(e.cipher, wrappedKey(check))
}

// Format prints the word only, whatever the verb.
func (e EpochKey) Format(f fmt.State, _ rune) { io.WriteString(f, "[epoch key]") }

// Format prints the word only, whatever the verb.
func (k *EpochKeys) Format(f fmt.State, _ rune) { io.WriteString(f, "[epoch keys]") }
