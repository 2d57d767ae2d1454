package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/esdb"
	"samtykke/adapters/filestore"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres"
	"samtykke/adapters/proof"
	"samtykke/adapters/signin"
	"samtykke/adapters/views"
)

// Where the events and the data keys lie, if not in the data directory. They are in the environment, since they may hold a password.
const (
	ledgerVariable = "SAMTYKKE_LEDGER" // postgres://… or esdb://…
	keysVariable   = "SAMTYKKE_KEYS"   // postgres://…, of another database
	sharedVariable = "SAMTYKKE_SHARED" // postgres://…, of what instances share; with the keys, if not set
	viewsVariable  = "SAMTYKKE_VIEWS"  // postgres://…: the views lie there; in memory, if not set

	viewsCacheVariable  = "SAMTYKKE_VIEWS_CACHE"  // MiB of views in PostgreSQL that are kept in memory while they are folded
	keysCacheVariable   = "SAMTYKKE_KEYS_CACHE"   // how many data keys in PostgreSQL are kept ready, 1.2 kB each
	statesCacheVariable = "SAMTYKKE_STATES_CACHE" // MiB of clients' states that are kept to decide on; see ledger.Ledger.States
)

// caches bound what is kept in memory and could be read again.
type caches struct {
	views  int // bytes
	keys   int // how many
	states int // bytes, of clients' states
}

// cachesOf are those that the environment sets.
func cachesOf() (caches, error) {
	documents, err := numberIn(viewsCacheVariable, views.DefaultCache>>20)
	keys, errK := numberIn(keysCacheVariable, postgres.DefaultReady)
	states, errS := numberIn(statesCacheVariable, ledger.DefaultStates>>20)
	return caches{documents << 20, keys, states << 20}, cmp.Or(err, errK, errS)
}

// besideCaches is what a server needs of memory beside its caches while views in PostgreSQL are made anew, where it needs most.
const besideCaches = 180 << 20

// boundMemory has a server whose memory need not grow with the number of clients collect its garbage before it takes more than its caches
// and what it needs beside them, unless the environment sets another limit. Before it serves, nothing is decided, and no states are kept.
func (w world) boundMemory(serves bool) {
	if w.views != "" && os.Getenv("GOMEMLIMIT") == "" {
		limit := w.caches.views + w.caches.keys*postgres.ReadySize + besideCaches
		if serves {
			limit += 3 * w.caches.states // clients', journals' and, together, about as much of all others
		}
		debug.SetMemoryLimit(int64(limit))
	}
}

// An engine keeps the events.
type engine interface {
	ledger.Eraser
	ledger.Filler
	Close() error
}

// A ring keeps the data keys.
type ring interface {
	keyring.Keyring
	Rotate(ctx context.Context, now time.Time) error
	Destroyed() iter.Seq[keyring.Owner]
	Count(ctx context.Context) (living, destroyed int, err error)
	Epochs() ([]keyring.Epoch, error)
	Close() error
}

// A fileRing is a ring of files, which has all it counts in memory.
type fileRing struct{ *keyring.FileRing }

func (r fileRing) Count(context.Context) (living, destroyed int, err error) {
	living, destroyed = r.FileRing.Count()
	return living, destroyed, nil
}

func (r fileRing) Epochs() ([]keyring.Epoch, error) { return r.FileRing.Epochs(), nil }

// serverOptions are how a ledger at a server works.
type serverOptions struct {
	postgres postgres.Options
	esdb     esdb.Options
}

// elsewhere is a connection string, by its scheme; "" is none.
func elsewhere(s string) (scheme string) {
	scheme, _, found := strings.Cut(s, "://")
	if !found {
		return ""
	}
	return scheme
}

// openServer opens a ledger that lies at a server.
func (w world) openServer(ctx context.Context, connection string) (engine, error) {
	switch elsewhere(connection) {
	case "postgres", "postgresql":
		s, err := postgres.Open(ctx, connection, w.at.postgres)
		if err != nil {
			return nil, err
		}
		return s, nil
	case "esdb", "esdb+discover":
		options := w.at.esdb
		options.Clock = w.clock
		if w.disk != nil {
			if err := w.disk.MakeDir(positionsDir); err != nil {
				return nil, err
			}
			options.Disk = disk.Sub(w.disk, positionsDir)
		}
		s, _, err := esdb.Open(ctx, connection, options)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, usage("a ledger lies in a data directory, or at postgres://… or esdb://…")
}

// rootsOf gives the root of the tree over the first events of each.
func rootsOf(ctx context.Context, size uint64, stores ...ledger.Store) (roots []string, err error) {
	for _, s := range stores {
		root, err := proof.Root(ctx, s, size)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root.String())
	}
	return roots, nil
}

