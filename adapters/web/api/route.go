package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/spans"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/organisation"
)

// A Route is one line of the interface: who may do what where.
type Route struct {
	Method string
	Path   string        // below Prefix, with {names} for what varies
	Name   string        // for OpenAPI: operationId
	Does   string        // in a sentence
	Roles  []domain.Role // who may; none: whoever comes
	Strong bool          // takes a fresh second factor
	Keyed  bool          // takes an Idempotency-Key: every command does
	Looks  bool          // comes to the door of somebody's data: who is not let in is on record as having tried

	in, out reflect.Type
	serve   func(*Request) (any, error)
}

// route makes a line with what goes in and what comes out.
func route[In, Out any](method, path, name, does string, roles []domain.Role, serve func(*Request, In) (Out, error)) Route {
	return Route{
		Method: method, Path: path, Name: name, Does: does, Roles: roles, Keyed: method != http.MethodGet,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		serve: func(r *Request) (any, error) {
			var in In
			if err := r.read(&in); err != nil {
				return nil, err
			}
			return serve(r, in)
		},
	}
}

// strong makes a route take a password and one-time code given within signin.FreshFor.
func strong(rt Route) Route {
	rt.Strong = true
	return rt
}

// hasBody tells whether what goes in stands in a body.
func (rt Route) hasBody() bool {
	return rt.Method != http.MethodGet && rt.in != reflect.TypeFor[None]()
}

// keyless makes a route take no Idempotency-Key: an attempt to sign in that is repeated is another attempt, and what is read again
// is another reading, which is decided on anew. An answer kept from before would show what is not shared any more.
func keyless(rt Route) Route {
	rt.Keyed = false
	return rt
}

// looks marks a route that comes to the door.
func looks(rt Route) Route {
	rt.Looks = true
	return rt
}

// A Request is one call under way, by one session. Its methods are what there is to do, one for each route; a page that shows the
// same does the same.
type Request struct {
	*API
	route   Route
	ctx     context.Context
	http    *http.Request
	w       http.ResponseWriter // for cookies
	session *signin.Session     // nil where nobody is signed in
	by      ledger.Caller
	now     time.Time
	body    []byte
	ended   bool // the request itself ended its session
}

// read decodes what came: a body, or a query for what is only read.
func (r *Request) read(in any) error {
	if reflect.TypeOf(in).Elem() == reflect.TypeFor[None]() {
		if len(r.body) > 0 || r.http.URL.RawQuery != "" {
			return web.NewProblem(http.StatusBadRequest, "bad-input", "This takes neither a body nor a query.")
		}
		return nil
	}
	if r.http.Method == http.MethodGet {
		return readQuery(r.http, in)
	}
	if r.http.URL.RawQuery != "" {
		return web.NewProblem(http.StatusBadRequest, "bad-input", "This takes no query: everything stands in the body.")
	}
	r.http.Body = io.NopCloser(bytes.NewReader(r.body))
	if err := web.Decode(r.http, in); err != nil {
		return err
	}
	return r.checks.body(r.route, r.body)
}

// readQuery reads a query into a struct of strings and whole numbers, by their names in JSON. What it does not know, or what
// comes twice, is refused.
func readQuery(r *http.Request, in any) error {
	wrong := func(detail string) error { return web.NewProblem(http.StatusBadRequest, "bad-input", detail) }
	if r.ContentLength != 0 {
		return wrong("This takes no body.")
	}
	values := r.URL.Query()
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		given, ok := values[name]
		delete(values, name)
		if !ok && options != "" {
			continue
		}
		if !ok {
			return wrong("In the query, " + name + " is missing.")
		}
		if len(given) != 1 {
			return wrong("The query gives " + name + " more than once.")
		}
		switch field := v.Field(i); field.Kind() {
		case reflect.String:
			field.SetString(given[0])
		case reflect.Int:
			n, err := strconv.Atoi(given[0])
			if err != nil || n < 0 {
				return wrong("In the query, " + name + " is no whole number.")
			}
			field.SetInt(int64(n))
		default:
			panic("api: a query has strings and whole numbers only")
		}
	}
	if len(values) > 0 {
		return wrong("The query has a name that is not known here.")
	}
	return nil
}

