package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tink-crypto/tink-go/v2/tink"

	"samtykke/adapters/keyring"
	"samtykke/domain"
)

const (
	DefaultReady = 1 << 16 // ciphers that a ring keeps ready unless its options say otherwise
	ReadySize    = 1200    // bytes that each takes, about
)

// RingOptions are how a keyring works. The zero value is good.
type RingOptions struct {
	// Schema is the schema that holds the data keys, "samtykke" if empty. It is never the ledger's.
	Schema string
	// Fresh is for how long a keyring goes by what it last heard of destructions in other processes, 250 ms if 0.
	Fresh time.Duration
	// Patience is how long sealing and opening wait for the server where they need it, 30 seconds if 0.
	Patience time.Duration
	// Ready is how many ciphers are kept ready, each of about ReadySize, DefaultReady if 0. Each other one costs a query.
	Ready int
	// Unsafe takes a server that may lose what it has promised. It is for tests.
	Unsafe bool
	// Clock measures Fresh; time.Now if nil.
	Clock func() time.Time
}

func (o RingOptions) withDefaults() RingOptions {
	if o.Fresh == 0 {
		o.Fresh = 250 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Ready == 0 {
		o.Ready = DefaultReady
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// A Ring is a keyring.Keyring in a PostgreSQL database. Any number of them, in as many processes, may work on one; the package comment
// says what they share.
type Ring struct {
	server *server
	opts   RingOptions
	pool   *pgxpool.Pool
	epochs *keyring.EpochKeys

	asking sync.Mutex // held by the one who asks the database what has changed

	mu        sync.Mutex // guards what follows; never held during a query
	asked     time.Time  // when the database was last asked, and what it said:
	epoch     uint32     // the current one
	keys      map[uint32]keyring.EpochKey
	destroyed []keyring.Owner // in that order; only ever added to
	gone      map[keyring.Owner]bool
	ready     *lru.Cache[keyring.Owner, tink.AEAD] // never of an owner who is gone
	closed    bool
}

var _ keyring.Keyring = (*Ring)(nil)

// OpenRing opens the keyring in the database that the connection string names, and makes it if there is none. The ring closes epochs,
// which lie apart from the database. Apart from the errors of Open, one matches keyring.ErrEpochGone if the key is not there
// that opens the data keys, and keyring.ErrDamaged if the two do not belong together.
func OpenRing(ctx context.Context, dsn string, epochs *keyring.EpochKeys, opts RingOptions) (*Ring, error) {
	r, err := openRing(ctx, dsn, epochs, opts.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("opening the keyring in PostgreSQL: %w", err)
	}
	return r, nil
}

func openRing(ctx context.Context, dsn string, epochs *keyring.EpochKeys, opts RingOptions) (*Ring, error) {
	server, err := newServer(dsn, opts.Schema, opts.Unsafe)
	if err != nil {
		return nil, err
	}
	steps, err := migrations(keysFiles, "keys")
	if err != nil {
		return nil, err
	}
	if err := server.migrate(ctx, "keys", steps); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), server.config)
	if err != nil {
		return nil, plain(ctx, err)
	}
	r := &Ring{server: server, opts: opts, pool: pool, epochs: epochs, keys: map[uint32]keyring.EpochKey{}, gone: map[keyring.Owner]bool{}}
	if r.ready, err = lru.New[keyring.Owner, tink.AEAD](opts.Ready); err == nil {
		err = r.begin(ctx)
	}
	if err == nil {
		err = r.ask(ctx)
	}
	if err == nil {
		err = r.belongs(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return r, nil
}

// begin makes the first epoch's key of a new keyring. That it is being made is written down before: so a key that stands in the
// folder without data keys under it is told from data keys that were lost.
func (r *Ring) begin(ctx context.Context) error {
	return r.alone(ctx, func(c *pgx.Conn) error {
		var epoch int64
		if err := c.QueryRow(ctx, "SELECT epoch FROM ring").Scan(&epoch); err != nil || epoch > 0 {
			return plain(ctx, err)
		}
		latest, err := r.epochs.Latest()
		if err != nil {
			return err
		}
		if epoch == 0 && latest > 0 {
			return fmt.Errorf("%w: there are epochs' keys, and no data keys", keyring.ErrDamaged)
		}
		if _, err := c.Exec(ctx, "UPDATE ring SET epoch = -1"); err != nil {
			return plain(ctx, err)
		}
		key, err := r.epochs.Begin(latest, time.Time{})
		if err != nil {
			return err
		}
		return r.setEpoch(ctx, c, key)
	})
}

// setEpoch makes an epoch the current one, durably.
func (r *Ring) setEpoch(ctx context.Context, c *pgx.Conn, key keyring.EpochKey) error {
	check, err := key.Check()
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "UPDATE ring SET epoch = $1, checked = $2", key.Number, check)
	return plain(ctx, err)
}

// belongs checks that the data keys are under the current epoch's key.
func (r *Ring) belongs(ctx context.Context) error {
	var number uint32
	var check []byte
	if err := r.pool.QueryRow(ctx, "SELECT epoch, checked FROM ring").Scan(&number, &check); err != nil {
		return plain(ctx, err)
	}
	key, err := r.epochs.Key(number)
	if err == nil && !key.Checks(check) {
		err = fmt.Errorf("%w: the data keys are not under the key of epoch %d, or that is of another keyring", keyring.ErrDamaged, number)
	}
	return err
}

// alone runs what only one process at a time may do. The lock ends with its connection.
func (r *Ring) alone(ctx context.Context, do func(*pgx.Conn) error) error {
	c, err := r.server.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(c)
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", "samtykke keys "+r.server.schema); err != nil {
		return plain(ctx, err)
	}
	return do(c)
}

// Close ends the ring and closes the epochs' keys. Whoever has a Sealer of it gets keyring.ErrEnded.
func (r *Ring) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.ready.Purge()
	clear(r.keys)
	r.mu.Unlock()
	if again {
		return nil
	}
	r.pool.Close()
	return r.epochs.Close()
}

