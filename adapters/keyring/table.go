package keyring

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/domain"
)

const (
	keySize     = 32
	nonceSize   = subtle.AESGCMIVSize
	tagSize     = subtle.AESGCMTagSize
	wrappedSize = nonceSize + keySize + tagSize

	// readyCiphers bounds the ciphers kept ready, each about 1.2 kB: enough for every client of a few organisations'
	// overviews at once. The others cost one unwrapping, some 3 µs.
	readyCiphers = 8192
)

type wrappedKey [wrappedSize]byte

// A slot is the number of the entry that holds a key. Entry 0 is the file's header, so that it can mean something else.
type slot uint32

const (
	slotGone      slot = 0              // the key was destroyed
	slotUncertain slot = math.MaxUint32 // a write about this owner was not seen to succeed
)

// A tag is an owner without pointers: a million of them are nothing to the garbage collector.
type tag struct {
	kind kindNumber
	id   domain.ID
}

// A kindNumber is a place in kinds, and lives in memory only.
type kindNumber uint8

var kinds = [...]Kind{0: "", 1: Client, 2: Organisation, 3: Staff, 4: Service}

func tagOf(o Owner) (tag, error) {
	for n, k := range kinds {
		if k == o.Kind && n > 0 && !o.ID.IsZero() {
			return tag{kindNumber(n), o.ID}, nil
		}
	}
	return tag{}, errOwner
}

// A table knows what became of every owner's key: its slot, its wrapped bytes and, for those in use, its cipher.
type table struct {
	mu       sync.RWMutex
	wrapping tink.AEAD // the epoch's cipher: wraps all keys of the table; changed by whoever adds keys, and by nobody else
	slots    map[tag]slot
	wrapped  shelf
	living   int
	gone     []tag                      // owners whose key was destroyed, in that order; only ever added to
	ready    *lru.Cache[tag, tink.AEAD] // changed under mu, read or write: a destroyed key's cipher is never put back
}

func newTable(wrapping tink.AEAD) *table {
	ready, err := lru.New[tag, tink.AEAD](readyCiphers)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return &table{wrapping: wrapping, slots: map[tag]slot{}, ready: ready}
}

// find tells the owner's slot, and whether anything is known of the owner at all.
func (t *table) find(owner tag) (slot, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s, known := t.slots[owner]
	return s, known
}

// keep takes note of a durable key.
func (t *table) keep(owner tag, s slot, key wrappedKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slots[owner] = s
	*t.wrapped.at(s) = key
	t.living++
}

// drop takes note that the owner's key is gone.
func (t *table) drop(owner tag) { t.end(owner, slotGone) }

// doubt takes note that only the files can tell whether the owner has a key.
func (t *table) doubt(owner tag) { t.end(owner, slotUncertain) }

func (t *table) end(owner tag, why slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, known := t.slots[owner]
	if known && s.holdsKey() {
		*t.wrapped.at(s) = wrappedKey{}
		t.living--
	}
	if why == slotGone && !(known && s == slotGone) {
		t.gone = append(t.gone, owner)
	}
	t.slots[owner] = why
	t.ready.Remove(owner)
}

// rewrap puts the same keys, wrapped by another epoch's cipher, in the place of those held.
func (t *table) rewrap(wrapping tink.AEAD, wrapped shelf) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrapping, t.wrapped = wrapping, wrapped
}

// count tells how many keys are living, and lists the owners of those destroyed.
func (t *table) count() (living int, gone []tag) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.living, t.gone
}

// cipher gives the owner's cipher, or the reason why there is none.
func (t *table) cipher(owner tag) (tink.AEAD, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if c, ok := t.ready.Get(owner); ok {
		return c, nil
	}
	s, known := t.slots[owner]
	if err := s.refusal(known); err != nil {
		return nil, err
	}
	c, err := unwrap(t.wrapping, owner, t.wrapped.at(s))
	if err != nil {
		return nil, err
	}
	t.ready.Add(owner, c)
	return c, nil
}

func (s slot) holdsKey() bool { return s != slotGone && s != slotUncertain }

