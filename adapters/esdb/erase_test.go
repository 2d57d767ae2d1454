package esdb_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"samtykke/adapters/esdb"
	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/domain"
	"samtykke/eventschema"
)

// Positions are the same before and after a scavenge, for those who counted before and those who count anew.
func TestScavenging(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	var secret []eventschema.Record
	for i := range 30 {
		r := ledgertest.Record(3 * i)
		r.Sealed = fmt.Appendf(nil, "secret %d", i)
		secret = append(secret, r)
	}
	for i, r := range secret {
		if _, err := s.Append(t.Context(), fmt.Sprint("stream ", i%2), uint64(i/2), r); err != nil {
			t.Fatal(err)
		}
	}
	third := func(r *eventschema.Record) (bool, error) { return r.Version%3 == 0, nil }
	if c, err := s.Erase(t.Context(), third, "stream 0"); c != 5 || err != nil {
		t.Fatalf("erased %d, %v; want 5", c, err)
	}
	before := ledgertest.Check(t, s)
	holds := func(text string) (count int) {
		for _, e := range n.Log() {
			if bytes.Equal(e.Data, []byte(text)) {
				count++
			}
		}
		return count
	}
	if holds("secret 4") != 1 {
		t.Error("erased bytes are gone from $all before the scavenge: the double is not honest")
	}
	n.Scavenge()
	if holds("secret 4") != 0 || holds("secret 6") != 1 {
		t.Errorf("after the scavenge erased bytes are there %d times, others %d times", holds("secret 4"), holds("secret 6"))
	}
	for _, store := range []*esdb.Store{s, open(t, to(n), esdb.Options{})} {
		after := ledgertest.Check(t, store)
		if len(after) != len(before) {
			t.Fatalf("%d records, want %d", len(after), len(before))
		}
		for i := range after {
			if after[i].Position != before[i].Position || after[i].ID != before[i].ID || (after[i].Sealed == nil) != (before[i].Sealed == nil) {
				t.Errorf("position %d: %v, want %v", before[i].Position, after[i], before[i])
			}
		}
	}
	// A retry that comes late brings nothing back.
	if p, err := s.Append(t.Context(), "stream 0", 2, secret[4]); err != nil || p != 5 {
		t.Errorf("retry: position %d, %v; want 5", p, err)
	}
	for r, err := range s.Stream(t.Context(), "stream 0", 3) {
		if err != nil || r.Version == 3 && r.Sealed != nil {
			t.Errorf("after the retry: %v, %v", r, err)
		}
	}
}

func TestErasing(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{NoDeleted: true}) // an answer that the client panics at
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := open(t, to(n), esdb.Options{Clock: func() time.Time { return now }})
	sealed := func(i int) eventschema.Record {
		r := ledgertest.Record(3 * i)
		r.Stream = "a"
		return r
	}
	first, second := sealed(1), sealed(2)
	if _, err := s.Append(t.Context(), "a", 0, first); err != nil {
		t.Fatal(err)
	}
	// A conflict leaves an orphan whose place is taken, an append that never arrives one whose place is free.
	if _, err := s.Append(t.Context(), "a", 0, second); !errors.Is(err, ledger.ErrConflict) {
		t.Fatal(err)
	}
	after := n.Calls("append") + 1
	n.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == "append" && c.Number > after {
			return esdbtest.Denied
		}
		return esdbtest.Served
	})
	if _, err := s.Append(t.Context(), "a", 1, second); !errors.Is(err, ledger.ErrRefused) {
		t.Fatal(err)
	}
	n.Faults(nil)
	first.Version, second.Version = 1, 1
	belongs, taken := s.SideOf(first), s.SideOf(second)
	second.Version = 2
	free := s.SideOf(second)
	gone := func(name string) bool {
		for _, e := range n.Log() {
			if e.Stream == name && e.Type == "$streamDeleted" {
				return true
			}
		}
		return false
	}
	none := func(*eventschema.Record) (bool, error) { return false, nil }
	for _, c := range []struct {
		after time.Duration
		free  bool
	}{{23 * time.Hour, false}, {25 * time.Hour, true}} {
		now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(c.after)
		if count, err := s.Erase(t.Context(), none); count != 0 || err != nil {
			t.Fatalf("erased %d, %v", count, err)
		}
		if gone(belongs) || !gone(taken) || gone(free) != c.free {
			t.Errorf("after %v: buried what belongs: %v, where taken: %v, where free: %v", c.after, gone(belongs), gone(taken), gone(free))
		}
	}
	// The very bytes that were swept cannot be stored again; sealed anew they can.
	if _, err := s.Append(t.Context(), "a", 1, second); !errors.Is(err, ledger.ErrRefused) {
		t.Errorf("append of what was swept: %v, want a refusal", err)
	}
	second.Sealed = []byte("sealed anew")
	if _, err := s.Append(t.Context(), "a", 1, second); err != nil {
		t.Error(err)
	}
	if count, err := s.Erase(t.Context(), func(*eventschema.Record) (bool, error) { return true, nil }); count != 2 || err != nil {
		t.Errorf("erased %d, %v; want 2", count, err)
	}
	ledgertest.Check(t, s)
}

// Sealed bytes that are not there and were not erased, or are others, are damage: nobody takes them for erased.
func TestSealedBytesThatAreMissing(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	r := ledgertest.Record(0)
	if _, err := s.Append(t.Context(), "a", 0, r); err != nil {
		t.Fatal(err)
	}
	r.Stream, r.Version = "a", 1
	side := s.SideOf(r)
	for what, text := range map[string]string{"truncated": `{"$tb":1}`, "deleted softly": `{"$tb":9223372036854775807}`} {
		n.Put("$$"+side, esdbtest.Event{ID: domain.ID{byte(len(what))}, Type: "$metadata", ContentType: "application/json", Data: []byte(text)})
		for got, err := range s.Stream(t.Context(), "a", 0) {
			if !errors.As(err, new(*esdb.DamageError)) {
				t.Errorf("%s: %v, %v, want damage", what, got, err)
			}
		}
	}
	n.Put("$$"+side, esdbtest.Event{ID: domain.ID{99}, Type: "$metadata", ContentType: "application/json", Data: []byte(`{"$tb":1}`)})
	n.Put(side, esdbtest.Event{ID: domain.ID{100}, Type: "sealed", ContentType: "application/json", Data: []byte("others")})
	for got, err := range s.Stream(t.Context(), "a", 0) {
		if !errors.As(err, new(*esdb.DamageError)) {
			t.Errorf("others: %v, %v, want damage", got, err)
		}
	}
}
