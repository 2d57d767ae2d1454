package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/projections"
)

// Incident mode (A12). Addresses are held as keyed hashes only, except while somebody has opened exceptional access to them, which is on
// record. As long as it is open, each request adds a line to a file of that access in a folder apart: instant, address, status,
// route. The access ends by itself; then the file is overwritten and removed within watchEvery, and the end is recorded if nobody
// had recorded it. A server that was down meanwhile does so before it serves.
//
// The files are in no backup and no export. Where the medium keeps old blocks, what was removed is gone from the folder and not
// proven gone from the medium: encrypt it.
const incidentDir = "incident"

// watchEvery is how long addresses are there at the most after an access to them has ended.
const watchEvery = time.Second

// longestFile is in bytes: some million requests. What comes after is not noted.
const longestFile = 64 << 20

// incidents keeps the files of accesses to addresses.
type incidents struct {
	sys *system

	mu    sync.Mutex
	files map[domain.ID]*addressFile // those that have been written to
}

type addressFile struct {
	disk.File
	size int64
}

func newIncidents(s *system) *incidents {
	return &incidents{sys: s, files: map[domain.ID]*addressFile{}}
}

// accesses are those to addresses, by id, as the ledger has them.
func (i *incidents) accesses(ctx context.Context) (map[domain.ID]oversight.Access, error) {
	all := map[domain.ID]oversight.Access{}
	docs, err := i.sys.keeper.Accesses.List(ctx, projections.Everybody)
	for id, doc := range docs {
		if doc.State.Door == oversight.Addresses {
			all[id] = doc.State
		}
	}
	return all, err
}

// note adds a request to the file of each access that is open now, and does nothing where none is.
func (i *incidents) note(v web.Visit) (err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.sys.clock()
	all, err := i.accesses(context.Background()) // the request may have ended
	for id, a := range all {
		if a.OpenAt(now) {
			err = errors.Join(err, i.add(id, fmt.Sprintf("%s\t%s\t%d\t%s\n", v.At.UTC().Format(time.RFC3339), v.From, v.Status, v.Route)))
		}
	}
	return err
}

func (i *incidents) add(id domain.ID, line string) error {
	f, err := i.file(id)
	if err != nil || f.size+int64(len(line)) > longestFile {
		return err
	}
	n, err := f.WriteAt([]byte(line), f.size)
	f.size += int64(n)
	return err
}

// file opens the file of an access, or makes it.
func (i *incidents) file(id domain.ID) (*addressFile, error) {
	if f := i.files[id]; f != nil {
		return f, nil
	}
	if err := i.sys.disk.MakeDir(incidentDir); err != nil {
		return nil, err
	}
	f, err := i.sys.disk.Open(incidentDir+"/"+id.String(), true)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	i.files[id] = &addressFile{f, size}
	return i.files[id], nil
}

// tend removes what belongs to no access that is open now, and records the end of those that ended by themselves.
func (i *incidents) tend(ctx context.Context) error {
	i.mu.Lock()
	all, err := i.accesses(ctx)
	now := i.sys.clock()
	if err == nil {
		err = i.keepOnly(func(id domain.ID) bool { return all[id].OpenAt(now) })
	}
	i.mu.Unlock()
	if err != nil {
		return fmt.Errorf("removing addresses: %w", err)
	}
	for id, a := range all {
		if !a.Closed && !a.OpenAt(now) {
			_, failed := i.sys.desk.CloseAccess(ctx, ledger.System, id)
			err = errors.Join(err, failed)
		}
	}
	return err
}

// keepOnly removes all files but those that are kept.
func (i *incidents) keepOnly(keep func(domain.ID) bool) error {
	names, err := i.sys.disk.Names(incidentDir)
	gone := 0
	for _, name := range names {
		id, wrong := domain.ParseID(name)
		if wrong == nil && keep(id) {
			continue
		}
		f := i.files[id]
		if delete(i.files, id); f != nil {
			err = errors.Join(err, f.Close())
		}
		err = errors.Join(err, wipe(i.sys.disk, incidentDir+"/"+name))
		gone++
	}
	if gone > 0 {
		err = errors.Join(err, i.sys.disk.SyncDir(incidentDir))
	}
	return err
}

// wipe overwrites a file, and removes it.
func wipe(d disk.Disk, name string) error {
	f, err := d.Open(name, false)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil {
		_, err = io.Copy(io.NewOffsetWriter(f, 0), io.LimitReader(zeros{}, size))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), d.Remove(name))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// watch tends until ctx ends, and sees to it that the limits on attempts forget what they held of addresses.
func (i *incidents) watch(ctx context.Context, log *slog.Logger, limits *signin.Limits) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := errors.Join(i.tend(ctx), limits.Forget(ctx, i.sys.clock())); err != nil && ctx.Err() == nil {
				log.Error("addresses of an incident that has ended may still be there", slog.String("error", err.Error()))
			}
		}
	}
}

// close closes the files, which stay for as long as their accesses are open.
func (i *incidents) close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var err error
	for id, f := range i.files {
		err = errors.Join(err, f.Close())
		delete(i.files, id)
	}
	return err
}

type incidentCmd struct {
	Show incidentShowCmd `cmd:"" help:"Print the clear addresses that are kept, as long as the access to them is open."`
}

type incidentShowCmd struct {
	dataFlag
	Access string `required:"" placeholder:"ID" help:"The access to addresses, by the id that its opening gave."`
}

// Help is shown below the options.
func (c *incidentShowCmd) Help() string { return signInHelp }

// Run prints the file of an access that is open to whoever opened it. That it is shown is on record first.
func (c *incidentShowCmd) Run(env *surroundings) error {
	id, err := domain.ParseID(c.Access)
	if err != nil {
		return usage("--access is the id of an access")
	}
	return c.as(env, func(s *system, by ledger.Caller) error { return s.showIncident(env.ctx, env.stdout, id, by) })
}

func (s *system) showIncident(ctx context.Context, to io.Writer, id domain.ID, by ledger.Caller) error {
	if err := newIncidents(s).tend(ctx); err != nil {
		return err
	}
	used := oversight.AccessUsed{What: "incident show", About: "all addresses kept so far"}
	if err := s.desk.UseAccess(ctx, by, id, used); err != nil {
		return err
	}
	f, err := s.disk.OpenRead(incidentDir + "/" + id.String())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nobody has come
	}
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err == nil {
		_, err = io.Copy(to, io.NewSectionReader(f, 0, size))
	}
	return err
}
