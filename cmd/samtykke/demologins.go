package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pquerna/otp/totp"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
	"samtykke/eventschema"
)

// demoPassword is that of everybody on the demo's staff; no other ledger knows it.
const demoPassword = "fjell og fjord i demoen"

// logins makes an account for somebody in each role, on the demo's last day, and finds clients who can sign in.
func (d *demo) logins(ctx context.Context) ([]login, error) {
	all, err := d.clientLogins(ctx)
	if err != nil {
		return nil, err
	}
	org := d.orgs[0]
	details, err := d.sys.desk.Organisation(ctx, org.id)
	if err != nil {
		return nil, err
	}
	type account struct {
		role domain.Role
		by   ledger.Caller
		id   domain.ID
	}
	accounts := []account{{domain.RoleSuperuser, operator, org.superuser.Actor}, {domain.RoleProfessional, org.superuser, org.staff[0].Actor}}
	for _, e := range []desk.EmployInput{
		{Role: domain.RoleAuditor, Name: "Randi Revisor", Email: "revisor@example.org"},
		{Role: domain.RoleEmployee, Name: "Drift Driftesen", Email: "drift@example.org"},
		{Role: domain.RoleSafetyManager, Name: "Siv Sikkerhet", Email: "sikkerhet@example.org"},
		{Role: domain.RoleToolManager, Name: "Vera Verktøy", Email: "verktoy@example.org"},
	} {
		by := operator
		by.Role = staff.KeeperOf(e.Role)
		id, err := d.sys.desk.Employ(ctx, by, e)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account{e.Role, by, id})
	}
	for _, a := range accounts {
		about := details.Name()
		if name := details.NameOf(a.id); name != "" {
			about = name + ", " + about
		} else {
			about = "of the service itself"
		}
		l, err := d.account(ctx, a.by, a.id)
		if err != nil {
			return nil, fmt.Errorf("an account for the demo's %s: %w", a.role, err)
		}
		l.Role, l.About = a.role, about
		all = append(all, l)
	}
	return all, d.trust(ctx, accounts[3].id, all)
}

// trust is what happens on the last day with the first organisation: it settles how long logs have names, a client asks about a
// look-up, another one deletes everything, and an employee of the service has had access to production.
func (d *demo) trust(ctx context.Context, employee domain.ID, logins []login) error {
	o := d.orgs[0]
	for _, c := range []organisation.Command{
		organisation.AgreeRetention{Months: 60, Reason: "Så lenge et tilsyn kan spørre"}, organisation.ReviewAccess{},
	} {
		if _, err := d.sys.desk.Organisations.Do(ctx, o.id, o.superuser, c); err != nil {
			return err
		}
	}
	asks := func(by ledger.Caller) error {
		version := uint64(0)
		for r, err := range d.sys.store.Stream(ctx, eventschema.ClientStream.Stream(by.Actor), 1) {
			if err != nil {
				return err
			}
			f, err := eventschema.Today.Decode(&r, nil)
			if err != nil {
				return err
			}
			if b, ok := f.Body.(client.LookedUp); ok && b.Basis == client.ByGrant {
				version = f.Version
			}
		}
		_, err := d.sys.desk.AskAboutLookUp(ctx, by, version)
		return err
	}
	erases := func(by ledger.Caller) error {
		_, err := d.sys.desk.Erase(ctx, by)
		return err
	}
	for _, w := range []struct {
		does func(ledger.Caller) error
		is   func(client.State) bool
	}{
		{asks, func(s client.State) bool { return s.Status == client.Shared }},
		{erases, func(s client.State) bool { return s.Status != client.Shared }},
	} {
		for _, c := range slices.Backward(d.cohort) {
			if c.id.IsZero() || c.org != o || slices.ContainsFunc(logins, func(l login) bool { return l.Code == c.code.Slip() }) {
				continue
			}
			s, _, err := d.sys.desk.Clients.State(ctx, c.id)
			if err != nil {
				return err
			}
			if s.Deactivated || s.Restricted || !w.is(s.At(d.sys.rules, d.now)) {
				continue
			}
			by, err := d.caller(o, domain.RoleClient)
			if err != nil {
				return err
			}
			by.Actor = c.id
			if err := w.does(by); domain.Refused(err) != "" {
				continue // nobody has looked
			} else if err != nil {
				return err
			}
			break
		}
	}
	by, err := d.caller(o, domain.RoleEmployee)
	if err != nil {
		return err
	}
	by.Actor, by.Organisation = employee, domain.ID{}
	if err := d.statistics(ctx, by); err != nil {
		return err
	}
	id, _, err := d.sys.desk.OpenAccess(ctx, by, oversight.AccessOpened{Door: oversight.Production, Reason: "Skjema viste feil poengsum etter en oppgradering", Minutes: 120})
	if err != nil {
		return err
	}
	d.step(3600)
	if err := d.sys.desk.UseAccess(ctx, by, id, oversight.AccessUsed{What: "export", About: "one form"}); err != nil {
		return err
	}
	d.step(600)
	_, err = d.sys.desk.CloseAccess(ctx, by, id)
	return err
}

