// Package keyringtest is the published suite of keyring.Keyring. An implementation that passes it keeps the promises
// that sealed personal content, and its erasure, rest on.
package keyringtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"samtykke/adapters/keyring"
	"samtykke/domain"
)

// TestKeyring runs the suite. Open prepares an empty place of its own for each call; the function that it returns opens the
// keyring there, closing the one that it opened before, as after a restart.
func TestKeyring(t *testing.T, open func(t *testing.T) (reopen func() keyring.Keyring)) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

var cases = []struct {
	name string
	run  func(t *testing.T, reopen func() keyring.Keyring)
}{
	{"what is sealed opens again", opensAgain},
	{"sealing shows nothing and never twice the same", showsNothing},
	{"keys outlive a restart", outliveRestart},
	{"creating twice gives the same key", sameKey},
	{"an owner without a key has none", noKey},
	{"another owner's key does not open", otherOwner},
	{"kinds do not share keys", kindsApart},
	{"other associated data does not open", otherData},
	{"changed bytes do not open", changedBytes},
	{"a destroyed key is gone at once", goneAtOnce},
	{"a destroyed key is gone after a restart", goneAfterRestart},
	{"a destroyed key is never made again", neverAgain},
	{"destroying twice is no error", destroyTwice},
	{"destroying what never was holds, too", destroyUnknown},
	{"destroying one leaves the others", othersStay},
	{"no owner, no key", noOwner},
	{"an ended context does nothing", endedContext},
	{"many create at once", manyCreate},
	{"many create and destroy one owner at once", oneOwnerRace},
	{"nothing starts after a destruction", nothingAfter},
	{"many more owners than ciphers kept ready", manyOwners},
	{"what is fetched is what there is", fetched},
	{"printing shows nothing", printsNothing},
}

var (
	plaintext = []byte("svarte at søvnen er dårlig")
	bound     = []byte("journal 7")
)

// Owner gives the nth owner of a kind, the same on every call.
func Owner(kind keyring.Kind, n int) keyring.Owner {
	return keyring.Owner{Kind: kind, ID: domain.Derive(domain.ID{1}, binary.BigEndian.AppendUint64(nil, uint64(n)))}
}

func client(n int) keyring.Owner { return Owner(keyring.Client, n) }

func opensAgain(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	for _, size := range []int{0, 1, 200, 1 << 16} {
		content := bytes.Repeat([]byte{'x'}, size)
		sealed := seal(t, k, client(1), content, bound)
		if len(sealed) != size+keyring.Overhead {
			t.Errorf("%d bytes sealed are %d: a ciphertext is keyring.Overhead longer than its plaintext", size, len(sealed))
		}
		mustOpen(t, k, client(1), sealed, bound, content, "what is sealed must open with the same owner and data")
	}
}

func showsNothing(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	first, second := seal(t, k, client(1), plaintext, bound), seal(t, k, client(1), plaintext, bound)
	if bytes.Equal(first, second) {
		t.Error("the same content sealed twice gave the same bytes: whoever sees them learns that an answer was repeated")
	}
	if bytes.Contains(first, plaintext[:8]) || bytes.Contains(first, bound) {
		t.Error("the sealed bytes contain what was sealed, or the associated data")
	}
}

func outliveRestart(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	var sealed [20][]byte
	for n := range sealed {
		create(t, k, client(n))
		sealed[n] = seal(t, k, client(n), plaintext, bound)
	}
	for range 2 {
		k = reopen()
		for n := range sealed {
			mustOpen(t, k, client(n), sealed[n], bound, plaintext, "a key is durable when Create returns")
		}
	}
	create(t, k, client(99))
	sealed99 := seal(t, k, client(99), plaintext, bound)
	mustOpen(t, reopen(), client(99), sealed99, bound, plaintext, "a keyring opened again goes on making durable keys")
}

func sameKey(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	sealed := seal(t, k, client(1), plaintext, bound)
	create(t, k, client(1))
	mustOpen(t, k, client(1), sealed, bound, plaintext, "a second Create must leave the key as it is")
	k = reopen()
	create(t, k, client(1))
	mustOpen(t, k, client(1), sealed, bound, plaintext, "a Create after a restart must leave the key as it is")
}

