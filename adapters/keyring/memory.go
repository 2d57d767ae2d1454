package keyring

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// A MemoryRing is a Keyring without files, for tests. Its keys end with it.
type MemoryRing struct {
	table *table

	mu     sync.Mutex // one Create or Destroy at a time
	random io.Reader
	last   slot
}

// Memory makes an empty keyring; random makes its keys.
func Memory(random io.Reader) (*MemoryRing, error) {
	var key [keySize]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return nil, fmt.Errorf("randomness for a master key: %w", err)
	}
	master, err := subtle.NewAESGCM(key[:])
	if err != nil {
		return nil, err
	}
	return &MemoryRing{table: newTable(master), random: random}, nil
}

// Create is Keyring.Create.
func (m *MemoryRing) Create(ctx context.Context, owner Owner) error {
	o, err := begin(ctx, owner)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, known := m.table.find(o); known {
		return s.refusal(known)
	}
	key, err := makeKey(m.table.wrapping, o, m.random)
	if err != nil {
		return err
	}
	m.last++
	m.table.keep(o, m.last, key)
	return nil
}

// Sealer is Keyring.Sealer.
func (m *MemoryRing) Sealer(ctx context.Context, owner Owner) (Sealer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.table.sealer(owner)
}

// Fetch is Keyring.Fetch: all keys are in memory.
func (m *MemoryRing) Fetch(ctx context.Context, _ []Owner) error { return ctx.Err() }

// Destroy is Keyring.Destroy.
func (m *MemoryRing) Destroy(ctx context.Context, owner Owner) error {
	o, err := begin(ctx, owner)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.table.drop(o)
	return nil
}

func begin(ctx context.Context, owner Owner) (tag, error) {
	if err := ctx.Err(); err != nil {
		return tag{}, err
	}
	return tagOf(owner)
}

// Format prints the word only, whatever the verb.
func (m *MemoryRing) Format(f fmt.State, _ rune) { io.WriteString(f, "[keyring]") }

// LogValue shows the word only.
func (m *MemoryRing) LogValue() slog.Value { return slog.StringValue("[keyring]") }
