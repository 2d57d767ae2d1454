package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/domain/oversight"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// Who acts with an exceptional access on the command line signs in as in the browser: by login, password and one-time code, typed on the
// terminal or read from standard input, and never from an argument or the environment, which other processes see. It is the same sign-in,
// with the same answer to whatever is wrong and the same events (A12, D16).

// typed is what somebody shows to be let in.
type typed struct{ login, password, oneTime string }

// as gives a command to somebody who has signed in.
func (d dataFlag) as(env *surroundings, do func(*system, ledger.Caller) error) error {
	if err := d.there(); err != nil {
		return err
	}
	shown, err := env.askWho() // before the data directory is taken: people are slow
	if err != nil {
		return err
	}
	return d.with(env, func(s *system) error {
		by, err := s.signIn(env.ctx, shown)
		if err == nil {
			err = do(s, by)
		}
		return refused("", err)
	})
}

// signIn lets a member of staff in, within the limits on attempts, and records it.
func (s *system) signIn(ctx context.Context, shown typed) (ledger.Caller, error) {
	if err := s.attempt(ctx, shown.login); err != nil {
		return ledger.Caller{}, err
	}
	session, err := s.desk.SignIn(ctx, shown.login, shown.password, shown.oneTime)
	return desk.CallerOf(&session), err
}

// remembered is how far back refused attempts count, as long as the server remembers a name.
const remembered = 24 * time.Hour

// attempt counts an attempt to sign in, or refuses it, by the server's limits on one name and on all. A process that lives for one
// attempt remembers none, so those before are the refused ones that are on record, by whichever way they came. Each of the others has
// used a one-time code up.
func (s *system) attempt(ctx context.Context, login string) error {
	limits := signin.NewLimits(s.secrets, slices.DeleteFunc(slices.Clone(signin.Rows), func(l signin.Limit) bool {
		return l.By == signin.ByAddress // there is none
	}))
	accounts, err := s.keeper.Accounts.List(ctx, projections.StaffKey(staff.Hash(signin.LoginHash(s.desk.CodeKey, login))))
	now := s.ledger.Now()
	times, _, errTimes := s.keeper.Times.Get(ctx, projections.Everybody)
	if err := errors.Join(err, errTimes); err != nil {
		return err
	}
	for first, final := range times.Within(now.Add(-remembered), time.Time{}) {
		for r, err := range s.store.After(ctx, first-1) {
			if err != nil {
				return err
			}
			f, err := eventschema.Today.Decode(&r, nil)
			if err != nil {
				return err
			}
			b, refused := f.Body.(oversight.SignInRefused)
			if refused && b.As == oversight.AsStaff && !f.Act.At.Before(now.Add(-remembered)) {
				name := b.Account.String()
				if _, same := accounts[b.Account]; same || len(accounts) == 0 && b.Account.IsZero() {
					name = login
				}
				_ = limits.Allow(ctx, f.Act.At, signin.StaffSignIn, netip.Addr{}, name) // it was made, whatever is said of it
			}
			if r.Position >= final {
				break
			}
		}
	}
	return limits.Allow(ctx, now, signin.StaffSignIn, netip.Addr{}, login)
}

// askWho asks for login, password and one-time code. On a terminal, only the login is shown as it is typed.
func (env *surroundings) askWho() (shown typed, err error) {
	for _, q := range []struct {
		what string
		to   *string
	}{{"Login", &shown.login}, {"Password", &shown.password}, {"One-time code", &shown.oneTime}} {
		if *q.to, err = env.ask(q.what, q.to != &shown.login); err != nil {
			return typed{}, err
		}
	}
	return shown, nil
}

// ask reads a line from standard input, with a prompt on a terminal.
func (env *surroundings) ask(what string, secret bool) (string, error) {
	file, ok := env.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return readLine(env.stdin)
	}
	before, err := term.GetState(int(file.Fd()))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(env.stderr, "%s: ", what)
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		if !secret {
			text, err := readLine(file)
			read <- line{text, err}
			return
		}
		text, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(env.stderr)
		read <- line{string(text), err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-env.ctx.Done(): // interrupted: what is typed shows again
		return "", errors.Join(env.ctx.Err(), term.Restore(int(file.Fd()), before))
	}
}

// longestLine is in bytes: more than any login, password or one-time code has.
const longestLine = 1024

// readLine reads up to the line's end and not a byte further, which belongs to whoever reads next.
func readLine(from io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < longestLine; line = append(line, b...) {
		switch _, err := io.ReadFull(from, b); {
		case err == io.EOF && len(line) == 0:
			return "", usage("login, password and one-time code are read from standard input, a line each")
		case err != nil && err != io.EOF:
			return "", err
		case err == io.EOF, b[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		}
	}
	return "", usage("what was typed is too long for a login, a password or a one-time code")
}
