package views_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samtykke/adapters/ledger"
	"samtykke/adapters/postgres"
	"samtykke/adapters/postgres/postgrestest"
	"samtykke/adapters/views"
	"samtykke/domain"
	"samtykke/domain/rules"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// A base is a database in which stores of views lie, each in a schema of its own.
type base struct {
	t    *testing.T
	dsn  string
	made int
	open []func()
}

func newBase(t *testing.T) *base {
	b := &base{t: t, dsn: postgrestest.Database(t)}
	t.Cleanup(b.close)
	return b
}

// close closes what was opened since the last time.
func (b *base) close() {
	for _, end := range slices.Backward(b.open) {
		end()
	}
	b.open = nil
}

func (b *base) schema() string {
	b.made++
	return fmt.Sprint("views", b.made)
}

// store opens a store in a schema.
func (b *base) store(t fataler, schema string) *postgres.Views {
	t.Helper()
	v, err := postgres.OpenViews(context.Background(), b.dsn, postgres.ViewsOptions{Schema: schema, Unsafe: true, Poll: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	b.open = append(b.open, func() { v.Close() })
	return v
}

// options are those of all instances on one ledger.
var options = views.StoreOptions{Keyed: keyed, Cache: 1 << 16}

func keyed(message []byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, []byte("a key of the tests"))
	mac.Write(message)
	return [sha256.Size]byte(mac.Sum(nil))
}

// in makes keepers over a store.
func (b *base) in(s views.Store) func(*ledger.Ledger) *views.Keeper {
	return func(l *ledger.Ledger) *views.Keeper {
		k := views.NewKeeperIn(l, rules.All, s, options)
		b.open = append(b.open, k.Close)
		return k
	}
}

// few has rapid check few lives, each of which costs tables.
func few(t *testing.T, checks string, check func(*rapid.T)) {
	t.Helper()
	was := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", checks); err != nil {
		t.Fatal(err)
	}
	defer flag.Set("rapid.checks", was)
	rapid.Check(t, check)
}

// Law 8 with the documents in PostgreSQL: kept up event by event they are those of a rebuild in memory, and of another generation that is
// built in batches with every record twice; and what is listed and due follows from them.
func TestReplayIsExactInStore(t *testing.T) {
	b := newBase(t)
	few(t, "12", func(t *rapid.T) {
		defer b.close()
		h := live(t, b.in(b.store(t, b.schema())))
		ctx := context.Background()
		rebuilt := h.keeper.Fresh()
		h.must(rebuilt.CatchUp(ctx))
		h.same("rebuilt in memory", h.keeper, rebuilt)
		if diffs, err := h.keeper.Differences(ctx); err != nil || len(diffs) > 0 {
			t.Errorf("Differences: %v, %v", diffs, err)
		}
		h.listsAgree(h.keeper)

		cut := &ending{Store: twice{h.ledger.Store, 2}}
		again := b.in(b.store(t, b.schema()))(&ledger.Ledger{Store: cut, Keys: h.ledger.Keys, Clock: h.ledger.Clock, Random: h.ledger.Random})
		head := rebuilt.Cursor()
		for cut.head < head {
			cut.head = min(head, cut.head+uint64(rapid.IntRange(1, 40).Draw(t, "batch")))
			h.must(again.CatchUp(ctx))
		}
		if !h.keysGone() {
			h.same("in batches", again, rebuilt)
		}
		h.listsAgree(again)
		h.foldsAgree(h.keeper)
	})
}

// A commit that is sent in pieces is one all the same: all of it is there, and nothing of one that comes too late.
func TestCommitInPieces(t *testing.T) {
	b := newBase(t)
	v, ctx := b.store(t, b.schema()), t.Context()
	var claimed []views.Generation
	for range 2 {
		g, err := v.Claim(ctx, "a shape", false, func(views.Progress) (bool, error) { return true, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		claimed = append(claimed, g)
	}
	rows := func(fill byte) (rows []views.Stored) {
		for n := range 5 {
			rows = append(rows, views.Stored{Key: views.Key{ID: domain.ID{15: byte(n)}}, Body: bytes.Repeat([]byte{fill}, 2<<20)})
		}
		return rows
	}
	err := claimed[0].Commit(ctx, views.Progress{Cursor: 7}, rows('a'))
	if err == nil {
		err = claimed[0].Serve(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := claimed[1].Commit(ctx, views.Progress{Cursor: 7}, rows('b')); !errors.Is(err, views.ErrAgain) {
		t.Errorf("a second commit of the same: %v", err)
	}
	var found []views.Stored
	for r, err := range v.Rows(ctx, views.Select{}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r)
	}
	if !reflect.DeepEqual(found, rows('a')) {
		t.Errorf("%d rows were committed, and others are there", len(found))
	}
}
