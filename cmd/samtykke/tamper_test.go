package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/cespare/xxhash/v2"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/proof"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A forger has the data directory of a demo in hand, and the knowledge of everything this program knows but what lies elsewhere.
type forger struct {
	t    *testing.T
	disk *simdisk.Disk
	past *pasts

	records []eventschema.Record // of the ledger
}

// pasts are what there was of one demo: its data directory at the end, and before somebody was erased.
type pasts struct {
	before, now *simdisk.Disk
	signed      [2][]byte // the newest checkpoint at these times
	erased      domain.ID
}

var tamperStore = filestore.Options{SegmentSize: 64 << 10, FillAhead: 4 << 10, IndexEvery: 100}

func tamperWorld(d disk.Disk) world {
	return world{disk: d, clock: time.Now, random: rand.Reader, secrets: rand.Reader, store: tamperStore, rules: rules.All}
}

// newPasts has a few clients live through half a year, and one be erased.
func newPasts(t *testing.T) *pasts {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	on, start := simdisk.New(mrand.NewPCG(1, 1)), domain.MustDate("2025-01-20")
	life := &demo{random: mrand.New(mrand.NewPCG(3, 0)), now: start.Start(), clients: 6, weeks: 30}
	w := tamperWorld(on)
	w.clock, w.random = func() time.Time { return life.now }, newRandom(3)
	var err error
	life.sys, err = w.open(t.Context())
	must(err)
	life.sys.desk.Door.AtOnce = 1
	must(life.live(t.Context(), start, func(done, all uint64) {
		if done%70 == 0 {
			must(life.sys.signAll(t.Context()))
		}
	}))
	_, err = life.logins(t.Context())
	must(err)
	must(life.sys.close())
	p := &pasts{before: on.Clone(mrand.NewPCG(1, 1))}
	life.sys, err = w.open(t.Context())
	must(err)
	p.erased = life.cohort[0].id
	_, err = life.sys.desk.Erase(t.Context(), ledger.Caller{Actor: p.erased, Role: domain.RoleClient, Session: p.erased, Text: shownText})
	must(err)
	must(life.sys.close())
	p.now = on
	for i, d := range []*simdisk.Disk{p.before, p.now} {
		p.signed[i], err = d.ReadFile(proofDir + "/checkpoint")
		must(err)
	}
	return p
}

func (p *pasts) forger(t *testing.T) *forger {
	f := &forger{t: t, disk: p.now.Clone(mrand.NewPCG(1, 1)), past: p}
	f.records = f.read(f.disk)
	return f
}

func (f *forger) must(err error) {
	if err != nil {
		f.t.Helper()
		f.t.Fatal(err)
	}
}

// read gives all events of a ledger.
func (f *forger) read(d disk.Disk) (all []eventschema.Record) {
	s, report, err := filestore.OpenReader(disk.Sub(d, ledgerDir), tamperStore)
	f.must(err)
	defer s.Close()
	for r, err := range s.After(f.t.Context(), 0) {
		f.must(err)
		r.Data, r.Sealed = bytes.Clone(r.Data), bytes.Clone(r.Sealed)
		if all = append(all, r); r.Position == report.Records {
			return all
		}
	}
	return all
}

func (f *forger) file(name string) []byte {
	f.t.Helper()
	b, err := f.disk.ReadFile(name)
	f.must(err)
	return b
}

// edit changes a file's bytes.
func (f *forger) edit(name string, how func([]byte) []byte) {
	f.t.Helper()
	f.disk.WriteFile(name, how(bytes.Clone(f.file(name))))
}

// flip changes one bit of a file. A place below zero is counted from its end.
func (f *forger) flip(name string, at int) {
	f.t.Helper()
	f.edit(name, func(b []byte) []byte {
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 4
		return b
	})
}

// names are the files of a folder, by their paths.
func (f *forger) names(dir string) (all []string) {
	names, err := f.disk.Names(dir)
	f.must(err)
	for _, n := range names {
		all = append(all, path.Join(dir, n))
	}
	return all
}

func (f *forger) segments() []string { return f.names(ledgerDir + "/segments") }

// table is the file of the wrapped keys.
func (f *forger) table() string {
	names := f.names(keyDir)
	return names[slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, keyDir+"/"+table) })]
}

