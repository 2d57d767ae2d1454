package main

import (
	"context"

	"samtykke/adapters/audit"
	"samtykke/adapters/ledger"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// auditor is what somebody may ask, whose questions are on record before they are answered.
func (s *system) auditor(by ledger.Caller) *audit.Auditor {
	return &audit.Auditor{
		Records: ledger.Records{Store: s.store}, Access: s.keeper.Access, Audit: s.keeper.Audit, Organisations: s.keeper.Organisations, Times: s.keeper.Times,
		Holders: s.keeper.Labels, Offices: s.keeper.Offices, Rules: s.rules,
		Open: func(ctx context.Context, o eventschema.Owner, ciphertext, associated []byte) ([]byte, error) {
			return s.ledger.Sealing(ctx).Open(o, ciphertext, associated)
		},
		Labels: s.desk.Door.Labels, StateAt: s.desk.Door.StateAt, Reached: s.reached, Now: s.ledger.Now,
		Actor: by.Actor, Session: by.Session,
		Record: func(ctx context.Context, q oversight.Queried) (uint64, error) { return s.ask(ctx, by, q) },
	}
}

// reached returns when the views show everything up to a position.
func (s *system) reached(ctx context.Context, p ledger.Position) error {
	if s.stop == nil { // nobody keeps them up
		return s.keeper.CatchUp(ctx)
	}
	return s.keeper.Wait(ctx, p)
}

// ask records a query before it is answered, and gives the position of its event.
func (s *system) ask(ctx context.Context, by ledger.Caller, q oversight.Queried) (uint64, error) {
	q.Basis = oversight.BasisOf(by.Role)
	return s.desk.Query(ctx, by, q)
}