func noKey(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	sealerFails(t, k, client(2), keyring.ErrNoKey, "an owner who never had a key is told apart from an erased one")
	sealerFails(t, reopen(), client(2), keyring.ErrNoKey, "asking for a key must not make one")
}

func otherOwner(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	create(t, k, client(2))
	sealed := seal(t, k, client(1), plaintext, bound)
	mustNotOpen(t, k, client(2), sealed, bound, "one client's key opened another client's content")
}

func kindsApart(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	organisation := Owner(keyring.Organisation, 1)
	create(t, k, client(1))
	sealerFails(t, k, organisation, keyring.ErrNoKey, "a client and an organisation of the same id are two owners")
	create(t, k, organisation)
	mustNotOpen(t, k, organisation, seal(t, k, client(1), plaintext, bound), bound,
		"an organisation's key opened a client's content")
}

func otherData(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	sealed := seal(t, k, client(1), plaintext, bound)
	for _, other := range []string{"", "journal 8", "journal 77"} {
		mustNotOpen(t, k, client(1), sealed, []byte(other), "sealed bytes moved to another place were accepted there")
	}
}

func changedBytes(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	sealed := seal(t, k, client(1), plaintext, bound)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		mustNotOpen(t, k, client(1), changed, bound, fmt.Sprintf("byte %d was changed and nobody noticed", i))
		mustNotOpen(t, k, client(1), sealed[:i], bound, fmt.Sprintf("all after byte %d was missing and nobody noticed", i))
	}
}

func goneAtOnce(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	held := sealer(t, k, client(1))
	sealed := seal(t, k, client(1), plaintext, bound)
	destroy(t, k, client(1))
	sealerFails(t, k, client(1), keyring.ErrDestroyed, "an erased client's key was handed out")
	_, err := held.Seal(plaintext, bound)
	mustBe(t, err, keyring.ErrDestroyed, "a sealer handed out before sealed after the destruction")
	_, err = held.Open(sealed, bound)
	mustBe(t, err, keyring.ErrDestroyed, "a sealer handed out before opened after the destruction")
}

func goneAfterRestart(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	destroy(t, k, client(1))
	for range 3 {
		k = reopen()
		sealerFails(t, k, client(1), keyring.ErrDestroyed, "a destruction must be durable when Destroy returns")
	}
}

func neverAgain(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	destroy(t, k, client(1))
	for range 2 {
		mustBe(t, k.Create(t.Context(), client(1)), keyring.ErrDestroyed, "endings hold: an erased client gets no key again")
		sealerFails(t, k, client(1), keyring.ErrDestroyed, "a refused Create must change nothing")
		k = reopen()
	}
}

func destroyTwice(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	destroy(t, k, client(1))
	destroy(t, k, client(1))
	k = reopen()
	destroy(t, k, client(1))
	sealerFails(t, k, client(1), keyring.ErrDestroyed, "an erasure resumed after a restart destroys once more")
}

func destroyUnknown(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	destroy(t, k, client(1))
	for range 2 {
		sealerFails(t, k, client(1), keyring.ErrDestroyed, "an erasure re-applied to an older copy must hold")
		mustBe(t, k.Create(t.Context(), client(1)), keyring.ErrDestroyed, "an erasure re-applied to an older copy must hold")
		k = reopen()
	}
}

func othersStay(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	var sealed [9][]byte
	for n := range sealed {
		create(t, k, client(n))
		sealed[n] = seal(t, k, client(n), plaintext, bound)
	}
	for n := 0; n < len(sealed); n += 2 {
		destroy(t, k, client(n))
	}
	for range 2 {
		for n := 1; n < len(sealed); n += 2 {
			mustOpen(t, k, client(n), sealed[n], bound, plaintext, "destroying one owner's key touched another's")
		}
		k = reopen()
	}
}

