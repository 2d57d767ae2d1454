package views

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Population gives everybody whom statistics may count, as the views stand now, and the position up to which that is, to use. What a
// journal contributes is opened when it is counted and kept nowhere; whoever's key goes meanwhile is left out.
func (k *Keeper) Population(ctx context.Context, use func(ledger.Position, statistics.Population) error) error {
	at, pop, err := k.population(ctx)
	if err != nil {
		return err
	}
	return use(at, pop)
}

func (k *Keeper) population(ctx context.Context) (ledger.Position, statistics.Population, error) {
	k.applying.Lock()
	defer k.applying.Unlock()
	standings := k.Standings.entries()
	k.contributions.mu.RLock()
	docs := maps.Clone(k.contributions.docs)
	k.contributions.mu.RUnlock()
	pop := statistics.Population{Books: k.books}
	keys := k.ledger.Sealing(ctx)
	pop.Each = func(count func(domain.ID, statistics.Contribution)) error {
		for id, standing := range standings {
			c, err := k.contributions.unseal(id, docs[id], keys)
			if errors.Is(err, eventschema.ErrGone) {
				continue
			}
			if err != nil {
				return err
			}
			count(id, standing.doc.With(c))
		}
		return ctx.Err()
	}
	err := k.Offices.Each(ctx, func(id domain.ID, o projections.Office) error {
		pop.Organisations = append(pop.Organisations, statistics.Organisation{ID: id, Helsenorge: o.Helsenorge})
		return nil
	})
	slices.SortFunc(pop.Organisations, func(a, b statistics.Organisation) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	errErased := k.Erasures.Each(ctx, func(_ domain.ID, e projections.Erasure) error {
		if !e.Professional {
			pop.Deletions = append(pop.Deletions, statistics.Deletion{Organisation: e.Organisation, Quarter: statistics.QuarterOf(e.On.Start())})
		}
		return nil
	})
	return k.Cursor(), pop, errors.Join(err, errErased)
}
