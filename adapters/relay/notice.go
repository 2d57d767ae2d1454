package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	lru "github.com/hashicorp/golang-lru/v2"
)

// A Notifier gives a client a notice: lights a badge, hands it to whoever sends push notices. It may be given the same one twice, by its ID.
// An error is tried again a few times. It must return when ctx ends, and soon in any case: those behind wait for it.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// How often, and after which waits, a notice is tried before it goes to the poison queue: six times in six seconds, well within the time
// that brokers wait for an answer.
const (
	retries    = 5
	retryAfter = 200 * time.Millisecond
	retryMost  = 5 * time.Second
)

// remembered is how many messages a router knows again: about a megabyte.
const remembered = 1 << 14

// NewRouter is the receiving end, for whoever sends push notices or lights a badge in an app. The server takes no notices off: its pages
// show a client from the ledger what is new. NewRouter takes them off their topic and gives them to the notifier, in order. A message that
// was seen is dropped; one that is no notice goes to the poison queue at once, one that cannot be given after some attempts. The log and
// the poison queue get no word of what the notifier's error says, which may quote anything.
//
// A message is remembered once it has been dealt with, not before: if neither the notifier nor the poison queue takes it, it is answered
// by no, and comes again.
func NewRouter(t Transport, to Notifier, count Count, log *slog.Logger) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{}, Logger(log))
	if err != nil {
		return nil, err
	}
	poison, err := middleware.PoisonQueue(counted{t.Poison, count, NoticePoisoned}, PoisonTopic)
	if err != nil {
		return nil, err
	}
	once, err := newOnce(remembered, count)
	if err != nil {
		return nil, err
	}
	retry := middleware.Retry{MaxRetries: retries, InitialInterval: retryAfter, MaxInterval: retryMost, Multiplier: 2, ResetContextOnRetry: true}
	router.AddConsumerHandler("notices", NoticeTopic, t.Subscriber, func(m *message.Message) error {
		n, err := ParseNotice(m)
		if err != nil {
			return err
		}
		return to.Notify(m.Context(), n)
	}).AddMiddleware(once.middleware, poison, wordless, retry.Middleware, attempts(count), middleware.Recoverer)
	return router, nil
}

var errNotGiven = errors.New("the notice could not be given")

// wordless lets only a notice through, and no word of an error.
func wordless(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		if _, err := ParseNotice(m); err != nil {
			return nil, err
		}
		made, err := next(m)
		if err != nil {
			return nil, errNotGiven
		}
		return made, nil
	}
}

// attempts counts how they went.
func attempts(count Count) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			made, err := next(m)
			if err != nil {
				count.one(NoticeFailed)
			} else {
				count.one(NoticeGiven)
			}
			return made, err
		}
	}
}

// once drops messages that were dealt with before.
type once struct {
	seen  *lru.Cache[string, struct{}]
	count Count
}

func newOnce(size int, count Count) (once, error) {
	seen, err := lru.New[string, struct{}](size)
	return once{seen, count}, err
}

func (o once) middleware(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		if o.seen.Contains(m.UUID) {
			o.count.one(NoticeRepeated)
			return nil, nil
		}
		made, err := next(m)
		if err == nil {
			o.seen.Add(m.UUID, struct{}{})
		}
		return made, err
	}
}

// counted counts what a publisher takes.
type counted struct {
	message.Publisher
	count Count
	what  Counter
}

func (c counted) Publish(topic string, messages ...*message.Message) error {
	err := c.Publisher.Publish(topic, messages...)
	if err == nil {
		for range messages {
			c.count.one(c.what)
		}
	}
	return err
}

// Run relays, and gives notices, until ctx ends or the relay stops. The router runs first: an in-process publisher takes what nobody
// subscribes to, and it is gone.
func Run(ctx context.Context, r *Relay, notices *message.Router) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- notices.Run(ctx)
		stop()
	}()
	select {
	case <-notices.Running():
	case err := <-ended:
		return errors.Join(err, ctx.Err())
	}
	err := r.Run(ctx)
	stop()
	return errors.Join(err, <-ended)
}
