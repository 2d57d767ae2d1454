package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// A quick run prints every line, and every ratio is its figure ÷ its yardstick.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"bench", "--quick", "--json", "--data", dir}, nil, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	var want []string
	for range 2 { // as the disk is, and a millisecond slower
		want = append(want, "raw write, 1 writer", "append, 1 caller", "look-up, 1 caller")
		for _, n := range []string{"16", "64", "256"} {
			want = append(want, "raw group commit, "+n+" writers", "append, "+n+" callers", "look-up, "+n+" callers", "look-up, "+n+" callers, one hot client")
		}
	}
	want = append(want, "reading alone", "reading and decoding", "reading, decoding, folding all views", "most heap beyond what was there before")
	if peakResident() > 0 {
		want = append(want, "most memory resident, the whole process")
	}
	want = append(want, "reading, decoding, opening, on one core", "reading, decoding, opening, folding all views",
		"without snapshots: all is read and folded", "with snapshots of index and views",
		"look-up, allowed", "look-up, refused: the yes lapsed",
		"the view behind it", "with a look-up of each client",
		"finding 5 that are due", "a tick that records 5 questions", "a tick when nothing is due")
	var got []string
	for _, l := range r.Lines {
		got = append(got, l.What)
		if l.Figure <= 0 || l.Unit == "" || l.Section == "" {
			t.Errorf("%s: no figure: %+v", l.What, l)
		}
		if (l.Yardstick != 0) != (l.Against != "") || l.Yardstick == 0 && l.Ratio != 0 {
			t.Errorf("%s: a yardstick without a name, or the other way round: %+v", l.What, l)
		}
		if l.Yardstick != 0 && math.Abs(l.Ratio-l.Figure/l.Yardstick) > 1e-9*l.Ratio {
			t.Errorf("%s: %v is not %v ÷ %v", l.What, l.Ratio, l.Figure, l.Yardstick)
		}
		if (l.Aim != "") != (l.Met != "") {
			t.Errorf("%s: an aim %q, and what came of it %q", l.What, l.Aim, l.Met)
		}
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the lines are\n%s\n\nexpected\n%s", g, w)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the scratch folder was left behind: %v, %v", left, err)
	}
}

func TestBenchAims(t *testing.T) {
	held := &aim{ratio: true, least: 0.5, floor: 0.3}
	for _, c := range []struct {
		aim               *aim
		figure, yardstick float64
		ratio             float64
		text, met         string
	}{
		{&aim{ratio: true, most: 1.3}, 130, 100, 1.3, "≤ 1.30×", "met"},
		{&aim{ratio: true, most: 1.3}, 131, 100, 1.31, "≤ 1.30×", "missed"},
		{&aim{most: 1}, 0.9, 3, 0.3, "≤ 1 s", "met"},
		{&aim{most: 1}, 1.1, 0, 0, "≤ 1 s", "missed"},
		{held, 50, 100, 0.5, "≥ 0.50×, floor 0.30×", "met"},
		{held, 40, 100, 0.4, "≥ 0.50×, floor 0.30×", "floor"},
		{held, 20, 100, 0.2, "≥ 0.50×, floor 0.30×", "missed"},
		{nil, 20, 100, 0.2, "", ""},
	} {
		var b bench
		b.add(benchLine{Figure: c.figure, Yardstick: c.yardstick, Unit: seconds}, c.aim)
		if l := b.lines[0]; l.Ratio != c.ratio || l.Aim != c.text || l.Met != c.met {
			t.Errorf("%v beside %v: %+v", c.figure, c.yardstick, l)
		}
	}
}

func TestBenchFigures(t *testing.T) {
	for _, c := range []struct {
		unit unit
		v    float64
		want string
	}{
		{perSecond, 1234567, "1 234 567/s"}, {perSecond, 999, "999/s"}, {perSecond, 1000, "1 000/s"},
		{seconds, 1.5, "1.5 s"}, {seconds, 0.0123, "12.3 ms"}, {seconds, 1e-6, "1 µs"}, {seconds, 9.9e-7, "990 ns"},
		{bytesHeld, 451e6, "451 MB"}, {counted, 20000, "20 000"},
	} {
		if got := c.unit.show(c.v); got != c.want {
			t.Errorf("%v %s is shown as %q, expected %q", c.v, c.unit, got, c.want)
		}
	}
	if m := median([]float64{9, 1, 5}); m != 5 {
		t.Errorf("the median of 9, 1 and 5 is %v", m)
	}
	if q := quantile([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.99); q != 10 {
		t.Errorf("the 99th percentile of 1 to 10 is %v", q)
	}
}

// Callers do what they are asked to, each with its own count, until the time is over or one fails.
func TestDrive(t *testing.T) {
	var seen [3]int
	r, err := drive(3, 5*time.Millisecond, func(caller, n int) error {
		if n != seen[caller] {
			t.Errorf("caller %d was given %d, expected %d", caller, n, seen[caller])
		}
		seen[caller]++
		return nil
	})
	if err != nil || r.perSecond <= 0 || seen[0] == 0 || seen[1] == 0 || seen[2] == 0 {
		t.Errorf("%+v, %v, %v", r, err, seen)
	}
	if _, err := drive(2, time.Hour, func(int, int) error { return errors.New("no") }); err == nil {
		t.Error("a failure was not told")
	}
}
