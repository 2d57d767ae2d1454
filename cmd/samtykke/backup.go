package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/proof"
	"samtykke/eventschema"
)

type backupCmd struct {
	dataFlag
	To     string `required:"" placeholder:"DIR" help:"Where backups lie; each is a new folder there, named by its instant."`
	KeysTo string `placeholder:"DIR" help:"Where the keys lie that open them, in another place: kept up to date as by keys escrow."`
}

const (
	partial      = ".partial" // ends the name of a backup that is not complete
	instantNames = "20060102T150405Z"
)

// Run makes a backup, beside a server or without one.
func (c *backupCmd) Run(env *surroundings) error {
	if err := c.there(); err != nil {
		return err
	}
	if err := apart([]place{{"--data", c.Data}, {"--to", c.To}, {"--keys-to", c.KeysTo}}); err != nil {
		return err
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	if err := w.inFiles("backup"); err != nil {
		return err
	}
	w.views = "" // those of the service are not for a copy
	b, err := w.backup(env.ctx, c.To, c.KeysTo)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s\n  events       %d, up to position %d\n  checkpoint   size %d, root %s\n  keys         epoch %d opens them; its key is not here\n",
		b.Folder, b.Position, b.Position, b.Signed.Size, b.Signed.Root, b.Epoch)
	return nil
}

// A backup is what one holds.
type backup struct {
	Folder   string
	Position ledger.Position
	Signed   proof.Checkpoint
	Epoch    uint64 // whose key opens its keys
}

var errNothing = usageError("the ledger has no event yet: there is nothing to copy")

