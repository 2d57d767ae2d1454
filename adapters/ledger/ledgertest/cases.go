package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

var cases = []struct {
	name string
	rule string
	run  func(*testing.T, *site)
}{
	{"empty", "An empty store has head 0, and a stream without events yields nothing.", empty},
	{"order", "Stream yields a stream's records in the order they were appended, versions from 1 without a gap, with the bytes they were given.", order},
	{"positions", "Positions begin at 1 or later, grow from append to append, are consecutive within one, and Append returns the last.", positions},
	{"arguments", "Append sets nothing in its arguments and ignores their Stream, Version and Position.", arguments},
	{"wrong version", "At another version than expected nothing is written, and the *ConflictError says which version there is.", wrongVersion},
	{"race", "Of writers who race for one version exactly one wins; the others get an error that matches ErrConflict.", race},
	{"retry", "The very ids at the very place are the same events: their position is returned, and nothing is doubled.", retry},
	{"part of a retry", "Records of which only some stand at their place are a conflict, and nothing of them is written.", partOfRetry},
	{"same ids elsewhere", "Records with known ids in another stream are other events.", sameIDsElsewhere},
	{"retry race", "Of several who append the same ids at once all succeed, with one position, and the records are stored once.", retryRace},
	{"refusals", "Zero records and a record over MaxRecord are refused with ErrRefused, and nothing of the append is written.", refusals},
	{"largest record", "A record of MaxRecord bytes is stored and read as it was.", largestRecord},
	{"open and sealed", "A record keeps whether it is sealed: nil Sealed stays nil, and empty Data stays empty.", openAndSealed},
	{"names", "A stream's name is any text that is not empty; no two names are taken for the same.", names},
	{"versions beyond the end", "Reading a stream from behind its end yields nothing, and no error.", beyondTheEnd},
	{"from a version", "Stream yields exactly the records from the version asked for.", fromVersion},
	{"stream ends", "Stream stops at the last record that was durable when it was called.", streamEnds},
	{"early stop", "A reader may stop at any record; the store and other readers go on.", earlyStop},
	{"after", "After yields every record behind the position, each once, in total order.", after},
	{"after goes on", "After waits at the end, and yields what is appended later, without skipping or repeating anything.", afterGoesOn},
	{"after beside writers", "A reader that follows while many write sees every record once and in order.", afterBesideWriters},
	{"after ends", "After ends with its context's error, at the end of the log as well as before it.", afterEnds},
	{"at", "Records at scattered positions are found as they are, each once and in order, erased ones without their sealed bytes.", scattered},
	{"versions", "Records at versions of streams are found as they are, in the order they are asked for; a stream that ends before has none.", versions},
	{"cancelled append", "An append whose context has ended leaves nothing or everything; if the error matches ErrRefused, nothing.", cancelledAppend},
	{"many streams", "Streams do not disturb each other, however many there are.", manyStreams},
	{"reopen", "What Append answered for is there after the store was closed and opened again, and it goes on from there.", reopen},
	{"erase", "Erase leaves what was chosen without its sealed bytes, the leaf as it was, and changes nothing else, here or after opening anew.", erase},
	{"erase in streams", "Given streams, Erase removes nothing from any other, and takes a stream without events for one that holds nothing.", eraseStreams},
	{"erase again", "What is erased is not chosen from again: another call finds what is left, and with nothing left changes nothing.", eraseAgain},
	{"erase and append", "A stream from which was erased takes appends at its version, and knows a retry.", eraseAndAppend},
	{"erase that ends", "Erase ends with its context's error and with that of choose; sealed bytes are then there whole or not at all.", eraseEnds},
	{"erase beside others", "While one erases, appends go on, and readers get every record with its sealed bytes whole or none.", eraseBesideOthers},
	{"erase and crash", "What Erase answered for stays erased after a loss of power; what it had not is whole or not there.", eraseAndCrash},
	{"fill", "A store that is filled from another holds the same events at the same places, wherever it was interrupted, and nothing else.", fill},
	{"crash", "What Append answered for survives a loss of power; what it had not is there whole or not at all.", crash},
}

func empty(t *testing.T, s *site) {
	if p := s.head(); p != 0 {
		t.Errorf("head %d, want 0", p)
	}
	if got := Read(t, s, "nothing", 0); len(got) != 0 {
		t.Errorf("%d records in a stream without any", len(got))
	}
}

func order(t *testing.T, s *site) {
	records := Records(0, 40)
	for i := 0; i < len(records); {
		n := min(1+i%4, len(records)-i)
		s.append("a", uint64(i), records[i:i+n]...)
		i += n
	}
	s.expect("a", records...)
	Check(t, s)
}

func positions(t *testing.T, s *site) {
	last := s.append("a", 0, Record(0))
	if last < 1 {
		t.Errorf("first position %d", last)
	}
	for i := range 10 {
		stream := fmt.Sprint("stream ", i)
		p := s.append(stream, 0, Records(10*i, 3)...)
		got := Read(t, s, stream, 0)
		for j, r := range got {
			if want := p - 2 + uint64(j); r.Position != want {
				t.Errorf("record %d of 3 has position %d, want %d", j+1, r.Position, want)
			}
		}
		if p-2 <= last {
			t.Errorf("an append ends at position %d, the one before it ended at %d", p, last)
		}
		last = p
	}
	if p := s.head(); p != last {
		t.Errorf("head %d, want %d", p, last)
	}
	Check(t, s)
}

func arguments(t *testing.T, s *site) {
	given := Records(1, 3)
	for i := range given {
		given[i].Stream, given[i].Version, given[i].Position = "elsewhere", 77, 99
	}
	want := slices.Clone(given)
	s.append("a", 0, given...)
	if d := diff(want, given); d != "" {
		t.Errorf("the arguments were changed:\n%s", d)
	}
	s.expect("a", Records(1, 3)...)
	s.expect("elsewhere")
}

func wrongVersion(t *testing.T, s *site) {
	s.append("a", 0, Records(0, 3)...)
	for _, after := range []uint64{0, 1, 2, 4, 1 << 62} {
		head := s.head()
		_, err := s.Append(t.Context(), "a", after, Records(100, 2)...)
		expectConflict(t, err, "a", after, 3)
		if p := s.head(); p != head {
			t.Errorf("after %d: the head moved from %d to %d", after, head, p)
		}
	}
	_, err := s.Append(t.Context(), "new", 1, Record(200))
	expectConflict(t, err, "new", 1, 0)
	s.expect("a", Records(0, 3)...)
	s.expect("new")
	Check(t, s)
}

func expectConflict(t *testing.T, err error, stream string, after, actual uint64) {
	t.Helper()
	var conflict *ledger.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, ledger.ErrConflict) {
		t.Fatalf("error %v, want a conflict", err)
	}
	if want := (ledger.ConflictError{Stream: stream, After: after, Actual: actual}); *conflict != want {
		t.Errorf("conflict %+v, want %+v", *conflict, want)
	}
}

func race(t *testing.T, s *site) {
	const writers, rounds = 16, 8
	for round := range rounds {
		errs := make([]error, writers)
		together(writers, func(i int) {
			_, errs[i] = s.Append(t.Context(), "a", uint64(round), Record(round*writers+i))
		})
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				continue
			}
			var conflict *ledger.ConflictError
			if !errors.As(err, &conflict) || !errors.Is(err, ledger.ErrConflict) || conflict.Actual != uint64(round)+1 {
				t.Errorf("writer %d: %v, want a conflict with version %d", i, err, round+1)
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d writers won version %d", won, writers, round+1)
		}
	}
	if got := Read(t, s, "a", 0); len(got) != rounds {
		t.Errorf("%d records after %d rounds", len(got), rounds)
	}
	Check(t, s)
}

// together calls f from n goroutines at once, and waits for them.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

func retry(t *testing.T, s *site) {
	first := s.append("a", 0, Records(0, 2)...)
	second := s.append("a", 2, Records(2, 3)...)
	s.append("b", 0, Record(50))
	last := s.append("a", 5, Record(5))
	for range 2 {
		for _, again := range []struct {
			after uint64
			n     int
			count int
			want  ledger.Position
		}{{0, 0, 2, first}, {2, 2, 3, second}, {5, 5, 1, last}, {1, 1, 1, first}, {0, 0, 5, second}} {
			if p := s.append("a", again.after, Records(again.n, again.count)...); p != again.want {
				t.Errorf("%d records again after version %d: position %d, want %d", again.count, again.after, p, again.want)
			}
		}
		s.reopen()
	}
	s.expect("a", Records(0, 6)...)
	Check(t, s)
}

