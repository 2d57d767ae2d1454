package keyring

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/domain"
)

// An entry is 128 bytes of a table. Numbers are big-endian; texts are padded with zero bytes.
//
//	 0  kind of entry        16 bytes of text
//	16  owner's kind         16 bytes of text
//	32  owner's id           16 bytes
//	48  the entry's number    4 bytes
//	52  its batch's first     4 bytes
//	56  epoch, or target      4 bytes: the epoch whose key wraps this one; for "destroy", the number of the entry to wipe, 0 for none
//	60  wrapped key          60 bytes: nonce, ciphertext, tag; otherwise "destroyed destroyed …"
//	120 checksum              8 bytes: xxHash64 of all before
//
// Entry 0 is the header. In the key's place it has 32 zero bytes sealed under the epoch's key, which tells whether the two
// belong together.
type entry struct {
	kind          entryKind
	owner         tag
	number, first slot
	target        slot // kind destroy: the entry to wipe, 0 for none; kind key and header: the epoch
	key           wrappedKey
}

type entryKind string

const (
	kindHeader  entryKind = "samtykke keys 1"
	kindKey     entryKind = "key"
	kindDestroy entryKind = "destroy"
	kindWiped   entryKind = "wiped"
)

const entrySize = 128

var (
	noKey      = wrappedKey([]byte(strings.Repeat("destroyed ", wrappedSize/10)))
	checkBound = []byte("samtykke master key 1") // named before there were epochs
)

func newHeader(wrapping tink.AEAD, epoch uint32) (entry, error) {
	check, err := wrap(wrapping, make([]byte, keySize), checkBound)
	return entry{kind: kindHeader, target: slot(epoch), key: check}, err
}

func (e *entry) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, entrySize)...)
	raw := b[start:]
	copy(raw[0:16], e.kind)
	copy(raw[16:32], kinds[e.owner.kind])
	copy(raw[32:48], e.owner.id[:])
	binary.BigEndian.PutUint32(raw[48:], uint32(e.number))
	binary.BigEndian.PutUint32(raw[52:], uint32(e.first))
	binary.BigEndian.PutUint32(raw[56:], uint32(e.target))
	copy(raw[60:120], e.key[:])
	binary.BigEndian.PutUint64(raw[120:], xxhash.Sum64(raw[:120]))
	return b
}

// parseEntry reads the entry that stands at a place; ok is false if it is none, or that of another place. An owner's kind
// that this version does not know reads as number 0.
func parseEntry(raw []byte, at slot) (e entry, ok bool) {
	if !intact(raw) || binary.BigEndian.Uint32(raw[48:]) != uint32(at) {
		return entry{}, false
	}
	e = entry{
		kind:   entryKind(text(raw[0:16])),
		owner:  tag{id: domain.ID(raw[32:48])},
		number: at,
		first:  slot(binary.BigEndian.Uint32(raw[52:])),
		target: slot(binary.BigEndian.Uint32(raw[56:])),
		key:    wrappedKey(raw[60:120]),
	}
	for n, k := range kinds {
		if string(k) == text(raw[16:32]) {
			e.owner.kind = kindNumber(n)
		}
	}
	return e, true
}

func intact(raw []byte) bool {
	return len(raw) == entrySize && binary.BigEndian.Uint64(raw[120:]) == xxhash.Sum64(raw[:120])
}

func text(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }
