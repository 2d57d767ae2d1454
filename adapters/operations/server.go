package operations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readWithin is how long reading the figures may take.
const readWithin = 5 * time.Second

// A verdict is what /readyz answers.
type verdict struct {
	Ready   bool     `json:"ready"`
	Figures []judged `json:"figures"`
}

type judged struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"` // at most
	OK    bool    `json:"ok"`
}

func judge(now *Figures) verdict {
	v := verdict{Ready: true}
	for _, f := range figures {
		if math.IsInf(f.limit, 1) {
			continue
		}
		j := judged{f.name, f.of(now), f.limit, f.of(now) <= f.limit}
		v.Ready = v.Ready && j.OK
		v.Figures = append(v.Figures, j)
	}
	return v
}

// Handler answers on the listener of its own, to the names that own says are the server's.
func Handler(w *Watch, told prometheus.Gatherer, own func(host string) bool) http.Handler {
	to := http.NewServeMux()
	to.HandleFunc("GET /healthz", func(to http.ResponseWriter, _ *http.Request) { io.WriteString(to, "ok\n") })
	to.HandleFunc("GET /readyz", func(to http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), readWithin)
		defer stop()
		now := w.Read(ctx)
		v := judge(&now)
		body, err := json.Marshal(v)
		if err != nil {
			panic("operations: a verdict that is not JSON") // unreachable: names and finite numbers
		}
		to.Header().Set("Content-Type", "application/json")
		if !v.Ready {
			to.WriteHeader(http.StatusServiceUnavailable)
		}
		to.Write(append(body, '\n'))
	})
	to.Handle("GET /metrics", promhttp.HandlerFor(told, promhttp.HandlerOpts{
		DisableCompression: true, MaxRequestsInFlight: 4, Timeout: readWithin,
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !own(r.Host) { // a page from elsewhere whose name was made to point here
			http.Error(w, "wrong host", http.StatusMisdirectedRequest)
			return
		}
		to.ServeHTTP(w, r)
	})
}

// A Server listens for whoever runs the service.
type Server struct {
	net.Listener
	http *http.Server
}

// Listen opens the address, which is one of the machine itself or a private one, with its port: 127.0.0.1:9180. Whoever can reach it may
// read all that is told.
func Listen(address string, w *Watch, m *Metrics) (*Server, error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("operations: %w", err)
	}
	if !a.IP.IsLoopback() && !a.IP.IsPrivate() {
		return nil, errors.New("operations: only an address of the machine itself or a private one is accepted, such as 127.0.0.1:9180")
	}
	l, err := net.ListenTCP("tcp", a)
	if err != nil {
		return nil, fmt.Errorf("operations: %w", err)
	}
	name, _, _ := net.SplitHostPort(address) // it was resolved
	return &Server{l, &http.Server{
		Handler:           Handler(w, m.Gatherer(), func(host string) bool { return known(host, name) }),
		ErrorLog:          log.New(io.Discard, "", 0), // addresses, and what was sent
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 2 * readWithin, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 8 << 10,
	}}, nil
}

// known tells whether a Host header is an address, localhost, or the name that the server was told to listen at.
func known(host, name string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost") || strings.EqualFold(host, name)
}

// Serve serves until ctx ends, and then stops at once: whoever asks sees that the service is no longer ready.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.Listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("operations: listening ended: %w", err)
	}
	return nil
}
