package keyring_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/keyring/keyringtest"
)

const entrySize = 128 // the format's: a change must be meant

func client(n int) keyring.Owner { return keyringtest.Owner(keyring.Client, n) }

// TestCrash cuts the power, or lets a write or sync fail, at any moment of a busy keyring, and looks at what is left.
func TestCrash(t *testing.T) { crashes(t, 0, min(fewSeeds, *crashSeeds)) }

// TestCrashManyTimes is the same with the other seeds: what they add is other moments, not more at once.
func TestCrashManyTimes(t *testing.T) { crashes(t, fewSeeds, *crashSeeds) }

const fewSeeds = 40 // that TestCrash runs

var crashSeeds = flag.Uint64("crash.seeds", 300, "how many seeds TestCrash and TestCrashManyTimes run")

func crashes(t *testing.T, from, to uint64) {
	for seed := from; seed < to; seed++ {
		src := mathrand.NewPCG(seed, 1)
		c := crash{
			t: t, seed: seed, disk: simdisk.New(src), random: mathrand.New(src),
			created: map[int][]byte{}, doomed: map[int]bool{}, destroyed: map[int]bool{},
		}
		for range 5 {
			powerGoes := c.trouble()
			c.work()
			if powerGoes || c.random.IntN(2) == 0 {
				c.disk.Crash()
			} else { // only the process starts anew: what was not synced stays, for now
				c.disk = c.disk.Clone(src)
				if c.random.IntN(2) == 0 {
					continue // into the next trouble
				}
			}
			c.check()
		}
	}
}

type crash struct {
	t      *testing.T
	seed   uint64
	disk   *simdisk.Disk
	random *mathrand.Rand
	today  int

	mu        sync.Mutex
	created   map[int][]byte // owners whose creation was confirmed, with something sealed
	doomed    map[int]bool   // owners whose destruction was asked for
	destroyed map[int]bool   // owners whose destruction was confirmed
	rotated   int            // the last day whose Rotate was confirmed
}

func (c *crash) trouble() (powerGoes bool) {
	n, stored := 1+c.random.IntN(45), c.random.IntN(2) == 0
	switch c.random.IntN(4) {
	case 0:
		c.disk.FailSync(n, stored)
	case 1:
		c.disk.FailWrite(n, stored)
	default:
		c.disk.CutPower(1 + c.random.IntN(90))
		powerGoes = true
	}
	return powerGoes
}

// work creates, destroys and rotates, several at once, until it is done or the disk fails.
func (c *crash) work() {
	ring, err := keyring.OpenFile(c.disk, "keys", rand.Reader)
	if err != nil {
		if errors.Is(err, keyring.ErrDamaged) || errors.Is(err, keyring.ErrEpochGone) {
			c.t.Errorf("seed %d: %v: no crash may be taken for damage", c.seed, err)
		}
		return
	}
	plans := make([][]int, 4)
	for i := range plans {
		plans[i] = []int{c.random.IntN(40), c.random.IntN(40), c.random.IntN(40), ^c.random.IntN(40), c.random.IntN(40), ^c.random.IntN(40)}
	}
	days := []int{c.today, c.today + c.random.IntN(9), c.today + 9}
	c.today += 9
	var all sync.WaitGroup
	for _, plan := range plans {
		all.Go(func() {
			for _, n := range plan {
				if n < 0 {
					c.destroy(ring, ^n)
				} else {
					c.create(ring, n)
				}
			}
		})
	}
	all.Go(func() {
		for _, day := range days {
			if ring.Rotate(c.t.Context(), on(day)) == nil {
				c.rotated = day
			}
		}
	})
	all.Wait()
	ring.Close()
}

// on is an instant of a day.
func on(day int) time.Time { return time.Date(2026, 3, 1+day, 4, 0, 0, 0, time.UTC) }

func (c *crash) create(ring *keyring.FileRing, n int) {
	if ring.Create(c.t.Context(), client(n)) != nil {
		return
	}
	s, err := ring.Sealer(c.t.Context(), client(n))
	if err != nil {
		return // destroyed in the meantime
	}
	if sealed, err := s.Seal([]byte("content"), nil); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.created[n] = sealed
	}
}

func (c *crash) destroy(ring *keyring.FileRing, n int) {
	c.mu.Lock()
	c.doomed[n] = true
	c.mu.Unlock()
	if ring.Destroy(c.t.Context(), client(n)) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.destroyed[n] = true
	names, _ := c.disk.Names("keys")
	for _, name := range names {
		if b, _ := c.disk.ReadFile("keys/" + name); strings.HasPrefix(name, "data.keys") && holdsKey(b, n) {
			c.t.Errorf("seed %d: owner %d: destroyed, and its key stands in %s", c.seed, n, name)
		}
	}
}

