package proof_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/proof"
	"samtykke/eventschema"
)

// signed is a log of a few events, with checkpoints at each of the sizes. Its keeper is closed.
func signed(t testing.TB, sizes ...int) (*log, *simdisk.Disk) {
	t.Helper()
	d := newDisk(1)
	l := newLog(t, d)
	for _, n := range sizes {
		l.append(n - l.count)
		l.checkpoint()
	}
	if err := l.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	return l, d
}

// newest is the checkpoint that tools are shown.
func newest(t testing.TB, l *log) []byte {
	t.Helper()
	b, err := l.disk.(*simdisk.Disk).ReadFile("checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files are all that a log consists of.
func files(t testing.TB, d *simdisk.Disk, dirs ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, dir := range append(dirs, "") {
		names, err := d.Names(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if dir != "" {
				name = dir + "/" + name
			}
			if all[name], err = d.ReadFile(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// problems are what Verify finds.
func (l *log) problems(store ledger.Store, outside ...[]byte) []proof.Problem {
	l.t.Helper()
	r, err := proof.Verify(context.Background(), store, l.disk, l.key.Verifier(), outside...)
	if err == nil {
		if r.Problems != 0 {
			l.t.Fatalf("no error of %d problems", r.Problems)
		}
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		l.t.Fatal(err)
	}
	var all []proof.Problem
	for _, e := range joined.Unwrap() {
		all = append(all, asProblem(l.t, e))
	}
	if r.Problems < len(all) {
		l.t.Fatalf("%d problems where %d are named", r.Problems, len(all))
	}
	return all
}

// finds fails unless one of the problems is where it should be.
func finds(t testing.TB, all []proof.Problem, want proof.Problem, what string, args ...any) {
	t.Helper()
	if !slices.ContainsFunc(all, func(p proof.Problem) bool {
		return p.In == want.In && (want.Number == 0 || p.Number == want.Number) && (want.Size == 0 || p.Size == want.Size) &&
			(want.Position == 0 || p.Position == want.Position)
	}) {
		t.Fatalf("%s: want a problem in %s, number %d, size %d, position %d; found %v",
			fmt.Sprintf(what, args...), want.In, want.Number, want.Size, want.Position, all)
	}
}

// Every byte of every file counts.
func TestEveryByte(t *testing.T) {
	l, d := signed(t, 5, 14)
	all := files(t, d, "tile/0/000.p")
	if len(all) != 4 {
		t.Fatalf("the log has %d files", len(all))
	}
	for name, b := range all {
		for i := range b {
			changed := slices.Clone(b)
			changed[i] ^= 1
			d.WriteFile(name, changed)
			want := proof.Problem{In: name}
			if name == "tile/0/000.p/14" {
				want.Position = uint64(i/tlog.HashSize) + 1
			}
			if name == "checkpoints" {
				want.Number = uint64(i/proof.SlotSize) + 1
			}
			finds(t, l.problems(l.store), want, "byte %d of %s", i, name)
		}
		d.WriteFile(name, b)
	}
	l.verify()
}

// Every part of every event that the leaf covers counts, and the event is named.
func TestEveryEvent(t *testing.T) {
	const last = 300
	l, _ := signed(t, 5, 9, last)
	for name, change := range map[string]func(*eventschema.Record){
		"id":          func(r *eventschema.Record) { r.ID[15]++ },
		"stream":      func(r *eventschema.Record) { r.Stream += "x" },
		"version":     func(r *eventschema.Record) { r.Version++ },
		"first byte":  func(r *eventschema.Record) { r.Data[0] ^= 1 },
		"last byte":   func(r *eventschema.Record) { r.Data[len(r.Data)-1] ^= 1 },
		"a byte more": func(r *eventschema.Record) { r.Data = append(r.Data, 0) },
	} {
		for _, p := range []uint64{1, 5, 6, 256, 257, last} {
			store := &edited{Store: l.store, head: last, edit: func(r *eventschema.Record) {
				if r.Position == p {
					change(r)
				}
			}}
			tile := "tile/0/000"
			if p > proof.TileWidth {
				tile = "tile/0/001.p/44"
			}
			all := l.problems(store)
			finds(t, all, proof.Problem{In: tile, Position: p}, "%s of position %d", name, p)
			finds(t, all, proof.Problem{In: "checkpoints", Number: 3, Size: last}, "%s of position %d", name, p)
		}
	}
	// Two events in each other's place.
	swap := map[uint64]uint64{7: 8, 8: 7}
	var records []eventschema.Record
	for r, err := range l.store.After(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if records = append(records, r); r.Position == last {
			break
		}
	}
	store := &edited{Store: l.store, head: last, edit: func(r *eventschema.Record) {
		if other, ok := swap[r.Position]; ok {
			at := r.Position
			*r = records[other-1]
			r.Position = at
		}
	}}
	finds(t, l.problems(store), proof.Problem{In: "tile/0/000", Position: 7}, "two events swapped")
}

func TestTamper(t *testing.T) {
	const last = 600
	other := key(t, 2)
	text := func(size uint64, root tlog.Hash) string { return fmt.Sprintf("%s\n%d\n%s\n", origin, size, root) }
	sign := func(t *testing.T, k proof.Key, text string) []byte {
		b, err := k.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	put := func(file []byte, i int, note []byte) []byte {
		slot := append(slices.Clone(note), bytes.Repeat([]byte("\n"), proof.SlotSize-len(note))...)
		return slices.Concat(file[:i*proof.SlotSize], slot, file[(i+1)*proof.SlotSize:])
	}
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte)
		want   proof.Problem // the only one in that file
	}{
		{"tile removed", func(t *testing.T, l *log, d *simdisk.Disk, _ func(string) []byte) { d.Remove("tile/0/000") },
			proof.Problem{In: "tile/0/000"}},
		{"last tile removed", func(t *testing.T, l *log, d *simdisk.Disk, _ func(string) []byte) { d.Remove("tile/0/002.p/88") },
			proof.Problem{In: "tile/0/002"}},
		{"upper tile removed", func(t *testing.T, l *log, d *simdisk.Disk, _ func(string) []byte) { d.Remove("tile/1/000.p/2") },
			proof.Problem{In: "tile/1/000"}},
		{"tiles swapped", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			a, b := file("tile/0/000"), file("tile/0/001")
			d.WriteFile("tile/0/000", b)
			d.WriteFile("tile/0/001", a)
		}, proof.Problem{In: "tile/0/001", Position: 257}},
		{"tile in another's place", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("tile/0/001", file("tile/0/000"))
		}, proof.Problem{In: "tile/0/001", Position: 257}},
		{"hashes swapped", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			b := file("tile/0/000")
			d.WriteFile("tile/0/000", slices.Concat(b[:64], b[96:128], b[64:96], b[128:]))
		}, proof.Problem{In: "tile/0/000", Position: 3}},
		{"tile cut short", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("tile/0/000", file("tile/0/000")[:8191])
		}, proof.Problem{In: "tile/0/000"}},
		{"tile longer", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("tile/0/000", append(file("tile/0/000"), 0))
		}, proof.Problem{In: "tile/0/000"}},
		{"narrower tile longer", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("tile/0/002.p/8", file("tile/0/002.p/88"))
		}, proof.Problem{In: "tile/0/002.p/8"}},
		{"a file that is no tile", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("tile/0/002.p/088", file("tile/0/002.p/88"))
		}, proof.Problem{In: "tile/0/002.p/088"}},

		{"checkpoints removed", func(t *testing.T, l *log, d *simdisk.Disk, _ func(string) []byte) { d.Remove("checkpoints") },
			proof.Problem{In: "checkpoint", Size: last}},
		{"last checkpoint removed", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("checkpoints", file("checkpoints")[:3*proof.SlotSize])
		}, proof.Problem{In: "checkpoint", Size: last}},
		{"the newest removed", func(t *testing.T, l *log, d *simdisk.Disk, _ func(string) []byte) { d.Remove("checkpoint") },
			proof.Problem{In: "checkpoint"}},
		{"checkpoint cut short", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("checkpoints", file("checkpoints")[:4*proof.SlotSize-1])
		}, proof.Problem{In: "checkpoints", Number: 4}},
		{"checkpoints swapped", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			b := file("checkpoints")
			d.WriteFile("checkpoints", slices.Concat(b[:256], b[512:768], b[256:512], b[768:]))
		}, proof.Problem{In: "checkpoints", Number: 3, Size: 250}},
		{"checkpoint twice", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			b := file("checkpoints")
			d.WriteFile("checkpoints", slices.Concat(b[:512], b[256:]))
		}, proof.Problem{In: "checkpoints", Number: 3, Size: 250}},
		{"zeros in between", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			b := file("checkpoints")
			clear(b[256:512])
			d.WriteFile("checkpoints", b)
		}, proof.Problem{In: "checkpoints", Number: 2}},
		{"signed with another key", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("checkpoints", put(file("checkpoints"), 1, sign(t, other, text(250, l.root(250)))))
		}, proof.Problem{In: "checkpoints", Number: 2}},
		{"another root of the same size", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("checkpoints", put(file("checkpoints"), 1, sign(t, l.key, text(250, l.root(249)))))
		}, proof.Problem{In: "checkpoints", Number: 2, Size: 250}},
		{"both of a fork", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			b := file("checkpoints")
			d.WriteFile("checkpoints", put(append(b[:512], b[256:]...), 2, sign(t, l.key, text(250, l.root(249)))))
		}, proof.Problem{In: "checkpoints", Number: 3, Size: 250}},
		{"of what never was", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			b := append(file("checkpoints"), make([]byte, proof.SlotSize)...)
			d.WriteFile("checkpoints", put(b, 4, sign(t, l.key, text(last+1, l.root(last)))))
		}, proof.Problem{In: "checkpoints", Number: 5, Size: last + 1}},
		{"another line in the text", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("checkpoints", put(file("checkpoints"), 1, sign(t, l.key, text(250, l.root(250))+"more\n")))
		}, proof.Problem{In: "checkpoints", Number: 2}},
		{"another's signature beside", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			own := sign(t, l.key, text(250, l.root(250)))
			d.WriteFile("checkpoints", put(file("checkpoints"), 1, append(own, "— w AAAAAAECAwQFBgcICQ==\n"...)))
		}, proof.Problem{In: "checkpoints", Number: 2}},
		{"another origin, same key", func(t *testing.T, l *log, d *simdisk.Disk, file func(string) []byte) {
			d.WriteFile("checkpoints", put(file("checkpoints"), 1, sign(t, l.key, "x"+text(250, l.root(250))[1:])))
		}, proof.Problem{In: "checkpoints", Number: 2}},
		{"the newest of another key", func(t *testing.T, l *log, d *simdisk.Disk, _ func(string) []byte) {
			d.WriteFile("checkpoint", sign(t, other, text(last, l.root(last))))
		}, proof.Problem{In: "checkpoint"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, d := signed(t, 3, 250, 520, last)
			c.tamper(t, l, d, func(name string) []byte {
				b, err := d.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
			all := l.problems(l.store)
			finds(t, all, c.want, "%s", c.name)
			all = slices.DeleteFunc(all, func(p proof.Problem) bool { return p.In != c.want.In })
			if len(all) != 1 {
				t.Errorf("more problems than there are: %v", all)
			}
		})
	}
}

