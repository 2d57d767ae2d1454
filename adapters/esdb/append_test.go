package esdb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/esdb"
	"samtykke/adapters/esdb/esdbtest"
	"samtykke/adapters/ledger"
	"samtykke/adapters/ledger/ledgertest"
	"samtykke/eventschema"
)

// once gives the next call of a method a fate, and all later ones none.
func once(n *esdbtest.Server, method string, fate esdbtest.Fate) {
	first := n.Calls(method) + 1
	n.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == method && c.Number == first {
			return fate
		}
		return esdbtest.Served
	})
}

// Whatever became of the answer, an append is stored once and its position told.
func TestAppendWhoseAnswerIsLost(t *testing.T) {
	for fate, name := range map[esdbtest.Fate]string{
		esdbtest.Unavailable: "refused", esdbtest.Lost: "done and unavailable", esdbtest.Cut: "cut before", esdbtest.CutAfter: "cut after",
		esdbtest.TimedOut: "timed out", esdbtest.NotLeader: "not the leader",
	} {
		for _, forgets := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, forgets ids %v", name, forgets), func(t *testing.T) {
				n := esdbtest.Start(t, esdbtest.Options{})
				n.ForgetIDs(forgets)
				s := open(t, to(n), esdb.Options{})
				for i, after := range []uint64{0, 3} { // the second with sealed bytes first
					once(n, "append", fate)
					p, err := s.Append(t.Context(), "a", after, ledgertest.Records(int(after)+1, 3)...)
					if want := uint64(3*i) + 3; err != nil || p != want {
						t.Errorf("position %d, %v; want %d", p, err, want)
					}
				}
				if got := ledgertest.Check(t, s); len(got) != 6 {
					t.Errorf("%d records, want 6", len(got))
				}
			})
		}
	}
}

// A conflict is told from a failure also when the failure came first.
func TestConflictBehindALostAnswer(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	other := open(t, to(n), esdb.Options{})
	first := n.Calls("append") + 1
	n.Faults(func(c esdbtest.Call) esdbtest.Fate {
		if c.Method == "append" && c.Number == first {
			go other.Append(context.Background(), "a", 0, ledgertest.Record(2))
			return esdbtest.Served
		}
		if c.Method == "append" {
			return esdbtest.Lost
		}
		return esdbtest.Served
	})
	_, errs := s.Append(t.Context(), "a", 0, ledgertest.Record(1))
	n.Faults(nil)
	got := ledgertest.Check(t, s)
	if len(got) != 1 {
		t.Fatalf("%d records, want 1", len(got))
	}
	var conflict *ledger.ConflictError
	if won := got[0].ID == ledgertest.Record(1).ID; won != (errs == nil) || !won && !errors.As(errs, &conflict) {
		t.Errorf("won: %v, and the answer was %v", won, errs)
	}
}

func TestDenied(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	for _, r := range ledgertest.Records(0, 2) { // the first is denied its sealed bytes
		once(n, "append", esdbtest.Denied)
		if _, err := s.Append(t.Context(), "a", 0, r); !errors.Is(err, ledger.ErrRefused) || errors.Is(err, ledger.ErrConflict) {
			t.Errorf("append: %v, want a refusal", err)
		}
	}
	once(n, "read", esdbtest.Denied)
	for _, err := range s.Stream(t.Context(), "a", 0) {
		if err == nil || !strings.Contains(err.Error(), "Access Denied") {
			t.Errorf("stream: %v, want what was denied", err)
		}
	}
	if got := ledgertest.Check(t, s); len(got) != 0 {
		t.Errorf("%d records, want none", len(got))
	}
}

// A follower's answer has the code of not-found, and others' may have. They are no empty stream.
func TestFollowerIsNoEmptyStream(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(1)); err != nil {
		t.Fatal(err)
	}
	once(n, "read", esdbtest.NotFound)
	if got := ledgertest.Read(t, s, "a", 0); len(got) != 1 {
		t.Errorf("%d records, want 1", len(got))
	}
	n.SetFollower(true)
	read := 0
	for _, err := range s.Stream(t.Context(), "a", 0) {
		if read++; err == nil {
			t.Error("a follower's record was shown")
		}
	}
	if read != 1 {
		t.Errorf("the stream yields %d times, want one error", read)
	}
}

