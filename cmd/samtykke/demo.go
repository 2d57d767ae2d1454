package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"samtykke/adapters/disk"
	"samtykke/domain"
	"samtykke/domain/rules"
)

type demoCmd struct {
	dataFlag
	Clients int    `default:"200" help:"How many clients."`
	Offices int    `name:"organisations" default:"4" help:"How many organisations follow them up."`
	Weeks   int    `default:"60" help:"How many weeks they live through."`
	Seed    uint64 `default:"1" help:"The same seed makes the same history."`
	Start   string `placeholder:"DATE" help:"The first day. If not given, the demo ends today."`
	Answers string `placeholder:"FILE" help:"Answers to PHQ-9 as CSV: person,week,item1,...,item9,difficulty,total. Without it, answers are drawn from the seed."`
}

// earliest is the first Monday on which both services are offered.
var earliest = domain.MustDate("2025-01-20")

// firstDay is the day given, or the one from which the demo ends today.
func (c *demoCmd) firstDay(now time.Time) (domain.Date, error) {
	if c.Start != "" {
		return domain.ParseDate(c.Start)
	}
	return max(earliest, domain.DateOf(now).AddDays(-7*c.Weeks)), nil
}

// unfinished is a file in the data directory while a demo is made there.
const unfinished = "demo-unfinished"

// Run makes the history. While it is made, syncs of the disk are put off: nobody has been promised anything yet. They
// are all done before the command ends, and until then the folder is marked as unfinished.
func (c *demoCmd) Run(env *surroundings) error {
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	start, err := c.firstDay(w.clock())
	switch {
	case err != nil:
		return usage("--start: %v", err)
	case c.Clients < 1 || c.Clients > 1_000_000:
		return usage("--clients goes from 1 to 1000000")
	case c.Offices < 1 || c.Offices > 100_000:
		return usage("--organisations goes from 1 to 100000")
	case c.Weeks < 1 || c.Weeks > 520:
		return usage("--weeks goes from 1 to 520")
	case start < earliest:
		return usage("--start goes from 2025-01-20, when both services are offered")
	}
	var answers *answerFile
	if c.Answers != "" {
		if answers, err = readAnswers(c.Answers); err != nil {
			return usage("--answers: %v", err)
		}
	}
	if names, err := os.ReadDir(c.Data); err == nil && len(names) > 0 {
		return usage("%s is not empty: a demo makes a data directory of its own", c.Data)
	}
	return c.make(env, start, answers)
}

func (c *demoCmd) make(env *surroundings, start domain.Date, answers *answerFile) error {
	below, err := disk.OS(c.Data)
	if err != nil {
		return err
	}
	if err := below.MakeDir(""); err != nil {
		return err
	}
	mark := filepath.Join(c.Data, unfinished)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return err
	}
	lazy := &lazyDisk{Disk: below, names: map[string]bool{}}
	d := &demo{
		random: mrand.New(mrand.NewPCG(c.Seed, 0)), now: start.Start(), answers: answers, clients: c.Clients, offices: c.Offices, weeks: c.Weeks, tells: true,
	}
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(c.Seed >> (8 * i))
	}
	w := world{
		disk: lazy, clock: func() time.Time { return d.now }, random: mrand.NewChaCha8(seed), secrets: rand.Reader, rules: rules.All,
		ledger: os.Getenv(ledgerVariable), keys: os.Getenv(keysVariable), views: os.Getenv(viewsVariable),
	}
	if d.sys, err = w.open(env.ctx); err != nil {
		return err
	}
	d.sys.desk.Door.AtOnce = 1 // one after the other, so that the same seed gives the same order
	draw, done := env.progress("living through the weeks")
	err = d.live(env.ctx, start, draw)
	done()
	var logins []login
	if err == nil {
		logins, err = d.logins(env.ctx)
	}
	if err = errors.Join(err, d.sys.close()); err != nil {
		return err
	}
	if err := lazy.flush(); err != nil {
		return err
	}
	if err := writeLogins(c.Data, logins); err != nil {
		return err
	}
	if err := os.Remove(mark); err != nil {
		return err
	}
	return d.report(env.stdout, c.Data)
}

// report says what was made, and what to ask of it.
func (d *demo) report(to io.Writer, data string) error {
	all := 0
	for _, k := range d.counts {
		all += k
	}
	n := d.counts
	fmt.Fprintf(to, "%d clients of %d organisations lived through %d weeks: %d events.\n", n["client.registered"], len(d.orgs), d.weeks, all)
	fmt.Fprintf(to, "  sharing    %d yes, %d no to the first question; %d withdrawn, %d lapsed, %d deactivated\n",
		n["sharing.granted"], n["sharing.declined"], n["sharing.withdrawn"], n["sharing.lapsed"], n["client.deactivated"])
	fmt.Fprintf(to, "  follow-up  %d asked: %d said yes, %d said no\n", n["follow-up.asked"], n["follow-up.confirmed"], n["follow-up.ended"])
	fmt.Fprintf(to, "  journal    %d logins, %d forms, %d answers; %d codes changed\n",
		n["journal.logged-in"], n["journal.assessed"], n["journal.answered"], n["code.rotated"])
	fmt.Fprintf(to, "  look-ups   %d allowed, %d refused; %d professionals came, %d left\n",
		n["lookup.made"], n["lookup.refused"], n["professional.added"], n["professional.deactivated"])
	if p := d.mostSeen(); p != nil {
		_, err := fmt.Fprintf(to, "Try: eval \"$(samtykke demo-login --data %s | samtykke access open --data %s --reason TEXT)\", then "+
			"samtykke who-saw --data %s --client %s\n", data, data, data, p.label)
		return err
	}
	return nil
}

// lazyDisk puts syncs off until flush.
type lazyDisk struct {
	disk.Disk
	names map[string]bool
}

func (l *lazyDisk) Open(name string, create bool) (disk.File, error) {
	f, err := l.Disk.Open(name, create)
	if err != nil {
		return nil, err
	}
	l.names[name] = true
	return lazyFile{f}, nil
}

func (l *lazyDisk) Rename(oldName, newName string) error {
	delete(l.names, oldName)
	l.names[newName] = true
	return l.Disk.Rename(oldName, newName)
}

func (l *lazyDisk) Remove(name string) error {
	delete(l.names, name)
	return l.Disk.Remove(name)
}

func (l *lazyDisk) SyncDir(string) error { return nil }

// flush syncs every file and every folder that was touched.
func (l *lazyDisk) flush() error {
	dirs := map[string]bool{}
	for name := range l.names {
		f, err := l.Disk.Open(name, false)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		dirs[filepath.Dir(name)] = true
	}
	for dir := range dirs {
		if err := l.Disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

type lazyFile struct{ disk.File }

func (lazyFile) Sync() error { return nil }

// chance is true with the probability p.
func (d *demo) chance(p float64) bool { return d.random.Float64() < p }

// pick gives one of the values.
func pick[T any](d *demo, of ...T) T { return of[d.random.IntN(len(of))] }

// near draws a whole number around the mean, from 0 to most.
func (d *demo) near(mean, spread float64, most int) int {
	return min(max(int(math.Round(mean+spread*d.random.NormFloat64())), 0), most)
}

// refusedIs swallows the refusals with these codes: the demo's people try things that are refused, too.
func refusedIs(err error, codes ...string) error {
	for _, c := range codes {
		if domain.Refused(err) == c {
			return nil
		}
	}
	return err
}