func partOfRetry(t *testing.T, s *site) {
	s.append("a", 0, Records(0, 4)...)
	for _, part := range []struct {
		after   uint64
		records []eventschema.Record
	}{
		{2, Records(2, 3)}, // goes beyond the end
		{0, []eventschema.Record{Record(0), Record(9)}}, // begins the same
		{0, []eventschema.Record{Record(9), Record(1)}}, // ends the same
		{1, Records(0, 2)}, // one place too late
		{0, Records(1, 2)}, // one place too early
	} {
		_, err := s.Append(t.Context(), "a", part.after, part.records...)
		expectConflict(t, err, "a", part.after, 4)
	}
	s.expect("a", Records(0, 4)...)
	Check(t, s)
}

func sameIDsElsewhere(t *testing.T, s *site) {
	a := s.append("a", 0, Records(0, 2)...)
	b := s.append("b", 0, Records(0, 2)...)
	if a == b {
		t.Errorf("two streams' records have one position, %d", a)
	}
	s.expect("a", Records(0, 2)...)
	s.expect("b", Records(0, 2)...)
	Check(t, s)
}

func retryRace(t *testing.T, s *site) {
	const writers = 16
	for round := range 8 {
		got, errs := make([]ledger.Position, writers), make([]error, writers)
		together(writers, func(i int) {
			got[i], errs[i] = s.Append(t.Context(), "a", 2*uint64(round), Records(2*round, 2)...)
		})
		for i := range writers {
			if errs[i] != nil || got[i] != got[0] {
				t.Fatalf("writer %d: position %d and error %v, want position %d", i, got[i], errs[i], got[0])
			}
		}
	}
	s.expect("a", Records(0, 16)...)
	Check(t, s)
}

func refusals(t *testing.T, s *site) {
	s.append("a", 0, Record(0))
	big := func(data, sealed int) eventschema.Record {
		r := Record(7)
		r.Data, r.Sealed = make([]byte, data), make([]byte, sealed)
		return r
	}
	for name, records := range map[string][]eventschema.Record{
		"no records":                       nil,
		"data over the limit":              {big(ledger.MaxRecord+1, 0)},
		"sealed over the limit":            {big(0, ledger.MaxRecord+1)},
		"together over the limit":          {big(ledger.MaxRecord/2+1, ledger.MaxRecord/2+1)},
		"the last of three over the limit": {Record(1), Record(2), big(ledger.MaxRecord+1, 0)},
	} {
		if _, err := s.Append(t.Context(), "a", 1, records...); !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	s.expect("a", Record(0))
	s.append("a", 1, Record(1))
	Check(t, s)
}

func largestRecord(t *testing.T, s *site) {
	open, sealed := Record(1), Record(2)
	open.Data = bytes.Repeat([]byte("0123456789abcdef"), ledger.MaxRecord/16)
	sealed.Data, sealed.Sealed = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, ledger.MaxRecord-32)
	s.append("a", 0, open)
	s.append("a", 1, Record(4))
	s.append("a", 2, sealed)
	s.expect("a", open, Record(4), sealed)
	s.reopen()
	s.expect("a", open, Record(4), sealed)
	Check(t, s)
}

func openAndSealed(t *testing.T, s *site) {
	records := Records(1, 2)
	records[0].Data, records[0].Sealed = []byte{}, nil
	records[1].Data, records[1].Sealed = []byte{}, []byte("sealed")
	s.append("a", 0, records...)
	s.expect("a", records...)
	s.reopen()
	s.expect("a", records...)
}

func names(t *testing.T, s *site) {
	names := []string{
		"a", "A", "a ", " a", "client-1b4e28ba-2fa1-41d2-883f-0016d3cca427", "a/b", "../a", ".", "..", "a\\b", "a%2Fb", "a?b#c",
		"$all", "$ce-a", "'; drop table events; --", `"quoted"`, "line\nbreak", "tab\tbed", "ål", "a\u030al", "Å", "å",
		"日本", "🙂", "NULL", "0", "-", "a\u200bb", strings.Repeat("long", 60),
	}
	for i, name := range names {
		s.append(name, 0, Record(i))
	}
	for i, name := range names {
		s.expect(name, Record(i))
	}
	s.reopen()
	for i, name := range names {
		s.append(name, 1, Record(100+i))
		s.expect(name, Record(i), Record(100+i))
	}
	Check(t, s)
}

