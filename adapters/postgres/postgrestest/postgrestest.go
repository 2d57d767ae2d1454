// Package postgrestest gives tests a PostgreSQL of their own, made of the machine's binaries: one throw-away cluster for each
// test binary, and in it a fresh database for each test.
//
// The cluster listens on a Unix socket in its own folder and nowhere else. initdb refuses to run as root; for root it runs as an
// unprivileged user, who then owns the folder. The server ends with Main, and with the test binary however that ends: on
// Linux the kernel tells it.
//
// Binaries are looked for in PATH and then below /usr/lib/postgresql. Without them a test is skipped with the reason printed, or
// fails if the environment says CI=true.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Main runs a package's tests, and then removes the cluster if one was made. Call it from TestMain.
func Main(m *testing.M) { os.Exit(Tests{m}.Run()) }

// Tests are a package's tests, for a TestMain that has more to do.
type Tests struct{ *testing.M }

// Run runs them, and then removes the cluster if one was made.
func (t Tests) Run() int {
	code := t.M.Run()
	if cluster.server != nil {
		if err := cluster.server.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "removing the PostgreSQL of the tests:", err)
		}
	}
	return code
}

// cluster is the test binary's own.
var cluster struct {
	once   sync.Once
	server *Server
	err    error

	mu        sync.Mutex
	databases int
}

// Start gives the test binary's server, and starts it at the first call.
func Start(t testing.TB) *Server {
	t.Helper()
	cluster.once.Do(func() { cluster.server, cluster.err = start() })
	switch {
	case errors.Is(cluster.err, errMissing) && os.Getenv("CI") != "true":
		t.Skip(cluster.err)
	case cluster.err != nil:
		t.Fatal("starting PostgreSQL: ", cluster.err)
	}
	return cluster.server
}

// Database makes an empty database that ends with the test, and gives its connection string.
func Database(t testing.TB) string {
	t.Helper()
	s := Start(t)
	cluster.mu.Lock()
	cluster.databases++
	name := fmt.Sprint("test", cluster.databases)
	cluster.mu.Unlock()
	s.admin(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.DSN(name)
}

// admin runs one statement in a database that no test uses.
func (s *Server) admin(t testing.TB, statement string) {
	t.Helper()
	ctx := context.Background() // the test's own has ended when it cleans up
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// URL is a new, empty database's connection string as an address.
func URL(t testing.TB) string {
	t.Helper()
	return Address(Database(t))
}

// Address writes a connection string as an address.
func Address(dsn string) string {
	words := url.Values{}
	for _, word := range strings.Fields(dsn) {
		name, value, _ := strings.Cut(word, "=")
		words.Set(name, value)
	}
	name := words.Get("database")
	words.Del("database")
	return (&url.URL{Scheme: "postgres", Path: "/" + name, RawQuery: words.Encode()}).String()
}

// DSN is the connection string of a database of the server.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("host=%s user=%s database=%s sslmode=disable", s.dir, superuser, database)
}

const superuser = "samtykke_test"

var errMissing = errors.New("PostgreSQL is not on this machine: no initdb and postgres in PATH or in /usr/lib/postgresql/*/bin")

// find gives the folder of the binaries.
func find() (bin string, err error) {
	for _, name := range []string{"initdb", "postgres"} {
		path, err := exec.LookPath(name)
		if err != nil {
			bin = ""
			break
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		bin = filepath.Dir(path)
	}
	if bin != "" {
		return bin, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errMissing
	}
	return filepath.Dir(slices.Max(found)), nil
}
