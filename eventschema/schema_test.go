package eventschema

import (
	"encoding"
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"

	"samtykke/domain"
)

// jsonSchema gives the JSON Schema of the row's body.
func jsonSchema(r Row) ([]byte, error) {
	reflector := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true, KeyNamer: fieldName,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[domain.Date]():
				return &jsonschema.Schema{Type: "string", Pattern: `^(\d{4}-\d{2}-\d{2})?$`}
			case reflect.TypeFor[domain.ID]():
				return &jsonschema.Schema{Type: "string", Pattern: `^([0-9a-f-]{36})?$`}
			}
			if t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
				return &jsonschema.Schema{Type: "string"}
			}
			return nil
		},
	}
	s := reflector.ReflectFromType(r.body)
	s.Title = r.Name
	s.Description = "Open event, readable by anybody who has the ledger."
	if r.Key != "" {
		s.Description = "Sealed event, under the key of: " + r.Key + "."
	}
	return json.MarshalIndent(s, "", "  ")
}
