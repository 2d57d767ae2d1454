// Command clauses lists every clause and law with what shows it: scenarios, and tests of the whole program where no scenario can, as in a
// browser or over all bytes of a disk. A scenario names what it shows in its line "shows A04 law-1", a test in such a line of its comment.
// One that names what is not in the register is an error.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if err := run(os.Stdout, "testdata"); err != nil {
		fmt.Fprintln(os.Stderr, "clauses:", err)
		os.Exit(1)
	}
}

func run(to io.Writer, dir string) error {
	ids, err := register(filepath.Join(dir, "clauses.tsv"))
	if err != nil {
		return err
	}
	shownBy, err := scenarios(filepath.Join(dir, "scenarios", "*.txt"))
	for _, of := range []string{"cmd/samtykke", "domain/*"} {
		if err == nil {
			err = tests(filepath.Join(dir, "..", filepath.FromSlash(of), "*_test.go"), shownBy)
		}
	}
	if err != nil {
		return err
	}
	shown := 0
	for _, id := range ids {
		by := "open"
		if names := shownBy[id]; len(names) > 0 {
			by = strings.Join(names, ", ")
			shown++
		}
		fmt.Fprintf(to, "%-6s  %s\n", id, by)
		delete(shownBy, id)
	}
	for id, names := range shownBy {
		return fmt.Errorf("%s is not in the register; named by %s", id, strings.Join(names, ", "))
	}
	_, err = fmt.Fprintf(to, "%d shown, %d open\n", shown, len(ids)-shown)
	return err
}

// register reads the ids in their order.
func register(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var ids []string
	known := map[string]bool{}
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || known[fields[0]] {
			return nil, fmt.Errorf("%s:%d: expected an id of its own, what must hold, and the source, with tabs between", file, n+1)
		}
		known[fields[0]] = true
		ids = append(ids, fields[0])
	}
	return ids, nil
}

// scenarios gives, for each id, the names of the scenarios that show it.
func scenarios(pattern string) (map[string][]string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no scenarios at %s; run this from the top of the project", pattern)
	}
	shownBy := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if ids, ok := strings.CutPrefix(line, "shows "); ok {
				for _, id := range strings.Fields(ids) {
					shownBy[id] = append(shownBy[id], strings.TrimSuffix(filepath.Base(file), ".txt"))
				}
			}
		}
	}
	return shownBy, nil
}

var test = regexp.MustCompile(`(?m)^// shows (.*)\nfunc (Test\w+)\(`)

// tests adds the names of the tests that show something.
func tests(pattern string, shownBy map[string][]string) error {
	files, err := filepath.Glob(pattern)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range test.FindAllSubmatch(text, -1) {
			for _, id := range strings.Fields(string(m[1])) {
				shownBy[id] = append(shownBy[id], string(m[2]))
			}
		}
	}
	return err
}
