package main

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/endings"
	"samtykke/adapters/keyring"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
)

// A lossy is a rig with a record of endings and a backup of its own.
type lossy struct {
	*rig
	disk, copy, keys, outside *simdisk.Disk
}

func newLossy(t *testing.T, seed uint64) *lossy {
	h := &lossy{
		disk: simdisk.New(rand.NewPCG(1, 1)), copy: simdisk.New(rand.NewPCG(1, 2)),
		keys: simdisk.New(rand.NewPCG(1, 3)), outside: simdisk.New(rand.NewPCG(1, 4)),
	}
	h.rig = newRig(t, h.disk, seed)
	h.w.outside = h.outside
	h.open()
	h.must(h.found())
	return h
}

// backUp makes a backup while the system is in use.
func (h *lossy) backUp() backup {
	h.t.Helper()
	h.must(h.sys.settle(h.t.Context()))
	_, err := h.sys.proof.Checkpoint(h.t.Context())
	h.must(err)
	h.must(escrowTo(disk.Sub(h.disk, keyDir), h.keys, h.w.clock()))
	b, err := copyData(h.t.Context(), h.disk, h.copy)
	h.must(err)
	return b
}

// restore loses the ledger, and puts the backup in its place.
func (h *lossy) restore() (restored, error) {
	h.t.Helper()
	if h.sys != nil {
		h.must(h.sys.close())
		h.sys = nil
	}
	h.disk = simdisk.New(rand.NewPCG(2, 1))
	h.w.disk, h.w.outside = h.disk, nil
	r, err := h.w.restore(h.t.Context(), h.copy, h.keys, h.outside, func(uint64, uint64) {})
	h.w.outside = h.outside
	if err == nil {
		h.open()
	}
	return r, err
}

// sharing is a new client with a live yes and an entry in its journal.
func (h *lossy) sharing() *guest {
	h.t.Helper()
	g, _, err := h.guest()
	h.must(err)
	h.act(g, client.Grant{Occasion: client.FirstQuestion})
	_, err = h.sys.desk.Register(h.t.Context(), g.by, journal.Answer{Task: "t", Text: "innhold", Entered: journal.ByClient})
	h.must(err)
	return g
}

func (h *lossy) act(g *guest, c client.Command) {
	h.t.Helper()
	by := g.by
	by.Text = shownText
	_, err := h.sys.desk.Act(h.t.Context(), by, c)
	h.must(err)
}

func (h *lossy) state(g *guest) client.State {
	h.t.Helper()
	s, _, err := h.sys.desk.Clients.State(h.t.Context(), g.by.Actor)
	h.must(err)
	return s.At(h.w.rules, h.w.clock())
}

func (h *lossy) logIn(g *guest) string {
	h.t.Helper()
	h.must(h.sys.settle(h.t.Context()))
	_, err := h.sys.desk.LogIn(h.t.Context(), g.code, journal.LogIn{Channel: journal.Web, Browser: "B", System: "S"})
	if domain.Refused(err) == "" {
		h.must(err)
	}
	return domain.Refused(err)
}

