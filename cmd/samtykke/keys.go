package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"samtykke/adapters/disk"
)

type keysCmd struct {
	Status keysStatusCmd `cmd:"" help:"Tell how many keys there are, and when the epochs end whose keys wrap them."`
	Rotate keysRotateCmd `cmd:"" help:"Begin the day's epoch, if it has not begun, and destroy the keys of those that have ended. A server does it by itself."`
	Escrow keysEscrowCmd `cmd:"" help:"Bring a second place of the keys up to date, and destroy there what has ended. Runs beside a server."`
}

type keysStatusCmd struct{ dataFlag }

// Run opens the keyring alone: nothing is rotated.
func (c *keysStatusCmd) Run(env *surroundings) (err error) {
	if err := c.there(); err != nil {
		return err
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	keys, err := w.openKeys(env.ctx)
	if err != nil {
		return err
	}
	return errors.Join(printKeys(env.ctx, env.stdout, keys), keys.Close())
}

type keysRotateCmd struct{ dataFlag }

func (c *keysRotateCmd) Run(env *surroundings) error {
	return c.with(env, func(s *system) error { // which rotates
		return printKeys(env.ctx, env.stdout, s.keys)
	})
}

func printKeys(ctx context.Context, to io.Writer, keys ring) error {
	living, destroyed, err := keys.Count(ctx)
	if err != nil {
		return err
	}
	epochs, err := keys.Epochs()
	if err != nil {
		return err
	}
	fmt.Fprintf(to, "%d keys, %d destroyed\n", living, destroyed)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, e := range epochs {
		until := "destroyed from " + instant(e.Ends)
		if e.Current {
			until = "in use; if no other follows, " + until
		}
		fmt.Fprintf(w, "epoch %d\tbegun %s\t%s\n", e.Number, instant(e.Begun), until)
	}
	return w.Flush()
}

type keysEscrowCmd struct {
	dataFlag
	To string `required:"" placeholder:"DIR" help:"The second place, apart from the data directory and from every backup."`
}

func (c *keysEscrowCmd) Run(env *surroundings) error {
	if err := c.there(); err != nil {
		return err
	}
	if err := apart([]place{{"--data", c.Data}, {"--to", c.To}}); err != nil {
		return err
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	to, err := disk.OS(c.To)
	if err != nil {
		return err
	}
	if err := escrowTo(disk.Sub(w.disk, keyDir), to, w.clock()); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s holds the keys of today. A backup opens with them and with nothing else.\n", c.To)
	return nil
}
