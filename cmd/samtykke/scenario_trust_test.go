package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// trustSteps are the steps about erasure, reviews, retention and exceptional access.
var trustSteps = []step{
	{re(who + ` erases everything`), func(st *stage, m []string) error { return st.erase(m[1], m[1]) }},
	{re(who + ` erases everything with the code of ` + who), func(st *stage, m []string) error { return st.erase(m[1], m[2]) }},

	{re(who + ` asks about the last look-up`), func(st *stage, m []string) error {
		p := st.person(m[1])
		version, err := st.latestLookUp(p)
		if err == nil {
			err = st.via.askAbout(p.caller, version)
		}
		return err
	}},
	{re(who + ` reviews the last look-up at ` + who + `: (\S+)`), func(st *stage, m []string) error {
		p := st.person(m[2])
		version, err := st.latestLookUp(p)
		if err == nil {
			err = st.via.reviewLookUp(st.pro(m[1]), p, version, client.Outcome(m[3]))
		}
		return err
	}},
	{re(who + ` reviews the attempt of ` + who + `: (\S+)`), func(st *stage, m []string) error {
		doc := document(st.t, st.sys.keeper.Reviews, st.pro(m[2]).Actor)
		if len(doc.Open) == 0 {
			return errors.New("there is none to review")
		}
		return st.via.reviewAttempt(st.pro(m[1]), st.pro(m[2]).Actor, doc.Open[0], client.Outcome(m[3]))
	}},
	{re(who + ` is told about the last look-up: (.*)`), (*stage).answered},
	{re(who + ` has to review: (.*)`), (*stage).toReview},
	{re(who + ` agrees that names are kept (\d+) months`), func(st *stage, m []string) error {
		p := st.person(m[1])
		return st.via.manage(p.org.id, p.caller, organisation.AgreeRetention{Months: number(m[2]), Reason: "så lenge et tilsyn kan spørre"})
	}},
	{re(who + ` hides names from clients`), func(st *stage, m []string) error {
		p := st.person(m[1])
		return st.via.manage(p.org.id, p.caller, organisation.HideNames{Hidden: true})
	}},
	{re(who + ` finds the list of professionals right`), func(st *stage, m []string) error {
		p := st.person(m[1])
		return st.via.manage(p.org.id, p.caller, organisation.ReviewAccess{})
	}},
	{re(who + ` erases the name of ` + who), func(st *stage, m []string) error {
		return st.via.eraseProfessional(st.pro(m[1]), st.person(m[2]).caller.Actor)
	}},
	{re(who + ` opens access to (production|addresses) for (\d+) minutes: (.*)`), func(st *stage, m []string) error {
		id, err := st.via.openAccess(st.pro(m[1]), oversight.AccessOpened{Door: oversight.Door(m[2]), Minutes: number(m[3]), Reason: m[4]})
		if err == nil {
			st.access = id
		}
		return err
	}},
	{re(who + ` opens access to (production|addresses) for (\d+) minutes without a reason`), func(st *stage, m []string) error {
		_, err := st.via.openAccess(st.pro(m[1]), oversight.AccessOpened{Door: oversight.Door(m[2]), Minutes: number(m[3])})
		return err
	}},
	{re(who + ` uses the access: (.*)`), func(st *stage, m []string) error {
		return st.sys.desk.UseAccess(context.Background(), st.pro(m[1]), st.access, oversight.AccessUsed{What: m[2]})
	}},
	{re(who + ` ends the access`), func(st *stage, m []string) error { return st.via.endAccess(st.pro(m[1]), st.access) }},
	{re(who + ` reviews the access: (\S*)`), func(st *stage, m []string) error {
		return st.via.reviewAccess(st.pro(m[1]), st.access, client.Outcome(m[2]))
	}},
	{re(`on record is the declaration of ` + who + `: (\S+) (\S+) (\S+)`), (*stage).declared},
	{re(`accesses to production this year: (\d+), of which (\d+) reviewed`), (*stage).accessCount},
	{re(who + ` is told what the data are for, which, from whom, to whom, how long, and where to complain`), (*stage).toldAll},
	{re(`the organisation of ` + who + ` keeps (\d+) deletions? of ` + when), (*stage).deletions},
}

func (st *stage) erase(whose, code string) error {
	return st.via.erase(st.person(whose).caller, st.person(code).code)
}

func (st *stage) deletions(m []string) error {
	n := 0
	for _, e := range listed(st.t, st.sys.keeper.Erasures, st.person(m[1]).org.id) {
		if e.On == domain.DateOf(local(m[3])) {
			n++
		}
	}
	return equal(fmt.Sprint(n), m[2])
}

