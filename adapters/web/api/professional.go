package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"samtykke/adapters/desk"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
)

var professionalRoutes = []Route{
	looks(route("GET", "/clients", "listClients", "The organisation's clients by label, with \"shared until\" or nothing. It shows nothing that is registered.", professionals, (*Request).ListClients)),
	route("POST", "/clients", "registerClient", "Give a new client access. The code is shown now and never again.", professionals, (*Request).RegisterClient),
	looks(keyless(route("POST", "/clients/look-ups", "lookUpClients", "A page of the overview with what is registered about each client that shares: a look-up for each.", professionals, (*Request).LookUpClients))),
	looks(keyless(route("POST", "/clients/{handle}/look-ups", "lookUp", "Look at what one client shares.", professionals, (*Request).LookUp))),
	looks(route("POST", "/clients/{handle}/assessments", "fillInFor", "Fill in a form together with the client, or on its behalf. It takes a live yes and is a look-up.", professionals, (*Request).FillInFor)),
	looks(route("POST", "/clients/{handle}/answers", "answerFor", "Enter an answer together with the client, or on its behalf. It takes a live yes and is a look-up.", professionals, (*Request).AnswerFor)),
	looks(route("POST", "/clients/{handle}/content", "sendContent", "Send the client content or a task.", professionals, (*Request).SendContent)),
	looks(route("POST", "/clients/{handle}/notes", "writeNote", "Write a note of the organisation's own, or a draft. The client finds it in the export.", professionals, (*Request).WriteNote)),
	looks(route("POST", "/clients/{handle}/corrections", "passOnCorrection", "Pass on a client's request for a correction, without saying who it is.", professionals, (*Request).PassOnCorrection)),

	route("GET", "/organisation", "readOrganisation", "The organisation as registered.", professionals, (*Request).ReadOrganisation),
	route("PUT", "/organisation/contact", "correctContact", "Correct the organisation's contact data.", superusers, (*Request).CorrectContact),
	route("GET", "/professionals", "listProfessionals", "Who may act for the organisation.", superusers, (*Request).ListProfessionals),
	route("POST", "/professionals", "addProfessional", "Let somebody act for the organisation, by an invitation in two parts.", superusers, (*Request).AddProfessional),
	route("PUT", "/professionals/{professional}/details", "correctProfessional", "Correct what is recorded about a professional.", superusers, (*Request).CorrectProfessional),
	route("PUT", "/professionals/{professional}/role", "changeRole", "Make somebody superuser, or end it. The last one stays.", superusers, (*Request).ChangeRole),
	route("POST", "/professionals/{professional}/invitation", "inviteProfessional", "A new invitation. Accepted, it ends the old password and every session.", superusers, (*Request).InviteProfessional),
	route("POST", "/professionals/{professional}/deactivation", "deactivateProfessional", "End somebody's access at once, sessions under way included.", superusers, (*Request).DeactivateProfessional),
	route("DELETE", "/professionals/{professional}/deactivation", "reactivateProfessional", "Let somebody in again, without the superuser's role.", superusers, (*Request).ReactivateProfessional),
}

func rowOf(c views.Row) Client {
	return Client{Handle: c.Handle, Label: c.Label, SharedUntil: lastDay(c.Until), Asked: c.Asked}
}

// page cuts a page out of the overview. The cursor is the last handle of the page before.
func page(rows []views.Row, p Page) (cut []views.Row, next string, err error) {
	if p.After != "" {
		after, err := domain.ParseID(p.After)
		i := slices.IndexFunc(rows, func(r views.Row) bool { return r.Handle == after })
		if err != nil || i < 0 {
			return nil, "", web.NewProblem(http.StatusUnprocessableEntity, "no-such-cursor", "The list has changed since. Begin it anew.")
		}
		rows = rows[i+1:]
	}
	if limit := cmp.Or(p.Limit, 50); limit < len(rows) {
		if limit < 0 || limit > 200 {
			return nil, "", web.NewProblem(http.StatusUnprocessableEntity, "bad-input", "A page has at most 200 rows.")
		}
		rows = rows[:limit]
		next = rows[limit-1].Handle.String()
	}
	return rows, next, nil
}

func (r *Request) ListClients(in Page) (Clients, error) {
	return r.Overview(OverviewLookUp{Page: in}, nil)
}