var errRingClosed = fmt.Errorf("%w: it was closed", keyring.ErrEnded)

// Create is keyring.Keyring.Create.
func (r *Ring) Create(ctx context.Context, owner keyring.Owner) error {
	if err := errors.Join(ctx.Err(), owner.Check()); err != nil {
		return err
	}
	for range 10 { // until the epoch stays the same, and nobody else makes a key for the same owner at the same time
		if err := r.fresh(ctx); err != nil {
			return err
		}
		key, err := r.current()
		if err != nil {
			return err
		}
		var wrapped []byte
		err = r.epochs.Draw(func(random io.Reader) (err error) {
			wrapped, err = key.Make(owner, random)
			return err
		})
		if err != nil {
			return err
		}
		var destroyed *bool
		err = r.pool.QueryRow(ctx, "SELECT make($1, $2, $3, $4)", string(owner.Kind), [16]byte(owner.ID), key.Number, wrapped).Scan(&destroyed)
		switch {
		case err != nil:
			return r.failure(plain(ctx, err))
		case destroyed == nil:
			r.doubt(owner)
			continue
		case *destroyed:
			return keyring.ErrDestroyed
		}
		return nil
	}
	return errors.New("keys are being rotated and made all the time")
}

// Destroy is keyring.Keyring.Destroy. The server then removes the row's earlier form as soon as no transaction can see it.
func (r *Ring) Destroy(ctx context.Context, owner keyring.Owner) error {
	if err := errors.Join(ctx.Err(), owner.Check()); err != nil {
		return err
	}
	_, err := r.pool.Exec(ctx, "SELECT destroy($1, $2)", string(owner.Kind), [16]byte(owner.ID))
	r.doubt(owner)
	if err == nil {
		r.mu.Lock()
		r.gone[owner] = true
		r.mu.Unlock()
		_, err = r.pool.Exec(ctx, "VACUUM key")
	}
	return r.failure(plain(ctx, err))
}

// doubt has the database be asked before anything is done with the owner's key.
func (r *Ring) doubt(owner keyring.Owner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready.Remove(owner)
	r.asked = time.Time{}
}

// Sealer is keyring.Keyring.Sealer. It and what it gives go by what the database said at most RingOptions.Fresh ago.
func (r *Ring) Sealer(ctx context.Context, owner keyring.Owner) (keyring.Sealer, error) {
	if err := errors.Join(ctx.Err(), owner.Check()); err != nil {
		return nil, err
	}
	if _, err := r.cipher(ctx, owner); err != nil {
		return nil, err
	}
	return sealer{r, owner}, nil
}

