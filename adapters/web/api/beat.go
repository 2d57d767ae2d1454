package api

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"samtykke/adapters/web"
)

// A beat lets refusals leave together. Refusing a client that never was and one of somebody else's does the same reads and writes, but
// not in the same microsecond: what is there has to be fetched from memory. So a refusal that could tell waits for the next beat, and
// whoever measures learns when the beat was. It runs only while somebody waits, and a while longer, so that one caller after another
// meets the same one.
type beat struct {
	mu      sync.Mutex
	next    chan struct{} // closed at the next beat; nil: it does not run
	waiting bool
}

const (
	beatEvery = 2 * time.Millisecond
	idleBeats = 5000 // without anybody waiting, before it stops
)

// wait returns at the next beat, or when ctx ends.
func (b *beat) wait(ctx context.Context) {
	b.mu.Lock()
	if b.next == nil {
		b.next = make(chan struct{})
		go b.run()
	}
	b.waiting = true
	next := b.next
	b.mu.Unlock()
	select {
	case <-next:
	case <-ctx.Done():
	}
}

// run begins at a moment that nobody chose: the first to wait after a pause would otherwise be answered so long after its own work.
func (b *beat) run() {
	time.Sleep(rand.N(beatEvery))
	every := time.NewTicker(beatEvery)
	defer every.Stop()
	for idle := 0; ; {
		<-every.C
		b.mu.Lock()
		if b.waiting {
			idle = 0
		} else if idle++; idle == idleBeats {
			b.next = nil
			b.mu.Unlock()
			return
		}
		if b.waiting {
			close(b.next)
			b.next, b.waiting = make(chan struct{}), false
		}
		b.mu.Unlock()
	}
}

// secretive are the codes of refusals that say the same of things that are not the same.
var secretive = []string{"not-registered", "wrong-code", "wrong-sign-in", "wrong-invitation"}

// Refuse gives the problem to answer with, at a moment that says no more than its words do.
func (r *Request) Refuse(err error) *web.Problem {
	p := web.FromError(err)
	if p.Status < http.StatusInternalServerError && slices.Contains(secretive, p.Code) {
		r.beat.wait(r.ctx)
	}
	return p
}
