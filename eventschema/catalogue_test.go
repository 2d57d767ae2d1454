package eventschema

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
)

// parseDir parses the package's files, tests left out.
func parseDir(t *testing.T, dir string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// Every type with the method fact, in whatever package of the domain, has a row, and so has no other type.
func TestCatalogueComplete(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range Today.Rows() {
		if !r.Retired {
			rows[r.Body().String()] = true
		}
	}
	dirs, err := os.ReadDir("../domain")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		for _, f := range parseDir(t, filepath.Join("../domain", d.Name())) {
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || fn.Recv == nil || fn.Name.Name != "fact" {
					continue
				}
				name := f.Name.Name + "." + fn.Recv.List[0].Type.(*ast.Ident).Name
				if !rows[name] {
					t.Errorf("%s has no row", name)
				}
				delete(rows, name)
				found++
			}
		}
	}
	for name := range rows {
		t.Errorf("%s has a row and is no event of the domain", name)
	}
	if found < 30 {
		t.Errorf("only %d events found: the test does not look where they are", found)
	}
}

// Every body folds: in the package it belongs to, and without a panic.
func TestEvolveTotal(t *testing.T) {
	for _, r := range Today.Rows() {
		if r.Retired {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Error(p)
				}
			}()
			switch b := reflect.Zero(r.Body()).Interface().(type) {
			case client.Body:
				client.Evolve(client.State{}, client.Event{Body: b})
			case journal.Body:
				journal.Evolve(journal.State{}, journal.Event{Body: b})
			case organisation.Body:
				organisation.Evolve(organisation.State{}, organisation.Event{Body: b})
			case oversight.Body:
				if r.Category == AccessStream {
					oversight.EvolveAccess(oversight.Access{}, oversight.Event{Body: b})
					break
				}
				oversight.Evolve(oversight.State{}, oversight.Event{Body: b})
			case staff.Body:
				staff.Evolve(staff.State{}, staff.Event{Body: b})
			case statistics.Body:
				statistics.Evolve(statistics.State{}, statistics.Event{Body: b})
			default:
				t.Errorf("%T is folded by no package", b)
			}
		})
	}
}

// Names and versions are written out in the catalogue, each pair once; no name comes from a Go identifier.
func TestNamesAreLiteral(t *testing.T) {
	var found []string
	for _, f := range parseDir(t, ".") {
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR || g.Specs[0].(*ast.ValueSpec).Names[0].Name != "rows" {
				continue
			}
			for _, e := range g.Specs[0].(*ast.ValueSpec).Values[0].(*ast.CompositeLit).Elts {
				name, version := "", ""
				ast.Inspect(e, func(n ast.Node) bool {
					if _, inner := n.(*ast.FuncLit); inner {
						return false
					}
					if lit, ok := n.(*ast.BasicLit); ok {
						switch lit.Kind {
						case token.STRING:
							name, _ = strconv.Unquote(lit.Value)
						case token.INT:
							version = lit.Value
						}
					}
					return true
				})
				found = append(found, name+"/"+version)
			}
		}
	}
	seen := map[string]bool{}
	for i, r := range Today.Rows() {
		key := fmt.Sprintf("%s/%d", r.Name, r.Version)
		if i >= len(found) || found[i] != key {
			t.Errorf("row %d, %s: name and version are not written out as literals", i, key)
		}
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
	}
}

func TestCategories(t *testing.T) {
	for _, c := range []Category{ClientStream, JournalStream, OrganisationStream, RefusedStream, OversightStream, FeedbackStream, StaffStream, AccessStream} {
		got, subject, err := Split(c.Stream(id(7)))
		if err != nil || got != c || subject != id(7) {
			t.Errorf("%s is read as %s, %s, %v", c.Stream(id(7)), got, subject, err)
		}
	}
	for _, bad := range []string{"", "client", "client-", "client-x", "-" + id(7).String() + "x", id(7).String()} {
		if c, _, err := Split(bad); err == nil {
			t.Errorf("%q is taken for a stream of %s", bad, c)
		}
	}
}

