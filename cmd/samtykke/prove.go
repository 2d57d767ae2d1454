package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"samtykke/adapters/disk"
	"samtykke/adapters/proof"
	"samtykke/eventschema"
)

// keyFlag names whose signature counts.
type keyFlag struct {
	Key string `placeholder:"VERIFIER|FILE" help:"The log's verifier string, or a file with it; that of the data directory, if not given."`
}

func (k keyFlag) verifier() (string, error) {
	if k.Key == "" {
		return "", nil
	}
	return parseVerifier(k.Key)
}

// parseVerifier is the verifier string that is given, or that the given file holds.
func parseVerifier(given string) (string, error) {
	verifier := given
	switch b, err := os.ReadFile(given); {
	case err == nil:
		verifier = strings.TrimSpace(string(b))
	case !errors.Is(err, fs.ErrNotExist):
		return "", usage("--key: %v", err)
	}
	if !isVerifier(verifier) {
		return "", usage("--key: neither a verifier string, as keys/checkpoint.pub holds it, nor a file with one")
	}
	return verifier, nil
}

// isVerifier tells whether it is the verifier string of any log.
func isVerifier(s string) bool {
	_, err := proof.OpenCheckpoint(nil, s)
	return errors.Is(err, proof.ErrInvalid)
}

// verifier is the public half of the key for checkpoints, as it lies beside it.
func (w world) verifier() (string, error) {
	b, err := disk.ReadFile(w.disk, verifierFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usage("there is no %s: give the log's verifier with --key", verifierFile)
	}
	return strings.TrimSpace(string(b)), err
}

// signedFlags name a data directory and whose signatures count there.
type signedFlags struct {
	dataFlag
	keyFlag
}

// open gives the data directory, from which its files are read and nothing else, and the verifier string.
func (f signedFlags) open() (w world, verifier string, err error) {
	if err := f.there(); err != nil {
		return w, "", err
	}
	if verifier, err = f.verifier(); err != nil {
		return w, "", err
	}
	if w, err = realWorld(f.Data); err != nil {
		return w, "", err
	}
	if verifier == "" {
		verifier, err = w.verifier()
	}
	return w, verifier, err
}

// unproven says what a failure to prove means for the command line.
func unproven(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("nothing has been signed here yet")
	case errors.Is(err, proof.ErrNoEvent):
		return usageError(err.Error())
	case errors.Is(err, proof.ErrInvalid), errors.As(err, new(*proof.Problem)):
		return fmt.Errorf("%w: %w", errWrong, err)
	}
	return err
}

type checkpointCmd struct{ signedFlags }

// Run prints the newest checkpoint as it was signed, also beside a server.
func (c *checkpointCmd) Run(env *surroundings) error {
	w, verifier, err := c.open()
	if err != nil {
		return err
	}
	newest, err := proof.Newest(disk.Sub(w.disk, proofDir), verifier)
	if err != nil {
		return unproven(err)
	}
	_, err = env.stdout.Write(newest.Note)
	return err
}

type proveCmd struct {
	signedFlags
	Position string `arg:"" help:"The event's position in the ledger, as the other commands print it."`
}

// Run prints the proof, from the files alone.
func (c *proveCmd) Run(env *surroundings) (err error) {
	position, err := strconv.ParseUint(c.Position, 10, 64)
	if err != nil || position == 0 {
		return usage("the position is a number from 1")
	}
	w, verifier, err := c.open()
	if err != nil {
		return err
	}
	store, _, err := w.openReader(env.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	document, err := proof.Prove(env.ctx, store, disk.Sub(w.disk, proofDir), verifier, position)
	if err != nil {
		return unproven(err)
	}
	_, err = env.stdout.Write(document)
	return err
}

type verifyProofCmd struct {
	File string `arg:"" help:"A proof, as prove prints it."`
	Key  string `required:"" placeholder:"VERIFIER|FILE" help:"The verifier string of the log that is trusted, or a file that holds it."`
	JSON bool   `name:"json" help:"Answer as JSON."`
}

// maxProof is longer than any proof.
const maxProof = 64 << 20

// Run checks a proof without any ledger.
func (c *verifyProofCmd) Run(env *surroundings) error {
	verifier, err := parseVerifier(c.Key)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return usageError(err.Error())
	}
	defer f.Close()
	document, err := io.ReadAll(io.LimitReader(f, maxProof))
	if err != nil {
		return err
	}
	p, err := proof.VerifyProof(document, verifier)
	if errors.Is(err, proof.ErrInvalid) {
		return fmt.Errorf("%w: %w", errUnproven, err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return answer(env.stdout, proven{p.Checkpoint.Origin, p.Checkpoint.Size, p.Checkpoint.Root.String(), p.Record.Position, p.Fact})
	}
	return printProven(env.stdout, &p)
}

// errUnproven says that a proof does not hold.
var errUnproven = errors.New("the proof proves nothing")

// proven is what a proof shows, as JSON.
type proven struct {
	Log      string           `json:"log"`
	Size     uint64           `json:"size"`
	Root     string           `json:"root"`
	Position uint64           `json:"position"`
	Event    eventschema.Fact `json:"event"`
}

func printProven(to io.Writer, p *proof.Proven) error {
	content := "its content is sealed under the key of " + p.Fact.Owner.String() + ", and not part of the proof"
	if p.Fact.Closed == nil {
		b, err := p.Fact.Content()
		if err != nil {
			return err
		}
		content = string(b)
	}
	_, err := fmt.Fprintf(to, `The log %s signed a checkpoint of its first %d events, with the root %s.
Among them, at position %d, stands the event
  %s
  %s
Nobody can change, remove or move it without contradicting that checkpoint. Not shown is that what the event says is true, that its
stream has no other events, or that everybody is shown the same tree: for that, compare checkpoints.
`, p.Checkpoint.Origin, p.Checkpoint.Size, p.Checkpoint.Root, p.Record.Position, eventLine(&p.Fact), content)
	return err
}
