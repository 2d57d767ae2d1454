package esdb_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// As a program, built by make esdb-conformance, the tests take one argument: the connection string of a server. It is
// held to the suite, in ledgers of its own, and a line is printed for each case.
func TestMain(m *testing.M) {
	if len(os.Args) != 2 || !strings.HasPrefix(os.Args[1], "esdb") {
		if filepath.Base(os.Args[0]) == "esdb-conformance" { // which may stand anywhere, without what the other tests read
			fmt.Fprintln(os.Stderr, "usage: esdb-conformance esdb://…")
			os.Exit(2)
		}
		os.Exit(m.Run())
	}
	os.Setenv("SAMTYKKE_TEST_ESDB", os.Args[1])
	os.Args = os.Args[:1]
	flag.Parse()
	flag.Set("test.run", "^TestServer$")
	flag.Set("test.v", "true")
	out := os.Stdout
	from, to, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Stdout = to
	told := make(chan struct{})
	go func() {
		defer close(told)
		tell(out, from)
	}()
	code := m.Run()
	to.Close()
	<-told
	os.Exit(code)
}

// tell writes a line for each case that has ended, what a case says, and at last how many there were.
func tell(out io.Writer, from io.Reader) {
	counts := map[string]int{}
	for lines := bufio.NewScanner(from); lines.Scan(); {
		line := lines.Text()
		verdict, name, is := strings.Cut(strings.TrimSpace(line), ": ")
		verdict, is2 := strings.CutPrefix(verdict, "--- ")
		switch {
		case is && is2:
			if name, ok := strings.CutPrefix(name, "TestServer"); ok && (name[0] == '/' || verdict == "FAIL") {
				counts[verdict]++
				fmt.Fprintf(out, "%s  %s\n", strings.ToLower(verdict), strings.ReplaceAll(name, "_", " "))
			}
		case strings.HasPrefix(line, "=== "), line == "PASS", line == "FAIL":
		default:
			fmt.Fprintln(out, line)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", counts["PASS"], counts["FAIL"], counts["SKIP"])
}
