package signin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"samtykke/domain"
)

// A SessionTable is where sessions are kept. Processes that share one share their sessions: what one ends has ended for all when the
// call returns. Package signintest holds the suite that each passes. The instants are the caller's.
type SessionTable interface {
	// Add adds a row. Before, it ends the actor's oldest session where there are 20, and where the table is full all that are over by
	// their age or, if there are none, the one that was seen longest ago.
	Add(ctx context.Context, now time.Time, row SessionRow) error
	// Find gives the row with the key, and false where there is none; one that is over by its age is removed. It counts as a request,
	// which moves Seen to now. A table may leave Seen where it is while it is less than SeenEvery ago; it never moves it back.
	Find(ctx context.Context, key [sha256.Size]byte, now time.Time) (SessionRow, bool, error)
	// Replace puts other sealed bytes in the row with the key, and counts its version up. It is false, and nothing is done, where the
	// row has another version or there is none.
	Replace(ctx context.Context, key [sha256.Size]byte, version uint64, sealed []byte) (bool, error)
	// End removes the row with the id, if there is one.
	End(ctx context.Context, id domain.ID) error
	// EndAll removes the rows of an actor, and tells how many there were.
	EndAll(ctx context.Context, actor domain.ID) (int, error)
	// Forget removes the rows that are over by their age.
	Forget(ctx context.Context, now time.Time) error
}

// SeenEvery is how much later than a session's last request a table may note one. Counted from the request noted, a session that
// nobody uses may end so much sooner than by its terms, and never later.
const SeenEvery = time.Minute

// MaxSessions is how many sessions a table holds unless it is told otherwise.
const MaxSessions = 100_000

// MaxPerActor is how many sessions one actor has at once, so that nobody crowds out the others.
const MaxPerActor = 20

// A SessionRow is a session as a table keeps it. Whoever reads it learns that an id had a session, and when it was used. The token is
// not in it, and all else that is known of the session is sealed under a key that follows from the token: so it can be read while
// its browser shows the token, and at no other time.
type SessionRow struct {
	Key     [sha256.Size]byte // SHA-256 of the token
	ID      domain.ID
	Actor   domain.ID
	Seen    time.Time     // the last request that was noted
	Idle    time.Duration // since then, after which it is over
	Ends    time.Time     // when it is over in any case
	Version uint64        // from 1, one more with each change of what is sealed
	Sealed  []byte
}

// Over tells whether the session has ended by its age. It ends at its limit, not after it.
func (r *SessionRow) Over(now time.Time) bool {
	return !now.Before(r.Seen.Add(r.Idle)) || !now.Before(r.Ends)
}

// held is what a session in use knows of its row.
type held struct {
	key     [sha256.Size]byte
	cipher  cipher.AEAD
	version uint64
	kept    Session // as it is in the row, as far as is known
	found   Session // as it was given to whoever uses it
}

// newHeld derives from a token what finds its row, and what opens it: neither tells anything of the other.
func newHeld(token [tokenSize]byte) *held {
	mac := hmac.New(sha256.New, token[:])
	mac.Write([]byte("samtykke session 1"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		panic(err) // unreachable: the key has 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // unreachable: AES has blocks of 16 bytes
	}
	return &held{key: sha256.Sum256(token[:]), cipher: gcm}
}

// is says what is in the row, and that s, which is the same, is in use.
func (h *held) is(version uint64, s *Session) {
	h.version, h.kept, h.found = version, *s, *s
	s.held = h
	h.kept.held, h.found.held = nil, nil
}

// bare is a session without the methods that hide it.
type bare Session

// seal draws a nonce of 96 bits: a key serves for one session, which changes by the hundred at the most.
func (h *held) seal(s *Session, random io.Reader) ([]byte, error) {
	b, err := json.Marshal((*bare)(s))
	if err != nil {
		return nil, errUnreadable // the encoder's own words may quote values
	}
	nonce := make([]byte, h.cipher.NonceSize(), h.cipher.NonceSize()+len(b)+h.cipher.Overhead())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("randomness for a session: %w", err)
	}
	return h.cipher.Seal(nonce, nonce, b, nil), nil
}