// proofs are the folders of the proofs.
func (f *forger) proofs() []string {
	dirs := []string{proofDir}
	for level := range 3 {
		tiles := fmt.Sprint(proofDir, "/tile/", level)
		dirs = append(dirs, tiles)
		for n := range 20 {
			dirs = append(dirs, fmt.Sprintf("%s/%03d.p", tiles, n))
		}
	}
	return dirs
}

// empty removes all files of the folders.
func (f *forger) empty(dirs ...string) {
	for _, dir := range dirs {
		for _, n := range f.names(dir) {
			f.must(f.disk.Remove(n))
		}
	}
}

// put has the folders as they were at another time.
func (f *forger) put(from *simdisk.Disk, dirs ...string) {
	f.empty(dirs...)
	for _, dir := range dirs {
		names, err := from.Names(dir)
		f.must(err)
		for _, n := range names {
			b, err := from.ReadFile(path.Join(dir, n))
			f.must(err)
			f.disk.WriteFile(path.Join(dir, n), b)
		}
	}
}

var ledgerDirs = []string{ledgerDir, ledgerDir + "/segments"}

// A frame is where one append lies in a segment's file.
type frame struct{ from, to, covered int }

// frames are those of a segment.
func (f *forger) frames(segment string) (all []frame) {
	b := f.file(segment)
	for at := 64; at+64 <= len(b) && string(b[at+16:at+20]) == "fram"; {
		size, covered := int(binary.LittleEndian.Uint32(b[at+20:])), int(binary.LittleEndian.Uint32(b[at+28:]))
		all = append(all, frame{at, at + size, at + covered})
		at += size
	}
	return all
}

// sealedOf gives where the ciphertext of an owner's first sealed event lies, or lay.
func (f *forger) sealedOf(want func(eventschema.Owner) bool) (segment string, from, to int) {
	f.t.Helper()
	for _, r := range f.read(f.past.before) {
		fact, err := eventschema.Today.Decode(&r, nil)
		f.must(err)
		if r.Sealed == nil || !want(fact.Owner) {
			continue
		}
		for _, name := range f.segments() {
			b, err := f.past.before.ReadFile(name)
			f.must(err)
			if from = bytes.Index(b, r.Sealed); from >= 0 {
				return name, from, from + len(r.Sealed)
			}
		}
	}
	f.t.Fatal("no such sealed event")
	return "", 0, 0
}

// erasedHere and living tell whose sealed bytes are meant.
func (f *forger) erasedHere(o eventschema.Owner) bool { return o.ID == f.past.erased }
func (f *forger) living(o eventschema.Owner) bool {
	return o.Kind == eventschema.KeyClient && o.ID != f.past.erased
}

// rewrite makes the ledger anew of other events, with all sums, positions, versions and pointers as the store itself would write
// them, and the same log id.
func (f *forger) rewrite(records []eventschema.Record) {
	f.t.Helper()
	opts := tamperStore
	opts.Random = bytes.NewReader(f.file(f.segments()[0])[24:32])
	f.empty(ledgerDirs...)
	s, _, err := filestore.Open(disk.Sub(f.disk, ledgerDir), opts)
	f.must(err)
	versions := map[string]uint64{}
	for _, r := range records {
		_, err := s.Append(f.t.Context(), r.Stream, versions[r.Stream], r)
		f.must(err)
		versions[r.Stream]++
	}
	f.must(s.Close())
}

// sign makes tree and checkpoints anew, with the log's own key.
func (f *forger) sign() {
	f.t.Helper()
	f.empty(f.proofs()...)
	key, err := proof.ReadKey(f.disk, proofKey)
	f.must(err)
	s, _, err := filestore.OpenReader(disk.Sub(f.disk, ledgerDir), tamperStore)
	f.must(err)
	k, err := proof.Open(f.t.Context(), disk.Sub(f.disk, proofDir), key, s, proof.Options{})
	f.must(err)
	_, err = k.Checkpoint(f.t.Context())
	f.must(err)
	f.must(k.Close())
	f.must(s.Close())
}

