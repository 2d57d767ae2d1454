package domain

import (
	_ "embed"
	"errors"
	"time"
)

// A Date is a calendar day in Europe/Oslo, counted from 1970-01-01, which is day 1. The zero Date is no day.
type Date int32

//go:embed europe-oslo.tzif
var osloRules []byte

// Oslo is the legal time zone, from the rules embedded in the program and not from the machine's.
var Oslo = func() *time.Location {
	l, err := time.LoadLocationFromTZData("Europe/Oslo", osloRules)
	if err != nil {
		panic(err) // unreachable unless the embedded file is damaged
	}
	return l
}()

const secondsPerDay = 24 * 60 * 60

// NewDate gives the day with that year, month and day of month; a day past the month's end runs on into the next.
func NewDate(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix()/secondsPerDay + 1)
}

// DateOf gives the day in Oslo that holds the instant.
func DateOf(t time.Time) Date {
	y, m, d := t.In(Oslo).Date()
	return NewDate(y, m, d)
}

// ParseDate reads a date written as 2026-03-02.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, errors.New("not a date: expected the form 2026-03-02")
	}
	return Date(t.Unix()/secondsPerDay + 1), nil
}

// MustDate is ParseDate for the tables in the program.
func MustDate(s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		panic(s + ": " + err.Error())
	}
	return d
}

// utc is the start of the day in UTC, for arithmetic on the calendar alone.
func (d Date) utc() time.Time { return time.Unix(int64(d-1)*secondsPerDay, 0).UTC() }

// Start is the instant at which the day begins in Oslo.
func (d Date) Start() time.Time {
	y, m, day := d.utc().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, Oslo).UTC()
}

// AddDays gives the day n days later.
func (d Date) AddDays(n int) Date { return d + Date(n) }

// AddWeeks gives the day n weeks later.
func (d Date) AddWeeks(n int) Date { return d + Date(7*n) }

// AddMonths gives the same day n months later, or that month's last day where it is shorter: 31 January and one month
// is 28 or 29 February.
func (d Date) AddMonths(n int) Date {
	y, m, day := d.utc().Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return NewDate(y, m+time.Month(n), min(day, last))
}

// AddWorkingDays gives the day n working days later, counting Monday to Friday and no public holiday.
func (d Date) AddWorkingDays(n int) Date {
	for n > 0 {
		d++
		if wd := d.utc().Weekday(); wd != time.Saturday && wd != time.Sunday {
			n--
		}
	}
	return d
}

// String gives the form 2026-03-02; the zero Date is the empty string.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.utc().Format(time.DateOnly)
}

// MarshalText gives the form of String.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the form of String.
func (d *Date) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*d = 0
		return nil
	}
	*d, err = ParseDate(string(b))
	return err
}
