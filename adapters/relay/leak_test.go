package relay_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"samtykke/adapters/relay"
	"samtykke/domain"
	"samtykke/eventschema"
)

var golden = flag.Bool("golden", false, "write the schemas")

const vectorDir = "../../testdata/events"

// vectors are the golden vectors of every event, by name.
func vectors(t *testing.T) map[string]eventschema.Record {
	t.Helper()
	all := map[string]eventschema.Record{}
	for _, row := range eventschema.Today.Rows() {
		text, err := os.ReadFile(filepath.Join(vectorDir, fmt.Sprintf("%s.v%d.json", row.Name, row.Version)))
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			ID              domain.ID
			Stream          string
			Data, Plaintext string
		}
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(v.Data)
		sealed, err2 := hex.DecodeString(v.Plaintext)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if row.Key == "" {
			sealed = nil
		}
		all[row.Name] = eventschema.Record{ID: v.ID, Stream: v.Stream, Data: data, Sealed: sealed}
	}
	return all
}

// secrets are what must not be in a message: what somebody typed, and every id and hash in the fact but the organisation's own id.
func secrets(t *testing.T, recs ...eventschema.Record) map[string]string {
	t.Helper()
	found := map[string]string{"text": "canary"}
	var walk func(path string, v reflect.Value)
	note := func(path string, b []byte) {
		if len(b) < 8 || !bytes.ContainsFunc(b, func(r rune) bool { return r != 0 }) {
			return
		}
		found[path+" as bytes"] = string(b)
		found[path+" as hex"] = hex.EncodeToString(b)
		found[path+" as base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString(b[:len(b)/3*3]), "=")
		if len(b) == 16 {
			found[path+" as an id"] = domain.ID(b).String()
		}
	}
	walk = func(path string, v reflect.Value) {
		switch {
		case (v.Kind() == reflect.Array || v.Kind() == reflect.Slice) && v.Type().Elem().Kind() == reflect.Uint8:
			b := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(b), v)
			note(path, b)
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && f.Name != "Closed" {
					walk(path+"."+f.Name, v.Field(i))
				}
			}
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				walk(path, v.Index(i))
			}
		case v.Kind() == reflect.Interface && !v.IsNil():
			walk(path, v.Elem())
		}
	}
	for _, rec := range recs {
		f, err := eventschema.Today.Decode(&rec, unsealed{})
		if err != nil {
			t.Fatal(err)
		}
		walk(f.Name, reflect.ValueOf(f))
		found[f.Name+" instant"] = f.Effective.Format("T15:04")
		found[f.Name+" name"] = f.Name
	}
	own := domain.ID{}
	if f, err := eventschema.Today.Decode(&recs[0], unsealed{}); err == nil {
		own = f.Act.Organisation
	}
	for what, s := range found {
		if s == own.String() || s == hex.EncodeToString(own[:]) || s == string(own[:]) {
			delete(found, what)
		}
	}
	return found
}

// leaks names what of the secrets a message holds.
func leaks(m taken, secrets map[string]string) (found []string) {
	all := m.topic + "\n" + m.id + "\n" + m.payload + fmt.Sprint("\n", m.metadata)
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	for what, s := range secrets {
		if strings.Contains(all, s) || strings.Contains(plain(all), plain(s)) {
			found = append(found, what)
		}
	}
	slices.Sort(found)
	return found
}

// told runs vectors through a relay, one after the other, each in its own stream.
func told(t *testing.T, recs ...eventschema.Record) []taken {
	t.Helper()
	b, p := newBook(), &press{}
	for _, rec := range recs {
		b.append(t, rec.Stream, rec)
	}
	relayAll(t, &relay.Relay{Store: b, Cursor: fromStart(), Publisher: p, Key: key("k")})
	return p.took
}

// noticed is what a router says of messages, at most, when their notices cannot be given.
func noticed(t *testing.T, messages []taken, why error) string {
	t.Helper()
	var log strings.Builder
	tr := relay.InProcess(quiet)
	router, err := relay.NewRouter(tr, notifier(func(context.Context, relay.Notice) error { return why }), nil,
		slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- router.Run(ctx) }()
	<-router.Running()
	for _, m := range messages {
		if m.topic == relay.NoticeTopic {
			again := message.NewMessage(m.id, []byte(m.payload))
			again.Metadata = m.metadata
			if err := tr.Publisher.Publish(m.topic, again); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	if err := errors.Join(<-ended, tr.Close()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // the router's last words
	return log.String()
}

// No message of any event, in a client's life shared or not, holds anything of it but the organisation's id and the day. Nor does the log of
// whoever gives notices, where the pseudonym does not stand either.
func TestNothingLeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := vectors(t)
		kinds := map[string]int{}
		var before []eventschema.Record
		for _, name := range []string{"client.registered", "client.labelled", "sharing.granted", "follow-up.asked", "code.rotated"} {
			before = append(before, events[name])
		}
		for name, v := range events {
			for _, life := range [][]eventschema.Record{before, append(slices.Clip(before), events["client.restricted"]), before[:2]} {
				recs := append(slices.Clip(life), v)
				hidden := secrets(t, recs...)
				if len(hidden) < 20 {
					t.Fatalf("%s: only %d secrets to look for", name, len(hidden))
				}
				all := told(t, recs...)
				said := noticed(t, all, errors.New("canary"))
				if found := leaks(taken{payload: said}, hidden); found != nil {
					t.Errorf("%s: the log holds %v: %s", name, found, said)
				}
				if slices.ContainsFunc(all, func(m taken) bool { return m.topic == relay.NoticeTopic }) && !strings.Contains(said, "put aside") {
					t.Errorf("%s: nothing is said of a notice that could not be given", name)
				}
				for _, m := range all {
					if strings.Contains(said, m.metadata[relay.PartitionKey]) {
						t.Errorf("%s: the log holds a pseudonym: %s", name, said)
					}
					if found := leaks(m, hidden); found != nil {
						t.Errorf("%s: %v hold %v", name, m, found)
					}
					kinds[strings.Split(m.payload, `"`)[3]]++
				}
			}
		}
		if len(kinds) != 4 {
			t.Errorf("of the four kinds of messages, these were seen: %v", kinds)
		}
		// The control: what would leak is found, wherever in a message and in whatever form.
		hidden := secrets(t, before...)
		clean := told(t, before...)[0]
		for what, s := range hidden {
			for _, m := range []taken{
				{topic: clean.topic + s}, {topic: "x", id: s}, {payload: clean.payload + s}, {payload: strings.ToUpper(s)},
				{metadata: map[string]string{"x": s}}, {metadata: map[string]string{s: "x"}},
			} {
				if leaks(m, hidden) == nil {
					t.Errorf("%s goes unseen in %q", what, m)
				}
			}
		}
		for _, what := range []string{
			"client.registered.Subject as an id", "client.registered.Body.Handle as an id", "client.registered.Body.Code as hex",
			"client.registered.ID as an id", "client.labelled.ID as hex", "code.rotated.Body.New as base64", "client.registered.Act.Actor as an id",
		} {
			if hidden[what] == "" {
				t.Errorf("%s is not looked for", what)
			}
		}
	})
}

