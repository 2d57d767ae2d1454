package web_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"samtykke/adapters/web"
	"samtykke/domain"
)

var instant = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// quietly is a configuration whose log goes nowhere.
func quietly() web.Config {
	return web.Config{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Clock: func() time.Time { return instant }, Random: rand.Reader}
}

// logged is a configuration and what it logs. The clock goes 5 ms at every look.
func logged() (web.Config, *book) {
	b := new(book)
	cfg := quietly()
	cfg.Log = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	now := instant
	var mu sync.Mutex
	cfg.Clock = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(5 * time.Millisecond)
		return now
	}
	return cfg, b
}

type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func local(method, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Host = "localhost:8080"
	return r
}

func serve(cfg web.Config, r *http.Request, h http.HandlerFunc) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	web.Handler(cfg, h).ServeHTTP(w, r)
	return w
}

func problem(t *testing.T, w *httptest.ResponseRecorder) (p web.Problem) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%d, content type %q: %s", w.Code, got, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code || p.Type != "about:blank" || p.Title != http.StatusText(w.Code) || p.Instance != w.Header().Get("Samtykke-Reference") {
		t.Errorf("the problem does not fit its answer: %d %+v", w.Code, p)
	}
	return p
}

// One line for each request, and nothing in it that says who it was about.
func TestLog(t *testing.T) {
	cfg, book := logged()
	cfg.BehindProxy = true
	r := httptest.NewRequest("POST", "/api/v1/clients/4711-handle?label=ABCDEF", strings.NewReader("body"))
	r.Header.Set("X-Forwarded-For", "192.0.2.9")
	r.Header.Set("User-Agent", "agent/1")
	r.Header.Set("Authorization", "Bearer secret")
	w := serve(cfg, r, func(w http.ResponseWriter, r *http.Request) {
		web.Name(r.Context(), "POST /api/v1/clients/{handle}")
		web.SetRole(r.Context(), domain.RoleProfessional)
		web.Answer(w, r, 201, map[string]string{"a": "b"})
	})
	want := fmt.Sprintf(`level=INFO msg=request reference=%s method=POST route="POST /api/v1/clients/{handle}" status=201 duration=5ms bytes=9 role=professional`+"\n",
		w.Header().Get("Samtykke-Reference"))
	if book.String() != want {
		t.Errorf("logged %s\nwant %s", book, want)
	}
	if w.Body.String() != `{"a":"b"}` || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != "9" {
		t.Errorf("answered %v %s", w.Header(), w.Body)
	}

	type inwards struct{}
	cfg, _ = logged()
	var seen []web.Seen
	cfg.Observe = func(ctx context.Context) (context.Context, func(web.Seen)) {
		return context.WithValue(ctx, inwards{}, len(seen)+1), func(s web.Seen) { seen = append(seen, s) }
	}
	serve(cfg, local("GET", "/x/4711?label=ABCDEF", nil), func(w http.ResponseWriter, r *http.Request) {
		web.Name(r.Context(), "GET /x/{handle}")
		web.Answer(w, r, 200, r.Context().Value(inwards{}))
	})
	serve(cfg, local("OLANORDMANN", "/x", nil), func(http.ResponseWriter, *http.Request) { panic("OLANORDMANN") })
	wantSeen := []web.Seen{{"GET", "GET /x/{handle}", 200, 5 * time.Millisecond}, {"other", "", 500, 5 * time.Millisecond}}
	if !slices.Equal(seen, wantSeen) {
		t.Errorf("seen %v, want %v", seen, wantSeen)
	}

	cfg, book = logged()
	serve(cfg, local("OLANORDMANN", "/x", nil), func(http.ResponseWriter, *http.Request) {})
	if !regexp.MustCompile(`^level=INFO msg=request reference=\w{10} method=other route="" status=200 duration=5ms bytes=0\n$`).MatchString(book.String()) {
		t.Errorf("logged %s", book)
	}
}

