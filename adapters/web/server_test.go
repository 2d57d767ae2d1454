package web_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/web"
)

// up starts a server that stops with the test, and gives its address, and what stops it and gives the outcome.
func up(t *testing.T, cfg web.Config, h http.HandlerFunc) (address string, stop func() error) {
	t.Helper()
	s, err := web.Listen(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	return s.Addr().String(), stop
}

// dial opens a connection that the test gives up on after 10 s.
func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}

func answered(t *testing.T, c net.Conn) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return r
}

func hello(w http.ResponseWriter, r *http.Request) { web.Answer(w, r, 200, "hello") }

func reading(w http.ResponseWriter, r *http.Request) {
	var v struct{}
	if err := web.Decode(r, &v); err != nil {
		web.WriteProblem(w, r, web.FromError(err))
		return
	}
	hello(w, r)
}

func TestConfig(t *testing.T) {
	cert, key := pair(t, t.TempDir(), 1)
	for _, c := range []struct {
		name string
		cfg  web.Config
		says string // "" where it is accepted
	}{
		{"loopback", web.Config{Listen: "127.0.0.1:0"}, ""},
		{"localhost", web.Config{Listen: "localhost:0"}, ""},
		{"every address", web.Config{Listen: ":0"}, "without TLS files"},
		{"every address by number", web.Config{Listen: "0.0.0.0:0"}, "without TLS files"},
		{"every address behind a proxy", web.Config{Listen: ":0", BehindProxy: true}, ""},
		{"every address with TLS", web.Config{Listen: ":0", TLSCert: cert, TLSKey: key}, ""},
		{"half of TLS", web.Config{Listen: ":0", TLSCert: cert}, "both files"},
		{"the other half", web.Config{Listen: "127.0.0.1:0", TLSKey: key}, "both files"},
		{"files that are not there", web.Config{Listen: ":0", TLSCert: cert + "x", TLSKey: key}, "no such file"},
		{"the wrong file", web.Config{Listen: ":0", TLSCert: key, TLSKey: key}, "certificate"},
		{"dev", web.Config{Listen: "127.0.0.1:0", Dev: true}, ""},
		{"dev for all", web.Config{Listen: ":0", Dev: true, TLSCert: cert, TLSKey: key}, "Dev is for"},
		{"dev behind a proxy", web.Config{Listen: "127.0.0.1:0", Dev: true, BehindProxy: true}, "Dev is for"},
		{"no time to say that it took too long", web.Config{Listen: "127.0.0.1:0", WriteWithin: time.Second}, "WriteWithin"},
		{"negative", web.Config{Listen: "127.0.0.1:0", Connections: -1}, "negative"},
		{"no address", web.Config{Listen: "nowhere"}, "nowhere"},
	} {
		q := quietly()
		c.cfg.Log, c.cfg.Clock, c.cfg.Random = q.Log, q.Clock, q.Random
		s, err := web.Listen(c.cfg, http.HandlerFunc(hello))
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.Serve(ended); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// One byte of a body and then nothing: the time runs out, the client is told, and the connection ends.
func TestSlowBody(t *testing.T) {
	cfg := quietly()
	cfg.ReadWithin = 200 * time.Millisecond
	address, _ := up(t, cfg, reading)
	c := dial(t, address)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	r := answered(t, c)
	if r.StatusCode != 408 || !r.Close {
		t.Errorf("%d, closing %v", r.StatusCode, r.Close)
	}
	body, _ := io.ReadAll(r.Body)
	if !strings.Contains(string(body), `"too-slow"`) {
		t.Errorf("%s", body)
	}
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stayed open")
	}
}

// The same over HTTP/2, where other requests share the connection.
func TestSlowBodyHTTP2(t *testing.T) {
	cfg := quietly()
	cfg.ReadWithin = 200 * time.Millisecond
	cfg.TLSCert, cfg.TLSKey = pair(t, t.TempDir(), 1)
	address, _ := up(t, cfg, reading)
	client := trusting()
	defer client.CloseIdleConnections()
	body, more := io.Pipe()
	defer more.Close()
	go more.Write([]byte("{"))
	r, err := client.Post("https://"+address, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != 408 || r.ProtoMajor != 2 {
		t.Errorf("%d, HTTP/%d", r.StatusCode, r.ProtoMajor)
	}
}

// A client that asks and does not read does not hold a handler for ever.
func TestSlowReader(t *testing.T) {
	cfg := quietly()
	cfg.AnswerWithin, cfg.WriteWithin = 100*time.Millisecond, 200*time.Millisecond
	ended := make(chan error, 1)
	address, _ := up(t, cfg, func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 64<<20)) // more than the buffers on the way hold
		ended <- err
	})
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("written with %v", err)
	}
}

