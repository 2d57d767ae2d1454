package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/endings"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// restoring is a file in a data directory that is being put together from a backup. While it is there, no command but restore works.
const restoring = "restoring"

type restoreCmd struct {
	From    string `required:"" placeholder:"DIR" help:"The backup: one folder, named by its instant."`
	Keys    string `required:"" placeholder:"DIR" help:"The second place of the keys."`
	Endings string `required:"" placeholder:"DIR" help:"The record of what has ended; in the old data directory, it is the folder endings."`
	Data    string `required:"" placeholder:"DIR" help:"The new data directory."`
}

// Run puts a data directory together from a backup. One that was interrupted is begun anew by the same command.
func (c *restoreCmd) Run(env *surroundings) error {
	if err := c.check(); err != nil {
		return err
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	if err := w.inFiles("restore"); err != nil {
		return err
	}
	w.views = "" // those of the service are not for a copy
	var from [3]disk.Disk
	for i, dir := range []string{c.From, c.Keys, c.Endings} {
		if from[i], err = disk.OS(dir); err != nil {
			return err
		}
	}
	lock, err := from[2].LockShared("lock")
	if errors.Is(err, disk.ErrLocked) {
		fmt.Fprintf(env.stderr, "samtykke: the ledger that %s belongs to is being served: end that first\n", c.Endings)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(lock.Close(), c.begin(w.disk)); err != nil {
		return err
	}
	draw, done := env.progress("verifying")
	r, err := w.restore(env.ctx, from[0], from[1], from[2], draw)
	done()
	if errors.Is(err, errRefused) { // nothing of it is of use
		return errors.Join(err, c.clear(), os.Remove(filepath.Join(c.Data, restoring)))
	}
	if err == nil {
		err = errors.Join(w.disk.Remove(restoring), w.disk.SyncDir(""))
	}
	if err != nil {
		return err
	}
	r.print(env.stdout, c)
	return nil
}

func (c *restoreCmd) check() error {
	if strings.HasSuffix(filepath.Clean(c.From), partial) {
		return usage("%s was never finished: it is no backup", c.From)
	}
	for _, p := range []struct{ dir, holds, what string }{
		{c.From, "ledger/segments", "backup"}, {c.Keys, "epochs", "second place of keys"}, {c.Endings, "segments", "record of endings"},
	} {
		if info, err := os.Stat(filepath.Join(p.dir, p.holds)); err != nil || !info.IsDir() {
			return usage("there is no %s in %s", p.what, p.dir)
		}
	}
	for _, p := range []place{{"--from", c.From}, {"--keys", c.Keys}, {"--endings", c.Endings}} {
		if err := apart([]place{p, {"--data", c.Data}}); err != nil {
			return err
		}
	}
	if err := apart([]place{{"--from", c.From}, {"--keys", c.Keys}}); err != nil {
		return err
	}
	names, err := os.ReadDir(c.Data)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(names) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(c.Data, restoring)); err != nil {
		return usage("%s is not empty: a backup is restored to a data directory of its own", c.Data)
	}
	return nil
}

// begin marks the data directory, and removes what an interrupted restore left there.
func (c *restoreCmd) begin(d disk.Disk) error {
	if err := d.MakeDir(""); err != nil {
		return err
	}
	if _, err := putFile(d, restoring, strings.NewReader("")); err != nil {
		return err
	}
	return c.clear()
}

func (c *restoreCmd) clear() error {
	var err error
	for _, dir := range []string{ledgerDir, keyDir, proofDir, endingsDir, "views"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.Data, dir)))
	}
	return err
}

// restored says what a restore came to.
type restored struct {
	Position ledger.Position // the backup's last event
	Recorded time.Time       // the newest instant that its last events show
	Reached  ledger.Position // how far the lost ledger is known to have come
	Again    map[string]int  // endings recorded once more, by the name of the event
	Held     int             // endings that the backup holds
	Unknown  int             // endings of those the backup does not know
	Keys     int             // that were destroyed once more
}

// errRefused says that a backup cannot be restored at all.
var errRefused = errors.New("the backup is refused")

