// Package ledgertest says what a ledger.Store must do, as tests: every implementation runs TestStore.
//
// It also holds what other packages' tests need of a store: Memory, a plain one; Faulty, which makes chosen appends fail
// in pairs, "failed and stored" and "failed and lost"; and Check, which derives anew all that can be derived from a
// store's records, to be called after every step of a test.
package ledgertest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

// A Place is where one store lives: a folder, a database, a cluster. It is empty at first.
type Place interface {
	// Open opens the store with all that was stored here before. The suite calls close once, and before it opens the
	// store again.
	Open(t *testing.T) (store ledger.Store, close func() error)
}

// A Crasher is a Place that can lose what is not durable. The suite then also tests that nothing promised is lost.
type Crasher interface {
	Place
	// Crash ends the store as a loss of power would, appends under way included. It may be opened again afterwards.
	Crash(t *testing.T)
}

// TestStore runs every case on a store of its own, each in a new place. When a case fails, it prints the rule that was
// broken.
func TestStore(t *testing.T, place func(t *testing.T) Place) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("the rule: %s", c.rule)
				}
			}()
			s := &site{t: t, place: place(t)}
			t.Cleanup(s.close)
			s.open()
			c.run(t, s)
		})
	}
}

// A site is the store under test, and how to open it again.
type site struct {
	ledger.Store
	t         *testing.T
	place     Place
	closeOpen func() error
}

func (s *site) open() {
	s.Store, s.closeOpen = s.place.Open(s.t)
}

func (s *site) close() {
	if s.closeOpen == nil {
		return
	}
	if err := s.closeOpen(); err != nil {
		s.t.Errorf("close: %v", err)
	}
	s.closeOpen = nil
}

func (s *site) reopen() {
	s.close()
	s.open()
}

// append appends, and fails the test if that fails.
func (s *site) append(stream string, after uint64, records ...eventschema.Record) ledger.Position {
	s.t.Helper()
	p, err := s.Append(s.t.Context(), stream, after, records...)
	if err != nil {
		s.t.Fatalf("append to the stream %q after version %d: %v", stream, after, err)
	}
	return p
}

// head gives the store's head.
func (s *site) head() ledger.Position {
	s.t.Helper()
	p, err := s.Head(s.t.Context())
	if err != nil {
		s.t.Fatalf("head: %v", err)
	}
	return p
}

// expect reads the stream and compares it with the records appended to it.
func (s *site) expect(stream string, want ...eventschema.Record) {
	s.t.Helper()
	got := Read(s.t, s, stream, 0)
	for i := range got {
		got[i].Position = 0
	}
	var full []eventschema.Record
	for i, r := range want {
		r.Stream, r.Version = stream, uint64(i)+1
		full = append(full, r)
	}
	if d := diff(full, got); d != "" {
		s.t.Errorf("the stream %q: want (-), got (+):\n%s", stream, d)
	}
}

// Record makes the record number n of a test: n decides its id and data; every third is sealed.
func Record(n int) eventschema.Record {
	r := eventschema.Record{
		ID:   domain.Derive(domain.ID{'t', 'e', 's', 't'}, binary.BigEndian.AppendUint64(nil, uint64(n))),
		Data: fmt.Appendf(nil, "data of record %d", n),
	}
	if n%3 == 0 {
		r.Sealed = fmt.Appendf(nil, "sealed bytes of record %d", n)
	}
	return r
}

// Records makes the records from number n, count of them.
func Records(n, count int) []eventschema.Record {
	records := make([]eventschema.Record, count)
	for i := range records {
		records[i] = Record(n + i)
	}
	return records
}
