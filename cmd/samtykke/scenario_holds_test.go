package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/eventschema"
)

func equal(got, want string) error {
	if got != want {
		return fmt.Errorf("it is: %s", got)
	}
	return nil
}

func (st *stage) wasShown(m []string) error {
	if m[1] != st.reader {
		return fmt.Errorf("it was %s who looked last", st.reader)
	}
	return equal(st.showing(), m[2])
}

// showing says in a line what the last look-up showed.
func (st *stage) showing() string {
	r := st.shown.Registrations
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	for _, f := range r.Forms {
		s := fmt.Sprintf("%s %d", f.Instrument, f.Score)
		if f.Severity != "" {
			s += " " + string(f.Severity)
		}
		if f.Safety {
			s += " with safety flag"
		}
		if f.Entered != journal.ByClient {
			s += " entered " + string(f.Entered)
		}
		parts = append(parts, s)
	}
	if r.Logins > 0 {
		add("%d logins", r.Logins)
	}
	if r.Seconds > 0 {
		add("%d seconds", r.Seconds)
	}
	if len(r.Browsers) > 0 {
		add("%s on %s", strings.Join(r.Browsers, "+"), strings.Join(r.Systems, "+"))
	}
	for _, c := range r.Content {
		if c.Finished.IsZero() {
			add("%s opened", c.Name)
		} else {
			add("%s finished", c.Name)
		}
	}
	if r.Resume != "" {
		add("resume at %s", r.Resume)
	}
	for _, s := range r.Sent {
		add("%s sent", s.Content)
	}
	for _, a := range r.Answers {
		s := "answer " + strconv.Quote(a.Text)
		if a.Entered != journal.ByClient {
			s += " entered " + string(a.Entered)
		}
		parts = append(parts, s)
	}
	for _, x := range r.Ratings {
		add("%s rated %d", x.Content, x.Stars)
	}
	for _, c := range r.Corrections {
		s := "correction " + strconv.Quote(c.Text)
		if !c.Made.IsZero() {
			s += " made " + strconv.Quote(c.Answer)
		}
		parts = append(parts, s)
	}
	for _, n := range r.Notes {
		if n.Draft {
			add("the organisation's draft %q", n.Text)
		} else {
			add("the organisation's note %q", n.Text)
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// active is somebody who may act for the organisation now, always the same one.
func (st *stage) active(o *org) (ledger.Caller, error) {
	s, _, err := st.sys.desk.Organisations.State(context.Background(), o.id)
	if err != nil {
		return ledger.Caller{}, err
	}
	found := &person{}
	for _, p := range st.people {
		if p.org == o && s.Standing(p.caller.Actor) != "" && s.Standing(p.caller.Actor) == p.caller.Role && (found.name == "" || p.name < found.name) {
			found = p
		}
	}
	if found.name == "" {
		return ledger.Caller{}, errors.New("nobody may act for the organisation")
	}
	return found.caller, nil
}

// row is the client's row in the overview of the organisation; nil where there is none.
func (st *stage) row(o *org, p *person) (*views.Row, error) {
	by, err := st.active(o)
	if err != nil {
		return nil, err
	}
	rows, err := st.sys.desk.Door.Caseload(context.Background(), by)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Label == p.label && rows[i].Handle == p.handle {
			return &rows[i], nil
		}
	}
	return nil, nil
}

func (st *stage) overviewShows(m []string) error {
	r, err := st.row(st.org(m[1]), st.person(m[2]))
	if err != nil {
		return err
	}
	return equal(rowText(r), m[3])
}

func rowText(r *views.Row) string {
	switch {
	case r == nil:
		return "no row"
	case r.Until == 0:
		return "not shared"
	}
	if r.Asked {
		return "shared until " + r.Until.String() + ", asked"
	}
	return "shared until " + r.Until.String()
}

func (st *stage) state(name string, at, known time.Time) (string, error) {
	s, err := st.sys.stateAt(context.Background(), st.person(name).caller.Actor, at, known)
	if err != nil {
		return err.Error(), nil
	}
	text := s.Status
	if s.Until != nil {
		text += " until " + domain.DateOf(*s.Until).String()
	}
	if s.Question {
		text += ", asked"
	}
	if s.Restricted {
		text += ", restricted"
	}
	if s.Deactivated {
		text += ", deactivated"
	}
	if s.Rotated {
		text += ", code changed"
	}
	return text, nil
}

func (st *stage) stateIs(m []string) error {
	got, err := st.state(m[1], st.now, st.now)
	return errors.Join(err, equal(got, m[2]))
}

func (st *stage) stateWas(m []string) error {
	got, err := st.state(m[1], local(m[2]), st.now)
	return errors.Join(err, equal(got, m[3]))
}

func (st *stage) stateWasKnown(m []string) error {
	got, err := st.state(m[1], local(m[2]), local(m[3]))
	return errors.Join(err, equal(got, m[4]))
}

// everyPath asks every reader there is whether the client shares now.
func (st *stage) everyPath(m []string) error {
	ctx := context.Background()
	p := st.person(m[1])
	want := m[2] == "shared"
	by, err := st.active(p.org)
	if err != nil {
		return err
	}
	s, err := st.sys.stateAt(ctx, p.caller.Actor, st.now, st.now)
	if err != nil {
		return err
	}
	if got := s.Status == string(client.Shared) && !s.Restricted; got != want {
		return fmt.Errorf("the state says %s", s.Status)
	}
	row, err := st.row(p.org, p)
	if err != nil {
		return err
	}
	if got := row != nil && row.Until != 0; got != want {
		return fmt.Errorf("the overview says: %s", rowText(row))
	}
	rows, err := st.via.overview(by, views.AllKinds)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Handle == p.handle && (r.Shown != nil) != want {
			return fmt.Errorf("the overview shows what is registered: %v", r.Shown != nil)
		}
	}
	_, err = st.via.lookUp(by, p.handle, client.Appointment, views.AllKinds)
	if (err == nil) != want {
		return fmt.Errorf("a look-up answers: %v", err)
	}
	err = st.via.registerFor(by, p.handle, journal.OnBehalf, journal.Answer{Task: "path", Text: "x"})
	if (err == nil) != want {
		return fmt.Errorf("registering on behalf answers: %v", err)
	}
	return nil
}

func (st *stage) saw(q sawQuery) (string, error) {
	rows, err := st.sys.whoSaw(context.Background(), q)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, r := range rows {
		who, what := "the client", "saw"
		if r.Role != domain.RoleClient {
			who = "somebody without a name"
		}
		if r.Name != "" {
			who, _, _ = strings.Cut(r.Name, " ")
		}
		if !r.Allowed {
			what = "was refused"
		}
		parts = append(parts, who+" "+what)
	}
	if len(parts) == 0 {
		return "nothing", nil
	}
	return strings.Join(parts, ", "), nil
}

func (st *stage) sawIs(q sawQuery, want string) error {
	got, err := st.saw(q)
	return errors.Join(err, equal(got, want))
}

func (st *stage) namesGrant(m []string) error {
	rows, err := st.sys.whoSaw(context.Background(), sawQuery{Client: st.person(m[1]).caller.Actor})
	if err != nil || len(rows) == 0 {
		return errors.Join(err, errors.New("no look-ups"))
	}
	for _, r := range rows {
		if r.Allowed && r.Basis == client.ByGrant && (r.Grant == 0 || r.GrantedAt == nil || r.Rule == "" || r.Text == "") {
			return fmt.Errorf("position %d does not", r.Position)
		}
	}
	return nil
}

func (st *stage) lastLookUp() (client.LookedUp, error) {
	f, err := st.last()
	b, ok := f.Body.(client.LookedUp)
	if err == nil && !ok {
		err = fmt.Errorf("the last event is %s", f.Name)
	}
	return b, err
}

func (st *stage) namesShown(_ []string) error {
	b, err := st.lastLookUp()
	if err == nil && b.Journal != st.shown.Registrations.Version {
		err = fmt.Errorf("it names entry %d, and entry %d was shown", b.Journal, st.shown.Registrations.Version)
	}
	return err
}

func (st *stage) lookedFor(m []string) error {
	b, err := st.lastLookUp()
	got := make([]string, len(b.Kinds))
	for i, k := range b.Kinds {
		got[i] = string(k)
	}
	return errors.Join(err, equal(string(b.Purpose)+" "+strings.Join(got, " "), m[1]+" "+m[2]))
}

func (st *stage) sameRefusals(m []string) error {
	n := number(m[1])
	if len(st.refusals) < n {
		return fmt.Errorf("there were %d", len(st.refusals))
	}
	last := st.refusals[len(st.refusals)-n:]
	if len(slices.Compact(slices.Clone(last))) > 1 {
		return fmt.Errorf("they differ:\n%s", strings.Join(last, "\n"))
	}
	return nil
}

// last is the last event of the ledger, opened.
func (st *stage) last() (eventschema.Fact, error) {
	f, err := st.sys.fact(context.Background(), st.told)
	if err != nil {
		return f, err
	}
	return f, eventschema.Today.Open(&f, st.sys.ledger.Sealing(context.Background()))
}

func (st *stage) because(m []string) error {
	x, err := st.sys.why(context.Background(), st.told)
	if err != nil {
		return err
	}
	got := x.Event.Name
	for _, c := range x.Causes {
		got += " <- " + c.Name
	}
	if x.Rule != nil {
		got += ", rule " + x.Rule.Version
	}
	return equal(got, m[1])
}

func (st *stage) reading(m []string) error {
	s, err := st.sys.stateAt(context.Background(), st.person(m[1]).caller.Actor, st.now, st.now)
	return errors.Join(err, equal(string(s.Reading), m[2]))
}

func (st *stage) correctionDue(m []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	c, ok := f.Body.(journal.CorrectionAsked)
	if !ok {
		return errors.New("the last event is no request for a correction")
	}
	return equal(c.Due.String(), m[2])
}

func (st *stage) oneSender(m []string) error {
	facts, err := st.sys.stream(context.Background(), eventschema.JournalStream, st.person(m[1]).caller.Actor)
	if err != nil {
		return err
	}
	var senders []domain.ID
	for _, f := range facts {
		if c, ok := f.Body.(journal.CorrectionAsked); ok {
			senders = append(senders, c.Sender)
		}
	}
	if len(senders) != 2 || senders[0] != senders[1] || senders[0] == st.person(m[1]).caller.Actor {
		return fmt.Errorf("%d requests, with senders that differ or that are the client's own id", len(senders))
	}
	return nil
}

func (st *stage) namesNobody(_ []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	if !f.Act.Actor.IsZero() || !f.Act.Session.IsZero() || !f.Act.Organisation.IsZero() || f.Act.Role != "" {
		return errors.New("it names somebody")
	}
	for _, p := range st.people {
		if f.Subject == p.caller.Actor || f.Owner.ID == p.caller.Actor {
			return errors.New("it stands in somebody's stream, or under somebody's key")
		}
	}
	if f.Act.At != domain.DateOf(f.Act.At).Start() {
		return errors.New("it tells the time of day")
	}
	return nil
}

func (st *stage) recordedBy(m []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	by := st.person(m[1]).caller
	if f.Act.Actor != by.Actor || f.Act.Session != by.Session || by.Session.IsZero() || f.Act.Organisation != by.Organisation || string(f.Act.Role) != m[2] {
		return fmt.Errorf("it names another, another session or none, or another organisation, as %s", f.Act.Role)
	}
	return nil
}

func (st *stage) recordedByTime(_ []string) error {
	f, err := st.last()
	if err == nil && (f.Act.Role != domain.RoleSystem || !f.Act.Actor.IsZero()) {
		err = fmt.Errorf("it came of a %s", f.Act.Role)
	}
	return err
}

// second is an instant in Oslo, to the second.
func second(t time.Time) string { return t.In(domain.Oslo).Format(time.DateTime) }

func (st *stage) recordedAt(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(second(f.Act.At), second(local(m[1]))))
}