// LookUpClients serves lookUpClients: a page of the overview with what is registered about each client that shares: a look-up for each.
func (r *Request) LookUpClients(in OverviewLookUp) (Clients, error) { return r.Overview(in, nil) }

// Overview is ListClients, and LookUpClients where kinds are named, for a page that first chooses among the rows and orders them. There
// is nothing registered in them to choose by.
func (r *Request) Overview(in OverviewLookUp, choose func([]Client) []Client) (Clients, error) {
	rows, err := r.Desk.Door.Caseload(r.ctx, r.by)
	if err != nil {
		return Clients{}, err
	}
	if choose != nil {
		rows = chosen(rows, choose)
	}
	rows, next, err := page(rows, in.Page)
	if err != nil {
		return Clients{}, err
	}
	if len(in.Kinds) > 0 {
		if err := r.Desk.Door.Fill(r.ctx, r.by, rows, in.Kinds); err != nil {
			return Clients{}, err
		}
	}
	return Clients{mapped(rows, func(c views.Row) Client {
		out := rowOf(c)
		if c.Shown != nil {
			shown := registrationsOf(c.Shown.Registrations, in.Kinds)
			out.Shown = &shown
			r.wrote(c.Shown.Position)
		}
		return out
	}), next}, nil
}

// chosen gives the rows that were chosen, in the order chosen.
func chosen(rows []views.Row, choose func([]Client) []Client) []views.Row {
	of := make(map[domain.ID]views.Row, len(rows))
	for _, row := range rows {
		of[row.Handle] = row
	}
	return mapped(choose(mapped(rows, rowOf)), func(c Client) views.Row { return of[c.Handle] })
}

// ReadClient is one row of ListClients, for a page about one client. A handle that is nobody's here is refused, and the attempt is on
// record.
func (r *Request) ReadClient() (Client, error) {
	handle := r.id("handle")
	if _, err := r.Desk.Door.Address(r.ctx, r.by, handle); err != nil {
		return Client{}, err
	}
	rows, err := r.Desk.Door.Caseload(r.ctx, r.by)
	if err != nil {
		return Client{}, err
	}
	i := slices.IndexFunc(rows, func(row views.Row) bool { return row.Handle == handle })
	if i < 0 {
		return Client{}, domain.Refuse(views.NoSuchClient, "There is no such client.")
	}
	return rowOf(rows[i]), nil
}

// LookUp serves lookUp: look at what one client shares.
func (r *Request) LookUp(in LookUp) (LookedUp, error) {
	s, err := r.Desk.Door.LookUp(r.ctx, r.by, r.id("handle"), in.Purpose, in.Kinds)
	if err != nil {
		return LookedUp{}, err
	}
	r.wrote(s.Position)
	return LookedUp{lastDay(s.Until), registrationsOf(s.Registrations, in.Kinds)}, nil
}

// RegisterClient serves registerClient: give a new client access. The code is shown now and never again.
func (r *Request) RegisterClient(_ None) (Slip, error) {
	reg, err := r.Desk.RegisterClient(r.ctx, r.by)
	if err != nil {
		return Slip{}, err
	}
	r.wrote(reg.Position)
	return Slip{reg.Handle, reg.Code.Label(), reg.Code.Slip()}, nil
}

func (r *Request) enterFor(entered journal.Entered, c journal.Command) (None, error) {
	if entered != journal.Together && entered != journal.OnBehalf {
		return None{}, domain.Refuse(journal.BadInput, "It is entered together with the client, or on its behalf.")
	}
	p, err := r.Desk.RegisterFor(r.ctx, r.by, r.id("handle"), entered, c)
	r.wrote(p)
	return None{}, err
}

// FillInFor serves fillInFor: fill in a form together with the client, or on its behalf. It takes a live yes and is a look-up.
func (r *Request) FillInFor(in AssessmentFor) (None, error) {
	return r.enterFor(in.Entered, in.command(in.Entered))
}

// AnswerFor serves answerFor: enter an answer together with the client, or on its behalf. It takes a live yes and is a look-up.
func (r *Request) AnswerFor(in AnswerFor) (None, error) {
	return r.enterFor(in.Entered, journal.Answer{Task: in.Task, Text: in.Text})
}

