package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"samtykke/domain"
)

// A request is what the shell knows of the request under way. Its context carries it inwards, where handlers add what only
// they know. Only the goroutine that serves the request touches it.
type request struct {
	reference string
	address   netip.Addr
	route     string
	role      domain.Role
	checks    []func() error
	status    int   // of what was sent; 0: nothing yet
	bytes     int64 // of the body that was sent
	log       *slog.Logger
}

type requestKey struct{}

// under gives the request under way; outside the shell one that nothing comes of.
func under(ctx context.Context) *request {
	if q, ok := ctx.Value(requestKey{}).(*request); ok {
		return q
	}
	return &request{log: slog.Default()}
}

// Reference is the request's number, which a person can read out and the log can be searched for; "" outside Handler. It says
// nothing of who asked for what.
func Reference(ctx context.Context) string { return under(ctx).reference }

// Name says which route serves the request: the method and the template as they stand in the route table, such as
// "GET /api/v1/clients/{handle}". It is what the access log shows in the path's place; without it that stands empty.
func Name(ctx context.Context, route string) { under(ctx).route = route }

// SetRole says for the access log as what somebody acts.
func SetRole(ctx context.Context, role domain.Role) { under(ctx).role = role }

// BeforeAnswering has Answer and Send call the check after an answer is made and before its first byte leaves. When the check
// gives an error, that is answered instead. Checks run in the order in which they came.
func BeforeAnswering(ctx context.Context, check func() error) {
	q := under(ctx)
	q.checks = append(q.checks, check)
}

// Address is where the request came from, to limit attempts by, and for nothing else: it is neither logged nor kept. An IPv6
// address is cut to its first 64 bits, which is what one household or host is given, and could draw new addresses from
// without end. Behind a proxy it is what the proxy added last to X-Forwarded-For; what stands before that, anybody may have
// written. If the proxy added nothing that is an address, it is the proxy's own. The zero address is none that
// could be read.
func Address(r *http.Request) netip.Addr {
	if q := under(r.Context()); q.address.IsValid() {
		return q.address
	}
	return address(r, false)
}

func address(r *http.Request, proxied bool) netip.Addr {
	if proxied {
		if hops := r.Header.Values("X-Forwarded-For"); len(hops) > 0 {
			last := hops[len(hops)-1]
			if a, ok := parseAddress(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); ok {
				return neighbourhood(a)
			}
		}
	}
	a, _ := parseAddress(r.RemoteAddr)
	return neighbourhood(a)
}

// parseAddress reads an address with or without a port.
func parseAddress(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.Unmap().WithZone(""), err == nil
}

// neighbourhood is the address, or the first 64 bits of an IPv6 one.
func neighbourhood(a netip.Addr) netip.Addr {
	if p, err := a.Prefix(64); err == nil && a.Is6() {
		return p.Addr()
	}
	return a
}

// alphabet has no characters that look like one another; it is that of clients' codes.
const (
	alphabet        = "0123456789ACDEFGHJKMNPQRTVWXY"
	referenceLength = 10 // 48 random bits: two of a million requests share one with a chance of 1 in 800
)

// references draws numbers for requests, one at a time.
type references struct {
	sync.Mutex
	random io.Reader
}

func (s *references) next() string {
	s.Lock()
	defer s.Unlock()
	const even = 256 / len(alphabet) * len(alphabet) // bytes from here on would favour the first characters
	var drawn [1]byte
	number := make([]byte, 0, referenceLength)
	for len(number) < referenceLength {
		if _, err := io.ReadFull(s.random, drawn[:]); err != nil {
			panic("web: the source of randomness failed") // unreachable with crypto/rand, which never fails
		}
		if int(drawn[0]) < even {
			number = append(number, alphabet[int(drawn[0])%len(alphabet)])
		}
	}
	return string(number)
}
