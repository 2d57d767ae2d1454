package api

import (
	"context"
	"net/http"

	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/journal"
)

var sessionRoutes = []Route{
	keyless(route("POST", "/session/code", "signInByCode", "A client signs in by the code.", anybody, (*Request).SignInByCode)),
	keyless(route("POST", "/session/password", "signInByPassword", "A member of staff signs in by password and one-time code.", anybody, (*Request).SignInByPassword)),
	route("GET", "/session", "readSession", "Who the caller is signed in as.", everybody, (*Request).ReadSession),
	keyless(route("POST", "/session/step-up", "stepUp", "A member of staff gives password and a new one-time code again, before what takes them.", staffRoles, (*Request).StepUp)),
	keyless(route("DELETE", "/session", "signOut", "Sign out.", everybody, (*Request).SignOut)),
	keyless(route("POST", "/invitation/authenticator", "openInvitation", "What an authenticator app needs, for whoever holds both parts of an invitation.", anybody, (*Request).OpenInvitation)),
	keyless(route("POST", "/invitation/acceptance", "acceptInvitation", "Choose a password, and show by a one-time code that the authenticator works.", anybody, (*Request).AcceptInvitation)),
}

// SignInByCode serves signInByCode: a client signs in by the code.
func (r *Request) SignInByCode(in SignInByCode) (Session, error) {
	code, err := signin.ParseCode(in.Code)
	if err != nil { // and no attempt: nothing is looked up
		return Session{}, web.NewProblem(http.StatusUnprocessableEntity, Mistyped, "The code is mistyped: "+err.Error()+".")
	}
	if err := r.attempt(signin.ClientSignIn, code.Label()); err != nil {
		return Session{}, err
	}
	s, err := r.Desk.LogIn(r.ctx, code, journal.LogIn{Channel: in.Channel, Browser: in.Browser, System: in.System})
	if err != nil {
		return Session{}, err
	}
	return r.begin(s, in.Channel == journal.App)
}

// SignInByPassword serves signInByPassword: a member of staff signs in by password and one-time code.
func (r *Request) SignInByPassword(in SignInByPassword) (Session, error) {
	if err := r.attempt(signin.StaffSignIn, in.Login); err != nil {
		return Session{}, err
	}
	s, err := r.Desk.SignIn(r.ctx, in.Login, in.Password, in.OneTime)
	if err != nil {
		return Session{}, err
	}
	s.Channel = in.Channel
	return r.begin(s, in.Channel == string(journal.App))
}

// begin opens a session: an app is told its token, a browser gets it as a cookie that no page can read. Whoever was signed in
// on this browser before is not any more.
func (r *Request) begin(s signin.Session, app bool) (Session, error) {
	if r.session != nil {
		if err := r.over(); err != nil {
			return Session{}, err
		}
	}
	token, err := r.Sessions.New(r.ctx, r.now, &s)
	if err != nil {
		return Session{}, err
	}
	r.session = &s
	web.SetRole(r.ctx, s.Role)
	out, err := r.describe()
	if app {
		out.Token = token.Cookie()
	} else {
		http.SetCookie(r.w, r.cookie(token.Cookie(), 0))
	}
	return out, err
}

// over ends the request's session, whether or not anybody waits for that.
func (r *Request) over() error { return r.Sessions.End(context.WithoutCancel(r.ctx), r.session.ID) }

func (a *API) cookieName() string {
	if a.Secure {
		return "__Host-samtykke"
	}
	return "samtykke" // a browser keeps no __Host- cookie of a page without TLS
}

