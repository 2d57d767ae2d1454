package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"samtykke/domain"
)

// Terms say how long a session of a role lasts.
type Terms struct {
	Idle  time.Duration // since its last request
	Whole time.Duration // since it began
}

// FreshFor is how long after a password and a one-time code an act that takes both may be done without asking again.
const FreshFor = 5 * time.Minute

// TermsOf gives the terms of a role's sessions: clients work through a module at their own pace, staff read about others.
func TermsOf(r domain.Role) Terms {
	if r == domain.RoleClient {
		return Terms{Idle: 30 * time.Minute, Whole: 12 * time.Hour}
	}
	return Terms{Idle: 15 * time.Minute, Whole: 10 * time.Hour}
}

// A Session is somebody who is signed in, at one browser or app. It prints as "[session]".
//
// Whether it is still good is for two to say: Sessions, by its age, and the ledger, by what it was opened with. Code,
// Credentials and Standing are what the ledger is asked about: a session ends with the code, the password or the standing
// that it came of.
type Session struct {
	ID           domain.ID // stands in events
	Actor        domain.ID
	Role         domain.Role
	Organisation domain.ID // zero for clients and the service's own staff
	Channel      string    // web or app
	Language     string    // that pages are shown in: nb, nn, en; "" is not chosen
	Since        time.Time
	Seen         time.Time             // the last request
	StrongAt     time.Time             // when password and one-time code were last given; zero: never
	Code         [sha256.Size]byte     // keyed hash of the code that a client came by
	Pending      [sha256.Size]byte     // keyed hash of the new code that a client is shown and has not typed back; zero: none
	Credentials  uint64                // version of the account's stream at which the password of a member of staff was set
	Standing     uint64                // version of the organisation's stream at which its standing there began
	Position     uint64                // of the last event it wrote: what it is shown next is no older
	found        *[2][sha256.Size]byte // Code and Pending as Find gave them
}

// Fresh tells whether password and one-time code were given so lately that they need not be asked for again.
func (s *Session) Fresh(now time.Time) bool {
	return !s.StrongAt.IsZero() && now.Before(s.StrongAt.Add(FreshFor))
}

// over tells whether the session has ended by its age. It ends at its limit, not after it.
func (s *Session) over(now time.Time) bool {
	t := TermsOf(s.Role)
	return !now.Before(s.Seen.Add(t.Idle)) || !now.Before(s.Since.Add(t.Whole))
}

const hiddenSession = "[session]"

// Format shows nothing of the session, whatever the verb.
func (Session) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenSession) }

// LogValue shows nothing of the session.
func (Session) LogValue() slog.Value { return slog.StringValue(hiddenSession) }

// MarshalText shows nothing of the session.
func (Session) MarshalText() ([]byte, error) { return []byte(hiddenSession), nil }

// A Token is what a browser shows to be known again: 32 random bytes. It prints as "[token]".
type Token struct{ text func() string } // in a function, because no printer looks into one

// Cookie is the token as it goes to the browser and comes back.
func (t Token) Cookie() string { return t.text() }

const hiddenToken = "[token]"

// Format does not show the token, whatever the verb.
func (Token) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenToken) }

// LogValue does not show the token.
func (Token) LogValue() slog.Value { return slog.StringValue(hiddenToken) }

// MarshalText does not show the token.
func (Token) MarshalText() ([]byte, error) { return []byte(hiddenToken), nil }

const tokenSize = 32

// MaxSessions is how many sessions a table holds unless it is told otherwise.
const MaxSessions = 100_000

// maxPerActor is how many sessions one actor has at once, so that nobody crowds out the others.
const maxPerActor = 20

// Sessions are the sessions of one process, in memory: a restart ends them all. Of a token only the SHA-256 is kept. Where
// there are too many, the one that was seen longest ago ends. The instants are the caller's.
type Sessions struct {
	random io.Reader
	most   int

	mu    sync.Mutex
	live  map[[sha256.Size]byte]*Session
	names map[domain.ID][sha256.Size]byte   // by session id
	of    map[domain.ID][][sha256.Size]byte // by actor, oldest first
}

