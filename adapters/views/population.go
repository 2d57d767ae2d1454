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
)

// Population gives everybody whom statistics may count, as the views stand now, and the position up to which that is. What a journal
// contributes is opened when it is counted and kept nowhere; whoever's key goes meanwhile is left out.
func (k *Keeper) Population(ctx context.Context) (ledger.Position, statistics.Population) {
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
	for id, o := range k.Offices.Documents() {
		pop.Organisations = append(pop.Organisations, statistics.Organisation{ID: id, Helsenorge: o.Helsenorge})
	}
	slices.SortFunc(pop.Organisations, func(a, b statistics.Organisation) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, e := range k.Erasures.Documents() {
		if !e.Professional {
			pop.Deletions = append(pop.Deletions, statistics.Deletion{Organisation: e.Organisation, Quarter: statistics.QuarterOf(e.On.Start())})
		}
	}
	return k.Cursor(), pop
}
