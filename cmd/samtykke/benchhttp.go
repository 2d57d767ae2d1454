package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strconv"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/domain/client"
)

// httpCallers are how many ask at once, each on a connection of its own.
var httpCallers = []int{1, 16, 64}

// overHTTP measures look-ups, grants and withdrawals over TCP on this machine, beside a handler under the same shell that
// decodes the same body and answers as much.
func (b *bench) overHTTP() error {
	b.said = append(b.said,
		"Over HTTP: the server of samtykke serve, over TCP on this machine, durable (fdatasync). Its log is made and thrown away.",
		"Each caller has a connection that stays open, a session and an organisation of its own; every command a fresh Idempotency-Key.",
		"Callers share the cores with the server. The yardstick, by the same callers, is a handler under the same shell that decodes the same body and answers as many bytes.",
		fmt.Sprintf("Figure and yardstick take turns, in %d rounds; each is a median, and the ratio is figure ÷ yardstick. Waits are from the first byte sent to the last one read.", b.rounds),
		"Cores: what one of them costs all cores together, the caller's part included.",
	)
	h, err := b.newCrowd()
	if err != nil {
		return err
	}
	for _, callers := range httpCallers {
		b.note(fmt.Sprintf("http, %d callers", callers))
		if err := h.measure(callers); err != nil {
			return err
		}
	}
	runtime.GC()
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	with := fmt.Sprintf("%s clients; server and callers", grouped(float64(len(h.people.people))))
	b.add(benchLine{Section: "memory after that", What: "heap in use", Figure: float64(heap[0].Value.Uint64()), Unit: bytesHeld, Note: with}, nil)
	if held := resident(); held > 0 {
		b.add(benchLine{Section: "memory after that", What: "resident, the whole process", Figure: held, Unit: bytesHeld, Note: with}, nil)
	}
	return h.close()
}

// A crowd is the callers, and the servers they ask.
type crowd struct {
	b       *bench
	people  *populace
	ends    []func() error
	callers []*httpCaller

	at                   string // the server's address
	atPlain, atNoContent string // of the yardsticks
}

// An httpCaller asks for the same over and over: it looks up clients as a professional, and answers about sharing as others.
type httpCaller struct {
	looks, shares turn // at the server
	plain         turn // the same as looks and shares, at the yardsticks
	plainShares   turn
}

// newCrowd makes an organisation for each caller, with clients who are looked up and as many who stop sharing and share again.
func (b *bench) newCrowd() (*crowd, error) {
	most := httpCallers[len(httpCallers)-1]
	each := max(4, b.people/most)
	p, err := b.newSharing("http", most*each, each, b.journal)
	if err != nil {
		return nil, err
	}
	p.sys.start()
	h := &crowd{b: b, people: p}
	service := p.sys.service(false)
	if h.at, err = h.serve(site(service, nil, nil)); err != nil {
		return nil, err
	}
	for c := range most {
		mine := p.people[c*each : (c+1)*each]
		var k httpCaller
		if k.looks.posts, err = p.looks(b.ctx, service, mine[:each/2]); err == nil {
			k.shares.posts, err = p.shares(b.ctx, service, mine[each/2:])
		}
		if err != nil {
			return nil, err
		}
		k.plain.posts, k.plainShares.posts = k.looks.posts, k.shares.posts
		h.callers = append(h.callers, &k)
	}
	if err := p.sys.settle(b.ctx); err != nil {
		return nil, err
	}
	return h, h.yardsticks()
}

// yardsticks serves what is measured beside: with the status and as many bytes as the server answers.
func (h *crowd) yardsticks() error {
	w, err := dial(h.at)
	if err != nil {
		return err
	}
	status, body, err := w.ask(h.callers[0].looks.next())
	if err == nil && (status != http.StatusOK || !bytes.Contains(body, []byte(`"scores"`))) {
		err = fmt.Errorf("a look-up was answered %d, and showed nothing", status)
	}
	if err = errors.Join(err, w.conn.Close()); err != nil {
		return err
	}
	if h.atPlain, err = h.serve(decodeAndAnswer[api.LookUp](status, bytes.Clone(body))); err != nil {
		return err
	}
	h.atNoContent, err = h.serve(decodeAndAnswer[api.AnswerShare](http.StatusNoContent, nil))
	return err
}

