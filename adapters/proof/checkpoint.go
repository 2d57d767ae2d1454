package proof

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
)

// A Checkpoint says, signed, which root the tree over the first Size events has. The zero Checkpoint is that of a log
// which has signed nothing.
type Checkpoint struct {
	Origin string // the log's name
	Size   uint64
	Root   tlog.Hash
	Note   []byte // the checkpoint itself, as it was signed
}

// text is what is signed.
func (c *Checkpoint) text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

func (c *Checkpoint) tree() tlog.Tree { return tlog.Tree{N: int64(c.Size), Hash: c.Root} }

// ErrInvalid is matched by the error of a checkpoint or a proof that does not hold: it is not well formed, not signed with
// the key it was checked against, or contradicts itself.
var ErrInvalid = errors.New("it does not hold")

// OpenCheckpoint reads a checkpoint and checks that it was signed with the key that belongs to the verifier string. Other
// signatures beside, as witnesses add them, are passed over. The error matches ErrInvalid.
func OpenCheckpoint(signed []byte, verifier string) (Checkpoint, error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return Checkpoint{}, err
	}
	return openCheckpoint(signed, v)
}

func openCheckpoint(signed []byte, v note.Verifier) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(v))
	if unverified := new(note.UnverifiedNoteError); errors.As(err, &unverified) {
		err = errors.New("it is not signed with this log's key")
	}
	if err != nil {
		return Checkpoint{}, invalid("checkpoint", err)
	}
	for _, s := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return Checkpoint{}, invalid("checkpoint", err)
		}
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != v.Name() {
		return Checkpoint{}, invalid("checkpoint", errors.New("the text is not origin, size and root of this log"))
	}
	size, err := number(lines[1])
	if err != nil {
		return Checkpoint{}, invalid("checkpoint", err)
	}
	root, err := hash(lines[2])
	if err != nil {
		return Checkpoint{}, invalid("checkpoint", err)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root, Note: signed}, nil
}

func invalid(what string, why error) error { return fmt.Errorf("%s: %w: %w", what, ErrInvalid, why) }

// number reads a decimal number in its only form.
func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("a number is not in its form")
	}
	return n, nil
}

// hash reads a hash in its only form.
func hash(s string) (tlog.Hash, error) {
	h, err := tlog.ParseHash(s)
	if err != nil || h.String() != s {
		return tlog.Hash{}, errors.New("a hash is not in its form")
	}
	return h, nil
}

const (
	keptName   = "checkpoints"
	newestName = "checkpoint"
	slotSize   = 256

	// MaxOrigin is the longest name of a log, in bytes: what a checkpoint of any size has room for.
	MaxOrigin = 45
)

// kept is the file of all checkpoints.
type kept struct {
	file     disk.File
	verifier note.Verifier
	count    int64
}

// slot reads the bytes of checkpoint i, fewer at the file's end.
func (k *kept) slot(i int64) ([]byte, error) {
	b := make([]byte, slotSize)
	n, err := k.file.ReadAt(b, i*slotSize)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// unfinished tells whether a slot is what a write leaves that never ended.
func unfinished(slot []byte) bool { return len(slot) < slotSize || slot[slotSize-1] == 0 }

// read gives checkpoint i, or an error that is a *Problem where it does not hold.
func (k *kept) read(i int64) (Checkpoint, error) {
	b, err := k.slot(i)
	if err != nil {
		return Checkpoint{}, err
	}
	p := &Problem{In: keptName, Number: uint64(i) + 1}
	if unfinished(b) {
		p.What = "it was never finished, or it is damaged"
		return Checkpoint{}, p
	}
	b = append(bytes.TrimRight(b, "\n"), '\n')
	c, err := openCheckpoint(b, k.verifier)
	if err != nil {
		p.What = err.Error()
		return Checkpoint{}, p
	}
	if bytes.Count(b, []byte("\n")) != 5 { // three lines, a blank one, and the log's signature alone
		p.What = "it has signatures that this log did not write"
		return Checkpoint{}, p
	}
	return c, nil
}

// openKept opens the file to write, cuts a last checkpoint that was never finished, and gives the newest.
func openKept(d disk.Disk, v note.Verifier) (_ *kept, newest Checkpoint, err error) {
	file, err := d.Open(keptName, true)
	if err != nil {
		return nil, Checkpoint{}, err
	}
	k := &kept{file: file, verifier: v}
	if newest, err = k.settle(); err == nil {
		err = d.SyncDir("")
	}
	if err != nil {
		return nil, Checkpoint{}, errors.Join(err, file.Close())
	}
	return k, newest, nil
}

// settle finds the newest checkpoint and writes it once more: that it can be read does not prove that it is durable.
func (k *kept) settle() (newest Checkpoint, err error) {
	if k.count, err = slots(k.file); err != nil || k.count == 0 {
		return Checkpoint{}, err
	}
	last, err := k.slot(k.count - 1)
	if err != nil {
		return Checkpoint{}, err
	}
	if unfinished(last) {
		k.count--
	}
	if err := k.cut(); err != nil || k.count == 0 {
		return Checkpoint{}, err
	}
	if newest, err = k.read(k.count - 1); err != nil {
		return Checkpoint{}, err
	}
	k.count--
	return newest, k.append(newest.Note)
}

// slots is how many slots the file has, one cut short included.
func slots(f disk.File) (int64, error) {
	size, err := f.Size()
	return (size + slotSize - 1) / slotSize, err
}

// cut removes what stands behind the last checkpoint: the rest of a write that failed, or never ended.
func (k *kept) cut() error {
	size, err := k.file.Size()
	if err != nil || size <= k.count*slotSize {
		return err
	}
	if err := k.file.Truncate(k.count * slotSize); err != nil {
		return err
	}
	return k.file.Sync()
}

// append keeps one more checkpoint, durably.
func (k *kept) append(signed []byte) error {
	slot := bytes.Repeat([]byte("\n"), slotSize)
	copy(slot, signed)
	if _, err := k.file.WriteAt(slot, k.count*slotSize); err != nil {
		return err
	}
	if err := k.file.Sync(); err != nil {
		return err
	}
	k.count++
	return nil
}
