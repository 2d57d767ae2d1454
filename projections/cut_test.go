package projections

import (
	"reflect"
	"testing"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/eventschema"
)

// A document that is cut wherever it may be, and folded on in its last part, is the same when it is put together again.
func TestCutAndJoin(t *testing.T) {
	v := all
	var facts []*Fact
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for n := range uint64(200_000) {
		facts = append(facts, &Fact{
			Position: 3*n + 1, Act: domain.Act{At: at.Add(time.Duration(n) * time.Second), Actor: domain.ID{1}, Organisation: domain.ID{2}},
			Category: eventschema.ClientStream, Subject: domain.ID{3}, Body: client.LookedUp{Basis: client.ByGrant},
		})
	}
	for _, trail := range []View[Trail]{v.Access, v.Audit, v.Organisations} {
		cutAndJoined(t, trail, facts)
	}
	cutAndJoined(t, v.Times, facts)
}

func cutAndJoined[V any](t *testing.T, v View[V], facts []*Fact) {
	t.Helper()
	var whole, last V
	var full []V
	for _, f := range facts {
		whole, last = v.Apply(whole, f), v.Apply(last, f)
		if part, rest, ok := v.Cut(last); ok {
			full, last = append(full, part), rest
			again := v.Apply(last, f) // an event that comes twice
			if !reflect.DeepEqual(again, last) {
				t.Fatalf("%s: the last part does not know what was cut off", v.Name)
			}
		}
	}
	if len(full) < 2 {
		t.Fatalf("%s: cut into %d parts", v.Name, len(full)+1)
	}
	var joined V
	for _, part := range full {
		joined = v.Join(joined, part)
	}
	if joined = v.Join(joined, last); !reflect.DeepEqual(joined, whole) {
		t.Errorf("%s: put together it is another document", v.Name)
	}
}