func TestHeaders(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"answer": func(w http.ResponseWriter, r *http.Request) { web.Answer(w, r, 200, 1) },
		"panic":  func(http.ResponseWriter, *http.Request) { panic("x") },
		"empty":  func(w http.ResponseWriter, r *http.Request) { web.Send(w, r, 204, "", nil) },
	}
	for name, h := range answers {
		head := serve(quietly(), local("GET", "/", nil), h).Header()
		for key, want := range map[string]string{
			"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "same-origin",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Embedder-Policy": "require-corp",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
			"Strict-Transport-Security":    "",
		} {
			if got := head.Get(key); got != want {
				t.Errorf("%s: %s is %q", name, key, got)
			}
		}
		if !strings.Contains(head.Get("Permissions-Policy"), "camera=()") {
			t.Errorf("%s: no Permissions-Policy", name)
		}
		if len(head.Get("Samtykke-Reference")) != 10 {
			t.Errorf("%s: reference %q", name, head.Get("Samtykke-Reference"))
		}
	}
	for _, c := range []struct {
		tls, proxy, dev, want bool
	}{{tls: true, want: true}, {proxy: true, want: true}, {tls: true, dev: true}, {}} {
		cfg := quietly()
		cfg.BehindProxy, cfg.Dev = c.proxy, c.dev
		r := local("GET", "/", nil)
		if c.tls {
			r.TLS = new(tls.ConnectionState)
		}
		if got := serve(cfg, r, answers["answer"]).Header().Get("Strict-Transport-Security"); got != "" != c.want {
			t.Errorf("%+v: Strict-Transport-Security is %q", c, got)
		}
	}
	w := serve(quietly(), local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		web.Send(w, r, 200, "text/css", []byte("b{}"))
	})
	if w.Header().Get("Cache-Control") != "max-age=60" {
		t.Error("a route cannot loosen Cache-Control")
	}
}

func TestPanic(t *testing.T) {
	cfg, book := logged()
	w := serve(cfg, local("GET", "/", nil), func(http.ResponseWriter, *http.Request) { panic("Ola Nordmann") })
	p := problem(t, w)
	if p.Status != 500 || p.Code != "failed" || strings.Contains(w.Body.String()+book.String(), "Ola") {
		t.Errorf("%s\n%s", w.Body, book)
	}
	for _, want := range []string{"msg=panic reference=" + p.Instance, "type=string", "web_test.TestPanic.func1:", "status=500"} {
		if !strings.Contains(book.String(), want) {
			t.Errorf("the log lacks %q: %s", want, book)
		}
	}
	// After the first byte the connection is cut, and the line is logged nevertheless.
	cfg, book = logged()
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("went on with %v", v)
			}
		}()
		serve(cfg, local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			panic(errors.New("x"))
		})
	}()
	if !strings.Contains(book.String(), "status=200") || !strings.Contains(book.String(), "type=*errors.errorString") {
		t.Errorf("logged %s", book)
	}
}

// Over plain HTTP on the machine itself, a name from elsewhere is not answered to.
func TestHost(t *testing.T) {
	plain, dev, proxied, secure := quietly(), quietly(), quietly(), quietly()
	dev.Dev = true
	proxied.BehindProxy = true
	secure.TLSCert, secure.TLSKey = "cert", "key"
	for _, c := range []struct {
		cfg  web.Config
		host string
		want int
	}{
		{plain, "localhost", 200}, {plain, "LOCALHOST:8080", 200}, {plain, "127.0.0.1:8080", 200}, {plain, "127.8.9.1", 200},
		{plain, "[::1]:8080", 200}, {plain, "[::1]", 200},
		{plain, "evil.example:8080", 421}, {plain, "192.0.2.1:8080", 421}, {plain, "", 421}, {plain, "localhost.evil.example", 421}, {plain, "0.0.0.0", 421},
		{dev, "localhost:1", 200}, {dev, "evil.example", 421},
		{proxied, "consent.example", 200}, {secure, "consent.example", 200},
	} {
		r := local("GET", "/", nil)
		r.Host = c.host
		if w := serve(c.cfg, r, func(http.ResponseWriter, *http.Request) {}); w.Code != c.want {
			t.Errorf("%q (dev %v, proxy %v): %d", c.host, c.cfg.Dev, c.cfg.BehindProxy, w.Code)
		} else if w.Code != 200 && problem(t, w).Code != "wrong-host" {
			t.Errorf("%q: %s", c.host, w.Body)
		}
	}
}

