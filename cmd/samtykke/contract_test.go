package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"samtykke/adapters/web/api"
)

// A contract is the OpenAPI description that the server gives of itself, to hold requests and answers against.
type contract struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	doc      map[string]any
	compiled map[string]*jsonschema.Schema
}

const contractAt = "https://samtykke.example/openapi.json"

var theContract = sync.OnceValue(func() *contract {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.OpenAPI()))
	if err != nil {
		panic(err)
	}
	c := &contract{compiler: jsonschema.NewCompiler(), doc: doc.(map[string]any), compiled: map[string]*jsonschema.Schema{}}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(contractAt, doc); err != nil {
		panic(err)
	}
	return c
})

// check holds a request that was taken, and its answer, against what the description says of them.
func (c *contract) check(method, path string, body []byte, w *httptest.ResponseRecorder) error {
	template, ok := c.template(method, path)
	if !ok {
		return fmt.Errorf("the description knows no %s %s", method, path)
	}
	at := "/paths/" + escape(api.Prefix+template) + "/" + strings.ToLower(method)
	_, takesBody := c.find(at + "/requestBody")
	if w.Code < 300 && takesBody != (len(body) > 0) {
		return fmt.Errorf("%s %s: the description says otherwise whether there is a body", method, path)
	}
	if w.Code < 300 && takesBody {
		if err := c.holds(at+"/requestBody/content/application~1json/schema", body); err != nil {
			return fmt.Errorf("%s %s: the request: %w", method, path, err)
		}
	}
	status, kind := fmt.Sprint(w.Code), "application/json"
	if w.Code >= 300 {
		status, kind = "default", "application/problem+json"
	}
	if _, ok := c.find(at + "/responses/" + status); !ok {
		return fmt.Errorf("%s %s: the description knows no answer %s", method, path, status)
	}
	schema := at + "/responses/" + status + "/content/" + escape(kind) + "/schema"
	if _, ok := c.find(schema); !ok {
		if w.Body.Len() > 0 {
			return fmt.Errorf("%s %s: an answer with content, which the description does not know", method, path)
		}
		return nil
	}
	if got := w.Header().Get("Content-Type"); got != kind {
		return fmt.Errorf("%s %s: the answer is %s", method, path, got)
	}
	if err := c.holds(schema, w.Body.Bytes()); err != nil {
		return fmt.Errorf("%s %s: the answer: %w", method, path, err)
	}
	return nil
}

// template finds the route that a path belongs to.
func (c *contract) template(method, path string) (string, bool) {
	path, _, _ = strings.Cut(path, "?")
	for _, rt := range api.Routes {
		want, got := strings.Split(rt.Path, "/"), strings.Split(path, "/")
		if rt.Method != method || len(want) != len(got) {
			continue
		}
		same := true
		for i := range want {
			same = same && (want[i] == got[i] || strings.HasPrefix(want[i], "{"))
		}
		if same {
			return rt.Path, true
		}
	}
	return "", false
}

func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// find follows a JSON pointer.
func (c *contract) find(pointer string) (any, bool) {
	var at any = c.doc
	for _, part := range strings.Split(pointer, "/")[1:] {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = m[strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")]; !ok {
			return nil, false
		}
	}
	return at, true
}

func (c *contract) holds(pointer string, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.compiled[pointer]
	if s == nil {
		fragment := strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer)
		var err error
		if s, err = c.compiler.Compile(contractAt + "#" + fragment); err != nil {
			return err
		}
		c.compiled[pointer] = s
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return errors.New("it is not JSON")
	}
	return s.Validate(v)
}

var _ = json.Valid