// TestNothingComesBack: whatever ended after a backup is ended in what was restored from it, and nothing else is.
//
// shows D18 law-3
func TestNothingComesBack(t *testing.T) {
	h := newLossy(t, 1)
	ctx := t.Context()
	withdrawn, declined, restricted, rotated, erased, goesOn, ended, lapses := h.sharing(), (*guest)(nil), h.sharing(), h.sharing(),
		h.sharing(), h.sharing(), h.sharing(), h.sharing()
	declined, _, err := h.guest()
	h.must(err)
	pro, err := h.pro()
	h.must(err)
	auditor := h.newID()
	h.must(h.sys.ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Staff, ID: auditor}))
	_, err = h.sys.desk.Staff.Do(ctx, auditor, employee, staff.Employ{Account: auditor, Role: domain.RoleAuditor, Name: "A", Email: "a@example.org"})
	h.must(err)
	h.wait(155 * 24 * time.Hour) // the question is open
	h.must(h.sys.keys.Rotate(ctx, h.w.clock()))
	b := h.backUp()

	h.wait(time.Hour)
	h.act(withdrawn, client.Withdraw{})
	h.act(declined, client.Decline{})
	h.act(restricted, client.Restrict{})
	h.act(ended, client.AnswerFollowUp{Yes: false})
	next, err := h.sys.desk.NewCode()
	h.must(err)
	h.must(h.sys.desk.RotateCode(ctx, rotated.by, rotated.code, next))
	_, err = h.sys.desk.Erase(ctx, erased.by)
	h.must(err)
	_, err = h.sys.desk.Organisations.Do(ctx, h.office, h.boss, organisation.Deactivate{Professional: pro.Actor})
	h.must(err)
	h.must(h.sys.desk.EndAccount(ctx, employee, auditor))
	late := h.sharing() // the backup does not know of it
	h.act(late, client.Withdraw{})
	h.must(h.sys.settle(ctx))
	erasedBefore := h.state(erased)
	h.wait(24 * time.Hour)

	r, err := h.restore()
	h.must(err)
	if r.Position < b.Signed.Size || total(r.Again) != 8 || r.Unknown != 1 || r.Keys != 1 || r.Reached <= r.Position {
		t.Errorf("restored: %+v", r)
	}
	for what, c := range map[string]struct {
		g    *guest
		want client.Status
	}{
		"withdrawn": {withdrawn, client.Ended}, "declined": {declined, client.Refused}, "answered no": {ended, client.AnsweredNo},
		"goes on": {goesOn, client.Shared}, "rotated": {rotated, client.Shared}, "restricted": {restricted, client.Shared},
	} {
		if got := h.state(c.g); got.Status != c.want {
			t.Errorf("%s: %q, want %q", what, got.Status, c.want)
		}
	}
	if got := h.state(erased); !got.Erased || !got.KeyDestroyed || !got.Swept || got.Status != erasedBefore.Status || !got.Since.Equal(erasedBefore.Since) {
		t.Errorf("erased: %+v, was %+v", got, erasedBefore)
	}
	if _, err := h.sys.keys.Sealer(ctx, keyring.Owner{Kind: keyring.Client, ID: erased.by.Actor}); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("the erased client's key: %v", err)
	}
	for r, err := range h.sys.store.Stream(ctx, "journal-"+erased.by.Actor.String(), 1) {
		h.must(err)
		if r.Sealed != nil {
			t.Error("sealed bytes of the erased client are there")
		}
	}
	if !h.state(restricted).Restricted {
		t.Error("the restriction is gone")
	}
	if h.logIn(rotated) == "" || h.logIn(erased) == "" || h.logIn(goesOn) != "" {
		t.Error("an old code opens, or one that is in use does not")
	}
	rotated.code = next
	if h.logIn(rotated) != "" {
		t.Error("the new code does not open")
	}
	if err := h.sys.desk.Door.Standing(ctx, pro); domain.Refused(err) == "" {
		t.Errorf("the deactivated professional's standing: %v", err)
	}
	if a, _, err := h.sys.desk.Staff.State(ctx, auditor); err != nil || !a.Ended {
		t.Errorf("the auditor's account ended: %v, %v", a.Ended, err)
	}
	h.wait(40 * 24 * time.Hour)
	if got := h.state(lapses); got.Status != client.RanOut {
		t.Errorf("after its day: %q, want %q", got.Status, client.RanOut)
	}
	h.must(h.sys.settle(ctx))
	h.inOrder()
	h.must(h.sys.close())
}

// TestRestoreTwice: what ended in the life after a restore is ended, too, when the same backup is restored once more.
func TestRestoreTwice(t *testing.T) {
	h := newLossy(t, 1)
	one, two := h.sharing(), h.sharing()
	h.backUp()
	h.wait(time.Hour)
	h.act(one, client.Withdraw{})
	for range 2 {
		_, err := h.restore()
		h.must(err)
		if got := h.state(one).Status; got != client.Ended {
			t.Errorf("withdrawn in the first life: %q", got)
		}
		h.wait(time.Hour)
		h.act(two, client.Withdraw{})
	}
	// A yes given in the new life is ended by nothing that came before it.
	h.wait(time.Hour)
	h.act(one, client.Grant{Occasion: client.Settings})
	h.copy = simdisk.New(rand.NewPCG(1, 5))
	h.backUp()
	r, err := h.restore()
	h.must(err)
	if got := h.state(one).Status; got != client.Shared || total(r.Again) != 0 {
		t.Errorf("after a new yes: %q, %v", got, r.Again)
	}
	if got := h.state(two).Status; got != client.Ended {
		t.Errorf("withdrawn in the second life: %q", got)
	}
	h.must(h.sys.close())
}

