package eventschema

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
)

var golden = flag.Bool("golden", false, "write the vectors that are missing, and the schemas")

const (
	vectorDir = "../testdata/events"
	schemaDir = "schema"
)

// A Vector is an event as it was once written: its place, its bytes, and the fact as tools show it. Bytes of a sealed
// event are sealed by `unsealed`, so that the vector shows the plaintext and needs no key.
type vector struct {
	Event  string          `json:"event"`
	Schema int             `json:"schema"`
	ID     domain.ID       `json:"id"`
	Stream string          `json:"stream"`
	Place  uint64          `json:"version"`
	Data   string          `json:"data"`
	Sealed string          `json:"plaintext,omitempty"`
	Leaf   string          `json:"leaf"`
	Fact   json.RawMessage `json:"fact"`
}

// unsealed are keys that hide nothing: the ciphertext is the plaintext.
type unsealed struct{}

func (unsealed) Seal(_ Owner, plaintext, _ []byte) ([]byte, error)  { return plaintext, nil }
func (unsealed) Open(_ Owner, ciphertext, _ []byte) ([]byte, error) { return ciphertext, nil }

func vectorPath(r Row) string {
	return filepath.Join(vectorDir, fmt.Sprintf("%s.v%d.json", r.Name, r.Version))
}

// sampleFact is a fact with a sample as its body, by somebody who would do such a thing.
func sampleFact(body any) Fact {
	row, _ := Today.RowOf(body)
	at := time.Date(2026, 3, 2, 10, 15, 30, 123456789, time.UTC)
	f := Fact{
		ID: domain.ID{0x5a, 6: 0x50, 8: 0x80, 15: 0x01}, Category: row.Category, Subject: id(0xc1), Version: 3,
		Effective: at, Rule: "assistert-selvhjelp/2", Body: body,
	}
	text := domain.Text{Name: "sharing", Version: "2025-09-07", Language: "nb"}
	f.Act = domain.Act{At: at, Actor: id(0xc1), Role: domain.RoleClient, Session: id(0x5e), Text: text}
	pro := domain.Act{At: at, Actor: id(0xf1), Role: domain.RoleProfessional, Session: id(0x5e), Organisation: id(0x01)}
	switch body.(type) {
	case client.FollowUpAsked, client.Lapsed, client.TermsChanged, client.Deactivated:
		f.Act = domain.Act{At: at, Role: domain.RoleSystem}
		f.Effective = domain.DateOf(at).Start()
	case client.KeyDestroyed, client.Swept:
		f.Act = domain.Act{At: at, Role: domain.RoleSystem}
	case client.LookUpReviewed, oversight.AttemptReviewed:
		f.Act = pro
		f.Act.Actor, f.Act.Role = id(0xf2), domain.RoleSuperuser
	case client.Registered, client.Labelled, client.LookedUp, journal.Answered, journal.ContentSent, journal.NoteWritten, oversight.LookUpRefused:
		f.Act = pro
	case organisation.ProfessionalAdded, organisation.ProfessionalNamed, organisation.RoleChanged,
		organisation.ProfessionalDeactivated, organisation.ProfessionalReactivated, organisation.ProfessionalErased,
		organisation.RetentionAgreed, organisation.NamesHidden, organisation.AccessReviewed:
		f.Act, f.Rule, f.Subject = pro, rules.General, id(0x01)
		f.Act.Role = domain.RoleSuperuser
	case organisation.ProfessionalKeyDestroyed:
		f.Act, f.Rule, f.Subject = domain.Act{At: at, Role: domain.RoleSystem}, rules.General, id(0x01)
	case organisation.Registered, organisation.ContactRecorded, organisation.HelsenorgeSet, journal.CorrectionMade, oversight.AccessOpened,
		oversight.AccessUsed, oversight.AccessClosed, statistics.Released:
		f.Act = domain.Act{At: at, Actor: id(0xe1), Role: domain.RoleEmployee, Session: id(0x5e)}
		f.Rule = rules.General
		if row.Category == OrganisationStream {
			f.Subject = id(0x01)
		}
	case oversight.Queried:
		f.Act = domain.Act{At: at, Actor: id(0xa1), Role: domain.RoleAuditor, Session: id(0x5e)}
		f.Rule, f.Subject, f.Version = rules.General, id(0x42), 1
	case oversight.AccessReviewed:
		f.Act = domain.Act{At: at, Actor: id(0x51), Role: domain.RoleSafetyManager, Session: id(0x5e)}
	case oversight.SignInRefused: // by nobody, until it is known who it is
		f.Act = domain.Act{At: at}
	case staff.Employed, staff.Named, staff.Invited, staff.Ended:
		f.Act = domain.Act{At: at, Actor: id(0xe1), Role: domain.RoleEmployee, Session: id(0x5e)}
	case staff.Accepted, staff.Rehashed, staff.SignedIn, staff.SteppedUp, staff.SignedOut:
		f.Act = domain.Act{At: at, Actor: id(0xf2), Role: domain.RoleAuditor, Session: id(0x5e)}
	case staff.DeclarationSigned:
		f.Act = domain.Act{At: at, Actor: id(0xf2), Role: domain.RoleAuditor, Session: id(0x5e)}
		f.Act.Text = domain.Text{Name: "confidentiality", Version: "2026-11-22", Language: "nb"}
	case journal.Feedback: // linked to nobody, and known by its day only
		day := domain.DateOf(at).Start()
		f.Act = domain.Act{At: day, Text: domain.Text{Name: "evaluation", Version: "2", Language: "nb"}}
		f.Effective, f.Rule, f.Subject, f.Version = day, rules.General, id(0xfb), 1
	}
	switch row.Category {
	case JournalStream:
		f.Rule = rules.General
	case RefusedStream:
		f.Rule, f.Subject, f.Version = rules.General, id(0x41), 1
		if _, behind := body.(oversight.AttemptReviewed); behind {
			f.Version = 2
		}
	case AccessStream:
		f.Rule, f.Subject = rules.General, id(0xac)
		if _, first := body.(oversight.AccessOpened); first {
			f.Version = 1
		}
	case StaffStream:
		f.Rule, f.Subject = rules.General, id(0xf2)
	case StatisticsStream:
		f.Rule, f.Subject = statistics.Quarterly.Rule, ServiceID
	}
	return f
}

