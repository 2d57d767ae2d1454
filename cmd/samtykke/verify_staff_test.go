package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/staff"
	"samtykke/eventschema"
)

// What no decider would have written in an account is found: a sign-in without a password that held, by a code that was used, by
// somebody else; an invitation accepted too late, or one that there was not; anything after the end.
func TestVerifyFindsForgedSignIns(t *testing.T) {
	r := newRig(t, simdisk.New(rand.NewPCG(1, 2)), 1)
	r.open()
	defer func() { r.must(r.sys.closeFiles()) }()
	written := ledger.NewStreams(r.sys.ledger, eventschema.StaffStream, domain.Decider[staff.Body, staff.Event, staff.State]{
		Decide: func(a domain.Act, _ staff.State, b staff.Body) ([]staff.Event, error) {
			return []staff.Event{{Act: a, Effective: a.At, Rule: "forged", Body: b}}, nil
		},
		Evolve: staff.Evolve,
	})
	invited := staff.Invited{Code: staff.Hash{1}, Confirmation: staff.Hash{2}, Until: domain.DateOf(r.sys.clock()).AddDays(8)}
	accepted := staff.Accepted{Code: staff.Hash{1}, Password: staff.Password("x"), Step: 10}
	in := func(step uint64) staff.Body { return staff.SignedIn{Method: staff.PasswordOTP, Step: step} }
	signed := staff.DeclarationSigned{}
	late := invited
	late.Until = domain.DateOf(r.sys.clock())
	for _, c := range []struct {
		what     string
		somebody bool // else acts
		problems int
		bodies   []staff.Body
	}{
		{"a life", false, 0, []staff.Body{invited, accepted, signed, in(11), staff.SteppedUp{Step: 12}, staff.SignedOut{}, in(13), staff.Ended{}}},
		{"nothing signed", false, 2, []staff.Body{invited, accepted, in(11), staff.SteppedUp{Step: 12}}},
		{"signed too late", false, 1, []staff.Body{invited, accepted, in(11), signed, in(12)}},
		{"signed after the end", false, 1, []staff.Body{invited, accepted, signed, staff.Ended{}, signed}},
		{"no password", false, 1, []staff.Body{invited, in(11)}},
		{"a code used twice", false, 1, []staff.Body{invited, accepted, signed, in(11), in(11)}},
		{"the code of the acceptance", false, 1, []staff.Body{invited, accepted, signed, in(10)}},
		{"stepping up by a code that was used", false, 1, []staff.Body{invited, accepted, signed, in(11), staff.SteppedUp{Step: 11}}},
		{"somebody else accepts, signs and signs in", true, 3, []staff.Body{invited, accepted, signed, in(11)}},
		{"too late", false, 1, []staff.Body{late, accepted}},
		{"no invitation", false, 1, []staff.Body{accepted}},
		{"another invitation", false, 1, []staff.Body{invited, staff.Accepted{Code: staff.Hash{9}, Password: staff.Password("x"), Step: 10}}},
		{"accepted twice", false, 1, []staff.Body{invited, accepted, accepted}},
		{"after the end", false, 3, []staff.Body{invited, accepted, signed, staff.Ended{}, in(11), staff.SignedOut{}, invited}},
	} {
		before, err := r.sys.verify(t.Context(), func(uint64, uint64) {})
		r.must(err)
		id := r.newID()
		r.must(r.sys.keys.Create(t.Context(), keyring.Owner{Kind: keyring.Staff, ID: id}))
		by := ledger.Caller{Actor: id, Role: domain.RoleProfessional, Session: r.newID(), Text: demoDeclaration}
		if c.somebody {
			by.Actor = r.newID()
		}
		for _, b := range c.bodies {
			if i, ok := b.(staff.Invited); ok {
				i.Account = id
				b = i
			}
			_, err := written.Do(t.Context(), id, by, b)
			r.must(err)
			r.wait(time.Second)
		}
		after, err := r.sys.verify(t.Context(), func(uint64, uint64) {})
		r.must(err)
		if got := len(after.Problems) - len(before.Problems); got != c.problems {
			t.Errorf("%s: %d problems, expected %d: %v", c.what, got, c.problems, after.Problems[len(before.Problems):])
		}
	}
}
