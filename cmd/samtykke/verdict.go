package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"samtykke/adapters/disk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/proof"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A verdict is what a check of the whole ledger found.
type verdict struct {
	Events   uint64    `json:"events"`
	Clients  int       `json:"clients"`
	Lookups  int       `json:"lookups"`
	Refused  int       `json:"refusedAttempts"`
	Lapses   int       `json:"lapses"`
	Unshown  int       `json:"unshown,omitempty"`       // look-ups that the reader's loss of access overtook: recorded, and not shown
	Closed   uint64    `json:"stayedClosed,omitempty"`  // sealed events that were not opened: there were no keys
	Gone     uint64    `json:"contentGone,omitempty"`   // sealed events whose content was erased
	Cut      string    `json:"neverPromised,omitempty"` // what stands behind the end, and will be cut
	Proof    signed    `json:"proof"`
	Found    int       `json:"found"`    // problems in all
	Problems []problem `json:"problems"` // of these, the first
}

// signed is what was seen of the tree and its checkpoints.
type signed struct {
	Root        string `json:"root,omitempty"` // of the tree over all events
	Checkpoints uint64 `json:"checkpoints"`
	Events      uint64 `json:"events"`  // covered by the newest
	Outside     uint64 `json:"outside"` // covered by the largest from outside that agrees
	Unseen      string `json:"unseen"`  // what cannot be seen from inside
}

// A problem is a place where the ledger breaks a law, or a file that is not as it was written. What does not apply is empty.
type problem struct {
	Position uint64 `json:"position,omitempty"`
	Stream   string `json:"stream,omitempty"`
	File     string `json:"file,omitempty"`   // below the data directory, or a checkpoint from outside
	Offset   *int64 `json:"offset,omitempty"` // in the file, in bytes
	What     string `json:"what"`
}

func (p problem) String() string {
	var at []string
	if p.File != "" {
		at = append(at, p.File)
	}
	if p.Offset != nil {
		at = append(at, fmt.Sprintf("offset %d", *p.Offset))
	}
	if p.Position > 0 {
		at = append(at, fmt.Sprintf("position %d", p.Position))
	}
	if p.Stream != "" {
		at = append(at, p.Stream)
	}
	return strings.Join(at, ", ") + ": " + p.What
}

// maxProblems is how many a verdict lists.
const maxProblems = 100

func (v *verdict) add(p problem) {
	if v.Found++; len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, p)
	}
}

// damaged takes a store's damage for a problem; any other error it gives back.
func (v *verdict) damaged(err error) error {
	if d := new(filestore.DamageError); errors.As(err, &d) {
		v.add(problem{File: ledgerDir + "/" + d.Segment, Offset: &d.Offset, What: d.What})
		return nil
	}
	return err
}

// A check is of what is to be verified.
type check struct {
	store    ledger.Store
	proofs   disk.Disk // the folder of tiles and checkpoints
	verifier string    // of the log's key
	outside  []outside
	keys     eventschema.Keys // nil: sealed events stay closed
	rules    rules.Books
}

// An outside is a checkpoint that was kept elsewhere.
type outside struct {
	name string
	note []byte
}

// verify reads every byte of the ledger and replays it against the laws: the store's own checks; canonical bytes and the
// ciphertexts they were recorded with; the tree, and each checkpoint's root; stream numbering; a live yes, of the reader's own
// organisation, under every look-up by an organisation, and an active reader; every lapse and question at its instant, and nothing
// between a deadline and its event; yes and no as the client's own acts, with the dates of the rule in force; instants that never
// run backwards; forms and answers that a professional entered under a look-up of theirs; queries with their basis; staff who came
// in by an invitation in time, with a signed declaration, by a password that held, and by each one-time code once; erasures in
// their order, nothing behind them that they ended, and nothing gone without one; questions and reviews of look-ups that were made,
// and of attempts, by somebody else; exceptional access used while it was open by who opened it, and reviewed by somebody else.
//
// An ending by the system is one that was reapplied after a copy was restored. It took effect when it says, and so it is held against
// the deadlines of that instant.
//
// It writes nothing. While it reads, nobody may erase.
func (c check) verify(ctx context.Context, progress func(done, all uint64)) (verdict, error) {
	v := newVerifier(c.store, c.keys, c.rules)
	head, err := c.store.Head(ctx)
	if files, own := c.store.(*filestore.Store); own && err == nil {
		err = files.Verify(ctx, nil)
	}
	if err != nil {
		return v.verdict, v.damaged(err)
	}
	var report proof.Report
	var proven error
	var both sync.WaitGroup
	both.Go(func() {
		var notes [][]byte
		for _, o := range c.outside {
			notes = append(notes, o.note)
		}
		report, proven = proof.Verify(ctx, c.store, c.proofs, c.verifier, notes...)
	})
	err = v.replay(ctx, head, progress)
	both.Wait()
	// What the tree tells comes first: of events that were moved it names the first.
	laws := v.Problems
	v.Problems = []problem{}
	err = errors.Join(err, v.proven(report, proven, c.outside))
	v.Problems = append(v.Problems, laws...)
	if err != nil {
		return v.verdict, v.damaged(err)
	}
	return v.verdict, nil
}

