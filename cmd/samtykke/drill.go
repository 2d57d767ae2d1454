package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

type drillCmd struct {
	dataFlag
	Scratch string `placeholder:"DIR" help:"Where to make the scratch folder, which is removed at the end; where temporary files lie, if not given."`
}

// A drill makes a backup, lives on from it in a scratch folder, loses that life and restores another backup: what ended in
// between must not come back. The data directory is only read.
type drill struct {
	dir      string
	world    world // of the data directory
	out      io.Writer
	live     *system
	boss     ledger.Caller
	leaver   ledger.Caller // a professional who is deactivated
	people   [5]*drilled
	position ledger.Position // of the second backup
	wrong    int
}

// drilled is a client of the drill's own.
type drilled struct {
	by     ledger.Caller
	handle domain.ID
	code   signin.Code
}

// What becomes of the drill's clients after the second backup.
const (
	keepsSharing = iota
	withdraws
	changesCode
	restricts
	erases
)

// Run tells what the drill showed, and how long each step took. The exit code is 3 when anything came back, or differs.
func (c *drillCmd) Run(env *surroundings) (err error) {
	if err := c.there(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Scratch, "samtykke-drill-")
	if err != nil {
		return usage("no scratch folder can be made: %v", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := apart([]place{{"--data", c.Data}, {"--scratch", dir}}); err != nil {
		return err
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	if err := w.inFiles("drill"); err != nil {
		return err
	}
	w.views = "" // those of the service are not for a copy
	d := &drill{dir: dir, world: w, out: env.stdout}
	return d.run(env.ctx)
}

func (d *drill) run(ctx context.Context) (err error) {
	defer func() {
		if d.live != nil {
			err = errors.Join(err, d.live.close())
		}
	}()
	var first, second backup
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"a backup of the data directory", func() (err error) {
			first, err = d.world.backup(ctx, d.path("backups"), d.path("keys"))
			return err
		}},
		{"a scratch copy put together from it", func() error { return d.revive(ctx, first) }},
		{"clients of the drill's own in the copy", func() error { return d.populate(ctx) }},
		{"a backup of the copy, while it is in use", func() (err error) {
			second, err = d.live.backup(ctx, d.path("backups of the copy"), d.path("keys of the copy"))
			d.position = second.Position
			return err
		}},
		{"a withdrawal, a change of code, a restriction, an erasure and a deactivation after it", func() error { return d.end(ctx) }},
		{"that backup restored, and verified", func() error { return d.restore(ctx, second) }},
	} {
		begun := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		fmt.Fprintf(d.out, "%9.2f s  %s\n", time.Since(begun).Seconds(), step.what)
	}
	if d.wrong > 0 {
		return fmt.Errorf("%w: the drill failed in %d points", errWrong, d.wrong)
	}
	fmt.Fprintln(d.out, "The restore holds: nothing that had ended came back, and nothing else differs.")
	return nil
}

func (d *drill) path(name string) string { return filepath.Join(d.dir, name) }

// scratch is a world of its own in the scratch folder, at the same clock.
func (d *drill) scratch(name string) (world, error) {
	below, err := disk.OS(d.path(name))
	w := d.world
	w.disk = below
	return w, err
}

// check prints what the drill showed.
func (d *drill) check(ok bool, format string, args ...any) {
	word := "ok"
	if !ok {
		word, d.wrong = "WRONG", d.wrong+1
	}
	fmt.Fprintf(d.out, "%11s  %s\n", word, fmt.Sprintf(format, args...))
}

// revive opens a data directory made of the first backup, with a new record of endings.
func (d *drill) revive(ctx context.Context, b backup) error {
	w, err := d.scratch("copy")
	if err != nil {
		return err
	}
	from, err := disk.OS(b.Folder)
	if err != nil {
		return err
	}
	keys, err := disk.OS(d.path("keys"))
	if err != nil {
		return err
	}
	if err := w.restoreKeys(ctx, from, keys, nil); err != nil {
		return err
	}
	if _, err := w.restoreLedger(ctx, from); err != nil {
		return err
	}
	if w.outside, err = disk.OS(d.path("endings")); err != nil {
		return err
	}
	if d.live, err = w.open(ctx); err != nil {
		return err
	}
	d.live.start()
	return nil
}

// populate registers an organisation, a professional who will leave, and clients who share.
func (d *drill) populate(ctx context.Context) error {
	at := d.live.desk
	var id [4]domain.ID
	for i := range id {
		var err error
		if id[i], err = d.live.ledger.NewID(); err != nil {
			return err
		}
	}
	d.boss = ledger.Caller{Actor: id[0], Role: domain.RoleSuperuser, Session: id[1], Organisation: id[2]}
	d.leaver = ledger.Caller{Actor: id[3], Role: domain.RoleProfessional, Session: id[1], Organisation: id[2]}
	person := organisation.Professional{
		FirstName: "Øvelse", LastName: "Øvelse", Workplace: "Øvelse", Position: "øvelse", Phone: "55 00 00 00", Email: "drill@example.org",
	}
	err := at.RegisterOrganisation(ctx, operator, organisation.Register{
		Organisation: id[2], Service: rules.AssistertSelvhjelp, Superuser: id[0], Details: person,
		Contact: organisation.Contact{Name: "Øvelse", Number: "974760673", Person: "Øvelse", Email: "drill@example.org", Phone: "55 00 00 00"},
	})
	if err == nil {
		err = at.AddProfessional(ctx, d.boss, organisation.AddProfessional{Professional: id[3], Details: person})
	}
	if err != nil {
		return err
	}
	for i := range d.people {
		r, err := at.RegisterClient(ctx, d.leaver)
		if err != nil {
			return err
		}
		d.people[i] = &drilled{handle: r.Handle, code: r.Code}
		if err := d.live.settle(ctx); err != nil {
			return err
		}
		in, err := at.LogIn(ctx, r.Code, journal.LogIn{Channel: journal.Web, Browser: "-", System: "-"})
		if err != nil {
			return err
		}
		by := desk.CallerOf(&in)
		d.people[i].by = by
		by.Text = shownText
		if _, err := at.Act(ctx, by, client.Grant{Occasion: client.FirstQuestion}); err != nil {
			return err
		}
	}
	if err := d.live.settle(ctx); err != nil {
		return err
	}
	for i, p := range d.people {
		if _, err := at.Door.LookUp(ctx, d.leaver, p.handle, client.Appointment, shownKinds); err != nil {
			return fmt.Errorf("client %d is not shared: %w", i, err)
		}
	}
	_, err = d.live.proof.Checkpoint(ctx)
	return err
}

var shownKinds = []client.Kind{client.Scores, client.Use}

// end ends what is to stay ended.
func (d *drill) end(ctx context.Context) error {
	at := d.live.desk
	_, err := at.Act(ctx, d.people[withdraws].by, client.Withdraw{})
	if err == nil {
		_, err = at.Act(ctx, d.people[restricts].by, client.Restrict{})
	}
	if err == nil {
		_, err = at.Erase(ctx, d.people[erases].by)
	}
	if err == nil {
		_, err = at.Organisations.Do(ctx, d.boss.Organisation, d.boss, organisation.Deactivate{Professional: d.leaver.Actor})
	}
	if err != nil {
		return err
	}
	next, err := at.NewCode()
	if err != nil {
		return err
	}
	p := d.people[changesCode]
	if err := at.RotateCode(ctx, p.by, p.code, next); err != nil {
		return err
	}
	if err := d.live.settle(ctx); err != nil {
		return err
	}
	_, err = at.LogIn(ctx, next, journal.LogIn{Channel: journal.Web, Browser: "-", System: "-"})
	if err != nil {
		return err
	}
	live := d.live
	d.live = nil
	return live.close()
}

// restore restores the second backup and compares it with the life that was lost.
func (d *drill) restore(ctx context.Context, b backup) (err error) {
	w, err := d.scratch("restored")
	if err != nil {
		return err
	}
	var from [3]disk.Disk
	for i, dir := range []string{b.Folder, d.path("keys of the copy"), d.path("endings")} {
		if from[i], err = disk.OS(dir); err != nil {
			return err
		}
	}
	r, err := w.restore(ctx, from[0], from[1], from[2], func(uint64, uint64) {})
	if err != nil {
		return err
	}
	d.check(r.Position >= d.position && total(r.Again) == 5, "%d endings were recorded outside and ended once more", total(r.Again))
	s, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	lost, err := d.scratch("copy")
	if err != nil {
		return err
	}
	l, err := lost.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := d.compare(ctx, l, s); err != nil {
		return err
	}
	return d.tryAll(ctx, s)
}

// compare holds the restored ledger against the lost one: the events up to the backup, and every client's state.
func (d *drill) compare(ctx context.Context, lost, s *system) error {
	next, stop := iter.Pull2(s.store.After(ctx, 0))
	defer stop()
	same := uint64(0)
	clients := map[domain.ID]bool{}
	head, err := lost.store.Head(ctx)
	if err != nil {
		return err
	}
	for r, err := range lost.store.After(ctx, 0) {
		if err != nil {
			return err
		}
		if r.Position <= d.position {
			there, err, _ := next()
			if err != nil {
				return err
			}
			if there.Leaf() == r.Leaf() && (there.Sealed == nil || r.Sealed == nil || bytes.Equal(there.Sealed, r.Sealed)) {
				same++
			}
		}
		if c, id, err := eventschema.Split(r.Stream); err == nil && c == eventschema.ClientStream {
			clients[id] = true
		}
		if r.Position >= head {
			break
		}
	}
	d.check(same == d.position, "%d of %d events of the backup are the same, one by one", same, d.position)
	equal := 0
	for id := range clients {
		was, _, err := lost.desk.Clients.State(ctx, id)
		if err != nil {
			return err
		}
		is, _, err := s.desk.Clients.State(ctx, id)
		if err != nil {
			return err
		}
		if is.Status == was.Status && is.Code == was.Code && is.Restricted == was.Restricted && is.Erased == was.Erased &&
			is.Deactivated == was.Deactivated && is.Handle == was.Handle && is.Swept == was.Swept {
			equal++
		}
	}
	d.check(equal == len(clients), "%d of %d clients stand as they stood in the ledger that was lost", equal, len(clients))
	diffs, err := s.keeper.Differences(ctx)
	d.check(len(diffs) == 0, "the views made anew are the same, document by document")
	return err
}

// tryAll tries in the restored ledger what must be refused, and what must not.
func (d *drill) tryAll(ctx context.Context, s *system) error {
	refusal := func(i int, by ledger.Caller) (string, error) {
		_, err := s.desk.Door.LookUp(ctx, by, d.people[i].handle, client.Appointment, shownKinds)
		if code := domain.Refused(err); code != "" {
			return code, nil
		}
		return "", err
	}
	for _, c := range []struct {
		who  int
		what string
	}{
		{withdraws, "a withdrawn client is not shared"}, {restricts, "a restricted client is not shared"}, {erases, "an erased client is not shared"},
	} {
		code, err := refusal(c.who, d.boss)
		if err != nil {
			return err
		}
		d.check(code != "", "%s", c.what)
	}
	code, err := refusal(keepsSharing, d.boss)
	if err != nil {
		return err
	}
	d.check(code == "", "a client who shares is shared still")
	if code, err = refusal(keepsSharing, d.leaver); err != nil {
		return err
	}
	d.check(code != "", "a deactivated professional stays out")
	for _, c := range []struct {
		who  int
		what string
	}{{changesCode, "a code that was changed opens nothing"}, {erases, "an erased client's code opens nothing"}} {
		_, err := s.desk.LogIn(ctx, d.people[c.who].code, journal.LogIn{Channel: journal.Web, Browser: "-", System: "-"})
		if err != nil && domain.Refused(err) == "" {
			return err
		}
		d.check(err != nil, "%s", c.what)
	}
	_, err = s.keys.Sealer(ctx, keyring.Owner{Kind: keyring.Client, ID: d.people[erases].by.Actor})
	d.check(errors.Is(err, keyring.ErrDestroyed), "an erased client's key is gone")
	return nil
}
