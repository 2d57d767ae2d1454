// Package webhook gives notices to a gateway by HTTP: the operator's own, which sends push notices or lights a badge in an app.
//
// Each is a POST of one JSON object by the schema client.notice.v1, a kind and a pseudonym and nothing else, with the message's UUID as
// Idempotency-Key. The same notice can come more than once, and then has the same key. No two come at once, and none overtakes another.
//
//	2xx            the gateway has the notice, or nobody to give it to: it does not come again
//	400, 410, 422  the gateway will never take this notice: it comes a few times more, and is put aside
//	anything else  the gateway is away, and so it is when it does not answer within Patience: the notice comes again until it is taken,
//	               and those behind it wait
//
// So a gateway that is down, or at another address, or does not let us in costs no notice but time. Whoever answers 400 to everything loses
// everything. A redirect is not followed: it would take the pseudonyms to whoever can answer in the gateway's place. Of an answer
// nothing is kept or logged but its status.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"samtykke/adapters/relay"
)

// Patience is how long an attempt may take.
const Patience = 3 * time.Second

// readMost is how many bytes of an answer are read, so that its connection can be used again.
const readMost = 1 << 16

// A Gateway is a relay.Notifier. The zero value but for its address is ready.
type Gateway struct {
	Address string            // of http or https; a name and password in it are sent as Basic authentication
	HTTP    http.RoundTripper // http.DefaultTransport if nil, without a proxy where the address is of HTTP
}

// direct asks no proxy in clear.
var direct = func() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			return nil, nil
		}
		return http.ProxyFromEnvironment(r)
	}
	return t
}()

// Format shows nothing of the address, whatever the verb.
func (g Gateway) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "gateway") }

var errRefused = errors.New("the gateway refuses this notice")

// Notify implements relay.Notifier. An error is relay.Away, or says that this notice is refused; it repeats neither the address nor the answer.
func (g Gateway) Notify(ctx context.Context, n relay.Notice) error {
	ctx, stop := context.WithTimeout(ctx, Patience)
	defer stop()
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.Address, bytes.NewReader(body))
	if err != nil {
		return relay.Away("the gateway's address cannot be used")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", n.ID)
	network := g.HTTP
	if network == nil {
		network = direct
	}
	client := http.Client{Transport: network, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		return relay.Away("the gateway does not answer")
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, readMost))
	switch status := answer.StatusCode; {
	case status/100 == 2:
		return nil
	case status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusUnprocessableEntity:
		return errRefused
	default:
		return relay.Away(fmt.Sprintf("the gateway answers %d", status))
	}
}