// backup makes a backup in a new folder below to, and checks it. If keysTo is not empty, the keys go there first: no copy is without
// its epoch's key. An attempt that failed leaves nothing, one that was killed a folder whose name ends in .partial, which the next
// removes.
func (w world) backup(ctx context.Context, to, keysTo string) (_ backup, err error) {
	if err := w.settleFiles(ctx); err != nil {
		return backup{}, err
	}
	if keysTo != "" {
		escrow, err := disk.OS(keysTo)
		if err == nil {
			err = escrowTo(disk.Sub(w.disk, keyDir), escrow, w.clock())
		}
		if err != nil {
			return backup{}, fmt.Errorf("copying the keys: %w", err)
		}
	}
	all, err := disk.OS(to)
	if err != nil {
		return backup{}, err
	}
	if err := all.MakeDir(""); err != nil {
		return backup{}, err
	}
	lock, err := all.Lock("lock")
	if errors.Is(err, disk.ErrLocked) {
		return backup{}, usage("another backup to %s is under way", to)
	}
	if err != nil {
		return backup{}, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := removePartial(to); err != nil {
		return backup{}, err
	}
	name := w.clock().UTC().Format(instantNames)
	folder := filepath.Join(to, name)
	if _, err := os.Stat(folder); err == nil {
		return backup{}, usage("there is a backup %s already: wait a second", folder)
	}
	b, err := copyData(ctx, w.disk, disk.Sub(all, name+partial))
	if err == nil {
		err = os.Rename(folder+partial, folder)
	}
	if err == nil {
		err = all.SyncDir("")
	}
	if err != nil {
		return backup{}, errors.Join(err, removePartial(to))
	}
	b.Folder = folder
	return b, nil
}

// settleFiles opens and closes a ledger that nobody has open, so that all there is, is signed. Otherwise a server signs as it goes.
func (w world) settleFiles(ctx context.Context) error {
	s, err := w.open(ctx)
	if errors.Is(err, disk.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = s.proof.Checkpoint(ctx)
	if errors.Is(err, proof.ErrEmpty) {
		err = errNothing
	}
	return errors.Join(err, s.close())
}

func removePartial(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "*"+partial))
	for _, folder := range left {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

// copyData copies what belongs into a backup from a data directory that may be in use: the ledger up to the newest signed
// checkpoint, which claims no more than is durable, the checkpoints up to that one, and the wrapped keys of clients and others, in
// this order, so that no event is without its key; and what was released of the statistics. Then it checks the copy.
func copyData(ctx context.Context, from, to disk.Disk) (b backup, err error) {
	verifier, err := disk.ReadFile(from, verifierFile)
	if err != nil {
		return backup{}, err
	}
	signed, err := disk.ReadFile(from, proofDir+"/checkpoint")
	if errors.Is(err, fs.ErrNotExist) {
		return backup{}, errNothing
	}
	if err != nil {
		return backup{}, err
	}
	if b.Signed, err = proof.OpenCheckpoint(signed, strings.TrimSpace(string(verifier))); err != nil {
		return backup{}, err
	}
	if b.Position, err = filestore.Copy(ctx, disk.Sub(from, ledgerDir), disk.Sub(to, ledgerDir), b.Signed.Size); err != nil {
		return backup{}, fmt.Errorf("copying the ledger: %w", err)
	}
	if err = copyCheckpoints(disk.Sub(from, proofDir), disk.Sub(to, proofDir), signed); err != nil {
		return backup{}, fmt.Errorf("copying the checkpoints: %w", err)
	}
	if b.Epoch, err = copyTable(ctx, disk.Sub(from, keyDir), disk.Sub(to, keyDir)); err != nil {
		return backup{}, fmt.Errorf("copying the wrapped keys: %w", err)
	}
	if err = copyReleases(from, to); err != nil {
		return backup{}, fmt.Errorf("copying what was released of the statistics: %w", err)
	}
	if err = checkCopy(ctx, to, strings.TrimSpace(string(verifier))); err != nil {
		return backup{}, fmt.Errorf("checking the copy: %w", err)
	}
	return b, nil
}

// copyReleases copies the files of releases, which are only ever added.
func copyReleases(from, to disk.Disk) error {
	names, err := from.Names(statisticsDir)
	if err == nil {
		err = to.MakeDir(statisticsDir)
	}
	for _, name := range names {
		if err == nil && !strings.HasSuffix(name, ".new") {
			_, err = copyFile(from, to, path.Join(statisticsDir, name))
		}
	}
	return err
}

// checkCopy reads the copied ledger and makes its tiles anew: they must give the root that was signed.
func checkCopy(ctx context.Context, to disk.Disk, verifier string) (err error) {
	below := disk.Sub(to, ledgerDir)
	lock, err := below.Lock("lock") // makes the file, which readers share
	if err == nil {
		err = lock.Close()
	}
	if err != nil {
		return err
	}
	store, _, err := filestore.OpenReader(below, filestore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Verify(ctx, nil); err != nil {
		return err
	}
	return proof.Rebuild(ctx, disk.Sub(to, proofDir), verifier, store)
}

// slot is the length of one checkpoint in the file of all.
const slot = 256

// copyCheckpoints copies all checkpoints up to the given one.
func copyCheckpoints(from, to disk.Disk, newest []byte) error {
	f, err := from.OpenRead("checkpoints")
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	b := make([]byte, slot)
	for end := size / slot * slot; end > 0; end -= slot {
		if _, err := f.ReadAt(b, end-slot); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.Equal(bytes.TrimRight(b, "\n"), bytes.TrimRight(newest, "\n")) {
			continue
		}
		if err := to.MakeDir(""); err != nil {
			return err
		}
		_, err := putFile(to, "checkpoints", io.NewSectionReader(f, 0, end))
		return err
	}
	return errors.New("the newest checkpoint is not among those kept")
}

const table = "data.keys." // before the epoch's number

// copyTable copies the table of wrapped keys from where it may be changed or replaced meanwhile. It is read twice: what changes
// there never changes back, so a table that reads the same both times was so at the moment between the two.
func copyTable(ctx context.Context, from, to disk.Disk) (epoch uint64, err error) {
	if err := to.MakeDir(""); err != nil {
		return 0, err
	}
	for range 100 {
		if epoch, err = newestTable(from); err != nil {
			return 0, err
		}
		name := table + strconv.FormatUint(epoch, 10)
		first, err := copyFile(from, to, name)
		var second [sha256.Size]byte
		if err == nil {
			second, err = sumOf(from, name)
		}
		now, unread := newestTable(from)
		switch {
		case err == nil && unread == nil && first == second && now == epoch:
			return epoch, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
		if err := errors.Join(ctx.Err(), to.Remove(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return 0, errors.New("they changed each time they were read: try again when less is going on")
}

// newestTable is the epoch of the table in use.
func newestTable(d disk.Disk) (epoch uint64, err error) {
	names, err := d.Names("")
	for _, name := range names {
		number, ok := strings.CutPrefix(name, table)
		if n, err := strconv.ParseUint(number, 10, 32); ok && err == nil {
			epoch = max(epoch, n)
		}
	}
	if err == nil && epoch == 0 {
		err = fmt.Errorf("there is no %sNUMBER", table)
	}
	return epoch, err
}

// escrowTo brings the second place of the keys up to date: the wrapped keys of epochs, and all others but the table; and destroys
// there the keys of epochs that have ended. The keyring may be in use.
func escrowTo(keys, to disk.Disk, now time.Time) error {
	if err := to.MakeDir("epochs"); err != nil {
		return err
	}
	err := eachKey(keys, func(name string) error {
		if base := path.Base(name); base == "lock" || strings.HasPrefix(base, "data.keys") || strings.HasSuffix(base, ".new") {
			return nil
		}
		if err := escrowFile(keys, to, name); !errors.Is(err, fs.ErrNotExist) { // its epoch has just ended
			return err
		}
		return nil
	})
	err = errors.Join(err, to.SyncDir("epochs"), to.SyncDir(""))
	if err != nil {
		return err
	}
	return keyring.ExpireEscrow(to, now)
}

// eachKey does something with each file of a keyring: those of epochs first, so that no other is without them.
func eachKey(keys disk.Disk, do func(name string) error) error {
	for _, dir := range []string{"epochs", ""} {
		names, err := keys.Names(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := do(path.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// escrowFile copies one key, where it is not there yet. One that differs is of another ledger, and is never written over.
func escrowFile(keys, to disk.Disk, name string) error {
	b, err := disk.ReadFile(keys, name)
	if err != nil {
		return err
	}
	defer clear(b)
	there, err := disk.ReadFile(to, name)
	if err == nil && !bytes.Equal(there, b) {
		return usage("the keys' second place holds another %s, of another ledger or another life of this one: choose an empty folder", name)
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := putFile(to, name+".new", bytes.NewReader(b)); err != nil {
		return err
	}
	return to.Rename(name+".new", name)
}

// copyFile copies a file durably, but for its name, and gives the sum of what it read.
func copyFile(from, to disk.Disk, name string) (sum [sha256.Size]byte, err error) {
	f, err := from.OpenRead(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return sum, err
	}
	return putFile(to, name, io.NewSectionReader(f, 0, size))
}

// putFile makes a file of what it reads, durably, but for its name, and gives its sum.
func putFile(to disk.Disk, name string, from io.Reader) (sum [sha256.Size]byte, err error) {
	f, err := to.Open(name, true)
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	if err = f.Truncate(0); err == nil {
		_, err = io.Copy(io.MultiWriter(io.NewOffsetWriter(f, 0), h), from)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = to.SyncDir(parentOf(name))
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

// parentOf is a file's folder, as a disk names it.
func parentOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

func sumOf(d disk.Disk, name string) (sum [sha256.Size]byte, err error) {
	f, err := d.OpenRead(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	size, err := f.Size()
	h := sha256.New()
	if err == nil {
		_, err = io.Copy(h, io.NewSectionReader(f, 0, size))
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

// A place is a folder, by the flag that named it.
type place struct{ flag, dir string }

// apart refuses places of which one is, or lies in, another. A place without a name is left out.
func apart(places []place) error {
	for i, a := range places {
		for _, b := range places[:i] {
			if a.dir == "" || b.dir == "" {
				continue
			}
			if within(a.dir, b.dir) || within(b.dir, a.dir) {
				return usage("%s and %s must be apart: neither may lie in the other", b.flag, a.flag)
			}
		}
	}
	return nil
}

// within tells whether a folder is another or lies in it, symbolic links followed as far as there are folders.
func within(inner, outer string) bool {
	rel, err := filepath.Rel(realPath(outer), realPath(inner))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func realPath(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	if found, err := filepath.EvalSymlinks(dir); err == nil || filepath.Dir(dir) == dir {
		return found
	}
	return filepath.Join(realPath(filepath.Dir(dir)), filepath.Base(dir))
}

// recordedUpTo is the newest instant among the last events that show one, of a ledger's end.
func recordedUpTo(ctx context.Context, store ledger.Store, head ledger.Position) (last time.Time, err error) {
	const enough = 1000
	for r, err := range store.After(ctx, head-min(head, enough)) {
		if err != nil {
			return last, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return last, err
		}
		if f.Act.At.After(last) {
			last = f.Act.At
		}
		if r.Position >= head {
			break
		}
	}
	return last, nil
}
