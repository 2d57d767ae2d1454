package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"samtykke/adapters/web"
	"samtykke/domain"
)

// answers remembers what commands were answered, so that one whose answer was lost on the way is answered the same when it is
// repeated, and not done twice. It forgets the oldest, and everything at a restart; behind it are the Answers of all instances, if there
// are any, and the ledger, which recognises a repeated command by its events' ids.
type answers struct {
	mu   sync.Mutex
	kept *lru.Cache[asked, *answered]
}

type asked struct {
	session domain.ID
	key     [sha256.Size]byte
}

type answered struct {
	body   [sha256.Size]byte // of the request
	ready  chan struct{}     // closed when what follows is there
	done   bool
	status int
	answer []byte
}

const remembered = 1 << 14

func newAnswers() *answers {
	kept, err := lru.New[asked, *answered](remembered)
	if err != nil {
		panic(err) // unreachable: the size is positive
	}
	return &answers{kept: kept}
}

// once runs do unless the same command was done before; a repetition that comes while it is under way waits. A refusal or a
// failure is not kept: whoever comes again is decided on again. A key that comes back with other content is refused.
func (a *answers) once(ctx context.Context, session domain.ID, key string, body []byte, do func() (int, []byte, error)) (int, []byte, error) {
	k := asked{session, sha256.Sum256([]byte(key))}
	sum := sha256.Sum256(body)
	for {
		a.mu.Lock()
		e, ok := a.kept.Get(k)
		if !ok {
			e = &answered{body: sum, ready: make(chan struct{})}
			a.kept.Add(k, e)
		}
		a.mu.Unlock()
		if e.body != sum {
			return 0, nil, errReused
		}
		if ok {
			select {
			case <-e.ready:
			case <-ctx.Done():
				return 0, nil, ctx.Err()
			}
			if e.done {
				return e.status, e.answer, nil
			}
			continue // the one that was under way came to nothing, and is forgotten
		}
		return a.first(k, e, do)
	}
}

// first does what was not done before, and lets those who wait go on, whatever becomes of it.
func (a *answers) first(k asked, e *answered, do func() (int, []byte, error)) (status int, answer []byte, err error) {
	defer func() {
		if !e.done {
			a.mu.Lock()
			if now, ok := a.kept.Peek(k); ok && now == e {
				a.kept.Remove(k)
			}
			a.mu.Unlock()
		}
		close(e.ready)
	}()
	if status, answer, err = do(); err == nil {
		e.status, e.answer, e.done = status, answer, true
	}
	return status, answer, err
}

var errReused = web.NewProblem(http.StatusUnprocessableEntity, KeyReused, "The Idempotency-Key was used for something else. Draw a new one.")
