package evidence_test

import (
	"bytes"
	"encoding/json"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"samtykke/adapters/evidence"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/domaintest"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// bare are keys that seal nothing, and of which some are gone.
type bare map[eventschema.Owner]bool

func (bare) Seal(_ eventschema.Owner, plain, _ []byte) ([]byte, error) { return plain, nil }

func (b bare) Open(o eventschema.Owner, sealed, _ []byte) ([]byte, error) {
	if b[o] {
		return nil, eventschema.ErrGone
	}
	return sealed, nil
}

// A book is a ledger written by hand: so many events at so many instants, true or not.
type book struct {
	t        *testing.T
	records  []eventschema.Record
	versions map[string]uint64
	gone     bare
}

func newBook(t *testing.T) *book { return &book{t: t, versions: map[string]uint64{}, gone: bare{}} }

// add writes an event and gives its position.
func (b *book) add(c eventschema.Category, id domain.ID, a domain.Act, rule string, body any) uint64 {
	b.t.Helper()
	b.versions[c.Stream(id)]++
	n := uint64(len(b.records) + 1)
	f := eventschema.Fact{
		ID: domain.Derive(id, []byte{byte(n), byte(n >> 8)}), Category: c, Subject: id, Version: b.versions[c.Stream(id)],
		Act: a, Effective: a.At, Rule: rule, Body: body,
	}
	r, err := eventschema.Today.Encode(&f, b.gone)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Position = n
	b.records = append(b.records, r)
	return n
}

func (b *book) client(id domain.ID, a domain.Act, body client.Body) uint64 {
	return b.add(eventschema.ClientStream, id, a, general, body)
}

func (b *book) organisation(a domain.Act, body organisation.Body) uint64 {
	return b.add(eventschema.OrganisationStream, org, a, general, body)
}

func (b *book) staff(id domain.ID, a domain.Act, body staff.Body) uint64 {
	return b.add(eventschema.StaffStream, id, a, general, body)
}

func (b *book) access(id domain.ID, a domain.Act, body oversight.Body) uint64 {
	return b.add(eventschema.AccessStream, id, a, general, body)
}

// upto yields the first n records.
func (b *book) upto(n int) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for _, r := range b.records[:n] {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (b *book) report(from, to string) evidence.Report {
	b.t.Helper()
	ask := evidence.Ask{Organisation: org, From: start(from), To: start(to), Rules: rules.All}
	r, err := evidence.Make(ask, b.upto(len(b.records)), b.gone)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

const general = rules.General

var (
	org, other   = domaintest.ID(0x01), domaintest.ID(0x02)
	siri, per    = domaintest.ID(0x11), domaintest.ID(0x12) // of the organisation
	tom          = domaintest.ID(0x13)                      // of the other one
	ada, bo, eva = domaintest.ID(0x21), domaintest.ID(0x22), domaintest.ID(0x23)
	gro, kim     = domaintest.ID(0x24), domaintest.ID(0x26)
	drift, vakt  = domaintest.ID(0x31), domaintest.ID(0x32) // an employee, the safety manager
)

func start(day string) time.Time { return domain.MustDate(day).Start() }

func on(day string) time.Time { return domaintest.Noon(day) }

func as(id domain.ID, role domain.Role, day string) domain.Act {
	a := domain.Act{At: on(day), Actor: id, Role: role}
	switch id {
	case siri, per:
		a.Organisation = org
	case tom:
		a.Organisation = other
	}
	return a
}

func system(at time.Time) domain.Act { return domain.Act{At: at, Role: domain.RoleSystem} }

func later(a domain.Act, d time.Duration) domain.Act { a.At = a.At.Add(d); return a }

// terms are what a yes of the day is under.
func terms(day string) rules.Terms {
	row, _ := rules.All[rules.AssistertSelvhjelp].InForce(domain.MustDate(day))
	return row.Terms(domain.MustDate(day))
}

func (b *book) grant(id domain.ID, day string, o client.Occasion) uint64 {
	t := terms(day)
	return b.add(eventschema.ClientStream, id, as(id, domain.RoleClient, day), t.Rule, client.Granted{Occasion: o, AskOn: t.AskOn, LapseOn: t.LapseOn})
}

// yes registers a client who says yes the same day, and gives the version of that.
func (b *book) yes(id domain.ID, day string) uint64 {
	b.registered(id, org, day)
	b.grant(id, day, client.Settings)
	return b.versions[eventschema.ClientStream.Stream(id)]
}

func (b *book) registered(id, of domain.ID, day string) {
	b.client(id, as(siri, domain.RoleSuperuser, day), client.Registered{Client: id, Organisation: of, Handle: domain.Derive(id, nil), Service: rules.AssistertSelvhjelp})
}

// year is an ordinary year of the organisation: every figure has something in the period, beside events before it, behind it, and of
// another organisation, which it must not count.
func year(t *testing.T) *book {
	b := newBook(t)
	employee := as(drift, domain.RoleEmployee, "2026-01-05")
	signed := domain.Text{Name: "confidentiality", Version: "1", Language: "nb"}

	b.organisation(employee, organisation.Registered{Organisation: org, Service: rules.AssistertSelvhjelp})
	b.organisation(employee, organisation.ContactRecorded{Contact: organisation.Contact{Name: "Fjord"}})
	b.organisation(employee, organisation.ProfessionalAdded{Professional: siri, Superuser: true})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-01-05"), organisation.ProfessionalAdded{Professional: per})
	b.add(eventschema.OrganisationStream, other, employee, general, organisation.Registered{Organisation: other, Service: rules.AssistertSelvhjelp})
	b.add(eventschema.OrganisationStream, other, employee, general, organisation.ProfessionalAdded{Professional: tom, Superuser: true})
	for _, id := range []domain.ID{siri, per, tom} {
		own := as(id, domain.RoleProfessional, "2026-01-05")
		b.staff(id, own, staff.Accepted{})
		own.Text = signed
		b.staff(id, own, staff.DeclarationSigned{})
	}
	b.staff(drift, employee, staff.Employed{Account: drift, Role: domain.RoleEmployee})
	b.registered(ada, org, "2026-01-06")
	b.registered(bo, other, "2026-01-06")
	b.registered(eva, org, "2026-01-06")
	yes := b.grant(ada, "2026-01-07", client.FirstQuestion) - b.before(ada)
	b.client(bo, as(bo, domain.RoleClient, "2026-02-07"), client.Declined{}) // another's

	// Before the period.
	look := client.LookedUp{Basis: client.ByGrant, Purpose: client.Appointment, Grant: yes}
	b.client(ada, as(per, domain.RoleProfessional, "2026-01-08"), look)

	gone := domaintest.ID(0x25)
	b.registered(gone, org, "2026-01-06")
	b.client(gone, as(gone, domain.RoleClient, "2026-01-20"), client.Erased{Organisation: org})
	b.client(gone, system(on("2026-02-02")), client.KeyDestroyed{}) // in the period, of an erasure that began before it

	// In the period, from 1 February.
	look.Purpose = client.Effect
	b.client(ada, as(per, domain.RoleProfessional, "2026-02-03"), look)
	b.client(ada, as(siri, domain.RoleSuperuser, "2026-02-03"), look)
	b.client(ada, as(ada, domain.RoleClient, "2026-02-03"), client.LookedUp{Basis: client.OwnData, Purpose: client.SelfService})
	refused := domaintest.ID(0x41)
	b.add(eventschema.RefusedStream, refused, as(tom, domain.RoleSuperuser, "2026-02-04"), general,
		oversight.LookUpRefused{Client: ada, Purpose: client.Workload, Reason: client.NotRegistered})
	b.add(eventschema.RefusedStream, domaintest.ID(0x42), as(tom, domain.RoleSuperuser, "2026-02-04"), general,
		oversight.LookUpRefused{Client: bo, Purpose: client.Workload, Reason: client.NotShared}) // another's
	b.add(eventschema.RefusedStream, domaintest.ID(0x43), as(per, domain.RoleProfessional, "2026-02-05"), general,
		oversight.LookUpRefused{Purpose: client.Workload, Reason: client.NotRegistered})
	b.add(eventschema.RefusedStream, domaintest.ID(0x44), as(tom, domain.RoleSuperuser, "2026-02-05"), general, // which the other one reviews
		oversight.LookUpRefused{Client: eva, Purpose: client.Workload, Reason: client.NotRegistered})
	b.client(ada, as(ada, domain.RoleClient, "2026-02-06"), client.LookUpQuestioned{LookUp: 4, By: per})
	b.client(ada, as(siri, domain.RoleSuperuser, "2026-02-09"), client.LookUpReviewed{LookUp: 4, By: per, Concern: client.AskedByClient, Outcome: client.Deviation})
	b.add(eventschema.RefusedStream, refused, as(vakt, domain.RoleSafetyManager, "2026-02-09"), general,
		oversight.AttemptReviewed{By: tom, Concern: client.WasRefused, Outcome: client.InOrder})

	b.add(eventschema.RefusedStream, domaintest.ID(0x44), as(tom, domain.RoleSuperuser, "2026-02-09"), general, // another's word
		oversight.AttemptReviewed{By: tom, Concern: client.WasRefused, Outcome: client.Deviation})

	b.staff(per, as(per, domain.RoleProfessional, "2026-02-10"), staff.SignedIn{Method: staff.PasswordOTP, Step: 1})
	b.staff(tom, as(tom, domain.RoleProfessional, "2026-02-10"), staff.SignedIn{Method: staff.PasswordOTP, Step: 1}) // another's
	b.staff(drift, as(drift, domain.RoleEmployee, "2026-02-10"), staff.SignedIn{Method: staff.PasswordOTP, Step: 1})
	for i, who := range []domain.ID{per, ada, tom, drift, {}} {
		b.add(eventschema.RefusedStream, domaintest.ID(byte(0x50+i)), domain.Act{At: on("2026-02-11")}, general, oversight.SignInRefused{As: oversight.AsStaff, Account: who, Reason: "wrong-password"})
	}
	b.add(eventschema.JournalStream, ada, as(ada, domain.RoleClient, "2026-02-11"), general, journal.LoggedIn{Channel: journal.App})
	b.add(eventschema.JournalStream, ada, as(per, domain.RoleProfessional, "2026-02-11"), general, journal.ContentSent{Content: "part"})

	hanne := domaintest.ID(0x14)
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-12"), organisation.ProfessionalAdded{Professional: hanne})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-12"), organisation.RoleChanged{Professional: per, Superuser: true})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-12"), organisation.AccessReviewed{})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-12"), organisation.RetentionAgreed{Months: 24, Reason: "r"})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-12"), organisation.NamesHidden{Hidden: true})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-12"), organisation.ContactRecorded{Contact: organisation.Contact{Name: "Fjord AS"}})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-02-13"), organisation.ProfessionalDeactivated{Professional: hanne})
	b.organisation(system(on("2026-02-14")), organisation.ProfessionalErased{Professional: hanne})
	again := as(per, domain.RoleSuperuser, "2026-02-14")
	again.Text = signed
	b.staff(per, again, staff.DeclarationSigned{})

	// Consent.
	b.registered(gro, org, "2026-02-15")
	b.client(eva, as(eva, domain.RoleClient, "2026-02-15"), client.Declined{})
	b.client(ada, as(ada, domain.RoleClient, "2026-02-16"), client.Withdrawn{Grant: yes})
	b.grant(eva, "2026-02-16", client.Settings)
	yes = b.versions[eventschema.ClientStream.Stream(eva)]
	b.client(eva, as(eva, domain.RoleClient, "2026-02-16"), client.CodeRotated{})
	ask := terms("2026-02-16").AskOn.Start() // 20 July
	b.client(eva, system(ask), client.FollowUpAsked{Grant: yes})
	t2 := terms("2026-08-01")
	b.add(eventschema.ClientStream, eva, as(eva, domain.RoleClient, "2026-08-01"), t2.Rule, client.FollowUpConfirmed{Grant: yes, AskOn: t2.AskOn, LapseOn: t2.LapseOn})
	b.client(eva, as(eva, domain.RoleClient, "2026-08-02"), client.Restricted{})
	b.client(eva, as(eva, domain.RoleClient, "2026-08-03"), client.RestrictionLifted{})
	b.client(ada, system(on("2026-08-04")), client.Deactivated{})

	// A correction asked for on a Friday and made on the second Tuesday after: seven working days. One more is waiting.
	request := domaintest.ID(0x61)
	b.add(eventschema.JournalStream, eva, as(eva, domain.RoleClient, "2026-08-07"), general,
		journal.CorrectionAsked{Request: request, Due: domain.MustDate("2026-08-18"), Through: journal.ByClient, Text: "t"})
	b.add(eventschema.JournalStream, eva, as(drift, domain.RoleEmployee, "2026-08-18"), general, journal.CorrectionMade{Request: request, Text: "t"})
	b.add(eventschema.JournalStream, eva, as(siri, domain.RoleSuperuser, "2026-08-07"), general,
		journal.CorrectionAsked{Request: domaintest.ID(0x62), Due: domain.MustDate("2026-08-18"), Through: journal.OnBehalf, Text: "t"})

	// Exceptional access: two in the period, one of them reviewed; one earlier in the same year.
	door := oversight.AccessOpened{Door: oversight.Production, Reason: "error 17", Minutes: 60}
	b.access(domaintest.ID(0x71), as(drift, domain.RoleEmployee, "2026-01-20"), door)
	b.access(domaintest.ID(0x72), as(drift, domain.RoleEmployee, "2026-08-20"), door)
	b.access(domaintest.ID(0x72), later(as(drift, domain.RoleEmployee, "2026-08-20"), time.Minute), oversight.AccessUsed{What: "who-saw", About: "a"})
	b.access(domaintest.ID(0x72), as(vakt, domain.RoleSafetyManager, "2026-08-21"), oversight.AccessReviewed{Outcome: client.InOrder})
	door.Door = oversight.Addresses
	b.access(domaintest.ID(0x73), as(drift, domain.RoleEmployee, "2026-08-22"), door)
	b.add(eventschema.OversightStream, domaintest.ID(0x74), as(drift, domain.RoleEmployee, "2026-08-23"), general,
		oversight.Queried{Query: "export", About: "a", Basis: oversight.Operation, Reason: "r", Opened: true})
	b.add(eventschema.OversightStream, domaintest.ID(0x76), as(drift, domain.RoleEmployee, "2026-08-23"), general,
		oversight.Queried{Query: "state", About: "a", Basis: oversight.Operation, Reason: "r"})

	// An erasure on the period's last day, whose steps come behind its end.
	b.client(eva, as(eva, domain.RoleClient, "2026-08-31"), client.Erased{Organisation: org})
	b.client(eva, system(on("2026-08-31").Add(3*time.Second)), client.KeyDestroyed{})
	b.client(eva, system(on("2026-09-01")), client.Swept{Records: 3})

	// Behind the period: nothing of this counts.
	b.client(gro, as(gro, domain.RoleClient, "2026-09-02"), client.Declined{})
	b.organisation(as(siri, domain.RoleSuperuser, "2026-09-02"), organisation.ProfessionalDeactivated{Professional: per})
	b.staff(siri, as(siri, domain.RoleSuperuser, "2026-09-02"), staff.SignedIn{Method: staff.PasswordOTP, Step: 1})
	b.access(domaintest.ID(0x75), as(drift, domain.RoleEmployee, "2026-09-02"), door)
	return b
}

