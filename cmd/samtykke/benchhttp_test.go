package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A quick run prints every line: each number of callers, each of both acts beside its yardstick, and the memory.
func TestBenchHTTP(t *testing.T) {
	lines := quickLines(t, "--http")
	if resident() > 0 && len(lines) != 4*len(httpCallers)+2 {
		t.Errorf("%d lines", len(lines))
	}
	beside, held := 0, 0
	for _, l := range lines {
		if l.Figure <= 0 {
			t.Errorf("%s: no figure: %+v", l.What, l)
		}
		if l.Ratio > 0 {
			beside++
		}
		if l.Aim != "" {
			held++
		}
	}
	if beside != 2*len(httpCallers) || held != 2 {
		t.Errorf("%d lines have a yardstick, and %d an aim", beside, held)
	}
}

// A wire sends a request with a fresh key each time, and reads answers with a body, without, and none.
func TestBenchWire(t *testing.T) {
	here, there := net.Pipe()
	go func() {
		buf := make([]byte, 4096)
		for _, answer := range []string{
			"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
			"HTTP/1.1 204 No Content\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		} {
			there.Read(buf)
			io.WriteString(there, answer)
		}
		there.Close()
	}()
	w := newWire(here)
	p := newPost("/feedback", "", map[string]int{"a": 1})
	first := string(p.again())
	if second := string(p.again()); first == second || len(first) != len(second) || !strings.HasSuffix(first, "\r\n\r\n{\"a\":1}") {
		t.Errorf("the requests are %q and %q", first, second)
	}
	if status, body, err := w.ask(p.again()); status != http.StatusNotFound || string(body) != "hello" || err != nil {
		t.Error(status, string(body), err)
	}
	if status, body, err := w.ask(p.again()); status != http.StatusNoContent || len(body) != 0 || err != nil {
		t.Error(status, string(body), err)
	}
	for range 2 {
		if _, _, err := w.ask(p.again()); err == nil {
			t.Error("no answer, and no error")
		}
	}
}
