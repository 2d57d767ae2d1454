// Package eventschema is the catalogue of everything that can stand in the ledger: each event's literal name, its
// version, its shape, the streams it belongs to, and whether it is open or sealed and under whose key.
//
// # Canonical bytes
//
// An event is encoded as deterministic CBOR (RFC 8949, section 4.2.1: shortest forms, definite lengths; every structure
// is an array, so no map key needs an order). Names of Go types and fields are no part of it: renaming them is free,
// reordering fields is not, and the golden vectors under testdata/events catch it.
//
//	open:    Data = [name, version, header, body]
//	sealed:  Data = [name, version, [key kind, key id], SHA-256 of the ciphertext]
//	         Sealed = AEAD([header, body]), bound to event id, stream, stream version, name and version
//	header:  [effective, recorded, actor, role, session, organisation, rule, [text, version, language]]
//
// Instants are nanoseconds since 1970 in UTC, ids are 16 bytes, dates are days in Europe/Oslo counted as in package
// domain. Of a sealed event nothing is legible without the key but its name and whose key it is under: its instants and
// its author would tell when a client used the service.
//
// # Versions
//
// A shape in use is never changed. A new shape is a new row with the next version; the old one stays as a retired row with
// a pure function to the new shape, so that old bytes decode to today's type. A name or version that is not in the
// catalogue is an error: a reader stops rather than skip what it does not know.
//
// # Adding an event
//
// Four places: the type with its fact method, the case in Evolve, a row here, and a vector under testdata/events
// (written once by `make golden`, then never edited). Each has a test that fails when it is left out.
package eventschema

import (
	"fmt"
	"reflect"
	"strings"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
)

// An Owner is whose key an event is sealed under.
type Owner struct {
	Kind string // one of the Key constants
	ID   domain.ID
}

// The kinds of keys.
const (
	KeyClient       = "client"       // one per client; erasure destroys it
	KeyOrganisation = "organisation" // one per organisation
	KeyStaff        = "staff"        // one per member of staff
	KeyService      = "service"      // one for what belongs to nobody
)

// ServiceID is the owner of what belongs to nobody.
var ServiceID = domain.Derive(domain.ID{}, []byte("samtykke"))

func (o Owner) String() string { return o.Kind + "/" + o.ID.String() }

// A Category is the kind of a stream: the part of its name before the first hyphen.
type Category string

const (
	ClientStream       Category = "client"
	JournalStream      Category = "journal"
	OrganisationStream Category = "organisation"
	RefusedStream      Category = "refused"
	OversightStream    Category = "oversight"
	FeedbackStream     Category = "feedback"
	StaffStream        Category = "staff"
	AccessStream       Category = "access"
	StatisticsStream   Category = "statistics" // one, of ServiceID
)

// Stream gives the name of the stream of that kind and id.
func (c Category) Stream(id domain.ID) string { return string(c) + "-" + id.String() }

// Split reads a stream's name.
func Split(stream string) (Category, domain.ID, error) {
	c, rest, ok := strings.Cut(stream, "-")
	id, err := domain.ParseID(rest)
	if !ok || err != nil {
		return "", domain.ID{}, fmt.Errorf("stream %q: expected a kind and an id, as in client-1b4e28ba-2fa1-41d2-883f-0016d3cca427", stream)
	}
	return Category(c), id, nil
}

// A Row is one version of one event.
type Row struct {
	Name     string
	Version  int
	Category Category
	Key      string // kind of key it is sealed under; "" for an open event
	Retired  bool   // decoded and turned into a later version, never written

	body    reflect.Type
	form    shape // of Data where the event is open, of the plaintext where it is sealed
	owner   func(stream domain.ID, body any) Owner
	decode  func(*reader, *Row) (header, any, error)
	upgrade func(any) any
}

// open is the row of an event that anybody with the ledger can read.
func open[B any](c Category, name string, version int) Row {
	return Row{
		Name: name, Version: version, Category: c,
		body: reflect.TypeFor[B](), form: shapeOf(reflect.TypeFor[openShape[B]]()), decode: decode[B],
	}
}

