package esdb

import (
	"context"
	"encoding/binary"
	"sort"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"samtykke/adapters/ledger"
	"samtykke/domain"
)

// blockSize is how many positions a block of numbers holds: what is decoded to find one.
const blockSize = 512

// A block is a run of commit positions: the first, and how much each of the others is above the one before.
type block struct {
	first uint64
	rest  []byte // unsigned varints
}

// numbers are the commit positions of all the ledger's events, in order: an event's place among them, from 1, is its
// position in the ledger. They only grow.
type numbers struct {
	mu      sync.Mutex
	blocks  []block
	count   uint64
	last    uint64    // commit position of the last event
	lastID  domain.ID // its id
	err     error     // why no more come
	changed chan struct{}
	waiting map[version][]chan<- ledger.Position
}

// A version is a place in a stream, by the server's name and from 1.
type version struct {
	stream string
	number uint64
}

func newNumbers() *numbers {
	return &numbers{changed: make(chan struct{}), waiting: map[version][]chan<- ledger.Position{}}
}

// add gives the next event its position, and tells who waits for it.
func (n *numbers) add(commit uint64, id domain.ID, v version) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.count%blockSize == 0 {
		if k := len(n.blocks); k > 0 {
			n.blocks[k-1].rest = append([]byte(nil), n.blocks[k-1].rest...) // no room to grow is needed any more
		}
		n.blocks = append(n.blocks, block{first: commit})
	} else {
		b := &n.blocks[len(n.blocks)-1]
		b.rest = binary.AppendUvarint(b.rest, commit-n.last)
	}
	n.count, n.last, n.lastID = n.count+1, commit, id
	for _, w := range n.waiting[v] {
		w <- n.count
	}
	delete(n.waiting, v)
	n.wake()
}

func (n *numbers) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// end says that no more will come, and why.
func (n *numbers) end(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = err
	n.wake()
}

// failure tells why no more will come, nil if they will.
func (n *numbers) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// expect has the position of a version sent when it is given, if that is still to come. A caller who gives up calls forget.
func (n *numbers) expect(v version) (position <-chan ledger.Position, forget func()) {
	w := make(chan ledger.Position, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting[v] = append(n.waiting[v], w)
	return w, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		kept := n.waiting[v][:0]
		for _, other := range n.waiting[v] {
			if other != w {
				kept = append(kept, other)
			}
		}
		if n.waiting[v] = kept; len(kept) == 0 {
			delete(n.waiting, v)
		}
	}
}

// reached waits until events up to the commit position have theirs.
func (n *numbers) reached(ctx context.Context, commit uint64) error {
	for {
		n.mu.Lock()
		changed, there, err := n.changed, n.count > 0 && n.last >= commit, n.err
		n.mu.Unlock()
		if there || err != nil {
			if there {
				err = nil
			}
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// position gives the position of the event at a commit position, when it is reached.
func (n *numbers) position(ctx context.Context, commit uint64) (p ledger.Position, ok bool, err error) {
	if err := n.reached(ctx, commit); err != nil {
		return 0, false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k := sort.Search(len(n.blocks), func(i int) bool { return n.blocks[i].first > commit })
	if k == 0 {
		return 0, false, nil
	}
	p = uint64(k-1)*blockSize + 1
	at := n.blocks[k-1].first
	for rest := n.blocks[k-1].rest; at < commit && len(rest) > 0; p++ {
		step, size := binary.Uvarint(rest)
		at, rest = at+step, rest[size:]
	}
	return p, at == commit, nil
}

// A cursor is a place in $all behind an event, or before the first, and how many of the ledger's events are before it.
type cursor struct {
	count uint64
	at    esdb.AllPosition
	last  uint64 // commit position of the event before it, when count is not 0
}

// cursor gives the place behind the position, or the last there is before it.
func (n *numbers) cursor(p ledger.Position) cursor {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p = min(p, n.count); p == 0 {
		return cursor{at: esdb.Start{}}
	}
	commit := n.last
	if p < n.count {
		b := n.blocks[(p-1)/blockSize]
		commit = b.first
		rest := b.rest
		for range (p - 1) % blockSize {
			step, size := binary.Uvarint(rest)
			commit, rest = commit+step, rest[size:]
		}
	}
	return cursor{p, esdb.Position{Commit: commit, Prepare: commit}, commit}
}