// cookie is the session's: necessary to be signed in, and the only one there is. It ends with the browser.
func (a *API) cookie(token string, age int) *http.Cookie {
	return &http.Cookie{
		Name: a.cookieName(), Value: token, Path: "/", MaxAge: age, Secure: a.Secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

// describe says who is signed in.
func (r *Request) describe() (Session, error) {
	s := r.session
	terms := signin.TermsOf(s.Role)
	out := Session{Role: s.Role, Since: s.Since.UTC(), IdleAt: s.Seen.Add(terms.Idle).UTC(), EndsAt: s.Since.Add(terms.Whole).UTC()}
	id := s.Organisation
	if s.Role != domain.RoleClient && id.IsZero() {
		who, err := r.Desk.StaffMember(r.ctx, s.Actor)
		if domain.Refused(err) != "" {
			err = nil // whose name was erased
		}
		out.Name = who.Name
		return out, err
	}
	if s.Role == domain.RoleClient {
		c, _, err := r.Desk.Clients.State(r.ctx, s.Actor)
		if err != nil {
			return out, err
		}
		id = c.Organisation
	}
	o, err := r.Desk.Organisation(r.ctx, id)
	out.Organisation, out.Name = o.Name(), o.NameOf(s.Actor)
	return out, err
}

// ReadSession serves readSession: who the caller is signed in as.
func (r *Request) ReadSession(_ None) (Session, error) { return r.describe() }

// StepUp serves stepUp: a member of staff gives password and a new one-time code again, before what takes them.
func (r *Request) StepUp(in StepUp) (None, error) {
	if err := r.attempt(signin.StaffSignIn, r.session.Actor.String()); err != nil {
		return None{}, err
	}
	return None{}, r.Desk.StepUp(r.ctx, r.session, in.Password, in.OneTime)
}

// SignOut serves signOut: sign out.
func (r *Request) SignOut(_ None) (None, error) {
	if r.session.Role != domain.RoleClient {
		if err := r.Desk.SignOut(r.ctx, r.session); err != nil {
			return None{}, err
		}
	}
	if err := r.over(); err != nil {
		return None{}, err
	}
	r.ended = true
	http.SetCookie(r.w, r.cookie("", -1))
	return None{}, nil
}

// OpenInvitation serves openInvitation: what an authenticator app needs, for whoever holds both parts of an invitation.
func (r *Request) OpenInvitation(in OpenInvitation) (Authenticator, error) {
	code, err := r.invitation(in.Invitation)
	if err != nil {
		return Authenticator{}, err
	}
	e, err := r.Desk.OpenInvitation(r.ctx, code, in.Confirmation)
	if err != nil {
		return Authenticator{}, err
	}
	shown, wording := r.Texts.Shown(text.Confidentiality, or(in.Language, "nb"), domain.DateOf(r.now))
	return Authenticator{
		Secret: e.OTP.Base32(), URI: e.OTP.URI(e.Login), Declaration: Text{shown.Name, shown.Version, shown.Language, wording},
	}, nil
}

// AcceptInvitation serves acceptInvitation: choose a password, and show by a one-time code that the authenticator works.
func (r *Request) AcceptInvitation(in AcceptInvitation) (None, error) {
	code, err := r.invitation(in.Invitation)
	if err != nil {
		return None{}, err
	}
	if in.Declaration != (Shown{}) { // without it, the refusal is the account's own
		if err := r.showed(in.Declaration, text.Confidentiality); err != nil {
			return None{}, err
		}
	}
	return None{}, r.Desk.AcceptInvitation(r.ctx, code, in.Confirmation, in.Password, in.OneTime, r.by.Text)
}

// invitation reads an invitation, within the limits on attempts.
func (r *Request) invitation(typed string) (signin.Code, error) {
	code, err := signin.ParseCode(typed)
	if err == nil {
		return code, r.attempt(signin.Invited, code.Label())
	}
	return code, web.NewProblem(http.StatusUnprocessableEntity, Mistyped, "The invitation is mistyped: "+err.Error()+".")
}

// attempt counts an attempt by where it comes from and whom it is about, or refuses it.
func (r *Request) attempt(act signin.Act, name string) error {
	return r.Limits.Allow(r.ctx, r.now, act, web.Address(r.http), name)
}
