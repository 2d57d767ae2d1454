package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/domain"
)

// Summer time begins on 29 March 2026 at 01:00 UTC and ends on 25 October 2026 at 01:00 UTC.
func TestStartAcrossSummerTime(t *testing.T) {
	for _, c := range []struct{ day, start string }{
		{"2026-03-28", "2026-03-27T23:00:00Z"},
		{"2026-03-29", "2026-03-28T23:00:00Z"}, // 23 hours long
		{"2026-03-30", "2026-03-29T22:00:00Z"},
		{"2026-10-24", "2026-10-23T22:00:00Z"},
		{"2026-10-25", "2026-10-24T22:00:00Z"}, // 25 hours long
		{"2026-10-26", "2026-10-25T23:00:00Z"},
		{"2026-01-01", "2025-12-31T23:00:00Z"},
		{"1970-01-01", "1969-12-31T23:00:00Z"},
	} {
		got := domain.MustDate(c.day).Start()
		if got.Format(time.RFC3339Nano) != c.start || got.Location() != time.UTC {
			t.Errorf("%s begins at %s, expected %s", c.day, got.Format(time.RFC3339Nano), c.start)
		}
	}
}

func TestDateOfAcrossSummerTime(t *testing.T) {
	for _, c := range []struct{ instant, day string }{
		{"2026-03-28T22:59:59.999999999Z", "2026-03-28"},
		{"2026-03-28T23:00:00Z", "2026-03-29"},
		{"2026-03-29T00:59:59Z", "2026-03-29"}, // 01:59:59, the last second of winter
		{"2026-03-29T01:00:00Z", "2026-03-29"}, // 03:00:00
		{"2026-03-29T21:59:59Z", "2026-03-29"},
		{"2026-03-29T22:00:00Z", "2026-03-30"},
		{"2026-10-24T22:00:00Z", "2026-10-25"},
		{"2026-10-25T00:30:00Z", "2026-10-25"}, // 02:30 for the first time
		{"2026-10-25T01:30:00Z", "2026-10-25"}, // 02:30 for the second
		{"2026-10-25T22:59:59Z", "2026-10-25"},
		{"2026-10-25T23:00:00Z", "2026-10-26"},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.instant)
		if err != nil {
			t.Fatal(err)
		}
		if got := domain.DateOf(at).String(); got != c.day {
			t.Errorf("%s is in %s, expected %s", c.instant, got, c.day)
		}
		if got := domain.DateOf(at.In(time.FixedZone("far", -11*3600))).String(); got != c.day {
			t.Errorf("%s, told in another zone, is in %s, expected %s", c.instant, got, c.day)
		}
	}
}

func TestEveryDayBeginsWhereTheLastEnds(t *testing.T) {
	d, end := domain.NewDate(2020, time.January, 1), domain.NewDate(2031, time.January, 1)
	hours := map[time.Duration]int{}
	for ; d < end; d++ {
		start := d.Start()
		if got := domain.DateOf(start); got != d {
			t.Fatalf("the start of %s is in %s", d, got)
		}
		if got := domain.DateOf(start.Add(-time.Nanosecond)); got != d-1 {
			t.Fatalf("a nanosecond before %s is in %s", d, got)
		}
		if got, err := domain.ParseDate(d.String()); err != nil || got != d {
			t.Fatalf("%s is read as %s, %v", d, got, err)
		}
		hours[(d+1).Start().Sub(start)]++
	}
	if hours[23*time.Hour] != 11 || hours[25*time.Hour] != 11 || hours[24*time.Hour] != 4018-22 {
		t.Errorf("lengths of days: %v", hours)
	}
}

func TestCalendar(t *testing.T) {
	date := domain.MustDate
	for _, c := range []struct {
		what      string
		got, want domain.Date
	}{
		{"a leap year's day", date("2024-02-28") + 1, date("2024-02-29")},
		{"no leap year", date("2026-02-28") + 1, date("2026-03-01")},
		{"1900 was none, 2000 was one", date("2000-02-28") + 1, date("2000-02-29")},
		{"a day past the month's end runs on", domain.NewDate(2026, 2, 30), date("2026-03-02")},
		{"31.01 + 1 month", date("2026-01-31").AddMonths(1), date("2026-02-28")},
		{"31.01 + 1 month in a leap year", date("2024-01-31").AddMonths(1), date("2024-02-29")},
		{"29.02 + 12 months", date("2024-02-29").AddMonths(12), date("2025-02-28")},
		{"28.02 + 12 months stays the 28th", date("2023-02-28").AddMonths(12), date("2024-02-28")},
		{"31.10 + 13 months, over the year", date("2025-10-31").AddMonths(13), date("2026-11-30")},
		{"31.12 + 2 months", date("2025-12-31").AddMonths(2), date("2026-02-28")},
		{"30.06 - 4 months", date("2026-06-30").AddMonths(-4), date("2026-02-28")},
		{"15.05 + 0 months", date("2026-05-15").AddMonths(0), date("2026-05-15")},
		{"22 weeks", date("2026-01-01").AddWeeks(22), date("2026-01-01").AddDays(154)},
		{"22 weeks over the change to summer time", date("2026-01-01").AddWeeks(22), date("2026-06-04")},
		{"Friday + 1 working day", date("2026-05-15").AddWorkingDays(1), date("2026-05-18")},
		{"Saturday + 1 working day", date("2026-05-16").AddWorkingDays(1), date("2026-05-18")},
		{"Sunday + 1 working day", date("2026-05-17").AddWorkingDays(1), date("2026-05-18")},
		{"Monday + 1 working day", date("2026-05-18").AddWorkingDays(1), date("2026-05-19")},
		{"Monday + 7 working days", date("2026-05-18").AddWorkingDays(7), date("2026-05-27")},
		{"public holidays count: 1 and 17 May 2024", date("2024-04-30").AddWorkingDays(13), date("2024-05-17")},
		{"no working day", date("2026-05-16").AddWorkingDays(0), date("2026-05-16")},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, expected %s", c.what, c.got, c.want)
		}
	}
}

