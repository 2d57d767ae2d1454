package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/mux"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// The scenarios once more, over HTTP: the same files, through the server's shell, the routes and the sessions. Every request and
// every answer is held against the OpenAPI description, and the log is searched for what must not be in it.
func TestScenariosOverHTTP(t *testing.T) {
	files, err := filepath.Glob("../../testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios found", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			st := newStage(t)
			newOverHTTP(st)
			st.playFile(file)
		})
	}
}

// overHTTP reaches the service through its server. People on stage who have not signed in by the scenario's own words are given a
// session as if they had: a scenario that jumps weeks would otherwise tell of nothing but signing in.
type overHTTP struct {
	*stage
	sessions *signin.Sessions
	limits   *signin.Limits
	site     http.Handler
	serves   *desk.Desk // the one that site was made for
	known    map[domain.ID]*signin.Session
	employee ledger.Caller
	contract *contract
	log      *leaks
	cookie   *http.Cookie // the last one set
}

func newOverHTTP(st *stage) *overHTTP {
	o := &overHTTP{
		stage: st, sessions: signin.NewSessions(nil, 0), limits: signin.NewLimits(nil, nil), known: map[domain.ID]*signin.Session{},
		contract: theContract(), log: &leaks{},
	}
	st.via = o
	o.employee = ledger.Caller{Actor: employee.Actor, Role: domain.RoleEmployee, Session: st.id()}
	id, err := st.sys.desk.Employ(context.Background(), employee, desk.EmployInput{Role: domain.RoleEmployee, Name: "Drift Driftesen", Email: "drift@example.org"})
	if err != nil {
		st.t.Fatal(err)
	}
	o.employee.Actor = id
	o.open(employee, id)
	if st.seen, err = st.sys.store.Head(context.Background()); err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { o.log.check(st) })
	return o
}

// open gives somebody of the staff a password, without the cost of one.
func (o *overHTTP) open(by ledger.Caller, account domain.ID) {
	ctx := context.Background()
	err := o.sys.settle(ctx)
	var i desk.Invitation
	if err == nil {
		i, err = o.sys.desk.Invite(ctx, by, account)
	}
	if err == nil {
		o.accept(account, i.Code, i.Confirmation)
		return
	}
	o.t.Fatal("inviting: ", err)
}

func (o *overHTTP) accept(account domain.ID, code signin.Code, confirmation string) {
	ctx := context.Background()
	key := o.sys.desk.CodeKey
	a, _, err := o.sys.desk.Staff.State(ctx, account)
	if err != nil {
		o.t.Fatal(err)
	}
	by := ledger.Caller{Actor: account, Role: a.Role, Session: o.id(), Organisation: a.Organisation, Text: demoDeclaration}
	if by.Role == "" {
		org, _, err := o.sys.desk.Organisations.State(ctx, a.Organisation)
		if err != nil {
			o.t.Fatal(err)
		}
		by.Role = org.Standing(account)
	}
	_, err = o.sys.desk.Staff.Do(ctx, account, by, staff.Accept{
		Code: code.InvitationHash(key), Confirmation: code.ConfirmationHash(key, confirmation), Password: staff.Password("none"), Step: 1,
	})
	if err != nil {
		o.t.Fatal("accepting: ", err)
	}
}

// accepted accepts an invitation that came over HTTP.
func (o *overHTTP) accepted(account domain.ID, i api.Invitation) error {
	code, err := signin.ParseCode(i.Invitation)
	if err != nil {
		return err
	}
	confirmation, err := signin.ParseConfirmation(i.Confirmation)
	if err == nil {
		o.accept(account, code, confirmation)
	}
	return err
}

