// Package postgrestest gives tests a PostgreSQL of their own, made of the machine's binaries: one throw-away cluster for each
// test binary, and in it an empty database for each test.
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
	emptied   []string // databases of tests that are over: making one and removing it takes ten times as long as emptying it
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
	name, emptied := fmt.Sprint("test", cluster.databases), ""
	if n := len(cluster.emptied); n > 0 {
		emptied, cluster.emptied = cluster.emptied[n-1], cluster.emptied[:n-1]
	}
	cluster.mu.Unlock()
	if emptied == "" {
		s.admin(t, "postgres", "CREATE DATABASE "+name)
	} else {
		s.admin(t, "postgres", "ALTER DATABASE "+emptied+" RENAME TO "+name)
	}
	t.Cleanup(func() { s.empty(t, name) })
	return s.DSN(name)
}

// empty ends all connections to a database and leaves nothing in it. By its new name nobody finds it who had the old one.
func (s *Server) empty(t testing.TB, name string) {
	t.Helper()
	emptied := name + "_emptied"
	s.admin(t, "postgres",
		"ALTER DATABASE "+name+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '"+name+"'",
		"ALTER DATABASE "+name+" RENAME TO "+emptied,
		"ALTER DATABASE "+emptied+" RESET ALL",
		"ALTER DATABASE "+emptied+" ALLOW_CONNECTIONS true")
	s.admin(t, emptied, `DO $$ DECLARE s name; BEGIN
		FOR s IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' LOOP
			EXECUTE format('DROP SCHEMA %I CASCADE', s);
		END LOOP;
		CREATE SCHEMA public;
	END $$`)
	cluster.mu.Lock()
	defer cluster.mu.Unlock()
	cluster.emptied = append(cluster.emptied, emptied)
}

// admin runs statements in a database, each by itself.
func (s *Server) admin(t testing.TB, database string, statements ...string) {
	t.Helper()
	ctx := context.Background() // the test's own has ended when it cleans up
	conn, err := pgx.Connect(ctx, s.DSN(database)+" client_min_messages=warning")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
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
