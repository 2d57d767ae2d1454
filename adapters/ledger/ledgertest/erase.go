package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

// eraser gives the store under test as one that erases.
func (s *site) eraser() ledger.Eraser {
	s.t.Helper()
	e, can := s.Store.(ledger.Eraser)
	if !can {
		s.t.Skip("this store cannot erase")
	}
	return e
}

// erase erases, fails the test if that fails, and compares how many records lost their sealed bytes.
func (s *site) erase(want int, choose func(*eventschema.Record) bool, streams ...string) {
	s.t.Helper()
	n, err := s.eraser().Erase(s.t.Context(), func(r *eventschema.Record) (bool, error) { return choose(r), nil }, streams...)
	if err != nil || n != want {
		s.t.Fatalf("erase: %d records, %v; want %d", n, err, want)
	}
}

func everything(*eventschema.Record) bool { return true }

// numbered chooses the records that Record makes of the numbers.
func numbered(numbers ...int) func(*eventschema.Record) bool {
	ids := map[domain.ID]bool{}
	for _, n := range numbers {
		ids[Record(n).ID] = true
	}
	return func(r *eventschema.Record) bool { return ids[r.ID] }
}

// without are the records as they are when the chosen ones are erased.
func without(records []eventschema.Record, choose func(*eventschema.Record) bool) []eventschema.Record {
	records = slices.Clone(records)
	for i := range records {
		if choose(&records[i]) {
			records[i].Sealed = nil
		}
	}
	return records
}

// fill appends records 0 to 59 in threes, to streams a and b by turns; of each three the first is sealed.
func (s *site) fill() []eventschema.Record {
	s.t.Helper()
	for i := range 20 {
		s.append([]string{"a", "b"}[i%2], 3*uint64(i/2), Records(3*i, 3)...)
	}
	return Check(s.t, s)
}

func erase(t *testing.T, s *site) {
	s.eraser()
	s.fill()
	several := Records(100, 6) // in one append, two of them sealed side by side
	for i := range several[:3] {
		several[i].Sealed = bytes.Repeat([]byte{byte(i), 0xE5}, 100+i)
	}
	s.append("c", 0, several...)
	before := Check(t, s)
	chosen := numbered(0, 1, 3, 27, 100, 102) // number 1 has no sealed bytes
	s.erase(5, chosen)
	want := without(before, chosen)
	for range 2 {
		got := Check(t, s)
		if d := diff(want, got); d != "" {
			t.Fatalf("want (-), got (+):\n%s", d)
		}
		for i := range got {
			if got[i].Leaf() != before[i].Leaf() {
				t.Errorf("the leaf at position %d has changed", got[i].Position)
			}
		}
		s.reopen()
	}
}