// find is the index of the last event that is as wanted.
func (f *forger) find(want func(*eventschema.Fact) bool) int {
	f.t.Helper()
	for i, r := range slices.Backward(f.records) {
		fact, err := eventschema.Today.Decode(&r, nil)
		f.must(err)
		if want(&fact) {
			return i
		}
	}
	f.t.Fatal("no such event")
	return 0
}

func named(name string) func(*eventschema.Fact) bool {
	return func(f *eventschema.Fact) bool { return f.Name == name }
}

// without is the ledger without some of its events.
func (f *forger) without(i, n int) []eventschema.Record {
	return slices.Delete(slices.Clone(f.records), i, i+n)
}

// at names an event by its place in the list.
func at(i int) string { return fmt.Sprintf("position %d", i+1) }

// A tampering changes something and says where that must be found: what one of the problems must hold.
type tampering struct {
	name string
	do   func(f *forger) (found string)
}

var tamperings = []tampering{
	// One bit, everywhere.
	{"segment header, a bit", func(f *forger) string { f.flip(f.segments()[1], 40); return f.segments()[1] + ", offset 0" }},
	{"segment header, its sum", func(f *forger) string { f.flip(f.segments()[0], 3); return f.segments()[0] + ", offset 0" }},
	{"frame header, its sum", func(f *forger) string { return f.flipFrame(0) }},
	{"frame header, the chain", func(f *forger) string { return f.flipFrame(9) }},
	{"frame header, the length", func(f *forger) string { return f.flipFrame(20) }},
	{"frame header, the position", func(f *forger) string { return f.flipFrame(32) }},
	{"frame header, the version", func(f *forger) string { return f.flipFrame(48) }},
	{"frame, the stream's name", func(f *forger) string { return f.flipFrame(70) }},
	{"open data", func(f *forger) string {
		name, fr := f.someFrame()
		f.flip(name, fr.covered-1)
		return fmt.Sprintf("%s, offset %d", name, fr.from)
	}},
	{"sealed data", func(f *forger) string {
		name, from, to := f.sealedOf(f.living)
		f.flip(name, (from+to)/2)
		return name + ", offset "
	}},
	{"the last frame of all", func(f *forger) string {
		name := f.segments()[len(f.segments())-1]
		frames := f.frames(name)
		f.flip(name, frames[len(frames)-1].from+40)
		return name + ", offset"
	}},
	{"behind a segment's end", func(f *forger) string {
		name := f.segments()[0]
		f.edit(name, func(b []byte) []byte { b[len(b)-1] = 1; return b })
		return name + ", offset"
	}},
	{"index", func(f *forger) string { f.flip(ledgerDir+"/index", -5); return ledgerDir + "/index" }},
	{"ledger checkpoint", func(f *forger) string { f.flip(ledgerDir+"/checkpoint", 40); return ledgerDir + "/checkpoint" }},
	{"tile, full", func(f *forger) string { f.flip(proofDir+"/tile/0/001", 32*7); return "proof/tile/0/001, position 264" }},
	{"tile, the last", func(f *forger) string { n := f.partial(0); f.flip(n, 5); return n }},
	{"tile, upper level", func(f *forger) string { n := f.partial(1); f.flip(n, 33); return n }},
	{"checkpoints, the first", func(f *forger) string { f.flip(proofDir+"/checkpoints", 30); return "proof/checkpoints: number 1" }},
	{"checkpoints, a signature", func(f *forger) string { f.flip(proofDir+"/checkpoints", 256+200); return "proof/checkpoints: number 2" }},
	{"checkpoint, the newest", func(f *forger) string { f.flip(proofDir+"/checkpoint", 26); return "proof/checkpoint:" }},
	{"proof key", func(f *forger) string { f.flip(proofKey, 60); return proofKey }},
	{"proof key, public", func(f *forger) string { f.flip(verifierFile, -8); return verifierFile }},
	{"key table, header", func(f *forger) string { f.flip(f.table(), 70); return "keys: " }},
	{"key table, a key", func(f *forger) string { f.flip(f.table(), 3*128+70); return "keys: " }},
	{"key table, an owner", func(f *forger) string { f.flip(f.table(), 2*128+40); return "keys: " }},
	{"epoch key", func(f *forger) string { f.flip(f.names(keyDir + "/epochs")[0], 40); return "keys: " }},
	{"master key", func(f *forger) string { f.flip(keyDir+"/master.key", 5); return "keys: " }},

	// Frames and files, with no sum made anew.
	{"frame removed", func(f *forger) string {
		name, fr := f.someFrame()
		f.edit(name, func(b []byte) []byte {
			return append(slices.Delete(b, fr.from, fr.to), make([]byte, fr.to-fr.from)...)
		})
		return fmt.Sprintf("%s, offset %d", name, fr.from)
	}},
	{"frame twice", func(f *forger) string {
		name, fr := f.someFrame()
		f.edit(name, func(b []byte) []byte { return slices.Insert(b, fr.to, b[fr.from:fr.to]...) })
		return fmt.Sprintf("%s, offset %d", name, fr.to)
	}},
	{"frames swapped", func(f *forger) string {
		name, fr := f.someFrame()
		f.edit(name, func(b []byte) []byte {
			end := fr.to + int(binary.LittleEndian.Uint32(b[fr.to+20:]))
			return slices.Concat(b[:fr.from], b[fr.to:end], b[fr.from:fr.to], b[end:])
		})
		return fmt.Sprintf("%s, offset %d", name, fr.from)
	}},
	{"frame of zeros", func(f *forger) string {
		name, fr := f.someFrame()
		f.edit(name, func(b []byte) []byte { clear(b[fr.from:fr.to]); return b })
		return fmt.Sprintf("%s, offset %d", name, fr.from)
	}},
	{"segment cut short", func(f *forger) string {
		name := f.segments()[1]
		f.edit(name, func(b []byte) []byte { return b[:len(b)/2] })
		return name + ", offset"
	}},
	{"last segment cut short", func(f *forger) string {
		name := f.segments()[len(f.segments())-1]
		frames := f.frames(name)
		f.edit(name, func(b []byte) []byte { return b[:frames[len(frames)-2].to] })
		return name + ", offset"
	}},
	{"the end of zeros, index and checkpoint removed", func(f *forger) string {
		name := f.segments()[len(f.segments())-1]
		frames := f.frames(name)
		f.edit(name, func(b []byte) []byte { clear(b[frames[len(frames)-3].from:]); return b })
		f.empty(ledgerDir)
		f.disk.WriteFile(ledgerDir+"/lock", nil)
		return "the ledger ends at position"
	}},
	{"first segment removed", func(f *forger) string { n := f.segments(); f.must(f.disk.Remove(n[0])); return n[1] + ", offset" }},
	{"middle segment removed", func(f *forger) string { n := f.segments(); f.must(f.disk.Remove(n[1])); return n[2] + ", offset" }},
	{"last segment removed", func(f *forger) string {
		n := f.segments()
		f.must(f.disk.Remove(n[len(n)-1]))
		return n[len(n)-2] + ", offset"
	}},
	{"all segments removed", func(f *forger) string {
		first := f.segments()[0]
		f.empty(ledgerDir + "/segments")
		return first + ", offset"
	}},
	{"segments swapped", func(f *forger) string {
		n := f.segments()
		a, b := f.file(n[0]), f.file(n[1])
		f.disk.WriteFile(n[0], b)
		f.disk.WriteFile(n[1], a)
		return n[0] + ", offset"
	}},
	{"tile removed", func(f *forger) string {
		f.must(f.disk.Remove(proofDir + "/tile/0/000"))
		return "proof/tile/0/000: it is missing"
	}},
	{"tiles swapped", func(f *forger) string {
		a, b := f.file(proofDir+"/tile/0/000"), f.file(proofDir+"/tile/0/001")
		f.disk.WriteFile(proofDir+"/tile/0/000", b)
		f.disk.WriteFile(proofDir+"/tile/0/001", a)
		return "proof/tile/0/000, position 1:"
	}},
	{"checkpoints removed", func(f *forger) string {
		f.must(f.disk.Remove(proofDir + "/checkpoints"))
		return "proof/checkpoints: no checkpoint"
	}},
	{"all proofs removed", func(f *forger) string { f.empty(f.proofs()...); return "proof/checkpoints: no checkpoint" }},
	{"a checkpoint removed", func(f *forger) string {
		f.edit(proofDir+"/checkpoints", func(b []byte) []byte { return b[:len(b)-256] })
		return "proof/checkpoint: "
	}},
	{"checkpoints swapped", func(f *forger) string {
		f.edit(proofDir+"/checkpoints", func(b []byte) []byte { return slices.Concat(b[256:512], b[:256], b[512:]) })
		return "proof/checkpoints: number 2"
	}},
	{"master key removed", func(f *forger) string { f.must(f.disk.Remove(keyDir + "/master.key")); return "keys: " }},
	{"key table removed", func(f *forger) string { f.must(f.disk.Remove(f.table())); return "keys: " }},
	{"key table of before", func(f *forger) string { // all keys that there are now but that of the erased, which is back
		f.put(f.past.before, keyDir, keyDir+"/epochs")
		return "the key is on record as destroyed"
	}},

	// Events, by who makes all sums anew.
	{"open data, sums anew", func(f *forger) string {
		i := f.find(named("lookup.made"))
		b := f.records[i].Data
		b[len(b)-1] ^= 1
		f.rewrite(f.records)
		return at(i) + ": the event in the ledger is not the one in the tile"
	}},
	{"another reader, sums anew", func(f *forger) string {
		i := f.find(named("lookup.made"))
		r := &f.records[i]
		fact, err := eventschema.Today.Decode(r, nil)
		f.must(err)
		fact.Act.Actor[0]++
		*r, err = eventschema.Today.Encode(&fact, nil)
		f.must(err)
		f.rewrite(f.records)
		return at(i) + ", client-"
	}},
	{"event removed", func(f *forger) string { f.rewrite(f.without(300, 1)); return at(300) + ":" }},
	{"first event removed", func(f *forger) string { f.rewrite(f.without(0, 1)); return at(0) + ":" }},
	{"last event removed", func(f *forger) string { f.rewrite(f.without(len(f.records)-1, 1)); return "proof/checkpoints: number" }},
	{"last half removed", func(f *forger) string {
		f.rewrite(f.records[:len(f.records)/2])
		return fmt.Sprintf("the ledger ends at position %d", len(f.records)/2)
	}},
	{"all events removed", func(f *forger) string { f.empty(ledgerDirs...); return ledgerDir }},
	{"all events but none", func(f *forger) string { f.rewrite(nil); return "the ledger ends at position 0" }},
	{"event twice", func(f *forger) string {
		f.rewrite(slices.Insert(slices.Clone(f.records), 301, f.records[300]))
		return at(301) + ":"
	}},
	{"events swapped", func(f *forger) string {
		f.records[300], f.records[301] = f.records[301], f.records[300]
		f.rewrite(f.records)
		return at(300) + ":"
	}},
	{"yes moved behind the look-up", func(f *forger) string {
		i, r := f.lookUp()
		f.rewrite(f.moved(f.yes(r), i))
		return at(i-1) + ", client-"
	}},
	{"ciphertexts swapped", func(f *forger) string {
		i := f.find(named("journal.assessed"))
		j := i - 1
		for f.records[j].Sealed == nil || len(f.records[j].Sealed) == len(f.records[i].Sealed) {
			j--
		}
		f.records[i].Sealed, f.records[j].Sealed = f.records[j].Sealed, f.records[i].Sealed
		f.rewrite(f.records)
		return at(i) + ", journal-"
	}},
	{"another's stream", func(f *forger) string {
		i := f.find(named("journal.logged-in"))
		_, lookup := f.lookUp()
		_, id, err := eventschema.Split(lookup.Stream)
		f.must(err)
		f.records[i].Stream = eventschema.JournalStream.Stream(id)
		f.rewrite(f.records)
		return at(i)
	}},
	{"look-up without a yes, at the end", func(f *forger) string {
		f.rewrite(append(f.records, f.lookUpOfErased()))
		return at(len(f.records)) + ", client-"
	}},

	// The same, signed anew with the log's own key: what contradicts the laws is found all the same.
	{"yes removed, signed anew", func(f *forger) string {
		_, r := f.lookUp()
		f.rewrite(f.without(f.yes(r), 1))
		f.sign()
		return "a look-up without a live yes"
	}},
	{"question removed, signed anew", func(f *forger) string {
		i := f.find(named("follow-up.asked"))
		stream := f.records[i].Stream
		f.rewrite(f.without(i, 1))
		f.sign()
		return stream + ": "
	}},
	{"version of events, signed anew", func(f *forger) string { // a sealed event opens at its own place only
		i := f.find(named("journal.content-opened"))
		f.rewrite(f.without(i, 1))
		f.sign()
		return f.records[i].Stream
	}},

	// Erasure.
	{"a bit of the marker", func(f *forger) string {
		name, from, _ := f.sealedOf(f.erasedHere)
		f.flip(name, from+3)
		return name + ", offset"
	}},
	{"zeros for the marker", func(f *forger) string {
		name, from, to := f.sealedOf(f.erasedHere)
		f.edit(name, func(b []byte) []byte { clear(b[from:to]); return b })
		return name + ", offset"
	}},
	{"the ciphertext back", func(f *forger) string {
		name, from, to := f.sealedOf(f.erasedHere)
		old, err := f.past.before.ReadFile(name)
		f.must(err)
		f.edit(name, func(b []byte) []byte { copy(b[from:to], old[from:to]); return b })
		return "client-" + f.past.erased.String() + ": 1 ciphertexts are there that are on record as removed"
	}},
	{"marker over what is not erased", func(f *forger) string {
		name, from, to := f.sealedOf(f.living)
		f.edit(name, func(b []byte) []byte {
			for i := from; i < to; i++ {
				b[i] = filestore.Erased[(i-from)%len(filestore.Erased)]
			}
			return b
		})
		return "is gone, and no erasure is on record"
	}},
	{"the note of a sweep over somebody's", func(f *forger) string {
		name, from, to := f.sealedOf(f.living)
		f.disk.WriteFile(ledgerDir+"/erasing", f.note(name, from, to-from))
		return "is gone, and no erasure is on record"
	}},
	{"the note of a sweep, a bit", func(f *forger) string {
		name, from, to := f.sealedOf(f.living)
		f.disk.WriteFile(ledgerDir+"/erasing", f.note(name, from, to-from))
		f.flip(ledgerDir+"/erasing", -1)
		return ledgerDir + "/erasing, offset 0"
	}},
	{"erasure removed, signed anew", func(f *forger) string {
		i := f.find(named("client.erased"))
		f.rewrite(f.records[:i])
		f.sign()
		return "is gone, and no erasure is on record"
	}},

	// Another time.
	{"ledger of before", func(f *forger) string { f.put(f.past.before, ledgerDirs...); return "proof/checkpoints: number" }},
	{"ledger and proofs of before", func(f *forger) string {
		f.put(f.past.before, append(f.proofs(), ledgerDirs...)...)
		return "is gone, and no erasure is on record"
	}},
}

