// Package projections folds the ledger into what each reader needs: one file per view, each a pure function from a
// document and a fact to the next document.
//
// A view is rebuilt from position 0 to the same documents that it had when kept up event by event, and an event that
// comes twice changes nothing: the keeper remembers up to which position a document was folded.
//
// # Time
//
// A document holds what was recorded. What time alone has brought since is added by whoever reads it, by the same
// function that decisions use (client.State.At), so a view that is read after a deadline never shows the state before
// it.
//
// # What is sealed
//
// A view that is Plain sees sealed events closed and may keep their ciphertext. A view that opens them has its documents
// sealed under the key of the client, or member of staff, whose they are: always, or at rest where the keeper needs to order or
// find by them in memory. Documents of registrations are sealed always; one function in the program opens them (adapters/views).
//
// Documents go with their key: where somebody is erased, whatever is sealed under that key is left out from that fact on, so that
// nothing depends on whether it was folded while the key was there.
//
// # Adding a view
//
// Two places: its file with type, key and fold, and its name in All. The tests range over All.
package projections

import (
	"cmp"
	"reflect"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/rules"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// A Fact is what a view folds.
type Fact = eventschema.Fact

// Keeping says how a keeper holds a view's documents.
type Keeping int

const (
	Plain        Keeping = iota // no personal content: sealed events come closed
	SealedAtRest                // opened events; documents sealed wherever they are stored, under the key of whom they are about
	SealedAlways                // the same, and in memory too
)

// A View is a named, versioned fold. A change of its fold or of its document's shape raises Version, and the keeper
// rebuilds it.
//
// A fact belongs to at most one document of a view: Key names it, or reports false. This costs no allocation, and a view
// that would need more is two views.
type View[V any] struct {
	Name    string
	Version int
	Keeping Keeping
	Under   string // the kind of key that documents are sealed under, of the document's id; "": the client's
	Key     func(*Fact) (domain.ID, bool)
	Apply   func(V, *Fact) V
	Group   func(V) domain.ID   // the list the document stands in; zero: none; nil: the view has no lists
	Due     func(V) domain.Date // the day at whose start something is due; zero: never; nil: the view has no dates

	// Cut takes off a document that grows without bound what is full and will not change any more, once there is enough of it. Facts are
	// folded into the rest as they would be into the whole, and Join puts the full part before it again. nil: documents stay whole.
	Cut  func(V) (full, rest V, ok bool)
	Join func(full, rest V) V
}

// Views are all views, under the rules.
type Views struct {
	Caseload      View[Case]
	Due           View[Dates]
	Idle          View[Activity]
	Registrations View[Registrations]
	Access        View[Trail]
	Audit         View[Trail]
	Codes         View[domain.ID]
	Handles       View[Handle]
	Accounts      View[Account]
	Invitations   View[domain.ID]
	Erasures      View[Erasure]
	Reviews       View[Reader]
	Accesses      View[Access]
	Organisations View[Trail]
	Times         View[Times]
	Standings     View[statistics.Contribution]
	Contributions View[statistics.Contribution]
	Offices       View[Office]
	Labels        View[domain.ID]
	Dealings      View[Dealing]
}

// All gives the views.
func All(books rules.Books) Views {
	return Views{
		Caseload:      caseload,
		Due:           due(books),
		Idle:          idle(books),
		Registrations: registrations,
		Access:        access,
		Audit:         audit,
		Codes:         codes,
		Handles:       handles,
		Accounts:      accounts,
		Invitations:   invitations,
		Erasures:      erasures,
		Reviews:       reviews(rules.Review),
		Accesses:      accesses,
		Organisations: organisations,
		Times:         times,
		Standings:     standings,
		Contributions: contributions,
		Offices:       offices,
		Labels:        labels,
		Dealings:      dealings(rules.Review),
	}
}

// Each calls f for every view, as a Fold.
func (v Views) Each(f func(Fold)) {
	f(fold(v.Caseload))
	f(fold(v.Due))
	f(fold(v.Idle))
	f(fold(v.Registrations))
	f(fold(v.Access))
	f(fold(v.Audit))
	f(fold(v.Codes))
	f(fold(v.Handles))
	f(fold(v.Accounts))
	f(fold(v.Invitations))
	f(fold(v.Erasures))
	f(fold(v.Reviews))
	f(fold(v.Accesses))
	f(fold(v.Organisations))
	f(fold(v.Times))
	f(fold(v.Standings))
	f(fold(v.Contributions))
	f(fold(v.Offices))
	f(fold(v.Labels))
	f(fold(v.Dealings))
}

// Erased tells whose key a fact is the end of.
func Erased(f *Fact) (eventschema.Owner, bool) {
	switch b := f.Body.(type) {
	case client.Erased, client.KeyDestroyed:
		return eventschema.Owner{Kind: eventschema.KeyClient, ID: f.Subject}, true
	case organisation.ProfessionalErased:
		return eventschema.Owner{Kind: eventschema.KeyStaff, ID: b.Professional}, true
	case organisation.ProfessionalKeyDestroyed:
		return eventschema.Owner{Kind: eventschema.KeyStaff, ID: b.Professional}, true
	}
	return eventschema.Owner{}, false
}

// Owner is whose key a document is sealed under; false for a view that is Plain.
func (v View[V]) Owner(id domain.ID) (eventschema.Owner, bool) {
	return eventschema.Owner{Kind: cmp.Or(v.Under, eventschema.KeyClient), ID: id}, v.Keeping != Plain
}

// Drops names the document that is left out from the fact on, or reports false.
func (v View[V]) Drops(f *Fact) (domain.ID, bool) {
	gone, ok := Erased(f)
	if !ok {
		return domain.ID{}, false
	}
	o, sealed := v.Owner(gone.ID)
	return gone.ID, sealed && o == gone
}

// A Fold is a view whose documents' type is put away, for what treats all views alike.
type Fold struct {
	Name    string
	Version int
	Keeping Keeping
	Run     func([]*Fact) map[domain.ID]any // folds from nothing
}

func fold[V any](v View[V]) Fold {
	return Fold{v.Name, v.Version, v.Keeping, func(facts []*Fact) map[domain.ID]any {
		docs := map[domain.ID]any{}
		for _, f := range facts {
			if key, ok := v.Key(f); ok {
				old, _ := docs[key].(V)
				docs[key] = v.Apply(old, f)
			}
			if gone, ok := v.Drops(f); ok {
				delete(docs, gone)
			}
		}
		return docs
	}}
}

// Equal compares two sets of documents.
func Equal(a, b map[domain.ID]any) bool { return reflect.DeepEqual(a, b) }