// id reads what varies in the path. What is no id is one that nobody has, and goes the same way as any other of those.
func (r *Request) id(name string) domain.ID {
	id, err := domain.ParseID(r.variable(name))
	if err != nil {
		return domain.ID{}
	}
	return id
}

// wrote remembers the last position written in the session, so that what is read next shows it.
func (r *Request) wrote(p ledger.Position) { r.session.Position = max(r.session.Position, uint64(p)) }

// handler serves one route: session, role, standing, key, input, act, standing once more, answer.
func (a *API) handler(rt Route) http.Handler {
	name := rt.Method + " " + Prefix + rt.Path
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		ctx := hr.Context()
		web.Name(ctx, name)
		r := &Request{API: a, route: rt, ctx: ctx, http: hr, w: w, now: a.Desk.Ledger.Now()}
		if err := r.admit(rt); err != nil {
			web.WriteProblem(w, hr, r.Refuse(r.turnedAway(rt, err)))
			return
		}
		var err error
		if r.body, err = io.ReadAll(hr.Body); err != nil {
			web.WriteProblem(w, hr, web.Unread(err))
			return
		}
		do := func() (int, []byte, error) { return r.run(rt) }
		var status int
		var body []byte
		if rt.Keyed {
			key, problem := idempotencyKey(hr)
			if problem != nil {
				web.WriteProblem(w, hr, problem)
				return
			}
			r.by.Key = key
			status, body, err = r.once(name, key, r.body, do)
		} else {
			status, body, err = do()
		}
		if err != nil {
			web.WriteProblem(w, hr, r.Refuse(err))
			return
		}
		web.Send(w, hr, status, "application/json", body)
	})
}

// run acts, and makes the answer whole.
func (r *Request) run(rt Route) (int, []byte, error) {
	out, err := rt.serve(r)
	if err := r.kept(err); err != nil {
		return 0, nil, err
	}
	if rt.out == reflect.TypeFor[None]() {
		return http.StatusNoContent, nil, nil
	}
	body, err := json.Marshal(out, json.Deterministic(true))
	if err != nil {
		return 0, nil, errors.New(rt.Name + ": the answer does not become JSON") // the encoder's own words may quote values
	}
	return http.StatusOK, body, nil
}

// kept puts back what the request changed in its session, also where it failed otherwise: of the two, that is what is told.
func (r *Request) kept(failed error) error {
	if r.session == nil || r.ended {
		return failed
	}
	if err := r.Sessions.Keep(context.WithoutCancel(r.ctx), r.session); failed == nil {
		return err
	}
	return failed
}

// The codes of problems that are this package's own.
const (
	SignedOut   = "signed-out"
	NotAllowed  = "not-allowed"
	StepUpFirst = "step-up"
	KeyMissing  = "idempotency-key"
	KeyReused   = "idempotency-key-reused"
	Mistyped    = "mistyped"
)

// admit lets a request through to the route, or says why not: it needs a session that is live by the ledger's own streams, in
// one of the route's roles. The same is asked once more before the answer leaves.
func (r *Request) admit(rt Route) error {
	token, ok := r.token()
	if ok {
		var err error
		if r.session, ok, err = r.Sessions.Find(r.ctx, token, r.now); err != nil {
			return err
		}
	}
	if len(rt.Roles) == 0 {
		return nil
	}
	if !ok {
		return web.NewProblem(http.StatusUnauthorized, SignedOut, "Sign in first.")
	}
	web.SetRole(r.ctx, r.session.Role)
	if !slices.Contains(rt.Roles, r.session.Role) {
		return web.NewProblem(http.StatusForbidden, NotAllowed, "This is not for the role you are signed in as.")
	}
	if err := r.live(); err != nil {
		return err
	}
	if rt.Strong && !r.session.Fresh(r.now) {
		return web.NewProblem(http.StatusForbidden, StepUpFirst, "Give your password and a new one-time code first.")
	}
	r.by = desk.CallerOf(r.session)
	if err := r.caughtUp(); err != nil {
		return err
	}
	if rt.out != nil && rt.out != reflect.TypeFor[None]() {
		web.BeforeAnswering(r.ctx, r.live) // an answer without content shows nothing, and may be that of giving up one's own role
	}
	return nil
}

