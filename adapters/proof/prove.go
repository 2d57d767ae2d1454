package proof

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// A Proof shows that an event is in the ledger that a checkpoint was signed of. As text it is a C2SP tlog-proof, with
// the entry as its extra data:
//
//	c2sp.org/tlog-proof@v1
//	extra <the entry, in base64>
//	index <the event's position, less one>
//	<the hashes of the path, in base64, one a line>
//	<an empty line>
//	<the checkpoint>
type Proof struct {
	Entry      []byte // what the leaf is the hash of: id, version, stream and open bytes; nil if it is not given along
	Index      uint64
	Path       tlog.RecordProof // from the leaf's neighbour up
	Checkpoint []byte
}

// Inclusion proves that the event at the position is in the newest checkpoint's tree, or in a new one's if that is not yet.
// The proof says nothing of what the event is. A position that the ledger has not reached is ErrNoEvent.
func (k *Keeper) Inclusion(ctx context.Context, position uint64) (Proof, error) {
	c, err := k.reaching(ctx, position)
	if err != nil {
		return Proof{}, err
	}
	return k.folder.inclusion(c, position)
}

// inclusion proves that an event is in the tree of a checkpoint that covers it.
func (f folder) inclusion(c *Checkpoint, position uint64) (Proof, error) {
	path, err := tlog.ProveRecord(int64(c.Size), int64(position)-1, f.hashes(c))
	if err != nil {
		return Proof{}, fmt.Errorf("proving the event at position %d: %w", position, err)
	}
	return Proof{Index: position - 1, Path: path, Checkpoint: bytes.Clone(c.Note)}, nil
}

// Consistency proves that the ledger's first from events are the beginning of its first to events, for tlog.CheckTree to
// check against the roots of checkpoints of these sizes: 0 < from <= to. A size that the ledger has not reached is ErrNoEvent.
func (k *Keeper) Consistency(ctx context.Context, from, to uint64) (tlog.TreeProof, error) {
	if from == 0 || from > to {
		return nil, fmt.Errorf("from the first %d events to the first %d: %w", from, to, ErrNoEvent)
	}
	c, err := k.reaching(ctx, to)
	if err != nil {
		return nil, err
	}
	p, err := tlog.ProveTree(int64(to), int64(from), k.folder.hashes(c))
	if err != nil {
		return nil, fmt.Errorf("proving that %d events begin with the first %d: %w", to, from, err)
	}
	return p, nil
}

// reaching gives a checkpoint that covers the position.
func (k *Keeper) reaching(ctx context.Context, position uint64) (*Checkpoint, error) {
	c := k.newest.Load()
	if position > c.Size {
		var err error
		if c, err = k.checkpoint(ctx); err != nil {
			return nil, err
		}
	}
	if position == 0 || position > c.Size {
		return nil, fmt.Errorf("position %d: %w", position, ErrNoEvent)
	}
	return c, nil
}

// Prove gives a document that proves the event at the position to whoever has the verifier string, without the ledger: see
// VerifyProof. It holds the event's open bytes, and of a sealed event no more than whose key it is sealed under and the
// ciphertext's hash.
func (k *Keeper) Prove(ctx context.Context, position uint64) ([]byte, error) {
	p, err := k.Inclusion(ctx, position)
	if err != nil {
		return nil, err
	}
	return p.document(ctx, k.store)
}

// Newest gives the newest checkpoint from the files alone, which a Keeper may have open. If nothing was signed yet, the error matches
// fs.ErrNotExist; if it was not signed with the key that belongs to the verifier string, ErrInvalid.
func Newest(d disk.Disk, verifier string) (Checkpoint, error) {
	b, err := disk.ReadFile(d, newestName)
	if err != nil {
		return Checkpoint{}, err
	}
	return OpenCheckpoint(b, verifier)
}

// Prove is Keeper.Prove from the files alone: it signs nothing, so that the event must be covered by the newest checkpoint, or the
// error matches ErrNoEvent. The event is held against the tree.
func Prove(ctx context.Context, store ledger.Store, d disk.Disk, verifier string, position uint64) ([]byte, error) {
	c, err := Newest(d, verifier)
	if err != nil {
		return nil, err
	}
	if position == 0 || position > c.Size {
		return nil, fmt.Errorf("position %d, of %d that are signed: %w", position, c.Size, ErrNoEvent)
	}
	p, err := folder{d}.inclusion(&c, position)
	if err != nil {
		return nil, err
	}
	document, err := p.document(ctx, store)
	if err == nil {
		_, err = VerifyProof(document, verifier)
	}
	return document, err
}

