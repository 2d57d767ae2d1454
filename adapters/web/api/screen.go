package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"samtykke/adapters/web"
	"samtykke/domain"
)

// A Screen is one line of what people see in a browser: a page, or what a form on one does. It comes by the same session, the same
// roles and the same checks before and after as a route, and does what it does by the methods of Request.
type Screen struct {
	Method string
	Path   string
	Roles  []domain.Role // who may; none: whoever comes
	Strong bool          // takes a fresh second factor
	Looks  bool          // comes to the door of somebody's data
	Script bool          // the page loads a script of ours

	Serve func(*Request) (Reply, error)
	Stale func(*Request) (Reply, error) // of a strong screen: what comes instead while the second factor is not fresh; nil: the refusal
}

// A Reply is what a browser gets: a page, a file, or where to go on.
type Reply struct {
	Status int    // 200, if not given
	Kind   string // of the body: a page, if not given
	Body   []byte
	Name   string // that a browser keeps the body under, as a file; "" shows it
	To     string // where to go on, by a new request that reads

	Render func() ([]byte, error) // makes the page once more, from what it shows: to measure what that takes
}

// GoTo sends the browser on.
func GoTo(path string) (Reply, error) { return Reply{To: path}, nil }

// RegisterScreen adds a screen to a router. What is refused or fails becomes a page by failed.
func (a *API) RegisterScreen(to *mux.Router, s Screen, failed func(*Request, *web.Problem) Reply) {
	name := s.Method + " " + s.Path
	rt := Route{Method: s.Method, Path: s.Path, Roles: s.Roles, Strong: s.Strong, Looks: s.Looks}
	rt.serve = func(r *Request) (any, error) { return s.Serve(r) }
	to.Handle(s.Path, http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		web.Name(hr.Context(), name)
		r := &Request{API: a, route: rt, ctx: hr.Context(), http: hr, w: w, now: a.Desk.Ledger.Now()}
		out, err := r.screen(s, rt, name)
		if err == nil && out.To == "" && len(rt.Roles) > 0 && !r.ended {
			err = r.live() // once more, before anything is shown
		}
		if err != nil {
			problem := r.Refuse(err)
			web.Note(hr, problem)
			out = failed(r, problem)
		} else if s.Script {
			web.AllowScript(w)
		}
		r.send(out)
	})).Methods(s.Method)
}

func (r *Request) screen(s Screen, rt Route, name string) (Reply, error) {
	stale := false
	if err := r.admit(rt); err != nil {
		if stale = s.Stale != nil && web.FromError(err).Code == StepUpFirst; !stale {
			return Reply{}, r.turnedAway(rt, err)
		}
		rt.serve = func(r *Request) (any, error) { return s.Stale(r) }
	}
	r.chooseLanguage()
	if r.http.Method == http.MethodGet {
		return r.shown(rt)
	}
	r.http.Body = http.MaxBytesReader(r.w, r.http.Body, 64<<10)
	if err := r.http.ParseForm(); err != nil {
		return Reply{}, web.Unread(err)
	}
	key := r.http.PostForm.Get(KeyField)
	if key == "" || stale { // a form that may be sent as often as one likes: signing in and out, looking
		return r.shown(rt)
	}
	content := r.http.PostForm.Encode()
	key = sameForm(key, content)
	r.by.Key = key
	if rt.Looks { // what it shows is never answered from memory; what it does, the ledger recognises by the key
		return r.shown(rt)
	}
	var out Reply
	status, body, err := r.once(name, key, []byte(content), func() (int, []byte, error) {
		var err error
		if out, err = r.shown(rt); err == nil && out.To != "" {
			return http.StatusSeeOther, []byte(out.To), nil
		}
		if err == nil && out.Status >= http.StatusBadRequest {
			err = errShownAgain
		}
		return http.StatusOK, out.Body, err
	})
	if errors.Is(err, errShownAgain) {
		return out, nil
	}
	if err != nil {
		return Reply{}, err
	}
	if status == http.StatusSeeOther {
		return Reply{To: string(body)}, nil
	}
	out.Body = body
	return out, nil
}