func (st *stage) tookEffect(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(second(f.Effective), second(local(m[1]))))
}

func (st *stage) underRule(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(f.Rule, m[1]))
}

func (st *stage) showsText(m []string) error {
	f, err := st.last()
	return errors.Join(err, equal(f.Act.Text.Name+" "+f.Act.Text.Version+" "+f.Act.Text.Language, m[1]+" "+m[2]+" "+m[3]))
}

func (st *stage) standingIs(m []string) error {
	o, _, err := st.sys.desk.Organisations.State(context.Background(), st.org(m[3]).id)
	got := string(o.Standing(st.person(m[1]).caller.Actor))
	if got == "" {
		got = "nothing"
	}
	return errors.Join(err, equal(got, m[2]))
}

// detailsAre compares with what was last recorded about a professional.
func (st *stage) detailsAre(m []string) error {
	p := st.person(m[1])
	facts, err := st.sys.stream(context.Background(), eventschema.OrganisationStream, p.org.id)
	got := "nothing"
	for _, f := range facts {
		if b, ok := f.Body.(organisation.ProfessionalNamed); ok && b.Professional == p.caller.Actor {
			d := b.Details
			got = strings.Join([]string{d.FirstName + " " + d.LastName, d.Position, d.Workplace, d.Phone, d.Email}, ", ")
		}
	}
	return errors.Join(err, equal(got, m[2]))
}

