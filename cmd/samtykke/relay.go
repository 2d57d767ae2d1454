package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"samtykke/adapters/disk"
	"samtykke/adapters/relay"
	"samtykke/adapters/relay/jetstream"
	"samtykke/adapters/relay/postgres"
	"samtykke/adapters/signin"
)

// Of the relay, in a data directory.
const (
	relayDir = "relay"          // how far it has come; if it is lost, the relay begins at the ledger's end
	relayKey = "keys/relay.key" // turns ids into pseudonyms; if it is lost, receivers know nobody again
)

// outgoing is the relay to where an option says.
type outgoing struct {
	key   relay.Key
	run   func(context.Context) error // until its context ends
	close func() error                // afterwards
}

// messages opens the relay.
func (s *system) messages(ctx context.Context, where string, log *slog.Logger, count relay.Count) (*outgoing, error) {
	t, err := transport(ctx, where, log)
	if err != nil {
		return nil, err
	}
	out, err := s.messagesOver(ctx, t, log, count)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return out, nil
}

func (s *system) messagesOver(ctx context.Context, t relay.Transport, log *slog.Logger, count relay.Count) (*outgoing, error) {
	cursor := s.relayCursor()
	if err := s.relayKeyIsThere(ctx, cursor); err != nil {
		return nil, err
	}
	hash, err := signin.LoadHashKey(s.disk, relayKey, s.secrets)
	if err != nil {
		return nil, err
	}
	r := &relay.Relay{
		Store: s.ledger.Store, Cursor: cursor, Publisher: t.Publisher, Key: hash.Keyed("messages"), Count: count,
		Failed: func(err error) { log.Warn("a message waits to be sent", slog.String("error", err.Error())) },
	}
	return &outgoing{r.Key, r.Run, t.Close}, nil
}

// relayCursor is the file's or, where instances share, the one that the holder of their lease has.
func (s *system) relayCursor() relay.Cursor {
	file := relay.FileCursor{Disk: disk.Sub(s.disk, relayDir)}
	if s.shared == nil {
		return file
	}
	return firstFrom{s.shared.Cursor("messages", s.shared.lease), file}
}

// firstFrom is a cursor that stands where another one does until it is moved: a relay that had run alone goes on from there.
type firstFrom struct {
	relay.Cursor
	before relay.Cursor
}

func (c firstFrom) Load(ctx context.Context) (relay.Place, bool, error) {
	p, known, err := c.Cursor.Load(ctx)
	if err != nil || known {
		return p, known, err
	}
	return c.before.Load(ctx)
}

// transport is the one that the option names.
func transport(ctx context.Context, where string, log *slog.Logger) (relay.Transport, error) {
	switch scheme, _, _ := strings.Cut(where, ":"); scheme {
	case "nats", "tls":
		return jetstream.Open(where, log)
	case "postgres", "postgresql":
		return postgres.Open(ctx, where, log)
	}
	return relay.Transport{}, usage("--relay is an address that begins with nats:// or postgres://")
}

// relayKeyIsThere refuses a relay that has sent messages and whose key was lost: with a new one, every client would be somebody else.
func (s *system) relayKeyIsThere(ctx context.Context, cursor relay.Cursor) error {
	if _, known, err := cursor.Load(ctx); err != nil || !known {
		return err
	}
	f, err := s.disk.OpenRead(relayKey)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing: without it every client would be somebody else to whoever receives messages; put it back from its copy", relayKey)
	}
	if err != nil {
		return err
	}
	return f.Close()
}