// cipher gives the owner's cipher, or the reason why there is none.
func (r *Ring) cipher(ctx context.Context, owner keyring.Owner) (tink.AEAD, error) {
	if err := r.fresh(ctx); err != nil {
		return nil, err
	}
	if c, err := r.known(owner, nil); c != nil || err != nil {
		return c, err
	}
	var epoch uint32
	var wrapped []byte
	var gone bool
	err := r.pool.QueryRow(ctx, "SELECT epoch, wrapped, gone IS NOT NULL FROM key WHERE kind = $1 AND id = $2", string(owner.Kind), [16]byte(owner.ID)).
		Scan(&epoch, &wrapped, &gone)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, keyring.ErrNoKey
	case err != nil:
		return nil, r.failure(plain(ctx, err))
	case gone:
		return nil, keyring.ErrDestroyed
	}
	c, err := r.unwrap(owner, epoch, wrapped)
	if err != nil {
		return nil, err
	}
	return r.known(owner, c)
}

// Fetch is keyring.Keyring.Fetch. It fetches as many as are kept ready.
func (r *Ring) Fetch(ctx context.Context, owners []keyring.Owner) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.fresh(ctx); err != nil {
		return err
	}
	var kinds []string
	var ids [][16]byte
	asked := map[keyring.Owner]bool{}
	for _, owner := range owners {
		if len(ids) == r.opts.Ready {
			break
		}
		if c, err := r.known(owner, nil); c == nil && err == nil && !asked[owner] {
			asked[owner] = true
			kinds, ids = append(kinds, string(owner.Kind)), append(ids, owner.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := r.pool.Query(ctx, `SELECT k.* FROM unnest($1::text[], $2::uuid[]) w (kind, id), LATERAL (
		SELECT kind, id, epoch, wrapped FROM key WHERE kind = w.kind COLLATE "C" AND id = w.id AND gone IS NULL OFFSET 0) k`, kinds, ids)
	if err != nil {
		return r.failure(plain(ctx, err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[foundKey])
	if err != nil {
		return r.failure(plain(ctx, err))
	}
	for _, f := range found {
		owner := keyring.Owner{Kind: keyring.Kind(f.Kind), ID: domain.ID(f.ID)}
		c, err := r.unwrap(owner, f.Epoch, f.Wrapped)
		if err == nil {
			_, err = r.known(owner, c)
		}
		if err != nil && !errors.Is(err, keyring.ErrDestroyed) {
			return err
		}
	}
	return nil
}

type foundKey struct {
	Kind    string
	ID      [16]byte
	Epoch   uint32
	Wrapped []byte
}

// unwrap gives the cipher of a key that was wrapped under an epoch's.
func (r *Ring) unwrap(owner keyring.Owner, epoch uint32, wrapped []byte) (tink.AEAD, error) {
	key, err := r.key(epoch)
	if err != nil {
		return nil, err
	}
	return key.Open(owner, wrapped)
}

// known gives what is known of an owner's cipher: nothing, the cipher, or why there is none. One that was found just now is kept,
// unless the owner's key was destroyed meanwhile.
func (r *Ring) known(owner keyring.Owner, found tink.AEAD) (tink.AEAD, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, errRingClosed
	case r.gone[owner]:
		return nil, keyring.ErrDestroyed
	case found != nil:
		r.ready.Add(owner, found)
		return found, nil
	}
	c, _ := r.ready.Get(owner)
	return c, nil
}

// current gives the current epoch's key.
func (r *Ring) current() (keyring.EpochKey, error) {
	r.mu.Lock()
	epoch := r.epoch
	r.mu.Unlock()
	return r.key(epoch)
}

// key gives an epoch's key.
func (r *Ring) key(epoch uint32) (keyring.EpochKey, error) {
	r.mu.Lock()
	key, known := r.keys[epoch]
	r.mu.Unlock()
	if known {
		return key, nil
	}
	key, err := r.epochs.Key(epoch)
	if err != nil {
		return keyring.EpochKey{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if epoch >= r.epoch { // an older one is used while keys are rotated, and not kept
		r.keys[epoch] = key
	}
	return key, nil
}

// fresh sees to it that the database was asked not long ago what has changed.
func (r *Ring) fresh(ctx context.Context) error {
	if fresh, err := r.isFresh(); fresh || err != nil {
		return err
	}
	r.asking.Lock()
	defer r.asking.Unlock()
	if fresh, err := r.isFresh(); fresh || err != nil { // somebody else has asked meanwhile
		return err
	}
	return r.ask(ctx)
}

func (r *Ring) isFresh() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false, errRingClosed
	}
	return !r.asked.IsZero() && r.opts.Clock().Sub(r.asked) <= r.opts.Fresh, nil
}

// ask learns which keys were destroyed since the database was last asked, and which epoch is the current one.
func (r *Ring) ask(ctx context.Context) error {
	begun := r.opts.Clock()
	r.mu.Lock()
	seen := len(r.destroyed)
	r.mu.Unlock()
	var epoch uint32
	var count int
	if err := r.pool.QueryRow(ctx, "SELECT epoch, destroyed FROM ring").Scan(&epoch, &count); err != nil {
		return r.failure(plain(ctx, err))
	}
	var gone []keyring.Owner
	if count > seen {
		rows, err := r.pool.Query(ctx, "SELECT kind, id FROM key WHERE gone > $1 AND gone <= $2 ORDER BY gone", seen, count)
		if err != nil {
			return r.failure(plain(ctx, err))
		}
		gone, err = pgx.CollectRows(rows, ownerOf)
		if err != nil {
			return r.failure(plain(ctx, err))
		}
		if len(gone) != count-seen {
			return fmt.Errorf("%w: the database knows of %d destroyed keys and says it has %d", keyring.ErrDamaged, seen+len(gone), count)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, owner := range gone {
		r.gone[owner] = true
		r.ready.Remove(owner)
	}
	r.destroyed = append(r.destroyed, gone...)
	if epoch != r.epoch {
		r.epoch = epoch
		clear(r.keys)
	}
	r.asked = begun
	return nil
}

func ownerOf(row pgx.CollectableRow) (keyring.Owner, error) {
	var kind string
	var id [16]byte
	err := row.Scan(&kind, &id)
	return keyring.Owner{Kind: keyring.Kind(kind), ID: domain.ID(id)}, err
}

// Destroyed gives the owners whose key was destroyed, in that order, as far as the database has been asked. Kept outside of the
// backups, the list says what to destroy once more when an older copy is put back.
func (r *Ring) Destroyed() iter.Seq[keyring.Owner] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Values(r.destroyed)
}

// Count tells how many keys there are and how many were destroyed, each of another owner.
func (r *Ring) Count(ctx context.Context) (living, destroyed int, err error) {
	err = r.pool.QueryRow(ctx, "SELECT count(*) FILTER (WHERE gone IS NULL), count(gone) FROM key").Scan(&living, &destroyed)
	return living, destroyed, r.failure(plain(ctx, err))
}

// Now is the clock of the database's server, in UTC, as it was some time during the call.
func (r *Ring) Now(ctx context.Context) (time.Time, error) {
	t, err := now(ctx, r.pool)
	return t, r.failure(err)
}

// failure is what a caller is told: that the pool is closed means that the ring is.
func (r *Ring) failure(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || !r.closed || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errRingClosed
}

// A sealer asks the ring each time, so that none outlives its key.
type sealer struct {
	ring  *Ring
	owner keyring.Owner
}

func (s sealer) cipher() (tink.AEAD, error) {
	fresh, err := s.ring.isFresh()
	if err != nil {
		return nil, err
	}
	if fresh {
		if c, err := s.ring.known(s.owner, nil); c != nil || err != nil {
			return c, err // as nearly always: there is nothing to wait for, and no deadline to set
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.ring.opts.Patience)
	defer cancel()
	return s.ring.cipher(ctx, s.owner)
}

// Seal is keyring.Sealer.Seal.
func (s sealer) Seal(plaintext, associatedData []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, err
	}
	return c.Encrypt(plaintext, associatedData)
}

// Open is keyring.Sealer.Open.
func (s sealer) Open(ciphertext, associatedData []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, err
	}
	plaintext, err := c.Decrypt(ciphertext, associatedData)
	if err != nil {
		return nil, keyring.ErrNoMatch
	}
	return plaintext, nil
}

// Format prints the word only, whatever the verb.
func (s sealer) Format(f fmt.State, _ rune) { io.WriteString(f, "[sealer]") }

// LogValue shows the word only.
func (s sealer) LogValue() slog.Value { return slog.StringValue("[sealer]") }

// Format prints the word only, whatever the verb.
func (r *Ring) Format(f fmt.State, _ rune) { io.WriteString(f, "[keyring]") }

// LogValue shows the word only.
func (r *Ring) LogValue() slog.Value { return slog.StringValue("[keyring]") }
