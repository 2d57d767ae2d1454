package professional

import (
	"cmp"
	"net/http"
	"strconv"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
	"samtykke/domain/journal"
)

// entryBody is a form that a professional fills in together with a client, or for it.
type entryBody struct {
	Handle, Label, Form, Name string
	Shares                    bool
	Entered                   string
	Items                     []item // none: an answer to a question of the programme
	Difficulty                *item
	Highest                   int
	Task, Text                string
	Programme                 programme
}

// item is one question that is answered by a number.
type item struct {
	Name   string // of the field
	Number int
	Least  []int // the answers there are
	Given  int   // -1: none
}

var entryPage = page.Must[entryBody](files, "entry")

// answerForm is the name, in the path, of what is no instrument.
const answerForm = "answer"

// entryOf lays the form out, with what was sent of it. What the path names and is not known is not there.
func entryOf(r *api.Request, c api.Client) (entryBody, error) {
	b := entryBody{Handle: c.Handle.String(), Label: c.Label, Form: r.Part("form"), Shares: lastDay(c) != 0, Entered: r.Form("entered")}
	if b.Form == answerForm {
		b.Name, b.Task, b.Text = say(r, "professional.entry-answer"), typed(r, "task"), typed(r, "text")
		b.Programme = programmeOf(r.Lang(), b.Task)
		return b, nil
	}
	i := journal.Instrument(b.Form)
	f, ok := journal.Forms[i]
	if !ok {
		return b, web.NewProblem(http.StatusNotFound, "not-found", "There is no such form.")
	}
	b.Name, b.Highest = word(r.Lang(), "word.instrument.", i), f.Highest
	for n := range f.Items {
		b.Items = append(b.Items, itemOf(r, "item"+strconv.Itoa(n+1), n+1, f.Highest))
	}
	if f.Difficulty {
		d := itemOf(r, "difficulty", 0, 3)
		b.Difficulty = &d
	}
	return b, nil
}

func itemOf(r *api.Request, name string, number, highest int) item {
	i := item{Name: name, Number: number, Given: -1}
	for a := range highest + 1 {
		i.Least = append(i.Least, a)
	}
	if n, err := strconv.Atoi(r.Form(name)); err == nil && n >= 0 && n <= highest {
		i.Given = n
	}
	return i
}

// entry shows the form, empty.
func entry(r *api.Request) (api.Reply, error) {
	c, err := r.ReadClient()
	if err != nil {
		return api.Reply{}, err
	}
	b, err := entryOf(r, c)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(entryPage, page.NewFrame(r, "professional.entry-title"), b)
}

// incomplete is why a form with answers missing is not taken. It does not come to the door, nor does a text that tells who somebody is:
// nothing would be entered, and the client's log would hold a look-up that led to nothing.
var incomplete = web.NewProblem(http.StatusUnprocessableEntity, "incomplete", "Every question takes an answer.")

// enter puts what was filled in into the client's journal. It takes a live yes and is a look-up.
func enter(r *api.Request) (api.Reply, error) {
	b, unknown := entryOf(r, api.Client{})
	why := unknown
	if unknown == nil {
		why = b.send(r)
	}
	if why == nil {
		return api.GoTo(pathOf(r) + "?done=entered-for")
	}
	if noClient(why) {
		return api.Reply{}, why
	}
	c, err := r.ReadClient()
	if err = cmp.Or(err, unknown); err != nil {
		return api.Reply{}, err
	}
	b.Handle, b.Label, b.Shares = c.Handle.String(), c.Label, lastDay(c) != 0
	return page.Again(r, entryPage, "professional.entry-title", b, why)
}

func (b entryBody) send(r *api.Request) error {
	entered := journal.Entered(b.Entered)
	if b.Form == answerForm {
		if _, ok := content.Find(b.Task); !ok || b.Entered == "" || b.Text == "" {
			return incomplete
		}
		if err := unnamed(b.Text); err != nil {
			return err
		}
		_, err := r.AnswerFor(api.AnswerFor{Entered: entered, Answer: api.Answer{Task: b.Task, Text: b.Text}})
		return err
	}
	in := api.AssessmentFor{Entered: entered, Assessment: api.Assessment{Instrument: journal.Instrument(b.Form)}}
	for _, i := range b.Items {
		if i.Given < 0 {
			return incomplete
		}
		in.Items = append(in.Items, i.Given)
	}
	if b.Entered == "" {
		return incomplete
	}
	if b.Difficulty != nil && b.Difficulty.Given >= 0 {
		in.Difficulty = &b.Difficulty.Given
	}
	_, err := r.FillInFor(in)
	return err
}

// nothing is the body of a page that has none.
type nothing struct{}

// slipBody is what is handed to a new client, once. The label is the first group of the code.
type slipBody struct {
	Handle, Label, Rest string
	Address             string // where to sign in
	Advice              []advice
}

// advice is what stands on the slip in one language.
type advice struct {
	Lang  string
	Title string
	Lines []string
}

var (
	newClientPage = page.Must[nothing](files, "new-client")
	slipPage      = page.Must[slipBody](files, "slip")
)

func newClient(r *api.Request) (api.Reply, error) {
	return page.Show(newClientPage, page.NewFrame(r, "professional.new-client-title"), nothing{})
}

// registerClient gives a new client access and shows the slip, which is the answer to this form and to nothing else.
func registerClient(r *api.Request) (api.Reply, error) {
	if r.Form(api.KeyField) == "" {
		return newClient(r) // without a key, a form sent twice would be two clients
	}
	s, err := r.RegisterClient(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	b := slipBody{Handle: s.Handle.String(), Label: s.Label, Rest: s.Code[min(len(s.Label), len(s.Code)):], Address: r.Address()}
	for _, lang := range page.Languages {
		b.Advice = append(b.Advice, advice{lang, page.Say(lang, "professional.slip-title"), []string{
			page.Say(lang, "professional.slip-use"), page.Say(lang, "professional.slip-keep"), page.Say(lang, "professional.slip-choose"),
		}})
	}
	return page.Show(slipPage, page.NewFrame(r, "professional.slip-page"), b)
}