// NewSessions makes a table for so many sessions; 0: MaxSessions. A nil source of randomness is the machine's.
func NewSessions(random io.Reader, most int) *Sessions {
	if random == nil {
		random = rand.Reader
	}
	if most <= 0 {
		most = MaxSessions
	}
	return &Sessions{
		random: random, most: most, live: map[[sha256.Size]byte]*Session{},
		names: map[domain.ID][sha256.Size]byte{}, of: map[domain.ID][][sha256.Size]byte{},
	}
}

var errNobody = errors.New("a session needs an id and somebody whose it is")

// New begins a session: it sets Since and Seen, and gives the token by which Find knows it.
func (t *Sessions) New(now time.Time, s Session) (Token, error) {
	if s.ID.IsZero() || s.Actor.IsZero() {
		return Token{}, errNobody
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var secret [tokenSize]byte
	if _, err := io.ReadFull(t.random, secret[:]); err != nil {
		return Token{}, fmt.Errorf("randomness for a session: %w", err)
	}
	key := sha256.Sum256(secret[:])
	if len(t.of[s.Actor]) >= maxPerActor {
		t.end(t.of[s.Actor][0])
	}
	if len(t.live) >= t.most {
		t.makeRoom(now)
	}
	s.Since, s.Seen, s.found = now, now, nil
	t.live[key], t.names[s.ID] = &s, key
	t.of[s.Actor] = append(t.of[s.Actor], key)
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	return Token{func() string { return text }}, nil
}

// makeRoom ends what is over by its age, or else what was seen longest ago.
func (t *Sessions) makeRoom(now time.Time) {
	var oldest [sha256.Size]byte
	for key, s := range t.live {
		if s.over(now) {
			t.end(key)
		} else if o := t.live[oldest]; o == nil || s.Seen.Before(o.Seen) {
			oldest = key
		}
	}
	if len(t.live) >= t.most {
		t.end(oldest)
	}
}

// Find gives a copy of the session whose cookie it is, and counts as a request of it. What is changed in the copy, Keep puts
// back.
func (t *Sessions) Find(cookie string, now time.Time) (*Session, bool) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(secret) != tokenSize {
		return nil, false
	}
	key := sha256.Sum256(secret) // found by its hash: how long that takes tells nothing about a token
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.live[key]
	if s == nil {
		return nil, false
	}
	if s.over(now) {
		t.end(key)
		return nil, false
	}
	if now.After(s.Seen) {
		s.Seen = now
	}
	found := *s
	found.found = &[2][sha256.Size]byte{s.Code, s.Pending}
	return &found, true
}

// Keep puts back what was changed in a copy that Find gave: StrongAt, Code, Pending, Language and Position. What another request of the
// same session changed meanwhile, and this one did not, stays. It reports false, and does nothing, where the session has ended.
func (t *Sessions) Keep(s *Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key, ok := t.names[s.ID]
	if !ok {
		return false
	}
	kept := t.live[key]
	if s.StrongAt.After(kept.StrongAt) {
		kept.StrongAt = s.StrongAt
	}
	if s.found == nil || s.found[0] != s.Code {
		kept.Code = s.Code
	}
	if s.found == nil || s.found[1] != s.Pending {
		kept.Pending = s.Pending
	}
	if s.Language != "" {
		kept.Language = s.Language
	}
	kept.Position = max(kept.Position, s.Position)
	return true
}

// End ends a session.
func (t *Sessions) End(id domain.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if key, ok := t.names[id]; ok {
		t.end(key)
	}
}

// EndAll ends every session of somebody, and tells how many there were.
func (t *Sessions) EndAll(actor domain.ID) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := slices.Clone(t.of[actor])
	for _, key := range keys {
		t.end(key)
	}
	return len(keys)
}

// Len is how many sessions the table holds, those over by their age and not asked for since included.
func (t *Sessions) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.live)
}

func (t *Sessions) end(key [sha256.Size]byte) {
	s := t.live[key]
	delete(t.live, key)
	delete(t.names, s.ID)
	rest := slices.DeleteFunc(t.of[s.Actor], func(k [sha256.Size]byte) bool { return k == key })
	if len(rest) == 0 {
		delete(t.of, s.Actor)
	} else {
		t.of[s.Actor] = rest
	}
}