func TestCrossSite(t *testing.T) {
	for _, c := range []struct {
		method, site, origin string
		want                 int
	}{
		{"POST", "cross-site", "", 403}, {"POST", "same-site", "", 403}, {"DELETE", "cross-site", "", 403}, {"PUT", "", "https://evil.example", 403},
		{"POST", "", "null", 403}, {"OTHER", "cross-site", "", 403},
		{"POST", "same-origin", "null", 200}, {"POST", "none", "", 200}, {"POST", "", "http://localhost:8080", 200}, {"POST", "", "", 200},
		{"GET", "cross-site", "https://evil.example", 200}, {"HEAD", "cross-site", "", 200},
	} {
		r := local(c.method, "/", nil)
		for key, v := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if v != "" {
				r.Header.Set(key, v)
			}
		}
		reached := false
		w := serve(quietly(), r, func(http.ResponseWriter, *http.Request) { reached = true })
		if w.Code != c.want || reached != (c.want == 200) {
			t.Errorf("%+v: %d, reached %v", c, w.Code, reached)
		}
		if w.Code == 403 && problem(t, w).Code != "cross-site" {
			t.Errorf("%+v: %s", c, w.Body)
		}
	}
}

func TestBound(t *testing.T) {
	cfg := quietly()
	cfg.MaxBody = 10
	for body, want := range map[string]int{"1234567890": 200, "12345678901": 413} {
		for _, announced := range []bool{true, false} {
			r := local("POST", "/", io.MultiReader(strings.NewReader(body))) // the length cannot be seen
			if announced {
				r.ContentLength = int64(len(body))
			}
			w := serve(cfg, r, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err != nil {
					web.WriteProblem(w, r, web.Unread(err))
				}
				if _, ok := r.Context().Deadline(); !ok {
					t.Error("the request has no deadline")
				}
			})
			if w.Code != want {
				t.Errorf("%d bytes: %d", len(body), w.Code)
			}
			if want == 413 && (problem(t, w).Code != "too-large" || w.Header().Get("Connection") != "close") {
				t.Errorf("%d bytes: %v %s", len(body), w.Header(), w.Body)
			}
		}
	}
}

// A check between handler and answer has the last word.
func TestBeforeAnswering(t *testing.T) {
	var order []string
	answer := func(end error) *httptest.ResponseRecorder {
		order = nil
		return serve(quietly(), local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"a", "b"} {
				web.BeforeAnswering(r.Context(), func() error { order = append(order, name); return end })
			}
			order = append(order, "handler")
			web.Answer(w, r, 200, "what was registered")
		})
	}
	if w := answer(nil); w.Code != 200 || !slices.Equal(order, []string{"handler", "a", "b"}) {
		t.Errorf("%d, %v", w.Code, order)
	}
	w := answer(domain.Refuse("signed-out", "You are signed out."))
	if p := problem(t, w); p.Status != 401 || p.Code != "signed-out" || strings.Contains(w.Body.String(), "registered") || len(order) != 2 {
		t.Errorf("%s, %v", w.Body, order)
	}
	if w.Header().Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	// What does not become JSON is a problem, whole, and the value is not told.
	cfg, book := logged()
	w = serve(cfg, local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
		web.Answer(w, r, 200, map[string]any{"first": "x", "second": map[string]any{"Ola\xff": 1}})
	})
	if p := problem(t, w); p.Status != 500 || strings.Contains(w.Body.String()+book.String(), "Ola") {
		t.Errorf("%s\n%s", w.Body, book)
	}
}

// away is an error of a server, which may be out of reach.
type away bool

func (a away) Error() string     { return fmt.Sprint("away ", bool(a)) }
func (a away) Unavailable() bool { return bool(a) }

