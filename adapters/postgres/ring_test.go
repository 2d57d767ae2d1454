package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/disk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/keyring/keyringtest"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
)

// A cellar is where a keyring lives: a database, and a folder of epochs' keys.
type cellar struct {
	dsn  string
	disk disk.Disk
}

func newCellar(t testing.TB) cellar {
	t.Helper()
	d, err := disk.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return cellar{postgrestest.Database(t), d}
}

func (c cellar) open(t testing.TB, opts postgres.RingOptions) *postgres.Ring {
	t.Helper()
	r, err := c.tryOpen(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (c cellar) tryOpen(t testing.TB, opts postgres.RingOptions) (*postgres.Ring, error) {
	t.Helper()
	epochs, err := keyring.Options{}.OpenEpochs(c.disk, "keys", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := postgres.OpenRing(t.Context(), c.dsn, epochs, opts)
	if err != nil {
		epochs.Close()
	}
	return r, err
}

func TestRing(t *testing.T) {
	keyringtest.TestKeyring(t, func(t *testing.T) func() keyring.Keyring {
		c := newCellar(t)
		var ring *postgres.Ring
		return func() keyring.Keyring {
			if ring != nil {
				if err := ring.Close(); err != nil {
					t.Errorf("closing: %v", err)
				}
			}
			ring = c.open(t, postgres.RingOptions{Ready: 5000})
			return ring
		}
	})
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func owner(n int) keyring.Owner { return keyringtest.Owner(keyring.Client, n) }

func create(t *testing.T, k keyring.Keyring, owners ...int) {
	t.Helper()
	for _, n := range owners {
		if err := k.Create(t.Context(), owner(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func seal(t *testing.T, k keyring.Keyring, n int) []byte {
	t.Helper()
	s, err := k.Sealer(t.Context(), owner(n))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Seal([]byte("content"), []byte("bound"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustOpenSealed(t *testing.T, k keyring.Keyring, n int, sealed []byte) {
	t.Helper()
	s, err := k.Sealer(t.Context(), owner(n))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Open(sealed, []byte("bound")); err != nil || string(b) != "content" {
		t.Errorf("owner %d: %v", n, err)
	}
}

// Keys that were fetched cost no query each: they open when the table is not there any more.
func TestFetchedKeysAreNear(t *testing.T) {
	c := newCellar(t)
	made := c.open(t, postgres.RingOptions{})
	create(t, made, 1, 2, 3, 4)
	r := c.open(t, postgres.RingOptions{Fresh: time.Hour, Ready: 3})
	if err := r.Fetch(t.Context(), []keyring.Owner{owner(1), owner(1), owner(2), owner(3), owner(4)}); err != nil {
		t.Fatal(err)
	}
	exec(t, c.dsn, "ALTER TABLE samtykke.key RENAME TO elsewhere")
	for n := range 3 {
		seal(t, r, n+1)
	}
	if _, err := r.Sealer(t.Context(), owner(4)); err == nil {
		t.Error("a key beyond those kept ready was near: this test sees nothing")
	}
}

// Two processes share their keys; what one destroys the other uses no longer than Fresh, measured by its own clock.
func TestTwoRings(t *testing.T) {
	c := newCellar(t)
	var mu sync.Mutex
	now := noon
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	a, b := c.open(t, postgres.RingOptions{}), c.open(t, postgres.RingOptions{Fresh: time.Second, Clock: clock})
	create(t, a, 1, 2)
	sealed := seal(t, a, 1)
	mustOpenSealed(t, b, 1, sealed)
	held, err := b.Sealer(t.Context(), owner(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Destroy(t.Context(), owner(1)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(time.Second + 1)
	mu.Unlock()
	if _, err := held.Open(sealed, []byte("bound")); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("a sealer held in another process: %v, want %v", err, keyring.ErrDestroyed)
	}
	if _, err := b.Sealer(t.Context(), owner(1)); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("a sealer asked for in another process: %v, want %v", err, keyring.ErrDestroyed)
	}
	if err := b.Create(t.Context(), owner(1)); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("a key made again in another process: %v, want %v", err, keyring.ErrDestroyed)
	}
	mustOpenSealed(t, b, 2, seal(t, a, 2))
	if got := slices.Collect(b.Destroyed()); !slices.Equal(got, []keyring.Owner{owner(1)}) {
		t.Errorf("destroyed: %d owners, want the one", len(got))
	}
}

// Destroyed lists everybody in the order of destruction, whoever destroyed, and still after opening anew.
func TestDestroyedList(t *testing.T) {
	c := newCellar(t)
	a, b := c.open(t, postgres.RingOptions{}), c.open(t, postgres.RingOptions{})
	var want []keyring.Owner
	for n := range 12 {
		k := []*postgres.Ring{a, b}[n%2]
		if n%3 > 0 {
			create(t, k, n)
		}
		for range 2 { // the second time is no other destruction
			if err := k.Destroy(t.Context(), owner(n)); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, owner(n))
	}
	create(t, a, 100)
	if got := slices.Collect(c.open(t, postgres.RingOptions{}).Destroyed()); !slices.Equal(got, want) {
		t.Errorf("%d owners, want %d in order", len(got), len(want))
	}
	if living, destroyed, err := a.Count(t.Context()); living != 1 || destroyed != 12 || err != nil {
		t.Errorf("%d living, %d destroyed, %v", living, destroyed, err)
	}
}

// A rotation wraps every key anew, keeps those of the other process working, and after 14 days the first epoch's key is gone, with
// everything that it wrapped.
func TestRotate(t *testing.T) {
	c := newCellar(t)
	a, b := c.open(t, postgres.RingOptions{}), c.open(t, postgres.RingOptions{Fresh: time.Nanosecond})
	const owners = 2500 // more than two batches
	var all sync.WaitGroup
	for w := range 20 {
		all.Go(func() {
			for n := w; n < owners; n += 20 {
				if err := a.Create(t.Context(), owner(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	sealed := [][]byte{seal(t, a, 0), seal(t, b, 1), seal(t, b, owners-1)}
	if err := a.Destroy(t.Context(), owner(7)); err != nil {
		t.Fatal(err)
	}
	for day := range 16 {
		if err := []*postgres.Ring{a, b}[day%2].Rotate(t.Context(), noon.AddDate(0, 0, day)); err != nil {
			t.Fatal(err)
		}
		create(t, a, owners+2*day)
		create(t, b, owners+2*day+1)
		for _, k := range []*postgres.Ring{a, b} {
			mustOpenSealed(t, k, 0, sealed[0])
			mustOpenSealed(t, k, 1, sealed[1])
			mustOpenSealed(t, k, owners-1, sealed[2])
		}
	}
	if n := count(t, c.dsn, "SELECT count(*) FROM samtykke.key, samtykke.ring WHERE key.epoch < ring.epoch AND gone IS NULL"); n > 2 {
		t.Errorf("%d keys are under earlier epochs' keys", n)
	}
	epochs, err := a.Epochs()
	if err != nil || len(epochs) != 14 || epochs[0].Number != 4 || !epochs[13].Current {
		t.Errorf("%d epochs, from %d, %v; want the last 14 days'", len(epochs), epochs[0].Number, err)
	}
	k := c.open(t, postgres.RingOptions{})
	mustOpenSealed(t, k, 0, sealed[0])
	if _, err := k.Sealer(t.Context(), owner(7)); !errors.Is(err, keyring.ErrDestroyed) {
		t.Errorf("%v, want %v", err, keyring.ErrDestroyed)
	}
}

// A rotation that was interrupted between two batches is taken up by the next call, on the same day too, and no epoch's key is
// destroyed that a key hangs on.
func TestRotateResumes(t *testing.T) {
	c := newCellar(t)
	k := c.open(t, postgres.RingOptions{})
	create(t, k, 1, 2)
	one, two := seal(t, k, 1), seal(t, k, 2)
	row := fmt.Sprintf("WHERE id = '%s'", owner(2).ID)
	rotate := func(days int) error { return k.Rotate(t.Context(), noon.AddDate(0, 0, days)) }
	if err := rotate(0); err != nil {
		t.Fatal(err)
	}
	exec(t, c.dsn, "CREATE TABLE samtykke.before AS SELECT * FROM samtykke.key "+row)
	if err := rotate(1); err != nil {
		t.Fatal(err)
	}
	// As if the second key had not been reached.
	exec(t, c.dsn, "UPDATE samtykke.key k SET epoch = b.epoch, wrapped = b.wrapped FROM samtykke.before b WHERE b.id = k.id")
	if err := rotate(1); err != nil {
		t.Fatal(err)
	}
	if n := count(t, c.dsn, "SELECT count(*) FROM samtykke.key WHERE epoch <> 3"); n != 0 {
		t.Errorf("%d keys are not under the third epoch's key", n)
	}
	k = c.open(t, postgres.RingOptions{})
	mustOpenSealed(t, k, 1, one)
	mustOpenSealed(t, k, 2, two)

	// A key that does not open stops the rotation, and nothing that a key may hang on is destroyed.
	exec(t, c.dsn, "UPDATE samtykke.key SET wrapped = repeat('x', 60)::bytea "+row)
	if err := rotate(20); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("%v, want %v", err, keyring.ErrDamaged)
	}
	epochs, err := k.Epochs()
	if err != nil || len(epochs) != 3 || epochs[0].Number != 2 {
		t.Errorf("%d epochs, %v; want 3, from the second", len(epochs), err)
	}
}

// After Destroy and Rotate the table, and its file, hold nothing of what stood there before.
func TestKeyRows(t *testing.T) {
	c := newCellar(t)
	k := c.open(t, postgres.RingOptions{})
	create(t, k, 1, 2)
	before := rowsOf(t, c.dsn)
	if err := k.Destroy(t.Context(), owner(1)); err != nil {
		t.Fatal(err)
	}
	if err := k.Rotate(t.Context(), noon); err != nil {
		t.Fatal(err)
	}
	after := rowsOf(t, c.dsn)
	for id, wrapped := range before {
		if bytes.Equal(after[id], wrapped) {
			t.Error("a row is as it was")
		}
	}
	exec(t, c.dsn, "CHECKPOINT")
	raw := fileOf(t, c.dsn)
	for _, wrapped := range before {
		if bytes.Contains(raw, wrapped) {
			t.Error("the table's file still has what wrapped a key before")
		}
	}
}

// fileOf reads the file of the table of keys, as the server last wrote it.
func fileOf(t *testing.T, dsn string) (raw []byte) {
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT pg_read_binary_file(pg_relation_filepath('samtykke.key'))").Scan(&raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

func rowsOf(t *testing.T, dsn string) map[[16]byte][]byte {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "SELECT id, wrapped FROM samtykke.key")
	if err != nil {
		t.Fatal(err)
	}
	all := map[[16]byte][]byte{}
	var id [16]byte
	var wrapped []byte
	if _, err := pgx.ForEachRow(rows, []any{&id, &wrapped}, func() error { all[id] = wrapped; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// A database and a folder that do not belong together are told apart, and nothing is made anew over them.
func TestApart(t *testing.T) {
	c, other := newCellar(t), newCellar(t)
	create(t, c.open(t, postgres.RingOptions{}), 1)
	create(t, other.open(t, postgres.RingOptions{}), 1)
	if _, err := (cellar{other.dsn, c.disk}).tryOpen(t, postgres.RingOptions{}); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("another's folder: %v, want %v", err, keyring.ErrDamaged)
	}
	if _, err := (cellar{postgrestest.Database(t), c.disk}).tryOpen(t, postgres.RingOptions{}); !errors.Is(err, keyring.ErrDamaged) {
		t.Errorf("an empty database: %v, want %v", err, keyring.ErrDamaged)
	}
	if _, err := (cellar{c.dsn, newCellar(t).disk}).tryOpen(t, postgres.RingOptions{}); !errors.Is(err, keyring.ErrEpochGone) {
		t.Errorf("an empty folder: %v, want %v", err, keyring.ErrEpochGone)
	}
	c.open(t, postgres.RingOptions{})
}

// A keyring never lies in the ledger's schema.
func TestKeysBesideEvents(t *testing.T) {
	c := newCellar(t)
	mustOpen(t, c.dsn, postgres.Options{})
	if _, err := c.tryOpen(t, postgres.RingOptions{}); err == nil {
		t.Error("the keys lie in the ledger's schema")
	}
}

// While the database cannot be reached, nothing is sealed or opened for longer than Fresh.
func TestRingCutOff(t *testing.T) {
	c := newCellar(t)
	p := postgrestest.NewProxy(t, c.dsn)
	k := (cellar{p.DSN, c.disk}).open(t, postgres.RingOptions{Fresh: time.Nanosecond})
	create(t, k, 1)
	sealed := seal(t, k, 1)
	p.Cut()
	s, err := k.Sealer(t.Context(), owner(1))
	if err == nil || s != nil {
		t.Error("a key was given out by who cannot know whether it was destroyed")
	}
	if errors.Is(err, keyring.ErrDestroyed) || errors.Is(err, keyring.ErrNoKey) {
		t.Errorf("%v: nobody knows", err)
	}
	p.Next("")
	mustOpenSealed(t, k, 1, sealed)
}

func count(t *testing.T, dsn, query string) (n int) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
