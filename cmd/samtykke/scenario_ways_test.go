package main

import (
	"context"
	"strings"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/projections"
)

// ways are how the people on a stage reach the service: straight at the desk and the door, or over HTTP. The scenarios are the
// same. Ids that the way draws itself come back; where it is handed them, they are the same.
type ways interface {
	registerOrganisation(organisation.Register) (id, superuser domain.ID, err error)
	addProfessional(ledger.Caller, organisation.AddProfessional) (domain.ID, error)
	manage(org domain.ID, by ledger.Caller, c organisation.Command) error
	registerClient(ledger.Caller) (desk.Registration, error)

	logIn(signin.Code, journal.LogIn) (ledger.Caller, error)
	act(ledger.Caller, client.Command) error
	erase(by ledger.Caller, code signin.Code) error
	rotate(by ledger.Caller, old signin.Code) (signin.Code, error)
	register(ledger.Caller, journal.Command) error
	askCorrection(by ledger.Caller, text string) (domain.ID, error)
	own(ledger.Caller, client.Purpose) (views.Own, error)
	suggest(journal.Feedback) error

	registerFor(ledger.Caller, domain.ID, journal.Entered, journal.Command) error
	send(ledger.Caller, domain.ID, journal.Send) error
	writeNote(ledger.Caller, domain.ID, journal.WriteNote) (domain.ID, error)
	passOnCorrection(by ledger.Caller, handle domain.ID, text string) (domain.ID, error)
	lookUp(ledger.Caller, domain.ID, client.Purpose, []client.Kind) (views.Shown, error)
	overview(ledger.Caller, []client.Kind) ([]views.Row, error)

	whoSaw(by ledger.Caller, about domain.ID, reason string) error

	askAbout(by ledger.Caller, version uint64) error
	reviewLookUp(by ledger.Caller, about *person, version uint64, o client.Outcome) error
	reviewAttempt(by ledger.Caller, of domain.ID, i projections.Review, o client.Outcome) error
	eraseProfessional(by ledger.Caller, id domain.ID) error
	openAccess(by ledger.Caller, c oversight.AccessOpened) (domain.ID, error)
	endAccess(by ledger.Caller, id domain.ID) error
	reviewAccess(by ledger.Caller, id domain.ID, o client.Outcome) error
	told(by ledger.Caller) (string, error) // about the processing, with everything stored

	equalHistory(names []string, want string) error // of what a client was told: in order, where the way keeps it
	sameCode(got, want string) bool                 // of a refusal
	unsaid(event string) bool                       // recorded by the way itself, and not what a scenario tells of
}

// direct goes straight to the desk and the door.
type direct struct{ *stage }

func (d direct) registerOrganisation(c organisation.Register) (domain.ID, domain.ID, error) {
	return c.Organisation, c.Superuser, d.sys.desk.RegisterOrganisation(context.Background(), employee, c)
}

func (d direct) addProfessional(by ledger.Caller, c organisation.AddProfessional) (domain.ID, error) {
	return c.Professional, d.sys.desk.AddProfessional(context.Background(), by, c)
}

func (d direct) manage(org domain.ID, by ledger.Caller, c organisation.Command) error {
	_, err := d.sys.desk.Organisations.Do(context.Background(), org, by, c)
	return err
}

func (d direct) registerClient(by ledger.Caller) (desk.Registration, error) {
	return d.sys.desk.RegisterClient(context.Background(), by)
}

func (d direct) logIn(code signin.Code, how journal.LogIn) (ledger.Caller, error) {
	s, err := d.sys.desk.LogIn(context.Background(), code, how)
	return desk.CallerOf(&s), err
}

func (d direct) act(by ledger.Caller, c client.Command) error {
	_, err := d.sys.desk.Act(context.Background(), by, c)
	return err
}

func (d direct) rotate(by ledger.Caller, old signin.Code) (signin.Code, error) {
	next, err := d.sys.desk.NewCode()
	if err != nil {
		return next, err
	}
	return next, d.sys.desk.RotateCode(context.Background(), by, old, next)
}

func (d direct) register(by ledger.Caller, c journal.Command) error {
	_, err := d.sys.desk.Register(context.Background(), by, c)
	return err
}

func (d direct) askCorrection(by ledger.Caller, text string) (domain.ID, error) {
	request := d.id()
	return request, d.register(by, journal.AskCorrection{Request: request, Sender: d.id(), Text: text})
}

func (d direct) own(by ledger.Caller, p client.Purpose) (views.Own, error) {
	return d.sys.desk.Door.Own(context.Background(), by, p)
}

func (d direct) suggest(f journal.Feedback) error {
	return d.sys.desk.Suggest(context.Background(), domain.Text{}, f)
}

func (d direct) registerFor(by ledger.Caller, handle domain.ID, how journal.Entered, c journal.Command) error {
	_, err := d.sys.desk.RegisterFor(context.Background(), by, handle, how, c)
	return err
}

func (d direct) send(by ledger.Caller, handle domain.ID, c journal.Send) error {
	return d.sys.desk.Send(context.Background(), by, handle, c)
}

func (d direct) writeNote(by ledger.Caller, handle domain.ID, c journal.WriteNote) (domain.ID, error) {
	if c.Note.IsZero() {
		c.Note = d.id()
	}
	return c.Note, d.sys.desk.WriteNote(context.Background(), by, handle, c)
}

func (d direct) passOnCorrection(by ledger.Caller, handle domain.ID, text string) (domain.ID, error) {
	request := d.id()
	return request, d.sys.desk.PassOnCorrection(context.Background(), by, handle, journal.AskCorrection{Request: request, Sender: d.id(), Text: text})
}

func (d direct) lookUp(by ledger.Caller, handle domain.ID, p client.Purpose, kinds []client.Kind) (views.Shown, error) {
	return d.sys.desk.Door.LookUp(context.Background(), by, handle, p, kinds)
}

func (d direct) overview(by ledger.Caller, kinds []client.Kind) ([]views.Row, error) {
	return d.sys.desk.Door.Overview(context.Background(), by, kinds)
}

func (d direct) whoSaw(by ledger.Caller, about domain.ID, reason string) error {
	_, err := d.sys.desk.Query(context.Background(), by, oversight.Queried{Query: "who-saw", About: "client " + about.String(), Basis: oversight.Audit, Reason: reason})
	return err
}

func (d direct) equalHistory(names []string, want string) error {
	return equal(strings.Join(names, ", "), want)
}

func (direct) sameCode(got, want string) bool { return got == want }
func (direct) unsaid(string) bool             { return false }