// restore puts the data directory together: keys, then the ledger with its checkpoints; then, before anything is served, what has
// ended since is ended once more, and the whole is verified. The last step is the caller's: to take the mark away.
func (w world) restore(ctx context.Context, from, keys, outside disk.Disk, progress func(done, all uint64)) (r restored, err error) {
	ended, err := endings.Read(ctx, outside)
	if err != nil {
		return r, err
	}
	if err := w.restoreKeys(ctx, from, keys, ended.Keys); err != nil {
		return r, err
	}
	r.Keys = len(ended.Keys)
	if r.Position, err = w.restoreLedger(ctx, from); err != nil {
		return r, err
	}
	if _, err = filestore.Copy(ctx, outside, disk.Sub(w.disk, endingsDir), 0); err != nil {
		return r, fmt.Errorf("copying the record of endings: %w", err)
	}
	s, err := w.open(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r.Reached = ended.Reached
	if r.Recorded, err = recordedUpTo(ctx, s.store, r.Position); err != nil {
		return r, err
	}
	if err := s.endAgain(ctx, &r, ended); err != nil {
		return r, err
	}
	v, err := s.verify(ctx, progress)
	if err == nil && len(v.Problems) > 0 {
		err = fmt.Errorf("%w: %s, and %d more", errWrong, v.Problems[0], len(v.Problems)-1)
	}
	if err == nil {
		_, err = s.proof.Checkpoint(ctx)
	}
	return r, err
}

// restoreKeys brings the keys together again, and destroys once more those that were destroyed since.
func (w world) restoreKeys(ctx context.Context, from, keys disk.Disk, destroyed []keyring.Owner) error {
	to := disk.Sub(w.disk, keyDir)
	if err := to.MakeDir("epochs"); err != nil {
		return err
	}
	err := eachKey(keys, func(name string) error {
		_, err := copyFile(keys, to, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("copying the keys: %w", err)
	}
	epoch, err := copyTable(ctx, disk.Sub(from, keyDir), to)
	if err != nil {
		return fmt.Errorf("copying the wrapped keys: %w", err)
	}
	if _, err := keys.OpenRead("epochs/" + strconv.FormatUint(epoch, 10)); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: its keys are under epoch %d, whose own key is gone: it is destroyed 14 days after the day on which the epoch began",
			errRefused, epoch)
	}
	ring, err := keyring.OpenFile(w.disk, keyDir, w.secrets)
	if err != nil {
		return err
	}
	for _, e := range ring.Epochs() {
		if now := w.clock(); e.Current && !now.Before(e.Ends) {
			err = fmt.Errorf("%w: its keys are under epoch %d, which ended at %s: its key is to be destroyed, with keys escrow", errRefused, e.Number, instant(e.Ends))
		}
	}
	for _, o := range destroyed {
		if err == nil {
			err = ring.Destroy(ctx, o)
		}
	}
	return errors.Join(err, ring.Close())
}

// restoreLedger copies ledger and checkpoints, and checks one by the other.
func (w world) restoreLedger(ctx context.Context, from disk.Disk) (ledger.Position, error) {
	position, err := filestore.Copy(ctx, disk.Sub(from, ledgerDir), disk.Sub(w.disk, ledgerDir), 0)
	if err != nil {
		return 0, fmt.Errorf("copying the ledger: %w", err)
	}
	if err := w.disk.MakeDir(proofDir); err != nil {
		return 0, err
	}
	if _, err := copyFile(from, w.disk, proofDir+"/checkpoints"); err != nil {
		return 0, fmt.Errorf("copying the checkpoints: %w", err)
	}
	verifier, err := disk.ReadFile(w.disk, verifierFile)
	if err != nil {
		return 0, err
	}
	if err := checkCopy(ctx, w.disk, strings.TrimSpace(string(verifier))); err != nil {
		return 0, fmt.Errorf("checking the copy: %w", err)
	}
	if err := copyReleases(from, w.disk); err != nil {
		return 0, fmt.Errorf("copying what was released of the statistics: %w", err)
	}
	return position, nil
}

// endAgain re-applies, in the order in which they were recorded, the endings that the ledger does not hold, and finishes erasures.
func (s *system) endAgain(ctx context.Context, r *restored, ended endings.Record) error {
	for first, err := range s.store.After(ctx, 0) { // which is there: no backup is made of an empty ledger
		if err == nil && ended.Ledger != first.ID {
			err = fmt.Errorf("%w: %w", errRefused, endings.ErrOtherLedger)
		}
		if err != nil {
			return err
		}
		break
	}
	r.Again = map[string]int{}
	for _, e := range ended.Events {
		held := false
		for there, err := range s.store.Stream(ctx, e.Stream, e.Version) {
			if err != nil {
				return err
			}
			held = there.ID == e.ID
			break
		}
		if held {
			r.Held++
			continue
		}
		name, written, err := s.reapply(ctx, &e)
		if domain.Refused(err) == client.NotRegistered {
			r.Unknown++
			continue
		}
		if err != nil {
			return fmt.Errorf("ending again what %s#%d of the lost ledger ended: %w", e.Stream, e.Version, err)
		}
		if written > 0 {
			r.Again[name]++
		}
	}
	if err := s.keeper.CatchUp(ctx); err != nil {
		return err
	}
	if err := s.desk.FinishErasures(ctx); err != nil {
		return err
	}
	return s.keeper.CatchUp(ctx)
}

// reapply gives an ending of the lost ledger once more, and tells its name and how many events that took.
func (s *system) reapply(ctx context.Context, e *eventschema.Record) (name string, written int, err error) {
	f, err := eventschema.Today.Decode(e, nil)
	if err != nil {
		return "", 0, err
	}
	// The same ending once more is the same command: what was recorded twice is done once.
	by := ledger.System
	by.Key = e.ID.String()
	switch b := f.Body.(type) {
	case client.Body:
		written, err = again(ctx, s.desk.Clients, f.Subject, by, client.Command(client.Reapply{Ending: ending(&f, b)}))
	case organisation.Body:
		written, err = again(ctx, s.desk.Organisations, f.Subject, by, organisation.Command(organisation.Reapply{Ending: ending(&f, b)}))
	case staff.Body:
		written, err = again(ctx, s.desk.Staff, f.Subject, by, staff.Command(staff.Reapply{Ending: ending(&f, b)}))
	case statistics.Released:
		written, err = again(ctx, s.desk.Statistics, f.Subject, by, statistics.Body(b))
	default:
		err = fmt.Errorf("%s is no ending", f.Name)
	}
	return f.Name, written, err
}

func ending[B any](f *eventschema.Fact, b B) domain.Event[B] {
	return domain.Event[B]{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: b}
}

func again[C, B, S any](ctx context.Context, streams *ledger.Streams[C, B, S], id domain.ID, by ledger.Caller, c C) (int, error) {
	done, err := streams.Do(ctx, id, by, c)
	return done.Written, err
}

// print says what was restored, and what was lost.
func (r restored) print(to io.Writer, c *restoreCmd) {
	fmt.Fprintf(to, "Restored %s up to position %d, recorded up to %s.\n", c.Data, r.Position, cmp.Or(instant(r.Recorded), "an unknown instant"))
	fmt.Fprintf(to, "Lost: every event from position %d on", r.Position+1)
	if r.Reached > r.Position {
		fmt.Fprintf(to, "; the lost ledger is known to have reached position %d", r.Reached)
	}
	fmt.Fprintln(to, ".")
	fmt.Fprintf(to, "Ended once more: %d. Of the endings recorded outside, %d stand in the backup, and %d are of those it does not know.\n",
		total(r.Again), r.Held, r.Unknown)
	for _, row := range eventschema.Today.Rows() {
		if n := r.Again[row.Name]; n > 0 {
			fmt.Fprintf(to, "  %s %d\n", row.Name, n)
		}
	}
	fmt.Fprintf(to, "Keys destroyed once more: %d.\n", r.Keys)
	fmt.Fprintf(to, "Checkpoints signed for more than %d events are of the ledger that is lost: whoever kept one will see that it does not agree.\n", r.Position)
	fmt.Fprintf(to, "Serve it with --endings %s, or keep that folder until all backups from before are 14 days old.\n", c.Endings)
}

func total(counts map[string]int) (n int) {
	for _, k := range counts {
		n += k
	}
	return n
}