// openStore opens the ledger, wherever it lies.
func (w world) openStore(ctx context.Context) (engine, filestore.Report, error) {
	if w.ledger != "" {
		s, err := w.openServer(ctx, w.ledger)
		return s, filestore.Report{}, err
	}
	if err := w.disk.MakeDir(ledgerDir); err != nil {
		return nil, filestore.Report{}, err
	}
	s, report, err := filestore.Open(disk.Sub(w.disk, ledgerDir), w.store)
	if err != nil {
		return nil, report, err
	}
	return s, report, nil
}

// openReader opens the ledger beside whoever writes it. Files are not changed.
func (w world) openReader(ctx context.Context) (engine, filestore.Report, error) {
	if w.ledger != "" {
		return w.openStore(ctx)
	}
	s, report, err := filestore.OpenReader(disk.Sub(w.disk, ledgerDir), w.store)
	if err != nil {
		return nil, report, err
	}
	return s, report, nil
}

// openKeys opens the data keys, wherever they lie. What opens them lies in the data directory, or in one folder that all instances
// share.
func (w world) openKeys(ctx context.Context) (ring, error) {
	if w.keys == "" {
		r, err := keyring.OpenFile(w.disk, keyDir, w.secrets)
		if err != nil {
			return nil, err
		}
		return fileRing{r}, nil
	}
	epochs, err := keyring.Options{}.OpenEpochs(w.disk, keyDir, w.secrets)
	if err != nil {
		return nil, err
	}
	r, err := postgres.OpenRing(ctx, w.keys, epochs, postgres.RingOptions{Ready: w.caches.keys})
	if err != nil {
		return nil, errors.Join(err, epochs.Close())
	}
	return r, nil
}

// newKeeper makes the keeper of the views, wherever they lie. What gives it back is closed with the system.
func (s *system) newKeeper(ctx context.Context, key signin.HashKey) (err error) {
	s.keeper = views.NewKeeper(s.steady(), s.rules)
	if s.world.views == "" {
		return nil
	}
	options := views.StoreOptions{Keyed: key.Keyed("views"), Cache: s.caches.views}
	if s.views, err = postgres.OpenViews(ctx, s.world.views, postgres.ViewsOptions{}); err != nil {
		return err
	}
	s.keeper = views.NewKeeperIn(s.steady(), s.rules, s.views, options)
	return nil
}

// numberIn is the number in a variable of the environment, or the one for where it is not set.
func numberIn(variable string, otherwise int) (int, error) {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<30 {
		return 0, usage("%s is a number from 1", variable)
	}
	return n, nil
}

// keepUp folds what is recorded into the views, and hears how far others have folded it, until ctx ends.
func (s *system) keepUp(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop(s.keeper.Follow(ctx))
	}()
	stop(s.fold(ctx))
	<-ended
	return context.Cause(ctx)
}

// fold folds what is recorded, where instances share the views when it is this one's turn.
func (s *system) fold(ctx context.Context) error {
	turn := s.keeper.Turn()
	if s.shared == nil || turn == "" {
		return s.keeper.Run(ctx)
	}
	return s.shared.Lease(turn, 0).Run(ctx, s.keeper.Run)
}

// inFiles refuses a command that is for files alone.
func (w world) inFiles(what string) error {
	if w.ledger != "" || w.keys != "" {
		return usage("%s works on a data directory: what lies at a server is for the server's own means (%s or %s is set)", what, ledgerVariable, keysVariable)
	}
	return nil
}

type copyCmd struct {
	From     string `and:"events" placeholder:"DIR|URL|env:NAME" help:"The ledger that there is: a data directory, or a server. env:NAME is the environment variable that holds the connection string."`
	To       string `and:"events" placeholder:"DIR|URL|env:NAME" help:"The one to be filled: empty, or what an interrupted copy has left."`
	KeysFrom string `and:"keys" placeholder:"DIR|URL|env:NAME" help:"Where the data keys lie: a data directory, or a database in PostgreSQL. They are moved: none stays there."`
	KeysTo   string `and:"keys" placeholder:"DIR|URL|env:NAME" help:"Where they are to lie: a database, or a data directory whose folder keys has what opens them."`
	JSON     bool   `name:"json" help:"Answer as JSON."`
}

