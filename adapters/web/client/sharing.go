package client

import (
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/client"
)

// A questionView is a question about sharing: the wording, what would be seen, and what each answer leads to.
type questionView struct {
	State   state
	Text    api.Text // what is shown; the answer names it
	Yes     terms
	Preview []seen
	Chosen  string // of a form that is shown again
	Missing bool   // no answer was chosen
}

// terms are what a yes of today would lead to.
type terms struct {
	Until domain.Date // the last day on which it holds
	Ask   domain.Date // when the question comes; zero: never
}

// seen is one kind of information that the organisation would see: what it is called wherever a look-up names it, what is in it, and
// what there is of it by now.
type seen struct{ Kind, What, Now string }

var (
	firstPage    = page.Must[questionView](files, "first-question")
	followUpPage = page.Must[questionView](files, "follow-up")
	sharingPage  = page.Must[questionView](files, "sharing")
)

// questionOf reads what a question about sharing shows. The wording is the one to the question about follow-up where that is asked for,
// and otherwise the one about sharing.
func questionOf(r *api.Request, name string) (questionView, string, error) {
	s, st, err := standing(r)
	if err != nil {
		return questionView{}, "", err
	}
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return questionView{}, "", err
	}
	v := questionView{State: st, Text: shown(r, name)}
	if y := s.Yes; y != nil {
		v.Yes = terms{day(y.Until), day(y.AskedFrom)}
	}
	v.Preview = previewOf(r.Lang(), own.Registrations)
	return v, s.Question, nil
}

// previewOf is what a professional of the organisation would be shown by now. The kinds are all that a look-up can name, but for the
// organisation's own notes.
func previewOf(lang string, g api.Registrations) []seen {
	use, progress := api.Used{}, api.Progress{}
	if g.Use != nil {
		use = *g.Use
	}
	if g.Progress != nil {
		progress = *g.Progress
	}
	row := func(k client.Kind, what page.Key, now string) seen {
		return seen{kind(lang, k), page.Say(lang, what), now}
	}
	logins := count(lang, "client.preview.logins", use.Logins)
	if use.LastLogin != nil {
		logins += ", " + page.Say(lang, "client.preview.last-login", "Day", page.Date(lang, domain.DateOf(*use.LastLogin)))
	}
	return []seen{
		row(client.Scores, "client.sees.scores", count(lang, "client.preview.forms", len(g.Scores))),
		row(client.Progress, "client.sees.progress", count(lang, "client.preview.content", len(progress.Content))),
		row(client.Use, "client.sees.use", logins),
		row(client.Answers, "client.sees.answers", count(lang, "client.preview.answers", len(g.Answers)+len(g.Corrections))),
		row(client.Ratings, "client.sees.ratings", count(lang, "client.preview.ratings", len(g.Ratings))),
	}
}

// shown is a wording as it is shown today.
func shown(r *api.Request, name string) api.Text {
	t, wording := r.Texts.Shown(name, r.Lang(), now(r))
	return api.Text{Name: t.Name, Version: t.Version, Language: t.Language, Wording: wording}
}

// read is the wording that the form that was sent had on it.
func read(r *api.Request) api.Shown {
	return api.Shown{Name: r.Form("text"), Version: r.Form("version"), Language: r.Form("language")}
}

// The answers of a form.
const (
	yes = "yes"
	no  = "no"
)

func firstQuestion(r *api.Request) (api.Reply, error) {
	v, open, err := questionOf(r, text.Sharing)
	if err != nil {
		return api.Reply{}, err
	}
	if open != firstQuestionIs {
		return api.GoTo("/home")
	}
	return page.Show(firstPage, page.NewFrame(r, "client.first.title"), v)
}

func answerFirst(r *api.Request) (api.Reply, error) {
	const title = "client.first.title"
	return answered(r, firstPage, title, text.Sharing, func(share bool) (string, error) {
		_, err := r.AnswerSharing(api.AnswerShare{Share: share, Occasion: client.FirstQuestion, Text: read(r)})
		if share {
			return "/home?done=shared", err
		}
		return "/home?done=declined", err
	})
}

// answered takes a yes or a no to a question about sharing, and sends the browser on. Without an answer, or where it is refused, the
// question is shown again.
func answered(r *api.Request, p *page.Page[questionView], title page.Key, name string, do func(yes bool) (string, error)) (api.Reply, error) {
	chosen := r.Form("answer")
	var refused error
	if chosen == yes || chosen == no {
		to, err := do(chosen == yes)
		if err == nil {
			return api.GoTo(to)
		}
		refused = err
	}
	if refusedAs(refused, client.AlreadyDecided) || refusedAs(refused, client.NothingAsked) {
		return api.Reply{}, refused // it is answered, and there is no question to show again
	}
	v, _, err := questionOf(r, name)
	if err != nil {
		return api.Reply{}, err
	}
	if v.Chosen = chosen; refused != nil {
		return page.Again(r, p, title, v, refused)
	}
	v.Missing = true
	return incomplete(r, p, title, v)
}

func followUp(r *api.Request) (api.Reply, error) {
	v, open, err := questionOf(r, text.FollowUp)
	if err != nil {
		return api.Reply{}, err
	}
	if open != followUpQuestion {
		return api.GoTo("/home")
	}
	return page.Show(followUpPage, page.NewFrame(r, "client.follow-up.title"), v)
}

func answerFollowUp(r *api.Request) (api.Reply, error) {
	return answered(r, followUpPage, "client.follow-up.title", text.FollowUp, func(yes bool) (string, error) {
		_, err := r.AnswerFollowUp(api.AnswerFollowUp{Yes: yes, Text: read(r)})
		if yes {
			return "/home?done=goes-on", err
		}
		return "/home?done=ended", err
	})
}

// sharing shows the wording under Settings, before somebody shares again or stops.
func sharing(r *api.Request) (api.Reply, error) {
	v, open, err := questionOf(r, text.Sharing)
	if err != nil {
		return api.Reply{}, err
	}
	if open == firstQuestionIs {
		return api.GoTo("/first-question")
	}
	return page.Show(sharingPage, page.NewFrame(r, "client.sharing.title"), v)
}

func changeSharing(r *api.Request) (api.Reply, error) {
	return answered(r, sharingPage, "client.sharing.title", text.Sharing, func(share bool) (string, error) {
		_, err := r.AnswerSharing(api.AnswerShare{Share: share, Occasion: client.Settings, Text: read(r)})
		if share {
			return "/settings?done=shared", err
		}
		return "/settings?done=withdrawn", err
	})
}

func changeRestriction(r *api.Request) (api.Reply, error) {
	if r.Form("restrict") == yes {
		if _, err := r.Restrict(api.None{}); err != nil {
			return api.Reply{}, err
		}
		return api.GoTo("/settings?done=restricted")
	}
	if _, err := r.LiftRestriction(api.None{}); err != nil {
		return api.Reply{}, err
	}
	return api.GoTo("/settings?done=restriction-lifted")
}
