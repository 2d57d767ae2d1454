package esdbtest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Options are how a server is set up. The zero value is one node without TLS that calls itself 23.10.8.
type Options struct {
	Version         string           // as the server tells it; "none" answers UNIMPLEMENTED, as old servers do
	MaxAppend       int              // bytes of one append, 1 MiB if 0
	TLS             *tls.Config      // none: without TLS, and nobody asks who calls
	User, Password  string           // who may do everything, where there is TLS
	OnlyCertificate bool             // a client's certificate is asked for in place of a user
	CaughtUpTwice   bool             // caught-up is sent twice, and again whenever a subscription reaches the end
	Repeats         bool             // a subscription behind an event begins with that event, which no server should
	NoDeleted       bool             // a deletion is answered without a position
	NoPositions     bool             // events of a stream are sent without their positions, as before 22.6
	Clock           func() time.Time // when events are created; a millisecond later each time if nil

	// Connection ages: see grpc's keepalive.ServerParameters. A node that ends a connection says GOAWAY.
	MaxAge, MaxIdle, Grace time.Duration
	// MinPing is how often a client may ping, 5 s if 0. One that does so more often is sent GOAWAY too_many_pings.
	MinPing time.Duration
}

// A Server is one node.
type Server struct {
	tb   testing.TB
	db   *database
	opts Options
	addr string

	mu       sync.Mutex
	grpc     *grpc.Server
	conns    map[net.Conn]bool
	stopped  chan struct{}
	follower bool
	hook     func(Call) Fate
	calls    map[string]int
	unled    int // calls of streams without requires-leader
	users    map[string]int
}

// Start starts a node on a port of this machine, and stops it at the end of the test.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	if opts.MaxAppend == 0 {
		opts.MaxAppend = 1 << 20
	}
	return start(tb, newDatabase(opts.Clock, opts.MaxAppend), opts)
}

// Join starts another node over the same database, as a follower.
func (n *Server) Join() *Server {
	n.tb.Helper()
	f := start(n.tb, n.db, n.opts)
	f.SetFollower(true)
	return f
}

func start(tb testing.TB, db *database, opts Options) *Server {
	n := &Server{tb: tb, db: db, opts: opts, addr: "127.0.0.1:0", calls: map[string]int{}, users: map[string]int{}}
	if opts.TLS != nil {
		n.addr = "localhost:0"
	}
	n.Start()
	db.mu.Lock()
	db.nodes = append(db.nodes, n)
	db.mu.Unlock()
	tb.Cleanup(n.Stop)
	return n
}

// Address is the node's host and port.
func (n *Server) Address() string { return n.addr }

// Start starts the node again after Stop, on its port.
func (n *Server) Start() {
	l, err := net.Listen("tcp", n.addr)
	if err != nil {
		n.tb.Fatalf("listen: %v", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.opts.TLS == nil {
		n.addr = l.Addr().String()
	} else {
		n.addr = fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port)
	}
	minPing := n.opts.MinPing
	if minPing == 0 {
		minPing = 5 * time.Second
	}
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(17 << 20), grpc.MaxSendMsgSize(64 << 20), grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: n.opts.MaxIdle, MaxConnectionAge: n.opts.MaxAge, MaxConnectionAgeGrace: n.opts.Grace,
		}),
	}
	if n.opts.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(n.opts.TLS)))
	}
	n.grpc, n.conns, n.stopped = grpc.NewServer(opts...), map[net.Conn]bool{}, make(chan struct{})
	streams.RegisterStreamsServer(n.grpc, streamsService{n: n})
	gossip.RegisterGossipServer(n.grpc, gossipService{n: n})
	serverfeatures.RegisterServerFeaturesServer(n.grpc, featuresService{n: n})
	go n.grpc.Serve(&listener{l, n})
}

// Stop stops the node at once, calls under way included. What was written stays; ids are forgotten, as far as they are
// kept in memory.
func (n *Server) Stop() {
	n.mu.Lock()
	server, stopped := n.grpc, n.stopped
	n.grpc = nil
	n.mu.Unlock()
	if server == nil {
		return
	}
	close(stopped)
	server.Stop()
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	n.db.recent = map[[16]byte]place{}
}

// Restart stops the node and starts it.
func (n *Server) Restart() {
	n.Stop()
	n.Start()
}

// Faults has hook asked about the fate of every call. A nil hook serves them all.
func (n *Server) Faults(hook func(Call) Fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hook = hook
}

// ForgetIDs takes from the server its idempotency, or gives it back: without it a repeated append is judged by its
// expected revision alone.
func (n *Server) ForgetIDs(forget bool) {
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	n.db.forgets = forget
}

// SetFollower makes the node a follower or the leader.
func (n *Server) SetFollower(follower bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.follower = follower
}

func (n *Server) isFollower() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.follower
}

// leader is the first node that is the leader, the node itself when there is none.
func (n *Server) leader() *Server {
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	for _, other := range n.db.nodes {
		if !other.isFollower() {
			return other
		}
	}
	return n
}

func (n *Server) endpoint() (host, port string) {
	host, port, _ = net.SplitHostPort(n.Address())
	return host, port
}

// CutConnections cuts every connection of the node.
func (n *Server) CutConnections() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		c.Close()
	}
}

