package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
)

// Known values of the test. The first is the example of SciPy's mannwhitneyu (asymptotic, with continuity); the second, with
// ties, is reckoned by hand: ranks 1, 3, 3, 5.5 and 3, 5.5, 7, so U = 2.5; the variance is 4·3/12·(8 - (24+6)/42).
func TestBenchMannWhitney(t *testing.T) {
	for _, c := range []struct {
		a, b       []float64
		greater, p float64
	}{
		{[]float64{19, 22, 16, 29, 24}, []float64{20, 11, 17, 12}, 17.0 / 20, 0.11134688653314041},
		{[]float64{1, 2, 2, 3}, []float64{2, 3, 4}, 2.5 / 12, math.Erfc(3 / math.Sqrt(8-30.0/42) / math.Sqrt2)},
		{[]float64{1, 1, 1}, []float64{1, 1}, 0.5, 1},
	} {
		greater, p := mannWhitney(c.a, c.b)
		if math.Abs(greater-c.greater) > 1e-12 || math.Abs(p-c.p) > 1e-9 {
			t.Errorf("%v and %v: %v, %v, expected %v, %v", c.a, c.b, greater, p, c.greater, c.p)
		}
		if again, q := mannWhitney(c.b, c.a); math.Abs(again+greater-1) > 1e-12 || math.Abs(q-p) > 1e-12 {
			t.Errorf("%v and %v: not the same the other way round", c.a, c.b)
		}
	}
}

// Times of one distribution are not told apart, more often than by chance; times that are longer by 5 % are.
func TestBenchToldApart(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	times := func(scale float64) []float64 {
		s := make([]float64, 2000)
		for i := range s {
			s[i] = scale * math.Exp(0.2*draw.NormFloat64()) // waits spread to the right
		}
		return s
	}
	found := 0
	for range 200 {
		if _, p := mannWhitney(times(1), times(1)); p < 0.05 {
			found++
		}
	}
	if found == 0 || found > 22 { // 10 expected
		t.Errorf("%d of 200 pairs of one distribution were told apart at 5 %%", found)
	}
	a, b := times(1.05), times(1)
	if greater, p := mannWhitney(a, b); p > alike || greater < 0.5 {
		t.Errorf("times longer by 5 %% were not told apart: %v, %v", greater, p)
	}
	if by := seenFrom(a, b, alike); by < 0.005 || by > 0.03 {
		t.Errorf("seen from %v, expected some hundredths of the median", by)
	}
}

// A quick run prints a line for each pair.
func TestBenchLaw6(t *testing.T) {
	want := map[string]int{
		"telling who is not there by the time of a look-up":       3,
		"telling who is not there by the time of a client's code": 3,
		"telling who is not there by the time of a password":      1,
	}
	for _, l := range quickLines(t, "--law6") {
		want[l.Section]--
		if l.Unit != chance || l.Figure < 0 || l.Figure > 1 || l.Met == "" {
			t.Errorf("%s: %+v", l.What, l)
		}
	}
	for section, missing := range want {
		if missing != 0 {
			t.Errorf("%s: %d lines missing", section, missing)
		}
	}
}

// quickLines are the lines of a quick run.
func quickLines(t *testing.T, args ...string) []benchLine {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(context.Background(), append([]string{"bench", "--quick", "--json", "--data", t.TempDir()}, args...), nil, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	var r benchReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r.Lines
}
