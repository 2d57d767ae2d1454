package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

// A proxy stands between a store and its server, and can cut the connection at an append.
type proxy struct {
	dsn string // of the database, through the proxy
	to  string

	mu    sync.Mutex
	fates []fate // of the next appends to pass, one each
	shut  bool   // no new connections
	muted bool   // nothing that is sent to the server gets there, and it is not told when the client is gone
	open  map[net.Conn]bool
}

type fate int

const (
	pass      fate = iota
	cutAfter       // the server has the append, and its answer goes nowhere
	cutBefore      // the server never gets it
	shutAfter      // as cutAfter, and from then on nobody gets through
	swallow        // the server never gets it, and nobody is told
)

// boundAppend is what stands in the message that executes the writer's statement.
var boundAppend = []byte("\x00append\x00")

func newProxy(t *testing.T, dsn string) *proxy {
	t.Helper()
	const socket = ".s.PGSQL.5432"
	host := regexp.MustCompile(`host=(\S+)`)
	dir := t.TempDir()
	p := &proxy{to: filepath.Join(host.FindStringSubmatch(dsn)[1], socket), dsn: host.ReplaceAllString(dsn, "host="+dir), open: map[net.Conn]bool{}}
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *proxy) next(fates ...fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fates, p.shut = fates, false
}

// cut ends all connections, and lets nobody through until next is called.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	for client := range p.open {
		client.Close()
	}
}

// mute has connections stay open at the server, and lead nowhere.
func (p *proxy) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = true
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.to)
	p.mu.Lock()
	shut := p.shut
	p.open[client] = true
	p.mu.Unlock()
	if err != nil || shut {
		return
	}
	defer server.Close()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(client, server)
		client.Close()
	}()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			if p.fate(nil) == swallow {
				<-gone
			}
			return
		}
		what := p.fate(buf[:n])
		if what == cutAfter || what == shutAfter {
			client.Close()
		}
		if what != cutBefore && what != swallow {
			server.Write(buf[:n])
		}
		if what != pass && what != swallow {
			return
		}
	}
}

func (p *proxy) fate(sent []byte) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.muted {
		return swallow
	}
	if len(p.fates) == 0 || !bytes.Contains(sent, boundAppend) {
		return pass
	}
	what := p.fates[0]
	p.fates = p.fates[1:]
	p.shut = p.shut || what == shutAfter
	return what
}

// An append whose connection is cut is settled: it is there once, whether or not the server had it.
func TestCut(t *testing.T) {
	for name, fates := range map[string][]fate{
		"answer lost":        {cutAfter},
		"append lost":        {cutBefore},
		"both by turns":      {cutBefore, cutAfter},
		"answer lost again":  {cutAfter, cutAfter, cutAfter},
		"lost over and over": {cutBefore, cutBefore, cutAfter, cutBefore},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, postgrestest.Database(t))
			s := mustOpen(t, p.dsn, postgres.Options{})
			for n := range uint64(3) {
				p.next(fates...)
				position, err := s.Append(t.Context(), "a", 2*n, ledgertest.Records(int(2*n), 2)...)
				if position != 2*n+2 || err != nil {
					t.Fatalf("position %d, %v; want %d", position, err, 2*n+2)
				}
			}
			p.next(fates...)
			_, err := s.Append(t.Context(), "a", 4, ledgertest.Records(100, 2)...)
			if !errors.Is(err, ledger.ErrConflict) {
				t.Errorf("%v, want a conflict", err)
			}
			if n := len(ledgertest.Check(t, s)); n != 6 {
				t.Errorf("%d records, want 6", n)
			}
		})
	}
}

// When nobody can tell what became of an append, its outcome is open: never refused. The same append settles it later.
func TestOpenOutcome(t *testing.T) {
	p := newProxy(t, postgrestest.Database(t))
	s := mustOpen(t, p.dsn, postgres.Options{Patience: 3 * time.Second}) // of a busy machine, too
	if _, err := s.Append(t.Context(), "before", 0, ledgertest.Record(1)); err != nil {
		t.Fatal(err) // now there are a connection and a partition
	}
	p.next(shutAfter)
	_, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0))
	if err == nil || errors.Is(err, ledger.ErrRefused) {
		t.Errorf("%v, want an error that leaves the outcome open", err)
	}
	_, err = s.Append(t.Context(), "a", 0, ledgertest.Record(0))
	if !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
		t.Errorf("without any connection: %v, want a refusal", err)
	}
	p.next()
	if position, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0)); position != 2 || err != nil {
		t.Errorf("position %d, %v; want 2", position, err)
	}
	ledgertest.Check(t, s)
}

// Backends that are ended while many write, and readers follow, cost nobody anything but time.
func TestTerminate(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, small)
	const writers, each = 6, 60
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range uint64(each) {
				if w == 0 && n%10 == 5 {
					exec(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE application_name = 'samtykke' AND datname = current_database()`)
				}
				for { // one that finds its connection ended may be refused, or left open by what it reads
					_, err := s.Append(t.Context(), fmt.Sprint("stream ", w), n, ledgertest.Record(1000*w+int(n)))
					if err == nil {
						break
					}
					if errors.Is(err, ledger.ErrConflict) {
						t.Errorf("%v: nobody else writes here", err)
						return
					}
				}
			}
		})
	}
	seen := make(chan int)
	go func() { seen <- len(ledgertest.Between(t, s, 0, writers*each)) }()
	all.Wait()
	if n := <-seen; n != writers*each {
		t.Errorf("the reader saw %d records, want %d", n, writers*each)
	}
	if n := len(ledgertest.Check(t, mustOpen(t, dsn, small))); n != writers*each {
		t.Errorf("%d records, want %d", n, writers*each)
	}
}

// What the server refuses has written nothing, and is no conflict.
func TestServerRefuses(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn+" options='-c statement_timeout=200'", postgres.Options{})
	other, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE samtykke.turn IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Append(t.Context(), "a", 0, ledgertest.Record(0))
	if !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
		t.Errorf("%v, want a refusal", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Append(t.Context(), "a", 0, ledgertest.Record(0)); p != 1 || err != nil {
		t.Errorf("position %d, %v", p, err)
	}
}

// No statement changes or removes an event.
func TestEventsStay(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, small)
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Records(0, 20)...); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE samtykke.event SET data = ''", "DELETE FROM samtykke.event WHERE position = 17"} {
		c, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s: done", statement)
		}
		c.Close(t.Context())
	}
	if n := len(ledgertest.Check(t, s)); n != 20 {
		t.Errorf("%d records, want 20", n)
	}
}

// Errors say what is wrong, and nothing of the connection string.
func TestErrorsShowNothing(t *testing.T) {
	host := strings.Fields(postgrestest.Start(t).DSN(""))[0]
	for name, dsn := range map[string]string{
		"no server":   "host=/nowhere/secrethost user=secretuser password=secretpassword database=secretdb",
		"no such db":  host + " user=samtykke_test password=secretpassword database=secretdb",
		"no such key": host + " user=secretuser password=secretpassword database=postgres",
		"no dsn":      "secret=secret secret",
	} {
		_, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "samtykke_test") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func exec(t testing.TB, dsn, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