// sealed is the row of an event under the key of whom its stream belongs to.
func sealed[B any](c Category, key, name string, version int) Row {
	r := open[B](c, name, version)
	r.Key = key
	r.form = shapeOf(reflect.TypeFor[plainShape[B]]())
	r.owner = func(stream domain.ID, _ any) Owner { return Owner{Kind: key, ID: stream} }
	return r
}

// sealedFor is the row of an event under the key of somebody that its body names.
func sealedFor[B any](c Category, key, name string, version int, who func(B) domain.ID) Row {
	r := sealed[B](c, key, name, version)
	r.owner = func(_ domain.ID, b any) Owner { return Owner{Kind: key, ID: who(b.(B))} }
	return r
}

// retired makes a row that is only read, and turned into a later version's shape.
func retired[Old, New any](r Row, upgrade func(Old) New) Row {
	r.Retired = true
	r.upgrade = func(b any) any { return upgrade(b.(Old)) }
	return r
}

// rows is the catalogue.
var rows = []Row{
	open[client.Registered](ClientStream, "client.registered", 1),
	sealed[client.Labelled](ClientStream, KeyClient, "client.labelled", 1),
	open[client.Granted](ClientStream, "sharing.granted", 1),
	open[client.Declined](ClientStream, "sharing.declined", 1),
	open[client.Withdrawn](ClientStream, "sharing.withdrawn", 1),
	open[client.FollowUpAsked](ClientStream, "follow-up.asked", 1),
	open[client.FollowUpConfirmed](ClientStream, "follow-up.confirmed", 1),
	open[client.FollowUpEnded](ClientStream, "follow-up.ended", 1),
	open[client.Lapsed](ClientStream, "sharing.lapsed", 1),
	open[client.TermsChanged](ClientStream, "sharing.terms-changed", 1),
	open[client.CodeRotated](ClientStream, "code.rotated", 1),
	open[client.Restricted](ClientStream, "client.restricted", 1),
	open[client.RestrictionLifted](ClientStream, "client.restriction-lifted", 1),
	open[client.Deactivated](ClientStream, "client.deactivated", 1),
	open[client.LookedUp](ClientStream, "lookup.made", 1),
	open[client.LookUpQuestioned](ClientStream, "lookup.questioned", 1),
	open[client.LookUpReviewed](ClientStream, "lookup.reviewed", 1),
	open[client.Erased](ClientStream, "client.erased", 1),
	open[client.KeyDestroyed](ClientStream, "client.key-destroyed", 1),
	open[client.Swept](ClientStream, "client.swept", 1),

	sealed[journal.LoggedIn](JournalStream, KeyClient, "journal.logged-in", 1),
	sealed[journal.TimeSpent](JournalStream, KeyClient, "journal.time-spent", 1),
	sealed[journal.ContentOpened](JournalStream, KeyClient, "journal.content-opened", 1),
	sealed[journal.ContentFinished](JournalStream, KeyClient, "journal.content-finished", 1),
	sealed[journal.Answered](JournalStream, KeyClient, "journal.answered", 1),
	sealed[journal.Assessed](JournalStream, KeyClient, "journal.assessed", 1),
	sealed[journal.Rated](JournalStream, KeyClient, "journal.rated", 1),
	sealed[journal.CorrectionAsked](JournalStream, KeyClient, "journal.correction-asked", 1),
	sealed[journal.CorrectionMade](JournalStream, KeyClient, "journal.correction-made", 1),
	sealed[journal.ContentSent](JournalStream, KeyClient, "journal.content-sent", 1),
	sealed[journal.NoteWritten](JournalStream, KeyClient, "journal.note-written", 1),
	sealedFor(FeedbackStream, KeyService, "feedback.given", 1, func(journal.Feedback) domain.ID { return ServiceID }),

	open[organisation.Registered](OrganisationStream, "organisation.registered", 1),
	sealed[organisation.ContactRecorded](OrganisationStream, KeyOrganisation, "organisation.contact-recorded", 1),
	open[organisation.ProfessionalAdded](OrganisationStream, "professional.added", 1),
	sealedFor(OrganisationStream, KeyStaff, "professional.named", 1, func(b organisation.ProfessionalNamed) domain.ID { return b.Professional }),
	sealedFor(OrganisationStream, KeyStaff, "professional.identified", 1, func(b organisation.ProfessionalIdentified) domain.ID { return b.Professional }),
	open[organisation.RoleChanged](OrganisationStream, "professional.role-changed", 1),
	open[organisation.ProfessionalDeactivated](OrganisationStream, "professional.deactivated", 1),
	open[organisation.ProfessionalReactivated](OrganisationStream, "professional.reactivated", 1),
	open[organisation.ProfessionalErased](OrganisationStream, "professional.erased", 1),
	open[organisation.ProfessionalKeyDestroyed](OrganisationStream, "professional.key-destroyed", 1),
	sealed[organisation.RetentionAgreed](OrganisationStream, KeyOrganisation, "organisation.retention-agreed", 1),
	open[organisation.NamesHidden](OrganisationStream, "organisation.names-hidden", 1),
	open[organisation.AccessReviewed](OrganisationStream, "organisation.access-reviewed", 1),
	open[organisation.HelsenorgeSet](OrganisationStream, "organisation.helsenorge-set", 1),

	open[oversight.LookUpRefused](RefusedStream, "lookup.refused", 1),
	open[oversight.Queried](OversightStream, "oversight.queried", 1),
	open[oversight.SignInRefused](RefusedStream, "signin.refused", 1),
	open[oversight.AttemptReviewed](RefusedStream, "refused.reviewed", 1),

	open[oversight.AccessOpened](AccessStream, "access.opened", 1),
	open[oversight.AccessUsed](AccessStream, "access.used", 1),
	open[oversight.AccessClosed](AccessStream, "access.closed", 1),
	open[oversight.AccessReviewed](AccessStream, "access.reviewed", 1),

	open[statistics.Released](StatisticsStream, "statistics.released", 1),

	open[staff.Employed](StaffStream, "staff.employed", 1),
	sealed[staff.Named](StaffStream, KeyStaff, "staff.named", 1),
	sealed[staff.Invited](StaffStream, KeyStaff, "staff.invited", 1),
	sealed[staff.Accepted](StaffStream, KeyStaff, "staff.invitation-accepted", 1),
	sealed[staff.Rehashed](StaffStream, KeyStaff, "staff.password-rehashed", 1),
	sealed[staff.SignedIn](StaffStream, KeyStaff, "staff.signed-in", 1),
	sealed[staff.SteppedUp](StaffStream, KeyStaff, "staff.stepped-up", 1),
	sealed[staff.SignedOut](StaffStream, KeyStaff, "staff.signed-out", 1),
	open[staff.DeclarationSigned](StaffStream, "staff.declaration-signed", 1),
	open[staff.Ended](StaffStream, "staff.ended", 1),
}

