package endings_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/endings"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

func seed(n uint64) rand.Source { return rand.NewPCG(n, 1) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A place is a ledger with its record of endings on one simulated disk.
type place struct {
	t        *testing.T
	disk     *simdisk.Disk
	store    *filestore.Store
	recorder *endings.Recorder
}

func newPlace(t *testing.T, d *simdisk.Disk) *place {
	p := &place{t: t, disk: d}
	must(t, p.open())
	t.Cleanup(p.close)
	return p
}

func (p *place) open() (err error) {
	must(p.t, p.disk.MakeDir("ledger"))
	if p.store, _, err = filestore.Open(disk.Sub(p.disk, "ledger"), filestore.Options{}); err != nil {
		return err
	}
	p.recorder, err = endings.Open(p.t.Context(), disk.Sub(p.disk, "endings"), p.store, owners(keyring.Owner{Kind: keyring.Staff, ID: domain.ID{9}}))
	if err != nil {
		p.store.Close()
	}
	return err
}

func owners(o ...keyring.Owner) iter.Seq[keyring.Owner] { return slices.Values(o) }

func (p *place) close() {
	if p.recorder != nil {
		p.recorder.Close()
		p.store.Close()
	}
}

func (p *place) read() endings.Record {
	p.t.Helper()
	r, err := endings.Read(p.t.Context(), disk.Sub(p.disk, "endings"))
	must(p.t, err)
	return r
}

// event is the nth event of a client's stream.
func event(t *testing.T, who byte, n uint64, body client.Body) (stream string, r eventschema.Record) {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := eventschema.Fact{
		ID: domain.ID{who, byte(n), 1}, Category: eventschema.ClientStream, Subject: domain.ID{who}, Version: n,
		Act: domain.Act{At: at, Actor: domain.ID{who}, Role: domain.RoleClient}, Effective: at, Rule: "r/1", Body: body,
	}
	r, err := eventschema.Today.Encode(&f, nil)
	must(t, err)
	return f.Stream(), r
}

func (p *place) append(who byte, n uint64, body client.Body) error {
	stream, r := event(p.t, who, n, body)
	_, err := p.recorder.Store().Append(p.t.Context(), stream, n-1, r)
	return err
}

func ids(r endings.Record) (all []domain.ID) {
	for _, e := range r.Events {
		all = append(all, e.ID)
	}
	return all
}

// TestOutside: whoever is told of an ending finds it outside, whenever the power goes, and the event as it stands in the ledger.
func TestOutside(t *testing.T) {
	for n := 1; n < 400; n += 3 {
		d := simdisk.New(seed(uint64(n)))
		p := newPlace(t, d)
		d.CutPower(n)
		told := map[domain.ID]bool{}
		for who := byte(1); who < 4; who++ {
			for v, body := range []client.Body{
				client.Registered{Client: domain.ID{who}}, client.Granted{}, client.Withdrawn{Grant: 2}, client.Granted{}, client.Erased{},
			} {
				if err := p.append(who, uint64(v+1), body); err == nil && client.IsEnding(body) {
					told[domain.ID{who, byte(v + 1), 1}] = true
				}
			}
		}
		done := len(told) == 6
		p.close()
		d.Crash()
		if len(told) > 0 {
			left := p.read()
			for id := range told {
				if !slices.Contains(ids(left), id) {
					t.Fatalf("power cut at change %d: an ending that was answered is not outside", n)
				}
			}
		}
		must(t, p.open()) // what is in the ledger alone is recorded now
		stored := ledgertest.Check(t, p.store)
		p.close()
		got := p.read()
		ended := 0
		for _, r := range stored {
			f, err := eventschema.Today.Decode(&r, nil)
			must(t, err)
			if b, ok := f.Body.(client.Body); !ok || !client.IsEnding(b) {
				continue
			}
			ended++
			i := slices.Index(ids(got), r.ID)
			if i < 0 {
				t.Fatalf("power cut at change %d: an ending of the ledger is not outside", n)
			}
			if leaf := got.Events[i].Leaf(); leaf != r.Leaf() || got.Events[i].Position != r.Position {
				t.Errorf("power cut at change %d: the event is not the ledger's", n)
			}
		}
		if len(got.Events) < ended || len(got.Keys) == 0 || got.Keys[0].ID != (domain.ID{9}) {
			t.Errorf("power cut at change %d: %d events of %d, keys %v", n, len(got.Events), ended, len(got.Keys))
		}
		if done {
			return
		}
	}
	t.Error("the power went every time")
}

// TestFull: without room outside nothing that ends is answered, nor shown, and all goes on when there is room again.
func TestFull(t *testing.T) {
	inside, outside := simdisk.New(seed(1)), simdisk.New(seed(2))
	store, _, err := filestore.Open(inside, filestore.Options{})
	must(t, err)
	defer store.Close()
	r, err := endings.Open(t.Context(), outside, store, owners())
	must(t, err)
	defer r.Close()
	add := func(who byte, n uint64, body client.Body) error {
		stream, rec := event(t, who, n, body)
		_, err := r.Store().Append(t.Context(), stream, n-1, rec)
		return err
	}
	outside.Room(0)
	who, failed := byte(1), error(nil)
	for ; who < 250 && failed == nil; who++ {
		must(t, add(who, 1, client.Registered{Client: domain.ID{who}}))
		failed = add(who, 2, client.Declined{})
	}
	if failed == nil || errors.Is(failed, ledger.ErrRefused) {
		t.Fatalf("without room: %v, want an error that leaves the outcome open", failed)
	}
	if err := add(251, 1, client.Registered{}); !errors.Is(err, ledger.ErrRefused) {
		t.Errorf("an append while the record cannot be written: %v, want ErrRefused", err)
	}
	for _, err := range r.Store().Stream(t.Context(), "client-"+domain.ID{1}.String(), 1) {
		if err == nil {
			t.Error("a stream was read that may hold what is not outside")
		}
	}
	outside.Room(-1)
	must(t, add(251, 1, client.Registered{}))
	must(t, r.Close())
	got, err := endings.Read(t.Context(), outside)
	must(t, err)
	if len(got.Events) != int(who)-1 {
		t.Errorf("%d endings outside, want %d", len(got.Events), who-1)
	}
}

// TestCancelled: an append whose caller gives up is recorded all the same before anything is answered.
func TestCancelled(t *testing.T) {
	p := newPlace(t, simdisk.New(seed(1)))
	var all sync.WaitGroup
	for who := byte(1); who <= 50; who++ {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			stream, r := event(t, who, 1, client.Declined{})
			go cancel()
			p.recorder.Store().Append(ctx, stream, 0, r)
		})
	}
	all.Wait()
	stored := ledgertest.All(t, p.store)
	must(t, p.recorder.CatchUp(t.Context()))
	p.close()
	if got := p.read(); len(got.Events) != len(stored) {
		t.Errorf("%d endings outside, %d in the ledger", len(got.Events), len(stored))
	}
}

