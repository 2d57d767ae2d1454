package statistics

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"samtykke/domain"
)

// An Event is one fact about what was released.
type Event = domain.Event[Body]

// A Body is what is recorded about releases: Released and no other.
type Body interface{ fact() }

// A Hash is the SHA-256 of a file.
type Hash [32]byte

// ParseHash reads what String writes.
func ParseHash(s string) (h Hash, err error) {
	if len(s) != 2*len(h) {
		return Hash{}, errNoHash
	}
	for i := range h {
		n, err := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
		if err != nil {
			return Hash{}, errNoHash
		}
		h[i] = byte(n)
	}
	return h, nil
}

var errNoHash = errors.New("expected the 64 hexadecimal digits of a SHA-256")

func (h Hash) String() string { return fmt.Sprintf("%x", h[:]) }

// MarshalText writes what String does.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String writes.
func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// Released: the statistics of a quarter went out, made from the ledger up to Position.
type Released struct {
	Specification string
	Version       uint64
	Period        string // as Quarter.String writes it
	Position      uint64
	Tables        Hash // of the release, as JSON, organisations' parts included
	Package       Hash // of the list of files for the Norwegian Institute of Public Health, with the hash of each
}

func (Released) fact() {}

// A Publication is a release and when it went out.
type Publication struct {
	Released
	At       time.Time
	InStream uint64 // version of the event in its stream
	Restored bool   // recorded once more in a ledger that was put back from a copy made before it: Position is of the lost one
}

// State is which quarters were released, in their order.
type State struct{ Releases []Publication }

// Of gives the release of a quarter.
func (s State) Of(q Quarter) (Publication, bool) {
	for _, r := range s.Releases {
		if r.Period == q.String() {
			return r, true
		}
	}
	return Publication{}, false
}

// Evolve folds an event.
func Evolve(s State, e Event) State {
	switch b := e.Body.(type) {
	case nil:
	case Released:
		n := len(s.Releases)
		s.Releases = append(s.Releases[:n:n], Publication{b, e.Effective, uint64(n) + 1, e.Act.Role == domain.RoleSystem})
	default:
		panic(fmt.Sprintf("statistics.Evolve has no case for %T", b))
	}
	return s
}

// The codes of refusals.
const (
	NotClosed   = "period-not-closed"
	WasReleased = "already-released"
	NotInOrder  = "later-period-released"
	NotYours    = "not-allowed"
	BadInput    = "bad-input"
)

// Decider records each release once. Periods are quarters: closed, disjoint, and released in their order. By the system, a release is
// recorded once more that a restored ledger has lost.
var Decider = domain.AtOnce(Quarterly.Rule, decide, Evolve)

func decide(a domain.Act, s State, c Body) ([]Body, error) {
	r, ok := c.(Released)
	if !ok {
		return nil, domain.Refuse(BadInput, "This is nothing that is recorded of statistics.")
	}
	q, err := ParseQuarter(r.Period)
	switch {
	case err != nil, r.Specification == "", r.Version == 0, r.Position == 0, r.Tables == Hash{}, r.Package == Hash{}:
		return nil, domain.Refuse(BadInput, "A release names its specification, its period, its position and its files.")
	case a.Role == domain.RoleSystem:
		if was, ok := s.Of(q); ok && was.Released == r {
			return nil, nil
		}
		return []Body{r}, nil
	}
	if err := s.Open(q, a); err != nil {
		return nil, err
	}
	return []Body{r}, nil
}

// Open refuses a quarter that cannot be released by the act: somebody else's, before it is over, once it was released, or a later one.
func (s State) Open(q Quarter, a domain.Act) error {
	if a.Role != domain.RoleEmployee || a.Actor.IsZero() {
		return domain.Refuse(NotYours, "Only the service's own staff can do this.")
	}
	if a.At.Before(q.End().Start()) {
		return domain.Refuse(NotClosed, "The quarter is not over. A release is made of a closed period.")
	}
	for _, r := range s.Releases {
		switch was, err := ParseQuarter(r.Period); {
		case err != nil:
			return err
		case was == q:
			return domain.Refuse(WasReleased, "The quarter has been released. Each is released once.")
		case was > q:
			return domain.Refuse(NotInOrder, "A later quarter has been released. Quarters are released in their order.")
		}
	}
	return nil
}
