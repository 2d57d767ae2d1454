package desk

import (
	"context"

	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/oversight"
	"samtykke/projections"
)

// CallerOf is who gives commands in a session.
func CallerOf(s *signin.Session) ledger.Caller {
	return ledger.Caller{Actor: s.Actor, Role: s.Role, Session: s.ID, Organisation: s.Organisation}
}

// ErrCode is the one answer to a code that opens nothing: never given out, replaced, or no longer in use.
var ErrCode = domain.Refuse(client.WrongCode, "The code is not in use. Check that it is typed as it stands on the slip.")

// LogIn lets a client in by its code, and records the login. The session is begun by signin.Sessions.New. A code that opens nothing
// is on record, after the same reads.
func (d *Desk) LogIn(ctx context.Context, code signin.Code, how journal.LogIn) (signin.Session, error) {
	hash := client.CodeHash(code.Hash(d.CodeKey))
	id, known, err := d.Keeper.Codes.Get(ctx, projections.CodeKey(hash))
	if err != nil {
		return signin.Session{}, err
	}
	if !known {
		id = nobody
	}
	session, err := d.Ledger.NewID()
	if err != nil {
		return signin.Session{}, err
	}
	s := signin.Session{ID: session, Actor: id, Role: domain.RoleClient, Channel: string(how.Channel), Code: hash}
	j, _, err := d.Journals.State(ctx, id)
	if err != nil {
		return signin.Session{}, err
	}
	_, err = d.Clients.DoAtEnd(ctx, id, CallerOf(&s), client.LogIn{Code: hash, LastLogin: j.LastLogin})
	if reason := domain.Refused(err); reason != "" {
		return signin.Session{}, d.refused(ctx, ledger.Caller{}, oversight.AsClient, id, reason, ErrCode)
	}
	if err != nil {
		return signin.Session{}, err
	}
	done, err := d.Journals.Do(ctx, id, CallerOf(&s), how)
	s.Position = done.Position
	return s, err
}

// SignedOut is the code of the refusal of a session that is no longer good.
const SignedOut = "signed-out"

// Live refuses a session that what it was opened with no longer opens: a client's, when the code was changed or is no longer in
// use; a member of staff's, when the account ended, the password was set anew, or the standing in the organisation is another. It
// reads the ledger, so a session ends at once, whichever instance it is held by.
func (d *Desk) Live(ctx context.Context, s *signin.Session) error {
	live := d.staffLive
	if s.Role == domain.RoleClient {
		live = d.clientLive
	}
	ok, err := live(ctx, s)
	if err == nil && !ok {
		err = domain.Refuse(SignedOut, "You have been signed out. Sign in again.")
	}
	return err
}

// clientLive also takes the code that the session itself has drawn: another of its requests may just have put it in place.
func (d *Desk) clientLive(ctx context.Context, s *signin.Session) (bool, error) {
	c, used, err := d.codeInUse(ctx, s.Actor)
	return used && (signin.SameHash(c.Code, s.Code) ||
		s.Pending != [len(s.Pending)]byte{} && signin.SameHash(c.Code, s.Pending)), err
}

// codeInUse tells whether the client's code is in use by now, whether or not that has been written down.
func (d *Desk) codeInUse(ctx context.Context, id domain.ID) (client.State, bool, error) {
	s, _, err := d.Clients.State(ctx, id)
	if err != nil {
		return s, false, err
	}
	j, _, err := d.Journals.State(ctx, id)
	return s, err == nil && s.Registered() && !s.Deactivated && !s.Idle(d.Books, j.LastLogin, d.Ledger.Now()), err
}

func (d *Desk) staffLive(ctx context.Context, s *signin.Session) (bool, error) {
	a, _, err := d.Staff.State(ctx, s.Actor)
	if err != nil {
		return false, err
	}
	role, since, err := d.standing(ctx, a)
	return role != "" && role == s.Role && since == s.Standing && a.Organisation == s.Organisation &&
		a.Declared() == nil && s.Credentials != 0 && a.Credentials == s.Credentials, err
}

// BeginRotation draws a new code for a client, to be shown, and keeps its hash in s.Pending. The old one goes on working until the
// new one is typed back.
func (d *Desk) BeginRotation(ctx context.Context, s *signin.Session) (signin.Code, error) {
	if err := d.inUse(ctx, CallerOf(s)); err != nil {
		return signin.Code{}, err
	}
	next, err := d.NewCode()
	if err == nil {
		s.Pending = next.Hash(d.CodeKey)
	}
	return next, err
}

// NotTheNewCode is the code of the refusal of a new code that is typed back otherwise than it was shown.
const NotTheNewCode = "not-the-new-code"

// ConfirmRotation replaces the code that the session came by with the pending one, once it is typed back as it was shown. It sets
// s.Code and s.Position and clears s.Pending: of the client's sessions, this one goes on and every other ends.
func (d *Desk) ConfirmRotation(ctx context.Context, s *signin.Session, typed string) error {
	code, err := signin.ParseCode(typed)
	if err != nil || s.Pending == [len(s.Pending)]byte{} || !signin.SameHash(code.Hash(d.CodeKey), s.Pending) {
		return domain.Refuse(NotTheNewCode, "This is not the new code. Type it as it is shown, or ask for another.")
	}
	done, err := d.Act(ctx, CallerOf(s), client.RotateCode{Old: s.Code, New: s.Pending})
	if err != nil {
		return err
	}
	s.Code, s.Pending, s.Position = s.Pending, [len(s.Pending)]byte{}, done.Position
	return nil
}
