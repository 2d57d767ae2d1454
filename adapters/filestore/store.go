package filestore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
)

// Options are how a store works. The zero value is good.
type Options struct {
	// SegmentSize is the length of a segment file in bytes, 64 MiB if 0. It may differ from one opening to the next.
	SegmentSize int64
	// FillAhead is how far ahead of use zeros are written, in bytes, 4 MiB if 0.
	FillAhead int64
	// IndexEvery is after how many records the index and the checkpoint are written anew, 200,000 if 0. With more
	// streams than that, it is after as many records as there are streams.
	IndexEvery uint64
	// EraseSlice is how much of the log Erase goes through at a time, in bytes, 4 MiB if 0: what one note covers, and
	// after how much it lets writers go first.
	EraseSlice int
	// Clock measures how long a sync or a slice takes, and no instant of it is stored; time.Now if nil.
	Clock func() time.Time
	// Random gives a new log its id; crypto/rand.Reader if nil.
	Random io.Reader
	// Warn is told, on some goroutine, of what went wrong without harm to what is stored, such as an index that could
	// not be written. Nobody is told if nil.
	Warn func(error)
}

func (o Options) withDefaults() Options {
	if o.SegmentSize == 0 {
		o.SegmentSize = 64 << 20
	}
	if o.FillAhead == 0 {
		o.FillAhead = 4 << 20
	}
	o.FillAhead = min(o.FillAhead, o.SegmentSize)
	if o.IndexEvery == 0 {
		o.IndexEvery = 200_000
	}
	if o.EraseSlice == 0 {
		o.EraseSlice = 4 << 20
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return o
}

// A Report says what Open found.
type Report struct {
	Records  uint64 // in the store
	Scanned  uint64 // of these, read at opening because the index did not cover them
	NoIndex  string // why the index could not be used, empty if it was used or the store is new
	Cut      *Cut   // what was cut from the end of the log, nil if nothing
	Finished int    // records whose erasure had been interrupted; when the store is open for reading, they show as erased
	Segments int
}

// A Cut is the end of a log that was written and never promised to anybody: an append that was under way when the power
// went.
type Cut struct {
	Segment string // the file, below the store's folder
	Offset  int64  // in it, in bytes
	Bytes   int64  // how many, the zeros behind them not counted
	What    string // what is wrong at Offset
	Aside   string // the file that holds them until Erase is called next; empty when the store is open for reading
}

// A Store is a ledger.Store on a disk. Its methods may be called by several goroutines.
type Store struct {
	disk disk.Disk
	opts Options
	lock io.Closer
	id   uint64

	// The writer's goroutine alone changes these, with mu held, and reads them without. They show what is durable.
	mu       sync.RWMutex
	index    *index
	segments []*segment
	changed  chan struct{} // closed, and made anew, at every change

	queue    queue
	requests sync.Pool // of requests that are answered
	writer   writer
	space    space
	keeper   keeper
	sweeper  sweeper
	closed   chan struct{}

	closing  sync.Once
	closeErr error
}

var _ ledger.Store = (*Store)(nil)

// Open opens the store on the disk to read and write, and makes it if there is none. It mends what an interruption left,
// and refuses what was damaged in another way: see the package comment. An error that matches disk.ErrLocked says that
// another Store, here or in another process, has it open.
func Open(d disk.Disk, opts Options) (*Store, Report, error) {
	if err := d.MakeDir(segmentDir); err != nil {
		return nil, Report{}, err
	}
	lock, err := d.Lock("lock")
	if err != nil {
		return nil, Report{}, err
	}
	s := newStore(d, opts, lock)
	report, err := s.load(false)
	if err != nil {
		s.release()
		return nil, report, err
	}
	s.start()
	return s, report, nil
}

// OpenReader opens an existing store for reading alone. It changes nothing, shares the store with other readers, and
// fails with an error that matches disk.ErrLocked while somebody has it open for writing. What Open would cut, it does
// not show. Append answers ledger.ErrEnded.
func OpenReader(d disk.Disk, opts Options) (*Store, Report, error) {
	lock, err := d.LockShared("lock")
	if err != nil {
		return nil, Report{}, err
	}
	s := newStore(d, opts, lock)
	s.queue.end(fmt.Errorf("open for reading: %w", ledger.ErrEnded))
	report, err := s.load(true)
	if err != nil {
		s.release()
		return nil, report, err
	}
	return s, report, nil
}

func newStore(d disk.Disk, opts Options, lock io.Closer) *Store {
	return &Store{
		disk: d, opts: opts.withDefaults(), lock: lock,
		changed: make(chan struct{}), closed: make(chan struct{}), queue: queue{wake: make(chan struct{}, 1)},
	}
}

// Close ends the store. Appends that wait are still stored; iterators end with an error that matches ledger.ErrEnded. It
// writes the index, so that the next opening is quick; an error from that leaves nothing unsafe.
func (s *Store) Close() error {
	s.closing.Do(func() {
		err := s.stop()
		close(s.closed)
		s.sweeper.turn.Lock() // a slice under way ends first
		defer s.sweeper.turn.Unlock()
		s.closeErr = errors.Join(err, s.release())
	})
	return s.closeErr
}

// release gives back what a store holds, once nothing works on it any more.
func (s *Store) release() error {
	err := closeAll(s.segments)
	if s.space.next != nil {
		err = errors.Join(err, closeAll([]*segment{s.space.next}))
	}
	return errors.Join(err, s.lock.Close())
}

// newID draws a log id.
func (s *Store) newID() (uint64, error) {
	var b [8]byte
	for {
		if _, err := io.ReadFull(s.opts.Random, b[:]); err != nil {
			return 0, err
		}
		if id := le.Uint64(b[:]); id != 0 {
			return id, nil
		}
	}
}