// note is what a sweep leaves that is interrupted while it overwrites these sealed bytes.
func (f *forger) note(segment string, from, length int) []byte {
	le, b := binary.LittleEndian, f.file(segment)
	frames := f.frames(segment)
	in := frames[slices.IndexFunc(frames, func(fr frame) bool { return from < fr.to })]
	note := append(make([]byte, 8), "samerase"...)
	note = le.AppendUint64(note, 1)
	note = append(note, b[24:32]...)                                // log id
	note = le.AppendUint64(note, le.Uint64(b[40:])+uint64(in.from)) // the frame's offset in the log
	note = append(note, b[in.from:in.from+8]...)                    // its sum
	note = le.AppendUint32(note, uint32(from-in.from))
	note = le.AppendUint32(note, uint32(length))
	le.PutUint64(note, xxhash.Sum64(note[8:]))
	return note
}

// flipFrame changes a bit of some frame's header.
func (f *forger) flipFrame(at int) string {
	name, fr := f.someFrame()
	f.flip(name, fr.from+at)
	return fmt.Sprintf("%s, offset %d", name, fr.from)
}

// someFrame is one in the middle of the second segment.
func (f *forger) someFrame() (string, frame) {
	name := f.segments()[1]
	frames := f.frames(name)
	return name, frames[len(frames)/2]
}

