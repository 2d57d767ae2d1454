package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

type step struct {
	pattern *regexp.Regexp
	run     func(*stage, []string) error
}

const (
	who  = `([A-ZÆØÅ][\wæøåÆØÅ]*)`
	when = `(\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?)`
	code = `(phq-9|gad-7|check-in)`
)

// steps is the language of the scenarios. It says what people do and what holds, and not how the service is reached.
var steps = []step{
	// what comes between: before the step is written down, or after that and before it is answered
	{re(`(.+), while (.+)`), (*stage).meanwhile},
	{re(`(.+), and before the answer (.+)`), (*stage).beforeAnswer},
	{re(`(.+), but the disk fails`), func(st *stage, m []string) error { st.gate.FailAndLose(1); return st.step(m[1]) }},
	{re(`(.+), but the answer of the disk is lost`), func(st *stage, m []string) error { st.gate.FailAndStore(1); return st.step(m[1]) }},

	// time
	{re(`at ` + when), func(st *stage, m []string) error { st.now = local(m[1]); return nil }},
	{re(`at ` + when + ` UTC`), func(st *stage, m []string) error { st.now = utc(m[1]); return nil }},
	{re(`one second later`), func(st *stage, _ []string) error { st.now = st.now.Add(time.Second); return nil }},
	{re(`one nanosecond later`), func(st *stage, _ []string) error { st.now = st.now.Add(1); return nil }},
	{re(`one second before ` + when), func(st *stage, m []string) error { st.now = local(m[1]).Add(-time.Second); return nil }},
	{re(`one nanosecond before ` + when), func(st *stage, m []string) error { st.now = local(m[1]).Add(-1); return nil }},
	{re(`the clock reaches ` + when), func(st *stage, m []string) error { st.now = local(m[1]); return nil }},
	{re(`the clock steps back (\d+) minutes`), func(st *stage, m []string) error {
		st.now = st.now.Add(-time.Duration(number(m[1])) * time.Minute)
		return nil
	}},
	{re(`time passes`), func(st *stage, _ []string) error { _, _, err := st.sys.desk.Tick(context.Background()); return err }},
	{re(`the service restarts`), (*stage).restart},
	{re(`the service is ([\w-]+)`), func(st *stage, m []string) error { st.service = rules.Service(m[1]); return nil }},
	{re(`the text shown is (\S+) (\S+) (\S+)`), func(st *stage, m []string) error {
		st.text = domain.Text{Name: m[1], Version: m[2], Language: m[3]}
		return nil
	}},
	{re(`a fictional rule from ` + when + ` gives (\d+) and (\d+) weeks, (to running grants too|to new grants only)`), (*stage).fictionalRule},
	{re(`every event is handed to the views a second time`), (*stage).twice},
	{re(`a newer service writes about ` + who + ` what this one does not know`), (*stage).unknownEvent},
	{re(`the views stop and say why`), (*stage).viewsStop},
	{re(`the service does not start again`), (*stage).staysDown},

	// organisations
	{re(`organisation ` + who + ` with superuser ` + who), (*stage).organisation},
	{re(`organisation ` + who + ` with number (\d+) and superuser ` + who), (*stage).numberedOrganisation},
	{re(who + ` adds ` + who), (*stage).addProfessional},
	{re(who + ` adds ` + who + ` with (\w+(?:[ -]\w+)?) "([^"]*)"`), (*stage).addProfessional},
	{re(who + ` deactivates ` + who), (*stage).deactivate},
	{re(who + ` reactivates ` + who), (*stage).reactivate},
	{re(who + ` makes ` + who + ` (superuser|professional)`), (*stage).changeRole},
	{re(`the contact of ` + who + ` is corrected from (.+)`), (*stage).correctContact},
	{re(who + ` corrects the contact of ` + who + ` from (.+)`), (*stage).correctContactBy},
	{re(`the number of ` + who + ` is corrected to (\d+)`), (*stage).correctNumber},

	// the client
	{re(who + ` registers ` + who), (*stage).registerClient},
	{re(who + ` logs in`), func(st *stage, m []string) error { return st.logIn(m[1], false, onTheWeb) }},
	{re(who + ` logs in on the app`), func(st *stage, m []string) error {
		return st.logIn(m[1], false, journal.LogIn{Channel: journal.App, System: "Android"})
	}},
	{re(who + ` logs in with (\w+) on (\w+)`), func(st *stage, m []string) error {
		return st.logIn(m[1], false, journal.LogIn{Channel: journal.Web, Browser: m[2], System: m[3]})
	}},
	{re(who + ` logs in with the old code`), func(st *stage, m []string) error { return st.logIn(m[1], true, onTheWeb) }},
	{re(who + ` logs in with only the label`), (*stage).labelOnly},
	{re(who + ` answers (yes|no) to the first question`), (*stage).firstQuestion},
	{re(who + ` shares`), func(st *stage, m []string) error { return st.asClient(m[1], client.Grant{Occasion: client.Settings}) }},
	{re(who + ` stops sharing`), func(st *stage, m []string) error { return st.asClient(m[1], client.Withdraw{}) }},
	{re(who + ` answers (yes|no) about follow-up`), func(st *stage, m []string) error {
		return st.asClient(m[1], client.AnswerFollowUp{Yes: m[2] == "yes"})
	}},
	{re(`the browser of ` + who + ` sends the last request again`), func(st *stage, m []string) error {
		return st.send(st.person(m[1]).last)
	}},
	{re(`the browser of ` + who + ` sends the last yes again`), func(st *stage, m []string) error {
		return st.send(st.person(m[1]).yes)
	}},
	{re(who + ` changes the code`), (*stage).rotate},
	{re(who + ` asks for restriction`), func(st *stage, m []string) error { return st.asClient(m[1], client.Restrict{}) }},
	{re(who + ` lifts the restriction`), func(st *stage, m []string) error { return st.asClient(m[1], client.LiftRestriction{}) }},
	{re(who + ` tries to (share|stop sharing|answer no|lift the restriction|read the own page) for ` + who), (*stage).actForAnother},

	// the journal
	{re(who + ` fills in ` + code + `((?: -?\d+)+)`), (*stage).fillIn},
	{re(who + ` fills in ` + code + `((?: -?\d+)+) (together with|on behalf of) ` + who), (*stage).fillInFor},
	{re(who + ` opens (\S+)`), func(st *stage, m []string) error { return st.register(m[1], journal.Open{Content: m[2]}) }},
	{re(who + ` finishes (\S+)`), func(st *stage, m []string) error { return st.register(m[1], journal.Finish{Content: m[2]}) }},
	{re(who + ` spends (\d+) seconds on (\S+)`), (*stage).spend},
	{re(who + ` answers "([^"]*)" to (\S+)`), func(st *stage, m []string) error {
		return st.register(m[1], journal.Answer{Task: m[3], Text: m[2], Entered: journal.ByClient})
	}},
	{re(who + ` answers "([^"]*)" to (\S+) (together with|on behalf of) ` + who), (*stage).answerFor},
	{re(who + ` rates (\S+) (\d)`), (*stage).rate},
	{re(who + ` asks for a correction: (.+)`), (*stage).askCorrection},
	{re(who + ` passes on a correction for ` + who + `: (.+)`), (*stage).passOnCorrection},
	{re(`the correction for ` + who + ` is made: (.+)`), (*stage).makeCorrection},
	{re(who + ` sends ` + who + ` (\S+)`), func(st *stage, m []string) error {
		return st.via.send(st.pro(m[1]), st.handle(m[2]), journal.Send{Content: m[3]})
	}},
	{re(who + ` writes a (note|draft) about ` + who + `: (.+)`), (*stage).writeNote},
	{re(who + ` suggests: (.+)`), func(st *stage, m []string) error {
		return st.via.suggest(journal.Feedback{Form: "suggest-changes", Text: m[2]})
	}},
	{re(who + ` evaluates the service with (\d): (.+)`), func(st *stage, m []string) error {
		return st.via.suggest(journal.Feedback{Form: "evaluation", Stars: number(m[2]), Text: m[3]})
	}},

	// looking
	{re(who + ` looks at ` + who), func(st *stage, m []string) error {
		return st.look(m[1], st.handle(m[2]), client.Appointment, views.AllKinds)
	}},
	{re(who + ` looks at the (scores|progress|use|answers|ratings|notes) of ` + who + ` for (\S+)`), func(st *stage, m []string) error {
		return st.look(m[1], st.handle(m[3]), client.Purpose(m[4]), []client.Kind{client.Kind(m[2])})
	}},
	{re(who + ` looks at a handle that never was`), func(st *stage, m []string) error {
		return st.look(m[1], domain.Derive(domain.ID{}, []byte("nobody")), client.Appointment, views.AllKinds)
	}},
	{re(who + ` finds ` + who + `: not shared`), func(st *stage, m []string) error {
		err := st.look(m[1], st.handle(m[2]), client.Appointment, views.AllKinds)
		return equal(domain.Refused(err), views.NotShared)
	}},
	{re(who + ` opens the overview`), (*stage).overview},
	{re(who + ` opens the own page`), func(st *stage, m []string) error { return st.own(m[1], client.SelfService) }},
	{re(who + ` takes out the own data`), func(st *stage, m []string) error { return st.own(m[1], client.Export) }},
	{re(`auditor ` + who + ` asks who saw ` + who), func(st *stage, m []string) error { return st.auditorAsks(m[1], m[2], "yearly audit") }},
	{re(`auditor ` + who + ` asks who saw ` + who + ` and gives no reason`), func(st *stage, m []string) error { return st.auditorAsks(m[1], m[2], "") }},

	// what holds
	{re(who + ` was shown: (.*)`), (*stage).wasShown},
	{re(who + ` was told the own history: (.*)`), (*stage).wasTold},
	{re(who + ` took out (\d+) entries`), (*stage).tookOut},
	{re(`the last login came through the (web|app)`), (*stage).cameThrough},
	{re(`the overview of ` + who + ` shows ` + who + `: (.*)`), (*stage).overviewShows},
	{re(`the state of ` + who + `: (.*)`), (*stage).stateIs},
	{re(`the state of ` + who + ` at ` + when + `: (.*)`), (*stage).stateWas},
	{re(`the state of ` + who + ` at ` + when + ` as known at ` + when + `: (.*)`), (*stage).stateWasKnown},
	{re(`on every path ` + who + `: (shared|not shared)`), (*stage).everyPath},
	{re(`the access log of ` + who + `: (.*)`), func(st *stage, m []string) error {
		return st.sawIs(sawQuery{Client: st.person(m[1]).caller.Actor}, m[2])
	}},
	{re(`who saw by ` + who + `: (.*)`), func(st *stage, m []string) error {
		return st.sawIs(sawQuery{Professional: st.person(m[1]).caller.Actor}, m[2])
	}},
	{re(`who saw at ` + who + `: (.*)`), func(st *stage, m []string) error {
		return st.sawIs(sawQuery{Organisation: st.org(m[1]).id}, m[2])
	}},
	{re(`who saw ` + who + ` as it was at ` + when + `: (.*)`), func(st *stage, m []string) error {
		return st.sawIs(sawQuery{Client: st.person(m[1]).caller.Actor, Known: local(m[2])}, m[3])
	}},
	{re(`every look-up at ` + who + ` names its yes, rule and text`), (*stage).namesGrant},
	{re(`the last look-up names all that was shown, and nothing later was`), (*stage).namesShown},
	{re(`the last look-up was for (\S+) and named (.+)`), (*stage).lookedFor},
	{re(`the last (\d+) refusals read the same, and took the same reads and writes`), (*stage).sameRefusals},
	{re(`the last event came of: (.*)`), (*stage).because},
	{re(`the data of ` + who + ` are: (.*)`), (*stage).reading},
	{re(`the correction for ` + who + ` is due on ` + when), (*stage).correctionDue},
	{re(`two corrections of ` + who + ` come from one sender`), (*stage).oneSender},
	{re(`the last event names nobody`), (*stage).namesNobody},
	{re(`the last event was recorded by ` + who + ` as (\w+)`), (*stage).recordedBy},
	{re(`the last event came of time alone`), (*stage).recordedByTime},
	{re(`the last event was recorded at ` + when), (*stage).recordedAt},
	{re(`the last event took effect at ` + when), (*stage).tookEffect},
	{re(`the last event stands under rule (\S+)`), (*stage).underRule},
	{re(`the last event shows text (\S+) (\S+) (\S+)`), (*stage).showsText},
	{re(who + ` is ` + `(superuser|professional|nothing)` + ` at ` + who), (*stage).standingIs},
	{re(who + ` is recorded as: (.*)`), (*stage).detailsAre},
	{re(`the contact of ` + who + `: (.*)`), (*stage).contactIs},
	{re(`the organisation cannot tell the new code of ` + who), (*stage).noNewCode},
	{re(`no event about a client has a field for a name, an address or a number`), (*stage).noNameFields},
	{re(`the export of the ledger agrees`), (*stage).exportAgrees},
	{re(`the files do not hold "([^"]+)"`), func(st *stage, m []string) error { return st.filesDoNotHold(m[1]) }},
	{re(`the files do not hold the (code|label) of ` + who), (*stage).filesDoNotHoldCode},
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(`^` + s + `$`) }

