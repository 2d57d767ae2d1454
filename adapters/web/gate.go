package web

import (
	"net"
	"sync"
)

// A gate lets in as many connections as there may be, see the package comment.
type gate struct {
	*net.TCPListener
	free   chan struct{} // one token for each connection that may still come
	closed chan struct{}
	once   sync.Once
	from   *counts // nil where connections are not counted by address
}

func newGate(l *net.TCPListener, cfg Config) *gate {
	g := &gate{TCPListener: l, free: make(chan struct{}, cfg.Connections), closed: make(chan struct{})}
	for range cfg.Connections {
		g.free <- struct{}{}
	}
	if !cfg.BehindProxy {
		g.from = &counts{most: max(1, cfg.Connections/4), open: map[string]int{}}
	}
	return g
}

// Accept waits until there may be one more connection, and then for one. One that its address has too many of is closed
// before anything is read from it.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case <-g.free:
	case <-g.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := g.AcceptTCP()
		if err != nil {
			g.free <- struct{}{}
			return nil, err
		}
		if where := origin(c.RemoteAddr()); g.from.enter(where) {
			return &entered{TCPConn: c, gate: g, where: where}, nil
		}
		c.SetLinger(0) // no farewell, so that nothing of it stays behind
		c.Close()
	}
}

func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.TCPListener.Close()
}

// origin is what a connection is counted by; "" is not counted.
func origin(a net.Addr) string {
	from, ok := parseAddress(a.String())
	if !ok || from.IsLoopback() {
		return ""
	}
	return neighbourhood(from).String()
}

// An entered connection gives its place back when it is closed. It embeds the type, not the interface, because net/http asks
// connections for more than net.Conn has.
type entered struct {
	*net.TCPConn
	gate  *gate
	where string
	once  sync.Once
}

func (c *entered) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() {
		c.gate.from.leave(c.where)
		c.gate.free <- struct{}{}
	})
	return err
}

// counts says how many connections each address has open. A nil one does not count.
type counts struct {
	mu   sync.Mutex
	most int // for one address
	open map[string]int
}

// enter counts one more, and tells whether it may come.
func (n *counts) enter(where string) bool {
	if n == nil || where == "" {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open[where] >= n.most {
		return false
	}
	n.open[where]++
	return true
}

func (n *counts) leave(where string) {
	if n == nil || where == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open[where]--; n.open[where] == 0 {
		delete(n.open, where)
	}
}
