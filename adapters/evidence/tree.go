package evidence

import "golang.org/x/mod/sumdb/tlog"

// A tree is the Merkle tree over the records so far: the roots of the perfect subtrees that it consists of, the largest first.
type tree struct {
	size     int64
	frontier []tlog.Hash
}

func (t *tree) add(leaf tlog.Hash) {
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.frontier) - 1
		leaf, t.frontier = tlog.NodeHash(t.frontier[last], leaf), t.frontier[:last]
	}
	t.frontier = append(t.frontier, leaf)
	t.size++
}

// root is the hash of the whole tree, as a checkpoint writes it; nothing for none.
func (t *tree) root() string {
	if t.size == 0 {
		return ""
	}
	last := len(t.frontier) - 1
	root := t.frontier[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(t.frontier[i], root)
	}
	return root.String()
}
