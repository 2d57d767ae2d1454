package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"samtykke/adapters/proof"
)

// Beside whoever has the ledger open, the newest checkpoint can be had, and nothing is verified or proven.
func TestProvingBesideAServer(t *testing.T) {
	dir := t.TempDir()
	inhabited(t, realDisk(t, dir))
	r := newRig(t, realDisk(t, dir), 2)
	r.open()
	r.must(r.sys.signAll(t.Context()))
	for _, args := range [][]string{{"verify", "--data", dir}, {"prove", "--data", dir, "1"}} {
		if code, out, errs := called(args...); code != exitInUse || out != "" {
			t.Errorf("%s: exit code %d, %s%s", args[0], code, out, errs)
		}
	}
	newest, err := os.ReadFile(filepath.Join(dir, proofDir, "checkpoint"))
	r.must(err)
	if code, out, errs := called("checkpoint", "--data", dir); code != 0 || out != string(newest) {
		t.Errorf("checkpoint: exit code %d, %s%s", code, out, errs)
	}
	r.must(r.sys.close())
	if code, out, errs := called("verify", "--data", dir); code != 0 {
		t.Errorf("verify: exit code %d, %s%s", code, out, errs)
	}
}

// A proof that does not hold, a ledger that contradicts its checkpoint and a command line that is wrong are told apart by the exit code.
func TestExitCodesOfProofs(t *testing.T) {
	dir, outer := t.TempDir(), t.TempDir()
	inhabited(t, realDisk(t, dir))
	pub := filepath.Join(dir, verifierFile)
	file := func(name string, b []byte) string {
		name = filepath.Join(outer, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	code, document, errs := called("prove", "--data", dir, "5")
	if code != 0 {
		t.Fatal(code, errs)
	}
	other, err := proof.LoadKey(realDisk(t, outer), "other.key", "samtykke/other", newRandom(1))
	if err != nil {
		t.Fatal(err)
	}
	good := file("good", []byte(document))
	for _, c := range []struct {
		what string
		code int
		args []string
	}{
		{"a proof", 0, []string{"verify-proof", good, "--key", pub}},
		{"cut short", exitWrong, []string{"verify-proof", file("short", []byte(document[:len(document)-9])), "--key", pub}},
		{"empty", exitWrong, []string{"verify-proof", file("empty", nil), "--key", pub}},
		{"moved", exitWrong, []string{"verify-proof", file("moved", []byte(strings.Replace(document, "index 4", "index 3", 1))), "--key", pub}},
		{"another log's key", exitWrong, []string{"verify-proof", good, "--key", other.Verifier()}},
		{"no such file", exitUsage, []string{"verify-proof", filepath.Join(outer, "nowhere"), "--key", pub}},
		{"no verifier string", exitUsage, []string{"verify-proof", good, "--key", good}},
		{"no position", exitUsage, []string{"prove", "--data", dir, "x"}},
		{"position 0", exitUsage, []string{"prove", "--data", dir, "0"}},
		{"too far", exitUsage, []string{"prove", "--data", dir, "1000"}},
		{"prove for another log", exitWrong, []string{"prove", "--data", dir, "5", "--key", other.Verifier()}},
		{"checkpoint of another log", exitWrong, []string{"checkpoint", "--data", dir, "--key", other.Verifier()}},
		{"verify with another log's key", exitWrong, []string{"verify", "--data", dir, "--key", other.Verifier()}},
		{"no checkpoint from outside", exitUsage, []string{"verify", "--data", dir, "--checkpoint", filepath.Join(outer, "nowhere")}},
		{"what is no checkpoint", exitWrong, []string{"verify", "--data", dir, "--checkpoint", good}},
	} {
		if code, out, errs := called(c.args...); code != c.code || code != 0 && errs == "" {
			t.Errorf("%s: exit code %d, expected %d: %s%s", c.what, code, c.code, out, errs)
		}
	}
	tile, err := filepath.Glob(filepath.Join(dir, proofDir, "tile", "0", "000.p", "*"))
	if err != nil || len(tile) != 1 {
		t.Fatal(tile, err)
	}
	b, err := os.ReadFile(tile[0])
	if err != nil {
		t.Fatal(err)
	}
	b[4*32] ^= 1
	if err := os.WriteFile(tile[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := called("prove", "--data", dir, "5"); code != exitWrong || !strings.Contains(errs, "the root that was signed") {
		t.Errorf("a changed tile: exit code %d, %s", code, errs)
	}
	if code, out, _ := called("verify", "--data", dir); code != exitWrong || !strings.Contains(out, "position 5: the event in the ledger is not the one in the tile") {
		t.Errorf("a changed tile: exit code %d, %s", code, out)
	}
}
