// Package desk is where people come with what they want done: it finds the stream, makes the keys that a new subject
// needs, and gives the command. It decides nothing itself, and reads nothing registered: that is the door's (package
// views).
//
// # Coming in
//
// Clients come in by their code, staff by login name, password and one-time code. Whoever is refused gets one answer, whatever was
// wrong, after the same reads and one event; what it really was stands in that event. A session holds what it was opened with, and
// Live asks the ledger whether that still opens: so a change of code, an end or a deactivation ends sessions at once.
//
// # Order of writing
//
// Where an act touches two streams, the one that permits it comes first. A professional who registers with a client is
// let in by a look-up in the client's stream before the entry stands in the journal. A login is checked against the
// client's stream before it is recorded. A key is durable before anything is sealed under it. So a crash between two
// writes leaves a permission that was not used, and never a use without permission. The look-up is the act that permits: an
// entry that it let in stands also where a withdrawal is recorded between the two.
package desk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

type (
	// Journals are the clients' journals.
	Journals = ledger.Streams[journal.Command, journal.Body, journal.State]
	// Feedback are streams of one suggestion or evaluation each.
	Feedback = ledger.Streams[journal.Feedback, journal.Body, journal.State]
	// Accesses are the times that exceptional access was opened.
	Accesses = ledger.Streams[oversight.Body, oversight.Body, oversight.Access]
	// Statistics is the stream of releases.
	Statistics = ledger.Streams[statistics.Body, statistics.Body, statistics.State]
)

// A Desk takes commands from everybody.
type Desk struct {
	Ledger        *ledger.Ledger
	Keeper        *views.Keeper
	Door          *views.Door
	Clients       *views.Clients
	Organisations *views.Organisations
	Journals      *Journals
	Feedback      *Feedback
	Queries       *views.Oversight
	Statistics    *Statistics
	Staff         *Staff
	Accesses      *Accesses
	Books         rules.Books
	CodeKey       signin.HashKey
	IdentityKey   signin.HashKey // of national identity numbers; zero: none can be given
}

// New makes a desk, with its door, over a ledger and the keeper of its views.
func New(l *ledger.Ledger, k *views.Keeper, books rules.Books, codeKey signin.HashKey) *Desk {
	d := &Desk{
		Ledger: l, Keeper: k, Books: books, CodeKey: codeKey,
		Clients:       ledger.NewStreams(l, eventschema.ClientStream, client.Decider(books)),
		Organisations: ledger.NewStreams(l, eventschema.OrganisationStream, organisation.Decider),
		Journals:      ledger.NewStreams(l, eventschema.JournalStream, journal.Decider),
		Feedback:      ledger.NewStreams(l, eventschema.FeedbackStream, journal.Suggest),
		Queries:       ledger.NewStreams(l, eventschema.OversightStream, oversight.Decider),
		Staff:         ledger.NewStreams(l, eventschema.StaffStream, staff.Decider),
		Accesses:      ledger.NewStreams(l, eventschema.AccessStream, oversight.AccessDecider),
		Statistics:    ledger.NewStreams(l, eventschema.StatisticsStream, statistics.Decider),
	}
	d.Door = &views.Door{
		Ledger: l, Keeper: k, Clients: d.Clients, Organisations: d.Organisations, Books: books,
		Refused: ledger.NewStreams(l, eventschema.RefusedStream, oversight.Decider),
	}
	return d
}

// RegisterOrganisation registers an organisation with its first superuser. Its clients use the service it names.
func (d *Desk) RegisterOrganisation(ctx context.Context, by ledger.Caller, c organisation.Register) error {
	if _, ok := d.Books[c.Service]; !ok {
		return domain.Refuse(client.NoSuchService, "There is no such service.")
	}
	err := d.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Organisation, ID: c.Organisation})
	err = errors.Join(err, d.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Staff, ID: c.Superuser}))
	if err != nil {
		return err
	}
	_, err = d.Organisations.Do(ctx, c.Organisation, by, c)
	return err
}

// AddProfessional lets somebody act for the caller's organisation.
func (d *Desk) AddProfessional(ctx context.Context, by ledger.Caller, c organisation.AddProfessional) error {
	if err := d.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Staff, ID: c.Professional}); err != nil {
		return err
	}
	_, err := d.Organisations.Do(ctx, by.Organisation, by, c)
	return err
}

// A Registration is a client just registered, with the code that is handed out now and never shown again.
type Registration struct {
	Client   domain.ID
	Handle   domain.ID
	Code     signin.Code
	Position ledger.Position
}