// Calls counts the calls of a method so far.
func (n *Server) Calls(method string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.calls[method]
}

// Unled counts the calls of streams that did not ask for the leader.
func (n *Server) Unled() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.unled
}

// Users counts the calls of streams by user; those without one under the empty name.
func (n *Server) Users() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	users := map[string]int{}
	for user, count := range n.users {
		users[user] = count
	}
	return users
}

// Scavenge removes from the database what is hidden or deleted, and tells how many events that were.
func (n *Server) Scavenge() int { return n.db.scavenge() }

// Log gives all that is in the database, in the order of $all.
func (n *Server) Log() []Event {
	all, _ := n.db.behind(0)
	events := make([]Event, len(all))
	for i, e := range all {
		events[i] = *e
	}
	return events
}

// Put appends to a stream whatever its version, as another application would.
func (n *Server) Put(stream string, events ...Event) {
	var put []*Event
	for _, e := range events {
		put = append(put, &e)
	}
	n.db.append(stream, anyVersion, put)
}

// begin counts a call, and asks for its fate.
func (n *Server) begin(method, stream string) Fate {
	n.mu.Lock()
	n.calls[method]++
	call, hook := Call{method, stream, n.calls[method]}, n.hook
	n.mu.Unlock()
	if hook == nil {
		return Served
	}
	return hook(call)
}

// admit begins a call of streams: it checks who calls and whether this is the node to ask, and asks for the call's fate.
func (n *Server) admit(ctx context.Context, method, stream string, trailer func(metadata.MD)) (Fate, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	leaderOnly := len(md.Get("requires-leader")) > 0 && md.Get("requires-leader")[0] == "true"
	user, ok := n.authenticate(md)
	n.mu.Lock()
	n.users[user]++
	if !leaderOnly {
		n.unled++
	}
	n.mu.Unlock()
	if !ok {
		return 0, status.Error(codes.Unauthenticated, "")
	}
	if leaderOnly && n.isFollower() {
		return 0, n.notLeader(trailer)
	}
	fate := n.begin(method, stream)
	if fate == Held {
		n.mu.Lock()
		stopped := n.stopped
		n.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-stopped:
		}
		return fate, status.Error(codes.Canceled, "held")
	}
	return fate, n.fail(fate, true, trailer)
}

func (n *Server) authenticate(md metadata.MD) (user string, ok bool) {
	given := md.Get("authorization")
	if len(given) > 0 {
		user = "somebody else"
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(n.opts.User+":"+n.opts.Password))
	if len(given) > 0 && given[0] == want {
		user = n.opts.User
	}
	return user, n.opts.TLS == nil || n.opts.OnlyCertificate || user == n.opts.User
}

type listener struct {
	net.Listener
	n *Server
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	l.n.conns[c] = true
	return &conn{c, l.n}, nil
}

type conn struct {
	net.Conn
	n *Server
}

func (c *conn) Close() error {
	c.n.mu.Lock()
	delete(c.n.conns, c.Conn)
	c.n.mu.Unlock()
	return c.Conn.Close()
}

type featuresService struct {
	serverfeatures.UnimplementedServerFeaturesServer
	n *Server
}

func (s featuresService) GetSupportedMethods(ctx context.Context, _ *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	if fate := s.n.begin("features", ""); fate != Served {
		return nil, s.n.discoveryFault(ctx, fate)
	}
	version := s.n.opts.Version
	switch version {
	case "none":
		return nil, status.Error(codes.Unimplemented, "unknown service")
	case "":
		version = "23.10.8"
	}
	m := func(service, method string, features ...string) *serverfeatures.SupportedMethod {
		return &serverfeatures.SupportedMethod{ServiceName: service, MethodName: method, Features: features}
	}
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: version, Methods: []*serverfeatures.SupportedMethod{
		m("event_store.client.streams.streams", "read", "position", "events"),
		m("event_store.client.streams.streams", "append"),
		m("event_store.client.streams.streams", "delete"),
		m("event_store.client.streams.streams", "tombstone"),
		m("event_store.client.gossip.gossip", "read"),
	}}, nil
}

func (n *Server) discoveryFault(ctx context.Context, fate Fate) error {
	if fate == Held {
		<-ctx.Done()
	}
	return status.Error(codes.Unavailable, "Server Is Not Ready")
}

type gossipService struct {
	gossip.UnimplementedGossipServer
	n *Server
}

func (s gossipService) Read(ctx context.Context, _ *shared.Empty) (*gossip.ClusterInfo, error) {
	if fate := s.n.begin("gossip", ""); fate != Served {
		return nil, s.n.discoveryFault(ctx, fate)
	}
	s.n.db.mu.Lock()
	nodes := s.n.db.nodes
	s.n.db.mu.Unlock()
	var info gossip.ClusterInfo
	for _, node := range nodes {
		state := gossip.MemberInfo_Leader
		if node.isFollower() {
			state = gossip.MemberInfo_Follower
		}
		host, port := node.endpoint()
		number, _ := strconv.Atoi(port)
		node.mu.Lock()
		alive := node.grpc != nil
		node.mu.Unlock()
		info.Members = append(info.Members, &gossip.MemberInfo{
			State: state, IsAlive: alive, HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)},
		})
	}
	return &info, nil
}
