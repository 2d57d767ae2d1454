package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/journal"
)

// instruments are the forms in the order in which they are shown.
var instruments = []journal.Instrument{journal.CheckIn, journal.PHQ9, journal.GAD7}

// A Wording is an instrument in one language: a JSON file called INSTRUMENT.LANGUAGE.json with the members below. An instrument may
// lack a language, and the page then says so; it is not translated here. Nothing may be changed in the words of another's instrument.
type Wording struct {
	Instrument journal.Instrument `json:"instrument"`
	Language   string             `json:"language"` // nb, nn, en
	Title      string             `json:"title"`
	Lead       string             `json:"lead"` // the question that all items answer
	Items      []string           `json:"items"`
	Answers    []string           `json:"answers"`              // from 0 up
	Difficulty *Difficulty        `json:"difficulty,omitempty"` // the last question, outside the score; need not be there
	Source     string             `json:"source"`               // where the words were taken from
	Licence    string             `json:"licence"`
}

// Difficulty is the question how difficult the problems have made things.
type Difficulty struct {
	Question string   `json:"question"`
	Answers  []string `json:"answers"` // 0 to 3
}

type wordingOf struct {
	instrument journal.Instrument
	language   string
}

var wordings = mustLoad(files)

func mustLoad(files fs.FS) map[wordingOf]Wording {
	all, err := load(files)
	if err != nil {
		panic(err) // unreachable in a build whose tests have passed
	}
	return all
}

// load reads the folder "instruments".
func load(files fs.FS) (map[wordingOf]Wording, error) {
	names, err := fs.Glob(files, "instruments/*.json")
	if err != nil {
		return nil, err
	}
	all := map[wordingOf]Wording{}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var w Wording
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := errors.Join(d.Decode(&w), w.check(strings.TrimPrefix(name, "instruments/"))); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all[wordingOf{w.Instrument, w.Language}] = w
	}
	return all, nil
}

// check tells what is wrong with a wording in a file of that name.
func (w Wording) check(name string) error {
	form, known := journal.Forms[w.Instrument]
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch {
	case !known:
		return errors.New("there is no such instrument")
	case !slices.Contains(page.Languages, w.Language):
		return errors.New("pages are not shown in this language")
	case name != string(w.Instrument)+"."+w.Language+".json":
		return errors.New("the name is INSTRUMENT.LANGUAGE.json")
	case blank(w.Title), blank(w.Lead), blank(w.Source), blank(w.Licence):
		return errors.New("title, lead, source and licence must be there")
	case len(w.Items) != form.Items, slices.ContainsFunc(w.Items, blank):
		return fmt.Errorf("the instrument has %d items", form.Items)
	case len(w.Answers) != form.Highest+1, slices.ContainsFunc(w.Answers, blank):
		return fmt.Errorf("the instrument has %d answers", form.Highest+1)
	case w.Difficulty == nil:
		return nil
	case !form.Difficulty, blank(w.Difficulty.Question), len(w.Difficulty.Answers) != 4, slices.ContainsFunc(w.Difficulty.Answers, blank):
		return errors.New("this is not the instrument's question on difficulty, which has 4 answers")
	}
	return nil
}

// wording finds an instrument in the language wanted. Where it has none, instead is one that there is, bokmål first.
func wording(i journal.Instrument, lang string) (w Wording, instead string, ok bool) {
	if w, ok = wordings[wordingOf{i, lang}]; ok {
		return w, "", true
	}
	for _, l := range page.Languages {
		if _, there := wordings[wordingOf{i, l}]; there {
			return Wording{}, l, false
		}
	}
	return Wording{}, "", false
}

// A formLine is one form in a list.
type formLine struct {
	Instrument journal.Instrument
	Title      string
	Last       scored // zero: never
	Due        bool   // worth filling in now
	Language   string // the only one there is, in the reader's words; "" where the reader's own is there
}

// often is how many days pass before a form is suggested again.
var often = map[journal.Instrument]int{journal.CheckIn: 1, journal.PHQ9: 14, journal.GAD7: 14}

func formLines(r *api.Request, forms []api.Form) (all []formLine) {
	lang := r.Lang()
	for _, i := range instruments {
		l := formLine{Instrument: i, Title: title(lang, i), Due: true}
		for _, f := range forms {
			if f.Instrument == i {
				l.Last = scoredOf(lang, f)
				l.Due = domain.DateOf(f.At).AddDays(often[i]) <= now(r)
			}
		}
		if _, instead, ok := wording(i, lang); !ok && instead != "" {
			l.Language = page.Say(lang, page.Key("client.language."+instead))
		}
		all = append(all, l)
	}
	return all
}

type formsView struct {
	Forms []formLine
}

var formsPage = page.Must[formsView](files, "forms")

func listForms(r *api.Request) (api.Reply, error) {
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(formsPage, page.NewFrame(r, "client.forms.title"), formsView{formLines(r, own.Registrations.Scores)})
}

