package domain_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports is the policy: which folder may import which of ours. It is a statement of what depends on what, not a record of
// what happens to: do not change it to make a build pass. Dependencies run one way,
//
//	cmd → adapters → projections → eventschema → domain
//
// and a folder that has no line here fails, so that a new one begins with a decision. A name that ends in /... stands for
// all below it. Tests may import more.
const imports = `
domain
domain/rules          domain
domain/client         domain domain/rules
domain/disclosure
domain/journal        domain domain/rules domain/client
domain/organisation   domain domain/rules
domain/oversight      domain domain/rules domain/client domain/journal
domain/staff          domain domain/rules domain/organisation
domain/statistics     domain domain/rules domain/client domain/journal domain/disclosure
domain/domaintest     domain domain/rules domain/client

eventschema           domain domain/...
projections           eventschema domain domain/...

adapters/disk
adapters/disk/simdisk adapters/disk

adapters/keyring             adapters/disk domain
adapters/keyring/keyringtest adapters/keyring domain
adapters/signin              adapters/disk domain
adapters/signin/signintest   adapters/signin domain

adapters/spans             eventschema
adapters/ledger            adapters/keyring adapters/spans eventschema domain
adapters/ledger/ledgertest adapters/ledger adapters/keyring eventschema domain domain/...
adapters/esdb              adapters/disk adapters/ledger eventschema domain
adapters/esdb/esdbtest
adapters/filestore         adapters/disk adapters/ledger eventschema domain
adapters/postgres          adapters/keyring adapters/ledger adapters/relay adapters/signin adapters/views eventschema domain
adapters/postgres/postgrestest
adapters/proof             adapters/disk adapters/ledger eventschema
adapters/endings           adapters/disk adapters/filestore adapters/keyring adapters/ledger eventschema domain domain/...

adapters/relay           adapters/disk adapters/ledger eventschema domain domain/client
adapters/relay/relaytest adapters/relay
adapters/relay/jetstream adapters/relay
adapters/relay/postgres  adapters/relay
adapters/relay/webhook   adapters/relay

adapters/views  adapters/disk adapters/keyring adapters/ledger projections eventschema domain domain/...
adapters/releases adapters/disk adapters/proof domain/statistics domain/disclosure
adapters/evidence projections eventschema domain domain/...
adapters/audit  projections eventschema domain domain/...
adapters/desk   adapters/views adapters/keyring adapters/ledger adapters/signin projections eventschema domain domain/...
adapters/web       domain
adapters/web/text  domain
adapters/web/content domain
adapters/web/page  adapters/web adapters/web/api domain domain/...
adapters/web/entrance adapters/web/api adapters/web/page adapters/web/text domain domain/...
adapters/web/client   adapters/web adapters/web/api adapters/web/page adapters/web/text adapters/web/content domain domain/...
adapters/web/oversight adapters/web/api adapters/web/page domain domain/...
adapters/web/auditor  adapters/web adapters/web/api adapters/web/page adapters/audit domain domain/...
adapters/web/professional adapters/web adapters/web/api adapters/web/page adapters/web/content domain domain/...
adapters/web/statistics adapters/web adapters/web/api adapters/web/page domain domain/...
adapters/web/api   adapters/web adapters/web/text adapters/audit adapters/releases adapters/desk adapters/views adapters/ledger adapters/signin adapters/spans projections eventschema domain domain/...
adapters/operations adapters/web adapters/spans eventschema domain domain/...

cmd/...         cmd/... adapters/... projections eventschema domain domain/...
`

const (
	module = "samtykke/"
	root   = ".."
)

// A source is a file of the module that is no test.
type source struct {
	dir, path string
	file      *ast.File
	set       *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		all = append(all, source{filepath.ToSlash(filepath.Dir(rel)), rel, f, set})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files found: the test does not look where they are", len(all))
	}
	return all
}

func (s source) imports() (paths []string) {
	for _, i := range s.file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.set.Position(n.Pos()).Line)
}

// covers tells whether the name in the policy stands for the folder.
func covers(name, dir string) bool {
	if below, ok := strings.CutSuffix(name, "/..."); ok {
		return strings.HasPrefix(dir, below+"/")
	}
	return name == dir
}

func TestImports(t *testing.T) {
	allowed := map[string][]string{}
	for line := range strings.Lines(imports) {
		if words := strings.Fields(line); len(words) > 0 {
			if _, twice := allowed[words[0]]; twice {
				t.Errorf("%s has two lines", words[0])
			}
			allowed[words[0]] = words[1:]
		}
	}
	used := map[string]bool{}
	for _, s := range sources(t) {
		line := ""
		for name := range allowed {
			if covers(name, s.dir) {
				line = name
			}
		}
		if line == "" {
			t.Errorf("%s has no line in the policy: decide first what it may import", s.dir)
			continue
		}
		used[line] = true
		for _, p := range s.imports() {
			dir, ours := strings.CutPrefix(p, module)
			if ours && !slices.ContainsFunc(allowed[line], func(name string) bool { return covers(name, dir) }) {
				t.Errorf("%s: %s must not import %s", s.path, s.dir, dir)
			}
		}
	}
	for name := range allowed {
		if !used[name] {
			t.Errorf("the policy has a line for %s, which there is not", name)
		}
	}
}

// below tells whether the folder is the one named or below it.
func below(dir string, tops ...string) bool {
	return slices.ContainsFunc(tops, func(top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") })
}

// The core takes the clock, randomness and files from nobody: instants, ids and rules come in as arguments. The domain
// does not encode either.
func TestPurity(t *testing.T) {
	const core = "domain eventschema projections"
	forbidden := func(dir, path string) bool {
		switch path {
		case "os", "net", "syscall", "unsafe", "crypto/rand", "math/rand", "math/rand/v2", "log", "runtime":
			return true
		}
		if strings.HasPrefix(path, "os/") || strings.HasPrefix(path, "net/") && path != "net/mail" || strings.HasPrefix(path, "runtime/") {
			return true
		}
		return below(dir, "domain") && (path == "encoding" || strings.HasPrefix(path, "encoding/") || strings.HasPrefix(path, "crypto/"))
	}
	libraries := map[string][]string{
		"domain":            {"github.com/google/uuid"},
		"domain/domaintest": {"github.com/google/go-cmp/cmp", "pgregory.net/rapid"},
	}
	for _, s := range sources(t) {
		if !below(s.dir, strings.Fields(core)...) {
			continue
		}
		for _, p := range s.imports() {
			if forbidden(s.dir, p) {
				t.Errorf("%s: %s must not import %s", s.path, s.dir, p)
			}
			if strings.Contains(strings.SplitN(p, "/", 2)[0], ".") && !slices.Contains(libraries[s.dir], p) {
				t.Errorf("%s: %s must not import the library %s", s.path, s.dir, p)
			}
			if p == "testing" && s.dir != "domain/domaintest" {
				t.Errorf("%s: the program imports testing", s.path)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				switch sel.Sel.Name {
				case "Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep", "Local", "LoadLocation":
					t.Errorf("%s: time.%s: take the instant from domain.Act, the zone from domain.Oslo", s.at(n), sel.Sel.Name)
				}
			}
			return true
		})
		for _, i := range s.file.Imports {
			if i.Name != nil && (i.Name.Name == "." || i.Path.Value == `"time"`) {
				t.Errorf("%s: %s under another name hides what is used of it", s.at(i), i.Path.Value)
			}
		}
	}
}
