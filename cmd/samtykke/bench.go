package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"samtykke/adapters/disk"
)

type benchCmd struct {
	Data    string   `default:"." placeholder:"DIR" help:"A folder on the disk to be measured. A scratch folder is made in it, and removed afterwards."`
	Events  int      `default:"1000000" help:"How many events the ledger has that is replayed and opened."`
	Clients int      `help:"How many clients these belong to; one for every 50 events, if not given."`
	Only    []string `placeholder:"NAME,..." help:"Measure only these: disk, replay, sealed, open, decide, overview, tick."`
	JSON    bool     `name:"json" help:"Print JSON."`
	Quick   bool     `help:"A run of seconds that shows every line. Its figures mean little."`
}

// benchSections are what can be measured, in the order of the table.
var benchSections = []struct {
	name    string
	measure func(*bench) error
}{
	{"disk", (*bench).writing},
	{"replay", (*bench).replay},
	{"sealed", (*bench).sealed},
	{"open", (*bench).opening},
	{"decide", (*bench).decide},
	{"overview", (*bench).overview},
	{"tick", (*bench).tick},
}

// Run measures in a scratch folder and prints what came out.
func (c *benchCmd) Run(env *surroundings) (err error) {
	for _, name := range c.Only {
		if !slices.ContainsFunc(benchSections, func(s struct {
			name    string
			measure func(*bench) error
		}) bool {
			return s.name == name
		}) {
			return usage("--only: there is no %q", name)
		}
	}
	return nil
}

var _ = []any{errors.Join, fmt.Sprint, io.EOF, os.Args, runtime.NumCPU, strings.Cut, tabwriter.Debug, time.Now, disk.OS}
