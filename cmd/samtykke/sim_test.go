package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/esdb"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// An acknowledgement is what a caller was promised: this event of this subject stands at this position.
type acknowledgement struct {
	position ledger.Position
	event    string
	subject  domain.ID
}

// mayBeTime tells whether the event is one that time brings: a command that changes nothing itself, such as a yes while
// one is live, records what time has brought all the same.
func (a acknowledgement) mayBeTime(event string) bool {
	return a.event != "lookup.made" && (event == "follow-up.asked" || event == "sharing.lapsed")
}

// A village is a rig that lives through what its seed draws, and remembers what it was promised.
type village struct {
	*rig
	seed     uint64
	draw     *rand.Rand
	disk     *simdisk.Disk
	struck   bool // something may go wrong at the host
	promised []acknowledgement
	asked    map[string]int // how often each event was asked for, once at the most for each time, by those who were not refused
	leaves   [][32]byte     // of every record that was ever seen
	open     []func() error
}

// villageActs are what happens in a village. Each remembers what it was promised, or gives the error.
var villageActs = []func(*village, *guest) error{
	func(v *village, _ *guest) error {
		if len(v.people) > 5 {
			return nil
		}
		g, p, err := v.guest()
		if err == nil {
			v.promise(p, "client.labelled", g.by.Actor)
		}
		return err
	},
	func(v *village, g *guest) error {
		how := journal.LogIn{Channel: journal.App, Browser: "B", System: "S"}
		if !g.maybe.IsZero() { // after a rotation whose outcome is open, one of the two codes opens
			if _, err := v.sys.desk.LogIn(context.Background(), g.maybe, how); err == nil {
				g.code, g.maybe = g.maybe, g.code
				return nil
			} else if domain.Refused(err) == "" {
				return err
			}
		}
		_, err := v.sys.desk.LogIn(context.Background(), g.code, how)
		return err
	},
	func(v *village, g *guest) error {
		return v.act(g, client.Grant{Occasion: client.Settings}, "sharing.granted")
	},
	func(v *village, g *guest) error {
		return v.act(g, client.Grant{Occasion: client.Settings}, "sharing.granted")
	},
	func(v *village, g *guest) error { return v.act(g, client.Decline{}, "sharing.declined") },
	func(v *village, g *guest) error { return v.act(g, client.Withdraw{}, "sharing.withdrawn") },
	func(v *village, g *guest) error {
		return v.act(g, client.AnswerFollowUp{Yes: true}, "follow-up.confirmed")
	},
	func(v *village, g *guest) error { return v.act(g, client.Restrict{}, "client.restricted") },
	func(v *village, g *guest) error {
		return v.act(g, client.LiftRestriction{}, "client.restriction-lifted")
	},
	func(v *village, g *guest) error {
		next, err := v.sys.desk.NewCode()
		if err != nil {
			return err
		}
		err = v.sys.desk.RotateCode(context.Background(), g.by, g.code, next)
		switch {
		case err == nil:
			g.code = next
		case domain.Refused(err) == "":
			g.maybe = next
		}
		return err
	},
	func(v *village, g *guest) error {
		s, err := v.sys.desk.Door.LookUp(context.Background(), v.boss, g.handle, client.Appointment, views.AllKinds)
		if err == nil {
			v.promise(s.Position, "lookup.made", g.by.Actor)
		}
		return err
	},
	func(v *village, g *guest) error {
		s, err := v.sys.desk.Door.Own(context.Background(), g.by, client.SelfService)
		if err == nil {
			v.promise(s.Position, "lookup.made", g.by.Actor)
		}
		return err
	},
	func(v *village, _ *guest) error {
		_, err := v.sys.desk.Door.Overview(context.Background(), v.boss, views.AllKinds)
		return err
	},
	func(v *village, g *guest) error {
		p, err := v.sys.desk.Register(context.Background(), g.by, form("gad-7", "1 2 3 0 1 2 3"))
		v.ask("journal.assessed", err)
		if err == nil {
			v.promise(p, "journal.assessed", g.by.Actor)
		}
		return err
	},
	func(v *village, g *guest) error {
		p, err := v.sys.desk.RegisterFor(context.Background(), v.boss, g.handle, journal.OnBehalf, journal.Answer{Task: "t", Text: "x"})
		v.ask("journal.answered", err)
		if err == nil {
			v.promise(p, "journal.answered", g.by.Actor)
		}
		return err
	},
	func(v *village, g *guest) error {
		err := v.sys.desk.WriteNote(context.Background(), v.boss, g.handle, journal.WriteNote{Note: v.newID(), Text: "x"})
		v.ask("journal.note-written", err)
		return err
	},
	func(v *village, _ *guest) error { _, _, err := v.sys.desk.Tick(context.Background()); return err },
	func(v *village, _ *guest) error { v.wait(time.Duration(v.draw.IntN(24*60)) * time.Hour); return nil },
	func(v *village, _ *guest) error { v.wait(-time.Duration(v.draw.IntN(72)) * time.Hour); return nil },
	func(v *village, _ *guest) error { return v.sys.keeper.Save(context.Background(), v.disk) },
}

