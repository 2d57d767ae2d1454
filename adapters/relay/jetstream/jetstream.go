// Package jetstream carries the relay's messages over NATS JetStream.
//
// Every topic is a subject: notices have one, each organisation has one, and the server's permissions can give an organisation leave to
// read its own alone. A subject keeps its order, and the consumer of notices is given one message at a time, so that one which comes again
// comes before the next. Each message has its UUID as Nats-Msg-Id: what is published twice within Duplicates is kept once.
//
// All subjects are in one stream, StreamName. Where it is missing it is made: on disk, and each message is forgotten after Kept, as long
// as a backup of the ledger can be restored. A receiver that was away for longer asks the overview. A stream that is there is used as it
// is.
package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/nats-io/nats.go"

	"samtykke/adapters/relay"
)

// The stream, and how it is made.
const (
	StreamName = "samtykke"
	subjects   = "samtykke.>"
	consumer   = "samtykke-notices" // of notices, with where it has come to; and the subject on which it is given them
	Kept       = 14 * 24 * time.Hour
	Duplicates = time.Hour
	answerIn   = 15 * time.Second // or a notice is given out once more
)

// Open connects to a server, such as nats://127.0.0.1:4222, with what further options say of credentials and TLS. A connection that is lost is
// made again for as long as it takes; meanwhile publishing fails. Errors do not repeat the URL, which may hold a password.
func Open(url string, log *slog.Logger, options ...nats.Option) (relay.Transport, error) {
	options = append([]nats.Option{nats.Name("samtykke"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1)}, options...)
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return relay.Transport{}, errors.New("connecting to NATS: no server answers there, or it does not let us in")
	}
	t, err := open(conn, relay.Logger(log))
	if err != nil {
		conn.Close()
		return relay.Transport{}, err
	}
	return t, nil
}

func open(conn *nats.Conn, log watermill.LoggerAdapter) (relay.Transport, error) {
	if err := provide(conn); err != nil {
		return relay.Transport{}, fmt.Errorf("the stream %s: %w", StreamName, err)
	}
	publisher, err := wnats.NewPublisherWithNatsConn(conn, wnats.PublisherPublishConfig{
		Marshaler: &wnats.NATSMarshaler{}, SubjectCalculator: wnats.DefaultSubjectCalculator, JetStream: wnats.JetStreamConfig{TrackMsgId: true},
	}, log)
	if err != nil {
		return relay.Transport{}, err
	}
	subscriber, err := wnats.NewSubscriberWithNatsConn(conn, wnats.SubscriberSubscriptionConfig{
		AckWaitTimeout: answerIn, QueueGroupPrefix: consumer,
		JetStream: wnats.JetStreamConfig{DurablePrefix: consumer, SubscribeOptions: []nats.SubOpt{
			nats.Bind(StreamName, consumer),
			nats.ManualAck(), // else the client says yes to whatever has no answer when the subscription ends
		}},
	}, log)
	if err != nil {
		return relay.Transport{}, err
	}
	return relay.Transport{
		Publisher: publisher, Subscriber: subscriber, Poison: publisher,
		Close: func() error { return errors.Join(subscriber.Close(), publisher.Close()) },
	}, nil
}

// provide makes the stream, and the consumer of notices, where there is none. A consumer that a subscription makes for itself would be deleted
// with it, and the next one would be given all notices of a fortnight once more.
func provide(conn *nats.Conn) error {
	js, err := conn.JetStream()
	if err != nil {
		return err
	}
	_, err = js.StreamInfo(StreamName)
	if errors.Is(err, nats.ErrStreamNotFound) {
		_, err = js.AddStream(&nats.StreamConfig{
			Name: StreamName, Subjects: []string{subjects}, Storage: nats.FileStorage, MaxAge: Kept, Duplicates: Duplicates,
		})
	}
	if err != nil {
		return err
	}
	_, err = js.ConsumerInfo(StreamName, consumer)
	if errors.Is(err, nats.ErrConsumerNotFound) {
		_, err = js.AddConsumer(StreamName, &nats.ConsumerConfig{
			Durable: consumer, FilterSubject: relay.NoticeTopic, DeliverSubject: consumer, DeliverGroup: consumer,
			AckPolicy: nats.AckExplicitPolicy, AckWait: answerIn, MaxAckPending: 1,
		})
	}
	return err
}