// Catalogue is a set of rows, found by name and version or by the type of a body.
type Catalogue struct {
	rows   []Row
	byName map[string][]*Row // by version-1
	byType map[reflect.Type]*Row
}

// Today is the catalogue of the ledger.
var Today = newCatalogue(rows)

func newCatalogue(rows []Row) *Catalogue {
	c := &Catalogue{rows: rows, byName: map[string][]*Row{}, byType: map[reflect.Type]*Row{}}
	for i := range rows {
		r := &c.rows[i]
		if r.Version != len(c.byName[r.Name])+1 || r.Version > maxVersion || len(r.Name) > maxName {
			panic(fmt.Sprintf("catalogue: %s: version %d out of order, or more than the bytes have room for", r.Name, r.Version))
		}
		c.byName[r.Name] = append(c.byName[r.Name], r)
		if !r.Retired {
			if c.byType[r.body] != nil {
				panic(fmt.Sprintf("catalogue: %s: the type has a row already", r.Name))
			}
			c.byType[r.body] = r
		}
	}
	for name, versions := range c.byName {
		for i, r := range versions {
			if last := i == len(versions)-1; last == r.Retired {
				panic(fmt.Sprintf("catalogue: %s: of the versions, the last and no other is in use", name))
			}
		}
	}
	return c
}

// Rows lists the catalogue in its order.
func (c *Catalogue) Rows() []Row { return c.rows }

// RowOf gives the row that a body is written under.
func (c *Catalogue) RowOf(body any) (Row, bool) {
	r, ok := c.byType[reflect.TypeOf(body)]
	if !ok {
		return Row{}, false
	}
	return *r, true
}

// Body gives the Go type of the row's body.
func (r Row) Body() reflect.Type { return r.body }
