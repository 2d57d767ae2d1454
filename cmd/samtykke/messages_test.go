package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"

	"samtykke/adapters/web/page"
)

// messages are the catalogue's texts: by language, by key, in each of its forms.
func messages(t *testing.T) map[string]map[string][]string {
	t.Helper()
	all := map[string]map[string][]string{}
	for _, lang := range page.Languages {
		all[lang] = map[string][]string{}
	}
	files, err := filepath.Glob("../../adapters/web/page/messages/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no messages found", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(b, &texts); err != nil {
			t.Fatal(file, err)
		}
		lang := strings.TrimPrefix(filepath.Ext(strings.TrimSuffix(file, ".json")), ".")
		if all[lang] == nil {
			t.Errorf("%s is in none of the languages", file)
			continue
		}
		for key, text := range texts {
			if all[lang][key] != nil {
				t.Errorf("%s: %s stands in two files", file, key)
			}
			switch text := text.(type) {
			case string:
				all[lang][key] = []string{text}
			case map[string]any: // one for each number
				for _, form := range slices.Sorted(maps.Keys(text)) {
					all[lang][key] = append(all[lang][key], text[form].(string))
				}
			}
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{\.\w+\}\}`)

// openings names what stands open in a message, each once.
func openings(forms []string) string {
	found := placeholder.FindAllString(strings.Join(forms, " "), -1)
	slices.Sort(found)
	return strings.Join(slices.Compact(found), " ")
}

// What one language says, all say, with the same left open in it.
func TestMessagesInEveryLanguage(t *testing.T) {
	all := messages(t)
	for _, lang := range page.Languages {
		for _, other := range page.Languages {
			for key, forms := range all[lang] {
				there, ok := all[other][key]
				if !ok {
					t.Errorf("%s stands in %s and not in %s", key, lang, other)
				} else if a, b := openings(forms), openings(there); a != b {
					t.Errorf("%s has %q open in %s and %q in %s", key, a, lang, b, other)
				}
			}
		}
	}
}

// Texts are set as texts are: no double blanks, no typewriter's quotes and dashes, no e-mail that is broken at its hyphen.
func TestMessagesAreWellSet(t *testing.T) {
	wrong := map[string]*regexp.Regexp{
		"a double blank":              regexp.MustCompile(`[ \t\x{a0}]{2}`),
		"a blank at an end":           regexp.MustCompile(`^\s|\s$`),
		"a typewriter's quote":        regexp.MustCompile(`["'´` + "`" + `]`),
		"a hyphen for a dash":         regexp.MustCompile(` - |--`),
		"three dots":                  regexp.MustCompile(`\.\.\.`),
		"an e-mail that may be torn":  regexp.MustCompile(`(?i)\be-(post|mail)`),
		"a blank before a stop":       regexp.MustCompile(` [.,;:!?]`),
		"quotes of another language":  regexp.MustCompile(`[„‟]`),
		"an exclamation, or worse":    regexp.MustCompile(`!`),
		"a message without any words": regexp.MustCompile(`^$`),
	}
	for lang, texts := range messages(t) {
		for key, forms := range texts {
			for _, text := range forms {
				for what, pattern := range wrong {
					if pattern.MatchString(text) {
						t.Errorf("%s in %s has %s: %s", key, lang, what, text)
					}
				}
				if quotes := map[string]string{"nb": "“”", "nn": "“”", "en": "«»"}[lang]; strings.ContainsAny(text, quotes) {
					t.Errorf("%s in %s has quotes of another language: %s", key, lang, text)
				}
			}
		}
	}
}

// Every message is used: a template or the program names its key, or the program makes the key of two parts, of which it names both:
// a beginning that ends in a dot, and a word of its own, such as the code of a refusal, a role, or the name of an event.
func TestMessagesAreUsed(t *testing.T) {
	words := wordsOf(t)
	var beginnings []string
	for w := range words {
		if strings.HasSuffix(w, ".") {
			beginnings = append(beginnings, w)
		}
	}
	made := func(key string) bool {
		return slices.ContainsFunc(beginnings, func(b string) bool {
			rest, ok := strings.CutPrefix(key, b)
			_, number := strconv.Atoi(rest)
			return ok && (words[rest] || number == nil)
		})
	}
	for key := range messages(t)[page.Languages[0]] {
		if !words[key] && !made(key) {
			t.Errorf("nothing uses %s", key)
		}
	}
}

// wordsOf gives every text that stands in the program and its templates by itself.
func wordsOf(t *testing.T) map[string]bool {
	t.Helper()
	words := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && d.Name() != "." && d.Name() != ".." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
		case strings.HasSuffix(path, ".go"):
			return goWords(path, words)
		case strings.Contains(path, "/templates/"):
			return templateWords(path, words)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// doneAs is what an address says was just done.
var doneAs = regexp.MustCompile(`[?&]done=([a-z-]+)`)

func goWords(path string, words map[string]bool) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil {
				words[s] = true
				for _, m := range doneAs.FindAllStringSubmatch(s, -1) {
					words[m[1]] = true
				}
			}
		}
		return true
	})
	return nil
}

func templateWords(path string, words map[string]bool) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	trees := map[string]*parse.Tree{}
	tree := parse.New(path)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(string(b), "", "", trees); err != nil {
		return err
	}
	for _, each := range trees {
		if each.Root != nil {
			nodeWords(each.Root, words)
		}
	}
	return nil
}

// nodeWords goes through a template for the texts in its actions.
func nodeWords(n parse.Node, words map[string]bool) {
	branch := func(b *parse.BranchNode) {
		nodeWords(b.Pipe, words)
		nodeWords(b.List, words)
		if b.ElseList != nil {
			nodeWords(b.ElseList, words)
		}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		for _, each := range n.Nodes {
			nodeWords(each, words)
		}
	case *parse.ActionNode:
		nodeWords(n.Pipe, words)
	case *parse.IfNode:
		branch(&n.BranchNode)
	case *parse.RangeNode:
		branch(&n.BranchNode)
	case *parse.WithNode:
		branch(&n.BranchNode)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			nodeWords(n.Pipe, words)
		}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			nodeWords(c, words)
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			nodeWords(a, words)
		}
	case *parse.StringNode:
		words[n.Text] = true
	}
}
