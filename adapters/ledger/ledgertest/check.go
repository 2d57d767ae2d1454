package ledgertest

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/eventschema"
)

// Check derives anew what can be derived from a store's records, and reports what does not agree: that positions grow and
// begin at 1 or later, that every stream's versions run from 1 without a gap, that no id comes twice in a stream, and
// that Stream agrees with After for every stream. It returns all records up to the head.
func Check(t testing.TB, store ledger.Store) []eventschema.Record {
	t.Helper()
	all := All(t, store)
	streams := map[string][]eventschema.Record{}
	ids := map[string]map[domain.ID]bool{}
	position := ledger.Position(0)
	for _, r := range all {
		if r.Position <= position {
			t.Errorf("position %d comes after position %d", r.Position, position)
		}
		position = r.Position
		there := streams[r.Stream]
		if want := uint64(len(there)) + 1; r.Version != want {
			t.Errorf("position %d: version %d of the stream %q, want %d", r.Position, r.Version, r.Stream, want)
		}
		if ids[r.Stream] == nil {
			ids[r.Stream] = map[domain.ID]bool{}
		}
		if ids[r.Stream][r.ID] {
			t.Errorf("position %d: the id %v a second time in the stream %q", r.Position, r.ID, r.Stream)
		}
		ids[r.Stream][r.ID] = true
		streams[r.Stream] = append(there, r)
	}
	for stream, want := range streams {
		if d := diff(want, Read(t, store, stream, 1)); d != "" {
			t.Errorf("the stream %q, as After has it (-) and as Stream has it (+):\n%s", stream, d)
		}
	}
	return all
}

// All reads every record up to the head, in total order.
func All(t testing.TB, store ledger.Store) []eventschema.Record {
	t.Helper()
	head, err := store.Head(t.Context())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return Between(t, store, 0, head)
}

// Between reads the records behind the position p, up to the position to, which must exist.
func Between(t testing.TB, store ledger.Store, p, to ledger.Position) []eventschema.Record {
	t.Helper()
	if p >= to {
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all []eventschema.Record
	for r, err := range store.After(ctx, p) {
		if err != nil {
			t.Fatalf("after position %d: %v", p, err)
		}
		all = append(all, r)
		if r.Position >= to {
			break
		}
	}
	return all
}

// Read reads a stream from the version on.
func Read(t testing.TB, store ledger.Store, stream string, from uint64) []eventschema.Record {
	t.Helper()
	var records []eventschema.Record
	for r, err := range store.Stream(t.Context(), stream, from) {
		if err != nil {
			t.Fatalf("stream %q from version %d: %v", stream, from, err)
		}
		records = append(records, r)
	}
	return records
}

// diff is cmp.Diff for records. It takes bytes as a whole: element by element, a large record takes seconds.
func diff(want, got []eventschema.Record) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got, cmp.Comparer(sameBytes))
}

func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