// document is the proof with its entry, as text.
func (p Proof) document(ctx context.Context, store ledger.Store) ([]byte, error) {
	err := read(ctx, store, p.Index, p.Index+1, func(r *eventschema.Record) error {
		p.Entry = entry(r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p.MarshalText()
}

// A Proven is what a proof shows.
type Proven struct {
	Checkpoint Checkpoint         // of the tree that the event is in
	Record     eventschema.Record // without the ciphertext
	Fact       eventschema.Fact   // the record, decoded; the body of a sealed event is closed
}

// VerifyProof checks a document of Prove with nothing but the log's verifier string: that the log's key signed the
// checkpoint, and that the event is in its tree.
//
// It shows that the log committed, in that checkpoint, to this event at this position: which stream and version, which
// event, and of an open one its content, its author's id and its instants. Of a sealed event it shows that a ciphertext
// with this hash was recorded, and nothing of its content; eventschema.Catalogue.Check tells whether a ciphertext put into
// the Record is that one. It does not show when the event was written but by what the event says itself, that the
// stream has no other events, or that the log shows everybody the same tree: for that, compare checkpoints.
//
// The error matches ErrInvalid where the proof does not hold. An event that this program's catalogue does not know is an
// *eventschema.UnknownError.
func VerifyProof(document []byte, verifier string) (Proven, error) {
	var p Proof
	if err := p.UnmarshalText(document); err != nil {
		return Proven{}, err
	}
	c, err := OpenCheckpoint(p.Checkpoint, verifier)
	if err != nil {
		return Proven{}, err
	}
	r, err := parseEntry(p.Entry)
	if err != nil {
		return Proven{}, err
	}
	if err := tlog.CheckRecord(p.Path, int64(c.Size), c.Root, int64(p.Index), tlog.Hash(r.Leaf())); err != nil {
		return Proven{}, invalid("proof", errors.New("the event is not in the checkpoint's tree"))
	}
	r.Position = p.Index + 1
	fact, err := eventschema.Today.Decode(&r, nil)
	if err != nil {
		return Proven{}, err
	}
	return Proven{c, r, fact}, nil
}

// entry is what a record's leaf is the hash of: see eventschema.Record.Leaf.
func entry(r *eventschema.Record) []byte {
	b := append([]byte{}, r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Stream)))
	b = append(b, r.Stream...)
	return append(b, r.Data...)
}

func parseEntry(b []byte) (r eventschema.Record, err error) {
	const head = len(r.ID) + 8 + 2
	if len(b) < head || len(b)-head < int(binary.BigEndian.Uint16(b[head-2:])) {
		return r, invalid("proof", errors.New("the entry is cut short"))
	}
	copy(r.ID[:], b)
	r.Version = binary.BigEndian.Uint64(b[len(r.ID):])
	name := head + int(binary.BigEndian.Uint16(b[head-2:]))
	r.Stream, r.Data = string(b[head:name]), b[name:]
	return r, nil
}

const (
	proofHeader = "c2sp.org/tlog-proof@v1\n"
	proofExtra  = "extra "
	proofIndex  = "index "
)

// MarshalText writes the proof as text.
func (p Proof) MarshalText() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(proofHeader)
	if p.Entry != nil {
		fmt.Fprintf(&b, "%s%s\n", proofExtra, base64.StdEncoding.EncodeToString(p.Entry))
	}
	fmt.Fprintf(&b, "%s%d\n", proofIndex, p.Index)
	for _, h := range p.Path {
		fmt.Fprintf(&b, "%s\n", h)
	}
	b.WriteString("\n")
	b.Write(p.Checkpoint)
	return b.Bytes(), nil
}

// UnmarshalText reads what MarshalText writes, in no other form. It checks nothing of what the proof says.
func (p *Proof) UnmarshalText(text []byte) error {
	head, checkpoint, ok := strings.Cut(string(text), "\n\n")
	head, named := strings.CutPrefix(head+"\n", proofHeader)
	if !ok || !named {
		return invalid("proof", errors.New("it is not a C2SP tlog-proof, version 1"))
	}
	*p = Proof{Checkpoint: []byte(checkpoint)}
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	if extra, ok := strings.CutPrefix(lines[0], proofExtra); ok {
		b, err := base64.StdEncoding.Strict().DecodeString(extra)
		if err != nil || strings.Contains(extra, "\r") {
			return invalid("proof", errors.New("the entry is not base64"))
		}
		p.Entry, lines = b, lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], proofIndex) {
		return invalid("proof", errors.New("it has no index"))
	}
	var err error
	if p.Index, err = number(lines[0][len(proofIndex):]); err != nil {
		return invalid("proof", err)
	}
	for _, line := range lines[1:] {
		h, err := hash(line)
		if err != nil {
			return invalid("proof", err)
		}
		p.Path = append(p.Path, h)
	}
	return nil
}