func (v *village) promise(p ledger.Position, event string, subject domain.ID) {
	v.promised = append(v.promised, acknowledgement{p, event, subject})
}

// ask notes that an event was asked for, unless the error says that it was not written.
func (v *village) ask(event string, err error) bool {
	if domain.Refused(err) != "" || errors.Is(err, ledger.ErrRefused) {
		return false
	}
	v.asked[event]++
	return true
}

// act gives a client's command under a key. Where its outcome stays open, it is given again after the next opening: then
// it is done, once.
func (v *village) act(g *guest, c client.Command, event string) error {
	by := g.by
	by.Key = fmt.Sprint("act ", v.draw.Uint64())
	first, asked := true, false // however often it is given
	do := func() error {
		done, err := v.sys.desk.Clients.Do(context.Background(), by.Actor, by, c)
		if !asked && (first || err != nil || done.Written > 0) { // else it had been done, and was told to be refused
			asked = v.ask(event, err)
		}
		first = false
		if err == nil && done.Position > 0 {
			v.promise(done.Position, event, by.Actor)
		}
		return err
	}
	err := do()
	if err != nil && domain.Refused(err) == "" {
		v.open = append(v.open, do)
	}
	return err
}

// settledDown lets the views catch up, so that acts find what acts before them made.
func (v *village) settledDown() error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	return v.sys.settle(ctx)
}

// fault lets something go wrong in what follows, on the disk or at the host.
func (v *village) fault() {
	if v.w.ledger != "" && v.draw.IntN(4) > 0 {
		v.struck = true
		v.host.strike(v.draw)
		return
	}
	n := 1 + v.draw.IntN(60)
	switch v.draw.IntN(8) {
	case 0, 1, 2, 3:
		v.disk.CutPower(n)
	case 4:
		v.disk.FailSync(n, v.draw.IntN(2) == 0)
	case 5:
		v.disk.FailWrite(n, v.draw.IntN(2) == 0)
	case 6:
		v.disk.Room(int64(v.draw.IntN(1 << 15)))
	}
}

// crash ends the system as a loss of power does, and takes down what is left of it.
func (v *village) crash() {
	v.host.crash()
	v.disk.CutPower(1) // what still runs does nothing to the disk that is there afterwards
	if v.sys != nil {
		_ = v.sys.halt()
		_ = v.sys.closeFiles()
		v.sys = nil
	}
	v.disk.Crash()
}

// expected tells whether the error is one that the faults of this test bring about. What a server that fails makes of it can be of
// any kind, but never damage.
func (v *village) expected(err error) bool {
	damage := new(esdb.DamageError)
	if v.struck && !errors.Is(err, keyring.ErrDamaged) && !errors.As(err, &damage) {
		return true
	}
	return errors.Is(err, simdisk.ErrCrashed) || errors.Is(err, simdisk.ErrFault) || errors.Is(err, syscall.ENOSPC) ||
		errors.Is(err, ledger.ErrEnded)
}

// rise opens the system after a crash, with more crashes on the way.
func (v *village) rise() {
	for {
		v.host.calm()
		v.struck = false
		if v.draw.IntN(3) == 0 {
			v.disk.CutPower(1 + v.draw.IntN(25))
		}
		if v.w.ledger != "" && v.draw.IntN(3) == 0 {
			v.struck = true
			v.host.strike(v.draw)
		}
		sys, err := v.w.open(context.Background())
		v.disk.CutPower(-1)
		v.host.calm()
		if _, dark := v.disk.Names(""); err == nil && dark == nil {
			v.sys, v.struck = sys, false
			v.sys.start()
			return
		} else if err == nil { // the power went just behind the opening
			err = dark
			_ = sys.closeFiles()
		}
		if !v.expected(err) {
			v.t.Fatalf("seed %d: opening: %v", v.seed, err)
		}
		v.crash()
	}
}

