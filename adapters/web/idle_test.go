//go:build unix

package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Thousands of connections that say nothing more do not slow down the others.
func TestIdleConnectionsCostLittle(t *testing.T) {
	address, stop := up(t, quietly(), hello)
	wanted := most
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Log("the limit of open files could not be raised:", err)
	}
	wanted = min(wanted, (int(limit.Cur)-500)/2) // both ends are in this process

	c := dial(t, address)
	c.SetDeadline(time.Now().Add(time.Minute))
	answers := bufio.NewReader(c)
	loop := func() time.Duration {
		took := make([]time.Duration, 400)
		for i := range took {
			began := time.Now()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			r, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, r.Body)
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	loop()                                // the first ones warm up
	before := min(loop(), loop(), loop()) // a garbage collection or a neighbour may fall into one
	memory := inUse()

	idle := make([]net.Conn, 0, wanted)
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	for i := range wanted {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		idle = append(idle, c)
		if i%2 == 0 { // half have said nothing yet, half are between requests
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			io.ReadFull(c, make([]byte, 1))
		}
	}
	each := (int(inUse()) - int(memory)) / wanted
	after := min(loop(), loop(), loop())
	t.Logf("%d idle connections, %d bytes each: median %v before, %v with them (%.2f)", wanted, each, before, after, float64(after)/float64(before))
	if wanted < 1000 {
		t.Errorf("only %d connections are allowed here: the test shows little", wanted)
	}
	if slack := 50 * time.Microsecond; after > 2*before+slack {
		t.Errorf("median %v before, %v with %d idle connections", before, after, wanted)
	}
	for _, c := range idle {
		c.Close()
	}
	c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// inUse is how much memory the heap and the stacks take.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
