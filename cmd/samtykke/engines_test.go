package main

import (
	"encoding/json"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/postgres/postgrestest"
)

// said runs a command, and fails the test if its exit code is another.
func said(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, wrong strings.Builder
	if got := run(t.Context(), args, strings.NewReader(""), &out, &wrong); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s", args, got, code, wrong.String())
	}
	return out.String() + wrong.String()
}

// A server with views in PostgreSQL bounds its memory by its caches, unless the environment has said how.
func TestBoundMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "")
	w := world{caches: caches{views: 1 << 30, keys: 1000, states: 1 << 20}}
	w.boundMemory(true)
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("with views in memory: %d", got)
	}
	w.views = "postgres://db"
	t.Setenv("GOMEMLIMIT", "1GiB")
	w.boundMemory(true)
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("with a limit in the environment: %d", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	w.boundMemory(true)
	if got := debug.SetMemoryLimit(-1); got != 1<<30+1000*1200+3<<20+180<<20 {
		t.Errorf("with views in PostgreSQL: %d", got)
	}
	w.boundMemory(false)
	if got := debug.SetMemoryLimit(-1); got != 1<<30+1000*1200+180<<20 {
		t.Errorf("before it serves: %d", got)
	}
}

// A ledger with its keys lies in PostgreSQL from its first event on: the demo is made there, verified, proved and asked, and moves through
// EventStoreDB's protocol into files and back, with the same tree.
func TestEngines(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	postgres, again := postgrestest.URL(t), postgrestest.URL(t)
	t.Setenv(ledgerVariable, postgres)
	t.Setenv(keysVariable, postgrestest.URL(t))
	t.Setenv(viewsVariable, postgrestest.URL(t))
	said(t, 0, "demo", "--data", data, "--start", "2025-01-20", "--clients", "12", "--weeks", "4")
	if s := said(t, 1, "demo", "--data", filepath.Join(dir, "other"), "--clients", "2", "--weeks", "2"); !strings.Contains(s, "code.key is missing") {
		t.Errorf("a demo over a ledger that there is: %s", s)
	}
	if s := said(t, 0, "verify", "--data", data); !strings.Contains(s, "In order") {
		t.Errorf("verify: %s", s)
	}
	said(t, 0, "rebuild", "--data", data)
	if s := said(t, 0, "keys", "status", "--data", data); !strings.Contains(s, "keys, ") {
		t.Errorf("keys: %s", s)
	}
	for _, command := range [][]string{{"backup", "--data", data, "--to", filepath.Join(dir, "copies")}, {"drill", "--data", data}} {
		if s := said(t, 2, command...); !strings.Contains(s, ledgerVariable) {
			t.Errorf("%s: %s", command[0], s)
		}
	}

	node := esdbtest.Start(t, esdbtest.Options{})
	t.Setenv("EVENTSTORE", "esdb://"+node.Address()+"?tls=false")
	t.Setenv("AGAIN", again)
	var first moved
	for i, way := range [][2]string{
		{"env:" + ledgerVariable, "env:EVENTSTORE"}, {"env:EVENTSTORE", filepath.Join(dir, "files")}, {filepath.Join(dir, "files"), "env:AGAIN"},
		{filepath.Join(dir, "files"), "env:AGAIN"}, // again: nothing is missing
	} {
		var m moved
		if err := json.Unmarshal([]byte(said(t, 0, "copy", "--from", way[0], "--to", way[1], "--json")), &m); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = m
		}
		if m != first || m.Events < 100 {
			t.Errorf("%v: %d events with the root %s, at first %d with %s", way, m.Events, m.Root, first.Events, first.Root)
		}
	}
	for name, where := range map[string]string{"PostgreSQL again": again, "EventStoreDB": "esdb://" + node.Address() + "?tls=false"} {
		t.Setenv(ledgerVariable, where)
		if s := said(t, 0, "verify", "--data", data); !strings.Contains(s, "In order") {
			t.Errorf("verify in %s: %s", name, s)
		}
	}
	said(t, 0, "rebuild", "--data", data)
	t.Setenv(viewsCacheVariable, "much")
	said(t, 2, "rebuild", "--data", data)
	t.Setenv(viewsCacheVariable, "1")
	t.Setenv(statesCacheVariable, "-1")
	if s := said(t, 2, "rebuild", "--data", data); !strings.Contains(s, statesCacheVariable) {
		t.Errorf("a cache of -1 MiB: %s", s)
	}
	t.Setenv(statesCacheVariable, "1")
	secret := "postgres://somebody:geheim@127.0.0.1:1/nowhere?connect_timeout=1"
	t.Setenv(ledgerVariable, secret)
	if s := said(t, 1, "verify", "--data", data); strings.Contains(s, "geheim") || strings.Contains(s, "somebody") {
		t.Errorf("an error repeats the connection string: %s", s)
	}
	t.Setenv(ledgerVariable, postgres)
	t.Setenv(viewsVariable, secret)
	if s := said(t, 1, "rebuild", "--data", data); strings.Contains(s, "geheim") || strings.Contains(s, "somebody") {
		t.Errorf("an error repeats the connection string of the views: %s", s)
	}
	t.Setenv(ledgerVariable, "mysql://x")
	said(t, 2, "verify", "--data", data)
	said(t, 2, "copy", "--from", data, "--to", data)
	said(t, 2, "copy", "--from", "env:NO_SUCH", "--to", data)
}

func TestBenchStore(t *testing.T) {
	t.Setenv("STORE", postgrestest.URL(t))
	var r benchReport
	if err := json.Unmarshal([]byte(said(t, 0, "bench", "--store", "env:STORE", "--quick", "--json", "--data", t.TempDir())), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Lines) != len(benchCallers)+3 {
		t.Errorf("%d lines", len(r.Lines))
	}
	for _, l := range r.Lines {
		if l.Figure <= 0 && l.Unit != seconds { // who follows may have it at once
			t.Errorf("%s, %s: %v", l.Section, l.What, l.Figure)
		}
	}
	said(t, 2, "bench", "--store", "mysql://x")
}