func beyondTheEnd(t *testing.T, s *site) {
	s.append("a", 0, Records(0, 3)...)
	for _, from := range []uint64{4, 5, 1000, 1<<63 - 1, 1<<64 - 1} {
		if got := Read(t, s, "a", from); len(got) != 0 {
			t.Errorf("from version %d: %d records", from, len(got))
		}
	}
}

func fromVersion(t *testing.T, s *site) {
	const count = 12
	for i := 0; i < count; i += 3 {
		s.append("a", uint64(i), Records(i, 3)...)
		s.append("b", uint64(i), Records(100+i, 3)...)
	}
	whole := Read(t, s, "a", 0)
	for from := uint64(0); from <= count; from++ {
		want := whole[max(from, 1)-1:]
		if d := diff(want, Read(t, s, "a", from)); d != "" {
			t.Errorf("from version %d: want (-), got (+):\n%s", from, d)
		}
	}
}

func streamEnds(t *testing.T, s *site) {
	s.append("a", 0, Records(0, 3)...)
	count := 0
	for r, err := range s.Stream(t.Context(), "a", 1) {
		if err != nil {
			t.Fatal(err)
		}
		count++
		s.append("a", r.Version+2, Record(int(r.Version)+2))
		if count > 3 {
			break
		}
	}
	if count != 3 {
		t.Errorf("%d records, want the 3 there were", count)
	}
	s.expect("a", Records(0, 6)...)
}

func earlyStop(t *testing.T, s *site) {
	for i := range 10 {
		s.append("a", uint64(i), Record(i))
	}
	for stop := 1; stop <= 10; stop++ {
		seen := 0
		for _, err := range s.Stream(t.Context(), "a", 1) {
			if seen++; err != nil || seen == stop {
				break
			}
		}
		for _, err := range s.After(t.Context(), 0) {
			if seen++; err != nil || seen == 2*stop {
				break
			}
		}
		if seen != 2*stop {
			t.Errorf("saw %d records, stopped at %d twice", seen, stop)
		}
	}
	s.append("a", 10, Record(10))
	s.expect("a", Records(0, 11)...)
	Check(t, s)
}

func after(t *testing.T, s *site) {
	for i := range 30 {
		s.append(fmt.Sprint("stream ", i%4), 2*uint64(i/4), Records(2*i, 2)...)
	}
	all := Check(t, s)
	if len(all) != 60 {
		t.Fatalf("%d records, want 60", len(all))
	}
	head := s.head()
	for i, r := range all[:len(all)-1] {
		if d := diff(all[i+1:], Between(t, s, r.Position, head)); d != "" {
			t.Fatalf("after position %d: want (-), got (+):\n%s", r.Position, d)
		}
	}
}

func afterGoesOn(t *testing.T, s *site) {
	const count = 50
	s.append("a", 0, Record(0))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for r, err := range s.After(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if r.ID != Record(seen).ID {
			t.Fatalf("record %d is at version %d of %q", seen, r.Version, r.Stream)
		}
		if seen++; seen == count {
			break
		}
		// Every third time the reader reaches the end and waits.
		if head := s.head(); r.Position == head {
			if seen%3 == 0 {
				go s.Append(ctx, "a", uint64(seen), Record(seen))
			} else {
				s.append("a", uint64(seen), Record(seen))
			}
		}
	}
	if seen != count {
		t.Errorf("saw %d of %d records", seen, count)
	}
}

func afterBesideWriters(t *testing.T, s *site) {
	const writers, each, readers = 8, 25, 3
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make([][]eventschema.Record, readers)
	together(writers+readers, func(i int) {
		if i >= writers {
			for r, err := range s.After(ctx, 0) {
				if err != nil {
					t.Errorf("reader: %v", err)
					return
				}
				if seen[i-writers] = append(seen[i-writers], r); len(seen[i-writers]) == writers*each {
					return
				}
			}
		}
		for j := range each {
			if _, err := s.Append(ctx, fmt.Sprint("stream ", i), uint64(j), Record(i*each+j)); err != nil {
				t.Errorf("writer: %v", err)
				cancel()
				return
			}
		}
	})
	all := Check(t, s)
	for i, got := range seen {
		if d := diff(all, got); d != "" {
			t.Errorf("reader %d: want (-), got (+):\n%s", i, d)
		}
	}
}