// before is how far positions run ahead of a client's versions at the ledger's end.
func (b *book) before(id domain.ID) uint64 {
	return uint64(len(b.records)) - b.versions[eventschema.ClientStream.Stream(id)]
}

// values are all figures of a report by id, with their parts by words.
func values(r evidence.Report) (map[string]int64, map[string]map[string]int64) {
	all, parts := map[string]int64{}, map[string]map[string]int64{}
	for _, c := range r.Clauses {
		for _, f := range c.Figures {
			all[f.ID] = f.Value
			for _, p := range f.Parts {
				if parts[f.ID] == nil {
					parts[f.ID] = map[string]int64{}
				}
				parts[f.ID][p.Words] = p.Value
			}
		}
	}
	return all, parts
}

func TestFigures(t *testing.T) {
	got, parts := values(year(t).report("2026-02-01", "2026-09-01"))
	want := map[string]int64{
		"lookups": 2, "lookups-refused": 3, "lookups-own": 1, "lookups-questioned": 1,
		"reviews": 2, "reviews-open": 0, "reviews-oldest": 0, "deviations": 1, "queries": 2, "queries-open": 1,
		"sign-ins": 1, "sign-ins-refused": 2, "service-sign-ins": 1, "service-sign-ins-refused": 2, "client-sign-ins": 1,
		"declarations": 1, "not-accepted": 0, "service-declarations": 0,
		"active": 2, "staff-changes": 3, "superusers": 1, "access-reviews": 1, "staff-erased": 1, "contacts": 1, "names-hidden": 1,
		"retention": 24, "retention-agreed": 1,
		"registered": 1, "clients": 4, "first-answers": 1, "first-unanswered": 1, "grants": 2, "withdrawals": 1,
		"questions": 1, "question-answers": 1, "questions-open": 0, "lapses": 0, "codes": 1, "deactivated-clients": 1,
		"restrictions": 1, "restrictions-lifted": 1, "sent": 1,
		"erasures": 1, "erasure-key": 3, "erasure-swept": 24 * 3600, "erasures-waiting": 0, "reapplied": 0,
		"corrections": 2, "correction-days": 7, "corrections-late": 0, "corrections-waiting": 1,
		"accesses": 2, "accesses-year": 2, "accesses-used": 1, "accesses-reviewed": 1, "accesses-unreviewed": 1,
		"sealed-gone": 0,

		"lookups-uncovered": 0, "lookups-after-withdrawal": 0, "lookups-without-role": 0, "lookups-overtaken": 0, "lookups-undeclared": 0,
		"sign-ins-weak": 0, "service-sign-ins-weak": 0, "declarations-missing": 0, "service-declarations-missing": 0,
		"questions-astray": 0, "lapses-astray": 0,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("figures (-want +got):\n%s", d)
	}
	for id, want := range map[string]map[string]int64{
		"lookups":         {"fagperson, nytte over tid": 1, "superbruker, nytte over tid": 1},
		"lookups-refused": {"andre, superbruker, arbeid mellom avtaler, ikke registrert der": 2, "virksomhetens egne, fagperson, arbeid mellom avtaler, ikke registrert der": 1},
		"reviews":         {"klienten spurte, avvik": 1, "avvist forsøk, i orden": 1},
		"sign-ins":        {"fagperson, passord og engangskode": 1},
		"active":          {"superbruker": 2},
		"staff-changes":   {"lagt til": 1, "ny rolle": 1, "deaktivert": 1},
		"access-reviews":  {"2026-02-12": 1},
		"accesses":        {"produksjon": 1, "klare adresser": 1},
		"accesses-year":   {"2026": 2},
		"first-answers":   {"nei": 1},
		"corrections":     {"klient": 1, "virksomheten": 1},
		"clients": {
			"personopplysninger: virksomheten kan ha etiketten i sin journal": 2, "ikke personopplysninger: klienten er slettet": 2,
		},
	} {
		if d := cmp.Diff(want, parts[id]); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
}

// Each breach is found, in a year that is otherwise in order.
func TestBreaches(t *testing.T) {
	may := func(id domain.ID, role domain.Role) domain.Act { return as(id, role, "2026-05-04") }
	for name, c := range map[string]struct {
		figure string
		more   int64 // than in the ordinary year
		write  func(*book)
	}{
		"a look-up behind a withdrawal": {"lookups-uncovered", 1, func(b *book) {
			b.client(ada, may(siri, domain.RoleSuperuser), client.LookedUp{Basis: client.ByGrant, Grant: 2})
		}},
		"the same": {"lookups-after-withdrawal", 1, func(b *book) {
			b.client(ada, may(siri, domain.RoleSuperuser), client.LookedUp{Basis: client.ByGrant, Grant: 2})
		}},
		"a look-up behind the deadline": {"lookups-uncovered", 1, func(b *book) {
			yes := b.yes(kim, "2026-02-20")
			b.client(kim, as(siri, domain.RoleSuperuser, "2026-08-20"), client.LookedUp{Basis: client.ByGrant, Grant: yes}) // the last day
			b.client(kim, as(siri, domain.RoleSuperuser, "2026-08-22"), client.LookedUp{Basis: client.ByGrant, Grant: yes})
		}},
		"a look-up under a restriction": {"lookups-uncovered", 1, func(b *book) {
			yes := b.yes(kim, "2026-02-20")
			b.client(kim, as(kim, domain.RoleClient, "2026-02-21"), client.Restricted{})
			b.client(kim, as(siri, domain.RoleSuperuser, "2026-02-22"), client.LookedUp{Basis: client.ByGrant, Grant: yes})
		}},
		"a look-up under another yes": {"lookups-uncovered", 1, func(b *book) {
			yes := b.yes(kim, "2026-02-20")
			b.client(kim, as(siri, domain.RoleSuperuser, "2026-02-22"), client.LookedUp{Basis: client.ByGrant, Grant: yes - 1})
		}},
		"a look-up by another organisation": {"lookups-uncovered", 1, func(b *book) {
			yes := b.yes(kim, "2026-02-20")
			b.client(kim, as(siri, domain.RoleSuperuser, "2026-02-21"), client.LookedUp{Basis: client.ByGrant, Grant: yes})
			b.client(kim, as(tom, domain.RoleSuperuser, "2026-02-21"), client.LookedUp{Basis: client.ByGrant, Grant: yes})
		}},
		"a look-up in a role that was lost": {"lookups-without-role", 1, func(b *book) {
			b.client(ada, may(per, domain.RoleProfessional), client.LookedUp{Basis: client.ByGrant})
		}},
		"a look-up that was overtaken": {"lookups-overtaken", 1, func(b *book) {
			b.client(ada, later(as(per, domain.RoleProfessional, "2026-02-12"), time.Second), client.LookedUp{Basis: client.ByGrant})
		}},
		"a look-up without a declaration": {"lookups-undeclared", 1, func(b *book) {
			b.client(ada, may(domaintest.ID(0x15), domain.RoleProfessional), client.LookedUp{Basis: client.ByGrant})
		}},
		"a lapse on another day": {"lapses-astray", 1, func(b *book) {
			b.grant(ada, "2026-02-20", client.Settings)
			b.client(ada, system(on("2026-05-04")), client.Lapsed{})
		}},
		"a question on another day": {"questions-astray", 1, func(b *book) {
			b.grant(ada, "2026-02-20", client.Settings)
			b.client(ada, system(on("2026-05-04")), client.FollowUpAsked{})
		}},
		"a sign-in without two factors": {"sign-ins-weak", 1, func(b *book) {
			b.staff(siri, may(siri, domain.RoleSuperuser), staff.SignedIn{Method: "password", Step: 1})
		}},
		"the service's own, too": {"service-sign-ins-weak", 1, func(b *book) {
			b.staff(drift, may(drift, domain.RoleEmployee), staff.SignedIn{Method: "password", Step: 1})
		}},
		"an account without a declaration": {"declarations-missing", 1, func(b *book) {
			b.organisation(may(siri, domain.RoleSuperuser), organisation.ProfessionalAdded{Professional: domaintest.ID(0x15)})
			b.staff(domaintest.ID(0x15), may(domaintest.ID(0x15), domain.RoleProfessional), staff.Accepted{})
		}},
		"one of the service's own": {"service-declarations-missing", 1, func(b *book) {
			b.staff(drift, may(drift, domain.RoleEmployee), staff.Accepted{})
		}},
		"no account yet": {"not-accepted", 1, func(b *book) {
			b.organisation(may(siri, domain.RoleSuperuser), organisation.ProfessionalAdded{Professional: domaintest.ID(0x15)})
		}},
		"no superuser": {"superusers", -1, func(b *book) {
			b.organisation(may(siri, domain.RoleSuperuser), organisation.RoleChanged{Professional: siri})
			b.organisation(may(siri, domain.RoleSuperuser), organisation.RoleChanged{Professional: per})
			b.organisation(may(siri, domain.RoleSuperuser), organisation.RoleChanged{Professional: siri, Superuser: true})
		}},
		"more accesses than five": {"accesses-year", 4, func(b *book) {
			for i := range 4 {
				b.access(domaintest.ID(byte(0x80+i)), may(drift, domain.RoleEmployee), oversight.AccessOpened{Door: oversight.Production, Reason: "r", Minutes: 1})
			}
		}},
		"an ending that came back": {"reapplied", 1, func(b *book) {
			b.client(ada, system(on("2026-05-04")), client.Withdrawn{})
		}},
		"a correction on the eighth working day": {"corrections-late", 1, func(b *book) {
			b.add(eventschema.JournalStream, eva, as(drift, domain.RoleEmployee, "2026-08-19"), general, journal.CorrectionMade{Request: domaintest.ID(0x62), Text: "t"})
		}},
		"an erasure that is not swept": {"erasures-waiting", 1, func(b *book) {
			b.client(ada, may(ada, domain.RoleClient), client.Erased{Organisation: org})
		}},
		"an attempt that nobody has reviewed": {"reviews-open", 1, func(b *book) {
			b.add(eventschema.RefusedStream, domaintest.ID(0x90), may(per, domain.RoleProfessional), general,
				oversight.LookUpRefused{Client: bo, Purpose: client.Workload, Reason: client.NotRegistered})
		}},
		"its age": {"reviews-oldest", 119, func(b *book) {
			b.add(eventschema.RefusedStream, domaintest.ID(0x90), may(per, domain.RoleProfessional), general,
				oversight.LookUpRefused{Client: bo, Purpose: client.Workload, Reason: client.NotRegistered})
		}},
		"a key that is gone": {"sealed-gone", 2, func(b *book) {
			b.gone[eventschema.Owner{Kind: eventschema.KeyClient, ID: ada}] = true // a login, and what was sent
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := year(t)
			before, _ := values(b.report("2026-02-01", "2026-09-01"))
			c.write(b)
			r := b.report("2026-02-01", "2026-09-01")
			after, _ := values(r)
			if want := before[c.figure] + c.more; after[c.figure] != want {
				t.Errorf("%s is %d, expected %d", c.figure, after[c.figure], want)
			}
			for _, k := range r.Clauses {
				for _, f := range k.Figures {
					if f.ID == c.figure && f.Must != "" && !f.Wrong {
						t.Errorf("%s is not shown as wrong", f.ID)
					}
				}
			}
		})
	}
	for _, k := range year(t).report("2026-02-01", "2026-09-01").Clauses {
		for _, f := range k.Figures {
			if f.Wrong {
				t.Errorf("%s is wrong in an ordinary year", f.ID)
			}
		}
	}
}

// Made twice it is the same, as JSON and as a document; also from a ledger that has gone on since, up to the same position.
func TestSameBytes(t *testing.T) {
	b := year(t)
	n := len(b.records)
	made := func() (string, string) {
		ask := evidence.Ask{Organisation: org, From: start("2026-02-01"), To: start("2026-09-01"), Rules: rules.All}
		r, err := evidence.Make(ask, b.upto(n), b.gone)
		if err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var h bytes.Buffer
		if err := r.HTML(&h); err != nil {
			t.Fatal(err)
		}
		return string(j), h.String()
	}
	j, h := made()
	b.grant(ada, "2026-09-03", client.Settings)
	for range 5 {
		if j2, h2 := made(); j2 != j || h2 != h {
			t.Fatal("the second report differs")
		}
	}
	for _, want := range []string{"Fjord AS", "<h2 id=\"D06\">", "1 døgn", "7 virkedager", "Føres ikke i dette regnskapet.", "(hele tjenesten)"} {
		if !strings.Contains(h, want) {
			t.Errorf("the document lacks %q", want)
		}
	}
	for _, word := range []string{"<script", "http:", "https:", ada.String(), per.String(), "error 17"} {
		if strings.Contains(h, word) {
			t.Errorf("the document has %q", word)
		}
	}
}

// A figure names its events: how many, the first, the last, and a few.
func TestEvents(t *testing.T) {
	b := year(t)
	var at []uint64
	for range 5 {
		at = append(at, b.client(ada, as(ada, domain.RoleClient, "2026-05-04"), client.LookedUp{Basis: client.OwnData, Purpose: client.Export}))
	}
	for _, c := range b.report("2026-05-01", "2026-06-01").Clauses {
		for _, f := range c.Figures {
			want := evidence.Events{Count: 5, First: at[0], Last: at[4], Listed: at[:3]}
			if f.ID == "lookups-own" && cmp.Diff(want, f.Events) != "" {
				t.Errorf("the events are %+v, expected %+v", f.Events, want)
			}
		}
	}
}

// The root is that of the Merkle tree as checkpoints have it, at every size.
func TestRoot(t *testing.T) {
	b := year(t)
	var hashes []tlog.Hash
	stored := tlog.HashReaderFunc(func(at []int64) (found []tlog.Hash, _ error) {
		for _, i := range at {
			found = append(found, hashes[i])
		}
		return found, nil
	})
	for n, r := range b.records {
		more, err := tlog.StoredHashesForRecordHash(int64(n), r.Leaf(), stored)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, more...)
		want, err := tlog.TreeHash(int64(n)+1, stored)
		if err != nil {
			t.Fatal(err)
		}
		got, err := evidence.Make(evidence.Ask{Organisation: org, To: start("2027-01-01"), Rules: rules.All}, b.upto(n+1), b.gone)
		if err != nil || got.Root != want.String() || got.Position != uint64(n+1) {
			t.Fatalf("of %d events: root %s, %v; expected %s", n+1, got.Root, err, want)
		}
	}
}

