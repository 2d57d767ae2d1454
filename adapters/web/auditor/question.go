package auditor

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain"
)

// A question is a form as it was filled in.
type question struct {
	Client, Professional, Organisation string
	From, To                           string // days, the last one included
	Known, Back                        string // an instant, and days before it
	Reason                             string

	Stale bool // password and one-time code have to be given first
}

// A period is what a question means by its days and instants. What is not given is nil.
type period struct {
	from, to, known *time.Time
}

// The forms in which browsers send instants and days.
const (
	localForm  = "2006-01-02T15:04"
	secondForm = "2006-01-02T15:04:05"
)

// readQuestion reads the form that was sent. It refuses days and instants that are none, and a question without a reason.
func readQuestion(r *api.Request) (question, period, error) {
	field := func(name string) string { return strings.TrimSpace(r.Form(name)) }
	q := question{
		Client: field("client"), Professional: field("professional"), Organisation: field("organisation"),
		From: field("from"), To: field("to"), Known: field("known"), Back: field("back"), Reason: field("reason"),
	}
	p, err := q.period(r.Now())
	if err == nil && q.Reason == "" {
		err = badInput
	}
	return q, p, err
}

var badInput = web.NewProblem(http.StatusUnprocessableEntity, "bad-input", "A day or an instant is none, or the reason is missing.")

// period tells what is meant, at the instant now.
func (q question) period(now time.Time) (p period, err error) {
	day := func(s string, later int) *time.Time {
		if s == "" {
			return nil
		}
		d, wrong := domain.ParseDate(s)
		if wrong != nil {
			err = badInput
		}
		t := d.AddDays(later).Start()
		return &t
	}
	instant := func(s string) *time.Time {
		if s == "" {
			return nil
		}
		form := localForm
		if len(s) > len(localForm) {
			form = secondForm
		}
		t, wrong := time.ParseInLocation(form, s, domain.Oslo)
		if wrong != nil {
			err = badInput
		}
		return &t
	}
	p = period{from: day(q.From, 0), to: day(q.To, 1), known: instant(q.Known)}
	back := q.back()
	if back > 0 || q.Back != "" && q.Back != strconv.Itoa(back) {
		err = badInput
	}
	if back < 0 {
		from := now
		if p.known != nil {
			from = *p.known
		}
		t := from.In(domain.Oslo).AddDate(0, 0, back).Truncate(time.Second)
		p.known = &t
	}
	return p, err
}

// back is the slider's place: none or a negative number of days.
func (q question) back() int {
	n, _ := strconv.Atoi(q.Back)
	return max(n, -farthest)
}

// farthest is how many days back one can slide at most.
const farthest = 20_000

// fixed is the question with its instant settled, for what is asked next: the same must be meant then.
func (q question) fixed(p period) question {
	q.Back = ""
	if p.known != nil {
		q.Known = p.known.In(domain.Oslo).Format(secondForm)
	}
	return q
}

// A slider goes back over the period, day by day.
type slider struct {
	Min, Value int
	Marks      []mark // days that it passes, from the first to the last
	Chosen     time.Time
}

// A mark is a place on the slider with the day that it stands for.
type mark struct {
	Value int
	Day   domain.Date
}

// usual is how far one can slide where the question names no beginning.
const usual = 365

func newSlider(r *api.Request, q question) slider {
	s := slider{Min: -usual, Value: q.back(), Chosen: r.Now()}
	p, err := q.period(r.Now())
	if err != nil {
		p, s.Value = period{}, 0
	}
	if p.known != nil {
		s.Chosen = *p.known
	}
	end := domain.DateOf(s.Chosen).AddDays(-s.Value)
	if p.from != nil {
		s.Min = min(int(domain.DateOf(*p.from)-end), -1)
	}
	s.Min = max(min(s.Min, s.Value), -farthest)
	for i := range 5 {
		at := s.Min * (4 - i) / 4
		s.Marks = append(s.Marks, mark{at, end.AddDays(at)})
	}
	return s
}
