package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// A Config says where the server listens and what it allows. Where a limit is 0, the default holds.
type Config struct {
	// Listen is the address and port, as in "127.0.0.1:8080" or ":8443". Without TLS only an address of the machine itself is
	// accepted, unless BehindProxy.
	Listen string

	// TLSCert and TLSKey are PEM files: the certificate with its chain, and its key. When either changes, the next handshake
	// reads both anew; while they do not fit together, the old ones stay in use. Without them the server speaks plain HTTP,
	// and everything can be read on the way.
	TLSCert, TLSKey string

	// BehindProxy says that a proxy ends TLS and is the only one that can reach the server: the last entry of X-Forwarded-For
	// is then the client's address, and browsers are told to come by HTTPS only. The proxy must pass Host on unchanged and add
	// to X-Forwarded-For. If anybody else can reach the server, they choose the address that their attempts are counted by.
	// Without it that header is not looked at.
	BehindProxy bool

	// Dev is for trying the server out on one's own machine. It is refused for any other address, and behind a proxy. With it
	// browsers are not told to come by HTTPS only, which they would go on believing of localhost.
	Dev bool

	// Log gets one line for each request, and what went wrong. It is needed.
	Log *slog.Logger
	// Clock times the requests for the log. It is needed. Time limits do not go by it but by the connection's own.
	Clock func() time.Time
	// Random is where references come from. It is needed. It is read by one goroutine at a time.
	Random io.Reader

	// Addresses is told of each request when it is done, and is the only one who ever learns an address. It decides whether an incident
	// lasts, and keeps nothing otherwise. nil: nobody is told.
	Addresses func(Visit)

	// Observe is told of each request when it begins, by the context that goes inwards from there, and by what it gives when the request
	// is done. It learns less than the log: nothing of who came, or what for in particular. nil: nobody is told.
	Observe func(context.Context) (context.Context, func(Seen))

	// MaxBody is the largest body of a request, in bytes: 64 KiB. What is larger is answered 413 without being read.
	MaxBody int64
	// Connections is how many may be open at the same time: 20,000. An idle one costs some 20 KB, with TLS some 35 KB, and a file
	// descriptor, of which the system must allow that many.
	Connections int

	HeaderWithin time.Duration // from the connection or the end of silence to the end of the headers, TLS included: 10 s
	ReadWithin   time.Duration // to the end of the body: 20 s
	AnswerWithin time.Duration // the deadline of the request's context, from the end of the headers: 20 s
	WriteWithin  time.Duration // from the end of the headers to the end of the answer: 40 s. Must be more than AnswerWithin
	IdleFor      time.Duration // silence between requests: 60 s
	StopWithin   time.Duration // for requests under way when the server stops: 20 s
}

const (
	maxHeader = 16 << 10 // bytes of all headers together; a browser sends 1 to 2 KiB
	streams   = 32       // requests at the same time on one HTTP/2 connection; a page asks for fewer
)

func (c Config) withDefaults() Config {
	c.MaxBody = cmp.Or(c.MaxBody, 64<<10)
	c.Connections = cmp.Or(c.Connections, 20_000)
	c.HeaderWithin = cmp.Or(c.HeaderWithin, 10*time.Second)
	c.ReadWithin = cmp.Or(c.ReadWithin, 20*time.Second)
	c.AnswerWithin = cmp.Or(c.AnswerWithin, 20*time.Second)
	c.WriteWithin = cmp.Or(c.WriteWithin, 40*time.Second)
	c.IdleFor = cmp.Or(c.IdleFor, 60*time.Second)
	c.StopWithin = cmp.Or(c.StopWithin, 20*time.Second)
	return c
}

func (c Config) tls() bool { return c.TLSCert != "" || c.TLSKey != "" }