// Headers that never end, or never begin.
func TestSlowHeaders(t *testing.T) {
	cfg := quietly()
	cfg.HeaderWithin = 200 * time.Millisecond
	address, _ := up(t, cfg, hello)
	for _, sent := range []string{"", "G", "GET / HTTP/1.1\r\nHost: localhost\r\nX: "} {
		c := dial(t, address)
		io.WriteString(c, sent)
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %q the connection stayed open", sent)
		}
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	cfg := quietly()
	cfg.IdleFor = 200 * time.Millisecond
	address, _ := up(t, cfg, hello)
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r := answered(t, c)
	io.Copy(io.Discard, r.Body)
	if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stayed open")
	}
}

// Ten megabytes are refused before they are sent, whether they are announced or not.
func TestLargeBody(t *testing.T) {
	address, _ := up(t, quietly(), reading)
	for name, head := range map[string]string{
		"announced": "Content-Length: 10485760\r\n\r\n",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\na00000\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, address)
			c.SetWriteBuffer(64 << 10) // so that what was written was mostly read
			sent := make(chan int)
			go func() {
				io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+head+`"`)
				total, piece := 0, []byte(strings.Repeat("a", 64<<10))
				for range 10 << 20 / len(piece) {
					n, err := c.Write(piece)
					total += n
					if err != nil {
						break
					}
				}
				sent <- total
			}()
			r := answered(t, c)
			if r.StatusCode != 413 || !r.Close || r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d, closing %v, %v", r.StatusCode, r.Close, r.Header)
			}
			c.SetDeadline(time.Now().Add(2 * time.Second))
			if n := <-sent; n > 4<<20 { // some stand in the buffers of both ends
				t.Errorf("%d bytes could be sent", n)
			} else {
				t.Logf("%d bytes were sent", n)
			}
		})
	}
}

func TestHeaderFlood(t *testing.T) {
	address, _ := up(t, quietly(), hello)
	flood := func(field string) int {
		c := dial(t, address)
		go func() {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n")
			for i := range 100 {
				fmt.Fprintf(c, field, i, strings.Repeat("a", 1<<10))
			}
			io.WriteString(c, "\r\n")
		}()
		return answered(t, c).StatusCode
	}
	if got := flood("X-%d: %s\r\n"); got != 431 {
		t.Errorf("many headers: %d", got)
	}
	if got := flood("X-%d: %[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s%[2]s\r\n"); got != 431 {
		t.Errorf("large headers: %d", got)
	}
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: "+strings.Repeat("a", 8<<10)+"\r\n\r\n")
	if got := answered(t, c).StatusCode; got != 200 {
		t.Errorf("8 KiB of headers: %d", got)
	}
}

