package proof

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk"
)

// A folder holds the files of the tree.
type folder struct{ disk disk.Disk }

const newName = "new"

// tilePath is where a tile lies. C2SP leaves out the height that tlog has in its paths.
func tilePath(t tlog.Tile) string {
	return "tile" + strings.TrimPrefix(t.Path(), fmt.Sprint("tile/", t.H))
}

// partials is the folder of the narrower tiles of the same number.
func partials(t tlog.Tile) string {
	t.W = width
	return tilePath(t) + ".p"
}

// put writes a file so that its name stands for nothing but all of it, durable. That the name is durable takes SyncDir.
func (f folder) put(name string, b []byte) error {
	if err := replace(f.disk, newName, b); err != nil {
		return err
	}
	return f.disk.Rename(newName, name)
}

// replace makes a new file of b, durably.
func replace(d disk.Disk, name string, b []byte) error {
	file, err := create(d, name)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(b, 0)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// create makes an empty file. An old one is removed first, never written over: after a crash a file that was renamed may have both
// names.
func create(d disk.Disk, name string) (disk.File, error) {
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return d.Open(name, true)
}

// putAll is put, of several tiles.
func (f folder) putAll(tiles []tlog.Tile, data func(tlog.Tile) []byte) (err error) {
	files := make([]disk.File, 0, len(tiles))
	defer func() {
		for _, file := range files {
			err = errors.Join(err, file.Close())
		}
	}()
	temporary := func(i int) string { return fmt.Sprint(newName, i) }
	for i, tile := range tiles {
		if err := f.disk.MakeDir(path.Dir(tilePath(tile))); err != nil {
			return err
		}
		file, err := create(f.disk, temporary(i))
		if err != nil {
			return err
		}
		files = append(files, file)
		if _, err := file.WriteAt(data(tile), 0); err != nil {
			return err
		}
	}
	for _, file := range files {
		if err := file.Sync(); err != nil {
			return err
		}
	}
	for i, tile := range tiles {
		if err := f.disk.Rename(temporary(i), tilePath(tile)); err != nil {
			return err
		}
	}
	return nil
}

// together is how many tiles are written before the first of them is synced: what one sync makes a file system write down of new
// files then serves them all.
const together = 64

// write makes the tiles that changed since the tree's stored size durable.
func (f folder) write(t *tree) error {
	var dirs []string
	for some := range slices.Chunk(tlog.NewTiles(height, t.stored, t.size), together) {
		if err := f.putAll(some, t.data); err != nil {
			return err
		}
		for _, tile := range some {
			dirs = append(dirs, path.Dir(tilePath(tile)))
		}
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := f.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	clear(t.full)
	t.stored = t.size
	return nil
}

// drop removes what is left of a tile's narrower ones.
func (f folder) drop(t tlog.Tile) error {
	dir := partials(t)
	names, err := f.disk.Names(dir)
	for _, name := range names {
		err = errors.Join(err, f.disk.Remove(path.Join(dir, name)))
	}
	return err
}

// dropOutgrown removes the narrower tiles of those that became full between the two sizes.
func (f folder) dropOutgrown(from, to int64) error {
	for level := 0; from>>(height*level) > 0; level++ {
		n := from >> (height * (level + 1))
		if to>>(height*(level+1)) == n {
			break
		}
		if err := f.drop(tlog.Tile{H: height, L: level, N: n}); err != nil {
			return err
		}
	}
	return nil
}

// read gives a tile's hashes, and maybe some behind them: a partial one that is there no longer is read from the full one. An
// error is a *Problem.
func (f folder) read(t tlog.Tile) ([]byte, error) {
	name := tilePath(t)
	b, err := disk.ReadFile(f.disk, name)
	want := t.W
	if errors.Is(err, fs.ErrNotExist) && t.W < width {
		t.W, want = width, width
		name = tilePath(t)
		b, err = disk.ReadFile(f.disk, name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Problem{In: name, What: "it is missing"}
	case err != nil:
		return nil, &Problem{In: name, What: "it cannot be read", Err: err}
	case len(b) != want*tlog.HashSize:
		return nil, &Problem{In: name, What: fmt.Sprintf("it has %d bytes, not %d", len(b), want*tlog.HashSize)}
	}
	return b, nil
}

// Height, ReadTiles and SaveTiles implement tlog.TileReader.
func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := f.read(t)
		if err != nil {
			return nil, err
		}
		data[i] = b[:t.W*tlog.HashSize]
	}
	return data, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

// hashes reads hashes of the checkpoint's tree, each proven to be of it. An error is a *Problem.
func (f folder) hashes(c *Checkpoint) tlog.HashReader {
	proven := tlog.TileHashReader(c.tree(), f)
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		h, err := proven.ReadHashes(indexes)
		if problem := new(*Problem); err != nil && !errors.As(err, problem) {
			err = &Problem{In: "tile", Size: c.Size, What: "what is read does not agree with the root that was signed"}
		}
		return h, err
	})
}

// tree gives the tree of a checkpoint, from its tiles. An error is a *Problem: also where they do not give its root.
func (f folder) tree(c *Checkpoint) (*tree, error) {
	if c.Size == 0 {
		return &tree{}, nil
	}
	n := c.tree().N
	t := &tree{size: n, stored: n}
	for level := 0; n>>(height*level) > 0; level++ {
		tile := tlog.Tile{H: height, L: level, N: n >> (height * (level + 1)), W: int(n >> (height * level) % width)}
		var e []byte
		if tile.W > 0 {
			b, err := f.read(tile)
			if err != nil {
				return nil, err
			}
			e = b[:tile.W*tlog.HashSize]
		}
		t.edge = append(t.edge, e)
	}
	_, err := tlog.TreeHash(n, tlog.HashReaderFunc(func(indexes []int64) (_ []tlog.Hash, err error) {
		t.frontier, err = f.hashes(c).ReadHashes(indexes)
		return t.frontier, err
	}))
	return t, err
}
