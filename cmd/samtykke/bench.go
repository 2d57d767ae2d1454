package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/proof"
)

type benchCmd struct {
	Data       string   `default:"." placeholder:"DIR" help:"A folder on the disk to be measured. A scratch folder is made in it, and removed afterwards."`
	Events     int      `default:"1000000" help:"How many events the ledger has that is replayed and opened."`
	Clients    int      `help:"How many clients these belong to; one for every 50 events, if not given."`
	Only       []string `enum:"disk,replay,sealed,open,decide,overview,tick" placeholder:"NAME,..." help:"Measure only these: ${enum}."`
	HTTP       bool     `name:"http" help:"Measure the interface instead: look-ups, grants and withdrawals over TCP on this machine."`
	Law6       bool     `name:"law6" help:"Measure instead whether the time of an answer tells who is not there."`
	Proof      bool     `name:"proof" help:"Measure instead what tree and sealing cost a look-up, proofs, and how long verify takes."`
	Erasure    bool     `name:"erasure" help:"Measure instead an erasure, a sweep beside writers, and who saw what of one client."`
	Pages      bool     `name:"pages" help:"Measure instead every page that people come to: the whole request, rendering alone, and the size."`
	Statistics bool     `help:"Measure instead releases of statistics: what they tell, what an attacker finds, and the time."`
	Answers    string   `placeholder:"FILE" help:"For --statistics: a second cohort, of answers to PHQ-9 as demo takes them."`
	Store      string   `placeholder:"URL|env:NAME" help:"Measure instead a ledger in PostgreSQL, in a schema of its own that is removed afterwards: appends, following, views."`
	Demo       string   `placeholder:"DIR" help:"Measure instead a demo as it lies, events, keys and views at servers if the environment says so: the overview, who saw what, a registration, memory. Look-ups and clients are added to it."`
	Visits     int      `default:"200" placeholder:"N" help:"How many times --pages asks for each page."`
	Calls      int      `default:"100000" placeholder:"N" help:"How many timed calls --law6 takes for look-ups, and as many again for codes."`
	JSON       bool     `name:"json" help:"Print JSON."`
	Profile    string   `placeholder:"FILE" help:"Write a profile of where the processor's time goes; read it with go tool pprof."`
	Quick      bool     `help:"A run of seconds that shows every line. Its figures mean little."`
}

// A benchSection is a part of the table.
type benchSection struct {
	name    string
	measure func(*bench) error
}

// benchSections are what is measured unless something else is asked for, in the order of the table.
var benchSections = []benchSection{
	{"disk", (*bench).writing},
	{"replay", (*bench).replay},
	{"sealed", (*bench).sealed},
	{"open", (*bench).opening},
	{"decide", (*bench).decide},
	{"overview", (*bench).overview},
	{"tick", (*bench).tick},
}

// sections are those that were asked for.
func (c *benchCmd) sections() []benchSection {
	var asked []benchSection
	if c.HTTP {
		asked = append(asked, benchSection{"http", (*bench).overHTTP})
	}
	if c.Law6 {
		asked = append(asked, benchSection{"law6", (*bench).lawSix})
	}
	if c.Pages {
		asked = append(asked, benchSection{"pages", (*bench).byPage})
	}
	if c.Proof {
		asked = append(asked, benchSection{"proof", (*bench).byProof})
	}
	if c.Erasure {
		asked = append(asked, benchSection{"erasure", (*bench).erasing})
	}
	if c.Statistics {
		asked = append(asked, benchSection{"statistics", (*bench).tabulating})
	}
	if c.Store != "" {
		asked = append(asked, benchSection{"store", (*bench).storing})
	}
	if c.Demo != "" {
		asked = append(asked, benchSection{"demo", (*bench).lived})
	}
	if asked != nil {
		return asked
	}
	return slices.DeleteFunc(slices.Clone(benchSections), func(s benchSection) bool {
		return len(c.Only) > 0 && !slices.Contains(c.Only, s.name)
	})
}

