package postgrestest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// A Server is a running PostgreSQL.
type Server struct {
	bin, dir string
	as       *syscall.SysProcAttr // the user whose it is
	process  *os.Process
	ended    chan struct{} // closed when the process has
}

// start makes a cluster and its server.
func start() (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg")
	if err == nil && len(dir) > 80 { // a socket's path has at most 107 bytes
		os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "pg")
	}
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir}
	if err := s.make(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) make() (err error) {
	if s.as, err = unprivileged(s.dir); err != nil {
		return err
	}
	initdb := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", superuser,
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = s.dir, s.as
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return s.run()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// settings are those of a small server that keeps its promises.
var settings = []string{
	"listen_addresses=", "unix_socket_permissions=0777", "synchronous_commit=on",
	"max_connections=400", "shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=30min", "timezone=UTC",
	"log_min_messages=warning", "logging_collector=off",
}

// run starts the server and returns when it takes connections.
func (s *Server) run() error {
	args := []string{"-D", s.data(), "-k", s.dir}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, endWithParent(s.as)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The signal that ends it comes when this thread does: the thread must live as long as the test binary.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			<-ended
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	ready, log := make(chan struct{}), &bytes.Buffer{}
	go func() {
		lines := bufio.NewScanner(stderr)
		waiting := true
		for lines.Scan() {
			if waiting {
				fmt.Fprintln(log, lines.Text())
				if strings.Contains(lines.Text(), "ready to accept connections") {
					waiting = false
					close(ready)
				}
			}
		}
		io.Copy(io.Discard, stderr)
		cmd.Wait()
		close(ended)
	}()
	select {
	case <-ready:
		return nil
	case <-ended:
		return fmt.Errorf("the server ended at once:\n%s", log)
	}
}

// Crash ends the server at once, with every connection and without a word to any, and starts it again on what it had made
// durable. It returns when the server takes connections. The binary's other tests lose theirs, too.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.process.Signal(syscall.SIGQUIT); err != nil {
		t.Errorf("ending PostgreSQL: %v", err)
	}
	<-s.ended
	if err := s.run(); err != nil {
		t.Errorf("starting PostgreSQL again: %v", err)
	}
}

func (s *Server) remove() error {
	err := s.process.Signal(syscall.SIGQUIT)
	<-s.ended
	return errors.Join(err, os.RemoveAll(s.dir))
}
