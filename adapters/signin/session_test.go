package signin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"samtykke/adapters/signin"
	"samtykke/adapters/signin/signintest"
	"samtykke/domain"
)

var noon = time.Date(2026, 5, 18, 10, 0, 0, 0, time.UTC)

func someID(n int) domain.ID { return domain.ID{byte(n), byte(n >> 8), 6: 0x40, 8: 0x80} }

func aSession(n int, r domain.Role) signin.Session {
	return signin.Session{ID: someID(n), Actor: someID(1000 + n), Role: r}
}

func TestSessions(t *testing.T) {
	signintest.TestSessions(t, func(_ *testing.T, most int) signintest.SessionPlace {
		table := signin.MemorySessions(most)
		return func(*testing.T) signin.SessionTable { return table }
	})
}

func TestFresh(t *testing.T) {
	s := signin.Session{}
	if s.Fresh(noon) || s.Fresh(time.Time{}.Add(time.Second)) {
		t.Error("fresh without ever a password")
	}
	s.StrongAt = noon
	if !s.Fresh(noon) || !s.Fresh(noon.Add(5*time.Minute-1)) || s.Fresh(noon.Add(5*time.Minute)) {
		t.Error("five minutes, and at the end of them no more")
	}
}

// The table holds no token, and nothing that prints shows one, or anything of a session.
func TestSessionsPrintNothing(t *testing.T) {
	table := signin.NewSessions(seeded(1), 0)
	s := aSession(1, domain.RoleClient)
	s.Code, s.Pending, s.Channel = [32]byte{0xaa, 0xbb, 0xcc, 0xdd}, [32]byte{0xaa, 0xbb, 0xcc, 0xdd}, "canary"
	token, err := table.New(t.Context(), noon, &s)
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := table.Find(t.Context(), token.Cookie(), noon)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(token.Cookie())
	if err != nil || len(secret) != 32 {
		t.Fatal("a token is 32 bytes")
	}
	var out bytes.Buffer
	for _, v := range []any{token, &token, s, &s, found, []signin.Session{s}, struct{ S signin.Session }{s}, struct{ T signin.Token }{token}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	hash := sha256.Sum256(secret)
	for _, form := range []string{
		token.Cookie()[:8], fmt.Sprintf("%x", secret[:4]), fmt.Sprint(secret[:4])[1:8], "canary", "aabbcc", "170 187", "0xaa", someID(1).String()[:8],
		fmt.Sprintf("%x", hash[:4]),
	} {
		if strings.Contains(strings.ToLower(out.String()), strings.ToLower(form)) {
			t.Errorf("printing shows %q", form)
		}
	}
	out.Reset()
	fmt.Fprintf(&out, "%+v", table) // with all its insides
	for _, form := range []string{token.Cookie(), fmt.Sprint(secret[:8])[1:20]} {
		if strings.Contains(out.String(), form) {
			t.Error("the table holds the token")
		}
	}
}