// contactIs compares with the contact data recorded last, and where they came from.
func (st *stage) contactIs(m []string) error {
	facts, err := st.sys.stream(context.Background(), eventschema.OrganisationStream, st.org(m[1]).id)
	got := "nothing"
	for _, f := range facts {
		if b, ok := f.Body.(organisation.ContactRecorded); ok {
			c := b.Contact
			got = strings.Join([]string{c.Name, c.Number, c.Person, c.Email, c.Phone, "from " + b.Source}, ", ")
		}
	}
	return errors.Join(err, equal(got, m[2]))
}

// noNewCode looks for the new code's label in the organisation's overview, which goes on with the old one.
func (st *stage) noNewCode(m []string) error {
	p := st.person(m[1])
	by, err := st.active(p.org)
	if err != nil {
		return err
	}
	rows, err := st.sys.desk.Door.Caseload(context.Background(), by)
	old := false
	for _, r := range rows {
		if r.Label == p.code.Label() {
			return errors.New("the overview shows the new label")
		}
		old = old || r.Label == p.old.Label() && r.Handle == p.handle
	}
	if err == nil && !old {
		err = errors.New("the overview does not go on with the old label")
	}
	return err
}

// noNameFields looks through the catalogue for fields that could say who a client is.
func (st *stage) noNameFields(_ []string) error {
	for _, row := range eventschema.Today.Rows() {
		if row.Category != eventschema.ClientStream && row.Category != eventschema.JournalStream {
			continue
		}
		for _, field := range reflect.VisibleFields(row.Body()) {
			name := strings.ToLower(field.Name)
			for _, word := range []string{"name", "mail", "phone", "address", "birth", "number", "person"} {
				if strings.Contains(name, word) {
					return fmt.Errorf("%s has the field %s", row.Name, field.Name)
				}
			}
		}
	}
	return nil
}