// A catalogue that cannot be is refused when the program starts.
func TestImpossibleCatalogues(t *testing.T) {
	type a struct{ N int }
	type b struct{ N int }
	up := func(x a) b { return b(x) }
	for name, rows := range map[string][]Row{
		"a gap":               {open[a](ClientStream, "x", 2)},
		"a version twice":     {open[a](ClientStream, "x", 1), open[b](ClientStream, "x", 1)},
		"a type twice":        {open[a](ClientStream, "x", 1), open[a](ClientStream, "y", 1)},
		"two in use":          {open[a](ClientStream, "x", 1), open[b](ClientStream, "x", 2)},
		"the last is retired": {retired(open[a](ClientStream, "x", 1), up)},
		"a name too long":     {open[a](ClientStream, strings.Repeat("x", 256), 1)},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			newCatalogue(rows)
		}()
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a map in a body: taken")
			}
		}()
		open[struct{ M map[string]int }](ClientStream, "x", 1)
	}()
}

// An event of an older shape is decoded to today's, over as many versions as lie between, open or sealed, and is written
// in today's only.
func TestUpcast(t *testing.T) {
	type first struct{ Weeks int }
	type second struct {
		Days  int
		About string
	}
	type third struct {
		Days  uint64
		About string
		Kinds []string
	}
	toSecond := func(f first) second { return second{f.Weeks * 7, "migrated"} }
	toThird := func(s second) third { return third{uint64(s.Days), s.About, []string{s.About}} }
	for _, key := range []string{"", KeyClient} {
		row := func(r Row) Row {
			if key == "" {
				return r
			}
			r.Key, r.owner = key, func(stream domain.ID, _ any) Owner { return Owner{Kind: key, ID: stream} }
			return r
		}
		form := func(r Row, sealed shape) Row {
			if key != "" {
				r.form = sealed
			}
			return r
		}
		v1 := form(row(open[first](ClientStream, "x", 1)), shapeOf(reflect.TypeFor[plainShape[first]]()))
		v2 := form(row(open[second](ClientStream, "x", 2)), shapeOf(reflect.TypeFor[plainShape[second]]()))
		v3 := form(row(open[third](ClientStream, "x", 3)), shapeOf(reflect.TypeFor[plainShape[third]]()))
		then := newCatalogue([]Row{v1})
		later := newCatalogue([]Row{retired(v1, toSecond), v2})
		now := newCatalogue([]Row{retired(v1, toSecond), retired(v2, toThird), v3})

		write := func(c *Catalogue, body any) Record {
			t.Helper()
			f := sampleFact(client.Declined{})
			f.Body = body
			r, err := c.Encode(&f, unsealed{})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		for schema, r := range map[int]Record{1: write(then, first{26}), 2: write(later, second{182, "migrated"}), 3: write(now, third{182, "migrated", []string{"migrated"}})} {
			f, err := now.Decode(&r, unsealed{})
			if err != nil {
				t.Fatal(err)
			}
			if want := (third{182, "migrated", []string{"migrated"}}); !reflect.DeepEqual(f.Body, want) || f.Schema != schema || f.Rule == "" {
				t.Errorf("key %q: version %d is now %#v of schema %d", key, schema, f.Body, f.Schema)
			}
			if err := now.Check(&r); err != nil {
				t.Errorf("key %q: version %d: %v", key, schema, err)
			}
		}
		// The reader of yesterday stops at what it does not know.
		r := write(now, third{1, "x", nil})
		var unknown *UnknownError
		if _, err := then.Decode(&r, unsealed{}); !errors.As(err, &unknown) || unknown.Name != "x" || unknown.Version != 3 {
			t.Errorf("version 3 read by a program of version 1: %v", err)
		}
		f := sampleFact(client.Declined{})
		f.Body = first{1}
		if _, err := now.Encode(&f, unsealed{}); err == nil {
			t.Error("an old shape is written")
		}
	}
}
