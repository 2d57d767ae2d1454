package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"samtykke/domain"
)

// A Problem is an answer that says no (RFC 9457). Code is for machines and stays as it is; Detail is for people and may be
// worded anew. A Problem is an error, so that a handler can return it as one. The codes are those of refusals, and of the shell:
// cross-site, wrong-host, failed, unavailable, and those of Decode.
type Problem struct {
	Type     string `json:"type"`  // always "about:blank": Code says which problem it is
	Title    string `json:"title"` // the status in words
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"` // what is wrong and what to do about it; never what was given
	Instance string `json:"instance,omitempty"`
	Code     string `json:"code"`
	// Pointer is the place in the request's body (RFC 6901). It names members that the server knows, and places in lists;
	// "" is the whole body.
	Pointer string `json:"pointer,omitempty"`

	RetryAfter time.Duration `json:"-"` // sent as the header of that name, in whole seconds; 0: not known

	cause error // goes to the log
}

func (p *Problem) Error() string { return p.Detail }

// NewProblem makes a problem. WriteProblem adds what follows from the status and from the request.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// Because gives the problem with what caused it, for the log.
func (p *Problem) Because(cause error) *Problem {
	with := *p
	with.cause = cause
	return &with
}

// WriteProblem answers with the problem and the request's reference. What caused it, if it has a cause, goes to the log. The
// problem is not changed, so one may serve many requests.
func WriteProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	Note(r, p)
	q := under(r.Context())
	said := *p
	said.Type, said.Title, said.Instance = "about:blank", http.StatusText(p.Status), q.reference
	body, err := json.Marshal(&said)
	if err != nil {
		panic("web: a problem that is not JSON") // unreachable: texts of this program and numbers
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Del("Content-Length")
	switch p.Status {
	case http.StatusUnauthorized:
		if h.Get("WWW-Authenticate") == "" {
			h.Set("WWW-Authenticate", "Samtykke") // RFC 9110 wants one; no browser knows it and asks for a password
		}
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close") // what is left of the body is not worth reading
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(p.Status)
	w.Write(body) // an error is the connection's, and nobody is left to tell
}

// statuses says with which status each refusal is answered. A test finds every code there is and looks for it here.
var statuses = map[string]int{
	// What was given lets nobody in.
	"wrong-code":             http.StatusUnauthorized,
	"wrong-sign-in":          http.StatusUnauthorized,
	"wrong-invitation":       http.StatusUnauthorized,
	"wrong-confirmation":     http.StatusUnauthorized,
	"not-invited":            http.StatusUnauthorized,
	"not-accepted":           http.StatusUnauthorized,
	"invitation-out-of-date": http.StatusUnauthorized,
	"password-replaced":      http.StatusUnauthorized,
	"one-time-code-used":     http.StatusUnauthorized,
	"signed-out":             http.StatusUnauthorized,

	"not-allowed":   http.StatusForbidden,
	"not-active":    http.StatusForbidden,
	"not-shared":    http.StatusForbidden,
	"deactivated":   http.StatusForbidden,
	"account-ended": http.StatusForbidden,
	"own-look-up":   http.StatusForbidden,
	"own-access":    http.StatusForbidden,

	"not-registered":       http.StatusNotFound,
	"not-found":            http.StatusNotFound,
	"no-such-service":      http.StatusNotFound,
	"no-such-request":      http.StatusNotFound,
	"no-such-account":      http.StatusNotFound,
	"no-such-professional": http.StatusNotFound,
	"no-such-look-up":      http.StatusNotFound,
	"no-such-attempt":      http.StatusNotFound,
	"no-such-access":       http.StatusNotFound,
	"no-such-organisation": http.StatusNotFound,

	"already-registered": http.StatusConflict,
	"already-answered":   http.StatusConflict,
	"nothing-asked":      http.StatusConflict,
	"last-superuser":     http.StatusConflict,
	"several":            http.StatusConflict,
	"login-taken":        http.StatusConflict,
	"many-questions":     http.StatusConflict,
	"already-reviewed":   http.StatusConflict,
	"access-not-open":    http.StatusConflict,
	"access-still-open":  http.StatusConflict,
	"kept-by-name":       http.StatusConflict,
	"erased":             http.StatusConflict,
	"not-erased":         http.StatusConflict,

	"period-not-closed":     http.StatusConflict,
	"already-released":      http.StatusConflict,
	"later-period-released": http.StatusConflict,

	"bad-input":     http.StatusUnprocessableEntity,
	"identifying":   http.StatusUnprocessableEntity,
	"weak-password": http.StatusUnprocessableEntity,

	"text-identifies":       http.StatusUnprocessableEntity,
	"no-declaration-signed": http.StatusUnprocessableEntity,

	"wrong-one-time-code": http.StatusUnprocessableEntity, // of somebody who has the invitation
	"wrong-password":      http.StatusUnauthorized,
	"not-the-new-code":    http.StatusUnprocessableEntity,

	"too-many-attempts": http.StatusTooManyRequests,
}

// FromError makes a problem of any error: of a *Problem itself, of a refusal what the table says, of a deadline 503, of an error whose
// method Unavailable() bool is true as well, and of everything else 500 with nothing but the reference. The error goes to the log with
// WriteProblem. An error with a method RetryAfter() time.Duration says when it is worth trying again.
func FromError(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if r, ok := errors.AsType[*domain.Refusal](err); ok {
		return fromRefusal(r, err)
	}
	if a, ok := errors.AsType[interface {
		error
		Unavailable() bool
	}](err); ok && a.Unavailable() {
		return &Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", cause: err, RetryAfter: awayFor,
			Detail: "The service cannot reach its database just now. Whether this was done is not known: ask again in a moment with the " +
				"same idempotency key, or look."}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", cause: err, RetryAfter: time.Second,
			Detail: "This took too long. Whether it was done is not known: ask again with the same idempotency key, or look."}
	}
	return failed(err)
}

// awayFor is how long people are told to wait where a server cannot be reached.
const awayFor = 5 * time.Second

func fromRefusal(r *domain.Refusal, err error) *Problem {
	status, known := statuses[r.Code]
	if !known {
		status = http.StatusUnprocessableEntity
	}
	p := NewProblem(status, r.Code, r.Reason)
	if r.Code == "not-registered" {
		p.Detail = "There is nothing here by that name." // one wording, whoever it was and whichever refusal said so
	}
	if later, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err); ok {
		p.RetryAfter = later.RetryAfter()
	}
	return p
}

// failed is the answer to what should not have happened.
func failed(cause error) *Problem {
	return &Problem{Status: http.StatusInternalServerError, Code: "failed", cause: cause,
		Detail: "Something went wrong here. The reference leads whoever runs the server to what it was."}
}

func tooLarge(most int64) *Problem {
	return NewProblem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("The body is too large: at most %d bytes.", most))
}

// Note puts what caused a problem in the log, for an answer that is no problem but a page.
func Note(r *http.Request, p *Problem) {
	q := under(r.Context())
	if p.cause != nil && !errors.Is(p.cause, context.Canceled) { // cancelled: whoever asked has gone
		q.log.Error("request failed", slog.String("reference", q.reference), slog.String("error", p.cause.Error()))
	}
}