// whole checks everything that must hold whenever the system is up.
func (v *village) whole() bool {
	ctx := context.Background()
	fail := func(format string, args ...any) bool {
		v.t.Errorf("seed %d: %s", v.seed, fmt.Sprintf(format, args...))
		return false
	}
	head, err := v.sys.store.Head(ctx)
	if err != nil {
		return fail("%v", err)
	}
	records := ledgertest.All(lastingT{v.t}, v.sys.store)
	written := map[string]int{}
	if len(records) < len(v.leaves) {
		return fail("%d records, there were %d", len(records), len(v.leaves))
	}
	for i := range records {
		if leaf := records[i].Leaf(); i >= len(v.leaves) {
			v.leaves = append(v.leaves, leaf)
		} else if v.leaves[i] != leaf {
			return fail("position %d is another record than before", i+1)
		}
		f, err := v.sys.ledger.Decode(ctx, &records[i])
		if err != nil {
			return fail("%v", err)
		}
		if _, redacted := f.Body.(eventschema.Redacted); redacted {
			return fail("position %d is sealed under a key that is not there", i+1)
		}
		written[f.Name]++
	}
	for _, a := range v.promised {
		if a.position > head {
			return fail("%s was promised at position %d, the ledger ends at %d", a.event, a.position, head)
		}
		f, err := eventschema.Today.Decode(&records[a.position-1], nil)
		if err != nil || f.Subject != a.subject || f.Name != a.event && !a.mayBeTime(f.Name) {
			return fail("at position %d stands %s, promised was %s; %v", a.position, f.Name, a.event, err)
		}
	}
	for event, n := range v.asked {
		if written[event] > n {
			return fail("%d events %s, asked for %d times", written[event], event, n)
		}
	}
	verdict, err := v.sys.verify(ctx, func(uint64, uint64) {})
	if err != nil || len(verdict.Problems) > 0 {
		return fail("verify: %v, %v", verdict.Problems, err)
	}
	if err := v.settledDown(); err != nil {
		return fail("%v", err)
	}
	if err := v.sys.halt(); err != nil {
		return fail("%v", err)
	}
	diffs, err := v.sys.keeper.Differences(ctx)
	if err != nil || len(diffs) > 0 {
		return fail("the views differ from a rebuild: %v, %v", diffs, err)
	}
	v.sys.start()
	return true
}

// lastingT is a test whose context outlasts it.
type lastingT struct{ testing.TB }

func (lastingT) Context() context.Context { return context.Background() }

// settleOpen gives every command again whose outcome was open.
func (v *village) settleOpen() {
	again := v.open
	v.open = nil
	for _, do := range again {
		if err := do(); err != nil && domain.Refused(err) == "" && !v.expected(err) {
			v.t.Fatalf("seed %d: %v", v.seed, err)
		}
	}
}

func (v *village) live() {
	v.rise()
	defer v.crash()
	if err := v.found(); err != nil {
		v.t.Fatalf("seed %d: %v", v.seed, err)
	}
	for life := 0; life < 5; life++ {
		if !v.whole() {
			return
		}
		v.settleOpen()
		v.fault()
		for range 5 + v.draw.IntN(25) {
			if len(v.people) == 0 {
				if _, _, err := v.guest(); err != nil {
					break
				}
			}
			g := v.people[v.draw.IntN(len(v.people))]
			err := villageActs[v.draw.IntN(len(villageActs))](v, g)
			if err != nil && domain.Refused(err) == "" && !v.expected(err) {
				v.t.Fatalf("seed %d: an error that no fault explains: %v", v.seed, err)
			}
			if err := v.settledDown(); err != nil && !v.expected(err) {
				v.t.Fatalf("seed %d: the views: %v", v.seed, err)
			} else if err != nil {
				break
			}
		}
		if v.draw.IntN(4) == 0 { // an orderly end, as far as the disk lets it
			v.disk.Room(-1)
			_ = v.sys.close()
			v.sys = nil
		}
		v.crash()
		v.rise()
	}
	v.whole()
}

// TestVillages runs the whole system on a disk that forgets what was not synced, over many seeds: a life full of acts,
// with power cuts at any moment (also while the system opens, writes a snapshot, or makes a key), syncs and writes that
// fail, and a disk that is full. After each crash everything promised is there, and once, nothing is half-written, the ledger
// verifies, and the views equal a rebuild.
//
// So it is where the events lie in PostgreSQL, with the data keys beside, or in EventStoreDB, and connections are cut before,
// while and after something is committed, the server is restarted, says nothing, or is not the leader any more.
//
//	SAMTYKKE_SEED=17 go test -run Villages      one seed
//	SAMTYKKE_SEEDS=100000 go test -run Villages more of them
func TestVillages(t *testing.T) {
	for _, at := range []struct {
		name  string
		seeds uint64
		parts uint64 // at a time
		where hosting
	}{
		{"disk", 200, 4, onDisk},
		{"PostgreSQL", 3, 1, atPostgres}, // one at a time: the server is restarted for all
		{"EventStoreDB", 8, 2, atEventStore},
	} {
		from, to := uint64(0), at.seeds
		if s, err := strconv.ParseUint(os.Getenv("SAMTYKKE_SEED"), 10, 64); err == nil {
			from, to = s, s+1
		} else if n, err := strconv.ParseUint(os.Getenv("SAMTYKKE_SEEDS"), 10, 64); err == nil {
			to = n
		}
		for part := range at.parts {
			t.Run(fmt.Sprint(at.name, " ", part), func(t *testing.T) {
				t.Parallel()
				for seed := from + part; seed < to && !t.Failed(); seed += at.parts {
					d := newForgetful(seed)
					v := &village{
						rig: newRig(t, d, seed), seed: seed, draw: rand.New(rand.NewPCG(seed, 2)), disk: d, asked: map[string]int{},
					}
					v.move(at.where(t))
					v.w.at.postgres.Patience = 2 * time.Second // nobody waits long for a server that is shut
					v.live()
				}
			})
		}
	}
}
