package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

func scattered(t *testing.T, s *site) {
	for n := range 30 {
		s.append(fmt.Sprint("stream ", n%7), uint64(n/7*10), Records(10*n, 10)...)
	}
	if _, can := s.Store.(ledger.Eraser); can {
		s.erase(2, numbered(6, 201))
	}
	for n := range uint64(6) {
		s.append("large", n, large(n))
	}
	all := Check(t, s)
	if len(all) != 306 {
		t.Fatalf("%d records", len(all))
	}
	at := func(n int) ledger.Position { return all[n].Position }
	everySecond := []int{}
	for n := 0; n < len(all); n += 2 {
		everySecond = append(everySecond, n)
	}
	for _, wanted := range [][]int{nil, {0}, {299}, {0, 1, 2}, {5, 6, 7, 150, 201, 299}, {0, 299}, {7, 300, 301, 302, 303, 304, 305}, everySecond} {
		var positions []ledger.Position
		var want, got []eventschema.Record
		for _, n := range wanted {
			positions, want = append(positions, at(n)), append(want, all[n])
		}
		found := ledger.Records{Store: s.Store}.At(t.Context(), positions)
		for range 2 { // it can be asked again
			got = nil
			for r, err := range found {
				if err != nil {
					t.Fatalf("at %v: %v", positions, err)
				}
				got = append(got, r)
			}
			if d := diff(want, got); d != "" {
				t.Errorf("at %v: want (-), got (+):\n%s", positions, d)
			}
		}
		for r, err := range found {
			if err != nil || r.Position != positions[0] {
				t.Errorf("the first of %v: position %d, %v", positions, r.Position, err)
			}
			break
		}
	}
	records := ledger.Records{Store: s.Store}
	var last error
	for _, err := range records.At(t.Context(), []ledger.Position{at(3), at(3)}) {
		last = err
	}
	if last == nil {
		t.Error("a position that was asked for twice: no error")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	expectEnded(t, records.At(over, []ledger.Position{at(0), at(200)}))
}

// large is a record of which six are more than a store reads at once.
func large(n uint64) eventschema.Record {
	r := Record(1000 + int(n))
	r.Data = bytes.Repeat([]byte{byte(n), 1}, 450_000)
	return r
}

// expectEnded reads until an error, which is to be that of a context that has ended.
func expectEnded(t *testing.T, records iter.Seq2[eventschema.Record, error]) {
	t.Helper()
	var last error
	for _, err := range records {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("after the end of its context: %v", last)
	}
}

func versions(t *testing.T, s *site) {
	places := map[string][]eventschema.Record{} // by stream
	for n := range 60 {
		s.append(fmt.Sprint("stream ", n%6), uint64(n/6*20), Records(20*n, 20)...)
	}
	for n := range uint64(6) {
		s.append("large", n, large(n))
	}
	for _, r := range Check(t, s) {
		places[r.Stream] = append(places[r.Stream], r)
	}
	var streams []string
	var at []uint64
	var want, got []eventschema.Record
	ask := func(stream string, version uint64) {
		streams, at = append(streams, stream), append(at, version)
		if of := places[stream]; version <= uint64(len(of)) {
			want = append(want, of[version-1])
		}
	}
	ask("none", 1)
	for version := uint64(202); version > 0; version-- {
		for n := range 6 {
			ask(fmt.Sprint("stream ", n), version)
		}
		ask("none", version)
	}
	ask("stream 3", 17) // once more
	ask("stream 3", 201)
	for _, version := range []uint64{6, 1, 2, 9, 3, 3, 7, 4, 4, 5, 8, 1} {
		ask("large", version)
	}
	ask("stream 3", 18)
	records := ledger.Records{Store: s.Store}
	for r, err := range records.Versions(t.Context(), streams, at) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if d := diff(want, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
	for r, err := range records.Versions(t.Context(), nil, nil) {
		t.Errorf("of no stream: %v, %v", r.Position, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	expectEnded(t, records.Versions(over, streams, at))
}