// turnedAway lets somebody who is signed in and may not come this way knock at the door all the same, which refuses and puts the
// attempt on record. It never shows anything. Whoever has lost a standing hears what the door says of that. Whom the door would let in
// does not knock: one whose session has ended otherwise, or whom a failure keeps from getting there, must not have done anything.
func (r *Request) turnedAway(rt Route, why error) error {
	if !rt.Looks || r.session == nil || r.session.Role == domain.RoleClient {
		return why
	}
	r.by = desk.CallerOf(r.session)
	if slices.Contains(rt.Roles, r.session.Role) && domain.Refused(r.Desk.Door.Standing(r.ctx, r.by)) == "" {
		return why
	}
	body, err := io.ReadAll(r.http.Body)
	if err != nil {
		return why
	}
	r.body = body
	if rt.Name == "" { // a page, which reads a form
		r.http.Body = io.NopCloser(bytes.NewReader(body))
		if err := r.http.ParseForm(); err != nil {
			return why
		}
	}
	if _, err := rt.serve(r); domain.Refused(err) == organisation.NotActive && slices.Contains(rt.Roles, r.session.Role) {
		return err
	}
	return why
}

// live refuses a session that has ended, by whatever ended it, and on whichever instance. What the request changed in its
// session is kept.
func (r *Request) live() error {
	if r.ended {
		return nil // by this request itself
	}
	if err := r.kept(nil); err != nil {
		return err
	}
	token, _ := r.token()
	now, ok, err := r.Sessions.Find(r.ctx, token, r.now) // as other requests of the session have left it: one may have changed the code
	if err != nil {
		return err
	}
	if !ok {
		return web.NewProblem(http.StatusUnauthorized, SignedOut, "You have been signed out.")
	}
	r.session = now
	if err := r.Desk.Live(r.ctx, r.session); err != nil {
		if domain.Refused(err) != "" {
			r.over() // whether or not it is removed now: it is refused each time
		}
		return err
	}
	return nil
}

func (r *Request) sessionID() domain.ID {
	if r.session == nil {
		return domain.ID{}
	}
	return r.session.ID
}

// caughtUp waits until the views show what this session wrote last.
func (r *Request) caughtUp() error {
	ctx, end := spans.Start(r.ctx, spans.Wait, "")
	defer end()
	ctx, stop := context.WithTimeout(ctx, catchUp)
	defer stop()
	return r.Desk.Keeper.Wait(ctx, ledger.Position(r.session.Position))
}

const (
	catchUp = 5 * time.Second
	bearer  = "Bearer "
)

// token is the session's, from an app's header or a browser's cookie. A header wins: a page cannot be made to send one.
func (r *Request) token() (string, bool) {
	if h, ok := strings.CutPrefix(r.http.Header.Get("Authorization"), bearer); ok {
		return h, true
	}
	c, err := r.http.Cookie(r.cookieName())
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// idempotencyKey reads the key that makes a repeated command the same command.
func idempotencyKey(r *http.Request) (string, *web.Problem) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) != 1 || len(keys[0]) < 16 || len(keys[0]) > 128 || strings.ContainsFunc(keys[0], func(c rune) bool { return c < '!' || c > '~' }) {
		return "", web.NewProblem(http.StatusBadRequest, KeyMissing,
			"A command needs one Idempotency-Key of 16 to 128 visible characters, drawn at random and the same when the command is repeated.")
	}
	return keys[0], nil
}
