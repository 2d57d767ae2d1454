package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// called is the program with arguments, and what it answered.
func called(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// inhabited makes a ledger on the disk in which something of everything has happened, and closes it.
func inhabited(t *testing.T, d disk.Disk) *rig {
	t.Helper()
	r := newRig(t, d, 1)
	r.open()
	r.must(r.found())
	for range 4 {
		g, _, err := r.guest()
		r.must(err)
		r.must(r.sys.settle(t.Context()))
		in, err := r.sys.desk.LogIn(t.Context(), g.code, journal.LogIn{Channel: journal.Web, Browser: "B", System: "S"})
		r.must(err)
		g.by = desk.CallerOf(&in)
		_, err = r.sys.desk.Clients.Do(t.Context(), g.by.Actor, g.by, client.Grant{Occasion: client.Settings})
		r.must(err)
		_, err = r.sys.desk.Register(t.Context(), g.by, journal.Answer{Task: "t", Text: "x", Entered: journal.ByClient})
		r.must(err)
		_, err = r.sys.desk.Door.LookUp(t.Context(), r.boss, g.handle, client.Appointment, views.AllKinds)
		r.must(err)
	}
	r.must(r.sys.close())
	return r
}

// files reads all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func realDisk(t *testing.T, dir string) disk.Disk {
	t.Helper()
	d, err := disk.OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every wrong use is told with exit code 2, in words, without what was typed where that could be a secret, and changes
// nothing but the record of questions about what is not there.
func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	r := inhabited(t, realDisk(t, dir))
	empty := t.TempDir()
	slip := r.people[0].code.Slip()
	data := "--data=" + dir
	events := func() int {
		_, out, _ := called("export", data)
		return strings.Count(out, "\n")
	}
	r.open()
	drift, err := r.sys.desk.Employ(t.Context(), employee, desk.EmployInput{Role: domain.RoleEmployee, Name: "Drift", Email: "drift@example.org"})
	r.must(err)
	r.must(r.sys.close())
	opens(t, dir, drift)
	asked := events()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"nonsense"}, "nonsense"},
		{[]string{"verify"}, "--data"},
		{[]string{"verify", "--data"}, "data"},
		{[]string{"verify", data, "--unknown"}, "unknown"},
		{[]string{"verify", "--data", filepath.Join(dir, "nowhere")}, "no ledger in"},
		{[]string{"verify", "--data", empty}, "no ledger in"},
		{[]string{"rebuild", "--data", empty}, "no ledger in"},
		{[]string{"export", "--data", empty}, "no ledger in"},
		{[]string{"why", data}, "position"},
		{[]string{"why", data, "x"}, "number from 1"},
		{[]string{"why", data, "0"}, "number from 1"},
		{[]string{"why", data, "--", "-1"}, "number from 1"},
		{[]string{"why", data, "99999999999999999999"}, "number from 1"},
		{[]string{"why", data, "999999"}, "no event at position"},
		{[]string{"who-saw", data, "--from", "02.03.2026"}, "--from takes a date"},
		{[]string{"who-saw", data, "--to", "2026-02-30"}, "--to takes a date"},
		{[]string{"who-saw", data, "--at", "now"}, "--at takes"},
		{[]string{"who-saw", data, "--client", slip}, "--client"},
		{[]string{"who-saw", data, "--role", "boss"}, "role"},
		{[]string{"who-saw", data, "--from"}, "from"},
		{[]string{"who-saw", data, "--json=perhaps"}, "json"},
		{[]string{"state", data}, "--client"},
		{[]string{"state", data, "--client", slip}, "--client"},
		{[]string{"state", data, "--client", strings.ToLower(slip)}, "--client"},
		{[]string{"state", data, "--client", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}, "no client"},
		{[]string{"state", data, "--client", r.people[0].code.Label(), "--at", "yesterday"}, "--at takes"},
		{[]string{"state", data, "--client", r.people[0].code.Label(), "--known", "2026-13-01"}, "--known takes"},
		{[]string{"export", data, "--role", "client"}, "role"},
		{[]string{"export", data, "--open=perhaps"}, "open"},
		{[]string{"export", data, "--open", "--by", "somebody else"}, "--by"},
		{[]string{"who-saw", data, "--by", "somebody else"}, "unknown flag --by"},
		{[]string{"access", "open", data, "--reason", "r", "--by", "somebody else"}, "unknown flag --by"},
		{[]string{"access", "close", data, "--role", "safety-manager", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}, "unknown flag --role"},
		{[]string{"access"}, "expected one of"},
		{[]string{"access", "open", data}, "--reason"},
		{[]string{"access", "open", data, "--reason", "r"}, "standard input, a line each"},
		{[]string{"access", "open", data, "--reason", "r", "--hours", "0"}, "--hours"},
		{[]string{"access", "open", data, "--reason", "r", "--hours", "25"}, "--hours"},
		{[]string{"access", "close", data, "1"}, "the id of an access"},
		{[]string{"access", "close", data, "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}, "standard input, a line each"},
		{[]string{"access", "resume", data, "1"}, "the id of an access"},
		{[]string{"access", "review", data, "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}, "--outcome"},
		{[]string{"access", "review", data, "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "--outcome", "fine"}, "outcome"},
		{[]string{"access", "review", data, "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "--outcome", "in-order"}, "standard input, a line each"},
		{[]string{"incident", "show", data, "--access", "1b4e28ba-2fa1-41d2-883f-0016d3cca427"}, "standard input, a line each"},
		{[]string{"demo-login", data}, "not the data directory of a demo"},
		{[]string{"evidence", data, "--organisation", "x", "--from", "2026-01-01"}, "--to"},
		{[]string{"evidence", data, "--organisation", "x", "--from", "2026-01-01", "--to", "2026-01-01"}, "--to is a day after"},
		{[]string{"evidence", data, "--organisation", "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "--from", "2020-01-01", "--to", "2030-01-01"}, "no such organisation"},
		{[]string{"evidence", data, "--organisation", "Nowhere", "--from", "2020-01-01", "--to", "2030-01-01"}, "no organisation with that name"},
		{[]string{"evidence", data, "--organisation", "x", "--from", "2020-01-01", "--to", "2030-01-01", "--json", "--html", "f"}, "json"},
		{[]string{"demo", data}, "not empty"},
		{[]string{"demo", "--data", empty, "--clients", "0"}, "--clients"},
		{[]string{"demo", "--data", empty, "--weeks", "-1"}, "weeks"},
		{[]string{"demo", "--data", empty, "--start", "2020-01-01"}, "--start"},
		{[]string{"demo", "--data", empty, "--start", "soon"}, "--start"},
	} {
		code, out, errs := called(c.args...)
		if code != exitUsage || !strings.Contains(errs, c.says) || out != "" {
			t.Errorf("%q: exit code %d, %q, and on standard output %q; expected %q", c.args, code, errs, out, c.says)
		}
		if strings.Contains(strings.ToUpper(errs), strings.ToUpper(slip)) {
			t.Errorf("%q: the answer repeats the code", c.args[0])
		}
		if strings.Contains(errs, "goroutine") || strings.Contains(errs, "panic") {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
	// Questions are recorded before they are answered, also about what is not there; wrong ones are not asked at all.
	if got := events() - asked; got != 2*5+2+1 { // five are a use of the access as well; and the export that counted them first
		t.Errorf("%d events are on record, not those of the 7 queries about what is not there", got-1)
	}
	if left := files(t, empty); len(left) > 0 {
		t.Errorf("files were made where there was no ledger: %d", len(left))
	}
}

// A flipped byte anywhere in what a segment holds is found, with the segment and the offset: at opening, or by verify.
func TestDamagedSegment(t *testing.T) {
	name := ledgerDir + "/segments/00000000000000000001"
	d := simdisk.New(rand.NewPCG(1, 2))
	r := inhabited(t, d)
	whole, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	used := len(bytes.TrimRight(whole, "\x00"))
	found := map[string]int{}
	for at := 0; at < used; at += 1 + 17*(at%7) {
		broken := d.Clone(rand.NewPCG(1, 3))
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		broken.WriteFile(name, b)
		r.w.disk = broken
		sys, err := r.w.open(t.Context())
		how := "opening"
		said := fmt.Sprint(err)
		if err == nil {
			how = "verify"
			v, err := sys.verify(t.Context(), func(uint64, uint64) {})
			said = fmt.Sprint(v.Problems, err)
			if err != nil || len(v.Problems) == 0 {
				t.Errorf("a flipped bit at offset %d of %d is not found: %v", at, used, err)
			}
			_ = sys.closeFiles()
		}
		found[how]++
		if !strings.Contains(said, "segments/00000000000000000001, offset ") {
			t.Errorf("a flipped bit at offset %d: %s tells no segment and offset: %s", at, how, said)
		}
	}
	t.Logf("found %v", found)
}

// The same through the program: exit code 3 or 1, with the place.
func TestDamagedSegmentOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	inhabited(t, realDisk(t, dir))
	path := filepath.Join(dir, ledgerDir, "segments", "00000000000000000001")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := called("verify", "--data", dir); code != 0 || !strings.Contains(out, "In order") {
		t.Fatalf("undamaged: exit code %d, %s%s", code, out, errs)
	}
	if code, out, errs := called("rebuild", "--data", dir); code != 0 {
		t.Fatalf("undamaged: exit code %d, %s%s", code, out, errs)
	}
	used := len(bytes.TrimRight(whole, "\x00"))
	for _, at := range []int{8, 70, used / 3, used / 2, used - 300} {
		b := bytes.Clone(whole)
		b[at] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := called("verify", "--data", dir)
		if code != exitWrong && code != exitFailure || !strings.Contains(out+errs, "segments/00000000000000000001, offset ") {
			t.Errorf("a flipped bit at %d: exit code %d, %s%s", at, code, out, errs)
		}
	}
	// Damage that comes while the program runs is found by verify.
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, realDisk(t, dir), 3)
	r.open()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	r.must(err)
	_, err = f.WriteAt([]byte{whole[used/2] ^ 1}, int64(used/2))
	r.must(err)
	v, err := r.sys.verify(t.Context(), func(uint64, uint64) {})
	if err != nil || len(v.Problems) != 1 || !strings.Contains(v.Problems[0].String(), "segments/00000000000000000001, offset ") {
		t.Errorf("verify while the program runs: %v, %v", v.Problems, err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	if v, err := r.sys.verify(ended, func(uint64, uint64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("verify that was interrupted: %v, %v", v.Problems, err)
	}
	if err := r.sys.halt(); err != nil && !strings.Contains(err.Error(), "segments/00000000000000000001, offset ") {
		t.Error(err) // the views, which begin to follow at the same time, may have come by the damage as well
	}
	r.must(errors.Join(r.sys.closeFiles(), f.Close()))

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := called("verify", "--data", dir); code != exitWrong || !strings.Contains(out, "the log is missing") {
		t.Errorf("a missing segment: exit code %d, %s%s", code, out, errs)
	}
}

// A damaged, missing or foreign key file is an error in words and never a new key in silence.
func TestDamagedKeys(t *testing.T) {
	dir := t.TempDir()
	inhabited(t, realDisk(t, dir))
	keys := filepath.Join(dir, keyDir)
	damaged := func(what, name string, change func([]byte) []byte) {
		t.Helper()
		path := filepath.Join(keys, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}()
		b := change(bytes.Clone(whole))
		if b == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		code, out, errs := called("rebuild", "--data", dir)
		if code != exitFailure || len(errs) < 30 || strings.Contains(errs, "goroutine") {
			t.Errorf("%s: exit code %d, %s%s", what, code, out, errs)
		}
	}
	gone := func([]byte) []byte { return nil }
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at%len(b)] ^= 1; return b }
	}
	damaged("a flipped bit in the master key", "master.key", flip(5))
	damaged("half a master key", "master.key", func(b []byte) []byte { return b[:16] })
	damaged("no master key", "master.key", gone)
	damaged("no data keys", "data.keys.2", gone)
	damaged("a flipped bit in the header", "data.keys.2", flip(20))
	damaged("a flipped bit in the first key", "data.keys.2", flip(128+70))
	damaged("a flipped bit in the third key", "data.keys.2", flip(3*128+70))
	damaged("no code key", "code.key", gone)
	damaged("half a code key", "code.key", func(b []byte) []byte { return b[:16] })
	damaged("a code key of zeros", "code.key", func(b []byte) []byte { return make([]byte, len(b)) })
	if code, out, errs := called("verify", "--data", dir); code != 0 {
		t.Errorf("all put back: exit code %d, %s%s", code, out, errs)
	}
}

// The data directory is a file, or holds files where folders belong.
func TestFileInPlaceOfFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, make := range map[string]func() string{
		"the directory is a file": func() string { return file },
		"the ledger is a file": func() string {
			d := t.TempDir()
			_ = os.WriteFile(filepath.Join(d, ledgerDir), nil, 0o600)
			return d
		},
		"the keys are a file": func() string {
			d := t.TempDir()
			inhabited(t, realDisk(t, d))
			_ = os.RemoveAll(filepath.Join(d, keyDir))
			_ = os.WriteFile(filepath.Join(d, keyDir), nil, 0o600)
			return d
		},
	} {
		for _, command := range []string{"verify", "rebuild", "export"} {
			code, out, errs := called(command, "--data", make())
			if code != exitFailure || !strings.Contains(errs, "not a directory") || out != "" {
				t.Errorf("%s, %s: exit code %d, %s%s", what, command, code, out, errs)
			}
		}
	}
}

// An empty ledger is in order, and says so at once.
func TestEmptyLedger(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, realDisk(t, dir), 1)
	r.open()
	r.must(r.sys.close())
	for _, command := range []string{"verify", "rebuild"} {
		if code, out, errs := called(command, "--data", dir); code != 0 {
			t.Errorf("%s: exit code %d, %s%s", command, code, out, errs)
		}
	}
}

// While one process has the data, another is told so, and nothing is touched.
func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	r := inhabited(t, realDisk(t, dir))
	r.open()
	defer r.sys.close()
	if _, err := r.sys.proof.Checkpoint(t.Context()); err != nil { // so that none is signed meanwhile
		t.Fatal(err)
	}
	before := files(t, dir)
	for _, args := range [][]string{
		{"verify", "--data", dir}, {"rebuild", "--data", dir}, {"who-saw", "--data", dir}, {"export", "--data", dir},
		{"why", "--data", dir, "1"}, {"state", "--data", dir, "--client", r.people[0].code.Label()},
	} {
		c := child(t, "run", dir, "", args...)
		var errs bytes.Buffer
		c.Stderr = &errs
		out, err := c.Output()
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) || exit.ExitCode() != exitInUse || !strings.Contains(errs.String(), "in use by another process") || len(out) > 0 {
			t.Errorf("%s: %v, %s%s", args[0], err, out, errs.String())
		}
	}
	for path, b := range files(t, dir) {
		if before[path] != b {
			t.Errorf("%s changed", filepath.Base(path))
		}
	}
	g := r.people[0]
	if _, err := r.sys.desk.Door.LookUp(t.Context(), r.boss, g.handle, client.Appointment, views.AllKinds); err != nil {
		t.Errorf("the first process: %v", err)
	}
}

// A clock that steps back, over a restart too, makes no stream run backwards, extends no yes, and opens nothing.
func TestClockStepsBack(t *testing.T) {
	r := inhabited(t, simdisk.New(rand.NewPCG(1, 2)))
	r.open()
	g := r.people[0]
	look := func() error {
		_, err := r.sys.desk.Door.LookUp(t.Context(), r.boss, g.handle, client.Appointment, views.AllKinds)
		return err
	}
	r.wait(183 * 24 * time.Hour)
	if err := look(); domain.Refused(err) != client.NotShared {
		t.Errorf("after the deadline: %v", err)
	}
	if _, _, err := r.sys.desk.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.must(r.sys.settle(t.Context()))
	for range 2 {
		r.wait(-30 * 24 * time.Hour)
		if err := look(); domain.Refused(err) != client.NotShared {
			t.Errorf("a clock set back opens what has lapsed: %v", err)
		}
		if _, err := r.sys.desk.Clients.Do(t.Context(), g.by.Actor, g.by, client.Grant{Occasion: client.Settings}); err != nil {
			t.Error(err)
		}
		if _, err := r.sys.desk.Clients.Do(t.Context(), g.by.Actor, g.by, client.Withdraw{}); err != nil {
			t.Error(err)
		}
		r.must(r.sys.settle(t.Context()))
		r.must(r.sys.close())
		r.open()
	}
	r.inOrder()
	r.must(r.sys.closeFiles())
}

// On a full disk each append is refused in words, what was there stays, and the ledger goes on when there is room.
func TestFullDisk(t *testing.T) {
	d := simdisk.New(rand.NewPCG(1, 2))
	r := inhabited(t, d)
	r.open()
	g := r.people[0]
	head, err := r.sys.store.Head(t.Context())
	r.must(err)
	enter := func() error {
		_, err := r.sys.desk.Register(t.Context(), g.by, journal.Answer{Task: "t", Text: strings.Repeat("x", 500), Entered: journal.ByClient})
		return err
	}
	d.Room(0)
	written := 0
	for err = enter(); err == nil && written < 1000; err = enter() {
		written++
	}
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left") || strings.Contains(err.Error(), "xxx") {
		t.Fatalf("after %d events: %v", written, err)
	}
	looks := 0 // a small event may still fit where a large one does not
	for ; err == nil || looks == 0; looks++ {
		var s views.Shown
		s, err = r.sys.desk.Door.LookUp(t.Context(), r.boss, g.handle, client.Appointment, views.AllKinds)
		if err != nil && (!errors.Is(err, syscall.ENOSPC) || len(s.Registrations.Answers) > 0) {
			t.Fatalf("a look-up: %v", err)
		}
	}
	written += looks - 1
	if err := r.sys.keeper.Save(t.Context(), d); err == nil {
		t.Error("a snapshot on a full disk, and no error")
	}
	now, err := r.sys.store.Head(t.Context())
	if err != nil || now != head+uint64(written) {
		t.Errorf("%d events, expected %d; %v", now, head+uint64(written), err)
	}
	d.Room(-1)
	if err := enter(); err != nil {
		t.Fatalf("there is room again: %v", err)
	}
	if _, err := r.sys.desk.Door.LookUp(t.Context(), r.boss, g.handle, client.Appointment, views.AllKinds); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if err := r.sys.halt(); err != nil && !errors.Is(err, syscall.ENOSPC) { // of a checkpoint that met the full disk
		t.Fatal(err)
	}
	r.sys.start()
	r.inOrder()
	r.must(r.sys.close())

	r.open()
	r.inOrder()
	r.must(r.sys.close())
}

// The disk may be full when the program opens: it says so, or works; and once there is room it is all there.
func TestFullDiskAtOpening(t *testing.T) {
	for room := int64(0); room < 20000; room += 900 {
		d := simdisk.New(rand.NewPCG(1, uint64(room)))
		r := inhabited(t, d)
		d.Room(room)
		sys, err := r.w.open(t.Context())
		if err == nil {
			_ = sys.close()
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
		d.Room(-1)
		r.open()
		r.inOrder()
		r.must(r.sys.close())
	}
}