func TestFromError(t *testing.T) {
	late := fmt.Errorf("reading: %w", context.DeadlineExceeded)
	for _, c := range []struct {
		err    error
		status int
		code   string
		logged string
	}{
		{domain.Refuse("not-shared", "The client does not share."), 403, "not-shared", ""},
		{fmt.Errorf("x: %w", domain.Refuse("already-answered", "It was.")), 409, "already-answered", ""},
		{domain.Refuse("never-heard-of", "No."), 422, "never-heard-of", ""},
		{web.NewProblem(418, "teapot", "No."), 418, "teapot", ""},
		{late, 503, "unavailable", "reading: context deadline exceeded"},
		{context.Canceled, 503, "unavailable", ""},
		{fmt.Errorf("appending: %w", away(true)), 503, "unavailable", "appending: away true"},
		{fmt.Errorf("appending: %w", away(false)), 500, "failed", "appending: away false"},
		{errors.New("the disk is full"), 500, "failed", "the disk is full"},
	} {
		cfg, book := logged()
		w := serve(cfg, local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
			web.WriteProblem(w, r, web.FromError(c.err))
		})
		p := problem(t, w)
		if p.Status != c.status || p.Code != c.code {
			t.Errorf("%v: %s", c.err, w.Body)
		}
		if c.logged == "" && strings.Contains(book.String(), "level=ERROR") || !strings.Contains(book.String(), c.logged) {
			t.Errorf("%v: logged %s", c.err, book)
		}
		if c.logged != "" && (!strings.Contains(book.String(), "reference="+p.Instance) || strings.Contains(w.Body.String(), c.logged)) {
			t.Errorf("%v: %s, logged %s", c.err, w.Body, book)
		}
	}
	w := serve(quietly(), local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
		web.WriteProblem(w, r, web.FromError(later{domain.Refuse("too-many-attempts", "Wait.")}))
	})
	if p := problem(t, w); p.Status != 429 || p.Detail != "Wait." || w.Header().Get("Retry-After") != "91" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
}

type later struct{ error }

func (l later) Unwrap() error           { return l.error }
func (later) RetryAfter() time.Duration { return 90*time.Second + 1 }