// The whole server, not a route, is asked with OPTIONS *: that passes the shell as well.
func TestOptionsOfTheServer(t *testing.T) {
	address, _ := up(t, quietly(), hello)
	c := dial(t, address)
	io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	if r := answered(t, c); r.StatusCode != 421 || r.Header.Get("Samtykke-Reference") == "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// Rubbish on the TLS port is counted, not printed, and hurts nobody else.
func TestBadTLS(t *testing.T) {
	cfg, book := logged()
	cfg.TLSCert, cfg.TLSKey = pair(t, t.TempDir(), 1)
	address, stop := up(t, cfg, hello)
	client := trusting()
	for _, rubbish := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x40\x00", strings.Repeat("\x00", 5000), "\x80\x2e\x01\x00\x02"} {
		c := dial(t, address)
		io.WriteString(c, rubbish)
		c.CloseWrite()
		io.Copy(io.Discard, c)
		if got, err := client.Get("https://" + address); err != nil || got.StatusCode != 200 || got.ProtoMajor != 2 {
			t.Fatalf("after %q: %v %v", rubbish, got, err)
		} else if got.Body.Close(); got.Header.Get("Strict-Transport-Security") == "" {
			t.Error("no Strict-Transport-Security")
		}
	}
	old := tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", address, &old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	client.CloseIdleConnections()
	stop()
	if !strings.Contains(book.String(), `kind="TLS handshake failed" times=5`) || strings.Count(book.String(), "connection trouble") != 2 {
		t.Errorf("logged %s", book)
	}
	if strings.Count(book.String(), "127.0.0.1") != 1 { // the server's own address
		t.Errorf("an address was logged: %s", book)
	}
}

// One HTTP/2 connection has a limited number of requests under way, and the server says which (RFC 9113, 6.5.2).
func TestHTTP2Streams(t *testing.T) {
	cfg := quietly()
	cfg.TLSCert, cfg.TLSKey = pair(t, t.TempDir(), 1)
	address, _ := up(t, cfg, hello)
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	head := make([]byte, 9)
	if _, err := io.ReadFull(c, head); err != nil || head[3] != 4 {
		t.Fatalf("no settings: %x %v", head, err)
	}
	settings := make([]byte, int(head[1])<<8+int(head[2]))
	if _, err := io.ReadFull(c, settings); err != nil {
		t.Fatal(err)
	}
	got := map[uint16]uint32{}
	for ; len(settings) >= 6; settings = settings[6:] {
		got[binary.BigEndian.Uint16(settings)] = binary.BigEndian.Uint32(settings[2:])
	}
	const maxConcurrentStreams, initialWindowSize = 3, 4
	if got[maxConcurrentStreams] != 32 || got[initialWindowSize] != 64<<10 {
		t.Errorf("settings %v", got)
	}
}

// Certificates are exchanged while the server runs. While the two files do not fit together the old ones hold.
func TestCertificateReload(t *testing.T) {
	cfg, book := logged()
	dir := t.TempDir()
	cfg.TLSCert, cfg.TLSKey = pair(t, dir, 1)
	address, _ := up(t, cfg, hello)
	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	cert, key := pair(t, t.TempDir(), 2)
	moved := time.Now().Add(time.Minute) // whatever the file system's grain
	for i, step := range []struct {
		from, to string
		want     int64
	}{{cert, cfg.TLSCert, 1}, {key, cfg.TLSKey, 2}} {
		b, err := os.ReadFile(step.from)
		if err == nil {
			err = os.WriteFile(step.to, b, 0o600)
		}
		if err == nil {
			err = os.Chtimes(step.to, moved, moved)
		}
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := serial(); got != step.want {
				t.Errorf("step %d: certificate %d", i, got)
			}
		}
	}
	if strings.Count(book.String(), "former ones stay in use") != 1 {
		t.Errorf("logged %s", book)
	}
	os.Remove(cfg.TLSCert)
	if got := serial(); got != 2 {
		t.Errorf("without a file: certificate %d", got)
	}
}

