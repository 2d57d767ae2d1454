package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

type clockOf func() (time.Time, error)

func (c clockOf) Now(context.Context) (time.Time, error) { return c() }

// An instance whose clock is more than two seconds off its store's, or that cannot tell, shows nothing; when it is right again, it does.
func TestClockWatch(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	now, off, failed := noon, time.Duration(0), error(nil)
	w := &clockWatch{clock: func() time.Time { return now }, store: clockOf(func() (time.Time, error) { return now.Add(off), failed })}
	if w.halted() == nil {
		t.Error("open before anything was compared")
	}
	for _, step := range []struct {
		name   string
		passes time.Duration
		off    time.Duration
		err    error
		open   bool
	}{
		{"the same", 0, 0, nil, true},
		{"two seconds ahead", 5 * time.Second, 2 * time.Second, nil, true},
		{"more than two seconds behind", 5 * time.Second, -2001 * time.Millisecond, nil, false},
		{"right again", 5 * time.Second, 0, nil, true},
		{"no answer", 5 * time.Second, 0, errors.New("gone"), true},
		{"no answer for half a minute", 25 * time.Second, 0, errors.New("gone"), false},
		{"an answer", time.Second, 0, nil, true},
		{"the own clock set an hour ahead", time.Hour, -time.Hour, errors.New("gone"), false},
		{"the own clock set back", -2 * time.Hour, 2 * time.Hour, errors.New("gone"), false},
	} {
		now, off, failed = now.Add(step.passes), step.off, step.err
		w.compare(t.Context())
		if open := w.halted() == nil; open != step.open {
			t.Errorf("%s: open %t", step.name, open)
		}
	}
}