// refusal says why a slot gives no key; nil if it does.
func (s slot) refusal(known bool) error {
	switch {
	case !known:
		return ErrNoKey
	case s == slotGone:
		return ErrDestroyed
	case s == slotUncertain:
		return ErrEnded
	}
	return nil
}

// sealer answers Keyring.Sealer.
func (t *table) sealer(owner Owner) (Sealer, error) {
	o, err := tagOf(owner)
	if err != nil {
		return nil, err
	}
	s, known := t.find(o)
	if err := s.refusal(known); err != nil {
		return nil, err
	}
	return sealer{t, o}, nil
}

// A sealer asks the table each time, so that none outlives its key.
type sealer struct {
	table *table
	owner tag
}

func (s sealer) Seal(plaintext, associatedData []byte) ([]byte, error) {
	c, err := s.table.cipher(s.owner)
	if err != nil {
		return nil, err
	}
	return c.Encrypt(plaintext, associatedData)
}

func (s sealer) Open(ciphertext, associatedData []byte) ([]byte, error) {
	c, err := s.table.cipher(s.owner)
	if err != nil {
		return nil, err
	}
	plaintext, err := c.Decrypt(ciphertext, associatedData)
	if err != nil {
		return nil, ErrNoMatch
	}
	return plaintext, nil
}

// Format prints the word only, whatever the verb.
func (s sealer) Format(f fmt.State, _ rune) { io.WriteString(f, "[sealer]") }

// LogValue shows the word only.
func (s sealer) LogValue() slog.Value { return slog.StringValue("[sealer]") }

// A shelf holds wrapped keys by slot, in blocks, so that growing copies nothing.
type shelf []*[shelfBlock]wrappedKey

const shelfBlock = 4096

// at gives the place of a slot. It makes room only when a key is kept, with the table locked for writing.
func (s *shelf) at(n slot) *wrappedKey {
	for len(*s) <= int(n/shelfBlock) {
		*s = append(*s, new([shelfBlock]wrappedKey))
	}
	return &(*s)[n/shelfBlock][n%shelfBlock]
}

// makeKey makes a data key for the owner and wraps it.
func makeKey(wrapping tink.AEAD, owner tag, random io.Reader) (wrappedKey, error) {
	var key [keySize]byte
	defer clear(key[:])
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return wrappedKey{}, fmt.Errorf("randomness for a data key: %w", err)
	}
	return wrap(wrapping, key[:], binding(owner))
}

func wrap(wrapping tink.AEAD, key, bound []byte) (wrappedKey, error) {
	w, err := wrapping.Encrypt(key, bound)
	if err != nil {
		return wrappedKey{}, fmt.Errorf("wrapping a data key: %w", err)
	}
	return wrappedKey(w), nil
}

// unwrap gives the cipher of a wrapped key. Keys are checked as they are used and as they are wrapped anew, not when the
// file is opened: that would cost a second for a million of them.
func unwrap(wrapping tink.AEAD, owner tag, w *wrappedKey) (tink.AEAD, error) {
	key, err := wrapping.Decrypt(w[:], binding(owner))
	if err != nil {
		return nil, errUnwrapped
	}
	defer clear(key)
	return subtle.NewAESGCM(key)
}

// rewrap wraps an owner's key under another epoch's.
func rewrap(from, to tink.AEAD, owner tag, wrapped []byte) (wrappedKey, error) {
	bound := binding(owner)
	key, err := from.Decrypt(wrapped, bound)
	if err != nil {
		return wrappedKey{}, errUnwrapped
	}
	defer clear(key)
	return wrap(to, key, bound)
}

var errUnwrapped = fmt.Errorf("%w: a data key does not open under its epoch's key", ErrDamaged)

// binding is the associated data of a wrapped key: it opens for its owner only.
func binding(owner tag) []byte {
	b := append(make([]byte, 0, 64), "samtykke data key 1\x00"...)
	b = append(b, kinds[owner.kind]...)
	b = append(b, 0)
	return append(b, owner.id[:]...)
}
