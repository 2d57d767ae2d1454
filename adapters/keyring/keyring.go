// Package keyring keeps one data key for each client and each organisation, and seals under it what is personal.
//
// Whatever the ledger holds about a person, in events, views, snapshots and exports, it holds sealed under that person's
// key. Erasure is the destruction of that key: what it sealed can then be read by nobody, wherever a copy lies. So the
// rules here are few and without exception:
//
//   - a key is durable before Create returns: nothing is ever sealed under a key that a power cut can take back;
//   - a destroyed key stays destroyed: Destroy is durable before it returns, no Seal or Open starts after it, and no key
//     is ever made for that owner again;
//   - a key opens what it sealed, with the same associated data, and nothing else;
//   - no error, and no printing of any type of this package, shows a key, a plaintext or an owner.
//
// # Sealing
//
// AES-256-GCM by Tink's aead/subtle, on a raw key of 32 bytes, without a prefix: 12 bytes of nonce, the ciphertext, 16 bytes
// of tag. A Tink keyset handle for each owner would cost several kilobytes and tens of microseconds, for rotation within
// an owner's keyset, which we do not want: an owner has one key, and it ends with the owner. Nonces are random and come
// from Tink, not from the source given here, which makes the keys; one key is good for 2^32 seals. Ciphers in use are kept
// ready, a bounded number of them; all other keys lie wrapped in memory, some 120 bytes each. The same cipher wraps keys.
//
// Go may leave copies of key bytes behind in memory that it has freed. What is destroyed is gone from what this package
// holds and from the files, not proven gone from the memory of a running process.
//
// # Epochs
//
// A solid-state disk or a copying file system may keep the old bytes although the file shows new ones, and a backup surely
// does. So overwriting alone is not erasure. Data keys are wrapped under the key of an epoch: 32 random bytes, kept in a file of
// their own under the master key, and not to be had from it without that file. Each day Rotate begins an epoch, wraps the
// living keys anew in a new table, and destroys the keys of epochs that began 14 days before. What Destroy ends is gone from the
// living system at once, and from every copy of a table 14 days later at the latest (A08, D20, E05).
//
// The days are those of UTC, and an epoch's key ends with the start of the 14th day after the one on which the epoch began; so
// the promise holds to within the time between two calls of Rotate. The current epoch's key does not end, however long nobody
// rotates. A clock that goes back begins and ends nothing; one that is far ahead is believed, and ends all epochs but its own.
//
// # The files
//
// FileRing keeps everything in one folder, readable by the service's user only and apart from the ledger.
//
//   - master.key: the master key, 32 random bytes, made at first use. It wraps the epochs' keys. With Options.Master there is
//     none: a key management service wraps them. If it is lost, every sealed byte of every person is lost, for good.
//   - epochs/7: the key of epoch 7, wrapped. Without the current epoch's, every sealed byte is lost; without an older one's,
//     every copy of its table. Who has it, the master key and that table has the keys of that day.
//   - data.keys.7: the table of epoch 7: the data keys, each wrapped under that epoch's key with its owner as associated data, and the
//     owners whose key was destroyed. There is one table. If it is lost, every sealed byte is lost, and with it the
//     knowledge of who was erased.
//   - data.keys: a table from before there were epochs, under the master key itself. The first Rotate replaces it. Copies of
//     it never end: destroy them.
//   - lock: held while the keyring is open.
//
// EpochKeys keeps the epochs' keys, and the master key, in such a folder for a keyring whose table lies elsewhere.
//
// Read reads all that for those who only open what is sealed, as a check of the whole ledger does, and changes nothing.
//
// A folder that holds one of these without the others is refused, never filled up with a new one, as soon as it had a key.
//
// # Backup and restore
//
// The ledger's backup holds the ledger and the table, as Copy gives it, and neither the epochs' keys nor the master key: then
// each copy of it ends by itself. The epochs' keys have an escrow of their own, which EscrowTo keeps in a third place, and
// from which it takes each key on the day on which Rotate takes it; ExpireEscrow does so when the keyring is no more. Copy and
// EscrowTo refuse a folder that holds the other's. The escrow's place must keep no former versions and be in no backup; the master
// key is copied once, to where no backup of the ledger is. Call Rotate, then EscrowTo, then copy the ledger, then Copy.
//
// A restore puts the table of a backup, all of the escrow's epochs and the master key into an empty folder. It opens if the
// epoch of that table has not ended; otherwise ErrEpochGone names it. Before the restored ledger serves anybody, destroy once
// more whoever was destroyed since the backup (D18): keep the list that Destroyed gives outside of all backups, with every erasure.
//
// # Tables
//
// A table is a header and then entries of 128 bytes, so that no entry straddles two sectors. Each has a checksum and its
// own number. Entries are added at the end, many callers' together, and synced before anyone is told; an entry knows
// where its batch began. To destroy a key, a "destroy" entry is added and synced, and from then on the key is gone, come
// what may. Then the key's own entry is overwritten where it stands, by one of kind "wiped" with the word "destroyed" in the
// key's place, and synced; only then does Destroy return. Opening finishes a wiping that was interrupted.
//
// Entries are written over zeros that were written before. So a full disk is noticed before an entry is: nothing has changed then,
// and keys can be made again when there is room.
//
// When a table is opened, damage at its end is cut off if it can be the rest of a batch that was never synced: nothing
// valid follows it but entries of its own batch. Any other damage is refused. One case cannot be told apart: decay in the
// very last batch looks like a write that never ended.
//
// # Rotation
//
// The new epoch's key is durable before a data key hangs on it. Then the table is copied, entry by entry under the same
// numbers, into a file with the suffix ".new", each key opened and wrapped anew, while keys are made and destroyed as always; the
// copy catches up until little is missing. That little is copied between two batches, then the header is written, all is synced,
// and the file gets its name, durably: at this instant the new table is the current one. The old one is overwritten from its
// header on, and removed. Epochs' keys that have ended are overwritten and removed after that.
//
// Of several tables the one of the latest epoch is the current one. Whatever lies beside it when the keyring is opened, an old
// table or a copy that never got its name, is overwritten and removed before anything else is written. Destroy waits for a
// rotation under way: until the copy is the current table, or is overwritten, it may hold the key.
//
// # Moving
//
// Data keys move between folders and databases as they lie (Wrapped), each closed under the epoch's key, which does not move. Fill makes
// the new table whole, under its provisional name, before it counts. Leave overwrites the old one from its header on: so after an
// interruption there is a keyring at one place at least, whole, and both until the old one's header is gone. A folder whose table
// is being left opens as no keyring, and holds up whoever would keep epochs' keys there, until Left has ended it.
//
// # What a caller must see to
//
// Owners' ids are never used again for another. One process has a folder open at a time: OpenFile takes the lock in it. Rotate
// is called after opening, and at least daily; while it is at work the wrapped keys are in memory twice. Where the medium keeps old
// blocks, what is destroyed is gone from the files and not proven gone from the medium: encrypt it, and destroy it at its end.
package keyring

