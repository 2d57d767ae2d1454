package web

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Handler puts the shell around what serves the routes. Listen does so itself; tests that need no server call it directly. It
// panics if cfg lacks Clock, Random or Log.
//
// Without TLS and BehindProxy, and with Dev, it answers only to names of the machine itself: localhost, 127.0.0.1, [::1].
func Handler(cfg Config, inner http.Handler) http.Handler {
	if cfg.Clock == nil || cfg.Random == nil || cfg.Log == nil {
		panic("web: a Config needs Clock, Random and Log")
	}
	cfg = cfg.withDefaults()
	h := bound(cfg, inner)
	h = sameSite(h)
	h = known(cfg, h)
	h = catch(h)
	h = strict(cfg, h)
	h = record(cfg, h)
	return number(cfg, h)
}

// number gives the request its reference, and the context what the shell knows of it.
func number(cfg Config, next http.Handler) http.Handler {
	numbers := &references{random: cfg.Random}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{reference: numbers.next(), address: address(r, cfg.BehindProxy), log: cfg.Log}
		w.Header().Set("Samtykke-Reference", q.reference)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	})
}

// methods are those that are logged by name. A client may send any word as one.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Seen is what may be counted of a request.
type Seen struct {
	Method string // one of the standard ones, or "other"
	Route  string // the template, as in the log; "" where there is no such route
	Status int    // of the answer
	Took   time.Duration
}

// record logs the request when it is done.
func record(cfg Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, method, began := under(r.Context()), r.Method, cfg.Clock()
		if !slices.Contains(methods, method) {
			method = "other"
		}
		seen := func(Seen) {}
		if cfg.Observe != nil {
			var ctx context.Context
			ctx, seen = cfg.Observe(r.Context())
			r = r.WithContext(ctx)
		}
		defer func() {
			took := cfg.Clock().Sub(began)
			line := []slog.Attr{
				slog.String("reference", q.reference),
				slog.String("method", method),
				slog.String("route", q.route),
				slog.Int("status", q.status),
				slog.Duration("duration", took),
				slog.Int64("bytes", q.bytes),
			}
			if q.role != "" {
				line = append(line, slog.String("role", string(q.role)))
			}
			cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", line...)
			seen(Seen{Method: method, Route: q.route, Status: q.status, Took: took})
			if cfg.Addresses != nil {
				cfg.Addresses(Visit{At: cfg.Clock(), Route: q.route, Status: q.status, From: q.address})
			}
		}()
		next.ServeHTTP(&recorder{w, q}, r)
		if q.status == 0 {
			q.status = http.StatusOK // what net/http sends for a handler that wrote nothing
		}
	})
}

// A recorder notes what was sent.
type recorder struct {
	http.ResponseWriter
	q *request
}

func (w *recorder) WriteHeader(status int) {
	if w.q.status == 0 && status >= 200 {
		w.q.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.q.status == 0 {
		w.q.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.q.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// contentPolicy is for pages made by the server, without scripts: what is not named may not be loaded.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// AllowScript lets the page that is about to be answered load scripts of the server's own, and no others: what stands in the page
// itself is still not run, and a script reaches nothing, not even this server.
func AllowScript(w http.ResponseWriter) {
	w.Header().Set("Content-Security-Policy", contentPolicy+"; script-src 'self'")
}

// strict tells browsers to be so. A route may loosen Cache-Control for what is the same for everybody.
func strict(cfg Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // without any, browsers that lack Sec-Fetch-Site send forms as from nowhere
		h.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !cfg.Dev && (r.TLS != nil || cfg.BehindProxy) {
			h.Set("Strict-Transport-Security", "max-age=63072000") // two years; subdomains are not ours to speak for
		}
		next.ServeHTTP(w, r)
	})
}

// catch makes a problem of a panic. Only its type and place are logged: its words may hold anything.
func catch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			q := under(r.Context())
			if v != http.ErrAbortHandler {
				q.log.Error("panic", slog.String("reference", q.reference), slog.String("type", fmt.Sprintf("%T", v)), slog.Any("at", frames()))
			}
			if v == http.ErrAbortHandler || q.status != 0 {
				panic(http.ErrAbortHandler)
			}
			WriteProblem(w, r, failed(nil))
		}()
		next.ServeHTTP(w, r)
	})
}

// frames are the functions and lines of this program that led to the panic, innermost first, without their arguments.
func frames() (at []string) {
	pcs := make([]uintptr, 64)
	all := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for more := true; more && len(at) < 20; {
		var f runtime.Frame
		f, more = all.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.HasPrefix(f.Function, "net/http.") {
			at = append(at, fmt.Sprintf("%s:%d", f.Function, f.Line))
		}
	}
	return at
}

// known refuses names that are not the machine's own, where it is only to be reached from there.
func known(cfg Config, next http.Handler) http.Handler {
	if !cfg.Dev && (cfg.tls() || cfg.BehindProxy) {
		return next
	}
	wrong := NewProblem(http.StatusMisdirectedRequest, "wrong-host",
		"This server answers to localhost only. Reach it by that name, or set up TLS or a proxy.")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !own(r.Host) {
			WriteProblem(w, r, wrong)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// own tells whether a Host header names the machine itself.
func own(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// sameSite refuses what another site's page sends, unless it only reads.
func sameSite(next http.Handler) http.Handler {
	refused := NewProblem(http.StatusForbidden, "cross-site", "This came from another site's page, or from a browser too old to tell.")
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { WriteProblem(w, r, refused) }))
	return p.Handler(next)
}

// bound limits the body and the time. What is announced too large is not even begun.
func bound(cfg Config, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > cfg.MaxBody {
			WriteProblem(w, r, tooLarge(cfg.MaxBody))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, cfg.MaxBody)
		ctx, cancel := context.WithTimeout(r.Context(), cfg.AnswerWithin)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