func noOwner(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	for _, o := range []keyring.Owner{{}, {Kind: keyring.Client}, {ID: client(1).ID}, {Kind: "stranger", ID: client(1).ID}} {
		_, sealing := k.Sealer(t.Context(), o)
		for _, err := range []error{k.Create(t.Context(), o), sealing, k.Destroy(t.Context(), o)} {
			if err == nil || errors.Is(err, keyring.ErrNoKey) || errors.Is(err, keyring.ErrDestroyed) {
				t.Errorf("got %v: nobody's key must be an error of its own, or content could be sealed to nobody", err)
			}
		}
	}
}

func endedContext(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	ended, end := context.WithCancel(t.Context())
	end()
	_, sealing := k.Sealer(ended, client(1))
	for _, err := range []error{k.Create(ended, client(2)), sealing, k.Destroy(ended, client(1))} {
		mustBe(t, err, context.Canceled, "a context that ended before the call must stop it")
	}
	seal(t, k, client(1), plaintext, bound)
	sealerFails(t, k, client(2), keyring.ErrNoKey, "a context that ended before the call must stop it")
}

func manyCreate(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	const writers, each = 16, 20
	var sealed [writers * each][]byte
	together(writers, func(w int) {
		for n := w * each; n < (w+1)*each; n++ {
			if err := k.Create(t.Context(), client(n)); err != nil {
				t.Errorf("creating: %v", err)
				return
			}
			sealed[n] = seal(t, k, client(n), plaintext, bound)
		}
	})
	k = reopen()
	for n := range sealed {
		mustOpen(t, k, client(n), sealed[n], bound, plaintext, "keys created at the same time must each be durable")
	}
}

func oneOwnerRace(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	const rounds = 20
	var sealed [rounds][8][]byte
	for round := range rounds {
		together(8, func(w int) {
			if err := k.Create(t.Context(), client(round)); err != nil {
				t.Errorf("creating: %v", err)
				return
			}
			sealed[round][w] = seal(t, k, client(round), plaintext, bound)
		})
		for _, s := range sealed[round] {
			mustOpen(t, k, client(round), s, bound, plaintext, "all who create one owner's key at once must get the same")
		}
		together(8, func(w int) {
			if w%2 == 0 {
				destroy(t, k, client(round))
				sealerFails(t, k, client(round), keyring.ErrDestroyed, "whichever Destroy returns, the key is gone")
			} else if err := k.Create(t.Context(), client(round)); err != nil {
				mustBe(t, err, keyring.ErrDestroyed, "a Create that races with Destroy finds the key, or its end")
			}
		})
	}
	k = reopen()
	for round := range rounds {
		sealerFails(t, k, client(round), keyring.ErrDestroyed, "a Create that races with Destroy must not bring the key back")
	}
}

// nothingAfter lets readers open while the key is destroyed, and checks that none that began after succeeds.
func nothingAfter(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	for round := range 20 {
		owner := client(round)
		create(t, k, owner)
		s := sealer(t, k, owner)
		sealed := seal(t, k, owner, plaintext, bound)
		var destroyed atomic.Bool // Destroy has returned
		together(4, func(w int) {
			if w == 0 {
				destroy(t, k, owner)
				destroyed.Store(true)
				return
			}
			for after := false; !after; {
				after = destroyed.Load()
				_, opening := s.Open(sealed, bound)
				_, sealing := s.Seal(plaintext, bound)
				for _, err := range []error{opening, sealing} {
					if after || err != nil {
						mustBe(t, err, keyring.ErrDestroyed, "a key works until it is destroyed, and never after Destroy has returned")
					}
				}
			}
		})
	}
}

func manyOwners(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	const owners = 10_000
	sealed := make([][]byte, owners)
	together(50, func(w int) {
		for n := w; n < owners; n += 50 {
			create(t, k, client(n))
			sealed[n] = seal(t, k, client(n), plaintext, bound)
		}
	})
	for n := range sealed {
		mustOpen(t, k, client(n), sealed[n], bound, plaintext, "a key not used for long is as good as any")
	}
}

