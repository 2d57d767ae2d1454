package esdb

import (
	"encoding/binary"
	"errors"
	"io/fs"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/disk"
	"samtykke/domain"
)

// The file of numbers, all little endian: xxhash64 of what follows, "samnumbr", format, xxhash64 of the ledger's name, how
// many events, commit position of the last (u64 each) and its id (16 bytes); then per block its first commit position
// (u64), the length of the rest (u32) and the rest. If it does not hold, or does not fit the server, it is made anew.
const (
	numbersName   = "numbers"
	numbersMark   = "samnumbr"
	numbersHeader = 8 + 8 + 4*8 + 16
)

var le = binary.LittleEndian

func (n *numbers) encode(ledgerName string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := append(make([]byte, 8, numbersHeader+len(n.blocks)*(12+2*blockSize)), numbersMark...)
	for _, v := range []uint64{format, xxhash.Sum64String(ledgerName), n.count, n.last} {
		b = le.AppendUint64(b, v)
	}
	b = append(b, n.lastID[:]...)
	for _, block := range n.blocks {
		b = le.AppendUint64(b, block.first)
		b = le.AppendUint32(b, uint32(len(block.rest)))
		b = append(b, block.rest...)
	}
	le.PutUint64(b, xxhash.Sum64(b[8:]))
	return b
}

// decodeNumbers reads the file of a ledger's numbers.
func decodeNumbers(b []byte, ledgerName string) (n *numbers, ok bool) {
	if len(b) < numbersHeader || le.Uint64(b) != xxhash.Sum64(b[8:]) || string(b[8:16]) != numbersMark ||
		le.Uint64(b[16:]) != format || le.Uint64(b[24:]) != xxhash.Sum64String(ledgerName) {
		return nil, false
	}
	n = newNumbers()
	n.count, n.last, n.lastID = le.Uint64(b[32:]), le.Uint64(b[40:]), domain.ID(b[48:64])
	for b = b[numbersHeader:]; len(b) >= 12; {
		size := uint64(le.Uint32(b[8:]))
		if uint64(len(b)-12) < size {
			return nil, false
		}
		n.blocks = append(n.blocks, block{le.Uint64(b), append([]byte(nil), b[12:12+size]...)})
		b = b[12+size:]
	}
	return n, len(b) == 0 && n.hold()
}

// hold tells whether the blocks have as many numbers as are counted, and end where it says.
func (n *numbers) hold() bool {
	count, last := uint64(0), uint64(0)
	for _, b := range n.blocks {
		if count%blockSize != 0 || count > 0 && b.first <= last {
			return false
		}
		count, last = count+1, b.first
		for rest := b.rest; len(rest) > 0; count++ {
			step, size := binary.Uvarint(rest)
			if size <= 0 || step == 0 || last+step < last {
				return false
			}
			last, rest = last+step, rest[size:]
		}
		if count > uint64(len(n.blocks))*blockSize {
			return false
		}
	}
	return count == n.count && last == n.last
}

// loadNumbers gives the numbers kept on the disk, nil if there are none that hold.
func loadNumbers(d disk.Disk, ledgerName string) (*numbers, error) {
	b, err := disk.ReadFile(d, numbersName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n, ok := decodeNumbers(b, ledgerName)
	if !ok {
		return nil, nil
	}
	return n, nil
}

// keepNumbers writes the numbers to the disk, in place of those kept there.
func keepNumbers(d disk.Disk, n *numbers, ledgerName string) error {
	const aside = numbersName + ".new"
	f, err := d.Open(aside, true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(n.encode(ledgerName), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.Rename(aside, numbersName); err != nil {
		return err
	}
	return d.SyncDir("")
}
