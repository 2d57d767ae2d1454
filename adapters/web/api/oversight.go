package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
	"samtykke/projections"
)

var (
	safetyManagers = []domain.Role{domain.RoleSafetyManager}
	service        = []domain.Role{domain.RoleEmployee, domain.RoleSafetyManager}
)

var oversightRoutes = []Route{
	route("GET", "/oversight", "readOversight", "What a superuser keeps an eye on: look-ups to review, deletions, whose access logs are still kept by name, and what the organisation has settled.", superusers, (*Request).ReadOversight),
	route("POST", "/oversight/reviews", "reviewLookUp", "Record what came of reviewing a look-up or a refused attempt. Nobody reviews their own.", append(safetyManagers, superusers...), (*Request).Review),
	route("PUT", "/oversight/names", "hideNames", "Whether clients see who looked without the name.", superusers, (*Request).HideNames),
	route("PUT", "/oversight/retention", "agreeRetention", "How long access logs are kept by name after a professional's last look-up.", superusers, (*Request).AgreeRetention),
	route("POST", "/oversight/access-review", "reviewAccess", "The list of professionals was gone through and is right.", superusers, (*Request).ReviewAccess),
	route("POST", "/professionals/{professional}/erasure", "eraseProfessional", "Erase what is known of somebody who is off the list, once the agreed time has passed.", superusers, (*Request).EraseProfessional),

	route("GET", "/accesses", "listAccesses", "Every exceptional access, the latest first, how many of them this year were to production, and for the safety manager the refused attempts of those who act for no organisation.", service, (*Request).ListAccesses),
	strong(route("POST", "/accesses", "openAccess", "Open exceptional access, for a reason and so many minutes.", service, (*Request).OpenAccess)),
	route("POST", "/accesses/{access}/end", "closeAccess", "End an access before it ends by itself.", service, (*Request).CloseAccess),
	route("POST", "/accesses/{access}/review", "reviewExceptionalAccess", "Record what the safety manager found of an access that has ended.", safetyManagers, (*Request).ReviewExceptional),
}

// Oversight is what a superuser keeps an eye on.
type Oversight struct {
	Reviews     []Review   `json:"reviews"`
	Deletions   []Deletion `json:"deletions" jsonschema_description:"Clients who deleted everything: the day, and nothing else."`
	Former      []Former   `json:"former" jsonschema_description:"Professionals who are off the list."`
	NamesHidden bool       `json:"namesHidden"`
	Retention   int        `json:"retentionMonths" jsonschema_description:"0: no time has been agreed."`
	Reviewed    *time.Time `json:"accessReviewed,omitempty" jsonschema_description:"When the list was gone through last."`
}

// Review is a look-up, or an attempt at one, that somebody else than who made it is to review.
type Review struct {
	ID      domain.ID      `json:"id"`
	At      time.Time      `json:"at" jsonschema_description:"When it was made."`
	By      string         `json:"by,omitempty" jsonschema_description:"Who made it; missing where the name is erased."`
	Label   string         `json:"label,omitempty" jsonschema_description:"Of the client, where it is the organisation's and not erased."`
	Purpose client.Purpose `json:"purpose,omitempty"`
	Concern client.Concern `json:"concern"`
	Own     bool           `json:"own" jsonschema_description:"The caller's own, which somebody else reviews."`
}

// Deletion says that a client deleted everything, and when.
type Deletion struct {
	On string `json:"on"`
}

// Former is a professional who is off the list.
type Former struct {
	Professional domain.ID `json:"professional"`
	Name         string    `json:"name,omitempty"`
	LastLook     string    `json:"lastLook,omitempty" jsonschema_description:"The day of the last look-up; missing where there was none."`
	ErasableFrom string    `json:"erasableFrom,omitempty" jsonschema_description:"From when the name may be erased; missing where no time is agreed."`
	Erasable     bool      `json:"erasable"`
	Erased       bool      `json:"erased"`
}

// Reviewed is the outcome of a review.
type Reviewed struct {
	ID      domain.ID      `json:"id"`
	Outcome client.Outcome `json:"outcome" jsonschema:"enum=in-order,enum=mistake,enum=deviation"`
}

// Hide settles whether names are hidden.
type Hide struct {
	Hidden bool `json:"hidden"`
}

// Retention settles how long access logs are kept by name.
type Retention struct {
	Months int    `json:"months" jsonschema:"minimum=0,maximum=240"`
	Reason string `json:"reason" jsonschema:"maxLength=200"`
}

