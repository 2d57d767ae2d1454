package postgrestest

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A Fate is what becomes of something that a client sends.
type Fate int

const (
	Pass      Fate = iota
	CutAfter       // the server has it, and its answer goes nowhere
	CutBefore      // the server never gets it
	ShutAfter      // as CutAfter, and from then on nobody gets through
	Late           // the server has it, and neither this answer nor a later one comes in time
	Crash          // the server has it, and is restarted at once
)

// A Proxy stands between clients and a database of the test binary's server. It can cut a connection, or keep back what is sent
// over it.
type Proxy struct {
	DSN string // of the database, through the proxy

	server   *Server
	tb       testing.TB
	crashing sync.WaitGroup // of the server

	mu    sync.Mutex
	what  []byte // that a message holds which has a fate
	fates []Fate // of the next such messages, one each
	shut  bool   // no new connections
	muted bool   // nothing that is sent to the server gets there, and it is not told when the client is gone
	open  map[net.Conn]bool
}

const socket = ".s.PGSQL.5432"

// NewProxy starts a proxy before a database that Database gave. It ends with the test.
func NewProxy(t testing.TB, dsn string) *Proxy {
	t.Helper()
	s, dir := Start(t), t.TempDir()
	p := &Proxy{DSN: strings.Replace(dsn, s.dir, dir, 1), server: s, tb: t, open: map[net.Conn]bool{}}
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.crashing.Wait()
	})
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

// Next chooses the fates of the next messages that execute the prepared statement of this name, or of any if it has none. All
// later ones pass, whoever was shut out gets through again, and a server that is being restarted is there again.
func (p *Proxy) Next(statement string, fates ...Fate) {
	p.crashing.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.fates, p.shut, p.muted = nil, fates, false, false
	if statement != "" {
		p.what = []byte("\x00" + statement + "\x00")
	}
}

// Cut ends all connections, and lets nobody through until Next is called.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	for client := range p.open {
		client.Close()
	}
}

// Mute has connections stay open at the server, and lead nowhere, until Next is called.
func (p *Proxy) Mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = true
}

// admit notes a client, and tells whether it may come in.
func (p *Proxy) admit(client net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[client] = true
	return !p.shut
}

func (p *Proxy) leave(client net.Conn) {
	client.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, client)
}

func (p *Proxy) serve(client net.Conn) {
	defer p.leave(client)
	server, err := net.Dial("unix", filepath.Join(p.server.dir, socket))
	if err != nil {
		return
	}
	defer server.Close()
	if !p.admit(client) {
		return
	}
	answers := &answers{to: client}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(answers, server)
		client.Close()
	}()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			if p.isMuted() {
				<-gone
			}
			return
		}
		if p.isMuted() {
			continue
		}
		what := p.fate(buf[:n])
		switch what {
		case CutAfter, ShutAfter:
			client.Close()
		case CutBefore:
			return
		case Late:
			answers.late.Store(true)
		}
		server.Write(buf[:n])
		switch what {
		case CutAfter, ShutAfter:
			return
		case Crash:
			p.server.Crash(p.tb)
			p.crashing.Done()
			return
		}
	}
}

func (p *Proxy) isMuted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.muted
}

func (p *Proxy) fate(sent []byte) Fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.fates) == 0 || !bytes.Contains(sent, p.what) {
		return Pass
	}
	what := p.fates[0]
	p.fates = p.fates[1:]
	p.shut = p.shut || what == ShutAfter
	if what == Crash {
		p.crashing.Add(1)
	}
	return what
}

// answers are what the server sends on a connection, as long as they come in time.
type answers struct {
	to   io.Writer
	late atomic.Bool
}

func (a *answers) Write(b []byte) (int, error) {
	if a.late.Load() {
		return len(b), nil
	}
	return a.to.Write(b)
}
