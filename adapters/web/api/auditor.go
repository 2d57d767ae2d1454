package api

import (
	"net/http"
	"time"

	"samtykke/adapters/audit"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/eventschema"
)

var auditorRoutes = []Route{
	strong(keyless(route("POST", "/audit/who-saw", "whoSaw", "Who saw what: look-ups, refused attempts, and questions that opened everything. The question is on record first.", auditors, (*Request).WhoSaw))),
	strong(keyless(route("POST", "/audit/refused", "listRefused", "Attempts that were refused: look-ups and sign-ins.", auditors, (*Request).ListRefused))),
	strong(keyless(route("POST", "/audit/why", "why", "Which act and which rule led to an event.", auditors, (*Request).Why))),
	strong(keyless(route("POST", "/audit/state", "stateAt", "A client's state at an instant, with the reason.", auditors, (*Request).StateAt))),
	strong(keyless(route("POST", "/audit/history", "history", "A client's consent over a period: each turn, with what held from then on.", auditors, (*Request).History))),
	strong(route("POST", "/audit/feeds", "openFeed", "Open a feed of all events behind a position. The opening is on record.", auditors, (*Request).OpenFeed)),
	route("GET", "/audit/feeds/{feed}", "readFeed", "Read on in a feed of one's own: gap-free, in total order, sealed content closed.", auditors, (*Request).ReadFeed),
}

// WhoSaw asks who saw what. What is not given asks for all.
type WhoSaw struct {
	Reason       string     `json:"reason" jsonschema:"maxLength=1000"`
	Client       string     `json:"client,omitempty" jsonschema:"maxLength=100" jsonschema_description:"The label that the organisation knows, or an id."`
	Professional string     `json:"professional,omitempty" jsonschema:"maxLength=400" jsonschema_description:"Name or id."`
	Organisation string     `json:"organisation,omitempty" jsonschema:"maxLength=200" jsonschema_description:"Name or id."`
	From         *time.Time `json:"from,omitempty" jsonschema_description:"Recorded from."`
	To           *time.Time `json:"to,omitempty" jsonschema_description:"Recorded before."`
	Known        *time.Time `json:"known,omitempty" jsonschema_description:"As the ledger stood at this instant."`
	AuditPage
}

// AuditPage asks for a part of an answer. What it gives as next and upto goes into the next question.
type AuditPage struct {
	After uint64 `json:"after,omitempty"`
	Upto  uint64 `json:"upto,omitempty"`
	Limit int    `json:"limit,omitempty" jsonschema:"minimum=0,maximum=1000"`
}

func (p AuditPage) audit() audit.Page {
	return audit.Page{After: p.After, Upto: p.Upto, Limit: min(p.Limit, 1000)}
}

func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// WhoSaw serves whoSaw: who saw what: look-ups, refused attempts, and questions that opened everything. The question is on record first.
func (r *Request) WhoSaw(in WhoSaw) (audit.Sightings, error) {
	a := r.Auditor(r.by)
	q := audit.Query{From: when(in.From), To: when(in.To), Known: when(in.Known)}
	var err error
	if in.Organisation != "" {
		if q.Organisation, err = a.FindOrganisation(r.ctx, in.Reason, in.Organisation); err != nil {
			return audit.Sightings{}, err
		}
	}
	if q.Client, err = domain.ParseID(in.Client); err != nil && in.Client != "" {
		if q.Client, err = a.FindClient(r.ctx, in.Reason, in.Client, q.Organisation); err != nil {
			return audit.Sightings{}, err
		}
		q.Organisation = domain.ID{} // it told clients with one label apart
	}
	if in.Professional != "" {
		if q.Professional, err = a.FindProfessional(r.ctx, in.Reason, in.Professional); err != nil {
			return audit.Sightings{}, err
		}
	}
	return a.WhoSaw(r.ctx, in.Reason, q, in.audit())
}

// Refused asks for refused attempts.
type Refused struct {
	Reason string     `json:"reason" jsonschema:"maxLength=1000"`
	From   *time.Time `json:"from,omitempty"`
	To     *time.Time `json:"to,omitempty"`
	AuditPage
}

// ListRefused serves listRefused: attempts that were refused: look-ups and sign-ins.
func (r *Request) ListRefused(in Refused) (audit.Attempts, error) {
	return r.Auditor(r.by).Refused(r.ctx, in.Reason, when(in.From), when(in.To), in.audit())
}

