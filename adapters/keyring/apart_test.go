package keyring_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/keyring/keyringtest"
)

func openEpochs(t *testing.T, d disk.Disk) *keyring.EpochKeys {
	t.Helper()
	k, err := keyring.Options{}.OpenEpochs(d, "keys", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Two processes have one folder of epochs' keys: what one wraps the other opens, for its owner only, and rewraps.
func TestEpochKeysShared(t *testing.T) {
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, b := openEpochs(t, d), openEpochs(t, d)
	first, err := a.Begin(0, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	me, other := keyringtest.Owner(keyring.Client, 1), keyringtest.Owner(keyring.Client, 2)
	wrapped, err := first.Make(me, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cipher, err := first.Open(me, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := cipher.Encrypt([]byte("content"), nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Begin(1, time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	if err != nil || second.Number != 2 {
		t.Fatalf("epoch %d, %v; want 2", second.Number, err)
	}
	same, err := b.Key(1)
	if err != nil {
		t.Fatal(err)
	}
	anew, err := same.Rewrap(second, me, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Open(other, anew); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("for another owner: %v", err)
	}
	if _, err := first.Open(me, anew); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("under another epoch's key: %v", err)
	}
	if cipher, err = second.Open(me, anew); err != nil {
		t.Fatal(err)
	}
	if content, err := cipher.Decrypt(sealed, nil); string(content) != "content" {
		t.Errorf("not the same key: %v", err)
	}
	check, err := second.Check()
	if err != nil || !second.Checks(check) || first.Checks(check) {
		t.Errorf("a check must hold for its key alone: %v", err)
	}
	if out := fmt.Sprintf("%v %+v %#v", second, a, second); out != "[epoch key] [epoch keys] [epoch key]" {
		t.Errorf("printing shows %s", out)
	}
	escrow := simdisk.New(nil)
	if err := a.EscrowTo(t.Context(), escrow, time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC), 2); err != nil {
		t.Fatal(err)
	}
	if names, err := escrow.Names("epochs"); len(names) != 1 || names[0] != "2" || err != nil {
		t.Errorf("the escrow holds %v, %v; want the key that has not ended", names, err)
	}
	if err := a.DestroyEnded(time.Date(2026, 3, 2, 13, 0, 0, 0, time.UTC), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Key(1); !errors.Is(err, keyring.ErrEpochGone) {
		t.Errorf("a destroyed epoch's key: %v, want %v", err, keyring.ErrEpochGone)
	}
}

// A folder is a FileRing's or one of epochs' keys alone, never both, and is never filled up anew.
func TestEpochKeysAlone(t *testing.T) {
	d := simdisk.New(nil)
	ring, err := keyring.OpenFile(d, "keys", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring.Close()
	if _, err := (keyring.Options{}).OpenEpochs(d, "keys", rand.Reader); !errors.Is(err, keyring.ErrTogether) {
		t.Errorf("a FileRing's folder: %v, want %v", err, keyring.ErrTogether)
	}

	d = simdisk.New(nil)
	k := openEpochs(t, d)
	if _, err := k.Begin(0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.OpenFile(d, "keys", rand.Reader); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("while epochs' keys are open: %v, want %v", err, disk.ErrLocked)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.OpenFile(d, "keys", rand.Reader); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("epochs' keys without a table: %v, want %v", err, keyring.ErrDamaged)
	}
	if err := d.Remove("keys/master.key"); err != nil {
		t.Fatal(err)
	}
	if _, err := (keyring.Options{}).OpenEpochs(d, "keys", rand.Reader); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("without the master key: %v, want %v", err, keyring.ErrDamaged)
	}
}
