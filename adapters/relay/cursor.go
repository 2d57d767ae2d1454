package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
)

// A Place in a ledger: a position, and the leaf hash of the record there, which tells one history from another.
type Place struct {
	Position ledger.Position
	Leaf     [sha256.Size]byte
}

// A Cursor keeps the place up to which everything was relayed.
type Cursor interface {
	// Load gives the place, and false where none was ever saved.
	Load(ctx context.Context) (Place, bool, error)
	// Save returns when the place is durable. After an error the old place or the new one is kept.
	Save(ctx context.Context, p Place) error
}

// FileCursor is a Cursor in a file "cursor" of a folder that is the relay's own. One process may use it at a time.
type FileCursor struct{ Disk disk.Disk }

const (
	cursorFile = "cursor"
	placeSize  = 8 + sha256.Size
)

// errDamaged says that the file is not what Save wrote: a disk has failed, or somebody has written to it.
var errDamaged = errors.New("the relay's cursor is damaged: put it back from its copy, or remove it, and what was not relayed yet will not be")

// Load implements Cursor.
func (c FileCursor) Load(context.Context) (p Place, known bool, err error) {
	b, err := disk.ReadFile(c.Disk, cursorFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, false, nil
	}
	if err != nil {
		return Place{}, false, err
	}
	if len(b) != placeSize+sha256.Size {
		return Place{}, false, errDamaged
	}
	if sum := sha256.Sum256(b[:placeSize]); !bytes.Equal(sum[:], b[placeSize:]) {
		return Place{}, false, errDamaged
	}
	return Place{binary.BigEndian.Uint64(b), [sha256.Size]byte(b[8:placeSize])}, true, nil
}

// Save implements Cursor. It writes under another name first, so that a file of the final name is always whole.
func (c FileCursor) Save(_ context.Context, p Place) error {
	b := append(binary.BigEndian.AppendUint64(nil, p.Position), p.Leaf[:]...)
	sum := sha256.Sum256(b)
	b = append(b, sum[:]...)
	err := c.write(b)
	if err == nil {
		err = c.Disk.Rename(cursorFile+".new", cursorFile)
	}
	if err == nil {
		err = c.Disk.SyncDir("")
	}
	if err != nil {
		return fmt.Errorf("saving the relay's cursor: %w", err)
	}
	return nil
}

func (c FileCursor) write(b []byte) error {
	if err := c.Disk.MakeDir(""); err != nil {
		return err
	}
	f, err := c.Disk.Open(cursorFile+".new", true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Truncate(int64(len(b))), f.Sync(), f.Close())
}