// Law 6: at the door, who is not there is not told from who is not yours, but for the reference.
func TestNotRegisteredIsOneAnswer(t *testing.T) {
	bodies := map[string]bool{}
	var headers []http.Header
	for _, reason := range []string{"There is no such client.", "It was erased.", "There is no such organisation."} {
		w := serve(quietly(), local("GET", "/", nil), func(w http.ResponseWriter, r *http.Request) {
			web.WriteProblem(w, r, web.FromError(domain.Refuse("not-registered", reason)))
		})
		reference := w.Header().Get("Samtykke-Reference")
		if strings.Count(w.Body.String(), reference) != 1 {
			t.Errorf("the reference is not in %s", w.Body)
		}
		bodies[strings.ReplaceAll(w.Body.String(), reference, "-")] = true
		w.Header().Del("Samtykke-Reference")
		headers = append(headers, w.Header())
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	for _, h := range headers[1:] {
		if fmt.Sprint(h) != fmt.Sprint(headers[0]) {
			t.Errorf("the headers differ: %v", headers)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		remote string
		hops   []string
		plain  string
		proxy  string
	}{
		{"192.0.2.1:5", nil, "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1", "198.51.100.7"},
		{"192.0.2.1:5", []string{"10.0.0.1, 198.51.100.7"}, "192.0.2.1", "198.51.100.7"},
		{"192.0.2.1:5", []string{"10.0.0.1", "10.0.0.2,198.51.100.7:99 "}, "192.0.2.1", "198.51.100.7"},
		{"192.0.2.1:5", []string{"198.51.100.7, unknown"}, "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:5", []string{""}, "192.0.2.1", "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:5", []string{"2001:db8:9:8::1"}, "2001:db8:1:2::", "2001:db8:9:8::"},
		{"[::ffff:192.0.2.1]:5", []string{"[2001:db8:9:8::1]:44"}, "192.0.2.1", "2001:db8:9:8::"},
		{"[fe80::1%eth0]:5", nil, "fe80::", "fe80::"},
		{"@", nil, "invalid IP", "invalid IP"},
	} {
		for proxied, want := range map[bool]string{false: c.plain, true: c.proxy} {
			cfg := quietly()
			cfg.BehindProxy = proxied
			r := local("GET", "/", nil)
			r.RemoteAddr = c.remote
			r.Header["X-Forwarded-For"] = c.hops
			got := ""
			serve(cfg, r, func(_ http.ResponseWriter, r *http.Request) { got = web.Address(r).String() })
			if got != want {
				t.Errorf("%+v, proxy %v: %q", c, proxied, got)
			}
		}
	}
}

// Outside the shell nothing breaks: handlers can be tested alone.
func TestOutsideTheShell(t *testing.T) {
	r := local("GET", "/", nil)
	web.Name(r.Context(), "x")
	web.SetRole(r.Context(), domain.RoleClient)
	w := httptest.NewRecorder()
	web.WriteProblem(w, r, web.NewProblem(404, "x", "y"))
	if web.Reference(r.Context()) != "" || web.Address(r).String() != "192.0.2.1" || strings.Contains(w.Body.String(), "instance") {
		t.Errorf("%q %q %s", web.Reference(r.Context()), web.Address(r), w.Body)
	}
}

func TestQuiet(t *testing.T) {
	cfg, book := logged()
	q := web.NewQuiet(cfg.Log)
	for i := range 123 {
		fmt.Fprintf(q, "http: TLS handshake error from 192.0.2.%d:5: EOF\n", i)
	}
	io.WriteString(q, "http: what is new from 192.0.2.1\n")
	q.Total()
	want := `level=WARN msg="connection trouble" kind="TLS handshake failed" times=1
level=WARN msg="connection trouble" kind="TLS handshake failed" times=10
level=WARN msg="connection trouble" kind="TLS handshake failed" times=100
level=WARN msg="connection trouble" kind=other times=1
level=WARN msg="connection trouble" kind="TLS handshake failed" times=123
level=WARN msg="connection trouble" kind=other times=1
`
	if book.String() != want {
		t.Errorf("logged %s", book)
	}
}

// Every code that the program refuses with has its status, and every status its code: neither is forgotten.
func TestEveryRefusalHasItsStatus(t *testing.T) {
	codes := refusals(t)
	for code, at := range codes {
		if _, ok := web.Statuses[code]; !ok {
			t.Errorf("%q, as in %s, has no status", code, at)
		}
	}
	if len(codes) < 15 || codes["not-registered"] == "" || codes["last-superuser"] == "" || codes["too-many-attempts"] == "" {
		t.Errorf("the test does not find the codes: %v", codes)
	}
}

// refusals finds the codes in every call of domain.Refuse, and where one is.
func refusals(t *testing.T) map[string]string {
	type call struct {
		dir  string
		code ast.Expr
		at   string
	}
	var calls []call
	constants := map[string]ast.Expr{} // by folder's last name, dot, name
	for _, top := range []string{"domain", "adapters", "projections", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			dir := filepath.Base(filepath.Dir(path))
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GenDecl:
					if n.Tok != token.CONST {
						break
					}
					for _, s := range n.Specs {
						v := s.(*ast.ValueSpec)
						for i, value := range v.Values {
							constants[dir+"."+v.Names[i].Name] = value
						}
					}
				case *ast.CallExpr:
					f, ok := n.Fun.(*ast.SelectorExpr)
					if !ok || f.Sel.Name != "Refuse" || len(n.Args) != 2 {
						break
					}
					if x, ok := f.X.(*ast.Ident); ok && x.Name == "domain" {
						calls = append(calls, call{dir, n.Args[0], fmt.Sprintf("%s:%d", path, set.Position(n.Pos()).Line)})
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	codes := map[string]string{}
	for _, c := range calls {
		dir, e := c.dir, c.code
		for range 5 { // a constant may be another's
			switch v := e.(type) {
			case *ast.Ident:
				e = constants[dir+"."+v.Name]
			case *ast.SelectorExpr:
				dir = v.X.(*ast.Ident).Name
				e = constants[dir+"."+v.Sel.Name]
			}
		}
		literal, ok := e.(*ast.BasicLit)
		if !ok {
			t.Errorf("%s: the code is no constant that can be found", c.at)
			continue
		}
		code, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		codes[code] = c.at
	}
	return codes
}
