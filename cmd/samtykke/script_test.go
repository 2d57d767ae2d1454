package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the program itself: as a child of a test, and for the scripts under testdata/cli.
func TestMain(m *testing.M) {
	asChild()
	testscript.Main(m, map[string]func(){
		"samtykke": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestCommandLine runs each script under testdata/cli: one behaviour of the binary each, with its inputs inline.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "../../testdata/cli", RequireExplicitExec: true, RequireUniqueNames: true})
}
