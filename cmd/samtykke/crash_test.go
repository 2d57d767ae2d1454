package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// The test binary runs itself as another process where these say so.
const (
	childRole = "SAMTYKKE_TEST_CHILD" // work, main, or run
	childDir  = "SAMTYKKE_TEST_DIR"
	childSeed = "SAMTYKKE_TEST_SEED"
)

// asChild is the life of a process that child started.
func asChild() {
	switch os.Getenv(childRole) {
	case "work":
		work(os.Getenv(childDir), os.Getenv(childSeed))
	case "main":
		main()
	case "run":
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
}

// child is this test binary in another role.
func child(t *testing.T, role, dir, seed string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir, childSeed+"="+seed)
	c.Stderr = os.Stderr
	return c
}

// work is a child's whole life: four at once act on the data directory, and each act is told on standard output when it
// has been acknowledged, one line with position, event and subject. It never ends by itself.
func work(dir, seed string) {
	die := func(err error) {
		if err != nil && domain.Refused(err) == "" {
			fmt.Fprintln(os.Stderr, "the child:", err)
			os.Exit(1)
		}
	}
	d, err := disk.OS(dir)
	die(err)
	var number uint64
	fmt.Sscan(seed, &number)
	w, err := realWorld(dir)
	die(err)
	r := &rig{random: newRandom(number + 1000), w: w}
	r.w.disk, r.w.rules = d, rules.All
	r.w.store.SegmentSize, r.w.store.FillAhead, r.w.store.IndexEvery = 1<<16, 1<<13, 100
	r.sys, err = r.w.open(context.Background())
	die(err)
	r.sys.start()
	die(r.found())
	var out sync.Mutex
	tell := func(p ledger.Position, event string, subject domain.ID) {
		if p == 0 {
			return
		}
		out.Lock()
		defer out.Unlock()
		fmt.Printf("%d %s %s\n", p, event, subject)
	}
	ctx := context.Background()
	for g := range 4 {
		go func() {
			draw := rand.New(rand.NewPCG(number, uint64(g)))
			for {
				reg, err := r.sys.desk.RegisterClient(ctx, r.boss)
				die(err)
				tell(reg.Position, "client.labelled", reg.Client)
				by := ledger.Caller{Actor: reg.Client, Role: domain.RoleClient}
				die(r.sys.keeper.Wait(ctx, reg.Position))
				for range 6 {
					done, err := r.sys.desk.Clients.Do(ctx, by.Actor, by, client.Grant{Occasion: client.Settings})
					die(err)
					tell(done.Position, "sharing.granted", by.Actor)
					p, err := r.sys.desk.Register(ctx, by, journal.Answer{Task: "t", Text: "x", Entered: journal.ByClient})
					die(err)
					tell(p, "journal.answered", by.Actor)
					s, err := r.sys.desk.Door.LookUp(ctx, r.boss, reg.Handle, client.Appointment, views.AllKinds)
					die(err)
					tell(s.Position, "lookup.made", by.Actor)
					switch draw.IntN(3) {
					case 0:
						done, err = r.sys.desk.Clients.Do(ctx, by.Actor, by, client.Withdraw{})
						die(err)
						tell(done.Position, "sharing.withdrawn", by.Actor)
					case 1:
						die(r.sys.keeper.Save(ctx, r.sys.disk))
					}
				}
			}
		}()
	}
	select {}
}

// TestKill kills a working process at any moment, over and over on the same data: what it had acknowledged is there, the
// ledger verifies, and the views equal a rebuild.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	draw := rand.New(rand.NewPCG(1, 2))
	var told []string
	for round := range 6 {
		told = append(told, killed(t, dir, fmt.Sprint(round), 5+draw.IntN(120))...)
		r := &rig{t: t}
		w, err := realWorld(dir)
		if err != nil {
			t.Fatal(err)
		}
		r.w = w
		r.w.store.SegmentSize, r.w.store.FillAhead = 1<<16, 1<<13
		r.open()
		records := ledgertest.Check(t, r.sys.store)
		for _, line := range told {
			var p uint64
			var event, subject string
			if n, err := fmt.Sscan(line, &p, &event, &subject); n != 3 || err != nil {
				t.Fatalf("the child said %q", line)
			}
			if p > uint64(len(records)) {
				t.Fatalf("%s was acknowledged, and the ledger ends at %d", line, len(records))
			}
			f, err := eventschema.Today.Decode(&records[p-1], nil)
			if err != nil || f.Name != event || f.Subject.String() != subject {
				t.Fatalf("%s was acknowledged, there stands %v; %v", line, f, err)
			}
		}
		r.inOrder()
		if round%2 == 0 {
			r.must(r.sys.close())
		} else {
			r.must(r.sys.closeFiles()) // without a snapshot
		}
	}
	t.Logf("%d acknowledged", len(told))
}

// killed lets a child work until it has told so many lines, kills it, and gives all that it told.
func killed(t *testing.T, dir, seed string, lines int) []string {
	t.Helper()
	c := child(t, "work", dir, seed)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	for s := bufio.NewScanner(out); s.Scan(); {
		told = append(told, strings.TrimSpace(s.Text()))
		if len(told) == lines {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = c.Wait()
	if len(told) < lines {
		t.Fatalf("the child ended by itself after %d lines", len(told))
	}
	return told
}
