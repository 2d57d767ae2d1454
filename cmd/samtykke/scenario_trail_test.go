package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"samtykke/adapters/audit"
	"samtykke/adapters/evidence"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/projections"
)

// trailSteps are the steps about the audit trail: exceptional access, and the evidence of the agreement. The service's own staff
// come on stage when they are first named.
var trailSteps = []step{
	{re(`employee ` + who + ` opens exceptional access for (\d+) hours because (.*)`), func(st *stage, m []string) error {
		hours, _ := strconv.Atoi(m[2])
		_, _, err := st.sys.desk.OpenAccess(context.Background(), st.serving(m[1], domain.RoleEmployee),
			oversight.AccessOpened{Door: oversight.Production, Reason: m[3], Minutes: 60 * hours})
		return err
	}},
	{re(`employee ` + who + ` exports everything opened`), func(st *stage, m []string) error {
		by := st.serving(m[1], domain.RoleEmployee)
		q := oversight.Queried{Query: "export", About: "all events, sealed content opened", Reason: "an error", Opened: true}
		_, err := openAccess{st.sys, st.lastAccess(), by}.record(context.Background(), q)
		return err
	}},
	{re(`(employee|safety-manager) ` + who + ` closes the access`), func(st *stage, m []string) error {
		_, err := st.sys.desk.CloseAccess(context.Background(), st.serving(m[2], domain.Role(m[1])), st.lastAccess())
		return err
	}},
	{re(`(employee|safety-manager) ` + who + ` reviews the access: (in-order|mistake|deviation)`), func(st *stage, m []string) error {
		_, err := st.sys.desk.ReviewAccess(context.Background(), st.serving(m[2], domain.Role(m[1])), st.lastAccess(),
			oversight.AccessReviewed{Outcome: client.Outcome(m[3])})
		return err
	}},
	{re(`the trail of ` + who + `: (.*)`), func(st *stage, m []string) error {
		rows, err := st.sys.whoSaw(context.Background(), audit.Query{Professional: st.person(m[1]).caller.Actor})
		if err != nil {
			return err
		}
		var did []string
		for _, r := range rows {
			did = append(did, strings.TrimSpace(string(r.Purpose)+" "+r.Reason))
		}
		return equal(strings.Join(did, ", "), m[2])
	}},
	{re(who + ` agrees that access logs are kept by name for (\d+) months`), func(st *stage, m []string) error {
		months, _ := strconv.Atoi(m[2])
		p := st.person(m[1])
		_, err := st.sys.desk.Organisations.Do(context.Background(), p.org.id, p.caller, organisation.AgreeRetention{Months: months, Reason: "agreed"})
		return err
	}},
	{re(who + ` finds the list of professionals right`), func(st *stage, m []string) error {
		p := st.person(m[1])
		_, err := st.sys.desk.Organisations.Do(context.Background(), p.org.id, p.caller, organisation.ReviewAccess{})
		return err
	}},
	{re(`the evidence for ` + who + ` from (\S+) to (\S+): (.*)`), (*stage).evidence},
}

// serving is one of the service's own staff, in the role.
func (st *stage) serving(name string, role domain.Role) ledger.Caller {
	if _, ok := st.people[name]; !ok {
		st.people[name] = &person{name: name, caller: ledger.Caller{Actor: st.id(), Session: st.id()}}
	}
	by := st.people[name].caller
	by.Role = role
	return by
}

// lastAccess is the exceptional access that was opened last.
func (st *stage) lastAccess() (last domain.ID) {
	var opened oversight.Access
	for id, a := range listed(st.t, st.sys.keeper.Accesses, projections.Everybody) {
		if !a.State.Opened.Before(opened.Opened) {
			last, opened = id, a.State
		}
	}
	return last
}

// evidence compares figures of the report; what it must not be has to hold as well.
func (st *stage) evidence(m []string) error {
	ctx := context.Background()
	ask := evidence.Ask{Organisation: st.org(m[1]).id, From: local(m[2] + " 00:00"), To: local(m[3] + " 00:00"), Rules: st.books}
	head, err := st.sys.store.Head(ctx)
	if err != nil {
		return err
	}
	report := func() (evidence.Report, error) {
		return evidence.Make(ask, st.sys.upto(ctx, head, func(uint64, uint64) {}), st.sys.ledger.Sealing(ctx))
	}
	r, err := report()
	if err != nil {
		return err
	}
	again, err := report()
	if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
		return fmt.Errorf("made again it is another report: %w", err)
	}
	_, unsigned := st.via.(direct) // whose staff have no accounts, and so have signed nothing
	figures := map[string]evidence.Figure{}
	for _, c := range r.Clauses {
		for _, f := range c.Figures {
			figures[f.ID] = f
			if f.Wrong && !(unsigned && f.ID == "lookups-undeclared") {
				return fmt.Errorf("%s is %d, which %s", f.ID, f.Value, f.Must)
			}
		}
	}
	var got []string
	for _, w := range strings.Split(m[4], ", ") {
		id, _, _ := strings.Cut(w, " ")
		got = append(got, fmt.Sprintf("%s %d", id, figures[id].Value))
	}
	return equal(strings.Join(got, ", "), m[4])
}