// partial is the last tile of a level.
func (f *forger) partial(level int) string {
	for n := range 20 {
		if names := f.names(fmt.Sprintf("%s/tile/%d/%03d.p", proofDir, level, n)); len(names) > 0 {
			return names[len(names)-1]
		}
	}
	f.t.Fatal("no tile is partial")
	return ""
}

// lookUp is the last look-up by an organisation that a yes was given before.
func (f *forger) lookUp() (int, eventschema.Record) {
	i := f.find(func(fact *eventschema.Fact) bool {
		b, ok := fact.Body.(client.LookedUp)
		return ok && b.Basis == client.ByGrant && fact.Subject != f.past.erased
	})
	return i, f.records[i]
}

// yes is the index of the yes that a look-up names.
func (f *forger) yes(r eventschema.Record) int {
	fact, err := eventschema.Today.Decode(&r, nil)
	f.must(err)
	version := fact.Body.(client.LookedUp).Grant
	return f.find(func(g *eventschema.Fact) bool { return g.Stream() == r.Stream && g.Version == version })
}

// moved is the ledger with one event moved to another's place.
func (f *forger) moved(from, to int) []eventschema.Record {
	all := f.without(from, 1)
	return slices.Insert(all, to, f.records[from])
}

// lookUpOfErased is a look-up of the client who is erased.
func (f *forger) lookUpOfErased() eventschema.Record {
	_, r := f.lookUp()
	fact, err := eventschema.Today.Decode(&r, nil)
	f.must(err)
	last := f.find(func(g *eventschema.Fact) bool { return g.Stream() == eventschema.ClientStream.Stream(f.past.erased) })
	fact.Subject, fact.Version, fact.ID[0] = f.past.erased, f.records[last].Version+1, fact.ID[0]+1
	rec, err := eventschema.Today.Encode(&fact, nil)
	f.must(err)
	return rec
}