func (st *stage) step(line string) error {
	for _, s := range st.language {
		if m := s.pattern.FindStringSubmatch(line); m != nil {
			return s.run(st, m)
		}
	}
	return errors.New("no step reads like this line")
}

func local(s string) time.Time { return in(s, domain.Oslo) }
func utc(s string) time.Time   { return in(s, time.UTC) }

func in(s string, zone *time.Location) time.Time {
	for _, form := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, s, zone); err == nil {
			return t.UTC()
		}
	}
	panic("not a time: " + s)
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err) // the patterns let only digits through
	}
	return n
}

// meanwhile plays the second step, in another instance of the service, after the first one was decided and before it is
// written down.
func (st *stage) meanwhile(m []string) error {
	other := errors.New("nothing was written, so nothing came between")
	st.gate.Before(func(string, uint64) {
		st.gate.Before(nil)
		other = st.elsewhere(m[2])
	})
	err := st.step(m[1])
	st.gate.Before(nil)
	if other != nil {
		return fmt.Errorf("what came between: %v", other)
	}
	return err
}

// beforeAnswer plays the second step, in another instance, after the first one was written down and before it is answered.
func (st *stage) beforeAnswer(m []string) error {
	other := errors.New("nothing was written, so nothing came after it")
	st.gate.after = func() { other = st.elsewhere(m[2]) }
	err := st.step(m[1])
	st.gate.after = nil
	if other != nil {
		return fmt.Errorf("what came before the answer: %v", other)
	}
	return err
}