// exportAgrees reads the export and finds in it the very events of the ledger, in order, and what each took effect at.
func (st *stage) exportAgrees(_ []string) error {
	ctx := context.Background()
	head, err := st.sys.store.Head(ctx)
	if err != nil {
		return err
	}
	var out strings.Builder
	if err := st.sys.export(ctx, &out, head, true, func(uint64, uint64) {}); err != nil {
		return err
	}
	lines := bufio.NewScanner(strings.NewReader(out.String()))
	lines.Buffer(nil, 1<<20)
	err = st.sys.ledger.Upto(ctx, head, true, func(f *eventschema.Fact) error {
		var line struct {
			Position  uint64
			Event     string
			Stream    string
			Effective time.Time
		}
		if !lines.Scan() {
			return fmt.Errorf("the export ends before %v", f)
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		if line.Position != f.Position || line.Event != f.Name || line.Stream != f.Stream() || !line.Effective.Equal(f.Effective) {
			return fmt.Errorf("the export says otherwise of %v", f)
		}
		return nil
	})
	if err == nil && lines.Scan() {
		err = errors.New("the export goes on behind the ledger's end")
	}
	return err
}

// filesDoNotHold looks for a text in every byte of the data directory.
func (st *stage) filesDoNotHold(text string) error {
	return filepath.WalkDir(st.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // put in the place of another meanwhile, under whose name it is read
		}
		if err == nil && strings.Contains(string(b), text) {
			err = fmt.Errorf("%s holds it", filepath.Base(path))
		}
		return err
	})
}

func (st *stage) filesDoNotHoldCode(m []string) error {
	p := st.person(m[2])
	if m[1] == "label" {
		return st.filesDoNotHold(p.label)
	}
	slip := p.code.Slip()
	secret := slip[strings.Index(slip, "-")+1:]
	return errors.Join(st.filesDoNotHold(slip), st.filesDoNotHold(secret), st.filesDoNotHold(strings.ReplaceAll(secret, "-", "")))
}

// wasTold names what a client was last told of its own history, and the attempts that were refused.
func (st *stage) wasTold(m []string) error {
	if st.reader != m[1] {
		return fmt.Errorf("%s read last", st.reader)
	}
	var names []string
	for _, f := range slices.Concat(st.ownData.History, st.ownData.Others) {
		names = append(names, f.Name)
	}
	return st.via.equalHistory(names, m[2])
}

// tookOut counts the entries of the journal that a client last took out: all there are.
func (st *stage) tookOut(m []string) error {
	if st.reader != m[1] {
		return fmt.Errorf("%s read last", st.reader)
	}
	return equal(fmt.Sprint(len(st.ownData.Entries)), m[2])
}

// cameThrough reads the last event, which is a login.
func (st *stage) cameThrough(m []string) error {
	f, err := st.last()
	if err != nil {
		return err
	}
	l, ok := f.Body.(journal.LoggedIn)
	if !ok {
		return fmt.Errorf("the last event is %s", f.Name)
	}
	return equal(string(l.Channel), m[1])
}