// A remote is a store over a line. While that is cut it is waited for, until it is mended or the caller gives up. What is appended gets
// through, and its answer.
type remote struct {
	ledger.Eraser
	line chan struct{} // holds something while it is cut
}

func (s *remote) cut()  { s.line <- struct{}{} }
func (s *remote) mend() { <-s.line }

func (s *remote) reach(ctx context.Context) error {
	select {
	case s.line <- struct{}{}:
		<-s.line
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *remote) Head(ctx context.Context) (ledger.Position, error) {
	if err := s.reach(ctx); err != nil {
		return 0, err
	}
	return s.Eraser.Head(ctx)
}

func (s *remote) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for r, err := range s.Eraser.After(ctx, p) {
			if away := s.reach(ctx); away != nil {
				r, err = eventschema.Record{}, away
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// TestOutOfReach: where the ledger goes out of reach behind an ending, whoever asks waits as long as they care to, and is shown nothing
// of it. When it is back the ending is recorded, though nobody waits any more; by the next Open if the program ended before.
func TestOutOfReach(t *testing.T) {
	for _, ends := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			inside, outside := simdisk.New(seed(1)), simdisk.New(seed(2))
			store, _, err := filestore.Open(inside, filestore.Options{})
			must(t, err)
			defer store.Close()
			far := &remote{store, make(chan struct{}, 1)}
			r, err := endings.Open(t.Context(), outside, far, owners())
			must(t, err)
			add := func(who byte, n uint64, body client.Body) error {
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				defer stop()
				stream, rec := event(t, who, n, body)
				_, err := r.Store().Append(ctx, stream, n-1, rec)
				return err
			}
			read := func() (shown int, failed error) {
				ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
				defer stop()
				for _, err := range r.Store().Stream(ctx, eventschema.ClientStream.Stream(domain.ID{1}), 1) {
					if err != nil {
						return shown, err
					}
					shown++
				}
				return shown, nil
			}
			must(t, add(1, 1, client.Registered{Client: domain.ID{1}}))
			far.cut()
			if err := add(1, 2, client.Declined{}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ledger.ErrRefused) {
				t.Errorf("an ending whose record waits: %v, want an open outcome, and the deadline", err)
			}
			if err := add(2, 1, client.Registered{}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ledger.ErrRefused) {
				t.Errorf("an append behind it: %v, want ErrRefused, and the deadline", err)
			}
			if shown, err := read(); shown > 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a reading behind it: %d events and %v, want the deadline", shown, err)
			}
			if !ends {
				far.mend()
				synctest.Wait()
				far.cut() // so that nothing can be recorded that was not
			} else {
				must(t, r.Close())
				if err := add(2, 1, client.Registered{}); !errors.Is(err, ledger.ErrRefused) || !errors.Is(err, ledger.ErrEnded) {
					t.Errorf("an append once it is closed: %v, want ErrRefused and ErrEnded", err)
				}
				far.mend()
				r, err = endings.Open(t.Context(), outside, far, owners())
				must(t, err)
				far.cut()
			}
			if shown, err := read(); shown != 2 || err != nil {
				t.Errorf("when it is recorded: %d events, %v", shown, err)
			}
			far.mend()
			must(t, add(2, 1, client.Registered{}))
			must(t, r.Close())
			got, err := endings.Read(t.Context(), outside)
			must(t, err)
			if !slices.Equal(ids(got), []domain.ID{{1, 2, 1}}) {
				t.Errorf("outside are %v", ids(got))
			}
		})
	}
}

