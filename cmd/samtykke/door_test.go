package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A source is one file of the program, with what its imports are called.
type source struct {
	pkg     string // path below the module
	file    *ast.File
	imports map[string]string // name in the file: import path
}

// sources are all files of the module but its tests.
func sources(t *testing.T, root string) (all []source) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && name != root) {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		s := source{pkg: filepath.ToSlash(rel), file: f, imports: map[string]string{}}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			called := path.Base(p)
			if i.Name != nil {
				called = i.Name.Name
			}
			s.imports[called] = p
			if called == "." && strings.HasPrefix(p, "samtykke/") {
				t.Errorf("%s: imports %s with a dot: this test cannot see what it takes from there", name, p)
			}
		}
		all = append(all, s)
		return nil
	})
	if err != nil || len(all) < 30 {
		t.Fatalf("%d files of the program: %v", len(all), err)
	}
	return all
}

// mentions tells whether a type's text names one of the types, each given as package.Name.
func (s source) mentions(e ast.Node, types map[string]bool) (found bool) {
	if e == nil {
		return false
	}
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				p := strings.TrimPrefix(s.imports[x.Name], "samtykke/")
				found = found || types[p+"."+n.Sel.Name]
			}
			return false
		case *ast.StructType:
			for _, f := range n.Fields.List {
				open := len(f.Names) == 0
				for _, name := range f.Names {
					open = open || name.IsExported()
				}
				found = found || open && s.mentions(f.Type, types)
			}
			return false
		case *ast.Ident:
			found = found || types[s.pkg+"."+n.Name]
		}
		return !found
	})
	return found
}

// The single door: what is registered about a client leaves package views by LookUp and Own alone, in the types Shown and
// Row. Nothing else that is exported anywhere in the program has it in its results, its fields or its value.
func TestSingleDoor(t *testing.T) {
	all := sources(t, "../..")
	types := map[string]bool{"projections.Registrations": true}
	exported := map[string]bool{} // what holds it
	for grew := true; grew; {
		grew = false
		for _, s := range all {
			if s.pkg == "projections" {
				continue
			}
			for _, d := range s.file.Decls {
				d, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if name := s.pkg + "." + spec.Name.Name; !types[name] && s.mentions(spec.Type, types) {
							types[name], grew = true, true
							if spec.Name.IsExported() {
								exported[name] = true
							}
						}
					case *ast.ValueSpec:
						for _, n := range spec.Names {
							if n.IsExported() && s.mentions(spec.Type, types) {
								exported[s.pkg+"."+n.Name] = true
							}
							for _, v := range spec.Values {
								if n.IsExported() && s.mentions(v, types) {
									exported[s.pkg+"."+n.Name] = true
								}
							}
						}
					}
				}
			}
		}
	}
	opened := map[string]bool{"projections.Registrations": true}
	for _, s := range all {
		if s.pkg == "projections" {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.IsExported() && f.Type.Results != nil && s.mentions(f.Type.Results, types) {
				exported[s.pkg+"."+receiver(f)+f.Name.Name] = true
			}
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.IsExported() && f.Type.Results != nil && s.mentions(f.Type.Results, opened) {
				t.Errorf("%s.%s%s gives registrations outside of Shown", s.pkg, receiver(f), f.Name.Name)
			}
		}
	}
	want := []string{
		"adapters/views.Door.Caseload", // rows, and nothing shown in them
		"adapters/views.Door.LookUp", "adapters/views.Door.Overview", "adapters/views.Door.Own",
		"adapters/views.Own", "adapters/views.Row", "adapters/views.Shown",
	}
	if got := slices.Sorted(maps.Keys(exported)); !slices.Equal(got, want) {
		t.Errorf("what is registered leaves by\n\t%s\nexpected\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func receiver(f *ast.FuncDecl) string {
	if f == nil || f.Recv == nil {
		return ""
	}
	e := f.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return "?."
		}
	}
}

// The opening of sealed documents is called in three places, and the door's own opening in two: after their event.
func TestWhoOpens(t *testing.T) {
	callers := map[string]map[string]bool{}
	for _, s := range sources(t, "../..") {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			where := s.pkg + "."
			if ok {
				where += receiver(f) + f.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				name := ""
				switch n := n.(type) {
				case *ast.SelectorExpr:
					name = n.Sel.Name
					if x, ok := n.X.(*ast.Ident); name == "open" && (!ok || x.Name != "d" || s.pkg != "adapters/views" || receiver(f) != "Door.") {
						return true // somebody else's open
					}
				case *ast.Ident:
					if name = n.Name; name != "sealedTable" {
						return true
					}
				}
				if name == "unseal" || name == "sealedTable" || name == "open" {
					if callers[name] == nil {
						callers[name] = map[string]bool{}
					}
					callers[name][where] = true
				}
				return true
			})
		}
	}
	for name, want := range map[string][]string{
		"unseal": {"adapters/views.Door.open", "adapters/views.Keeper.population", "adapters/views.Keeper.populationOf", "adapters/views.sealedTable.apply", "adapters/views.sealedTable.items"},
		"open":   {"adapters/views.Door.Own", "adapters/views.Door.show"},
	} {
		if got := slices.Sorted(maps.Keys(callers[name])); !slices.Equal(got, want) {
			t.Errorf("%s is used in %v, expected %v", name, got, want)
		}
	}
	if len(callers["sealedTable"]) == 0 {
		t.Error("there is no sealedTable: this test looks for a name that is gone")
	}
	for where := range callers["sealedTable"] {
		if !strings.HasPrefix(where, "adapters/views.") {
			t.Errorf("%s refers to the sealed table", where)
		}
	}
}