// token gives the caller's session. One that ran out while the scenario's clock jumped is taken up again as it was.
func (o *overHTTP) token(by ledger.Caller) (string, error) {
	ctx := context.Background()
	s := o.known[by.Session]
	if s == nil || by.Session.IsZero() || s.Role != by.Role {
		s = &signin.Session{ID: by.Session, Actor: by.Actor, Role: by.Role, Organisation: by.Organisation, Channel: "web"}
		if s.ID.IsZero() {
			s.ID = o.id()
		}
		switch by.Role {
		case domain.RoleClient:
			c, _, err := o.sys.desk.Clients.State(ctx, by.Actor)
			if err != nil {
				return "", err
			}
			s.Code = c.Code
		default:
			a, _, err := o.sys.desk.Staff.State(ctx, by.Actor)
			if err != nil {
				return "", err
			}
			org, _, err := o.sys.desk.Organisations.State(ctx, by.Organisation)
			if err != nil {
				return "", err
			}
			s.Credentials, s.Standing, s.StrongAt = a.Credentials, org.Members[by.Actor].Since, o.now
		}
		o.known[s.ID] = s
	}
	if by.Role != domain.RoleClient {
		s.StrongAt = o.now
	}
	if err := o.sessions.End(context.Background(), s.ID); err != nil {
		return "", err
	}
	token, err := o.sessions.New(context.Background(), o.now, s)
	if err != nil {
		return "", err
	}
	return token.Cookie(), nil
}

// serve sends a request through the shell.
func (o *overHTTP) serve(r *http.Request) *httptest.ResponseRecorder {
	if o.serves != o.sys.desk {
		texts := text.Catalogue{}
		for t, wording := range text.All {
			texts[t] = wording
			t.Version = "2026-04-01" // one that only a scenario knows
			texts[t] = wording
		}
		to := mux.NewRouter()
		to.NotFoundHandler, to.MethodNotAllowedHandler = http.HandlerFunc(api.Nowhere), http.HandlerFunc(api.NotHere)
		(&api.API{Desk: o.sys.desk, Auditor: o.sys.auditor, Sessions: o.sessions, Limits: o.limits, Texts: texts, Shelf: o.sys.shelf()}).Register(to)
		o.site = web.Handler(web.Config{
			Log: web.Logger(o.log), Clock: o.sys.clock, Random: o.random,
		}, to)
		o.serves = o.sys.desk
	}
	w := httptest.NewRecorder()
	o.site.ServeHTTP(w, r)
	return w
}