// TestPutBack: the record of a ledger that was put back from an older copy goes on with what the ledger holds now; that of another
// ledger is refused.
func TestPutBack(t *testing.T) {
	d := simdisk.New(seed(1))
	p := newPlace(t, d)
	must(t, p.append(1, 1, client.Registered{}))
	must(t, p.append(1, 2, client.Declined{}))
	p.close()
	copied := simdisk.New(seed(3))
	_, err := filestore.Copy(t.Context(), disk.Sub(d, "ledger"), disk.Sub(copied, "ledger"), 0)
	must(t, err)
	must(t, p.open())
	must(t, p.append(2, 1, client.Registered{}))
	must(t, p.append(2, 2, client.Erased{}))
	p.close()
	before := p.read()

	_, err = filestore.Copy(t.Context(), disk.Sub(d, "endings"), disk.Sub(copied, "endings"), 0)
	must(t, err)
	back := newPlace(t, copied)
	must(t, back.append(3, 1, client.Registered{}))
	must(t, back.append(3, 2, client.Restricted{}))
	must(t, back.append(3, 3, client.Withdrawn{}))
	back.close()
	got := back.read()
	if len(before.Events) != 2 || got.Ledger != before.Ledger || got.Reached < 5 {
		t.Errorf("before %d endings of %s; now of %s, up to %d", len(before.Events), before.Ledger, got.Ledger, got.Reached)
	}
	for _, id := range []domain.ID{{1, 2, 1}, {2, 2, 1}, {3, 2, 1}, {3, 3, 1}} {
		if !slices.Contains(ids(got), id) {
			t.Errorf("the ending %s is missing", id)
		}
	}

	other := newPlace(t, simdisk.New(seed(5)))
	must(t, other.append(8, 1, client.Registered{}))
	if _, err := endings.Open(t.Context(), disk.Sub(copied, "endings"), other.store, owners()); !errors.Is(err, endings.ErrOtherLedger) {
		t.Errorf("opened beside another ledger: %v", err)
	}
	empty := newPlace(t, simdisk.New(seed(6)))
	if _, err := endings.Open(t.Context(), disk.Sub(copied, "endings"), empty.store, owners()); !errors.Is(err, endings.ErrOtherLedger) {
		t.Errorf("opened beside an empty ledger: %v", err)
	}
}

