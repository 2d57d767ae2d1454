package main

import (
	"fmt"

	"samtykke/adapters/desk"
	"samtykke/domain"
	"samtykke/domain/staff"
)

type employCmd struct {
	dataFlag
	Role  string `required:"" enum:"auditor,employee,safety-manager,tool-manager" help:"What the account is for: auditor, employee, safety-manager or tool-manager."`
	Name  string `required:"" placeholder:"NAME" help:"Who it is."`
	Email string `required:"" placeholder:"ADDRESS" help:"The e-mail address; it becomes the login name."`
	By    string `placeholder:"NAME" help:"Who gives the account, as you say yourself; the name of the login, if not given. Only an id made from it is recorded."`
}

// Run gives somebody of the service's own staff an account: the first one has nobody inside to ask.
func (c *employCmd) Run(env *surroundings) error {
	as := staff.KeeperOf(domain.Role(c.Role)) // which whoever has the machine can be
	var i desk.Invitation
	err := c.orNew(env, func(s *system) error {
		by, err := saidBy(c.By, as)
		if err != nil {
			return err
		}
		id, err := s.desk.Employ(env.ctx, by, desk.EmployInput{Role: domain.Role(c.Role), Name: c.Name, Email: c.Email})
		if err != nil {
			return err
		}
		if err := s.keeper.CatchUp(env.ctx); err != nil {
			return err
		}
		i, err = s.desk.Invite(env.ctx, by, id)
		return err
	})
	if domain.Refused(err) != "" {
		return usage("%v", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Invitation    %s\nConfirmation  %s\n\n", i.Code.Slip(), i.Confirmation)
	fmt.Fprintf(env.stdout, "Give the two by two media, such as e-mail and telephone. Both open the account until %s; neither is shown again.\n",
		i.Until.In(domain.Oslo).Format("2006-01-02"))
	return nil
}
