package statistics_test

import (
	"testing"

	"samtykke/domain"
	"samtykke/domain/domaintest"
	"samtykke/domain/statistics"
)

func released(period string) statistics.Released {
	return statistics.Released{
		Specification: "quarterly", Version: 1, Period: period, Position: 7, Tables: statistics.Hash{1}, Package: statistics.Hash{2},
	}
}

// Each quarter is released once, when it is over, in its order, and by the service's own staff.
func TestReleases(t *testing.T) {
	noon := domain.MustDate("2026-10-01").Start()
	var s statistics.State
	release := func(a domain.Act, r statistics.Released, want string) {
		t.Helper()
		events, err := statistics.Decider.Decide(a, s, r)
		if got := domain.Refused(err); got != want || err != nil && got == "" {
			t.Errorf("%s by %s: %q, %v; want %q", r.Period, a.Role, got, err, want)
		}
		for _, e := range events {
			s = statistics.Evolve(s, e)
		}
	}
	by := domaintest.AsEmployee(noon)
	release(by, released("2026Q4"), statistics.NotClosed)
	release(domaintest.AsEmployee(noon.Add(-1)), released("2026Q3"), statistics.NotClosed) // an instant too early
	release(domaintest.AsSuperuser(noon), released("2026Q3"), statistics.NotYours)
	release(by, released("2026"), statistics.BadInput)
	for _, lacking := range []func(*statistics.Released){
		func(r *statistics.Released) { r.Specification = "" }, func(r *statistics.Released) { r.Version = 0 },
		func(r *statistics.Released) { r.Position = 0 }, func(r *statistics.Released) { r.Tables = statistics.Hash{} },
		func(r *statistics.Released) { r.Package = statistics.Hash{} },
	} {
		r := released("2026Q3")
		lacking(&r)
		release(by, r, statistics.BadInput)
	}
	release(by, released("2026Q2"), "")
	release(by, released("2026Q2"), statistics.WasReleased)
	release(by, released("2026Q1"), statistics.NotInOrder)
	release(by, released("2026Q3"), "")
	if len(s.Releases) != 2 || s.Releases[1].Period != "2026Q3" || s.Releases[1].InStream != 2 || !s.Releases[1].At.Equal(noon) {
		t.Errorf("%+v", s.Releases)
	}
}

// A restored ledger is told again of what went out, and then never releases it anew.
func TestReleasesAreReapplied(t *testing.T) {
	noon := domain.MustDate("2026-10-01").Start()
	var s statistics.State
	for range 2 {
		events, err := statistics.Decider.Decide(domaintest.AsSystem(noon), s, released("2026Q2"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			s = statistics.Evolve(s, e)
		}
	}
	if len(s.Releases) != 1 || !s.Releases[0].Restored {
		t.Fatalf("%+v", s.Releases)
	}
	if _, err := statistics.Decider.Decide(domaintest.AsEmployee(noon), s, released("2026Q2")); domain.Refused(err) != statistics.WasReleased {
		t.Errorf("released anew: %v", err)
	}
}

func TestHashes(t *testing.T) {
	h := statistics.Hash{0xde, 0xad, 31: 0xef}
	back, err := statistics.ParseHash(h.String())
	if err != nil || back != h {
		t.Errorf("%s: %v", back, err)
	}
	for _, wrong := range []string{"", h.String()[1:], h.String() + "0", "x" + h.String()[1:], "+" + h.String()[1:]} {
		if _, err := statistics.ParseHash(wrong); err == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}
