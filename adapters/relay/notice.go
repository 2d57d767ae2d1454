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
// An error is tried again a few times, and then the notice is put aside, unless the error is Away. It must return when ctx ends, and soon
// in any case: those behind wait for it.
type Notifier interface {
	Notify(ctx context.Context, n Notice) error
}

// Away is the error of a Notifier that can give no notice now, and why, in words that are logged. Nothing is wrong with the notice at hand: it
// waits, with those behind it, for as long as it takes.
type Away string

func (a Away) Error() string { return string(a) }

// How often, and after which waits, a notice is tried before it is put aside or, where the notifier is away, handed back to its transport,
// from which it comes again: six times in six seconds, well within the time that brokers wait for an answer.
const (
	retries    = 5
	retryAfter = 200 * time.Millisecond
	retryMost  = 5 * time.Second
)

// remembered is how many messages a router knows again: about a megabyte.
const remembered = 1 << 14

// NewRouter takes notices off their topic and gives them to the notifier, in order. A message that was seen is dropped; one that is no notice
// is put aside on the poison queue at once, one that cannot be given after some attempts. Whichever is put aside is counted, and logged by its
// UUID. The log and the poison queue get no word of what the notifier's error says, which may quote anything, unless it is Away.
//
// A message is remembered once it has been dealt with, not before: if the notifier is away, or neither it nor the poison queue takes the
// message, or the router is stopped under it, it is answered by no, and comes again.
func NewRouter(t Transport, to Notifier, count Count, log *slog.Logger) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{}, Logger(log))
	if err != nil {
		return nil, err
	}
	poison, err := middleware.PoisonQueueWithFilter(aside{t.Poison, count, log}, PoisonTopic, hopeless)
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

// hopeless tells whether a message with that error is put aside.
func hopeless(err error) bool { return errors.Is(err, errNotGiven) || errors.Is(err, errMalformed) }

// wordless lets only a notice through, and no word of an error but Away. What a notifier says that was stopped is no answer.
func wordless(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		if _, err := ParseNotice(m); err != nil {
			return nil, err
		}
		tried := m.Context()
		var away Away // the notifier was, in one of the attempts: then another refusal is not its last word
		m.SetContext(context.WithValue(tried, awayKey{}, &away))
		defer m.SetContext(tried)
		made, err := next(m)
		if err == nil {
			return made, nil
		}
		if stopped := tried.Err(); stopped != nil {
			return nil, stopped
		}
		if away != "" {
			return nil, away
		}
		return nil, errNotGiven
	}
}

type awayKey struct{}

// attempts counts how they went, and tells wordless of one in which the notifier was away.
func attempts(count Count) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(m *message.Message) ([]*message.Message, error) {
			made, err := next(m)
			if err != nil {
				count.one(NoticeFailed)
				if away, ok := errors.AsType[Away](err); ok {
					*m.Context().Value(awayKey{}).(*Away) = away
				}
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

// aside is the poison queue. It counts what it takes, and says which message that is and why.
type aside struct {
	message.Publisher
	count Count
	log   *slog.Logger
}

func (a aside) Publish(topic string, messages ...*message.Message) error {
	err := a.Publisher.Publish(topic, messages...)
	if err != nil {
		return err
	}
	for _, m := range messages {
		a.count.one(NoticePoisoned)
		a.log.Error("a notice was put aside", slog.String("message_uuid", m.UUID), slog.String("error", m.Metadata.Get(middleware.ReasonForPoisonedKey)))
	}
	return nil
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