func TestAddMonthsKeepsTheMonth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := domain.NewDate(2000, 1, 1).AddDays(rapid.IntRange(0, 20000).Draw(t, "day"))
		n := rapid.IntRange(0, 60).Draw(t, "months")
		from, _ := time.Parse(time.DateOnly, d.String())
		to, _ := time.Parse(time.DateOnly, d.AddMonths(n).String())
		months := (to.Year()-from.Year())*12 + int(to.Month()) - int(from.Month())
		lastOfMonth := to.AddDate(0, 0, 1).Day() == 1
		if months != n || to.Day() > from.Day() || to.Day() < from.Day() && !lastOfMonth {
			t.Fatalf("%s and %d months is %s", d, n, d.AddMonths(n))
		}
	})
}

func TestDateText(t *testing.T) {
	var none domain.Date
	if none.String() != "" {
		t.Errorf("the zero day is %q", none)
	}
	for _, bad := range []string{"", "2026-02-30", "2026-2-3", "02.03.2026", "2026-03-02T00:00:00Z", " 2026-03-09", "20260302", "secret-word"} {
		if d, err := domain.ParseDate(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, d)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the input: %v", err)
		}
	}
	in := struct{ Day, None domain.Date }{Day: domain.MustDate("2026-03-02")}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"Day":"2026-03-02","None":""}` {
		t.Fatalf("%s, %v", b, err)
	}
	out := struct{ Day, None domain.Date }{None: 5}
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("read back as %v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`"2026-13-01"`), &out.Day); err == nil {
		t.Error("month 13 is taken")
	}
}

func TestID(t *testing.T) {
	const text = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
	id, err := domain.ParseID(text)
	if err != nil || id.String() != text || id.IsZero() {
		t.Fatalf("%s is read as %s, %v", text, id, err)
	}
	if upper, err := domain.ParseID(strings.ToUpper(text)); err != nil || upper != id {
		t.Errorf("upper case: %s, %v", upper, err)
	}
	for _, bad := range []string{
		"", "secret", "1b4e28ba2fa141d2883f0016d3cca427", "{1b4e28ba-2fa1-41d2-883f-0016d3cca427}",
		"urn:uuid:" + text, "1b4e28ba-2fa1-41d2-883f-0016d3cca42g", text + "0", "1b4e28ba+2fa1+41d2+883f+0016d3cca427",
		strings.Repeat("ø", 18),
	} {
		got, err := domain.ParseID(bad)
		if err == nil || !got.IsZero() {
			t.Errorf("%q is taken for %s", bad, got)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the input: %v", err)
		}
	}
	var zero domain.ID
	if zero.String() != "" || !zero.IsZero() {
		t.Errorf("the zero id is %q", zero)
	}
	b, err := json.Marshal([]domain.ID{id, {}})
	if err != nil || string(b) != `["`+text+`",""]` {
		t.Fatalf("%s, %v", b, err)
	}
	out := []domain.ID{{9}, {9}}
	if err := json.Unmarshal(b, &out); err != nil || out[0] != id || !out[1].IsZero() {
		t.Errorf("read back as %v, %v", out, err)
	}
}

func TestDerive(t *testing.T) {
	space := domain.ID{1}
	a := domain.Derive(space, []byte("a"))
	if a != domain.Derive(space, []byte("a")) {
		t.Error("the same name gives two ids")
	}
	if a == domain.Derive(space, []byte("b")) || a == domain.Derive(domain.ID{2}, []byte("a")) {
		t.Error("two names give one id")
	}
	if a[6]>>4 != 5 || a[8]>>6 != 2 {
		t.Errorf("%s is not of version 5", a)
	}
}

func TestRefused(t *testing.T) {
	r := domain.Refuse("not-shared", "The client does not share.")
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"a refusal", r, "not-shared"},
		{"wrapped", fmt.Errorf("look-up: %w", r), "not-shared"},
		{"wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", r)), "not-shared"},
		{"joined", errors.Join(errors.New("closing"), r), "not-shared"},
		{"joined and wrapped", fmt.Errorf("x: %w", errors.Join(r, nil)), "not-shared"},
		{"a failure", errors.New("not-shared"), ""},
		{"a failure that tells of a refusal", fmt.Errorf("failed: %s", r), ""},
	} {
		if got := domain.Refused(c.err); got != c.want {
			t.Errorf("%s: %q, expected %q", c.what, got, c.want)
		}
	}
	if r.Error() != "The client does not share." {
		t.Errorf("shown: %q", r.Error())
	}
}
