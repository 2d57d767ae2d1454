package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/rules"
	"samtykke/eventschema"
)

// choices are the types whose values are words from a list.
var choices = map[reflect.Type][]any{
	reflect.TypeFor[domain.Role]():        {domain.RoleClient, domain.RoleProfessional, domain.RoleSuperuser, domain.RoleAuditor, domain.RoleEmployee, domain.RoleSafetyManager, domain.RoleToolManager, domain.RoleSystem, ""},
	reflect.TypeFor[client.Kind]():        {client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes},
	reflect.TypeFor[client.Occasion]():    {client.FirstQuestion, client.Settings},
	reflect.TypeFor[journal.Channel]():    {journal.Web, journal.App},
	reflect.TypeFor[journal.Entered]():    {journal.ByClient, journal.Together, journal.OnBehalf},
	reflect.TypeFor[journal.Instrument](): {journal.PHQ9, journal.GAD7, journal.CheckIn},
	reflect.TypeFor[journal.Severity]():   {journal.Minimal, journal.Mild, journal.Moderate, journal.ModeratelySevere, journal.Severe},
	reflect.TypeFor[rules.Service]():      services(),
}

func services() []any {
	var all []any
	for _, s := range slices.Sorted(maps.Keys(rules.All)) {
		all = append(all, s)
	}
	return all
}

// schemaOf maps the types that JSON shows as texts, and events, whose bodies have schemas of their own in the catalogue.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[domain.Date]():
		return &jsonschema.Schema{Type: "string", Pattern: `^(\d{4}-\d{2}-\d{2})?$`}
	case reflect.TypeFor[domain.ID]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$`}
	case reflect.TypeFor[eventschema.Fact]():
		return &jsonschema.Schema{Type: "object", Required: []string{"stream", "version", "id", "event", "schema"},
			Description: "An event: its place, its name, who, when, under which rule; its body, where it is open, as in the catalogue of events."}
	}
	if words, ok := choices[t]; ok {
		return &jsonschema.Schema{Type: "string", Enum: words}
	}
	if t.Kind() != reflect.Struct && t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return &jsonschema.Schema{Type: "string"}
	}
	return nil
}

type object = map[string]any

// OpenAPI is the description of all routes.
func OpenAPI() []byte { return describe(Routes) }

// describe makes the OpenAPI 3.1 description of the routes.
func describe(routes []Route) []byte {
	schemas := map[string]json.RawMessage{}
	schema := func(t reflect.Type) object {
		r := jsonschema.Reflector{Anonymous: true, Mapper: schemaOf}
		s := r.ReflectFromType(t)
		for name, d := range s.Definitions {
			b := refs(d)
			if old, ok := schemas[name]; ok && !bytes.Equal(old, b) {
				panic(fmt.Sprintf("api: two types are called %s", name))
			}
			schemas[name] = b
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	problem := object{"description": "A problem (RFC 9457): its code says which.",
		"content": object{"application/problem+json": object{"schema": schema(reflect.TypeFor[web.Problem]())}}}
	paths := map[string]object{}
	for _, rt := range routes {
		op := object{"operationId": rt.Name, "summary": rt.Does, "responses": object{"default": problem}}
		responses := op["responses"].(object)
		var parameters []any
		for _, part := range strings.Split(rt.Path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				parameters = append(parameters, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
			}
		}
		switch {
		case rt.hasBody():
			op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": schema(rt.in)}}}
		case rt.in != reflect.TypeFor[None]():
			parameters = append(parameters, query(rt.in)...)
		}
		if rt.Keyed {
			parameters = append(parameters, object{"name": "Idempotency-Key", "in": "header", "required": true,
				"schema":      object{"type": "string", "minLength": 16, "maxLength": 128},
				"description": "Drawn at random; the same when the command is repeated."})
		}
		if len(parameters) > 0 {
			op["parameters"] = parameters
		}
		if rt.out == reflect.TypeFor[None]() {
			responses["204"] = object{"description": "Done."}
		} else {
			responses["200"] = object{"description": "The answer.", "content": object{"application/json": object{"schema": schema(rt.out)}}}
		}
		if len(rt.Roles) > 0 {
			op["security"] = []any{object{"cookie": []any{}}, object{"bearer": []any{}}}
			op["x-roles"] = rt.Roles
		}
		path := Prefix + rt.Path
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(rt.Method)] = op
	}
	b, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "samtykke", "version": "1",
			"description": "Consent and registrations of internet-assisted self-help. Every act and every look-up is an event that is never changed."},
		"paths": paths,
		"components": object{
			"schemas": schemas,
			"securitySchemes": object{
				"cookie": object{"type": "apiKey", "in": "cookie", "name": "__Host-samtykke"},
				"bearer": object{"type": "http", "scheme": "bearer"},
			},
		},
	}, "", " ")
	if err != nil {
		panic(err) // unreachable: texts, lists and numbers
	}
	return b
}

// refs writes a schema with its references as OpenAPI has them.
func refs(s *jsonschema.Schema) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // unreachable: a schema is JSON
	}
	return bytes.ReplaceAll(b, []byte(`"#/$defs/`), []byte(`"#/components/schemas/`))
}

// query describes a struct that is read from a query.
func query(t reflect.Type) (parameters []any) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := object{"type": "string"}
		if f.Type.Kind() == reflect.Int {
			s["type"] = "integer"
		}
		for _, word := range strings.Split(f.Tag.Get("jsonschema"), ",") {
			switch key, value, _ := strings.Cut(word, "="); key {
			case "minimum", "maximum":
				s[key], _ = strconv.Atoi(value)
			case "enum":
				had, _ := s["enum"].([]string)
				s["enum"] = append(had, value)
			}
		}
		parameters = append(parameters, object{"name": name, "in": "query", "required": options == "", "schema": s,
			"description": f.Tag.Get("jsonschema_description")})
	}
	return parameters
}
