package professional

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
)

// A purpose is one of those that a professional looks for, and what it shows.
type purpose struct {
	hint  page.Key
	kinds []client.Kind
}

var purposes = map[client.Purpose]purpose{
	client.Appointment: {"professional.purpose-appointment-hint", []client.Kind{client.Scores, client.Progress, client.Use, client.Answers}},
	client.Workload:    {"professional.purpose-workload-hint", []client.Kind{client.Scores, client.Progress, client.Use, client.Notes}},
	client.Effect:      {"professional.purpose-effect-hint", []client.Kind{client.Scores, client.Ratings}},
}

var allKinds = []client.Kind{client.Scores, client.Progress, client.Use, client.Answers, client.Ratings, client.Notes}

// look is what somebody wants to see of a client, and for what.
type look struct {
	purpose client.Purpose
	all     bool
	kinds   []client.Kind
	since   domain.Date // what came from this day on is marked; zero: nothing is
}

// isNew tells whether something came since the day that the reader named.
func (l look) isNew(t time.Time) bool { return l.since != 0 && domain.DateOf(t) >= l.since }

// lookFrom reads the form. What it does not know, the door refuses.
func lookFrom(r *api.Request) look {
	l := look{purpose: client.Purpose(r.Form("purpose")), all: r.Form("all") != ""}
	l.kinds = purposes[l.purpose].kinds
	if l.all || l.kinds == nil {
		l.kinds = allKinds
	}
	if l.purpose == client.Appointment {
		l.since, _ = domain.ParseDate(r.Form("since")) // what is no day marks nothing
	}
	return l
}

// clientBody is the page about one client.
type clientBody struct {
	Handle, Label string
	Until         domain.Date // the last day on which it shares; zero: not shared
	Asked         bool
	Purposes      []choice
	Since         domain.Date
	Shown         *shown // nil: nothing was looked up
	Typed         typedForms
	Programme     programme
}

// choice is one of several.
type choice struct {
	Value, Text, Hint string
	Chosen            bool
}

// programme is what there is to send, and to answer, with the one that is chosen.
type programme struct{ Parts, Tasks []choice }

func programmeOf(lang, chosen string) (p programme) {
	for _, part := range content.Parts() {
		c := choice{Value: part.ID, Text: part.In[lang].Name, Chosen: part.ID == chosen}
		if part.Task {
			p.Tasks = append(p.Tasks, c)
		} else {
			p.Parts = append(p.Parts, c)
		}
	}
	return p
}

// typedForms are what was typed in a form that was refused. Open names it.
type typedForms struct {
	Open          string
	Content, Task string
	Note          string // its id: the note is written anew
	Draft         bool
	Text          string
}

var clientPage = page.Must[clientBody](files, "client")

// sinceDays is how far back "since the last appointment" goes until the reader says otherwise.
const sinceDays = 28

// bodyOf is the page about a client without anything registered.
func bodyOf(r *api.Request, c api.Client, l look) clientBody {
	b := clientBody{
		Handle: c.Handle.String(), Label: c.Label, Until: lastDay(c), Asked: c.Asked,
		Since: cmp.Or(l.since, domain.DateOf(r.Now()).AddDays(-sinceDays)), Programme: programmeOf(r.Lang(), ""),
	}
	for _, p := range []client.Purpose{client.Appointment, client.Workload, client.Effect} {
		b.Purposes = append(b.Purposes, choice{string(p), word(r.Lang(), "word.purpose.", p), say(r, purposes[p].hint), p == l.purpose})
	}
	return b
}

func oneClient(r *api.Request) (api.Reply, error) {
	c, err := r.ReadClient()
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(clientPage, page.NewFrame(r, "professional.client-title"), bodyOf(r, c, look{}))
}

// lookUp shows what is registered about a client, for the purpose given.
func lookUp(r *api.Request) (api.Reply, error) {
	l := lookFrom(r)
	out, err := r.LookUp(api.LookUp{Purpose: l.purpose, Kinds: l.kinds})
	if err != nil {
		return clientAgain(r, typedForms{}, l, err)
	}
	c, err := r.ReadClient()
	if err != nil {
		return api.Reply{}, err
	}
	b := bodyOf(r, c, l)
	b.Shown = layOut(r.Lang(), l, out.Registrations, domain.DateOf(r.Now()))
	f := page.NewFrame(r, "professional.client-title")
	f.Recorded = true
	return page.Show(clientPage, f, b)
}

// clientAgain shows the page about a client with the reason why a form on it was not taken, and what was typed. Where there is no such
// client, or the reader may not see any, the refusal is all there is.
func clientAgain(r *api.Request, t typedForms, l look, why error) (api.Reply, error) {
	if noClient(why) {
		return api.Reply{}, why
	}
	c, err := r.ReadClient()
	if err != nil {
		return api.Reply{}, err
	}
	b := bodyOf(r, c, l)
	b.Typed, b.Programme = t, programmeOf(r.Lang(), t.Content)
	return again(r, clientPage, "professional.client-title", pathOf(r), b, why)
}

// noClient tells whether the refusal leaves no page to show: it is on record by now.
func noClient(err error) bool {
	return slices.Contains([]string{client.NotRegistered, "not-active", "not-allowed"}, web.FromError(err).Code)
}

func pathOf(r *api.Request) string { return "/clients/" + r.ID("handle").String() }

func sendContent(r *api.Request) (api.Reply, error) {
	t := typedForms{Open: "content", Content: typed(r, "content"), Task: typed(r, "task")}
	err := sendable(t)
	if err == nil {
		_, err = r.SendContent(api.Send{Content: t.Content, Task: t.Task})
	}
	if err != nil {
		return clientAgain(r, t, look{}, err)
	}
	return api.GoTo(pathOf(r) + "?done=content-sent")
}

// sendable refuses what is not in the programme, and a task that tells who somebody is (C14).
func sendable(t typedForms) error {
	if _, ok := content.Find(t.Content); !ok {
		return incomplete
	}
	return unnamed(t.Task)
}

// unnamed refuses a text that tells who somebody is.
func unnamed(text string) error {
	if journal.Identifying(text) != "" {
		return web.NewProblem(http.StatusUnprocessableEntity, journal.TellsWho, "The text tells who somebody is.")
	}
	return nil
}

func writeNote(r *api.Request) (api.Reply, error) {
	t := typedForms{Open: "note", Note: r.Form("note"), Draft: r.Form("draft") != "", Text: typed(r, "text")}
	in := api.WriteNote{Draft: t.Draft, Text: t.Text}
	if t.Note != "" {
		if err := in.Note.UnmarshalText([]byte(t.Note)); err != nil {
			t.Note = "" // the note is a new one
		}
	}
	if _, err := r.WriteNote(in); err != nil {
		return clientAgain(r, t, look{}, err)
	}
	if t.Draft {
		return api.GoTo(pathOf(r) + "?done=draft-kept")
	}
	return api.GoTo(pathOf(r) + "?done=note-written")
}

func passOnCorrection(r *api.Request) (api.Reply, error) {
	t := typedForms{Open: "correction", Text: typed(r, "text")}
	if _, err := r.PassOnCorrection(api.AskCorrection{Text: t.Text}); err != nil {
		return clientAgain(r, t, look{}, err)
	}
	return api.GoTo(pathOf(r) + "?done=correction-passed-on")
}
