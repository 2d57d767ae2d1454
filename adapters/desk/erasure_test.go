package desk_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// sealedOf names the events under a key whose sealed bytes are in the store.
func (c *counter) sealedOf(o eventschema.Owner) (names []string) {
	c.t.Helper()
	head, err := c.store.Head(c.t.Context())
	c.must(err)
	for _, r := range ledgertest.Between(c.t, c.store, 0, head) {
		f, err := eventschema.Today.Decode(&r, nil)
		c.must(err)
		if f.Owner == o && r.Sealed != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// exact compares the views with a rebuild.
func (c *counter) exact(what string) {
	c.t.Helper()
	diffs, err := c.Keeper.Differences(c.t.Context())
	if err != nil || len(diffs) > 0 {
		c.t.Errorf("%s: a rebuild differs in %v, %v", what, diffs, err)
	}
}

// lived is a counter whose client shares and has something in the journal, and was looked up by the superuser at version 4.
func lived(t *testing.T) *counter {
	t.Helper()
	c := newCounter(t)
	c.share()
	_, err := c.Register(t.Context(), c.client, journal.Answer{Task: "t", Text: "x", Entered: journal.ByClient})
	c.must(err)
	c.must(c.WriteNote(t.Context(), c.boss, c.reg.Handle, journal.WriteNote{Note: c.id(), Text: "n"}))
	c.seen()
	_, err = c.Door.LookUp(t.Context(), c.boss, c.reg.Handle, client.Appointment, views.AllKinds)
	c.must(err)
	c.seen()
	return c
}

// Once an erasure is answered nothing opens any more, not by the code, not with the ledger and its keys; and the organisation keeps
// that it took place.
func TestErase(t *testing.T) {
	c := lived(t)
	key := eventschema.Owner{Kind: eventschema.KeyClient, ID: c.client.Actor}
	if got := c.sealedOf(key); !slices.Equal(got, []string{"client.labelled", "journal.answered", "journal.note-written"}) {
		t.Fatalf("sealed before: %q", got)
	}
	s, err := c.LogIn(t.Context(), c.reg.Code, login)
	c.must(err)
	c.seen()
	other, err := c.RegisterClient(t.Context(), c.boss)
	c.must(err)
	c.seen()

	_, err = c.Erase(t.Context(), c.client)
	c.must(err)
	if got := c.sealedOf(key); len(got) > 0 {
		t.Errorf("sealed bytes of %q are left", got)
	}
	if got := c.sealedOf(eventschema.Owner{Kind: eventschema.KeyClient, ID: other.Client}); len(got) != 1 {
		t.Errorf("of another client %q are left", got)
	}
	c.wrote("the erasure", "client.erased client.key-destroyed client.swept")
	if f := c.last(); f.Body != (client.Swept{Records: 4}) || f.Act.Role != domain.RoleSystem {
		t.Errorf("swept %v by %q", f.Body, f.Act.Role)
	}
	if _, err := c.Ledger.Keys.Sealer(t.Context(), keyring.Owner{Kind: keyring.Client, ID: key.ID}); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("the key: %v", err)
	}
	c.exact("after the erasure")

	if err := c.Live(t.Context(), &s); domain.Refused(err) != desk.SignedOut {
		t.Errorf("the session: %v", err)
	}
	if _, err := c.LogIn(t.Context(), c.reg.Code, login); !errors.Is(err, desk.ErrCode) {
		t.Errorf("the code: %v", err)
	}
	for what, err := range map[string]error{
		"own page": second(c.Door.Own(t.Context(), c.client, client.Export)), "entry": second(c.Register(t.Context(), c.client, answer)),
		"erase again": second(c.Erase(t.Context(), c.client)), "share": second(c.Act(t.Context(), c.client, client.Withdraw{})),
	} {
		if domain.Refused(err) != client.IsDeactivated {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.seen()
	c.store.ForgetUses()
	_, err = c.Door.LookUp(t.Context(), c.boss, c.reg.Handle, client.Effect, views.AllKinds)
	if uses := c.store.Uses(); domain.Refused(err) != views.NoSuchClient || len(uses) != 3 || uses["client-"+key.ID.String()].Reads > 0 {
		t.Errorf("a look-up reads %v: %v", uses, err) // of a client that nobody has, as for a handle that never was
	}
	for what, err := range map[string]error{
		"a look-up":    second(c.Door.LookUp(t.Context(), c.boss, c.reg.Handle, client.Effect, views.AllKinds)),
		"a note":       c.WriteNote(t.Context(), c.boss, c.reg.Handle, journal.WriteNote{Note: c.id(), Text: "n"}),
		"a correction": c.MakeCorrection(t.Context(), c.operator(), key.ID, journal.MakeCorrection{Request: c.id(), Text: "x"}),
	} {
		if domain.Refused(err) != views.NoSuchClient {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.seen()
	if j, _, err := c.Journals.State(t.Context(), key.ID); err != nil || !j.LastLogin.IsZero() {
		t.Errorf("the journal, as remembered: last login %s, %v", j.LastLogin, err)
	}
	rows, err := c.Door.Caseload(t.Context(), c.boss)
	if err != nil || len(rows) != 1 || rows[0].Handle != other.Handle {
		t.Errorf("the overview has %d rows, %v", len(rows), err)
	}
	if list := listed(t, c.Keeper.Erasures, c.office); len(list) != 1 || !list[key.ID].Swept {
		t.Errorf("the deletion registration: %v", list)
	}
	c.exact("after all")
}

func second[T any](_ T, err error) error { return err }

// Cut off behind any of its steps, stored or lost, an erasure is finished later: each step is on record once, and until then
// nothing opens either.
func TestEraseIsResumed(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for how, fail := range map[string]func(*counter){
			"lost": func(c *counter) { c.store.FailAndLose(n) }, "stored": func(c *counter) { c.store.FailAndStore(n) },
		} {
			t.Run(fmt.Sprint(how, " ", n), func(t *testing.T) {
				c := lived(t)
				before := c.Keeper.Cursor()
				fail(c)
				_, err := c.Erase(t.Context(), c.client)
				if how == "lost" && !errors.Is(err, ledgertest.ErrFault) {
					t.Fatalf("the erasure: %v", err)
				}
				c.seen()
				c.exact("cut off")
				begun := n > 1 || how == "stored"
				if _, err := c.Door.LookUp(t.Context(), c.boss, c.reg.Handle, client.Effect, views.AllKinds); (err == nil) == begun {
					t.Errorf("a look-up, with the erasure begun %v: %v", begun, err)
				}
				if !begun {
					_, err := c.Erase(t.Context(), c.client) // nothing happened yet, and the client tries again
					c.must(err)
				}
				c.seen()
				for range 2 {
					c.must(c.FinishErasures(t.Context()))
					c.seen()
				}
				var wrote []string
				for _, r := range ledgertest.Between(t, c.store, before, c.Keeper.Cursor()) {
					f, err := eventschema.Today.Decode(&r, nil)
					c.must(err)
					if f.Category == eventschema.ClientStream && f.Name != "lookup.made" {
						wrote = append(wrote, f.Name)
					}
				}
				if want := []string{"client.erased", "client.key-destroyed", "client.swept"}; !slices.Equal(wrote, want) {
					t.Errorf("on record: %q", wrote)
				}
				if got := c.sealedOf(eventschema.Owner{Kind: eventschema.KeyClient, ID: c.client.Actor}); len(got) > 0 {
					t.Errorf("sealed bytes of %q are left", got)
				}
				if due := dueBy(t, c.Keeper.Erasures, domain.DateOf(c.now)); len(due) > 0 {
					t.Errorf("still to do: %d", len(due))
				}
				c.exact("finished")
			})
		}
	}
}

// A professional is erased when the agreed time has passed since the last look-up; the look-ups stay, by a random id.
func TestEraseProfessional(t *testing.T) {
	c := newCounter(t)
	a := c.open(c.boss, c.hire("per@example.org"), password)
	c.share()
	by := ledger.Caller{Actor: a.id, Role: domain.RoleProfessional, Session: c.id(), Organisation: c.office}
	_, err := c.Door.LookUp(t.Context(), by, c.reg.Handle, client.Appointment, views.AllKinds)
	c.must(err)
	c.seen()
	do := func(cmd organisation.Command) {
		t.Helper()
		_, err := c.Organisations.Do(t.Context(), c.office, c.boss, cmd)
		c.must(err)
		c.seen()
	}
	refused := func(what, want string) {
		t.Helper()
		if err := c.EraseProfessional(t.Context(), c.boss, a.id); domain.Refused(err) != want {
			t.Errorf("%s: %v", what, err)
		}
		c.wrote(what, "")
	}
	refused("on the list", organisation.KeptByName)
	do(organisation.Deactivate{Professional: a.id})
	refused("nothing agreed", organisation.KeptByName)
	do(organisation.AgreeRetention{Months: 6, Reason: "instruction 2"})
	refused("too early", organisation.KeptByName)
	c.now = domain.DateOf(c.now).AddMonths(6).AddDays(1).Start().Add(-1)
	refused("too early by a moment", organisation.KeptByName)
	c.now = c.now.Add(1)
	elsewhere := c.boss
	elsewhere.Role = domain.RoleProfessional
	if err := c.EraseProfessional(t.Context(), elsewhere, a.id); domain.Refused(err) != organisation.NotYours {
		t.Errorf("by a professional: %v", err)
	}

	c.store.FailAndLose(2)
	if err := c.EraseProfessional(t.Context(), c.boss, a.id); !errors.Is(err, ledgertest.ErrFault) {
		t.Errorf("cut off: %v", err)
	}
	c.wrote("cut off", "professional.erased")
	c.exact("cut off")
	c.must(c.FinishErasures(t.Context()))
	c.wrote("finished", "professional.key-destroyed")
	c.must(c.FinishErasures(t.Context()))
	c.wrote("finished again", "")
	c.exact("finished")
	if got := c.sealedOf(eventschema.Owner{Kind: eventschema.KeyStaff, ID: a.id}); len(got) > 0 {
		t.Errorf("sealed bytes of %q are left", got)
	}
	if got := c.sealedOf(eventschema.Owner{Kind: eventschema.KeyStaff, ID: c.boss.Actor}); len(got) == 0 {
		t.Error("the superuser's are gone as well")
	}
	if list := listed(t, c.Keeper.Erasures, c.office); len(list) > 0 {
		t.Errorf("a professional among the deletion registrations: %v", list)
	}
	if trail := document(t, c.Keeper.Audit, a.id); trail.Count != 1 {
		t.Errorf("%d look-ups on record", trail.Count)
	}
	if s, _, err := c.Staff.State(t.Context(), a.id); err != nil || len(s.Password) > 0 {
		t.Errorf("the account, as remembered, has a password: %v, %v", len(s.Password) > 0, err)
	}
	if _, err := c.SignIn(t.Context(), a.login, a.password, a.code(c)); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("signing in: %v", err)
	}
	if _, err := c.Invite(t.Context(), c.boss, a.id); domain.Refused(err) == "" {
		t.Errorf("inviting: %v", err)
	}
	c.seen()
	c.must(c.EraseProfessional(t.Context(), c.boss, a.id)) // and once more
	c.seen()
	c.exact("after all")
}

// An account from before there was a declaration opens nothing; a new invitation is the way in.
func TestUndeclared(t *testing.T) {
	c := newCounter(t)
	id := c.hire("per@example.org")
	i, err := c.Invite(t.Context(), c.boss, id)
	c.must(err)
	c.seen()
	e, err := c.OpenInvitation(t.Context(), i.Code, i.Confirmation)
	c.must(err)
	hash, err := signin.HashPassword(t.Context(), password, signin.Salt{1})
	c.must(err)
	before := ledger.NewStreams(c.Ledger, eventschema.StaffStream, domain.Decider[staff.Command, staff.Event, staff.State]{
		Decide: func(a domain.Act, s staff.State, cmd staff.Command) ([]staff.Event, error) {
			events, err := staff.Decider.Decide(a, s, cmd)
			return slices.DeleteFunc(events, func(e staff.Event) bool { return e.Body == staff.DeclarationSigned{} }), err
		},
		Evolve: staff.Evolve,
	})
	by := ledger.Caller{Actor: id, Role: domain.RoleProfessional, Session: c.id(), Organisation: c.office, Text: declaration}
	_, err = before.Do(t.Context(), id, by, staff.Accept{
		Code: i.Code.InvitationHash(c.CodeKey), Confirmation: i.Code.ConfirmationHash(c.CodeKey, i.Confirmation), Password: hash, Step: 1,
	})
	c.must(err)
	c.seen()
	a := account{id, e.Login, password, e.OTP}
	if _, err := c.SignIn(t.Context(), a.login, a.password, a.code(c)); !errors.Is(err, desk.ErrSignIn) {
		t.Errorf("signing in: %v", err)
	}
	c.refusedFor("signing in undeclared", id, staff.NotDeclared)
	c.signIn(c.open(c.boss, id, password))
}

// Look-ups are asked about by the client they concern, and reviewed by another superuser of the organisation.
func TestQuestionsAndReviews(t *testing.T) {
	c := lived(t)
	second := ledger.Caller{Actor: c.hire("per@example.org"), Role: domain.RoleSuperuser, Session: c.id(), Organisation: c.office}
	_, err := c.Organisations.Do(t.Context(), c.office, c.boss, organisation.ChangeRole{Professional: second.Actor, Superuser: true})
	c.must(err)
	c.seen()
	ask := func(version uint64) error {
		_, err := c.AskAboutLookUp(t.Context(), c.client, version)
		c.seen()
		return err
	}
	for _, v := range []uint64{0, 1, 3, 5, 1 << 40} {
		if err := ask(v); domain.Refused(err) != client.NoSuchLookUp {
			t.Errorf("version %d: %v", v, err)
		}
	}
	c.must(ask(4))
	if f := c.last(); f.Body != (client.LookUpQuestioned{LookUp: 4, By: c.boss.Actor}) {
		t.Errorf("asked: %v", f.Body)
	}
	_, err = c.Door.Own(t.Context(), c.client, client.SelfService) // the client's own reading is nothing to ask about
	c.must(err)
	if err := ask(6); domain.Refused(err) != client.NoSuchLookUp {
		t.Errorf("one's own reading: %v", err)
	}
	open := listed(t, c.Keeper.Reviews, c.office)[c.boss.Actor].Open
	if len(open) != 1 || open[0].Concern != client.AskedByClient || open[0].Version != 4 || open[0].Client != c.client.Actor {
		t.Errorf("to be reviewed: %+v", open)
	}
	review := func(by ledger.Caller) error {
		_, err := c.ReviewLookUp(t.Context(), by, c.client.Actor, 4, client.AskedByClient, client.InOrder)
		c.seen()
		return err
	}
	if err := review(c.boss); domain.Refused(err) != client.OwnLookUp {
		t.Errorf("one's own: %v", err)
	}
	gone := second
	gone.Actor = c.id()
	if err := review(gone); domain.Refused(err) != organisation.NotActive {
		t.Errorf("by somebody who is no superuser: %v", err)
	}
	c.must(review(second))
	if list := listed(t, c.Keeper.Reviews, c.office); len(list) != 0 {
		t.Errorf("still to be reviewed: %v", list)
	}

	_, err = c.Door.LookUp(t.Context(), gone, c.reg.Handle, client.Effect, views.AllKinds)
	if domain.Refused(err) != organisation.NotActive {
		t.Errorf("an attempt by a stranger: %v", err)
	}
	c.seen()
	open = listed(t, c.Keeper.Reviews, c.office)[gone.Actor].Open
	if len(open) != 1 || open[0].Concern != client.WasRefused {
		t.Fatalf("to be reviewed: %+v", open)
	}
	found := oversight.AttemptReviewed{By: gone.Actor, Concern: client.WasRefused, Outcome: client.Deviation}
	reviewed := func(by ledger.Caller) error {
		_, err := c.ReviewAttempt(t.Context(), by, open[0].Attempt, found)
		return err
	}
	if err := reviewed(gone); domain.Refused(err) != organisation.NotActive {
		t.Errorf("reviewed by who made it: %v", err)
	}
	c.must(reviewed(second))
	if err := reviewed(second); domain.Refused(err) != oversight.WasDone {
		t.Errorf("once more: %v", err)
	}
	c.seen()
	if list := listed(t, c.Keeper.Reviews, c.office); len(list) != 0 {
		t.Errorf("still to be reviewed: %v", list)
	}
	c.exact("after the reviews")
}

// Exceptional access is on record from its opening to its review, each use before it is made.
func TestExceptionalAccess(t *testing.T) {
	c := newCounter(t)
	by, manager := c.operator(), ledger.Caller{Actor: c.id(), Role: domain.RoleSafetyManager, Session: c.id()}
	id, opened, err := c.OpenAccess(t.Context(), by, oversight.AccessOpened{Door: oversight.Production, Reason: "error 17", Minutes: 30})
	c.must(err)
	if until := opened.State.Until; !until.Equal(c.now.Add(30 * time.Minute)) {
		t.Errorf("until %s", until)
	}
	use := oversight.AccessUsed{What: "export", About: c.client.Actor.String()}
	c.must(c.UseAccess(t.Context(), by, id, use))
	if err := c.UseAccess(t.Context(), manager, id, use); domain.Refused(err) != oversight.NotYours {
		t.Errorf("used by another: %v", err)
	}
	c.must(second(c.CloseAccess(t.Context(), by, id)))
	if err := c.UseAccess(t.Context(), by, id, use); domain.Refused(err) != oversight.NotOpen {
		t.Errorf("used after it was closed: %v", err)
	}
	found := oversight.AccessReviewed{Outcome: client.InOrder, Note: "as said"}
	if err := second(c.ReviewAccess(t.Context(), by, id, found)); domain.Refused(err) != oversight.NotYours {
		t.Errorf("reviewed by who opened it: %v", err)
	}
	c.must(second(c.ReviewAccess(t.Context(), manager, id, found)))
	c.wrote("all that", "access.opened access.used access.closed access.reviewed")
	if trail := document(t, c.Keeper.Audit, by.Actor); trail.Count != 1 {
		t.Errorf("%d uses in the trail of who opened it", trail.Count)
	}
	if err := c.UseAccess(t.Context(), by, c.id(), use); domain.Refused(err) != oversight.NoAccess {
		t.Errorf("one that never was: %v", err)
	}
}

// listed, dueBy and document read a view.
func listed[V any](t *testing.T, of *views.Table[V], group domain.ID) map[domain.ID]V {
	t.Helper()
	list, err := of.List(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func dueBy[V any](t *testing.T, of *views.Table[V], day domain.Date) []domain.ID {
	t.Helper()
	ids, err := of.DueBy(t.Context(), day)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func document[V any](t *testing.T, of *views.Table[V], id domain.ID) V {
	t.Helper()
	v, _, err := of.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