// needKeys are the changes that are found only with keys at hand.
var needKeys = []string{
	"proof key", "proof key, public", "key table, header", "key table, a key", "key table, an owner", "epoch key", "master key",
	"master key removed", "key table removed", "key table of before",
	"version of events, signed anew", "ledger and proofs of before",
}

func noProgress(uint64, uint64) {}

// remade are changes by who has the log's own key, or another's, and makes everything consistent anew. From inside nothing is to be
// seen, and verify says so; a checkpoint from outside tells, and so does the verifier string where the key was changed.
var remade = []tampering{
	{"refused attempt removed, signed anew", func(f *forger) string {
		f.rewrite(f.without(f.find(named("lookup.refused")), 1))
		f.sign()
		return "the ledger ends at position"
	}},
	{"refused attempt changed, signed anew", func(f *forger) string {
		i := f.find(named("lookup.refused"))
		r := &f.records[i]
		fact, err := eventschema.Today.Decode(r, nil)
		f.must(err)
		fact.Act.Actor[0]++
		*r, err = eventschema.Today.Encode(&fact, nil)
		f.must(err)
		f.rewrite(f.records)
		f.sign()
		return "events have another root"
	}},
	{"look-up removed and others put in order, signed anew", func(f *forger) string {
		i, _ := f.lookUp()
		f.rewrite(f.without(i, 1))
		f.sign()
		return "the ledger ends at position"
	}},
	{"all as it was before, keys and checkpoints too", func(f *forger) string {
		f.put(f.past.before, append(f.proofs(), ledgerDir, ledgerDir+"/segments", keyDir, keyDir+"/epochs")...)
		return "the ledger ends at position"
	}},
	{"signed with another key", func(f *forger) string {
		f.rewrite(f.without(f.find(named("lookup.refused")), 1))
		f.must(f.disk.Remove(proofKey))
		f.must(f.disk.Remove(verifierFile))
		_, err := proof.LoadKey(f.disk, proofKey, "", rand.Reader)
		f.must(err)
		f.sign()
		return "it is not signed with this log's key"
	}},
}