// More connections than there may be wait; they are not turned away, and nobody is cut for them.
func TestConnectionsWait(t *testing.T) {
	cfg := quietly()
	cfg.Connections = 2
	address, _ := up(t, cfg, hello)
	ask := "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
	var held []*net.TCPConn
	for range 2 {
		c := dial(t, address)
		io.WriteString(c, ask)
		io.Copy(io.Discard, answered(t, c).Body)
		held = append(held, c)
	}
	third := dial(t, address)
	io.WriteString(third, ask)
	third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the third did not wait: %v", err)
	}
	io.WriteString(held[1], ask)
	if r := answered(t, held[1]); r.StatusCode != 200 {
		t.Errorf("one that was there: %d", r.StatusCode)
	}
	held[0].Close()
	third.SetReadDeadline(time.Now().Add(time.Minute))
	if r := answered(t, third); r.StatusCode != 200 {
		t.Errorf("the third: %d", r.StatusCode)
	}
}

// One address may have its share; one that is behind many of them is counted by what it was given.
func TestConnectionsOfOneAddress(t *testing.T) {
	at := func(s string) string { return web.Origin(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s))) }
	n := web.NewCounts(2)
	for i, c := range []struct {
		from string
		want bool
	}{
		{"192.0.2.1:1", true}, {"192.0.2.1:2", true}, {"192.0.2.1:3", false}, {"[::ffff:192.0.2.1]:4", false}, {"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true}, {"[2001:db8::2]:1", true}, {"[2001:db8::3:0:0:1]:1", false}, {"[2001:db8:0:1::1]:1", true},
		{"127.0.0.1:1", true}, {"127.0.0.1:2", true}, {"127.0.0.1:3", true}, {"[::1]:3", true},
	} {
		if got := n.Enter(at(c.from)); got != c.want {
			t.Errorf("%d, %s: %v", i, c.from, got)
		}
	}
	n.Leave(at("192.0.2.1:1"))
	if !n.Enter(at("192.0.2.1:9")) {
		t.Error("a place that became free is not given again")
	}
	for _, from := range []string{"192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:1", "[2001:db8::9]:1", "[2001:db8::9]:1", "[2001:db8:0:1::9]:1", "127.0.0.1:1"} {
		n.Leave(at(from))
	}
	if n.Open() != 0 {
		t.Errorf("%d addresses are kept that have no connection", n.Open())
	}
}

// A stop lets the request under way finish, and takes no other.
func TestGracefulStop(t *testing.T) {
	begun, finish := make(chan bool), make(chan bool)
	address, stop := up(t, quietly(), func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-finish
		if err := r.Context().Err(); err != nil {
			t.Errorf("the request was cancelled: %v", err)
		}
		hello(w, r)
	})
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	outcome := make(chan error, 1)
	go func() { outcome <- stop() }()
	for { // until the listener is closed, which the stop does first
		other, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		other.Close()
		runtime.Gosched()
	}
	select {
	case err := <-outcome:
		t.Fatalf("stopped with a request under way: %v", err)
	default:
	}
	close(finish)
	r := answered(t, c)
	body, err := io.ReadAll(r.Body)
	if r.StatusCode != 200 || string(body) != `"hello"` || err != nil {
		t.Errorf("%d %s %v", r.StatusCode, body, err)
	}
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

// A request that does not finish is cut, and Serve says so.
func TestStopCuts(t *testing.T) {
	cfg := quietly()
	cfg.StopWithin = 50 * time.Millisecond
	begun, ended := make(chan bool), make(chan error, 1)
	address, stop := up(t, cfg, func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
		ended <- r.Context().Err()
	})
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-begun
	if err := stop(); !errors.Is(err, web.ErrCut) {
		t.Errorf("stopped with %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the handler was not told")
	}
	if b, err := io.ReadAll(c); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("answered %q, %v", b, err)
	}
}

// A handler that takes too long still has the time to say so.
func TestDeadline(t *testing.T) {
	cfg := quietly()
	cfg.AnswerWithin = 50 * time.Millisecond
	address, _ := up(t, cfg, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		web.WriteProblem(w, r, web.FromError(r.Context().Err()))
	})
	c := dial(t, address)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if r := answered(t, c); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// pair makes a certificate for this machine, and gives its files.
func pair(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, &about, &about, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// trusting is a client that speaks HTTP/2 and takes any certificate.
func trusting() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}
