package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrUnsafe says that a server is set up so that it may lose what it has promised.
var ErrUnsafe = errors.New("the server may lose what it has promised")

// A server is a database as the program connects to it: with one schema first in its path, and durable commits.
type server struct {
	config *pgxpool.Config
	schema string
	unsafe bool
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,40}$`)

// newServer reads a connection string. No error repeats anything of it.
func newServer(dsn, schema string, unsafe bool) (*server, error) {
	if schema == "" {
		schema = "samtykke"
	}
	if !schemaName.MatchString(schema) {
		return nil, errors.New("a schema's name has 1 to 41 characters: small letters, digits, underscores")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the connection string cannot be read")
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement // rows are read in the server's binary formats
	s := &server{config: config, schema: schema, unsafe: unsafe}
	config.ConnConfig.RuntimeParams["search_path"] = schema
	config.ConnConfig.RuntimeParams["application_name"] = "samtykke"
	// Whoever has waited for a lock must see what was committed meanwhile.
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	// All that is asked is short; compiling it first takes a connection some hundred milliseconds whenever a plan looks dear.
	config.ConnConfig.RuntimeParams["jit"] = "off"
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return s.check(ctx, c) }
	return s, nil
}

// connect gives a connection outside of any pool.
func (s *server) connect(ctx context.Context) (*pgx.Conn, error) {
	c, err := pgx.ConnectConfig(ctx, s.config.ConnConfig.Copy())
	if err != nil {
		return nil, plain(ctx, err)
	}
	if err := s.check(ctx, c); err != nil {
		hangUp(c)
		return nil, err
	}
	return c, nil
}

// check refuses a server that may lose what it has promised, and makes the connection's commits durable.
func (s *server) check(ctx context.Context, c *pgx.Conn) error {
	var version int
	var encoding, fsync, fullPages, commit string
	err := c.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
		current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')`).
		Scan(&version, &encoding, &fsync, &fullPages, &commit)
	switch {
	case err != nil:
		return plain(ctx, err)
	case version < 14_00_00:
		return errors.New("the server is older than PostgreSQL 14")
	case encoding != "UTF8":
		return errors.New("the database is not in UTF8")
	case s.unsafe:
	case fsync != "on":
		return fmt.Errorf("%w: fsync is off", ErrUnsafe)
	case fullPages != "on":
		return fmt.Errorf("%w: full_page_writes is off", ErrUnsafe)
	}
	if commit != "on" && commit != "remote_apply" {
		_, err = c.Exec(ctx, "SET synchronous_commit = on")
	}
	return plain(ctx, err)
}

// hangUp closes a connection without waiting long for the server's answer.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.Close(ctx)
}

// now is the server's clock.
func now(ctx context.Context, pool *pgxpool.Pool) (t time.Time, err error) {
	err = pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&t)
	return t.UTC(), plain(ctx, err)
}

// A serverError is what the server answers in place of a result. It holds neither the server's text, which can repeat what was
// sent, nor anything of how it was reached.
type serverError struct {
	code  string // SQLSTATE
	fatal bool   // it ends the connection
}

func (e *serverError) Error() string {
	if why, known := meanings[e.code[:min(2, len(e.code))]]; known {
		return fmt.Sprintf("the database answers SQLSTATE %s: %s", e.code, why)
	}
	return "the database answers SQLSTATE " + e.code
}

// Unavailable tells whether the server may answer otherwise in a moment.
func (e *serverError) Unavailable() bool { return passing(e) }

// meanings are the classes of SQLSTATE that an operator can do something about.
var meanings = map[string]string{
	"08": "the connection failed",
	"28": "it does not know this user or password",
	"3D": "there is no such database",
	"42": "something is missing in its schema, or this user may not use it",
	"53": "it is out of room, memory or connections",
	"55": "something is not in the state that is needed",
	"57": "an operator stopped it, or it is starting or stopping",
	"58": "its own system failed",
	"XX": "it found damage or a fault of its own",
}

// An awayError says that the server does not answer just now.
type awayError string

func (e awayError) Error() string { return string(e) }

// Unavailable is what the program asks an error, to tell people that they should try again in a moment.
func (awayError) Unavailable() bool { return true }

// errGone says that there is no connection to the server, or no more.
const errGone = awayError("no connection to the database")

// plain says what went wrong in words that hold no part of a connection string and nothing of what was sent. It keeps the
// error of a context that ended.
func plain(ctx context.Context, err error) error {
	var answer *pgconn.PgError
	var ours *serverError
	var number syscall.Errno
	var network net.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &answer):
		fatal := answer.SeverityUnlocalized != "ERROR"
		return &serverError{answer.Code, fatal}
	case errors.As(err, &ours) || errors.Is(err, errGone) || errors.Is(err, ErrUnsafe):
		return err
	case errors.As(err, &number):
		return fmt.Errorf("%w: %w", errGone, number)
	case errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, pgconn.ErrConnClosed):
		return errGone
	}
	return errors.New("the database driver reports an error of an unknown kind") // its text might repeat what was sent
}

// passing tells whether an error comes from a server that cannot be reached just now: it may be there again in a moment.
func passing(err error) bool {
	var answer *serverError
	if errors.As(err, &answer) {
		switch answer.code[:min(2, len(answer.code))] {
		case "08", "53", "57":
			return true
		}
		return answer.fatal
	}
	return errors.Is(err, errGone)
}