// statistics is what the demo tells of groups: the clients of half the organisations come by Helsenorge, and the last quarters that are over
// are released.
func (d *demo) statistics(ctx context.Context, by ledger.Caller) error {
	last := statistics.QuarterOf(d.now) - 1
	if !d.tells || last < statistics.QuarterOf(d.begun) {
		return nil
	}
	for i, o := range d.orgs {
		if _, err := d.sys.desk.Organisations.Do(ctx, o.id, by, organisation.SetHelsenorge{By: i%2 == 0}); err != nil {
			return err
		}
	}
	if err := d.sys.keeper.CatchUp(ctx); err != nil {
		return err
	}
	for q := max(statistics.QuarterOf(d.begun), last-2); q <= last; q++ {
		if _, err := d.sys.release(ctx, by, statistics.Quarterly, q, solverFlag{}); err != nil {
			return err
		}
	}
	return nil
}

// demoDeclaration is the wording that the demo's staff sign.
var demoDeclaration, _ = text.All.Shown(text.Confidentiality, "nb", 0)

// account invites somebody and accepts.
func (d *demo) account(ctx context.Context, by ledger.Caller, id domain.ID) (login, error) {
	if err := d.sys.keeper.CatchUp(ctx); err != nil {
		return login{}, err
	}
	i, err := d.sys.desk.Invite(ctx, by, id)
	if err == nil {
		err = d.sys.keeper.CatchUp(ctx)
	}
	if err != nil {
		return login{}, err
	}
	e, err := d.sys.desk.OpenInvitation(ctx, i.Code, i.Confirmation)
	if err != nil {
		return login{}, err
	}
	l := login{Login: e.Login, Password: demoPassword, Secret: e.OTP.Base32()}
	oneTime, err := totp.GenerateCode(l.Secret, d.now)
	if err != nil {
		return login{}, errors.New("the authenticator's secret is none")
	}
	return l, d.sys.desk.AcceptInvitation(ctx, i.Code, i.Confirmation, demoPassword, oneTime, demoDeclaration)
}

// clientLogins finds a client who shares, one who is asked whether follow-up goes on, one who does not share, and gives a code
// to one who is new.
func (d *demo) clientLogins(ctx context.Context) ([]login, error) {
	var all []login
	wanted := []struct {
		about string
		is    func(client.State) bool
	}{
		{"shares", func(s client.State) bool { return s.Status == client.Shared && !s.Asked }},
		{"shares, and is asked whether follow-up goes on", func(s client.State) bool { return s.Status == client.Shared && s.Asked }},
		{"has stopped sharing", func(s client.State) bool { return s.Status == client.Ended || s.Status == client.RanOut }},
	}
	for _, w := range wanted {
		for _, c := range d.cohort {
			if c.id.IsZero() || c.org != d.orgs[0] {
				continue
			}
			s, _, err := d.sys.desk.Clients.State(ctx, c.id)
			if err != nil {
				return nil, err
			}
			if s = s.At(d.sys.rules, d.now); s.Code != c.code.Hash(d.sys.desk.CodeKey) || s.Deactivated || s.Restricted || !w.is(s) {
				continue
			}
			all = append(all, login{Role: domain.RoleClient, About: w.about, Code: c.code.Slip()})
			break
		}
	}
	r, err := d.sys.desk.RegisterClient(ctx, d.orgs[0].superuser)
	if err != nil {
		return nil, err
	}
	return append(all, login{Role: domain.RoleClient, About: "new: has not answered the first question", Code: r.Code.Slip()}), nil
}