// check gives what is wrong with the configuration for an address, in words for who runs the server.
func (c Config) check(a *net.TCPAddr) error {
	loopback := a.IP.IsLoopback()
	switch {
	case c.tls() && (c.TLSCert == "" || c.TLSKey == ""):
		return errors.New("web: TLS takes both files, the certificate and its key")
	case c.Dev && (!loopback || c.BehindProxy):
		return errors.New("web: Dev is for an address of the machine itself, such as 127.0.0.1, and not behind a proxy")
	case !c.tls() && !c.BehindProxy && !loopback:
		return errors.New("web: without TLS files only an address of the machine itself is accepted, such as 127.0.0.1, unless a proxy in front ends TLS")
	case c.WriteWithin <= c.AnswerWithin:
		return errors.New("web: WriteWithin must be more than AnswerWithin, or there is no time to say that it took too long")
	case c.Connections < 0 || c.MaxBody < 0:
		return errors.New("web: a limit cannot be negative")
	}
	return nil
}

// A Server listens. Serve has to be called for anybody to be answered.
type Server struct {
	cfg   Config
	gate  *gate
	http  *http.Server
	quiet *quiet
	cut   context.CancelFunc // ends the context of every request
}

// Listen opens the address and puts the shell of Handler around inner. Its error says what is wrong with the configuration, or
// that the address or the TLS files cannot be had.
func Listen(cfg Config, inner http.Handler) (*Server, error) {
	cfg = cfg.withDefaults()
	address, err := net.ResolveTCPAddr("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if err := cfg.check(address); err != nil {
		return nil, err
	}
	base, cut := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, quiet: &quiet{log: cfg.Log, seen: map[string]int{}}, cut: cut}
	s.http = &http.Server{
		Handler:           Handler(cfg, inner),
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          log.New(s.quiet, "", 0),
		ReadHeaderTimeout: cfg.HeaderWithin,
		ReadTimeout:       cfg.ReadWithin,
		WriteTimeout:      cfg.WriteWithin,
		IdleTimeout:       cfg.IdleFor,
		MaxHeaderBytes:    maxHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          streams,
			MaxReadFrameSize:              16 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
			MaxReceiveBufferPerConnection: 256 << 10,
			WriteByteTimeout:              cfg.WriteWithin,
		},
		DisableGeneralOptionsHandler: true, // or "OPTIONS *" would go round the shell
	}
	if cfg.tls() {
		c := &certificate{certFile: cfg.TLSCert, keyFile: cfg.TLSKey, log: cfg.Log}
		if err := c.load(); err != nil {
			cut()
			return nil, fmt.Errorf("web: %w", err)
		}
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	l, err := net.ListenTCP("tcp", address)
	if err != nil {
		cut()
		return nil, fmt.Errorf("web: %w", err)
	}
	s.gate = newGate(l, cfg)
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.gate.Addr() }

// ErrCut says that requests were still under way when the time to stop had run out. None of them was answered.
var ErrCut = errors.New("web: requests under way were cut off")

// Serve serves until ctx ends, and then stops: it takes no connection any more, lets requests under way finish, and returns
// nil when they have, or ErrCut when they did not in time. It returns earlier only if listening fails. It is called once.
func (s *Server) Serve(ctx context.Context) error {
	defer s.cut()
	defer s.quiet.total()
	s.cfg.Log.Info("listening", slog.String("address", s.Addr().String()), slog.Bool("tls", s.cfg.tls()))
	ended := make(chan error, 1)
	go func() {
		if s.cfg.tls() {
			ended <- s.http.ServeTLS(s.gate, "", "")
		} else {
			ended <- s.http.Serve(s.gate)
		}
	}()
	select {
	case err := <-ended:
		s.http.Close()
		return fmt.Errorf("web: listening ended: %w", err)
	case <-ctx.Done():
	}
	s.cfg.Log.Info("stopping")
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.StopWithin)
	defer cancel()
	err := s.http.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		err = ErrCut
		s.http.Close() // first, so that nobody hears of a request that its handler gave up
		s.cut()
	}
	<-ended
	return err
}
