package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"samtykke/adapters/audit"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// Whoever opens exceptional access on the command line is given a capability: the id of the access, and a keyed hash that nobody can
// make without the key in keys/code.key. Commands that open what is sealed take it from the environment, and record what they do as done
// by whoever opened the access, in the session that it was opened in. It is stored nowhere. It opens nothing once the access has ended,
// and nothing once the account has: the hash is also over the version at which the account's password was set, so one that is set anew
// ends it as it ends sessions (law 9). Whoever can read the keys can make one; but then all that is sealed lies open anyway.

// accessVariable names the environment variable that holds a capability.
const accessVariable = "SAMTYKKE_ACCESS"

// howToOpen is how a capability is come by.
const howToOpen = `eval "$(samtykke access open --data DIR --reason TEXT --hours N)"`

// capability is what shows that somebody opened an access while the password set at that version held.
func (s *system) capability(id domain.ID, credentials uint64) (string, error) {
	f, err := s.disk.OpenRead(codeKey)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var key [32]byte // of this size, or the system would not have opened
	defer clear(key[:])
	if _, err := f.ReadAt(key[:], 0); err != nil {
		return "", fmt.Errorf("reading the key %s: %w", codeKey, err)
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("samtykke exceptional access 1\x00"))
	mac.Write(id[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, credentials))
	return id.String() + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// handOut prints the capability of an access, for a shell to evaluate, and says beside it what there is to know.
func (s *system) handOut(env *surroundings, data string, id domain.ID, a oversight.Access) error {
	account, _, err := s.desk.Staff.State(env.ctx, a.By)
	if err != nil {
		return err
	}
	c, err := s.capability(id, account.Credentials)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "Open until %s. Every use is recorded as yours. Commands that use it read %s from the environment.\n"+
		"Close it with: samtykke access close --data %s %s\n", instant(a.Until), accessVariable, data, id)
	_, err = fmt.Fprintf(env.stdout, "export %s=%s\n", accessVariable, c)
	return err
}

// An openAccess is one to production that is used, and by whom.
type openAccess struct {
	sys *system
	id  domain.ID
	by  ledger.Caller
}

// access is what the capability in the environment opens. It refuses in one way whatever is wrong with it.
func (s *system) access(ctx context.Context) (openAccess, error) {
	given := os.Getenv(accessVariable)
	if given == "" {
		return openAccess{}, usage("this opens what is sealed, and takes an exceptional access that you have open yourself: %s", howToOpen)
	}
	nothing := usage("what %s holds is wrong, or the access has ended: open one with %s", accessVariable, howToOpen)
	text, _, _ := strings.Cut(given, ".")
	id, err := domain.ParseID(text)
	if err != nil {
		return openAccess{}, nothing
	}
	a, _, err := s.desk.Accesses.State(ctx, id)
	if err != nil {
		return openAccess{}, err
	}
	account, _, err := s.desk.Staff.State(ctx, a.By)
	if err != nil {
		return openAccess{}, err
	}
	right, err := s.capability(id, account.Credentials)
	if err != nil {
		return openAccess{}, err
	}
	if !hmac.Equal([]byte(given), []byte(right)) || a.Door != oversight.Production || !a.OpenAt(s.ledger.Now()) ||
		account.Role != domain.RoleEmployee || account.Ended {
		return openAccess{}, nothing
	}
	for r, err := range s.store.Stream(ctx, eventschema.AccessStream.Stream(id), 1) {
		if err != nil {
			return openAccess{}, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		return openAccess{s, id, ledger.Caller{Actor: a.By, Role: account.Role, Session: f.Act.Session}}, err
	}
	return openAccess{}, nothing // unreachable: what is open was opened
}

// record puts a question on record as a use of the access, and then as a question. It gives the position of the latter.
func (a openAccess) record(ctx context.Context, q oversight.Queried) (uint64, error) {
	if err := a.sys.desk.UseAccess(ctx, a.by, a.id, oversight.AccessUsed{What: q.Query, About: q.About}); err != nil {
		return 0, err
	}
	return a.sys.ask(ctx, a.by, q)
}

// auditorWithAccess is what may be asked with the access in the environment.
func (s *system) auditorWithAccess(ctx context.Context) (*audit.Auditor, error) {
	a, err := s.access(ctx)
	asks := s.auditor(a.by)
	asks.Record = a.record
	return asks, err
}