func (c *crash) check() {
	ring, err := keyring.OpenFile(c.disk, "keys", rand.Reader)
	if err != nil {
		c.t.Fatalf("seed %d: %v: after a crash the keyring must open", c.seed, err)
	}
	defer ring.Close()
	c.checkKeys(ring)
	c.checkEpochs(ring, c.rotated)
	if err := ring.Rotate(c.t.Context(), on(c.today+1)); err != nil {
		c.t.Fatalf("seed %d: %v: a rotation that was interrupted must not be in the way of the next", c.seed, err)
	}
	c.checkKeys(ring)
	c.checkEpochs(ring, c.today+1)
	c.rotated = c.today + 1
}

func (c *crash) checkKeys(ring *keyring.FileRing) {
	for n, sealed := range c.created {
		s, err := ring.Sealer(c.t.Context(), client(n))
		if c.doomed[n] && errors.Is(err, keyring.ErrDestroyed) {
			continue
		}
		if err != nil {
			c.t.Fatalf("seed %d: owner %d: %v: a confirmed key was lost", c.seed, n, err)
		}
		if _, err := s.Open(sealed, nil); err != nil {
			c.t.Fatalf("seed %d: owner %d: %v: a confirmed key became another", c.seed, n, err)
		}
	}
	table := onlyTable(c.t, c.disk)
	for n := range c.doomed {
		_, err := ring.Sealer(c.t.Context(), client(n))
		if c.destroyed[n] && !errors.Is(err, keyring.ErrDestroyed) {
			c.t.Fatalf("seed %d: owner %d: got %v: a confirmed destruction was undone", c.seed, n, err)
		}
		if errors.Is(err, keyring.ErrDestroyed) && holdsKey(table, n) {
			c.t.Fatalf("seed %d: owner %d: the file still holds a destroyed key", c.seed, n)
		}
	}
}

// checkEpochs looks for keys that a confirmed Rotate had to destroy.
func (c *crash) checkEpochs(ring *keyring.FileRing, rotated int) {
	for _, e := range ring.Epochs() {
		if !e.Current && rotated > 0 && !on(rotated).Before(e.Ends) {
			c.t.Fatalf("seed %d: the key of epoch %d, which ended on %v, is there on %v", c.seed, e.Number, e.Ends, on(rotated))
		}
	}
}

// onlyTable gives the one table of data keys that a keyring holds while nobody works on it.
func onlyTable(t *testing.T, d *simdisk.Disk) []byte {
	t.Helper()
	names, err := d.Names("keys")
	must(t, err)
	var tables []string
	for _, name := range names {
		if strings.HasPrefix(name, "data.keys") {
			tables = append(tables, name)
		}
	}
	if len(tables) != 1 {
		t.Fatalf("there are the tables %q: all but the current one must be destroyed", tables)
	}
	b, err := d.ReadFile("keys/" + tables[0])
	must(t, err)
	return b
}

// holdsKey looks for anything of the owner's, in the format's own terms, that is not marked as destroyed.
func holdsKey(file []byte, n int) bool {
	id := client(n).ID
	for ; len(file) >= entrySize; file = file[entrySize:] {
		if bytes.Equal(file[32:48], id[:]) && !bytes.Equal(file[60:120], bytes.Repeat([]byte("destroyed "), 6)) {
			return true
		}
	}
	return false
}

