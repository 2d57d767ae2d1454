// Package page is what all pages share: the frame around them, the message catalogue, dates and numbers in the reader's form,
// charts, and the stylesheet.
//
// # A page
//
// A page is a template with the Go type of what it shows. Both are checked against each other when the program starts: a field
// that is not there, or a message that no language has, stops it. A page is made whole before its first byte leaves.
//
// Pages work without JavaScript. Nothing in them comes from elsewhere, and no style or script stands in the page itself, so that
// the Content-Security-Policy of the shell holds for every one of them.
//
// # Messages
//
// Every word of a page stands in messages, in a file for each audience and language, under a key such as "client.home.title". A key that one
// language lacks, or that nothing uses, fails a test. The wordings that people answer to are not messages: they are versioned, in
// package text.
//
// # Adding a page
//
// Its template and the type of what it shows, in the package of its audience; a row in that package's routes; its messages.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"text/template/parse"
	"time"

	"github.com/gorilla/mux"
	"github.com/jba/templatecheck"

	"samtykke/adapters/web"
	"samtykke/domain"
)

// A Link is a place to go. Here marks the page that is shown.
type Link struct {
	Href, Text string
	Here       bool
}

// A Frame is what stands around every page.
type Frame struct {
	Lang     string // nb, nn, en
	Title    string // in words
	Path     string // of the page, for the links to its other languages
	Who      string // who is signed in, as what; "" for nobody
	Self     bool   // there is a page about who that is
	Nav      []Link
	Notice   string // what was just done, in words
	Problem  string // why what was sent was not taken, in words
	Key      string // the Idempotency-Key of a form on the page that is sent
	Recorded bool   // what the page shows was a look-up, which is on record
}

// A View is a page's content in its frame.
type View[T any] struct {
	Frame
	Body T
}

// A Page is a template for a T, in every language.
type Page[T any] struct {
	name string
	in   map[string]*templatecheck.CheckedTemplate[View[T]]
}

//go:embed templates messages assets
var files embed.FS

// Must makes a page of NAME.html in the folder "templates" of an audience's files, which defines "main". It panics where the
// template does not fit T, or uses a message that is not there.
func Must[T any](audience fs.FS, name string) *Page[T] {
	p := &Page[T]{name: name, in: map[string]*templatecheck.CheckedTemplate[View[T]]{}}
	for _, lang := range Languages {
		t := template.New("base.html").Funcs(functions(lang))
		template.Must(t.ParseFS(files, "templates/base.html"))
		if shared, _ := fs.Glob(audience, "templates/shared*.html"); len(shared) > 0 {
			template.Must(t.ParseFS(audience, shared...))
		}
		template.Must(t.ParseFS(audience, "templates/"+name+".html"))
		for _, each := range t.Templates() {
			checkMessages(name, each.Tree)
		}
		checked, err := templatecheck.NewChecked[View[T]](t)
		if err != nil {
			panic(fmt.Sprintf("page %s: %v", name, err))
		}
		p.in[lang] = checked
	}
	return p
}

// Render makes the page whole.
func (p *Page[T]) Render(f Frame, body T) ([]byte, error) {
	t, ok := p.in[f.Lang]
	if !ok {
		return nil, fmt.Errorf("page %s: there is no language %q", p.name, f.Lang)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, View[T]{f, body}); err != nil {
		return nil, fmt.Errorf("page %s: %T could not be shown", p.name, body) // the template's own words may quote what it was to show
	}
	return b.Bytes(), nil
}

// functions are what templates may call.
func functions(lang string) template.FuncMap {
	return template.FuncMap{
		"t":        func(key string, with ...any) (string, error) { return Message(lang, Key(key), with...) },
		"n":        func(key string, count int) (string, error) { return Plural(lang, Key(key), count) },
		"date":     func(d domain.Date) string { return Date(lang, d) },
		"day":      func(t time.Time) string { return Date(lang, domain.DateOf(t)) },
		"datetime": func(t time.Time) string { return DateTime(lang, t) },
		"decimal":  func(f float64) string { return Decimal(lang, f) },
		"asset":    Asset,
		"paragraphs": func(s string) []string {
			return strings.Split(s, "\n\n")
		},
	}
}

// checkMessages panics where a template names a message that a language lacks.
func checkMessages(page string, t *parse.Tree) {
	if t == nil {
		return
	}
	for _, key := range messagesIn(t.Root) {
		if err := known(key); err != nil {
			panic(fmt.Sprintf("page %s: %v", page, err))
		}
	}
}

// messagesIn gives the keys that a template calls t and n with.
func messagesIn(n parse.Node) (keys []Key) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, each := range n.Nodes {
				keys = append(keys, messagesIn(each)...)
			}
		}
	case *parse.ActionNode:
		keys = messagesIn(n.Pipe)
	case *parse.IfNode:
		keys = append(append(messagesIn(n.Pipe), messagesIn(n.List)...), messagesIn(n.ElseList)...)
	case *parse.RangeNode:
		keys = append(append(messagesIn(n.Pipe), messagesIn(n.List)...), messagesIn(n.ElseList)...)
	case *parse.WithNode:
		keys = append(append(messagesIn(n.Pipe), messagesIn(n.List)...), messagesIn(n.ElseList)...)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			keys = messagesIn(n.Pipe)
		}
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			keys = append(keys, messagesIn(c)...)
		}
	case *parse.CommandNode:
		for i, arg := range n.Args {
			keys = append(keys, messagesIn(arg)...)
			name, ok := arg.(*parse.IdentifierNode)
			if !ok || i+1 == len(n.Args) || name.Ident != "t" && name.Ident != "n" {
				continue
			}
			if s, ok := n.Args[i+1].(*parse.StringNode); ok {
				keys = append(keys, Key(s.Text))
			}
		}
	}
	return keys
}

// assets are files under the names that they are served by: with a hash in it, so that a browser may keep them for ever.
var assets = loadAssets()

type asset struct {
	served string
	kind   string
	body   []byte
}

func loadAssets() map[string]asset {
	all := map[string]asset{}
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // unreachable: they are embedded
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, e := range entries {
		body, err := files.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(e.Name())
		served := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		all[e.Name()] = asset{"/assets/" + served, kinds[ext], body}
	}
	return all
}

// Asset is the address of a file of the stylesheet's folder. It fails where there is none by that name.
func Asset(name string) (string, error) {
	a, ok := assets[name]
	if !ok {
		return "", fmt.Errorf("there is no file %s", name)
	}
	return a.served, nil
}

// RegisterAssets serves the files.
func RegisterAssets(to *mux.Router) {
	for _, a := range assets {
		to.HandleFunc(a.served, func(w http.ResponseWriter, r *http.Request) {
			web.Name(r.Context(), "GET /assets")
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			web.Send(w, r, http.StatusOK, a.kind, a.body)
		}).Methods(http.MethodGet, http.MethodHead)
	}
}
