package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/pquerna/otp/totp"

	"samtykke/adapters/web"
	"samtykke/domain"
)

// A devClock is a clock that goes on from wherever somebody who tries the service out has set it.
type devClock struct {
	real func() time.Time
	off  atomic.Int64
}

func (c *devClock) now() time.Time { return c.real().Add(time.Duration(c.off.Load())) }

func (c *devClock) set(to time.Time) { c.off.Store(int64(to.Sub(c.real()))) }

// loginsFile is in the data directory of a demo, and marks it as one.
const loginsFile = "demo-logins.json"

// A login of the demo: of a client by the code, of staff by the rest.
type login struct {
	Role     domain.Role `json:"role"`
	About    string      `json:"about"`
	Code     string      `json:"code,omitempty"`
	Login    string      `json:"login,omitempty"`
	Password string      `json:"password,omitempty"`
	Secret   string      `json:"authenticatorSecret,omitempty"`
	OneTime  string      `json:"oneTimeCode,omitempty"` // of the moment; not in the file
}

// readLogins gives the logins of a demo; nil where it is none.
func readLogins(data string) ([]login, error) {
	b, err := os.ReadFile(filepath.Join(data, loginsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	logins := []login{}
	if err := json.Unmarshal(b, &logins); err != nil {
		return nil, fmt.Errorf("%s is damaged: make the demo anew", loginsFile)
	}
	return logins, nil
}

func writeLogins(data string, logins []login) error {
	b, err := json.MarshalIndent(logins, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(data, loginsFile), b, 0o600)
}

// register adds what is there for trying out.
func (c *devClock) register(to *mux.Router, logins []login) {
	to.HandleFunc("/dev/clock", func(w http.ResponseWriter, r *http.Request) {
		web.Name(r.Context(), "POST /dev/clock")
		var in struct {
			Now time.Time `json:"now"`
		}
		if err := web.Decode(r, &in); err != nil {
			web.WriteProblem(w, r, web.FromError(err))
			return
		}
		c.set(in.Now)
		web.Answer(w, r, http.StatusOK, map[string]time.Time{"now": c.now().UTC()})
	}).Methods(http.MethodPost)
	to.HandleFunc("/dev/logins", func(w http.ResponseWriter, r *http.Request) {
		web.Name(r.Context(), "GET /dev/logins")
		shown := slices.Clone(logins)
		for i, l := range shown {
			if l.Secret != "" {
				shown[i].OneTime, _ = totp.GenerateCode(l.Secret, c.now()) // "" shows that the secret is none
			}
		}
		web.Answer(w, r, http.StatusOK, shown)
	}).Methods(http.MethodGet)
}

type loginCmd struct {
	dataFlag
	Role string `enum:"professional,superuser,auditor,employee,safety-manager" default:"employee" help:"Whose: of a professional, superuser, auditor, employee or safety-manager."`
	Next bool   `help:"The one-time code after that of the moment, where that has been used: each is good once."`
}

// Run prints what the role's person in a demo signs in with.
func (c *loginCmd) Run(env *surroundings) error {
	logins, err := readLogins(c.Data)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(logins, func(l login) bool { return l.Role == domain.Role(c.Role) })
	if i < 0 {
		return usage("%s is not the data directory of a demo", c.Data)
	}
	w, err := realWorld(c.Data)
	if err != nil {
		return err
	}
	at := w.clock()
	if c.Next {
		at = at.Add(30 * time.Second)
	}
	code, err := totp.GenerateCode(logins[i].Secret, at)
	if err != nil {
		return fmt.Errorf("%s is damaged: make the demo anew", loginsFile)
	}
	_, err = fmt.Fprintf(env.stdout, "%s\n%s\n%s\n", logins[i].Login, logins[i].Password, code)
	return err
}