// TestDamage changes a sound file and expects a refusal, or, for what looks like an unfinished write, a cut.
func TestDamage(t *testing.T) {
	// Entries 1 to 4 are keys, each a batch of its own; 5 destroys entry 2, which is wiped.
	entry := func(n int) int { return n * entrySize }
	for _, c := range []struct {
		what   string
		change func(file []byte) []byte
		sound  bool
	}{
		{"nothing changed", func(b []byte) []byte { return b }, true},
		{"part of an entry at the end", func(b []byte) []byte { return append(b, b[entry(1):entry(1)+50]...) }, true},
		{"zeros at the end", func(b []byte) []byte { return append(b, make([]byte, 1000)...) }, true},
		{"an old entry repeated at the end", func(b []byte) []byte { return append(b, b[entry(1):entry(2)]...) }, true},
		{"a byte of the header changed", func(b []byte) []byte { b[60] ^= 1; return b }, false},
		{"a byte of an early key changed", func(b []byte) []byte { b[entry(1)+70] ^= 1; return b }, false},
		{"a byte of a wiped key changed", func(b []byte) []byte { b[entry(2)+70] ^= 1; return b }, true}, // wiped once more
		{"two entries exchanged", func(b []byte) []byte {
			one := bytes.Clone(b[entry(3):entry(4)])
			copy(b[entry(3):], b[entry(4):entry(5)])
			copy(b[entry(4):], one)
			return b
		}, false},
		{"what destroyed a key cut off", func(b []byte) []byte { return b[:entry(5)] }, false},
		{"what destroyed a key changed", func(b []byte) []byte { b[entry(5)+70] ^= 1; return b }, false},
		{"an entry in the middle missing", func(b []byte) []byte { return append(b[:entry(3)], b[entry(4):]...) }, false},
		{"nothing left", func([]byte) []byte { return nil }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := simdisk.New(mathrand.NewPCG(1, 1))
			ring := open(t, d)
			for n := range 4 {
				must(t, ring.Create(t.Context(), client(n)))
			}
			must(t, ring.Destroy(t.Context(), client(1)))
			must(t, ring.Close())
			change(t, d, "keys/data.keys.1", c.change)

			ring, err := keyring.OpenFile(d, "keys", rand.Reader)
			if !c.sound {
				if !errors.Is(err, keyring.ErrDamaged) {
					t.Fatalf("got %v: keys that are not what was written must not be used", err)
				}
				return
			}
			must(t, err)
			must(t, ring.Create(t.Context(), client(9)))
			must(t, ring.Close())
			ring = open(t, d)
			for _, n := range []int{0, 2, 3, 9} {
				if _, err := ring.Sealer(t.Context(), client(n)); err != nil {
					t.Errorf("owner %d: %v", n, err)
				}
			}
			if _, err := ring.Sealer(t.Context(), client(1)); !errors.Is(err, keyring.ErrDestroyed) {
				t.Errorf("got %v, want ErrDestroyed", err)
			}
		})
	}
}

// TestOneFileMissing: a lost file must not be replaced by a new one, which would make every sealed byte unreadable in silence.
func TestOneFileMissing(t *testing.T) {
	for _, c := range []struct {
		what   string
		damage func(t *testing.T, d *simdisk.Disk)
	}{
		{"no master key", func(t *testing.T, d *simdisk.Disk) { must(t, d.Remove("keys/master.key")) }},
		{"no data keys", func(t *testing.T, d *simdisk.Disk) { must(t, d.Remove("keys/data.keys.1")) }},
		{"another master key", func(t *testing.T, d *simdisk.Disk) { d.WriteFile("keys/master.key", bytes.Repeat([]byte{7}, 32)) }},
		{"half a master key", func(t *testing.T, d *simdisk.Disk) { d.WriteFile("keys/master.key", bytes.Repeat([]byte{7}, 16)) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := simdisk.New(mathrand.NewPCG(1, 1))
			ring := open(t, d)
			must(t, ring.Create(t.Context(), client(1)))
			must(t, ring.Close())
			c.damage(t, d)
			for range 2 {
				if _, err := keyring.OpenFile(d, "keys", rand.Reader); !errors.Is(err, keyring.ErrDamaged) {
					t.Fatalf("got %v, want ErrDamaged", err)
				}
			}
		})
	}
}

func TestWipedInPlace(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring := open(t, d)
	must(t, ring.Create(t.Context(), client(1)))
	before, _ := d.ReadFile("keys/data.keys.1")
	wrapped := bytes.Clone(before[entrySize+60 : entrySize+120])
	must(t, ring.Destroy(t.Context(), client(1)))
	d.Crash()
	after, _ := d.ReadFile("keys/data.keys.1")
	if bytes.Contains(after, wrapped[12:]) {
		t.Error("a destroyed key's bytes must be overwritten in the file, durably, before Destroy returns")
	}
	if !bytes.HasPrefix(after[entrySize:], []byte("wiped\x00")) {
		t.Error("an overwritten key must say that it was destroyed")
	}
}

func TestSharedSyncs(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring := open(t, d)
	before := d.Syncs()
	for n := range 100 {
		must(t, ring.Create(t.Context(), client(n)))
		must(t, ring.Create(t.Context(), client(n)))
	}
	if n := d.Syncs() - before; n != 100 {
		t.Errorf("100 keys made one after the other, each asked for twice, took %d syncs", n)
	}
}

