package proof

import (
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	SlotSize  = slotSize
	TileWidth = width
)

// A Tree is a tree without files.
type Tree struct{ tree }

// Add adds a leaf and forgets the tiles that it fills.
func (t *Tree) Add(leaf tlog.Hash) {
	t.add(leaf)
	clear(t.full)
}

// Root is the hash of the whole tree.
func (t *Tree) Root() (tlog.Hash, error) { return t.root() }

// TilePath is where a tile lies.
func TilePath(t tlog.Tile) string { return tilePath(t) }

// Sign signs any text.
func (k Key) Sign(text string) ([]byte, error) { return note.Sign(&note.Note{Text: text}, k.signer) }
