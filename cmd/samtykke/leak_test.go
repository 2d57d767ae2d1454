package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"samtykke/adapters/desk"
	"samtykke/adapters/disk/simdisk"
	"samtykke/adapters/relay"
	"samtykke/adapters/relay/webhook"
	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/eventschema"
	"samtykke/projections"
)

// bareKeys hide nothing: the ciphertext is the plaintext, as in the vectors.
type bareKeys struct{}

func (bareKeys) Seal(_ eventschema.Owner, plaintext, _ []byte) ([]byte, error) { return plaintext, nil }
func (bareKeys) Open(_ eventschema.Owner, ciphertext, _ []byte) ([]byte, error) {
	return ciphertext, nil
}

// vectors are all events there are, one of each version, as once written.
func vectors(t *testing.T) (all []eventschema.Record) {
	t.Helper()
	files, err := filepath.Glob("../../testdata/events/*.json")
	if err != nil || len(files) < len(eventschema.Today.Rows()) {
		t.Fatal("vectors are missing", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			ID                      domain.ID
			Stream, Data, Plaintext string
			Version                 uint64
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(file, err)
		}
		r := eventschema.Record{ID: v.ID, Stream: v.Stream, Version: v.Version}
		if r.Data, err = hex.DecodeString(v.Data); err == nil && v.Plaintext != "" {
			r.Sealed, err = hex.DecodeString(v.Plaintext)
		}
		if err != nil {
			t.Fatal(file, err)
		}
		all = append(all, r)
	}
	return all
}

// words are the texts in a value that a person wrote, wherever in it they stand. In vectors these say canary, or are numbers. What the
// program itself says, such as the code of a refusal, is not among them.
func words(v reflect.Value) (all []string) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); strings.Contains(s, "canary") || len(s) > 3 && !strings.ContainsFunc(s, unicode.IsLetter) {
			all = append(all, s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			all = append(all, words(v.Field(i))...)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			all = append(all, words(v.Index(i))...)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			all = words(v.Elem())
		}
	}
	return all
}

// asPrinted are the forms in which fmt and encoders print a text or bytes.
func asPrinted(s string) []string {
	listed := fmt.Sprintf("%#v", []byte(s))
	return []string{
		s, fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), strings.Trim(fmt.Sprint([]byte(s)), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(listed, "[]byte{"), "}"), base64.StdEncoding.EncodeToString([]byte(s)),
	}
}

// A mouth is everything that prints: every verb, and every handler of logs.
type mouth struct {
	t    *testing.T
	hush []string // what must not be heard
}

var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "% x", "%08b", "%t"}

func (m *mouth) heard(how, said string) {
	m.t.Helper()
	for _, word := range m.hush {
		for _, form := range asPrinted(word) {
			if strings.Contains(said, form) {
				m.t.Errorf("%s shows %q: %.300s", how, word, said)
				return
			}
		}
	}
}

// say prints a value in every way, by itself and inside of others.
func (m *mouth) say(what string, v any) {
	m.t.Helper()
	pointer := reflect.New(reflect.TypeOf(v))
	pointer.Elem().Set(reflect.ValueOf(v))
	for how, v := range map[string]any{
		"": v, " by pointer": pointer.Interface(), " in a list": []any{v}, " in a map": map[string]any{"v": v}, " in a struct": struct{ V any }{v},
	} {
		for _, verb := range verbs {
			m.heard(what+how+" by "+verb, fmt.Sprintf(verb, v))
		}
		m.heard(what+how+" in an error", fmt.Errorf("it failed: %v, %w", v, errors.New("so")).Error())
		var out bytes.Buffer
		for _, log := range []*slog.Logger{web.Logger(&out), slog.New(slog.NewTextHandler(&out, nil))} {
			log.With("w", v).Error("message", "v", v, slog.Group("g", slog.Any("v", v)))
		}
		m.heard(what+how+" in a log", out.String())
	}
}

// Nothing that prints shows what a person wrote, nor a secret: whatever the verb or the logger, of every event, closed or open, by
// itself or as part of another; of every state and document that events make; of every error about an event that was cut or changed;
// of codes, tokens and sessions.
//
// shows C04 law-4
func TestNothingLeaks(t *testing.T) {
	all := vectors(t)
	var facts []eventschema.Fact
	every := &mouth{t: t}
	figures := expose(newStage(t))
	for i := range all {
		f, err := eventschema.Today.Decode(&all[i], bareKeys{})
		if err != nil {
			t.Fatal(err)
		}
		m := &mouth{t, words(reflect.ValueOf(f.Body))}
		closed, err := eventschema.Today.Decode(&all[i], nil)
		if err != nil {
			t.Fatal(err)
		}
		m.say(f.Name, f)
		m.say(f.Name+", closed", closed)
		m.say(f.Name+", its record", all[i])
		m.say(f.Name+", its body", f.Body)
		m.say(f.Name+", its event", event(f))
		facts, every.hush = append(facts, f), append(every.hush, m.hush...)
		errorsOf(t, m, all[i])
		figures.metrics.Appended(&f)
		m.heard(f.Name+" in the figures", string(figures.figures(t)))
	}
	if len(every.hush) < 30 {
		t.Errorf("only %d words to listen for", len(every.hush))
	}
	for what, state := range states(facts) {
		every.say(what, state)
	}
	secrets(t)
}

