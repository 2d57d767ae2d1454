package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"samtykke/adapters/disk"
)

// Copy copies the table of wrapped keys to another disk's root, for the backup of the ledger, and gives the epoch whose key
// opens the copy, until that ends. The copy is of one moment during the call, with all keys made before it; hardly anything waits for it.
// Copies of earlier epochs are left alone. Copy refuses, with an error that matches ErrTogether, a folder that holds keys of
// epochs or a master key: there the copy would outlive every destruction.
//
// Copy the ledger first, and let EscrowTo go before Copy: then no event is without its key, and no copy without its epoch's.
func (f *FileRing) Copy(ctx context.Context, to disk.Disk) (Epoch, error) {
	f.rotation.Lock()
	defer f.rotation.Unlock()
	epoch, err := f.begunEpoch()
	if err != nil {
		return Epoch{}, err
	}
	if err := f.copyTo(ctx, place{to, ""}); err != nil {
		return Epoch{}, fmt.Errorf("copying the data keys: %w", err)
	}
	return epoch, nil
}

var errNotBegun = errors.New("no epoch has begun, and so a copy of the keys would never end: rotate first")

// begunEpoch is the current epoch, if it has a beginning, and so an end.
func (f *FileRing) begunEpoch() (Epoch, error) {
	if err := f.stopped(); err != nil {
		return Epoch{}, err
	}
	for _, e := range f.Epochs() {
		if e.Current && !e.Begun.IsZero() {
			return e, nil
		}
	}
	return Epoch{}, errNotBegun
}

func (f *FileRing) copyTo(ctx context.Context, to place) error {
	if err := to.disk.MakeDir(to.dir); err != nil {
		return err
	}
	names, err := to.names()
	if err != nil {
		return err
	}
	if names.has(masterName) || len(names.numbers(epochPrefix, "")) > 0 {
		return ErrTogether
	}
	file, err := to.newTable(f.epoch)
	if err != nil {
		return err
	}
	c := &copying{ring: f, to: file, next: 1}
	err = c.run(ctx, func() error {
		header := make([]byte, entrySize)
		if n, err := f.file.ReadAt(header, 0); n < len(header) {
			return err
		}
		_, err := c.to.WriteAt(header, 0)
		return err
	})
	if err == nil {
		err = c.to.Sync()
	}
	if err = errors.Join(err, c.to.Close()); err != nil {
		return errors.Join(err, to.shred(tableName(f.epoch)+newSuffix))
	}
	return to.settle(tableName(f.epoch))
}

// EscrowTo copies the wrapped keys of all epochs to another disk, and destroys there those that have ended by now: Rotate's
// rule, in a second place. It needs no master key. It refuses, with an error that matches ErrTogether, a folder that holds data keys.
func (f *FileRing) EscrowTo(ctx context.Context, to disk.Disk, now time.Time) error {
	f.rotation.Lock()
	defer f.rotation.Unlock()
	if _, err := f.begunEpoch(); err != nil {
		return err
	}
	escrow, err := escrowIn(to)
	if err != nil {
		return err
	}
	for _, e := range f.Epochs() {
		if !e.Current && !now.Before(e.Ends) {
			continue
		}
		if err := errors.Join(ctx.Err(), f.stopped()); err != nil {
			return err
		}
		if err := f.place.escrow(e.Number, escrow); err != nil {
			return err
		}
	}
	return escrow.destroyEnded(now, f.epoch)
}

// escrow copies one epoch's key, if it is not there.
func (p place) escrow(epoch uint32, to place) error {
	if err := p.copyEpoch(epoch, to); err != nil {
		return fmt.Errorf("epoch %d's key, for its escrow: %w", epoch, err)
	}
	return nil
}

func (p place) copyEpoch(epoch uint32, to place) error {
	file, err := p.readEpoch(epoch)
	if err != nil {
		return err
	}
	if file == nil {
		return fmt.Errorf("%w: %s is not whole", ErrDamaged, epochName(epoch))
	}
	names, err := to.names()
	if err != nil {
		return err
	}
	if names.has(epochName(epoch)) {
		there, err := to.readEpoch(epoch)
		if err != nil || bytes.Equal(there, file) {
			return err
		}
		if there != nil {
			return errors.New("the escrow holds another key for it, of another keyring or another life of this one")
		}
	}
	if err := to.writeNew(epochName(epoch), file); err != nil {
		return err
	}
	if err := to.syncDirOf(epochName(epoch)); err != nil {
		return err
	}
	return to.settle(epochName(epoch))
}

// ExpireEscrow destroys the keys in an escrow of those epochs that have ended by now, when no living keyring is there to call
// EscrowTo. The last one goes as well, 14 days after it began: restore before.
func ExpireEscrow(escrow disk.Disk, now time.Time) error {
	e, err := escrowIn(escrow)
	if err != nil {
		return err
	}
	return e.destroyEnded(now, 0)
}

// escrowIn is the escrow on a disk, made if there is none.
func escrowIn(d disk.Disk) (place, error) {
	p := place{d, ""}
	if err := d.MakeDir(epochDir); err != nil {
		return p, err
	}
	names, err := p.names()
	if err == nil && len(names.numbers(tablePrefix, "")) > 0 {
		err = ErrTogether
	}
	return p, err
}
