// Command mutants plants deliberate mistakes, and sees for each that the test named for it passes without it and fails with it.
// Nothing in the working tree is changed: the compiler reads the mistaken files through an overlay.
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
//
// All mistakes are built at once, since to build anew for each would take most of the time. What a mistake changes, a function's body or
// the value of a package's variable, stands there twice, wrong and right, and the environment variable MUTANT says at run time
// which mistake is made; without it, none. So a mistake in a constant or a type cannot be planted: plant it where that is used.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
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

// run tries all mutants, or those named; after "plant", it only sees that each text that is to be replaced still stands where it says.
func run(names []string) error {
	only := len(names) == 1 && names[0] == "plant"
	if only {
		names = nil
	}
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
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if only {
		_, err = plantAll(dir, mutants)
		return err
	}
	begun := time.Now()
	tests, err := build(dir, mutants)
	if err != nil {
		return err
	}
	sound := map[string]func() error{} // what tests say without any mistake, by their names: several mistakes may be named to one
	for _, m := range mutants {
		if sound[m.pkg+m.test] == nil {
			sound[m.pkg+m.test] = sync.OnceValue(func() error { return m.passes(tests[m.pkg]) })
		}
	}
	slots := make(chan struct{}, runtime.NumCPU())
	for _, m := range mutants {
		go func() {
			slots <- struct{}{}
			err := sound[m.pkg+m.test]()
			if err == nil {
				err = m.fails(tests[m.pkg])
			}
			m.outcome <- err
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
		return errors.New("a mistake went unseen, or a test fails without one")
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

// build compiles the tests of every package that a mutant names, with all mutants planted, and gives the program of each. The tag leaves
// out the tests that bring a browser's whole protocol with them, which no mutant names.
func build(dir string, mutants []*mutant) (map[string]string, error) {
	overlay, err := plantAll(dir, mutants)
	if err != nil {
		return nil, err
	}
	tests := map[string]string{}
	for _, m := range mutants {
		tests[m.pkg] = filepath.Join(dir, filepath.Base(m.pkg)+".test")
	}
	args := []string{"test", "-c", "-o", dir, "-overlay", overlay, "-vet=off", "-tags=mutants", "-ldflags=-s -w"}
	c := exec.Command("go", append(args, slices.Sorted(maps.Keys(tests))...)...)
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the tests cannot be built with the mistakes in them; each can be tried alone, by its name:\n%s", out)
	}
	return tests, nil
}

// switches is a file beside each planted one. A package's variables may need it while the program starts.
const switches = `package %s

import "os"

func mutantOn(name string) bool { return os.Getenv("MUTANT") == name }

func mutantOr[T any](name string, wrong, right T) T {
	if mutantOn(name) {
		return wrong
	}
	return right
}
`

// plantAll writes the mistaken files, and the overlay that has the compiler read them.
func plantAll(dir string, mutants []*mutant) (overlay string, err error) {
	in := map[string][]*mutant{}
	for _, m := range mutants {
		in[m.file] = append(in[m.file], m)
	}
	replace := map[string]string{}
	put := func(name string, text []byte) error {
		path, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		replace[path] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		return os.WriteFile(replace[path], text, 0o600)
	}
	for file, planted := range in {
		text, pkg, wrong := plant(file, planted)
		err = errors.Join(err, wrong, put(file, text), put(filepath.Join(filepath.Dir(file), "mutants_switches.go"), fmt.Appendf(nil, switches, pkg)))
	}
	list, wrong := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err = errors.Join(err, wrong); err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// plant gives a file's text with the mistakes beside what they stand in place of, and the name of its package.
func plant(file string, mutants []*mutant) (text []byte, pkg string, err error) {
	right, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, right, parser.SkipObjectResolution)
	if err != nil {
		return nil, "", err
	}
	before := map[int]string{} // what is put in, by where
	for _, m := range mutants {
		at := bytes.Index(right, []byte(m.old))
		p, ok := around(parsed, at, at+len(m.old))
		switch n := bytes.Count(right, []byte(m.old)); {
		case n != 1:
			err = errors.Join(err, fmt.Errorf("%s: the text that it replaces is in %s %d times, not once", m.name, file, n))
			continue
		case !ok:
			err = errors.Join(err, fmt.Errorf("%s: the text that it replaces is not within a function's body or a variable's value", m.name))
			continue
		}
		wrong := bytes.Replace(right[p.from:p.to], []byte(m.old), []byte(m.new), 1)
		switch p.what {
		case value:
			before[p.from] += fmt.Sprintf("mutantOr(%q, %s, ", m.name, wrong)
			before[p.to] += ")"
		case bodyWithResult:
			before[p.from] += fmt.Sprintf("\nif mutantOn(%q) {%s}\n", m.name, wrong)
		case body:
			before[p.from] += fmt.Sprintf("\nif mutantOn(%q) {%s\nreturn }\n", m.name, wrong)
		}
	}
	done := 0
	for _, at := range slices.Sorted(maps.Keys(before)) {
		text = append(append(text, right[done:at]...), before[at]...)
		done = at
	}
	return append(text, right[done:]...), parsed.Name.Name, err
}

// A place is what stands twice, by offsets in its file: what is between the braces of a function, or the value of a variable.
type place struct {
	what     int
	from, to int
}

const (
	body = iota
	bodyWithResult
	value
)

// around finds the place that has all the text from one offset to another.
func around(file *ast.File, from, to int) (place, bool) {
	var all []place
	add := func(what int, begin, end token.Pos) {
		all = append(all, place{what, int(begin - file.FileStart), int(end - file.FileStart)})
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			what := body
			if d.Type.Results != nil {
				what = bodyWithResult
			}
			add(what, d.Body.Lbrace+1, d.Body.Rbrace)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.VAR && len(v.Values) == 1 {
					add(value, v.Values[0].Pos(), v.Values[0].End())
				}
			}
		}
	}
	i := slices.IndexFunc(all, func(p place) bool { return p.from <= from && to <= p.to })
	if i < 0 {
		return place{}, false
	}
	return all[i], true
}

// passes runs the test without any mistake.
func (m *mutant) passes(program string) error {
	out, err := m.runTest(program, "")
	switch {
	case err != nil:
		return fmt.Errorf("%s fails without any mistake:\n%s", m.test, out)
	case bytes.Contains(out, []byte("no tests to run")):
		return fmt.Errorf("there is no test %s in %s", m.test, m.pkg)
	}
	return nil
}

// fails runs the test with the mistake.
func (m *mutant) fails(program string) error {
	switch out, err := m.runTest(program, m.name); {
	case err == nil:
		return fmt.Errorf("%s does not see that %s", m.test, m.why)
	case !bytes.Contains(out, []byte("--- FAIL: "+m.test)):
		return fmt.Errorf("%s did not fail, something else did:\n%s", m.test, out)
	}
	return nil
}

// runTest runs one test, or subtest, with a mistake; "" is none.
func (m *mutant) runTest(program, mistake string) ([]byte, error) {
	name := "^" + strings.ReplaceAll(m.test, "/", "$/^") + "$"
	c := exec.Command(program, "-test.timeout=2m", "-test.run="+name)
	c.Dir, c.Env = m.pkg, append(os.Environ(), "MUTANT="+mistake)
	return c.CombinedOutput()
}
