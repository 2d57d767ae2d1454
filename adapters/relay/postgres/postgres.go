// Package postgres carries the relay's messages over PostgreSQL: a table for each topic, made at its first message, in the schema that the
// connection finds first. A row is deleted when its receiver has answered yes, so a topic has one receiver, who gets one message at a
// time. A message that was published twice is there twice.
//
// What nobody reads stays: whoever takes an organisation's receiver out of service drops its table.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/jackc/pgx/v5/pgxpool"

	"samtykke/adapters/relay"
)

const (
	pollEvery  = time.Second
	answerIn   = 30 * time.Second // or a notice is given out once more
	connectIn  = 10 * time.Second
	fromPrefix = "samtykke."
)

// table is a topic's. With its quotes it is a name; without the prefix, and under another, the longest has 57 of 63 bytes.
func table(topic string) string {
	return `"relay_` + strings.ReplaceAll(strings.TrimPrefix(topic, fromPrefix), ".", "_") + `"`
}

// Open connects to a database, such as postgres://samtykke@127.0.0.1/messages. Errors do not repeat the address, which may hold a password.
func Open(ctx context.Context, dsn string, log *slog.Logger) (relay.Transport, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return relay.Transport{}, errors.New("that is no address of a PostgreSQL database")
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return relay.Transport{}, errors.New("connecting to PostgreSQL: the address cannot be used")
	}
	t, err := open(ctx, pool, log)
	if err != nil {
		pool.Close()
		return relay.Transport{}, err
	}
	return t, nil
}

func open(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (relay.Transport, error) {
	reached, stop := context.WithTimeout(ctx, connectIn)
	defer stop()
	if err := pool.Ping(reached); err != nil {
		return relay.Transport{}, errors.New("connecting to PostgreSQL: no server answers there, or it does not let us in")
	}
	queue := sql.PostgreSQLQueueSchema{GenerateMessagesTableName: table, SubscribeBatchSize: 1}
	db, logger := sql.BeginnerFromPgx(pool), relay.Logger(log)
	publisher, err := sql.NewPublisher(db, sql.PublisherConfig{SchemaAdapter: queue, AutoInitializeSchema: true}, logger)
	if err != nil {
		return relay.Transport{}, fmt.Errorf("publishing over PostgreSQL: %w", err)
	}
	deadline := answerIn
	subscriber, err := sql.NewSubscriber(db, sql.SubscriberConfig{
		SchemaAdapter: queue, OffsetsAdapter: sql.PostgreSQLQueueOffsetsAdapter{DeleteOnAck: true, GenerateMessagesTableName: table},
		AckDeadline: &deadline, PollInterval: pollEvery, ResendInterval: pollEvery, InitializeSchema: true,
	}, logger)
	if err != nil {
		return relay.Transport{}, fmt.Errorf("subscribing over PostgreSQL: %w", err)
	}
	return relay.Transport{
		Publisher: publisher, Subscriber: subscriber, Poison: publisher,
		Close: func() error {
			err := errors.Join(publisher.Close(), subscriber.Close())
			pool.Close()
			return err
		},
	}, nil
}