func fetched(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	create(t, k, client(2))
	destroy(t, k, client(2))
	sealed := seal(t, k, client(1), plaintext, bound)
	k = reopen()
	all := []keyring.Owner{client(1), client(1), client(2), client(3), {}, Owner("nobody", 1)}
	for range 2 {
		if err := k.Fetch(t.Context(), all); err != nil {
			t.Fatalf("fetching: %v", err)
		}
		mustOpen(t, k, client(1), sealed, bound, plaintext, "a key that was fetched opens what it sealed")
		sealerFails(t, k, client(2), keyring.ErrDestroyed, "to fetch brings no destroyed key back")
		sealerFails(t, k, client(3), keyring.ErrNoKey, "to fetch makes no key")
	}
	destroy(t, k, client(1))
	if err := k.Fetch(t.Context(), all); err != nil {
		t.Fatalf("fetching: %v", err)
	}
	sealerFails(t, k, client(1), keyring.ErrDestroyed, "a key that was fetched ends as any does")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Fetch(ended, all); !errors.Is(err, context.Canceled) {
		t.Errorf("fetching with an ended context: %v", err)
	}
}

func printsNothing(t *testing.T, reopen func() keyring.Keyring) {
	k := reopen()
	create(t, k, client(1))
	s := sealer(t, k, client(1))
	sealed := seal(t, k, client(1), plaintext, bound)
	s.Open(sealed, bound)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{k, s} {
			out := fmt.Sprintf(verb, value)
			if len(out) > 20 || strings.Contains(out, "0x") {
				t.Errorf("%s of %T prints what it holds; it must print a word", verb, value)
			}
		}
	}
	for _, o := range []keyring.Owner{client(1), client(2)} {
		destroy(t, k, o)
		_, err := k.Sealer(t.Context(), o)
		if strings.Contains(err.Error(), o.ID.String()) {
			t.Error("an error names its owner: errors reach logs, and logs show no internal id")
		}
	}
}

// together runs what is given n times at once and waits for all.
func together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// The helpers below report with Errorf, so that goroutines may use them.

func create(t *testing.T, k keyring.Keyring, o keyring.Owner) {
	t.Helper()
	if err := k.Create(t.Context(), o); err != nil {
		t.Errorf("creating a key: %v", err)
	}
}

func destroy(t *testing.T, k keyring.Keyring, o keyring.Owner) {
	t.Helper()
	if err := k.Destroy(t.Context(), o); err != nil {
		t.Errorf("destroying a key: %v", err)
	}
}

func sealer(t *testing.T, k keyring.Keyring, o keyring.Owner) keyring.Sealer {
	t.Helper()
	s, err := k.Sealer(t.Context(), o)
	if err != nil {
		t.Errorf("a key that was created is missing: %v", err)
		return missing{}
	}
	return s
}

func seal(t *testing.T, k keyring.Keyring, o keyring.Owner, content, data []byte) []byte {
	t.Helper()
	sealed, err := sealer(t, k, o).Seal(content, data)
	if err != nil {
		t.Errorf("sealing: %v", err)
	}
	return sealed
}

func mustOpen(t *testing.T, k keyring.Keyring, o keyring.Owner, sealed, data, want []byte, rule string) {
	t.Helper()
	got, err := sealer(t, k, o).Open(sealed, data)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("opening: %v, %d bytes: %s", err, len(got), rule)
	}
}

func mustNotOpen(t *testing.T, k keyring.Keyring, o keyring.Owner, sealed, data []byte, rule string) {
	t.Helper()
	got, err := sealer(t, k, o).Open(sealed, data)
	mustBe(t, err, keyring.ErrNoMatch, rule)
	if got != nil {
		t.Errorf("opening gave %d bytes beside the error", len(got))
	}
}

func sealerFails(t *testing.T, k keyring.Keyring, o keyring.Owner, want error, rule string) {
	t.Helper()
	s, err := k.Sealer(t.Context(), o)
	mustBe(t, err, want, rule)
	if s != nil {
		t.Errorf("got a sealer beside the error: %s", rule)
	}
}

func mustBe(t *testing.T, got, want error, rule string) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v: %s", got, want, rule)
	}
}

// missing stands in for a sealer that could not be had, so that a test goes on to its other checks.
type missing struct{}

var errMissing = errors.New("no sealer")

func (missing) Seal(_, _ []byte) ([]byte, error) { return nil, errMissing }
func (missing) Open(_, _ []byte) ([]byte, error) { return nil, errMissing }