// What cannot be seen from inside is seen with a checkpoint from outside.
func TestOutside(t *testing.T) {
	t.Run("cut back with its checkpoints", func(t *testing.T) {
		l, d := signed(t, 100, 200)
		old := files(t, d, "tile/0/000.p")
		l.open()
		l.append(100)
		c := l.checkpoint()
		l.keeper.Close()
		for name, b := range old {
			d.WriteFile(name, b)
		}
		d.Remove("tile/0/000")
		d.Remove("tile/1/000.p/1")
		d.Remove("tile/0/001.p/44")
		back := &edited{Store: l.store, head: 200}
		if all := l.problems(back); len(all) > 0 {
			t.Errorf("it was seen from inside: %v", all)
		}
		finds(t, l.problems(back, c.Note), proof.Problem{In: "outside", Number: 1, Size: 300}, "cut back")
	})
	t.Run("written and signed anew", func(t *testing.T) {
		l, _ := signed(t, 100, 200)
		c := newest(t, l)
		anew := newLog(t, newDisk(2))
		for i := range 200 {
			if _, err := anew.store.Append(t.Context(), "stream", uint64(i), ledgertest.Record(10_000+i)); err != nil {
				t.Fatal(err)
			}
		}
		anew.learn()
		anew.checkpoint()
		anew.keeper.Close()
		anew.verify()
		finds(t, anew.problems(anew.store, c), proof.Problem{In: "outside", Number: 1, Size: 200}, "signed anew")
	})
	t.Run("fork", func(t *testing.T) {
		l, _ := signed(t, 100, 200)
		c := newest(t, l)
		fork, err := l.key.Sign(fmt.Sprintf("%s\n200\n%s\n", origin, l.root(199)))
		if err != nil {
			t.Fatal(err)
		}
		finds(t, l.problems(l.store, c, fork), proof.Problem{In: "outside", Number: 2, Size: 200}, "a fork")
	})
	t.Run("another log", func(t *testing.T) {
		l, _ := signed(t, 100)
		k, err := proof.LoadKey(newDisk(1), "checkpoint.key", "samtykke/other", random(1))
		if err != nil {
			t.Fatal(err)
		}
		note, err := k.Sign(fmt.Sprintf("samtykke/other\n100\n%s\n", l.root(100)))
		if err != nil {
			t.Fatal(err)
		}
		finds(t, l.problems(l.store, note), proof.Problem{In: "outside", Number: 1}, "another log's")
	})
	t.Run("another line", func(t *testing.T) {
		l, _ := signed(t, 100)
		note, err := l.key.Sign(fmt.Sprintf("%s\n100\n%s\nmore\n", origin, l.root(100)))
		if err != nil {
			t.Fatal(err)
		}
		finds(t, l.problems(l.store, note), proof.Problem{In: "outside", Number: 1}, "another line")
	})
	t.Run("every byte", func(t *testing.T) {
		l, _ := signed(t, 20)
		c := newest(t, l)
		for i := range c {
			changed := slices.Clone(c)
			changed[i] ^= 1
			finds(t, l.problems(l.store, changed), proof.Problem{In: "outside", Number: 1}, "byte %d", i)
		}
	})
	t.Run("with a witness's signature", func(t *testing.T) {
		l, _ := signed(t, 20)
		c := newest(t, l)
		witness := []byte("— witness.example AAAAAAECAwQFBgcICQ==\n")
		if r := l.verify(slices.Concat(c, witness)); r.Outside != 20 {
			t.Errorf("the report says %+v", r)
		}
	})
}