func TestRemadeIsSeenFromOutsideAlone(t *testing.T) {
	p := newPasts(t)
	verifier, err := p.now.ReadFile(verifierFile)
	if err != nil {
		t.Fatal(err)
	}
	kept := []outside{{"kept.txt", p.signed[1]}}
	for _, c := range remade {
		t.Run(c.name, func(t *testing.T) {
			f := p.forger(t)
			want := c.do(f)
			w := tamperWorld(f.disk)
			v, err := w.verifyFiles(t.Context(), "", nil, noProgress)
			if err != nil || v.Found > 0 {
				t.Fatalf("it was seen from inside: %v, %v", v.Problems, err)
			}
			if !strings.HasPrefix(v.Proof.Unseen, "No checkpoint from outside was compared.") {
				t.Errorf("it is not said that it cannot be seen: %s", v.Proof.Unseen)
			}
			v, err = w.verifyFiles(t.Context(), "", kept, noProgress)
			if err != nil || len(v.Problems) != 1 || v.Problems[0].File != "kept.txt" || !strings.Contains(v.Problems[0].What, want) {
				t.Errorf("the checkpoint from outside tells %v, %v; want %q", v.Problems, err, want)
			}
			// Who kept the verifier string sees a key that was changed.
			v, err = w.verifyFiles(t.Context(), strings.TrimSpace(string(verifier)), nil, noProgress)
			if changed := !bytes.Equal(f.file(verifierFile), verifier); err != nil || (v.Found > 0) != changed {
				t.Errorf("with the verifier string: %v, %v", v.Problems, err)
			}
		})
	}
}