// SendContent serves sendContent: send the client content or a task.
func (r *Request) SendContent(in Send) (None, error) {
	return None{}, r.Desk.Send(r.ctx, r.by, r.id("handle"), journal.Send{Content: in.Content, Task: in.Task})
}

// WriteNote serves writeNote: write a note of the organisation's own, or a draft. The client finds it in the export.
func (r *Request) WriteNote(in WriteNote) (Noted, error) {
	note := in.Note
	if note.IsZero() {
		var err error
		if note, err = r.newID("note"); err != nil {
			return Noted{}, err
		}
	}
	return Noted{note}, r.Desk.WriteNote(r.ctx, r.by, r.id("handle"), journal.WriteNote{Note: note, Draft: in.Draft, Text: in.Text})
}

// PassOnCorrection serves passOnCorrection: pass on a client's request for a correction, without saying who it is.
func (r *Request) PassOnCorrection(in AskCorrection) (Requested, error) {
	request, err := r.newID("request")
	if err != nil {
		return Requested{}, err
	}
	sender, err := r.Desk.Ledger.NewID()
	if err != nil {
		return Requested{}, err
	}
	return Requested{request}, r.Desk.PassOnCorrection(r.ctx, r.by, r.id("handle"),
		journal.AskCorrection{Request: request, Sender: sender, About: in.Entry, Text: in.Text})
}

// ReadOrganisation serves readOrganisation: the organisation as registered.
func (r *Request) ReadOrganisation(_ None) (Organisation, error) {
	o, err := r.Desk.Organisation(r.ctx, r.by.Organisation)
	if err != nil {
		return Organisation{}, err
	}
	out := Organisation{Service: string(o.Service)}
	if o.Contact != nil {
		c := Contact(*o.Contact)
		out.Contact = &c
	}
	return out, nil
}

func (r *Request) manage(c organisation.Command) (None, error) {
	done, err := r.Desk.Organisations.Do(r.ctx, r.by.Organisation, r.by, c)
	r.wrote(done.Position)
	return None{}, err
}

// CorrectContact serves correctContact: correct the organisation's contact data.
func (r *Request) CorrectContact(in CorrectContact) (None, error) {
	return r.manage(organisation.CorrectContact{Contact: in.Contact.domain(), Source: in.Source})
}

// ListProfessionals serves listProfessionals: who may act for the organisation.
func (r *Request) ListProfessionals(_ None) (Professionals, error) {
	o, err := r.Desk.Organisation(r.ctx, r.by.Organisation)
	if err != nil {
		return Professionals{}, err
	}
	out := Professionals{[]Professional{}}
	for _, p := range o.People {
		row := Professional{Professional: p.ID, Active: p.Active, Superuser: p.Superuser}
		if p.Details != nil {
			d := Details(*p.Details)
			row.Details = &d
		}
		out.Professionals = append(out.Professionals, row)
	}
	return out, nil
}

// AddProfessional serves addProfessional: let somebody act for the organisation, by an invitation in two parts.
func (r *Request) AddProfessional(in AddProfessional) (Added, error) {
	id, err := r.newID("professional")
	if err != nil {
		return Added{}, err
	}
	if err := r.Desk.CheckLogin(r.ctx, id, in.Details.Email); err != nil {
		return Added{}, err
	}
	identity, err := r.identity(in.IdentityNumber)
	if err != nil {
		return Added{}, err
	}
	err = r.Desk.AddProfessional(r.ctx, r.by, organisation.AddProfessional{
		Professional: id, Superuser: in.Superuser, Details: in.Details.domain(), Identity: identity,
	})
	if err != nil {
		return Added{}, err
	}
	invitation, err := r.invite(id)
	return Added{id, invitation}, err
}

// invite invites somebody, who may have been put on the list a moment ago: the views have to know.
func (r *Request) invite(account domain.ID) (Invitation, error) {
	head, err := r.Desk.Ledger.Store.Head(r.ctx)
	if err == nil {
		err = r.Desk.Keeper.Wait(r.ctx, head)
	}
	if err != nil {
		return Invitation{}, err
	}
	i, err := r.Desk.Invite(r.ctx, r.by, account)
	if err != nil {
		return Invitation{}, err
	}
	return Invitation{i.Code.Slip(), i.Confirmation, i.Until.UTC()}, nil
}