// TestTooOld: a backup whose epoch has ended is refused, whether its key is there still or not.
func TestTooOld(t *testing.T) {
	h := newLossy(t, 1)
	h.sharing()
	b := h.backUp()
	h.wait(15 * 24 * time.Hour)
	for range 2 {
		_, err := h.restore()
		if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "epoch "+string(rune('0'+b.Epoch))) {
			t.Errorf("restored after 15 days: %v", err)
		}
		h.must(keyring.ExpireEscrow(h.keys, h.w.clock()))
		if names, err := h.keys.Names("epochs"); err != nil || len(names) != 0 {
			t.Errorf("left in the second place: %q, %v", names, err)
		}
	}
}

// TestForeignRecord: the record of another ledger's endings restores nothing.
func TestForeignRecord(t *testing.T) {
	h, other := newLossy(t, 1), newLossy(t, 2)
	h.sharing()
	h.backUp()
	other.sharing()
	h.outside = other.outside
	h.must(h.sys.close())
	h.sys = nil
	other.must(other.sys.close())
	if _, err := h.restore(); !errors.Is(err, endings.ErrOtherLedger) || !errors.Is(err, errRefused) {
		t.Errorf("restored with a foreign record: %v", err)
	}
}

// TestBackupHoldsNoKey: nothing in a backup opens its keys, and nothing is legible in it; nor does the second place hold data keys.
func TestBackupHoldsNoKey(t *testing.T) {
	h := newLossy(t, 1)
	h.sharing()
	h.backUp()
	for _, name := range []string{"keys/master.key", "keys/code.key", "keys/checkpoint.key", "keys/epochs/2"} {
		secret, err := h.disk.ReadFile(name)
		h.must(err)
		if _, err := h.copy.ReadFile(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is in the backup: %v", name, err)
		}
		if kept, err := h.keys.ReadFile(strings.TrimPrefix(name, "keys/")); err != nil || string(kept) != string(secret) {
			t.Errorf("%s is not in the second place: %v", name, err)
		}
	}
	if names, _ := h.keys.Names(""); strings.Contains(strings.Join(names, " "), "data.keys") {
		t.Errorf("the second place holds %q", names)
	}
	h.must(h.sys.close())
}

// TestBackupOnAFullDisk: a backup that finds no room is an error, wherever it is when that happens.
func TestBackupOnAFullDisk(t *testing.T) {
	h := newLossy(t, 1)
	h.sharing()
	h.backUp()
	for room := int64(0); ; room += 4 << 10 {
		to := simdisk.New(rand.NewPCG(3, 3))
		to.Room(room)
		_, err := copyData(t.Context(), h.disk, to)
		if err == nil {
			break
		}
		if room > 1<<20 {
			t.Fatalf("with a megabyte: %v", err)
		}
	}
	h.must(h.sys.close())
}

