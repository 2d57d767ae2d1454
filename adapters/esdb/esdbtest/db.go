package esdbtest

import (
	"encoding/json"
	"math"
	"slices"
	"sync"
	"time"
)

// tombstoneRevision is the revision of the event that ends a stream for good.
const tombstoneRevision = math.MaxInt64

// An Event is an event as the server keeps it.
type Event struct {
	ID             [16]byte
	Stream, Type   string
	ContentType    string
	Revision       uint64
	Position       uint64 // commit and prepare position: the same for what one call wrote at once
	Created        time.Time
	Data, Metadata []byte
}

func (e *Event) size() int { return len(e.Data) + len(e.Metadata) + 2*len(e.Type) }

// A stream's last revision outlives what was deleted or scavenged of it.
type stream struct {
	events     []*Event // the tombstone not among them
	next       uint64   // revision of the next event
	tombstoned bool
}

func (s *stream) current() int64 { return int64(s.next) - 1 }

// A place is where an event with some id was last written: the memory that weak idempotency rests on.
type place struct {
	stream   string
	revision uint64
}

// A database is what the nodes of a cluster share.
type database struct {
	clock func() time.Time

	mu       sync.Mutex
	log      []*Event // by position
	places   map[uint64]bool
	streams  map[string]*stream
	recent   map[[16]byte]place
	end      uint64
	changed  chan struct{} // closed, and made anew, at every append
	nodes    []*Server
	forgets  bool
	maxBytes int
}

func newDatabase(clock func() time.Time, maxBytes int) *database {
	if clock == nil {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		clock = func() time.Time { at = at.Add(time.Millisecond); return at }
	}
	return &database{
		clock: clock, places: map[uint64]bool{}, streams: map[string]*stream{}, recent: map[[16]byte]place{},
		changed: make(chan struct{}), maxBytes: maxBytes,
	}
}

// stream gives the named stream, which need not have events; with mu held.
func (db *database) stream(name string) *stream {
	s := db.streams[name]
	if s == nil {
		s = &stream{}
		db.streams[name] = s
	}
	return s
}

// An expectation is what an append expects of a stream: a revision, or one of those below 0.
type expectation int64

const (
	noStream expectation = -1 - iota
	anyVersion
	streamExists
)

type outcome int

const (
	written outcome = iota
	wrongVersion
	deleted
)

// append judges and writes, as the server's index writer does.
func (db *database) append(name string, want expectation, events []*Event) (o outcome, revision int64, position uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.appendLocked(name, want, events)
}

func (db *database) appendLocked(name string, want expectation, events []*Event) (o outcome, revision int64, position uint64) {
	s := db.stream(name)
	softly := db.metadata(name).before == math.MaxInt64
	switch current := s.current(); {
	case s.tombstoned, want == streamExists && softly:
		return deleted, current, 0
	case want == streamExists && current < 0 && db.stream("$$"+name).next == 0:
		return wrongVersion, current, 0
	case want == anyVersion, want == streamExists:
		switch first, known := db.recent[events[0].ID]; {
		case known && first.stream == name && !db.forgets:
			return db.again(s, first.revision, events)
		}
	case want == noStream && softly, int64(want) == current:
	case int64(want) > current:
		return wrongVersion, current, 0
	default:
		if db.forgets {
			return wrongVersion, current, 0
		}
		return db.again(s, uint64(int64(want)+1), events)
	}
	return db.write(s, name, events)
}

// again answers an append of events that may stand in the stream from the revision on.
func (db *database) again(s *stream, from uint64, events []*Event) (outcome, int64, uint64) {
	var last *Event
	for i, e := range events {
		at := slices.IndexFunc(s.events, func(there *Event) bool { return there.Revision == from+uint64(i) })
		if at < 0 || s.events[at].ID != e.ID {
			return wrongVersion, s.current(), 0
		}
		last = s.events[at]
	}
	return written, int64(last.Revision), last.Position
}

func (db *database) write(s *stream, name string, events []*Event) (outcome, int64, uint64) {
	for _, e := range events {
		e := *e
		e.Stream, e.Revision = name, s.next
		db.put(&e)
		s.events, s.next = append(s.events, &e), s.next+1
		db.recent[e.ID] = place{name, e.Revision}
	}
	if len(events) == 0 {
		return written, s.current(), db.end
	}
	return written, s.current(), db.log[len(db.log)-1].Position
}

