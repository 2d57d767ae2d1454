// Command mutants plants deliberate mistakes, one at a time, and sees that the test named for each fails. Nothing in the
// working tree is changed: the compiler reads the mistaken file through an overlay.
//
// A mutant is a file *.mutant beside this one: a header, the exact text that it replaces, and what it puts there.
//
//	law: 3
//	file: domain/client/time.go
//	package: ./cmd/samtykke
//	test: TestScenarios/a-withdrawal
//	why: a withdrawn yes lapses at the deadline
//	--- old
//	...
//	--- new
//	...
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

type mutant struct {
	name                      string
	law, file, pkg, test, why string
	old, new                  string
	outcome                   chan error
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run plants all mutants, or those named.
func run(names []string) error {
	files, err := filepath.Glob("testdata/mutants/*.mutant")
	if err != nil || len(files) == 0 {
		return errors.New("no mutants found; run this from the top of the project")
	}
	var mutants []*mutant
	for _, f := range files {
		m, err := read(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		if len(names) == 0 || slices.Contains(names, m.name) {
			mutants = append(mutants, m)
		}
	}
	if err := sound(mutants); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begun := time.Now()
	slots := make(chan struct{}, runtime.NumCPU())
	for _, m := range mutants {
		go func() {
			slots <- struct{}{}
			m.outcome <- m.plant(dir)
			<-slots
		}()
	}
	failed := 0
	for _, m := range mutants {
		if err := <-m.outcome; err != nil {
			failed++
			fmt.Printf("FAIL  law %-2s  %s: %v\n", m.law, m.name, err)
			continue
		}
		fmt.Printf("ok    law %-2s  %s: %s, and %s sees it\n", m.law, m.name, m.why, m.test)
	}
	fmt.Printf("%d passed, %d failed in %v\n", len(mutants)-failed, failed, time.Since(begun).Round(time.Second))
	if failed > 0 {
		return errors.New("a mistake went unseen, or could not be planted")
	}
	return nil
}

func read(file string) (*mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := &mutant{name: strings.TrimSuffix(filepath.Base(file), ".mutant"), outcome: make(chan error, 1)}
	head, rest, ok := strings.Cut(string(text), "--- old\n")
	old, next, ok2 := strings.Cut(rest, "--- new\n")
	if !ok || !ok2 || old == "" {
		return nil, errors.New(`expected a header, "--- old" and "--- new", each on a line of its own`)
	}
	m.old, m.new = old, next
	keys := map[string]*string{"law": &m.law, "file": &m.file, "package": &m.pkg, "test": &m.test, "why": &m.why}
	for line := range strings.Lines(head) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		into := keys[key]
		if !ok || into == nil {
			return nil, fmt.Errorf("the header does not take the line %q", line)
		}
		*into = value
		delete(keys, key)
	}
	for key := range keys {
		return nil, fmt.Errorf("the header lacks %q", key)
	}
	return m, nil
}

// sound runs all the tests that the mutants name, without a mutant: they pass.
func sound(mutants []*mutant) error {
	tests := map[string][]string{}
	for _, m := range mutants {
		tests[m.pkg] = append(tests[m.pkg], m.test)
	}
	for pkg, names := range tests {
		var top []string
		for _, n := range names {
			first, _, _ := strings.Cut(n, "/")
			top = append(top, first)
		}
		if out, err := goTest(pkg, "("+strings.Join(top, "|")+")"); err != nil {
			return fmt.Errorf("%s fails without any mutant:\n%s", pkg, out)
		}
	}
	return nil
}

// plant puts the mistake in place of the right text, and gives an error unless the test fails.
func (m *mutant) plant(dir string) error {
	right, err := os.ReadFile(m.file)
	if err != nil {
		return err
	}
	if n := bytes.Count(right, []byte(m.old)); n != 1 {
		return fmt.Errorf("the text that it replaces is in %s %d times, not once", m.file, n)
	}
	path, err := filepath.Abs(m.file)
	if err != nil {
		return err
	}
	wrong, overlay := filepath.Join(dir, m.name+".go"), filepath.Join(dir, m.name+".json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: wrong}})
	if err == nil {
		err = os.WriteFile(wrong, bytes.Replace(right, []byte(m.old), []byte(m.new), 1), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		return err
	}
	out, err := goTest(m.pkg, m.test, "-overlay="+overlay)
	switch {
	case err == nil && bytes.Contains(out, []byte("no tests to run")):
		return fmt.Errorf("there is no test %s in %s", m.test, m.pkg)
	case err == nil:
		return fmt.Errorf("%s does not see that %s", m.test, m.why)
	case !bytes.Contains(out, []byte("--- FAIL: "+m.test)):
		return fmt.Errorf("%s did not fail, something else did:\n%s", m.test, out)
	}
	return nil
}

// goTest runs one test, or subtest, of a package. The tag leaves out the tests that bring a browser's whole protocol with them,
// which no mutant names: linking that anew for each would take most of the time.
func goTest(pkg, test string, flags ...string) ([]byte, error) {
	name := "^" + strings.ReplaceAll(test, "/", "$/^") + "$"
	args := append([]string{"test", "-count=1", "-vet=off", "-tags=mutants", "-ldflags=-s -w", "-timeout=2m", "-run", name}, flags...)
	return exec.Command("go", append(args, pkg)...).CombinedOutput()
}