// Only who has the key can tell which event a message is of, or which client.
func TestMessagesOfAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lives(t)
		of := func(secret string) []taken {
			p := &press{}
			relayAll(t, &relay.Relay{Store: b, Cursor: fromStart(), Publisher: p, Key: key(secret)})
			return p.took
		}
		one, again, other := of("k"), of("k"), of("l")
		ids := map[string]bool{}
		for i, m := range one {
			if m.id != again[i].id || m.payload != again[i].payload {
				t.Errorf("message %d is another one each time", i)
			}
			if m.id == other[i].id || m.metadata[relay.PartitionKey] == other[i].metadata[relay.PartitionKey] {
				t.Errorf("message %d is the same under another key", i)
			}
			if ids[m.id] || len(m.id) != 36 || m.id[14] != '8' {
				t.Errorf("%s is no UUID of version 8, or was used before", m.id)
			}
			ids[m.id] = true
		}
	})
}

// payloads are the types behind the schemas.
var payloads = map[string]struct {
	of    any
	about string
}{
	"organisation.sharing.v1": {relay.Sharing{}, "What an organisation's overview shows of one of its clients has changed, " +
		"from the start of the day in Europe/Oslo."},
	"client.notice.v1": {relay.Notice{}, "A client's app or page has something to show."},
}

func schemaOf(name string) ([]byte, error) {
	reflector := jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true, Mapper: func(t reflect.Type) *jsonschema.Schema {
		pattern := map[reflect.Type]string{
			reflect.TypeFor[domain.Date]():     `^\d{4}-\d{2}-\d{2}$`,
			reflect.TypeFor[domain.ID]():       `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
			reflect.TypeFor[relay.Pseudonym](): `^[0-9a-f]{32}$`,
		}[t]
		if pattern == "" {
			return nil
		}
		return &jsonschema.Schema{Type: "string", Pattern: pattern}
	}}
	s := reflector.Reflect(payloads[name].of)
	s.Title, s.Description = name, payloads[name].about
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// The schemas are generated, always the same, and kept beside the code; a name and version in use is never changed.
func TestSchemas(t *testing.T) {
	for name := range payloads {
		got, err := schemaOf(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("schema", name+".json")
		if *golden {
			if err := os.MkdirAll("schema", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%s: no schema (make golden writes it): %v", name, err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s: not the schema that is kept (-kept +now):\n%s", path, d)
		}
	}
	if files, err := os.ReadDir("schema"); err != nil || len(files) != len(payloads) {
		t.Errorf("%d schemas are kept for %d payloads: %v", len(files), len(payloads), err)
	}
}

// Every message fits the schema that it names, and a field more or less does not.
func TestMessagesFitTheirSchemas(t *testing.T) {
	schemas := map[string]*validator.Schema{}
	for name := range payloads {
		s, err := validator.NewCompiler().Compile(filepath.Join("schema", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		schemas[name] = s
	}
	synctest.Test(t, func(t *testing.T) {
		p := &press{}
		relayAll(t, &relay.Relay{Store: lives(t), Cursor: fromStart(), Publisher: p, Key: key("k")})
		for _, m := range p.took {
			s := schemas[m.metadata[relay.SchemaKey]]
			if s == nil {
				t.Fatalf("%v names no schema", m)
			}
			doc, err := validator.UnmarshalJSON(strings.NewReader(m.payload))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s: %v", m.payload, err)
			}
			fields := doc.(map[string]any)
			fields["more"] = 1
			if s.Validate(doc) == nil {
				t.Error("a field more fits")
			}
			delete(fields, "more")
			fields["kind"] = "code-rotated"
			if s.Validate(doc) == nil {
				t.Error("another kind fits")
			}
			delete(fields, "kind")
			if s.Validate(doc) == nil {
				t.Error("a field less fits")
			}
		}
	})
}