// ReadOversight serves readOversight.
func (r *Request) ReadOversight(_ None) (Oversight, error) {
	o, err := r.Desk.Organisation(r.ctx, r.by.Organisation)
	if err != nil {
		return Oversight{}, err
	}
	out := Oversight{Reviews: []Review{}, Deletions: []Deletion{}, Former: []Former{}, NamesHidden: o.NamesHidden, Retention: o.Retention}
	if !o.Reviewed.IsZero() {
		out.Reviewed = new(o.Reviewed.UTC())
	}
	out.Reviews, err = r.reviews(r.by.Organisation)
	if err != nil {
		return Oversight{}, err
	}
	var days []domain.Date
	erasures, err := r.Desk.Keeper.Erasures.List(r.ctx, r.by.Organisation)
	if err != nil {
		return Oversight{}, err
	}
	for _, e := range erasures {
		days = append(days, e.On)
	}
	slices.Sort(days)
	for _, d := range slices.Backward(days) {
		out.Deletions = append(out.Deletions, Deletion{d.String()})
	}
	for _, p := range o.People {
		if p.Active {
			continue
		}
		f, err := r.Desk.Former(r.ctx, r.by.Organisation, p.ID)
		if err != nil {
			return Oversight{}, err
		}
		row := Former{Professional: p.ID, Name: o.NameOf(p.ID), Erasable: f.Erasable, Erased: p.Erased}
		if !f.LastLook.IsZero() {
			row.LastLook = domain.DateOf(f.LastLook).String()
		}
		if f.From != 0 {
			row.ErasableFrom = f.From.String()
		}
		out.Former = append(out.Former, row)
	}
	return out, nil
}

// reviews are what somebody else than who made it is to review, of those who act for an organisation, or for none: Everybody.
func (r *Request) reviews(of domain.ID) ([]Review, error) {
	all := []Review{}
	docs, err := r.toReview(of)
	if err != nil {
		return nil, err
	}
	for reader, doc := range docs {
		name, err := r.readerName(reader, doc.Organisation)
		if err != nil {
			return nil, err
		}
		for _, i := range doc.Open {
			row := Review{By: name, ID: i.Event, At: i.At.UTC(), Purpose: i.Purpose, Concern: i.Concern, Own: reader == r.by.Actor}
			if i.Concern == client.AskedByClient {
				seen, err := r.Desk.LookedUp(r.ctx, i.Client, i.Version)
				if err != nil {
					return nil, err
				}
				row.At, row.Purpose = seen.Effective.UTC(), seen.Body.(client.LookedUp).Purpose
			}
			if row.Label, err = r.label(i.Client); err != nil {
				return nil, err
			}
			all = append(all, row)
		}
	}
	slices.SortFunc(all, func(a, b Review) int { return b.At.Compare(a.At) })
	return all, nil
}

// toReview are the readers with something to review who act for an organisation, or those that are the safety manager's to review,
// Everybody: who act for none, and superusers who have no colleague.
func (r *Request) toReview(of domain.ID) (map[domain.ID]projections.Reader, error) {
	docs, err := r.Desk.Keeper.ToReview(r.ctx, of)
	if of != projections.Everybody || err != nil {
		return docs, err
	}
	all, err := r.Desk.Keeper.ToReview(r.ctx, domain.ID{})
	for reader, doc := range all {
		if doc.Organisation.IsZero() || err != nil {
			continue
		}
		var o organisation.State
		o, _, err = r.Desk.Organisations.State(r.ctx, doc.Organisation)
		if o.SoleSuperuser(reader) {
			docs[reader] = doc
		}
	}
	return docs, err
}

// readerName is the name of somebody who acts for an organisation, or for none; "" where it was erased.
func (r *Request) readerName(id, of domain.ID) (string, error) {
	if of.IsZero() {
		return r.staffName(id)
	}
	o, err := r.Desk.Organisation(r.ctx, of)
	return o.NameOf(id), err
}

// staffName is the name of one of the service's own; "" of anybody else, and where it was erased.
func (r *Request) staffName(id domain.ID) (string, error) {
	who, err := r.Desk.StaffMember(r.ctx, id)
	if domain.Refused(err) != "" {
		err = nil
	}
	return who.Name, err
}

// label is the label of a client of the caller's organisation; "" of any other, and of one that is deactivated or erased.
func (r *Request) label(id domain.ID) (string, error) {
	c, ok, err := r.Desk.Keeper.Caseload.Get(r.ctx, id)
	if err != nil {
		return "", err
	}
	if !ok || c.State.Organisation != r.by.Organisation || c.State.Deactivated {
		return "", nil
	}
	label, err := r.Desk.Door.Label(r.ctx, id)
	if errors.Is(err, eventschema.ErrGone) {
		return "", nil
	}
	return label, err
}

// Review serves reviewLookUp.
func (r *Request) Review(in Reviewed) (None, error) {
	of := r.by.Organisation
	if r.by.Role == domain.RoleSafetyManager {
		of = projections.Everybody
	}
	docs, err := r.toReview(of)
	if err != nil {
		return None{}, err
	}
	for reader, doc := range docs {
		for _, i := range doc.Open {
			if i.Event == in.ID {
				return None{}, r.review(reader, i, in.Outcome)
			}
		}
	}
	return None{}, web.NewProblem(http.StatusNotFound, client.NoSuchLookUp, "There is no such look-up to review.")
}

func (r *Request) review(reader domain.ID, i projections.Review, o client.Outcome) error {
	var p ledger.Position
	var err error
	if i.Version != 0 {
		p, err = r.Desk.ReviewLookUp(r.ctx, r.by, i.Client, i.Version, i.Concern, o)
	} else {
		p, err = r.Desk.ReviewAttempt(r.ctx, r.by, i.Attempt, oversight.AttemptReviewed{By: reader, Concern: i.Concern, Outcome: o})
	}
	r.wrote(p)
	return err
}

