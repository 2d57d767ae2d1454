package web

import (
	"net/netip"
	"time"
)

// A Visit is what may be kept of a request apart from the log while an incident lasts (A12): nothing in it says who came, or what for
// in particular.
type Visit struct {
	At     time.Time  // when it was done
	Route  string     // the template, as in the log; "" where there is no such route
	Status int        // of the answer
	From   netip.Addr // as Address gives it: of IPv6 the first 64 bits
}
