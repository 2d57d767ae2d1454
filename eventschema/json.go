package eventschema

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"
	"time"
	"unicode"
	"unicode/utf8"

	"samtykke/domain"
)

// MarshalJSON shows a fact the way every tool does: instants as RFC 3339, dates as 2026-03-02, names of fields with a
// small first letter. A closed sealed event shows whose key it is under; a redacted one says so.
func (f Fact) MarshalJSON() ([]byte, error) {
	type text struct {
		Name     string `json:"name"`
		Version  string `json:"version"`
		Language string `json:"language"`
	}
	type shape struct {
		Position     uint64          `json:"position,omitempty"`
		Stream       string          `json:"stream"`
		Version      uint64          `json:"version"`
		ID           domain.ID       `json:"id"`
		Event        string          `json:"event"`
		Schema       int             `json:"schema"`
		Key          string          `json:"key,omitempty"`
		Effective    *time.Time      `json:"effective,omitempty"`
		Recorded     *time.Time      `json:"recorded,omitempty"`
		Role         domain.Role     `json:"role,omitempty"`
		Actor        string          `json:"actor,omitempty"`
		Session      string          `json:"session,omitempty"`
		Organisation string          `json:"organisation,omitempty"`
		Rule         string          `json:"rule,omitempty"`
		Text         *text           `json:"text,omitempty"`
		Redacted     bool            `json:"redacted,omitempty"`
		Body         json.RawMessage `json:"body,omitempty"`
	}
	s := shape{
		Position: f.Position, Stream: f.Stream(), Version: f.Version, ID: f.ID, Event: f.Name, Schema: f.Schema,
		Role: f.Act.Role, Actor: f.Act.Actor.String(), Session: f.Act.Session.String(),
		Organisation: f.Act.Organisation.String(), Rule: f.Rule,
	}
	if f.Owner != (Owner{}) {
		s.Key = f.Owner.String()
	}
	if !f.Act.At.IsZero() {
		s.Effective, s.Recorded = &f.Effective, &f.Act.At
	}
	if t := f.Act.Text; t != (domain.Text{}) {
		s.Text = &text{t.Name, t.Version, t.Language}
	}
	switch f.Body.(type) {
	case nil:
	case Redacted:
		s.Redacted = true
	default:
		var err error
		if s.Body, err = f.Content(); err != nil {
			return nil, err
		}
	}
	return json.Marshal(s)
}

// Content is the body alone in that form; null where it is closed or gone.
func (f Fact) Content() (json.RawMessage, error) {
	switch f.Body.(type) {
	case nil, Redacted:
		return json.RawMessage("null"), nil
	}
	var b bytes.Buffer
	err := writeJSON(&b, reflect.ValueOf(f.Body))
	return b.Bytes(), err
}

// writeJSON writes a body's value with its fields in order, under the names of fieldName.
func writeJSON(b *bytes.Buffer, v reflect.Value) error {
	if _, ok := v.Interface().(encoding.TextMarshaler); !ok {
		switch v.Kind() {
		case reflect.Struct:
			b.WriteByte('{')
			for i := range v.NumField() {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(`"` + fieldName(v.Type().Field(i).Name) + `":`)
				if err := writeJSON(b, v.Field(i)); err != nil {
					return err
				}
			}
			b.WriteByte('}')
			return nil
		case reflect.Slice:
			b.WriteByte('[')
			for i := range v.Len() {
				if i > 0 {
					b.WriteByte(',')
				}
				if err := writeJSON(b, v.Index(i)); err != nil {
					return err
				}
			}
			b.WriteByte(']')
			return nil
		}
	}
	out, err := json.Marshal(v.Interface())
	b.Write(out)
	return err
}

// fieldName is the name that a Go field has in JSON and in the schemas.
func fieldName(field string) string {
	r, n := utf8.DecodeRuneInString(field)
	return string(unicode.ToLower(r)) + field[n:]
}
