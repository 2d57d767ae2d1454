package web

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// deepest is how many objects and lists may stand within one another.
const deepest = 32

// Decode reads the request's body, one JSON value, into what v points at. Its error is always a *Problem; what v points at is
// then undefined.
//
// Every member must be there whose field has neither omitzero nor omitempty in its tag, none that is not known, and null only
// for a pointer. Names are compared letter by letter. Fields of unnamed embedded structs count as the struct's own. The codes
// of its problems:
//
//	415 wrong-content-type   not application/json, another charset than utf-8, or compressed
//	408 too-slow             the time for the body ran out
//	413 too-large            the shell's limit
//	400 cut-short            the body could not be read to its end
//	400 empty-body           no body
//	400 not-json             not JSON, or something after its end; invalid UTF-8 too
//	400 duplicate-member     a member twice
//	400 too-deep             more than 32 levels
//	422 unknown-member       a member that is not known
//	422 missing-member       a member that is not there
//	422 null-value           null where a value belongs
//	422 wrong-type           a text for a number, and the like
//	422 out-of-range         a number that is too large or too small
//	422 wrong-form           a text that is not of the form wanted
func Decode(r *http.Request, v any) error {
	t := reflect.TypeOf(v).Elem()
	body, p := read(r)
	if p == nil {
		p = wellFormed(body, t)
	}
	if p == nil {
		p = fill(body, v, t)
	}
	if p == nil {
		c := complete{in: jsontext.NewDecoder(bytes.NewBuffer(body))}
		c.value(t, "")
		p = c.problem
	}
	if p != nil {
		return p
	}
	return nil
}

func read(r *http.Request) ([]byte, *Problem) {
	kinds := r.Header.Values("Content-Type")
	if len(kinds) != 1 || !plainJSON(kinds[0]) || r.Header.Get("Content-Encoding") != "" {
		return nil, NewProblem(http.StatusUnsupportedMediaType, "wrong-content-type", "The body must be application/json in UTF-8, not compressed.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, Unread(err)
	}
	if len(bytes.TrimLeft(body, " \t\r\n")) == 0 {
		return nil, NewProblem(http.StatusBadRequest, "empty-body", "There is no body.")
	}
	return body, nil
}

// Unread makes a problem of an error that reading a request's body gave: too-large, too-slow or cut-short.
func Unread(err error) *Problem {
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(tooBig.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return NewProblem(http.StatusRequestTimeout, "too-slow", "The body did not come in time.")
	}
	return NewProblem(http.StatusBadRequest, "cut-short", "The body could not be read to its end.")
}

func plainJSON(contentType string) bool {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if charset, given := parameters["charset"]; given {
		if !strings.EqualFold(charset, "utf-8") {
			return false
		}
		delete(parameters, "charset")
	}
	return err == nil && kind == "application/json" && len(parameters) == 0
}

// wellFormed tells whether the body is one JSON value, without looking at what it says.
func wellFormed(body []byte, t reflect.Type) *Problem {
	if !utf8.Valid(body) {
		return NewProblem(http.StatusBadRequest, "not-json", "The body is not UTF-8.")
	}
	in := jsontext.NewDecoder(bytes.NewBuffer(body))
	for begun := false; !begun || in.StackDepth() > 0; begun = true {
		if _, err := in.ReadToken(); err != nil {
			return malformed(err, in, t)
		}
		if in.StackDepth() > deepest {
			return NewProblem(http.StatusBadRequest, "too-deep", fmt.Sprintf("The body goes too deep: at most %d levels.", deepest))
		}
	}
	if _, err := in.ReadToken(); err != io.EOF {
		return NewProblem(http.StatusBadRequest, "not-json", "Something follows the end of the JSON value.")
	}
	return nil
}

// malformed words an error of the grammar.
func malformed(err error, in *jsontext.Decoder, t reflect.Type) *Problem {
	p := NewProblem(http.StatusBadRequest, "not-json", fmt.Sprintf("The body is not JSON from byte %d on.", in.InputOffset()))
	if grammar, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		p.Pointer = knownPart(grammar.JSONPointer, t, func(level int) bool {
			if level >= in.StackDepth() {
				return false
			}
			kind, _ := in.StackIndex(level + 1)
			return kind == '['
		})
		if errors.Is(grammar.Err, jsontext.ErrDuplicateName) {
			p.Code, p.Detail = "duplicate-member", "A member stands here twice."
		}
	}
	return p
}

// fill is the decoding itself.
func fill(body []byte, v any, t reflect.Type) *Problem {
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	p := NewProblem(http.StatusUnprocessableEntity, "wrong-form", "This is not of the form wanted here.")
	wrong, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return p
	}
	p.Pointer = knownPart(wrong.JSONPointer, t, func(int) bool { return true })
	kind := wrong.JSONKind
	switch {
	case wrong.Err == json.ErrUnknownName:
		p.Code, p.Detail = "unknown-member", "A member is not known here. Names are compared letter by letter."
		if names := slices.Sorted(maps.Keys(membersOf(wrong.GoType))); len(names) > 0 {
			p.Detail += " Known are: " + strings.Join(names, ", ") + "."
		}
	case kind == '0' && errors.Is(wrong.Err, strconv.ErrRange):
		p.Code, p.Detail = "out-of-range", "The number is too large or too small."
	case kind == '"' && (leaf(wrong.GoType) || isBytes(wrong.GoType)):
	case kind != 0 && wrong.GoType != nil:
		p.Code, p.Detail = "wrong-type", "Wanted here is "+wanted(wrong.GoType)+"."
	}
	return p
}

