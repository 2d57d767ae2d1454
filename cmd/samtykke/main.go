// Command samtykke is the consent and registration ledger: one binary, one data directory, no server beside it.
//
//	samtykke serve    serves clients, professionals and auditors over HTTP
//	samtykke employ   gives an auditor or employee of the service an account
//	samtykke demo     fills a new data directory with clients who live through months of the service
//	samtykke who-saw  replays who saw what
//	samtykke why      tells which act and which rule led to an event
//	samtykke state    tells a client's state at an instant, with the reason
//	samtykke verify   replays the ledger against its laws
//	samtykke rebuild  makes the views anew and compares them
//	samtykke export   prints all events in order as JSON lines
//	samtykke bench    measures, beside the raw limits of the same disk
//
// # Exit codes
//
//	0  done
//	1  a failure: damaged files, a full disk, no permission
//	2  the command line is wrong
//	3  verify or rebuild found something wrong with the ledger
//	4  the data directory is in use by another process
//
// Answers go to standard output; progress and errors to standard error. Progress is shown on a terminal only.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"samtykke/adapters/disk"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitWrong   = 3
	exitInUse   = 4
)

// errWrong says that the ledger was read and found wrong.
var errWrong = errors.New("the ledger is not in order")

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Serve clients, professionals and auditors over HTTP."`
	Employ  employCmd  `cmd:"" help:"Give an auditor or employee of the service an account, by an invitation in two parts."`
	Demo    demoCmd    `cmd:"" help:"Fill a new data directory: clients live through weeks of the service, over the real command path."`
	WhoSaw  whoSawCmd  `cmd:"" help:"Replay who saw what: every look-up and every refused attempt, in order."`
	Why     whyCmd     `cmd:"" help:"Tell which act and which rule led to an event."`
	State   stateCmd   `cmd:"" help:"Tell a client's state at an instant, with the reason."`
	Verify  verifyCmd  `cmd:"" help:"Read every byte and replay the ledger against its laws."`
	Rebuild rebuildCmd `cmd:"" help:"Fold all views anew from the first event and compare them with those kept up."`
	Export  exportCmd  `cmd:"" help:"Print all events in order as JSON lines."`
	Bench   benchCmd   `cmd:"" help:"Measure, in one run, beside the raw limits of the same disk."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	left := -1
	parser, err := kong.New(new(cli),
		kong.Name("samtykke"),
		kong.Description("A consent and registration ledger: every yes, no, look-up and deadline is an event."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { left = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // unreachable unless the cli struct is malformed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	line, err := parser.Parse(args)
	if left >= 0 {
		return left // help was shown
	}
	if err != nil {
		fmt.Fprintf(stderr, "samtykke: %v\nRun samtykke --help for what there is.\n", err)
		return exitUsage
	}
	err = line.Run(&surroundings{ctx: ctx, stdout: stdout, stderr: stderr})
	if wrong, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "samtykke: %v\n", wrong)
		return exitUsage
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errWrong):
		fmt.Fprintf(stderr, "samtykke: %v\n", err)
		return exitWrong
	case errors.Is(err, disk.ErrLocked):
		fmt.Fprintf(stderr, "samtykke: the data directory is in use by another process\n")
		return exitInUse
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "samtykke: interrupted")
		return exitFailure
	}
	fmt.Fprintf(stderr, "samtykke: %v\n", err)
	return exitFailure
}

// A usageError says what is wrong with the command line's values.
type usageError string

func (e usageError) Error() string { return string(e) }

func usage(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// surroundings are what a command runs in.
type surroundings struct {
	ctx            context.Context
	stdout, stderr io.Writer
}
