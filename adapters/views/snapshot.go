package views

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/disk"
	"samtykke/domain"
	"samtykke/eventschema"
)

// The snapshot's file, relative to the disk's root:
//
//	magic, cursor, hash of the record at the cursor, then for each view: name, version, number of documents, and each document: id, position, length,
//	bytes; at the end the xxhash64 of everything before it. Numbers are variable-length.
const (
	snapshotDir  = "views"
	snapshotName = snapshotDir + "/snapshot"
	magic        = "samtykke views 3\n"
)

type encoder struct{ b []byte }

func newEncoder(cursor uint64, leaf [32]byte) *encoder {
	e := &encoder{[]byte(magic)}
	e.number(cursor)
	e.b = append(e.b, leaf[:]...)
	return e
}

func (e *encoder) number(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) bytes(b []byte) {
	e.number(uint64(len(b)))
	e.b = append(e.b, b...)
}

func (e *encoder) view(name string, version, docs int) {
	e.bytes([]byte(name))
	e.number(uint64(version))
	e.number(uint64(docs))
}

func (e *encoder) doc(id domain.ID, at uint64, doc []byte) {
	e.b = append(e.b, id[:]...)
	e.number(at)
	e.bytes(doc)
}

// write puts the snapshot in place of the last one, durably.
func (e *encoder) write(d disk.Disk) error {
	e.b = binary.BigEndian.AppendUint64(e.b, xxhash.Sum64(e.b))
	if err := d.MakeDir(snapshotDir); err != nil {
		return err
	}
	f, err := d.Open(snapshotName+".new", true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(e.b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the snapshot of the views: %w", err)
	}
	if err := d.Rename(snapshotName+".new", snapshotName); err != nil {
		return err
	}
	return d.SyncDir(snapshotDir)
}

type decoder struct {
	b      []byte
	cursor uint64
	leaf   [32]byte
}

var errShort = errors.New("the snapshot of the views is cut short")

func readSnapshot(d disk.Disk) (*decoder, error) {
	b, err := disk.ReadFile(d, snapshotName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSnapshot
	}
	if err != nil {
		return nil, err
	}
	n := len(b) - 8
	if n < len(magic) || string(b[:len(magic)]) != magic || binary.BigEndian.Uint64(b[n:]) != xxhash.Sum64(b[:n]) {
		return nil, fmt.Errorf("%w: the file is damaged", ErrNoSnapshot)
	}
	dec := &decoder{b: b[len(magic):n]}
	if dec.cursor, err = dec.number(); err != nil || len(dec.b) < len(dec.leaf) {
		return nil, errors.Join(ErrNoSnapshot, err)
	}
	dec.b = dec.b[copy(dec.leaf[:], dec.b):]
	return dec, nil
}

func (d *decoder) number() (uint64, error) {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		return 0, errShort
	}
	d.b = d.b[n:]
	return v, nil
}

func (d *decoder) bytes() ([]byte, error) {
	n, err := d.number()
	if err != nil || n > uint64(len(d.b)) {
		return nil, errShort
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b, nil
}

// view reads a view's heading and gives its number of documents.
func (d *decoder) view(name string, version int) (uint64, error) {
	n, err := d.bytes()
	if err != nil {
		return 0, err
	}
	v, err := d.number()
	if err != nil {
		return 0, err
	}
	if string(n) != name || v != uint64(version) {
		return 0, fmt.Errorf("the view %s has changed since the snapshot", name)
	}
	return d.number()
}

func (d *decoder) doc() (id domain.ID, at uint64, doc []byte, err error) {
	if len(d.b) < len(id) {
		return id, 0, nil, errShort
	}
	copy(id[:], d.b)
	d.b = d.b[len(id):]
	if at, err = d.number(); err != nil {
		return id, 0, nil, err
	}
	doc, err = d.bytes()
	return id, at, doc, err
}

func (t *Table[V]) name() (string, int) { return t.view.Name, t.view.Version }

func (t *Table[V]) save(e *encoder, keys eventschema.Keys) error {
	entries := t.entries()
	kept := make(map[domain.ID][]byte, len(entries))
	for id, entry := range entries {
		b, err := eventschema.Marshal(entry.doc)
		if owner, sealed := t.view.Owner(id); err == nil && sealed {
			b, err = keys.Seal(owner, b, place(t.view.Name, t.view.Version, id))
		}
		if errors.Is(err, eventschema.ErrGone) {
			continue
		}
		if err != nil {
			return err
		}
		kept[id] = b
	}
	e.view(t.view.Name, t.view.Version, len(kept))
	for id, b := range kept {
		e.doc(id, entries[id].at, b)
	}
	return nil
}

func (t *Table[V]) load(d *decoder, keys eventschema.Keys) error {
	n, err := d.view(t.view.Name, t.view.Version)
	for ; err == nil && n > 0; n-- {
		var next entry[V]
		var id domain.ID
		var b []byte
		if id, next.at, b, err = d.doc(); err != nil {
			return err
		}
		if owner, sealed := t.view.Owner(id); sealed {
			if b, err = keys.Open(owner, b, place(t.view.Name, t.view.Version, id)); errors.Is(err, eventschema.ErrGone) {
				err = nil
				continue
			}
		}
		if err == nil {
			err = eventschema.Unmarshal(b, &next.doc)
		}
		if err == nil {
			t.docs[id] = &entry[V]{}
			t.put(id, t.docs[id], next)
		}
	}
	return err
}

func (t *sealedTable[V]) name() (string, int) { return t.view.Name, t.view.Version }

func (t *sealedTable[V]) save(e *encoder, _ eventschema.Keys) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e.view(t.view.Name, t.view.Version, len(t.docs))
	for id, doc := range t.docs {
		b, err := eventschema.Marshal(doc)
		if err != nil {
			return err
		}
		e.doc(id, doc.At, b)
	}
	return nil
}

func (t *sealedTable[V]) load(d *decoder, _ eventschema.Keys) error {
	n, err := d.view(t.view.Name, t.view.Version)
	for ; err == nil && n > 0; n-- {
		var doc sealedDoc
		var id domain.ID
		var b []byte
		if id, _, b, err = d.doc(); err == nil {
			if err = eventschema.Unmarshal(b, &doc); err == nil {
				t.docs[id] = doc
			}
		}
	}
	return err
}