// open gives the session in a row. All of it but Seen is as it was sealed, whatever else stands in the row.
func (h *held) open(row SessionRow) (*Session, error) {
	n := h.cipher.NonceSize()
	if len(row.Sealed) < n {
		return nil, errUnreadable
	}
	b, err := h.cipher.Open(nil, row.Sealed[:n], row.Sealed[n:], nil)
	if err != nil {
		return nil, errUnreadable
	}
	s := new(Session)
	if err := json.Unmarshal(b, (*bare)(s)); err != nil {
		return nil, errUnreadable
	}
	s.Seen = row.Seen
	return s, nil
}

var errUnreadable = errors.New("a session cannot be read where it is kept")

// MemorySessions makes a table in the memory of this process, for so many sessions; 0: MaxSessions.
func MemorySessions(most int) SessionTable {
	if most <= 0 {
		most = MaxSessions
	}
	return &memorySessions{
		most: most, live: map[[sha256.Size]byte]*SessionRow{},
		names: map[domain.ID][sha256.Size]byte{}, of: map[domain.ID][][sha256.Size]byte{},
	}
}

type memorySessions struct {
	most int

	mu    sync.Mutex
	live  map[[sha256.Size]byte]*SessionRow
	names map[domain.ID][sha256.Size]byte   // by session id
	of    map[domain.ID][][sha256.Size]byte // by actor, oldest first
}

func (t *memorySessions) Add(_ context.Context, now time.Time, row SessionRow) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.of[row.Actor]) >= MaxPerActor {
		t.end(t.of[row.Actor][0])
	}
	if len(t.live) >= t.most {
		t.makeRoom(now)
	}
	t.live[row.Key], t.names[row.ID] = &row, row.Key
	t.of[row.Actor] = append(t.of[row.Actor], row.Key)
	return nil
}

// makeRoom ends what is over by its age, or else what was seen longest ago.
func (t *memorySessions) makeRoom(now time.Time) {
	t.forget(now)
	if len(t.live) < t.most {
		return
	}
	var oldest *SessionRow
	for _, row := range t.live {
		if oldest == nil || row.Seen.Before(oldest.Seen) {
			oldest = row
		}
	}
	t.end(oldest.Key)
}

func (t *memorySessions) Find(_ context.Context, key [sha256.Size]byte, now time.Time) (SessionRow, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.live[key]
	if row == nil {
		return SessionRow{}, false, nil
	}
	if row.Over(now) {
		t.end(key)
		return SessionRow{}, false, nil
	}
	if now.After(row.Seen) {
		row.Seen = now
	}
	return *row, true, nil
}

func (t *memorySessions) Replace(_ context.Context, key [sha256.Size]byte, version uint64, sealed []byte) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.live[key]
	if row == nil || row.Version != version {
		return false, nil
	}
	row.Sealed = sealed
	row.Version++
	return true, nil
}

func (t *memorySessions) End(_ context.Context, id domain.ID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key, ok := t.names[id]; ok {
		t.end(key)
	}
	return nil
}

func (t *memorySessions) EndAll(_ context.Context, actor domain.ID) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := slices.Clone(t.of[actor])
	for _, key := range keys {
		t.end(key)
	}
	return len(keys), nil
}

func (t *memorySessions) Forget(_ context.Context, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	return nil
}

func (t *memorySessions) forget(now time.Time) {
	for key, row := range t.live {
		if row.Over(now) {
			t.end(key)
		}
	}
}

func (t *memorySessions) end(key [sha256.Size]byte) {
	row := t.live[key]
	delete(t.live, key)
	delete(t.names, row.ID)
	rest := slices.DeleteFunc(t.of[row.Actor], func(k [sha256.Size]byte) bool { return k == key })
	if len(rest) == 0 {
		delete(t.of, row.Actor)
	} else {
		t.of[row.Actor] = rest
	}
}
