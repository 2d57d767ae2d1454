// Package releases keeps the files of statistics: what was released, as it was.
//
// # Files
//
// All lie in one folder. The names of a release's begin with its quarter and the first digits of its hash:
//
//	2026Q3-1f0c….release.json     everything that was released, organisations' parts included; its hash stands in the ledger
//	2026Q3-1f0c….risk.json        how it was protected; stays inside
//	2026Q3-1f0c….package.NAME     what the Norwegian Institute of Public Health is given: tables, codebook and manifest
//
// They are complete and durable before the release is an event; files that no event names are none. What is read is compared with
// the hash that the event has: a file that was changed is not shown.
//
// # The package
//
// A table is CSV in UTF-8 with semicolons, one row for each cell, over all organisations together: categories by their names, "total"
// where a row is over all, then the number of persons and a flag. Flag 0 is a number, and 1 a number that is suppressed so that nobody
// can be recognised; the number is empty then. A table that is withheld as a whole has no rows. Numbers carry noise, so that parts do
// not add up to totals exactly: the codebook says so. It has the name, label, type, categories, universe and missing codes of every column.
//
// The manifest has a statement, which names each file with its hash, and the proof (C2SP tlog-proof) that an event of the ledger
// carries the hash of that statement, under a signed checkpoint. So with the manifest and the log's verifier string alone, Verify
// finds out whether files are those that were released, when, and from which position of the ledger.
package releases

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"samtykke/adapters/disk"
	"samtykke/domain/statistics"
)

// The names of files.
const (
	releaseFile  = "release.json"
	riskFile     = "risk.json"
	given        = "package." // before the names of what goes out
	ManifestFile = "manifest.json"
	CodebookFile = "codebook.json"
)

// ErrChanged says that a file is not what was released.
var ErrChanged = errors.New("the file is not the one that was released")

// A Shelf is the folder that releases are kept in.
type Shelf struct{ Disk disk.Disk }

// A Made release is ready to go out: its files, and what the ledger will have of it.
type Made struct {
	Release  statistics.Release
	Released statistics.Released
	files    map[string][]byte // by name, without what is common to the release's
}

// Prepare makes the files of a release, for the specification that it was made by.
func Prepare(spec statistics.Specification, r statistics.Release, risk statistics.Risk) (Made, error) {
	whole, err := encode(r)
	if err != nil {
		return Made{}, err
	}
	inside, err := encode(risk)
	if err != nil {
		return Made{}, err
	}
	m := Made{Release: r, files: map[string][]byte{releaseFile: whole, riskFile: inside}}
	out, err := pack(spec, r)
	if err != nil {
		return Made{}, err
	}
	s := state(r, out)
	for name, b := range out {
		m.files[given+name] = b
	}
	hash, err := s.hash()
	if err != nil {
		return Made{}, err
	}
	if m.files[given+statementFile], err = encode(s); err != nil {
		return Made{}, err
	}
	m.Released = statistics.Released{
		Specification: r.Specification, Version: uint64(r.Version), Period: r.Period.String(), Position: r.Position,
		Tables: sha256.Sum256(whole), Package: hash,
	}
	return m, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// name is that of one of a release's files.
func name(r statistics.Released, file string) string {
	return r.Period + "-" + r.Tables.String()[:12] + "." + file
}

// Put writes the files durably.
func (s Shelf) Put(m Made) error {
	if err := s.Disk.MakeDir(""); err != nil {
		return err
	}
	for file, b := range m.files {
		if err := s.write(name(m.Released, file), b); err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
	}
	return s.Disk.SyncDir("")
}

func (s Shelf) write(name string, b []byte) error {
	f, err := s.Disk.Open(name, true)
	if err != nil {
		return err
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Read gives a release that the ledger has. A file that is not what was released is ErrChanged.
func (s Shelf) Read(r statistics.Released) (statistics.Release, error) {
	var whole statistics.Release
	b, err := disk.ReadFile(s.Disk, name(r, releaseFile))
	if err != nil {
		return whole, fmt.Errorf("the release of %s: %w", r.Period, err)
	}
	if sha256.Sum256(b) != r.Tables {
		return whole, fmt.Errorf("the release of %s: %w", r.Period, ErrChanged)
	}
	return whole, json.Unmarshal(b, &whole)
}

// Finish writes the manifest of a release whose event is proved, and gives it. To finish again changes nothing that counts.
func (s Shelf) Finish(r statistics.Released, proof []byte) ([]byte, error) {
	b, err := disk.ReadFile(s.Disk, name(r, given+statementFile))
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := strictly(b, &m.Statement); err != nil {
		return nil, err
	}
	if hash, err := m.Statement.hash(); err != nil || hash != r.Package {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", statementFile, ErrChanged))
	}
	m.Proof = string(proof)
	if b, err = encode(m); err != nil {
		return nil, err
	}
	last := name(r, given+ManifestFile)
	if err := s.write(last+".new", b); err != nil {
		return nil, err
	}
	if err := s.Disk.Rename(last+".new", last); err != nil {
		return nil, err
	}
	return b, s.Disk.SyncDir("")
}

// Package gives the files that go out, the manifest among them once the release was finished, by name. Each is what was released.
func (s Shelf) Package(r statistics.Released) (map[string][]byte, error) {
	b, err := disk.ReadFile(s.Disk, name(r, given+ManifestFile))
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := strictly(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	if hash, err := m.Statement.hash(); err != nil || hash != r.Package {
		return nil, errors.Join(err, fmt.Errorf("%s: %w", ManifestFile, ErrChanged))
	}
	files := map[string][]byte{ManifestFile: b}
	for _, f := range m.Statement.Files {
		if files[f.Name], err = disk.ReadFile(s.Disk, name(r, given+f.Name)); err != nil {
			return nil, err
		}
	}
	return files, m.Statement.fits(files)
}