// sameForm is what makes a form sent twice the same command: its key with its content. Whoever goes back, writes something else in it and
// sends it, has sent another.
func sameForm(key, content string) string {
	sum := sha256.Sum256([]byte(content))
	return key + " " + hex.EncodeToString(sum[:])
}

// errShownAgain has a form that was not taken decided on anew when it comes again, like any refusal.
var errShownAgain = errors.New("the form is shown again")

// shown runs the screen and keeps what it changed in the session.
func (r *Request) shown(rt Route) (Reply, error) {
	out, err := rt.serve(r)
	a, _ := out.(Reply)
	return a, r.kept(err)
}

func (r *Request) send(a Reply) {
	if a.To != "" {
		r.w.Header().Set("Location", a.To)
		web.Send(r.w, r.http, http.StatusSeeOther, "text/plain; charset=utf-8", nil)
		return
	}
	if a.Name != "" {
		r.w.Header().Set("Content-Disposition", `attachment; filename="`+a.Name+`"`)
	}
	if a.Kind == "" {
		a.Kind = "text/html; charset=utf-8"
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	web.Send(r.w, r.http, a.Status, a.Kind, a.Body)
}

// KeyField is the field of a form that makes sending it twice the same as once.
const KeyField = "key"

// NewKey draws a key for a form.
func (r *Request) NewKey() string {
	id, err := r.Desk.Ledger.NewID()
	if err != nil {
		return ""
	}
	return id.String()
}

// Form gives a field of the form that was sent.
func (r *Request) Form(name string) string { return r.http.PostForm.Get(name) }

// FormAll gives all values of a field.
func (r *Request) FormAll(name string) []string { return r.http.PostForm[name] }

// Query gives the query of the address. Nothing that could tell who somebody is may stand there.
func (r *Request) Query() url.Values { return r.http.URL.Query() }

// Path is the page's own.
func (r *Request) Path() string { return r.http.URL.Path }

// Reference is the request's number, for who reads it out on the telephone.
func (r *Request) Reference() string { return web.Reference(r.ctx) }

// Part gives what varies in the path, as it came.
func (r *Request) Part(name string) string { return r.variable(name) }

// ID reads what varies in the path; the zero ID where it is none.
func (r *Request) ID(name string) domain.ID { return r.id(name) }

// UserAgent is what the browser says of itself.
func (r *Request) UserAgent() string { return r.http.UserAgent() }

// SetLanguage keeps the language of the form that was sent, for as long as the session lasts.
func (r *Request) SetLanguage() {
	if r.session != nil {
		r.session.Language = r.Lang()
	}
}

// SignedIn tells whether somebody is, and as what.
func (r *Request) SignedIn() (domain.Role, bool) {
	if r.session == nil {
		return "", false
	}
	return r.session.Role, true
}

// Now is the instant at which the request came.
func (r *Request) Now() time.Time { return r.now }

// Fresh tells whether a member of staff has given password and one-time code so lately that they need not be asked for.
func (r *Request) Fresh() bool { return r.session != nil && r.session.Fresh(r.now) }

// languages are those that pages are shown in; bokmål first.
var languages = []string{"nb", "nn", "en"}

// chooseLanguage takes a choice from the address, for as long as the session lasts.
func (r *Request) chooseLanguage() {
	if l := r.http.URL.Query().Get("lang"); r.session != nil && slices.Contains(languages, l) {
		r.session.Language = l
	}
}

// Lang is the language to show: the one chosen, or else bokmål. Browsers say what they like, and often it is English for want of
// a choice.
func (r *Request) Lang() string {
	if l := r.http.URL.Query().Get("lang"); slices.Contains(languages, l) {
		return l
	}
	if l := r.http.PostForm.Get("lang"); slices.Contains(languages, l) {
		return l
	}
	if r.session != nil && r.session.Language != "" {
		return r.session.Language
	}
	return languages[0]
}
