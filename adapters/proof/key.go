package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"samtykke/adapters/disk"
)

// A Key signs a log's checkpoints, in the log's name. The zero Key is none.
//
// If its file is lost, nothing more can be signed for the log; what was signed holds on. If it leaks, whoever has it can sign
// another history, and only who kept a checkpoint from before can tell.
type Key struct {
	signer   note.Signer // shows no key, however it is printed
	verifier note.Verifier
	public   string
}

// Origin is the log's name.
func (k Key) Origin() string { return k.verifier.Name() }

// Verifier is the public key with the log's name, as OpenCheckpoint takes it. Give it to whoever is to verify.
func (k Key) Verifier() string { return k.public }

// LoadKey reads the named file, which holds an Ed25519 key in the form of package note, and makes it, durably, when there is
// no such file. Beside it stands the verifier string, in a file that ends in .pub instead of .key. Origin names the log,
// in at most MaxOrigin bytes without spaces and plus signs; it must be that of the file, if there is one. An empty origin is
// the file's, and of a new log samtykke/ with a random number. One process may call it at a time.
func LoadKey(d disk.Disk, name, origin string, random io.Reader) (Key, error) {
	b, err := disk.ReadFile(d, name)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = makeKey(d, name, origin, random)
	}
	if err != nil {
		return Key{}, fmt.Errorf("the key for checkpoints: %w", err)
	}
	k, err := parseKey(strings.TrimSuffix(string(b), "\n"))
	if err == nil && origin != "" && k.Origin() != origin {
		err = fmt.Errorf("it is of the log %s, not of %s", k.Origin(), origin)
	}
	if err == nil {
		err = k.publish(d, publicName(name))
	}
	if err == nil {
		err = d.SyncDir(parent(name)) // also when the names were seen: that does not make them durable
	}
	if err != nil {
		return Key{}, fmt.Errorf("the key for checkpoints: %w", err)
	}
	return k, nil
}

// ReadKey reads what LoadKey made, and changes nothing: the file of the key, and beside it that of its verifier string, which must
// be its own.
func ReadKey(d disk.Disk, name string) (Key, error) {
	b, err := disk.ReadFile(d, name)
	var k Key
	if err == nil {
		k, err = parseKey(strings.TrimSuffix(string(b), "\n"))
	}
	if err == nil {
		b, err = disk.ReadFile(d, publicName(name))
	}
	if err == nil && string(b) != k.public+"\n" {
		err = fmt.Errorf("%s is not that of the key", publicName(name))
	}
	if err != nil {
		return Key{}, fmt.Errorf("the key for checkpoints: %w", err)
	}
	return k, nil
}

// publicName is the file of the verifier string beside a key's.
func publicName(name string) string { return strings.TrimSuffix(name, ".key") + ".pub" }

// makeKey writes the key under another name first, so that a file of the final name is always whole.
func makeKey(d disk.Disk, name, origin string, random io.Reader) ([]byte, error) {
	if origin == "" {
		var id [8]byte
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return nil, err
		}
		origin = "samtykke/" + hex.EncodeToString(id[:])
	}
	secret, _, err := note.GenerateKey(random, origin)
	if err != nil {
		return nil, err
	}
	if _, err := parseKey(secret); err != nil { // an origin that no checkpoint could have
		return nil, err
	}
	b := []byte(secret + "\n")
	if err := d.MakeDir(parent(name)); err != nil {
		return nil, err
	}
	if err := replace(d, name+".new", b); err != nil {
		return nil, err
	}
	return b, d.Rename(name+".new", name)
}

func parseKey(secret string) (Key, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return Key{}, errors.New("it is not a signer's key with the name of a log")
	}
	if len(signer.Name()) > MaxOrigin {
		return Key{}, fmt.Errorf("the log's name has more than %d bytes", MaxOrigin)
	}
	// The form is PRIVATE+KEY+name+hash+base64, and what the base64 holds is a byte for Ed25519 and the seed.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(secret, "+", 5)[4])
	if err != nil {
		return Key{}, err // unreachable: NewSigner has read it
	}
	public, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return Key{}, err
	}
	verifier, err := note.NewVerifier(public)
	return Key{signer, verifier, public}, err
}

// publish writes the verifier string, where it does not stand already.
func (k Key) publish(d disk.Disk, name string) error {
	b := []byte(k.public + "\n")
	if there, err := disk.ReadFile(d, name); err == nil && bytes.Equal(there, b) {
		return nil
	}
	if err := replace(d, name+".new", b); err != nil {
		return err
	}
	return d.Rename(name+".new", name)
}

// sign makes the checkpoint of a tree.
func (k Key) sign(t *tree) (Checkpoint, error) {
	root, err := t.root()
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Origin: k.Origin(), Size: uint64(t.size), Root: root}
	c.Note, err = note.Sign(&note.Note{Text: c.text()}, k.signer)
	return c, err
}

// parent is a file's folder, as a disk names it: the root is the empty name.
func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}
