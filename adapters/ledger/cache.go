package ledger

import (
	"math"
	"reflect"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"samtykke/domain"
)

// DefaultStates is Ledger.States where that is not set.
const DefaultStates = 64 << 20

// A cache keeps the folds that were used last, of up to so many bytes.
type cache[S any] struct {
	most int

	mu   sync.Mutex
	kept *simplelru.LRU[domain.ID, *folded[S]]
	size int // bytes, about
}

func newCache[S any](most int) *cache[S] {
	kept, err := simplelru.NewLRU[domain.ID, *folded[S]](math.MaxInt, nil) // what bounds it is its size
	if err != nil {
		panic(err) // unreachable: the number is positive
	}
	return &cache[S]{most: most, kept: kept}
}

// weight is what a fold takes in memory, about: its state twice, for what that points to, its name, its place in lists, and its last events.
// What grows in a state without bound, such as an organisation's members, is not weighed.
func (f *folded[S]) weight() int {
	return 2*int(reflect.TypeFor[S]().Size()) + 400 + cap(f.recent)*int(reflect.TypeFor[done]().Size())
}

func (c *cache[S]) get(id domain.ID) *folded[S] {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, _ := c.kept.Get(id)
	return f
}

// put keeps a fold, and lets go of those that were used longest ago.
func (c *cache[S]) put(id domain.ID, f *folded[S]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.kept.Peek(id); ok {
		c.size -= before.weight()
	}
	c.kept.Add(id, f)
	for c.size += f.weight(); c.size > c.most; {
		_, oldest, ok := c.kept.RemoveOldest()
		if !ok {
			return
		}
		c.size -= oldest.weight()
	}
}

func (c *cache[S]) remove(id domain.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.kept.Peek(id); ok {
		c.size -= f.weight()
		c.kept.Remove(id)
	}
}
