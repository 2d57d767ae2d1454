package desk

import (
	"context"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// OpenAccess opens exceptional access for the caller, and gives its id and what it is. The same key opens it once.
func (d *Desk) OpenAccess(ctx context.Context, by ledger.Caller, c oversight.AccessOpened) (domain.ID, ledger.Done[oversight.Access], error) {
	id := domain.Derive(by.Actor, []byte("access "+by.Key))
	if by.Key == "" {
		var err error
		if id, err = d.Ledger.NewID(); err != nil {
			return id, ledger.Done[oversight.Access]{}, err
		}
	}
	done, err := d.Accesses.Do(ctx, id, by, c)
	return id, done, err
}

// UseAccess puts on record what is done with an open access, before it is done.
func (d *Desk) UseAccess(ctx context.Context, by ledger.Caller, id domain.ID, c oversight.AccessUsed) error {
	_, err := d.Accesses.Do(ctx, id, by, c)
	return err
}

// CloseAccess ends an access.
func (d *Desk) CloseAccess(ctx context.Context, by ledger.Caller, id domain.ID) (ledger.Position, error) {
	done, err := d.Accesses.Do(ctx, id, by, oversight.AccessClosed{})
	return done.Position, err
}

// ReviewAccess records what the safety manager found of an access that has ended.
func (d *Desk) ReviewAccess(ctx context.Context, by ledger.Caller, id domain.ID, c oversight.AccessReviewed) (ledger.Position, error) {
	done, err := d.Accesses.Do(ctx, id, by, c)
	return done.Position, err
}

// AskAboutLookUp lets the caller, a client, ask the organisation about one look-up, by its version in the client's stream.
func (d *Desk) AskAboutLookUp(ctx context.Context, by ledger.Caller, version uint64) (ledger.Position, error) {
	seen, err := d.LookedUp(ctx, by.Actor, version)
	if err != nil {
		return 0, err
	}
	done, err := d.Act(ctx, by, client.QuestionLookUp{LookUp: version, By: seen.Act.Actor})
	return done.Position, err
}

// ReviewLookUp records what a superuser found of a look-up at a client of the organisation; or the safety manager, of one by a superuser
// who has no colleague.
func (d *Desk) ReviewLookUp(ctx context.Context, by ledger.Caller, id domain.ID, version uint64, concern client.Concern, o client.Outcome) (ledger.Position, error) {
	if by.Role != domain.RoleSafetyManager {
		if err := d.Door.Standing(ctx, by); err != nil {
			return 0, err
		}
	}
	seen, err := d.LookedUp(ctx, id, version)
	if err != nil {
		return 0, err
	}
	if by.Role == domain.RoleSafetyManager {
		o, _, err := d.Organisations.State(ctx, seen.Act.Organisation)
		if err != nil {
			return 0, err
		}
		if !o.SoleSuperuser(seen.Act.Actor) {
			return 0, domain.Refuse(client.NotYours, "A superuser of the organisation reviews it.")
		}
	}
	done, err := d.Clients.Do(ctx, id, by, client.ReviewLookUp{LookUp: version, By: seen.Act.Actor, Concern: concern, Outcome: o})
	return done.Position, err
}

// ReviewAttempt records what somebody found of a refused attempt, by the id of its stream.
func (d *Desk) ReviewAttempt(ctx context.Context, by ledger.Caller, id domain.ID, c oversight.AttemptReviewed) (ledger.Position, error) {
	if by.Role == domain.RoleSuperuser {
		if err := d.Door.Standing(ctx, by); err != nil {
			return 0, err
		}
	}
	done, err := d.Door.Refused.Do(ctx, id, by, c)
	return done.Position, err
}

// LookedUp gives the look-up by an organisation at a version of a client's stream.
func (d *Desk) LookedUp(ctx context.Context, id domain.ID, version uint64) (eventschema.Fact, error) {
	for r, err := range d.Ledger.Store.Stream(ctx, eventschema.ClientStream.Stream(id), version) {
		if err != nil {
			return eventschema.Fact{}, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return f, err
		}
		if b, ok := f.Body.(client.LookedUp); ok && b.Basis == client.ByGrant && f.Version == version {
			return f, nil
		}
		break
	}
	return eventschema.Fact{}, domain.Refuse(client.NoSuchLookUp, "There is no such look-up.")
}
