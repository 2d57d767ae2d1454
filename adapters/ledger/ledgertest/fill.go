package ledgertest

import (
	"errors"
	"testing"

	"samtykke/adapters/ledger"
)

func fill(t *testing.T, s *site) {
	to, can := s.Store.(ledger.Filler)
	if !can {
		t.Skip("this store cannot be filled")
	}
	from := &site{t: t, Store: Memory()}
	from.fill()
	from.append("c", 0, Records(100, 50)...)
	from.append("a", 30, Records(200, 1)...)
	from.append("d", 0, Records(201, 1)...)
	from.append("a", 31, Records(202, 2)...)
	from.erase(7, numbered(0, 3, 12, 102, 105, 111, 201))
	want := All(t, from)
	ctx := t.Context()
	if err := to.Fill(ctx, want[:7]...); err != nil { // as far as an attempt came that ended in the middle of an append
		t.Fatal(err)
	}
	for _, misfit := range [][2]int{{6, 9}, {8, 9}, {0, 1}} {
		if err := to.Fill(ctx, want[misfit[0]:misfit[1]]...); !errors.Is(err, ledger.ErrRefused) {
			t.Errorf("filling in behind position 7 from %d: %v", misfit[0]+1, err)
		}
	}
	var told []ledger.Position
	progress := func(done, all ledger.Position) { told = append(told, done, all) }
	for range 2 { // the second finds nothing to do
		if err := ledger.Copy(ctx, to, from, progress); err != nil {
			t.Fatal(err)
		}
		if d := diff(want, Check(t, s)); d != "" {
			t.Errorf("want (-), got (+):\n%s", d)
		}
	}
	if n := len(told); n < 2 || told[n-2] != 114 || told[n-1] != 114 {
		t.Errorf("progress: %v", told)
	}
	s.reopen()
	if d := diff(want, Check(t, s)); d != "" {
		t.Errorf("opened anew: want (-), got (+):\n%s", d)
	}
	s.append("a", 33, Records(300, 2)...)

	other := &site{t: t, Store: Memory()}
	other.fill()
	other.append("c", 0, Records(400, 60)...)
	if err := ledger.Copy(ctx, s.Store.(ledger.Filler), other, progress); !errors.Is(err, ledger.ErrOtherHistory) {
		t.Errorf("copied from another ledger: %v", err)
	}
	if err := ledger.Copy(ctx, s.Store.(ledger.Filler), from, progress); !errors.Is(err, ledger.ErrOtherHistory) {
		t.Errorf("copied from one that is behind: %v", err)
	}
}
