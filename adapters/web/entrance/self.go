package entrance

import (
	"slices"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
)

// recent is how many lines of the history are on the page; all are in the file.
const recent = 30

type selfView struct {
	api.Self
	Lines []selfLine // newest first
	More  int        // that are not on the page
}

type selfLine struct {
	api.SelfEvent
	What, Who string
}

var selfPage = page.Must[selfView](files, "self")

func self(r *api.Request) (api.Reply, error) {
	s, err := r.ReadSelf(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	v := selfView{Self: s}
	lang := r.Lang()
	slices.SortStableFunc(s.History, func(a, b api.SelfEvent) int { return b.At.Compare(a.At) })
	for _, e := range s.History[:min(recent, len(s.History))] {
		line := selfLine{SelfEvent: e, What: page.Say(lang, page.Key("auditor.event."+e.Event))}
		if by := page.Key("role." + string(e.By)); !e.Own && page.Has(by) {
			line.Who = page.Say(lang, by)
		}
		v.Lines = append(v.Lines, line)
	}
	v.More = len(s.History) - len(v.Lines)
	return page.Show(selfPage, page.NewFrame(r, "entry.self-title"), v)
}

// selfFile hands the same out as a file.
func selfFile(r *api.Request) (api.Reply, error) {
	s, err := r.ReadSelf(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	return page.File("samtykke.json", s)
}
