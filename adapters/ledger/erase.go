package ledger

import (
	"context"

	"samtykke/eventschema"
)

// An Eraser is a Store that can remove sealed bytes whose key was destroyed (A08, D20). It is never what ends the access
// to them: the key's destruction is. An implementation passes the cases of ledgertest.TestStore that are about erasing.
//
// A store that cannot change what it wrote keeps sealed bytes beside the records, each where it can be removed by itself,
// such as a row or a stream of its own.
type Eraser interface {
	Store

	// Erase removes the sealed bytes of the records that choose picks: in the given streams or, with none given, in the
	// whole store. It returns how many records lost theirs. From then on these are yielded with a nil Sealed, and
	// nothing else changes, of them or of any other record: not the id, the place or Data, and so not the leaf.
	//
	// choose is asked about each record with sealed bytes that are not empty, in no certain order. It may read from the
	// store, and must keep nothing of the record. Its error ends the call.
	//
	// Erase returns when the removal is durable. If it ends with an error, some chosen records have lost their sealed
	// bytes and the others have them whole: to call it again is to go on, and a call that finds nothing left changes
	// nothing. Records appended after it began may be missed: let appends under a key end before, or call it again.
	//
	// Appends and readers go on beside it. A reader gets sealed bytes whole or not at all; one that began before Erase
	// returned may yield what it had read.
	Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (int, error)
}
