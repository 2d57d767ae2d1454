package keyring

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// An Epoch is a time during which one key wraps all data keys.
type Epoch struct {
	Number  uint32    // from 1
	Begun   time.Time // to the second, UTC; zero for a new folder's first epoch, which lasts until the first Rotate
	Ends    time.Time // the epoch's key is destroyed from then on, unless it is the current epoch's still
	Current bool      // its key wraps the data keys now
}

// Due tells whether another epoch is to begin: this one began on an earlier day than now's, by UTC.
func (e Epoch) Due(now time.Time) bool { return day(e.Begun).Before(day(now)) }

// epochDays is how many days after the day on which it began, by UTC, an epoch's key is destroyed: at the start of that
// day, so that what was destroyed under it is out of reach everywhere 14 days later at the latest.
const epochDays = 14

func newEpoch(number uint32, begun time.Time) Epoch {
	return Epoch{Number: number, Begun: begun, Ends: day(begun).AddDate(0, 0, epochDays)}
}

func day(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// An epoch's file holds its key, wrapped. Numbers are big-endian.
//
//	 0  "samtykke epoch 1"   16 bytes of text
//	16  the epoch's number    4 bytes
//	20  when it began         8 bytes: seconds since 1970 by UTC, 0 if it has no beginning
//	28  the wrapped key       what the master key makes of 32 random bytes, with all before as associated data
//	 n  checksum              8 bytes: xxHash64 of all before
type epochFile []byte

const (
	epochMark  = "samtykke epoch 1"
	epochBound = len(epochMark) + 4 + 8
	epochSum   = 8
)

// makeEpoch wraps the key of a new epoch under the master key. The cipher comes from what the master key opens again, so
// that no data key ever hangs on one that it does not.
func makeEpoch(master tink.AEAD, e Epoch, key []byte) (epochFile, tink.AEAD, error) {
	raw := append(make([]byte, 0, 128), epochMark...)
	raw = binary.BigEndian.AppendUint32(raw, e.Number)
	begun := e.Begun.Unix()
	if e.Begun.IsZero() {
		begun = 0
	}
	raw = binary.BigEndian.AppendUint64(raw, uint64(begun))
	wrapped, err := master.Encrypt(key, raw)
	if err != nil {
		return nil, nil, fmt.Errorf("wrapping epoch %d's key under the master key: %w", e.Number, err)
	}
	raw = append(raw, wrapped...)
	file := epochFile(binary.BigEndian.AppendUint64(raw, xxhash.Sum64(raw)))
	cipher, err := file.open(master)
	return file, cipher, err
}

// open gives the cipher that wraps the epoch's data keys.
func (f epochFile) open(master tink.AEAD) (tink.AEAD, error) {
	key, err := master.Decrypt(f[epochBound:len(f)-epochSum], f[:epochBound])
	defer clear(key)
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("it has %d bytes, not %d", len(key), keySize)
	}
	if err != nil {
		return nil, fmt.Errorf("opening epoch %d's key with the master key: %w", f.number(), err)
	}
	return subtle.NewAESGCM(key)
}

func (f epochFile) number() uint32 { return binary.BigEndian.Uint32(f[len(epochMark):]) }

func (f epochFile) epoch() Epoch {
	var begun time.Time
	if s := binary.BigEndian.Uint64(f[len(epochMark)+4:]); s != 0 {
		begun = time.Unix(int64(s), 0).UTC()
	}
	return newEpoch(f.number(), begun)
}

// whole tells whether the file is the whole one of that epoch, as it was written.
func (f epochFile) whole(number uint32) bool {
	sum := len(f) - epochSum
	return sum > epochBound && string(f[:len(epochMark)]) == epochMark && f.number() == number &&
		binary.BigEndian.Uint64(f[sum:]) == xxhash.Sum64(f[:sum])
}

// readEpoch reads an epoch's file; nil without an error if it is not whole.
func (p place) readEpoch(number uint32) (epochFile, error) {
	raw, err := p.read(epochName(number))
	if err != nil || !epochFile(raw).whole(number) {
		return nil, err
	}
	return raw, nil
}

// epochs lists the epochs whose keys are in the folder, oldest first.
func (p place) epochs(current uint32) ([]Epoch, error) {
	names, err := p.names()
	if err != nil {
		return nil, err
	}
	var epochs []Epoch
	for _, n := range names.numbers(epochPrefix, "") {
		file, err := p.readEpoch(n)
		if err != nil {
			return nil, err
		}
		if file != nil {
			e := file.epoch()
			e.Current = n == current
			epochs = append(epochs, e)
		}
	}
	return epochs, nil
}

// destroyEnded destroys the keys of all epochs that have ended but the current one, and what is left of keys whose making
// or destruction was interrupted. What it could not destroy is there for the next time.
func (p place) destroyEnded(now time.Time, current uint32) error {
	names, err := p.names()
	if err != nil {
		return err
	}
	for _, n := range names.numbers(epochPrefix, newSuffix) {
		err = errors.Join(err, p.shred(epochName(n)+newSuffix))
	}
	for _, n := range names.numbers(epochPrefix, "") {
		if n == current {
			continue
		}
		file, failed := p.readEpoch(n)
		if failed == nil && (file == nil || !now.Before(file.epoch().Ends)) {
			failed = p.shred(epochName(n))
		}
		err = errors.Join(err, failed)
	}
	return err
}

// shred overwrites a file and removes it. Its beginning goes first, durably: then nothing takes the rest for a table.
func (p place) shred(name string) error {
	f, err := p.disk.Open(p.path(name), false)
	if err != nil {
		return err
	}
	size, err := f.Size()
	words := bytes.Repeat([]byte("destroyed "), int(min(size, 4<<20))/10+1)
	for at, piece := int64(0), int64(entrySize); at < size && err == nil; at, piece = at+piece, int64(len(words)) {
		_, err = f.WriteAt(words[:min(piece, size-at)], at)
		err = errors.Join(err, f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return fmt.Errorf("overwriting %s: %w", name, err)
	}
	if err := p.disk.Remove(p.path(name)); err != nil {
		return err
	}
	return p.syncDirOf(name)
}