// RegisterClient gives a new client of the caller's organisation access. Each call is a new client: whoever repeats one
// whose answer was lost hands out the later code, and the earlier one is never used.
func (d *Desk) RegisterClient(ctx context.Context, by ledger.Caller) (Registration, error) {
	o, _, err := d.Organisations.State(ctx, by.Organisation)
	if err != nil {
		return Registration{}, err
	}
	if err := o.Admit(by.Actor, by.Role); err != nil {
		return Registration{}, err
	}
	var r Registration
	if r.Client, err = d.Ledger.NewID(); err != nil {
		return Registration{}, err
	}
	if r.Handle, err = d.Ledger.NewID(); err != nil {
		return Registration{}, err
	}
	if r.Code, err = d.newCodeFor(ctx, by.Organisation); err != nil {
		return Registration{}, err
	}
	if err := d.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Client, ID: r.Client}); err != nil {
		return Registration{}, err
	}
	done, err := d.Clients.Begin(ctx, r.Client, by, client.Register{
		Client: r.Client, Organisation: by.Organisation, Handle: r.Handle, Service: o.Service,
		Label: r.Code.Label(), Code: r.Code.Hash(d.CodeKey),
	})
	r.Position = done.Position
	return r, err
}

// newCodeFor draws a code whose label the organisation does not have yet. Two registrations at the same moment may still
// draw the same one, with a chance of one in twenty million; the handle, not the label, says who is meant.
func (d *Desk) newCodeFor(ctx context.Context, organisation domain.ID) (signin.Code, error) {
	for {
		c, err := d.NewCode()
		if err != nil {
			return c, err
		}
		taken, err := d.Door.HasLabel(ctx, organisation, c.Label())
		if err != nil || !taken {
			return c, err
		}
	}
}

// NewCode draws a code.
func (d *Desk) NewCode() (signin.Code, error) {
	var c signin.Code
	err := d.Ledger.Draw(func(random io.Reader) (err error) {
		c, err = signin.NewCode(random)
		return err
	})
	return c, err
}

// Act gives one of the client's own commands about itself: sharing, follow-up, restriction. An answer about sharing names
// the text that was shown.
func (d *Desk) Act(ctx context.Context, by ledger.Caller, c client.Command) (ledger.Done[client.State], error) {
	switch c.(type) {
	case client.Grant, client.Decline, client.AnswerFollowUp:
		if by.Text == (domain.Text{}) {
			return ledger.Done[client.State]{}, domain.Refuse(client.BadInput, "An answer about sharing names the text that was shown.")
		}
	case client.Withdraw, client.RotateCode, client.Restrict, client.LiftRestriction, client.Erase, client.QuestionLookUp:
	default:
		return ledger.Done[client.State]{}, domain.Refuse(client.NotYours, "This is not the client's to say.")
	}
	if err := d.inUse(ctx, by); err != nil {
		return ledger.Done[client.State]{}, err
	}
	return d.Clients.Do(ctx, by.Actor, by, c)
}

// inUse refuses a caller whose code is no longer in use by now, whether or not that has been written down: a session that
// outlived its code opens nothing.
func (d *Desk) inUse(ctx context.Context, by ledger.Caller) error {
	s, used, err := d.codeInUse(ctx, by.Actor)
	switch {
	case err != nil:
		return err
	case by.Role != domain.RoleClient || !s.Registered():
		return domain.Refuse(client.NotYours, "Only the client can do this.")
	case !used:
		return domain.Refuse(client.IsDeactivated, "The code is no longer in use.")
	}
	return nil
}

// RotateCode gives the caller, a client, a new code; the old one stops working at once.
func (d *Desk) RotateCode(ctx context.Context, by ledger.Caller, old, next signin.Code) error {
	_, err := d.Act(ctx, by, client.RotateCode{Old: old.Hash(d.CodeKey), New: next.Hash(d.CodeKey)})
	return err
}

// Register enters something in the caller's own journal.
func (d *Desk) Register(ctx context.Context, by ledger.Caller, c journal.Command) (ledger.Position, error) {
	if _, login := c.(journal.LogIn); login {
		return 0, domain.Refuse(client.NotYours, "A login is recorded where the code is given.")
	}
	if err := d.inUse(ctx, by); err != nil {
		return 0, err
	}
	done, err := d.Journals.Do(ctx, by.Actor, by, c)
	return done.Position, err
}