func TestAppendsThatAreTooLarge(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	records := ledgertest.Records(1, 2)
	for i := range records {
		records[i].Data, records[i].Sealed = bytes.Repeat([]byte{1}, esdb.MaxAppend/2), nil
	}
	before := n.Calls("append")
	if _, err := s.Append(t.Context(), "a", 0, records...); !errors.Is(err, ledger.ErrRefused) {
		t.Errorf("two records that are too large together: %v", err)
	}
	if _, err := s.Append(t.Context(), "a", 0, eventschema.Record{Data: []byte("x")}); !errors.Is(err, ledger.ErrRefused) {
		t.Errorf("a record without an id: %v", err)
	}
	if _, err := s.Append(t.Context(), strings.Repeat("a", esdb.MaxName+1), 0, ledgertest.Record(1)); !errors.Is(err, ledger.ErrRefused) {
		t.Errorf("a name that is too long: %v", err)
	}
	if n.Calls("append") != before {
		t.Error("what was too large was sent")
	}
	// What is let through, the server takes: the largest append, whose names are as long as they get.
	records = ledgertest.Records(1, 200)
	for i := range records {
		records[i].Sealed = nil
		records[i].Data = bytes.Repeat([]byte{2}, (esdb.MaxAppend-200*60)/200)
	}
	if _, err := s.Append(t.Context(), strings.Repeat("/", esdb.MaxName), 0, records...); err != nil {
		t.Errorf("the largest append: %v", err)
	}
	largest := ledgertest.Record(500)
	largest.Data, largest.Sealed = nil, bytes.Repeat([]byte{3}, ledger.MaxRecord)
	if _, err := s.Append(t.Context(), strings.Repeat("/", esdb.MaxName), 200, largest); err != nil {
		t.Errorf("the largest sealed bytes: %v", err)
	}
	ledgertest.Check(t, s)
}

// A server that takes less than is usual breaks the append off, and the client gives no reason. It is an error all the
// same, and nothing is stored.
func TestServerThatTakesLess(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{MaxAppend: 1 << 10})
	s := open(t, to(n), esdb.Options{})
	for count := range 20 {
		records := ledgertest.Records(1, 1)
		records[0].Data = make([]byte, 2<<10)
		for i := range 50 * count {
			r := ledgertest.Record(2 + i)
			r.Sealed = nil
			records = append(records, r)
		}
		if _, err := s.Append(t.Context(), "a", 0, records...); err == nil {
			t.Fatal("stored more than the server takes")
		}
	}
	if got := ledgertest.Check(t, s); len(got) != 0 {
		t.Errorf("%d records, want none", len(got))
	}
}

// An event that the server stored twice is not where it was written to be. It is told, and not shown.
func TestStoredTwice(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	once(n, "append", esdbtest.StoredTwice)
	s.Append(t.Context(), "a", 0, ledgertest.Record(1))
	var damage *esdb.DamageError
	count := 0
	for _, err := range s.Stream(t.Context(), "a", 0) {
		if count++; !errors.As(err, &damage) {
			t.Errorf("stream: %v, want damage", err)
		}
	}
	if _, err := s.Append(t.Context(), "a", 1, ledgertest.Record(2)); err == nil || errors.Is(err, ledger.ErrConflict) {
		t.Errorf("append behind it: %v, want damage", err)
	}
	if _, _, err := esdb.Open(t.Context(), to(n), esdb.Options{Pause: quick}); !errors.As(err, &damage) {
		t.Errorf("open: %v, want damage", err)
	}
	if count != 1 {
		t.Errorf("the stream yields %d times, want one error", count)
	}
}

// Positions have no gaps, whatever else there is in the database, and are the same for another ledger beside.
func TestPositionsAmongOthers(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	a, b := open(t, to(n), esdb.Options{Ledger: "a"}), open(t, to(n), esdb.Options{Ledger: "a-b"})
	for i := range 40 {
		for range 100 {
			n.Put("$stats", esdbtest.Event{Type: "$statsCollected", ContentType: "application/json", Data: []byte("{}")})
		}
		n.Put("a.eventual", esdbtest.Event{Type: "record", ContentType: "application/json"})
		for _, s := range []*esdb.Store{a, b} {
			p, err := s.Append(t.Context(), fmt.Sprint("stream ", i%3), 2*uint64(i/3), ledgertest.Records(2*i, 2)...)
			if want := uint64(2*i) + 2; err != nil || p != want {
				t.Fatalf("position %d, %v; want %d", p, err, want)
			}
		}
	}
	ledgertest.Check(t, a)
	ledgertest.Check(t, b)
}

// Numbers are found in any block, at any place of it.
func TestManyPositions(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	s := open(t, to(n), esdb.Options{})
	const appends, each = 30, 60
	for i := range appends {
		records := ledgertest.Records(each*i, each)
		for j := range records {
			records[j].Sealed = nil
		}
		if _, err := s.Append(t.Context(), fmt.Sprint(i%2), uint64(each*(i/2)), records...); err != nil {
			t.Fatal(err)
		}
	}
	all := ledgertest.Check(t, s)
	if len(all) != appends*each {
		t.Fatalf("%d records, want %d", len(all), appends*each)
	}
	for _, p := range []uint64{0, 1, 2, 511, 512, 513, 1023, 1024, 1025, 1799} {
		if got := ledgertest.Between(t, s, p, p+1); got[0].Position != p+1 || got[0].ID != all[p].ID {
			t.Errorf("behind position %d comes %d", p, got[0].Position)
		}
	}
	commits := map[uint64]uint64{}
	for _, e := range n.Log() {
		if strings.HasPrefix(e.Stream, "samtykke.event.") {
			commits[uint64(len(commits))+1] = e.Position
		}
	}
	for p, commit := range commits {
		if got := s.CommitOf(p); got != commit {
			t.Fatalf("position %d is at %d, want %d", p, got, commit)
		}
	}
	if count, size := s.Counted(); count != appends*each || size > 4*appends*each {
		t.Errorf("%d positions take %d bytes", count, size)
	}
}

