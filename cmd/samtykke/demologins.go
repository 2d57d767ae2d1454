package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pquerna/otp/totp"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
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
	} {
		id, err := d.sys.desk.Employ(ctx, operator, e)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account{e.Role, operator, id})
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
	return all, nil
}

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
	return l, d.sys.desk.AcceptInvitation(ctx, i.Code, i.Confirmation, demoPassword, oneTime)
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