// RegisterFor enters something in a client's journal together with the client, or on its behalf. It takes a live yes and
// is a look-up.
func (d *Desk) RegisterFor(ctx context.Context, by ledger.Caller, handle domain.ID, entered journal.Entered, c journal.Command) (ledger.Position, error) {
	purpose := client.Together
	if entered == journal.OnBehalf {
		purpose = client.OnBehalf
	}
	kind := client.Answers
	switch cc := c.(type) {
	case journal.Assess:
		kind, cc.Entered = client.Scores, entered
		c = cc
	case journal.Answer:
		cc.Entered = entered
		c = cc
	default:
		return 0, domain.Refuse(journal.BadInput, "Only forms and answers are registered together with a client or on its behalf.")
	}
	id, err := d.Door.Admit(ctx, by, handle, purpose, []client.Kind{kind})
	if err != nil {
		return 0, err
	}
	done, err := d.Journals.Do(ctx, id, by, c)
	return done.Position, err
}

// Send sends content to a client of the caller's organisation; it shows nothing registered and needs no yes.
func (d *Desk) Send(ctx context.Context, by ledger.Caller, handle domain.ID, c journal.Send) error {
	return d.toClient(ctx, by, handle, c)
}

// WriteNote keeps a note of the organisation's own about a client. The client finds it in the export.
func (d *Desk) WriteNote(ctx context.Context, by ledger.Caller, handle domain.ID, c journal.WriteNote) error {
	return d.toClient(ctx, by, handle, c)
}

// PassOnCorrection passes on a client's request for a correction, by handle and so without identifying the client.
func (d *Desk) PassOnCorrection(ctx context.Context, by ledger.Caller, handle domain.ID, c journal.AskCorrection) error {
	return d.toClient(ctx, by, handle, c)
}

func (d *Desk) toClient(ctx context.Context, by ledger.Caller, handle domain.ID, c journal.Command) error {
	id, err := d.Door.Address(ctx, by, handle)
	if err != nil {
		return err
	}
	_, err = d.Journals.Do(ctx, id, by, c)
	return err
}

// MakeCorrection records that a correction was made. The caller is an employee, who knows the request and the sender's
// pseudonym; id is the client whose journal holds it.
func (d *Desk) MakeCorrection(ctx context.Context, by ledger.Caller, id domain.ID, c journal.MakeCorrection) error {
	s, _, err := d.Clients.State(ctx, id)
	if err != nil {
		return err
	}
	if s.Erased {
		return domain.Refuse(client.NotRegistered, "There is no such client.")
	}
	_, err = d.Journals.Do(ctx, id, by, c)
	return err
}

// Suggest keeps a suggestion or an evaluation, linked to nobody: of the caller nothing but the text shown is used.
func (d *Desk) Suggest(ctx context.Context, shown domain.Text, f journal.Feedback) error {
	id, err := d.Ledger.NewID()
	if err != nil {
		return err
	}
	if err := d.Ledger.Keys.Create(ctx, keyring.Owner{Kind: keyring.Service, ID: eventschema.ServiceID}); err != nil {
		return err
	}
	_, err = d.Feedback.Begin(ctx, id, ledger.Caller{Text: shown}, f)
	return err
}

// Query records what an auditor or an employee asks, before the answer.
func (d *Desk) Query(ctx context.Context, by ledger.Caller, q oversight.Queried) (ledger.Position, error) {
	id, err := d.Ledger.NewID()
	if err != nil {
		return 0, err
	}
	done, err := d.Queries.Begin(ctx, id, by, q)
	return done.Position, err
}

// PassTime records what time has brought to one client by now.
func (d *Desk) PassTime(ctx context.Context, id domain.ID) (ledger.Position, error) {
	j, _, err := d.Journals.State(ctx, id)
	if err != nil {
		return 0, err
	}
	done, err := d.Clients.Do(ctx, id, ledger.System, client.PassTime{LastLogin: j.LastLogin})
	return done.Position, err
}

// Tick lets time pass for every client to whom it has brought something by now, and gives the position of the last
// event. It costs what is due. Asking twice records nothing twice; asking late or never changes no state, only when
// it is written down.
func (d *Desk) Tick(ctx context.Context) (last ledger.Position, recorded int, err error) {
	today := domain.DateOf(d.Ledger.Now())
	due, err := d.Keeper.Due.DueBy(ctx, today)
	idle, errIdle := d.Keeper.Idle.DueBy(ctx, today)
	err = errors.Join(err, errIdle)
	seen := map[domain.ID]bool{}
	for _, ids := range [][]domain.ID{due, idle} {
		sortIDs(ids)
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			p, failed := d.PassTime(ctx, id)
			if failed != nil {
				err = errors.Join(err, failed) // and no other client waits for this one
			}
			if p > last {
				last = p
				recorded++
			}
		}
	}
	return last, recorded, err
}

func sortIDs(ids []domain.ID) {
	slices.SortFunc(ids, func(a, b domain.ID) int { return bytes.Compare(a[:], b[:]) })
}