// What is only a help, or was not promised to anybody, may be lost.
func TestHarmless(t *testing.T) {
	p := newPasts(t)
	for _, c := range []struct {
		name string
		do   func(*forger)
		said string
	}{
		{"nothing", func(*forger) {}, ""},
		{"no index", func(f *forger) { f.must(f.disk.Remove(ledgerDir + "/index")) }, ""},
		{"no checkpoint of the store", func(f *forger) { f.must(f.disk.Remove(ledgerDir + "/checkpoint")) }, ""},
		{"no views", func(f *forger) { f.empty("views") }, ""},
		{"half an append", func(f *forger) {
			name := f.segments()[len(f.segments())-1]
			frames := f.frames(name)
			from, to := frames[len(frames)-1].from, frames[len(frames)-1].to
			f.edit(name, func(b []byte) []byte { copy(b[to:], b[from:to-20]); return b })
		}, "was never finished"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := p.forger(t)
			c.do(f)
			for _, from := range [][]outside{nil, {{"now", p.signed[1]}}, {{"before", p.signed[0]}, {"now", p.signed[1]}}} {
				v, err := tamperWorld(f.disk).verifyFiles(t.Context(), "", from, noProgress)
				if err != nil || v.Found > 0 || !strings.Contains(v.Cut, c.said) {
					t.Errorf("%v, %q, %v", v.Problems, v.Cut, err)
				}
				if v.Events != uint64(len(f.records)) || v.Closed > 0 || v.Gone == 0 || from != nil && v.Proof.Outside != v.Events {
					t.Errorf("%+v", v)
				}
			}
		})
	}
}

// Every kind of change at every kind of place is found, and named by file or position. The log has a line for each: what verify
// says first of what was changed, and whether the program still opens the data directory.
//
// shows law-7
func TestTampering(t *testing.T) {
	p := newPasts(t)
	var lines bytes.Buffer
	w := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	for _, c := range tamperings {
		t.Run(c.name, func(t *testing.T) {
			f := p.forger(t)
			want := c.do(f)
			v, err := tamperWorld(f.disk).verifyFiles(t.Context(), "", nil, noProgress)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(v.Problems, func(p problem) bool { return strings.Contains(p.String(), want) })
			if i < 0 {
				t.Fatalf("no problem names %q: %v", want, v.Problems)
			}
			verifier, err := p.now.ReadFile(verifierFile)
			f.must(err)
			opened := f.disk.Clone(mrand.NewPCG(1, 1))
			f.empty(keyDir, keyDir+"/epochs")
			closed, err := tamperWorld(f.disk).verifyFiles(t.Context(), strings.TrimSpace(string(verifier)), nil, noProgress)
			if err != nil || (closed.Found > 0) == slices.Contains(needKeys, c.name) {
				t.Errorf("without keys: %v, %v", closed.Problems, err)
			}
			opening := "opens"
			if s, err := tamperWorld(opened).open(context.Background()); err != nil {
				opening = "is refused"
			} else if err := s.closeFiles(); err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, "%s\t%s\t%d problems; %s\n", c.name, opening, v.Found, v.Problems[i])
		})
	}
	w.Flush()
	t.Logf("\n%s", &lines)
}
