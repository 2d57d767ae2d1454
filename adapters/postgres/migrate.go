package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

// ErrNewer says that a database was last used by a later version of the program.
var ErrNewer = errors.New("the database belongs to a later version of the program")

// What makes the tables, a folder for each kind of database. A file, once released, is never changed: what comes after it is
// another file.
var (
	//go:embed events/*.sql
	eventsFiles embed.FS
	//go:embed keys/*.sql
	keysFiles embed.FS
	//go:embed shared/*.sql
	sharedFiles embed.FS
	//go:embed views/*.sql
	viewsFiles embed.FS
)

// migrations reads the files of a folder in order: the first one is number 1.
func migrations(files fs.FS, dir string) ([]string, error) {
	names, err := fs.Glob(files, dir+"/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var all []string
	for i, name := range names {
		if want := fmt.Sprintf("%s/%04d.sql", dir, i+1); name != want {
			return nil, fmt.Errorf("migration %s stands where %s should", name, want)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	return all, nil
}

// migrate brings the schema to what this version of the program needs, in one transaction, one program at a time. A schema that
// is there already is only looked at, so that the program's user need not be allowed to change it.
func (s *server) migrate(ctx context.Context, kind string, steps []string) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(c)
	done, err := s.migrated(ctx, c, kind, len(steps))
	if err != nil || done == len(steps) {
		return err
	}
	// The lock lasts as long as the connection. It is taken before the transaction begins, which then sees what was made meanwhile.
	if _, err := c.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", "samtykke schema "+s.schema); err != nil {
		return plain(ctx, err)
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return plain(ctx, err)
	}
	defer tx.Rollback(ctx)
	if done, err = s.migrated(ctx, tx, kind, len(steps)); err != nil {
		return err
	}
	if done == 0 {
		_, err = tx.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS `+s.schema+`;
			CREATE TABLE IF NOT EXISTS migration (kind text NOT NULL, number int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());`)
	}
	for number := done + 1; err == nil && number <= len(steps); number++ {
		if _, err = tx.Exec(ctx, steps[number-1]); err != nil {
			return fmt.Errorf("migration %d: %w", number, plain(ctx, err))
		}
		_, err = tx.Exec(ctx, "INSERT INTO migration (kind, number) VALUES ($1, $2)", kind, number)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	return plain(ctx, err)
}

// migrated gives the number of the last migration that was applied, 0 in an empty schema.
func (s *server) migrated(ctx context.Context, c interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, kind string, latest int) (number int, err error) {
	var there bool
	err = c.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.schema+".migration").Scan(&there)
	if err != nil || !there {
		return 0, plain(ctx, err)
	}
	var others bool
	err = c.QueryRow(ctx, "SELECT coalesce(max(number), 0), coalesce(bool_or(kind <> $1), false) FROM migration", kind).Scan(&number, &others)
	switch {
	case err != nil:
		return 0, plain(ctx, err)
	case others:
		return 0, errors.New("the schema holds something else: events, keys, views and what instances share must not lie in one")
	case number > latest:
		return 0, fmt.Errorf("%w: its schema has number %d, this version knows %d", ErrNewer, number, latest)
	}
	return number, nil
}
