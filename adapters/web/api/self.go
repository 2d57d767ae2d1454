package api

import (
	"time"

	"samtykke/domain"
)

var selfRoutes = []Route{
	route("GET", "/self", "readSelf", "What is stored about the caller, a member of staff: name and contact data, what happened with the account, and how many look-ups are on record.", staffRoles, (*Request).ReadSelf),
}

// Self is what is stored about a member of staff (clause C12).
type Self struct {
	Name      string      `json:"name,omitempty"`
	Workplace string      `json:"workplace,omitempty"`
	Position  string      `json:"position,omitempty"`
	Phone     string      `json:"phone,omitempty"`
	Email     string      `json:"email,omitempty"`
	Role      domain.Role `json:"role"`
	LookUps   int         `json:"lookUps" jsonschema_description:"Look-ups, attempts and questions of the caller's own that are on record."`
	History   []SelfEvent `json:"history" jsonschema_description:"In order: of the organisation's list first, then of the account."`
}

// SelfEvent is something that happened with an account.
type SelfEvent struct {
	At    time.Time   `json:"at"`
	Event string      `json:"event"`
	By    domain.Role `json:"by,omitempty" jsonschema_description:"Missing where nobody was signed in."`
	Own   bool        `json:"own" jsonschema_description:"The caller's own act."`
}

// ReadSelf serves readSelf.
func (r *Request) ReadSelf(_ None) (Self, error) {
	s, err := r.Desk.Self(r.ctx, r.by)
	out := Self{
		Name: s.Name, Workplace: s.Workplace, Position: s.Position, Phone: s.Phone, Email: s.Email,
		Role: r.by.Role, LookUps: s.Seen.Count, History: make([]SelfEvent, 0, len(s.History)),
	}
	for _, f := range s.History {
		out.History = append(out.History, SelfEvent{f.Effective.UTC(), f.Name, f.Act.Role, f.Act.Actor == r.by.Actor})
	}
	return out, err
}