// twice compares the views with views to which every event comes twice.
func (st *stage) twice(_ []string) error {
	ctx := context.Background()
	if err := errors.Join(st.sys.settle(ctx), st.sys.halt()); err != nil {
		return err
	}
	st.sys.ledger.Store = doubling{st.gate}
	diffs, err := st.sys.keeper.Differences(ctx)
	st.sys.ledger.Store = st.gate
	st.sys.start()
	if err == nil && len(diffs) > 0 {
		err = fmt.Errorf("documents that differ: %v", diffs)
	}
	return err
}

// doubling yields every record to whoever follows the ledger, and then the last nine once more.
type doubling struct{ ledger.Store }

func (d doubling) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		var last []eventschema.Record
		for r, err := range d.Store.After(ctx, p) {
			if !yield(r, err) || err != nil {
				return
			}
			r.Data = slices.Clone(r.Data)
			last = append(last, r)
			last = last[max(0, len(last)-9):]
			for _, r := range last {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// unknownEvent writes an event of a name that is not in the catalogue.
func (st *stage) unknownEvent(m []string) error {
	ctx := context.Background()
	id := st.person(m[1]).caller.Actor
	_, version, err := st.sys.desk.Clients.State(ctx, id)
	if err != nil {
		return err
	}
	const name = "sharing.imagined"
	data := append([]byte{0x84, 0x60 + byte(len(name))}, name...)
	data = append(data, 1, 0x80, 0x80) // version 1, an empty header, an empty body
	_, err = st.sys.store.Append(ctx, eventschema.ClientStream.Stream(id), version, eventschema.Record{ID: st.id(), Data: data})
	st.stopped = true
	return err
}

func (st *stage) viewsStop(_ []string) error { return isUnknown(st.sys.settle(context.Background())) }

func (st *stage) staysDown(_ []string) error {
	if err := st.sys.closeFiles(); err != nil {
		return err
	}
	return isUnknown(st.open())
}

func isUnknown(err error) error {
	if _, ok := errors.AsType[*eventschema.UnknownError](err); !ok {
		return fmt.Errorf("it went on, or stopped for another reason: %v", err)
	}
	return nil
}

func (st *stage) fictionalRule(m []string) error {
	reach := rules.NewGrants
	if m[4] == "to running grants too" {
		reach = rules.RunningGrants
	}
	book := slices.Clone(st.books[st.service])
	st.books = rules.Books{st.service: append(book, rules.Row{
		Version: "fictional", From: domain.DateOf(local(m[1])), Ask: number(m[2]), Lapse: number(m[3]), IdleMonths: 12, Reach: reach, Source: "this scenario",
	})}
	return st.restart(nil)
}

// keeping is whoever keeps the accounts of a role.
func keeping(role domain.Role) ledger.Caller {
	by := employee
	by.Role = staff.KeeperOf(role)
	return by
}

var employee = ledger.Caller{Actor: domain.Derive(domain.ID{}, []byte("employee")), Role: domain.RoleEmployee}

func (st *stage) id() domain.ID {
	id, err := st.sys.ledger.NewID()
	if err != nil {
		st.t.Fatal(err)
	}
	return id
}

// staff puts somebody on stage who acts for an organisation.
func (st *stage) staff(name string, o *org, role domain.Role) *person {
	p := &person{name: name, org: o, caller: ledger.Caller{Actor: st.id(), Role: role, Session: st.id(), Organisation: o.id}}
	st.people[name] = p
	return p
}

func details(name string) organisation.Professional {
	return organisation.Professional{
		FirstName: name, LastName: "Nordmann", Workplace: "Rask psykisk helsehjelp", Position: "psykolog",
		Phone: "+47 55 00 00 00", Email: strings.ToLower(name) + "@example.org",
	}
}

// numberOfAll is the organisation number of every organisation that the scenario gives none.
const numberOfAll = "974760673"

func (st *stage) organisation(m []string) error {
	return st.numberedOrganisation([]string{"", m[1], numberOfAll, m[2]})
}

func (st *stage) numberedOrganisation(m []string) error {
	o := &org{id: st.id(), service: st.service}
	st.orgs[m[1]] = o
	p := st.staff(m[3], o, domain.RoleSuperuser)
	id, superuser, err := st.via.registerOrganisation(organisation.Register{
		Organisation: o.id, Service: o.service, Superuser: p.caller.Actor, Details: details(m[3]),
		Contact: organisation.Contact{Name: m[1], Number: m[2], Person: "Kari Kontakt", Email: "post@example.org", Phone: "55 00 00 00"},
	})
	o.id, p.caller.Organisation, p.caller.Actor = id, id, superuser
	return err
}

func (st *stage) addProfessional(m []string) error {
	by := st.person(m[1])
	d := details(m[2])
	if len(m) > 3 {
		field, ok := map[string]*string{
			"first name": &d.FirstName, "last name": &d.LastName, "workplace": &d.Workplace, "position": &d.Position,
			"telephone": &d.Phone, "e-mail": &d.Email,
		}[m[3]]
		if !ok {
			return fmt.Errorf("nothing is recorded of %s", m[3])
		}
		*field = m[4]
	}
	p := st.staff(m[2], by.org, domain.RoleProfessional)
	var err error
	p.caller.Actor, err = st.via.addProfessional(by.caller, organisation.AddProfessional{Professional: p.caller.Actor, Details: d})
	return err
}

func (st *stage) onStaff(by, whom string, c func(domain.ID) organisation.Command) error {
	p := st.person(by)
	return st.via.manage(p.org.id, p.caller, c(st.person(whom).caller.Actor))
}

func (st *stage) deactivate(m []string) error {
	return st.onStaff(m[1], m[2], func(id domain.ID) organisation.Command { return organisation.Deactivate{Professional: id} })
}

func (st *stage) reactivate(m []string) error {
	return st.onStaff(m[1], m[2], func(id domain.ID) organisation.Command { return organisation.Reactivate{Professional: id} })
}

func (st *stage) changeRole(m []string) error {
	err := st.onStaff(m[1], m[2], func(id domain.ID) organisation.Command {
		return organisation.ChangeRole{Professional: id, Superuser: m[3] == "superuser"}
	})
	if err == nil {
		st.person(m[2]).caller.Role = domain.Role(m[3])
	}
	return err
}

func (st *stage) correctContact(m []string) error {
	return st.newContact(employee, m[1], numberOfAll, m[2])
}

func (st *stage) correctContactBy(m []string) error {
	return st.newContact(st.pro(m[1]), m[2], numberOfAll, m[3])
}

func (st *stage) correctNumber(m []string) error {
	return st.newContact(employee, m[1], m[2], "the register")
}

func (st *stage) newContact(by ledger.Caller, name, number, source string) error {
	return st.via.manage(st.org(name).id, by, organisation.CorrectContact{
		Contact: organisation.Contact{Name: name, Number: number, Person: "Nils Ny", Email: "ny@example.org", Phone: "55 11 11 11"},
		Source:  source,
	})
}

func (st *stage) pro(name string) ledger.Caller { return st.person(name).caller }

func (st *stage) handle(name string) domain.ID { return st.person(name).handle }

func (st *stage) registerClient(m []string) error {
	by := st.person(m[1])
	r, err := st.via.registerClient(by.caller)
	if err != nil {
		return err
	}
	st.people[m[2]] = &person{
		name: m[2], org: by.org, handle: r.Handle, code: r.Code, label: r.Code.Label(),
		caller: ledger.Caller{Actor: r.Client, Role: domain.RoleClient},
	}
	return nil
}

var onTheWeb = journal.LogIn{Channel: journal.Web, Browser: "Firefox", System: "Windows"}

func (st *stage) logIn(name string, old bool, how journal.LogIn) error {
	p := st.person(name)
	code := p.code
	if old {
		code = p.old
	}
	by, err := st.via.logIn(code, how)
	if err == nil {
		p.caller = by
	}
	return err
}

func (st *stage) labelOnly(m []string) error {
	_, err := signin.ParseCode(st.person(m[1]).label)
	if err == nil {
		return errors.New("the label alone reads as a code")
	}
	return nil
}

// asClient sends a client's request under a key of its own.
func (st *stage) asClient(name string, c client.Command) error {
	p := st.person(name)
	by := p.caller
	by.Text, by.Key = st.text, "request "+st.id().String()
	p.last = sent{by, c}
	if _, ok := c.(client.Grant); ok {
		p.yes = p.last
	}
	return st.send(p.last)
}

func (st *stage) send(r sent) error {
	return st.via.act(r.by, r.c)
}

func (st *stage) firstQuestion(m []string) error {
	if m[2] == "yes" {
		return st.asClient(m[1], client.Grant{Occasion: client.FirstQuestion})
	}
	return st.asClient(m[1], client.Decline{})
}

func (st *stage) rotate(m []string) error {
	p := st.person(m[1])
	next, err := st.via.rotate(p.caller, p.code)
	if err != nil {
		return err
	}
	p.old, p.code = p.code, next
	return nil
}

func (st *stage) actForAnother(m []string) error {
	var c client.Command
	switch m[2] {
	case "share":
		c = client.Grant{Occasion: client.Settings}
	case "stop sharing":
		c = client.Withdraw{}
	case "answer no":
		c = client.AnswerFollowUp{}
	case "lift the restriction":
		c = client.LiftRestriction{}
	case "read the own page":
		c = client.ReadOwn{Purpose: client.SelfService, Kinds: views.AllKinds}
	}
	_, err := st.sys.desk.Clients.Do(context.Background(), st.person(m[3]).caller.Actor, st.person(m[1]).caller, c)
	return err
}

func (st *stage) register(name string, c journal.Command) error {
	return st.via.register(st.person(name).caller, c)
}

func form(instrument, numbers string) journal.Assess {
	a := journal.Assess{Instrument: journal.Instrument(instrument), Difficulty: -1, Entered: journal.ByClient}
	for _, f := range strings.Fields(numbers) {
		n, err := strconv.Atoi(f)
		if err != nil {
			panic(err) // the pattern lets only numbers through
		}
		a.Items = append(a.Items, n)
	}
	return a
}

func (st *stage) fillIn(m []string) error { return st.register(m[1], form(m[2], m[3])) }

func (st *stage) fillInFor(m []string) error { return st.enterFor(m[1], m[4], m[5], form(m[2], m[3])) }

func (st *stage) answerFor(m []string) error {
	return st.enterFor(m[1], m[4], m[5], journal.Answer{Task: m[3], Text: m[2]})
}

func (st *stage) enterFor(by, how, whom string, c journal.Command) error {
	entered := journal.Together
	if how == "on behalf of" {
		entered = journal.OnBehalf
	}
	return st.via.registerFor(st.pro(by), st.handle(whom), entered, c)
}

func (st *stage) spend(m []string) error {
	n := number(m[2])
	return st.register(m[1], journal.SpendTime{Content: m[3], Seconds: n, Clicks: n / 10})
}

func (st *stage) rate(m []string) error {
	return st.register(m[1], journal.Rate{Content: m[2], Stars: number(m[3])})
}

func (st *stage) askCorrection(m []string) error {
	p := st.person(m[1])
	var err error
	p.request, err = st.via.askCorrection(p.caller, m[2])
	return err
}

func (st *stage) passOnCorrection(m []string) error {
	p := st.person(m[2])
	var err error
	p.request, err = st.via.passOnCorrection(st.pro(m[1]), p.handle, m[3])
	return err
}

func (st *stage) makeCorrection(m []string) error {
	p := st.person(m[1])
	return st.sys.desk.MakeCorrection(context.Background(), employee, p.caller.Actor, journal.MakeCorrection{Request: p.request, Text: m[2]})
}

func (st *stage) writeNote(m []string) error {
	p := st.person(m[3])
	note, err := st.via.writeNote(st.pro(m[1]), p.handle, journal.WriteNote{Note: p.note, Draft: m[2] == "draft", Text: m[4]})
	if err == nil {
		p.note = note
	}
	return err
}

// look looks, and keeps what was shown; of a refusal it keeps the words and the work that it took.
func (st *stage) look(name string, handle domain.ID, p client.Purpose, kinds []client.Kind) error {
	var err error
	st.gate.ForgetUses()
	st.reader = name
	st.shown, err = st.via.lookUp(st.pro(name), handle, p, kinds)
	if domain.Refused(err) != "" {
		work := map[eventschema.Category]ledgertest.Uses{}
		for stream, u := range st.gate.Uses() {
			c, _, err := eventschema.Split(stream)
			if err != nil {
				return err
			}
			work[c] = ledgertest.Uses{Reads: work[c].Reads + u.Reads, Appends: work[c].Appends + u.Appends}
		}
		st.refusals = append(st.refusals, fmt.Sprint(err, work))
	}
	return err
}

func (st *stage) overview(m []string) error {
	st.shown, st.reader = views.Shown{}, m[1]
	rows, err := st.via.overview(st.pro(m[1]), views.AllKinds)
	for _, r := range rows {
		if r.Shown != nil {
			st.shown = *r.Shown
		}
	}
	return err
}

func (st *stage) own(name string, p client.Purpose) (err error) {
	st.reader = name
	st.ownData, err = st.via.own(st.person(name).caller, p)
	st.shown = views.Shown{Registrations: st.ownData.Registrations, Position: st.ownData.Position}
	return err
}

func (st *stage) auditorAsks(name, about, reason string) error {
	if _, ok := st.people[name]; !ok {
		st.people[name] = &person{name: name, caller: ledger.Caller{Actor: st.id(), Role: domain.RoleAuditor, Session: st.id()}}
	}
	return st.via.whoSaw(st.person(name).caller, st.person(about).caller.Actor, reason)
}
