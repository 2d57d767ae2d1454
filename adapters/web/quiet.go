package web

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// quiet takes what net/http has to say. Its lines hold addresses and what clients sent, so they are told by kind and counted:
// logged the 1st, 10th, 100th ... time, and in total at the end.
type quiet struct {
	log  *slog.Logger
	mu   sync.Mutex
	seen map[string]int
}

// kinds of what net/http logs, by how the line begins; http.Server.ErrorLog gets one line in one Write.
var kinds = []struct{ begins, kind string }{
	{"http: TLS handshake error", "TLS handshake failed"},
	{"http: Accept error", "a connection could not be accepted"}, // mostly: no file descriptors are left
	{"http: panic serving", "panic outside of a request"},
	{"http2:", "HTTP/2 error"},
}

func (q *quiet) Write(line []byte) (int, error) {
	kind := "other"
	for _, k := range kinds {
		if bytes.HasPrefix(line, []byte(k.begins)) {
			kind = k.kind
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen[kind]++
	n := q.seen[kind]
	for n%10 == 0 {
		n /= 10
	}
	if n == 1 {
		q.tell(kind)
	}
	return len(line), nil
}

// total says how often each came.
func (q *quiet) total() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(q.seen)) {
		q.tell(kind)
	}
}

func (q *quiet) tell(kind string) {
	q.log.Warn("connection trouble", slog.String("kind", kind), slog.Int("times", q.seen[kind]))
}
