package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain"
)

// A place is one line of a role's menu.
type place struct {
	href string
	text Key
}

// menus are what each role can go to.
var menus = map[domain.Role][]place{
	domain.RoleClient: {
		{"/home", "nav.home"}, {"/forms", "nav.forms"}, {"/notes", "nav.notes"}, {"/settings", "nav.settings"},
	},
	domain.RoleProfessional: {{"/overview", "nav.overview"}, {"/clients/new", "nav.new-client"}, {"/group-data", "nav.group-data"}},
	domain.RoleSuperuser: {
		{"/overview", "nav.overview"}, {"/clients/new", "nav.new-client"}, {"/professionals", "nav.professionals"}, {"/organisation", "nav.organisation"}, {"/oversight", "nav.oversight"},
		{"/group-data", "nav.group-data"},
	},
	domain.RoleEmployee:      {{"/organisations", "nav.organisations"}, {"/accounts", "nav.accounts"}, {"/accesses", "nav.accesses"}},
	domain.RoleSafetyManager: {{"/accesses", "nav.accesses"}},
	domain.RoleToolManager:   {{"/group-data", "nav.group-data"}},
	domain.RoleAuditor:       {{"/audit", "nav.who-saw"}, {"/audit/refused", "nav.refused"}, {"/audit/client", "nav.one-client"}},
}

// Home is where somebody in a role begins.
func Home(r domain.Role) string {
	if m := menus[r]; len(m) > 0 {
		return m[0].href
	}
	return "/"
}

// NewFrame is the frame of a page that a request shows, under a title from the messages.
func NewFrame(r *api.Request, title Key, with ...any) Frame {
	lang := r.Lang()
	f := Frame{Lang: lang, Title: Say(lang, title, with...), Path: r.Path(), Key: r.NewKey()}
	if code := r.Query().Get("done"); code != "" && Has(Key("done."+code)) {
		f.Notice = Say(lang, Key("done."+code))
	}
	role, ok := r.SignedIn()
	if !ok {
		return f
	}
	if s, err := r.ReadSession(api.None{}); err == nil {
		f.Who, f.Self = who(lang, s), role != domain.RoleClient
	}
	f.Nav = menu(lang, role, f.Path)
	if code := r.Query().Get("done"); code != "" && Has(Key("done."+code)) {
		f.Notice = Say(lang, Key("done."+code))
	}
	return f
}

// menu is where a role can go. Of places that the path lies below, the nearest is marked.
func menu(lang string, role domain.Role, path string) (all []Link) {
	here := ""
	for _, p := range menus[role] {
		if (path == p.href || strings.HasPrefix(path, p.href+"/")) && len(p.href) > len(here) {
			here = p.href
		}
	}
	for _, p := range menus[role] {
		all = append(all, Link{Href: p.href, Text: Say(lang, p.text), Here: p.href == here})
	}
	return all
}

// who says who is signed in: of a client, that somebody is; of staff the name, the role and the organisation.
func who(lang string, s api.Session) string {
	var parts []string
	for _, part := range []string{s.Name, Say(lang, Key("role."+string(s.Role))), s.Organisation} {
		if part != "" && (s.Role != domain.RoleClient || part != s.Organisation) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// Show makes a page the answer.
func Show[T any](p *Page[T], f Frame, body T) (api.Reply, error) {
	render := func() ([]byte, error) { return p.Render(f, body) }
	b, err := render()
	return api.Reply{Body: b, Render: render}, err
}

// File makes a value the answer as a file of JSON, laid out for being read by machines and by people in need.
func File(name string, v any) (api.Reply, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return api.Reply{}, errors.New("the file does not become JSON") // the encoder's own words may quote values
	}
	return api.Reply{Kind: "application/json", Name: name, Body: b.Bytes()}, nil
}

// Words says in the reader's language why something was refused: by its code, or in the words of who refused it.
func Words(lang string, p *web.Problem) string {
	if key := Key("problem." + p.Code); Has(key) {
		return Say(lang, key)
	}
	return Say(lang, "problem.other")
}

// Refused gives the words of a refusal, for a form that is shown again; "" for a failure, which is not the form's matter.
func Refused(lang string, err error) string {
	if p := web.FromError(err); p.Status < http.StatusInternalServerError {
		return Words(lang, p)
	}
	return ""
}

// Again shows a form once more, with the reason why it was not taken. A failure is not the form's matter: it comes back.
func Again[T any](r *api.Request, p *Page[T], title Key, body T, err error) (api.Reply, error) {
	f := NewFrame(r, title)
	problem := r.Refuse(err)
	if problem.Status >= http.StatusInternalServerError {
		return api.Reply{}, err
	}
	f.Problem = Words(f.Lang, problem)
	reply, shown := Show(p, f, body)
	reply.Status = problem.Status
	return reply, shown
}

// trouble is the page for what could not be shown or done.
type trouble struct {
	Words     string
	Reference string // to say on the telephone; "" where nothing failed
	SignIn    bool   // it helps to sign in
}

var troublePage = Must[trouble](files, "trouble")

// Failed makes a problem a page. Whoever was signed out is shown where to sign in again.
func Failed(r *api.Request, p *web.Problem) api.Reply {
	lang := r.Lang()
	t := trouble{Words: Words(lang, p), SignIn: p.Status == http.StatusUnauthorized}
	if p.Status >= http.StatusInternalServerError {
		t.Reference = r.Reference()
		if !Has(Key("problem." + p.Code)) {
			t.Words = Say(lang, "problem.failed")
		}
	}
	f := NewFrame(r, "trouble.title")
	if t.SignIn {
		f.Who, f.Nav = "", nil
	}
	reply, err := Show(troublePage, f, t)
	if err != nil {
		reply.Body = []byte(t.Words)
	}
	reply.Status = p.Status
	return reply
}