// TestKeys: a key is destroyed when that is recorded, and not before.
func TestKeys(t *testing.T) {
	p := newPlace(t, simdisk.New(seed(1)))
	ring, err := keyring.Memory(rand.NewChaCha8([32]byte{}))
	must(t, err)
	keys := p.recorder.Keys(ring)
	one, two := keyring.Owner{Kind: keyring.Client, ID: domain.ID{1}}, keyring.Owner{Kind: keyring.Client, ID: domain.ID{2}}
	must(t, errors.Join(keys.Create(t.Context(), one), keys.Create(t.Context(), two), keys.Destroy(t.Context(), one)))
	if _, err := ring.Sealer(t.Context(), one); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("the key is there: %v", err)
	}
	p.close()
	if err := keys.Destroy(t.Context(), two); err == nil {
		t.Error("a key was destroyed that is not recorded")
	}
	if _, err := ring.Sealer(t.Context(), two); err != nil {
		t.Errorf("its key: %v", err)
	}
	if got := p.read().Keys; !slices.Contains(got, one) || slices.Contains(got, two) {
		t.Errorf("recorded %d keys", len(got))
	}
}

// TestEndingsAreOpen: what must be re-applied can be read without a key.
func TestEndingsAreOpen(t *testing.T) {
	n := 0
	for _, row := range eventschema.Today.Rows() {
		ending := false
		switch b := reflect.Zero(row.Body()).Interface().(type) {
		case client.Body:
			ending = client.IsEnding(b)
		case organisation.Body:
			ending = organisation.IsEnding(b)
		case staff.Body:
			ending = staff.IsEnding(b)
		}
		if ending && row.Key != "" {
			t.Errorf("%s is sealed, and ends something", row.Name)
		}
		if ending {
			n++
		}
	}
	if n < 10 {
		t.Errorf("only %d endings", n)
	}
}

// A withdrawal costs one more durable write; many at once share it.
func BenchmarkEnding(b *testing.B) {
	for _, c := range []struct {
		name    string
		outside bool
		at      int
	}{{"inside/1", false, 1}, {"outside/1", true, 1}, {"inside/64", false, 64}, {"outside/64", true, 64}} {
		b.Run(c.name, func(b *testing.B) {
			open := func() disk.Disk {
				d, err := disk.OS(b.TempDir())
				must(b, err)
				return d
			}
			store, _, err := filestore.Open(open(), filestore.Options{})
			must(b, err)
			defer store.Close()
			to := ledger.Eraser(store)
			if c.outside {
				r, err := endings.Open(b.Context(), open(), store, owners())
				must(b, err)
				defer r.Close()
				to = r.Store()
			}
			f := eventschema.Fact{Category: eventschema.ClientStream, Version: 1, Body: client.Withdrawn{Grant: 3}}
			rec, err := eventschema.Today.Encode(&f, nil)
			must(b, err)
			b.SetParallelism(c.at)
			var mu sync.Mutex
			random := rand.NewChaCha8([32]byte{})
			b.RunParallel(func(next *testing.PB) {
				for next.Next() {
					r := rec
					mu.Lock()
					io.ReadFull(random, r.ID[:])
					mu.Unlock()
					if _, err := to.Append(b.Context(), eventschema.ClientStream.Stream(r.ID), 0, r); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