func (d direct) erase(by ledger.Caller, code signin.Code) error {
	s, _, err := d.sys.desk.Clients.State(context.Background(), by.Actor)
	if err != nil {
		return err
	}
	if s.Code != client.CodeHash(code.Hash(d.sys.desk.CodeKey)) { // which the interface asks for
		return domain.Refuse(client.WrongCode, "This is not the code.")
	}
	_, err = d.sys.desk.Erase(context.Background(), by)
	return err
}

func (o *overHTTP) erase(by ledger.Caller, code signin.Code) error {
	return o.call(by, "POST", "/own-data/erasure", api.TypedCode{Code: code.Slip()}, nil)
}

// latestLookUp is the version of the last look-up by an organisation in a client's stream; 1, which is none, where there is none.
func (st *stage) latestLookUp(p *person) (version uint64, err error) {
	version = 1
	for r, err := range st.sys.store.Stream(context.Background(), eventschema.ClientStream.Stream(p.caller.Actor), 1) {
		if err != nil {
			return 0, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return 0, err
		}
		if b, ok := f.Body.(client.LookedUp); ok && b.Basis == client.ByGrant {
			version = f.Version
		}
	}
	return version, nil
}

// answered is what the client's own page says of the last look-up: by whom, and what came of a question.
func (st *stage) answered(m []string) error {
	p := st.person(m[1])
	version, err := st.latestLookUp(p)
	if err != nil {
		return err
	}
	own, err := st.sys.desk.Door.Own(context.Background(), p.caller, client.SelfService)
	if err != nil {
		return err
	}
	got := "not asked"
	for _, f := range own.History {
		switch b := f.Body.(type) {
		case client.LookUpQuestioned:
			if b.LookUp == version {
				got = "asked"
			}
		case client.LookUpReviewed:
			if b.LookUp == version && b.Concern == client.AskedByClient {
				got = string(b.Outcome)
			}
		}
	}
	return equal(got, m[2])
}

// toReview are the concerns that wait for somebody, over all who looked, in the order of the words.
func (st *stage) toReview(m []string) error {
	var all []string
	group := projections.Everybody
	if o := st.person(m[1]).org; o != nil {
		group = o.id
	}
	docs := waiting(st.t, st.sys, group)
	if group == projections.Everybody {
		for reader, doc := range waiting(st.t, st.sys, domain.ID{}) {
			if o, _, err := st.sys.desk.Organisations.State(context.Background(), doc.Organisation); err == nil && o.SoleSuperuser(reader) {
				docs[reader] = doc
			}
		}
	}
	for reader, doc := range docs {
		for _, i := range doc.Open {
			all = append(all, string(i.Concern)+" of "+st.nameOf(reader))
		}
	}
	slices.Sort(all)
	return equal(cmp.Or(strings.Join(all, ", "), "nothing"), m[2])
}

