package eventschema

import (
	"crypto/sha256"
	"encoding/binary"

	"samtykke/domain"
)

// A Record is an event as a store keeps it: opaque bytes under an id, at a place in a stream.
//
// Data are the canonical open bytes: they never change and are the same in every store. Sealed is the ciphertext of an
// event that is sealed under somebody's key, nil for an open one; Data then holds the ciphertext's SHA-256 in its place.
// Erasure removes Sealed and nothing else.
type Record struct {
	ID       domain.ID
	Stream   string
	Version  uint64 // place in the stream, from 1
	Position uint64 // place in the total order, from 1; assigned by the store, and no part of what is hashed
	Data     []byte
	Sealed   []byte
}

// Leaf is the event's leaf hash in the Merkle tree over the whole ledger: RFC 6962's SHA-256(0x00 ‖ entry), where the
// entry is id, version, the stream's name and the open bytes. It covers nothing that a store assigned, and no plaintext
// of a sealed event.
func (r Record) Leaf() [sha256.Size]byte {
	b := make([]byte, 0, 1+16+8+2+len(r.Stream)+len(r.Data))
	b = append(b, 0)
	b = append(b, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Stream)))
	b = append(b, r.Stream...)
	b = append(b, r.Data...)
	return sha256.Sum256(b)
}
