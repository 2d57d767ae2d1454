package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	Seen         time.Time         // the last request that was noted, see SeenEvery
	StrongAt     time.Time         // when password and one-time code were last given; zero: never
	Code         [sha256.Size]byte // keyed hash of the code that a client came by
	Pending      [sha256.Size]byte // keyed hash of the new code that a client is shown and has not typed back; zero: none
	Credentials  uint64            // version of the account's stream at which the password of a member of staff was set
	Standing     uint64            // version of the organisation's stream at which its standing there began
	Position     uint64            // of the last event it wrote: what it is shown next is no older
	held         *held             // by New and Find
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

// Sessions begin, find and end sessions, in the table where they are kept. They may be called by several goroutines. The instants
// are the caller's.
type Sessions struct {
	random io.Reader
	table  SessionTable
}

// NewSessions makes sessions of this process, in memory: a restart ends them all. There are so many at once; 0: MaxSessions. A
// nil source of randomness is the machine's.
func NewSessions(random io.Reader, most int) *Sessions {
	return SessionsIn(MemorySessions(most), random)
}

// SessionsIn makes sessions that are kept in the table. A nil source of randomness is the machine's.
func SessionsIn(table SessionTable, random io.Reader) *Sessions {
	return &Sessions{random: oneByOne(random), table: table}
}

// oneByOne lets several goroutines read a source of randomness; a nil one is the machine's.
func oneByOne(random io.Reader) io.Reader {
	if random == nil {
		return rand.Reader
	}
	return &queue{from: random}
}

type queue struct {
	mu   sync.Mutex
	from io.Reader
}

func (q *queue) Read(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return io.ReadFull(q.from, b)
}

var (
	errNobody   = errors.New("a session needs an id and somebody whose it is")
	errNotBegun = errors.New("a session that was neither begun nor found")
)

// keepTries is how often Keep begins anew when other requests of the session were faster.
const keepTries = 20

// New begins a session: it sets Since and Seen, and gives the token by which Find knows it.
func (t *Sessions) New(ctx context.Context, now time.Time, s *Session) (Token, error) {
	if s.ID.IsZero() || s.Actor.IsZero() {
		return Token{}, errNobody
	}
	var secret [tokenSize]byte
	if _, err := io.ReadFull(t.random, secret[:]); err != nil {
		return Token{}, fmt.Errorf("randomness for a session: %w", err)
	}
	s.Since, s.Seen = now, now
	h := newHeld(secret)
	sealed, err := h.seal(s, t.random)
	if err != nil {
		return Token{}, err
	}
	terms := TermsOf(s.Role)
	row := SessionRow{Key: h.key, ID: s.ID, Actor: s.Actor, Seen: now, Idle: terms.Idle, Ends: now.Add(terms.Whole), Version: 1, Sealed: sealed}
	if err := t.table.Add(ctx, now, row); err != nil {
		return Token{}, err
	}
	h.is(1, s)
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	return Token{func() string { return text }}, nil
}

// Find gives a copy of the session whose cookie it is, and counts as a request of it. What is changed in the copy, Keep puts
// back.
func (t *Sessions) Find(ctx context.Context, cookie string, now time.Time) (*Session, bool, error) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil || len(secret) != tokenSize {
		return nil, false, nil
	}
	h := newHeld([tokenSize]byte(secret)) // found by its hash: how long that takes tells nothing about a token
	row, ok, err := t.table.Find(ctx, h.key, now)
	if err != nil || !ok {
		return nil, false, err
	}
	s, err := h.open(row)
	if err != nil || s.over(now) {
		return nil, false, err
	}
	h.is(row.Version, s)
	return s, true, nil
}

// Keep puts back what was changed in a copy that Find gave, or in what was given to New: StrongAt, Code, Pending, Language and
// Position. What another request of the same session changed meanwhile, and this one did not, stays. It asks the table only where
// something was changed, and does nothing where the session has ended.
func (t *Sessions) Keep(ctx context.Context, s *Session) error {
	h := s.held
	if h == nil {
		return errNotBegun
	}
	for range keepTries {
		next := h.kept.with(s, &h.found)
		if next == h.kept {
			return nil
		}
		sealed, err := h.seal(&next, t.random)
		if err != nil {
			return err
		}
		switch ok, err := t.table.Replace(ctx, h.key, h.version, sealed); {
		case err != nil:
			return err
		case ok:
			h.version, h.kept, h.found = h.version+1, next, *s
			return nil
		}
		row, ok, err := t.table.Find(ctx, h.key, s.Seen) // which counts for nothing more
		if err != nil || !ok {
			return err
		}
		now, err := h.open(row)
		if err != nil {
			return err
		}
		h.version, h.kept = row.Version, *now
	}
	return errors.New("other requests of the session change it all the time")
}

// with is the session as kept, with what was changed in s since it was found.
func (kept Session) with(s, found *Session) Session {
	if s.StrongAt.After(kept.StrongAt) {
		kept.StrongAt = s.StrongAt
	}
	if s.Code != found.Code {
		kept.Code = s.Code
	}
	if s.Pending != found.Pending {
		kept.Pending = s.Pending
	}
	if s.Language != found.Language {
		kept.Language = s.Language
	}
	kept.Position = max(kept.Position, s.Position)
	return kept
}

// End ends a session, wherever it is held.
func (t *Sessions) End(ctx context.Context, id domain.ID) error { return t.table.End(ctx, id) }

// EndAll ends every session of somebody, wherever they are held, and tells how many there were.
func (t *Sessions) EndAll(ctx context.Context, actor domain.ID) (int, error) {
	return t.table.EndAll(ctx, actor)
}

// Forget removes what is left of sessions that are over by their age, also where nobody comes.
func (t *Sessions) Forget(ctx context.Context, now time.Time) error { return t.table.Forget(ctx, now) }
