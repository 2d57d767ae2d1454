// Package entrance is where people come in: the front page with the field for a code, sign-in for staff, invitations, a second factor
// given once more, what is stored about whoever of the staff came in (clause C12), and the way out.
//
// A code, a password and an invitation stand in the body of a form and nowhere else. A form that is shown again after a refusal
// has them empty.
package entrance

import (
	"embed"
	"encoding/base64"
	"html/template"
	"image/png"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/journal"
)

//go:embed templates
var files embed.FS

var staff = []domain.Role{domain.RoleProfessional, domain.RoleSuperuser, domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleToolManager}

// Screens are the pages of this package.
var Screens = []api.Screen{
	{Method: "GET", Path: "/", Serve: front},
	{Method: "POST", Path: "/", Serve: signIn},
	{Method: "GET", Path: "/staff", Serve: staffFront},
	{Method: "POST", Path: "/staff", Serve: staffSignIn},
	{Method: "GET", Path: "/invitation", Serve: invitation},
	{Method: "POST", Path: "/invitation", Serve: openInvitation},
	{Method: "POST", Path: "/invitation/acceptance", Serve: acceptInvitation},
	{Method: "GET", Path: "/step-up", Roles: staff, Serve: stepUpFront},
	{Method: "POST", Path: "/step-up", Roles: staff, Serve: stepUp},
	{Method: "POST", Path: "/sign-out", Serve: signOut},
	{Method: "GET", Path: "/self", Roles: staff, Serve: self},
	{Method: "POST", Path: "/self", Roles: staff, Serve: selfFile},
}

type nothing struct{}

var (
	frontPage      = page.Must[nothing](files, "front")
	staffPage      = page.Must[staffForm](files, "staff")
	invitationPage = page.Must[nothing](files, "invitation")
	acceptPage     = page.Must[acceptForm](files, "accept")
	stepUpPage     = page.Must[stepUpForm](files, "step-up")
)

func front(r *api.Request) (api.Reply, error) {
	if role, ok := r.SignedIn(); ok && page.Home(role) != "/" {
		return api.GoTo(page.Home(role))
	}
	return page.Show(frontPage, page.NewFrame(r, "entry.title"), nothing{})
}

func signIn(r *api.Request) (api.Reply, error) {
	browser, system := families(r.UserAgent())
	_, err := r.SignInByCode(api.SignInByCode{Code: r.Form("code"), Channel: journal.Web, Browser: browser, System: system})
	if err != nil {
		return page.Again(r, frontPage, "entry.title", nothing{}, err)
	}
	r.SetLanguage()
	return api.GoTo(page.Home(domain.RoleClient))
}

type staffForm struct{ Login string }

func staffFront(r *api.Request) (api.Reply, error) {
	return page.Show(staffPage, page.NewFrame(r, "entry.staff-title"), staffForm{})
}

func staffSignIn(r *api.Request) (api.Reply, error) {
	s, err := r.SignInByPassword(api.SignInByPassword{
		Login: r.Form("login"), Password: r.Form("password"), OneTime: r.Form("otp"), Channel: string(journal.Web),
	})
	if err != nil {
		return page.Again(r, staffPage, "entry.staff-title", staffForm{r.Form("login")}, err)
	}
	r.SetLanguage()
	return api.GoTo(page.Home(s.Role))
}

func invitation(r *api.Request) (api.Reply, error) {
	return page.Show(invitationPage, page.NewFrame(r, "entry.invitation-title"), nothing{})
}

type acceptForm struct {
	Invitation, Confirmation string
	Picture                  template.URL // of the key, for the authenticator app
	Secret                   string
	Declaration              api.Text // of confidentiality, to be signed
}

func openInvitation(r *api.Request) (api.Reply, error) {
	form, err := opened(r)
	if err != nil {
		return page.Again(r, invitationPage, "entry.invitation-title", nothing{}, err)
	}
	return page.Show(acceptPage, page.NewFrame(r, "entry.accept-title"), form)
}

// opened gives the second form of an invitation, for whoever has both its codes.
func opened(r *api.Request) (acceptForm, error) {
	form := acceptForm{Invitation: r.Form("invitation"), Confirmation: r.Form("confirmation")}
	a, err := r.OpenInvitation(api.OpenInvitation{Invitation: form.Invitation, Confirmation: form.Confirmation, Language: r.Lang()})
	if err != nil {
		return form, err
	}
	form.Secret, form.Declaration = a.Secret, a.Declaration
	form.Picture, err = picture(a.URI)
	return form, err
}

// picture draws a QR code.
func picture(uri string) (template.URL, error) {
	code, err := qr.Encode(uri, qr.M, qr.Auto)
	if err == nil {
		code, err = barcode.Scale(code, 240, 240)
	}
	if err != nil {
		return "", err
	}
	var b strings.Builder
	to := base64.NewEncoder(base64.StdEncoding, &b)
	if err := png.Encode(to, code); err != nil {
		return "", err
	}
	if err := to.Close(); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + b.String()), nil
}

func acceptInvitation(r *api.Request) (api.Reply, error) {
	in := api.AcceptInvitation{
		Invitation: r.Form("invitation"), Confirmation: r.Form("confirmation"), Password: r.Form("password"), OneTime: r.Form("otp"),
	}
	if r.Form("signed") != "" {
		in.Declaration = api.Shown{Name: text.Confidentiality, Version: r.Form("version"), Language: r.Form("language")}
	}
	_, err := r.AcceptInvitation(in)
	if err == nil {
		return api.GoTo("/staff?done=accepted")
	}
	form, closed := opened(r)
	if closed != nil {
		return page.Again(r, invitationPage, "entry.invitation-title", nothing{}, err)
	}
	return page.Again(r, acceptPage, "entry.accept-title", form, err)
}

type stepUpForm struct{ To string }

// below is where to go on after a second factor: a page of ours, and nothing else.
func below(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		return "/"
	}
	return to
}

func stepUpFront(r *api.Request) (api.Reply, error) {
	return page.Show(stepUpPage, page.NewFrame(r, "entry.step-title"), stepUpForm{below(r.Query().Get("to"))})
}

func stepUp(r *api.Request) (api.Reply, error) {
	to := below(r.Form("to"))
	if _, err := r.StepUp(api.StepUp{Password: r.Form("password"), OneTime: r.Form("otp")}); err != nil {
		return page.Again(r, stepUpPage, "entry.step-title", stepUpForm{to}, err)
	}
	return api.GoTo(to)
}

func signOut(r *api.Request) (api.Reply, error) {
	if _, ok := r.SignedIn(); ok {
		if _, err := r.SignOut(api.None{}); err != nil {
			return api.Reply{}, err
		}
	}
	return api.GoTo("/?done=signed-out")
}

// families tells the browser's family and the operating system's from what the browser says of itself. No version is kept.
func families(agent string) (browser, system string) {
	for _, f := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(agent, f.mark) {
			browser = f.name
			break
		}
	}
	for _, f := range []struct{ mark, name string }{
		{"Android", "Android"}, {"iPhone", "iOS"}, {"iPad", "iOS"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(agent, f.mark) {
			system = f.name
			break
		}
	}
	return browser, system
}
