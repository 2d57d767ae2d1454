package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"samtykke/domain"
	"samtykke/eventschema"
	"samtykke/projections"
)

// FindClient gives the client that a label or an id means. Where clients of several organisations have the label, it refuses
// with Several unless the organisation is named; the zero organisation is any. It refuses with NotFound where there is none.
func (a *Auditor) FindClient(ctx context.Context, reason, ref string, org domain.ID) (domain.ID, error) {
	if id, err := domain.ParseID(ref); err == nil {
		return a.known(ctx, reason, id)
	}
	about := "a client by label"
	if !org.IsZero() {
		about += ", of organisation " + org.String()
	}
	own, err := a.ask(ctx, "find", about, reason)
	if err == nil {
		err = a.Reached(ctx, own-1)
	}
	if err != nil {
		return domain.ID{}, err
	}
	var found []domain.ID
	of := func(org domain.ID) error {
		holders, err := a.Holders.List(ctx, projections.LabelKey(org, strings.ToUpper(ref)))
		found = slices.AppendSeq(found, maps.Keys(holders))
		return err
	}
	if org.IsZero() {
		err = a.Offices.Each(ctx, func(id domain.ID, _ projections.Office) error { return of(id) })
	} else {
		err = of(org)
	}
	if err != nil {
		return domain.ID{}, err
	}
	labels, err := a.Labels(ctx, found)
	if err != nil {
		return domain.ID{}, err
	}
	found = slices.DeleteFunc(found, func(id domain.ID) bool { return labels[id] == "" }) // whose key is gone
	return only("client with that label", "name the organisation, or give the id", found)
}

// known refuses an id that no client has.
func (a *Auditor) known(ctx context.Context, reason string, id domain.ID) (domain.ID, error) {
	if _, err := a.ask(ctx, "find", "client "+id.String(), reason); err != nil {
		return domain.ID{}, err
	}
	there := false
	err := a.stream(ctx, eventschema.ClientStream.Stream(id), 1, nil, func(*eventschema.Fact) bool {
		there = true
		return false
	})
	if err == nil && !there {
		err = domain.Refuse(NotFound, "there is no client with that id")
	}
	return id, err
}

// FindOrganisation gives the organisation that a name or an id means. An id is given back as it is, whether or not there is
// such an organisation. It refuses with NotFound and Several.
func (a *Auditor) FindOrganisation(ctx context.Context, reason, name string) (domain.ID, error) {
	return a.named(ctx, reason, "organisation", name, func(id domain.ID, o *members, found func(domain.ID, string)) {
		found(id, o.name)
	})
}

// FindProfessional gives the professional that a name, first and last, or an id means. An id is given back as it is, also of
// somebody who is on no list. It refuses with NotFound and Several.
func (a *Auditor) FindProfessional(ctx context.Context, reason, name string) (domain.ID, error) {
	return a.named(ctx, reason, "professional", name, func(_ domain.ID, o *members, found func(domain.ID, string)) {
		for id, name := range o.people {
			found(id, name)
		}
	})
}

// named goes through all organisations and what each has of the kind asked for.
func (a *Auditor) named(ctx context.Context, reason, what, ref string, each func(domain.ID, *members, func(domain.ID, string))) (domain.ID, error) {
	if id, err := domain.ParseID(ref); err == nil {
		return id, nil
	}
	own, err := a.ask(ctx, "find", what+" by name", reason)
	if err != nil {
		return domain.ID{}, err
	}
	var found []domain.ID
	names := a.names(ctx)
	for r, err := range between(ctx, a.Records, 0, own-1) {
		if err != nil {
			return domain.ID{}, err
		}
		category, org, err := eventschema.Split(r.Stream)
		if err != nil {
			return domain.ID{}, err
		}
		if category != eventschema.OrganisationStream || r.Version != 1 {
			continue
		}
		o, err := names.members(org)
		if err != nil {
			return domain.ID{}, err
		}
		each(org, o, func(id domain.ID, name string) {
			if strings.EqualFold(name, ref) && !slices.Contains(found, id) {
				found = append(found, id)
			}
		})
	}
	return only(what+" with that name", "give the id instead", found)
}

// only gives the one that was found.
func only(what, instead string, found []domain.ID) (domain.ID, error) {
	switch len(found) {
	case 0:
		return domain.ID{}, domain.Refuse(NotFound, "there is no "+what)
	case 1:
		return found[0], nil
	}
	return domain.ID{}, domain.Refuse(Several, fmt.Sprintf("there are %d of that kind: %s; %s", len(found), what, instead))
}