// TestInterruptedRestore: a restore that is told to stop stops, and can be given again.
func TestInterruptedRestore(t *testing.T) {
	h := newLossy(t, 1)
	g := h.sharing()
	h.backUp()
	h.wait(time.Hour)
	h.act(g, client.Withdraw{})
	h.must(h.sys.close())
	h.sys = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := h.w
	w.disk, w.outside = simdisk.New(rand.NewPCG(4, 4)), nil
	if _, err := w.restore(ctx, h.copy, h.keys, h.outside, func(uint64, uint64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: %v", err)
	}
	_, err := h.restore()
	h.must(err)
	if got := h.state(g).Status; got != client.Ended {
		t.Errorf("withdrawn: %q", got)
	}
	h.must(h.sys.close())
}

// TestTableBesideAKeyring copies the table of keys while keys are made, destroyed and wrapped anew: every copy opens, holds each key
// that was made before it, and none that was destroyed.
func TestTableBesideAKeyring(t *testing.T) {
	ctx := t.Context()
	d := simdisk.New(rand.NewPCG(1, 1))
	ring, err := keyring.OpenFile(d, keyDir, newRandom(1))
	if err != nil {
		t.Fatal(err)
	}
	owner := func(n int64) keyring.Owner {
		return keyring.Owner{Kind: keyring.Client, ID: domain.ID{1, byte(n >> 16), byte(n >> 8), byte(n)}}
	}
	var made atomic.Int64
	goOn, stopped := make(chan struct{}, 1), make(chan error, 1) // with each copy the ring takes some steps, while the table is read
	const steps = 40
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := ring.Rotate(ctx, day); err != nil {
		t.Fatal(err)
	}
	go func() {
		for n := int64(1); ; n++ {
			if n%steps == 1 {
				if _, ok := <-goOn; !ok {
					stopped <- nil
					return
				}
			}
			err := ring.Create(ctx, owner(n))
			if n%3 == 0 {
				err = errors.Join(err, ring.Destroy(ctx, owner(n)))
			}
			if n%20 == 0 {
				err = errors.Join(err, ring.Rotate(ctx, day.AddDate(0, 0, int(n/200)%13)))
			}
			made.Store(n)
			if err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 20 {
		select {
		case goOn <- struct{}{}:
		default: // it has not taken the last ones yet
		}
		before := made.Load()
		to := simdisk.New(rand.NewPCG(1, 2))
		if _, err := copyTable(ctx, disk.Sub(d, keyDir), disk.Sub(to, keyDir)); err != nil {
			t.Fatal(err)
		}
		if err := escrowTo(disk.Sub(d, keyDir), disk.Sub(to, keyDir+"/apart"), day); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"", "epochs/"} {
			names, _ := to.Names(strings.TrimSuffix(keyDir+"/apart/"+name, "/"))
			for _, n := range names {
				b, err := to.ReadFile(keyDir + "/apart/" + name + n)
				if err != nil {
					t.Fatal(err)
				}
				to.WriteFile(keyDir+"/"+name+n, b)
			}
		}
		copied, err := keyring.OpenFile(to, keyDir, newRandom(2))
		if err != nil {
			t.Fatal(err)
		}
		for n := int64(1); n <= before; n++ {
			_, err := copied.Sealer(ctx, owner(n))
			if n%3 == 0 != errors.Is(err, keyring.ErrDestroyed) || n%3 != 0 && err != nil {
				t.Errorf("owner %d of %d: %v", n, before, err)
			}
		}
		if err := copied.Close(); err != nil {
			t.Error(err)
		}
	}
	close(goOn)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := ring.Close(); err != nil {
		t.Error(err)
	}
}

// meddled is a disk on which something happens once, between two reads of a table of keys.
type meddled struct {
	disk.Disk
	reads int
	then  func()
}

func (m *meddled) OpenRead(name string) (disk.File, error) {
	f, err := m.Disk.OpenRead(name)
	return meddledFile{f, m}, err
}

type meddledFile struct {
	disk.File
	of *meddled
}

func (f meddledFile) ReadAt(b []byte, at int64) (int, error) {
	if f.of.reads++; f.of.reads == 2 {
		f.of.then()
	}
	return f.File.ReadAt(b, at)
}

// TestTableReplacedMeanwhile: a table that is wrapped anew and destroyed while it is copied is copied once more.
func TestTableReplacedMeanwhile(t *testing.T) {
	d, to := simdisk.New(rand.NewPCG(1, 1)), simdisk.New(rand.NewPCG(1, 2))
	ring, err := keyring.OpenFile(d, keyDir, newRandom(1))
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n := range 1000 {
		if err := ring.Create(t.Context(), keyring.Owner{Kind: keyring.Client, ID: domain.ID{1, byte(n >> 8), byte(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	from := &meddled{Disk: disk.Sub(d, keyDir), then: func() {
		if err := ring.Rotate(context.Background(), day); err != nil {
			t.Error(err)
		}
	}}
	epoch, err := copyTable(t.Context(), from, to)
	if err != nil || epoch != 2 {
		t.Fatalf("copied the table of epoch %d: %v", epoch, err)
	}
	want, err := d.ReadFile(keyDir + "/data.keys.2")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := to.ReadFile("data.keys.2"); err != nil || string(got) != string(want) {
		t.Errorf("the copy is not the table: %v", err)
	}
	if names, _ := to.Names(""); len(names) != 1 {
		t.Errorf("the copy holds %q", names)
	}
}
