package ledgertest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// Memory is a ledger.Store that lives as long as the test, and a ledger.Eraser and ledger.Filler. It passes TestStore.
func Memory() ledger.Store {
	return &memory{streams: map[string][]eventschema.Record{}, changed: make(chan struct{})}
}

type memory struct {
	mu      sync.Mutex
	all     []eventschema.Record
	streams map[string][]eventschema.Record
	changed chan struct{} // closed, and made anew, at every append
}

func (m *memory) Append(ctx context.Context, stream string, after uint64, records ...eventschema.Record) (ledger.Position, error) {
	if err := admit(ctx, stream, records); err != nil {
		return 0, fmt.Errorf("%w: %w", ledger.ErrRefused, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there := m.streams[stream]
	if actual := uint64(len(there)); actual != after {
		if last := after + uint64(len(records)); last >= after && last <= actual && slices.EqualFunc(there[after:last], records, sameID) {
			return there[last-1].Position, nil
		}
		return 0, &ledger.ConflictError{Stream: stream, After: after, Actual: actual}
	}
	for _, r := range records {
		r.Stream, r.Version, r.Position = stream, uint64(len(there))+1, uint64(len(m.all))+1
		r.Data = append([]byte{}, r.Data...)
		r.Sealed = slices.Clone(r.Sealed)
		m.all, there = append(m.all, r), append(there, r)
	}
	m.streams[stream] = there
	close(m.changed)
	m.changed = make(chan struct{})
	return uint64(len(m.all)), nil
}

func (m *memory) Fill(ctx context.Context, records ...eventschema.Record) error {
	_, err := ledger.Fits(ctx, m, records)
	for _, run := range ledger.Runs(records) {
		if err == nil {
			_, err = m.Append(ctx, run[0].Stream, run[0].Version-1, run...)
		}
	}
	return err
}

func admit(ctx context.Context, stream string, records []eventschema.Record) error {
	if stream == "" || len(records) == 0 {
		return fmt.Errorf("an append of %d records to the stream %q", len(records), stream)
	}
	for _, r := range records {
		if n := len(r.Data) + len(r.Sealed); n > ledger.MaxRecord {
			return fmt.Errorf("a record of %d bytes", n)
		}
	}
	return ctx.Err()
}

func sameID(a, b eventschema.Record) bool { return a.ID == b.ID }

func (m *memory) Stream(ctx context.Context, stream string, from uint64) iter.Seq2[eventschema.Record, error] {
	m.mu.Lock()
	there := m.streams[stream]
	m.mu.Unlock()
	return func(yield func(eventschema.Record, error) bool) {
		first := max(from, 1) - 1
		if first >= uint64(len(there)) {
			return
		}
		for _, r := range there[first:] {
			if err := ctx.Err(); err != nil {
				yield(eventschema.Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) After(ctx context.Context, p ledger.Position) iter.Seq2[eventschema.Record, error] {
	return func(yield func(eventschema.Record, error) bool) {
		for next := p; ; {
			m.mu.Lock()
			all, changed := m.all, m.changed
			m.mu.Unlock()
			for ; next < uint64(len(all)); next++ {
				if err := ctx.Err(); err != nil {
					yield(eventschema.Record{}, err)
					return
				}
				if !yield(all[next], nil) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(eventschema.Record{}, ctx.Err())
				return
			}
		}
	}
}

// Erase implements ledger.Eraser.
func (m *memory) Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (int, error) {
	m.mu.Lock()
	all := m.all
	m.mu.Unlock()
	var picked []eventschema.Record
	for _, r := range all {
		if len(r.Sealed) == 0 || len(streams) > 0 && !slices.Contains(streams, r.Stream) {
			continue
		}
		switch chosen, err := choose(&r); {
		case err != nil:
			return 0, err
		case chosen:
			picked = append(picked, r)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.all = slices.Clone(m.all) // readers have the old one
	for _, r := range picked {
		m.all[r.Position-1].Sealed = nil
		m.streams[r.Stream] = slices.Clone(m.streams[r.Stream])
		m.streams[r.Stream][r.Version-1].Sealed = nil
	}
	return len(picked), nil
}

func (m *memory) Head(ctx context.Context) (ledger.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.all)), ctx.Err()
}
