// Command samtykke is the consent and registration ledger: one binary, one data directory, no server beside it.
//
//	samtykke serve         serves clients, professionals and auditors over HTTP
//	samtykke employ        gives an auditor or employee of the service an account
//	samtykke demo          fills a new data directory with clients who live through months of the service
//	samtykke demo-login    prints what somebody in a demo signs in with now
//	samtykke who-saw       replays who saw what
//	samtykke why           tells which act and which rule led to an event
//	samtykke state         tells a client's state at an instant, with the reason
//	samtykke evidence      shows the data processing agreement clause by clause, with figures from the ledger
//	samtykke access        opens, resumes, lists, closes and reviews exceptional access to what is sealed
//	samtykke verify        checks the files and replays the ledger against its laws; it writes nothing
//	samtykke checkpoint    prints the newest signed checkpoint
//	samtykke prove         prints a proof that an event is in the ledger
//	samtykke verify-proof  checks such a proof, without the ledger
//	samtykke rebuild       makes the views anew and compares them
//	samtykke export        prints all events in order as JSON lines
//	samtykke backup        copies the ledger to a second place, beside a server or without one
//	samtykke restore       puts a data directory together from a backup, and ends once more what has ended since
//	samtykke drill         shows on a scratch folder that a backup can be restored and brings nothing back
//	samtykke keys          tells of the keys and their epochs, and keeps a second place of them
//	samtykke incident      shows the addresses that are kept while an incident lasts
//	samtykke statistics    plans, audits, releases and verifies anonymised statistics
//	samtykke bench         measures, beside the raw limits of the same disk
//
// # Exit codes
//
//	0  done
//	1  a failure: damaged files, a full disk, no permission
//	2  the command line is wrong
//	3  verify or rebuild found something wrong with the ledger; a proof does not hold
//	4  the data directory is in use by another process
//
// # What is sealed
//
// who-saw, why, state and export --open show what is sealed, and run only under an exceptional access to production: samtykke access open
// takes the login, password and one-time code of an employee's account, and prints a capability that they read from the environment
// variable SAMTYKKE_ACCESS. Each use is recorded before it is done, as the act of whoever opened. Without one, or with one that opens
// nothing, they end with code 2. access close, access review and incident show take the same sign-in. Of the others, evidence shows the
// organisation's own name; none shows anything else that is sealed. Who gives those commands is what the person says of oneself.
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
	Serve    serveCmd    `cmd:"" help:"Serve clients, professionals and auditors over HTTP."`
	Employ   employCmd   `cmd:"" help:"Give an auditor or employee of the service an account, by an invitation in two parts."`
	Demo     demoCmd     `cmd:"" help:"Fill a new data directory: clients live through weeks of the service, over the real command path."`
	Login    loginCmd    `cmd:"" name:"demo-login" help:"Print login, password and one-time code of the moment of somebody in a demo, a line each, as other commands ask for them."`
	WhoSaw   whoSawCmd   `cmd:"" help:"Replay who saw what: every look-up and every refused attempt, in order. Takes an exceptional access."`
	Why      whyCmd      `cmd:"" help:"Tell which act and which rule led to an event. Takes an exceptional access."`
	State    stateCmd    `cmd:"" help:"Tell a client's state at an instant, with the reason. Takes an exceptional access."`
	Evidence evidenceCmd `cmd:"" help:"Show the data processing agreement clause by clause, with figures from the ledger."`
	Access   accessCmd   `cmd:"" help:"Open, resume, list, close and review exceptional access to what is sealed."`
	Verify   verifyCmd   `cmd:"" help:"Read every byte, hold it against the checkpoints and replay it against the laws; write nothing. Shows nothing sealed, and takes no access."`
	Rebuild  rebuildCmd  `cmd:"" help:"Fold all views anew from the first event and compare them with those kept up. Shows nothing sealed, and takes no access."`
	Export   exportCmd   `cmd:"" help:"Print all events in order as JSON lines. What is sealed stays closed, and it takes no access, without --open."`
	Backup   backupCmd   `cmd:"" help:"Copy the ledger to a second place, beside a server or without one."`
	Copy     copyCmd     `cmd:"" help:"Move a ledger between a data directory, PostgreSQL and EventStoreDB."`
	Restore  restoreCmd  `cmd:"" help:"Put a data directory together from a backup, and end once more what has ended since."`
	Drill    drillCmd    `cmd:"" help:"Show on a scratch folder that a backup can be restored, and brings nothing back."`
	Keys     keysCmd     `cmd:"" help:"Tell of the keys, or keep a second place of them."`

	Statistics statisticsCmd `cmd:"" help:"Plan, audit, release and verify anonymised statistics."`

	Bench benchCmd `cmd:"" help:"Measure, in one run, beside the raw limits of the same disk."`

	Incident    incidentCmd    `cmd:"" help:"Look at the addresses that are kept while an incident lasts."`
	Checkpoint  checkpointCmd  `cmd:"" help:"Print the newest signed checkpoint: keep it where nobody who has the ledger can reach it."`
	Prove       proveCmd       `cmd:"" help:"Print a proof that an event is in the ledger."`
	VerifyProof verifyProofCmd `cmd:"" help:"Check a proof with nothing but the log's verifier string."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
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
	err = line.Run(&surroundings{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr})
	if wrong, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "samtykke: %v\n", wrong)
		return exitUsage
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errWrong), errors.Is(err, errUnproven):
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
	stdin          io.Reader
	stdout, stderr io.Writer
}
