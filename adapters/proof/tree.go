package proof

import (
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8 // of tiles
	width  = 1 << height
)

// A tree grows leaf by leaf. It holds no more than its right edge.
type tree struct {
	size     int64
	frontier []tlog.Hash          // roots of the perfect subtrees that it consists of, the largest first
	edge     [][]byte             // per level the hashes of the last tile, while it is not full
	full     map[tlog.Tile][]byte // tiles filled, and not written yet
	stored   int64                // the size whose tiles are durable
}

func (t *tree) add(leaf tlog.Hash) {
	h := leaf
	for level := 0; ; level++ {
		if level%height == 0 {
			t.put(level/height, h)
		}
		if t.size>>level&1 == 0 {
			break
		}
		last := len(t.frontier) - 1
		h = tlog.NodeHash(t.frontier[last], h)
		t.frontier = t.frontier[:last]
	}
	t.frontier = append(t.frontier, h)
	t.size++
}

// put adds a hash to the last tile of a level.
func (t *tree) put(level int, h tlog.Hash) {
	if level == len(t.edge) {
		t.edge = append(t.edge, nil)
	}
	e := append(t.edge[level], h[:]...)
	if len(e) == width*tlog.HashSize {
		if t.full == nil {
			t.full = map[tlog.Tile][]byte{}
		}
		t.full[tlog.Tile{H: height, L: level, N: t.size >> (height * (level + 1)), W: width}] = e
		e = make([]byte, 0, len(e))
	}
	t.edge[level] = e
}

// data gives the bytes of a tile that is new since the stored size.
func (t *tree) data(tile tlog.Tile) []byte {
	if tile.W == width {
		return t.full[tile]
	}
	return t.edge[tile.L]
}

// root is the hash of the whole tree.
func (t *tree) root() (tlog.Hash, error) {
	return tlog.TreeHash(t.size, tlog.HashReaderFunc(func([]int64) ([]tlog.Hash, error) { return t.frontier, nil }))
}
