package relay

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
)

// A Transport is what carries messages. Each passes relaytest.TestTransport:
//
//   - Publish returns without an error when the message is kept, or, where nothing is kept, when every subscriber has answered yes
//   - a subscriber gets the messages of a topic one at a time, in order; one that it answers by no comes again before any other
//   - payload, UUID and metadata arrive as they were
type Transport struct {
	Publisher  message.Publisher
	Subscriber message.Subscriber // of NoticeTopic
	Poison     message.Publisher  // for notices that could not be given
	Close      func() error
}

// Logger is the log as the library writes to it. What it holds worth information, the start of each handler and each message that nobody
// subscribes to, is worth debugging here.
func Logger(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
}

// InProcess carries messages to subscribers in this process, and keeps none: what nobody subscribes to is gone. So organisations' systems
// get nothing by it, nothing is left of a notice on the poison queue but its line in the log, and a message whose subscriber has not
// answered when the process ends is published again at the next start: the ledger is what keeps it.
func InProcess(log *slog.Logger) Transport {
	logger := Logger(log)
	config := gochannel.Config{BlockPublishUntilSubscriberAck: true} // else they would arrive in any order
	p, poison := &inProcess{GoChannel: gochannel.NewGoChannel(config, logger)}, gochannel.NewGoChannel(config, logger)
	return Transport{
		Publisher: p, Subscriber: p.GoChannel, Poison: poison,
		Close: func() error { return errors.Join(p.Close(), poison.Close()) },
	}
}

// inProcess is a channel that owns up to what it has not delivered: a GoChannel that is closed answers yes to whoever waits.
type inProcess struct {
	*gochannel.GoChannel
	closed atomic.Bool
}

var errClosed = errors.New("the in-process transport is closed")

func (p *inProcess) Publish(topic string, messages ...*message.Message) error {
	err := p.GoChannel.Publish(topic, messages...)
	if p.closed.Load() {
		err = errors.Join(errClosed, err)
	}
	return err
}

func (p *inProcess) Close() error {
	p.closed.Store(true)
	return p.GoChannel.Close()
}