// formScreens are three screens for each instrument: the form, what it does, and the result.
func formScreens() (all []api.Screen) {
	for _, i := range instruments {
		path := "/forms/" + string(i)
		all = append(all,
			api.Screen{Method: "GET", Path: path, Roles: clients, Serve: func(r *api.Request) (api.Reply, error) { return form(r, i) }},
			api.Screen{Method: "POST", Path: path, Roles: clients, Serve: func(r *api.Request) (api.Reply, error) { return fillIn(r, i) }},
			api.Screen{Method: "GET", Path: path + "/result", Roles: clients, Serve: func(r *api.Request) (api.Reply, error) { return result(r, i) }},
		)
	}
	return all
}

type formView struct {
	Path      string // of the form
	Title     string
	Wording   Wording
	There     bool   // there is a wording to show
	Instead   string // a language that there is a wording in; "": none
	Language  string // that one in the reader's words
	Across    bool   // answers are so many that they stand in a row
	Questions []question
	Missing   int // how many were not answered, of a form that is shown again
}

// A question is one item with its answers.
type question struct {
	Number  int // from 1; 0: the question on difficulty
	Name    string
	Text    string
	Answers []answer
	Missing bool
}

type answer struct {
	Value  int
	Text   string
	Chosen bool
}

var formPage = page.Must[formView](files, "form")

// formOf lays out a form with what was chosen in the one that was sent.
func formOf(r *api.Request, i journal.Instrument, lang string) formView {
	v := formView{Path: "/forms/" + string(i), Title: title(r.Lang(), i)}
	v.Wording, v.Instead, v.There = wording(i, lang)
	if v.Instead != "" {
		v.Language = page.Say(r.Lang(), page.Key("client.language."+v.Instead))
	}
	v.Across = len(v.Wording.Answers) > 6
	for n, text := range v.Wording.Items {
		v.Questions = append(v.Questions, ask(r, n+1, "item-"+strconv.Itoa(n+1), text, v.Wording.Answers))
	}
	if d := v.Wording.Difficulty; d != nil {
		v.Questions = append(v.Questions, ask(r, 0, "difficulty", d.Question, d.Answers))
	}
	return v
}

func ask(r *api.Request, number int, name, text string, answers []string) question {
	q := question{Number: number, Name: name, Text: text}
	for value, text := range answers {
		q.Answers = append(q.Answers, answer{value, text, r.Form(name) == strconv.Itoa(value)})
	}
	return q
}

// chosen is the answer to a question, -1 where there is none of those that it has.
func (q question) chosen() int {
	return slices.IndexFunc(q.Answers, func(a answer) bool { return a.Chosen })
}

// wordingWanted is the language of the form: one chosen for it alone, or the page's.
func wordingWanted(r *api.Request, chosen string) string {
	if slices.Contains(page.Languages, chosen) {
		return chosen
	}
	return r.Lang()
}

func formTitle(i journal.Instrument) page.Key { return page.Key("word.instrument." + string(i)) }

func form(r *api.Request, i journal.Instrument) (api.Reply, error) {
	return page.Show(formPage, page.NewFrame(r, formTitle(i)), formOf(r, i, wordingWanted(r, r.Query().Get("wording"))))
}

func fillIn(r *api.Request, i journal.Instrument) (api.Reply, error) {
	v := formOf(r, i, wordingWanted(r, r.Form("wording")))
	if !v.There {
		return incomplete(r, formPage, formTitle(i), v)
	}
	sent := api.Assessment{Instrument: i}
	for n, q := range v.Questions {
		switch chosen := q.chosen(); {
		case q.Number == 0 && chosen >= 0:
			sent.Difficulty = &chosen
		case q.Number > 0 && chosen < 0:
			v.Questions[n].Missing = true
			v.Missing++
		case q.Number > 0:
			sent.Items = append(sent.Items, chosen)
		}
	}
	if v.Missing > 0 {
		return incomplete(r, formPage, formTitle(i), v)
	}
	if _, err := r.FillIn(sent); err != nil {
		return page.Again(r, formPage, formTitle(i), v, err)
	}
	return api.GoTo(v.Path + "/result?done=form-sent")
}

type resultView struct {
	Title    string
	Path     string
	At       time.Time
	Score    int
	Highest  int
	Severity string
	Bands    []bandLine
	Help     bool
}

// A bandLine says what a range of scores means.
type bandLine struct {
	From, To int
	Words    string
	Here     bool
}

var resultPage = page.Must[resultView](files, "result")

func result(r *api.Request, i journal.Instrument) (api.Reply, error) {
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	for _, f := range slices.Backward(own.Registrations.Scores) {
		if f.Instrument != i {
			continue
		}
		s := scoredOf(r.Lang(), f)
		v := resultView{
			Title: title(r.Lang(), i), Path: "/forms/" + string(i), At: s.At, Score: s.Score, Highest: s.Highest, Severity: s.Severity,
			Bands: bands(r.Lang(), f), Help: f.Safety,
		}
		return page.Show(resultPage, page.NewFrame(r, "client.result.title"), v)
	}
	return api.GoTo("/forms/" + string(i))
}

// bands are the ranges of an instrument, with the one that the score falls into marked.
func bands(lang string, f api.Form) (all []bandLine) {
	form := journal.Forms[f.Instrument]
	for n, b := range form.Bands {
		to := form.Items * form.Highest
		if n+1 < len(form.Bands) {
			to = form.Bands[n+1].From - 1
		}
		all = append(all, bandLine{b.From, to, severity(lang, b.Severity), b.Severity == f.Severity})
	}
	return all
}
