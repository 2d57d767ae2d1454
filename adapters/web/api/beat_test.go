package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever waits within one beat leaves at its end, however long their own work took.
func TestRefusalsLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b beat
		for range 3 { // and again after a pause, when the beat has stopped and begins anew
			b.wait(t.Context())
			last := time.Now()
			left := make(chan time.Duration)
			for _, work := range []time.Duration{100 * time.Microsecond, 101 * time.Microsecond, 1900 * time.Microsecond} {
				go func() {
					time.Sleep(work)
					b.wait(t.Context())
					left <- time.Since(last)
				}()
			}
			for range 3 {
				if d := <-left; d != beatEvery {
					t.Errorf("one left after %v, want %v", d, beatEvery)
				}
			}
			time.Sleep((idleBeats + 2) * beatEvery)
			synctest.Wait()
			if b.next != nil {
				t.Error("it beats for nobody")
			}
		}
	})
}

func TestNobodyWaitsForABeatAfterGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b beat
		ctx, stop := context.WithCancel(t.Context())
		stop()
		began := time.Now()
		b.wait(ctx)
		if time.Since(began) != 0 {
			t.Error("it waited")
		}
		time.Sleep((idleBeats + 2) * beatEvery) // until it has stopped
	})
}
