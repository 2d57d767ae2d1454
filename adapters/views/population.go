package views

import (
	"bytes"
	"context"
	"errors"
	"iter"
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
	if k.shelf != nil {
		return k.shelf.store.Still(ctx, func(rows Rows, at ledger.Position) error {
			pop, err := k.populationOf(ctx, rows)
			if err != nil {
				return err
			}
			return use(at, pop)
		})
	}
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
	err := errors.Join(k.Offices.Each(ctx, office(&pop)), k.Erasures.Each(ctx, deletion(&pop)))
	slices.SortFunc(pop.Organisations, func(a, b statistics.Organisation) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return k.Cursor(), pop, err
}

// populationOf is population on a shelf, as rows say that it stands.
func (k *Keeper) populationOf(ctx context.Context, rows Rows) (statistics.Population, error) {
	pop := statistics.Population{Books: k.books}
	keys := k.ledger.Sealing(ctx)
	pop.Each = func(count func(domain.ID, statistics.Contribution)) error {
		next, stop := iter.Pull2(rows(ctx, Select{View: k.contributions.number}))
		defer stop()
		var r Stored
		more := true
		return k.Standings.each(ctx, rows, Select{}, func(id domain.ID, standing entry[statistics.Contribution]) (err error) {
			for more && bytes.Compare(r.ID[:], id[:]) < 0 && err == nil { // both are in the order of ids
				r, err, more = next()
			}
			if err != nil {
				return err
			}
			var doc sealedDoc
			if more && r.ID == id {
				doc = docOf(r)
			}
			c, err := k.contributions.unseal(id, doc, keys)
			if errors.Is(err, eventschema.ErrGone) {
				return nil
			}
			if err == nil {
				count(id, standing.doc.With(c))
			}
			return err
		})
	}
	add, remove := office(&pop), deletion(&pop)
	err := k.Offices.each(ctx, rows, Select{}, func(id domain.ID, e entry[projections.Office]) error { return add(id, e.doc) })
	errErased := k.Erasures.each(ctx, rows, Select{}, func(id domain.ID, e entry[projections.Erasure]) error { return remove(id, e.doc) })
	slices.SortFunc(pop.Organisations, func(a, b statistics.Organisation) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return pop, errors.Join(err, errErased)
}

// office and deletion add a document to a population.
func office(pop *statistics.Population) func(domain.ID, projections.Office) error {
	return func(id domain.ID, o projections.Office) error {
		pop.Organisations = append(pop.Organisations, statistics.Organisation{ID: id, Helsenorge: o.Helsenorge})
		return nil
	}
}

func deletion(pop *statistics.Population) func(domain.ID, projections.Erasure) error {
	return func(_ domain.ID, e projections.Erasure) error {
		if !e.Professional {
			pop.Deletions = append(pop.Deletions, statistics.Deletion{Organisation: e.Organisation, Quarter: statistics.QuarterOf(e.On.Start())})
		}
		return nil
	}
}