// wanted names what JSON a type is made of.
func wanted(t reflect.Type) string {
	switch k := t.Kind(); {
	case leaf(t) || isBytes(t) || k == reflect.String:
		return "a text"
	case k == reflect.Pointer:
		return wanted(t.Elem())
	case k == reflect.Bool:
		return "true or false"
	case reflect.Int <= k && k <= reflect.Uintptr:
		return "a whole number"
	case k == reflect.Float32 || k == reflect.Float64:
		return "a number"
	case k == reflect.Slice:
		return "a list"
	case k == reflect.Array:
		return fmt.Sprintf("a list of %d", t.Len())
	default:
		return "an object"
	}
}

// complete walks a body that has been decoded, for what decoding does not mind: members that are missing, and null.
type complete struct {
	in      *jsontext.Decoder
	problem *Problem // the first
}

// value reads one value that went into a t. The decoder has read the body before, so no error comes from it.
func (c *complete) value(t reflect.Type, at jsontext.Pointer) {
	if c.in.PeekKind() == 'n' && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && t != rawType {
		c.found("null-value", "A value belongs here, not null.", at)
	}
	for t.Kind() == reflect.Pointer && !leaf(t) {
		t = t.Elem()
	}
	kind := c.in.PeekKind()
	switch {
	case kind == '{' && !leaf(t) && t.Kind() == reflect.Struct:
		c.object(t, at)
	case kind == '{' && !leaf(t) && t.Kind() == reflect.Map:
		c.in.ReadToken()
		for c.in.PeekKind() != '}' {
			c.in.ReadToken()
			c.value(t.Elem(), at) // a key of a map is the client's own word
		}
		c.in.ReadToken()
	case kind == '[' && !leaf(t) && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		c.in.ReadToken()
		for i := 0; c.in.PeekKind() != ']'; i++ {
			c.value(t.Elem(), at.AppendToken(strconv.Itoa(i)))
		}
		c.in.ReadToken()
	default:
		c.in.SkipValue()
	}
}

func (c *complete) object(t reflect.Type, at jsontext.Pointer) {
	members := membersOf(t)
	missing := maps.Clone(members)
	c.in.ReadToken()
	for c.in.PeekKind() != '}' {
		name, _ := c.in.ReadToken()
		n := name.String()
		m := members[n]
		delete(missing, n)
		c.value(m.t, at.AppendToken(n))
	}
	c.in.ReadToken()
	for _, n := range slices.Sorted(maps.Keys(missing)) {
		if !missing[n].optional {
			c.found("missing-member", "This member is missing.", at.AppendToken(n))
		}
	}
}

func (c *complete) found(code, detail string, at jsontext.Pointer) {
	if c.problem == nil {
		c.problem = &Problem{Status: http.StatusUnprocessableEntity, Code: code, Detail: detail, Pointer: string(at)}
	}
}

// A member is a struct's field as JSON sees it.
type member struct {
	t        reflect.Type
	optional bool
}

// membersOf gives the members of a struct by name; none for any other type. It is kept, and not to be changed.
func membersOf(t reflect.Type) map[string]member {
	if found, ok := tables.Load(t); ok {
		return found.(map[string]member)
	}
	found, _ := tables.LoadOrStore(t, readMembers(t))
	return found.(map[string]member)
}

var tables sync.Map // map[string]member by reflect.Type

func readMembers(t reflect.Type) map[string]member {
	all := map[string]member{}
	if t == nil || t.Kind() != reflect.Struct || leaf(t) {
		return all
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if f.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			for n, m := range membersOf(inner) {
				if _, nearer := all[n]; !nearer {
					all[n] = m
				}
			}
			continue
		}
		if name == "" {
			name = f.Name
		}
		words := strings.Split(options, ",")
		all[name] = member{f.Type, slices.Contains(words, "omitzero") || slices.Contains(words, "omitempty")}
	}
	return all
}

// knownPart is the pointer as far as its names are the server's own. What clients name, in a map or by mistake, may be
// anything. A number is a place if the body has a list at that level; where the body was not decoded it might be a name.
func knownPart(p jsontext.Pointer, t reflect.Type, list func(level int) bool) string {
	var known jsontext.Pointer
	level := 0
	for name := range p.Tokens() {
		for t.Kind() == reflect.Pointer && !leaf(t) {
			t = t.Elem()
		}
		if m, ok := membersOf(t)[name]; ok {
			t = m.t
		} else if k := t.Kind(); (k == reflect.Slice || k == reflect.Array) && list(level) {
			t = t.Elem()
		} else {
			break
		}
		known = known.AppendToken(name)
		level++
	}
	return string(known)
}

var (
	rawType  = reflect.TypeFor[jsontext.Value]()
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	ownTypes = []reflect.Type{textType, reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.UnmarshalerFrom]()}
)

// leaf tells whether a type reads itself, so that nothing within it is ours to look at.
func leaf(t reflect.Type) bool {
	return t != nil && slices.ContainsFunc(ownTypes, func(own reflect.Type) bool {
		return t.Implements(own) || reflect.PointerTo(t).Implements(own)
	})
}

func isBytes(t reflect.Type) bool {
	return t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
}