import (
	"context"
	"errors"

	"samtykke/domain"
)

// An Owner is whom a key belongs to.
type Owner struct {
	Kind Kind
	ID   domain.ID
}

// Check refuses an owner of no known kind, or without an id.
func (o Owner) Check() error {
	_, err := tagOf(o)
	return err
}

// A Kind of owner, by the name it has in files and associated data for ever. It has at most 16 bytes.
type Kind string

const (
	Client       Kind = "client"
	Organisation Kind = "organisation"
	Staff        Kind = "staff"   // one member of staff of an organisation or of the processor
	Service      Kind = "service" // what belongs to nobody
)

// A Keyring keeps its owners' keys. Every implementation passes keyringtest.TestKeyring.
//
// Every method may be called by many at once. When ctx ends before an answer, the call may or may not have taken
// effect; asking again settles it. An owner of no known kind, or with the zero id, is an error that is none of those below.
type Keyring interface {
	// Create makes a key for the owner and returns when it is durable. If the owner has one already, nothing changes.
	// An owner whose key was destroyed never gets another: ErrDestroyed.
	Create(ctx context.Context, owner Owner) error

	// Sealer gives what seals and opens with the owner's key; ErrNoKey or ErrDestroyed if there is none. Ask anew for
	// each piece of work rather than keep one: in another process than Destroy's, it may take a moment to notice.
	Sealer(ctx context.Context, owner Owner) (Sealer, error)

	// Fetch has the keys of owners near, so that their Sealers cost no turn to and fro each: one does for all. It says nothing of
	// any owner; whoever has no key, or is none, is passed over. Where keys are near anyway it does nothing.
	Fetch(ctx context.Context, owners []Owner) error

	// Destroy ends the owner's key and returns when that is durable and the stored key is overwritten. From then on
	// everything about the owner answers ErrDestroyed. To destroy again is no error. An owner who has no key is marked
	// all the same, and never gets one: erasures re-applied to an older copy must hold for keys it does not know.
	//
	// After an error other than ctx's, destroy again once the keyring is opened anew.
	Destroy(ctx context.Context, owner Owner) error
}

// A Sealer seals and opens with one owner's key.
type Sealer interface {
	// Seal encrypts the plaintext and binds it to the associated data, which it does not contain. The result is
	// Overhead bytes longer. Sealing twice gives different bytes.
	Seal(plaintext, associatedData []byte) ([]byte, error)

	// Open gives the plaintext back. The error matches ErrNoMatch if these bytes were not sealed with this key and this
	// associated data, and ErrDestroyed if the key is gone.
	Open(ciphertext, associatedData []byte) ([]byte, error)
}

// Overhead is how many bytes longer a ciphertext is than its plaintext.
const Overhead = nonceSize + tagSize

var (
	// ErrNoKey says that no key was ever made for the owner.
	ErrNoKey = errors.New("this owner has no key")
	// ErrDestroyed says that the owner's key was destroyed, for good.
	ErrDestroyed = errors.New("this owner's key was destroyed")
	// ErrNoMatch says that bytes were sealed with another key or other associated data, or were changed since.
	ErrNoMatch = errors.New("the sealed bytes do not match this key and associated data")
	// ErrEnded says that a keyring makes and destroys no more keys: an earlier write's outcome is unknown, or the
	// keyring was closed. Keys known to be durable go on sealing; one whose fate is unknown answers ErrEnded, too.
	// Opening the keyring anew settles what was written.
	ErrEnded = errors.New("the keyring has ended writing")
	// ErrDamaged says that the key files cannot be trusted: something other than the end of the last write is missing
	// or changed, or the two files do not belong together.
	ErrDamaged = errors.New("the key files are damaged")
	// ErrEpochGone says that the data keys are wrapped under an epoch's key that is not in the folder: it was destroyed, or a
	// copy of the data keys was put back without it.
	ErrEpochGone = errors.New("the epoch's key is gone")
	// ErrTogether says that a folder holds, or would hold, data keys together with what opens them.
	ErrTogether = errors.New("data keys and epochs' keys must not lie in one place")
)

var errOwner = errors.New("not an owner of keys: unknown kind or no id")
