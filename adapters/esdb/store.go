package esdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
)

// Options are how a store works. The zero value is good.
type Options struct {
	// Ledger is the name of the ledger at the server, "samtykke" if empty: letters, digits and hyphens. Its streams begin
	// with it, so that ledgers can share a server.
	Ledger string
	// Disk keeps the positions of events, so that opening need not count them all again; none are kept if nil. What it
	// holds can be lost without harm. Stores that are open at the same time do not share it.
	Disk disk.Disk
	// KeepEvery is after how many events the positions are kept, 100,000 if 0, besides when the store is closed.
	KeepEvery uint64
	// Clock tells how old sealed bytes are to which no record belongs; time.Now if nil.
	Clock func() time.Time
	// Pause waits before something is tried again, until ctx ends, and gives its error then; by a timer if nil.
	Pause func(ctx context.Context, d time.Duration) error
	// Warn is told, on some goroutine, of what went wrong without harm to what is stored, such as a connection that was
	// lost. Nobody is told if nil.
	Warn func(error)
}

func (o Options) withDefaults() Options {
	if o.Ledger == "" {
		o.Ledger = "samtykke"
	}
	if o.KeepEvery == 0 {
		o.KeepEvery = 100_000
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return o
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const (
	// tries is how often a call is made whose failure may pass, before its caller is told.
	tries = 10
	// firstPause and longestPause are how long is waited between: twice as long each time.
	firstPause, longestPause = 25 * time.Millisecond, 3 * time.Second
)

// A patience counts how often something was tried whose failure may pass.
type patience struct {
	*Store
	limit, tried int // no limit if 0
}

func (s *Store) patience() *patience { return &patience{s, tries, 0} }

// again waits before another try, if the failure may pass and not too many were made. If not, it gives what to tell: the
// failure, or ctx's error. A try that failed because another call's did is not counted.
func (p *patience) again(ctx context.Context, failure error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case is(failure, abandoned):
	case is(failure, passing), is(failure, broken):
		if p.tried++; p.tried == p.limit {
			return failure
		}
	default:
		return failure
	}
	return p.opts.Pause(ctx, min(firstPause<<min(p.tried, 20), longestPause))
}

// retry makes a call until it succeeds or fails in a way that another try would not change.
func retry[T any](ctx context.Context, s *Store, f func(context.Context, *esdb.Client) (T, error)) (result T, err error) {
	for p := s.patience(); ; {
		if result, err = call(ctx, s.link, f); err == nil {
			return result, nil
		}
		if err = p.again(ctx, err); err != nil {
			return result, err
		}
	}
}

// A Report says what Open found.
type Report struct {
	Records uint64 // in the ledger
	Kept    uint64 // of these, whose positions were on the disk
	NotKept string // why those on the disk could not be used, empty if they were or there is no disk
	Server  string // version of the server
}

// A Store is a ledger.Eraser at an EventStoreDB. Its methods may be called by several goroutines, and several stores may
// work on one ledger.
type Store struct {
	opts    Options
	link    *link
	names   names
	numbers *numbers

	ctx      context.Context // ends when the store is closed
	cancel   context.CancelFunc
	counting chan struct{} // closed when nobody counts any more
	closing  sync.Once
	closeErr error
}

var (
	_ ledger.Eraser = (*Store)(nil)
	_ ledger.Filler = (*Store)(nil)
)

// Open opens the ledger at the server that the connection string names; it begins to exist with its first record. It
// returns when the ledger's events are counted. An error never holds anything of the connection string but a key's name.
func Open(ctx context.Context, connection string, opts Options) (*Store, Report, error) {
	opts = opts.withDefaults()
	if strings.Trim(opts.Ledger, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return nil, Report{}, errors.New("a ledger's name has letters, digits and hyphens")
	}
	config, err := configure(connection)
	if err != nil {
		return nil, Report{}, err
	}
	s := &Store{opts: opts, link: &link{config: config}, names: newNames(opts.Ledger), numbers: newNumbers(), counting: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	report, err := s.begin(ctx)
	if err != nil {
		s.cancel()
		s.link.close()
		return nil, report, err
	}
	return s, report, nil
}

// oldest is the first version of the server that tells what this package needs: caught-up.
const oldestMajor, oldestMinor = 23, 10

func (s *Store) begin(ctx context.Context) (report Report, err error) {
	version, err := retry(ctx, s, func(_ context.Context, c *esdb.Client) (*esdb.ServerVersion, error) { return c.GetServerVersion() })
	if err != nil {
		return report, err
	}
	report.Server = fmt.Sprintf("%d.%d.%d", version.Major, version.Minor, version.Patch)
	if version.Major < oldestMajor || version.Major == oldestMajor && version.Minor < oldestMinor {
		return report, fmt.Errorf("the server is of version %s (0.0.0: it does not tell), at least %d.%d is needed",
			report.Server, oldestMajor, oldestMinor)
	}
	if s.opts.Disk != nil {
		if report.NotKept, err = s.takeUp(ctx); err != nil {
			return report, err
		}
	}
	report.Kept = s.numbers.count
	caughtUp := make(chan struct{})
	go s.count(caughtUp)
	select {
	case <-caughtUp:
	case <-s.counting:
		return report, s.numbers.failure()
	case <-ctx.Done():
		return report, ctx.Err()
	}
	report.Records = s.numbers.cursor(^uint64(0)).count
	return report, nil
}

// Close ends the store. Iterators and calls under way end with an error that matches ledger.ErrEnded. It keeps the
// positions, so that the next opening is quick; an error from that leaves nothing unsafe.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.cancel()
		s.link.close()
		<-s.counting
		if s.opts.Disk != nil {
			s.closeErr = keepNumbers(s.opts.Disk, s.numbers, s.opts.Ledger)
		}
	})
	return s.closeErr
}

// within gives a context that ends with the store too.
func (s *Store) within(ctx context.Context) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return inner, func() { stop(); cancel() }
}

// failure is what a caller is told: its context's error if that has ended, and that the store is closed if it is.
func (s *Store) failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.ctx.Err() != nil:
		return errClosed
	}
	return err
}

// Head implements ledger.Store. It counts on from what is counted until the server says that there is no more: another
// store may have appended.
func (s *Store) Head(ctx context.Context) (ledger.Position, error) {
	inner, cancel := s.within(ctx)
	defer cancel()
	from := s.numbers.cursor(^uint64(0))
	for step, err := range s.follow(inner, from) {
		switch {
		case err != nil:
			return 0, s.failure(ctx, err)
		case step.caughtUp:
			return from.count, nil
		}
		from.count++
	}
	return 0, s.failure(ctx, errClosed)
}
