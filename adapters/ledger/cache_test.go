package ledger

import (
	"encoding/binary"
	"testing"

	"samtykke/domain"
)

// What is kept of a kind of stream is bounded by its bytes, whether streams are many or long; who was used last stays.
func TestCacheIsBounded(t *testing.T) {
	const most = 100_000
	id := func(n int) (id domain.ID) {
		binary.BigEndian.PutUint64(id[:], uint64(n))
		return id
	}
	held := func(c *cache[[50]byte]) (size int) {
		for _, k := range c.kept.Keys() {
			f, _ := c.kept.Peek(k)
			size += f.weight()
		}
		return size
	}
	for _, events := range []int{1, 2 * Remembered} {
		c := newCache[[50]byte](most)
		for n := range 1000 {
			c.put(id(n), &folded[[50]byte]{recent: make([]done, 1)})
			c.put(id(n), &folded[[50]byte]{recent: make([]done, events)})
			c.get(id(0))
			if got := held(c); got != c.size || got > most {
				t.Fatalf("after %d streams of %d events: %d bytes are held, and %d counted, of %d", n+1, events, got, c.size, most)
			}
		}
		if c.get(id(0)) == nil || c.get(id(999)) == nil || c.get(id(1)) != nil {
			t.Errorf("of streams of %d events others are kept than those that were used last", events)
		}
		if c.size < most*4/5 {
			t.Errorf("%d bytes are kept, where there is room for %d", c.size, most)
		}
		for n := range 1000 {
			c.remove(id(n))
		}
		if c.size != 0 || c.kept.Len() != 0 {
			t.Errorf("when all is forgotten, %d bytes are counted", c.size)
		}
	}
}

// A fold that is larger than all that may be kept is not kept, and pushes itself out.
func TestCacheWithoutRoom(t *testing.T) {
	c := newCache[int](1)
	c.put(domain.ID{1}, &folded[int]{})
	if c.get(domain.ID{1}) != nil || c.size != 0 {
		t.Errorf("%d bytes are kept of one", c.size)
	}
}