// put writes an event to the log.
func (db *database) put(e *Event) {
	e.Created, e.Position = db.clock(), db.end
	db.end += uint64(e.size()+len(e.Stream)) + 97 // positions are bytes of a file
	db.places[e.Position] = true
	db.log = append(db.log, e)
	close(db.changed)
	db.changed = make(chan struct{})
}

// remove deletes the stream, softly or for good.
func (db *database) remove(name string, want expectation, forGood bool) (o outcome, actual int64, position uint64) {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := db.stream(name)
	switch {
	case s.tombstoned:
		return deleted, s.current(), 0
	case int64(want) >= 0 && int64(want) != s.current(), want == streamExists && s.current() < 0, want == noStream && s.current() >= 0:
		return wrongVersion, s.current(), 0
	case forGood:
		s.tombstoned = true
		db.put(&Event{Stream: name, Type: "$streamDeleted", Revision: tombstoneRevision, ContentType: "application/octet-stream"})
	default:
		meta := &Event{Type: "$metadata", ContentType: "application/json", Data: []byte(`{"$tb":9223372036854775807}`)}
		db.write(db.stream("$$"+name), "$$"+name, []*Event{meta})
	}
	return written, s.current(), db.log[len(db.log)-1].Position
}

// hiding is what a stream's metadata hides of it.
type hiding struct {
	before   uint64 // $tb
	maxCount uint64
	maxAge   time.Duration
}

// metadata reads the last of a stream's metadata, with mu held.
func (db *database) metadata(name string) (h hiding) {
	s := db.streams["$$"+name]
	if s == nil || len(s.events) == 0 {
		return hiding{}
	}
	var m struct {
		Before   uint64 `json:"$tb"`
		MaxCount uint64 `json:"$maxCount"`
		MaxAge   int64  `json:"$maxAge"`
	}
	if json.Unmarshal(s.events[len(s.events)-1].Data, &m) != nil {
		return hiding{}
	}
	return hiding{m.Before, m.MaxCount, time.Duration(m.MaxAge) * time.Second}
}

// visible gives the events of a stream that a reader is shown, with mu held.
func (db *database) visible(name string) []*Event {
	s := db.streams[name]
	if s == nil || s.tombstoned {
		return nil
	}
	h := db.metadata(name)
	shown := s.events
	if h.maxCount > 0 && s.next > h.maxCount {
		h.before = max(h.before, s.next-h.maxCount)
	}
	for len(shown) > 0 && (shown[0].Revision < h.before || h.maxAge > 0 && shown[0].Created.Before(db.clock().Add(-h.maxAge))) {
		shown = shown[1:]
	}
	return shown
}

// scavenge removes from the log what readers of its stream are not shown.
func (db *database) scavenge() (removed int) {
	db.mu.Lock()
	defer db.mu.Unlock()
	keep := map[*Event]bool{}
	for name, s := range db.streams {
		shown := db.visible(name)
		if db.metadata(name).before != math.MaxInt64 && len(shown) == 0 && len(s.events) > 0 && !s.tombstoned {
			shown = s.events[len(s.events)-1:] // a stream's last event is kept, for its revision
		}
		s.events = slices.Clone(shown)
		for _, e := range shown {
			keep[e] = true
		}
	}
	before := len(db.log)
	db.log = slices.DeleteFunc(slices.Clone(db.log), func(e *Event) bool { return !keep[e] && e.Revision != tombstoneRevision })
	return before - len(db.log)
}

// behind gives what is in the log from the position on, and a channel that is closed when there may be more.
func (db *database) behind(position uint64) ([]*Event, <-chan struct{}) {
	db.mu.Lock()
	defer db.mu.Unlock()
	at, _ := slices.BinarySearchFunc(db.log, position, func(e *Event, p uint64) int {
		switch {
		case e.Position < p:
			return -1
		case e.Position > p:
			return 1
		}
		return 0
	})
	return db.log[at:len(db.log):len(db.log)], db.changed
}
