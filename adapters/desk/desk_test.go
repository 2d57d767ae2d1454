package desk_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A counter is a desk over a store that can be made to fail, with an organisation and a client.
type counter struct {
	*desk.Desk
	t      *testing.T
	store  *ledgertest.FaultyStore
	now    time.Time
	office domain.ID
	boss   ledger.Caller
	reg    desk.Registration
	client ledger.Caller
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{t: t, store: ledgertest.Faulty(ledgertest.Memory()), now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
	random := rand.NewChaCha8([32]byte{3})
	keys, err := keyring.Memory(random)
	c.must(err)
	hash, err := signin.LoadHashKey(simdisk.New(rand.NewPCG(1, 2)), "code.key", random)
	c.must(err)
	l := &ledger.Ledger{Store: c.store, Keys: keys, Clock: func() time.Time { return c.now }, Random: random}
	c.Desk = desk.New(l, views.NewKeeper(l, rules.All), rules.All, hash)
	c.office = c.id()
	c.boss = ledger.Caller{Actor: c.id(), Role: domain.RoleSuperuser, Session: c.id(), Organisation: c.office}
	c.must(c.RegisterOrganisation(t.Context(), ledger.Caller{Actor: c.id(), Role: domain.RoleEmployee}, organisation.Register{
		Organisation: c.office, Service: rules.AssistertSelvhjelp, Superuser: c.boss.Actor,
		Details: organisation.Professional{FirstName: "N", LastName: "N", Workplace: "R", Position: "p", Phone: "55 00 00 00", Email: "n@example.org"},
		Contact: organisation.Contact{Name: "S", Number: "974760673", Person: "K", Email: "p@example.org", Phone: "55 00 00 00"},
	}))
	c.reg, err = c.RegisterClient(t.Context(), c.boss)
	c.must(err)
	c.client = ledger.Caller{Actor: c.reg.Client, Role: domain.RoleClient}
	c.seen()
	return c
}

func (c *counter) id() domain.ID {
	id, err := c.Ledger.NewID()
	c.must(err)
	return id
}

func (c *counter) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// seen brings the views up to date, and names what was written since the last time.
func (c *counter) seen() string {
	c.t.Helper()
	before := c.Keeper.Cursor()
	c.must(c.Keeper.CatchUp(c.t.Context()))
	var names []string
	for _, r := range ledgertest.Between(c.t, c.store, before, c.Keeper.Cursor()) {
		f, err := eventschema.Today.Decode(&r, nil)
		c.must(err)
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func (c *counter) wrote(what, want string) {
	c.t.Helper()
	if got := c.seen(); got != want {
		c.t.Errorf("%s wrote %q, expected %q", what, got, want)
	}
}

func (c *counter) share() {
	c.t.Helper()
	_, err := c.Clients.Do(c.t.Context(), c.client.Actor, c.client, client.Grant{Occasion: client.Settings})
	c.must(err)
	c.wrote("a yes", "sharing.granted")
}

var (
	login  = journal.LogIn{Channel: journal.Web, Browser: "B", System: "S"}
	answer = journal.Answer{Task: "t", Text: "x"}
)

// A code opens until it is replaced, the new one from then on; every other gets the one answer, and is on record.
func TestCodes(t *testing.T) {
	c := newCounter(t)
	s, err := c.LogIn(t.Context(), c.reg.Code, login)
	c.must(err)
	by := desk.CallerOf(&s)
	if by.Actor != c.reg.Client || by.Role != domain.RoleClient || by.Session.IsZero() || s.Channel != "web" || s.Position != 7 {
		t.Error("let in as somebody else")
	}
	c.wrote("a login", "journal.logged-in")
	next, err := c.NewCode()
	c.must(err)
	if _, err := c.LogIn(t.Context(), next, login); !errors.Is(err, desk.ErrCode) {
		t.Errorf("a code never given out: %v", err)
	}
	c.wrote("a wrong code", "signin.refused")
	c.must(c.RotateCode(t.Context(), by, c.reg.Code, next))
	if _, err := c.LogIn(t.Context(), c.reg.Code, login); !errors.Is(err, desk.ErrCode) {
		t.Errorf("the old code, before the views know: %v", err)
	}
	c.wrote("a new code, and the old one", "code.rotated signin.refused")
	if _, err := c.LogIn(t.Context(), c.reg.Code, login); !errors.Is(err, desk.ErrCode) {
		t.Errorf("the old code: %v", err)
	}
	c.wrote("the old code", "signin.refused")
	if _, err = c.LogIn(t.Context(), next, login); err != nil {
		t.Errorf("the new code: %v", err)
	}
	c.wrote("a login", "journal.logged-in")
	c.now = c.now.Add(367 * 24 * time.Hour)
	if _, err := c.LogIn(t.Context(), next, login); !errors.Is(err, desk.ErrCode) {
		t.Errorf("after twelve months without a login: %v", err)
	}
	c.wrote("a login that came too late", "signin.refused")
}

// What a professional enters for a client stands behind the look-up that let it in; where that fails or is refused,
// nothing is entered.
func TestPermissionComesFirst(t *testing.T) {
	c := newCounter(t)
	enter := func() error {
		_, err := c.RegisterFor(t.Context(), c.boss, c.reg.Handle, journal.OnBehalf, answer)
		return err
	}
	if err := enter(); domain.Refused(err) != client.NotShared {
		t.Errorf("without a yes: %v", err)
	}
	c.wrote("an entry without a yes", "lookup.refused")
	c.share()
	c.must(enter())
	c.wrote("an entry", "lookup.made journal.answered")
	c.store.FailAndLose(1)
	if err := enter(); !errors.Is(err, ledgertest.ErrFault) {
		t.Errorf("the look-up was lost: %v", err)
	}
	c.wrote("a lost look-up", "")
	c.store.FailAndLose(2)
	if err := enter(); !errors.Is(err, ledgertest.ErrFault) {
		t.Errorf("the entry was lost: %v", err)
	}
	c.wrote("a lost entry", "lookup.made")
	c.store.FailAndStore(1)
	c.must(enter())
	c.wrote("an entry whose look-up's answer was lost", "lookup.made journal.answered")
	if _, err := c.RegisterFor(t.Context(), c.boss, c.reg.Handle, journal.Together, journal.Rate{Content: "c", Stars: 3}); domain.Refused(err) != journal.BadInput {
		t.Errorf("a rating on behalf: %v", err)
	}
	c.wrote("a rating on behalf", "")
}

// Time passing is recorded once, whoever asks and however often, and costs nothing where nothing is due.
func TestTick(t *testing.T) {
	c := newCounter(t)
	c.share()
	tick := func(want int) {
		t.Helper()
		_, n, err := c.Tick(t.Context())
		c.must(err)
		if n != want {
			t.Errorf("%d clients, expected %d", n, want)
		}
	}
	c.store.ForgetUses()
	tick(0)
	if uses := c.store.Uses(); len(uses) != 0 {
		t.Errorf("a tick with nothing due used %d streams", len(uses))
	}
	c.now = c.now.Add(154 * 24 * time.Hour)
	tick(1)
	tick(0) // the views do not know yet
	c.wrote("the question", "follow-up.asked")
	c.now = c.now.Add(29 * 24 * time.Hour)
	c.store.FailAndStore(1)
	tick(1)
	c.wrote("the lapse", "sharing.lapsed")
	c.now = c.now.Add(400 * 24 * time.Hour)
	c.store.FailAndLose(1)
	if _, _, err := c.Tick(t.Context()); !errors.Is(err, ledgertest.ErrFault) {
		t.Errorf("a tick that failed: %v", err)
	}
	tick(1)
	c.wrote("the year", "client.deactivated")
	tick(0)
	c.wrote("nothing due", "")
}

// A registration that was lost leaves no client, and the code in hand opens nothing.
func TestLostRegistration(t *testing.T) {
	c := newCounter(t)
	c.store.FailAndLose(1)
	r, err := c.RegisterClient(t.Context(), c.boss)
	if !errors.Is(err, ledgertest.ErrFault) {
		t.Fatal(err)
	}
	c.wrote("a lost registration", "")
	if _, err := c.LogIn(t.Context(), r.Code, login); !errors.Is(err, desk.ErrCode) {
		t.Errorf("its code: %v", err)
	}
	c.wrote("its code", "signin.refused")
	stranger := c.boss
	stranger.Actor = c.id()
	if _, err := c.RegisterClient(t.Context(), stranger); domain.Refused(err) != organisation.NotActive {
		t.Errorf("a stranger registers: %v", err)
	}
	c.wrote("a stranger's registration", "")
}

// Feedback names nobody, whoever gives it; the service's key is made when it is first needed.
func TestSuggest(t *testing.T) {
	c := newCounter(t)
	for range 2 {
		c.must(c.Suggest(t.Context(), domain.Text{Name: "feedback"}, journal.Feedback{Form: "f", Text: "canary"}))
	}
	c.wrote("two suggestions", "feedback.given feedback.given")
	for _, r := range ledgertest.Between(t, c.store, c.Keeper.Cursor()-2, c.Keeper.Cursor()) {
		f, err := c.Ledger.Decode(context.Background(), &r)
		c.must(err)
		if f.Act.Actor != (domain.ID{}) || f.Act.Session != (domain.ID{}) || f.Act.Role != "" || f.Act.At != domain.DateOf(c.now).Start() {
			t.Error("it tells who gave it, or at what time of the day")
		}
	}
}

// What is registered as one's own is a client's, with a code in use.
func TestOnlyClientsRegisterForThemselves(t *testing.T) {
	c := newCounter(t)
	for what, by := range map[string]ledger.Caller{
		"a professional": c.boss, "nobody": {}, "a client that never was": {Actor: c.id(), Role: domain.RoleClient},
	} {
		if _, err := c.Register(t.Context(), by, answer); domain.Refused(err) != client.NotYours {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.wrote("entries of others", "")
}