// event is the fact's, as its own package has it.
func event(f eventschema.Fact) any {
	switch b := f.Body.(type) {
	case client.Body:
		return client.Event{Act: f.Act, Body: b}
	case journal.Body:
		return journal.Event{Act: f.Act, Body: b}
	case organisation.Body:
		return organisation.Event{Act: f.Act, Body: b}
	case oversight.Body:
		return oversight.Event{Act: f.Act, Body: b}
	case staff.Body:
		return staff.Event{Act: f.Act, Body: b}
	}
	return f
}

// errorsOf listens to what is said of a record that was cut, or one byte of which is another.
func errorsOf(t *testing.T, m *mouth, r eventschema.Record) {
	t.Helper()
	said := func(r eventschema.Record) {
		t.Helper()
		_, err := eventschema.Today.Decode(&r, bareKeys{})
		for _, err := range []error{err, eventschema.Today.Check(&r)} {
			if err != nil {
				m.heard("an error about "+r.Stream, fmt.Sprintf("%v %+v %#v", err, err, err))
			}
		}
	}
	for _, part := range []*[]byte{&r.Data, &r.Sealed} {
		whole := *part
		for i := range whole {
			*part = whole[:i]
			said(r)
			for _, b := range []byte{0, whole[i] + 1, whole[i] ^ 0x20, 0xff} {
				*part = slices.Clone(whole)
				(*part)[i] = b
				said(r)
			}
		}
		*part = whole
	}
}

// states are what the events make, in the domain, in views, and in answers.
func states(facts []eventschema.Fact) map[string]any {
	var (
		c client.State
		j journal.State
		o organisation.State
		s staff.State
		a oversight.Access
		v oversight.State
	)
	all := map[string]any{}
	for _, f := range facts {
		switch b := f.Body.(type) {
		case client.Body:
			c = client.Evolve(c, client.Event{Act: f.Act, Effective: f.Effective, Rule: f.Rule, Body: b})
			all["a client after "+f.Name] = c
		case journal.Body:
			j = journal.Evolve(j, journal.Event{Act: f.Act, Body: b})
			all["a journal after "+f.Name] = j
		case organisation.Body:
			o = organisation.Evolve(o, organisation.Event{Act: f.Act, Effective: f.Effective, Body: b})
			all["an organisation after "+f.Name] = o
		case staff.Body:
			s = staff.Evolve(s, staff.Event{Act: f.Act, Body: b})
			all["an account after "+f.Name] = s
		case oversight.Body:
			switch b.(type) {
			case oversight.AccessOpened, oversight.AccessUsed, oversight.AccessClosed, oversight.AccessReviewed:
				a = oversight.EvolveAccess(a, oversight.Event{Act: f.Act, Effective: f.Effective, Body: b})
				all["an access after "+f.Name] = a
			default:
				v = oversight.Evolve(v, oversight.Event{Act: f.Act, Body: b})
				all["oversight after "+f.Name] = v
			}
		}
	}
	for i := range facts {
		projections.All(rules.All).Each(func(v projections.Fold) {
			for _, doc := range v.Run([]*projections.Fact{&facts[i]}) {
				all["a document of "+v.Name+" after "+facts[i].Name] = doc
			}
		})
	}
	return all
}

// secrets are said in every way, and not heard.
func secrets(t *testing.T) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	d := simdisk.New(rand.NewPCG(1, 1))
	d.WriteFile("code.key", []byte("0123456789abcdef0123456789abcdef"))
	key, err := signin.LoadHashKey(d, "code.key", random)
	if err != nil {
		t.Fatal(err)
	}
	code, err := signin.NewCode(random)
	if err != nil {
		t.Fatal(err)
	}
	hash := code.Hash(key)
	session := signin.Session{ID: domain.ID{1}, Actor: domain.ID{2}, Role: domain.RoleClient, Language: "nb", Code: hash, Pending: hash}
	token, err := signin.NewSessions(random, 0).New(t.Context(), time.Unix(0, 0), &session)
	if err != nil {
		t.Fatal(err)
	}
	m := &mouth{t, append(strings.Split(code.Slip(), "-"), token.Cookie(), string(hash[:8]), "0123456789abcdef", "K7M2")}
	for what, v := range map[string]any{
		"a code": code, "a key": key, "a session": session, "a token": token,
		"an invitation": desk.Invitation{Code: code, Confirmation: "K7M2-QX4A"},
		"an enrolment":  desk.Enrolment{},
		"a client":      client.State{Code: hash},
		"a registered":  client.Registered{Code: hash},
		"a new code":    client.CodeRotated{Old: hash, New: hash},
		"a notice":      relay.Notice{Kind: relay.NewContent, Recipient: "0123456789abcdef0123456789abcdef"},
		"a message":     relay.Sharing{Kind: relay.SharingBegan, Client: "0123456789abcdef0123456789abcdef"},
		"a gateway":     webhook.Gateway{Address: "https://me:0123456789abcdef@gate.example.no"},
	} {
		m.say(what, v)
	}
}