// CorrectProfessional serves correctProfessional: correct what is recorded about a professional.
func (r *Request) CorrectProfessional(in CorrectProfessional) (None, error) {
	identity, err := r.identity(in.IdentityNumber)
	if err != nil {
		return None{}, err
	}
	return r.manage(organisation.CorrectProfessional{Professional: r.id("professional"), Details: in.Details.domain(), Identity: identity})
}

// identity is the keyed hash of an identity number, which goes no further; the zero one where none was given.
func (r *Request) identity(number string) (organisation.IdentityHash, error) {
	if number == "" {
		return organisation.IdentityHash{}, nil
	}
	i, err := signin.ParseIdentity(number)
	if err != nil {
		return organisation.IdentityHash{}, domain.Refuse(organisation.BadInput, "The identity number is not valid: eleven digits, the last two of which are check digits.")
	}
	return organisation.IdentityHash(i.Hash(r.Desk.IdentityKey)), nil
}

// ChangeRole serves changeRole: make somebody superuser, or end it. The last one stays.
func (r *Request) ChangeRole(in Role) (None, error) {
	return r.manage(organisation.ChangeRole{Professional: r.id("professional"), Superuser: in.Superuser})
}

// InviteProfessional serves inviteProfessional: a new invitation. Accepted, it ends the old password and every session.
func (r *Request) InviteProfessional(_ None) (Invitation, error) {
	return r.invite(r.id("professional"))
}

// DeactivateProfessional serves deactivateProfessional: end somebody's access at once, sessions under way included.
func (r *Request) DeactivateProfessional(_ None) (None, error) {
	id := r.id("professional")
	out, err := r.manage(organisation.Deactivate{Professional: id})
	if err == nil {
		_, err = r.Sessions.EndAll(context.WithoutCancel(r.ctx), id) // which the ledger has done already, at the next request of each
	}
	return out, err
}

// ReactivateProfessional serves reactivateProfessional: let somebody in again, without the superuser's role.
func (r *Request) ReactivateProfessional(_ None) (None, error) {
	return r.manage(organisation.Reactivate{Professional: r.id("professional")})
}

var employeeRoutes = []Route{
	route("POST", "/organisations", "registerOrganisation", "Register an organisation with its first superuser, who gets an invitation in two parts.", employees, (*Request).RegisterOrganisation),
	route("POST", "/accounts", "employ", "Give an auditor or an employee of the service an account; and, as safety manager, another safety manager.", service, (*Request).Employ),
	route("POST", "/accounts/{account}/invitation", "inviteAccount", "A new invitation. Accepted, it ends the old password and every session.", service, (*Request).InviteAccount),
}

// RegisterOrganisation serves registerOrganisation: register an organisation with its first superuser, who gets an invitation in two
// parts.
func (r *Request) RegisterOrganisation(in RegisterOrganisation) (RegisteredOrganisation, error) {
	id, err := r.newID("organisation")
	if err != nil {
		return RegisteredOrganisation{}, err
	}
	superuser, err := r.newID("superuser")
	if err != nil {
		return RegisteredOrganisation{}, err
	}
	if err := r.Desk.CheckLogin(r.ctx, superuser, in.Superuser.Email); err != nil {
		return RegisteredOrganisation{}, err
	}
	err = r.Desk.RegisterOrganisation(r.ctx, r.by, organisation.Register{
		Organisation: id, Service: rules.Service(in.Service), Contact: in.Contact.domain(), Superuser: superuser, Details: in.Superuser.domain(),
	})
	if err != nil {
		return RegisteredOrganisation{}, err
	}
	invitation, err := r.invite(superuser)
	return RegisteredOrganisation{id, superuser, invitation}, err
}

// Employ serves employ: give an auditor or an employee of the service an account.
func (r *Request) Employ(in Employ) (Employed, error) {
	id, err := r.Desk.Employ(r.ctx, r.by, desk.EmployInput(in))
	if err != nil {
		return Employed{}, err
	}
	invitation, err := r.invite(id)
	return Employed{id, invitation}, err
}

// InviteAccount serves inviteAccount: a new invitation. Accepted, it ends the old password and every session.
func (r *Request) InviteAccount(_ None) (Invitation, error) { return r.invite(r.id("account")) }
