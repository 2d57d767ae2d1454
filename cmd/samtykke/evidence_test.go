package main

import (
	"context"
	"testing"
	"time"

	"samtykke/adapters/evidence"
	"samtykke/domain/organisation"
	"samtykke/eventschema"
)

// Over a ledger that was lived in, the organisations' reports add up to what the verifier counts, and their root is the one that a
// checkpoint of the same size was signed for.
func TestEvidenceAgrees(t *testing.T) {
	ctx := context.Background()
	r := inhabited(t, realDisk(t, t.TempDir()))
	r.open()
	defer r.sys.close()
	r.must(r.sys.settle(ctx))
	signed, err := r.sys.proof.Checkpoint(ctx)
	r.must(err)
	v, err := r.sys.verify(ctx, func(uint64, uint64) {})
	r.must(err)
	if v.Events != signed.Size || v.Lookups == 0 {
		t.Fatalf("%d events with %d look-ups, and a checkpoint of %d", v.Events, v.Lookups, signed.Size)
	}
	lookups, organisations := int64(0), 0
	r.must(r.sys.ledger.Upto(ctx, signed.Size, false, func(f *eventschema.Fact) error {
		b, ok := f.Body.(organisation.Registered)
		if !ok {
			return nil
		}
		ask := evidence.Ask{Organisation: b.Organisation, To: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), Rules: r.sys.rules}
		report, err := evidence.Make(ask, r.sys.upto(ctx, signed.Size, func(uint64, uint64) {}), r.sys.ledger.Sealing(ctx))
		if err != nil {
			return err
		}
		if report.Root != signed.Root.String() || report.Position != signed.Size {
			t.Errorf("root %s at %d, signed %s at %d", report.Root, report.Position, signed.Root, signed.Size)
		}
		organisations++
		seen := map[string]bool{}
		for _, c := range report.Clauses {
			for _, f := range c.Figures {
				if (f.ID == "lookups" || f.ID == "lookups-own") && !seen[f.ID] {
					lookups += f.Value
				}
				seen[f.ID] = true
			}
		}
		return nil
	}))
	if lookups != int64(v.Lookups) || organisations == 0 {
		t.Errorf("%d organisations with %d look-ups, verified %d", organisations, lookups, v.Lookups)
	}
}
