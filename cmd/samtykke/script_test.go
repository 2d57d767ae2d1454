package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"samtykke/adapters/postgres/postgrestest"
)

// TestMain makes the test binary the program itself: as a child of a test, and for the scripts under testdata/cli.
func TestMain(m *testing.M) {
	asChild()
	testscript.Main(postgrestest.Tests{M: m}, map[string]func(){
		"samtykke": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestCommandLine runs each script under testdata/cli: one behaviour of the binary each, with its inputs inline.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/cli", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"export": export},
	})
}

// export sets the environment variable that the last command printed a line of the shell for.
func export(ts *testscript.TestScript, _ bool, _ []string) {
	line, ok := strings.CutPrefix(ts.ReadFile("stdout"), "export ")
	name, value, set := strings.Cut(strings.TrimSpace(line), "=")
	if !ok || !set {
		ts.Fatalf("the last command exports nothing")
	}
	ts.Setenv(name, value)
}