func afterEnds(t *testing.T, s *site) {
	for i := range 5 {
		s.append("a", uint64(i), Record(i))
	}
	head := s.head()
	for _, p := range []ledger.Position{0, head, head + 10} {
		ctx, cancel := context.WithCancel(t.Context())
		var last error
		waiting := make(chan struct{})
		go func() {
			<-waiting
			cancel()
		}()
		if p >= head {
			close(waiting)
		}
		for r, err := range s.After(ctx, p) {
			if last = err; err == nil && r.Position == head {
				close(waiting)
			}
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("after position %d the iterator ended with %v, want %v", p, last, context.Canceled)
		}
	}
}

func cancelledAppend(t *testing.T, s *site) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(gone, "gone", 0, Record(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("an append whose context had ended: %v", err)
	}
	const writers = 8
	errs := make([]error, writers)
	ctx, cancel := context.WithCancel(t.Context())
	together(writers+1, func(i int) {
		if i == writers {
			cancel()
			return
		}
		_, errs[i] = s.Append(ctx, fmt.Sprint("stream ", i), 0, Records(10*i, 3)...)
	})
	s.reopen() // so that whatever was under way is over
	for i, err := range errs {
		switch n := len(Read(t, s, fmt.Sprint("stream ", i), 0)); {
		case n != 0 && n != 3:
			t.Errorf("%d of 3 records are stored", n)
		case err == nil && n == 0:
			t.Errorf("an append that was answered is not there")
		case errors.Is(err, ledger.ErrRefused) && n != 0:
			t.Errorf("an append that was refused is there: %v", err)
		}
	}
	Check(t, s)
}

func manyStreams(t *testing.T, s *site) {
	const streams, each, writers = 200, 3, 16
	for version := range each {
		together(writers, func(w int) {
			for i := w; i < streams; i += writers {
				if _, err := s.Append(t.Context(), fmt.Sprint("stream ", i), uint64(version), Record(i*each+version)); err != nil {
					t.Errorf("stream %d: %v", i, err)
				}
			}
		})
	}
	s.reopen()
	for i := range streams {
		s.expect(fmt.Sprint("stream ", i), Records(i*each, each)...)
	}
	Check(t, s)
}

func reopen(t *testing.T, s *site) {
	for i := range 6 {
		s.append("a", 2*uint64(i), Records(2*i, 2)...)
		s.append(fmt.Sprint("b", i), 0, Record(100+i))
		before := Check(t, s)
		s.reopen()
		if d := diff(before, Check(t, s)); d != "" {
			t.Fatalf("before (-) and after (+) closing:\n%s", d)
		}
		_, err := s.Append(t.Context(), "a", 0, Record(500))
		expectConflict(t, err, "a", 0, 2*uint64(i)+2)
	}
}

func crash(t *testing.T, s *site) {
	crasher, can := s.place.(Crasher)
	if !can {
		t.Skip("this place cannot crash")
	}
	const writers, rounds = 6, 5
	promised := make([]int, writers) // records per stream that were answered for
	for range rounds {
		together(writers+1, func(w int) {
			if w == writers {
				crasher.Crash(t)
				return
			}
			stream := fmt.Sprint("stream ", w)
			for range 10 {
				n := promised[w]
				if _, err := s.Append(t.Context(), stream, uint64(n), Records(1000*w+n, 2)...); err != nil {
					return
				}
				promised[w] = n + 2
			}
		})
		s.closeOpen() // its answer is worth nothing: the store has crashed
		s.open()
		for w := range writers {
			stream := fmt.Sprint("stream ", w)
			n := len(Read(t, s, stream, 0))
			if n < promised[w] || n%2 != 0 {
				t.Fatalf("%d records were promised in appends of 2, %d are there", promised[w], n)
			}
			s.expect(stream, Records(1000*w, n)...)
			promised[w] = n
		}
		Check(t, s)
	}
}
