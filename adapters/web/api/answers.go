package api

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"time"

	"samtykke/adapters/web"
	"samtykke/domain"
)

// Answers are what commands were answered at any instance of the program. Of two requests with the same key that come at the same moment
// at two instances, one is done, and the other waits for its answer. Only if that does not come within a term, because its
// instance has died or waits for a server, is the other done as well: then the ledger recognises it by its events' ids; what is drawn for
// each, such as a new client, is made twice, as when it is repeated after a restart.
type Answers interface {
	// TakeAnswer gives what was kept under a key, or gives the key to the taker for a term, if nobody else has it: mine.
	TakeAnswer(ctx context.Context, key [sha256.Size]byte, taker domain.ID, term time.Duration) (sealed []byte, mine bool, err error)
	// KeepAnswer keeps it until then. Under a key that has one, nothing is done.
	KeepAnswer(ctx context.Context, key [sha256.Size]byte, until time.Time, sealed []byte) error
	// LeaveAnswer gives the key back, where the command came to nothing.
	LeaveAnswer(ctx context.Context, key [sha256.Size]byte, taker domain.ID) error
}

const (
	// answersKept is for how long an answer is kept for other instances: no session is older.
	answersKept = 12 * time.Hour
	// answering is for how long a command is an instance's own, and askedAgain how often another one looks for its answer.
	answering  = 5 * time.Second
	askedAgain = 20 * time.Millisecond
)

// once runs do unless the same command was done before, here or at another instance.
func (r *Request) once(name, key string, body []byte, do func() (int, []byte, error)) (int, []byte, error) {
	command := name + " " + r.http.URL.Path + " " + key
	return r.answers.once(r.ctx, r.sessionID(), command, body, func() (int, []byte, error) {
		if r.Answers == nil {
			return do()
		}
		return r.onceAnywhere(r.coverOf(command), sha256.Sum256(body), do)
	})
}

// onceAnywhere asks before what another instance has answered, or is about to, and tells afterwards what this one has.
func (r *Request) onceAnywhere(c cover, body [sha256.Size]byte, do func() (int, []byte, error)) (int, []byte, error) {
	taker, err := r.Desk.Ledger.NewID()
	if err != nil {
		return 0, nil, err
	}
	leave := func() {
		if err := r.Answers.LeaveAnswer(context.WithoutCancel(r.ctx), c.key, taker); err != nil {
			web.Note(r.http, web.NewProblem(http.StatusOK, "", "").Because(err)) // who repeats it elsewhere waits for its term to end
		}
	}
	sealed, err := r.take(c.key, taker)
	if err != nil {
		leave() // it may have been taken all the same
		return 0, nil, err
	}
	if sealed != nil {
		return c.open(sealed, body)
	}
	status, answer, err := do()
	if err != nil {
		leave()
		return 0, nil, err
	}
	err = r.Desk.Ledger.Draw(func(random io.Reader) (err error) {
		sealed, err = c.seal(random, body, status, answer)
		return err
	})
	if err == nil {
		err = r.Answers.KeepAnswer(context.WithoutCancel(r.ctx), c.key, r.now.Add(answersKept), sealed)
	}
	if err != nil {
		web.Note(r.http, web.NewProblem(http.StatusOK, "", "").Because(err)) // it is done; who repeats it elsewhere meets the ledger
	}
	return status, answer, nil
}

// take gives the answer to a command, or nil if it is the taker's to give.
func (r *Request) take(key [sha256.Size]byte, taker domain.ID) (sealed []byte, err error) {
	for {
		sealed, mine, err := r.Answers.TakeAnswer(r.ctx, key, taker, answering)
		if err != nil || mine || sealed != nil {
			return sealed, err
		}
		select {
		case <-time.After(askedAgain):
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		}
	}
}

// A cover is what an answer is kept under: the key that finds it and the one that opens it follow from the session's token and from the
// command with its Idempotency-Key. Whoever reads the table has neither.
type cover struct {
	key    [sha256.Size]byte
	cipher cipher.AEAD
}

func (r *Request) coverOf(command string) cover {
	var token string
	if r.session != nil {
		token, _ = r.token()
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("samtykke answer 1\x00" + command))
	secret := mac.Sum(nil)
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // unreachable: the key has 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // unreachable: AES has blocks of 16 bytes
	}
	return cover{sha256.Sum256(secret), gcm}
}

// seal covers an answer with the hash of the body that it answers.
func (c cover) seal(random io.Reader, body [sha256.Size]byte, status int, answer []byte) ([]byte, error) {
	nonce := make([]byte, c.cipher.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	plain := append(binary.BigEndian.AppendUint16(body[:], uint16(status)), answer...)
	return c.cipher.Seal(nonce, nonce, plain, nil), nil
}

// open gives the answer, unless it is one to another body.
func (c cover) open(sealed []byte, body [sha256.Size]byte) (int, []byte, error) {
	n := c.cipher.NonceSize()
	if len(sealed) < n {
		return 0, nil, errNoAnswer
	}
	plain, err := c.cipher.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil || len(plain) < len(body)+2 {
		return 0, nil, errNoAnswer
	}
	if [sha256.Size]byte(plain) != body {
		return 0, nil, errReused
	}
	return int(binary.BigEndian.Uint16(plain[len(body):])), plain[len(body)+2:], nil
}

var errNoAnswer = errors.New("the answer that another instance gave cannot be read where it is kept")
