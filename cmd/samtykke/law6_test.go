package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// A witness is a store that writes down each read and append, by the kind of stream, in order.
type witness struct {
	ledger.Store
	mu   sync.Mutex
	seen []string
}

func (w *witness) note(what, stream string) {
	kind, _, _ := strings.Cut(stream, "-")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, what+" "+kind)
}

func (w *witness) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	w.note("read", stream)
	return w.Store.Stream(ctx, stream, from)
}

func (w *witness) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	w.note(fmt.Sprintf("append %d", len(records)), stream)
	return w.Store.Append(ctx, stream, after, records...)
}

func (w *witness) Head(ctx context.Context) (ledger.Position, error) {
	w.note("head", "")
	return w.Store.Head(ctx)
}

// told gives what was seen since, and forgets it.
func (w *witness) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.seen, ", ")
	w.seen = nil
	return s
}

// Law 6: a look-up that is refused does the same reads, in the same order, and as many appends as one that is allowed, up to
// the opening; whoever asks for a handle of another organisation, one that never was or one that is cut gets the same
// answer, byte by byte; and every attempt is an event.
func TestSameWork(t *testing.T) {
	r := newRig(t, simdisk.New(rand.NewPCG(1, 2)), 1)
	r.open()
	defer func() { r.must(r.sys.closeFiles()) }()
	r.must(r.found())
	pro, err := r.pro()
	r.must(err)
	idle, _, err := r.guest() // will have been cut
	r.must(err)
	r.must(r.sys.settle(t.Context()))
	r.wait(400 * 24 * time.Hour)
	silent, _, err := r.guest() // never answered
	r.must(err)
	sharing, _, err := r.guest()
	r.must(err)
	lapsed, _, err := r.guest()
	r.must(err)
	restricted, _, err := r.guest()
	r.must(err)
	office, boss := r.office, r.boss
	r.must(r.found())
	elsewhere, _, err := r.guest()
	r.must(err)
	r.office, r.boss = office, boss
	grant := client.Grant{Occasion: client.Settings}
	for _, g := range []*guest{lapsed, sharing, restricted, elsewhere} {
		if g == sharing {
			r.wait(183 * 24 * time.Hour)
		}
		_, err = r.sys.desk.Clients.Do(t.Context(), g.by.Actor, g.by, grant)
		r.must(err)
	}
	_, err = r.sys.desk.Clients.Do(t.Context(), restricted.by.Actor, restricted.by, client.Restrict{})
	r.must(err)
	r.must(r.sys.settle(t.Context()))

	w := &witness{Store: r.sys.store}
	r.sys.ledger.Store = w
	look := func(by ledger.Caller, handle domain.ID) (error, string, views.Shown) {
		t.Helper()
		r.must(r.sys.settle(t.Context()))
		w.told()
		s, err := r.sys.desk.Door.LookUp(t.Context(), by, handle, client.Appointment, views.AllKinds)
		return err, w.told(), s
	}
	err, allowed, _ := look(pro, sharing.handle)
	r.must(err)
	if allowed != "read organisation, read client, append 1 client, read organisation" {
		t.Fatalf("an allowed look-up: %s", allowed)
	}
	want := strings.Replace(allowed, "append 1 client", "append 1 refused", 1)

	var nobody []string
	for _, c := range []struct {
		what   string
		handle domain.ID
		client domain.ID // whom the event names
		code   string
		before func()
	}{
		{"one's own client that never answered", silent.handle, silent.by.Actor, client.NotShared, nil},
		{"one's own client whose yes lapsed", lapsed.handle, lapsed.by.Actor, client.NotShared, nil},
		{"one's own client under restriction", restricted.handle, restricted.by.Actor, client.NotShared, nil},
		{"another organisation's client that shares", elsewhere.handle, elsewhere.by.Actor, client.NotRegistered, nil},
		{"a handle that never was", r.newID(), domain.ID{}, client.NotRegistered, nil},
		{"the zero handle", domain.ID{}, domain.ID{}, client.NotRegistered, nil},
		{"a client id in a handle's place", sharing.by.Actor, domain.ID{}, client.NotRegistered, nil},
		{"a client that is idle, not yet written down", idle.handle, idle.by.Actor, client.NotRegistered, nil},
		{"a deactivated client", idle.handle, idle.by.Actor, client.NotRegistered, func() {
			_, _, err := r.sys.desk.Tick(t.Context())
			r.must(err)
		}},
	} {
		if c.before != nil {
			c.before()
		}
		for _, again := range []string{"", " again"} { // with caches cold and warm
			err, work, shown := look(pro, c.handle)
			if domain.Refused(err) != c.code {
				t.Errorf("%s%s: %v", c.what, again, err)
			}
			if work != want {
				t.Errorf("%s%s: did %s, an allowed one %s", c.what, again, work, allowed)
			}
			if shown.Registrations.Version != 0 || shown.Until != 0 || shown.Position != 0 {
				t.Errorf("%s%s: something came with the refusal", c.what, again)
			}
			if c.code == client.NotRegistered {
				nobody = append(nobody, fmt.Sprintf("%T %+v %q", err, shown, err))
			}
			f := r.last()
			if b, ok := f.Body.(oversight.LookUpRefused); !ok || b.Client != c.client || b.Handle != c.handle || f.Act.Actor != pro.Actor {
				t.Errorf("%s%s: the event is %v, of client %s", c.what, again, f, b.Client)
			}
		}
	}
	for _, a := range nobody {
		if a != nobody[0] {
			t.Errorf("the answers differ: %s and %s", nobody[0], a)
		}
	}

	// Somebody who left is refused at the first look, and does the same work.
	_, err = r.sys.desk.Organisations.Do(t.Context(), r.office, r.boss, organisation.Deactivate{Professional: pro.Actor})
	r.must(err)
	for _, handle := range []domain.ID{sharing.handle, silent.handle, elsewhere.handle, r.newID()} {
		err, work, _ := look(pro, handle)
		if domain.Refused(err) != organisation.NotActive || work != want {
			t.Errorf("somebody who left: %v, did %s", err, work)
		}
		if b, ok := r.last().Body.(oversight.LookUpRefused); !ok || b.Reason != organisation.NotActive {
			t.Error("the attempt of somebody who left is no event")
		}
	}
	r.inOrder()
}

// last is the last event of the ledger.
func (r *rig) last() eventschema.Fact {
	r.t.Helper()
	head, err := r.sys.store.Head(context.Background())
	r.must(err)
	f, err := r.sys.fact(context.Background(), head)
	r.must(err)
	return f
}
