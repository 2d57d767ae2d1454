package filestore_test

import (
	"math/rand/v2"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/filestore"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
)

// small makes segments, fills, the index and slices turn over often.
var small = filestore.Options{SegmentSize: 4 << 10, FillAhead: 1 << 10, IndexEvery: 20, EraseSlice: 2 << 10}

// place is a store's folder.
type place struct {
	disk.Disk
	opts filestore.Options
}

func (p place) Open(t *testing.T) (ledger.Store, func() error) {
	t.Helper()
	s, _, err := filestore.Open(p.Disk, p.opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s, s.Close
}

// simulated is a place on a disk that can crash.
type simulated struct{ place }

func (p simulated) Crash(*testing.T) { p.Disk.(*simdisk.Disk).Crash() }

func osDisk(t testing.TB) disk.Disk {
	t.Helper()
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func seed(n uint64) rand.Source { return rand.NewPCG(n, 0) }

func TestStoreOnDisk(t *testing.T) {
	t.Run("small segments", func(t *testing.T) {
		ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place { return place{osDisk(t), small} })
	})
	t.Run("as shipped", func(t *testing.T) {
		ledgertest.TestStore(t, func(t *testing.T) ledgertest.Place { return place{osDisk(t), filestore.Options{}} })
	})
}

func TestStoreSimulated(t *testing.T) {
	for n := range uint64(5) {
		ledgertest.TestStore(t, func(*testing.T) ledgertest.Place { return simulated{place{simdisk.New(seed(n)), small}} })
	}
}