// The agreement stands there whole and in order, each clause is one of the register, and each has figures or says why not.
func TestClauses(t *testing.T) {
	register, err := os.ReadFile("../../testdata/clauses.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var agreement []string
	known := map[string]bool{}
	for line := range strings.Lines(string(register)) {
		id, _, _ := strings.Cut(line, "\t")
		known[id] = true
		if strings.HasPrefix(id, "D") {
			agreement = append(agreement, id)
		}
	}
	var ids []string
	for _, c := range year(t).report("2026-02-01", "2026-09-01").Clauses {
		ids = append(ids, c.ID)
		if !known[c.ID] {
			t.Errorf("%s is no clause", c.ID)
		}
		if len(c.Figures) == 0 && c.NotKept == "" {
			t.Errorf("%s has no figure and does not say that it has none", c.ID)
		}
		for _, f := range c.Figures {
			if f.ID == "" || f.Words == "" {
				t.Errorf("%s names a figure that there is not", c.ID)
			}
		}
	}
	if len(ids) < len(agreement) || !slices.Equal(ids[:len(agreement)], agreement) {
		t.Errorf("the agreement is shown as %v, expected %v", ids, agreement)
	}
	if shown, _ := values(year(t).report("2026-02-01", "2026-09-01")); len(shown) != len(evidence.Definitions) {
		t.Errorf("%d figures are shown of %d", len(shown), len(evidence.Definitions))
	}
}

// An organisation that the ledger does not hold is refused, and a failure to read is handed on.
func TestMakeRefuses(t *testing.T) {
	b := year(t)
	_, err := evidence.Make(evidence.Ask{Organisation: domaintest.ID(0xee), Rules: rules.All}, b.upto(len(b.records)), b.gone)
	if domain.Refused(err) != evidence.NoOrganisation {
		t.Errorf("a report of nobody: %v", err)
	}
	broken := func(yield func(eventschema.Record, error) bool) { yield(eventschema.Record{}, os.ErrClosed) }
	if _, err := evidence.Make(evidence.Ask{Organisation: org, Rules: rules.All}, broken, b.gone); err != os.ErrClosed {
		t.Errorf("a ledger that cannot be read: %v", err)
	}
}
