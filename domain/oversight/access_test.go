package oversight_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/oversight"
)

type access = Story[oversight.Body, oversight.Event, oversight.Access]

var manager = ID(0x51)

func later(a domain.Act, d time.Duration) domain.Act { a.At = at.Add(d); return a }

func safety(d time.Duration) domain.Act { return later(as(manager, domain.RoleSafetyManager), d) }

func opened(t *testing.T) access {
	t.Helper()
	b := oversight.AccessOpened{Door: oversight.Production, Reason: "no answers are shown since 09:12", Minutes: 90}
	return Of(t, oversight.AccessDecider).When(AsEmployee(at), b).Then(event(AsEmployee(at), b))
}

// Who opens which door: the processor's staff either, the safety manager that of addresses; for a reason, and not for long.
func TestAccessOpened(t *testing.T) {
	good := func(d oversight.Door) oversight.AccessOpened {
		return oversight.AccessOpened{Door: d, Reason: "incident 3", Minutes: 60}
	}
	for _, d := range []oversight.Door{oversight.Production, oversight.Addresses} {
		for _, role := range []domain.Role{
			domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleAuditor, domain.RoleSuperuser, domain.RoleProfessional, domain.RoleClient,
			domain.RoleSystem, "",
		} {
			a := as(manager, role)
			o := Of(t, oversight.AccessDecider).When(a, good(d))
			if role == domain.RoleEmployee || role == domain.RoleSafetyManager && d == oversight.Addresses {
				o.Then(event(a, good(d)))
			} else {
				o.ThenRefused(oversight.NotYours)
			}
		}
		Of(t, oversight.AccessDecider).When(as(domain.ID{}, domain.RoleEmployee), good(d)).ThenRefused(oversight.NotYours)
		longest := good(d)
		longest.Minutes = int(oversight.Longest[d] / time.Minute)
		Of(t, oversight.AccessDecider).When(AsEmployee(at), longest).Then(event(AsEmployee(at), longest))
		for _, minutes := range []int{-1, 0, longest.Minutes + 1, math.MaxInt, math.MaxInt/int(time.Minute) + 2, math.MinInt} {
			bad := good(d)
			bad.Minutes = minutes
			Of(t, oversight.AccessDecider).When(AsEmployee(at), bad).ThenRefused(oversight.BadInput)
		}
	}
	for _, change := range []func(*oversight.AccessOpened){
		func(b *oversight.AccessOpened) { b.Door = "" },
		func(b *oversight.AccessOpened) { b.Door = "everything" },
		func(b *oversight.AccessOpened) { b.Reason = " \n" },
		func(b *oversight.AccessOpened) { b.Reason = strings.Repeat("r", 1001) },
		func(b *oversight.AccessOpened) { b.Reason = "\xff" },
	} {
		bad := good(oversight.Production)
		change(&bad)
		Of(t, oversight.AccessDecider).When(AsEmployee(at), bad).ThenRefused(oversight.BadInput)
	}
	for _, reason := range identifying {
		bad := good(oversight.Production)
		bad.Reason = reason
		Of(t, oversight.AccessDecider).When(AsEmployee(at), bad).ThenRefused(oversight.Identifies)
	}
	opened(t).When(AsEmployee(at), good(oversight.Production)).ThenRefused(oversight.BadInput) // each opening is a stream of its own
}

// It ends by itself at its instant, whether or not that is written down, and until then only who opened it uses it.
func TestAccessUsed(t *testing.T) {
	s := opened(t)
	use := oversight.AccessUsed{What: "export", About: "client 12345678-0000-4000-8000-010190500006"}
	last := 90*time.Minute - 1
	for _, d := range []time.Duration{0, time.Minute, last} {
		a := later(AsEmployee(at), d)
		s.When(a, use).Then(event(a, use))
	}
	for _, d := range []time.Duration{last + 1, 24 * time.Hour} {
		s.When(later(AsEmployee(at), d), use).ThenRefused(oversight.NotOpen)
	}
	for _, a := range []domain.Act{as(ID(0xe2), domain.RoleEmployee), safety(0), AsSystem(at), as(ID(0xa1), domain.RoleAuditor)} {
		s.When(a, use).ThenRefused(oversight.NotYours)
	}
	for _, bad := range []oversight.AccessUsed{
		{}, {What: " "}, {What: "export", About: "\x00"}, {What: strings.Repeat("w", 1001)}, {What: "w", About: strings.Repeat("w", 1001)},
	} {
		s.When(AsEmployee(at), bad).ThenRefused(oversight.BadInput)
	}
	if got := s.When(AsEmployee(at), use).Then(event(AsEmployee(at), use)).State(); got.Uses != 1 || !got.Until.Equal(at.Add(90*time.Minute)) {
		t.Errorf("%+v", got)
	}
	Of(t, oversight.AccessDecider).When(AsEmployee(at), use).ThenRefused(oversight.NoAccess)
	s.When(AsEmployee(at), oversight.Queried{Query: "export", Reason: "r"}).ThenRefused(oversight.BadInput)
}

