package filestore

import (
	"context"
	"fmt"
)

// Progress is how far Verify has come.
type Progress struct {
	Position, Head uint64
	Erased         uint64 // records up to the position whose sealed bytes are erased; whether they should be, the store cannot tell
}

// Verify reads the whole log from the files, up to the last record that was durable when it began, and checks what the
// package comment says of it: every sum, the chain through all frames and segments, positions, versions, and the pointers
// back; and that the index agrees. An error names the segment and offset. It reads beside appends without hindering
// them. progress, if not nil, is called now and then, and at last with the whole.
func (s *Store) Verify(ctx context.Context, progress func(Progress)) error {
	s.mu.RLock()
	want, segments := s.index.clone(), s.segments
	s.mu.RUnlock()
	got := newIndex(s.id)
	t := newTape(s.id, segments, got.end)
	told, erased := uint64(0), uint64(0)
	err := scan(t, got, want.end, func(f *frame) error {
		erased += f.erased()
		if progress != nil && got.position-told >= 10*waypointEvery {
			told = got.position
			progress(Progress{told, want.position, erased})
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if got.mark != want.mark {
		return t.damage(fmt.Sprintf("the log ends at position %d, the index at %d", got.position, want.position))
	}
	for i, name := range want.names {
		if got.head(name) != want.heads[i] {
			return &DamageError{indexName, 0, "a stream's end is not where the log has it"}
		}
	}
	if len(got.names) != len(want.names) {
		return &DamageError{indexName, 0, "it has other streams than the log"}
	}
	if progress != nil {
		progress(Progress{got.position, want.position, erased})
	}
	return nil
}
