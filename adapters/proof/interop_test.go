package proof_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
)

// A tool is somebody else's client of C2SP tlog-tiles: it has a folder, or what is served from it, and the public key.
type tool struct{ dir string }

func (tool) Height() int { return 8 }

func (o tool) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		number := fmt.Sprintf("%03d", t.N%1000)
		for n := t.N / 1000; n > 0; n /= 1000 {
			number = fmt.Sprintf("x%03d/%s", n%1000, number)
		}
		name := fmt.Sprintf("tile/%d/%s", t.L, number)
		if t.W < 256 {
			name += fmt.Sprintf(".p/%d", t.W)
		}
		b, err := os.ReadFile(filepath.Join(o.dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}

func (tool) SaveTiles([]tlog.Tile, [][]byte) {}

// head reads the checkpoint as the specifications of notes and checkpoints say.
func (o tool) head(t *testing.T, key string) tlog.Tree {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(b, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	var tree tlog.Tree
	lines := strings.Split(n.Text, "\n")
	if _, err := fmt.Sscan(lines[1], &tree.N); err != nil || lines[0] != origin {
		t.Fatalf("the checkpoint begins with %q", lines[:2])
	}
	if tree.Hash, err = tlog.ParseHash(lines[2]); err != nil {
		t.Fatal(err)
	}
	return tree
}

// An existing client reads our files: every leaf at every checkpoint, proven against the root, and one checkpoint as the
// beginning of the next.
func TestTilesForOthers(t *testing.T) {
	dir := t.TempDir()
	d, err := disk.OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, d)
	defer func() { l.keeper.Close() }()
	var before tlog.Tree
	for _, n := range []int{1, 255, 256, 257, 700} {
		l.append(n - l.count)
		l.checkpoint()
		tree := tool{dir}.head(t, l.key.Verifier())
		if tree.N != int64(n) {
			t.Fatalf("the checkpoint is of size %d, want %d", tree.N, n)
		}
		hashes := tlog.TileHashReader(tree, tool{dir})
		var leaves []int64
		for i := range tree.N {
			leaves = append(leaves, tlog.StoredHashIndex(0, i))
		}
		got, err := hashes.ReadHashes(leaves)
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range got {
			if h != l.stored[leaves[i]] {
				t.Fatalf("leaf %d of %d is another", i, n)
			}
		}
		if before.N > 0 {
			p, err := tlog.ProveTree(tree.N, before.N, hashes)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(p, tree.N, tree.Hash, before.N, before.Hash); err != nil {
				t.Errorf("from %d to %d: %v", before.N, tree.N, err)
			}
		}
		before = tree
	}
}