// call gives a command or reads, and fills out. A problem comes back as the refusal that it is.
func (o *overHTTP) call(by ledger.Caller, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	r := httptest.NewRequest(method, "http://localhost"+api.Prefix+path, bytes.NewReader(body))
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if by.Role != "" {
		token, err := o.token(by)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	key := by.Key
	if key == "" {
		id := o.id()
		key = string(id[:])
	}
	sum := sha256.Sum256([]byte(key))
	r.Header.Set("Idempotency-Key", hex.EncodeToString(sum[:]))
	w := o.serve(r)
	if cookies := w.Result().Cookies(); len(cookies) == 1 {
		o.cookie = cookies[0]
	}
	if err := o.contract.check(method, path, body, w); err != nil {
		return err
	}
	if w.Code >= 300 {
		var p web.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			return fmt.Errorf("%s %s: %d, and no problem", method, path, w.Code)
		}
		if w.Code >= 500 {
			return fmt.Errorf("%s %s: %d %s", method, path, w.Code, p.Code)
		}
		return domain.Refuse(p.Code, p.Detail)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(w.Body.Bytes(), out)
}

// sameCode says under which other code the same refusal may come over HTTP: there a session ends before anybody asks why.
func (o *overHTTP) sameCode(got, want string) bool {
	return got == want || got == api.SignedOut && slices.Contains([]string{client.IsDeactivated, organisation.NotActive, organisation.NotYours}, want) ||
		got == "out-of-range" && want == journal.BadInput ||
		got == client.NotYours && want == organisation.NotActive || // the role is asked first
		got == client.NoSuchLookUp && want == client.NotYours // since another organisation's is on no list
}

// unsaid are the accounts of the staff, which come with the staff.
func (o *overHTTP) unsaid(event string) bool {
	return slices.Contains([]string{"staff.invited", "staff.invitation-accepted", "staff.declaration-signed"}, event)
}

func (o *overHTTP) registerOrganisation(c organisation.Register) (domain.ID, domain.ID, error) {
	var out api.RegisteredOrganisation
	err := o.call(o.employee, "POST", "/organisations", api.RegisterOrganisation{
		Service: string(c.Service), Contact: api.Contact(c.Contact), Superuser: api.Details(c.Details),
	}, &out)
	if err != nil {
		return c.Organisation, c.Superuser, err
	}
	return out.Organisation, out.Superuser, o.accepted(out.Superuser, out.Invitation)
}

func (o *overHTTP) addProfessional(by ledger.Caller, c organisation.AddProfessional) (domain.ID, error) {
	var out api.Added
	err := o.call(by, "POST", "/professionals", api.AddProfessional{Details: api.Details(c.Details), Superuser: c.Superuser}, &out)
	if err != nil {
		return c.Professional, err
	}
	return out.Professional, o.accepted(out.Professional, out.Invitation)
}

func (o *overHTTP) manage(org domain.ID, by ledger.Caller, c organisation.Command) error {
	if by.Role == domain.RoleEmployee {
		return direct{o.stage}.manage(org, by, c) // an employee has no route to an organisation's own data
	}
	if by.Organisation != org {
		return domain.Refuse(organisation.NotYours, "There is no route to another organisation.")
	}
	switch c := c.(type) {
	case organisation.CorrectContact:
		return o.call(by, "PUT", "/organisation/contact", api.CorrectContact{Contact: api.Contact(c.Contact), Source: c.Source}, nil)
	case organisation.ChangeRole:
		return o.call(by, "PUT", "/professionals/"+c.Professional.String()+"/role", api.Role{Superuser: c.Superuser}, nil)
	case organisation.AgreeRetention:
		return o.call(by, "PUT", "/oversight/retention", api.Retention{Months: c.Months, Reason: c.Reason}, nil)
	case organisation.HideNames:
		return o.call(by, "PUT", "/oversight/names", api.Hide{Hidden: c.Hidden}, nil)
	case organisation.ReviewAccess:
		return o.call(by, "POST", "/oversight/access-review", nil, nil)
	case organisation.Deactivate:
		return o.call(by, "POST", "/professionals/"+c.Professional.String()+"/deactivation", nil, nil)
	case organisation.Reactivate:
		if err := o.call(by, "DELETE", "/professionals/"+c.Professional.String()+"/deactivation", nil, nil); err != nil {
			return err
		}
		for id, s := range o.known { // who is let in again signs in again
			if s.Actor == c.Professional {
				delete(o.known, id)
			}
		}
		return nil
	}
	return fmt.Errorf("there is no route for %T", c)
}

func (o *overHTTP) registerClient(by ledger.Caller) (desk.Registration, error) {
	var out api.Slip
	if err := o.call(by, "POST", "/clients", nil, &out); err != nil {
		return desk.Registration{}, err
	}
	code, err := signin.ParseCode(out.Code)
	if err != nil {
		return desk.Registration{}, err
	}
	o.log.secret(out.Code, strings.ReplaceAll(out.Code, "-", ""))
	if err := o.sys.settle(context.Background()); err != nil {
		return desk.Registration{}, err
	}
	h, _, err := o.sys.keeper.Handles.Get(context.Background(), out.Handle)
	return desk.Registration{Client: h.Client, Handle: out.Handle, Code: code}, err
}

// logIn comes by an app's token, or by a browser's cookie, which no page can read and no other site's page can send.
func (o *overHTTP) logIn(code signin.Code, how journal.LogIn) (ledger.Caller, error) {
	var out api.Session
	err := o.call(ledger.Caller{}, "POST", "/session/code", api.SignInByCode{Code: code.Slip(), Channel: how.Channel, Browser: how.Browser, System: how.System}, &out)
	if err != nil {
		return ledger.Caller{}, err
	}
	token := out.Token
	if how.Channel == journal.Web {
		c := o.cookie
		if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || out.Token != "" {
			return ledger.Caller{}, errors.New("a browser gets a cookie that no page can read, and no token")
		}
		token = c.Value
	}
	s, ok, err := o.sessions.Find(context.Background(), token, o.now)
	if err != nil || !ok {
		return ledger.Caller{}, errors.New("the token that was given opens no session")
	}
	o.log.secret(token)
	o.known[s.ID] = s
	return desk.CallerOf(s), nil
}

func (o *overHTTP) act(by ledger.Caller, c client.Command) error {
	switch c := c.(type) {
	case client.Grant:
		return o.call(by, "POST", "/sharing", api.AnswerShare{Share: true, Occasion: c.Occasion, Text: api.Shown(by.Text)}, nil)
	case client.Decline:
		return o.call(by, "POST", "/sharing", api.AnswerShare{Occasion: client.FirstQuestion, Text: api.Shown(by.Text)}, nil)
	case client.Withdraw:
		return o.call(by, "POST", "/sharing", api.AnswerShare{Occasion: client.Settings, Text: api.Shown(by.Text)}, nil)
	case client.AnswerFollowUp:
		t := by.Text
		t.Name = text.FollowUp
		return o.call(by, "POST", "/follow-up", api.AnswerFollowUp{Yes: c.Yes, Text: api.Shown(t)}, nil)
	case client.Restrict:
		return o.call(by, "POST", "/restriction", nil, nil)
	case client.LiftRestriction:
		return o.call(by, "DELETE", "/restriction", nil, nil)
	}
	return fmt.Errorf("there is no route for %T", c)
}

func (o *overHTTP) rotate(by ledger.Caller, _ signin.Code) (signin.Code, error) {
	var out api.NewCode
	if err := o.call(by, "POST", "/code", nil, &out); err != nil {
		return signin.Code{}, err
	}
	o.log.secret(out.Code)
	code, err := signin.ParseCode(out.Code)
	if err != nil {
		return signin.Code{}, err
	}
	o.known[by.Session].Pending = code.Hash(o.sys.desk.CodeKey) // which the session remembers, and this stage's copy does not
	if err := o.call(by, "POST", "/code/confirmation", api.TypedCode{Code: strings.ToLower(out.Code)}, nil); err != nil {
		return signin.Code{}, err
	}
	o.known[by.Session].Code, o.known[by.Session].Pending = code.Hash(o.sys.desk.CodeKey), [32]byte{}
	return code, nil
}

func assessment(c journal.Assess) api.Assessment {
	a := api.Assessment{Instrument: c.Instrument, Items: c.Items}
	if c.Difficulty >= 0 {
		a.Difficulty = &c.Difficulty
	}
	return a
}

func (o *overHTTP) register(by ledger.Caller, c journal.Command) error {
	switch c := c.(type) {
	case journal.Assess:
		return o.call(by, "POST", "/assessments", assessment(c), nil)
	case journal.Answer:
		o.log.secret(c.Text)
		return o.call(by, "POST", "/answers", api.Answer{Task: c.Task, Text: c.Text}, nil)
	case journal.Open:
		return o.call(by, "POST", "/content/opened", api.Content(c), nil)
	case journal.Finish:
		return o.call(by, "POST", "/content/finished", api.Content(c), nil)
	case journal.SpendTime:
		return o.call(by, "POST", "/use", api.Use(c), nil)
	case journal.Rate:
		return o.call(by, "POST", "/ratings", api.Rating(c), nil)
	}
	return fmt.Errorf("there is no route for %T", c)
}

func (o *overHTTP) askCorrection(by ledger.Caller, words string) (domain.ID, error) {
	var out api.Requested
	o.log.secret(words)
	err := o.call(by, "POST", "/corrections", api.AskCorrection{Text: words}, &out)
	return out.Request, err
}

func (o *overHTTP) own(by ledger.Caller, p client.Purpose) (views.Own, error) {
	var out api.OwnExport
	method, path := "GET", "/own-data"
	if p == client.Export {
		method, path = "POST", "/own-data/export"
	}
	if err := o.call(by, method, path, nil, &out); err != nil {
		return views.Own{}, err
	}
	own := views.Own{Registrations: registrationsFrom(out.Registrations), Entries: make([]eventschema.Fact, len(out.Entries))}
	for _, e := range out.History {
		own.History = append(own.History, eventschema.Fact{Name: e.Event})
	}
	for _, l := range out.LookUps {
		name := "lookup.refused"
		switch {
		case l.Query != "":
			name = "oversight.queried"
		case l.Allowed:
			name = "lookup.made"
		}
		own.Others = append(own.Others, eventschema.Fact{Name: name})
	}
	return own, nil
}

// equalHistory does not mind the order: over HTTP yes and no come apart from who looked.
func (o *overHTTP) equalHistory(names []string, want string) error {
	wanted := strings.Split(want, ", ")
	slices.Sort(wanted)
	slices.Sort(names)
	return equal(strings.Join(names, ", "), strings.Join(wanted, ", "))
}

func (o *overHTTP) suggest(f journal.Feedback) error {
	o.log.secret(f.Text)
	return o.call(ledger.Caller{}, "POST", "/feedback", api.Feedback(f), nil)
}

func (o *overHTTP) registerFor(by ledger.Caller, handle domain.ID, how journal.Entered, c journal.Command) error {
	switch c := c.(type) {
	case journal.Assess:
		return o.call(by, "POST", "/clients/"+handle.String()+"/assessments", api.AssessmentFor{Entered: how, Assessment: assessment(c)}, nil)
	case journal.Answer:
		return o.call(by, "POST", "/clients/"+handle.String()+"/answers", api.AnswerFor{Entered: how, Answer: api.Answer{Task: c.Task, Text: c.Text}}, nil)
	}
	return fmt.Errorf("there is no route for %T", c)
}

func (o *overHTTP) send(by ledger.Caller, handle domain.ID, c journal.Send) error {
	return o.call(by, "POST", "/clients/"+handle.String()+"/content", api.Send(c), nil)
}

func (o *overHTTP) writeNote(by ledger.Caller, handle domain.ID, c journal.WriteNote) (domain.ID, error) {
	var out api.Noted
	o.log.secret(c.Text)
	in := map[string]any{"draft": c.Draft, "text": c.Text}
	if !c.Note.IsZero() {
		in["note"] = c.Note
	}
	err := o.call(by, "POST", "/clients/"+handle.String()+"/notes", in, &out)
	return out.Note, err
}

func (o *overHTTP) passOnCorrection(by ledger.Caller, handle domain.ID, words string) (domain.ID, error) {
	var out api.Requested
	err := o.call(by, "POST", "/clients/"+handle.String()+"/corrections", api.AskCorrection{Text: words}, &out)
	return out.Request, err
}

func (o *overHTTP) lookUp(by ledger.Caller, handle domain.ID, p client.Purpose, kinds []client.Kind) (views.Shown, error) {
	var out api.LookedUp
	if err := o.call(by, "POST", "/clients/"+handle.String()+"/look-ups", api.LookUp{Purpose: p, Kinds: kinds}, &out); err != nil {
		return views.Shown{}, err
	}
	return views.Shown{Registrations: registrationsFrom(out.Registrations)}, nil
}

func (o *overHTTP) overview(by ledger.Caller, kinds []client.Kind) ([]views.Row, error) {
	var rows []views.Row
	in := api.OverviewLookUp{Kinds: kinds}
	for {
		var out api.Clients
		if err := o.call(by, "POST", "/clients/look-ups", in, &out); err != nil {
			return nil, err
		}
		for _, c := range out.Clients {
			row := views.Row{Handle: c.Handle, Label: c.Label, Asked: c.Asked}
			if c.Shown != nil {
				row.Shown = &views.Shown{Registrations: registrationsFrom(*c.Shown)}
			}
			rows = append(rows, row)
		}
		if in.After = out.Next; in.After == "" {
			return rows, nil
		}
	}
}

func (o *overHTTP) whoSaw(by ledger.Caller, about domain.ID, reason string) error {
	ctx := context.Background()
	if a, _, err := o.sys.desk.Staff.State(ctx, by.Actor); err == nil && a.Account.IsZero() { // an auditor who has just come on stage
		id, err := o.sys.desk.Employ(ctx, employee, desk.EmployInput{Role: domain.RoleAuditor, Name: "Randi Revisor", Email: "revisor@example.org"})
		if err != nil {
			return err
		}
		o.open(employee, id)
		for _, p := range o.people {
			if p.caller.Actor == by.Actor {
				p.caller.Actor = id
			}
		}
		by.Actor = id
		if o.seen, err = o.sys.store.Head(ctx); err != nil {
			return err
		}
	}
	return o.call(by, "POST", "/audit/who-saw", api.WhoSaw{Reason: reason, Client: about.String()}, nil)
}

// registrationsFrom reads back what was shown.
func registrationsFrom(r api.Registrations) projections.Registrations {
	out := projections.Registrations{Version: r.Version}
	for _, f := range r.Scores {
		g := projections.Form{At: f.At, Instrument: f.Instrument, Items: f.Items, Difficulty: -1, Score: f.Score, Severity: f.Severity, Safety: f.Safety, Entered: f.Entered}
		if f.Difficulty != nil {
			g.Difficulty = *f.Difficulty
		}
		out.Forms = append(out.Forms, g)
	}
	if p := r.Progress; p != nil {
		out.Resume = p.Resume
		for _, c := range p.Content {
			x := projections.Content{Name: c.Content, Opened: c.Opened}
			if c.Finished != nil {
				x.Finished = *c.Finished
			}
			out.Content = append(out.Content, x)
		}
		for _, s := range p.Sent {
			out.Sent = append(out.Sent, projections.Sent{At: s.At, Content: s.Content, Task: s.Task})
		}
	}
	if u := r.Use; u != nil {
		out.Logins, out.Seconds, out.Clicks, out.Browsers, out.Systems = u.Logins, u.Seconds, u.Clicks, u.Browsers, u.Systems
	}
	for _, a := range r.Answers {
		out.Answers = append(out.Answers, projections.Answer{At: a.At, Task: a.Task, Text: a.Text, Entered: a.Entered})
	}
	for _, c := range r.Corrections {
		x := projections.Correction{Request: c.Request, At: c.At, About: c.Entry, Text: c.Text, Due: c.Due, Through: c.Through, Answer: c.Answer}
		if c.Made != nil {
			x.Made = *c.Made
		}
		out.Corrections = append(out.Corrections, x)
	}
	for _, g := range r.Ratings {
		out.Ratings = append(out.Ratings, projections.Rating(g))
	}
	for _, n := range r.Notes {
		out.Notes = append(out.Notes, projections.Note{Note: n.Note, At: n.At, Draft: n.Draft, Text: n.Text})
	}
	return out
}

// leaks is the server's log, searched for what must not be in it.
type leaks struct {
	mu      sync.Mutex
	log     bytes.Buffer
	secrets []string
}

func (l *leaks) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(b)
}

func (l *leaks) secret(s ...string) { l.secrets = append(l.secrets, s...) }

// check searches the log for every code, token, answer, name, label and id of somebody on stage.
func (l *leaks) check(st *stage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.log.Len() == 0 {
		st.t.Error("nothing was logged")
	}
	secrets := slices.Clone(l.secrets)
	for _, p := range st.people {
		secrets = append(secrets, p.name, p.label, p.caller.Actor.String(), p.handle.String(), "@example.org", "Nordmann")
	}
	for _, s := range secrets {
		if s != "" && bytes.Contains(l.log.Bytes(), []byte(s)) {
			st.t.Errorf("the log holds %q", s)
		}
	}
}

var _ io.Writer = (*leaks)(nil)