func TestKeptPositions(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{})
	d := simdisk.New(rand.NewPCG(1, 0))
	opens := func(n *esdbtest.Server, ledger string) esdb.Report {
		t.Helper()
		s, report, err := esdb.Open(t.Context(), to(n), esdb.Options{Disk: d, Ledger: ledger, Pause: quick})
		if err != nil {
			t.Fatal(err)
		}
		ledgertest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return report
	}
	s := open(t, to(n), esdb.Options{Ledger: "one"})
	for i := range 600 {
		if _, err := s.Append(t.Context(), fmt.Sprint(i%7), uint64(i/7), ledgertest.Record(3*i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if r := opens(n, "one"); r.Records != 600 || r.Kept != 0 || r.NotKept == "" {
		t.Errorf("first: %+v", r)
	}
	if _, err := s.Append(t.Context(), "x", 0, ledgertest.Records(1, 3)...); err != nil {
		t.Fatal(err)
	}
	if r := opens(n, "one"); r.Records != 603 || r.Kept != 600 || r.NotKept != "" {
		t.Errorf("again: %+v", r)
	}
	if r := opens(n, "two"); r.Kept != 0 || r.NotKept == "" {
		t.Errorf("another ledger: %+v", r)
	}
	if r := opens(n, "one"); r.Kept != 0 || r.NotKept == "" || r.Records != 603 {
		t.Errorf("after another ledger had the disk: %+v", r)
	}
	calls := n.Calls("subscribe")
	n.Faults(func(c esdbtest.Call) esdbtest.Fate { // as 23.10 answers a position that it does not know
		if c.Method == "subscribe" && c.Number <= calls+10 {
			return esdbtest.Failed
		}
		return esdbtest.Served
	})
	if r := opens(n, "one"); r.Kept != 0 || r.NotKept == "" || r.Records != 603 {
		t.Errorf("a position that is not taken: %+v", r)
	}
	n.Faults(nil)
	other := esdbtest.Start(t, esdbtest.Options{})
	s2 := open(t, to(other), esdb.Options{Ledger: "one"})
	for i := range 700 {
		if _, err := s2.Append(t.Context(), "a", uint64(i), ledgertest.Record(3*i+2)); err != nil {
			t.Fatal(err)
		}
	}
	if r := opens(other, "one"); r.Kept != 0 || r.NotKept == "" || r.Records != 700 {
		t.Errorf("another database: %+v", r)
	}
	for at := int64(0); ; at += 97 {
		f, err := d.Open("numbers", false)
		if err != nil {
			t.Fatal(err)
		}
		if size, _ := f.Size(); at >= size {
			break
		}
		b := make([]byte, 1)
		f.ReadAt(b, at)
		b[0] ^= 0x10
		f.WriteAt(b, at)
		if r := opens(other, "one"); r.Kept != 0 || r.NotKept == "" || r.Records != 700 {
			t.Fatalf("damaged at %d: %+v", at, r)
		}
	}
}

// What an operator did to a stream of records is told as damage, and never taken for an empty or shorter stream.
func TestStreamsSpoiledByHand(t *testing.T) {
	metadata := func(text string) esdbtest.Event {
		return esdbtest.Event{Type: "$metadata", ContentType: "application/json", Data: []byte(text)}
	}
	for what, spoil := range map[string]func(*esdbtest.Server, string){
		"truncated":          func(n *esdbtest.Server, name string) { n.Put("$$"+name, metadata(`{"$tb":2}`)) },
		"truncated whole":    func(n *esdbtest.Server, name string) { n.Put("$$"+name, metadata(`{"$tb":4}`)) },
		"of a maximal count": func(n *esdbtest.Server, name string) { n.Put("$$"+name, metadata(`{"$maxCount":1}`)) },
		"of a foreign event": func(n *esdbtest.Server, name string) {
			n.Put(name, esdbtest.Event{Type: "other", ContentType: "application/json"})
		},
	} {
		n := esdbtest.Start(t, esdbtest.Options{})
		s := open(t, to(n), esdb.Options{})
		if _, err := s.Append(t.Context(), "a", 0, ledgertest.Records(0, 4)...); err != nil {
			t.Fatal(err)
		}
		spoil(n, s.NameOf("a"))
		var damage *esdb.DamageError
		var last error
		for _, last = range s.Stream(t.Context(), "a", 0) {
		}
		if !errors.As(last, &damage) {
			t.Errorf("%s: the stream ends with %v, want damage", what, last)
		}
	}
}

// Nothing of what a server stores tells where it is, on one that is too old.
func TestServerWithoutPositions(t *testing.T) {
	n := esdbtest.Start(t, esdbtest.Options{NoPositions: true})
	s := open(t, to(n), esdb.Options{})
	if _, err := s.Append(t.Context(), "a", 0, ledgertest.Record(1)); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Stream(t.Context(), "a", 0) {
		if !errors.As(err, new(*esdb.DamageError)) {
			t.Errorf("stream: %v", err)
		}
	}
}
