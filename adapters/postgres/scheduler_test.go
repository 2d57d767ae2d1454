package postgres_test

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// A scheduler is an instance of the program, as far as it lets time pass.
type scheduler struct {
	*desk.Desk
	store *postgres.Store
	ring  *postgres.Ring
}

// schedulers are instances over one ledger and one keyring, with one clock.
func schedulers(t *testing.T, count int, clock func() time.Time) (all []scheduler) {
	t.Helper()
	dsn, keys := postgrestest.Database(t), newCellar(t)
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	hash, err := signin.LoadHashKey(d, "code.key", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for range count {
		s := scheduler{store: mustOpen(t, dsn, postgres.Options{}), ring: keys.open(t, postgres.RingOptions{})}
		l := &ledger.Ledger{Store: s.store, Keys: s.ring, Clock: clock, Random: rand.Reader}
		s.Desk = desk.New(l, views.NewKeeper(l, rules.All), rules.All, hash)
		all = append(all, s)
	}
	return all
}

// pass does all that a scheduler does when its turn comes.
func (s scheduler) pass(t *testing.T, now time.Time) {
	if err := s.Keeper.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Tick(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.FinishErasures(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.ring.Rotate(t.Context(), now); err != nil {
		t.Error(err)
	}
}

// A lease may have two holders for a moment. When three schedulers let time pass at once, each question, each lapse and each step of an
// erasure is recorded once, and every key still opens what was sealed.
func TestSchedulersAtOnce(t *testing.T) {
	var now atomic.Int64
	clock := func() time.Time { return time.Unix(now.Load(), 0).UTC() }
	now.Store(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC).Unix())
	all := schedulers(t, 3, clock)
	first := all[0]
	id := func() domain.ID {
		id, err := first.Ledger.NewID()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	boss := ledger.Caller{Actor: id(), Role: domain.RoleSuperuser, Session: id(), Organisation: id()}
	must(first.RegisterOrganisation(t.Context(), ledger.Caller{Actor: id(), Role: domain.RoleEmployee}, organisation.Register{
		Organisation: boss.Organisation, Service: rules.AssistertSelvhjelp, Superuser: boss.Actor,
		Details: organisation.Professional{FirstName: "N", LastName: "N", Workplace: "R", Position: "p", Phone: "55 00 00 00", Email: "n@example.org"},
		Contact: organisation.Contact{Name: "S", Number: "974760673", Person: "K", Email: "p@example.org", Phone: "55 00 00 00"},
	}))
	const clients, erased = 12, 3
	var ids []domain.ID
	for range clients {
		reg, err := first.RegisterClient(t.Context(), boss)
		must(err)
		_, err = first.Clients.Do(t.Context(), reg.Client, ledger.Caller{Actor: reg.Client, Role: domain.RoleClient}, client.Grant{Occasion: client.Settings})
		must(err)
		ids = append(ids, reg.Client)
	}
	begun := ledgertest.Check(t, first.store)
	start := clock()
	for _, days := range []int{154, 183} {
		if days == 183 { // and some erasures were interrupted
			for _, id := range ids[:erased] {
				_, err := first.Act(t.Context(), ledger.Caller{Actor: id, Role: domain.RoleClient}, client.Erase{})
				must(err)
			}
		}
		now.Store(start.AddDate(0, 0, days).Unix())
		for range 2 { // the second time with all that the first wrote
			var at sync.WaitGroup
			for _, s := range all {
				at.Go(func() { s.pass(t, clock()) })
			}
			at.Wait()
		}
	}
	count := map[string]map[string]int{}
	for _, r := range ledgertest.Check(t, first.store)[len(begun):] {
		f, err := eventschema.Today.Decode(&r, nil)
		must(err)
		if count[f.Name] == nil {
			count[f.Name] = map[string]int{}
		}
		count[f.Name][r.Stream]++
	}
	for name, want := range map[string]int{
		"follow-up.asked": clients, "sharing.lapsed": clients - erased,
		"client.erased": erased, "client.key-destroyed": erased, "client.swept": erased,
	} {
		for stream, n := range count[name] {
			if n != 1 {
				t.Errorf("%s is on record %d times in %s", name, n, stream)
			}
		}
		if len(count[name]) != want {
			t.Errorf("%s is on record for %d clients, expected %d", name, len(count[name]), want)
		}
	}
	if living, destroyed, err := first.ring.Count(t.Context()); living != clients-erased+2 || destroyed != erased || err != nil {
		t.Errorf("%d keys living and %d destroyed, %v", living, destroyed, err)
	}
}