// Whoever opened it closes it, or the safety manager, or the system that removes what was kept meanwhile: once, and for good.
func TestAccessClosed(t *testing.T) {
	s := opened(t)
	for _, a := range []domain.Act{AsEmployee(at), safety(time.Hour), later(AsSystem(at), 100*time.Hour)} {
		closed := s.When(a, oversight.AccessClosed{}).Then(event(a, oversight.AccessClosed{}))
		closed.When(a, oversight.AccessClosed{}).ThenNothing()
		closed.When(later(AsEmployee(at), time.Hour), oversight.AccessUsed{What: "export"}).ThenRefused(oversight.NotOpen)
	}
	for _, a := range []domain.Act{as(ID(0xe2), domain.RoleEmployee), AsProfessional(at), as(ID(0xa1), domain.RoleAuditor)} {
		s.When(a, oversight.AccessClosed{}).ThenRefused(oversight.NotYours)
	}
	Of(t, oversight.AccessDecider).When(AsSystem(at), oversight.AccessClosed{}).ThenRefused(oversight.NoAccess)
}

// The safety manager reviews it, who did not open it, once it has ended, once.
func TestAccessReviewed(t *testing.T) {
	s := opened(t)
	b := oversight.AccessReviewed{Outcome: client.InOrder, Note: "the error was found and mended"}
	s.When(safety(90*time.Minute-1), b).ThenRefused(oversight.StillOpen)
	done := s.When(safety(90*time.Minute), b).Then(event(safety(90*time.Minute), b))
	done.When(safety(91*time.Minute), b).ThenRefused(oversight.WasDone)
	s.When(safety(0), oversight.AccessClosed{}).Then(event(safety(0), oversight.AccessClosed{})).
		When(safety(0), b).Then(event(safety(0), b)) // closed early
	for _, a := range []domain.Act{later(AsEmployee(at), 100*time.Hour), as(ID(0xa1), domain.RoleAuditor), AsSuperuser(at), AsSystem(at)} {
		s.When(a, b).ThenRefused(oversight.NotYours)
	}
	ended := later(as(Employee, domain.RoleSafetyManager), 100*time.Hour)
	s.When(ended, b).ThenRefused(oversight.OwnAccess)
	for _, outcome := range []client.Outcome{"", "fine"} {
		s.When(safety(100*time.Hour), oversight.AccessReviewed{Outcome: outcome}).ThenRefused(oversight.BadInput)
	}
	for _, note := range identifying {
		s.When(safety(100*time.Hour), oversight.AccessReviewed{Outcome: client.Mistake, Note: note}).ThenRefused(oversight.Identifies)
	}
	Of(t, oversight.AccessDecider).When(safety(0), b).ThenRefused(oversight.NoAccess)
}

// Whatever is tried, in whatever order: every use is of who opened it, between the opening and its end.
func TestAccessIsUsedOnlyWhileOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s oversight.Access
		var open oversight.Event
		now, closed := at, false
		for range rapid.IntRange(1, 20).Draw(t, "acts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
			a := rapid.SampledFrom([]domain.Act{AsEmployee(now), as(ID(0xe2), domain.RoleEmployee), as(manager, domain.RoleSafetyManager), AsSystem(now)}).Draw(t, "by")
			a.At = now
			events, err := oversight.AccessDecider.Decide(a, s, rapid.SampledFrom([]oversight.Body{
				oversight.AccessOpened{Door: oversight.Addresses, Reason: "r", Minutes: 60}, oversight.AccessUsed{What: "w"},
				oversight.AccessUsed{What: "w"}, oversight.AccessClosed{}, oversight.AccessReviewed{Outcome: client.InOrder},
			}).Draw(t, "what"))
			if err != nil && domain.Refused(err) == "" {
				t.Fatal(err)
			}
			for _, e := range events {
				switch e.Body.(type) {
				case oversight.AccessOpened:
					if open.Body != nil {
						t.Fatal("opened twice")
					}
					open = e
				case oversight.AccessUsed:
					if open.Body == nil || closed || e.Act.Actor != open.Act.Actor || !now.Before(open.Effective.Add(time.Hour)) {
						t.Fatalf("used by %s at %s", e.Act.Role, now)
					}
				case oversight.AccessClosed:
					closed = true
				case oversight.AccessReviewed:
					if !closed && now.Before(open.Effective.Add(time.Hour)) || e.Act.Actor == open.Act.Actor {
						t.Fatal("reviewed while open, or by who opened it")
					}
				}
				s = oversight.EvolveAccess(s, e)
			}
		}
	})
}