// waiting are the readers of a list with what is to be reviewed of them; of the zero list, of all.
func waiting(t *testing.T, s *system, list domain.ID) map[domain.ID]projections.Reader {
	t.Helper()
	docs, err := s.keeper.ToReview(context.Background(), list)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func (st *stage) nameOf(id domain.ID) string {
	for name, p := range st.people {
		if p.caller.Actor == id {
			return name
		}
	}
	return "nobody here"
}

func (st *stage) accessCount(m []string) error {
	opened, reviewed := 0, 0
	for _, doc := range listed(st.t, st.sys.keeper.Accesses, projections.Everybody) {
		if a := doc.State; a.Door == oversight.Production && a.Opened.In(domain.Oslo).Year() == st.now.In(domain.Oslo).Year() {
			opened++
			if a.Reviewed != "" {
				reviewed++
			}
		}
	}
	return equal(fmt.Sprint(opened, reviewed), m[1]+" "+m[2])
}

func (st *stage) toldAll(m []string) error {
	wording, err := st.via.told(st.person(m[1]).caller)
	if err != nil {
		return err
	}
	for _, part := range []string{
		"Hva opplysningene brukes til:", "Hva slags opplysninger", "Hvor de kommer fra:", "Hvem som får dem:", "Hvor lenge de lagres:",
		"Rettighetene dine:", "klage til Datatilsynet",
	} {
		if !strings.Contains(wording, part) {
			return fmt.Errorf("nothing is said after %q", part)
		}
	}
	return nil
}

func (d direct) askAbout(by ledger.Caller, version uint64) error {
	_, err := d.sys.desk.AskAboutLookUp(context.Background(), by, version)
	return err
}

func (o *overHTTP) askAbout(by ledger.Caller, version uint64) error {
	return o.call(by, "POST", "/own-data/look-ups/question", api.LookUpQuestion{Number: version}, nil)
}

func (d direct) reviewLookUp(by ledger.Caller, about *person, version uint64, o client.Outcome) error {
	concern := client.AskedByClient
	for _, doc := range waiting(d.t, d.sys, by.Organisation) {
		for _, i := range doc.Open {
			if i.Client == about.caller.Actor && i.Version == version {
				concern = i.Concern
			}
		}
	}
	_, err := d.sys.desk.ReviewLookUp(context.Background(), by, about.caller.Actor, version, concern, o)
	return err
}

func (o *overHTTP) reviewLookUp(by ledger.Caller, about *person, version uint64, outcome client.Outcome) error {
	var id domain.ID
	for _, doc := range waiting(o.t, o.sys, about.org.id) {
		for _, i := range doc.Open {
			if i.Client == about.caller.Actor && i.Version == version {
				id = i.Event
			}
		}
	}
	return o.call(o.staffed(by), "POST", "/oversight/reviews", api.Reviewed{ID: id, Outcome: outcome}, nil)
}

func (d direct) reviewAttempt(by ledger.Caller, of domain.ID, i projections.Review, o client.Outcome) error {
	_, err := d.sys.desk.ReviewAttempt(context.Background(), by, i.Attempt, oversight.AttemptReviewed{By: of, Concern: i.Concern, Outcome: o})
	return err
}

func (o *overHTTP) reviewAttempt(by ledger.Caller, _ domain.ID, i projections.Review, outcome client.Outcome) error {
	return o.call(o.staffed(by), "POST", "/oversight/reviews", api.Reviewed{ID: i.Event, Outcome: outcome}, nil)
}

func (d direct) eraseProfessional(by ledger.Caller, id domain.ID) error {
	return d.sys.desk.EraseProfessional(context.Background(), by, id)
}

func (o *overHTTP) eraseProfessional(by ledger.Caller, id domain.ID) error {
	return o.call(by, "POST", "/professionals/"+id.String()+"/erasure", nil, nil)
}

func (d direct) openAccess(by ledger.Caller, c oversight.AccessOpened) (domain.ID, error) {
	id, _, err := d.sys.desk.OpenAccess(context.Background(), by, c)
	return id, err
}

func (o *overHTTP) openAccess(by ledger.Caller, c oversight.AccessOpened) (domain.ID, error) {
	var out api.Opened
	err := o.call(o.staffed(by), "POST", "/accesses", api.NewAccess{Door: c.Door, Reason: c.Reason, Minutes: c.Minutes}, &out)
	return out.ID, err
}

func (d direct) endAccess(by ledger.Caller, id domain.ID) error {
	_, err := d.sys.desk.CloseAccess(context.Background(), by, id)
	return err
}

func (o *overHTTP) endAccess(by ledger.Caller, id domain.ID) error {
	return o.call(o.staffed(by), "POST", "/accesses/"+id.String()+"/end", nil, nil)
}

func (d direct) reviewAccess(by ledger.Caller, id domain.ID, o client.Outcome) error {
	_, err := d.sys.desk.ReviewAccess(context.Background(), by, id, oversight.AccessReviewed{Outcome: o})
	return err
}

func (o *overHTTP) reviewAccess(by ledger.Caller, id domain.ID, outcome client.Outcome) error {
	return o.call(o.staffed(by), "POST", "/accesses/"+id.String()+"/review", api.AccessReview{Outcome: outcome}, nil)
}

// staffed sees to it that one of the service's own staff has a password, and is known to the views.
func (o *overHTTP) staffed(by ledger.Caller) ledger.Caller {
	if a, _, err := o.sys.desk.Staff.State(context.Background(), by.Actor); err != nil || a.Credentials != 0 {
		return by
	}
	o.open(keeping(by.Role), by.Actor)
	return by
}

func (d direct) told(by ledger.Caller) (string, error) {
	_, wording := text.All.Shown(text.Processing, "nb", domain.DateOf(d.now))
	return wording, nil
}

func (o *overHTTP) told(by ledger.Caller) (string, error) {
	var out api.OwnExport
	err := o.call(by, "POST", "/own-data/export", nil, &out)
	return out.About.Wording, err
}

// declared finds the declaration that somebody signed, in the wording that was shown.
func (st *stage) declared(m []string) error {
	for r, err := range st.sys.store.Stream(context.Background(), eventschema.StaffStream.Stream(st.pro(m[1]).Actor), 1) {
		if err != nil {
			return err
		}
		f, err := st.sys.ledger.Decode(context.Background(), &r)
		if err != nil {
			return err
		}
		if _, ok := f.Body.(staff.DeclarationSigned); ok {
			return equal(fmt.Sprint(f.Act.Text), fmt.Sprint(domain.Text{Name: m[2], Version: m[3], Language: m[4]}))
		}
	}
	return errors.New("nobody signed")
}