func TestLocked(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring := open(t, d)
	if _, err := keyring.OpenFile(d, "keys", rand.Reader); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("got %v: two that write one file would overwrite each other's keys", err)
	}
	must(t, ring.Close())
	must(t, ring.Close())
	if err := ring.Create(t.Context(), client(1)); !errors.Is(err, keyring.ErrEnded) {
		t.Errorf("got %v: a closed keyring makes no keys", err)
	}
	must(t, open(t, d).Close())
}

// TestUnknownOutcome: after a failed sync nobody knows whether the key is there; so it is neither used nor said to be missing.
func TestUnknownOutcome(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring := open(t, d)
	must(t, ring.Create(t.Context(), client(1)))
	d.FailSync(1, false)
	if err := ring.Create(t.Context(), client(2)); !errors.Is(err, keyring.ErrEnded) {
		t.Errorf("got %v, want ErrEnded", err)
	}
	if _, err := ring.Sealer(t.Context(), client(2)); !errors.Is(err, keyring.ErrEnded) {
		t.Errorf("got %v: a key that may not be durable must not be used", err)
	}
	if _, err := ring.Sealer(t.Context(), client(1)); err != nil {
		t.Errorf("%v: keys known to be durable go on sealing", err)
	}
	if err := ring.Destroy(t.Context(), client(1)); !errors.Is(err, keyring.ErrEnded) {
		t.Errorf("got %v: nothing is written after a failed sync", err)
	}
	must(t, ring.Close())
	ring = open(t, d) // the system still shows what the disk does not hold
	_, seen := ring.Sealer(t.Context(), client(2))
	must(t, ring.Close())
	d.Crash()
	_, left := open(t, d).Sealer(t.Context(), client(2))
	if !errors.Is(left, seen) {
		t.Errorf("after opening %v, after a crash %v: what opening finds must be durable", seen, left)
	}
}

func TestNoRandomness(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	if _, err := keyring.OpenFile(d, "keys", bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a master key of 31 random bytes was accepted")
	}
	ring, err := keyring.OpenFile(d, "keys", bytes.NewReader(bytes.Repeat([]byte{5}, 32+32+32+31)))
	must(t, err)
	must(t, ring.Create(t.Context(), client(1)))
	if err := ring.Create(t.Context(), client(2)); err == nil {
		t.Error("a data key of 31 random bytes was accepted")
	}
	if _, err := ring.Sealer(t.Context(), client(2)); !errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("got %v, want ErrNoKey", err)
	}
	must(t, ring.Destroy(t.Context(), client(1)))
}

func TestFileMode(t *testing.T) {
	root := t.TempDir()
	d, err := disk.OS(root)
	must(t, err)
	must(t, open(t, d).Close())
	for _, name := range []string{"master.key", "data.keys.1"} {
		info, err := os.Stat(filepath.Join(root, "keys", name))
		must(t, err)
		if info.Mode() != fs.FileMode(0o600) {
			t.Errorf("%s has mode %v: keys are for their owner alone", name, info.Mode())
		}
	}
}

// TestPrinting makes the keyring of known key bytes and looks for them, raw and in hexadecimal, in all that can be printed.
func TestPrinting(t *testing.T) {
	d := simdisk.New(mathrand.NewPCG(1, 1))
	ring, err := keyring.OpenFile(d, "keys", bytes.NewReader(bytes.Repeat([]byte{0xAB}, 96)))
	must(t, err)
	must(t, ring.Create(t.Context(), client(1)))
	sealer, err := ring.Sealer(t.Context(), client(1))
	must(t, err)
	_, err = sealer.Seal([]byte("hemmelig"), nil)
	must(t, err)
	_, noMatch := sealer.Open([]byte("hemmelig hemmelig hemmelig hemmelig"), nil)
	must(t, ring.Close()) // printing a holder with a wrong verb reads the fields, which must be at rest
	holder := struct {
		ring   *keyring.FileRing
		sealer keyring.Sealer
	}{ring, sealer}
	var out strings.Builder
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, value := range []any{ring, sealer, holder, noMatch} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q\n", value, value, value, value, value, value)
		log.Info("value", "value", value)
	}
	for _, secret := range []string{"\xab\xab", "abab", "ABAB", "171 171", "0xab, 0xab", "hemmelig", client(1).ID.String()} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("printing shows %q", secret)
		}
	}
}

func open(t *testing.T, d disk.Disk) *keyring.FileRing {
	t.Helper()
	ring, err := keyring.OpenFile(d, "keys", rand.Reader)
	must(t, err)
	return ring
}

func change(t *testing.T, d *simdisk.Disk, name string, how func([]byte) []byte) {
	t.Helper()
	b, err := d.ReadFile(name)
	must(t, err)
	d.WriteFile(name, how(b))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