// connect gives as many callers their connections, just before they are used: a server closes those on which nothing comes.
func (h *crowd) connect(callers int) (err error) {
	for _, k := range h.callers[:callers] {
		for _, end := range []struct {
			wire **wire
			at   string
		}{{&k.looks.wire, h.at}, {&k.plain.wire, h.atPlain}, {&k.plainShares.wire, h.atNoContent}} {
			if *end.wire != nil {
				continue
			}
			if *end.wire, err = dial(end.at); err != nil {
				return err
			}
		}
		k.shares.wire = k.looks.wire
	}
	return nil
}

func decodeAndAnswer[In any](status int, answer []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := web.Decode(r, &in); err != nil {
			web.WriteProblem(w, r, web.FromError(err))
			return
		}
		web.Send(w, r, status, "application/json", answer)
	})
}

// serve starts a server on this machine, and gives its address.
func (h *crowd) serve(site http.Handler) (string, error) {
	at, end, err := h.b.serve(site)
	if err == nil {
		h.ends = append(h.ends, end)
	}
	return at, err
}

func (b *bench) serve(site http.Handler) (address string, end func() error, err error) {
	server, err := web.Listen(web.Config{Listen: "127.0.0.1:0", Log: web.Logger(io.Discard), Clock: time.Now, Random: rand.Reader}, site)
	if err != nil {
		return "", nil, err
	}
	ctx, stop := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	return server.Addr().String(), func() error { stop(); return <-ended }, nil
}

func (h *crowd) close() error {
	var err error
	for _, k := range h.callers {
		err = errors.Join(err, k.looks.wire.conn.Close(), k.plain.wire.conn.Close(), k.plainShares.wire.conn.Close())
	}
	for _, end := range h.ends {
		err = errors.Join(err, end())
	}
	return errors.Join(err, h.people.sys.close())
}

func (h *crowd) measure(callers int) error {
	var plain, looked, plainShares, shared turns
	ways := []struct {
		into   *turns
		of     func(*httpCaller) *turn
		status int
	}{
		{&plain, func(k *httpCaller) *turn { return &k.plain }, http.StatusOK},
		{&looked, func(k *httpCaller) *turn { return &k.looks }, http.StatusOK},
		{&plainShares, func(k *httpCaller) *turn { return &k.plainShares }, http.StatusNoContent},
		{&shared, func(k *httpCaller) *turn { return &k.shares }, http.StatusNoContent},
	}
	if err := h.connect(callers); err != nil {
		return err
	}
	for range h.b.rounds {
		for _, way := range ways {
			r, err := drive(callers, h.b.slice, func(c, _ int) error { return way.of(h.callers[c]).take(way.status) })
			if err == nil {
				err = h.people.sys.settle(h.b.ctx)
			}
			if err != nil {
				return err
			}
			*way.into = append(*way.into, r)
		}
	}
	section := fmt.Sprintf("over HTTP, %d at once", callers)
	line := func(what string, t turns, against string, yardstick float64, a *aim) {
		h.b.add(benchLine{
			Section: section, What: what, Figure: t.perSecond(), Unit: perSecond, Against: against, Yardstick: yardstick,
			Note: fmt.Sprintf("p50 %s, p99 %s, %s", seconds.show(t.quantile(0.5)), seconds.show(t.quantile(0.99)), t.processor()),
		}, a)
	}
	var held *aim
	if callers == httpCallers[len(httpCallers)-1] {
		held = &aim{ratio: true, least: 1.0 / 2}
	}
	line("decoding a look-up, answering as much", plain, "", 0, nil)
	line("audited look-up", looked, "decoding and answering", plain.perSecond(), held)
	line("decoding a yes or no, answering nothing", plainShares, "", 0, nil)
	line("yes and no in turn", shared, "decoding and answering", plainShares.perSecond(), held)
	return nil
}

// looks are requests to look up each of an organisation's clients, by one of its professionals.
func (p *populace) looks(ctx context.Context, service *api.API, of []*benchClient) ([]post, error) {
	by := of[0].org.staff[0]
	if err := p.sys.enrol(ctx, by, "kari@example.org"); err != nil {
		return nil, err
	}
	token, err := p.staffSession(ctx, service, by)
	var posts []post
	for _, c := range of {
		posts = append(posts, newPost("/clients/"+c.handle.String()+"/look-ups", token, api.LookUp{Purpose: client.Appointment, Kinds: benchKinds}))
	}
	return posts, err
}

