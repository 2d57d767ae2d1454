package esdb

import (
	"context"
	"fmt"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// Fill implements ledger.Filler: append after append, since the server takes one stream at a time.
func (s *Store) Fill(ctx context.Context, records ...eventschema.Record) error {
	if _, err := ledger.Fits(ctx, s, records); err != nil {
		return err
	}
	for _, run := range ledger.Runs(records) {
		for len(run) > 0 {
			n := len(run)
			for n > 1 && admit(run[0].Stream, run[:n]) != nil {
				n /= 2
			}
			position, err := s.Append(ctx, run[0].Stream, run[0].Version-1, run[:n]...)
			if err == nil && position != run[n-1].Position {
				err = fmt.Errorf("it came to position %d: others append", position)
			}
			if err != nil {
				return fmt.Errorf("filling in position %d: %w", run[0].Position, err)
			}
			run = run[n:]
		}
	}
	return nil
}
