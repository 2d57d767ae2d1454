package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
)

// Answer sends v as JSON. It is made whole before the first byte leaves, so an error never follows half an answer.
func Answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		WriteProblem(w, r, FromError(fmt.Errorf("%T does not become JSON", v))) // the encoder's own words may quote values
		return
	}
	Send(w, r, status, "application/json", body)
}

// Send sends a body that is whole. The checks of BeforeAnswering run first; when one gives an error, that is answered
// instead. A status that allows no body is sent without.
func Send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	for _, check := range under(r.Context()).checks {
		if err := check(); err != nil {
			WriteProblem(w, r, FromError(err))
			return
		}
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body) // an error is the connection's, and nobody is left to tell
}
