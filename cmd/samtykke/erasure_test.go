package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/domain/journal"
	"samtykke/eventschema"
)

// destroying tells when a key has been destroyed.
type destroying struct {
	keyring.Keyring
	done chan struct{}
}

func (d destroying) Destroy(ctx context.Context, o keyring.Owner) error {
	err := d.Keyring.Destroy(ctx, o)
	close(d.done)
	return err
}

// An entry that is sealed already, and not stored yet, while its client is erased: it is stored before the key counts as destroyed, and
// swept with the others. Nothing of it is left behind the erasure.
func TestEntryUnderWayWhileItsClientIsErased(t *testing.T) {
	r := newRig(t, simdisk.New(rand.NewPCG(1, 2)), 1)
	r.open()
	r.must(r.found())
	g, _, err := r.guest()
	r.must(err)
	r.must(r.sys.settle(t.Context()))
	gone := make(chan struct{})
	r.sys.ledger.Keys = destroying{r.sys.ledger.Keys, gone}
	store := ledgertest.Faulty(r.sys.ledger.Store)
	r.sys.ledger.Store = store
	erased := make(chan error, 1)
	store.Before(func(stream string, _ uint64) {
		if strings.HasPrefix(stream, string(eventschema.JournalStream)) {
			store.Before(nil)
			go func() {
				_, err := r.sys.desk.Erase(context.Background(), g.by)
				erased <- err
			}()
			<-gone
		}
	})
	if _, err = r.sys.desk.Register(t.Context(), g.by, journal.Answer{Task: "t", Text: "late", Entered: journal.ByClient}); err != nil {
		t.Errorf("the entry: %v", err)
	}
	r.must(<-erased)
	s, _, err := r.sys.desk.Clients.State(t.Context(), g.by.Actor)
	if err != nil || !s.Erased || !s.Swept {
		t.Errorf("the client is erased: %v, swept: %v; %v", s.Erased, s.Swept, err)
	}
	r.inOrder()
	r.must(r.sys.closeFiles())
}