func writeMissingVectors(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(vectorDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, body := range samples {
		row, ok := Today.RowOf(body)
		if !ok {
			t.Fatalf("%T has no row", body)
		}
		fact := sampleFact(body)
		rec, err := Today.Encode(&fact, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := Today.Decode(&rec, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		factJSON, err := json.Marshal(shown)
		if err != nil {
			t.Fatal(err)
		}
		leaf := rec.Leaf()
		out, err := json.MarshalIndent(vector{
			Event: row.Name, Schema: row.Version, ID: rec.ID, Stream: rec.Stream, Place: rec.Version,
			Data: hex.EncodeToString(rec.Data), Sealed: hex.EncodeToString(rec.Sealed), Leaf: hex.EncodeToString(leaf[:]), Fact: factJSON,
		}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(vectorPath(row), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(append(out, '\n')); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func readVector(t testing.TB, r Row) (vector, Record) {
	t.Helper()
	b, err := os.ReadFile(vectorPath(r))
	if err != nil {
		t.Fatalf("%s v%d: row has no vector (make golden writes it): %v", r.Name, r.Version, err)
	}
	var v vector
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", vectorPath(r), err)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatalf("%s: %v", vectorPath(r), err)
		}
		return b
	}
	rec := Record{ID: v.ID, Stream: v.Stream, Version: v.Place, Data: unhex(v.Data)}
	if r.Key != "" {
		rec.Sealed = unhex(v.Sealed)
	}
	return v, rec
}

// Each row has a vector; the vector decodes to today's fact, shown as it was, and encodes to the same bytes and leaf.
func TestVectors(t *testing.T) {
	if *golden {
		writeMissingVectors(t)
	}
	files := map[string]bool{}
	for _, row := range Today.Rows() {
		t.Run(fmt.Sprintf("%s.v%d", row.Name, row.Version), func(t *testing.T) {
			v, rec := readVector(t, row)
			files[filepath.Base(vectorPath(row))] = true
			if v.Event != row.Name || v.Schema != row.Version {
				t.Errorf("the vector is of %s v%d", v.Event, v.Schema)
			}
			if err := Today.Check(&rec); err != nil {
				t.Errorf("checking: %v", err)
			}
			fact, err := Today.Decode(&rec, unsealed{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(fact, "  ", "  ")
			if err != nil {
				t.Fatal(err)
			}
			var a, b bytes.Buffer
			if json.Compact(&a, v.Fact) != nil || json.Compact(&b, got) != nil || a.String() != b.String() {
				t.Errorf("shown otherwise than it was (-then +now):\n%s", cmp.Diff(string(v.Fact), string(got)))
			}
			if leaf := rec.Leaf(); hex.EncodeToString(leaf[:]) != v.Leaf {
				t.Errorf("the leaf is %x, it was %s", leaf, v.Leaf)
			}
			if row.Retired {
				return
			}
			if reflect.ValueOf(fact.Body).Type() != row.Body() {
				t.Errorf("decoded to %T", fact.Body)
			}
			again, err := Today.Encode(&fact, unsealed{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rec, again); d != "" {
				t.Errorf("encoded to other bytes (-then +now):\n%s", d)
			}
		})
	}
	entries, err := os.ReadDir(vectorDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !files[e.Name()] {
			t.Errorf("%s belongs to no row: a row in use is never removed", e.Name())
		}
	}
}

// Vectors would show nothing of a field that is zero in them: each field of each body differs from zero in its vector,
// but for those named here.
func TestVectorsShowEveryField(t *testing.T) {
	zero := map[string]bool{
		"client.TermsChanged.AskOn":          true, // a rule without a question
		"organisation.RoleChanged.Superuser": true, // shown true by ProfessionalAdded
	}
	for _, row := range Today.Rows() {
		_, rec := readVector(t, row)
		fact, err := Today.Decode(&rec, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(fact.Body)
		for i := range v.NumField() {
			name := v.Type().String() + "." + v.Type().Field(i).Name
			if v.Field(i).IsZero() && !zero[name] {
				t.Errorf("%s is zero in the vector", name)
			}
		}
	}
}

// The schemas are generated, always the same, and kept beside the code.
func TestSchemas(t *testing.T) {
	if *golden {
		if err := os.MkdirAll(schemaDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]bool{}
	for _, row := range Today.Rows() {
		got, err := jsonSchema(row)
		if err != nil {
			t.Fatalf("%s: %v", row.Name, err)
		}
		again, err := jsonSchema(row)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("%s: generated twice, two schemas", row.Name)
		}
		got = append(got, '\n')
		path := filepath.Join(schemaDir, fmt.Sprintf("%s.v%d.json", row.Name, row.Version))
		files[filepath.Base(path)] = true
		if *golden {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s: no schema (make golden writes it): %v", row.Name, err)
			continue
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: not the schema that is kept (-kept +now):\n%s", path, d)
		}
	}
	entries, err := os.ReadDir(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !files[e.Name()] {
			t.Errorf("%s belongs to no row", filepath.Join(schemaDir, e.Name()))
		}
	}
}

// What tools show has the fields that the schema names, in its order, and no others.
func TestSchemasDescribeTheJSON(t *testing.T) {
	for _, row := range Today.Rows() {
		raw, err := jsonSchema(row)
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			Title                string
			Properties           map[string]json.RawMessage
			Required             []string
			AdditionalProperties *bool
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		if row.Retired {
			continue
		}
		_, rec := readVector(t, row)
		fact, err := Today.Decode(&rec, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		shown, err := json.Marshal(fact)
		if err != nil {
			t.Fatal(err)
		}
		var f struct{ Body map[string]json.RawMessage }
		if err := json.Unmarshal(shown, &f); err != nil {
			t.Fatal(err)
		}
		if s.Title != row.Name || len(f.Body) != len(s.Properties) || len(s.Required) != len(s.Properties) || s.AdditionalProperties == nil || *s.AdditionalProperties {
			t.Errorf("%s: shown %d fields, the schema has %d and requires %d, title %q", row.Name, len(f.Body), len(s.Properties), len(s.Required), s.Title)
		}
		for name, value := range f.Body {
			var p struct {
				Type any
			}
			if err := json.Unmarshal(s.Properties[name], &p); err != nil {
				t.Errorf("%s: the schema has no %s", row.Name, name)
				continue
			}
			kind := map[byte]string{'"': "string", '{': "object", '[': "array", 't': "boolean", 'f': "boolean"}[value[0]]
			if kind == "" {
				kind = "integer"
			}
			if p.Type != kind {
				t.Errorf("%s: %s is shown as %s, the schema says %v", row.Name, name, strings.TrimSpace(string(value)), p.Type)
			}
		}
	}
}