// Run measures in a scratch folder, and prints what came out.
func (c *benchCmd) Run(env *surroundings) (err error) {
	b := &bench{ctx: env.ctx, extent: fullExtent(c.Events, c.Clients), note: func(string) {}, answers: c.Answers, demo: c.Demo}
	if c.Quick {
		b.extent = quickExtent
	} else {
		b.note = func(what string) { fmt.Fprintf(env.stderr, "samtykke: measuring: %s\n", what) }
	}
	if b.calls == 0 {
		b.calls, b.visits = c.Calls, c.Visits
	}
	if b.calls < 100 {
		return usage("--calls goes from 100")
	}
	if b.visits < 1 {
		return usage("--visits goes from 1")
	}
	if b.events < 1000 || b.clients < 10 || b.clients > b.events/10 {
		return usage("--events goes from 1000, and --clients from 10 to a tenth of that")
	}
	dir, err := os.MkdirTemp(c.Data, "samtykke-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := disk.OS(dir)
	if err != nil {
		return err
	}
	b.disk = pacedDisk{d, new(pace)}
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if b.store, err = whereOf(c.Store, "--store"); err != nil {
		return err
	}
	if !c.HTTP && !c.Law6 && !c.Pages && !c.Proof && !c.Erasure && !c.Statistics && c.Store == "" && c.Demo == "" {
		b.said = b.conditions()
	}
	for _, s := range c.sections() {
		b.note(s.name)
		if err := errors.Join(s.measure(b), env.ctx.Err()); err != nil {
			return fmt.Errorf("measuring %s: %w", s.name, err)
		}
	}
	r := benchReport{Conditions: append(b.said, machine()), Lines: b.lines}
	if c.JSON {
		return answer(env.stdout, r)
	}
	return r.print(env.stdout)
}

// A bench is one run.
type bench struct {
	extent
	ctx   context.Context
	disk  pacedDisk
	note  func(string)
	said  []string // under which conditions it was measured
	lines []benchLine

	proof proof.Options // of the next data directories
	plain bool          // their keys neither seal nor open

	store   string // connection string of the server that is measured
	demo    string // folder of a demo that is measured where it lies
	answers string // file of a cohort; "": none
	history string // folder of the ledger that is replayed and opened, once it is made
}

// extent is how much is measured, and for how long.
type extent struct {
	events, clients  int // of the ledger that is replayed
	people           int // clients who are looked up
	journal          int // sealed events of each
	caseload         int // clients of the organisation whose overview is read
	timed            int // clients among whom the scheduler finds a hundred
	due              int // that hundred
	rounds           int // in which figure and yardstick take turns
	reads            int // the same, where the whole ledger is read
	slice            time.Duration
	calls            int           // timed ones whose answers must not be told apart by it
	passwords        int           // the same, where each costs a password's hash
	strangers        int           // of each kind
	lives, weeks     int           // clients of the demo whose pages are asked for, and how long they live
	visits           int           // of each page
	upkept           time.Duration // how long look-ups go on that are measured with their upkeep
	erased           int           // clients
	swept            int64         // bytes of sealed events
	heldUp           time.Duration // how long a sweep is, every so long
	counted, offices int           // clients of a release, and organisations
}

func fullExtent(events, clients int) extent {
	if clients == 0 {
		clients = events / 50
	}
	return extent{
		events: events, clients: clients, people: 1536, journal: 40, caseload: 1000, timed: 1_000_000, due: 100,
		rounds: 5, reads: 3, slice: 150 * time.Millisecond, passwords: 300, strangers: 256,
		lives: 200, weeks: 60, upkept: 2 * time.Second, erased: 200, swept: 1 << 30, heldUp: time.Second, counted: 100_000, offices: 300,
	}
}

var quickExtent = extent{
	events: 3000, clients: 100, people: 64, journal: 4, caseload: 20, timed: 500, due: 5, rounds: 1, reads: 1, slice: 4 * time.Millisecond,
	calls: 300, passwords: 4, strangers: 8, lives: 20, weeks: 30, visits: 1,
	upkept: 4 * time.Millisecond, erased: 5, swept: 1 << 20, heldUp: 20 * time.Millisecond, counted: 400, offices: 5,
}

func (b *bench) conditions() []string {
	return []string{
		"Every write is durable (fdatasync) before it is answered.",
		fmt.Sprintf("An event appended to the store, or written raw, has %d bytes; with its frame in the log %d. Raw writes go over zeros.", eventBytes, frameBytes),
		"A look-up is the whole path: standing, decision, append, standing again, opening, the views kept up beside it. Its own event is smaller than 300 bytes.",
		"Of a single caller the figure is the median wait, of several what they get done together.",
		fmt.Sprintf("Figure and yardstick take turns, in %d to %d rounds of the same run; each is a median, and the ratio is figure ÷ yardstick.", b.reads, 2*b.rounds),
		"Cores: what one of them costs all cores together, in their own time. What else the machine does moves it less than the rates.",
	}
}

func machine() string {
	return fmt.Sprintf("%d processor cores, %s, %s/%s.", runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// A benchReport is what a run prints.
type benchReport struct {
	Conditions []string    `json:"conditions"`
	Lines      []benchLine `json:"lines"`
}

// A benchLine is one figure beside its yardstick. Both have the same unit.
type benchLine struct {
	Section   string  `json:"section"`
	What      string  `json:"what"`
	Figure    float64 `json:"figure"`
	Unit      unit    `json:"unit"`
	Against   string  `json:"yardstick,omitempty"`
	Yardstick float64 `json:"yardstickFigure,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"` // Figure ÷ Yardstick
	Aim       string  `json:"aim,omitempty"`
	Met       string  `json:"met,omitempty"`
	Note      string  `json:"note,omitempty"`
}

// unit is what a figure counts.
type unit string

const (
	perSecond unit = "per second"
	seconds   unit = "seconds"
	bytesHeld unit = "bytes"
	counted   unit = "count"
	chance    unit = "chance"
	persons   unit = "persons"
)

// An aim is what a figure, or its ratio, is held to. A floor of zero is none.
type aim struct {
	ratio       bool
	most, least float64
	floor       float64
}

// add notes a line. The yardstick may be missing, and so may the aim.
func (b *bench) add(l benchLine, a *aim) {
	if l.Yardstick != 0 {
		l.Ratio = l.Figure / l.Yardstick
	}
	if a != nil {
		l.Aim, l.Met = a.text(l.Unit), a.judge(&l)
	}
	b.lines = append(b.lines, l)
}

func (a *aim) judge(l *benchLine) string {
	v := l.Figure
	if a.ratio {
		v = l.Ratio
	}
	switch {
	case a.most != 0 && v <= a.most, a.least != 0 && v >= a.least:
		return "met"
	case a.floor != 0 && v >= a.floor:
		return "floor"
	}
	return "missed"
}

func (a *aim) text(u unit) string {
	show := u.show
	if a.ratio {
		show = func(v float64) string { return fmt.Sprintf("%.2f×", v) }
	}
	switch {
	case a.most != 0:
		return "≤ " + show(a.most)
	case a.floor != 0:
		return "≥ " + show(a.least) + ", floor " + show(a.floor)
	}
	return "≥ " + show(a.least)
}

// show writes a figure with three digits that count.
func (u unit) show(v float64) string {
	switch u {
	case perSecond:
		return grouped(v) + "/s"
	case seconds:
		for _, s := range []struct {
			from, scale float64
			name        string
		}{{1, 1, "s"}, {1e-3, 1e3, "ms"}, {1e-6, 1e6, "µs"}} {
			if v >= s.from {
				return fmt.Sprintf("%.3g %s", v*s.scale, s.name)
			}
		}
		return fmt.Sprintf("%.3g ns", v*1e9)
	case persons:
		return fmt.Sprintf("%.2f", v)
	case chance:
		return fmt.Sprintf("%.2g", v)
	case bytesHeld:
		if v < 1e6 {
			return fmt.Sprintf("%.3g kB", v/1e3)
		}
		return fmt.Sprintf("%.0f MB", v/1e6)
	}
	return grouped(v)
}

// grouped writes a number with a space between thousands.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func (r benchReport) print(to io.Writer) error {
	fmt.Fprintln(to, strings.Join(r.Conditions, "\n"))
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	section := ""
	for _, l := range r.Lines {
		if l.Section != section {
			section = l.Section
			fmt.Fprintf(w, "\n%s\tFIGURE\tYARDSTICK\t\tRATIO\tAIM\t\tNOTE\n", strings.ToUpper(section))
		}
		yardstick, ratio := "", ""
		if l.Yardstick != 0 {
			yardstick, ratio = l.Unit.show(l.Yardstick), fmt.Sprintf("%.2f×", l.Ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.What, l.Unit.show(l.Figure), yardstick, l.Against, ratio, l.Aim, l.Met, l.Note)
	}
	return w.Flush()
}

// median is the middle one of the values.
func median(of []float64) float64 { return quantile(of, 0.5) }

// quantile is the value below which the part lies.
func quantile(of []float64, part float64) float64 {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	return s[min(len(s)-1, int(part*float64(len(s))))]
}

// timed gives how many seconds it takes.
func timed(do func() error) (float64, error) {
	begun := time.Now()
	err := do()
	return time.Since(begun).Seconds(), err
}

// processor gives the time that all cores have worked for this process, in seconds. It tells what something costs where
// other programs take their share of the cores.
func processor() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