// HideNames serves hideNames.
func (r *Request) HideNames(in Hide) (None, error) {
	return r.manage(organisation.HideNames{Hidden: in.Hidden})
}

// AgreeRetention serves agreeRetention.
func (r *Request) AgreeRetention(in Retention) (None, error) {
	return r.manage(organisation.AgreeRetention{Months: in.Months, Reason: in.Reason})
}

// ReviewAccess serves reviewAccess.
func (r *Request) ReviewAccess(_ None) (None, error) { return r.manage(organisation.ReviewAccess{}) }

// EraseProfessional serves eraseProfessional.
func (r *Request) EraseProfessional(_ None) (None, error) {
	return None{}, r.Desk.EraseProfessional(r.ctx, r.by, r.id("professional"))
}

// Accesses are all exceptional accesses.
type Accesses struct {
	Accesses []Access `json:"accesses"`
	ThisYear int      `json:"thisYear" jsonschema_description:"To production, opened this year. Normally at most five."`
	Reviews  []Review `json:"reviews,omitempty" jsonschema_description:"Refused attempts of those who act for no organisation, for the safety manager."`
}

// Access is one exceptional access.
type Access struct {
	ID      domain.ID      `json:"id"`
	Door    oversight.Door `json:"to"`
	Reason  string         `json:"reason"`
	By      string         `json:"by,omitempty"`
	Own     bool           `json:"own"`
	Opened  time.Time      `json:"opened"`
	Until   time.Time      `json:"until"`
	Open    bool           `json:"open"`
	Uses    int            `json:"uses"`
	Outcome client.Outcome `json:"outcome,omitempty" jsonschema_description:"Missing: not reviewed yet."`
}

// NewAccess opens an exceptional access.
type NewAccess struct {
	Door    oversight.Door `json:"to" jsonschema:"enum=production,enum=addresses"`
	Reason  string         `json:"reason" jsonschema:"maxLength=1000"`
	Minutes int            `json:"minutes" jsonschema:"minimum=1,maximum=4320"`
}

// Opened is an access that was opened.
type Opened struct {
	ID    domain.ID `json:"id"`
	Until time.Time `json:"until" jsonschema_description:"It ends by itself then."`
}

// AccessReview is what was found of an access.
type AccessReview struct {
	Outcome client.Outcome `json:"outcome" jsonschema:"enum=in-order,enum=mistake,enum=deviation"`
	Note    string         `json:"note" jsonschema:"maxLength=1000"`
}

// ListAccesses serves listAccesses.
func (r *Request) ListAccesses(_ None) (Accesses, error) {
	out := Accesses{Accesses: []Access{}}
	year := r.now.In(domain.Oslo).Year()
	accesses, err := r.Desk.Keeper.Accesses.List(r.ctx, projections.Everybody)
	if err != nil {
		return out, err
	}
	for id, doc := range accesses {
		a := doc.State
		row := Access{
			ID: id, Door: a.Door, Reason: doc.Reason, Own: a.By == r.by.Actor, Opened: a.Opened.UTC(), Until: a.Until.UTC(),
			Open: a.OpenAt(r.now), Uses: a.Uses, Outcome: a.Reviewed,
		}
		if row.By, err = r.staffName(a.By); err != nil {
			return out, err
		}
		if a.Door == oversight.Production && a.Opened.In(domain.Oslo).Year() == year {
			out.ThisYear++
		}
		out.Accesses = append(out.Accesses, row)
	}
	slices.SortFunc(out.Accesses, func(a, b Access) int { return b.Opened.Compare(a.Opened) })
	if r.by.Role != domain.RoleSafetyManager {
		return out, nil
	}
	out.Reviews, err = r.reviews(projections.Everybody)
	return out, err
}

// OpenAccess serves openAccess.
func (r *Request) OpenAccess(in NewAccess) (Opened, error) {
	id, done, err := r.Desk.OpenAccess(r.ctx, r.by, oversight.AccessOpened{Door: in.Door, Reason: in.Reason, Minutes: in.Minutes})
	r.wrote(done.Position)
	return Opened{id, done.State.Until.UTC()}, err
}

// CloseAccess serves closeAccess.
func (r *Request) CloseAccess(_ None) (None, error) {
	return r.onAccess(func(ctx context.Context, id domain.ID) (ledger.Position, error) {
		return r.Desk.CloseAccess(ctx, r.by, id)
	})
}

// ReviewExceptional serves reviewExceptionalAccess.
func (r *Request) ReviewExceptional(in AccessReview) (None, error) {
	return r.onAccess(func(ctx context.Context, id domain.ID) (ledger.Position, error) {
		return r.Desk.ReviewAccess(ctx, r.by, id, oversight.AccessReviewed{Outcome: in.Outcome, Note: in.Note})
	})
}

func (r *Request) onAccess(do func(context.Context, domain.ID) (ledger.Position, error)) (None, error) {
	p, err := do(r.ctx, r.id("access"))
	r.wrote(p)
	return None{}, err
}