// The report says how far an outside checkpoint reaches.
func TestUnseen(t *testing.T) {
	l, _ := signed(t, 100, 200)
	var notes [][]byte
	for i := range 2 {
		b, err := l.disk.(*simdisk.Disk).ReadFile("checkpoints")
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, append(bytes.TrimRight(b[i*proof.SlotSize:(i+1)*proof.SlotSize], "\n"), '\n'))
	}
	for _, c := range []struct {
		outside [][]byte
		want    string
	}{
		{nil, "No checkpoint from outside"},
		{notes[:1], "The first 100 events are"},
		{notes, "All events are"},
	} {
		if got := l.verify(c.outside...).Unseen(); !strings.HasPrefix(got, c.want) {
			t.Errorf("with %d checkpoints from outside: %s", len(c.outside), got)
		}
	}
}

// A ledger with much that is wrong is reported by the first of each kind, and counted.
func TestManyProblems(t *testing.T) {
	var sizes []int
	for n := range 250 {
		sizes = append(sizes, n+1)
	}
	l, _ := signed(t, append(sizes, 600)...)
	store := &edited{Store: l.store, head: 600, edit: func(r *eventschema.Record) { r.ID[0]++ }}
	r, err := proof.Verify(t.Context(), store, l.disk, l.key.Verifier())
	if err == nil || r.Problems < 251 {
		t.Fatalf("%d problems, %v", r.Problems, err)
	}
	all := l.problems(store)
	if len(all) > 60 {
		t.Errorf("%d problems are named", len(all))
	}
	finds(t, all, proof.Problem{In: "tile/0/000", Position: 1}, "everything changed")
}