// proven takes up what the check of the tree found. What kept it from being finished is given back.
func (v *verdict) proven(r proof.Report, err error, from []outside) error {
	v.Proof = signed{Root: r.Root.String(), Checkpoints: r.Checkpoints, Events: r.Signed, Outside: r.Outside, Unseen: r.Unseen()}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, e := range all {
		p := new(proof.Problem)
		switch {
		case e == nil:
		case !errors.As(e, &p):
			return e
		default:
			v.Problems = append(v.Problems, placed(*p, from))
		}
	}
	v.Found += max(r.Problems, len(v.Problems)) // more are counted than named
	return nil
}

// placed names the place of a proof's problem below the data directory.
func placed(p proof.Problem, from []outside) problem {
	at := problem{Position: p.Position, File: proofDir + "/" + p.In}
	number := p.Number
	if p.In == "outside" {
		at.File, number = from[p.Number-1].name, 0
	}
	p.In, p.Number, p.Position = "", number, 0
	at.What = strings.TrimPrefix(strings.TrimPrefix(p.Error(), ", "), ": ")
	return at
}

// verify checks the open ledger. Perhaps nothing is signed of it yet.
func (s *system) verify(ctx context.Context, progress func(done, all uint64)) (verdict, error) {
	return check{
		store: s.store, proofs: disk.Sub(s.disk, proofDir), verifier: s.signer.Verifier(), keys: s.ledger.Sealing(ctx), rules: s.rules,
	}.verify(ctx, progress)
}