// Why asks about one event.
type Why struct {
	Reason   string `json:"reason" jsonschema:"maxLength=1000"`
	Position uint64 `json:"position" jsonschema:"minimum=1"`
}

// Why serves why: which act and which rule led to an event.
func (r *Request) Why(in Why) (audit.Explanation, error) {
	return r.Auditor(r.by).Why(r.ctx, in.Reason, in.Position)
}

// StateAt asks for a client's state.
type StateAt struct {
	Reason       string     `json:"reason" jsonschema:"maxLength=1000"`
	Client       string     `json:"client" jsonschema:"maxLength=100" jsonschema_description:"The label that the organisation knows, or an id."`
	Organisation string     `json:"organisation,omitempty" jsonschema:"maxLength=200" jsonschema_description:"Tells clients with the same label apart."`
	At           *time.Time `json:"at,omitempty" jsonschema_description:"Now, if not given."`
	Known        *time.Time `json:"known,omitempty" jsonschema_description:"As far as it was recorded by this instant."`
}

// StateAt serves stateAt: a client's state at an instant, with the reason.
func (r *Request) StateAt(in StateAt) (audit.Standing, error) {
	a := r.Auditor(r.by)
	id, err := r.named(a, in.Reason, in.Client, in.Organisation)
	if err != nil {
		return audit.Standing{}, err
	}
	return a.State(r.ctx, in.Reason, id, when(in.At), when(in.Known))
}

// named finds a client by label or id, among those of an organisation, if one is given.
func (r *Request) named(a *audit.Auditor, reason, ref, organisation string) (domain.ID, error) {
	var of domain.ID
	if organisation != "" {
		var err error
		if of, err = a.FindOrganisation(r.ctx, reason, organisation); err != nil {
			return domain.ID{}, err
		}
	}
	return a.FindClient(r.ctx, reason, ref, of)
}

// AskHistory asks for a client's consent over a period.
type AskHistory struct {
	Reason       string     `json:"reason" jsonschema:"maxLength=1000"`
	Client       string     `json:"client" jsonschema:"maxLength=100" jsonschema_description:"The label that the organisation knows, or an id."`
	Organisation string     `json:"organisation,omitempty" jsonschema:"maxLength=200" jsonschema_description:"Tells clients with the same label apart."`
	From         *time.Time `json:"from,omitempty" jsonschema_description:"From the registration, if not given."`
	To           *time.Time `json:"to,omitempty" jsonschema_description:"Until now, if not given."`
}

// History serves history: a client's consent over a period: each turn, with what held from then on.
func (r *Request) History(in AskHistory) (audit.History, error) {
	a := r.Auditor(r.by)
	id, err := r.named(a, in.Reason, in.Client, in.Organisation)
	if err != nil {
		return audit.History{}, err
	}
	return a.History(r.ctx, in.Reason, id, when(in.From), when(in.To))
}

// OpenFeed opens a feed.
type OpenFeed struct {
	Reason string `json:"reason" jsonschema:"maxLength=1000"`
	After  uint64 `json:"after,omitempty"`
}

// Feed names a feed and where reading begins.
type Feed struct {
	Feed  uint64 `json:"feed"`
	After uint64 `json:"after"`
}

// OpenFeed serves openFeed: open a feed of all events behind a position. The opening is on record.
func (r *Request) OpenFeed(in OpenFeed) (Feed, error) {
	f, err := r.Auditor(r.by).OpenFeed(r.ctx, in.Reason, in.After)
	return Feed{f.Opened, f.After}, err
}

// FeedPage asks for what stands behind a position.
type FeedPage struct {
	After int `json:"after"`
	Limit int `json:"limit,omitempty" jsonschema:"minimum=0,maximum=1000"`
}

// Events are a page of a feed.
type Events struct {
	Events []eventschema.Fact `json:"events"`
	After  uint64             `json:"after" jsonschema_description:"Where the next page begins. Without events, the ledger ends here for now."`
}

// ReadFeed serves readFeed: read on in a feed of one's own: gap-free, in total order, sealed content closed.
func (r *Request) ReadFeed(in FeedPage) (Events, error) {
	opened, err := number(r.variable("feed"))
	if err != nil {
		return Events{}, web.NewProblem(http.StatusNotFound, audit.NotFound, "There is no such feed.")
	}
	f, err := r.Auditor(r.by).ContinueFeed(r.ctx, opened, uint64(in.After))
	if err != nil {
		return Events{}, err
	}
	facts, err := f.Next(r.ctx, min(in.Limit, 1000))
	return Events{facts, f.After}, err
}