// shares are the answers of clients who share: no, then yes again, client by client.
func (p *populace) shares(ctx context.Context, service *api.API, of []*benchClient) ([]post, error) {
	var posts []post
	for _, c := range of {
		s, _, err := p.sys.desk.Clients.State(ctx, c.id)
		if err != nil {
			return nil, err
		}
		token, err := service.Sessions.New(ctx, p.clock.now(), &signin.Session{ID: c.handle, Actor: c.id, Role: domain.RoleClient, Channel: "web", Code: s.Code})
		if err != nil {
			return nil, err
		}
		for _, share := range []bool{false, true} {
			posts = append(posts, newPost("/sharing", token.Cookie(), api.AnswerShare{Share: share, Occasion: client.Settings, Text: api.Shown(shownText)}))
		}
	}
	return posts, nil
}

// staffSession is a session of somebody who has an account, as if signed in, and gives its token.
func (p *populace) staffSession(ctx context.Context, service *api.API, by ledger.Caller) (string, error) {
	a, _, err := p.sys.desk.Staff.State(ctx, by.Actor)
	if err != nil {
		return "", err
	}
	o, _, err := p.sys.desk.Organisations.State(ctx, by.Organisation)
	if err != nil {
		return "", err
	}
	token, err := service.Sessions.New(ctx, p.clock.now(), &signin.Session{
		ID: by.Session, Actor: by.Actor, Role: by.Role, Organisation: by.Organisation, Channel: "web",
		Credentials: a.Credentials, Standing: o.Members[by.Actor].Since,
	})
	if err != nil {
		return "", err
	}
	return token.Cookie(), nil
}

// A turn is requests that one caller sends in turn over a wire.
type turn struct {
	wire  *wire
	posts []post
	n     int
}

// next gives the request whose turn it is, with a fresh key.
func (t *turn) next() []byte {
	p := &t.posts[t.n%len(t.posts)]
	t.n++
	return p.again()
}

func (t *turn) take(status int) error {
	got, body, err := t.wire.ask(t.next())
	if err == nil && got != status {
		err = fmt.Errorf("answered %d: %s", got, body)
	}
	return err
}

// A post is a request as it goes over the wire, with a key that is written anew each time it is sent.
type post struct {
	bytes []byte
	key   int // where the last 16 digits of the key begin; they count
	sent  uint64
}

// newPost makes a request of the interface. Without a token nobody is signed in.
func newPost(path, token string, in any) post {
	body, err := json.Marshal(in)
	if err != nil {
		panic(err) // unreachable: the interface's own types
	}
	var key [8]byte
	rand.Read(key[:])
	var to bytes.Buffer
	fmt.Fprintf(&to, "POST %s%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", api.Prefix, path, len(body))
	if token != "" {
		fmt.Fprintf(&to, "Authorization: Bearer %s\r\n", token)
	}
	fmt.Fprintf(&to, "Idempotency-Key: %x", key)
	at := to.Len()
	fmt.Fprintf(&to, "%016x\r\n\r\n%s", 0, body)
	return post{bytes: to.Bytes(), key: at}
}

func (p *post) again() []byte {
	p.sent++
	hex.Encode(p.bytes[p.key:], binary.BigEndian.AppendUint64(nil, p.sent))
	return p.bytes
}

// A wire is a connection that stays open. It understands no more of HTTP than the answers of this server take, so that
// asking costs little beside answering.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte
}

func dial(address string) (*wire, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return newWire(c), nil
}

func newWire(c net.Conn) *wire { return &wire{conn: c, in: bufio.NewReaderSize(c, 16<<10)} }

// ask sends a request and reads the whole answer. The body is the wire's own, and good until it asks again.
func (w *wire) ask(request []byte) (status int, body []byte, err error) {
	if _, err := w.conn.Write(request); err != nil {
		return 0, nil, err
	}
	length, known := 0, false
	for n := 0; ; n++ {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if n == 0 {
			if len(line) < len("HTTP/1.1 200") {
				return 0, nil, errNotHTTP
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, nil, errNotHTTP
			}
		} else if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, errNotHTTP
			}
			known = true
		} else if len(line) == 0 {
			break
		}
	}
	if !known && status != http.StatusNoContent {
		return 0, nil, errNotHTTP
	}
	if cap(w.body) < length {
		w.body = make([]byte, length)
	}
	w.body = w.body[:length]
	_, err = io.ReadFull(w.in, w.body)
	return status, w.body, err
}

var errNotHTTP = errors.New("the answer is not as this server gives them")
