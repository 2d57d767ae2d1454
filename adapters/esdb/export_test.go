package esdb

import (
	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// SideOf gives the server's name for the stream of a record's sealed bytes.
func (s *Store) SideOf(r eventschema.Record) string {
	return s.names.side(keyOf(r.Stream, r.Version, r.ID, r.Sealed))
}

// NameOf gives the server's name for a stream.
func (s *Store) NameOf(stream string) string { return s.names.stream(stream) }

// Abandon retires the client that the store has, as a call that failed does.
func (s *Store) Abandon() {
	s.link.mu.Lock()
	g := s.link.now
	s.link.mu.Unlock()
	if g != nil {
		s.link.drop(g)
	}
}

// Counted is how many positions are known, and how many bytes they take.
func (s *Store) Counted() (count uint64, bytes int) {
	s.numbers.mu.Lock()
	defer s.numbers.mu.Unlock()
	for _, b := range s.numbers.blocks {
		bytes += cap(b.rest) + 32
	}
	return s.numbers.count, bytes
}

// Waiting is how many appends wait for a position.
func (s *Store) Waiting() int {
	s.numbers.mu.Lock()
	defer s.numbers.mu.Unlock()
	return len(s.numbers.waiting)
}

// Configured tells what is wrong with a connection string.
func Configured(connection string) error {
	_, err := configure(connection)
	return err
}

// CommitOf gives the commit position that is kept for a position.
func (s *Store) CommitOf(p ledger.Position) uint64 { return s.numbers.cursor(p).last }
