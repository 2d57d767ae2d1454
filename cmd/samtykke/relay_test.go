package main

import (
	"context"
	"errors"
	"log/slog"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/relay"
	"samtykke/domain"
	"samtykke/domain/client"
)

// livedIn is a ledger in which a few clients have lived for half a year.
func livedIn(t *testing.T) (*demo, *simdisk.Disk) {
	t.Helper()
	on, start := simdisk.New(mrand.NewPCG(1, 1)), domain.MustDate("2025-01-20")
	life := &demo{random: mrand.New(mrand.NewPCG(3, 0)), now: start.Start(), clients: 12, weeks: 24}
	w := tamperWorld(on)
	w.clock, w.random, w.secrets = func() time.Time { return life.now }, newRandom(3), newRandom(4)
	var err error
	if life.sys, err = w.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = life.sys.close() })
	life.sys.desk.Door.AtOnce = 1
	if err := life.live(t.Context(), start, func(uint64, uint64) {}); err != nil {
		t.Fatal(err)
	}
	if err := life.sys.keeper.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return life, on
}

// fromStart moves the relay's cursor to the beginning, as if it had been there from then on.
func fromStart(t *testing.T, on disk.Disk) {
	t.Helper()
	if err := (relay.FileCursor{Disk: disk.Sub(on, relayDir)}).Save(t.Context(), relay.Place{}); err != nil {
		t.Fatal(err)
	}
}

// The assembled relay over a lived-in ledger: what waits for each client is what its state says, and the next start goes on from there.
func TestRelayOverALivedInLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life, on := livedIn(t)
		fromStart(t, on)
		if _, err := life.sys.messagesOver(t.Context(), relay.InProcess(quiet), nil, quiet, nil); err == nil || !strings.Contains(err.Error(), relayKey) {
			t.Errorf("a relay that has a cursor and no key: %v", err)
		}
		if err := on.Remove(relayDir + "/cursor"); err != nil {
			t.Fatal(err)
		}
		first := serveMessages(t, life) // begins at the end
		fromStart(t, on)
		second, third := serveMessages(t, life), serveMessages(t, life)
		asked := 0
		for _, c := range life.cohort {
			v, known, err := life.sys.keeper.Caseload.Get(t.Context(), c.id)
			if err != nil || !known {
				t.Fatal("a client of the cohort is not in the caseload")
			}
			s := v.State
			waits := slices.Contains(second[c.id], relay.QuestionWaits)
			if want := s.Status == client.Shared && s.Asked && !s.Restricted && !s.Deactivated; waits != want {
				t.Errorf("a question waits: %v, by the client's state %+v: %v", waits, s, want)
			} else if waits {
				asked++
			}
			if again := append(first[c.id], third[c.id]...); again != nil {
				t.Errorf("with nothing new, this is told: %v", again)
			}
		}
		if asked == 0 {
			t.Error("nobody was asked: the life is too short to show anything")
		}
		if p, known, err := (relay.FileCursor{Disk: disk.Sub(on, relayDir)}).Load(t.Context()); err != nil || !known || p.Position == 0 {
			t.Errorf("the cursor is at %v %v %v", p.Position, known, err)
		}
	})
}

var quiet = slog.New(slog.DiscardHandler)

// serveMessages runs the relay until it has nothing left to do, and gives the notices that a receiver gets.
func serveMessages(t *testing.T, d *demo) map[domain.ID][]relay.Kind {
	t.Helper()
	over := relay.InProcess(quiet)
	out, err := d.sys.messagesOver(t.Context(), over, nil, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	in, err := over.Subscriber.Subscribe(ctx, relay.NoticeTopic)
	if err != nil {
		t.Fatal(err)
	}
	got := map[relay.Pseudonym][]relay.Kind{}
	received, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(received)
		for m := range in {
			n, err := relay.ParseNotice(m)
			if err != nil {
				t.Error(err)
			}
			got[n.Recipient] = append(got[n.Recipient], n.Kind)
			m.Ack()
		}
	}()
	go func() { ended <- out.run(ctx) }()
	synctest.Wait()
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := out.close(); err != nil {
		t.Fatal(err)
	}
	<-received
	of := map[domain.ID][]relay.Kind{}
	for _, c := range d.cohort {
		of[c.id] = got[out.key.Recipient(c.id)]
	}
	return of
}

func TestRelayIsToldWhere(t *testing.T) {
	for _, where := range []string{"http://x", "in process", "in-process:", "nats"} {
		if _, err := transport(t.Context(), where, quiet); err == nil {
			t.Errorf("messages go to %q", where)
		}
	}
}
