package projections

import (
	"samtykke/domain"
	"samtykke/domain/client"
)

// labels tells which labels an organisation has given out, so that no two of its clients have one. The document of a client id, for as
// long as the client is on record; listed by organisation and label (LabelKey).
var labels = View[domain.ID]{
	Name:    "labels",
	Version: 1,
	Keeping: SealedAtRest,
	Key: func(f *Fact) (domain.ID, bool) {
		_, ok := f.Body.(client.Labelled)
		return f.Subject, ok
	},
	Apply: func(_ domain.ID, f *Fact) domain.ID {
		return LabelKey(f.Act.Organisation, f.Body.(client.Labelled).Label)
	},
	Group: func(key domain.ID) domain.ID { return key },
}

// LabelKey is the key that a client with the label is listed under, of the organisation's. Labels can be guessed, and so can what they
// had: it is in memory only, and what a store lists by is its keyed hash.
func LabelKey(organisation domain.ID, label string) domain.ID {
	return domain.Derive(organisation, []byte(label))
}
