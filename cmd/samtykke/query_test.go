package main

import (
	"context"
	"time"

	"samtykke/adapters/audit"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// What follows asks without leaving a trace, which no program can: so that a test sees the ledger as the people on the stage left it.

type sawQuery = audit.Query

// unseen is an auditor whose questions are not recorded.
func (s *system) unseen() *audit.Auditor {
	a := s.auditor(ledger.Caller{})
	a.Record = func(ctx context.Context, _ oversight.Queried) (uint64, error) {
		head, err := s.store.Head(ctx)
		return head + 1, err
	}
	return a
}

func (s *system) whoSaw(ctx context.Context, q sawQuery) ([]audit.Sighting, error) {
	seen, err := s.unseen().WhoSaw(ctx, "", q, audit.Page{Limit: audit.MaxLimit})
	return seen.Rows, err
}

func (s *system) stateAt(ctx context.Context, id domain.ID, at, known time.Time) (audit.Standing, error) {
	return s.unseen().State(ctx, "", id, at, known)
}

func (s *system) why(ctx context.Context, position uint64) (audit.Explanation, error) {
	return s.unseen().Why(ctx, "", position)
}

// fact is the event at a position, closed where it is sealed.
func (s *system) fact(ctx context.Context, p uint64) (eventschema.Fact, error) {
	for r, err := range s.store.After(ctx, p-1) {
		if err != nil {
			return eventschema.Fact{}, err
		}
		return eventschema.Today.Decode(&r, nil)
	}
	return eventschema.Fact{}, ctx.Err()
}

// stream reads the facts of a stream, opened.
func (s *system) stream(ctx context.Context, c eventschema.Category, id domain.ID) ([]eventschema.Fact, error) {
	var facts []eventschema.Fact
	for r, err := range s.store.Stream(ctx, c.Stream(id), 1) {
		if err != nil {
			return nil, err
		}
		f, err := s.ledger.Decode(ctx, &r)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	return facts, nil
}
