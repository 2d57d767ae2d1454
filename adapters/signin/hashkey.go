package signin

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"

	"samtykke/adapters/disk"
)

// A HashKey is the secret under which codes and login names are hashed, and from which the secrets of one-time codes follow: 32
// random bytes in a file of their own.
//
// If the file is lost, no stored hash fits any code again, no client gets in with the code on the slip, and no member of staff
// without a new invitation. If it leaks together with the ledger, codes can still not be guessed: a secret has 82 bits. If the keys
// of staff leak as well, one-time codes can be made, and the password is all that is left. Keep it beside the ledger, not in it,
// and back it up apart from it. It prints as "[hash key]"; the zero HashKey is none.
type HashKey struct {
	key func() *[hashKeySize]byte // in a function, because no printer looks into one, whatever holds the HashKey
}

const hashKeySize = 32

// LoadHashKey reads the key from the named file, and makes it, durably, when there is no such file. It cannot tell first
// use from a loss: a caller whose ledger holds hashes already must look for the file first. One process may call it at a
// time.
func LoadHashKey(d disk.Disk, name string, random io.Reader) (HashKey, error) {
	key, err := readHashKey(d, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeHashKey(d, name, random); err != nil {
			return HashKey{}, fmt.Errorf("making the key %s: %w", name, err)
		}
		key, err = readHashKey(d, name)
	}
	if err == nil {
		err = d.SyncDir(folder(name)) // a name that is seen may still not be durable
	}
	if err != nil {
		return HashKey{}, fmt.Errorf("reading the key %s: %w", name, err)
	}
	return HashKey{func() *[hashKeySize]byte { return key }}, nil
}

var errNoHashKey = errors.New("the file does not hold the 32 random bytes of a key")

func readHashKey(d disk.Disk, name string) (*[hashKeySize]byte, error) {
	b, err := disk.ReadFile(d, name)
	if err != nil {
		return nil, err
	}
	if len(b) != hashKeySize || bytes.Count(b, b[:1]) == hashKeySize { // 32 times the same byte: a file that was never really written
		return nil, errNoHashKey
	}
	return (*[hashKeySize]byte)(b), nil
}

// makeHashKey writes the key under another name first, so that a file of the final name is always whole.
func makeHashKey(d disk.Disk, name string, random io.Reader) error {
	var key [hashKeySize]byte
	defer clear(key[:])
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return err
	}
	if err := d.MakeDir(folder(name)); err != nil {
		return err
	}
	f, err := d.Open(name+".new", true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(key[:], 0)
	if err := errors.Join(err, f.Truncate(hashKeySize), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := d.Rename(name+".new", name); err != nil {
		return err
	}
	return d.SyncDir(folder(name))
}

// folder is the file's, as a disk names it: the root is the empty name.
func folder(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// hash is the HMAC-SHA-256 of a text, for a use that no other hash is taken for.
func (k HashKey) hash(use string, text ...[]byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, k.bytes())
	mac.Write([]byte(use + "\x00"))
	for _, t := range text {
		mac.Write(t)
	}
	return [sha256.Size]byte(mac.Sum(nil))
}

// Keyed is the function that hashes a message under the key, for a use that no other hash is taken for.
func (k HashKey) Keyed(use string) func(message []byte) [sha256.Size]byte {
	return func(message []byte) [sha256.Size]byte { return k.hash(use, message) }
}

func (k HashKey) bytes() []byte {
	if k.key == nil {
		panic("signin: the zero HashKey was used")
	}
	return k.key()[:]
}

const hiddenKey = "[hash key]"

// String does not show the key, nor does any of what follows.
func (HashKey) String() string { return hiddenKey }

// GoString does not show the key.
func (HashKey) GoString() string { return hiddenKey }

// Format does not show the key, whatever the verb.
func (HashKey) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenKey) }

// MarshalText does not show the key.
func (HashKey) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

// LogValue does not show the key.
func (HashKey) LogValue() slog.Value { return slog.StringValue(hiddenKey) }
