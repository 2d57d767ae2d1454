package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/signin"
	"samtykke/domain"
)

// Sessions is the table of sessions that the instances share. Each call is one round trip. While the server cannot be reached no
// session is found and none begins or ends: each call returns an error.
func (s *Shared) Sessions() signin.SessionTable { return sessions{s} }

type sessions struct{ *Shared }

// roomPart is the part of the room there is, each time all sessions are counted, that an instance may use before they are counted again.
const roomPart = 16

// Add has all sessions counted, which takes a millisecond for each thousand, only when this instance has used up its part of the room
// that there was the last time.
func (s sessions) Add(ctx context.Context, now time.Time, row signin.SessionRow) error {
	var most, room *int64
	if s.room.Add(-1) < 0 {
		most = &s.opts.Sessions
	}
	err := s.get(ctx, []any{&room}, "SELECT add_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", now.UnixNano(), most, signin.MaxPerActor,
		row.Key[:], [16]byte(row.ID), [16]byte(row.Actor), row.Seen.UnixNano(), int64(row.Idle), row.Ends.UnixNano(), row.Version, row.Sealed)
	if room != nil {
		s.room.Store(*room / roomPart)
	}
	return err
}

func (s sessions) Find(ctx context.Context, key [sha256.Size]byte, now time.Time) (row signin.SessionRow, found bool, err error) {
	err = s.ask(ctx, func(ctx context.Context) error {
		var id, actor [16]byte
		var seen, ends int64
		err := s.pool.QueryRow(ctx, "SELECT id, actor, seen, idle, ends, version, sealed FROM find_session($1, $2, $3)",
			key[:], now.UnixNano(), int64(signin.SeenEvery)).Scan(&id, &actor, &seen, &row.Idle, &ends, &row.Version, &row.Sealed)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		row.Key, row.ID, row.Actor, row.Seen, row.Ends = key, domain.ID(id), domain.ID(actor), instant(seen), instant(ends)
		found = err == nil
		return err
	})
	return row, found, err
}

func (s sessions) Replace(ctx context.Context, key [sha256.Size]byte, version uint64, sealed []byte) (replaced bool, err error) {
	err = s.ask(ctx, func(ctx context.Context) error {
		done, err := s.pool.Exec(ctx, "UPDATE session SET sealed = $3, version = version + 1 WHERE token = $1 AND version = $2", key[:], version, sealed)
		replaced = done.RowsAffected() == 1
		return err
	})
	return replaced, err
}

func (s sessions) End(ctx context.Context, id domain.ID) error {
	return s.do(ctx, "DELETE FROM session WHERE id = $1", [16]byte(id))
}

func (s sessions) EndAll(ctx context.Context, actor domain.ID) (ended int, err error) {
	err = s.get(ctx, []any{&ended}, "SELECT end_sessions($1)", [16]byte(actor))
	return ended, err
}

func (s sessions) Forget(ctx context.Context, now time.Time) error {
	return s.do(ctx, "SELECT forget_sessions($1)", now.UnixNano())
}

// Buckets are the buckets of limits that the instances share. Each call is one round trip, and while the server cannot be reached an
// error. An attempt whose answer was lost with its connection may count twice.
func (s *Shared) Buckets() signin.Buckets { return buckets{s} }

type buckets struct{ *Shared }

func (b buckets) Day(ctx context.Context, now time.Time, drawn signin.Day) (signin.Day, error) {
	var salt []byte
	var until int64
	err := b.get(ctx, []any{&salt, &until}, "SELECT salt, until FROM this_day($1, $2, $3)", now.UnixNano(), drawn.Salt[:], drawn.Until.UnixNano())
	if err != nil {
		return signin.Day{}, err
	}
	if len(salt) != sha256.Size {
		return signin.Day{}, errors.New("the limits on attempts have a salt of another size")
	}
	return signin.Day{Salt: [sha256.Size]byte(salt), Until: instant(until)}, nil
}

func (b buckets) Take(ctx context.Context, now time.Time, salt [sha256.Size]byte, of []signin.Bucket) (time.Duration, error) {
	day := sha256.Sum256(salt[:]) // for the salt itself has no business in a server's log
	var kinds []string
	var keys [][]byte
	var everies, bursts []int64
	for _, one := range of {
		kinds, keys = append(kinds, one.Row), append(keys, one.Key[:])
		everies, bursts = append(everies, int64(one.Every)), append(bursts, int64(one.Burst))
	}
	var wait *int64
	err := b.get(ctx, []any{&wait}, "SELECT take_tokens($1, $2, $3, $4, $5, $6)", now.UnixNano(), day[:], kinds, keys, everies, bursts)
	if err == nil && wait == nil {
		err = signin.ErrOtherDay
	}
	if err != nil {
		return 0, err
	}
	return time.Duration(*wait), nil
}

// Forget has the server remove the earlier form of what ended with the day as well.
func (b buckets) Forget(ctx context.Context, now time.Time) error {
	var over bool
	err := b.get(ctx, []any{&over}, "SELECT forget_limits($1, $2)", now.UnixNano(), signin.MaxBuckets)
	if err == nil && over {
		err = b.do(ctx, "VACUUM day, bucket")
	}
	return err
}

// TakeAnswer gives what was kept under a key by KeepAnswer of any instance, or gives the key to the taker, for a term: mine. Otherwise another
// has it. The term runs by the server's clock. A program of before that asks for a command which is under way fails.
func (s *Shared) TakeAnswer(ctx context.Context, key [sha256.Size]byte, taker domain.ID, term time.Duration) (sealed []byte, mine bool, err error) {
	err = s.get(ctx, []any{&mine, &sealed}, "SELECT mine, given FROM take_answer($1, $2, $3)", key[:], [16]byte(taker), int64(term))
	return sealed, mine, err
}

// KeepAnswer keeps an answer under a key that has none, for all instances.
func (s *Shared) KeepAnswer(ctx context.Context, key [sha256.Size]byte, until time.Time, sealed []byte) error {
	return s.do(ctx, `INSERT INTO answer AS a (key, until, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO UPDATE SET until = excluded.until, sealed = excluded.sealed, taker = NULL WHERE a.sealed IS NULL`, key[:], until.UnixNano(), sealed)
}

// LeaveAnswer gives a key back that the taker has.
func (s *Shared) LeaveAnswer(ctx context.Context, key [sha256.Size]byte, taker domain.ID) error {
	return s.do(ctx, "DELETE FROM answer WHERE key = $1 AND taker = $2", key[:], [16]byte(taker))
}

// ForgetAnswers removes those that were to be kept until now. A key that somebody has stays, whatever the caller's clock says.
func (s *Shared) ForgetAnswers(ctx context.Context, now time.Time) error {
	return s.do(ctx, `DELETE FROM answer WHERE until <= $1
		AND (sealed IS NOT NULL OR until <= extract(epoch FROM clock_timestamp()) * 1000000000)`, now.UnixNano())
}
