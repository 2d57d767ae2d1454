package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strings"

	"samtykke/adapters/disk"
	"samtykke/adapters/relay"
	"samtykke/adapters/relay/jetstream"
	"samtykke/adapters/relay/postgres"
	"samtykke/adapters/relay/webhook"
	"samtykke/adapters/signin"
)

// Of the relay, in a data directory.
const (
	relayDir = "relay"          // how far it has come; if it is lost, the relay begins at the ledger's end
	relayKey = "keys/relay.key" // turns ids into pseudonyms; if it is lost, receivers know nobody again
)

// inProcess is how --relay names the channel in the process.
const inProcess = "in-process"

// mailing is where messages go.
type mailing struct {
	over    string         // the transport, as --relay names it; "": there are no messages
	notices relay.Notifier // given those by this server; nil: somebody else takes them off their topic
}

// mailing reads --relay and --notices, without asking whether anybody is there.
func (c *serveCmd) mailing() (m mailing, err error) {
	m.over = c.Relay
	if c.Notices != "" {
		if !guarded(c.Notices, func(ip net.IP) bool { return ip.IsLoopback() || ip.IsPrivate() }) {
			return m, usage("--notices is an address by HTTPS, or by HTTP on the machine itself or at a private address, such as http://127.0.0.1:9190/notices")
		}
		m.over = cmp.Or(c.Relay, inProcess)
		m.notices = webhook.Gateway{Address: c.Notices}
	}
	if m.over == inProcess && m.notices == nil {
		return m, usage("--relay in-process reaches nobody by itself: say with --notices who is given notices")
	}
	return m, nil
}

// outgoing is the relay to where messages go.
type outgoing struct {
	key   relay.Key
	run   func(context.Context) error // until its context ends
	close func() error                // afterwards
}

// messages opens the relay.
func (s *system) messages(ctx context.Context, to mailing, log *slog.Logger, count relay.Count) (*outgoing, error) {
	t, err := transport(ctx, to.over, log)
	if err != nil {
		return nil, err
	}
	out, err := s.messagesOver(ctx, t, to.notices, log, count)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return out, nil
}

// messagesOver relays over a transport, and gives notices where there is somebody to give them to.
func (s *system) messagesOver(ctx context.Context, t relay.Transport, notices relay.Notifier, log *slog.Logger, count relay.Count) (*outgoing, error) {
	key, err := s.pseudonyms(ctx)
	if err != nil {
		return nil, err
	}
	r := &relay.Relay{
		Store: s.ledger.Store, Cursor: s.relayCursor(), Publisher: t.Publisher, Key: key, Count: count,
		Failed: func(err error) { log.Warn("a message waits to be sent", slog.String("error", err.Error())) },
	}
	if notices == nil {
		return &outgoing{r.Key, r.Run, t.Close}, nil
	}
	router, err := relay.NewRouter(t, notices, count, log)
	if err != nil {
		return nil, err
	}
	return &outgoing{r.Key, func(ctx context.Context) error { return relay.Run(ctx, r, router) }, t.Close}, nil
}

// pseudonyms is the key that they follow from, which is made for the first message.
func (s *system) pseudonyms(ctx context.Context) (relay.Key, error) {
	if err := s.relayKeyIsThere(ctx, s.relayCursor()); err != nil {
		return nil, err
	}
	hash, err := signin.LoadHashKey(s.disk, relayKey, s.secrets)
	if err != nil {
		return nil, err
	}
	return hash.Keyed("messages"), nil
}

// firstPseudonyms is pseudonyms of an instance that opens: one after the other, since all have one key, and one of them makes it.
func (s *system) firstPseudonyms(ctx context.Context) (key relay.Key, err error) {
	if s.shared == nil {
		return s.pseudonyms(ctx)
	}
	err = s.shared.Lease(openingLease, 0).Run(ctx, func(ctx context.Context) (err error) {
		key, err = s.pseudonyms(ctx)
		return err
	})
	return key, err
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
	if where == inProcess {
		return relay.InProcess(log), nil
	}
	switch scheme, _, _ := strings.Cut(where, ":"); scheme {
	case "nats", "tls":
		return jetstream.Open(where, log)
	case "postgres", "postgresql":
		return postgres.Open(ctx, where, log)
	}
	return relay.Transport{}, usage("--relay is in-process, or an address that begins with nats:// or postgres://")
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
