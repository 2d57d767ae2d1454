package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"samtykke/adapters/web"
)

// checks hold bodies against the description that the service gives of itself, so that what it says of lengths, ranges and
// choices is what it does.
type checks map[string]*jsonschema.Schema // by operation

const descriptionAt = "https://samtykke.invalid" + Description

func newChecks(description []byte, routes []Route) checks {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(description))
	if err != nil {
		panic(err) // unreachable: made by this program
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(descriptionAt, doc); err != nil {
		panic(err)
	}
	all := checks{}
	for _, rt := range routes {
		if !rt.hasBody() {
			continue
		}
		at := fmt.Sprintf("#/paths/%s/%s/requestBody/content/application~1json/schema",
			strings.NewReplacer("/", "~1", "{", "%7B", "}", "%7D").Replace(Prefix+rt.Path), strings.ToLower(rt.Method))
		if all[rt.Name], err = c.Compile(descriptionAt + at); err != nil {
			panic(err) // a description that contradicts itself; every test of the routes comes by here
		}
	}
	return all
}

// body refuses a body that has the right members, with values that are not taken.
func (c checks) body(rt Route, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return web.NewProblem(http.StatusBadRequest, "not-json", "The body is not JSON.") // unreachable: it was decoded before
	}
	wrong, ok := c[rt.Name].Validate(v).(*jsonschema.ValidationError)
	if !ok {
		return nil
	}
	for len(wrong.Causes) > 0 {
		wrong = wrong.Causes[0]
	}
	p := web.NewProblem(http.StatusUnprocessableEntity, "out-of-range", "This is not of the form wanted here.")
	for _, part := range wrong.InstanceLocation { // members that the description knows, and places in lists
		p.Pointer += "/" + part
	}
	switch k := wrong.ErrorKind.(type) {
	case *kind.Enum:
		p.Code, p.Detail = "no-such-choice", "This is none of the words taken here."
		words := make([]string, 0, len(k.Want))
		for _, w := range k.Want {
			words = append(words, fmt.Sprintf("%q", w))
		}
		p.Detail += " They are: " + strings.Join(words, ", ") + "."
	case *kind.Minimum:
		p.Detail = "The number is too small: at least " + k.Want.RatString() + "."
	case *kind.Maximum:
		p.Detail = "The number is too large: at most " + k.Want.RatString() + "."
	case *kind.MaxLength:
		p.Detail = fmt.Sprintf("The text is too long: at most %d characters.", k.Want)
	case *kind.MinItems:
		p.Detail = fmt.Sprintf("The list is too short: at least %d.", k.Want)
	case *kind.MaxItems:
		p.Detail = fmt.Sprintf("The list is too long: at most %d.", k.Want)
	}
	return p
}