// moved is what a copy came to.
type moved struct {
	Events uint64 `json:"events"`
	Root   string `json:"root"` // of the tree over them, the same in both

	Keys      int    `json:"keys,omitempty"` // of these, as of the next two, only where they were moved
	Destroyed int    `json:"destroyed,omitempty"`
	Epoch     uint32 `json:"epoch,omitempty"`
}

// Help is shown below the options.
func (c *copyCmd) Help() string {
	return "Events keep their order, and so the tree over them and every checkpoint and proof hold. Nothing may be appended meanwhile: end all " +
		"servers first. Data keys are moved as they lie, each closed; what opens them stays in the folder keys of the data directory, as proofs, " +
		"endings and released statistics stay. Serve the same data directory with " + ledgerVariable + " and " + keysVariable +
		" set to the new places. Interrupted, the same command goes on."
}

// Run copies the events, and reads both back. Then it moves the keys.
func (c *copyCmd) Run(env *surroundings) error {
	if c.From == "" && c.KeysFrom == "" {
		return usage("say what is to be copied: --from and --to, --keys-from and --keys-to, or both")
	}
	var m moved
	if c.From != "" {
		if err := c.events(env, &m); err != nil {
			return err
		}
	}
	if c.KeysFrom != "" {
		if err := c.keys(env.ctx, &m); err != nil {
			return err
		}
	}
	if c.JSON {
		return answer(env.stdout, m)
	}
	var err error
	if c.From != "" {
		_, err = fmt.Fprintf(env.stdout, "%d events; the root of the tree over them is the same in both:\n%s\n", m.Events, m.Root)
	}
	if c.KeysFrom != "" && err == nil {
		_, err = fmt.Fprintf(env.stdout, "%d keys, and %d owners whose key was destroyed, are in the new place and not in the old any more. "+
			"In the data directory, %s open them.\n", m.Keys, m.Destroyed, m.opening())
	}
	return err
}

func (c *copyCmd) events(env *surroundings, m *moved) (err error) {
	from, err := whereOf(c.From, "--from")
	if err != nil {
		return err
	}
	to, err := whereOf(c.To, "--to")
	if err != nil {
		return err
	}
	if from == to {
		return usage("--from and --to are the same place")
	}
	source, err := openPlace(env.ctx, from, false)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openPlace(env.ctx, to, true)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	*m, err = move(env, target, source)
	return err
}

// move copies what is missing, and compares the roots.
func move(env *surroundings, to ledger.Filler, from ledger.Store) (moved, error) {
	draw, done := env.progress("copying")
	err := ledger.Copy(env.ctx, to, from, draw)
	done()
	switch {
	case errors.Is(err, ledger.ErrOtherHistory):
		return moved{}, usageError(err.Error())
	case err != nil:
		return moved{}, err
	}
	head, err := from.Head(env.ctx)
	if err != nil {
		return moved{}, err
	}
	roots, err := rootsOf(env.ctx, head, from, to)
	if err != nil {
		return moved{}, err
	}
	if roots[0] != roots[1] {
		return moved{}, fmt.Errorf("%w: what was copied has another root, %s instead of %s", errWrong, roots[1], roots[0])
	}
	return moved{Events: head, Root: roots[0]}, nil
}

// whereOf reads where a ledger lies.
func whereOf(s, flag string) (string, error) {
	name, found := strings.CutPrefix(s, "env:")
	if !found {
		return s, nil
	}
	if s = os.Getenv(name); s == "" {
		return "", usage("%s: the environment variable %s is not set", flag, name)
	}
	return s, nil
}

// openPlace opens the ledger at a place. A data directory that is not there is made for a ledger that is to be filled.
func openPlace(ctx context.Context, where string, fill bool) (engine, error) {
	if elsewhere(where) != "" {
		return world{clock: time.Now}.openServer(ctx, where)
	}
	if !fill {
		d := dataFlag{Data: where}
		if err := cmp.Or(d.whole(), d.holds(ledgerDir)); err != nil {
			return nil, err
		}
	}
	w, err := realWorld(where)
	if err != nil {
		return nil, err
	}
	w.ledger = ""
	s, _, err := w.openStore(ctx)
	return s, err
}