// verifyFiles checks a data directory that no process writes, and changes nothing there. The verifier string is the key's own, if
// none is given. What keeps the ledger or its keys from being opened is a problem as well.
func (w world) verifyFiles(ctx context.Context, verifier string, from []outside, progress func(done, all uint64)) (_ verdict, err error) {
	before := verdict{Problems: []problem{}}
	store, report, err := w.openReader(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		before.add(problem{File: ledgerDir, What: err.Error()})
		return before, nil
	}
	if err != nil {
		return before, before.damaged(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if verifier == "" {
		if verifier, err = w.verifier(); err != nil {
			return before, err
		}
		if !isVerifier(verifier) {
			before.add(problem{File: verifierFile, What: "it holds no verifier string: give the log's with --key"})
			return before, nil
		}
	}
	if report.NoIndex != "" && w.holds(ledgerDir+"/index") {
		before.add(problem{File: ledgerDir + "/index", What: report.NoIndex})
	}
	c := check{store: store, proofs: disk.Sub(w.disk, proofDir), verifier: verifier, outside: from, rules: w.rules}
	if w.keys != "" && w.holds(keyDir+"/master.key") { // else the data keys would be opened by nothing, and a master key made
		keys, err := w.openKeys(ctx)
		if err != nil {
			return before, err
		}
		defer keys.Close()
		c.keys = (&ledger.Ledger{Keys: keys}).Sealing(ctx)
	} else if c.keys, err = w.readKeys(ctx, verifier, &before); err != nil {
		return before, err
	}
	v, err := c.verify(ctx, progress)
	if report.Cut != nil {
		v.Cut = fmt.Sprintf("%s/%s, offset %d: %d bytes of an append that was never finished, and so promised to nobody",
			ledgerDir, report.Cut.Segment, report.Cut.Offset, report.Cut.Bytes)
	}
	if err == nil && v.Proof.Checkpoints == 0 && v.Events > 0 {
		before.add(problem{File: proofDir + "/checkpoints", What: "no checkpoint is kept of a ledger that has events"})
	}
	v.Found += before.Found
	v.Problems = append(before.Problems, v.Problems...)
	return v, err
}

// readKeys reads the keys that open what is sealed, and checks those beside them. Without keys it gives nil.
func (w world) readKeys(ctx context.Context, verifier string, v *verdict) (eventschema.Keys, error) {
	if w.holds(proofKey) {
		key, err := proof.ReadKey(w.disk, proofKey)
		switch {
		case err != nil:
			v.add(problem{File: proofKey, What: err.Error()})
		case key.Verifier() != verifier:
			v.add(problem{File: verifierFile, What: "it is not the verifier that was given"})
		}
	}
	epochs, err := w.disk.Names(keyDir + "/epochs")
	if err != nil || len(epochs) == 0 && !w.holds(keyDir+"/master.key") {
		return nil, err
	}
	ring, err := keyring.Read(w.disk, keyDir)
	switch {
	case err == nil:
		return (&ledger.Ledger{Keys: ring}).Sealing(ctx), nil
	case errors.Is(err, disk.ErrLocked):
		return nil, err
	}
	v.add(problem{File: keyDir, What: err.Error()})
	return nil, nil
}

// holds tells whether there is such a file.
func (w world) holds(name string) bool {
	f, err := w.disk.OpenRead(name)
	if err == nil {
		err = f.Close()
	}
	return err == nil
}

type verifyCmd struct {
	signedFlags
	Checkpoint []string `placeholder:"FILE,..." help:"Checkpoints kept elsewhere: only they tell whether the ledger is still the same."`
	JSON       bool     `name:"json" help:"Answer as JSON."`
}

// Run verifies from the files alone, and changes nothing.
func (c *verifyCmd) Run(env *surroundings) error {
	if err := c.there(); err != nil {
		return err
	}
	verifier, err := c.verifier()
	if err != nil {
		return err
	}
	var from []outside
	for _, name := range c.Checkpoint {
		note, err := os.ReadFile(name)
		if err != nil {
			return usage("--checkpoint: %v", err)
		}
		from = append(from, outside{name, note})
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	draw, done := env.progress("verifying")
	v, err := w.verifyFiles(env.ctx, verifier, from, draw)
	done()
	if err != nil {
		return err
	}
	if c.JSON {
		err = answer(env.stdout, v)
	} else {
		v.print(env.stdout)
	}
	if err == nil && v.Found > 0 {
		err = errWrong
	}
	return err
}

func (v *verdict) print(to io.Writer) {
	fmt.Fprintf(to, "%d events of %d clients: %d look-ups, %d refused attempts, %d lapses\n",
		v.Events, v.Clients, v.Lookups, v.Refused, v.Lapses)
	if v.Unshown > 0 {
		fmt.Fprintf(to, "%d look-ups were overtaken by the end of the reader's own access: recorded, and not shown.\n", v.Unshown)
	}
	if v.Gone > 0 {
		fmt.Fprintf(to, "%d sealed events can no longer be read: they were erased.\n", v.Gone)
	}
	if v.Closed > 0 {
		fmt.Fprintf(to, "%d sealed events stayed closed, for want of keys: that they are whole was checked, and not what they hold.\n", v.Closed)
	}
	if v.Cut != "" {
		fmt.Fprintln(to, v.Cut)
	}
	if p := v.Proof; p.Root != "" {
		fmt.Fprintf(to, "%d checkpoints, the newest of %d events; the root over all %d is %s\n", p.Checkpoints, p.Events, v.Events, p.Root)
		fmt.Fprintln(to, p.Unseen)
	}
	for _, p := range v.Problems {
		fmt.Fprintln(to, p)
	}
	if more := v.Found - len(v.Problems); more > 0 {
		fmt.Fprintf(to, "and %d more\n", more)
	}
	if v.Found == 0 {
		fmt.Fprintln(to, "In order: every record is whole, every look-up is covered, every lapse stands at its instant.")
	}
}