func eraseStreams(t *testing.T, s *site) {
	s.eraser()
	s.fill()
	s.append("c", 0, Record(60))
	s.append("d", 0, Record(1))
	before := Check(t, s)
	s.erase(0, everything, "d", "nothing")
	s.erase(11, everything, "a", "c", "nothing", "a")
	want := without(before, func(r *eventschema.Record) bool { return r.Stream != "b" })
	if d := diff(want, Check(t, s)); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

func eraseAgain(t *testing.T, s *site) {
	s.eraser()
	before := s.fill()
	first := numbered(0, 6, 12)
	s.erase(3, first, "a")
	for range 2 {
		s.erase(0, first, "a")
		asked := 0
		s.erase(0, func(r *eventschema.Record) bool {
			if asked++; r.Sealed == nil {
				t.Errorf("asked about position %d, which has no sealed bytes", r.Position)
			}
			return false
		})
		if asked != 17 {
			t.Errorf("asked about %d records, want the 17 that have sealed bytes", asked)
		}
		s.reopen()
	}
	if d := diff(without(before, first), Check(t, s)); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	s.erase(17, everything)
	s.erase(0, everything)
	if d := diff(without(before, everything), Check(t, s)); d != "" {
		t.Errorf("all erased: want (-), got (+):\n%s", d)
	}
}

func eraseAndAppend(t *testing.T, s *site) {
	s.eraser()
	first := s.append("a", 0, Records(0, 4)...)
	s.erase(2, everything, "a")
	s.append("a", 4, Record(6))
	if p := s.append("a", 0, Records(0, 4)...); p != first {
		t.Errorf("a retry: position %d, want %d", p, first)
	}
	_, err := s.Append(t.Context(), "a", 4, Record(9))
	expectConflict(t, err, "a", 4, 5)
	s.expect("a", append(without(Records(0, 4), everything), Record(6))...)
	s.erase(1, everything)
	s.expect("a", without([]eventschema.Record{Record(0), Record(1), Record(2), Record(3), Record(6)}, everything)...)
	Check(t, s)
}

func eraseEnds(t *testing.T, s *site) {
	e := s.eraser()
	before := s.fill()
	stop := errors.New("stop")
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	for _, c := range []struct {
		want   error
		choose func(*eventschema.Record) (bool, error)
	}{
		{stop, func(*eventschema.Record) (bool, error) {
			if asked++; asked > 9 {
				return false, stop
			}
			return true, nil
		}},
		{context.Canceled, func(*eventschema.Record) (bool, error) { cancel(); return true, nil }},
		{context.Canceled, func(*eventschema.Record) (bool, error) { return true, nil }},
	} {
		if _, err := e.Erase(ctx, c.choose); !errors.Is(err, c.want) {
			t.Errorf("erase: %v, want %v", err, c.want)
		}
		wholeOrErased(t, before, Check(t, s))
	}
	s.erase(20-erased(before, Check(t, s)), everything)
}

// wholeOrErased compares records with what they were: some may have lost their sealed bytes.
func wholeOrErased(t *testing.T, before, got []eventschema.Record) {
	t.Helper()
	want := slices.Clone(before[:min(len(before), len(got))])
	for i := range want {
		if got[i].Sealed == nil {
			want[i].Sealed = nil
		}
	}
	if d := diff(want, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

// erased counts the records that have lost their sealed bytes.
func erased(before, got []eventschema.Record) (n int) {
	for i := range got {
		if before[i].Sealed != nil && got[i].Sealed == nil {
			n++
		}
	}
	return n
}

func eraseBesideOthers(t *testing.T, s *site) {
	e := s.eraser()
	before := s.fill()
	even := func(r *eventschema.Record) (bool, error) { return r.Version%2 == 0, nil }
	const writers, each, readers = 3, 20, 2
	together(2+writers+readers, func(i int) {
		switch {
		case i == 0:
			if _, err := e.Erase(t.Context(), even, "a"); err != nil {
				t.Errorf("erase in a stream: %v", err)
			}
		case i == 1:
			if _, err := e.Erase(t.Context(), even); err != nil {
				t.Errorf("erase: %v", err)
			}
		case i < 2+writers:
			for j := range each {
				if _, err := s.Append(t.Context(), fmt.Sprint("stream ", i), uint64(j), Record(1000*i+j)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		default:
			for range each {
				got, err := readOf(t.Context(), s, len(before))
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				wholeOrErased(t, before, got)
			}
		}
	})
	if _, err := e.Erase(t.Context(), even); err != nil {
		t.Fatal(err)
	}
	for _, r := range Check(t, s) {
		if chosen, _ := even(&r); chosen && r.Sealed != nil {
			t.Errorf("version %d of %q is not erased", r.Version, r.Stream)
		}
	}
	for i := range writers {
		var want []eventschema.Record
		for j := range each {
			r := Record(1000*(2+i) + j)
			if r.Version = uint64(j) + 1; r.Version%2 == 0 {
				r.Sealed = nil
			}
			want = append(want, r)
		}
		s.expect(fmt.Sprint("stream ", 2+i), want...)
	}
}

// readOf reads the first n records.
func readOf(ctx context.Context, s ledger.Store, n int) (records []eventschema.Record, err error) {
	for r, err := range s.After(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if records = append(records, r); len(records) == n {
			break
		}
	}
	return records, nil
}

func eraseAndCrash(t *testing.T, s *site) {
	s.eraser()
	crasher, can := s.place.(Crasher)
	if !can {
		t.Skip("this place cannot crash")
	}
	before := s.fill()
	const rounds = 20
	for round := range rounds {
		var promised []eventschema.Record
		together(2, func(i int) {
			if i == 1 {
				crasher.Crash(t)
				return
			}
			one := numbered(3 * round)
			n, err := s.Store.(ledger.Eraser).Erase(t.Context(), func(r *eventschema.Record) (bool, error) { return one(r), nil })
			if err == nil && n == 1 {
				promised = append(promised, Record(3*round))
			}
		})
		s.closeOpen() // its answer is worth nothing: the store has crashed
		s.open()
		got := Check(t, s)
		wholeOrErased(t, before, got)
		for _, r := range got {
			if len(promised) > 0 && r.ID == promised[0].ID && r.Sealed != nil {
				t.Errorf("what was erased is there again, at position %d", r.Position)
			}
		}
		before = got
	}
	if len(before) != 60 {
		t.Errorf("%d records of 60", len(before))
	}
}
