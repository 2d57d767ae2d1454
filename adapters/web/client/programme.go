package client

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
)

// The programme is one page: its parts and tasks, of which those that were opened can be read. To write about a part, or to rate it, is
// done where it stands.

type programmeView struct {
	Sections      []section // the parts, then the tasks
	Finished, All int       // of the parts
}

// A section is what stands under one heading.
type section struct {
	Title string
	Parts []part
}

// A part is a part of the programme, or a task, as the client has come to it.
type part struct {
	ID string
	content.Words
	Opened, Finished bool
	Sent             time.Time // by a professional; zero: never
	With             string    // what was sent with it
	Written          []api.GivenAnswer
	Stars            int  // given last; 0: none
	Open             bool // unfolded

	Typed   string // of a form that is shown again
	Missing bool   // nothing was written
	Wrong   bool   // what was written is not taken
}

// lately is how much of what the client has written stands with a part; all of it stands under Settings.
const lately = 3

var programmePage = page.Must[programmeView](files, "programme")

func programme(r *api.Request) (api.Reply, error) {
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(programmePage, page.NewFrame(r, "client.programme.title"), programmeOf(r.Lang(), own.Registrations))
}

// programmeOf is the programme as the client has come to it. The part that was opened last is unfolded.
func programmeOf(lang string, g api.Registrations) programmeView {
	v := programmeView{Sections: []section{
		{Title: page.Say(lang, "client.programme.parts")}, {Title: page.Say(lang, "client.programme.tasks")},
	}}
	for _, c := range content.Parts() {
		p := partOf(lang, c, g)
		if c.Task {
			v.Sections[1].Parts = append(v.Sections[1].Parts, p)
			continue
		}
		v.Sections[0].Parts = append(v.Sections[0].Parts, p)
		if v.All++; p.Finished {
			v.Finished++
		}
	}
	return v
}

func partOf(lang string, c content.Part, g api.Registrations) part {
	p := part{ID: c.ID, Words: c.In[lang]}
	if g.Progress != nil {
		for _, o := range g.Progress.Content {
			if o.Content == c.ID {
				p.Opened, p.Finished = true, o.Finished != nil
			}
		}
		for _, s := range g.Progress.Sent {
			if s.Content == c.ID {
				p.Sent, p.With = s.At, s.Task
			}
		}
		p.Open = g.Progress.Resume == c.ID
	}
	for _, a := range slices.Backward(g.Answers) {
		if a.Task == c.ID && len(p.Written) < lately {
			p.Written = append(p.Written, a)
		}
	}
	for _, s := range g.Ratings {
		if s.Content == c.ID {
			p.Stars = s.Stars
		}
	}
	return p
}

// at finds a part to change something in it; nil where there is none.
func (v programmeView) at(id string) *part {
	for _, s := range v.Sections {
		if i := slices.IndexFunc(s.Parts, func(p part) bool { return p.ID == id }); i >= 0 {
			return &s.Parts[i]
		}
	}
	return nil
}

func openContent(r *api.Request) (api.Reply, error) {
	id := r.Form("content")
	if _, err := r.OpenContent(api.Content{Content: id}); err != nil {
		return api.Reply{}, err
	}
	if _, ok := content.Find(id); !ok {
		return api.GoTo("/home?done=content-opened")
	}
	return api.GoTo("/programme?done=content-opened#" + id)
}

func finishContent(r *api.Request) (api.Reply, error) {
	if _, err := r.FinishContent(api.Content{Content: r.Form("content")}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/home?done=content-finished")
}

// write keeps what the client writes about a part.
func write(r *api.Request) (api.Reply, error) {
	const title = "client.programme.title"
	id, typed := r.Form("content"), r.Form("text")
	if _, ok := content.Find(id); !ok {
		return api.GoTo("/programme")
	}
	var refused error
	if strings.TrimSpace(typed) != "" {
		if _, refused = r.GiveAnswer(api.Answer{Task: id, Text: typed}); refused == nil {
			return api.GoTo("/programme?done=answer-saved#" + id)
		}
	}
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	v := programmeOf(r.Lang(), own.Registrations)
	p := v.at(id)
	p.Typed, p.Opened, p.Open, p.Missing, p.Wrong = typed, true, true, refused == nil, refused != nil
	if refused != nil {
		return page.Again(r, programmePage, title, v, refused)
	}
	return incomplete(r, programmePage, title, v)
}

// rate keeps how the client rates a part. Without a choice there is nothing to keep.
func rate(r *api.Request) (api.Reply, error) {
	id := r.Form("content")
	stars, err := strconv.Atoi(r.Form("stars"))
	if _, ok := content.Find(id); !ok || err != nil {
		return api.GoTo("/programme")
	}
	if _, err := r.Rate(api.Rating{Content: id, Stars: stars}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/programme?done=rated#" + id)
}
