package keyring_test

import (
	"crypto/rand"
	"testing"

	"samtykke/adapters/disk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/keyring/keyringtest"
)

func TestMemory(t *testing.T) {
	keyringtest.TestKeyring(t, func(t *testing.T) func() keyring.Keyring {
		ring, err := keyring.Memory(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return func() keyring.Keyring { return ring }
	})
}

func TestFile(t *testing.T) {
	keyringtest.TestKeyring(t, func(t *testing.T) func() keyring.Keyring {
		d, err := disk.OS(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var ring *keyring.FileRing
		closeIt := func() {
			if ring == nil {
				return
			}
			if err := ring.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		}
		t.Cleanup(closeIt)
		return func() keyring.Keyring {
			closeIt()
			ring, err = keyring.OpenFile(d, "keys", rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return ring
		}
	})
}
