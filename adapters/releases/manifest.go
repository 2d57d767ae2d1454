package releases

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"samtykke/adapters/proof"
	"samtykke/domain/statistics"
)

// statementFile holds the statement until the manifest, which repeats it, can be made.
const statementFile = "statement.json"

// A Statement says what was released.
type Statement struct {
	Specification string             `json:"specification"`
	Version       int                `json:"version"`
	Rule          string             `json:"rule"`
	Period        statistics.Quarter `json:"period"`
	Position      uint64             `json:"position"` // of the last event of the ledger that it rests on
	Threshold     int                `json:"threshold"`
	FewestForMean int                `json:"fewestForMean"`
	Files         []File             `json:"files"`
}

// A File is one that was released.
type File struct {
	Name   string          `json:"name"`
	Bytes  int             `json:"bytes"`
	SHA256 statistics.Hash `json:"sha256"`
}

// A Manifest is a statement with the proof that the ledger has it.
type Manifest struct {
	Statement Statement `json:"statement"`
	Proof     string    `json:"proof"`
}

func state(r statistics.Release, files map[string][]byte) Statement {
	s := Statement{
		Specification: r.Specification, Version: r.Version, Rule: r.Rule, Period: r.Period, Position: r.Position,
		Threshold: r.Threshold, FewestForMean: r.FewestForMean,
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s.Files = append(s.Files, File{name, len(files[name]), sha256.Sum256(files[name])})
	}
	return s
}

// hash is what the ledger has of a statement.
func (s Statement) hash() (statistics.Hash, error) {
	b, err := json.Marshal(s)
	return sha256.Sum256(b), err
}

// fits reports a file that is missing, or is not what the statement says. Others are none of its business.
func (s Statement) fits(files map[string][]byte) error {
	var faults []error
	for _, f := range s.Files {
		b, ok := files[f.Name]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%s is missing", f.Name))
		case sha256.Sum256(b) != f.SHA256:
			faults = append(faults, fmt.Errorf("%s: %w", f.Name, ErrChanged))
		}
	}
	return errors.Join(faults...)
}

// strictly decodes a whole document, and nothing that it should not have.
func strictly(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New("not as a manifest is written") // the decoder's own words may quote what it read
	}
	if d.More() {
		return errors.New("more than one document")
	}
	return nil
}

// A Verified manifest is one that the ledger has.
type Verified struct {
	Statement Statement
	Event     proof.Proven // the release, as the ledger has it
}

// Verify checks a manifest against the verifier string of the log that is trusted, and the files that it names: that they are those
// which the ledger has as released. A fault is ErrChanged, or proof.ErrInvalid, and names the file.
func Verify(manifest []byte, files map[string][]byte, verifier string) (Verified, error) {
	var m Manifest
	if err := strictly(manifest, &m); err != nil {
		return Verified{}, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	p, err := proof.VerifyProof([]byte(m.Proof), verifier)
	if err != nil {
		return Verified{}, fmt.Errorf("%s: %w", ManifestFile, err)
	}
	hash, err := m.Statement.hash()
	if err != nil {
		return Verified{}, err
	}
	b, ok := p.Fact.Body.(statistics.Released)
	if !ok {
		return Verified{}, fmt.Errorf("%s: %w: what it proves is no release", ManifestFile, ErrChanged)
	}
	if b.Package != hash || b.Period != m.Statement.Period.String() || b.Position != m.Statement.Position {
		return Verified{}, fmt.Errorf("%s: %w: the ledger has another statement", ManifestFile, ErrChanged)
	}
	return Verified{m.Statement, p}, m.Statement.fits(files)
}
